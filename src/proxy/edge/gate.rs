//! The gate in front of Pingora's HTTP/1 sessions: a head passes whole and plain, or not at all.
//!
//! It stands between the socket and Pingora and knows where each request ends, so that Pingora never holds a byte of the
//! next one: pipelined requests wait here, in order, at most as many bytes as one head may have. What is refused never
//! reaches Pingora. A plain head of our own takes its place, by which the refusal goes the ordinary way ([`fault`], then
//! `respond.rs`); behind it the connection is over.

use super::chunks::Chunks;
use super::fields::Length;
use super::framing::Framing;
use super::head::{HeadLimits, HeadReader, guessed_target};
use super::wire::passes_on;
use crate::{model::Dialect, proxy::accept::dialect_of};
use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use http::HeaderMap;
use parking_lot::Mutex;
use pingora::protocols::{Peek, Shutdown, Stream};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

tokio::task_local! {
    /// Of the connection that this task serves.
    pub static SIGNALS: Arc<Signals>;
}

/// What a gate and those behind it tell each other.
#[derive(Debug, Default)]
pub struct Signals {
    fault: Mutex<Option<Framing>>,
    next: AtomicBool,
    upgraded: AtomicBool,
}

/// Why the request at hand was stopped, if it was: by its head, or in the middle of its body.
pub fn fault() -> Option<Framing> {
    SIGNALS.try_with(|signals| *signals.fault.lock()).ok().flatten()
}

/// What is read next is a request's head.
pub fn expect_head() {
    let _ = SIGNALS.try_with(|signals| signals.next.store(true, Ordering::Relaxed));
}

/// The connection is a websocket from here on.
pub fn upgraded() {
    let _ = SIGNALS.try_with(|signals| signals.upgraded.store(true, Ordering::Relaxed));
}

/// The gate of one connection.
#[derive(Debug)]
pub struct Gate {
    io: Stream,
    signals: Arc<Signals>,
    limits: HeadLimits,
    within: Duration,
    /// Bytes that came and are not handed on.
    buffer: BytesMut,
    at: At,
    /// Runs out when the head at hand has to be whole. The first one's runs from the start of the connection, a later one's
    /// from its first byte.
    clock: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
enum At {
    /// In a head.
    Head(HeadReader),
    /// So many bytes of the buffer are a head that passes; behind it comes what is told, or nothing.
    Hand(usize, Option<Length>),
    /// In a body with so many bytes to come.
    Body(u64),
    /// In a chunked body.
    Chunked(Chunks),
    /// Behind a request.
    Between,
    /// No longer HTTP.
    Raw,
    /// Nothing more is read.
    Over,
}

/// Bytes read at once of what is not a body.
const PIECE: usize = 4_096;
/// Bytes that are thrown away behind a refusal, so that the client reads it instead of a reset.
const SPILL: usize = 256 * 1024;
/// How long they are waited for.
const LINGER: Duration = Duration::from_millis(500);

impl Gate {
    /// `begin` was read from `io` before; the first head has to be whole at `deadline`, the others `within` their first byte.
    pub fn new(
        io: Stream,
        begin: BytesMut,
        signals: Arc<Signals>,
        limits: HeadLimits,
        (deadline, within): (Instant, Duration),
    ) -> Self {
        let at = At::Head(HeadReader::default());
        Self { io, signals, limits, within, buffer: begin, at, clock: Some(Box::pin(sleep_until(deadline))) }
    }

    #[expect(clippy::unused_self, reason = "the other gate counts them")]
    fn sent(&self, _bytes: usize) {}

    /// Reads a piece into the buffer; 0: the client has ended.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // Not zeroed: it is asked several times a request, mostly for nothing.
        let mut piece = [MaybeUninit::uninit(); PIECE];
        let mut piece = ReadBuf::uninit(&mut piece);
        ready!(Pin::new(&mut self.io).poll_read(context, &mut piece))?;
        self.buffer.extend_from_slice(piece.filled());
        Poll::Ready(Ok(piece.filled().len()))
    }

