//! OpenAI's Realtime API: the events of a session.
//!
//! Most bytes of a session are sound, in events of which only the type is looked for. What is read whole: `response.done`
//! (its usage), `conversation.item.input_audio_transcription.completed` (the same of the transcription, which is billed as
//! the model that made it) and `session.created` and `.updated` (which model that is, and the format of the sound).
//! Events: <https://platform.openai.com/docs/api-reference/realtime-server-events>; what is billed:
//! <https://platform.openai.com/docs/guides/realtime-costs>.

mod figures;
mod kind;
mod payloads;

#[cfg(test)]
mod tests;

use crate::{
    model::Usage,
    providers::session::{Heard, MessageTooLong, SessionReader},
};
use kind::{Kind, KindScan};
use payloads::Payloads;
use serde::Deserialize;
use serde_json::value::RawValue;
use smallvec::SmallVec;

/// Longest event that is kept to be read. Those that matter hold texts and figures, no sound.
const MOST_KEPT: usize = 8 * 1024 * 1024;
/// An event around its sound: names, ids.
const AROUND: u64 = 200;
/// Bytes of a token of plain text, as elsewhere in estimates.
const TEXT_BYTES: u64 = 4;

/// The most that one of GPT-4o's pictures comes to: 85 tokens and 8 tiles of 170 each
/// (<https://platform.openai.com/docs/guides/images-vision>).
const PICTURE: u64 = 85 + 8 * 170;
/// So much of an event's front is looked at for the response that it belongs to.
const FRONT: usize = 256;

/// A message under way.
#[derive(Default)]
struct Message {
    scan: KindScan,
    kept: Vec<u8>,
    length: u64,
    front: SmallVec<[u8; FRONT]>,
    /// Of the client's.
    payloads: Payloads,
    /// It was longer than what is kept.
    long: bool,
}

impl Message {
    fn push(&mut self, part: &[u8]) -> Result<(), MessageTooLong> {
        self.length = self.length.saturating_add(part.len() as u64);
        self.scan.push(part);
        let room = FRONT.saturating_sub(self.front.len()).min(part.len());
        self.front.extend_from_slice(part.get(..room).unwrap_or_default());
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

/// What the client has sent since the session began.
#[derive(Debug, Default, Clone, Copy)]
struct Sent {
    /// Bytes of text.
    text: u64,
    /// Bytes of base64 of sound.
    sound: u64,
    pictures: u64,
}

/// A response that has begun and is not done.
struct Run {
    id: Option<String>,
    /// What it reads, by estimate.
    input: Usage,
    /// What had been sent when it began.
    seen: Sent,
    /// Events with text, bytes of sound.
    text_events: u64,
    sound: u64,
}

/// Reads a session.
#[derive(Default)]
pub(in crate::providers) struct Reader {
    server: Message,
    client: Message,
    /// Responses that have begun and are not done, the oldest first.
    running: Vec<Run>,
    /// So many were asked for of which nothing has come yet.
    asked: usize,
    transcriber: Option<String>,
    /// The sound of the model and that of the user has 8,000 bytes a second (G.711), not 48,000.
    narrow: bool,
    narrow_in: bool,
    /// Input of the last response: the next one reads it all again.
    last_input: u64,
    sent: Sent,
    /// What of that the last response has read.
    read: Sent,
    /// What of the sound has been put into writing.
    transcribed: u64,
}

#[derive(Deserialize)]
struct Done<'a> {
    #[serde(borrow)]
    response: Answer<'a>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(default)]
    status: Option<String>,
}

#[derive(Deserialize)]
struct Transcribed<'a> {
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(default)]
    transcript: String,
}

#[derive(Deserialize)]
struct Session {
    session: serde_json::Value,
}

impl Reader {
    /// Bytes of base64 of a second of sound.
    const fn second(narrow: bool) -> u64 {
        if narrow { 10_668 } else { 64_000 }
    }

