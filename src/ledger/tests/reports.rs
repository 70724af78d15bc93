//! Export and usage: the same figures while the gateway runs, right after a crash, and after the restart.

use super::fixture::{HandClock, NOW_US, as_if_killed, metrics, open, opening, settlement, state};
use crate::ledger::export::{Filter, export};
use crate::ledger::render::{Format, write};
use crate::ledger::usage::{Dimension, report, since};
use crate::ledger::verify::verify;
use crate::ledger::{Ledger, OpenAttempt, Settlement, recent};
use crate::model::Usage;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn exported(dir: &Path, filter: &Filter) -> Vec<Value> {
    let mut out = Vec::new();
    export(dir, filter, &mut out).unwrap();
    String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Ten settled attempts, the first five folded; attempt 10 under way with 33 tokens seen.
fn busy(dir: &Path) -> (Arc<Ledger>, OpenAttempt) {
    let clock = HandClock::new();
    let ledger = Ledger::open(&state(dir), Arc::new(clock.clone()), metrics()).unwrap();
    for n in 0..10 {
        ledger.begin(opening(n)).unwrap().settle(settlement(n));
        if n == 4 {
            ledger.flush().unwrap();
        }
    }
    let mut open = ledger.begin(opening(10)).unwrap();
    clock.advance(Duration::from_secs(60));
    open.progress(33);
    // Anything that is written takes what waits along.
    ledger.begin(opening(11)).unwrap().settle(settlement(11));
    (ledger, open)
}

#[test]
fn every_attempt_is_exported_once_while_the_gateway_runs() {
    let dir = tempfile::tempdir().unwrap();
    let (_ledger, open) = busy(dir.path());
    let lines = exported(dir.path(), &Filter::default());
    let ids: Vec<_> = lines.iter().map(|line| line["request_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, (0..12).map(|n| format!("label-{n}")).collect::<Vec<_>>());
    let under_way = &lines[10];
    assert_eq!(under_way["id"], open.id().request.to_string());
    assert_eq!((&under_way["status"], &under_way["usage_origin"]), (&Value::Null, &Value::from("open")));
    assert_eq!(under_way["output_tokens"], 33);
}

#[test]
fn what_was_used_lately_is_told_once_from_store_and_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (_ledger, _open) = busy(dir.path());
    let tokens = |n: u64| 10 + n + 5 + 7 + 2;
    for from in [0, 3, 7, 12] {
        let found = recent(dir.path(), NOW_US + from * 1_000_000).unwrap();
        let settled = || (from..12).filter(|n| *n != 10);
        let sum = |of: fn(&crate::ledger::Recent) -> u64| found.iter().map(of).sum::<u64>();
        assert_eq!(sum(|one| one.tokens), settled().map(tokens).sum::<u64>(), "from the {from}th on");
        assert_eq!(
            (sum(|one| one.requests), sum(|one| one.attempts)),
            (settled().count() as u64, settled().count() as u64)
        );
        assert!(found.iter().all(|one| one.at_us >= NOW_US + from * 1_000_000 && one.key.starts_with(&*one.team)));
    }
}

#[test]
fn a_line_has_the_fields_of_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    ledger.begin(opening(3)).unwrap().settle(settlement(3));
    let mut out = Vec::new();
    export(dir.path(), &Filter::default(), &mut out).unwrap();
    let want = format!(
        concat!(
            r#"{{"id":"{}","attempt":1,"request_id":"label-3","time":"2026-11-01T00:00:03.000000Z","#,
            r#""key":"support-ci","team":"support","user":"u1","model":"fast","provider":"openai","#,
            r#""target_model":"gpt-4o-mini","status":200,"input_tokens":18,"cache_read_tokens":5,"#,
            r#""cache_write_5m_tokens":0,"cache_write_1h_tokens":0,"output_tokens":9,"reasoning_tokens":2,"#,
            r#""usage_origin":"reported","cost_nano_usd":1003,"price_version":"2026-11","latency_us":1234,"#,
            r#""first_token_us":321,"overhead_us":45,"guardrails":null,"error":null,"charges":[],"correction":null,"#,
            r#""image_input_tokens":0,"image_output_tokens":0,"images":0,"audio_seconds":0.0,"characters":0,"#,
            r#""searches":0,"saved_nano_usd":0}}"#,
            "\n"
        ),
        opening(3).id.request
    );
    assert_eq!(String::from_utf8(out).unwrap(), want);
}

#[test]
fn after_a_crash_reports_say_what_the_next_start_will_record() {
    let dir = tempfile::tempdir().unwrap();
    let (_ledger, _open) = busy(dir.path());
    let copy = as_if_killed(dir.path());
    let before = exported(copy.path(), &Filter::default());
    assert_eq!((&before[10]["status"], &before[10]["error"]), (&Value::from(0), &Value::from("crashed")));
    assert_eq!(before[10]["output_tokens"], 33);
    let spent = report(copy.path(), &[Dimension::Team], 0, NOW_US).unwrap();
    assert_eq!(verify(copy.path()).unwrap().problems, Vec::<String>::new());

    let after = open(copy.path());
    assert_eq!(exported(copy.path(), &Filter::default()), before, "recovered, not folded");
    after.flush().unwrap();
    assert_eq!(exported(copy.path(), &Filter::default()), before, "recovered and folded");
    assert_eq!(report(copy.path(), &[Dimension::Team], 0, NOW_US).unwrap().lines, spent.lines);
    assert_eq!(after.totals().sum(), spent.total);
}

#[test]
fn filters_narrow_an_export() {
    let dir = tempfile::tempdir().unwrap();
    let (_ledger, _open) = busy(dir.path());
    let count = |filter: &Filter| exported(dir.path(), filter).len();
    let team = Filter { team: Some("search".to_owned()), ..Filter::default() };
    let key = Filter { key: Some("support-ci".to_owned()), ..Filter::default() };
    let late = Filter { since_us: Some(NOW_US + 9_000_000), ..Filter::default() };
    assert_eq!((count(&team), count(&key), count(&late)), (6, 6, 3));
}

#[test]
fn usage_is_the_same_from_roll_ups_rows_and_the_tail() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, _open) = busy(dir.path());
    let by = [Dimension::Team, Dimension::Model, Dimension::Day];
    let tail = report(dir.path(), &by, NOW_US, NOW_US).unwrap();
    assert_eq!(tail.unfolded, 6);
    ledger.flush().unwrap();
    let folded = report(dir.path(), &by, NOW_US, NOW_US).unwrap();
    assert_eq!((folded.unfolded, folded.open), (0, 1));
    assert_eq!(folded.lines, tail.lines);
    let users = report(dir.path(), &[Dimension::User], NOW_US, NOW_US).unwrap();
    assert_eq!(users.total, folded.total);
    assert_eq!(users.lines.iter().map(|line| line.labels[0].as_str()).collect::<Vec<_>>(), ["-", "u1"]);
    let requests: Vec<_> = folded.lines.iter().map(|line| (line.labels.join(" "), line.sums.requests)).collect();
    assert_eq!(requests, [("search fast 2026-11-01".to_owned(), 5), ("support fast 2026-11-01".to_owned(), 6)]);
}

