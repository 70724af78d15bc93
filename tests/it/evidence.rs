//! What guardrails did, as finance and security see it: rows, reports, the admin API, and what `kill -9` leaves.

use crate::support::call::Call;
use crate::support::config::{KEY, Setup, VIEWER_TOKEN};
use crate::support::gateway::Gateway;
use crate::support::h1::H1;
use crate::support::script::{Gate, Script};
use crate::support::upstream::Upstream;
use crate::support::{eventually, sample, within};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::task::JoinSet;

const CHAT: &str = "/v1/chat/completions";
const MAIL: &str = "ann.lee@example.com";
const RULES: &str = "guardrails:
  no-pii: { kind: pii, entities: [email], action: redact }
  no-words: { kind: words, words: [nightjar], action: block }
  only-told: { kind: words, words: [curlew], action: block, mode: audit }";
const ALL: &str = "guardrails: [no-pii, no-words, only-told]";

fn ask(content: &str) -> String {
    json!({"model": "fast", "messages": [{"role": "user", "content": content}]}).to_string()
}

fn answer(content: &str) -> Script {
    Script::json(200, sample::CHAT.replace("Hello there", content))
}

/// What guardrails found by request: `side guardrail entity action` → how often.
async fn found(gateway: &Gateway) -> BTreeMap<String, BTreeMap<String, u64>> {
    let text = gateway.command(&["ledger", "export", "--findings"]).await.ok();
    let mut all: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let of_request = all.entry(line["id"].as_str().expect("an id").to_owned()).or_default();
        for one in line["guardrails"].as_array().expect("a list") {
            let word = |name: &str| one[name].as_str().expect("text").to_owned();
            let key = [word("side"), word("guardrail"), word("entity"), word("action")].join(" ");
            *of_request.entry(key).or_default() += one["count"].as_u64().expect("a number");
        }
    }
    all
}

