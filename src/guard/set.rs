//! Which guardrails a request is under, and what they look at in it.

use super::{Spotter, kinds, kinds::Body, policy::ModelPolicy, remote::RemoteGuard, vault::Safe};
use crate::{
    config::{ConfigError, GuardAction, GuardMode, Guardrail, Guardrails, Hook, OnFailure, OnUnknown, When},
    model::Speech,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// A set of guardrails: a bit each, by their place in the order of names.
pub type Mask = u128;

/// So many sets are kept; a client's header may ask for any of them.
const MOST_SETS: usize = 1024;

/// All guardrails of a snapshot.
pub struct Guards {
    all: Vec<Arc<Guard>>,
    everywhere: Mask,
    models: HashMap<Arc<str>, Mask>,
    teams: HashMap<Arc<str>, Mask>,
    keys: HashMap<Arc<str>, Mask>,
    sets: papaya::HashMap<Mask, Arc<Set>>,
    safe: Arc<Safe>,
}

/// One guardrail, ready to look.
pub struct Guard {
    /// The name.
    pub name: Arc<str>,
    /// The kind's name.
    pub kind: &'static str,
    /// What it looks at.
    pub hooks: Vec<Hook>,
    /// What it does.
    pub action: GuardAction,
    /// It only tells what it would do.
    pub audit: bool,
    /// What it cannot judge goes out.
    pub open: bool,
    /// Which requests it is for.
    pub when: Option<When>,
    /// How long tokens last in a session.
    pub session_ttl: Duration,
    /// What becomes of texts in members of a request that nobody knows.
    pub unknown: OnUnknown,
    /// What it is made of.
    pub body: Body,
    /// What it costs, for people.
    pub cost: &'static str,
}

/// Whether a text goes up or comes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// A part of a request.
    Request,
    /// A part of an answer.
    Answer,
}

impl Guard {
    fn build(config: &Guardrail) -> Result<Self, ConfigError> {
        let settings = &config.settings;
        let Some(kind) = kinds::GUARDS.iter().find(|kind| kind.name == config.kind) else {
            let names: Vec<&str> = kinds::GUARDS.iter().map(|kind| kind.name).collect();
            let meant = crate::config::nearest(&config.kind, names.iter().copied());
            let hint = meant.map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
            let message = format!("there is no such kind; there are `{}`{hint}", names.join("`, `"));
            return Err(settings.error("kind", message));
        };
        let words = |all: &[&str]| format!("`{}`", all.join("`, `"));
        for hook in &config.on {
            if !kind.hooks.contains(hook) {
                let (can, all) = (words(&kind.hooks.iter().map(|hook| hook.name()).collect::<Vec<_>>()), kind.name);
                return Err(
                    settings.error("on", format!("`{all}` cannot look at `{}`; it looks at {can}", hook.name()))
                );
            }
        }
        let action = config.action.unwrap_or(kind.actions[0]);
        if !kind.actions.contains(&action) {
            let can = words(&kind.actions.iter().map(|action| action.name()).collect::<Vec<_>>());
            return Err(settings.error("action", format!("`{}` cannot `{}`; it can {can}", kind.name, action.name())));
        }
        let hooks = if config.on.is_empty() { kind.hooks[..kind.usual].to_vec() } else { config.on.clone() };
        let only_answers = hooks.iter().all(|hook| *hook == Hook::Output);
        if action == GuardAction::Tokenize && only_answers {
            return Err(
                settings.error("action", "`tokenize` is for requests; their answers get the values back".into())
            );
        }
        Ok(Self {
            name: Arc::clone(&config.name),
            kind: kind.name,
            hooks,
            action,
            audit: config.mode == GuardMode::Audit,
            open: config.on_failure == OnFailure::Open,
            when: config.when.clone(),
            session_ttl: config.session_ttl,
            unknown: config.unknown,
            body: (kind.build)(settings)?,
            cost: kind.cost,
        })
    }

    /// What the guard looks at a text as; `None`: it does not.
    pub fn hook(&self, direction: Direction, speech: Speech) -> Option<Hook> {
        let special = match speech {
            Speech::Unknown if self.unknown == OnUnknown::Pass => return None,
            Speech::ToolCall => Some(Hook::ToolCall),
            Speech::ToolResult | Speech::Document if direction == Direction::Request => Some(Hook::ToolResult),
            _ => None,
        };
        let general = match direction {
            Direction::Request => Hook::Input,
            Direction::Answer => Hook::Output,
        };
        special.filter(|hook| self.hooks.contains(hook)).or_else(|| self.hooks.contains(&general).then_some(general))
    }

    /// Whether it looks at anything that goes in this direction.
    pub fn looks(&self, direction: Direction) -> bool {
        Speech::ALL.iter().any(|&speech| self.hook(direction, speech).is_some())
    }

    /// Whether it decides what becomes of a text, or only tells.
    pub fn decides(&self) -> bool {
        !self.audit && self.action != GuardAction::Flag
    }
}

