//! The configuration is read anew while the gateway serves: validated completely, then swapped at once.
//!
//! What is validated is a trial that is thrown away, so that a file with mistakes touches nothing. Only then the parts are
//! built with the counters, balances, targets and connections that there are, and keys and snapshot are swapped together.
//! One reload comes after the other.

mod metrics;
mod triggers;

use super::certificates::Certificates;
use super::notify::Notifier;
use super::otel::Tracing;
use super::tending::Tended;
use super::{AppError, rebuild, system, trial};
use crate::{
    admin::audit::{Actor, Audit},
    admin::{LastReload, Reload, ReloadError, ReloadStatus, Reloaded, Tokens, act_of},
    config::{Config, ConfigChange, ConfigErrors, Written, moment},
    guard::Safe,
    outbound::Client,
    providers::feed::Feed,
    proxy::{Lasting, Live, Services, Snapshot},
    telemetry::{Metrics, SeriesTable},
};
use futures::future::join_all;
use metrics::ReloadMetrics;
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, timeout};

/// Who asked for a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Api,
    Signal,
    Watch,
}

impl Cause {
    const ALL: [Self; 3] = [Self::Api, Self::Signal, Self::Watch];

    const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Signal => "signal",
            Self::Watch => "watch",
        }
    }
}

/// What a reload swaps, and what it keeps.
pub(super) struct Parts {
    /// What outlives every configuration.
    pub(super) services: Arc<Services>,
    /// What requests are admitted under.
    pub(super) live: Arc<Live>,
    /// Of sessions' placeholders.
    pub(super) safe: Arc<Safe>,
    /// Where series are resolved.
    pub(super) metrics: Metrics,
    /// Of the TLS listeners.
    pub(super) certificates: Certificates,
    /// Who may use the admin API.
    pub(super) tokens: Arc<Tokens>,
    /// Where acts are recorded.
    pub(super) audit: Arc<Audit>,
    /// What goes on beside requests.
    pub(super) tending: Sender<Tended>,
    /// Who started the process.
    pub(super) notifier: Arc<Notifier>,
    /// What is traced.
    pub(super) tracing: Tracing,
}

/// Reads the configuration anew.
pub(super) struct Reloader {
    parts: Parts,
    /// `None`: it is embedded.
    file: Option<PathBuf>,
    own: ReloadMetrics,
    held: Mutex<Held>,
}

/// The configuration that holds.
struct Held {
    /// That of the start, with which listeners and the like were made.
    booted: Written,
    now: Written,
    loaded_us: u64,
    watch: bool,
    needs_restart: Vec<String>,
    last: Option<LastReload>,
    /// Where the ledger is.
    state_dir: PathBuf,
}

type Witness<'a> = dyn Fn(&[ConfigChange]) -> bool + 'a;

impl Reloader {
    /// For a gateway that began with `config`, which stands in `file`.
    ///
    /// # Errors
    ///
    /// When the metrics cannot be registered.
    pub(super) fn new(config: &Config, file: Option<&Path>, parts: Parts) -> Result<Self, AppError> {
        let own = ReloadMetrics::register(&parts.metrics.registry).map_err(|error| system("reload metrics", &error))?;
        let loaded_us = parts.services.clock.now_us();
        own.holds(0, loaded_us, 0);
        let held = Held {
            booted: config.written.clone(),
            now: config.written.clone(),
            loaded_us,
            watch: config.watch,
            needs_restart: Vec::new(),
            last: None,
            state_dir: config.state.dir.clone(),
        };
        Ok(Self { parts, file: file.map(Path::to_path_buf), own, held: Mutex::new(held) })
    }

