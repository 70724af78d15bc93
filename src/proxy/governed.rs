//! Which rules govern a request, and what it holds of them.

use super::exchange::Opened;
use super::finish::Local;
use super::gateway::Services;
use super::purse::{self, BudgetSet};
use crate::auth::{Caller, CallerRules};
use crate::config::{Config, Model, Rules, Scope};
use crate::ledger::budget::{BudgetRule, Budgets};
use crate::limits::{Limits, Permit, Phase, Refusal, RuleSet, Shares, Subject, Tokens};
use crate::model::{Ask, LimitView};
use crate::tokens;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

/// What is reserved for output where the client sets no cap: what an ordinary answer takes. The answer is settled
/// exactly.
const ASSUMED_OUTPUT: u64 = 256;

/// The rules of a snapshot, resolved to their counters.
pub struct Governed {
    limits: Arc<Limits>,
    budgets: Arc<Budgets>,
    gateway: Set,
    models: HashMap<Arc<str>, Set>,
    /// Held so that every balance of the file is read at the start, and shown, whether or not somebody calls.
    _of_file: Vec<BudgetSet>,
    /// The same for those that are given at run time, by the key or team: see [`Governed::keep`].
    kept: Mutex<BTreeMap<Scope, BudgetSet>>,
    /// By the names of key and team: keys come and go while a snapshot is in use, and the JWT callers of many teams have
    /// one key.
    callers: papaya::HashMap<(Arc<str>, Arc<str>), Arc<CallerSets>>,
}

/// The names of a key and a team, to look sets up by without owning them.
#[derive(Hash)]
struct Names<'a>(&'a str, &'a str);

impl papaya::Equivalent<(Arc<str>, Arc<str>)> for Names<'_> {
    fn equivalent(&self, (key, team): &(Arc<str>, Arc<str>)) -> bool {
        self.0 == &**key && self.1 == &**team
    }
}

/// The limits and budgets of one scope, resolved.
#[derive(Debug, Clone)]
struct Set {
    limits: RuleSet,
    budgets: BudgetSet,
}

impl Set {
    fn of(rules: &Rules, limits: &Limits, budgets: &Budgets) -> Self {
        Self { limits: limits.resolve(rules), budgets: purse::resolve(budgets, rules) }
    }
}

/// The resolved rules of one caller.
#[derive(Debug)]
struct CallerSets {
    from: CallerRules,
    key: Set,
    team: Set,
}

/// The rules of one request.
#[derive(Clone)]
pub struct Governing {
    gateway: Set,
    caller: Arc<CallerSets>,
    model: Option<Set>,
}

impl Governed {
    /// Resolves the rules of `config`; the budgets of callers too, their limits when they call.
    pub fn new(config: &Config, limits: &Arc<Limits>, budgets: &Arc<Budgets>) -> Self {
        let of_model = |model: &Model| (Arc::clone(&model.name), Set::of(&model.rules, limits, budgets));
        let teams = config.teams.values().map(|team| &team.rules);
        let callers = teams.chain(config.keys.iter().map(|key| &key.rules)).filter(|rules| !rules.budgets.is_empty());
        Self {
            _of_file: callers.map(|rules| purse::resolve(budgets, rules)).collect(),
            limits: Arc::clone(limits),
            budgets: Arc::clone(budgets),
            gateway: Set::of(&config.rules, limits, budgets),
            models: config.models.values().filter(|model| !model.rules.is_empty()).map(of_model).collect(),
            kept: Mutex::default(),
            callers: papaya::HashMap::new(),
        }
    }

    /// Reads the balances of the rules that a key or team was given at run time, and keeps them in place of those that it
    /// had before. It may wait for disks, which the first request under them then does not.
    pub fn keep(&self, scope: &Scope, rules: &Rules) {
        let set = purse::resolve(&self.budgets, rules);
        let mut kept = self.kept.lock();
        match set.is_empty() {
            true => kept.remove(scope),
            false => kept.insert(scope.clone(), set),
        };
    }

    /// The rules of a request of `caller` whose model is not known yet.
    pub fn of(&self, caller: &Caller) -> Governing {
        let same = |sets: &CallerSets| {
            Arc::ptr_eq(&sets.from.key, &caller.rules.key) && Arc::ptr_eq(&sets.from.team, &caller.rules.team)
        };
        let callers = self.callers.pin();
        let sets = match callers.get(&Names(&caller.key, &caller.team)).filter(|sets| same(sets)) {
            Some(sets) => Arc::clone(sets),
            None => {
                let set = |rules: &Rules| Set::of(rules, &self.limits, &self.budgets);
                let (key, team) = (set(&caller.rules.key), set(&caller.rules.team));
                let sets = Arc::new(CallerSets { from: caller.rules.clone(), key, team });
                callers.insert((Arc::clone(&caller.key), Arc::clone(&caller.team)), Arc::clone(&sets));
                sets
            }
        };
        Governing { gateway: self.gateway.clone(), caller: sets, model: None }
    }

    /// Sets the rules of the model.
    pub fn with_model(&self, governing: &mut Governing, model: &str) {
        governing.model = self.models.get(model).cloned();
    }
}

impl Governing {
    fn scopes(&self) -> impl Iterator<Item = &Set> {
        [&self.gateway, &self.caller.team, &self.caller.key].into_iter().chain(&self.model)
    }

    fn sets(&self) -> [&RuleSet; 4] {
        let model = self.model.as_ref().map_or(&*NONE, |set| &set.limits);
        [&self.gateway.limits, &self.caller.team.limits, &self.caller.key.limits, model]
    }

    /// The limits as they stand for `subject`, its provider's not among them.
    pub fn view(&self, limits: &Limits, subject: &Subject<'_>) -> Vec<LimitView> {
        limits.view_of(&self.sets(), subject)
    }

