//! The texts of requests.
//!
//! Sources: <https://platform.openai.com/docs/api-reference/chat/create>,
//! <https://platform.openai.com/docs/api-reference/responses/create>, <https://docs.claude.com/en/api/messages>,
//! <https://ai.google.dev/api/generate-content>, <https://docs.cohere.com/reference/rerank>.

use super::{NoView, cursor::Kind, parameters, walk::Walk};
use crate::{
    dialect::form,
    model::{Api, Form, Speech, Text},
};

/// The texts of a request of `api`, in the order of their places. `boundary`: the body is a form with this boundary.
///
/// # Errors
///
/// When there is no view of such calls, or of this one.
pub fn request(api: Api, boundary: Option<&str>, body: &[u8]) -> Result<Vec<Text>, NoView> {
    if !requests(api) {
        return Err(NoView::Api(api));
    }
    if let Some(boundary) = boundary {
        return form_texts(api, boundary, body);
    }
    let mut walk = Walk::new(body);
    if walk.cursor.peek() == Kind::Object {
        walk.cursor.enter();
        while let Some(key) = walk.cursor.key() {
            let told = top(api, &key);
            member(&mut walk, told).map_err(|Tokens| NoView::Tokens { api, member: name_of(told) })?;
        }
    } else {
        walk.value(Speech::User);
    }
    Ok(walk.texts(Speech::User).0)
}

/// Whether there is a view of requests of `api`.
pub const fn requests(api: Api) -> bool {
    !matches!(api, Api::Realtime | Api::Files | Api::Batches)
}

/// What a member of the top level holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// No text.
    Nothing,
    /// Nobody knows it.
    Unknown,
    /// Texts, messages, items.
    Speech(Speech),
    /// Texts in whatever they are put into.
    Strings(Speech),
    /// Texts, or tokens.
    Prompt(&'static str),
    /// Definitions of tools, schemas.
    Definitions,
    /// An object of which these members are definitions.
    Holder(&'static [&'static [u8]]),
    /// Parameters of `generateContent`: where to stop, and schemas.
    Generation,
    /// A prompt that the provider keeps, with variables.
    Stored,
}

const FORMAT: Told = Told::Holder(&[b"format"]);

/// What the member `key` of a request holds.
fn top(api: Api, key: &[u8]) -> Told {
    match (api, key) {
        (Api::ChatCompletions | Api::Messages | Api::CountTokens, b"messages") => Told::Speech(Speech::User),
        (Api::ChatCompletions | Api::Responses | Api::Messages | Api::CountTokens | Api::Generate, b"tools") => {
            Told::Definitions
        }
        (Api::ChatCompletions, b"functions" | b"response_format" | b"web_search_options" | b"plugins") => {
            Told::Definitions
        }
        (Api::ChatCompletions, b"chat_template") => Told::Speech(Speech::System),
        (Api::ChatCompletions, b"prediction") => Told::Speech(Speech::Assistant),
        (Api::ChatCompletions, b"documents") => Told::Strings(Speech::Document),
        // Some servers take either for both calls.
        (Api::Completions, b"messages") => Told::Speech(Speech::User),
        (Api::ChatCompletions | Api::Completions, b"prompt") => Told::Prompt("prompt"),
        (Api::ChatCompletions | Api::Completions, b"suffix") => Told::Speech(Speech::User),
        // Where a model is to stop may be said in any words.
        (Api::ChatCompletions | Api::Completions, b"stop") => Told::Strings(Speech::User),
        (Api::Messages | Api::CountTokens, b"stop_sequences") => Told::Strings(Speech::User),
        (Api::Responses, b"instructions") => Told::Speech(Speech::System),
        (Api::Responses, b"input") => Told::Speech(Speech::User),
        (Api::Responses, b"text") => FORMAT,
        (Api::Responses, b"prompt") => Told::Stored,
        (Api::Messages | Api::CountTokens, b"system") => Told::Speech(Speech::System),
        (Api::Messages | Api::CountTokens, b"output_config") => FORMAT,
        (Api::Messages | Api::CountTokens, b"output_format" | b"context_management") => Told::Definitions,
        (Api::Generate, b"contents") => Told::Speech(Speech::User),
        (Api::Generate, b"systemInstruction" | b"system_instruction") => Told::Speech(Speech::System),
        (Api::Generate, b"generationConfig" | b"generation_config") => Told::Generation,
        (Api::Embeddings, b"input") => Told::Prompt("input"),
        (Api::Embeddings, b"texts" | b"inputs" | b"messages") => Told::Speech(Speech::User),
        (Api::Embeddings, b"title") => Told::Speech(Speech::Document),
        (Api::Embeddings | Api::Rerank, b"instruction") => Told::Speech(Speech::System),
        (Api::Moderations, b"input") => Told::Speech(Speech::User),
        (Api::Images | Api::ImageEdits | Api::ImageVariations, b"prompt" | b"negative_prompt") => {
            Told::Speech(Speech::User)
        }
        (Api::Speech, b"input") => Told::Speech(Speech::User),
        (Api::Speech, b"instructions") => Told::Speech(Speech::System),
        (Api::Rerank, b"query") => Told::Strings(Speech::User),
        (Api::Rerank, b"documents" | b"texts") => Told::Strings(Speech::Document),
        _ if parameters::is_known(api, key) => Told::Nothing,
        _ => Told::Unknown,
    }
}

