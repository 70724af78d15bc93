//! A streamed answer as a body: events made when they are due, faults where the knobs put them.
//!
//! Nothing is buffered ahead: an answer of a million tokens costs as much memory as one of ten.

use super::answer::{Answer, Billed};
use super::knobs::Knobs;
use super::record::{Outcome, Visit};
use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};
use serde::Serialize;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// Takes what is sent, and writes server-sent events.
#[derive(Debug)]
pub(super) struct Sink {
    out: BytesMut,
    line_end: &'static str,
}

impl Sink {
    /// With lines that end with CRLF, or with LF.
    pub fn new(crlf: bool) -> Self {
        Self { out: BytesMut::with_capacity(1024), line_end: if crlf { "\r\n" } else { "\n" } }
    }

    /// An event with a name, as Anthropic's and the Responses API's are.
    pub fn named(&mut self, name: &str, data: &impl Serialize) {
        self.out.extend_from_slice(b"event: ");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(self.line_end.as_bytes());
        self.data(data);
    }

    /// An event without a name, as OpenAI's are.
    pub fn data(&mut self, data: &impl Serialize) {
        self.out.extend_from_slice(b"data: ");
        serde_json::to_writer(Tail(&mut self.out), data).expect("events serialize, and memory takes them");
        self.end_event();
    }

    /// OpenAI's end marker.
    pub fn done(&mut self) {
        self.out.extend_from_slice(b"data: [DONE]");
        self.end_event();
    }

    /// What is no server-sent event.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn end_event(&mut self) {
        self.out.extend_from_slice(self.line_end.as_bytes());
        self.out.extend_from_slice(self.line_end.as_bytes());
    }
}

struct Tail<'a>(&'a mut BytesMut);

impl std::io::Write for Tail<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The events of one API's stream, in order.
pub(super) trait Events: Send {
    /// All before the first piece of output.
    fn open(&mut self, answer: &Answer, sink: &mut Sink);
    /// One chunk of output: these pieces, of every choice.
    fn chunk(&mut self, answer: &Answer, pieces: Range<u32>, sink: &mut Sink);
    /// All after the last piece, the end marker among it. Returns what was reported as usage.
    fn close(&mut self, answer: &Answer, sink: &mut Sink) -> Option<Billed>;
    /// An error in place of what would come next.
    fn fail(&mut self, answer: &Answer, knobs: &Knobs, sink: &mut Sink);
}

/// The provider broke its answer off on purpose: the connection, or the h2 stream, is reset.
#[derive(Debug, thiserror::Error)]
#[error("cut by knob")]
pub(super) struct Cut;

/// A body that is streamed at the pace of the knobs.
pub(super) struct Paced {
    answer: Answer,
    events: Box<dyn Events>,
    knobs: Arc<Knobs>,
    visit: Visit,
    sink: Sink,
    phase: Phase,
    started: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
    /// The last frame was a piece of a split one; it is flushed before the next.
    flush: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// The chunk that is next.
    Chunk(u32),
    Stalled,
    Cutting(Instant),
    End(Outcome),
    Ended,
}

/// Events that are due at once are put into one frame until it has this size.
const FRAME_BYTES: usize = 8 * 1024;

/// How long a cut waits for what was written before it to leave the machine.
const BEFORE_CUT: Duration = Duration::from_millis(5);

impl Paced {
    /// Starts the clock.
    pub fn new(answer: Answer, events: Box<dyn Events>, sink: Sink, knobs: Arc<Knobs>, mut visit: Visit) -> Self {
        visit.streams();
        let started = Instant::now();
        Self { answer, events, knobs, visit, sink, phase: Phase::Open, started, sleep: None, flush: false }
    }