#[test]
fn a_report_reads_well_and_says_when_it_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let (_ledger, _open) = busy(dir.path());
    let rendered = |since_us, format| {
        let mut out = Vec::new();
        write(&report(dir.path(), &[Dimension::Team], since_us, NOW_US + 1).unwrap(), format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let want = "\
team     requests  attempts  errors  input  cached  write 5m  write 1h  output  reasoning     cost usd  unpriced  refused
search          5         5       0     95      25         0         0      45         10  0.000004016         1        0
support         6         6       0    126      30         0         0      54         12  0.000005027         1        0
total          11        11       0    221      55         0         0      99         22  0.000009043         2        0

from 2026-11-01 00:00 to 2026-11-01 00:00 UTC
complete to the last settled attempt; 1 still under way
2 attempts have no known price: their cost is in no figure
";
    assert_eq!(rendered(NOW_US, Format::Table), want);
    assert!(rendered(NOW_US + 3_600_000_000, Format::Table).starts_with("nothing was used since 2026-11-01 01:00 UTC"));
    let csv = rendered(NOW_US, Format::Csv);
    assert!(csv.starts_with("team,requests,attempts,errors,input_tokens,"), "{csv}");
    assert!(csv.lines().nth(1).unwrap().ends_with(",0.000004016,1,0,0,0,0,0,0.000,0,0,0.000000000"), "{csv}");
    let json: Value = serde_json::from_str(&rendered(NOW_US, Format::Json)).unwrap();
    assert_eq!(json["total"]["cost_nano_usd"], 9_043);
    assert_eq!(json["lines"][0]["team"], "search");
}

#[test]
fn a_report_shows_units_and_the_table_only_those_that_were_used() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let usage = Usage { audio_ms: 61_500, searches: 2, ..Usage::ZERO };
    ledger.begin(opening(0)).unwrap().settle(Settlement { usage, ..settlement(0) });
    let rendered = |format| {
        let mut out = Vec::new();
        write(&report(dir.path(), &[Dimension::Team], NOW_US, NOW_US + 1).unwrap(), format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let table = rendered(Format::Table);
    let mut lines = table.lines();
    assert!(lines.next().unwrap().ends_with("unpriced  refused  seconds  searches"), "{table}");
    assert!(lines.next().unwrap().ends_with("0        0   61.500         2"), "{table}");
    let csv = rendered(Format::Csv);
    let mut lines = csv.lines();
    let header = ",image_input_tokens,image_output_tokens,images,audio_seconds,characters,searches,saved_usd";
    assert!(lines.next().unwrap().ends_with(header), "{csv}");
    assert!(lines.next().unwrap().ends_with(",0,0,0,61.500,0,2,0.000000000"), "{csv}");
    let json: Value = serde_json::from_str(&rendered(Format::Json)).unwrap();
    assert_eq!((&json["total"]["audio_seconds"], &json["total"]["searches"]), (&61.5.into(), &2.into()));
}

#[test]
fn ages_dates_and_times_are_read() {
    let hour = 3_600_000_000;
    let cases = [
        ("an age in hours", "24h", NOW_US - 24 * hour),
        ("an age in days", "7d", NOW_US - 168 * hour),
        ("a date", "2026-11-01", NOW_US),
        ("a time", "2026-11-01T01:00:00Z", NOW_US + hour),
        ("a time with an offset", "2026-11-01T01:00:00+01:00", NOW_US),
    ];
    for (name, text, want) in cases {
        assert_eq!(since(text, NOW_US).unwrap(), want, "{name}");
    }
    for wrong in ["", "d", "7", "seven", "7y", "99999999999999999999d", "2026-13-01", "é"] {
        assert!(since(wrong, NOW_US).is_err(), "`{wrong}`");
    }
}

#[test]
fn a_directory_without_a_ledger_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let refused = verify(dir.path()).unwrap_err().to_string();
    assert!(refused.contains(&dir.path().display().to_string()), "{refused}");
}
