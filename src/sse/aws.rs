//! Finds the messages of an `application/vnd.amazon.eventstream`, whatever the cuts of the network.
//!
//! A message is a prelude (its length, its headers' length, a CRC32 of both), headers, a payload and a CRC32 of all
//! before it; numbers are big-endian (<https://smithy.io/2.0/aws/amazon-eventstream.html>). It comes out as an
//! [`SseEvent`] whose name tells what the message is; the types of events and exceptions have no colon, so that the
//! three cannot be mistaken for one another:
//!
//! | `:message-type` | name | data |
//! | --- | --- | --- |
//! | `event` (or none) | `:event-type`: `contentBlockDelta` | the payload |
//! | `exception` | `exception:` and `:exception-type`: `exception:throttlingException` | the payload |
//! | `error` | `error:` and `:error-code`: `error:InternalError` | `:error-message`, or else the payload |

use super::SseEvent;
use bytes::{Buf as _, Bytes, BytesMut};
use std::ops::Range;

/// Before the type of an exception, in an event's name.
pub const EXCEPTION: &[u8] = b"exception:";

/// Before the code of an error, in an event's name.
pub const ERROR: &[u8] = b"error:";

/// A stream of messages that cannot be read on: where the next message begins is not known any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BrokenMessage {
    /// Longer than the scanner allows.
    #[error("a message is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The lengths at its front are not what was sent.
    #[error("the checksum of a message's prelude is wrong")]
    PreludeChecksum,
    /// The message is not what was sent.
    #[error("the checksum of a message is wrong")]
    Checksum,
    /// Its lengths contradict each other.
    #[error("the lengths of a message do not fit")]
    Lengths,
    /// Its headers cannot be read.
    #[error("the headers of a message cannot be read")]
    Headers,
}

/// Cuts a stream into messages.
///
/// A message that lies inside one chunk is a slice of it. Its checksums are proven before anything of it is handed
/// out, and its length before anything is held back for it.
#[derive(Debug)]
pub struct AwsScanner {
    limit: usize,
    /// The bytes of a message whose end has not come.
    held: BytesMut,
    /// The length of that message, once its prelude is there.
    want: Option<usize>,
}

impl AwsScanner {
    /// A scanner of messages of at most `limit_bytes`; it never holds back more.
    pub fn new(limit_bytes: usize) -> Self {
        Self { limit: limit_bytes, held: BytesMut::new(), want: None }
    }

    /// Takes one chunk and appends each message that it completes to `out`.
    ///
    /// # Errors
    ///
    /// [`BrokenMessage`]: messages before it are in `out`; the stream must be given up.
    pub fn push(&mut self, chunk: &Bytes, out: &mut Vec<SseEvent>) -> Result<(), BrokenMessage> {
        let mut rest = chunk.clone();
        while !rest.is_empty() {
            if self.held.is_empty()
                && let Some(length) = length(&rest, self.limit)?
                && rest.len() >= length
            {
                out.push(event(rest.split_to(length))?);
                continue;
            }
            self.hold(&mut rest)?;
            if self.want.is_some_and(|want| self.held.len() >= want) {
                self.want = None;
                out.push(event(self.held.split().freeze())?);
            }
        }
        Ok(())
    }

    /// Bytes held back because their message is not complete yet.
    pub fn pending(&self) -> usize {
        self.held.len()
    }

    /// The stream has ended: what is left of a message that did not come whole. It has neither name nor data.
    pub fn finish(&mut self) -> Option<SseEvent> {
        self.want = None;
        let raw = self.held.split().freeze();
        let empty = Bytes::new();
        (!raw.is_empty()).then(|| SseEvent { raw, name: empty.clone(), data: empty, has_data: false, data_at: None })
    }

    /// Moves what the message lacks from the front of `rest`: its prelude first, which tells how much that is.
    fn hold(&mut self, rest: &mut Bytes) -> Result<(), BrokenMessage> {
        let upto = self.want.unwrap_or(PRELUDE);
        let lack = upto.saturating_sub(self.held.len()).min(rest.len());
        self.held.extend_from_slice(&rest.split_to(lack));
        if self.want.is_none() {
            self.want = length(&self.held, self.limit)?;
        }
        Ok(())
    }
}

