//! The composition root: from a checked configuration to a process that serves, and back to nothing lost.

mod certificates;
pub mod descriptors;
mod listeners;
mod mirrors;
mod notices;
mod notify;
mod otel;
mod pages;
mod probes;
mod rebuild;
mod records;
mod redact;
mod reload;
mod shut;
mod stop;
mod tending;
pub mod trial;
pub mod upgrade;
mod views;

use crate::admin::audit::Audit;
use crate::admin::{AdminState, Api, Records, Tokens, Tries, Views};
use crate::auth::{Callers, StoreError};
use crate::cache::{Cache, CacheMetrics};
use crate::config::Config;
use crate::files::{FilesError, Shelf};
use crate::guard::Safe;
use crate::ledger::budget::Budgets;
use crate::ledger::{Ledger, LedgerError, LedgerMetrics};
use crate::limits::{Addresses, Connections, LimitMetrics, Limits, Steady};
use crate::model::{Clock, IdSource, Sampler, SystemClock};
use crate::proxy::{
    self, Admission, Bounds, Buffers, Embedder, Gateway, Keeping, Lasting, Live, Mirrors, Services, Snapshot, Unproven,
    Watch,
};
use crate::routing::{HealthMetrics, Standings};
use crate::telemetry::{AccessLog, Metrics, SeriesTable};
use crate::tokens::Counter;
use certificates::Certificates;
use listeners::{Admin, Ports, data_plane};
use notify::Notifier;
use parking_lot::Mutex;
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use pingora::services::background::background_service;
use reload::{Parts, Reloader};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use stop::{Before, Stop};
use tending::{Tended, Tending};
use tokio::sync::mpsc::Sender;
use upgrade::{Control, Course, Exec, Signals, Sockets, Successor, bind_shared};

/// Why the process cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The configuration's providers or prices are wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Config(Vec<crate::config::ConfigError>),
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The key store cannot be opened.
    #[error(transparent)]
    Keys(#[from] StoreError),
    /// The table of files cannot be opened.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// An address cannot be listened on.
    #[error("`{key}`: cannot listen on {address}: {source}")]
    Listen {
        /// The key path.
        key: &'static str,
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A certificate cannot be used.
    #[error("`server.listen`: the certificate of {address} cannot be used: {why}")]
    Tls {
        /// The listener's address.
        address: String,
        /// Why.
        why: String,
    },
    /// Anything that the operating system does not give.
    #[error("{what}: {why}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// Why it was not given.
        why: String,
    },
}

/// Tokens are counted for this many answers at once; past it they are counted where they are.
const COUNTING_JOBS: usize = 1024;
/// Bytes held for counting.
const COUNTING_BYTES: usize = 256 * 1024 * 1024;
/// Pingora's own limit on attempts stands above every model's `max_attempts`, which is what bounds them.
const MAX_RETRIES: usize = 1000;
/// Serves until SIGTERM or SIGINT; returns when everything is on disk. `config` stands in `file`, which is read anew when that
/// is asked for; `None`: it is embedded. `take_over`: from the process that runs on the state directory, see [`upgrade`].
/// `started` is called once all listeners are bound.
///
/// # Errors
///
/// [`AppError`], before anything is served.
pub fn run(config: &Config, file: Option<&Path>, take_over: bool, started: impl FnOnce()) -> Result<(), AppError> {
    let successor = take_over.then(|| Successor::meet(&config.state.dir)).transpose()?.map(Arc::new);
    let ended = serve(config, file, successor.as_ref(), started);
    if let (Err(error), Some(successor)) = (&ended, &successor) {
        successor.failed(&error.to_string());
    }
    ended
}

