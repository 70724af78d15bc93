//! A load generator for `load-tests/`: closed loop (each connection sends when it has its answer) and open loop (a
//! request every so often, whatever the answers do), over HTTP/1.1 keep-alive on the loopback.
//!
//! Latency in the open loop runs from the moment at which a request was due, not from when a connection was free for
//! it: a stall is seen by every request that it delays (no coordinated omission). One thread a connection with blocking
//! sockets, because timers of an async runtime tick in whole milliseconds, and the latencies looked for are smaller.
//!
//! With `--fresh` each request has a connection of its own, with `--ca` over TLS.
//!
//! It prints one JSON object and ends by itself: both the number of requests and the time are bounded.

#[path = "../common.rs"]
mod common;

use clap::{Parser, ValueEnum};
use common::{loopback, percentiles, wait_until};
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::Instant;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Sends requests to one address on this machine and prints what came back, as JSON
#[derive(Debug, Parser)]
struct Args {
    /// Whom to ask; a loopback address
    #[arg(long, value_parser = loopback)]
    target: SocketAddr,
    /// Path to ask for
    #[arg(long, default_value = "/v1/chat/completions")]
    path: String,
    /// What to send
    #[arg(long, value_enum, default_value = "short")]
    body: Body,
    /// Bytes of text in the question of a short request or a stream; 0: a sentence
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=16 << 20))]
    text_bytes: u32,
    /// Tokens of output of an answer in one piece
    #[arg(long, default_value_t = 16)]
    output_tokens: u32,
    /// Bytes of image in a large request
    #[arg(long, default_value_t = 1 << 20, value_parser = clap::value_parser!(u32).range(..=64 << 20))]
    image_bytes: u32,
    /// Model to ask for
    #[arg(long, default_value = "load")]
    model: String,
    /// Events of output in a stream
    #[arg(long, default_value_t = 100)]
    events: u32,
    /// Key to send as `authorization: Bearer`
    #[arg(long, env = "GENERATOR_KEY", hide_env_values = true)]
    key: Option<String>,
    /// The status that every answer must have; any other one is an error
    #[arg(long, default_value_t = 200)]
    expect: u16,
    /// A status that says "not now": such answers are no errors, and are counted and timed apart
    #[arg(long)]
    refused: Option<u16>,
    /// A new connection for each request
    #[arg(long)]
    fresh: bool,
    /// Speaks TLS to a server called `localhost`, and trusts these certificates (PEM)
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Connections, each on a thread of its own
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1024))]
    connections: u32,
    /// Requests a second, evenly spaced; without it each connection sends as soon as it has its answer
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: Option<u32>,
    /// Ends after so many requests
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    requests: u64,
    /// Sends nothing new after so many seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Body {
    /// A short question, answered in one piece
    Short,
    /// The same, answered as a stream
    Stream,
    /// A question with an image, answered in one piece
    Large,
}

/// What the connections share.
struct Plan {
    target: SocketAddr,
    request: Vec<u8>,
    stream: bool,
    fresh: bool,
    tls: Option<Arc<ClientConfig>>,
    expect: u16,
    refused: Option<u16>,
    start: Instant,
    end: Instant,
    interval: Option<Duration>,
    requests: u64,
    next: AtomicU64,
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    latencies_us: Vec<u64>,
    refused_us: Vec<u64>,
    /// Refusals that do not say when to come again.
    untold: u64,
    events: u64,
    bytes: u64,
    errors: u64,
    first_error: Option<String>,
    reconnects: u64,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let start = Instant::now() + Duration::from_millis(100);
    let plan = Plan {
        target: args.target,
        request: request(&args),
        stream: args.body == Body::Stream,
        fresh: args.fresh,
        tls: args.ca.as_ref().map(trust).transpose()?,
        expect: args.expect,
        refused: args.refused,
        start,
        end: start + Duration::from_secs(args.seconds),
        interval: args.rate.map(|rate| Duration::from_secs(1) / rate),
        requests: args.requests,
        next: AtomicU64::new(0),
    };
    let mut all = Seen::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..args.connections).map(|_| scope.spawn(|| plan.drive())).collect();
        for thread in threads {
            all.add(thread.join().expect("a connection does not panic"));
        }
    });
    let seconds = plan.start.elapsed().as_secs_f64();
    println!("{}", all.report(seconds));
    if all.latencies_us.is_empty() && all.refused_us.is_empty() {
        Err(io::Error::other("no request was answered"))
    } else {
        Ok(())
    }
}

