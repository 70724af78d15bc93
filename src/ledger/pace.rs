//! How fast attempts were of late: their figures one by one, of each stretch of time the latest ones. Roll-ups hold sums,
//! of which no percentile can be made.

use crate::{
    ledger::LedgerError,
    ledger::row::{Names, Row},
    ledger::store::query::signed,
    ledger::view::View,
};
use rusqlite::{Row as SqlRow, params};
use std::path::Path;
use std::sync::Arc;

/// One attempt's times, in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Who answered.
    pub provider: Arc<str>,
    /// With which model.
    pub target_model: Arc<str>,
    /// The name that was asked for.
    pub model: Arc<str>,
    /// Who pays.
    pub team: Arc<str>,
    /// The virtual key.
    pub key: Arc<str>,
    /// From opening to end.
    pub latency_us: u64,
    /// From opening to the first output.
    pub first_token_us: Option<u64>,
    /// What the gateway itself added.
    pub overhead_us: Option<u64>,
}

impl Sample {
    fn of(row: &Row) -> Self {
        Self {
            provider: Arc::clone(&row.opening.provider),
            target_model: Arc::clone(&row.opening.target_model),
            model: Arc::clone(&row.opening.model),
            team: Arc::clone(&row.opening.team),
            key: Arc::clone(&row.opening.key),
            latency_us: row.settlement.latency_us,
            first_token_us: row.settlement.first_token_us,
            overhead_us: row.settlement.overhead_us,
        }
    }

    fn read(row: &SqlRow<'_>, names: &mut Names) -> Result<Self, rusqlite::Error> {
        let figure =
            |column: usize| row.get::<_, Option<i64>>(column).map(|us| us.and_then(|us| u64::try_from(us).ok()));
        let mut name = |column: usize| Ok::<_, rusqlite::Error>(names.intern(row.get_ref(column)?.as_str()?));
        Ok(Self {
            provider: name(0)?,
            target_model: name(1)?,
            model: name(2)?,
            team: name(3)?,
            key: name(4)?,
            latency_us: figure(5)?.unwrap_or_default(),
            first_token_us: figure(6)?,
            overhead_us: figure(7)?,
        })
    }
}

/// Of each stretch, from its first microsecond to before its last one, the latest `most` attempts: so the cost does not
/// grow with the ledger.
///
/// # Errors
///
/// When the ledger cannot be read.
pub fn pace(dir: &Path, stretches: &[(u64, u64)], most: usize) -> Result<Vec<Vec<Sample>>, LedgerError> {
    const SQL: &str = "SELECT provider, target_model, model, team, key, latency_us, first_token_us, overhead_us \
         FROM attempt WHERE opened_us >= ?1 AND opened_us < ?2 ORDER BY opened_us DESC LIMIT ?3";
    let View { store, tail, .. } = View::read(dir)?;
    let mut statement = store.as_ref().map(|store| store.prepare(SQL)).transpose()?;
    let mut names = Names::default();
    let mut found = Vec::with_capacity(stretches.len());
    for &(from, to) in stretches {
        let of_tail = tail.iter().rev().filter(|row| (from..to).contains(&row.opening.opened_us));
        let mut samples: Vec<Sample> = of_tail.take(most).map(Sample::of).collect();
        if let Some(statement) = &mut statement {
            let left = i64::try_from(most - samples.len()).unwrap_or(i64::MAX);
            let mut rows = statement.query(params![signed(from), signed(to), left])?;
            while let Some(row) = rows.next()? {
                samples.push(Sample::read(row, &mut names)?);
            }
        }
        found.push(samples);
    }
    Ok(found)
}
