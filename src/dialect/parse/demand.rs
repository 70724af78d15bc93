//! From the pass over a body to what the request may cost beside its text.

use super::{BadRequest, Known, flag, integer, string, wrong_kind};
use crate::{
    dialect::strict::{self, Kind, Member, Outline, TypedTool},
    model::{Api, CapMember, Caps, Demand, HostedTool},
};

/// Most pairs that OpenAI's `metadata` may have
/// (<https://platform.openai.com/docs/api-reference/chat/create#chat-create-metadata>); more are left out.
pub(super) const MOST_METADATA: usize = 16;

/// The members that cap the output of `api`.
pub(super) fn caps(api: Api, body: &[u8], known: &Known<'_>, insert_at: usize) -> Result<Caps, BadRequest> {
    let read = |param, member: Option<&Member<'_>>| -> Result<Option<CapMember>, BadRequest> {
        let Some(found) = member else { return Ok(None) };
        let tokens = integer(body, param, member)?;
        Ok(Some(CapMember { key: found.key_span, value: found.value, tokens }))
    };
    let mut caps = Caps { insert_at, ..Caps::default() };
    match api {
        Api::ChatCompletions => {
            caps.max_completion_tokens = read("max_completion_tokens", known.max_completion_tokens)?;
            caps.max_tokens = read("max_tokens", known.max_tokens)?;
        }
        Api::Completions | Api::Messages => caps.max_tokens = read("max_tokens", known.max_tokens)?,
        Api::Responses => caps.max_output_tokens = read("max_output_tokens", known.max_output_tokens)?,
        _ => {}
    }
    Ok(caps)
}

/// The string pairs of OpenAI's `metadata`.
pub(super) fn metadata(api: Api, body: &[u8], known: &Known<'_>) -> Vec<(String, String)> {
    let openai = !matches!(api, Api::Messages | Api::CountTokens);
    pairs(body, known.metadata.filter(|_| openai), MOST_METADATA)
}

/// The first `most` pairs of an object whose values are strings.
pub(super) fn pairs(body: &[u8], object: Option<&Member<'_>>, most: usize) -> Vec<(String, String)> {
    let Some(object) = object.filter(|member| member.kind == Kind::Object) else { return Vec::new() };
    let members = strict::members(body, object.value);
    let strings = members.iter().filter(|member| member.kind == Kind::String);
    let pair =
        |member: &Member<'_>| (String::from_utf8_lossy(&member.key).into_owned(), strict::string(body, member.value));
    strings.take(most).map(pair).collect()
}

/// What the request may cost beside its text.
pub(super) fn demand(api: Api, body: &[u8], known: &Known<'_>, outline: &Outline<'_>) -> Result<Demand, BadRequest> {
    let tally = &outline.tally;
    let mut demand = Demand {
        readable_bytes: (body.len() as u64).saturating_sub(tally.payload_bytes),
        holds: tally.holds,
        images: tally.images,
        images_low: tally.images_low,
        audio_bytes: tally.audio_bytes,
        cache_writes: tally.cache_writes,
        cache_hour: tally.cache_writes && tally.cache_hour,
        unseen: tally.unseen_at.map(|at| strict::path_at(body, at)),
        first_media: tally.media_at.map(|at| strict::path_at(body, at)),
        tools: tally.tools,
        ..Demand::default()
    };
    let of_few: &[&[u8]] = match api {
        Api::ChatCompletions => &OF_OPENAI,
        Api::Embeddings => &OF_FEW_EMBEDDERS,
        _ => &[],
    };
    demand.of_openai = outline.members.iter().any(|member| of_few.contains(&&*member.key));
    for tool in &tally.typed_tools {
        typed_tool(api, body, tool, &mut demand);
    }
    match api {
        Api::ChatCompletions | Api::Completions | Api::Responses => openai(api, body, known, &mut demand)?,
        Api::Messages => anthropic(body, known, &mut demand)?,
        _ => {}
    }
    Ok(demand)
}

/// Members of chat completions that few servers beside OpenAI's take.
const OF_OPENAI: [&[u8]; 16] = [
    b"stream_options",
    b"max_completion_tokens",
    b"logit_bias",
    b"logprobs",
    b"top_logprobs",
    b"store",
    b"user",
    b"safety_identifier",
    b"service_tier",
    b"verbosity",
    b"prompt_cache_key",
    b"prompt_cache_retention",
    b"web_search_options",
    b"modalities",
    b"audio",
    b"functions",
];

/// Members of embeddings that some servers refuse: OpenAI's own, and what other makers add to them.
const OF_FEW_EMBEDDERS: [&[u8]; 16] = [
    b"dimensions",
    b"user",
    b"output_dimensionality",
    b"outputDimensionality",
    b"input_type",
    b"task",
    b"task_type",
    b"taskType",
    b"truncate",
    b"truncation",
    b"embedding_type",
    b"embedding_types",
    b"late_chunking",
    b"normalized",
    b"normalize",
    b"title",
];

