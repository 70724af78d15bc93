//! A body that is edited in place, so that a large one is never copied for the sake of a model's name.

use bytes::{Bytes, BytesMut};
use std::ops::Range;

/// Replaces the bytes `at` of the original body by `with`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Where, in offsets of the original body.
    pub at: Range<usize>,
    /// What stands there instead.
    pub with: Bytes,
}

/// The edits of one attempt, in ascending order and not overlapping.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Edits(Vec<Edit>);

impl Edits {
    /// No edits.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds an edit; keeps the order by place.
    ///
    /// # Panics
    ///
    /// When two edits overlap: they come from disjoint members of one parsed body.
    pub fn replace(&mut self, at: Range<usize>, with: Bytes) {
        let index = self.0.partition_point(|edit| (edit.at.start, edit.at.end) < (at.start, at.end));
        let clear_left = index == 0 || self.0[index - 1].at.end <= at.start;
        let clear_right = self.0.get(index).is_none_or(|next| at.end <= next.at.start);
        assert!(clear_left && clear_right, "two edits of one body never overlap");
        self.0.insert(index, Edit { at, with });
    }

    /// Whether nothing is to be changed.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The body of a request: the original bytes, with room around them for edits.
///
/// [`Draft::apply`] gives the body of one attempt. The room in front takes what an edit near the beginning
/// adds, by moving only the few bytes before it; so a body of 20 MB whose `model` stands first is not copied.
/// An edit that is nearer to the end moves the bytes behind it instead. Before the next attempt the edits are
/// taken back in the same way. Only when somebody still holds the bytes of the last attempt is the body copied.
#[derive(Debug, Default)]
pub struct Draft {
    /// Room, the body as it stands, room.
    store: Bytes,
    /// Where the body as it stands is.
    body: Range<usize>,
    /// What was applied, to be taken back: the place in the original, what stood there, and the new length.
    applied: Vec<Undo>,
}

#[derive(Debug, Clone)]
struct Undo {
    at: Range<usize>,
    was: Bytes,
    now: usize,
}

/// Bytes kept free on each side. A model's name, `stream_options` and an output cap fit many times over; what
/// does not fit makes one copy.
pub const ROOM: usize = 1024;

impl Draft {
    /// Starts a body of about `expected` bytes.
    pub fn with_capacity(expected: usize) -> DraftBuilder {
        let mut store = BytesMut::with_capacity(expected.saturating_add(2 * ROOM));
        store.resize(ROOM, 0);
        DraftBuilder { store }
    }

    /// The body, copied from `bytes`: for small or made-up ones.
    pub fn copy_of(bytes: &[u8]) -> Self {
        let mut builder = Self::with_capacity(bytes.len());
        builder.push(bytes);
        builder.finish()
    }

    /// Bytes of the body as it stands.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Whether the body is empty.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The body as it stands: as sent, until [`Self::apply`] is called.
    pub fn as_slice(&self) -> &[u8] {
        &self.store[self.body.clone()]
    }

    /// The body as it stands, without a copy.
    pub fn bytes(&self) -> Bytes {
        self.store.slice(self.body.clone())
    }

    /// Takes back the edits of the last attempt, applies `edits` to the original, and returns the result.
    ///
    /// # Panics
    ///
    /// When an edit lies outside of the original body.
    pub fn apply(&mut self, edits: &Edits) -> Bytes {
        if edits.is_empty() && self.applied.is_empty() {
            return self.bytes();
        }
        let mut work = Work::take(std::mem::take(&mut self.store), self.body.clone());
        // Backwards: places of the original are true as long as nothing before them has changed.
        for undo in std::mem::take(&mut self.applied).into_iter().rev() {
            work.splice(undo.at.start..undo.at.start + undo.now, &undo.was);
        }
        let mut shift = 0isize;
        for edit in &edits.0 {
            let start = edit.at.start.checked_add_signed(shift).expect("edits are in order");
            let was = Bytes::copy_from_slice(work.slice(start..start + edit.at.len()));
            work.splice(start..start + edit.at.len(), &edit.with);
            shift += signed(edit.with.len()) - signed(edit.at.len());
            self.applied.push(Undo { at: start..start + edit.at.len(), was, now: edit.with.len() });
        }
        self.body = work.body;
        self.store = work.store.freeze();
        self.bytes()
    }

    /// Gives the memory back; the body is empty from now on.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// A body that is being read.
#[derive(Debug)]
pub struct DraftBuilder {
    store: BytesMut,
}

impl DraftBuilder {
    /// Appends what was read.
    pub fn push(&mut self, piece: &[u8]) {
        self.store.extend_from_slice(piece);
    }

    /// Bytes read so far.
    pub fn len(&self) -> usize {
        self.store.len() - ROOM
    }

