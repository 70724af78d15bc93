//! Passwords in URLs and in `Authorization` headers.

use super::reader::{Reader, any64, url};
use super::strength::{mix, random, stands_for, varied};
use crate::guard::{Grow, Hit};
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};

const MOST_SCHEME: usize = 14;
const MOST_USER: usize = 40;
const MOST_PASSWORD: usize = 120;

/// Schemes of databases and brokers.
const STORES: [&[u8]; 22] = [
    b"postgres",
    b"postgresql",
    b"mysql",
    b"mariadb",
    b"mongodb",
    b"mongodb+srv",
    b"redis",
    b"rediss",
    b"amqp",
    b"amqps",
    b"mssql",
    b"sqlserver",
    b"oracle",
    b"clickhouse",
    b"cockroachdb",
    b"cassandra",
    b"couchbase",
    b"neo4j",
    b"bolt",
    b"nats",
    b"ldap",
    b"snowflake",
];

/// Passwords of examples.
const EXAMPLES: [&[u8]; 22] = [
    b"pass",
    b"password",
    b"passwd",
    b"pwd",
    b"secret",
    b"token",
    b"pw",
    b"user",
    b"username",
    b"passw0rd",
    b"mypassword",
    b"dbpassword",
    b"dbpass",
    b"yourpassword",
    b"test",
    b"foo",
    b"bar",
    b"baz",
    b"xxx",
    b"pass123",
    b"p",
    b"password123",
];

/// `://` stands at `at`: `scheme://user:password@host`, of which the password is the hit, or `scheme://token@host`.
pub(super) fn find_url(text: &Reader<'_>, at: usize, length: usize) -> Option<Hit> {
    let mut begin = at;
    while at - begin < MOST_SCHEME
        && text.before(begin).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'+')
    {
        begin -= 1;
    }
    let scheme = text.slice(begin, at);
    let user = at + length;
    if scheme.is_empty() {
        return None;
    }
    // `https://token@host` is decided by what follows the first part.
    text.begin(user);
    let colon = text.run(user, MOST_PASSWORD + 1, plain);
    match text.get(colon) {
        Some(b'@') if colon - user <= MOST_PASSWORD && random(text.slice(user, colon)) => {
            Some(Hit { at: user..colon, entity: "url_password", grow: None })
        }
        Some(b':') if colon - user <= MOST_USER => {
            let start = colon + 1;
            let end = text.run(start, MOST_PASSWORD + 1, |byte| plain(byte) || byte == b':');
            let value = text.slice(start, end);
            let host = text.get(end) == Some(b'@')
                && text.get(end + 1).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'[');
            if value.is_empty() || value.len() > MOST_PASSWORD || !host || is_example(value) {
                return None;
            }
            let store = STORES
                .iter()
                .any(|store| scheme.split(|&byte| byte == b'+').next() == Some(*store) || scheme == *store);
            Some(Hit { at: start..end, entity: if store { "connection_string" } else { "url_password" }, grow: None })
        }
        _ => None,
    }
}

/// May stand in a user's name or password as such.
fn plain(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(
            byte,
            b':' | b'/' | b'@' | b'"' | b'\'' | b'<' | b'>' | b'`' | b'?' | b'#' | b'\\' | b')' | b'(' | b','
        )
}

fn is_example(value: &[u8]) -> bool {
    let masked = value.iter().all(|&byte| matches!(byte, b'*' | b'x' | b'X' | b'.' | b'-' | b'_'));
    let port = value.len() <= 5 && value.iter().all(u8::is_ascii_digit);
    masked || port || stands_for(value) || EXAMPLES.iter().any(|one| value.eq_ignore_ascii_case(one))
}

/// `Bearer ` stands at `at`.
pub(super) fn find_bearer(text: &Reader<'_>, at: usize, length: usize) -> Option<Hit> {
    let start = at + length;
    text.begin(start);
    let end = text.run(start, 200, |byte| any64(byte) || matches!(byte, b'.' | b'~'));
    let mut value = text.slice(start, end);
    let mut to = end;
    while let [rest @ .., b'.'] = value {
        (value, to) = (rest, to - 1);
    }
    let enough = value.len() >= 16 && random_parts(value) && !stands_for(value);
    let grow = (end - start == 200).then_some(Grow::While(any64 as fn(u8) -> bool));
    enough.then_some(Hit { at: start..to, entity: "bearer_token", grow })
}

/// A token may have parts: enough of it looks random.
fn random_parts(value: &[u8]) -> bool {
    random(value) || value.split(|&byte| !byte.is_ascii_alphanumeric()).any(|part| part.len() >= 14 && random(part))
}

/// `Basic ` stands at `at`: `user:password` as base64 (RFC 7617).
pub(super) fn find_basic(text: &Reader<'_>, at: usize, length: usize) -> Option<Hit> {
    let start = at + length;
    text.begin(start);
    let end = text.run(start, 180, any64);
    (holds_pair(text.slice(start, end)) && end - start < 180).then_some(Hit {
        at: start..end,
        entity: "basic_auth",
        grow: None,
    })
}

/// Whether `value` is `user:password` as base64.
pub(super) fn holds_pair(value: &[u8]) -> bool {
    const ANY: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY);
    let mut pair = [0_u8; 150];
    if value.len() < 8 || value.iter().any(|&byte| byte != b'=' && !url(byte) && !matches!(byte, b'+' | b'/')) {
        return false;
    }
    let Ok(length) = STANDARD.decode_slice(value, &mut pair) else { return false };
    let pair = pair.get(..length).unwrap_or_default();
    let printable = pair.iter().all(|&byte| byte.is_ascii_graphic() || byte == b' ');
    printable
        && pair.iter().position(|&byte| byte == b':').is_some_and(|colon| colon + 1 < pair.len())
        && mix(value).upper > 0
        && varied(value)
}
