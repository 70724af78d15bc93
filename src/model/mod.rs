//! The words that every stage shares: ids, money, usage, what was asked, and the clock.
//!
//! Pure data and arithmetic. Nothing here does I/O, knows Pingora, a provider or the configuration.

mod api;
mod ask;
mod clock;
mod demand;
mod draft;
mod id;
mod money;
mod usage;
mod view;

pub use api::{Api, Dialect};
pub use ask::{Ask, IncludeUsage, Span};
pub use clock::{Clock, Micros, SystemClock};
pub use demand::{CapMember, Caps, Demand, HostedTool};
pub use draft::{Draft, Edit, Edits};
pub use id::{AttemptId, IdSource, RequestId};
pub use money::NanoUsd;
pub use usage::{ServiceTier, Usage, UsageOrigin};
pub use view::{
    BudgetView, Candidate, Explain, ExplainRequest, Explained, HealthView, LimitView, ModelView, PriceView, Refusal,
    TargetView,
};
