//! The configuration as written: every key that this version accepts, and no other.
//!
//! Nothing is checked here but the shape. `Option` in a list is an item that was found wrong and is left out.

use super::cache_file::{CacheFile, CachingFile};
use super::oidc_file::OidcFile;
use super::quantity::{Count, Part, Percent, Price, Size, Time, UnitPrice};
use super::records_file::{RecordsFile, TeamRecordsFile};
use super::rules_file::{BudgetingFile, BudgetsFile, LimitsFile, ProbeBudgetFile};
use super::telemetry_file::TelemetryFile;
use super::{
    Action, Durability, GuardAction, GuardMode, Hook, JwtAlgorithm, OnFailure, OnRevoke, OnUnknown, Priority, Protocol,
    RouteKind, Secret, Sticky,
};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ConfigFile {
    pub(super) server: ServerFile,
    pub(super) admin: AdminFile,
    pub(super) auth: AuthFile,
    pub(super) state: StateFile,
    /// Read apart: most of an entry belongs to the provider's own folder.
    pub(super) providers: BTreeMap<String, IgnoredAny>,
    pub(super) models: BTreeMap<String, ModelFile>,
    pub(super) teams: BTreeMap<String, TeamFile>,
    pub(super) keys: Vec<Option<KeyFile>>,
    pub(super) prices: BTreeMap<String, PriceFile>,
    pub(super) records: RecordsFile,
    pub(super) cache: CacheFile,
    pub(super) defaults: DefaultsFile,
    pub(super) limits: LimitsFile,
    pub(super) budgets: BudgetsFile,
    pub(super) budgeting: BudgetingFile,
    pub(super) alerts: AlertsFile,
    pub(super) telemetry: TelemetryFile,
    pub(super) files: FilesFile,
    pub(super) health: HealthFile,
    /// Read apart: most of an entry belongs to the guard's own folder.
    pub(super) guardrails: BTreeMap<String, IgnoredAny>,
    /// The file is read anew when it changes.
    pub(super) watch: bool,
}

/// When targets are shut, and how they are probed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HealthFile {
    pub(super) failures: Option<Count>,
    pub(super) ratio: Option<Percent>,
    pub(super) least: Option<Count>,
    pub(super) window: Option<Time>,
    pub(super) pause: Option<Time>,
    pub(super) most_pause: Option<Time>,
    /// `off`, `tcp`, `tls`, `models` or `generate`.
    pub(super) probe: Option<String>,
    pub(super) probe_budget: Option<ProbeBudgetFile>,
    pub(super) every: Option<Time>,
    pub(super) timeout: Option<Time>,
}

/// Whose account holds files and batches.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FilesFile {
    pub(super) provider: Option<String>,
    pub(super) look: Option<Time>,
}

/// The same, of one team.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TeamFilesFile {
    pub(super) provider: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AlertsFile {
    pub(super) webhook: Option<Secret>,
    pub(super) within: Option<Time>,
    pub(super) refusals: Option<u64>,
    pub(super) finds: Option<u64>,
    pub(super) lag: Option<Time>,
}

/// What holds for teams and keys that say nothing of their own.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DefaultsFile {
    pub(super) teams: DefaultFile,
    pub(super) keys: DefaultFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DefaultFile {
    pub(super) models: Option<Names>,
    pub(super) limits: LimitsFile,
    pub(super) budgets: BudgetsFile,
    /// These hold for all, whatever teams and keys say.
    pub(super) guardrails: Option<Vec<Option<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ServerFile {
    pub(super) listen: Option<Vec<Option<ListenFile>>>,
    pub(super) trusted_proxies: Option<Vec<Option<String>>>,
    pub(super) threads: Option<Count>,
    pub(super) max_body_bytes: Option<Size>,
    pub(super) max_buffered_bytes: Option<Size>,
    pub(super) max_withheld_bytes: Option<Size>,
    pub(super) max_in_flight: Option<Count>,
    pub(super) max_connections: Option<Count>,
    pub(super) queue: QueueFile,
    /// 0: nothing is shed.
    pub(super) shed_lag: Option<Time>,
    pub(super) max_head_bytes: Option<Size>,
    pub(super) max_head_lines: Option<Count>,
    pub(super) head_timeout: Option<Time>,
    pub(super) body_timeout: Option<Time>,
    /// A second; 0 switches it off.
    pub(super) body_min_rate: Option<Size>,
    pub(super) keepalive_timeout: Option<Time>,
    /// 0: as many as come.
    pub(super) max_requests_per_connection: Option<u32>,
    pub(super) max_h2_streams: Option<Count>,
    pub(super) h2_idle_timeout: Option<Time>,
    pub(super) drain_timeout: Option<Time>,
    pub(super) upstream_pool_size: Option<Count>,
    pub(super) per_address: PerAddressFile,
}

/// A length of 0 means that nobody waits.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct QueueFile {
    pub(super) length: Option<u32>,
    pub(super) wait: Option<Time>,
}

