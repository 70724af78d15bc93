//! `kill -9`, again and again on one directory: a process of its own writes attempts and says what it has done.

use super::fixture::{HandClock, found, metrics, opening, settlement, state};
use crate::config::State;
use crate::ledger::Ledger;
use crate::ledger::export::{Filter, export};
use crate::ledger::findings;
use crate::ledger::verify::verify;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::num::NonZeroU64;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const DIR: &str = "WEIGHBRIDGE_TEST_STATE";
const FIRST: &str = "WEIGHBRIDGE_TEST_FIRST";
/// Each process numbers its attempts from a multiple of this.
const PER_PROCESS: u64 = 1_000_000;

#[test]
fn twenty_kills_lose_no_attempt_and_double_none() {
    let dir = tempfile::tempdir().unwrap();
    // Attempt → whether it was settled, as the killed processes said.
    let mut said: BTreeMap<u64, bool> = BTreeMap::new();
    for round in 0..20_u64 {
        run_and_kill(dir.path(), round, 1 + (round * 7_919) % 300);
        read_acknowledged(dir.path(), &mut said);
        check(dir.path(), &said);
    }
    let ledger = Ledger::open(&state(dir.path()), Arc::new(HandClock::new()), metrics()).unwrap();
    let attempts = ledger.totals().sum().attempts;
    ledger.close();
    let found = verify(dir.path()).unwrap();
    assert_eq!((found.problems, found.rows, found.crashed), (vec![], attempts, 0));
    check(dir.path(), &said);
}

/// Lets a process write until it has done so much, and kills it.
fn run_and_kill(dir: &Path, round: u64, enough: u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "ledger::tests::killed::write_until_killed"])
        .env(DIR, dir)
        .env(FIRST, (round * PER_PROCESS).to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let said = dir.join(format!("said-{}", round * PER_PROCESS));
    while std::fs::metadata(&said).map_or(0, |file| file.len()) < enough * 10 {
        assert!(child.try_wait().unwrap().is_none(), "the process ended by itself");
        std::thread::park_timeout(Duration::from_micros(200));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // It may have died in the middle of a line.
}

fn read_acknowledged(dir: &Path, said: &mut BTreeMap<u64, bool>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_str().is_some_and(|name| name.starts_with("said-")) {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            for line in whole.lines() {
                let (what, n) = line.split_at(1);
                *said.entry(n.parse().unwrap()).or_default() |= what == "s";
            }
        }
    }
}

/// Everything that a process said it had done is exported once, with its figures.
fn check(dir: &Path, said: &BTreeMap<u64, bool>) {
    assert_eq!(verify(dir).unwrap().problems, Vec::<String>::new());
    let mut out = Vec::new();
    export(dir, &Filter::default(), &mut out).unwrap();
    let mut lines: BTreeMap<u64, Value> = BTreeMap::new();
    for line in String::from_utf8(out).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let n = line["request_id"].as_str().unwrap().strip_prefix("label-").unwrap().parse().unwrap();
        assert!(lines.insert(n, line).is_none(), "attempt {n} is there twice");
    }
    let mut out = Vec::new();
    findings::export::export(dir, &Filter::default(), &mut out).unwrap();
    let mut found: BTreeMap<String, u32> = BTreeMap::new();
    for line in String::from_utf8(out).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        *found.entry(line["id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert!(found.values().all(|times| *times == 1), "what guardrails found is there twice");
    for (n, settled) in said {
        let request = opening(*n).id.request.to_string();
        assert!(found.contains_key(&request), "what guardrails found in request {n} is lost");
        let line = lines.get(n).unwrap_or_else(|| panic!("attempt {n} is lost"));
        let want = settlement(*n);
        if *settled || line["usage_origin"] == "reported" {
            assert_eq!(line["status"], 200, "attempt {n}");
            assert_eq!(line["input_tokens"], want.usage.input_total(), "attempt {n}");
            assert_eq!(line["cost_nano_usd"].as_i64(), want.cost.map(|cost| cost.0), "attempt {n}");
        } else {
            assert_eq!((&line["status"], &line["error"]), (&Value::from(0), &Value::from("crashed")), "attempt {n}");
        }
    }
}

#[test]
#[ignore = "runs until it is killed, by the test above"]
fn write_until_killed() {
    let dir = std::env::var_os(DIR).map(std::path::PathBuf::from).unwrap();
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let state = State { segment_bytes: NonZeroU64::new(50_000).unwrap(), ..state(&dir) };
    let ledger = Ledger::open(&state, Arc::new(HandClock::new()), metrics()).unwrap();
    let said = std::fs::OpenOptions::new().append(true).create(true).open(dir.join(format!("said-{first}")));
    let mut said = said.unwrap();
    let mut open = VecDeque::new();
    for n in first..first + PER_PROCESS {
        ledger.found(&found(n, (0, 1), &[("no-pii", "email", "redact", false, 1)]));
        open.push_back((n, ledger.begin(opening(n)).unwrap()));
        writeln!(said, "b{n}").unwrap();
        if open.len() > 10 {
            let (n, attempt) = open.pop_front().unwrap();
            attempt.settle(settlement(n));
            writeln!(said, "s{n}").unwrap();
        }
    }
}
