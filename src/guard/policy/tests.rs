use super::*;
use proptest::prelude::*;

fn policy(yaml: &str) -> Result<ModelPolicy, ConfigError> {
    ModelPolicy::read(&Section::from_yaml("guards.lean", yaml)?)
}

fn said(yaml: &str, api: Api, body: &str) -> Option<String> {
    policy(yaml).expect(yaml).check(api, body.as_bytes()).map(|said| said.why)
}

#[test]
fn what_is_denied_is_found_in_each_dialect() {
    const NO: &str = "may not be used here; leave it out";
    let cases = [
        ("tools", Api::ChatCompletions, r#"{"tools":[]}"#, Some("tools")),
        ("tools", Api::ChatCompletions, r#"{"functions":[]}"#, Some("functions")),
        ("tools", Api::ChatCompletions, r#"{"tools":null}"#, None),
        ("tools", Api::Generate, r#"{"tools":[{"functionDeclarations":[]}]}"#, Some("tools")),
        ("tools", Api::Messages, r#"{"mcp_servers":[]}"#, Some("mcp_servers")),
        ("temperature", Api::Responses, r#"{"input":"x","temperature":0}"#, Some("temperature")),
        (
            "temperature",
            Api::Generate,
            r#"{"generationConfig":{"temperature":0}}"#,
            Some("generationConfig.temperature"),
        ),
        (
            "temperature",
            Api::Generate,
            r#"{"generation_config":{"temperature":0}}"#,
            Some("generation_config.temperature"),
        ),
        ("temperature", Api::Generate, r#"{"temperature":0}"#, None),
        ("logprobs", Api::Responses, r#"{"include":["message.output_text.logprobs"]}"#, Some("include")),
        (
            "logprobs",
            Api::Generate,
            r#"{"generationConfig":{"responseLogprobs":true}}"#,
            Some("generationConfig.responseLogprobs"),
        ),
        ("n", Api::Completions, r#"{"best_of":2}"#, Some("best_of")),
        ("n", Api::Generate, r#"{"generationConfig":{"candidate_count":2}}"#, Some("generationConfig.candidate_count")),
        ("response_format", Api::Responses, r#"{"text":{"format":{"type":"json_object"}}}"#, Some("text.format")),
        ("response_format", Api::Messages, r#"{"output_config":{"format":{}}}"#, Some("output_config.format")),
        ("reasoning", Api::Messages, r#"{"thinking":{"type":"enabled"}}"#, Some("thinking")),
        ("web_search", Api::ChatCompletions, r#"{"web_search_options":{}}"#, Some("web_search_options")),
        (
            "web_search",
            Api::Responses,
            r#"{"tools":[{"type":"function"},{"type":"web_search_preview_2025_03_11"}]}"#,
            Some("tools[1]"),
        ),
        (
            "web_search",
            Api::Messages,
            r#"{"tools":[{"type":"web_search_20250305","name":"web_search"}]}"#,
            Some("tools[0]"),
        ),
        ("web_search", Api::Messages, r#"{"tools":[{"name":"web_search"},{"type":"custom","name":"x"}]}"#, None),
        ("web_search", Api::Generate, r#"{"tools":[{"google_search":{}}]}"#, Some("tools[0]")),
        ("code_execution", Api::Generate, r#"{"tools":[{"codeExecution":{}}]}"#, Some("tools[0]")),
        ("shell", Api::Messages, r#"{"tools":[{"type":"bash_20250124","name":"bash"}]}"#, Some("tools[0]")),
        ("mcp", Api::Responses, r#"{"tools":[{"type":"mcp"}]}"#, Some("tools[0]")),
        ("seed", Api::ChatCompletions, r#"{"messages":[{"role":"user","content":"seed"}]}"#, None),
        (
            "/generationConfig/speechConfig",
            Api::Generate,
            r#"{"generationConfig":{"speech_config":{}}}"#,
            Some("generationConfig.speech_config"),
        ),
    ];
    for (name, api, body, want) in cases {
        let want = want.map(|member| format!("`{member}` {NO}"));
        assert_eq!(said(&format!("deny: [{name}]"), api, body), want, "{name} {api} {body}");
    }
}

#[test]
fn bounds_hold_wherever_the_dialect_has_the_number() {
    let yaml = "max: {temperature: 1.0, n: 4, max_tokens: 4096}\nmin: {temperature: 0.1}";
    let cases = [
        (Api::ChatCompletions, r#"{"temperature":1,"n":4,"max_tokens":4096}"#, None),
        (Api::ChatCompletions, r#"{"temperature":1.01}"#, Some("`temperature` is at most 1 here")),
        (Api::ChatCompletions, r#"{"temperature":"1.5"}"#, Some("`temperature` is at most 1 here")),
        (Api::ChatCompletions, r#"{"temperature":[]}"#, Some("`temperature` is at most 1 here")),
        (
            Api::ChatCompletions,
            r#"{"max_tokens":1,"max_completion_tokens":5000}"#,
            Some("`max_completion_tokens` is at most 4096 here"),
        ),
        (Api::Responses, r#"{"max_output_tokens":1e9}"#, Some("`max_output_tokens` is at most 4096 here")),
        (
            Api::Generate,
            r#"{"generationConfig":{"maxOutputTokens":5000}}"#,
            Some("`generationConfig.maxOutputTokens` is at most 4096 here"),
        ),
        (
            Api::Generate,
            r#"{"generationConfig":{"candidateCount":1},"generation_config":{"candidateCount":9}}"#,
            Some("`generation_config.candidateCount` is at most 4 here"),
        ),
        (
            Api::Generate,
            r#"{"generationConfig":{"candidateCount":1,"candidate_count":9}}"#,
            Some("`generationConfig.candidate_count` is at most 4 here"),
        ),
        (Api::Messages, r#"{"temperature":0}"#, Some("`temperature` is at least 0.1 here")),
        (Api::Messages, "{}", None),
    ];
    for (api, body, want) in cases {
        assert_eq!(said(yaml, api, body).as_deref(), want, "{api} {body}");
    }
}

#[test]
fn what_is_required_must_be_there_where_the_call_has_it() {
    let cases = [
        ("require: [max_tokens]", Api::ChatCompletions, "{}", Some("`max_tokens` must be set here")),
        ("require: [max_tokens]", Api::Responses, r#"{"max_output_tokens":5}"#, None),
        ("require: {store: false}", Api::Responses, "{}", Some("`store` must be `false` here")),
        ("require: {store: false}", Api::Responses, r#"{"store":true}"#, Some("`store` must be `false` here")),
        ("require: {store: false}", Api::Responses, r#"{"store":false}"#, None),
        ("require: {temperature: 0.5}", Api::Messages, r#"{"temperature":0.5}"#, None),
        (
            "require: {temperature: 0.5}",
            Api::Messages,
            r#"{"temperature":0.6}"#,
            Some("`temperature` must be `0.5` here"),
        ),
        ("require: [conversation]", Api::Messages, "{}", None),
    ];
    for (yaml, api, body, want) in cases {
        assert_eq!(said(yaml, api, body).as_deref(), want, "{yaml} {api} {body}");
    }
}

#[test]
fn a_body_that_cannot_be_read_is_refused() {
    for body in ["", "[]", "\"x\"", "{\"a\":", "\u{0}"] {
        let why = said("deny: [tools]", Api::ChatCompletions, body).expect(body);
        assert!(why.starts_with("the body is no JSON object"), "{body:?}: {why}");
    }
}

#[test]
fn fields_of_forms_are_judged_one_by_one() {
    let policy = policy("deny: [seed]\nmax: {n: 2}\nrequire: [user]").expect("a policy");
    let cases = [("n", "3", true), ("n", "2", false), ("seed", "7", true), ("prompt", "seed", false), ("n", "x", true)];
    for (name, value, want) in cases {
        assert_eq!(policy.check_field(Api::ImageEdits, name, value).is_some(), want, "{name}={value}");
    }
}

#[test]
fn mistakes_name_their_key() {
    let cases = [
        ("", "guards.lean: has no rule"),
        ("deny: [temprature]", "guards.lean.deny: `temprature` is no parameter; did you mean `temperature`?"),
        ("deny: [speech]", "known are audio, background"),
        ("max: {n: many}", "guards.lean.max.n"),
        ("max: {maximum: 1}", "guards.lean.max: `maximum` is no parameter"),
        ("require: [/a//b]", "is no place in a body"),
        ("denied: [tools]", "guards.lean.denied: unknown key; valid are `deny`, `max`, `min`, `require`"),
    ];
    for (yaml, want) in cases {
        let said = policy(yaml).err().expect(yaml).to_string();
        assert!(said.contains(want), "{yaml:?}: {said}");
    }
}

proptest! {
    /// Whatever the body is, it passes or is refused.
    #[test]
    fn no_body_is_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..60), like in r#"\{("(tools|n|temperature|text|type|format)":(\[\]|1|null|"n"|\{\}),?){0,5}\}"#) {
        let policy = policy("deny: [web_search, response_format, /a/b]\nmax: {n: 1}\nrequire: {seed: 1}").expect("a policy");
        for api in Api::ALL {
            let _ = policy.check(api, &bytes);
            let _ = policy.check(api, like.as_bytes());
        }
    }
}
