//! What the pass notes of nested objects on its way: pictures, sound, documents, tools, cache markers.
//!
//! Each object collects a [`Gist`] of its members; when it ends, its `type` decides what it was. Nothing is looked at
//! twice, and names and values are compared unescaped, so that an escape hides nothing.

use super::Shape;
use super::text::unescape;
use crate::model::{Modalities, Modality, Span};
use std::borrow::Cow;

/// What was noted of a whole body.
#[derive(Debug, Default)]
pub struct Tally {
    /// Pictures.
    pub images: u32,
    /// Those at `detail: low`.
    pub images_low: u32,
    /// Bytes of base64 of sound.
    pub audio_bytes: u64,
    /// Bytes of base64 of pictures, sound and documents: no text.
    pub payload_bytes: u64,
    /// `cache_control`, `prompt_cache_breakpoint`.
    pub cache_writes: bool,
    /// `ttl: 1h`.
    pub cache_hour: bool,
    /// A byte inside of the first input that is not in the body.
    pub unseen_at: Option<usize>,
    /// A byte of the first picture or sound.
    pub media_at: Option<usize>,
    /// Kinds of parts.
    pub holds: Modalities,
    /// One past the first element of a top-level array that is a turn of the user.
    pub first_turn_end: Option<usize>,
    /// Definitions of tools.
    pub tools: u32,
    /// Those whose `type` is not `function` or `custom`.
    pub typed_tools: Vec<TypedTool>,
}

/// A tool that the client does not define.
#[derive(Debug)]
pub struct TypedTool {
    /// The value of `type`, with its quotes.
    pub kind: Span,
    /// `max_uses`.
    pub max_uses: Option<u64>,
    /// `memory_limit` stands in its container.
    pub sized_container: bool,
}

/// The top-level member that the pass is in.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// Messages, input, system prompts, and whatever is not named.
    #[default]
    Content,
    /// `input` of the Responses API, whose items may be mere references.
    Input,
    /// `tools`.
    Tools,
    /// Schemas and labels, which hold no parts.
    Plain,
}

impl Section {
    pub(super) fn of(name: &[u8], shape: Shape) -> Self {
        if shape == Shape::Named {
            // `tools` of Google's have no types: they are read apart.
            return match name {
                b"contents" | b"systemInstruction" | b"system_instruction" => Self::Content,
                _ => Self::Plain,
            };
        }
        match name {
            b"input" => Self::Input,
            b"tools" => Self::Tools,
            b"metadata" | b"response_format" | b"text" | b"functions" => Self::Plain,
            _ => Self::Content,
        }
    }
}

/// What an object is by its `type`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum What {
    #[default]
    Other,
    Image,
    Audio,
    Document,
    /// A document that stands in the body as text.
    TextSource,
    /// Something whose size the body does not tell.
    Unseen,
    /// A film; as [`What::Unseen`].
    Film,
    /// Sound that is not in the body; as [`What::Unseen`].
    Recording,
    /// A tool that the client defines.
    Own,
}

impl What {
    fn of(kind: &[u8]) -> Self {
        match kind {
            b"image_url" | b"input_image" | b"image" | b"computer_screenshot" => Self::Image,
            b"input_audio" => Self::Audio,
            b"file" | b"input_file" | b"document" => Self::Document,
            b"text" | b"content" => Self::TextSource,
            b"video_url" | b"input_video" | b"video" => Self::Film,
            b"audio_url" => Self::Recording,
            b"item_reference" | b"container_upload" | b"image_embeds" => Self::Unseen,
            b"function" | b"custom" => Self::Own,
            _ => Self::Other,
        }
    }

    /// By the media type of Google's `inlineData` and `fileData`. Of sound and films elsewhere not even the length is
    /// known, and a document or a film that is sent may be compressed.
    fn of_media(kind: &[u8], inline: bool) -> Self {
        let is = |family: &[u8]| kind.get(..family.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(family));
        if is(b"image/") {
            Self::Image
        } else if is(b"audio/") {
            if inline { Self::Audio } else { Self::Recording }
        } else if is(b"video/") {
            Self::Film
        } else {
            Self::Document
        }
    }
}

