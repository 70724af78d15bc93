use super::*;
use crate::{
    config::GuardAction::{self, Block, Redact, Tokenize},
    guard::{Body, Fold, Guard, Hit, Safe, Set, Spotter, Vault},
    model::{IdSource, Speech},
};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// Finds one word.
struct Word(&'static str);

impl Spotter for Word {
    fn next(&self, text: &str, from: usize) -> Option<Hit> {
        let at = from + text.get(from..)?.find(self.0)?;
        Some(Hit { at: at..at + self.0.len(), entity: "email", grow: None })
    }

    fn pending(&self, text: &str, from: usize) -> usize {
        let least = from.max(text.len().saturating_sub(self.0.len()));
        let begins = |&at: &usize| text.is_char_boundary(at) && self.0.starts_with(&text[at..]);
        (least..text.len()).find(begins).unwrap_or(text.len())
    }
}

fn desk(action: GuardAction) -> Desk {
    let guard = Guard {
        name: "no-pii".into(),
        kind: "word",
        hooks: vec![Hook::Input, Hook::Output],
        action,
        audit: false,
        open: false,
        when: None,
        session_ttl: Duration::ZERO,
        unknown: crate::config::OnUnknown::Look,
        body: Body::Spot(vec![Arc::new(Word("ann@example.com"))]),
        cost: "",
    };
    let safe = Arc::new(Safe::new().expect("randomness"));
    let mut desk = Desk::new(Arc::new(Set::of(vec![Arc::new(guard)])), safe, Vault::default());
    if action == Tokenize {
        desk.request(Speech::User, Fold::Text, "ann@example.com").expect("nothing blocks");
    }
    desk
}

fn run(api: Api, action: GuardAction, pieces: &[&[u8]]) -> (String, bool) {
    let (mut desk, mut stream, mut out) = (desk(action), Streamed::new(api), Vec::new());
    let mut refused = false;
    for piece in pieces {
        if !refused {
            refused = stream.push(&mut desk, &Bytes::copy_from_slice(piece), &mut out).is_err();
        }
    }
    if !refused {
        refused = stream.finish(&mut desk, &mut out).is_err();
    }
    if refused {
        let id = IdSource::from_os().expect("randomness").next(1);
        out.extend_from_slice(&stream.ending(&Ends { id, model: "fast", now_s: 1_700_000_000 }));
    }
    (String::from_utf8(out).expect("text"), refused)
}

/// The `data` of every event, and each JSON one of them must be JSON.
fn data(stream: &str) -> Vec<serde_json::Value> {
    let lines = stream.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    lines.map(|data| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))).collect()
}

fn chat(texts: &[&str]) -> String {
    let mut stream = String::new();
    for (at, text) in texts.iter().enumerate() {
        let text = serde_json::to_string(text).expect("text");
        stream.push_str(&format!(
            r#"data: {{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{{"index":0,"delta":{{"content":{text}}},"logprobs":null,"finish_reason":null}}],"n":{at}}}"#
        ));
        stream.push_str("\n\n");
    }
    stream.push_str(concat!(
        r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        "\n\ndata: [DONE]\n\n"
    ));
    stream
}

fn chat_text(stream: &str) -> String {
    let of =
        |event: &serde_json::Value| event["choices"][0]["delta"]["content"].as_str().unwrap_or_default().to_owned();
    data(stream).iter().map(of).collect()
}

#[test]
fn a_stream_without_finds_passes_byte_for_byte() {
    let stream = chat(&["Hello", " there, ", "you"]);
    assert_eq!(run(Api::ChatCompletions, Redact, &[stream.as_bytes()]).0, stream);
}

#[test]
fn what_is_held_back_goes_out_before_the_end() {
    let (out, _) = run(Api::ChatCompletions, Redact, &[chat(&["write to ann@exa"]).as_bytes()]);
    assert_eq!(chat_text(&out), "write to ann@exa");
    assert_eq!(data(&out).len(), 3, "one event was put in: {out}");
    assert!(out.ends_with("data: [DONE]\n\n"), "{out}");
}

#[test]
fn a_refused_stream_ends_with_the_refusal_of_its_dialect() {
    let (out, refused) = run(Api::ChatCompletions, Block, &[chat(&["write to ann@exa", "mple.com now"]).as_bytes()]);
    assert!(refused);
    assert_eq!(chat_text(&out), "write to ");
    assert_eq!(data(&out).last().expect("an end")["choices"][0]["finish_reason"], "content_filter");
    assert!(out.ends_with("data: [DONE]\n\n") && !out.contains("mple.com"), "{out}");
}

const CHOICES: &str = concat!(
    r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"to ann@exam"},"logprobs":{"content":[{"token":"ann@exam"}]},"finish_reason":null},{"index":1,"delta":{"tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"mail","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"total_tokens":3}}"#,
    "\n\n",
    r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    "\n\ndata: [DONE]\n\n"
);

#[test]
fn an_event_that_is_put_in_says_its_text_and_nothing_else_again() {
    let (out, _) = run(Api::ChatCompletions, Redact, &[CHOICES.as_bytes()]);
    let events = data(&out);
    assert_eq!(events.len(), 3, "{out}");
    let put_in = serde_json::json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": {"content": "ann@exam"}}]});
    assert_eq!(events[1], put_in);
    assert_eq!(out.matches("mail").count(), 1, "a call is told once: {out}");
}

