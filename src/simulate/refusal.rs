//! Errors in the exact shape of each wire format.
//!
//! OpenAI: <https://platform.openai.com/docs/guides/error-codes>. Anthropic:
//! <https://platform.claude.com/docs/en/api/errors>. Gemini: <https://ai.google.dev/gemini-api/docs/troubleshooting>.
//! Bedrock: <https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html>. Cohere:
//! <https://docs.cohere.com/reference/errors>. Vertex: <https://cloud.google.com/apis/design/errors>.

use super::target::Wire;
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
    pub fn missing(param: &'static str, wire: Wire) -> Self {
        match wire {
            Wire::OpenAi => Self {
                code: Some("missing_required_parameter"),
                ..Self::bad(format!("Missing required parameter: '{param}'."), Some(param))
            },
            Wire::Anthropic | Wire::VertexClaude => Self::bad(format!("{param}: Field required"), None),
            Wire::Cohere => Self::bad(format!("invalid request: {param} is required"), Some(param)),
            Wire::OAuth => Self {
                code: Some("invalid_request"),
                ..Self::bad(format!("Missing required parameter: {param}"), Some(param))
            },
            Wire::Detail => Self::bad(format!("Request body validation error: '{param}' is required."), Some(param)),
            Wire::Gemini | Wire::Vertex => {
                Self::bad(format!("* GenerateContentRequest.{param}: {param} is not specified\n"), Some(param))
            }
            Wire::Bedrock => Self::bad(
                format!(
                    "1 validation error detected: Value at '{param}' failed to satisfy constraint: Member must not be null"
                ),
                Some(param),
            ),
        }
    }

    /// A member that the provider does not know, where it refuses such.
    pub fn unknown(name: &str, wire: Wire) -> Self {
        let told = match wire {
            Wire::OpenAi => format!("Unknown parameter: '{name}'."),
            Wire::Anthropic | Wire::VertexClaude => format!("{name}: Extra inputs are not permitted"),
            Wire::Gemini | Wire::Vertex => {
                format!("Invalid JSON payload received. Unknown name \"{name}\": Cannot find field.")
            }
            Wire::Bedrock => {
                format!(
                    "Malformed input request: #: extraneous key [{name}] is not permitted, please reformat your input and try again."
                )
            }
            Wire::Detail | Wire::OAuth => format!("Argument '{name}' is not supported by our API."),
            Wire::Cohere => format!("unknown field: parameter '{name}' is not a valid field"),
        };
        let code = (wire == Wire::OpenAi).then_some("unknown_parameter");
        Self { code, ..Self::bad(told, None) }
    }

    /// What is asked for by an id that nothing has.
    pub fn absent(what: &str, id: &str) -> Self {
        let message = format!("No such {what} object: {id}");
        Self { status: StatusCode::NOT_FOUND, ..Self::bad(message, Some("id")) }
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
    pub fn body(&self, wire: Wire, request_id: &str) -> Value {
        match wire {
            Wire::OpenAi => json!({"error": self.openai()}),
            Wire::Anthropic | Wire::VertexClaude => self.anthropic(request_id),
            Wire::Gemini | Wire::Vertex => self.gemini(),
            Wire::Cohere => json!({"id": request_id, "message": self.message}),
            Wire::Detail => json!({"detail": self.message}),
            // <https://www.rfc-editor.org/rfc/rfc6749#section-5.2>
            Wire::OAuth => json!({"error": self.code.unwrap_or("invalid_grant"), "error_description": self.message}),
            Wire::Bedrock => json!({"message": self.message}),
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

    /// Gemini's whole error, which is also what an event of a stream holds that breaks off.
    pub fn gemini(&self) -> Value {
        let status = match self.status.as_u16() {
            401 => "UNAUTHENTICATED",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            409 => "ABORTED",
            429 => "RESOURCE_EXHAUSTED",
            499 => "CANCELLED",
            501 => "UNIMPLEMENTED",
            503 => "UNAVAILABLE",
            504 => "DEADLINE_EXCEEDED",
            500.. => "INTERNAL",
            _ => "INVALID_ARGUMENT",
        };
        json!({"error": {"code": self.status.as_u16(), "message": self.message, "status": status}})
    }

    /// The name that Bedrock gives an error in the header `x-amzn-errortype`.
    pub fn bedrock(&self) -> &'static str {
        if let Some(code) = self.code {
            return code;
        }
        match self.status.as_u16() {
            403 => "AccessDeniedException",
            404 => "ResourceNotFoundException",
            408 => "ModelTimeoutException",
            424 => "ModelErrorException",
            429 => "ThrottlingException",
            503 => "ServiceUnavailableException",
            500.. => "InternalServerException",
            _ => "ValidationException",
        }
    }
}
