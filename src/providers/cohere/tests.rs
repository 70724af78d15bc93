//! Settings, paths, headers, errors.

use super::*;
use crate::{
    providers::Seen,
    sse::{SseEvent, SseScanner},
};

fn cohere(settings: &str) -> Result<Box<dyn Provider>, ConfigError> {
    let settings = config::Section::from_yaml("providers.p", settings)?;
    build(&config::Provider {
        name: "p".into(),
        kind: "cohere".to_owned(),
        settings,
        catalogue: None,
        protocol: config::Protocol::default(),
        uplink: Default::default(),
        health: Default::default(),
        rules: std::sync::Arc::default(),
    })
}

fn plain() -> Box<dyn Provider> {
    cohere("{ api_key: my-own-secret }").expect("the settings are right")
}

#[test]
fn chat_stands_below_the_version() {
    let cases = [
        ("{}", "/v2/chat"),
        ("{ base_url: 'https://h/v2/' }", "/v2/chat"),
        ("{ base_url: 'http://127.0.0.1:9/cohere' }", "/cohere/v2/chat"),
    ];
    for (settings, want) in cases {
        let cohere = cohere(settings).expect(settings);
        assert_eq!((cohere.codec_path("m", false), cohere.codec_path("m", true)), (want.into(), want.into()));
    }
    assert_eq!(&*plain().endpoint().host, "api.cohere.com");
    assert!(cohere("{ version: x }").is_err());
    let error = cohere(r#"{ api_key: "a\nb" }"#).expect_err("no header can carry it").to_string();
    assert!(error.contains("providers.p.api_key"), "{error}");
}

#[test]
fn no_client_speaks_it() {
    let spoken = Api::ALL.into_iter().filter(|api| plain().speaks(*api)).count();
    assert_eq!(spoken, 0);
}

#[test]
fn the_key_goes_up_and_the_clients_does_not() {
    let mut client = HeaderMap::new();
    for (name, value) in [("authorization", "theirs"), ("user-agent", "sdk"), ("x-client-name", "theirs")] {
        client.append(name, HeaderValue::from_static(value));
    }
    let mut head = HeaderMap::new();
    plain().headers(Api::ChatCompletions, &client, &mut head);
    assert_eq!(head.len(), 2);
    assert_eq!(
        (&head["authorization"], &head["user-agent"]),
        (&"Bearer my-own-secret".parse().expect("ASCII"), &"sdk".parse().expect("ASCII"))
    );
    assert!(!format!("{head:?} {:?}", plain()).contains("secret"));
}

#[test]
fn the_message_of_an_error_is_found() {
    let cases = [
        (r#"{"id":"x","message":"invalid api token my-own-secret"}"#, Some("invalid api token ***")),
        (r#"{"message":"too many tokens: size limit exceeded"}"#, Some("too many tokens: size limit exceeded")),
        ("<html>", None),
        ("{}", None),
    ];
    for (body, want) in cases {
        assert_eq!(plain().error_message(body.as_bytes()).as_deref(), want, "{body}");
    }
}

#[test]
fn an_answer_is_metered() {
    let stream = include_bytes!("codec/fixtures/tools_stream.sse");
    let mut events: Vec<SseEvent> = Vec::new();
    SseScanner::new(1 << 20).push(&Bytes::from_static(stream), &mut events).expect("short");
    let mut reader = plain().stream_reader(Api::ChatCompletions, false);
    let seen: Vec<_> = events.iter().map(|event| reader.event(event)).collect();
    assert_eq!((seen.first(), seen.last()), (Some(&Seen::Quiet { strip: None }), Some(&Seen::End)));
    assert!(reader.reading().complete);
    assert!(reader.output().text().starts_with("I will search.get_weather{"), "{:?}", reader.output());
    let body = include_bytes!("codec/fixtures/text.json");
    assert!(plain().read_whole(Api::ChatCompletions, body).expect("an answer").complete);
    assert_eq!(plain().output_of_whole(Api::ChatCompletions, body).text(), "It is warm.It is 24°C.");
    assert_eq!(plain().output_of_whole(Api::ChatCompletions, b"<html>").text(), "");
}
