//! What is read of generateContent requests.

use crate::{
    dialect::{BadRequest, parse_generate},
    model::{Ask, Demand, Draft, GenerationCap, Span},
};

fn ask(body: &str) -> Result<Ask, BadRequest> {
    parse_generate("fast", true, Draft::copy_of(body.as_bytes()))
}

fn read(body: &str) -> Ask {
    ask(body).expect(body)
}

const TURN: &str = r#""contents":[{"role":"user","parts":[{"text":"hi"}]}]"#;

const BASE64: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk-M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

#[test]
fn the_path_tells_the_model_and_the_body_the_rest() {
    let config =
        r#""generationConfig":{"maxOutputTokens":7,"candidateCount":2},"labels":{"a":"b"},"serviceTier":"FLEX""#;
    let ask = read(&format!("{{{TURN},{config}}}"));
    assert_eq!((ask.model.as_str(), ask.model_span, ask.stream), ("fast", Span { start: 0, end: 0 }, true));
    assert_eq!((ask.max_output_tokens, ask.choices, ask.demand.service_tier.as_deref()), (Some(7), 2, Some("flex")));
    assert_eq!(ask.metadata, [("a".to_owned(), "b".to_owned())]);
    let plain = read(&format!("{{{TURN}}}"));
    let want = Demand { readable_bytes: plain.body.len() as u64, ..Demand::default() };
    assert_eq!((plain.demand, plain.choices, plain.user), (want, 1, None));
}