fn serve(
    config: &Config,
    file: Option<&Path>,
    successor: Option<&Arc<Successor>>,
    started: impl FnOnce(),
) -> Result<(), AppError> {
    let metrics = Metrics::new().map_err(|error| system("metrics", &error))?;
    let limit_metrics = LimitMetrics::register(&metrics.registry).map_err(|error| system("limit metrics", &error))?;
    let limits = Arc::new(Limits::new(limit_metrics, Steady::new(SystemClock.now_us())));
    let series = SeriesTable::resolve(&metrics, config);
    let ledger_metrics =
        LedgerMetrics::register(&metrics.registry).map_err(|error| system("ledger metrics", &error))?;
    // Mistakes that show only when the parts are joined are told before anything is written.
    let nothing_spent = Arc::new(Budgets::in_memory(ledger_metrics.clone()));
    let standings = Standings::default();
    let safe = Arc::new(Safe::new().map_err(|error| system("randomness", &error))?);
    let lasting =
        Lasting { limits: &limits, budgets: &nothing_spent, standings: &standings, safe: &safe, before: None };
    Snapshot::build(config, SeriesTable::resolve(&metrics, config), lasting).map_err(AppError::Config)?;
    let (mirrors, mirror_runner) = Mirrors::new();
    let health = HealthMetrics::register(&metrics.registry).map_err(|error| system("health metrics", &error))?;
    let standings = Arc::new(Standings::shown_by(health.clone()));
    shut::restore(&config.state.dir, &standings, SystemClock.now_us())
        .map_err(|why| AppError::System { what: "state.dir", why })?;
    let lasting_parts = (Arc::clone(&limits), mirrors, standings);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (tracing, told) = otel::Tracing::start(config, &metrics, &clock)?;
    let mut records = records::Records::open(config, &metrics, &clock, told)?;
    let parts = (lasting_parts, Arc::clone(&tracing.sampler));
    let ledger = open_ledger(config, &ledger_metrics, successor.is_some())?;
    let services = Arc::new(services(config, &metrics, ledger, parts, &mut records)?);
    let lasting = Lasting { budgets: services.ledger.budgets(), standings: &services.standings, ..lasting };
    let snapshot = Arc::new(Snapshot::build(config, series, lasting).map_err(AppError::Config)?);
    tracing.begin(&services, &snapshot);
    let live = Arc::new(Live::new(Arc::clone(&snapshot)));
    let kept = Arc::clone(&live);
    services.callers.on_rules(Box::new(move |scope, rules| kept.load().governed.keep(scope, rules)));
    let ready = Arc::new(AtomicBool::new(false));
    let mut server = Server::new_with_opt_and_conf(None, server_conf(config));
    server.bootstrap();
    let gateway = Gateway::new(Arc::clone(&services), Arc::clone(&live), Arc::clone(&ready));
    let mut certificates = Certificates::default();
    let (course, sockets) = (Course::new(), Sockets::default());
    let ports = Ports { sockets: &sockets, successor: successor.map(Arc::as_ref), course: &course };
    server.add_service(data_plane(config, &server, gateway, &services, &mut certificates, &ports)?);
    notices::add(&mut server, config, &metrics, &services)?;
    // A reload may bring the first mirror, credential or probe.
    let mirroring = mirrors::Mirroring { runner: mirror_runner, services: Arc::clone(&services) };
    server.add_service(background_service("mirrors", mirroring));
    let tending = tended(&mut server, config, (&services, &snapshot), (&metrics, health))?;
    drop(snapshot);
    let audit = if successor.is_some() { Audit::later(&config.state.dir) } else { Audit::open(&config.state.dir) };
    let (tokens, audit) = (Arc::new(Tokens::of(&config.admin)), Arc::new(audit));
    let notifier = Arc::new(Notifier::from_env());
    let parts = Parts {
        services: Arc::clone(&services),
        live: Arc::clone(&live),
        safe,
        metrics: metrics.clone(),
        certificates,
        tokens: Arc::clone(&tokens),
        audit: Arc::clone(&audit),
        tending,
        notifier: Arc::clone(&notifier),
        tracing,
    };
    let reloader = Arc::new(Reloader::new(config, file, parts)?);
    let joined = (services, live, ready);
    let parts = (reloader, tokens, audit, notifier);
    finish(
        server,
        config,
        (file, successor),
        (&metrics, ledger_metrics, &records),
        joined,
        parts,
        (course, sockets, started),
    )
}

