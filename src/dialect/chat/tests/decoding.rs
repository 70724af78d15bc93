//! What a request means.

use super::{decode, json, try_decode, uses, with};
use crate::model::{
    CacheMark, Chat, Content, Effort, Feature, Format, Json, Message, Part, Reasoned, Role, Sampling, Seal, Source,
    Thinking, ToolCall, ToolChoice, ToolResult,
};
use serde_json::Value;

fn turn(role: Role, parts: Vec<Part>) -> Message {
    Message { role, name: None, parts }
}

fn schema(value: &Value) -> Json {
    Json::of(value).expect("it is JSON")
}

/// The messages that `messages` are, and what they use.
fn messages(messages: Value) -> Chat {
    decode(&json!({"model": "m", "messages": messages}))
}

#[test]
fn turns_keep_their_order_and_tools_answer_in_one_turn() {
    let chat = messages(json!([
        {"role": "developer", "content": "be brief"},
        {"role": "system", "content": [{"type": "text", "text": "be kind"}]},
        {"role": "user", "name": "ann", "content": "weather?"},
        {"role": "assistant", "content": "", "refusal": null, "annotations": [], "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{\"at\":\"Rome\"}"}},
            {"id": "b", "type": "function", "function": {"name": "time", "arguments": ""}}]},
        {"role": "tool", "tool_call_id": "b", "content": "noon"},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "sunny"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Sunny."}, {"type": "refusal", "refusal": "No."}]},
        {"role": "tool", "tool_call_id": "z", "content": "late"},
    ]));
    let call = |id: &str, name: &str, arguments: &str| {
        let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
        Part::new(Content::ToolCall(ToolCall { id, name, arguments }))
    };
    let result = |id: &str, name: Option<&str>, text: &str| {
        let (id, name) = (id.to_owned(), name.map(str::to_owned));
        Part::new(Content::ToolResult(ToolResult { id, name, failed: false, parts: vec![Part::text(text)] }))
    };
    let mut asked = turn(Role::User, vec![Part::text("weather?")]);
    asked.name = Some("ann".to_owned());
    let want = [
        turn(Role::System, vec![Part::text("be brief")]),
        turn(Role::System, vec![Part::text("be kind")]),
        asked,
        turn(Role::Assistant, vec![call("a", "weather", "{\"at\":\"Rome\"}"), call("b", "time", "")]),
        turn(Role::User, vec![result("b", Some("time"), "noon"), result("a", Some("weather"), "sunny")]),
        turn(Role::Assistant, vec![Part::text("Sunny."), Part::new(Content::Refusal("No.".to_owned()))]),
        turn(Role::User, vec![result("z", None, "late")]),
    ];
    assert_eq!(chat.messages, want);
    assert_eq!(uses(&chat), [(Feature::ParticipantName, "messages[2].name")]);
}

#[test]
fn pictures_sound_and_documents_are_slices_of_the_body_and_are_told_with_their_paths() {
    let chat = messages(json!([{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://a.example/b.png", "detail": "auto"}},
        {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,CCCC", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"file_data": "DDDD", "filename": "a.txt"}},
        {"type": "file", "file": {"file_data": "https://a.example/b.pdf"}},
        {"type": "image_url", "image_url": {"url": "data:application/pdf;base64,EEEE"}},
        {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,FFFF"}},
    ]}]));
    let inline = |media_type: &str, base64: &'static str| Source::Inline {
        media_type: media_type.to_owned(),
        base64: base64.into(),
    };
    let document = |source, name: Option<&str>| Content::Document { source, name: name.map(str::to_owned) };
    let want = [
        Content::Image { source: inline("image/png", "AAAA"), detail: Some("low".to_owned()) },
        Content::Image { source: Source::Url("https://a.example/b.png".to_owned()), detail: None },
        Content::Audio { source: inline("audio/wav", "BBBB") },
        document(inline("application/pdf", "CCCC"), Some("a.pdf")),
        document(Source::File("file-1".to_owned()), None),
        document(inline("text/plain", "DDDD"), Some("a.txt")),
        document(Source::Url("https://a.example/b.pdf".to_owned()), None),
        document(inline("application/pdf", "EEEE"), None),
        Content::Video { source: inline("video/mp4", "FFFF") },
    ];
    assert_eq!(chat.messages[0].parts, want.map(Part::new));
    let want = [
        (Feature::ImageInline, "messages[0].content[0].image_url"),
        (Feature::ImageDetail, "messages[0].content[0].image_url.detail"),
        (Feature::ImageUrl, "messages[0].content[1].image_url"),
        (Feature::AudioInput, "messages[0].content[2].input_audio"),
        (Feature::DocumentInline, "messages[0].content[3].file"),
        (Feature::FileId, "messages[0].content[4].file"),
        (Feature::DocumentInline, "messages[0].content[5].file"),
        (Feature::DocumentUrl, "messages[0].content[6].file"),
        (Feature::DocumentInline, "messages[0].content[7].image_url"),
        (Feature::VideoInput, "messages[0].content[8].video_url"),
    ];
    assert_eq!(uses(&chat), want);
}

