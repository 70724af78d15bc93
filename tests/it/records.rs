//! Records: what became of each request can be found again, whatever happens to the process or its disk; prompts and
//! answers are kept as a team's rule says, and read by nobody unseen.

use crate::support::call::Call;
use crate::support::config::{KEY, Setup, VIEWER_TOKEN};
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::sample;
use crate::support::script::Script;
use crate::support::upstream::Upstream;
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

const CHAT: &str = "/v1/chat/completions";
const MAIL: &str = "ann.lee@example.com";
const SECRET: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
const LAB: &str = "wb-test-key-of-team-lab-0123456789abc";
const OPEN: &str = "wb-test-key-of-team-open-0123456789abc";

impl Gateway {
    fn records(&self) -> PathBuf {
        self.dir.path().join("state/records")
    }

    /// Names of the files of records.
    fn files(&self, family: &str) -> Vec<String> {
        let read = fs::read_dir(self.records()).into_iter().flatten().flatten();
        let mut names: Vec<String> = read.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| name.starts_with(family));
        names.sort();
        names
    }

    /// Everything that is in them.
    fn all_text(&self, family: &str) -> String {
        let text = |name: &String| {
            let bytes = fs::read(self.records().join(name)).expect("readable");
            let plain =
                if name.ends_with(".zst") { zstd::stream::decode_all(&bytes[..]).expect("zstd") } else { bytes };
            String::from_utf8(plain).expect("text")
        };
        self.files(family).iter().map(text).collect()
    }

    /// Asks until so many are found.
    async fn found(&self, query: &str, count: usize) -> Vec<Value> {
        eventually("the records are there", || async {
            let answer = self.admin("GET", &format!("/requests{query}"), Value::Null).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let found = answer.json()["requests"].as_array().expect("a list").clone();
            (found.len() == count).then_some(found)
        })
        .await
    }

    /// The only request of a team, and what is kept of its texts.
    async fn content_of(&self, team: &str) -> (Value, Value) {
        let found = self.found(&format!("?team={team}"), 1).await.remove(0);
        let path = format!("/requests/{}?content=true", found["id"].as_str().expect("an id"));
        let content = eventually("contents are there", || async {
            let shown = self.admin("GET", &path, Value::Null).await;
            assert_eq!(shown.status, 200, "{}", shown.text());
            let content = shown.json()["content"].clone();
            (found["content"].is_null() || !content.is_null()).then_some(content)
        })
        .await;
        (found, content)
    }
}

async fn ask(gateway: &Gateway, label: &str) {
    let call = Call::post(CHAT, sample::CHAT_ASK).key(KEY).field("x-request-id", label);
    assert_eq!(call.send(gateway.address).await.status, 200);
}

#[tokio::test]
async fn a_request_is_found_by_all_that_is_known_of_it_and_pages_meet() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    // Each waits for the record of the one before: workers write theirs in their own time.
    for number in 0..7 {
        ask(&gateway, &format!("label-{number}")).await;
        gateway.found("", number + 1).await;
    }
    upstream.next(Script::error(400));
    gateway.post(CHAT, sample::CHAT_ASK).await;
    gateway.found("", 8).await;
    gateway.post(CHAT, r#"{"model":"nobody","messages":[]}"#).await;
    let all = gateway.found("", 9).await;
    assert_eq!(all[0]["code"], "model_not_found");
    let labels: Vec<_> = all[2..].iter().map(|record| record["request_id"].as_str().expect("a label")).collect();
    assert_eq!(labels, ["label-6", "label-5", "label-4", "label-3", "label-2", "label-1", "label-0"]);
    for (query, count) in [
        ("?status=error", 2),
        ("?status=400", 1),
        ("?status=2xx&team=search&key=search-ci&model=fast&provider=a", 7),
        ("?code=model_not_found", 1),
        ("?id=label-3", 1),
        ("?team=sear", 0),
        ("?since=1h", 9),
        ("?until=1h", 0),
    ] {
        assert_eq!(gateway.found(query, count).await.len(), count, "{query}");
    }
    let mut seen = Vec::new();
    let mut query = "?limit=4".to_owned();
    loop {
        let page = gateway.admin("GET", &format!("/requests{query}"), Value::Null).await.json();
        seen.extend(page["requests"].as_array().expect("a list").clone());
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=4&before={next}");
    }
    assert_eq!(seen, all);
    // By the gateway's own id, by the label, and from the command line.
    let id = all[2]["id"].as_str().expect("an id");
    for name in [id, "label-6"] {
        let one = gateway.admin_as(VIEWER_TOKEN, "GET", &format!("/requests/{name}"), Value::Null).await;
        assert_eq!(one.json(), json!({"request": all[2]}), "{name}");
    }
    let shown: Value = serde_json::from_str(&gateway.command(&["records", "show", id]).await.ok()).expect("JSON");
    assert_eq!(shown, all[2]);
    let listed = gateway.command(&["records", "search", "--status", "error", "--limit", "1"]).await;
    assert!(listed.stdout.contains("model_not_found") && listed.stderr.contains("--before "), "{listed:?}");
    for (query, word) in
        [("?status=6xx", "`429`"), ("?limit=0", "1 to 1000"), ("?sicne=1h", "`since`"), ("?before=x", "12-3456")]
    {
        let refused = gateway.admin("GET", &format!("/requests{query}"), Value::Null).await;
        assert_eq!(refused.admin_error(400), "invalid_request");
        assert!(refused.text().contains(word), "{}", refused.text());
    }
    assert_eq!(gateway.admin("GET", "/requests/nobody", Value::Null).await.admin_error(404), "not_found");
}

