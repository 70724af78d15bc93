//! Answers that came whole: checked for being one, and read for their usage.

use super::usage;
use crate::{
    model::{Api, Usage},
    providers::{
        Garbage, Reading,
        lenient::{Text, is_given, raw},
        retrieval::read::Meta,
    },
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

/// The members that tell what a body is; their values are passed over.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default, deserialize_with = "raw")]
    choices: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "raw")]
    data: Option<&'a RawValue>,
    /// Moderations, and documents that were ranked.
    #[serde(borrow, default, deserialize_with = "raw")]
    results: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "raw")]
    meta: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "raw")]
    output: Option<&'a RawValue>,
    /// Transcriptions.
    #[serde(borrow, default, deserialize_with = "raw")]
    text: Option<&'a RawValue>,
    /// Seconds, of a transcription in `verbose_json`.
    #[serde(borrow, default, deserialize_with = "raw")]
    duration: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "raw")]
    error: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "raw")]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Text<'a>,
}

pub(in crate::providers) fn read(api: Api, body: &[u8]) -> Result<Reading, Garbage> {
    let garbage = |why: &str| Garbage { api, why: why.to_owned() };
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(|_| garbage("it is no JSON object"))?;
    let (content, name) = match api {
        Api::Embeddings | Api::Images | Api::ImageEdits | Api::ImageVariations => (answer.data, "data"),
        Api::Moderations => (answer.results, "results"),
        Api::Transcriptions | Api::Translations => (answer.text, "text"),
        Api::Rerank => (answer.results.filter(|results| is_given(Some(results))).or(answer.data), "results"),
        Api::Responses => (answer.output, "output"),
        _ => (answer.choices, "choices"),
    };
    if !is_given(content) {
        let error = is_given(answer.error);
        return Err(if error { garbage("it is an error") } else { garbage(&format!("`{name}` is missing")) });
    }
    let mut reading = Reading { complete: true, ..Reading::default() };
    usage::take_tier(answer.service_tier.as_str(), &mut reading);
    if let Some(given) = answer.usage.filter(|usage| is_given(Some(usage))) {
        usage::take(api, given, &mut reading);
    }
    if reading.usage.is_none() && api.is_media() {
        reading.usage = units(api, content, answer.duration);
    }
    // Who ranks as Cohere does reports as Cohere does.
    let meta = answer.meta.filter(|_| api == Api::Rerank && !reading.has_figures());
    if let Some(meta) = meta.and_then(|meta| serde_json::from_str::<Meta>(meta.get()).ok()) {
        reading = meta.reading();
    }
    reading.complete = reading.usage.is_some();
    Ok(reading)
}

/// What the answer itself shows: the pictures in it, or how long the sound was that it heard.
fn units(api: Api, content: Option<&RawValue>, duration: Option<&RawValue>) -> Option<Usage> {
    if api.makes_images() {
        let pictures = serde_json::from_str::<Vec<IgnoredAny>>(content?.get()).ok()?.len() as u64;
        return (pictures > 0).then_some(Usage { images: pictures, ..Usage::ZERO });
    }
    let audio_ms = usage::milliseconds(duration?)?;
    (audio_ms > 0).then_some(Usage { audio_ms, ..Usage::ZERO })
}
