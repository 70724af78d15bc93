//! Heads and chunks of HTTP/1, in clear and over TLS: a row each.

use super::{CHAT, SMUGGLED, Siege, answers};
use crate::support::config::{KEY, Setup};
use serde_json::Value;

/// What would be served, had it been read.
fn behind() -> String {
    format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: \
         71\r\n\r\n{{\"model\":\"fast\",\"messages\":[{{\"role\":\"user\",\"content\":\"{SMUGGLED}\"}}]}}"
    )
}

/// A POST with these lines in its head.
fn post(lines: &str) -> String {
    format!("POST {CHAT} HTTP/1.1\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n{lines}\r\n")
}

fn get(line: &str) -> String {
    format!("{line}\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n")
}

/// Rows: name, bytes, status, code.
fn rows() -> Vec<(&'static str, String, u16, &'static str)> {
    const BAD: &str = "invalid_http_request";
    const METHOD: &str = "method_not_allowed";
    let chunked = post("host: x\r\ntransfer-encoding: chunked\r\n");
    let row = |name, bytes: String| (name, bytes, 400, BAD);
    let mut rows = vec![
        row("length and encoding", post("host: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n")),
        row("two lengths", post("host: x\r\ncontent-length: 2\r\ncontent-length: 2\r\n")),
        row("a list of lengths", post("host: x\r\ncontent-length: 2, 2\r\n")),
        row("a length with a sign", post("host: x\r\ncontent-length: +2\r\n")),
        row("gzip, chunked", post("host: x\r\ntransfer-encoding: gzip, chunked\r\n")),
        row("chunked twice", post("host: x\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n")),
        row("xchunked", post("host: x\r\ntransfer-encoding: xchunked\r\n")),
        row("an encoding over 1.0", post("host: x\r\ntransfer-encoding: chunked\r\n").replace("/1.1", "/1.0")),
        row("a bare line feed", post("host: x\r\n").replace("host: x\r\n", "host: x\n")),
        row("bare line feeds only", post("host: x\r\n").replace("\r\n", "\n")),
        row("a bare return", post("host: x\r\nx: a\rb\r\n")),
        row("a folded line", post("host: x\r\nx: a\r\n b\r\n")),
        row("a fold in front", post("host: x\r\n").replacen("\r\n", "\r\n x: y\r\n", 1)),
        row("a space before the colon", post("host: x\r\ncontent-length : 2\r\n")),
        row("a name that is none", post("host: x\r\nx(y): 2\r\n")),
        row("a line without a colon", post("host: x\r\nnothing\r\n")),
        row("no host", post("")),
        row("two hosts", post("host: x\r\nhost: x\r\n")),
        row("an empty host", post("host: \r\n")),
        row("a host with a user", post("host: u@x\r\n")),
        row("a host with a path", post("host: x/y\r\n")),
        row("nul in a value", post("host: x\r\nx: a\0b\r\n")),
        row("nul in a name", post("host: x\r\nx\0y: a\r\n")),
        row("a control byte", post("host: x\r\nx: \x0b\r\n")),
        row("a list that drops the key", post("host: x\r\nconnection: close, authorization\r\n")),
        row("a list that drops the length", post("host: x\r\nconnection: content-length\r\ncontent-length: 2\r\n")),
        row("a list that drops the host", post("host: x\r\nconnection: Host\r\n")),
        row("a foreign upgrade", post("host: x\r\nconnection: upgrade\r\nupgrade: foo\r\ncontent-length: 0\r\n")),
        row("a websocket elsewhere", post("host: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n")),
        row("an upgrade behind an offer of h2c", post("host: x\r\nupgrade: h2c\r\nupgrade: websocket\r\n")),
        row("an offer of h2c, twice", post("host: x\r\nupgrade: h2c\r\nupgrade: h2c\r\n")),
        row("a body on GET", get("GET /v1/models HTTP/1.1\r\ncontent-length: 3")),
        row("chunks on GET", get("GET /v1/models HTTP/1.1\r\ntransfer-encoding: chunked")),
        row("version 1.2", get("GET /v1/models HTTP/1.2")),
        row("version 0.9", "GET /v1/models\r\n".to_owned()),
        row("version 2.0", get("GET /v1/models HTTP/2.0")),
        row("half a preface", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_owned()),
        row("TLS on a clear port", "\x16\x03\x01\x02".to_owned()),
        row("two spaces", get("GET  /v1/models HTTP/1.1")),
        row("a space in the target", get("GET /v1/models a HTTP/1.1")),
        row("a short line", "X\r\n\r\n".to_owned()),
        row("a size that is none", format!("{chunked}zz\r\n")),
        row("a negative size", format!("{chunked}-1\r\n")),
        row("a size in 0x", format!("{chunked}0x2\r\n{{}}\r\n0\r\n\r\n")),
        row("a size past 64 bits", format!("{chunked}10000000000000002\r\n{{}}\r\n0\r\n\r\n")),
        row("an extension", format!("{chunked}2;a=b\r\n{{}}\r\n0\r\n\r\n")),
        row("a size with a line feed", format!("{chunked}2\n{{}}\r\n0\r\n\r\n")),
        row("a chunk that is too long", format!("{chunked}2\r\n{{}}}}\r\n0\r\n\r\n")),
        row("trailers", format!("{chunked}2\r\n{{}}\r\n0\r\nhost: y\r\n\r\n")),
        ("an unknown method", get("BREW /v1/models HTTP/1.1"), 405, METHOD),
        ("a method in small letters", get("get /v1/models HTTP/1.1"), 405, METHOD),
        ("connect", "CONNECT evil:443 HTTP/1.1\r\nhost: evil:443\r\n\r\n".to_owned(), 405, METHOD),
        ("trace", get("TRACE / HTTP/1.1"), 405, METHOD),
        ("an expectation", post("host: x\r\nexpect: 200-ok\r\ncontent-length: 2\r\n"), 417, "expectation_failed"),
    ];
    for target in [
        "*",
        "http://x/v1/models",
        "http://u@x/v1/models",
        "//x/v1/models",
        "/v1//models",
        "/v1/./models",
        "/v1/../v1/models",
        "/v1/models/..",
        "/v1/models/%2e%2e",
        "/v1/models/..%2f..%2fadmin",
        "/v1%2fmodels",
        "/v1/models/a%5cb",
        "/v1/models/a%00",
        "/v1/models/a%252fb",
        "/v1/models/%zz",
        "/v1/models;a=b",
        "/v1/models#a",
        "/v1\\models",
        "/v1/mod\u{e4}ls",
        "/v1/models?a=%00",
        "v1/models",
    ] {
        rows.push(("a target", get(&format!("GET {target} HTTP/1.1")), 400, BAD));
    }
    rows
}

#[tokio::test]
async fn what_is_malformed_or_ambiguous_gets_its_4xx_and_the_end_of_the_connection() {
    let siege = Siege::start().await;
    for (name, bytes, status, code) in rows() {
        for tls in [false, true] {
            if tls && bytes.starts_with("\x16") {
                continue;
            }
            let mut client = siege.connect(tls).await;
            client.raw(format!("{bytes}{}", behind())).await;
            let said = client.closed().await;
            let told = answers(&said);
            let [(got, body)] = told.as_slice() else { panic!("{name} {bytes:?}: not one answer: {told:?}") };
            assert_eq!(*got, status, "{name} {bytes:?}: {body}");
            let error: Value = serde_json::from_str(body).unwrap_or_else(|why| panic!("{name}: {why}: {body}"));
            assert_eq!(error["error"]["code"], code, "{name}: {body}");
            let closes = String::from_utf8_lossy(&said).to_ascii_lowercase().contains("connection: close");
            assert!(closes, "{name}: it says that it closes");
        }
    }
    siege.lift().await;
}

#[tokio::test]
async fn mistakes_are_told_in_the_dialect_of_the_path() {
    let siege = Siege::start().await;
    let mut client = siege.connect(false).await;
    client.raw("POST /v1/messages HTTP/1.1\r\nhost : x\r\n\r\n").await;
    let said = answers(&client.closed().await);
    let body: Value = serde_json::from_str(&said[0].1).expect("JSON");
    assert_eq!((said[0].0, &body["type"]), (400, &"error".into()), "{body}");
    let mut client = siege.connect(false).await;
    client.raw("POST /v1beta/models/fast:generateContent HTTP/1.1\r\nhost : x\r\n\r\n").await;
    let said = answers(&client.closed().await);
    let body: Value = serde_json::from_str(&said[0].1).expect("JSON");
    assert_eq!((said[0].0, &body["error"]["code"]), (400, &400.into()), "{body}");
    siege.lift().await;
}

#[tokio::test]
async fn long_heads_are_431_however_they_come_and_hold_no_memory() {
    let siege = Siege::with(Setup::new().server("max_head_bytes", "8KiB").server("max_head_lines", 20)).await;
    let before = siege.gateway.resident_bytes();
    let line = format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n");
    for tls in [false, true] {
        for (name, bytes) in [
            ("one long field", format!("{line}x: {}\r\n\r\n", "y".repeat(9_000))),
            ("an endless field", format!("{line}x: {}", "y".repeat(4_000_000))),
            ("an endless target", format!("GET /{}", "y".repeat(20_000))),
            ("an endless method", "G".repeat(20_000)),
            ("many fields", format!("{line}{}\r\n", "x: y\r\n".repeat(30))),
        ] {
            let mut client = siege.connect(tls).await;
            client.raw(&bytes).await;
            let told = answers(&client.closed().await);
            assert_eq!(told.len(), 1, "{name}: {told:?}");
            assert_eq!(told[0].0, 431, "{name}: {told:?}");
            assert!(told[0].1.contains("head_too_large"), "{name}: {told:?}");
        }
    }
    // 200 clients that send as much as they may, and nothing more.
    let mut clients = Vec::new();
    for _ in 0..200 {
        let mut client = siege.connect(false).await;
        client.raw(format!("{line}x: {}", "y".repeat(7_000))).await;
        clients.push(client);
    }
    siege.gateway.assert_serves().await;
    let grown = siege.gateway.resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "200 half heads took {grown} bytes");
    drop(clients);
    siege.lift().await;
}
