//! What guardrails found is recorded as surely as settlements, counted once, and reported.

use super::fixture::{HandClock, NOW_US, as_if_killed, found, metrics, open, opening, settlement, state};
use crate::ledger::{
    Ledger,
    export::{self, Filter},
    findings::{
        Figures, Findings, export as found_export,
        report::{Dimension, Query, answer},
    },
    store::schema::{backup_path, downgrade},
    usage,
    verify::verify,
};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const HOUR_US: u64 = 3_600_000_000;

/// Four requests: two of `search` that were redacted (one on both sides, in two records), one of `support` that was refused
/// and has no attempt, and one of `search` an hour later that was only told about.
fn records() -> Vec<Findings> {
    let late = Findings { time_us: NOW_US + HOUR_US + 1, ..found(4, (0, 1), &[("words", "word", "block", true, 1)]) };
    vec![
        found(0, (0, 1), &[("no-pii", "email", "redact", false, 2), ("no-pii", "phone", "redact", false, 1)]),
        found(0, (1, 1), &[("no-pii", "email", "redact", false, 1)]),
        found(0, (1, 2), &[("no-pii", "email", "redact", false, 4), ("words", "word", "flag", false, 1)]),
        found(2, (0, 1), &[("no-pii", "email", "redact", false, 1)]),
        found(1, (0, 1), &[("words", "word", "block", false, 1)]),
        late,
    ]
}

fn lines(dir: &Path, by: &[Dimension], only: &[(Dimension, &str)]) -> Vec<(String, [u64; 3])> {
    let only = only.iter().map(|(dimension, value)| (*dimension, (*value).to_owned())).collect();
    let query = Query { by: by.to_vec(), since_us: NOW_US, until_us: None, only };
    let report = answer(dir, &query, NOW_US + 2 * HOUR_US).unwrap();
    let figures = |Figures { requests, acted, findings }: Figures| [requests, acted, findings];
    let mut lines: Vec<_> = report.lines.iter().map(|line| (line.labels.join(" "), figures(line.figures))).collect();
    lines.push(("total".to_owned(), figures(report.total)));
    lines
}

fn check(dir: &Path) {
    use Dimension::{Action, Day, Entity, Guardrail, Hour, Kind, Side, Team, User};
    let named = |lines: &[(&str, [u64; 3])]| -> Vec<(String, [u64; 3])> {
        lines.iter().map(|(name, figures)| ((*name).to_owned(), *figures)).collect()
    };
    let total = ("total", [4, 3, 12]);
    type Case = (&'static [Dimension], Vec<(&'static str, [u64; 3])>);
    let cases: [Case; 8] = [
        (&[], vec![("", [4, 3, 12]), total]),
        (&[Guardrail], vec![("no-pii", [2, 2, 9]), ("words", [3, 1, 3]), total]),
        (
            &[Kind, Team],
            vec![
                ("kind-of-no-pii search", [2, 2, 9]),
                ("kind-of-words search", [2, 0, 2]),
                ("kind-of-words support", [1, 1, 1]),
                total,
            ],
        ),
        (
            &[Guardrail, Action],
            vec![
                ("no-pii redact", [2, 2, 9]),
                ("words audit:block", [1, 0, 1]),
                ("words block", [1, 1, 1]),
                ("words flag", [1, 0, 1]),
                total,
            ],
        ),
        (
            &[Entity, Side],
            vec![
                ("email input", [2, 2, 3]),
                ("email output", [1, 1, 5]),
                ("phone input", [1, 1, 1]),
                ("word input", [2, 1, 2]),
                ("word output", [1, 0, 1]),
                total,
            ],
        ),
        (&[Team], vec![("search", [3, 2, 11]), ("support", [1, 1, 1]), total]),
        (&[Hour], vec![("2026-11-01T00:00Z", [3, 3, 11]), ("2026-11-01T01:00Z", [1, 0, 1]), total]),
        (&[User, Day], vec![("- 2026-11-01", [3, 2, 3]), ("u1 2026-11-01", [1, 1, 9]), total]),
    ];
    for (by, want) in cases {
        assert_eq!(lines(dir, by, &[]), named(&want), "{by:?}");
    }
    let only = lines(dir, &[Team], &[(Guardrail, "words"), (Side, "input")]);
    assert_eq!(only, named(&[("search", [1, 0, 1]), ("support", [1, 1, 1]), ("total", [2, 1, 2])]));
    let used = usage::report(dir, &[usage::Dimension::Team], NOW_US, NOW_US + HOUR_US).unwrap();
    let of_teams: Vec<_> = used.lines.iter().map(|line| (&*line.labels[0], line.guardrails)).collect();
    assert_eq!((of_teams, used.guardrails), (vec![("search", 2), ("support", 1)], 3));
    let used = usage::report(dir, &[usage::Dimension::User], NOW_US, NOW_US + HOUR_US).unwrap();
    assert_eq!(
        used.lines.iter().map(|line| (&*line.labels[0], line.guardrails)).collect::<Vec<_>>(),
        [("-", 2), ("u1", 1)]
    );
    let proof = verify(dir).unwrap();
    assert_eq!(proof.problems, Vec::<String>::new());
}

