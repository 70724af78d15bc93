//! OpenAI's Realtime API: the events of a session.
//!
//! Most bytes of a session are sound, in events of which only the type is looked for. What is read whole: `response.done`
//! (its usage), `conversation.item.input_audio_transcription.completed` (the same of the transcription, which is billed as
//! the model that made it) and `session.created` and `.updated` (which model that is, and the format of the sound).
//! Events: <https://platform.openai.com/docs/api-reference/realtime-server-events>; what is billed:
//! <https://platform.openai.com/docs/guides/realtime-costs>.

mod figures;
mod kind;

#[cfg(test)]
mod tests;

use crate::{
    model::Usage,
    providers::session::{Heard, MessageTooLong, SessionReader},
};
use kind::{Kind, KindScan};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Longest event that is kept to be read. Those that matter hold texts and figures, no sound.
const MOST_KEPT: usize = 8 * 1024 * 1024;
/// An event around its sound: names, ids.
const AROUND: u64 = 200;
/// Bytes of a token of plain text, as elsewhere in estimates.
const TEXT_BYTES: u64 = 4;

/// A message under way.
#[derive(Default)]
struct Message {
    scan: KindScan,
    kept: Vec<u8>,
    length: u64,
}

impl Message {
    fn push(&mut self, part: &[u8]) -> Result<(), MessageTooLong> {
        self.length = self.length.saturating_add(part.len() as u64);
        self.scan.push(part);
        if !self.scan.kind().is_none_or(Kind::is_read) {
            self.kept = Vec::new();
            return Ok(());
        }
        if self.kept.len().saturating_add(part.len()) > MOST_KEPT {
            return Err(MessageTooLong { limit: MOST_KEPT });
        }
        self.kept.extend_from_slice(part);
        Ok(())
    }

    /// Its kind, now that it is whole.
    fn kind(&self) -> Kind {
        #[derive(Deserialize)]
        struct Typed {
            r#type: String,
        }
        match self.scan.kind() {
            Some(Kind::Unclear) => {
                let typed = serde_json::from_slice::<Typed>(&self.kept);
                typed.map_or(Kind::Other, |typed| Kind::of(typed.r#type.as_bytes()))
            }
            Some(kind) => kind,
            None => Kind::Other,
        }
    }
}

/// Reads a session.
#[derive(Default)]
pub(in crate::providers) struct Reader {
    server: Message,
    client: Message,
    /// Responses that have begun and are not done.
    running: u32,
    /// One was asked for, and nothing has come of it yet.
    asked: bool,
    transcriber: Option<String>,
    /// The sound has 8,000 bytes a second (G.711), not 48,000.
    narrow: bool,
    /// Input of the last response: the next one reads it all again.
    last_input: u64,
    /// Since then: bytes of text and of sound that the client sent.
    said: u64,
    spoken: u64,
    /// Of the responses under way: events with text, bytes of sound.
    text_events: u64,
    sound: u64,
}

#[derive(Deserialize)]
struct Done<'a> {
    #[serde(borrow)]
    response: Answer<'a>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(default)]
    status: Option<String>,
}

#[derive(Deserialize)]
struct Transcribed<'a> {
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Session {
    session: serde_json::Value,
}

impl Reader {
    /// Bytes of base64 of a second of sound.
    const fn second(&self) -> u64 {
        if self.narrow { 10_668 } else { 64_000 }
    }

    fn estimate(&self) -> Usage {
        // A token is 100 ms of what the user says and 50 ms of what the model says.
        Usage {
            input: self.last_input.saturating_add(self.said / TEXT_BYTES),
            audio_input: self.spoken.div_ceil(self.second() / 10),
            output: self.text_events,
            audio_output: self.sound.div_ceil(self.second() / 20),
            ..Usage::ZERO
        }
    }

