//! What Mistral refuses of a chat, from its public reference: <https://docs.mistral.ai/api/endpoint/chat>. All else is as
//! OpenAI has it.

use super::refusal::Refusal;
use hyper::StatusCode;
use serde_json::Value;

/// The members of a request; any other is refused.
const MEMBERS: [&str; 23] = [
    "model",
    "messages",
    "temperature",
    "top_p",
    "max_tokens",
    "stream",
    "stop",
    "random_seed",
    "metadata",
    "response_format",
    "tools",
    "tool_choice",
    "presence_penalty",
    "frequency_penalty",
    "n",
    "prediction",
    "parallel_tool_calls",
    "prompt_mode",
    "reasoning_effort",
    "guardrails",
    "safe_prompt",
    "prompt_cache_key",
    "min_tokens",
];

/// # Errors
///
/// When a member is unknown, or the last message is none that can be answered.
pub(super) fn check(body: &[u8]) -> Result<(), Refusal> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut members = body.as_object().into_iter().flatten();
    if let Some((name, _)) = members.find(|(name, _)| !MEMBERS.contains(&name.as_str())) {
        return Err(unprocessable(format!("body.{name}: Extra inputs are not permitted (extra_forbidden)")));
    }
    let messages = body.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let roles = ["system", "user", "assistant", "tool"];
    let role = |message: &Value| message.get("role").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(at) = messages.iter().position(|message| !roles.contains(&role(message).as_str())) {
        return Err(unprocessable(format!("body.messages.{at}.role: Input should be one of {roles:?}")));
    }
    let last = messages.last().filter(|last| role(last) == "assistant");
    if last.is_some_and(|last| last.get("prefix") != Some(&Value::Bool(true))) {
        let told = "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant";
        return Err(Refusal::bad(told, None));
    }
    Ok(())
}

fn unprocessable(told: String) -> Refusal {
    Refusal { status: StatusCode::UNPROCESSABLE_ENTITY, ..Refusal::bad(told, None) }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn members_that_only_openai_has_are_refused() {
        let good = r#"{"model":"m","messages":[{"role":"user","content":"a"}],"random_seed":1}"#;
        assert!(check(good.as_bytes()).is_ok());
        for bad in [
            r#"{"model":"m","messages":[],"seed":1}"#,
            r#"{"model":"m","messages":[],"stream_options":{"include_usage":true}}"#,
            r#"{"model":"m","messages":[],"max_completion_tokens":1}"#,
            r#"{"model":"m","messages":[{"role":"developer","content":"a"}]}"#,
            r#"{"model":"m","messages":[{"role":"assistant","content":"a"}]}"#,
        ] {
            assert!(check(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
