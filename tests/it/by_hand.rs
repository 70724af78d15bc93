//! Targets that somebody takes out: nothing goes there, whatever is left, until somebody puts them back.

use crate::support::config::{Setup, VIEWER_TOKEN};
use crate::support::gateway::{Gateway, run};
use crate::support::sample;
use crate::support::script::{Gate, Script};
use crate::support::upstream::Upstream;
use crate::support::{call::Call, eventually};
use serde_json::{Value, json};

const PATH: &str = "/v1/chat/completions";
const SHUT: &str = "/targets/a/model-a/shut";
const OPEN: &str = "/targets/a/model-a/open";

async fn ask(gateway: &Gateway) -> u16 {
    gateway.post(PATH, sample::CHAT_ASK).await.status
}

async fn shut(gateway: &Gateway, order: Value) -> Value {
    let answer = gateway.admin("POST", SHUT, order).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The last access record.
fn last_record(gateway: &Gateway) -> Option<Value> {
    let log = gateway.log();
    log.lines().rev().find(|line| line.contains(r#""attempts":"#)).and_then(|line| serde_json::from_str(line).ok())
}

#[tokio::test]
async fn a_shut_target_gets_nothing_until_it_is_opened_and_everybody_is_told_why() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let gateway = Setup::openai(&[&first, &second]).with_admin().start().await;
    assert_eq!(ask(&gateway).await, 200);
    let told = shut(&gateway, json!({"reason": "wrong answers"})).await;
    let seen = (&told["state"], &told["reason"], &told["note"], &told["until_us"]);
    assert_eq!(seen, (&json!("shut"), &json!("by_hand"), &json!("wrong answers"), &Value::Null));
    for _ in 0..5 {
        assert_eq!(ask(&gateway).await, 200);
    }
    assert_eq!((first.count(), second.count()), (1, 5));
    let state = r#"weighbridge_routing_target_state{provider="a",target="model-a"}"#;
    gateway.shows(state, 0.0).await;
    let ejections = r#"weighbridge_routing_ejections_total{provider="a",reason="by_hand",target="model-a"}"#;
    gateway.shows(ejections, 1.0).await;
    let told = gateway.admin("POST", "/explain", json!({"key": "search-ci", "model": "fast"})).await.json();
    let out = told["candidates"].as_array().expect("candidates").iter().find(|one| one["provider"] == "a");
    let out = out.expect("it is shown");
    assert_eq!(out["usable"], false, "{told}");
    assert_eq!(out["reason"], "is shut by hand: wrong answers", "{told}");
    eventually("the record names it", || async {
        last_record(&gateway).filter(|record| record["shut_by_hand"] == json!(["a/model-a"]))
    })
    .await;
    let audit = gateway.admin_as(VIEWER_TOKEN, "GET", "/audit", Value::Null).await.json();
    let act = audit["lines"].as_array().expect("lines").iter().find(|line| line["action"] == "targets.shut").cloned();
    let act = act.expect("it is recorded");
    assert_eq!((&act["object"], &act["changed"]["reason"]), (&json!("target/a/model-a"), &json!("wrong answers")));
    let open = gateway.admin("POST", OPEN, Value::Null).await;
    assert_eq!((open.status, &open.json()["state"]), (200, &json!("open")));
    assert_eq!(ask(&gateway).await, 200);
    assert_eq!(first.count(), 2);
    gateway.shows(state, 1.0).await;
}

#[tokio::test]
async fn with_all_targets_shut_by_hand_none_is_tried_and_after_a_restart_they_are_shut_still() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    shut(&gateway, json!({"reason": "moving house"})).await;
    let refused = gateway.post(PATH, sample::CHAT_ASK).await;
    assert_eq!(refused.openai_error(503), "targets_shut_by_hand");
    assert!(refused.text().contains("moving house"), "{}", refused.text());
    let told = gateway.admin("POST", "/explain", json!({"key": "search-ci", "model": "fast"})).await.json();
    assert_eq!((&told["admitted"], &told["refusal"]["status"]), (&json!(false), &json!(503)), "{told}");
    gateway.stop().await;
    gateway.start_again().await;
    assert_eq!(gateway.post(PATH, sample::CHAT_ASK).await.openai_error(503), "targets_shut_by_hand");
    assert_eq!(upstream.count(), 0);
    assert_eq!(gateway.admin("POST", OPEN, Value::Null).await.status, 200);
    gateway.stop().await;
    gateway.start_again().await;
    assert_eq!(ask(&gateway).await, 200);
}

#[tokio::test]
async fn another_model_answers_where_the_file_names_one() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let setup = Setup::openai(&[&first, &second]);
    let setup = setup.model_of("fast", &["a"], "fallbacks: { failed: [spare] }").model_of("spare", &["b"], "");
    let gateway = setup.with_admin().start().await;
    shut(&gateway, json!({"reason": "x"})).await;
    assert_eq!(ask(&gateway).await, 200);
    assert_eq!((first.count(), second.count()), (0, 1));
}

