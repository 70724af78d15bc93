//! Where kept answers meet requests and answers: whether a request is looked up, what it is known by, and what is kept.
//!
//! A request is looked up behind its limits and its guardrails, in the bytes that they leave of it, and before a target is
//! looked for and money is held. What is not looked up is decided here in one place ([`Opening::known_by`]): whatever is in
//! doubt is a part of the key, and what could be another's alone is not looked up at all.

mod embed;
mod fill;
mod serve;

pub use embed::{Embedder, mistake};
pub use fill::Cached;
pub use serve::Hit;

use super::{
    admission::Place,
    counting::{self, count, counts_here},
    explain::Explaining,
    finish::Local,
    guarded::Guarding,
    open::{Next, Opening},
    reject::Reject,
    target::Target,
};
use crate::{
    auth::Caller,
    cache::{Answer, CacheRule, Key, Meaning, NotCompared, Print, Question, Wish, question},
    config::{CacheScope, Semantic},
    limits::Permit,
    model::{Api, Ask},
    routing::{Route, failing},
};
use fill::Filling;
use http::{HeaderMap, header};
use pingora::http::RequestHeader;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Longer requests are not looked up: to read them once more would cost more than it is likely to save.
const MOST_REQUEST: usize = 1 << 20;

/// What is known of a request that is looked up.
pub struct Lookup<'a> {
    /// Its model.
    pub route: &'a Arc<Route<Target>>,
    /// What is asked, as its guardrails leave it.
    pub ask: &'a Ask,
    /// Its guardrails.
    pub guarding: Option<&'a Guarding>,
}

/// What a request is known by, and what it is known by as far as everything but its last message goes.
struct Known {
    key: Key,
    /// The beginning of that, where meanings are compared.
    print: Option<Print>,
}

/// What became of a request before a provider is asked.
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart where it comes back; a box would be one for every request"
)]
pub enum Here {
    /// It is answered here.
    Answered(Next),
    /// It goes on, with what it holds.
    GoesOn(Permit, Place),
}

impl Opening<'_> {
    /// Answers what needs no provider: counts that are made here, and requests whose answer is kept.
    ///
    /// # Errors
    ///
    /// [`Reject::BadRequest`] of a count, [`Reject::LedgerUnavailable`]: an answer has a row, whoever gives it.
    pub async fn here(
        &self,
        head: &RequestHeader,
        lookup: Lookup<'_>,
        (mut permit, place): (Permit, Place),
        local: &mut Local,
    ) -> Result<Here, Reject> {
        let (services, Lookup { route, ask, .. }) = (&self.gateway.services, &lookup);
        if counts_here(ask, route) {
            counting::check(ask)?;
            permit.keep(); // it costs nothing, but it is a request
            return Ok(Here::Answered(Next::Tokens(count(&services.counter, ask, route).await)));
        }
        let rule = local.caller.as_ref().and_then(|caller| self.snapshot.caching.of(&caller.team, &route.name));
        let (Some(rule), Some(caller)) = (rule, local.caller.clone()) else {
            return Ok(Here::GoesOn(permit, place));
        };
        let (wish, query) = (Wish::of(&head.headers), head.uri.query());
        let Some(known) = self.known_by(&lookup, (&rule, wish), (&head.headers, query), (&caller, local)) else {
            services.cache.bypassed();
            local.cached = Cached::bypassed();
            return Ok(Here::GoesOn(permit, place));
        };
        let purges = services.cache.purges();
        let now_us = services.clock.now_us();
        let young = |age| age < rule.ttl && wish.takes(age);
        let found = services.cache.look(&known.key).filter(|answer| young(answer.age(now_us)));
        if let Some(answer) = found {
            let hit = self.hit((answer, None, Duration::ZERO), &lookup, (permit, place), &caller, local)?;
            return Ok(Here::Answered(Next::Hit(Box::new(hit))));
        }
        let (mut meaning, mut waited) = (None, Duration::ZERO);
        if let (Some(print), Some(how)) = (known.print, self.snapshot.caching.semantic()) {
            let begun = Instant::now();
            meaning = Box::pin(self.meaning(&lookup, print, how, &caller, local)).await; // not a part of every future
            waited = begun.elapsed();
            let takes = |answer: &Answer| young(answer.age(now_us));
            let near = meaning.as_ref().and_then(|meaning| services.cache.nearest(meaning, how.threshold, takes));
            if let Some((answer, similarity)) = near {
                let found = (answer, Some(similarity), waited);
                let hit = self.hit(found, &lookup, (permit, place), &caller, local)?;
                return Ok(Here::Answered(Next::Hit(Box::new(hit))));
            }
        }
        services.cache.missed();
        let share = services.buffers.take(0);
        let filling = share.map(|share| Filling::new(known.key, rule, purges, share).meaning(meaning));
        local.cached = Cached::missed(filling).having_waited(waited);
        Ok(Here::GoesOn(permit, place))
    }

    /// What the request is known by where only the meaning of its last message is left open; `None`: it is compared with no
    /// others.
    async fn meaning(
        &self,
        Lookup { ask, guarding, .. }: &Lookup<'_>,
        print: Print,
        how: &Semantic,
        caller: &Arc<Caller>,
        local: &Local,
    ) -> Option<Meaning> {
        let (rest, text) = alone(ask, how).ok()?;
        let open = print.with("by meaning").with(&*how.model).body(&rest, ignored(ask.api), stateful(ask.api))?;
        drop(rest);
        let (maker, vector) = self.embedded(&text, how, *guarding, (caller, local)).await?;
        Some(Meaning { bucket: Print::bucket(&open, &maker, vector.dimensions()), vector })
    }

    /// What a request is known by; `None`: it is not looked up, and its answer is not kept.
    fn known_by(
        &self,
        lookup: &Lookup<'_>,
        (rule, wish): (&CacheRule, Wish),
        (headers, query): (&HeaderMap, Option<&str>),
        (caller, local): (&Caller, &Local),
    ) -> Option<Known> {
        let Lookup { route, ask, guarding } = lookup;
        let refuses = wish.no_store || (rule.asked && !wish.asks);
        if refuses || !keeps(ask.api) || ask.form || ask.sealed_elsewhere || ask.body.len() > MOST_REQUEST {
            return None;
        }
        // Placeholders stand for what one client said, and services may say otherwise the next time.
        let mask = guarding.map_or(Some(0), |guarding| guarding.shareable())?;
        let facts = local.facts(caller, ask);
        let print = Print::begin(self.snapshot.generation)
            .with(&*caller.team)
            .with_some(Some(&*caller.key).filter(|_| rule.scope >= CacheScope::Key))
            .with_some(local.user.as_deref().filter(|_| rule.scope == CacheScope::User))
            .with(ask.api.name())
            .with(&*route.name)
            .with(&ask.model)
            .with_some(query)
            .number(u64::from(ask.stream))
            .with(mask.to_le_bytes());
        let print = route.targets.iter().fold(print, |print, target| {
            let is_for = target.when.as_ref().is_none_or(|when| failing(when, &facts).is_none());
            passed(target, ask.api, headers, print.number(u64::from(is_for)))
        });
        let begun = self.snapshot.caching.semantic().filter(|_| rule.semantic).map(|how| {
            let print = print.clone();
            // What is near is no proof of knowing the answer: such answers are shared by fewer.
            print
                .with_some(Some(&*caller.key).filter(|_| how.scope >= CacheScope::Key))
                .with_some(local.user.as_deref().filter(|_| how.scope == CacheScope::User))
        });
        let key = print.body(&ask.body.bytes(), ignored(ask.api), stateful(ask.api))?;
        Some(Known { key, print: begun })
    }
}