/// Bytes of a prelude with its checksum.
const PRELUDE: usize = 12;

/// Bytes of a checksum.
const CHECKSUM: usize = 4;

/// The length of the message whose first bytes these are; `None`: they do not tell yet.
fn length(front: &[u8], limit: usize) -> Result<Option<usize>, BrokenMessage> {
    let Some((mut prelude, _)) = front.split_at_checked(PRELUDE) else { return Ok(None) };
    let checksum = crc32fast::hash(&prelude[..PRELUDE - CHECKSUM]);
    let (total, headers) = (prelude.get_u32() as usize, prelude.get_u32() as usize);
    if checksum != prelude.get_u32() {
        return Err(BrokenMessage::PreludeChecksum);
    }
    if total > limit {
        return Err(BrokenMessage::TooLong { limit });
    }
    match total.checked_sub(PRELUDE + CHECKSUM) {
        Some(room) if headers <= room => Ok(Some(total)),
        _ => Err(BrokenMessage::Lengths),
    }
}

/// Reads one whole message, whose prelude was proven.
fn event(raw: Bytes) -> Result<SseEvent, BrokenMessage> {
    let (body, mut checksum) = raw.split_at(raw.len() - CHECKSUM);
    if crc32fast::hash(body) != checksum.get_u32() {
        return Err(BrokenMessage::Checksum);
    }
    let mut lengths = body.get(4..8).ok_or(BrokenMessage::Lengths)?;
    let data_at = PRELUDE + lengths.get_u32() as usize;
    let headers = Headers::read(&raw, PRELUDE..data_at).ok_or(BrokenMessage::Headers)?;
    let mut at = data_at..body.len();
    let name = match headers.message.as_deref() {
        Some(b"exception") => [EXCEPTION, &headers.exception].concat().into(),
        Some(b"error") => {
            if let Some(message) = headers.message_at {
                at = message;
            }
            [ERROR, &headers.code].concat().into()
        }
        _ => headers.event,
    };
    let data = if at.is_empty() { Bytes::new() } else { raw.slice(at.clone()) };
    Ok(SseEvent { name, has_data: !at.is_empty(), data, data_at: Some(at.start), raw })
}

/// The headers that tell what a message is.
#[derive(Default)]
struct Headers {
    message: Option<Bytes>,
    event: Bytes,
    exception: Bytes,
    code: Bytes,
    /// Where the value of `:error-message` stands.
    message_at: Option<Range<usize>>,
}

impl Headers {
    /// Reads those that stand in `raw` at `at`; `None` if they are none.
    fn read(raw: &Bytes, mut at: Range<usize>) -> Option<Self> {
        let mut headers = Self::default();
        while !at.is_empty() {
            let name = take(raw, &mut at, 1)?;
            let name = take(raw, &mut at, usize::from(*name.first()?))?;
            let kind = *take(raw, &mut at, 1)?.first()?;
            let length = match kind {
                // True, false.
                0 | 1 => 0,
                // A byte, a short, an int, a long, a time, a UUID.
                2 => 1,
                3 => 2,
                4 => 4,
                5 | 8 => 8,
                9 => 16,
                // Bytes, a string.
                6 | 7 => usize::from(take(raw, &mut at, 2)?.get_u16()),
                _ => return None,
            };
            let start = at.start;
            let value = take(raw, &mut at, length)?;
            if kind == STRING {
                headers.keep(&name, value, start);
            }
        }
        Some(headers)
    }

    fn keep(&mut self, name: &[u8], value: Bytes, start: usize) {
        match name {
            b":message-type" => self.message = Some(value),
            b":event-type" => self.event = value,
            b":exception-type" => self.exception = value,
            b":error-code" => self.code = value,
            b":error-message" => self.message_at = Some(start..start + value.len()),
            _ => {}
        }
    }
}

/// The type of a header's value that is a string.
const STRING: u8 = 7;

