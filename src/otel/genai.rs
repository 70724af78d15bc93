//! GenAI metrics: histograms of what attempts and requests took and used, counted from access records.
//!
//! Names, units and bounds are those of <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/>: `client` is the
//! gateway towards a provider, an attempt each; `server` is the gateway towards its clients. Sums are cumulative from the
//! start of the process. Models and providers are those of the configuration, so that the number of series is bounded; past
//! [`MOST_SERIES`] what is new is counted together, under `otel.metric.overflow`.

use super::names::{Names, Places, operation};
use super::proto::Proto;
use super::span::{error_of, error_type, seconds};
use crate::{
    model::{Api, Usage},
    telemetry::{AccessAttempt, AccessRecord},
};
use std::collections::HashMap;
use std::sync::Arc;

/// Series past this are one.
const MOST_SERIES: usize = 2_000;

const SECONDS: [f64; 14] = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const FIRST_TOKEN: [f64; 16] =
    [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const PER_TOKEN: [f64; 13] = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5];
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// Which way a series looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Side {
    Client,
    Server,
}

/// What the points of a series have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    side: Side,
    operation: &'static str,
    provider: Arc<str>,
    request_model: Arc<str>,
    response_model: Arc<str>,
    error: Option<&'static str>,
}

/// Values in buckets: the last bucket has what is above all bounds.
#[derive(Debug, Default, Clone)]
struct Histogram {
    buckets: [u64; 17],
    sum: f64,
}

impl Histogram {
    /// A bound belongs to the bucket below it.
    fn observe(&mut self, bounds: &[f64], value: f64) {
        let at = bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = self.buckets.get_mut(at) {
            *bucket += 1;
        }
        self.sum += value;
    }

    fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// What is counted of one key.
#[derive(Debug, Default, Clone)]
struct Series {
    duration: Histogram,
    first_token: Histogram,
    per_token: Histogram,
    input: Histogram,
    output: Histogram,
}

/// All series.
#[derive(Debug)]
pub(super) struct GenAi {
    series: HashMap<Key, Series>,
    begun_us: u64,
}

impl GenAi {
    /// Nothing was counted since `begun_us`.
    pub fn new(begun_us: u64) -> Self {
        Self { series: HashMap::new(), begun_us }
    }

    /// Counts a request and its attempts: of calls to models only.
    pub fn count(&mut self, record: &AccessRecord) {
        let Some(api) = record.api.filter(|api| !matches!(api, Api::Files | Api::Batches)) else { return };
        let operation = operation(api);
        for attempt in &record.attempts {
            self.attempt(operation, attempt);
        }
        let (Some(provider), Some(model)) = (&record.provider, &record.model) else { return };
        let key = Key {
            side: Side::Server,
            operation,
            provider: Arc::clone(provider),
            request_model: Arc::clone(model),
            response_model: record.target_model.clone().unwrap_or_default(),
            error: error_of(record),
        };
        let (latency, first) = (record.latency_us, record.first_token_us);
        self.timed(key, latency, first, &record.usage);
    }

    fn attempt(&mut self, operation: &'static str, attempt: &AccessAttempt) {
        let error = error_type(attempt);
        let key = Key {
            side: Side::Client,
            operation,
            provider: Arc::clone(&attempt.provider),
            request_model: Arc::clone(&attempt.target_model),
            response_model: Arc::default(),
            error,
        };
        let usage = attempt.detail.usage;
        // Tokens are told without errors, so that those of one model are one series.
        let tokens = (!usage.is_zero()).then(|| Key { error: None, ..key.clone() });
        self.timed(key, attempt.time_us, attempt.detail.first_token_us, &Usage::ZERO);
        if let Some(key) = tokens {
            let series = self.of(key);
            series.input.observe(&TOKENS, usage.input_total() as f64);
            series.output.observe(&TOKENS, usage.output_total() as f64);
        }
    }

    fn timed(&mut self, key: Key, took_us: u64, first_us: Option<u64>, usage: &Usage) {
        let succeeded = key.error.is_none();
        let series = self.of(key);
        series.duration.observe(&SECONDS, seconds(took_us));
        let Some(first) = first_us.filter(|_| succeeded) else { return };
        series.first_token.observe(&FIRST_TOKEN, seconds(first));
        let rest = usage.output_total().saturating_sub(1);
        if rest > 0 {
            series.per_token.observe(&PER_TOKEN, seconds(took_us.saturating_sub(first)) / rest as f64);
        }
    }

    fn of(&mut self, key: Key) -> &mut Series {
        let full = self.series.len() >= MOST_SERIES && !self.series.contains_key(&key);
        let key = if full { overflow(key.side) } else { key };
        self.series.entry(key).or_default()
    }

