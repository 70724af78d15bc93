//! One strict pass over a `multipart/form-data` body (RFC 7578): what two parsers could read differently is refused.
//!
//! Nothing is copied: the pass yields the parts as places in the body, so that the value of one can be replaced without
//! moving a file. Refused: anything before the first boundary or behind the last, a boundary that stands inside of a
//! value, lines that do not end in CRLF, folded or unknown ways of naming a part, parameters in pieces (RFC 2231; only
//! `filename*` is let through), multiparts inside of parts, codings (`content-transfer-encoding`), and more than
//! [`MAX_PARTS`] parts.

use super::parse::BadRequest;
use super::path::echo;
use crate::model::Span;
use memchr::memmem::Finder;

/// Most parts of one form. OpenAI's largest has 16 pictures beside some ten fields.
pub const MAX_PARTS: usize = 128;
/// Most bytes of the headers of one part.
const MAX_HEAD: usize = 8 * 1024;

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// The field's name.
    pub name: &'a str,
    /// It is sent as a file: its bytes are no text.
    pub file: bool,
    /// The value.
    pub value: Span,
}

/// The boundary that a content type names.
///
/// # Errors
///
/// When the content type is no `multipart/form-data` with exactly one boundary of 1 to 70 characters (RFC 2046 §5.1.1).
pub fn boundary(content_type: &str) -> Result<&str, BadRequest> {
    let bad = |why: &str| BadRequest {
        message: format!(
            "the content type {why}: send `multipart/form-data; boundary=…` as your HTTP library makes it"
        ),
        param: None,
    };
    let (kind, rest) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Err(bad("is no form"));
    }
    let mut found = None;
    for (name, value) in parameters(rest).ok_or_else(|| bad("cannot be read"))? {
        // A boundary in pieces or in a charset (`boundary*0`): another parser may go by that one.
        if name.contains('*') {
            return Err(bad("has a parameter whose name holds `*` (RFC 2231)"));
        }
        if name.eq_ignore_ascii_case("boundary") && found.replace(value).is_some() {
            return Err(bad("names two boundaries"));
        }
    }
    let boundary = found.ok_or_else(|| bad("names no boundary"))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    if !(1..=70).contains(&boundary.len()) || !boundary.bytes().all(plain) || boundary.ends_with(' ') {
        return Err(bad("has a boundary that is none"));
    }
    Ok(boundary)
}

/// The content type of a form with `boundary`, which [`boundary`] found: it holds no quote and no backslash.
pub fn content_type(boundary: &str) -> String {
    format!("multipart/form-data; boundary=\"{boundary}\"")
}

/// The parts of `body`, in order.
///
/// # Errors
///
/// When it is no such form; the message names the field that is wrong, as far as there is one.
pub fn parts<'a>(body: &'a [u8], boundary: &str) -> Result<Vec<Part<'a>>, BadRequest> {
    let mark = format!("\r\n--{boundary}");
    let finder = Finder::new(mark.as_bytes());
    let first = mark.as_bytes().get(2..).unwrap_or_default();
    if !body.starts_with(first) {
        return Err(bad(None, "does not begin with the boundary that its content type names"));
    }
    let (mut parts, mut at) = (Vec::new(), first.len());
    loop {
        match body.get(at..).unwrap_or_default() {
            [b'\r', b'\n', ..] => at += 2,
            b"--" | b"--\r\n" => return Ok(parts),
            [b'-', b'-', ..] => return Err(bad(None, "has bytes behind its last boundary")),
            _ => return Err(bad(last(&parts), "has a boundary that is followed by something else than a line's end")),
        }
        if parts.len() == MAX_PARTS {
            return Err(bad(None, &format!("has more than {MAX_PARTS} parts")));
        }
        let (head, value) = head(body, at, last(&parts))?;
        let Part { name, file, .. } = head;
        let rest = body.get(value..).unwrap_or_default();
        // The line's end before a boundary may be the one behind the headers.
        let overlap = body.get(value.saturating_sub(2)..).unwrap_or_default();
        if overlap.starts_with(mark.as_bytes()) {
            return Err(bad(Some(name), "is not separated from the boundary"));
        }
        let length = finder.find(rest).ok_or_else(|| bad(Some(name), "has no end: its last boundary is missing"))?;
        parts.push(Part { name, file, value: Span { start: value, end: value + length } });
        at = value + length + mark.len();
    }
}

