//! Guards outside: asked about texts as those inside have left them, one after the other.

use super::{input::folds, refuse};
use crate::{
    config::Hook,
    dialect::view,
    guard::{
        Desk, Direction, Fold, Guard, Refused,
        remote::{Action, Asked, AskedText, RemoteError, RemoteGuard, Told},
    },
    model::{Ask, Form, Speech, Text},
    proxy::reject::Reject,
    telemetry::ProxyMetrics,
};
use bytes::Bytes;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use tokio::time::Instant;

/// What of the request is told, where a guard's `send` lists it.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// The request's id, as the client knows it.
    pub request_id: &'a str,
    /// The model that is asked for.
    pub model: &'a str,
    /// The caller's team.
    pub team: &'a str,
    /// The name of the caller's key.
    pub key: &'a str,
    /// The end user.
    pub user: Option<&'a str>,
    /// The request's metadata.
    pub metadata: &'a [(Arc<str>, Arc<str>)],
    /// Where it is told how long services were waited for.
    pub metrics: &'a ProxyMetrics,
}

/// The same, for as long as the answer goes on.
#[derive(Debug)]
pub struct Asker {
    request_id: String,
    model: String,
    team: String,
    key: String,
    user: Option<String>,
    metadata: BTreeMap<String, String>,
    metrics: ProxyMetrics,
}

impl From<&Who<'_>> for Asker {
    fn from(who: &Who<'_>) -> Self {
        let metadata = who.metadata.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        Self {
            request_id: who.request_id.to_owned(),
            model: who.model.to_owned(),
            team: who.team.to_owned(),
            key: who.key.to_owned(),
            user: who.user.map(str::to_owned),
            metadata: metadata.collect(),
            metrics: who.metrics.clone(),
        }
    }
}

/// A question to a service.
pub struct Asking {
    /// The guardrail.
    pub guard: Arc<Guard>,
    /// Its service.
    pub service: Arc<dyn RemoteGuard>,
    /// What the texts are.
    pub hook: Hook,
    /// The texts, as the service may see them.
    pub texts: Vec<AskedOf>,
    /// Who asks.
    pub asker: Arc<Asker>,
}

/// A text that a service is asked about.
pub struct AskedOf {
    /// Who speaks.
    pub speech: Speech,
    /// How bytes hold it.
    pub form: Form,
    /// What is said.
    pub says: String,
}

impl Asking {
    /// What the service says.
    ///
    /// # Errors
    ///
    /// Nothing is known about the texts.
    pub async fn ask(&self) -> Result<Told, RemoteError> {
        let texts: Vec<AskedText<'_>> =
            self.texts.iter().map(|one| AskedText { speech: one.speech, text: &one.says }).collect();
        let asker = &*self.asker;
        let asked = Asked {
            guard: &self.guard.name,
            hook: self.hook,
            request_id: &asker.request_id,
            model: &asker.model,
            team: &asker.team,
            key: &asker.key,
            user: asker.user.as_deref(),
            metadata: &asker.metadata,
            texts: &texts,
        };
        let begun = Instant::now();
        let told = self.service.check(&asked).await;
        let result = told.as_ref().map_or_else(RemoteError::name, |_| "ok");
        asker.metrics.service_asked(&self.guard.name, self.hook.name(), result, begun.elapsed());
        told
    }

