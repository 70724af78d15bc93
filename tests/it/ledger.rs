//! The ledger's commands: what was spent, what happened, and the proof that it is whole; while the gateway runs, after
//! it has stopped, and right after a crash.

use crate::support::config::{INPUT_NANO_USD, OUTPUT_NANO_USD, Setup};
use crate::support::gateway::Gateway;
use crate::support::sample;
use crate::support::script::Script;
use crate::support::upstream::Upstream;
use serde_json::Value;
use std::path::{Path, PathBuf};

const CHAT: &str = "/v1/chat/completions";
const COST: u64 = sample::INPUT * INPUT_NANO_USD + sample::OUTPUT * OUTPUT_NANO_USD;

async fn used(upstream: &Upstream, requests: usize) -> Gateway {
    let gateway = Setup::openai(&[upstream]).start().await;
    for _ in 0..requests {
        assert_eq!(gateway.post(CHAT, sample::CHAT_ASK).await.status, 200);
    }
    gateway.settled(requests).await;
    gateway
}

#[tokio::test]
async fn rows_are_the_same_while_running_after_a_stop_after_a_crash_and_after_a_restart() {
    let upstream = Upstream::start().await;
    let gateway = used(&upstream, 3).await;
    let running = gateway.command(&["ledger", "export"]).await.ok();
    assert!(gateway.stop().await.success());
    assert_eq!(gateway.command(&["ledger", "export"]).await.ok(), running, "after a stop");
    gateway.assert_verified().await;
    gateway.start_again().await;
    assert_eq!(gateway.command(&["ledger", "export"]).await.ok(), running, "after a restart");
    gateway.kill();
    assert_eq!(gateway.command(&["ledger", "export"]).await.ok(), running, "after a crash");
    gateway.assert_verified().await;
    gateway.start_again().await;
    gateway.post(CHAT, sample::CHAT_ASK).await;
    let rows = gateway.settled(4).await;
    let mut ids: Vec<_> = rows.iter().map(|row| row.attempt()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "none twice");
    gateway.assert_verified().await;
}

#[tokio::test]
async fn an_attempt_that_is_open_at_a_crash_is_settled_as_estimated() {
    let upstream = Upstream::start().await;
    upstream.always(Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("Hello")).stall());
    let gateway = Setup::openai(&[&upstream]).start().await;
    let mut answer = gateway.open(CHAT, sample::CHAT_STREAM_ASK).await;
    answer.event().await.expect("the stream has begun");
    gateway.kill();
    let crashed = gateway.rows().await;
    assert_eq!(crashed.len(), 1, "the row was durable before its bytes left: {crashed:?}");
    gateway.start_again().await;
    let row = gateway.only_row().await;
    assert_eq!(row.text("usage_origin"), "estimated", "{}", row.0);
    assert!(row.number("input_tokens") > 0 && row.number("cost_nano_usd") > 0, "{}", row.0);
    assert!(!row.text("error").is_empty(), "{}", row.0);
    gateway.assert_verified().await;
}

#[tokio::test]
async fn usage_tells_what_was_spent_in_each_format() {
    let upstream = Upstream::start().await;
    let gateway = used(&upstream, 3).await;
    let json = gateway.command(&["usage", "--by", "team,model", "--since", "1d", "--format", "json"]).await.ok();
    let json: Value = serde_json::from_str(&json).unwrap_or_else(|e| panic!("{e}: {json}"));
    let text = json.to_string();
    assert!(text.contains("\"search\"") && text.contains("\"fast\""), "{json}");
    assert!(text.contains(&(3 * COST).to_string()), "exact nano-dollars: {json}");

    let csv = gateway.command(&["usage", "--by", "key", "--since", "7d", "--format", "csv"]).await.ok();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 2, "a head and a row: {csv}");
    assert!(
        lines[0].contains("key") && lines[1].contains("search-ci") && lines[1].contains(&(3 * COST).to_string()),
        "{csv}"
    );

    let table = gateway.command(&["usage", "--by", "provider", "--format", "table"]).await.ok();
    assert!(table.contains("0.000234"), "dollars for people: {table}");

    let wrong = gateway.command(&["usage", "--by", "colour"]).await;
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("team"), "names what there is: {wrong:?}");
}

#[tokio::test]
async fn a_ledger_that_was_tampered_with_does_not_verify() {
    let upstream = Upstream::start().await;
    let gateway = used(&upstream, 20).await;
    assert!(gateway.stop().await.success());
    gateway.assert_verified().await;
    let journal = largest_journal(&gateway.dir.path().join("state/journal"));
    let mut bytes = std::fs::read(&journal).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&journal, bytes).expect("it can be written");
    let verify = gateway.command(&["ledger", "verify"]).await;
    assert_ne!(verify.code, Some(0), "one bit was flipped in the middle of {}: {verify:?}", journal.display());
}

/// The journal's largest segment: the file below `dir` that is none of the store's.
fn largest_journal(dir: &Path) -> PathBuf {
    let mut all = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).expect("a directory") {
            let entry = entry.expect("readable");
            let path = entry.path();
            if path.is_dir() {
                dirs.push(path);
            } else if !path.to_string_lossy().contains("sqlite") && !path.to_string_lossy().contains(".db") {
                all.push((entry.metadata().expect("a file").len(), path));
            }
        }
    }
    all.sort();
    all.pop().expect("there is a journal").1
}

#[tokio::test]
async fn two_gateways_do_not_write_one_state_directory() {
    let upstream = Upstream::start().await;
    let gateway = used(&upstream, 1).await;
    let text = std::fs::read_to_string(gateway.config()).expect("it is there");
    let other = gateway.dir.path().join("other.yaml");
    let text = text
        .replace(&gateway.address.to_string(), &crate::support::ports::free().to_string())
        .replace(&gateway.admin.to_string(), &crate::support::ports::free().to_string());
    std::fs::write(&other, text).expect("it can be written");
    let second = crate::support::gateway::run(&["run", "-c", other.to_str().expect("text")]).await;
    assert!(second.code.is_some_and(|code| code != 0), "{second:?}");
    assert!(second.stderr.contains("state") || second.stdout.contains("state"), "says what is wrong: {second:?}");
    gateway.post(CHAT, sample::CHAT_ASK).await;
    gateway.settled(2).await;
}

#[tokio::test]
async fn a_state_directory_that_cannot_be_written_stops_the_start_with_a_reason() {
    let upstream = Upstream::start().await;
    let gateway = used(&upstream, 1).await;
    assert!(gateway.stop().await.success());
    let state = gateway.dir.path().join("state");
    std::fs::remove_dir_all(&state).expect("our own directory");
    std::fs::write(&state, "a file").expect("our own directory");
    let config = gateway.config();
    let run = crate::support::gateway::run(&["run", "-c", config.to_str().expect("text")]).await;
    assert!(run.code.is_some_and(|code| code != 0), "{run:?}");
    assert!(run.stderr.contains("state"), "{run:?}");
}

#[tokio::test]
async fn durability_power_serves_and_records_as_well() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).state("durability", "power").start().await;
    for _ in 0..3 {
        assert_eq!(gateway.post(CHAT, sample::CHAT_ASK).await.status, 200);
    }
    gateway.settled(3).await;
    gateway.assert_verified().await;
}
