//! The look that generates: one target is asked for one token, as a client would ask, by the gateway itself.
//!
//! It is a request like any other: under the gateway's and the provider's limits and budgets, with a row, an access record and
//! a say in the target's health. It is paid by a budget of its own, and nobody's guardrails look at it.

use super::{
    admission::Place,
    exchange::{Arrival, Exchange, Opened, Shared},
    finish,
    gateway::{Services, Snapshot},
    governed::Governing,
    mirror::Driver,
    reject::Reject,
    target::Target,
    trouble::Trouble,
};
use crate::{
    auth::Caller,
    config::{
        Budget, Config, Failure, Mode, OnExhausted, ProbeBudget, Provider, RouteKind, Rules, Scope, Sticky, Unit,
    },
    dialect,
    model::{Api, Draft},
    routing::{Proof, Route, Rule},
};
use http::{HeaderMap, Version};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Key and team of these requests in rows and records. No name that is written begins so.
const NAME: &str = "#probe";

/// Who asks a target for a token.
#[derive(Clone)]
pub(super) struct Asker {
    snapshot: Arc<Snapshot>,
    /// One target, one attempt.
    route: Arc<Route<Target>>,
    caller: Arc<Caller>,
    /// Held, so that the budget's balance is.
    governing: Governing,
}

impl fmt::Debug for Asker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Asker").field("route", &self.route).finish_non_exhaustive()
    }
}

impl Asker {
    /// Asks `target`, which answers for the model `name`; `None`: it has no conversations.
    pub(super) fn new(
        snapshot: &Arc<Snapshot>,
        (name, target): (&Arc<str>, &Arc<Target>),
        caller: &Arc<Caller>,
    ) -> Option<Self> {
        if !target.serves(Api::ChatCompletions) {
            return None;
        }
        let rule = Rule::new(RouteKind::Priority, Sticky::default(), &[]);
        let route = Route { name: Arc::clone(name), targets: vec![Arc::clone(target)], max_attempts: 1, rule };
        let governing = snapshot.governed.of(caller);
        Some(Self { snapshot: Arc::clone(snapshot), route: Arc::new(route), caller: Arc::clone(caller), governing })
    }
}

/// The gateway as a caller that looks at `provider`, with the money that it may spend there.
pub(super) fn caller(config: &Config, provider: &Provider, budget: ProbeBudget) -> Arc<Caller> {
    let ProbeBudget { nano, per } = budget;
    let scope = Scope::Provider(Arc::clone(&provider.name));
    let budget = Budget {
        id: format!("{}/probe/usd/{}", scope.path(), per.name()).into(),
        scope,
        unit: Unit::Usd,
        limit: nano,
        per,
        zone: config.budgeting.zone.clone(),
        each: None,
        overrides: BTreeMap::new(),
        metadata: BTreeMap::new(),
        alerts: Vec::new(),
        mode: Mode::Enforce,
        min_output_tokens: 1,
        on_exhausted: OnExhausted::Refuse,
    };
    Arc::new(Caller::of_gateway(NAME, Rules { limits: Vec::new(), budgets: vec![budget] }))
}

/// What came of a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Generated {
    /// The target answered, and this is proved.
    Answered(Proof),
    /// It did not, and why.
    Failed(String),
    /// It was not asked: the money or a limit does not allow it, or there is no room.
    Unasked(String),
}

/// Asks targets for a token.
pub struct Generator {
    driver: Driver,
    services: Arc<Services>,
}

impl Generator {
    /// With connections of its own.
    pub fn new(services: Arc<Services>) -> Self {
        Self { driver: Driver::default(), services }
    }

    /// Asks once, and waits for the answer no longer than `within`.
    pub(super) async fn ask(&self, asker: &Asker, within: Duration) -> Generated {
        let services = &self.services;
        let Some(place) = services.places.take() else {
            return Generated::Unasked("the gateway has no room for another request".to_owned());
        };
        let opened = match open(services, asker, place) {
            Ok(opened) => opened,
            Err(reject) => return Generated::Unasked(reject.to_string()),
        };
        let overhead = opened.arrival.at.elapsed();
        let shared: Shared = Arc::new(Mutex::new(Exchange::new(opened, Arc::clone(services), overhead)));
        let headers = HeaderMap::new();
        let in_time = timeout(within, self.driver.attempts(&shared, &headers, None)).await.is_ok();
        let mut exchange = shared.lock();
        if !in_time {
            exchange.failed(Trouble::Response);
        }
        let status = exchange.attempt().filter(|attempt| attempt.answer.ended()).map(|attempt| attempt.answer.status());
        let trouble = exchange.last_trouble().cloned();
        let (status, code) = match status {
            Some(status) => (status, None),
            None => {
                let reject = exchange.verdict();
                (reject.status(), Some(reject.code()))
            }
        };
        let generated = match (exchange.attempts(), trouble) {
            (0, _) => Generated::Unasked(exchange.verdict().to_string()),
            (_, None) => Generated::Answered(Proof::Credentials),
            (_, Some(trouble)) => judged(&trouble),
        };
        finish::conclude(&mut exchange, code, status);
        generated
    }
}

/// What a target's trouble with the request says of the target.
fn judged(trouble: &Trouble) -> Generated {
    match trouble.failure() {
        // It read the request, under our credentials.
        Some(Failure::Refused | Failure::ContextWindow | Failure::ContentPolicy) => {
            Generated::Answered(Proof::Credentials)
        }
        Some(Failure::RateLimited) => Generated::Answered(Proof::Reachable),
        _ => Generated::Failed(trouble.to_string()),
    }
}

/// Every line is a stage, as in `proxy::open`.
fn open(services: &Services, asker: &Asker, place: Place) -> Result<Opened, Reject> {
    let Asker { snapshot, route, caller, governing } = asker;
    let arrival = arrival(services);
    let body = serde_json::json!({
        "model": &*route.name, "messages": [{ "role": "user", "content": "Hi" }], "max_completion_tokens": 1,
    });
    let ask = dialect::parse(Api::ChatCompletions, Draft::copy_of(body.to_string().as_bytes()));
    let ask = ask.map_err(|bad| Reject::BadRequest { message: bad.message, param: bad.param })?;
    let share = services.buffers.take(ask.body.len()).ok_or(Reject::BuffersFull)?;
    let asks = (Arc::clone(caller), governing.clone());
    let mut opened = Opened::new(arrival, snapshot, asks, route, ask, (share, place));
    opened.admit(services)?;
    opened.reserve(services, snapshot)?;
    Ok(opened)
}

fn arrival(services: &Services) -> Arrival {
    let at_us = services.clock.now_us();
    let id = services.ids.next(at_us);
    let label = id.to_string().into();
    let (at, version) = (Instant::now(), Version::HTTP_11);
    Arrival { id, label, labelled: false, at, at_us, address: None, version, trace: None }
}
