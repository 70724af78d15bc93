//! What may stand in a request's target: a path in its one plain form, and a query.
//!
//! Paths are matched exactly, so a path that another server would take for one of ours is not found here. It is refused by
//! name all the same: what stands in front of the gateway may have let it pass for what it is not.

use super::framing::Framing;

/// Checks an origin-form target (RFC 9112 §3.2.1): `/path` and, behind a `?`, a query.
///
/// # Errors
///
/// What is wrong with it.
pub fn check(target: &[u8]) -> Result<(), Framing> {
    if target.first() != Some(&b'/') {
        return Err(Framing::TargetForm);
    }
    let end = target.iter().position(|&byte| byte == b'?').unwrap_or(target.len());
    let (path, query) = target.split_at(end);
    check_path(path)?;
    check_query(query)
}

/// Where a model's name stands, in which SDKs escape `/` and `:`.
const NAMED: [&[u8]; 2] = [b"/v1/models/", b"/v1beta/models/"];

fn check_path(path: &[u8]) -> Result<(), Framing> {
    if path.contains(&b';') {
        return Err(Framing::Parameter);
    }
    if !path.iter().all(|&byte| of_path(byte)) {
        return Err(Framing::TargetByte);
    }
    let name = NAMED.into_iter().find_map(|begin| path.strip_prefix(begin));
    let plain = match name {
        Some(name) => decoded_name(name)?,
        None if path.contains(&b'%') => return Err(Framing::Escape),
        None => Vec::new(),
    };
    // `/` alone has one empty part; so has a path that ends in `/`, which is a path of its own.
    let mut parts = path.get(1..).unwrap_or_default().split(|&byte| byte == b'/').peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        if is_dots(part) || (part.is_empty() && !last) {
            return Err(Framing::Segment);
        }
    }
    if plain.split(|&byte| byte == b'/').any(is_dots) { Err(Framing::Segment) } else { Ok(()) }
}

fn is_dots(part: &[u8]) -> bool {
    part == b"." || part == b".."
}

/// RFC 3986 §3.3 without `;`.
fn of_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@/%".contains(&byte)
}

/// The name with its escapes taken out. They stand for characters that a name may hold: no control characters, no
/// backslash, no dot that hides (`%2e`), no escape of an escape (`%25`), and UTF-8 in all.
fn decoded_name(name: &[u8]) -> Result<Vec<u8>, Framing> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let (code, behind) = escape(behind).ok_or(Framing::Escape)?;
        if code.is_ascii_control() || b"\\.%;#?".contains(&code) {
            return Err(Framing::Escape);
        }
        plain.push(code);
        rest = behind;
    }
    if std::str::from_utf8(&plain).is_err() {
        return Err(Framing::Escape);
    }
    let hides = |pair: &[u8]| pair == b"//";
    if plain.first() == Some(&b'/') || plain.windows(2).any(hides) { Err(Framing::Segment) } else { Ok(plain) }
}

/// The byte that two hexadecimal digits at the beginning of `rest` stand for, and what follows them.
fn escape(rest: &[u8]) -> Option<(u8, &[u8])> {
    let (pair, behind) = rest.split_at_checked(2)?;
    let &[high, low] = pair else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(high)? * 16 + digit(low)?, behind))
}

/// `query` with its `?`. Browsers and SDKs leave brackets and the like as they are; nothing of it goes up unread.
fn check_query(query: &[u8]) -> Result<(), Framing> {
    let mut rest = query;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if !byte.is_ascii_graphic() || b"#\\<>\"`".contains(&byte) {
            return Err(Framing::TargetByte);
        }
        if byte == b'%' && escape(behind).is_none_or(|(code, _)| code == 0) {
            return Err(Framing::Escape);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_targets_pass() {
        for target in [
            "/",
            "/v1/chat/completions",
            "/v1/chat/completions/",
            "/v1/messages?beta=true",
            "/v1/models/org%2Fname:generateContent",
            "/v1beta/models/org/llama3:8b:streamGenerateContent?alt=sse",
            "/v1beta/models/org%2Ffast%3AstreamGenerateContent?$alt=sse",
            "/v1/models/claude-3@20240229",
            "/v1/models/%E6%A8%A1",
            "/v1/realtime?model=gpt%2Frealtime",
            "/v1/files?include[]=a|b&x={y}&at=%0A",
            "/v1/models/..a/b.",
        ] {
            assert_eq!(check(target.as_bytes()), Ok(()), "{target}");
        }
    }

    #[test]
    fn tricks_are_named() {
        for (target, want) in [
            ("", Framing::TargetForm),
            ("*", Framing::TargetForm),
            ("v1/models", Framing::TargetForm),
            ("evil:443", Framing::TargetForm),
            ("http://evil/v1/models", Framing::TargetForm),
            ("//evil/v1/models", Framing::Segment),
            ("/v1//models", Framing::Segment),
            ("/v1/./models", Framing::Segment),
            ("/v1/../v1/models", Framing::Segment),
            ("/v1/models/..", Framing::Segment),
            ("/v1/models/..%2f..%2fadmin", Framing::Segment),
            ("/v1/models/a%2f%2fb", Framing::Segment),
            ("/v1/models/%2fa", Framing::Segment),
            ("/v1/models/%2e%2e/a", Framing::Escape),
            ("/v1/models/a%252fb", Framing::Escape),
            ("/v1/models/a%00b", Framing::Escape),
            ("/v1/models/a%5cb", Framing::Escape),
            ("/v1/models/a%zz", Framing::Escape),
            ("/v1/models/a%2", Framing::Escape),
            ("/v1/models/a%ff", Framing::Escape),
            ("/v1/models/a%0d%0ab", Framing::Escape),
            ("/v1%2fmodels", Framing::Escape),
            ("/v1/chat%2Fcompletions", Framing::Escape),
            ("/v1/messages;a=b", Framing::Parameter),
            ("/v1\\messages", Framing::TargetByte),
            ("/v1/messages#top", Framing::TargetByte),
            ("/v1/messages?a#top", Framing::TargetByte),
            ("/v1/messages?a=\\", Framing::TargetByte),
            ("/v1/messages?a=%", Framing::Escape),
            ("/v1/messages?a=%00", Framing::Escape),
            ("/v1/m\u{e4}", Framing::TargetByte),
            ("/v1/messages?\u{e4}", Framing::TargetByte),
            ("/v1/mess ages", Framing::TargetByte),
        ] {
            assert_eq!(check(target.as_bytes()), Err(want), "{target}");
        }
    }
}
