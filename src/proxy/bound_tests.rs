//! What is reserved, case by case, and the laws of the arithmetic.

#[path = "bound_media_tests.rs"]
mod media;

use super::*;
use crate::catalogue::{Catalogue, override_price};
use crate::dialect;
use crate::model::{Api, Draft, Usage};
use crate::tokens::{Encoding, count_input, count_text};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A target without a server.
struct Place {
    maker: Maker,
    model: String,
    price: Option<Price>,
    limits: (Option<u64>, Option<u64>),
    learned: Learned,
}

impl Place {
    /// A model of the list: `openai/gpt-4o`.
    fn listed(name: &str) -> Self {
        let (provider, model) = name.split_once('/').expect("a provider and a model");
        let limits = Catalogue::builtin().limits(provider, model).expect(name);
        Self {
            maker: if provider == "openai" { Maker::OpenAi } else { Maker::Anthropic },
            model: model.to_owned(),
            price: Catalogue::builtin().find(provider, model),
            limits: (limits.max_input_tokens, limits.max_output_tokens),
            learned: Learned::default(),
        }
    }

    /// A server of which nothing is known but a price of 1 and 2 USD.
    fn unknown() -> Self {
        let price = [("input", "1"), ("output", "2")].map(|(class, rate)| (class.to_owned(), rate.to_owned()));
        let price = override_price("m", &BTreeMap::from(price), None).expect("a price");
        let (model, learned) = ("m".to_owned(), Learned::default());
        Self { maker: Maker::Other, model, price: Some(price), limits: (None, None), learned }
    }

    fn bound(&self, ask: &Ask) -> Result<Bound, Unbounded> {
        self.bound_by(ask, &Budgeting::default(), 256)
    }

    fn bound_by(&self, ask: &Ask, budgeting: &Budgeting, least: u64) -> Result<Bound, Unbounded> {
        let terms = Terms {
            maker: self.maker,
            model: &self.model,
            price: self.price.as_ref(),
            max_input_tokens: self.limits.0,
            max_output_tokens: self.limits.1,
            learned: &self.learned,
            codec: None,
            by_search: false,
        };
        bound_on(ask, &terms, budgeting, least)
    }
}

