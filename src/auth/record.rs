//! What is kept of keys and teams that are made at run time, what can be said about them, and how they are shown.

use crate::config::moment;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// What a key or a team is given, besides its name.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Grants {
    /// `None`: all.
    pub models: Option<Vec<String>>,
    /// As they were given, of the same shape as in the file.
    pub limits: Option<Value>,
    pub budgets: Option<Value>,
    pub tags: BTreeMap<String, String>,
    /// `None`: from everywhere. Of keys only.
    pub allowed_ips: Option<Vec<String>>,
    /// `None`: a team's is `normal`, a key's is its team's.
    pub priority: Option<String>,
    /// Beside those that hold anyway.
    pub guardrails: Option<Vec<String>>,
}

/// A team of the store.
#[derive(Debug, Clone)]
pub(super) struct TeamRecord {
    pub name: Arc<str>,
    pub grants: Grants,
    pub created_us: u64,
    pub updated_us: u64,
}

/// A key of the store.
#[derive(Debug, Clone)]
pub(super) struct KeyRecord {
    pub name: Arc<str>,
    pub team: Arc<str>,
    pub grants: Grants,
    pub expires_us: Option<u64>,
    pub created_us: u64,
    pub updated_us: u64,
    pub revoked_us: Option<u64>,
    /// The youngest last; older ones go on working until their `until_us`.
    pub secrets: Vec<SecretRecord>,
}

/// One secret of a key, as its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SecretRecord {
    pub hash: [u8; 32],
    pub created_us: u64,
    /// Set when the key was rotated.
    pub until_us: Option<u64>,
}

impl KeyRecord {
    /// From when on a secret of it is refused.
    pub fn ends_us(&self, secret: &SecretRecord) -> u64 {
        if self.revoked_us.is_some() {
            return 0;
        }
        let ends = [self.expires_us, secret.until_us].into_iter().flatten().min();
        ends.unwrap_or(u64::MAX)
    }
}

/// A key to be made.
#[derive(Debug, Default, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// Unique for ever: 1 to 128 of `A-Z a-z 0-9 . _ : / @ -`, not beginning with `jwt:`.
    #[schema(example = "search-ci", min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._:/@-]+$")]
    pub name: String,
    /// The team that pays, of the file or made at run time.
    #[schema(example = "search", min_length = 1, max_length = 128)]
    pub team: String,
    /// Narrows what the team may call; all of the team's if left out.
    #[schema(min_items = 1)]
    pub models: Option<Vec<String>>,
    /// Refused from then on: a day such as `2030-01-31` (UTC) or an RFC 3339 moment; never if left out.
    #[schema(example = "2030-01-31")]
    pub expires: Option<String>,
    /// Limits, of the same shape as in the configuration file.
    #[schema(value_type = Option<Vec<Object>>)]
    pub limits: Option<Value>,
    /// Budgets, of the same shape as in the configuration file.
    #[schema(value_type = Option<Vec<Object>>)]
    pub budgets: Option<Value>,
    /// Words of your own.
    pub tags: Option<BTreeMap<String, String>>,
    /// Addresses and networks from which it may be used; from everywhere if left out.
    #[schema(min_items = 1, example = json!(["192.0.2.1", "10.0.0.0/8"]))]
    pub allowed_ips: Option<Vec<String>>,
    /// Who is served first under overload: `low`, `normal` or `high`; its team's if left out.
    #[schema(example = "high", pattern = "^(low|normal|high)$")]
    pub priority: Option<String>,
    /// Guardrails of the configuration file, beside those that hold anyway.
    #[schema(min_items = 1)]
    pub guardrails: Option<Vec<String>>,
}

/// What is changed of a key: what is left out stays, `null` resets.
#[derive(Debug, Default, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeyPatch {
    /// The team that pays from now on.
    #[schema(min_length = 1, max_length = 128)]
    pub team: Option<String>,
    /// Narrows what the team may call; `null`: all of the team's.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>)]
    pub models: Option<Option<Vec<String>>>,
    /// Refused from then on; `null`: never.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub expires: Option<Option<String>>,
    /// Limits; `null`: none.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub limits: Option<Option<Value>>,
    /// Budgets; `null`: none.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub budgets: Option<Option<Value>>,
    /// All tags; `null`: none.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub tags: Option<Option<BTreeMap<String, String>>>,
    /// Addresses and networks from which it may be used; `null`: from everywhere.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>)]
    pub allowed_ips: Option<Option<Vec<String>>>,
    /// Who is served first under overload; `null`: as if nothing was said.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub priority: Option<Option<String>>,
    /// Guardrails beside those that hold anyway; `null`: none.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>)]
    pub guardrails: Option<Option<Vec<String>>>,
}

/// How a key is rotated.
#[derive(Debug, Default, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rotation {
    /// How long the old secret goes on working: `0s` (the default) to ten years, with a unit, as in `24h`.
    #[schema(example = "24h", pattern = "^[0-9]{1,9}(ms|s|m|h|d)$")]
    pub grace: Option<String>,
}

