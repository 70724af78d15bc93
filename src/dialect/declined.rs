//! Whether an answer says that the provider's or the model's policy forbids one, as each dialect has it.
//!
//! Read in the client's dialect, in which a translated answer is told by then, too. A text of the model that says so in its own words
//! is an answer like any other.

use crate::model::Api;
use serde::Deserialize;
use serde_json::Value;

/// What a part of an answer says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is declined.
    Declined,
    /// It has content.
    Content,
    /// Neither.
    Nothing,
}

/// Whether the whole answer `body` is declined: all of it, where several were asked for. False too for what cannot be read.
pub fn whole(api: Api, body: &[u8]) -> bool {
    match api {
        Api::ChatCompletions | Api::Completions => read::<Choices>(body).is_some_and(|answer| answer.is_declined()),
        Api::Messages => read::<Message>(body).is_some_and(|message| message.stop_reason.as_deref() == Some(REFUSAL)),
        Api::Generate => read::<Generated>(body).is_some_and(|answer| answer.is_declined()),
        Api::Responses => read::<Response>(body).is_some_and(|response| response.is_declined()),
        _ => false,
    }
}

/// What an event of a stream says, by its data.
pub fn event(api: Api, data: &[u8]) -> Told {
    let told = match api {
        Api::ChatCompletions | Api::Completions => read::<Choices>(data).map(|chunk| chunk.told()),
        Api::Messages => read::<MessageEvent>(data).map(|event| event.told()),
        Api::Generate => read::<Generated>(data).map(|piece| piece.told()),
        Api::Responses => read::<ResponseEvent>(data).map(|event| event.told()),
        _ => None,
    };
    told.unwrap_or(Told::Nothing)
}

const FILTERED: &str = "content_filter";
const REFUSAL: &str = "refusal";

fn read<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Option<T> {
    serde_json::from_slice(data).ok()
}

/// Something is there, and says something.
fn says(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(_) => true,
    }
}

/// A chat completion or a chunk of one, or a completion.
#[derive(Deserialize)]
struct Choices {
    #[serde(default)]
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    finish_reason: Option<String>,
    /// Of an answer that came whole it is called `message`.
    #[serde(alias = "message")]
    delta: Option<Delta>,
    text: Option<Value>,
}

#[derive(Deserialize)]
struct Delta {
    refusal: Option<Value>,
    content: Option<Value>,
    tool_calls: Option<Value>,
    function_call: Option<Value>,
    reasoning_content: Option<Value>,
    reasoning: Option<Value>,
    audio: Option<Value>,
}

impl Choice {
    fn is_declined(&self) -> bool {
        let refused = self.delta.as_ref().is_some_and(|delta| says(delta.refusal.as_ref()));
        refused || self.finish_reason.as_deref() == Some(FILTERED)
    }

    fn has_content(&self) -> bool {
        let delta = self.delta.as_ref().is_some_and(|delta| {
            let Delta { refusal: _, content, tool_calls, function_call, reasoning_content, reasoning, audio } = delta;
            let all = [content, tool_calls, function_call, reasoning_content, reasoning, audio];
            all.into_iter().any(|one| says(one.as_ref()))
        });
        delta || says(self.text.as_ref())
    }
}

impl Choices {
    fn is_declined(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(Choice::is_declined)
    }

    fn told(&self) -> Told {
        match () {
            () if self.choices.iter().any(Choice::has_content) => Told::Content,
            () if self.choices.iter().any(Choice::is_declined) => Told::Declined,
            () => Told::Nothing,
        }
    }
}

#[derive(Deserialize)]
struct Message {
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
struct MessageEvent {
    #[serde(rename = "type", default)]
    kind: String,
    delta: Option<Message>,
}

impl MessageEvent {
    fn told(&self) -> Told {
        match &*self.kind {
            "message_delta" if self.delta.as_ref().is_some_and(|it| it.stop_reason.as_deref() == Some(REFUSAL)) => {
                Told::Declined
            }
            "content_block_delta" => Told::Content,
            _ => Told::Nothing,
        }
    }
}

/// A `GenerateContentResponse`, which is also what an event is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Generated {
    #[serde(default)]
    candidates: Vec<Candidate>,
    prompt_feedback: Option<Feedback>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    finish_reason: Option<String>,
    content: Option<Content>,
}

#[derive(Deserialize)]
struct Content {
    parts: Option<Value>,
}

impl Candidate {
    /// <https://ai.google.dev/api/generate-content#FinishReason>: those that are about what may be said.
    fn is_declined(&self) -> bool {
        let forbidden = [
            "SAFETY",
            "BLOCKLIST",
            "PROHIBITED_CONTENT",
            "SPII",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "MODEL_ARMOR",
        ];
        self.finish_reason.as_deref().is_some_and(|reason| forbidden.contains(&reason))
    }

    fn has_content(&self) -> bool {
        self.content.as_ref().is_some_and(|content| says(content.parts.as_ref()))
    }
}

impl Generated {
    fn is_blocked(&self) -> bool {
        let reason = self.prompt_feedback.as_ref().and_then(|feedback| feedback.block_reason.as_deref());
        reason.is_some_and(|reason| !matches!(reason, "" | "BLOCK_REASON_UNSPECIFIED"))
    }

    fn is_declined(&self) -> bool {
        self.is_blocked() || !self.candidates.is_empty() && self.candidates.iter().all(Candidate::is_declined)
    }

