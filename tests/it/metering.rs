//! Every attempt is metered whatever happens: by what the provider reports, else counted, else estimated; and priced
//! exactly, in integer nano-dollars.

use crate::support::call::Call;
use crate::support::config::{INPUT_NANO_USD, KEY, OUTPUT_NANO_USD, Setup};
use crate::support::gateway::Gateway;
use crate::support::ledger::Row;
use crate::support::sample;
use crate::support::script::Script;
use crate::support::upstream::Upstream;

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const PRICE: &str =
    "input: 2, output: 8, cache_read: 0.5, cache_write_5m: 2.5, cache_write_1h: 4, audio_input: 20, audio_output: 40";

/// The row of one call that the upstream answers with `script`.
async fn row_of(path: &str, ask: &'static str, script: Script) -> Row {
    let upstream = Upstream::start().await;
    upstream.always(script);
    let gateway = Setup::speaking(path, &[&upstream]).price("model-a", PRICE).start().await;
    let answer = gateway.post(path, ask).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    gateway.only_row().await
}

fn assert_figures(name: &str, row: &Row, figures: [u64; 6], cost: u64) {
    let members = [
        "input_tokens",
        "cache_read_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
        "output_tokens",
        "reasoning_tokens",
    ];
    assert_eq!(members.map(|member| row.number(member)), figures, "{name}: {members:?}: {}", row.0);
    assert_eq!(row.text("usage_origin"), "reported", "{name}");
    assert_eq!(row.number("cost_nano_usd"), cost, "{name}: {}", row.0);
    assert!(!row.text("price_version").is_empty(), "{name}: {}", row.0);
}

#[tokio::test]
async fn openais_usage_is_split_into_its_classes_and_priced_exactly() {
    let usage = r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":40,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":20,"audio_tokens":0}}"#;
    let plain = r#"{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}"#;
    let body = sample::CHAT.replace(plain, usage);
    assert_ne!(body, sample::CHAT, "the sample has changed");
    let want = 60 * INPUT_NANO_USD + 40 * 500 + 50 * OUTPUT_NANO_USD;
    let row = row_of(CHAT, sample::CHAT_ASK, Script::json(200, body)).await;
    assert_figures("whole", &row, [100, 40, 0, 0, 50, 20], want);

    let chunk = sample::CHAT_USAGE.replace(r#"{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}"#, usage);
    let events = [sample::CHAT_ROLE, &sample::chat_delta("hi"), sample::CHAT_FINISH, &chunk, sample::CHAT_DONE];
    let row = row_of(CHAT, sample::CHAT_STREAM_ASK, Script::events(events)).await;
    assert_figures("stream", &row, [100, 40, 0, 0, 50, 20], want);
    assert!(row.number("first_token_us") > 0 && row.number("first_token_us") <= row.number("latency_us"), "{}", row.0);
}

