//! Callers that come with a token of their own issuer instead of a key (JWT, RFC 7519; OIDC).
//!
//! A token is verified once and remembered by the SHA-256 of all of it until it expires; what is remembered goes on
//! working while the issuer cannot be reached. Nothing of a token gets into an error or a log line.

mod keys;
mod ring;
use super::keyring::{Keyring, allowed};
use super::{Caller, Term};
use crate::config::{self, Given, JWT_PREFIX, JwtAlgorithm, Rules, Scope};
use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use keys::{KeySource, PublicKey, Unavailable};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Why a token makes no caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// It is no token that can be read, or its signature is wrong.
    #[error("the JWT is not valid: {0}")]
    Invalid(&'static str),
    /// Its algorithm is not among those of the configuration.
    #[error("the JWT is signed with an algorithm that is not accepted here; accepted are {0}")]
    Algorithm(String),
    /// Its time is over.
    #[error("the JWT has expired; get a new one from its issuer")]
    Expired,
    /// Its time has not come.
    #[error("the JWT is not valid yet (`nbf`); is the clock of its issuer right?")]
    NotYet,
    /// Of another issuer.
    #[error("the JWT is not of the issuer `{0}`")]
    Issuer(Arc<str>),
    /// For somebody else.
    #[error("the JWT is not for the audience `{0}`")]
    Audience(Arc<str>),
    /// Signed with a key that the issuer does not publish.
    #[error("the JWT is signed with a key (`kid`) that its issuer does not publish")]
    UnknownKey,
    /// Its team is none of ours.
    #[error("the JWT's claim `{claim}` names no team of this gateway; ask its operator for one")]
    UnknownTeam {
        /// The claim that should.
        claim: Arc<str>,
    },
    /// Whether it is good cannot be found out now.
    #[error("the keys of the JWT's issuer cannot be had at the moment; try again soon")]
    Unavailable,
}

impl JwtError {
    /// Stable: a metric label, and the `code` of an error body.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid_jwt",
            Self::Algorithm(_) => "jwt_wrong_algorithm",
            Self::Expired => "expired_jwt",
            Self::NotYet => "jwt_not_yet_valid",
            Self::Issuer(_) => "jwt_wrong_issuer",
            Self::Audience(_) => "jwt_wrong_audience",
            Self::UnknownKey => "jwt_unknown_key",
            Self::UnknownTeam { .. } => "jwt_unknown_team",
            Self::Unavailable => "auth_unavailable",
        }
    }

    /// How it is answered.
    pub const fn status(&self) -> u16 {
        match self {
            Self::UnknownTeam { .. } => 403,
            Self::Unavailable => 503,
            Self::Invalid(_)
            | Self::Algorithm(_)
            | Self::Expired
            | Self::NotYet
            | Self::Issuer(_)
            | Self::Audience(_)
            | Self::UnknownKey => 401,
        }
    }
}

/// Whether `text` looks like a token: three parts, of which the first is a JSON object.
pub(super) fn looks_like_one(text: &str) -> bool {
    let mut parts = text.split('.');
    let (Some(head), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    URL_SAFE_NO_PAD.decode(head).is_ok_and(|json| json.first() == Some(&b'{'))
}

/// Verifies tokens of one issuer.
pub(super) struct Jwt {
    config: config::Jwt,
    /// The name that its callers have in records: `jwt:login.example.com`.
    name: Arc<str>,
    /// What its callers have: limits and budgets of a key that is called so.
    given: ArcSwap<Given>,
    keys: KeySource,
    known: moka::sync::Cache<[u8; 32], Arc<Known>>,
}

/// A token that was verified.
struct Known {
    team: Arc<str>,
    user: Option<Arc<str>>,
    given: Given,
    term: Term,
    /// The caller as of a snapshot of keys and teams.
    built: ArcSwap<(u64, Option<Arc<Caller>>)>,
}

/// What is read of a token's header.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that have to be understood; none is.
    crit: Option<Value>,
}

impl Jwt {
    pub fn new(config: config::Jwt, default: &Given) -> Self {
        ring::install();
        let issuer = config.issuer.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
        let name: Arc<str> = format!("{JWT_PREFIX}{}", issuer.as_deref().unwrap_or(&config.issuer)).into();
        let given = ArcSwap::from_pointee(given(default, &name));
        let keys = KeySource::new(config.keys.clone());
        let known = moka::sync::Cache::builder().max_capacity(MOST_KNOWN).time_to_idle(FORGOTTEN_AFTER).build();
        Self { name, given, keys, known, config }
    }

