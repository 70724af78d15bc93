//! Answers that are kept, and given again to requests that are the same: exactly, and never to another team. Where that is
//! wanted, the last message of a conversation may say the same in other words.
//!
//! Owns the memory of answers ([`Cache`]), what makes two requests the same (`canonical`, [`Print`]; by meaning [`question()`],
//! [`Vector`]), and for which requests all this holds ([`CacheRules`]). It knows neither sockets nor guardrails nor money: whoever asks it must have
//! authenticated the caller, and whoever gives it an answer must know that it is whole and may be seen by all who share it.

mod answers;
mod canonical;
mod meaning;
mod metrics;
mod nearby;
mod print;
mod question;
mod rules;
mod wish;

pub use answers::{Answer, Cache, Purge};
pub use meaning::{Meaning, Vector};
pub use metrics::{CacheMetrics, Embedded, NotKept};
pub use print::{Key, Print};
pub use question::{NotCompared, Question, question};
pub use rules::{CacheRule, CacheRules};
pub use wish::Wish;
