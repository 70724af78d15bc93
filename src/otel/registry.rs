//! What `/metrics` shows, as OTLP metrics: counters are cumulative sums, histograms keep their buckets.

use super::genai::{CUMULATIVE, histogram};
use super::proto::Proto;
use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};

/// Writes `families` as items of `ScopeMetrics`; returns how many. Times in microseconds: since when is counted, and now.
pub(super) fn write(out: &mut Proto, families: &[MetricFamily], times: (u64, u64)) -> usize {
    let mut written = 0;
    for family in families {
        let (name, kind) = (family.name(), family.get_field_type());
        match kind {
            MetricType::COUNTER => metric(out, name, 7, |data| {
                family.get_metric().iter().for_each(|one| number(data, one, one.get_counter().get_value(), times));
                data.uint(2, CUMULATIVE);
                data.uint(3, 1);
            }),
            MetricType::GAUGE => metric(out, name, 5, |data| {
                family.get_metric().iter().for_each(|one| number(data, one, one.get_gauge().get_value(), times));
            }),
            MetricType::HISTOGRAM => histogram(out, name, unit(name), |data| {
                family.get_metric().iter().for_each(|one| buckets(data, one, times));
            }),
            // There are none.
            _ => continue,
        }
        written += 1;
    }
    written
}

fn metric(out: &mut Proto, name: &str, field: u32, data: impl FnOnce(&mut Proto)) {
    out.message(2, |metric| {
        metric.text(1, &[name]);
        metric.text(3, &[unit(name)]);
        metric.message(field, data);
    });
}

/// By the end of a name, as Prometheus has it.
fn unit(name: &str) -> &'static str {
    match name.trim_end_matches("_total").rsplit('_').next() {
        Some("seconds") => "s",
        Some("bytes") => "By",
        Some("ratio") => "1",
        _ => "",
    }
}

fn number(data: &mut Proto, metric: &Metric, value: f64, (begun_us, now_us): (u64, u64)) {
    data.message(1, |point| {
        point.fixed64(2, begun_us.saturating_mul(1_000));
        point.fixed64(3, now_us.saturating_mul(1_000));
        point.double(4, value);
        labels(point, 7, metric.get_label());
    });
}

/// Prometheus counts each bucket together with those below it.
fn buckets(data: &mut Proto, metric: &Metric, (begun_us, now_us): (u64, u64)) {
    let values = metric.get_histogram();
    let finite = || values.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite());
    data.message(1, |point| {
        point.fixed64(2, begun_us.saturating_mul(1_000));
        point.fixed64(3, now_us.saturating_mul(1_000));
        point.fixed64(4, values.get_sample_count());
        point.double(5, values.get_sample_sum());
        let mut below = 0;
        let mut counts: Vec<u64> = Vec::new();
        for upto in finite().map(|bucket| bucket.cumulative_count()).chain([values.get_sample_count()]) {
            counts.push(upto.saturating_sub(below));
            below = upto;
        }
        point.packed(6, counts.into_iter());
        let bounds: Vec<u64> = finite().map(|bucket| bucket.upper_bound().to_bits()).collect();
        point.packed(7, bounds.into_iter());
        labels(point, 9, metric.get_label());
    });
}

fn labels(point: &mut Proto, field: u32, labels: &[LabelPair]) {
    labels.iter().for_each(|label| point.attribute(field, label.name(), label.value()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::metrics::v1::{ScopeMetrics, metric::Data, number_data_point::Value};
    use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry};
    use prost::Message as _;

    #[test]
    fn what_metrics_show_is_what_is_sent() {
        let registry = Registry::new();
        let counter = IntCounterVec::new(Opts::new("a_total", "a"), &["kind"]).expect("a metric");
        counter.with_label_values(&["x"]).inc_by(3);
        let gauge = IntGauge::new("b_bytes", "b").expect("a metric");
        gauge.set(-2);
        let histogram = Histogram::with_opts(HistogramOpts::new("c_seconds", "c").buckets(vec![1.0, 2.0]));
        let histogram = histogram.expect("a metric");
        [0.5, 1.0, 1.5, 9.0].into_iter().for_each(|value| histogram.observe(value));
        for metric in [Box::new(counter) as Box<dyn prometheus::core::Collector>, Box::new(gauge), Box::new(histogram)]
        {
            registry.register(metric).expect("a free name");
        }
        let mut out = Proto::default();
        assert_eq!(write(&mut out, &registry.gather(), (1, 2)), 3);
        let metrics = ScopeMetrics::decode(out.0.as_slice()).expect("metrics").metrics;
        let Some(Data::Sum(sum)) = &metrics[0].data else { panic!("{metrics:?}") };
        assert!(sum.is_monotonic && sum.aggregation_temporality == 2 && metrics[0].name == "a_total");
        assert_eq!(
            (sum.data_points[0].value, &*sum.data_points[0].attributes[0].key),
            (Some(Value::AsDouble(3.0)), "kind")
        );
        let Some(Data::Gauge(gauge)) = &metrics[1].data else { panic!("{metrics:?}") };
        assert_eq!((gauge.data_points[0].value, &*metrics[1].unit), (Some(Value::AsDouble(-2.0)), "By"));
        let Some(Data::Histogram(histogram)) = &metrics[2].data else { panic!("{metrics:?}") };
        let point = &histogram.data_points[0];
        assert_eq!((&*point.bucket_counts, &*point.explicit_bounds), (&[2, 1, 1][..], &[1.0, 2.0][..]));
        assert_eq!((point.count, point.sum, point.start_time_unix_nano), (4, Some(12.0), 1_000));
    }
}
