//! Ids that the gateway makes itself.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

/// The gateway's own id of a request: 48 bits of time (milliseconds), then 80 bits of chance.
///
/// Sorts by time, is never taken from a client, and is written as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct RequestId(pub u128);

impl RequestId {
    /// The milliseconds since the Unix epoch at which the id was made.
    pub const fn unix_ms(self) -> u64 {
        (self.0 >> 80) as u64
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

impl FromStr for RequestId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() != 32 {
            return Err(format!("`{text}` is no request id: it has 32 hexadecimal digits"));
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|e| format!("`{text}` is no request id: {e}"))
    }
}

/// One attempt to get a request answered by one target: attempts count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct AttemptId {
    /// The request.
    pub request: RequestId,
    /// 1 for the first target that was tried.
    pub attempt: u16,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.request, self.attempt)
    }
}

/// Makes request ids without a system call each.
///
/// The 80 low bits are a keyed permutation of a counter (SplitMix64 over a random start and a random key), so
/// that ids of one process never repeat and ids of two processes meet by chance only.
#[derive(Debug)]
pub struct IdSource {
    key: u64,
    salt: u16,
    next: AtomicU64,
}

impl IdSource {
    /// Seeds from the operating system.
    ///
    /// # Errors
    ///
    /// When the operating system has no randomness to give.
    pub fn from_os() -> Result<Self, getrandom::Error> {
        let mut seed = [0u8; 18];
        getrandom::fill(&mut seed)?;
        let word = |at: usize| {
            let mut bytes = [0u8; 8];
            bytes.copy_from_slice(&seed[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        Ok(Self { key: word(0), next: AtomicU64::new(word(8)), salt: u16::from_le_bytes([seed[16], seed[17]]) })
    }

    /// The next id, made at `now_us`.
    pub fn next(&self, now_us: u64) -> RequestId {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let chance = split_mix(count ^ self.key);
        let high = u128::from((now_us / 1_000) & 0xffff_ffff_ffff) << 80;
        RequestId(high | u128::from(self.salt) << 64 | u128::from(chance))
    }
}

/// One step of SplitMix64 (Steele, Lea, Flood 2014): a permutation of 64-bit numbers.
pub(super) const fn split_mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_do_not_repeat_and_carry_their_time() {
        let source = IdSource::from_os().expect("the operating system has randomness");
        let ids: HashSet<_> = (0..10_000).map(|_| source.next(1_700_000_000_123_456)).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.unix_ms() == 1_700_000_000_123));
    }

    #[test]
    fn an_id_reads_back_as_written() {
        let id = RequestId(0x0123_4567_89ab_cdef);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("12".parse::<RequestId>().is_err());
    }
}