const fn name_of(told: Told) -> &'static str {
    match told {
        Told::Prompt(name) => name,
        _ => "",
    }
}

/// Numbers where a text may stand.
struct Tokens;

fn member(walk: &mut Walk<'_>, told: Told) -> Result<(), Tokens> {
    match told {
        Told::Nothing => walk.cursor.pass(),
        Told::Unknown => walk.strings(Speech::Unknown),
        Told::Speech(speech) => walk.value(speech),
        Told::Strings(speech) => walk.strings(speech),
        Told::Prompt(_) => return prompt(walk),
        Told::Definitions => walk.definition(),
        Told::Holder(names) => {
            of_object(walk, |walk, key| if names.contains(&key) { walk.definition() } else { walk.cursor.pass() });
        }
        Told::Generation => of_object(walk, |walk, key| match key {
            b"stopSequences" | b"stop_sequences" => walk.strings(Speech::User),
            b"responseSchema"
            | b"response_schema"
            | b"responseJsonSchema"
            | b"response_json_schema"
            | b"_responseJsonSchema"
            | b"responseFormat"
            | b"response_format" => walk.definition(),
            _ => walk.cursor.pass(),
        }),
        Told::Stored => of_object(walk, |walk, key| match key {
            b"variables" => of_object(walk, |walk, _| walk.value(Speech::User)),
            _ => walk.cursor.pass(),
        }),
    }
    Ok(())
}

fn of_object(walk: &mut Walk<'_>, each: impl Fn(&mut Walk<'_>, &[u8])) {
    if walk.cursor.peek() != Kind::Object {
        walk.cursor.skip();
        return;
    }
    walk.cursor.enter();
    while let Some(key) = walk.cursor.key() {
        each(walk, &key);
    }
}

/// A text, texts, parts; or tokens, of one text or of several.
fn prompt(walk: &mut Walk<'_>) -> Result<(), Tokens> {
    match walk.cursor.peek() {
        Kind::Array if !walk.cursor.too_deep() => {
            walk.cursor.enter();
            while walk.cursor.more() {
                if walk.cursor.peek() == Kind::Scalar {
                    return Err(Tokens);
                }
                prompt(walk)?;
            }
        }
        _ => walk.value(Speech::User),
    }
    Ok(())
}

/// Fields of forms that are words of the protocol, by the name without `[]`.
///
/// Sources: <https://platform.openai.com/docs/api-reference/audio/createTranscription>,
/// <https://platform.openai.com/docs/api-reference/images/createEdit>.
const SILENT: [&str; 24] = [
    "background",
    "chunking_strategy",
    "file",
    "image",
    "include",
    "input_fidelity",
    "known_speaker_references",
    "language",
    "mask",
    "model",
    "moderation",
    "n",
    "output_compression",
    "output_format",
    "partial_images",
    "quality",
    "response_format",
    "seed",
    "size",
    "stream",
    "style",
    "temperature",
    "timestamp_granularities",
    "user",
];

/// The parts of a form that a model may read: a field that is not known counts as text, unless it is a file.
fn form_texts(api: Api, boundary: &str, body: &[u8]) -> Result<Vec<Text>, NoView> {
    let parts = form::parts(body, boundary).map_err(|_| NoView::Form(api))?;
    let text = |part: &form::Part<'_>| {
        let name = part.name.strip_suffix("[]").unwrap_or(part.name);
        let speech = match name {
            // A file name makes no file of them: servers take them as they take the others.
            "prompt" | "negative_prompt" | "input" | "known_speaker_names" => Speech::User,
            "instructions" => Speech::System,
            _ if part.file || SILENT.contains(&name) => return None,
            _ => Speech::User,
        };
        (part.value.start < part.value.end).then(|| Text { at: part.value.range(), form: Form::Plain, speech })
    };
    Ok(parts.iter().filter_map(text).collect())
}
