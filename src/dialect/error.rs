//! Error bodies and in-stream errors, in the shape that the client's SDK turns into its exceptions.

use crate::model::{Api, Dialect};
use bytes::Bytes;
use serde::Serialize;

/// What a client is told went wrong.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// HTTP status; inside a stream, the one that it would have had.
    pub status: u16,
    /// Stable and for programs: `model_not_found`.
    pub code: &'a str,
    /// For people.
    pub message: &'a str,
    /// The member of the request that is wrong.
    pub param: Option<&'a str>,
    /// The label under which the request is found again.
    pub request_id: &'a str,
}

/// The body of an error answer.
pub fn render(dialect: Dialect, told: &Told<'_>) -> Bytes {
    match dialect {
        Dialect::OpenAi => json(&OpenAiBody { error: openai(told) }),
        Dialect::Anthropic => json(&anthropic(told)),
        Dialect::Gemini => json(&gemini(told)),
    }
}

/// The error event of a stream that has begun; nothing may follow it, above all no end marker.
///
/// `sequence` is the number of the event, for Responses. Its data carries the members both as the reference has
/// them and inside `error`, for it is the latter that OpenAI's SDKs raise on.
pub fn stream_error(api: Api, told: &Told<'_>, sequence: u64) -> Bytes {
    match api {
        Api::Responses => {
            let (code, message, param) = (told.code, told.message, told.param);
            let error = openai(told);
            let data = ResponsesError { r#type: "error", code, message, param, sequence_number: sequence, error };
            event(Some("error"), &data)
        }
        Api::Messages | Api::CountTokens => event(Some("error"), &anthropic(told)),
        Api::Generate => event(None, &gemini(told)),
        _ => event(None, &OpenAiBody { error: openai(told) }),
    }
}

/// What stands in a stream, between its events, for "still there": a comment, which every reader of server-sent events
/// passes over; Anthropic's own `ping`, which its clients may wait for; for Gemini an empty line, because Google's own
/// SDK reads nothing else between events.
pub const fn sign_of_life(dialect: Dialect) -> &'static [u8] {
    match dialect {
        Dialect::OpenAi => b": keep-alive\n\n",
        Dialect::Anthropic => b"event: ping\ndata: {\"type\": \"ping\"}\n\n",
        Dialect::Gemini => b"\r\n",
    }
}

#[derive(Serialize)]
struct OpenAiBody<'a> {
    error: OpenAiError<'a>,
}

#[derive(Serialize)]
struct OpenAiError<'a> {
    message: &'a str,
    r#type: &'static str,
    param: Option<&'a str>,
    code: &'a str,
}

#[derive(Serialize)]
struct ResponsesError<'a> {
    r#type: &'static str,
    code: &'a str,
    message: &'a str,
    param: Option<&'a str>,
    sequence_number: u64,
    error: OpenAiError<'a>,
}

#[derive(Serialize)]
struct AnthropicBody<'a> {
    r#type: &'static str,
    error: AnthropicError<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
struct AnthropicError<'a> {
    r#type: &'static str,
    message: &'a str,
    /// Not Anthropic's: ours, stable. Its SDKs pass unknown members over.
    code: &'a str,
}

/// `google.rpc.Status` as Google's APIs write it (<https://google.aip.dev/193>).
#[derive(Serialize)]
struct GeminiBody<'a> {
    error: GeminiError<'a>,
}

#[derive(Serialize)]
struct GeminiError<'a> {
    code: u16,
    message: &'a str,
    status: &'static str,
    details: [ErrorInfo<'a>; 1],
}

/// Holds what is ours: the stable code, the member and the request's id.
#[derive(Serialize)]
struct ErrorInfo<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    reason: &'a str,
    domain: &'static str,
    metadata: ErrorMetadata<'a>,
}

#[derive(Serialize)]
struct ErrorMetadata<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<&'a str>,
    request_id: &'a str,
}

fn openai<'a>(told: &Told<'a>) -> OpenAiError<'a> {
    OpenAiError { message: told.message, r#type: openai_type(told), param: told.param, code: told.code }
}

fn anthropic<'a>(told: &Told<'a>) -> AnthropicBody<'a> {
    let error = AnthropicError { r#type: anthropic_type(told.status), message: told.message, code: told.code };
    AnthropicBody { r#type: "error", error, request_id: told.request_id }
}

fn gemini<'a>(told: &Told<'a>) -> GeminiBody<'a> {
    let info = ErrorInfo {
        kind: "type.googleapis.com/google.rpc.ErrorInfo",
        reason: told.code,
        domain: "weighbridge",
        metadata: ErrorMetadata { param: told.param, request_id: told.request_id },
    };
    let status = gemini_status(told.status);
    GeminiBody { error: GeminiError { code: told.status, message: told.message, status, details: [info] } }
}

/// The canonical code of a status (<https://ai.google.dev/gemini-api/docs/troubleshooting>; what is not in that table
/// as `google/rpc/code.proto` has it, or as the nearest one).
fn gemini_status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        402 => "FAILED_PRECONDITION", // Google's word for billing that is not in order
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        408 | 504 => "DEADLINE_EXCEEDED",
        502 | 503 | 529 => "UNAVAILABLE",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

