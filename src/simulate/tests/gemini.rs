//! Gemini's calls.

use super::{Answer, Bench};
use crate::simulate::{Knobs, Outcome, Simulator};
use http_body_util::BodyExt;
use serde_json::{Value, json};

const WHOLE: &str = "/v1beta/models/gemini-sim:generateContent";
const STREAM: &str = "/v1beta/models/gemini-sim:streamGenerateContent?alt=sse";

fn hello(extra: Value) -> Value {
    let mut body = json!({
        "systemInstruction": {"parts": [{"text": "abcd"}]},
        "contents": [{"role": "user", "parts": [{"text": "hello there"}]}],
    });
    body.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
    body
}

fn weather(schema_under: &str) -> Value {
    let schema = json!({"type": "OBJECT", "required": ["city", "days"], "properties": {
        "city": {"type": "STRING"}, "days": {"type": "INTEGER"}}});
    let other = json!({"name": "other", "parameters": {"type": "OBJECT"}});
    json!([{"functionDeclarations": [{"name": "weather", schema_under: schema}, other]}])
}

/// The path of a model's name, encoded as a client must.
fn of(name: &str, verb: &str) -> String {
    let name = name.replace('?', "%3F").replace('&', "%26");
    format!("/v1beta/models/{name}:{verb}")
}

/// The events of a stream, whose lines end with CRLF.
fn events(answer: &Answer) -> Vec<Value> {
    let events = answer.text.split_terminator("\r\n\r\n");
    events.map(|event| serde_json::from_str(event.strip_prefix("data: ").expect("data")).expect("JSON")).collect()
}

fn text(events: &[Value]) -> String {
    events.iter().filter_map(|event| event["candidates"][0]["content"]["parts"][0]["text"].as_str()).collect()
}

#[tokio::test]
async fn usage_counts_the_cache_within_the_prompt_and_thoughts_apart() {
    let bench = Bench::new("output=3,cached=10,cache_write=20,reasoning=9").await;
    let answer = bench.post(WHOLE, &hello(json!({}))).await;
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    let usage = &answer["usageMetadata"];
    assert_eq!((&usage["promptTokenCount"], &usage["cachedContentTokenCount"]), (&json!(4 + 10), &json!(10)));
    assert_eq!((&usage["candidatesTokenCount"], &usage["thoughtsTokenCount"]), (&json!(3), &json!(9)));
    assert_eq!(usage["totalTokenCount"], 4 + 10 + 3 + 9);
    assert_eq!((&answer["modelVersion"], answer["responseId"].is_string()), (&json!("gemini-sim"), true));
    let candidate = &answer["candidates"][0];
    assert_eq!((&candidate["finishReason"], &candidate["content"]["role"]), (&json!("STOP"), &json!("model")));
    assert_eq!(candidate["content"]["parts"].as_array().map(Vec::len), Some(1), "thoughts are shown to who asks");
    let reported = bench.sim.recorded().last().expect("a request").reported.expect("usage").usage();
    assert_eq!((reported.input, reported.cache_read, reported.output, reported.reasoning), (4, 10, 3, 9));
    assert_eq!(reported.input_total(), 14, "nothing is billed for writing");
}

#[tokio::test]
async fn a_stream_is_whole_responses_with_crlf_and_without_an_end_marker() {
    let bench = Bench::new("output=3").await;
    let answer = bench.post(STREAM, &hello(json!({}))).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    assert_eq!(answer.text.matches('\n').count(), answer.text.matches("\r\n").count());
    assert!(!answer.text.contains("[DONE]"));
    let events = events(&answer);
    assert_eq!(events.len(), 3 + 1);
    let counts: Vec<_> = events.iter().map(|event| event["usageMetadata"]["candidatesTokenCount"].as_u64()).collect();
    assert_eq!(counts, [Some(1), Some(2), Some(3), Some(3)]);
    let reasons: Vec<_> = events.iter().map(|event| event["candidates"][0]["finishReason"].as_str()).collect();
    assert_eq!(reasons, [None, None, None, Some("STOP")]);
    assert!(events.iter().all(|event| event["responseId"] == events[0]["responseId"]));
    let whole = bench.post(WHOLE, &hello(json!({}))).await.json();
    assert_eq!(whole["candidates"][0]["content"]["parts"][0]["text"], text(&events));
    let asked = bench.sim.recorded();
    assert_eq!((asked[0].model.as_str(), asked[0].stream, asked[1].stream), ("gemini-sim", true, false));
}