/// The rest of the request and the text of its last message, if it is one that is compared by meaning.
fn alone(ask: &Ask, how: &Semantic) -> Result<(Vec<u8>, String), NotCompared> {
    if !ask.demand.is_text() {
        return Err(NotCompared::MoreThanText);
    }
    let Question { text, rest } = question(ask.api, &ask.body.bytes(), how.max_text_bytes)?;
    Ok((rest, text))
}

impl Explaining<'_> {
    /// Whether a request would be looked up, in words; `None`: its model and team have no cache.
    pub(super) fn cached(&self, caller: &Caller, model: &str, ask: &Ask) -> Option<String> {
        let rule = self.snapshot.caching.of(&caller.team, model)?;
        if !keeps(ask.api) || ask.form {
            return Some(format!("the cache would not be asked: answers of {} are not kept", ask.api.name()));
        }
        if ask.body.len() > MOST_REQUEST {
            return Some(format!("the cache would not be asked: the request is longer than {MOST_REQUEST} bytes"));
        }
        let when =
            if rule.asked { "if the request says `x-weighbridge-cache: use`" } else { "unless the request refuses it" };
        let (scope, ttl) = (rule.scope.name(), rule.ttl.as_secs_f64());
        let exactly = format!(
            "the cache would be asked {when}: for an answer to the same request of its {scope}, up to {ttl} s old"
        );
        let Some(how) = self.snapshot.caching.semantic().filter(|_| rule.semantic) else { return Some(exactly) };
        Some(match alone(ask, how) {
            Ok(_) => format!("{exactly}; or to one that means the same ({how})"),
            Err(why) => format!("{exactly}; it is not compared by meaning: {why}"),
        })
    }
}

/// Adds what of the client's headers `target` is told, but for the name of its software.
fn passed(target: &Target, api: Api, headers: &HeaderMap, print: Print) -> Print {
    let mut told = HeaderMap::new();
    target.provider.headers(api, headers, &mut told);
    told.iter().fold(print, |print, (name, value)| {
        let of_client = headers.get_all(name).iter().any(|one| one == value);
        let says_nothing = *name == header::USER_AGENT || name.as_str() == "x-goog-api-client";
        if of_client && !says_nothing { print.with(name.as_str()).with(value.as_bytes()) } else { print }
    })
}

/// Whether answers of `api` are kept: texts, vectors and ranks. Pictures and sound are long, and asked for to be new.
pub(super) const fn keeps(api: Api) -> bool {
    matches!(
        api,
        Api::ChatCompletions
            | Api::Completions
            | Api::Embeddings
            | Api::Responses
            | Api::Messages
            | Api::Generate
            | Api::Rerank
            | Api::Moderations
    )
}

/// Members that change nothing about the answer: who the end user is, hints for a provider's own cache, and `stream`, which is
/// a part of the key by itself. Responses tell them again, so they are parts of those.
const fn ignored(api: Api) -> &'static [&'static [&'static str]] {
    match api {
        Api::ChatCompletions | Api::Completions => {
            &[&["stream"], &["user"], &["safety_identifier"], &["prompt_cache_key"], &["metadata"]]
        }
        Api::Embeddings => &[&["user"]],
        Api::Messages => &[&["stream"], &["metadata", "user_id"]],
        Api::Responses => &[&["stream"]],
        _ => &[],
    }
}

/// Members of requests that do something beside being answered, or whose answer depends on more than the request.
const fn stateful(api: Api) -> &'static [&'static str] {
    match api {
        Api::ChatCompletions => &["store"],
        Api::Responses => &["background", "conversation"],
        Api::Messages => &["container"],
        _ => &[],
    }
}