/// Reads the headers of the part that begins at `at`; returns it with an empty value, and where its value begins.
fn head<'a>(body: &'a [u8], at: usize, before: Option<&str>) -> Result<(Part<'a>, usize), BadRequest> {
    let none = || unnamed(before, "has headers that do not end, or are longer than 8 KiB");
    let rest = body.get(at..).unwrap_or_default();
    let near = rest.get(..MAX_HEAD.min(rest.len())).unwrap_or_default();
    let length = memchr::memmem::find(near, b"\r\n\r\n").ok_or_else(none)?;
    let text = near.get(..length).and_then(|head| std::str::from_utf8(head).ok());
    let text = text.ok_or_else(|| unnamed(before, "has headers that are no UTF-8"))?;
    let mut named = None;
    let mut fault = None;
    for line in text.split("\r\n") {
        let read = line.split_once(':').filter(|(name, value)| is_token(name) && !value.contains(is_odd));
        let Some((header, value)) = read else {
            return Err(unnamed(before, "has a header that cannot be read"));
        };
        let value = value.trim();
        if header.eq_ignore_ascii_case("content-disposition") {
            if named.replace(disposition(value).map_err(|why| unnamed(before, why))?).is_some() {
                return Err(unnamed(before, "has two `content-disposition` headers"));
            }
        } else if let Some(why) = refused(header, value) {
            fault.get_or_insert(why);
        }
    }
    let Some((name, file)) = named else {
        return Err(unnamed(before, "has no `content-disposition`"));
    };
    if let Some(why) = fault {
        return Err(bad(Some(name), why));
    }
    Ok((Part { name, file, value: Span { start: 0, end: 0 } }, at + length + 4))
}

/// What a header of a part may not say.
fn refused(header: &str, value: &str) -> Option<&'static str> {
    let is = |name: &str| header.eq_ignore_ascii_case(name);
    let lower = value.to_ascii_lowercase();
    if is("content-transfer-encoding") && !matches!(&*lower, "7bit" | "8bit" | "binary") {
        return Some("is coded (`content-transfer-encoding`): send it as it is");
    }
    if is("content-type") && lower.starts_with("multipart/") {
        return Some("is a multipart itself: send its files as parts of their own");
    }
    if is("content-type") && lower.contains("charset*") {
        return Some("has a charset in another coding (`charset*`): send it in UTF-8");
    }
    let charset = lower.split_once("charset=").map(|(_, charset)| charset.trim_matches(['"', ' ']));
    let utf8 = |charset: &str| ["utf-8", "us-ascii"].iter().any(|known| charset.starts_with(known));
    (is("content-type") && charset.is_some_and(|charset| !utf8(charset))).then_some("is not in UTF-8: send it so")
}

/// The field's name, and whether it is a file.
fn disposition(value: &str) -> Result<(&str, bool), &'static str> {
    const UNREADABLE: &str = "has a `content-disposition` that cannot be read";
    let (kind, rest) = value.split_once(';').ok_or("has no name")?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err("is no `form-data`");
    }
    let (mut name, mut files) = (None, [false, false]);
    for (parameter, value) in parameters(rest).ok_or(UNREADABLE)? {
        let twice = match &*parameter.to_ascii_lowercase() {
            "name" => name.replace(value).is_some(),
            "filename" => std::mem::replace(&mut files[0], true),
            "filename*" => std::mem::replace(&mut files[1], true),
            "name*" => return Err("is named by `name*`: send `name`"),
            // Pieces of a value (RFC 2231 §3) make a name or a file of what another parser takes for none.
            other if other.contains('*') => {
                return Err("has a parameter in pieces in its `content-disposition` (RFC 2231): send it whole");
            }
            _ => false,
        };
        if twice {
            return Err("says something twice in its `content-disposition`");
        }
    }
    match name {
        Some(name) if !name.is_empty() => Ok((name, files.contains(&true))),
        _ => Err("has no name"),
    }
}

/// The parameters behind a header's value, `; name=value; name="value"`, the first semicolon left out; `None`: they cannot
/// be read in one way only.
fn parameters(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_start();
        if !is_token(name) {
            return None;
        }
        let (value, behind) = match after.strip_prefix('"') {
            // A quote behind a backslash ends the value for some parsers, and for others not.
            Some(quoted) => quoted.split_once('"').filter(|(value, _)| !value.ends_with('\\'))?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                let (value, behind) = after.split_at(end);
                (Some(value.trim_end()).filter(|value| is_value(value))?, behind)
            }
        };
        found.push((name, value));
        rest = behind.trim();
        if !rest.is_empty() {
            rest = rest.strip_prefix(';')?.trim_start();
        }
    }
    Some(found)
}

/// A token of RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
}

/// What may stand without quotes: clients write boundaries and names with more than tokens have.
fn is_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte > b' ' && !matches!(byte, b'"' | b'\\' | b',' | 0x7f))
}

fn is_odd(character: char) -> bool {
    character.is_control() && character != '\t'
}

fn last<'a>(parts: &[Part<'a>]) -> Option<&'a str> {
    parts.last().map(|part| part.name)
}

/// A mistake of the part behind the field `before`, whose own name is not known.
fn unnamed(before: Option<&str>, why: &str) -> BadRequest {
    let place = before.map_or_else(|| "its first part".to_owned(), |name| format!("the part behind `{}`", echo(name)));
    BadRequest { message: format!("the form cannot be read: {place} {why}"), param: None }
}

/// A mistake at `field`, or of the form as a whole.
fn bad(field: Option<&str>, why: &str) -> BadRequest {
    let field = field.map(echo);
    let message = match &field {
        Some(field) => format!("the form cannot be read: its field `{field}` {why}"),
        None => format!("the form cannot be read: it {why}"),
    };
    BadRequest { message, param: field }
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
