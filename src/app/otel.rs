//! Joins the exporter of spans and metrics with what it is told of.

use super::{AppError, gauge, system};
use crate::{
    config::{Config, Conventions, Telemetry},
    model::{Clock, Sampler},
    otel::{Otel, Place, Places, Refresh, Spans},
    proxy::{Services, Snapshot},
    telemetry::{AccessRecord, Metrics, Tap},
};
use std::sync::Arc;

/// What is traced, and where it goes.
#[derive(Clone, Default)]
pub(super) struct Tracing {
    /// For requests.
    pub sampler: Arc<Sampler>,
    otel: Option<(Otel, Conventions)>,
}

impl Tracing {
    /// Starts what the file asks for; `lines`: who wants the access log's lines beside it.
    ///
    /// # Errors
    ///
    /// The authorities cannot be read, or the system gives no thread.
    pub fn start(
        config: &Config,
        metrics: &Metrics,
        clock: &Arc<dyn Clock>,
        lines: Option<Box<dyn Tap>>,
    ) -> Result<(Self, Option<Box<dyn Tap>>), AppError> {
        let sampler = Arc::<Sampler>::default();
        let Some(telemetry) = &config.telemetry else { return Ok((Self { sampler, otel: None }, lines)) };
        let started = Otel::start(telemetry, &metrics.registry, Arc::clone(clock), Arc::clone(&sampler));
        let (otel, spans) = started.map_err(|error| system("telemetry", &error))?;
        Ok((Self { sampler, otel: Some((otel, telemetry.conventions)) }, Some(Box::new(Both { lines, spans }))))
    }

    /// Tells the exporter where providers are now.
    pub fn know(&self, snapshot: &Snapshot) {
        if let Some((otel, conventions)) = &self.otel {
            otel.know(places(snapshot, *conventions));
        }
    }

    /// What a reload takes over at once.
    pub fn reload(&self, telemetry: Option<&Telemetry>, snapshot: &Snapshot) {
        self.know(snapshot);
        if let (Some((otel, _)), Some(telemetry)) = (&self.otel, telemetry) {
            otel.reload(telemetry);
        }
    }

    /// Gauges are brought up to date by `refresh` before they are sent.
    pub fn refresh_by(&self, refresh: Refresh) {
        if let Some((otel, _)) = &self.otel {
            otel.refresh_by(refresh);
        }
    }
}

fn places(snapshot: &Snapshot, conventions: Conventions) -> Places {
    let routes = snapshot.table.names().iter().filter_map(|name| snapshot.table.find(name));
    let targets = routes.flat_map(|route| route.targets.iter());
    let place = |target: &Arc<crate::proxy::Target>| {
        let endpoint = target.provider.endpoint();
        let host = (Arc::clone(&endpoint.host), endpoint.port);
        (Arc::clone(&target.provider_name), Place::new(target.provider.kind(), host, conventions))
    };
    targets.map(place).collect()
}

/// Brings the gauges up to date that are not kept at each step.
pub(super) fn refresh(services: &Arc<Services>) -> Refresh {
    let services = Arc::clone(services);
    Arc::new(move || {
        services.limits.refresh();
        services.metrics.open_connections.set(gauge(services.connections.count()));
        services.places.refresh();
        services.metrics.in_flight.set(gauge(services.places.used()));
        services.standings.forget_unused();
        services.standings.refresh(services.clock.now_us());
        services.metrics.buffered_bytes.set(gauge(services.buffers.used()));
    })
}

/// Lines for files and spans for the collector.
struct Both {
    lines: Option<Box<dyn Tap>>,
    spans: Spans,
}

impl Tap for Both {
    fn record(&mut self, record: &AccessRecord) {
        self.spans.record(record);
    }

    fn wants_lines(&self) -> bool {
        self.lines.is_some()
    }

    fn line(&mut self, line: &str) {
        if let Some(lines) = &mut self.lines {
            lines.line(line);
        }
    }

    fn flush(&mut self) {
        if let Some(lines) = &mut self.lines {
            lines.flush();
        }
        self.spans.flush();
    }
}