    fn done(&mut self, body: &[u8]) -> Heard {
        let answer = serde_json::from_slice::<Done<'_>>(body).ok().map(|done| done.response);
        let read = answer.as_ref().and_then(|answer| figures::read(answer.usage?.get()));
        // One that failed without a word of its usage was not billed.
        let failed = answer.is_some_and(|answer| answer.status.as_deref() == Some("failed"));
        let estimate = if failed { Usage::ZERO } else { self.estimate() };
        (self.running, self.asked) = (self.running.saturating_sub(1), false);
        (self.said, self.spoken, self.text_events, self.sound) = (0, 0, 0, 0);
        self.last_input = read.map_or(self.last_input.max(estimate.input_total()), |(usage, _)| usage.input_total());
        let (usage, fits) = read.map_or((None, true), |(usage, fits)| (Some(usage), fits));
        Heard::Response { usage, estimate, inconsistent: !fits }
    }

    /// What the session is set to, in the shape of now or of the beta.
    fn learn(&mut self, body: &[u8]) {
        let Ok(Session { session }) = serde_json::from_slice(body) else { return };
        let text = |now: &str, beta: &str| {
            let found = session.pointer(now).or_else(|| session.pointer(beta));
            found.and_then(|value| value.as_str()).map(str::to_owned)
        };
        self.transcriber = text("/audio/input/transcription/model", "/input_audio_transcription/model");
        let format = text("/audio/output/format/type", "/output_audio_format");
        self.narrow = format.is_some_and(|format| {
            format.starts_with("g711") || format.starts_with("audio/pcm") && format != "audio/pcm"
        });
    }
}

impl SessionReader for Reader {
    fn server(&mut self, part: &[u8], last: bool) -> Result<Heard, MessageTooLong> {
        self.server.push(part)?;
        if !last {
            return Ok(Heard::Nothing);
        }
        let message = std::mem::take(&mut self.server);
        match message.kind() {
            Kind::ResponseDone => return Ok(self.done(&message.kept)),
            Kind::Transcribed => {
                let usage = serde_json::from_slice::<Transcribed<'_>>(&message.kept).ok().and_then(|done| done.usage);
                let usage = usage.and_then(|usage| figures::read(usage.get())).map(|(usage, _)| usage);
                return Ok(Heard::Transcription { model: self.transcriber.clone(), usage });
            }
            Kind::Session => self.learn(&message.kept),
            Kind::ResponseCreated => (self.running, self.asked) = (self.running.saturating_add(1), false),
            // What was asked for may have been refused.
            Kind::Error => self.asked = false,
            Kind::Sound => self.sound = self.sound.saturating_add(message.length.saturating_sub(AROUND)),
            Kind::Text => self.text_events = self.text_events.saturating_add(1),
            Kind::ResponseCreate | Kind::Append | Kind::Other | Kind::Unclear => {}
        }
        Ok(Heard::Nothing)
    }

    fn client(&mut self, part: &[u8], last: bool) {
        // Of a client's event nothing but its type and length is used: what cannot be kept is counted as text.
        if self.client.push(part).is_err() {
            self.client.kept = Vec::new();
        }
        if !last {
            return;
        }
        let message = std::mem::take(&mut self.client);
        match message.kind() {
            Kind::Append => self.spoken = self.spoken.saturating_add(message.length.saturating_sub(AROUND)),
            Kind::ResponseCreate => {
                self.asked = true;
                self.said = self.said.saturating_add(message.length);
            }
            _ => self.said = self.said.saturating_add(message.length),
        }
    }

    fn kept(&self) -> usize {
        self.server.kept.len().saturating_add(self.client.kept.len())
    }

    fn under_way(&self) -> Option<Usage> {
        (self.running > 0 || self.asked).then(|| self.estimate())
    }

    fn error_event(&self, kind: &str, code: &str, message: &str) -> String {
        let error =
            serde_json::json!({ "type": kind, "code": code, "message": message, "param": null, "event_id": null });
        serde_json::json!({ "type": "error", "event_id": "event_weighbridge", "error": error }).to_string()
    }
}
