//! The next target that may be tried: it serves the call, its provider's limits let an attempt pass, and it can be paid.

use super::exchange::Opened;
use super::gateway::{Services, Snapshot};
use super::governed::reserved_tokens;
use super::purse::{Paid, Unpaid};
use super::reject::Reject;
use super::target::Target;
use super::translate::Meaning;
use crate::config::OnExhausted;
use crate::limits::{Permit, Refusal};
use crate::routing::{Entry, Route};
use std::sync::Arc;

/// A target that may be tried.
pub struct Candidate {
    /// The target.
    pub target: Arc<Target>,
    /// Its place at the target.
    pub entry: Entry,
    /// What it holds of its provider's limits.
    pub permit: Permit,
    /// What it holds of the budgets.
    pub paid: Paid,
    /// The request in its API's words, if that is another than the client's.
    pub translated: Option<Meaning>,
}

/// Targets that were not tried, and why.
#[derive(Debug, Default)]
pub struct PassedOver {
    /// Because of their provider's limits: the refusal that is over first.
    pub limited: Option<Refusal>,
    /// Because no budget pays: the first.
    pub unpaid: Option<Unpaid>,
    /// Because they cannot be told what is asked: the first.
    pub untranslatable: Option<Reject>,
}

/// Switches of the model that one request may make.
const MOST_SWITCHES: usize = 3;

impl Opened {
    /// Takes the next candidate that is `ripe`; `over` learns of those that are passed over.
    pub fn next_candidate(
        &mut self,
        services: &Services,
        may_switch: bool,
        over: &mut PassedOver,
        ripe: impl Fn(&Target) -> bool,
    ) -> Option<Candidate> {
        let api = self.ask.api;
        loop {
            let (target, entry) =
                self.plan.take_next(services.clock.now_us(), |target| target.serves(api) && ripe(target))?;
            let translated = match self.fit(&target, &services.buffers) {
                Ok(translated) => translated,
                Err(reject) => {
                    self.plan.passed_over();
                    over.untranslatable.get_or_insert(reject);
                    continue;
                }
            };
            let now_us = services.clock.now_us();
            let paid = match self.pay(&target, now_us, may_switch) {
                Ok(paid) => paid,
                Err(unpaid) => {
                    self.plan.passed_over();
                    if matches!(unpaid, Unpaid::Elsewhere(_)) {
                        over.unpaid = Some(unpaid);
                        return None;
                    }
                    over.unpaid.get_or_insert(unpaid);
                    continue;
                }
            };
            match self.admit_attempt(services, &target.limits) {
                Ok(permit) => return Some(Candidate { target, entry, permit, paid, translated }),
                Err(refusal) => {
                    self.plan.passed_over();
                    if over.limited.as_ref().is_none_or(|other| refusal.is_over_before(other)) {
                        over.limited = Some(refusal);
                    }
                }
            }
        }
    }

    /// Stage 7: holds what the first candidate that can be paid may come to. Budgets may send the request to another
    /// model of the file.
    ///
    /// # Errors
    ///
    /// When no candidate can be paid; providers' limits are left to the attempts.
    pub fn reserve(&mut self, services: &Services, snapshot: &Snapshot) -> Result<(), Reject> {
        for switches in 0..=MOST_SWITCHES {
            let before = self.plan.clone();
            let mut over = PassedOver::default();
            if let Some(candidate) = self.next_candidate(services, switches < MOST_SWITCHES, &mut over, |_| true) {
                self.first = Some(candidate);
                return Ok(());
            }
            if let (None, None, Some(reject)) = (&over.unpaid, &over.limited, over.untranslatable) {
                return Err(reject);
            }
            let Some(unpaid) = over.unpaid else {
                // Nothing is wrong with the money: the attempts find the same, and tell it.
                self.plan = before;
                return Ok(());
            };
            let other = elsewhere(&unpaid).and_then(|model| snapshot.table.find(model));
            let may = |route: &Route<Target>| self.caller.may_call(&route.name) && self.fits(route);
            match other.filter(|route| may(route) && !self.visited(route)) {
                Some(route) if switches < MOST_SWITCHES => self.switch(services, snapshot, route)?,
                _ if matches!(unpaid, Unpaid::Elsewhere(_)) => {
                    // It cannot go there: it stays as long as it can be paid.
                    self.plan = before.clone();
                    let mut over = PassedOver::default();
                    self.first = self.next_candidate(services, false, &mut over, |_| true);
                    return match (&self.first, over.unpaid) {
                        (Some(_), _) => Ok(()),
                        (None, Some(unpaid)) => Err(self.unpaid(unpaid, services)),
                        (None, None) => {
                            self.plan = before; // only providers' limits: the attempts find the same, and tell it
                            Ok(())
                        }
                    };
                }
                _ => return Err(self.unpaid(unpaid, services)),
            }
        }
        Ok(())
    }

    fn visited(&self, route: &Route<Target>) -> bool {
        self.plan.route().name == route.name || self.model == route.name
    }

    /// Goes on with another model: under its limits and budgets.
    pub fn switch(
        &mut self,
        services: &Services,
        snapshot: &Snapshot,
        route: &Arc<Route<Target>>,
    ) -> Result<(), Reject> {
        let plan = self.planned(Arc::clone(route), services.clock.now_us())?;
        self.plan.go_on_with(plan);
        snapshot.governed.with_model(&mut self.governing, &route.name);
        let (permit, tokens) = (std::mem::take(&mut self.permit), reserved_tokens(&self.ask));
        self.permit = self.governing.admit_model(&services.limits, permit, &self.subject(), tokens)?;
        self.charges = self.facts().charges(self.governing.budgets());
        Ok(())
    }

    /// What the client is told.
    pub fn unpaid(&self, unpaid: Unpaid, services: &Services) -> Reject {
        match unpaid {
            Unpaid::Exhausted(exhausted) => Reject::BudgetExhausted {
                status: self.budgeting.exhausted_status,
                now_us: services.clock.now_us(),
                exhausted,
            },
            Unpaid::Unbounded { budget, field } => Reject::Unbounded { budget: budget.to_string(), field },
            // Only asked for where the request may go elsewhere.
            Unpaid::Elsewhere(model) => Reject::NoModel { model: model.to_string() },
        }
    }
}

/// The model that a budget wants to answer instead.
fn elsewhere(unpaid: &Unpaid) -> Option<&str> {
    match unpaid {
        Unpaid::Elsewhere(model) => Some(model),
        Unpaid::Exhausted(exhausted) => match &exhausted.on_exhausted {
            OnExhausted::Fallback { model, .. } => Some(model),
            OnExhausted::Refuse => None,
        },
        Unpaid::Unbounded { .. } => None,
    }
}
