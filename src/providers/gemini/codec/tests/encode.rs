//! Requests.

use crate::{
    model::{
        Chat, Content, Effort, Feature, Format, Json, Message, Part, Reasoned, Role, Sampling, Seal, Source, Thinking,
        Tool, ToolCall, ToolChoice, ToolResult,
    },
    providers::{
        carried,
        codec::{Codec, Goal, gaps},
        gemini::codec::Generate,
        mask::Key,
    },
};
use bytes::Bytes;
use serde_json::{Value, json};

fn codec() -> Generate {
    Generate::new(Key::new(None))
}

fn sent(chat: &Chat, model: &str) -> Value {
    let to = Goal { model, cap: None, most_output: Some(9_000) };
    serde_json::from_slice(&codec().encode(chat, &to)).expect("the body is JSON")
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, name: None, parts }
}

fn says(role: Role, text: &str) -> Message {
    message(role, vec![Part::text(text)])
}

fn asking() -> Chat {
    Chat { messages: vec![says(Role::User, "Hi")], ..Chat::default() }
}

fn inline(media_type: &str, base64: &'static str) -> Source {
    Source::Inline { media_type: media_type.to_owned(), base64: Bytes::from_static(base64.as_bytes()) }
}

fn url(url: &str) -> Source {
    Source::Url(url.to_owned())
}

fn picture(source: Source) -> Part {
    Part::new(Content::Image { source, detail: None })
}

fn document(source: Source) -> Part {
    Part::new(Content::Document { source, name: None })
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    let call = ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() };
    Part::new(Content::ToolCall(call))
}

fn result(id: &str, name: Option<&str>, failed: bool, parts: Vec<Part>) -> Part {
    let result = ToolResult { id: id.to_owned(), name: name.map(str::to_owned), failed, parts };
    Part::new(Content::ToolResult(result))
}

fn thought(maker: &str, data: &str) -> Part {
    let seal = Seal { maker: maker.to_owned(), data: data.to_owned(), hidden: false };
    Part::new(Content::Reasoning(Reasoned { text: "Hm.".to_owned(), seal: Some(seal) }))
}

fn tool(name: &str, parameters: Option<Value>) -> Tool {
    let parameters = parameters.as_ref().and_then(Json::of);
    Tool { name: name.to_owned(), description: None, parameters, strict: None, cache: None }
}

