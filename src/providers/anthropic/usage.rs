//! Anthropic's usage figures, split into disjoint classes.
//!
//! The input excludes what was read from and written to the cache; the output includes thinking. In a stream the
//! figures are cumulative: `message_start` brings the input, `message_delta` the output and perhaps the rest again.

use crate::{
    model::{ServiceTier, Usage},
    providers::{
        Reading,
        lenient::{Count, Text},
    },
};
use serde::Deserialize;

/// `usage` of a message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Figures<'a> {
    input_tokens: Count,
    output_tokens: Count,
    cache_creation_input_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation: Option<Creation>,
    output_tokens_details: Option<OutputDetails>,
    #[serde(borrow)]
    service_tier: Text<'a>,
}

/// Cache writes by the life of what was written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Creation {
    ephemeral_5m_input_tokens: Count,
    ephemeral_1h_input_tokens: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: Count,
}

/// The figures of one answer as far as they came.
#[derive(Debug, Default)]
pub(super) struct Known {
    input: Count,
    output: Count,
    written: Count,
    written_5m: Count,
    written_1h: Count,
    read: Count,
    thinking: Count,
    fell: bool,
}

impl Known {
    /// Takes newer figures, and tells `reading` what is known now.
    pub(super) fn take(&mut self, figures: &Figures<'_>, reading: &mut Reading) {
        let creation = figures.cache_creation.as_ref();
        let details = figures.output_tokens_details.as_ref();
        let news = [
            (&mut self.input, figures.input_tokens),
            (&mut self.output, figures.output_tokens),
            (&mut self.written, figures.cache_creation_input_tokens),
            (&mut self.written_5m, creation.map_or(Count::Absent, |by| by.ephemeral_5m_input_tokens)),
            (&mut self.written_1h, creation.map_or(Count::Absent, |by| by.ephemeral_1h_input_tokens)),
            (&mut self.read, figures.cache_read_input_tokens),
            (&mut self.thinking, details.map_or(Count::Absent, |details| details.thinking_tokens)),
        ];
        for (known, new) in news {
            match (*known, new) {
                // Cumulative figures never fall; a server that takes tokens back (to 0, mostly) contradicts itself.
                (Count::Tokens(before), Count::Tokens(now)) if now < before => self.fell = true,
                _ => *known = new.or(*known),
            }
        }
        if figures.service_tier.says_something() {
            reading.tier = Some(ServiceTier::from_answer(figures.service_tier.as_str()));
        }
        let split = self.split();
        reading.inconsistent = split.is_none_or(|(_, consistent)| !consistent);
        let usage = split.map(|(usage, _)| usage);
        // No figure of the output is not 0.
        (reading.usage, reading.partial) = if self.output == Count::Absent { (None, usage) } else { (usage, None) };
    }

    /// The classes, and whether the figures fit together; `None` when there are no sane ones.
    fn split(&self) -> Option<(Usage, bool)> {
        let all = [self.input, self.output, self.written, self.written_5m, self.written_1h, self.read, self.thinking];
        if all.contains(&Count::Absurd) {
            return None;
        }
        let (input, output) = (self.input.known()?, self.output.or_zero());
        let thinking = self.thinking.or_zero().min(output);
        let (short, long) = (self.written_5m.or_zero(), self.written_1h.or_zero());
        // What no breakdown claims was written for 5 minutes, the default. A breakdown of more than the whole
        // contradicts it, and the larger one is billed.
        let unclaimed = self.written.or_zero().saturating_sub(short + long);
        let broken_down = self.written_5m != Count::Absent || self.written_1h != Count::Absent;
        let fits = !broken_down || self.written == Count::Absent || self.written.or_zero() == short + long;
        let usage = Usage {
            input,
            cache_read: self.read.or_zero(),
            cache_write_5m: short + unclaimed,
            cache_write_1h: long,
            output: output - thinking,
            reasoning: thinking,
            ..Usage::ZERO
        };
        Some((usage, fits && !self.fell && thinking == self.thinking.or_zero()))
    }
}
