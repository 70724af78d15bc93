//! Cohere's usage figures.
//!
//! An answer reports what it bills (`billed_units`) apart from the tokens that the model saw (`tokens`), which count
//! Cohere's own instructions too (<https://docs.cohere.com/docs/how-does-cohere-pricing-work>): what is billed is
//! taken, and of what it leaves out the tokens. `cached_tokens` are a part of the tokens, not of what is billed, and
//! have no price of their own: they are no class here. Thoughts are output and are not told apart.

use crate::{
    model::Usage,
    providers::{Reading, lenient::Count},
};
use serde::Deserialize;

/// `usage` of an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Figures {
    billed_units: Option<Units>,
    tokens: Option<Units>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct Units {
    input_tokens: Count,
    output_tokens: Count,
    search_units: Count,
}

impl Figures {
    /// What an answer with these figures reports.
    pub(super) fn reading(&self) -> Reading {
        let (billed, seen) = (self.billed_units.unwrap_or_default(), self.tokens.unwrap_or_default());
        let input = billed.input_tokens.or(seen.input_tokens);
        let output = billed.output_tokens.or(seen.output_tokens);
        let absurd = [input, output, billed.search_units].contains(&Count::Absurd);
        let usage = input.known().filter(|_| !absurd).map(|input| Usage {
            input,
            output: output.or_zero(),
            searches: billed.search_units.or_zero(),
            ..Usage::ZERO
        });
        let inconsistent = usage.is_none();
        // No figure of the output is not 0.
        let (usage, partial) = if output == Count::Absent { (None, usage) } else { (usage, None) };
        Reading { complete: usage.is_some(), usage, partial, tier: None, inconsistent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_billed_counts_and_of_what_is_left_out_the_tokens() {
        let billed = r#"{"billed_units":{"input_tokens":37.0,"output_tokens":28},"tokens":{"input_tokens":913,"output_tokens":83},"cached_tokens":800}"#;
        let cases = [
            (billed, Some((37, 28, 0)), true, false),
            (r#"{"tokens":{"input_tokens":913,"output_tokens":83}}"#, Some((913, 83, 0)), true, false),
            (r#"{"billed_units":{},"tokens":{"input_tokens":9,"output_tokens":8}}"#, Some((9, 8, 0)), true, false),
            (r#"{"billed_units":{"input_tokens":5,"output_tokens":7,"search_units":1}}"#, Some((5, 7, 1)), true, false),
            (r#"{"billed_units":{"input_tokens":5,"output_tokens":null}}"#, Some((5, 0, 0)), false, false),
            (r#"{"billed_units":{"input_tokens":5.5,"output_tokens":7}}"#, None, false, true),
            (r#"{"billed_units":{"input_tokens":5,"output_tokens":-1}}"#, None, false, true),
            (r#"{"billed_units":null}"#, None, false, true),
        ];
        for (figures, want, complete, inconsistent) in cases {
            let reading = serde_json::from_str::<Figures>(figures).expect("it is JSON").reading();
            let got = reading.usage.or(reading.partial).map(|usage| (usage.input, usage.output, usage.searches));
            assert_eq!((got, reading.complete, reading.inconsistent), (want, complete, inconsistent), "{figures}");
        }
    }
}