#[tokio::test]
async fn usage_that_comes_twice_is_not_added_up() {
    let doubled = sample::CHAT_FINISH
        .replace("\"usage\":null", r#""usage":{"prompt_tokens":11,"completion_tokens":6,"total_tokens":17}"#);
    let events = [
        sample::CHAT_ROLE,
        &sample::chat_delta("hi"),
        &doubled,
        sample::CHAT_USAGE,
        sample::CHAT_USAGE,
        sample::CHAT_DONE,
    ];
    let row = row_of(CHAT, sample::CHAT_STREAM_ASK, Script::events(events)).await;
    assert_eq!(row.tokens(), (11, 7));
}

#[tokio::test]
async fn a_response_is_metered_whole_and_streamed() {
    let want = sample::INPUT * INPUT_NANO_USD + sample::OUTPUT * OUTPUT_NANO_USD;
    let row = row_of("/v1/responses", r#"{"model":"fast","input":"hi"}"#, Script::json(200, sample::RESPONSE)).await;
    assert_figures("whole", &row, [11, 0, 0, 0, 7, 0], want);
    let ask = r#"{"model":"fast","input":"hi","stream":true}"#;
    let row = row_of("/v1/responses", ask, Script::events(sample::response_events())).await;
    assert_figures("stream", &row, [11, 0, 0, 0, 7, 0], want);
}

#[tokio::test]
async fn embeddings_have_input_only() {
    let row = row_of("/v1/embeddings", r#"{"model":"fast","input":"hi"}"#, Script::json(200, sample::EMBEDDINGS)).await;
    assert_figures("embeddings", &row, [11, 0, 0, 0, 0, 0], 11 * INPUT_NANO_USD);
}

#[tokio::test]
async fn anthropics_cache_classes_are_added_to_the_input_and_priced_apart() {
    let plain = r#""input_tokens":11,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":"#;
    let cached = r#""input_tokens":100,"cache_creation_input_tokens":50,"cache_read_input_tokens":40,"cache_creation":{"ephemeral_5m_input_tokens":30,"ephemeral_1h_input_tokens":20},"output_tokens":"#;
    let want = 100 * INPUT_NANO_USD + 30 * 2_500 + 20 * 4_000 + 40 * 500 + 7 * OUTPUT_NANO_USD;
    let body = sample::MESSAGE.replace(plain, cached);
    assert_ne!(body, sample::MESSAGE, "the sample has changed");
    let row = row_of(MESSAGES, sample::MESSAGE_ASK, Script::json(200, body)).await;
    assert_figures("whole", &row, [190, 40, 30, 20, 7, 0], want);

    let mut events = sample::message_events();
    events[0] = events[0].replace(plain, cached);
    let row = row_of(MESSAGES, sample::MESSAGE_STREAM_ASK, Script::events(events)).await;
    assert_figures("stream: cumulative, the last counts", &row, [190, 40, 30, 20, 7, 0], want);
}

#[tokio::test]
async fn counting_tokens_is_recorded_and_free() {
    let row = row_of("/v1/messages/count_tokens", sample::CALLS[5].1, Script::json(200, sample::CALLS[5].2)).await;
    assert_eq!((row.tokens(), row.number("cost_nano_usd")), ((0, 0), 0), "{}", row.0);
}

#[tokio::test]
async fn fractions_of_a_nano_dollar_are_rounded_up_once_per_attempt() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).price("model-a", "input: 0.0001, output: 0.0001").start().await;
    gateway.post(CHAT, sample::CHAT_ASK).await;
    assert_eq!(gateway.only_row().await.number("cost_nano_usd"), 2, "11 x 0.1 + 7 x 0.1 = 1.8");
}

#[tokio::test]
async fn an_unknown_price_is_a_state_and_not_nothing() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).unpriced("model-a").start().await;
    let answer = gateway.post(CHAT, sample::CHAT_ASK).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.field("x-weighbridge-cost-usd"), None, "nobody knows");
    let row = gateway.only_row().await;
    assert!(row.0["cost_nano_usd"].is_null() && row.tokens() == (11, 7), "{}", row.0);
    let check = gateway.command(&["check"]).await.ok();
    assert!(check.contains("unpriced"), "{check}");
    assert!(check.contains("at most: input unknown, output unknown tokens"), "{check}");
}

#[tokio::test]
async fn a_model_of_the_catalogue_needs_no_price_in_the_file() {
    let upstream = Upstream::start().await;
    let url = format!("http://{}", upstream.address);
    let setup = Setup::new().provider("a", "openai", &url, "catalogue: openai");
    let gateway = setup.target("fast", "a", "gpt-4o-mini").start().await;
    gateway.post(CHAT, sample::CHAT_ASK).await;
    let row = gateway.only_row().await;
    assert_eq!(row.number("cost_nano_usd"), 11 * 150 + 7 * 600, "0.15 and 0.60 USD per million: {}", row.0);
}

/// Asks for a stream, takes its first output and leaves; the row of it.
async fn leave_after_output(gateway: &Gateway, ask: &'static str, path: &str) -> Row {
    let mut answer = gateway.open(path, ask).await;
    while let Some(event) = answer.event().await {
        if event.contains("Hello") {
            break;
        }
    }
    drop(answer);
    gateway.only_row().await
}

