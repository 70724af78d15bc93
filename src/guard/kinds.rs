//! The kinds of guardrails: one row a kind.

use super::{
    Judge, Spotter, injection, language, length,
    policy::{self, ModelPolicy},
    regex,
    remote::{self, RemoteGuard},
    schema, secrets, words,
};
use crate::{
    config::{
        ConfigError,
        GuardAction::{self, Block, Flag, Hash, Mask, Redact, Tokenize},
        Hook::{self, Input, Output, ToolCall, ToolResult},
        Section,
    },
    guard::pii,
};
use std::sync::Arc;

/// What a guardrail is made of.
#[derive(Clone)]
pub enum Body {
    /// Finds places in texts; any action.
    Spot(Vec<Arc<dyn Spotter>>),
    /// Decide about whole texts: block or flag.
    Judge(Vec<Arc<dyn Judge>>),
    /// Decides about a request's parameters: blocks or flags.
    Policy(Arc<ModelPolicy>),
    /// A service outside that is asked.
    Remote(Arc<dyn RemoteGuard>),
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

const ANYWHERE: &[Hook] = &[Input, Output, ToolCall, ToolResult];
const REQUESTS: &[Hook] = &[Input, ToolResult];
const EDITS: &[GuardAction] = &[Redact, Block, Mask, Hash, Tokenize, Flag];
const JUDGES: &[GuardAction] = &[Block, Flag];

/// All kinds. What a service finds by its place may be edited; what else a service wants is its own word.
pub const GUARDS: &[Kind] = &[
    Kind {
        name: "pii",
        build: |section| pii::build(section).map(Body::Spot),
        hooks: ANYWHERE,
        usual: 2,
        actions: EDITS,
        cost: "a few µs for 2 KB",
    },
    Kind {
        name: "secrets",
        build: |section| secrets::build(section).map(Body::Spot),
        hooks: ANYWHERE,
        usual: 2,
        actions: EDITS,
        cost: "a few µs for 2 KB",
    },
    Kind {
        name: "words",
        build: |section| words::build(section).map(Body::Spot),
        hooks: ANYWHERE,
        usual: 2,
        actions: &[Block, Redact, Mask, Hash, Tokenize, Flag],
        cost: "a few µs for 2 KB",
    },
    Kind {
        name: "regex",
        build: |section| regex::build(section).map(Body::Spot),
        hooks: ANYWHERE,
        usual: 2,
        actions: EDITS,
        cost: "about 1 µs a KiB for 64 patterns",
    },
    Kind {
        name: "injection",
        build: |section| injection::build(section).map(|judge| Body::Judge(vec![judge])),
        hooks: REQUESTS,
        usual: 1,
        actions: JUDGES,
        cost: "tens of µs for 2 KB",
    },
    Kind {
        name: "length",
        build: |section| length::build(section).map(Body::Judge),
        hooks: ANYWHERE,
        usual: 1,
        actions: JUDGES,
        cost: "under 1 µs for 2 KB",
    },
    Kind {
        name: "language",
        build: |section| language::build(section).map(Body::Judge),
        hooks: ANYWHERE,
        usual: 1,
        actions: JUDGES,
        cost: "tens of µs a text",
    },
    Kind {
        name: "json_schema",
        build: |section| schema::build(section).map(Body::Judge),
        hooks: &[Output, ToolCall, ToolResult],
        usual: 1,
        actions: JUDGES,
        cost: "by schema and text",
    },
    Kind {
        name: "model_policy",
        build: |section| policy::build(section).map(|policy| Body::Policy(Arc::new(policy))),
        hooks: &[Input],
        usual: 1,
        actions: JUDGES,
        cost: "0.3 µs a KiB of body",
    },
    Kind {
        name: "webhook",
        build: |section| remote::webhook::build(section).map(Body::Remote),
        hooks: ANYWHERE,
        usual: 1,
        actions: JUDGES,
        cost: "a call of a service",
    },
    Kind {
        name: "openai_moderations",
        build: |section| remote::moderations::build(section).map(Body::Remote),
        hooks: ANYWHERE,
        usual: 1,
        actions: JUDGES,
        cost: "a call of a service",
    },
    Kind {
        name: "presidio",
        build: |section| remote::presidio::build(section).map(Body::Remote),
        hooks: ANYWHERE,
        usual: 1,
        actions: EDITS,
        cost: "a call of a service",
    },
    Kind {
        name: "litellm",
        build: |section| remote::litellm::build(section).map(Body::Remote),
        hooks: ANYWHERE,
        usual: 1,
        actions: JUDGES,
        cost: "a call of a service",
    },
    Kind {
        name: "truefoundry",
        build: |section| remote::truefoundry::build(section).map(Body::Remote),
        hooks: ANYWHERE,
        usual: 1,
        actions: JUDGES,
        cost: "a call of a service",
    },
];
