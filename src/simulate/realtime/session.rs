//! What a session knows, and what it says to a client's events.

use super::playing::{Asked, Out, play};
use crate::simulate::{knobs::Knobs, question::Words, thinking::now};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

/// One session.
pub(super) struct Session {
    pub number: u64,
    pub model: String,
    pub beta: bool,
    pub knobs: Arc<Knobs>,
    /// As clients set it.
    pub config: Value,
    /// The conversation, oldest first.
    pub items: Vec<Value>,
    /// Bytes of sound that were sent and not committed.
    buffered: u64,
    /// Milliseconds of sound in the conversation.
    pub heard_ms: u64,
    /// Events and items so far.
    counted: u64,
    /// Responses so far.
    pub responses: u64,
}

/// Bytes of a millisecond: 24 kHz, 16 bits.
const BYTES_PER_MS: u64 = 48;

/// Shortest sound that can be committed, in milliseconds.
const SHORTEST_MS: u64 = 100;

impl Session {
    pub fn new(number: u64, model: String, beta: bool, knobs: Arc<Knobs>) -> Self {
        let config = if beta {
            json!({"modalities": ["text", "audio"], "voice": "alloy", "instructions": "", "tools": [], "tool_choice": "auto"})
        } else {
            let sound = json!({"type": "audio/pcm", "rate": 24_000});
            let audio = json!({
                "input": {"format": sound, "transcription": null, "turn_detection": {"type": "server_vad"}},
                "output": {"format": sound, "voice": "alloy", "speed": 1.0},
            });
            json!({
                "type": "realtime", "output_modalities": ["audio"], "audio": audio, "instructions": "", "tools": [],
                "tool_choice": "auto", "max_output_tokens": "inf",
            })
        };
        Self {
            number,
            model,
            beta,
            knobs,
            config,
            items: Vec::new(),
            buffered: 0,
            heard_ms: 0,
            counted: 0,
            responses: 0,
        }
    }

    /// Whether usage is told.
    pub fn reports(&self) -> bool {
        !self.knobs.no_usage
    }

    /// A new id.
    pub fn id(&mut self, kind: &str) -> String {
        self.counted = self.counted.saturating_add(1);
        format!("{kind}_sim{:06x}{:06x}", self.number, self.counted)
    }

    /// An event of this kind with these members.
    pub fn event(&mut self, kind: &str, mut members: Value) -> Value {
        members["type"] = json!(kind);
        members["event_id"] = json!(self.id("event"));
        members
    }

    pub fn say(&mut self, kind: &str, members: Value) -> Out {
        Out::now(self.event(kind, members))
    }

    /// The first event.
    pub fn created(&mut self) -> Out {
        let session = self.shown();
        self.say("session.created", json!({"session": session}))
    }

    pub fn error(&mut self, code: &str, message: &str, of: Option<&Value>) -> Out {
        let error = json!({
            "type": "invalid_request_error",
            "code": code,
            "message": message,
            "param": null,
            "event_id": of.and_then(|event| event.get("event_id")),
        });
        self.say("error", json!({"error": error}))
    }

    fn shown(&self) -> Value {
        let mut shown = self.config.clone();
        shown["id"] = json!(format!("sess_sim{:012x}", self.number));
        shown["object"] = json!("realtime.session");
        shown["model"] = json!(self.model);
        shown["expires_at"] = json!(now().saturating_add(1800));
        shown
    }

