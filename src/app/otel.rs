//! Joins the exporter of spans and metrics with what it is told of.

use super::{AppError, gauge, system};
use crate::{
    config::{Config, Conventions, Telemetry},
    dialect::view,
    model::{Clock, Sampler, Speech, Text},
    otel::{Conversation, Events, Otel, Place, Places, Refresh, Said, Spans},
    proxy::{Services, Snapshot},
    records::{Kept, Listener},
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
    /// Starts what the file asks for; returns who is to be told of records and of contents.
    ///
    /// # Errors
    ///
    /// The authorities cannot be read, or the system gives no thread.
    pub fn start(config: &Config, metrics: &Metrics, clock: &Arc<dyn Clock>) -> Result<(Self, Told), AppError> {
        let sampler = Arc::<Sampler>::default();
        let Some(telemetry) = &config.telemetry else { return Ok((Self { sampler, otel: None }, Told::default())) };
        let started = Otel::start(telemetry, &metrics.registry, Arc::clone(clock), Arc::clone(&sampler));
        let (otel, spans, events) = started.map_err(|error| system("telemetry", &error))?;
        let contents = events.map(|events| Box::new(Contents(events)) as Box<dyn Listener>);
        Ok((Self { sampler, otel: Some((otel, telemetry.conventions)) }, Told { spans: Some(spans), contents }))
    }

    /// Tells the exporter where providers are now.
    fn know(&self, snapshot: &Snapshot) {
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

    /// Tells the exporter what it needs to know of the gateway.
    pub fn begin(&self, services: &Arc<Services>, snapshot: &Snapshot) {
        self.know(snapshot);
        if let Some((otel, _)) = &self.otel {
            otel.refresh_by(refresh(services));
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
        services.cache.refresh();
        services.metrics.in_flight.set(gauge(services.places.used()));
        services.standings.forget_unused();
        services.standings.refresh(services.clock.now_us());
        services.metrics.buffered_bytes.set(gauge(services.buffers.used()));
    })
}

/// Who is told of requests.
#[derive(Default)]
pub(super) struct Told {
    spans: Option<Spans>,
    /// Of prompts and answers that are kept.
    pub contents: Option<Box<dyn Listener>>,
}

impl Told {
    /// Who wants the access log's records beside `lines`, which wants its lines.
    pub fn tap(self, lines: Option<Box<dyn Tap>>) -> Option<Box<dyn Tap>> {
        match self.spans {
            Some(spans) => Some(Box::new(Both { lines, spans })),
            None => lines,
        }
    }
}

/// Prompts and answers as events of their traces.
struct Contents(Events);

impl Listener for Contents {
    fn kept(&mut self, kept: &Kept, request: Option<&str>, answer: Option<&str>, texts: Option<&[String]>) {
        let Some(trace) = &kept.trace else { return };
        // What has no view is told nothing of.
        let input = request.map(|body| said(body, view::request(kept.api, None, body.as_bytes()).ok()));
        let output = match (texts, answer) {
            (Some(texts), _) => texts.iter().map(|text| Said::of(Speech::Assistant, text.into())).collect(),
            (None, Some(body)) => said(body, view::answer(kept.api, body.as_bytes()).ok().map(|whole| whole.texts)),
            (None, None) => Vec::new(),
        };
        self.0.tell(&Conversation {
            time_us: kept.time_us,
            trace,
            api: kept.api,
            model: &kept.model,
            input: input.unwrap_or_default(),
            output,
        });
    }
}

/// The texts of `body` at their places, but for what it says about tools.
fn said(body: &str, texts: Option<Vec<Text>>) -> Vec<Said<'_>> {
    let told = texts.into_iter().flatten().filter(|text| text.speech != Speech::Definition);
    let told = told
        .filter_map(|Text { at, form, speech }| Some(Said::of(speech, view::decoded(form, body.as_bytes().get(at)?))));
    told.collect()
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
