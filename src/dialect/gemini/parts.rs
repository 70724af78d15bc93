//! Turns and their parts (<https://ai.google.dev/api/caching#Part>).

use super::config;
use super::history::History;
use super::object::{Object, wrong};
use super::seal;
use crate::{
    dialect::{
        BadRequest,
        node::{self, Node},
        path::echo,
    },
    model::{Chat, Content, Feature, Message, Part, Reasoned, Role, Seal, Source, ToolCall, ToolResult},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use std::borrow::Cow;

/// Reads the turns of a conversation, in order.
pub(super) struct Turns<'a> {
    body: &'a Bytes,
    /// What was read.
    pub chat: Chat,
    history: History,
    /// The path of the thought that ends the conversation so far and has no seal yet.
    unsealed: Option<String>,
}

impl<'a> Turns<'a> {
    pub fn new(body: &'a Bytes) -> Self {
        Self { body, chat: Chat::default(), history: History::default(), unsealed: None }
    }

    /// Instructions: a turn, or by Google's own leniency a text.
    pub fn system(&mut self, node: Node<'a>) -> Result<(), BadRequest> {
        const PATH: &str = "systemInstruction";
        if let Node::Text(text) = node {
            self.begin(Role::System, false);
            self.push(Content::Text(text.into_owned()));
            return Ok(());
        }
        let mut content = Object::of(node, PATH)?;
        content.take("role");
        let parts = content.list("parts")?;
        content.rest(Feature::Unknown, &mut self.chat);
        self.begin(Role::System, false);
        self.parts(parts, PATH)
    }

    /// One element of `contents`.
    pub fn turn(&mut self, node: Node<'a>, path: String) -> Result<(), BadRequest> {
        let mut content = Object::of(node, path)?;
        let role = match content.text("role")?.as_deref() {
            None | Some("" | "user" | "function" | "tool") => Role::User,
            Some("model") => Role::Assistant,
            Some(other) => {
                let path = content.path("role");
                let message = format!("`{path}` must be `user` or `model`, not `{}`", echo(other));
                return Err(BadRequest { message, param: Some(path) });
            }
        };
        let parts = content.list("parts")?;
        content.rest(Feature::Unknown, &mut self.chat);
        // A client that keeps a stream sends each event of it as a turn of its own.
        let goes_on = role == Role::Assistant && self.chat.messages.last().is_some_and(|last| last.role == role);
        if !goes_on {
            self.close_thought();
        }
        self.begin(role, goes_on);
        let from = self.message().parts.len();
        let path = content.own_path().to_owned();
        self.parts(parts, &path)?;
        if goes_on {
            self.join(from);
        }
        Ok(())
    }

    /// The conversation.
    pub fn end(mut self) -> Chat {
        self.close_thought();
        self.chat.messages.retain(|message| !message.parts.is_empty());
        self.chat
    }

    fn begin(&mut self, role: Role, goes_on: bool) {
        if !goes_on {
            self.chat.messages.push(Message { role, name: None, parts: Vec::new() });
        }
    }

    fn message(&mut self) -> &mut Message {
        if self.chat.messages.is_empty() {
            self.begin(Role::User, false);
        }
        self.chat.messages.last_mut().expect("one was pushed")
    }

    fn push(&mut self, content: Content) {
        self.message().parts.push(Part::new(content));
    }

    /// The text at `at` goes on with what the event before it said.
    fn join(&mut self, at: usize) {
        let parts = &mut self.message().parts;
        let goes_on = |part: Option<&Part>| part.is_some_and(|part| matches!(part.content, Content::Text(_)));
        if at == 0 || !goes_on(parts.get(at)) || !goes_on(parts.get(at - 1)) {
            return;
        }
        let more = parts.remove(at).content;
        if let (Some(Part { content: Content::Text(text), .. }), Content::Text(more)) = (parts.get_mut(at - 1), more) {
            text.push_str(&more);
        }
    }

    fn parts(&mut self, parts: Vec<Node<'a>>, path: &str) -> Result<(), BadRequest> {
        for (index, part) in parts.into_iter().enumerate() {
            self.part(Object::of(part, format!("{path}.parts[{index}]"))?)?;
        }
        Ok(())
    }

    fn part(&mut self, mut part: Object<'a>) -> Result<(), BadRequest> {
        let thought = part.flag("thought")?.unwrap_or_default();
        let seal = part.text("thoughtSignature")?.filter(|text| !text.is_empty());
        let seal = seal.map(|signature| seal::read(&signature, thought));
        if thought {
            let text = part.text("text")?.unwrap_or_default();
            self.thought(&text, seal, &part);
        } else if seal.is_some() {
            self.thought("", seal, &part);
        } else {
            self.close_thought();
        }
        if let Some(text) = part.text("text")?.filter(|text| !text.is_empty()) {
            self.push(Content::Text(text.into_owned()));
        }
        if let Some(data) = part.object("inlineData")? {
            let content = self.inline(data)?;
            self.extend(content);
        }
        if let Some(data) = part.object("fileData")? {
            let content = self.file(data)?;
            self.extend(content);
        }
        if let Some(call) = part.object("functionCall")? {
            self.call(call)?;
        }
        if let Some(result) = part.object("functionResponse")? {
            self.result(result)?;
        }
        self.other(&mut part)
    }

