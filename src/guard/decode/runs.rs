//! Encodings of bytes as text: base64, hex, escapes.

/// Characters of base64 that are worth decoding.
pub const BASE64_LEAST: u32 = 24;

/// Bytes of hex that are worth decoding.
pub const HEX_LEAST: usize = 12;

/// All runs of base64 that decode to text, one a line; both alphabets, wrapped lines too.
pub fn base64(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut at, mut decoded) = (0, Vec::new());
    while at < bytes.len() {
        let (mut count, mut line, mut bits) = (0_u32, 0_u32, 0_u32);
        decoded.clear();
        while let Some(&byte) = bytes.get(at) {
            match sextet(byte) {
                Some(value) => {
                    bits = (bits << 6) | u32::from(value);
                    (count, line) = (count + 1, line + 1);
                    if count % 4 != 1 {
                        decoded.push((bits >> (6 - 2 * ((count + 3) % 4))) as u8);
                    }
                }
                // A wrapped line.
                None if matches!(byte, b'\n' | b'\r') && (line == 0 || line >= 56) && count > 0 => line = 0,
                None => break,
            }
            at += 1;
        }
        if count >= BASE64_LEAST {
            add(&mut out, &decoded);
        }
        at += 1;
    }
    (!out.is_empty()).then_some(out)
}

fn sextet(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

/// All runs of pairs of hex digits that decode to text, one a line; spaces, colons, commas, `0x`, `\x` may stand between.
pub fn hex(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut at, mut decoded) = (0, Vec::new());
    while at < bytes.len() {
        let begin = at;
        decoded.clear();
        while let Some(byte) = pair(bytes, at) {
            decoded.push(byte);
            at += 2;
            let between =
                bytes[at..].iter().take(4).take_while(|byte| matches!(byte, b' ' | b':' | b',' | b'\n')).count();
            let mark = bytes.get(at + between..at + between + 2);
            let mark = if mark.is_some_and(|mark| matches!(mark, b"0x" | b"\\x" | b"0X")) { 2 } else { 0 };
            if pair(bytes, at + between + mark).is_some() {
                at += between + mark;
            }
        }
        if decoded.len() >= HEX_LEAST {
            add(&mut out, &decoded);
        }
        if at == begin {
            // Runs begin where words do, or behind `0x` and `\x`.
            let word = bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric() && !is_x(**byte)).count();
            at += word.max(1);
        }
    }
    (!out.is_empty()).then_some(out)
}

fn is_x(byte: u8) -> bool {
    byte | 32 == b'x'
}

fn pair(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    Some((digit(at)? * 16 + digit(at + 1)?) as u8)
}

/// `text` with `%41`, `\x41`, `\u0041` decoded, if there are any; `+` is a space then where percents are.
pub fn escaped(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let (mut out, mut at, mut found) = (Vec::with_capacity(bytes.len()), 0, 0_u32);
    let percents = text.contains('%');
    while let Some(&byte) = bytes.get(at) {
        let behind = bytes.get(at + 1).copied();
        let (decoded, length) = match (byte, behind) {
            (b'%', _) => (pair(bytes, at + 1).map(u32::from), 3),
            (b'\\', Some(b'x')) => (pair(bytes, at + 2).map(u32::from), 4),
            (b'\\', Some(b'u')) => {
                let high = pair(bytes, at + 2).map(u32::from);
                (high.zip(pair(bytes, at + 4)).map(|(high, low)| high * 256 + u32::from(low)), 6)
            }
            _ => (None, 1),
        };
        match decoded {
            Some(code) if length == 6 => {
                let character = char::from_u32(code).unwrap_or(' ');
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Some(code) => out.push(code as u8),
            None => out.push(if byte == b'+' && percents { b' ' } else { byte }),
        }
        found += u32::from(decoded.is_some());
        at += if decoded.is_some() { length } else { 1 };
    }
    (found >= 3).then(|| String::from_utf8_lossy(&out).into_owned())
}

/// Adds `decoded` to `out` if it reads like text; bytes behind the text are left out.
fn add(out: &mut String, decoded: &[u8]) {
    let text = match std::str::from_utf8(decoded) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&decoded[..error.valid_up_to()]).unwrap_or_default(),
    };
    let odd = text.chars().filter(|c| c.is_control() && !c.is_whitespace()).count();
    let letters = text.chars().filter(|c| c.is_alphabetic() || *c == ' ').count();
    let all = text.chars().count();
    if text.len() * 10 >= decoded.len() * 9 && all > 0 && odd * 50 <= all && letters * 10 >= all * 6 {
        out.push_str(text);
        out.push('\n');
    }
}