    /// Does what the service wants, as far as the guardrail lets it; returns texts that become others, by their places.
    ///
    /// # Errors
    ///
    /// It refuses them, or could not say.
    pub fn follow(
        &self,
        desk: &mut Desk,
        direction: Direction,
        told: Result<Told, RemoteError>,
    ) -> Result<Vec<(usize, String)>, Refused> {
        let (guard, hook) = (&*self.guard, self.hook);
        let Told { action, reason, entities, replacements, spans } = match told {
            Ok(told) => told,
            Err(why) => return desk.failed(guard, hook, &why.to_string()).map(|()| Vec::new()),
        };
        if action == Action::Block {
            let found = entities.first().map_or("blocked", |(entity, _)| &**entity);
            return desk.blocked_by(guard, hook, found, reason).map(|()| Vec::new());
        }
        for (entity, _) in &entities {
            desk.noted(guard, hook, entity, action == Action::Replace && guard.decides());
        }
        let mut edits = Vec::new();
        if !guard.decides() {
            return Ok(edits);
        }
        for (index, text) in replacements {
            if let Some(one) = self.texts.get(index) {
                edits.extend(self.becomes(desk, one, text)?.map(|text| (index, text)));
            }
        }
        if !guard.action.edits() && !spans.is_empty() {
            let entity = spans.first().map_or("blocked", |(_, _, entity)| entity).to_owned();
            return desk.blocked_by(guard, hook, &entity, reason).map(|()| edits);
        }
        for (index, one) in self.texts.iter().enumerate() {
            let mine: Vec<_> = spans.iter().filter(|(text, ..)| *text == index).collect();
            if mine.is_empty() || !guard.action.edits() {
                continue;
            }
            let (mut out, mut from) = (String::with_capacity(one.says.len()), 0);
            for (_, at, entity) in mine {
                let (Some(before), Some(value)) = (one.says.get(from..at.start), one.says.get(at.clone())) else {
                    continue;
                };
                out.push_str(before);
                out.push_str(&desk.instead_of(guard, direction, (entity, value), folds(one.form)));
                from = at.end;
            }
            out.push_str(one.says.get(from..).unwrap_or_default());
            edits.extend(self.becomes(desk, one, out)?.map(|text| (index, text)));
        }
        Ok(edits)
    }

    /// The text with `says` in its place. What is JSON must stay JSON: a service that makes something else of it could not
    /// say.
    fn becomes(&self, desk: &mut Desk, one: &AskedOf, says: String) -> Result<Option<String>, Refused> {
        let was_json = folds(one.form) == Fold::Json && serde_json::from_str::<IgnoredAny>(&one.says).is_ok();
        if was_json && serde_json::from_str::<IgnoredAny>(&says).is_err() {
            let why = "its answer makes something of a tool's arguments that is no JSON";
            return desk.failed(&self.guard, self.hook, why).map(|()| None);
        }
        // Line ends between the parts of JSON would end the line of an event; inside of its strings there are none.
        Ok(Some(if one.form == Form::Json { says.replace(['\n', '\r'], " ") } else { says }))
    }
}

/// Asks `guard` about the texts of `ask`; returns what is to stand in their places.
///
/// # Errors
///
/// It refuses them, or could not say.
pub async fn ask(
    desk: &mut Desk,
    (guard, service): (&Arc<Guard>, &Arc<dyn RemoteGuard>),
    (ask, boundary): (&Ask, Option<&str>),
    asker: &Arc<Asker>,
) -> Result<Vec<(Range<usize>, Bytes)>, Reject> {
    let body = ask.body.bytes();
    let texts = view::request(ask.api, boundary, &body).unwrap_or_default();
    let mut edits = Vec::new();
    for hook in [Hook::Input, Hook::ToolCall, Hook::ToolResult] {
        let mine = texts.iter().filter(|text| guard.hook(Direction::Request, text.speech) == Some(hook));
        let mine: Vec<&Text> = mine.collect();
        if mine.is_empty() {
            continue;
        }
        let shown = mine.iter().map(|text| AskedOf {
            speech: text.speech,
            form: text.form,
            says: view::decoded(text.form, &body[text.at.clone()]).into_owned(),
        });
        let (guard, service, texts) = (Arc::clone(guard), Arc::clone(service), shown.collect());
        let asking = Asking { guard, service, hook, texts, asker: Arc::clone(asker) };
        let told = asking.ask().await;
        for (index, says) in asking.follow(desk, Direction::Request, told).map_err(refuse)? {
            edits.extend(mine.get(index).map(|text| (text.at.clone(), view::replacement(text.form, &says))));
        }
    }
    edits.sort_by_key(|(at, _): &(Range<usize>, Bytes)| at.start);
    Ok(edits)
}
