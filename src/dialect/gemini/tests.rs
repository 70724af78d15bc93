//! Requests as the reference and Google's SDK have them.

use super::decode;
use crate::{
    dialect::{BadRequest, parse_generate},
    model::{
        Chat, Content, Draft, Effort, Feature, Format, Json, Message, Part, Reasoned, Role, Seal, Source, Thinking,
        ToolCall, ToolChoice, ToolResult,
    },
};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;

const REQUEST: &str = include_str!("fixtures/request.json");

fn chat(body: &str) -> Result<Chat, BadRequest> {
    decode(&parse_generate("m", false, Draft::copy_of(body.as_bytes()))?)
}

pub(super) fn read(body: &str) -> Chat {
    chat(body).expect(body)
}

fn result(id: &str, name: &str, failed: bool, parts: Vec<Part>) -> Part {
    Part::new(Content::ToolResult(ToolResult { id: id.to_owned(), name: Some(name.to_owned()), failed, parts }))
}

pub(super) fn call(id: &str, name: &str, arguments: &str) -> Part {
    let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
    Part::new(Content::ToolCall(ToolCall { id, name, arguments }))
}

fn inline(media_type: &str, base64: &'static str) -> Source {
    Source::Inline { media_type: media_type.to_owned(), base64: Bytes::from_static(base64.as_bytes()) }
}

