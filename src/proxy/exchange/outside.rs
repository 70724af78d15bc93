//! What services say about the answer, between its arrival and its way out.

use super::{Exchange, Opened};
use crate::{
    dialect::view,
    guard::remote::{RemoteError, Told},
    proxy::{
        guarded::{Asking, Ends, Guarding, told_by},
        trouble::Trouble,
    },
};
use bytes::Bytes;
use std::time::Duration;
use tokio::time::Instant;

impl Exchange {
    /// Whether services have a say in what goes out.
    pub fn asks_outside(&self) -> bool {
        self.opened.guarding.as_ref().is_some_and(|guarding| guarding.asks_outside())
    }

    /// Whether a part of the answer waits for services, or to be let out behind them.
    pub fn keeps(&self) -> bool {
        self.opened.guarding.as_ref().is_some_and(|guarding| guarding.keeps())
    }

    /// The guardrails, if a long answer waits for them: they look at it elsewhere and are put back.
    pub fn take_long(&mut self) -> Option<Box<Guarding>> {
        self.opened.guarding.take_if(|guarding| guarding.is_long())
    }

    /// Puts them back, `took` later.
    pub fn put_back(&mut self, guarding: Box<Guarding>, took: Duration) {
        self.record.overhead += took;
        self.opened.guarding = Some(guarding);
    }

    /// The next question to a service, if it is time for one. It is asked without the lock; [`Self::heard`] takes the
    /// answer.
    pub fn asks(&mut self) -> Option<Asking> {
        self.opened.guarding.as_mut()?.asks()
    }

    /// What a service said.
    pub fn heard(&mut self, asking: &Asking, told: Result<Told, RemoteError>) {
        if let Some(guarding) = &mut self.opened.guarding {
            guarding.heard(asking, told);
            self.record.found(&self.opened, &self.services, false);
        }
    }

    /// What services let out. The attempt is settled with the last of it.
    ///
    /// # Errors
    ///
    /// They refuse the answer, of which the client has nothing.
    pub fn let_out(&mut self) -> Result<Bytes, Trouble> {
        let begun = Instant::now();
        let told = self.told();
        let Exchange { opened, attempt: Some(attempt), services, .. } = self else { return Ok(Bytes::new()) };
        let Opened { guarding: Some(guarding), arrival, model, .. } = opened else { return Ok(Bytes::new()) };
        let ends = Ends { id: arrival.id, model, now_s: services.clock.now_us() / 1_000_000 };
        let Some((mut out, trouble)) = guarding.let_out(&ends, told) else { return Ok(Bytes::new()) };
        if let Some(trouble) = trouble {
            if !told {
                return Err(trouble); // a status tells it
            }
            if attempt.answer.is_stream() && !view::has_ending(opened.ask.api) {
                out.bytes = told_by(out.bytes, &attempt.answer, &trouble);
            }
            attempt.answer.cut(trouble);
        }
        Ok(if out.all { self.ended(out.bytes, begun) } else { out.bytes })
    }
}
