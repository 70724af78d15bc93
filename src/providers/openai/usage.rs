//! OpenAI's usage figures, split into disjoint classes.
//!
//! The input includes cached and audio tokens, the output includes reasoning and audio. Those who speak this API
//! differ in details, which are read where they contradict nothing: DeepSeek's `prompt_cache_hit_tokens`, xAI's
//! reasoning beside the output (told by `total_tokens`).

use crate::{
    model::{Api, ServiceTier, Usage},
    providers::{
        Reading,
        lenient::{Count, raw},
    },
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// `usage` of chat completions, completions and embeddings (`prompt_…`, `completion_…`) and of responses
/// (`input_…`, `output_…`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Figures {
    #[serde(alias = "input_tokens")]
    prompt_tokens: Count,
    #[serde(alias = "output_tokens")]
    completion_tokens: Count,
    total_tokens: Count,
    #[serde(alias = "input_tokens_details", alias = "input_token_details")]
    prompt_tokens_details: Option<Details>,
    #[serde(alias = "output_tokens_details", alias = "output_token_details")]
    completion_tokens_details: Option<Details>,
    prompt_cache_hit_tokens: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    cached_tokens: Count,
    cache_write_tokens: Count,
    audio_tokens: Count,
    reasoning_tokens: Count,
    image_tokens: Count,
    text_tokens: Count,
}

/// `usage` of a transcription that is billed by its length.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Heard<'a> {
    #[serde(borrow, deserialize_with = "raw")]
    seconds: Option<&'a RawValue>,
}

/// Takes what `usage` says of an answer of `api` into `reading`: the last figures count, they are never added up.
pub(super) fn take(api: Api, usage: &RawValue, reading: &mut Reading) {
    let figures = serde_json::from_str::<Figures>(usage.get()).ok();
    if api.is_media() {
        return take_media(api, usage, figures, reading);
    }
    let told = figures.as_ref().is_some_and(|figures| figures.completion_tokens != Count::Absent);
    let split = figures.and_then(|figures| split(api, &figures));
    reading.inconsistent = split.is_none_or(|(_, consistent)| !consistent);
    let usage = split.map(|(usage, _)| usage);
    // Embeddings have no output; of the others no figure is not 0.
    (reading.usage, reading.partial) = if told || !api.generates() { (usage, None) } else { (None, usage) };
}

/// As [`take`], of pictures and sound. Figures that are all zero say nothing: some servers fill them in so.
fn take_media(api: Api, usage: &RawValue, figures: Option<Figures>, reading: &mut Reading) {
    let heard = serde_json::from_str::<Heard<'_>>(usage.get()).ok().and_then(|heard| milliseconds(heard.seconds?));
    let split = figures.and_then(|figures| split_media(api, &figures));
    let timed = heard.map(|audio_ms| (Usage { audio_ms, ..Usage::ZERO }, true));
    let told = split.or(timed).filter(|(usage, _)| !usage.is_zero());
    reading.inconsistent = told.is_some_and(|(_, consistent)| !consistent);
    reading.usage = told.map(|(usage, _)| usage).or(reading.usage);
}

/// The classes of pictures and sound, and whether the figures fit together; `None` when there are no sane ones.
///
/// Pictures: <https://platform.openai.com/docs/api-reference/images/object>. Transcription:
/// <https://platform.openai.com/docs/api-reference/audio/json-object>. Speech:
/// <https://platform.openai.com/docs/api-reference/audio/speech-audio-done-event>.
fn split_media(api: Api, figures: &Figures) -> Option<(Usage, bool)> {
    let none = Details::default();
    let read = figures.prompt_tokens_details.as_ref().unwrap_or(&none);
    let made = figures.completion_tokens_details.as_ref().unwrap_or(&none);
    let all = [
        (figures.prompt_tokens, figures.completion_tokens),
        (read.image_tokens, read.audio_tokens),
        (read.cached_tokens, made.image_tokens),
        (made.text_tokens, Count::Absent),
    ];
    if all.iter().any(|(one, two)| [one, two].contains(&&Count::Absurd)) {
        return None;
    }
    let (mut input, mut output) =
        (Whole::new(figures.prompt_tokens.known()?), Whole::new(figures.completion_tokens.or_zero()));
    let mut usage = Usage {
        image_input: input.part(read.image_tokens),
        audio_input: input.part(read.audio_tokens),
        // Some of what was cached may have been pictures, which are counted already.
        cache_read: input.part(Count::Tokens(read.cached_tokens.or_zero().min(input.left))),
        input: input.left,
        ..Usage::ZERO
    };
    match api {
        Api::Speech => usage.audio_output = output.left,
        _ if api.makes_images() => {
            let image = match made.text_tokens {
                Count::Tokens(text) => Count::Tokens(output.left.saturating_sub(text)),
                _ => made.image_tokens.or(Count::Tokens(output.left)),
            };
            usage.image_output = output.part(image);
            usage.output = output.left;
        }
        _ => usage.output = output.left,
    }
    Some((usage, input.fits && output.fits))
}

