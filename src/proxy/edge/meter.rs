//! A connection of HTTP/2 whose frames are counted.

use super::frames::{Frames, PREFACE};
use super::wire::passes_on;
use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora::protocols::{Peek, Shutdown, Stream};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;

/// The connection.
#[derive(Debug)]
pub struct Meter {
    io: Stream,
    /// What was read before it was known to be HTTP/2.
    begin: BytesMut,
    frames: Frames,
}

impl Meter {
    /// `begin` was read from `io` before.
    pub fn new(io: Stream, begin: BytesMut) -> Self {
        Self { io, begin, frames: Frames::new(Instant::now()) }
    }

    fn sent(&mut self, bytes: usize) {
        self.frames.sent(bytes);
    }
}

impl AsyncRead for Meter {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = out.filled().len();
        if this.begin.is_empty() {
            ready!(Pin::new(&mut this.io).poll_read(context, out))?;
        } else {
            let taken = this.begin.len().min(out.remaining());
            out.put_slice(&this.begin[..taken]);
            this.begin.advance(taken);
        }
        let came = out.filled().get(before..).unwrap_or_default();
        Poll::Ready(this.frames.push(came, Instant::now()).map_err(|_| {
            tracing::debug!("a connection was closed: it sent more frames of HTTP/2 than are let pass");
            io::Error::other("a flood of frames")
        }))
    }
}

#[async_trait]
impl Peek for Meter {
    /// In clear it was told by its preface, which stands in front of it.
    async fn try_peek(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        for (place, byte) in buffer.iter_mut().zip(PREFACE) {
            *place = *byte;
        }
        Ok(true)
    }
}

#[async_trait]
impl Shutdown for Meter {
    async fn shutdown(&mut self) {
        self.io.shutdown().await;
    }
}

passes_on!(Meter);
