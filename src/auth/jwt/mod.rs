//! Callers that come with a token of their own issuer instead of a key (JWT, RFC 7519; OIDC).
//!
//! A token is verified once and remembered by the SHA-256 of all of it until it expires; what is remembered goes on
//! working while the issuer cannot be reached. Nothing of a token gets into an error or a log line.

mod keys;
mod ring;
mod verify;

pub(super) use keys::KeySource;
pub(super) use verify::Verifier;

use super::keyring::{Keyring, allowed};
use super::{Caller, Term};
use crate::config::{self, Given, JWT_PREFIX, Rules, Scope};
use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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
    verifier: Verifier,
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

impl Jwt {
    pub fn new(config: config::Jwt, default: &Given) -> Self {
        let issuer = config.issuer.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
        let name: Arc<str> = format!("{JWT_PREFIX}{}", issuer.as_deref().unwrap_or(&config.issuer)).into();
        let given = ArcSwap::from_pointee(given(default, &name));
        let verifier = Verifier {
            issuer: Arc::clone(&config.issuer),
            audience: Arc::clone(&config.audience),
            algorithms: config.algorithms.clone(),
            leeway: config.leeway,
            keys: KeySource::new(config.keys.clone()),
        };
        let known = moka::sync::Cache::builder().max_capacity(MOST_KNOWN).time_to_idle(FORGOTTEN_AFTER).build();
        Self { name, given, verifier, known, config }
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
        self.verifier.keys.maintain(self.config.refresh).await;
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
                let claims = Box::pin(self.verifier.claims(token, now_us)).await?;
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
            term: Term::until(self.verifier.ends_us(claims)?),
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
pub(super) fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let one = value.as_str();
    let many = value.as_array().map(Vec::as_slice).unwrap_or_default();
    one.into_iter().chain(many.iter().filter_map(Value::as_str))
}

/// What can stand in records.
pub(super) fn fits(user: &str) -> bool {
    (1..=256).contains(&user.len()) && !user.chars().any(char::is_control)
}

/// Tokens that are remembered; past it those that were not used for longest are verified again.
const MOST_KNOWN: u64 = 100_000;
/// A token that nobody came with for so long is verified again.
const FORGOTTEN_AFTER: std::time::Duration = std::time::Duration::from_secs(3600);
