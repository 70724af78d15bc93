//! Golden requests, written from AWS's public reference.

mod decode;
mod left_out;

use super::*;
use crate::{
    model::{
        CacheMark, Content, Effort, Format, Json, Message, Part, Reasoned, Role, Seal, Source, Tool, ToolCall,
        ToolChoice, ToolResult,
    },
    providers::{bedrock::credentials::Keys, carried},
};
use serde_json::{Value, json};

const SONNET: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

fn converse() -> Converse {
    let keys = Keys::new("AKIDEXAMPLE", "secret-access-key", Some("session-token"));
    Converse::new(Arc::new(Credentials::Fixed(Arc::new(keys))))
}

fn encoded_for(model: &str, chat: &Chat) -> Value {
    let body = converse().encode(chat, &Goal { model, cap: None, most_output: None });
    serde_json::from_slice(&body).expect("it is JSON")
}

fn encoded(chat: &Chat) -> Value {
    encoded_for(SONNET, chat)
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, name: None, parts }
}

fn user(text: &str) -> Message {
    message(Role::User, vec![Part::text(text)])
}

fn inline(media_type: &str, base64: &'static str) -> Source {
    Source::Inline { media_type: media_type.to_owned(), base64: Bytes::from_static(base64.as_bytes()) }
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
    Part::new(Content::ToolCall(ToolCall { id, name, arguments }))
}

fn result(id: &str, failed: bool, parts: Vec<Part>) -> Part {
    Part::new(Content::ToolResult(ToolResult { id: id.to_owned(), name: None, failed, parts }))
}

fn reasoned(text: &str, maker: &str, data: &str, hidden: bool) -> Part {
    let seal = Seal { maker: maker.to_owned(), data: data.to_owned(), hidden };
    Part::new(Content::Reasoning(Reasoned { text: text.to_owned(), seal: Some(seal) }))
}

fn marked(mut part: Part, hour: bool) -> Part {
    part.cache = Some(CacheMark { hour });
    part
}

fn tool(name: &str) -> Tool {
    Tool { name: name.to_owned(), description: None, parameters: None, strict: None, cache: None }
}

