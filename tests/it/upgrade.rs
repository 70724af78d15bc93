//! An upgrade drops nothing: streams end on the old process, connections are not reset, a budget holds over both processes,
//! and what fails leaves the old process as it was.

use crate::support::call::{Call, Open};
use crate::support::config::{INPUT_NANO_USD, KEY, OUTPUT_NANO_USD, Setup};
use crate::support::eventually;
use crate::support::gateway::{Gateway, binary};
use crate::support::h1::H1;
use crate::support::sample;
use crate::support::script::{Gate, Script};
use crate::support::upstream::Upstream;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

const CHAT: &str = "/v1/chat/completions";
const BUDGET: &str = "team/search/usd/lifetime";
/// What one sample answer costs.
const ANSWER_NANO_USD: u64 = sample::INPUT * INPUT_NANO_USD + sample::OUTPUT * OUTPUT_NANO_USD;

/// A stream that goes on when the gate opens.
fn held_stream(gate: &Gate) -> Script {
    let begun = Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("Hel")).wait(gate);
    begun
        .body(sample::chat_delta("lo"))
        .body(sample::CHAT_FINISH)
        .body(sample::CHAT_USAGE)
        .body(sample::CHAT_DONE)
        .end()
}

/// A stream of `ask` that has begun and goes on when the gate opens.
async fn begun(upstream: &Upstream, gateway: &Gateway, ask: &'static str) -> (Gate, Open) {
    let gate = Gate::new();
    upstream.next(held_stream(&gate));
    let mut stream = gateway.open(CHAT, ask).await;
    stream.event().await.expect("the stream has begun");
    (gate, stream)
}

fn usd(nano: u64) -> String {
    format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000)
}

/// A stream that may come to 1,000 tokens of output.
const DEAR: &str = r#"{"model":"fast","max_tokens":1000,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
/// The dearest that it may come to, without its few input tokens.
const DEAR_NANO_USD: u64 = 1_000 * OUTPUT_NANO_USD;

/// A budget of a dollar amount, which pays for one of [`DEAR`] at once, whatever was used before of a few answers.
fn for_one() -> String {
    let limit = DEAR_NANO_USD * 3 / 2;
    format!("budgets: [{{ usd: {}, per: lifetime, min_output_tokens: 900 }}]", usd(limit))
}

async fn balance(gateway: &Gateway) -> (f64, f64) {
    let of = |what: &str| format!("weighbridge_ledger_budget_{what}{{budget=\"{BUDGET}\",unit=\"usd\"}}");
    (gateway.metric(&of("used")).await, gateway.metric(&of("reserved")).await)
}

async fn nothing_is_held(gateway: &Gateway) {
    eventually("nothing is held", || async { (balance(gateway).await.1 == 0.0).then_some(()) }).await;
}

/// The rows' cost is what the budget has used.
async fn assert_exact(gateway: &Gateway, rows: usize) {
    let cost: u64 = gateway.settled(rows).await.iter().map(|row| row.number("cost_nano_usd")).sum();
    nothing_is_held(gateway).await;
    eventually("the budget has used what the rows cost", || async {
        let used = balance(gateway).await.0;
        ((used * 1e9 - cost as f64).abs() < 1.0).then_some(())
    })
    .await;
    gateway.assert_verified().await;
}

#[tokio::test]
async fn a_stream_ends_on_the_old_process_and_a_kept_connection_is_answered_and_told_to_go() {
    let upstream = Upstream::start().await;
    let gate = Gate::new();
    let gateway = Setup::openai(&[&upstream]).start().await;
    let call = Call::post(CHAT, sample::CHAT_ASK).key(KEY);
    let mut kept = H1::connect(gateway.address).await;
    kept.send(&call).await;
    let (first, mut kept) = kept.answer().await;
    assert_eq!((first.status, first.field("connection")), (200, Some("keep-alive")));
    upstream.next(held_stream(&gate));
    let mut stream = gateway.open(CHAT, sample::CHAT_USAGE_ASK).await;
    stream.event().await.expect("the stream has begun");
    gateway.upgrade(&[]).await.ok();
    assert_eq!(gateway.admin_status("/readyz").await, Some(200), "the new process is ready");
    gateway.assert_serves().await;
    assert!(gateway.runs(), "the old process waits for the stream");
    kept.send(&call).await;
    let (late, mut kept) = kept.answer().await;
    assert_eq!((late.status, late.field("connection")), (200, Some("close")));
    kept.closed().await;
    assert_eq!(gateway.post(CHAT, sample::CHAT_ASK).await.status, 200);
    gate.open();
    let rest = stream.whole().await;
    assert!(rest.unbroken().ends_with(sample::CHAT_DONE), "{}", rest.text());
    assert!(gateway.exited().await.success(), "the old process ends behind its last stream");
    let rows = gateway.settled(4).await;
    assert!(rows.iter().all(|row| row.tokens() == (sample::INPUT, sample::OUTPUT)), "{rows:?}");
    gateway.assert_verified().await;
    gateway.assert_serves().await;
}