fn turns() -> Vec<Message> {
    vec![
        says(Role::System, "Be brief."),
        message(
            Role::User,
            vec![
                Part::text("What is on these?"),
                picture(inline("image/png", "aGk=")),
                picture(url("https://h/a.webp?x=1")),
                picture(url("https://h/a")),
                picture(Source::File("file_1".to_owned())),
                document(inline("application/pdf", "JVBERg==")),
                document(url("https://h/b")),
                document(Source::Text("plain".to_owned())),
                Part::new(Content::Audio { source: inline("audio/mp3", "aGk=") }),
                Part::text(""),
            ],
        ),
        message(Role::Assistant, vec![thought("anthropic", "x"), Part::text("Looking.")]),
        message(
            Role::Assistant,
            vec![
                thought("gemini", "Sig1"),
                call("c1", "look", r#"{"at": [1, 2.50]}"#),
                call("c2", "listen", ""),
                call("c3", "look", "{\"at\": "),
            ],
        ),
        says(Role::User, "Go on."),
        message(
            Role::User,
            vec![
                result(
                    "c1",
                    None,
                    false,
                    vec![Part::text("a cat"), Part::text(", "), picture(inline("image/png", "aGk="))],
                ),
                result("c2", Some("named"), true, vec![Part::text("no")]),
                result("c9", None, false, vec![]),
            ],
        ),
        says(Role::System, "From now on in French."),
    ]
}

#[test]
fn a_request_is_written_as_the_reference_has_it() {
    let mut look = tool("look", Some(json!({"type": "object", "properties": {"at": {"type": ["array", "null"]}}})));
    look.description = Some("Looks.".to_owned());
    let schema = Json::of(&json!({"type": "object"})).expect("it serializes");
    let chat = Chat {
        stream: true,
        messages: turns(),
        tools: vec![look, tool("listen", None)],
        tool_choice: Some(ToolChoice::Named("look".to_owned())),
        max_output_tokens: Some(500),
        sampling: Sampling {
            temperature: Some(1.7),
            top_p: Some(0.9),
            top_k: Some(5),
            presence_penalty: Some(0.5),
            frequency_penalty: Some(-0.5),
            seed: Some(7),
            logit_bias: None,
        },
        stop: vec!["END".to_owned()],
        choices: 2,
        format: Format::Schema { name: "s".to_owned(), description: None, schema, strict: Some(true) },
        logprobs: Some(3),
        thinking: Thinking { effort: Some(Effort::High), shown: Some(true), ..Thinking::default() },
        service_tier: Some("flex".to_owned()),
        ..Chat::default()
    };
    let want: Value = serde_json::from_str(include_str!("../fixtures/request.json")).expect("it is JSON");
    assert_eq!(sent(&chat, "gemini-3-pro-preview"), want);
}

#[test]
fn a_short_question_has_nothing_that_was_not_asked_for() {
    let want = json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]});
    assert_eq!(sent(&asking(), "gemini-2.5-flash"), want, "the output has the model's own bound");
    let to = Goal { model: "m", cap: Some(5), most_output: None };
    let capped: Value = serde_json::from_slice(&codec().encode(&asking(), &to)).expect("JSON");
    assert_eq!(capped["generationConfig"], json!({"maxOutputTokens": 5}));
    let alone = Chat { messages: vec![says(Role::System, "Say hi.")], ..Chat::default() };
    assert_eq!(sent(&alone, "m"), json!({"contents": [{"role": "user", "parts": [{"text": "Say hi."}]}]}));
}

#[test]
fn signatures_stand_where_they_came() {
    let model = |parts: Vec<Part>, model: &str| {
        let messages = vec![says(Role::User, "Hi"), message(Role::Assistant, parts)];
        sent(&Chat { messages, ..Chat::default() }, model)["contents"][1]["parts"].clone()
    };
    let signed = |parts| model(parts, "gemini-3-flash-preview");
    let unsigned = json!([{"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "skip_thought_signature_validator"},
        {"functionCall": {"id": "b", "name": "f", "args": {}}}]);
    assert_eq!(signed(vec![call("a", "f", "{}"), call("b", "f", "{}")]), unsigned, "another model's call");
    let old = json!([{"functionCall": {"id": "a", "name": "f", "args": {}}}]);
    assert_eq!(model(vec![call("a", "f", "{}")], "gemini-2.5-flash"), old, "no signature is needed");
    let text = vec![thought("gemini", "S"), Part::text("Yes.")];
    assert_eq!(signed(text), json!([{"text": "Yes.", "thoughtSignature": "S"}]));
    let last = vec![Part::text("Yes."), thought("gemini", "S")];
    assert_eq!(signed(last), json!([{"text": "Yes."}, {"text": "", "thoughtSignature": "S"}]));
}

#[test]
fn pictures_of_a_tool_stand_behind_its_result_where_it_takes_none() {
    let messages = vec![
        message(Role::Assistant, vec![call("a", "f", "{}")]),
        message(Role::User, vec![result("a", None, false, vec![picture(inline("image/png", "aGk="))])]),
    ];
    let parts = sent(&Chat { messages, ..Chat::default() }, "gemini-2.5-pro")["contents"][1]["parts"].clone();
    let want = json!([{"functionResponse": {"id": "a", "name": "f", "response": {"output": ""}}},
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}}]);
    assert_eq!(parts, want);
}

