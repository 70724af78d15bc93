//! Rules on the fields of a head, the same for all versions of HTTP: where a body ends, who is meant, what is hop by hop.

use super::framing::Framing;

/// The version that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

/// Where a request's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Behind so many bytes; 0: there is none.
    Bytes(u64),
    /// With its last chunk; in HTTP/2, with its stream.
    Open,
}

/// Checks `method` and `fields` (names in any case); returns where the body ends.
///
/// `authority`: what HTTP/2 names so.
///
/// # Errors
///
/// What is wrong.
pub fn check<'a>(
    speaks: Speaks,
    method: &[u8],
    authority: Option<&[u8]>,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<Length, Framing> {
    if !METHODS.contains(&method) {
        return Err(Framing::Method);
    }
    let mut seen = Seen::default();
    for (name, value) in fields {
        seen.field(speaks, name, value)?;
    }
    seen.host(speaks, authority)?;
    let length = seen.length(speaks)?;
    let none = matches!(length, Length::Bytes(0)) || (speaks == Speaks::Http2 && seen.length.is_none());
    if !none && (method == b"GET" || method == b"HEAD") {
        return Err(Framing::BodyOfGet);
    }
    Ok(length)
}

/// What a path could take. Which of them a path does take is its own to say, with an `allow` that names them.
const METHODS: [&[u8]; 7] = [b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"];

/// Fields that are looked at together.
#[derive(Default)]
struct Seen<'a> {
    length: Option<u64>,
    encoded: bool,
    host: Option<&'a [u8]>,
}

impl<'a> Seen<'a> {
    fn field(&mut self, speaks: Speaks, name: &[u8], value: &'a [u8]) -> Result<(), Framing> {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        let two = speaks == Speaks::Http2;
        if two && OF_CONNECTIONS.iter().any(|other| is(other)) {
            return Err(Framing::OfConnections);
        }
        if is("content-length") {
            let length = plain_number(value).ok_or(Framing::BadLength)?;
            return if self.length.replace(length).is_some() { Err(Framing::ManyLengths) } else { Ok(()) };
        }
        if is("transfer-encoding") {
            let twice = std::mem::replace(&mut self.encoded, true);
            let odd = twice || speaks != Speaks::Http11 || !value.eq_ignore_ascii_case(b"chunked");
            return if odd { Err(Framing::OddEncoding) } else { Ok(()) };
        }
        if is("host") {
            return if self.host.replace(value).is_some() { Err(Framing::NoHost) } else { Ok(()) };
        }
        if is("expect") && speaks != Speaks::Http10 && !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Framing::Expectation);
        }
        if is("te") && two && !value.eq_ignore_ascii_case(b"trailers") {
            return Err(Framing::OfConnections);
        }
        if is("connection") && value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).any(is_relied_on) {
            return Err(Framing::Connection);
        }
        Ok(())
    }

    fn host(&self, speaks: Speaks, authority: Option<&[u8]>) -> Result<(), Framing> {
        let named = [self.host, authority].into_iter().flatten();
        if !named.clone().all(is_host) {
            return Err(Framing::BadHost);
        }
        if let (Some(host), Some(authority)) = (self.host, authority)
            && !host.eq_ignore_ascii_case(authority)
        {
            return Err(Framing::BadHost);
        }
        // HTTP/1.0 knew no hosts.
        if speaks != Speaks::Http10 && named.count() == 0 { Err(Framing::NoHost) } else { Ok(()) }
    }

    fn length(&self, speaks: Speaks) -> Result<Length, Framing> {
        match (self.length, self.encoded) {
            (Some(_), true) => Err(Framing::LengthAndEncoding),
            (Some(length), false) => Ok(Length::Bytes(length)),
            (None, true) => Ok(Length::Open),
            (None, false) if speaks == Speaks::Http2 => Ok(Length::Open),
            (None, false) => Ok(Length::Bytes(0)),
        }
    }
}

/// Not allowed in HTTP/2 (RFC 9113 §8.2.2).
const OF_CONNECTIONS: [&str; 5] = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// Whether `connection` may not name the field `name`: a proxy in front, going by the list, would take it out; or one behind
/// would. What is left would be another request.
fn is_relied_on(name: &[u8]) -> bool {
    const NAMES: [&str; 20] = [
        "authorization",
        "proxy-authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "cookie",
        "host",
        "content-length",
        "content-type",
        "content-encoding",
        "transfer-encoding",
        "expect",
        "accept",
        "connection",
        "forwarded",
        "x-request-id",
        "traceparent",
        "idempotency-key",
        "user-agent",
        "origin",
    ];
    const BEGINS: [&str; 6] = ["x-weighbridge-", "anthropic-", "openai-", "x-forwarded-", "sec-websocket-", ":"];
    let begins = |begin: &&str| {
        let taken = name.get(..begin.len());
        taken.is_some_and(|taken| taken.eq_ignore_ascii_case(begin.as_bytes()))
    };
    NAMES.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes())) || BEGINS.iter().any(begins)
}

/// Digits and nothing else, below 2^64.
fn plain_number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A name or an IPv4 address, or an IPv6 address in brackets; with or without a port.
fn is_host(text: &[u8]) -> bool {
    let (name, port) = match text.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = rest.iter().position(|&byte| byte == b']') else { return false };
            let (address, behind) = rest.split_at(end);
            let of_address = |byte: &u8| byte.is_ascii_hexdigit() || b":.".contains(byte);
            if address.is_empty() || !address.iter().all(of_address) {
                return false;
            }
            match behind.strip_prefix(b"]").unwrap_or_default() {
                b"" => return true,
                rest => (&b"v6"[..], rest.strip_prefix(b":")),
            }
        }
        None => match text.iter().position(|&byte| byte == b':') {
            None => (text, Some(&b"0"[..])),
            Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        },
    };
    let of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    let named = !name.is_empty() && name.len() <= 255 && name.iter().all(of_name);
    named && port.is_some_and(|port| port.len() <= 5 && plain_number(port).is_some_and(|port| port <= 65_535))
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
