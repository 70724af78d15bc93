//! `POST /v1/audio/transcriptions` and `/translations`:
//! <https://platform.openai.com/docs/api-reference/audio/createTranscription>.
//!
//! What is heard are as many words as an answer has, at most five for each second of sound.

use super::Asked;
use crate::simulate::{
    answer::{Billed, words},
    refusal::Refusal,
    script::{Script, Step},
    sound::length_ms,
    target::Service,
    thinking::{Ready, Whole},
};
use serde_json::{Value, json};

/// Tokens of a second of sound.
const TOKENS_PER_SECOND: u64 = 10;

/// What was heard.
struct Heard {
    /// Whether the model is billed by the second.
    by_time: bool,
    length_ms: u64,
    count: u32,
    text: String,
    billed: Billed,
}

/// Forms without a file are refused, and members that no model has.
const MEMBERS: [&str; 16] = [
    "file",
    "model",
    "language",
    "languages",
    "keywords",
    "prompt",
    "response_format",
    "temperature",
    "include",
    "timestamp_granularities",
    "stream",
    "chunking_strategy",
    "known_speaker_names",
    "known_speaker_references",
    "user",
    "logprobs",
];

pub(super) fn answer(asked: &Asked<'_>) -> Result<Ready, Refusal> {
    let form = &asked.form;
    let translates = asked.service == Service::Translations;
    if translates {
        form.only(&["file", "model", "prompt", "response_format", "temperature"], asked.wire())?;
    } else {
        form.only(&MEMBERS, asked.wire())?;
    }
    let by_time = asked.model()?.starts_with("whisper");
    let file = form.file("file", asked.wire())?;
    if file.bytes.is_empty() {
        let told = format!("Audio file is too short: `{}`. Minimum audio length is 0.1 seconds.", file.filename);
        return Err(Refusal::bad(told, Some("file")));
    }
    let formats = ["json", "text", "srt", "verbose_json", "vtt", "diarized_json"];
    let format = form.one_of("response_format", &formats)?.unwrap_or("json");
    let fits = match format {
        "json" | "text" => true,
        "diarized_json" => asked.model.contains("diarize"),
        _ => by_time,
    };
    if !fits {
        let told = format!("response_format '{format}' is not compatible with model '{}'.", asked.model);
        return Err(Refusal { code: Some("unsupported_value"), ..Refusal::bad(told, Some("response_format")) });
    }
    if form.fields.contains_key("timestamp_granularities") && format != "verbose_json" {
        let told = "timestamp_granularities are for verbose_json alone.";
        return Err(Refusal::bad(told, Some("timestamp_granularities")));
    }
    let heard = Heard::of(asked, &file.bytes, by_time);
    // Whisper ignores it.
    if form.yes("stream") && !by_time {
        return Ok(heard.stream(asked));
    }
    Ok(Ready::Whole(heard.whole(asked, format, translates)))
}

impl Heard {
    fn of(asked: &Asked<'_>, file: &[u8], by_time: bool) -> Self {
        let length_ms = length_ms(file).max(100);
        let most = u32::try_from(length_ms / 200).unwrap_or(u32::MAX).max(1);
        let count = asked.knobs().output_tokens.min(most).max(1);
        let text = words(asked.knobs().seed, count);
        let prompt = asked.form.text("prompt").unwrap_or_default().chars().count() as u64;
        let billed = if by_time {
            Billed { audio_ms: length_ms, ..Billed::default() }
        } else {
            let audio_input = length_ms.saturating_mul(TOKENS_PER_SECOND).div_ceil(1000);
            Billed { audio_input, fresh: prompt.div_ceil(4), sent: count.into(), ..Billed::default() }
        };
        Self { by_time, length_ms, count, text, billed }
    }

    fn usage(&self) -> Value {
        if self.by_time {
            return json!({"type": "duration", "seconds": self.length_ms.div_ceil(1000)});
        }
        let (input, output) = (self.billed.input(), self.billed.output());
        let details = json!({"text_tokens": self.billed.fresh, "audio_tokens": self.billed.audio_input});
        json!({
            "type": "tokens",
            "input_tokens": input,
            "input_token_details": details,
            "output_tokens": output,
            "total_tokens": input.saturating_add(output),
        })
    }

    fn whole(&self, asked: &Asked<'_>, format: &str, translates: bool) -> Whole {
        let seconds = self.length_ms as f64 / 1000.0;
        let told = !asked.knobs().no_usage && !translates;
        let (kind, text) = match format {
            "text" => ("text/plain; charset=utf-8", format!("{}\n", self.text)),
            "srt" => (
                "text/plain; charset=utf-8",
                format!("1\n00:00:00,000 --> {}\n{}\n\n", clock(self.length_ms, ','), self.text),
            ),
            "vtt" => (
                "text/vtt; charset=utf-8",
                format!("WEBVTT\n\n00:00:00.000 --> {}\n{}\n\n", clock(self.length_ms, '.'), self.text),
            ),
            "diarized_json" => ("application/json", self.by_speaker(seconds, told).to_string()),
            "verbose_json" => ("application/json", self.verbose(seconds, told, translates).to_string()),
            _ => {
                let mut answer = json!({"text": self.text});
                if told {
                    answer["usage"] = self.usage();
                }
                ("application/json", answer.to_string())
            }
        };
        let reports = told && matches!(format, "json" | "verbose_json" | "diarized_json");
        Whole { kind, reports, pieces: self.count, ..Whole::billed(text.into_bytes(), self.billed) }
    }

    fn verbose(&self, seconds: f64, told: bool, translates: bool) -> Value {
        let segment = json!({
            "id": 0, "seek": 0, "start": 0.0, "end": seconds, "text": self.text, "tokens": [1, 2, 3],
            "temperature": 0.0, "avg_logprob": -0.2, "compression_ratio": 1.0, "no_speech_prob": 0.01,
        });
        let mut answer = json!({
            "task": if translates { "translate" } else { "transcribe" },
            "language": "english",
            "duration": seconds,
            "text": self.text,
            "segments": [segment],
        });
        if told {
            answer["usage"] = self.usage();
        }
        answer
    }

    /// One speaker says it all.
    fn by_speaker(&self, seconds: f64, told: bool) -> Value {
        let segment = json!({
            "type": "transcript.text.segment", "id": "seg_0", "start": 0.0, "end": seconds, "text": self.text, "speaker": "A",
        });
        let mut answer = json!({"task": "transcribe", "duration": seconds, "text": self.text, "segments": [segment]});
        if told {
            answer["usage"] = self.usage();
        }
        answer
    }

    fn stream(&self, asked: &Asked<'_>) -> Ready {
        let delta = |(at, word): (usize, &str)| {
            let space = if at == 0 { "" } else { " " };
            Step::Data(json!({"type": "transcript.text.delta", "delta": format!("{space}{word}")}))
        };
        let chunks = self.text.split(' ').enumerate().map(delta).collect();
        let mut done = json!({"type": "transcript.text.done", "text": self.text});
        let reports = !asked.knobs().no_usage;
        if reports {
            done["usage"] = self.usage();
        }
        let script = Script { chunks, close: vec![Step::Data(done)], reports };
        script.ready(asked.thinker, self.billed, "text/event-stream; charset=utf-8")
    }
}

fn clock(ms: u64, mark: char) -> String {
    let (seconds, rest) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02}{mark}{rest:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