#[test]
fn a_payload_is_not_copied() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{}", "A".repeat(4096))}}]}]});
    let draft = crate::model::Draft::copy_of(body.to_string().as_bytes());
    let ask = super::parse(super::Api::ChatCompletions, draft).expect("it is strict");
    let chat = super::dialect::decode(&ask).expect("it is one").expect("a conversation");
    let Content::Image { source: Source::Inline { base64, .. }, .. } = &chat.messages[0].parts[0].content else {
        panic!("a picture in the request");
    };
    assert!(ask.body.bytes().as_ptr_range().contains(&base64.as_ptr()) && base64.len() == 4096);
}

#[test]
fn a_tool_that_answers_with_a_picture_is_told() {
    let chat = messages(json!([{"role": "tool", "tool_call_id": "a", "content": [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]));
    let want =
        [(Feature::ImageInline, "messages[0].content[0].image_url"), (Feature::RichToolResult, "messages[0].content")];
    assert_eq!(uses(&chat), want);
}

#[test]
fn thoughts_come_first_and_their_seals_know_their_maker() {
    let chat = messages(json!([
        {"role": "assistant", "content": "4", "reasoning_content": "hm.hm", "reasoning_details": [
            {"type": "reasoning.text", "text": "hm.", "signature": "wb1:anthropic:SIG", "index": 0},
            {"type": "reasoning.encrypted", "data": "wb1:anthropic:RED", "index": 1},
            {"type": "reasoning.summary", "summary": "hm", "index": 2},
            {"type": "reasoning.encrypted", "data": "ENC", "index": 3}]},
        {"role": "assistant", "content": "5", "reasoning_content": "plain"},
        {"role": "assistant", "content": "6", "reasoning": "plain", "reasoning_details": [
            {"type": "reasoning.encrypted", "data": "ENC", "id": "rs_1"}, {"type": "reasoning.new"}]},
    ]));
    let thought = |text: &str, seal: Option<(&str, &str, bool)>| {
        let seal = seal.map(|(maker, data, hidden)| Seal { maker: maker.to_owned(), data: data.to_owned(), hidden });
        Part::new(Content::Reasoning(Reasoned { text: text.to_owned(), seal }))
    };
    let want = [
        thought("hm.", Some(("anthropic", "SIG", false))),
        thought("", Some(("anthropic", "RED", true))),
        thought("hm", Some(("openai", "ENC", true))),
        Part::text("4"),
    ];
    assert_eq!(chat.messages[0].parts, want);
    assert_eq!(chat.messages[1].parts, [thought("plain", None), Part::text("5")]);
    let want = [thought("plain", None), thought("", Some(("openai", "ENC", true))), Part::text("6")];
    assert_eq!(chat.messages[2].parts, want);
    let want = [
        (Feature::SealedReasoning, "messages[0].reasoning_details[0]"),
        (Feature::SealedReasoning, "messages[0].reasoning_details[1]"),
        (Feature::PlainReasoning, "messages[0].reasoning_details[2]"),
        (Feature::SealedReasoning, "messages[0].reasoning_details[3]"),
        (Feature::PlainReasoning, "messages[1].reasoning_content"),
        (Feature::Unknown, "messages[2].reasoning_details[0].id"),
        (Feature::SealedReasoning, "messages[2].reasoning_details[0]"),
        (Feature::Unknown, "messages[2].reasoning_details[1]"),
        (Feature::PlainReasoning, "messages[2].reasoning"),
    ];
    assert_eq!(uses(&chat), want);
}

#[test]
fn a_function_call_of_old_is_a_call_with_an_id_of_its_own() {
    let chat = decode(&json!({"model": "m", "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"}],
        "functions": [{"name": "f", "parameters": {"type": "object"}}], "function_call": {"name": "f"}}));
    let (id, name, arguments) = ("call_1".to_owned(), "f".to_owned(), "{}".to_owned());
    let call = ToolCall { id: id.clone(), name: name.clone(), arguments };
    assert_eq!(chat.messages[1].parts, [Part::new(Content::ToolCall(call))]);
    let result = ToolResult { id, name: Some(name), failed: false, parts: vec![Part::text("1")] };
    assert_eq!(chat.messages[2].parts, [Part::new(Content::ToolResult(result))]);
    assert_eq!((&*chat.tools[0].name, chat.parallel_tool_calls), ("f", Some(false)));
    assert_eq!(chat.tool_choice, Some(ToolChoice::Named("f".to_owned())));
    assert_eq!(uses(&chat), [(Feature::ForcedTool, "function_call")]);
}

