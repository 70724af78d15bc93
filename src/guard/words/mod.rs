//! Words and phrases that must not be said.
//!
//! **Catches** them in the folded text, whatever their case, as words or anywhere (`match: substring`); one space of a
//! phrase stands for up to three. With `split: true` also with something between all letters (`b.a.d.w.o.r.d`), for words
//! of four letters and more; it is off unless asked for: almost each letter begins a word of a long list, and a stream
//! would wait at each. **Misses** misspelt and inflected words (`match: word`), words with other letters for theirs
//! (`b4d`), and words that a line end parts.
//!
//! **Cost**: about 1.5 µs a KiB for 1,000 words; more with `split`, which tries each place. **Failure**: none; pure and linear.
//!
//! ```yaml
//! words: [codename, "two words"]   # and `file: words.txt`, one a line, `#` begins a remark
//! match: word                      # or `substring`
//! allow: [codenames]               # a word inside of one of these is none
//! ```

mod trie;

use crate::{
    config::{ConfigError, Section},
    guard::{CONTEXT, Hit, LONGEST, Spotter, fold, literals::Literals},
};
use std::sync::Arc;
use trie::{Manner, Trie, Walk, capital, small};

/// The one thing that is found.
pub const ENTITIES: &[&str] = &["word"];

/// Bytes of a word or phrase: with spaces and letters apart, it stays below what is held back.
const MOST_WORD: usize = 60;
/// Words of a list, and bytes of a file: more is no list of words.
const MOST_WORDS: usize = 100_000;
const MOST_FILE: u64 = 4 << 20;

/// As written in the file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    words: Vec<String>,
    /// One word or phrase a line.
    #[serde(default)]
    file: Option<String>,
    /// Whether what stands around a word matters.
    #[serde(default, rename = "match")]
    matching: Match,
    /// Whether `Bad` is `bad`. Default: it is.
    #[serde(default)]
    case_sensitive: bool,
    /// Whether letters may stand apart.
    #[serde(default)]
    split: bool,
    /// Words and phrases inside of which nothing is found.
    #[serde(default)]
    allow: Vec<String>,
}

/// What stands around a word.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Match {
    /// No letters and digits.
    #[default]
    Word,
    /// Anything.
    Substring,
}

/// Finds words.
pub struct Deny {
    words: Trie,
    allow: Trie,
    /// How words begin, in small and capital letters; longer than two bytes only.
    begins: Literals,
    /// Bytes that words begin with.
    first: [bool; 256],
    /// Words of one or two bytes are sought by their first byte.
    short: [bool; 256],
    matching: Match,
    split: bool,
    allows: bool,
}

/// Reads the settings.
///
/// # Errors
///
/// A word that is empty or too long, a file that cannot be read: with key path, and the line of the file.
pub fn build(section: &Section) -> Result<Vec<Arc<dyn Spotter>>, ConfigError> {
    let settings: Settings = section.read()?;
    let mut words = Vec::new();
    for (index, word) in settings.words.iter().enumerate() {
        words.push(word_of(word).map_err(|why| section.error(&format!("words[{index}]"), why))?);
    }
    if let Some(path) = &settings.file {
        words.extend(words_of_file(path).map_err(|why| section.error("file", why))?);
    }
    let mut allow = Vec::new();
    for (index, word) in settings.allow.iter().enumerate() {
        allow.push(word_of(word).map_err(|why| section.error(&format!("allow[{index}]"), why))?);
    }
    if words.is_empty() {
        return Err(section.error("words", "names no word: list some, or name a `file` that does".to_owned()));
    }
    if words.len() > MOST_WORDS {
        return Err(section.error("words", format!("{} words; {MOST_WORDS} at most", words.len())));
    }
    let manner = Manner { case_sensitive: settings.case_sensitive, split: settings.split };
    Ok(vec![Arc::new(Deny::new(&words, &allow, settings.matching, manner))])
}

fn words_of_file(path: &str) -> Result<Vec<String>, String> {
    let about = |error: std::io::Error| format!("cannot read `{path}`: {error}");
    let size = std::fs::metadata(path).map_err(about)?.len();
    if size > MOST_FILE {
        return Err(format!("`{path}` has {size} bytes; {MOST_FILE} at most"));
    }
    let text = std::fs::read_to_string(path).map_err(about)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|(index, line)| word_of(line).map_err(|why| format!("`{path}`, line {}: {why}", index + 1))).collect()
}

/// `word` as it is sought: folded, with single spaces.
fn word_of(word: &str) -> Result<String, String> {
    let folded = fold(word).split_whitespace().collect::<Vec<_>>().join(" ");
    match folded.len() {
        0 => Err("is an empty word, which stands everywhere".to_owned()),
        length if length > MOST_WORD => Err(format!("has {length} bytes; a word or phrase has {MOST_WORD} at most")),
        _ => Ok(folded),
    }
}