    /// What a response that begins now reads. A token is 100 ms of what the user says.
    fn input(&self) -> Usage {
        let text = self.sent.text.saturating_sub(self.read.text);
        let sound = self.sent.sound.saturating_sub(self.read.sound);
        Usage {
            input: self.last_input.saturating_add(text / TEXT_BYTES),
            audio_input: sound.div_ceil(Self::second(self.narrow_in) / 10),
            image_input: self.sent.pictures.saturating_sub(self.read.pictures).saturating_mul(PICTURE),
            ..Usage::ZERO
        }
    }

    /// What one has used. A token is 50 ms of what the model says.
    fn used(&self, run: &Run) -> Usage {
        let audio_output = run.sound.div_ceil(Self::second(self.narrow) / 20);
        Usage { output: run.text_events, audio_output, ..run.input }
    }

    fn created(&mut self, body: &[u8]) {
        let id = serde_json::from_slice::<Done<'_>>(body).ok().and_then(|begun| begun.response.id);
        self.asked = self.asked.saturating_sub(1);
        let run = Run { id, input: self.input(), seen: self.sent, text_events: 0, sound: 0 };
        self.running.push(run);
    }

    /// The response that an event belongs to; without a name that is known: the last one.
    fn run_of(&mut self, message: &Message) -> Option<&mut Run> {
        let id = response_id(&message.front);
        let named = |run: &Run| id.is_some() && run.id.as_deref().map(str::as_bytes) == id;
        let at = self.running.iter().position(named).or_else(|| self.running.len().checked_sub(1))?;
        self.running.get_mut(at)
    }

    /// Takes the response that is done: by its name, else one without, else the oldest.
    fn take_run(&mut self, id: Option<&str>) -> Option<Run> {
        let by = |id: Option<&str>| self.running.iter().position(|run| run.id.as_deref() == id);
        let at = by(id).or_else(|| by(None)).unwrap_or(0);
        (at < self.running.len()).then(|| self.running.remove(at))
    }

    fn done(&mut self, body: &[u8]) -> Heard {
        let answer = serde_json::from_slice::<Done<'_>>(body).ok().map(|done| done.response);
        let read = answer.as_ref().and_then(|answer| figures::read(answer.usage?.get()));
        let run = self.take_run(answer.as_ref().and_then(|answer| answer.id.as_deref()));
        if run.is_none() {
            self.asked = self.asked.saturating_sub(1);
        }
        // One that failed without a word of its usage was not billed.
        let failed = answer.is_some_and(|answer| answer.status.as_deref() == Some("failed"));
        let seen = run.as_ref().map_or(self.sent, |run| run.seen);
        let estimate = run.map_or_else(|| self.input(), |run| self.used(&run));
        let input = read.map_or(self.last_input.max(estimate.input_total()), |(usage, _)| usage.input_total());
        // One beside others may have read less than they do.
        self.last_input = if self.running.is_empty() { input } else { self.last_input.max(input) };
        self.read = seen;
        let (usage, fits) = read.map_or((None, true), |(usage, fits)| (Some(usage), fits));
        Heard::Response { usage, estimate: if failed { Usage::ZERO } else { estimate }, inconsistent: !fits }
    }

    fn put_into_writing(&mut self, body: &[u8]) -> Heard {
        let done = serde_json::from_slice::<Transcribed<'_>>(body).ok();
        let usage = done.as_ref().and_then(|done| figures::read(done.usage?.get())).map(|(usage, _)| usage);
        let sound = self.sent.sound.saturating_sub(std::mem::replace(&mut self.transcribed, self.sent.sound));
        let second = Self::second(self.narrow_in);
        let estimate = Usage {
            audio_ms: sound.saturating_mul(1_000).div_ceil(second),
            audio_input: sound.div_ceil(second / 10),
            output: done.map_or(0, |done| (done.transcript.len() as u64).div_ceil(TEXT_BYTES)),
            ..Usage::ZERO
        };
        Heard::Transcription { model: self.transcriber.clone(), usage, estimate }
    }

