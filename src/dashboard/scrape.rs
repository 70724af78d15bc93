//! Reads counters from the gateway's own metrics, for what no row of the ledger tells.

use prometheus::Registry;
use prometheus::proto::MetricFamily;

/// A counter: the values of its labels, in the order in which they were asked for, and what it counted since the start.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Counted {
    /// The labels' values; empty where there is no such label.
    pub labels: Vec<String>,
    /// How many.
    pub count: u64,
}

/// All counters of a name.
pub(super) fn counters(registry: &Registry, name: &str, labels: &[&str]) -> Vec<Counted> {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name);
    family.map(|family| of_family(family, labels)).unwrap_or_default()
}

fn of_family(family: &MetricFamily, labels: &[&str]) -> Vec<Counted> {
    let counted = family.get_metric().iter().map(|metric| {
        let value = |name: &&str| {
            let pair = metric.get_label().iter().find(|pair| pair.name() == *name);
            pair.map(|pair| pair.value().to_owned()).unwrap_or_default()
        };
        // Counters are floats in the exchange format; ours count by ones.
        Counted { labels: labels.iter().map(value).collect(), count: metric.get_counter().get_value() as u64 }
    });
    counted.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::{IntCounterVec, Opts};

    #[test]
    fn counters_are_read_with_the_labels_that_were_asked_for() {
        let registry = Registry::new();
        let counter = IntCounterVec::new(Opts::new("finds_total", "A test"), &["guard", "action"]).expect("a name");
        registry.register(Box::new(counter.clone())).expect("new");
        counter.with_label_values(&["pii", "block"]).inc_by(3);
        let read = counters(&registry, "finds_total", &["action", "none", "guard"]);
        let labels = ["block", "", "pii"].map(str::to_owned).to_vec();
        assert_eq!(read, [Counted { labels, count: 3 }]);
        assert!(counters(&registry, "other", &[]).is_empty());
    }
}
