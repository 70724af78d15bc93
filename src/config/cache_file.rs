//! What the file says of answers that are kept, as written.

use super::quantity::{Size, Time};
use super::{CacheScope, CacheUse};
use serde::Deserialize;

/// Answers that are kept.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CacheFile {
    pub(super) max_bytes: Option<Size>,
    pub(super) max_entry_bytes: Option<Size>,
    pub(super) ttl: Option<Time>,
    pub(super) scope: Option<CacheScope>,
    pub(super) semantic: Option<SemanticFile>,
}

/// How meanings are compared.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SemanticFile {
    pub(super) model: String,
    pub(super) threshold: Option<f32>,
    pub(super) timeout: Option<Time>,
    pub(super) max_text_bytes: Option<Size>,
    pub(super) scope: Option<CacheScope>,
}

/// The same, of one model or team.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CachingFile {
    #[serde(rename = "use")]
    pub(super) used: CacheUse,
    pub(super) ttl: Option<Time>,
    pub(super) scope: Option<CacheScope>,
    pub(super) semantic: Option<bool>,
}
