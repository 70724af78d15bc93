//! Models and their targets: how they stand, how fast they are, what fails, and what they cost.

use super::figures::{Spread, spans, tokens};
use super::page::{Canvas, Drawn, Refusal};
use super::span::Span;
use super::table::{Cell, Table};
use super::{Desk, show};
use crate::{
    ledger::Sums,
    ledger::pace::{Whose, pace},
    ledger::usage::{Dimension, Query, answer},
    model::{ModelView, TargetHealth},
};
use maud::html;
use std::collections::BTreeMap;

/// All models and targets, or the model of `?name=`.
pub(super) fn draw(desk: &Desk, canvas: &Canvas) -> Result<Drawn, Refusal> {
    let (api, now_us) = (&desk.board.api, desk.board.api.clock.now_us());
    let span = Span::read(canvas.get("since"), canvas.get("until"), now_us)?;
    let name = canvas.get("name");
    let wanted = |model: &str| name.is_empty() || name == model;
    let models: Vec<ModelView> = (api.views.models)().into_iter().filter(|model| wanted(&model.name)).collect();
    let main = html! {
        @if !name.is_empty() { p { a href=(canvas.here(&[("name", "")])) { "All models" } } }
        (spans(canvas, &span))
        div data-live="5" id="live-models" {
            (canvas.table(&targets(desk, &span, &models, name.is_empty())?))
            (canvas.table(&list(desk, &span, &models)?))
        }
        (canvas.table(&prices(desk, &wanted)))
    };
    let title = if name.is_empty() { "Models".to_owned() } else { format!("Model {name}") };
    Ok(Drawn { title, main })
}

fn sums(desk: &Desk, span: &Span, by: &[Dimension]) -> Result<BTreeMap<Vec<String>, (Sums, u64)>, Refusal> {
    let api = &desk.board.api;
    let until_us = (!span.until.is_empty()).then_some(span.to_us);
    let query = Query { by: by.to_vec(), since_us: span.from_us, until_us, only: Vec::new() };
    let report = answer(&api.state_dir, &query, api.clock.now_us())?;
    Ok(report.lines.into_iter().map(|line| (line.labels, (line.sums, line.refused))).collect())
}

fn targets(desk: &Desk, span: &Span, models: &[ModelView], all: bool) -> Result<Table, Refusal> {
    let api = &desk.board.api;
    let sums = sums(desk, span, &[Dimension::Provider, Dimension::TargetModel])?;
    let samples = pace(&api.state_dir, &[(span.from_us, u64::MAX)], &Whose::default(), SAMPLES)?;
    let mut times: BTreeMap<[String; 2], (Vec<u64>, Vec<u64>)> = BTreeMap::new();
    for sample in samples.iter().flatten() {
        let (latency, first) =
            times.entry([&sample.provider, &sample.target_model].map(|name| name.to_string())).or_default();
        latency.push(sample.latency_us);
        first.extend(sample.first_token_us);
    }
    let of_models = |target: &TargetHealth| {
        all || models
            .iter()
            .flat_map(|model| &model.targets)
            .any(|one| one.provider == target.provider && one.model == target.model)
    };
    let columns = vec![
        ("Provider", false),
        ("Model there", false),
        ("State", false),
        ("In flight", true),
        ("Attempts", true),
        ("Failed", true),
        ("Fallbacks to it", true),
        ("Latency p50", true),
        ("p99", true),
        ("First token p50", true),
        ("Spend", true),
    ];
    let row = |target: TargetHealth| {
        let key = [target.provider.clone(), target.model.clone()];
        let (sums, _) = sums.get(&key[..]).copied().unwrap_or_default();
        let (latency, first) = times.remove(&key).unwrap_or_default();
        let (latency, first) = (Spread::of(latency), Spread::of(first));
        let time = |of: Spread, us| if of.of == 0 { Cell::none() } else { Cell::micros(Some(us)) };
        let (since, until) = (&*span.since, &*span.until);
        let one =
            [("provider", &*target.provider), ("target_model", &*target.model), ("since", since), ("until", until)];
        let rows = |more: &[(&str, &str)]| show::link("/dashboard/requests", &[&one, more].concat());
        vec![
            Cell::text(target.provider.clone()),
            Cell::text(target.model.clone()),
            standing(&target, api.clock.now_us()),
            Cell::count(target.in_flight.into()),
            Cell::count(sums.attempts).to(rows(&[])),
            Cell::number(
                format!("{} ({})", show::count(sums.errors), show::share(sums.errors, sums.attempts)),
                sums.errors,
            )
            .to(rows(&[("failed", "1")])),
            Cell::count(sums.attempts.saturating_sub(sums.requests)).to(rows(&[("again", "1")])),
            time(latency, latency.p50),
            time(latency, latency.p99),
            time(first, first.p50),
            Cell::usd(sums.cost.0).to(rows(&[])),
        ]
    };
    let rows = (api.views.targets)().into_iter().filter(of_models).map(row).collect();
    Ok(Table { id: "targets", caption: "Targets".to_owned(), columns, rows, empty: "There is no target." })
}

