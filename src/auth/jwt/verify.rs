//! What is right about a token: its signature, issuer, audience and times. Callers and people who sign in are verified
//! alike.

use super::JwtError;
use super::keys::{KeySource, PublicKey, Unavailable};
use crate::config::JwtAlgorithm;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// Verifies tokens of one issuer for one audience.
pub(in crate::auth) struct Verifier {
    /// `iss` is exactly this.
    pub issuer: Arc<str>,
    /// `aud` is this or holds it.
    pub audience: Arc<str>,
    /// What a token may be signed with.
    pub algorithms: Vec<JwtAlgorithm>,
    /// Clocks may differ by so much.
    pub leeway: Duration,
    /// The issuer's keys.
    pub keys: KeySource,
}

/// What is read of a token's header.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that have to be understood; none is.
    crit: Option<Value>,
}

impl Verifier {
    /// The claims of a token whose signature, issuer, audience and times are right.
    ///
    /// # Errors
    ///
    /// [`JwtError`]; `Unavailable` where the issuer's keys cannot be had.
    pub async fn claims(&self, token: &str, now_us: u64) -> Result<Map<String, Value>, JwtError> {
        let head = token.split('.').next().unwrap_or_default();
        let head = URL_SAFE_NO_PAD.decode(head).map_err(|_| JwtError::Invalid("its header is no base64url"))?;
        let head: Header = serde_json::from_slice(&head).map_err(|_| JwtError::Invalid("its header cannot be read"))?;
        if head.crit.is_some() {
            return Err(JwtError::Invalid("its header has extensions that are not known here (`crit`)"));
        }
        let accepted = self.algorithms.iter().find(|algorithm| algorithm.name() == head.alg);
        let algorithm = *accepted.ok_or_else(|| {
            let names: Vec<_> = self.algorithms.iter().map(|algorithm| algorithm.name()).collect();
            JwtError::Algorithm(names.join(", "))
        })?;
        let claims = match self.signed_by_known(token, &head, algorithm) {
            Some(found) => found?,
            None => {
                self.keys.renew().await.map_err(|Unavailable| JwtError::Unavailable)?;
                self.signed_by_known(token, &head, algorithm).unwrap_or(Err(JwtError::UnknownKey))?
            }
        };
        self.in_time(&claims, now_us)?;
        Ok(claims)
    }

    /// Checks against the keys that are known; `None` when the one that the token names is not among them.
    fn signed_by_known(
        &self,
        token: &str,
        head: &Header,
        algorithm: JwtAlgorithm,
    ) -> Option<Result<Map<String, Value>, JwtError>> {
        let keys = self.keys.known()?;
        let fits = |key: &&PublicKey| key.serves(algorithm) && (head.kid.is_none() || key.kid == head.kid);
        let mut outcome = None;
        for key in keys.iter().filter(fits).take(MOST_TRIED) {
            match self.verify(token, algorithm, key) {
                Ok(claims) => return Some(Ok(claims)),
                Err(error) => outcome = Some(Err(error)),
            }
        }
        // A key of that name that serves another algorithm only: asking the issuer again would not help.
        let named = || head.kid.is_some() && keys.iter().any(|key| key.kid == head.kid);
        outcome.or_else(|| named().then_some(Err(JwtError::Invalid("its key is not for its algorithm"))))
    }

    fn verify(&self, token: &str, algorithm: JwtAlgorithm, key: &PublicKey) -> Result<Map<String, Value>, JwtError> {
        let mut rules = Validation::new(of(algorithm));
        rules.set_issuer(&[&*self.issuer]);
        rules.set_audience(&[&*self.audience]);
        rules.set_required_spec_claims(&["exp", "iss", "aud"]);
        // Times are looked at below, by the gateway's own clock.
        (rules.validate_exp, rules.validate_nbf) = (false, false);
        let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, &key.key, &rules);
        decoded.map(|data| data.claims).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => JwtError::Invalid("its signature is wrong"),
            ErrorKind::InvalidIssuer => JwtError::Issuer(Arc::clone(&self.issuer)),
            ErrorKind::InvalidAudience => JwtError::Audience(Arc::clone(&self.audience)),
            ErrorKind::MissingRequiredClaim(claim) => JwtError::Invalid(match claim.as_str() {
                "exp" => "it has no `exp`",
                "iss" => "it has no `iss`",
                _ => "it has no `aud`",
            }),
            _ => JwtError::Invalid("it cannot be read"),
        })
    }

    fn in_time(&self, claims: &Map<String, Value>, now_us: u64) -> Result<(), JwtError> {
        if now_us >= self.ends_us(claims)? {
            return Err(JwtError::Expired);
        }
        match claims.get("nbf").map(|nbf| micros(nbf).ok_or(JwtError::Invalid("its `nbf` is no time"))).transpose()? {
            Some(begins_us) if now_us.saturating_add(self.leeway_us()) < begins_us => Err(JwtError::NotYet),
            _ => Ok(()),
        }
    }

    /// When a token of these claims is over, in microseconds since 1970.
    ///
    /// # Errors
    ///
    /// When its `exp` is no time.
    pub fn ends_us(&self, claims: &Map<String, Value>) -> Result<u64, JwtError> {
        let exp = claims.get("exp").and_then(micros).ok_or(JwtError::Invalid("its `exp` is no time"))?;
        Ok(exp.saturating_add(self.leeway_us()))
    }

    fn leeway_us(&self) -> u64 {
        u64::try_from(self.leeway.as_micros()).unwrap_or(u64::MAX)
    }
}

/// Seconds since 1970, perhaps with a fraction, in microseconds.
fn micros(value: &Value) -> Option<u64> {
    if let Some(seconds) = value.as_u64() {
        return seconds.checked_mul(1_000_000);
    }
    let micros = value.as_f64()? * 1e6;
    (0.0..9e18).contains(&micros).then_some(micros as u64)
}

const fn of(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::RS256 => Algorithm::RS256,
        JwtAlgorithm::RS384 => Algorithm::RS384,
        JwtAlgorithm::RS512 => Algorithm::RS512,
        JwtAlgorithm::PS256 => Algorithm::PS256,
        JwtAlgorithm::PS384 => Algorithm::PS384,
        JwtAlgorithm::PS512 => Algorithm::PS512,
        JwtAlgorithm::ES256 => Algorithm::ES256,
        JwtAlgorithm::ES384 => Algorithm::ES384,
        JwtAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}

/// Keys of one set that a token without a key's name is checked with.
const MOST_TRIED: usize = 16;
