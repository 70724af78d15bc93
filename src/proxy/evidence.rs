//! What guardrails found goes into the ledger: that of a request before it is refused or sent, that of an answer as it
//! comes, and before its attempt is settled. So whoever has an answer, or a refusal, finds what was found in it.

use super::{
    exchange::{Arrival, Opened},
    finish::Record,
    gateway::Services,
};
use crate::{
    auth::Caller,
    guard::{Guards, Verdicts},
    ledger::findings::{Finding, Findings},
    model::{Api, AttemptId},
};
use std::sync::Arc;

/// Between two records of one answer, in microseconds, but for the first and the last.
const PAUSE_US: u64 = 1_000_000;

/// What of a request's verdicts the ledger has.
#[derive(Debug, Default)]
pub struct Evidence {
    /// Of each that was said so far, how often.
    told: Vec<u32>,
    attempt: u16,
    part: u16,
    at_us: u64,
}

/// Whose request it is.
pub struct Asker<'a> {
    pub arrival: &'a Arrival,
    pub caller: &'a Caller,
    pub user: Option<&'a Arc<str>>,
    pub model: &'a Arc<str>,
    pub api: Api,
    pub guards: &'a Guards,
}

impl Asker<'_> {
    /// Records what was found in a request.
    pub fn found(&self, services: &Services, verdicts: &Verdicts) {
        Evidence::default().tell(services, self, verdicts, 0);
    }
}

impl Evidence {
    fn grown(&self, verdicts: &Verdicts) -> bool {
        let had = self.told.iter().chain(std::iter::repeat(&0));
        verdicts.all().iter().zip(had).any(|(said, had)| said.count > *had)
    }

    /// Records what is new in `verdicts`, which only ever grow.
    fn tell(&mut self, services: &Services, asker: &Asker<'_>, verdicts: &Verdicts, attempt: u16) {
        let had = self.told.iter().copied().chain(std::iter::repeat(0));
        let new = verdicts.all().iter().zip(had).filter(|(said, had)| said.count > *had);
        let finding = |(said, had): (&crate::guard::Said, u32)| Finding {
            guardrail: Arc::clone(&said.guard),
            kind: asker.guards.named(&said.guard).map_or("", |guard| guard.kind).into(),
            entity: Arc::clone(&said.entity),
            foreign: said.foreign,
            hook: said.hook.name().into(),
            action: said.action.name().into(),
            audited: said.audited,
            count: said.count - had,
        };
        let findings: Vec<Finding> = new.map(finding).collect();
        if findings.is_empty() {
            return;
        }
        if self.attempt != attempt {
            (self.attempt, self.part) = (attempt, 0);
        }
        self.part = self.part.saturating_add(1);
        self.told = verdicts.all().iter().map(|said| said.count).collect();
        services.ledger.found(&Findings {
            id: AttemptId { request: asker.arrival.id, attempt },
            part: self.part,
            time_us: asker.arrival.at_us,
            key: Arc::clone(&asker.caller.key),
            team: Arc::clone(&asker.caller.team),
            user: asker.user.cloned(),
            model: Arc::clone(asker.model),
            api: asker.api.name(),
            findings,
        });
    }
}

impl Record {
    /// The ledger has what was found in the request itself.
    pub fn knowing(mut self, opened: &Opened) -> Self {
        let said = opened.guarding.iter().flat_map(|guarding| guarding.verdicts().all());
        self.evidence.told = said.map(|said| said.count).collect();
        self
    }

    /// Records what was found in the answer of the attempt under way: the first time at once, then once a second, and at
    /// its `end`.
    pub fn found(&mut self, opened: &Opened, services: &Services, end: bool) {
        let Some(guarding) = &opened.guarding else { return };
        let verdicts = guarding.verdicts();
        if !self.evidence.grown(verdicts) {
            return;
        }
        let (attempt, now_us) = (self.attempts().saturating_add(1), services.clock.now_us());
        // `abs_diff`: a clock that was set back must not silence it.
        if !end && now_us.abs_diff(self.evidence.at_us) < PAUSE_US {
            return;
        }
        self.evidence.at_us = now_us;
        let asker = Asker {
            arrival: &opened.arrival,
            caller: &opened.caller,
            user: opened.user.as_ref(),
            model: &opened.model,
            api: opened.ask.api,
            guards: &opened.snapshot.guards,
        };
        self.evidence.tell(services, &asker, verdicts, attempt);
    }
}
