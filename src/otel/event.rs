//! Prompts and answers, where a team's rule keeps them and telemetry may have them: as an event
//! `gen_ai.client.inference.operation.details` in the request's span, which OTLP carries as a record of its logs
//! (`opentelemetry/proto/logs/v1/logs.proto`, <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-events/>).
//! Messages have the shape of
//! <https://github.com/open-telemetry/semantic-conventions/blob/v1.41.0/docs/gen-ai/gen-ai-input-messages.json>.

use super::names::operation;
use super::proto::Proto;
use crate::model::{Api, Speech, Trace};
use std::borrow::Cow;

/// A part of a message, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said<'a> {
    /// `system`, `user`, `assistant` or `tool`.
    pub role: &'static str,
    /// What kind of part it is.
    pub kind: Kind,
    /// What is said.
    pub text: Cow<'a, str>,
}

impl<'a> Said<'a> {
    /// What `speech` says.
    pub const fn of(speech: Speech, text: Cow<'a, str>) -> Self {
        let (role, kind) = match speech {
            Speech::System | Speech::Definition => ("system", Kind::Text),
            Speech::User | Speech::Document | Speech::Unknown => ("user", Kind::Text),
            Speech::Assistant | Speech::Refusal => ("assistant", Kind::Text),
            Speech::Reasoning => ("assistant", Kind::Reasoning),
            Speech::ToolCall => ("assistant", Kind::Arguments),
            Speech::ToolResult => ("tool", Kind::Response),
        };
        Self { role, kind, text }
    }
}

/// Kinds of parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What is said.
    Text,
    /// What is thought.
    Reasoning,
    /// With what a tool is called; its name stands elsewhere.
    Arguments,
    /// What a tool answered.
    Response,
}

impl Kind {
    /// `type`, and the member that has the text.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Text => ("text", "content"),
            Self::Reasoning => ("reasoning", "content"),
            Self::Arguments => ("tool_call_arguments", "content"),
            Self::Response => ("tool_call_response", "response"),
        }
    }
}

/// What was said in a request and in answer to it.
#[derive(Debug)]
pub struct Conversation<'a> {
    /// When the request came, in microseconds since the Unix epoch.
    pub time_us: u64,
    /// Its trace.
    pub trace: &'a Trace,
    /// Which call.
    pub api: Api,
    /// The model that was asked for.
    pub model: &'a str,
    /// What the client said.
    pub input: Vec<Said<'a>>,
    /// What the model said.
    pub output: Vec<Said<'a>>,
}

/// Fields of `LogRecord`.
const ATTRIBUTE: u32 = 6;
/// `SEVERITY_NUMBER_INFO`.
const INFO: u64 = 9;

/// Writes one `LogRecord`, as an item of `ScopeLogs`.
pub(super) fn write(out: &mut Proto, told: &Conversation<'_>) {
    let time_ns = told.time_us.saturating_mul(1_000);
    out.message(2, |log| {
        log.fixed64(1, time_ns);
        log.uint(2, INFO);
        log.attribute(ATTRIBUTE, "gen_ai.operation.name", operation(told.api));
        log.attribute(ATTRIBUTE, "gen_ai.request.model", told.model);
        messages(log, "gen_ai.input.messages", &told.input);
        messages(log, "gen_ai.output.messages", &told.output);
        log.fixed32(8, u32::from(told.trace.flags()));
        log.bytes(9, &told.trace.id.to_be_bytes());
        log.bytes(10, &told.trace.span(0).to_be_bytes());
        log.fixed64(11, time_ns);
        log.text(12, &["gen_ai.client.inference.operation.details"]);
    });
}

/// `[{"role": …, "parts": [{"type": …, "content": …}]}]`; what one role says in a row is one message.
fn messages(log: &mut Proto, key: &str, said: &[Said<'_>]) {
    if said.is_empty() {
        return;
    }
    log.message(ATTRIBUTE, |pair| {
        pair.text(1, &[key]);
        pair.message(2, |value| {
            list(value, |list| {
                for run in said.chunk_by(|one, other| one.role == other.role) {
                    let Some(first) = run.first() else { continue };
                    list.message(1, |value| {
                        value.message(6, |members| {
                            members.attribute(1, "role", first.role);
                            members.message(1, |pair| {
                                pair.text(1, &["parts"]);
                                pair.message(2, |value| list_of(value, run));
                            });
                        });
                    });
                }
            });
        });
    });
}

fn list_of(value: &mut Proto, run: &[Said<'_>]) {
    list(value, |list| {
        for said in run {
            let (kind, member) = said.kind.names();
            list.message(1, |value| {
                value.message(6, |members| {
                    members.attribute(1, "type", kind);
                    members.attribute(1, member, &said.text);
                });
            });
        }
    });
}

fn list(value: &mut Proto, write: impl FnOnce(&mut Proto)) {
    value.message(5, write);
}
