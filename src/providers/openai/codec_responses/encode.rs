//! A conversation as a response's request (<https://platform.openai.com/docs/api-reference/responses/create>).

use crate::{
    model::{
        Chat, Content, Effort, Format, Message, Part, Reasoned, Role, Source, Thinking, Tool, ToolCall, ToolChoice,
        ToolResult,
    },
    providers::{
        codec::Goal,
        openai::{
            body::{Body, document_text, effort, joined_texts, reasons, tier},
            call_id::Ids,
        },
    },
};
use bytes::Bytes;

/// A lower cap is refused (<https://github.com/vectorize-io/hindsight/issues/58>: "Expected a value >= 16").
pub(super) const LEAST_CAP: u64 = 16;

/// The body of the request. Nothing is kept at the provider, so that thoughts travel sealed.
pub(super) fn body(chat: &Chat, to: &Goal<'_>) -> Bytes {
    // Instructions that stand apart come first; later ones keep their place among the turns.
    // Where there are no others they are the input, which may not be empty.
    let turns = chat.messages.iter().position(|message| message.role != Role::System).unwrap_or_default();
    let (first, rest) = chat.messages.split_at(turns);
    let instructions = first.iter().map(|message| joined_texts(&message.parts, "\n\n")).filter(|text| !text.is_empty());
    let instructions: Vec<_> = instructions.collect();
    let mut body = Body::with_room_for(chat);
    body.object(|body| {
        body.member("model", &to.model);
        if !instructions.is_empty() {
            body.member("instructions", &instructions.join("\n\n"));
        }
        body.key("input").array(|body| rest.iter().for_each(|message| turn(message, body)));
        body.member("store", &false);
        if chat.stream {
            body.member("stream", &true);
        }
        body.maybe("max_output_tokens", to.output_cap(chat).map(|cap| cap.max(LEAST_CAP)).as_ref());
        tools(chat, body);
        body.number("temperature", chat.sampling.temperature);
        body.number("top_p", chat.sampling.top_p);
        text(chat, body);
        thinking(chat, to.model, body);
        hints(chat, body);
    });
    body.into_bytes()
}

/// One turn: items of its own are its calls, results and thoughts; what stands between them is a message.
fn turn(message: &Message, body: &mut Body) {
    let mut parts: Vec<&Part> = Vec::new();
    for part in &message.parts {
        match &part.content {
            Content::ToolCall(call) => {
                flush(message.role, &mut parts, body);
                tool_call(call, body);
            }
            Content::ToolResult(result) => {
                flush(message.role, &mut parts, body);
                tool_result(result, body);
            }
            Content::Reasoning(thought) => {
                flush(message.role, &mut parts, body);
                reasoning(thought, body);
            }
            _ => parts.push(part),
        }
    }
    flush(message.role, &mut parts, body);
}

/// Writes the parts collected so far as a message.
fn flush(role: Role, parts: &mut Vec<&Part>, body: &mut Body) {
    let of_the_model = |part: &&Part| matches!(part.content, Content::Text(_) | Content::Refusal(_));
    let parts = std::mem::take(parts);
    if role != Role::Assistant {
        return said(if role == Role::System { "system" } else { "user" }, &parts, body);
    }
    // What a model painted can only be shown to it again by the user.
    let (words, media): (Vec<_>, Vec<_>) = parts.into_iter().partition(of_the_model);
    said("assistant", &words, body);
    said("user", &media, body);
}

fn said(role: &str, parts: &[&Part], body: &mut Body) {
    if parts.is_empty() {
        return;
    }
    body.object(|body| {
        body.member("type", &"message");
        body.member("role", &role);
        match parts {
            [Part { content: Content::Text(text), .. }] => body.member("content", text),
            _ => body.key("content").array(|body| {
                for part in parts {
                    self::part(&part.content, role == "assistant", body);
                }
            }),
        }
    });
}

fn part(content: &Content, of_the_model: bool, body: &mut Body) {
    match content {
        Content::Text(text) => text_part(if of_the_model { "output_text" } else { "input_text" }, text, body),
        Content::Refusal(text) if of_the_model => body.object(|body| {
            body.member("type", &"refusal");
            body.member("refusal", text);
        }),
        Content::Refusal(text) => text_part("input_text", text, body),
        Content::Image { source, detail } => image(source, detail.as_deref(), body),
        Content::Document { source, name } => document(source, name.as_deref(), body),
        Content::Audio { .. }
        | Content::Video { .. }
        | Content::ToolCall(_)
        | Content::ToolResult(_)
        | Content::Reasoning(_) => {}
    }
}

fn text_part(kind: &str, text: &str, body: &mut Body) {
    body.object(|body| {
        body.member("type", &kind);
        body.member("text", &text);
    });
}

/// `detail` is required here (<https://platform.openai.com/docs/guides/images-vision>).
fn image(source: &Source, detail: Option<&str>, body: &mut Body) {
    if matches!(source, Source::Text(_) | Source::File(_)) {
        return;
    }
    body.object(|body| {
        body.member("type", &"input_image");
        match source {
            Source::Inline { media_type, base64 } => body.key("image_url").data_url(media_type, base64),
            Source::Url(url) => body.member("image_url", url),
            Source::Text(_) | Source::File(_) => {}
        }
        body.member("detail", &detail.unwrap_or("auto"));
    });
}

/// Files: in the request, or by their address (<https://platform.openai.com/docs/guides/pdf-files?api-mode=responses>).
fn document(source: &Source, name: Option<&str>, body: &mut Body) {
    match source {
        Source::Text(text) => text_part("input_text", &document_text(name, text), body),
        Source::Inline { media_type, base64 } => body.object(|body| {
            body.member("type", &"input_file");
            body.member("filename", &name.unwrap_or("document.pdf"));
            body.key("file_data").data_url(media_type, base64);
        }),
        Source::Url(url) => body.object(|body| {
            body.member("type", &"input_file");
            body.member("file_url", url);
        }),
        Source::File(_) => {}
    }
}