    /// What the session is set to, in the shape of now or of the beta.
    fn learn(&mut self, body: &[u8]) -> Heard {
        let Ok(Session { session }) = serde_json::from_slice(body) else { return Heard::Nothing };
        let text = |now: &str, beta: &str| {
            let found = session.pointer(now).or_else(|| session.pointer(beta));
            found.and_then(|value| value.as_str()).map(str::to_owned)
        };
        self.transcriber = text("/audio/input/transcription/model", "/input_audio_transcription/model");
        let narrow = |format: Option<String>| {
            format.is_some_and(|format| {
                format.starts_with("g711") || format.starts_with("audio/pcm") && format != "audio/pcm"
            })
        };
        self.narrow = narrow(text("/audio/output/format/type", "/output_audio_format"));
        self.narrow_in = narrow(text("/audio/input/format/type", "/input_audio_format"));
        Heard::Session { model: text("/model", "/model"), transcriber: self.transcriber.clone() }
    }
}

/// The response that an event names, by its front.
fn response_id(front: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"\"response_id\"";
    let at = memchr::memmem::find(front, NAME)?;
    let value = front.get(at + NAME.len()..)?.trim_ascii_start().strip_prefix(b":")?;
    let value = value.trim_ascii_start().strip_prefix(b"\"")?;
    value.get(..memchr::memchr(b'"', value)?)
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
            Kind::Transcribed => return Ok(self.put_into_writing(&message.kept)),
            Kind::Session => return Ok(self.learn(&message.kept)),
            Kind::ResponseCreated => self.created(&message.kept),
            // One of what was asked for may have been refused.
            Kind::Error => self.asked = self.asked.saturating_sub(1),
            Kind::Sound => {
                if let Some(run) = self.run_of(&message) {
                    run.sound = run.sound.saturating_add(message.length.saturating_sub(AROUND));
                }
            }
            Kind::Text => {
                if let Some(run) = self.run_of(&message) {
                    run.text_events = run.text_events.saturating_add(1);
                }
            }
            Kind::ResponseCreate | Kind::Append | Kind::Other | Kind::Unclear => {}
        }
        Ok(Heard::Nothing)
    }

    fn client(&mut self, part: &[u8], last: bool) {
        // Of a client's event nothing but its type and length is used: what cannot be kept is counted as text.
        if self.client.push(part).is_err() {
            (self.client.kept, self.client.long) = (Vec::new(), true);
        }
        if self.client.scan.kind() != Some(Kind::Append) {
            self.client.payloads.push(part);
        }
        if !last {
            return;
        }
        let message = std::mem::take(&mut self.client);
        // What could not be read might ask for a response.
        let kind = if message.long { Kind::ResponseCreate } else { message.kind() };
        if kind == Kind::Append {
            self.sent.sound = self.sent.sound.saturating_add(message.length.saturating_sub(AROUND));
            return;
        }
        if kind == Kind::ResponseCreate {
            self.asked = self.asked.saturating_add(1);
        }
        let Payloads { sound, pictures, picture_bytes, .. } = message.payloads;
        let text = message.length.saturating_sub(sound).saturating_sub(picture_bytes);
        let sent = &mut self.sent;
        sent.text = sent.text.saturating_add(text);
        sent.sound = sent.sound.saturating_add(sound);
        sent.pictures = sent.pictures.saturating_add(pictures);
    }

    fn kept(&self) -> usize {
        self.server.kept.len().saturating_add(self.client.kept.len())
    }

    fn running(&self) -> usize {
        self.running.len().saturating_add(self.asked)
    }

    fn under_way(&self) -> Vec<Usage> {
        let begun = self.running.iter().map(|run| self.used(run));
        begun.chain((0..self.asked).map(|_| self.input())).collect()
    }

    fn next_input(&self) -> u64 {
        self.input().input_total()
    }

    fn error_event(&self, kind: &str, code: &str, message: &str) -> String {
        let error =
            serde_json::json!({ "type": kind, "code": code, "message": message, "param": null, "event_id": null });
        serde_json::json!({ "type": "error", "event_id": "event_weighbridge", "error": error }).to_string()
    }
}
