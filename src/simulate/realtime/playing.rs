//! A response: what is asked for, and the events that it is told in.

use super::session::Session;
use crate::simulate::{
    answer::{Billed, ToolCall, words},
    question::tokens_of,
    refusal::Refusal,
    sound::hum,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::time::Duration;

/// Something that a session does.
pub(super) enum Out {
    Say {
        event: Value,
        /// After what was done before.
        wait: Duration,
        /// What it cost, where the event says so.
        billed: Option<Billed>,
    },
    Cut,
    Stall,
}

impl Out {
    pub const fn now(event: Value) -> Self {
        Self::Say { event, wait: Duration::ZERO, billed: None }
    }

    pub const fn wait(&self) -> Duration {
        match self {
            Self::Say { wait, .. } => *wait,
            Self::Cut | Self::Stall => Duration::ZERO,
        }
    }

    pub fn kind(&self) -> Option<&str> {
        match self {
            Self::Say { event, .. } => event.get("type").and_then(Value::as_str),
            Self::Cut | Self::Stall => None,
        }
    }

    /// Whether a response goes on as long as this is not done.
    pub fn of_a_response(&self) -> bool {
        self.kind().is_none_or(|kind| kind.starts_with("response."))
    }
}

/// A response that is asked for.
pub(super) struct Asked {
    audio: bool,
    call: Option<ToolCall>,
    /// Whether the answer becomes a part of the conversation.
    kept: bool,
    metadata: Value,
    cap: u32,
    extra: u64,
}

impl Asked {
    /// # Errors
    ///
    /// What is wrong, for the client.
    pub fn of(session: &Session, wanted: &Value) -> Result<Self, String> {
        let name = if session.beta { "modalities" } else { "output_modalities" };
        if !session.beta && wanted.get("modalities").is_some() {
            return Err("Unknown parameter: 'response.modalities'.".to_owned());
        }
        let of = |name: &str| wanted.get(name).or_else(|| session.config.get(name)).cloned().unwrap_or_default();
        let modalities = of(name);
        let modalities: Vec<&str> = modalities.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if !session.beta && modalities.len() != 1 {
            return Err(format!("Invalid modalities: {modalities:?}. They are ['text'] or ['audio']."));
        }
        let tools = of("tools");
        let choice = of("tool_choice");
        let named = choice.get("name").and_then(Value::as_str);
        let forced = choice == "required" || named.is_some();
        let mut functions =
            tools.as_array().into_iter().flatten().filter(|tool| tool.get("type") == Some(&json!("function")));
        let tool = functions.find(|tool| named.is_none_or(|named| tool.get("name") == Some(&json!(named))));
        let asked = (forced || session.words().asks_for_tool) && choice != "none";
        let call = tool
            .filter(|_| asked)
            .and_then(|tool| Some(ToolCall::of(tool.get("name")?.as_str()?, tool.get("parameters"))));
        let cap = of("max_output_tokens").as_u64().map_or(u32::MAX, |cap| u32::try_from(cap).unwrap_or(u32::MAX));
        let extra = wanted.get("instructions").and_then(Value::as_str).unwrap_or_default().chars().count() as u64;
        Ok(Self {
            audio: modalities.contains(&"audio"),
            call,
            kept: wanted.get("conversation") != Some(&json!("none")),
            metadata: wanted.get("metadata").cloned().unwrap_or_default(),
            cap,
            extra,
        })
    }
}

/// The pieces of an answer: the names of their events, and what is in them.
struct Track {
    item: String,
    response: String,
    part: &'static str,
    pieces: Vec<String>,
    text: String,
}

/// All events of a response, with faults where the knobs put them.
pub(super) fn play(session: &mut Session, asked: &Asked) -> Vec<Out> {
    session.responses = session.responses.saturating_add(1);
    let (response, item, before) = (session.id("resp"), session.id("item"), session.last_item());
    let track = Track::of(session, asked, response, item);
    let billed = bill(session, asked, track.pieces.len() as u64);
    let begun = track.shown(asked, "in_progress", &[], Value::Null);
    let mut out = vec![session.say("response.created", json!({"response": begun}))];
    let open = track.item(asked, "in_progress", false);
    let at = json!({"response_id": track.response, "output_index": 0, "item": open});
    out.push(session.say("response.output_item.added", at));
    if asked.kept {
        let members = json!({"item": open, "previous_item_id": before});
        let kind = if session.beta { "conversation.item.created" } else { "conversation.item.added" };
        out.push(session.say(kind, members));
    }
    if asked.call.is_none() {
        let mut part = track.at();
        part["part"] = json!({"type": track.part, if asked.audio { "transcript" } else { "text" }: ""});
        out.push(session.say("response.content_part.added", part));
    }
    let whole = deltas(session, asked, &track, &mut out);
    let item = track.item(asked, "completed", true);
    if whole {
        ends(session, asked, &track, &mut out);
        if asked.kept {
            session.items.push(item.clone());
            if !session.beta {
                out.push(session.say("conversation.item.done", json!({"item": item, "previous_item_id": before})));
            }
        }
        let at = json!({"response_id": track.response, "output_index": 0, "item": item});
        out.push(session.say("response.output_item.done", at));
    } else if out.last().is_some_and(|out| matches!(out, Out::Cut | Out::Stall)) {
        return out;
    }
    let usage = if session.reports() { usage(&billed) } else { Value::Null };
    let status = if whole { "completed" } else { "failed" };
    let output = if whole { vec![item] } else { Vec::new() };
    let done = track.shown(asked, status, &output, usage);
    let event = session.event("response.done", json!({"response": done}));
    out.push(Out::Say { event, wait: Duration::ZERO, billed: Some(billed) });
    out
}

/// The pieces, at the pace of the knobs; whether all of them are there.
fn deltas(session: &mut Session, asked: &Asked, track: &Track, out: &mut Vec<Out>) -> bool {
    let knobs = session.knobs.clone();
    let pace = if knobs.tokens_per_second > 0.0 { (1.0 / knobs.tokens_per_second).min(86_400.0) } else { 0.0 };
    for number in 0..=track.pieces.len() {
        let here = u32::try_from(number).ok();
        if knobs.stall_after == here {
            out.push(Out::Stall);
        } else if knobs.cut_after == here {
            out.push(Out::Cut);
        } else if knobs.error_after == here {
            let refusal = Refusal::simulated(knobs.error_status);
            out.push(session.say("error", json!({"error": refusal.openai()})));
        } else if let Some(piece) = track.pieces.get(number) {
            let wait = if number == 0 { knobs.first_token } else { Duration::from_secs_f64(pace) };
            for (nth, (kind, value)) in track.kinds(session.beta, asked).into_iter().enumerate() {
                let mut members = track.at();
                members["delta"] = match value {
                    Said::Text => json!(piece),
                    Said::Sound => json!(STANDARD.encode(hum(number as u64))),
                };
                let event = session.event(kind, members);
                out.push(Out::Say { event, wait: if nth == 0 { wait } else { Duration::ZERO }, billed: None });
            }
            continue;
        } else {
            continue;
        }
        return false;
    }
    true
}

enum Said {
    Text,
    Sound,
}

/// The events that end the part.
fn ends(session: &mut Session, asked: &Asked, track: &Track, out: &mut Vec<Out>) {
    for (kind, value) in track.kinds(session.beta, asked) {
        let mut members = track.at();
        if matches!(value, Said::Text) {
            let name = if asked.call.is_some() {
                "arguments"
            } else if asked.audio {
                "transcript"
            } else {
                "text"
            };
            members[name] = json!(track.text);
        }
        if let Some(call) = &asked.call {
            members["name"] = json!(call.name);
        }
        out.push(session.say(&kind.replace(".delta", ".done"), members));
    }
    if asked.call.is_none() {
        let mut members = track.at();
        members["part"] = json!({"type": track.part, if asked.audio { "transcript" } else { "text" }: track.text});
        out.push(session.say("response.content_part.done", members));
    }
}

impl Track {
    fn of(session: &Session, asked: &Asked, response: String, item: String) -> Self {
        let text = match &asked.call {
            Some(call) => call.arguments.clone(),
            None => words(session.knobs.seed, session.knobs.output_tokens.min(asked.cap)),
        };
        let pieces: Vec<String> = match &asked.call {
            Some(_) => text.chars().collect::<Vec<_>>().chunks(4).map(|piece| piece.iter().collect()).collect(),
            None => text.split_inclusive(' ').map(str::to_owned).collect(),
        };
        let part = if asked.audio { "audio" } else { "text" };
        Self { item, response, part, pieces, text }
    }

    /// The place of the one part.
    fn at(&self) -> Value {
        json!({"response_id": self.response, "item_id": self.item, "output_index": 0, "content_index": 0})
    }

    fn kinds(&self, beta: bool, asked: &Asked) -> Vec<(&'static str, Said)> {
        match (&asked.call, asked.audio, beta) {
            (Some(_), ..) => vec![("response.function_call_arguments.delta", Said::Text)],
            (None, false, false) => vec![("response.output_text.delta", Said::Text)],
            (None, false, true) => vec![("response.text.delta", Said::Text)],
            (None, true, false) => vec![
                ("response.output_audio_transcript.delta", Said::Text),
                ("response.output_audio.delta", Said::Sound),
            ],
            (None, true, true) => {
                vec![("response.audio_transcript.delta", Said::Text), ("response.audio.delta", Said::Sound)]
            }
        }
    }

    fn item(&self, asked: &Asked, status: &str, whole: bool) -> Value {
        let text = if whole { self.text.as_str() } else { "" };
        if let Some(call) = &asked.call {
            return json!({
                "id": self.item, "object": "realtime.item", "type": "function_call", "status": status,
                "name": call.name, "call_id": format!("call_{}", self.item), "arguments": text,
            });
        }
        let content = match (whole, asked.audio) {
            (false, _) => json!([]),
            (true, true) => json!([{"type": "output_audio", "transcript": text}]),
            (true, false) => json!([{"type": "output_text", "text": text}]),
        };
        json!({
            "id": self.item, "object": "realtime.item", "type": "message", "status": status, "role": "assistant",
            "content": content,
        })
    }

    fn shown(&self, asked: &Asked, status: &str, output: &[Value], usage: Value) -> Value {
        let details =
            if status == "failed" { json!({"type": "failed", "error": {"type": "server_error"}}) } else { Value::Null };
        json!({
            "id": self.response,
            "object": "realtime.response",
            "status": status,
            "status_details": details,
            "output": output,
            "output_modalities": [if asked.audio { "audio" } else { "text" }],
            "metadata": asked.metadata,
            "usage": usage,
        })
    }
}

/// Input is all that was said so far; sound has ten tokens a second.
fn bill(session: &Session, asked: &Asked, pieces: u64) -> Billed {
    let chars = session.words().chars.saturating_add(asked.extra);
    let (sent, audio_output) = if asked.audio && asked.call.is_none() { (pieces, pieces) } else { (pieces, 0) };
    Billed {
        fresh: tokens_of(chars),
        cached: session.knobs.cached.into(),
        audio_input: session.heard_ms.div_ceil(100),
        sent,
        audio_output,
        ..Billed::default()
    }
}

/// Cached tokens are among those of text.
fn usage(billed: &Billed) -> Value {
    let text = billed.fresh.saturating_add(billed.cached);
    json!({
        "total_tokens": billed.input().saturating_add(billed.output()),
        "input_tokens": billed.input(),
        "output_tokens": billed.output(),
        "input_token_details": {
            "text_tokens": text,
            "audio_tokens": billed.audio_input,
            "image_tokens": 0,
            "cached_tokens": billed.cached,
            "cached_tokens_details": {"text_tokens": billed.cached, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": billed.sent, "audio_tokens": billed.audio_output},
    })
}
