//! `admin.oidc` as written.

use super::quantity::Time;
use super::{JwtAlgorithm, Secret};
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OidcFile {
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) client_secret: Option<Secret>,
    pub(super) scopes: Option<Vec<Option<String>>>,
    pub(super) redirect_url: Option<String>,
    pub(super) algorithms: Option<Vec<Option<JwtAlgorithm>>>,
    pub(super) ca_file: Option<PathBuf>,
    #[serde(default)]
    pub(super) roles: OidcRolesFile,
    #[serde(default)]
    pub(super) emails: OidcEmailsFile,
    pub(super) session: Option<Time>,
    pub(super) token_sign_in: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OidcRolesFile {
    pub(super) claim: Option<String>,
    pub(super) admin: Vec<Option<String>>,
    pub(super) viewer: Vec<Option<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OidcEmailsFile {
    pub(super) admin: Vec<Option<String>>,
    pub(super) viewer: Vec<Option<String>>,
}