#[test]
fn the_turns_of_a_request_are_read() {
    let seal = Seal { maker: "gemini".to_owned(), data: "CikBVKhc".to_owned(), hidden: false };
    let thought = Reasoned { text: "I should look.".to_owned(), seal: None };
    let proof = Reasoned { text: String::new(), seal: Some(seal) };
    let picture = |source| Content::Image { source, detail: None };
    let message = |role, parts| Message { role, name: None, parts };
    let pdf = Source::Url("https://example.com/a.pdf".to_owned());
    let text = Source::Text("héllo".to_owned());
    let want = [
        message(Role::System, vec![Part::text("Be brief.")]),
        message(
            Role::User,
            vec![
                Part::text("What is this?"),
                Part::new(Content::Image { source: inline("image/png", "iVBO+/8="), detail: Some("low".to_owned()) }),
                Part::new(Content::Document { source: pdf, name: Some("a".to_owned()) }),
                Part::new(Content::Document { source: text, name: None }),
                Part::new(Content::Audio { source: inline("audio/wav", "UklGRg==") }),
                Part::new(Content::Video { source: Source::Url("https://www.youtube.com/watch?v=x".to_owned()) }),
            ],
        ),
        message(
            Role::Assistant,
            vec![
                Part::new(Content::Reasoning(thought)),
                Part::text("Let me see."),
                Part::new(Content::Reasoning(proof)),
                call("call_1", "look", r#"{"b":1,"a":["x"]}"#),
                call("call_2", "look", "{}"),
                call("mine", "touch", ""),
            ],
        ),
        message(
            Role::User,
            vec![
                result("call_1", "look", false, vec![Part::text("a cat")]),
                result("call_2", "look", true, vec![Part::text("too dark")]),
                result(
                    "mine",
                    "touch",
                    false,
                    vec![Part::text(r#"{"soft":true,"n":2}"#), Part::new(picture(inline("image/jpeg", "/9j/4AAQ")))],
                ),
            ],
        ),
    ];
    let got = read(REQUEST).messages;
    for (got, want) in got.iter().zip(&want) {
        assert_eq!(got, want);
    }
    assert_eq!(got.len(), want.len());
}

#[test]
fn tools_and_settings_are_read() {
    let chat = read(REQUEST);
    let tools: Vec<_> = chat.tools.iter().map(|tool| (tool.name.as_str(), tool.parameters.clone())).collect();
    let schema = |text| Json::new(text);
    let look = r#"{"type":"object","properties":{"sizes":{"type":"array","items":{"type":"integer"},"minItems":1},
        "type":{"type":["string","null"],"enum":["cat","dog",null]}},"required":["type"]}"#;
    assert_eq!(tools, [("look", schema(look)), ("touch", schema(r#"{"type":"object","properties":{}}"#))]);
    let written = chat.tools[0].parameters.as_ref().expect("a schema").text();
    assert!(written.find("sizes") < written.find("required"), "{written}");
    assert!(written.find("\"sizes\"") < written.find("\"type\":{"), "as `propertyOrdering` has it: {written}");
    assert_eq!(chat.tool_choice, Some(ToolChoice::Required));
    assert_eq!((chat.max_output_tokens, chat.choices, chat.logprobs), (Some(100), 2, Some(3)));
    let sampling = &chat.sampling;
    assert_eq!((sampling.temperature, sampling.top_p, sampling.top_k), (Some(0.5), Some(0.9), Some(40)));
    assert_eq!((sampling.presence_penalty, sampling.frequency_penalty, sampling.seed), (Some(0.25), None, Some(-3)));
    assert_eq!((chat.stop, chat.service_tier.as_deref()), (vec!["END".to_owned()], Some("flex")));
    assert_eq!(chat.metadata, [("team".to_owned(), "a".to_owned())]);
    let thinking = Thinking { budget_tokens: Some(1024), shown: Some(true), ..Thinking::default() };
    assert_eq!(chat.thinking, thinking);
    let Format::Schema { schema, .. } = chat.format else { panic!("a schema") };
    assert_eq!(Some(schema), Json::new(r#"{"type":"object","properties":{"animal":{"type":"string"}}}"#));
}

#[test]
fn all_that_not_every_api_can_say_is_noted_with_its_path() {
    let mut uses: Vec<_> = read(REQUEST).uses.into_iter().map(|used| (used.path, used.feature)).collect();
    uses.sort();
    let mut want = [
        ("contents[0].parts[1].inlineData", Feature::ImageInline),
        ("contents[0].parts[2].fileData", Feature::DocumentUrl),
        ("contents[0].parts[3].inlineData", Feature::DocumentInline),
        ("contents[0].parts[4].inlineData", Feature::AudioInput),
        ("contents[0].parts[5].fileData", Feature::VideoInput),
        ("contents[1].parts[0]", Feature::PlainReasoning),
        ("contents[5].parts[0].thoughtSignature", Feature::SealedReasoning),
        ("contents[6].parts[1].functionResponse.response.error", Feature::FailedToolResult),
        ("contents[6].parts[2].functionResponse.parts[0]", Feature::RichToolResult),
        ("contents[6].parts[2].functionResponse.parts[0].inlineData", Feature::ImageInline),
        ("tools[0].functionDeclarations[2].behavior", Feature::Unknown),
        ("tools[1].googleSearch", Feature::HostedTool),
        ("toolConfig.functionCallingConfig.mode", Feature::ForcedTool),
        ("generationConfig.temperature", Feature::Temperature),
        ("generationConfig.topP", Feature::TopP),
        ("generationConfig.topK", Feature::TopK),
        ("generationConfig.presencePenalty", Feature::Penalties),
        ("generationConfig.seed", Feature::Seed),
        ("generationConfig.stopSequences", Feature::StopSequences),
        ("generationConfig.candidateCount", Feature::Choices),
        ("generationConfig.responseLogprobs", Feature::Logprobs),
        ("generationConfig.responseSchema", Feature::JsonSchema),
        ("generationConfig.mediaResolution", Feature::ImageDetail),
        ("generationConfig.thinkingConfig.thinkingBudget", Feature::ReasoningEffort),
        ("generationConfig.routingConfig", Feature::Unknown),
        ("safetySettings", Feature::SafetySettings),
        ("labels", Feature::Metadata),
        ("serviceTier", Feature::ServiceTier),
        ("newThing", Feature::Unknown),
    ]
    .map(|(path, feature)| (path.to_owned(), feature));
    want.sort();
    assert_eq!(uses, want);
}

#[test]
fn what_means_nothing_is_not_noted() {
    let chat = read(
        r#"{"contents":[{"parts":[{"text":"hi"}]}],"safetySettings":[],"tools":[],"labels":{},"store":false,
        "cachedContent":"","serviceTier":"unspecified","toolConfig":{"functionCallingConfig":{"mode":"AUTO"}},
        "generationConfig":{"candidateCount":1,"responseMimeType":"text/plain","responseModalities":["TEXT"],
        "responseLogprobs":false,"stopSequences":[],"frequencyPenalty":0,"maxOutputTokens":0,"thinkingConfig":{}}}"#,
    );
    assert_eq!((chat.uses, chat.max_output_tokens, chat.format), (Vec::new(), None, Format::Text));
}

#[test]
fn settings_of_thought_and_choice_have_one_meaning_each() {
    let of = |members: &str| read(&format!(r#"{{"contents":[{{"parts":[{{"text":"hi"}}]}}],{members}}}"#));
    let thinking = |config: &str| of(&format!(r#""generationConfig":{{"thinkingConfig":{config}}}"#)).thinking;
    assert_eq!(thinking(r#"{"thinkingBudget":0}"#), Thinking { off: true, ..Thinking::default() });
    assert_eq!(thinking(r#"{"thinkingBudget":-1}"#), Thinking { adaptive: true, ..Thinking::default() });
    let low = Thinking { effort: Some(Effort::Low), ..Thinking::default() };
    assert_eq!(thinking(r#"{"thinking_level":"LOW"}"#), low);
    let choice = |config: &str| {
        let functions = r#""tools":[{"function_declarations":[{"name":"a"},{"name":"b"}]}]"#;
        let chat = of(&format!(r#"{functions},"toolConfig":{{"functionCallingConfig":{config}}}"#));
        (chat.tool_choice, chat.tools.len())
    };
    let named = Some(ToolChoice::Named("b".to_owned()));
    assert_eq!(choice(r#"{"mode":"ANY","allowed_function_names":["b"]}"#), (named, 1));
    assert_eq!(choice(r#"{"mode":"ANY"}"#), (Some(ToolChoice::Required), 2));
    assert_eq!(choice(r#"{"mode":"NONE"}"#), (Some(ToolChoice::None), 2));
    assert_eq!(choice(r#"{"mode":"VALIDATED","allowedFunctionNames":["a"]}"#), (Some(ToolChoice::Auto), 1));
    let json = of(r#""generationConfig":{"responseMimeType":"application/json"}"#);
    assert_eq!(json.format, Format::Json);
}

#[test]
fn a_wrong_member_is_refused_with_its_path() {
    let turn = r#""contents":[{"parts":[{"text":"hi"}]}]"#;
    let cases = [
        ("{}".to_owned(), "contents", "`contents` is missing: send at least one turn"),
        (r#"{"contents":{}}"#.to_owned(), "contents", "`contents` must be an array, not an object"),
        (r#"{"contents":["hi"]}"#.to_owned(), "contents[0]", "`contents[0]` must be an object, not a string"),
        (
            r#"{"contents":[{"role":"assistant","parts":[]}]}"#.to_owned(),
            "contents[0].role",
            "`contents[0].role` must be `user` or `model`, not `assistant`",
        ),
        (
            r#"{"contents":[{"parts":[{"inlineData":{"data":"AA=="}}]}]}"#.to_owned(),
            "contents[0].parts[0].inlineData.mimeType",
            "`contents[0].parts[0].inlineData.mimeType` is missing",
        ),
        (
            r#"{"contents":[{"parts":[{"functionCall":{"name":"f","args":"{}"}}]}]}"#.to_owned(),
            "contents[0].parts[0].functionCall.args",
            "`contents[0].parts[0].functionCall.args` must be an object, not a string",
        ),
        (
            format!(r#"{{{turn},"generationConfig":{{"temperature":"hot"}}}}"#),
            "generationConfig.temperature",
            "`generationConfig.temperature` must be a number, not a string",
        ),
        (
            format!(r#"{{{turn},"toolConfig":{{"functionCallingConfig":{{"mode":"SOME"}}}}}}"#),
            "toolConfig.functionCallingConfig.mode",
            "`toolConfig.functionCallingConfig.mode` must be `AUTO`, `ANY`, `NONE` or `VALIDATED`, not `SOME`",
        ),
    ];
    for (body, param, message) in cases {
        let got = chat(&body).expect_err(&body);
        assert_eq!((got.message.as_str(), got.param.as_deref()), (message, Some(param)), "{body}");
    }
}

#[test]
fn a_payload_in_the_ordinary_alphabet_is_not_copied() {
    let body = r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"iVBO+/8="}}]}]}"#;
    let ask = parse_generate("m", false, Draft::copy_of(body.as_bytes())).expect("right");
    let chat = decode(&ask).expect("right");
    let Content::Image { source: Source::Inline { base64, .. }, .. } = &chat.messages[0].parts[0].content else {
        panic!("a picture")
    };
    assert!(ask.body.as_slice().as_ptr_range().contains(&base64.as_ptr()), "it is a slice of the body");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever a client sends: an answer or a refusal, and no panic.
    #[test]
    fn no_request_does_harm(at in any::<prop::sample::Index>(), length in 0usize..40, with in "[\\[\\]{}\",:a-z0-9]{0,12}") {
        let start = at.index(REQUEST.len());
        let end = (start + length).min(REQUEST.len());
        let body = format!("{}{with}{}", &REQUEST[..start], &REQUEST[end..]);
        let _read = chat(&body);
    }

    /// Whatever JSON stands where: the same.
    #[test]
    fn no_value_does_harm(at in any::<prop::sample::Index>(), which in 0usize..6) {
        let values = ["null", "[]", "{}", "\"x\"", "-1.5", "[{\"text\":{}}]"];
        let places: Vec<_> = REQUEST.match_indices(": ").map(|(place, _)| place + 2).collect();
        let start = places[at.index(places.len())];
        let rest = &REQUEST[start..];
        let mut values_there = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let _value = values_there.next();
        let body = format!("{}{}{}", &REQUEST[..start], values[which], &rest[values_there.byte_offset()..]);
        let _read = chat(&body);
    }
}
