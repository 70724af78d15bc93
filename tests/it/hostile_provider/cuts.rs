//! Streams that break after a part of them went out: the last thing that a client sees is its dialect's error.

use super::{LEAK, Siege, Way, assert_no_leak};
use crate::support::sample;
use crate::support::script::{Script, Step};
use crate::support::upstream::Upstream;

fn begun() -> Script {
    Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("Hel"))
}

/// The same over HTTP/1.0, whose end is that of the connection.
fn older() -> Script {
    let head = "HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    Script::new().raw(format!("{head}{}{}", sample::CHAT_ROLE, sample::chat_delta("Hel")))
}

async fn assert_cut(siege: &Siege, name: &str, script: Script) {
    siege.hostile.always(script);
    for (way, end, error) in
        [(Way::ChatStream, "[DONE]", "\"error\""), (Way::MessagesStream, "message_stop", "event: error")]
    {
        let answer = way.call("fast").send(siege.gateway.address).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 200, "{name} {way:?}: {text}");
        assert!(text.contains("Hel"), "{name} {way:?}: what was good went out: {text}");
        assert!(!text.contains(end), "{name} {way:?}: no clean end: {text}");
        let last = text.trim_end().rsplit("\n\n").next().unwrap_or_default();
        assert!(last.contains(error), "{name} {way:?}: the error is the last thing: {text}");
        assert_no_leak(name, &answer);
        assert_eq!(Way::Chat.call("other").send(siege.gateway.address).await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn cut_off_streams_end_in_an_error_and_never_cleanly() {
    let siege = Siege::with(Upstream::start().await).await;
    let deep = format!("data: {}\n\n", "[".repeat(10_000));
    let rows = [
        ("a close", begun().close()),
        ("a reset", begun().reset()),
        ("an end without the marker", begun().end()),
        ("silence", begun().stall()),
        ("a bad chunk", begun().raw("zz\r\nno\r\n").close()),
        ("a chunk past 64 bits", begun().raw("ffffffffffffffffff\r\n").close()),
        ("no JSON", begun().body(format!("data: {LEAK}\n\n")).end()),
        ("nested 10,000 deep", begun().body(deep).end()),
        ("invalid UTF-8", begun().body(&b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\xfe\"}}]}\n\n"[..]).end()),
        ("invalid UTF-8 outside of a text", begun().body(&b"data: {\"choices\":[\xc3]}\n\n"[..]).end()),
        ("trailers", begun().step(Step::Trailers(vec![("x-leak".to_owned(), LEAK.to_owned())]))),
        ("the end of HTTP/1.0", older().close()),
        ("half an event", begun().body("data: {\"choices\":[{\"delta\":{\"content\":\"").close()),
        ("half an end marker", begun().body("data: [DON").end()),
        ("an error", begun().body(sample::CHAT_ERROR).end()),
        ("an error with a key", begun().body("data: {\"error\":{\"message\":\"sk-secret-of-provider-a\"}}\n\n").end()),
        ("a line of 17 MiB", begun().body(vec![b'a'; 17 << 20]).stall()),
    ];
    let count = rows.len();
    for (name, script) in rows {
        assert_cut(&siege, name, script).await;
    }
    let rows = siege.gateway.settled(count * 4).await;
    assert!(rows.iter().all(|row| row.number("attempt") == 1), "nobody else was asked for a second half: {rows:?}");
    siege.gateway.assert_verified().await;
    assert!(!siege.gateway.log().contains("panicked"));
}
