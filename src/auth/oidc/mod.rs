//! People who sign in by OpenID Connect (Core 1.0): the authorization code flow with PKCE (RFC 7636).
//!
//! A browser is sent to the issuer with a `state`, a `nonce` and the hash of a verifier, and keeps all three sealed in a
//! cookie that only this process can read; it comes back with a code, which is worth something only with that cookie, and
//! once. The ID token that the code is exchanged for is verified as those of callers are. Discovery document and keys are
//! read when they are needed, and kept for [`FRESH`]; no more than [`MOST_CALLS`] sign-ins ask the issuer at once, each
//! bounded in time and bytes, so that a slow one holds nothing up. No code, token or secret gets into an error or the log.

mod issuer;
mod people;
mod seal;

pub use people::{Facts, Person};

use super::JwtError;
use crate::config::{Oidc, Role};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use issuer::{Found, with_query};
use seal::Seal;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

/// Why nobody is signed in, in words for the person and their operator.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SignInError {
    /// No cookie of ours, or another `state`, or too late, or a second time.
    #[error(
        "this sign-in was not begun in this browser under this name, was used already, or is more than 10 minutes old; \
         begin again"
    )]
    Stray,
    /// Others are at it.
    #[error("too many sign-ins are waiting for the issuer; try again in a moment")]
    Busy,
    /// The issuer is silent, or says what it may not.
    #[error("the issuer `{issuer}` gives no sign-in at the moment: {why}")]
    Issuer {
        /// `admin.oidc.issuer`.
        issuer: Arc<str>,
        /// What is wrong.
        why: String,
    },
    /// What the issuer says instead of a code, or for one.
    #[error("the issuer refused the sign-in (`{0}`){hint}", hint = hint(.0))]
    Refused(String),
    /// The ID token is not good.
    #[error("the issuer's ID token is not taken: {0}")]
    Token(#[from] JwtError),
    /// The ID token is another sign-in's, or another client's.
    #[error("the issuer's ID token is not taken: {0}")]
    Unfit(&'static str),
    /// Known, and nobody here.
    #[error("{why}")]
    NoRole {
        /// Who it is there.
        sub: String,
        /// What was looked at.
        why: String,
    },
    /// The operating system gives none.
    #[error("the operating system gives no randomness")]
    Random,
}

impl SignInError {
    /// How it is answered.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Stray => 400,
            Self::Busy | Self::Random => 503,
            Self::Issuer { .. } => 502,
            Self::Refused(_) | Self::Token(_) | Self::Unfit(_) => 401,
            Self::NoRole { .. } => 403,
        }
    }

    /// What was tried where somebody tried what was not good, in the sign-in of this `state`: it is counted as a wrong
    /// token is, once.
    pub fn tried<'a>(&'a self, state: &'a str) -> Option<&'a str> {
        match self {
            // Who is refused for anything else, or changed their mind at the issuer, guessed nothing.
            Self::Refused(code) => matches!(&**code, "invalid_grant" | NO_CODE).then_some(state),
            Self::Token(_) | Self::Unfit(_) => Some(state),
            // The same person again is no new guess.
            Self::NoRole { sub, .. } => Some(sub),
            Self::Stray | Self::Busy | Self::Issuer { .. } | Self::Random => None,
        }
    }
}

/// What the operator can do about a code of RFC 6749.
fn hint(code: &str) -> &'static str {
    match code {
        _ if is_ours(code) => "; its operator and ours should compare `admin.oidc.client_id` and `client_secret`",
        "invalid_grant" => "; the code was used already or is too old: begin again",
        "invalid_scope" => "; a scope of `admin.oidc.scopes` is not known there",
        _ => "",
    }
}

/// Whether the configuration is wrong, here or there.
fn is_ours(code: &str) -> bool {
    matches!(code, "invalid_client" | "unauthorized_client")
}

/// Sign-in at one issuer.
pub struct SignIn {
    config: Oidc,
    seal: Seal,
    found: Mutex<Last>,
    calls: Semaphore,
    /// The `state`s of sign-ins that came back.
    used: moka::sync::Cache<[u8; 32], ()>,
}

