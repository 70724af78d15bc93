//! HTTP/2 frame by frame, as no library would send it.

use super::{CHAT, SMUGGLED, Siege};
use crate::support::config::{KEY, Setup};
use crate::support::within;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header block without compression (RFC 7541 §6.2.2: literal, not indexed, new name).
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            let mut length = text.len();
            if length < 127 {
                block.push(u8::try_from(length).expect("short"));
            } else {
                block.push(127);
                length -= 127;
                while length > 127 {
                    block.push(u8::try_from(length % 128).expect("short") | 128);
                    length /= 128;
                }
                block.push(u8::try_from(length).expect("short"));
            }
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// A connection.
pub struct Raw {
    socket: TcpStream,
}

/// What came of a stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Came {
    /// An answer's header block, not decoded.
    Head(Vec<u8>),
    /// RST_STREAM with this code.
    Reset(u32),
    /// GOAWAY, or the connection's end.
    Gone,
}

impl Raw {
    pub async fn connect(address: SocketAddr) -> Self {
        let mut socket = TcpStream::connect(address).await.expect("the gateway listens");
        socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("a new socket takes it");
        socket.write_all(&frame(SETTINGS, 0, 0, &[])).await.expect("a new socket takes it");
        Self { socket }
    }

    /// False: the gateway has closed.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        within("the gateway takes bytes or closes", self.socket.write_all(bytes)).await.is_ok()
    }

    pub async fn request(&mut self, stream: u32, fields: &[(&str, &str)], flags: u8) -> bool {
        self.send(&frame(HEADERS, END_HEADERS | flags, stream, &block(fields))).await
    }

    /// Waits for what becomes of `stream`.
    pub async fn came(&mut self, stream: u32) -> Came {
        let came = async {
            loop {
                let mut head = [0; 9];
                if self.socket.read_exact(&mut head).await.is_err() {
                    return Came::Gone;
                }
                let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
                let mut payload = vec![0; length];
                if self.socket.read_exact(&mut payload).await.is_err() {
                    return Came::Gone;
                }
                let of = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                match head[3] {
                    GOAWAY => return Came::Gone,
                    RST_STREAM if of == stream => {
                        return Came::Reset(u32::from_be_bytes(payload.try_into().expect("four bytes")));
                    }
                    HEADERS if of == stream => return Came::Head(payload),
                    _ => {}
                }
            }
        };
        within("something comes of a stream", came).await
    }

    /// Sends `bytes` again and again, `most` times at the most, until the gateway closes.
    pub async fn flood(&mut self, most: u32, mut next: impl FnMut(u32) -> Vec<u8>) -> bool {
        let mut scratch = vec![0; 64 * 1024];
        for turn in 0..most {
            if !self.send(&next(turn)).await {
                return true;
            }
            while let Ok(came) = self.socket.try_read(&mut scratch) {
                if came == 0 {
                    return true;
                }
            }
        }
        // What was sent last may not have been seen yet.
        let rest = async { while !matches!(self.socket.read(&mut scratch).await, Ok(0) | Err(_)) {} };
        tokio::time::timeout(std::time::Duration::from_secs(3), rest).await.is_ok()
    }
}

const OK: u8 = 0x88;
const BAD_REQUEST: u8 = 0x8c;