    /// Takes a client's event; what is to be said comes behind what is in the queue.
    pub fn hear(&mut self, text: &str, queue: &mut VecDeque<Out>) {
        let Ok(event) = serde_json::from_str::<Value>(text) else {
            let error = self.error("invalid_json", "The event is no JSON.", None);
            return queue.push_back(error);
        };
        let said = match event.get("type").and_then(Value::as_str).unwrap_or_default() {
            "session.update" => vec![self.update(&event)],
            "input_audio_buffer.append" => self.append(&event),
            "input_audio_buffer.commit" => self.commit(&event),
            "input_audio_buffer.clear" => {
                self.buffered = 0;
                vec![self.say("input_audio_buffer.cleared", json!({}))]
            }
            "conversation.item.create" => self.create(&event),
            "conversation.item.retrieve" => vec![self.with_item(&event, "conversation.item.retrieved", false)],
            "conversation.item.delete" => vec![self.with_item(&event, "conversation.item.deleted", true)],
            "conversation.item.truncate" => {
                let of = |name: &str| event.get(name).cloned().unwrap_or_default();
                let (item, content, end) = (of("item_id"), of("content_index"), of("audio_end_ms"));
                let members = json!({"item_id": item, "content_index": content, "audio_end_ms": end});
                vec![self.say("conversation.item.truncated", members)]
            }
            "response.create" if queue.iter().any(Out::of_a_response) => {
                let told = "Conversation already has an active response in progress.";
                vec![self.error("conversation_already_has_active_response", told, Some(&event))]
            }
            "response.create" => match Asked::of(self, event.get("response").unwrap_or(&Value::Null)) {
                Ok(asked) => play(self, &asked),
                Err(told) => vec![self.error("invalid_value", &told, Some(&event))],
            },
            "response.cancel" => self.cancel(&event, queue),
            other => {
                let told = format!("Invalid value: '{other}'. It is the type of no event.");
                vec![self.error("invalid_value", &told, Some(&event))]
            }
        };
        queue.extend(said);
    }

    fn update(&mut self, event: &Value) -> Out {
        let Some(wanted) = event.get("session").and_then(Value::as_object) else {
            return self.error("missing_required_parameter", "Missing required parameter: 'session'.", Some(event));
        };
        if !self.beta && wanted.get("type") != Some(&json!("realtime")) {
            return self.error(
                "missing_required_parameter",
                "Missing required parameter: 'session.type'.",
                Some(event),
            );
        }
        let old: &[&str] =
            if self.beta { &[] } else { &["modalities", "voice", "input_audio_format", "output_audio_format"] };
        if let Some(name) = old.iter().find(|name| wanted.contains_key(**name)) {
            let told = format!("Unknown parameter: 'session.{name}'.");
            return self.error("unknown_parameter", &told, Some(event));
        }
        merge(&mut self.config, event.get("session").unwrap_or(&Value::Null));
        let session = self.shown();
        self.say("session.updated", json!({"session": session}))
    }

    fn append(&mut self, event: &Value) -> Vec<Out> {
        let sound = event.get("audio").and_then(Value::as_str).and_then(|audio| STANDARD.decode(audio).ok());
        match sound {
            Some(sound) => {
                self.buffered = self.buffered.saturating_add(sound.len() as u64);
                Vec::new()
            }
            None => vec![self.error("invalid_value", "Invalid 'audio': it is sound in base64.", Some(event))],
        }
    }

    fn commit(&mut self, event: &Value) -> Vec<Out> {
        let length = std::mem::take(&mut self.buffered) / BYTES_PER_MS;
        if length < SHORTEST_MS {
            let told = format!(
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer only has {length}ms of audio."
            );
            return vec![self.error("input_audio_buffer_commit_empty", &told, Some(event))];
        }
        self.heard_ms = self.heard_ms.saturating_add(length);
        let (id, before) = (self.id("item"), self.last_item());
        let content = json!([{"type": "input_audio", "transcript": null}]);
        let item = json!({
            "id": id, "type": "message", "object": "realtime.item", "status": "completed", "role": "user",
            "content": content,
        });
        let members = json!({"item_id": id, "previous_item_id": before});
        let mut said = vec![self.say("input_audio_buffer.committed", members)];
        said.extend(self.keep(item, &before));
        let wanted = ["/audio/input/transcription", "/input_audio_transcription"];
        let wanted = wanted.iter().filter_map(|at| self.config.pointer(at)).find(|it| it.is_object()).cloned();
        if let Some(wanted) = wanted {
            said.extend(self.transcribe(&id, &wanted, length));
        }
        said
    }

