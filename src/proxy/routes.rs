//! Stage 6: a request and the rule of its route. What the rule has to know of the request is found here: for whom a target
//! is, for whom it is too small, what keeps requests together, and what an answer is expected to cost.

use super::bound;
use super::exchange::Opened;
use super::finish::Local;
use super::reject::Reject;
use super::target::Target;
use crate::{
    auth::Caller,
    config::{Budgeting, RouteKind, Sticky, moment},
    model::{Api, Ask, Modalities, Modality, NanoUsd, ServiceTier, Span, Units},
    routing::{Affinity, ByHand, Facts, Order, Plan, Route, Routed, Stands, Wish, failing},
    tokens,
};
use std::sync::Arc;

/// Tokens of an ordinary answer, as far as the client allows them: caps are set far above what is said.
const USUAL_OUTPUT: u64 = 256;
/// Of each part of a conversation's beginning so much counts: more would not tell more conversations apart.
const PREFIX_BYTES: usize = 8 * 1024;
/// The estimate of tokens is up to 65 % too high (`tokens::estimate_tokens`): so much less is needed surely, in percent.
const SURELY: u64 = 60;

/// A request, as rules of routes look at it.
pub struct Asked<'a> {
    /// What is asked.
    pub ask: &'a Ask,
    /// Who asks.
    pub caller: &'a Caller,
    /// The end user, if one is told.
    pub user: Option<&'a str>,
    /// What the client says it is for.
    pub metadata: &'a [(Arc<str>, Arc<str>)],
    /// `x-weighbridge-session`.
    pub session: Option<&'a str>,
    /// What prices are bounded with, where tokens are not what is billed.
    pub budgeting: &'a Budgeting,
    /// Now, in microseconds since the Unix epoch.
    pub now_us: u64,
    /// It is only asked about.
    pub looking: bool,
}

impl Opened {
    /// The targets of `route` for this request, in the order in which they are tried.
    ///
    /// # Errors
    ///
    /// [`Reject::NoTarget`].
    pub fn planned(&self, route: Arc<Route<Target>>, now_us: u64) -> Result<Plan<Target>, Reject> {
        self.asked(now_us).plan(route)
    }

    /// Whether a target of `route` answers such calls, and is for this request. Vectors of another model are of another
    /// space: no budget sends a call for them there.
    pub fn fits(&self, route: &Route<Target>) -> bool {
        if self.ask.api == Api::Embeddings {
            return false;
        }
        let asked = self.asked(0);
        let facts = asked.facts();
        route.targets.iter().any(|target| target.serves(self.ask.api) && unmet(target, &facts).is_none())
    }

    /// The targets that were not tried because somebody took them out, for the record.
    pub fn taken_out(&self, now_us: u64) -> Vec<(Arc<str>, Arc<str>)> {
        let out = self.plan.untried().filter(|target| target.standing.is_out(now_us));
        out.map(|target| (Arc::clone(&target.provider_name), Arc::clone(&target.model))).collect()
    }

    /// The targets that were left out because the prompt is too long for them, for the record.
    pub fn too_small(&self) -> Vec<(Arc<str>, Arc<str>)> {
        let name = |target: &Arc<Target>| (Arc::clone(&target.provider_name), Arc::clone(&target.model));
        self.plan.too_small().map(name).collect()
    }

    fn asked(&self, now_us: u64) -> Asked<'_> {
        Asked {
            ask: &self.ask,
            caller: &self.caller,
            user: self.user.as_deref(),
            metadata: &self.metadata,
            session: self.session.as_deref(),
            budgeting: &self.budgeting,
            now_us,
            looking: false,
        }
    }
}

impl Local {
    /// What conditions may ask about a request that is being opened.
    pub fn facts<'a>(&'a self, caller: &'a Caller, ask: &Ask) -> Facts<'a> {
        facts(ask, caller, self.user.as_deref(), &self.metadata)
    }
}

/// What conditions may ask about `ask`.
pub fn facts<'a>(
    ask: &Ask,
    caller: &'a Caller,
    user: Option<&'a str>,
    metadata: &'a [(Arc<str>, Arc<str>)],
) -> Facts<'a> {
    Facts {
        team: &caller.team,
        key: &caller.key,
        user,
        metadata,
        bytes: ask.body.len() as u64,
        stream: ask.stream,
        holds: holds(ask),
    }
}

