//! Proving that the ledger is whole: frames, chain, every attempt once, and all sums equal.

use crate::ledger::LedgerError;
use crate::ledger::budget::{Amount, Key};
use crate::ledger::correction::Correction;
use crate::ledger::findings::proof;
use crate::ledger::journal::chain::hash;
use crate::ledger::journal::cursor::{Cursor, Entry};
use crate::ledger::journal::segment::{Link, Position, SegmentId, SegmentReader, list};
use crate::ledger::lock;
use crate::ledger::row::{Names, Row, Settlement};
use crate::ledger::store::fold::HOUR_US;
use crate::ledger::store::query::{Folded, ROW_COLUMNS, row, row_at, signed, stored};
use crate::ledger::store::rollups::{self, Longer};
use crate::ledger::store::sums::{self, GROUP_COLUMNS, SUM_COLUMNS, Table, group_at, sums_at};
use crate::ledger::store::{balances, corrections};
use crate::ledger::totals::{Group, Sums, Totals};
use crate::ledger::view::{epochs, snapshot};
use crate::model::AttemptId;
use rusqlite::{Connection, OptionalExtension};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// How often all is read again when retention took segments away meanwhile.
const TRIES: u32 = 3;
/// Discrepancies that are named; more are only counted.
const MAX_NAMED: usize = 200;

/// What was checked, and what is wrong.
#[derive(Debug, Default)]
pub struct Verification {
    /// Segments read.
    pub segments: u64,
    /// Segments that retention dropped, and whose hashes are kept.
    pub dropped_segments: u64,
    /// Whole records read.
    pub frames: u64,
    /// Settled attempts found in the journal.
    pub journaled: u64,
    /// Of them, not in the store yet.
    pub unfolded: u64,
    /// Attempts under way.
    pub open: u64,
    /// Attempts that a crash left open; the next start settles them.
    pub crashed: u64,
    /// Bytes at the end of the journal that a crash cut off; the next start removes them.
    pub torn_bytes: u64,
    /// Rows in the store.
    pub rows: u64,
    /// Sums over the rows that retention dropped: where verifying starts.
    pub dropped: Sums,
    /// Sums over everything in the store, dropped rows included.
    pub total: Sums,
    /// Balances of budgets, each of one entity and period.
    pub balances: u64,
    /// Corrections of rows by later prices.
    pub corrections: u64,
    /// Records of what guardrails found, in the store.
    pub findings: u64,
    /// Discrepancies, each with its place.
    pub problems: Vec<String>,
    /// Discrepancies beyond those that are named.
    pub more_problems: u64,
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }

    pub(crate) fn wrong(&mut self, what: String) {
        if self.problems.len() < MAX_NAMED {
            self.problems.push(what);
        } else {
            self.more_problems += 1;
        }
    }
}

/// Checks a state directory without writing to it, also while a gateway runs on it.
///
/// # Errors
///
/// When something cannot be read at all. What is read and wrong is in the result.
pub fn verify(dir: &Path) -> Result<Verification, LedgerError> {
    let mut tries = 1;
    loop {
        let before = list(&dir.join("journal"))?;
        let found = Check::run(dir);
        let after = list(&dir.join("journal"))?;
        let taken_away = before.iter().any(|id| !after.contains(id));
        if tries >= TRIES || !taken_away {
            return found;
        }
        tries += 1;
    }
}

/// One pass.
struct Check {
    journal: PathBuf,
    store: Option<Connection>,
    folded: BTreeMap<u64, Folded>,
    dropped_segments: HashMap<SegmentId, [u8; 32]>,
    /// Rows begun before were dropped.
    rows_from_us: u64,
    names: Names,
    found: Verification,
}

impl Check {
    fn run(dir: &Path) -> Result<Verification, LedgerError> {
        let (store, folded) = snapshot(dir)?;
        let mut check = Self {
            journal: dir.join("journal"),
            store,
            folded,
            dropped_segments: HashMap::new(),
            rows_from_us: 0,
            names: Names::default(),
            found: Verification::default(),
        };
        check.read_checkpoint()?;
        check.chain()?;
        for epoch in epochs(&check.journal)? {
            check.epoch(epoch)?;
        }
        check.sums()?;
        Ok(check.found)
    }

