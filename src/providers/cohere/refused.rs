//! What a refusal is about: by its message (<https://docs.cohere.com/reference/errors>).

use crate::providers::refused::Marks;

pub(super) const MARKS: Marks = Marks {
    // "too many tokens: total number of tokens in the prompt cannot exceed 4081 …"
    context_window: &["too many tokens"],
    content_policy: &["blocked output", "blocked input"],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::RefusalKind::{ContentPolicy, ContextWindow};

    #[test]
    fn its_messages_are_understood() {
        let cases = [
            (
                r#"{"message":"too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292."}"#,
                Some(ContextWindow),
            ),
            (r#"{"message":"blocked output: please adjust your prompt and try again"}"#, Some(ContentPolicy)),
            (r#"{"message":"invalid request: list of messages must not be empty"}"#, None),
        ];
        for (body, want) in cases {
            assert_eq!(MARKS.find(body.as_bytes()), want, "{body}");
        }
    }
}
