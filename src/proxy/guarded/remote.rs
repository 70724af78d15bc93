//! Guards outside: asked about the texts of a request as those inside have left them, one after the other.

use super::{input::folds, refuse};
use crate::{
    config::Hook,
    dialect::view,
    guard::{
        Desk, Direction, Fold, Guard,
        remote::{self, Action, Asked, AskedText, RemoteGuard, Told},
    },
    model::{Ask, Text},
    proxy::reject::Reject,
};
use bytes::Bytes;
use serde::de::IgnoredAny;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// What of the request is told, where a guard's `send` lists it.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// The request's id.
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
}

/// A text that a guard is asked about.
struct Shown<'a> {
    text: Text,
    hook: Hook,
    says: Cow<'a, str>,
}

/// Asks `guard` about the texts of `ask`; returns what is to stand in their places.
///
/// # Errors
///
/// It refuses them, or could not say.
pub async fn ask(
    desk: &mut Desk,
    (guard, service): (&Guard, &dyn RemoteGuard),
    (ask, boundary): (&Ask, Option<&str>),
    who: &Who<'_>,
) -> Result<Vec<(Range<usize>, Bytes)>, Reject> {
    let body = ask.body.bytes();
    let texts = view::request(ask.api, boundary, &body).unwrap_or_default();
    let mut edits = Vec::new();
    for hook in [Hook::Input, Hook::ToolResult] {
        let mine = texts.iter().filter(|text| guard.hook(Direction::Request, text.speech) == Some(hook));
        let shown: Vec<Shown<'_>> = mine
            .map(|text| Shown { text: text.clone(), hook, says: view::decoded(text.form, &body[text.at.clone()]) })
            .collect();
        if shown.is_empty() {
            continue;
        }
        match check(guard, service, &shown, who).await {
            Ok(told) => follow(desk, guard, &shown, told, &mut edits)?,
            Err(why) => desk.failed(guard, hook, &why.to_string()).map_err(refuse)?,
        }
    }
    edits.sort_by_key(|(at, _): &(Range<usize>, Bytes)| at.start);
    Ok(edits)
}

async fn check(
    guard: &Guard,
    service: &dyn RemoteGuard,
    shown: &[Shown<'_>],
    who: &Who<'_>,
) -> Result<Told, remote::RemoteError> {
    let texts: Vec<AskedText<'_>> =
        shown.iter().map(|one| AskedText { speech: one.text.speech, text: &one.says }).collect();
    let metadata: BTreeMap<String, String> =
        who.metadata.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let asked = Asked {
        guard: &guard.name,
        hook: shown.first().map_or(Hook::Input, |one| one.hook),
        request_id: who.request_id,
        model: who.model,
        team: who.team,
        key: who.key,
        user: who.user,
        metadata: &metadata,
        texts: &texts,
    };
    service.check(&asked).await
}

/// Does what the service wants, as far as the guardrail lets it.
fn follow(
    desk: &mut Desk,
    guard: &Guard,
    shown: &[Shown<'_>],
    told: Told,
    edits: &mut Vec<(Range<usize>, Bytes)>,
) -> Result<(), Reject> {
    let Some(hook) = shown.first().map(|one| one.hook) else { return Ok(()) };
    let Told { action, reason, entities, replacements, spans } = told;
    if action == Action::Block {
        let found: Vec<&str> = entities.iter().map(|(entity, _)| &**entity).collect();
        return desk.blocked_by(guard, hook, found.first().copied().unwrap_or("blocked"), reason).map_err(refuse);
    }
    for (entity, _) in &entities {
        desk.noted(guard, hook, entity, action == Action::Replace && guard.decides());
    }
    if !guard.decides() {
        return Ok(());
    }
    for (index, text) in replacements {
        if let Some(one) = shown.get(index) {
            edits.extend(one.becomes(desk, guard, &text)?);
        }
    }
    if !guard.action.edits() && !spans.is_empty() {
        let entity = spans.first().map_or("blocked", |(_, _, entity)| entity).to_owned();
        return desk.blocked_by(guard, hook, &entity, reason).map_err(refuse);
    }
    for (index, one) in shown.iter().enumerate() {
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
            out.push_str(&desk.instead_of(guard, entity, value, folds(one.text.form)));
            from = at.end;
        }
        out.push_str(one.says.get(from..).unwrap_or_default());
        edits.extend(one.becomes(desk, guard, &out)?);
    }
    Ok(())
}

impl Shown<'_> {
    /// The text with `says` in its place. What is JSON must stay JSON: a service that makes something else of it could not
    /// say.
    fn becomes(&self, desk: &mut Desk, guard: &Guard, says: &str) -> Result<Option<(Range<usize>, Bytes)>, Reject> {
        let Text { at, form, .. } = &self.text;
        let was_json = folds(*form) == Fold::Json && serde_json::from_str::<IgnoredAny>(&self.says).is_ok();
        if was_json && serde_json::from_str::<IgnoredAny>(says).is_err() {
            let why = "its answer makes something of a tool's arguments that is no JSON";
            desk.failed(guard, self.hook, why).map_err(refuse)?;
            return Ok(None);
        }
        Ok(Some((at.clone(), view::replacement(*form, says))))
    }
}