#[test]
fn tools_have_their_schema_and_what_is_no_function_is_told() {
    let parameters = json!({"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "number"}}});
    let chat = decode(&with(json!({"tools": [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": parameters, "strict": true},
            "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "function", "function": {"name": "g", "strict": false, "returns": {}}},
        {"type": "custom", "custom": {"name": "h", "description": "e",
            "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: W"}}}},
        {"type": "web_search"}]})));
    assert_eq!(chat.tools.len(), 3);
    let free = chat.tools[2].parameters.as_ref().expect("it is a function of one text").text();
    assert_eq!((&*chat.tools[2].name, chat.tools[2].description.as_deref()), ("h", Some("e")));
    assert!(free.contains(r#""required":["input"]"#) && free.contains("start: W"), "{free}");
    let tool = &chat.tools[0];
    assert_eq!((&*tool.name, tool.description.as_deref(), tool.strict), ("f", Some("d"), Some(true)));
    assert_eq!((&tool.parameters, tool.cache), (&Some(schema(&parameters)), Some(CacheMark { hour: true })));
    assert_eq!((&chat.tools[1].parameters, chat.tools[1].strict), (&None, Some(false)));
    let want = [
        (Feature::StrictTool, "tools[0].function.strict"),
        (Feature::CacheMarkers, "tools[0].cache_control"),
        (Feature::Unknown, "tools[1].function.returns"),
        (Feature::CustomTool, "tools[2]"),
        (Feature::Unknown, "tools[2].custom.format"),
        (Feature::HostedTool, "tools[3]"),
    ];
    assert_eq!(uses(&chat), want);
}

#[test]
fn a_choice_of_tools_is_told_where_it_forces() {
    let named = || ToolChoice::Named("f".to_owned());
    let forced = (Feature::ForcedTool, "tool_choice");
    let cases = [
        (json!("auto"), Some(ToolChoice::Auto), vec![]),
        (json!("none"), Some(ToolChoice::None), vec![]),
        (json!("required"), Some(ToolChoice::Required), vec![forced]),
        (json!({"type": "function", "function": {"name": "f"}}), Some(named()), vec![forced]),
        (
            json!({"type": "custom", "custom": {"name": "f"}}),
            Some(named()),
            vec![(Feature::CustomTool, "tool_choice"), forced],
        ),
        (
            json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}}),
            Some(ToolChoice::Required),
            vec![(Feature::Unknown, "tool_choice.allowed_tools"), forced],
        ),
        (json!({"type": "web_search"}), None, vec![(Feature::HostedTool, "tool_choice")]),
    ];
    for (choice, want, used) in cases {
        let chat = decode(&with(json!({"tool_choice": choice})));
        assert_eq!(chat.tool_choice, want, "{choice}");
        assert_eq!(uses(&chat), used, "{choice}");
    }
}

