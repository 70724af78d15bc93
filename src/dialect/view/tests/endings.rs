//! The ends of answers that are blocked.

use super::streams::{events_of, look};
use crate::{
    dialect::view::{Events, Refusal, answer, refused_whole},
    model::Api,
    sse::SseEvent,
};
use bytes::Bytes;
use serde_json::{Value, json};

const REFUSAL: Refusal<'_> = Refusal { last_went_out: true, put_in: 0, id: "r1", model: "fast", created_s: 7 };

const STREAMS: [(Api, &str); 8] = [
    (Api::ChatCompletions, include_str!("../../../providers/openai/fixtures/chat_stream.sse")),
    (Api::ChatCompletions, include_str!("../../../providers/openai/fixtures/chat_tools_stream.sse")),
    (Api::Completions, include_str!("../../../providers/openai/fixtures/completions_stream.sse")),
    (Api::Responses, include_str!("../../../providers/openai/fixtures/responses_stream.sse")),
    (Api::Responses, include_str!("../../../providers/openai/codec_responses/fixtures/tools_stream.sse")),
    (Api::Messages, include_str!("../../../providers/anthropic/fixtures/messages_stream.sse")),
    (Api::Messages, include_str!("../../messages/fixtures/answer.sse")),
    (Api::Generate, include_str!("../../../providers/gemini/codec/fixtures/stream.sse")),
];

fn value(event: &SseEvent) -> Value {
    serde_json::from_slice(&event.data).unwrap_or_default()
}

/// What the client of `api` has in the end is well-formed.
fn check(api: Api, events: &[SseEvent]) {
    let datas: Vec<Value> = events.iter().map(value).collect();
    let reasons = |list: &str, name: &str| -> Vec<Value> {
        let choices = datas.iter().filter_map(|data| data[list].as_array()).flatten();
        choices.filter(|choice| !choice[name].is_null()).map(|choice| choice["index"].clone()).collect()
    };
    match api {
        Api::ChatCompletions | Api::Completions => {
            assert_eq!(reasons("choices", "finish_reason"), [json!(0)], "each choice ends once");
            let ends = events.iter().filter(|event| *event.data == *b"[DONE]").count();
            assert!(ends == 1 && *events[events.len() - 1].data == *b"[DONE]");
        }
        Api::Messages => {
            let (mut open, mut ended) = (None, false);
            for data in &datas {
                assert!(!ended, "nothing follows");
                match data["type"].as_str().expect("typed") {
                    "content_block_start" => assert_eq!(open.replace(data["index"].clone()), None),
                    "content_block_stop" => assert_eq!(open.take(), Some(data["index"].clone())),
                    "message_delta" => assert!(data["usage"]["output_tokens"].is_u64() && open.is_none()),
                    "message_stop" => ended = true,
                    _ => {}
                }
            }
            assert!(ended && datas[0]["type"] == "message_start");
            assert_eq!(datas.iter().filter(|data| data["type"] == "message_delta").count(), 1);
        }
        Api::Responses => {
            let numbers: Vec<_> = datas.iter().map(|data| data["sequence_number"].as_u64()).collect();
            let want: Vec<_> = (0..numbers.len() as u64).map(Some).collect();
            assert_eq!(numbers, want);
            assert!(datas[0]["type"] == "response.created" && datas[0]["response"]["id"].is_string());
            let last = &datas[datas.len() - 1];
            assert!(matches!(last["type"].as_str(), Some("response.incomplete" | "response.completed")));
        }
        _ => assert_eq!(reasons("candidates", "finishReason").len(), 1),
    }
}

#[test]
fn a_stream_that_is_blocked_anywhere_ends_well_formed() {
    for (api, stream) in STREAMS {
        let events = events_of(stream.as_bytes());
        for seen in 0..=events.len() {
            for last_went_out in [true, false] {
                let mut views = Events::new(api);
                events[..seen].iter().for_each(|event| drop(look(&mut views, event)));
                let end = views.refused(&Refusal { last_went_out, ..REFUSAL });
                let went_out = if last_went_out { seen } else { seen.saturating_sub(1) };
                let mut got = events[..went_out].to_vec();
                got.extend(events_of(&end));
                check(api, &got);
            }
        }
    }
}

