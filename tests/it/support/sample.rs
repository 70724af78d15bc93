//! Requests and answers as the providers' own documentation shows them, and what they are worth.

use super::script::Script;
use super::upstream::Recorded;
use bytes::Bytes;

/// Input tokens of every sample answer that reports any.
pub const INPUT: u64 = 11;
/// Output tokens of every sample answer that reports any.
pub const OUTPUT: u64 = 7;

/// Each call of the data plane that reaches a model: path, a request to `fast` and the provider's answer. Requests
/// carry unknown members, odd spacing and escapes, so that whoever rebuilds instead of editing is found out.
pub const CALLS: [(&str, &str, &str); 6] = [
    (
        "/v1/chat/completions",
        "{ \"zeta\" : [1, 2.50, 1e3], \"model\":\"fast\",\n\t\"messages\": [{\"role\":\"user\",\"content\":\"gr\\u00fc\\u00df \\ud83d\\ude00\"}] ,\"x_new\":{\"b\":1,\"a\":null} }",
        CHAT,
    ),
    ("/v1/completions", "{\"prompt\":\"Say \\\"hi\\\"\", \"model\" : \"fast\", \"echo\":false}", COMPLETION),
    ("/v1/embeddings", "{\"input\":[\"one\",\"two\"],\"model\":\"fast\",\"encoding_format\":\"base64\"}", EMBEDDINGS),
    ("/v1/responses", "{\"model\":\"fast\",\"input\":\"hi\",\"store\":false,\"unknown\":{}}", RESPONSE),
    (
        "/v1/messages",
        "{\"max_tokens\":16,\"model\":\"fast\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"x\":[ ]}",
        MESSAGE,
    ),
    (
        "/v1/messages/count_tokens",
        "{\"model\":\"fast\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
        "{\"input_tokens\":11}",
    ),
];

