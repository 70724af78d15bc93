//! Reading rows and positions back.

use crate::ledger::LedgerError;
use crate::ledger::journal::segment::Position;
use crate::ledger::row::{Names, Opening, Row, Settlement, api_name};
use crate::ledger::store::balances;
use crate::model::{AttemptId, NanoUsd, RequestId, ServiceTier, Usage, UsageOrigin};
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};
use std::collections::BTreeMap;

/// Columns of an attempt, in the order in which they are written and read.
pub(crate) const ROW_COLUMNS: &str = "request, attempt, opened_us, label, key, team, user, model, api, stream, \
     provider, target_model, status, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, \
     audio_input, audio_output, origin, cost_nano, price_version, tier, latency_us, first_token_us, overhead_us, error, \
     charges, image_input, image_output, images, audio_ms, characters, searches, saved_nano";

/// How far an epoch is folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Folded {
    /// Up to here its attempts are in the store.
    pub position: Position,
    /// Where the oldest attempt that is open there begins.
    pub scan: Position,
    /// Whether the epoch is over, and all of it is here.
    pub sealed: bool,
    /// Attempts folded.
    pub folded: u64,
    /// Attempts that were in the store already, though this place of the journal was never folded.
    pub repeated: u64,
}

impl Folded {
    /// Nothing yet.
    pub(crate) const NOTHING: Self =
        Self { position: Position::START, scan: Position::START, sealed: false, folded: 0, repeated: 0 };
}

/// The positions of all epochs.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn positions(conn: &Connection) -> Result<BTreeMap<u64, Folded>, LedgerError> {
    let mut statement = conn.prepare(
        "SELECT epoch, number, \"offset\", scan_number, scan_offset, sealed, folded, repeated FROM position",
    )?;
    let rows = statement.query_map([], |row| {
        let position = Position { number: count(row, 1)?, offset: count(row, 2)? };
        let scan = Position { number: count(row, 3)?, offset: count(row, 4)? };
        let (sealed, folded, repeated) = (row.get(5)?, count(row, 6)?, count(row, 7)?);
        Ok((count(row, 0)?, Folded { position, scan, sealed, folded, repeated }))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Remembers how far an epoch is folded.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn set_position(conn: &Connection, epoch: u64, at: &Folded) -> Result<(), rusqlite::Error> {
    let mut statement = conn.prepare_cached("INSERT OR REPLACE INTO position VALUES (?,?,?,?,?,?,?,?)")?;
    let (now, scan) = (at.position, at.scan);
    statement.execute(params![
        signed(epoch),
        signed(now.number),
        signed(now.offset),
        signed(scan.number),
        signed(scan.offset),
        at.sealed,
        signed(at.folded),
        signed(at.repeated)
    ])?;
    Ok(())
}

/// Writes a row; tells whether it is new.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn insert(conn: &Connection, row: &Row) -> Result<bool, rusqlite::Error> {
    const SQL: &str = "INSERT OR IGNORE INTO attempt VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
    let (opening, settlement) = (&row.opening, &row.settlement);
    let usage = &settlement.usage;
    let mut statement = conn.prepare_cached(SQL)?;
    let changed = statement.execute(params![
        opening.id.request.0.to_be_bytes(),
        opening.id.attempt,
        signed(opening.opened_us),
        opening.request_label,
        opening.key,
        opening.team,
        opening.user,
        opening.model,
        opening.api,
        opening.stream,
        opening.provider,
        opening.target_model,
        settlement.status,
        signed(usage.input),
        signed(usage.cache_read),
        signed(usage.cache_write_5m),
        signed(usage.cache_write_1h),
        signed(usage.output),
        signed(usage.reasoning),
        signed(usage.audio_input),
        signed(usage.audio_output),
        settlement.origin.name(),
        settlement.cost.map(|cost| cost.0),
        settlement.price_version,
        settlement.tier.name(),
        signed(settlement.latency_us),
        settlement.first_token_us.map(signed),
        settlement.overhead_us.map(signed),
        settlement.error,
        balances::charges_text(&opening.charges),
        signed(usage.image_input),
        signed(usage.image_output),
        signed(usage.images),
        signed(usage.audio_ms),
        signed(usage.characters),
        signed(usage.searches),
        settlement.saved.0,
    ])?;
    Ok(changed > 0)
}

/// One row by its id.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn row(conn: &Connection, id: AttemptId, names: &mut Names) -> Result<Option<Row>, rusqlite::Error> {
    let sql = format!("SELECT {ROW_COLUMNS} FROM attempt WHERE request = ? AND attempt = ?");
    let mut statement = conn.prepare_cached(&sql)?;
    statement.query_row(params![id.request.0.to_be_bytes(), id.attempt], |row| row_at(row, names)).optional()
}

