//! One attempt's answer: scanned, metered, and withheld until it is known to be good.
//!
//! Pure: bytes in, bytes out. A stream is withheld until its first output, any other answer whole. Where the
//! network cuts the answer must not matter.

use super::bound;
use super::bounds::Share;
use super::outgoing::Out;
use super::refusal::{self, Refusal, is_compressed, retry_after};
use super::tail::Tail;
use super::trouble::Trouble;
use crate::dialect::error::{self, Told};
use crate::model::{Api, ServiceTier, Usage};
use crate::providers::{OutputText, Provider, Reading, Seen, StreamReader};
use crate::sse::{SseEvent, SseScanner};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use std::sync::Arc;

/// Largest event of a stream, and most that is held of one before its first output; what is longer is garbage. A
/// `response.completed` tells all of its images again, in base64.
pub const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;
/// What each stream may hold beside its share of the gateway's buffers: few events are longer.
const UNCOUNTED_BYTES: usize = 64 * 1024;
/// Room for events that is kept between two pieces.
const MOST_EVENTS_KEPT: usize = 64;
/// What the answer is expected to be.
#[derive(Debug, Clone)]
pub struct Expect {
    /// The request's label, for error events.
    pub label: Arc<str>,
    /// The call.
    pub api: Api,
    /// A stream was asked for.
    pub stream: bool,
    /// The client did not ask for the usage chunk that the gateway asked for.
    pub hide_usage: bool,
    /// An answer is withheld whole up to here.
    pub most_withheld: usize,
    /// The output that is held for: the cap, and for how many answers.
    pub most: Option<(u64, u32)>,
}

/// One attempt's answer so far.
pub struct Answer {
    expect: Expect,
    provider: Arc<dyn Provider>,
    kind: Kind,
    status: u16,
    content_type: Option<header::HeaderValue>,
    /// Bytes let through so far are followed by more of the same answer.
    released: bool,
    /// The answer is whole.
    ended: bool,
    /// Length of the event that ended the stream.
    end_marker_bytes: usize,
    /// The CR of the end marker's last line end was handed out; its LF may follow in the next piece.
    half_line_end: bool,
    /// The answer ended in the dialect's error: nothing follows, the connection upstream is cut.
    failed: Option<Trouble>,
    reading: Reading,
    /// The text of a whole answer without usage, to be counted.
    whole_output: Option<OutputText>,
    share: Share,
}

enum Kind {
    /// No header yet.
    Pending,
    Stream(Box<Stream>),
    Whole(BytesMut),
    /// Too long to withhold: passed on, with its last bytes kept.
    Flowing(Tail),
    /// The provider refuses the request itself.
    Refusal(Refusal),
}

struct Stream {
    scanner: SseScanner,
    reader: Box<dyn StreamReader>,
    events: Vec<SseEvent>,
    held: BytesMut,
    /// The last event was hidden and ended in a CR: an LF that follows in the next piece is a part of it.
    hidden_cr: bool,
}

/// What may go to the client now.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// The bytes; empty: nothing yet.
    pub bytes: Bytes,
    /// The stream produced its first output with these bytes.
    pub first_output: bool,
}

impl Answer {
    /// Waits for an answer of `provider`.
    pub fn new(expect: Expect, provider: Arc<dyn Provider>, share: Share) -> Self {
        Self {
            expect,
            provider,
            kind: Kind::Pending,
            status: 0,
            content_type: None,
            released: false,
            ended: false,
            end_marker_bytes: 0,
            half_line_end: false,
            failed: None,
            reading: Reading::default(),
            whole_output: None,
            share,
        }
    }