impl Guards {
    /// Builds all guardrails of the file; `safe` outlives them.
    ///
    /// # Errors
    ///
    /// Every mistake in their sections.
    pub fn build(config: &Guardrails, safe: Arc<Safe>) -> Result<Self, Vec<ConfigError>> {
        let (mut all, mut errors) = (Vec::new(), Vec::new());
        for guardrail in config.all.values() {
            match Guard::build(guardrail) {
                Ok(guard) => all.push(Arc::new(guard)),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if !all.is_empty() {
            super::prepare(); // not on the first request
        }
        let bit = |name: &Arc<str>| {
            let at = config.all.keys().position(|one| one == name);
            at.and_then(|at| 1_u128.checked_shl(u32::try_from(at).ok()?)).unwrap_or(0)
        };
        let mask = |names: &Vec<Arc<str>>| names.iter().map(bit).fold(0, |mask, bit| mask | bit);
        let masks = |lists: &std::collections::BTreeMap<Arc<str>, Vec<Arc<str>>>| {
            lists.iter().map(|(name, list)| (Arc::clone(name), mask(list))).collect()
        };
        let (models, teams, keys) = (masks(&config.models), masks(&config.teams), masks(&config.keys));
        let everywhere = mask(&config.everywhere);
        Ok(Self { all, everywhere, models, teams, keys, sets: papaya::HashMap::new(), safe })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All of them, in order.
    pub fn all(&self) -> &[Arc<Guard>] {
        &self.all
    }

    /// What hashes and seals.
    pub fn safe(&self) -> &Arc<Safe> {
        &self.safe
    }

    /// The guardrail of this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Guard>> {
        self.all.iter().find(|guard| *guard.name == *name)
    }

    /// The names of those of `mask`.
    pub fn names(&self, mask: Mask) -> Vec<Arc<str>> {
        let members = self.all.iter().enumerate().filter(|(at, _)| mask & (1 << at) != 0);
        members.map(|(_, guard)| Arc::clone(&guard.name)).collect()
    }

    /// Those of these names; there may be none of a name any more.
    pub fn of_names(&self, names: &[Arc<str>]) -> Mask {
        let bit = |(at, guard): (usize, &Arc<Guard>)| if names.contains(&guard.name) { 1 << at } else { 0 };
        self.all.iter().enumerate().map(bit).fold(0, |mask, bit| mask | bit)
    }

    /// Those that hold for a team's and a key's requests, whatever is asked for.
    pub fn of_caller(&self, team: &str, key: &str) -> Mask {
        let of = |map: &HashMap<Arc<str>, Mask>, name: &str| map.get(name).copied().unwrap_or(0);
        if self.all.is_empty() {
            return 0;
        }
        self.everywhere | of(&self.teams, team) | of(&self.keys, key)
    }

    /// Those that hold for requests of a model.
    pub fn of_model(&self, model: &str) -> Mask {
        self.models.get(model).copied().unwrap_or(0)
    }

    /// Those that a client asks for, parted by commas.
    ///
    /// # Errors
    ///
    /// The name that there is none of.
    pub fn asked_for<'a>(&self, names: &'a str) -> Result<Mask, &'a str> {
        let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
        names
            .map(|name| self.all.iter().position(|guard| *guard.name == *name).map(|at| 1 << at).ok_or(name))
            .try_fold(0, |mask, bit: Result<Mask, &str>| bit.map(|bit| mask | bit))
    }

    /// Those of `mask` whose conditions hold.
    pub fn that_hold(&self, mask: Mask, holds: impl Fn(&When) -> bool) -> Mask {
        let drops = |(at, guard): (usize, &Arc<Guard>)| {
            let off = mask & (1 << at) != 0 && guard.when.as_ref().is_some_and(|when| !holds(when));
            if off { 1 << at } else { 0 }
        };
        mask & !self.all.iter().enumerate().map(drops).fold(0, |all, bit| all | bit)
    }

    /// The guardrails of `mask` together; `None`: there are none.
    pub fn set(&self, mask: Mask) -> Option<Arc<Set>> {
        if mask == 0 {
            return None;
        }
        let sets = self.sets.pin();
        if let Some(set) = sets.get(&mask) {
            return Some(Arc::clone(set));
        }
        let members = self.all.iter().enumerate().filter(|(at, _)| mask & (1 << at) != 0);
        let set = Arc::new(Set::of(members.map(|(_, guard)| Arc::clone(guard)).collect()));
        if sets.len() < MOST_SETS {
            sets.insert(mask, Arc::clone(&set));
        }
        Some(set)
    }
}

/// Guardrails that hold together.
pub struct Set {
    /// In the order of their names.
    pub guards: Vec<Arc<Guard>>,
    /// By speech, in the order of [`Speech::ALL`].
    request: [Plan; Speech::ALL.len()],
    answer: [Plan; Speech::ALL.len()],
}

/// Spotters of some guardrails, and whose each is: a place in [`Set::guards`].
#[derive(Clone)]
pub struct Watch {
    /// What looks.
    pub spotters: Arc<[Arc<dyn Spotter>]>,
    /// Whose each is.
    pub owners: Arc<[usize]>,
}

