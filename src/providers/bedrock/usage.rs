//! Bedrock's usage figures, split into disjoint classes.
//!
//! The input excludes what was read from and written to the cache; the output includes reasoning, which is not told
//! apart (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>).

use crate::{
    model::{ServiceTier, Usage},
    providers::{
        Reading,
        lenient::{Count, Text},
    },
};
use serde::Deserialize;

/// `usage` of an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Figures<'a> {
    input_tokens: Count,
    output_tokens: Count,
    cache_read_input_tokens: Count,
    cache_write_input_tokens: Count,
    /// Cache writes by the life of what was written.
    #[serde(borrow)]
    cache_details: Option<Vec<Detail<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(borrow)]
    ttl: Text<'a>,
    input_tokens: Count,
}

/// `serviceTier` of an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tier<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
}

impl Tier<'_> {
    pub(super) fn read(&self) -> Option<ServiceTier> {
        self.r#type.says_something().then(|| ServiceTier::from_answer(self.r#type.as_str()))
    }
}

impl Figures<'_> {
    /// What an answer with these figures reports.
    pub(super) fn reading(&self, tier: Option<ServiceTier>) -> Reading {
        let split = self.split();
        let inconsistent = split.is_none_or(|(_, fits)| !fits);
        let usage = split.map(|(usage, _)| usage);
        // No figure of the output is not 0.
        let (usage, partial) = if self.output_tokens == Count::Absent { (None, usage) } else { (usage, None) };
        Reading { complete: usage.is_some(), usage, partial, tier, inconsistent }
    }

    /// The classes, and whether the figures fit together; `None` when there are no sane ones.
    fn split(&self) -> Option<(Usage, bool)> {
        let details = self.cache_details.as_deref().unwrap_or_default();
        let all = [self.input_tokens, self.output_tokens, self.cache_read_input_tokens, self.cache_write_input_tokens];
        if all.into_iter().chain(details.iter().map(|detail| detail.input_tokens)).any(|count| count == Count::Absurd) {
            return None;
        }
        let of = |hour: bool| {
            let of_life = details.iter().filter(|detail| (detail.ttl.as_str() == "1h") == hour);
            of_life.fold(0_u64, |sum, detail| sum.saturating_add(detail.input_tokens.or_zero()))
        };
        let (short, long, written) = (of(false), of(true), self.cache_write_input_tokens.or_zero());
        // What no breakdown claims was written for 5 minutes, the default. A breakdown of more than the whole
        // contradicts it, and the larger one is billed.
        let broken_down = short.saturating_add(long);
        let unclaimed = written.saturating_sub(broken_down);
        let usage = Usage {
            input: self.input_tokens.known()?,
            cache_read: self.cache_read_input_tokens.or_zero(),
            cache_write_5m: short.saturating_add(unclaimed),
            cache_write_1h: long,
            output: self.output_tokens.or_zero(),
            ..Usage::default()
        };
        let fits = details.is_empty() || self.cache_write_input_tokens == Count::Absent || written == broken_down;
        Some((usage, fits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_split_into_disjoint_classes() {
        let cases = [
            (r#"{"inputTokens":5,"outputTokens":7,"totalTokens":12}"#, Some((5, 0, 0, 0, 7)), true, false),
            (
                r#"{"inputTokens":5,"outputTokens":7,"cacheReadInputTokens":100,"cacheWriteInputTokens":30}"#,
                Some((5, 100, 30, 0, 7)),
                true,
                false,
            ),
            (
                r#"{"inputTokens":5,"outputTokens":7,"cacheWriteInputTokens":30,
                    "cacheDetails":[{"ttl":"1h","inputTokens":20},{"ttl":"5m","inputTokens":10}]}"#,
                Some((5, 0, 10, 20, 7)),
                true,
                false,
            ),
            (
                r#"{"inputTokens":5,"outputTokens":7,"cacheWriteInputTokens":5,"cacheDetails":[{"ttl":"1h","inputTokens":20}]}"#,
                Some((5, 0, 0, 20, 7)),
                true,
                true,
            ),
            (r#"{"inputTokens":5,"outputTokens":null}"#, Some((5, 0, 0, 0, 0)), false, false),
            (r#"{"inputTokens":-5,"outputTokens":7}"#, None, false, true),
            (r#"{"outputTokens":7}"#, None, false, true),
        ];
        for (figures, want, complete, inconsistent) in cases {
            let reading = serde_json::from_str::<Figures<'_>>(figures).expect("it is JSON").reading(None);
            let usage = reading.usage.or(reading.partial);
            let got = usage.map(|u| (u.input, u.cache_read, u.cache_write_5m, u.cache_write_1h, u.output));
            assert_eq!((got, reading.complete, reading.inconsistent), (want, complete, inconsistent), "{figures}");
        }
    }
}
