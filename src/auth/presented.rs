//! The key that a request presents, found in its headers.

use super::AuthError;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

/// The one key of a request, not yet known to be anybody's. Without `Debug`: it is a secret.
#[derive(Clone, Copy)]
pub struct Presented<'a>(&'a [u8]);

impl<'a> Presented<'a> {
    /// Finds the key in `Authorization: Bearer`, `x-api-key`, `api-key` or `x-goog-api-key`. The same key in several of
    /// them (SDKs behind other gateways do that) is one key.
    ///
    /// # Errors
    ///
    /// [`AuthError::Missing`], [`AuthError::Malformed`] and [`AuthError::Conflicting`].
    pub fn from_headers(headers: &'a HeaderMap) -> Result<Self, AuthError> {
        let mut found: Option<(&'static str, &'a [u8])> = None;
        for (name, header, read) in &HEADERS {
            for value in headers.get_all(header) {
                let key = read(value).map_err(|why| AuthError::Malformed { header: name, why })?;
                match found {
                    Some((first, other)) if other != key => {
                        return Err(AuthError::Conflicting { first, second: name });
                    }
                    _ => found = Some((name, key)),
                }
            }
        }
        found.map(|(_, key)| Self(key)).ok_or(AuthError::Missing)
    }

    /// The key as a token, if it looks like one.
    pub(super) fn token(self) -> Option<&'a str> {
        std::str::from_utf8(self.0).ok().filter(|text| super::jwt::looks_like_one(text))
    }

    /// The key, to be hashed.
    pub(super) const fn bytes(self) -> &'a [u8] {
        self.0
    }
}

/// `Bearer KEY`, the scheme in any case, one or more spaces between (RFC 9110 §11.4).
fn bearer(value: &HeaderValue) -> Result<&[u8], &'static str> {
    let bytes = value.as_bytes();
    let at = bytes.iter().position(|byte| *byte == b' ').unwrap_or(bytes.len());
    let (scheme, rest) = bytes.split_at(at);
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err("expected `Bearer` and the api key");
    }
    checked(rest.trim_ascii())
}

fn plain(value: &HeaderValue) -> Result<&[u8], &'static str> {
    checked(value.as_bytes().trim_ascii())
}

fn checked(key: &[u8]) -> Result<&[u8], &'static str> {
    if key.is_empty() {
        return Err("the api key is empty");
    }
    let is_token = || key.len() <= MAX_TOKEN_BYTES && key.iter().filter(|&&byte| byte == b'.').count() == 2;
    if key.len() > MAX_KEY_BYTES && !is_token() {
        return Err("the api key is longer than 512 bytes (a JWT: than 8192)");
    }
    if !key.iter().all(u8::is_ascii_graphic) {
        return Err("an api key is one word of printable ascii characters");
    }
    Ok(key)
}

type Read = fn(&HeaderValue) -> Result<&[u8], &'static str>;

static HEADERS: [(&str, HeaderName, Read); 4] = [
    ("authorization", AUTHORIZATION, bearer),
    ("x-api-key", HeaderName::from_static("x-api-key"), plain),
    ("api-key", HeaderName::from_static("api-key"), plain),
    ("x-goog-api-key", HeaderName::from_static("x-goog-api-key"), plain),
];

/// A longer key is refused unhashed: ours have 46 bytes, and hashing is work that anybody could ask for.
const MAX_KEY_BYTES: usize = 512;
/// The same of a JWT, which issuers fill with claims.
const MAX_TOKEN_BYTES: usize = 8192;