#[test]
fn settings_are_read_and_told() {
    let chat = decode(&with(json!({
        "max_completion_tokens": 9, "temperature": 0, "top_p": 0.5, "top_k": 40, "frequency_penalty": 1,
        "presence_penalty": -0.5, "seed": -7, "logit_bias": {"50256": -100}, "logprobs": true, "top_logprobs": 3,
        "n": 2, "stop": ["a", "b"], "reasoning_effort": "high", "user": "u", "metadata": {"k": "v"}, "store": true,
        "service_tier": "flex", "verbosity": "low", "prompt_cache_key": "p", "parallel_tool_calls": false,
        "prediction": {"type": "content", "content": "x"}, "modalities": ["text", "audio"],
        "audio": {"voice": "alloy", "format": "wav"}, "web_search_options": {"search_context_size": "low"},
        "min_p": 0.1})));
    let sampling = Sampling {
        temperature: Some(0.0),
        top_p: Some(0.5),
        top_k: Some(40),
        frequency_penalty: Some(1.0),
        presence_penalty: Some(-0.5),
        seed: Some(-7),
        logit_bias: Some(schema(&json!({"50256": -100}))),
    };
    assert_eq!((chat.max_output_tokens, &chat.sampling), (Some(9), &sampling));
    assert_eq!((chat.logprobs, chat.choices, &*chat.stop), (Some(3), 2, &["a".to_owned(), "b".to_owned()][..]));
    assert_eq!(chat.thinking, Thinking { effort: Some(Effort::High), ..Thinking::default() });
    assert_eq!((chat.user.as_deref(), &*chat.metadata), (Some("u"), &[("k".to_owned(), "v".to_owned())][..]));
    let words = [&chat.service_tier, &chat.verbosity, &chat.cache_key].map(|word| word.as_deref());
    assert_eq!(words, [Some("flex"), Some("low"), Some("p")]);
    assert_eq!(chat.parallel_tool_calls, Some(false));
    let want = [
        (Feature::ParallelToolControl, "parallel_tool_calls"),
        (Feature::Temperature, "temperature"),
        (Feature::TopP, "top_p"),
        (Feature::TopK, "top_k"),
        (Feature::Penalties, "frequency_penalty"),
        (Feature::Penalties, "presence_penalty"),
        (Feature::Seed, "seed"),
        (Feature::LogitBias, "logit_bias"),
        (Feature::StopSequences, "stop"),
        (Feature::Choices, "n"),
        (Feature::Logprobs, "logprobs"),
        (Feature::Verbosity, "verbosity"),
        (Feature::ReasoningEffort, "reasoning_effort"),
        (Feature::User, "user"),
        (Feature::Metadata, "metadata"),
        (Feature::Store, "store"),
        (Feature::ServiceTier, "service_tier"),
        (Feature::CacheKey, "prompt_cache_key"),
        (Feature::AudioOutput, "modalities"),
        (Feature::AudioOutput, "audio"),
        (Feature::Prediction, "prediction"),
        (Feature::HostedTool, "web_search_options"),
        (Feature::Unknown, "min_p"),
    ];
    assert_eq!(uses(&chat), want);
}

#[test]
fn what_asks_for_nothing_is_not_told() {
    let chat = decode(&with(json!({
        "n": 1, "store": false, "logprobs": false, "stream": true, "stream_options": {"include_usage": true},
        "tools": [], "stop": [], "tool_choice": "auto", "response_format": {"type": "text"}, "top_p": 1,
        "presence_penalty": 0, "logit_bias": {}, "modalities": ["text"], "service_tier": "auto", "metadata": {},
        "parallel_tool_calls": true, "seed": null, "some_list": [], "top_k": -1})));
    assert_eq!(uses(&chat), []);
    assert!(chat.stream && chat.parallel_tool_calls == Some(true) && chat.sampling == Sampling::default());
}