#[test]
fn tools_are_chosen_in_geminis_words() {
    let cases = [
        (None, Value::Null),
        (Some(ToolChoice::Auto), json!({"mode": "AUTO"})),
        (Some(ToolChoice::None), json!({"mode": "NONE"})),
        (Some(ToolChoice::Required), json!({"mode": "ANY"})),
    ];
    for (tool_choice, want) in cases {
        let chat = Chat { tools: vec![tool("f", None)], tool_choice, ..asking() };
        assert_eq!(sent(&chat, "m")["toolConfig"]["functionCallingConfig"], want, "{:?}", chat.tool_choice);
    }
    let chat = Chat { tool_choice: Some(ToolChoice::Required), ..asking() };
    assert_eq!(sent(&chat, "m")["toolConfig"], Value::Null, "without tools nothing is chosen");
    assert_eq!(
        sent(&Chat { format: Format::Json, ..asking() }, "m")["generationConfig"],
        json!({"responseMimeType": "application/json"})
    );
}

#[test]
fn json_comes_by_a_tool_where_it_excludes_tools() {
    let ask = |tool_choice, model: &str| {
        let chat = Chat { tools: vec![tool("f", None)], tool_choice, format: Format::Json, ..asking() };
        let body = sent(&chat, model);
        let functions = body["tools"][0]["functionDeclarations"].as_array().map_or(0, Vec::len);
        let mode = body["toolConfig"]["functionCallingConfig"]["mode"].clone();
        (functions, mode, body.get("generationConfig").is_some())
    };
    assert_eq!(ask(None, "gemini-2.5-flash"), (2, json!("ANY"), false), "the answer is a call");
    assert_eq!(ask(Some(ToolChoice::Required), "gemini-2.5-flash"), (1, json!("ANY"), false), "the call counts more");
    assert_eq!(ask(Some(ToolChoice::None), "gemini-2.5-flash"), (0, Value::Null, true), "no call may come");
    assert_eq!(ask(None, "gemini-3-pro-preview"), (1, Value::Null, true), "both at once");
}

#[test]
fn thinking_is_asked_for_as_the_model_takes_it() {
    let effort = |effort| Thinking { effort: Some(effort), ..Thinking::default() };
    let budget = |tokens| Thinking { budget_tokens: Some(tokens), ..Thinking::default() };
    let adaptive = Thinking { adaptive: true, ..Thinking::default() };
    let off = Thinking { off: true, shown: Some(true), ..Thinking::default() };
    let tokens = |tokens: i64| json!({"thinkingBudget": tokens});
    let level = |level: &str| json!({"thinkingLevel": level});
    let cases = [
        ("gemini-2.5-flash", effort(Effort::Medium), tokens(8_192)),
        ("gemini-2.5-flash", effort(Effort::Max), tokens(24_576)),
        ("gemini-2.5-pro", effort(Effort::Max), tokens(32_768)),
        ("gemini-2.5-flash", budget(1), tokens(512)),
        ("gemini-2.5-flash", adaptive.clone(), tokens(-1)),
        ("gemini-2.5-flash", off.clone(), tokens(0)),
        ("gemini-2.5-flash", budget(0), tokens(0)),
        ("gemini-2.5-pro", effort(Effort::None), tokens(128)),
        ("gemini-3-flash-preview", effort(Effort::Minimal), level("minimal")),
        ("gemini-3-flash-preview", off.clone(), level("minimal")),
        ("gemini-3-pro-preview", off.clone(), level("low")),
        ("gemini-3-pro-preview", budget(8_000), level("medium")),
        ("gemini-3-pro-preview", adaptive, Value::Null),
        ("gemini-4-argon", effort(Effort::Minimal), level("low")),
        ("gemini-flash-latest", effort(Effort::XHigh), level("high")),
    ];
    for (model, thinking, want) in cases {
        let body = sent(&Chat { thinking: thinking.clone(), ..asking() }, model);
        assert_eq!(body["generationConfig"]["thinkingConfig"], want, "{model} {thinking:?}");
    }
}

