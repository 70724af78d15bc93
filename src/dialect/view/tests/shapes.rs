//! The smaller calls, and what providers send that looks like something else: a row a shape.

use super::{asked, lines, said};
use crate::{
    dialect::view::{NoView, answer, request},
    model::{Api, Form, Speech},
};

#[test]
fn requests_of_the_smaller_calls() {
    let cases: &[(&str, Api, &str, &[&str])] = &[
        (
            "a prompt",
            Api::Completions,
            r#"{"model":"m","prompt":"Say","suffix":"end","stop":["x"]}"#,
            &["u~Say", "u~end", "u~x"],
        ),
        ("prompts", Api::Completions, r#"{"model":"m","prompt":["a","b"]}"#, &["u~a", "u~b"]),
        ("a text to embed", Api::Embeddings, r#"{"model":"m","input":"a","user":"u"}"#, &["u~a"]),
        (
            "texts to embed",
            Api::Embeddings,
            r#"{"input":["a","b"],"title":"t","input_type":"query"}"#,
            &["u~a", "u~b", "d~t"],
        ),
        (
            "texts and pictures to embed",
            Api::Embeddings,
            r#"{"input":[{"text":"a"},{"image":"https://h/a.png"},{"content":[{"type":"text","text":"b"}]}]}"#,
            &["u~a", "u~b"],
        ),
        (
            "moderation",
            Api::Moderations,
            r#"{"input":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"https://h"}}]}"#,
            &["u~a"],
        ),
        ("a text to moderate", Api::Moderations, r#"{"input":"a"}"#, &["u~a"]),
        ("a picture", Api::Images, r#"{"model":"m","prompt":"a cat","size":"auto","user":"u"}"#, &["u~a cat"]),
        ("edits", Api::ImageEdits, r#"{"prompt":"a hat","images":[{"image_url":"https://h"}]}"#, &["u~a hat"]),
        (
            "speech",
            Api::Speech,
            r#"{"input":"Hi","instructions":"Cheerful.","voice":"alloy"}"#,
            &["u~Hi", "s~Cheerful."],
        ),
        (
            "ranking",
            Api::Rerank,
            r#"{"query":"q","documents":["a",{"text":"b","id":"c","url":"e"}],"rank_fields":["text"]}"#,
            &["u~q", "d~a", "d~b", "d~c", "d~e"],
        ),
        ("a prompt of a response", Api::Responses, r#"{"input":"Hi"}"#, &["u~Hi"]),
        ("a system prompt", Api::Messages, r#"{"system":"Be.","messages":[]}"#, &["s~Be."]),
        (
            "the role comes last",
            Api::ChatCompletions,
            r#"{"messages":[{"content":[{"text":"hi","type":"text"}],"name":"bot","role":"assistant"}]}"#,
            &["a~hi", "a~bot"],
        ),
        (
            "an escaped name",
            Api::ChatCompletions,
            r#"{"mess\u0061ges":[{"c\u006fntent":"h\u0069","r\u006fle":"syst\u0065m"}]}"#,
            &["s~hi"],
        ),
        (
            "a text in a picture's part",
            Api::ChatCompletions,
            r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://h"},"text":"psst"}]}]}"#,
            &["u~psst"],
        ),
        (
            "text that looks like base64",
            Api::ChatCompletions,
            r#"{"messages":[{"role":"user","content":[{"type":"new","data":"hello there"},{"type":"text","text":"aGVsbG8="}]}]}"#,
            &["u~hello there", "u~aGVsbG8="],
        ),
        (
            "arguments as an object",
            Api::Responses,
            r#"{"input":[{"type":"tool_search_call","arguments":{"q":"x"}}]}"#,
            &[r#"c~json {"q":"x"}"#],
        ),
        ("a prompt in a chat", Api::ChatCompletions, r#"{"prompt":"Say"}"#, &["u~Say"]),
        (
            "what plugins are told",
            Api::ChatCompletions,
            r#"{"messages":[],"plugins":[{"id":"web","max_results":1,"search_prompt":"Found:"}]}"#,
            &["f~Found:"],
        ),
        (
            "how to sum up",
            Api::Messages,
            r#"{"messages":[],"context_management":{"edits":[{"type":"compact_20260112","instructions":"Short."},{"keep":"all"}]}}"#,
            &["f~Short."],
        ),
        ("nothing", Api::ImageVariations, "{}", &[]),
    ];
    for (name, api, body, want) in cases {
        assert_eq!(lines(body.as_bytes(), &asked(*api, body.as_bytes())), *want, "{name}");
    }
}

#[test]
fn forms_of_arguments_are_told_apart() {
    let body = br#"{"messages":[{"role":"assistant","content":[{"type":"tool_use","input":{"a":1}}],
        "tool_calls":[{"function":{"name":"f","arguments":"{\"a\":1}"}},{"custom":{"input":"ls"}}]}]}"#;
    let forms: Vec<_> = asked(Api::ChatCompletions, body).iter().map(|text| (text.form, text.speech)).collect();
    let call = |form| (form, Speech::ToolCall);
    assert_eq!(forms, [call(Form::Json), call(Form::StringOfJson), call(Form::String)]);
}

#[test]
fn tokens_cannot_be_looked_at() {
    for (api, body, member) in [
        (Api::Embeddings, r#"{"input":[1,2]}"#, "input"),
        (Api::Embeddings, r#"{"input":[[1],[2]]}"#, "input"),
        (Api::Embeddings, r#"{"input":["a",3]}"#, "input"),
        (Api::Completions, r#"{"prompt":[[1,2]]}"#, "prompt"),
    ] {
        let got = request(api, None, body.as_bytes());
        assert_eq!(got, Err(NoView::Tokens { api, member }), "{body}");
        assert!(got.expect_err("told").to_string().contains(member));
    }
}

#[test]
fn of_a_form_the_fields_that_a_model_reads_are_texts() {
    let part = |name: &str, more: &str, value: &str| {
        format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"{more}\r\n\r\n{value}\r\n")
    };
    let parts = [
        part("model", "", "whisper-1"),
        part("prompt", "", "Names: Ada\r\nand \"Bo\""),
        part("file", "; filename=\"a.wav\"", "RIFF"),
        part("known_speaker_names[]", "", "Ada"),
        part("prompt", "; filename=\"p\"", "with a file name"),
        part("language", "", "en"),
        part("hotwords", "", "what servers of our own may take"),
        part("sheet", "; filename=\"b.csv\"", "1,2"),
    ];
    let body = parts.concat() + "--b--\r\n";
    let got = request(Api::Transcriptions, Some("b"), body.as_bytes()).expect("it is a form");
    assert_eq!(
        lines(body.as_bytes(), &got),
        [
            "u~plain Names: Ada\r\nand \"Bo\"",
            "u~plain Ada",
            "u~plain with a file name",
            "u~plain what servers of our own may take",
        ]
    );
    assert_eq!(request(Api::ImageEdits, Some("c"), body.as_bytes()), Err(NoView::Form(Api::ImageEdits)));
}

#[test]
fn tokens_of_segments_tell_their_text_over_again() {
    let body = br#"{"text":"I","segments":[{"id":0,"text":"I","tokens":[50364,286],"avg_logprob":-0.2}],"words":[]}"#;
    let whole = answer(Api::Transcriptions, body).expect("there is a view");
    let echoes: Vec<_> = whole.echoes.iter().map(|at| String::from_utf8_lossy(&body[at.clone()])).collect();
    assert_eq!(echoes, ["[50364,286]"]);
    assert_eq!(lines(body, &whole.texts), ["a~I", "a~I"]);
}

#[test]
fn answers_of_the_smaller_calls() {
    let cases: &[(&str, Api, &str, &[&str])] = &[
        (
            "completions",
            Api::Completions,
            r#"{"choices":[{"text":"a","index":0},{"text":"b","index":1}]}"#,
            &["a~a", "a~b"],
        ),
        ("vectors", Api::Embeddings, r#"{"data":[{"embedding":[0.1],"index":0}],"model":"m"}"#, &[]),
        (
            "ranks",
            Api::Rerank,
            r#"{"results":[{"index":0,"document":{"text":"a"}},{"index":1,"document":"b"}]}"#,
            &["d~a", "d~b"],
        ),
        (
            "pictures",
            Api::Images,
            r#"{"data":[{"revised_prompt":"a","b64_json":"aGk="},{"url":"https://h"}]}"#,
            &["a~a"],
        ),
        (
            "a transcript",
            Api::Transcriptions,
            r#"{"text":"I see","language":"en","segments":[{"id":"s","text":"I see","speaker":"A","type":"x"}],"words":[{"word":"I"}]}"#,
            &["a~I see", "a~I see", "a~A"],
        ),
        (
            "a transcript that is no JSON",
            Api::Translations,
            "1\n00:00 --> 00:01\nI see\n",
            &["a~plain 1\n00:00 --> 00:01\nI see\n"],
        ),
        ("a transcript that is a number", Api::Transcriptions, "42", &["a~plain 42"]),
        ("no tokens", Api::CountTokens, r#"{"input_tokens":14}"#, &[]),
        ("verdicts", Api::Moderations, r#"{"results":[{"flagged":true}]}"#, &[]),
        ("an error", Api::ChatCompletions, r#"{"error":{"message":"no"}}"#, &[]),
        ("no JSON", Api::ChatCompletions, "secret", &["a~plain secret"]),
        (
            "JSON that breaks off",
            Api::ChatCompletions,
            r#"{"choices":[{"message":{"content":"sec"#,
            &[r#"a~plain {"choices":[{"message":{"content":"sec"#],
        ),
        (
            "an array of answers",
            Api::Generate,
            r#"[{"candidates":[{"content":{"parts":[{"text":"a"}]}}]},{}]"#,
            &["a~a"],
        ),
        (
            "a name that stands twice",
            Api::ChatCompletions,
            r#"{"choices":[{"message":{"content":"a","content":"b"}}]}"#,
            &["a~a", "a~b"],
        ),
        ("nothing", Api::ChatCompletions, "", &[]),
    ];
    for (name, api, body, want) in cases {
        assert_eq!(lines(body.as_bytes(), &said(*api, body.as_bytes())), *want, "{name}");
    }
}

#[test]
fn what_tells_the_text_again_by_its_tokens_is_told_apart() {
    let cases = [
        (
            Api::ChatCompletions,
            r#"{"choices":[{"message":{"content":"a"},"logprobs":{"content":[]}},{"logprobs":null}]}"#,
        ),
        (Api::Completions, r#"{"choices":[{"text":"a","logprobs":{"tokens":["a"]}}]}"#),
        (Api::Responses, r#"{"output":[{"content":[{"type":"output_text","text":"a","logprobs":[{"token":"a"}]}]}]}"#),
        (
            Api::Generate,
            r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"logprobsResult":{"chosenCandidates":[]}}]}"#,
        ),
        (Api::Transcriptions, r#"{"text":"a","words":[{"word":"a"}]}"#),
    ];
    for (api, body) in cases {
        let whole = answer(api, body.as_bytes()).expect("there is a view");
        assert_eq!((whole.texts.len(), whole.echoes.len()), (1, 1), "{api}");
        assert!(matches!(body.as_bytes()[whole.echoes[0].start], b'{' | b'['), "{api}");
    }
}

/// The fixtures of the other parts of the crate.
#[test]
fn requests_of_other_fixtures() {
    let body = include_str!("../../messages/fixtures/claude_code.json").as_bytes();
    assert_eq!(
        lines(body, &asked(Api::Messages, body)),
        [
            "u~<system-reminder>\nThe date is 2026-11-23.\n</system-reminder>",
            "u~Say hello",
            "r~Look first.",
            "a~I look around.",
            "c~json {\"command\": \"ls\", \"timeout\": 5}",
            "c~json {\"file_path\": \"/tmp/a\"}",
            "o~a\nb",
            "o~no such file",
            "s~x-anthropic-billing-header: cc_version=2.1.197",
            "s~You are a coding agent.",
            "s~Be brief.",
            "f~Bash",
            "f~Runs a command.",
            "f~Read",
            "f~Reads a file.",
        ]
    );
    let body = include_str!("../../responses/fixtures/request.json").as_bytes();
    assert_eq!(
        lines(body, &asked(Api::Responses, body)),
        [
            "s~You are a careful assistant.",
            "s~Answer in English.",
            "u~What is on these?",
            "d~a.pdf",
            "r~Hm.",
            "a~I look it up.",
            "c~args {\"what\":\"a\"}",
            "o~a cat",
            "c~ls",
            "o~a.pdf",
            "f~look_up",
            "f~Looks it up.",
            "f~shell",
            "f~answer",
        ]
    );
    let body = include_str!("../../gemini/fixtures/request.json").as_bytes();
    let got = lines(body, &asked(Api::Generate, body));
    for want in ["s~Be brief.", "u~What is this?", "r~I should ", "r~look.", "a~see.", "f~Looks.", "f~cat"] {
        assert!(got.iter().any(|line| line == want), "{want}: {got:#?}");
    }
}