    /// What its callers are called in records.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Limits and budgets of all its callers together.
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.given.load().rules)
    }

    /// The same, if its callers had `default`.
    pub fn rules_under(&self, default: &Given) -> Arc<Rules> {
        given(default, &self.name).rules
    }

    /// From now on its callers have `default`, those of tokens that are known already too.
    pub fn give(&self, default: &Given) {
        self.given.store(Arc::new(given(default, &self.name)));
        self.known.invalidate_all();
    }

    /// Keeps the issuer's keys fresh; never returns.
    pub async fn maintain(&self) {
        self.keys.maintain(self.config.refresh).await;
    }

    /// The caller that presents `token`, whose SHA-256 is `hash`.
    pub async fn caller(
        &self,
        token: &str,
        hash: [u8; 32],
        ring: &Keyring,
        now_us: u64,
    ) -> Result<Arc<Caller>, JwtError> {
        let known = match self.known.get(&hash) {
            Some(known) => known,
            None => {
                // Boxed: it may have to ask the issuer, which all other requests do not need the room for.
                let claims = Box::pin(self.claims(token, now_us)).await?;
                let known = Arc::new(self.read(&claims)?);
                self.known.insert(hash, Arc::clone(&known));
                known
            }
        };
        self.of_known(&known, ring, now_us)
    }

    /// The caller of a token that was verified before; `None` where it would have to be.
    pub fn remembered(&self, hash: &[u8; 32], ring: &Keyring, now_us: u64) -> Option<Result<Arc<Caller>, JwtError>> {
        self.known.get(hash).map(|known| self.of_known(&known, ring, now_us))
    }

    fn of_known(&self, known: &Known, ring: &Keyring, now_us: u64) -> Result<Arc<Caller>, JwtError> {
        if known.term.ended(now_us) {
            return Err(JwtError::Expired);
        }
        let built = known.built.load_full();
        let caller = if built.0 == ring.generation {
            built.1.clone()
        } else {
            let Known { team, user, given, term, .. } = known;
            let caller = ring.bearer(&self.name, team, user.clone(), given, term.clone()).map(Arc::new);
            known.built.store(Arc::new((ring.generation, caller.clone())));
            caller
        };
        caller.ok_or_else(|| self.unknown_team())
    }

    fn unknown_team(&self) -> JwtError {
        JwtError::UnknownTeam { claim: Arc::clone(&self.config.claims.team) }
    }

    /// The claims of a token whose signature, issuer, audience and times are right.
    async fn claims(&self, token: &str, now_us: u64) -> Result<Map<String, Value>, JwtError> {
        let head = token.split('.').next().unwrap_or_default();
        let head = URL_SAFE_NO_PAD.decode(head).map_err(|_| JwtError::Invalid("its header is no base64url"))?;
        let head: Header = serde_json::from_slice(&head).map_err(|_| JwtError::Invalid("its header cannot be read"))?;
        if head.crit.is_some() {
            return Err(JwtError::Invalid("its header has extensions that are not known here (`crit`)"));
        }
        let accepted = self.config.algorithms.iter().find(|algorithm| algorithm.name() == head.alg);
        let algorithm = *accepted.ok_or_else(|| {
            let names: Vec<_> = self.config.algorithms.iter().map(|algorithm| algorithm.name()).collect();
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
        rules.set_issuer(&[&*self.config.issuer]);
        rules.set_audience(&[&*self.config.audience]);
        rules.set_required_spec_claims(&["exp", "iss", "aud"]);
        // Times are looked at below, by the gateway's own clock.
        (rules.validate_exp, rules.validate_nbf) = (false, false);
        let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, &key.key, &rules);
        decoded.map(|data| data.claims).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => JwtError::Invalid("its signature is wrong"),
            ErrorKind::InvalidIssuer => JwtError::Issuer(Arc::clone(&self.config.issuer)),
            ErrorKind::InvalidAudience => JwtError::Audience(Arc::clone(&self.config.audience)),
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

    fn ends_us(&self, claims: &Map<String, Value>) -> Result<u64, JwtError> {
        let exp = claims.get("exp").and_then(micros).ok_or(JwtError::Invalid("its `exp` is no time"))?;
        Ok(exp.saturating_add(self.leeway_us()))
    }

    fn leeway_us(&self) -> u64 {
        u64::try_from(self.config.leeway.as_micros()).unwrap_or(u64::MAX)
    }

    /// From claims to whom they stand for.
    fn read(&self, claims: &Map<String, Value>) -> Result<Known, JwtError> {
        let names = &self.config.claims;
        let team = claims.get(&*names.team).into_iter().flat_map(texts).find_map(|value| self.team(value));
        let user = claims.get(&*names.user).and_then(Value::as_str).filter(|user| fits(user)).map(Arc::from);
        let models = claims.get(&*names.models).map(|value| {
            let words = texts(value).flat_map(|text| text.split([' ', ',']));
            words.filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        });
        let given = self.given.load();
        Ok(Known {
            team: team.ok_or_else(|| self.unknown_team())?,
            user,
            given: Given { models: allowed(models.as_deref(), &given), rules: Arc::clone(&given.rules) },
            term: Term::until(self.ends_us(claims)?),
            built: ArcSwap::from_pointee((0, None)),
        })
    }

    /// The team that a value of the claim means; a table that is there is the only way.
    fn team(&self, value: &str) -> Option<Arc<str>> {
        if self.config.teams.is_empty() { Some(value.into()) } else { self.config.teams.get(value).cloned() }
    }
}

/// What the callers of `name` have: the limits and budgets of a key that is called so.
fn given(default: &Given, name: &Arc<str>) -> Given {
    let rules = default.rules.rescoped(&Scope::Key("".into()), &Scope::Key(Arc::clone(name)));
    Given { models: default.models.clone(), rules: Arc::new(rules) }
}

/// The texts of a claim: one, or a list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let one = value.as_str();
    let many = value.as_array().map(Vec::as_slice).unwrap_or_default();
    one.into_iter().chain(many.iter().filter_map(Value::as_str))
}

/// Seconds since 1970, perhaps with a fraction, in microseconds.
fn micros(value: &Value) -> Option<u64> {
    if let Some(seconds) = value.as_u64() {
        return seconds.checked_mul(1_000_000);
    }
    let micros = value.as_f64()? * 1e6;
    (0.0..9e18).contains(&micros).then_some(micros as u64)
}

/// What can stand in records.
fn fits(user: &str) -> bool {
    (1..=256).contains(&user.len()) && !user.chars().any(char::is_control)
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

/// Tokens that are remembered; past it those that were not used for longest are verified again.
const MOST_KNOWN: u64 = 100_000;
/// A token that nobody came with for so long is verified again.
const FORGOTTEN_AFTER: std::time::Duration = std::time::Duration::from_secs(3600);
/// Keys of one set that a token without a key's name is checked with.
const MOST_TRIED: usize = 16;