    /// Produces events until a frame is full, or nothing is due. Pending with an empty buffer: a timer is set.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.sink.out.len() < FRAME_BYTES {
            match self.phase {
                Phase::Open => {
                    self.events.open(&self.answer, &mut self.sink);
                    self.phase = Phase::Chunk(0);
                }
                Phase::Chunk(number) => ready!(self.chunk(number, cx)),
                Phase::Stalled => return Poll::Pending,
                Phase::Cutting(_) | Phase::End(_) | Phase::Ended => return Poll::Ready(()),
            }
        }
        Poll::Ready(())
    }

    fn chunk(&mut self, number: u32, cx: &mut Context<'_>) -> Poll<()> {
        let next = Some(number);
        let start = number.saturating_mul(self.knobs.chunk_tokens).min(self.answer.pieces.len());
        let end = start.saturating_add(self.knobs.chunk_tokens).min(self.answer.pieces.len());
        if self.knobs.stall_after == next {
            self.phase = Phase::Stalled;
        } else if self.knobs.cut_after == next {
            self.phase = Phase::Cutting(Instant::now() + BEFORE_CUT);
        } else if self.knobs.error_after == next {
            self.events.fail(&self.answer, &self.knobs, &mut self.sink);
            self.phase = Phase::End(Outcome::Broken);
        } else if start == end {
            if let Some(billed) = self.events.close(&self.answer, &mut self.sink) {
                self.visit.reported(&billed);
            }
            self.phase = Phase::End(Outcome::Completed);
        } else {
            ready!(self.wait(self.due(end), cx));
            self.events.chunk(&self.answer, start..end, &mut self.sink);
            self.visit.sent(u64::from(end - start) * self.answer.width());
            self.phase = Phase::Chunk(number.saturating_add(1));
        }
        Poll::Ready(())
    }

    /// When the chunk that ends with piece `end` may leave: the first after the first-token time.
    fn due(&self, end: u32) -> Instant {
        let first = self.started + self.knobs.first_token;
        if self.knobs.tokens_per_second <= 0.0 {
            return first;
        }
        let behind = end.saturating_sub(self.knobs.chunk_tokens.min(end));
        let seconds = f64::from(behind) / self.knobs.tokens_per_second;
        first + Duration::from_secs_f64(seconds.min(86_400.0))
    }

    fn wait(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= until {
            return Poll::Ready(());
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if sleep.deadline() != until {
            sleep.as_mut().reset(until);
        }
        sleep.as_mut().poll(cx)
    }

    /// The next frame of what was produced.
    fn frame(&mut self) -> Bytes {
        let length = self.knobs.split_bytes.unwrap_or(usize::MAX).min(self.sink.out.len());
        self.flush = self.knobs.split_bytes.is_some();
        let piece = self.sink.out.split_to(length).freeze();
        self.visit.sent_bytes(piece.len());
        if let (Phase::End(outcome), true) = (self.phase, self.sink.out.is_empty()) {
            self.visit.end(outcome);
        }
        piece
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let me = self.get_mut();
        if std::mem::take(&mut me.flush) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if me.sink.out.is_empty() && me.fill(cx).is_pending() && me.sink.out.is_empty() {
            return Poll::Pending;
        }
        if !me.sink.out.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(me.frame()))));
        }
        match me.phase {
            Phase::Cutting(at) => {
                ready!(me.wait(at, cx));
                me.visit.end(Outcome::Broken);
                me.phase = Phase::Ended;
                Poll::Ready(Some(Err(Cut)))
            }
            Phase::End(outcome) => {
                me.visit.end(outcome);
                me.phase = Phase::Ended;
                Poll::Ready(None)
            }
            Phase::Ended => Poll::Ready(None),
            Phase::Open | Phase::Chunk(_) | Phase::Stalled => Poll::Pending,
        }
    }
}

/// An answer that is not streamed, or a stream.
pub(super) enum Reply {
    /// Known whole; with a fault, the first half is sent, and then it strikes.
    Whole { bytes: Bytes, fault: Option<Fault>, visit: Visit },
    /// Events.
    Paced(Box<Paced>),
    /// Of the simulator's own pages, which are not recorded.
    Page(Bytes),
}

/// What happens after the first half of an answer that is not streamed.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nothing more comes.
    Stall,
    /// The connection is closed, once the first half had time to leave.
    Cut(Pin<Box<Sleep>>),
}

impl Fault {
    /// What the knobs ask for.
    pub fn of(knobs: &Knobs) -> Option<Self> {
        match (knobs.stall_after, knobs.cut_after) {
            (Some(_), _) => Some(Self::Stall),
            (None, Some(_)) => Some(Self::Cut(Box::pin(sleep_until(Instant::now() + BEFORE_CUT)))),
            (None, None) => None,
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            Self::Paced(paced) => Pin::new(paced.as_mut()).poll_frame(cx),
            Self::Page(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Page(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Whole { bytes, visit, fault: None } => {
                visit.end(Outcome::Completed);
                if bytes.is_empty() {
                    return Poll::Ready(None);
                }
                visit.sent_bytes(bytes.len());
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))))
            }
            Self::Whole { bytes, visit, fault: Some(fault) } => {
                if !bytes.is_empty() {
                    let half = bytes.split_to(bytes.len().div_ceil(2));
                    bytes.clear();
                    visit.sent_bytes(half.len());
                    if let Fault::Cut(sleep) = fault {
                        sleep.as_mut().reset(Instant::now() + BEFORE_CUT);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(half))));
                }
                match fault {
                    Fault::Stall => return Poll::Pending,
                    Fault::Cut(sleep) => ready!(sleep.as_mut().poll(cx)),
                }
                visit.end(Outcome::Broken);
                Poll::Ready(Some(Err(Cut)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole { bytes, fault, .. } => bytes.is_empty() && fault.is_none(),
            Self::Page(bytes) => bytes.is_empty(),
            Self::Paced(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole { bytes, .. } | Self::Page(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Paced(_) => SizeHint::default(),
        }
    }
}
