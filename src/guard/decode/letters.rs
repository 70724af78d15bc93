//! Texts whose letters were moved or changed: rot13, backwards, leet, spaced, split.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use std::sync::LazyLock;

/// Letters that stand alone, in a row: `i g n o r e …`.
pub const SINGLES_LEAST: u32 = 8;

/// Marks behind short pieces of words that are worth a look (`ig-no-re`), letters of a short piece, and how close
/// together the marks must be.
pub const JOINTS_LEAST: u32 = 3;
pub const SHORT: u32 = 3;
pub const CLOSE: usize = 64;

/// Words that tell a text that was turned (none of them turns into a word), and that glued words are cut at.
const COMMON: &[&str] = &[
    "the",
    "and",
    "you",
    "your",
    "that",
    "this",
    "with",
    "for",
    "all",
    "previous",
    "ignore",
    "instructions",
    "system",
    "prompt",
    "tell",
    "what",
    "how",
    "from",
    "have",
    "will",
    "rules",
    "respond",
    "answer",
    "reveal",
    "any",
    "every",
    "everything",
    "anything",
    "must",
    "never",
    "only",
    "without",
    "show",
    "repeat",
    "print",
    "output",
    "write",
    "words",
    "text",
    "message",
    "mode",
    "developer",
    "restrictions",
    "pretend",
    "act",
    "who",
    "can",
    "about",
    "first",
    "initial",
    "hidden",
    "secret",
    "password",
    "forget",
    "disregard",
    "override",
    "bypass",
    "guidelines",
    "question",
    "refuse",
    "enable",
    "instruction",
    "commands",
    "prior",
    "above",
    "content",
    "user",
    "data",
    "give",
    "send",
    "policy",
    "safety",
    "und",
    "ist",
    "ohne",
    "anweisungen",
    "ignoriere",
    "vergiss",
    "regeln",
    "zeige",
    "ignorez",
    "oublie",
    "toutes",
    "consignes",
    "sans",
    "ignora",
    "olvida",
    "todas",
    "instrucciones",
    "anteriores",
    "reglas",
    "tutte",
    "istruzioni",
    "precedenti",
    "regole",
    "instructies",
    "negeer",
];

/// More words that glued words are cut at.
const WORDS: &[&str] = &[
    "are",
    "not",
    "now",
    "api",
    "as",
    "assistant",
    "be",
    "before",
    "command",
    "configuration",
    "do",
    "everyone",
    "execute",
    "filter",
    "filters",
    "follow",
    "given",
    "in",
    "instead",
    "is",
    "it",
    "jailbreak",
    "key",
    "language",
    "me",
    "messages",
    "model",
    "my",
    "new",
    "no",
    "of",
    "on",
    "open",
    "original",
    "passwords",
    "prompts",
    "role",
    "say",
    "secrets",
    "to",
    "told",
    "unrestricted",
    "verbatim",
    "were",
    "policies",
    "email",
    "delete",
];

/// How a text may have been turned.
#[derive(Debug, Default)]
pub struct Turned {
    pub rot13: bool,
    pub reversed: bool,
}

/// Turned words, found whole and in any case.
static TURNED: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let all = COMMON.iter();
    let words: Vec<String> = all.clone().map(|word| rot13(word)).chain(all.map(|word| reversed(word))).collect();
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .kind(Some(AhoCorasickKind::DFA))
        .build(words)
        .expect("a short list of words builds")
});

static KNOWN: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .build(COMMON.iter().chain(WORDS))
        .expect("a short list of words builds")
});

/// Whether `text` has words that are words when they are turned.
pub fn looks_turned(text: &str) -> Turned {
    const LEAST: usize = 2;
    let bytes = text.as_bytes();
    let edge = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_none_or(|byte| !byte.is_ascii_alphabetic());
    let (mut rot, mut back) = (0, 0);
    for found in TURNED.find_iter(text) {
        if edge(found.start().checked_sub(1)) && edge(Some(found.end())) {
            *(if found.pattern().as_usize() < COMMON.len() { &mut rot } else { &mut back }) += 1;
        }
    }
    Turned { rot13: rot >= LEAST, reversed: back >= LEAST }
}

/// Each letter by the one thirteen further.
pub fn rot13(text: &str) -> String {
    let turn = |c: char| match c {
        'a'..='m' | 'A'..='M' => char::from_u32(c as u32 + 13).unwrap_or(c),
        'n'..='z' | 'N'..='Z' => char::from_u32(c as u32 - 13).unwrap_or(c),
        _ => c,
    };
    text.chars().map(turn).collect()
}

