//! What `records.content: redacted` keeps: texts through the built-in guards for personal data and secrets.

use crate::{
    config::{GuardAction, GuardMode, Guardrail, Guardrails, OnFailure, OnUnknown, Section},
    dialect::view::{self, Events},
    guard::{Desk, Fold, Guards, Safe, Set, Vault},
    model::{Api, Form, Growth, Speech},
    records::{Redactor, Text},
    sse::{SseEvent, SseScanner},
};
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The guards `pii` and `secrets` as they are without settings, whatever guardrails the file has.
pub(super) struct Redaction {
    set: Arc<Set>,
    safe: Arc<Safe>,
}

impl Redaction {
    /// Builds them.
    ///
    /// # Errors
    ///
    /// Why they cannot be built: a mistake in them.
    pub fn build() -> Result<Self, String> {
        let safe = Arc::new(Safe::new().map_err(|error| error.to_string())?);
        let guardrail = |kind: &str| {
            let settings = Section::from_yaml("records.content", "").map_err(|error| error.to_string())?;
            let name: Arc<str> = kind.into();
            Ok::<_, String>(Guardrail {
                name,
                kind: kind.to_owned(),
                on: Vec::new(),
                action: Some(GuardAction::Redact),
                mode: GuardMode::Enforce,
                on_failure: OnFailure::Closed,
                when: None,
                session_ttl: std::time::Duration::ZERO,
                unknown: OnUnknown::Look,
                settings,
            })
        };
        let mut all = BTreeMap::new();
        for kind in ["pii", "secrets"] {
            all.insert(Arc::from(kind), guardrail(kind)?);
        }
        let guardrails = Guardrails { all, ..Guardrails::default() };
        let guards = Guards::build(&guardrails, Arc::clone(&safe))
            .map_err(|wrong| wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        Ok(Self { set: Arc::new(Set::of(guards.all().to_vec())), safe })
    }
}

impl Redactor for Redaction {
    fn redacted(&self, text: &Text<'_>) -> Option<String> {
        let Text { text, json, cut } = *text;
        let text = without_base64(text, json);
        let mut desk = Desk::new(Arc::clone(&self.set), Arc::clone(&self.safe), Vault::default());
        let fold = if json { Fold::Json } else { Fold::Text };
        // What is refused could not be looked at: a guard broke down.
        if cut {
            return desk.beginning(Speech::User, fold, &text).ok();
        }
        let edited = desk.request(Speech::User, fold, &text).ok()?;
        Some(edited.unwrap_or_else(|| text.into_owned()))
    }