#[tokio::test]
async fn both_versions_of_the_path_are_served_and_counted_as_one() {
    let bench = Bench::new("output=1").await;
    for version in ["v1", "v1beta"] {
        let path = format!("/{version}/models/m:generateContent");
        assert_eq!(bench.post(&path, &hello(json!({}))).await.status, 200);
    }
    let page = bench.ask("GET", "/_simulate/stats", &[], "").await.json();
    assert_eq!(page["by_path"]["/v1beta/models/{model}:generateContent"], 2);
    let listed = bench.ask("GET", "/v1beta/models", &[], "").await.json();
    assert_eq!(listed["models"][0]["name"], "models/sim-small");
    let array = bench.post("/v1beta/models/m:streamGenerateContent", &hello(json!({}))).await;
    assert_eq!((array.status.as_u16(), &array.json()["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
}

#[tokio::test]
async fn knobs_come_with_the_models_name_in_the_path() {
    let bench = Bench::new("").await;
    let path = of("m-2.5?output=2&reasoning=4", "generateContent");
    let answer = bench.post(&path, &hello(json!({}))).await.json();
    assert_eq!(
        (&answer["modelVersion"], &answer["usageMetadata"]["candidatesTokenCount"]),
        (&json!("m-2.5"), &json!(2))
    );
    assert_eq!(bench.sim.recorded()[0].model, "m-2.5?output=2&reasoning=4");
    let wrong = bench.post(&of("m?slow=1", "generateContent"), &hello(json!({}))).await;
    assert!(wrong.json()["error"]["message"].as_str().is_some_and(|message| message.contains("`slow`")));
}

#[tokio::test]
async fn thoughts_are_parts_of_their_own_where_they_are_asked_for() {
    let bench = Bench::new("output=2,reasoning=40").await;
    let body = hello(json!({"generationConfig": {"thinkingConfig": {"includeThoughts": true}}}));
    let whole = bench.post(WHOLE, &body).await.json();
    let parts = &whole["candidates"][0]["content"]["parts"];
    assert_eq!((&parts[0]["thought"], parts[1].get("thought")), (&json!(true), None));
    let events = events(&bench.post(STREAM, &body).await);
    assert_eq!(events.len(), 1 + 2 + 1);
    assert_eq!(events[0]["candidates"][0]["content"]["parts"][0], parts[0]);
    assert_eq!(events[0]["usageMetadata"]["thoughtsTokenCount"], 40);
}

#[tokio::test]
async fn a_function_is_called_in_one_part_with_its_arguments_whole() {
    let bench = Bench::new("reasoning=1").await;
    let any = |allowed: Value| json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": allowed}});
    let cases = [
        ("parameters", any(json!([])), Some("weather")),
        ("parametersJsonSchema", any(json!(["weather"])), Some("weather")),
        ("parameters", any(json!(["other"])), Some("other")),
        ("parameters", json!({"functionCallingConfig": {"mode": "AUTO"}}), None),
        ("parameters", json!({"functionCallingConfig": {"mode": "NONE"}}), None),
    ];
    for (schema_under, config, want) in cases {
        let body = hello(json!({"tools": weather(schema_under), "toolConfig": config}));
        let answer = bench.post(WHOLE, &body).await.json();
        let part = &answer["candidates"][0]["content"]["parts"][0];
        assert_eq!(part["functionCall"]["name"].as_str(), want);
        assert_eq!(answer["candidates"][0]["finishReason"], "STOP");
        if want == Some("weather") {
            assert_eq!(part["functionCall"]["args"], json!({"city": "naïve balance", "days": 7}));
            assert!(part["thoughtSignature"].is_string());
        }
    }
    let ask = json!({"role": "user", "parts": [{"text": "please call the tool"}]});
    let body = json!({"contents": [ask], "tools": weather("parameters")});
    let events = events(&bench.post(STREAM, &body).await);
    assert_eq!(events.len(), 2);
    let call = &events[0]["candidates"][0]["content"]["parts"][0]["functionCall"];
    assert_eq!(call["args"], json!({"city": "naïve balance", "days": 7}));
    let result =
        json!({"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"output": "sun"}}}]});
    let called = events[0]["candidates"][0]["content"].clone();
    let body = json!({"contents": [ask, called, result], "tools": weather("parameters")});
    assert!(bench.post(WHOLE, &body).await.json()["candidates"][0]["content"]["parts"][0]["text"].is_string());
}

#[tokio::test]
async fn json_is_answered_where_it_is_asked_for_and_caps_and_candidates_hold() {
    let bench = Bench::new("").await;
    let schema = json!({"type": "OBJECT", "required": ["n"], "properties": {"n": {"type": "NUMBER"}}});
    for member in ["responseSchema", "responseJsonSchema"] {
        let config = json!({"responseMimeType": "application/json", member: schema});
        let answer = bench.post(WHOLE, &hello(json!({"generationConfig": config}))).await.json();
        assert_eq!(answer["candidates"][0]["content"]["parts"][0]["text"], r#"{"n":1.5}"#);
    }
    let config = json!({"max_output_tokens": 2, "candidateCount": 2});
    let body = hello(json!({"generation_config": config}));
    let answer = bench.post(WHOLE, &body).await.json();
    assert_eq!(
        (&answer["candidates"][1]["index"], &answer["candidates"][1]["finishReason"]),
        (&json!(1), &json!("MAX_TOKENS"))
    );
    assert_eq!(answer["usageMetadata"]["candidatesTokenCount"], 4);
    let last = events(&bench.post(STREAM, &body).await).pop().expect("an end");
    assert_eq!(last["usageMetadata"]["candidatesTokenCount"], 4);
}

#[tokio::test]
async fn errors_have_googles_shape() {
    let bench = Bench::new("retry_after=7").await;
    let statuses = [
        (400, "INVALID_ARGUMENT"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
    ];
    for (status, name) in statuses {
        for verb in ["generateContent", "streamGenerateContent?alt=sse"] {
            let answer = bench.post(&of(&format!("m?error={status}"), verb), &hello(json!({}))).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.headers["retry-after"]),
                (status, &"7".parse().expect("a value"))
            );
            let error = &answer.json()["error"];
            assert_eq!((&error["code"], &error["status"]), (&json!(status), &json!(name)));
            assert!(error["message"].is_string());
        }
    }
    let unasked = bench.post(WHOLE, &json!({"contents": [{"parts": [{"functionResponse": {"name": "f"}}]}]})).await;
    assert_eq!((unasked.status.as_u16(), &unasked.json()["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
    let missing = bench.post(WHOLE, &json!({})).await;
    assert_eq!((missing.status.as_u16(), &missing.json()["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
    let unknown = bench.post("/v1beta/models/m:paint", &json!({})).await;
    assert_eq!(unknown.json()["error"]["status"], "NOT_FOUND");
}

#[tokio::test]
async fn a_stream_breaks_as_the_knobs_say() {
    let bench = Bench::new("").await;
    for after in [0, 2] {
        let path = of(&format!("m?error_after={after}"), "streamGenerateContent?alt=sse");
        let events = events(&bench.post(&path, &hello(json!({}))).await);
        assert_eq!(events.len(), after + 1);
        assert_eq!(events[after]["error"]["status"], "UNAVAILABLE");
    }
    let cut = of("m?cut=2", "streamGenerateContent?alt=sse");
    let body = bench.send("POST", &cut, &[], &hello(json!({})).to_string()).await.into_body();
    assert!(body.collect().await.is_err());
    assert!(
        bench.sim.recorded().iter().all(|request| request.outcome == Outcome::Broken && request.reported.is_none())
    );
    assert_eq!(bench.sim.stats().output_tokens_sent, 2 + 2);
    let plain = events(&bench.post(STREAM, &hello(json!({}))).await);
    let split = events(&bench.post(&of("m?split=3", "streamGenerateContent?alt=sse"), &hello(json!({}))).await);
    assert_eq!(text(&split), text(&plain));
    let silent = events(&bench.post(&of("m?no_usage=yes", "streamGenerateContent?alt=sse"), &hello(json!({}))).await);
    assert!(silent.iter().all(|event| event.get("usageMetadata").is_none()));
}

#[tokio::test]
async fn the_key_is_in_its_own_header() {
    let mut bench = Bench::new("").await;
    let knobs = Knobs { api_key: Some("sk-real".to_owned()), ..Knobs::default() };
    bench.sim = Simulator::start(super::anywhere(), knobs).await.expect("a port");
    for (name, value, want) in [
        ("x-goog-api-key", "sk-real", 200),
        ("x-goog-api-key", "sk-fake", 403),
        ("authorization", "Bearer sk-real", 403),
    ] {
        let answer = bench.ask("POST", WHOLE, &[(name, value)], &hello(json!({})).to_string()).await;
        assert_eq!(answer.status, want, "{name}: {value}");
    }
}
