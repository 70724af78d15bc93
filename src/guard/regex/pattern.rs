//! One user's pattern as an automaton, and where it may match.

use super::limits::{MOST_AUTOMATON, read};
use crate::guard::{Grow, Hit, LONGEST, Spotter};
use regex_automata::{
    Anchored, MatchKind,
    dfa::{Automaton, StartKind, dense},
    nfa::thompson,
    util::{primitives::StateID, start, syntax},
};
use std::collections::BTreeSet;

/// A hit has no more bytes: characters are whole, and a byte behind it may decide.
pub const MOST_BYTES: usize = LONGEST - 6;

/// Bytes from the beginning of a match that a filter looks at.
pub(super) const LOOKED_AT: usize = 3;

/// A pattern that obeys the laws of spotters: whether it matches at a place is decided by the byte in front and
/// [`MOST_BYTES`] from there on.
///
/// What matches at a place is what a search that prefers the first alternative (Perl's rule) finds in these bytes: a
/// match that would be longer is cut, and one that has its end further away is none. Linear: an automaton walks at most
/// 251 bytes from a place, and most places die at once.
pub struct Pattern {
    entity: &'static str,
    dfa: dense::DFA<Vec<u32>>,
    /// For each of the first bytes of a match, those that it may be.
    first: [[bool; 256]; LOOKED_AT],
    cut: bool,
}

/// What an automaton said about a place.
struct Walk {
    /// Where the match ends.
    end: Option<usize>,
    /// More text may change it.
    open: bool,
}

impl Pattern {
    /// Compiles `pattern`, whose matches are `entity`. Classes have bytes of ASCII, and `.` is one byte, unless
    /// `unicode`.
    ///
    /// # Errors
    ///
    /// What is wrong, with the place in the pattern: it does not parse, matches nothing or the end of a text, has no
    /// place to begin or end in a stream, or is too large.
    pub fn new(entity: &'static str, pattern: &str, unicode: bool) -> Result<Self, String> {
        let read = read(pattern, unicode)?;
        let dfa = dense::Builder::new()
            .configure(
                dense::Config::new()
                    .start_kind(StartKind::Anchored)
                    .match_kind(MatchKind::LeftmostFirst)
                    .dfa_size_limit(Some(MOST_AUTOMATON))
                    .determinize_size_limit(Some(4 * MOST_AUTOMATON)),
            )
            .syntax(syntax::Config::new().unicode(unicode).utf8(false))
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(MOST_AUTOMATON)))
            .build(pattern)
            .map_err(|_| {
                let by = if unicode { "; without `unicode: true` classes are much smaller" } else { "" };
                format!("its automaton is larger than {} KiB: repeat less or smaller classes{by}", MOST_AUTOMATON >> 10)
            })?;
        let first = first_bytes(&dfa);
        Ok(Self { entity, dfa, first, cut: read.cut })
    }

    /// Whether it may match more than [`MOST_BYTES`]: hits are cut there, and an end further away is not seen.
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    /// What its matches are.
    pub const fn entity(&self) -> &'static str {
        self.entity
    }

    /// Whether the byte may be this one of a match.
    pub(super) const fn may_have(&self, place: usize, byte: u8) -> bool {
        self.first[place][byte as usize]
    }

    fn may_begin(&self, bytes: &[u8], at: usize) -> bool {
        let rest = bytes.get(at..).unwrap_or_default();
        self.first.iter().zip(rest).all(|(may, &byte)| may[usize::from(byte)])
    }

    /// The match that begins at `at`.
    pub(super) fn hit(&self, text: &str, at: usize) -> Option<Hit> {
        let end = self.walk(text.as_bytes(), at).end?;
        let at = text.floor_char_boundary(at)..text.ceil_char_boundary(end);
        Some(Hit { at, entity: self.entity, grow: None::<Grow> })
    }

    /// Whether more text may change what begins at `at`.
    pub(super) fn is_open(&self, text: &str, at: usize) -> bool {
        self.walk(text.as_bytes(), at).open
    }

    fn walk(&self, bytes: &[u8], at: usize) -> Walk {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before)).copied();
        let Some(mut state) = begin(&self.dfa, before) else { return Walk { end: None, open: false } };
        let mut end = None;
        let rest = bytes.get(at..).unwrap_or_default();
        // The automaton tells a match one byte later.
        for (index, &byte) in rest.iter().take(MOST_BYTES + 1).enumerate() {
            state = self.dfa.next_state(state, byte);
            if self.dfa.is_special_state(state) {
                if self.dfa.is_match_state(state) {
                    end = Some(at + index);
                } else if self.dfa.is_dead_state(state) || self.dfa.is_quit_state(state) {
                    return Walk { end, open: false };
                }
            }
        }
        if rest.len() > MOST_BYTES {
            return Walk { end, open: false };
        }
        if self.dfa.is_match_state(self.dfa.next_eoi_state(state)) {
            end = Some(bytes.len());
        }
        // A match was told by the last byte: often nothing can follow.
        let over = self.dfa.is_match_state(state)
            && (0..=u8::MAX).all(|byte| self.dfa.is_dead_state(self.dfa.next_state(state, byte)));
        Walk { end, open: !over }
    }
}

impl Spotter for Pattern {
    fn next(&self, text: &str, from: usize) -> Option<Hit> {
        let bytes = text.as_bytes();
        (from..bytes.len()).filter(|&at| self.may_begin(bytes, at)).find_map(|at| self.hit(text, at))
    }

    fn pending(&self, text: &str, from: usize) -> usize {
        let bytes = text.as_bytes();
        let least = open_from(text, from);
        let open = (least..bytes.len()).find(|&at| self.may_begin(bytes, at) && self.is_open(text, at));
        open.map_or(text.len(), |at| text.floor_char_boundary(at).max(from))
    }
}

/// The first place that may be undecided.
pub(super) fn open_from(text: &str, from: usize) -> usize {
    from.max(text.len().saturating_sub(MOST_BYTES))
}

fn begin(dfa: &dense::DFA<Vec<u32>>, before: Option<u8>) -> Option<StateID> {
    dfa.start_state(&start::Config::new().anchored(Anchored::Yes).look_behind(before)).ok()
}

/// What the first bytes of a match may be, whatever stands in front.
fn first_bytes(dfa: &dense::DFA<Vec<u32>>) -> [[bool; 256]; LOOKED_AT] {
    let mut may = [[false; 256]; LOOKED_AT];
    // The kinds of bytes that looks tell apart.
    let before = [None, Some(b'\n'), Some(b'\r'), Some(b'a'), Some(b' '), Some(0x80)];
    let mut states: BTreeSet<StateID> = before.into_iter().filter_map(|before| begin(dfa, before)).collect();
    for may in &mut may {
        let mut next = BTreeSet::new();
        for (byte, may) in (0..=u8::MAX).zip(may.iter_mut()) {
            for &state in &states {
                let after = dfa.next_state(state, byte);
                if !dfa.is_dead_state(after) && !dfa.is_quit_state(after) {
                    *may = true;
                    next.insert(after);
                }
            }
        }
        states = next;
    }
    may
}
