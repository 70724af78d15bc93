//! The configuration as checked: every reference resolved, every quantity typed, secrets wrapped.
//!
//! `file` is the YAML as written, `load` reads and checks it. Nothing else in the crate reads configuration text.

mod tree;
mod resolve;
mod de;
mod quantity;
mod priority;
pub mod moment;
mod network;
mod oidc;
mod oidc_file;
mod alerts;
mod attempts;
mod auth;
mod cache;
mod route;
mod reach;
mod health;
mod guardrails;
mod records;
mod rules;
mod rules_file;
mod cache_file;
mod records_file;
mod file;
mod shape;
mod load;
mod check;
mod uplink;
mod section;
mod summary;
mod telemetry;
mod telemetry_file;
mod secret;
mod changes;
mod print;
mod error;

pub use alerts::AlertBounds;
pub use attempts::{Action, Attempts, Failure, Fallbacks, Turn};
pub use auth::{Auth, JWT_PREFIX, Jwt, JwtAlgorithm, JwtClaims, JwtKeys, OnRevoke};
pub use cache::{CacheBounds, CacheScope, CacheUse, Caching, Semantic};
pub use changes::{ConfigChange, Written};
pub use error::{ConfigError, ConfigErrors, nearest};
pub use guardrails::{GuardAction, GuardMode, Guardrail, Guardrails, Hook, OnFailure, OnUnknown};
pub use health::{Active, Health, Passive, Probe, ProbeBudget};
pub use load::{AdminAccess, admin_access, records_dir, state_dir};
pub use network::{Network, Networks};
pub use oidc::{Granted, Oidc, Role, is_local, is_private};
pub use priority::Priority;
pub use quantity::Time;
pub use records::{Content, RecordFiles, Records};
pub use route::{RouteKind, Share, Sticky, When};
pub use rules::{
    Budget, Budgeting, Calendar, Each, Estimates, Limit, LimitWhat, Mode, OnExhausted, Per, Rules, Scope, Unit,
};
pub use secret::Secret;
pub use section::Section;
pub use summary::Notes;
pub use telemetry::{Conventions, Otlp, OtlpCompression, OtlpProtocol, Telemetry};
pub use uplink::{EgressProxy, Uplink};

use crate::model::Api;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything that one snapshot of the gateway is run with.
#[derive(Debug)]
pub struct Config {
    /// The data plane.
    pub server: Server,
    /// Metrics, health, and the admin API.
    pub admin: Admin,
    /// How callers are known, besides by the keys of the file.
    pub auth: Auth,
    /// Where state is kept, and how.
    pub state: State,
    /// Upstreams by name.
    pub providers: BTreeMap<Arc<str>, Provider>,
    /// What clients may ask for, by name.
    pub models: BTreeMap<Arc<str>, Model>,
    /// Teams by name.
    pub teams: BTreeMap<Arc<str>, Team>,
    /// What teams and keys have that say nothing of their own.
    pub defaults: Defaults,
    /// Virtual keys.
    pub keys: Vec<Key>,
    /// Overrides of and additions to the catalogue, by `model` or `provider/model`.
    pub prices: BTreeMap<Arc<str>, PriceOverride>,
    /// What is recorded of requests.
    pub records: Records,
    /// Answers that are kept.
    pub cache: CacheBounds,
    /// Limits and budgets of the whole gateway.
    pub rules: Arc<Rules>,
    /// How money is held for a request before it is sent.
    pub budgeting: Budgeting,
    /// Where alerts are sent as JSON (`http` or `https`); `None`: they stand in log and metrics only.
    pub webhook: Option<Secret>,
    /// When something beside a budget is told.
    pub alert_bounds: AlertBounds,
    /// What is sent to a collector; `None`: nothing.
    pub telemetry: Option<Telemetry>,
    /// Where files and batches are kept.
    pub files: Files,
    /// What texts are looked at for.
    pub guardrails: Guardrails,
    /// Whether the gateway looks at the file by itself, and reads it anew when it changes. Default: no.
    pub watch: bool,
    /// The file itself, to be compared with the next one.
    pub written: Written,
}

