//! Pieces of a message's content.

use crate::{
    dialect::{
        BadRequest, node,
        node::Node,
        object::{Object, Place},
    },
    model::{CacheMark, Chat, Content, Feature, Part, Source},
};
use bytes::Bytes;
use std::borrow::Cow;

/// Reads pieces, and notes what they use.
pub(super) struct Parts<'r> {
    /// Of which payloads are slices.
    pub(super) body: &'r Bytes,
    pub(super) chat: &'r mut Chat,
}

impl Parts<'_> {
    /// `content` at `at`: a text, or an array of pieces.
    pub(super) fn all(&mut self, content: Node<'_>, at: &Place<'_>) -> Result<Vec<Part>, BadRequest> {
        match content {
            Node::Text(text) => Ok(vec![Part::text(text)]),
            Node::List(list) => {
                list.into_iter().enumerate().map(|(index, node)| self.one(node, &at.element(index))).collect()
            }
            other => Err(at.wrong("a string or an array of content parts", &other)),
        }
    }

    /// One piece. One of a type that is not known is refused: without it the turn would say something else.
    fn one(&mut self, node: Node<'_>, at: &Place<'_>) -> Result<Part, BadRequest> {
        let mut part = Object::of(node, at)?;
        let kind = part.need("type", "name the type of the content part, `text` for one")?;
        let content = match &*kind {
            "text" => Content::Text(part.need("text", "send the text")?.into_owned()),
            "refusal" => Content::Refusal(part.need("refusal", "send the text of the refusal")?.into_owned()),
            "image_url" => self.picture(&mut part)?,
            "input_audio" => self.sound(&mut part)?,
            "file" => self.file(&mut part)?,
            "video_url" => self.video(&mut part)?,
            _ => {
                return Err(at.member("type").bad(
                    "is no type that can be translated: use `text`, `image_url`, `input_audio`, `file` or `refusal`",
                ));
            }
        };
        let cache = cache_mark(&mut part, self.chat)?;
        part.leave(self.chat);
        Ok(Part { content, cache })
    }

    /// A picture of an assistant's turn, as the encoders write it: `{"type":"image_url","image_url":{"url":…}}`.
    pub(super) fn painted(&mut self, node: Node<'_>, at: &Place<'_>) -> Result<Part, BadRequest> {
        let mut image = Object::of(node, at)?;
        image.take("type");
        image.take("index");
        let content = self.picture(&mut image)?;
        image.leave(self.chat);
        Ok(Part::new(content))
    }

    /// A picture. Some clients send documents in the same way, by a `data:` URL of another type.
    fn picture(&mut self, part: &mut Object<'_, '_>) -> Result<Content, BadRequest> {
        let place = part.at().member("image_url");
        let (url, detail) = self.address(part, "image_url")?;
        let source = self.source(&url, &place)?;
        if matches!(&source, Source::Inline { media_type, .. } if !media_type.starts_with("image/")) {
            return Ok(self.document(source, None, &place));
        }
        let feature = if matches!(source, Source::Url(_)) { Feature::ImageUrl } else { Feature::ImageInline };
        self.chat.uses(feature, place.to_string());
        let detail = detail.filter(|detail| detail != "auto");
        if detail.is_some() {
            self.chat.uses(Feature::ImageDetail, place.member("detail").to_string());
        }
        Ok(Content::Image { source, detail })
    }

    /// A video, as OpenRouter and vLLM take it
    /// (<https://openrouter.ai/docs/projects/docs/guides/overview/multimodal/videos>).
    fn video(&mut self, part: &mut Object<'_, '_>) -> Result<Content, BadRequest> {
        let place = part.at().member("video_url");
        let (url, _) = self.address(part, "video_url")?;
        self.chat.uses(Feature::VideoInput, place.to_string());
        Ok(Content::Video { source: self.source(&url, &place)? })
    }

    /// `{"url","detail"}` in the member `name`; many servers take the URL alone, too.
    fn address<'a>(
        &mut self,
        part: &mut Object<'a, '_>,
        name: &str,
    ) -> Result<(Cow<'a, str>, Option<String>), BadRequest> {
        let place = part.at().member(name);
        match part.take(name) {
            Some(Node::Text(url)) => Ok((url, None)),
            Some(node) => {
                let mut inner = Object::of(node, &place)?;
                let url = inner.need("url", "send a URL or a `data:` URL")?;
                let detail = inner.owned("detail")?;
                inner.leave(self.chat);
                Ok((url, detail))
            }
            None => Err(place.bad("is missing: send an object with a `url`")),
        }
    }

    /// `{"data","format"}`: <https://platform.openai.com/docs/guides/audio>.
    fn sound(&mut self, part: &mut Object<'_, '_>) -> Result<Content, BadRequest> {
        let place = part.at().member("input_audio");
        let Some(node) = part.take("input_audio") else {
            return Err(place.bad("is missing: send an object with `data` and `format`"));
        };
        let mut inner = Object::of(node, &place)?;
        let data = inner.need("data", "send the sound in base64")?;
        let format = inner.need("format", "name the format, `wav` or `mp3`")?;
        inner.leave(self.chat);
        self.chat.uses(Feature::AudioInput, place.to_string());
        let source = Source::Inline { media_type: format!("audio/{format}"), base64: node::slice(self.body, &data) };
        Ok(Content::Audio { source })
    }

    /// `{"file_id"}` or `{"file_data","filename"}`: <https://platform.openai.com/docs/guides/pdf-files>.
    fn file(&mut self, part: &mut Object<'_, '_>) -> Result<Content, BadRequest> {
        let place = part.at().member("file");
        let Some(node) = part.take("file") else {
            return Err(place.bad("is missing: send an object with `file_data` or `file_id`"));
        };
        let mut inner = Object::of(node, &place)?;
        let (id, data) = (inner.owned("file_id")?, inner.text("file_data")?);
        let name = inner.owned("filename")?;
        inner.leave(self.chat);
        match (id, data) {
            (_, Some(data)) if is_url(&data) => {
                let source = self.source(&data, &place.member("file_data"))?;
                if matches!(&source, Source::Inline { media_type, .. } if media_type.starts_with("image/")) {
                    self.chat.uses(Feature::ImageInline, place.to_string());
                    return Ok(Content::Image { source, detail: None });
                }
                Ok(self.document(source, name, &place))
            }
            (_, Some(data)) => {
                let media_type = media_type_of(name.as_deref().unwrap_or_default()).to_owned();
                let source = Source::Inline { media_type, base64: node::slice(self.body, &data) };
                Ok(self.document(source, name, &place))
            }
            (Some(id), None) => Ok(self.document(Source::File(id), name, &place)),
            (None, None) => Err(place.bad("names no file: send `file_data`, or a `file_id`")),
        }
    }

    fn document(&mut self, source: Source, name: Option<String>, place: &Place<'_>) -> Content {
        let feature = match source {
            Source::Inline { .. } | Source::Text(_) => Feature::DocumentInline,
            Source::Url(_) => Feature::DocumentUrl,
            Source::File(_) => Feature::FileId,
        };
        self.chat.uses(feature, place.to_string());
        Content::Document { source, name }
    }

    /// What `url` stands for: `data:image/png;base64,…` is in the request.
    fn source(&self, url: &str, at: &Place<'_>) -> Result<Source, BadRequest> {
        let Some(rest) = strip_data(url) else { return Ok(Source::Url(url.to_owned())) };
        let split = rest.split_once(',').and_then(|(head, data)| Some((head.strip_suffix(";base64")?, data)));
        let Some((head, data)) = split else {
            return Err(at.bad("is a `data:` URL without base64: send `data:<media type>;base64,<payload>`"));
        };
        let media_type = head.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if media_type.is_empty() {
            return Err(at.bad("is a `data:` URL without a media type: send `data:image/png;base64,…`, for one"));
        }
        let base64 = node::slice(self.body, &Cow::Borrowed(data));
        Ok(Source::Inline { media_type, base64 })
    }
}