fn standing(target: &TargetHealth, now_us: u64) -> Cell {
    let class = match &*target.state {
        "open" => "good",
        "half_open" => "warn",
        _ => "bad",
    };
    let until = target.until_us.map(|until| format!(" for {}", show::micros(until.saturating_sub(now_us))));
    let why = target.reason.as_ref().map(|reason| format!(": {}", reason.replace('_', " ")));
    let word = target.state.replace('_', " ");
    Cell::badge(format!("{word}{}{}", why.unwrap_or_default(), until.unwrap_or_default()), class)
}

fn list(desk: &Desk, span: &Span, models: &[ModelView]) -> Result<Table, Refusal> {
    let sums = sums(desk, span, &[Dimension::Model])?;
    let columns = vec![
        ("Model", false),
        ("Targets, in their order", false),
        ("Requests", true),
        ("Refused", true),
        ("Failed attempts", true),
        ("Tokens", true),
        ("Spend", true),
    ];
    let row = |model: &ModelView| {
        let (sums, refused) = sums.get(&[model.name.clone()][..]).copied().unwrap_or_default();
        let one = [("model", &*model.name), ("since", &*span.since), ("until", &*span.until)];
        let rows = |more: &[(&str, &str)]| show::link("/dashboard/requests", &[&one, more].concat());
        let targets = model.targets.iter().map(|target| format!("{}/{}", target.provider, target.model));
        vec![
            Cell::text(model.name.clone())
                .to(show::link("/dashboard/models", &[("name", &*model.name), one[1], one[2]])),
            Cell::text(targets.collect::<Vec<_>>().join(", ")),
            Cell::count(sums.requests).to(rows(&[])),
            Cell::count(refused).to(rows(&[("failed", "1")])),
            Cell::count(sums.errors).to(rows(&[("failed", "1")])),
            Cell::count(tokens(&sums)).to(rows(&[])),
            Cell::usd(sums.cost.0).to(rows(&[])),
        ]
    };
    let rows = models.iter().map(row).collect();
    Ok(Table { id: "models", caption: "Models".to_owned(), columns, rows, empty: "There is no such model." })
}

fn prices(desk: &Desk, wanted: &dyn Fn(&str) -> bool) -> Table {
    let columns =
        vec![("Model", false), ("Target", false), ("Price, USD per million tokens", false), ("Price data", false)];
    let prices = (desk.board.api.views.prices)().into_iter().filter(|price| wanted(&price.model));
    let rows = prices.map(|price| {
        vec![
            Cell::text(price.model),
            Cell::text(format!("{}/{}", price.provider, price.target_model)),
            price.price.map_or_else(|| Cell::badge("unpriced, which is not free", "warn"), Cell::text),
            price.version.map_or_else(Cell::none, Cell::text),
        ]
    });
    Table { id: "prices", caption: "Prices".to_owned(), columns, rows: rows.collect(), empty: "There is no price." }
}

/// Latest attempts that latencies are made of.
const SAMPLES: usize = 2_000;
