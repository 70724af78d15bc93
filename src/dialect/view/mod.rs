//! Where the texts of requests and answers stand: what guardrails look at, and edit.
//!
//! A view is a list of places with what they hold and who speaks; nothing is copied, and what is edited afterwards keeps
//! the order of members, white space, and what nobody knows, byte for byte. Pure, one pass, and never a failure: what is
//! no JSON is one text as it stands.
//!
//! Texts are: what is said by anyone in messages, items, blocks and parts, whatever their type is (a member that nobody
//! knows is a text, so that nothing slips through); what tools are called with and answer; instructions, prompts, queries
//! and documents; of tools and schemas the names, descriptions, and the values that they list. No texts are: ids,
//! addresses, base64 of pictures, sound and files, seals and signatures, words of the protocol, names of members, labels and
//! metadata that no model reads. What lies more than 64 levels deep is one text, the source of its JSON.
//!
//! What is not seen: text in pictures, sound and documents that are sent as bytes or by their address, and what a
//! provider keeps (files, stored prompts, earlier responses).

mod answer;
mod channel;
mod cursor;
mod definition;
mod ending;
mod events;
mod names;
mod parameters;
mod request;
mod walk;
mod write;

#[cfg(test)]
mod tests;

pub use answer::{Whole, answer, answers};
pub use ending::{Refusal, has_ending, refused_whole};
pub use events::Events;
pub use request::{request, requests};
pub use write::{alone, decoded, edited, replacement};

use crate::model::Api;

/// There is no view of a call: where a guardrail is mandatory, the call is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoView {
    /// What such calls carry is no text.
    #[error("guardrails cannot look at what `{}` carries: take them off this route, or do not call it", .0.path())]
    Api(Api),
    /// The text is written as numbers of tokens, which mean something to its model only.
    #[error("`{member}` of `{}` holds tokens, which guardrails cannot look at: send text", .api.path())]
    Tokens {
        /// The call.
        api: Api,
        /// The member that holds them.
        member: &'static str,
    },
    /// A text stands in a member that nobody knows.
    #[error("`{}` has no member `{member}` that is known here: leave it out, or ask the operator", .api.path())]
    Unknown {
        /// The call.
        api: Api,
        /// The member.
        member: String,
    },
    /// A form whose parts cannot be told.
    #[error("the form that was sent to `{}` cannot be read, so that guardrails cannot look at it", .0.path())]
    Form(Api),
}
