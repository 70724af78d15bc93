//! The pieces of a turn as Converse writes them
//! (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html>).

use super::{MAKER, fields::Model};
use crate::model::{CacheMark, Content, Json, Part, Reasoned, Source, ToolCall, ToolResult};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::collections::HashMap;

/// A piece of a turn, of instructions, or of a tool's result: each place takes some of them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Block<'a> {
    Text(&'a str),
    Image(Media<'a>),
    Audio(Media<'a>),
    Document(Document<'a>),
    ToolUse(ToolUse<'a>),
    ToolResult(ResultOf<'a>),
    ReasoningContent(Thought<'a>),
    CachePoint(CachePoint),
}

#[derive(Serialize)]
pub(super) struct Media<'a> {
    format: Cow<'a, str>,
    source: Inline<'a>,
}

/// Bytes, in base64.
#[derive(Serialize)]
struct Inline<'a> {
    bytes: Cow<'a, str>,
}

#[derive(Serialize)]
pub(super) struct Document<'a> {
    format: &'static str,
    name: String,
    source: Inline<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolUse<'a> {
    tool_use_id: Cow<'a, str>,
    name: &'a str,
    input: Json,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResultOf<'a> {
    tool_use_id: Cow<'a, str>,
    content: Vec<Block<'a>>,
    /// Left out where the tool did not fail: not all models know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Thought<'a> {
    ReasoningText {
        text: &'a str,
        signature: &'a str,
    },
    /// As it came: Bedrock's base64.
    RedactedContent(&'a str),
}

#[derive(Serialize)]
pub(super) struct CachePoint {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

impl CachePoint {
    /// Where a model keeps caches; a life is told only where it is not the default one.
    pub(super) fn of(mark: Option<CacheMark>, model: Model<'_>) -> Option<Self> {
        let mark = mark.filter(|_| model.caches())?;
        Some(Self { r#type: "default", ttl: (mark.hour && model.is_claude()).then_some("1h") })
    }
}

/// Writes pieces one after another.
pub(super) struct Writer<'a> {
    model: Model<'a>,
    /// Names of documents so far, for no two may be the same: each with the number that the next of that name may get.
    names: HashMap<String, u32>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(model: Model<'a>) -> Self {
        Self { model, names: HashMap::new() }
    }

    /// Appends `parts` to `out`. Blank texts are no pieces: Bedrock refuses them.
    pub(super) fn parts<'c>(&mut self, parts: &'c [Part], out: &mut Vec<Block<'c>>) {
        for part in parts {
            out.extend(self.block(&part.content));
            // A marker marks what is before it.
            if !out.is_empty() {
                out.extend(CachePoint::of(part.cache, self.model).map(Block::CachePoint));
            }
        }
    }

    fn block<'c>(&mut self, content: &'c Content) -> Option<Block<'c>> {
        match content {
            Content::Text(text) | Content::Refusal(text) => (!text.trim().is_empty()).then_some(Block::Text(text)),
            Content::Image { source, .. } => media(source).map(Block::Image),
            Content::Audio { source } => media(source).map(Block::Audio),
            Content::Document { source, name } => self.document(source, name.as_deref()).map(Block::Document),
            Content::Video { .. } => None,
            Content::ToolCall(call) => Some(Block::ToolUse(tool_use(call))),
            Content::ToolResult(result) => Some(Block::ToolResult(self.result(result))),
            Content::Reasoning(reasoned) => thought(reasoned).map(Block::ReasoningContent),
        }
    }

    fn result<'c>(&mut self, result: &'c ToolResult) -> ResultOf<'c> {
        let mut content = Vec::new();
        for part in &result.parts {
            let fits = matches!(part.content, Content::Text(_) | Content::Image { .. } | Content::Document { .. });
            content.extend(self.block(&part.content).filter(|_| fits));
        }
        ResultOf { tool_use_id: tool_id(&result.id), content, status: result.failed.then_some("error") }
    }

    fn document<'c>(&mut self, source: &'c Source, name: Option<&str>) -> Option<Document<'c>> {
        let (media_type, bytes) = match source {
            Source::Inline { media_type, base64 } => (media_type.as_str(), text_of(base64)),
            Source::Text(text) => ("text/plain", Cow::Owned(STANDARD.encode(text))),
            Source::Url(_) | Source::File(_) => return None,
        };
        let format = document_format(media_type, name.unwrap_or_default());
        Some(Document { format, name: self.name(name.unwrap_or_default()), source: Inline { bytes } })
    }

    /// A name that Bedrock takes and that no other document has.
    fn name(&mut self, name: &str) -> String {
        let neutral = document_name(name);
        let Some(mut number) = self.names.get(&neutral).copied() else {
            self.names.insert(neutral.clone(), 2);
            return neutral;
        };
        let mut unique = format!("{neutral} {number}");
        // One may be called so itself.
        while self.names.contains_key(&unique) {
            number = number.saturating_add(1);
            unique = format!("{neutral} {number}");
        }
        self.names.insert(neutral, number.saturating_add(1));
        self.names.insert(unique.clone(), 2);
        unique
    }
}

/// `None` where it is not in the request: refused before.
fn media(source: &Source) -> Option<Media<'_>> {
    let Source::Inline { media_type, base64 } = source else { return None };
    Some(Media { format: media_format(media_type), source: Inline { bytes: text_of(base64) } })
}

/// A slice of the client's body, which is text.
fn text_of(base64: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(base64)
}

