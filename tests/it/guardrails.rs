//! Guardrails: what leaves the building and what comes back, by three witnesses: client, upstream, records.

use crate::support::call::Call;
use crate::support::config::{KEY, Setup};
use crate::support::sample;
use crate::support::script::{Gate, Script};
use crate::support::upstream::Upstream;
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const MAIL: &str = "ann.lee@example.com";
const PII: &str = "guardrails:\n  no-pii: { kind: pii, entities: [email], action: redact }";

fn ask(content: &str) -> String {
    json!({"model": "fast", "x_new": {"b": 1}, "messages": [{"role": "user", "content": content}]}).to_string()
}

fn answer(content: &str) -> Script {
    Script::json(200, sample::CHAT.replace("Hello there", content))
}

#[tokio::test]
async fn what_is_said_up_and_down_is_redacted_and_everything_else_stays() {
    let upstream = Upstream::start().await;
    upstream.always(answer(&format!("write to {MAIL}")));
    let gateway = Setup::openai(&[&upstream]).top(PII).search("guardrails: [no-pii]").start().await;
    let said = gateway.post(CHAT, ask(&format!("I am {MAIL}, \"quoted\"\\n"))).await;
    assert_eq!(said.status, 200, "{}", said.text());
    assert_eq!(said.json()["choices"][0]["message"]["content"], "write to [EMAIL]");
    assert_eq!(
        said.field("x-weighbridge-guardrails"),
        Some("no-pii;input;redact;email=1, no-pii;output;redact;email=1")
    );
    let sent = upstream.only();
    assert_eq!(sent.json()["messages"][0]["content"], "I am [EMAIL], \"quoted\"\\n");
    assert!(sent.text().contains(r#""x_new":{"b":1}"#), "{}", sent.text());
    let row = gateway.only_row().await;
    assert_eq!(row.tokens(), (sample::INPUT, sample::OUTPUT), "usage is what the provider reports");
}

#[tokio::test]
async fn a_request_without_finds_passes_byte_for_byte() {
    let (openai, anthropic) = (Upstream::start().await, Upstream::start().await);
    let rows = [
        (&openai, Setup::openai(&[&openai]), &sample::CALLS[..4]),
        (&anthropic, Setup::anthropic(&[&anthropic]), &sample::CALLS[4..]),
    ];
    for (upstream, setup, calls) in rows {
        let gateway = setup.top(PII).search("guardrails: [no-pii]").start().await;
        for (path, ask, want) in calls {
            upstream.next(Script::json(200, *want));
            let said = Call::post(path, *ask).key(KEY).send(gateway.address).await;
            assert_eq!((said.status, said.text()), (200, *want), "{path}");
        }
        for (seen, (_, ask, _)) in upstream.requests().iter().zip(calls) {
            assert!(seen.body == sample::renamed(ask.as_bytes(), "model-a"), "{}", seen.text());
        }
    }
}

#[tokio::test]
async fn each_dialect_is_covered_and_what_is_blocked_is_not_sent() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream])
        .top("guardrails:\n  no-pii: { kind: pii, entities: [email], action: block }")
        .search("guardrails: [no-pii]")
        .start()
        .await;
    let tool = json!({"model": "fast", "messages": [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "t", "type": "function", "function":
            {"name": "mail", "arguments": format!("{{\"to\":\"{MAIL}\"}}")}}]},
        {"role": "tool", "tool_call_id": "t", "content": "sent"}]});
    let rows: [(&str, Value); 6] = [
        (CHAT, json!({"model": "fast", "messages": [{"role": "user", "content": [{"type": "text", "text": MAIL}]}]})),
        (CHAT, tool),
        ("/v1/completions", json!({"model": "fast", "prompt": ["x", MAIL]})),
        ("/v1/responses", json!({"model": "fast", "instructions": MAIL, "input": "hi"})),
        (
            "/v1/messages",
            json!({"model": "fast", "max_tokens": 9, "system": MAIL, "messages": [{"role": "user", "content": "hi"}]}),
        ),
        ("/v1/embeddings", json!({"model": "fast", "input": ["a", MAIL]})),
    ];
    for (path, body) in rows {
        let refused = Call::post(path, body.to_string()).key(KEY).send(gateway.address).await;
        assert_eq!(refused.status, 400, "{path}: {}", refused.text());
        assert!(refused.text().contains("no-pii") && refused.text().contains("email"), "{path}: {}", refused.text());
        assert!(!refused.text().contains(MAIL), "{path}: the text itself is never told");
        assert_eq!(refused.field("x-should-retry"), Some("false"), "{path}");
    }
    let refused = gateway.post(CHAT, ask(MAIL)).await;
    assert_eq!(refused.json()["error"]["code"], "guardrail_blocked");
    assert_eq!(upstream.count(), 0, "nothing was sent");
    let finds = |hook| {
        format!("weighbridge_guard_finds_total{{action=\"block\",entity=\"email\",guard=\"no-pii\",hook=\"{hook}\"}}")
    };
    gateway.shows(&finds("input"), 7.0).await;
    let records = gateway.access_records();
    assert!(records.iter().all(|record| record["guardrails"] == "no-pii;input;block;email=1"), "{records:?}");
}

