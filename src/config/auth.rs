//! How callers are known, besides by the keys of the file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Names of keys that begin so are those of JWT callers.
pub const JWT_PREFIX: &str = "jwt:";

/// How callers are known, and what becomes of them when they are no more.
#[derive(Debug, Default)]
pub struct Auth {
    /// What becomes of streams under way.
    pub on_revoke: OnRevoke,
    /// JWT callers; `None`: none.
    pub jwt: Option<Jwt>,
}

/// What becomes of the streams of a key that is revoked or expires.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnRevoke {
    /// They go on to their end.
    #[default]
    Finish,
    /// They end within a second, with the dialect's error event.
    Cut,
}

/// Who signs tokens, and how they are read.
#[derive(Debug, Clone)]
pub struct Jwt {
    /// `iss` is exactly this.
    pub issuer: Arc<str>,
    /// `aud` is this or holds it.
    pub audience: Arc<str>,
    /// Where the issuer's public keys are.
    pub keys: JwtKeys,
    /// How often the keys are read again: a URL each 5m, a file each 2s (if it changed).
    pub refresh: Duration,
    /// What a token may be signed with. Default RS256, ES256 and EdDSA.
    pub algorithms: Vec<JwtAlgorithm>,
    /// Which claims say what.
    pub claims: JwtClaims,
    /// A value of the team's claim → the team's name; empty: the value is the name.
    pub teams: BTreeMap<Arc<str>, Arc<str>>,
    /// Clocks may differ by so much. Default 30s.
    pub leeway: Duration,
}

/// Where an issuer's public keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtKeys {
    /// A JWK set in a file.
    File(PathBuf),
    /// A JWK set behind an `https` URL, or an `http` one of the loopback.
    Url(http::Uri),
}

/// Which claims say what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtClaims {
    /// The team that pays; default `team`.
    pub team: Arc<str>,
    /// The end user; default `sub`.
    pub user: Arc<str>,
    /// Narrows what the team may call; default `models`.
    pub models: Arc<str>,
}

/// What a token may be signed with: never `none`, and never a shared secret (`HS256` …), which whoever knows the public
/// key could forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
pub enum JwtAlgorithm {
    /// RSA PKCS#1 v1.5 with SHA-256.
    RS256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    RS384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    RS512,
    /// RSA PSS with SHA-256.
    PS256,
    /// RSA PSS with SHA-384.
    PS384,
    /// RSA PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519.
    EdDSA,
}

impl JwtAlgorithm {
    /// As the header of a token has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
        }
    }
}
