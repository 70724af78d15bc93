//! Tools that a provider runs: their fees, and how often the model reads the conversation for them.

use super::{Maker, Unbounded, unbounded};
use crate::model::{Demand, HostedTool};

/// Published fees for a call, in nano-dollars, by the beginning of a tool's `type`. A tool that is not here has no known
/// fee, and so no bound: containers of a chosen size, pictures, foreign servers.
///
/// OpenAI, <https://platform.openai.com/docs/pricing#built-in-tools>: web search 10 USD for 1,000 calls, 25 for the preview
/// with models that do not reason; file search 2.50 for 1,000 calls; a container of the ordinary size 0.03 USD.
/// Anthropic, <https://platform.claude.com/docs/en/about-claude/pricing#specific-tool-pricing>: web search 10 USD for
/// 1,000 searches, web fetch no fee.
const FEES: &[(Maker, &str, i64)] = &[
    (Maker::OpenAi, "web_search_preview", 25_000_000),
    (Maker::OpenAi, "web_search", 10_000_000),
    (Maker::OpenAi, "file_search", 2_500_000),
    (Maker::OpenAi, "code_interpreter", 30_000_000),
    (Maker::Anthropic, "web_search_", 10_000_000),
    (Maker::Anthropic, "web_fetch_", 0),
];

/// What hosted tools add to a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hosted<'a> {
    /// Nano-dollars at most.
    pub(super) fees_nano: i64,
    /// How often the model reads its input, results of tools included: once more for each call.
    pub(super) turns: u64,
    /// How many outputs of the cap's length there may be for each answer. OpenAI's cap is on the whole response
    /// (<https://platform.openai.com/docs/api-reference/responses/create#responses-create-max_output_tokens>); Anthropic's
    /// is on what is sampled at once.
    pub(super) answers: u32,
    /// The first such tool: what it finds is input that is not in the body.
    pub(super) path: Option<&'a str>,
}

impl<'a> Hosted<'a> {
    /// Of the tools of `demand`.
    ///
    /// # Errors
    ///
    /// Names the tool whose fee is not known, or the member that would limit its calls.
    pub(super) fn of(maker: Maker, demand: &'a Demand) -> Result<Self, Unbounded> {
        let Some(first) = demand.hosted.first() else {
            return Ok(Self { fees_nano: 0, turns: 1, answers: 1, path: None });
        };
        let fees = demand.hosted.iter().map(|tool| Ok((tool, fee(maker, tool)?)));
        let fees: Vec<(&HostedTool, i64)> = fees.collect::<Result<_, Unbounded>>()?;
        let (calls, fees_nano) = match maker {
            Maker::OpenAi | Maker::Other => {
                let calls = demand.max_tool_calls.ok_or_else(|| unbounded("max_tool_calls"))?;
                let dearest = fees.iter().map(|(_, fee)| *fee).max().unwrap_or(0);
                // A container is made, and billed, before it is called.
                (calls, dearest.saturating_mul(signed(calls.saturating_add(1))))
            }
            Maker::Anthropic => {
                let mut sum = (0u64, 0i64);
                for (tool, fee) in fees {
                    let uses = tool.max_uses.ok_or_else(|| unbounded(&format!("{}.max_uses", tool.path)))?;
                    sum = (sum.0.saturating_add(uses), sum.1.saturating_add(fee.saturating_mul(signed(uses))));
                }
                sum
            }
        };
        let turns = calls.saturating_add(1);
        let answers = if maker == Maker::Anthropic { u32::try_from(turns).unwrap_or(u32::MAX) } else { 1 };
        Ok(Self { fees_nano, turns, answers, path: Some(&first.path) })
    }
}

fn fee(maker: Maker, tool: &HostedTool) -> Result<i64, Unbounded> {
    let known = FEES.iter().find(|(whose, kind, _)| *whose == maker && tool.kind.starts_with(kind));
    match known {
        Some((_, _, fee)) if !tool.sized_container => Ok(*fee),
        _ => Err(unbounded(&tool.path)),
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// OpenAI's models that search or research by themselves, for a fee each time and as often as they like
/// (<https://platform.openai.com/docs/pricing>).
pub(super) fn searches_unasked(model: &str) -> bool {
    ["-search-preview", "-search-api", "-deep-research"].iter().any(|word| model.contains(word))
}
