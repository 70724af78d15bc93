//! Rate limits and budgets as checked. What they count, and how, is in `limits` and `ledger`.

use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

/// The rules of one scope: a key, a team, a model, a provider, or the whole gateway.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Rate and concurrency limits, in the order of the file.
    pub limits: Vec<Limit>,
    /// Budgets, in the order of the file.
    pub budgets: Vec<Budget>,
}

impl Rules {
    /// Whether nothing is limited.
    pub const fn is_empty(&self) -> bool {
        self.limits.is_empty() && self.budgets.is_empty()
    }
}

impl Rules {
    /// The same rules for another scope: their ids begin with its name.
    pub fn rescoped(&self, from: &Scope, to: &Scope) -> Self {
        let (old, new) = (from.path(), to.path());
        let renamed = |id: &str| Arc::from(format!("{new}{}", id.strip_prefix(&*old).unwrap_or(id)));
        let limit = |limit: &Limit| Limit { id: renamed(&limit.id), scope: to.clone(), ..limit.clone() };
        let budget = |budget: &Budget| Budget { id: renamed(&budget.id), scope: to.clone(), ..budget.clone() };
        Self { limits: self.limits.iter().map(limit).collect(), budgets: self.budgets.iter().map(budget).collect() }
    }
}

/// Where a rule stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The top level: every request.
    Gateway,
    /// One team.
    Team(Arc<str>),
    /// One key.
    Key(Arc<str>),
    /// One model of the file.
    Model(Arc<str>),
    /// One provider: every attempt at it.
    Provider(Arc<str>),
}

impl Scope {
    /// Between a provider's name and that of one of its accounts. No name that is written holds it.
    pub const ACCOUNT: char = '#';

    /// Whether the rules of the provider `name` hold for attempts at `provider`: it is this one, or one of its accounts.
    pub fn covers(name: &str, provider: &str) -> bool {
        provider.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(Self::ACCOUNT))
    }

    /// The label of metrics: `gateway`, `team`, `key`, `model`, `provider`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Team(_) => "team",
            Self::Key(_) => "key",
            Self::Model(_) => "model",
            Self::Provider(_) => "provider",
        }
    }

    /// The name within its kind; empty for the gateway.
    pub fn name(&self) -> &str {
        match self {
            Self::Gateway => "",
            Self::Team(name) | Self::Key(name) | Self::Model(name) | Self::Provider(name) => name,
        }
    }
}

impl Scope {
    /// How ids of its rules begin: as it is displayed, but with `/` and `%` in its name as `%2F` and `%25`.
    pub fn path(&self) -> String {
        match self {
            Self::Gateway => self.to_string(),
            _ => format!("{}/{}", self.kind(), escaped(self.name())),
        }
    }
}

/// A name as it stands between the slashes of an id.
pub(super) fn escaped(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2F")
}

/// `team/search`, `gateway`.
impl std::fmt::Display for Scope {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gateway => out.write_str("gateway"),
            _ => write!(out, "{}/{}", self.kind(), self.name()),
        }
    }
}

/// Whether a rule refuses.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Past the limit requests are refused.
    #[default]
    Enforce,
    /// They pass, with a response header that says so, a log line and a metric.
    Warn,
    /// They pass unseen by the client: a log line and a metric only.
    Audit,
}

impl Mode {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Warn => "warn",
            Self::Audit => "audit",
        }
    }
}

/// What a rule counts apart: instead of one count for its scope, one for each value of this.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Each {
    /// The end user; a request that names none counts for the user `-`.
    User,
    /// The key.
    Key,
    /// The team.
    Team,
    /// The model that was asked for.
    Model,
    /// The value of this name in the request's metadata; a request without it counts for the value `-`.
    Metadata(Arc<str>),
}

/// One rate or concurrency limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Stable across reloads: `team/search/requests/minute`, with `/each user` where it counts apart. Counters are found
    /// by it, and refusals, logs and metrics show it.
    pub id: Arc<str>,
    /// Where it stands.
    pub scope: Scope,
    /// What is limited.
    pub what: LimitWhat,
    /// One count for each of these; `None`: one for the scope.
    pub each: Option<Each>,
    /// Whether it refuses.
    pub mode: Mode,
}

