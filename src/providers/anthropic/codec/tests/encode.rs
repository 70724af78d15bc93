//! Requests.

use crate::{
    model::{
        CacheMark, Chat, Content, Effort, Format, Json, Message, Part, Reasoned, Role, Seal, Source, Thinking, Tool,
        ToolCall, ToolChoice, ToolResult,
    },
    providers::{
        anthropic::codec::Messages,
        carried,
        codec::{Codec, Goal},
        mask::Key,
    },
};
use bytes::Bytes;
use serde_json::{Value, json};

pub(super) fn codec() -> Messages {
    Messages::new(Key::new(None))
}

fn sent_to(chat: &Chat, to: Goal<'_>) -> Value {
    serde_json::from_slice(&codec().encode(chat, &to)).expect("the body is JSON")
}

fn sent(chat: &Chat, model: &str) -> Value {
    sent_to(chat, Goal { model, cap: None, most_output: None })
}

pub(super) fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, name: None, parts }
}

pub(super) fn says(role: Role, text: &str) -> Message {
    message(role, vec![Part::text(text)])
}

pub(super) fn asking() -> Chat {
    Chat { messages: vec![says(Role::User, "Hi")], ..Chat::default() }
}

fn inline(media_type: &str, base64: &'static str) -> Source {
    Source::Inline { media_type: media_type.to_owned(), base64: Bytes::from_static(base64.as_bytes()) }
}

fn json_text(value: &Value) -> Json {
    Json::of(value).expect("it serializes")
}

pub(super) fn tool(name: &str, parameters: Option<Value>) -> Tool {
    Tool {
        name: name.to_owned(),
        description: None,
        parameters: parameters.as_ref().map(json_text),
        strict: None,
        cache: None,
    }
}

pub(super) fn call(id: &str, arguments: &str) -> Part {
    let call = ToolCall { id: id.to_owned(), name: "look".to_owned(), arguments: arguments.to_owned() };
    Part::new(Content::ToolCall(call))
}

pub(super) fn result(id: &str, failed: bool, parts: Vec<Part>) -> Part {
    Part::new(Content::ToolResult(ToolResult { id: id.to_owned(), name: None, failed, parts }))
}

pub(super) fn thought(text: &str, maker: &str, data: &str, hidden: bool) -> Part {
    let seal = Seal { maker: maker.to_owned(), data: data.to_owned(), hidden };
    Part::new(Content::Reasoning(Reasoned { text: text.to_owned(), seal: Some(seal) }))
}

fn document(source: Source, name: Option<&str>) -> Part {
    Part::new(Content::Document { source, name: name.map(str::to_owned) })
}

fn picture(source: Source) -> Part {
    Part::new(Content::Image { source, detail: None })
}

