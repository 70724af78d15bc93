//! The vector of a text: one call of the model that the file names, made by the gateway for the team that asks.
//!
//! It is a request like any other, with a row and an access record of its own under the same label: under the budgets and
//! limits on tokens of whoever asks, and all limits of that model. It counts as no request of the caller's limits, and nobody
//! waits for it beyond its deadline.

use super::Opening;
use crate::{
    auth::Caller,
    cache::{Embedded, Vector},
    config::{Config, ConfigError, Scope, Semantic},
    dialect,
    model::{Api, Draft},
    proxy::{
        exchange::{Arrival, Exchange, Opened, Shared},
        finish::{self, Local},
        gateway::Services,
        governed::reserved_tokens,
        guarded::Guarding,
        mirror::Driver,
        reject::{Reject, shown},
        target::Target,
        trouble::Trouble,
    },
    routing::Route,
};
use http::HeaderMap;
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Connections to the models that make vectors; none before the first one is asked.
#[derive(Default)]
pub struct Embedder(OnceLock<Driver>);

impl Opening<'_> {
    /// The vector of `text`, and whose it is: only vectors of the same maker can be compared. `guarding`: who looked at the
    /// text. `None`: there is none in time.
    pub(super) async fn embedded(
        &self,
        text: &str,
        how: &Semantic,
        guarding: Option<&Guarding>,
        (caller, local): (&Arc<Caller>, &Local),
    ) -> Option<(String, Vector)> {
        let services = &self.gateway.services;
        let metrics = services.cache.metrics();
        let opened = self.embedding(text, how, guarding, (caller, local));
        let opened = opened.inspect_err(|reject| {
            tracing::debug!(code = reject.code(), %reject, "a text was not embedded for the cache");
            metrics.embedded(Embedded::Refused);
        });
        let told = ask(services, opened.ok()?, how.timeout).await;
        let (what, vector) = match told {
            Ok((maker, body)) => match Vector::of_answer(&body) {
                Some(vector) => (Embedded::Answered, Some((maker, vector))),
                None => (Embedded::Garbage, None),
            },
            Err(what) => (what, None),
        };
        metrics.embedded(what);
        vector
    }

    /// Every line is a stage, as in `proxy::open`.
    fn embedding(
        &self,
        text: &str,
        how: &Semantic,
        guarding: Option<&Guarding>,
        (caller, local): (&Arc<Caller>, &Local),
    ) -> Result<Opened, Reject> {
        let (services, snapshot) = (&self.gateway.services, &self.snapshot);
        let route = snapshot.table.find(&how.model).ok_or_else(|| Reject::NoModel { model: shown(&how.model) })?;
        let mask = snapshot.guarded.get(&route.name).copied().unwrap_or(0);
        if mask != 0 && guarding.is_none_or(|guarding| !guarding.has(mask)) {
            // A guardrail of that model did not look at the text.
            let message = format!("guardrails of model `{}` do not hold for the request", route.name);
            return Err(Reject::NotAdmitted { code: "not_guarded", message });
        }
        let place = services.places.take().ok_or(Reject::BuffersFull)?;
        let arrival = self.arrival_of_embedding();
        let body = serde_json::json!({ "model": &*route.name, "input": text }).to_string();
        let ask = dialect::parse(Api::Embeddings, Draft::copy_of(body.as_bytes()));
        let ask = ask.map_err(|bad| Reject::BadRequest { message: bad.message, param: bad.param })?;
        let share = services.buffers.take(ask.body.len()).ok_or(Reject::BuffersFull)?;
        let mut governing = snapshot.governed.of(caller);
        snapshot.governed.with_model(&mut governing, &route.name);
        let tokens = reserved_tokens(&ask);
        let mut opened = Opened {
            user: local.user.clone(),
            metadata: local.metadata.clone(),
            ..Opened::new(arrival, snapshot, (Arc::clone(caller), governing), route, ask, (share, place))
        };
        // Its requests and places are those of the request that it is for.
        opened.permit = opened.governing.admit_beside(&services.limits, &opened.subject(), tokens)?;
        opened.charges = opened.facts().charges(opened.governing.budgets());
        opened.plan = opened.planned(Arc::clone(route), services.clock.now_us())?;
        opened.reserve(services, snapshot)?;
        Ok(opened)
    }

    /// An id of its own under the label of the request that it is for.
    fn arrival_of_embedding(&self) -> Arrival {
        let services = &self.gateway.services;
        let at_us = services.clock.now_us();
        let id = services.ids.next(at_us);
        let trace = self.arrival.trace.as_ref().map(|trace| Arc::new(trace.child(id)));
        Arrival { id, labelled: true, at: Instant::now(), at_us, address: None, trace, ..self.arrival.clone() }
    }
}

/// Makes the request, and waits no longer than `within`. Returns who answered, and the body.
async fn ask(services: &Arc<Services>, opened: Opened, within: Duration) -> Result<(String, Vec<u8>), Embedded> {
    let overhead = opened.arrival.at.elapsed();
    let shared: Shared = Arc::new(Mutex::new(Exchange::new(opened, Arc::clone(services), overhead)));
    let mut body = Vec::new();
    let driver = services.embedder.0.get_or_init(Driver::default);
    let headers = HeaderMap::new();
    let attempts = driver.attempts(&shared, &headers, Some(&mut body));
    let in_time = {
        tokio::pin!(attempts);
        let in_time = timeout(within, attempts.as_mut()).await.is_ok();
        if let (false, Some(attempt)) = (in_time, shared.lock().attempt()) {
            attempt.cut_short(); // while what was not sent is still there to be told from what was
        }
        in_time
    };
    let mut exchange = shared.lock();
    if !in_time {
        exchange.failed(Trouble::Total); // the gateway's own haste, which says nothing of the target
    }
    let answered = exchange.attempt().filter(|attempt| attempt.answer.ended());
    let answer = answered.map(|attempt| (attempt.answer.status(), maker(&attempt.target)));
    let (status, code) = answer.as_ref().map_or_else(
        || {
            let reject = exchange.verdict();
            (reject.status(), Some(reject.code()))
        },
        |(status, _)| (*status, None),
    );
    finish::conclude(&mut exchange, code, status);
    match answer {
        Some((200, maker)) => Ok((maker, body)),
        _ if in_time => Err(Embedded::Failed),
        _ => Err(Embedded::Late),
    }
}

/// Whose vectors those of `target` are: all accounts of a provider have the same models.
fn maker(target: &Target) -> String {
    let provider = &*target.provider_name;
    format!("{}/{}", provider.split_once(Scope::ACCOUNT).map_or(provider, |(name, _)| name), target.model)
}

/// What keeps the model that is to make vectors from it.
pub fn mistake(config: &Config, routes: &[Route<Target>]) -> Option<ConfigError> {
    let how = config.cache.semantic.as_ref()?;
    let route = routes.iter().find(|route| route.name == how.model)?;
    if route.targets.iter().any(|target| target.serves(Api::Embeddings)) {
        return None;
    }
    let message =
        format!("no target of model `{}` answers embeddings; name one that makes vectors of texts", how.model);
    Some(ConfigError { file: None, line: None, path: "cache.semantic.model".to_owned(), message })
}