    /// Ready when the head is whole or refused; false: there is none.
    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            let At::Head(reader) = &mut self.at else { return Poll::Ready(Ok(true)) };
            match reader.read(&self.buffer, self.limits) {
                Ok(Some(whole)) => {
                    self.clock = None;
                    self.at = At::Hand(whole.bytes, Some(whole.body));
                    return Poll::Ready(Ok(true));
                }
                Ok(None) => {}
                Err(fault) => return Poll::Ready(Ok(self.refuse(context, fault))),
            }
            let begun = reader.has_begun();
            if begun || self.clock.is_some() {
                let within = self.within;
                let clock = self.clock.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + within)));
                if clock.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Ok(begun && self.refuse(context, Framing::Slow)));
                }
            }
            if ready!(self.poll_piece(context))? == 0 {
                return Poll::Ready(Ok(begun && self.refuse(context, Framing::Cut)));
            }
        }
    }

    /// Puts a head of our own in place of the one that is refused. Always true.
    fn refuse(&mut self, context: &mut Context<'_>, fault: Framing) -> bool {
        let head = match dialect_of(guessed_target(&self.buffer), &HeaderMap::new()) {
            Dialect::Anthropic => "GET /v1/messages HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n",
            Dialect::Gemini => "GET /v1beta/models HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n",
            _ => "GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n",
        };
        *self.signals.fault.lock() = Some(fault);
        // What came with it is taken off the socket: closed over unread bytes, the client would get a reset.
        let mut spilt = 0;
        while let Poll::Ready(Ok(1..)) = self.poll_piece(context) {
            spilt += self.buffer.len();
            self.buffer.clear();
            if spilt > SPILL {
                break;
            }
        }
        self.clock = None;
        self.buffer = BytesMut::from(head);
        self.at = At::Hand(head.len(), None);
        true
    }

    /// Hands on up to `most` bytes of the buffer.
    fn hand(&mut self, out: &mut ReadBuf<'_>, most: usize) -> usize {
        let taken = self.buffer.len().min(out.remaining()).min(most);
        out.put_slice(&self.buffer[..taken]);
        self.buffer.advance(taken);
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new(); // an open stream needs none
        }
        taken
    }

    fn poll_body(&mut self, context: &mut Context<'_>, out: &mut ReadBuf<'_>, left: u64) -> Poll<io::Result<()>> {
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let taken = if self.buffer.is_empty() {
            let room = out.initialize_unfilled_to(out.remaining().min(most));
            let mut part = ReadBuf::new(room);
            ready!(Pin::new(&mut self.io).poll_read(context, &mut part))?;
            let came = part.filled().len();
            out.advance(came);
            came
        } else {
            self.hand(out, most)
        };
        let left = left - taken as u64;
        self.at = if left == 0 { At::Between } else { At::Body(left) };
        Poll::Ready(Ok(()))
    }

    fn poll_chunks(
        &mut self,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
        mut chunks: Chunks,
    ) -> Poll<io::Result<()>> {
        let used = if self.buffer.is_empty() {
            let mut part = ReadBuf::new(out.initialize_unfilled());
            ready!(Pin::new(&mut self.io).poll_read(context, &mut part))?;
            let came = part.filled();
            let used = chunks.push(came);
            let rest = used.ok().and_then(|used| came.get(used..)).unwrap_or_default();
            self.buffer.extend_from_slice(rest);
            if let Ok(used) = used {
                out.advance(used);
            }
            used
        } else {
            let have = self.buffer.len().min(out.remaining());
            let used = chunks.push(&self.buffer[..have]);
            used.map(|used| self.hand(out, used))
        };
        match used {
            Ok(_) => {
                self.at = if chunks.is_done() { At::Between } else { At::Chunked(chunks) };
                Poll::Ready(Ok(()))
            }
            Err(fault) => {
                *self.signals.fault.lock() = Some(fault);
                self.at = At::Over;
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault.to_string())))
            }
        }
    }

    /// Takes up what was signalled.
    fn look(&mut self) {
        if self.signals.next.swap(false, Ordering::Relaxed) {
            let at = std::mem::replace(&mut self.at, At::Over);
            self.at = match at {
                At::Between => At::Head(HeadReader::default()),
                // The connection's first.
                At::Head(reader) => At::Head(reader),
                // The rest of a body is never taken for a head.
                At::Hand(..) | At::Body(_) | At::Chunked(_) | At::Raw | At::Over => At::Over,
            };
        }
        if matches!(self.at, At::Between) && self.signals.upgraded.load(Ordering::Relaxed) {
            self.at = At::Raw;
        }
    }
}

impl AsyncRead for Gate {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            this.look();
            match this.at {
                At::Head(_) => {
                    if !ready!(this.poll_head(context))? {
                        this.at = At::Over;
                    }
                }
                At::Hand(left, then) => {
                    let left = left - this.hand(out, left);
                    this.at = match then {
                        _ if left > 0 => At::Hand(left, then),
                        Some(Length::Bytes(0)) => At::Between,
                        Some(Length::Bytes(bytes)) => At::Body(bytes),
                        Some(Length::Open) => At::Chunked(Chunks::default()),
                        None => At::Over,
                    };
                    return Poll::Ready(Ok(()));
                }
                At::Body(left) => return this.poll_body(context, out, left),
                At::Chunked(chunks) => return this.poll_chunks(context, out, chunks),
                // Pingora looks whether the client has left. What comes of the next request is kept for it.
                At::Between if this.buffer.len() >= this.limits.bytes => return Poll::Pending,
                At::Between => {
                    if ready!(this.poll_piece(context))? == 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
                At::Raw if this.buffer.is_empty() => return Pin::new(&mut this.io).poll_read(context, out),
                At::Raw => {
                    this.hand(out, usize::MAX);
                    return Poll::Ready(Ok(()));
                }
                At::Over => return Poll::Ready(Ok(())),
            }
        }
    }
}

#[async_trait]
impl Peek for Gate {
    /// What is behind a gate is HTTP/1; what is peeked stays as it is, and is no preface of HTTP/2.
    async fn try_peek(&mut self, _buffer: &mut [u8]) -> io::Result<bool> {
        Ok(true)
    }
}

#[async_trait]
impl Shutdown for Gate {
    /// Where the client may still be sending, what it sends is thrown away for a moment.
    async fn shutdown(&mut self) {
        self.io.shutdown().await;
        if matches!(self.at, At::Between | At::Raw) && self.buffer.is_empty() {
            return;
        }
        let spill = async {
            let (mut piece, mut spilt) = ([0; PIECE], 0);
            while spilt < SPILL {
                match self.io.read(&mut piece).await {
                    Ok(0) | Err(_) => return,
                    Ok(came) => spilt += came,
                }
            }
        };
        let _ = timeout(LINGER, spill).await;
    }
}

passes_on!(Gate);