fn delta_text(stream: &str) -> String {
    let events = stream.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    let text = |data: &str| {
        let event: Value = serde_json::from_str(data).expect("JSON");
        event["choices"][0]["delta"]["content"].as_str().unwrap_or_default().to_owned()
    };
    events.map(text).collect()
}

fn stream(pieces: &[&str]) -> Script {
    let deltas: String = pieces.iter().map(|piece| sample::chat_delta(piece)).collect();
    let events = [sample::CHAT_ROLE, &deltas, sample::CHAT_FINISH, sample::CHAT_USAGE, sample::CHAT_DONE];
    Script::events(events)
}

#[tokio::test]
async fn a_stream_is_redacted_however_it_is_cut_and_metered_as_it_came() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).top(PII).search("guardrails: [no-pii]").start().await;
    let pieces: [&[&str]; 3] = [
        &["write to ann.lee@example.com today"],
        &["write to ann", ".lee", "@", "example", ".com today"],
        &["write ", "to ann.lee@example.co", "m to", "day"],
    ];
    for (number, pieces) in pieces.into_iter().enumerate() {
        upstream.next(stream(pieces));
        let said = gateway.post(CHAT, sample::CHAT_STREAM_ASK).await;
        assert_eq!(delta_text(said.text()), "write to [EMAIL] today", "{}", said.text());
        assert!(said.text().ends_with("data: [DONE]\n\n"), "{}", said.text());
        let rows = gateway.settled(number + 1).await;
        assert!(rows.iter().all(|row| row.tokens() == (sample::INPUT, sample::OUTPUT)), "{rows:?}");
    }
}

#[tokio::test]
async fn a_stream_that_is_blocked_ends_with_its_dialects_refusal_and_stops_the_provider() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream])
        .top("guardrails:\n  no-pii: { kind: pii, on: [output], entities: [email], action: block }")
        .search("guardrails: [no-pii]")
        .start()
        .await;
    let gate = Gate::new();
    let begin = Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("write to "));
    upstream.next(begin.wait(&gate).body(sample::chat_delta("ann.lee@example.com and more")).stall());
    let mut open = Call::post(CHAT, sample::CHAT_STREAM_ASK).key(KEY).open(gateway.address).await;
    let mut first = String::new();
    while !first.contains("write to ") {
        first.push_str(&open.event().await.expect("what came before"));
    }
    gate.open();
    let rest = open.whole().await;
    let said = first + rest.text();
    assert_eq!(delta_text(&said), "write to ", "{said}");
    assert!(said.contains(r#""finish_reason":"content_filter""#), "{said}");
    assert!(said.ends_with("data: [DONE]\n\n"), "{said}");
    let rows = gateway.settled(1).await;
    assert_eq!(rows[0].text("error"), "guardrail_blocked", "{rows:?}");
    upstream.next(answer(MAIL));
    let whole = gateway.post(CHAT, ask("hi")).await;
    assert_eq!((whole.status, &whole.json()["error"]["code"]), (400, &json!("guardrail_blocked")));
}

#[tokio::test]
async fn a_long_answer_is_looked_at_like_a_short_one() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).top(PII).search("guardrails: [no-pii]").start().await;
    let long = "all is well ".repeat(20_000);
    upstream.next(answer(&format!("{long}{MAIL}")));
    let said = gateway.post(CHAT, ask("hi")).await;
    assert_eq!(said.json()["choices"][0]["message"]["content"], format!("{long}[EMAIL]"));
    assert_eq!(said.field("x-weighbridge-guardrails"), Some("no-pii;output;redact;email=1"));
    assert_eq!(gateway.only_row().await.tokens(), (sample::INPUT, sample::OUTPUT));
    let strict = Setup::openai(&[&upstream])
        .top("guardrails:\n  no-pii: { kind: pii, entities: [email], action: block }")
        .search("guardrails: [no-pii]")
        .start()
        .await;
    upstream.next(answer(&format!("{long}{MAIL}")));
    assert_eq!(strict.post(CHAT, ask("hi")).await.openai_error(400), "guardrail_blocked");
    upstream.next(answer(&long));
    let passed = strict.post(CHAT, ask("hi")).await;
    assert_eq!((passed.status, passed.text()), (200, sample::CHAT.replace("Hello there", &long).as_str()));
}

