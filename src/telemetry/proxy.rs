//! Metrics of the data plane: requests as clients see them.

use super::{OVERHEAD_SECONDS, OverloadMetrics, PROVIDER_SECONDS, registered};
use prometheus::{
    CounterVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};
use std::time::Duration;

/// Requests as clients see them. What has labels of the configuration is reached through a `SeriesTable`.
#[derive(Debug, Clone)]
pub struct ProxyMetrics {
    pub(super) requests: IntCounterVec,
    pub(super) request_seconds: HistogramVec,
    pub(super) first_token_seconds: HistogramVec,
    pub(super) tokens: IntCounterVec,
    pub(super) units: CounterVec,
    pub(super) cost_usd: CounterVec,
    pub(super) unpriced: IntCounterVec,
    pub(super) usage_origin: IntCounterVec,
    pub(super) inconsistent_usage: IntCounterVec,
    pub(super) retries: IntCounterVec,
    pub(super) team_requests: IntCounterVec,
    pub(super) team_tokens: IntCounterVec,
    pub(super) team_units: CounterVec,
    pub(super) team_cost_usd: CounterVec,
    rejects: IntCounterVec,
    /// Copies of requests for another model, by the model that was asked for and how they ended.
    pub mirrored: IntCounterVec,
    guard_finds: IntCounterVec,
    guard_service_seconds: HistogramVec,
    refused_connections: IntCounterVec,
    /// Connections of clients that are open now.
    pub open_connections: IntGauge,
    /// Who waits for a place.
    pub overload: OverloadMetrics,
    /// Uses that a provider reported and for which the ledger took no row.
    pub unbooked: IntCounter,
    /// Time that a request spent in the gateway itself: whole latency less waiting for clients and providers.
    pub overhead_seconds: Histogram,
    /// Requests that are open now.
    pub in_flight: IntGauge,
    /// Bytes of bodies and withheld answers that are held now.
    pub buffered_bytes: IntGauge,
    /// Bytes of request bodies received.
    pub request_bytes: IntCounter,
    /// Bytes of answers sent to clients.
    pub response_bytes: IntCounter,
    /// Clients that left before their answer was whole.
    pub client_disconnects: IntCounter,
}

impl ProxyMetrics {
    /// Counts what a guardrail found; `action`: what it did, or `audit` where it only told. `entity` is of a closed set.
    pub fn guarded(&self, guard: &str, hook: &str, action: &str, entity: &str, count: u32) {
        self.guard_finds.with_label_values(&[guard, hook, action, entity]).inc_by(count.into());
    }

    /// Tells how long a guardrail's service was waited for; `result`: `ok`, or why it could not say.
    pub fn service_asked(&self, guard: &str, hook: &str, result: &str, took: Duration) {
        self.guard_service_seconds.with_label_values(&[guard, hook, result]).observe(took.as_secs_f64());
    }