    fn read_checkpoint(&mut self) -> Result<(), LedgerError> {
        let Some(store) = &self.store else { return Ok(()) };
        let mut statement = store.prepare("SELECT epoch, number, sha256 FROM dropped_segment")?;
        let count = |n: i64| u64::try_from(n).unwrap_or_default();
        let rows = statement.query_map([], |row| {
            let id = SegmentId { epoch: count(row.get(0)?), number: count(row.get(1)?) };
            Ok((id, row.get::<_, [u8; 32]>(2)?))
        })?;
        self.dropped_segments = rows.collect::<Result<_, _>>()?;
        self.found.dropped_segments = self.dropped_segments.len() as u64;
        let from: Option<i64> =
            store.query_row("SELECT value FROM fact WHERE name = 'rows_from_us'", [], |row| row.get(0)).optional()?;
        self.rows_from_us = from.map_or(0, count);
        Ok(())
    }

    /// Every segment names the hash of the one before it.
    fn chain(&mut self) -> Result<(), LedgerError> {
        let ids = list(&self.journal)?;
        let mut hashes: HashMap<SegmentId, [u8; 32]> = HashMap::new();
        for id in &ids {
            self.found.segments += 1;
            let header = match SegmentReader::open(&self.journal, *id, None) {
                Ok(reader) => reader.header,
                Err(e @ LedgerError::Format { .. }) => {
                    self.found.wrong(e.to_string());
                    continue;
                }
                Err(e) => return Err(e),
            };
            let before = SegmentId { number: id.number.saturating_sub(1), ..*id };
            if id.number > 1 && !header.previous.iter().any(|link| link.id == before) {
                self.found.wrong(format!("{}: it names no segment before it", id.path(&self.journal).display()));
            }
            for link in header.previous {
                self.link(*id, link, &ids, &mut hashes)?;
            }
        }
        Ok(())
    }

    fn link(
        &mut self,
        of: SegmentId,
        link: Link,
        ids: &[SegmentId],
        hashes: &mut HashMap<SegmentId, [u8; 32]>,
    ) -> Result<(), LedgerError> {
        let kept = self.dropped_segments.get(&link.id).copied();
        let present = ids.contains(&link.id);
        let sha256 = match (hashes.get(&link.id), present) {
            (Some(known), _) => Some(*known),
            (None, true) => {
                let computed = hash(&self.journal, link.id)?;
                hashes.insert(link.id, computed);
                Some(computed)
            }
            (None, false) => kept,
        };
        let path = |id: SegmentId| id.path(&self.journal).display().to_string();
        match sha256 {
            Some(sha256) if sha256 == link.sha256 => {}
            Some(_) => {
                let what =
                    format!("{}: its hash is not the one that {} names: it was changed", path(link.id), path(of));
                self.found.wrong(what);
            }
            None => {
                let what = format!("{}: {} names it, but it is missing and was not dropped", path(link.id), path(of));
                self.found.wrong(what);
            }
        }
        Ok(())
    }

    /// Every attempt of the journal begins once, ends once, and is in the store exactly once with equal figures.
    fn epoch(&mut self, epoch: u64) -> Result<(), LedgerError> {
        let alive = lock::is_alive(&self.journal, epoch);
        let folded = self.folded.get(&epoch).copied().unwrap_or(Folded::NOTHING);
        let mut cursor = Cursor::start(&self.journal, epoch);
        while let Some(entry) = cursor.entry(None)? {
            let is_folded = cursor.position() <= folded.position;
            match entry {
                Entry::Row(row) => {
                    self.found.journaled += 1;
                    self.attempt(*row, is_folded)?;
                }
                Entry::Corrected(correction) if is_folded => self.correction(&correction)?,
                Entry::Found(found) => proof::record(self.store.as_ref(), &found, is_folded, &mut self.found)?,
                Entry::Corrected(_) | Entry::Refused(_) => {}
            }
        }
        self.found.frames += cursor.frames;
        let journal = self.journal.clone();
        let place = |at: Position| {
            format!("{} at byte {}", SegmentId { epoch, number: at.number }.path(&journal).display(), at.offset)
        };
        for damage in &cursor.damage {
            self.found.wrong(damage.to_string());
        }
        for (id, settlement, at) in std::mem::take(&mut cursor.unknown) {
            // Its beginning may lie in a segment that was dropped.
            let known = self.dropped_segments.keys().any(|dropped| dropped.epoch == epoch);
            if !(known && at <= folded.position && self.is_stored(id, &settlement)?) {
                self.found.wrong(format!("{}: attempt `{id}` ends without a beginning", place(at)));
            }
        }
        if cursor.position() < folded.position {
            let what = format!("{}: the store knows more of this epoch than the journal", place(cursor.position()));
            self.found.wrong(what);
        }
        let pending = cursor.pending.len() as u64;
        if alive {
            self.found.open += pending;
        } else {
            self.found.crashed += pending;
            self.found.torn_bytes += cursor.torn.map_or(0, |(_, bytes)| bytes);
        }
        if folded.repeated > 0 {
            self.found.wrong(format!("epoch {epoch}: {} attempts were in the store already", folded.repeated));
        }
        Ok(())
    }