/// The kind of a picture or sound by its media type; one that Bedrock does not know is told to it all the same, for
/// Bedrock to say so.
fn media_format(media_type: &str) -> Cow<'_, str> {
    let bare = media_type.split(';').next().unwrap_or_default().trim();
    let kind = bare.split_once('/').map_or(bare, |(_, kind)| kind);
    match kind.to_ascii_lowercase().as_str() {
        "jpg" | "pjpeg" => "jpeg".into(),
        "mpeg" => "mp3".into(),
        "x-wav" | "wave" | "vnd.wave" => "wav".into(),
        "x-m4a" => "m4a".into(),
        lower if lower == kind => kind.into(),
        lower => lower.to_owned().into(),
    }
}

/// The kind of a document by its media type, else by its name, else plain text. The nine are all there are
/// (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html>).
fn document_format(media_type: &str, name: &str) -> &'static str {
    let bare = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match bare.as_str() {
        "application/pdf" => "pdf",
        "text/csv" => "csv",
        "application/msword" => "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.ms-excel" => "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "text/html" => "html",
        "text/markdown" => "md",
        _ => {
            let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
            let known = ["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "md"];
            known.into_iter().find(|known| *known == ending).unwrap_or("txt")
        }
    }
}

/// A document's name as Bedrock takes it: letters, digits, single spaces, hyphens, brackets. It is shorter than the
/// 64 letters that were the bound once (200 today), with room for a number.
fn document_name(name: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || "-()[]".contains(c) { c } else { ' ' };
    let spaced: String = name.chars().map(fits).collect();
    let short: String = spaced.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(50).collect();
    match short.trim_end() {
        "" => "document".to_owned(),
        name => name.to_owned(),
    }
}

/// The input must be an object. Text that is none (of a model that broke off, or of a free-form tool) stands in one.
fn tool_use(call: &ToolCall) -> ToolUse<'_> {
    let text = if call.arguments.trim().is_empty() { "{}" } else { call.arguments.as_str() };
    let object = Json::new(text).filter(|_| text.trim_start().starts_with('{'));
    let wrapped = || Json::of(&serde_json::json!({ "arguments": text }));
    let input = object.or_else(wrapped).unwrap_or_else(|| Json::new("{}").expect("an empty object is JSON"));
    ToolUse { tool_use_id: tool_id(&call.id), name: &call.name, input }
}

/// Most letters of a tool call's id.
const LONGEST_ID: usize = 64;

/// An id as Bedrock takes it (`[a-zA-Z0-9_.:-]+`, 64 at most): another one is replaced by its hash, in the call and in
/// its result alike.
fn tool_id(id: &str) -> Cow<'_, str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    if !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(fits) {
        return Cow::Borrowed(id);
    }
    let hash = hex::encode(Sha256::digest(id.as_bytes()));
    Cow::Owned(format!("call_{}", hash.get(..32).unwrap_or_default()))
}

/// Only what its maker signed: Claude refuses thoughts without a proof.
fn thought(reasoned: &Reasoned) -> Option<Thought<'_>> {
    let seal = reasoned.seal.as_ref().filter(|seal| seal.maker == MAKER)?;
    Some(if seal.hidden {
        Thought::RedactedContent(&seal.data)
    } else {
        Thought::ReasoningText { text: &reasoned.text, signature: &seal.data }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_documents_have_only_the_letters_that_bedrock_takes() {
        let cases = [
            ("report.pdf", "report pdf"),
            ("Q3  (final)\t[2].docx", "Q3 (final) [2] docx"),
            ("über_uns", "ber uns"),
            ("", "document"),
            ("日本", "document"),
            (&"a".repeat(90), &"a".repeat(50)),
        ];
        for (name, want) in cases {
            assert_eq!(document_name(name), want, "{name}");
        }
    }

    #[test]
    fn a_hundred_thousand_documents_of_one_name_get_numbers() {
        let mut writer = Writer::new(Model("amazon.nova-pro-v1:0"));
        let names: Vec<_> = ["a", "a 3", "a", "a", "a 3"].into_iter().map(|name| writer.name(name)).collect();
        assert_eq!(names, ["a", "a 3", "a 2", "a 4", "a 3 2"]);
        let names: std::collections::HashSet<_> = (0..100_000).map(|_| writer.name("")).collect();
        assert_eq!(names.len(), 100_000);
        assert!(names.contains("document 100000"));
    }

    #[test]
    fn formats_follow_the_media_type_and_else_the_name() {
        let cases = [
            ("application/pdf", "x.txt", "pdf"),
            ("text/plain; charset=utf-8", "notes", "txt"),
            ("application/octet-stream", "a.XLSX", "xlsx"),
            ("text/plain", "read.md", "md"),
            ("application/zip", "a.zip", "txt"),
        ];
        for (media_type, name, want) in cases {
            assert_eq!(document_format(media_type, name), want, "{media_type} {name}");
        }
        for (media_type, want) in
            [("image/jpg", "jpeg"), ("IMAGE/PNG", "png"), ("audio/mpeg", "mp3"), ("image/bmp", "bmp")]
        {
            assert_eq!(media_format(media_type), want);
        }
    }

    #[test]
    fn ids_that_bedrock_would_refuse_are_replaced_alike_each_time() {
        assert_eq!(tool_id("toolu_01:a-b.c"), "toolu_01:a-b.c");
        for id in ["", "a b", "a/b", &"x".repeat(65)] {
            let made = tool_id(id);
            assert!(made.starts_with("call_") && made.len() == 37, "{made}");
            assert_eq!(made, tool_id(id));
        }
        assert_ne!(tool_id("a b"), tool_id("a/b"));
    }
}
