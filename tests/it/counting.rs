//! `count_tokens` of models that are not Anthropic's: the gateway counts itself, free of charge.

use crate::support::config::Setup;
use crate::support::sample;
use crate::support::upstream::Upstream;

const COUNT: &str = "/v1/messages/count_tokens";

#[tokio::test]
async fn tokens_of_any_model_are_counted_and_nobody_pays() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).target("known", "a", "gpt-4o").start().await;
    let ask = |model: &str, system: &str| {
        let mut body: serde_json::Value = serde_json::from_str(sample::MESSAGE_ASK).expect("the test's own");
        body.as_object_mut().expect("an object").remove("max_tokens");
        body["model"] = model.into();
        body["system"] = system.into();
        body.to_string()
    };
    for (model, origin, least) in [("known", "counted", 20), ("fast", "estimated", 10)] {
        let short = gateway.post(COUNT, ask(model, "")).await;
        assert_eq!(short.status, 200, "{}", short.text());
        assert_eq!(short.field("x-weighbridge-tokens"), Some(origin));
        assert!(short.field("request-id").is_some(), "the header that Anthropic's SDKs read");
        let long = gateway.post(COUNT, ask(model, &"weigh every token ".repeat(10))).await;
        let [few, many] = [&short, &long].map(|answer| answer.json()["input_tokens"].as_u64().expect("a number"));
        assert!(few > 0 && many >= few + least, "{model}: {few}, {many}");
    }
    assert!(upstream.requests().is_empty(), "nothing is sent");
    let wrong = gateway.post(COUNT, r#"{"model":"fast"}"#).await;
    assert_eq!(wrong.anthropic_error(400), "invalid_request_error");
}