    /// A reload that nobody asked for by the API. What came of it is in log, metrics and audit log.
    fn on_its_own(&self, cause: Cause) {
        let actor = Actor { role: cause.name().to_owned(), token: String::new(), person: None };
        let record = |outcome: &str, changes: &[ConfigChange]| {
            let now_us = self.parts.services.clock.now_us();
            self.parts.audit.record(act_of(&actor, outcome, changes), now_us).is_ok()
        };
        match self.run(cause, false, &|changes| record("done", changes)) {
            Ok(_) | Err(ReloadError::Unrecorded) => {}
            Err(error) => drop(record(error.code(), &[])),
        }
    }

    fn run(&self, cause: Cause, dry_run: bool, witness: &Witness<'_>) -> Result<Reloaded, ReloadError> {
        let mut held = self.held.lock();
        let begun = Instant::now();
        if dry_run {
            return self.attempt(&mut held, true, witness);
        }
        self.parts.notifier.reloading();
        let done = self.attempt(&mut held, false, witness);
        self.parts.notifier.reloaded(self.parts.live.load().generation, done.is_ok());
        let took_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.own.ended(cause, done.is_ok());
        let (outcome, changes) = match &done {
            Ok(reloaded) => {
                tell(cause, reloaded, took_us);
                ("reloaded", reloaded.changes.len())
            }
            Err(error) => {
                tracing::error!(cause = cause.name(), %error, "the configuration was not reloaded");
                ("refused", 0)
            }
        };
        held.last = Some(LastReload {
            time: moment::show(self.parts.services.clock.now_us()),
            cause: cause.name().to_owned(),
            outcome: outcome.to_owned(),
            took_us,
            changes,
            message: done.as_ref().err().map(ToString::to_string),
        });
        done
    }

    /// Everything that can be found wrong is found before anything is swapped.
    fn attempt(&self, held: &mut Held, dry_run: bool, witness: &Witness<'_>) -> Result<Reloaded, ReloadError> {
        let path = self.file.as_deref().ok_or(ReloadError::NoFile)?;
        let (config, _thrown_away) = trial::load(path).map_err(|errors| refused(&errors))?;
        let pairs = self.parts.certificates.read(&config);
        let pairs = pairs.map_err(|(path, why)| ReloadError::Refused(format!("{path}: {why}")))?;
        let log = self.parts.services.access_log.open(&config.records.access_log);
        let log = log.map_err(|error| ReloadError::Refused(format!("records.access_log: {error}")))?;
        let changes = config.written.changes_since(&held.now);
        let needs_restart = config.written.changes_since(&held.booted);
        let needs_restart: Vec<String> =
            needs_restart.into_iter().filter(|change| change.needs_restart).map(|change| change.path).collect();
        let generation = self.parts.live.load().generation;
        if dry_run {
            let certificates = pairs.iter().filter(|pair| pair.is_new).map(|pair| pair.address.to_string()).collect();
            return Ok(Reloaded { outcome: "checked".to_owned(), generation, changes, certificates, needs_restart });
        }
        if !witness(&changes) {
            return Err(ReloadError::Unrecorded);
        }
        let generation = self.swap(&config, &held.state_dir)?;
        let certificates = self.parts.certificates.show(pairs);
        match log {
            // The same file too: it may have been renamed by a log rotation.
            Some(place) => self.parts.services.access_log.go_on_at(place),
            None => self.parts.services.access_log.reopen(),
        }
        self.parts.tokens.set(&config.admin);
        (held.loaded_us, held.watch) = (self.parts.services.clock.now_us(), config.watch);
        self.own.holds(generation, held.loaded_us, needs_restart.len());
        held.needs_restart.clone_from(&needs_restart);
        held.now = config.written;
        Ok(Reloaded { outcome: "reloaded".to_owned(), generation, changes, certificates, needs_restart })
    }