fn schema() -> Format {
    Format::Schema {
        name: "city".to_owned(),
        description: Some("A city.".to_owned()),
        schema: Json::new(r#"{"type":"object","properties":{"name":{"type":"string"}}}"#).expect("it is JSON"),
        strict: Some(true),
    }
}

fn history() -> Vec<Message> {
    let pdf = Content::Document { source: inline("application/pdf", "JVBERi0="), name: Some("Report.pdf".to_owned()) };
    vec![
        message(Role::System, vec![marked(Part::text("Be brief."), true)]),
        message(
            Role::User,
            vec![
                Part::text("What is in these?"),
                Part::new(Content::Image { source: inline("image/png", "iVBORw0KGgo="), detail: None }),
                Part::new(pdf),
                Part::new(Content::Document { source: Source::Text("plain".to_owned()), name: None }),
                marked(Part::new(Content::Audio { source: inline("audio/wav", "UklGRg==") }), false),
            ],
        ),
        message(
            Role::Assistant,
            vec![
                reasoned("I should look.", "anthropic", "EqQB==", false),
                reasoned("", "anthropic", "aGlkZGVu", true),
                reasoned("another's", "openai", "gAAAA", false),
                Part::new(Content::Reasoning(Reasoned { text: "without a proof".to_owned(), seal: None })),
                Part::text("Let me look."),
                Part::text(""),
                call("tooluse_1", "get_weather", r#"{"city":"Paris"}"#),
            ],
        ),
        message(Role::Assistant, vec![call("tooluse_2", "get_time", "")]),
        message(
            Role::User,
            vec![result(
                "tooluse_1",
                false,
                vec![
                    Part::text(r#"{"sky":"blue"}"#),
                    Part::new(Content::Image { source: inline("image/jpg", "/9j/"), detail: None }),
                ],
            )],
        ),
        message(Role::User, vec![result("tooluse_2", true, vec![Part::text("no clock")])]),
        message(Role::System, vec![Part::text("Answer in French.")]),
        user("And now?"),
    ]
}

#[test]
fn a_conversation_is_written_as_the_reference_has_it() {
    let city = r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#;
    let mut chat = Chat {
        messages: history(),
        tools: vec![
            Tool {
                description: Some("Tells the weather.".to_owned()),
                parameters: Json::new(city),
                strict: Some(true),
                cache: Some(CacheMark { hour: false }),
                ..tool("get_weather")
            },
            tool("get_time"),
        ],
        tool_choice: Some(ToolChoice::Auto),
        max_output_tokens: Some(5_000),
        stop: vec!["END".to_owned()],
        service_tier: Some("flex".to_owned()),
        metadata: vec![("team".to_owned(), "search".to_owned()), ("note".to_owned(), "ünfit".to_owned())],
        ..Chat::default()
    };
    chat.sampling.temperature = Some(0.5);
    chat.sampling.top_p = Some(0.9);
    chat.sampling.top_k = Some(40);
    chat.thinking.effort = Some(Effort::Low);
    let body = converse().encode(&chat, &Goal { model: SONNET, cap: Some(4_000), most_output: None });
    let want: Value = serde_json::from_str(include_str!("../fixtures/request.json")).expect("it is JSON");
    let got: Value = serde_json::from_slice(&body).expect("it is JSON");
    assert_eq!(got, want, "{got:#}");
}

#[test]
fn a_short_conversation_has_no_member_that_says_nothing() {
    let chat = Chat { messages: vec![user("Hi")], ..Chat::default() };
    assert_eq!(encoded(&chat), json!({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}));
}

#[test]
fn a_choice_of_tools_is_written_in_converses_words() {
    let cases = [
        (None, Value::Null),
        (Some(ToolChoice::Auto), json!({"auto": {}})),
        (Some(ToolChoice::Required), json!({"any": {}})),
        (Some(ToolChoice::Named("f".to_owned())), json!({"tool": {"name": "f"}})),
    ];
    for (tool_choice, want) in cases {
        let shown = format!("{tool_choice:?}");
        let chat = Chat { messages: vec![user("Hi")], tools: vec![tool("f")], tool_choice, ..Chat::default() };
        assert_eq!(encoded(&chat)["toolConfig"]["toolChoice"], want, "{shown}");
    }
}

#[test]
fn tools_that_may_not_be_called_are_told_only_where_the_history_has_calls() {
    let none = Some(ToolChoice::None);
    let mut chat = Chat { messages: vec![user("Hi")], tools: vec![tool("f")], tool_choice: none, ..Chat::default() };
    assert_eq!(encoded(&chat)["toolConfig"], Value::Null);
    chat.messages.push(message(Role::Assistant, vec![call("a", "f", "{}")]));
    chat.messages.push(message(Role::User, vec![result("a", false, Vec::new())]));
    let config = encoded(&chat)["toolConfig"].clone();
    assert_eq!((&config["tools"][0]["toolSpec"]["name"], &config["toolChoice"]), (&json!("f"), &Value::Null));
    // Bedrock wants tools though the client sent none.
    chat.tools.clear();
    let config = encoded(&chat)["toolConfig"].clone();
    assert_eq!(config["tools"][0]["toolSpec"]["name"], "f");
    assert_eq!(config["tools"][0]["toolSpec"]["inputSchema"]["json"]["type"], "object");
}

#[test]
fn an_answer_by_a_schema_is_a_tool_that_must_be_called() {
    let forced = json!({"tool": {"name": "wb_json_answer"}});
    let (nova, llama) = ("amazon.nova-pro-v1:0", "meta.llama3-3-70b-instruct-v1:0");
    let cases = [
        ("alone", SONNET, vec![], None, false, forced.clone()),
        ("Nova", nova, vec![], None, false, forced.clone()),
        ("beside tools", SONNET, vec![tool("f")], None, false, json!({"any": {}})),
        ("beside forced tools", SONNET, vec![tool("f")], Some(ToolChoice::Required), false, json!({"any": {}})),
        (
            "beside a named tool",
            SONNET,
            vec![tool("f")],
            Some(ToolChoice::Named("f".to_owned())),
            false,
            json!({"tool": {"name": "f"}}),
        ),
        ("beside tools that may not be called", SONNET, vec![tool("f")], Some(ToolChoice::None), false, forced),
        ("while it thinks", SONNET, vec![], None, true, json!({"auto": {}})),
        ("a model that cannot be forced", llama, vec![], None, false, json!({"auto": {}})),
    ];
    for (name, model, tools, tool_choice, thinks, want) in cases {
        let mut chat = Chat { messages: vec![user("Where?")], tools, tool_choice, format: schema(), ..Chat::default() };
        chat.thinking.budget_tokens = thinks.then_some(2_000);
        let config = encoded_for(model, &chat)["toolConfig"].clone();
        assert_eq!(config["toolChoice"], want, "{name}");
        let answer = config["tools"].as_array().and_then(|tools| tools.last()).expect("a tool")["toolSpec"].clone();
        assert_eq!(answer["name"], "wb_json_answer", "{name}");
        assert_eq!(answer["inputSchema"]["json"]["properties"]["name"]["type"], "string", "{name}");
    }
    let chat = Chat { messages: vec![user("Where?")], format: Format::Json, ..Chat::default() };
    let tool = encoded(&chat)["toolConfig"]["tools"][0]["toolSpec"].clone();
    assert_eq!(tool["inputSchema"]["json"], json!({"type": "object", "properties": {}}));
}

#[test]
fn each_maker_is_told_to_think_in_its_own_words() {
    let thinking = |effort: Option<Effort>, budget_tokens: Option<u64>| {
        let mut chat = Chat { messages: vec![user("Hi")], ..Chat::default() };
        chat.thinking.effort = effort;
        chat.thinking.budget_tokens = budget_tokens;
        chat
    };
    let (opus, gpt) = ("us.anthropic.claude-opus-4-7", "openai.gpt-oss-120b-1:0");
    let enabled = |tokens: u64| json!({"thinking": {"type": "enabled", "budget_tokens": tokens}});
    let adaptive = |effort: &str| json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}});
    let cases = [
        ("an effort", SONNET, thinking(Some(Effort::Medium), None), enabled(8_192), Value::Null),
        ("a budget", SONNET, thinking(None, Some(5_000)), enabled(5_000), Value::Null),
        ("too small a budget", SONNET, thinking(None, Some(5)), enabled(1_024), Value::Null),
        ("off", SONNET, thinking(Some(Effort::None), None), Value::Null, Value::Null),
        ("an effort, newest", opus, thinking(Some(Effort::XHigh), None), adaptive("xhigh"), Value::Null),
        ("the least effort, newest", opus, thinking(Some(Effort::Minimal), None), adaptive("low"), Value::Null),
        ("a budget, newest", opus, thinking(None, Some(8_192)), adaptive("medium"), Value::Null),
        ("others", gpt, thinking(Some(Effort::High), None), Value::Null, json!({"effort": "high"})),
    ];
    for (name, model, chat, fields, output) in cases {
        let body = encoded_for(model, &chat);
        assert_eq!((&body["additionalModelRequestFields"], &body["outputConfig"]), (&fields, &output), "{name}");
    }
    let mut capped = thinking(Some(Effort::High), None);
    for (cap, want) in [(2_000, enabled(1_999)), (1_024, Value::Null)] {
        capped.max_output_tokens = Some(cap);
        assert_eq!(encoded(&capped)["additionalModelRequestFields"], want, "a cap of {cap}");
    }
}

