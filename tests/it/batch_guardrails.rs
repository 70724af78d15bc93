//! Guardrails on lines of files: requests of a batch on their way up, its answers on their way down.

use crate::support::call::{Answer, Call};
use crate::support::config::{KEY, Setup};
use crate::support::gateway::Gateway;
use crate::support::sample;
use crate::support::script::Script;
use crate::support::upstream::{Recorded, Upstream};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;

const FORM: &str = "multipart/form-data; boundary=edge";
const OTHER: &str = "wb-test-key-of-team-other-0123456789";
const MAIL: &str = "ann.lee@example.com";
const CHAT: &str = "/v1/chat/completions";

/// A provider's account, in which one batch is made of one file and is over at once.
struct Shop {
    upstream: Upstream,
    output: Arc<Mutex<String>>,
}

impl Shop {
    async fn open() -> Self {
        let (upstream, output) = (Upstream::start().await, Arc::new(Mutex::new(String::new())));
        let behind = Arc::clone(&output);
        upstream.by(move |request| answer(&behind.lock(), request));
        Self { upstream, output }
    }

    /// What the last upload holds as its file.
    fn file(&self) -> String {
        let form = self.upstream.requests().pop().expect("it was asked").text().to_owned();
        let file = form.split_once("application/jsonl\r\n\r\n").expect("a file").1;
        file.split_once("\r\n--edge").expect("an end").0.to_owned()
    }

    fn answers(&self, lines: &[Value]) -> String {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        (*self.output.lock()).clone_from(&text);
        text
    }
}

fn answer(output: &str, request: &Recorded) -> Script {
    let text = String::from_utf8_lossy(&request.body);
    let purpose = if text.contains("\r\n\r\nbatch\r\n") { "batch" } else { "user_data" };
    let batch = json!({"id": "batch_1", "object": "batch", "status": "completed", "input_file_id": "file-1",
        "output_file_id": "file-out", "error_file_id": "file-err", "usage": {"input_tokens": 5, "output_tokens": 1}});
    match (request.head.word(0), request.path()) {
        ("POST", "/v1/files") => {
            Script::json(200, json!({"id": "file-1", "object": "file", "purpose": purpose}).to_string())
        }
        ("POST", "/v1/batches") | ("GET", "/v1/batches/batch_1") => Script::json(200, batch.to_string()),
        ("GET", "/v1/files/file-out/content" | "/v1/files/file-err/content" | "/v1/files/file-1/content") => {
            Script::answer(200, "application/octet-stream", output.to_owned())
        }
        _ => Script::error(500),
    }
}

/// Team `other` is under no guardrail.
fn setup(shop: &Shop, guardrails: &str, of_team: &str) -> Setup {
    Setup::openai(&[&shop.upstream])
        .team("other", "")
        .key("other-ci", "other", OTHER, "")
        .top(&format!("files: {{ provider: a }}\nguardrails:\n{guardrails}"))
        .search(&format!("guardrails: [{of_team}]"))
}

fn part(name: &str, value: &str) -> String {
    let file = if name == "file" { "; filename=\"data.jsonl\"\r\ncontent-type: application/jsonl" } else { "" };
    format!("--edge\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n")
}

fn form(purpose: &str, file: &str) -> String {
    format!("{}{}--edge--\r\n", part("purpose", purpose), part("file", file))
}

