//! Rating a period anew after a price was corrected: new rows with the difference, never changed ones.
//!
//! Prices come from the caller. Attempts that used nothing stay as they are, and so do those without a price today.

use crate::ledger::LedgerError;
use crate::ledger::correction::Correction;
use crate::ledger::row::{Names, Row};
use crate::ledger::store::corrections;
use crate::ledger::store::query::{ROW_COLUMNS, row_at, signed};
use crate::ledger::store::schema;
use crate::model::{NanoUsd, ServiceTier, Usage};
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Rows that are read, and corrected in one step.
const BATCH_ROWS: i64 = 2_000;

/// Which attempts are rated anew.
#[derive(Debug, Clone)]
pub struct Period {
    /// Begun at or after, in microseconds since the Unix epoch.
    pub since_us: u64,
    /// Begun before.
    pub until_us: u64,
    /// Only at this provider with this model of it.
    pub target: Option<(String, String)>,
}

/// What is rated.
#[derive(Debug, Clone, Copy)]
pub struct Rated<'a> {
    /// The name that the client asked for.
    pub model: &'a str,
    /// Who answered.
    pub provider: &'a str,
    /// With which model.
    pub target_model: &'a str,
    /// Tokens by class.
    pub usage: &'a Usage,
    /// As the answer reported it.
    pub tier: ServiceTier,
}

/// The cost of an attempt at today's prices, and the version of the price; `None`: there is none.
pub type Price<'a> = dyn Fn(Rated<'_>) -> Option<(NanoUsd, Arc<str>)> + 'a;

/// What rating anew comes to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Rerating {
    /// Attempts of the period.
    pub attempts: u64,
    /// Of them, with another cost than before.
    pub corrected: u64,
    /// Of them, with usage and without a price today: left as they are.
    pub unpriced: u64,
    /// What is corrected, by provider and model at the provider.
    pub targets: BTreeMap<(Arc<str>, Arc<str>), Change>,
}

/// What changes for one target.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Attempts.
    pub attempts: u64,
    /// What they cost so far; an unknown cost counts as nothing.
    pub before: NanoUsd,
    /// What they cost at today's prices.
    pub after: NanoUsd,
}

impl Rerating {
    fn add(&mut self, row: &Row, correction: &Correction) {
        self.corrected += 1;
        let target = (Arc::clone(&row.opening.provider), Arc::clone(&row.opening.target_model));
        let change = self.targets.entry(target).or_default();
        change.attempts += 1;
        change.before = change.before.saturating_add(NanoUsd(correction.before_nano.unwrap_or(0)));
        change.after = change.after.saturating_add(NanoUsd(correction.after_nano));
    }
}

/// Tells what rating anew would come to, without changing anything; also while a gateway runs. Attempts that are not
/// folded yet are left out.
///
/// # Errors
///
/// When the store cannot be read.
pub fn preview(dir: &Path, period: &Period, price: &Price<'_>, now_us: u64) -> Result<Rerating, LedgerError> {
    each_batch(dir, period, price, now_us, |_| Ok(()))
}

/// Reads the period batch by batch, and hands on what is to be corrected.
pub(crate) fn each_batch(
    dir: &Path,
    period: &Period,
    price: &Price<'_>,
    now_us: u64,
    mut correct: impl FnMut(&[(Row, Correction)]) -> Result<(), LedgerError>,
) -> Result<Rerating, LedgerError> {
    let mut found = Rerating::default();
    let Some(store) = schema::open_read_only(dir)? else { return Ok(found) };
    let mut names = Names::default();
    let mut after = (signed(period.since_us), Vec::new(), 0_u16);
    loop {
        let rows = batch(&store, period, &after, &mut names)?;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(found) };
        let id = last.opening.id;
        after = (signed(last.opening.opened_us), id.request.0.to_be_bytes().to_vec(), id.attempt);
        let known = corrections::between(&store, signed(first.opening.opened_us), after.0)?;
        let mut changes = Vec::new();
        for row in rows {
            found.attempts += 1;
            let of_row = corrections::of(&known, row.opening.id);
            if let Some(correction) = rate(&row, of_row, price, now_us, &mut found) {
                found.add(&row, &correction);
                changes.push((row, correction));
            }
        }
        if !changes.is_empty() {
            correct(&changes)?;
        }
    }
}

/// The rows behind `after`, in order.
fn batch(
    store: &Connection,
    period: &Period,
    after: &(i64, Vec<u8>, u16),
    names: &mut Names,
) -> Result<Vec<Row>, LedgerError> {
    let (provider, model) = period.target.clone().unzip();
    let mut statement = store.prepare_cached(&format!(
        "SELECT {ROW_COLUMNS} FROM attempt WHERE opened_us >= ?1 AND opened_us < ?2 \
         AND (opened_us, request, attempt) > (?1, ?3, ?4) AND (?5 IS NULL OR provider = ?5) \
         AND (?6 IS NULL OR target_model = ?6) ORDER BY opened_us, request, attempt LIMIT ?7"
    ))?;
    let (opened_us, request, attempt) = after;
    let rows = statement.query_map(
        params![opened_us, signed(period.until_us), request, attempt, provider, model, BATCH_ROWS],
        |row| row_at(row, names),
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The correction of a row, if it costs something else today.
fn rate(row: &Row, known: &[Correction], price: &Price<'_>, now_us: u64, found: &mut Rerating) -> Option<Correction> {
    let (opening, settlement) = (&row.opening, &row.settlement);
    if settlement.usage.is_zero() {
        return None;
    }
    let rated = Rated {
        model: &opening.model,
        provider: &opening.provider,
        target_model: &opening.target_model,
        usage: &settlement.usage,
        tier: settlement.tier,
    };
    let Some((cost, version)) = price(rated) else {
        found.unpriced += 1;
        return None;
    };
    let (before_nano, number) = match known.last() {
        Some(last) => (Some(last.after_nano), last.number.checked_add(1)?),
        None => (settlement.cost.map(|cost| cost.0), 1),
    };
    let after_nano = cost.0.max(0);
    let correction = Correction {
        id: opening.id,
        number,
        corrected_us: now_us,
        before_nano,
        after_nano,
        price_version: version.to_string(),
    };
    (before_nano != Some(after_nano)).then_some(correction)
}