/// A chat completion.
pub const CHAT: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"upstream-model","choices":[{"index":0,"message":{"role":"assistant","content":"Hello there","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}},"service_tier":"default","system_fingerprint":"fp_1"}"#;
/// A completion of the older kind.
pub const COMPLETION: &str = r#"{"id":"cmpl-1","object":"text_completion","created":1700000000,"model":"upstream-model","choices":[{"text":"hi","index":0,"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}"#;
/// Two embeddings.
pub const EMBEDDINGS: &str = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPw=="},{"object":"embedding","index":1,"embedding":"AACAPw=="}],"model":"upstream-model","usage":{"prompt_tokens":11,"total_tokens":11}}"#;
/// A response.
pub const RESPONSE: &str = r#"{"id":"resp_1","object":"response","created_at":1700000000,"status":"completed","error":null,"incomplete_details":null,"model":"upstream-model","output":[{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hello there","annotations":[]}]}],"usage":{"input_tokens":11,"input_tokens_details":{"cached_tokens":0},"output_tokens":7,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":18}}"#;
/// A message.
pub const MESSAGE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"upstream-model","content":[{"type":"text","text":"Hello there"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":11,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":7}}"#;

/// A chat request to `fast`.
pub const CHAT_ASK: &str = r#"{"model":"fast","messages":[{"role":"user","content":"hi"}]}"#;
/// The same, streamed.
pub const CHAT_STREAM_ASK: &str = r#"{"model":"fast","messages":[{"role":"user","content":"hi"}],"stream":true}"#;
/// The same, streamed, and the client wants to see the usage.
pub const CHAT_USAGE_ASK: &str = r#"{"model":"fast","messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"include_usage":true}}"#;
/// A message request to `fast`.
pub const MESSAGE_ASK: &str = r#"{"model":"fast","max_tokens":16,"messages":[{"role":"user","content":"hi"}]}"#;
/// The same, streamed.
pub const MESSAGE_STREAM_ASK: &str =
    r#"{"model":"fast","max_tokens":16,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

/// The first event of a chat stream: no output yet.
pub const CHAT_ROLE: &str = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n";
/// The event that finishes a choice.
pub const CHAT_FINISH: &str = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":null}\n\n";
/// The usage chunk.
pub const CHAT_USAGE: &str = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,\"total_tokens\":18}}\n\n";
/// The end marker.
pub const CHAT_DONE: &str = "data: [DONE]\n\n";
/// An error inside a chat stream.
pub const CHAT_ERROR: &str = "data: {\"error\":{\"message\":\"overloaded by script\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n";

/// A chat event with this text.
pub fn chat_delta(text: &str) -> String {
    format!(
        "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"logprobs\":null,\"finish_reason\":null}}],\"usage\":null}}\n\n"
    )
}

/// A whole chat stream with usage, as OpenAI sends it when usage was asked for.
pub fn chat_events() -> Vec<String> {
    vec![
        CHAT_ROLE.to_owned(),
        chat_delta("Hel"),
        chat_delta("lo"),
        CHAT_FINISH.to_owned(),
        CHAT_USAGE.to_owned(),
        CHAT_DONE.to_owned(),
    ]
}

/// What of [`chat_events`] a client sees that did not ask for usage: what OpenAI would have sent it.
pub fn chat_events_without_usage() -> Vec<String> {
    let without = |event: String| event.replace(",\"usage\":null}", "}");
    chat_events().into_iter().filter(|event| event != CHAT_USAGE).map(without).collect()
}

/// An Anthropic event.
pub fn message_event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

/// The first event of a message stream: no output yet.
pub fn message_start() -> String {
    message_event(
        "message_start",
        r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":11,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}"#,
    )
}

/// A text delta of a message stream.
pub fn message_delta(text: &str) -> String {
    message_event(
        "content_block_delta",
        &format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#),
    )
}

/// A whole message stream; its usage is cumulative.
pub fn message_events() -> Vec<String> {
    vec![
        message_start(),
        message_event(
            "content_block_start",
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        ),
        message_event("ping", r#"{"type":"ping"}"#),
        message_delta("Hel"),
        message_delta("lo"),
        message_event("content_block_stop", r#"{"type":"content_block_stop","index":0}"#),
        message_event(
            "message_delta",
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":7}}"#,
        ),
        message_event("message_stop", r#"{"type":"message_stop"}"#),
    ]
}

/// An error inside a message stream.
pub fn message_error() -> String {
    message_event("error", r#"{"type":"error","error":{"type":"overloaded_error","message":"overloaded by script"}}"#)
}

/// A whole response stream.
pub fn response_events() -> Vec<String> {
    let event = |name: &str, rest: &str, number: usize| {
        format!("event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":{number},{rest}}}\n\n")
    };
    let open = r#""response":{"id":"resp_1","object":"response","status":"in_progress","output":[],"usage":null}"#;
    let closed = format!(r#""response":{RESPONSE}"#);
    vec![
        event("response.created", open, 0),
        event("response.in_progress", open, 1),
        event(
            "response.output_text.delta",
            r#""item_id":"msg_1","output_index":0,"content_index":0,"delta":"Hello there""#,
            2,
        ),
        event("response.completed", &closed, 3),
    ]
}

/// The completion stream of the older kind, with usage.
pub fn completion_events() -> Vec<String> {
    let chunk = |choices: &str, usage: &str| {
        format!(
            "data: {{\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":1,\"model\":\"m\",\"choices\":[{choices}],\"usage\":{usage}}}\n\n"
        )
    };
    let choice = |text: &str, finish: &str| {
        format!("{{\"text\":\"{text}\",\"index\":0,\"logprobs\":null,\"finish_reason\":{finish}}}")
    };
    vec![
        chunk(&choice("he", "null"), "null"),
        chunk(&choice("llo", "\"stop\""), "null"),
        chunk("", r#"{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}"#),
        CHAT_DONE.to_owned(),
    ]
}

/// A chat request to `fast` whose body has exactly `length` bytes.
pub fn chat_of_length(length: usize) -> Bytes {
    let head = r#"{"model":"fast","messages":[{"role":"user","content":""#;
    let tail = r#""}]}"#;
    let filler = length.checked_sub(head.len() + tail.len()).expect("long enough for an empty message");
    let mut body = String::with_capacity(length);
    body.push_str(head);
    // No two slices alike: a piece that is lost, doubled or moved does not go unseen.
    let mut count = 0_u32;
    while body.len() < head.len() + filler {
        body.push_str(&format!("{count:x}."));
        count += 1;
    }
    body.truncate(head.len() + filler);
    body.push_str(tail);
    Bytes::from(body)
}

/// What the provider must get for the request `body` when the target's model is `model`.
pub fn renamed(body: &[u8], model: &str) -> Bytes {
    let at = memchr::memmem::find(body, b"\"fast\"").expect("every sample asks for `fast`");
    let mut out = body[..at].to_vec();
    out.extend_from_slice(format!("\"{model}\"").as_bytes());
    out.extend_from_slice(&body[at + "\"fast\"".len()..]);
    Bytes::from(out)
}

/// A well-formed answer to whatever was asked.
pub fn proper_answer(request: &Recorded) -> Script {
    let path = request.path();
    let asked: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
    if asked["stream"] == true {
        let events = match path {
            "/v1/messages" => message_events(),
            "/v1/responses" => response_events(),
            "/v1/completions" => completion_events(),
            _ => chat_events(),
        };
        return Script::events(events);
    }
    let answer = CALLS.iter().find(|(call, _, _)| *call == path).map_or(CHAT, |(_, _, answer)| answer);
    Script::json(200, answer)
}
