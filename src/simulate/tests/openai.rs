//! OpenAI's calls.

use super::{Bench, CHAT, RESPONSES};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

fn hello(extra: Value) -> Value {
    let mut body = json!({"model": "sim-small", "messages": [{"role": "user", "content": "hello there"}]});
    body.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
    body
}

fn weather() -> Value {
    json!({"type": "object", "required": ["city", "days", "unit"], "properties": {
        "city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["C", "F"]}, "note": {"type": "string"}}})
}

#[tokio::test]
async fn a_chat_is_answered_with_the_tokens_that_are_reported() {
    let bench = Bench::new("cached=5,cache_write=2,reasoning=7").await;
    let answer = bench.post(CHAT, &hello(json!({"max_tokens": 4}))).await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers.contains_key("x-request-id"));
    let answer = answer.json();
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["model"], "sim-small");
    let message = &answer["choices"][0]["message"];
    assert_eq!(message["role"], "assistant");
    assert_eq!(message["content"].as_str().expect("text").split(' ').count(), 4);
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    // 11 characters are 3 tokens; cached and reasoning come on top.
    assert_eq!(answer["usage"]["prompt_tokens"], 3 + 5 + 2);
    assert_eq!(answer["usage"]["prompt_tokens_details"]["cache_write_tokens"], 2);
    assert_eq!(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 5);
    assert_eq!(answer["usage"]["completion_tokens"], 4 + 7);
    assert_eq!(answer["usage"]["completion_tokens_details"]["reasoning_tokens"], 7);
    assert_eq!(answer["usage"]["total_tokens"], 21);
}

#[tokio::test]
async fn every_choice_is_answered_and_counted() {
    let bench = Bench::new("output=3").await;
    let answer = bench.post(CHAT, &hello(json!({"n": 2}))).await.json();
    assert_eq!(answer["choices"].as_array().expect("choices").len(), 2);
    assert_eq!(answer["choices"][1]["index"], 1);
    assert_eq!(answer["usage"]["completion_tokens"], 6);
    let stream = bench.post(CHAT, &hello(json!({"n": 2, "stream": true}))).await.data();
    for index in 0..2 {
        let of = |chunk: &&Value| chunk["choices"][0]["index"] == index;
        let finishes: Vec<_> = stream.iter().filter(of).map(|chunk| &chunk["choices"][0]["finish_reason"]).collect();
        assert_eq!(finishes, [&json!(null), &json!(null), &json!(null), &json!(null), &json!("stop")]);
    }
}

#[tokio::test]
async fn a_chat_stream_without_include_usage_never_names_usage() {
    let bench = Bench::new("output=3").await;
    for options in [json!({}), json!({"stream_options": null}), json!({"stream_options": {"include_usage": false}})] {
        let mut body = hello(options);
        body["stream"] = json!(true);
        let answer = bench.post(CHAT, &body).await;
        assert_eq!(answer.headers["content-type"], "text/event-stream; charset=utf-8");
        assert!(!answer.text.contains("usage"));
        assert!(answer.text.ends_with("data: [DONE]\n\n"));
        let chunks = answer.data();
        assert_eq!(chunks.len(), 1 + 3 + 1);
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk"));
        let last = &chunks[4]["choices"][0];
        assert_eq!((&last["delta"], &last["finish_reason"]), (&json!({}), &json!("stop")));
    }
    assert!(bench.sim.recorded().iter().all(|request| request.reported.is_none()));
}

#[tokio::test]
async fn include_usage_adds_null_to_every_chunk_and_one_chunk_without_choices() {
    let bench = Bench::new("output=3,chunk=2").await;
    let body = hello(json!({"stream": true, "stream_options": {"include_usage": true}}));
    let answer = bench.post(CHAT, &body).await;
    let chunks = answer.data();
    let (usage, before) = chunks.split_last().expect("chunks");
    assert_eq!(before.len(), 1 + 2 + 1);
    assert!(before.iter().all(|chunk| chunk.get("usage") == Some(&Value::Null)));
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["completion_tokens"], 3);
    assert!(answer.text.ends_with("data: [DONE]\n\n"));
    let whole = bench.post(CHAT, &hello(json!({}))).await.json();
    let parts: String = before.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(whole["choices"][0]["message"]["content"], parts);
}

#[tokio::test]
async fn no_usage_leaves_usage_out_although_asked() {
    let bench = Bench::new("no_usage=yes,output=2").await;
    let body = hello(json!({"stream": true, "stream_options": {"include_usage": true}}));
    let chunks = bench.post(CHAT, &body).await.data();
    assert!(chunks.iter().all(|chunk| chunk["usage"].is_null() && chunk["choices"] != json!([])));
    assert!(bench.post(CHAT, &hello(json!({}))).await.json().get("usage").is_none());
}