#[tokio::test]
async fn placeholders_go_up_and_values_come_back_in_streams_too() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream])
        .top("guardrails:\n  no-pii: { kind: pii, entities: [email], action: tokenize }")
        .search("guardrails: [no-pii]")
        .start()
        .await;
    upstream.next(answer("dear <EMAIL_1> or <email_2>"));
    let said = gateway.post(CHAT, ask("from ann.lee@example.com to bob@example.org, ann.lee@example.com")).await;
    assert_eq!(said.json()["choices"][0]["message"]["content"], "dear ann.lee@example.com or bob@example.org");
    assert_eq!(upstream.only().json()["messages"][0]["content"], "from <EMAIL_1> to <EMAIL_2>, <EMAIL_1>");
    upstream.next(stream(&["dear <EM", "AIL_1", ">", ", bye"]));
    let body = ask(&format!("from {MAIL}")).replacen('{', "{\"stream\":true,", 1);
    let said = gateway.post(CHAT, body).await;
    assert_eq!(delta_text(said.text()), format!("dear {MAIL}, bye"), "{}", said.text());
}

#[tokio::test]
async fn a_client_adds_guardrails_and_takes_none_away() {
    let upstream = Upstream::start().await;
    let two = format!("{PII}\n  no-words: {{ kind: words, words: [nightjar], action: block }}");
    let gateway = Setup::openai(&[&upstream]).top(&two).search("guardrails: [no-pii]").start().await;
    let call = |names: &'static str| {
        Call::post(CHAT, ask(&format!("{MAIL} nightjar"))).key(KEY).field("x-weighbridge-guardrails", names)
    };
    let passed = call("").send(gateway.address).await;
    assert_eq!(passed.status, 200, "{}", passed.text());
    assert_eq!(upstream.only().json()["messages"][0]["content"], "[EMAIL] nightjar");
    let refused = call("no-words").send(gateway.address).await;
    assert_eq!(refused.openai_error(400), "guardrail_blocked");
    let unknown = call("no-such").send(gateway.address).await;
    assert_eq!(unknown.openai_error(400), "guardrail_not_found");
    assert!(unknown.text().contains("no-such"), "{}", unknown.text());
}

#[tokio::test]
async fn routes_that_cannot_be_looked_at_are_closed_where_a_guardrail_is_mandatory() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).top(PII).search("guardrails: [no-pii]").start().await;
    let tokens = Call::post("/v1/embeddings", json!({"model": "fast", "input": [1, 2, 3]}).to_string()).key(KEY);
    let refused = tokens.send(gateway.address).await;
    assert_eq!(refused.openai_error(400), "guardrail_without_view");
    let speech = json!({"model": "fast", "input": "hi", "voice": "alloy"}).to_string();
    let refused = Call::post("/v1/audio/speech", speech).key(KEY).send(gateway.address).await;
    assert_eq!(refused.openai_error(400), "guardrail_without_view");
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn audit_only_tells_and_the_record_says_what_was_found_but_never_the_text() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream])
        .top("guardrails:\n  no-pii: { kind: pii, entities: [email], action: block, mode: audit }")
        .search("guardrails: [no-pii]")
        .start()
        .await;
    let said = gateway.post(CHAT, ask(MAIL)).await;
    assert_eq!(said.status, 200, "{}", said.text());
    assert_eq!(upstream.only().json()["messages"][0]["content"], MAIL);
    assert_eq!(said.field("x-weighbridge-guardrails"), Some("no-pii;input;audit:block;email=1"));
    gateway.stop().await;
    let log = gateway.log();
    assert!(!log.contains(MAIL), "{log}");
}

#[tokio::test]
async fn a_guardrail_can_be_tried_from_the_command_line_and_check_tells_what_holds() {
    let upstream = Upstream::start().await;
    let more = format!("{PII}\n  no-words: {{ kind: words, words: [nightjar], action: block }}");
    let gateway = Setup::openai(&[&upstream]).top(&more).search("guardrails: [no-pii]").start().await;
    let tried = gateway.piped(&["guard", "test", "--guard", "no-pii"], &format!("to {MAIL}\n")).await;
    assert_eq!(
        (tried.code, &*tried.stdout, &*tried.stderr),
        (Some(0), "to [EMAIL]\n", "no-pii;input;redact;email=1\n")
    );
    let refused = gateway.piped(&["guard", "test", "--guard", "no-words"], "a nightjar").await;
    assert_eq!((refused.code, &*refused.stdout), (Some(1), ""));
    assert!(refused.stderr.contains("guardrail `no-words` found `word`"), "{refused:?}");
    let unknown = gateway.piped(&["guard", "test", "--guard", "no-pi"], "").await;
    assert!(unknown.code == Some(1) && unknown.stderr.contains("did you mean `no-pii`?"), "{unknown:?}");
    let checked = gateway.piped(&["check"], "").await;
    for line in ["no-pii: pii, for team search", "on input, output: redact", "no-words: words, for whoever asks for it"]
    {
        assert!(checked.stdout.contains(line), "{line}: {}", checked.stdout);
    }
}

