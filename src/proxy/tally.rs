//! Sums over a request's attempts, and what was reserved for it of the limits on tokens.

use super::governed;
use crate::{
    limits::Tokens,
    model::{NanoUsd, Usage, UsageOrigin},
    telemetry::{AccessLog, AccessRecord},
};
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::sync::Arc;

/// Sums over a request's attempts. Counting may still be going on when the request is over: whoever comes last
/// writes the access record.
#[derive(Default)]
pub struct Tally {
    usage: Usage,
    origin: Option<UsageOrigin>,
    cost: NanoUsd,
    unpriced: bool,
    /// Attempts that are being counted.
    counting: usize,
    record: Option<Box<AccessRecord>>,
    /// Reserved of all limits on tokens but the models'; corrected when all attempts are counted.
    reserved: Option<Tokens>,
    /// The models that the request was with, the one under way last.
    models: SmallVec<[OfModel; 1]>,
    /// What attempts came to, by their place, for their spans.
    attempts: SmallVec<[(usize, Usage, Option<NanoUsd>); 1]>,
}

/// What a model's own limits on tokens are settled with.
struct OfModel {
    name: Arc<str>,
    reserved: Option<Tokens>,
    /// Of the attempts that were made with it.
    usage: Usage,
}

/// A request that ends without being recorded was counted as far as it came.
impl Drop for Tally {
    fn drop(&mut self) {
        self.settle_reserved();
    }
}

impl Tally {
    /// Nothing was used yet; `reserved` is corrected when everything has.
    pub fn new(reserved: Tokens) -> Self {
        let mut tally = Self::default();
        tally.reserved = Some(reserved).filter(|tokens| !tokens.is_empty());
        tally
    }

    /// From now on attempts are made with the model of this name, under whose own limits `reserved` tokens are. Said again
    /// of the model under way it changes nothing.
    pub fn with_model(&mut self, name: &Arc<str>, reserved: Tokens) {
        if self.models.last().is_some_and(|last| last.name == *name) {
            return;
        }
        let reserved = Some(reserved).filter(|tokens| !tokens.is_empty());
        self.models.push(OfModel { name: Arc::clone(name), reserved, usage: Usage::ZERO });
    }

    /// The model under way, for [`Self::add`].
    pub fn model(&self) -> usize {
        self.models.len().saturating_sub(1)
    }

    /// What an attempt with the model of this number came to.
    pub fn add(&mut self, model: usize, usage: &Usage, origin: UsageOrigin, cost: Option<NanoUsd>) {
        self.usage = self.usage.plus(usage);
        if let Some(of) = self.models.get_mut(model) {
            of.usage = of.usage.plus(usage);
        }
        // The least certain origin stands for the sum.
        self.origin = Some(match (self.origin, origin) {
            (None | Some(UsageOrigin::None), origin) => origin,
            (Some(known), UsageOrigin::None | UsageOrigin::Reported) => known,
            (Some(UsageOrigin::Estimated), _) => UsageOrigin::Estimated,
            (Some(_), origin) => origin,
        });
        match cost {
            Some(cost) => self.cost = self.cost.saturating_add(cost),
            None => self.unpriced = true,
        }
    }

    /// What the attempt at this place among the request's came to.
    pub fn of_attempt(&mut self, number: usize, usage: &Usage, cost: Option<NanoUsd>) {
        self.attempts.push((number, *usage, cost));
    }

    /// Cost of all attempts, if it is known.
    pub fn cost(&self) -> Option<NanoUsd> {
        (!self.unpriced && self.counting == 0).then_some(self.cost)
    }

    /// An attempt is being counted, until [`Self::counted`].
    pub const fn counts(&mut self) {
        self.counting += 1;
    }

    /// One attempt was counted.
    pub fn counted(tally: &Mutex<Self>, log: &AccessLog) {
        let mut tally = tally.lock();
        tally.counting = tally.counting.saturating_sub(1);
        tally.write_if_done(log);
    }

    /// The request is over: this is written when everything is counted.
    pub fn over(&mut self, record: Box<AccessRecord>, log: &AccessLog) {
        self.record = Some(record);
        self.write_if_done(log);
    }

    fn settle_reserved(&mut self) {
        if let Some(tokens) = self.reserved.take() {
            governed::settle(tokens, &self.usage);
        }
        for model in &mut self.models {
            if let Some(tokens) = model.reserved.take() {
                governed::settle(tokens, &model.usage);
            }
        }
    }

    fn write_if_done(&mut self, log: &AccessLog) {
        if self.counting > 0 {
            return;
        }
        if let Some(mut record) = self.record.take() {
            self.settle_reserved();
            record.usage = self.usage;
            record.usage_origin = self.origin.unwrap_or(UsageOrigin::None);
            record.cost = (!self.unpriced).then_some(self.cost);
            for (number, usage, cost) in self.attempts.drain(..) {
                if let Some(attempt) = record.attempts.get_mut(number) {
                    (attempt.detail.usage, attempt.detail.cost) = (usage, cost);
                }
            }
            log.write(record);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_take_the_least_certain_origin_and_one_unknown_price_makes_the_sum_unknown() {
        use UsageOrigin::{Counted, Estimated, None as Nothing, Reported};
        let cases: [(&[UsageOrigin], UsageOrigin); 7] = [
            (&[Nothing], Nothing),
            (&[Nothing, Reported], Reported),
            (&[Reported, Nothing], Reported),
            (&[Reported, Counted], Counted),
            (&[Counted, Reported], Counted),
            (&[Estimated, Counted], Estimated),
            (&[Counted, Nothing, Estimated, Reported], Estimated),
        ];
        for (origins, want) in cases {
            let mut tally = Tally::default();
            origins.iter().for_each(|origin| tally.add(0, &Usage::default(), *origin, Some(NanoUsd(2))));
            assert_eq!(tally.origin, Some(want), "{origins:?}");
            assert_eq!((tally.cost.0, tally.unpriced), (2 * origins.len() as i64, false));
            tally.add(0, &Usage::default(), Reported, None);
            assert!(tally.unpriced);
        }
        let mut tally = Tally::default();
        tally.add(0, &Usage { input: u64::MAX, ..Usage::default() }, Reported, Some(NanoUsd(i64::MAX)));
        tally.add(0, &Usage { input: 1, ..Usage::default() }, Reported, Some(NanoUsd(1)));
        assert_eq!((tally.usage.input, tally.cost), (u64::MAX, NanoUsd(i64::MAX)), "sums do not wrap");
    }
}