fn line(id: &str, content: &str) -> String {
    let body =
        json!({"model": "fast", "x_new": {"b": 1, "a": [2]}, "messages": [{"role": "user", "content": content}]});
    format!(r#"{{"custom_id":"{id}",  "method":"POST","url":"{CHAT}","body":{body}}}"#)
}

async fn put(gateway: &Gateway, key: &str, form: String) -> Answer {
    let call = Call { fields: vec![("content-type".to_owned(), FORM.to_owned())], ..Call::post("/v1/files", form) };
    call.key(key).send(gateway.address).await
}

async fn upload(gateway: &Gateway, lines: &[String]) -> Answer {
    put(gateway, KEY, form("batch", &lines.iter().map(|line| format!("{line}\n")).collect::<String>())).await
}

async fn batch(gateway: &Gateway, key: &str) -> Answer {
    let new = json!({"input_file_id": "file-1", "endpoint": CHAT, "completion_window": "24h"});
    Call::post("/v1/batches", new.to_string()).key(key).send(gateway.address).await
}

/// A record tells that guardrails said this.
async fn recorded(gateway: &Gateway, said: &str) -> Value {
    let record = crate::support::eventually("the request is recorded", || async {
        gateway.access_records().into_iter().find(|record| record["guardrails"] == said)
    });
    record.await
}

fn answered(id: &str, content: &str) -> Value {
    let body: Value = serde_json::from_str(&sample::CHAT.replace("Hello there", content)).expect("JSON");
    json!({"id": format!("batch_req_{id}"), "custom_id": id, "error": null,
        "response": {"status_code": 200, "request_id": "r", "body": body}})
}

async fn content(gateway: &Gateway, key: &str) -> Answer {
    Call::get("/v1/files/file-out/content").key(key).send(gateway.address).await
}

#[tokio::test]
async fn a_line_that_is_blocked_refuses_the_upload_by_its_number_and_name() {
    let shop = Shop::open().await;
    let gateway = setup(&shop, "  no-pii: { kind: pii, entities: [email], action: block }", "no-pii").start().await;
    let lines = [line("a", "fine"), String::new(), line("second", MAIL), line("c", "fine")];
    let refused = upload(&gateway, &lines).await;
    assert_eq!(refused.openai_error(400), "guardrail_blocked");
    let message = refused.json()["error"]["message"].as_str().expect("a message").to_owned();
    assert_eq!(message, "line 3 (`second`): guardrail `no-pii` refuses the request: it found `email`");
    assert_eq!(shop.upstream.count(), 0, "nothing went up");
    let record = recorded(&gateway, "no-pii;input;block;email=1").await;
    assert_eq!((&record["api"], &record["code"]), (&json!("files"), &json!("guardrail_blocked")));
    assert_eq!(
        gateway
            .metric(r#"weighbridge_guard_finds_total{action="block",entity="email",guard="no-pii",hook="input"}"#)
            .await,
        1.0
    );
    let report = gateway.command(&["guard", "report", "--by", "guardrail,action"]).await.ok();
    assert!(report.contains("no-pii"), "{report}");
    assert!(!gateway.log().contains(MAIL));
}

#[tokio::test]
async fn only_the_line_in_which_something_is_found_is_edited() {
    let shop = Shop::open().await;
    for (action, want) in [("redact", "to [EMAIL]"), ("mask", "to ***.***@******e.com"), ("hash", "to [EMAIL:")] {
        let rule = format!("  no-pii: {{ kind: pii, entities: [email], action: {action} }}");
        let gateway = setup(&shop, &rule, "no-pii").start().await;
        let lines = [line("a", "fine \u{e9} \\n"), line("b", &format!("to {MAIL}")), line("c", "fine")];
        let put = upload(&gateway, &lines).await;
        assert_eq!(put.status, 200, "{}", put.text());
        let file = shop.file();
        let sent: Vec<&str> = file.lines().collect();
        let name = |line: &str| line.replace("\"fast\"", "\"model-a\"");
        assert_eq!((sent[0], sent[2], sent.len()), (&*name(&lines[0]), &*name(&lines[2]), 3), "byte for byte");
        let edited: Value = serde_json::from_str(sent[1]).expect("JSON");
        let said = edited["body"]["messages"][0]["content"].as_str().expect("a text");
        assert!(said.starts_with(want), "{said}");
        assert_eq!(sent[1].replace(said, &format!("to {MAIL}")), name(&lines[1]), "and nothing else of it");
        recorded(&gateway, &format!("no-pii;input;{action};email=1")).await;
        assert_eq!(batch(&gateway, KEY).await.status, 200);
    }
}

#[tokio::test]
async fn lines_that_cannot_be_looked_at_do_not_go_up() {
    let shop = Shop::open().await;
    let rules = "  no-pii: { kind: pii, entities: [email], action: redact }\n  \
                 hide: { kind: pii, entities: [email], action: tokenize }";
    let gateway = setup(&shop, rules, "no-pii").start().await;
    let tokens = r#"{"custom_id":"t","method":"POST","url":"/v1/embeddings","body":{"model":"fast","input":[1,2]}}"#;
    let tokens = tokens.to_owned();
    let cases = [
        (vec![line("a", "x"), "{\"custom_id\":".to_owned()], "invalid_request", "line 2: "),
        (
            vec![line("a", "x"), line("b", "x").replace("\"messages\":[{", "\"messages\":[{]")],
            "invalid_request",
            "line 2: ",
        ),
        (
            vec![line("a", "x"), line("b", "x").replace("\"messages\"", "\"n\":\"many\",\"messages\"")],
            "invalid_request",
            "line 2: ",
        ),
        (
            vec![tokens],
            "guardrail_without_view",
            "line 1 (`t`): guardrail `no-pii` must look at this call, and cannot: `input`",
        ),
    ];
    for (lines, code, want) in cases {
        let refused = upload(&gateway, &lines).await;
        assert_eq!(refused.openai_error(400), code, "{}", refused.text());
        let message = refused.json()["error"]["message"].as_str().expect("a message").to_owned();
        assert!(message.starts_with(want), "{message}");
    }
    let call = Call {
        fields: vec![("content-type".to_owned(), FORM.to_owned())],
        ..Call::post("/v1/files", form("batch", &line("a", "x")))
    };
    let hidden = call.key(OTHER).field("x-weighbridge-guardrails", "hide").send(gateway.address).await;
    assert_eq!(hidden.openai_error(400), "guardrail_without_view");
    assert!(hidden.text().contains("`hide` puts placeholders into requests (`tokenize`)"), "{}", hidden.text());
    for purpose in ["user_data", "fine-tune", "vision", "assistants"] {
        for file in ["short".to_owned(), "x".repeat(200_000)] {
            let refused = put(&gateway, KEY, form(purpose, &file)).await;
            assert_eq!(refused.openai_error(400), "guardrail_without_view", "{purpose}");
            let last = format!("{}{}--edge--\r\n", part("file", &file), part("purpose", purpose));
            assert_eq!(put(&gateway, KEY, last).await.openai_error(400), "guardrail_without_view", "{purpose}");
        }
    }
    assert_eq!(shop.upstream.count(), 0, "nothing went up");
    assert_eq!(
        put(&gateway, OTHER, form("user_data", "short")).await.status,
        200,
        "who is under none puts there what they want"
    );
    gateway.assert_serves().await;
}

#[tokio::test]
async fn a_file_that_no_guardrail_looked_at_makes_no_batch_where_one_must() {
    let shop = Shop::open().await;
    let rules = "  no-pii: { kind: pii, entities: [email], action: redact }";
    let rules = format!("{rules}\n  idle: {{ kind: words, words: [nightjar], action: flag }}");
    let gateway = setup(&shop, &rules, "idle").start().await;
    assert_eq!(upload(&gateway, &[line("a", MAIL)]).await.status, 200);
    gateway.edit(|text| text.replace("guardrails: [idle]", "guardrails: [idle, no-pii]"));
    gateway.hang_up();
    let refused = crate::support::eventually("the rule holds", || async {
        let answer = batch(&gateway, KEY).await;
        (answer.status != 200).then_some(answer)
    });
    let refused = refused.await;
    assert_eq!(refused.openai_error(400), "guardrail_without_view");
    assert!(
        refused.text().contains("did not look at file `file-1` when it was uploaded: upload it again"),
        "{}",
        refused.text()
    );
    let input = Call::get("/v1/files/file-1/content").key(KEY).send(gateway.address).await;
    assert_eq!(input.openai_error(400), "guardrail_without_view", "what goes up is no answer");
}

#[tokio::test]
async fn a_guardrail_whose_condition_did_not_hold_at_the_upload_has_not_looked() {
    const STRICT: &str = "wb-test-strict-key-of-team-search-0123";
    let shop = Shop::open().await;
    let rules = "  no-pii: { kind: pii, entities: [email], action: redact, when: { keys: [strict] } }";
    let gateway = setup(&shop, rules, "no-pii").key("strict", "search", STRICT, "").start().await;
    assert_eq!(upload(&gateway, &[line("a", MAIL)]).await.status, 200);
    assert!(shop.file().contains(MAIL), "nothing is for this key");
    let refused = batch(&gateway, STRICT).await;
    assert_eq!(refused.openai_error(400), "guardrail_without_view");
    assert_eq!(put(&gateway, STRICT, form("batch", &format!("{}\n", line("a", MAIL)))).await.status, 200);
    assert!(!shop.file().contains(MAIL), "{}", shop.file());
}

#[tokio::test]
async fn a_batch_makes_the_calls_that_its_lines_were_looked_at_as() {
    let shop = Shop::open().await;
    let gateway = setup(&shop, "  no-pii: { kind: pii, entities: [email], action: redact }", "no-pii").start().await;
    assert_eq!(upload(&gateway, &[line("a", "hello")]).await.status, 200);
    let new = json!({"input_file_id": "file-1", "endpoint": "/v1/embeddings", "completion_window": "24h"});
    let refused = Call::post("/v1/batches", new.to_string()).key(KEY).send(gateway.address).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("are for `/v1/chat/completions`, not for `/v1/embeddings`"), "{}", refused.text());
    assert_eq!(batch(&gateway, KEY).await.status, 200);
}

#[tokio::test]
async fn answers_come_down_as_their_guardrails_leave_them() {
    let shop = Shop::open().await;
    let rules = "  no-pii: { kind: pii, entities: [email], action: mask }\n  \
                 no-word: { kind: words, words: [nightjar], on: [output], action: block }\n  \
                 short: { kind: length, on: [output], total: { max_chars: 200 } }";
    let gateway = setup(&shop, rules, "no-pii, no-word, short").start().await;
    assert_eq!(upload(&gateway, &[line("a", "x")]).await.status, 200);
    assert_eq!(batch(&gateway, KEY).await.status, 200);
    let failed =
        json!({"id": "batch_req_e", "custom_id": "e", "response": null, "error": {"code": "x", "message": "y"}});
    let lines = [
        answered("a", "fine"),
        answered("b", &format!("write to {MAIL}")),
        answered("c", "project nightjar"),
        failed.clone(),
        answered("d", &"long ".repeat(60)),
        json!({"custom_id": "odd", "what": MAIL}),
        answered("f", "fine"),
    ];
    let whole = shop.answers(&lines);
    let told = content(&gateway, KEY).await;
    assert_eq!(told.status, 200, "{}", told.text());
    let text = told.unbroken().to_owned();
    let (told, was): (Vec<&str>, Vec<&str>) = (text.lines().collect(), whole.lines().collect());
    assert_eq!(told.len(), was.len(), "{text}");
    for place in [0, 3, 6] {
        assert_eq!(told[place], was[place], "byte for byte");
    }
    assert_eq!(told[1], was[1].replace(MAIL, "***.***@******e.com"));
    for place in [2, 4] {
        let refused: Value = serde_json::from_str(told[place]).expect("JSON");
        let choice = &refused["response"]["body"]["choices"][0];
        assert_eq!(
            (&choice["finish_reason"], &choice["message"]["content"]),
            (&json!("content_filter"), &Value::Null),
            "{refused}"
        );
        assert_eq!(refused["custom_id"], lines[place]["custom_id"]);
    }
    assert!(!told[5].contains(MAIL), "what is no answer is one text: {}", told[5]);
    recorded(&gateway, "no-pii;output;mask;email=2, no-word;output;block;word=1, short;output;block;length=1").await;
    let report = gateway.command(&["guard", "report", "--by", "guardrail"]).await.ok();
    assert!(report.contains("no-word") && report.contains("short"), "{report}");
}

#[tokio::test]
async fn what_is_only_told_changes_nothing_and_counts() {
    let shop = Shop::open().await;
    let rules = "  watch: { kind: pii, entities: [email], action: block, mode: audit }";
    let gateway = setup(&shop, rules, "watch").start().await;
    let lines = [line("a", MAIL), line("b", MAIL)];
    assert_eq!(upload(&gateway, &lines).await.status, 200);
    let want: String = lines.iter().map(|line| format!("{}\n", line.replace("\"fast\"", "\"model-a\""))).collect();
    assert_eq!(shop.file(), want);
    recorded(&gateway, "watch;input;audit:block;email=2").await;
    assert_eq!(batch(&gateway, KEY).await.status, 200);
    let answers = shop.answers(&[answered("a", MAIL)]);
    assert_eq!(content(&gateway, KEY).await.unbroken(), answers);
    assert_eq!(put(&gateway, KEY, form("user_data", "x")).await.status, 200, "it is not mandatory");
}

#[tokio::test]
async fn who_is_under_no_guardrail_gets_every_byte_as_it_is() {
    let shop = Shop::open().await;
    let gateway = setup(&shop, "  no-pii: { kind: pii, entities: [email], action: redact }", "no-pii").start().await;
    let odd = line("a", MAIL).replace("\"method\"", " \t\"method\"");
    let file = form("batch", &format!("{odd}\r\n\n{}", line("b", MAIL)));
    assert_eq!(put(&gateway, OTHER, file.clone()).await.status, 200);
    assert_eq!(shop.upstream.requests().pop().expect("it was asked").text(), file.replace("\"fast\"", "\"model-a\""));
    assert_eq!(batch(&gateway, OTHER).await.status, 200);
    let answers = shop.answers(&[answered("a", MAIL), json!("odd")]);
    let told = content(&gateway, OTHER).await;
    assert_eq!((told.unbroken(), told.field("content-length")), (&*answers, Some(&*answers.len().to_string())));
}

#[tokio::test]
async fn services_are_asked_about_lines() {
    let (shop, service) = (Shop::open().await, Upstream::start().await);
    service.by(|request| {
        let text = request.json()["texts"][0]["text"].as_str().unwrap_or_default().to_owned();
        let action = if text.contains("secret") { "block" } else { "allow" };
        Script::json(200, json!({"action": action, "reason": "it says so"}).to_string())
    });
    let url = format!("http://{}", service.address);
    let rules = format!("  asked: {{ kind: webhook, url: \"{url}\", on: [input, output] }}");
    let gateway = setup(&shop, &rules, "asked").start().await;
    let lines: Vec<String> = (0..40).map(|number| line(&number.to_string(), &format!("text {number}"))).collect();
    assert_eq!(upload(&gateway, &lines).await.status, 200);
    let want: String = lines.iter().map(|line| format!("{}\n", line.replace("\"fast\"", "\"model-a\""))).collect();
    assert_eq!((shop.file(), service.count()), (want, 40), "in their order");
    let refused = upload(&gateway, &[line("a", "x"), line("b", "secret")]).await;
    assert_eq!(refused.openai_error(400), "guardrail_blocked");
    assert!(refused.text().contains("line 2 (`b`): guardrail `asked`"), "{}", refused.text());
    assert_eq!(batch(&gateway, KEY).await.status, 200);
    shop.answers(&[answered("a", "fine"), answered("b", "a secret"), answered("c", "fine")]);
    let told = content(&gateway, KEY).await;
    let reasons: Vec<Value> = told
        .unbroken()
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).expect("JSON");
            line["response"]["body"]["choices"][0]["finish_reason"].clone()
        })
        .collect();
    assert_eq!(reasons, ["stop", "content_filter", "stop"], "{}", told.text());
    // A service that is away: nothing passes, and an answer may be asked for again.
    service.by(|_| Script::error(500));
    assert_eq!(upload(&gateway, &[line("a", "x")]).await.openai_error(503), "guardrail_failed");
    let told = content(&gateway, KEY).await;
    let first: Value = serde_json::from_str(told.unbroken().lines().next().expect("a line")).expect("JSON");
    assert_eq!(
        (&first["error"]["code"], &first["response"], &first["custom_id"]),
        (&json!("guardrail_failed"), &Value::Null, &json!("a"))
    );
}

