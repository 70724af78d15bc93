//! Assignments: a name that says that its value is secret, something that assigns, and a value that looks like it.
//!
//! `password = "…"`, `API_KEY=…`, `"clientSecret": "…"`, `<password>…</password>`, `--token …`, `x-api-key: …`,
//! `the password is …`. Randomness alone never decides: the name must be there.

use super::owners::owner;
use super::reader::{Class, Reader};
use super::strength::{chosen, mix, random, stands_for};
use crate::guard::{CONTEXT, Grow, Hit};

/// Between the name's keyword and the value.
const MOST_BETWEEN: usize = 44;
const MOST_VALUE: usize = 180;

/// What a name says of its value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// People choose it.
    Password,
    /// Machines make it.
    Secret,
    /// Often no secret: only with a word in front (`api_key`), or when the value is very random.
    Key,
}

/// A keyword of a name stands at `at`.
pub(super) fn find(text: &Reader<'_>, at: usize, length: usize) -> Option<Hit> {
    let name_end = tail_of_name(text, at + length)?;
    let value = value_of(text, at, name_end)?;
    if value.start - at > MOST_BETWEEN {
        return None;
    }
    text.begin(value.start);
    let end = text.run(value.start, MOST_VALUE, |byte| value.holds(byte));
    let long = end - value.start == MOST_VALUE;
    let closed = long || value.quote.is_none_or(|quote| text.get(end) == Some(quote) || text.get(end) == Some(b'\\'));
    if !closed {
        return None;
    }
    let bytes = trimmed(text.slice(value.start, end), value.quote.is_some());
    let end = value.start + bytes.len();
    // What has no digit is a word, or code.
    let may = bytes.len() >= 6 && (bytes.len() >= 20 || bytes.iter().any(u8::is_ascii_digit));
    if !may || text.get(end) == Some(b'(') || says_other(text.slice(at + length, name_end)) || stands_for(bytes) {
        return None;
    }
    // The name, as far as it may be looked at.
    let from = (value.start.saturating_sub(CONTEXT - 2)).max(at.saturating_sub(28));
    let name = name_of(text.slice(from, at + length));
    let keyword = text.slice(at, at + length);
    let entity = judge(name, text.slice(at + length, name_end), keyword, bytes, &value)?;
    let grow = (long && bytes.len() == MOST_VALUE).then_some(Grow::While(value.class()));
    Some(Hit { at: value.start..end, entity, grow })
}

/// What is behind the keyword and still of the name: `_2`, `Value`, `-prod`. `None`: it is another word (`keyboard`).
fn tail_of_name(text: &Reader<'_>, at: usize) -> Option<usize> {
    let plural = text.get(at)? == b's';
    let word = text.get(at + usize::from(plural)).is_some_and(|byte| byte.is_ascii_lowercase());
    if word {
        return None;
    }
    let end = text.run(at, 17, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    (end - at <= 16).then_some(end)
}

/// Whether the name's tail says that the value is something else: `_id`, `FileName`.
fn says_other(tail: &[u8]) -> bool {
    const OTHERS: [&[u8]; 25] = [
        b"id", b"ids", b"name", b"names", b"file", b"path", b"url", b"uri", b"type", b"hash", b"len", b"length",
        b"size", b"count", b"policy", b"version", b"format", b"sha", b"sha256", b"digest", b"ref", b"arn", b"hint",
        b"regex", b"index",
    ];
    let last = tail.rsplit(|byte| matches!(byte, b'_' | b'-')).next().unwrap_or_default();
    OTHERS.iter().any(|other| {
        let end = last.len().checked_sub(other.len()).and_then(|at| last.get(at..)).unwrap_or_default();
        let begins = end.len() == last.len() || end.first().is_some_and(u8::is_ascii_uppercase);
        begins && end.eq_ignore_ascii_case(other)
    })
}

/// Where a value begins, and how it is delimited.
struct Value {
    start: usize,
    quote: Option<u8>,
    /// Words stand around it: `the password is …`.
    prose: bool,
}

impl Value {
    fn holds(&self, byte: u8) -> bool {
        match self.quote {
            Some(quote) => byte.is_ascii_graphic() && byte != quote && byte != b'\\',
            None => bare(byte),
        }
    }

    fn class(&self) -> Class {
        if self.quote.is_some() { quoted } else { bare }
    }
}

fn quoted(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'`' | b'\\')
}

