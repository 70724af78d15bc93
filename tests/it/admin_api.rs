//! The admin API: who may use it, what it answers, and what it leaves in the audit log.

use crate::support::call::{Answer, Call};
use crate::support::config::{ADMIN_TOKEN, KEY, Setup, VIEWER_TOKEN};
use crate::support::gateway::run;
use crate::support::sample;
use crate::support::upstream::Upstream;
use serde_json::{Value, json};
use std::fs;

const CHAT: &str = "/v1/chat/completions";

/// Every call of the document, with a name in its path.
fn calls(document: &Value) -> Vec<(&'static str, String)> {
    let mut calls = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for method in ["GET", "POST", "PATCH", "DELETE"] {
            if methods.get(method.to_lowercase()).is_some() {
                // Without this a tail would go on.
                let path = path.replace("{name}", "nobody").replace("{id}", "nobody").replace("/tail", "/tail?limit=1");
                calls.push((method, path));
            }
        }
    }
    calls
}

#[tokio::test]
async fn without_a_token_there_are_metrics_and_nothing_else() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let answer = gateway.admin_as("anything", "GET", "/keys", Value::Null).await;
    assert_eq!(answer.admin_error(401), "no_admin_token");
    assert!(answer.text().contains("admin.token"), "it says what to do: {}", answer.text());
    assert!(gateway.metrics().await.contains("weighbridge_build_info"));
    assert_eq!(gateway.admin_status("/healthz").await, Some(200));
}

#[tokio::test]
async fn a_stranger_sees_nothing_and_a_viewer_changes_nothing() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let document = Call::get("/admin/v1/openapi.json").send(gateway.admin).await;
    assert_eq!(document.status, 200, "its description is no secret");
    let calls = calls(&document.json());
    assert!(calls.len() > 20, "{calls:?}");
    for (method, path) in calls {
        for token in ["planted-admin-token-012345678", KEY, ""] {
            let answer = gateway.admin_as(token, method, &path, Value::Null).await;
            assert_eq!(answer.status, 401, "{method} {path} with `{token}`: {}", answer.text());
        }
        let looks = method == "GET" || path == "/explain";
        let answer = gateway.admin_as(VIEWER_TOKEN, method, &path, Value::Null).await;
        assert_eq!(answer.status != 403, looks, "{method} {path}: {}", answer.text());
        if !looks {
            assert_eq!(answer.admin_error(403), "viewer_may_only_read");
        }
    }
    assert_eq!(gateway.admin("GET", "/audit", Value::Null).await.json()["lines"], json!([]), "nothing was done");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_by_name() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let unknown = gateway.admin("POST", "/keys", json!({"name": "a", "taem": "search"})).await;
    assert_eq!(unknown.admin_error(400), "invalid_request");
    assert!(unknown.text().contains("did you mean `team`?"), "{}", unknown.text());
    let unknown = gateway.admin("GET", "/usage?sicne=7d", Value::Null).await;
    assert_eq!(unknown.admin_error(400), "invalid_request");
    assert!(unknown.text().contains("did you mean `since`?"), "{}", unknown.text());
    let nowhere = gateway.admin("GET", "/kyes", Value::Null).await;
    assert_eq!(nowhere.admin_error(404), "not_found");
    assert_eq!(gateway.admin("PATCH", "/keys", json!({})).await.admin_error(405), "method_not_allowed");
    let near = gateway.admin("GET", "/keys/search-cl", Value::Null).await;
    assert_eq!(near.admin_error(404), "not_found");
    assert!(near.text().contains("did you mean `search-ci`?"), "{}", near.text());
    let long = json!({"name": "a", "team": "search", "tags": {"a": "x".repeat(1 << 20)}});
    assert_eq!(gateway.admin("POST", "/keys", long).await.admin_error(413), "body_too_large");
    let form = Call { fields: vec![], ..Call::post("/admin/v1/keys", "name=a") };
    let form = form.key(ADMIN_TOKEN).field("content-type", "text/plain").send(gateway.admin).await;
    assert_eq!(form.admin_error(415), "unsupported_media_type");
    for bad in [
        "/usage?by=nothing",
        "/usage?since=soon",
        "/usage?bucket=week",
        "/usage?format=xml",
        "/keys?limit=0",
        "/keys?state=new",
    ] {
        assert_eq!(gateway.admin("GET", bad, Value::Null).await.admin_error(400), "invalid_request", "{bad}");
    }
}

