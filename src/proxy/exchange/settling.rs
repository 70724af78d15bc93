//! What the end of an answer means: its attempt is settled before the last bytes go out.

use super::Exchange;
use crate::{
    proxy::{finish::Booking, stream::Release, trouble::Trouble},
    routing::Ended,
};
use bytes::Bytes;
use tokio::time::Instant;

impl Exchange {
    /// Books what a release means. The settlement is journaled before the last bytes go out, so that whoever got a
    /// whole answer finds its row.
    pub(super) fn after(&mut self, release: Release, begun: Instant) -> Bytes {
        let now_us = self.services.clock.now_us();
        let outside = self.asks_outside();
        let Some(attempt) = &mut self.attempt else { return release.bytes };
        attempt.alive(begun, release.first_output);
        if let Some(entry) = attempt.entry.as_mut().filter(|_| release.first_output) {
            entry.answers(now_us);
        }
        // What services have not let out may still be tried at another target.
        if attempt.answer.released() && (self.answered || !outside) {
            // The request's bytes are not needed for another target any more.
            attempt.drop_body();
            if attempt.answer.is_live() {
                self.opened.forget_body(&attempt.target);
            }
        }
        if !self.keeps() {
            return self.ended(release.bytes, begun);
        }
        // What waits for somebody to look at it is settled when it goes out.
        self.record.overhead += begun.elapsed();
        release.bytes
    }

    /// Settles the attempt if `bytes` are the last of its answer.
    pub(super) fn ended(&mut self, bytes: Bytes, begun: Instant) -> Bytes {
        self.record.cached.take(&bytes);
        let Some(attempt) = &self.attempt else { return bytes };
        if !attempt.answer.ended() && attempt.answer.failed().is_none() {
            return bytes;
        }
        let trouble = attempt.answer.failed().cloned();
        let looked = self.opened.guarding.as_ref().and_then(|guarding| guarding.marker());
        let marker = looked.unwrap_or(attempt.answer.end_marker_bytes());
        let marker = if attempt.is_open() { marker } else { 0 };
        self.record.overhead += begun.elapsed();
        self.settle(trouble);
        self.keep_answer(marker);
        if self.opened.include_cost && marker > 0 { self.with_cost(&bytes, marker) } else { bytes }
    }

    /// The end of a stream with its cost in a comment before the end marker, for a client that asked for it.
    fn with_cost(&self, bytes: &Bytes, marker: usize) -> Bytes {
        let cost = self.record.cost().map_or_else(|| "null".to_owned(), |cost| cost.to_string());
        let comment = format!(": x-weighbridge-cost-usd {cost}\n\n");
        let (before, end) = bytes.split_at(bytes.len().saturating_sub(marker));
        [before, comment.as_bytes(), end].concat().into()
    }

    /// Settles the attempt under way, once.
    pub(super) fn settle(&mut self, trouble: Option<Trouble>) {
        if trouble.is_some() {
            self.record.cached.begin_anew();
        }
        let now_us = self.now_us();
        let Some(attempt) = &mut self.attempt else { return };
        if let Some(entry) = attempt.entry.take() {
            let ended = match &trouble {
                // What it says of a request that it refuses, and how fast, is no answer.
                None if attempt.answer.is_refusal() => Ended::Neither,
                None => Ended::Well(attempt.pace()),
                // A stream that goes on for longer than a request may is no sick target, nor is one that was asked late.
                Some(Trouble::Total) if attempt.first_output.is_some() || !attempt.had_its_time(Instant::now()) => {
                    Ended::Neither
                }
                Some(trouble) => trouble.ended(),
            };
            entry.end(ended, now_us);
        }
        let Some(booking) = Booking::of(attempt, &self.opened, trouble, self.record.overhead) else { return };
        self.record.found(&self.opened, &self.services, true);
        booking.book(&self.services, &mut self.record);
        self.record.paused(self.course.take_pause());
    }
}
