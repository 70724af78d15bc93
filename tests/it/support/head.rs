//! HTTP/1.1 as bytes: heads read from a socket, and bodies in both framings.

use bytes::{Buf, Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The head of a request or an answer, as it came.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The first line.
    pub line: String,
    /// Fields in their order, names as sent.
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// The value of the first field called `name`, in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// The word of the first line at `place`: a method, a path, a status.
    pub fn word(&self, place: usize) -> &str {
        self.line.split(' ').nth(place).unwrap_or_default()
    }

    /// The status of an answer.
    pub fn status(&self) -> u16 {
        self.word(1).parse().unwrap_or_else(|_| panic!("no status line: `{}`", self.line))
    }

    /// How the body that follows is framed.
    pub fn framing(&self) -> Framing {
        if self.get("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return Framing::Chunked;
        }
        match self.get("content-length") {
            Some(length) => Framing::Length(length.trim().parse().expect("a length is a number")),
            None => Framing::None,
        }
    }

    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let field = |line: &str| line.split_once(':').map(|(n, v)| (n.to_owned(), v.trim().to_owned()));
        Self { line, fields: lines.filter_map(field).collect() }
    }
}

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// No field says anything: a request without a body, or an answer that ends with its connection.
    None,
    /// `content-length`.
    Length(u64),
    /// `transfer-encoding: chunked`.
    Chunked,
}

/// Reads one head; `None` when the peer closed before its first byte.
pub async fn read_head(io: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> io::Result<Option<Head>> {
    loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            let head = Head::parse(&buffer[..end]);
            buffer.advance(end + 4);
            return Ok(Some(head));
        }
        if io.read_buf(buffer).await? == 0 {
            return if buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    }
}

/// Reads a body piece by piece.
#[derive(Debug)]
pub struct BodyReader {
    framing: Framing,
    /// Bytes that are still to come: of the body, or of the current chunk.
    left: u64,
    done: bool,
}

impl BodyReader {
    /// For a body of this framing.
    pub fn new(framing: Framing) -> Self {
        let left = if let Framing::Length(length) = framing { length } else { 0 };
        Self { framing, left, done: framing == Framing::Length(0) }
    }

    /// The next piece; `None` at the body's proper end.
    ///
    /// # Errors
    ///
    /// When the connection ends or breaks before the body does.
    pub async fn piece(
        &mut self,
        io: &mut (impl AsyncRead + Unpin),
        buffer: &mut BytesMut,
    ) -> io::Result<Option<Bytes>> {
        if self.done {
            return Ok(None);
        }
        if self.framing == Framing::Chunked && self.left == 0 {
            self.left = chunk_size(io, buffer).await?;
            if self.left == 0 {
                self.done = true;
                while !read_line(io, buffer).await?.is_empty() {} // trailers
                return Ok(None);
            }
        }
        if buffer.is_empty() && io.read_buf(buffer).await? == 0 {
            self.done = true;
            return if self.framing == Framing::None { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        if self.framing == Framing::None {
            return Ok(Some(buffer.split().freeze()));
        }
        let take = usize::try_from(self.left).expect("64 bits").min(buffer.len());
        self.left -= take as u64;
        let piece = buffer.split_to(take).freeze();
        match self.framing {
            Framing::Chunked if self.left == 0 => {
                let rest = read_line(io, buffer).await?;
                assert!(rest.is_empty(), "a chunk is longer than it says: {rest:?}");
            }
            Framing::Length(_) => self.done = self.left == 0,
            _ => {}
        }
        Ok(Some(piece))
    }
}

async fn chunk_size(io: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> io::Result<u64> {
    let line = read_line(io, buffer).await?;
    let text = String::from_utf8_lossy(&line);
    let digits = text.split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(digits, 16).map_err(|e| io::Error::other(format!("chunk size `{digits}`: {e}")))
}

async fn read_line(io: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> io::Result<Bytes> {
    loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n") {
            let line = buffer.split_to(end).freeze();
            buffer.advance(2);
            return Ok(line);
        }
        if io.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