#[tokio::test]
async fn a_budget_holds_over_both_processes_and_is_exact_afterwards() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).search(&for_one()).start().await;
    let ask = Call::post(CHAT, DEAR).key(KEY);
    let mut kept = H1::connect(gateway.address).await;
    assert!(kept.send(&Call::get("/v1/models").key(KEY)).await);
    let (_, mut kept) = kept.answer().await;
    let (gate, stream) = begun(&upstream, &gateway, DEAR).await;
    gateway.upgrade(&[]).await.ok();
    let (_, reserved) = balance(&gateway).await;
    assert!(reserved * 1e9 >= DEAR_NANO_USD as f64, "the new process holds it too: {reserved}");
    assert_eq!(ask.send(gateway.address).await.openai_error(402), "budget_exhausted", "the old process holds it");
    gate.open();
    assert!(stream.whole().await.unbroken().ends_with(sample::CHAT_DONE));
    nothing_is_held(&gateway).await;
    // Now the old process asks the new one, which holds for it.
    let second = Gate::new();
    upstream.next(held_stream(&second));
    assert!(kept.send(&ask).await);
    let mut late = kept.open().await;
    late.event().await.expect("the new process paid for it");
    assert!(gateway.runs(), "it is the old process that answers");
    assert_eq!(ask.send(gateway.address).await.openai_error(402), "budget_exhausted");
    second.open();
    assert!(late.whole().await.unbroken().ends_with(sample::CHAT_DONE));
    assert!(gateway.exited().await.success());
    upstream.next(held_stream(&second));
    assert_eq!(ask.send(gateway.address).await.status, 200, "it is all given back");
    assert_exact(&gateway, 3).await;
    let (used, _) = balance(&gateway).await;
    assert!((used * 1e9 - 3.0 * ANSWER_NANO_USD as f64).abs() < 1.0, "{used}");
}

#[tokio::test]
async fn a_third_process_holds_what_the_first_has_open() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).search(&for_one()).start().await;
    let (gate, stream) = begun(&upstream, &gateway, DEAR).await;
    gateway.upgrade(&[]).await.ok();
    gateway.upgrade(&[]).await.ok();
    assert!(gateway.runs());
    let ask = Call::post(CHAT, DEAR).key(KEY);
    assert_eq!(ask.send(gateway.address).await.openai_error(402), "budget_exhausted");
    gate.open();
    assert!(stream.whole().await.unbroken().ends_with(sample::CHAT_DONE));
    assert!(gateway.exited().await.success());
    nothing_is_held(&gateway).await;
    assert_eq!(ask.send(gateway.address).await.status, 200);
    assert_exact(&gateway, 2).await;
}

/// A binary that takes the configuration, and then does this in place of serving.
fn broken_binary(gateway: &Gateway, run: &str) -> String {
    let path = gateway.dir.path().join("broken");
    let text = format!("#!/bin/sh\nif [ \"$1\" = check ]; then exec '{}' \"$@\"; fi\n{run}\n", binary().display());
    std::fs::write(&path, text).expect("the directory can be written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("our own file");
    path.to_str().expect("a path of text").to_owned()
}

#[tokio::test]
async fn what_fails_leaves_the_old_process_as_it_was_and_says_why() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).search(&for_one()).start().await;
    let (gate, stream) = begun(&upstream, &gateway, DEAR).await;
    let (ends, hangs) = (broken_binary(&gateway, "exit 3"), "exec sleep 600");
    let said = gateway.upgrade(&["--binary", &ends]).await.failed();
    assert!(said.contains("goes on as it was") && said.contains("exit status: 3"), "{said}");
    let hangs = broken_binary(&gateway, hangs);
    let said = gateway.upgrade(&["--binary", &hangs, "--within", "10"]).await.failed();
    assert!(said.contains("not ready in time"), "{said}");
    let said = gateway.upgrade(&["--binary", "/no/such/binary"]).await.failed();
    assert!(said.contains("`/no/such/binary` cannot be started"), "{said}");
    let right = std::fs::read_to_string(gateway.config()).expect("it was written");
    gateway.edit(|text| text.replace("models:", "modles:"));
    let state = gateway.dir.path().join("state");
    let state = state.to_str().expect("a path of text");
    let said = crate::support::gateway::run(&["upgrade", "--state", state]).await.failed();
    assert!(said.contains("does not take the configuration") && said.contains("modles"), "{said}");
    gateway.edit(|_| right);
    // It serves, it holds what it held, and its budget is its own.
    assert_eq!(gateway.admin_status("/readyz").await, Some(200));
    assert_eq!(Call::post(CHAT, DEAR).key(KEY).send(gateway.address).await.openai_error(402), "budget_exhausted");
    gate.open();
    assert!(stream.whole().await.unbroken().ends_with(sample::CHAT_DONE));
    nothing_is_held(&gateway).await;
    // And it can be upgraded still.
    gateway.upgrade(&[]).await.ok();
    assert!(gateway.exited().await.success());
    assert_exact(&gateway, 1).await;
}

