//! What is read of each API's requests.

use super::*;

fn ask(api: Api, body: &str) -> Result<Ask, BadRequest> {
    parse(api, Draft::copy_of(body.as_bytes()))
}

fn read(api: Api, body: &str) -> Ask {
    ask(api, body).expect(body)
}

#[test]
fn a_chat_request_is_read() {
    let body = r#"{"messages":[{"role":"user","content":"hi"}],"mod\u0065l":"f\u0061st","stream":true,"n":2,
        "max_tokens":5,"max_completion_tokens":7,"user":"u","safety_identifier":"s","x":1}"#;
    let ask = read(Api::ChatCompletions, body);
    assert_eq!((ask.model.as_str(), &body[ask.model_span.range()]), ("fast", r#""f\u0061st""#));
    assert_eq!((ask.stream, ask.choices, ask.max_output_tokens), (true, 2, Some(7)));
    assert_eq!(ask.user.as_deref(), Some("s"));
    assert_eq!(ask.include_usage, Some(IncludeUsage::NoOptions { insert_at: 1 }));
    assert_eq!(ask.body.as_slice(), body.as_bytes());
}

#[test]
fn each_api_has_its_own_names() {
    let body = r#"{"model":"m","max_tokens":1,"max_output_tokens":2,"metadata":{"user_id":"a"},"user":"b","n":3,
        "stream":true}"#;
    let cases = [
        (Api::ChatCompletions, Some(1), Some("b"), 3, true),
        (Api::Completions, Some(1), Some("b"), 3, true),
        (Api::Embeddings, None, Some("b"), 1, false),
        (Api::Responses, Some(2), Some("b"), 1, true),
        (Api::Messages, Some(1), Some("a"), 1, true),
        (Api::CountTokens, None, Some("a"), 1, false),
    ];
    for (api, cap, user, choices, stream) in cases {
        let ask = read(api, body);
        let got = (ask.max_output_tokens, ask.user.as_deref(), ask.choices, ask.stream);
        assert_eq!(got, (cap, user, choices, stream), "{api}");
        let counts = matches!(api, Api::ChatCompletions | Api::Completions);
        assert_eq!(ask.include_usage.is_some(), counts, "{api}");
    }
}

#[test]
fn null_is_as_good_as_absent() {
    let body = r#"{"model":"m","stream":null,"stream_options":null,"user":null,"max_tokens":null,"n":null,
        "metadata":null,"max_completion_tokens":null,"max_output_tokens":null,"safety_identifier":null}"#;
    for api in Api::ALL {
        let ask = read(api, body);
        assert_eq!((ask.stream, ask.user, ask.max_output_tokens, ask.choices), (false, None, None, 1), "{api}");
    }
}

