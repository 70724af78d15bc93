//! The next target that may be tried: it serves the call, its provider's limits let an attempt pass, and it can be paid.

use super::course::Course;
use super::exchange::Opened;
use super::gateway::{Services, Snapshot};
use super::governed::reserved_tokens;
use super::purse::{Paid, Unpaid};
use super::reject::Reject;
use super::target::Target;
use super::translate::Meaning;
use crate::config::OnExhausted;
use crate::limits::{Permit, Refusal, Subject};
use crate::model::Edits;
use crate::routing::{Entry, Route, Standing, Stands};
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

/// How far a candidate is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Among targets that take requests.
    Open,
    /// Among those that do not, too: nothing better is left.
    Shut,
}

/// Switches of the model that one request may make.
const MOST_SWITCHES: usize = 3;

impl Opened {
    /// Takes the next candidate that is `ripe`; `over` learns of those that are passed over.
    pub fn next_candidate(
        &mut self,
        services: &Services,
        may_switch: bool,
        reach: Reach,
        over: &mut PassedOver,
        ripe: impl Fn(&Target) -> bool,
    ) -> Option<Candidate> {
        let api = self.ask.api;
        let fits = |target: &Target| target.serves(api) && ripe(target);
        loop {
            let now_us = services.clock.now_us();
            let (target, entry) = match reach {
                Reach::Open => self.plan.take_next(now_us, fits)?,
                Reach::Shut => self.plan.take_shut(now_us, fits)?,
            };
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
            if let Some(candidate) = self.first_candidate(services, switches < MOST_SWITCHES, &mut over) {
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
                Some(route) if switches < MOST_SWITCHES => self.switch(services, snapshot, route, &[])?,
                _ if matches!(unpaid, Unpaid::Elsewhere(_)) => {
                    // It cannot go there: it stays as long as it can be paid.
                    self.plan = before.clone();
                    let mut over = PassedOver::default();
                    self.first = self.first_candidate(services, false, &mut over);
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

    /// The first candidate. One that is shut is taken only where no other model with a target that takes requests may answer
    /// instead: else that is found by the attempts.
    fn first_candidate(&mut self, services: &Services, may_switch: bool, over: &mut PassedOver) -> Option<Candidate> {
        let open = self.next_candidate(services, may_switch, Reach::Open, over, |_| true);
        if open.is_some() || matches!(over.unpaid, Some(Unpaid::Elsewhere(_))) {
            return open;
        }
        let only_shut = over.unpaid.is_none() && over.untranslatable.is_none();
        if only_shut && Course::new(self).has_open_spare(self, services.clock.now_us()) {
            return None;
        }
        self.next_candidate(services, may_switch, Reach::Shut, over, |_| true)
    }

    fn visited(&self, route: &Route<Target>) -> bool {
        self.plan.route().name == route.name || self.model == route.name
    }

    /// Goes on with another model, under its limits and budgets, but not with its targets of the standings `out`.
    ///
    /// # Errors
    ///
    /// When no target is for the request, or the model's limits do not let it pass: nothing has changed then.
    pub fn switch(
        &mut self,
        services: &Services,
        snapshot: &Snapshot,
        route: &Arc<Route<Target>>,
        out: &[Arc<Standing>],
    ) -> Result<(), Reject> {
        // The last attempt may have left its edits in it.
        self.ask.body.apply(&Edits::new());
        let plan = self.planned(Arc::clone(route), services.clock.now_us())?;
        let plan = plan.leaving_out(|target| out.iter().any(|one| Arc::ptr_eq(one, target.standing())));
        if plan.left().is_empty() {
            return Err(Reject::NoTarget(format!("the targets of model `{}` have failed already", route.name)));
        }
        let mut governing = self.governing.clone();
        snapshot.governed.with_model(&mut governing, &route.name);
        let subject = Subject { model: &route.name, ..self.subject() };
        let permit =
            governing.admit_model(&services.limits, Permit::default(), &subject, reserved_tokens(&self.ask))?;
        // Of a model that no attempt was made with.
        drop(self.permit.take_model_tokens());
        self.permit.join(permit);
        self.plan.go_on_with(plan);
        self.governing = governing;
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
