//! What a request is known by: a hash of everything that its answer may depend on.

use super::canonical;
use sha2::{Digest, Sha256};

/// What a request is known by. Two requests have the same one only if they are the same: it is a SHA-256.
pub type Key = [u8; 32];

/// A key in the making. Everything goes in with its length, so that no two lists of parts look alike.
#[derive(Clone)]
pub struct Print(Sha256);

impl Print {
    /// Of a request under this reading of the configuration (see `Snapshot::generation`).
    pub fn begin(generation: u64) -> Self {
        let mut print = Sha256::new();
        print.update(b"weighbridge answers 1");
        print.update(generation.to_le_bytes());
        Self(print)
    }

    /// A part: text of any kind.
    #[must_use]
    pub fn with(mut self, part: impl AsRef<[u8]>) -> Self {
        let part = part.as_ref();
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
        self
    }

    /// A part that may not be there.
    #[must_use]
    pub fn with_some(self, part: Option<impl AsRef<[u8]>>) -> Self {
        match part {
            Some(part) => self.number(1).with(part),
            None => self.number(0),
        }
    }

    /// A number.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.0.update(number.to_le_bytes());
        self
    }

    /// The body, in whatever order its members stand and with whatever white space between them; without the members whose
    /// paths are `ignored`. `None`: it is no JSON object, or a member of the `stateful` ones says more than `false` or
    /// `null`.
    pub fn body(self, body: &[u8], ignored: &[&[&str]], stateful: &[&str]) -> Option<Key> {
        let canonical = canonical::of(body, ignored, stateful)?;
        Some(self.with(canonical).0.finalize().into())
    }

    /// Of what is known by `key`, that for which vectors of `dimensions` numbers are compared that `maker` made.
    pub fn bucket(key: &Key, maker: &str, dimensions: usize) -> Key {
        let mut print = Sha256::new();
        print.update(b"weighbridge meanings 1");
        Self(print).with(key).with(maker).number(dimensions as u64).0.finalize().into()
    }
}