    fn told(&self) -> Told {
        match () {
            () if self.candidates.iter().any(Candidate::has_content) => Told::Content,
            () if self.is_blocked() || self.candidates.iter().any(Candidate::is_declined) => Told::Declined,
            () => Told::Nothing,
        }
    }
}

#[derive(Deserialize)]
struct Response {
    incomplete_details: Option<Incomplete>,
    #[serde(default)]
    output: Vec<Item>,
}

#[derive(Deserialize)]
struct Incomplete {
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    content: Vec<ItemPart>,
}

#[derive(Deserialize)]
struct ItemPart {
    #[serde(rename = "type", default)]
    kind: String,
}

impl Response {
    fn is_filtered(&self) -> bool {
        self.incomplete_details.as_ref().is_some_and(|details| details.reason.as_deref() == Some(FILTERED))
    }

    /// Beside its reasoning there is nothing but refusals.
    fn is_declined(&self) -> bool {
        let mut said = self.output.iter().filter(|item| item.kind != "reasoning").peekable();
        let refuses = |item: &Item| !item.content.is_empty() && item.content.iter().all(|part| part.kind == REFUSAL);
        self.is_filtered() || said.peek().is_some() && said.all(refuses)
    }
}

#[derive(Deserialize)]
struct ResponseEvent {
    #[serde(rename = "type", default)]
    kind: String,
    response: Option<Response>,
}

impl ResponseEvent {
    fn told(&self) -> Told {
        match &*self.kind {
            "response.refusal.delta" | "response.refusal.done" => Told::Declined,
            "response.incomplete" if self.response.as_ref().is_some_and(Response::is_filtered) => Told::Declined,
            kind if kind.ends_with(".delta") => Told::Content,
            _ => Told::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_answers_that_are_declined_are_told_from_those_that_are_not() {
        let cases = [
            (
                Api::ChatCompletions,
                r#"{"choices":[{"finish_reason":"content_filter","message":{"content":"So"}}]}"#,
                true,
            ),
            (
                Api::ChatCompletions,
                r#"{"choices":[{"finish_reason":"stop","message":{"content":null,"refusal":"No."}}]}"#,
                true,
            ),
            (
                Api::ChatCompletions,
                r#"{"choices":[{"finish_reason":"stop","message":{"content":"refusal","refusal":null}}]}"#,
                false,
            ),
            (
                Api::ChatCompletions,
                r#"{"choices":[{"finish_reason":"content_filter","message":{}},{"finish_reason":"stop","message":{"content":"a"}}]}"#,
                false,
            ),
            (Api::ChatCompletions, r#"{"choices":[]}"#, false),
            (Api::Completions, r#"{"choices":[{"finish_reason":"content_filter","text":""}]}"#, true),
            (Api::Messages, r#"{"stop_reason":"refusal","content":[]}"#, true),
            (Api::Messages, r#"{"stop_reason":"end_turn","content":[]}"#, false),
            (Api::Generate, r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#, true),
            (Api::Generate, r#"{"promptFeedback":{},"candidates":[{"finishReason":"SAFETY"}]}"#, true),
            (Api::Generate, r#"{"candidates":[{"finishReason":"STOP","content":{"parts":[{"text":"a"}]}}]}"#, false),
            (
                Api::Responses,
                r#"{"status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[]}"#,
                true,
            ),
            (
                Api::Responses,
                r#"{"output":[{"type":"reasoning"},{"type":"message","content":[{"type":"refusal","refusal":"No."}]}]}"#,
                true,
            ),
            (Api::Responses, r#"{"output":[{"type":"function_call","name":"f"}]}"#, false),
            (Api::Responses, r#"{"incomplete_details":{"reason":"max_output_tokens"},"output":[]}"#, false),
            (Api::Messages, "no JSON", false),
            (Api::Embeddings, r#"{"stop_reason":"refusal"}"#, false),
        ];
        for (api, body, want) in cases {
            assert_eq!(whole(api, body.as_bytes()), want, "{body}");
        }
    }

    #[test]
    fn events_tell_what_they_bring() {
        use Told::{Content, Declined, Nothing};
        let cases = [
            (Api::ChatCompletions, r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#, Nothing),
            (Api::ChatCompletions, r#"{"choices":[{"delta":{"refusal":"I"}}]}"#, Declined),
            (Api::ChatCompletions, r#"{"choices":[{"delta":{},"finish_reason":"content_filter"}]}"#, Declined),
            (Api::ChatCompletions, r#"{"choices":[{"delta":{"content":"I"}}]}"#, Content),
            (Api::ChatCompletions, "[DONE]", Nothing),
            (Api::Messages, r#"{"type":"message_delta","delta":{"stop_reason":"refusal"}}"#, Declined),
            (Api::Messages, r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#, Content),
            (Api::Messages, r#"{"type":"message_start","message":{"stop_reason":null}}"#, Nothing),
            (Api::Generate, r#"{"candidates":[{"finishReason":"PROHIBITED_CONTENT"}]}"#, Declined),
            (Api::Generate, r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#, Content),
            (Api::Responses, r#"{"type":"response.refusal.delta","delta":"I"}"#, Declined),
            (Api::Responses, r#"{"type":"response.output_text.delta","delta":"I"}"#, Content),
            (
                Api::Responses,
                r#"{"type":"response.incomplete","response":{"incomplete_details":{"reason":"content_filter"}}}"#,
                Declined,
            ),
        ];
        for (api, data, want) in cases {
            assert_eq!(event(api, data.as_bytes()), want, "{data}");
        }
    }
}
