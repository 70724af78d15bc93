//! AWS Signature Version 4: proves that a request was made by the owner of a key.
//!
//! What is signed: method, path, query, body and the headers `host`, `content-type` and `x-amz-*`
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>).

use super::credentials::Keys;
use crate::providers::SignFault;
use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};
use jiff::Timestamp;
use ring::{digest, hmac};
use std::fmt::Write as _;

/// For whom a signature is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Writes `x-amz-date`, `x-amz-security-token` and `authorization` into `head`, over those of an earlier attempt.
/// `host` is signed where the head has no `Host` of its own.
pub(super) fn sign(
    keys: &Keys,
    scope: Scope<'_>,
    host: &str,
    head: &mut Parts,
    body: &[u8],
    now_us: u64,
) -> Result<(), SignFault> {
    let time = amz_date(now_us).ok_or(SignFault::Unwritable)?;
    let secret = |text: &str| {
        let mut value = HeaderValue::from_str(text).map_err(|_| SignFault::Unwritable)?;
        value.set_sensitive(true);
        Ok(value)
    };
    head.headers.insert(DATE, secret(&time)?);
    match keys.session_token() {
        Some(token) => drop(head.headers.insert(TOKEN, secret(token)?)),
        None => drop(head.headers.remove(TOKEN)),
    }
    let signed = signed_headers(&head.headers, host);
    let request = canonical_request(head, &signed, body);
    head.headers.insert(header::AUTHORIZATION, secret(&authorization(keys, scope, &time, &signed, &request))?);
    Ok(())
}

/// `20150830T123600Z`
fn amz_date(now_us: u64) -> Option<String> {
    let time = Timestamp::from_microsecond(i64::try_from(now_us).ok()?).ok()?;
    Some(time.strftime("%Y%m%dT%H%M%SZ").to_string())
}

/// Names in small letters and values of the headers that are signed, in the order of their names.
fn signed_headers(headers: &HeaderMap, host: &str) -> Vec<(String, String)> {
    let is_signed = |name: &HeaderName| {
        *name == header::HOST || *name == header::CONTENT_TYPE || name.as_str().starts_with("x-amz-")
    };
    let mut signed: Vec<_> = headers
        .keys()
        .filter(|name| is_signed(name))
        .map(|name| {
            let values: Vec<_> = headers.get_all(name).iter().map(trimmed).collect();
            (name.as_str().to_owned(), values.join(","))
        })
        .collect();
    if !headers.contains_key(header::HOST) {
        signed.push((header::HOST.as_str().to_owned(), host.to_owned()));
    }
    signed.sort();
    signed
}

/// Without spaces at its ends, and with one where several follow one another.
fn trimmed(value: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn canonical_request(head: &Parts, signed: &[(String, String)], body: &[u8]) -> String {
    let mut out = format!("{}\n", head.method);
    canonical_path(head.uri.path(), &mut out);
    out.push('\n');
    out.push_str(&canonical_query(head.uri.query().unwrap_or_default()));
    out.push('\n');
    for (name, value) in signed {
        out.extend([name, ":", value, "\n"]);
    }
    out.push('\n');
    out.push_str(&names(signed));
    out.push('\n');
    out.push_str(&hex::encode(digest::digest(&digest::SHA256, body)));
    out
}

fn names(signed: &[(String, String)]) -> String {
    signed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";")
}

/// The path without `.`, `..` and empty segments, each of which is encoded once more than it is on the wire: the colon
/// of a model's id goes up as `%3A` and is signed as `%253A`. All services but S3 want that.
fn canonical_path(path: &str, out: &mut String) {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    for segment in &segments {
        out.push('/');
        encode(segment, out);
    }
    if segments.is_empty() || path.ends_with('/') {
        out.push('/');
    }
}