#[test]
fn sampling_is_said_where_the_model_takes_it() {
    let sampling = Sampling { temperature: Some(0.5), presence_penalty: Some(1.0), ..Sampling::default() };
    let chat = Chat { sampling, ..asking() };
    assert_eq!(sent(&chat, "gemini-2.5-pro")["generationConfig"], json!({"temperature": 0.5, "presencePenalty": 1.0}));
    assert_eq!(sent(&chat, "gemini-4-argon").get("generationConfig"), None, "refused there");
    for (asked, want) in [(1 << 40, 0), ((1 << 40) + 5, 5), (-3, -3)] {
        let sampling = Sampling { seed: Some(asked), ..Sampling::default() };
        assert_eq!(sent(&Chat { sampling, ..asking() }, "m")["generationConfig"]["seed"], want, "{asked}");
    }
}

#[test]
fn what_is_left_out_is_told() {
    let told = |mut chat: Chat, model: &str| {
        for (feature, path) in [
            (Feature::Temperature, "temperature"),
            (Feature::TopK, "topK"),
            (Feature::Penalties, "presencePenalty"),
            (Feature::Choices, "candidateCount"),
            (Feature::JsonObject, "responseMimeType"),
            (Feature::ForcedTool, "mode"),
            (Feature::ReasoningEffort, "thinkingBudget"),
            (Feature::ServiceTier, "serviceTier"),
        ] {
            chat.uses(feature, path);
        }
        let gaps = gaps(&codec(), &chat, &Goal { model, cap: None, most_output: None });
        gaps.unsupported.into_iter().map(|used| used.path).chain(gaps.hints).collect::<Vec<_>>()
    };
    let nothing: [&str; 0] = [];
    assert_eq!(told(asking(), "gemini-3-pro-preview"), nothing);
    assert_eq!(told(asking(), "gemini-4-argon"), ["temperature", "topK", "presencePenalty", "candidateCount"]);
    assert_eq!(told(asking(), "gemini-flash-latest"), nothing);
    let forced = Chat {
        tools: vec![tool("f", None)],
        tool_choice: Some(ToolChoice::Required),
        format: Format::Json,
        ..asking()
    };
    assert_eq!(told(forced.clone(), "gemini-2.5-flash"), ["responseMimeType"], "the call counts more");
    assert_eq!(told(forced.clone(), "gemini-3-pro-preview"), nothing, "both at once");
    assert_eq!(told(Chat { tools: vec![], ..forced }, "gemini-3-pro-preview"), ["mode"], "there is no tool");
    let tier = |tier: &str| Chat { service_tier: Some(tier.to_owned()), ..asking() };
    assert_eq!(told(tier("reserved"), "m"), ["serviceTier"]);
    assert_eq!(told(tier("flex"), "m"), nothing);
    assert_eq!(sent(&Chat { choices: 3, ..asking() }, "gemini-4-argon").get("generationConfig"), None);
}

#[test]
fn what_is_carried_is_there_and_what_is_not_is_not() {
    for model in ["gemini-2.5-flash", "gemini-3-pro-preview", "gemini-4-argon", "gemini-flash-latest"] {
        carried::obeys(&codec(), model);
    }
}

#[test]
fn a_hundred_thousand_results_find_the_names_of_their_calls() {
    let calls = (0..100_000).map(|n| {
        let (id, name) = (format!("c{n}"), format!("f{n}"));
        Part::new(Content::ToolCall(ToolCall { id, name, arguments: String::new() }))
    });
    let results = (0..100_000).map(|n| {
        let result = ToolResult { id: format!("c{}", n + 1), name: None, failed: false, parts: Vec::new() };
        Part::new(Content::ToolResult(result))
    });
    let messages = vec![message(Role::Assistant, calls.collect()), message(Role::User, results.collect())];
    let sent = sent(&Chat { messages, ..Chat::default() }, "gemini-2.5-pro");
    let answers = &sent["contents"][1]["parts"];
    assert_eq!(answers[0]["functionResponse"]["name"], "f1");
    assert_eq!(answers[99_999]["functionResponse"]["name"], "tool", "of a call that is not there");
}