fn turns() -> Vec<Message> {
    let instructions = Part { content: Content::Text("Be brief.".to_owned()), cache: Some(CacheMark { hour: true }) };
    let marked = Part { cache: Some(CacheMark { hour: false }), ..call("toolu_1", r#"{"at": [1, 2.50]}"#) };
    vec![
        message(Role::System, vec![instructions]),
        message(
            Role::User,
            vec![
                Part::text("What is on these?"),
                picture(inline("image/png", "aGk=")),
                picture(Source::Url("https://h/a.png".to_owned())),
                picture(Source::File("file_1".to_owned())),
                document(inline("application/pdf", "JVBERg=="), Some("a.pdf")),
                document(Source::Url("https://h/b.pdf".to_owned()), None),
                document(Source::Text("plain".to_owned()), None),
                document(inline("text/plain", "aGk="), Some("hi.txt")),
                Part::text(" \n"),
            ],
        ),
        message(
            Role::Assistant,
            vec![
                thought("Let me look.", "anthropic", "EqQB", false),
                thought("", "anthropic", "Emwk", true),
                thought("Another's.", "gemini", "x", false),
                Part::new(Content::Reasoning(Reasoned { text: "Bare.".to_owned(), seal: None })),
                Part::text("Looking."),
            ],
        ),
        message(Role::Assistant, vec![marked, call("functions.look:1", ""), call("toolu_3", "{\"at\": ")]),
        says(Role::User, "Go on."),
        message(
            Role::User,
            vec![
                result("toolu_1", false, vec![Part::text("a cat"), picture(inline("image/png", "aGk="))]),
                result("functions.look:1", true, vec![Part::text("no")]),
                result("toolu_3", false, vec![]),
            ],
        ),
        says(Role::System, "From now on in French."),
        says(Role::User, "Well?"),
    ]
}

#[test]
fn a_request_is_written_as_the_reference_has_it() {
    let mut look = tool("look", Some(json!({"type": "object", "properties": {"at": {"type": "array"}}})));
    look.description = Some("Looks.".to_owned());
    look.cache = Some(CacheMark::default());
    let mut chat = Chat {
        stream: true,
        messages: turns(),
        tools: vec![look, tool("stop", None), tool("mend", Some(json!({"properties": {}})))],
        tool_choice: Some(ToolChoice::Required),
        parallel_tool_calls: Some(false),
        max_output_tokens: Some(500),
        stop: vec!["\n".to_owned(), "END".to_owned(), String::new()],
        user: Some("u-1".to_owned()),
        service_tier: Some("default".to_owned()),
        ..Chat::default()
    };
    chat.sampling.temperature = Some(1.7);
    chat.sampling.top_k = Some(5);
    let want: Value = serde_json::from_str(include_str!("../fixtures/request.json")).expect("it is JSON");
    assert_eq!(sent(&chat, "claude-sonnet-4-5"), want);
    let text = String::from_utf8(codec().encode(&chat, &Goal { model: "m", cap: None, most_output: None }).into());
    assert!(text.expect("UTF-8").contains(r#""input":{"at": [1, 2.50]}"#), "arguments keep their letters");
}

#[test]
fn a_short_question_has_nothing_that_was_not_asked_for() {
    let want = json!({"model": "m", "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]});
    assert_eq!(sent(&asking(), "m"), want);
}

#[test]
fn the_output_cap_is_the_lowest_that_is_known() {
    let capped = |asked, cap, most_output| {
        let chat = Chat { max_output_tokens: asked, ..asking() };
        sent_to(&chat, Goal { model: "m", cap, most_output })["max_tokens"].clone()
    };
    assert_eq!(capped(Some(9), Some(5), Some(100)), 5);
    assert_eq!(capped(Some(9), None, Some(100)), 9);
    assert_eq!(capped(None, None, Some(100)), 100);
    assert_eq!(capped(None, None, None), 4096);
}

#[test]
fn instructions_alone_become_the_question() {
    let chat = Chat { messages: vec![says(Role::System, "Say hi.")], ..Chat::default() };
    let body = sent(&chat, "m");
    assert_eq!(body["messages"], json!([{"role": "user", "content": [{"type": "text", "text": "Say hi."}]}]));
    assert!(body.get("system").is_none());
}

#[test]
fn an_answer_to_be_continued_ends_in_no_white_space() {
    let chat = Chat { messages: vec![says(Role::User, "Hi"), says(Role::Assistant, "I am  \n")], ..Chat::default() };
    assert_eq!(sent(&chat, "m")["messages"][1]["content"][0]["text"], "I am");
}

#[test]
fn tools_are_chosen_in_anthropics_words() {
    let auto = |single: bool| {
        if single { json!({"type": "auto", "disable_parallel_tool_use": true}) } else { json!({"type": "auto"}) }
    };
    let cases = [
        (None, None, Value::Null),
        (None, Some(true), Value::Null),
        (None, Some(false), auto(true)),
        (Some(ToolChoice::Auto), None, auto(false)),
        (Some(ToolChoice::None), Some(false), json!({"type": "none"})),
        (Some(ToolChoice::Required), None, json!({"type": "any"})),
        (Some(ToolChoice::Named("f".to_owned())), None, json!({"type": "tool", "name": "f"})),
    ];
    for (tool_choice, parallel_tool_calls, want) in cases {
        let chat = Chat { tools: vec![tool("f", None)], tool_choice, parallel_tool_calls, ..asking() };
        assert_eq!(sent(&chat, "m")["tool_choice"], want, "{:?}", chat.tool_choice);
    }
    let chat = Chat { tool_choice: Some(ToolChoice::Auto), parallel_tool_calls: Some(false), ..asking() };
    assert_eq!(sent(&chat, "m")["tool_choice"], Value::Null, "without tools nothing is chosen");
}

#[test]
fn calls_of_tools_that_are_no_longer_declared_declare_them() {
    let messages = vec![
        says(Role::User, "Hi"),
        message(Role::Assistant, vec![call("a", "{}")]),
        message(Role::User, vec![result("a", false, vec![Part::text("ok")])]),
    ];
    let body = sent(&Chat { messages, ..Chat::default() }, "m");
    assert_eq!(body["tools"], json!([{"name": "look", "input_schema": {"type": "object"}}]));
    assert_eq!(body["tool_choice"], json!({"type": "none"}));
}

fn schema(schema: &Value) -> Format {
    let strict = Some(true);
    Format::Schema { name: "s".to_owned(), description: Some("A point.".to_owned()), schema: json_text(schema), strict }
}

#[test]
fn structured_output_is_native_where_model_and_schema_allow_it() {
    let closed = json!({"type": "object", "properties": {"p": {"$ref": "#/$defs/p"}}, "required": ["p"],
        "additionalProperties": false, "$defs": {"p": {"type": "integer"}}});
    let body = sent(&Chat { format: schema(&closed), ..asking() }, "claude-sonnet-4-5");
    assert_eq!(body["output_config"], json!({"format": {"type": "json_schema", "schema": closed}}));
    assert!(body.get("tools").is_none());
    let open = json!({"type": "object", "properties": {}});
    let limited = json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "additionalProperties": false});
    let recursive = json!({"type": "object", "properties": {"a": {"$ref": "#"}}, "additionalProperties": false});
    let cases = [
        ("claude-3-5-haiku-20241022", &closed),
        ("m", &closed),
        ("claude-sonnet-4-5", &open),
        ("claude-sonnet-4-5", &limited),
        ("claude-sonnet-4-5", &recursive),
    ];
    for (model, asked) in cases {
        let body = sent(&Chat { format: schema(asked), ..asking() }, model);
        assert!(body.get("output_config").is_none(), "{model} {asked}");
        assert_eq!(
            body["tools"],
            json!([{"name": "wb_json_answer", "description": "A point.", "input_schema": asked}])
        );
        assert_eq!(body["tool_choice"], json!({"type": "tool", "name": "wb_json_answer"}), "{model}");
    }
}

#[test]
fn json_comes_by_a_tool() {
    let json_mode = |chat: Chat| Chat { format: Format::Json, ..chat };
    let names = |body: &Value| {
        body["tools"].as_array().map(|tools| tools.iter().map(|tool| tool["name"].clone()).collect::<Vec<_>>())
    };
    let body = sent(&json_mode(asking()), "m");
    assert_eq!((names(&body), &body["tool_choice"]["type"]), (Some(vec!["wb_json_answer".into()]), &json!("tool")));
    let tools = || Chat { tools: vec![tool("f", None)], ..asking() };
    let body = sent(&json_mode(tools()), "m");
    assert_eq!(
        (names(&body), &body["tool_choice"]["type"]),
        (Some(vec!["f".into(), "wb_json_answer".into()]), &json!("any"))
    );
    let forced = Chat { tool_choice: Some(ToolChoice::Required), ..tools() };
    assert_eq!(names(&sent(&json_mode(forced), "m")), Some(vec!["f".into()]), "what must be called counts more");
    let body = sent(&json_mode(asking()), "claude-opus-5-5");
    assert_eq!(body["tool_choice"]["type"], "auto", "no call can be forced there");
    assert!(body["system"][0]["text"].as_str().expect("told in words").contains("wb_json_answer"));
}

#[test]
fn thinking_is_asked_for_as_the_model_takes_it() {
    let effort = |effort| Thinking { effort: Some(effort), ..Thinking::default() };
    let budget = |tokens| Thinking { budget_tokens: Some(tokens), ..Thinking::default() };
    let adaptive = Thinking { adaptive: true, shown: Some(true), ..Thinking::default() };
    let off = Thinking { off: true, ..Thinking::default() };
    let enabled = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    let none = Value::Null;
    let cases = [
        ("claude-sonnet-4-5", Some(20_000), effort(Effort::Medium), enabled(8_192), none.clone()),
        ("claude-sonnet-4-5", Some(5_000), effort(Effort::High), enabled(3_996), none.clone()),
        ("claude-sonnet-4-5", Some(1_200), effort(Effort::High), none.clone(), none.clone()),
        ("claude-sonnet-4-5", Some(5_000), budget(9_000), enabled(4_999), none.clone()),
        ("claude-sonnet-4-5", Some(5_000), budget(5), enabled(1_024), none.clone()),
        ("claude-sonnet-4-5", Some(1_024), budget(5_000), none.clone(), none.clone()),
        ("claude-sonnet-4-5", Some(5_000), adaptive.clone(), enabled(3_996), none.clone()),
        ("claude-sonnet-4-5", None, off.clone(), none.clone(), none.clone()),
        ("claude-sonnet-4-5", None, effort(Effort::None), none.clone(), none.clone()),
        ("claude-sonnet-4-6", None, effort(Effort::XHigh), json!({"type": "adaptive"}), json!({"effort": "high"})),
        ("claude-opus-4-7", None, effort(Effort::XHigh), json!({"type": "adaptive"}), json!({"effort": "xhigh"})),
        ("claude-opus-4-7", None, budget(2_000), json!({"type": "adaptive"}), json!({"effort": "low"})),
        ("claude-opus-4-7", None, adaptive, json!({"type": "adaptive", "display": "summarized"}), none.clone()),
        (
            "claude-sonnet-5",
            None,
            Thinking { shown: Some(true), ..Thinking::default() },
            json!({"type": "adaptive", "display": "summarized"}),
            none.clone(),
        ),
        ("claude-sonnet-5", None, off.clone(), json!({"type": "disabled"}), none.clone()),
        ("claude-sonnet-5-5", None, off.clone(), json!({"type": "between_tools"}), none.clone()),
        ("claude-fable-5-1", None, off, none.clone(), json!({"effort": "low"})),
    ];
    for (model, max_output_tokens, thinking, want, config) in cases {
        let body = sent(&Chat { thinking: thinking.clone(), max_output_tokens, ..asking() }, model);
        assert_eq!((&body["thinking"], &body["output_config"]), (&want, &config), "{model} {thinking:?}");
    }
}

#[test]
fn thinking_yields_to_what_excludes_it() {
    let thinking = Thinking { budget_tokens: Some(2_000), ..Thinking::default() };
    let forced = Chat {
        tools: vec![tool("f", None)],
        tool_choice: Some(ToolChoice::Required),
        thinking: thinking.clone(),
        ..asking()
    };
    assert_eq!(sent(&forced, "claude-sonnet-4-5")["thinking"], Value::Null, "a forced call");
    let effort = Thinking { effort: Some(Effort::Max), ..Thinking::default() };
    let body = sent(&Chat { thinking: effort, ..forced }, "claude-opus-5");
    assert_eq!((&body["thinking"], &body["output_config"]), (&json!({"type": "disabled"}), &json!({"effort": "high"})));
    let after = |first: Vec<Part>| {
        let messages = vec![
            says(Role::User, "Hi"),
            message(Role::Assistant, first),
            message(Role::User, vec![result("a", false, vec![])]),
        ];
        sent(&Chat { messages, thinking: thinking.clone(), ..Chat::default() }, "claude-sonnet-4-5")["thinking"].clone()
    };
    assert_eq!(after(vec![call("a", "{}")]), Value::Null, "a call without its thought");
    let thoughtful = vec![thought("Hm.", "anthropic", "Eq", false), call("a", "{}")];
    assert_eq!(after(thoughtful), json!({"type": "enabled", "budget_tokens": 2_000}));
}

#[test]
fn sampling_is_said_where_the_model_takes_it() {
    let ask = |temperature, top_p, top_k| {
        let mut chat = asking();
        chat.sampling.temperature = temperature;
        chat.sampling.top_p = top_p;
        chat.sampling.top_k = top_k;
        chat
    };
    let said = |chat: &Chat, model: &str| {
        let body = sent(chat, model);
        ["temperature", "top_p", "top_k"].map(|name| body[name].as_f64())
    };
    let all = ask(Some(0.5), Some(0.9), Some(3));
    assert_eq!(said(&all, "m"), [Some(0.5), Some(0.9), Some(3.0)]);
    assert_eq!(said(&all, "claude-sonnet-4-5"), [Some(0.5), None, Some(3.0)], "one of two");
    assert_eq!(said(&ask(Some(1.0), Some(0.9), None), "claude-sonnet-4-5"), [None, Some(0.9), None]);
    assert_eq!(said(&all, "claude-opus-4-7"), [None; 3], "refused there");
    let thinking = Thinking { budget_tokens: Some(2_000), ..Thinking::default() };
    assert_eq!(said(&Chat { thinking, ..all }, "m"), [None; 3], "refused while it thinks");
}

#[test]
fn what_is_carried_is_there_and_what_is_not_is_not() {
    for model in [
        "claude-sonnet-4-5",
        "claude-3-5-haiku-20241022",
        "local",
        "claude-sonnet-4-6",
        "claude-opus-4-7",
        "claude-opus-5-5",
        "claude-fable-5",
    ] {
        carried::obeys(&codec(), model);
    }
}