#[test]
fn the_place_of_the_cap_is_found() {
    let cases = [
        ("{}", "none at all"),
        (r#"{"contents":[]}"#, "none"),
        (r#"{"generationConfig":null}"#, "null"),
        (r#"{"generationConfig": { } }"#, "empty"),
        (r#"{"generation_config":{"topP":1}}"#, "other"),
        (r#"{"generationConfig":{"maxOutputTokens":9}}"#, "9"),
        (r#"{"generation_config":{"a":1,"max_output\u005ftokens": 9 }}"#, "9"),
        (r#"{"generationConfig":{"maxOutputTokens":null}}"#, "no 9"),
    ];
    for (body, want) in cases {
        let got = match read(body).caps.generation {
            GenerationCap::NoConfig { empty: true } => "none at all",
            GenerationCap::NoConfig { empty: false } => "none",
            GenerationCap::NullConfig(span) if &body[span.range()] == "null" => "null",
            GenerationCap::NoMember { insert_at, empty: true } if body[insert_at..].starts_with(" }") => "empty",
            GenerationCap::NoMember { insert_at, empty: false } if body[..insert_at].ends_with('{') => "other",
            GenerationCap::Member(member) if member.tokens == Some(9) && &body[member.value.range()] == "9" => "9",
            GenerationCap::Member(member) if member.tokens.is_none() => "no 9",
            other => panic!("{body}: {other:?}"),
        };
        assert_eq!(got, want, "{body}");
    }
}

#[test]
fn a_wrong_member_is_refused_by_name() {
    let cases = [
        (r#""generationConfig":[]"#, "generationConfig", "`generationConfig` must be an object, not an array"),
        (
            r#""generationConfig":{},"generation_config":{}"#,
            "generationConfig",
            "`generationConfig` and `generation_config` are one member: send `generationConfig` only",
        ),
        (
            r#""generationConfig":{"maxOutputTokens":1,"max_output_tokens":100}"#,
            "generationConfig.maxOutputTokens",
            "`maxOutputTokens` and `max_output_tokens` are one member: send `maxOutputTokens` only",
        ),
        (
            r#""generationConfig":{"maxOutputTokens":"100"}"#,
            "generationConfig.maxOutputTokens",
            "`generationConfig.maxOutputTokens` must be an integer, not a string",
        ),
        (
            r#""generationConfig":{"candidateCount":0}"#,
            "generationConfig.candidateCount",
            "`generationConfig.candidateCount` must be between 1 and 128",
        ),
        (r#""tools":{}"#, "tools", "`tools` must be an array, not an object"),
        (r#""model":"other""#, "model", "`model` stands in the path of this call: leave it out of the body"),
    ];
    for (members, param, message) in cases {
        let got = ask(&format!("{{{TURN},{members}}}")).expect_err(members);
        assert_eq!((got.message.as_str(), got.param.as_deref()), (message, Some(param)), "{members}");
    }
}

#[test]
fn media_is_counted_in_both_spellings_and_its_payload_is_no_text() {
    let none: Option<&str> = None;
    let cases = [
        (r#"{"inlineData":{"mimeType":"image/png","data":"@"}}"#, 1, false, none),
        (r#"{"inline_data":{"data":"@","mime_type":"IMAGE/png"}}"#, 1, false, none),
        (r#"{"inlineDat\u0061":{"mimeType":"image/png","data":"@"},"text":"x"}"#, 1, false, none),
        (r#"{"inlineData":{"mimeType":"audio/wav","data":"@"}}"#, 0, true, none),
        (
            r#"{"inlineData":{"mimeType":"video/mp4","data":"@"}}"#,
            0,
            false,
            Some("contents[0].parts[0].inlineData.data"),
        ),
        (
            r#"{"inline_data":{"mime_type":"application/pdf","data":"@"}}"#,
            0,
            false,
            Some("contents[0].parts[0].inline_data.data"),
        ),
        (r#"{"fileData":{"mimeType":"image/png","fileUri":"https://x/y"}}"#, 1, false, none),
        (r#"{"fileData":{"fileUri":"files/y"}}"#, 0, false, Some("contents[0].parts[0].fileData.fileUri")),
        (
            r#"{"functionResponse":{"name":"f","response":{},"parts":[{"inlineData":{"mimeType":"image/png","data":"@"}}]}}"#,
            1,
            false,
            none,
        ),
    ];
    for (part, images, sound, unseen) in cases {
        let body = format!(r#"{{"contents":[{{"parts":[{}]}}]}}"#, part.replace('@', BASE64));
        let read = read(&body);
        let demand = &read.demand;
        assert_eq!(
            (demand.images, demand.audio_bytes > 0, demand.unseen.as_deref()),
            (images, sound, unseen),
            "{part}"
        );
        let payload = if part.contains('@') { BASE64.len() as u64 } else { 0 };
        assert_eq!(demand.readable_bytes, body.len() as u64 - payload, "{part}");
        assert!(read.text_bytes < 100, "{part}: {}", read.text_bytes);
        assert_eq!(demand.first_media.is_some(), images > 0 || sound, "{part}");
    }
}

#[test]
fn arguments_of_functions_are_text_whatever_they_look_like() {
    for member in [r#""functionCall":{"name":"f","args":@}"#, r#""function_response":{"name":"f","response":@}"#] {
        let look = format!(r#"{{"inlineData":{{"mimeType":"video/mp4","data":"{BASE64}"}}}}"#);
        let body = format!(r#"{{"contents":[{{"parts":[{{{}}}]}}]}}"#, member.replace('@', &look));
        let demand = read(&body).demand;
        assert_eq!((demand.readable_bytes, demand.unseen, demand.images), (body.len() as u64, None, 0), "{body}");
    }
}

#[test]
fn what_google_runs_or_keeps_is_noted() {
    let tools = r#""tools":[{"functionDeclarations":[{"name":"f"},{"name":"g","parameters":{"type":"OBJECT","properties":
        {"inlineData":{"type":"STRING"}}}}],"googleSearch":{}},{"code_execution":{}},{"computerUse":{}},{"urlContext":null}]"#;
    let demand = read(&format!("{{{TURN},{tools}}}")).demand;
    let hosted: Vec<_> = demand.hosted.iter().map(|tool| (tool.kind.as_str(), tool.path.as_str())).collect();
    assert_eq!(hosted, [("googleSearch", "tools[0].googleSearch"), ("code_execution", "tools[1].code_execution")]);
    assert_eq!((demand.tools, demand.built_in_tools, demand.unseen), (5, 3, None));
    let cached = read(&format!(r#"{{{TURN},"cachedContent":"cachedContents/a"}}"#)).demand;
    assert_eq!(cached.unseen.as_deref(), Some("cachedContent"));
    let spoken = |words: &str| {
        let body = format!(r#"{{{TURN},"generationConfig":{{"responseModalities":{words}}}}}"#);
        let demand = read(&body).demand;
        (demand.audio_output, demand.unpriced.is_some())
    };
    assert_eq!(spoken(r#"["TEXT"]"#), (false, false));
    assert_eq!(spoken(r#"["AUDIO"]"#), (true, false));
    assert_eq!(spoken(r#"["TEXT","IMAGE"]"#), (false, true));
}
