//! Names to addresses, asynchronously and cached: Pingora's own `HttpPeer::new` blocks and panics on failure
//! (pingora-core 0.9.1, `upstreams/peer.rs`).

use futures::FutureExt as _;
use futures::future::BoxFuture;
use moka::sync::Cache;
use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// How long an answer is served before it is asked for again, in the background. `getaddrinfo` does not tell the record's
/// own time to live; a minute is what most providers' records say, and this is a little less.
const FRESH: Duration = Duration::from_secs(50);
/// After a failed refresh the old addresses are kept this much longer before it is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// A name that was not found is not looked up again for so long, by those who waited for the same look-up.
const FAILED: Duration = Duration::from_secs(1);
/// An address that could not be reached is passed over for so long, while there are others.
const AVOIDED: Duration = Duration::from_secs(30);
/// Names that nobody asked for in this time are forgotten.
const IDLE: Duration = Duration::from_secs(3600);
/// Names kept, and addresses avoided; each provider of the configuration is one.
const NAMES: u64 = 10_000;
/// Longest wait for one look-up.
const LOOKUP: Duration = Duration::from_secs(5);

/// A host whose address could not be found.
#[derive(Debug, thiserror::Error)]
#[error("host `{host}` could not be resolved")]
pub struct UnresolvedHost {
    /// The name.
    pub host: Arc<str>,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Asks for all addresses of a name.
type LookUp = Arc<dyn Fn(Arc<str>) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Resolves host names. Addresses take turns; those that could not be reached are passed over for a while. Stale ones
/// serve while a task of the resolver refreshes them, and for as long as a refresh fails: nobody waits but for the first
/// answer. Refreshes end with the resolver.
pub struct Resolver {
    names: Cache<Arc<str>, Arc<Name>>,
    avoided: Cache<SocketAddr, ()>,
    look_up: LookUp,
    refreshes: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct Name {
    state: Mutex<State>,
    turn: AtomicUsize,
    /// The first look-up: one at a time.
    looking: tokio::sync::Mutex<()>,
    /// A refresh is under way.
    refreshing: AtomicBool,
}

#[derive(Default)]
struct State {
    /// In the resolver's order; empty until the first answer.
    addresses: Vec<IpAddr>,
    fresh_until: Option<Instant>,
    failed_at: Option<Instant>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Resolver").field("names", &self.names.entry_count()).finish_non_exhaustive()
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::with(Arc::new(|host| system(host).boxed()))
    }
}

impl Resolver {
    fn with(look_up: LookUp) -> Self {
        Self {
            names: Cache::builder().max_capacity(NAMES).time_to_idle(IDLE).build(),
            avoided: Cache::builder().max_capacity(NAMES).time_to_live(AVOIDED).build(),
            look_up,
            refreshes: Mutex::default(),
        }
    }

