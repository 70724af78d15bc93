//! What is shown of the running gateway, and what is asked of it: words that the admin API shares with the stages
//! behind it. Plain data; who fills them is handed in.

use super::GuardrailView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A rate or concurrency limit, and how much of it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LimitView {
    /// As refusals name it: `team/search/requests/minute`.
    pub id: String,
    /// `gateway`, `team`, `key`, `model` or `provider`, with its name behind a slash.
    pub scope: String,
    /// The user, model or metadata value that is counted apart; empty where nothing is.
    pub entity: String,
    /// `requests`, `tokens` or `concurrent`.
    pub what: String,
    /// `second`, `minute`, `hour` or `day`; `null` for concurrency.
    pub per: Option<String>,
    /// The limit.
    pub limit: u64,
    /// Of it, used in the window that ends now.
    pub used: u64,
    /// `enforce`, `warn` or `audit`.
    pub mode: String,
}

/// A budget in its period, and how much of it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BudgetView {
    /// As refusals name it: `team/search/usd/month`.
    pub id: String,
    /// `gateway`, `team`, `key`, `model` or `provider`, with its name behind a slash.
    pub scope: String,
    /// The user, model or metadata value that is counted apart; empty where nothing is.
    pub entity: String,
    /// `usd` (nano-dollars) or `tokens`.
    pub unit: String,
    /// The limit, in nano-dollars or tokens.
    pub limit: i64,
    /// Of it, spent.
    pub settled: i64,
    /// Of it, held for requests under way.
    pub reserved: i64,
    /// When the period began, in microseconds since 1970.
    pub period_start_us: u64,
    /// When it ends; `null`: never.
    pub period_end_us: Option<u64>,
    /// `enforce`, `warn` or `audit`.
    pub mode: String,
}

/// The kept answers, and what came of them since the start of the process.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CacheView {
    /// How many there are.
    pub answers: u64,
    /// Memory that they take.
    pub bytes: u64,
    /// Memory that they may take.
    pub max_bytes: u64,
    /// Requests that were answered with one of them.
    pub hits: u64,
    /// Those among them that only mean the same as the request that the answer was made for.
    pub semantic_hits: u64,
    /// Answers that have a vector, by which requests are compared with them.
    pub compared: u64,
    /// Requests for which there was none.
    pub misses: u64,
    /// Requests that were not looked up, though their model or team has a cache.
    pub bypassed: u64,
    /// Answers that were kept.
    pub kept: u64,
    /// What the answers had cost that were given again, in nano-dollars.
    pub saved_nano_usd: u64,
    /// By team and model.
    pub held: Vec<CacheShare>,
}

/// The kept answers of one team and model.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CacheShare {
    /// Whose they are.
    pub team: String,
    /// The name that was asked for.
    pub model: String,
    /// How many.
    pub answers: u64,
    /// Memory that they take.
    pub bytes: u64,
}

/// What a target costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PriceView {
    /// The name that clients ask for.
    pub model: String,
    /// Who answers.
    pub provider: String,
    /// With which model.
    pub target_model: String,
    /// The row that holds, as rows of the ledger name it; `null`: unpriced, which is not free.
    pub version: Option<String>,
    /// The price in words, in USD per million tokens.
    pub price: Option<String>,
}

/// What clients may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ModelView {
    /// The name.
    pub name: String,
    /// Attempts that one request may make.
    pub max_attempts: usize,
    /// In the order in which they are tried.
    pub targets: Vec<TargetView>,
}

/// One target of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TargetView {
    /// The provider's name.
    pub provider: String,
    /// The model's name there.
    pub model: String,
    /// The calls that it answers.
    pub apis: Vec<String>,
    /// Whether its price is known.
    pub priced: bool,
}