#[tokio::test]
async fn a_team_sees_what_it_spent_and_how_often_it_triggered_guardrails() {
    let upstream = Upstream::start().await;
    let setup = Setup::openai(&[&upstream]).top(RULES).search(ALL).with_admin();
    let gateway = setup.start().await;
    // Redacted on both sides; refused; in a stream; only told; nothing found.
    upstream.next(answer(&format!("write to {MAIL} or {MAIL}")));
    assert_eq!(gateway.post(CHAT, ask(MAIL)).await.status, 200);
    let refused = gateway.post(CHAT, ask("a nightjar")).await;
    assert_eq!(refused.openai_error(400), "guardrail_blocked");
    let delta = sample::chat_delta(&format!("to {MAIL}."));
    upstream.next(Script::events([
        sample::CHAT_ROLE,
        &delta,
        sample::CHAT_FINISH,
        sample::CHAT_USAGE,
        sample::CHAT_DONE,
    ]));
    assert!(gateway.post(CHAT, sample::CHAT_STREAM_ASK).await.text().contains("[EMAIL]"));
    upstream.always(answer("nothing"));
    assert_eq!(gateway.post(CHAT, ask("a curlew")).await.status, 200);
    assert_eq!(gateway.post(CHAT, ask("nothing")).await.status, 200);
    let rows = gateway.settled(4).await;
    let told = |row: usize| -> Vec<String> {
        let all = rows[row].0["guardrails"].as_array().cloned().unwrap_or_default();
        let word = |one: &Value, name: &str| one[name].as_str().expect("text").to_owned();
        let one =
            |one: &Value| format!("{} {} {} {}", word(one, "side"), word(one, "entity"), one["count"], one["audit"]);
        all.iter().map(one).collect()
    };
    assert_eq!(told(0), ["input email 1 false", "output email 2 false"]);
    assert_eq!(told(1), ["output email 1 false"]);
    assert_eq!(told(2), ["input word 1 true"]);
    assert!(rows[3].0["guardrails"].is_null(), "{}", rows[3].0);

    // The row of the refused request waits for the folder, what was found in it does not.
    let line = eventually("the refused request is reported", || async {
        let usage = gateway.command(&["usage", "--format", "json"]).await.ok();
        let usage: Value = serde_json::from_str(&usage).expect("JSON");
        let line = &usage["lines"][0];
        assert_eq!(line["guardrails"], 3, "{usage}");
        (line["refused_requests"] == 1).then(|| line.clone())
    });
    let line = line.await;
    assert_eq!((&line["team"], &line["requests"]), (&json!("search"), &json!(4)), "{line}");
    assert_eq!(gateway.admin("GET", "/usage?by=key", Value::Null).await.json()["lines"][0]["guardrails"], 3);

    let report = gateway.admin("GET", "/guardrails?by=guardrail,action", Value::Null).await.json();
    let lines: Vec<String> = report["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| {
            format!(
                "{} {} {} {} {}",
                line["guardrail"], line["action"], line["requests"], line["acted_requests"], line["findings"]
            )
        })
        .collect();
    assert_eq!(
        lines.join("; ").replace('"', ""),
        "no-pii redact 2 2 4; no-words block 1 1 1; only-told audit:block 1 0 1"
    );
    assert_eq!(report["total"], json!({"requests": 4, "acted_requests": 3, "findings": 6}));
    let some = gateway.admin("GET", "/guardrails?by=entity,side&kind=pii&team=search&bucket=day", Value::Null).await;
    assert_eq!(some.json()["lines"].as_array().map(Vec::len), Some(2), "{}", some.text());
    let none = gateway.admin("GET", "/guardrails?team=support", Value::Null).await.json();
    assert_eq!((&none["lines"], &none["total"]["requests"]), (&json!([]), &json!(0)));
    let wrong = gateway.admin("GET", "/guardrails?by=provider", Value::Null).await;
    assert_eq!(wrong.admin_error(400), "invalid_request");
    let table = gateway.command(&["guard", "report", "--by", "guardrail", "--team", "search"]).await.ok();
    assert!(table.contains("no-pii") && table.contains("total"), "{table}");
    let csv = gateway.admin("GET", "/guardrails?format=csv", Value::Null).await;
    assert!(csv.text().starts_with("guardrail,requests,acted_requests,findings\nno-pii,2,2,4\n"), "{}", csv.text());
    gateway.assert_verified().await;
    gateway.stop().await;
    assert!(!gateway.log().contains(MAIL) && !gateway.log().contains("nightjar"), "{}", gateway.log());
    gateway.assert_verified().await;
}

#[tokio::test]
async fn what_was_found_in_a_stream_is_recorded_while_it_runs() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).top(RULES).search(ALL).start().await;
    let gate = Gate::new();
    let begin = Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta(&format!("to {MAIL} and on")));
    upstream.next(begin.wait(&gate).stall());
    let mut open = Call::post(CHAT, sample::CHAT_STREAM_ASK).key(KEY).open(gateway.address).await;
    let mut seen = String::new();
    while !seen.contains("[EMAIL]") {
        seen.push_str(&open.event().await.expect("what came before"));
    }
    gateway.kill();
    let all = found(&gateway).await;
    let want = BTreeMap::from([("output no-pii email redact".to_owned(), 1)]);
    assert_eq!(all.values().collect::<Vec<_>>(), [&want], "the process was killed in the middle of the stream");
    gateway.start_again().await;
    let rows = gateway.settled(1).await;
    assert_eq!((rows[0].text("error"), rows[0].0["guardrails"][0]["count"].as_u64()), ("crashed", Some(1)));
    gateway.assert_verified().await;
}

/// Requests whose answers were read to their end, and whether they were refused.
type Told = Arc<Mutex<Vec<(String, bool)>>>;