/// What is behind `data:`, in whatever case it is written.
fn strip_data(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_at_checked(5)?;
    scheme.eq_ignore_ascii_case("data:").then_some(rest)
}

/// Whether a file's payload is an address rather than base64, which has no colon.
fn is_url(data: &str) -> bool {
    strip_data(data).is_some() || data.starts_with("https://") || data.starts_with("http://")
}

/// By the ending of a file's name; base64 alone does not tell. PDF is what OpenAI documents.
fn media_type_of(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).as_deref() {
        Some("txt" | "md") => "text/plain",
        Some("csv") => "text/csv",
        Some("html" | "htm") => "text/html",
        Some("json") => "application/json",
        Some("docx") => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _ => "application/pdf",
    }
}

/// `cache_control`, as Anthropic has it and gateways take it on parts, messages and tools
/// (<https://openrouter.ai/docs/features/prompt-caching>).
pub(super) fn cache_mark(of: &mut Object<'_, '_>, chat: &mut Chat) -> Result<Option<CacheMark>, BadRequest> {
    let place = of.at().member("cache_control");
    let Some(node) = of.take("cache_control") else { return Ok(None) };
    let mut mark = Object::of(node, &place)?;
    mark.take("type");
    let hour = mark.text("ttl")?.is_some_and(|ttl| ttl == "1h");
    mark.leave(chat);
    chat.uses(Feature::CacheMarkers, place.to_string());
    Ok(Some(CacheMark { hour }))
}
