//! One JSON object a line and attempt, ordered by time: the fields of the contract, and behind them what later versions
//! added.

use crate::ledger::LedgerError;
use crate::ledger::budget::Charged;
use crate::ledger::correction::Correction;
use crate::ledger::findings::Findings;
use crate::ledger::findings::export::{Known, Shown, of_attempt};
use crate::ledger::row::{Names, Opening, Row, Settlement};
use crate::ledger::store::corrections;
use crate::ledger::store::query::{ROW_COLUMNS, row_at, signed};
use crate::ledger::view::{Unsettled, View};
use crate::model::{AttemptId, NanoUsd, Usage};
use jiff::Timestamp;
use rusqlite::params;
use serde::Serialize;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Which attempts are exported; all by default.
#[derive(Debug, Default, Clone)]
pub struct Filter {
    /// Begun at or after, in microseconds since the Unix epoch.
    pub since_us: Option<u64>,
    /// Of this key.
    pub key: Option<String>,
    /// Of this team.
    pub team: Option<String>,
}

impl Filter {
    fn takes(&self, opening: &Opening) -> bool {
        self.since_us.is_none_or(|since| opening.opened_us >= since)
            && self.key.as_deref().is_none_or(|key| key == &*opening.key)
            && self.team.as_deref().is_none_or(|team| team == &*opening.team)
    }
}

/// Writes the attempts of a state directory; returns how many.
///
/// # Errors
///
/// When the ledger cannot be read, or `Output` when `out` cannot be written.
pub fn export(dir: &Path, filter: &Filter, out: &mut dyn Write) -> Result<u64, LedgerError> {
    let View { store, tail, found, open, damage, .. } = View::read(dir)?;
    for place in damage {
        tracing::error!(file = %place.path.display(), offset = place.offset, "journal damage: {}", place.what);
    }
    let settled = tail.iter().map(|row| Attempt { opening: &row.opening, end: End::Settled(&row.settlement) });
    let unsettled = open.iter().map(|Unsettled { opening, output_tokens }| Attempt {
        opening,
        end: End::Open { output_tokens: *output_tokens },
    });
    let mut recent: Vec<Attempt<'_>> =
        settled.chain(unsettled).filter(|attempt| filter.takes(attempt.opening)).collect();
    recent.sort_unstable_by_key(Attempt::moment);
    let known = Known::new(store.as_ref(), &found)?;
    let mut merge = Merge { recent: recent.into_iter().peekable(), known, out, lines: 0 };
    if let Some(store) = &store {
        let sql = format!(
            "SELECT {ROW_COLUMNS} FROM attempt WHERE opened_us >= ?1 AND (?2 IS NULL OR key = ?2) \
             AND (?3 IS NULL OR team = ?3) ORDER BY opened_us, request, attempt"
        );
        let corrections = corrections::between(store, signed(filter.since_us.unwrap_or(0)), i64::MAX)?;
        let mut statement = store.prepare(&sql)?;
        let mut names = Names::default();
        let mut rows = statement.query(params![signed(filter.since_us.unwrap_or(0)), filter.key, filter.team])?;
        while let Some(row) = rows.next()? {
            let row = row_at(row, &mut names)?;
            merge.stored(&row)?;
            for correction in corrections::of(&corrections, row.opening.id) {
                merge.corrected(&row, correction)?;
            }
        }
    }
    merge.rest()
}

/// Brings rows of the store and attempts of the tail into one order.
struct Merge<'a, I: Iterator<Item = Attempt<'a>>> {
    recent: std::iter::Peekable<I>,
    known: Known<'a>,
    out: &'a mut dyn Write,
    lines: u64,
}

impl<'a, I: Iterator<Item = Attempt<'a>>> Merge<'a, I> {
    fn stored(&mut self, row: &Row) -> Result<(), LedgerError> {
        let attempt = Attempt { opening: &row.opening, end: End::Settled(&row.settlement) };
        while let Some(earlier) = self.recent.next_if(|recent| recent.moment() < attempt.moment()) {
            self.write(&earlier)?;
        }
        self.write(&attempt)
    }

    /// A line of its own behind the attempt's: what the correction adds, and no tokens.
    fn corrected(&mut self, row: &Row, correction: &Correction) -> Result<(), LedgerError> {
        let (cost, version) = (Some(NanoUsd(correction.difference())), Some(Arc::from(&*correction.price_version)));
        let settlement = Settlement {
            usage: Usage::default(),
            saved: NanoUsd::ZERO,
            cost,
            price_version: version,
            latency_us: 0,
            first_token_us: None,
            overhead_us: None,
            ..row.settlement.clone()
        };
        let attempt = Attempt { opening: &row.opening, end: End::Settled(&settlement) };
        self.write_line(&Line { correction: Some(correction.number), ..attempt.line(&[]) })
    }

    fn rest(mut self) -> Result<u64, LedgerError> {
        while let Some(attempt) = self.recent.next() {
            self.write(&attempt)?;
        }
        Ok(self.lines)
    }

    fn write(&mut self, attempt: &Attempt<'_>) -> Result<(), LedgerError> {
        let found = self.known.of(attempt.opening.id.request)?;
        self.write_line(&attempt.line(&found))
    }

    fn write_line(&mut self, line: &Line<'_>) -> Result<(), LedgerError> {
        let written = serde_json::to_writer(&mut *self.out, line).map_err(std::io::Error::from);
        written.and_then(|()| self.out.write_all(b"\n")).map_err(LedgerError::Output)?;
        self.lines += 1;
        Ok(())
    }
}

