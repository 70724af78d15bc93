//! What a provider's refusal says: how long to wait, and a body that a client can read.

use super::trouble::Trouble;
use crate::config::Failure;
use crate::dialect::error::{self, Told};
use crate::model::Api;
use crate::providers::{Provider, RefusalKind};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use serde::de::IgnoredAny;
use std::time::Duration;

/// Longest wait that is believed of a provider.
pub const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);
/// Largest error body of a provider that is passed on; a longer one is replaced by our own.
pub const MAX_REFUSAL_BYTES: usize = 256 * 1024;

/// The body of a refusal of the request itself, withheld whole.
pub struct Refusal {
    body: BytesMut,
    /// It cannot be passed on: too long, or compressed.
    unreadable: bool,
}

impl Refusal {
    /// Begins with its header.
    pub fn new(headers: &HeaderMap) -> Self {
        Self { body: BytesMut::new(), unreadable: is_compressed(headers) }
    }

    /// Takes a piece of the body.
    pub fn push(&mut self, piece: &[u8]) {
        self.unreadable |= piece.len() > MAX_REFUSAL_BYTES - self.body.len();
        if !self.unreadable {
            self.body.extend_from_slice(piece);
        }
    }

    /// What `status` stands for with this body.
    pub fn status(&self, provider: &dyn Provider, status: u16) -> u16 {
        if self.unreadable { status } else { provider.refusal_status(status, &self.body) }
    }

    /// What it is about.
    pub fn about(&self, provider: &dyn Provider, status: u16) -> Failure {
        match if self.unreadable { None } else { provider.refusal(status, &self.body) } {
            Some(RefusalKind::ContextWindow) => Failure::ContextWindow,
            Some(RefusalKind::ContentPolicy) => Failure::ContentPolicy,
            None => Failure::Refused,
        }
    }

    /// The provider's message, without its secrets.
    pub fn message(&self, provider: &dyn Provider) -> Option<String> {
        if self.unreadable { None } else { provider.error_message(&self.body) }
    }

    /// The body without the provider's secrets; `None` when it is no JSON object, which the client's SDK could not read.
    pub fn body(&mut self, provider: &dyn Provider) -> Option<Bytes> {
        let body = std::mem::take(&mut self.body).freeze();
        let text = std::str::from_utf8(&body).ok().filter(|text| !self.unreadable && is_object(text))?;
        let masked = provider.masked(text);
        if masked == text {
            return Some(body);
        }
        is_object(&masked).then(|| Bytes::from(masked))
    }
}

fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// A refusal in the client's dialect, in place of one that cannot be passed on: with the provider's message if that could
/// be read. `in_stream`: as the event that ends a stream.
pub fn of_our_own(
    api: Api,
    (status, about): (u16, Failure),
    message: Option<&str>,
    request_id: &str,
    in_stream: bool,
) -> Bytes {
    let unsaid = "the provider refused the request and did not say why in a form that can be passed on";
    let message = message.unwrap_or(unsaid);
    let told = Told { status, code: code(about), message, param: None, request_id };
    if in_stream { error::stream_error(api, &told, 0) } else { error::render(api.dialect(), &told) }
}

/// The stable code of a provider's refusal.
pub const fn code(about: Failure) -> &'static str {
    match about {
        Failure::ContextWindow => "context_window_exceeded",
        Failure::ContentPolicy => "content_policy",
        _ => "upstream_refused",
    }
}

/// Whether the body is coded, which was not asked for.
pub fn is_compressed(headers: &HeaderMap) -> bool {
    let identity = |value: &header::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    headers.get_all(header::CONTENT_ENCODING).iter().any(|value| !identity(value))
}

/// What a refusal by `status` alone means for the next attempt.
pub fn status(status: u16, headers: &HeaderMap) -> Trouble {
    let again = headers.get("x-should-retry").and_then(|word| match word.as_bytes() {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    });
    Trouble::Status { status, retry_after: retry_after(headers), again }
}

/// `Retry-After` in seconds or as a date, and OpenAI's `retry-after-ms`.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(ms) = text("retry-after-ms").and_then(|ms| ms.parse::<u64>().ok()) {
        return Some(Duration::from_millis(ms).min(LONGEST_WAIT));
    }
    let value = text("retry-after")?;
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(LONGEST_WAIT));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(std::time::SystemTime::now()).unwrap_or_default().min(LONGEST_WAIT))
}