#[tokio::test]
async fn usage_is_grouped_filtered_and_put_into_buckets() {
    let upstream = Upstream::start().await;
    let gateway =
        Setup::openai(&[&upstream]).team("other", "").key("o1", "other", "wb-other-key-0123456789", "").with_admin();
    let gateway = gateway.start().await;
    for key in [KEY, KEY, "wb-other-key-0123456789"] {
        assert_eq!(Call::post(CHAT, sample::CHAT_ASK).key(key).send(gateway.address).await.status, 200);
    }
    gateway.settled(3).await;
    let lines = |answer: Answer| answer.json()["lines"].as_array().expect("lines").clone();
    let by_team = lines(gateway.admin_as(VIEWER_TOKEN, "GET", "/usage?by=team,key", Value::Null).await);
    let told: Vec<_> = by_team.iter().map(|line| (line["team"].clone(), line["requests"].clone())).collect();
    assert_eq!(told, [(json!("other"), json!(1)), (json!("search"), json!(2))]);
    let one = lines(gateway.admin("GET", "/usage?by=model&team=search&bucket=day", Value::Null).await);
    assert_eq!((one.len(), &one[0]["requests"], &one[0]["model"]), (1, &json!(2), &json!("fast")));
    assert!(one[0]["day"].as_str().is_some_and(|day| day.len() == 10), "{one:?}");
    let past = lines(gateway.admin("GET", "/usage?since=2020-01-01&until=2020-02-01", Value::Null).await);
    assert!(past.is_empty(), "{past:?}");
    let csv = gateway.admin("GET", "/usage?by=team&format=csv", Value::Null).await;
    assert!(csv.text().starts_with("team,requests,"), "{}", csv.text());
    let rows = gateway.admin("GET", "/ledger/export?team=search", Value::Null).await;
    assert_eq!(
        rows.unbroken().lines().filter(|line| line.contains("\"team\":\"search\"")).count(),
        2,
        "{}",
        rows.text()
    );
    assert_eq!(rows.field("content-type"), Some("application/x-ndjson"));
}

#[tokio::test]
async fn the_gateways_state_is_shown() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let get = |path: &'static str| gateway.admin_as(VIEWER_TOKEN, "GET", path, Value::Null);
    let status = get("/status").await.json();
    assert_eq!((&status["health"]["ready"], &status["keys"], &status["models"]), (&json!(true), &json!(1), &json!(1)));
    assert_eq!(get("/models").await.json()["models"][0]["targets"][0]["provider"], "a");
    assert!(get("/prices").await.json()["prices"][0]["version"].as_str().is_some_and(|row| row.starts_with("config")));
    assert!(get("/limits").await.json()["limits"].is_array());
    assert!(get("/budgets").await.json()["budgets"].is_array());
    assert_eq!(get("/health").await.json()["open_requests"], 0);
}

