//! What each upstream API can be told: the matrix of the README, and for each of its cells a request that shows it.

use crate::config::{self, Section};
use crate::dialect;
use crate::model::{Api, Carry, Chat, Draft, Feature};
use crate::providers::PROVIDERS;
use crate::providers::Provider;
use crate::providers::codec::Goal;
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
                ca_file: None,
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
        _ => "m",
    }
}

/// A request that uses a feature, and what of it must be found in what is sent, in one of these spellings.
struct Probe {
    feature: Feature,
    api: Api,
    body: String,
    found: &'static [&'static str],
}

const MESSAGES: &str = r#""messages":[{"role":"user","content":"hi"}]"#;

fn chat(feature: Feature, rest: &str, found: &'static [&'static str]) -> Probe {
    let body = format!(r#"{{"model":"m",{rest}{}{MESSAGES}}}"#, if rest.is_empty() { "" } else { "," });
    Probe { feature, api: Api::ChatCompletions, body, found }
}

/// A user's turn with one part beside its text.
fn part(feature: Feature, part: &str, found: &'static [&'static str]) -> Probe {
    let body =
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"text","text":"hi"}},{part}]}}]}}"#);
    Probe { feature, api: Api::ChatCompletions, body, found }
}

/// A request in Anthropic's dialect with these messages, and `rest` beside them.
fn messages(feature: Feature, rest: &str, turns: &str, found: &'static [&'static str]) -> Probe {
    let body = format!(r#"{{"model":"m","max_tokens":9000,{rest}"messages":[{turns}]}}"#);
    Probe { feature, api: Api::Messages, body, found }
}

fn responses(feature: Feature, rest: &str, found: &'static [&'static str]) -> Probe {
    let body = format!(r#"{{"model":"m","input":"hi",{rest}}}"#);
    Probe { feature, api: Api::Responses, body, found }
}

const HI: &str = r#"{"role":"user","content":"hi"}"#;
const TOOL: &str = r#""tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]"#;

fn called(result: &str) -> String {
    format!(
        r#"{HI},{{"role":"assistant","content":[{{"type":"tool_use","id":"toolu_1","name":"f","input":{{}}}}]}},
        {{"role":"user","content":[{{"type":"tool_result","tool_use_id":"toolu_1",{result}}}]}}"#
    )
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn probes() -> Vec<Probe> {
    use Feature as F;
    let image = r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,SU1BR0U=","detail":"low"}}"#;
    vec![
        part(F::ImageInline, image, &["SU1BR0U="]),
        part(F::ImageDetail, image, &[r#""detail":"low""#]),
        part(
            F::ImageUrl,
            r#"{"type":"image_url","image_url":{"url":"https://example.com/mark.png"}}"#,
            &["example.com/mark.png"],
        ),
        part(
            F::DocumentInline,
            r#"{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,UERG"}}"#,
            &["UERG"],
        ),
        messages(
            F::DocumentUrl,
            "",
            r#"{"role":"user","content":[{"type":"document","source":{"type":"url","url":"https://example.com/mark.pdf"}}]}"#,
            &["example.com/mark.pdf"],
        ),
        part(F::FileId, r#"{"type":"file","file":{"file_id":"file-mark"}}"#, &["file-mark"]),
        part(
            F::AudioInput,
            r#"{"type":"input_audio","input_audio":{"data":"QVVESU8=","format":"wav"}}"#,
            &["QVVESU8="],
        ),
        messages(
            F::RichToolResult,
            "",
            &called(
                r#""content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"UklDSA=="}}]"#,
            ),
            &["UklDSA=="],
        ),
        messages(
            F::FailedToolResult,
            "",
            &called(r#""is_error":true,"content":"no""#),
            &[r#""is_error":true"#, r#""status":"error""#, r#"{"error":"no"}"#],
        ),
        chat(
            F::ForcedTool,
            &format!(r#"{TOOL},"tool_choice":"required""#),
            &[r#""tool_choice":"required""#, r#""any""#, r#""ANY""#],
        ),
        chat(
            F::ParallelToolControl,
            &format!(r#"{TOOL},"parallel_tool_calls":false"#),
            &["parallel_tool_calls", "disable_parallel_tool_use"],
        ),
        chat(
            F::StrictTool,
            r#""tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object"}}}]"#,
            &[r#""strict":true"#],
        ),
        chat(F::CustomTool, r#""tools":[{"type":"custom","custom":{"name":"markcustom"}}]"#, &["markcustom"]),
        responses(F::HostedTool, r#""tools":[{"type":"web_search"}]"#, &["web_search"]),
        chat(
            F::JsonObject,
            r#""response_format":{"type":"json_object"}"#,
            &["json_object", "application/json", "wb_json_answer"],
        ),
        chat(
            F::JsonSchema,
            r#""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","properties":{"markprop":{"type":"string"}}}}}"#,
            &["markprop"],
        ),
        chat(F::Temperature, r#""temperature":0.4375"#, &["0.4375"]),
        chat(F::TopP, r#""top_p":0.5625"#, &["0.5625"]),
        messages(F::TopK, r#""top_k":37,"#, HI, &[":37"]),
        chat(F::Penalties, r#""frequency_penalty":0.3125"#, &["0.3125"]),
        chat(F::Seed, r#""seed":424242"#, &["424242"]),
        chat(F::LogitBias, r#""logit_bias":{"4242":-7}"#, &["4242"]),
        chat(F::StopSequences, r#""stop":["MARKSTOP"]"#, &["MARKSTOP"]),
        chat(F::Logprobs, r#""logprobs":true,"top_logprobs":3"#, &["logprobs"]),
        chat(F::Choices, r#""n":2"#, &[r#""n":2"#, r#""candidateCount":2"#]),
        chat(
            F::ReasoningEffort,
            r#""reasoning_effort":"high","max_completion_tokens":30000"#,
            &["reasoning_effort", r#""thinking""#, "thinkingConfig", r#""reasoning":{"#, r#""effort""#],
        ),
        chat(
            F::AudioOutput,
            r#""modalities":["text","audio"],"audio":{"voice":"markvoice","format":"wav"}"#,
            &["markvoice"],
        ),
        chat(F::Prediction, r#""prediction":{"type":"content","content":"markpred"}"#, &["markpred"]),
        responses(F::ServerState, r#""previous_response_id":"resp_mark""#, &["resp_mark"]),
        responses(F::Background, r#""background":true"#, &["background"]),
        messages(
            F::CacheMarkers,
            r#""system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"#,
            HI,
            &["cache_control", "cachePoint"],
        ),
        chat(F::CacheKey, r#""prompt_cache_key":"markkey""#, &["markkey"]),
        messages(F::ServiceTier, r#""service_tier":"standard_only","#, HI, &["service_tier", "serviceTier"]),
        chat(F::User, r#""user":"markuser""#, &["markuser"]),
        chat(F::Metadata, r#""metadata":{"marklabel":"x"}"#, &["marklabel"]),
        chat(F::Store, r#""store":true"#, &[r#""store":true"#]),
        chat(F::Verbosity, r#""verbosity":"low""#, &["verbosity"]),
        chat(F::Unknown, r#""x_mark":1"#, &["x_mark"]),
        Probe {
            feature: F::ParticipantName,
            api: Api::ChatCompletions,
            body: r#"{"model":"m","messages":[{"role":"user","name":"markname","content":"hi"}]}"#.to_owned(),
            found: &["markname"],
        },
        Probe {
            feature: F::PlainReasoning,
            api: Api::ChatCompletions,
            body: format!(
                r#"{{"model":"m","messages":[{HI},{{"role":"assistant","reasoning_content":"markthought","content":"a"}},{HI}]}}"#
            ),
            found: &["markthought"],
        },
    ]
}

fn decoded(probe: &Probe) -> Chat {
    let ask = dialect::parse(probe.api, Draft::copy_of(probe.body.as_bytes()))
        .unwrap_or_else(|bad| panic!("{:?}: {bad}: {}", probe.feature, probe.body));
    dialect::decode(&ask).unwrap_or_else(|bad| panic!("{:?}: {bad}", probe.feature)).expect("a conversation")
}

#[test]
fn what_a_request_uses_is_noted_and_goes_up_exactly_where_the_matrix_says_so() {
    let mut wrong = String::new();
    for probe in probes() {
        let chat = decoded(&probe);
        if !chat.uses.iter().any(|used| used.feature == probe.feature) {
            writeln!(wrong, "{:?} is not noted: {:?}", probe.feature, chat.uses).expect("a string takes all");
        }
        for (name, provider) in kinds() {
            let codec = provider.codec().expect("it translates");
            let goal = Goal { model: model_of(&name), cap: None, most_output: Some(64_000) };
            let sent = codec.encode(&chat, &goal);
            let text = std::str::from_utf8(&sent).expect("UTF-8");
            serde_json::from_str::<serde::de::IgnoredAny>(text).unwrap_or_else(|e| panic!("{name}: {e}: {text}"));
            let found = probe.found.iter().any(|found| text.contains(found));
            let carried = codec.carries(probe.feature, goal.model) != Carry::No;
            if found != carried {
                let row = format!("{:?} at {name}: carried {carried}, found {found}: {text}", probe.feature);
                writeln!(wrong, "{row}").expect("a string takes all");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
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
}