fn tool_call(call: &ToolCall, body: &mut Body) {
    body.object(|body| {
        body.member("type", &"function_call");
        body.member("call_id", &Ids::RESPONSES.fit(&call.id));
        body.member("name", &call.name);
        body.member("arguments", &if call.arguments.is_empty() { "{}" } else { &call.arguments });
    });
}

/// A text, or the parts of a result that has others (<https://platform.openai.com/docs/guides/function-calling>).
fn tool_result(result: &ToolResult, body: &mut Body) {
    let plain = result.parts.iter().all(|part| matches!(part.content, Content::Text(_)));
    body.object(|body| {
        body.member("type", &"function_call_output");
        body.member("call_id", &Ids::RESPONSES.fit(&result.id));
        if plain {
            return body.member("output", &joined_texts(&result.parts, "\n\n"));
        }
        body.key("output").array(|body| result.parts.iter().for_each(|inner| part(&inner.content, false, body)));
    });
}

/// A thought that OpenAI sealed; others mean nothing to it. Without `store` it is known by its seal, not by an id.
fn reasoning(thought: &Reasoned, body: &mut Body) {
    let Some(seal) = thought.seal.as_ref().filter(|seal| seal.maker == "openai") else { return };
    body.object(|body| {
        body.member("type", &"reasoning");
        body.key("summary").array(|body| {
            if !thought.text.is_empty() {
                text_part("summary_text", &thought.text, body);
            }
        });
        body.member("encrypted_content", &seal.data);
    });
}

fn tools(chat: &Chat, body: &mut Body) {
    if chat.tools.is_empty() {
        return;
    }
    body.key("tools").array(|body| chat.tools.iter().for_each(|tool| self::tool(tool, body)));
    match &chat.tool_choice {
        None => {}
        Some(ToolChoice::Auto) => body.member("tool_choice", &"auto"),
        Some(ToolChoice::None) => body.member("tool_choice", &"none"),
        Some(ToolChoice::Required) => body.member("tool_choice", &"required"),
        Some(ToolChoice::Named(name)) => body.key("tool_choice").object(|body| {
            body.member("type", &"function");
            body.member("name", name);
        }),
    }
    body.maybe("parallel_tool_calls", chat.parallel_tool_calls.as_ref());
}

/// Both `parameters` and `strict` are required, and strict is what holds if it is not said
/// (<https://platform.openai.com/docs/guides/migrate-to-responses>): other APIs mean the opposite.
fn tool(tool: &Tool, body: &mut Body) {
    body.object(|body| {
        body.member("type", &"function");
        body.member("name", &tool.name);
        body.maybe("description", tool.description.as_ref());
        match &tool.parameters {
            Some(parameters) => body.member("parameters", parameters),
            None => body.key("parameters").object(|body| {
                body.member("type", &"object");
                body.key("properties").object(|_| {});
            }),
        }
        body.member("strict", &tool.strict.unwrap_or(false));
    });
}

fn text(chat: &Chat, body: &mut Body) {
    if chat.format == Format::Text && chat.verbosity.is_none() {
        return;
    }
    body.key("text").object(|body| {
        match &chat.format {
            Format::Text => {}
            Format::Json => body.key("format").object(|body| body.member("type", &"json_object")),
            Format::Schema { name, description, schema, strict } => body.key("format").object(|body| {
                body.member("type", &"json_schema");
                body.member("name", &if name.is_empty() { "answer" } else { name });
                body.maybe("description", description.as_ref());
                body.member("schema", schema);
                body.maybe("strict", strict.as_ref());
            }),
        }
        body.maybe("verbosity", chat.verbosity.as_ref());
    });
}

/// The words for effort and summary. A summary is asked for only if it is to be shown: some accounts may not have it.
pub(super) fn reasoned(thinking: &Thinking, model: &str) -> (Option<&'static str>, Option<&'static str>) {
    // `max` is newer than most models.
    let effort = effort(thinking, model).map(|effort| effort.min(Effort::XHigh).name());
    (effort, (thinking.shown == Some(true) && thinking.is_on() && reasons(model)).then_some("auto"))
}

/// Effort and summary, and what must be asked for apart.
fn thinking(chat: &Chat, model: &str, body: &mut Body) {
    let (effort, summary) = reasoned(&chat.thinking, model);
    if effort.is_some() || summary.is_some() {
        body.key("reasoning").object(|body| {
            body.maybe("effort", effort.as_ref());
            body.maybe("summary", summary.as_ref());
        });
    }
    let thoughts = (chat.thinking.is_on() && reasons(model)).then_some("reasoning.encrypted_content");
    let logprobs = chat.logprobs.map(|_| "message.output_text.logprobs");
    let include: Vec<_> = [thoughts, logprobs].into_iter().flatten().collect();
    if !include.is_empty() {
        body.member("include", &include);
    }
    body.maybe("top_logprobs", chat.logprobs.filter(|count| *count > 0).as_ref());
}

fn hints(chat: &Chat, body: &mut Body) {
    body.maybe("service_tier", chat.service_tier.as_deref().and_then(tier).as_ref());
    body.maybe("user", chat.user.as_ref());
    body.maybe("prompt_cache_key", chat.cache_key.as_ref());
    if !chat.metadata.is_empty() {
        body.key("metadata").object(|body| {
            for (name, value) in &chat.metadata {
                body.member(name, value);
            }
        });
    }
}
