//! What a provider's refusal of a request is about: found by codes where an API has them, else by its words.

use serde_json::Value;

/// What a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The prompt, or the prompt and the output asked for, is longer than the model takes.
    ContextWindow,
    /// The provider's policy forbids the content.
    ContentPolicy,
}

/// By what an API tells its refusals: each is a code or a piece of a message, in small letters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    /// Of prompts that are too long.
    pub(super) context_window: &'static [&'static str],
    /// Of content that is forbidden.
    pub(super) content_policy: &'static [&'static str],
}

/// Deeper than this no error is looked for.
const DEPTH: usize = 4;

impl Marks {
    /// What the refusal with this `body` is about. Only codes, types, states and messages are read, never what else stands
    /// in the body: a prompt that is quoted there must not decide.
    pub(super) fn find(&self, body: &[u8]) -> Option<RefusalKind> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let mut words = Vec::new();
        collect(&body, DEPTH, &mut words);
        let has = |marks: &[&str]| words.iter().any(|word| marks.iter().any(|mark| word.contains(mark)));
        if has(self.content_policy) {
            Some(RefusalKind::ContentPolicy)
        } else if has(self.context_window) {
            Some(RefusalKind::ContextWindow)
        } else {
            None
        }
    }
}

/// The members of errors that tell something, in small letters.
fn collect(value: &Value, depth: usize, words: &mut Vec<String>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member) {
                    (
                        "message" | "Message" | "code" | "type" | "status" | "detail" | "error" | "reason" | "__type",
                        Value::String(text),
                    ) => words.push(text.to_lowercase()),
                    ("error" | "innererror" | "message" | "detail", nested) => collect(nested, depth, words),
                    _ => {}
                }
            }
        }
        // Google wraps the errors of streams in a list.
        Value::Array(items) => items.iter().take(1).for_each(|item| collect(item, depth, words)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: Marks = Marks { context_window: &["too long"], content_policy: &["content_filter"] };

    #[test]
    fn only_what_tells_of_the_error_is_read() {
        let told = |body: &str| MARKS.find(body.as_bytes());
        assert_eq!(told(r#"{"error":{"message":"It is Too Long"}}"#), Some(RefusalKind::ContextWindow));
        assert_eq!(told(r#"[{"error":{"message":"too long"}}]"#), Some(RefusalKind::ContextWindow));
        assert_eq!(told(r#"{"error":{"code":"content_filter","message":"x"}}"#), Some(RefusalKind::ContentPolicy));
        assert_eq!(told(r#"{"error":"too long"}"#), Some(RefusalKind::ContextWindow));
        for other in [
            r#"{"error":{"message":"bad","prompt":"a prompt that is too long"}}"#,
            r#"{"error":{"param":"content_filter"}}"#,
            r#"{"error":{"code":7,"message":null}}"#,
            r#"{"error":{"error":{"error":{"error":{"error":{"message":"too long"}}}}}}"#,
            "too long",
            "",
        ] {
            assert_eq!(told(other), None, "{other}");
        }
    }
}