#[tokio::test]
async fn a_tool_is_called_when_required_named_or_asked_for() {
    let bench = Bench::new("").await;
    let tools = json!([
        {"type": "function", "function": {"name": "first", "parameters": {"type": "object", "properties": {}}}},
        {"type": "function", "function": {"name": "weather", "parameters": weather()}},
    ]);
    let named = json!({"type": "function", "function": {"name": "weather"}});
    let cases = [(json!("required"), Some("first")), (named.clone(), Some("weather")), (json!("auto"), None)];
    for (choice, want) in cases {
        let answer = bench.post(CHAT, &hello(json!({"tools": tools, "tool_choice": choice}))).await.json();
        let call = &answer["choices"][0]["message"]["tool_calls"][0];
        assert_eq!(call["function"]["name"].as_str(), want);
        assert_eq!(answer["choices"][0]["finish_reason"] == "tool_calls", want.is_some());
    }
    let asked = json!({"model": "m", "tools": tools, "messages": [{"role": "user", "content": "call the tool"}]});
    let answer = bench.post(CHAT, &asked).await.json();
    assert_eq!(answer["choices"][0]["message"]["tool_calls"][0]["type"], "function");
    assert_eq!(answer["choices"][0]["message"]["content"], Value::Null);

    let stream = bench.post(CHAT, &hello(json!({"tools": tools, "tool_choice": named, "stream": true}))).await.data();
    let first = &stream[0]["choices"][0]["delta"]["tool_calls"][0];
    assert_eq!((&first["index"], &first["function"]["name"]), (&json!(0), &json!("weather")));
    assert!(first["id"].as_str().is_some_and(|id| id.starts_with("call_")));
    let part = |chunk: &Value| {
        chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str().map(str::to_owned)
    };
    let arguments: String = stream.iter().filter_map(part).collect();
    let arguments: Value = serde_json::from_str(&arguments).expect("arguments are JSON");
    assert_eq!(arguments, json!({"city": "naïve balance", "days": 7, "unit": "C"}));
    assert_eq!(stream.last().expect("a last chunk")["choices"][0]["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn a_json_schema_is_answered_with_an_instance_of_it() {
    let bench = Bench::new("").await;
    let format = json!({"type": "json_schema", "json_schema": {"name": "w", "schema": weather()}});
    let answer = bench.post(CHAT, &hello(json!({"response_format": format}))).await.json();
    let text = answer["choices"][0]["message"]["content"].as_str().expect("text");
    let value: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(value["days"], 7);
}

#[tokio::test]
async fn completions_answer_every_prompt_and_stream_like_chats() {
    let bench = Bench::new("output=2").await;
    let answer = bench.post("/v1/completions", &json!({"model": "m", "prompt": ["abcd", "abcd"], "n": 2})).await.json();
    assert_eq!(answer["object"], "text_completion");
    assert_eq!(answer["choices"].as_array().expect("choices").len(), 4);
    assert_eq!((&answer["usage"]["prompt_tokens"], &answer["usage"]["completion_tokens"]), (&json!(2), &json!(8)));
    let body = json!({"model": "m", "prompt": "a", "stream": true, "stream_options": {"include_usage": true}});
    let chunks = bench.post("/v1/completions", &body).await.data();
    assert_eq!(chunks.len(), 2 + 1 + 1);
    assert_eq!(chunks[2]["choices"][0]["finish_reason"], "stop");
    assert_eq!((&chunks[0]["usage"], &chunks[3]["choices"]), (&Value::Null, &json!([])));
    assert_eq!(chunks[3]["usage"]["completion_tokens"], 2);
}

#[tokio::test]
async fn a_response_streams_the_whole_sequence_of_events() {
    let bench = Bench::new("output=2").await;
    let answer = bench.post(RESPONSES, &json!({"model": "m", "input": "hello", "stream": true})).await;
    let names: Vec<String> = answer.events().into_iter().map(|(name, _)| name).collect();
    let want = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(names, want);
    for (at, (event, name)) in answer.data().iter().zip(want).enumerate() {
        assert_eq!((&event["sequence_number"], &event["type"]), (&json!(at), &json!(name)));
    }
    let data = answer.data();
    let last = &data[9]["response"];
    assert_eq!((&last["status"], &last["usage"]["output_tokens"]), (&json!("completed"), &json!(2)));
    assert_eq!(last["output"][0]["content"][0]["text"], data[6]["text"]);
    assert_eq!(data[0]["response"]["usage"], Value::Null);
    let whole = bench.post(RESPONSES, &json!({"model": "m?cached=3&cache_write=4", "input": "hello"})).await.json();
    let details = &whole["usage"]["input_tokens_details"];
    assert_eq!((&details["cached_tokens"], &details["cache_write_tokens"]), (&json!(3), &json!(4)));
    assert_eq!(whole["usage"]["input_tokens"], 2 + 3 + 4);
    assert_eq!(whole["output"][0]["content"][0]["text"], data[6]["text"]);
}

#[tokio::test]
async fn a_capped_response_is_incomplete() {
    let bench = Bench::new("").await;
    let body = json!({"model": "m", "input": [{"role": "user", "content": "hello"}], "max_output_tokens": 3});
    let answer = bench.post(RESPONSES, &body).await.json();
    assert_eq!(answer["status"], "incomplete");
    assert_eq!(answer["incomplete_details"]["reason"], "max_output_tokens");
    let mut body = body;
    body["stream"] = json!(true);
    let events = bench.post(RESPONSES, &body).await.events();
    assert_eq!(events.last().expect("an end").0, "response.incomplete");
}

#[tokio::test]
async fn a_response_calls_a_function() {
    let bench = Bench::new("").await;
    let tools = json!([{"type": "function", "name": "weather", "parameters": weather()}]);
    let mut body = json!({"model": "m", "input": "x", "tools": tools, "tool_choice": "required"});
    let answer = bench.post(RESPONSES, &body).await.json();
    assert_eq!(
        (&answer["output"][0]["type"], &answer["output"][0]["name"]),
        (&json!("function_call"), &json!("weather"))
    );
    body["stream"] = json!(true);
    let answer = bench.post(RESPONSES, &body).await;
    let data = answer.data();
    let deltas: String = data.iter().filter_map(|event| event["delta"].as_str()).collect();
    let done = data.iter().find(|event| event["type"] == "response.function_call_arguments.done").expect("done");
    assert_eq!(done["arguments"], deltas);
    assert_eq!(answer.events().last().expect("an end").0, "response.completed");
}

#[tokio::test]
async fn embeddings_depend_on_the_input_alone_and_come_as_floats_or_base64() {
    let bench = Bench::new("").await;
    let ask = |format: &str| json!({"model": "e", "input": ["abcd", "other", "abcd"], "dimensions": 8, "encoding_format": format});
    let floats = bench.post("/v1/embeddings", &ask("float")).await.json();
    assert_eq!(floats["data"][0]["embedding"], floats["data"][2]["embedding"]);
    assert_ne!(floats["data"][0]["embedding"], floats["data"][1]["embedding"]);
    assert_eq!(floats["usage"], json!({"prompt_tokens": 4, "total_tokens": 4}));
    let packed = bench.post("/v1/embeddings", &ask("base64")).await.json();
    let bytes = STANDARD.decode(packed["data"][1]["embedding"].as_str().expect("text")).expect("base64");
    let unpacked: Vec<f32> =
        bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().expect("four bytes"))).collect();
    let plain: Vec<f32> = serde_json::from_value(floats["data"][1]["embedding"].clone()).expect("floats");
    assert_eq!(unpacked, plain);
    let default = bench.post("/v1/embeddings", &json!({"model": "e", "input": [[1, 2, 3]]})).await.json();
    assert_eq!(default["data"][0]["embedding"].as_array().expect("floats").len(), 1536);
    assert_eq!(default["usage"]["prompt_tokens"], 3);
}

