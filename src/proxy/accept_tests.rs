//! Heads: framing that two parsers could read in two ways, paths, and names in paths.

use super::*;
use proptest::prelude::*;

/// A head's lines.
type Lines = &'static [(&'static str, &'static str)];

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(*name, header::HeaderValue::from_static(value));
    }
    map
}

#[test]
fn an_offer_of_h2c_is_not_an_upgrade_and_anything_else_is() {
    let of = |value: &'static str| framing(Version::HTTP_11, &headers(&[("host", "a"), ("upgrade", value)]));
    assert_eq!(of("h2c"), Ok(None));
    assert_eq!(of("H2C"), Ok(None));
    for other in ["websocket", "h2c, websocket", "TLS/1.0", ""] {
        assert_eq!(of(other), Err(Framing::Upgrade), "{other}");
    }
}

#[test]
fn http_2_needs_no_host() {
    assert_eq!(framing(Version::HTTP_2, &headers(&[("content-length", "3")])), Ok(Some(3)));
    assert_eq!(framing(Version::HTTP_10, &headers(&[])), Ok(None));
}

#[test]
fn only_json_in_clear_is_taken() {
    let cases: [(Lines, Result<(), Framing>); 9] = [
        (&[], Ok(())),
        (&[("content-type", "application/json")], Ok(())),
        (&[("content-type", "Application/JSON ; charset=utf-8")], Ok(())),
        (&[("content-type", "application/vnd.api+json")], Ok(())),
        (&[("content-encoding", "identity")], Ok(())),
        (&[("content-type", "text/plain")], Err(Framing::ContentType)),
        (&[("content-type", "application/x-www-form-urlencoded")], Err(Framing::ContentType)),
        (&[("content-type", "application/jsonp")], Err(Framing::ContentType)),
        (&[("content-type", "application/json"), ("content-encoding", "gzip")], Err(Framing::ContentEncoding)),
    ];
    for (lines, want) in cases {
        assert_eq!(content(&headers(lines)), want, "{lines:?}");
    }
}

#[test]
fn errors_are_told_in_the_dialect_of_the_path() {
    let (none, anthropic) = (headers(&[]), headers(&[("anthropic-version", "2023-06-01")]));
    let cases = [
        ("/v1/messages", Dialect::Anthropic, Dialect::Anthropic),
        ("/v1/messages/count_tokens", Dialect::Anthropic, Dialect::Anthropic),
        ("/v1/models", Dialect::OpenAi, Dialect::Anthropic),
        ("/v1/models/a", Dialect::OpenAi, Dialect::Anthropic),
        ("/v1/chat/completions", Dialect::OpenAi, Dialect::OpenAi),
        ("/nowhere", Dialect::OpenAi, Dialect::OpenAi),
    ];
    for (path, plain, with_version) in cases {
        assert_eq!((dialect_of(path, &none), dialect_of(path, &anthropic)), (plain, with_version), "{path}");
    }
}

#[test]
fn each_call_is_found_by_its_path_and_by_post_only() {
    let map = headers(&[("host", "a")]);
    for api in Api::ALL {
        let path = format!("/v1/{}", api.path());
        let read = |method: Method| head(&method, &path, Version::HTTP_11, &map).map(|head| head.path);
        assert_eq!(read(Method::POST), Ok(Path::Call(api)));
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS, Method::HEAD] {
            assert!(matches!(read(method), Err(Reject::Method { allow: "POST", .. })), "{path}");
        }
    }
}

#[test]
fn a_name_that_does_not_decode_stays_as_it_is() {
    for (text, want) in [("a%2Fb", "a/b"), ("%41%", "A%"), ("%4", "%4"), ("%zz", "%zz"), ("%ff", "%ff"), ("%25", "%")] {
        assert_eq!(unescape(text), want, "{text}");
    }
}

proptest! {
    /// What an SDK escapes comes back.
    #[test]
    fn an_escaped_name_comes_back(name in "\\PC{0,40}") {
        let escaped: String = name.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        }).collect();
        prop_assert_eq!(unescape(&escaped), name);
    }

    /// Whatever stands in a path: no panic.
    #[test]
    fn no_path_does_harm(path in "[/%a-f0-9v.]{0,40}") {
        let _found = head(&Method::POST, &path, Version::HTTP_2, &HeaderMap::new());
        let _name = unescape(&path);
    }

    /// A length is a plain number that fits, or it is refused.
    #[test]
    fn a_length_is_a_plain_number(text in "[0-9+ -]{0,24}") {
        let want = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<usize>().ok()).flatten();
        prop_assert_eq!(plain_number(text.as_bytes()), want);
    }
}