/// Whether the object that is called `name` is a part of the one around it, which tells what it is.
pub(super) fn is_part_of(name: &[u8], shape: Shape) -> bool {
    match shape {
        Shape::Typed => matches!(name, b"image_url" | b"file" | b"source" | b"input_audio" | b"container" | b"audio"),
        Shape::Named => matches!(name, b"inlineData" | b"inline_data" | b"fileData" | b"file_data"),
    }
}

/// What the members of one object told.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Gist {
    shape: Shape,
    what: What,
    kind: Option<Span>,
    /// `mimeType`.
    media: Option<Span>,
    /// Bytes of base64 in it, and in the object that holds its source.
    payload: u64,
    /// A byte of what it refers to.
    mark: Option<usize>,
    max_uses: Option<u64>,
    low: bool,
    has_id: bool,
    has_role: bool,
    is_user: bool,
    has_image: bool,
    /// What it holds is of another media type than a picture's.
    no_picture: bool,
    text_source: bool,
    sized_container: bool,
}

impl Gist {
    pub(super) fn new(shape: Shape) -> Self {
        Self { shape, ..Self::default() }
    }

    /// Adds a string; `value` with its quotes. `payload`: it is base64.
    #[inline]
    pub(super) fn string(&mut self, name: &[u8], bytes: &[u8], value: Span, payload: bool, tally: &mut Tally) {
        if payload {
            self.payload += (value.end - value.start).saturating_sub(2) as u64;
        }
        if self.shape == Shape::Named {
            match name {
                b"mimeType" | b"mime_type" => self.media = Some(value),
                b"data" | b"fileUri" | b"file_uri" => self.mark = Some(value.start),
                b"role" => self.role(bytes, value),
                _ => {}
            }
            return;
        }
        match name {
            b"type" => {
                self.kind = Some(value);
                self.what = What::of(&text(bytes, value));
            }
            b"url" => {
                self.mark = Some(value.start);
                self.no_picture |= holds_no_picture(bytes, value);
            }
            b"file_id" | b"file_url" | b"file_data" | b"data" => self.mark = Some(value.start),
            b"media_type" => self.no_picture |= !is_picture(&text(bytes, value)),
            b"id" => self.has_id = true,
            b"role" => self.role(bytes, value),
            b"image_url" => {
                self.has_image = true;
                if holds_no_picture(bytes, value) {
                    self.no_picture = true;
                    self.mark = Some(value.start);
                }
            }
            b"detail" => self.low = *text(bytes, value) == *b"low",
            b"ttl" => tally.cache_hour |= *text(bytes, value) == *b"1h",
            b"memory_limit" => self.sized_container = true,
            _ => {}
        }
    }

    fn role(&mut self, bytes: &[u8], value: Span) {
        self.has_role = true;
        self.is_user = *text(bytes, value) == *b"user";
    }

    /// Adds a number, `true`, `false` or `null`.
    #[inline]
    pub(super) fn number(&mut self, name: &[u8], bytes: &[u8], value: Span) {
        if name == b"max_uses" {
            let digits = bytes.get(value.range()).and_then(|digits| std::str::from_utf8(digits).ok());
            self.max_uses = digits.and_then(|digits| digits.parse().ok());
        }
    }

    /// Adds an object that was concluded as `child`.
    #[inline]
    pub(super) fn object(&mut self, name: &[u8], child: &Self, bytes: &[u8], start: usize, tally: &mut Tally) {
        if self.shape == Shape::Named {
            if is_part_of(name, Shape::Named) {
                if self.what != What::Other {
                    note_unseen(tally, start); // in both spellings: who knows which one is read
                }
                let media = child.media.map(|media| text(bytes, media));
                self.what = What::of_media(media.as_deref().unwrap_or_default(), name.starts_with(b"inline"));
                self.payload += child.payload;
                self.mark = child.mark;
            }
            return;
        }
        match name {
            b"cache_control" | b"prompt_cache_breakpoint" => tally.cache_writes = true,
            b"image_url" | b"file" | b"source" | b"input_audio" | b"container" => {
                self.payload += child.payload;
                self.mark = child.mark.or(self.mark);
                self.low |= child.low;
                self.has_image |= name == b"image_url";
                self.no_picture |= child.no_picture;
                self.text_source |= child.what == What::TextSource;
                self.sized_container |= child.sized_container;
            }
            // Speech of an answer before, which the provider keeps.
            b"audio" if child.has_id => note_unseen(tally, start),
            _ => {}
        }
    }

