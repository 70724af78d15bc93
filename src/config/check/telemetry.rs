//! `telemetry`.

use super::Checker;
use crate::config::{
    Conventions, Otlp, OtlpProtocol, Provider, Records, Telemetry,
    error::hint,
    quantity::{Count, Part, Time, show_time},
    telemetry_file::{OtlpFile, TelemetryFile},
    tree::join,
};
use http::{HeaderName, HeaderValue, Uri};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Shortest and longest time between two sets of metrics.
const METRICS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60 * 60)];
/// Spans that may wait; a span is about 1 KiB.
const QUEUE: [u32; 2] = [512, 1_000_000];
/// More would be a table, and no attribute.
const LONGEST_ATTRIBUTE: usize = 256;
/// What the gateway itself writes into calls.
const OWN_HEADERS: [&str; 10] = [
    "content-type",
    "content-length",
    "content-encoding",
    "host",
    "te",
    "user-agent",
    "transfer-encoding",
    "connection",
    "grpc-timeout",
    "grpc-encoding",
];

impl Checker<'_> {
    /// What is sent to a collector; `None`: nothing.
    pub(super) fn telemetry(
        &mut self,
        file: TelemetryFile,
        records: &Records,
        providers: &BTreeMap<Arc<str>, Provider>,
    ) -> Option<Telemetry> {
        let every = self.metrics_every(file.metrics_every.as_deref());
        if file.content && !records.keeps_content() {
            let message = "only what is kept is sent, and no team's prompts and answers are; set `records.content`, or \
                           `records.content` of a team";
            self.flag("telemetry.content", message);
        }
        if let Some(name) = &file.service_name
            && (name.is_empty() || name.len() > LONGEST_ATTRIBUTE)
        {
            self.flag("telemetry.service_name", "has 1 to 256 bytes");
        }
        for (key, value) in &file.resource {
            let path = join("telemetry.resource", key);
            if key.is_empty() || key.len() > LONGEST_ATTRIBUTE || value.len() > LONGEST_ATTRIBUTE {
                self.flag(&path, "an attribute has a name of 1 to 256 bytes, and at most 256 bytes of text");
            }
            if key == "service.name" {
                self.flag(&path, "is `telemetry.service_name`; write it there");
            }
        }
        let conventions = self.conventions(file.semantic_conventions.as_deref());
        let Some(otlp) = self.otlp(file.otlp) else {
            let asks = |provider: &&Provider| provider.uplink.trace_context;
            for provider in providers.values().filter(asks) {
                let message = "there is no trace to tell a provider of; set `telemetry.otlp.endpoint`";
                self.flag(&join(&join("providers", &provider.name), "trace_context"), message);
            }
            return None;
        };
        Some(Telemetry {
            otlp,
            service_name: file.service_name.map_or_else(|| "weighbridge".into(), Arc::from),
            resource: file.resource,
            conventions,
            sample_millionths: file.sample.map_or(1_000_000, |Part(hundredths)| u32::from(hundredths) * 100),
            follow_parent: file.follow_parent.unwrap_or(true),
            metrics_every: every,
            registry: file.registry,
            content: file.content,
        })
    }

    fn otlp(&mut self, file: OtlpFile) -> Option<Otlp> {
        let timeout = self.time("telemetry.otlp.timeout", file.timeout, Duration::from_secs(10));
        let delay = self.time("telemetry.otlp.delay", file.delay, Duration::from_secs(1));
        if delay > Duration::from_secs(60) {
            self.flag("telemetry.otlp.delay", "must be at most 60s");
        }
        let queue = file.queue.map_or(16_384, |Count(spans)| spans);
        if !(QUEUE[0]..=QUEUE[1]).contains(&queue) {
            self.flag("telemetry.otlp.queue", format!("`{queue}` must be from {} to {}", QUEUE[0], QUEUE[1]));
        }
        for (name, value) in &file.headers {
            let path = join("telemetry.otlp.headers", name);
            match HeaderName::from_bytes(name.as_bytes()) {
                Ok(name) if OWN_HEADERS.contains(&name.as_str()) => {
                    self.flag(&path, "is written by the gateway itself; leave it out");
                }
                Ok(_) => {}
                Err(_) => self.flag(&path, "is no name of a header"),
            }
            if HeaderValue::from_str(value.expose()).is_err() {
                self.flag(&path, "cannot be the value of a header: it has a control character in it");
            }
        }
        let ca_file = file.ca_file.map(|pem| self.certificates("telemetry.otlp.ca_file", &pem));
        let endpoint = file.endpoint?;
        let path = "telemetry.otlp.endpoint";
        let uri: Option<Uri> = endpoint.parse().ok();
        let fits = |uri: &Uri| {
            let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
            let bare = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
            scheme && bare && uri.query().is_none()
        };
        let Some(uri) = uri.filter(fits) else {
            self.flag(
                path,
                "must be a URL such as `http://127.0.0.1:4318` (gRPC: `http://127.0.0.1:4317`), without user, password \
                 and query; secrets go into `telemetry.otlp.headers`",
            );
            return None;
        };
        if file.protocol == OtlpProtocol::Grpc && uri.path() != "/" {
            self.flag(path, "has a path, which gRPC has no use for; leave it out, or use `protocol: http`");
        }
        Some(Otlp {
            endpoint: uri,
            protocol: file.protocol,
            compression: file.compression,
            headers: file.headers,
            ca_file,
            timeout,
            delay,
            queue: usize::try_from(queue).unwrap_or(usize::MAX),
        })
    }

    fn metrics_every(&mut self, written: Option<&str>) -> Option<Duration> {
        let path = "telemetry.metrics_every";
        let written = match written {
            None => return Some(Duration::from_secs(60)),
            Some("off") => return None,
            Some(written) => written,
        };
        let [least, most] = METRICS;
        match Time::parse(written) {
            Ok(time) if (least..=most).contains(&time.0) => Some(time.0),
            _ => {
                let shown = self.shown(path, written);
                let [least, most] = METRICS.map(show_time);
                self.flag(path, format!("{shown} is not valid here; write `off`, or a time from {least} to {most}"));
                None
            }
        }
    }

    fn conventions(&mut self, written: Option<&str>) -> Conventions {
        let known = [Conventions::V1_36, Conventions::V1_41];
        let Some(written) = written else { return Conventions::default() };
        known.into_iter().find(|known| known.name() == written).unwrap_or_else(|| {
            let path = "telemetry.semantic_conventions";
            let shown = self.shown(path, written);
            self.flag(path, format!("{shown} is not valid here{}", hint(written, known.map(Conventions::name))));
            Conventions::default()
        })
    }
}
