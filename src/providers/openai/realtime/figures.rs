//! What a response or a transcription reports of its use, split into disjoint classes.

use crate::{model::Usage, providers::lenient::Count};
use serde::Deserialize;

/// `usage` of `response.done` and of a transcription.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Figures {
    input_tokens: Count,
    output_tokens: Count,
    input_token_details: Option<Read>,
    output_token_details: Option<Made>,
    /// Of transcriptions that are billed by their length.
    seconds: Option<f64>,
}

/// The input by its kind; what is cached is told of each.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Read {
    text_tokens: Count,
    audio_tokens: Count,
    image_tokens: Count,
    cached_tokens: Count,
    cached_tokens_details: Option<Cached>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cached {
    audio_tokens: Count,
    image_tokens: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Made {
    audio_tokens: Count,
    reasoning_tokens: Count,
}

/// No transcription is longer than a day.
const MOST_SECONDS: f64 = 86_400.0;

/// The classes, and whether the figures fit together; `None` when there are no sane ones.
pub(super) fn read(usage: &str) -> Option<(Usage, bool)> {
    let figures = serde_json::from_str::<Figures>(usage).ok()?;
    if let Some(seconds) = figures.seconds {
        let sane = (0.0..=MOST_SECONDS).contains(&seconds);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a day")]
        return sane.then(|| (Usage { audio_ms: (seconds * 1_000.0).ceil() as u64, ..Usage::ZERO }, true));
    }
    split(&figures)
}

fn split(figures: &Figures) -> Option<(Usage, bool)> {
    let (no_read, no_made, no_cached) = (Read::default(), Made::default(), Cached::default());
    let read = figures.input_token_details.as_ref().unwrap_or(&no_read);
    let made = figures.output_token_details.as_ref().unwrap_or(&no_made);
    let cached = read.cached_tokens_details.as_ref().unwrap_or(&no_cached);
    let all = [
        figures.input_tokens,
        figures.output_tokens,
        read.text_tokens,
        read.audio_tokens,
        read.image_tokens,
        read.cached_tokens,
        cached.audio_tokens,
        cached.image_tokens,
        made.audio_tokens,
        made.reasoning_tokens,
    ];
    if all.contains(&Count::Absurd) {
        return None;
    }
    // No figure is not 0.
    let (mut input, mut output) =
        (Whole::new(figures.input_tokens.known()?), Whole::new(figures.output_tokens.known()?));
    let sound = part_beside_cache(read.audio_tokens, cached.audio_tokens);
    let pictures = part_beside_cache(read.image_tokens, cached.image_tokens);
    let usage = Usage {
        cache_read: input.part(read.cached_tokens.or_zero()),
        audio_input: input.part(sound.0),
        image_input: input.part(pictures.0),
        input: input.left,
        reasoning: output.part(made.reasoning_tokens.or_zero()),
        audio_output: output.part(made.audio_tokens.or_zero()),
        output: output.left,
        ..Usage::ZERO
    };
    Some((usage, input.fits && output.fits && sound.1 && pictures.1))
}

/// What of a kind is not cached, and whether the figures fit.
const fn part_beside_cache(all: Count, cached: Count) -> (u64, bool) {
    let (all, cached) = (all.or_zero(), cached.or_zero());
    (all.saturating_sub(cached), cached <= all)
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
    fn part(&mut self, want: u64) -> u64 {
        let part = want.min(self.left);
        self.fits &= part == want;
        self.left -= part;
        part
    }
}
