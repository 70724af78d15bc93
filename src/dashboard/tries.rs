//! How often a wrong token may be tried: a few times a minute from one address, so that guessing leads nowhere.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Wrong tokens of late, by the address that they came from.
#[derive(Default)]
pub(super) struct Tries(Mutex<HashMap<IpAddr, Vec<u64>>>);

impl Tries {
    /// How long this address has to wait before it may try again; `None`: it may now.
    pub fn wait(&self, from: IpAddr, now_us: u64) -> Option<Duration> {
        let table = self.0.lock();
        let tries = table.get(&place(from))?;
        let late = tries.iter().filter(|at| now_us.saturating_sub(**at) < WITHIN_US).count();
        let oldest = tries.iter().find(|at| now_us.saturating_sub(**at) < WITHIN_US)?;
        let wait_us = (oldest + WITHIN_US).saturating_sub(now_us);
        (late >= MOST).then(|| Duration::from_micros(wait_us))
    }

    /// Notes a wrong token.
    pub fn note(&self, from: IpAddr, now_us: u64) {
        let mut table = self.0.lock();
        if table.len() >= ADDRESSES {
            table.retain(|_, tries| tries.last().is_some_and(|at| now_us.saturating_sub(*at) < WITHIN_US));
        }
        // Whoever has so many addresses is not slowed by addresses; the tokens are too long to be guessed all the same.
        if table.len() < ADDRESSES || table.contains_key(&place(from)) {
            let tries = table.entry(place(from)).or_default();
            tries.retain(|at| now_us.saturating_sub(*at) < WITHIN_US);
            if tries.len() < MOST {
                tries.push(now_us);
            }
        }
    }
}

/// Of IPv6 one /64 is one place.
fn place(from: IpAddr) -> IpAddr {
    match from {
        IpAddr::V4(_) => from,
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    }
}

/// Wrong tokens within a minute; the next one waits.
const MOST: usize = 10;
const WITHIN_US: u64 = 60 * 1_000_000;
/// Addresses that are remembered.
const ADDRESSES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_ten_tries_a_minute_and_another_one_its_own() {
        let tries = Tries::default();
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().expect("an address"));
        for at in 0..10 {
            assert_eq!(tries.wait(one, at), None, "{at}");
            tries.note(one, at);
        }
        assert_eq!(tries.wait(one, 1_000_000), Some(Duration::from_secs(59)));
        assert_eq!(tries.wait(other, 1_000_000), None);
        assert_eq!(tries.wait(one, WITHIN_US), None, "the oldest is a minute old");
        let [near, nearer] = ["2001:db8::1", "2001:db8::2"].map(|text| text.parse().expect("an address"));
        (0..10).for_each(|at| tries.note(near, at));
        assert!(tries.wait(nearer, 10).is_some(), "one /64 is one address");
    }
}