/// The providers that keep files and batches, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// For teams that have none of their own; `None`: these teams have no files.
    pub provider: Option<Arc<str>>,
    /// Of teams of the file that have one of their own.
    pub teams: BTreeMap<Arc<str>, Arc<str>>,
    /// How often batches are looked at that nobody asks for. Default 5m.
    pub look: Duration,
}

/// The data plane's listeners and bounds.
#[derive(Debug)]
pub struct Server {
    /// At least one.
    pub listen: Vec<Listen>,
    /// Whose word about a client's address counts. Default: nobody's.
    pub trusted_proxies: Networks,
    /// Worker threads; default: the number of cores.
    pub threads: NonZeroUsize,
    /// Largest request body; past it 413. Default 32 MiB.
    pub max_body_bytes: usize,
    /// Bodies and withheld answers of all requests together; past it 503. Default 1 GiB.
    pub max_buffered_bytes: usize,
    /// Largest answer that is withheld whole; a longer one is released as it comes. Default 8 MiB.
    pub max_withheld_bytes: usize,
    /// Requests open at once; past it they wait, or 503. Default 20,000.
    pub max_in_flight: NonZeroU32,
    /// Connections of clients open at once; past it they are closed at once. `None`: as many as descriptors allow.
    pub max_connections: Option<NonZeroU32>,
    /// Who waits for a place among the open requests.
    pub queue: Queue,
    /// Fewer requests are admitted while tasks wait longer than this for a worker thread; zero: never. Default 10ms.
    pub shed_lag: Duration,
    /// Bytes of a request head; past it 431. Default 64 KiB.
    pub max_head_bytes: usize,
    /// Fields of a request head; past it 431. Default 100.
    pub max_head_lines: usize,
    /// Longest wait for a whole request head. Default 10s.
    pub head_timeout: Duration,
    /// Longest wait for a whole request body, and longer only while it comes fast enough. Default 30s.
    pub body_timeout: Duration,
    /// Bytes a second that a body must have come at, on the whole, to be waited for beyond `body_timeout`; 0: never.
    /// Default 16 KiB.
    pub body_min_rate: u64,
    /// How long an idle client connection is kept. Default 75s.
    pub keepalive_timeout: Duration,
    /// HTTP/1.1: requests that one connection may bring; 0: any number. Default 0.
    pub max_requests_per_connection: u32,
    /// HTTP/2: streams open at once on one connection. Default 100.
    pub max_h2_streams: NonZeroU32,
    /// HTTP/2: how long a connection without a stream is kept. Default 120s.
    pub h2_idle_timeout: Duration,
    /// How long running requests may take after SIGTERM. Default 600s.
    pub drain_timeout: Duration,
    /// Idle upstream connections kept in all. Default 2048.
    pub upstream_pool_size: usize,
    /// What one client address may do.
    pub per_address: PerAddress,
}

/// Requests that wait until another one is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Most of them; past it 503. 0: nobody waits. Default 1,000.
    pub length: usize,
    /// The longest wait; past it 503. Default 500ms.
    pub wait: Duration,
}

/// What one client address (of IPv6, one /64) may do; past it 429. 0: as much as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerAddress {
    /// Requests a minute without a key that is accepted. Default 300.
    pub auth_failures: u32,
    /// Requests a second. Default 0.
    pub requests: u32,
    /// Connections open at once; past it they are closed at once. `None`, the default: half of all.
    pub connections: Option<u32>,
}

impl Default for PerAddress {
    fn default() -> Self {
        Self { auth_failures: 300, requests: 0, connections: None }
    }
}

/// One address that is listened on.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Where.
    pub address: SocketAddr,
    /// TLS with h2 by ALPN; without it clear HTTP/1.1 and h2c.
    pub tls: Option<Tls>,
    /// Each connection begins with HAProxy's PROXY header.
    pub proxy_protocol: bool,
}