    /// What was said, by a second model.
    fn transcribe(&mut self, id: &str, by: &Value, length: u64) -> Vec<Out> {
        const HEARD: &str = "please weigh this";
        let at = json!({"item_id": id, "content_index": 0});
        let mut delta = at.clone();
        delta["delta"] = json!(HEARD);
        let mut done = at;
        done["transcript"] = json!(HEARD);
        let by_time = by.get("model").and_then(Value::as_str).unwrap_or("whisper-1").starts_with("whisper");
        let audio = length.div_ceil(100);
        done["usage"] = if by_time {
            json!({"type": "duration", "seconds": length.div_ceil(1000)})
        } else {
            let details = json!({"audio_tokens": audio, "text_tokens": 0});
            json!({"type": "tokens", "input_tokens": audio, "input_token_details": details, "output_tokens": 4, "total_tokens": audio + 4})
        };
        vec![
            self.say("conversation.item.input_audio_transcription.delta", delta),
            self.say("conversation.item.input_audio_transcription.completed", done),
        ]
    }

    fn create(&mut self, event: &Value) -> Vec<Out> {
        let Some(mut item) = event.get("item").filter(|item| item.get("type").is_some()).cloned() else {
            return vec![self.error(
                "missing_required_parameter",
                "Missing required parameter: 'item.type'.",
                Some(event),
            )];
        };
        if item.get("id").is_none_or(Value::is_null) {
            item["id"] = json!(self.id("item"));
        }
        item["object"] = json!("realtime.item");
        item["status"] = json!("completed");
        let before = self.last_item();
        self.keep(item, &before)
    }

    /// Takes an item into the conversation.
    pub fn keep(&mut self, item: Value, before: &Value) -> Vec<Out> {
        self.items.push(item.clone());
        let members = json!({"item": item, "previous_item_id": before});
        if self.beta {
            return vec![self.say("conversation.item.created", members)];
        }
        vec![self.say("conversation.item.added", members.clone()), self.say("conversation.item.done", members)]
    }

    /// The id of the last item, if any.
    pub fn last_item(&self) -> Value {
        self.items.last().and_then(|item| item.get("id")).cloned().unwrap_or_default()
    }

    fn with_item(&mut self, event: &Value, kind: &str, remove: bool) -> Out {
        let id = event.get("item_id").cloned().unwrap_or_default();
        let Some(at) = self.items.iter().position(|item| item.get("id") == Some(&id)) else {
            let told = format!("Error finding item: the item with id {id} does not exist.");
            return self.error("item_not_found", &told, Some(event));
        };
        if remove {
            self.items.remove(at);
            return self.say(kind, json!({"item_id": id}));
        }
        let item = self.items.get(at).cloned().unwrap_or_default();
        self.say(kind, json!({"item": item}))
    }

    /// What is left of the response is not said, but that it ended.
    fn cancel(&mut self, event: &Value, queue: &mut VecDeque<Out>) -> Vec<Out> {
        let done = queue.iter().position(|out| out.kind() == Some("response.done"));
        let Some(mut done) = done.and_then(|at| queue.remove(at)) else {
            return vec![self.error(
                "response_cancel_not_active",
                "Cancellation failed: no active response found.",
                Some(event),
            )];
        };
        queue.retain(|out| !out.of_a_response());
        if let Out::Say { event, wait, .. } = &mut done {
            *wait = std::time::Duration::ZERO;
            event["response"]["status"] = json!("cancelled");
            event["response"]["status_details"] = json!({"type": "cancelled", "reason": "client_cancelled"});
        }
        vec![done]
    }

    /// The text that the model reads.
    pub fn words(&self) -> Words {
        let text = json!(self.items).to_string();
        let mut words: Words = serde_json::from_str(&text).unwrap_or_default();
        let instructions = self.config.get("instructions").and_then(Value::as_str).unwrap_or_default();
        words.chars = words.chars.saturating_add(instructions.chars().count() as u64);
        words
    }
}

/// Members of `more` over those of `all`, object by object.
fn merge(all: &mut Value, more: &Value) {
    match (all, more) {
        (Value::Object(all), Value::Object(more)) => {
            for (name, value) in more {
                merge(all.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (all, more) => *all = more.clone(),
    }
}
