//! What the exporter tells of itself, in `/metrics`.

use super::export::Signal;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Items that were sent and lost, and calls of the collector.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    sent: IntCounterVec,
    dropped: IntCounterVec,
    calls: IntCounterVec,
    queued: IntGaugeVec,
}

impl Counts {
    /// Registers them.
    ///
    /// # Errors
    ///
    /// A name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let sent = "Spans, metrics and events that the collector took";
        let dropped = "Spans, metrics and events that were lost: the queue was full, the collector rejected them or did \
                       not take them in time, or the gateway stopped";
        let calls = "Calls of the collector, by what came of them";
        let queued = Opts::new("weighbridge_otel_queued", "Spans and events that wait for the collector");
        let counts = Self {
            sent: counter("weighbridge_otel_sent_total", sent, &["signal"])?,
            dropped: counter("weighbridge_otel_dropped_total", dropped, &["signal", "reason"])?,
            calls: counter("weighbridge_otel_calls_total", calls, &["signal", "result"])?,
            queued: IntGaugeVec::new(queued, &["signal"])?,
        };
        registry.register(Box::new(counts.queued.clone()))?;
        for signal in Signal::ALL {
            // What did not happen yet is 0, and not absent.
            counts.sent.with_label_values(&[signal.name()]);
            drop(counts.drops(signal, super::export::QUEUE_FULL));
        }
        Ok(counts)
    }

    pub fn sent(&self, signal: Signal, items: usize) {
        self.sent.with_label_values(&[signal.name()]).inc_by(items as u64);
    }

    pub fn dropped(&self, signal: Signal, reason: &str, items: usize) {
        self.drops(signal, reason).inc_by(items as u64);
    }

    fn drops(&self, signal: Signal, reason: &str) -> IntCounter {
        self.dropped.with_label_values(&[signal.name(), reason])
    }

    pub fn called(&self, signal: Signal, result: &str) {
        self.calls.with_label_values(&[signal.name(), result]).inc();
    }

    pub fn queued(&self, signal: Signal) -> IntGauge {
        self.queued.with_label_values(&[signal.name()])
    }
}
