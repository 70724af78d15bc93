//! How far a stream is: what its end needs to know. The last event can be taken back, for a client does not get the one
//! that is blocked.

use std::collections::BTreeMap;

/// What was seen of a stream's frame.
#[derive(Debug, Default)]
pub(in crate::dialect::view) struct Course {
    begun: bool,
    /// The reason of the end was told, and its marker was not.
    finished: bool,
    ended: bool,
    /// Choices, blocks or candidates, by whether they are open.
    parts: BTreeMap<u32, bool>,
    sequence: Option<u64>,
    /// What the last event changed.
    before: Vec<Before>,
    told: Told,
}

/// Members of the frame, as they stand: JSON.
#[derive(Debug, Default)]
pub(in crate::dialect::view) struct Told {
    pub id: Vec<u8>,
    pub model: Vec<u8>,
    pub created: Vec<u8>,
    pub usage: Vec<u8>,
    /// The `response` of the first event, unless it is long.
    pub response: Vec<u8>,
}

#[derive(Debug)]
enum Before {
    Begun,
    Finished,
    Ended,
    Part(u32, Option<bool>),
    Sequence(Option<u64>),
}

/// What a client has of a stream.
#[derive(Debug)]
pub(in crate::dialect::view) struct Standing<'a> {
    pub begun: bool,
    pub finished: bool,
    pub ended: bool,
    /// Parts that are open.
    pub open: Vec<u32>,
    /// Parts that are over.
    pub over: bool,
    /// The last number.
    pub sequence: Option<u64>,
    pub told: &'a Told,
}

impl Course {
    /// The next event begins.
    pub(super) fn next(&mut self) {
        self.before.clear();
    }

    pub(super) fn begin(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            self.before.push(Before::Begun);
        }
    }

    pub(super) fn finish(&mut self) {
        if !std::mem::replace(&mut self.finished, true) {
            self.before.push(Before::Finished);
        }
    }

    pub(super) fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.before.push(Before::Ended);
        }
    }

    /// Something came of this part; it is open unless it is over.
    pub(super) fn open(&mut self, part: u32) {
        if let std::collections::btree_map::Entry::Vacant(vacant) = self.parts.entry(part) {
            vacant.insert(true);
            self.before.push(Before::Part(part, None));
        }
    }

    pub(super) fn close(&mut self, part: u32) {
        let before = self.parts.insert(part, false);
        if before != Some(false) {
            self.before.push(Before::Part(part, before));
        }
    }

    pub(super) fn number(&mut self, sequence: u64) {
        self.before.push(Before::Sequence(self.sequence));
        self.sequence = Some(sequence);
    }

    pub(super) const fn told(&mut self) -> &mut Told {
        &mut self.told
    }

    pub(super) fn standing(&self, last_went_out: bool) -> Standing<'_> {
        let Self { mut begun, mut finished, mut ended, mut sequence, .. } = *self;
        let mut parts = self.parts.clone();
        let undone: &[Before] = if last_went_out { &[] } else { &self.before };
        for before in undone.iter().rev() {
            match before {
                Before::Begun => begun = false,
                Before::Finished => finished = false,
                Before::Ended => ended = false,
                Before::Part(part, open) => match open {
                    None => parts.retain(|other, _| other != part),
                    Some(open) => parts.extend([(*part, *open)]),
                },
                Before::Sequence(number) => sequence = *number,
            }
        }
        let open = parts.iter().filter(|(_, open)| **open).map(|(part, _)| *part).collect();
        let over = parts.values().any(|open| !open);
        Standing { begun, finished, ended, open, over, sequence, told: &self.told }
    }
}

/// Keeps a member that events repeat.
pub(super) fn keep(kept: &mut Vec<u8>, member: &[u8]) {
    if kept != member && member != b"null" {
        kept.clear();
        kept.extend_from_slice(member);
    }
}
