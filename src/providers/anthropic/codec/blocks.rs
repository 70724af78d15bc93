//! Content blocks and turns, as Anthropic wants them.

use super::MAKER;
use crate::model::{CacheMark, Chat, Content, Message, Part, Role, Source, ToolCall, ToolResult};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A block.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text {
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    Image {
        source: Place<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    Document {
        source: Place<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: Input<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Block<'a>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
}

/// Where a picture or a document is.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Place<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Url { url: &'a str },
    Text { media_type: &'static str, data: Cow<'a, str> },
}

/// The arguments of a call.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Input<'a> {
    /// An object, letter by letter.
    Object(&'a RawValue),
    /// There are none.
    Nothing {},
    /// What is no object, kept where the model can read it.
    Raw { _raw: &'a str },
}

impl<'a> Input<'a> {
    fn of(arguments: &'a str) -> Self {
        let text = arguments.trim();
        if text.is_empty() {
            return Self::Nothing {};
        }
        match serde_json::from_str::<&RawValue>(text) {
            Ok(object) if text.starts_with('{') => Self::Object(object),
            _ => Self::Raw { _raw: arguments },
        }
    }
}

/// A place up to which the prompt may be cached.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct CacheControl {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

impl From<CacheMark> for CacheControl {
    fn from(mark: CacheMark) -> Self {
        Self { r#type: "ephemeral", ttl: mark.hour.then_some("1h") }
    }
}

/// A turn.
#[derive(Debug, Serialize)]
pub(super) struct Turn<'a> {
    pub(super) role: &'static str,
    pub(super) content: Vec<Block<'a>>,
}

/// The instructions that stand first, and the turns. Turns of one role are merged, so that roles alternate; instructions
/// in the middle become texts of the user's turn, for `system` stands apart from the conversation and older models know
/// no other place. `urls`: pictures and documents may be fetched.
pub(super) fn conversation(chat: &Chat, urls: bool) -> (Vec<Block<'_>>, Vec<Turn<'_>>) {
    let leading = chat.messages.iter().take_while(|message| message.role == Role::System).count();
    let (first, rest) = chat.messages.split_at(leading);
    let mut system: Vec<_> =
        first.iter().flat_map(|message| &message.parts).filter_map(|part| block(part, urls)).collect();
    let mut turns: Vec<Turn<'_>> = Vec::new();
    for message in rest {
        add(message, urls, &mut turns);
    }
    for turn in &mut turns {
        // Results answer the calls of the turn before, and must stand first.
        turn.content.sort_by_key(|block| !matches!(block, Block::ToolResult { .. }));
    }
    if turns.is_empty() && !system.is_empty() {
        // No request is without a turn.
        turns.push(Turn { role: "user", content: std::mem::take(&mut system) });
    }
    trim_prefill(&mut turns);
    (system, turns)
}

fn add<'a>(message: &'a Message, urls: bool, turns: &mut Vec<Turn<'a>>) {
    let role = if message.role == Role::Assistant { "assistant" } else { "user" };
    let mut content: Vec<_> = message.parts.iter().filter_map(|part| block(part, urls)).collect();
    match turns.last_mut() {
        Some(last) if last.role == role => last.content.append(&mut content),
        _ if content.is_empty() => {}
        _ => turns.push(Turn { role, content }),
    }
}

/// An answer that is to be continued must not end in white space.
fn trim_prefill(turns: &mut [Turn<'_>]) {
    if let Some(Turn { role: "assistant", content }) = turns.last_mut()
        && let Some(Block::Text { text, .. }) = content.last_mut()
    {
        match text {
            Cow::Borrowed(text) => *text = text.trim_end(),
            Cow::Owned(text) => text.truncate(text.trim_end().len()),
        }
    }
}

/// A part as a block; `None` for what is not carried, and for texts of white space, which are refused.
fn block(part: &Part, urls: bool) -> Option<Block<'_>> {
    let cache_control = part.cache.map(CacheControl::from);
    Some(match &part.content {
        Content::Text(text) | Content::Refusal(text) => {
            (!text.trim().is_empty()).then(|| Block::Text { text: text.into(), cache_control })?
        }
        Content::Image { source: Source::Url(_), .. } | Content::Document { source: Source::Url(_), .. } if !urls => {
            return None;
        }
        Content::Image { source, .. } => Block::Image { source: place(source)?, cache_control },
        Content::Document { source, name } => {
            Block::Document { source: document(source)?, title: name.as_deref(), cache_control }
        }
        Content::ToolCall(call) => call_block(call, cache_control),
        Content::ToolResult(result) => result_block(result, urls, cache_control),
        Content::Reasoning(thought) => match thought.seal.as_ref().filter(|seal| seal.maker == MAKER)? {
            seal if seal.hidden => Block::RedactedThinking { data: &seal.data },
            seal => Block::Thinking { thinking: &thought.text, signature: &seal.data },
        },
        Content::Audio { .. } | Content::Video { .. } => return None,
    })
}

fn call_block(call: &ToolCall, cache_control: Option<CacheControl>) -> Block<'_> {
    Block::ToolUse { id: id(&call.id), name: &call.name, input: Input::of(&call.arguments), cache_control }
}

fn result_block(result: &ToolResult, urls: bool, cache_control: Option<CacheControl>) -> Block<'_> {
    let content = result.parts.iter().filter_map(|part| block(part, urls)).collect();
    Block::ToolResult { tool_use_id: id(&result.id), content, is_error: result.failed, cache_control }
}

/// Ids are of letters, digits, `_` and `-`; others' may not be.
fn id(id: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    match id {
        "" => "call_0".into(),
        id if id.chars().all(fits) => id.into(),
        id => id.chars().map(|c| if fits(c) { c } else { '_' }).collect(),
    }
}

fn place(source: &Source) -> Option<Place<'_>> {
    match source {
        Source::Inline { media_type, base64 } => Some(Place::Base64 { media_type, data: text_of(base64)? }),
        Source::Url(url) => Some(Place::Url { url }),
        Source::Text(text) => Some(Place::Text { media_type: "text/plain", data: text.into() }),
        Source::File(_) => None,
    }
}

/// A document: base64 is for PDF, and plain text is sent as text
/// (<https://platform.claude.com/docs/en/build-with-claude/pdf-support>). What says that it is text and is none goes up
/// as it is, to be refused there rather than lost here.
fn document(source: &Source) -> Option<Place<'_>> {
    match source {
        Source::Inline { media_type, base64 } if media_type.starts_with("text/") => {
            let text = STANDARD.decode(base64).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            text.map_or_else(|| place(source), |text| Some(Place::Text { media_type: "text/plain", data: text.into() }))
        }
        other => place(other),
    }
}

/// Base64 is ASCII.
fn text_of(base64: &Bytes) -> Option<&str> {
    std::str::from_utf8(base64).ok()
}
