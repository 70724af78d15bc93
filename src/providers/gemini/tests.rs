//! Settings, paths, headers, errors, and what passes through.

use super::*;
use crate::{
    model::Usage,
    providers::Seen,
    sse::{SseEvent, SseScanner},
};

fn gemini(settings: &str) -> Result<Box<dyn Provider>, ConfigError> {
    let settings = config::Section::from_yaml("providers.p", settings)?;
    build(&config::Provider {
        name: "p".into(),
        kind: "gemini".to_owned(),
        settings,
        catalogue: None,
        protocol: config::Protocol::default(),
        uplink: Default::default(),
        health: Default::default(),
        rules: std::sync::Arc::default(),
    })
}

fn plain() -> Box<dyn Provider> {
    gemini("{ api_key: my-own-secret }").expect("the settings are right")
}

#[test]
fn the_model_stands_in_the_path() {
    let cases = [
        ("{}", "gemini-2.5-flash", false, "/v1beta/models/gemini-2.5-flash:generateContent"),
        ("{}", "gemini-2.5-flash", true, "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
        ("{}", "models/m", false, "/v1beta/models/m:generateContent"),
        ("{}", "tunedModels/m", false, "/v1beta/tunedModels/m:generateContent"),
        ("{}", "a b?é", false, "/v1beta/models/a%20b%3F%C3%A9:generateContent"),
        ("{ base_url: 'https://h/v1' }", "m", false, "/v1/models/m:generateContent"),
        ("{ base_url: 'https://h/google/' }", "m", false, "/google/v1beta/models/m:generateContent"),
    ];
    for (settings, model, stream, want) in cases {
        assert_eq!(gemini(settings).expect(settings).codec_path(model, stream), want, "{settings} {model}");
    }
    assert_eq!(&*plain().endpoint().host, "generativelanguage.googleapis.com");
    assert!(gemini("{ version: x }").is_err());
}

#[test]
fn the_key_goes_up_in_its_header_and_the_clients_does_not() {
    let mut client = HeaderMap::new();
    for (name, value) in
        [("x-goog-api-key", "theirs"), ("authorization", "theirs"), ("user-agent", "sdk"), ("x-goog-api-client", "g")]
    {
        client.append(name, HeaderValue::from_static(value));
    }
    let mut head = HeaderMap::new();
    plain().headers(Api::ChatCompletions, &client, &mut head);
    assert_eq!(head.len(), 2);
    assert_eq!(
        (&head["x-goog-api-key"], &head["user-agent"]),
        (&"my-own-secret".parse().expect("ASCII"), &"sdk".parse().expect("ASCII"))
    );
    assert!(!format!("{head:?} {:?}", plain()).contains("secret"));
    plain().headers(Api::Generate, &client, &mut head);
    assert_eq!(head["x-goog-api-client"], "g", "of the own dialect");
}

#[test]
fn the_message_of_an_error_is_found() {
    let error =
        r#"{"error": {"code": 400, "message": "API key my-own-secret not valid.", "status": "INVALID_ARGUMENT"}}"#;
    for body in [error.to_owned(), format!("[{error}\n]"), format!("[{error},\n{{}}]")] {
        assert_eq!(plain().error_message(body.as_bytes()).as_deref(), Some("API key *** not valid."), "{body}");
    }
    for body in ["", "[", "[]", "<html>", "[1,2"] {
        assert_eq!(plain().error_message(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn an_answer_that_passes_through_is_metered() {
    let stream = include_bytes!("codec/fixtures/stream.sse");
    let mut events: Vec<SseEvent> = Vec::new();
    SseScanner::new(1 << 20).push(&Bytes::from_static(stream), &mut events).expect("short");
    let mut reader = plain().stream_reader(Api::ChatCompletions, false);
    for event in &events {
        assert_eq!(reader.event(event), Seen::Output { strip: None });
    }
    assert!(reader.may_end() && reader.reading().complete);
    assert_eq!(reader.output().text(), r#"I should look.Okay, éget_weather{"location": "Paris"}get_time{}"#);
    let body = br#"{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}],
        "usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1}}"#;
    let reading = plain().read_whole(Api::ChatCompletions, body).expect("an answer");
    assert_eq!(reading.usage, Some(Usage { input: 3, output: 1, ..Usage::default() }));
    assert_eq!(plain().output_of_whole(Api::ChatCompletions, body).text(), "Hi");
    assert_eq!(plain().output_of_whole(Api::ChatCompletions, b"<html>").text(), "");
}
