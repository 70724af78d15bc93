//! Finds where events end, whatever the cuts of the network.

use super::fields::BOM;
use super::{EventTooLong, SseEvent};
use bytes::{Bytes, BytesMut};
use memchr::memchr2_iter;
use std::ops::Range;

/// Cuts a stream into events.
///
/// Every byte of the input is in the `raw` of exactly one event, in order; an event that lies inside one chunk is a
/// slice of it. Each byte is searched once for the end of its event, so a stream of one-byte chunks costs no more
/// than its length.
///
/// An event is handed out with the first byte that ends it. Where that byte is a CR at the end of a chunk, an LF
/// that follows belongs to it by the rules, but waiting for it would delay the event: the LF comes out
/// as an event of its own, without data, at the front of the next chunk. Passed on, it completes the line
/// end again. The same holds for blank lines with nothing before them.
#[derive(Debug)]
pub struct SseScanner {
    limit: usize,
    /// The bytes of an event whose end has not come.
    held: BytesMut,
    /// Bytes on the current line so far; a line end behind 0 of them ends the event.
    line: usize,
    /// The last byte was a CR: an LF that follows is not a line end of its own.
    after_cr: bool,
    /// How much of a byte order mark has been seen, while only that has been seen.
    bom: Option<usize>,
    /// No event was handed out yet.
    first: bool,
}

impl SseScanner {
    /// A scanner that holds back at most `limit_bytes` of an unfinished event.
    pub fn new(limit_bytes: usize) -> Self {
        Self { limit: limit_bytes, held: BytesMut::new(), line: 0, after_cr: false, bom: Some(0), first: true }
    }

    /// Takes one chunk and appends each event that it completes to `out`.
    ///
    /// # Errors
    ///
    /// When an event is longer than the limit. Events before it are in `out`; the stream must be given up.
    pub fn push(&mut self, chunk: &Bytes, out: &mut Vec<SseEvent>) -> Result<(), EventTooLong> {
        let mut from = self.orphan_lf(chunk, out);
        let mut line_start = from + self.byte_order_mark(&chunk[from..]);
        for end in memchr2_iter(b'\n', b'\r', chunk) {
            if end < line_start {
                continue;
            }
            let is_cr = chunk[end] == b'\r';
            let empty = self.line == 0 && end == line_start;
            let half = empty && self.after_cr && !is_cr;
            (self.line, self.after_cr, line_start) = (0, is_cr, end + 1);
            if half || !empty {
                continue;
            }
            if is_cr && chunk.get(end + 1) == Some(&b'\n') {
                (self.after_cr, line_start) = (false, end + 2);
            }
            self.complete(chunk, from..line_start, out)?;
            from = line_start;
        }
        if line_start < chunk.len() {
            self.line += chunk.len() - line_start;
            self.after_cr = false;
        }
        self.hold(&chunk[from..])
    }

    /// Bytes held back because their event is not complete yet.
    pub fn pending(&self) -> usize {
        self.held.len()
    }

    /// The stream has ended: what is left of an event that no blank line ended. By the rules it is no event; the
    /// caller decides.
    pub fn finish(&mut self) -> Option<SseEvent> {
        let raw = self.held.split().freeze();
        (!raw.is_empty()).then(|| SseEvent::read(raw, std::mem::take(&mut self.first)))
    }

    /// Hands out an LF whose CR ended an event with the last chunk; returns where to go on.
    fn orphan_lf(&mut self, chunk: &Bytes, out: &mut Vec<SseEvent>) -> usize {
        if !(self.after_cr && self.held.is_empty() && chunk.first() == Some(&b'\n')) {
            return 0;
        }
        self.after_cr = false;
        out.push(SseEvent::read(chunk.slice(..1), false));
        1
    }

    /// Bytes at the front of `chunk` that belong to a byte order mark, which is not text of the first line.
    fn byte_order_mark(&mut self, chunk: &[u8]) -> usize {
        let Some(seen) = self.bom else { return 0 };
        let more = BOM[seen..].iter().zip(chunk).take_while(|(want, got)| want == got).count();
        let whole = seen + more == BOM.len();
        self.bom = (!whole && more == chunk.len()).then_some(seen + more);
        // Not a mark after all: what looked like one is text of the line.
        if self.bom.is_none() && !whole {
            self.line += seen + more;
        }
        more
    }