    /// Joins `config` with what lasts, and lets requests in under it.
    fn swap(&self, config: &Config, state_dir: &Path) -> Result<u64, ReloadError> {
        let Parts { services, live, safe, metrics, tending, .. } = &self.parts;
        let limits = &services.limits;
        let given = services.callers.rules_under(config).map_err(|error| ReloadError::State(error.to_string()))?;
        let rebuilt = rebuild::windows(config, state_dir, &given, limits, &limits.counted());
        rebuilt.map_err(|error| ReloadError::State(error.to_string()))?;
        let before = live.load();
        let lasting = Lasting {
            limits,
            budgets: services.ledger.budgets(),
            standings: &services.standings,
            safe,
            before: Some(&before),
        };
        let series = SeriesTable::resolve(metrics, config);
        let snapshot = Snapshot::build(config, series, lasting).map_err(|errors| refused(&ConfigErrors(errors)))?;
        let (snapshot, generation) = (Arc::new(snapshot), before.generation + 1);
        self.fetch(&before, &snapshot);
        let prepare = |scope: &_, rules: &_| snapshot.governed.keep(scope, rules);
        let swap = || drop(live.swap(Arc::clone(&snapshot)));
        services
            .callers
            .reload(config, generation, prepare, swap)
            .map_err(|error| ReloadError::State(error.to_string()))?;
        self.parts.tracing.reload(config.telemetry.as_ref(), &snapshot);
        let tended = Tended { feeds: snapshot.feeds.clone(), probings: snapshot.probings(config) };
        if tending.blocking_send(tended).is_err() {
            tracing::debug!("the gateway is stopping: nothing is tended any more");
        }
        drop(before);
        services.standings.forget_unused();
        Ok(generation)
    }

    /// Credentials of providers that are new or were changed are fetched before requests need them. A provider that does not
    /// answer keeps nobody: it is asked again later.
    fn fetch(&self, before: &Snapshot, next: &Snapshot) {
        let is_new = |feed: &&Arc<dyn Feed>| !before.feeds.iter().any(|known| Arc::ptr_eq(known, feed));
        let feeds: Vec<_> = next.feeds.iter().filter(is_new).collect();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if feeds.is_empty() {
            return;
        }
        let http = Client::default();
        let all = join_all(feeds.iter().map(|feed| feed.refresh(&http)));
        if runtime.block_on(async { timeout(FETCH, all).await }).is_err() {
            tracing::warn!(
                "credentials of new providers did not come in time: requests for them may be refused at first"
            );
        }
    }

    /// The files whose change is a reason to reload; `None`: they are not watched, or there is a reload at this moment. Never
    /// waits: a reload may wait for what the runtime of its caller does.
    fn watched(&self) -> Option<Vec<PathBuf>> {
        let held = self.held.try_lock()?;
        (held.watch && self.file.is_some()).then(|| held.now.files().to_vec())
    }
}

impl Reload for Reloader {
    fn reload(&self, dry_run: bool, witness: &Witness<'_>) -> Result<Reloaded, ReloadError> {
        self.run(Cause::Api, dry_run, witness)
    }

    fn status(&self) -> ReloadStatus {
        let held = self.held.lock();
        ReloadStatus {
            generation: self.parts.live.load().generation,
            loaded: moment::show(held.loaded_us),
            file: self.file.as_ref().map(|path| path.display().to_string()),
            watch: held.watch,
            last: held.last.clone(),
            needs_restart: held.needs_restart.clone(),
        }
    }
}

fn refused(errors: &ConfigErrors) -> ReloadError {
    ReloadError::Refused(errors.to_string())
}

/// The log has every change, and what of it waits.
fn tell(cause: Cause, reloaded: &Reloaded, took_us: u64) {
    let Reloaded { generation, changes, certificates, .. } = reloaded;
    let (cause, certificates) = (cause.name(), certificates.join(", "));
    tracing::info!(cause, generation, changes = changes.len(), certificates, took_us, "the configuration was reloaded");
    for change in changes.iter().take(MOST_LOGGED) {
        tracing::info!(generation, "{change}");
    }
}

/// How long the credentials of new providers are waited for.
const FETCH: Duration = Duration::from_secs(5);
/// Of more changes the rest is in the answer of the admin API only.
const MOST_LOGGED: usize = 200;
