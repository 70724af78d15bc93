//! Holding what a request may come to, before it is sent.

use super::account::{Book, NoAccount};
use super::charge::{Amount, Charged};
use super::period::PeriodState;
use super::rule::BudgetRule;
use super::{elsewhere, entity_key};
use crate::config::{OnExhausted, Unit};
use crate::ledger::row::Settlement;
use crate::model::NanoUsd;
use std::fmt;
use std::sync::Arc;

/// The dearest that an attempt can come to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Worst {
    /// Nano-dollars; `None`: the price is not known.
    pub nano: Option<i64>,
    /// Input and output together.
    pub tokens: i64,
}

impl Worst {
    pub(super) fn of(&self, unit: Unit) -> Option<i64> {
        match unit {
            Unit::Usd => self.nano,
            Unit::Tokens => Some(self.tokens),
        }
    }
}

/// What stays payable under all enforcing rules.
#[derive(Debug, Default, Clone)]
pub struct Left {
    /// Nano-dollars, never negative; `None`: no money budget enforces.
    pub nano: Option<i64>,
    /// Tokens, never negative; `None`: no token budget enforces.
    pub tokens: Option<i64>,
    /// The rule of which the smallest share is left, and its entity.
    pub tightest: Option<(Arc<BudgetRule>, Arc<str>)>,
    /// The model that answers instead, by the first rule that is near its limit and says so.
    pub fallback: Option<Arc<str>>,
}

/// What stays payable under all enforcing rules of `charges`. A rule whose balance cannot be told is passed over:
/// [`Hold::reserve`] refuses by it.
pub fn left(charges: &[(Arc<BudgetRule>, Arc<str>)], now_us: u64) -> Left {
    if let Some((first, _)) = charges.first().filter(|(first, _)| first.shared().is_away())
        && let Some(there) = first.shared().keeper().clone()
    {
        elsewhere::refresh(&*there, charges, now_us);
    }
    let mut left = Left::default();
    let mut smallest = f64::INFINITY;
    for (rule, entity) in charges.iter().filter(|(rule, _)| rule.enforces()) {
        let Ok(state) = rule.look(entity, now_us) else { continue };
        let limit = rule.limit(entity);
        let rest = limit.saturating_sub(state.committed()).max(0);
        let least = match rule.config().unit {
            Unit::Usd => &mut left.nano,
            Unit::Tokens => &mut left.tokens,
        };
        *least = Some(least.map_or(rest, |least| least.min(rest)));
        // For telling only: no money is counted in floats.
        let share = rest as f64 / limit.max(1) as f64;
        if share < smallest {
            smallest = share;
            left.tightest = Some((Arc::clone(rule), Arc::clone(entity)));
        }
        if left.fallback.is_none() {
            left.fallback = rule.fallback(entity, now_us);
        }
    }
    left
}

/// What one account holds.
#[derive(Debug)]
struct Line {
    rule: Arc<BudgetRule>,
    /// Of which `state` is.
    book: Arc<Book>,
    state: Arc<PeriodState>,
    /// What was settled and reserved together when it was taken.
    committed: i64,
}

/// What is held for one attempt, in the periods in which it was admitted. Dropping it releases all.
#[derive(Debug)]
#[must_use = "dropping it releases what it holds"]
pub struct Hold {
    lines: Vec<Line>,
    /// One for each of `lines`.
    charged: Vec<Charged>,
    worst: Worst,
    pub(super) passed_over: Vec<(Arc<BudgetRule>, Arc<str>)>,
    admitted_us: u64,
}

impl Hold {
    /// Takes `worst` from the balance of every rule, in order: all or nothing. Rules that do not enforce are charged
    /// too, also past their limit: [`Self::passed_over`] tells them. A rule without `each` has the entity `""`.
    ///
    /// # Errors
    ///
    /// The first enforcing rule that cannot pay, or cannot tell; nothing is held then.
    pub fn reserve(charges: &[(Arc<BudgetRule>, Arc<str>)], worst: Worst, now_us: u64) -> Result<Self, Exhausted> {
        let mut hold = Self::nothing(charges.len(), worst, now_us);
        let Some((first, _)) = charges.first() else { return Ok(hold) };
        // Held to the end: who keeps the balances does not change meanwhile.
        let keeper = first.shared().keeper();
        if let Some(there) = &*keeper {
            let there = Arc::clone(there);
            drop(keeper);
            return elsewhere::reserve(&*there, charges, worst, now_us);
        }
        for (rule, entity) in charges {
            // On a refusal the hold is dropped, and with it what was taken.
            hold.take(rule, entity, now_us)?;
        }
        // Only now: what is refused after all has passed no share of any budget.
        for (line, charge) in hold.lines.iter().zip(&hold.charged) {
            line.rule.tell(&line.state, &charge.entity, line.committed);
        }
        Ok(hold)
    }

