//! `keep_alive`: a client that waits for a stream hears from the gateway, and nothing else changes for it: the answer comes
//! whole, the next target answers unseen, and what goes wrong is told in the stream.

use crate::support::call::{Answer, Call, Open, Transport};
use crate::support::config::{KEY, Setup};
use crate::support::events::{data, events};
use crate::support::sample;
use crate::support::script::{Gate, Script};
use crate::support::upstream::Upstream;

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const COMMENT: &str = ": keep-alive\n\n";
const PING: &str = "event: ping\ndata: {\"type\": \"ping\"}\n\n";

/// A model with such targets whose clients hear something each 100 ms.
fn alive(path: &str, upstreams: &[&Upstream]) -> Setup {
    Setup::speaking(path, upstreams).model("fast", upstreams.len(), "keep_alive: 100ms")
}

/// The script that says nothing before `gate` is open, not even a header.
fn behind(gate: &Gate, script: Script) -> Script {
    let wait = Script::new().wait(gate);
    Script { steps: [wait.steps, script.steps].concat(), early: false }
}

/// Reads two signs of life.
async fn hears(open: &mut Open, sign: &str) {
    assert_eq!(open.status, 200);
    for _ in 0..2 {
        assert_eq!(open.event().await.as_deref(), Some(sign));
    }
}

/// The events of `answer` that are no signs of life.
fn said(answer: &Answer) -> Vec<String> {
    events(answer.unbroken().as_bytes())
        .into_iter()
        .filter(|event| ![COMMENT, PING, "\n\n"].contains(&&**event))
        .collect()
}

#[tokio::test]
async fn a_silent_stream_is_kept_alive_until_its_answer_comes() {
    let cases = [
        (CHAT, sample::CHAT_STREAM_ASK, COMMENT, sample::chat_events(), sample::chat_events_without_usage()),
        (MESSAGES, sample::MESSAGE_STREAM_ASK, PING, sample::message_events(), sample::message_events()),
    ];
    for (path, ask, sign, sent, want) in cases {
        for transport in [Transport::H1, Transport::H2c] {
            let (upstream, gate) = (Upstream::start().await, Gate::new());
            upstream.always(behind(&gate, Script::events(sent.clone())));
            let gateway = alive(path, &[&upstream]).start().await;
            let mut open = Call::post(path, ask).key(KEY).over(transport).open(gateway.address).await;
            assert!(open.headers["content-type"].to_str().is_ok_and(|kind| kind.starts_with("text/event-stream")));
            assert!(open.headers.get("x-weighbridge-model").is_none(), "it is not known who will answer");
            hears(&mut open, sign).await;
            gate.open();
            let pings = want.iter().filter(|event| **event == PING).count();
            assert_eq!(pings, 0, "the sample has none of its own");
            assert_eq!(said(&open.whole().await), want, "{path}, {transport:?}");
            assert_eq!(gateway.only_row().await.tokens(), (sample::INPUT, sample::OUTPUT));
        }
    }
}

#[tokio::test]
async fn a_stream_that_pauses_is_kept_alive_between_its_events() {
    let (upstream, gate) = (Upstream::start().await, Gate::new());
    let all = sample::chat_events();
    let (before, after) = all.split_at(2);
    let first = before.iter().fold(Script::sse(), |script, event| script.body(event.clone()));
    upstream.always(after.iter().fold(first.wait(&gate), |script, event| script.body(event.clone())).end());
    let gateway = alive(CHAT, &[&upstream]).start().await;
    let mut open = Call::post(CHAT, sample::CHAT_USAGE_ASK).key(KEY).open(gateway.address).await;
    while open.event().await.as_deref() != Some(&*before[1]) {}
    assert_eq!(open.event().await.as_deref(), Some(COMMENT));
    gate.open();
    assert_eq!(said(&open.whole().await), after);
}

#[tokio::test]
async fn the_next_target_answers_though_the_client_was_kept_alive() {
    let (first, second, gate) = (Upstream::start().await, Upstream::start().await, Gate::new());
    first.always(behind(&gate, Script::error(503)));
    let gateway = alive(CHAT, &[&first, &second]).start().await;
    let mut open = Call::post(CHAT, sample::CHAT_STREAM_ASK).key(KEY).open(gateway.address).await;
    hears(&mut open, COMMENT).await;
    gate.open();
    assert_eq!(said(&open.whole().await), sample::chat_events_without_usage());
    let rows = gateway.settled(2).await;
    assert_eq!(rows[1].tokens(), (sample::INPUT, sample::OUTPUT));
}

#[tokio::test]
async fn what_goes_wrong_after_the_first_sign_is_told_in_the_stream() {
    for (path, ask, sign) in [(CHAT, sample::CHAT_STREAM_ASK, COMMENT), (MESSAGES, sample::MESSAGE_STREAM_ASK, PING)] {
        let busy = Script::error(503).field("x-should-retry", "false");
        for (script, code) in [(busy, "upstream_failed"), (Script::error(400), "upstream_refused")] {
            let (upstream, gate) = (Upstream::start().await, Gate::new());
            upstream.always(behind(&gate, script));
            let gateway = alive(path, &[&upstream]).start().await;
            let mut open = Call::post(path, ask).key(KEY).open(gateway.address).await;
            hears(&mut open, sign).await;
            gate.open();
            let said = said(&open.whole().await);
            let last = said.last().expect("an error");
            assert_eq!(data(last)["error"]["code"], code, "{path}: {said:?}");
            assert_eq!(said.len(), 1, "nothing else, and no end marker: {said:?}");
            assert_eq!(last.trim_start().starts_with("event: error\n"), path == MESSAGES, "{said:?}");
            gateway.settled(1).await;
        }
    }
}

#[tokio::test]
async fn a_target_that_stays_silent_is_given_up_all_the_same() {
    let upstream = Upstream::start().await;
    upstream.always(Script::sse().stall());
    let more = "keep_alive: 100ms\ntimeouts: { first_token: 500ms }";
    let gateway = Setup::openai(&[&upstream]).model("fast", 1, more).start().await;
    let mut open = Call::post(CHAT, sample::CHAT_STREAM_ASK).key(KEY).open(gateway.address).await;
    hears(&mut open, COMMENT).await;
    let said = said(&open.whole().await);
    assert_eq!(data(said.last().expect("an error"))["error"]["code"], "upstream_timeout", "{said:?}");
    gateway.settled(1).await;
}

#[tokio::test]
async fn an_answer_that_is_no_stream_has_no_place_for_signs() {
    let (upstream, gate) = (Upstream::start().await, Gate::new());
    upstream.always(behind(&gate, Script::json(200, sample::CHAT)));
    let gateway = alive(CHAT, &[&upstream]).start().await;
    let call = Call::post(CHAT, sample::CHAT_ASK).key(KEY);
    let late = async {
        // Long enough for a sign, if one were written.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        gate.open();
    };
    let (answer, ()) = tokio::join!(call.send(gateway.address), late);
    assert_eq!(answer.unbroken(), sample::CHAT);
    assert_eq!(answer.field("x-weighbridge-model"), Some("a/model-a"));
}
