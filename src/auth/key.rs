//! A virtual key: how it is made, hashed and written.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// A new key, in clear. It has neither `Debug` nor `Display`, so that it cannot get into a log by accident.
pub struct PlainKey(String);

impl PlainKey {
    /// The key, for the one time that it is shown.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Makes a key of 32 bytes of the operating system's randomness, `wb-` and 43 characters of base64url, and its hash.
///
/// # Errors
///
/// When the operating system has no randomness to give.
pub fn new_key() -> Result<(PlainKey, [u8; 32]), getrandom::Error> {
    let mut secret = [0u8; 32];
    getrandom::fill(&mut secret)?;
    let mut text = String::with_capacity(PREFIX.len() + 43);
    text.push_str(PREFIX);
    URL_SAFE_NO_PAD.encode_string(secret, &mut text);
    let hash = hash_of(text.as_bytes());
    Ok((PlainKey(text), hash))
}

/// SHA-256 of a key as it is sent, its prefix included. Keys are long and random, so neither salt nor a slow hash is
/// needed: there is no dictionary to try.
pub fn hash_of(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// A hash as the file has it: `sha256:` and 64 hexadecimal digits.
pub fn hash_text(hash: &[u8; 32]) -> String {
    format!("sha256:{}", hex::encode(hash))
}

/// What a key begins with, so that scanners for leaked secrets can find it.
const PREFIX: &str = "wb-";
