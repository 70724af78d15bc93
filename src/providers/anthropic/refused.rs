//! What a refusal is about: Anthropic has no codes for it, only messages (<https://platform.claude.com/docs/en/api/errors>).

use crate::providers::refused::Marks;

/// `request_too_large` is about bytes and stands for any large body.
pub(in crate::providers) const MARKS: Marks = Marks {
    // "prompt is too long: 208310 tokens > 200000 maximum", "input length and `max_tokens` exceed context limit: …"
    context_window: &["prompt is too long", "exceed context limit"],
    content_policy: &["content filtering policy"],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::RefusalKind::{ContentPolicy, ContextWindow};

    #[test]
    fn its_messages_are_understood() {
        let body = |message: &str| {
            format!(r#"{{"type":"error","error":{{"type":"invalid_request_error","message":"{message}"}}}}"#)
        };
        let cases = [
            ("prompt is too long: 208310 tokens > 200000 maximum", Some(ContextWindow)),
            (
                "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length or `max_tokens` and try again",
                Some(ContextWindow),
            ),
            ("Output blocked by content filtering policy", Some(ContentPolicy)),
            ("max_tokens: 10000 > 4096, which is the maximum allowed number of output tokens", None),
        ];
        for (message, want) in cases {
            assert_eq!(MARKS.find(body(message).as_bytes()), want, "{message}");
        }
    }
}
