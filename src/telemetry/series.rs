//! Metric handles of one configuration, resolved once: what a request adds to without looking a label up.

use super::{Metrics, Outcome, ProviderMetrics, ProxyMetrics};
use crate::config::{Config, Failure, Target};
use crate::model::{Api, NanoUsd, Usage, UsageOrigin};
use prometheus::{Counter, Histogram, IntCounter, IntCounterVec};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The handles of every model, target and team of one configuration; built when it is loaded.
///
/// Past 200 models or teams (names in alphabetical order), and for what is not in the configuration, the label is `other`.
#[derive(Debug)]
pub struct SeriesTable {
    models: HashMap<Arc<str>, ModelSeries>,
    other: PerApi,
    teams: HashMap<Arc<str>, Arc<TeamSeries>>,
    other_team: Arc<TeamSeries>,
}

#[derive(Debug)]
struct ModelSeries {
    requests: PerApi,
    targets: Vec<Arc<TargetSeries>>,
}

/// By [`Api`]; the last is for requests that never became one (unknown routes).
type PerApi = [Arc<RequestSeries>; Api::ALL.len() + 1];

impl SeriesTable {
    /// Resolves the handles of `config`. Series of an earlier configuration stay readable.
    pub fn resolve(metrics: &Metrics, config: &Config) -> Self {
        let mut models = HashMap::with_capacity(config.models.len());
        for (at, (name, model)) in config.models.iter().enumerate() {
            let label = if at < MAX_NAMES { &**name } else { OTHER };
            let target = |target| Arc::new(TargetSeries::resolve(metrics, label, target));
            let targets = model.targets.iter().map(target).collect();
            models.insert(Arc::clone(name), ModelSeries { requests: per_api(&metrics.proxy, label), targets });
        }
        let mut teams = HashMap::with_capacity(config.teams.len());
        for (at, name) in config.teams.keys().enumerate() {
            let label = if at < MAX_NAMES { &**name } else { OTHER };
            teams.insert(Arc::clone(name), Arc::new(TeamSeries::resolve(&metrics.proxy, label)));
        }
        Self {
            models,
            other: per_api(&metrics.proxy, OTHER),
            teams,
            other_team: Arc::new(TeamSeries::resolve(&metrics.proxy, OTHER)),
        }
    }

    /// What a request of `api` for `model` adds to; `None` where it did not get that far.
    pub fn request(&self, api: Option<Api>, model: Option<&str>) -> &Arc<RequestSeries> {
        let known = model.and_then(|name| self.models.get(name));
        let per_api = known.map_or(&self.other, |model| &model.requests);
        &per_api[index(api)]
    }

    /// What an attempt at the target `at` (its place in the file, from 0) of `model` adds to.
    pub fn target(&self, model: &str, at: usize) -> Option<&Arc<TargetSeries>> {
        self.models.get(model)?.targets.get(at)
    }

    /// What a request of `team` adds to; `None` where nobody is known to call.
    pub fn team(&self, team: Option<&str>) -> &Arc<TeamSeries> {
        team.and_then(|name| self.teams.get(name)).unwrap_or(&self.other_team)
    }
}

/// Handles of one call and model.
#[derive(Debug)]
pub struct RequestSeries {
    status: [IntCounter; STATUS_CLASSES.len()],
    seconds: Histogram,
    first_token_seconds: Histogram,
}

impl RequestSeries {
    fn resolve(proxy: &ProxyMetrics, api: &str, model: &str) -> Self {
        Self {
            status: STATUS_CLASSES.map(|class| proxy.requests.with_label_values(&[api, model, class])),
            seconds: proxy.request_seconds.with_label_values(&[model]),
            first_token_seconds: proxy.first_token_seconds.with_label_values(&[model]),
        }
    }

    /// Counts a request that was answered with `status` after `latency`, its first output after `first_token`.
    pub fn finished(&self, status: u16, latency: Duration, first_token: Option<Duration>) {
        self.status[status_class(status)].inc();
        self.seconds.observe(latency.as_secs_f64());
        if let Some(first_token) = first_token {
            self.first_token_seconds.observe(first_token.as_secs_f64());
        }
    }
}

/// Handles of one target of one model.
#[derive(Debug)]
pub struct TargetSeries {
    outcomes: [IntCounter; Outcome::ALL.len()],
    seconds: Histogram,
    first_token_seconds: Histogram,
    used: Used,
    origins: [IntCounter; ORIGINS.len()],
    cost_usd: Counter,
    unpriced: IntCounter,
    inconsistent: IntCounter,
    failures: IntCounterVec,
    model: Arc<str>,
}

impl TargetSeries {
    fn resolve(metrics: &Metrics, model: &str, target: &Target) -> Self {
        let Metrics { proxy, providers, .. } = metrics;
        let ProviderMetrics { attempts, attempt_seconds, first_token_seconds, credentials: _ } = providers;
        let labels = [&*target.provider, &*target.model];
        let [provider, name] = labels;
        Self {
            outcomes: Outcome::ALL.map(|outcome| attempts.with_label_values(&[provider, name, outcome.name()])),
            seconds: attempt_seconds.with_label_values(&labels),
            first_token_seconds: first_token_seconds.with_label_values(&labels),
            used: Used::resolve(
                |class| proxy.tokens.with_label_values(&[model, provider, name, class]),
                |unit| proxy.units.with_label_values(&[model, provider, name, unit]),
            ),
            origins: ORIGINS.map(|origin| proxy.usage_origin.with_label_values(&[provider, name, origin.name()])),
            cost_usd: proxy.cost_usd.with_label_values(&[model, provider, name]),
            unpriced: proxy.unpriced.with_label_values(&[model, provider, name]),
            inconsistent: proxy.inconsistent_usage.with_label_values(&labels),
            failures: proxy.retries.clone(),
            model: model.into(),
        }
    }

