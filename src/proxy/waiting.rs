//! A request's place, as the stages of its opening ask for it; and whether its client is still there. Nothing of a body
//! is read here, though reading is what would tell at once that a client has left.

use super::{
    admission::Place,
    finish::Local,
    open::{Next, Opening},
    reject::Reject,
};
use crate::auth::Caller;
use pingora::proxy::Session;
use tokio::time::Instant;

impl Opening<'_> {
    /// A place for a request of `caller`, before anything of its body is read; `None`: the client left.
    ///
    /// # Errors
    ///
    /// [`Reject::Overloaded`].
    pub async fn place(
        &self,
        session: &mut Session,
        caller: &Caller,
        local: &mut Local,
    ) -> Result<Option<Place>, Reject> {
        let places = &self.gateway.services.places;
        places.measure(self.arrival.at_us).await;
        if let Some(place) = places.take() {
            return Ok(Some(place));
        }
        let begun = Instant::now();
        let entered = places.enter(caller.priority, &caller.team, || left(session)).await;
        local.queued = begun.elapsed();
        entered.map_err(Reject::Overloaded)
    }
}

impl Next {
    /// The client left before anything was done for it.
    pub const fn left() -> Self {
        Self::Ended { status: 499, bytes: 0, code: Some("client_gone") }
    }
}

/// Whether the client closed its connection or its stream. Reads nothing.
fn left(session: &mut Session) -> bool {
    /// `TCP_ESTABLISHED` (Linux, `include/net/tcp_states.h`).
    const ESTABLISHED: u8 = 1;
    if let Some(closing) = session.as_downstream_mut().watch_h2_stream_close() {
        return futures::FutureExt::now_or_never(closing).is_some();
    }
    let info = session.digest().and_then(|digest| digest.socket_digest.as_ref()?.tcp_info());
    info.is_some_and(|info| info.tcpi_state != ESTABLISHED)
}