/// Each may be 0, which switches it off.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PerAddressFile {
    pub(super) auth_failures: Option<u32>,
    pub(super) requests: Option<u32>,
    pub(super) connections: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListenFile {
    pub(super) address: String,
    pub(super) tls: Option<TlsFile>,
    #[serde(default)]
    pub(super) proxy_protocol: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsFile {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AdminFile {
    /// An address, or `off`.
    pub(super) listen: Option<String>,
    pub(super) token: Option<Secret>,
    pub(super) viewer_token: Option<Secret>,
    /// Names of the dashboard, without ports.
    pub(super) hosts: Vec<String>,
    pub(super) oidc: Option<OidcFile>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AuthFile {
    pub(super) on_revoke: OnRevoke,
    pub(super) jwt: Option<JwtFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JwtFile {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) jwks_file: Option<PathBuf>,
    pub(super) jwks_url: Option<String>,
    pub(super) refresh: Option<Time>,
    pub(super) algorithms: Option<Vec<Option<JwtAlgorithm>>>,
    #[serde(default)]
    pub(super) claims: JwtClaimsFile,
    #[serde(default)]
    pub(super) teams: BTreeMap<String, String>,
    pub(super) leeway: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct JwtClaimsFile {
    pub(super) team: Option<String>,
    pub(super) user: Option<String>,
    pub(super) models: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StateFile {
    pub(super) dir: Option<PathBuf>,
    pub(super) durability: Durability,
    pub(super) retention: Option<Time>,
    pub(super) max_bytes: Option<Size>,
    pub(super) segment_bytes: Option<Size>,
}

/// What is common to all kinds of providers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderFile {
    pub(super) kind: String,
    pub(super) catalogue: Option<String>,
    #[serde(default)]
    pub(super) protocol: Protocol,
    pub(super) ca_file: Option<PathBuf>,
    /// Read apart, entry by entry.
    #[serde(default)]
    #[expect(dead_code, reason = "its entries are read as providers of their own")]
    pub(super) accounts: Option<IgnoredAny>,
    pub(super) client_cert: Option<TlsFile>,
    pub(super) server_name: Option<String>,
    pub(super) proxy: Option<Secret>,
    pub(super) limits: LimitsFile,
    pub(super) budgets: BudgetsFile,
    #[serde(default)]
    pub(super) health: HealthFile,
    #[serde(default)]
    pub(super) trace_context: bool,
}

impl ProviderFile {
    /// The keys that are read here; all others are the provider's own.
    pub(super) const KEYS: [&'static str; 12] = [
        "kind",
        "catalogue",
        "protocol",
        "ca_file",
        "client_cert",
        "server_name",
        "proxy",
        "accounts",
        "limits",
        "budgets",
        "health",
        "trace_context",
    ];
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelFile {
    #[serde(default)]
    pub(super) route: RouteKind,
    #[serde(default)]
    pub(super) sticky: Sticky,
    pub(super) targets: Vec<Option<TargetFile>>,
    #[serde(default)]
    pub(super) timeouts: TimeoutsFile,
    pub(super) max_attempts: Option<Count>,
    #[serde(default)]
    pub(super) attempts: AttemptsFile,
    #[serde(default)]
    pub(super) fallbacks: FallbacksFile,
    /// Streams: a sign of life to the client after so much silence.
    pub(super) keep_alive: Option<Time>,
    #[serde(default)]
    pub(super) translation: TranslationFile,
    /// A share of its requests goes to another model as well.
    pub(super) mirror: Option<MirrorFile>,
    pub(super) cache: Option<CachingFile>,
    pub(super) guardrails: Option<Vec<Option<String>>>,
    pub(super) limits: LimitsFile,
    pub(super) budgets: BudgetsFile,
}

/// Copies of requests for another model.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MirrorFile {
    pub(super) to: String,
    pub(super) key: String,
    pub(super) share: Percent,
}

/// What follows from an attempt that failed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AttemptsFile {
    pub(super) pause: Option<Time>,
    pub(super) most_pause: Option<Time>,
    /// By the name of a failure, or by a status.
    pub(super) on: BTreeMap<String, Action>,
}

/// Models that answer instead.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FallbacksFile {
    pub(super) context_window: Vec<Option<String>>,
    pub(super) content_policy: Vec<Option<String>>,
    pub(super) failed: Vec<Option<String>>,
}

/// For clients of other dialects than a target's.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TranslationFile {
    pub(super) unsupported: Unsupported,
}

/// What becomes of what a target's API cannot say.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unsupported {
    /// The request is refused, with the path.
    #[default]
    Refuse,
    /// It is left out, and told.
    Drop,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetFile {
    pub(super) provider: String,
    pub(super) model: String,
    pub(super) price_as: Option<String>,
    #[serde(default)]
    pub(super) timeouts: TimeoutsFile,
    pub(super) apis: Option<Vec<Option<String>>>,
    pub(super) max_input_tokens: Option<Count>,
    pub(super) max_output_tokens: Option<Count>,
    /// May be 0.
    pub(super) weight: Option<u32>,
    pub(super) canary: Option<Part>,
    pub(super) when: Option<WhenFile>,
}

/// What all guardrails have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GuardrailFile {
    pub(super) kind: String,
    pub(super) on: Option<Vec<Option<Hook>>>,
    pub(super) action: Option<GuardAction>,
    #[serde(default)]
    pub(super) mode: GuardMode,
    #[serde(default)]
    pub(super) on_failure: OnFailure,
    pub(super) when: Option<WhenFile>,
    pub(super) session_ttl: Option<Time>,
    #[serde(default)]
    pub(super) unknown: OnUnknown,
}

