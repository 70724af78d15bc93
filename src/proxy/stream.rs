//! One attempt's answer: scanned, metered, and withheld until it is known to be good.
//!
//! Pure: bytes in, bytes out. A stream is withheld until its first output, any other answer whole. Where the
//! network cuts the answer must not matter.

use super::bounds::Share;
use super::trouble::Trouble;
use crate::dialect::error::{self, Told};
use crate::model::{Api, ServiceTier, Usage};
use crate::providers::{OutputText, Provider, Reading, Seen, StreamReader};
use crate::sse::{SseEvent, SseScanner};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Largest event of a stream; a longer one is garbage.
pub const MAX_EVENT_BYTES: usize = 4 * 1024 * 1024;
/// Largest error body of a provider that is passed on; a longer one is replaced by our own.
const MAX_REFUSAL_BYTES: usize = 256 * 1024;
/// What is kept of an answer that is too long to be withheld, to find its usage at the end.
const TAIL_BYTES: usize = 64 * 1024;

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
    Flowing {
        tail: BytesMut,
        seen: u64,
    },
    /// The provider refuses the request itself.
    Refusal(BytesMut),
}

struct Stream {
    scanner: SseScanner,
    reader: Box<dyn StreamReader>,
    events: Vec<SseEvent>,
    held: BytesMut,
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
                self.kind = Kind::Refusal(BytesMut::new());
                Ok(())
            }
            status => Err(Trouble::Status { status, retry_after: retry_after(headers) }),
        }
    }

    fn success(&mut self, headers: &HeaderMap) -> Result<(), Trouble> {
        let identity = |value: &header::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
        if headers.get(header::CONTENT_ENCODING).is_some_and(|value| !identity(value)) {
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
    /// Only while nothing was released: then the next target is worth trying. Afterwards trouble ends the answer
    /// with the dialect's error event ([`Answer::failed`]).
    pub fn push(&mut self, piece: Bytes) -> Result<Release, Trouble> {
        if self.failed.is_some() || piece.is_empty() {
            return Ok(Release::default());
        }
        match &mut self.kind {
            Kind::Pending => Err(Trouble::Garbage("a body before its header".to_owned())),
            Kind::Stream(_) => self.push_events(piece),
            Kind::Whole(_) => self.push_whole(&piece),
            Kind::Flowing { tail, seen } => {
                *seen = seen.saturating_add(piece.len() as u64);
                keep_tail(tail, &piece);
                Ok(Release { bytes: piece, first_output: false })
            }
            Kind::Refusal(body) => {
                let room = MAX_REFUSAL_BYTES.saturating_sub(body.len());
                body.extend_from_slice(&piece[..piece.len().min(room)]);
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
        let mut tail = BytesMut::new();
        keep_tail(&mut tail, &out);
        self.kind = Kind::Flowing { tail, seen: out.len() as u64 };
        self.released = true;
        Ok(Release { bytes: out.freeze(), first_output: true })
    }

    fn push_events(&mut self, piece: Bytes) -> Result<Release, Trouble> {
        let Kind::Stream(stream) = &mut self.kind else { return Ok(Release::default()) };
        let mut events = std::mem::take(&mut stream.events);
        let scanned = stream.scanner.push(&piece, &mut events);
        let result = self.take_events(&mut events, &piece);
        events.clear();
        if let Kind::Stream(stream) = &mut self.kind {
            stream.events = events;
        }
        let release = result?;
        match scanned {
            Ok(()) => Ok(release),
            Err(error) => self.fail(Trouble::Garbage(error.to_string()), release),
        }
    }

    /// Sorts events into what is passed on and what is not.
    fn take_events(&mut self, events: &mut Vec<SseEvent>, piece: &Bytes) -> Result<Release, Trouble> {
        let Kind::Stream(stream) = &mut self.kind else { return Ok(Release::default()) };
        let mut out = Out::new(piece);
        let (mut output, mut trouble) = (false, None);
        for event in events.drain(..) {
            if self.ended {
                break; // nothing follows the end marker
            }
            if !event.has_data {
                out.whole(&event);
                continue;
            }
            match stream.reader.event(&event) {
                Seen::Quiet { strip } => out.event(&event, strip),
                Seen::Output { strip } => {
                    output = true;
                    out.event(&event, strip);
                }
                Seen::Hidden => {}
                Seen::End => {
                    out.whole(&event);
                    self.ended = true;
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
            let length = stream.held.len().saturating_add(out.len());
            if length > MAX_EVENT_BYTES || !self.share.grow_to(length) {
                return Err(Trouble::BuffersFull);
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
                    Some(event) if !self.ended => self.take_events(&mut vec![event], &Bytes::new())?,
                    _ => Release::default(),
                };
                if self.ended { Ok(release) } else { self.fail(Trouble::Cut, release) }
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
                Ok(Release { bytes: body, first_output: true })
            }
            Kind::Flowing { tail, .. } => {
                self.reading = read_tail(self.provider.as_ref(), self.expect.api, tail);
                self.ended = true;
                Ok(Release::default())
            }
            Kind::Refusal(body) => {
                let body = std::mem::take(body).freeze();
                self.ended = true;
                self.released = true;
                Ok(Release { bytes: body, first_output: false })
            }
        }
    }

    /// Ends the answer in trouble: before anything was released the next target is tried, afterwards the dialect's
    /// error event is the last thing that the client gets, and no end marker follows it.
    pub fn fail(&mut self, trouble: Trouble, before: Release) -> Result<Release, Trouble> {
        if !self.released {
            return Err(trouble);
        }
        let mut bytes = BytesMut::from(before.bytes.as_ref());
        if self.is_stream() {
            bytes.extend_from_slice(&self.error_event(&trouble));
        }
        self.failed = Some(trouble);
        Ok(Release { bytes: bytes.freeze(), first_output: before.first_output })
    }

    /// The error event that ends this stream, in its dialect.
    pub fn error_event(&self, trouble: &Trouble) -> Bytes {
        let (status, code) = match trouble {
            Trouble::InBand { status, .. } => (*status, "upstream_failed"),
            Trouble::Idle | Trouble::Total => (504, "upstream_timeout"),
            _ => (502, "upstream_failed"),
        };
        let message = match trouble {
            Trouble::InBand { message, .. } => format!("the provider reported an error in mid-answer: {message}"),
            other => format!("the provider failed in mid-answer: {other}"),
        };
        let told = Told { status, code, message: &message, param: None, request_id: &self.expect.label };
        let sequence = match &self.kind {
            Kind::Stream(stream) => stream.reader.next_sequence(),
            _ => 0,
        };
        error::stream_error(self.expect.api, &told, sequence)
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
        matches!(self.kind, Kind::Stream(_) | Kind::Flowing { .. })
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
            Kind::Flowing { seen, .. } => *seen,
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

/// `Retry-After` in seconds or as a date, and OpenAI's `retry-after-ms`.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(ms) = text("retry-after-ms").and_then(|ms| ms.parse::<u64>().ok()) {
        return Some(Duration::from_millis(ms));
    }
    let value = text("retry-after")?;
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(std::time::SystemTime::now()).unwrap_or_default())
}

fn keep_tail(tail: &mut BytesMut, piece: &[u8]) {
    let from = piece.len().saturating_sub(TAIL_BYTES);
    tail.extend_from_slice(&piece[from..]);
    let surplus = tail.len().saturating_sub(TAIL_BYTES);
    drop(tail.split_to(surplus));
}

/// Finds the usage of an answer that was too long to be withheld, in its last bytes: the last member of that name.
fn read_tail(provider: &dyn Provider, api: Api, tail: &[u8]) -> Reading {
    let Some(at) = memchr::memmem::rfind(tail, b"\"usage\"") else { return Reading::default() };
    let rest = &tail[at..];
    let mut open = 0usize;
    for (index, byte) in rest.iter().enumerate() {
        match byte {
            b'{' => open += 1,
            b'}' => {
                open = open.saturating_sub(1);
                if open == 0 {
                    let mut body = Vec::with_capacity(index + 32);
                    body.extend_from_slice(b"{\"object\":\"list\",\"data\":[],");
                    body.extend_from_slice(&rest[..=index]);
                    body.push(b'}');
                    return provider.read_whole(api, &body).unwrap_or_default();
                }
            }
            _ => {}
        }
    }
    Reading::default()
}

/// Collects what is passed on of one piece: as a slice of the piece while nothing is left out of it.
struct Out<'a> {
    piece: &'a Bytes,
    /// The run of the piece that was taken so far, if it is one run.
    run: Range<usize>,
    /// Set once a copy was needed.
    copy: Option<BytesMut>,
}

impl<'a> Out<'a> {
    fn new(piece: &'a Bytes) -> Self {
        Self { piece, run: 0..0, copy: None }
    }

    fn len(&self) -> usize {
        self.copy.as_ref().map_or(self.run.len(), BytesMut::len)
    }

    fn whole(&mut self, event: &SseEvent) {
        if self.copy.is_none() && self.extend_run(&event.raw) {
            return;
        }
        self.copied().extend_from_slice(&event.raw);
    }

    fn event(&mut self, event: &SseEvent, strip: Option<Range<usize>>) {
        let Some(strip) = strip else { return self.whole(event) };
        self.copied().extend_from_slice(&event.without(strip));
    }

    /// Whether `raw` continues the run inside the piece; then it is part of it.
    fn extend_run(&mut self, raw: &Bytes) -> bool {
        let base = self.piece.as_ptr() as usize;
        let Some(start) = (raw.as_ptr() as usize).checked_sub(base) else { return false };
        let end = start + raw.len();
        if end > self.piece.len() || (!self.run.is_empty() && self.run.end != start) {
            return false;
        }
        if self.run.is_empty() {
            self.run = start..end;
        } else {
            self.run.end = end;
        }
        true
    }

    fn copied(&mut self) -> &mut BytesMut {
        let (piece, run) = (self.piece, self.run.clone());
        self.copy.get_or_insert_with(|| BytesMut::from(&piece[run]))
    }

    fn append_to(self, held: &mut BytesMut) {
        match self.copy {
            Some(copy) => held.extend_from_slice(&copy),
            None => held.extend_from_slice(&self.piece[self.run]),
        }
    }

    /// The bytes, behind what was held.
    fn behind(self, held: &mut BytesMut) -> Bytes {
        if held.is_empty() {
            return match self.copy {
                Some(copy) => copy.freeze(),
                None => self.piece.slice(self.run),
            };
        }
        let mut all = std::mem::take(held);
        self.append_to(&mut all);
        all.freeze()
    }
}
