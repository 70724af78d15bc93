//! The `response` object: what the client asked for, told back, and what came of it.

use super::{
    items::{Item, Status},
    output::Output,
};
use crate::{
    dialect::{About, node::Node},
    model::{ServiceTier, Usage},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What a response repeats of its request, with the API's defaults where nothing was said. `store` is not among it:
/// nothing is kept here.
#[derive(Debug)]
pub(super) struct Echo {
    instructions: Raw,
    max_output_tokens: Raw,
    max_tool_calls: Raw,
    metadata: Raw,
    parallel_tool_calls: Raw,
    prompt_cache_key: Raw,
    reasoning: Raw,
    safety_identifier: Raw,
    temperature: Raw,
    text: Raw,
    tool_choice: Raw,
    tools: Raw,
    top_logprobs: Raw,
    top_p: Raw,
    truncation: Raw,
    user: Raw,
}

type Raw = Box<RawValue>;

/// A member of the request; `null` is as if it were not there.
type Asked<'a> = Option<&'a RawValue>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Request<'a> {
    #[serde(borrow)]
    instructions: Asked<'a>,
    #[serde(borrow)]
    max_output_tokens: Asked<'a>,
    #[serde(borrow)]
    max_tool_calls: Asked<'a>,
    #[serde(borrow)]
    metadata: Asked<'a>,
    #[serde(borrow)]
    parallel_tool_calls: Asked<'a>,
    #[serde(borrow)]
    prompt_cache_key: Asked<'a>,
    #[serde(borrow)]
    reasoning: Option<Reasoning<'a>>,
    #[serde(borrow)]
    safety_identifier: Asked<'a>,
    #[serde(borrow)]
    temperature: Asked<'a>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    tool_choice: Asked<'a>,
    #[serde(borrow)]
    tools: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    top_logprobs: Asked<'a>,
    #[serde(borrow)]
    top_p: Asked<'a>,
    #[serde(borrow)]
    truncation: Asked<'a>,
    #[serde(borrow)]
    user: Asked<'a>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Reasoning<'a> {
    #[serde(borrow)]
    effort: Asked<'a>,
    #[serde(borrow)]
    summary: Asked<'a>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Text<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    format: Asked<'a>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    verbosity: Asked<'a>,
}

impl Echo {
    /// Of the request of `about`, which is let go of: it may be large, and an answer may take long. All defaults if it
    /// cannot be read, which nobody but a test gets to see.
    pub(super) fn take(about: &mut About) -> Self {
        let request = std::mem::take(&mut about.request);
        let request: Request<'_> = serde_json::from_slice(&request).unwrap_or_default();
        let or = |asked: Asked<'_>, default: &str| asked.map_or_else(|| json(default), ToOwned::to_owned);
        let format = json(r#"{"type":"text"}"#);
        let mut text = request.text.unwrap_or_default();
        text.format = Some(text.format.unwrap_or(&format));
        Self {
            instructions: or(request.instructions, "null"),
            max_output_tokens: or(request.max_output_tokens, "null"),
            max_tool_calls: or(request.max_tool_calls, "null"),
            metadata: or(request.metadata, "{}"),
            parallel_tool_calls: or(request.parallel_tool_calls, "true"),
            prompt_cache_key: or(request.prompt_cache_key, "null"),
            reasoning: raw(&request.reasoning.unwrap_or_default()),
            safety_identifier: or(request.safety_identifier, "null"),
            temperature: or(request.temperature, "1.0"),
            text: raw(&text),
            tool_choice: or(request.tool_choice, "\"auto\""),
            tools: raw(&request.tools.unwrap_or_default().into_iter().map(tool).collect::<Vec<_>>()),
            top_logprobs: or(request.top_logprobs, "0"),
            top_p: or(request.top_p, "1.0"),
            truncation: or(request.truncation, "\"disabled\""),
            user: or(request.user, "null"),
        }
    }
}

/// A tool as a response repeats it: functions have all their members there.
fn tool(asked: &RawValue) -> Raw {
    let Ok(Node::Map(given)) = Node::read(asked.get().as_bytes()) else { return asked.to_owned() };
    let function = given.0.iter().any(|(key, value)| key == "type" && *value == Node::Text("function".into()));
    let Some(members) = asked.get().trim_end().strip_suffix('}').filter(|_| function) else { return asked.to_owned() };
    let mut whole = members.to_owned();
    for (name, member) in [("parameters", ",\"parameters\":null"), ("strict", ",\"strict\":null")] {
        if given.0.iter().all(|(key, _)| key != name) {
            whole.push_str(member);
        }
    }
    whole.push('}');
    RawValue::from_string(whole).unwrap_or_else(|_| asked.to_owned())
}

fn json(text: &str) -> Raw {
    RawValue::from_string(text.to_owned()).expect("constants are JSON")
}

fn raw(value: &impl Serialize) -> Raw {
    serde_json::value::to_raw_value(value).expect("JSON and strings always serialize")
}

/// The object. <https://platform.openai.com/docs/api-reference/responses/object>
#[derive(Serialize)]
pub(super) struct Response<'a> {
    id: Id<'a>,
    object: &'static str,
    created_at: u64,
    status: Status,
    background: bool,
    error: (),
    incomplete_details: Option<Incomplete>,
    instructions: &'a RawValue,
    max_output_tokens: &'a RawValue,
    max_tool_calls: &'a RawValue,
    metadata: &'a RawValue,
    model: &'a str,
    output: &'a [Item],
    parallel_tool_calls: &'a RawValue,
    previous_response_id: (),
    prompt_cache_key: &'a RawValue,
    reasoning: &'a RawValue,
    safety_identifier: &'a RawValue,
    service_tier: Option<&'static str>,
    store: bool,
    temperature: &'a RawValue,
    text: &'a RawValue,
    tool_choice: &'a RawValue,
    tools: &'a RawValue,
    top_logprobs: &'a RawValue,
    top_p: &'a RawValue,
    truncation: &'a RawValue,
    usage: Option<Figures>,
    user: &'a RawValue,
}

struct Id<'a>(&'a str);

