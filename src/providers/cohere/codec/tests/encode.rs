//! What goes up.

use crate::{
    model::{
        Chat, Content, Effort, Feature, Format, Json, Message, Part, Reasoned, Role, Sampling, Seal, Source, Thinking,
        Tool, ToolCall, ToolChoice, ToolResult,
    },
    providers::{
        carried,
        codec::{Codec, Goal, gaps},
        cohere::codec,
        mask::Key,
    },
};
use bytes::Bytes;
use serde_json::{Value, json};

const THINKER: &str = "command-a-reasoning-08-2025";
const PLAIN: &str = "command-a-03-2025";

fn cohere() -> codec::Chat {
    codec::Chat::new(Key::new(None))
}

fn sent_to(model: &str, chat: &Chat) -> Value {
    let goal = Goal { model, cap: None, most_output: None };
    serde_json::from_slice(&cohere().encode(chat, &goal)).expect("it is JSON")
}

fn sent(chat: &Chat) -> Value {
    sent_to(THINKER, chat)
}

/// What of `features` is told to be left out.
fn told(mut chat: Chat, features: &[Feature]) -> Vec<Feature> {
    features.iter().for_each(|feature| chat.uses(*feature, format!("{feature:?}")));
    let goal = Goal { model: THINKER, cap: None, most_output: None };
    let gaps = gaps(&cohere(), &chat, &goal);
    let hints = features.iter().filter(|feature| gaps.hints.contains(&format!("{feature:?}")));
    gaps.unsupported.iter().map(|used| used.feature).chain(hints.copied()).collect()
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, name: None, parts }
}

fn says(role: Role, text: &str) -> Message {
    message(role, vec![Part::text(text)])
}

fn asks() -> Chat {
    Chat { messages: vec![says(Role::User, "Hi")], ..Chat::default() }
}

fn picture(source: Source, detail: Option<&str>) -> Part {
    Part::new(Content::Image { source, detail: detail.map(str::to_owned) })
}

fn inline() -> Source {
    Source::Inline { media_type: "image/png".to_owned(), base64: Bytes::from_static(b"aGk=") }
}

fn thought(maker: Option<&str>) -> Part {
    let seal = maker.map(|maker| Seal { maker: maker.to_owned(), data: "x".to_owned(), hidden: false });
    Part::new(Content::Reasoning(Reasoned { text: "Hm.".to_owned(), seal }))
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    let call = ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() };
    Part::new(Content::ToolCall(call))
}

fn result(id: &str, failed: bool, texts: &[&str]) -> Part {
    let parts = texts.iter().map(|text| Part::text(*text)).chain([picture(inline(), None)]).collect();
    Part::new(Content::ToolResult(ToolResult { id: id.to_owned(), name: None, failed, parts }))
}

fn tool(name: &str, parameters: Option<Value>) -> Tool {
    let parameters = parameters.as_ref().and_then(Json::of);
    Tool { name: name.to_owned(), description: None, parameters, strict: None, cache: None }
}