    /// An address of `host`; a literal address is returned as it is.
    ///
    /// # Errors
    ///
    /// When no address was ever found and none is found now; the caller tries its next target.
    pub async fn resolve(&self, host: &Arc<str>, port: u16) -> Result<SocketAddr, UnresolvedHost> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(SocketAddr::new(address, port));
        }
        let name = self.names.get_with(Arc::clone(host), Arc::default);
        if let Some(address) = self.known(host, &name, port) {
            return Ok(address);
        }
        let unresolved = |source| UnresolvedHost { host: Arc::clone(host), source };
        let turn = name.looking.lock().await;
        if let Some(address) = self.known(host, &name, port) {
            return Ok(address);
        }
        if name.state.lock().failed_at.is_some_and(|at| at.elapsed() < FAILED) {
            return Err(unresolved(io::Error::new(io::ErrorKind::NotFound, "it was not found a moment ago")));
        }
        let found = (self.look_up)(Arc::clone(host)).await;
        let kept = name.keep(host, found);
        drop(turn);
        kept.map_err(unresolved)?;
        self.known(host, &name, port).ok_or_else(|| unresolved(no_address()))
    }

    /// `address` could not be reached: others of its host are taken for a while.
    pub fn avoid(&self, address: SocketAddr) {
        self.avoided.insert(address, ());
    }

    /// Whether `host` has an address that was not found closed.
    pub fn knows_other(&self, host: &Arc<str>, port: u16) -> bool {
        let Some(name) = self.names.get(host) else { return false };
        let state = name.state.lock();
        state.addresses.iter().any(|&ip| !self.avoided.contains_key(&SocketAddr::new(ip, port)))
    }

    /// The next address that is known. Begins a refresh when it is time for one.
    fn known(&self, host: &Arc<str>, name: &Arc<Name>, port: u16) -> Option<SocketAddr> {
        let (address, stale) = {
            let state = name.state.lock();
            let address = self.pick(&state, &name.turn, port)?;
            (address, state.fresh_until.is_none_or(|until| until <= Instant::now()))
        };
        if stale && !name.refreshing.swap(true, Ordering::AcqRel) {
            let refresh = Refresh { host: Arc::clone(host), name: Arc::clone(name) };
            let found = (self.look_up)(Arc::clone(host));
            let mut refreshes = self.refreshes.lock();
            while refreshes.try_join_next().is_some() {}
            refreshes.spawn(refresh.run(found));
        }
        Some(address)
    }

    /// The family that the resolver put first takes turns; the other one serves when none of the first can be reached.
    /// When none can at all, all take turns: one of them may be back.
    fn pick(&self, state: &State, turn: &AtomicUsize, port: u16) -> Option<SocketAddr> {
        let first = state.addresses.first()?.is_ipv4();
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        let all = || state.addresses.iter().map(|&ip| SocketAddr::new(ip, port));
        for family in [first, !first] {
            let open = || all().filter(|at| at.is_ipv4() == family && !self.avoided.contains_key(at));
            let count = open().count();
            if count > 0 {
                return open().nth(turn % count);
            }
        }
        all().nth(turn % state.addresses.len())
    }
}

/// A refresh under way; however it ends, the next one may begin.
struct Refresh {
    host: Arc<str>,
    name: Arc<Name>,
}

impl Refresh {
    async fn run(self, found: BoxFuture<'static, io::Result<Vec<IpAddr>>>) {
        // With old addresses there is no error.
        drop(self.name.keep(&self.host, found.await));
    }
}

impl Drop for Refresh {
    fn drop(&mut self) {
        self.name.refreshing.store(false, Ordering::Release);
    }
}

impl Name {
    /// Takes what was found; an error only where there is nothing older.
    fn keep(&self, host: &str, found: io::Result<Vec<IpAddr>>) -> io::Result<()> {
        let mut state = self.state.lock();
        match found {
            Ok(addresses) => {
                let moved = !state.addresses.is_empty() && addresses.iter().any(|ip| !state.addresses.contains(ip));
                if moved {
                    tracing::info!(host, "the host has other addresses now; new connections go there");
                }
                *state = State { addresses, fresh_until: Some(Instant::now() + FRESH), failed_at: None };
                Ok(())
            }
            Err(error) if state.addresses.is_empty() => {
                state.failed_at = Some(Instant::now());
                Err(error)
            }
            Err(error) => {
                tracing::warn!(host, %error, "host could not be resolved again; its last addresses are used");
                state.fresh_until = Some(Instant::now() + RETRY);
                Ok(())
            }
        }
    }
}

/// What the system's resolver says.
async fn system(host: Arc<str>) -> io::Result<Vec<IpAddr>> {
    let found = timeout(LOOKUP, tokio::net::lookup_host((&*host, 0))).await??;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address.ip()) {
            addresses.push(address.ip());
        }
    }
    if addresses.is_empty() { Err(no_address()) } else { Ok(addresses) }
}

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the name has no address")
}

#[cfg(test)]
#[path = "dns_tests.rs"]
mod tests;
