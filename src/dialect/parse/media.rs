//! What the gateway needs of requests for pictures, speech and transcription, whether they are JSON or forms.
//!
//! <https://platform.openai.com/docs/api-reference/images>, <https://platform.openai.com/docs/api-reference/audio>.

use super::{BadRequest, bad, read_model, wrong_kind};
use crate::{
    dialect::{
        form::{self, Part},
        path::echo,
        strict::{self, Kind, Member},
    },
    model::{Api, Ask, Caps, Demand, Draft, Media, Span, Units, length},
};

/// Most pictures that one request may ask for; OpenAI's own limit is 10.
const MOST_IMAGES: u64 = 128;
/// Most pictures that may be shown while one is made; OpenAI's own limit is 3.
const MOST_PARTIAL: u64 = 100;
/// Bytes of a text that is read out of a form; all that are acted on are short.
const MOST_WORD: usize = 1024;

/// One field that the gateway acts on.
#[derive(Clone, Copy)]
enum Field<'a> {
    Json(&'a [u8], &'a Member<'a>),
    Form(&'a str),
}

/// Finds a field by its name.
type Find<'a> = dyn Fn(&'static str) -> Result<Option<Field<'a>>, BadRequest> + 'a;

/// What a request of JSON says of pictures and sound: goes into `demand`. Returns whether a stream of speech is asked for.
pub(super) fn read_json(
    api: Api,
    body: &[u8],
    members: &[Member<'_>],
    demand: &mut Demand,
) -> Result<bool, BadRequest> {
    let find = |name: &'static str| {
        let found = members.iter().find(|member| *member.key == *name.as_bytes());
        Ok(found.filter(|member| member.kind != Kind::Null).map(|member| Field::Json(body, member)))
    };
    let mut media = media(api, &find, &mut demand.units)?;
    media.pictures = sent(body, members).max(demand.images.into());
    demand.media = Some(Box::new(media));
    let framing = word(&find, "stream_format")?;
    Ok(api == Api::Speech && framing.as_deref() == Some("sse"))
}

/// Pictures that a request of JSON sends: `images` is a list, `mask` is one
/// (<https://platform.openai.com/docs/api-reference/images/createEdit>).
fn sent(body: &[u8], members: &[Member<'_>]) -> u64 {
    let count = |member: &Member<'_>| match (&*member.key, member.kind) {
        (b"images", Kind::Array) => strict::elements(body, member.value).0,
        (b"mask" | b"image", Kind::Object | Kind::String) => 1,
        _ => 0,
    };
    members.iter().map(count).fold(0, u64::saturating_add)
}

/// Reads a request of `api` that is a form; `content_type` names its boundary.
///
/// # Errors
///
/// When it is no form, or a field that the gateway acts on is missing, stands twice or is not of its kind.
pub(super) fn read_form(api: Api, content_type: &str, draft: Draft) -> Result<Ask, BadRequest> {
    let body = draft.as_slice();
    let parts = form::parts(body, form::boundary(content_type)?)?;
    let find = |name: &'static str| match one(&parts, name)? {
        Some(part) => text(body, part).map(|text| Some(Field::Form(text))),
        None => Ok(None),
    };
    let (model, model_span) = match one(&parts, "model")? {
        Some(part) => (read_model(text(body, part)?)?, part.value),
        None => return Err(bad("model", "`model` is missing: name the model to call".to_owned())),
    };
    let mut units = Units::default();
    let mut media = media(api, &find, &mut units)?;
    if api.hears() {
        let file = one(&parts, "file")?;
        let file = file.ok_or_else(|| bad("file", "`file` is missing: send what is to be heard".to_owned()))?;
        let sound = length(body.get(file.value.range()).unwrap_or_default());
        media.sound = Some(sound);
        units.audio_ms = sound.most_ms;
    }
    let picture = |part: &&Part<'_>| part.file && !api.hears();
    media.pictures = parts.iter().filter(picture).count() as u64;
    let bytes = |span: Span| (span.end - span.start) as u64;
    let text_bytes = parts.iter().filter(|part| !part.file).map(|part| bytes(part.value)).sum();
    let images = u32::try_from(media.pictures).unwrap_or(u32::MAX);
    let media = Some(Box::new(media));
    let demand = Demand { readable_bytes: text_bytes, images, units, media, ..Demand::default() };
    Ok(Ask {
        api,
        model,
        model_span,
        form: true,
        stream: api.streams() && flag(&find, "stream")?,
        include_usage: None,
        user: word(&find, "user")?.filter(|user| !user.is_empty()),
        max_output_tokens: None,
        choices: 1,
        text_bytes,
        caps: Caps::default(),
        metadata: Vec::new(),
        demand,
        opening: Default::default(),
        sealed_elsewhere: false,
        body: draft,
    })
}