    /// Charges `charges` without holding anything, whatever their limits are: what was used already is debt. A rule whose
    /// balance cannot be told is passed over, as one that does not enforce.
    pub fn owe(charges: &[(Arc<BudgetRule>, Arc<str>)], now_us: u64) -> Self {
        let mut hold = Self::nothing(charges.len(), Worst { nano: Some(0), tokens: 0 }, now_us);
        for (rule, entity) in charges {
            match rule.state_in(entity, now_us) {
                Ok((book, state)) => {
                    let (book, (held, committed)) = (Arc::clone(book), state.take(0));
                    hold.push(rule, entity, book, state, held, committed);
                }
                Err(without) => {
                    why(&without, rule);
                    hold.passed_over.push((Arc::clone(rule), Arc::clone(entity)));
                }
            }
        }
        hold
    }

    pub(super) fn nothing(rules: usize, worst: Worst, now_us: u64) -> Self {
        let (lines, charged) = (Vec::with_capacity(rules), Vec::with_capacity(rules));
        Self { lines, charged, worst, passed_over: Vec::new(), admitted_us: now_us }
    }

    pub(super) fn push(
        &mut self,
        rule: &Arc<BudgetRule>,
        entity: &Arc<str>,
        book: Arc<Book>,
        state: Arc<PeriodState>,
        held: i64,
        committed: i64,
    ) {
        self.charged.push(Charged {
            budget: Arc::clone(&rule.config().id),
            entity: entity_key(entity).into_owned(),
            period_us: state.period.start_us,
            unit: rule.config().unit,
            held,
        });
        self.lines.push(Line { rule: Arc::clone(rule), book, state, committed });
    }

    fn take(&mut self, rule: &Arc<BudgetRule>, entity: &Arc<str>, now_us: u64) -> Result<(), Exhausted> {
        let refuse = |why| rule.refusal(entity, now_us, why);
        let (book, state) = match rule.state_in(entity, now_us) {
            Ok((book, state)) => (Arc::clone(book), state),
            Err(without) if rule.enforces() => return Err(refuse(why(&without, rule))),
            Err(without) => {
                why(&without, rule);
                self.passed_over.push((Arc::clone(rule), Arc::clone(entity)));
                return Ok(());
            }
        };
        let known = self.worst.of(rule.config().unit);
        let amount = known.unwrap_or(0).max(0);
        let (held, committed) = if rule.enforces() {
            if known.is_none() {
                return Err(refuse(Why::Unpriced));
            }
            let fits = state.reserve(amount, rule.limit(entity));
            (amount, fits.map_err(|_| refuse(Why::Spent))?)
        } else {
            let (held, committed) = state.take(amount);
            if known.is_none() || committed > rule.limit(entity) {
                self.passed_over.push((Arc::clone(rule), Arc::clone(entity)));
            }
            (held, committed)
        };
        self.push(rule, entity, book, state, held, committed);
        Ok(())
    }

    /// What it is charged to: for the attempt's `Opening`.
    pub fn charged(&self) -> &[Charged] {
        &self.charged
    }

    /// What is held of each rule.
    pub fn amount(&self) -> Worst {
        self.worst
    }

    /// Rules that do not enforce and could not have paid, or could not tell.
    pub fn passed_over(&self) -> &[(Arc<BudgetRule>, Arc<str>)] {
        &self.passed_over
    }

