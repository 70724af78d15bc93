//! What the process itself takes: memory, processor time, open files, by the names that Prometheus clients share.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, IntGauge, Opts};
use std::fs;

/// Reads `/proc/self` when `/metrics` is asked for; figures that the system does not tell stay at their last value.
#[derive(Debug)]
pub struct ProcessCollector {
    resident: IntGauge,
    processor: Gauge,
    files: IntGauge,
    threads: IntGauge,
    build: IntGauge,
}

impl ProcessCollector {
    /// Not registered yet.
    ///
    /// # Errors
    ///
    /// When a name is no metric name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let version = Opts::new("weighbridge_build_info", "1; the version is in the label")
            .const_label("version", env!("CARGO_PKG_VERSION"));
        let build = IntGauge::with_opts(version)?;
        build.set(1);
        Ok(Self {
            resident: IntGauge::new("process_resident_memory_bytes", "Resident memory")?,
            // A counter by nature; a gauge here because it is read, not added to.
            processor: Gauge::new("process_cpu_seconds_total", "User and system processor time")?,
            files: IntGauge::new("process_open_fds", "Open file descriptors")?,
            threads: IntGauge::new("process_threads", "Threads")?,
            build,
        })
    }

    fn read(&self) {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        if let Some(kib) = field(&status, "VmRSS:") {
            self.resident.set(kib.saturating_mul(1024));
        }
        if let Some(threads) = field(&status, "Threads:") {
            self.threads.set(threads);
        }
        if let Some(seconds) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(processor_seconds) {
            self.processor.set(seconds);
        }
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            // One is the directory that is being read.
            self.files.set(i64::try_from(entries.count().saturating_sub(1)).unwrap_or(i64::MAX));
        }
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        let gauges = [&self.resident, &self.files, &self.threads, &self.build];
        gauges.into_iter().flat_map(|gauge| gauge.desc()).chain(self.processor.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.read();
        let gauges = [&self.resident, &self.files, &self.threads, &self.build];
        gauges.into_iter().flat_map(|gauge| gauge.collect()).chain(self.processor.collect()).collect()
    }
}

/// The number behind `name` in `/proc/self/status`.
fn field(status: &str, name: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Fields 14 and 15 of `/proc/self/stat` (proc(5)), in ticks of 10 ms on every Linux that Rust supports; counted behind
/// the command's closing parenthesis, because a command may hold spaces.
fn processor_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some((f64::from(user) + f64::from(system)) / 100.0)
}
