//! How many frames of HTTP/2 a client may send that cost it nothing and us work.
//!
//! The `h2` crate bounds what such frames make it keep (streams that were reset, header lists, CONTINUATION, answers to PING
//! and SETTINGS), not how many it works off. Only the nine bytes in front of each frame are looked at.

use std::time::Duration;
use tokio::time::Instant;

/// More of such frames than are let pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flood;

/// Reads the client's side of a connection, from its preface on, however the network cuts it.
#[derive(Debug)]
pub struct Frames {
    /// Bytes of the preface or of a payload that are still to pass.
    skip: usize,
    head: [u8; HEAD],
    have: usize,
    left: u64,
    at: Instant,
}

/// Bytes in front of a payload (RFC 9113 §4.1).
const HEAD: usize = 9;
/// Length of the preface.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What a connection has to spend at its beginning, and at most.
const MOST: u64 = 20_000;
/// What it gets back a second: 200 resets, 400 pings, 4,000 updates of windows.
const PER_SECOND: u64 = 4_000;
/// Bytes of answers that pay for one more: who reads many small events opens windows as often.
const BYTES_PER_UNIT: u64 = 32;

impl Frames {
    /// At the beginning of a connection.
    pub fn new(now: Instant) -> Self {
        Self { skip: PREFACE.len(), head: [0; HEAD], have: 0, left: MOST, at: now }
    }

    /// Looks at what came.
    ///
    /// # Errors
    ///
    /// [`Flood`]: the connection is to be closed.
    pub fn push(&mut self, bytes: &[u8], now: Instant) -> Result<(), Flood> {
        self.refill(now);
        let mut rest = bytes;
        while !rest.is_empty() {
            let skipped = self.skip.min(rest.len());
            self.skip -= skipped;
            rest = rest.get(skipped..).unwrap_or_default();
            while self.have < HEAD && self.skip == 0 {
                let Some((&byte, behind)) = rest.split_first() else { return Ok(()) };
                if let Some(place) = self.head.get_mut(self.have) {
                    *place = byte;
                }
                self.have += 1;
                rest = behind;
            }
            if self.have == HEAD {
                self.have = 0;
                let [a, b, c, kind, flags, ..] = self.head;
                self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.left = self.left.checked_sub(cost(kind, flags, self.skip)).ok_or(Flood)?;
            }
        }
        Ok(())
    }

    /// So many bytes were sent to the client.
    pub fn sent(&mut self, bytes: usize) {
        self.left = (self.left + bytes as u64 / BYTES_PER_UNIT).min(MOST);
    }

    fn refill(&mut self, now: Instant) {
        const UNIT: Duration = Duration::from_micros(1_000_000 / PER_SECOND);
        let units = now.saturating_duration_since(self.at).as_micros() / UNIT.as_micros();
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        self.at += UNIT * units.min(1_000_000);
        self.left = (self.left + u64::from(units)).min(MOST);
    }
}

/// What a frame costs (types: RFC 9113 §6).
const fn cost(kind: u8, flags: u8, length: usize) -> u64 {
    const END_STREAM: u8 = 1;
    match kind {
        // An empty piece that ends nothing says nothing.
        0 if length == 0 && flags & END_STREAM == 0 => 10,
        0 => 0,
        // A request has its own price: it is authenticated, limited and recorded.
        1 => 2,
        // RST_STREAM and SETTINGS make us do most.
        3 | 4 => 20,
        8 => 1,
        // PRIORITY, PUSH_PROMISE, PING, GOAWAY, CONTINUATION, and what is unknown.
        _ => 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).expect("short");
        [&[0, 0, length, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// Frames that pass at once, cut into pieces of `cut` bytes.
    fn passing(frame: &[u8], cut: usize) -> usize {
        let now = Instant::now();
        let mut frames = Frames::new(now);
        frames.push(PREFACE, now).expect("the preface");
        let mut passed = 0;
        while passed < 100_000 && frame.chunks(cut).all(|piece| frames.push(piece, now).is_ok()) {
            passed += 1;
        }
        passed
    }

    #[test]
    fn floods_end_and_data_does_not() {
        for (name, kind, flags, payload, want) in [
            ("rst_stream", 3, 0, &[0; 4][..], 1_000),
            ("settings", 4, 0, &[][..], 1_000),
            ("ping", 6, 0, &[0; 8][..], 2_000),
            ("priority", 2, 0, &[0; 5][..], 2_000),
            ("continuation", 9, 0, &[][..], 2_000),
            ("unknown", 77, 0, &[][..], 2_000),
            ("empty data", 0, 0, &[][..], 2_000),
            ("window_update", 8, 0, &[0; 4][..], 20_000),
            ("data", 0, 0, &[1][..], 100_000),
            ("the end of a body", 0, 1, &[][..], 100_000),
        ] {
            for cut in [1, 4, 100] {
                assert_eq!(passing(&frame(kind, flags, payload), cut), want, "{name}, cut {cut}");
            }
        }
    }

    #[test]
    fn time_and_answers_pay_back() {
        let mut now = Instant::now();
        let mut frames = Frames::new(now);
        frames.push(PREFACE, now).expect("the preface");
        let pings = |count| frame(6, 0, &[0; 8]).repeat(count);
        assert_eq!(frames.push(&pings(2_000), now), Ok(()));
        now += Duration::from_secs(1);
        assert_eq!(frames.push(&pings(400), now), Ok(()));
        frames.sent(320);
        assert_eq!(frames.push(&pings(1), now), Ok(()));
        assert_eq!(frames.push(&pings(1), now), Err(Flood));
    }
}