impl Asked<'_> {
    /// The targets of `route`, in the order in which they are tried.
    ///
    /// # Errors
    ///
    /// [`Reject::NoTarget`]: targets answer such calls, but none is for this request.
    pub fn plan(&self, route: Arc<Route<Target>>) -> Result<Plan<Target>, Reject> {
        let facts = self.facts();
        let serve = |target: &Target| target.serves(self.ask.api);
        let places = || (0_u16..).zip(&route.targets);
        let mut eligible: Order = places()
            .filter(|(_, target)| serve(target) && unmet(target, &facts).is_none())
            .map(|(place, _)| place)
            .collect();
        if eligible.is_empty() {
            return match route.targets.iter().any(|target| serve(target)) {
                true => Err(no_target(&route, &facts, serve)),
                false => Ok(Plan::new(route)), // whoever follows it finds that nobody serves, and tells it
            };
        }
        let small = |place: &u16| route.targets.get(usize::from(*place)).is_some_and(|target| self.is_too_long(target));
        let too_small: Order = eligible.iter().copied().filter(|place| small(place)).collect();
        let too_small = if too_small.len() == eligible.len() { Order::new() } else { too_small };
        eligible.retain(|place| !too_small.contains(place));
        let (order, routed) =
            route.rule.order(&route.targets, eligible, &self.wish(&route), |target| self.cost(target));
        Ok(Plan::ordered(route, order, routed).without(too_small))
    }

    /// What conditions may ask about it.
    pub fn facts(&self) -> Facts<'_> {
        facts(self.ask, self.caller, self.user, self.metadata)
    }

    fn wish(&self, route: &Route<Target>) -> Wish {
        Wish {
            affinity: self.affinity(route.rule.sticky()),
            output_tokens: self.output_tokens(),
            now_us: self.now_us,
            looking: self.looking,
        }
    }

    fn output_tokens(&self) -> u64 {
        if !self.ask.api.generates() {
            return 0;
        }
        let each = self.ask.max_output_tokens.map_or(USUAL_OUTPUT, |cap| cap.min(USUAL_OUTPUT));
        each.saturating_mul(self.ask.choices.into())
    }

    /// What keeps the request together with others; `None`: it says nothing of that.
    fn affinity(&self, sticky: Sticky) -> Option<Affinity> {
        let opening = &self.ask.opening;
        let body = self.ask.body.as_slice();
        let text = |span: Option<Span>| span.and_then(|span| body.get(span.range()));
        match sticky {
            Sticky::None => None,
            Sticky::Session => match self.session {
                Some(session) => Some(Affinity::of(b"session").and(session.as_bytes())),
                // A conversation that the provider keeps is known to its account only.
                None => text(opening.conversation)
                    .or_else(|| text(opening.cache_key))
                    .map(|key| Affinity::of(b"conversation").and(key)),
            },
            Sticky::User => self.user.map(|user| Affinity::of(b"user").and(user.as_bytes())),
            Sticky::Prefix => match text(opening.cache_key) {
                Some(key) => Some(Affinity::of(b"cache key").and(key)),
                None => {
                    let parts = [text(opening.system), text(opening.tools), text(opening.turns).map(beginning)];
                    let some = parts.iter().any(Option::is_some);
                    let hash = |hash: Affinity, part: &Option<&[u8]>| hash.and(bounded(part.unwrap_or_default()));
                    some.then(|| parts.iter().fold(Affinity::of(b"prefix"), hash))
                }
            },
        }
    }

    /// Whether the prompt is longer than what `target` reads, without any doubt that an estimate may have. The provider
    /// decides what is near the limit.
    fn is_too_long(&self, target: &Target) -> bool {
        let Some(most) = target.max_input_tokens.filter(|_| self.ask.api.converses()) else { return false };
        let surely = |bytes: u64| tokens::estimate_tokens(bytes).saturating_mul(SURELY) / 100;
        // Sealed thoughts are looked for only where it may depend on them.
        surely(self.ask.text_bytes) > most
            && surely(self.ask.text_bytes.saturating_sub(sealed_bytes(self.ask.body.as_slice()))) > most
    }

    /// What the request is expected to cost at `target`, in millionths of a nano-dollar; `None`: not known. Pictures that
    /// are sent are not counted: they cost about the same in proportion.
    fn cost(&self, target: &Target) -> Option<u128> {
        let price = target.price.as_ref()?;
        if self.ask.demand.units != Units::default() {
            let bound = bound::bound(self.ask, target, self.budgeting, 0).ok()?;
            let (nano, _) = bound.worst(self.output_tokens());
            return Some(u128::try_from(nano?).ok()? * 1_000_000);
        }
        let (input, output) = (tokens::estimate_tokens(self.ask.text_bytes), self.output_tokens());
        let part = |class: &str, tokens: u64| match tokens {
            0 => Some(0),
            _ => {
                let rate = price.rate(class, ServiceTier::Standard, input)?;
                Some(u128::from(tokens) * u128::from(rate.nanos_per_million()))
            }
        };
        Some(part("input", input)? + part("output", output)?)
    }

    /// Why the target at `place` stands where it stands in `plan`; `Err`: why it is not in it.
    pub fn told(&self, plan: &Plan<Target>, place: u16) -> Result<String, String> {
        let route = plan.route();
        let Some(target) = route.targets.get(usize::from(place)) else { return Err("is not there".to_owned()) };
        if !target.serves(self.ask.api) {
            return Err(format!("does not answer {}", self.ask.api.name()));
        }
        if let Some(condition) = unmet(target, &self.facts()) {
            return Err(format!("is not for this request: `when.{condition}`"));
        }
        if !plan.left().contains(&place) {
            let most = target.max_input_tokens.unwrap_or_default();
            let about = tokens::estimate_tokens(self.ask.text_bytes);
            return Err(format!("the prompt is too long for it: about {about} tokens, and it takes {most}"));
        }
        let mut why = match (route.rule.canary(place), route.rule.kind()) {
            (Some(share), _) => format!("canary of {share}"),
            (None, RouteKind::Priority) => "in the order of the file".to_owned(),
            (None, RouteKind::Weighted) => format!("weight {}", route.rule.weight(place)),
            (None, RouteKind::Latency) => match target.standing.paces().expected_us(self.output_tokens()) {
                Some(us) => format!("expected to take {:.0} ms", us / 1_000.0),
                None => "its pace is not known yet".to_owned(),
            },
            (None, RouteKind::Cost) => match self.cost(target) {
                Some(cost) => format!("expected to cost {} USD", nano(cost)),
                None => "what it costs is not known".to_owned(),
            },
        };
        if plan.left().first() == Some(&place) {
            match (plan.routed(), route.rule.sticky()) {
                (Routed::Canary, _) => why.push_str("; this is one of its requests"),
                (Routed::Sticky, sticky) => why.push_str(&format!("; sticky by {}", sticky.name())),
                _ => {}
            }
        }
        let opens_us = target.standing().opens_at_us();
        if opens_us > self.now_us {
            let wait_s = (opens_us - self.now_us).div_ceil(1_000_000);
            why.push_str(&format!("; it is passed by for {wait_s} s, unless nothing else is left"));
        } else if !target.standing().takes(self.now_us) {
            why.push_str("; it is half open, and the one request that tries it is under way: it is passed by until then, unless nothing else is left");
        }
        Ok(why)
    }
}

