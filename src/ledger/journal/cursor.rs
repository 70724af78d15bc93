//! Reading an epoch from a position on: frames in, finished attempts out.

use super::frame::{Counts, Frame, SettleFrame};
use super::segment::{Position, SegmentId, SegmentReader, Step, list};
use super::used::MoreUsage;
use crate::ledger::LedgerError;
use crate::ledger::correction::Correction;
use crate::ledger::findings::Findings;
use crate::ledger::refused::Refused;
use crate::ledger::row::{Names, Opening, Row, Settlement};
use crate::model::{AttemptId, NanoUsd};
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// What is told of a segment that is not there.
pub(crate) const MISSING: &str = "the segment is missing";

/// An attempt that was begun and not settled up to the cursor.
#[derive(Debug)]
pub(crate) struct Pending {
    pub opening: Opening,
    /// Where its record begins.
    pub since: Position,
    /// Output tokens as last journaled.
    pub output_tokens: u64,
}

/// Something in the journal that should not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    pub path: PathBuf,
    pub offset: u64,
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} at byte {}: {}", self.path.display(), self.offset, self.what)
    }
}

/// Reads one epoch.
#[derive(Debug)]
pub(crate) struct Cursor {
    journal: PathBuf,
    epoch: u64,
    at: Position,
    reader: Option<SegmentReader>,
    names: Names,
    /// Attempts begun and not settled.
    pub pending: HashMap<AttemptId, Pending>,
    /// What was found that should not be there, since it was last taken.
    pub damage: Vec<Damage>,
    /// Attempts whose settlement had no beginning: told apart, because a dropped segment may hold it.
    pub unknown: Vec<(AttemptId, Settlement, Position)>,
    /// What was read since the epoch's beginning; `None` as long as that is not known.
    counts: Option<Counts>,
    /// Whether the epoch's last seal was read.
    pub sealed: bool,
    /// The torn tail: where it begins, and its length.
    pub torn: Option<(Position, u64)>,
    /// Frames read.
    pub frames: u64,
}

/// What is finished.
#[derive(Debug)]
pub(crate) enum Entry {
    /// An attempt is over.
    Row(Box<Row>),
    /// A cost was corrected.
    Corrected(Correction),
    /// A request was refused.
    Refused(Box<Refused>),
    /// Guardrails found something.
    Found(Box<Findings>),
}

impl Entry {
    /// The attempt, if it is one.
    pub(crate) fn row(&self) -> Option<&Row> {
        match self {
            Self::Row(row) => Some(row),
            Self::Corrected(_) | Self::Refused(_) | Self::Found(_) => None,
        }
    }
}

impl Cursor {
    /// Before the epoch's first segment.
    pub(crate) fn start(journal: &Path, epoch: u64) -> Self {
        Self {
            journal: journal.to_owned(),
            epoch,
            at: Position::START,
            reader: None,
            names: Names::default(),
            pending: HashMap::new(),
            damage: Vec::new(),
            unknown: Vec::new(),
            counts: None,
            sealed: false,
            torn: None,
            frames: 0,
        }
    }

    /// At `folded`, knowing the attempts that are open there; the oldest of them begins at `scan`.
    ///
    /// # Errors
    ///
    /// When segments cannot be read.
    pub(crate) fn resume(journal: &Path, epoch: u64, scan: Position, folded: Position) -> Result<Self, LedgerError> {
        let mut cursor = Self::start(journal, epoch);
        cursor.at = scan;
        if scan < folded {
            while cursor.next(Some(folded))?.is_some() {}
            cursor.at = cursor.at.max(folded);
            cursor.reader = None;
        }
        // All this was told when it was folded; what was begun before `scan` is settled before `folded`.
        cursor.damage.clear();
        cursor.unknown.clear();
        Ok(cursor)
    }

    /// After the last frame that was read.
    pub(crate) fn position(&self) -> Position {
        self.at
    }

    /// Where reading must begin to know all attempts that are open at [`Self::position`].
    pub(crate) fn scan_from(&self) -> Position {
        self.pending.values().map(|pending| pending.since).min().unwrap_or(self.at).min(self.at)
    }