    /// Registers the stage's metrics.
    ///
    /// # Errors
    ///
    /// When a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            registered(registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let floats = |name: &str, help: &str, labels: &[&str]| {
            registered(registry, CounterVec::new(Opts::new(name, help), labels))
        };
        let histograms = |name: &str, help: &str, labels: &[&str]| {
            let opts = HistogramOpts::new(name, help).buckets(PROVIDER_SECONDS.to_vec());
            registered(registry, HistogramVec::new(opts, labels))
        };
        let counter = |name: &str, help: &str| registered(registry, IntCounter::new(name, help));
        let gauge = |name: &str, help: &str| registered(registry, IntGauge::new(name, help));
        let overhead = HistogramOpts::new(
            "weighbridge_proxy_overhead_seconds",
            "Time a request spent in the gateway itself: latency less waiting for clients and providers",
        );
        Ok(Self {
            requests: counters(REQUESTS.0, REQUESTS.1, &["api", "model", "status"])?,
            request_seconds: histograms(LATENCY.0, LATENCY.1, &["model"])?,
            first_token_seconds: histograms(FIRST_TOKEN.0, FIRST_TOKEN.1, &["model"])?,
            tokens: counters(TOKENS.0, TOKENS.1, &["model", "provider", "target", "class"])?,
            units: floats(UNITS.0, UNITS.1, &["model", "provider", "target", "unit"])?,
            cost_usd: floats(COST.0, COST.1, &["model", "provider", "target"])?,
            unpriced: counters(UNPRICED.0, UNPRICED.1, &["model", "provider", "target"])?,
            usage_origin: counters(ORIGIN.0, ORIGIN.1, &["provider", "target", "origin"])?,
            inconsistent_usage: counters(INCONSISTENT.0, INCONSISTENT.1, &["provider", "target"])?,
            retries: counters(RETRIES.0, RETRIES.1, &["model", "outcome", "action"])?,
            team_requests: counters(TEAM_REQUESTS.0, TEAM_REQUESTS.1, &["team", "status"])?,
            team_tokens: counters(TEAM_TOKENS.0, TEAM_TOKENS.1, &["team", "class"])?,
            team_units: floats(TEAM_UNITS.0, TEAM_UNITS.1, &["team", "unit"])?,
            team_cost_usd: floats(TEAM_COST.0, TEAM_COST.1, &["team"])?,
            guard_finds: counters(
                "weighbridge_guard_finds_total",
                "What guardrails found; `failed`: they could not say",
                &["guard", "hook", "action", "entity"],
            )?,
            guard_service_seconds: histograms(
                "weighbridge_guard_service_seconds",
                "Time that requests and answers waited for the services of guardrails; `result`: `ok`, or why there is none",
                &["guard", "hook", "result"],
            )?,
            mirrored: counters(
                "weighbridge_proxy_mirrored_total",
                "Copies of requests for another model, by the model that was asked for and how they ended",
                &["model", "result"],
            )?,
            overload: OverloadMetrics::register(registry)?,
            rejects: counters(
                "weighbridge_proxy_rejects_total",
                "Requests the gateway itself refused, by code",
                &["code"],
            )?,
            refused_connections: counters(
                "weighbridge_proxy_connections_refused_total",
                "Connections closed before their first request, by reason",
                &["reason"],
            )?,
            open_connections: gauge("weighbridge_proxy_connections_open", "Connections of clients that are open now")?,
            overhead_seconds: registered(registry, Histogram::with_opts(overhead.buckets(OVERHEAD_SECONDS.to_vec())))?,
            in_flight: gauge("weighbridge_proxy_in_flight_requests", "Requests that are open now")?,
            buffered_bytes: gauge(
                "weighbridge_proxy_buffered_bytes",
                "Bytes of request bodies and withheld answers that are held now",
            )?,
            unbooked: counter("weighbridge_proxy_unbooked_total", "Uses in a session that the ledger took no row for")?,
            request_bytes: counter("weighbridge_proxy_request_bytes_total", "Bytes of request bodies received")?,
            response_bytes: counter("weighbridge_proxy_response_bytes_total", "Bytes of answers sent to clients")?,
            client_disconnects: counter(
                "weighbridge_proxy_client_disconnects_total",
                "Clients that left before their answer was whole",
            )?,
        })
    }

    /// Counts one refusal under its stable code. Codes are `&'static str`: no client can add one.
    pub fn reject(&self, code: &'static str) {
        self.rejects.with_label_values(&[code]).inc();
    }

    /// Counts a connection that was closed before its first request. Reasons are the gateway's own words.
    pub fn refused_connection(&self, reason: &'static str) {
        self.refused_connections.with_label_values(&[reason]).inc();
    }

    /// Counts a request as open until the value is dropped.
    pub fn enter(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }
}

/// One open request in the gauge; dropping it takes it out.
#[derive(Debug)]
pub struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

type Named = (&'static str, &'static str);

const REQUESTS: Named = (
    "weighbridge_proxy_requests_total",
    "Requests answered, by call, model of the configuration (or `other`) and status class",
);
const LATENCY: Named = ("weighbridge_proxy_request_duration_seconds", "From the head read to the answer's last byte");
const FIRST_TOKEN: Named = (
    "weighbridge_proxy_first_token_seconds",
    "Streams: from the head read to the first output sent, all attempts included",
);
const TOKENS: Named = (
    "weighbridge_proxy_tokens_total",
    "Tokens by class; the classes are disjoint (`input` without cached ones, `output` without reasoning)",
);
const UNITS: Named = (
    "weighbridge_proxy_units_total",
    "What is billed beside tokens, by unit: images, seconds of sound, characters, searches",
);
const COST: Named = (
    "weighbridge_proxy_cost_usd_total",
    "What attempts cost in USD, as a float and therefore rounded; the ledger has the exact nano-dollars",
);
const UNPRICED: Named = (
    "weighbridge_proxy_unpriced_attempts_total",
    "Attempts that used tokens or units whose price is unknown: not in the cost",
);
const ORIGIN: Named = (
    "weighbridge_proxy_usage_origin_total",
    "Settled attempts by where their token figures came from: reported, counted, estimated, none",
);
const INCONSISTENT: Named = (
    "weighbridge_proxy_inconsistent_usage_total",
    "Attempts whose reported token figures contradict themselves (a part larger than its whole) or are no sane numbers",
);
const RETRIES: Named = (
    "weighbridge_proxy_retries_total",
    "Attempts that failed, by model, how, and what followed: fail, next, retry (the same target again), fallback",
);
const TEAM_REQUESTS: Named = ("weighbridge_proxy_team_requests_total", "Requests by team and status class");
const TEAM_TOKENS: Named = ("weighbridge_proxy_team_tokens_total", "Tokens by team and disjoint class");
const TEAM_UNITS: Named = ("weighbridge_proxy_team_units_total", "What is billed beside tokens by team and unit");
const TEAM_COST: Named =
    ("weighbridge_proxy_team_cost_usd_total", "What attempts cost in USD by team, rounded as a float");
