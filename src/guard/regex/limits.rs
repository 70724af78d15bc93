//! What a pattern must not be, told with the place in it.

use super::pattern::MOST_BYTES;
use regex_syntax::{
    ParserBuilder,
    hir::{Hir, Look},
};

/// Bytes of an automaton; 20 of them are 20 MiB at most.
pub(super) const MOST_AUTOMATON: usize = 1 << 20;

/// What was read of a pattern.
pub(super) struct Read {
    /// It may match more than a hit may have.
    pub(super) cut: bool,
}

/// Reads `pattern` and refuses what no stream can have.
pub(super) fn read(pattern: &str, unicode: bool) -> Result<Read, String> {
    let hir = ParserBuilder::new()
        .unicode(unicode)
        .utf8(false)
        .nest_limit(50)
        .build()
        .parse(pattern)
        .map_err(|error| place_of(&error))?;
    let properties = hir.properties();
    let looks = properties.look_set();
    let refused = [
        (
            Look::Start,
            "`^` and `\\A` are the beginning of a whole text, which a stream has only once: write `(?m)^` for that of a line, or `\\b`",
        ),
        (
            Look::End,
            "`$` and `\\z` are the end of a whole text, which a stream has not yet: write `(?m)$` for that of a line, or `\\b`",
        ),
        (Look::StartCRLF, "`(?R)` is not offered: write `(?m)` and `\\r?` where a line may end so"),
        (Look::EndCRLF, "`(?R)` is not offered: write `(?m)` and `\\r?` where a line may end so"),
    ];
    for (look, why) in refused {
        if looks.contains(look) {
            return Err(format!("{why}{}", of_anchor(pattern)));
        }
    }
    let words = [
        Look::WordUnicode,
        Look::WordUnicodeNegate,
        Look::WordStartUnicode,
        Look::WordEndUnicode,
        Look::WordStartHalfUnicode,
        Look::WordEndHalfUnicode,
    ];
    if words.into_iter().any(|look| looks.contains(look)) {
        let place = pattern
            .find("\\b")
            .or_else(|| pattern.find("\\B"))
            .map_or_else(String::new, |at| format!(", at {}", column(pattern, at)));
        return Err(format!(
            "word boundaries are those of ASCII here: write `(?-u:\\b)` where `unicode` is true{place}"
        ));
    }
    bounds(&hir)
}

fn bounds(hir: &Hir) -> Result<Read, String> {
    let properties = hir.properties();
    match properties.minimum_len() {
        None => return Err("it matches nothing, ever".to_owned()),
        Some(0) => {
            return Err(
                "it matches the empty text, which stands everywhere: let it match a character at least".to_owned()
            );
        }
        Some(least) if least > MOST_BYTES => {
            return Err(format!(
                "it matches {least} bytes at least, and a hit has {MOST_BYTES} at most: match its beginning only"
            ));
        }
        Some(_) => {}
    }
    Ok(Read { cut: properties.maximum_len().is_none_or(|most| most > MOST_BYTES) })
}

/// What is wrong, and where.
fn place_of(error: &regex_syntax::Error) -> String {
    let told = |kind: String, pattern: &str, at: usize, end: usize| {
        let piece: String = pattern.get(at..end).unwrap_or_default().chars().take(20).collect();
        let piece = if piece.is_empty() { String::new() } else { format!(" (`{piece}`)") };
        format!("{kind}, at {}{piece}", column(pattern, at))
    };
    match error {
        regex_syntax::Error::Parse(error) => {
            told(error.kind().to_string(), error.pattern(), error.span().start.offset, error.span().end.offset)
        }
        regex_syntax::Error::Translate(error) => {
            told(error.kind().to_string(), error.pattern(), error.span().start.offset, error.span().end.offset)
        }
        _ => error.to_string(),
    }
}

fn column(pattern: &str, at: usize) -> String {
    format!("character {}", pattern.get(..at).unwrap_or(pattern).chars().count() + 1)
}

/// Where the first anchor stands that is no part of a class or of an escape, as far as a glance tells.
fn of_anchor(pattern: &str) -> String {
    let found = pattern.char_indices().find(|&(at, one)| {
        matches!(one, '^' | '$') && !matches!(pattern.get(..at).unwrap_or_default().chars().last(), Some('\\' | '['))
    });
    found.map_or_else(String::new, |(at, _)| format!(", at {}", column(pattern, at)))
}