#[tokio::test]
async fn what_ends_is_told_to_who_follows() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let tail = Call::get("/admin/v1/requests/tail?status=error").key(VIEWER_TOKEN);
    let mut tail = tail.open(gateway.admin).await;
    ask(&gateway, "right").await;
    gateway.post(CHAT, r#"{"model":"nobody","messages":[]}"#).await;
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        line.extend_from_slice(&tail.piece().await.expect("it goes on").expect("a line"));
    }
    let record: Value = serde_json::from_slice(&line).expect("one JSON object a line");
    assert_eq!(record["code"], "model_not_found");
    let refused = gateway.admin("GET", "/requests/tail?limit=3", Value::Null).await;
    assert_eq!(refused.admin_error(400), "invalid_request");
}

#[tokio::test]
async fn files_are_rotated_and_compressed_and_read_across_restarts_and_kills() {
    let upstream = Upstream::start().await;
    let more = "records: { file_age: 1s }";
    let gateway = Setup::openai(&[&upstream]).with_admin().top(more).start().await;
    ask(&gateway, "first").await;
    eventually("the file is closed", || async {
        (gateway.files("requests").first().is_some_and(|name| name.ends_with(".zst"))).then_some(())
    })
    .await;
    ask(&gateway, "second").await;
    gateway.found("", 2).await;
    gateway.kill();
    // What a write leaves that the kill cut short.
    let name = format!("requests-{:09}.jsonl", 1000);
    let mut torn = fs::File::create(gateway.records().join(name)).expect("a file");
    torn.write_all(br#"{"time":"2026-11-28T05:42:00.000001Z","id":"01"#).expect("written");
    drop(torn);
    gateway.start_again().await;
    ask(&gateway, "third").await;
    let found = gateway.found("", 3).await;
    let labels: Vec<_> = found.iter().map(|record| record["request_id"].as_str().expect("a label")).collect();
    assert_eq!(labels, ["third", "second", "first"]);
    assert!(gateway.stop().await.success());
    let listed = gateway.command(&["records", "search", "--format", "json"]).await.ok();
    assert_eq!(listed.lines().count(), 3, "also where no gateway runs: {listed}");
}

#[tokio::test]
async fn old_files_are_removed() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().top("records: { keep_for: 1h }").start().await;
    ask(&gateway, "old").await;
    gateway.found("", 1).await;
    assert!(gateway.stop().await.success());
    let file = gateway.records().join(&gateway.files("requests")[0]);
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(7_200);
    fs::File::options().append(true).open(&file).expect("open").set_modified(old).expect("made older");
    let second = gateway.records().join(format!("requests-{:09}.jsonl", 2));
    fs::write(&second, fs::read(&file).expect("read")).expect("a newer file");
    gateway.start_again().await;
    eventually("the old file is gone", || async {
        (!gateway.files("requests").iter().any(|name| name.contains("000000001"))).then_some(())
    })
    .await;
    gateway.found("", 1).await;
}

#[tokio::test]
async fn a_disk_that_takes_nothing_hurts_no_request_and_is_written_to_again() {
    let upstream = Upstream::start().await;
    let setup = Setup::openai(&[&upstream]).with_admin();
    let gateway = setup.start().await;
    assert!(gateway.stop().await.success());
    fs::remove_dir_all(gateway.records()).ok();
    fs::write(gateway.records(), "a file where the directory should be").expect("written");
    gateway.start_again().await;
    for number in 0..3 {
        ask(&gateway, &format!("lost-{number}")).await;
    }
    eventually("losses are counted", || async {
        (gateway.metric("weighbridge_records_lost_total{family=\"requests\"}").await == 3.0).then_some(())
    })
    .await;
    gateway.shows("weighbridge_records_failing{family=\"requests\"}", 1.0).await;
    let said = gateway.log().matches("records cannot be written and are being lost").count();
    assert_eq!(said, 1, "once: {}", gateway.log());
    fs::remove_file(gateway.records()).expect("removed");
    ask(&gateway, "kept").await;
    let found = gateway.found("", 1).await;
    assert_eq!(found[0]["request_id"], "kept");
    gateway.shows("weighbridge_records_failing{family=\"requests\"}", 0.0).await;
}

