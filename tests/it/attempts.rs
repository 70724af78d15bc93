//! What follows from an attempt that failed: the same target again after a pause, another model, or the end.

use crate::support::call::Call;
use crate::support::config::{KEY, Setup};
use crate::support::sample;
use crate::support::script::Script;
use crate::support::upstream::Upstream;
use std::time::Duration;
use tokio::time::Instant;

const CHAT: &str = "/v1/chat/completions";
const TOO_LONG: &str = r#"{"error":{"message":"This model's maximum context length is 10 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;
const FORBIDDEN: &str = r#"{"error":{"message":"no","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#;

async fn scripted(script: Script) -> Upstream {
    let upstream = Upstream::start().await;
    upstream.always(script);
    upstream
}

/// Model `fast` at the first upstream with `more`, model `big` at the second.
fn two_models(first: &Upstream, second: &Upstream, more: &str) -> Setup {
    Setup::openai(&[first, second]).model_of("fast", &["a"], more).model_of("big", &["b"], "")
}

#[tokio::test]
async fn a_single_target_is_tried_again_after_the_pause_that_it_asks_for() {
    let upstream = Upstream::start().await;
    upstream.next(Script::error(429).field("retry-after", "1"));
    let gateway = Setup::openai(&[&upstream]).start().await;
    let begun = Instant::now();
    let answer = gateway.post(CHAT, sample::CHAT_ASK).await;
    assert_eq!((answer.status, answer.text()), (200, sample::CHAT));
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(answer.field("x-weighbridge-attempts"), Some("2"));
    assert_eq!(upstream.count(), 2);
    let rows = gateway.settled(2).await;
    assert_eq!((rows[0].tokens(), rows[1].tokens()), ((0, 0), (sample::INPUT, sample::OUTPUT)));
    gateway.stop().await;
    let attempts = &gateway.access_records()[0]["attempts"];
    assert_eq!((&attempts[0]["outcome"], &attempts[0]["action"]), (&"rate_limited".into(), &"retry".into()));
    assert!(attempts[1]["pause_us"].as_u64() >= Some(1_000_000), "{attempts}");
    assert_eq!(attempts[1]["action"], serde_json::Value::Null);
}

#[tokio::test]
async fn what_cannot_be_waited_for_is_told_at_once() {
    let limited = || Script::error(429).field("retry-after", "30");
    let cases = [
        ("longer than the longest pause", limited(), "", 429),
        ("behind `total`", Script::error(429).field("retry-after", "2"), "timeouts: { total: 1s }", 429),
        ("the provider says no", Script::error(503).field("x-should-retry", "false"), "", 502),
        ("the file says no", Script::error(503), "attempts: { on: { overloaded: fail } }", 502),
        ("the file says no to a status", Script::error(503), "attempts: { on: { \"503\": next } }", 502),
    ];
    for (name, script, more, status) in cases {
        let upstream = scripted(script).await;
        let gateway = Setup::openai(&[&upstream]).model("fast", 1, more).start().await;
        let begun = Instant::now();
        let answer = gateway.post(CHAT, sample::CHAT_ASK).await;
        answer.openai_error(status);
        assert_eq!(upstream.count(), 1, "{name}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{name}");
    }
}

#[tokio::test]
async fn attempts_end_with_max_attempts_whatever_is_said() {
    let upstream = scripted(Script::error(503).field("retry-after-ms", "1").field("x-should-retry", "true")).await;
    let gateway = Setup::openai(&[&upstream]).model("fast", 1, "max_attempts: 3").start().await;
    gateway.post(CHAT, sample::CHAT_ASK).await.openai_error(502);
    assert_eq!(upstream.count(), 3);
    gateway.settled(3).await;
}

#[tokio::test]
async fn a_prompt_that_is_too_long_and_content_that_is_refused_go_to_the_models_that_are_named() {
    for (name, refusal, kind) in [("too long", TOO_LONG, "context_window"), ("forbidden", FORBIDDEN, "content_policy")]
    {
        for ask in [sample::CHAT_ASK, sample::CHAT_STREAM_ASK] {
            let (first, second) = (scripted(Script::json(400, refusal)).await, Upstream::start().await);
            let gateway = two_models(&first, &second, &format!("fallbacks: {{ {kind}: [big] }}")).start().await;
            let answer = gateway.post(CHAT, ask).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
            assert_eq!(answer.field("x-weighbridge-attempts"), Some("2"), "{name}");
            assert_eq!((first.count(), second.count()), (1, 1), "{name}");
            assert_eq!(second.only().json()["model"], "model-b", "{name}");
            let rows = gateway.settled(2).await;
            assert_eq!((rows[0].number("status"), rows[0].number("cost_nano_usd")), (400, 0), "{name}");
        }
    }
}

