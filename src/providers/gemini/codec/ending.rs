//! Why an answer is over (<https://ai.google.dev/api/generate-content#FinishReason>).

use crate::model::Finish;

/// Why an answer cannot be told on.
pub(super) enum Fault {
    /// The model or its server broke it off.
    Spoilt(String),
    /// It is more than is kept apart.
    TooMany(&'static str),
}

/// Why an answer is over; `None` while it is not.
pub(super) fn reason(word: &str) -> Option<Finish> {
    Some(match word {
        "" | "FINISH_REASON_UNSPECIFIED" => return None,
        "MAX_TOKENS" | "CONTINUATION" => Finish::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "ESCALATION"
        | "MODEL_ARMOR" => Finish::ContentFilter,
        _ => Finish::Stop,
    })
}

/// Whether an answer that ended for this reason is broken rather than over; `said`: some of it came before. A reason
/// that is yet to come is none.
pub(super) fn is_spoilt(word: &str, said: bool) -> bool {
    match word {
        "MALFORMED_FUNCTION_CALL"
        | "MALFORMED_RESPONSE"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE" => true,
        "OTHER" | "IMAGE_OTHER" | "NO_IMAGE" => !said,
        _ => false,
    }
}