fn said(content: &str) -> String {
    json!({"model": "fast", "messages": [{"role": "user", "content": content}]}).to_string()
}

fn teams(upstream: &Upstream) -> Setup {
    let setup = Setup::openai(&[upstream]).with_admin().top("records: { content: redacted }");
    let setup = setup.search("records: { content: none }");
    let setup = setup.team("lab", "records: { content: full }").key("lab-ci", "lab", LAB, "");
    setup.team("open", "").key("open-ci", "open", OPEN, "")
}

#[tokio::test]
async fn each_teams_texts_are_kept_as_its_rule_says() {
    let upstream = Upstream::start().await;
    upstream.always(Script::json(200, sample::CHAT.replace("Hello there", &format!("I am {MAIL}"))));
    let gateway = teams(&upstream).start().await;
    let asked = said(&format!("mail {MAIL} the key {SECRET}"));
    for key in [KEY, LAB, OPEN] {
        assert_eq!(Call::post(CHAT, asked.clone()).key(key).send(gateway.address).await.status, 200);
    }
    let (record, content) = gateway.content_of("search").await;
    assert_eq!((&record["content"], &content), (&Value::Null, &Value::Null));
    let (record, content) = gateway.content_of("lab").await;
    assert_eq!((&record["content"], &content["content"]), (&json!("full"), &json!("full")));
    assert_eq!(content["request"], asked);
    assert_eq!(content["request_bytes"], asked.len());
    assert!(content["answer"].as_str().expect("a text").contains(MAIL));
    let (_, content) = gateway.content_of("open").await;
    assert_eq!(content["request"], said("mail [EMAIL] the key [GITHUB_TOKEN]"), "{content}");
    let answer = content["answer"].as_str().expect("a text");
    assert!(answer.contains("I am [EMAIL]") && !answer.contains(MAIL), "{answer}");
    assert_eq!(content["answer_truncated"], false);
    assert_eq!(gateway.all_text("contents").lines().count(), 2, "and nothing of the team that keeps none");
    for text in [gateway.log(), gateway.all_text("requests"), gateway.metrics().await] {
        assert!(!text.contains(MAIL) && !text.contains(SECRET), "{text}");
    }
}

#[tokio::test]
async fn a_stream_is_kept_as_it_was_sent_or_its_text_put_together_and_redacted() {
    let upstream = Upstream::start().await;
    let (head, tail) = MAIL.split_at(6);
    let mut events = sample::chat_events();
    let end = events.len() - 3;
    events.splice(1..end, [sample::chat_delta(head), sample::chat_delta(tail)]);
    upstream.always(Script::events(events));
    let gateway = teams(&upstream).start().await;
    let mut answers = Vec::new();
    for key in [LAB, OPEN] {
        let answer = Call::post(CHAT, sample::CHAT_STREAM_ASK).key(key).send(gateway.address).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answers.push(answer.text().to_owned());
    }
    let (_, content) = gateway.content_of("lab").await;
    assert_eq!(content["answer"], answers[0]);
    assert_eq!(content["texts"], json!([MAIL]));
    let (record, content) = gateway.content_of("open").await;
    assert_eq!((&content["answer"], &content["texts"]), (&Value::Null, &json!(["[EMAIL]"])));
    assert_eq!(content["answer_bytes"], record["bytes_out"]);
    assert!(!gateway.all_text("contents").lines().any(|line| line.contains("\"open\"") && line.contains(tail)));
}

#[tokio::test]
async fn the_beginning_of_a_long_text_is_kept_and_the_request_goes_whole() {
    let upstream = Upstream::start().await;
    let setup = Setup::openai(&[&upstream]).with_admin().top("records: { content: full, content_max_bytes: 10KiB }");
    let gateway = setup.start().await;
    let asked = said(&"ä".repeat(20_000));
    assert_eq!(gateway.post(CHAT, asked.clone()).await.status, 200);
    let (_, content) = gateway.content_of("search").await;
    let kept = content["request"].as_str().expect("a text");
    assert!(kept.len() > 10_230 && kept.len() <= 10_240 && asked.starts_with(kept), "{}", kept.len());
    assert_eq!((&content["request_truncated"], &content["request_bytes"]), (&json!(true), &json!(asked.len())));
    assert_eq!(upstream.only().body.len(), asked.len() + "model-a".len() - "fast".len());
}

