//! A project in one location, and the token that proves who we are.

use crate::providers::{Endpoint, SignFault, feed::Feed, gemini, mask::Key};
use arc_swap::ArcSwapOption;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::fmt;
use std::sync::Arc;

/// An access token. It has neither `Debug` nor `Display`.
pub(super) struct Token {
    /// `Bearer` and the token.
    pub(super) header: HeaderValue,
    /// For masking.
    pub(super) key: Key,
    /// When it ends, in microseconds since the Unix epoch.
    pub(super) expires_us: u64,
}

/// What all models of a provider share.
pub(super) struct Account {
    pub(super) endpoint: Endpoint,
    /// `/v1/projects/PROJECT/locations/LOCATION`.
    pub(super) base: String,
    pub(super) token: Arc<ArcSwapOption<Token>>,
    /// The project that is charged for quota, where a user's credentials tell one.
    pub(super) quota_project: Option<HeaderValue>,
    pub(super) feed: Arc<dyn Feed>,
}

impl fmt::Debug for Account {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Account").field("endpoint", &self.endpoint).field("base", &self.base).finish_non_exhaustive()
    }
}

const QUOTA_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

impl Account {
    /// Path of `call` of `resource` (`publishers/google/models/gemini-2.5-pro`).
    pub(super) fn path(&self, resource: &str, call: &str) -> String {
        let mut path = format!("{}/", self.base);
        gemini::escape(resource, &mut path);
        path.push(':');
        path.push_str(call);
        path
    }

    /// The location's name.
    pub(super) fn location(&self) -> &str {
        self.base.rsplit('/').next().unwrap_or_default()
    }

    /// The token that is of use at `now_us`.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub(super) fn ready(&self, now_us: u64) -> Result<Arc<Token>, SignFault> {
        let token = self.token.load_full().ok_or(SignFault::NoCredentials)?;
        if token.expires_us <= now_us { Err(SignFault::Expired) } else { Ok(token) }
    }

    /// Writes the token.
    ///
    /// # Errors
    ///
    /// As [`Account::ready`].
    pub(super) fn prove(&self, head: &mut HeaderMap, now_us: u64) -> Result<(), SignFault> {
        let token = self.ready(now_us)?;
        head.insert(header::AUTHORIZATION, token.header.clone());
        if let Some(project) = &self.quota_project {
            head.insert(QUOTA_PROJECT, project.clone());
        }
        Ok(())
    }

    /// The token of now, for masking.
    pub(super) fn key(&self) -> Key {
        self.token.load().as_ref().map_or_else(|| Key::new(None), |token| token.key.clone())
    }
}
