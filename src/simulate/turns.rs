//! The order of turns that Gemini and Bedrock insist on. A request that breaks it is refused as they refuse it, since a
//! gateway that translates from APIs without such rules must keep them.

use super::cohere;
use super::mistral;
use super::refusal::Refusal;
use super::target::Wire;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Conversation<'a> {
    #[serde(borrow, default, alias = "contents")]
    messages: Vec<Turn<'a>>,
    #[serde(default, rename = "toolConfig")]
    tool_config: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow, default)]
    role: Option<Cow<'a, str>>,
    #[serde(borrow, default, alias = "parts")]
    content: Vec<Part<'a>>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(default, rename = "functionCall", alias = "function_call", alias = "toolUse")]
    call: Option<IgnoredAny>,
    #[serde(default, rename = "functionResponse", alias = "function_response", alias = "toolResult")]
    result: Option<IgnoredAny>,
}

impl Turn<'_> {
    fn calls(&self) -> usize {
        self.content.iter().filter(|part| part.call.is_some()).count()
    }

    fn results(&self) -> usize {
        self.content.iter().filter(|part| part.result.is_some()).count()
    }
}

/// # Errors
///
/// When the conversation is in an order, or of a form, that the provider refuses.
pub(super) fn check(wire: Wire, body: &[u8]) -> Result<(), Refusal> {
    let rules = match wire {
        Wire::OpenAi | Wire::Anthropic | Wire::OAuth => return Ok(()),
        Wire::Detail => return mistral::check(body),
        Wire::VertexClaude => return vertex_claude(body),
        Wire::Cohere => return cohere::check(body),
        Wire::Gemini | Wire::Vertex => gemini,
        Wire::Bedrock => bedrock,
    };
    let conversation: Conversation<'_> = serde_json::from_slice(body)
        .map_err(|error| Refusal::bad(format!("The conversation cannot be read: {error}"), None))?;
    rules(&conversation).map_or(Ok(()), |told| Err(Refusal::bad(told, None)))
}

/// The model stands in the path, and the version in the body:
/// <https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai>.
fn vertex_claude(body: &[u8]) -> Result<(), Refusal> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    match body.get("anthropic_version").and_then(Value::as_str) {
        None => return Err(Refusal::missing("anthropic_version", Wire::VertexClaude)),
        // The official SDKs send the second since their major version 2.
        Some("vertex-2023-10-16" | "2026-10-21") => {}
        Some(other) => {
            let message =
                format!("anthropic_version: Input should be 'vertex-2023-10-16' or '2026-10-21', not '{other}'");
            return Err(Refusal::bad(message, None));
        }
    }
    match body.get("model") {
        Some(_) => Err(Refusal::unknown("model", Wire::VertexClaude)),
        None => Ok(()),
    }
}

/// Calls of one turn are answered all at once in the next: <https://github.com/google-gemini/gemini-cli/issues/5443>,
/// <https://ai.google.dev/gemini-api/docs/function-calling#parallel_function_calling>.
fn gemini(conversation: &Conversation<'_>) -> Option<String> {
    let turns = &conversation.messages;
    let first = turns.first().map_or(0, Turn::results);
    let mut pairs = turns.iter().zip(turns.iter().skip(1)).map(|(turn, next)| (turn.calls(), next.results()));
    if first > 0 || pairs.clone().any(|(calls, results)| calls == 0 && results > 0) {
        return Some(
            "Please ensure that function response turn comes immediately after a function call turn.".to_owned(),
        );
    }
    pairs.any(|(calls, results)| calls != results).then(|| {
        "Please ensure that the number of function response parts is equal to the number of function call parts of the \
         function call turn."
            .to_owned()
    })
}

