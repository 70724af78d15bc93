//! Sums over settled attempts, in memory.
//!
//! Sums saturate at 63 bits instead of wrapping, so that they do not depend on the order of adding.

use crate::ledger::correction::Correction;
use crate::ledger::row::{Opening, Row, Settlement};
use crate::model::{NanoUsd, Usage, UsageOrigin};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Who used what: the dimensions of every sum.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group {
    /// The virtual key.
    pub key: Arc<str>,
    /// Who pays.
    pub team: Arc<str>,
    /// The name that was asked for.
    pub model: Arc<str>,
    /// Who answered.
    pub provider: Arc<str>,
    /// With which model.
    pub target_model: Arc<str>,
    /// `UsageOrigin::name()`.
    pub origin: &'static str,
}

impl Group {
    /// The group of an attempt.
    pub(crate) fn of(opening: &Opening, origin: UsageOrigin) -> Self {
        Self {
            key: Arc::clone(&opening.key),
            team: Arc::clone(&opening.team),
            model: Arc::clone(&opening.model),
            provider: Arc::clone(&opening.provider),
            target_model: Arc::clone(&opening.target_model),
            origin: origin.name(),
        }
    }

    fn is_of(&self, opening: &Opening, origin: &str) -> bool {
        let same = |a: &Arc<str>, b: &Arc<str>| Arc::ptr_eq(a, b) || a == b;
        self.origin == origin
            && same(&self.key, &opening.key)
            && same(&self.team, &opening.team)
            && same(&self.model, &opening.model)
            && same(&self.provider, &opening.provider)
            && same(&self.target_model, &opening.target_model)
    }
}

/// What attempts come to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    /// Attempts that were settled.
    pub attempts: u64,
    /// Requests, counted at their first attempt.
    pub requests: u64,
    /// Attempts without an answer, with a bad status or that broke off.
    pub errors: u64,
    /// Attempts whose price is not known; their cost is in no sum.
    pub unpriced: u64,
    /// Tokens and units by disjoint class.
    pub usage: Usage,
    /// Cost.
    pub cost: NanoUsd,
    /// What answers had cost that were given again.
    pub saved: NanoUsd,
}

impl Sums {
    /// How many figures there are.
    pub(crate) const CELLS: usize = Usage::CLASSES + 6;

    /// What one attempt comes to.
    pub(crate) fn of(opening: &Opening, settlement: &Settlement) -> Self {
        Self {
            attempts: 1,
            requests: u64::from(opening.id.attempt == 1),
            errors: u64::from(settlement.failed()),
            unpriced: u64::from(settlement.cost.is_none()),
            usage: settlement.usage,
            cost: settlement.cost.unwrap_or_default(),
            saved: settlement.saved,
        }
    }

    /// Adds `other`; each figure stays at 2^63 - 1 at most.
    pub fn add(&mut self, other: &Self) {
        let mut cells = self.cells();
        cells.iter_mut().zip(other.cells()).for_each(|(sum, cell)| *sum = sum.saturating_add(cell));
        *self = Self::from_cells(&cells);
    }

    /// Changes the cost as a correction says.
    pub(crate) fn correct(&mut self, correction: &Correction) {
        self.cost = NanoUsd(self.cost.0.saturating_add(correction.difference()));
        self.unpriced = self.unpriced.saturating_sub(u64::from(correction.before_nano.is_none()));
    }

    /// The figures in the order of the store's columns.
    pub(crate) fn cells(&self) -> [i64; Self::CELLS] {
        let fit = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let mut cells = [0; Self::CELLS];
        let counts = [self.attempts, self.requests, self.errors, self.unpriced];
        let figures = counts.into_iter().chain(self.usage.classes().map(|(_, used)| used)).map(fit);
        cells.iter_mut().zip(figures.chain([self.cost.0, self.saved.0])).for_each(|(cell, figure)| *cell = figure);
        cells
    }

