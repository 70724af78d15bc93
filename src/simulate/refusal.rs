//! Errors in the exact shape of each dialect.
//!
//! OpenAI: <https://platform.openai.com/docs/guides/error-codes>. Anthropic:
//! <https://platform.claude.com/docs/en/api/errors>.

use crate::model::Dialect;
use hyper::StatusCode;
use serde_json::{Value, json};

/// An answer that is an error.
#[derive(Debug)]
pub(super) struct Refusal {
    pub status: StatusCode,
    pub message: String,
    /// The member of the request that is wrong.
    pub param: Option<&'static str>,
    /// OpenAI's `code`, if not the one of the status.
    pub code: Option<&'static str>,
}

impl Refusal {
    /// A request that is wrong.
    pub fn bad(message: impl Into<String>, param: Option<&'static str>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into(), param, code: None }
    }

    /// A required member that is missing.
    pub fn missing(param: &'static str, dialect: Dialect) -> Self {
        match dialect {
            Dialect::OpenAi | Dialect::Gemini => Self {
                code: Some("missing_required_parameter"),
                ..Self::bad(format!("Missing required parameter: '{param}'."), Some(param))
            },
            Dialect::Anthropic => Self::bad(format!("{param}: Field required"), None),
        }
    }

    /// An error that the knobs ask for.
    pub fn simulated(status: StatusCode) -> Self {
        let message = match status.as_u16() {
            401 => "Incorrect API key provided.",
            403 => "You do not have access to this model.",
            404 => "The model does not exist or you do not have access to it.",
            429 => "Rate limit reached for requests.",
            503 | 529 => "Overloaded",
            _ if status.is_server_error() => "The server had an error while processing your request.",
            _ => "The request was refused.",
        };
        Self { status, message: format!("{message} (simulated)"), param: None, code: None }
    }

    /// The body.
    pub fn body(&self, dialect: Dialect, request_id: &str) -> Value {
        match dialect {
            Dialect::OpenAi | Dialect::Gemini => json!({"error": self.openai()}),
            Dialect::Anthropic => self.anthropic(request_id),
        }
    }

    /// The inner object of OpenAI's errors.
    pub fn openai(&self) -> Value {
        let (kind, code) = match self.status.as_u16() {
            401 => ("invalid_request_error", Some("invalid_api_key")),
            404 => ("invalid_request_error", Some("model_not_found")),
            429 => ("requests", Some("rate_limit_exceeded")),
            503 => ("service_unavailable_error", Some("server_is_overloaded")),
            500.. => ("server_error", None),
            _ => ("invalid_request_error", None),
        };
        json!({"message": self.message, "type": kind, "param": self.param, "code": self.code.or(code)})
    }

    /// Anthropic's whole error, which is also what an `error` event holds.
    pub fn anthropic(&self, request_id: &str) -> Value {
        let kind = match self.status.as_u16() {
            401 => "authentication_error",
            402 => "billing_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            504 => "timeout_error",
            503 | 529 => "overloaded_error",
            500.. => "api_error",
            _ => "invalid_request_error",
        };
        json!({"type": "error", "error": {"type": kind, "message": self.message}, "request_id": request_id})
    }
}