/// The user begins, roles alternate, calls are answered in the next turn, no text is blank, and tools that were used are
/// declared: <https://github.com/langchain-ai/langchain-aws/issues/192>,
/// <https://docs.aws.amazon.com/bedrock/latest/userguide/tool-use-inference-call.html>.
fn bedrock(conversation: &Conversation<'_>) -> Option<String> {
    let turns = &conversation.messages;
    if turns.first().is_some_and(|turn| turn.role.as_deref() != Some("user")) {
        return Some("A conversation must start with a user message. Try again with one that does.".to_owned());
    }
    let pairs = || turns.iter().zip(turns.iter().skip(1));
    if pairs().any(|(turn, next)| turn.role == next.role) {
        return Some("A conversation must alternate between user and assistant roles.".to_owned());
    }
    for (at, turn) in turns.iter().enumerate() {
        let blank = |part: &Part<'_>| part.text.as_deref().is_some_and(|text| text.trim().is_empty());
        if let Some(part) = turn.content.iter().position(blank) {
            return Some(format!(
                "The text field in the ContentBlock object at messages.{at}.content.{part} is blank."
            ));
        }
        if turn.content.is_empty() {
            return Some(format!("The content field in the Message object at messages.{at} is empty."));
        }
    }
    let used = turns.iter().any(|turn| turn.calls() + turn.results() > 0);
    if used && conversation.tool_config.is_none() {
        return Some(
            "The toolConfig field must be defined when using toolUse and toolResult content blocks.".to_owned(),
        );
    }
    let uneven = pairs().position(|(turn, next)| turn.calls() != next.results())?;
    Some(format!("Expected as many toolResult blocks at messages.{}.content as toolUse blocks before.", uneven + 1))
}

#[cfg(test)]
mod tests {
    use super::{Wire, check};
    use serde_json::{Value, json};

    fn told(wire: Wire, turns: Value) -> String {
        let member = if wire == Wire::Gemini { "contents" } else { "messages" };
        let body = json!({member: turns, "toolConfig": {"tools": []}}).to_string();
        check(wire, body.as_bytes()).err().map(|refusal| refusal.message).unwrap_or_default()
    }

    #[test]
    fn gemini_wants_all_calls_of_a_turn_answered_in_the_next() {
        let user = json!({"role": "user", "parts": [{"text": "a"}]});
        let call = json!({"functionCall": {"name": "f"}});
        let calls = json!({"role": "model", "parts": [call, call]});
        let result = json!({"functionResponse": {"name": "f"}});
        let (both, one) = (json!({"role": "user", "parts": [result, result]}), json!({"parts": [result]}));
        let cases = [
            (json!([user, user]), ""),
            (json!([user, calls]), ""),
            (json!([user, calls, both, user]), ""),
            (json!([user, calls, one, one]), "comes immediately after"),
            (json!([user, calls, one]), "equal to the number"),
            (json!([user, calls, user]), "equal to the number"),
            (json!([both]), "comes immediately after"),
        ];
        for (turns, want) in cases {
            let told = told(Wire::Gemini, turns.clone());
            assert!(told.contains(want) && told.is_empty() == want.is_empty(), "{turns}: {told}");
        }
    }

    #[test]
    fn bedrock_wants_turns_that_alternate_and_calls_that_are_answered() {
        let user = json!({"role": "user", "content": [{"text": "a"}]});
        let model = json!({"role": "assistant", "content": [{"text": "b"}]});
        let calls = json!({"role": "assistant", "content": [{"text": "b"}, {"toolUse": {}}, {"toolUse": {}}]});
        let one = json!({"role": "user", "content": [{"toolResult": {}}]});
        let both = json!({"role": "user", "content": [{"toolResult": {}}, {"toolResult": {}}, {"text": "c"}]});
        let cases = [
            (json!([]), ""),
            (json!([user, model, user]), ""),
            (json!([user, calls, both]), ""),
            (json!([model, user]), "start with a user"),
            (json!([user, user]), "alternate"),
            (json!([user, calls, one]), "messages.2.content"),
            (json!([user, model, one]), "messages.2.content"),
            (json!([{"role": "user", "content": [{"text": " "}]}]), "messages.0.content.0 is blank"),
            (json!([{"role": "user", "content": []}]), "is empty"),
        ];
        for (turns, want) in cases {
            let told = told(Wire::Bedrock, turns.clone());
            assert!(told.contains(want) && told.is_empty() == want.is_empty(), "{turns}: {told}");
        }
        let undeclared = json!({"messages": [user, calls, both]}).to_string();
        assert!(check(Wire::Bedrock, undeclared.as_bytes()).is_err());
        assert!(check(Wire::OpenAi, b"no JSON").is_ok());
    }
}