#[tokio::test]
async fn a_large_file_is_looked_at_without_more_memory_than_its_own() {
    const BYTES: usize = 20 << 20;
    let shop = Shop::open().await;
    let rules = "  words: { kind: words, words: [nightjar], action: redact }";
    let mut setup = setup(&shop, rules, "words");
    setup.gives_back = true;
    let gateway = setup.start().await;
    let text = format!("about nightjar {}", "x".repeat(16_000));
    let one = line("a", &text) + "\n";
    let file = form("batch", &one.repeat(BYTES / one.len()));
    assert_eq!(upload(&gateway, &[line("a", "x")]).await.status, 200);
    let (before, at_rest) = (gateway.peak_bytes(), gateway.resident_bytes());
    for _ in 0..2 {
        assert_eq!(put(&gateway, KEY, file.clone()).await.status, 200);
        let grown = gateway.peak_bytes().saturating_sub(before);
        assert!(grown < 3 * BYTES as u64, "{grown} bytes more than before");
        crate::support::eventually("what it took is given back", || async {
            (gateway.resident_bytes().saturating_sub(at_rest) < BYTES as u64 / 2).then_some(())
        })
        .await;
    }
    assert!(!shop.file().contains("nightjar") && shop.file().contains("[WORD]"));
    // Its answers pass as they come.
    assert_eq!(batch(&gateway, KEY).await.status, 200);
    let answers = vec![answered("a", &text); BYTES / 17_000];
    shop.answers(&answers);
    let before = gateway.peak_bytes();
    let told = content(&gateway, KEY).await;
    assert!(told.unbroken().lines().count() == answers.len() && !told.text().contains("nightjar"));
    let grown = gateway.peak_bytes().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes more than before");
}
