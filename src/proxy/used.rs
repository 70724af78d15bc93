//! What an attempt used: what the provider reported, else what it takes to find out.

mod media;

use super::attempt::Attempt;
use super::exchange::Opened;
use super::trouble::Trouble;
use crate::model::{Api, ServiceTier, Usage, UsageOrigin};
use crate::tokens::{self, Encoding};
use bytes::Bytes;

/// What an attempt used, or what it takes to find out.
pub enum Used {
    /// Known now.
    Known {
        /// By class.
        usage: Usage,
        /// Where it is from.
        origin: UsageOrigin,
        /// What it is billed as.
        tier: ServiceTier,
    },
    /// To be counted.
    Count(Count),
}

/// Material for counting tokens off the hot path.
pub struct Count {
    api: Api,
    /// The model's own tokenizer, if there is one.
    pub encoding: Option<Encoding>,
    /// What the provider reported of the input, if it did.
    reported: Option<Usage>,
    /// The tier that it reported.
    pub tier: ServiceTier,
    body: Bytes,
    text_bytes: u64,
    output: String,
    /// Output that was not kept as text.
    output_bytes: u64,
    /// What is estimated beside it.
    beside: Usage,
}

impl Used {
    /// Nothing was used.
    pub fn nothing() -> Self {
        Self::Known { usage: Usage::default(), origin: UsageOrigin::None, tier: ServiceTier::Standard }
    }
}

/// What the attempt used (PRODUCT.md §4, promise 4): what was reported; nothing when it was not sent whole or answered
/// by an error; else input and the output seen.
pub fn used(attempt: &Attempt, opened: &Opened, trouble: Option<&Trouble>) -> Used {
    let answer = &attempt.answer;
    let free = !opened.ask.api.billed() || answer.is_refusal() || trouble.is_some_and(Trouble::is_free);
    if free || (trouble.is_some() && !attempt.was_sent()) {
        return Used::nothing();
    }
    if let Some(media) = &opened.ask.demand.media {
        if matches!(trouble, Some(Trouble::InBand { .. })) && !answer.released() {
            return Used::nothing(); // an error status that only came inside of a 200
        }
        return media::used(attempt, opened, media);
    }
    if let Some((usage, tier)) = answer.reported() {
        return Used::Known { usage, origin: UsageOrigin::Reported, tier };
    }
    let output = answer.output();
    if matches!(trouble, Some(Trouble::InBand { .. })) && output.is_none_or(|output| output.bytes() == 0) {
        return Used::nothing(); // an error status that only came inside of a 200
    }
    if let Some(usage) = answer.likely_searches() {
        return Used::Known { usage, origin: UsageOrigin::Estimated, tier: ServiceTier::Standard };
    }
    let generates = opened.ask.api.generates();
    let unread = if generates { answer.unread_bytes() } else { 0 };
    Used::Count(Count {
        api: opened.ask.api,
        encoding: attempt.target.encoding,
        reported: answer.reading().usage.or(answer.reading().partial),
        tier: answer.reading().tier.unwrap_or_default(),
        body: opened.ask.body.bytes(),
        text_bytes: opened.ask.text_bytes,
        output: output.map(|output| output.text().to_owned()).unwrap_or_default(),
        output_bytes: output.map_or(unread, crate::providers::OutputText::dropped_bytes),
        beside: Usage::ZERO,
    })
}

impl Count {
    /// Bytes that are kept for it.
    pub fn bytes(&self) -> usize {
        self.body.len().saturating_add(self.output.len())
    }

    /// By the model's own tokenizer.
    pub fn counted(&self) -> (Usage, UsageOrigin) {
        let Some(encoding) = self.encoding else { return self.estimated() };
        let text = tokens::count_text(encoding, &self.output);
        let output = text.saturating_add(tokens::estimate_tokens(self.output_bytes));
        let mut usage = self.reported.unwrap_or_default();
        if self.reported.is_none() {
            usage.input = match self.body.is_empty() {
                true => tokens::estimate_tokens(self.text_bytes),
                false => tokens::count_input(encoding, self.api, &self.body),
            };
        }
        raise_output(&mut usage, output);
        let origin = if self.beside.is_zero() { UsageOrigin::Counted } else { UsageOrigin::Estimated };
        (usage.plus(&self.beside), origin)
    }

    /// By the length of the text.
    pub fn estimated(&self) -> (Usage, UsageOrigin) {
        let bytes = (self.output.len() as u64).saturating_add(self.output_bytes);
        let mut usage = self.reported.unwrap_or_default();
        if self.reported.is_none() {
            usage.input = tokens::estimate_tokens(self.text_bytes);
        }
        raise_output(&mut usage, tokens::estimate_tokens(bytes));
        (usage.plus(&self.beside), UsageOrigin::Estimated)
    }
}

/// Raises what was reported in mid-stream to the `output` seen, which has reasoning in it; the classes are disjoint.
fn raise_output(usage: &mut Usage, output: u64) {
    let apart = usage.reasoning.saturating_add(usage.audio_output);
    usage.output = usage.output.max(output.saturating_sub(apart));
}