    fn complete(&mut self, chunk: &Bytes, at: Range<usize>, out: &mut Vec<SseEvent>) -> Result<(), EventTooLong> {
        let raw = if self.held.is_empty() {
            if at.len() > self.limit {
                return Err(EventTooLong { limit: self.limit });
            }
            chunk.slice(at)
        } else {
            self.hold(&chunk[at])?;
            self.held.split().freeze()
        };
        out.push(SseEvent::read(raw, std::mem::take(&mut self.first)));
        Ok(())
    }

    fn hold(&mut self, piece: &[u8]) -> Result<(), EventTooLong> {
        if self.held.len().saturating_add(piece.len()) > self.limit {
            return Err(EventTooLong { limit: self.limit });
        }
        self.held.extend_from_slice(piece);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scan<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<SseEvent> {
        let (mut scanner, mut out) = (SseScanner::new(1 << 20), Vec::new());
        for chunk in chunks {
            scanner.push(&Bytes::copy_from_slice(chunk), &mut out).expect("events are short");
        }
        out.extend(scanner.finish());
        out
    }

    /// Events that carry something, without the bytes as they came.
    fn told(events: &[SseEvent]) -> Vec<(String, String, bool)> {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let bare = |event: &&SseEvent| event.raw.iter().any(|byte| !b"\r\n".contains(byte));
        events.iter().filter(bare).map(|event| (text(&event.name), text(&event.data), event.has_data)).collect()
    }

    /// What shows when it fails, the stream, and name, data and whether there is data of each event.
    type Case = (&'static str, &'static str, &'static [(&'static str, &'static str, bool)]);

    #[test]
    fn lines_are_read_by_the_rules() {
        let cases: [Case; 14] = [
            ("nothing", "", &[]),
            ("one event", "data: a\n\n", &[("", "a", true)]),
            ("no space", "data:a\n\n", &[("", "a", true)]),
            ("only one space is taken", "data:  a\n\n", &[("", " a", true)]),
            ("several lines", "data: a\ndata: b\ndata\n\n", &[("", "a\nb\n", true)]),
            ("a name", "event: x\ndata: a\n\n", &[("x", "a", true)]),
            ("the last name counts", "event: x\nevent: y\ndata: a\n\n", &[("y", "a", true)]),
            ("a comment", ": hi\n\ndata: a\n\n", &[("", "", false), ("", "a", true)]),
            ("a field without colon", "data\n\n", &[("", "", true)]),
            ("other fields", "database: a\nid: 1\nretry: 5\n\n", &[("", "", false)]),
            ("crlf", "event: x\r\ndata: a\r\n\r\n", &[("x", "a", true)]),
            ("cr", "event: x\rdata: a\r\rdata: b\r\r", &[("x", "a", true), ("", "b", true)]),
            ("mixed", "data: a\r\ndata: b\n\r\ndata: c\r\n\n", &[("", "a\nb", true), ("", "c", true)]),
            ("byte order mark", "\u{feff}data: a\n\ndata: b\n\n", &[("", "a", true), ("", "b", true)]),
        ];
        for (name, stream, want) in cases {
            let want: Vec<_> = want.iter().map(|(n, d, has)| ((*n).to_owned(), (*d).to_owned(), *has)).collect();
            assert_eq!(told(&scan([stream.as_bytes()])), want, "{name}");
            assert_eq!(told(&scan(stream.as_bytes().chunks(1))), want, "{name}, byte by byte");
        }
    }

    #[test]
    fn an_event_is_not_delayed_for_half_a_crlf() {
        let (mut scanner, mut out) = (SseScanner::new(100), Vec::new());
        scanner.push(&Bytes::from_static(b"data: a\r\n\r"), &mut out).expect("short");
        assert_eq!(out.len(), 1);
        scanner.push(&Bytes::from_static(b"\ndata: b\n\n"), &mut out).expect("short");
        let raw: Vec<&[u8]> = out.iter().map(|event| &event.raw[..]).collect();
        assert_eq!(raw, [&b"data: a\r\n\r"[..], b"\n", b"data: b\n\n"]);
        assert_eq!(scanner.finish(), None);
    }

    #[test]
    fn an_event_inside_one_chunk_is_a_slice_of_it() {
        let chunk = Bytes::from_static(b"event: x\ndata: abc\n\n");
        let mut out = Vec::new();
        SseScanner::new(100).push(&chunk, &mut out).expect("short");
        assert_eq!(out[0].raw.as_ptr(), chunk.as_ptr());
        assert_eq!(out[0].data.as_ptr(), chunk[15..].as_ptr());
        assert_eq!(out[0].data_at, Some(15));
    }

    #[test]
    fn an_event_without_end_is_told_at_the_end() {
        let (mut scanner, mut out) = (SseScanner::new(100), Vec::new());
        scanner.push(&Bytes::from_static(b"data: a\n\ndata: b\nda"), &mut out).expect("short");
        assert_eq!((out.len(), scanner.pending()), (1, 10));
        let last = scanner.finish().expect("something is left");
        assert_eq!((&last.raw[..], &last.data[..], scanner.pending()), (&b"data: b\nda"[..], &b"b"[..], 0));
    }

    #[test]
    fn an_event_past_the_limit_is_refused_in_one_chunk_and_in_many() {
        let long = b"data: a\n\ndata: 0123456789\n\n";
        for cut in [1, 3, 100] {
            let (mut scanner, mut out) = (SseScanner::new(12), Vec::new());
            let told: Result<(), _> =
                long.chunks(cut).try_for_each(|chunk| scanner.push(&Bytes::copy_from_slice(chunk), &mut out));
            assert_eq!(told, Err(EventTooLong { limit: 12 }), "chunks of {cut}");
            assert_eq!(out.len(), 1, "the event before it, chunks of {cut}");
            assert!(scanner.pending() <= 12);
        }
    }

    #[test]
    fn an_event_is_passed_on_without_a_part_of_its_data() {
        let cases = [
            ("id: 1\ndata: {a,b}\r\n\r\n", "id: 1\ndata: {a}\r\n\r\n"),
            ("event: x\ndata: {a\ndata:,b}\n\n", "event: x\ndata: {a}\n\n"),
        ];
        for (raw, want) in cases {
            let event = scan([raw.as_bytes()]).remove(0);
            let at = event.data.iter().position(|byte| *byte == b'a').expect("there") + 1;
            let end = event.data.len() - 1;
            assert_eq!(event.without(at..end), want, "{raw}");
        }
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just("\n"),
            Just("\r"),
            Just("\r\n"),
            Just("\n\n"),
            Just("data:"),
            Just("data: "),
            Just("event: "),
            Just("data"),
            Just(": c"),
            Just("x"),
            Just("é"),
            Just("\u{feff}"),
            Just(" "),
            Just("{\"a\":1}"),
        ];
        (any::<bool>(), proptest::collection::vec(piece, 0..60)).prop_map(|(bom, pieces)| {
            let head = if bom { "\u{feff}" } else { "" };
            [head, &pieces.concat()].concat().into_bytes()
        })
    }

    proptest! {
        /// Where the network cuts the stream must not change what we read from it, nor what is passed on.
        #[test]
        fn chunking_does_not_matter(stream in stream(), cut in 1usize..9) {
            let (whole, cut) = (scan([&stream[..]]), scan(stream.chunks(cut)));
            prop_assert_eq!(told(&whole), told(&cut));
            for events in [whole, cut] {
                let raw: Vec<u8> = events.iter().flat_map(|event| event.raw.to_vec()).collect();
                prop_assert_eq!(&raw, &stream);
                for event in events {
                    if let Some(at) = event.data_at {
                        prop_assert_eq!(&event.raw[at..at + event.data.len()], &event.data[..]);
                    }
                }
            }
        }
    }
}