    fn attempt(&mut self, journaled: Row, is_folded: bool) -> Result<(), LedgerError> {
        let id = journaled.opening.id;
        let in_store = match &self.store {
            Some(store) => row(store, id, &mut self.names)?,
            None => None,
        };
        match (is_folded, in_store) {
            (true, Some(in_store)) if in_store == stored(journaled.clone()) => {}
            (true, Some(_)) => self.found.wrong(format!("attempt `{id}`: store and journal differ")),
            (true, None) if journaled.opening.opened_us < self.rows_from_us => {}
            (true, None) => self.found.wrong(format!("attempt `{id}` is folded, but not in the store")),
            (false, None) => self.found.unfolded += 1,
            (false, Some(_)) => self.found.wrong(format!("attempt `{id}` is in the store, but not folded")),
        }
        Ok(())
    }

    /// A correction that is folded is in the store with the row that it corrects.
    fn correction(&mut self, journaled: &Correction) -> Result<(), LedgerError> {
        let Some(store) = &self.store else { return Ok(()) };
        let Some(row) = row(store, journaled.id, &mut self.names)? else { return Ok(()) };
        let opened_us = signed(row.opening.opened_us);
        let stored = corrections::between(store, opened_us, opened_us)?;
        if !corrections::of(&stored, journaled.id).contains(journaled) {
            self.found.wrong(format!("correction `{journaled}` is folded, but not in the store"));
        }
        Ok(())
    }

    fn is_stored(&mut self, id: AttemptId, settlement: &Settlement) -> Result<bool, LedgerError> {
        let Some(store) = &self.store else { return Ok(false) };
        let in_store = row(store, id, &mut self.names)?;
        Ok(in_store.map_or(self.rows_from_us > 0, |row| row.settlement == *settlement))
    }

