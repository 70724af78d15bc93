//! What pictures, speech and transcription used, by the unit that the target's price has.
//!
//! What the provider reports is taken. Most answers without figures show what is billed all the same: the pictures in
//! them, the characters of the request. The rest is estimated from the sound's length.

use super::{Count, Used};
use crate::{
    catalogue::Price,
    model::{Api, Media, Usage, UsageOrigin, spoken_ms, text_end_ms},
    providers::OutputText,
    proxy::{
        attempt::Attempt,
        bound::media::{HEARD_PER_SECOND, by_tokens, has, picture_tokens},
        exchange::Opened,
        opaque::Opaque,
    },
};
use bytes::Bytes;

/// Tokens of a minute of speech: OpenAI estimates 0.015 USD a minute for gpt-4o-mini-tts, at 12 USD for a million
/// (<https://platform.openai.com/docs/pricing#transcription-and-speech-generation>).
const SPOKEN_PER_MINUTE: u64 = 1_250;

/// What the attempt used; its call is one of [`Api::is_media`].
pub(super) fn used(attempt: &Attempt, opened: &Opened, media: &Media) -> Used {
    let price = attempt.target.price.as_deref();
    let what = What { attempt, opened, media, tokens: price.is_some_and(by_tokens), price };
    match opened.ask.api {
        Api::Speech => what.spoken(),
        api if api.hears() => what.heard(),
        _ => what.shown(),
    }
}

struct What<'a> {
    attempt: &'a Attempt,
    opened: &'a Opened,
    media: &'a Media,
    price: Option<&'a Price>,
    /// The price is by tokens.
    tokens: bool,
}

impl What<'_> {
    fn priced(&self, class: &str) -> bool {
        self.price.is_some_and(|price| has(price, class))
    }

    fn reported(&self, fits: impl FnOnce(&Usage) -> bool) -> Option<Used> {
        let answer = &self.attempt.answer;
        // Fewer pictures may have come than were asked for, each with its figures.
        let ended = || answer.reading().usage.filter(|_| answer.ended());
        let usage = answer.reported().map(|(usage, _)| usage).or_else(ended).filter(fits)?;
        Some(self.known(usage, UsageOrigin::Reported))
    }

    fn known(&self, usage: Usage, origin: UsageOrigin) -> Used {
        Used::Known { usage, origin, tier: self.attempt.answer.reading().tier.unwrap_or_default() }
    }

    /// The request's text by its tokenizer, `beside` by estimate, and `output_bytes` of text that was answered.
    fn count(&self, beside: Usage, output_bytes: u64) -> Used {
        let ask = &self.opened.ask;
        let output = self.attempt.answer.output();
        Used::Count(Count {
            api: ask.api,
            encoding: self.attempt.target.encoding,
            reported: None,
            tier: self.attempt.answer.reading().tier.unwrap_or_default(),
            // Of a form only its texts are read.
            body: if ask.form { Bytes::new() } else { ask.body.bytes() },
            text_bytes: ask.text_bytes,
            output: output.map(|output| output.text().to_owned()).unwrap_or_default(),
            output_bytes: output.map_or(output_bytes, OutputText::dropped_bytes),
            beside,
        })
    }

    /// Speech is billed by the characters that are spoken, or by tokens of text and sound.
    fn spoken(&self) -> Used {
        let characters = self.opened.ask.demand.units.characters;
        if self.priced("characters") {
            return self.known(Usage { characters, ..Usage::ZERO }, UsageOrigin::Counted);
        }
        if let Some(used) = self.reported(|_| true) {
            return used;
        }
        if !self.tokens {
            return self.known(Usage { characters, ..Usage::ZERO }, UsageOrigin::Counted);
        }
        let format = self.media.response_format.as_deref();
        let opaque = self.attempt.answer.opaque();
        let ms = opaque.map_or(0, |sound| spoken_ms(format, sound.head(), sound.seen()));
        let audio_output = ms.saturating_mul(SPOKEN_PER_MINUTE).div_ceil(60_000);
        self.count(Usage { audio_output, ..Usage::ZERO }, 0)
    }

    /// Transcription is billed by the length of what is heard, or by tokens of sound and text.
    fn heard(&self) -> Used {
        // Where both have a price, tokens are what is held for, and what such models report.
        let timed = !self.tokens;
        if let Some(used) = self.reported(|usage| usage.audio_ms == 0 || timed) {
            return used;
        }
        let reported = self.attempt.answer.reported().map(|(usage, _)| usage.audio_ms);
        let sound = self.media.sound.unwrap_or_default();
        let told = reported.or_else(|| self.attempt.answer.opaque().and_then(|text| text_end_ms(Opaque::tail(text))));
        // A header may be forged, and a last word may come long before the end.
        let audio_ms = told.map_or(sound.ms, |told| if sound.told { told.max(sound.ms) } else { told });
        if timed {
            return self.known(Usage { audio_ms, ..Usage::ZERO }, UsageOrigin::Estimated);
        }
        let audio_input = audio_ms.saturating_mul(HEARD_PER_SECOND).div_ceil(1_000);
        self.count(Usage { audio_input, ..Usage::ZERO }, self.attempt.answer.unread_bytes())
    }

    /// Pictures are billed by the piece, or by tokens of text and pictures.
    fn shown(&self) -> Used {
        let pieces = self.priced("images") || !self.tokens;
        if let Some(used) = self.reported(|usage| usage.images == 0 || pieces) {
            return used;
        }
        let images = self.opened.ask.demand.units.images;
        if pieces {
            return self.known(Usage { images, ..Usage::ZERO }, UsageOrigin::Estimated);
        }
        let image_output = picture_tokens(self.media).saturating_mul(images);
        self.count(Usage { image_output, ..Usage::ZERO }, 0)
    }
}