/// Certificate chain and key, PEM files.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Certificate chain.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// The admin listener: `/metrics`, `/healthz`, `/readyz` and the admin API.
#[derive(Debug, Default)]
pub struct Admin {
    /// Where; `None` switches it off.
    pub listen: Option<SocketAddr>,
    /// Who has it may do everything by the admin API; at least [`Admin::SHORTEST_TOKEN`] bytes.
    pub token: Option<Secret>,
    /// Who has it may read.
    pub viewer_token: Option<Secret>,
    /// Under these names the dashboard is answered, beside the address and `localhost`; lower case, without ports.
    pub hosts: Vec<String>,
    /// How people sign in to the dashboard beside the tokens.
    pub oidc: Option<Oidc>,
}

impl Admin {
    /// A shorter token could be guessed.
    pub const SHORTEST_TOKEN: usize = 16;
}

/// The embedded ledger.
#[derive(Debug)]
pub struct State {
    /// The directory.
    pub dir: PathBuf,
    /// When an attempt's row counts as durable.
    pub durability: Durability,
    /// Rows and journal segments older than this are dropped. Default 400 days.
    pub retention: Duration,
    /// Rows and journal are kept below this size, oldest dropped first. Default 10 GiB.
    pub max_bytes: NonZeroU64,
    /// A journal segment is sealed at this size. Default 64 MiB.
    pub segment_bytes: NonZeroU64,
}

/// What a row survives.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// `kill -9` of the process: one `write(2)` before the attempt is sent. Flushed to disk every 10 ms.
    #[default]
    Process,
    /// Loss of power: the attempt waits for a grouped `fdatasync`.
    Power,
}

/// One upstream account.
#[derive(Debug)]
pub struct Provider {
    /// Name in the file, in records and labels; of an account of a provider: `provider.account`.
    pub name: Arc<str>,
    /// A row of `providers::PROVIDERS`.
    pub kind: String,
    /// The provider's own settings, read in its folder (`api_key`, `base_url` …).
    pub settings: Section,
    /// The catalogue whose prices hold; `None`: by the kind, or by a well-known host.
    pub catalogue: Option<String>,
    /// Wire protocol towards it.
    pub protocol: Protocol,
    /// How it is reached: trust, client certificate, proxy.
    pub uplink: Uplink,
    /// Limits and budgets of every attempt at it.
    pub rules: Arc<Rules>,
    /// When its targets are shut, and how they are probed.
    pub health: Health,
}

/// HTTP version towards an upstream.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 (prior knowledge on clear connections).
    Http2,
    /// By ALPN: HTTP/2 if offered.
    Auto,
}

/// A name that clients ask for, and what answers it.
#[derive(Debug)]
pub struct Model {
    /// The name.
    pub name: Arc<str>,
    /// What the order of the targets goes by. Default `priority`: that of the file.
    pub route: RouteKind,
    /// What keeps requests at one target. Default: nothing.
    pub sticky: Sticky,
    /// In the order of the file.
    pub targets: Vec<Target>,
    /// Attempts that one request may make in all. Default 4.
    pub max_attempts: NonZeroU32,
    /// What follows from an attempt that failed, and which models answer instead.
    pub attempts: Arc<Attempts>,
    /// `translation.unsupported: drop`: what a target of another API cannot say is dropped and told. Default: refused.
    pub drops: bool,
    /// How long a client that waits for a stream hears nothing before it gets a sign of life; `None`: for ever. Default.
    pub keep_alive: Option<Duration>,
    /// Where copies of its requests go; `None`: nowhere.
    pub mirror: Option<Arc<Mirror>>,
    /// Whether its answers are kept and given again; `None`: not, unless a team says so.
    pub cache: Option<Caching>,
    /// Limits and budgets of every request for it.
    pub rules: Arc<Rules>,
}

/// A share of a model's requests goes to another model as well, and nobody waits for the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The other model: a key of [`Config::models`].
    pub to: Arc<str>,
    /// The name of the key that the copies are made with: under its limits, paid by its budgets.
    pub key: Arc<str>,
    /// How many of 100 requests are copied: 1 to 100.
    pub percent: u16,
}

