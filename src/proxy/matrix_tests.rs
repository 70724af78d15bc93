//! What each upstream API can be told: the matrix of the README, and for each of its cells a request that shows it.

mod probes;

use crate::config::{self, Section};
use crate::dialect;
use crate::model::{Api, Carry, Chat, Draft, Feature};
use crate::providers::PROVIDERS;
use crate::providers::Provider;
use crate::providers::codec::Goal;
use probes::{Probe, marks, probes};
use std::fmt::Write as _;
use std::sync::Arc;

/// The kinds that translate, each as its settings make it.
fn kinds() -> Vec<(String, Arc<dyn Provider>)> {
    let settings = |kind: &str| match kind {
        "bedrock" => vec![("bedrock", "{ region: us-east-1, access_key_id: AKIDEXAMPLE, secret_access_key: x }")],
        "vertex" => {
            ["vertex, Gemini", "vertex, Claude"].map(|name| (name, "{ project: p, credentials: metadata }")).into()
        }
        "azure" => vec![("azure", "{ base_url: 'https://x.openai.azure.com', api_key: x }")],
        "openai" => vec![
            ("openai", "{ api_key: x }"),
            ("openai, translate_to: responses", "{ api_key: x, translate_to: responses }"),
            ("openai, with a base_url", "{ base_url: 'http://127.0.0.1:9/v1' }"),
        ],
        _ => vec![("", "{ api_key: x }")],
    };
    let mut kinds = Vec::new();
    for (kind, build) in PROVIDERS {
        for (name, yaml) in settings(kind) {
            let section = Section::from_yaml("providers.p", yaml).expect("it is YAML");
            let provider = build(&config::Provider {
                name: "p".into(),
                kind: (*kind).to_owned(),
                settings: section,
                catalogue: None,
                protocol: config::Protocol::default(),
                uplink: Default::default(),
                health: Default::default(),
                rules: Arc::default(),
            });
            let name = if name.is_empty() { (*kind).to_owned() } else { name.to_owned() };
            let provider: Arc<dyn Provider> = Arc::from(provider.expect("the settings are right"));
            let provider = provider.for_model(model_of(&name)).expect("it speaks it").unwrap_or(provider);
            if provider.codec().is_some() {
                kinds.push((name, provider));
            }
        }
    }
    kinds
}

/// A model that can do what its API can say; of a column's name.
fn model_of(column: &str) -> &'static str {
    match column {
        "anthropic" | "vertex, Claude" => "claude-sonnet-4-5",
        "bedrock" => "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "gemini" | "vertex, Gemini" => "gemini-3-pro",
        "cohere" => "command-a-reasoning-08-2025",
        _ => "m",
    }
}

fn decoded(probe: &Probe) -> Chat {
    let draft = Draft::copy_of(probe.body.as_bytes());
    let ask = match probe.api {
        Api::Generate => dialect::parse_generate("m", false, draft),
        api => dialect::parse(api, draft),
    };
    let ask = ask.unwrap_or_else(|bad| panic!("{:?} in {}: {bad}: {}", probe.feature, probe.api, probe.body));
    let chat = dialect::decode(&ask);
    chat.unwrap_or_else(|bad| panic!("{:?} in {}: {bad}", probe.feature, probe.api)).expect("a conversation")
}

/// Each cell of dialect × provider × feature.
#[test]
fn what_a_request_uses_is_noted_and_goes_up_exactly_where_the_matrix_says_so() {
    let mut wrong = String::new();
    let kinds = kinds();
    for probe in probes() {
        let chat = decoded(&probe);
        if !chat.uses.iter().any(|used| used.feature == probe.feature) {
            let row = format!("{:?} in {} is not noted: {:?}", probe.feature, probe.api, chat.uses);
            writeln!(wrong, "{row}").expect("a string takes all");
        }
        for (name, provider) in &kinds {
            let codec = provider.codec().expect("it translates");
            let goal = Goal { model: model_of(name), cap: None, most_output: Some(64_000) };
            let sent = codec.encode(&chat, &goal);
            let text = std::str::from_utf8(&sent).expect("UTF-8");
            serde_json::from_str::<serde::de::IgnoredAny>(text).unwrap_or_else(|e| panic!("{name}: {e}: {text}"));
            let found = marks(probe.feature).iter().any(|mark| text.contains(mark));
            let carried = codec.carries(probe.feature, goal.model) != Carry::No;
            let told = codec.leaves_out(&chat, &goal).iter().any(|used| used.feature == probe.feature);
            if found != (carried && !told) {
                let cell = format!("{:?} from {} at {name}", probe.feature, probe.api);
                writeln!(wrong, "{cell}: carried {carried}, told {told}, found {found}: {text}")
                    .expect("a string takes all");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// How each dialect says each feature, as it stands in the README.
fn words() -> String {
    let probes = probes();
    let apis = [Api::ChatCompletions, Api::Responses, Api::Messages, Api::Generate];
    let mut table =
        String::from("| | chat completions | responses | messages | generateContent |\n|---|---|---|---|---|");
    for feature in Feature::ALL {
        write!(table, "\n| {} |", feature.label()).expect("a string takes all");
        for api in apis {
            let probe = probes.iter().find(|probe| (probe.feature, probe.api) == (feature, api));
            write!(table, " {} |", probe.map_or("–", |probe| probe.says)).expect("a string takes all");
        }
    }
    table
}

/// The matrix as it stands in the README.
fn matrix() -> String {
    let kinds = kinds();
    let mut table = String::from("| |");
    for (name, _) in &kinds {
        write!(table, " {name} |").expect("a string takes all");
    }
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(kinds.len()));
    for feature in Feature::ALL {
        write!(table, "\n| {} |", feature.label()).expect("a string takes all");
        for (name, provider) in &kinds {
            let word = match provider.codec().expect("it translates").carries(feature, model_of(name)) {
                Carry::Yes => "yes",
                Carry::Emulated => "emulated",
                Carry::No if feature.is_hint() => "dropped",
                Carry::No => "refused",
            };
            write!(table, " {word} |").expect("a string takes all");
        }
    }
    table
}

#[test]
fn the_readme_shows_the_matrix_as_it_is() {
    let matrix = matrix();
    let readme = include_str!("../../README.md");
    assert!(readme.contains(&matrix), "the matrix in README.md (\"Translation\") must read:\n{matrix}");
    let words = words();
    assert!(readme.contains(&words), "the table of the dialects' words there must read:\n{words}");
}