    fn extend(&mut self, content: Option<Content>) {
        self.message().parts.extend(content.map(Part::new));
    }

    /// Members of a part that say nothing that a conversation has words for.
    fn other(&mut self, part: &mut Object<'_>) -> Result<(), BadRequest> {
        for name in ["executableCode", "codeExecutionResult", "toolCall", "toolResponse"] {
            if part.take(name).is_some() {
                self.chat.uses(Feature::HostedTool, part.path(name));
            }
        }
        if part.take("videoMetadata").is_some() {
            self.chat.uses(Feature::Unknown, part.path("videoMetadata")); // which part of it: no other API has a word for it
        }
        self.resolution(part)?;
        part.rest(Feature::Unknown, &mut self.chat);
        Ok(())
    }

    /// `mediaResolution` of a part: it is said of a picture.
    fn resolution(&mut self, part: &mut Object<'_>) -> Result<(), BadRequest> {
        let path = part.path("mediaResolution");
        let Some(mut resolution) = part.object("mediaResolution")? else { return Ok(()) };
        let level = resolution.text("level")?;
        resolution.rest(Feature::Unknown, &mut self.chat);
        let Some(level) = level.as_deref().and_then(config::detail) else { return Ok(()) };
        match self.message().parts.last_mut() {
            Some(Part { content: Content::Image { detail, .. }, .. }) => {
                *detail = Some(level.to_owned());
                self.chat.uses(Feature::ImageDetail, path);
            }
            _ => self.chat.uses(Feature::Unknown, path),
        }
        Ok(())
    }

    /// A piece of a thought, or its end: a seal belongs to the thought before it, if that has none.
    fn thought(&mut self, text: &str, seal: Option<Seal>, part: &Object<'_>) {
        let sealed = seal.is_some();
        if text.is_empty() && !sealed {
            return;
        }
        if sealed {
            self.chat.uses(Feature::SealedReasoning, part.path("thoughtSignature"));
        }
        let goes_on = self.unsealed.is_some();
        match self.message().parts.last_mut() {
            Some(Part { content: Content::Reasoning(reasoned), .. }) if goes_on => {
                reasoned.text.push_str(text);
                reasoned.seal = seal;
            }
            _ => {
                let reasoned = Reasoned { text: text.to_owned(), seal };
                self.message().parts.push(Part::new(Content::Reasoning(reasoned)));
                self.unsealed = Some(part.own_path().to_owned());
            }
        }
        if sealed {
            self.unsealed = None;
        }
    }

    fn close_thought(&mut self) {
        if let Some(path) = self.unsealed.take() {
            self.chat.uses(Feature::PlainReasoning, path);
        }
    }

    /// `inlineData`: bytes as base64.
    fn inline(&mut self, mut data: Object<'a>) -> Result<Option<Content>, BadRequest> {
        let path = data.own_path().to_owned();
        let media_type = data.must("mimeType")?.into_owned();
        let base64 = data.must("data")?;
        let name = data.text("displayName")?.map(Cow::into_owned);
        data.rest(Feature::Unknown, &mut self.chat);
        let family = family(&media_type);
        let source = |family: Family| match family {
            Family::Text => text_of(&base64).unwrap_or_else(|| inline(self.body, &base64, media_type.clone())),
            _ => inline(self.body, &base64, media_type.clone()),
        };
        let (feature, content) = match family {
            Family::Image => (Feature::ImageInline, Some(Content::Image { source: source(family), detail: None })),
            Family::Audio => (Feature::AudioInput, Some(Content::Audio { source: source(family) })),
            Family::Video => (Feature::VideoInput, Some(Content::Video { source: source(family) })),
            Family::Text | Family::Other => {
                (Feature::DocumentInline, Some(Content::Document { source: source(family), name }))
            }
        };
        self.chat.uses(feature, path);
        Ok(content)
    }

