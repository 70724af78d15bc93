//! Turns and their parts, as Gemini wants them.

use super::MAKER;
use super::ability::Ability;
use crate::model::{Chat, Content, Message, Part, Role, Source, ToolCall, ToolResult};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;

/// A part: one of its members is set, and perhaps a signature.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Piece<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inline_data: Option<Blob<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<FileData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_response: Option<Answer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Blob<'a> {
    mime_type: &'a str,
    data: Cow<'a, str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FileData<'a> {
    mime_type: &'static str,
    file_uri: &'a str,
}

#[derive(Debug, Serialize)]
struct Call<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    name: &'a str,
    args: Args<'a>,
}

/// The arguments of a call.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Args<'a> {
    /// An object, letter by letter.
    Object(&'a RawValue),
    /// There are none.
    Nothing {},
    /// What is no object, kept where the model can read it.
    Raw { _raw: &'a str },
}

impl<'a> Args<'a> {
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

#[derive(Debug, Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    name: &'a str,
    response: Said<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Piece<'a>>,
}

/// What a tool answered: `output` and `error` are the names that the API knows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Said<'a> {
    Output(Cow<'a, str>),
    Error(Cow<'a, str>),
}

/// A turn.
#[derive(Debug, Serialize)]
pub(super) struct Turn<'a> {
    role: &'static str,
    parts: Vec<Piece<'a>>,
}

/// The instructions that stand first.
#[derive(Debug, Serialize)]
pub(super) struct Instruction<'a> {
    parts: Vec<Piece<'a>>,
}

/// Stands for the signature of a call that another model made: without one, a call is refused.
/// <https://ai.google.dev/gemini-api/docs/thought-signatures>
const UNSIGNED: &str = "skip_thought_signature_validator";

/// The instructions that stand first, and the turns. Turns of one role are merged; instructions in the middle become
/// texts of the user's turn, for there is no other place. `ids`: calls and results bear those of the client.
pub(super) fn conversation(chat: &Chat, ability: Ability, ids: bool) -> (Option<Instruction<'_>>, Vec<Turn<'_>>) {
    let leading = chat.messages.iter().take_while(|message| message.role == Role::System).count();
    let (first, rest) = chat.messages.split_at(leading);
    let mut writer = Writer { names: names(chat), ability, ids, turns: Vec::new() };
    for message in rest {
        writer.message(message);
    }
    let mut turns = writer.turns;
    for turn in &mut turns {
        finish(turn, ability);
    }
    let texts = first.iter().flat_map(|message| &message.parts).filter_map(|part| text(&part.content));
    let parts: Vec<_> = texts.map(|text| Piece { text: Some(text), ..Piece::default() }).collect();
    match (parts.is_empty(), turns.is_empty()) {
        (true, _) => (None, turns),
        // No request is without a turn.
        (false, true) => (None, vec![Turn { role: "user", parts }]),
        (false, false) => (Some(Instruction { parts }), turns),
    }
}

/// Results answer the calls of the turn before, and stand first; the first call of a turn bears a signature.
fn finish(turn: &mut Turn<'_>, ability: Ability) {
    turn.parts.sort_by_key(|piece| piece.function_response.is_none());
    let unsigned = turn.parts.iter_mut().find(|piece| piece.function_call.is_some());
    if let Some(first) = unsigned.filter(|first| first.thought_signature.is_none() && ability.signed_calls()) {
        first.thought_signature = Some(UNSIGNED);
    }
}

struct Writer<'a> {
    /// The tools that the calls were for, by their ids.
    names: HashMap<&'a str, &'a str>,
    ability: Ability,
    ids: bool,
    turns: Vec<Turn<'a>>,
}

impl<'a> Writer<'a> {
    fn message(&mut self, message: &'a Message) {
        let role = if message.role == Role::Assistant { "model" } else { "user" };
        let mut parts = Vec::with_capacity(message.parts.len());
        let mut seal = None;
        for part in &message.parts {
            if let Content::Reasoning(thought) = &part.content {
                // A signature stands on the part behind the thought that it proves.
                let data = thought.seal.as_ref().filter(|seal| seal.maker == MAKER).map(|seal| &*seal.data);
                seal = data.or(seal);
                continue;
            }
            let before = parts.len();
            self.part(part, &mut parts);
            if let Some(piece) = parts.get_mut(before).filter(|_| role == "model") {
                piece.thought_signature = seal.take();
            }
        }
        if let Some(data) = seal.filter(|_| role == "model") {
            parts.push(Piece { text: Some(""), thought_signature: Some(data), ..Piece::default() });
        }
        match self.turns.last_mut() {
            Some(last) if last.role == role => last.parts.append(&mut parts),
            _ if parts.is_empty() => {}
            _ => self.turns.push(Turn { role, parts }),
        }
    }

