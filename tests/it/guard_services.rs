//! Services that guardrails ask about answers: what they see, what becomes of it, and who waits.

use crate::support::call::Call;
use crate::support::config::{KEY, Setup};
use crate::support::sample;
use crate::support::script::{Gate, Script};
use crate::support::upstream::Upstream;
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

fn ask(stream: bool) -> String {
    json!({"model": "fast", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}).to_string()
}

fn answer(content: &str) -> Script {
    Script::json(200, sample::CHAT.replace("Hello there", content))
}

fn stream(pieces: &[&str]) -> Script {
    let deltas: String = pieces.iter().map(|piece| sample::chat_delta(piece)).collect();
    Script::events([sample::CHAT_ROLE, &deltas, sample::CHAT_FINISH, sample::CHAT_USAGE, sample::CHAT_DONE])
}

fn said(stream: &str) -> String {
    let events = stream.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    let text = |data: &str| {
        let event: Value = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"));
        event["choices"][0]["delta"]["content"].as_str().unwrap_or_default().to_owned()
    };
    events.map(text).collect()
}

/// A service that replaces `nightjar` and refuses `magpie`, by the contract of `webhook`.
async fn service() -> Upstream {
    let service = Upstream::start().await;
    service.by(|request| {
        let texts = request.json()["texts"].as_array().cloned().unwrap_or_default();
        let text = |text: &Value| text["text"].as_str().unwrap_or_default().to_owned();
        if texts.iter().any(|one| text(one).contains("magpie")) {
            return Script::json(200, r#"{"action": "block", "entities": [{"entity": "bird"}]}"#);
        }
        let found = texts.iter().filter(|one| text(one).contains("nightjar"));
        let found: Vec<Value> =
            found.map(|one| json!({"id": one["id"], "text": text(one).replace("nightjar", "[BIRD]")})).collect();
        let told = match found.is_empty() {
            true => json!({"action": "allow"}),
            false => json!({"action": "replace", "entities": [{"entity": "bird"}], "texts": found}),
        };
        Script::json(200, told.to_string())
    });
    service
}

fn setup(upstreams: &[&Upstream], service: &Upstream, more: &str) -> Setup {
    let url = format!("http://{}/check", service.address);
    Setup::openai(upstreams)
        .top(&format!("guardrails:\n  dlp: {{ kind: webhook, url: \"{url}\", on: [output], send: [team]{more} }}"))
        .search("guardrails: [dlp]")
}

#[tokio::test]
async fn an_answer_that_came_whole_goes_out_as_the_service_leaves_it() {
    let (upstream, service) = (Upstream::start().await, service().await);
    let gateway = setup(&[&upstream], &service, "").start().await;
    upstream.next(answer("see project nightjar"));
    let whole = gateway.post(CHAT, ask(false)).await;
    assert_eq!(whole.status, 200, "{}", whole.text());
    assert_eq!(whole.json()["choices"][0]["message"]["content"], "see project [BIRD]");
    assert_eq!(whole.field("x-weighbridge-guardrails"), Some("dlp;output;redact;bird=1"));
    assert!(whole.field("x-weighbridge-cost-usd").is_some(), "it was settled before its header: {:?}", whole.text());
    let asked = service.only().json();
    assert_eq!((&asked["hook"], &asked["texts"][0]["role"]), (&json!("output"), &json!("assistant")), "{asked}");
    assert_eq!((&asked["team"], &asked["key"]), (&json!("search"), &Value::Null), "only what `send` lists");
    upstream.next(answer("see project magpie"));
    let refused = gateway.post(CHAT, ask(false)).await;
    assert_eq!(refused.openai_error(400), "guardrail_blocked");
    assert!(!refused.text().contains("magpie"), "{}", refused.text());
    let rows = gateway.settled(2).await;
    assert_eq!(rows[0].tokens(), (sample::INPUT, sample::OUTPUT));
    assert_eq!((rows[1].text("error"), rows[1].tokens()), ("guardrail_blocked", rows[0].tokens()), "it is paid for");
    let metrics = gateway.metrics().await;
    let count = r#"weighbridge_guard_service_seconds_count{guard="dlp",hook="output",result="ok"} 2"#;
    assert!(metrics.contains(count), "{metrics}");
}

#[tokio::test]
async fn a_stream_goes_out_by_windows_and_what_is_refused_ends_it() {
    let (upstream, service) = (Upstream::start().await, service().await);
    let gateway = setup(&[&upstream], &service, ", window: 16, overlap: 8").start().await;
    upstream.next(stream(&["see project ni", "ghtj", "ar, and what", " else there is to be told"]));
    let told = gateway.post(CHAT, sample::CHAT_STREAM_ASK).await;
    assert_eq!(said(told.text()), "see project [BIRD], and what else there is to be told", "{}", told.text());
    assert!(told.text().ends_with("data: [DONE]\n\n"), "{}", told.text());
    let gate = Gate::new();
    let begin = Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("the first window of it, "));
    let begin = begin.body(sample::chat_delta("and the next"));
    upstream.next(begin.wait(&gate).body(sample::chat_delta(" has a magpie in it, and more")).stall());
    let mut open = Call::post(CHAT, sample::CHAT_STREAM_ASK).key(KEY).open(gateway.address).await;
    let mut first = String::new();
    while !first.contains("the first window") {
        first.push_str(&open.event().await.expect("the first window goes out while the provider waits"));
    }
    gate.open();
    let all = first + open.whole().await.text();
    assert!(said(&all).starts_with("the first window of it, ") && !all.contains("magpie"), "{all}");
    assert!(all.contains(r#""finish_reason":"content_filter""#) && all.ends_with("data: [DONE]\n\n"), "{all}");
    let rows = gateway.settled(2).await;
    assert_eq!(rows[0].tokens(), (sample::INPUT, sample::OUTPUT));
    assert_eq!(rows[1].text("error"), "guardrail_blocked", "{rows:?}");
    upstream.next(stream(&["magpie"]));
    let refused = gateway.post(CHAT, sample::CHAT_STREAM_ASK).await;
    assert_eq!(refused.openai_error(400), "guardrail_blocked");
}

#[tokio::test]
async fn a_service_that_is_away_closes_answers_or_lets_them_pass_as_its_rule_says() {
    let (upstream, away) = (Upstream::start().await, Upstream::start().await);
    away.always(Script::json(500, "no"));
    let closed = setup(&[&upstream], &away, "").start().await;
    let refused = closed.post(CHAT, ask(false)).await;
    assert_eq!(refused.openai_error(503), "guardrail_failed");
    let refused = closed.post(CHAT, sample::CHAT_STREAM_ASK).await;
    assert_eq!(refused.openai_error(503), "guardrail_failed");
    let open = setup(&[&upstream], &away, ", on_failure: open").start().await;
    let passed = open.post(CHAT, ask(false)).await;
    assert_eq!(
        (passed.status, passed.field("x-weighbridge-guardrails")),
        (200, Some("dlp;output;audit:flag;failed=1"))
    );
    upstream.next(stream(&["hello"]));
    assert_eq!(said(open.post(CHAT, sample::CHAT_STREAM_ASK).await.text()), "hello");
}

#[tokio::test]
async fn what_a_service_has_not_let_out_may_still_come_from_another_target() {
    let (first, second, service) = (Upstream::start().await, Upstream::start().await, service().await);
    let gateway = setup(&[&first, &second], &service, "").start().await;
    first.next(Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("half of an")).close());
    second.next(stream(&["all of the answer"]));
    let told = gateway.post(CHAT, sample::CHAT_STREAM_ASK).await;
    assert_eq!(said(told.text()), "all of the answer", "{}", told.text());
    assert_eq!(second.count(), 1);
}

#[tokio::test]
async fn a_service_sees_placeholders_where_the_client_gets_its_values() {
    let (upstream, service) = (Upstream::start().await, service().await);
    let url = format!("http://{}/check", service.address);
    let gateway = Setup::openai(&[&upstream])
        .top(&format!(
            "guardrails:\n  dlp: {{ kind: webhook, url: \"{url}\", on: [output] }}\n  pii: {{ kind: pii, entities: [email], action: tokenize }}"
        ))
        .search("guardrails: [dlp, pii]")
        .start()
        .await;
    upstream.next(answer("<EMAIL_1> knows nightjar"));
    let body = ask(false).replace("\"hi\"", "\"from ann.lee@example.com\"");
    let told = gateway.post(CHAT, body).await;
    assert_eq!(told.json()["choices"][0]["message"]["content"], "ann.lee@example.com knows [BIRD]", "{}", told.text());
    assert_eq!(service.only().json()["texts"][0]["text"], "<EMAIL_1> knows nightjar");
}
