//! Sums over findings: which request counts where.
//!
//! The number of requests cannot be added up over guardrails, for one request may be found something in by several. So it
//! is counted at four levels, and a report reads the coarsest one that knows what is asked.

use super::{Finding, Findings};
use crate::{ledger::store::fold::HOUR_US, model::RequestId};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What findings come to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Requests in which something was found.
    pub requests: u64,
    /// Of them, those in which a guardrail acted: it refused or changed a text.
    pub acted: u64,
    /// Things that were found.
    pub findings: u64,
}

impl Figures {
    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.acted = self.acted.saturating_add(other.acted);
        self.findings = self.findings.saturating_add(other.findings);
    }
}

/// Who asked for what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Who {
    pub key: Arc<str>,
    pub team: Arc<str>,
    pub model: Arc<str>,
}

impl Who {
    /// Who sent a request.
    pub(crate) fn of(found: &Findings) -> Self {
        Self { key: Arc::clone(&found.key), team: Arc::clone(&found.team), model: Arc::clone(&found.model) }
    }
}

/// How finely requests are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Level {
    /// Whatever was found.
    Any,
    /// By guardrail.
    Guardrail,
    /// By guardrail and what it did.
    Deed,
    /// By guardrail, entity, side and what it did.
    Thing,
}

impl Level {
    pub(crate) const ALL: [Self; 4] = [Self::Any, Self::Guardrail, Self::Deed, Self::Thing];
}

/// What a figure is about; what its level does not tell apart is empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Cell {
    pub level: Level,
    pub guardrail: Arc<str>,
    pub kind: Arc<str>,
    pub entity: Arc<str>,
    pub side: Arc<str>,
    pub action: Arc<str>,
}

impl Cell {
    fn of(level: Level, finding: &Finding, side: &'static str) -> Self {
        let none: Arc<str> = Arc::from("");
        let from = |least: Level, name: Arc<str>| if level >= least { name } else { Arc::clone(&none) };
        // Names of services are of no closed set: sums would grow without bound.
        let entity = || if finding.foreign { Arc::from("other") } else { Arc::clone(&finding.entity) };
        Self {
            level,
            guardrail: from(Level::Guardrail, Arc::clone(&finding.guardrail)),
            kind: from(Level::Guardrail, Arc::clone(&finding.kind)),
            entity: from(Level::Thing, entity()),
            side: from(Level::Thing, Arc::from(side)),
            action: from(Level::Deed, finding.deed()),
        }
    }
}

/// The cells that a request counts in, and whether a guardrail acted there.
#[derive(Debug, Default)]
pub(crate) struct Counted(BTreeMap<Cell, bool>);

impl Counted {
    /// Adds what was found since; returns what that changes.
    pub(crate) fn add(&mut self, found: &Findings) -> BTreeMap<Cell, Figures> {
        let mut changes: BTreeMap<Cell, Figures> = BTreeMap::new();
        for finding in &found.findings {
            for level in Level::ALL {
                let cell = Cell::of(level, finding, found.side());
                let change = changes.entry(cell.clone()).or_default();
                change.findings += u64::from(finding.count);
                let (mut is_new, acted) = (false, finding.acted());
                let had = self.0.entry(cell).or_insert_with(|| {
                    is_new = true;
                    false
                });
                change.requests += u64::from(is_new);
                change.acted += u64::from(acted && !*had);
                *had |= acted;
            }
        }
        changes
    }
}

/// Sums by hour, who and cell.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// What requests counted in so far.
    requests: HashMap<RequestId, Counted>,
    pub sums: BTreeMap<(u64, Who, Cell), Figures>,
}

impl Tally {
    /// Counts what was found, where `earlier` are the records of the same request that are not in this tally.
    ///
    /// # Errors
    ///
    /// Those of `earlier`.
    pub(crate) fn add<E>(
        &mut self,
        found: &Findings,
        earlier: impl FnOnce() -> Result<Vec<Findings>, E>,
    ) -> Result<(), E> {
        let counted = match self.requests.entry(found.request()) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(vacant) => {
                let mut counted = Counted::default();
                earlier()?.iter().for_each(|before| drop(counted.add(before)));
                vacant.insert(counted)
            }
        };
        let (hour, who) = (found.time_us / HOUR_US, Who::of(found));
        for (cell, change) in counted.add(found) {
            self.sums.entry((hour, who.clone(), cell)).or_default().add(&change);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::fixture::found;
    use std::convert::Infallible;

    #[test]
    fn a_request_counts_once_at_each_level_however_its_findings_come() {
        // Input: e-mail twice and a phone number; output of the first attempt: an e-mail again, and a word that is only told.
        let records = [
            found(1, (0, 1), &[("no-pii", "email", "redact", false, 2), ("no-pii", "phone", "redact", false, 1)]),
            found(1, (1, 1), &[("no-pii", "email", "redact", false, 1)]),
            found(1, (1, 2), &[("words", "word", "block", true, 1)]),
        ];
        let mut tally = Tally::default();
        for record in &records {
            tally.add(record, || Ok::<_, Infallible>(Vec::new())).unwrap();
        }
        let sum = |keep: &dyn Fn(&Cell) -> bool| {
            let mut sum = Figures::default();
            tally.sums.iter().filter(|((_, _, cell), _)| keep(cell)).for_each(|(_, figures)| sum.add(figures));
            (sum.requests, sum.acted, sum.findings)
        };
        assert_eq!(sum(&|cell| cell.level == Level::Any), (1, 1, 5));
        assert_eq!(sum(&|cell| cell.level == Level::Guardrail && &*cell.guardrail == "no-pii"), (1, 1, 4));
        assert_eq!(sum(&|cell| cell.level == Level::Guardrail && &*cell.guardrail == "words"), (1, 0, 1));
        assert_eq!(sum(&|cell| cell.level == Level::Deed && &*cell.action == "audit:block"), (1, 0, 1));
        assert_eq!(sum(&|cell| cell.level == Level::Thing && &*cell.entity == "email"), (2, 2, 3), "on both sides");
        // The same, the first record being in the store.
        let mut late = Tally::default();
        for record in &records[1..] {
            late.add(record, || Ok::<_, Infallible>(records[..1].to_vec())).unwrap();
        }
        let any: Vec<Figures> =
            late.sums.iter().filter(|((_, _, cell), _)| cell.level == Level::Any).map(|(_, sum)| *sum).collect();
        assert_eq!(any, [Figures { requests: 0, acted: 0, findings: 2 }]);
    }
}
