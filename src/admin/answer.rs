//! How the admin API reads requests and tells errors: JSON, unknown members named, nothing guessed.

use crate::auth::{KeyPatch, NewKey, NewTeam, Rotation, TeamPatch};
use crate::config::nearest;
use crate::model::{ExplainRequest, GuardTestRequest};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::{IntoResponses, ToSchema};

/// A refusal: a stable code for programs and a sentence for people.
#[derive(Debug)]
pub(super) struct ApiError {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
}

impl ApiError {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// A member, parameter or path that makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody { error: ErrorDetail { message: self.message, code: self.code.to_owned() } };
        (self.status, axum::Json(body)).into_response()
    }
}

/// The body of each refusal.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorDetail {
    /// For people.
    message: String,
    /// For programs; stable.
    code: String,
}

/// What any call may be refused with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by the derive only")]
pub(super) enum Refused {
    /// A member or parameter cannot be read: `invalid_request`.
    #[response(status = 400)]
    Invalid(ErrorBody),
    /// No token, or none that is known: `missing_token`, `invalid_token`, `no_admin_token`.
    #[response(status = 401)]
    Unauthenticated(ErrorBody),
    /// The viewer's token may only read: `viewer_may_only_read`.
    #[response(status = 403)]
    Viewer(ErrorBody),
    /// There is none of this name: `not_found`.
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// It cannot be so: `already_exists`, `read_only`, `revoked`, `team_in_use`.
    #[response(status = 409)]
    Conflict(ErrorBody),
    /// Longer than 1 MiB: `body_too_large`.
    #[response(status = 413)]
    TooLarge(ErrorBody),
    /// No JSON: `unsupported_media_type`.
    #[response(status = 415)]
    MediaType(ErrorBody),
    /// It can be read and makes no sense: `invalid_request`.
    #[response(status = 422)]
    Senseless(ErrorBody),
    /// Audit log, key store or ledger cannot be used: `audit_unavailable`, `store_unavailable`, `ledger_unavailable`.
    #[response(status = 503)]
    Unavailable(ErrorBody),
}

/// A JSON body; unknown members are refused by name.
pub(super) struct Body<T>(pub T);

impl<T: Readable, S: Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE).map(|kind| kind.as_bytes()).unwrap_or_default();
        let kind = kind.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        if !kind.is_empty() && !kind.eq_ignore_ascii_case(b"application/json") {
            let message = "the body must be JSON: send `content-type: application/json`";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
        }
        let bytes = axum::body::to_bytes(request.into_body(), MOST_BYTES).await.map_err(|_| {
            let message = format!("the body is longer than {MOST_BYTES} bytes, or did not come whole");
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
        })?;
        if bytes.is_empty() {
            return T::absent().map(Self).ok_or_else(|| ApiError::invalid("a body is missing: send a JSON object"));
        }
        // Serde would take a list for an object, its members by their order.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(ApiError::invalid("the body must be a JSON object"));
        }
        serde_json::from_slice(&bytes).map(Self).map_err(|error| ApiError::invalid(worded(&error.to_string())))
    }
}

/// What a body is read as.
pub(super) trait Readable: DeserializeOwned {
    /// What no body at all means; `None`: there must be one.
    fn absent() -> Option<Self> {
        None
    }
}

impl Readable for NewKey {}
impl Readable for KeyPatch {}
impl Readable for NewTeam {}
impl Readable for TeamPatch {}
impl Readable for ExplainRequest {}
impl Readable for GuardTestRequest {}

impl Readable for Rotation {
    /// Without a grace period.
    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

/// The parameters of a URL; unknown ones are refused by name.
pub(super) struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let read = Query::<T>::try_from_uri(&parts.uri);
        read.map(|Query(params)| Self(params)).map_err(|error| {
            let text = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            ApiError::invalid(worded(&text))
        })
    }
}

/// A name in a path, percent-decoded.
pub(super) struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read = Path::<String>::from_request_parts(parts, state).await;
        read.map(|Path(name)| Self(name)).map_err(|_| ApiError::invalid("the name in the path is no UTF-8"))
    }
}

/// Serde's words, with the nearest valid name where an unknown one was written.
fn worded(text: &str) -> String {
    let Some((_, rest)) = text.split_once("unknown field `") else { return text.to_owned() };
    let mut words = rest.split('`').step_by(2);
    let Some(unknown) = words.next() else { return text.to_owned() };
    let unknown: String = unknown.chars().filter(|c| !c.is_control()).take(64).collect();
    // What stands in backticks from here on are the valid names.
    let valid: Vec<&str> = rest.split('`').skip(2).step_by(2).collect();
    match nearest(&unknown, valid.iter().copied()) {
        Some(near) => format!("there is no member `{unknown}`; did you mean `{near}`?"),
        None => format!("there is no member `{unknown}`; there are `{}`", valid.join("`, `")),
    }
}

/// A longer body is answered with 413.
const MOST_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::worded;
    use crate::auth::NewKey;

    #[test]
    fn an_unknown_member_is_named_with_the_nearest_valid_one() {
        let told = |text: &str| worded(&serde_json::from_str::<NewKey>(text).expect_err("wrong").to_string());
        assert_eq!(told(r#"{"nmae":"x"}"#), "there is no member `nmae`; did you mean `name`?");
        let far = told(r#"{"zzzzzzzz":"x"}"#);
        assert!(far.starts_with("there is no member `zzzzzzzz`; there are `name`, `team`, `models`"), "{far}");
        let query = worded("sicne: unknown field `sicne`, expected one of `by`, `since`");
        assert_eq!(query, "there is no member `sicne`; did you mean `since`?");
        assert!(told(r#"{"name":1}"#).contains("expected a string"), "serde's own words else");
    }
}