#[tokio::test]
async fn a_client_that_leaves_is_charged_for_what_it_got_by_the_models_own_tokenizer() {
    let upstream = Upstream::start().await;
    let text = "Hello there, how are you doing on this fine day?";
    upstream.always(Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta(text)).stall());
    let url = format!("http://{}", upstream.address);
    let setup = Setup::new().provider("a", "openai", &url, "").target("fast", "a", "gpt-4o").price("gpt-4o", PRICE);
    let gateway = setup.start().await;
    let row = leave_after_output(&gateway, sample::CHAT_STREAM_ASK, CHAT).await;
    assert_eq!(row.text("usage_origin"), "counted", "{}", row.0);
    let (input, output) = row.tokens();
    assert_eq!(output, 12, "tokens of the text by o200k_base: {}", row.0);
    assert!((5..=12).contains(&input), "{}", row.0);
    assert_eq!(row.number("cost_nano_usd"), input * INPUT_NANO_USD + output * OUTPUT_NANO_USD, "{}", row.0);
}

#[tokio::test]
async fn without_a_tokenizer_it_is_estimated_and_never_nothing() {
    let upstream = Upstream::start().await;
    let text = format!("Hello {}", "word ".repeat(400));
    upstream.always(Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta(&text)).stall());
    let gateway = Setup::openai(&[&upstream]).start().await;
    let row = leave_after_output(&gateway, sample::CHAT_STREAM_ASK, CHAT).await;
    assert_eq!(row.text("usage_origin"), "estimated", "{}", row.0);
    assert!((250..=1_000).contains(&row.number("output_tokens")), "about 400 words: {}", row.0);
    assert!(row.number("cost_nano_usd") > 0, "{}", row.0);
}

#[tokio::test]
async fn what_anthropic_reported_at_the_start_is_kept_when_the_client_leaves() {
    let upstream = Upstream::start().await;
    let events = [sample::message_start(), sample::message_delta("Hello there, how are you doing on this fine day?")];
    upstream.always(events.into_iter().fold(Script::sse(), |script, event| script.body(event)).stall());
    let gateway = Setup::anthropic(&[&upstream]).start().await;
    let row = leave_after_output(&gateway, sample::MESSAGE_STREAM_ASK, MESSAGES).await;
    assert_eq!(row.number("input_tokens"), sample::INPUT, "as reported: {}", row.0);
    assert!(row.number("output_tokens") > 5, "as seen, not the 1 that message_start tells: {}", row.0);
    assert_ne!(row.text("usage_origin"), "reported", "{}", row.0);
}

#[tokio::test]
async fn a_provider_that_reports_no_usage_is_metered_all_the_same() {
    let no_usage: Vec<String> = sample::chat_events().into_iter().filter(|event| event != sample::CHAT_USAGE).collect();
    let body = sample::CHAT.split(",\"usage\"").next().expect("it has usage").to_owned() + "}";
    for (ask, script) in
        [(sample::CHAT_STREAM_ASK, Script::events(no_usage)), (sample::CHAT_ASK, Script::json(200, body))]
    {
        let row = row_of(CHAT, ask, script).await;
        assert!(["counted", "estimated"].contains(&row.text("usage_origin")), "{}", row.0);
        assert!(row.number("input_tokens") > 0 && row.number("output_tokens") > 0, "{}", row.0);
        assert!(row.number("cost_nano_usd") > 0, "{}", row.0);
    }
}

#[tokio::test]
async fn absurd_figures_of_a_provider_do_not_wrap() {
    for tokens in ["18446744073709551615", "9223372036854775807", "-5", "1e300", "\"7\"", "1.5"] {
        let body = sample::CHAT.replace("\"prompt_tokens\":11", &format!("\"prompt_tokens\":{tokens}"));
        let row = row_of(CHAT, sample::CHAT_ASK, Script::json(200, body)).await;
        assert!(
            row.0["cost_nano_usd"].is_null() || row.0["cost_nano_usd"].as_i64().is_some_and(|cost| cost >= 0),
            "{}",
            row.0
        );
    }
}

