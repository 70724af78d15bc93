//! What `records.content: redacted` keeps: texts through the built-in guards for personal data and secrets.

use crate::{
    config::{GuardAction, GuardMode, Guardrail, Guardrails, OnFailure, Section},
    dialect::view::{self, Events},
    guard::{Desk, Fold, Guards, Safe, Set, Vault},
    model::{Api, Growth, Speech},
    records::Redactor,
    sse::{SseEvent, SseScanner},
};
use bytes::Bytes;
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
    fn redacted(&self, text: &str, json: bool) -> Option<String> {
        let mut desk = Desk::new(Arc::clone(&self.set), Arc::clone(&self.safe), Vault::default());
        let fold = if json { Fold::Json } else { Fold::Text };
        // What is refused could not be looked at: a guard broke down.
        let edited = desk.request(Speech::User, fold, text).ok()?;
        Some(edited.unwrap_or_else(|| text.to_owned()))
    }

    fn texts(&self, api: Api, events: &[u8]) -> Vec<String> {
        let mut told = Told { view: Events::new(api), texts: Vec::new(), whole: Vec::new() };
        let mut scanner = SseScanner::new(events.len().max(1));
        let mut scanned = Vec::new();
        // What cannot be an event ends it: the bytes are whole events of ours, up to where they are cut.
        let _ = scanner.push(&Bytes::copy_from_slice(events), &mut scanned);
        scanned.iter().for_each(|event| told.take(event));
        if told.texts.is_empty() { told.whole } else { told.texts.into_iter().map(|(_, text)| text).collect() }
    }
}

/// The texts of a stream so far.
struct Told {
    view: Events,
    /// By the channel that they grow in, in the order in which they began.
    texts: Vec<(u64, String)>,
    /// Texts that came whole.
    whole: Vec<String>,
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
            match piece.growth {
                Growth::Whole => self.whole.push(text.into_owned()),
                Growth::Delta(channel) => match self.texts.iter_mut().rev().find(|(other, _)| *other == channel) {
                    Some((_, grown)) => grown.push_str(&text),
                    None => self.texts.push((channel, text.into_owned())),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_personal_or_secret_goes_and_the_rest_stays() {
        let redaction = Redaction::build().expect("built in");
        let json = r#"{"model":"fast","messages":[{"role":"user","content":"mail ann@example.com, key AKIAIOSFODNN7EXAMPL3\nthanks"}]}"#;
        let told = redaction.redacted(json, true).expect("looked at");
        assert!(told.contains("\"model\":\"fast\"") && told.contains("\\nthanks\"}]}"), "{told}");
        assert!(!told.contains("ann@example.com") && !told.contains("AKIAIOSF"), "{told}");
        serde_json::from_str::<serde_json::Value>(&told).expect("still JSON");
        assert_eq!(redaction.redacted("nothing here", false).as_deref(), Some("nothing here"));
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
        assert_eq!(texts, ["ann@example.com", "two"]);
    }
}