#[tokio::test]
async fn requests_that_http2_forbids_are_refused_and_its_other_streams_go_on() {
    let siege = Siege::start().await;
    let bearer = format!("Bearer {KEY}");
    let plain = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "x"),
        (":path", "/v1/models"),
        ("authorization", bearer.as_str()),
    ];
    let with = |more: &[(&'static str, &'static str)]| [&plain[..], more].concat();
    let but = |name: &str, value: &'static str| {
        plain.map(|(one, old)| if one == name { (one, value) } else { (one, old) }).to_vec()
    };
    let rows = [
        ("a name in capitals", with(&[("X-Big", "1")])),
        ("connection", with(&[("connection", "close")])),
        ("keep-alive", with(&[("keep-alive", "1")])),
        ("transfer-encoding", with(&[("transfer-encoding", "chunked")])),
        ("upgrade", with(&[("upgrade", "websocket")])),
        ("te", with(&[("te", "gzip")])),
        ("a pseudo field behind others", with(&[(":path", "/v1/models")])),
        ("a pseudo field twice", [&plain[..4], &[(":path", "/")], &plain[4..]].concat()),
        ("an unknown pseudo field", [&plain[..4], &[(":foo", "bar")], &plain[4..]].concat()),
        ("a status", [&plain[..4], &[(":status", "200")], &plain[4..]].concat()),
        ("no path", [&plain[..3], &plain[4..]].concat()),
        ("no authority", [&plain[..2], &plain[3..]].concat()),
        ("another host", with(&[("host", "y")])),
        ("an authority with a user", but(":authority", "u@x")),
        ("an empty path", but(":path", "")),
        ("an asterisk", but(":path", "*")),
        ("an absolute path", but(":path", "http://x/v1/models")),
        ("dots", but(":path", "/v1/../v1/models")),
        ("two slashes", but(":path", "//x/v1/models")),
        ("an escaped slash", but(":path", "/v1%2fmodels")),
        ("a nul", but(":path", "/v1/models/%00")),
        ("a parameter", but(":path", "/v1/models;a")),
        ("a line end in a value", with(&[("x-a", "b\r\nhost: y")])),
        ("nul in a value", with(&[("x-a", "b\0")])),
        ("a length of a body that is none", with(&[("content-length", "3")])),
        ("two lengths", with(&[("content-length", "0"), ("content-length", "0")])),
        ("trace", but(":method", "TRACE")),
        ("an unknown method", but(":method", "BREW")),
        ("an expectation", with(&[("expect", "200-ok")])),
        ("connect", vec![(":method", "CONNECT"), (":authority", "evil:443"), ("authorization", bearer.as_str())]),
    ];
    for (name, fields) in rows {
        let mut client = Raw::connect(siege.gateway.address).await;
        client.request(1, &fields, END_STREAM).await;
        let came = client.came(1).await;
        let refused = !matches!(&came, Came::Head(block) if block.first() == Some(&OK));
        assert!(refused, "{name}: {came:?}");
        if came != Came::Gone {
            client.request(3, &plain, END_STREAM).await;
            let came = client.came(3).await;
            assert!(matches!(&came, Came::Head(block) if block.first() == Some(&OK)), "behind {name}: {came:?}");
        }
    }
    let mut client = Raw::connect(siege.gateway.address).await;
    client.request(1, &but(":path", "/v1/models/.."), END_STREAM).await;
    let came = client.came(1).await;
    assert!(matches!(&came, Came::Head(block) if block.first() == Some(&BAD_REQUEST)), "a body tells why: {came:?}");
    siege.lift().await;
}

#[tokio::test]
async fn bodies_that_are_not_as_long_as_told_and_trailers_do_not_go_up() {
    let siege = Siege::start().await;
    let bearer = format!("Bearer {KEY}");
    let body = format!("{{\"model\":\"fast\",\"messages\":[{{\"role\":\"user\",\"content\":\"{SMUGGLED}\"}}]}}");
    for length in [body.len() - 1, body.len() + 1] {
        let length = length.to_string();
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "x"),
            (":path", CHAT),
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("content-length", length.as_str()),
        ];
        let mut client = Raw::connect(siege.gateway.address).await;
        client.request(1, &fields, 0).await;
        client.send(&frame(DATA, END_STREAM, 1, body.as_bytes())).await;
        let came = client.came(1).await;
        assert!(!matches!(&came, Came::Head(block) if block.first() == Some(&OK)), "{length}: {came:?}");
    }
    siege.lift().await;
}

#[tokio::test]
async fn long_header_lists_are_refused_over_http2_too() {
    let siege = Siege::with(Setup::new().server("max_head_bytes", "8KiB").server("max_head_lines", 20)).await;
    let bearer = format!("Bearer {KEY}");
    let plain = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "x"),
        (":path", "/v1/models"),
        ("authorization", bearer.as_str()),
    ];
    let long = "y".repeat(9_000);
    let longer = "y".repeat(16_000);
    let rows = [
        ("past ours", [&plain[..], &[("x", long.as_str())]].concat()),
        ("past the crate's", [&plain[..], &[("x", longer.as_str())]].concat()),
        ("many", [&plain[..], &[("x", "y"); 30]].concat()),
    ];
    for (name, fields) in rows {
        let mut client = Raw::connect(siege.gateway.address).await;
        client.request(1, &fields, END_STREAM).await;
        let came = client.came(1).await;
        let Came::Head(block) = &came else { panic!("{name}: {came:?}") };
        // `:status` 431 is a literal: indexed name 8, then three digits, maybe in Huffman's code.
        assert!(block.first() != Some(&OK), "{name}: {came:?}");
    }
    siege.lift().await;
}
