//! What a browser keeps for us and can neither read nor change: AES-256-GCM under a key of this process.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::sync::OnceLock;

/// Seals with a random key, which is made at the first use and ends with the process.
#[derive(Default)]
pub(super) struct Seal(OnceLock<LessSafeKey>);

impl Seal {
    /// `None`: the operating system gives no randomness.
    pub fn close(&self, plain: &[u8]) -> Option<String> {
        if self.0.get().is_none() {
            let mut key = [0; 32];
            getrandom::fill(&mut key).ok()?;
            // Somebody else's key may have been faster: then that one is used.
            let _ = self.0.set(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).ok()?));
        }
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        let key = self.0.get()?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(PURPOSE), &mut sealed).ok()?;
        Some(URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }

    /// `None`: it was not sealed here.
    pub fn open(&self, sealed: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = self.0.get()?.open_in_place(nonce, Aad::from(PURPOSE), &mut sealed).ok()?;
        Some(plain.to_vec())
    }
}

/// What it is for.
const PURPOSE: &[u8] = b"weighbridge sign-in";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_here_and_as_it_was_only() {
        let (seal, other) = (Seal::default(), Seal::default());
        assert!(seal.open("").is_none());
        let sealed = seal.close(b"a state").expect("randomness");
        assert_eq!(seal.open(&sealed).as_deref(), Some(&b"a state"[..]));
        assert!(other.close(b"x").is_some() && other.open(&sealed).is_none());
        assert_ne!(seal.close(b"a state").as_ref(), Some(&sealed));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(seal.open(&String::from_utf8(changed).expect("ASCII")).is_none(), "{at}");
        }
    }
}
