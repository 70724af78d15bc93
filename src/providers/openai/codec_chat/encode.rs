//! A conversation as a chat completion's request (<https://platform.openai.com/docs/api-reference/chat/create>).

use super::ChatCodec;
use crate::{
    model::{
        Chat, Content, Effort, Feature, Format, Message, Part, Reasoned, Role, Source, Tool, ToolCall, ToolChoice,
        ToolResult,
    },
    providers::{
        cap::CapField,
        codec::Goal,
        openai::body::{Body, document_text, effort, joined_texts, tier},
    },
};
use bytes::Bytes;

/// The body of the request.
pub(super) fn body(codec: &ChatCodec, chat: &Chat, to: &Goal<'_>) -> Bytes {
    let writer = Writer { codec, takes: |feature| codec.takes(feature) };
    let mut body = Body::with_room_for(chat);
    body.object(|body| {
        body.member("model", &to.model);
        body.key("messages").array(|body| {
            for message in &chat.messages {
                writer.message(message, body);
            }
        });
        if chat.stream {
            body.member("stream", &true);
            if codec.manner.asks_for_usage {
                body.key("stream_options").object(|body| body.member("include_usage", &true));
            }
        }
        body.maybe(cap_name(codec.cap), to.output_cap(chat).as_ref());
        writer.tools(chat, body);
        writer.sampling(chat, body);
        writer.shape(chat, to.model, body);
        writer.hints(chat, body);
    });
    body.into_bytes()
}

const fn cap_name(cap: CapField) -> &'static str {
    match cap {
        CapField::Older => "max_tokens",
        CapField::Newer => "max_completion_tokens",
        CapField::Responses => "max_output_tokens",
    }
}

struct Writer<'c, T> {
    codec: &'c ChatCodec,
    takes: T,
}

