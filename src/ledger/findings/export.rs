//! Findings as lines of JSON: as the export of attempts shows them, and a line a record for themselves.

use super::{Finding, Findings};
use crate::{
    ledger::{
        LedgerError,
        export::{Filter, rfc3339},
        store::findings,
        view::View,
    },
    model::RequestId,
};
use rusqlite::Connection;
use serde::Serialize;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

/// One thing found, as exports and the API show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Shown<'a> {
    guardrail: &'a str,
    kind: &'a str,
    entity: &'a str,
    side: &'static str,
    hook: &'a str,
    action: &'a str,
    audit: bool,
    count: u32,
}

impl<'a> Shown<'a> {
    fn of(finding: &'a Finding, side: &'static str) -> Self {
        let Finding { guardrail, kind, entity, hook, action, audited, count, .. } = finding;
        Self { guardrail, kind, entity, side, hook, action, audit: *audited, count: *count }
    }
}

/// What was found in requests, wherever it is.
pub(crate) struct Known<'a> {
    store: Option<&'a Connection>,
    tail: HashMap<RequestId, Vec<&'a Findings>>,
}

impl<'a> Known<'a> {
    /// Of the store and of the journal's tail.
    ///
    /// # Errors
    ///
    /// `Store`.
    pub(crate) fn new(store: Option<&'a Connection>, found: &'a [Findings]) -> Result<Self, LedgerError> {
        let mut tail: HashMap<RequestId, Vec<&Findings>> = HashMap::new();
        found.iter().for_each(|one| tail.entry(one.request()).or_default().push(one));
        // Where nothing was ever found, nothing is looked up.
        let store = match store {
            Some(store) if findings::any(store)? => Some(store),
            _ => None,
        };
        Ok(Self { store, tail })
    }

    /// All records of a request.
    ///
    /// # Errors
    ///
    /// `Store`.
    pub(crate) fn of(&self, request: RequestId) -> Result<Vec<Findings>, LedgerError> {
        let mut all = self.store.map(|store| findings::of_request(store, request)).transpose()?.unwrap_or_default();
        all.extend(self.tail.get(&request).into_iter().flatten().map(|found| (*found).clone()));
        Ok(all)
    }
}

/// What an attempt's line tells: the first one also what was found in the request. What several records of one side say of
/// the same is added up.
pub(crate) fn of_attempt(attempt: u16, records: &[Findings]) -> Option<Vec<Shown<'_>>> {
    let mut all: Vec<Shown<'_>> = Vec::new();
    let mine = records.iter().filter(|found| found.id.attempt.max(1) == attempt);
    for (side, finding) in mine.flat_map(|found| found.findings.iter().map(|finding| (found.side(), finding))) {
        let shown = Shown::of(finding, side);
        match all.iter_mut().find(|one| Shown { count: 0, ..(*one).clone() } == Shown { count: 0, ..shown.clone() }) {
            Some(one) => one.count = one.count.saturating_add(shown.count),
            None => all.push(shown),
        }
    }
    (!all.is_empty()).then_some(all)
}

/// One record.
#[derive(Serialize)]
struct Line<'a> {
    id: String,
    /// 0: it was found in the request, before any attempt.
    attempt: u16,
    time: String,
    key: &'a str,
    team: &'a str,
    user: Option<&'a str>,
    model: &'a str,
    api: &'a str,
    guardrails: Vec<Shown<'a>>,
}

/// Writes what guardrails found, one JSON object a line and record, ordered by time, requests that were refused included;
/// returns the number of lines.
///
/// # Errors
///
/// When the ledger cannot be read, or `Output` when `out` cannot be written.
pub fn export(dir: &Path, filter: &Filter, out: &mut dyn Write) -> Result<u64, LedgerError> {
    let view = View::read(dir)?;
    let mut lines = 0;
    let mut write = |found: &Findings| {
        let takes = filter.key.as_deref().is_none_or(|key| key == &*found.key)
            && filter.team.as_deref().is_none_or(|team| team == &*found.team);
        if !takes {
            return Ok(());
        }
        lines += 1;
        let line = Line {
            id: found.id.request.to_string(),
            attempt: found.id.attempt,
            time: rfc3339(found.time_us),
            key: &found.key,
            team: &found.team,
            user: found.user.as_deref(),
            model: &found.model,
            api: found.api,
            guardrails: found.findings.iter().map(|finding| Shown::of(finding, found.side())).collect(),
        };
        let written = serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from);
        written.and_then(|()| out.write_all(b"\n")).map_err(LedgerError::Output)
    };
    let moment = |found: &Findings| (found.time_us, found.id, found.part);
    let since_us = filter.since_us.unwrap_or(0);
    let mut tail: Vec<&Findings> = view.found.iter().filter(|found| found.time_us >= since_us).collect();
    tail.sort_unstable_by_key(|found| moment(found));
    let mut tail = tail.into_iter().peekable();
    if let Some(store) = &view.store {
        findings::each_record(store, since_us..u64::MAX, |found| {
            while let Some(earlier) = tail.next_if(|tail| moment(tail) < moment(&found)) {
                write(earlier)?;
            }
            write(&found)
        })?;
    }
    for found in tail {
        write(found)?;
    }
    Ok(lines)
}
