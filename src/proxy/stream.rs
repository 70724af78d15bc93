//! One attempt's answer: scanned, metered, and withheld until it is known to be good.
//!
//! Pure: bytes in, bytes out. A stream is withheld until its first output, any other answer whole. Where the
//! network cuts the answer must not matter.

mod declining;
mod ending;
mod known;

use super::bound;
use super::bounds::Share;
use super::course::{Kept, Withholds};
use super::opaque::{self, Opaque};
use super::outgoing::Out;
use super::reading::{self, Reader, Scanner};
use super::refusal::{self, Refusal, is_compressed};
use super::tail::Tail;
use super::translate::{Teller, Translation};
use super::trouble::Trouble;
use crate::config::Failure;
use crate::model::Api;
use crate::providers::codec::Framing;
use crate::providers::{OutputText, Provider, Reading, Seen};
use crate::sse::SseEvent;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use std::sync::Arc;

/// Largest event of a stream, and most that is held of one before its first output; what is longer is garbage. A
/// `response.completed` tells all of its images again, in base64.
pub const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;
/// Longest answer that is translated whole.
const MOST_TRANSLATED: usize = 64 * 1024 * 1024;
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
    /// A text that is no JSON was asked for.
    pub text: bool,
    /// Pictures that were asked for.
    pub pictures: u64,
    /// Somebody looks at the whole of it before any of it goes out.
    pub whole: bool,
}

/// One attempt's answer so far.
pub struct Answer {
    expect: Expect,
    provider: Arc<dyn Provider>,
    /// The provider speaks another API than the client.
    translated: bool,
    /// What writes the answer in the client's dialect then; a stream takes it.
    teller: Option<Teller>,
    /// The client has the header of a stream already: a refusal has its place in that.
    in_stream: bool,
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
    /// Answers about the request itself that are kept back.
    withholds: Withholds,
    kept: Option<Kept>,
    /// Held back while it may turn out to be declined; `None`: nobody looks for that.
    declining: Option<BytesMut>,
    /// What the provider's refusal is about.
    about: Option<Failure>,
    share: Share,
}

enum Kind {
    /// No header yet.
    Pending,
    Stream(Box<Stream>),
    Whole(BytesMut),
    /// Too long to withhold: passed on, with its last bytes kept.
    Flowing(Tail),
    /// Sound, or a text that is no JSON: passed on as it comes.
    Opaque(Box<Opaque>),
    /// The provider refuses the request itself.
    Refusal(Refusal),
}