#[tokio::test]
async fn what_nobody_knows_is_looked_at_refused_or_passed_as_the_rule_says() {
    let upstream = Upstream::start().await;
    upstream.always(answer("fine"));
    let body = |value: Value| {
        json!({"model": "fast", "user": MAIL, "x_new": value, "messages": [{"role": "user", "content": "go"}]})
            .to_string()
    };
    let hints = json!({"n": 1, "hints": ["to", {"who": MAIL}]});
    for (rule, status, want) in [
        ("", 200, json!({"n": 1, "hints": ["to", {"who": "[EMAIL]"}]})),
        (", unknown: pass", 200, hints.clone()),
        (", unknown: refuse", 400, Value::Null),
        (", unknown: refuse, mode: audit", 200, hints.clone()),
    ] {
        let rules = format!("guardrails:\n  no-pii: {{ kind: pii, entities: [email], action: redact{rule} }}");
        let gateway = Setup::openai(&[&upstream]).top(&rules).search("guardrails: [no-pii]").start().await;
        let count = upstream.count();
        let said = gateway.post(CHAT, body(hints.clone())).await;
        assert_eq!(said.status, status, "{rule}: {}", said.text());
        if status == 200 {
            let sent = upstream.requests().pop().expect("it was asked").json();
            assert_eq!((&sent["x_new"], &sent["user"]), (&want, &json!(MAIL)), "{rule}");
        } else {
            assert_eq!(said.openai_error(400), "guardrail_without_view");
            assert!(said.text().contains("has no member `x_new` that is known here"), "{}", said.text());
            assert_eq!(upstream.count(), count);
            assert_eq!(gateway.post(CHAT, body(json!({"n": [1, true, null]}))).await.status, 200, "no text, no matter");
        }
    }
}

#[tokio::test]
async fn an_answer_ends_where_its_texts_together_are_too_long() {
    let upstream = Upstream::start().await;
    // Another guardrail looks at requests: the least length of answers is none of theirs.
    let rules = "guardrails:\n  short: { kind: length, on: [output], total: { max_chars: 12, min_chars: 2 } }\n  \
                 calm: { kind: words, words: [nightjar] }";
    let gateway = Setup::openai(&[&upstream]).top(rules).search("guardrails: [short, calm]").start().await;
    let ask = |stream: bool| {
        json!({"model": "fast", "stream": stream, "messages": [{"role": "user", "content": "a long question, which does not count"}]}).to_string()
    };
    let two = |one: &str, other: &str| {
        let mut answer: Value = serde_json::from_str(sample::CHAT).expect("JSON");
        let mut second = answer["choices"][0].clone();
        answer["choices"][0]["message"]["content"] = json!(one);
        (second["index"], second["message"]["content"]) = (json!(1), json!(other));
        answer["choices"].as_array_mut().expect("choices").push(second);
        Script::json(200, answer.to_string())
    };
    for (one, other, status) in [("123456", "123456", 200), ("123456", "1234567", 400), ("", "1", 400)] {
        upstream.next(two(one, other));
        let said = gateway.post(CHAT, ask(false)).await;
        assert_eq!(said.status, status, "{one} {other}: {}", said.text());
        if status == 400 {
            assert_eq!(said.openai_error(400), "guardrail_blocked");
        }
    }
    let chunk = |index: u32, text: &str| {
        format!(
            "data: {}\n\n",
            json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                "choices": [{"index": index, "delta": {"content": text}, "finish_reason": null}]})
        )
    };
    let end = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
               data: {\"id\":\"c\",\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    for (last, fits) in [("1234", true), ("12345", false)] {
        let gate = Gate::new();
        let begin = Script::sse().body(chunk(0, "1234") + &chunk(1, "1234"));
        upstream.next(begin.wait(&gate).body(chunk(0, last) + end).end());
        let mut open = Call::post(CHAT, ask(true)).key(KEY).open(gateway.address).await;
        let mut text = open.event().await.expect("what came before");
        gate.open();
        text.push_str(open.whole().await.unbroken());
        assert!(text.matches("1234").count() >= 2 && text.ends_with("data: [DONE]\n\n"), "{text}");
        assert!(!text.contains("12345"), "{text}");
        assert_eq!(text.matches("content_filter").count(), if fits { 0 } else { 2 }, "each choice: {text}");
    }
}
