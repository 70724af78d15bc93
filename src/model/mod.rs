//! The words that every stage shares: ids, money, usage, what was asked, and the clock.
//!
//! A conversation ([`Chat`]) and its answer ([`ChatEvent`]) have words here that no API owns: client dialects and
//! providers translate from and to them.
//!
//! Pure data and arithmetic. Nothing here does I/O, knows Pingora, a provider or the configuration.

mod api;
mod ask;
mod chat;
mod clock;
mod demand;
mod draft;
mod event;
mod feature;
mod id;
mod media;
mod modality;
mod money;
mod retrieval;
mod text;
mod trace;
mod usage;
mod guarding;
mod view;

pub use api::{Api, Dialect};
pub use ask::{Ask, IncludeUsage, Opening, Span};
pub use chat::{
    CacheMark, Chat, Content, Effort, Format, Json, Message, Part, Reasoned, Role, Sampling, Seal, Source, Thinking,
    Tool, ToolCall, ToolChoice, ToolResult, Use,
};
pub use clock::{Clock, Micros, SystemClock};
pub use demand::{CapMember, Caps, Demand, GenerationCap, HostedTool, Units};
pub use draft::{Draft, Edit, Edits};
pub use event::{ChatEvent, Citation, Finish, Listener};
pub use feature::{Carry, Feature};
pub use guarding::{GuardFinding, GuardTest, GuardTestRequest, GuardTested, GuardVerdict, GuardrailView, NotTried};
pub use id::{AttemptId, IdSource, RequestId};
pub use media::{Length, Media, length, spoken_ms, text_end_ms};
pub use modality::{Modalities, Modality};
pub use money::NanoUsd;
pub use retrieval::{Cut, Element, Embed, Purpose, Ranked, Rerank, Retrieval, Retrieved, Vector, Wish, Wished};
pub use text::{Channel, EventView, Form, Growth, Piece, Speech, Text};
pub use trace::{Sampler, Trace, TraceParent};
pub use usage::{ServiceTier, Usage, UsageOrigin};
pub use view::{
    BudgetView, CacheShare, CacheView, Candidate, Explain, ExplainRequest, Explained, HealthView, LimitView, ModelView,
    PriceView, Refusal, ShutOrder, TargetHealth, TargetView,
};
