//! Which tokenizer a model has, and counting with it.

use super::estimate_tokens;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tiktoken_rs::CoreBPE;

/// A tokenizer that is built in. Only OpenAI publishes those of its models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// gpt-4o and later, o1 and later.
    O200kBase,
    /// gpt-4, gpt-3.5, the embeddings.
    Cl100kBase,
    /// gpt-oss: `O200kBase` with the control tokens of its conversation format.
    O200kHarmony,
}

impl Encoding {
    /// The name that OpenAI gave it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::O200kBase => "o200k_base",
            Self::Cl100kBase => "cl100k_base",
            Self::O200kHarmony => "o200k_harmony",
        }
    }

    /// Loads it on first use.
    fn bpe(self) -> &'static CoreBPE {
        match self {
            Self::O200kBase => tiktoken_rs::o200k_base_singleton(),
            Self::Cl100kBase => tiktoken_rs::cl100k_base_singleton(),
            Self::O200kHarmony => tiktoken_rs::o200k_harmony_singleton(),
        }
    }
}

/// The tokenizer of a provider's model, by its name: dated (`gpt-4o-2024-08-06`), fine-tuned (`ft:gpt-4o-mini:org::id`)
/// and with an aggregator's prefix (`openai/gpt-4o`). `None` for every other model: a foreign tokenizer would be no
/// better than an estimate, and would call itself counted.
pub fn encoding_of(model: &str) -> Option<Encoding> {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.strip_prefix("ft:").unwrap_or(name);
    let name = name.split(':').next().unwrap_or(name);
    FAMILIES.iter().find(|(family, _)| is_of(name, family)).map(|(_, encoding)| *encoding)
}

/// `name` is the family's own, or goes on behind a dash; behind a family that ends in a dot (`gpt-5.`) with anything.
fn is_of(name: &str, family: &str) -> bool {
    let goes_on = |rest: &str| rest.is_empty() || rest.starts_with('-') || family.ends_with('.');
    name.strip_prefix(family).is_some_and(goes_on)
}

/// Tokens of `text`. Control tokens in it count as the plain text that they are.
///
/// Long texts are counted in pieces, cut where the tokenizers cut too (between a letter and a space before a letter);
/// where a text has no such place, each cut may add a token (at most one in 16 KiB).
pub fn count_text(encoding: Encoding, text: &str) -> u64 {
    let bpe = encoding.bpe();
    let mut rest = text;
    let mut tokens: u64 = 0;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(cut(rest));
        rest = behind;
        // The tokenizer's regular expressions panic when they backtrack too far; in pieces that is not expected, but
        // then a length is better than no figure.
        let counted = catch_unwind(AssertUnwindSafe(|| bpe.count_ordinary(piece)));
        let counted = counted.unwrap_or_else(|_| estimated(piece));
        tokens = tokens.saturating_add(u64::try_from(counted).unwrap_or(u64::MAX));
    }
    tokens
}

fn estimated(piece: &str) -> usize {
    usize::try_from(estimate_tokens(piece.len() as u64)).unwrap_or(usize::MAX)
}

/// Where the first piece of `text` ends.
fn cut(text: &str) -> usize {
    if text.len() <= PIECE_BYTES {
        return text.len();
    }
    let head = text.as_bytes().get(..PIECE_BYTES).unwrap_or_default();
    let between = |three: &[u8]| matches!(three, [a, b' ', b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic());
    match head.windows(3).rposition(between) {
        Some(at) => at + 1,
        None => text.floor_char_boundary(PIECE_BYTES),
    }
}

/// Names that OpenAI's `tiktoken` has for each tokenizer (its `model.py`), and later versions of the same families.
const FAMILIES: [(&str, Encoding); 18] = [
    ("gpt-oss", Encoding::O200kHarmony),
    ("gpt-5", Encoding::O200kBase),
    ("gpt-5.", Encoding::O200kBase),
    ("gpt-4.5", Encoding::O200kBase),
    ("gpt-4.1", Encoding::O200kBase),
    ("gpt-4o", Encoding::O200kBase),
    ("chatgpt-4o", Encoding::O200kBase),
    ("o1", Encoding::O200kBase),
    ("o3", Encoding::O200kBase),
    ("o4", Encoding::O200kBase),
    ("codex-mini", Encoding::O200kBase),
    ("gpt-4", Encoding::Cl100kBase),
    ("gpt-3.5", Encoding::Cl100kBase),
    ("gpt-35", Encoding::Cl100kBase),
    ("text-embedding-ada-002", Encoding::Cl100kBase),
    ("text-embedding-3", Encoding::Cl100kBase),
    ("babbage-002", Encoding::Cl100kBase),
    ("davinci-002", Encoding::Cl100kBase),
];

/// Keeps the tokenizer's regular expressions far from their limit of backtracking.
const PIECE_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests;