#[tokio::test]
async fn models_are_listed_and_shown() {
    let bench = Bench::new("").await;
    let list = bench.ask("GET", "/v1/models", &[], "").await.json();
    assert_eq!((&list["object"], &list["data"][0]["object"]), (&json!("list"), &json!("model")));
    let one = bench.ask("GET", "/v1/models/gpt-x", &[], "").await.json();
    assert_eq!(one["id"], "gpt-x");
    let list = bench.ask("GET", "/v1/models", &[("anthropic-version", "2023-06-01")], "").await.json();
    assert_eq!((&list["data"][0]["type"], &list["has_more"]), (&json!("model"), &json!(false)));
}

#[tokio::test]
async fn errors_have_openais_shape() {
    let bench = Bench::new("").await;
    let error =
        bench.ask("POST", CHAT, &[("x-simulate", "error=429,retry_after=7")], &hello(json!({})).to_string()).await;
    assert_eq!(error.status, 429);
    assert_eq!(error.headers["retry-after"], "7");
    let inner = &error.json()["error"];
    assert_eq!(
        (&inner["type"], &inner["code"], &inner["param"]),
        (&json!("requests"), &json!("rate_limit_exceeded"), &Value::Null)
    );
    let cases = [
        ("POST", CHAT, "{", 400, "parse the JSON"),
        ("POST", CHAT, r#"{"messages":[]}"#, 400, "model parameter"),
        ("POST", CHAT, r#"{"model":"m"}"#, 400, "'messages'"),
        ("POST", RESPONSES, r#"{"model":"m"}"#, 400, "'input'"),
        ("POST", "/v1/embeddings", r#"{"model":"m","input":{}}"#, 400, "input"),
        ("POST", "/v1/nothing", "{}", 404, "Invalid URL (POST /v1/nothing)"),
        ("GET", CHAT, "", 405, "Not allowed"),
        ("POST", CHAT, r#"{"model":"m?tpz=1","messages":[]}"#, 400, "`tpz`"),
        ("POST", CHAT, r#"{"model":"m?latency=soon","messages":[]}"#, 400, "`latency`"),
    ];
    for (method, path, body, status, part) in cases {
        let answer = bench.ask(method, path, &[], body).await;
        assert_eq!(answer.status, status, "{method} {path} {body}");
        let message = answer.json()["error"]["message"].to_string();
        assert!(message.contains(part), "{message}");
    }
}