/// The members of a query in the order of their names; they are encoded already.
fn canonical_query(query: &str) -> String {
    let mut members: Vec<_> = query
        .split('&')
        .filter(|member| !member.is_empty())
        .map(|member| member.split_once('=').unwrap_or((member, "")))
        .collect();
    members.sort_unstable();
    members.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// Appends `text` with everything percent-encoded but letters, digits and `-._~`.
pub(super) fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

fn authorization(
    keys: &Keys,
    scope: Scope<'_>,
    time: &str,
    signed: &[(String, String)],
    canonical_request: &str,
) -> String {
    let date = time.get(..8).unwrap_or_default();
    let Scope { region, service } = scope;
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let hash = hex::encode(digest::digest(&digest::SHA256, canonical_request.as_bytes()));
    let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n{hash}");
    let mut key = mac(format!("AWS4{}", keys.secret_access_key()).as_bytes(), date);
    for step in [region, service, "aws4_request"] {
        key = mac(key.as_ref(), step);
    }
    let signature = hex::encode(mac(key.as_ref(), &to_sign));
    let (id, names) = (keys.access_key_id(), names(signed));
    format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}")
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    /// 2015-08-30T12:36:00Z, the time of AWS's test suite.
    const NOW_US: u64 = 1_440_938_160_000_000;
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let request = headers
            .iter()
            .fold(Request::builder().method(method).uri(uri), |request, (name, value)| request.header(*name, *value));
        request.body(()).expect("it is a request").into_parts().0
    }

    fn signed(keys: &Keys, service: &str, host: &str, head: &mut Parts, body: &str) -> String {
        let scope = Scope { region: "us-east-1", service };
        sign(keys, scope, host, head, body.as_bytes(), NOW_US).expect("it can be signed");
        head.headers["authorization"].to_str().expect("it is text").to_owned()
    }

    /// Cases of AWS's published test suite for Signature Version 4.
    #[test]
    fn requests_of_the_published_test_suite_are_signed_as_it_says() {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let cases: [(&str, &str, &str, &[_], &str, &str); 10] = [
            ("get-vanilla", "GET", "/", &[], "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (
                "get-vanilla-query-order-key-case",
                "GET",
                "/?Param2=value2&Param1=value1",
                &[],
                "",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            ("post-vanilla", "POST", "/", &[], "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            (
                "get-relative",
                "GET",
                "/example/..",
                &[],
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "get-relative-relative",
                "GET",
                "/example1/example2/../..",
                &[],
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "get-slashes",
                "GET",
                "//example//",
                &[],
                "",
                "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
            ),
            (
                "get-slash-pointless-dot",
                "GET",
                "/./example",
                &[],
                "",
                "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
            ),
            (
                "get-unreserved",
                "GET",
                "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
                &[],
                "",
                "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
            ),
            (
                "post-x-www-form-urlencoded",
                "POST",
                "/",
                &form,
                "Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
            (
                "spaces in a value (by botocore)",
                "POST",
                "/",
                &[("x-amz-meta", " a  b ")],
                "",
                "e74431d87fa1fefac85d25c1bb798dbf99d9005b4764ec42b819c3586fbc358b",
            ),
        ];
        let keys = Keys::new("AKIDEXAMPLE", SECRET, None);
        for (name, method, uri, headers, body, want) in cases {
            let got = signed(&keys, "service", "example.amazonaws.com", &mut head(method, uri, headers), body);
            assert!(got.ends_with(&format!("Signature={want}")), "{name}: {got}");
            let start =
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=";
            assert!(got.starts_with(start), "{name}: {got}");
        }
    }

    /// The paths and signatures that botocore 1.44.8 sends for the same requests.
    #[test]
    fn ids_of_models_are_encoded_twice_where_they_are_signed() {
        let host = "bedrock-runtime.us-east-1.amazonaws.com";
        let json = [("content-type", "application/json")];
        let model = "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse-stream";
        let mut request = head("POST", model, &json);
        let keys = Keys::new("AKIDEXAMPLE", SECRET, Some("session"));
        let got = signed(&keys, "bedrock", host, &mut request, r#"{"messages":[]}"#);
        assert_eq!(
            got,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, \
             Signature=5847c87baa69878cd5b80668116c3af5e950fcac447d45d37ad3a2e0576d2d2e"
        );
        assert_eq!(request.headers["x-amz-date"], "20150830T123600Z");
        assert_eq!(request.headers["x-amz-security-token"], "session");
        let profile = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2F\
                       us.anthropic.claude-sonnet-4-20250514-v1%3A0/converse";
        let keys = Keys::new("AKIDEXAMPLE", SECRET, None);
        let got = signed(&keys, "bedrock", host, &mut head("POST", profile, &json), "{}");
        assert!(got.ends_with("d5e6ae5cdac78292b8e526948fa2c81ef6bcaf31c68634ff40ff911d2cbc39f7"), "{got}");
    }

    #[test]
    fn a_request_that_is_signed_again_is_signed_as_if_for_the_first_time() {
        let host = "example.amazonaws.com";
        let (short, long) = (Keys::new("A", "b", Some("token")), Keys::new("AKIDEXAMPLE", SECRET, None));
        let mut request = head("GET", "/", &[("host", host), ("authorization", "Bearer x")]);
        signed(&short, "service", "elsewhere", &mut request, "");
        let got = signed(&long, "service", "elsewhere", &mut request, "");
        assert!(got.ends_with("5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"), "{got}");
        assert!(!request.headers.contains_key("x-amz-security-token"));
        assert!(!format!("{:?}", request.headers).contains("AKIDEXAMPLE"), "what is secret does not print");
    }

    #[test]
    fn a_key_that_no_header_can_carry_is_told() {
        let keys = Keys::new("A", "b", Some("to\nken"));
        let scope = Scope { region: "r", service: "s" };
        assert_eq!(sign(&keys, scope, "h", &mut head("GET", "/", &[]), b"", 0), Err(SignFault::Unwritable));
    }
}