impl<T: Fn(Feature) -> bool> Writer<'_, T> {
    /// One turn, or several: each tool's result is a message of its own, and must follow the call at once.
    fn message(&self, message: &Message, body: &mut Body) {
        match message.role {
            Role::System => {
                let text = joined_texts(&message.parts, "\n\n");
                if !text.is_empty() {
                    body.object(|body| {
                        self.head("system", message, body);
                        body.member("content", &text);
                    });
                }
            }
            Role::User => {
                for part in &message.parts {
                    if let Content::ToolResult(result) = &part.content {
                        self.tool_result(result, body);
                    }
                }
                self.user(message, |content| !matches!(content, Content::ToolResult(_)), body);
            }
            Role::Assistant => {
                self.assistant(message, body);
                // What a model painted or said can only be shown to it again by the user.
                let media = |content: &Content| {
                    matches!(
                        content,
                        Content::Image { .. }
                            | Content::Document { .. }
                            | Content::Audio { .. }
                            | Content::Video { .. }
                    )
                };
                self.user(message, media, body);
            }
        }
    }

    fn head(&self, role: &str, message: &Message, body: &mut Body) {
        body.member("role", &role);
        if (self.takes)(Feature::ParticipantName) {
            body.maybe("name", message.name.as_ref());
        }
    }

    /// The parts of a turn that `which` picks, as the user's.
    fn user(&self, message: &Message, which: impl Fn(&Content) -> bool, body: &mut Body) {
        let parts: Vec<_> = message.parts.iter().filter(|part| which(&part.content)).collect();
        if parts.is_empty() {
            return;
        }
        body.object(|body| {
            self.head("user", message, body);
            match &*parts {
                [Part { content: Content::Text(text), .. }] => body.member("content", text),
                parts => body.key("content").array(|body| {
                    for part in parts {
                        self.part(&part.content, body);
                    }
                }),
            }
        });
    }

    fn part(&self, content: &Content, body: &mut Body) {
        match content {
            Content::Text(text) | Content::Refusal(text) => text_part(text, body),
            Content::Image { source, detail } => self.image(source, detail.as_deref(), body),
            Content::Document { source, name } => self.document(source, name.as_deref(), body),
            Content::Audio { source } => self.audio(source, body),
            Content::Video { source } => self.video(source, body),
            Content::ToolCall(_) | Content::ToolResult(_) | Content::Reasoning(_) => {}
        }
    }

    fn image(&self, source: &Source, detail: Option<&str>, body: &mut Body) {
        let detail = detail.filter(|_| (self.takes)(Feature::ImageDetail));
        let mut write = |url: &dyn Fn(&mut Body)| {
            body.object(|body| {
                body.member("type", &"image_url");
                body.key("image_url").object(|body| {
                    url(body.key("url"));
                    body.maybe("detail", detail.as_ref());
                });
            });
        };
        match source {
            Source::Inline { media_type, base64 } => write(&|body| body.data_url(media_type, base64)),
            Source::Url(url) => write(&|body| body.value(url)),
            Source::Text(_) | Source::File(_) => {}
        }
    }

    /// Files go up as a URL that holds them (<https://platform.openai.com/docs/guides/pdf-files>).
    fn document(&self, source: &Source, name: Option<&str>, body: &mut Body) {
        let inline = (self.takes)(Feature::DocumentInline);
        match source {
            Source::Text(text) if inline => text_part(&document_text(name, text), body),
            Source::Inline { media_type, base64 } if inline => body.object(|body| {
                body.member("type", &"file");
                body.key("file").object(|body| {
                    body.member("filename", &name.unwrap_or("document.pdf"));
                    body.key("file_data").data_url(media_type, base64);
                });
            }),
            Source::Url(url) if (self.takes)(Feature::DocumentUrl) => body.object(|body| {
                body.member("type", &"document_url");
                body.member("document_url", url);
                body.maybe("document_name", name.as_ref());
            }),
            Source::Text(_) | Source::Inline { .. } | Source::Url(_) | Source::File(_) => {}
        }
    }

    fn audio(&self, source: &Source, body: &mut Body) {
        let Source::Inline { media_type, base64 } = source else { return };
        body.object(|body| {
            body.member("type", &"input_audio");
            if self.codec.manner.bare_media {
                body.key("input_audio").base64(base64);
                return;
            }
            body.key("input_audio").object(|body| {
                body.key("data").base64(base64);
                body.member("format", &audio_format(media_type));
            });
        });
    }

    /// As vLLM and OpenRouter take it.
    fn video(&self, source: &Source, body: &mut Body) {
        let write = |body: &mut Body, url: &dyn Fn(&mut Body)| {
            body.object(|body| {
                body.member("type", &"video_url");
                body.key("video_url").object(|body| url(body.key("url")));
            });
        };
        match source {
            _ if !(self.takes)(Feature::VideoInput) => {}
            Source::Inline { media_type, base64 } => write(body, &|body| body.data_url(media_type, base64)),
            Source::Url(url) => write(body, &|body| body.value(url)),
            Source::Text(_) | Source::File(_) => {}
        }
    }

    /// The texts of a result; the API takes nothing else.
    fn tool_result(&self, result: &ToolResult, body: &mut Body) {
        body.object(|body| {
            body.member("role", &"tool");
            body.member("tool_call_id", &self.codec.manner.ids.fit(&result.id));
            body.member("content", &joined_texts(&result.parts, "\n\n"));
        });
    }

    /// What the model said; an empty turn is left out.
    fn assistant(&self, message: &Message, body: &mut Body) {
        let mut said = joined_texts(&message.parts, "");
        let refused = message.parts.iter().filter_map(|part| match &part.content {
            Content::Refusal(text) => Some(text.as_str()),
            _ => None,
        });
        let mut refused: String = refused.collect();
        let calls = message.parts.iter().filter_map(|part| match &part.content {
            Content::ToolCall(call) => Some(call),
            _ => None,
        });
        let calls: Vec<_> = calls.collect();
        if !self.codec.manner.refusal_parts {
            said.push_str(&std::mem::take(&mut refused));
        }
        if said.is_empty() && refused.is_empty() && calls.is_empty() {
            return;
        }
        body.object(|body| {
            self.head("assistant", message, body);
            match (said.is_empty(), refused.is_empty()) {
                (false, true) => body.member("content", &said),
                (true, true) => body.member("content", &()),
                (_, false) => body.key("content").array(|body| {
                    if !said.is_empty() {
                        text_part(&said, body);
                    }
                    body.object(|body| {
                        body.member("type", &"refusal");
                        body.member("refusal", &refused);
                    });
                }),
            }
            self.thoughts(message, body);
            if !calls.is_empty() {
                body.key("tool_calls").array(|body| calls.iter().for_each(|call| self.call(call, body)));
            }
        });
    }

    /// Earlier thoughts, as DeepSeek and vLLM name them (<https://api-docs.deepseek.com/guides/thinking_mode>).
    fn thoughts(&self, message: &Message, body: &mut Body) {
        if !(self.takes)(Feature::PlainReasoning) {
            return;
        }
        let thoughts = message.parts.iter().filter_map(|part| match &part.content {
            // What another maker sealed is not for this one.
            Content::Reasoning(Reasoned { text, seal: None }) => Some(text.as_str()),
            _ => None,
        });
        let thoughts: String = thoughts.collect();
        if !thoughts.is_empty() {
            body.member("reasoning_content", &thoughts);
        }
    }

    fn call(&self, call: &ToolCall, body: &mut Body) {
        body.object(|body| {
            body.member("id", &self.codec.manner.ids.fit(&call.id));
            body.member("type", &"function");
            body.key("function").object(|body| {
                body.member("name", &call.name);
                body.member("arguments", &if call.arguments.is_empty() { "{}" } else { &call.arguments });
            });
        });
    }

    fn tools(&self, chat: &Chat, body: &mut Body) {
        // Both choices are refused without tools.
        if chat.tools.is_empty() {
            return;
        }
        body.key("tools").array(|body| chat.tools.iter().for_each(|tool| self.tool(tool, body)));
        match &chat.tool_choice {
            None => {}
            Some(ToolChoice::Auto) => body.member("tool_choice", &"auto"),
            Some(ToolChoice::None) => body.member("tool_choice", &"none"),
            Some(ToolChoice::Required) => body.member("tool_choice", &"required"),
            Some(ToolChoice::Named(name)) => body.key("tool_choice").object(|body| {
                body.member("type", &"function");
                body.key("function").object(|body| body.member("name", name));
            }),
        }
        body.maybe("parallel_tool_calls", chat.parallel_tool_calls.as_ref());
    }

    fn tool(&self, tool: &Tool, body: &mut Body) {
        body.object(|body| {
            body.member("type", &"function");
            body.key("function").object(|body| {
                body.member("name", &tool.name);
                body.maybe("description", tool.description.as_ref());
                body.maybe("parameters", tool.parameters.as_ref());
                if (self.takes)(Feature::StrictTool) {
                    body.maybe("strict", tool.strict.as_ref());
                }
            });
        });
    }

    fn sampling(&self, chat: &Chat, body: &mut Body) {
        let sampling = &chat.sampling;
        body.number("temperature", sampling.temperature);
        body.number("top_p", sampling.top_p);
        if (self.takes)(Feature::Penalties) {
            body.number("frequency_penalty", sampling.frequency_penalty);
            body.number("presence_penalty", sampling.presence_penalty);
        }
        body.maybe(self.codec.manner.seed, sampling.seed.as_ref());
        if (self.takes)(Feature::LogitBias) {
            body.maybe("logit_bias", sampling.logit_bias.as_ref());
        }
        let stops = chat.stop.get(..self.codec.manner.most_stops).unwrap_or(&chat.stop);
        if !stops.is_empty() {
            body.member("stop", &stops);
        }
    }

    fn shape(&self, chat: &Chat, model: &str, body: &mut Body) {
        match &chat.format {
            Format::Text => {}
            Format::Json => body.key("response_format").object(|body| body.member("type", &"json_object")),
            Format::Schema { name, description, schema, strict } => body.key("response_format").object(|body| {
                body.member("type", &"json_schema");
                body.key("json_schema").object(|body| {
                    body.member("name", &if name.is_empty() { "answer" } else { name });
                    body.maybe("description", description.as_ref());
                    body.member("schema", schema);
                    body.maybe("strict", strict.as_ref());
                });
            }),
        }
        if let Some(alternatives) = chat.logprobs.filter(|_| (self.takes)(Feature::Logprobs)) {
            body.member("logprobs", &true);
            body.maybe("top_logprobs", Some(alternatives).filter(|count| *count > 0).as_ref());
        }
        if chat.choices > 1 {
            body.member("n", &chat.choices);
        }
        if let Some(effort) = effort(&chat.thinking, model) {
            body.maybe("reasoning_effort", self.lowered(effort).map(Effort::name).as_ref());
        }
    }

    /// The word for `effort` that the server knows: itself, or the next lower one; the least one for what is below.
    fn lowered(&self, effort: Effort) -> Option<Effort> {
        let known = self.codec.manner.efforts.iter().copied();
        // "None" is no little of it.
        let some = known.filter(|word| (*word == Effort::None) == (effort == Effort::None));
        some.clone().rfind(|word| *word <= effort).or_else(|| some.min())
    }

    fn hints(&self, chat: &Chat, body: &mut Body) {
        let takes = &self.takes;
        if let Some(tier) = chat.service_tier.as_deref().and_then(tier).filter(|_| takes(Feature::ServiceTier)) {
            body.member("service_tier", &tier);
        }
        body.maybe("user", chat.user.as_ref().filter(|_| takes(Feature::User)));
        body.maybe("verbosity", chat.verbosity.as_ref().filter(|_| takes(Feature::Verbosity)));
        body.maybe("prompt_cache_key", chat.cache_key.as_ref().filter(|_| takes(Feature::CacheKey)));
        if !chat.metadata.is_empty() && takes(Feature::Metadata) {
            body.key("metadata").object(|body| {
                for (name, value) in &chat.metadata {
                    body.member(name, value);
                }
            });
        }
    }
}

fn text_part(text: &str, body: &mut Body) {
    body.object(|body| {
        body.member("type", &"text");
        body.member("text", &text);
    });
}

/// `audio/mpeg` is `mp3`; of others the name behind the slash.
fn audio_format(media_type: &str) -> &str {
    match media_type.rsplit('/').next().unwrap_or("wav") {
        "mpeg" | "mp3" | "mpga" => "mp3",
        "wav" | "x-wav" | "wave" | "vnd.wave" => "wav",
        other => other,
    }
}
