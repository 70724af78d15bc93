//! What is passed on of one piece of a stream, copied only where something is left out.

use crate::sse::SseEvent;
use bytes::{Bytes, BytesMut};
use std::ops::Range;

/// Collects what is passed on of one piece: as a slice of the piece while nothing is left out of it.
pub struct Out<'a> {
    piece: &'a Bytes,
    /// The run of the piece that was taken so far, if it is one run.
    run: Range<usize>,
    /// Set once a copy was needed.
    copy: Option<BytesMut>,
}

impl<'a> Out<'a> {
    /// Nothing is taken yet.
    pub fn new(piece: &'a Bytes) -> Self {
        Self { piece, run: 0..0, copy: None }
    }

    /// Bytes taken so far.
    pub fn len(&self) -> usize {
        self.copy.as_ref().map_or(self.run.len(), BytesMut::len)
    }

    /// Takes an event as it came.
    pub fn whole(&mut self, event: &SseEvent) {
        if self.copy.is_none() && self.extend_run(&event.raw) {
            return;
        }
        self.copied().extend_from_slice(&event.raw);
    }

    /// Takes bytes that are no part of the piece.
    pub fn made(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.copied().extend_from_slice(bytes);
        }
    }

    /// Takes an event without the bytes `strip` of its data.
    pub fn event(&mut self, event: &SseEvent, strip: Option<Range<usize>>) {
        let Some(strip) = strip else { return self.whole(event) };
        let out = self.copied();
        match event.data_at {
            // Nearly every event of a stream whose usage chunk is hidden (`"usage":null`): no copy on the way.
            Some(at) => {
                out.extend_from_slice(&event.raw[..at + strip.start]);
                out.extend_from_slice(&event.raw[at + strip.end..]);
            }
            None => out.extend_from_slice(&event.without(strip)),
        }
    }

    /// Whether `raw` continues the run inside the piece; then it is part of it.
    fn extend_run(&mut self, raw: &Bytes) -> bool {
        let base = self.piece.as_ptr() as usize;
        let Some(start) = (raw.as_ptr() as usize).checked_sub(base) else { return false };
        let end = start + raw.len();
        if end > self.piece.len() || (!self.run.is_empty() && self.run.end != start) {
            return false;
        }
        if self.run.is_empty() {
            self.run = start..end;
        } else {
            self.run.end = end;
        }
        true
    }

    fn copied(&mut self) -> &mut BytesMut {
        let (piece, run) = (self.piece, self.run.clone());
        self.copy.get_or_insert_with(|| {
            let mut copy = BytesMut::with_capacity(piece.len());
            copy.extend_from_slice(&piece[run]);
            copy
        })
    }

    /// Appends what was taken to what is held.
    pub fn append_to(self, held: &mut BytesMut) {
        match self.copy {
            Some(copy) => held.extend_from_slice(&copy),
            None => held.extend_from_slice(&self.piece[self.run]),
        }
    }

    /// The bytes, behind what was held.
    pub fn behind(self, held: &mut BytesMut) -> Bytes {
        if held.is_empty() {
            return match self.copy {
                Some(copy) => copy.freeze(),
                None => self.piece.slice(self.run),
            };
        }
        let mut all = std::mem::take(held);
        self.append_to(&mut all);
        all.freeze()
    }
}