/// The `type` that api.openai.com sends: nearly always `invalid_request_error` below 500 (a wrong key and an
/// unknown model included); a 429 names what ran out.
fn openai_type(told: &Told<'_>) -> &'static str {
    match told.status {
        402 => "insufficient_quota",
        429 if told.code.contains("budget") || told.code.contains("quota") => "insufficient_quota",
        429 if told.code.contains("token") => "tokens",
        429 => "requests",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

/// By Anthropic's table of errors; a status that is not in it takes the nearest one's.
fn anthropic_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        408 | 504 => "timeout_error",
        503 | 529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

fn json(value: &impl Serialize) -> Bytes {
    Bytes::from(serde_json::to_vec(value).expect("strings and numbers always serialize"))
}

fn event(name: Option<&str>, data: &impl Serialize) -> Bytes {
    let mut out = Vec::with_capacity(256);
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    serde_json::to_writer(&mut out, data).expect("strings and numbers always serialize");
    out.extend_from_slice(b"\n\n");
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const TOLD: Told<'_> = Told {
        status: 404,
        code: "model_not_found",
        message: "there is no model `a\n\"b\"`",
        param: Some("model"),
        request_id: "r-1",
    };

    fn value(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).expect("it is JSON")
    }

    #[test]
    fn an_error_body_has_the_shape_of_its_dialect() {
        let message = TOLD.message;
        let openai = json!({"error": {"message": message, "type": "invalid_request_error", "param": "model",
            "code": "model_not_found"}});
        assert_eq!(value(&render(Dialect::OpenAi, &TOLD)), openai);
        let anthropic = json!({"type": "error", "request_id": "r-1",
            "error": {"type": "not_found_error", "message": message, "code": "model_not_found"}});
        assert_eq!(value(&render(Dialect::Anthropic, &TOLD)), anthropic);
        let info = json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "model_not_found",
            "domain": "weighbridge", "metadata": {"param": "model", "request_id": "r-1"}});
        let gemini = json!({"error": {"code": 404, "message": message, "status": "NOT_FOUND", "details": [info]}});
        assert_eq!(value(&render(Dialect::Gemini, &TOLD)), gemini);
    }

    #[test]
    fn an_error_inside_a_stream_is_one_event_and_no_end_marker() {
        let chat = stream_error(Api::ChatCompletions, &TOLD, 0);
        assert!(chat.starts_with(b"data: {\"error\":{") && chat.ends_with(b"}}\n\n"));
        let responses = stream_error(Api::Responses, &TOLD, 7);
        let data = responses.strip_prefix(b"event: error\ndata: ").expect("named");
        assert_eq!(value(data)["sequence_number"], 7);
        assert_eq!(value(data)["code"], "model_not_found");
        assert_eq!(value(data)["error"]["message"], TOLD.message, "OpenAI's SDKs raise on `error` only");
        let messages = stream_error(Api::Messages, &TOLD, 0);
        let data = messages.strip_prefix(b"event: error\ndata: ").expect("named");
        assert_eq!(value(data)["error"]["type"], "not_found_error");
        let generate = stream_error(Api::Generate, &TOLD, 0);
        assert!(generate.starts_with(b"data: {\"error\":{"), "the SDK looks for exactly this");
        for event in [chat, responses.clone(), messages.clone(), generate] {
            assert_eq!(event.windows(2).filter(|pair| pair == b"\n\n").count(), 1, "line ends are escaped");
        }
    }

    #[test]
    fn each_status_has_the_type_of_its_dialect() {
        let cases = [
            (400, "invalid_request", "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"),
            (401, "invalid_api_key", "invalid_request_error", "authentication_error", "UNAUTHENTICATED"),
            (402, "budget_exhausted", "insufficient_quota", "billing_error", "FAILED_PRECONDITION"),
            (403, "model_not_allowed", "invalid_request_error", "permission_error", "PERMISSION_DENIED"),
            (404, "model_not_found", "invalid_request_error", "not_found_error", "NOT_FOUND"),
            (405, "method_not_allowed", "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"),
            (408, "request_timeout", "invalid_request_error", "timeout_error", "DEADLINE_EXCEEDED"),
            (413, "request_too_large", "invalid_request_error", "request_too_large", "INVALID_ARGUMENT"),
            (429, "rate_limit_exceeded", "requests", "rate_limit_error", "RESOURCE_EXHAUSTED"),
            (429, "tokens_per_minute_exceeded", "tokens", "rate_limit_error", "RESOURCE_EXHAUSTED"),
            (500, "internal_error", "server_error", "api_error", "INTERNAL"),
            (502, "upstream_failed", "server_error", "api_error", "UNAVAILABLE"),
            (503, "overloaded", "server_error", "overloaded_error", "UNAVAILABLE"),
            (504, "upstream_timeout", "server_error", "timeout_error", "DEADLINE_EXCEEDED"),
            (529, "overloaded", "server_error", "overloaded_error", "UNAVAILABLE"),
        ];
        for (status, code, openai, anthropic, gemini) in cases {
            let told = Told { status, code, ..TOLD };
            assert_eq!(value(&render(Dialect::OpenAi, &told))["error"]["type"], openai, "{status} {code}");
            assert_eq!(value(&render(Dialect::Anthropic, &told))["error"]["type"], anthropic, "{status} {code}");
            assert_eq!(value(&render(Dialect::Gemini, &told))["error"]["status"], gemini, "{status} {code}");
        }
    }
}