/// The one part of this name. A second one might be the one that a provider goes by.
fn one<'a, 'b>(parts: &'a [Part<'b>], name: &'static str) -> Result<Option<&'a Part<'b>>, BadRequest> {
    let mut found = parts.iter().filter(|part| part.name == name);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(bad(name, format!("`{name}` stands twice in the form: send it once"))),
        (found, None) => Ok(found),
    }
}

/// The text of a field that is no file.
fn text<'a>(body: &'a [u8], part: &Part<'_>) -> Result<&'a str, BadRequest> {
    let name = part.name;
    if part.file {
        return Err(bad(name, format!("`{}` must be a text, not a file: send it without `filename`", echo(name))));
    }
    let value = body.get(part.value.range()).filter(|value| value.len() <= MOST_WORD);
    let value = value.ok_or_else(|| bad(name, format!("`{}` is longer than {MOST_WORD} bytes", echo(name))))?;
    let text = std::str::from_utf8(value).ok().filter(|text| !text.contains(char::is_control));
    text.ok_or_else(|| bad(name, format!("`{}` must be one line of UTF-8", echo(name))))
}

/// What is told of pictures and sound, and the most that it may come to.
fn media(api: Api, find: &Find<'_>, units: &mut Units) -> Result<Media, BadRequest> {
    let mut media = Media { response_format: word(find, "response_format")?, ..Media::default() };
    if api.makes_images() {
        units.images = match number(find, "n")? {
            None => 1,
            Some(count @ 1..=MOST_IMAGES) => count,
            Some(_) => return Err(bad("n", format!("`n` must be between 1 and {MOST_IMAGES}"))),
        };
        media.partial_images = number(find, "partial_images")?.unwrap_or(0);
        if media.partial_images > MOST_PARTIAL {
            return Err(bad("partial_images", format!("`partial_images` must be at most {MOST_PARTIAL}")));
        }
        media.size = word(find, "size")?.as_deref().and_then(size);
        media.quality = word(find, "quality")?;
    }
    if let (Api::Speech, Some(Field::Json(body, input))) = (api, find("input")?) {
        if input.kind != Kind::String {
            return Err(wrong_kind("input", "a string", input));
        }
        units.characters = strict::string(body, input.value).chars().count() as u64;
    }
    Ok(media)
}

/// `1024x1536`; other words leave it to the provider.
fn size(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.split_once('x')?;
    Some((width.parse().ok()?, height.parse().ok()?))
}

fn word(find: &Find<'_>, name: &'static str) -> Result<Option<String>, BadRequest> {
    match find(name)? {
        None => Ok(None),
        Some(Field::Form(text)) => Ok(Some(text.to_owned())),
        Some(Field::Json(body, member)) => super::string(body, name, member),
    }
}

fn number(find: &Find<'_>, name: &'static str) -> Result<Option<u64>, BadRequest> {
    match find(name)? {
        None | Some(Field::Form("")) => Ok(None),
        Some(Field::Form(text)) => {
            let plain = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|_| plain);
            let wrong = || bad(name, format!("`{name}` must be an integer of at least 0, not `{}`", echo(text)));
            number.map(Some).ok_or_else(wrong)
        }
        Some(Field::Json(body, member)) => super::integer(body, name, Some(member)),
    }
}

/// A boolean of a form. Servers read these words in different ways, so none but the plain ones is taken.
fn flag(find: &Find<'_>, name: &'static str) -> Result<bool, BadRequest> {
    match find(name)? {
        None | Some(Field::Form("" | "false" | "False" | "0")) => Ok(false),
        Some(Field::Form("true" | "True" | "1")) => Ok(true),
        Some(Field::Form(text)) => Err(bad(name, format!("`{name}` must be `true` or `false`, not `{}`", echo(text)))),
        Some(Field::Json(body, member)) => super::flag(body, name, Some(member)),
    }
}

#[cfg(test)]
#[path = "media_tests.rs"]
mod tests;