/// What a limit limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitWhat {
    /// Requests admitted in any interval of length `per`; at most [`Limit::MOST`].
    Requests {
        /// So many.
        most: NonZeroU64,
        /// Length of the interval.
        per: Per,
    },
    /// Tokens, input and output together, in any interval of length `per`; at most [`Limit::MOST`].
    Tokens {
        /// So many.
        most: NonZeroU64,
        /// Length of the interval.
        per: Per,
    },
    /// Requests open at once.
    Concurrent {
        /// So many.
        most: NonZeroU32,
    },
}

impl Limit {
    /// Largest number of requests or tokens in a window: 2^40 - 1, about a trillion.
    pub const MOST: u64 = (1 << 40) - 1;
}

/// Length of a sliding window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// 1 s.
    Second,
    /// 60 s.
    Minute,
    /// 3,600 s.
    Hour,
    /// 86,400 s.
    Day,
}

impl Per {
    /// How long it is.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        })
    }

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// One budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Stable across reloads and changes of its amount: `team/search/usd/month`, or `team/search/NAME`; with `/each user`
    /// where it counts apart. Balances are kept under it, and refusals, logs and metrics show it.
    pub id: Arc<str>,
    /// Where it stands.
    pub scope: Scope,
    /// What it is counted in.
    pub unit: Unit,
    /// How much: nano-dollars, or tokens (input and output together).
    pub limit: i64,
    /// For how long.
    pub per: Calendar,
    /// Where its days begin.
    pub zone: TimeZone,
    /// One balance for each of these; `None`: one for the scope.
    pub each: Option<Each>,
    /// Other amounts for some values of `each`.
    pub overrides: BTreeMap<Arc<str>, i64>,
    /// Only requests whose metadata have all of these values.
    pub metadata: BTreeMap<Arc<str>, Arc<str>>,
    /// Shares of the limit, in percent and ascending, at which it is told (log, metric, webhook).
    pub alerts: Vec<u16>,
    /// Whether it refuses.
    pub mode: Mode,
    /// An answer's cap is not lowered below this: the request is refused instead. Default 256.
    pub min_output_tokens: u64,
    /// What becomes of a request that it cannot pay.
    pub on_exhausted: OnExhausted,
}

/// What a budget is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Nano-dollars.
    Usd,
    /// Tokens, input and output together.
    Tokens,
}

impl Unit {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usd => "usd",
            Self::Tokens => "tokens",
        }
    }
}

/// The period of a budget, by the calendar of its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calendar {
    /// From midnight.
    Day,
    /// From Monday (ISO 8601).
    Week,
    /// From the first of the month.
    Month,
    /// From the first of January, April, July or October.
    Quarter,
    /// For ever.
    Lifetime,
}

impl Calendar {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Lifetime => "lifetime",
        }
    }
}

/// What becomes of a request that a budget cannot pay.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum OnExhausted {
    /// It is refused.
    #[default]
    Refuse,
    /// It is answered by another model of the file.
    Fallback {
        /// A key of `Config::models`.
        model: Arc<str>,
        /// Already when so many percent of the limit are used and reserved; 100: when it cannot pay.
        at: u16,
    },
}

/// How money is held for a request before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budgeting {
    /// How input is bounded.
    pub estimates: Estimates,
    /// The cap that is set where a budget applies, the client gave none and the model's own is not known. Default 4096.
    pub default_max_output_tokens: NonZeroU64,
    /// Status of a request that a budget cannot pay: 402 (default), 403 or 429.
    pub exhausted_status: u16,
    /// Where days begin for budgets that do not say. Default UTC.
    pub zone: TimeZone,
}

impl Default for Budgeting {
    fn default() -> Self {
        let default_max_output_tokens = NonZeroU64::new(4096).expect("not 0");
        Self { estimates: Estimates::default(), default_max_output_tokens, exhausted_status: 402, zone: TimeZone::UTC }
    }
}

/// How input tokens are bounded before they are counted by the provider.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Estimates {
    /// A token has at least one byte: never too little.
    #[default]
    Strict,
    /// From the least bytes per token that this target was seen to take, with a margin: holds less, and may rarely hold
    /// too little; what it fell short is charged as debt.
    Learned,
}