    /// Every budget of the scopes that the request is in, its provider's not among them.
    pub fn budgets(&self) -> impl Iterator<Item = &Arc<BudgetRule>> {
        self.scopes().flat_map(|set| set.budgets.iter())
    }

    /// Stage 3 for another model than the one that was asked for: only the model's own rules.
    ///
    /// # Errors
    ///
    /// As [`Limits::admit`].
    pub fn admit_model(
        &self,
        limits: &Limits,
        permit: Permit,
        subject: &Subject<'_>,
        tokens: u64,
    ) -> Result<Permit, Refusal> {
        let Some(model) = &self.model else { return Ok(permit) };
        limits.admit(permit, Phase::Request, &[&model.limits], subject, tokens)
    }

    /// Stage 3: the gateway's, the team's and the key's requests and concurrency, before the body is read.
    ///
    /// # Errors
    ///
    /// As [`Limits::admit`].
    pub fn admit_caller(&self, limits: &Limits, subject: &Subject<'_>) -> Result<Permit, Refusal> {
        limits.admit(Permit::default(), Phase::Caller, &self.sets(), subject, 0)
    }

    /// Stage 3, continued: what needs the body.
    ///
    /// # Errors
    ///
    /// As [`Limits::admit`]: what the first part took is given back.
    pub fn admit_request(
        &self,
        limits: &Limits,
        permit: Permit,
        subject: &Subject<'_>,
        tokens: u64,
    ) -> Result<Permit, Refusal> {
        limits.admit(permit, Phase::Request, &self.sets(), subject, tokens)
    }

    /// Admits a call that the gateway makes for a request of this caller, which counts already.
    ///
    /// # Errors
    ///
    /// As [`Limits::admit`].
    pub fn admit_beside(&self, limits: &Limits, subject: &Subject<'_>, tokens: u64) -> Result<Permit, Refusal> {
        limits.admit(Permit::default(), Phase::Beside, &self.sets(), subject, tokens)
    }

    /// Counts tokens that were used outside of a request's own count: those of a session, as they are reported. `provider`:
    /// its provider's rules. Returns the enforced rule, if any, that is used up now.
    pub fn spend(&self, limits: &Limits, provider: &RuleSet, subject: &Subject<'_>, tokens: u64) -> Option<Refusal> {
        let [gateway, team, key, model] = self.sets();
        limits.spend(&[gateway, team, key, model, provider], subject, tokens)
    }

    /// What is left of the rules that the client may see.
    fn shares(&self, limits: &Limits, subject: &Subject<'_>) -> Shares {
        limits.shares(&self.sets(), subject, limits.clock().now_us())
    }
}

impl Local {
    /// Who is counted, as far as it is known.
    pub fn subject<'a>(&'a self, caller: &'a Caller) -> Subject<'a> {
        Subject {
            key: &caller.key,
            team: &caller.team,
            model: self.model.as_deref().unwrap_or_default(),
            user: self.user.as_deref(),
            metadata: &self.metadata,
        }
    }

    /// What is left for whoever asked.
    pub fn shares(&self, limits: &Limits) -> Shares {
        let known = self.governing.as_ref().zip(self.caller.as_deref());
        known.map(|(governing, caller)| governing.shares(limits, &self.subject(caller))).unwrap_or_default()
    }
}

impl Opened {
    /// Who is counted.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            key: &self.caller.key,
            team: &self.caller.team,
            model: &self.plan.route().name,
            user: self.user.as_deref(),
            metadata: &self.metadata,
        }
    }

    /// What is left for whoever asked.
    pub fn shares(&self, limits: &Limits) -> Shares {
        self.governing.shares(limits, &self.subject())
    }

    /// Admits, by all rules on requests and tokens at once, what no client waits for (copies, looks at targets), and finds the
    /// budgets that it is under.
    ///
    /// # Errors
    ///
    /// As [`Limits::admit`].
    pub fn admit(&mut self, services: &Services) -> Result<(), Refusal> {
        let permit = self.governing.admit_caller(&services.limits, &self.subject())?;
        let tokens = reserved_tokens(&self.ask);
        self.permit = self.governing.admit_request(&services.limits, permit, &self.subject(), tokens)?;
        self.charges = self.facts().charges(self.governing.budgets());
        Ok(())
    }

    /// Whether the provider's rules let an attempt pass.
    ///
    /// # Errors
    ///
    /// As [`Limits::admit`].
    pub fn admit_attempt(&self, services: &Services, rules: &RuleSet) -> Result<Permit, Refusal> {
        let tokens = if rules.is_empty() { 0 } else { reserved_tokens(&self.ask) };
        services.limits.admit(Permit::default(), Phase::Attempt, &[rules], &self.subject(), tokens)
    }
}

/// The limits of a model that has none.
static NONE: LazyLock<RuleSet> = LazyLock::new(|| Arc::new([]));

/// Tokens that are reserved for a request: its input by length, and for each answer the client's cap.
pub fn reserved_tokens(ask: &Ask) -> u64 {
    if !ask.api.billed() {
        return 0;
    }
    let output = match ask.api.generates() {
        true => ask.max_output_tokens.unwrap_or(ASSUMED_OUTPUT).saturating_mul(u64::from(ask.choices)),
        false => 0,
    };
    tokens::estimate_tokens(ask.text_bytes).saturating_add(output)
}

/// Corrects what was reserved to `usage`, input and output together.
pub fn settle(tokens: Tokens, usage: &crate::model::Usage) {
    tokens.settle(usage.input_total().saturating_add(usage.output_total()));
}

impl std::fmt::Debug for Governed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Governed").field("models", &self.models.len()).finish_non_exhaustive()
    }
}
