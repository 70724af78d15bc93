//! Parts of a message or of a tool's output.

use super::members::{Members, bad, wrong};
use crate::{
    dialect::{
        BadRequest,
        node::{Node, slice},
    },
    model::{CacheMark, Chat, Content, Feature, Part, Source},
};
use bytes::Bytes;
use std::borrow::Cow;

/// Reads what stands at `path`: a text, or parts.
///
/// <https://platform.openai.com/docs/guides/images-vision>, <https://platform.openai.com/docs/guides/pdf-files>
pub(super) fn read(node: Node<'_>, path: &str, body: &Bytes, chat: &mut Chat) -> Result<Vec<Part>, BadRequest> {
    match node {
        Node::Text(text) => Ok(vec![Part::text(text)]),
        Node::List(list) => {
            let parts = list.into_iter().enumerate();
            parts.map(|(index, node)| part(Members::of(node, format!("{path}[{index}]"))?, body, chat)).collect()
        }
        other => Err(wrong(path.to_owned(), "a string or an array", &other)),
    }
}

fn part(mut from: Members<'_>, body: &Bytes, chat: &mut Chat) -> Result<Part, BadRequest> {
    let content = match &*from.needed("type")? {
        "input_text" | "output_text" | "text" => {
            history(&mut from, chat)?;
            Content::Text(from.needed("text")?.into_owned())
        }
        "refusal" => Content::Refusal(from.needed("refusal")?.into_owned()),
        "input_image" => image(&mut from, body, chat)?,
        "input_file" => file(&mut from, body, chat)?,
        "input_audio" => audio(&mut from, body, chat)?,
        other => {
            let known = "`input_text`, `output_text`, `refusal`, `input_image`, `input_file`, `input_audio`";
            return Err(from.unknown_word("type", other, known));
        }
    };
    let cache = breakpoint(&mut from, chat)?;
    from.rest(chat);
    Ok(Part { content, cache })
}

/// What an earlier answer said about its text.
fn history(from: &mut Members<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
    for (name, feature) in [("annotations", Feature::Citations), ("logprobs", Feature::Unknown)] {
        if from.list(name)?.is_some_and(|list| !list.is_empty()) {
            chat.uses(feature, from.at(name));
        }
    }
    Ok(())
}

/// <https://platform.openai.com/docs/guides/prompt-caching>: lifetimes are 30 minutes or 12 hours. Neither is the hour
/// that others bill apart, so that it must be asked for by its name.
fn breakpoint(from: &mut Members<'_>, chat: &mut Chat) -> Result<Option<CacheMark>, BadRequest> {
    let Some(mut mark) = from.object("prompt_cache_breakpoint")? else { return Ok(None) };
    mark.skip(&["mode"]);
    let hour = mark.text("ttl")?.is_some_and(|ttl| ttl == "1h");
    chat.uses(Feature::CacheMarkers, mark.path());
    mark.rest(chat);
    Ok(Some(CacheMark { hour }))
}

fn image(from: &mut Members<'_>, body: &Bytes, chat: &mut Chat) -> Result<Content, BadRequest> {
    let source = if let Some(url) = from.text("image_url")? {
        let source = by_url(&url, from.at("image_url"), body)?;
        let feature = if matches!(source, Source::Url(_)) { Feature::ImageUrl } else { Feature::ImageInline };
        chat.uses(feature, from.at("image_url"));
        source
    } else if let Some(source) = by_id(from, chat)? {
        source
    } else {
        return Err(from.missing("image_url", "a URL or a data URL"));
    };
    let detail = detail(from, chat)?;
    Ok(Content::Image { source, detail })
}

fn file(from: &mut Members<'_>, body: &Bytes, chat: &mut Chat) -> Result<Content, BadRequest> {
    let name = from.text("filename")?.map(Cow::into_owned);
    let source = if let Some(data) = from.text("file_data")? {
        chat.uses(Feature::DocumentInline, from.at("file_data"));
        if data.starts_with("data:") {
            by_url(&data, from.at("file_data"), body)?
        } else {
            let media_type = media_type_of(name.as_deref().unwrap_or_default()).to_owned();
            Source::Inline { media_type, base64: slice(body, &data) }
        }
    } else if let Some(url) = from.text("file_url")? {
        chat.uses(Feature::DocumentUrl, from.at("file_url"));
        Source::Url(url.into_owned())
    } else if let Some(source) = by_id(from, chat)? {
        source
    } else {
        return Err(from.missing("file_data", "a data URL (or give a `file_url` or a `file_id`)"));
    };
    if from.text("detail")?.is_some_and(|detail| detail != "auto") {
        chat.uses(Feature::Unknown, from.at("detail"));
    }
    Ok(Content::Document { source, name })
}

fn audio(from: &mut Members<'_>, body: &Bytes, chat: &mut Chat) -> Result<Content, BadRequest> {
    let sound = from.object("input_audio")?;
    let mut sound = sound.ok_or_else(|| from.missing("input_audio", "an object with `data` and `format`"))?;
    chat.uses(Feature::AudioInput, sound.path());
    let media_type = match &*sound.needed("format")? {
        "mp3" => "audio/mpeg".to_owned(),
        format if format.len() < 16 && format.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            format!("audio/{format}")
        }
        other => return Err(sound.unknown_word("format", other, "`mp3`, `wav`")),
    };
    let base64 = slice(body, &sound.needed("data")?);
    sound.rest(chat);
    Ok(Content::Audio { source: Source::Inline { media_type, base64 } })
}

fn by_id(from: &mut Members<'_>, chat: &mut Chat) -> Result<Option<Source>, BadRequest> {
    let id = from.text("file_id")?;
    if id.is_some() {
        chat.uses(Feature::FileId, from.at("file_id"));
    }
    Ok(id.map(|id| Source::File(id.into_owned())))
}

/// `auto` is what happens anyway.
fn detail(from: &mut Members<'_>, chat: &mut Chat) -> Result<Option<String>, BadRequest> {
    let detail = from.text("detail")?.filter(|detail| detail != "auto").map(Cow::into_owned);
    if detail.is_some() {
        chat.uses(Feature::ImageDetail, from.at("detail"));
    }
    Ok(detail)
}

/// A URL to be fetched, or the bytes that a `data:` URL (RFC 2397) holds: a slice of the body, not a copy.
fn by_url(url: &str, path: String, body: &Bytes) -> Result<Source, BadRequest> {
    let Some(data) = url.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("data:")).and_then(|_| url.get(5..))
    else {
        return Ok(Source::Url(url.to_owned()));
    };
    let Some((media_type, base64)) = data.split_once(',').and_then(|(head, data)| {
        let head = head.strip_suffix(";base64")?;
        Some((head.split_once(';').map_or(head, |(media_type, _)| media_type), data))
    }) else {
        return Err(bad(format!("`{path}` must be a URL or `data:TYPE;base64,DATA`"), path));
    };
    let media_type = if media_type.is_empty() { "text/plain" } else { media_type };
    // `url` may hold its own text, where it had escapes: then `slice` copies.
    let base64 = slice(body, &Cow::Borrowed(base64));
    Ok(Source::Inline { media_type: media_type.to_owned(), base64 })
}

/// The media type of a file by its name: of what OpenAI reads, all but PDF is text.
fn media_type_of(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("txt" | "log") => "text/plain",
        Some("md") => "text/markdown",
        Some("csv") => "text/csv",
        Some("html" | "htm") => "text/html",
        Some("json") => "application/json",
        Some("xml") => "text/xml",
        _ => "application/pdf",
    }
}