#[test]
fn the_shape_of_the_answer_is_read() {
    let chat = decode(&with(json!({"response_format": {"type": "json_object"}})));
    assert_eq!((&chat.format, uses(&chat)), (&Format::Json, vec![(Feature::JsonObject, "response_format")]));
    let inner = json!({"type": "object", "properties": {"z": {}, "a": {}}});
    let chat = decode(&with(json!({"response_format": {"type": "json_schema",
        "json_schema": {"name": "n", "description": "d", "schema": inner, "strict": true}}})));
    let want = Format::Schema {
        name: "n".to_owned(),
        description: Some("d".to_owned()),
        schema: schema(&inner),
        strict: Some(true),
    };
    assert_eq!((&chat.format, uses(&chat)), (&want, vec![(Feature::JsonSchema, "response_format")]));
}

#[test]
fn reasoning_as_openrouter_has_it_is_read() {
    let cases = [
        (json!({"effort": "low", "exclude": true}), Some(Effort::Low), None, false, Some(false)),
        (json!({"max_tokens": 2000}), None, Some(2000), false, None),
        (json!({"enabled": false}), None, None, true, None),
        (json!({"enabled": true}), Some(Effort::Medium), None, false, None),
    ];
    for (reasoning, effort, budget_tokens, off, shown) in cases {
        let chat = decode(&with(json!({"reasoning": reasoning})));
        assert_eq!(chat.thinking, Thinking { effort, budget_tokens, adaptive: false, off, shown }, "{reasoning}");
        assert_eq!(uses(&chat), [(Feature::ReasoningEffort, "reasoning")], "{reasoning}");
    }
}

#[test]
fn thinking_as_anthropic_has_it_is_read() {
    let cases = [
        (json!({"type": "enabled", "budget_tokens": 2000}), Some(2000), false, false),
        (json!({"type": "enabled"}), None, true, false),
        (json!({"type": "adaptive"}), None, true, false),
        (json!({"type": "disabled"}), None, false, true),
    ];
    for (thinking, budget_tokens, adaptive, off) in cases {
        let chat = decode(&with(json!({"thinking": thinking})));
        assert_eq!(chat.thinking, Thinking { budget_tokens, adaptive, off, ..Thinking::default() }, "{thinking}");
        assert_eq!(uses(&chat), [(Feature::ReasoningEffort, "thinking")], "{thinking}");
    }
}

#[test]
fn cache_markers_stand_on_parts_and_messages() {
    let chat = messages(json!([
        {"role": "system", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]},
        {"role": "user", "content": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]));
    assert_eq!(chat.messages[0].parts[0].cache, Some(CacheMark { hour: false }));
    assert_eq!(chat.messages[1].parts[0].cache, Some(CacheMark { hour: true }));
    let want = [
        (Feature::CacheMarkers, "messages[0].content[0].cache_control"),
        (Feature::CacheMarkers, "messages[1].cache_control"),
    ];
    assert_eq!(uses(&chat), want);
}

#[test]
fn of_two_names_of_the_user_the_safer_is_carried_and_the_other_told() {
    let chat = decode(&with(json!({"user": "u", "safety_identifier": "s"})));
    assert_eq!(chat.user.as_deref(), Some("s"));
    assert_eq!(uses(&chat), [(Feature::User, "safety_identifier"), (Feature::Unknown, "user")]);
}

#[test]
fn escapes_are_read_and_unknown_names_are_told_without_control_characters() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"a\nb"}],"x\ny":1}"#;
    let chat = try_decode(body.as_bytes()).expect("it is one");
    assert_eq!(chat.messages[0].parts, [Part::text("a\nb")]);
    assert_eq!(uses(&chat), [(Feature::Unknown, "x\u{fffd}y")]);
}