/// An attempt, settled or not.
struct Attempt<'a> {
    opening: &'a Opening,
    end: End<'a>,
}

enum End<'a> {
    Settled(&'a Settlement),
    Open { output_tokens: u64 },
}

impl<'a> Attempt<'a> {
    fn moment(&self) -> (u64, AttemptId) {
        (self.opening.opened_us, self.opening.id)
    }

    fn line<'b>(&self, found: &'b [Findings]) -> Line<'b>
    where
        'a: 'b,
    {
        let opening = self.opening;
        let (settlement, usage, origin) = match self.end {
            End::Settled(settlement) => (Some(settlement), settlement.usage, settlement.origin.name()),
            End::Open { output_tokens } => {
                let input = opening.estimated_input_tokens;
                (None, Usage { input, output: output_tokens, ..Usage::default() }, "open")
            }
        };
        Line {
            id: opening.id.request.to_string(),
            attempt: opening.id.attempt,
            request_id: &opening.request_label,
            time: rfc3339(opening.opened_us),
            key: &opening.key,
            team: &opening.team,
            user: opening.user.as_deref(),
            model: &opening.model,
            provider: &opening.provider,
            target_model: &opening.target_model,
            status: settlement.map(|end| end.status),
            input_tokens: usage.input_total(),
            cache_read_tokens: usage.cache_read,
            cache_write_5m_tokens: usage.cache_write_5m,
            cache_write_1h_tokens: usage.cache_write_1h,
            output_tokens: usage.output_total(),
            reasoning_tokens: usage.reasoning,
            usage_origin: origin,
            cost_nano_usd: settlement.and_then(|end| end.cost),
            price_version: settlement.and_then(|end| end.price_version.as_deref()),
            latency_us: settlement.map(|end| end.latency_us),
            first_token_us: settlement.and_then(|end| end.first_token_us),
            overhead_us: settlement.and_then(|end| end.overhead_us),
            guardrails: of_attempt(opening.id.attempt, found),
            error: settlement.and_then(|end| end.error.as_deref()),
            charges: opening.charges.iter().map(Charge::of).collect(),
            correction: None,
            image_input_tokens: usage.image_input,
            image_output_tokens: usage.image_output,
            images: usage.images,
            audio_seconds: seconds(usage.audio_ms),
            characters: usage.characters,
            searches: usage.searches,
            saved_nano_usd: settlement.map_or(NanoUsd::ZERO, |end| end.saved),
        }
    }
}

/// The contract's fields, in its order.
#[derive(Serialize)]
struct Line<'a> {
    id: String,
    attempt: u16,
    request_id: &'a str,
    time: String,
    key: &'a str,
    team: &'a str,
    user: Option<&'a str>,
    model: &'a str,
    provider: &'a str,
    target_model: &'a str,
    status: Option<u16>,
    input_tokens: u64,
    cache_read_tokens: u64,
    cache_write_5m_tokens: u64,
    cache_write_1h_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: u64,
    usage_origin: &'a str,
    cost_nano_usd: Option<NanoUsd>,
    price_version: Option<&'a str>,
    latency_us: Option<u64>,
    first_token_us: Option<u64>,
    overhead_us: Option<u64>,
    /// What guardrails found in the answer; at the first attempt also in the request.
    guardrails: Option<Vec<Shown<'a>>>,
    error: Option<&'a str>,
    charges: Vec<Charge<'a>>,
    correction: Option<u16>,
    /// Part of `input_tokens`.
    image_input_tokens: u64,
    /// Part of `output_tokens`.
    image_output_tokens: u64,
    images: u64,
    audio_seconds: f64,
    characters: u64,
    searches: u64,
    /// What the answer had cost that was given again.
    saved_nano_usd: NanoUsd,
}

/// A balance that the attempt is charged to.
#[derive(Serialize)]
struct Charge<'a> {
    budget: &'a str,
    entity: Option<&'a str>,
    /// Beginning of the period; null: for life.
    period: Option<String>,
    unit: &'static str,
    held: i64,
}

impl<'a> Charge<'a> {
    fn of(charged: &'a Charged) -> Self {
        Self {
            budget: &charged.budget,
            entity: Some(&*charged.entity).filter(|entity| !entity.is_empty()),
            period: (charged.period_us > 0).then(|| rfc3339(charged.period_us)),
            unit: charged.unit.name(),
            held: charged.held,
        }
    }
}

/// Milliseconds as JSON shows seconds: exact up to 53 bits, which is longer than anybody speaks.
pub(crate) fn seconds(millis: u64) -> f64 {
    millis as f64 / 1_000.0
}

/// RFC 3339 in UTC with all six decimals; a time past year 9999 is its last moment.
pub(crate) fn rfc3339(time_us: u64) -> String {
    let time = i64::try_from(time_us).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
    time.unwrap_or(Timestamp::MAX).strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