#[test]
fn the_end_of_a_blocked_stream_says_refusal() {
    let end = |api: Api, stream: &str, seen: usize| {
        let mut views = Events::new(api);
        events_of(stream.as_bytes())[..seen].iter().for_each(|event| drop(look(&mut views, event)));
        String::from_utf8(views.refused(&REFUSAL).to_vec()).expect("UTF-8")
    };
    let datas = |end: &str| -> Vec<Value> { events_of(end.as_bytes()).iter().map(value).collect() };

    let chat = end(Api::ChatCompletions, STREAMS[0].1, 2);
    assert_eq!(
        datas(&chat)[0],
        json!({"id": "chatcmpl-B9MBs8CjcvOlj2tiUjpVEhMQgCDCn", "object": "chat.completion.chunk",
        "created": 1_741_570_283, "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "delta": {}, "logprobs": null, "finish_reason": "content_filter"}]})
    );
    let chat = end(Api::ChatCompletions, "", 0);
    assert_eq!(datas(&chat)[0]["id"], "chatcmpl-r1");
    assert_eq!(datas(&chat)[0]["choices"][0]["delta"]["role"], "assistant");

    let messages = end(Api::Messages, STREAMS[5].1, 4);
    assert_eq!(datas(&messages)[1]["delta"], json!({"stop_reason": "refusal", "stop_sequence": null}));
    assert_eq!(datas(&messages)[1]["usage"]["cache_read_input_tokens"], 2000, "the usage so far");
    assert!(messages.starts_with("event: content_block_stop\ndata: {") && messages.ends_with("\n\n"));

    let responses = datas(&end(Api::Responses, STREAMS[3].1, 5));
    let [last] = &responses[..] else { panic!("{responses:?}") };
    assert_eq!((&last["type"], &last["sequence_number"]), (&json!("response.incomplete"), &json!(5)));
    let response = &last["response"];
    assert_eq!(response["incomplete_details"], json!({"reason": "content_filter"}));
    assert_eq!((&response["status"], &response["output"]), (&json!("incomplete"), &json!([])));
    assert_eq!(response["instructions"], "You are a helpful assistant.", "as the stream told it");

    let generate = datas(&end(Api::Generate, STREAMS[7].1, 2));
    assert_eq!(generate[0]["candidates"], json!([{"finishReason": "SAFETY", "index": 0}]));
    assert_eq!(generate[0]["responseId"], "Qx1");
    assert_eq!(generate[0]["usageMetadata"]["thoughtsTokenCount"], 9);
}

#[test]
fn numbers_go_on_behind_events_that_were_put_in() {
    let mut views = Events::new(Api::Responses);
    views.event(None, br#"{"type":"response.created","sequence_number":4,"response":{"id":"x"}}"#);
    let end = views.refused(&Refusal { put_in: 3, ..REFUSAL });
    assert_eq!(value(&events_of(&end)[0])["sequence_number"], 8);
}

#[test]
fn a_long_response_is_not_kept() {
    let mut views = Events::new(Api::Responses);
    let long = "x".repeat(100_000);
    let created = format!(
        r#"{{"type":"response.created","sequence_number":0,"response":{{"id":"resp_9","model":"m","created_at":5,"instructions":"{long}"}}}}"#
    );
    views.event(None, created.as_bytes());
    let end = views.refused(&REFUSAL);
    assert!(end.len() < 1_000);
    let response = value(&events_of(&end)[0])["response"].take();
    assert_eq!(
        (&response["id"], &response["model"], &response["created_at"]),
        (&json!("resp_9"), &json!("m"), &json!(5))
    );
}

#[test]
fn a_whole_answer_that_is_blocked_keeps_its_frame_and_says_nothing() {
    for (api, body) in super::ANSWERS {
        let refused = refused_whole(api, &Bytes::from_static(body.as_bytes())).expect("it can be told");
        let (was, is): (Value, Value) =
            (serde_json::from_str(body).expect("JSON"), serde_json::from_slice(&refused).expect("JSON"));
        for member in ["id", "model", "created", "usage", "usageMetadata", "modelVersion"] {
            assert_eq!(was[member], is[member], "{api}: {member}");
        }
        let whole = answer(api, &refused).expect("there is a view");
        assert!(whole.texts.is_empty() && whole.echoes.iter().all(|at| at.len() <= 2), "{api}: {whole:?}");
        let says = [
            ("choices", "/choices/1/finish_reason", "content_filter"),
            ("output", "/incomplete_details/reason", "content_filter"),
            ("content", "/stop_reason", "refusal"),
            ("candidates", "/candidates/1/finishReason", "SAFETY"),
        ];
        let (_, path, want) = says.iter().find(|(member, ..)| !was[*member].is_null()).expect("known");
        assert_eq!(is.pointer(path), Some(&json!(want)), "{api}");
    }
    for body in ["", "{}", "secret", r#"{"choices":[{"message":{"content":"sec"#, r#"{"error":{"message":"m"}}"#] {
        assert_eq!(refused_whole(Api::ChatCompletions, &Bytes::from_static(body.as_bytes())), None, "{body}");
    }
    assert_eq!(refused_whole(Api::Images, &Bytes::from_static(b"{\"data\":[]}")), None);
}
