//! Floods of HTTP/2 frames: the connection ends, others do not notice.

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, Raw, SETTINGS, WINDOW_UPDATE,
    block, frame,
};
use super::{CHAT, Siege};

const GET: [(&str, &str); 4] = [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/v1/models")];
const POST: [(&str, &str); 5] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "x"),
    (":path", CHAT),
    ("authorization", "Bearer wb-test-key-of-team-search-0123456789"),
];

/// The number of the stream that is opened as the `turn`th.
fn stream(turn: u32) -> u32 {
    turn * 2 + 1
}

#[tokio::test]
async fn floods_of_frames_end_their_connection() {
    let siege = Siege::start().await;
    let most = 60_000;
    type Row = (&'static str, fn(u32) -> Vec<u8>);
    let rows: [Row; 9] = [
        ("rapid reset", |turn| {
            let open = frame(HEADERS, END_HEADERS | END_STREAM, stream(turn), &block(&GET));
            [open, frame(RST_STREAM, 0, stream(turn), &8u32.to_be_bytes())].concat()
        }),
        ("ping", |_| frame(PING, 0, 0, &[0; 8])),
        ("settings", |_| frame(SETTINGS, 0, 0, &[])),
        ("settings of the table's size", |_| frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0])),
        ("priority", |turn| frame(PRIORITY, 0, stream(turn), &[0, 0, 0, 0, 1])),
        ("unknown frames", |_| frame(77, 0, 0, &[])),
        ("windows", |_| frame(WINDOW_UPDATE, 0, 0, &1u32.to_be_bytes())),
        ("continuation", |turn| match turn {
            0 => frame(HEADERS, END_STREAM, 1, &block(&GET)),
            _ => frame(CONTINUATION, 0, 1, &block(&[("x", "y")])),
        }),
        ("empty data", |turn| match turn {
            0 => frame(HEADERS, END_HEADERS, 1, &block(&POST)),
            _ => frame(DATA, 0, 1, &[]),
        }),
    ];
    for (name, next) in rows {
        eprintln!("{name}"); // tells, when the test fails, where
        let mut client = Raw::connect(siege.gateway.address).await;
        assert!(client.flood(most, next).await, "{name}: the connection goes on");
    }
    siege.lift().await;
}

#[tokio::test]
async fn games_with_windows_and_frames_end_their_connection_or_stream() {
    let siege = Siege::start().await;
    let rows: [(&str, Vec<u8>); 8] = [
        ("a window of 0 more", frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("a window past 2^31", frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffffu32.to_be_bytes())),
        ("a first window past 2^31", frame(SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0])),
        ("a frame size past 2^24", frame(SETTINGS, 0, 0, &[0, 5, 0xff, 0xff, 0xff, 0xff])),
        ("settings of a stream", frame(SETTINGS, 0, 1, &[])),
        ("a ping of five bytes", frame(PING, 0, 0, &[0; 5])),
        ("data of nobody", frame(DATA, 0, 1, &[1])),
        ("a block that is none", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 40])),
    ];
    for (name, bytes) in rows {
        eprintln!("{name}");
        let mut client = Raw::connect(siege.gateway.address).await;
        assert!(client.flood(1, |_| bytes.clone()).await, "{name}: the connection goes on");
    }
    siege.lift().await;
}

/// A table entry that is named again and again is a header list of many times the bytes that were sent.
#[tokio::test]
async fn a_header_bomb_costs_its_sender_more_than_the_gateway() {
    let siege = Siege::start().await;
    let before = siege.gateway.peak_bytes();
    let mut client = Raw::connect(siege.gateway.address).await;
    // 0x40: literal, added to the table (RFC 7541 §6.2.1); 0xbe: the newest entry.
    let value = "y".repeat(3_900);
    let entry = [&[0x40, 1, b'x'][..], &block(&[("", &value)])[2..]].concat();
    for turn in 0..50 {
        let bomb = [&block(&GET)[..], &entry, &[0xbe; 10_000]].concat();
        if !client.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream(turn), &bomb)).await {
            break;
        }
    }
    let grown = siege.gateway.peak_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "50 bombs of 40 MB took {grown} bytes");
    siege.lift().await;
}