    /// Writes all metrics as items of `ScopeMetrics`; returns how many.
    pub fn write(&self, out: &mut Proto, names: &Names, places: &Places, now_us: u64) -> usize {
        let metrics: [Metric; 7] = [
            (Side::Client, "gen_ai.client.operation.duration", "s", &SECONDS, None, |series| &series.duration),
            (Side::Client, "gen_ai.client.token.usage", "{token}", &TOKENS, Some("input"), |series| &series.input),
            (Side::Client, "gen_ai.client.token.usage", "{token}", &TOKENS, Some("output"), |series| &series.output),
            (Side::Client, TO_FIRST_CHUNK, "s", &FIRST_TOKEN, None, |series| &series.first_token),
            (Side::Server, "gen_ai.server.request.duration", "s", &SECONDS, None, |series| &series.duration),
            (Side::Server, "gen_ai.server.time_to_first_token", "s", &FIRST_TOKEN, None, |series| &series.first_token),
            (Side::Server, "gen_ai.server.time_per_output_token", "s", &PER_TOKEN, None, |series| &series.per_token),
        ];
        let times = (self.begun_us, now_us);
        let mut written = 0;
        for pair in metrics.chunk_by(|one, other| one.1 == other.1) {
            let Some((side, name, unit, ..)) = pair.first().copied() else { continue };
            if name == TO_FIRST_CHUNK && !names.modern {
                continue;
            }
            let points: Vec<_> = pair.iter().flat_map(|metric| self.points(side, metric)).collect();
            if points.is_empty() {
                continue;
            }
            written += 1;
            histogram(out, name, unit, |data| {
                for (key, (.., bounds, kind, _), values) in points {
                    point(data, values, bounds, times, |point| attributes(point, key, *kind, (names, places)));
                }
            });
        }
        written
    }

    fn points<'a>(
        &'a self,
        side: Side,
        metric: &'a Metric,
    ) -> impl Iterator<Item = (&'a Key, &'a Metric, &'a Histogram)> {
        let of_side = self.series.iter().filter(move |(key, _)| key.side == side);
        of_side.map(move |(key, series)| (key, metric, (metric.5)(series))).filter(|(.., values)| values.count() > 0)
    }
}

/// v1.36 does not have it.
const TO_FIRST_CHUNK: &str = "gen_ai.client.operation.time_to_first_chunk";

/// Side, name, unit, bounds, kind of token, and where it is counted.
type Metric = (Side, &'static str, &'static str, &'static [f64], Option<&'static str>, fn(&Series) -> &Histogram);

fn overflow(side: Side) -> Key {
    let none: Arc<str> = Arc::default();
    Key {
        side,
        operation: "",
        provider: Arc::clone(&none),
        request_model: Arc::clone(&none),
        response_model: none,
        error: None,
    }
}

/// Attributes of a `HistogramDataPoint`.
fn attributes(point: &mut Proto, key: &Key, kind: Option<&str>, (names, places): (&Names, &Places)) {
    const ATTRIBUTE: u32 = 9;
    if key.operation.is_empty() {
        return point.attribute_true(ATTRIBUTE, "otel.metric.overflow");
    }
    let place = places.get(&key.provider);
    point.attribute(ATTRIBUTE, "gen_ai.operation.name", key.operation);
    point.attribute(ATTRIBUTE, names.provider, place.map_or(&*key.provider, |place| place.system));
    point.attribute(ATTRIBUTE, "weighbridge.provider", &key.provider);
    let models = [("gen_ai.request.model", &key.request_model), ("gen_ai.response.model", &key.response_model)];
    for (name, model) in models.into_iter().filter(|(_, model)| !model.is_empty()) {
        point.attribute(ATTRIBUTE, name, model);
    }
    if let Some(kind) = kind {
        point.attribute(ATTRIBUTE, "gen_ai.token.type", kind);
    }
    if let Some(error) = key.error {
        point.attribute(ATTRIBUTE, "error.type", error);
    }
    if key.side == Side::Client
        && let Some(place) = place
    {
        point.attribute(ATTRIBUTE, "server.address", &place.host);
        point.attribute_int(ATTRIBUTE, "server.port", u64::from(place.port));
    }
}

/// One `Metric` with cumulative histograms, as an item of `ScopeMetrics`.
pub(super) fn histogram(out: &mut Proto, name: &str, unit: &str, points: impl FnOnce(&mut Proto)) {
    out.message(2, |metric| {
        metric.text(1, &[name]);
        metric.text(3, &[unit]);
        metric.message(9, |data| {
            points(data);
            data.uint(2, CUMULATIVE);
        });
    });
}

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
pub(super) const CUMULATIVE: u64 = 2;