/// How a target stands: one provider's model, for all models of the file that lead to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TargetHealth {
    /// The provider's name.
    pub provider: String,
    /// The model's name there.
    pub model: String,
    /// `open`, `half_open` (one request at a time until one is answered) or `shut` (none, unless nothing better is left;
    /// `by_hand`: none at all).
    pub state: String,
    /// Why it is not open: `failures`, `ratio`, `stalled`, `rate_limited`, `credentials`, `no_such_model`, `probe`,
    /// `by_hand`.
    pub reason: Option<String>,
    /// When it was shut or opened last, in microseconds since 1970; `null`: it has been open since the start.
    pub since_us: Option<u64>,
    /// When a request is let through again; `null`: it is open, or shut by hand until it is opened by hand.
    pub until_us: Option<u64>,
    /// What was said when it was shut by hand.
    pub note: Option<String>,
    /// Failures in a row.
    pub failures: u32,
    /// Of the requests of its window, those that were answered.
    pub window_answered: u64,
    /// Of the requests of its window, those that failed.
    pub window_failed: u64,
    /// Attempts that are there now.
    pub in_flight: u32,
}

/// A target that is to be taken out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShutOrder {
    /// Why, for those who find it shut: 1 to 256 characters.
    #[schema(example = "maintenance of the region", min_length = 1, max_length = 256)]
    pub reason: String,
    /// For how long, as in `90m`; until it is opened by hand if left out.
    #[serde(rename = "for")]
    #[schema(example = "90m", pattern = "^[0-9]{1,9}(ms|s|m|h|d)$")]
    pub lasts: Option<String>,
}

/// How the gateway is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HealthView {
    /// Whether requests should come here.
    pub ready: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Requests under way.
    pub open_requests: u64,
    /// Settled attempts that reports read from the journal, because the store does not have them yet.
    pub ledger_lag_rows: i64,
    /// Age of the oldest of them in seconds.
    pub ledger_lag_seconds: f64,
    /// Bytes of bodies and withheld answers that are held.
    pub buffered_bytes: u64,
}

/// A request that is asked about instead of being made.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// The name of the key (never the key) that would call.
    #[schema(example = "search-ci", max_length = 128)]
    pub key: String,
    /// The model that it would ask for.
    #[schema(example = "fast", max_length = 256)]
    pub model: String,
    /// The call: `chat_completions` (the default), `completions`, `embeddings`, `responses`, `messages`, `rerank`.
    pub api: Option<String>,
    /// The end user, for limits and budgets that count them apart.
    #[schema(max_length = 256)]
    pub user: Option<String>,
    /// The session, as `x-weighbridge-session` names it.
    #[schema(max_length = 256)]
    pub session: Option<String>,
    /// The request's body; without it, one of a single short message.
    #[schema(value_type = Option<Object>)]
    pub body: Option<serde_json::Value>,
}

/// What would become of a request, at this moment.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Explained {
    /// The key.
    pub key: String,
    /// The team that would pay.
    pub team: String,
    /// The model.
    pub model: String,
    /// Whether it would be sent.
    pub admitted: bool,
    /// The status and the stable code of the refusal, if it would not.
    pub refusal: Option<Refusal>,
    /// The limits that it would have to pass.
    pub limits: Vec<LimitView>,
    /// The budgets that would have to pay.
    pub budgets: Vec<BudgetView>,
    /// The guardrails that would look at it, in the order in which they have their turns, and behind them those whose condition
    /// does not hold.
    pub guardrails: Vec<GuardrailView>,
    /// The targets in the order in which they would be tried.
    pub candidates: Vec<Candidate>,
    /// What deserves a word besides.
    pub notes: Vec<String>,
}

/// Why a request would be refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Stable code.
    pub code: String,
    /// In words.
    pub message: String,
}

/// A target that would be tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Candidate {
    /// The provider's name.
    pub provider: String,
    /// The model's name there.
    pub model: String,
    /// Whether it could be tried.
    pub usable: bool,
    /// Why, or why not.
    pub reason: String,
    /// The price in words; `null`: unpriced.
    pub price: Option<String>,
    /// The dearest that the attempt could come to, in nano-dollars; `null`: unknown.
    pub worst_nano_usd: Option<i64>,
    /// The output cap that would be sent; `null`: none.
    pub output_cap: Option<u64>,
}

/// Tells what would become of a request. `proxy` knows, `admin` asks.
pub trait Explain: Send + Sync {
    /// Looks at everything that a request would meet, and takes nothing from it.
    ///
    /// # Errors
    ///
    /// Why the question makes no sense: no such key, a body that is none.
    fn explain(&self, request: &ExplainRequest) -> Result<Explained, Refusal>;
}