const KILLS: u64 = 8;
const CLIENTS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_found_is_lost_and_nothing_counts_twice_when_the_process_is_killed_under_load() {
    let upstream = Upstream::start().await;
    upstream.always(answer(&format!("write to {MAIL}")));
    let setup = Setup::openai(&[&upstream]).top(RULES).search(ALL);
    let gateway = setup.state("segment_bytes", 65_536).start().await;
    let told: Told = Arc::default();
    for round in 0..KILLS {
        if round > 0 {
            gateway.start_again().await;
        }
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            clients.spawn(ask_until_it_dies(gateway.address, client % 2 == 0, Arc::clone(&told)));
        }
        let random = getrandom::u64().expect("the system has randomness");
        let mark = upstream.count() + usize::try_from(random % 40).expect("small");
        upstream.begun(mark).await;
        for _ in 0..(random >> 32) % 400 {
            tokio::task::yield_now().await;
        }
        gateway.kill();
        within("the clients notice", async { while clients.join_next().await.is_some() {} }).await;
        let all = found(&gateway).await;
        assert_whole(&told.lock(), &all);
        gateway.assert_verified().await;
    }
    gateway.start_again().await;
    let all = found(&gateway).await;
    assert_whole(&told.lock(), &all);
    gateway.assert_verified().await;
    assert!(told.lock().iter().any(|(_, refused)| *refused) && told.lock().iter().any(|(_, refused)| !refused));
    eventually("reports count each request once", || async {
        let usage = gateway.command(&["usage", "--format", "json"]).await.ok();
        let usage: Value = serde_json::from_str(&usage).expect("JSON");
        (usage["total"]["guardrails"] == all.len()).then_some(())
    })
    .await;
}

