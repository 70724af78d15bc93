//! Who pays for a request: the budgets that it matches, and what is held of them for each attempt.

use super::bound::{Bound, Unbounded, bound};
use super::exchange::Opened;
use super::metadata::Metadata;
use super::target::Target;
use crate::config::{Budget, Budgeting, Each, Rules, Unit};
use crate::ledger::budget::{BudgetRule, Budgets, Exhausted, Hold, Why, Worst, left};
use crate::model::{Api, Ask};
use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

/// The budgets of one scope, resolved to their balances.
pub type BudgetSet = Arc<[Arc<BudgetRule>]>;
/// A budget that a request matches, and the value that it is counted apart by (empty: none).
pub type Charge = (Arc<BudgetRule>, Arc<str>);

/// Finds the balances of the budgets of a scope.
pub fn resolve(budgets: &Budgets, rules: &Rules) -> BudgetSet {
    rules.budgets.iter().map(|budget| budgets.rule(budget)).collect()
}

/// What budgets are matched with and counted apart by.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The end user, if one is told.
    pub user: Option<&'a Arc<str>>,
    /// The key's name.
    pub key: &'a Arc<str>,
    /// The team's name.
    pub team: &'a Arc<str>,
    /// The model of the file that answers.
    pub model: &'a Arc<str>,
    /// Names and values that the client gave.
    pub metadata: &'a Metadata,
}

impl Facts<'_> {
    fn value(&self, name: &str) -> Option<&Arc<str>> {
        self.metadata.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    fn matches(&self, budget: &Budget) -> bool {
        budget.metadata.iter().all(|(name, value)| self.value(name) == Some(value))
    }

    fn entity(&self, budget: &Budget) -> Arc<str> {
        let known = match &budget.each {
            None => return Arc::clone(&WHOLE),
            Some(Each::User) => self.user,
            Some(Each::Key) => Some(self.key),
            Some(Each::Team) => Some(self.team),
            Some(Each::Model) => Some(self.model),
            Some(Each::Metadata(name)) => self.value(name),
        };
        Arc::clone(known.filter(|value| !value.is_empty()).unwrap_or(&NOBODY))
    }

    /// Those of `rules` that match, each with its entity.
    pub fn charges<'r>(&self, rules: impl IntoIterator<Item = &'r Arc<BudgetRule>>) -> Vec<Charge> {
        let matching = rules.into_iter().filter(|rule| self.matches(rule.config()));
        matching.map(|rule| (Arc::clone(rule), self.entity(rule.config()))).collect()
    }
}

/// What an attempt may spend.
#[derive(Debug, Default)]
pub struct Paid {
    /// What is held; `None`: no budget matches.
    pub hold: Option<Hold>,
    /// The output cap that goes up instead of the client's.
    pub cap: Option<u64>,
    /// What a stream may not pass: cap and answers.
    pub most: Option<(u64, u32)>,
    /// The cap is lower than what the client or the model would have allowed.
    pub lowered: bool,
}

/// Why an attempt is not paid for.
#[derive(Debug, Clone)]
pub enum Unpaid {
    /// A budget cannot pay.
    Exhausted(Box<Exhausted>),
    /// What it may cost has no bound, and a budget enforces.
    Unbounded {
        /// The budget.
        budget: Arc<str>,
        /// What has no bound.
        field: String,
    },
    /// A budget near its limit wants another model to answer.
    Elsewhere(Arc<str>),
}

impl Opened {
    /// What budgets are matched with.
    pub fn facts(&self) -> Facts<'_> {
        Facts {
            user: self.user.as_ref(),
            key: &self.caller.key,
            team: &self.caller.team,
            model: &self.plan.route().name,
            metadata: &self.metadata,
        }
    }

    /// The budgets that pay for an attempt at `target`: its provider's too.
    pub fn charges_at(&self, target: &Target) -> Cow<'_, [Charge]> {
        if target.budgets.is_empty() {
            return Cow::Borrowed(&self.charges);
        }
        let of_provider = self.facts().charges(&*target.budgets);
        Cow::Owned(self.charges.iter().cloned().chain(of_provider).collect())
    }

    /// Holds what an attempt at `target` may come to. `may_switch`: a budget near its limit may ask for another model.
    ///
    /// # Errors
    ///
    /// [`Unpaid`]; nothing is held then.
    pub fn pay(&self, target: &Target, now_us: u64, may_switch: bool) -> Result<Paid, Unpaid> {
        let charges = self.charges_at(target);
        if charges.is_empty() {
            return Ok(Paid::default());
        }
        hold(&charges, &self.ask, target, &self.budgeting, now_us, may_switch)
    }
}