#[test]
fn reports_count_each_request_once_from_the_journal_and_from_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    for record in records() {
        ledger.found(&record);
    }
    [0, 2].into_iter().for_each(|n| ledger.begin(opening(n)).unwrap().settle(settlement(n)));
    let killed = as_if_killed(dir.path());
    check(killed.path());
    ledger.flush().unwrap();
    check(dir.path());
    ledger.close();
    // Some of a request are in the store, and some are not.
    let half = tempfile::tempdir().unwrap();
    let ledger = open(half.path());
    let all = records();
    ledger.found(&all[0]);
    ledger.flush().unwrap();
    all[1..].iter().for_each(|record| ledger.found(record));
    let killed = as_if_killed(half.path());
    drop(ledger);
    let again = open(killed.path());
    [0, 2].into_iter().for_each(|n| again.begin(opening(n)).unwrap().settle(settlement(n)));
    again.close();
    check(killed.path());
}

#[test]
fn exports_tell_what_was_found_at_its_attempt_and_refused_requests_for_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    records().iter().for_each(|record| ledger.found(record));
    [0, 3].into_iter().for_each(|n| ledger.begin(opening(n)).unwrap().settle(settlement(n)));
    let killed = as_if_killed(dir.path());
    ledger.close();
    for dir in [dir.path(), killed.path()] {
        let read = |written: Vec<u8>| -> Vec<serde_json::Value> {
            String::from_utf8(written).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let mut out = Vec::new();
        export::export(dir, &Filter::default(), &mut out).unwrap();
        let attempts = read(out);
        let told: Vec<_> = attempts[0]["guardrails"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                format!(
                    "{} {} {} {} {} {}",
                    one["guardrail"], one["kind"], one["entity"], one["side"], one["action"], one["count"]
                )
            })
            .collect();
        assert_eq!(
            told.join("; ").replace('"', ""),
            "no-pii kind-of-no-pii email input redact 2; \
            no-pii kind-of-no-pii phone input redact 1; no-pii kind-of-no-pii email output redact 5; \
            words kind-of-words word output flag 1"
        );
        assert!(attempts[1]["guardrails"].is_null(), "{}", attempts[1]);
        let mut out = Vec::new();
        let filter = Filter { team: Some("support".to_owned()), ..Filter::default() };
        assert_eq!(found_export::export(dir, &filter, &mut out).unwrap(), 1);
        let refused = &read(out)[0];
        assert_eq!((&refused["attempt"], &refused["guardrails"][0]["action"]), (&0.into(), &"block".into()));
        let mut out = Vec::new();
        assert_eq!(found_export::export(dir, &Filter::default(), &mut out).unwrap(), 6);
    }
}

#[test]
fn what_was_changed_in_the_store_is_found() {
    for (what, sql) in [
        ("differ", "UPDATE findings SET findings = replace(findings, 'email', 'phone') WHERE attempt = 1 AND part = 1"),
        ("not in the store", "DELETE FROM findings WHERE attempt = 0"),
        ("roll-up", "UPDATE findings_rollup SET requests = requests + 1 WHERE length = 1 AND level = 0"),
        ("longer roll-up", "UPDATE findings_rollup SET findings = 0 WHERE length = 24"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(dir.path());
        records().iter().for_each(|record| ledger.found(record));
        ledger.close();
        assert_eq!(verify(dir.path()).unwrap().findings, 6);
        Connection::open(dir.path().join("ledger.sqlite")).unwrap().execute(sql, []).unwrap();
        let problems = verify(dir.path()).unwrap().problems.join("\n");
        assert!(problems.contains(what), "{what}: {problems}");
    }
}

#[test]
fn a_store_of_version_3_is_migrated_and_takes_findings() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    (0..20).for_each(|n| ledger.begin(opening(n)).unwrap().settle(settlement(n)));
    let totals = ledger.totals();
    ledger.close();
    downgrade(dir.path(), 3);
    let again = open(dir.path());
    assert_eq!(again.totals(), totals);
    records().iter().for_each(|record| again.found(record));
    again.close();
    let proof = verify(dir.path()).unwrap();
    assert_eq!((proof.problems, proof.rows, proof.findings), (vec![], 20, 6));
    let old = Connection::open(backup_path(dir.path(), 3)).unwrap();
    assert_eq!(old.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap(), 3);
}

#[test]
fn records_that_are_too_old_are_dropped_and_their_sums_stay() {
    let dir = tempfile::tempdir().unwrap();
    let clock = HandClock::new();
    let ledger = Ledger::open(&state(dir.path()), Arc::new(clock.clone()), metrics()).unwrap();
    records().iter().for_each(|record| ledger.found(record));
    ledger.flush().unwrap();
    let before = lines(dir.path(), &[Dimension::Guardrail, Dimension::Day], &[]);
    // The last of them came an hour later, and stays.
    clock.advance(Duration::from_secs(400 * 86_400 + 1_800));
    ledger.retain();
    ledger.close();
    let proof = verify(dir.path()).unwrap();
    assert_eq!((proof.problems, proof.findings), (vec![], 1));
    assert_eq!(lines(dir.path(), &[Dimension::Guardrail, Dimension::Day], &[]), before);
}
