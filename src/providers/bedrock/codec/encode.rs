//! From a conversation to the body of Converse and ConverseStream, which is the same: the path tells them apart.

use super::{
    block::{Block, Writer},
    fields::{self, Model},
    tools::Config,
};
use crate::{
    model::{Chat, Content, Role, Source},
    providers::codec::Goal,
};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The body
/// (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_RequestSyntax>).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    #[serde(skip_serializing_if = "Inference::is_empty")]
    inference_config: Inference<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<Config<'a>>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    additional_model_request_fields: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_model_response_field_paths: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    request_metadata: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<Tier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<Output>,
}

#[derive(Serialize)]
struct Turn<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

#[derive(PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Inference<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
}

impl Inference<'_> {
    fn is_empty(&self) -> bool {
        *self == Inference { max_tokens: None, temperature: None, top_p: None, stop_sequences: &[] }
    }
}

#[derive(Serialize)]
pub(super) struct Tier {
    r#type: &'static str,
}

#[derive(Serialize)]
struct Output {
    effort: &'static str,
}

/// A temperature above 1, Bedrock's highest, goes up as it is: Bedrock refuses it, and the client learns why.
pub(super) fn encode(chat: &Chat, to: &Goal<'_>) -> Bytes {
    let (system, messages) = turns(chat, Model(to.model));
    let sampling = &chat.sampling;
    let inference_config = Inference {
        max_tokens: to.output_cap(chat),
        temperature: sampling.temperature.filter(|_| Model(to.model).samples()),
        top_p: sampling.top_p.filter(|_| Model(to.model).samples()),
        stop_sequences: &chat.stop,
    };
    // Claude tells which stop sequence came up if it is asked to; others ignore the question.
    let ask_stop = !chat.stop.is_empty() && Model(to.model).is_claude();
    let request = Request {
        messages,
        system,
        inference_config,
        tool_config: Config::of(chat, to),
        additional_model_request_fields: fields::additional(chat, to),
        additional_model_response_field_paths: ask_stop.then_some(["/stop_sequence"]),
        request_metadata: labels(chat),
        service_tier: chat.service_tier.as_deref().and_then(tier),
        output_config: fields::effort(chat, to).map(|effort| Output { effort }),
    };
    let mut body = Vec::with_capacity(size(chat));
    serde_json::to_writer(&mut body, &request).expect("the body has only string keys and writes to memory");
    body.into()
}

/// About the bytes of the body, so that one with pictures is written without moving it.
fn size(chat: &Chat) -> usize {
    let parts = chat.messages.iter().flat_map(|message| &message.parts);
    let nested = parts.flat_map(|part| match &part.content {
        Content::ToolResult(result) => result.parts.as_slice(),
        _ => std::slice::from_ref(part),
    });
    let bytes = nested.map(|part| match &part.content {
        Content::Image { source, .. } | Content::Document { source, .. } | Content::Audio { source } => match source {
            Source::Inline { base64, .. } => base64.len(),
            _ => 0,
        },
        Content::Text(text) => text.len(),
        _ => 0,
    });
    1024 + bytes.fold(0, usize::saturating_add) * 9 / 8
}

/// Instructions, and turns that alternate: what one speaker says in a row is one turn, as Bedrock wants it.
/// Instructions between turns join those before the first: only the newest models know a turn of the system.
fn turns<'a>(chat: &'a Chat, model: Model<'a>) -> (Vec<Block<'a>>, Vec<Turn<'a>>) {
    let (mut system, mut turns) = (Vec::new(), Vec::<Turn<'a>>::new());
    let mut writer = Writer::new(model);
    for message in &chat.messages {
        let role = match message.role {
            Role::System => {
                writer.parts(&message.parts, &mut system);
                continue;
            }
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        match turns.last_mut() {
            Some(last) if last.role == role => writer.parts(&message.parts, &mut last.content),
            _ => {
                let mut content = Vec::new();
                writer.parts(&message.parts, &mut content);
                if !content.is_empty() {
                    turns.push(Turn { role, content });
                }
            }
        }
    }
    for turn in turns.iter_mut().filter(|turn| turn.role == "user") {
        results_first(&mut turn.content);
    }
    system.retain(|block| matches!(block, Block::Text(_) | Block::CachePoint(_)));
    (system, turns)
}

/// Moves results of tools, each with the cache point behind it, before what else the user says: Claude takes them
/// nowhere else (<https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use>).
fn results_first(content: &mut Vec<Block<'_>>) {
    let mut is_last = false;
    let mut placed: Vec<_> = content
        .drain(..)
        .map(|block| {
            is_last = match block {
                Block::ToolResult(_) => false,
                Block::CachePoint(_) => is_last,
                _ => true,
            };
            (is_last, block)
        })
        .collect();
    placed.sort_by_key(|(is_last, _)| *is_last);
    content.extend(placed.into_iter().map(|(_, block)| block));
}

/// Labels that Bedrock takes: 16 at most, up to 256 letters each, of a few kinds. One that does not fit is left out
/// rather than the request refused for it.
pub(super) fn labels(chat: &Chat) -> BTreeMap<&str, &str> {
    let fits = |text: &str| {
        text.len() <= 256 && text.chars().all(|c| c.is_ascii_alphanumeric() || " \t:_@$#=/+,-.".contains(c))
    };
    let fitting = chat.metadata.iter().filter(|(name, value)| !name.is_empty() && fits(name) && fits(value));
    fitting.take(16).map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// The tier in Bedrock's word; `auto` and what it does not know is its own default
/// (<https://docs.aws.amazon.com/bedrock/latest/userguide/service-tiers-inference.html>).
pub(super) fn tier(word: &str) -> Option<Tier> {
    let r#type = match word {
        "default" | "standard_only" => "default",
        "flex" => "flex",
        "priority" => "priority",
        "reserved" => "reserved",
        _ => return None,
    };
    Some(Tier { r#type })
}
