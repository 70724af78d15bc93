//! What clients of other dialects are translated to, by the settings.

use crate::{
    model::{Carry, Chat, Feature},
    providers::{codec::Goal, openai::tests::openai},
};

#[test]
fn the_file_says_what_is_translated_to() {
    let goal = Goal { model: "m", cap: Some(20), most_output: None };
    let cases = [
        ("{}", "/v1/chat/completions", r#"{"model":"m","messages":[],"max_completion_tokens":20}"#),
        ("{ base_url: 'http://h/v1' }", "/v1/chat/completions", r#"{"model":"m","messages":[],"max_tokens":20}"#),
        (
            "{ base_url: 'http://h/v1', output_cap_field: max_completion_tokens, translate_to: chat_completions }",
            "/v1/chat/completions",
            r#"{"model":"m","messages":[],"max_completion_tokens":20}"#,
        ),
        (
            "{ translate_to: responses }",
            "/v1/responses",
            r#"{"model":"m","input":[],"store":false,"max_output_tokens":20}"#,
        ),
    ];
    for (settings, path, body) in cases {
        let provider = openai(settings).expect(settings);
        let codec = provider.codec().expect("a codec");
        let got = codec.encode(&Chat::default(), &goal);
        assert_eq!((&*provider.codec_path("m", true), &*got), (path, body.as_bytes()), "{settings}");
    }
    assert!(openai("{ translate_to: completions }").is_err());
}

#[test]
fn thoughts_go_up_to_other_servers_only() {
    for (settings, want) in [
        ("{}", Carry::No),
        ("{ base_url: 'https://eu.api.openai.com/v1' }", Carry::No),
        ("{ base_url: 'https://api.deepseek.com' }", Carry::Yes),
        ("{ base_url: 'http://127.0.0.1:8000/v1' }", Carry::Yes),
    ] {
        let provider = openai(settings).expect(settings);
        assert_eq!(provider.codec().expect("a codec").carries(Feature::PlainReasoning, "m"), want, "{settings}");
    }
}
