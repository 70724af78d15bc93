//! Who a request is of, where proxies stand in between: the address that the proxies which are trusted tell of.
//!
//! A proxy appends to `X-Forwarded-For` whom it was called by (<https://nginx.org/en/docs/http/ngx_http_proxy_module.html>,
//! `$proxy_add_x_forwarded_for`); what stands to the left of that came from its caller. So the chain is read from the
//! right, and ends at the first address that is no trusted proxy: that is the client, and nothing to the left of it is
//! looked at. `Forwarded` (RFC 7239 §4) is read likewise, by its `for`.
//!
//! What is doubtful makes nobody else out of a client: where the chain cannot be read as far as it is needed, or where both
//! fields are there and tell of different addresses (one of them was passed through as the client sent it), the socket's
//! address is what is counted and logged, and nobody vouches for it: it is none of those that a key may be used from
//! ([`vouched`]). Else a client of any address could take the proxy's, by an entry that cannot be read.

use crate::config::Networks;
use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};
use std::net::{IpAddr, SocketAddr};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What the fields say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    /// It cannot be read, or the two do not agree.
    Doubtful,
    /// Port 0: none was told.
    Client(SocketAddr),
}

/// The client's true address; its port is 0 where only the address is known. `peer` is who the connection is of, by its
/// socket or a PROXY header; what others say counts only if `peer` is trusted.
pub fn client(peer: SocketAddr, headers: &HeaderMap, trusted: &Networks) -> SocketAddr {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    if !trusted.contain(peer.ip()) {
        return peer;
    }
    match told(headers, trusted) {
        Told::Client(client) => client,
        Told::Nothing | Told::Doubtful => peer,
    }
}

/// `found` by [`client`] in the same `headers`, if its place in the network may open doors; `None`: it is the trusted proxy's,
/// which told of somebody else and not clearly of whom.
pub fn vouched(found: IpAddr, headers: &HeaderMap, trusted: &Networks) -> Option<IpAddr> {
    let doubtful = trusted.contain(found) && told(headers, trusted) == Told::Doubtful;
    (!doubtful).then_some(found)
}

/// What both fields say together.
fn told(headers: &HeaderMap, trusted: &Networks) -> Told {
    match (x_forwarded_for(headers, trusted), forwarded(headers, trusted)) {
        (one, Told::Nothing) | (Told::Nothing, one) => one,
        (Told::Client(one), Told::Client(other)) if one.ip() == other.ip() => Told::Client(one),
        _ => Told::Doubtful,
    }
}

fn x_forwarded_for(headers: &HeaderMap, trusted: &Networks) -> Told {
    let fields = headers.get_all(X_FORWARDED_FOR).iter().collect::<Vec<_>>();
    let entries = fields.iter().rev().flat_map(|field| field.as_bytes().rsplit(|&byte| byte == b','));
    // A list may have empty elements (RFC 9110 §5.6.1).
    walk(entries.map(<[u8]>::trim_ascii).filter(|entry| !entry.is_empty()).map(node), trusted)
}

fn forwarded(headers: &HeaderMap, trusted: &Networks) -> Told {
    let mut elements = Vec::new();
    for field in headers.get_all(FORWARDED) {
        // A field whose quotes do not close says nothing that can be trusted, and nothing in front of it does.
        match forwarded_for(field.as_bytes()) {
            Some(more) => elements.extend(more),
            None => elements.push(None),
        }
    }
    walk(elements.into_iter().rev(), trusted)
}

/// Reads a chain from its end; `None` is an entry that is no address.
fn walk(entries: impl Iterator<Item = Option<SocketAddr>>, trusted: &Networks) -> Told {
    let mut last = Told::Nothing;
    for entry in entries {
        let Some(address) = entry else { return Told::Doubtful };
        last = Told::Client(address);
        if !trusted.contain(address.ip()) {
            break;
        }
    }
    last
}

/// The `for` of each element of a `Forwarded` field in its order, `None` for one without an address; `None` when the
/// field cannot be parted.
fn forwarded_for(field: &[u8]) -> Option<Vec<Option<SocketAddr>>> {
    let elements = part(field, b',')?.into_iter().filter(|element| !element.trim_ascii().is_empty());
    let told = |element: &[u8]| {
        let mut found = None;
        for pair in part(element, b';')? {
            let at = pair.iter().position(|&byte| byte == b'=');
            let Some((name, value)) = at.and_then(|at| Some((pair.get(..at)?, pair.get(at + 1..)?))) else { continue };
            if name.trim_ascii().eq_ignore_ascii_case(b"for") {
                // Of two, the wrong one could be taken.
                if found.is_some() {
                    return None;
                }
                found = Some(value.trim_ascii());
            }
        }
        let value = found?;
        node(value.strip_prefix(b"\"").map_or(Some(value), |rest| rest.strip_suffix(b"\""))?)
    };
    Some(elements.map(told).collect())
}

/// Parts `text` at each `mark` that stands outside of quotes; `None` when a quote does not close.
fn part(text: &[u8], mark: u8) -> Option<Vec<&[u8]>> {
    let (mut parts, mut begin, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if byte == mark && !quoted => {
                parts.push(text.get(begin..at)?);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(begin..)?);
    (!quoted).then_some(parts)
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`; a name or `unknown` is no address.
fn node(text: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match bare {
        Some(v6) => IpAddr::V6(v6.parse().ok()?),
        None => match text.parse::<IpAddr>() {
            Ok(address) => address,
            Err(_) => {
                let address: SocketAddr = text.parse().ok()?;
                return Some(SocketAddr::new(address.ip().to_canonical(), address.port()));
            }
        },
    };
    Some(SocketAddr::new(address.to_canonical(), 0))
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
