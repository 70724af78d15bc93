//! A request's body, written piece by piece into one buffer that is large enough from the start: a picture is copied
//! once.

use crate::model::{Chat, Content, Effort, Part, Source, Thinking};
use bytes::Bytes;
use serde::Serialize;

/// JSON that is being written. Commas are set by what stands before.
pub(in crate::providers) struct Body {
    bytes: Vec<u8>,
}

impl Body {
    /// An empty body with room for `chat`.
    pub(in crate::providers) fn with_room_for(chat: &Chat) -> Self {
        let parts = chat.messages.iter().flat_map(|message| &message.parts);
        let tools = chat.tools.iter().map(|tool| tool.parameters.as_ref().map_or(0, |json| json.text().len()) + 256);
        Self { bytes: Vec::with_capacity(1024 + parts.map(room).sum::<usize>() + tools.sum::<usize>()) }
    }

    /// What was written.
    pub(in crate::providers) fn into_bytes(self) -> Bytes {
        Bytes::from(self.bytes)
    }

    /// A comma, where a value or member stands before.
    fn comma(&mut self) {
        if !matches!(self.bytes.last(), None | Some(b'{' | b'[' | b':')) {
            self.bytes.push(b',');
        }
    }

    /// The object that `members` writes.
    pub(in crate::providers) fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.comma();
        self.bytes.push(b'{');
        members(self);
        self.bytes.push(b'}');
    }

    /// The array whose values `values` writes.
    pub(in crate::providers) fn array(&mut self, values: impl FnOnce(&mut Self)) {
        self.comma();
        self.bytes.push(b'[');
        values(self);
        self.bytes.push(b']');
    }

    /// The name of a member; its value comes next.
    pub(in crate::providers) fn key(&mut self, name: &str) -> &mut Self {
        self.value(&name);
        self.bytes.push(b':');
        self
    }

    /// Anything that serializes.
    pub(in crate::providers) fn value(&mut self, value: &impl Serialize) {
        self.comma();
        let before = self.bytes.len();
        if serde_json::to_writer(&mut self.bytes, value).is_err() {
            self.bytes.truncate(before);
            self.bytes.extend_from_slice(b"null");
        }
    }

    /// A member.
    pub(in crate::providers) fn member(&mut self, name: &str, value: &impl Serialize) {
        self.key(name).value(value);
    }

    /// A member, if there is a value.
    pub(in crate::providers) fn maybe(&mut self, name: &str, value: Option<&impl Serialize>) {
        if let Some(value) = value {
            self.member(name, value);
        }
    }

    /// A member that is a number, if there is one that JSON can say.
    pub(in crate::providers) fn number(&mut self, name: &str, value: Option<f64>) {
        self.maybe(name, value.filter(|value| value.is_finite()).as_ref());
    }

    /// Base64 as a text.
    pub(in crate::providers) fn base64(&mut self, base64: &[u8]) {
        self.long_text("", "", base64);
    }

    /// Base64 as a URL that holds it.
    pub(in crate::providers) fn data_url(&mut self, media_type: &str, base64: &[u8]) {
        self.long_text(media_type, ";base64,", base64);
    }

    fn long_text(&mut self, media_type: &str, mark: &str, base64: &[u8]) {
        self.comma();
        self.bytes.push(b'"');
        if !mark.is_empty() {
            self.bytes.extend_from_slice(b"data:");
            self.escaped(media_type.as_bytes());
            self.bytes.extend_from_slice(mark.as_bytes());
        }
        self.escaped(base64);
        self.bytes.push(b'"');
    }

    /// The inside of a text. Base64 needs no escapes, unless it is none.
    fn escaped(&mut self, text: &[u8]) {
        if text.iter().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')) {
            self.bytes.extend_from_slice(text);
        } else if let Ok(quoted) = serde_json::to_string(&String::from_utf8_lossy(text)) {
            self.bytes.extend_from_slice(quoted.trim_matches('"').as_bytes());
        }
    }
}

/// Bytes that `part` may take.
fn room(part: &Part) -> usize {
    let text = |text: &str| text.len() + text.len() / 8;
    let source = |source: &Source| match source {
        Source::Inline { base64, .. } => base64.len(),
        Source::Text(inside) | Source::Url(inside) | Source::File(inside) => text(inside),
    };
    let inside = match &part.content {
        Content::Text(inside) | Content::Refusal(inside) => text(inside),
        Content::Image { source: at, .. }
        | Content::Document { source: at, .. }
        | Content::Audio { source: at }
        | Content::Video { source: at } => source(at),
        Content::ToolCall(call) => text(&call.arguments),
        Content::ToolResult(result) => result.parts.iter().map(room).sum(),
        Content::Reasoning(thought) => text(&thought.text) + thought.seal.as_ref().map_or(0, |seal| text(&seal.data)),
    };
    inside + 192
}