impl GuardrailFile {
    /// The keys that are read here; all others are the guard's own.
    pub(super) const KEYS: [&'static str; 8] =
        ["kind", "on", "action", "mode", "on_failure", "when", "session_ttl", "unknown"];
}

/// Which requests a target is for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WhenFile {
    pub(super) teams: Option<Vec<Option<String>>>,
    pub(super) keys: Option<Vec<Option<String>>>,
    pub(super) users: Option<Vec<Option<String>>>,
    pub(super) metadata: Option<BTreeMap<String, String>>,
    pub(super) min_bytes: Option<Size>,
    pub(super) max_bytes: Option<Size>,
    pub(super) stream: Option<bool>,
    pub(super) has: Option<Vec<Option<String>>>,
    pub(super) takes: Option<Vec<Option<String>>>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TimeoutsFile {
    pub(super) connect: Option<Time>,
    pub(super) send: Option<Time>,
    pub(super) first_token: Option<Time>,
    pub(super) idle: Option<Time>,
    pub(super) response: Option<Time>,
    pub(super) total: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TeamFile {
    pub(super) priority: Option<Priority>,
    pub(super) models: Option<Names>,
    pub(super) files: Option<TeamFilesFile>,
    pub(super) records: Option<TeamRecordsFile>,
    pub(super) cache: Option<CachingFile>,
    pub(super) guardrails: Option<Vec<Option<String>>>,
    pub(super) limits: LimitsFile,
    pub(super) budgets: BudgetsFile,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyFile {
    pub(super) name: String,
    pub(super) team: String,
    pub(super) hash: String,
    pub(super) models: Option<Names>,
    pub(super) priority: Option<Priority>,
    pub(super) expires: Option<String>,
    pub(super) allowed_ips: Option<Vec<Option<String>>>,
    pub(super) guardrails: Option<Vec<Option<String>>>,
    pub(super) limits: LimitsFile,
    pub(super) budgets: BudgetsFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PriceFile {
    pub(super) input: Option<Price>,
    pub(super) output: Option<Price>,
    pub(super) cache_read: Option<Price>,
    pub(super) cache_write_5m: Option<Price>,
    pub(super) cache_write_1h: Option<Price>,
    pub(super) reasoning: Option<Price>,
    pub(super) audio_input: Option<Price>,
    pub(super) audio_output: Option<Price>,
    pub(super) image_input: Option<Price>,
    pub(super) image_output: Option<Price>,
    pub(super) per_image: Option<UnitPrice>,
    pub(super) per_second: Option<UnitPrice>,
    pub(super) per_character: Option<UnitPrice>,
    pub(super) per_search: Option<UnitPrice>,
}

/// Names of models: a list, or `"*"` for all.
#[derive(Debug, Clone)]
pub(super) enum Names {
    All,
    Only(Vec<Option<String>>),
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> de::Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of models, or `\"*\"` for all")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Names, E> {
        if text == "*" { Ok(Names::All) } else { Err(E::invalid_value(de::Unexpected::Str(text), &self)) }
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Names, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = items.next_element::<Option<String>>()? {
            names.push(name);
        }
        let all = names.iter().any(|name| name.as_deref() == Some("*"));
        Ok(if all { Names::All } else { Names::Only(names) })
    }
}
