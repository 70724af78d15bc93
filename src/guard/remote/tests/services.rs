//! Services of others, by the examples of their documentation.

use super::*;

fn told(action: Action) -> Told {
    Told { action, ..Told::default() }
}

fn found(entities: &[(&str, usize)]) -> Vec<(String, usize)> {
    entities.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

/// The shape of <https://platform.openai.com/docs/api-reference/moderations/object>.
const MODERATION: &str = r#"{"id":"modr-1","model":"omni-moderation-latest","results":[{"flagged":true,
 "categories":{"sexual":false,"violence":true,"self-harm/intent":false,"illicit":null},
 "category_scores":{"sexual":0.0002,"violence":0.81,"self-harm/intent":0.3,"illicit":null},
 "category_applied_input_types":{"violence":["text"]}}]}"#;

#[tokio::test]
async fn moderations_block_and_flag_by_category_and_threshold() {
    let cases = [
        ("", Action::Block, vec![("violence", 1)], Some("moderation: violence")),
        ("flag: [violence]", Action::Flag, vec![("violence", 1)], None),
        ("thresholds: {violence: 0.9}", Action::Allow, vec![], None),
        (
            "thresholds: {self-harm/intent: 0.25}\nflag: [violence]",
            Action::Block,
            vec![("self_harm_intent", 1), ("violence", 1)],
            Some("moderation: self_harm_intent"),
        ),
        ("categories: [sexual]", Action::Allow, vec![], None),
        (
            "categories: [sexual, violence]\nthresholds: {sexual: 0.0001}\nflag: [sexual]",
            Action::Block,
            vec![("sexual", 1), ("violence", 1)],
            Some("moderation: violence"),
        ),
    ];
    for (yaml, action, entities, reason) in cases {
        let server = Server::start(vec![Reply::answer(200, MODERATION)]).await;
        let out = guard("openai_moderations", &server, &format!("api_key: sk-planted\n{yaml}"));
        let said = ask(&out, Hook::Input, &["I will hit you", " "]).await.expect(yaml);
        let want = Told { reason: reason.map(ToOwned::to_owned), entities: found(&entities), ..told(action) };
        assert_eq!(said, want, "{yaml}");
        assert_eq!(server.last_json().to_string(), r#"{"input":["I will hit you"],"model":"omni-moderation-latest"}"#);
        let head = server.last_head();
        assert!(head.contains("POST /check/moderations ") && head.contains("Bearer sk-planted"), "{head}");
    }
}

#[tokio::test]
async fn moderations_that_make_no_sense_are_errors() {
    let scored = MODERATION.replace("0.81", "8.1");
    let cases = [
        ("", r#"{"results":[]}"#),
        ("", r#"{"results":[{"flagged":true}]}"#),
        ("categories: [wizardry]", MODERATION),
        ("thresholds: {illicit: 0.5}", MODERATION),
        ("thresholds: {violence: 0.5}", &scored),
    ];
    for (yaml, answer) in cases {
        let server = Server::start(vec![Reply::answer(200, answer)]).await;
        let said = ask(&guard("openai_moderations", &server, yaml), Hook::Input, &["a"]).await;
        assert_eq!(said.map_err(|error| error.name()), Err("nonsense"), "{yaml} {answer}");
    }
    let server = Server::start(vec![Reply::answer(200, MODERATION)]).await;
    let said = ask(&guard("openai_moderations", &server, ""), Hook::Input, &["", "\n"]).await;
    assert_eq!((said.expect("nothing to ask"), server.seen()), (Told::default(), 0));
}

#[tokio::test]
async fn presidio_tells_places_in_characters() {
    let first = r#"[{"analysis_explanation":null,"end":10,"entity_type":"PERSON","score":0.85,"start":3},
        {"end":8,"entity_type":"US_DRIVER_LICENSE","score":0.65,"start":6},{"end":2,"entity_type":"URL","score":0.2,"start":0}]"#;
    let second = r#"[{"end":5,"entity_type":"PHONE_NUMBER","score":0.75,"start":1}]"#;
    let server = Server::start(vec![Reply::answer(200, first), Reply::answer(200, second)]).await;
    let out = guard("presidio", &server, "language: de\nentities: [PERSON, PHONE_NUMBER]\nscore_threshold: 0.4");
    let texts = ["é😀 Zoë Dör, x", "", "+1234"];
    // One after the other, so that the answers are known.
    let said = ask(&out, Hook::Input, &texts[..2]).await.expect("places");
    assert_eq!(said.action, Action::Flag);
    assert_eq!((said.entities, &said.spans[..]), (found(&[("person", 1)]), &[(0, 7..16, "person".to_owned())][..]));
    assert_eq!(&texts[0][7..16], "Zoë Dör");
    let said = ask(&out, Hook::Input, &texts[1..]).await.expect("places");
    assert_eq!(said.spans, [(1, 1..5, "phone_number".to_owned())]);
    let question = r#"{"entities":["PERSON","PHONE_NUMBER"],"language":"de","score_threshold":0.4,"text":"+1234"}"#;
    assert_eq!((server.seen(), server.last_json().to_string().as_str()), (2, question));
    assert!(server.last_head().starts_with("POST /check/analyze "));
}

#[tokio::test]
async fn presidio_that_makes_no_sense_is_an_error() {
    let spot = |start: &str, end: &str, score: &str| {
        format!(r#"[{{"entity_type":"X","start":{start},"end":{end},"score":{score}}}]"#)
    };
    let cases = [
        "{}".to_owned(),
        spot("0", "3", "0.9"),
        spot("1", "1", "0.9"),
        spot("2", "1", "0.9"),
        spot("-1", "1", "0.9"),
        spot("0.5", "1", "0.9"),
        spot("0", "1", "85"),
        spot("0", "1", "null"),
        spot("9999999999", "99999999999", "1"),
    ];
    for answer in cases {
        let server = Server::start(vec![Reply::answer(200, &answer)]).await;
        let said = ask(&guard("presidio", &server, ""), Hook::Input, &["é!"]).await;
        assert_eq!(said.map_err(|error| error.name()), Err("nonsense"), "{answer}");
    }
    let server = Server::start(vec![Reply::answer(200, "[]")]).await;
    let said = ask(&guard("presidio", &server, ""), Hook::Input, &["a", "b", "c", "d", "e", "f"]).await;
    assert_eq!((said.expect("nothing found"), server.seen()), (Told::default(), 6));
}

#[tokio::test]
async fn litellm_blocks_replaces_and_allows() {
    let replace = Told { replacements: vec![(1, "[X]".to_owned())], ..told(Action::Replace) };
    let block = Told { reason: Some("prohibited".to_owned()), ..told(Action::Block) };
    let cases = [
        (r#"{"action":"NONE","texts":["changed","all"]}"#, told(Action::Allow)),
        (r#"{"action":"BLOCKED","blocked_reason":"prohibited"}"#, block),
        (r#"{"action":"GUARDRAIL_INTERVENED","texts":["a","[X]"],"stream_holdback_chars":9}"#, replace),
        (r#"{"action":"GUARDRAIL_INTERVENED","texts":["a","b"]}"#, told(Action::Allow)),
    ];
    for (answer, want) in cases {
        let server = Server::start(vec![Reply::answer(200, answer)]).await;
        let out = guard("litellm", &server, "send: [team, user]\nparams: {threshold: 0.8, language: en}");
        assert_eq!(ask(&out, Hook::Output, &["a", "b"]).await.expect(answer), want, "{answer}");
        let want = r#"{"additional_provider_specific_params":{"language":"en","threshold":0.8},"input_type":"response","litellm_call_id":"req-1","litellm_trace_id":"req-1","request_data":{"user_api_key_end_user_id":"u1","user_api_key_team_alias":"blue","user_api_key_team_id":"blue"},"texts":["a","b"]}"#;
        assert_eq!(server.last_json().to_string(), want);
        assert!(server.last_head().starts_with("POST /check/beta/litellm_basic_guardrail_api "));
    }
    for answer in [
        r#"{"action":"none"}"#,
        r#"{"action":"GUARDRAIL_INTERVENED"}"#,
        r#"{"action":"GUARDRAIL_INTERVENED","texts":["a"]}"#,
    ] {
        let server = Server::start(vec![Reply::answer(200, answer)]).await;
        let said = ask(&guard("litellm", &server, ""), Hook::Input, &["a", "b"]).await;
        assert_eq!(said.map_err(|error| error.name()), Err("nonsense"), "{answer}");
    }
}

#[tokio::test]
async fn truefoundry_judges_requests_and_answers() {
    let replace = Told { replacements: vec![(0, "[X]".to_owned())], ..told(Action::Replace) };
    let block = Told { reason: Some("not here".to_owned()), ..told(Action::Block) };
    let request = r#"{"model":"fast","messages":[{"role":"user","content":"[X]"},{"role":"user","content":"b"}]}"#;
    let choices = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"[X]"}},{"index":1,"message":{"content":"b"}}]}"#;
    let wrapped = |body: &str| format!(r#"{{"verdict":true,"transformed":true,"result":{body}}}"#);
    let cases = [
        (Hook::Input, r#"{"verdict":true}"#.to_owned(), told(Action::Allow)),
        (Hook::Input, "null".to_owned(), told(Action::Allow)),
        (Hook::Input, r#"{"verdict":false,"message":"not here"}"#.to_owned(), block),
        (Hook::Input, wrapped(request), replace.clone()),
        (Hook::Input, request.to_owned(), replace.clone()),
        (Hook::ToolCall, wrapped(choices), replace),
    ];
    for (hook, answer, want) in cases {
        let server = Server::start(vec![Reply::answer(200, &answer)]).await;
        let out = guard("truefoundry", &server, "send: [model, user, metadata]\nconfig: {check: true}");
        assert_eq!(ask(&out, hook, &["a", "b"]).await.expect(&answer), want, "{answer}");
        let sent = server.last_json();
        assert_eq!(sent["context"]["user"]["subjectId"], "u1");
        assert_eq!(sent["context"]["metadata"]["case"], "7");
        assert_eq!(sent["config"]["check"], true);
        let (messages, choices) = (&sent["requestBody"]["messages"], &sent["responseBody"]["choices"]);
        if matches!(hook, Hook::Output | Hook::ToolCall) {
            assert_eq!((messages.as_array().map(Vec::len), &choices[1]["message"]["content"]), (Some(0), &"b".into()));
        } else {
            assert_eq!((choices.is_null(), &messages[1]["content"]), (true, &"b".into()));
        }
    }
    let cases = [
        "{}",
        "true",
        r#"{"verdict":"yes"}"#,
        r#"{"verdict":true,"transformed":true}"#,
        r#"{"messages":[{"content":"x"}]}"#,
        r#"{"messages":[{"content":"x"},{"content":null}]}"#,
    ];
    for answer in cases {
        let server = Server::start(vec![Reply::answer(200, answer)]).await;
        let said = ask(&guard("truefoundry", &server, ""), Hook::Input, &["a", "b"]).await;
        assert_eq!(said.map_err(|error| error.name()), Err("nonsense"), "{answer}");
    }
}
