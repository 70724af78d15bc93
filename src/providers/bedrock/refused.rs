//! What a refusal is about: a `ValidationException` says it by its message alone
//! (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>).

use crate::providers::refused::Marks;

/// The models' makers word it, each in their own way.
pub(super) const MARKS: Marks = Marks {
    context_window: &[
        "input is too long",
        "too many input tokens",
        "prompt is too long",
        "exceed context limit",
        "maximum context length",
        "exceeds the maximum number of input tokens",
    ],
    content_policy: &["content filters", "content filtering policy"],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::RefusalKind::{ContentPolicy, ContextWindow};

    #[test]
    fn its_messages_are_understood() {
        let cases = [
            (r#"{"message":"Input is too long for requested model."}"#, Some(ContextWindow)),
            (r#"{"message":"400 Bad Request: Too many input tokens. Max input tokens: 8192"}"#, Some(ContextWindow)),
            (r#"{"Message":"This request has been blocked by our content filters."}"#, Some(ContentPolicy)),
            (r#"{"message":"Malformed input request, please reformat your input and try again."}"#, None),
        ];
        for (body, want) in cases {
            assert_eq!(MARKS.find(body.as_bytes()), want, "{body}");
        }
    }
}
