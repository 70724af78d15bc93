//! One team: what it used in a sentence, its pictures, budgets, limits and keys.

use super::figures::{Figures, spans};
use super::guards::found_by;
use super::page::{Canvas, Drawn, Refusal};
use super::{Desk, keys, show, teams};
use crate::{
    auth::{Source, TeamView},
    ledger::usage::Dimension,
};
use maud::{Markup, html};

/// The page of `?name=`.
pub(super) fn draw(desk: &Desk, canvas: &Canvas) -> Result<Drawn, Refusal> {
    let name = canvas.get("name").to_owned();
    let api = &desk.board.api;
    // A team that is gone has still used what it used.
    let team = api.callers.team(&name);
    let figures = Figures::read(desk, canvas, vec![(Dimension::Team, name.clone())])?;
    if figures.total.attempts == 0 && figures.refused == 0 {
        team.as_ref()
            .map_err(|error| Refusal::new(axum::http::StatusCode::NOT_FOUND, "Not found", error.to_string()))?;
    }
    let scope = format!("team/{name}");
    let own = |of: &str| of == scope;
    let budgets: Vec<_> = (api.views.budgets)().into_iter().filter(|budget| own(&budget.scope)).collect();
    let limits: Vec<_> = (api.views.limits)().into_iter().filter(|limit| own(&limit.scope)).collect();
    let main = html! {
        @match &team {
            Ok(team) => (head(canvas, team)),
            Err(_) => p class="problem" { "There is no such team any more; this is what it used." },
        }
        (spans(canvas, &figures.span))
        div data-live="5" id="live-team" {
            (sentence(desk, &figures, &name)?)
            (figures.charts())
            (canvas.table(&teams::budgets(desk, &budgets)))
            (canvas.table(&teams::limits(&limits)))
        }
        div class="columns" {
            (canvas.table(&figures.top(Dimension::Key, Some(10))))
            (canvas.table(&figures.top(Dimension::Model, Some(10))))
        }
        (canvas.table(&keys::list(desk, &figures, |key| key.team == name)))
        (canvas.table(&figures.over_time()))
    };
    Ok(Drawn { title: format!("Team {name}"), main })
}

/// "search used 4.0M tokens, spent $12.34 and triggered guardrails 3 times."
fn sentence(desk: &Desk, figures: &Figures, name: &str) -> Result<Markup, Refusal> {
    let (since, until) = (&*figures.span.since, &*figures.span.until);
    let rows = show::link("/dashboard/requests", &[("team", name), ("since", since), ("until", until)]);
    let guards = show::link("/dashboard/guardrails", &[("team", name), ("since", since), ("until", until)]);
    let times = |n: u64| match n {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{} times", show::count(n)),
    };
    let found = found_by(desk, &figures.span, name)?;
    Ok(html! {
        p class="sentence" {
            bdi { (name) } " used " a href=(rows) { (show::count(figures.tokens())) " tokens" }
            ", spent " a href=(rows) title=(show::exact_usd(figures.total.cost.0)) { (show::usd(figures.total.cost.0)) }
            " and triggered guardrails " a href=(guards) { (times(found)) } "."
        }
    })
}

fn head(canvas: &Canvas, team: &TeamView) -> Markup {
    let link = |path| show::link(path, &[("name", &team.name)]);
    let models = team.models.as_ref().map_or_else(|| "all models".to_owned(), |models| models.join(", "));
    html! {
        @if let Some(problem) = &team.problem { p class="problem" role="alert" { bdi { (problem) } } }
        dl class="facts" {
            div { dt { "May call" } dd { bdi { (models) } } }
            div { dt { "Keys" } dd { a href=(show::link("/dashboard/keys", &[("team", &team.name)])) { (team.keys) } } }
            div { dt { "Written" } dd { @if team.source == Source::File { "in the configuration file" } @else { "here" } } }
            @if let Some(updated) = &team.updated { div { dt { "Changed" } dd { (updated) } } }
        }
        @if canvas.visitor.is_admin() {
            p class="acts" {
                a class="button" href=(show::link("/dashboard/key/new", &[("team", &team.name)])) { "New key" }
                @if team.source == Source::State {
                    a class="button plain" href=(link("/dashboard/team/edit")) { "Change" }
                    a class="button risky" href=(link("/dashboard/team/delete")) { "Delete" }
                }
            }
        }
    }
}