#[test]
fn a_claude_does_not_think_in_the_middle_of_calls_that_it_did_not_begin() {
    let fields = |model: &str, first: Option<Part>| {
        let called = first.into_iter().chain([call("a", "f", "{}")]).collect();
        let turns = vec![
            user("Hi"),
            message(Role::Assistant, called),
            message(Role::User, vec![result("a", false, vec![Part::text("1")])]),
        ];
        let mut chat = Chat { messages: turns, ..Chat::default() };
        chat.thinking.budget_tokens = Some(2_000);
        encoded_for(model, &chat)["additionalModelRequestFields"]["thinking"]["type"].clone()
    };
    let proven = || Some(reasoned("so", "anthropic", "EqQB", false));
    assert_eq!(fields(SONNET, proven()), "enabled");
    assert_eq!(fields(SONNET, Some(reasoned("so", "openai", "gA", false))), Value::Null);
    assert_eq!(fields(SONNET, Some(Part::text("I look."))), Value::Null);
    assert_eq!(fields(SONNET, None), Value::Null);
    assert_eq!(fields("anthropic.claude-sonnet-4-6", None), "adaptive", "the newer ones do not mind");
}

#[test]
fn top_k_stands_where_the_maker_looks_for_it() {
    let mut chat = Chat { messages: vec![user("Hi")], ..Chat::default() };
    chat.sampling.top_k = Some(7);
    let fields = |model| encoded_for(model, &chat)["additionalModelRequestFields"].clone();
    assert_eq!(fields(SONNET), json!({"top_k": 7}));
    assert_eq!(fields("us.amazon.nova-lite-v1:0"), json!({"inferenceConfig": {"topK": 7}}));
}