/// Adds what is there at the end, and serves.
fn finish<F: FnOnce()>(
    mut server: Server,
    config: &Config,
    (file, successor): (Option<&Path>, Option<&Arc<Successor>>),
    (metrics, ledger_metrics, records): (&Metrics, LedgerMetrics, &records::Records),
    (services, live, ready): (Arc<Services>, Arc<Live>, Arc<AtomicBool>),
    (reloader, tokens, audit, notifier): (Arc<Reloader>, Arc<Tokens>, Arc<Audit>, Arc<Notifier>),
    (course, sockets, started): (Arc<Course>, Sockets, F),
) -> Result<(), AppError> {
    let admin = Arc::new(Mutex::new(None));
    if let Some(address) = config.admin.listen {
        if successor.is_none() {
            *admin.lock() = Some(bind_shared("admin.listen", address, true)?);
        }
        let views = views::views(&services, &live, &ready, ledger_metrics, &reloader);
        let audit = Arc::clone(&audit);
        let state = admin_state(config, metrics, &services, &ready, (address, tokens, audit, views), records);
        let (listener, course) = (Arc::clone(&admin), Arc::clone(&course));
        server.add_service(background_service("admin", Admin { listener, state, course }));
    }
    let exec = file.map(Exec::of_this).transpose().map_err(|error| system("this program's file", &error))?;
    let shared = (sockets.clone(), Arc::clone(&course));
    let control = Control::new(&config.state.dir, exec, shared, (Arc::clone(&services.ledger), audit));
    let socket = upgrade_socket(&control, successor.is_some())?;
    let (successor, state_dir) = (successor.cloned(), config.state.dir.clone());
    let stop = Stop {
        services: Arc::clone(&services),
        ready,
        within: config.server.drain_timeout,
        watch: Watch { services: Arc::clone(&services), live },
        reloader,
        notifier,
        course: Arc::clone(&course),
        sockets,
        control,
        socket: Mutex::new(socket),
        before: Before { successor, admin: (config.admin.listen, admin), state_dir },
    };
    server.add_service(background_service("drain", stop));
    started();
    server.run(RunArgs { shutdown_signal: Box::new(Signals(course)) });
    close(&services);
    Ok(())
}

/// The socket for upgrades; without one it still serves, but a process that takes over must have it.
fn upgrade_socket(control: &Control, must: bool) -> Result<Option<UnixListener>, AppError> {
    match control.bind() {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if must => Err(system("the upgrade socket", &error)),
        Err(error) => {
            tracing::warn!(%error, "no socket for upgrades can be made in `state.dir`: `weighbridge upgrade` will not work");
            Ok(None)
        }
    }
}

/// Adds who tends what the snapshot has: credentials and probes. Returns where those of later ones are handed in.
fn tended(
    server: &mut Server,
    config: &Config,
    (services, snapshot): (&Arc<Services>, &Arc<Snapshot>),
    (metrics, health): (&Metrics, HealthMetrics),
) -> Result<Sender<Tended>, AppError> {
    let credentials = metrics.providers.credentials.clone();
    let (service, tending) = Tending::new(Arc::clone(services), health, credentials);
    let first = Tended { feeds: snapshot.feeds.clone(), probings: snapshot.probings(config) };
    tending.try_send(first).map_err(|error| system("a queue", &error))?;
    server.add_service(background_service("tending", service));
    Ok(tending)
}