#[tokio::test]
async fn a_guardrail_changes_what_leaves_and_not_what_the_client_is_known_to_have_sent() {
    let upstream = Upstream::start().await;
    let guards = "guardrails:\n  no-pii: { kind: pii, entities: [email], action: redact }\n  no-word: { kind: words, words: [xyzzy], action: block }\n\
                  records: { content: full }";
    let gateway =
        Setup::openai(&[&upstream]).with_admin().top(guards).search("guardrails: [no-pii, no-word]").start().await;
    gateway.post(CHAT, said(MAIL)).await;
    let (_, content) = gateway.content_of("search").await;
    assert_eq!(content["request"], said(MAIL), "what the client sent");
    assert!(upstream.only().text().contains("[EMAIL]"), "and what left");
    assert_eq!(gateway.post(CHAT, said("xyzzy")).await.status, 400);
    let refused = gateway.found("?status=400", 1).await.remove(0);
    assert_eq!((&refused["code"], &refused["content"]), (&json!("guardrail_blocked"), &json!("full")));
    assert_eq!(gateway.found("?guardrail=no-word", 1).await, [refused]);
}

#[tokio::test]
async fn a_viewer_reads_no_contents_and_an_admin_does_not_unseen() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().top("records: { content: full }").start().await;
    gateway.post(CHAT, said("between us")).await;
    let (record, _) = gateway.content_of("search").await;
    let id = record["id"].as_str().expect("an id");
    let path = format!("/requests/{id}?content=true");
    let refused = gateway.admin_as(VIEWER_TOKEN, "GET", &path, Value::Null).await;
    assert_eq!(refused.admin_error(403), "viewer_may_not_read_content");
    let plain = gateway.admin_as(VIEWER_TOKEN, "GET", &format!("/requests/{id}"), Value::Null).await;
    assert!(plain.status == 200 && !plain.text().contains("between us"), "{}", plain.text());
    let audit = gateway.admin("GET", "/audit", Value::Null).await.json();
    let lines = audit["lines"].as_array().expect("lines");
    assert!(!lines.is_empty() && lines.iter().all(|line| line["action"] == "requests.read_content"), "{audit}");
    assert_eq!((&lines[0]["object"], &lines[0]["actor"]["role"]), (&json!(format!("request/{id}")), &json!("admin")));
    // By the command line it is the same way; and no reading without a line.
    let args = ["records", "show", id, "--content"];
    let shown = gateway.command(&args).await.ok();
    assert!(shown.contains("between us"), "{shown}");
    let again = gateway.admin("GET", "/audit", Value::Null).await.json();
    assert_eq!(again["lines"].as_array().map(Vec::len), Some(lines.len() + 1));
}

#[tokio::test]
async fn names_that_mean_harm_are_found_as_they_are_and_do_none() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let evil = "<script>\"},{\\\"id\\\":1}\u{1b}[31m\n../../etc";
    let asked = json!({"model": "fast", "user": evil, "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(gateway.post(CHAT, asked.to_string()).await.status, 200);
    let found = gateway.found("", 1).await;
    assert_eq!(found[0]["user"], evil);
    let percent: String = evil.bytes().map(|byte| format!("%{byte:02X}")).collect();
    assert_eq!(gateway.found(&format!("?user={percent}"), 1).await, found);
    assert_eq!(gateway.all_text("requests").lines().count(), 1);
    let shown = gateway.command(&["records", "search", "--user", evil]).await.ok();
    assert!(!shown.contains('\u{1b}') && shown.lines().count() == 2, "{shown:?}");
    let one = gateway.admin("GET", &format!("/requests/{}", percent), Value::Null).await;
    assert_eq!(one.admin_error(404), "not_found");
}

#[tokio::test]
async fn without_files_the_last_requests_are_in_memory_and_the_command_says_so() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().top("records: { dir: off }").start().await;
    ask(&gateway, "only").await;
    let found = gateway.found("", 1).await;
    assert_eq!(found[0]["request_id"], "only");
    let page = gateway.admin("GET", "/requests", Value::Null).await.json();
    assert_eq!(page["memory_only"], true);
    assert!(!gateway.records().exists());
    let told = gateway.command(&["records", "search"]).await.failed();
    assert!(told.contains("records.dir: off"), "{told}");
}
