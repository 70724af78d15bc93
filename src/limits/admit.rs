//! Admission: all rules that match let a request pass, or none of them has counted it.

use super::entities::{Meter, Pin};
use super::refusal::Refusal;
use super::rule::{At, Held, Limits, Rule, RuleSet, Slot};
use super::steady::Steady;
use super::window::Ticket;
use crate::config::{Each, LimitWhat, Mode, Scope};
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;

/// Who is counted.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The key's name.
    pub key: &'a str,
    /// The team's name.
    pub team: &'a str,
    /// The model that was asked for; empty as long as it is not known.
    pub model: &'a str,
    /// The end user.
    pub user: Option<&'a str>,
    /// The request's metadata.
    pub metadata: &'a [(Arc<str>, Arc<str>)],
}

impl<'a> Subject<'a> {
    /// The value that a rule counts apart; `-` where the request has none.
    pub(super) fn entity(&self, each: Option<&Each>) -> &'a str {
        match each {
            None | Some(Each::Key) => self.key,
            Some(Each::Team) => self.team,
            Some(Each::Model) => self.model,
            Some(Each::User) => self.user.unwrap_or("-"),
            Some(Each::Metadata(name)) => {
                self.metadata.iter().find(|(key, _)| key == name).map_or("-", |(_, value)| value)
            }
        }
    }
}

/// When a rule is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The caller is known, the body was not read: requests and concurrency of the gateway, the team and the key.
    Caller,
    /// The request is known: what is counted by user, model or metadata, and all tokens.
    Request,
    /// A call that the gateway makes for a request which counts already: all tokens, and whatever its own model allows.
    Beside,
    /// An attempt at a provider.
    Attempt,
}

impl Phase {
    /// The phase of `rule`.
    fn of(rule: &Rule) -> Self {
        let limit = &rule.limit;
        let early = matches!(limit.scope, Scope::Gateway | Scope::Team(_) | Scope::Key(_))
            && matches!(limit.each, None | Some(Each::Key | Each::Team))
            && !matches!(limit.what, LimitWhat::Tokens { .. });
        match limit.scope {
            Scope::Provider(_) => Self::Attempt,
            _ if early => Self::Caller,
            _ => Self::Request,
        }
    }

    fn looks_at(self, rule: &Rule) -> bool {
        let limit = &rule.limit;
        match self {
            Self::Beside => match limit.scope {
                Scope::Provider(_) => false,
                Scope::Model(_) => true,
                _ => matches!(limit.what, LimitWhat::Tokens { .. }),
            },
            phase => Self::of(rule) == phase,
        }
    }
}

/// What an admitted request holds. Dropped before [`Permit::keep`], it gives everything back; its places among the open
/// requests are free when it is dropped, in any case.
#[derive(Default)]
pub struct Permit {
    kept: bool,
    requests: SmallVec<[(Pin, Ticket); 8]>,
    slots: SmallVec<[Slot; 4]>,
    tokens: Tokens,
    /// The same, under the rules of the model.
    of_model: Tokens,
    over: SmallVec<[Arc<Rule>; 2]>,
}

/// Tokens that a request reserved; dropped without [`Tokens::settle`], they are given back.
#[derive(Default)]
pub struct Tokens {
    held: SmallVec<[(Pin, Ticket); 4]>,
    clock: Option<Steady>,
}

/// A rule, and where the request is counted under it.
type Place<'a> = (&'a Arc<Rule>, At);