    /// `fileData`: a file that was uploaded to Google, or a public address.
    fn file(&mut self, mut data: Object<'a>) -> Result<Option<Content>, BadRequest> {
        let path = data.own_path().to_owned();
        let uri = data.must("fileUri")?.into_owned();
        let media_type = data.text("mimeType")?.unwrap_or_default();
        let name = data.text("displayName")?.map(Cow::into_owned);
        data.rest(Feature::Unknown, &mut self.chat);
        let web = uri.starts_with("https://") || uri.starts_with("http://");
        let kept = !web || uri.contains("generativelanguage.googleapis.com/");
        let youtube = ["youtube.com/", "youtu.be/"].iter().any(|host| uri.contains(host));
        let family = if web && youtube { Family::Video } else { family(&media_type) };
        let (feature, source) = match (kept, family) {
            (true, _) => (Feature::FileId, Source::File(uri)),
            (false, Family::Image) => (Feature::ImageUrl, Source::Url(uri)),
            (false, Family::Audio) => (Feature::AudioInput, Source::Url(uri)),
            (false, Family::Video) => (Feature::VideoInput, Source::Url(uri)),
            (false, Family::Text | Family::Other) => (Feature::DocumentUrl, Source::Url(uri)),
        };
        self.chat.uses(feature, path);
        Ok(match family {
            Family::Image => Some(Content::Image { source, detail: None }),
            Family::Audio => Some(Content::Audio { source }),
            Family::Video => Some(Content::Video { source }),
            Family::Text | Family::Other => Some(Content::Document { source, name }),
        })
    }

    fn call(&mut self, mut call: Object<'a>) -> Result<(), BadRequest> {
        let name = call.must("name")?.into_owned();
        let id = call.text("id")?.map(Cow::into_owned);
        let arguments = match call.take("args") {
            None => String::new(),
            Some(args @ Node::Map(_)) => json_text(&args),
            Some(other) => return Err(wrong(&call.path("args"), "an object", &other)),
        };
        call.rest(Feature::Unknown, &mut self.chat);
        let id = self.history.call(id, &name);
        self.push(Content::ToolCall(ToolCall { id, name, arguments }));
        Ok(())
    }

    /// `functionResponse`: of its `response`, `output` is what the function answered and `error` tells that it failed;
    /// without either the whole of it is the answer (<https://ai.google.dev/api/caching#FunctionResponse>).
    fn result(&mut self, mut result: Object<'a>) -> Result<(), BadRequest> {
        let name = result.must("name")?.into_owned();
        let id = result.text("id")?.map(Cow::into_owned);
        let path = result.path("response");
        let (text, failed) = match result.take("response") {
            None => (String::new(), false),
            Some(Node::Map(response)) => answered(response),
            Some(other) => return Err(wrong(&path, "an object", &other)),
        };
        if failed {
            self.chat.uses(Feature::FailedToolResult, format!("{path}.error"));
        }
        let mut parts = Vec::new();
        if !text.is_empty() {
            parts.push(Part::text(text));
        }
        let rich = result.list("parts")?;
        for (index, node) in rich.into_iter().enumerate() {
            let mut part = Object::of(node, format!("{}[{index}]", result.path("parts")))?;
            self.chat.uses(Feature::RichToolResult, part.own_path());
            let inline = part.object("inlineData")?.map(|data| self.inline(data)).transpose()?.flatten();
            let file = part.object("fileData")?.map(|data| self.file(data)).transpose()?.flatten();
            part.rest(Feature::Unknown, &mut self.chat);
            parts.extend(inline.into_iter().chain(file).map(Part::new));
        }
        result.rest(Feature::Unknown, &mut self.chat);
        let id = self.history.result(id, &name);
        self.push(Content::ToolResult(ToolResult { id, name: Some(name), failed, parts }));
        Ok(())
    }
}

/// What a function answered, as text, and whether it failed.
fn answered(mut response: node::Map<'_>) -> (String, bool) {
    let text = |node: Node<'_>| match node {
        Node::Text(text) => text.into_owned(),
        other => json_text(&other),
    };
    if let [(name, _)] = &*response.0 {
        let failed = name == "error";
        if (failed || name == "output")
            && let Some((_, value)) = response.0.pop()
        {
            return (text(value), failed);
        }
    }
    (json_text(&Node::Map(response)), false)
}

fn json_text(node: &Node<'_>) -> String {
    serde_json::to_string(node).expect("what was JSON is JSON")
}

/// What a media type is of.
#[derive(Clone, Copy)]
enum Family {
    Image,
    Audio,
    Video,
    Text,
    Other,
}

fn family(media_type: &str) -> Family {
    match media_type.split('/').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "image" => Family::Image,
        "audio" => Family::Audio,
        "video" => Family::Video,
        "text" => Family::Text,
        _ => Family::Other,
    }
}

/// A payload. Google's SDKs write base64 in the alphabet for URLs, which other APIs do not read: only then is it copied.
fn inline(body: &Bytes, base64: &str, media_type: String) -> Source {
    let bytes = node::slice(body, &Cow::Borrowed(base64));
    if memchr::memchr2(b'-', b'_', &bytes).is_none() {
        return Source::Inline { media_type, base64: bytes };
    }
    Source::Inline { media_type, base64: Bytes::from(ordinary(&bytes)) }
}

fn ordinary(base64: &[u8]) -> Vec<u8> {
    let letter = |byte: &u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    };
    base64.iter().map(letter).collect()
}

/// Plain text that was sent as base64.
fn text_of(base64: &str) -> Option<Source> {
    let bytes = STANDARD.decode(ordinary(base64.as_bytes())).ok()?;
    String::from_utf8(bytes).ok().map(Source::Text)
}