    /// Counts an attempt that failed, and what followed.
    pub fn failed(&self, failure: Failure, action: &'static str) {
        self.failures.with_label_values(&[&*self.model, failure.name(), action]).inc();
    }

    /// Counts an attempt that ended after `took`.
    pub fn ended(&self, outcome: Outcome, took: Duration) {
        self.outcomes[outcome as usize].inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// The first output of a stream came `after` the attempt began.
    pub fn first_token(&self, after: Duration) {
        self.first_token_seconds.observe(after.as_secs_f64());
    }

    /// Counts an attempt whose reported figures contradict themselves.
    pub fn inconsistent(&self) {
        self.inconsistent.inc();
    }

    /// Adds what a settled attempt used and cost; `None` where its price is unknown.
    pub fn settled(&self, usage: &Usage, origin: UsageOrigin, cost: Option<NanoUsd>) {
        self.used.add(usage);
        if let Some(at) = ORIGINS.iter().position(|known| *known == origin) {
            self.origins[at].inc();
        }
        match cost {
            Some(cost) => add_cost(&self.cost_usd, cost),
            None if !usage.is_zero() => self.unpriced.inc(),
            None => {}
        }
    }
}

/// Handles of one team.
#[derive(Debug)]
pub struct TeamSeries {
    status: [IntCounter; STATUS_CLASSES.len()],
    used: Used,
    cost_usd: Counter,
}

impl TeamSeries {
    fn resolve(proxy: &ProxyMetrics, team: &str) -> Self {
        Self {
            status: STATUS_CLASSES.map(|class| proxy.team_requests.with_label_values(&[team, class])),
            used: Used::resolve(
                |class| proxy.team_tokens.with_label_values(&[team, class]),
                |unit| proxy.team_units.with_label_values(&[team, unit]),
            ),
            cost_usd: proxy.team_cost_usd.with_label_values(&[team]),
        }
    }

    /// Counts a request that was answered with `status`.
    pub fn finished(&self, status: u16) {
        self.status[status_class(status)].inc();
    }

    /// Adds what a settled attempt used and cost; `None` where its price is unknown.
    pub fn settled(&self, usage: &Usage, cost: Option<NanoUsd>) {
        self.used.add(usage);
        if let Some(cost) = cost {
            add_cost(&self.cost_usd, cost);
        }
    }
}

fn per_api(proxy: &ProxyMetrics, model: &str) -> PerApi {
    std::array::from_fn(|at| {
        let api = Api::ALL.get(at).map_or(OTHER, |api| api.name());
        Arc::new(RequestSeries::resolve(proxy, api, model))
    })
}

/// The place of `api` in a [`PerApi`].
fn index(api: Option<Api>) -> usize {
    api.map_or(Api::ALL.len(), |api| api as usize)
}

/// Counters of what is used: tokens by class, and units.
#[derive(Debug)]
struct Used {
    tokens: [IntCounter; Usage::TOKENS],
    units: [Counter; UNITS.len()],
}

/// The labels of units, in the order of `Usage::classes` behind the tokens, and how much of a class makes one of them.
const UNITS: [(&str, f64); Usage::CLASSES - Usage::TOKENS] =
    [("images", 1.0), ("seconds", 1_000.0), ("characters", 1.0), ("searches", 1.0)];

impl Used {
    fn resolve(tokens: impl Fn(&str) -> IntCounter, units: impl Fn(&str) -> Counter) -> Self {
        let classes = Usage::ZERO.classes();
        Self {
            tokens: std::array::from_fn(|at| tokens(classes.get(at).map_or(OTHER, |(class, _)| *class))),
            units: UNITS.map(|(unit, _)| units(unit)),
        }
    }

    fn add(&self, usage: &Usage) {
        let classes = usage.classes();
        let (tokens, units) = classes.split_at(Usage::TOKENS);
        for (counter, (_, tokens)) in self.tokens.iter().zip(tokens).filter(|(_, (_, tokens))| *tokens > 0) {
            counter.inc_by(*tokens);
        }
        let units = self.units.iter().zip(UNITS).zip(units).filter(|(_, (_, used))| *used > 0);
        units.for_each(|((counter, (_, each)), (_, used))| counter.inc_by(*used as f64 / each));
    }
}

/// A cost is never negative; a counter that went down would be read as a restart.
fn add_cost(counter: &Counter, cost: NanoUsd) {
    if cost.0 > 0 {
        counter.inc_by(cost.0 as f64 / 1e9);
    }
}

/// The place of a status in [`STATUS_CLASSES`]; what is no HTTP status is `other`.
fn status_class(status: u16) -> usize {
    match status {
        200..=299 => 0,
        300..=399 => 1,
        400..=498 => 2,
        499 => 3,
        500..=599 => 4,
        _ => 5,
    }
}

/// 499 stands apart: the client left, and neither side was at fault.
const STATUS_CLASSES: [&str; 6] = ["2xx", "3xx", "4xx", "499", "5xx", "other"];

const ORIGINS: [UsageOrigin; 4] =
    [UsageOrigin::Reported, UsageOrigin::Counted, UsageOrigin::Estimated, UsageOrigin::None];

const OTHER: &str = "other";

/// Models and teams with series of their own; the rest share `other`, so that a scraper outlives a huge file.
const MAX_NAMES: usize = 200;
