//! An HTTP/1.1 client that sends any bytes and reads what comes back.

use super::call::{Answer, Call, Io, Open};
use super::head::{BodyReader, Framing, Head, read_head};
use super::within;
use bytes::{Bytes, BytesMut};
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection.
pub struct H1 {
    io: Box<dyn Io>,
    buffer: BytesMut,
    body: BodyReader,
}

impl H1 {
    /// Connects in clear.
    pub async fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.expect("the gateway listens");
        socket.set_nodelay(true).expect("an option of every socket");
        Self::over(Box::new(socket))
    }

    /// Over what is connected already.
    pub fn over(io: Box<dyn Io>) -> Self {
        Self { io, buffer: BytesMut::new(), body: BodyReader::new(Framing::Length(0)) }
    }

    /// Takes the connection out of its place.
    pub fn take(place: &mut Self) -> Self {
        std::mem::replace(place, Self::over(Box::new(tokio::io::empty())))
    }

    /// Sends bytes as they are. An error is no matter: the answer tells, or its absence.
    pub async fn raw(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sent = async { self.io.write_all(bytes.as_ref()).await.is_ok() && self.io.flush().await.is_ok() };
        within("the gateway takes bytes", sent).await
    }

    /// Ends the sending side.
    pub async fn finish_writing(&mut self) {
        self.io.shutdown().await.ok(); // the gateway may have closed before
    }

    /// Sends the head of `call`.
    pub async fn send_head(&mut self, call: &Call) -> bool {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: localhost\r\n", call.method, call.path);
        for (name, value) in &call.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match call.chunked {
            Some(_) => head.push_str("transfer-encoding: chunked\r\n"),
            None if call.method == "GET" => {}
            None => head.push_str(&format!("content-length: {}\r\n", call.body.len())),
        }
        head.push_str("\r\n");
        self.raw(head).await
    }

    /// Sends all of `call`.
    pub async fn send(&mut self, call: &Call) -> bool {
        let mut sent = self.send_head(call).await;
        match call.chunked {
            None => sent &= self.raw(&call.body).await,
            Some(size) => {
                for piece in call.body.chunks(size) {
                    sent = sent && self.raw(chunk(piece)).await;
                }
                sent &= self.raw("0\r\n\r\n").await;
            }
        }
        sent
    }

    /// Reads one head, interim ones (100, 103) too; `None` when the gateway closed instead.
    pub async fn any_head(&mut self) -> Option<Head> {
        let head = within("the head of an answer", read_head(&mut self.io, &mut self.buffer)).await.ok().flatten()?;
        let status = head.status();
        let framing = match head.framing() {
            Framing::None if status < 200 || status == 204 || status == 304 => Framing::Length(0),
            framing => framing,
        };
        self.body = BodyReader::new(framing);
        Some(head)
    }

    /// Reads the head of the final answer; `None` when the gateway closed instead.
    pub async fn head(&mut self) -> Option<Head> {
        loop {
            let head = self.any_head().await?;
            if head.status() >= 200 {
                return Some(head);
            }
        }
    }

    /// The final answer, its body still to come.
    pub async fn open(mut self) -> Open {
        let head = self.head().await.expect("the gateway answers");
        Open::over_h1(head.status(), &head.fields, self)
    }

    /// The whole final answer, and the connection for the next request.
    pub async fn answer(self) -> (Answer, Self) {
        self.open().await.finish_h1().await
    }

    /// The next piece of body.
    ///
    /// # Errors
    ///
    /// When the connection breaks before the body ends.
    pub async fn piece(&mut self) -> io::Result<Option<Bytes>> {
        self.body.piece(&mut self.io, &mut self.buffer).await
    }

    /// Whether the gateway has closed; what it said is kept.
    pub async fn is_over(&mut self) -> bool {
        let read = self.io.read_buf(&mut self.buffer);
        matches!(tokio::time::timeout(std::time::Duration::from_millis(1), read).await, Ok(Ok(0) | Err(_)))
    }

    /// Waits until the gateway closes; tells what it still sent.
    pub async fn closed(&mut self) -> Bytes {
        let mut rest = self.buffer.split();
        let read = async { while !matches!(self.io.read_buf(&mut rest).await, Ok(0) | Err(_)) {} };
        within("the gateway closes the connection", read).await;
        rest.freeze()
    }
}

/// `piece` as one chunk.
pub fn chunk(piece: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
    chunk.extend_from_slice(piece);
    chunk.extend_from_slice(b"\r\n");
    chunk
}