    /// Whether nothing was read yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The body is whole.
    pub fn finish(mut self) -> Draft {
        let body = ROOM..self.store.len();
        self.store.resize(body.end + ROOM, 0);
        Draft { store: self.store.freeze(), body, applied: Vec::new() }
    }
}

/// The store while it is changed.
struct Work {
    store: BytesMut,
    body: Range<usize>,
}

impl Work {
    /// Takes the bytes without a copy when nobody else holds them.
    fn take(store: Bytes, body: Range<usize>) -> Self {
        match store.try_into_mut() {
            Ok(store) => Self { store, body },
            Err(shared) => {
                let mut store = BytesMut::with_capacity(body.len() + 2 * ROOM);
                store.resize(ROOM, 0);
                store.extend_from_slice(&shared[body.clone()]);
                store.resize(2 * ROOM + body.len(), 0);
                Self { store, body: ROOM..ROOM + body.len() }
            }
        }
    }

    fn slice(&self, at: Range<usize>) -> &[u8] {
        &self.store[self.body.start + at.start..self.body.start + at.end]
    }

    /// Replaces `at` (an offset into the body as it stands), moving the shorter side.
    fn splice(&mut self, at: Range<usize>, with: &[u8]) {
        let growth = signed(with.len()) - signed(at.len());
        let (before, after) = (at.start, self.body.len() - at.end);
        let room_front = self.body.start.checked_add_signed(-growth);
        let room_back = self.body.end.checked_add_signed(growth).filter(|&end| end <= self.store.len());
        match (room_front, room_back) {
            (Some(start), back) if before <= after || back.is_none() => {
                self.store.copy_within(self.body.start..self.body.start + before, start);
                self.body.start = start;
            }
            (_, Some(end)) => {
                let from = self.body.start + at.end;
                self.store.copy_within(from..self.body.end, end - after);
                self.body.end = end;
            }
            (_, None) => {
                let mut grown = BytesMut::with_capacity(self.body.len() + with.len() + 2 * ROOM);
                grown.resize(ROOM, 0);
                grown.extend_from_slice(self.slice(0..at.start));
                grown.extend_from_slice(with);
                grown.extend_from_slice(self.slice(at.end..self.body.len()));
                self.body = ROOM..grown.len();
                grown.resize(self.body.end + ROOM, 0);
                self.store = grown;
                return;
            }
        }
        let start = self.body.start + at.start;
        self.store[start..start + with.len()].copy_from_slice(with);
    }
}

/// Lengths of buffers in memory fit in `isize` (the allocator guarantees it).
fn signed(length: usize) -> isize {
    isize::try_from(length).expect("no buffer is longer than isize::MAX")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn applied_naively(body: &[u8], edits: &Edits) -> Vec<u8> {
        let (mut out, mut from) = (Vec::new(), 0);
        for edit in &edits.0 {
            out.extend_from_slice(&body[from..edit.at.start]);
            out.extend_from_slice(&edit.with);
            from = edit.at.end;
        }
        out.extend_from_slice(&body[from..]);
        out
    }

    #[test]
    fn a_large_body_is_not_copied_for_a_new_name() {
        let body = format!("{{\"model\":\"a\",\"x\":\"{}\"}}", "y".repeat(1 << 20));
        let mut draft = Draft::copy_of(body.as_bytes());
        let before = draft.bytes().as_ptr().wrapping_add(100);
        let mut edits = Edits::new();
        edits.replace(9..12, Bytes::from_static(b"\"a-much-longer-name\""));
        let sent = draft.apply(&edits);
        assert_eq!(sent.as_ptr().wrapping_add(100 + 17), before, "the tail stays where it is");
    }

    fn edits() -> impl Strategy<Value = (Vec<u8>, Vec<Edits>)> {
        let body = proptest::collection::vec(any::<u8>(), 0..200);
        body.prop_flat_map(|body| {
            let length = body.len();
            let cuts = proptest::collection::vec(0..=length, 0..6);
            let word = proptest::collection::vec(any::<u8>(), 0..1500);
            let one = (cuts, proptest::collection::vec(word, 3)).prop_map(|(mut cuts, words)| {
                cuts.sort_unstable();
                let mut edits = Edits::new();
                for (pair, word) in cuts.chunks_exact(2).zip(words) {
                    edits.replace(pair[0]..pair[1], Bytes::from(word));
                }
                edits
            });
            (Just(body), proptest::collection::vec(one, 1..4))
        })
    }

    proptest! {
        /// Each attempt sees the original with its own edits, whatever the attempts before did.
        #[test]
        fn an_attempt_never_sees_the_edits_of_another((body, attempts) in edits(), hold in any::<bool>()) {
            let mut draft = Draft::copy_of(&body);
            let mut held = Vec::new();
            for edits in &attempts {
                let got = draft.apply(edits);
                prop_assert_eq!(&got[..], &applied_naively(&body, edits)[..]);
                if hold { held.push((got, edits)); }
            }
            for (got, edits) in held {
                prop_assert_eq!(&got[..], &applied_naively(&body, edits)[..], "a body that is held stays as it was");
            }
        }
    }
}
