//! How long the pieces of streams are under way: provider and clients in one process, so that one clock reads both ends.
//!
//! The provider writes an event every so often on each stream and puts the time of it into the text; the client takes the time at
//! which it has read it. What lies between is the way through the subject, and nothing else: neither the model's pace nor
//! a timer that fires late is part of it. One thread for each end of each stream, with blocking sockets.
//!
//! It prints one JSON object and ends by itself.

#[path = "../common.rs"]
mod common;

use clap::Parser;
use common::{loopback, percentiles, wait_until};
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;
use tokio::time::Instant;

/// Streams through one address on this machine, and how long each piece takes
#[derive(Debug, Parser)]
struct Args {
    /// Whom to ask; a loopback address. The provider's own: no proxy in between
    #[arg(long, value_parser = loopback)]
    target: SocketAddr,
    /// Where the provider listens; a loopback address
    #[arg(long, value_parser = loopback)]
    provider: SocketAddr,
    /// Streams at once
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=512))]
    streams: u32,
    /// Streams on each connection, one behind the other
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    times: u32,
    /// Events of a stream
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    events: u32,
    /// Milliseconds from one event to the next; 0: as fast as they go
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(..=10_000))]
    every_ms: u64,
    /// Model to ask for
    #[arg(long, default_value = "load")]
    model: String,
    /// Key to send as `authorization: Bearer`
    #[arg(long, env = "GENERATOR_KEY", hide_env_values = true)]
    key: Option<String>,
}

/// What one client saw.
#[derive(Default)]
struct Seen {
    /// From the provider's first event to the client's, of each stream.
    first_us: Vec<u64>,
    /// Of each event behind the first.
    event_us: Vec<u64>,
    /// The slowest of those, of each stream.
    worst_us: Vec<u64>,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let begun = Instant::now();
    let listener = TcpListener::bind(args.provider)?;
    let (events, every) = (args.events, Duration::from_millis(args.every_ms));
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // It ends with the process.
            std::thread::spawn(move || provide(connection, events, every, begun));
        }
    });
    let mut all = Seen::default();
    let mut errors = Vec::new();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..args.streams)
            .map(|index| {
                // They do not all fall due at the same moment.
                let start = begun + Duration::from_millis(100) + every * index / args.streams;
                scope.spawn({
                    let args = &args;
                    move || {
                        wait_until(start);
                        client(args, begun)
                    }
                })
            })
            .collect();
        for client in clients {
            match client.join().expect("a client does not panic") {
                Ok(seen) => {
                    all.first_us.extend(seen.first_us);
                    all.event_us.extend(seen.event_us);
                    all.worst_us.extend(seen.worst_us);
                }
                Err(error) => errors.push(error.to_string()),
            }
        }
    });
    let streams = all.first_us.len();
    let report = json!({
        "streams": streams,
        "events": streams + all.event_us.len(),
        "requests": streams,
        "seconds": begun.elapsed().as_secs_f64(),
        "errors": errors.len(),
        "first_error": errors.first(),
        "first_us": percentiles(&mut all.first_us),
        "event_us": percentiles(&mut all.event_us),
        "worst_us": percentiles(&mut all.worst_us),
    });
    println!("{report}");
    if streams == 0 { Err(io::Error::other("no stream came to its end")) } else { Ok(()) }
}

/// Serves streams on one connection until the other end closes it.
fn provide(connection: TcpStream, events: u32, every: Duration, begun: Instant) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim_end().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        io::copy(&mut (&mut reader).take(length), &mut io::sink())?;
        let out = reader.get_mut();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut due = Instant::now();
        for index in 0..events {
            wait_until(due);
            due += every;
            // Twenty digits: all events are of one length.
            let now_ns = begun.elapsed().as_nanos();
            let event = event(&json!({ "content": format!("@{now_ns:020} ") }), &Value::Null, &Value::Null);
            let head = if index == 0 { head } else { "" };
            out.write_all(format!("{head}{}", chunk(&event)).as_bytes())?;
        }
        let usage = json!({ "prompt_tokens": 30, "completion_tokens": events, "total_tokens": 30 + events });
        let end = event(&json!({}), &json!("stop"), &usage) + "data: [DONE]\n\n";
        out.write_all((chunk(&end) + "0\r\n\r\n").as_bytes())?;
    }
}

fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

fn event(delta: &Value, finish: &Value, usage: &Value) -> String {
    let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
    let body = json!({
        "id": "chatcmpl-0123456789", "object": "chat.completion.chunk", "created": 1_795_000_000, "model": "simulated-model",
        "choices": [choice], "usage": usage,
    });
    format!("data: {body}\n\n")
}

fn client(args: &Args, begun: Instant) -> io::Result<Seen> {
    let mut seen = Seen::default();
    let stream = TcpStream::connect_timeout(&args.target, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::with_capacity(64 << 10, stream);
    let message = json!({ "role": "user", "content": "Count, please." });
    let body =
        json!({ "model": args.model, "stream": true, "messages": [message], "max_tokens": args.events }).to_string();
    let key = args.key.as_ref().map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\n{key}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        args.target,
        body.len()
    );
    for _ in 0..args.times {
        reader.get_mut().write_all(request.as_bytes())?;
        head(&mut reader)?;
        let (mut first, mut worst_us, mut count) = (None, 0, 0);
        // What a proxy puts into one chunk is its own affair: lines are cut out of the body.
        let mut body = Vec::new();
        while next_chunk(&mut reader, &mut body)? {
            let now_ns = begun.elapsed().as_nanos();
            let whole = memchr::memrchr(b'\n', &body).map_or(0, |at| at + 1);
            for at in memchr::memchr_iter(b'@', &body[..whole]) {
                let digits = body.get(at + 1..at + 21).and_then(|digits| std::str::from_utf8(digits).ok());
                let sent_ns = digits.and_then(|digits| digits.parse::<u128>().ok());
                let sent_ns = sent_ns.ok_or_else(|| io::Error::other("an event without its time"))?;
                let us = u64::try_from(now_ns.saturating_sub(sent_ns) / 1_000).unwrap_or(u64::MAX);
                count += 1;
                if first.is_none() {
                    first = Some(us);
                } else {
                    worst_us = worst_us.max(us);
                    seen.event_us.push(us);
                }
            }
            body.drain(..whole);
        }
        if count != args.events {
            return Err(io::Error::other(format!("{count} of {} events", args.events)));
        }
        seen.first_us.extend(first);
        seen.worst_us.push(worst_us);
    }
    Ok(seen)
}

/// The head of an answer, whose status must be 200.
fn head(reader: &mut BufReader<TcpStream>) -> io::Result<()> {
    let mut line = String::new();
    loop {
        let first = line.is_empty();
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first && !line.starts_with("HTTP/1.1 200") {
            return Err(io::Error::other(line));
        }
        if line == "\r\n" {
            return Ok(());
        }
    }
}

/// Appends the next chunk to `body`; false: it was the last one.
fn next_chunk(reader: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> io::Result<bool> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let size = u64::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
    let taken = reader.take(size).read_to_end(body)? as u64;
    line.clear();
    reader.read_line(&mut line)?;
    if taken < size || line != "\r\n" {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(size > 0)
}

/// How long a connection or a stream's next byte may take.
const PATIENCE: Duration = Duration::from_secs(30);