#[tokio::test]
async fn told_to_stop_during_the_overlap_the_new_process_ends_behind_the_old_one() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let (gate, stream) = begun(&upstream, &gateway, sample::CHAT_USAGE_ASK).await;
    gateway.upgrade(&[]).await.ok();
    gateway.signal_successor(Signal::TERM);
    eventually("readiness goes", || async { (gateway.admin_status("/readyz").await != Some(200)).then_some(()) }).await;
    // A second word changes nothing for who drains.
    gateway.terminate();
    assert!(gateway.runs());
    gate.open();
    assert!(stream.whole().await.unbroken().ends_with(sample::CHAT_DONE));
    assert!(gateway.exited().await.success());
    gateway.successor_ended().await;
    assert_eq!(gateway.only_row().await.tokens(), (sample::INPUT, sample::OUTPUT));
    gateway.assert_verified().await;
}

#[tokio::test]
async fn killed_in_the_overlap_the_old_process_is_settled_by_the_new_one() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).search(&for_one()).start().await;
    upstream.next(held_stream(&Gate::new()));
    let mut stream = gateway.open(CHAT, DEAR).await;
    stream.event().await.expect("the stream has begun");
    gateway.upgrade(&[]).await.ok();
    let ask = Call::post(CHAT, DEAR).key(KEY);
    assert_eq!(ask.send(gateway.address).await.openai_error(402), "budget_exhausted");
    gateway.kill();
    nothing_is_held(&gateway).await;
    assert_eq!(ask.send(gateway.address).await.status, 200, "what was held is free");
    let rows = gateway.settled(2).await;
    assert_eq!(rows.iter().filter(|row| row.text("usage_origin") == "estimated").count(), 1, "{rows:?}");
    assert_exact(&gateway, 2).await;
}

#[tokio::test]
async fn killed_in_the_overlap_the_new_process_is_followed_by_one_that_knows_what_the_old_one_holds() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).search(&for_one()).start().await;
    let (gate, stream) = begun(&upstream, &gateway, DEAR).await;
    gateway.upgrade(&[]).await.ok();
    gateway.signal_successor(Signal::KILL);
    gateway.successor_ended().await;
    gateway.assert_verified().await;
    // As systemd would; the old process goes on with its stream.
    gateway.start_beside().await;
    let ask = Call::post(CHAT, DEAR).key(KEY);
    assert_eq!(ask.send(gateway.address).await.openai_error(402), "budget_exhausted");
    gate.open();
    assert!(stream.whole().await.unbroken().ends_with(sample::CHAT_DONE));
    assert!(gateway.exited().await.success());
    nothing_is_held(&gateway).await;
    assert_eq!(ask.send(gateway.address).await.status, 200);
    assert_exact(&gateway, 2).await;
}

#[tokio::test]
async fn a_key_that_is_revoked_at_the_new_process_does_not_work_at_the_old_one() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let key = gateway.new_key(json!({ "name": "late", "team": "search" })).await;
    let call = Call::get("/v1/models").key(&key);
    let mut kept = H1::connect(gateway.address).await;
    assert!(kept.send(&call).await);
    let (answer, mut kept) = kept.answer().await;
    assert_eq!(answer.status, 200);
    gateway.upgrade(&[]).await.ok();
    assert_eq!(gateway.admin("DELETE", "/keys/late", Value::Null).await.status, 200);
    // Each answer of the old process ends its connection: so it is asked when the time that is promised is over.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(kept.send(&call).await);
    let (refused, _) = kept.answer().await;
    assert_eq!(refused.status, 401, "{}", refused.text());
    assert_eq!(call.send(gateway.address).await.status, 401);
    gateway.command(&["audit", "verify"]).await.ok();
}

/// Clients that ask all the time over kept connections and new ones see nothing of five upgrades.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_no_request_is_refused_or_cut_and_the_ledger_is_exact() {
    let upstream = Upstream::start().await;
    let setup = Setup::openai(&[&upstream]).search("budgets: [{ usd: 1000000, per: lifetime }]");
    // A new process takes processors from the old one: overload is another test's.
    let gateway = setup.server("shed_lag", "0s").start().await;
    let (over, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = JoinSet::new();
    for client in 0..8 {
        let (address, over, served) = (gateway.address, Arc::clone(&over), Arc::clone(&served));
        clients.spawn(async move {
            let call = Call::post(CHAT, sample::CHAT_ASK).key(KEY);
            let mut kept = H1::connect(address).await;
            while !over.load(Ordering::Relaxed) {
                assert!(kept.send(&call).await, "the connection takes a request");
                let (answer, again) = H1::take(&mut kept).answer().await;
                assert_eq!(answer.status, 200, "{}", answer.text());
                served.fetch_add(1, Ordering::Relaxed);
                kept = match answer.field("connection") == Some("close") || client % 4 == 0 {
                    true => H1::connect(address).await,
                    false => again,
                };
            }
        });
    }
    for _ in 0..5 {
        gateway.upgrade(&[]).await.ok();
        let before = served.load(Ordering::Relaxed);
        eventually("it serves", || async { (served.load(Ordering::Relaxed) > before + 20).then_some(()) }).await;
    }
    over.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.expect("no client saw anything");
    }
    assert!(gateway.exited().await.success());
    assert_exact(&gateway, served.load(Ordering::Relaxed)).await;
}
