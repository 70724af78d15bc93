//! An issuer's public keys: read from a file or a URL, kept, and read again.

use crate::config::{JwtAlgorithm, JwtKeys};
use crate::outbound::Client;
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use serde::Deserialize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// What is used of an issuer's set.
pub(in crate::auth) struct PublicKey {
    pub kid: Option<String>,
    pub key: DecodingKey,
    serves: Vec<JwtAlgorithm>,
}

impl PublicKey {
    /// Whether a signature of `algorithm` may be checked with it.
    pub fn serves(&self, algorithm: JwtAlgorithm) -> bool {
        self.serves.contains(&algorithm)
    }
}

/// The keys and where they come from.
pub(in crate::auth) struct KeySource {
    from: JwtKeys,
    client: Client,
    /// For an unknown key it is asked not more often.
    pause: Duration,
    keys: ArcSwapOption<Vec<PublicKey>>,
    last: Mutex<Last>,
}

/// How it went when the keys were read last.
#[derive(Default)]
struct Last {
    at: Option<Instant>,
    failed: bool,
    /// Of the file: when it was changed, and its length.
    stamp: Option<(SystemTime, u64)>,
}

/// The keys cannot be had now.
#[derive(Debug)]
pub(in crate::auth) struct Unavailable;

impl KeySource {
    pub fn new(from: JwtKeys) -> Self {
        let pause = match from {
            JwtKeys::File(_) => FILE_PAUSE,
            JwtKeys::Url(_) => PAUSE,
        };
        Self::asked(from, Client::default(), pause)
    }

    /// The same by `client`, with a `pause` of one's own between questions for unknown keys.
    pub fn asked(from: JwtKeys, client: Client, pause: Duration) -> Self {
        super::ring::install();
        Self { from, client, pause, keys: ArcSwapOption::empty(), last: Mutex::default() }
    }

    /// The keys that are known now.
    pub fn known(&self) -> Option<Arc<Vec<PublicKey>>> {
        self.keys.load_full()
    }

    /// Reads the keys because a token names one that is not known: not more often than the pause, so that made-up
    /// names do not become calls to the issuer.
    pub async fn renew(&self) -> Result<(), Unavailable> {
        let mut last = self.last.lock().await;
        if last.at.is_none_or(|at| at.elapsed() >= self.pause) {
            self.read(&mut last).await;
        }
        if last.failed || self.keys.load().is_none() { Err(Unavailable) } else { Ok(()) }
    }

    /// Reads the keys every `refresh`, and sooner after a failure. Never returns.
    pub async fn maintain(&self, refresh: Duration) {
        loop {
            let failed = {
                let mut last = self.last.lock().await;
                self.read(&mut last).await;
                last.failed
            };
            tokio::time::sleep(if failed { refresh.min(AFTER_FAILURE) } else { refresh }).await;
        }
    }

    /// What is known stays known when it cannot be read again.
    async fn read(&self, last: &mut Last) {
        let text = match &self.from {
            JwtKeys::File(path) => self.of_file(path, last),
            JwtKeys::Url(uri) => {
                let got = self.client.get(uri, WITHIN, MOST_BYTES).await;
                got.map(Some).map_err(|error| error.to_string())
            }
        };
        last.at = Some(Instant::now());
        let read = text.and_then(|text| text.map(|text| parse(&text)).transpose());
        match read {
            Ok(Some(keys)) => {
                tracing::info!(keys = keys.len(), "the JWT issuer's keys were read");
                self.keys.store(Some(Arc::new(keys)));
                last.failed = false;
            }
            Ok(None) => {}
            Err(why) => {
                if !last.failed {
                    tracing::error!(why, "the JWT issuer's keys cannot be read; known ones go on working");
                }
                (last.failed, last.stamp) = (true, None);
            }
        }
    }