const PARTS: &str = concat!(
    r#"data: {"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"to ann@exam"},{"functionCall":{"name":"mail","args":{"a":1}}}]}}],"responseId":"r"}"#,
    "\n\n",
    r#"data: {"candidates":[{"index":0,"finishReason":"STOP"}],"responseId":"r"}"#,
    "\n\n"
);

#[test]
fn a_call_beside_a_text_is_told_once_and_stays_json() {
    let (out, _) = run(Api::Generate, Redact, &[PARTS.as_bytes()]);
    let events = data(&out);
    assert_eq!((events.len(), out.matches("functionCall").count()), (3, 1), "{out}");
    assert_eq!(events[1]["candidates"][0]["content"]["parts"], serde_json::json!([{"text": "ann@exam"}]));
    let (out, refused) = run(Api::Generate, Block, &[PARTS.replace("ann@exam", "ann@example.com!").as_bytes()]);
    assert!(refused && !out.contains("functionCall") && !out.contains("ann@"), "{out}");
    assert_eq!(data(&out)[0]["candidates"][0]["content"]["parts"], serde_json::json!([{"text": "to "}]), "{out}");
}

#[test]
fn probabilities_do_not_tell_what_is_held_back_or_refused() {
    let token = |text: &str| {
        format!(
            r#"data: {{"id":"c","choices":[{{"index":0,"delta":{{"content":"{text}"}},"logprobs":{{"content":[{{"token":"{text}"}}]}},"finish_reason":null}}]}}"#
        ) + "\n\n"
    };
    let stream = [token("to "), token("ann@exam"), token("ple.com"), token("!")].concat();
    for action in [Block, Redact, Tokenize] {
        let (out, _) = run(Api::ChatCompletions, action, &[stream.as_bytes()]);
        assert!(!out.contains("ann@") && !out.contains("ple.com"), "{action:?}: {out}");
    }
}

#[test]
fn values_come_back_in_the_answer() {
    let (out, _) = run(Api::ChatCompletions, Tokenize, &[chat(&["to <EMA", "IL_1", ">!"]).as_bytes()]);
    assert_eq!(chat_text(&out), "to ann@example.com!");
}

const RESPONSES: &str = concat!(
    "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"r\",\"output\":[]}}\n\n",
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"item_id\":\"i\",\"output_index\":0,\"content_index\":0,\"delta\":\"to ann@example.com and ann@\"}\n\n",
    "event: response.output_text.done\ndata: {\"type\":\"response.output_text.done\",\"sequence_number\":2,\"item_id\":\"i\",\"output_index\":0,\"content_index\":0,\"text\":\"to ann@example.com and ann@\"}\n\n",
    "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":3,\"response\":{\"id\":\"r\",\"status\":\"completed\",\"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"to ann@example.com and ann@\"}]}]}}\n\n",
);

#[test]
fn events_that_tell_a_text_again_tell_it_as_it_went_out_and_numbers_go_on() {
    let (out, _) = run(Api::Responses, Redact, &[RESPONSES.as_bytes()]);
    let events = data(&out);
    let numbers: Vec<u64> = events.iter().map(|event| event["sequence_number"].as_u64().expect("a number")).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4], "{out}");
    let deltas: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(deltas, "to [EMAIL] and ann@");
    assert_eq!(events[3]["text"], "to [EMAIL] and ann@");
    assert_eq!(events[4]["response"]["output"][0]["content"][0]["text"], "to [EMAIL] and ann@");
}

const MESSAGES: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"c\",\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"mail\",\"input\":{}}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"to\\\":\\\"ann@exam\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"ple.com\\\",\\\"n\\\":1}\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":9}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

#[test]
fn arguments_of_tools_stay_json() {
    let (out, _) = run(Api::Messages, Redact, &[MESSAGES.as_bytes()]);
    let source: String =
        data(&out).iter().filter_map(|event| event["delta"]["partial_json"].as_str().map(str::to_owned)).collect();
    assert_eq!(source, r#"{"to":"[EMAIL]","n":1}"#);
    assert!(out.ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"), "{out}");
}

proptest! {
    /// Where the network cuts a stream changes nothing of what comes out.
    #[test]
    fn cuts_of_the_network_do_not_matter(
        cuts in proptest::collection::vec(0_usize..2_000, 0..5),
        which in 0_usize..3,
        action in prop_oneof![Just(Redact), Just(Block), Just(Tokenize)],
    ) {
        let chat = chat(&["to ann@", "example.com, <EMAIL", "_1> and ann@example.", "com"]);
        let (api, stream) = [
            (Api::ChatCompletions, &*chat),
            (Api::Responses, RESPONSES),
            (Api::Messages, MESSAGES),
        ][which];
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream.as_bytes()[pair[0]..pair[1]]).collect();
        let strip = |out: (String, bool)| (data(&out.0).len(), if out.1 { String::new() } else { out.0 }, out.1);
        prop_assert_eq!(strip(run(api, action, &pieces)), strip(run(api, action, &[stream.as_bytes()])));
    }

    /// However a model cuts its text into events, the client reads the same.
    #[test]
    fn cuts_of_the_model_do_not_matter(cuts in proptest::collection::vec(0_usize..40, 0..6)) {
        let text = "to ann@example.com, <EMAIL_1>, ann@exa";
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&str> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        let (out, _) = run(Api::ChatCompletions, Tokenize, &[chat(&pieces).as_bytes()]);
        prop_assert_eq!(chat_text(&out), "to [EMAIL], ann@example.com, ann@exa");
    }
}
