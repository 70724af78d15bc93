//! Addresses, credentials and what is wrong in the file.

use super::*;
use crate::{
    config::{Protocol, Section},
    model::{Api, Chat},
    providers::codec::Goal,
};
use http::HeaderMap;

fn azure(settings: &str) -> Result<Box<dyn Provider>, ConfigError> {
    build(&config::Provider {
        name: "p".into(),
        kind: "azure".to_owned(),
        settings: Section::from_yaml("providers.p", settings)?,
        catalogue: None,
        protocol: Protocol::default(),
        uplink: Default::default(),
        health: Default::default(),
        rules: std::sync::Arc::default(),
    })
}

#[test]
fn both_styles_of_addresses_are_made() {
    let dated = "/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21";
    let cases = [
        ("{ resource: res }", Api::ChatCompletions, "/openai/v1/chat/completions"),
        ("{ resource: res }", Api::Embeddings, "/openai/v1/embeddings"),
        ("{ resource: res }", Api::Images, "/openai/v1/images/generations"),
        ("{ resource: res, api_version: v }", Api::Speech, "/openai/deployments/my%20gpt/audio/speech?api-version=v"),
        (
            "{ resource: res, api_version: v }",
            Api::Transcriptions,
            "/openai/deployments/my%20gpt/audio/transcriptions?api-version=v",
        ),
        ("{ resource: res }", Api::Responses, "/openai/v1/responses"),
        ("{ base_url: 'https://res.openai.azure.com/openai/v1/' }", Api::Responses, "/openai/v1/responses"),
        ("{ base_url: 'https://res.openai.azure.com/openai' }", Api::Responses, "/openai/v1/responses"),
        ("{ resource: res, api_version: 2024-10-21 }", Api::ChatCompletions, dated),
        ("{ base_url: 'https://res.openai.azure.com', api_version: '2024-10-21' }", Api::ChatCompletions, dated),
        (
            "{ resource: res, api_version: 2025-04-01-preview }",
            Api::Responses,
            "/openai/responses?api-version=2025-04-01-preview",
        ),
        ("{ resource: res }", Api::Realtime, "/openai/v1/realtime?model=my%20gpt"),
        ("{ resource: res }", Api::Files, "/openai/v1/files"),
        ("{ resource: res, api_version: v }", Api::Batches, "/openai/batches?api-version=v"),
        (
            "{ resource: res, api_version: 2025-04-01-preview }",
            Api::Realtime,
            "/openai/realtime?api-version=2025-04-01-preview&deployment=my%20gpt",
        ),
        (
            "{ base_url: 'https://proxy/azure', api_version: v }",
            Api::Completions,
            "/azure/openai/deployments/my%20gpt/completions?api-version=v",
        ),
    ];
    for (settings, api, want) in cases {
        let provider = azure(settings).expect(settings);
        assert_eq!(provider.path(api, "my gpt", false), want, "{settings}");
        assert!(provider.speaks(api) && !provider.speaks(Api::Messages));
    }
    let provider = azure("{ resource: res }").expect("the settings are right");
    assert_eq!((&*provider.endpoint().authority, provider.kind()), ("res.openai.azure.com", "azure"));
}

#[test]
fn the_key_goes_up_as_azure_wants_it() {
    let provider = azure("{ resource: res, api_key: k-0123456789 }").expect("the settings are right");
    let (mut client, mut head) = (HeaderMap::new(), HeaderMap::new());
    client.insert("api-key", "theirs".parse().expect("a header"));
    client.insert("authorization", "Bearer theirs".parse().expect("a header"));
    provider.headers(Api::ChatCompletions, &client, &mut head);
    assert_eq!(head.get("api-key").expect("there"), "k-0123456789");
    assert!(!head.contains_key("authorization") && !format!("{provider:?}{head:?}").contains("0123456789"));
}

#[test]
fn clients_of_other_dialects_are_translated_to_what_the_file_says() {
    let goal = Goal { model: "d", cap: Some(20), most_output: None };
    for (settings, path, body) in [
        (
            "{ resource: res, api_version: 2024-10-21 }",
            "/openai/deployments/d/chat/completions?api-version=2024-10-21",
            r#"{"model":"d","messages":[],"max_completion_tokens":20}"#,
        ),
        (
            "{ resource: res, translate_to: responses }",
            "/openai/v1/responses",
            r#"{"model":"d","input":[],"store":false,"max_output_tokens":20}"#,
        ),
    ] {
        let provider = azure(settings).expect(settings);
        let codec = provider.codec().expect("a codec");
        assert_eq!(
            (&*provider.codec_path("d", true), &*codec.encode(&Chat::default(), &goal)),
            (path, body.as_bytes())
        );
    }
}

#[test]
fn wrong_settings_are_refused() {
    for wrong in [
        "{ api_key: k }",
        "{ resource: res, base_url: 'https://h' }",
        "{ resource: 'https://res.openai.azure.com' }",
        "{ resource: '' }",
        "{ base_url: 'h' }",
        "{ resource: res, api_version: 'a b' }",
        "{ resource: res, api_version: '' }",
        "{ resource: res, output_cap_field: max_output_tokens }",
        "{ resource: res, translate_to: messages }",
        "{ resource: res, organization: o }",
    ] {
        assert!(azure(wrong).is_err(), "{wrong}");
    }
}
