//! Gemini's usage figures, split into disjoint classes.
//!
//! The input includes what was cached; what the provider's own tools brought in stands beside it. The output excludes
//! thoughts. Figures that are 0 are left out of the JSON. In a stream they are cumulative; the last ones count.
//! Told by <https://ai.google.dev/api/generate-content#UsageMetadata>.

use crate::{
    model::{ServiceTier, Usage},
    providers::{
        Reading,
        lenient::{Count, Text},
    },
};
use serde::Deserialize;

/// `usageMetadata`
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::providers) struct Figures<'a> {
    prompt_token_count: Count,
    cached_content_token_count: Count,
    candidates_token_count: Count,
    thoughts_token_count: Count,
    tool_use_prompt_token_count: Count,
    total_token_count: Count,
    #[serde(borrow)]
    prompt_tokens_details: Option<Vec<Detail<'a>>>,
    #[serde(borrow)]
    candidates_tokens_details: Option<Vec<Detail<'a>>>,
    #[serde(borrow)]
    service_tier: Text<'a>,
    /// The tier, as Vertex tells it.
    #[serde(borrow)]
    traffic_type: Text<'a>,
}

/// Tokens of one modality.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(borrow)]
    modality: Text<'a>,
    token_count: Count,
}

/// The figures of one answer as far as they came.
#[derive(Debug, Default)]
pub(in crate::providers) struct Known {
    prompt: Count,
    cached: Count,
    candidates: Count,
    thoughts: Count,
    tools: Count,
    total: Count,
    audio_in: Count,
    audio_out: Count,
}

impl Known {
    /// Takes newer figures, and tells `reading` what is known now.
    pub(in crate::providers) fn take(&mut self, figures: &Figures<'_>, reading: &mut Reading) {
        let news = [
            (&mut self.prompt, figures.prompt_token_count),
            (&mut self.cached, figures.cached_content_token_count),
            (&mut self.candidates, figures.candidates_token_count),
            (&mut self.thoughts, figures.thoughts_token_count),
            (&mut self.tools, figures.tool_use_prompt_token_count),
            (&mut self.total, figures.total_token_count),
            (&mut self.audio_in, audio(figures.prompt_tokens_details.as_deref())),
            (&mut self.audio_out, audio(figures.candidates_tokens_details.as_deref())),
        ];
        for (known, new) in news {
            *known = new.or(*known);
        }
        if figures.service_tier.says_something() {
            reading.tier = Some(ServiceTier::from_answer(figures.service_tier.as_str()));
        }
        if figures.traffic_type.says_something() {
            // <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse>
            reading.tier = Some(match figures.traffic_type.as_str() {
                "ON_DEMAND_PRIORITY" => ServiceTier::Priority,
                "ON_DEMAND_FLEX" => ServiceTier::Flex,
                _ => ServiceTier::Standard,
            });
        }
        let split = self.split();
        reading.inconsistent = split.is_none_or(|(_, consistent)| !consistent);
        let usage = split.map(|(usage, _)| usage);
        (reading.usage, reading.partial) = if self.output_is_told() { (usage, None) } else { (None, usage) };
    }

    /// Whether the output is known: it is told, or the total leaves nothing for it.
    fn output_is_told(&self) -> bool {
        let input = self.prompt.or_zero() + self.tools.or_zero();
        let told = [self.candidates, self.thoughts].iter().any(|count| *count != Count::Absent);
        told || self.total == Count::Tokens(input)
    }

    /// The classes, and whether the figures fit together; `None` when there are no sane ones.
    fn split(&self) -> Option<(Usage, bool)> {
        let all = [self.prompt, self.cached, self.candidates, self.thoughts, self.tools, self.audio_in, self.audio_out];
        if all.contains(&Count::Absurd) {
            return None;
        }
        // No prompt is empty: one of no figure is not told.
        let prompt = self.prompt.known()?;
        let candidates = self.candidates.or_zero();
        let cache_read = self.cached.or_zero().min(prompt);
        let audio_input = self.audio_in.or_zero().min(prompt - cache_read);
        let audio_output = self.audio_out.or_zero().min(candidates);
        let usage = Usage {
            input: prompt - cache_read - audio_input + self.tools.or_zero(),
            cache_read,
            audio_input,
            output: candidates - audio_output,
            reasoning: self.thoughts.or_zero(),
            audio_output,
            ..Usage::default()
        };
        // Audio may be among what was cached: that it was cut is no contradiction.
        let fits = cache_read == self.cached.or_zero() && audio_output == self.audio_out.or_zero();
        Some((usage, fits))
    }
}

/// The audio among tokens by modality.
fn audio(details: Option<&[Detail<'_>]>) -> Count {
    let of = |detail: &&Detail<'_>| detail.modality.as_str() == "AUDIO";
    details.unwrap_or_default().iter().find(of).map_or(Count::Absent, |detail| detail.token_count)
}
