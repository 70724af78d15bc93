//! Names to addresses, asynchronously and cached: Pingora's own `HttpPeer::new` blocks and panics on failure
//! (pingora-core 0.9.1, `upstreams/peer.rs`).

use moka::sync::Cache;
use parking_lot::Mutex;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long an answer is taken as fresh. `getaddrinfo` does not tell the record's own time to live; a minute is
/// what most providers' records say.
const FRESH: Duration = Duration::from_secs(60);
/// After a failed refresh the old addresses are kept this much longer before it is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Names that nobody asked for in this time are forgotten.
const IDLE: Duration = Duration::from_secs(3600);
/// Names kept; each provider of the configuration is one.
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

/// Resolves host names. Addresses take turns; stale ones serve while one caller refreshes them, and for as long
/// as a refresh fails.
#[derive(Debug)]
pub struct Resolver {
    names: Cache<Arc<str>, Arc<Name>>,
}

#[derive(Debug, Default)]
struct Name {
    state: Mutex<State>,
    turn: AtomicUsize,
    /// One look-up at a time; the others wait for it only while there is nothing to serve.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    addresses: Vec<IpAddr>,
    fresh_until: Option<Instant>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self { names: Cache::builder().max_capacity(NAMES).time_to_idle(IDLE).build() }
    }
}

impl Resolver {
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
        if let Some(address) = name.fresh() {
            return Ok(SocketAddr::new(address, port));
        }
        let address = name.refresh(host, port).await;
        address
            .map(|address| SocketAddr::new(address, port))
            .map_err(|source| UnresolvedHost { host: Arc::clone(host), source })
    }
}

impl Name {
    /// An address if the answer is fresh.
    fn fresh(&self) -> Option<IpAddr> {
        let state = self.state.lock();
        state.fresh_until.filter(|&until| Instant::now() < until)?;
        self.pick(&state)
    }

    fn pick(&self, state: &State) -> Option<IpAddr> {
        let count = state.addresses.len().max(1);
        state.addresses.get(self.turn.fetch_add(1, Ordering::Relaxed) % count).copied()
    }

    async fn refresh(&self, host: &str, port: u16) -> io::Result<IpAddr> {
        let stale = {
            let state = self.state.lock();
            self.pick(&state)
        };
        let turn = match (self.looking.try_lock(), stale) {
            (Ok(turn), _) => turn,
            (Err(_), Some(address)) => return Ok(address),
            (Err(_), None) => self.looking.lock().await,
        };
        if let Some(address) = self.fresh() {
            return Ok(address);
        }
        let found = look_up(host, port).await;
        let mut state = self.state.lock();
        match found {
            Ok(addresses) => {
                *state = State { addresses, fresh_until: Some(Instant::now() + FRESH) };
            }
            Err(error) if state.addresses.is_empty() => return Err(error),
            Err(error) => {
                tracing::warn!(host, %error, "host could not be resolved again; its last addresses are used");
                state.fresh_until = Some(Instant::now() + RETRY);
            }
        }
        drop(turn);
        self.pick(&state).ok_or_else(no_address)
    }
}

async fn look_up(host: &str, port: u16) -> io::Result<Vec<IpAddr>> {
    let found = timeout(LOOKUP, tokio::net::lookup_host((host, port))).await??;
    let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    addresses.dedup();
    // Mixed answers: one family only takes turns, the one that the resolver put first.
    if let Some(first) = addresses.first().copied() {
        addresses.retain(|address| address.is_ipv4() == first.is_ipv4());
    }
    if addresses.is_empty() { Err(no_address()) } else { Ok(addresses) }
}

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the name has no address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn literal_addresses_and_localhost_are_resolved() {
        let resolver = Resolver::default();
        let literal = resolver.resolve(&"::1".into(), 80).await.expect("a literal needs no look-up");
        assert_eq!(literal, SocketAddr::new("::1".parse().expect("an address"), 80));
        let local = resolver.resolve(&"localhost".into(), 81).await.expect("localhost is known");
        assert!(local.ip().is_loopback());
        assert_eq!(local.port(), 81);
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_is_an_error_that_names_it() {
        let error = Resolver::default().resolve(&"no-such-host.invalid".into(), 80).await.expect_err("reserved name");
        assert_eq!(error.to_string(), "host `no-such-host.invalid` could not be resolved");
    }
}
