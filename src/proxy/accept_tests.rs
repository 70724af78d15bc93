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
    let of = |value: &'static str| framing(Version::HTTP_11, &headers(&[("host", "a"), ("upgrade", value)]), false);
    assert_eq!(of("h2c"), Ok(None));
    assert_eq!(of("H2C"), Ok(None));
    for other in ["websocket", "h2c, websocket", "TLS/1.0", ""] {
        assert_eq!(of(other), Err(Framing::Upgrade), "{other}");
    }
}

#[test]
fn http_2_needs_no_host() {
    assert_eq!(framing(Version::HTTP_2, &headers(&[("content-length", "3")]), false), Ok(Some(3)));
    assert_eq!(framing(Version::HTTP_10, &headers(&[]), false), Ok(None));
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
        assert_eq!(content(&headers(lines), Api::ChatCompletions), want.map(|()| None), "{lines:?}");
    }
}

#[test]
fn forms_are_taken_where_they_belong() {
    const FORM: &str = "multipart/form-data; boundary=b";
    let of = |api, kind: &'static str| content(&headers(&[("content-type", kind)]), api);
    let form = Ok(Some(FORM.to_owned()));
    for api in [Api::ImageEdits, Api::ImageVariations, Api::Transcriptions, Api::Translations] {
        assert_eq!(of(api, FORM), form, "{api}");
        assert!(of(api, "text/plain").is_err(), "{api}");
        let two = headers(&[("content-type", FORM), ("content-type", FORM)]);
        assert_eq!(content(&two, api), Err(Framing::NoForm), "{api}");
    }
    assert_eq!(of(Api::ImageEdits, "application/json"), Ok(None));
    assert_eq!(of(Api::Transcriptions, "application/json"), Err(Framing::NoForm));
    assert_eq!(content(&headers(&[]), Api::Transcriptions), Err(Framing::NoForm));
    for api in [Api::ChatCompletions, Api::Speech, Api::Images, Api::Moderations, Api::Generate] {
        assert_eq!(of(api, FORM), Err(Framing::ContentType), "{api}");
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
        ("/v1beta/models/a:generateContent", Dialect::Gemini, Dialect::Gemini),
        ("/v1/models/a:streamGenerateContent", Dialect::Gemini, Dialect::Gemini),
        ("/v1/models/a:countTokens", Dialect::Gemini, Dialect::Gemini),
        ("/v1beta/models", Dialect::Gemini, Dialect::Gemini),
        ("/nowhere", Dialect::OpenAi, Dialect::OpenAi),
    ];
    for (path, plain, with_version) in cases {
        assert_eq!((dialect_of(path, &none), dialect_of(path, &anthropic)), (plain, with_version), "{path}");
    }
}

#[test]
fn each_call_is_found_by_its_path_and_by_post_only() {
    for api in Api::ALL.into_iter().filter(|api| api.posted()) {
        let kind = if api.takes_json() { "application/json" } else { "multipart/form-data; boundary=b" };
        let map = headers(&[("host", "a"), ("content-type", kind)]);
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

#[test]
fn googles_key_header_tells_its_dialect_where_the_path_does_not() {
    let google = headers(&[("x-goog-api-key", "k")]);
    assert_eq!(dialect_of("/v1/models", &google), Dialect::Gemini);
    assert_eq!(dialect_of("/v1/models/a", &google), Dialect::Gemini);
    assert_eq!(dialect_of("/v1/chat/completions", &google), Dialect::OpenAi);
}

#[test]
fn the_path_of_generate_content_names_the_model_and_the_way() {
    let map = headers(&[("host", "a")]);
    let read = |method: Method, path: &str| head(&method, path, Version::HTTP_11, &map).map(|head| head.path);
    let call = |model: &str, stream| Ok(Path::Generate { model: model.to_owned(), stream });
    let cases = [
        ("/v1beta/models/fast:generateContent", call("fast", false)),
        ("/v1/models/fast:streamGenerateContent", call("fast", true)),
        ("/v1beta/models/org/llama3:8b:generateContent", call("org/llama3:8b", false)),
        ("/v1beta/models/org%2Ffast%3AstreamGenerateContent", call("org/fast", true)),
    ];
    for (path, want) in cases {
        assert_eq!(read(Method::POST, path), want, "{path}");
        assert!(matches!(read(Method::GET, path), Err(Reject::Method { allow: "POST", .. })), "{path}");
    }
    for path in [
        "/v1/models/fast:countTokens",
        "/v1beta/models/fast:embedContent",
        "/v1beta/models/:generateContent",
        "/v1/generateContent",
        "/v1beta/chat/completions",
        "/v1beta/models/",
        "/v1beta/tunedModels/a:generateContent",
    ] {
        assert!(matches!(read(Method::POST, path), Err(Reject::NoRoute { .. })), "{path}");
    }
    assert_eq!(read(Method::GET, "/v1beta/models"), Ok(Path::Models));
    assert_eq!(read(Method::GET, "/v1/models/llama3:8b"), Ok(Path::Model("llama3:8b".to_owned())));
}

#[test]
fn a_stream_is_served_as_events_only() {
    let path = |stream| Path::Generate { model: "m".to_owned(), stream };
    for query in [None, Some(""), Some("alt=json"), Some("xalt=sse"), Some("alt=sse2")] {
        let refused = alt(&path(true), query);
        assert!(matches!(&refused, Err(Reject::BadRequest { param: Some(param), .. }) if param == "alt"), "{query:?}");
        assert_eq!(alt(&path(false), query), Ok(()), "{query:?}");
    }
    for query in ["alt=sse", "a=b&alt=sse", "$alt=sse"] {
        assert_eq!(alt(&path(true), Some(query)), Ok(()), "{query}");
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
    fn no_path_does_harm(path in "(/v1(beta)?/models/)?[/%a-f0-9v.:]{0,40}(:generateContent)?") {
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

#[test]
fn only_who_knows_interim_answers_waits_for_one() {
    let expects = |version, value: &'static str| {
        let headers = HeaderMap::from_iter([(header::EXPECT, header::HeaderValue::from_static(value))]);
        waits_for_continue(version, &headers)
    };
    assert!(expects(Version::HTTP_11, "100-Continue") && expects(Version::HTTP_2, "100-continue"));
    assert!(!expects(Version::HTTP_10, "100-continue") && !expects(Version::HTTP_11, "x"));
    assert!(!waits_for_continue(Version::HTTP_11, &HeaderMap::new()));
}