#[tokio::test]
async fn rows_say_who_asked_for_what_and_how_it_went() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let call =
        Call::post(CHAT, sample::CHAT_ASK).key(KEY).field("x-weighbridge-user", "alice").field("x-request-id", "r-1");
    assert_eq!(call.send(gateway.address).await.status, 200);
    let row = gateway.only_row().await;
    for (member, want) in [
        ("request_id", "r-1"),
        ("key", "search-ci"),
        ("team", "search"),
        ("user", "alice"),
        ("model", "fast"),
        ("provider", "a"),
        ("target_model", "model-a"),
        ("usage_origin", "reported"),
    ] {
        assert_eq!(row.text(member), want, "{member}: {}", row.0);
    }
    assert_eq!((row.number("attempt"), row.number("status")), (1, 200), "{}", row.0);
    for member in
        ["id", "time", "latency_us", "first_token_us", "overhead_us", "guardrails", "error", "reasoning_tokens"]
    {
        assert!(row.0.get(member).is_some(), "{member}: {}", row.0);
    }
    assert!(row.number("latency_us") > 0 && row.0["error"].is_null(), "{}", row.0);
}

#[tokio::test]
async fn the_user_is_taken_from_the_body_where_no_header_names_one() {
    let upstream = Upstream::start().await;
    let openai = Setup::openai(&[&upstream]).start().await;
    openai.post(CHAT, r#"{"model":"fast","messages":[],"user":"bob"}"#).await;
    assert_eq!(openai.only_row().await.text("user"), "bob");
    let anthropic = Setup::anthropic(&[&upstream]).start().await;
    anthropic.post(MESSAGES, r#"{"model":"fast","max_tokens":5,"messages":[],"metadata":{"user_id":"carol"}}"#).await;
    assert_eq!(anthropic.only_row().await.text("user"), "carol");
}

#[tokio::test]
async fn metrics_and_access_records_agree_with_the_ledger() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    for _ in 0..3 {
        gateway.post(CHAT, sample::CHAT_ASK).await;
    }
    gateway.settled(3).await;
    let labels = |class: &str| {
        format!("weighbridge_proxy_tokens_total{{class=\"{class}\",model=\"fast\",provider=\"a\",target=\"model-a\"}}")
    };
    assert_eq!(gateway.metric(&labels("input")).await, 33.0, "{}", gateway.metrics().await);
    gateway.shows(&labels("output"), 21.0).await;
    gateway.shows("weighbridge_proxy_in_flight_requests", 0.0).await;
    gateway.shows("weighbridge_proxy_buffered_bytes", 0.0).await;
    let page = gateway.metrics().await;
    assert!(page.contains("weighbridge_proxy_overhead_seconds_bucket{le=\"0.00001\"}"), "buckets from 10 µs: {page}");
    assert!(!page.contains(KEY) && !page.contains("sk-secret"), "no secrets in labels");
    let records = crate::support::eventually("three access records", || async {
        let records = gateway.access_records();
        (records.iter().filter(|record| record["model"] == "fast").count() == 3).then_some(records)
    });
    for record in records.await {
        assert_eq!(record["status"], 200, "{record}");
        assert_eq!(record["attempts"].as_array().map(Vec::len), Some(1), "the trace: {record}");
    }
}

#[tokio::test]
async fn figures_that_contradict_themselves_are_counted_by_target() {
    let upstream = Upstream::start().await;
    upstream.next(Script::json(200, sample::CHAT.replace("\"cached_tokens\":0", "\"cached_tokens\":12")));
    let gateway = Setup::openai(&[&upstream]).start().await;
    for _ in 0..2 {
        assert_eq!(gateway.post(CHAT, sample::CHAT_ASK).await.status, 200);
    }
    gateway.settled(2).await;
    let series = "weighbridge_proxy_inconsistent_usage_total{provider=\"a\",target=\"model-a\"}";
    gateway.shows(series, 1.0).await;
}