fn bare(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(
            byte,
            b'"' | b'\'' | b'`' | b'\\' | b',' | b';' | b'<' | b'>' | b'(' | b')' | b'{' | b'}' | b'[' | b']' | b'|'
        )
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Steps over what assigns: from the end of the name to the value.
fn value_of(text: &Reader<'_>, name: usize, end: usize) -> Option<Value> {
    let mut at = text.run(end, 3, |byte| is_quote(byte) || matches!(byte, b'\\' | b']'));
    let closed = at > end;
    let spaced = text.run(at, 12, is_space);
    let mut prose = false;
    at = match text.get(spaced)? {
        b'=' => text.run(spaced, 3, |byte| matches!(byte, b'=' | b'>')),
        b'!' if text.get(spaced + 1) == Some(b'=') => text.run(spaced + 1, 2, |byte| byte == b'='),
        b':' => match text.get(spaced + 1) {
            // What a URL has behind its scheme is no value.
            Some(b'/') => return None,
            Some(b':' | b'=') => spaced + 2,
            _ => spaced + 1,
        },
        b',' if closed => spaced + 1,
        b'>' if spaced == end => spaced + 1,
        // `is …`, and `set the password to …`.
        b'i' | b't' if spaced > at && (text.literal(spaced, "is") || text.literal(spaced, "to")) => {
            prose = true;
            let after = spaced + 2;
            match text.get(after) {
                Some(b':') => after + 1,
                Some(byte) if is_space(byte) => after,
                _ => return None,
            }
        }
        _ if spaced > at && (is_flag(text, name) || is_netrc(text, name)) => spaced,
        _ => return None,
    };
    at = text.run(at, 12, is_space);
    // From here on it may be the value already, or what stands between a name and its value.
    text.begin(at);
    at = annotation(text, at)?;
    if text.get(at).is_some_and(|byte| matches!(byte, b'b' | b'r' | b'f' | b'u' | b'@' | b'B' | b'R'))
        && text.get(at + 1).is_some_and(is_quote)
    {
        at += 1;
    }
    let escaped = usize::from(text.get(at) == Some(b'\\') && text.get(at + 1).is_some_and(is_quote));
    let quote = text.get(at + escaped).filter(|&byte| is_quote(byte));
    let start = at + escaped + usize::from(quote.is_some());
    Some(Value { start, quote, prose })
}

/// A type between a name and its value: `token: &str = "…"`.
fn annotation(text: &Reader<'_>, at: usize) -> Option<usize> {
    let end = text.run(at, 20, |byte| byte.is_ascii_alphabetic() || matches!(byte, b'&' | b'\'' | b'[' | b']' | b'?'));
    if end == at || end - at == 20 || text.slice(at, at + 1).first().is_some_and(|&byte| is_quote(byte)) {
        return Some(at);
    }
    let sign = text.run(end, 2, is_space);
    if sign == end || text.get(sign) != Some(b'=') || text.get(sign + 1) == Some(b'=') {
        return Some(at);
    }
    Some(text.run(sign + 1, 3, is_space))
}

/// `--token value`: the name begins with dashes.
fn is_flag(text: &Reader<'_>, name: usize) -> bool {
    let mut at = name;
    while name - at < 16
        && text.before(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    {
        at -= 1;
    }
    text.slice(at, name + 1).starts_with(b"--")
}

/// `machine … login … password value`.
fn is_netrc(text: &Reader<'_>, name: usize) -> bool {
    text.slice(name, name + 8) == b"password"
        && memchr::memmem::find(text.slice(name.saturating_sub(40), name), b"login ").is_some()
}

/// Without what ends a sentence or a line of code.
fn trimmed(value: &[u8], quoted: bool) -> &[u8] {
    let mut value = value;
    if !quoted {
        while let [rest @ .., b'.' | b':' | b'!' | b'?' | b'*'] = value {
            value = rest;
        }
    }
    value
}

/// The identifier at the end of `text`; words count too (`secret access key`).
fn name_of(text: &[u8]) -> &[u8] {
    let other = |&byte: &u8| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b' '));
    let from = text.iter().rposition(other).map_or(0, |at| at + 1);
    text.get(from..).unwrap_or_default()
}

/// What the value is, if it is a secret.
fn judge(name: &[u8], tail: &[u8], keyword: &[u8], value: &[u8], how: &Value) -> Option<&'static str> {
    let has = |word: &[u8]| name.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word));
    if has(b"public")
        || has(b"pubkey")
        || has(b"cache")
        || has(b"csrf")
        || has(b"primary")
        || has(b"foreign")
        || has(b"sort")
    {
        return None;
    }
    if let Some(entity) = owner(name, tail, value) {
        return Some(entity);
    }
    let kind = if keyword.eq_ignore_ascii_case(b"key") {
        const BEFORE: [&[u8]; 14] = [
            b"api", b"access", b"secret", b"private", b"auth", b"encrypt", b"sign", b"master", b"account", b"service",
            b"storage", b"license", b"app", b"admin",
        ];
        if BEFORE.iter().any(|word| has(word)) { Kind::Secret } else { Kind::Key }
    } else if matches!(keyword.first(), Some(b'p' | b'P')) {
        Kind::Password
    } else {
        Kind::Secret
    };
    // Paths of code are no values: `token = self.token_1`. Dashes are in none, and people choose words.
    let words = kind == Kind::Password && (how.prose || value.contains(&b'-'));
    if how.quote.is_none() && !words && is_code(value) {
        return None;
    }
    match kind {
        Kind::Password if chosen(value) || random(value) => Some("password"),
        Kind::Secret if random(value) => Some("generic_secret"),
        Kind::Secret if how.prose && chosen(value) && mix(value).digits > 1 => Some("generic_secret"),
        Kind::Key if value.len() >= 20 && random(value) => Some("generic_secret"),
        Kind::Password | Kind::Secret | Kind::Key => None,
    }
}

/// Words joined by dots, underscores and slashes, each of which is a word.
fn is_code(value: &[u8]) -> bool {
    let parts = value.split(|byte| matches!(byte, b'.' | b'_' | b'/' | b'-' | b'&' | b'=' | b':'));
    let mut words = 0;
    let mut letters = 0;
    for part in parts {
        let mix = mix(part);
        words += 1;
        letters += usize::from(mix.turns <= 1 && mix.digits <= 2 && mix.others == 0);
    }
    letters == words
}
