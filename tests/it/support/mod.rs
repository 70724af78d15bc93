//! What the promises are tested with: the real binary, scripted upstreams on real sockets, and plain clients.
//!
//! Nothing here knows the inside of the gateway: all goes through its command line, its configuration file and
//! its sockets, so that a test fails only when something that a user could notice has changed.

pub mod admin;
pub mod call;
pub mod certs;
pub mod config;
pub mod events;
pub mod gateway;
pub mod h1;
pub mod h2;
pub mod head;
pub mod ledger;
pub mod ports;
pub mod sample;
pub mod script;
pub mod upstream;
pub mod websocket;

use std::future::Future;
use std::time::Duration;
use tokio::time::timeout;

/// The longest that anything is waited for: far above what a loaded machine with two cores needs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for `future`, and fails naming `what` when it does not come.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} in vain: {what}"),
    }
}

/// Asks `probe` again and again until it has an answer: for what another process knows and cannot tell by itself.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut probe: impl FnMut() -> F) -> T {
    let asked = async {
        loop {
            if let Some(value) = probe().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(what, asked).await
}