fn schema(description: Option<&str>, strict: Option<bool>) -> Format {
    let schema = Json::new(r#"{"type":"object","required":["a"]}"#).expect("it is JSON");
    Format::Schema { name: "n".to_owned(), description: description.map(str::to_owned), schema, strict }
}

fn turns() -> Vec<Message> {
    vec![
        says(Role::System, "Be brief."),
        message(
            Role::User,
            vec![
                Part::text("What is on these?"),
                picture(inline(), Some("high")),
                picture(Source::Url("https://h/a.webp".to_owned()), Some("original")),
                picture(Source::File("file_1".to_owned()), None),
                Part::text(""),
            ],
        ),
        message(
            Role::Assistant,
            vec![
                thought(None),
                thought(Some("anthropic")),
                Part::text("I will look and listen."),
                call("look_1", "look", r#"{"at": [1, 2.50]}"#),
                call("listen_2", "listen", ""),
            ],
        ),
        says(Role::User, "Go on."),
        message(Role::User, vec![result("look_1", false, &["a cat", "and a dog"])]),
        message(Role::User, vec![result("listen_2", true, &["no sound"])]),
        says(Role::System, "From now on in French."),
        message(Role::Assistant, vec![Part::text("A "), Part::text("cat.")]),
        message(Role::Assistant, vec![Part::text(""), thought(Some("gemini"))]),
        says(Role::User, "And now?"),
    ]
}

#[test]
fn a_request_is_written_as_the_reference_has_it() {
    let mut look = tool("look", Some(json!({"type": "object", "properties": {"at": {"type": "array"}}})));
    look.description = Some("Looks.".to_owned());
    let mut tools = vec![look, tool("listen", None)];
    tools.iter_mut().for_each(|tool| tool.strict = Some(true));
    let mut chat = Chat {
        stream: true,
        messages: turns(),
        tools,
        tool_choice: Some(ToolChoice::Required),
        max_output_tokens: Some(4_000),
        stop: vec!["END".to_owned()],
        thinking: Thinking { effort: Some(Effort::Medium), ..Thinking::default() },
        ..Chat::default()
    };
    chat.sampling.temperature = Some(1.5);
    chat.sampling.top_p = Some(1.0);
    chat.sampling.top_k = Some(5);
    chat.sampling.seed = Some(7);
    chat.sampling.frequency_penalty = Some(0.25);
    chat.sampling.presence_penalty = Some(1.5);
    let want: Value = serde_json::from_str(include_str!("../fixtures/request.json")).expect("it is JSON");
    assert_eq!(sent(&chat), want);
}

#[test]
fn a_model_that_does_not_think_gets_no_thoughts() {
    let messages = vec![message(Role::Assistant, vec![thought(None), Part::text("Yes.")])];
    let chat = Chat { messages, ..Chat::default() };
    assert_eq!(sent_to(PLAIN, &chat)["messages"], json!([{"role": "assistant", "content": "Yes."}]));
    let told = sent(&chat)["messages"][0]["content"].clone();
    assert_eq!(told, json!([{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Yes."}]));
}

#[test]
fn what_a_model_painted_is_shown_by_the_user() {
    let messages = vec![message(Role::Assistant, vec![Part::text("Look:"), picture(inline(), None)])];
    let picture = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}});
    let want = json!([{"role": "assistant", "content": "Look:"}, {"role": "user", "content": [picture]}]);
    assert_eq!(sent(&Chat { messages, ..Chat::default() })["messages"], want);
}

#[test]
fn json_without_tools_is_a_format_and_an_instruction() {
    let mut chat = Chat { format: Format::Json, ..asks() };
    assert_eq!(sent(&chat)["response_format"], json!({"type": "json_object"}));
    assert_eq!(sent(&chat)["messages"][0]["content"], "Answer with a JSON object and nothing else.");
    chat.messages.insert(0, says(Role::System, "Be brief."));
    chat.format = schema(Some("A thing."), None);
    let want = json!({"type": "json_object", "json_schema": {"type": "object", "required": ["a"]}});
    assert_eq!(sent(&chat)["response_format"], want);
    let instructions = "Be brief.\n\nAnswer with a JSON object and nothing else. A thing.";
    assert_eq!(sent(&chat)["messages"][0]["content"], instructions);
}

#[test]
fn json_beside_tools_is_a_call() {
    let mut chat = Chat { tools: vec![tool("f", None)], format: schema(Some("A thing."), None), ..asks() };
    let body = sent(&chat);
    let answer = &body["tools"][1]["function"];
    assert_eq!((&answer["name"], &answer["parameters"]["required"]), (&json!("wb_json_answer"), &json!(["a"])));
    assert!(answer["description"].as_str().is_some_and(|how| how.ends_with(" A thing.")));
    assert_eq!((&body["tool_choice"], &body["response_format"]), (&json!("REQUIRED"), &Value::Null));
    assert_eq!(body["messages"], json!([{"role": "user", "content": "Hi"}]));
    let formats = [Feature::ForcedTool, Feature::JsonSchema];
    chat.tool_choice = Some(ToolChoice::Required);
    assert_eq!(told(chat.clone(), &formats), [Feature::ForcedTool], "the answer is one of the calls that may come");
    chat.tool_choice = Some(ToolChoice::Named("f".to_owned()));
    assert_eq!(told(chat.clone(), &formats), [Feature::JsonSchema], "calling it excludes the answer");
    assert_eq!(sent(&chat)["tools"].as_array().map(Vec::len), Some(1));
    chat.tool_choice = Some(ToolChoice::None);
    let body = sent(&chat);
    assert_eq!((&body["tools"], &body["response_format"]["type"]), (&Value::Null, &json!("json_object")));
}

#[test]
fn one_tool_that_must_be_called_is_the_only_one() {
    let chat = |choice| Chat { tools: vec![tool("f", None), tool("g", None)], tool_choice: choice, ..asks() };
    let named = |name: &str| Some(ToolChoice::Named(name.to_owned()));
    let cases = [
        (None, json!(null), 2),
        (Some(ToolChoice::Auto), json!(null), 2),
        (Some(ToolChoice::None), json!("NONE"), 2),
        (Some(ToolChoice::Required), json!("REQUIRED"), 2),
        (named("g"), json!("REQUIRED"), 1),
        (named("h"), json!(null), 2),
    ];
    for (choice, want, tools) in cases {
        let body = sent(&chat(choice.clone()));
        let got = body["tools"].as_array().map(Vec::len);
        assert_eq!((&body["tool_choice"], got), (&want, Some(tools)), "{choice:?}");
    }
    assert_eq!(sent(&chat(named("g")))["tools"][0]["function"]["name"], "g");
    assert_eq!(told(chat(named("h")), &[Feature::ForcedTool]), [Feature::ForcedTool]);
    assert_eq!(told(chat(named("g")), &[Feature::ForcedTool]), []);
}

#[test]
fn tools_are_strict_where_all_of_them_are() {
    let chat = |stricts: &[Option<bool>], format| {
        let tool = |strict: &Option<bool>| Tool { strict: *strict, ..tool("f", None) };
        Chat { tools: stricts.iter().map(tool).collect(), format, ..asks() }
    };
    let (yes, no) = (Some(true), None);
    let cases = [
        (chat(&[yes, yes], Format::Text), true, false),
        (chat(&[yes, no], Format::Text), false, true),
        (chat(&[no], Format::Text), false, false),
        (chat(&[yes], Format::Json), false, true),
        (chat(&[yes], schema(None, yes)), true, false),
        (chat(&[yes], schema(None, no)), false, true),
    ];
    for (chat, said, lost) in cases {
        assert_eq!(sent(&chat)["strict_tools"] == json!(true), said, "{:?}", chat.tools);
        assert_eq!(told(chat, &[Feature::StrictTool]).len(), usize::from(lost));
    }
}

#[test]
fn a_budget_for_thinking_leaves_room_for_the_answer() {
    let thinking = Thinking::default();
    let budget = |tokens| Thinking { budget_tokens: Some(tokens), ..Thinking::default() };
    let effort = |effort| Thinking { effort: Some(effort), ..Thinking::default() };
    let off = json!({"type": "disabled"});
    let on = |tokens: u64| json!({"type": "enabled", "token_budget": tokens});
    let cases = [
        (thinking.clone(), None, json!(null)),
        (Thinking { off: true, ..thinking.clone() }, None, off.clone()),
        (effort(Effort::None), None, off.clone()),
        (budget(0), None, off),
        (Thinking { adaptive: true, ..thinking.clone() }, Some(100), json!({"type": "enabled"})),
        (effort(Effort::Max), None, json!({"type": "enabled"})),
        (effort(Effort::Low), None, on(2_048)),
        (budget(5_000), Some(4_024), on(3_000)),
        (budget(5_000), Some(100), on(50)),
        (budget(5_000), Some(1), json!(null)),
    ];
    for (thinking, cap, want) in cases {
        let chat = Chat { thinking: thinking.clone(), max_output_tokens: cap, ..asks() };
        assert_eq!(sent(&chat)["thinking"], want, "{thinking:?} under {cap:?}");
    }
    let chat = Chat { thinking: budget(5_000), max_output_tokens: Some(1), ..asks() };
    assert_eq!(told(chat, &[Feature::ReasoningEffort]), [Feature::ReasoningEffort]);
}

#[test]
fn a_model_that_does_not_think_is_not_told_how_much_to() {
    for thinking in
        [Thinking { off: true, ..Thinking::default() }, Thinking { effort: Some(Effort::High), ..Thinking::default() }]
    {
        let mut chat = Chat { thinking, ..asks() };
        chat.uses(Feature::ReasoningEffort, "reasoning_effort");
        assert_eq!(sent_to(PLAIN, &chat).get("thinking"), None);
        let gaps = gaps(&cohere(), &chat, &Goal { model: PLAIN, cap: None, most_output: None });
        assert!(gaps.unsupported.is_empty(), "it is no reason to refuse");
        assert_eq!(gaps.hints, ["reasoning_effort"]);
        assert!(sent_to("command-a-plus-05-2026", &chat).get("thinking").is_some());
    }
}

#[test]
fn what_has_no_word_is_left_out_and_told() {
    let mut chat = Chat { stop: (0..6).map(|n| n.to_string()).collect(), ..asks() };
    chat.sampling.presence_penalty = Some(-0.5);
    chat.sampling.top_k = Some(1_000);
    let body = sent(&chat);
    assert_eq!(body["stop_sequences"], json!(["0", "1", "2", "3", "4"]));
    assert_eq!((&body["presence_penalty"], &body["k"]), (&json!(null), &json!(500)));
    let features = [Feature::StopSequences, Feature::Penalties, Feature::Temperature];
    assert_eq!(told(chat, &features), [Feature::StopSequences, Feature::Penalties]);
    let pictures = vec![picture(inline(), Some("original")), picture(inline(), None), picture(inline(), Some("low"))];
    let mut chat = Chat { messages: vec![message(Role::User, pictures)], ..Chat::default() };
    chat.uses(Feature::ImageDetail, "first");
    chat.uses(Feature::ImageDetail, "third");
    let goal = Goal { model: PLAIN, cap: None, most_output: None };
    assert_eq!(gaps(&cohere(), &chat, &goal).hints, ["first"]);
    let details = sent(&chat)["messages"][0]["content"].as_array().cloned().unwrap_or_default();
    let details: Vec<_> = details.iter().map(|part| part["image_url"]["detail"].clone()).collect();
    assert_eq!(details, [json!(null), json!(null), json!("low")]);
}

#[test]
fn the_lower_cap_goes_up() {
    let chat = Chat { max_output_tokens: Some(500), ..asks() };
    for (cap, want) in [(None, 500), (Some(100), 100), (Some(900), 500)] {
        let body = cohere().encode(&chat, &Goal { model: PLAIN, cap, most_output: Some(8_000) });
        let body: Value = serde_json::from_slice(&body).expect("it is JSON");
        assert_eq!(body["max_tokens"], want);
    }
    assert_eq!(sent(&asks())["max_tokens"], json!(null));
}

#[test]
fn what_is_carried_is_there_and_what_is_not_is_told() {
    for model in [THINKER, PLAIN, "command-a-plus-05-2026"] {
        if model == PLAIN {
            // What it takes of thinking it drops: see above.
            carried::hides_nothing(&cohere(), model);
        } else {
            carried::obeys(&cohere(), model);
        }
    }
}

#[test]
fn a_value_over_its_bounds_is_told_as_a_hint_that_names_the_member_that_was_changed() {
    let clamped = |sampling: Sampling| {
        let mut chat = Chat { sampling, ..asks() };
        for (feature, path) in [
            (Feature::TopP, "top_p"),
            (Feature::TopK, "top_k"),
            (Feature::Penalties, "frequency_penalty"),
            (Feature::Penalties, "generationConfig.presencePenalty"),
        ] {
            chat.uses(feature, path);
        }
        let gaps = gaps(&cohere(), &chat, &Goal { model: THINKER, cap: None, most_output: None });
        assert_eq!(gaps.unsupported, [], "it is never refused");
        gaps.hints
    };
    let within = Sampling {
        top_p: Some(0.5),
        top_k: Some(500),
        frequency_penalty: Some(1.0),
        presence_penalty: Some(0.0),
        ..Sampling::default()
    };
    assert_eq!(clamped(within.clone()), [""; 0]);
    let presence = Sampling { presence_penalty: Some(1.8), ..within.clone() };
    assert_eq!(clamped(presence), ["generationConfig.presencePenalty"]);
    let frequency = Sampling { frequency_penalty: Some(1.8), ..within.clone() };
    assert_eq!(clamped(frequency), ["frequency_penalty"]);
    assert_eq!(clamped(Sampling { top_p: Some(1.0), top_k: Some(501), ..within }), ["top_p", "top_k"]);
}