impl Deny {
    fn new(words: &[String], allow: &[String], matching: Match, manner: Manner) -> Self {
        let (mut first, mut short) = ([false; 256], [false; 256]);
        let mut begins = Vec::new();
        for word in words {
            let beginnings = beginnings(word);
            for begin in &beginnings {
                if let Some(&byte) = begin.first() {
                    first[usize::from(byte)] = true;
                    short[usize::from(byte)] |= begin.len() < 3;
                }
            }
            begins.extend(beginnings.into_iter().map(|begin| (begin, 0)));
        }
        Self {
            words: Trie::new(words.iter().map(String::as_str), manner),
            allow: Trie::new(allow.iter().map(String::as_str), manner),
            begins: Literals::new(begins),
            first,
            short,
            matching,
            split: manner.split,
            allows: !allow.is_empty(),
        }
    }

    /// What stands at `at`, split or not, and is not allowed.
    fn walk(&self, text: &str, at: usize) -> Walk {
        if !self.may_begin(text, at) {
            return Walk::default();
        }
        let may_end =
            |next: Option<char>| self.matching == Match::Substring || next.is_none_or(|one| !one.is_alphanumeric());
        let mut walk = self.words.walk(text, at, may_end);
        if self.split {
            // What is split is a word always: inside of others, letters with something between them are too common.
            let split = self.words.walk_split(text, at, |next| next.is_none_or(|one| !one.is_alphanumeric()));
            let apart = !text.get(..at).and_then(|front| front.chars().next_back()).is_some_and(char::is_alphanumeric);
            if apart {
                walk.open |= split.open;
                walk.end = walk.end.max(split.end);
            }
        }
        if let (Some(end), true) = (walk.end, self.allows) {
            let (allowed, open) = self.allowed(text, at, end);
            walk.open |= open;
            walk.end = walk.end.filter(|_| !allowed);
        }
        walk
    }

    /// Whether a word may begin there: a place between characters, and in front of it no letter if words are sought.
    fn may_begin(&self, text: &str, at: usize) -> bool {
        let Some(front) = text.get(..at) else { return false };
        self.matching == Match::Substring || !front.chars().next_back().is_some_and(char::is_alphanumeric)
    }

    /// Whether what is allowed stands around a hit, and whether more text may say so.
    fn allowed(&self, text: &str, at: usize, end: usize) -> (bool, bool) {
        let from = text.ceil_char_boundary((at + 1).saturating_sub(MOST_WORD));
        let mut open = false;
        for begin in (from..=at).filter(|&begin| text.is_char_boundary(begin)) {
            let walk = self.allow.walk(text, begin, |_| true);
            if walk.end.is_some_and(|allowed| allowed >= end) {
                return (true, walk.open);
            }
            open |= walk.open;
        }
        (false, open)
    }

    /// Places where a word may begin, by its first bytes.
    fn places<'a>(&'a self, text: &'a str, from: usize) -> impl Iterator<Item = usize> + 'a {
        let bytes = text.as_bytes();
        let all = self.split || self.short.contains(&true);
        let few = (!all).then(|| self.begins.candidates(bytes, from)).into_iter().flatten();
        let many = all.then_some(from..bytes.len()).into_iter().flatten();
        few.chain(many.filter(|&at| bytes.get(at).is_some_and(|&byte| self.first[usize::from(byte)])))
    }
}

/// The first three bytes of `word` in small and capital letters, or all if it has less.
fn beginnings(word: &str) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = vec![Vec::new()];
    for letter in word.chars().take(3) {
        let kinds: Vec<String> = if letter == ' ' {
            // One space stands for more.
            let spaces = [" ", "\t", "\n", "\r"];
            spaces
                .iter()
                .flat_map(|one| spaces.iter().map(move |two| format!("{one}{two}")))
                .chain(spaces.map(str::to_owned))
                .collect()
        } else {
            [letter, small(letter), capital(letter)].map(String::from).to_vec()
        };
        all = all.iter().flat_map(|begin| kinds.iter().map(move |kind| [begin, kind.as_bytes()].concat())).collect();
    }
    for begin in &mut all {
        begin.truncate(3);
    }
    all.sort();
    all.dedup();
    all
}

impl Spotter for Deny {
    fn next(&self, text: &str, from: usize) -> Option<Hit> {
        self.places(text, from).find_map(|at| {
            let end = self.walk(text, at).end?;
            Some(Hit { at: at..end, entity: "word", grow: None })
        })
    }

    fn pending(&self, text: &str, from: usize) -> usize {
        let least = text.ceil_char_boundary(from.max(text.len().saturating_sub(LONGEST)));
        let bytes = text.as_bytes();
        let may = |at: usize| bytes.get(at).is_some_and(|&byte| self.first[usize::from(byte)]);
        (least..text.len()).find(|&at| may(at) && self.walk(text, at).open).unwrap_or(text.len())
    }
}

/// The context that is looked at in front of a hit has a bound of its own.
const _: () = assert!(MOST_WORD < CONTEXT);

#[cfg(test)]
mod tests;
