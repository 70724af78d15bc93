//! Makes the attempts of a mirrored request with Pingora's connector: there is no client's session that Pingora's proxy could
//! go by. The exchange is the same as that of any request, and so are its rows, its metering and its health.

use super::{Job, Result as Ended, count, open::open};
use crate::{
    proxy::{
        admission::Place,
        attempt::Attempt,
        exchange::{Exchange, Shared},
        finish, forward,
        gateway::Services,
        trouble::Trouble,
    },
    routing::Resolver,
};
use bytes::Bytes;
use http::{HeaderMap, Method};
use parking_lot::Mutex;
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::{HttpPeer, Peer as _};
use pingora::{Error, ErrorType, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// A body is written in pieces of this size.
const PIECE: usize = 64 * 1024;

/// Connections of mirrored requests; they are not shared with those of clients.
pub(in crate::proxy) struct Driver {
    connector: Connector,
    resolver: Resolver,
}

impl Default for Driver {
    fn default() -> Self {
        let options = ConnectorOptions::from_server_conf(&ServerConf::default());
        Self { connector: Connector::new(Some(options)), resolver: Resolver::default() }
    }
}

impl Driver {
    /// Makes one request, from its opening to its record.
    pub(super) async fn one(&self, services: &Arc<Services>, job: Job, place: Place) {
        let of = Arc::clone(&job.from);
        let opened = match open(services, &job, place) {
            Ok(opened) => opened,
            Err(reject) => {
                tracing::debug!(code = reject.code(), %reject, "a request was not mirrored");
                return count(&services.metrics, &of, Ended::Refused);
            }
        };
        let overhead = opened.arrival.at.elapsed();
        let shared: Shared = Arc::new(Mutex::new(Exchange::new(opened, Arc::clone(services), overhead)));
        self.attempts(&shared, &job.headers, None).await;
        let mut exchange = shared.lock();
        let answered = exchange.attempt().filter(|attempt| attempt.answer.ended());
        let status = answered.map_or(0, |attempt| attempt.answer.status());
        let (status, code) = match status {
            0 => {
                let reject = exchange.verdict();
                (reject.status(), Some(reject.code()))
            }
            status => (status, None),
        };
        count(&services.metrics, &of, if status < 400 { Ended::Answered } else { Ended::Failed });
        finish::conclude(&mut exchange, code, status);
    }

    /// Attempt after attempt, until one answers or nothing is left. `heard`: where its body goes; `None`: nobody gets it.
    pub(in crate::proxy) async fn attempts(&self, shared: &Shared, headers: &HeaderMap, mut heard: Heard<'_>) {
        while let Ok(peer) = forward::next_peer(None, shared, &self.resolver).await {
            if let Some(heard) = &mut heard {
                heard.clear();
            }
            let Err(error) = self.attempt(shared, headers, &peer, heard.as_deref_mut()).await else { return };
            let mut exchange = shared.lock();
            let found = exchange.take_found();
            if let (true, None) = (error.unconnected, &found) {
                let address = peer.address().as_inet().copied();
                if let Some(address) = address.filter(|_| forward::is_unreachable(&error.error, &peer)) {
                    self.resolver.avoid(address);
                }
                if forward::detour(&error.error, &peer, &mut exchange, &self.resolver) {
                    continue;
                }
            }
            if error.reused && forward::is_stale(&error.error, found.as_ref(), &exchange) {
                if let Some(attempt) = exchange.attempt_mut() {
                    attempt.fresh = true;
                }
                continue;
            }
            let trouble = found.unwrap_or_else(|| forward::trouble_of(&error.error, &exchange));
            if !exchange.failed(trouble) {
                return;
            }
        }
    }

    async fn attempt(
        &self,
        shared: &Shared,
        headers: &HeaderMap,
        peer: &HttpPeer,
        heard: Heard<'_>,
    ) -> std::result::Result<(), Failed> {
        let connected = within(shared, self.connector.get_http_session(peer)).await;
        let (mut session, reused) = connected.map_err(|error| Failed { error, reused: false, unconnected: true })?;
        let failed = |error: Box<Error>| Failed { error, reused, unconnected: false };
        let durable = shared.lock().attempt().and_then(|attempt| attempt.durable());
        if let Some(durable) = durable {
            let lost = |error| Error::because(ErrorType::InternalError, "the attempt's row is not durable", error);
            durable.await.map_err(|error| failed(lost(error)))?;
        }
        match self.exchange(shared, headers, &mut session, heard).await {
            Ok(()) => {
                self.connector.release_http_session(session, peer, peer.options.idle_timeout).await;
                Ok(())
            }
            Err(error) => {
                session.shutdown().await;
                Err(failed(error))
            }
        }
    }

    /// The request up, the answer down.
    async fn exchange(
        &self,
        shared: &Shared,
        headers: &HeaderMap,
        session: &mut HttpSession,
        mut heard: Heard<'_>,
    ) -> Result<()> {
        let mut head = RequestHeader::build(Method::POST, b"/", None)?;
        if matches!(session, HttpSession::H2(_)) {
            head.set_version(http::Version::HTTP_2);
        }
        forward::write_head(&mut shared.lock(), headers, &mut head)?;
        within(shared, session.write_request_header(Box::new(head))).await?;
        let whole = shared.lock().attempt_mut().and_then(Attempt::whole_body); // none towards HTTP/2
        let mut whole = whole.unwrap_or_default();
        while !whole.is_empty() {
            let piece = whole.split_to(whole.len().min(PIECE));
            within(shared, session.write_request_body(piece, false)).await?;
        }
        while let Some(slice) = next_slice(shared) {
            within(shared, session.write_request_body(slice, false)).await?;
        }
        within(shared, session.finish_request_body()).await?;
        loop {
            within(shared, session.read_response_header()).await?;
            let Some(head) = session.response_header() else { return Err(Error::new(ErrorType::InvalidHTTPHeader)) };
            let judged = forward::head_of(&mut shared.lock(), head);
            judged.map_err(|trouble| found(shared, trouble))?;
            if !head.status.is_informational() {
                break;
            }
        }
        if let HttpSession::H1(session) = session {
            session.respect_keepalive(); // else Pingora never keeps the connection
        }
        while let Some(piece) = within(shared, session.read_response_body()).await? {
            let read = shared.lock().piece(piece);
            hear(&mut heard, &read.map_err(|trouble| found(shared, trouble))?);
            told(shared)?;
        }
        let ended = shared.lock().end();
        hear(&mut heard, &ended.map_err(|trouble| found(shared, trouble))?);
        told(shared)
    }
}

/// Where the body of an answer goes.
type Heard<'a> = Option<&'a mut Vec<u8>>;

/// A longer answer is not heard to its end.
const MOST_HEARD: usize = 256 * 1024;

fn hear(heard: &mut Heard<'_>, bytes: &[u8]) {
    if let Some(heard) = heard {
        // One byte more than may be heard says that there was more: what is behind a gap would be another answer.
        let room = (MOST_HEARD + 1).saturating_sub(heard.len());
        heard.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }
}

/// Why an attempt failed.
struct Failed {
    error: Box<Error>,
    /// Its connection had been used before.
    reused: bool,
    /// There was none.
    unconnected: bool,
}

fn next_slice(shared: &Shared) -> Option<Bytes> {
    shared.lock().attempt_mut().and_then(Attempt::next_slice)
}

/// Whether the answer went on well. What a client would have seen of it binds here too: there is no other target then.
fn told(shared: &Shared) -> Result<()> {
    let trouble = {
        let mut exchange = shared.lock();
        if exchange.attempt().is_some_and(|attempt| attempt.answer.released()) {
            exchange.commit();
        }
        exchange.attempt().and_then(|attempt| attempt.answer.failed().cloned())
    };
    trouble.map_or(Ok(()), |trouble| Err(found(shared, trouble)))
}

/// Keeps `trouble` for whoever decides about the next target.
fn found(shared: &Shared, trouble: Trouble) -> Box<Error> {
    let error = Error::explain(ErrorType::InternalError, trouble.to_string());
    shared.lock().found(trouble);
    error
}

/// `step`, as long as none of the attempt's deadlines is over.
async fn within<T>(shared: &Shared, step: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::pin!(step);
    loop {
        let wake_at = shared.lock().wake_at().unwrap_or_else(|| Instant::now() + Duration::from_secs(1));
        tokio::select! {
            done = &mut step => return done.map_err(|error| error.into_up()),
            () = sleep_until(wake_at) => {
                let expired = shared.lock().expired(Instant::now());
                if let Some(trouble) = expired {
                    return Err(found(shared, trouble));
                }
            }
        }
    }
}
