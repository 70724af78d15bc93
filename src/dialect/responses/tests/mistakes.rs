//! Requests that nobody could translate: each mistake names its place.

use super::decode;
use serde_json::{Value, json};

#[test]
fn a_member_of_the_wrong_kind_is_named_with_its_path() {
    let part = |part: Value| json!({"input": [{"role": "user", "content": [part]}]});
    let rows = [
        (json!({}), "input"),
        (json!({"input": 3}), "input"),
        (json!({"input": [3]}), "input[0]"),
        (json!({"input": [{"content": "x"}]}), "input[0].type"),
        (json!({"input": [{"role": "robot", "content": "x"}]}), "input[0].role"),
        (json!({"input": [{"role": "user"}]}), "input[0].content"),
        (json!({"input": [{"role": "user", "content": {}}]}), "input[0].content"),
        (json!({"input": [{"type": 3}]}), "input[0].type"),
        (part(json!({"type": "hologram"})), "input[0].content[0].type"),
        (part(json!({"type": "input_text"})), "input[0].content[0].text"),
        (part(json!({"type": "input_image"})), "input[0].content[0].image_url"),
        (part(json!({"type": "input_image", "image_url": {"url": "x"}})), "input[0].content[0].image_url"),
        (part(json!({"type": "input_image", "image_url": "data:image/png,x"})), "input[0].content[0].image_url"),
        (part(json!({"type": "input_file", "filename": "x"})), "input[0].content[0].file_data"),
        (part(json!({"type": "input_audio"})), "input[0].content[0].input_audio"),
        (
            part(json!({"type": "input_audio", "input_audio": {"format": "../x", "data": ""}})),
            "input[0].content[0].input_audio.format",
        ),
        (json!({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}), "input[0].call_id"),
        (
            json!({"input": [{"type": "function_call", "name": "f", "call_id": "c", "arguments": {}}]}),
            "input[0].arguments",
        ),
        (json!({"input": [{"type": "function_call_output", "call_id": "c"}]}), "input[0].output"),
        (json!({"input": [{"type": "reasoning", "summary": "x"}]}), "input[0].summary"),
        (json!({"input": "x", "instructions": ["x"]}), "instructions"),
        (json!({"input": "x", "temperature": "hot"}), "temperature"),
        (json!({"input": "x", "top_logprobs": 1.5}), "top_logprobs"),
        (json!({"input": "x", "reasoning": "high"}), "reasoning"),
        (json!({"input": "x", "reasoning": {"effort": "heroic"}}), "reasoning.effort"),
        (json!({"input": "x", "text": {"format": {"type": "xml"}}}), "text.format.type"),
        (json!({"input": "x", "text": {"format": {"type": "json_schema", "name": "n"}}}), "text.format.schema"),
        (
            json!({"input": "x", "text": {"format": {"type": "json_schema", "name": "n", "schema": []}}}),
            "text.format.schema",
        ),
        (json!({"input": "x", "tools": [{"name": "f"}]}), "tools[0].type"),
        (json!({"input": "x", "tools": [{"type": "function", "function": {"name": "f"}}]}), "tools[0].name"),
        (json!({"input": "x", "tools": [{"type": "function", "name": "f", "parameters": []}]}), "tools[0].parameters"),
        (json!({"input": "x", "tool_choice": "any"}), "tool_choice"),
        (json!({"input": "x", "tool_choice": 1}), "tool_choice"),
        (json!({"input": "x", "tool_choice": {"type": "allowed_tools", "mode": "none"}}), "tool_choice.mode"),
        (json!({"input": "x", "parallel_tool_calls": "no"}), "parallel_tool_calls"),
        (json!({"input": "x", "include": [1]}), "include[0]"),
        (json!({"input": "x", "metadata": {"a": 1}}), "metadata"),
        (json!({"input": "x", "store": "no"}), "store"),
    ];
    for (mut body, param) in rows {
        body["model"] = json!("m");
        let error = decode(&body).expect_err(&body.to_string());
        assert_eq!(error.param.as_deref(), Some(param), "{body}");
        assert!(error.message.contains(param), "{}", error.message);
    }
}
