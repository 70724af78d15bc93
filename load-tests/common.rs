//! What the programs of load-tests share.

use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};
use tokio::time::Instant;

/// Percentiles of times in microseconds, which are sorted here; `null` where there are none.
pub fn percentiles(times_us: &mut [u64]) -> Value {
    times_us.sort_unstable();
    let at = |per_mille: usize| {
        let rank = (times_us.len() * per_mille).div_ceil(1000).saturating_sub(1);
        times_us.get(rank).copied()
    };
    json!({ "p50": at(500), "p90": at(900), "p99": at(990), "p999": at(999), "max": at(1000) })
}

/// Sleeps in the kernel: who waits has a thread of its own, and no runtime is there to be blocked.
#[allow(clippy::disallowed_methods)]
pub fn wait_until(moment: Instant) {
    std::thread::sleep(moment.saturating_duration_since(Instant::now()));
}

/// An address of this machine.
///
/// # Errors
///
/// It is none, or another machine's.
pub fn loopback(text: &str) -> Result<SocketAddr, String> {
    let target: SocketAddr = text.parse().map_err(|why| format!("{why}"))?;
    match target.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => Ok(target),
        IpAddr::V6(ip) if ip.is_loopback() => Ok(target),
        _ => Err("load goes to this machine only".to_owned()),
    }
}
