//! What a provider's policy declines inside of a 200: another model answers where one is named for that, and the client has seen
//! nothing; what was declined is paid nevertheless.

use crate::support::config::{INPUT_NANO_USD, OUTPUT_NANO_USD, Setup};
use crate::support::sample;
use crate::support::script::Script;
use crate::support::upstream::Upstream;

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const COST: u64 = sample::INPUT * INPUT_NANO_USD + sample::OUTPUT * OUTPUT_NANO_USD;
const FALLBACK: &str = "fallbacks: { content_policy: [big] }";

async fn scripted(script: Script) -> Upstream {
    let upstream = Upstream::start().await;
    upstream.always(script);
    upstream
}

/// Model `fast` at the first upstream, model `big` at the second.
fn two_models(path: &str, first: &Upstream, second: &Upstream, more: &str) -> Setup {
    Setup::speaking(path, &[first, second]).model_of("fast", &["a"], more).model_of("big", &["b"], "")
}

fn filtered_chat() -> String {
    sample::CHAT.replace(r#""finish_reason":"stop""#, r#""finish_reason":"content_filter""#)
}

fn refused_message() -> String {
    sample::MESSAGE.replace("end_turn", "refusal")
}

/// A stream whose first output is a refusal.
fn refusing_events() -> Vec<String> {
    let refusal = sample::chat_delta("No.").replace("\"content\":", "\"refusal\":");
    [sample::CHAT_ROLE, &refusal, &refusal, sample::CHAT_FINISH, sample::CHAT_USAGE, sample::CHAT_DONE]
        .map(str::to_owned)
        .to_vec()
}

#[tokio::test]
async fn the_model_that_is_named_for_it_answers_instead_and_both_are_paid() {
    let cases = [
        ("chat", CHAT, sample::CHAT_ASK, Script::json(200, filtered_chat())),
        ("chat, streamed", CHAT, sample::CHAT_STREAM_ASK, Script::events(refusing_events())),
        ("messages", MESSAGES, sample::MESSAGE_ASK, Script::json(200, refused_message())),
    ];
    for (name, path, ask, script) in cases {
        let (first, second) = (scripted(script).await, Upstream::start().await);
        let gateway = two_models(path, &first, &second, FALLBACK).start().await;
        let answer = gateway.post(path, ask).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert!(!answer.text().contains("refusal\":\"No") && !answer.text().contains("content_filter"), "{name}");
        assert_eq!(answer.field("x-weighbridge-attempts"), Some("2"), "{name}");
        assert_eq!((first.count(), second.count()), (1, 1), "{name}");
        let rows = gateway.settled(2).await;
        assert_eq!((rows[0].number("status"), rows[0].text("error")), (200, "refused"), "{name}");
        assert_eq!((rows[0].text("usage_origin"), rows[0].number("cost_nano_usd")), ("reported", COST), "{name}");
        gateway.stop().await;
        let attempts = &gateway.access_records()[0]["attempts"];
        assert_eq!(
            (&attempts[0]["outcome"], &attempts[0]["action"]),
            (&"refused".into(), &"fallback".into()),
            "{name}"
        );
        assert!(attempts[0]["reason"].as_str().expect("a reason").contains("content_policy"), "{attempts}");
    }
}

#[tokio::test]
async fn a_model_that_speaks_another_api_is_understood_too() {
    let (first, second) = (scripted(Script::json(200, refused_message())).await, Upstream::start().await);
    let setup = Setup::new().providers("anthropic", &[&first]);
    let setup = setup.provider("b", "openai", &format!("http://{}", second.address), "");
    let gateway = setup.model_of("fast", &["a"], FALLBACK).model_of("big", &["b"], "").start().await;
    let answer = gateway.post(CHAT, sample::CHAT_ASK).await;
    assert_eq!((answer.status, second.count()), (200, 1), "{}", answer.text());
    assert_eq!(answer.text(), sample::CHAT);
}

#[tokio::test]
async fn when_no_other_model_does_better_the_refusal_is_passed_on_as_it_came() {
    for (ask, script, kind, want) in [
        (sample::CHAT_ASK, Script::json(200, filtered_chat()), "application/json", "content_filter"),
        (sample::CHAT_STREAM_ASK, Script::events(refusing_events()), "text/event-stream", "[DONE]"),
    ] {
        let (first, second) = (scripted(script).await, scripted(Script::error(500)).await);
        let gateway = two_models(CHAT, &first, &second, FALLBACK).start().await;
        let answer = gateway.post(CHAT, ask).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.field("content-type").expect("it is said").starts_with(kind));
        assert!(answer.text().contains(want), "{}", answer.text());
        assert!(second.count() >= 1);
    }
}

#[tokio::test]
async fn what_has_begun_to_answer_and_what_no_model_is_named_for_passes() {
    let cut = |events: &[&str]| Script::events(events.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
    let filtered = sample::CHAT_FINISH.replace("\"stop\"", "\"content_filter\"");
    let begun = sample::chat_delta("So");
    let events = [sample::CHAT_ROLE, &begun, &filtered, sample::CHAT_USAGE, sample::CHAT_DONE];
    let (first, second) = (scripted(cut(&events)).await, Upstream::start().await);
    let gateway = two_models(CHAT, &first, &second, FALLBACK).start().await;
    let answer = gateway.post(CHAT, sample::CHAT_STREAM_ASK).await;
    assert!(answer.text().contains("So") && answer.text().contains("content_filter"), "{}", answer.text());
    assert_eq!(second.count(), 0);
    let (first, second) = (scripted(Script::json(200, filtered_chat())).await, Upstream::start().await);
    let gateway = two_models(CHAT, &first, &second, "fallbacks: { context_window: [big] }").start().await;
    let answer = gateway.post(CHAT, sample::CHAT_ASK).await;
    assert_eq!((answer.text(), second.count()), (&*filtered_chat(), 0));
}