impl Limits {
    /// Admits under all rules of `sets` that are looked at in `phase`, adding to what `permit` holds. `tokens` are what
    /// the request may come to.
    ///
    /// # Errors
    ///
    /// The refusal of the rule that takes longest to let it pass; nothing was taken, and what `permit` held is given
    /// back.
    pub fn admit(
        &self,
        mut permit: Permit,
        phase: Phase,
        sets: &[&RuleSet],
        subject: &Subject<'_>,
        tokens: u64,
    ) -> Result<Permit, Refusal> {
        let rules = sets.iter().flat_map(|set| set.iter()).filter(|rule| phase.looks_at(rule));
        permit.tokens.clock = Some(*self.clock());
        permit.of_model.clock = permit.tokens.clock;
        let mut places: SmallVec<[Place<'_>; 8]> = SmallVec::new();
        let mut refused: Option<(&Arc<Rule>, Option<Duration>)> = None;
        let now_us = self.clock().now_us();
        for rule in rules {
            let at = rule.at(subject, now_us);
            match rule.peek(&at, tokens, now_us) {
                Err(wait) if rule.limit.mode == Mode::Enforce => {
                    rule.past(rule.amount(tokens), now_us);
                    let longer = refused.is_none_or(|(_, other)| is_longer(wait, other));
                    if longer {
                        refused = Some((rule, wait));
                    }
                }
                _ => places.push((rule, at)),
            }
        }
        if let Some((rule, wait)) = refused {
            return Err(refusal(rule, tokens, wait));
        }
        for (rule, at) in places {
            match rule.take(at, tokens, now_us) {
                Ok(held) => {
                    rule.passed();
                    permit.hold(rule, held);
                }
                Err(wait) => {
                    rule.past(rule.amount(tokens), now_us);
                    match rule.limit.mode {
                        // Somebody else was faster since it was looked at.
                        Mode::Enforce => return Err(refusal(rule, tokens, wait)),
                        Mode::Warn => permit.over.push(Arc::clone(rule)),
                        Mode::Audit => {}
                    }
                }
            }
        }
        Ok(permit)
    }
}

impl Limits {
    /// Counts `tokens` that were used already under all rules of `sets` that count tokens, also past what they allow.
    /// Returns the enforced rule that is used up longest.
    pub fn spend(&self, sets: &[&RuleSet], subject: &Subject<'_>, tokens: u64) -> Option<Refusal> {
        let now_us = self.clock().now_us();
        let rules = sets.iter().flat_map(|set| set.iter());
        let mut refused: Option<(&Arc<Rule>, Option<Duration>)> = None;
        for rule in rules.filter(|rule| matches!(rule.limit.what, LimitWhat::Tokens { .. })) {
            let At::Meter(pin) = rule.at(subject, now_us) else { continue };
            let Meter::Window(window) = &*pin else { continue };
            window.restore(tokens, now_us, now_us);
            if let Err(wait) = rule.peek(&At::Meter(pin), 1, now_us)
                && rule.limit.mode == Mode::Enforce
                && refused.is_none_or(|(_, other)| is_longer(wait, other))
            {
                refused = Some((rule, wait));
            }
        }
        refused.map(|(rule, wait)| refusal(rule, tokens, wait))
    }
}

/// Never is longest.
fn is_longer(wait: Option<Duration>, other: Option<Duration>) -> bool {
    match (wait, other) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(wait), Some(other)) => wait > other,
    }
}

fn refusal(rule: &Rule, tokens: u64, wait: Option<Duration>) -> Refusal {
    Refusal { rule: Arc::clone(&rule.limit.id), what: rule.limit.what, asked: rule.amount(tokens), wait }
}

impl Permit {
    fn hold(&mut self, rule: &Rule, held: Held) {
        match held {
            Held::Slot(slot) => self.slots.push(slot),
            Held::Window(pin, ticket) => match rule.limit.what {
                LimitWhat::Tokens { .. } if matches!(rule.limit.scope, Scope::Model(_)) => {
                    self.of_model.held.push((pin, ticket));
                }
                LimitWhat::Tokens { .. } => self.tokens.held.push((pin, ticket)),
                LimitWhat::Requests { .. } | LimitWhat::Concurrent { .. } => self.requests.push((pin, ticket)),
            },
        }
    }

    /// The request goes on its way: it stays counted, whatever becomes of it.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    /// Takes out the tokens, which are settled when all is counted; those of the model's own rules stay.
    pub fn take_tokens(&mut self) -> Tokens {
        std::mem::take(&mut self.tokens)
    }

    /// Takes out the tokens under the model's own rules: they are settled with what that model used.
    pub fn take_model_tokens(&mut self) -> Tokens {
        std::mem::take(&mut self.of_model)
    }

    /// Holds what `other` holds too.
    pub fn join(&mut self, mut other: Self) {
        self.requests.append(&mut other.requests);
        self.slots.append(&mut other.slots);
        self.over.append(&mut other.over);
        for (own, more) in [(&mut self.tokens, &mut other.tokens), (&mut self.of_model, &mut other.of_model)] {
            own.held.append(&mut more.held);
            own.clock = own.clock.or(more.clock);
        }
    }

    /// Ids of the rules that only warn and that it is past.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.over.iter().map(|rule| &*rule.limit.id)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.kept {
            self.requests.iter().for_each(give_back);
        }
    }
}

impl Tokens {
    /// Corrects what was reserved to what was used.
    pub fn settle(mut self, actual: u64) {
        let Some(now_us) = self.clock.map(|clock| clock.now_us()) else { return };
        for (pin, ticket) in self.held.drain(..) {
            if let Meter::Window(window) = &*pin {
                window.correct(ticket, actual, now_us);
            }
        }
    }

    /// Whether no rule counts tokens.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.held.iter().for_each(give_back);
    }
}

fn give_back((pin, ticket): &(Pin, Ticket)) {
    if let Meter::Window(window) = &**pin {
        window.give_back(*ticket);
    }
}

/// How much it holds.
impl std::fmt::Debug for Permit {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tokens = self.tokens.held.len() + self.of_model.held.len();
        let (requests, slots) = (self.requests.len(), self.slots.len());
        out.debug_struct("Permit")
            .field("kept", &self.kept)
            .field("requests", &requests)
            .field("slots", &slots)
            .field("tokens", &tokens)
            .finish_non_exhaustive()
    }
}
