//! How long reading the store may take: a deadline for everything that a thread reads while it does one thing.

use rusqlite::Connection;
use std::cell::Cell;
use std::time::Duration;
use tokio::time::Instant;

thread_local! {
    /// Set while [`within`] runs.
    static UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Steps of SQLite's machine between two looks at the clock: well below a millisecond of work.
const STEPS: i32 = 10_000;

/// Does `work`; whatever it begins to read of the store on this thread fails with `TooLong` once `limit` is over.
pub fn within<T>(limit: Duration, work: impl FnOnce() -> T) -> T {
    let _before = Before(UNTIL.replace(Some(Instant::now() + limit)));
    work()
}

/// Puts back what held before, also when the work panics.
struct Before(Option<Instant>);

impl Drop for Before {
    fn drop(&mut self) {
        UNTIL.set(self.0);
    }
}

/// Has what `conn` does end by this thread's deadline, if it has one.
pub(crate) fn watch(conn: &mut Connection) -> Result<(), rusqlite::Error> {
    let Some(until) = UNTIL.get() else { return Ok(()) };
    conn.progress_handler(STEPS, Some(move || Instant::now() >= until))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::LedgerError;

    fn endless(conn: &Connection) -> Result<i64, LedgerError> {
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n";
        Ok(conn.query_row(sql, [], |row| row.get(0))?)
    }

    #[test]
    fn what_takes_too_long_ends_and_says_what_to_do() {
        let read = || {
            let mut conn = Connection::open_in_memory()?;
            watch(&mut conn)?;
            endless(&conn)
        };
        let error = within(Duration::from_millis(20), read).expect_err("it never ends");
        assert!(matches!(error, LedgerError::TooLong), "{error}");
        assert!(error.to_string().contains("`since`"), "{error}");
        assert_eq!(UNTIL.get(), None, "the thread has no deadline any more");
        let mut conn = Connection::open_in_memory().expect("memory");
        watch(&mut conn).expect("nothing is watched");
        assert_eq!(conn.query_row("SELECT 1", [], |row| row.get::<_, i64>(0)).expect("one"), 1);
    }
}
