//! The kinds of guardrails: one row a kind.

use super::{Judge, Judgement, Spotter};
use crate::{
    config::{ConfigError, GuardAction, Hook, Section},
    model::Api,
};
use std::sync::Arc;

/// What a guardrail is made of.
#[derive(Clone)]
pub enum Body {
    /// Finds places in texts; any action.
    Spot(Vec<Arc<dyn Spotter>>),
    /// Decides about whole texts: blocks or flags.
    Judge(Arc<dyn Judge>),
    /// Decides about a request's parameters: blocks or flags.
    Policy(Arc<dyn Policy>),
}

/// Decides about the parameters of a request.
pub trait Policy: Send + Sync {
    /// What is wrong with the body of a call of `api`, which was parsed strictly; `None`: nothing.
    fn check(&self, api: Api, body: &[u8]) -> Option<Judgement>;
}

/// A kind of guardrails.
pub struct Kind {
    /// The word of the configuration.
    pub name: &'static str,
    /// Reads the settings.
    pub build: fn(&Section) -> Result<Body, ConfigError>,
    /// What it may look at; the first `usual` of them if nothing is said.
    pub hooks: &'static [Hook],
    /// See `hooks`.
    pub usual: usize,
    /// What it may do; the first if nothing is said.
    pub actions: &'static [GuardAction],
    /// What it costs, for people.
    pub cost: &'static str,
}

/// What spotters may do.
const EDITS: &[GuardAction] = &[
    GuardAction::Redact,
    GuardAction::Block,
    GuardAction::Mask,
    GuardAction::Hash,
    GuardAction::Tokenize,
    GuardAction::Flag,
];

/// All kinds.
pub const GUARDS: &[Kind] = &[];

/// The row of `kind`.
///
/// # Errors
///
/// There is none.
pub fn kind(name: &str) -> Option<&'static Kind> {
    GUARDS.iter().find(|row| row.name == name)
}
