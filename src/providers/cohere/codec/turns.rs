//! Instructions and turns as Cohere's messages.

use super::{reasons, tools};
use crate::{
    model::{Chat, Content, Message, Part, Reasoned, Role, Source, ToolCall, ToolResult},
    providers::openai::body::{Body, joined_texts},
};

/// Writes all messages.
pub(super) fn write(chat: &Chat, model: &str, body: &mut Body) {
    let told = chat.messages.iter().filter(|message| message.role == Role::System);
    let told = told.map(|message| joined_texts(&message.parts, "\n\n"));
    let told = told.chain(tools::instruction(chat).map(String::from)).filter(|text| !text.is_empty());
    let instructions = told.collect::<Vec<_>>().join("\n\n");
    if !instructions.is_empty() {
        body.object(|body| {
            body.member("role", &"system");
            body.member("content", &instructions);
        });
    }
    let turns: Vec<_> = chat.messages.iter().filter(|message| message.role != Role::System).collect();
    for run in turns.chunk_by(|one, next| one.role == next.role) {
        // Results follow the calls at once, whatever else the user says in a row.
        for part in run.iter().flat_map(|message| &message.parts) {
            if let Content::ToolResult(result) = &part.content {
                tool_result(result, body);
            }
        }
        for message in run {
            let is_user = message.role == Role::User;
            if !is_user {
                assistant(message, reasons(model), body);
            }
            // What a model painted can only be shown to it again by the user.
            user(message, is_user, body);
        }
    }
}

/// What of a turn the user says: pictures, and `texts`. A turn that says nothing is left out.
fn user(message: &Message, texts: bool, body: &mut Body) {
    let said = |part: &&Part| match &part.content {
        Content::Text(text) | Content::Refusal(text) => texts && !text.is_empty(),
        Content::Image { source: Source::Inline { .. } | Source::Url(_), .. } => true,
        _ => false,
    };
    let parts: Vec<_> = message.parts.iter().filter(said).collect();
    if parts.is_empty() {
        return;
    }
    body.object(|body| {
        body.member("role", &"user");
        match &*parts {
            [Part { content: Content::Text(text), .. }] => body.member("content", text),
            parts => body.key("content").array(|body| parts.iter().for_each(|part| piece(&part.content, body))),
        }
    });
}

fn piece(content: &Content, body: &mut Body) {
    match content {
        Content::Text(text) | Content::Refusal(text) => body.object(|body| {
            body.member("type", &"text");
            body.member("text", text);
        }),
        Content::Image { source, detail } => image(source, detail.as_deref(), body),
        Content::Document { .. }
        | Content::Audio { .. }
        | Content::Video { .. }
        | Content::ToolCall(_)
        | Content::ToolResult(_)
        | Content::Reasoning(_) => {}
    }
}

/// A picture (<https://docs.cohere.com/docs/image-inputs>).
fn image(source: &Source, detail: Option<&str>, body: &mut Body) {
    body.object(|body| {
        body.member("type", &"image_url");
        body.key("image_url").object(|body| {
            match source {
                Source::Inline { media_type, base64 } => body.key("url").data_url(media_type, base64),
                Source::Url(url) | Source::Text(url) | Source::File(url) => body.member("url", url),
            }
            body.maybe("detail", detail.filter(|word| knows_detail(word)).as_ref());
        });
    });
}

/// Whether Cohere has this word for the detail of a picture.
pub(super) fn knows_detail(word: &str) -> bool {
    matches!(word, "auto" | "low" | "high")
}

/// The texts of a result. That a tool failed is the one member of a document
/// (<https://docs.cohere.com/docs/tool-use-overview>).
fn tool_result(result: &ToolResult, body: &mut Body) {
    let text = joined_texts(&result.parts, "\n\n");
    body.object(|body| {
        body.member("role", &"tool");
        body.member("tool_call_id", &result.id);
        if !result.failed {
            return body.member("content", &text);
        }
        body.key("content").array(|body| {
            body.object(|body| {
                body.member("type", &"document");
                body.key("document").object(|body| {
                    body.key("data").object(|body| body.member("error", &text));
                });
            });
        });
    });
}

/// What the model said. Beside calls its text is their plan.
fn assistant(message: &Message, thinks: bool, body: &mut Body) {
    let (mut said, mut thoughts, mut calls) = (String::new(), String::new(), Vec::new());
    for part in &message.parts {
        match &part.content {
            Content::Text(text) | Content::Refusal(text) => said.push_str(text),
            // What another maker sealed is not for this one.
            Content::Reasoning(Reasoned { text, seal: None }) if thinks => thoughts.push_str(text),
            Content::ToolCall(call) => calls.push(call),
            Content::Image { .. }
            | Content::Document { .. }
            | Content::Audio { .. }
            | Content::Video { .. }
            | Content::ToolResult(_)
            | Content::Reasoning(_) => {}
        }
    }
    if said.is_empty() && thoughts.is_empty() && calls.is_empty() {
        return;
    }
    body.object(|body| {
        body.member("role", &"assistant");
        let spoken = if calls.is_empty() { &*said } else { "" };
        match (thoughts.is_empty(), spoken.is_empty()) {
            (true, true) => {}
            (true, false) => body.member("content", &spoken),
            (false, _) => body.key("content").array(|body| {
                body.object(|body| {
                    body.member("type", &"thinking");
                    body.member("thinking", &thoughts);
                });
                if !spoken.is_empty() {
                    body.object(|body| {
                        body.member("type", &"text");
                        body.member("text", &spoken);
                    });
                }
            }),
        }
        if !calls.is_empty() {
            body.maybe("tool_plan", Some(&said).filter(|said| !said.is_empty()));
            body.key("tool_calls").array(|body| calls.iter().for_each(|each| call(each, body)));
        }
    });
}

fn call(call: &ToolCall, body: &mut Body) {
    body.object(|body| {
        body.member("id", &call.id);
        body.member("type", &"function");
        body.key("function").object(|body| {
            body.member("name", &call.name);
            body.member("arguments", &if call.arguments.is_empty() { "{}" } else { &call.arguments });
        });
    });
}