    /// Reads what [`Self::cells`] wrote; what is negative is 0.
    pub(crate) fn from_cells(cells: &[i64; Self::CELLS]) -> Self {
        let [attempts, requests, errors, unpriced, used @ .., cost, saved] = *cells;
        let count = |cell: i64| u64::try_from(cell).unwrap_or_default();
        let mut usage = Usage::ZERO;
        usage.classes_mut().into_iter().zip(used).for_each(|(class, cell)| *class = count(cell));
        Self {
            attempts: count(attempts),
            requests: count(requests),
            errors: count(errors),
            unpriced: count(unpriced),
            usage,
            cost: NanoUsd(cost),
            saved: NanoUsd(saved),
        }
    }
}

/// Sums by group, as they were at one moment.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Totals(pub BTreeMap<Group, Sums>);

impl Totals {
    /// Adds to a group.
    pub(crate) fn add(&mut self, group: Group, sums: &Sums) {
        self.0.entry(group).or_default().add(sums);
    }

    /// Adds an attempt.
    pub(crate) fn add_row(&mut self, row: &Row) {
        self.add(Group::of(&row.opening, row.settlement.origin), &Sums::of(&row.opening, &row.settlement));
    }

    /// Corrects the cost of an attempt.
    pub(crate) fn correct(&mut self, row: &Row, correction: &Correction) {
        self.0.entry(Group::of(&row.opening, row.settlement.origin)).or_default().correct(correction);
    }

    /// Everything together.
    pub fn sum(&self) -> Sums {
        let mut sum = Sums::default();
        self.0.values().for_each(|sums| sum.add(sums));
        sum
    }

    /// By a property of the groups: `totals.by(|group| group.team.clone())`.
    pub fn by<K: Ord>(&self, property: impl Fn(&Group) -> K) -> BTreeMap<K, Sums> {
        let mut by: BTreeMap<K, Sums> = BTreeMap::new();
        for (group, sums) in &self.0 {
            by.entry(property(group)).or_default().add(sums);
        }
        by
    }
}

/// Sums that every thread adds to.
#[derive(Debug, Default)]
pub(crate) struct LiveTotals(Mutex<HashMap<u64, Vec<(Group, Sums)>>>);

impl LiveTotals {
    pub(crate) fn new(totals: Totals) -> Self {
        let mut map: HashMap<u64, Vec<(Group, Sums)>> = HashMap::new();
        for (group, sums) in totals.0 {
            let hash = mix([&group.key, &group.team, &group.model, &group.provider, &group.target_model]);
            map.entry(hash).or_default().push((group, sums));
        }
        Self(Mutex::new(map))
    }

    /// Adds an attempt; allocates only for a group's first.
    pub(crate) fn add(&self, opening: &Opening, settlement: &Settlement) {
        let hash = mix([&opening.key, &opening.team, &opening.model, &opening.provider, &opening.target_model]);
        let origin = settlement.origin;
        let one = Sums::of(opening, settlement);
        let mut map = self.0.lock();
        let groups = map.entry(hash).or_default();
        match groups.iter_mut().find(|(group, _)| group.is_of(opening, origin.name())) {
            Some((_, sums)) => sums.add(&one),
            None => groups.push((Group::of(opening, origin), one)),
        }
    }

    /// Corrects the cost of an attempt.
    pub(crate) fn correct(&self, row: &Row, correction: &Correction) {
        let (opening, origin) = (&row.opening, row.settlement.origin);
        let hash = mix([&opening.key, &opening.team, &opening.model, &opening.provider, &opening.target_model]);
        let mut map = self.0.lock();
        let groups = map.entry(hash).or_default();
        if let Some((_, sums)) = groups.iter_mut().find(|(group, _)| group.is_of(opening, origin.name())) {
            sums.correct(correction);
        }
    }

    pub(crate) fn snapshot(&self) -> Totals {
        let map = self.0.lock();
        Totals(map.values().flatten().map(|(group, sums)| (group.clone(), *sums)).collect())
    }
}

/// A cheap hash of a few short names: equality is checked afterwards, and no client chooses them.
fn mix(names: [&Arc<str>; 5]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for name in names {
        for chunk in name.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
        hash = hash.wrapping_add(1).rotate_left(7);
    }
    hash
}