/// One upstream model of a [`Model`].
#[derive(Debug, Clone)]
pub struct Target {
    /// Its place in the file's list; at a provider with accounts several have the same.
    pub index: usize,
    /// A key of [`Config::providers`].
    pub provider: Arc<str>,
    /// The model's name at the provider.
    pub model: Arc<str>,
    /// The name to look the price up by, if not `model`.
    pub price_as: Option<Arc<str>>,
    /// Defaults, overridden by the model's, overridden by the target's.
    pub timeouts: Timeouts,
    /// Calls that this target is used for; `None`: all that its kind speaks.
    pub apis: Option<Vec<Api>>,
    /// Most tokens of input that it takes; `None`: what the catalogue says, if it does.
    pub max_input_tokens: Option<u64>,
    /// Most tokens of output that it gives; `None`: what the catalogue says, if it does.
    pub max_output_tokens: Option<u64>,
    /// Its share of a weighted route; 0: only a fall-back. Default 1.
    pub weight: u32,
    /// It is the route's canary, and gets this share of its requests.
    pub canary: Option<Share>,
    /// The requests that it is for; `None`: all.
    pub when: Option<When>,
}

/// How long each phase of an attempt may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP and TLS, each. Default 5s.
    pub connect: Duration,
    /// The upload of the request. Default 60s.
    pub send: Duration,
    /// Streams: from the last byte sent to the first event that carries output. Default 60s.
    pub first_token: Duration,
    /// Streams: the longest gap after the first output. Default 60s.
    pub idle: Duration,
    /// Answers that are not streamed: from the last byte sent to the whole answer; `None`: `total`.
    pub response: Option<Duration>,
    /// The whole request over all attempts. Default 600s.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            send: Duration::from_secs(60),
            first_token: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            response: None,
            total: Duration::from_secs(600),
        }
    }
}

/// Which models may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// Every model of the file.
    All,
    /// These; each is a key of [`Config::models`].
    Only(Vec<Arc<str>>),
}

impl Allowed {
    /// Whether `model` is among them.
    pub fn contains(&self, model: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(models) => models.iter().any(|name| &**name == model),
        }
    }
}

/// Who pays.
#[derive(Debug)]
pub struct Team {
    /// The name.
    pub name: Arc<str>,
    /// What its keys may call; all if the file says nothing.
    pub models: Allowed,
    /// Who is served first under overload; a key may say otherwise. Default `normal`.
    pub priority: Priority,
    /// Whether answers to it are kept and given again to it; `None`: as the model says.
    pub cache: Option<Caching>,
    /// Its limits and budgets, those of `defaults.teams` where it has none of its own.
    pub rules: Arc<Rules>,
}

/// What teams and keys have that say nothing of their own: those of the file have it already.
#[derive(Debug)]
pub struct Defaults {
    /// Of teams.
    pub teams: Given,
    /// Of keys.
    pub keys: Given,
}

/// What a team or a key is given; its rules are of a scope without a name, see [`Rules::rescoped`].
#[derive(Debug, Clone)]
pub struct Given {
    /// What may be called.
    pub models: Allowed,
    /// Limits and budgets.
    pub rules: Arc<Rules>,
}

/// A virtual key; the key itself is never stored.
#[derive(Debug)]
pub struct Key {
    /// The name, unique in the file.
    pub name: Arc<str>,
    /// A key of [`Config::teams`].
    pub team: Arc<str>,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// Narrows what the team may call.
    pub models: Allowed,
    /// Who is served first under overload; `None`: as the team.
    pub priority: Option<Priority>,
    /// Microseconds since the Unix epoch from which the key is refused.
    pub expires_us: Option<u64>,
    /// From where it may be used; none: from everywhere.
    pub allowed_ips: Networks,
    /// Its limits and budgets, those of `defaults.keys` where it has none of its own.
    pub rules: Arc<Rules>,
}

/// Prices that the file sets for a model: text of USD, as written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct PriceOverride {
    /// Per million tokens of a class: `input`, `output`, `cache_read`, `cache_write_5m`, `cache_write_1h`, `reasoning`,
    /// `audio_input`, `audio_output`, `image_input`, `image_output`; each: `per_image`, `per_second`, `per_character`,
    /// `per_search`. Decimal text such as `0.15`. What is not given falls back as the catalogue's rules say.
    pub amounts: BTreeMap<String, String>,
}

/// Where access records go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLog {
    /// Standard output.
    Stdout,
    /// Appended to a file.
    File(PathBuf),
    /// Nowhere.
    Off,
}