#[tokio::test]
async fn neither_a_probe_nor_an_answer_of_before_opens_it_and_its_time_does() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let gate = Gate::new();
    let gateway = Setup::openai(&[&first, &second]).with_admin().top("health: { probe: tcp, every: 1s }").start().await;
    let script = Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("one")).wait(&gate);
    first.next(script.body(sample::CHAT_FINISH).body(sample::CHAT_USAGE).body(sample::CHAT_DONE).end());
    let key = crate::support::config::KEY;
    let mut open = Call::post(PATH, sample::CHAT_STREAM_ASK).key(key).open(gateway.address).await;
    open.event().await.expect("the role");
    shut(&gateway, json!({"reason": "x", "for": "1h"})).await;
    gate.open();
    assert!(open.whole().await.unbroken().ends_with(sample::CHAT_DONE), "what is there goes on to its end");
    let probes = r#"weighbridge_routing_probes_total{provider="b",result="well"}"#;
    let before = gateway.metric(probes).await;
    eventually("two looks more", || async { (gateway.metric(probes).await >= before + 2.0).then_some(()) }).await;
    assert_eq!(ask(&gateway).await, 200);
    assert_eq!((first.count(), second.count()), (1, 1));
    let told = shut(&gateway, json!({"reason": "x", "for": "1ms"})).await;
    assert!(told["until_us"].is_u64() || told["state"] == "open", "{told}");
    eventually("its time is over", || async {
        let all = gateway.admin("GET", "/targets", Value::Null).await.json();
        (all["targets"][0]["state"] == "open").then_some(())
    })
    .await;
    assert_eq!(ask(&gateway).await, 200);
    assert_eq!(first.count(), 2);
}

#[tokio::test]
async fn what_is_shut_and_no_longer_in_the_file_is_shown_and_can_be_opened() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let gateway = Setup::openai(&[&first, &second]).with_admin().start().await;
    shut(&gateway, json!({"reason": "mending"})).await;
    let line = "      - { provider: a, model: model-a }\n";
    gateway.edit(|text| text.replace(line, ""));
    assert_eq!(gateway.admin("POST", "/reload", Value::Null).await.status, 200);
    let all = async || {
        gateway.metrics().await; // what no snapshot has any more is forgotten then
        gateway.admin("GET", "/targets", Value::Null).await.json()["targets"].take()
    };
    let seen = eventually("nothing holds it any more", || async {
        let seen = all().await[0].take();
        (seen["failures"] == 0).then_some(seen)
    });
    let seen = seen.await;
    assert_eq!((&seen["model"], &seen["state"], &seen["note"]), (&json!("model-a"), &json!("shut"), &json!("mending")));
    let open = gateway.admin("POST", OPEN, Value::Null).await;
    assert_eq!((open.status, &open.json()["state"]), (200, &json!("open")), "{}", open.text());
    eventually("it is gone", || async {
        let all = all().await;
        (all.as_array().map(Vec::len) == Some(1)).then_some(())
    })
    .await;
    gateway.edit(|text| text.replace("    targets:\n", &format!("    targets:\n{line}")));
    assert_eq!(gateway.admin("POST", "/reload", Value::Null).await.status, 200);
    assert_eq!(ask(&gateway).await, 200);
    assert_eq!(first.count(), 1, "it is open");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_the_commands_do_it_all() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let refused = gateway.admin("POST", "/targets/a/model-b/shut", json!({"reason": "x"})).await;
    assert_eq!(refused.admin_error(404), "not_found");
    assert!(refused.text().contains("did you mean `a/model-a`?"), "{}", refused.text());
    for order in [json!({"reason": " "}), json!({"reason": "x", "for": "soon"}), json!({"reason": "x", "for": "0s"})] {
        let refused = gateway.admin("POST", SHUT, order.clone()).await;
        assert_eq!(refused.admin_error(422), "invalid_request", "{order}");
    }
    let viewer = gateway.admin_as(VIEWER_TOKEN, "POST", SHUT, json!({"reason": "x"})).await;
    assert_eq!(viewer.admin_error(403), "viewer_may_only_read");
    let config = gateway.config().display().to_string();
    let said = run(&["targets", "shut", "a/model-a", "--reason", "by command", "-c", &config]).await.ok();
    assert!(said.contains("by_hand") && said.contains("by command"), "{said}");
    assert!(run(&["targets", "list", "-c", &config]).await.ok().contains("by_hand"));
    assert_eq!(gateway.post(PATH, sample::CHAT_ASK).await.openai_error(503), "targets_shut_by_hand");
    let wrong = run(&["targets", "open", "a/model-x", "-c", &config]).await;
    assert!(wrong.code == Some(1) && wrong.stderr.contains("did you mean `a/model-a`?"), "{wrong:?}");
    run(&["targets", "open", "a/model-a", "-c", &config]).await.ok();
    assert_eq!(ask(&gateway).await, 200);
}
