//! How often wrong tokens may be tried: a few different ones a minute from one address, so that guessing leads nowhere.
//!
//! The same wrong token again is no guess: a program that was not told of a new token keeps nobody else out.

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Wrong tokens of late, by the address that they came from.
#[derive(Debug, Default)]
pub struct Tries(Mutex<HashMap<IpAddr, Vec<Try>>>);

/// A wrong token: when it came first, and the beginning of its hash.
#[derive(Debug)]
struct Try {
    at_us: u64,
    hash: [u8; 8],
}

impl Try {
    fn is_late(&self, now_us: u64) -> bool {
        now_us.saturating_sub(self.at_us) < WITHIN_US
    }
}

impl Tries {
    /// How long this address has to wait before it may try again; `None`: it may now.
    pub fn wait(&self, from: IpAddr, now_us: u64) -> Option<Duration> {
        let table = self.0.lock();
        let tries = table.get(&place(from))?;
        let late = tries.iter().filter(|one| one.is_late(now_us));
        let oldest = late.clone().map(|one| one.at_us).min()?;
        let wait_us = oldest.saturating_add(WITHIN_US).saturating_sub(now_us);
        (late.count() >= MOST).then(|| Duration::from_micros(wait_us))
    }

    /// Notes a wrong token.
    pub fn note(&self, from: IpAddr, token: &[u8], now_us: u64) {
        let digest: [u8; 32] = Sha256::digest(token).into();
        let hash = *digest.first_chunk::<8>().expect("a hash has 32 bytes");
        let mut table = self.0.lock();
        if table.len() >= ADDRESSES {
            table.retain(|_, tries| tries.iter().any(|one| one.is_late(now_us)));
        }
        // Whoever has so many addresses is not slowed by addresses; the tokens are too long to be guessed all the same.
        if table.len() < ADDRESSES || table.contains_key(&place(from)) {
            let tries = table.entry(place(from)).or_default();
            tries.retain(|one| one.is_late(now_us));
            if tries.len() < MOST && tries.iter().all(|one| one.hash != hash) {
                tries.push(Try { at_us: now_us, hash });
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
        for at in 0..10_u64 {
            assert_eq!(tries.wait(one, at), None, "{at}");
            tries.note(one, &at.to_be_bytes(), at);
        }
        assert_eq!(tries.wait(one, 1_000_000), Some(Duration::from_secs(59)));
        assert_eq!(tries.wait(other, 1_000_000), None);
        assert_eq!(tries.wait(one, WITHIN_US), None, "the oldest is a minute old");
        let [near, nearer] = ["2001:db8::1", "2001:db8::2"].map(|text| text.parse().expect("an address"));
        (0..10_u64).for_each(|at| tries.note(near, &at.to_be_bytes(), at));
        assert!(tries.wait(nearer, 10).is_some(), "one /64 is one address");
    }

    #[test]
    fn the_same_wrong_token_again_is_no_guess() {
        let tries = Tries::default();
        let from = "192.0.2.1".parse().expect("an address");
        (0..100).for_each(|at| tries.note(from, b"the token of last year", at));
        assert_eq!(tries.wait(from, 100), None);
    }
}