    /// Takes the header.
    ///
    /// # Errors
    ///
    /// What makes the next target worth trying.
    pub fn head(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<(), Trouble> {
        self.status = status.as_u16();
        self.content_type = headers.get(header::CONTENT_TYPE).cloned();
        match self.status {
            200..=299 => self.success(headers),
            // About the request itself: no other target would take it.
            400 | 413 | 422 => {
                self.kind = Kind::Refusal(Refusal::new(headers));
                Ok(())
            }
            status => Err(Trouble::Status { status, retry_after: retry_after(headers) }),
        }
    }

    fn success(&mut self, headers: &HeaderMap) -> Result<(), Trouble> {
        if is_compressed(headers) {
            return Err(Trouble::Garbage("the answer is compressed, which was not asked for".to_owned()));
        }
        let kind = self.content_type.as_ref().map_or(&b""[..], header::HeaderValue::as_bytes);
        let essence = kind.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        let is_sse = essence.eq_ignore_ascii_case(b"text/event-stream");
        match (self.expect.stream, is_sse) {
            (true, true) => {
                let reader = self.provider.stream_reader(self.expect.api, self.expect.hide_usage);
                self.kind = Kind::Stream(Box::new(Stream {
                    scanner: SseScanner::new(MAX_EVENT_BYTES),
                    reader,
                    events: Vec::with_capacity(4),
                    held: BytesMut::new(),
                    hidden_cr: false,
                }));
            }
            (false, false) if essence.is_empty() || essence.eq_ignore_ascii_case(b"application/json") => {
                self.kind = Kind::Whole(BytesMut::new());
            }
            (true, false) => return Err(Trouble::Garbage("no event stream, though one was asked for".to_owned())),
            (false, true) => return Err(Trouble::Garbage("an event stream, though none was asked for".to_owned())),
            (false, false) => return Err(Trouble::Garbage("the content type is not JSON".to_owned())),
        }
        Ok(())
    }

    /// Takes a piece of the body and returns what may go to the client.
    ///
    /// # Errors
    ///
    /// While nothing was released: then the next target is worth trying. Afterwards trouble ends a stream with the
    /// dialect's error event ([`Answer::failed`]); of an answer that is no stream it is an error still.
    pub fn push(&mut self, piece: Bytes) -> Result<Release, Trouble> {
        if self.failed.is_some() || piece.is_empty() {
            return Ok(Release::default());
        }
        match &mut self.kind {
            Kind::Pending => Err(Trouble::Garbage("a body before its header".to_owned())),
            Kind::Stream(_) => self.push_events(piece),
            Kind::Whole(_) => self.push_whole(&piece),
            Kind::Flowing(tail) => {
                tail.push(&piece);
                Ok(Release { bytes: piece, first_output: false })
            }
            Kind::Refusal(refusal) => {
                refusal.push(&piece);
                Ok(Release::default())
            }
        }
    }

    fn push_whole(&mut self, piece: &Bytes) -> Result<Release, Trouble> {
        let Kind::Whole(body) = &mut self.kind else { return Ok(Release::default()) };
        let length = body.len().saturating_add(piece.len());
        if length <= self.expect.most_withheld {
            if !self.share.grow_to(length) {
                return Err(Trouble::BuffersFull);
            }
            body.extend_from_slice(piece);
            return Ok(Release::default());
        }
        let mut out = std::mem::take(body);
        out.extend_from_slice(piece);
        self.kind = Kind::Flowing(Tail::of(&out));
        self.released = true;
        self.share.shrink_to(0);
        Ok(Release { bytes: out.freeze(), first_output: false })
    }

    fn push_events(&mut self, piece: Bytes) -> Result<Release, Trouble> {
        if self.ended {
            return Ok(self.behind_the_end(&piece));
        }
        let Kind::Stream(stream) = &mut self.kind else { return Ok(Release::default()) };
        let mut events = std::mem::take(&mut stream.events);
        let scanned = stream.scanner.push(&piece, &mut events);
        let result = self.take_events(&mut events, &piece, true);
        events.clear();
        events.shrink_to(MOST_EVENTS_KEPT);
        if let Kind::Stream(stream) = &mut self.kind {
            stream.events = events;
        }
        let release = result?;
        if self.ended || self.failed.is_some() {
            return Ok(release); // what follows does not count any more
        }
        match scanned {
            Err(error) => self.fail(Trouble::Garbage(error.to_string()), release),
            Ok(()) if self.past_its_cap() => self.fail(Trouble::PastCap, release),
            Ok(()) if self.account() => Ok(release),
            Ok(()) => self.fail(Trouble::BuffersFull, release),
        }
    }

    /// Nothing follows the end marker, but for the LF that a cut parted from its CR.
    fn behind_the_end(&mut self, piece: &Bytes) -> Release {
        let belongs = std::mem::take(&mut self.half_line_end) && piece.starts_with(b"\n");
        Release { bytes: piece.slice(..usize::from(belongs)), first_output: false }
    }

    /// Whether the provider ignores the cap: then the stream would pass what is held for it.
    fn past_its_cap(&self) -> bool {
        let Some((cap, answers)) = self.expect.most else { return false };
        let bytes = self.output().map_or(0, OutputText::bytes);
        let reported = self.reading().usage.map(|usage| usage.output_total());
        bound::passes_cap(bytes, 0, reported, cap, answers)
    }

    /// Brings the share to what is held; false when the gateway's buffers do not leave that much.
    fn account(&mut self) -> bool {
        let Kind::Stream(stream) = &self.kind else { return true };
        let held = stream.held.len().saturating_add(stream.scanner.pending());
        let counted = held.saturating_sub(UNCOUNTED_BYTES);
        let fits = self.share.grow_to(counted);
        self.share.shrink_to(counted);
        fits
    }

    /// Sorts events into what is passed on and what is not. Of an event that is not `finished` by its blank line
    /// nothing is passed on but the end marker: what the gateway adds behind it would become a part of it.
    fn take_events(&mut self, events: &mut Vec<SseEvent>, piece: &Bytes, finished: bool) -> Result<Release, Trouble> {
        let Kind::Stream(stream) = &mut self.kind else { return Ok(Release::default()) };
        let mut out = Out::new(piece);
        let (mut output, mut trouble) = (false, None);
        for event in events.drain(..) {
            if self.ended {
                break; // nothing follows the end marker
            }
            let hidden_cr = std::mem::take(&mut stream.hidden_cr);
            if !event.has_data {
                if finished && !(hidden_cr && event.raw.as_ref() == b"\n") {
                    out.whole(&event);
                }
                continue;
            }
            match stream.reader.event(&event) {
                Seen::Quiet { .. } | Seen::Output { .. } | Seen::Garbage(_) if !finished => {}
                Seen::Quiet { strip } => out.event(&event, strip),
                Seen::Output { strip } => {
                    output = true;
                    out.event(&event, strip);
                }
                Seen::Hidden => stream.hidden_cr = event.raw.ends_with(b"\r"),
                Seen::End => {
                    out.whole(&event);
                    self.ended = true;
                    self.end_marker_bytes = event.raw.len();
                    self.half_line_end = event.raw.ends_with(b"\r");
                    // A response may be told by its last event alone.
                    output |= self.expect.api == Api::Responses;
                }
                Seen::Error(error) => {
                    trouble = Some(Trouble::InBand { status: error.status, message: error.message });
                    break;
                }
                Seen::Garbage(garbage) => {
                    trouble = Some(Trouble::Garbage(garbage.why));
                    break;
                }
            }
        }
        let first_output = output && !self.released;
        let bytes = if self.released || first_output {
            self.released = true;
            out.behind(&mut stream.held)
        } else {
            if stream.held.len().saturating_add(out.len()) > MAX_EVENT_BYTES {
                let why = format!("no output within the first {MAX_EVENT_BYTES} bytes of the stream");
                return Err(trouble.unwrap_or(Trouble::Garbage(why)));
            }
            out.append_to(&mut stream.held);
            Bytes::new()
        };
        let release = Release { bytes, first_output };
        match trouble {
            Some(trouble) => self.fail(trouble, release),
            None if self.ended && !self.released => Err(Trouble::Empty),
            None => Ok(release),
        }
    }

    /// The provider ended the body. Called at most once; returns what is left to release.
    ///
    /// # Errors
    ///
    /// As [`Answer::push`].
    pub fn end(&mut self) -> Result<Release, Trouble> {
        if self.failed.is_some() {
            return Ok(Release::default());
        }
        match &mut self.kind {
            Kind::Pending => Err(Trouble::Empty),
            Kind::Stream(stream) => {
                // A last event may lack its blank line; it counts only if it is the end marker itself.
                let last = stream.scanner.finish();
                let release = match last {
                    Some(event) if !self.ended => self.take_events(&mut vec![event], &Bytes::new(), false)?,
                    _ => Release::default(),
                };
                if self.ended || self.failed.is_some() { Ok(release) } else { self.fail(Trouble::Cut, release) }
            }
            Kind::Whole(body) => {
                let body = std::mem::take(body).freeze();
                if body.is_empty() {
                    return Err(Trouble::Empty);
                }
                let read = self.provider.read_whole(self.expect.api, &body);
                self.reading = read.map_err(|garbage| Trouble::Garbage(garbage.why))?;
                if self.reading.usage.is_none() {
                    self.whole_output = Some(self.provider.output_of_whole(self.expect.api, &body));
                }
                self.ended = true;
                self.released = true;
                Ok(Release { bytes: body, first_output: false })
            }
            Kind::Flowing(tail) => {
                if !tail.may_be_whole() {
                    return self.fail(Trouble::Cut, Release::default());
                }
                self.reading = tail.read(self.provider.as_ref(), self.expect.api);
                self.ended = true;
                Ok(Release::default())
            }
            Kind::Refusal(refusal) => {
                let bytes = refusal.body(self.provider.as_ref()).unwrap_or_else(|| {
                    self.content_type = None; // JSON of our own
                    refusal::of_our_own(self.expect.api, self.status, &self.expect.label)
                });
                self.ended = true;
                self.released = true;
                Ok(Release { bytes, first_output: false })
            }
        }
    }

    /// Ends the answer in trouble: before anything was released the next target is tried, afterwards the dialect's
    /// error event is the last thing that the client gets, and no end marker follows it.
    ///
    /// # Errors
    ///
    /// The trouble itself, when nothing was released, or when the answer is no stream: half of a JSON text has no place
    /// for an error, so its connection must break.
    pub fn fail(&mut self, trouble: Trouble, before: Release) -> Result<Release, Trouble> {
        if !self.released || !self.is_stream() {
            return Err(trouble);
        }
        let mut bytes = BytesMut::from(before.bytes.as_ref());
        bytes.extend_from_slice(&self.error_event(&trouble));
        self.failed = Some(trouble);
        Ok(Release { bytes: bytes.freeze(), first_output: before.first_output })
    }

    /// The error event that ends this stream, in its dialect.
    pub fn error_event(&self, trouble: &Trouble) -> Bytes {
        let (status, code) = match trouble {
            Trouble::InBand { status, .. } => (*status, "upstream_failed"),
            Trouble::Idle | Trouble::Total => (504, "upstream_timeout"),
            Trouble::PastCap => (502, "output_cap_passed"),
            Trouble::Revoked => (401, "caller_revoked"),
            _ => (502, "upstream_failed"),
        };
        let message = match trouble {
            Trouble::InBand { message, .. } => format!("the provider reported an error in mid-answer: {message}"),
            Trouble::Revoked => format!("the stream was ended: {trouble}"),
            other => format!("the provider failed in mid-answer: {other}"),
        };
        let told = Told { status, code, message: &message, param: None, request_id: &self.expect.label };
        let sequence = match &self.kind {
            Kind::Stream(stream) => stream.reader.next_sequence(),
            _ => 0,
        };
        error::stream_error(self.expect.api, &told, sequence)
    }

    /// Length of the stream's end marker, the last thing of the release that it came with; 0 before it.
    pub fn end_marker_bytes(&self) -> usize {
        self.end_marker_bytes
    }

    /// What ended the answer after it was begun.
    pub fn failed(&self) -> Option<&Trouble> {
        self.failed.as_ref()
    }

    /// Whether the client has seen, or is about to see, a part of it.
    pub fn released(&self) -> bool {
        self.released
    }

    /// Whether the answer is whole.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Whether a header came.
    pub fn begun(&self) -> bool {
        self.status != 0
    }

    /// The provider's status, 0 before its header.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the provider refuses the request itself (400, 413, 422).
    pub fn is_refusal(&self) -> bool {
        matches!(self.kind, Kind::Refusal(_))
    }

    /// Whether a stream was asked for.
    pub fn expects_stream(&self) -> bool {
        self.expect.stream
    }

    /// Whether this is an event stream.
    pub fn is_stream(&self) -> bool {
        matches!(self.kind, Kind::Stream(_))
    }

    /// Whether the answer is released before its length is known.
    pub fn is_flowing(&self) -> bool {
        matches!(self.kind, Kind::Stream(_) | Kind::Flowing(_))
    }

    /// The provider's content type.
    pub fn content_type(&self) -> Option<&header::HeaderValue> {
        self.content_type.as_ref()
    }

    /// What the provider reported so far.
    pub fn reading(&self) -> &Reading {
        match &self.kind {
            Kind::Stream(stream) => stream.reader.reading(),
            _ => &self.reading,
        }
    }

    /// The output text seen so far: of streams, and of whole answers that do not report their usage.
    pub fn output(&self) -> Option<&OutputText> {
        match &self.kind {
            Kind::Stream(stream) => Some(stream.reader.output()),
            _ => self.whole_output.as_ref(),
        }
    }

    /// Bytes of an answer that could not be read, for an estimate.
    pub fn unread_bytes(&self) -> u64 {
        match &self.kind {
            Kind::Flowing(tail) => tail.seen(),
            Kind::Whole(body) => body.len() as u64,
            Kind::Pending | Kind::Stream(_) | Kind::Refusal(_) => 0,
        }
    }

    /// Usage and tier if the provider has told them completely.
    pub fn reported(&self) -> Option<(Usage, ServiceTier)> {
        let reading = self.reading();
        reading.usage.filter(|_| reading.complete).map(|usage| (usage, reading.tier.unwrap_or_default()))
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
