//! Who owns what, over restarts.

use super::*;

fn kept(kind: Kind, id: &str, team: &str) -> Kept {
    Kept {
        provider: "a".into(),
        kind,
        id: id.to_owned(),
        team: team.into(),
        key: "ci".into(),
        user: Some("ann".into()),
        purpose: "batch".to_owned(),
        model: Some("fast".into()),
        batch: None,
        created_us: 7,
        charges: vec![Charge { budget: "team/x".into(), entity: "".into(), period_us: 3, tokens: true }],
        metering: Metering::Open,
        api: Some(Api::Embeddings),
        guards: vec!["no-pii".into()],
        looked: vec!["no-pii".into()],
    }
}

/// As version 1 wrote it.
#[test]
fn a_table_of_the_first_version_is_taken_over() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let conn = rusqlite::Connection::open(dir.path().join("files.sqlite")).expect("it opens");
    let old = "
        CREATE TABLE kept (provider TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, team TEXT NOT NULL,
          key TEXT NOT NULL, user TEXT, purpose TEXT NOT NULL, model TEXT, batch TEXT, created_us INTEGER NOT NULL,
          charges TEXT NOT NULL, metering INTEGER NOT NULL, PRIMARY KEY (provider, kind, id)) WITHOUT ROWID;
        CREATE INDEX unmetered ON kept (created_us) WHERE kind = 'batch' AND metering = 0;
        INSERT INTO kept VALUES ('a', 'file', 'file-1', 'search', 'ci', 'ann', 'batch', 'fast', NULL, 7, '[]', 0);
        PRAGMA user_version = 1;";
    conn.execute_batch(old).expect("it is written");
    drop(conn);
    for _ in 0..2 {
        let shelf = Shelf::open(dir.path()).expect("it opens");
        let found = shelf.find("a", Kind::File, "file-1").expect("it reads").expect("it is there");
        assert_eq!((found.model.as_deref(), found.api, found.guards.len()), (Some("fast"), None, 0));
        shelf.keep(&kept(Kind::File, "file-2", "search")).expect("it is written");
    }
    let copy = rusqlite::Connection::open(dir.path().join("files.v1.sqlite")).expect("a copy is kept");
    let rows: i64 = copy.query_row("SELECT count(*) FROM kept", [], |row| row.get(0)).expect("it reads");
    assert_eq!(rows, 1);
}

#[test]
fn what_is_kept_is_there_after_a_restart_and_is_its_teams_alone() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let shelf = Shelf::open(dir.path()).expect("it opens");
    let file = kept(Kind::File, "file-1", "search");
    assert!(shelf.keep(&file).expect("it is written"));
    assert!(!shelf.keep(&kept(Kind::File, "file-1", "other")).expect("it is written"), "it stays with its owner");
    drop(shelf);
    let shelf = Shelf::open(dir.path()).expect("it opens again");
    assert_eq!(shelf.find("a", Kind::File, "file-1").expect("it reads"), Some(file));
    assert_eq!(shelf.find("b", Kind::File, "file-1").expect("it reads"), None, "of another account");
    assert_eq!(shelf.find("a", Kind::Batch, "file-1").expect("it reads"), None, "of another kind");
    let ids = ["file-1".to_owned(), "file-2".to_owned()];
    assert_eq!(shelf.owned("a", Kind::File, "search", &ids).expect("it reads").len(), 1);
    assert!(shelf.owned("a", Kind::File, "other", &ids).expect("it reads").is_empty());
    shelf.forget("a", Kind::File, "file-1").expect("it is written");
    assert_eq!(shelf.find("a", Kind::File, "file-1").expect("it reads"), None);
}

#[test]
fn what_is_metered_stays_metered() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let shelf = Shelf::open(dir.path()).expect("it opens");
    shelf.keep(&kept(Kind::Batch, "batch_1", "search")).expect("it is written");
    shelf.keep(&kept(Kind::File, "file-1", "search")).expect("it is written");
    let open = |shelf: &Shelf| shelf.unmetered(0, 10).expect("it reads").len();
    assert_eq!(open(&shelf), 1, "files are not metered");
    assert_eq!(shelf.unmetered(7, 10).expect("it reads").len(), 0, "too old");
    shelf.metered("a", "batch_1", Metering::Done).expect("it is written");
    shelf.metered("a", "batch_1", Metering::Unreported).expect("it is written");
    let found = shelf.find("a", Kind::Batch, "batch_1").expect("it reads").expect("it is there");
    assert_eq!((found.metering, open(&shelf)), (Metering::Done, 0));
}

#[test]
fn a_table_of_a_newer_program_is_left_alone() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let conn = rusqlite::Connection::open(dir.path().join("files.sqlite")).expect("it opens");
    conn.pragma_update(None, "user_version", 99).expect("it is written");
    assert!(matches!(Shelf::open(dir.path()), Err(FilesError::Schema { found: 99, .. })));
}
