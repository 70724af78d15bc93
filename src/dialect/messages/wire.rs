//! What goes to the client: the events of a stream and the parts of a message, as Anthropic's SDKs have them.
//!
//! <https://platform.claude.com/docs/en/build-with-claude/streaming>

use crate::{
    dialect::line,
    model::{Finish, ServiceTier, Usage},
};
use bytes::{BufMut, BytesMut};
use serde::Serialize;

/// One event of a stream.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Event<'a> {
    MessageStart { message: Message<'a> },
    Ping,
    ContentBlockStart { index: u32, content_block: Block<'a> },
    ContentBlockDelta { index: u32, delta: Delta<'a> },
    ContentBlockStop { index: u32 },
    MessageDelta { delta: End<'a>, usage: Figures },
    MessageStop,
}

impl Event<'_> {
    /// SDKs drop events without a name.
    const fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::Ping => "ping",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop => "message_stop",
        }
    }

    /// Appends the event to `out`; returns its length.
    pub(super) fn write(&self, out: &mut BytesMut) -> usize {
        let before = out.len();
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(self.name().as_bytes());
        out.extend_from_slice(b"\ndata: ");
        line::json(self, out);
        out.extend_from_slice(b"\n\n");
        out.len() - before
    }
}

/// Appends `value` to `out`.
pub(super) fn json(value: &impl Serialize, out: &mut BytesMut) {
    serde_json::to_writer(out.writer(), value).expect("texts, numbers and JSON always serialize");
}

/// A message: empty at the start of a stream, or whole.
#[derive(Serialize)]
pub(super) struct Message<'a> {
    pub(super) id: Id<'a>,
    pub(super) r#type: &'static str,
    pub(super) role: &'static str,
    pub(super) model: &'a str,
    pub(super) content: Vec<Block<'a>>,
    #[serde(flatten)]
    pub(super) end: End<'a>,
    pub(super) usage: Figures,
}

impl<'a> Message<'a> {
    /// The model's message.
    pub(super) fn new(id: &'a str, model: &'a str, content: Vec<Block<'a>>, end: End<'a>, usage: Figures) -> Self {
        Self { id: Id(id), r#type: "message", role: "assistant", model, content, end, usage }
    }
}

/// The request's id with the prefix of messages.
pub(super) struct Id<'a>(&'a str);

impl Serialize for Id<'_> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("msg_{}", self.0))
    }
}

/// One block of a message.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text { text: &'a str },
    Thinking { thinking: &'a str, signature: &'a str },
    RedactedThinking { data: &'a str },
    ToolUse { id: &'a str, name: &'a str, input: Input<'a> },
}

/// The arguments of a call: an object, whatever the model wrote.
pub(super) enum Input<'a> {
    /// No arguments, or none yet.
    Empty,
    /// The text of a JSON object.
    Object(&'a serde_json::value::RawValue),
    /// What is no JSON object, as the member `_raw`: SDKs refuse an `input` that is none, and a client that looks for
    /// its arguments in there finds them missing, tells the model so, and shows it what it wrote.
    Raw(&'a str),
}

impl<'a> Input<'a> {
    /// Of all arguments of a call.
    pub(super) fn of(arguments: &'a str) -> Self {
        let text = arguments.trim();
        match serde_json::from_str(text) {
            Ok(object) if text.starts_with('{') => Self::Object(object),
            _ if text.is_empty() => Self::Empty,
            _ => Self::Raw(arguments),
        }
    }
}

impl Serialize for Input<'_> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Empty => to.collect_map::<&str, &str, _>([]),
            Self::Object(object) => object.serialize(to),
            Self::Raw(text) => to.collect_map([("_raw", text)]),
        }
    }
}

/// A piece of a block.
#[derive(Serialize)]
#[serde(tag = "type")]
pub(super) enum Delta<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    Json { partial_json: &'a str },
}

/// Why the message ended; both `null` as long as it has not.
#[derive(Default, Clone, Copy, Serialize)]
pub(super) struct End<'a> {
    pub(super) stop_reason: Option<&'static str>,
    pub(super) stop_sequence: Option<&'a str>,
}

/// How an answer ended.
#[derive(Default)]
pub(super) struct Ending {
    reason: Option<(Finish, Option<String>)>,
    called: bool,
}

impl Ending {
    /// A tool was called.
    pub(super) const fn call(&mut self) {
        self.called = true;
    }

    pub(super) fn finish(&mut self, reason: Finish, stop: Option<&str>) {
        self.reason = Some((reason, stop.map(str::to_owned)));
    }

    /// In Anthropic's words: <https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons>.
    pub(super) fn told(&self) -> End<'_> {
        let (reason, stop) = match &self.reason {
            Some((reason, stop)) => (*reason, stop.as_deref()),
            None if self.called => (Finish::ToolCalls, None),
            None => (Finish::Stop, None),
        };
        let stop_reason = match reason {
            Finish::Stop => "end_turn",
            Finish::StopSequence => "stop_sequence",
            Finish::Length => "max_tokens",
            Finish::ToolCalls => "tool_use",
            Finish::ContentFilter | Finish::Refusal => "refusal",
            Finish::Paused => "pause_turn",
            Finish::ContextWindow => "model_context_window_exceeded",
        };
        End { stop_reason: Some(stop_reason), stop_sequence: stop }
    }
}

/// What was used: input without what was read from or written to a cache, output with what was thought. Figures of a
/// stream are cumulative.
#[derive(Default, Clone, Copy, Serialize)]
pub(super) struct Figures {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_creation: Option<CacheCreation>,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

#[derive(Clone, Copy, Serialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Clone, Copy, Serialize)]
struct OutputDetails {
    thinking_tokens: u64,
}

impl Figures {
    pub(super) fn of(usage: &Usage, tier: Option<ServiceTier>) -> Self {
        let written = usage.cache_write_5m.saturating_add(usage.cache_write_1h);
        Self {
            input_tokens: usage.input.saturating_add(usage.audio_input),
            cache_creation_input_tokens: written,
            cache_read_input_tokens: usage.cache_read,
            cache_creation: (written > 0).then_some(CacheCreation {
                ephemeral_5m_input_tokens: usage.cache_write_5m,
                ephemeral_1h_input_tokens: usage.cache_write_1h,
            }),
            output_tokens: usage.output_total(),
            output_tokens_details: (usage.reasoning > 0).then_some(OutputDetails { thinking_tokens: usage.reasoning }),
            service_tier: tier.map(tier_word),
        }
    }
}

/// Anthropic knows `standard`, `priority` and `batch` only.
const fn tier_word(tier: ServiceTier) -> &'static str {
    match tier {
        ServiceTier::Standard | ServiceTier::Flex => "standard",
        ServiceTier::Priority => "priority",
        ServiceTier::Batch => "batch",
    }
}