#[tokio::test]
async fn the_first_refusal_is_told_when_no_model_may_answer_instead() {
    let refused = || scripted(Script::json(400, TOO_LONG));
    // A ring of models: each is visited once.
    let (first, second) = (refused().await, refused().await);
    let setup = Setup::openai(&[&first, &second])
        .model_of("fast", &["a"], "fallbacks: { context_window: [big] }")
        .model_of("big", &["b"], "fallbacks: { context_window: [fast] }");
    let answer = setup.start().await.post(CHAT, sample::CHAT_ASK).await;
    assert_eq!((answer.status, answer.text()), (400, TOO_LONG));
    assert_eq!((first.count(), second.count()), (1, 1));
    // A model that the key may not call.
    let (first, second) = (refused().await, Upstream::start().await);
    let key = "wb-key-that-may-call-fast-only-0123456789";
    let setup = two_models(&first, &second, "fallbacks: { context_window: [big], failed: [big] }");
    let gateway = setup.key("narrow", "search", key, "models: [fast]").start().await;
    let answer = Call::post(CHAT, sample::CHAT_ASK).key(key).send(gateway.address).await;
    assert_eq!((answer.status, answer.text()), (400, TOO_LONG));
    assert_eq!((first.count(), second.count()), (1, 0));
    // A model that is down: what the first one said of the request is worth more.
    let (first, second) = (refused().await, scripted(Script::error(500)).await);
    let gateway = two_models(&first, &second, "fallbacks: { context_window: [big] }").start().await;
    let answer = Call::post(CHAT, sample::CHAT_ASK).key(KEY).send(gateway.address).await;
    assert_eq!((answer.status, answer.text()), (400, TOO_LONG));
    assert!(second.count() >= 1);
    gateway.settled(4).await;
}

#[tokio::test]
async fn the_last_attempt_is_kept_for_the_model_that_answers_when_all_else_failed() {
    let (first, second) = (scripted(Script::error(500)).await, Upstream::start().await);
    let more = "max_attempts: 3\nattempts: { pause: 1ms }\nfallbacks: { failed: [big] }";
    let gateway = two_models(&first, &second, more).start().await;
    let answer = gateway.post(CHAT, sample::CHAT_ASK).await;
    assert_eq!((answer.status, answer.text()), (200, sample::CHAT));
    assert_eq!((first.count(), second.count()), (2, 1));
    let rows = gateway.settled(3).await;
    assert_eq!(rows[2].tokens(), (sample::INPUT, sample::OUTPUT));
}

#[tokio::test]
async fn a_refusal_moves_on_where_the_file_says_so() {
    let (first, second) = (scripted(Script::json(400, TOO_LONG)).await, Upstream::start().await);
    let more = "attempts: { on: { context_window: next } }";
    let gateway = Setup::openai(&[&first, &second]).model("fast", 2, more).start().await;
    assert_eq!(gateway.post(CHAT, sample::CHAT_ASK).await.status, 200);
    assert_eq!((first.count(), second.count()), (1, 1));
}

#[tokio::test]
async fn a_client_that_leaves_during_a_pause_ends_the_request() {
    let upstream = scripted(Script::error(429).field("retry-after-ms", "1900")).await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let address = gateway.address;
    let call = tokio::spawn(async move { Call::post(CHAT, sample::CHAT_ASK).key(KEY).send(address).await });
    upstream.request(0).await;
    gateway.settled(1).await;
    call.abort();
    assert!(call.await.is_err());
    let begun = Instant::now();
    gateway.stop().await;
    assert!(begun.elapsed() < Duration::from_millis(1_700), "nothing is waited for: {:?}", begun.elapsed());
    assert_eq!(upstream.count(), 1, "no attempt for nobody");
    let record = &gateway.access_records()[0];
    assert_eq!((&record["code"], record["attempts"].as_array().map(Vec::len)), (&"client_gone".into(), Some(1)));
}

#[tokio::test]
async fn a_target_that_is_not_to_be_gone_on_from_ends_the_request_before_anything_is_sent_too() {
    let second = Upstream::start().await;
    let setup = Setup::new().provider("a", "openai", "http://nowhere.invalid:9/v1", "").provider(
        "b",
        "openai",
        &format!("http://{}/v1", second.address),
        "",
    );
    let gateway = setup.model("fast", 2, "attempts: { on: { unresolved: fail } }").start().await;
    assert_eq!(gateway.post(CHAT, sample::CHAT_ASK).await.openai_error(502), "upstream_failed");
    assert_eq!(second.count(), 0);
}

#[tokio::test]
async fn a_model_whose_targets_are_all_shut_is_passed_by_for_one_that_answers_instead() {
    let (first, second) = (scripted(Script::error(500)).await, Upstream::start().await);
    let more = "attempts: { on: { server_error: next } }\nfallbacks: { failed: [big] }";
    let gateway = two_models(&first, &second, more).start().await;
    for _ in 0..8 {
        assert_eq!(gateway.post(CHAT, sample::CHAT_ASK).await.status, 200);
    }
    assert_eq!((first.count(), second.count()), (5, 8), "five failures shut it");
}
