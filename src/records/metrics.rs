//! What records tell of themselves.

use super::files::Family;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// The metrics of all families.
#[derive(Debug, Clone)]
pub struct RecordsMetrics {
    written: IntCounterVec,
    lost: IntCounterVec,
    bytes: IntGaugeVec,
    failing: IntGaugeVec,
}

/// Those of one family, resolved.
#[derive(Debug, Clone)]
pub(super) struct FamilyMetrics {
    /// Lines in files.
    pub written: IntCounter,
    /// Lines lost: no room on the disk or in the queue.
    pub lost: IntCounter,
    /// Bytes of all files, as they lie on the disk.
    pub bytes: IntGauge,
    /// 1 while lines cannot be written.
    pub failing: IntGauge,
}

impl RecordsMetrics {
    /// Registers them.
    ///
    /// # Errors
    ///
    /// When a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounterVec::new(Opts::new(name, help), &["family"])?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), &["family"])?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        Ok(Self {
            written: counter("weighbridge_records_lines_total", "Lines written to files of records")?,
            lost: counter(
                "weighbridge_records_lost_total",
                "Lines that are in no file of records: it did not take them, or the queue was full",
            )?,
            bytes: gauge("weighbridge_records_bytes", "Bytes of all files of records, as they lie on the disk")?,
            failing: gauge("weighbridge_records_failing", "1 while lines cannot be written to files of records")?,
        })
    }

    pub(super) fn of(&self, family: Family) -> FamilyMetrics {
        let labels = [family.name()];
        FamilyMetrics {
            written: self.written.with_label_values(&labels),
            lost: self.lost.with_label_values(&labels),
            bytes: self.bytes.with_label_values(&labels),
            failing: self.failing.with_label_values(&labels),
        }
    }
}
