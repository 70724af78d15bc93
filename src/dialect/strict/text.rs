//! Bytes inside strings: where a plain run ends, what an escape stands for, what is base64.

use super::Reason;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Length of the run at the front of `text` that holds no quote, no backslash and no control character.
///
/// Eight bytes at a time. In each test the lowest marked byte is a true one (a borrow only runs upwards), and the
/// lowest is all that is used.
#[inline]
pub(in crate::dialect) fn plain_run(text: &[u8]) -> usize {
    let (words, tail) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = word ^ (ONES * 0x22);
        let slash = word ^ (ONES * 0x5c);
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let marked = ((quote.wrapping_sub(ONES) & !quote) | (slash.wrapping_sub(ONES) & !slash) | control) & HIGHS;
        if marked != 0 {
            return index * 8 + (marked.trailing_zeros() / 8) as usize;
        }
    }
    let plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
    text.len() - tail.len() + tail.iter().take_while(|byte| plain(byte)).count()
}

/// The character that the escape at the front of `text` (behind its backslash) stands for, and its length there.
pub(in crate::dialect) fn escape(text: &[u8]) -> Result<(char, usize), Reason> {
    let short = match text.first() {
        None => return Err(Reason::Truncated),
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode(&text[1..]),
        Some(_) => return Err(Reason::Escape),
    };
    Ok((short, 1))
}

/// The character of the `XXXX` or `XXXX\uXXXX` at the front of `text`, and the escape's length with its `u`.
fn unicode(text: &[u8]) -> Result<(char, usize), Reason> {
    let first = hex4(text)?;
    match first {
        0xd800..=0xdbff => match text.get(4..6) {
            Some(b"\\u") => match hex4(&text[6..])? {
                second @ 0xdc00..=0xdfff => {
                    let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    char::from_u32(code).map(|c| (c, 11)).ok_or(Reason::LoneSurrogate)
                }
                _ => Err(Reason::LoneSurrogate),
            },
            _ => Err(Reason::LoneSurrogate),
        },
        code => char::from_u32(code).map(|c| (c, 5)).ok_or(Reason::LoneSurrogate),
    }
}

fn hex4(text: &[u8]) -> Result<u32, Reason> {
    let digits = text.get(..4).ok_or(Reason::Truncated)?;
    digits
        .iter()
        .try_fold(0, |code, digit| char::from(*digit).to_digit(16).map(|digit| code * 16 + digit).ok_or(Reason::Escape))
}

/// The text of a string's inside, unescaped. For insides that were checked.
pub(super) fn unescape(inside: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(inside.len()), inside);
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let Ok((character, length)) = escape(&rest[at + 1..]) else { break };
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &rest[at + 1 + length..];
    }
    out.extend_from_slice(rest);
    out
}

/// Shorter payloads count as text: they are as cheap as text.
const LEAST_PAYLOAD: usize = 64;

/// Whether a string's inside can only be base64, as it stands (an escaped `/` or line end is let through).
///
/// Text has spaces, so a client cannot hide a prompt of natural language in what looks like a payload.
pub(in crate::dialect) fn is_base64(inside: &[u8]) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric()
            | (byte == b'+')
            | (byte == b'/')
            | (byte == b'=')
            | (byte == b'-')
            | (byte == b'_')
            | (byte == b'\\')
    };
    // By blocks without a branch inside, so that the compiler can use vectors.
    let (blocks, tail) = inside.as_chunks::<32>();
    let all = |block: &[u8]| block.iter().fold(true, |all, byte| all & allowed(*byte));
    inside.len() >= LEAST_PAYLOAD && blocks.iter().all(|block| all(block)) && all(tail)
}

/// Whether a string's inside is a `data:` URL with a base64 payload.
pub(in crate::dialect) fn is_data_url(inside: &[u8]) -> bool {
    const LONGEST_HEAD: usize = 128;
    let Some(rest) = inside.strip_prefix(b"data:") else { return false };
    let head = &rest[..rest.len().min(LONGEST_HEAD)];
    let Some(comma) = memchr::memchr(b',', head) else { return false };
    head[..comma].ends_with(b";base64") && !head[..comma].contains(&b' ') && is_base64(&rest[comma + 1..])
}