/// Asks for what is redacted, or is refused, and notes each answer that came whole.
async fn ask_until_it_dies(address: SocketAddr, refused: bool, told: Told) {
    let Ok(socket) = tokio::net::TcpStream::connect(address).await else { return };
    socket.set_nodelay(true).expect("a connected socket");
    let mut client = H1::over(Box::new(socket));
    loop {
        let call = Call::post(CHAT, ask(if refused { "a nightjar" } else { MAIL })).key(KEY);
        if !client.send(&call).await {
            return;
        }
        let Some(head) = client.head().await else { return };
        assert_eq!(head.status(), if refused { 400 } else { 200 });
        let id = head.get("x-request-id").expect("the id").to_owned();
        loop {
            match client.piece().await {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        told.lock().push((id, refused));
    }
}

/// Who has an answer finds in the ledger what was found in it, once; nobody else has more.
fn assert_whole(told: &[(String, bool)], found: &BTreeMap<String, BTreeMap<String, u64>>) {
    let (input, output) = ("input no-pii email redact".to_owned(), "output no-pii email redact".to_owned());
    let redacted = BTreeMap::from([(input.clone(), 1), (output, 1)]);
    let sent = BTreeMap::from([(input, 1)]);
    let refused = BTreeMap::from([("input no-words word block".to_owned(), 1)]);
    for (id, was_refused) in told {
        assert_eq!(found.get(id), Some(if *was_refused { &refused } else { &redacted }), "{id}");
    }
    let known: BTreeSet<&String> = told.iter().map(|(id, _)| id).collect();
    for (id, things) in found.iter().filter(|(id, _)| !known.contains(id)) {
        assert!([&redacted, &sent, &refused].contains(&things), "{id}: {things:?}");
    }
}

#[tokio::test]
async fn guardrails_are_tried_by_the_admin_alone_and_nothing_is_kept() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).top(RULES).search(ALL).with_admin().start().await;
    let text = format!("é to {MAIL}, a curlew");
    let ask = json!({"guardrails": ["no-pii"], "text": text});
    let viewer = gateway.admin_as(VIEWER_TOKEN, "POST", "/guard/test", ask.clone()).await;
    assert_eq!(viewer.admin_error(403), "viewer_may_only_read");
    let tried = gateway.admin("POST", "/guard/test", ask).await.json();
    assert_eq!(tried["text"], "é to [EMAIL], a curlew");
    let place = json!([{"guardrail": "no-pii", "kind": "pii", "entity": "email", "action": "redact", "start": 6, "end": 6 + MAIL.len()}]);
    assert_eq!((&tried["findings"], &tried["refusal"]), (&place, &Value::Null), "{tried}");
    let of_key = gateway
        .admin("POST", "/guard/test", json!({"key": "search-ci", "text": format!("{text} nightjar")}))
        .await
        .json();
    assert_eq!((&of_key["refusal"]["code"], &of_key["text"]), (&json!("guardrail_blocked"), &Value::Null), "{of_key}");
    assert_eq!(of_key["tried"], json!(["no-pii", "no-words", "only-told"]));
    let places = of_key["findings"].as_array().expect("a list");
    assert_eq!(places.len(), 3, "all of them are told, whichever refuses: {of_key}");
    let body = json!({"messages": [{"role": "user", "content": MAIL}]});
    let whole = gateway.admin("POST", "/guard/test", json!({"team": "search", "body": body})).await.json();
    assert_eq!(whole["body"]["messages"][0]["content"], "[EMAIL]", "{whole}");
    assert_eq!(whole["verdicts"][0]["hook"], "input");
    for (ask, status) in [
        (json!({"guardrails": ["no-pi"], "text": "x"}), 404),
        (json!({"key": "nobody", "text": "x"}), 404),
        (json!({"guardrails": ["no-pii"]}), 422),
        (json!({"text": "x"}), 422),
        (json!({"guardrails": ["no-pii"], "text": "x", "on": "somewhere"}), 422),
        (json!({"guardrails": ["no-pii"], "text": "x".repeat(1 << 20)}), 413),
    ] {
        let refused = gateway.admin("POST", "/guard/test", ask).await;
        refused.admin_error(status);
    }
    assert_eq!(gateway.admin("GET", "/audit", Value::Null).await.json()["lines"], json!([]));
    assert_eq!(gateway.admin("GET", "/guardrails", Value::Null).await.json()["total"]["requests"], 0);
    gateway.stop().await;
    assert!(!gateway.log().contains(MAIL), "{}", gateway.log());
}

#[tokio::test]
async fn explain_tells_which_guardrails_look_and_where_they_come_from() {
    let upstream = Upstream::start().await;
    let rules = format!(
        "{RULES}\n  secrets: {{ kind: secrets, on_failure: open }}\n  of-prod: {{ kind: words, words: [x], when: {{ metadata: {{ env: prod }} }} }}\n\
         defaults: {{ teams: {{ guardrails: [secrets] }} }}"
    );
    let setup = Setup::openai(&[&upstream]).top(&rules).search("guardrails: [no-pii, no-words, only-told, of-prod]");
    let gateway = setup.with_admin().start().await;
    let told = gateway.admin("POST", "/explain", json!({"key": "search-ci", "model": "fast"})).await.json();
    let lines: Vec<String> = told["guardrails"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            let word = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
            format!(
                "{} {} {} {} {} {}",
                word("name"),
                word("turn"),
                word("mode"),
                one["from"][0],
                one["mandatory"],
                one["applies"]
            )
        })
        .collect();
    assert_eq!(
        lines.join("; ").replace('"', ""),
        "only-told tells audit team search false true; \
        no-words blocks enforce team search true true; no-pii edits enforce team search true true; \
        secrets edits enforce defaults false true; of-prod blocks enforce team search true false",
        "{told}"
    );
    let text = gateway.command(&["explain", "--key", "search-ci", "--model", "fast"]).await.ok();
    assert!(text.contains("guardrail no-pii (pii): redact on input,output, from team search, mandatory"), "{text}");
    assert!(text.contains("`when.metadata` does not hold"), "{text}");
}
