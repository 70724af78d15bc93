//! Signs of life for a client that waits for a stream in silence: a comment now and then, so that neither it nor a proxy
//! between takes the connection for dead. A model's `keep_alive` asks for them.
//!
//! The first one opens the answer: its header goes out with status 200 before anything is known of it. Another target may
//! answer still, as long as no part of an answer went out, and the client sees nothing of the change; but what goes wrong
//! from then on can only be told inside of the stream.
//!
//! They are written where Pingora lets us wait for the client, and it drops what waits there as soon as the provider says
//! something (trap 14). So one that was not seen to its end may be anywhere: none, all, or, on HTTP/2 where a window of
//! some bytes is left, a part of it. (On HTTP/1.1 a piece of this size goes into an empty buffer at once or not at all.)
//! Then no other one is written, and what follows begins with an empty line: it ends a comment, and an event that was cut
//! short has no data, or is a `ping` still.

use bytes::Bytes;
use std::time::Duration;
use tokio::time::Instant;

/// Ends what may stand there half.
const MEND: &[u8] = b"\n\n";

/// What a client was told while it waits.
#[derive(Debug)]
pub struct Vigil {
    /// When it last got a byte, or began to wait.
    heard: Instant,
    /// The header went out with a sign of life.
    open: bool,
    /// The last sign may be there in part.
    torn: bool,
}

impl Vigil {
    /// Of a client that waits since `heard`.
    pub const fn since(heard: Instant) -> Self {
        Self { heard, open: false, torn: false }
    }

    /// Whether the header went out with a sign of life.
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// When the next sign is due, if one may be written at all.
    pub fn due(&self, every: Duration) -> Option<Instant> {
        (!self.torn).then(|| self.heard + every)
    }

    /// A sign is about to be written. True where the header must go before it: it has not gone out yet.
    pub fn begin(&mut self, answered: bool) -> bool {
        self.torn = true;
        !answered && !std::mem::replace(&mut self.open, true)
    }

    /// The sign is out, whole.
    pub fn done(&mut self, now: Instant) {
        self.torn = false;
        self.heard = now;
    }

    /// `bytes` of the answer go out now: as they must stand behind what was written before.
    pub fn mend(&mut self, bytes: Bytes) -> Bytes {
        self.heard = Instant::now();
        if bytes.is_empty() || !std::mem::take(&mut self.torn) {
            return bytes;
        }
        [MEND, &bytes].concat().into()
    }
}

#[cfg(test)]
mod tests {
    use super::Vigil;
    use bytes::Bytes;
    use std::time::Duration;
    use tokio::time::Instant;

    #[test]
    fn the_header_goes_out_with_the_first_sign_and_never_behind_an_answer() {
        let mut vigil = Vigil::since(Instant::now());
        assert!(!vigil.is_open());
        assert!(vigil.begin(false) && vigil.is_open());
        vigil.done(Instant::now());
        assert!(!vigil.begin(false), "once");
        let mut late = Vigil::since(Instant::now());
        assert!(!late.begin(true) && !late.is_open(), "the answer has its own");
    }

    #[test]
    fn behind_a_sign_that_may_be_torn_there_is_no_other_and_what_follows_is_kept_apart_from_it() {
        let every = Duration::from_secs(1);
        let mut vigil = Vigil::since(Instant::now());
        assert!(vigil.due(every).is_some());
        vigil.begin(false);
        assert_eq!(vigil.due(every), None);
        assert_eq!(vigil.mend(Bytes::new()), "", "nothing to be kept apart");
        assert_eq!(vigil.mend(Bytes::from_static(b"data: x\n\n")), "\n\ndata: x\n\n");
        assert_eq!(vigil.mend(Bytes::from_static(b"data: y\n\n")), "data: y\n\n", "once");
        assert!(vigil.due(every).is_some(), "and signs may go on");
        vigil.begin(false);
        vigil.done(Instant::now());
        assert_eq!(vigil.mend(Bytes::from_static(b"data: z\n\n")), "data: z\n\n", "this one was whole");
    }
}
