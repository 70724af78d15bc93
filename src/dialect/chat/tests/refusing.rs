//! What cannot be served, and what is said of it.

use super::{json, try_decode, with};

#[test]
fn what_is_wrong_is_told_with_its_path() {
    let message = |message| json!({"messages": [message]});
    let part = |part| json!({"messages": [{"role": "user", "content": [part]}]});
    // (members, param, a piece of the message)
    let cases = [
        (json!({"messages": []}), "messages", "at least one"),
        (json!({"messages": "hi"}), "messages", "must be an array, not a string"),
        (message(json!("hi")), "messages[0]", "must be an object"),
        (message(json!({"content": "hi"})), "messages[0].role", "is missing"),
        (message(json!({"role": "king", "content": "hi"})), "messages[0].role", "`developer`"),
        (message(json!({"role": "user"})), "messages[0].content", "is missing"),
        (message(json!({"role": "user", "content": []})), "messages[0].content", "at least one"),
        (message(json!({"role": "user", "content": 1})), "messages[0].content", "not a number"),
        (message(json!({"role": "tool", "content": "x"})), "messages[0].tool_call_id", "is missing"),
        (
            message(json!({"role": "assistant", "tool_calls": [{"type": "function"}]})),
            "messages[0].tool_calls[0].id",
            "id",
        ),
        (part(json!({"type": "hologram"})), "messages[0].content[0].type", "`image_url`"),
        (part(json!({"type": "text"})), "messages[0].content[0].text", "is missing"),
        (part(json!({"type": "refusal", "refusal": "no"})), "messages[0].content[0]", "role"),
        (part(json!({"type": "image_url", "image_url": {}})), "messages[0].content[0].image_url.url", "is missing"),
        (
            part(json!({"type": "image_url", "image_url": {"url": "data:,x"}})),
            "messages[0].content[0].image_url",
            "base64",
        ),
        (part(json!({"type": "file", "file": {}})), "messages[0].content[0].file", "`file_data`"),
        (json!({"temperature": "hot"}), "temperature", "must be a number, not a string"),
        (json!({"seed": 1.5}), "seed", "must be an integer"),
        (json!({"stop": [1]}), "stop[0]", "must be a string"),
        (json!({"top_logprobs": 2}), "top_logprobs", "`logprobs`"),
        (json!({"reasoning_effort": "huge"}), "reasoning_effort", "`xhigh`"),
        (json!({"response_format": {"type": "xml"}}), "response_format.type", "`json_schema`"),
        (json!({"response_format": {"type": "json_schema"}}), "response_format.json_schema", "is missing"),
        (json!({"tools": [{"type": "function"}]}), "tools[0].function", "is missing"),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]}),
            "tools[0].function.parameters",
            "Schema",
        ),
        (json!({"tool_choice": "any"}), "tool_choice", "`required`"),
        (json!({"metadata": {"k": 1}}), "metadata.k", "must be a string"),
        (json!({"logit_bias": []}), "logit_bias", "must be an object"),
        (json!({"modalities": ["smell"]}), "modalities[0]", "`audio`"),
        (json!({"stream_options": 1}), "stream_options", "must be an object"),
    ];
    for (members, param, piece) in cases {
        let error = try_decode(with(members.clone()).to_string().as_bytes()).expect_err("it is wrong");
        assert_eq!(error.param.as_deref(), Some(param), "{members}");
        assert!(error.message.starts_with(&format!("`{param}`")) && error.message.contains(piece), "{}", error.message);
    }
}