/// The next `length` bytes of `raw` at the front of `at`.
fn take(raw: &Bytes, at: &mut Range<usize>, length: usize) -> Option<Bytes> {
    let end = at.start.checked_add(length).filter(|end| *end <= at.end)?;
    let piece = raw.slice(at.start..end);
    at.start = end;
    Some(piece)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(name: &str, kind: u8, value: &[u8]) -> Vec<u8> {
        let mut out = vec![name.len() as u8];
        out.extend_from_slice(name.as_bytes());
        out.push(kind);
        if matches!(kind, 6 | 7) {
            out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        }
        out.extend_from_slice(value);
        out
    }

    fn sealed(headers: &[u8], payload: &[u8]) -> Vec<u8> {
        let total = (16 + headers.len() + payload.len()) as u32;
        let mut out = [total.to_be_bytes(), (headers.len() as u32).to_be_bytes()].concat();
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        out.extend_from_slice(headers);
        out.extend_from_slice(payload);
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        out
    }

    fn message(headers: &[(&str, &str)], payload: &str) -> Vec<u8> {
        let headers: Vec<u8> = headers.iter().flat_map(|(name, value)| header(name, 7, value.as_bytes())).collect();
        sealed(&headers, payload.as_bytes())
    }

    fn delta(payload: &str) -> Vec<u8> {
        message(&[(":event-type", "contentBlockDelta"), (":message-type", "event")], payload)
    }

    fn scan(stream: &[u8], cut: usize, limit: usize) -> (Vec<SseEvent>, Result<(), BrokenMessage>) {
        let (mut scanner, mut out) = (AwsScanner::new(limit), Vec::new());
        let told = stream.chunks(cut).try_for_each(|chunk| {
            let told = scanner.push(&Bytes::copy_from_slice(chunk), &mut out);
            assert!(scanner.pending() <= limit.max(PRELUDE), "what is held back is bounded");
            told
        });
        // What is held back of a stream that was given up depends on the cuts.
        if told.is_ok() {
            out.extend(scanner.finish());
        }
        (out, told)
    }

    /// The empty message and the one with a header and a payload of the protocol's published test data.
    #[test]
    fn published_messages_are_read() {
        let empty = [0, 0, 0, 16, 0, 0, 0, 0, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8, 0xff];
        let (events, told) = scan(&empty, 16, 100);
        assert_eq!((events.len(), told), (1, Ok(())));
        assert!(!events[0].has_data && events[0].name.is_empty());
        let json = hex::decode(concat!(
            "0000003d0000002007fd8396",
            "0c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e",
            "7b27666f6f273a27626172277d8d9c08b1"
        ))
        .expect("it is hex");
        let (events, told) = scan(&json, 7, 100);
        assert_eq!((events.len(), told), (1, Ok(())));
        assert_eq!((&events[0].data[..], events[0].data_at), (&b"{'foo':'bar'}"[..], Some(44)));
    }

    #[test]
    fn events_exceptions_and_errors_are_told_apart() {
        let cases = [
            (vec![(":message-type", "event"), (":event-type", "messageStop")], "messageStop", "{}"),
            (vec![(":event-type", "messageStop")], "messageStop", "{}"),
            (
                vec![(":message-type", "exception"), (":exception-type", "throttlingException")],
                "exception:throttlingException",
                "{}",
            ),
            (
                vec![(":message-type", "error"), (":error-code", "Internal"), (":error-message", "it broke")],
                "error:Internal",
                "it broke",
            ),
            (vec![(":message-type", "error"), (":error-code", "Internal")], "error:Internal", "{}"),
        ];
        for (headers, name, data) in cases {
            let (events, _) = scan(&message(&headers, "{}"), 1000, 1000);
            assert_eq!((&events[0].name[..], &events[0].data[..]), (name.as_bytes(), data.as_bytes()), "{name}");
            let at = events[0].data_at.expect("it is one run");
            assert_eq!(&events[0].raw[at..at + data.len()], data.as_bytes(), "{name}");
        }
    }

    #[test]
    fn headers_of_every_type_are_passed_over() {
        let sizes = [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (6, 5), (7, 3), (8, 8), (9, 16)];
        let mut headers: Vec<u8> = sizes.iter().flat_map(|(kind, size)| header("x", *kind, &vec![7; *size])).collect();
        headers.extend(header(":event-type", 7, b"metadata"));
        let (events, told) = scan(&sealed(&headers, b"{}"), 1000, 1000);
        assert_eq!((told, &events[0].name[..]), (Ok(()), &b"metadata"[..]));
        for bad in [header("x", 10, b""), vec![200, 1], header("x", 9, b"short")] {
            let (events, told) = scan(&sealed(&bad, b""), 1000, 1000);
            assert_eq!((events.len(), told), (0, Err(BrokenMessage::Headers)));
        }
    }

    #[test]
    fn a_message_inside_one_chunk_is_a_slice_of_it() {
        let chunk = Bytes::from(delta("{\"a\":1}"));
        let mut out = Vec::new();
        AwsScanner::new(1000).push(&chunk, &mut out).expect("it is whole");
        assert_eq!(out[0].raw.as_ptr(), chunk.as_ptr());
        assert_eq!(out[0].data.as_ptr(), chunk[out[0].data_at.expect("one run")..].as_ptr());
    }

    #[test]
    fn what_is_not_what_was_sent_is_refused() {
        let good = delta("{\"a\":1}");
        for at in 0..good.len() {
            let mut bad = [good.clone(), good.clone()].concat();
            bad[good.len() + at] ^= 0x10;
            for cut in [1, 5, 1000] {
                let (events, told) = scan(&bad, cut, 1000);
                assert_eq!(&events[0].raw[..], &good[..], "the message before it");
                let want = if at < PRELUDE { BrokenMessage::PreludeChecksum } else { BrokenMessage::Checksum };
                assert_eq!(told, Err(want), "byte {at}, chunks of {cut}");
            }
        }
    }

    #[test]
    fn lengths_that_lead_nowhere_are_refused_before_anything_is_held_back() {
        let prelude = |total: u32, headers: u32| {
            let mut out = [total.to_be_bytes(), headers.to_be_bytes()].concat();
            out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
            out
        };
        let cases = [
            (prelude(0, 0), BrokenMessage::Lengths),
            (prelude(15, 0), BrokenMessage::Lengths),
            (prelude(20, 5), BrokenMessage::Lengths),
            (prelude(16, u32::MAX), BrokenMessage::Lengths),
            (prelude(u32::MAX, 0), BrokenMessage::TooLong { limit: 100 }),
            (prelude(101, 0), BrokenMessage::TooLong { limit: 100 }),
        ];
        for (stream, want) in cases {
            for cut in [1, 12] {
                assert_eq!(scan(&stream, cut, 100).1, Err(want), "{stream:?}");
            }
        }
    }

    #[test]
    fn a_message_without_its_end_is_told_at_the_end() {
        let whole = delta("{}");
        let (mut scanner, mut out) = (AwsScanner::new(1000), Vec::new());
        scanner.push(&Bytes::copy_from_slice(&whole[..whole.len() - 1]), &mut out).expect("so far");
        assert_eq!((out.len(), scanner.pending()), (0, whole.len() - 1));
        let last = scanner.finish().expect("something is left");
        assert!(last.name.is_empty() && !last.has_data && scanner.pending() == 0);
    }

    proptest! {
        /// Where the network cuts the stream must not change what we read from it, nor what is passed on.
        #[test]
        fn chunking_does_not_matter(payloads in proptest::collection::vec(".{0,40}", 0..8), cut in 1usize..50) {
            let stream: Vec<u8> = payloads.iter().flat_map(|payload| delta(payload)).collect();
            let (events, told) = scan(&stream, cut, 1000);
            prop_assert_eq!(told, Ok(()));
            let data: Vec<&[u8]> = events.iter().map(|event| &event.data[..]).collect();
            let want: Vec<&[u8]> = payloads.iter().map(|payload| payload.as_bytes()).collect();
            prop_assert_eq!(data, want);
            let raw: Vec<u8> = events.iter().flat_map(|event| event.raw.to_vec()).collect();
            prop_assert_eq!(raw, stream);
        }

        /// No bytes make it panic, nor read differently for being cut.
        #[test]
        fn any_bytes_are_survived(mut stream in proptest::collection::vec(any::<u8>(), 0..80), cut in 1usize..9, good in any::<bool>()) {
            if good {
                stream = [delta("{}"), stream].concat();
            }
            prop_assert_eq!(scan(&stream, cut, 200), scan(&stream, 1000, 200));
        }
    }
}