    fn part(&self, part: &'a Part, out: &mut Vec<Piece<'a>>) {
        match &part.content {
            Content::ToolCall(call) => out.push(called(call, self.id(&call.id))),
            Content::ToolResult(result) => self.result(result, out),
            Content::Reasoning(_) => {}
            content => out.extend(piece(content)),
        }
    }

    /// The id as it is written; empty: not at all.
    fn id(&self, id: &'a str) -> &'a str {
        if self.ids { id } else { "" }
    }

    /// What a tool answered. Pictures stand inside of it where the model takes them, else behind it.
    fn result(&self, result: &'a ToolResult, out: &mut Vec<Piece<'a>>) {
        let texts: Vec<_> = result.parts.iter().filter_map(|part| text(&part.content)).collect();
        let said = match &*texts {
            [text] => Cow::Borrowed(*text),
            texts => Cow::Owned(texts.concat()),
        };
        let response = if result.failed { Said::Error(said) } else { Said::Output(said) };
        let media = result.parts.iter().filter(|part| text(&part.content).is_none());
        let media: Vec<_> = media.filter_map(|part| piece(&part.content)).collect();
        let (parts, behind) = if self.ability.rich_results() { (media, Vec::new()) } else { (Vec::new(), media) };
        let name = result.name.as_deref().or_else(|| self.names.get(&*result.id).copied()).unwrap_or("tool");
        let answer = Answer { id: self.id(&result.id), name, response, parts };
        out.push(Piece { function_response: Some(answer), ..Piece::default() });
        out.extend(behind);
    }
}

/// The tools that the calls of `chat` are for, by the calls' ids.
fn names(chat: &Chat) -> HashMap<&str, &str> {
    let parts = chat.messages.iter().flat_map(|message| &message.parts);
    let calls = parts.filter_map(|part| match &part.content {
        Content::ToolCall(call) => Some((&*call.id, &*call.name)),
        _ => None,
    });
    calls.collect()
}

fn called<'a>(call: &'a ToolCall, id: &'a str) -> Piece<'a> {
    let call = Call { id, name: &call.name, args: Args::of(&call.arguments) };
    Piece { function_call: Some(call), ..Piece::default() }
}

/// Text that says something.
fn text(content: &Content) -> Option<&str> {
    match content {
        Content::Text(text) | Content::Refusal(text) => Some(&**text).filter(|text| !text.is_empty()),
        _ => None,
    }
}

/// Text, a picture, a document or sound; `None` for what is not carried.
fn piece(content: &Content) -> Option<Piece<'_>> {
    match content {
        Content::Text(_) | Content::Refusal(_) => Some(Piece { text: Some(text(content)?), ..Piece::default() }),
        Content::Image { source, .. } => placed(source, "image/jpeg"),
        Content::Document { source, .. } => placed(source, "application/pdf"),
        Content::Audio { source } => placed(source, "audio/wav"),
        Content::Video { source } => placed(source, "video/mp4"),
        Content::ToolCall(_) | Content::ToolResult(_) | Content::Reasoning(_) => None,
    }
}

/// What is in the request or fetched by the API, which takes public URLs from version 2.5 on
/// (<https://ai.google.dev/gemini-api/docs/file-input-methods>, External HTTP / Signed URLs). It must be told their type:
/// by the ending of the path, else `usual`.
fn placed<'a>(source: &'a Source, usual: &'static str) -> Option<Piece<'a>> {
    let inline = |blob| Piece { inline_data: Some(blob), ..Piece::default() };
    match source {
        Source::Inline { media_type, base64 } => {
            let data = Cow::Borrowed(std::str::from_utf8(base64).ok()?);
            Some(inline(Blob { mime_type: media_type, data }))
        }
        Source::Text(text) => Some(inline(Blob { mime_type: "text/plain", data: STANDARD.encode(text).into() })),
        Source::Url(url) => {
            let file = FileData { mime_type: type_of(url).unwrap_or(usual), file_uri: url };
            Some(Piece { file_data: Some(file), ..Piece::default() })
        }
        Source::File(_) => None,
    }
}

/// The media type that the ending of a URL's path stands for.
fn type_of(url: &str) -> Option<&'static str> {
    const ENDINGS: [(&str, &str); 17] = [
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("webp", "image/webp"),
        ("heic", "image/heic"),
        ("heif", "image/heif"),
        ("gif", "image/gif"),
        ("pdf", "application/pdf"),
        ("txt", "text/plain"),
        ("html", "text/html"),
        ("csv", "text/csv"),
        ("mp3", "audio/mp3"),
        ("wav", "audio/wav"),
        ("mp4", "video/mp4"),
        ("webm", "video/webm"),
        ("mov", "video/quicktime"),
        ("mpeg", "video/mpeg"),
    ];
    let path = url.split(['?', '#']).next()?;
    let (_, ending) = path.rsplit_once('.')?;
    ENDINGS.iter().find(|(name, _)| ending.eq_ignore_ascii_case(name)).map(|(_, media_type)| *media_type)
}
