//! What is a question, what is not, and that everything else stays as it stands.

use super::*;
use serde_json::{Value, json};

const MOST: usize = 64;

fn split_of(api: Api, body: &Value) -> Result<Question, NotCompared> {
    question(api, body.to_string().as_bytes(), MOST)
}

#[test]
fn only_the_last_message_is_taken_out_whoever_made_the_api() {
    let rows = [
        (
            Api::ChatCompletions,
            json!({"model": "m", "messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "why?"}]}),
            "why?",
        ),
        (
            Api::ChatCompletions,
            json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": null, "refusal": "no"},
                {"role": "user", "content": [{"type": "text", "text": "one \"two\""}, {"type": "text", "text": "three"}]}]}),
            "one \"two\"\nthree",
        ),
        (
            Api::Messages,
            json!({"system": "s", "messages": [{"role": "user", "content": "a"},
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "text", "text": "b"}]},
                {"role": "user", "content": [{"type": "text", "text": "c", "cache_control": {"type": "ephemeral"}}]}]}),
            "c",
        ),
        (Api::Responses, json!({"input": "hi there", "previous_response_id": null}), "hi there"),
        (
            Api::Responses,
            json!({"input": [{"role": "user", "content": "a"}, {"type": "message", "role": "assistant",
                "content": [{"type": "output_text", "text": "b"}]},
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "c"}]}]}),
            "c",
        ),
        (
            Api::Generate,
            json!({"contents": [{"parts": [{"text": "a"}]}, {"role": "model", "parts": [{"text": "b", "thoughtSignature": "x"}]},
                {"role": "user", "parts": [{"text": "c"}, {"text": "d"}]}]}),
            "c\nd",
        ),
    ];
    for (api, body, want) in rows {
        let question = split_of(api, &body).unwrap_or_else(|why| panic!("{body}: {why}"));
        assert_eq!(question.text, want, "{body}");
        let parts: Vec<String> = want.split('\n').map(|part| json!(part).to_string()).collect();
        let mut rest = body.to_string();
        for part in parts {
            let at = rest.rfind(&part).expect("it is there");
            rest.replace_range(at..at + part.len(), "\"\"");
        }
        assert_eq!(String::from_utf8(question.rest).expect("text"), rest, "{body}");
    }
}

#[test]
fn what_is_more_than_a_plain_text_of_the_user_is_not_compared() {
    let user = |content: Value| json!({"role": "user", "content": content});
    let chat = |turns: Value| json!({ "messages": turns });
    let image = json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}});
    use NotCompared::{Continued, Empty, MoreThanText, NoConversation, NotPlain, TooLong};
    let rows = [
        (Api::Embeddings, json!({"input": "a"}), NoConversation),
        (Api::Completions, json!({"prompt": "a"}), NoConversation),
        (Api::ChatCompletions, json!({}), NotPlain),
        (Api::ChatCompletions, chat(json!([])), NotPlain),
        (Api::ChatCompletions, chat(json!([user(json!(" \n"))])), Empty),
        (Api::ChatCompletions, chat(json!([user(json!("x".repeat(MOST + 1)))])), TooLong(MOST)),
        (Api::ChatCompletions, chat(json!([user(json!([{"type": "text", "text": "what is it?"}, image]))])), NotPlain),
        (Api::ChatCompletions, chat(json!([user(json!([image])), user(json!("what is it?"))])), MoreThanText),
        (Api::ChatCompletions, chat(json!([user(json!("a")), {"role": "assistant", "content": "b"}])), NotPlain),
        (
            Api::ChatCompletions,
            chat(json!([{"role": "tool", "tool_call_id": "1", "content": "2"}, user(json!("a"))])),
            MoreThanText,
        ),
        (
            Api::ChatCompletions,
            chat(json!([user(json!("a")), {"role": "tool", "tool_call_id": "1", "content": "2"}])),
            NotPlain,
        ),
        (
            Api::Messages,
            chat(json!([user(
                json!([{"type": "tool_result", "tool_use_id": "1", "content": "2"}, {"type": "text", "text": "a"}])
            )])),
            NotPlain,
        ),
        (
            Api::Messages,
            chat(json!([user(json!([{"type": "document", "source": {"type": "text"}}])), user(json!("a"))])),
            MoreThanText,
        ),
        (Api::Responses, json!({"input": "a", "previous_response_id": "resp_1"}), Continued),
        (
            Api::Responses,
            json!({"input": [{"type": "function_call_output", "call_id": "1", "output": "2"}, user(json!("a"))]}),
            MoreThanText,
        ),
        (
            Api::Responses,
            json!({"input": [user(json!("a")), {"type": "function_call_output", "call_id": "1", "output": "2"}]}),
            NotPlain,
        ),
        (Api::Generate, json!({"contents": [{"parts": [{"text": "a"}, {"inlineData": {"data": "AA=="}}]}]}), NotPlain),
        (
            Api::Generate,
            json!({"contents": [{"parts": [{"functionResponse": {"name": "f"}}]}, {"parts": [{"text": "a"}]}]}),
            MoreThanText,
        ),
        (
            Api::Generate,
            json!({"contents": [{"parts": [{"text": "a"}]}], "cachedContent": "cachedContents/1"}),
            Continued,
        ),
    ];
    for (api, body, want) in rows {
        assert_eq!(split_of(api, &body), Err(want), "{body}");
    }
}

#[test]
fn a_text_is_measured_and_taken_out_as_it_is_meant_not_as_it_is_written() {
    let body = br#"{ "messages" : [ {"content":"h\u0069 \ud83d\ude00", "role":"us\u0065r"} ] }"#;
    let question = question(Api::ChatCompletions, body, 7).expect("seven bytes");
    assert_eq!(question.text, "hi 😀");
    assert_eq!(question.rest, br#"{ "messages" : [ {"content":"", "role":"us\u0065r"} ] }"#);
    assert_eq!(super::question(Api::ChatCompletions, body, 6), Err(NotCompared::TooLong(6)));
}