/// Why a target is not tried that somebody took out.
pub fn taken_out(out: &ByHand) -> String {
    match out.until_us {
        Some(until_us) => format!("is shut by hand until {}: {}", moment::show(until_us), out.reason),
        None => format!("is shut by hand: {}", out.reason),
    }
}

fn nano(cost: u128) -> NanoUsd {
    NanoUsd(i64::try_from(cost.div_ceil(1_000_000)).unwrap_or(i64::MAX))
}

/// The condition of `target` that does not hold.
fn unmet(target: &Target, facts: &Facts<'_>) -> Option<&'static str> {
    failing(target.when.as_ref()?, facts)
}

fn no_target(route: &Route<Target>, facts: &Facts<'_>, serve: impl Fn(&Target) -> bool) -> Reject {
    let mut conditions: Vec<&str> = Vec::new();
    for condition in route.targets.iter().filter(|target| serve(target)).filter_map(|target| unmet(target, facts)) {
        if !conditions.contains(&condition) {
            conditions.push(condition);
        }
    }
    Reject::NoTarget(format!(
        "no target of model `{model}` is for this request: their conditions on `{}` do not hold; change the request, call \
         another model, or ask the operator, who finds them under `models.{model}.targets`",
        conditions.join("`, `"),
        model = route.name,
    ))
}

/// What the request holds, text included.
fn holds(ask: &Ask) -> Modalities {
    let demand = &ask.demand;
    let mut holds = demand.holds;
    holds.insert(Modality::Text);
    holds.insert_if(Modality::Tools, demand.tools > 0 || demand.built_in_tools > 0);
    holds.insert_if(Modality::Audio, demand.audio_output || demand.audio_bytes > 0 || ask.api == Api::Realtime);
    if let Some(media) = &demand.media {
        holds.insert_if(Modality::Image, media.pictures > 0);
        holds.insert_if(Modality::Audio, media.sound.is_some());
    }
    holds
}

fn bounded(part: &[u8]) -> &[u8] {
    part.get(..PREFIX_BYTES).unwrap_or(part)
}

/// The first turns up to what changes as a conversation goes on: Anthropic's clients move the mark `cache_control` from
/// turn to turn, and what closes the turn is another byte with it than without.
fn beginning(turns: &[u8]) -> &[u8] {
    let turns = bounded(turns);
    let end = memchr::memmem::find(turns, b"\"cache_control\"").unwrap_or(turns.len());
    let closing = |byte: &u8| byte.is_ascii_whitespace() || b",]}".contains(byte);
    let end = turns[..end].iter().rposition(|byte| !closing(byte)).map_or(0, |last| last + 1);
    &turns[..end]
}

/// Bytes of thoughts that providers sealed: no text that a model reads by the byte.
fn sealed_bytes(body: &[u8]) -> u64 {
    const NAMES: [&[u8]; 4] =
        [b"\"signature\"", b"\"encrypted_content\"", b"\"thoughtSignature\"", b"\"thought_signature\""];
    let all = NAMES.into_iter().flat_map(|name| {
        memchr::memmem::find_iter(body, name).map(move |at| {
            let rest = body.get(at + name.len()..).unwrap_or_default();
            let value = rest.iter().position(|byte| *byte == b'"').and_then(|from| rest.get(from + 1..));
            value.and_then(|value| memchr::memchr(b'"', value)).unwrap_or(0) as u64
        })
    });
    all.sum()
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
