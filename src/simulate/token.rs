//! Google's endpoints for access tokens: <https://developers.google.com/identity/protocols/oauth2/service-account> and
//! <https://cloud.google.com/compute/docs/access/authenticate-workloads#applications>.
//!
//! The form and the claims of an assertion are checked, not its signature.

use super::form::Form;
use super::refusal::Refusal;
use super::target::Wire;
use super::thinking::now;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::{Value, json};

/// How the tokens begin that are given out.
pub(super) const ISSUED: &str = "ya29.simulated";

/// Longest time that an assertion may ask for, in seconds.
const LONGEST: u64 = 3600;

/// How far clocks may differ, in seconds.
const SKEW: u64 = 300;

/// `POST /token`.
///
/// # Errors
///
/// When the grant is another, or what it needs is missing or wrong.
pub(super) fn grant(form: &Form, number: u64) -> Result<Value, Refusal> {
    match form.text("grant_type") {
        Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => {
            let assertion = form.needs_text("assertion", Wire::OAuth)?;
            assertion_is_good(assertion).map_err(|told| Refusal::bad(format!("Invalid JWT: {told}"), None))?;
        }
        Some("refresh_token") => {
            for name in ["client_id", "client_secret", "refresh_token"] {
                form.needs_text(name, Wire::OAuth)?;
            }
        }
        other => {
            let told = format!("Invalid grant_type: {}", other.unwrap_or_default());
            return Err(Refusal { code: Some("unsupported_grant_type"), ..Refusal::bad(told, None) });
        }
    }
    Ok(issued(number))
}

/// `GET …/service-accounts/default/token` of the metadata server.
///
/// # Errors
///
/// Without the header that keeps redirected requests out.
pub(super) fn metadata(head: &Parts, number: u64) -> Result<Value, Refusal> {
    if head.headers.get("metadata-flavor").is_none_or(|given| given != "Google") {
        let told = "Missing Metadata-Flavor:Google header";
        return Err(Refusal { status: StatusCode::FORBIDDEN, ..Refusal::bad(told, None) });
    }
    Ok(issued(number))
}

fn issued(number: u64) -> Value {
    json!({"access_token": format!("{ISSUED}-{number}"), "expires_in": 3599, "token_type": "Bearer"})
}

fn assertion_is_good(assertion: &str) -> Result<(), &'static str> {
    let mut parts = assertion.split('.');
    let (Some(head), Some(claims), Some(seal), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err("it has three parts");
    };
    let object = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
        serde_json::from_slice::<Value>(&bytes).ok().filter(Value::is_object)
    };
    let head = object(head).ok_or("the head is no JSON in base64url")?;
    let claims = object(claims).ok_or("the claims are no JSON in base64url")?;
    if URL_SAFE_NO_PAD.decode(seal).map_or(true, |seal| seal.len() < 128) {
        return Err("the signature is none of RSA with SHA-256");
    }
    if head.get("alg") != Some(&json!("RS256")) {
        return Err("alg is RS256");
    }
    let has = |name: &str| claims.get(name).and_then(Value::as_str).is_some_and(|value| !value.is_empty());
    if !["iss", "scope", "aud"].into_iter().all(has) {
        return Err("iss, scope and aud are required");
    }
    let at = |name: &str| claims.get(name).and_then(Value::as_u64).ok_or("iat and exp are seconds");
    let (begun, ends, now) = (at("iat")?, at("exp")?, now());
    if ends <= begun || ends - begun > LONGEST || begun > now.saturating_add(SKEW) || ends.saturating_add(SKEW) < now {
        return Err("Token must be a short-lived token (60 minutes) and in a reasonable timeframe");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{assertion_is_good, now};
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    fn assertion(alg: &str, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{}", part(&json!({"alg": alg})), part(claims), URL_SAFE_NO_PAD.encode([7; 256]))
    }

    #[test]
    fn an_assertion_is_short_lived_and_says_who_and_for_what() {
        let claims = |seconds| json!({"iss": "a@b", "scope": "s", "aud": "t", "iat": now(), "exp": now() + seconds});
        assert_eq!(assertion_is_good(&assertion("RS256", &claims(3600))), Ok(()));
        assert!(assertion_is_good(&assertion("HS256", &claims(3600))).is_err());
        assert!(assertion_is_good(&assertion("RS256", &claims(3601))).is_err());
        assert!(assertion_is_good(&assertion("RS256", &json!({"iss": "a"}))).is_err());
        for broken in ["", "a.b", "a.b.c", "..", "e30.e30.e30"] {
            assert!(assertion_is_good(broken).is_err(), "{broken}");
        }
    }
}
