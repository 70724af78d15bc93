//! The output cap in a body: lowered where the client set one, else inserted.

use crate::model::{CapMember, Caps, Edits, GenerationCap};
use bytes::Bytes;

/// A member that caps the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub(super) enum CapField {
    /// Of completions, messages and, at first, chat completions.
    #[serde(rename = "max_tokens")]
    Older,
    /// Of chat completions.
    #[serde(rename = "max_completion_tokens")]
    Newer,
    /// Of responses.
    #[serde(rename = "max_output_tokens")]
    Responses,
}

impl CapField {
    const ALL: [Self; 3] = [Self::Older, Self::Newer, Self::Responses];

    const fn name(self) -> &'static str {
        match self {
            Self::Older => "max_tokens",
            Self::Newer => "max_completion_tokens",
            Self::Responses => "max_output_tokens",
        }
    }

    const fn sent(self, caps: &Caps) -> Option<CapMember> {
        match self {
            Self::Older => caps.max_tokens,
            Self::Newer => caps.max_completion_tokens,
            Self::Responses => caps.max_output_tokens,
        }
    }
}

/// Writes `cap` into every member of `caps` that the client sent, and never raises one; where it sent none, inserts
/// `honoured`, and where it sent only the newer one to a server that may not know it, inserts the older one beside it. `only`: the target knows no other member, so that a single one of another name is renamed.
pub(super) fn write(caps: &Caps, cap: u64, honoured: CapField, only: bool, edits: &mut Edits) {
    let sent: Vec<_> = CapField::ALL.into_iter().filter_map(|field| Some((field, field.sent(caps)?))).collect();
    if sent.is_empty() {
        // The body has a `model` at least, so a member follows.
        edits.replace(caps.insert_at..caps.insert_at, Bytes::from(format!("\"{}\":{cap},", honoured.name())));
    }
    let unknown = matches!(&*sent, [(CapField::Newer, _)]) && matches!(honoured, CapField::Older);
    if unknown && !only {
        let least = sent.iter().filter_map(|(_, member)| member.tokens).fold(cap, |least, tokens| match tokens {
            0 => least,
            tokens => least.min(tokens),
        });
        edits.replace(caps.insert_at..caps.insert_at, Bytes::from(format!("\"{}\":{least},", honoured.name())));
    }
    if let ([(field, member)], true) = (&*sent, only)
        && *field != honoured
    {
        edits.replace(member.key.range(), Bytes::from(format!("\"{}\"", honoured.name())));
    }
    for (_, member) in &sent {
        if member.tokens.is_none_or(|tokens| tokens > cap) {
            edits.replace(member.value.range(), Bytes::from(cap.to_string()));
        }
    }
}

/// The same for `generationConfig.maxOutputTokens` of a body of [`crate::model::Api::Generate`]: lowered in place, or
/// inserted, with its `generationConfig` if need be. 0 is no cap.
#[allow(dead_code, reason = "for the native Gemini provider, which is written apart")]
pub(super) fn write_generation(caps: &Caps, cap: u64, edits: &mut Edits) {
    let comma = |empty: bool| if empty { "" } else { "," };
    match caps.generation {
        GenerationCap::Foreign => {}
        GenerationCap::NoConfig { empty } => {
            let config = format!("\"generationConfig\":{{\"maxOutputTokens\":{cap}}}{}", comma(empty));
            edits.replace(caps.insert_at..caps.insert_at, Bytes::from(config));
        }
        GenerationCap::NullConfig(value) => {
            edits.replace(value.range(), Bytes::from(format!("{{\"maxOutputTokens\":{cap}}}")));
        }
        GenerationCap::NoMember { insert_at, empty } => {
            edits.replace(insert_at..insert_at, Bytes::from(format!("\"maxOutputTokens\":{cap}{}", comma(empty))));
        }
        GenerationCap::Member(member) => {
            if member.tokens.is_none_or(|tokens| tokens == 0 || tokens > cap) {
                edits.replace(member.value.range(), Bytes::from(cap.to_string()));
            }
        }
    }
}

#[cfg(test)]
#[path = "cap_tests.rs"]
mod tests;