    /// Charges what was used instead of what was held. What is more than that is debt, and may take a balance past
    /// its limit. An unknown cost is charged to money budgets as it was held. Negative figures count as 0.
    pub fn settle(mut self, nano: Option<i64>, tokens: i64) {
        let charged = std::mem::take(&mut self.charged);
        for (line, charge) in std::mem::take(&mut self.lines).into_iter().zip(charged) {
            let metrics = &line.rule.shared().metrics;
            let actual = match charge.unit {
                Unit::Usd => charge.nano(nano),
                Unit::Tokens => tokens.max(0),
            };
            if charge.unit == Unit::Usd && nano.is_none() {
                metrics.unpriced_settlements.inc();
            }
            if actual > charge.held {
                metrics.debt.with_label_values(&[charge.unit.name()]).inc_by((actual - charge.held) as u64);
            }
            // First there, then here: at no moment it is missing.
            if let Some(last) = line.book.last() {
                let amount = Amount { nano: charge.nano(nano), tokens: tokens.max(0), attempts: 1 };
                last.settle_late(&charge, amount, self.admitted_us);
            }
            let committed = line.state.settle(charge.held, actual);
            line.rule.tell(&line.state, &charge.entity, committed);
        }
    }

    /// [`Self::settle`] with the figures of the attempt's row.
    pub fn settle_as(self, settlement: &Settlement) {
        self.settle(settlement.cost.map(|cost| cost.0), settlement.tokens());
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        for (line, charge) in self.lines.iter().zip(&self.charged) {
            line.state.settle(charge.held, 0);
        }
    }
}

/// Why there is no account; told to whoever runs the gateway where it is not the client's doing.
pub(super) fn why(without: &NoAccount, rule: &BudgetRule) -> Why {
    let metrics = &rule.shared().metrics;
    match without {
        NoAccount::Full => {
            metrics.entities_refused.inc();
            Why::TooManyEntities
        }
        NoAccount::Unreadable(error) => {
            metrics.balance_errors.inc();
            tracing::error!(budget = &*rule.config().id, %error, "the balance of a budget cannot be read");
            Why::Unreadable
        }
    }
}

/// Why a budget does not pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// What is left is less than what the request may come to.
    Spent,
    /// The request's price is not known, and the budget is in dollars.
    Unpriced,
    /// The budget counts apart, and more entities came in one period than it can keep.
    TooManyEntities,
    /// The gateway cannot read the balance: not the client's doing.
    Unreadable,
}

/// A budget that does not pay for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exhausted {
    /// Id of the budget.
    pub budget: Arc<str>,
    /// The value of its `each`; empty without.
    pub entity: Arc<str>,
    /// What it is counted in.
    pub unit: Unit,
    /// The limit, in that unit.
    pub limit: i64,
    /// What is settled.
    pub used: i64,
    /// What requests under way hold.
    pub reserved: i64,
    /// When the next period begins, in microseconds since the Unix epoch; `None`: never.
    pub resets_us: Option<u64>,
    /// What becomes of the request.
    pub on_exhausted: OnExhausted,
    /// Why.
    pub why: Why,
    /// What has no price, where that is known and it is not all of it: `images`, `seconds of sound`.
    pub unpriced: Option<&'static str>,
}

/// For the client: `budget `team/search/usd/month` is exhausted: 9.50 of 10.00 USD used, 0.40 reserved`.
impl fmt::Display for Exhausted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { budget, entity, .. } = self;
        write!(out, "budget `{budget}`")?;
        if !entity.is_empty() {
            write!(out, " of `{entity}`")?;
        }
        let (limit, used, reserved) = (self.shown(self.limit), self.shown(self.used), self.shown(self.reserved));
        match self.why {
            Why::Spent => write!(out, " is exhausted: {used} of {limit} used, {reserved} reserved"),
            Why::Unpriced => match self.unpriced {
                Some(what) => write!(out, " is in dollars, and the price of {what} is not known"),
                None => write!(out, " is in dollars, and the price of this request is not known"),
            },
            Why::TooManyEntities => write!(out, " cannot count one more of what it counts apart in this period"),
            Why::Unreadable => write!(out, " cannot be read at the moment"),
        }
    }
}

impl std::error::Error for Exhausted {}

impl Exhausted {
    /// `10.000000000 USD`, `500 tokens`.
    fn shown(&self, amount: i64) -> String {
        match self.unit {
            Unit::Usd => format!("{} USD", NanoUsd(amount)),
            Unit::Tokens => format!("{amount} tokens"),
        }
    }
}
