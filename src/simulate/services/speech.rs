//! `POST /v1/audio/speech`: <https://platform.openai.com/docs/api-reference/audio/createSpeech>.
//!
//! Sound of a tenth of a second for four characters, a chunk for each tenth.

use super::Asked;
use crate::simulate::{
    answer::Billed,
    question::tokens_of,
    refusal::Refusal,
    script::{Script, Step},
    sound::{FORMATS, head, piece},
    thinking::Ready,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Longest text, in characters.
const LONGEST: usize = 4096;

pub(super) fn answer(asked: &Asked<'_>) -> Result<Ready, Refusal> {
    let known = ["input", "model", "voice", "instructions", "response_format", "speed", "stream_format"];
    let form = &asked.form;
    form.only(&known, asked.wire())?;
    let old = asked.model()?.starts_with("tts-1");
    let text = form.needs_text("input", asked.wire())?;
    let chars = text.chars().count();
    if chars == 0 || chars > LONGEST {
        let told = format!(
            "[{{'type': 'string_too_long', 'loc': ('body', 'input'), 'msg': 'from 1 to {LONGEST} characters'}}]"
        );
        return Err(Refusal::bad(told, Some("input")));
    }
    let voice = form.needs("voice", asked.wire())?;
    if !voice.is_string() && voice.get("id").and_then(Value::as_str).is_none() {
        return Err(Refusal::bad("Invalid value for 'voice': a name, or an object with `id`.", Some("voice")));
    }
    let speed = form.fields.get("speed").map(Value::as_f64);
    if speed.is_some_and(|speed| !speed.is_some_and(|speed| (0.25..=4.0).contains(&speed))) {
        return Err(Refusal::bad("'speed' must be from 0.25 to 4", Some("speed")));
    }
    let formats = FORMATS.map(|(name, _)| name);
    let format = form.one_of("response_format", &formats)?.unwrap_or("mp3");
    let events = form.one_of("stream_format", &["sse", "audio"])? == Some("sse");
    if old && (events || form.fields.contains_key("instructions")) {
        return Err(Refusal::bad(
            "`tts-1` and `tts-1-hd` have no events and take no instructions.",
            Some("stream_format"),
        ));
    }
    let count = tokens_of(chars as u64);
    let billed = if old {
        Billed { characters: chars as u64, ..Billed::default() }
    } else {
        Billed { fresh: count, audio_output: count, ..Billed::default() }
    };
    let sound = |at| {
        let mut bytes = if at == 0 { head(format) } else { Vec::new() };
        bytes.extend(piece(format, at));
        bytes
    };
    if !events {
        let chunks = (0..count).map(|at| Step::Bytes(sound(at))).collect();
        let kind = FORMATS.iter().find(|(name, _)| *name == format).map_or("audio/mpeg", |(_, kind)| *kind);
        // Nothing in it says what it cost.
        return Ok(Script { chunks, close: Vec::new(), reports: false }.ready(asked.thinker, billed, kind));
    }
    let delta = |at| Step::Data(json!({"type": "speech.audio.delta", "audio": STANDARD.encode(sound(at))}));
    let mut done = json!({"type": "speech.audio.done"});
    let reports = !asked.knobs().no_usage;
    if reports {
        let (input, output) = (billed.input(), billed.output());
        let total = input.saturating_add(output);
        done["usage"] = json!({"input_tokens": input, "output_tokens": output, "total_tokens": total});
    }
    let script = Script { chunks: (0..count).map(delta).collect(), close: vec![Step::Data(done)], reports };
    Ok(script.ready(asked.thinker, billed, "text/event-stream; charset=utf-8"))
}
