//! What a refusal is about.

use super::codec;
use crate::providers::refused::Marks;
use serde::Deserialize;

/// What a refusal is about: Google has no reasons for it, only messages
/// (<https://ai.google.dev/gemini-api/docs/troubleshooting>).
pub(in crate::providers) const MARKS: Marks = Marks {
    // "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576)."
    context_window: &["exceeds the maximum number of tokens"],
    content_policy: &["violates our policies", "responsible ai practices", "usage guidelines"],
};

#[derive(Deserialize)]
struct Told {
    error: Failure,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    details: Vec<Detail>,
}

/// `google.rpc.ErrorInfo`, or another detail.
#[derive(Deserialize)]
struct Detail {
    reason: Option<String>,
}

/// Whether `body` says that the key is not valid, which Google does with a 400 and the reason `API_KEY_INVALID`
/// (<https://cloud.google.com/apis/design/errors#error_info>).
pub(super) fn is_of_the_key(body: &[u8]) -> bool {
    let told = serde_json::from_slice::<Told>(codec::unwrapped(body));
    told.is_ok_and(|told| told.error.details.iter().any(|it| it.reason.as_deref() == Some("API_KEY_INVALID")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_key_is_told_from_one_of_the_request() {
        let body = |details: &str| format!(r#"{{"error":{{"code":400,"status":"INVALID_ARGUMENT"{details}}}}}"#);
        let info = r#"{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}"#;
        let invalid = body(&format!(r#","details":[{{"@type":"x","locale":"en-US"}},{info}]"#));
        assert!(is_of_the_key(invalid.as_bytes()) && is_of_the_key(format!("[{invalid}]").as_bytes()));
        for other in [body(""), body(r#","details":[{"reason":"OTHER"}]"#), String::new(), "[".to_owned()] {
            assert!(!is_of_the_key(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_prompt_that_is_too_long_and_content_that_is_forbidden_are_understood() {
        use crate::providers::RefusalKind::{ContentPolicy, ContextWindow};
        let told = |message: &str| {
            let body = format!(r#"[{{"error":{{"code":400,"message":"{message}","status":"INVALID_ARGUMENT"}}}}]"#);
            MARKS.find(body.as_bytes())
        };
        let long = "The input token count (314175) exceeds the maximum number of tokens allowed (131072).";
        assert_eq!(told(long), Some(ContextWindow));
        let forbidden = "The prompt could not be submitted. This prompt contains words that violate Vertex AI's Responsible AI practices.";
        assert_eq!(told(forbidden), Some(ContentPolicy));
        assert_eq!(told("Invalid JSON payload received."), None);
    }
}