/// A member that is there and not `null`.
fn set<'a>(member: Option<&'a Member<'a>>) -> Option<&'a Member<'a>> {
    member.filter(|member| member.kind != Kind::Null)
}

fn openai(api: Api, body: &[u8], known: &Known<'_>, demand: &mut Demand) -> Result<(), BadRequest> {
    demand.service_tier = known.service_tier.map_or(Ok(None), |tier| string(body, "service_tier", tier))?;
    if let Some(modalities) = set(known.modalities) {
        // A word of the list; no other word of it holds this one.
        let listed = body.get(modalities.value.range()).unwrap_or_default();
        demand.audio_output = memchr::memmem::find(listed, b"audio").is_some() || listed.contains(&b'\\');
    }
    demand.prediction_bytes = set(known.prediction).map_or(0, |text| (text.value.end - text.value.start) as u64);
    if set(known.web_search_options).is_some() {
        demand.unpriced = Some("web_search_options");
    }
    if api == Api::Responses {
        demand.max_tool_calls = integer(body, "max_tool_calls", known.max_tool_calls)?;
        if flag(body, "background", known.background)? {
            demand.unpriced = Some("background"); // its usage is told to whoever asks for it later, not here
        }
        let kept = [
            ("previous_response_id", known.previous_response_id),
            ("conversation", known.conversation),
            ("prompt", known.prompt),
        ];
        if let Some((name, _)) = kept.into_iter().find(|(_, member)| set(*member).is_some()) {
            demand.unseen = Some(name.to_owned());
        }
    }
    Ok(())
}

fn anthropic(body: &[u8], known: &Known<'_>, demand: &mut Demand) -> Result<(), BadRequest> {
    demand.service_tier = known.service_tier.map_or(Ok(None), |tier| string(body, "service_tier", tier))?;
    if let Some(thinking) = set(known.thinking) {
        if thinking.kind != Kind::Object {
            return Err(wrong_kind("thinking", "an object", thinking));
        }
        let members = strict::members(body, thinking.value);
        let budget = members.iter().find(|member| *member.key == *b"budget_tokens");
        demand.thinking_budget = integer(body, "thinking.budget_tokens", budget)?;
    }
    if set(known.container).is_some() {
        demand.unseen.get_or_insert_with(|| "container".to_owned());
    }
    if set(known.mcp_servers).is_some_and(|servers| strict::elements(body, servers.value).0 > 0) {
        let kind = "mcp_servers".to_owned();
        demand.hosted.push(HostedTool { path: kind.clone(), kind, max_uses: None, sized_container: false });
    }
    let word = |param, member: Option<&Member<'_>>| member.map_or(Ok(None), |member| string(body, param, member));
    if word("speed", known.speed)?.is_some_and(|speed| speed != "standard") {
        demand.unpriced = Some("speed");
    }
    demand.regional = word("inference_geo", known.inference_geo)?.is_some_and(|geo| geo != "global");
    Ok(())
}

/// Sorts a tool of the provider's own: those that the client runs for it bring a definition, the others run there.
fn typed_tool(api: Api, body: &[u8], tool: &TypedTool, demand: &mut Demand) {
    let kind = strict::string(body, tool.kind);
    demand.built_in_tools = demand.built_in_tools.saturating_add(1);
    if runs_at_client(api, &kind) {
        return;
    }
    let mut path = strict::path_at(body, tool.kind.start);
    path.truncate(path.rfind('.').unwrap_or(path.len()));
    let TypedTool { max_uses, sized_container, .. } = *tool;
    demand.hosted.push(HostedTool { kind, path, max_uses, sized_container });
}

/// Built-in tools whose calls come back to the client as any function's do. Every other one is taken for hosted.
///
/// OpenAI: <https://platform.openai.com/docs/guides/tools>; Anthropic, where these are called client tools:
/// <https://platform.claude.com/docs/en/agents-and-tools/tool-use/tool-reference>.
fn runs_at_client(api: Api, kind: &str) -> bool {
    match api {
        Api::Messages | Api::CountTokens => {
            ["bash_", "text_editor_", "computer_", "memory_"].iter().any(|prefix| kind.starts_with(prefix))
        }
        Api::ChatCompletions | Api::Responses => {
            // A namespace holds nothing but functions and free-form tools.
            matches!(kind, "computer_use_preview" | "computer" | "local_shell" | "apply_patch" | "namespace")
        }
        _ => false, // that of generateContent have no types
    }
}

#[cfg(test)]
#[path = "demand_tests.rs"]
mod tests;