impl Plan {
    /// Sends on one connection until all is sent or the time is over.
    fn drive(&self) -> Seen {
        let mut seen = Seen::default();
        let mut connection = None;
        wait_until(self.start);
        loop {
            let index = self.next.fetch_add(1, Relaxed);
            let due = match self.interval {
                Some(interval) => self.start + interval.saturating_mul(u32::try_from(index).unwrap_or(u32::MAX)),
                None => Instant::now(),
            };
            if index >= self.requests || due >= self.end || Instant::now() >= self.end {
                return seen;
            }
            wait_until(due);
            match self.ask(&mut connection, &mut seen) {
                Ok(answered) => {
                    let latency_us = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
                    if answered { &mut seen.latencies_us } else { &mut seen.refused_us }.push(latency_us);
                }
                Err(error) => {
                    connection = None;
                    seen.errors += 1;
                    seen.first_error.get_or_insert(error.to_string());
                    // A target that is down is not asked a million times.
                    wait_until(Instant::now() + Duration::from_millis(10));
                }
            }
        }
    }

    fn connect(&self) -> io::Result<BufReader<Wire>> {
        let stream = TcpStream::connect_timeout(&self.target, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let wire = match &self.tls {
            None => Wire::Clear(stream),
            Some(config) => {
                let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
                let client = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
                Wire::Tls(Box::new(StreamOwned::new(client, stream)))
            }
        };
        Ok(BufReader::with_capacity(64 << 10, wire))
    }

    /// One request and its answer; false if it was refused. A kept connection that was closed meanwhile is opened again,
    /// once.
    fn ask(&self, connection: &mut Option<BufReader<Wire>>, seen: &mut Seen) -> io::Result<bool> {
        let (mut reader, kept) = match connection.take() {
            Some(reader) => (reader, true),
            None => (self.connect()?, false),
        };
        let mut first = reader.get_mut().write_all(&self.request).and_then(|()| reader.fill_buf().map(<[u8]>::len));
        if kept && !matches!(first, Ok(1..)) {
            seen.reconnects += 1;
            reader = self.connect()?;
            first = reader.get_mut().write_all(&self.request).and_then(|()| reader.fill_buf().map(<[u8]>::len));
        }
        first?;
        let answer = read_answer(&mut reader)?;
        if Some(answer.status) == self.refused {
            seen.untold += u64::from(!answer.told);
            *connection = Some(reader).filter(|_| answer.keep && !self.fresh);
            return Ok(false);
        }
        if answer.status != self.expect {
            return Err(io::Error::other(format!("status {}: {}", answer.status, answer.tail())));
        }
        if self.stream && answer.status == 200 && !answer.body_end.ends_with(b"data: [DONE]\n\n") {
            return Err(io::Error::other(format!("the stream ends without [DONE]: {}", answer.tail())));
        }
        seen.events += answer.events;
        seen.bytes += answer.bytes;
        *connection = Some(reader).filter(|_| answer.keep && !self.fresh);
        Ok(true)
    }
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.latencies_us.extend(other.latencies_us);
        self.refused_us.extend(other.refused_us);
        self.untold += other.untold;
        self.events += other.events;
        self.bytes += other.bytes;
        self.errors += other.errors;
        self.reconnects += other.reconnects;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    fn report(&mut self, seconds: f64) -> Value {
        let count = self.latencies_us.len();
        json!({
            "refused": self.refused_us.len(),
            "refused_without_retry_after": self.untold,
            "refused_latency_us": percentiles(&mut self.refused_us),
            "requests": count,
            "errors": self.errors,
            "first_error": self.first_error,
            "reconnects": self.reconnects,
            "seconds": seconds,
            "rps": count as f64 / seconds,
            "events": self.events,
            "bytes": self.bytes,
            "latency_us": percentiles(&mut self.latencies_us),
        })
    }
}

/// An answer that was read to its end.
#[derive(Default)]
struct Answer {
    status: u16,
    /// Whether the connection may be used again.
    keep: bool,
    /// Whether it says when to come again.
    told: bool,
    /// SSE events: blank lines of the body.
    events: u64,
    bytes: u64,
    /// The last bytes of the body.
    body_end: Vec<u8>,
}

impl Answer {
    fn take(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        // One byte of the piece before, so that a blank line cut in two is seen, once.
        let cut = self.body_end.last() == Some(&b'\n') && piece.first() == Some(&b'\n');
        self.events += u64::from(cut) + memchr::memmem::find_iter(piece, b"\n\n").count() as u64;
        self.body_end.extend_from_slice(piece.get(piece.len().saturating_sub(TAIL)..).unwrap_or_default());
        let surplus = self.body_end.len().saturating_sub(TAIL);
        self.body_end.drain(..surplus);
    }

