//! User names and passwords, by the word in front of them.

use super::ballot::{Ballot, Strength};
use super::entity::Entity::{Password, Username};
use super::look::Look;

/// Longest value.
const MOST: usize = 64;

/// What is told about passwords rather than being one.
const NOT_VALUES: &[&str] = &[
    "string",
    "str",
    "text",
    "null",
    "none",
    "nil",
    "true",
    "false",
    "required",
    "optional",
    "yes",
    "no",
    "password",
    "username",
    "user",
    "undefined",
    "incorrect",
    "wrong",
    "invalid",
    "correct",
    "empty",
    "missing",
    "unknown",
    "varchar",
    "the",
    "your",
    "a",
    "an",
    "not",
    "my",
];

/// A value at the start.
pub(super) fn vote(ballot: &mut Ballot<'_>) {
    if !ballot.wants(Username) && !ballot.wants(Password) {
        return;
    }
    let look = ballot.look;
    let Some(told) = introduced(look) else { return };
    let (user, password) = (ballot.near(Username), ballot.near(Password));
    let label = u8::try_from(look.context().len()).unwrap_or(u8::MAX).saturating_sub(told.most);
    if user.max(password) < label.max(1) {
        return;
    }
    let start = look.start();
    let mut end = look.run(start, |byte| {
        byte > b' ' && !matches!(byte, b'"' | b'\'' | b'`' | 0x7f) && (byte != b',' || !told.quoted)
    });
    while end > start
        && !told.quoted
        && matches!(look.at(end - 1), b'.' | b',' | b';' | b':' | b'!' | b'?' | b')' | b']' | b'}')
    {
        end -= 1;
    }
    let value = look.seen(start..end);
    let least = if password > user { 4 } else { 3 };
    let told_of = NOT_VALUES.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()));
    let placeholder = matches!(value.first(), Some(b'<' | b'{' | b'[' | b'*' | b'(' | b'$'));
    let random = value.iter().any(|byte| !byte.is_ascii_alphabetic());
    if !(least..=MOST).contains(&value.len()) || told_of || placeholder || !(random || told.sign || told.quoted) {
        return;
    }
    ballot.offer(if password > user { Password } else { Username }, end, Strength::Word);
}

struct Told {
    /// By a colon or an equals sign.
    sign: bool,
    quoted: bool,
    /// The label ends at most so many bytes before the start.
    most: u8,
}

/// How the value at the start is introduced: `: `, ` = "`, ` is `.
fn introduced(look: &Look<'_>) -> Option<Told> {
    let mut steps = 1;
    let quoted = matches!(look.back(1), b'"' | b'\'' | b'`');
    if quoted {
        steps += 1;
    }
    while steps < 5 && look.back(steps) == b' ' {
        steps += 1;
    }
    if matches!(look.back(steps), b':' | b'=') {
        return Some(Told { sign: true, quoted, most: 8 });
    }
    let before = look.context();
    let before = &before[..before.len().saturating_sub(steps - 1)];
    let verb = [" is", " ist", " est", " es", " is:", " to"].iter().any(|verb| before.ends_with(verb.as_bytes()));
    (verb && steps > 1).then_some(Told { sign: false, quoted, most: 32 })
}