    /// The object ends, which has the place `at`. `item`: it is an element of a top-level array.
    #[inline]
    pub(super) fn conclude(&self, section: Section, item: bool, at: Span, tally: &mut Tally) {
        let start = at.start;
        match section {
            Section::Plain => {}
            Section::Tools if item => self.tool(tally),
            Section::Tools => {}
            Section::Content | Section::Input => {
                self.part(start, tally);
                // Google's turns need not say whose they are.
                if item && (self.is_user || (self.shape == Shape::Named && !self.has_role)) {
                    tally.first_turn_end.get_or_insert(at.end);
                }
                if section == Section::Input && item && self.kind.is_none() && self.has_id && !self.has_role {
                    note_unseen(tally, start); // the type of a reference may be left out
                }
            }
        }
    }

    fn tool(&self, tally: &mut Tally) {
        tally.tools = tally.tools.saturating_add(1);
        if let Some(kind) = self.kind.filter(|_| self.what != What::Own) {
            let Self { max_uses, sized_container, .. } = *self;
            tally.typed_tools.push(TypedTool { kind, max_uses, sized_container });
        }
    }

    fn part(&self, start: usize, tally: &mut Tally) {
        match self.what {
            What::Film => tally.holds.insert(Modality::Video),
            What::Audio | What::Recording => tally.holds.insert(Modality::Audio),
            What::Document => tally.holds.insert(Modality::Document),
            What::Image | What::Other | What::TextSource | What::Unseen | What::Own => {}
        }
        match self.what {
            What::Image => self.image(start, tally),
            What::Other if self.kind.is_none() && self.has_image => self.image(start, tally),
            What::Audio => {
                tally.media_at.get_or_insert(start);
                tally.audio_bytes = tally.audio_bytes.saturating_add(self.payload);
                tally.payload_bytes = tally.payload_bytes.saturating_add(self.payload);
            }
            What::Document if self.text_source => {}
            What::Document | What::Unseen | What::Film | What::Recording => {
                tally.payload_bytes = tally.payload_bytes.saturating_add(self.payload);
                note_unseen(tally, self.mark.unwrap_or(start));
            }
            What::Other | What::TextSource | What::Own => {}
        }
    }

    fn image(&self, start: usize, tally: &mut Tally) {
        if self.no_picture {
            // A document by the name of a picture: it may be told as what it is.
            tally.holds.insert(Modality::Document);
            tally.payload_bytes = tally.payload_bytes.saturating_add(self.payload);
            return note_unseen(tally, self.mark.unwrap_or(start));
        }
        tally.media_at.get_or_insert(start);
        tally.holds.insert(Modality::Image);
        tally.images = tally.images.saturating_add(1);
        tally.images_low = tally.images_low.saturating_add(u32::from(self.low));
        tally.payload_bytes = tally.payload_bytes.saturating_add(self.payload);
    }
}

fn note_unseen(tally: &mut Tally, at: usize) {
    tally.unseen_at.get_or_insert(at);
}

/// Whether a URL holds something that does not call itself a picture. Only as much of it is looked at as that takes, were
/// each letter an escape.
fn holds_no_picture(bytes: &[u8], value: Span) -> bool {
    const MOST: usize = (SCHEME.len() + FAMILY.len()) * 6;
    let end = value.end.saturating_sub(1).min(value.start + 1 + MOST);
    let text = text(bytes, Span { start: value.start, end: end + 1 });
    let scheme = text.get(..SCHEME.len()).filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
    scheme.is_some() && !is_picture(text.get(SCHEME.len()..).unwrap_or_default())
}

fn is_picture(media: &[u8]) -> bool {
    media.get(..FAMILY.len()).is_some_and(|family| family.eq_ignore_ascii_case(FAMILY))
}

const SCHEME: &[u8] = b"data:";
const FAMILY: &[u8] = b"image/";

/// A string unescaped.
fn text(bytes: &[u8], value: Span) -> Cow<'_, [u8]> {
    let inside = bytes.get(value.start + 1..value.end.saturating_sub(1)).unwrap_or_default();
    if memchr::memchr(b'\\', inside).is_some() { Cow::Owned(unescape(inside)) } else { Cow::Borrowed(inside) }
}