/// What looks at one kind of text.
#[derive(Default)]
pub struct Plan {
    /// Blocks.
    pub block: Option<Watch>,
    /// Edits.
    pub edit: Option<Watch>,
    /// Only tell: each guardrail for itself, so that none hides what another one finds.
    pub watch: Vec<Watch>,
    /// Places of guardrails that decide about the whole text.
    pub judges: Vec<usize>,
}

impl Plan {
    /// Whether nothing looks.
    pub fn is_empty(&self) -> bool {
        self.block.is_none() && self.edit.is_none() && self.watch.is_empty() && self.judges.is_empty()
    }
}

impl Set {
    /// Of these guardrails.
    pub fn of(guards: Vec<Arc<Guard>>) -> Self {
        let plans = |direction| Speech::ALL.map(|speech| plan(&guards, direction, speech));
        let (request, answer) = (plans(Direction::Request), plans(Direction::Answer));
        Self { guards, request, answer }
    }

    /// What looks at such a text.
    pub fn plan(&self, direction: Direction, speech: Speech) -> &Plan {
        let plans = match direction {
            Direction::Request => &self.request,
            Direction::Answer => &self.answer,
        };
        &plans[speech as usize]
    }

    /// Whether any text that goes in this direction is looked at.
    pub fn looks(&self, direction: Direction) -> bool {
        self.guards.iter().any(|guard| guard.looks(direction) && !matches!(guard.body, Body::Policy(_)))
    }

    /// The first guardrail that decides about texts that go in this direction: without a view of them nothing may pass.
    pub fn mandatory(&self, direction: Direction) -> Option<&Guard> {
        let mandatory = |guard: &&Arc<Guard>| {
            guard.looks(direction) && guard.decides() && !guard.open && !matches!(guard.body, Body::Policy(_))
        };
        self.guards.iter().find(mandatory).map(|guard| &**guard)
    }

    /// The first guardrail that lets no request pass in which somebody says something where nobody knows what it means.
    pub fn knows_all(&self) -> Option<&Guard> {
        let mut looking = self.guards.iter().filter(|guard| guard.hook(Direction::Request, Speech::Unknown).is_some());
        looking.find(|guard| guard.unknown == OnUnknown::Refuse && !guard.audit).map(|guard| &**guard)
    }

    /// Places of the guardrails that decide about parameters.
    pub fn policies(&self) -> impl Iterator<Item = (&Guard, &ModelPolicy)> {
        self.guards.iter().filter_map(|guard| match &guard.body {
            Body::Policy(policy) => Some((&**guard, &**policy)),
            Body::Spot(_) | Body::Judge(_) | Body::Remote(_) => None,
        })
    }

    /// The guardrails that ask a service about texts that go in this direction.
    pub fn remotes(&self, direction: Direction) -> impl Iterator<Item = (&Arc<Guard>, &Arc<dyn RemoteGuard>)> {
        self.guards.iter().filter(move |guard| guard.looks(direction)).filter_map(|guard| match &guard.body {
            Body::Remote(remote) => Some((guard, remote)),
            Body::Spot(_) | Body::Judge(_) | Body::Policy(_) => None,
        })
    }

    /// Whether any of them asks a service.
    pub fn asks_services(&self) -> bool {
        self.guards.iter().any(|guard| matches!(guard.body, Body::Remote(_)))
    }

    /// The longest time that a session's tokens are to last; `None`: a request's only.
    pub fn session_ttl(&self) -> Option<Duration> {
        self.guards.iter().map(|guard| guard.session_ttl).max().filter(|ttl| !ttl.is_zero())
    }
}

fn plan(guards: &[Arc<Guard>], direction: Direction, speech: Speech) -> Plan {
    let (mut block, mut edit, mut plan) = (Vec::new(), Vec::new(), Plan::default());
    for (at, guard) in guards.iter().enumerate() {
        if guard.hook(direction, speech).is_none() {
            continue;
        }
        match &guard.body {
            Body::Policy(_) | Body::Remote(_) => {}
            Body::Judge(_) => plan.judges.push(at),
            Body::Spot(spotters) => {
                let mine = spotters.iter().map(|spotter| (Arc::clone(spotter), at));
                match (guard.decides(), guard.action) {
                    (false, _) => plan.watch.push(watch(mine.collect())),
                    (true, GuardAction::Block) => block.extend(mine),
                    (true, _) => edit.extend(mine),
                }
            }
        }
    }
    let some = |list: Vec<_>| (!list.is_empty()).then(|| watch(list));
    (plan.block, plan.edit) = (some(block), some(edit));
    plan
}

fn watch(list: Vec<(Arc<dyn Spotter>, usize)>) -> Watch {
    let (spotters, owners): (Vec<_>, Vec<_>) = list.into_iter().unzip();
    Watch { spotters: spotters.into(), owners: owners.into() }
}

impl std::fmt::Debug for Guards {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_list().entries(self.all.iter().map(|guard| &guard.name)).finish()
    }
}
