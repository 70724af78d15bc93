use super::*;
use crate::auth::{Callers, KeyPatch, hash_of, misfits};
use crate::config::{Config, Priority};
use crate::model::SystemClock;

/// As version 1 made it and left it: a team, a key of it with limits, and the hash of `wb-old`.
fn old(dir: &Path) {
    let conn = Connection::open(dir.join("keys.sqlite")).expect("a database");
    conn.pragma_update(None, "journal_mode", "WAL").expect("a log");
    conn.execute_batch(
        "CREATE TABLE team (name TEXT PRIMARY KEY, models TEXT, limits TEXT, budgets TEXT, tags TEXT NOT NULL,
           created_us INTEGER NOT NULL, updated_us INTEGER NOT NULL) WITHOUT ROWID;
         CREATE TABLE key (name TEXT PRIMARY KEY, models TEXT, limits TEXT, budgets TEXT, tags TEXT NOT NULL,
           created_us INTEGER NOT NULL, updated_us INTEGER NOT NULL, team TEXT NOT NULL, expires_us INTEGER,
           revoked_us INTEGER) WITHOUT ROWID;
         CREATE TABLE secret (hash BLOB PRIMARY KEY, key TEXT NOT NULL, created_us INTEGER NOT NULL, until_us INTEGER)
           WITHOUT ROWID;
         CREATE INDEX secret_key ON secret (key);
         INSERT INTO team VALUES ('lab', NULL, NULL, NULL, '{\"owner\":\"ann\"}', 1, 2);
         INSERT INTO key VALUES ('ci', NULL, '[{\"requests\":5,\"per\":\"minute\"}]', NULL, '{}', 3, 4, 'lab', NULL, NULL);
         PRAGMA user_version = 1;",
    )
    .expect("version 1");
    let secret = params![hash_of(b"wb-old"), "ci", 3, Option::<i64>::None];
    conn.execute("INSERT INTO secret VALUES (?, ?, ?, ?)", secret).expect("a secret");
}

fn config() -> Config {
    let text = "admin: { listen: \"off\" }\nguardrails: { no-words: { kind: words, words: [x], action: block } }";
    Config::from_text(text, None).expect("right")
}

fn open(dir: &Path) -> Callers {
    Callers::open(&config(), dir, Arc::new(SystemClock)).expect("it opens")
}

#[test]
fn a_store_of_version_1_is_read_as_it_is_and_migrated_with_a_copy_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    old(dir.path());
    assert_eq!(misfits(&config(), dir.path()).expect("`check` reads it"), Vec::new());
    assert!(!dir.path().join("keys.v1.sqlite").exists(), "and changes nothing");
    std::fs::write(dir.path().join("keys.v1.sqlite"), "of a migration that was killed").expect("a file");
    let callers = open(dir.path());
    let caller = callers.named("ci", 5).expect("it works on");
    assert_eq!((&*caller.team, &*caller.rules.key.limits[0].id), ("lab", "key/ci/requests/minute"));
    assert_eq!((caller.priority, caller.guardrails.len()), (Priority::Normal, 0));
    assert!(caller.may_come_from(None), "from everywhere, as before");
    assert_eq!(callers.team("lab").expect("it is there").tags["owner"], "ann");
    let patch: KeyPatch =
        serde_json::from_str(r#"{"allowed_ips": ["10.0.0.0/8"], "priority": "high", "guardrails": ["no-words"]}"#)
            .expect("right");
    callers.update_key("ci", patch, &|_| true).expect("it lives");
    drop(callers);
    let caller = open(dir.path()).named("ci", 5).expect("it works");
    assert_eq!((caller.priority, &*caller.guardrails), (Priority::High, &["no-words".into()][..]));
    assert!(!caller.may_come_from(Some([127, 0, 0, 1].into())) && caller.may_come_from(Some([10, 1, 1, 1].into())));
    let kept = Connection::open(dir.path().join("keys.v1.sqlite")).expect("the copy");
    let count = |sql: &str| kept.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a number");
    assert_eq!((version_of(&kept).expect("a version"), count("SELECT count(*) FROM secret")), (1, 1));
}

#[test]
fn a_guardrail_that_is_gone_from_the_file_closes_its_key_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let callers = open(dir.path());
    let new = |text: &str| serde_json::from_str(text).expect("right");
    callers.create_team(serde_json::from_str(r#"{"name": "t"}"#).expect("right"), &|_| true).expect("it is free");
    let (_, view) = callers
        .create_key(new(r#"{"name": "k", "team": "t", "guardrails": ["no-words"]}"#), &|_| true)
        .expect("the file has it");
    assert_eq!(view.guardrails.as_deref(), Some(&["no-words".to_owned()][..]));
    callers.create_key(new(r#"{"name": "other", "team": "t"}"#), &|_| true).expect("it is free");
    drop(callers);
    let without = Config::from_text("admin: { listen: \"off\" }", None).expect("right");
    let found = misfits(&without, dir.path()).expect("it can be read");
    assert!(found.len() == 1 && found[0].why.contains("there is no guardrail `no-words`"), "{found:?}");
    let callers = Callers::open(&without, dir.path(), Arc::new(SystemClock)).expect("it opens");
    assert!(callers.named("k", 5).is_none(), "it is not served without it");
    assert!(callers.named("other", 5).is_some());
}

#[test]
fn a_key_without_a_priority_has_its_teams() {
    let dir = tempfile::tempdir().expect("a directory");
    let callers = open(dir.path());
    let team = serde_json::from_str(r#"{"name": "t", "priority": "low", "guardrails": ["no-words"]}"#).expect("right");
    callers.create_team(team, &|_| true).expect("it is free");
    for (body, want) in [
        (r#"{"name": "a", "team": "t"}"#, Priority::Low),
        (r#"{"name": "b", "team": "t", "priority": "high"}"#, Priority::High),
    ] {
        let (_, view) = callers.create_key(serde_json::from_str(body).expect("right"), &|_| true).expect("it is free");
        let caller = callers.named(&view.name, 5).expect("it works");
        assert_eq!((caller.priority, caller.guardrails.len()), (want, 1), "{body}");
    }
}