/// Holds what `ask` may come to at `target`; lowers the output cap to what can be paid.
fn hold(
    charges: &[Charge],
    ask: &Ask,
    target: &Target,
    budgeting: &Budgeting,
    now_us: u64,
    may_switch: bool,
) -> Result<Paid, Unpaid> {
    let enforcing = charges.iter().map(|(rule, _)| rule).filter(|rule| rule.enforces());
    let least = enforcing.clone().map(|rule| rule.config().min_output_tokens).max().unwrap_or(0);
    let bound = match (bound(ask, target, budgeting, least), enforcing.clone().next()) {
        (Ok(bound), _) => bound,
        (Err(Unbounded { field }), Some(rule)) => {
            return Err(Unpaid::Unbounded { budget: Arc::clone(&rule.config().id), field });
        }
        // Only watched: what cannot be bounded is charged when it is known.
        (Err(_), None) => {
            let nothing = Worst { nano: Some(0), tokens: 0 };
            let hold = Hold::reserve(charges, nothing, now_us).map_err(|error| Unpaid::Exhausted(Box::new(error)))?;
            return Ok(Paid { hold: Some(hold), ..Paid::default() });
        }
    };
    if let Some(Unbounded { field }) = &bound.untold_tokens
        && let Some(rule) = enforcing.clone().find(|rule| rule.config().unit == Unit::Tokens)
    {
        return Err(Unpaid::Unbounded { budget: Arc::clone(&rule.config().id), field: field.clone() });
    }
    let priced = bound.worst(0).0.is_some();
    for _ in 0..RACES {
        let left = left(charges, now_us);
        if let Some(model) = left.fallback.filter(|_| may_switch && ask.api != Api::Embeddings) {
            return Err(Unpaid::Elsewhere(model));
        }
        let affordable = bound.affordable_cap(left.nano.filter(|_| priced), left.tokens);
        // Below the least nothing is gained by trying: the refusal says by how much it falls short.
        let cap = bound.output_cap.min(affordable.max(bound.min_output));
        match reserve(charges, &bound, cap, now_us) {
            Ok(hold) => return Ok(paid(hold, &bound, cap, enforcing.clone().next().is_some())),
            // Somebody else was faster: what is left now may still pay for less.
            Err(error) if error.why == Why::Spent && cap > bound.min_output => {}
            Err(error) => return Err(Unpaid::Exhausted(error)),
        }
    }
    let hold = reserve(charges, &bound, bound.min_output, now_us).map_err(Unpaid::Exhausted)?;
    Ok(paid(hold, &bound, bound.min_output, true))
}

fn reserve(charges: &[Charge], bound: &Bound, cap: u64, now_us: u64) -> Result<Hold, Box<Exhausted>> {
    let (nano, tokens) = bound.worst(cap);
    Hold::reserve(charges, Worst { nano, tokens }, now_us)
        .map_err(|exhausted| Box::new(Exhausted { unpriced: bound.unpriced().map(unit_name), ..exhausted }))
}

/// Who only watches changes nothing: without a budget that enforces the request goes up as it came.
fn paid(hold: Hold, bound: &Bound, cap: u64, enforced: bool) -> Paid {
    let lowered = enforced && cap < bound.output_cap;
    // The client's own cap is written too: where the target may honour another member than the one that was sent.
    let written = enforced && (lowered || bound.write_cap || bound.client_cap.is_some());
    let streams = enforced && bound.choices > 0 && bound.output_cap > 0;
    Paid {
        hold: Some(hold),
        cap: written.then_some(cap),
        most: streams.then_some((bound.most_output(cap), bound.choices)),
        lowered,
    }
}

