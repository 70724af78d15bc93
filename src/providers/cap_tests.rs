//! Where a cap is written, and that nothing else changes.

use crate::{
    config::{self, Protocol, Section},
    model::{Api, Ask, CapMember, Caps, Demand, Draft, Edits, GenerationCap, IncludeUsage, Span},
    providers::{PROVIDERS, Provider, cap::write_generation},
};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

const MODEL: Bytes = Bytes::from_static(b"\"m\"");

fn provider(kind: &str, settings: &str) -> Result<Box<dyn Provider>, config::ConfigError> {
    let (_, build) = PROVIDERS.iter().find(|(name, _)| *name == kind).expect("a kind");
    build(&config::Provider {
        name: "p".into(),
        kind: kind.to_owned(),
        settings: Section::from_yaml("providers.p", settings)?,
        catalogue: None,
        protocol: Protocol::default(),
        uplink: Default::default(),
        health: Default::default(),
        rules: std::sync::Arc::default(),
    })
}

/// The member `name` of a body whose caps are plain scalars: its key with quotes, and its value.
fn member(body: &str, name: &str) -> Option<(Span, Span)> {
    let key = format!("\"{name}\"");
    let at = body.find(&format!("{key}:"))?;
    let key = Span { start: at, end: at + key.len() };
    let rest = &body[key.end + 1..];
    let start = key.end + 1 + (rest.len() - rest.trim_start().len());
    let length = body[start..].find([',', '}', ' ']).expect("the object ends");
    Some((key, Span { start, end: start + length }))
}

/// What the parser makes of `body`.
fn ask(api: Api, body: &str) -> Ask {
    let cap = |name: &str| {
        let (key, value) = member(body, name)?;
        Some(CapMember { key, value, tokens: body[value.range()].parse().ok() })
    };
    let caps = Caps {
        insert_at: body.find('{').expect("an object") + 1,
        max_tokens: cap("max_tokens"),
        max_completion_tokens: cap("max_completion_tokens"),
        max_output_tokens: cap("max_output_tokens"),
        ..Caps::default()
    };
    let stream = member(body, "stream").is_some();
    let include_usage =
        (stream && api == Api::ChatCompletions).then_some(IncludeUsage::NoOptions { insert_at: caps.insert_at });
    Ask {
        api,
        body: Draft::copy_of(body.as_bytes()),
        model: "m".to_owned(),
        model_span: member(body, "model").expect("there").1,
        stream,
        include_usage,
        user: None,
        max_output_tokens: caps.tokens(),
        choices: 1,
        text_bytes: 0,
        caps,
        metadata: Vec::new(),
        demand: Demand::default(),
        form: false,
        opening: Default::default(),
        sealed_elsewhere: false,
    }
}

fn written(provider: &dyn Provider, api: Api, body: &str, cap: Option<u64>) -> String {
    let mut ask = ask(api, body);
    let edits = provider.edits(&ask, &MODEL, cap);
    String::from_utf8(ask.body.apply(&edits).to_vec()).expect("text")
}

const LOCAL: &str = "base_url: http://127.0.0.1:1/v1";

