//! A service on loopback that answers as a test says, and tells what it was asked: the other side of what fetches
//! credentials.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// It ends with the test's runtime.
pub(super) struct Fake {
    /// `http://127.0.0.1:PORT`.
    pub(super) base: String,
    calls: mpsc::UnboundedReceiver<Call>,
}

/// What it was asked.
#[derive(Debug)]
pub(super) struct Call {
    /// `GET /path`.
    pub(super) line: String,
    /// All headers, in lower case but for their values.
    head: String,
    /// The body.
    pub(super) body: String,
}

impl Call {
    /// The value of a header.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.into_iter().find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
    }
}

impl Fake {
    /// Answers each call with the next of `answers`: a status and a body.
    pub(super) async fn start(answers: Vec<(u16, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        let (sender, calls) = mpsc::unbounded_channel();
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move {
            for (status, body) in answers {
                let (mut socket, _) = listener.accept().await.expect("a call");
                let call = read(&mut socket).await;
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
                // Whoever does not listen any more does not want it.
                let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
                let _ = sender.send(call);
            }
        });
        Self { base, calls }
    }

    /// What it was asked next.
    pub(super) async fn call(&mut self) -> Call {
        self.calls.recv().await.expect("a call")
    }
}

async fn read(socket: &mut TcpStream) -> Call {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let (line, fields) = head.split_once("\r\n").unwrap_or((head, ""));
            let line = line.rsplit_once(' ').map_or(line, |(line, _)| line).to_owned();
            let call = Call { line, head: fields.to_owned(), body: body.to_owned() };
            let length = call.field("content-length").map_or(0, |length| length.parse().expect("a number"));
            if body.len() >= length {
                return call;
            }
        }
        let mut piece = [0; 4096];
        let count = socket.read(&mut piece).await.expect("readable");
        assert!(count > 0, "the request is whole");
        bytes.extend_from_slice(&piece[..count]);
    }
}
