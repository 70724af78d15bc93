//! OpenTelemetry: spans and metrics for a collector, over OTLP.
//!
//! Nothing here is on a request's way. Spans are made of access records, on the thread of the access log, straight into the
//! bytes that are sent; a thread of its own carries them to the collector, in batches. A collector that is slow or gone costs
//! a bounded queue and what does not fit into it, which is counted. What of a trace requests themselves know is
//! `model::Trace`.

mod event;
mod export;
mod genai;
mod metrics;
mod names;
mod proto;
mod queue;
mod registry;
mod span;

pub use event::{Conversation, Kind, Said};
pub use names::{Place, Places};

use crate::{
    config::{OtlpCompression, OtlpProtocol, Secret, Telemetry},
    model::{Clock, Sampler},
    outbound::OutboundError,
    telemetry::{AccessRecord, Tap},
};
use arc_swap::ArcSwap;
use export::{Courier, QUEUE_FULL, SHUTDOWN, Signal};
use genai::GenAi;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use metrics::Counts;
use names::Names;
use parking_lot::Mutex;
use prometheus::Registry;
use proto::Proto;
use queue::{BATCH_BYTES, BATCH_ITEMS, Batch, Queue};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{interval, timeout};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

/// Why nothing can be exported.
#[derive(Debug, thiserror::Error)]
pub enum OtelError {
    /// The file with the authorities cannot be used.
    #[error("`telemetry.otlp.ca_file`: {0}")]
    Authorities(String),
    /// The endpoint cannot be called.
    #[error("`telemetry.otlp.endpoint`: {0}")]
    Endpoint(#[from] OutboundError),
    /// A metric's name is taken.
    #[error("metrics of telemetry: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The system gives no thread or randomness.
    #[error("telemetry: {0}")]
    System(#[from] io::Error),
}

/// What holds as long as the process.
struct Settings {
    endpoint: Uri,
    protocol: OtlpProtocol,
    compression: OtlpCompression,
    timeout: Duration,
    delay: Duration,
    roots: Option<RootCertStore>,
    /// `Resource`, in words.
    resource: Vec<u8>,
    names: Names,
    metrics_every: Option<Duration>,
    registry: Option<Registry>,
}

/// What the access log's thread, the exporter's and reloads share.
struct Shared {
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    begun_us: u64,
    headers: Arc<ArcSwap<HeaderMap>>,
    places: ArcSwap<Places>,
    spans: Queue,
    events: Queue,
    genai: Mutex<GenAi>,
    counts: Counts,
    refresh: Mutex<Option<Refresh>>,
}

/// Brings gauges up to date before they are read.
pub type Refresh = Arc<dyn Fn() + Send + Sync>;

/// What a reload may change.
#[derive(Clone)]
pub struct Otel {
    shared: Arc<Shared>,
    sampler: Arc<Sampler>,
}

/// How long the exporter has for what is left when the gateway stops.
const FLUSH: Duration = Duration::from_secs(3);

/// A span takes about so much; the queue is bounded in bytes too.
const SPAN_BYTES: usize = 4 * 1024;

/// Prompts and answers that may wait, and their bytes.
const MOST_EVENTS: usize = 2_048;
const EVENT_BYTES: usize = 32 << 20;

impl Otel {
    /// Starts the exporter's thread; `sampler` is told which requests have spans. Dropping both [`Spans`] and [`Events`]
    /// ends the thread, when what waits is sent, or after 3 seconds.
    ///
    /// # Errors
    ///
    /// [`OtelError`].
    pub fn start(
        config: &Telemetry,
        registry: &Registry,
        clock: Arc<dyn Clock>,
        sampler: Arc<Sampler>,
    ) -> Result<(Self, Spans, Option<Events>), OtelError> {
        let mut instance = [0; 16];
        getrandom::fill(&mut instance).map_err(io::Error::other)?;
        let settings = Arc::new(Settings::new(config, registry, &hex::encode(instance))?);
        let begun_us = clock.now_us();
        let shared = Arc::new(Shared {
            clock,
            begun_us,
            headers: Arc::new(ArcSwap::from_pointee(headers(&config.otlp.headers))),
            places: ArcSwap::default(),
            spans: Queue::new(config.otlp.queue, config.otlp.queue.saturating_mul(SPAN_BYTES)),
            events: Queue::new(MOST_EVENTS, EVENT_BYTES),
            genai: Mutex::new(GenAi::new(begun_us)),
            counts: Counts::register(registry)?,
            refresh: Mutex::default(),
            settings,
        });
        let (closing, closed) = watch::channel(false);
        let (done_sender, done) = sync_channel(1);
        let courier = |signal| {
            let (settings, headers) = (Arc::clone(&shared.settings), Arc::clone(&shared.headers));
            Courier::new(signal, settings, headers, shared.counts.clone(), closed.clone())
        };
        let couriers = [courier(Signal::Traces)?, courier(Signal::Logs)?, courier(Signal::Metrics)?];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let of_thread = Arc::clone(&shared);
        thread::Builder::new().name("otel-export".to_owned()).spawn(move || {
            runtime.block_on(of_thread.run(couriers, closed));
            let _ = done_sender.send(());
        })?;
        let otel = Self { shared: Arc::clone(&shared), sampler };
        otel.sample(config);
        let closer = Arc::new(Closer { closing, done: Mutex::new(done) });
        let events = config.content.then(|| Events { shared: Arc::clone(&shared), _closer: Arc::clone(&closer) });
        let spans = Spans { shared, _closer: closer, words: Proto::default(), items: 0 };
        Ok((otel, spans, events))
    }

    /// What a reload takes over: who is sampled, and the headers of calls.
    pub fn reload(&self, config: &Telemetry) {
        self.sample(config);
        self.shared.headers.store(Arc::new(headers(&config.otlp.headers)));
    }

    fn sample(&self, config: &Telemetry) {
        self.sampler.set(config.sample_millionths, config.follow_parent);
    }

    /// Where providers are from now on.
    pub fn know(&self, places: Places) {
        self.shared.places.store(Arc::new(places));
    }

    /// Called before the registry is read.
    pub fn refresh_by(&self, refresh: Refresh) {
        *self.shared.refresh.lock() = Some(refresh);
    }
}

impl Settings {
    fn new(config: &Telemetry, registry: &Registry, instance: &str) -> Result<Self, OtelError> {
        let roots = config.otlp.ca_file.as_deref().map(|path| {
            let wrong = |why: String| OtelError::Authorities(format!("`{}`: {why}", path.display()));
            let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let mut roots = RootCertStore::empty();
            for authority in found.map_err(|error| wrong(error.to_string()))? {
                roots.add(authority).map_err(|error| wrong(error.to_string()))?;
            }
            Ok::<_, OtelError>(roots)
        });
        let mut resource = Proto::default();
        let own = [
            ("service.name", &*config.service_name),
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("service.instance.id", instance),
        ];
        let told = config.resource.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let unsaid = own.into_iter().filter(|(key, _)| !config.resource.contains_key(*key));
        for (key, value) in unsaid.chain(told) {
            resource.attribute(1, key, value);
        }
        Ok(Self {
            endpoint: config.otlp.endpoint.clone(),
            protocol: config.otlp.protocol,
            compression: config.otlp.compression,
            timeout: config.otlp.timeout,
            delay: config.otlp.delay,
            roots: roots.transpose()?,
            resource: resource.0,
            names: Names::of(config.conventions),
            metrics_every: config.metrics_every,
            registry: config.registry.then(|| registry.clone()),
        })
    }
}

/// Secrets are marked as such, so that nothing prints them.
fn headers(written: &BTreeMap<String, Secret>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in written {
        // What cannot be a header was refused with the file.
        let (Ok(name), Ok(mut value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value.expose()))
        else {
            continue;
        };
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    headers
}

impl Shared {
    /// The exporter's thread.
    async fn run(&self, [spans, events, metrics]: [Courier; 3], mut closed: watch::Receiver<bool>) {
        let measured = self.measure(metrics, closed.clone());
        let all = futures::future::join3(spans.carry(&self.spans), events.carry(&self.events), measured);
        let limit = async {
            // An error: nobody can say the word any more, which is the word.
            let _ = closed.wait_for(|closing| *closing).await;
            tokio::time::sleep(FLUSH).await;
        };
        tokio::select! {
            _ = all => {}
            () = limit => {
                for (signal, queue) in [(Signal::Traces, &self.spans), (Signal::Logs, &self.events)] {
                    while let Some(batch) = queue.take() {
                        self.counts.dropped(signal, SHUTDOWN, batch.items);
                    }
                }
                tracing::warn!("the collector did not take what was left of telemetry in time");
            }
        }
    }

    /// Sends metrics at their interval, and a last time at the end.
    async fn measure(&self, mut courier: Courier, mut closed: watch::Receiver<bool>) {
        let Some(every) = self.settings.metrics_every else { return };
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        ticks.tick().await;
        let mut open = true;
        while open {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = closed.wait_for(|closing| *closing) => open = false,
            }
            let batch = self.metrics();
            if batch.items > 0 {
                // Sums are cumulative: what the next ones replace need not be tried for longer.
                let _ = timeout(every.max(FLUSH), courier.deliver(batch, Duration::ZERO)).await;
            }
        }
    }

    fn metrics(&self) -> Batch {
        let (mut out, now_us) = (Proto::default(), self.clock.now_us());
        let mut items = self.genai.lock().write(&mut out, &self.settings.names, &self.places.load(), now_us);
        if let Some(registry) = &self.settings.registry {
            if let Some(refresh) = self.refresh.lock().clone() {
                refresh();
            }
            items += registry::write(&mut out, &registry.gather(), (self.begun_us, now_us));
        }
        Batch { bytes: out.0, items }
    }
}

/// Ends the exporter's thread.
struct Closer {
    closing: watch::Sender<bool>,
    done: Mutex<Receiver<()>>,
}

impl Drop for Closer {
    fn drop(&mut self) {
        let _ = self.closing.send(true);
        // The thread keeps to its own limit; a little more, for its last step.
        let _ = self.done.lock().recv_timeout(FLUSH + Duration::from_millis(500));
    }
}

/// Makes spans of access records, on their log's thread.
pub struct Spans {
    shared: Arc<Shared>,
    words: Proto,
    items: usize,
    _closer: Arc<Closer>,
}

/// Takes prompts and answers that are kept, on the thread that keeps them.
pub struct Events {
    shared: Arc<Shared>,
    _closer: Arc<Closer>,
}

impl Events {
    /// Hands over what was said, if its trace is sampled.
    pub fn tell(&mut self, told: &Conversation<'_>) {
        if !told.trace.sampled {
            return;
        }
        let mut words = Proto::default();
        event::write(&mut words, told);
        let mut batch = Batch { bytes: words.0, items: 1 };
        if !self.shared.events.push(&mut batch) {
            self.shared.counts.dropped(Signal::Logs, QUEUE_FULL, 1);
        }
    }
}

impl Spans {
    fn hand_over(&mut self) {
        if self.items == 0 {
            return;
        }
        let mut batch = Batch { bytes: std::mem::take(&mut self.words.0), items: self.items };
        if !self.shared.spans.push(&mut batch) {
            self.shared.counts.dropped(Signal::Traces, QUEUE_FULL, self.items);
        }
        self.shared.counts.queued(Signal::Traces).set(i64::try_from(self.shared.spans.len()).unwrap_or(i64::MAX));
        // Its memory is used again.
        (self.words.0, self.items) = (batch.bytes, 0);
    }
}

impl Tap for Spans {
    fn record(&mut self, record: &AccessRecord) {
        let shared = &self.shared;
        if shared.settings.metrics_every.is_some() {
            shared.genai.lock().count(record);
        }
        let Some(trace) = record.trace.as_deref().filter(|trace| trace.sampled && span::is_wanted(record)) else {
            return;
        };
        self.items += span::write(&mut self.words, record, trace, &shared.settings.names, &shared.places.load());
        if self.items >= BATCH_ITEMS / 2 || self.words.0.len() >= BATCH_BYTES / 2 {
            self.hand_over();
        }
    }

    fn wants_lines(&self) -> bool {
        false
    }

    fn line(&mut self, _line: &str) {}

    fn flush(&mut self) {
        self.hand_over();
    }
}

impl Drop for Spans {
    /// What was made is sent before the closer's drop, which waits for it.
    fn drop(&mut self) {
        self.hand_over();
    }
}