    fn texts(&self, api: Api, events: &[u8]) -> Vec<(String, bool)> {
        let mut told = Told { view: Events::new(api), texts: Vec::new(), whole: Vec::new() };
        let mut scanner = SseScanner::new(events.len().max(1));
        let mut scanned = Vec::new();
        // What cannot be an event ends it: the bytes are whole events of ours, up to where they are cut.
        let _ = scanner.push(&Bytes::copy_from_slice(events), &mut scanned);
        scanned.iter().for_each(|event| told.take(event));
        match told.texts.is_empty() {
            true => told.whole,
            false => told.texts.into_iter().map(|(_, text, json)| (text, json)).collect(),
        }
    }
}

/// The texts of a stream so far.
struct Told {
    view: Events,
    /// By the channel that they grow in, in the order in which they began; and whether they are the source of JSON.
    texts: Vec<(u64, String, bool)>,
    /// Texts that came whole.
    whole: Vec<(String, bool)>,
}

impl Told {
    fn take(&mut self, event: &SseEvent) {
        if !event.has_data {
            return;
        }
        let name = std::str::from_utf8(&event.name).ok().filter(|name| !name.is_empty());
        for piece in self.view.event(name, &event.data).pieces {
            let Some(bytes) = event.data.get(piece.at.clone()) else { continue };
            let text = view::decoded(piece.form, bytes);
            let json = matches!(piece.form, Form::StringOfJson | Form::Json);
            match piece.growth {
                Growth::Whole => self.whole.push((text.into_owned(), json)),
                Growth::Delta(channel) => match self.texts.iter_mut().rev().find(|(other, ..)| *other == channel) {
                    Some((_, grown, _)) => grown.push_str(&text),
                    None => self.texts.push((channel, text.into_owned(), json)),
                },
            }
        }
    }
}

/// What stands instead of pictures, sound and documents.
const INSTEAD: &str = "[BASE64]";
/// In front of base64 in a `data:` URL.
const DATA: &str = ";base64,";
/// A string of JSON that is nothing but so many bytes of base64 is no text. Longer than what is a name, an id or a key.
const LEAST: usize = 512;

/// `text` without pictures, sound and documents in base64: what `data:` URLs hold, and in the source of JSON strings that are
/// nothing else. Guards for texts find nothing in them.
fn without_base64(text: &str, json: bool) -> Cow<'_, str> {
    let mut out = String::new();
    let mut done = 0;
    let mut hide = |from: usize, to: usize| {
        if from >= done {
            out.push_str(text.get(done..from).unwrap_or_default());
            out.push_str(INSTEAD);
            done = to;
        }
    };
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(next) = bytes.get(at..).and_then(|rest| memchr::memchr2(b';', b'"', rest)) {
        at += next + 1;
        let is_url = text.get(at - 1..).is_some_and(|rest| rest.starts_with(DATA));
        let from = if is_url { at - 1 + DATA.len() } else { at };
        if !is_url && (!json || bytes.get(at - 1) != Some(&b'"')) {
            continue;
        }
        let to = from + run_of_base64(bytes.get(from..).unwrap_or_default());
        // Where the text is cut no quote follows.
        let ends = matches!(bytes.get(to), None | Some(b'"'));
        if to > from && (is_url || (to - from >= LEAST && ends)) {
            hide(from, to);
            at = to;
        }
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

/// How many bytes from the beginning are base64, of either alphabet, as JSON writes it: with `\/`, and with escaped line ends.
fn run_of_base64(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(byte), _) if byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte) => at += 1,
            (Some(b'\\'), Some(b'/' | b'n' | b'r')) => at += 2,
            _ => return at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str, json: bool) -> Text<'_> {
        Text { text, json, cut: false }
    }

    #[test]
    fn pictures_in_base64_are_not_kept_and_what_only_looks_like_them_is() {
        let picture = "iVBORw0KGgo/+A".repeat(60);
        let told = |text: &str, json| without_base64(text, json).into_owned();
        let url = format!(r#"{{"url":"data:image/png;base64,{picture}","detail":"low"}}"#);
        assert_eq!(told(&url, true), r#"{"url":"data:image/png;base64,[BASE64]","detail":"low"}"#);
        let source = format!(r#"{{"media_type":"image/png","data":"{}"}}"#, picture.replace('/', "\\/"));
        assert_eq!(told(&source, true), r#"{"media_type":"image/png","data":"[BASE64]"}"#);
        assert_eq!(told(&format!(r#"{{"data":"{picture}"#), true), r#"{"data":"[BASE64]"#, "cut");
        assert_eq!(
            told(&format!("![](data:image/png;base64,{picture}) hm"), false),
            "![](data:image/png;base64,[BASE64]) hm"
        );
        let words = "some words that are longer than a picture ".repeat(30);
        for text in [format!(r#"{{"text":"{words}","id":"call_{}"}}"#, "a1".repeat(100)), words] {
            assert_eq!(told(&text, true), text);
        }
    }

    #[test]
    fn half_of_a_secret_at_the_end_of_what_broke_off_is_not_kept() {
        let redaction = Redaction::build().expect("built in");
        let text = "the key is AKIAIOSFODN";
        let told = redaction.redacted(&Text { text, json: false, cut: true }).expect("looked at");
        assert!(!told.contains("AKIAIOS") && text.starts_with(&told), "{told}");
        let begun = format!("{} -----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq", "words ".repeat(500));
        let told = redaction.redacted(&Text { text: &begun, json: false, cut: true }).expect("looked at");
        assert!(!told.contains("MIIEvQIBADANBgkq") && told.starts_with("words words"), "{told}");
    }

    #[test]
    fn arguments_of_tools_are_read_as_json() {
        let redaction = Redaction::build().expect("built in");
        let piece = |text: &str| {
            let text = serde_json::to_string(text).expect("a string");
            format!(
                "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{{\"index\":0,\"function\":{{\"arguments\":{text}}}}}]}}}}]}}\n\n"
            )
        };
        let events = [piece("{\"to\":\"ann\\u0040exa"), piece("mple.com\"}")].concat();
        let texts = redaction.texts(Api::ChatCompletions, events.as_bytes());
        assert_eq!(texts, [("{\"to\":\"ann\\u0040example.com\"}".to_owned(), true)]);
        let told = redaction.redacted(&whole(&texts[0].0, true)).expect("looked at");
        assert_eq!(told, r#"{"to":"[EMAIL]"}"#);
    }

    #[test]
    fn what_is_personal_or_secret_goes_and_the_rest_stays() {
        let redaction = Redaction::build().expect("built in");
        let json = r#"{"model":"fast","messages":[{"role":"user","content":"mail ann@example.com, key AKIAIOSFODNN7EXAMPL3\nthanks"}]}"#;
        let told = redaction.redacted(&whole(json, true)).expect("looked at");
        assert!(told.contains("\"model\":\"fast\"") && told.contains("\\nthanks\"}]}"), "{told}");
        assert!(!told.contains("ann@example.com") && !told.contains("AKIAIOSF"), "{told}");
        serde_json::from_str::<serde_json::Value>(&told).expect("still JSON");
        assert_eq!(redaction.redacted(&whole("nothing here", false)).as_deref(), Some("nothing here"));
    }

    #[test]
    fn the_texts_of_a_stream_are_put_together_by_choice() {
        let redaction = Redaction::build().expect("built in");
        let piece = |index: u32, text: &str| {
            format!("data: {{\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
        };
        let events = [
            piece(0, "ann@"),
            piece(1, "two"),
            ": hm\n\n".to_owned(),
            piece(0, "example.com"),
            "data: [DONE]\n\ndata: {\"cho".to_owned(),
        ];
        let texts = redaction.texts(Api::ChatCompletions, events.concat().as_bytes());
        assert_eq!(texts, [("ann@example.com".to_owned(), false), ("two".to_owned(), false)]);
    }
}