/// Reads a row from [`ROW_COLUMNS`]. What only the journal keeps (price, estimate) is left out.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn row_at(row: &SqlRow<'_>, names: &mut Names) -> Result<Row, rusqlite::Error> {
    let request: [u8; 16] = row.get(0)?;
    let mut name = |column: usize| Ok::<_, rusqlite::Error>(names.intern(row.get_ref(column)?.as_str()?));
    let opening = Opening {
        id: AttemptId { request: RequestId(u128::from_be_bytes(request)), attempt: row.get(1)? },
        opened_us: count(row, 2)?,
        request_label: row.get(3)?,
        key: name(4)?,
        team: name(5)?,
        user: row.get(6)?,
        model: name(7)?,
        api: api_name(row.get_ref(8)?.as_str()?),
        stream: row.get(9)?,
        provider: name(10)?,
        target_model: name(11)?,
        price: None,
        estimated_input_tokens: 0,
        charges: balances::charges_at(row, 29)?,
    };
    let usage = Usage {
        input: count(row, 13)?,
        cache_read: count(row, 14)?,
        cache_write_5m: count(row, 15)?,
        cache_write_1h: count(row, 16)?,
        output: count(row, 17)?,
        reasoning: count(row, 18)?,
        audio_input: count(row, 19)?,
        audio_output: count(row, 20)?,
        image_input: count(row, 30)?,
        image_output: count(row, 31)?,
        images: count(row, 32)?,
        audio_ms: count(row, 33)?,
        characters: count(row, 34)?,
        searches: count(row, 35)?,
    };
    let settlement = Settlement {
        status: row.get(12)?,
        usage,
        origin: row.get_ref(21)?.as_str()?.parse().unwrap_or(UsageOrigin::Estimated),
        cost: row.get::<_, Option<i64>>(22)?.map(NanoUsd),
        saved: NanoUsd(row.get(36)?),
        price_version: row.get(23)?,
        tier: tier(row.get_ref(24)?.as_str()?),
        latency_us: count(row, 25)?,
        first_token_us: row.get::<_, Option<i64>>(26)?.map(unsigned),
        overhead_us: row.get::<_, Option<i64>>(27)?.map(unsigned),
        error: row.get(28)?,
    };
    Ok(Row { opening, settlement })
}

/// A row as the store gives it back: without what only the journal keeps.
pub(crate) fn stored(mut row: Row) -> Row {
    row.opening.price = None;
    row.opening.estimated_input_tokens = 0;
    row.opening.opened_us = row.opening.opened_us.min(i64::MAX as u64);
    row
}

fn tier(name: &str) -> ServiceTier {
    [ServiceTier::Standard, ServiceTier::Flex, ServiceTier::Priority, ServiceTier::Batch]
        .into_iter()
        .find(|tier| tier.name() == name)
        .unwrap_or_default()
}

/// A number that is never negative, from a column.
fn count(row: &SqlRow<'_>, at: usize) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(at).map(unsigned)
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or_default()
}

/// SQLite's integers are signed; larger numbers do not occur (figures are bounded before they are journaled).
pub(crate) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