/// What is known of the issuer.
#[derive(Default)]
struct Last {
    at: Option<Instant>,
    outcome: Option<Result<Arc<Found>, SignInError>>,
}

/// Where a browser goes, and what it keeps until it comes back.
pub struct Begun {
    /// The issuer's page.
    pub location: String,
    /// The cookie's value.
    pub cookie: String,
}

/// What the issuer has a browser come back with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Returned {
    /// Ours.
    pub state: String,
    /// Is exchanged for the ID token.
    pub code: String,
    /// Instead of a code.
    pub error: String,
    /// Who says so (RFC 9207); empty: not told.
    pub iss: String,
}

/// Who signed in.
pub struct Entered {
    /// What they may do now.
    pub role: Role,
    /// What that follows from.
    pub facts: Facts,
    /// Where they wanted to go.
    pub back: String,
}

/// What the cookie holds.
#[derive(Serialize, Deserialize)]
struct Flow {
    state: String,
    nonce: String,
    verifier: String,
    redirect: String,
    back: String,
    begun_us: u64,
}

impl SignIn {
    /// By `config`; nothing is asked yet.
    pub fn new(config: Oidc) -> Self {
        Self {
            config,
            seal: Seal::default(),
            found: Mutex::default(),
            calls: Semaphore::new(MOST_CALLS),
            used: moka::sync::Cache::builder().max_capacity(MOST_USED).time_to_live(LONGEST_FLOW).build(),
        }
    }

    /// What it was made of.
    pub fn config(&self) -> &Oidc {
        &self.config
    }

    /// Begins a sign-in that comes back to the URL `redirect` and then leads to `back`.
    ///
    /// # Errors
    ///
    /// [`SignInError`].
    pub async fn begin(&self, redirect: &str, back: &str, now_us: u64) -> Result<Begun, SignInError> {
        let found = self.found().await?;
        let [state, nonce, verifier] = [random()?, random()?, random()?];
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let location = with_query(
            &found.authorization,
            &[
                ("response_type", "code"),
                ("client_id", &self.config.client_id),
                ("redirect_uri", redirect),
                ("scope", &self.config.scopes.join(" ")),
                ("state", &state),
                ("nonce", &nonce),
                ("code_challenge", &challenge),
                ("code_challenge_method", "S256"),
            ],
        );
        let back = if back.len() <= LONGEST_BACK { back } else { "" };
        let (redirect, back) = (redirect.to_owned(), back.to_owned());
        let flow = Flow { state, nonce, verifier, redirect, back, begun_us: now_us };
        let flow = serde_json::to_vec(&flow).map_err(|_| SignInError::Random)?;
        let cookie = self.seal.close(&flow).ok_or(SignInError::Random)?;
        Ok(Begun { location, cookie })
    }

    /// Takes what a browser came back with, and the cookie that it kept.
    ///
    /// # Errors
    ///
    /// [`SignInError`].
    pub async fn finish(&self, cookie: &str, returned: &Returned, now_us: u64) -> Result<Entered, SignInError> {
        let flow = self.seal.open(cookie).and_then(|flow| serde_json::from_slice::<Flow>(&flow).ok());
        let flow = flow.filter(|flow| same(&flow.state, &returned.state)).ok_or(SignInError::Stray)?;
        let age_us = now_us.checked_sub(flow.begun_us).ok_or(SignInError::Stray)?;
        let first = || self.used.entry(Sha256::digest(&flow.state).into()).or_insert(()).is_fresh();
        if Duration::from_micros(age_us) > LONGEST_FLOW || !first() {
            return Err(SignInError::Stray);
        }
        if !returned.iss.is_empty() && *returned.iss != *self.config.issuer {
            return Err(SignInError::Unfit("another issuer sent the browser back (`iss`)"));
        }
        if !returned.error.is_empty() {
            return Err(SignInError::Refused(issuer::word(&returned.error)));
        }
        if returned.code.is_empty() || returned.code.len() > LONGEST_CODE {
            return Err(SignInError::Refused(NO_CODE.to_owned()));
        }
        let found = self.found().await?;
        let _place = self.calls.try_acquire().map_err(|_| SignInError::Busy)?;
        let token = found.exchange(&self.config, &returned.code, &flow.redirect, &flow.verifier).await?;
        let claims = found.verifier.claims(&token, now_us).await.map_err(|error| self.not_taken(error))?;
        people::fit(&claims, &self.config, &flow.nonce)?;
        let facts = Facts::of(&claims, &self.config).ok_or(SignInError::Unfit("its `sub` names nobody"))?;
        let role = self.role(&facts, Duration::ZERO).ok_or_else(|| {
            let (sub, why) = (facts.person.sub.clone(), facts.lacking(&claims, &self.config));
            SignInError::NoRole { sub, why }
        })?;
        Ok(Entered { role, facts, back: flow.back })
    }