/// The texts among `parts`, joined by `between`.
pub(in crate::providers) fn joined_texts(parts: &[Part], between: &str) -> String {
    let texts = parts.iter().filter_map(|part| match &part.content {
        Content::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join(between)
}

/// A document that is plain text, as a text: its name stands above it.
pub(in crate::providers) fn document_text(name: Option<&str>, text: &str) -> String {
    match name {
        Some(name) => format!("{name}\n\n{text}"),
        None => text.to_owned(),
    }
}

/// The effort that is asked for: by its word, or by the tokens. `None`: nothing that a word could say.
///
/// Tokens become one of the three words that all reasoning models know: who gave a number never asked for a word that
/// some of them refuse. "No thinking" without an effort is not sent: models that know `none` have it as their default,
/// all others refuse it (<https://learn.microsoft.com/en-us/javascript/api/@azure/ai-projects/reasoningeffort>).
///
/// Models that do not reason refuse any word, so that they get none; agents ask every model for some effort.
pub(in crate::providers) fn effort(thinking: &Thinking, model: &str) -> Option<Effort> {
    if !reasons(model) {
        return None;
    }
    let budget = thinking.budget_tokens.filter(|tokens| *tokens > 0 && !thinking.off);
    let by_budget = budget.map(|tokens| Effort::by_budget(tokens).clamp(Effort::Low, Effort::High));
    thinking.effort.or(by_budget)
}

/// Whether a model may reason: all that is not known not to (<https://platform.openai.com/docs/models>).
pub(super) fn reasons(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.strip_prefix("ft:").unwrap_or(name);
    !["gpt-4", "gpt-3.5", "chatgpt-4o"].iter().any(|family| name.starts_with(family))
}

/// The tier in OpenAI's own words; what it has no word for is left out. Anthropic's `standard_only` asks for the
/// ordinary price (<https://docs.claude.com/en/api/service-tiers>).
pub(in crate::providers) fn tier(tier: &str) -> Option<&str> {
    match tier {
        "auto" | "default" | "flex" | "priority" => Some(tier),
        "standard_only" | "standard" => Some("default"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_that_do_not_reason_are_not_asked_to() {
        let thinking = Thinking { effort: Some(Effort::High), ..Thinking::default() };
        for model in
            ["gpt-4o-mini", "gpt-4.1", "ft:gpt-4o:org::id", "openai/gpt-4", "gpt-3.5-turbo", "chatgpt-4o-latest"]
        {
            assert_eq!(effort(&thinking, model), None, "{model}");
        }
        for model in ["gpt-5", "gpt-oss-120b", "o3", "qwen3", "mistral-large-latest"] {
            assert_eq!(effort(&thinking, model), Some(Effort::High), "{model}");
        }
    }

    #[test]
    fn commas_stand_where_they_belong_and_texts_are_escaped() {
        let mut body = Body::with_room_for(&Chat::default());
        body.object(|body| {
            body.member("a", &1);
            body.key("b").array(|body| {
                body.value(&"x:");
                body.object(|_| {});
                body.data_url("image/\"png", b"AA\n==");
            });
            body.number("c", Some(f64::NAN));
            body.maybe("d", None::<&u8>);
            body.key("e").base64(b"QUJD");
        });
        let want = r#"{"a":1,"b":["x:",{},"data:image/\"png;base64,AA\n=="],"e":"QUJD"}"#;
        assert_eq!(body.into_bytes(), want);
    }

    #[test]
    fn a_picture_is_copied_once() {
        let base64 = Bytes::from(vec![b'A'; 1 << 20]);
        let source = Source::Inline { media_type: "image/png".to_owned(), base64: base64.clone() };
        let message = crate::model::Message {
            role: crate::model::Role::User,
            name: None,
            parts: vec![Part::new(Content::Image { source, detail: None })],
        };
        let mut body = Body::with_room_for(&Chat { messages: vec![message], ..Chat::default() });
        let room = body.bytes.capacity();
        body.data_url("image/png", &base64);
        assert_eq!(body.bytes.capacity(), room, "the buffer did not have to grow");
    }
}
