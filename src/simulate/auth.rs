//! Who may ask: credentials as each provider takes them. Only their presence and the key are looked at.

use super::refusal::Refusal;
use super::target::{Call, Service, Wire};
use super::token::ISSUED;
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};

/// Gemini's header: <https://ai.google.dev/gemini-api/docs/api-key>.
pub(super) const GEMINI_KEY: &str = "x-goog-api-key";

/// # Errors
///
/// When a key is asked for and another is given, or none; for Bedrock, Cohere and Vertex also when there are no
/// credentials at all.
pub(super) fn authorized(
    wire: Wire,
    call: Option<Call>,
    headers: &HeaderMap,
    key: Option<&str>,
) -> Result<(), Refusal> {
    match wire {
        // What is sent is the credential.
        Wire::OAuth => Ok(()),
        Wire::OpenAi | Wire::Anthropic | Wire::Detail => {
            let protocol = || protocol_key(headers).filter(|_| call == Some(Call::Service(Service::Realtime)));
            let given = bearer(headers).or_else(|| text(headers, "x-api-key")).or_else(protocol);
            let good = |key: &str| {
                bearer(headers) == Some(key) || text(headers, "x-api-key") == Some(key) || protocol() == Some(key)
            };
            let socket = call != Some(Call::Service(Service::Realtime)) || given.is_some();
            let message = "Incorrect API key provided.";
            refuse_unless(socket && key.is_none_or(good), StatusCode::UNAUTHORIZED, message, None)
        }
        Wire::Gemini => {
            let good = key.is_none_or(|key| text(headers, GEMINI_KEY) == Some(key));
            refuse_unless(good, StatusCode::FORBIDDEN, "API key not valid. Please pass a valid API key.", None)
        }
        Wire::Bedrock => bedrock(headers, key),
        Wire::Cohere => {
            let Some(given) = bearer(headers).filter(|given| !given.is_empty()) else {
                return refuse_unless(false, StatusCode::UNAUTHORIZED, "no api key supplied", None);
            };
            refuse_unless(key.is_none_or(|key| key == given), StatusCode::UNAUTHORIZED, "invalid api token", None)
        }
        Wire::Vertex | Wire::VertexClaude => {
            let good = bearer(headers).is_some_and(|given| {
                !given.is_empty() && (given.starts_with(ISSUED) || key.is_none_or(|key| key == given))
            });
            let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie \
                           or other valid authentication credential.";
            refuse_unless(good, StatusCode::UNAUTHORIZED, message, None)
        }
    }
}

/// What browsers send, which cannot set headers:
/// <https://platform.openai.com/docs/guides/realtime-websocket>.
pub(super) fn protocol_key(headers: &HeaderMap) -> Option<&str> {
    let offered = text(headers, "sec-websocket-protocol")?;
    offered.split(',').find_map(|protocol| protocol.trim().strip_prefix("openai-insecure-api-key."))
}

/// Takes any signature, and any token of an API key; the key that is asked for is such a token or the signer's access
/// key id.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>,
/// <https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-use.html>
fn bedrock(headers: &HeaderMap, key: Option<&str>) -> Result<(), Refusal> {
    let given = text(headers, AUTHORIZATION.as_str()).unwrap_or_default();
    let signer = given.strip_prefix("AWS4-HMAC-SHA256 ").map(|rest| {
        let scope = rest.split(',').find_map(|pair| pair.trim().strip_prefix("Credential="));
        scope.and_then(|scope| scope.split('/').next()).unwrap_or_default()
    });
    let Some(who) = signer.or_else(|| bearer(headers)) else {
        let code = Some("MissingAuthenticationTokenException");
        return refuse_unless(false, StatusCode::FORBIDDEN, "Missing Authentication Token", code);
    };
    let message = "The security token included in the request is invalid.";
    refuse_unless(key.is_none_or(|key| who == key), StatusCode::FORBIDDEN, message, Some("UnrecognizedClientException"))
}

fn refuse_unless(good: bool, status: StatusCode, message: &str, code: Option<&'static str>) -> Result<(), Refusal> {
    if good { Ok(()) } else { Err(Refusal { status, message: message.to_owned(), param: None, code }) }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    text(headers, AUTHORIZATION.as_str())?.strip_prefix("Bearer ")
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(HeaderValue::to_str)?.ok()
}