    /// What somebody who signed in `age` ago may do by what is known of them and by this configuration; `None`: nothing,
    /// or they have to sign in anew because the configuration asks for something else or wants it sooner.
    pub fn role(&self, facts: &Facts, age: Duration) -> Option<Role> {
        facts.role(&self.config).filter(|_| age <= self.config.session)
    }

    /// Where somebody signs out at the issuer too, if it says so.
    pub async fn end_session(&self) -> Option<String> {
        let end = self.found().await.ok()?.end_session.clone()?;
        Some(with_query(&end, &[("client_id", &self.config.client_id)]))
    }

    fn not_taken(&self, error: JwtError) -> SignInError {
        match error {
            JwtError::Unavailable => SignInError::Issuer {
                issuer: Arc::clone(&self.config.issuer),
                why: "its keys cannot be read".to_owned(),
            },
            other => SignInError::Token(other),
        }
    }

    /// The issuer's document and keys, at most [`FRESH`] old. One sign-in asks; the others that come meanwhile wait for
    /// what it finds, as far as there are places.
    async fn found(&self) -> Result<Arc<Found>, SignInError> {
        let mut last = match self.found.try_lock() {
            Ok(last) => last,
            Err(_) => {
                let _place = self.calls.try_acquire().map_err(|_| SignInError::Busy)?;
                self.found.lock().await
            }
        };
        let good_for = if last.outcome.as_ref().is_some_and(Result::is_ok) { FRESH } else { AFTER_FAILURE };
        if let (Some(at), Some(outcome)) = (last.at, &last.outcome)
            && at.elapsed() < good_for
        {
            return outcome.clone();
        }
        let outcome = issuer::find(&self.config).await.map(Arc::new).map_err(|why| {
            tracing::error!(issuer = &*self.config.issuer, why, "the issuer of the dashboard's sign-in cannot be used");
            SignInError::Issuer { issuer: Arc::clone(&self.config.issuer), why }
        });
        *last = Last { at: Some(Instant::now()), outcome: Some(outcome.clone()) };
        outcome
    }
}

/// 256 random bits, in characters that may stand in a URL and a PKCE verifier.
fn random() -> Result<String, SignInError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| SignInError::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Time tells nothing.
fn same(one: &str, other: &str) -> bool {
    bool::from(one.as_bytes().ct_eq(other.as_bytes()))
}

/// How long the issuer's document and keys are good.
const FRESH: Duration = Duration::from_secs(600);
/// How long a failure is: so often a dead issuer is asked.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// Sign-ins that wait for the issuer at once; the admin listener has 64 connections.
const MOST_CALLS: usize = 8;
/// Whoever takes longer at the issuer begins anew.
const LONGEST_FLOW: Duration = Duration::from_secs(600);
/// States that are remembered.
const MOST_USED: u64 = 10_000;
/// A longer code is none; cookies have 4 KiB.
const LONGEST_CODE: usize = 8 * 1024;
const LONGEST_BACK: usize = 1024;
/// In place of an error's code; [`issuer::word`] makes no such word of what an issuer says.
const NO_CODE: &str = "no code";

#[cfg(test)]
mod tests;