/// What an attempt would come to, without holding anything.
#[derive(Debug, Default)]
pub struct Quote {
    /// The dearest that it could come to, in nano-dollars; `None`: unknown.
    pub worst_nano: Option<i64>,
    /// The output cap that would go up; `None`: the client's own, or none.
    pub cap: Option<u64>,
    /// Why no budget would pay.
    pub refused: Option<String>,
    /// The model that a budget near its limit asks for.
    pub elsewhere: Option<Arc<str>>,
}

/// What [`Opened::pay`] would do at this moment.
pub fn quote(charges: &[Charge], ask: &Ask, target: &Target, budgeting: &Budgeting, now_us: u64) -> Quote {
    let enforcing = charges.iter().filter(|(rule, _)| rule.enforces());
    let least = enforcing.clone().map(|(rule, _)| rule.config().min_output_tokens).max().unwrap_or(0);
    let bound = match bound(ask, target, budgeting, least) {
        Ok(bound) => bound,
        Err(unbounded) => {
            let refused =
                enforcing.clone().next().map(|(rule, _)| format!("budget `{}`: {unbounded}", rule.config().id));
            return Quote { refused, ..Quote::default() };
        }
    };
    let priced = bound.worst(0).0.is_some();
    let left = left(charges, now_us);
    let affordable = bound.affordable_cap(left.nano.filter(|_| priced), left.tokens);
    let cap = bound.output_cap.min(affordable.max(bound.min_output));
    let (worst_nano, tokens) = bound.worst(cap);
    let short = |(rule, entity): &&Charge| {
        let exhausted = rule.exhausted(entity, now_us);
        let room = exhausted.limit.saturating_sub(exhausted.used).saturating_sub(exhausted.reserved);
        match exhausted.unit {
            Unit::Usd => worst_nano.is_none_or(|worst| worst > room),
            Unit::Tokens => tokens > room,
        }
    };
    let tokens_of = |(rule, _): &&Charge| rule.config().unit == Unit::Tokens;
    if let Some((unbounded, (rule, _))) = bound.untold_tokens.as_ref().zip(enforcing.clone().find(tokens_of)) {
        let refused = Some(format!("budget `{}`: {unbounded}", rule.config().id));
        return Quote { worst_nano, refused, ..Quote::default() };
    }
    let refused = enforcing.clone().find(short).map(|(rule, entity)| match worst_nano {
        None if rule.config().unit == Unit::Usd => {
            let of = bound
                .unpriced()
                .map_or_else(|| "its price".to_owned(), |class| format!("the price of {}", unit_name(class)));
            format!("budget `{}`: {of} is not known", rule.config().id)
        }
        _ => rule.exhausted(entity, now_us).to_string(),
    });
    let written = enforcing.clone().next().is_some() && (cap < bound.output_cap || bound.write_cap);
    Quote { worst_nano, cap: written.then_some(cap), refused, elsewhere: left.fallback }
}

/// A class of usage that has no price, as people call it.
fn unit_name(class: &'static str) -> &'static str {
    match class {
        "audio_ms" => "seconds of sound",
        "output" => "output tokens",
        other => other,
    }
}

/// What is left of the tightest dollar budget of the caller's own (its key's and its team's), in nano-dollars.
pub fn remaining(charges: &[Charge], now_us: u64) -> Option<i64> {
    let own = |rule: &BudgetRule| {
        let budget = rule.config();
        budget.unit == Unit::Usd && matches!(budget.scope.kind(), "key" | "team")
    };
    let own = charges.iter().filter(|(rule, _)| own(rule));
    own.filter_map(|(rule, entity)| left(&[(Arc::clone(rule), Arc::clone(entity))], now_us).nano).min()
}

/// The entity of budgets that count nothing apart.
static WHOLE: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from(""));
/// What a request counts for that does not say.
static NOBODY: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("-"));

/// So often a hold is tried again with a lower cap, when others take from the same budgets at the same time.
const RACES: u32 = 4;
