//! Which target a session belongs to: a hash that every process makes alike, and weighted rendezvous over the targets.
//!
//! The target with the highest score answers; when it does not take requests, the next one does, and each session falls
//! to another of the rest by weight. A target that is added or comes back takes its own share and moves nothing else.

/// Hashes of the same bytes are the same in every process and version: they decide where sessions live. Not for
/// anything that an attacker could gain from: whoever picks names may pick their target.
#[derive(Debug, Clone, Copy)]
pub struct Affinity(u64);

const START: u64 = 0x243f_6a88_85a3_08d3;
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Affinity {
    /// Of what `domain` tells apart: the same text as session and as user is not the same.
    pub fn of(domain: &[u8]) -> Self {
        Self(START).and(domain)
    }

    /// With `bytes` behind it; where one part ends and the next begins counts.
    #[must_use]
    pub fn and(self, bytes: &[u8]) -> Self {
        let mut state = fold(self.0 ^ bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            state = fold(state ^ u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        Self(fold(state ^ u64::from_le_bytes(last)))
    }

    /// The hash.
    pub const fn hash(self) -> u64 {
        mix(self.0)
    }
}

/// Multiplies to 128 bits and folds them.
const fn fold(word: u64) -> u64 {
    let wide = ((word ^ START) as u128) * (FACTOR as u128);
    (wide as u64) ^ ((wide >> 64) as u64)
}

/// Each bit of the outcome depends on each bit of `word` (the finalizer of SplitMix64, Steele et al. 2014).
pub const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// How strongly the target of this `seed` and `weight` draws the session `hash`: the target with the highest score gets
/// it, each with a probability of its weight's share (Schindelhauer and Schomaker 2005). 0 for weight 0.
pub fn score(hash: u64, seed: u64, weight: u32) -> f64 {
    // 53 bits, never 0 and never 1.
    let part = ((mix(hash ^ seed) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    f64::from(weight) / -part.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn winner(hash: u64, targets: &[(u64, u32)]) -> u64 {
        let best = targets.iter().max_by(|a, b| score(hash, a.0, a.1).total_cmp(&score(hash, b.0, b.1)));
        best.expect("there are some").0
    }

    #[test]
    fn hashes_are_the_same_in_every_process_and_version() {
        assert_eq!(Affinity::of(b"session").and(b"abc").hash(), STABLE);
        assert_ne!(Affinity::of(b"session").and(b"ab").and(b"c").hash(), STABLE, "where parts end counts");
        assert_ne!(Affinity::of(b"user").and(b"abc").hash(), STABLE, "what it is counts");
    }

    const STABLE: u64 = 3_245_462_856_313_542_764;

    #[test]
    fn sessions_are_shared_by_weight() {
        let targets = [(mix(1), 1), (mix(2), 3), (mix(3), 0)];
        let of_second = (0..40_000).filter(|&n| winner(mix(n), &targets) == mix(2)).count();
        assert!((29_500..30_500).contains(&of_second), "{of_second}");
        assert!((0..40_000).all(|n| winner(mix(n), &targets) != mix(3)), "weight 0 draws nothing");
    }

    proptest! {
        /// Whatever is added or taken away, a session moves only to what came, or from what went.
        #[test]
        fn only_what_must_moves(hash: u64, seeds in proptest::collection::hash_set(any::<u64>(), 2..9), heavy in 1u32..9) {
            let all: Vec<(u64, u32)> = seeds.into_iter().map(|seed| (seed, heavy)).collect();
            let (with, without) = (winner(hash, &all), winner(hash, &all[1..]));
            prop_assert!(with == without || with == all[0].0);
        }
    }
}
