//! Outside guards: services that are asked about texts over HTTP. Five kinds, one trait:
//!
//! | kind | contract |
//! |---|---|
//! | `webhook` | our own, small: `conf/guard-webhook.schema.json` |
//! | `openai_moderations` | OpenAI's moderation endpoint |
//! | `presidio` | Presidio's analyzer |
//! | `litellm` | the generic guardrail API of LiteLLM |
//! | `truefoundry` | the custom guardrail of TrueFoundry |
//!
//! Each one's file says what is sent and what answers mean.
//!
//! Each sees the texts, the hook and the request's id, and of who asks only what its `send` lists. Catches and misses
//! what the service does. Cost: an answer a check, over a connection that is kept; `timeout` at most, waits and retries
//! included. Failure: [`RemoteError`], which holds no text and no secret; what becomes of the request then is its
//! caller's rule (`on_failure`). An answer that makes no sense is a failure, never a verdict.

mod error;
mod link;
pub(in crate::guard) mod litellm;
pub(in crate::guard) mod moderations;
mod places;
pub(in crate::guard) mod presidio;
mod told;
pub(in crate::guard) mod truefoundry;
pub(in crate::guard) mod webhook;
mod who;

pub use error::{Flaw, RemoteError};

use crate::{config::Hook, model::Speech};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::ops::Range;

/// An outside service that decides about texts.
#[async_trait]
pub trait RemoteGuard: Send + Sync {
    /// What it says about the texts, all of them at once.
    ///
    /// # Errors
    ///
    /// [`RemoteError`]: nothing is known about the texts.
    async fn check(&self, asked: &Asked<'_>) -> Result<Told, RemoteError>;

    /// How much of a stream it is asked about at once.
    fn stride(&self) -> Stride;
}

/// How a service walks along the texts of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stride {
    /// Bytes of text that it was not asked about before it is asked.
    pub window: usize,
    /// Bytes at the end of what it let pass that are held back and told again with what follows: what is cut by the end of
    /// a window is whole in the next one.
    pub overlap: usize,
}

impl Stride {
    /// The larger of both, each way: services that are asked about one stream walk together.
    pub fn with(self, other: Self) -> Self {
        Self { window: self.window.max(other.window), overlap: self.overlap.max(other.overlap) }
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The guard's name in the configuration.
    pub guard: &'a str,
    /// Where the texts come from; calls of tools are those of an answer.
    pub hook: Hook,
    /// The request's id.
    pub request_id: &'a str,
    /// The model as the client names it.
    pub model: &'a str,
    /// The caller's team.
    pub team: &'a str,
    /// The name of the caller's key, not the key.
    pub key: &'a str,
    /// The end user, if the request names one.
    pub user: Option<&'a str>,
    /// The request's metadata.
    pub metadata: &'a BTreeMap<String, String>,
    /// The texts, decoded; places in [`Told`] are places in this list.
    pub texts: &'a [AskedText<'a>],
}

impl Asked<'_> {
    /// Whether the texts stand in an answer.
    pub const fn answers(&self) -> bool {
        matches!(self.hook, Hook::Output | Hook::ToolCall)
    }
}

/// A text that is asked about.
#[derive(Debug, Clone, Copy)]
pub struct AskedText<'a> {
    /// Who speaks.
    pub speech: Speech,
    /// What.
    pub text: &'a str,
}

/// What an outside guard says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    /// What is to be done.
    pub action: Action,
    /// Why, in the service's words: one line of at most 300 characters. It may tell of the texts, so it is nothing for
    /// logs.
    pub reason: Option<String>,
    /// What was found, and how often: lower case, `a-z0-9_`. Of an open set: nothing for the labels of metrics.
    pub entities: Vec<(String, usize)>,
    /// With [`Action::Replace`]: texts by their places in the list that was asked, in order, each at most once.
    pub replacements: Vec<(usize, String)>,
    /// With [`Action::Flag`]: what was found where, in bytes of a text; in order, never overlapping within a text. The
    /// rule's own action may be taken on them.
    pub spans: Vec<(usize, Range<usize>, String)>,
}

/// What an outside guard wants to be done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    #[default]
    Allow,
    /// Texts are refused.
    Block,
    /// Other texts take their place.
    Replace,
    /// It is noted; what was found where may be edited.
    Flag,
}

/// The name in contracts of who speaks.
const fn role(speech: Speech) -> &'static str {
    match speech {
        Speech::System => "system",
        Speech::User | Speech::Unknown => "user",
        Speech::Assistant => "assistant",
        Speech::Reasoning => "reasoning",
        Speech::Refusal => "refusal",
        Speech::ToolCall => "tool_call",
        Speech::ToolResult => "tool_result",
        Speech::Definition => "definition",
        Speech::Document => "document",
    }
}

#[cfg(test)]
mod tests;