fn point(
    data: &mut Proto,
    values: &Histogram,
    bounds: &[f64],
    (begun_us, now_us): (u64, u64),
    attributes: impl FnOnce(&mut Proto),
) {
    data.message(1, |point| {
        point.fixed64(2, begun_us.saturating_mul(1_000));
        point.fixed64(3, now_us.saturating_mul(1_000));
        point.fixed64(4, values.count());
        point.double(5, values.sum);
        let buckets = values.buckets.get(..=bounds.len()).unwrap_or_default();
        point.packed(6, buckets.iter().copied());
        point.packed(7, bounds.iter().map(|bound| bound.to_bits()));
        attributes(point);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Conventions;
    use crate::model::RequestId;
    use crate::telemetry::{AttemptDetail, Outcome};
    use opentelemetry_proto::tonic::metrics::v1::{Metric, ScopeMetrics, metric::Data};
    use prost::Message as _;

    fn record(model: &str, outcome: Outcome, output: u64) -> AccessRecord {
        let mut record = AccessRecord::new(1, RequestId(1));
        (record.api, record.status, record.latency_us) = (Some(Api::Messages), 200, 3_000_000);
        (record.model, record.provider, record.target_model) = (Some(model.into()), Some("p".into()), Some("m".into()));
        record.first_token_us = Some(1_000_000);
        record.usage = Usage { input: 5, output, ..Usage::ZERO };
        let detail = AttemptDetail { first_token_us: Some(900_000), usage: record.usage, ..AttemptDetail::default() };
        record.attempts = vec![AccessAttempt {
            provider: "p".into(),
            target_model: "m".into(),
            status: Some(200),
            outcome,
            time_us: 2_000_000,
            reason: None,
            action: None,
            pause_us: 0,
            detail,
        }];
        record
    }

    fn written(genai: &GenAi, conventions: Conventions) -> Vec<Metric> {
        let mut out = Proto::default();
        let count = genai.write(&mut out, &Names::of(conventions), &Places::new(), 9);
        let metrics = ScopeMetrics::decode(out.0.as_slice()).expect("metrics").metrics;
        assert_eq!(metrics.len(), count);
        metrics
    }

    fn counts(metrics: &[Metric], name: &str) -> Vec<(u64, f64)> {
        let found = metrics.iter().find(|metric| metric.name == name);
        let Some(Data::Histogram(data)) = found.and_then(|metric| metric.data.clone()) else { return Vec::new() };
        data.data_points.iter().map(|point| (point.count, point.sum.unwrap_or(0.0))).collect()
    }

    #[test]
    fn requests_and_attempts_are_counted_by_how_they_ended() {
        let mut genai = GenAi::new(7);
        genai.count(&record("fast", Outcome::Answered, 5));
        genai.count(&record("fast", Outcome::Answered, 5));
        genai.count(&record("fast", Outcome::Broken, 5));
        let metrics = written(&genai, Conventions::V1_41);
        let mut durations = counts(&metrics, "gen_ai.client.operation.duration");
        durations.sort_by_key(|(count, _)| *count);
        assert_eq!(durations, [(1, 2.0), (2, 4.0)], "those that failed apart");
        assert_eq!(
            counts(&metrics, "gen_ai.client.token.usage"),
            [(3, 15.0), (3, 15.0)],
            "in and out, all that was used"
        );
        assert_eq!(counts(&metrics, "gen_ai.client.operation.time_to_first_chunk"), [(2, 1.8)]);
        assert_eq!(counts(&metrics, "gen_ai.server.request.duration"), [(3, 9.0)]);
        assert_eq!(counts(&metrics, "gen_ai.server.time_to_first_token"), [(3, 3.0)]);
        assert_eq!(counts(&metrics, "gen_ai.server.time_per_output_token"), [(3, 1.5)], "2 s for 4 more tokens");
        let older = written(&genai, Conventions::V1_36);
        assert!(counts(&older, "gen_ai.client.operation.time_to_first_chunk").is_empty() && older.len() == 5);
    }

    #[test]
    fn past_the_most_series_what_is_new_is_counted_together() {
        let mut genai = GenAi::new(7);
        for number in 0..MOST_SERIES + 50 {
            genai.count(&record(&format!("m{number}"), Outcome::Answered, 1));
        }
        assert!(genai.series.len() <= MOST_SERIES + 2, "{}", genai.series.len());
        let metrics = written(&genai, Conventions::V1_41);
        let all: u64 = counts(&metrics, "gen_ai.server.request.duration").iter().map(|(count, _)| count).sum();
        assert_eq!(all, MOST_SERIES as u64 + 50);
    }
}
