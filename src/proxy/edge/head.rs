//! The head of an HTTP/1 request, read strictly from the bytes as they came (RFC 9112 §2 to §6).
//!
//! Pingora's parser takes a line feed alone for a line's end, and escapes what may not stand in a target until it may. Here
//! each byte is looked at once, as it comes, and what is not the one plain form is refused before Pingora sees it.

use super::fields::{self, Length, Speaks};
use super::framing::Framing;
use super::target;

/// How long a head may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes, with the empty line; past it 431.
    pub bytes: usize,
    /// Fields; past it 431.
    pub fields: usize,
}

/// What was read of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    /// Its bytes, with the empty line behind it. What follows is no part of it.
    pub bytes: usize,
    /// Where the body behind it ends.
    pub body: Length,
}

/// Reads a head as it comes, however the network cuts it.
#[derive(Debug, Clone, Default)]
pub struct HeadReader {
    /// Bytes that were looked at.
    at: usize,
    /// Where the line under way begins.
    line: usize,
    /// Lines that are whole.
    lines: usize,
    /// Where the request line begins: one empty line in front of it is passed over (RFC 9112 §2.2).
    begin: usize,
}

impl HeadReader {
    /// Whether something of a head has come.
    pub fn has_begun(&self) -> bool {
        self.at > 0
    }

    /// Looks at what is new in `bytes`, which begin where the head begins: `None` while it is not whole.
    ///
    /// # Errors
    ///
    /// What is wrong, as soon as it is seen.
    pub fn read(&mut self, bytes: &[u8], limits: HeadLimits) -> Result<Option<Whole>, Framing> {
        while let Some(&byte) = bytes.get(self.at) {
            if let Some(end) = self.plain_line(bytes, limits) {
                self.at = end;
                if let Some(whole) = self.end_line(bytes, limits)? {
                    return Ok(Some(whole));
                }
                continue;
            }
            if self.at >= limits.bytes {
                return Err(Framing::HeadTooLarge);
            }
            let after_return = self.at > self.line && bytes.get(self.at - 1) == Some(&b'\r');
            self.at += 1;
            match byte {
                b'\n' if !after_return => return Err(Framing::BareLineFeed),
                b'\n' => {
                    if let Some(whole) = self.end_line(bytes, limits)? {
                        return Ok(Some(whole));
                    }
                }
                _ if after_return => return Err(Framing::BareReturn),
                b'\r' | b'\t' => {}
                _ if byte.is_ascii_control() => return Err(Framing::Control),
                _ => {}
            }
        }
        Ok(None)
    }

    /// The end of a line that is there from its first byte to its CR LF and has no control bytes: nearly all are, and such a
    /// one need not be looked at byte by byte.
    fn plain_line(&self, bytes: &[u8], limits: HeadLimits) -> Option<usize> {
        if self.at != self.line {
            return None;
        }
        let rest = bytes.get(self.at..bytes.len().min(limits.bytes))?;
        let line = rest.get(..memchr::memchr(b'\n', rest)?)?;
        let text = line.strip_suffix(b"\r")?;
        let controls = text.iter().fold(false, |any, &byte| any | (byte.is_ascii_control() & (byte != b'\t')));
        (!controls).then_some(self.at + line.len() + 1)
    }

    fn end_line(&mut self, bytes: &[u8], limits: HeadLimits) -> Result<Option<Whole>, Framing> {
        let line = bytes.get(self.line..self.at - 2).unwrap_or_default();
        let start = std::mem::replace(&mut self.line, self.at);
        if line.is_empty() {
            if self.lines > 0 {
                let head = bytes.get(self.begin..start).unwrap_or_default();
                return Ok(Some(Whole { bytes: self.at, body: judge(head)? }));
            }
            // One empty line, which some old clients send behind a body.
            return if start > 0 { Err(Framing::RequestLine) } else { Ok(self.pass_over()) };
        }
        match self.lines {
            0 => drop(request_line(line)?),
            _ => drop(field(line)?),
        }
        self.lines += 1;
        if self.lines - 1 > limits.fields { Err(Framing::TooManyFields) } else { Ok(None) }
    }

    fn pass_over(&mut self) -> Option<Whole> {
        self.begin = self.at;
        None
    }
}

/// Judges a whole head: lines that end with CR LF, without the empty one.
fn judge(head: &[u8]) -> Result<Length, Framing> {
    let mut lines = head.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let (method, target, speaks) = request_line(lines.next().unwrap_or_default())?;
    let mut fields = Vec::with_capacity(16);
    for line in lines.filter(|line| !line.is_empty()) {
        fields.push(field(line)?);
    }
    let length = fields::check(speaks, method, None, fields.into_iter())?;
    target::check(target)?;
    Ok(length)
}

/// `METHOD SP TARGET SP VERSION`.
fn request_line(line: &[u8]) -> Result<(&[u8], &[u8], Speaks), Framing> {
    let mut words = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Framing::RequestLine);
    };
    let visible = |word: &[u8]| !word.is_empty() && !word.contains(&b'\t');
    if !visible(method) || !method.iter().all(|&byte| of_token(byte)) || !visible(target) {
        return Err(Framing::RequestLine);
    }
    let speaks = match version {
        b"HTTP/1.1" => Speaks::Http11,
        b"HTTP/1.0" => Speaks::Http10,
        _ if version.starts_with(b"HTTP/") => return Err(Framing::Version),
        _ => return Err(Framing::RequestLine),
    };
    Ok((method, target, speaks))
}

/// `name ":" OWS value OWS`.
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Framing> {
    if line.first().is_some_and(|byte| b" \t".contains(byte)) {
        return Err(Framing::Folded);
    }
    let colon = memchr::memchr(b':', line).ok_or(Framing::Name)?;
    let (name, value) = line.split_at(colon);
    if name.is_empty() || !name.iter().all(|&byte| of_token(byte)) {
        return Err(Framing::Name);
    }
    Ok((name, value.get(1..).unwrap_or_default().trim_ascii()))
}

/// RFC 9110 §5.6.2.
const fn of_token(byte: u8) -> bool {
    const TABLE: [bool; 256] = {
        let (mut table, mut byte) = ([false; 256], 0);
        while byte < 128 {
            let one = byte as u8;
            table[byte] = one.is_ascii_alphanumeric()
                || matches!(one, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~');
            byte += 1;
        }
        table
    };
    TABLE[byte as usize]
}

/// The target of a head that may be wrong elsewhere, as far as it can be made out: errors are told in its dialect.
pub fn guessed_target(bytes: &[u8]) -> &str {
    let line = bytes.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let target = line.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
    std::str::from_utf8(target).unwrap_or_default()
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