#[test]
fn cache_markers_go_to_models_with_a_cache_only() {
    let chat = Chat { messages: vec![message(Role::User, vec![marked(Part::text("Hi"), true)])], ..Chat::default() };
    let point = |model| encoded_for(model, &chat)["messages"][0]["content"][1].clone();
    assert_eq!(point(SONNET), json!({"cachePoint": {"type": "default", "ttl": "1h"}}));
    assert_eq!(point("amazon.nova-pro-v1:0"), json!({"cachePoint": {"type": "default"}}));
    assert_eq!(point("meta.llama3-3-70b-instruct-v1:0"), Value::Null);
}

#[test]
fn what_bedrock_would_choke_on_is_written_so_that_it_does_not() {
    let document =
        || Part::new(Content::Document { source: Source::Text("a".to_owned()), name: Some("a/b".to_owned()) });
    let chat = Chat {
        messages: vec![
            message(Role::User, vec![document(), document()]),
            message(Role::Assistant, vec![Part::text("")]),
            message(Role::User, vec![Part::text("go")]),
            message(Role::Assistant, vec![call("bad id", "f", "[1"), call("b", "f", "[1]")]),
            message(Role::User, vec![Part::text(" \n"), Part::text("so"), result("bad id", false, Vec::new())]),
        ],
        tools: vec![Tool { parameters: Json::new(r#"{"properties":{"a":{}}}"#), ..tool("f") }],
        ..Chat::default()
    };
    let schema = encoded(&chat)["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"].clone();
    assert_eq!(schema, json!({"type": "object", "properties": {"a": {}}}));
    let messages = encoded(&chat)["messages"].clone();
    let names = [0, 1].map(|at| messages[0]["content"][at]["document"]["name"].clone());
    assert_eq!(names, [json!("a b"), json!("a b 2")], "no two documents have one name");
    assert_eq!(messages[0]["content"][2]["text"], "go", "no turn is empty, and turns alternate");
    let used = &messages[1]["content"][0]["toolUse"];
    assert_eq!(used["toolUseId"], messages[2]["content"][0]["toolResult"]["toolUseId"]);
    assert_eq!(messages[2]["content"][1], json!({"text": "so"}), "results come first, and nothing is blank");
    assert_eq!(used["input"], json!({"arguments": "[1"}), "no JSON");
    assert_eq!(messages[1]["content"][1]["toolUse"]["input"], json!({"arguments": "[1]"}), "no object");
}

/// What a body says of a feature, if it says anything.
fn said(feature: Feature) -> Option<Value> {
    let mut chat = Chat { messages: history(), tools: vec![tool("get_weather")], ..Chat::default() };
    chat.sampling.temperature = Some(0.5);
    chat.sampling.top_p = Some(0.5);
    chat.sampling.top_k = Some(5);
    chat.stop = vec!["END".to_owned()];
    chat.thinking.budget_tokens = Some(2_000);
    chat.service_tier = Some("flex".to_owned());
    chat.metadata = vec![("a".to_owned(), "b".to_owned())];
    match feature {
        Feature::ForcedTool => chat.tool_choice = Some(ToolChoice::Required),
        Feature::JsonObject => chat.format = Format::Json,
        Feature::JsonSchema => chat.format = schema(),
        Feature::CustomTool => chat.tools.push(tool("patch")), // a decoder makes a function of it
        _ => {}
    }
    let body = encoded(&chat);
    let path = match feature {
        Feature::ImageInline => "/messages/0/content/1/image",
        Feature::DocumentInline => "/messages/0/content/2/document",
        Feature::AudioInput => "/messages/0/content/4/audio",
        Feature::CacheMarkers => "/messages/0/content/5/cachePoint",
        Feature::SealedReasoning => "/messages/1/content/0/reasoningContent",
        Feature::RichToolResult => "/messages/2/content/0/toolResult/content/1/image",
        Feature::FailedToolResult => "/messages/2/content/1/toolResult/status",
        Feature::ForcedTool => "/toolConfig/toolChoice/any",
        Feature::Temperature => "/inferenceConfig/temperature",
        Feature::TopP => "/inferenceConfig/topP",
        Feature::TopK => "/additionalModelRequestFields/top_k",
        Feature::StopSequences => "/inferenceConfig/stopSequences",
        Feature::ReasoningEffort => "/additionalModelRequestFields/thinking",
        Feature::ServiceTier => "/serviceTier",
        Feature::Metadata => "/requestMetadata",
        Feature::JsonObject | Feature::JsonSchema | Feature::CustomTool => "/toolConfig/tools/1/toolSpec",
        _ => return None,
    };
    body.pointer(path).cloned()
}

#[test]
fn what_is_carried_is_there() {
    for feature in Feature::ALL {
        let carried = converse().carries(feature, SONNET) != Carry::No;
        assert_eq!(said(feature).is_some(), carried, "{feature:?}");
    }
}

#[test]
fn nothing_is_left_out_in_silence() {
    let others = ["amazon.nova-pro-v1:0", "meta.llama3-3-70b-instruct-v1:0", "mistral.mistral-large-2407-v1:0"];
    let claudes = [SONNET, "us.anthropic.claude-opus-4-7", "anthropic.claude-opus-5-5"];
    for model in others.into_iter().chain(claudes) {
        carried::hides_nothing(&converse(), model);
    }
    carried::obeys(&converse(), SONNET);
    carried::obeys(&converse(), "us.anthropic.claude-opus-5-5");
    carried::obeys(&converse(), "meta.llama3-3-70b-instruct-v1:0");
}

#[test]
fn what_is_not_carried_leaves_no_trace() {
    let plain = Chat { messages: vec![user("Hi")], tools: vec![tool("f")], ..Chat::default() };
    let mut chat = plain.clone();
    chat.messages[0].name = Some("Ann".to_owned());
    chat.messages[0]
        .parts
        .push(Part::new(Content::Image { source: Source::Url("https://e".to_owned()), detail: None }));
    chat.messages[0].parts.push(Part::new(Content::Document { source: Source::File("f".to_owned()), name: None }));
    chat.tools[0].strict = Some(true);
    chat.sampling.frequency_penalty = Some(1.0);
    chat.sampling.presence_penalty = Some(1.0);
    chat.sampling.seed = Some(1);
    chat.sampling.logit_bias = Json::new("{}");
    chat.parallel_tool_calls = Some(false);
    chat.logprobs = Some(2);
    chat.choices = 3;
    chat.user = Some("u".to_owned());
    chat.verbosity = Some("low".to_owned());
    chat.cache_key = Some("k".to_owned());
    assert_eq!(encoded(&chat), encoded(&plain));
}