fn services(
    config: &Config,
    metrics: &Metrics,
    ledger: Arc<Ledger>,
    ((limits, mirrors, standings), tracing): ((Arc<Limits>, Mirrors, Arc<Standings>), Arc<Sampler>),
    records: &mut records::Records,
) -> Result<Services, AppError> {
    let descriptors = descriptors::raise();
    if let Some(warning) = descriptors::warning(config, descriptors) {
        tracing::warn!("{warning}");
    }
    let (most, of_one) = descriptors::connections(config, descriptors);
    let clock = Arc::new(SystemClock);
    let files = proxy::Files::new(Shelf::open(&config.state.dir)?);
    let callers = Callers::open(config, &config.state.dir, Arc::clone(&clock) as _)?;
    rebuild::windows(config, &config.state.dir, &callers.rules(), &limits, &BTreeSet::new())?;
    let access_log = AccessLog::start(&config.records.access_log, records.tap.take(), metrics.access_log.clone())
        .map_err(|error| system("records.access_log", &error))?;
    let cache_metrics = CacheMetrics::register(&metrics.registry).map_err(|error| system("cache metrics", &error))?;
    Ok(Services {
        callers: Arc::new(callers),
        clock,
        ids: IdSource::from_os().map_err(|error| system("randomness", &error))?,
        ledger,
        limits,
        addresses: Addresses::new(config.server.per_address),
        trusted: config.server.trusted_proxies.clone(),
        connections: Arc::new(Connections::new(most, of_one)),
        files,
        mirrors,
        counter: Counter::start(COUNTING_JOBS, COUNTING_BYTES).map_err(|error| system("a thread", &error))?,
        access_log: Arc::new(access_log),
        contents: records.contents.take(),
        keeping: Keeping::new(&config.records),
        cache: Cache::new(config.cache.max_bytes, cache_metrics),
        embedder: Embedder::default(),
        tracing,
        metrics: metrics.proxy.clone(),
        unproven: Unproven::default(),
        buffers: Buffers::new(config.server.max_buffered_bytes),
        places: Admission::new(&config.server, metrics.proxy.overload.clone()),
        stopping: AtomicBool::new(false),
        standings,
        bounds: Bounds::of(config),
    })
}

fn open_ledger(config: &Config, metrics: &LedgerMetrics, beside: bool) -> Result<Arc<Ledger>, AppError> {
    let open = if beside { Ledger::open_beside } else { Ledger::open };
    Ok(open(&config.state, Arc::new(SystemClock), metrics.clone())?)
}

fn server_conf(config: &Config) -> ServerConf {
    ServerConf {
        threads: config.server.threads.get(),
        upstream_keepalive_pool_size: config.server.upstream_pool_size,
        max_retries: MAX_RETRIES,
        // The drain service ends the process as soon as the last request is done; this is only its upper bound.
        grace_period_seconds: Some(config.server.drain_timeout.as_secs().saturating_add(1)),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    }
}

fn system(what: &'static str, why: &dyn std::fmt::Display) -> AppError {
    AppError::System { what, why: why.to_string() }
}

fn admin_state(
    config: &Config,
    metrics: &Metrics,
    services: &Arc<Services>,
    ready: &Arc<AtomicBool>,
    (address, tokens, audit, views): (SocketAddr, Arc<Tokens>, Arc<Audit>, Views),
    records: &records::Records,
) -> AdminState {
    let api = Arc::new(Api {
        tokens,
        tries: Tries::default(),
        callers: Arc::clone(&services.callers),
        audit,
        state_dir: config.state.dir.clone(),
        begun_us: services.clock.now_us(),
        clock: Arc::clone(&services.clock),
        records: Records { reader: records.reader.clone(), live: Arc::clone(&records.live) },
        views,
        switch: Box::new(shut::Shutters::new(
            &config.state.dir,
            Arc::clone(&services.standings),
            Arc::clone(&services.clock),
        )),
        acting: Mutex::default(),
    });
    let (ready, trusted) = (Arc::clone(ready), services.trusted.clone());
    AdminState {
        pages: pages::pages(config, address, &api),
        client: Arc::new(move |peer, headers| proxy::client(SocketAddr::new(peer, 0), headers, &trusted).ip()),
        registry: metrics.registry.clone(),
        refresh: otel::refresh(services),
        ready: Arc::new(move || {
            if ready.load(Ordering::Relaxed) { Ok(()) } else { Err("the gateway is starting or draining".to_owned()) }
        }),
        api,
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Everything that was journaled or queued is on disk when this returns.
fn close(services: &Services) {
    // Counting settles rows, so it ends before the ledger does.
    services.counter.close(Duration::from_secs(30));
    services.ledger.close();
    services.access_log.close(Duration::from_secs(5));
    if let Some(contents) = &services.contents {
        contents.close(Duration::from_secs(5));
    }
}

/// The one place where the process ends itself: the stores are flushed.
#[expect(clippy::disallowed_methods, reason = "after the stores are flushed")]
fn exit(code: i32) -> ! {
    std::process::exit(code)
}