#[test]
fn the_place_of_include_usage_is_found() {
    let cases = [
        ("", "none"),
        (r#","stream_options":null"#, "null"),
        (r#","stream_options":{}"#, "empty"),
        (r#","stream_options": { "include_obfuscation":false}"#, "other"),
        (r#","stream_options":{"include_usage":false}"#, "false"),
        (r#","stream_options":{"include_usage":null}"#, "false"),
        (r#","stream_options":{"a":[],"include_us\u0061ge": true }"#, "true"),
    ];
    for (options, want) in cases {
        let body = format!(r#"{{"model":"m","stream":true{options}}}"#);
        let ask = read(Api::Completions, &body);
        let got = match ask.include_usage.expect("a stream") {
            IncludeUsage::NoOptions { insert_at: 1 } => "none",
            IncludeUsage::NullOptions(span) if &body[span.range()] == "null" => "null",
            IncludeUsage::NoMember { insert_at, empty: true } if body[insert_at..].starts_with('}') => "empty",
            IncludeUsage::NoMember { insert_at, empty: false } if body[..insert_at].ends_with('{') => "other",
            IncludeUsage::Member { value, asked: true } if &body[value.range()] == "true" => "true",
            IncludeUsage::Member { value, asked: false } if body[value.range()].len() > 3 => "false",
            other => panic!("{body}: {other:?}"),
        };
        assert_eq!(got, want, "{body}");
    }
}

#[test]
fn every_answer_that_will_be_billed_is_a_choice() {
    let cases = [
        (r#""prompt":"a""#, 1),
        (r#""prompt":["a","b","c"]"#, 3),
        (r#""prompt":[1,2,3]"#, 1),
        (r#""prompt":[[1,2],[3]]"#, 2),
        (r#""prompt":[]"#, 1),
        (r#""prompt":["a","b"],"n":2,"best_of":5"#, 10),
    ];
    for (members, want) in cases {
        assert_eq!(read(Api::Completions, &format!(r#"{{"model":"m",{members}}}"#)).choices, want, "{members}");
    }
}

#[test]
fn a_wrong_member_is_refused_by_name() {
    use Api::{ChatCompletions as Chat, Completions, Messages, Responses};
    let cases = [
        (Chat, r"{}", "model", "`model` is missing: name the model to call"),
        (Chat, r#"{"model":""}"#, "model", "`model` is empty: name the model to call"),
        (Chat, r#"{"model":null}"#, "model", "`model` must be a string, not null"),
        (Chat, r#"{"model":["m"]}"#, "model", "`model` must be a string, not an array"),
        (Chat, r#"{"model":"m","stream":"true"}"#, "stream", "`stream` must be a boolean, not a string"),
        (Chat, r#"{"model":"m","stream":1}"#, "stream", "`stream` must be a boolean, not a number"),
        (
            Chat,
            r#"{"model":"m","stream":true,"stream_options":[]}"#,
            "stream_options",
            "`stream_options` must be an object, not an array",
        ),
        (
            Chat,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":1}}"#,
            "stream_options.include_usage",
            "`stream_options.include_usage` must be a boolean, not a number",
        ),
        (Chat, r#"{"model":"m","user":7}"#, "user", "`user` must be a string, not a number"),
        (
            Chat,
            r#"{"model":"m","max_tokens":1.0}"#,
            "max_tokens",
            "`max_tokens` must be an integer of at least 0 and below 2^64, not `1.0`",
        ),
        (
            Chat,
            r#"{"model":"m","max_completion_tokens":-1}"#,
            "max_completion_tokens",
            "`max_completion_tokens` must be an integer of at least 0 and below 2^64, not `-1`",
        ),
        (Messages, r#"{"model":"m","max_tokens":"5"}"#, "max_tokens", "`max_tokens` must be an integer, not a string"),
        (
            Responses,
            r#"{"model":"m","max_output_tokens":18446744073709551616}"#,
            "max_output_tokens",
            "`max_output_tokens` must be an integer of at least 0 and below 2^64, not `18446744073709551616`",
        ),
        (Chat, r#"{"model":"m","n":0}"#, "n", "`n` must be between 1 and 128"),
        (Chat, r#"{"model":"m","n":129}"#, "n", "`n` must be between 1 and 128"),
        (Completions, r#"{"model":"m","best_of":129}"#, "best_of", "`best_of` must be between 1 and 128"),
        (Messages, r#"{"model":"m","metadata":"x"}"#, "metadata", "`metadata` must be an object, not a string"),
        (
            Messages,
            r#"{"model":"m","metadata":{"user_id":{}}}"#,
            "metadata.user_id",
            "`metadata.user_id` must be a string, not an object",
        ),
        (
            Chat,
            r#"{"model":"m","messages":[{"content":"a","content":"b"}]}"#,
            "messages[0]",
            "messages[0]: duplicate key `content` (byte 40)",
        ),
    ];
    for (api, body, param, message) in cases {
        let got = ask(api, body).expect_err(body);
        assert_eq!((got.message.as_str(), got.param.as_deref()), (message, Some(param)), "{body}");
    }
}

#[test]
fn a_refusal_never_repeats_more_than_a_little_of_the_body() {
    let long = "9".repeat(100_000);
    for body in [
        format!(r#"{{"model":"m","max_tokens":{long}}}"#),
        format!(r#"{{"model":"m","max_tokens":-{}}}"#, &long[..200]),
        format!(r#"{{"{long}":"#),
        format!(r#"{{"{long}":1,"{long}":2}}"#),
        format!(r#"{{"model":"m","x":{{"{long}":{{"{long}":[nope]}}}}}}"#),
    ] {
        let got = ask(Api::ChatCompletions, &body).expect_err("it is wrong");
        assert!(got.message.len() < 400, "{}", got.message);
    }
}

#[test]
fn what_belongs_to_another_api_is_not_judged() {
    read(Api::Responses, r#"{"model":"m","max_tokens":"x","n":"y","stream_options":5,"stream":true}"#);
    read(Api::Embeddings, r#"{"model":"m","stream":"x"}"#);
    read(Api::ChatCompletions, r#"{"model":"m","stream_options":5}"#);
}