#[test]
fn the_cap_is_written_where_the_target_honours_it() {
    use Api::{ChatCompletions, Completions, Messages, Responses};
    let own = "api_key: k";
    let newer = "{ base_url: 'http://127.0.0.1:1/v1', output_cap_field: max_completion_tokens }";
    let older = "output_cap_field: max_tokens";
    let cases = [
        (
            "none was sent to OpenAI",
            "openai",
            own,
            ChatCompletions,
            r#"{"model":"m"}"#,
            r#"{"max_completion_tokens":9,"model":"m"}"#,
        ),
        (
            "none was sent to another server",
            "openai",
            LOCAL,
            ChatCompletions,
            r#"{ "model":"m"}"#,
            r#"{"max_tokens":9, "model":"m"}"#,
        ),
        (
            "the older is lowered in place",
            "openai",
            own,
            ChatCompletions,
            r#"{"model":"m","max_tokens": 100 }"#,
            r#"{"model":"m","max_tokens": 9 }"#,
        ),
        (
            "the newer is lowered in place",
            "openai",
            own,
            ChatCompletions,
            r#"{"max_completion_tokens":100,"model":"m"}"#,
            r#"{"max_completion_tokens":9,"model":"m"}"#,
        ),
        (
            "a server that may know only the older one gets both",
            "openai",
            LOCAL,
            ChatCompletions,
            r#"{"max_completion_tokens":100,"model":"m"}"#,
            r#"{"max_tokens":9,"max_completion_tokens":9,"model":"m"}"#,
        ),
        (
            "also where the client's own is lower, which it keeps",
            "openai",
            LOCAL,
            ChatCompletions,
            r#"{"max_completion_tokens":5,"model":"m"}"#,
            r#"{"max_tokens":5,"max_completion_tokens":5,"model":"m"}"#,
        ),
        (
            "both are lowered, none is raised",
            "openai",
            own,
            ChatCompletions,
            r#"{"max_tokens":5,"model":"m","max_completion_tokens":100}"#,
            r#"{"max_tokens":5,"model":"m","max_completion_tokens":9}"#,
        ),
        (
            "null is no cap",
            "openai",
            own,
            ChatCompletions,
            r#"{"max_tokens":null,"model":"m"}"#,
            r#"{"max_tokens":9,"model":"m"}"#,
        ),
        (
            "the file names the only one",
            "openai",
            newer,
            ChatCompletions,
            r#"{"model":"m","max_tokens":100}"#,
            r#"{"model":"m","max_completion_tokens":9}"#,
        ),
        (
            "the file names the only one, and it is low",
            "openai",
            older,
            ChatCompletions,
            r#"{"model":"m","max_completion_tokens":3}"#,
            r#"{"model":"m","max_tokens":3}"#,
        ),
        (
            "usage and cap are both inserted",
            "openai",
            own,
            ChatCompletions,
            r#"{"model":"m","stream":true}"#,
            r#"{"max_completion_tokens":9,"stream_options":{"include_usage":true},"model":"m","stream":true}"#,
        ),
        ("completions", "openai", own, Completions, r#"{"model":"m"}"#, r#"{"max_tokens":9,"model":"m"}"#),
        ("responses", "openai", own, Responses, r#"{"model":"m"}"#, r#"{"max_output_tokens":9,"model":"m"}"#),
        (
            "responses, lowered",
            "openai",
            newer,
            Responses,
            r#"{"model":"m","max_output_tokens":10}"#,
            r#"{"model":"m","max_output_tokens":9}"#,
        ),
        ("embeddings have no output", "openai", own, Api::Embeddings, r#"{"model":"m"}"#, r#"{"model":"m"}"#),
        (
            "messages",
            "anthropic",
            own,
            Messages,
            r#"{"model":"m","max_tokens":1000}"#,
            r#"{"model":"m","max_tokens":9}"#,
        ),
        (
            "messages without the member that they must have",
            "anthropic",
            own,
            Messages,
            r#"{"model":"m"}"#,
            r#"{"max_tokens":9,"model":"m"}"#,
        ),
        ("counting has no output", "anthropic", own, Api::CountTokens, r#"{"model":"m"}"#, r#"{"model":"m"}"#),
    ];
    for (name, kind, settings, api, body, want) in cases {
        let provider = provider(kind, settings).expect(name);
        let got = written(&*provider, api, body, Some(9));
        assert_eq!(got, want, "{name}");
        if !body.contains("stream") {
            assert_eq!(written(&*provider, api, body, None), body, "{name}: no cap, no change");
        }
    }
}

#[test]
fn a_cap_field_that_does_not_exist_is_refused_with_its_path() {
    for field in ["max_output_tokens", "max_new_tokens"] {
        let error = provider("openai", &format!("output_cap_field: {field}")).expect_err(field);
        assert_eq!(error.path, "providers.p.output_cap_field", "{error}");
    }
}

fn body() -> impl Strategy<Value = String> {
    let cap = || proptest::option::of(prop_oneof![Just("null".to_owned()), (0u64..200).prop_map(|n| n.to_string())]);
    let others = proptest::collection::vec("[1-9][0-9]?|\"é{0,3}\"|\\[1 ,\\{\\}\\]", 0..4);
    (cap(), cap(), others, any::<prop::sample::Index>(), " ?").prop_map(|(older, newer, others, at, space)| {
        let others = others.iter().enumerate().map(|(n, value)| format!("\"k{n}\":{space}{value}"));
        let mut members: Vec<String> = others.collect();
        members.extend(older.map(|value| format!("\"max_tokens\":{space}{value}")));
        members.extend(newer.map(|value| format!("\"max_completion_tokens\":{space}{value}")));
        members.insert(at.index(members.len() + 1), "\"model\":\"m\"".to_owned());
        let turn = at.index(members.len());
        members.rotate_left(turn);
        format!("{{{space}{}}}", members.join(&format!(",{space}")))
    })
}

proptest! {
    /// What goes up is strict JSON, caps every answer, and differs from what was sent in the cap alone.
    #[test]
    fn a_cap_changes_nothing_but_the_cap(body in body(), cap in 1u64..150, only in any::<bool>(), again in 1u64..150) {
        let settings = if only { "output_cap_field: max_completion_tokens" } else { "api_key: k" };
        let provider = provider("openai", settings).expect("right");
        let mut ask = ask(Api::ChatCompletions, &body);
        for cap in [cap, again] {
            let edits = provider.edits(&ask, &MODEL, Some(cap));
            let sent = ask.body.apply(&edits);
            let text = String::from_utf8_lossy(&sent).into_owned();
            let twice = |name: &str| text.matches(&format!("\"{name}\"")).count() > 1;
            prop_assert!(!twice("max_tokens") && !twice("max_completion_tokens"), "{text}");
            let sent: Value = serde_json::from_slice(&sent).expect("JSON");
            let mut want: Value = serde_json::from_str(&body).expect("JSON");
            let names = ["max_tokens", "max_completion_tokens"];
            let taken: Vec<_> = names.iter().filter_map(|name| Some((*name, want.as_object_mut()?.remove(*name)?))).collect();
            for (name, value) in &taken {
                let name = if only && taken.len() == 1 { "max_completion_tokens" } else { name };
                want[name] = json!(value.as_u64().map_or(cap, |sent| sent.min(cap)));
            }
            if taken.is_empty() {
                want["max_completion_tokens"] = json!(cap);
            }
            prop_assert_eq!(sent, want);
        }
    }
}

#[test]
fn the_cap_of_a_generation_is_lowered_in_place_or_put_where_it_belongs() {
    let at = |body: &str, text: &str| {
        let start = body.find(text).expect("there");
        Span { start, end: start + text.len() }
    };
    let member = |body: &str, value: &str, tokens| {
        let key = at(body, "\"maxOutputTokens\"");
        GenerationCap::Member(CapMember { key, value: at(body, value), tokens })
    };
    let (high, low, null) = (
        r#"{"generationConfig":{"maxOutputTokens":100}}"#,
        r#"{"generationConfig":{"maxOutputTokens":5}}"#,
        r#"{"generationConfig":{"maxOutputTokens":null}}"#,
    );
    let cases = [
        ("{}", GenerationCap::NoConfig { empty: true }, r#"{"generationConfig":{"maxOutputTokens":9}}"#),
        (r#"{"a":1}"#, GenerationCap::NoConfig { empty: false }, r#"{"generationConfig":{"maxOutputTokens":9},"a":1}"#),
        (
            r#"{"generationConfig":null}"#,
            GenerationCap::NullConfig(at(r#"{"generationConfig":null}"#, "null")),
            r#"{"generationConfig":{"maxOutputTokens":9}}"#,
        ),
        (
            r#"{"generationConfig":{"topP":1}}"#,
            GenerationCap::NoMember { insert_at: 21, empty: false },
            r#"{"generationConfig":{"maxOutputTokens":9,"topP":1}}"#,
        ),
        (
            r#"{"generationConfig":{}}"#,
            GenerationCap::NoMember { insert_at: 21, empty: true },
            r#"{"generationConfig":{"maxOutputTokens":9}}"#,
        ),
        (high, member(high, "100", Some(100)), r#"{"generationConfig":{"maxOutputTokens":9}}"#),
        (low, member(low, "5", Some(5)), low),
        (null, member(null, "null", None), r#"{"generationConfig":{"maxOutputTokens":9}}"#),
        (high, GenerationCap::Foreign, high),
    ];
    for (body, generation, want) in cases {
        let mut edits = Edits::new();
        write_generation(&Caps { insert_at: 1, generation, ..Caps::default() }, 9, &mut edits);
        let sent = Draft::copy_of(body.as_bytes()).apply(&edits);
        assert_eq!(std::str::from_utf8(&sent), Ok(want), "{body}");
    }
}
