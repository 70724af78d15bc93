//! Keys: whose they are, whether they work, what they used. Never a key itself.

use super::figures::{Figures, spans, tokens};
use super::page::{Canvas, Drawn, Refusal};
use super::table::{Cell, Table};
use super::{Desk, show, teams};
use crate::{
    auth::{KeyState, KeyView, Source},
    ledger::usage::Dimension,
};
use maud::{Markup, html};

/// All keys, or those of `?team=`, or those in `?state=`.
pub(super) fn draw(desk: &Desk, canvas: &Canvas) -> Result<Drawn, Refusal> {
    let figures = Figures::read(desk, canvas, Vec::new())?;
    let (team, wanted) = (canvas.get("team"), canvas.get("state"));
    let keys = list(desk, &figures, |key| {
        (team.is_empty() || key.team == team) && (wanted.is_empty() || state(key.state).0 == wanted)
    });
    let states = ["", "active", "expired", "revoked", "unreadable", "shadowed"];
    let main = html! {
        @if canvas.visitor.is_admin() {
            p class="acts" { a class="button" href=(show::link("/dashboard/key/new", &[("team", team)])) { "New key" } }
        }
        (spans(canvas, &figures.span))
        form class="filter" method="get" action="/dashboard/keys" role="search" aria-label="Keys" {
            input type="hidden" name="since" value=(figures.span.since);
            label { "Team" input name="team" value=(team); }
            label { "State" select name="state" { @for state in states {
                option value=(state) selected[state == wanted] { (if state.is_empty() { "any" } else { state }) }
            } } }
            button type="submit" { "Show" }
        }
        (canvas.table(&keys))
    };
    Ok(Drawn { title: "Keys".to_owned(), main })
}

/// The keys of which `shown` says so, at most 500.
pub(super) fn list(desk: &Desk, figures: &Figures, shown: impl Fn(&KeyView) -> bool) -> Table {
    let sums = figures.by(Dimension::Key);
    let (since, until) = (&*figures.span.since, &*figures.span.until);
    let columns = vec![
        ("Key", false),
        ("Team", false),
        ("State", false),
        ("May call", false),
        ("Spend", true),
        ("Tokens", true),
        ("Requests", true),
        ("Failed", true),
        ("Expires", false),
    ];
    let row = |key: KeyView| {
        let (sums, refused) = sums.get(&key.name).copied().unwrap_or_default();
        let span = [("since", since), ("until", until)];
        let rows = |more: &[(&str, &str)]| {
            show::link("/dashboard/requests", &[&[("key", &*key.name)], &span[..], more].concat())
        };
        let (word, class) = state(key.state);
        vec![
            Cell::text(key.name.clone())
                .to(show::link("/dashboard/key", &[&[("name", &*key.name)], &span[..]].concat())),
            Cell::text(key.team.clone())
                .to(show::link("/dashboard/team", &[&[("name", &*key.team)], &span[..]].concat())),
            Cell::badge(word, class),
            teams::may_call(key.models.as_deref()),
            Cell::usd(sums.cost.0).to(rows(&[])),
            Cell::count(tokens(&sums)).to(rows(&[])),
            Cell::count(sums.requests + refused).to(rows(&[])),
            Cell::count(sums.errors + refused).to(rows(&[("failed", "1")])),
            key.expires.map_or_else(
                || Cell::text("never"),
                |at| Cell::text(at.chars().take(16).collect::<String>()).exactly(at),
            ),
        ]
    };
    let all: Vec<KeyView> = desk.board.api.callers.keys().into_iter().filter(shown).collect();
    let caption = if all.len() > MOST { format!("Keys, the first {MOST} of {}", all.len()) } else { "Keys".to_owned() };
    let rows = all.into_iter().take(MOST).map(row).collect();
    Table { id: "keys", caption, columns, rows, empty: "There is no such key." }
}

/// A state in a word, and how it looks.
fn state(state: KeyState) -> (&'static str, &'static str) {
    match state {
        KeyState::Active => ("active", "good"),
        KeyState::Expired => ("expired", "plain"),
        KeyState::Revoked => ("revoked", "plain"),
        KeyState::Shadowed => ("shadowed", "warn"),
        KeyState::Unreadable => ("unreadable", "bad"),
    }
}

/// The page of one key, `?name=`.
pub(super) fn one(desk: &Desk, canvas: &Canvas) -> Result<Drawn, Refusal> {
    let name = canvas.get("name").to_owned();
    let api = &desk.board.api;
    let key = api.callers.key(&name);
    let figures = Figures::read(desk, canvas, vec![(Dimension::Key, name.clone())])?;
    if figures.total.attempts == 0 && figures.refused == 0 {
        key.as_ref()
            .map_err(|error| Refusal::new(axum::http::StatusCode::NOT_FOUND, "Not found", error.to_string()))?;
    }
    let scope = format!("key/{name}");
    let budgets: Vec<_> = (api.views.budgets)().into_iter().filter(|budget| budget.scope == scope).collect();
    let limits: Vec<_> = (api.views.limits)().into_iter().filter(|limit| limit.scope == scope).collect();
    let main = html! {
        @match &key {
            Ok(key) => (facts(canvas, key)),
            // Callers by a JWT have no key of ours.
            Err(_) => p class="hint" { "No key of this name is kept here; this is what was used under it." },
        }
        (spans(canvas, &figures.span))
        div data-live="5" id="live-key" {
            (figures.charts())
            (canvas.table(&teams::budgets(desk, &budgets)))
            (canvas.table(&teams::limits(&limits)))
        }
        (canvas.table(&figures.top(Dimension::Model, Some(20))))
        (canvas.table(&figures.over_time()))
    };
    Ok(Drawn { title: format!("Key {name}"), main })
}

fn facts(canvas: &Canvas, key: &KeyView) -> Markup {
    let link = |path| show::link(path, &[("name", &key.name)]);
    let (word, class) = state(key.state);
    let models = key.models.as_ref().map_or_else(|| "all models of its team".to_owned(), |models| models.join(", "));
    html! {
        @if let Some(problem) = &key.problem { p class="problem" role="alert" { bdi { (problem) } } }
        dl class="facts" {
            div { dt { "State" } dd { span class={ "badge " (class) } { (word) } } }
            div { dt { "Team" } dd { a href=(show::link("/dashboard/team", &[("name", &key.team)])) { bdi { (key.team) } } } }
            div { dt { "May call" } dd { bdi { (models) } } }
            div { dt { "Expires" } dd { (key.expires.as_deref().unwrap_or("never")) } }
            div { dt { "Written" } dd { @if key.source == Source::File { "in the configuration file" } @else { "here" } } }
            @if let Some(created) = &key.created { div { dt { "Made" } dd { (created) } } }
            @if let Some(revoked) = &key.revoked { div { dt { "Revoked" } dd { (revoked) } } }
            @for secret in &key.secrets {
                div { dt { "Secret" } dd { "SHA-256 begins with " code { (secret.sha256_begins) }
                    @if let Some(until) = &secret.until { ", works until " (until) } } }
            }
            @for (tag, value) in &key.tags { div { dt { bdi { (tag) } } dd { bdi { (value) } } } }
        }
        @if canvas.visitor.is_admin() && key.source == Source::State && key.state != KeyState::Revoked {
            p class="acts" {
                a class="button plain" href=(link("/dashboard/key/edit")) { "Change" }
                a class="button plain" href=(link("/dashboard/key/rotate")) { "Rotate" }
                a class="button risky" href=(link("/dashboard/key/revoke")) { "Revoke" }
            }
        }
    }
}

/// Keys of one page; filters find the others.
const MOST: usize = 150;