fn ask(api: Api, rest: &str) -> Ask {
    let body = format!(r#"{{"model":"m",{rest}}}"#);
    dialect::parse(api, Draft::copy_of(body.as_bytes())).expect(rest)
}

fn chat(rest: &str) -> Ask {
    ask(Api::ChatCompletions, &format!(r#""messages":[{{"role":"user","content":"hi"}}]{rest}"#))
}

#[test]
fn a_plain_chat_holds_its_bytes_and_its_cap() {
    let ask = chat(r#","max_tokens":1000,"n":2"#);
    let bound = Place::listed("openai/gpt-4o").bound(&ask).expect("bounded");
    let input = ask.body.len() as u64 + FRAME;
    assert_eq!((bound.input_tokens, bound.output_cap, bound.choices), (input, 1_000, 2));
    assert_eq!((bound.client_cap, bound.min_output, bound.write_cap, bound.fixed_nano), (Some(1_000), 256, false, 0));
    let nano = i64::try_from(input * 2_500 + 2_000 * 10_000).expect("small");
    assert_eq!(bound.worst(1_000), (Some(nano), i64::try_from(input + 2_000).expect("small")));
}

#[test]
fn the_cap_is_the_clients_else_the_models_else_the_default_which_is_written() {
    let (listed, unknown) = (Place::listed("openai/gpt-4o"), Place::unknown());
    let cases = [
        ("the client's", &listed, r#","max_completion_tokens":7"#, (7, Some(7), false, 7)),
        ("the larger of two", &listed, r#","max_completion_tokens":7,"max_tokens":9"#, (9, Some(9), false, 9)),
        ("the model's", &listed, "", (16_384, None, false, 256)),
        ("null", &listed, r#","max_tokens":null"#, (16_384, None, false, 256)),
        ("the default", &unknown, "", (4_096, None, true, 256)),
        ("the client's again", &unknown, r#","max_tokens":100000"#, (100_000, Some(100_000), false, 256)),
    ];
    for (name, place, rest, want) in cases {
        let bound = place.bound(&chat(rest)).expect(name);
        assert_eq!((bound.output_cap, bound.client_cap, bound.write_cap, bound.min_output), want, "{name}");
    }
}

#[test]
fn calls_without_output_hold_their_input_or_nothing() {
    let embeddings = ask(Api::Embeddings, r#""input":"some words""#);
    let bound = Place::listed("openai/text-embedding-3-small").bound(&embeddings).expect("bounded");
    assert_eq!((bound.output_cap, bound.min_output, bound.write_cap), (0, 0, false));
    let (nano, tokens) = bound.worst(0);
    assert_eq!(tokens, i64::try_from(embeddings.body.len() as u64 + FRAME).expect("small"));
    assert_eq!(nano, Some(tokens * 20));
    let count =
        ask(Api::CountTokens, r#""messages":[{"role":"user","content":"hi"}],"mcp_servers":[{}],"speed":"fast""#);
    let bound = Place::listed("anthropic/claude-haiku-4-5").bound(&count).expect("free");
    assert_eq!((bound.worst(0), bound.affordable_cap(Some(0), Some(0))), ((Some(0), 0), 0));
}

#[test]
fn what_cannot_be_seen_is_bounded_by_the_window_or_refused_by_name() {
    let document = r#""max_tokens":10,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"https://x"}}]}]"#;
    let path = "messages[0].content[0].source.url";
    let video = r#""messages":[{"role":"user","content":[{"type":"video_url","video_url":{"url":"https://x"}}]}]"#;
    let picture = r#""messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x"}}]}]"#;
    let (gpt, claude, unknown) =
        (Place::listed("openai/gpt-4o"), Place::listed("anthropic/claude-haiku-4-5"), Place::unknown());
    let windowed = Place { limits: (Some(32_768), None), ..Place::unknown() };
    let cases = [
        (&claude, Api::Messages, document, Ok(200_000)),
        (&unknown, Api::Messages, document, Err(path)),
        (&windowed, Api::Messages, document, Ok(32_768)),
        (&gpt, Api::Responses, r#""input":"hi","previous_response_id":"r""#, Ok(128_000)),
        (&unknown, Api::Responses, r#""input":"hi","previous_response_id":"r""#, Err("previous_response_id")),
        (&unknown, Api::ChatCompletions, video, Err("messages[0].content[0]")),
        (&unknown, Api::ChatCompletions, picture, Err("messages[0].content[0]")),
        (&windowed, Api::ChatCompletions, picture, Ok(32_768)),
        (&gpt, Api::Responses, r#""input":"hi","background":true"#, Err("background")),
        (&gpt, Api::ChatCompletions, r#""web_search_options":{}"#, Err("web_search_options")),
        (&gpt, Api::ChatCompletions, r#""service_tier":"ultrafast""#, Err("service_tier")),
        (&claude, Api::Messages, r#""speed":"fast","max_tokens":9"#, Err("speed")),
        (
            &claude,
            Api::Messages,
            r#""thinking":{"type":"enabled","budget_tokens":2000},"max_tokens":2000"#,
            Err("thinking.budget_tokens"),
        ),
    ];
    for (place, api, rest, want) in cases {
        let got = place.bound(&ask(api, rest));
        match want {
            Ok(input) => assert_eq!(got.expect(rest).input_tokens, input, "{rest}"),
            Err(field) => assert_eq!(got.expect_err(rest).field, field, "{rest}"),
        }
    }
    let search = Place { model: "gpt-4o-search-preview".to_owned(), ..Place::listed("openai/gpt-4o") };
    assert_eq!(
        search.bound(&chat("")).expect_err("searches unasked").to_string(),
        "nothing bounds what `model` may cost"
    );
}

#[test]
fn a_body_larger_than_the_window_holds_its_bytes() {
    let windowed = Place { limits: (Some(10), None), ..Place::unknown() };
    let ask = ask(Api::Responses, r#""input":"hi","conversation":"c""#);
    assert_eq!(windowed.bound(&ask).expect("bounded").input_tokens, ask.body.len() as u64 + FRAME);
}

#[test]
fn hosted_tools_cost_their_fee_and_the_window_for_each_call() {
    let (gpt, claude) = (Place::listed("openai/gpt-4o"), Place::listed("anthropic/claude-haiku-4-5"));
    let responses = |tools: &str, rest: &str| {
        ask(Api::Responses, &format!(r#""input":"hi","max_output_tokens":10,"tools":[{tools}]{rest}"#))
    };
    let bound = gpt
        .bound(&responses(r#"{"type":"web_search"},{"type":"file_search"}"#, r#","max_tool_calls":3"#))
        .expect("bounded");
    assert_eq!((bound.input_tokens, bound.fixed_nano, bound.choices), (4 * 128_000, 4 * 10_000_000, 1));
    let bound =
        gpt.bound(&responses(r#"{"type":"function","name":"f"},{"type":"apply_patch"}"#, "")).expect("the client's");
    assert_eq!((bound.fixed_nano, bound.choices), (0, 1));
    let refused = [
        (r#"{"type":"web_search"}"#, "", "max_tool_calls"),
        (r#"{"type":"web_search"},{"type":"mcp"}"#, r#","max_tool_calls":3"#, "tools[1]"),
        (r#"{"type":"image_generation"}"#, r#","max_tool_calls":3"#, "tools[0]"),
        (
            r#"{"type":"code_interpreter","container":{"type":"auto","memory_limit":"64g"}}"#,
            r#","max_tool_calls":3"#,
            "tools[0]",
        ),
    ];
    for (tools, rest, field) in refused {
        assert_eq!(gpt.bound(&responses(tools, rest)).expect_err(tools).field, field, "{tools}");
    }
    let messages = |tools: &str| ask(Api::Messages, &format!(r#""max_tokens":10,"messages":[],"tools":[{tools}]"#));
    let two = r#"{"type":"web_search_20250305","name":"web_search","max_uses":2},{"type":"web_fetch_20250910","name":"f","max_uses":1}"#;
    let bound = claude.bound(&messages(two)).expect("bounded");
    assert_eq!((bound.input_tokens, bound.fixed_nano, bound.choices), (4 * 200_000, 2 * 10_000_000, 4));
    let open = messages(r#"{"type":"web_search_20250305","name":"web_search"}"#);
    assert_eq!(claude.bound(&open).expect_err("no most").field, "tools[0].max_uses");
    let code = messages(r#"{"type":"code_execution_20250522","name":"code_execution"}"#);
    assert_eq!(claude.bound(&code).expect_err("by the hour").field, "tools[0]");
}

#[test]
fn pictures_hold_the_most_that_their_makers_publish() {
    let picture =
        |detail: &str| chat(&format!(r#","x":[{{"type":"image_url","image_url":{{"url":"https://x"{detail}}}}}]"#));
    let low = r#","detail":"low""#;
    let cases = [
        ("openai/gpt-4o", "", 1_445 + 100),
        ("openai/gpt-4o", low, 85 + 100),
        ("openai/gpt-4o-mini", "", 48_169 + 100),
        ("openai/gpt-4.1-mini", low, 3_779 + 100),
        ("openai/gpt-5", "", 1_445 + 100),
        ("openai/gpt-5.6", low, 24_600 + 100),
        ("anthropic/claude-haiku-4-5", "", 5_000),
    ];
    for (name, detail, want) in cases {
        let ask = picture(detail);
        let bound = Place::listed(name).bound(&ask).expect(name);
        assert_eq!(bound.input_tokens, ask.body.len() as u64 + FRAME + want, "{name} {detail}");
    }
}

#[test]
fn the_dearest_class_that_can_be_reached_is_held() {
    let per_million = |name: &str, api, rest: &str| {
        let ask = ask(api, rest);
        let bound = Place::listed(name).bound(&ask).expect(rest);
        let rates = bound.rates.expect("priced");
        (rates.input.expect("input") / 10_000_000, rates.output.expect("output") / 10_000_000)
    };
    let haiku = "anthropic/claude-haiku-4-5";
    let plain = r#""max_tokens":9,"messages":[]"#;
    let cases = [
        ("no marker", haiku, Api::Messages, plain.to_owned(), (100, 500)),
        ("a marker", haiku, Api::Messages, format!(r#"{plain},"cache_control":{{"type":"ephemeral"}}"#), (125, 500)),
        ("for an hour", haiku, Api::Messages, format!(r#"{plain},"cache_control":{{"ttl":"1h"}}"#), (200, 500)),
        ("OpenAI writes unasked", "openai/gpt-5.6", Api::Responses, r#""input":"a""#.to_owned(), (500, 2_000)),
        ("no tier", "openai/gpt-5", Api::Responses, r#""input":"a""#.to_owned(), (125, 1_000)),
        ("flex may be standard", "openai/gpt-5", Api::Responses, r#""service_tier":"flex""#.to_owned(), (125, 1_000)),
        ("auto may be priority", "openai/gpt-5", Api::Responses, r#""service_tier":"auto""#.to_owned(), (250, 2_000)),
        ("default is standard", "openai/gpt-5", Api::Responses, r#""service_tier":"default""#.to_owned(), (125, 1_000)),
        (
            "speech",
            "openai/gpt-4o-audio-preview-2025-06-03",
            Api::ChatCompletions,
            r#""modalities":["text","audio"]"#.to_owned(),
            (250, 8_000),
        ),
    ];
    for (name, model, api, rest, want) in cases {
        assert_eq!(per_million(model, api, &rest), want, "{name}");
    }
}

#[test]
fn sound_is_held_at_its_own_rate_and_is_unpriced_where_it_has_none() {
    let data = "A".repeat(3_200);
    let ask = chat(&format!(
        r#","x":[{{"type":"input_audio","input_audio":{{"data":"{data}","format":"wav"}}}}],"max_tokens":1"#
    ));
    let bound = Place::listed("openai/gpt-4o-audio-preview-2025-06-03").bound(&ask).expect("bounded");
    let text = ask.body.len() as u64 - 3_200 + FRAME;
    assert_eq!((bound.input_tokens, bound.audio_tokens), (text + 100, 100));
    assert_eq!(bound.worst(0).0, i64::try_from(text * 2_500 + 100 * 40_000).ok());
    assert_eq!(Place::listed("openai/gpt-4o").bound(&ask).expect("bounded").worst(0).0, None, "no rate of sound");
}

#[test]
fn thinking_raises_the_least_cap_and_a_region_the_price() {
    let claude = Place::listed("anthropic/claude-sonnet-4-5");
    let thinking = ask(Api::Messages, r#""max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":4096}"#);
    assert_eq!(claude.bound(&thinking).expect("bounded").min_output, 4_096 + 256);
    let tight = ask(Api::Messages, r#""max_tokens":4100,"thinking":{"type":"enabled","budget_tokens":4096}"#);
    assert_eq!(claude.bound(&tight).expect("bounded").min_output, 4_100, "never above what the client asks for");
    let (here, there) =
        (ask(Api::Messages, r#""max_tokens":10,"inference_geo":"us""#), r#""max_tokens":10,"inference_ge_":"us""#);
    let (here, there) =
        (claude.bound(&here).expect("bounded"), claude.bound(&ask(Api::Messages, there)).expect("bounded"));
    assert_eq!(here.worst(10).0, there.worst(10).0.map(|nano| nano * 11 / 10));
}

#[test]
fn an_unknown_price_is_no_money_but_tokens() {
    let place = Place { price: None, ..Place::unknown() };
    let ask = chat(r#","max_tokens":10"#);
    let bound = place.bound(&ask).expect("bounded");
    let input = ask.body.len() as u64 + FRAME;
    assert_eq!(bound.worst(10), (None, i64::try_from(input + 10).expect("small")));
    assert_eq!(bound.affordable_cap(Some(0), None), 10, "money says nothing");
    assert_eq!(bound.affordable_cap(None, i64::try_from(input + 4).ok()), 4);
}

#[test]
fn estimates_that_learn_hold_less() {
    let learned = Learned::default();
    (0..20).for_each(|_| learned.observe(4_000, 1_000));
    let place = Place { learned, ..Place::unknown() };
    let budgeting = Budgeting { estimates: Estimates::Learned, ..Budgeting::default() };
    let ask = chat(&format!(r#","x":"{}""#, "word ".repeat(2_000)));
    let strict = place.bound(&ask).expect("bounded").input_tokens;
    let learned = place.bound_by(&ask, &budgeting, 256).expect("bounded").input_tokens;
    assert!(learned < strict / 3, "{learned} of {strict}");
}

/// The file's word, else the catalogue's; by the same look-up as the price.
#[test]
fn targets_know_their_limits() {
    let stage = crate::proxy::staging::Stage::new();
    let cases = [
        ("counted", Some(128_000), Some(16_384), Maker::OpenAi),
        ("timed", Some(128_000), Some(99), Maker::OpenAi),
        ("claude", Some(200_000), Some(64_000), Maker::Anthropic),
        ("unpriced", None, None, Maker::Other),
    ];
    for (model, input, output, maker) in cases {
        let route = stage.snapshot.table.find(model).expect(model);
        let terms = Terms::of(&route.targets[0], &chat(""));
        assert_eq!((terms.max_input_tokens, terms.max_output_tokens, terms.maker), (input, output, maker), "{model}");
        let bound = bound(&chat(""), &route.targets[0], &Budgeting::default(), 256).expect(model);
        assert_eq!((bound.output_cap, bound.write_cap), (output.unwrap_or(4_096), output.is_none()), "{model}");
    }
}

/// Codecs may add tools, and caps that the API does not take are raised.
#[test]
fn a_translated_request_holds_the_tools_and_the_output_that_its_codec_may_add() {
    let settings = crate::config::Section::from_yaml("providers.p", "{ translate_to: responses }").expect("YAML");
    let config = crate::config::Provider {
        name: "p".into(),
        kind: "openai".to_owned(),
        settings,
        catalogue: None,
        protocol: crate::config::Protocol::default(),
        uplink: Default::default(),
        health: Default::default(),
        rules: std::sync::Arc::default(),
    };
    let provider = crate::providers::openai::build(&config).expect("the settings are right");
    let place = Place::unknown();
    let passed = Terms {
        maker: Maker::Other,
        model: "m",
        price: place.price.as_ref(),
        max_input_tokens: None,
        max_output_tokens: None,
        learned: &place.learned,
        codec: None,
        by_search: false,
    };
    let translated = Terms { codec: provider.codec(), ..passed };
    let ask = ask(Api::Messages, r#""max_tokens":5,"messages":[{"role":"user","content":"hi"}]"#);
    let of = |terms| bound_on(&ask, terms, &Budgeting::default(), 256).expect("bounded");
    let (passed, translated) = (of(&passed), of(&translated));
    assert_eq!(translated.input_tokens, passed.input_tokens + TOOLS);
    assert_eq!([0, 5, 16, 17].map(|cap| translated.most_output(cap)), [16, 16, 16, 17]);
    assert_eq!(translated.worst(5), translated.worst(16));
    let needed = translated.worst(5).1;
    assert_eq!([needed - 1, needed].map(|left| translated.affordable_cap(None, Some(left))), [0, 5]);
    assert_eq!(passed.most_output(5), 5);
}

/// From the bytes of the client to those of the provider: parsed, capped, and still strict.
#[test]
fn a_cap_that_is_written_is_read_again() {
    let stage = crate::proxy::staging::Stage::new();
    let cases = [
        ("counted", Api::ChatCompletions, r#""messages":[],"stream":true"#, 9),
        ("counted", Api::ChatCompletions, r#""m\u0061x_tokens" : 50,"stream":true"#, 9),
        ("unpriced", Api::ChatCompletions, r#""max_tokens":5, "max_completion_tokens" :null"#, 9),
        ("counted", Api::Completions, r#""prompt":"a","max_tokens":4"#, 4),
        ("counted", Api::Responses, r#""input":"a","max_output_tokens":50"#, 9),
        ("claude", Api::Messages, r#""messages":[],"max_tokens":1000"#, 9),
    ];
    for (model, api, rest, want) in cases {
        let route = stage.snapshot.table.find(model).expect(model);
        let target = &route.targets[0];
        let mut ask = ask(api, rest);
        let edits = target.provider.edits(&ask, &target.model_json, Some(9));
        let sent = ask.body.apply(&edits);
        let read = dialect::parse(api, Draft::copy_of(&sent)).expect(rest);
        assert_eq!((read.caps.tokens(), &*read.model), (Some(want), &*target.model), "{rest}");
    }
}

#[test]
fn makers_are_known_by_their_hosts() {
    let cases = [
        ("api.openai.com", Maker::OpenAi),
        ("eu.api.openai.com", Maker::OpenAi),
        ("api.anthropic.com", Maker::Anthropic),
        ("api.openai.com.example", Maker::Other),
        ("notapi.openai.com", Maker::Other),
        ("127.0.0.1", Maker::Other),
    ];
    for (host, want) in cases {
        assert_eq!(Maker::of(host), want, "{host}");
    }
}

#[test]
fn a_stream_is_ended_only_when_it_must_have_passed_its_cap() {
    let spaces = LONGEST_TOKEN * 100;
    let cases = [
        ("nothing", (0, 0, None, 100, 1), false),
        ("an ordinary answer", (450, 100, None, 100, 1), false),
        ("the longest tokens there are", (spaces, 100, None, 100, 1), false),
        ("longer than these", (spaces + SLACK_BYTES + 1, 100, None, 100, 1), true),
        ("two answers", (spaces + SLACK_BYTES + 1, 100, None, 100, 2), false),
        ("the provider says so", (10, 1, Some(101), 100, 1), true),
        ("the provider says that it fits", (450, 100, Some(100), 100, 1), false),
        ("its word is old", (spaces + SLACK_BYTES + 1, 100, Some(1), 100, 1), true),
        ("letter by letter", (450, 450, None, 100, 1), false),
        ("events without end", (0, spaces + SLACK_BYTES + 1, None, 100, 1), true),
        ("no cap that binds", (u64::MAX, u64::MAX, Some(u64::MAX), u64::MAX, u32::MAX), false),
    ];
    for (name, (bytes, events, reported, cap, choices), want) in cases {
        assert_eq!(passes_cap(bytes, events, reported, cap, choices), want, "{name}");
    }
}

/// [`LONGEST_TOKEN`] is that of the tokenizers that are built in.
#[test]
fn no_token_is_longer_than_the_longest() {
    for bpe in [tiktoken_rs::o200k_base_singleton(), tiktoken_rs::cl100k_base_singleton()] {
        let longest =
            (0..200_000u32).filter_map(|token| bpe.decode_bytes(&[token]).ok()).map(|bytes| bytes.len()).max();
        assert!(longest.is_some_and(|bytes| bytes as u64 <= LONGEST_TOKEN), "{longest:?}");
    }
}

/// Texts of every kind that is dense or odd.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,400}",
        "[0-9a-f]{0,600}",
        "[A-Za-z0-9+/]{0,600}={0,2}",
        "[ \t\r\n]{0,300}",
        "[{}\\[\\]():;,.<>=!&|*+-]{0,400}",
        "[\u{0}-\u{1f}]{0,100}",
        "[😀-🙏\u{200d}\u{fe0f}가-힣一-龥ก-๛]{0,200}",
        "(fn|let|return|    |\n|x_[0-9]|::<T>|\"[a-z]\"){0,120}",
        proptest::collection::vec(any::<char>(), 0..300).prop_map(String::from_iter),
        "(<\\|endoftext\\|>|<\\|im_start\\|>|\\[INST\\]){0,60}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// A text never has more tokens than bytes; so no chat of such texts has more than are held for it.
    #[test]
    fn strict_estimates_are_never_below_the_count(texts in proptest::collection::vec(text(), 1..6), tool in text()) {
        let messages: Vec<_> = texts.iter().map(|text| serde_json::json!({"role": "user", "content": text})).collect();
        let tools = serde_json::json!([{"type": "function", "function": {"name": "f", "description": tool, "parameters":
            {"type": "object", "properties": {"a": {"type": "string", "description": tool, "enum": [tool, "b"]}}}}}]);
        for body in [
            serde_json::json!({"model": "m", "messages": messages}),
            serde_json::json!({"model": "m", "messages": messages, "tools": tools}),
        ] {
            let ask = dialect::parse(Api::ChatCompletions, Draft::copy_of(body.to_string().as_bytes())).expect("right");
            let held = Place::unknown().bound(&ask).expect("bounded").input_tokens;
            for encoding in [Encoding::O200kBase, Encoding::Cl100kBase] {
                prop_assert!(texts.iter().all(|text| count_text(encoding, text) <= text.len() as u64));
                let counted = count_input(encoding, Api::ChatCompletions, ask.body.as_slice());
                prop_assert!(held >= counted, "{held} held, {counted} counted");
            }
        }
    }
}

fn any_bound() -> impl Strategy<Value = Bound> {
    let rate = || proptest::option::weighted(0.95, prop_oneof![Just(0u64), 1..200_000_000_000u64]);
    let units = prop_oneof![4 => Just(Ok(0)), 4 => (1..u128::from(u64::MAX)).prop_map(Ok), 1 => Just(Err("images"))];
    let rates = (rate(), rate(), rate(), units, prop_oneof![Just(100), Just(110)])
        .prop_map(|(input, audio_input, output, units, percent)| Rates { input, audio_input, output, units, percent });
    let unit_tokens = prop_oneof![Just(0), 0u64..20_000];
    let amounts = (0u64..2_000_000, 0u64..1_000, 0u64..2_000, 0i64..1_000_000_000, 0u32..200, 0u64..200_000);
    (amounts, proptest::option::weighted(0.9, rates), prop_oneof![Just(0), Just(16)], unit_tokens).prop_map(
        |((input_tokens, audio, extra_output, fixed_nano, choices, output_cap), rates, least_output, unit_tokens)| {
            Bound {
                input_tokens,
                fixed_nano,
                choices,
                output_cap,
                client_cap: None,
                min_output: 0,
                write_cap: false,
                audio_tokens: audio.min(input_tokens),
                extra_output,
                least_output,
                untold_tokens: None,
                unit_tokens,
                rates,
            }
        },
    )
}

#[test]
fn an_unknown_price_of_output_does_not_pay_for_the_input() {
    let rates = Rates { input: Some(1_000_000), audio_input: None, output: None, units: Ok(0), percent: 100 };
    let half_priced = Bound { input_tokens: 7, choices: 1, output_cap: 50, rates: Some(rates), ..Bound::nothing() };
    assert_eq!(half_priced.worst(0), (Some(7), 7));
    assert_eq!(half_priced.worst(1), (None, 8));
    assert_eq!([6, 7].map(|left| half_priced.affordable_cap(Some(left), None)), [0, 50]);
}

fn fits(worst: (Option<i64>, i64), left: (Option<i64>, Option<i64>)) -> bool {
    let money = worst.0.zip(left.0).is_none_or(|(nano, left)| nano <= left);
    money && left.1.is_none_or(|left| worst.1 <= left)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The affordable cap fits, and the next one does not. Where not even the input can be paid it is 0, also if the
    /// output has no known price.
    #[test]
    fn the_affordable_cap_is_the_largest_that_fits(
        bound in any_bound(), nano in proptest::option::of(-5i64..40_000_000_000_000), near in any::<prop::sample::Index>(),
        tokens in proptest::option::of(-5i64..100_000_000), close in any::<bool>(), off in -2i64..3,
    ) {
        // Half of the time what is left is about what some cap comes to.
        let (at, left) = (bound.worst(near.index(200_000) as u64), (nano, tokens));
        let left = if close { (nano.and(at.0).map(|nano| nano + off), tokens.map(|_| at.1 + off)) } else { left };
        let cap = bound.affordable_cap(left.0, left.1);
        prop_assert!(cap <= bound.output_cap);
        let input_alone = Bound { choices: 0, ..bound.clone() }.worst(0);
        if bound.choices == 0 {
            prop_assert_eq!(cap, bound.output_cap);
        } else if !fits(input_alone, left) {
            prop_assert_eq!(cap, 0);
        } else {
            let all_fits = fits(bound.worst(cap), left);
            prop_assert!(all_fits || cap == 0, "{:?} of {left:?} at {cap}", bound.worst(cap));
            prop_assert!(all_fits || !fits(bound.worst(0), left));
            prop_assert!(cap == bound.output_cap || !fits(bound.worst(cap + 1), left), "{} would fit", cap + 1);
        }
    }

    /// Nothing wraps, whatever stands in the body or the file; more output never costs less.
    #[test]
    fn no_amount_wraps(
        bound in any_bound(), input in any::<u64>(), cap in any::<u64>(), choices in any::<u32>(), fixed in 0..=i64::MAX,
        left in any::<i64>(), most in any::<u64>(),
    ) {
        let extra_output = bound.extra_output;
        let bound = Bound { input_tokens: input, choices, fixed_nano: fixed, output_cap: most, ..bound };
        let (less, more) = (bound.worst(cap / 2), bound.worst(cap));
        prop_assert!(less.0 <= more.0 && less.1 <= more.1 && more.1 >= 0 && more.0.is_none_or(|nano| nano >= fixed));
        prop_assert!(bound.affordable_cap(Some(left), Some(left)) <= most);
        prop_assert!(extra_output < 2_000);
    }

    /// Whatever mix of classes a provider bills within the bound, at whichever tier it may, is paid by what is held.
    #[test]
    fn what_is_held_pays_for_every_outcome(
        model in prop::sample::select(vec!["openai/gpt-5", "openai/gpt-5.6", "openai/o3", "openai/gpt-4o",
            "anthropic/claude-sonnet-4-5", "anthropic/claude-haiku-5-5", "anthropic/claude-opus-4-5"]),
        tier in prop::sample::select(vec!["", "auto", "flex", "priority", "default"]),
        marker in prop::sample::select(vec!["", r#","cache_control":{"type":"ephemeral"}"#, r#","cache_control":{"ttl":"1h"}"#]),
        size in 0usize..400_000, cuts in proptest::array::uniform4(0u64..=1_000), cap in 1u64..5_000,
    ) {
        let claude = model.starts_with("anthropic");
        let tier_member = if tier.is_empty() || claude { String::new() } else { format!(r#","service_tier":"{tier}""#) };
        let api = if claude { Api::Messages } else { Api::Responses };
        let name = if claude { "max_tokens" } else { "max_output_tokens" };
        let marker = if claude { marker } else { "" };
        let ask = ask(api, &format!(r#""{name}":{cap},"input":"{}"{tier_member}{marker}"#, "x".repeat(size)));
        let place = Place::listed(model);
        let bound = place.bound(&ask).expect("bounded");
        let (held, _) = bound.worst(cap);
        let [read, wrote, hour, thought] = cuts;
        let cache_read = bound.input_tokens * read / 3_000;
        let cache_write_5m = if claude && marker.is_empty() { 0 } else { bound.input_tokens * wrote / 3_000 };
        let cache_write_1h = if marker.contains("1h") { bound.input_tokens * hour / 3_000 } else { 0 };
        let input = bound.input_tokens - cache_read - cache_write_5m - cache_write_1h;
        let reasoning = cap * thought / 1_000;
        let usage =
            Usage { input, cache_read, cache_write_5m, cache_write_1h, output: cap - reasoning, reasoning, ..Usage::default() };
        for billed in tiers(&ask).expect("known") {
            let cost = place.price.as_ref().expect("listed").cost(&usage, *billed).expect("priced");
            prop_assert!(held.is_some_and(|held| cost.0 <= held), "{cost} at {billed:?}, {held:?} held");
        }
    }
}

/// No cap goes up with a session: what its model can read and say at most, at the rate for sound, must be payable.
#[test]
fn a_response_of_a_session_holds_the_whole_window_and_all_that_the_model_can_say() {
    let mut ask = chat("");
    ask.api = Api::Realtime;
    ask.demand = Demand { unseen: Some("model".to_owned()), audio_output: true, ..Demand::default() };
    let bound = Place::listed("openai/gpt-realtime").bound(&ask).expect("bounded");
    assert_eq!((bound.input_tokens, bound.output_cap, bound.min_output), (32_000, 4_096, 4_096));
    assert_eq!(bound.worst(4_096).0, Some(32_000 * 32_000 + 4_096 * 64_000));
    let unbounded = Unbounded { field: "model".to_owned() };
    assert_eq!(Place::unknown().bound(&ask), Err(unbounded.clone()));
    let place = Place { limits: (Some(1_000), None), ..Place::unknown() };
    assert_eq!(place.bound(&ask), Err(unbounded));
}