#[tokio::test]
async fn a_request_can_be_explained_without_being_made() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let ask = json!({"key": "search-ci", "model": "fast"});
    let told = gateway.admin_as(VIEWER_TOKEN, "POST", "/explain", ask).await.json();
    assert_eq!(
        (&told["admitted"], &told["team"], &told["candidates"][0]["usable"]),
        (&json!(true), &json!("search"), &json!(true))
    );
    let told = gateway.admin("POST", "/explain", json!({"key": "search-ci", "model": "fats"})).await.json();
    assert_eq!((&told["admitted"], &told["refusal"]["code"]), (&json!(false), &json!("model_not_found")));
    let nobody = gateway.admin("POST", "/explain", json!({"key": "nobody", "model": "fast"})).await;
    assert_eq!(nobody.admin_error(404), "not_found");
    let config = gateway.config().display().to_string();
    let words = run(&["explain", "--key", "search-ci", "--model", "fast", "-c", &config]).await.ok();
    assert!(words.contains("it would be sent") && words.contains("1. a/model-a"), "{words}");
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn each_act_is_in_the_audit_log_and_a_changed_log_is_found() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    gateway.new_key(json!({"name": "ci", "team": "search"})).await;
    gateway.admin("PATCH", "/keys/ci", json!({"tags": {"owner": "ann"}})).await;
    gateway.admin("DELETE", "/keys/nobody", Value::Null).await;
    gateway.admin("DELETE", "/keys/ci", Value::Null).await;
    gateway.admin("DELETE", "/keys/ci", Value::Null).await;
    let page = gateway.admin_as(VIEWER_TOKEN, "GET", "/audit", Value::Null).await.json();
    let acts: Vec<_> = page["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().expect("text").to_owned();
            (text("action"), text("object"), text("outcome"))
        })
        .collect();
    let want = [
        ("keys.create", "key/ci", "done"),
        ("keys.update", "key/ci", "done"),
        ("keys.revoke", "key/nobody", "not_found"),
        ("keys.revoke", "key/ci", "done"),
        ("keys.revoke", "key/ci", "unchanged"),
    ];
    assert_eq!(acts, want.map(|(action, object, outcome)| (action.to_owned(), object.to_owned(), outcome.to_owned())));
    assert_eq!(page["lines"][1]["changed"], json!({"tags": {"owner": "ann"}}));
    assert_eq!(page["lines"][0]["actor"]["role"], "admin");

    let state = gateway.dir.path().join("state");
    let dir = state.display().to_string();
    let verify = || async { run(&["audit", "verify", "--state", &dir]).await };
    assert!(verify().await.ok().contains("the audit log is whole"));
    gateway.stop().await;
    let path = state.join("audit.jsonl");
    let whole = fs::read_to_string(&path).expect("a log");
    let lines: Vec<&str> = whole.lines().collect();
    let without = |at: usize| {
        let kept: Vec<&str> =
            lines.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, line)| *line).collect();
        kept.join("\n") + "\n"
    };
    for (name, text) in [("changed", whole.replace("ann", "eve")), ("taken out", without(2)), ("the last", without(4))]
    {
        fs::write(&path, text).expect("writable");
        let found = verify().await;
        assert!(found.code == Some(1) && found.stdout.contains("WRONG"), "{name}: {found:?}");
    }
}

#[tokio::test]
async fn an_act_that_cannot_be_recorded_is_not_done() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    gateway.stop().await;
    let path = gateway.dir.path().join("state/audit.jsonl");
    fs::remove_file(&path).expect("it was made at start");
    fs::create_dir(&path).expect("in its place");
    gateway.start_again().await;
    let made = gateway.admin("POST", "/keys", json!({"name": "ci", "team": "search"})).await;
    assert_eq!(made.admin_error(503), "audit_unavailable");
    assert_eq!(gateway.admin("GET", "/keys/ci", Value::Null).await.admin_error(404), "not_found");
    gateway.assert_serves().await;
    fs::remove_dir(&path).expect("empty");
    gateway.new_key(json!({"name": "ci", "team": "search"})).await;
}

#[tokio::test]
async fn a_key_store_of_a_newer_version_is_not_served_from() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    gateway.stop().await;
    let store = rusqlite::Connection::open(gateway.dir.path().join("state/keys.sqlite")).expect("a store");
    store.pragma_update(None, "user_version", 99).expect("writable");
    drop(store);
    gateway.launch();
    assert!(!gateway.exited().await.success());
    assert!(gateway.log().contains("schema version 99"), "{}", gateway.log());
}
