//! E-mail addresses and URLs.

use super::ballot::{Ballot, Strength};
use super::entity::Entity::Email;
use super::look::Look;
use crate::guard::LONGEST;

/// Longest local part and label: RFC 5321, 4.5.3.1 and RFC 1035, 2.3.4 (<https://www.rfc-editor.org/rfc/rfc5321>).
const MOST_LOCAL: usize = 64;
const MOST_LABEL: usize = 63;
/// So that an address fits into what is held back.
const MOST_DOMAIN: usize = 180;

/// What may stand in a local part, and what joins its words. Others are allowed by RFC 5322 but part texts in practice.
const fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || is_letter(byte) || is_joint(byte)
}

const fn is_joint(byte: u8) -> bool {
    matches!(byte, b'.' | b'_' | b'-' | b'+' | b'%' | b'\'' | b'&')
}

/// A byte of a character of two bytes: Latin, Greek, Cyrillic, Hebrew, Arabic. Longer ones are written without spaces.
const fn is_letter(byte: u8) -> bool {
    matches!(byte, 0x80..=0xdf)
}

/// An address that begins at the start.
pub(super) fn vote(ballot: &mut Ballot<'_>) {
    if !ballot.wants(Email) {
        return;
    }
    if let Some(end) = address(ballot.look) {
        ballot.offer(Email, end, Strength::Sure);
    }
}

fn address(look: &Look<'_>) -> Option<usize> {
    let start = look.start();
    let (before, second) = (look.back(1), look.back(2));
    let inside = before.is_ascii_alphanumeric()
        || before == b'_'
        || matches!(before, 0x80..=0xbf) && matches!(second, 0xc3..=0xdf)
        || is_joint(before) && (second.is_ascii_alphanumeric() || is_letter(second));
    if inside {
        return None;
    }
    let mut at = start;
    while is_local(look.at(at)) {
        at += 1;
        if at - start > MOST_LOCAL {
            return None;
        }
    }
    if at == start
        || look.at(at) != b'@'
        || is_joint(look.at(at - 1)) && look.at(at - 1) != b'_' && look.at(at - 1) != b'-'
    {
        return None;
    }
    let end = domain(look, at + 1)?;
    // `git@github.com:owner/name` is a place, not a person.
    let remote = look.seen(start..at) == b"git" && matches!(look.at(end), b':' | b'/');
    (!remote).then_some(end)
}

/// The end of the domain at `from`: labels, the last of letters.
fn domain(look: &Look<'_>, from: usize) -> Option<usize> {
    let (mut at, mut end, mut labels) = (from, None, 0);
    loop {
        let label = at;
        at = look.run(at, |byte| byte.is_ascii_alphanumeric() || byte == b'-' || is_letter(byte));
        if at == label || at - label > MOST_LABEL || at - from > MOST_DOMAIN || look.at(label) == b'-' {
            return end;
        }
        labels += 1;
        if labels > 1 && is_top(look.seen(label..at)) {
            end = Some(at);
        }
        if look.at(at) != b'.' {
            return end;
        }
        at += 1;
    }
}

/// Whether it may be a top level domain, or a label before one.
fn is_top(label: &[u8]) -> bool {
    const FILES: &[&[u8]] = &[b"png", b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"css", b"js", b"tgz"];
    let word = label.len() >= 2 && label.iter().all(|&byte| byte.is_ascii_alphabetic() || byte >= 0x80);
    let puny = label.len() > 4 && label[..4].eq_ignore_ascii_case(b"xn--");
    (word || puny) && !FILES.iter().any(|file| label.eq_ignore_ascii_case(file))
}

/// What a URL goes on with.
pub(super) const fn is_url(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// The end of the URL at the start; of a longer one its first 256 bytes.
pub(super) fn url(look: &Look<'_>) -> Option<usize> {
    let start = look.start();
    if look.back(1).is_ascii_alphanumeric() {
        return None;
    }
    let scheme = ["https://", "http://", "ftp://", "www."].into_iter().find(|scheme| look.word_at(start, scheme))?;
    let inside = start + scheme.len();
    let mut end = look.run(inside, is_url);
    if end - start >= LONGEST {
        return Some(end);
    }
    while end > inside
        && matches!(look.at(end - 1), b'.' | b',' | b';' | b':' | b'!' | b'?' | b')' | b'\'' | b']' | b'*')
    {
        end -= 1;
    }
    (end > inside + 2).then_some(end)
}