struct Stream {
    scanner: Scanner,
    reader: Reader,
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
            translated: false,
            teller: None,
            in_stream: false,
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
            withholds: Withholds::default(),
            kept: None,
            declining: None,
            about: None,
            share,
        }
    }

    /// The provider speaks another API, and `teller` the client's dialect.
    pub fn translated(mut self, teller: Option<Teller>) -> Self {
        self.translated = teller.is_some();
        self.teller = teller;
        self
    }

    /// Whether the provider speaks another API than the client.
    pub fn is_translated(&self) -> bool {
        self.translated
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
            // What has no body, or a part of one, is no answer of a model.
            200..=203 => self.success(headers),
            204..=299 => Err(Trouble::Garbage(format!("status {}, which answers no call", self.status))),
            // About the request itself: no other target would take it, unless its body says otherwise at the end.
            400 | 413 | 422 => {
                self.kind = Kind::Refusal(Refusal::new(headers));
                Ok(())
            }
            status => Err(refusal::status(status, headers)),
        }
    }

    fn success(&mut self, headers: &HeaderMap) -> Result<(), Trouble> {
        if is_compressed(headers) {
            return Err(Trouble::Garbage("the answer is compressed, which was not asked for".to_owned()));
        }
        if headers.get_all(header::CONTENT_TYPE).iter().nth(1).is_some() {
            return Err(Trouble::Garbage("more than one content type".to_owned()));
        }
        if let Some(Teller::Retrieval(retelling)) = &mut self.teller {
            retelling.head(self.provider.as_ref(), headers);
        }
        let kind = self.content_type.as_ref().map_or(&b""[..], header::HeaderValue::as_bytes);
        let essence = kind.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        let (framing, kind) = self.framing();
        let is_sse = essence.eq_ignore_ascii_case(kind);
        match (self.expect.stream, is_sse) {
            (true, true) => {
                let reader = self.reader();
                self.kind = Kind::Stream(Box::new(Stream {
                    scanner: Scanner::new(framing, MAX_EVENT_BYTES),
                    reader,
                    events: Vec::with_capacity(4),
                    held: BytesMut::new(),
                    hidden_cr: false,
                }));
            }
            (_, false) if self.expect.whole && !self.expect.text && opaque::is_text(self.expect.api, essence) => {
                return Err(Trouble::Garbage("a text that is no JSON, which guardrails cannot look at".to_owned()));
            }
            (_, false) if opaque::fits(self.expect.api, essence, self.expect.text) => {
                self.content_type.get_or_insert(opaque::UNNAMED);
                self.kind = Kind::Opaque(Box::default());
            }
            // Models that cannot stream pictures or transcriptions answer whole, whatever was asked for.
            (stream, false) if is_json(essence) && (!stream || self.expect.api.is_media()) => {
                self.kind = Kind::Whole(BytesMut::new());
            }
            (true, false) => return Err(Trouble::Garbage("no event stream, though one was asked for".to_owned())),
            (false, true) => return Err(Trouble::Garbage("an event stream, though none was asked for".to_owned())),
            (false, false) => return Err(Trouble::Garbage("the content type is not JSON".to_owned())),
        }
        Ok(())
    }

    /// How the provider frames its streams, and their content type.
    fn framing(&self) -> (Framing, &'static [u8]) {
        let codec = self.provider.codec().filter(|_| self.translated);
        match codec.map_or(Framing::Sse, |codec| codec.framing()) {
            Framing::Sse => (Framing::Sse, b"text/event-stream"),
            Framing::Aws => (Framing::Aws, b"application/vnd.amazon.eventstream"),
        }
    }

    fn reader(&mut self) -> Reader {
        match (self.teller.take(), self.provider.codec()) {
            (Some(Teller::Chat(encoder)), Some(codec)) => {
                self.content_type = Some(header::HeaderValue::from_static("text/event-stream; charset=utf-8"));
                Reader::Translated(Box::new(Translation::new(codec, encoder)))
            }
            _ => {
                let mut reader = self.provider.stream_reader(self.expect.api, self.expect.hide_usage);
                reader.awaits(self.expect.pictures);
                Reader::Passed(reader)
            }
        }
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
            Kind::Opaque(opaque) => {
                opaque.push(&piece);
                let first_output = !std::mem::replace(&mut self.released, true);
                Ok(Release { bytes: piece, first_output })
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
        // What is translated or looked at is withheld whole, however long it is.
        let whole = self.translated || self.expect.whole;
        let most = if whole { self.expect.most_withheld.max(MOST_TRANSLATED) } else { self.expect.most_withheld };
        if length > most && whole {
            let why = if self.translated { "translated" } else { "looked at by guardrails" };
            return Err(Trouble::Garbage(format!("an answer of more than {most} bytes, which cannot be {why}")));
        }
        if length <= most {
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
            Err(why) => self.fail(Trouble::Garbage(why), release),
            Ok(()) if self.past_its_cap() => self.fail(Trouble::PastCap, release),
            Ok(()) if self.account() => Ok(release),
            Ok(()) => self.fail(Trouble::BuffersFull, release),
        }
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
        let held =
            [stream.scanner.pending(), stream.reader.held()].into_iter().fold(stream.held.len(), usize::saturating_add);
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
                if finished && !(hidden_cr && event.raw.as_ref() == b"\n") && !self.translated {
                    out.whole(&event);
                }
                continue;
            }
            match stream.reader.event(&event) {
                Seen::Quiet { .. } | Seen::Output { .. } | Seen::Garbage(_) if !finished => {}
                Seen::Quiet { strip } => stream.reader.pass(&event, strip, &mut out),
                Seen::Output { strip } => {
                    output = true;
                    stream.reader.pass(&event, strip, &mut out);
                }
                Seen::Hidden => stream.hidden_cr = event.raw.ends_with(b"\r"),
                Seen::End => {
                    self.ended = true;
                    (self.end_marker_bytes, self.half_line_end) = stream.reader.pass_end(&event, &mut out);
                    // A response may be told by its last event alone, a picture is.
                    output |= match self.expect.api {
                        Api::Responses => true,
                        api => api.is_media() && stream.reader.may_end(),
                    };
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
                if self.ended || self.failed.is_some() { Ok(release) } else { self.end_unmarked(release) }
            }
            Kind::Whole(body) => {
                let body = std::mem::take(body).freeze();
                if body.is_empty() {
                    return Err(Trouble::Empty);
                }
                if self.teller.is_some() {
                    return self.end_translated(&body);
                }
                let read = reading::whole(self.provider.as_ref(), self.expect.api, &body);
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
            Kind::Opaque(opaque) => {
                // Nothing may have been said in what was heard.
                if opaque.seen() == 0 && !self.expect.api.hears() {
                    return Err(Trouble::Empty);
                }
                (self.ended, self.released) = (true, true);
                Ok(Release::default())
            }
            Kind::Refusal(_) => self.end_refused(),
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
}

fn is_json(essence: &[u8]) -> bool {
    essence.is_empty() || essence.eq_ignore_ascii_case(b"application/json")
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