    /// Rows = roll-ups = totals, where rows are those that are there and those that were dropped.
    fn sums(&mut self) -> Result<(), LedgerError> {
        let Some(store) = self.store.take() else { return Ok(()) };
        let total = sums::read(&store, Table::Total)?;
        let dropped = sums::read(&store, Table::Dropped)?;
        (self.found.total, self.found.dropped) = (total.sum(), dropped.sum());

        let corrections = corrections::between(&store, i64::MIN, i64::MAX)?;
        let mut charged = balances::read(&store, balances::Table::Base)?;
        let mut by_hour: BTreeMap<(u64, Group), Sums> = BTreeMap::new();
        let mut statement = store.prepare(&format!("SELECT {ROW_COLUMNS} FROM attempt"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let row = row_at(row, &mut self.names)?;
            self.found.rows += 1;
            let group = Group::of(&row.opening, row.settlement.origin);
            let sums = Sums::of(&row.opening, &row.settlement);
            let of_hour = by_hour.entry((row.opening.opened_us / HOUR_US, group)).or_default();
            of_hour.add(&sums);
            for correction in corrections::of(&corrections, row.opening.id) {
                self.found.corrections += 1;
                of_hour.correct(correction);
            }
            balances::add_charges(&row, &corrections, &mut charged);
        }
        self.compare_balances(&charged, &balances::read(&store, balances::Table::Balance)?);
        let mut from_rows = dropped;
        by_hour.iter().for_each(|((_, group), sums)| from_rows.add(group.clone(), sums));
        self.compare("the rows", &from_rows, &total);

        let hours = hourly(&store)?;
        let mut from_rollups = Totals::default();
        hours.iter().for_each(|((_, group), sums)| from_rollups.add(group.clone(), sums));
        self.compare("the roll-ups", &from_rollups, &total);
        self.compare_longer(&rollups::longer_of(&hours, rollups::upto(&store)?), &rollups::longer(&store)?);
        self.compare_hours(by_hour, hours);
        proof::sums(&store, &mut self.found)?;

        let folded: u64 = self.folded.values().map(|folded| folded.folded.saturating_sub(folded.repeated)).sum();
        if folded != self.found.total.attempts {
            let attempts = self.found.total.attempts;
            self.found.wrong(format!("{folded} attempts were folded, but the totals have {attempts}"));
        }
        Ok(())
    }

    /// Balances = what the rows are charged with + what no row tells any more.
    fn compare_balances(&mut self, rows: &BTreeMap<Key, Amount>, balances: &BTreeMap<Key, Amount>) {
        self.found.balances = balances.len() as u64;
        let keys: std::collections::BTreeSet<&Key> = rows.keys().chain(balances.keys()).collect();
        for key in keys {
            let of = |sums: &BTreeMap<Key, Amount>| sums.get(key).copied().unwrap_or_default();
            let (from_rows, balance) = (of(rows), of(balances));
            if from_rows != balance {
                let (budget, entity, period_us) = key;
                let what = format!(
                    "budget `{budget}` of `{entity}` from {}: the rows come to {from_rows}, the balance to {balance}",
                    crate::ledger::export::rfc3339(*period_us)
                );
                self.found.wrong(what);
            }
        }
    }

    fn compare(&mut self, what: &str, sums: &Totals, total: &Totals) {
        let groups: std::collections::BTreeSet<&Group> = sums.0.keys().chain(total.0.keys()).collect();
        for group in groups {
            let of = |totals: &Totals| totals.0.get(group).copied().unwrap_or_default();
            if of(sums) != of(total) {
                let message = format!(
                    "{what} of {} come to {}, the totals to {}",
                    name(group),
                    figures(&of(sums)),
                    figures(&of(total))
                );
                self.found.wrong(message);
            }
        }
    }

    /// Days and longer spans = the hours in them.
    fn compare_longer(&mut self, hours: &Longer, longer: &Longer) {
        let keys: std::collections::BTreeSet<_> = hours.keys().chain(longer.keys()).collect();
        for key in keys {
            let of = |sums: &Longer| sums.get(key).copied().unwrap_or_default();
            if of(hours) != of(longer) {
                let (from, name) = (crate::ledger::export::rfc3339(key.1 * HOUR_US), name(&key.2));
                let (hours, longer) = (figures(&of(hours)), figures(&of(longer)));
                let what = format!(
                    "{} hours from {from} of {name}: they come to {hours}, the longer roll-up to {longer}",
                    key.0
                );
                self.found.wrong(what);
            }
        }
    }

    /// Hour by hour, for the hours whose rows are all there.
    fn compare_hours(&mut self, mut rows: BTreeMap<(u64, Group), Sums>, mut rollups: BTreeMap<(u64, Group), Sums>) {
        let first_hour = self.rows_from_us.div_ceil(HOUR_US);
        rows.retain(|(hour, _), _| *hour >= first_hour);
        rollups.retain(|(hour, _), _| *hour >= first_hour);
        let keys: std::collections::BTreeSet<_> = rows.keys().chain(rollups.keys()).cloned().collect();
        for key in keys {
            let of = |sums: &BTreeMap<(u64, Group), Sums>| sums.get(&key).copied().unwrap_or_default();
            if of(&rows) != of(&rollups) {
                let (hour, group) = (crate::ledger::export::rfc3339(key.0 * HOUR_US), name(&key.1));
                let (rows, rollups) = (figures(&of(&rows)), figures(&of(&rollups)));
                self.found.wrong(format!("hour {hour} of {group}: rows come to {rows}, the roll-up to {rollups}"));
            }
        }
    }
}

fn hourly(store: &Connection) -> Result<BTreeMap<(u64, Group), Sums>, LedgerError> {
    let mut statement = store.prepare(&format!("SELECT hour, {GROUP_COLUMNS}, {SUM_COLUMNS} FROM rollup"))?;
    let rows = statement.query_map([], |row| {
        let hour = u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default();
        Ok(((hour, group_at(row, 1)?), sums_at(row, 7)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn name(group: &Group) -> String {
    let Group { key, team, model, provider, target_model, origin } = group;
    format!("key `{key}`, team `{team}`, model `{model}`, target `{provider}/{target_model}`, {origin}")
}

fn figures(sums: &Sums) -> String {
    let (input, output) = (sums.usage.input_total(), sums.usage.output_total());
    format!("{} attempts, {input} + {output} tokens, {} USD", sums.attempts, sums.cost)
}