impl Serialize for Id<'_> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("resp_{}", self.0))
    }
}

#[derive(Serialize)]
struct Incomplete {
    reason: &'static str,
}

impl<'a> Response<'a> {
    /// Before the first item.
    pub(super) fn begun(about: &'a About, echo: &'a Echo) -> Self {
        Self {
            id: Id(&about.id),
            object: "response",
            created_at: about.created_s,
            status: Status::InProgress,
            background: false,
            error: (),
            incomplete_details: None,
            instructions: &echo.instructions,
            max_output_tokens: &echo.max_output_tokens,
            max_tool_calls: &echo.max_tool_calls,
            metadata: &echo.metadata,
            model: &about.model,
            output: &[],
            parallel_tool_calls: &echo.parallel_tool_calls,
            previous_response_id: (),
            prompt_cache_key: &echo.prompt_cache_key,
            reasoning: &echo.reasoning,
            safety_identifier: &echo.safety_identifier,
            service_tier: None,
            store: false,
            temperature: &echo.temperature,
            text: &echo.text,
            tool_choice: &echo.tool_choice,
            tools: &echo.tools,
            top_logprobs: &echo.top_logprobs,
            top_p: &echo.top_p,
            truncation: &echo.truncation,
            usage: None,
            user: &echo.user,
        }
    }

    /// When all is said.
    pub(super) fn ended(about: &'a About, echo: &'a Echo, output: &'a Output) -> Self {
        let incomplete = output.incomplete();
        Self {
            status: if incomplete.is_some() { Status::Incomplete } else { Status::Completed },
            incomplete_details: incomplete.map(|reason| Incomplete { reason }),
            output: &output.items,
            service_tier: output.tier.map(tier),
            usage: output.usage.as_ref().map(Figures::of),
            ..Self::begun(about, echo)
        }
    }

    /// How far it is.
    pub(super) const fn status(&self) -> Status {
        self.status
    }
}

/// The tier in OpenAI's words.
const fn tier(tier: ServiceTier) -> &'static str {
    match tier {
        ServiceTier::Standard => "default",
        ServiceTier::Flex => "flex",
        ServiceTier::Priority => "priority",
        ServiceTier::Batch => "batch",
    }
}

/// Usage: the details are parts of the figures before them.
#[derive(Serialize)]
struct Figures {
    input_tokens: u64,
    input_tokens_details: Input,
    output_tokens: u64,
    output_tokens_details: Made,
    total_tokens: u64,
}

#[derive(Serialize)]
struct Input {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Serialize)]
struct Made {
    reasoning_tokens: u64,
}

impl Figures {
    fn of(usage: &Usage) -> Self {
        let (input_tokens, output_tokens) = (usage.input_total(), usage.output_total());
        Self {
            input_tokens,
            input_tokens_details: Input {
                cached_tokens: usage.cache_read,
                cache_write_tokens: usage.cache_write_5m.saturating_add(usage.cache_write_1h),
            },
            output_tokens,
            output_tokens_details: Made { reasoning_tokens: usage.reasoning },
            total_tokens: input_tokens.saturating_add(output_tokens),
        }
    }
}