    fn tail(&self) -> String {
        String::from_utf8_lossy(&self.body_end).into_owned()
    }
}

fn read_answer(reader: &mut BufReader<Wire>) -> io::Result<Answer> {
    let mut line = String::new();
    let mut answer = Answer { keep: true, ..Answer::default() };
    let status = read_line(reader, &mut line)?.split(' ').nth(1).and_then(|status| status.parse().ok());
    answer.status = status.ok_or_else(|| io::Error::other(format!("no status line: {line:?}")))?;
    let (mut length, mut chunked) = (None, false);
    while !read_line(reader, &mut line)?.is_empty() {
        let (name, value) = line.trim_end().split_once(':').unwrap_or_default();
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-length", value) => length = value.parse::<u64>().ok(),
            ("transfer-encoding", value) => chunked = value.eq_ignore_ascii_case("chunked"),
            ("retry-after", _) => answer.told = true,
            ("connection", value) => answer.keep = !value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    match length {
        _ if chunked => loop {
            let size = read_line(reader, &mut line)?.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
            read_piece(reader, size, &mut answer)?;
            read_line(reader, &mut line)?;
            if size == 0 {
                break;
            }
        },
        Some(length) => read_piece(reader, length, &mut answer)?,
        None => return Err(io::Error::other("neither content-length nor chunked")),
    }
    Ok(answer)
}

fn read_line<'l>(reader: &mut BufReader<Wire>, line: &'l mut String) -> io::Result<&'l str> {
    line.clear();
    if reader.take(LONGEST_LINE).read_line(line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end())
}

fn read_piece(reader: &mut BufReader<Wire>, mut size: u64, answer: &mut Answer) -> io::Result<()> {
    while size > 0 {
        let buffer = reader.fill_buf()?;
        let part = buffer.get(..usize::try_from(size).unwrap_or(usize::MAX)).unwrap_or(buffer);
        let taken = part.len();
        if taken == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.take(part);
        reader.consume(taken);
        size -= taken as u64;
    }
    Ok(())
}

/// A connection, in clear or over TLS.
enum Wire {
    Clear(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.write(buffer),
            Self::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Clear(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// Trusts the certificates of `ca`, and nobody else.
fn trust(ca: &PathBuf) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(io::Error::other)? {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

fn request(args: &Args) -> Vec<u8> {
    let sentence = "Name three rivers that end in the North Sea, and say in one sentence where each of them rises.";
    let question = match args.text_bytes {
        0 => sentence.to_owned(),
        bytes => sentence.chars().chain([' ']).cycle().take(bytes as usize).collect(),
    };
    let (content, extra) = match args.body {
        Body::Short => (json!(question), json!({ "max_tokens": args.output_tokens })),
        Body::Stream => (json!(question), json!({ "max_tokens": args.events, "stream": true })),
        Body::Large => {
            let url = format!("data:image/png;base64,{}", "iVBORw0K".repeat(args.image_bytes as usize / 8));
            let image = json!({ "type": "image_url", "image_url": { "url": url } });
            (json!([{ "type": "text", "text": question }, image]), json!({ "max_tokens": 16 }))
        }
    };
    let messages = json!([{ "role": "system", "content": "Answer briefly." }, { "role": "user", "content": content }]);
    let mut body = json!({ "model": args.model, "messages": messages });
    if let (Value::Object(body), Value::Object(extra)) = (&mut body, extra) {
        body.extend(extra);
    }
    let body = body.to_string();
    let key = args.key.as_ref().map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
    let (path, host, length) = (&args.path, args.target, body.len());
    format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\n{key}content-type: application/json\r\n\
         user-agent: weighbridge-load-test\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// How long a connection, an answer's next byte or a write may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// A head line that is longer is not read to its end, and the answer counts as an error.
const LONGEST_LINE: u64 = 16 << 10;
/// Bytes kept of the end of a body.
const TAIL: usize = 120;
