//! Per client address: failures of authentication, and floods of requests.
//!
//! Addresses are unbounded and nobody vouches for them, so they are counted in sketches of fixed size
//! (`pingora_limits::estimator`): two addresses that share all four of their cells are counted together, so a count may
//! be too high and never too low. `pingora_limits::rate::Rate` is not used: it subtracts times of two threads in an
//! order that a race can turn round, which panics in this build, and it does not tell when its interval ends.
//!
//! The intervals are fixed: around their border up to twice the limit may pass.

use crate::config::PerAddress;
use pingora_limits::estimator::Estimator;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Cells of a sketch: 4 × 65,536 × 8 bytes = 2 MiB; 10,000 addresses in one interval are told apart to 0.05 %.
const HASHES: usize = 4;
const CELLS: usize = 65_536;

/// An address has done too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressFull {
    /// Too many keys that are not known.
    AuthFailures {
        /// Until the next interval.
        wait: Duration,
    },
    /// Too many requests.
    Requests {
        /// Until the next interval.
        wait: Duration,
    },
}

/// What addresses did.
pub struct Addresses {
    failures: Option<Sketch>,
    requests: Option<Sketch>,
}

struct Sketch {
    most: isize,
    interval_us: u64,
    /// Number of the interval that is counted.
    interval: AtomicU64,
    counts: Estimator,
}

impl Addresses {
    /// Counts what `config` limits; what is 0 there is not counted.
    pub fn new(config: PerAddress) -> Self {
        let sketch = |most: u32, interval: Duration| {
            (most > 0).then(|| Sketch {
                most: isize::try_from(most).unwrap_or(isize::MAX),
                interval_us: u64::try_from(interval.as_micros()).unwrap_or(u64::MAX),
                interval: AtomicU64::new(0),
                counts: Estimator::new(HASHES, CELLS),
            })
        };
        Self {
            failures: sketch(config.auth_failures, Duration::from_secs(60)),
            requests: sketch(config.requests, Duration::from_secs(1)),
        }
    }

    /// A request of `address` came.
    ///
    /// # Errors
    ///
    /// [`AddressFull::Requests`]: it is refused before its key is even hashed.
    pub fn request(&self, address: IpAddr, now_us: u64) -> Result<(), AddressFull> {
        match &self.requests {
            Some(requests) if requests.count(&network(address), 1, now_us) > requests.most => {
                Err(AddressFull::Requests { wait: requests.rest(now_us) })
            }
            _ => Ok(()),
        }
    }

    /// [`AddressFull::AuthFailures`] if `address` had too many keys that are not accepted. It is for requests whose key is
    /// not known: many share an address (a proxy, an office), and one of them must not shut the others out.
    pub fn distrusted(&self, address: IpAddr, now_us: u64) -> Option<AddressFull> {
        let failures = self.failures.as_ref()?;
        let full = failures.count(&network(address), 0, now_us) >= failures.most;
        full.then(|| AddressFull::AuthFailures { wait: failures.rest(now_us) })
    }

    /// A request of `address` had no key that is accepted.
    pub fn failed(&self, address: IpAddr, now_us: u64) {
        if let Some(failures) = &self.failures {
            failures.count(&network(address), 1, now_us);
        }
    }
}

impl Sketch {
    /// Adds `more` and returns the count of this interval.
    fn count(&self, network: &IpAddr, more: isize, now_us: u64) -> isize {
        let interval = now_us / self.interval_us;
        // Whoever sees a new interval first begins it; what is added during that moment may be lost.
        if self.interval.fetch_max(interval, Ordering::AcqRel) < interval {
            self.counts.reset();
        }
        if more == 0 { self.counts.get(network) } else { self.counts.incr(network, more) }
    }

    /// Until the next interval.
    fn rest(&self, now_us: u64) -> Duration {
        Duration::from_micros(self.interval_us - now_us % self.interval_us)
    }
}

/// One IPv6 client has a whole /64 to call from.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl std::fmt::Debug for Addresses {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Addresses").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 1_795_000_020_000_000;

    #[test]
    fn one_address_is_distrusted_until_the_next_interval_and_no_other_one() {
        let addresses = Addresses::new(PerAddress { auth_failures: 3, requests: 0, connections: None });
        let [bad, good] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse::<IpAddr>().expect("an address"));
        for _ in 0..3 {
            assert_eq!(addresses.distrusted(bad, BASE), None);
            addresses.failed(bad, BASE);
        }
        let Some(AddressFull::AuthFailures { wait }) = addresses.distrusted(bad, BASE + 5) else {
            panic!("distrusted")
        };
        assert_eq!(addresses.distrusted(good, BASE), None);
        assert_eq!(addresses.request(bad, BASE + 5), Ok(()), "its key is looked at first");
        let wait = u64::try_from(wait.as_micros()).expect("a minute at most");
        assert!(addresses.distrusted(bad, BASE + 5 + wait - 1).is_some());
        assert_eq!(addresses.distrusted(bad, BASE + 5 + wait), None);
    }

    #[test]
    fn floods_are_counted_by_second_and_a_64_is_one_client() {
        let addresses = Addresses::new(PerAddress { auth_failures: 0, requests: 2, connections: None });
        let same = ["2001:db8::1", "2001:db8::2", "2001:db8::3"].map(|text| text.parse().expect("an address"));
        assert_eq!(addresses.request(same[0], BASE), Ok(()));
        assert_eq!(addresses.request(same[1], BASE), Ok(()));
        assert!(matches!(addresses.request(same[2], BASE), Err(AddressFull::Requests { .. })));
        assert_eq!(addresses.request("2001:db8:0:1::1".parse().expect("an address"), BASE), Ok(()));
        assert_eq!(addresses.request(same[2], BASE + 1_000_000), Ok(()));
    }

    #[test]
    fn nothing_is_counted_where_it_is_off() {
        let addresses = Addresses::new(PerAddress { auth_failures: 0, requests: 0, connections: None });
        let address = "192.0.2.1".parse().expect("an address");
        for _ in 0..1_000 {
            addresses.failed(address, BASE);
            assert_eq!((addresses.request(address, BASE), addresses.distrusted(address, BASE)), (Ok(()), None));
        }
    }
}