/// Seconds as milliseconds, rounded up; `None` for what is no number, or absurd.
pub(super) fn milliseconds(seconds: &RawValue) -> Option<u64> {
    /// 115 days.
    const MOST: f64 = 1e7;
    /// Decimal fractions are no sums of binary ones: 9.3 s are 9,300 ms.
    const SLACK: f64 = 1e-6;
    let seconds: f64 = seconds.get().parse().ok()?;
    let sane = seconds.is_finite() && (0.0..=MOST).contains(&seconds);
    sane.then(|| (seconds.mul_add(1_000.0, -SLACK)).ceil().max(0.0) as u64)
}

/// Takes the tier that was billed.
pub(super) fn take_tier(tier: &str, reading: &mut Reading) {
    // `auto` is what was asked for, not what was billed: it stands in the first events of a response.
    if !tier.is_empty() && tier != "auto" {
        reading.tier = Some(ServiceTier::from_answer(tier));
    }
}

/// The classes, and whether the figures fit together; `None` when there are no sane ones.
fn split(api: Api, figures: &Figures) -> Option<(Usage, bool)> {
    let none = Details::default();
    let read = figures.prompt_tokens_details.as_ref().unwrap_or(&none);
    let made = figures.completion_tokens_details.as_ref().unwrap_or(&none);
    let all = [
        figures.prompt_tokens,
        figures.completion_tokens,
        figures.total_tokens,
        figures.prompt_cache_hit_tokens,
        read.cached_tokens,
        read.cache_write_tokens,
        read.audio_tokens,
        made.audio_tokens,
        made.reasoning_tokens,
    ];
    if all.contains(&Count::Absurd) {
        return None;
    }
    // Those who embed and rank may tell the total alone.
    let total = if matches!(api, Api::Embeddings | Api::Rerank) { figures.total_tokens } else { Count::Absent };
    let input = figures.prompt_tokens.or(total).known()?;
    let output = figures.completion_tokens.or_zero();
    let reasoning = made.reasoning_tokens.or_zero();
    let apart = reasoning > 0 && figures.total_tokens == Count::Tokens(input + output + reasoning);
    let (mut input, mut output) = (Whole::new(input), Whole::new(if apart { output + reasoning } else { output }));
    let usage = Usage {
        cache_read: input.part(read.cached_tokens.or(figures.prompt_cache_hit_tokens)),
        cache_write_5m: input.part(read.cache_write_tokens),
        audio_input: input.part(read.audio_tokens),
        input: input.left,
        reasoning: output.part(made.reasoning_tokens),
        audio_output: output.part(made.audio_tokens),
        output: output.left,
        cache_write_1h: 0,
        ..Usage::ZERO
    };
    Some((usage, input.fits && output.fits))
}

/// An inclusive figure from which the classes are taken.
struct Whole {
    left: u64,
    fits: bool,
}

impl Whole {
    const fn new(all: u64) -> Self {
        Self { left: all, fits: true }
    }

    /// Takes a part out; one that is larger than what is left is cut to fit.
    fn part(&mut self, part: Count) -> u64 {
        let want = part.or_zero();
        let part = want.min(self.left);
        self.fits &= part == want;
        self.left -= part;
        part
    }
}
