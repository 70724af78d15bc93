//! Errors as providers write them, in bodies and in streams.

use super::UpstreamError;
use super::lenient::Text;
use super::mask::Key;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Bytes of a provider's message that are kept.
const LONGEST: usize = 1024;

/// The message of an error body; `None` when none of the shapes fits: `{"error":{"message"}}`, `{"error":"…"}`,
/// `{"message"}`, `{"detail":"…"}`.
pub(super) fn message(body: &[u8], key: &Key) -> Option<String> {
    let body: Body<'_> = serde_json::from_slice(body).ok()?;
    let inner = body.error.and_then(told).map(|told| told.message);
    let text = [inner.unwrap_or_default(), body.message, body.detail].into_iter().find(Text::says_something)?;
    (!text.as_str().is_empty()).then(|| cut(&key.mask(text.as_str())))
}

/// The error that stands in a stream's event: an object with `message`, `type` and `code`, or a string.
pub(super) fn in_stream(error: &RawValue, key: &Key) -> UpstreamError {
    let told = told(error).unwrap_or_default();
    let status = told.status();
    let message = match told.message.as_str() {
        "" => "the provider reported an error without a message".to_owned(),
        message => cut(&key.mask(message)),
    };
    UpstreamError { status, message }
}

#[derive(serde::Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Text<'a>,
    #[serde(borrow, default)]
    detail: Text<'a>,
}

#[derive(Default, serde::Deserialize)]
struct Told<'a> {
    #[serde(borrow, default)]
    message: Text<'a>,
    #[serde(borrow, default)]
    r#type: Text<'a>,
    #[serde(borrow, default)]
    code: Code<'a>,
}

impl Told<'_> {
    /// Its HTTP status: a number in `code`, else by its type, else by its code, else 500.
    fn status(&self) -> u16 {
        if let Code::Number(status @ 400..=599) = self.code {
            return status;
        }
        let code = if let Code::Word(word) = &self.code { word.as_str() } else { "" };
        by_name(self.r#type.as_str()).or_else(|| by_name(code)).unwrap_or(500)
    }
}

/// The status that an error's type or code stands for, at OpenAI, Anthropic and those who follow them.
fn by_name(name: &str) -> Option<u16> {
    Some(match name {
        "invalid_request_error" | "invalid_prompt" | "context_length_exceeded" | "BadRequestError" => 400,
        "authentication_error" | "invalid_api_key" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" | "model_not_found" => 404,
        "request_too_large" => 413,
        "rate_limit_error" | "rate_limit_exceeded" | "insufficient_quota" | "requests" | "tokens" => 429,
        "server_error" | "api_error" | "internal_error" => 500,
        "service_unavailable" | "service_unavailable_error" | "overloaded" => 503,
        "timeout_error" | "timeout" => 504,
        "overloaded_error" => 529,
        _ => return None,
    })
}

fn told(error: &RawValue) -> Option<Told<'_>> {
    let text = error.get();
    if text.starts_with('"') {
        let message = serde_json::from_str(text).ok()?;
        return Some(Told { message, ..Told::default() });
    }
    serde_json::from_str(text).ok()
}

/// `text`, of which no more than is kept of a message.
pub(super) fn cut(text: &str) -> String {
    match text.len() {
        0..=LONGEST => text.to_owned(),
        _ => format!("{}…", &text[..text.floor_char_boundary(LONGEST)]),
    }
}

/// An error's code: a word at OpenAI, a number elsewhere.
#[derive(Default)]
enum Code<'a> {
    #[default]
    None,
    Number(u16),
    Word(Text<'a>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Code<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(CodeVisitor)
    }
}

struct CodeVisitor;

impl<'de> Visitor<'de> for CodeVisitor {
    type Value = Code<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a word, a number or null")
    }

    fn visit_u64<E>(self, code: u64) -> Result<Code<'de>, E> {
        Ok(u16::try_from(code).map_or(Code::None, Code::Number))
    }

    fn visit_borrowed_str<E>(self, code: &'de str) -> Result<Code<'de>, E> {
        Ok(code.parse().map_or_else(|_| Code::Word(Text::Plain(code.into())), Code::Number))
    }

    fn visit_str<E>(self, code: &str) -> Result<Code<'de>, E> {
        Ok(code.parse().map_or_else(|_| Code::Word(Text::Plain(code.to_owned().into())), Code::Number))
    }

    fn visit_unit<E>(self) -> Result<Code<'de>, E> {
        Ok(Code::None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Code<'de>, E> {
        Ok(Code::None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Code<'de>, E> {
        Ok(Code::None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Code<'de>, E> {
        Ok(Code::None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Code<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Code::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_found_in_each_shape() {
        let key = Key::new(None);
        let cases = [
            (r#"{"error":{"message":"no","type":"x","code":null}}"#, Some("no")),
            (r#"{"type":"error","error":{"type":"x","message":"no"}}"#, Some("no")),
            (r#"{"error":"no"}"#, Some("no")),
            (r#"{"message":"no"}"#, Some("no")),
            (r#"{"detail":"no"}"#, Some("no")),
            (r#"{"detail":[{"msg":"no"}]}"#, None),
            (r#"{"error":{"message":"key sk-0123456789 is bad"}}"#, Some("key sk-*** is bad")),
            ("<html>", None),
            ("{}", None),
        ];
        for (body, want) in cases {
            assert_eq!(message(body.as_bytes(), &key).as_deref(), want, "{body}");
        }
    }

    #[test]
    fn an_error_in_a_stream_has_the_status_that_it_stands_for() {
        let cases = [
            (r#"{"type":"overloaded_error","message":"m"}"#, 529),
            (r#"{"type":"rate_limit_error","message":"m"}"#, 429),
            (r#"{"type":"api_error","message":"m"}"#, 500),
            (r#"{"message":"m","code":429}"#, 429),
            (r#"{"message":"m","code":"503"}"#, 503),
            (r#"{"message":"m","type":"tokens","code":"rate_limit_exceeded"}"#, 429),
            (r#"{"message":"m","code":"rate_limit_exceeded"}"#, 429),
            (r#"{"message":"m","code":{"a":1}}"#, 500),
            (r#"{"message":"m","code":7}"#, 500),
            (r#""m""#, 500),
        ];
        for (error, want) in cases {
            let raw = serde_json::from_str(error).expect("it is JSON");
            let got = in_stream(raw, &Key::new(None));
            assert_eq!((got.status, got.message.as_str()), (want, "m"), "{error}");
        }
    }
}
