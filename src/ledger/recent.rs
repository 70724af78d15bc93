//! What was used lately, grouped by minute: what windows of an hour and more are rebuilt from.

use crate::ledger::LedgerError;
use crate::ledger::row::{Names, Row};
use crate::ledger::store::query::signed;
use crate::ledger::view::View;
use rusqlite::params;
use std::path::Path;
use std::sync::Arc;

/// What one user of one key used of one model at one provider within a minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    /// The latest of it began then, in microseconds since the Unix epoch.
    pub at_us: u64,
    /// The virtual key.
    pub key: Arc<str>,
    /// Who pays.
    pub team: Arc<str>,
    /// The end user.
    pub user: Option<Arc<str>>,
    /// The name that was asked for.
    pub model: Arc<str>,
    /// Who answered.
    pub provider: Arc<str>,
    /// Requests, counted at their first attempt.
    pub requests: u64,
    /// Attempts.
    pub attempts: u64,
    /// Tokens, input and output together.
    pub tokens: u64,
}

/// What was begun at or after `since_us` and is settled, also what the store does not have yet.
///
/// # Errors
///
/// When the ledger cannot be read.
pub fn recent(dir: &Path, since_us: u64) -> Result<Vec<Recent>, LedgerError> {
    // Sums of figures that providers report may pass 63 bits: they are added as floats and cut.
    const SQL: &str = "SELECT MAX(opened_us), key, team, user, model, provider, SUM(attempt = 1), COUNT(*), \
         CAST(MIN(TOTAL(input + cache_read + cache_write_5m + cache_write_1h + output + reasoning + audio_input \
         + audio_output + image_input + image_output), 1e15) AS INTEGER) \
         FROM attempt WHERE opened_us >= ?1 GROUP BY opened_us / 60000000, key, team, user, model, provider";
    let View { store, tail, .. } = View::read(dir)?;
    let mut found: Vec<Recent> = tail.iter().filter(|row| row.opening.opened_us >= since_us).map(Recent::of).collect();
    let Some(store) = store else { return Ok(found) };
    let mut statement = store.prepare(SQL)?;
    let mut names = Names::default();
    let mut rows = statement.query(params![signed(since_us)])?;
    while let Some(row) = rows.next()? {
        let count = |column: usize| row.get::<_, i64>(column).map(|n| u64::try_from(n).unwrap_or_default());
        let mut name = |column: usize| Ok::<_, rusqlite::Error>(names.intern(row.get_ref(column)?.as_str()?));
        found.push(Recent {
            at_us: count(0)?,
            key: name(1)?,
            team: name(2)?,
            user: row.get(3)?,
            model: name(4)?,
            provider: name(5)?,
            requests: count(6)?,
            attempts: count(7)?,
            tokens: count(8)?,
        });
    }
    Ok(found)
}

impl Recent {
    fn of(row: &Row) -> Self {
        let (opening, usage) = (&row.opening, &row.settlement.usage);
        Self {
            at_us: opening.opened_us,
            key: Arc::clone(&opening.key),
            team: Arc::clone(&opening.team),
            user: opening.user.clone(),
            model: Arc::clone(&opening.model),
            provider: Arc::clone(&opening.provider),
            requests: u64::from(opening.id.attempt == 1),
            attempts: 1,
            tokens: usage.input_total().saturating_add(usage.output_total()),
        }
    }
}
