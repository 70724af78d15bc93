//! Proving that what guardrails found is whole: each record of the journal once in the store, and rows = roll-ups.

use super::{Cell, Figures, Findings, Tally, Who};
use crate::ledger::{
    LedgerError, export::rfc3339, store::findings, store::fold::HOUR_US, store::rollups, verify::Verification,
};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

type Sums = BTreeMap<(u64, Who, Cell), Figures>;

/// A record of the journal is in the store exactly if it is folded, with equal figures.
///
/// # Errors
///
/// `Store`.
pub(crate) fn record(
    store: Option<&Connection>,
    journaled: &Findings,
    is_folded: bool,
    proof: &mut Verification,
) -> Result<(), LedgerError> {
    let Some(store) = store else { return Ok(()) };
    let of_request = findings::of_request(store, journaled.id.request)?;
    let stored = of_request.iter().find(|stored| stored.id == journaled.id && stored.part == journaled.part);
    let name = || format!("what guardrails found in `{}` (record {})", journaled.id, journaled.part);
    match (is_folded, stored) {
        (true, Some(stored)) if stored == journaled => {}
        (true, Some(_)) => proof.wrong(format!("{}: store and journal differ", name())),
        (true, None) if journaled.time_us < findings::complete_from_us(store)? => {}
        (true, None) => proof.wrong(format!("{} is folded, but not in the store", name())),
        (false, Some(_)) => proof.wrong(format!("{} is in the store, but not folded", name())),
        (false, None) => {}
    }
    Ok(())
}

/// Rows = roll-ups of hours, for the hours whose rows are all there; hours = longer roll-ups.
///
/// # Errors
///
/// `Store`.
pub(crate) fn sums(store: &Connection, proof: &mut Verification) -> Result<(), LedgerError> {
    let first_hour = findings::complete_from_us(store)?.div_ceil(HOUR_US);
    let mut from_rows = Sums::new();
    let (mut tally, mut last) = (Tally::default(), None);
    let mut keep = |tally: &mut Tally| {
        for (key, figures) in std::mem::take(&mut tally.sums) {
            from_rows.entry(key).or_default().add(&figures);
        }
    };
    findings::each_record(store, first_hour * HOUR_US..u64::MAX, |found| {
        proof.findings += 1;
        if last.replace(found.request()) != Some(found.request()) {
            keep(&mut tally);
            tally = Tally::default();
        }
        tally.add(&found, || Ok::<_, LedgerError>(Vec::new()))
    })?;
    keep(&mut tally);
    let hours = findings::sums_of(store, 1)?;
    let whole = hours.iter().filter(|((hour, ..), _)| *hour >= first_hour);
    let whole: Sums = whole.map(|(key, figures)| (key.clone(), *figures)).collect();
    compare(("rows", &from_rows), ("roll-up", &whole), proof);
    for length in rollups::ALL_LENGTHS.into_iter().filter(|length| *length > 1) {
        let mut added = Sums::new();
        for ((hour, who, cell), figures) in &hours {
            added.entry((hour / length * length, who.clone(), cell.clone())).or_default().add(figures);
        }
        compare(("hours", &added), ("longer roll-up", &findings::sums_of(store, length)?), proof);
    }
    Ok(())
}

fn compare((of, these): (&str, &Sums), (other, those): (&str, &Sums), proof: &mut Verification) {
    for key in these.keys().chain(those.keys()).collect::<BTreeSet<_>>() {
        let of_key = |sums: &Sums| sums.get(key).copied().unwrap_or_default();
        let (this, that) = (of_key(these), of_key(those));
        if this != that {
            let (hour, Who { key, team, model }, cell) = key;
            let figures = |Figures { requests, acted, findings }: Figures| {
                format!("{requests} requests, {acted} acted on, {findings} findings")
            };
            let Cell { guardrail, entity, side, action, level, .. } = cell;
            proof.wrong(format!(
                "guardrails from {} of key `{key}`, team `{team}`, model `{model}` ({level:?} `{guardrail}` `{entity}` \
                 `{side}` `{action}`): the {of} come to {}, the {other} to {}",
                rfc3339(hour * HOUR_US),
                figures(this),
                figures(that),
            ));
        }
    }
}
