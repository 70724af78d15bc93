//! Bodies that are no answers, before anything of them went out.

use super::{LEAK, Siege, WAYS, Way, assert_no_leak};
use crate::support::sample;
use crate::support::script::Script;
use crate::support::upstream::Upstream;

const STREAMS: [Way; 2] = [Way::ChatStream, Way::MessagesStream];
const WHOLE: [Way; 3] = [Way::Chat, Way::Messages, Way::Generate];

#[tokio::test]
async fn whole_answers_that_are_none_are_garbage() {
    let mut siege = Siege::with(Upstream::start().await).await;
    let deep = format!("{{\"choices\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let open = format!("{{\"choices\":{}", "[".repeat(10_000));
    let twice = format!("{0}{0}", sample::CHAT);
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("a space", b" ".to_vec()),
        ("null", b"null".to_vec()),
        ("a number", b"12".to_vec()),
        ("a text", format!("\"{LEAK}\"").into_bytes()),
        ("a list", b"[]".to_vec()),
        ("half of it", sample::CHAT.as_bytes()[..90].to_vec()),
        ("two answers in one", twice.into_bytes()),
        ("something behind it", format!("{} {LEAK}", sample::CHAT).into_bytes()),
        ("a page of HTML that is said to be JSON", format!("<html>{LEAK}").into_bytes()),
        ("nested 10,000 deep", deep.into_bytes()),
        ("nested 10,000 deep without an end", open.into_bytes()),
        ("invalid UTF-8", b"{\"choices\":[{\"message\":{\"content\":\"\xff\xfe\"}}]}".to_vec()),
        (
            "an error",
            format!(r#"{{"error":{{"message":"key {} is bad","code":500}}}}"#, "sk-secret-of-provider-a").into_bytes(),
        ),
    ];
    for (name, body) in rows {
        siege.assert_held(name, Script::json(200, body), 502, &WHOLE).await;
    }
    siege.assert_held("events, though none were asked for", Script::events(sample::chat_events()), 502, &WHOLE).await;
    siege.assert_over().await;
}

#[tokio::test]
async fn streams_that_say_nothing_or_nonsense_move_on() {
    let mut siege = Siege::with(Upstream::start().await).await;
    let deep = format!("data: {{\"choices\":{}{}}}\n\n", "[".repeat(10_000), "]".repeat(10_000));
    let rows: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("nothing", vec![]),
        ("the end marker alone", vec![sample::CHAT_DONE.into()]),
        ("comments alone", vec![format!(": {LEAK}\n\n").into_bytes()]),
        ("a role, and no end", vec![sample::CHAT_ROLE.into()]),
        ("no JSON", vec![format!("data: {LEAK}\n\n").into_bytes()]),
        ("nested 10,000 deep", vec![deep.into_bytes()]),
        ("invalid UTF-8", vec![b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\xfe\"}}]}\n\n".to_vec()]),
        ("an error first", vec![sample::CHAT_ERROR.into()]),
        ("HTML", vec![format!("<html>{LEAK}</html>").into_bytes()]),
        ("NUL", vec![vec![0; 4096]]),
    ];
    for (name, events) in rows {
        siege.assert_held(name, Script::events(events), 502, &STREAMS).await;
    }
    siege.assert_held("JSON, though events were asked for", Script::json(200, sample::CHAT), 502, &STREAMS).await;
    let endless = vec![b'a'; 17 << 20];
    siege.assert_held("a line of 17 MiB", Script::sse().body(endless).stall(), 502, &STREAMS).await;
    siege.assert_over().await;
}

/// What is refused for itself is told as a refusal, without pages and keys.
#[tokio::test]
async fn refusals_that_cannot_be_read_are_told_in_our_own_words() {
    let siege = Siege::with(Upstream::start().await).await;
    let page = format!("<html>{LEAK}</html>");
    let keyed = r#"{"error":{"message":"bad key sk-secret-of-provider-a","type":"invalid_request_error"}}"#;
    for (kind, body) in [("text/html", page.as_str()), ("application/json", page.as_str()), ("application/json", keyed)]
    {
        siege.hostile.always(Script::answer(400, kind, body.to_owned()).field("x-leak", LEAK));
        for way in WAYS {
            let answer = way.call("alone").send(siege.gateway.address).await;
            // What a client of the same dialect can read is passed on, but for the key.
            if body != keyed || !matches!(way, Way::Chat | Way::ChatStream) {
                way.assert_error(body, 400, &answer);
            }
            assert_eq!(answer.status, 400);
            assert_no_leak(body, &answer);
        }
    }
    assert!(siege.gateway.runs());
}

/// What comes behind the end marker reaches nobody, and holds nobody up.
#[tokio::test]
async fn nothing_follows_the_end_marker() {
    let siege = Siege::with(Upstream::start().await).await;
    let more = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{LEAK}\"}}}}]}}\n\ndata: [DONE]\n\n");
    let whole = || Script::sse().body(sample::chat_events().concat());
    for (name, script) in [
        ("more events", whole().body(more.clone()).end()),
        ("in the same piece", Script::sse().body(format!("{}{more}", sample::chat_events().concat())).end()),
        ("and no end", whole().body(more.clone()).stall()),
        ("a reset", whole().reset()),
    ] {
        siege.hostile.always(script);
        let answer = Way::ChatStream.call("alone").send(siege.gateway.address).await;
        assert_eq!(answer.unbroken(), sample::chat_events_without_usage().concat(), "{name}");
        let answer = Way::MessagesStream.call("alone").send(siege.gateway.address).await;
        assert_eq!(answer.unbroken().matches("event: message_stop").count(), 1, "{name}");
        assert_no_leak(name, &answer);
    }
    let rows = siege.gateway.settled(8).await;
    assert!(rows.iter().all(|row| row.tokens() == (sample::INPUT, sample::OUTPUT)), "{rows:?}");
}
