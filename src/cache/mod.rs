//! Answers that are kept, and given again to requests that are the same: exactly, and never to another team.
//!
//! Owns the memory of answers ([`Cache`]), what makes two requests the same (`canonical`, [`Print`]), and for which
//! requests all this holds ([`CacheRules`]). It knows neither sockets nor guardrails nor money: whoever asks it must have
//! authenticated the caller, and whoever gives it an answer must know that it is whole and may be seen by all who share it.

mod answers;
mod canonical;
mod metrics;
mod print;
mod rules;
mod wish;

pub use answers::{Answer, Cache, Purge};
pub use metrics::{CacheMetrics, NotKept};
pub use print::{Key, Print};
pub use rules::{CacheRule, CacheRules};
pub use wish::Wish;
