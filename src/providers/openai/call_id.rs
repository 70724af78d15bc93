//! Ids of tool calls as a server takes them: each has rules of its own, and the ids come from any other server.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Which ids of calls a server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::providers) enum Ids {
    /// All.
    Any,
    /// Up to so many bytes.
    UpTo(usize),
    /// Nine letters and digits.
    NineLetters,
}

impl Ids {
    /// OpenAI's chat completions (<https://github.com/agno-agi/agno/issues/5382>).
    pub(in crate::providers) const CHAT: Self = Self::UpTo(40);

    /// OpenAI's responses (<https://github.com/openai/codex/issues/14355>).
    pub(in crate::providers) const RESPONSES: Self = Self::UpTo(64);

    /// `id` itself, or one that is made of it: the same one for the call and for its result.
    pub(super) fn fit(self, id: &str) -> Cow<'_, str> {
        match self {
            Self::UpTo(longest) if id.len() > longest => format!("call_{:016x}", hash(id)).into(),
            Self::NineLetters if id.len() != 9 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => letters(id),
            Self::Any | Self::UpTo(_) | Self::NineLetters => id.into(),
        }
    }
}

fn hash(id: &str) -> u64 {
    // Its keys are fixed, so that a process makes the same of the same.
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

fn letters(id: &str) -> Cow<'_, str> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut rest = hash(id);
    let letter = |_| {
        let at = usize::try_from(rest % 62).unwrap_or_default();
        rest /= 62;
        char::from(LETTERS.get(at).copied().unwrap_or(b'A'))
    };
    (0..9).map(letter).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_left_alone_where_they_fit_and_stay_apart_where_they_do_not() {
        let long = |end: &str| format!("chatcmpl-tool-0123456789abcdef0123456789abcdef0123456789{end}");
        assert_eq!(Ids::CHAT.fit("toolu_01A09q90qw90lq917835lq9"), "toolu_01A09q90qw90lq917835lq9");
        assert_eq!(Ids::NineLetters.fit("D681PevKs"), "D681PevKs");
        assert_eq!(Ids::Any.fit(&long("a")), long("a"));
        for ids in [Ids::CHAT, Ids::NineLetters] {
            let (one, other) = (long("a"), long("b"));
            assert_eq!(ids.fit(&one), ids.fit(&one), "call and result find each other");
            assert_ne!(ids.fit(&one), ids.fit(&other));
            assert!(ids.fit(&one).len() <= 40);
        }
        let made = Ids::NineLetters.fit("call_1");
        assert!(made.len() == 9 && made.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{made}");
    }
}
