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

/// Whose attempts are looked at; the default is everybody's.
#[derive(Debug, Default, Clone)]
pub struct Whose {
    /// Of this team.
    pub team: Option<String>,
    /// Of this key.
    pub key: Option<String>,
    /// For this model, as clients asked for it.
    pub model: Option<String>,
    /// At this provider.
    pub provider: Option<String>,
    /// With this model of the provider.
    pub target_model: Option<String>,
}

impl Whose {
    fn takes(&self, row: &Row) -> bool {
        let same = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        let opening = &row.opening;
        same(&self.team, &opening.team)
            && same(&self.key, &opening.key)
            && same(&self.model, &opening.model)
            && same(&self.provider, &opening.provider)
            && same(&self.target_model, &opening.target_model)
    }
}

/// Where somebody's attempts are rare, so many times as many as are wanted are looked through for them.
const LOOKED_THROUGH: usize = 40;

/// Of each stretch, from its first microsecond to before its last one, the latest `most` attempts of those that are asked
/// about, among the latest 40 × `most` of everybody's: so the cost does not grow with the ledger.
///
/// # Errors
///
/// When the ledger cannot be read.
pub fn pace(dir: &Path, stretches: &[(u64, u64)], whose: &Whose, most: usize) -> Result<Vec<Vec<Sample>>, LedgerError> {
    const SQL: &str = "SELECT provider, target_model, model, team, key, latency_us, first_token_us, overhead_us \
         FROM (SELECT * FROM attempt WHERE opened_us >= ?1 AND opened_us < ?2 ORDER BY opened_us DESC LIMIT ?3) \
         WHERE (?5 IS NULL OR team = ?5) AND (?6 IS NULL OR key = ?6) AND (?7 IS NULL OR model = ?7) \
         AND (?8 IS NULL OR provider = ?8) AND (?9 IS NULL OR target_model = ?9) LIMIT ?4";
    let Whose { team, key, model, provider, target_model } = whose;
    let View { store, tail, .. } = View::read(dir)?;
    let mut statement = store.as_ref().map(|store| store.prepare(SQL)).transpose()?;
    let mut names = Names::default();
    let mut found = Vec::with_capacity(stretches.len());
    for &(from, to) in stretches {
        let of_tail = tail.iter().rev().filter(|row| (from..to).contains(&row.opening.opened_us) && whose.takes(row));
        let mut samples: Vec<Sample> = of_tail.take(most).map(Sample::of).collect();
        if let Some(statement) = &mut statement {
            let left = most - samples.len();
            let through = signed(left.saturating_mul(LOOKED_THROUGH) as u64);
            let of = params![
                signed(from),
                signed(to),
                through,
                signed(left as u64),
                team,
                key,
                model,
                provider,
                target_model
            ];
            let mut rows = statement.query(of)?;
            while let Some(row) = rows.next()? {
                samples.push(Sample::read(row, &mut names)?);
            }
        }
        found.push(samples);
    }
    Ok(found)
}