/// The characters of `text`, last to first.
pub fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

/// Digits and marks between letters by the letters they look like.
pub fn leet(text: &str) -> Option<String> {
    // Longer ones are keys, hashes and encodings.
    const LONGEST: usize = 20;
    let mut out = String::with_capacity(text.len());
    let mut changed = 0_u32;
    for token in text.split_inclusive(char::is_whitespace) {
        let letters = token.bytes().filter(u8::is_ascii_alphabetic).count();
        let marks = token.trim_end().chars().filter(|c| letter_of(*c).is_some()).count();
        if letters == 0 || marks == 0 || token.len() > LONGEST || marks > letters * 3 {
            out.push_str(token);
            continue;
        }
        changed += 1;
        // `!` at the end of a word is what it is.
        let body = token.trim_end_matches(|c: char| c.is_whitespace() || c == '!');
        out.extend(body.chars().map(|c| letter_of(c).unwrap_or(c)));
        out.push_str(&token[body.len()..]);
    }
    (changed >= 2).then_some(out)
}

fn letter_of(c: char) -> Option<char> {
    Some(match c {
        '0' => 'o',
        '1' | '!' | '|' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        _ => return None,
    })
}

/// Runs of letters that stand alone, put together; a wider gap is the end of a word. One run a line.
pub fn spaced(text: &str) -> Option<String> {
    let mut out = String::new();
    let (mut run, mut count, mut gap) = (String::new(), 0_u32, 0_usize);
    let mut characters = text.chars().peekable();
    let mut last = ' ';
    while let Some(c) = characters.next() {
        let alone = !last.is_alphanumeric() && characters.peek().is_none_or(|next| !next.is_alphanumeric());
        last = c;
        if !c.is_alphanumeric() {
            gap += 1;
            continue;
        }
        if !alone {
            end_run(&mut out, &mut run, count);
            count = 0;
        } else {
            // One mark stands between the letters of a word, three or more between words.
            if gap > 1 && count > 0 {
                run.push(' ');
            }
            run.push(c);
            count += 1;
        }
        gap = 0;
    }
    end_run(&mut out, &mut run, count);
    (!out.is_empty()).then_some(out)
}

fn end_run(out: &mut String, run: &mut String, count: u32) {
    if count >= SINGLES_LEAST {
        cut_words(run, out);
        out.push('\n');
    }
    run.clear();
}

/// Marks between letters taken away, `" + "` between strings too; glued words are cut.
pub fn split(text: &str) -> Option<String> {
    const FURTHEST: usize = 6;
    let bytes = text.as_bytes();
    let joint = |at: usize| {
        let marks = bytes[at..].iter().take(FURTHEST).take_while(|byte| !byte.is_ascii_alphanumeric()).count();
        let plain = marks <= 2
            && bytes[at..at + marks].iter().all(|byte| matches!(byte, b'-' | b'*' | b'|' | b'~' | b'^' | b'+'));
        let strings = marks >= 3 && matches!(bytes[at], b'"' | b'\'') && bytes[at..at + marks].contains(&b'+');
        let behind = bytes.get(at + marks).is_some_and(u8::is_ascii_alphabetic);
        (behind && marks > 0 && (plain || strings)).then_some(marks)
    };
    let mut out = String::with_capacity(text.len());
    let (mut at, mut taken, mut copied) = (1, 0_u32, 0);
    while at < bytes.len() {
        let edge = !bytes[at].is_ascii_alphanumeric() && bytes[at - 1].is_ascii_alphabetic();
        let marks = if edge { joint(at) } else { None };
        if let Some(marks) = marks {
            out.push_str(&text[copied..at]);
            at += marks;
            copied = at;
            taken += 1;
        }
        at += 1;
    }
    out.push_str(&text[copied..]);
    if taken < 2 {
        return None;
    }
    let mut cut = String::with_capacity(out.len() * 2);
    for token in out.split_inclusive(char::is_whitespace) {
        // A word that is not glued stays whole.
        if token.len() > 14 { cut_words(token, &mut cut) } else { cut.push_str(token) }
    }
    Some(cut)
}

/// Appends `glued` to `out` with spaces around the words that are known.
fn cut_words(glued: &str, out: &mut String) {
    let mut done = 0;
    for found in KNOWN.find_iter(glued) {
        if found.start() > done {
            out.push_str(&glued[done..found.start()]);
            out.push(' ');
        }
        out.push_str(&glued[found.range()]);
        out.push(' ');
        done = found.end();
    }
    out.push_str(&glued[done..]);
}