    /// The segment that the cursor stands in.
    pub(crate) fn segment(&self) -> SegmentId {
        SegmentId { epoch: self.epoch, number: self.at.number }
    }

    /// The next finished attempt; everything else is passed over. As [`Self::entry`].
    pub(crate) fn next(&mut self, limit: Option<Position>) -> Result<Option<Row>, LedgerError> {
        loop {
            match self.entry(limit)? {
                Some(Entry::Row(row)) => return Ok(Some(*row)),
                Some(Entry::Corrected(_) | Entry::Refused(_) | Entry::Found(_)) => {}
                None => return Ok(None),
            }
        }
    }

    /// What is finished next before `limit` (default: the end of the files); `None`: no more for now.
    ///
    /// # Errors
    ///
    /// When a segment cannot be read. Damage is no error: it is kept in `damage`, and reading goes on behind it.
    pub(crate) fn entry(&mut self, limit: Option<Position>) -> Result<Option<Entry>, LedgerError> {
        self.torn = None;
        loop {
            if limit.is_some_and(|limit| self.at >= limit) || !self.enter(limit)? {
                return Ok(None);
            }
            let Some(mut reader) = self.reader.take() else { return Ok(None) };
            let (meaning, more) = self.take(&mut reader)?;
            let seen = reader.limit();
            if more {
                self.reader = Some(reader);
            }
            match meaning {
                Some(entry) => return Ok(Some(entry)),
                None if more => {}
                None => {
                    if !self.leave(limit, seen)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Takes one step; tells whether the segment may hold more.
    fn take(&mut self, reader: &mut SegmentReader) -> Result<(Option<Entry>, bool), LedgerError> {
        let number = self.at.number;
        Ok(match reader.step()? {
            Step::Frame { at, next, frame } => {
                self.at.offset = next;
                self.frames += 1;
                (self.understand(frame, Position { number, offset: at }), true)
            }
            Step::End => (None, false),
            Step::Damaged { at, resume } => {
                let what = format!("{} bytes are no whole record, records follow", resume - at);
                self.damaged(at, what);
                self.at.offset = resume;
                (None, true)
            }
            Step::Torn { at, bytes } => {
                self.torn = Some((Position { number, offset: at }, bytes));
                (None, false)
            }
        })
    }

    fn understand(&mut self, frame: Frame<'_>, at: Position) -> Option<Entry> {
        match frame {
            Frame::Open(open) => {
                let opening = Opening::from_frame(&open, &mut self.names);
                self.begin(opening, at);
            }
            Frame::OpenCharged(frame) => {
                let opening = Opening::from_frame(&frame.open, &mut self.names);
                let opening = opening.charged_to(&frame.charges, &mut self.names);
                self.begin(opening, at);
            }
            Frame::Correct(correct) => return Some(Entry::Corrected(Correction::from_frame(&correct))),
            Frame::Refuse(refuse) => {
                return Some(Entry::Refused(Box::new(Refused::from_frame(&refuse, &mut self.names))));
            }
            Frame::Find(find) => {
                return Some(Entry::Found(Box::new(Findings::from_frame(&find, &mut self.names))));
            }
            Frame::Progress(progress) => {
                if let Some(pending) = self.pending.get_mut(&progress.id) {
                    pending.output_tokens = pending.output_tokens.max(progress.output_tokens);
                }
            }
            Frame::Settle(settle) => return self.settled(&settle, (MoreUsage::default(), NanoUsd::ZERO), at),
            Frame::SettleMore(frame) => return self.settled(&frame.settle, (frame.more, NanoUsd::ZERO), at),
            Frame::SettleSaved(frame) => {
                return self.settled(&frame.settle, (frame.more, NanoUsd(frame.saved_nano)), at);
            }
            Frame::Checkpoint(counts) => {
                if let Some(read) = self.counts.replace(counts).filter(|read| *read != counts) {
                    let what = format!("the segments before hold {read:?}, but {counts:?} were written");
                    self.damaged(at.offset, what);
                }
            }
            Frame::Seal(seal) => self.sealed |= seal.last,
        }
        None
    }

    fn settled(
        &mut self,
        settle: &SettleFrame<'_>,
        (more, saved): (MoreUsage, NanoUsd),
        at: Position,
    ) -> Option<Entry> {
        let settlement = Settlement::from_frame(settle, more, saved, &mut self.names);
        self.count(|counts| {
            counts.settled += 1;
            counts.cost_nano = counts.cost_nano.saturating_add(settle.cost_nano.unwrap_or(0));
        });
        let Some(Pending { opening, .. }) = self.pending.remove(&settle.id) else {
            self.unknown.push((settle.id, settlement, at));
            return None;
        };
        Some(Entry::Row(Box::new(Row { opening, settlement })))
    }

    fn begin(&mut self, opening: Opening, since: Position) {
        self.count(|counts| counts.opened += 1);
        let id = opening.id;
        if self.pending.insert(id, Pending { opening, since, output_tokens: 0 }).is_some() {
            self.damaged(since.offset, format!("attempt `{id}` begins a second time"));
        }
    }

    /// Remembers damage in the segment that the cursor stands in.
    fn damaged(&mut self, offset: u64, what: String) {
        self.damage.push(Damage { path: self.segment().path(&self.journal), offset, what });
    }

    fn count(&mut self, counted: impl FnOnce(&mut Counts)) {
        if let Some(counts) = &mut self.counts {
            counted(counts);
        }
    }

    /// Opens the segment that the cursor stands in; tells whether there is one.
    fn enter(&mut self, limit: Option<Position>) -> Result<bool, LedgerError> {
        if self.at.number == 0 {
            let Some(number) = self.following()? else { return Ok(false) };
            self.at = Position { number, offset: 0 };
            self.counts = (number == 1).then(Counts::default);
        }
        let end = limit.filter(|limit| limit.number == self.at.number).map(|limit| limit.offset);
        if let Some(reader) = &mut self.reader {
            if let Some(end) = end {
                reader.extend_to(end);
            }
            return Ok(true);
        }
        match SegmentReader::open(&self.journal, self.segment(), end) {
            Ok(mut reader) => {
                reader.seek(self.at.offset);
                self.at.offset = reader.offset();
                self.reader = Some(reader);
                Ok(true)
            }
            Err(e @ LedgerError::Format { newer: false, .. }) => self.pass_over(e.to_string(), limit),
            Err(LedgerError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                self.pass_over(MISSING.to_owned(), limit)
            }
            Err(e) => Err(e),
        }
    }

    /// A segment that cannot be read at all: told once, when there is one behind it to go on with.
    fn pass_over(&mut self, what: String, limit: Option<Position>) -> Result<bool, LedgerError> {
        let damage = Damage { path: self.segment().path(&self.journal), offset: 0, what };
        if !self.leave(limit, u64::MAX)? {
            return Ok(false);
        }
        self.damage.push(damage);
        self.enter(limit)
    }

    /// Goes to the next segment; tells whether there is one. The file was read up to `seen`.
    fn leave(&mut self, limit: Option<Position>, seen: u64) -> Result<bool, LedgerError> {
        self.reader = None;
        if limit.is_some_and(|limit| limit.number <= self.at.number) {
            return Ok(false);
        }
        let following = self.following()?;
        // Looked at after asking for the next segment: this one grows no more when there is a next one.
        let path = self.segment().path(&self.journal);
        if std::fs::metadata(&path).is_ok_and(|found| found.len() > seen) {
            self.torn = None;
            return Ok(true);
        }
        let Some(number) = following else { return Ok(false) };
        if let Some((at, bytes)) = self.torn.take() {
            let what = format!("{bytes} bytes at the end are no whole record, though a segment follows");
            self.damage.push(Damage { path, offset: at.offset, what });
        }
        for missing in self.at.number + 1..number {
            let path = SegmentId { epoch: self.epoch, number: missing }.path(&self.journal);
            self.damage.push(Damage { path, offset: 0, what: MISSING.to_owned() });
        }
        self.at = Position { number, offset: 0 };
        Ok(true)
    }

    /// The number of the first segment of the epoch behind the cursor's.
    fn following(&self) -> Result<Option<u64>, LedgerError> {
        let ids = list(&self.journal)?;
        Ok(ids.into_iter().filter(|id| id.epoch == self.epoch).map(|id| id.number).find(|n| *n > self.at.number))
    }
}