/// A team to be made.
#[derive(Debug, Default, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTeam {
    /// Unique among all teams: 1 to 128 of `A-Z a-z 0-9 . _ : / @ -`.
    #[schema(example = "research", min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._:/@-]+$")]
    pub name: String,
    /// What its keys may call; all if left out.
    #[schema(min_items = 1)]
    pub models: Option<Vec<String>>,
    /// Limits, of the same shape as in the configuration file.
    #[schema(value_type = Option<Vec<Object>>)]
    pub limits: Option<Value>,
    /// Budgets, of the same shape as in the configuration file.
    #[schema(value_type = Option<Vec<Object>>)]
    pub budgets: Option<Value>,
    /// Words of your own.
    pub tags: Option<BTreeMap<String, String>>,
    /// Whose requests are served first under overload: `low`, `normal` (the default) or `high`.
    #[schema(example = "high", pattern = "^(low|normal|high)$")]
    pub priority: Option<String>,
    /// Guardrails of the configuration file, beside those that hold anyway.
    #[schema(min_items = 1)]
    pub guardrails: Option<Vec<String>>,
}

/// What is changed of a team: what is left out stays, `null` resets.
#[derive(Debug, Default, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TeamPatch {
    /// What its keys may call; `null`: all.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>)]
    pub models: Option<Option<Vec<String>>>,
    /// Limits; `null`: none.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub limits: Option<Option<Value>>,
    /// Budgets; `null`: none.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub budgets: Option<Option<Value>>,
    /// All tags; `null`: none.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub tags: Option<Option<BTreeMap<String, String>>>,
    /// Who is served first under overload; `null`: as if nothing was said.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub priority: Option<Option<String>>,
    /// Guardrails beside those that hold anyway; `null`: none.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>)]
    pub guardrails: Option<Option<Vec<String>>>,
}

/// Tells `null` from a member that is left out.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Where a key or a team is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// In the configuration file: it cannot be changed here.
    File,
    /// In the state directory.
    State,
}

/// Whether a key works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It works.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
    /// The file has a key of the same name, which counts instead of it.
    Shadowed,
    /// What it or its team was given does not fit the file any more: it is answered with 503 until they are mended.
    Unreadable,
}

/// A key as it is shown: never the key itself.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct KeyView {
    /// Its name.
    pub name: String,
    /// The team that pays.
    pub team: String,
    /// Where it is written.
    pub source: Source,
    /// Whether it works.
    pub state: KeyState,
    /// What it may call of what its team may; `null`: all.
    pub models: Option<Vec<String>>,
    /// Refused from then on (RFC 3339, UTC); `null`: never.
    pub expires: Option<String>,
    /// Limits as they were given; `null` for none, and for keys of the file.
    #[schema(value_type = Option<Vec<Object>>)]
    pub limits: Option<Value>,
    /// Budgets as they were given; `null` for none, and for keys of the file.
    #[schema(value_type = Option<Vec<Object>>)]
    pub budgets: Option<Value>,
    /// Words of your own.
    pub tags: BTreeMap<String, String>,
    /// Where it may be used; `null`: everywhere.
    pub allowed_ips: Option<Vec<String>>,
    /// Who is served first under overload; `null`: its team's.
    pub priority: Option<String>,
    /// Guardrails of its own; `null`: none beside those that hold anyway.
    pub guardrails: Option<Vec<String>>,
    /// When it was made; `null` for keys of the file.
    pub created: Option<String>,
    /// When it was changed last; `null` for keys of the file.
    pub updated: Option<String>,
    /// When it was revoked.
    pub revoked: Option<String>,
    /// What does not fit the file, where the state is `unreadable`.
    pub problem: Option<String>,
    /// Its secrets, the youngest last.
    pub secrets: Vec<SecretView>,
}

/// One secret of a key as it is shown.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SecretView {
    /// The first twelve digits of its SHA-256.
    pub sha256_begins: String,
    /// An old one that was rotated away works until then; `null`: the one in force.
    pub until: Option<String>,
}

impl SecretView {
    /// Of a hash.
    pub(super) fn of(hash: &[u8; 32], until_us: Option<u64>) -> Self {
        let begin = hash.first_chunk::<6>().expect("a hash has 32 bytes");
        Self { sha256_begins: hex::encode(begin), until: until_us.map(moment::show) }
    }
}

/// A team as it is shown.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TeamView {
    /// Its name.
    pub name: String,
    /// Where it is written.
    pub source: Source,
    /// What its keys may call; `null`: all.
    pub models: Option<Vec<String>>,
    /// Limits as they were given; `null` for none, and for teams of the file.
    #[schema(value_type = Option<Vec<Object>>)]
    pub limits: Option<Value>,
    /// Budgets as they were given; `null` for none, and for teams of the file.
    #[schema(value_type = Option<Vec<Object>>)]
    pub budgets: Option<Value>,
    /// Words of your own.
    pub tags: BTreeMap<String, String>,
    /// Whose requests are served first under overload; `null`: `normal`.
    pub priority: Option<String>,
    /// Guardrails of its own; `null`: none beside those that hold anyway.
    pub guardrails: Option<Vec<String>>,
    /// How many keys it has that were not revoked.
    pub keys: usize,
    /// When it was made; `null` for teams of the file.
    pub created: Option<String>,
    /// When it was changed last; `null` for teams of the file.
    pub updated: Option<String>,
    /// What of what it was given does not fit the file any more: its keys are answered with 503 until it is mended.
    pub problem: Option<String>,
}
