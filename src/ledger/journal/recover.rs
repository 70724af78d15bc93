//! Finishing the epoch of a process that died.
//!
//! The torn tail is cut at the last whole frame, every attempt that is still open is settled as estimated, and the
//! epoch is sealed. Doing it again, also after dying in the middle of it, changes nothing more.

use super::cursor::{Cursor, Damage};
use super::frame::encode;
use super::segment::{Position, SegmentId};
use super::writer::Writer;
use crate::ledger::LedgerError;
use std::path::Path;

/// What recovery found.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// Attempts that were open and are settled now.
    pub attempts: u64,
    /// Bytes of a record that was not written whole.
    pub cut_bytes: u64,
    /// What they held beyond what they are charged, in nano-dollars.
    pub released_nano: u64,
    /// What was damaged in the middle; it is left as it is.
    pub damage: Vec<Damage>,
}

/// Finishes `epoch`, whose lock the caller holds. It is read from `scan` on; before `folded` everything is known.
///
/// # Errors
///
/// When the journal cannot be read or written.
pub(crate) fn recover(journal: &Path, epoch: u64, scan: Position, folded: Position) -> Result<Recovered, LedgerError> {
    let mut cursor = Cursor::resume(journal, epoch, scan, folded)?;
    while cursor.next(None)?.is_some() {}
    let mut found = Recovered { damage: std::mem::take(&mut cursor.damage), ..Recovered::default() };
    let at = cursor.position();
    if at.number == 0 || cursor.sealed && cursor.torn.is_none() && cursor.pending.is_empty() {
        return Ok(found);
    }
    found.cut_bytes = cursor.torn.map_or(0, |(_, bytes)| bytes);
    let mut writer = if at.offset > 0 {
        Writer::resume(journal, cursor.segment(), at.offset)?
    } else {
        // The last segment's header is damaged: what it holds is lost to us, so nothing is appended to it.
        let id = SegmentId { number: at.number + 1, ..cursor.segment() };
        Writer::create(journal, id, Vec::new(), 0)?
    };
    let mut open: Vec<_> = cursor.pending.into_values().collect();
    open.sort_unstable_by_key(|pending| pending.since);
    let mut frame = Vec::new();
    for pending in &open {
        let settlement = pending.opening.crashed(pending.output_tokens).bounded();
        frame.clear();
        encode(&settlement.record(pending.opening.id), &mut frame)?;
        writer.queue(&frame);
        found.attempts += 1;
        let charged = settlement.cost.map_or(pending.opening.held_nano(), |cost| cost.0);
        let released = pending.opening.held_nano().saturating_sub(charged);
        found.released_nano = found.released_nano.saturating_add(u64::try_from(released).unwrap_or(0));
    }
    writer.seal(true)?;
    writer.file().sync_data().map_err(|e| LedgerError::io("flush", &writer.path(), e))?;
    Ok(found)
}
