//! Answers that came whole: checked for being one, and read for their usage.

use super::usage::{Figures, Known};
use crate::{
    model::{Api, Usage},
    providers::{
        Garbage, OutputText, Reading,
        lenient::{Count, Text, is_given, raw},
    },
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The members that tell what a body is; the content is passed over.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default, deserialize_with = "raw")]
    content: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "raw")]
    error: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "raw")]
    usage: Option<&'a RawValue>,
    /// Of a count.
    #[serde(default)]
    input_tokens: Count,
}

pub(in crate::providers) fn read(api: Api, body: &[u8]) -> Result<Reading, Garbage> {
    let garbage = |why: &str| Garbage { api, why: why.to_owned() };
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(|_| garbage("it is no JSON object"))?;
    if is_given(answer.error) {
        return Err(garbage("it is an error"));
    }
    if api == Api::CountTokens {
        // Free: nothing was used.
        return match answer.input_tokens {
            Count::Tokens(_) => Ok(Reading { usage: Some(Usage::default()), complete: true, ..Reading::default() }),
            Count::Absent | Count::Absurd => Err(garbage("`input_tokens` is missing")),
        };
    }
    if !is_given(answer.content) {
        return Err(garbage("`content` is missing"));
    }
    let mut reading = Reading::default();
    if let Some(given) = answer.usage.filter(|usage| is_given(Some(usage))) {
        match serde_json::from_str::<Figures<'_>>(given.get()) {
            Ok(figures) => Known::default().take(&figures, &mut reading),
            Err(_) => reading.inconsistent = true,
        }
    }
    reading.complete = reading.usage.is_some();
    Ok(reading)
}

/// What a message says.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow, default)]
    content: Vec<Block<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Block<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    thinking: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    /// The arguments of a tool call, as JSON.
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

/// The text of a message that came whole.
pub(in crate::providers) fn output(body: &[u8]) -> OutputText {
    let mut text = OutputText::default();
    let Ok(written) = serde_json::from_slice::<Written<'_>>(body) else { return text };
    for block in &written.content {
        for piece in [&block.text, &block.thinking, &block.name] {
            text.push(piece.as_str());
        }
        text.push(block.input.map_or("", RawValue::get));
    }
    text
}
