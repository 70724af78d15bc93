//! Private keys as PEM (RFC 7468), PGP armour (RFC 9580) and PuTTY files.

use super::reader::{Reader, any64};
use crate::guard::{Grow, Hit};

/// A key of 16,384 bits has 12.5 KiB; without an end line, what follows is taken up to here.
const MOST_KEY: usize = 16 << 10;
/// Base64 characters that must follow the first line: a document that speaks of keys has none.
const LEAST_BODY: usize = 16;
/// White space, quotes, escapes and headers between the first line and the key.
const MOST_GAP: usize = 150;

/// What stands between the dashes, and the last line.
const LABELS: [(&str, &str); 9] = [
    ("PRIVATE KEY-----", "-----END PRIVATE KEY-----"),
    ("RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"),
    ("EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----"),
    ("DSA PRIVATE KEY-----", "-----END DSA PRIVATE KEY-----"),
    ("OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----"),
    ("ENCRYPTED PRIVATE KEY-----", "-----END ENCRYPTED PRIVATE KEY-----"),
    ("ANY PRIVATE KEY-----", "-----END ANY PRIVATE KEY-----"),
    ("SSH2 ENCRYPTED PRIVATE KEY-----", "-----END SSH2 ENCRYPTED PRIVATE KEY-----"),
    ("PGP PRIVATE KEY BLOCK-----", "-----END PGP PRIVATE KEY BLOCK-----"),
];

/// `-----BEGIN ` stands at `at`.
pub(super) fn find(text: &Reader<'_>, at: usize, length: usize) -> Option<Hit> {
    text.begin(at);
    let (label, last) = LABELS.iter().find(|(label, _)| text.literal(at + length, label))?;
    let end = at + length + label.len();
    body_follows(text, end).then_some(Hit {
        at: at..end,
        entity: "private_key",
        grow: Some(Grow::Until(last, MOST_KEY)),
    })
}

/// `Private-Lines: ` stands at `at`: PuTTY's own format, whose public half comes first.
pub(super) fn find_putty(text: &Reader<'_>, at: usize, length: usize) -> Option<Hit> {
    if !super::rule::stands_apart(text, at) {
        return None;
    }
    text.begin(at);
    let end = text.run(at + length, 4, |byte| byte.is_ascii_digit());
    let grow = Some(Grow::Until("Private-MAC", MOST_KEY));
    (end > at + length && body_follows(text, end)).then_some(Hit { at: at..end, entity: "private_key", grow })
}

/// Base64 follows, behind headers (`Proc-Type: 4,ENCRYPTED`) if need be.
fn body_follows(text: &Reader<'_>, from: usize) -> bool {
    let (mut at, mut run) = (from, 0);
    while at - from < MOST_GAP {
        match text.get(at) {
            // Escapes of line ends in source text.
            Some(b'\\') => (at, run) = (at + 2, 0),
            Some(byte) if any64(byte) => (at, run) = (at + 1, run + 1),
            Some(byte) if byte.is_ascii_whitespace() || byte.is_ascii_punctuation() => (at, run) = (at + 1, 0),
            _ => return false,
        }
        if run == LEAST_BODY {
            return true;
        }
    }
    false
}