    /// The file's text; `None` if it has not changed.
    fn of_file(&self, path: &Path, last: &mut Last) -> Result<Option<Bytes>, String> {
        let told = |error: std::io::Error| format!("`{}`: {error}", path.display());
        let meta = std::fs::metadata(path).map_err(told)?;
        let stamp = Some((meta.modified().map_err(told)?, meta.len()));
        if stamp == last.stamp {
            return Ok(None);
        }
        if meta.len() > MOST_BYTES as u64 {
            return Err(format!("`{}` is larger than {MOST_BYTES} bytes", path.display()));
        }
        let text = std::fs::read(path).map_err(told)?;
        last.stamp = stamp;
        Ok(Some(text.into()))
    }
}

/// A set of which one key may be of a kind that is not known here: the others still count.
#[derive(Deserialize)]
struct LooseSet {
    keys: Vec<serde_json::Value>,
}

fn parse(text: &[u8]) -> Result<Vec<PublicKey>, String> {
    let set: LooseSet = serde_json::from_slice(text).map_err(|error| format!("this is no JWK set: {error}"))?;
    let known = set.keys.into_iter().take(MOST_KEYS).filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    let set = JwkSet { keys: known.collect() };
    let keys: Vec<PublicKey> = set.keys.iter().filter_map(public_key).collect();
    if keys.is_empty() { Err("the JWK set holds no public key that can be used".to_owned()) } else { Ok(keys) }
}

fn public_key(jwk: &Jwk) -> Option<PublicKey> {
    use JwtAlgorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    if jwk.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return None;
    }
    let mut serves = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => vec![RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => vec![ES256],
            EllipticCurve::P384 => vec![ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => vec![EdDSA],
        // Shared secrets least of all.
        _ => return None,
    };
    if let Some(only) = jwk.common.key_algorithm {
        serves.retain(|algorithm| named(only) == Some(*algorithm));
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    (!serves.is_empty()).then(|| PublicKey { kid: jwk.common.key_id.clone(), key, serves })
}

fn named(algorithm: KeyAlgorithm) -> Option<JwtAlgorithm> {
    Some(match algorithm {
        KeyAlgorithm::RS256 => JwtAlgorithm::RS256,
        KeyAlgorithm::RS384 => JwtAlgorithm::RS384,
        KeyAlgorithm::RS512 => JwtAlgorithm::RS512,
        KeyAlgorithm::PS256 => JwtAlgorithm::PS256,
        KeyAlgorithm::PS384 => JwtAlgorithm::PS384,
        KeyAlgorithm::PS512 => JwtAlgorithm::PS512,
        KeyAlgorithm::ES256 => JwtAlgorithm::ES256,
        KeyAlgorithm::ES384 => JwtAlgorithm::ES384,
        KeyAlgorithm::EdDSA => JwtAlgorithm::EdDSA,
        _ => return None,
    })
}

/// Keys that are looked at of one set.
const MOST_KEYS: usize = 100;
/// A larger set is a mistake.
const MOST_BYTES: usize = 1 << 20;
/// How long an issuer may take.
const WITHIN: Duration = Duration::from_secs(5);
/// An issuer is asked for an unknown key not more often.
const PAUSE: Duration = Duration::from_secs(30);
/// A file is looked at for an unknown key not more often.
const FILE_PAUSE: Duration = Duration::from_secs(1);
/// How soon it is tried again.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_keys_that_can_be_used_are_taken_from_a_set() {
        let good = r#"{"kty":"OKP","crv":"Ed25519","kid":"good","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let none = [
            r#"{"kty":"oct","kid":"shared","k":"c2VjcmV0"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","use":"enc","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","alg":"RS256","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            r#"{"kty":"XYZ"}"#,
            r#"{}"#,
        ];
        for other in none {
            let keys = parse(format!("{{\"keys\":[{other},{good}]}}").as_bytes()).expect("one is good");
            assert_eq!(keys.len(), 1, "{other}");
            assert!(keys[0].serves(JwtAlgorithm::EdDSA) && !keys[0].serves(JwtAlgorithm::RS256));
            assert!(parse(format!("{{\"keys\":[{other}]}}").as_bytes()).is_err(), "{other}");
        }
        for text in ["", "[]", "{}", "{\"keys\":[]}", "{\"keys\":1}"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
