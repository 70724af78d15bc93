//! What was used in a span of time: its pictures, its sums by team, key and model, and links to the rows behind them.

use super::chart::{Bar, Chart};
use super::page::{Canvas, Refusal};
use super::span::Span;
use super::table::{Cell, Table};
use super::{Desk, show};
use crate::{
    ledger::Sums,
    ledger::pace::{Whose, pace},
    ledger::usage::{Dimension, Line, Query, answer, answer_in},
};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// What was used in one hour or day.
#[derive(Debug, Default)]
struct Bucket {
    from_us: u64,
    to_us: u64,
    sums: Sums,
    refused: u64,
    overhead: Spread,
    first_token: Spread,
}

/// The middle and the slow end of times, in microseconds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spread {
    /// Half of them are shorter.
    pub p50: u64,
    /// One of a hundred is longer.
    pub p99: u64,
    /// How many there are.
    pub of: usize,
}

impl Spread {
    /// Of times in any order.
    pub fn of(mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
        let (p50, p99) = (at(50).copied().unwrap_or_default(), at(99).copied().unwrap_or_default());
        Self { p50, p99, of: times.len() }
    }

    /// Nothing is no time.
    pub fn shown(&self, us: u64) -> String {
        if self.of == 0 { "–".to_owned() } else { show::micros(us) }
    }
}

/// What was used in a span of time, by those that are asked about.
pub(super) struct Figures {
    /// When.
    pub span: Span,
    /// Everything together.
    pub total: Sums,
    /// Requests that were refused.
    pub refused: u64,
    /// Attempts under way.
    pub open: u64,
    only: Vec<(Dimension, String)>,
    buckets: Vec<Bucket>,
    lines: Vec<Line>,
    overhead: Spread,
    first_token: Spread,
}

impl Figures {
    /// Adds up what the page's address asks for: `since`, `until`, and `only` these.
    ///
    /// # Errors
    ///
    /// When the address makes no sense or the ledger cannot be read.
    pub fn read(desk: &Desk, canvas: &Canvas, only: Vec<(Dimension, String)>) -> Result<Self, Refusal> {
        let (api, now_us) = (&desk.board.api, desk.board.api.clock.now_us());
        let span = Span::read(canvas.get("since"), canvas.get("until"), now_us)?;
        // Reports go to the beginning of the hour in which `until` is: the bars' end is the next one.
        let until_us = (!span.until.is_empty()).then_some(span.to_us);
        let query = |by: Vec<Dimension>| Query { by, since_us: span.from_us, until_us, only: only.clone() };
        let over_time = answer(&api.state_dir, &query(vec![span.by]), now_us)?;
        let of_whom = query(vec![Dimension::Team, Dimension::Key, Dimension::Model]);
        let by_whom = answer_in(&api.state_dir, &of_whom, now_us, MOST_LINES)?;
        let stretches = span.buckets();
        let samples = pace(&api.state_dir, &stretches, &whose(&only), SAMPLES)?;
        let mut buckets: Vec<Bucket> =
            stretches.iter().map(|&(from_us, to_us)| Bucket { from_us, to_us, ..Bucket::default() }).collect();
        let places = span.places();
        for line in over_time.lines {
            let place = line.labels.first().and_then(|label| places.get(label));
            if let Some(bucket) = place.and_then(|at| buckets.get_mut(*at)) {
                bucket.sums.add(&line.sums);
                bucket.refused += line.refused;
            }
        }
        let (mut all_overhead, mut all_first) = (Vec::new(), Vec::new());
        for (bucket, samples) in buckets.iter_mut().zip(&samples) {
            let overhead: Vec<u64> = samples.iter().filter_map(|sample| sample.overhead_us).collect();
            let first: Vec<u64> = samples.iter().filter_map(|sample| sample.first_token_us).collect();
            all_overhead.extend_from_slice(&overhead);
            all_first.extend_from_slice(&first);
            (bucket.overhead, bucket.first_token) = (Spread::of(overhead), Spread::of(first));
        }
        Ok(Self {
            total: over_time.total,
            refused: over_time.refused,
            open: over_time.open,
            lines: by_whom.lines,
            overhead: Spread::of(all_overhead),
            first_token: Spread::of(all_first),
            span,
            only,
            buckets,
        })
    }

    /// All tokens.
    pub fn tokens(&self) -> u64 {
        tokens(&self.total)
    }

    /// The list of requests of a stretch of time; `more`: which of them.
    fn rows(&self, stretch: Option<(u64, u64)>, more: &[(&str, &str)]) -> String {
        let moments = stretch.map(|(from, to)| (show::moment_in_link(from), show::moment_in_link(to)));
        let (since, until) = moments.as_ref().map_or((&*self.span.since, &*self.span.until), |(from, to)| (from, to));
        let only = self.only.iter().map(|(by, value)| (by.name(), &**value));
        let all: Vec<(&str, &str)> =
            only.chain([("since", since), ("until", until)]).chain(more.iter().copied()).collect();
        show::link("/dashboard/requests", &all)
    }

    /// The pictures.
    pub fn charts(&self) -> Markup {
        html! { div class="charts" { @for chart in self.all_charts() { (chart.html()) } } }
    }

    fn all_charts(&self) -> [Chart; 6] {
        let total = &self.total;
        let failed = [("failed", "1")];
        let spread = |of: fn(&Bucket) -> Spread, name, all: Spread| {
            let parts = move |bucket: &Bucket| {
                let times = of(bucket);
                vec![("one", times.p50 as f64), ("two", times.p99.saturating_sub(times.p50) as f64)]
            };
            let words = move |bucket: &Bucket| {
                let times = of(bucket);
                format!("half below {}, 99 % below {}", times.shown(times.p50), times.shown(times.p99))
            };
            let note = format!("99 % below {}", all.shown(all.p99));
            self.chart(name, (all.shown(all.p50), note), &[], &parts, &words)
        };
        let requests =
            (show::count(total.requests + self.refused), format!("{} attempts", show::count(total.attempts)));
        let errors = total.errors + self.refused;
        let of_all = show::share(errors, total.attempts + self.refused);
        [
            self.chart(
                "Spend",
                (show::usd(total.cost.0), beside_cost(total)),
                &[],
                &|bucket| vec![("one", bucket.sums.cost.0 as f64)],
                &|bucket| show::usd(bucket.sums.cost.0),
            ),
            self.chart(
                "Tokens",
                (
                    show::count(tokens(total)),
                    format!(
                        "{} in, {} out",
                        show::count(total.usage.input_total()),
                        show::count(total.usage.output_total())
                    ),
                ),
                &[],
                &|bucket| {
                    vec![
                        ("one", bucket.sums.usage.input_total() as f64),
                        ("two", bucket.sums.usage.output_total() as f64),
                    ]
                },
                &|bucket| {
                    format!(
                        "{} in, {} out",
                        show::count(bucket.sums.usage.input_total()),
                        show::count(bucket.sums.usage.output_total())
                    )
                },
            ),
            self.chart(
                "Requests",
                requests,
                &[],
                &|bucket| vec![("one", bucket.sums.requests as f64), ("three", bucket.refused as f64)],
                &|bucket| {
                    format!("{} sent on, {} refused", show::count(bucket.sums.requests), show::count(bucket.refused))
                },
            ),
            self.chart(
                "Errors",
                (show::count(errors), format!("{of_all}; {} refused", show::count(self.refused))),
                &failed,
                &|bucket| vec![("bad", bucket.sums.errors as f64), ("three", bucket.refused as f64)],
                &|bucket| {
                    format!(
                        "{} attempts failed, {} requests refused",
                        show::count(bucket.sums.errors),
                        show::count(bucket.refused)
                    )
                },
            ),
            spread(|bucket| bucket.overhead, "Added latency, median", self.overhead),
            spread(|bucket| bucket.first_token, "First token, median", self.first_token),
        ]
    }

    fn chart(
        &self,
        name: &'static str,
        (figure, note): (String, String),
        more: &[(&str, &str)],
        parts: &dyn Fn(&Bucket) -> Vec<(&'static str, f64)>,
        words: &dyn Fn(&Bucket) -> String,
    ) -> Chart {
        let bars = self.buckets.iter().map(|bucket| Bar {
            parts: parts(bucket),
            title: format!("{}: {}", self.span.short(bucket.from_us), words(bucket)),
            href: self.rows(Some((bucket.from_us, bucket.to_us)), more),
        });
        let end = |bucket: Option<&Bucket>| bucket.map(|bucket| self.span.short(bucket.from_us)).unwrap_or_default();
        let ends = (end(self.buckets.first()), end(self.buckets.last()));
        Chart { name, figure, href: self.rows(None, more), note, bars: bars.collect(), ends }
    }

    /// The figures of the pictures.
    pub fn over_time(&self) -> Table {
        let columns = vec![
            ("Time (UTC)", false),
            ("Requests", true),
            ("Tokens in", true),
            ("Tokens out", true),
            ("Spend", true),
            ("Failed", true),
            ("Refused", true),
            ("Added p50", true),
            ("Added p99", true),
            ("First token p50", true),
            ("First token p99", true),
        ];
        let row = |bucket: &Bucket| {
            let to = |more| self.rows(Some((bucket.from_us, bucket.to_us)), more);
            let time = |times: Spread, us| if times.of == 0 { Cell::none() } else { Cell::micros(Some(us)) };
            vec![
                Cell::text(self.span.short(bucket.from_us)),
                Cell::count(bucket.sums.requests).to(to(&[])),
                Cell::count(bucket.sums.usage.input_total()),
                Cell::count(bucket.sums.usage.output_total()),
                Cell::usd(bucket.sums.cost.0),
                Cell::count(bucket.sums.errors).to(to(&[("failed", "1")])),
                Cell::count(bucket.refused).to(to(&[("failed", "1")])),
                time(bucket.overhead, bucket.overhead.p50),
                time(bucket.overhead, bucket.overhead.p99),
                time(bucket.first_token, bucket.first_token.p50),
                time(bucket.first_token, bucket.first_token.p99),
            ]
        };
        let caption = format!("By {}", self.span.bar());
        let rows = self.buckets.iter().rev().map(row).collect();
        Table { id: "time", caption, columns, rows, empty: "No time." }
    }

    /// Who used most, by spend and then by tokens. `most`: how many; `None`: all.
    pub fn top(&self, by: Dimension, most: Option<usize>) -> Table {
        let (id, name, plural, page) = match by {
            Dimension::Team => ("top-teams", "Team", "Top teams", "/dashboard/team"),
            Dimension::Key => ("top-keys", "Key", "Top keys", "/dashboard/key"),
            _ => ("top-models", "Model", "Top models", "/dashboard/models"),
        };
        let mut sums: Vec<(String, Sums, u64)> =
            self.by(by).into_iter().map(|(name, (sums, refused))| (name, sums, refused)).collect();
        sums.sort_by_key(|(_, sums, _)| std::cmp::Reverse((sums.cost, tokens(sums), sums.requests)));
        let columns = vec![(name, false), ("Spend", true), ("Tokens", true), ("Requests", true), ("Failed", true)];
        let all = self.total.cost.0.max(1) as f64;
        let row = |(name, sums, refused): &(String, Sums, u64)| {
            let to = |more: &[(&str, &str)]| {
                let mut more = more.to_vec();
                more.push((by.name(), name));
                self.rows(None, &more)
            };
            let (since, until) = (&*self.span.since, &*self.span.until);
            let link = show::link(page, &[("name", name), ("since", since), ("until", until)]);
            let words = format!("{} of all spend", show::share(u64::try_from(sums.cost.0).unwrap_or(0), all as u64));
            let whose = if name == "-" { Cell::text("unknown") } else { Cell::text(name.clone()).to(link) };
            vec![
                whose.with(super::chart::part(sums.cost.0 as f64 / all, &words)),
                Cell::usd(sums.cost.0).to(to(&[])),
                Cell::count(tokens(sums)).to(to(&[])),
                Cell::count(sums.requests + refused).to(to(&[])),
                Cell::count(sums.errors + refused).to(to(&[("failed", "1")])),
            ]
        };
        let rows = sums.iter().take(most.unwrap_or(usize::MAX)).map(row).collect();
        Table { id, caption: plural.to_owned(), columns, rows, empty: "Nothing was used in this time." }
    }

    /// Sums and refusals by a dimension of the lines.
    pub fn by(&self, by: Dimension) -> BTreeMap<String, (Sums, u64)> {
        let place = match by {
            Dimension::Team => 0,
            Dimension::Key => 1,
            _ => 2,
        };
        let mut sums: BTreeMap<String, (Sums, u64)> = BTreeMap::new();
        for line in &self.lines {
            let name = line.labels.get(place).cloned().unwrap_or_default();
            let entry = sums.entry(name).or_default();
            entry.0.add(&line.sums);
            entry.1 += line.refused;
        }
        sums
    }
}

/// Whose attempts percentiles are made of.
fn whose(only: &[(Dimension, String)]) -> Whose {
    let one = |by| only.iter().find(|(of, _)| *of == by).map(|(_, value)| value.clone());
    Whose {
        team: one(Dimension::Team),
        key: one(Dimension::Key),
        model: one(Dimension::Model),
        provider: one(Dimension::Provider),
        target_model: one(Dimension::TargetModel),
    }
}

/// All tokens of sums.
pub(super) fn tokens(sums: &Sums) -> u64 {
    sums.usage.input_total().saturating_add(sums.usage.output_total())
}

fn beside_cost(sums: &Sums) -> String {
    let priced = match sums.unpriced {
        0 => "all attempts priced".to_owned(),
        n => format!("{} attempts unpriced", show::count(n)),
    };
    match sums.saved.0 {
        0 => priced,
        saved => format!("{priced}; {} saved by the cache", show::usd(saved)),
    }
}

/// Links to other spans of time.
pub(super) fn spans(canvas: &Canvas, span: &Span) -> Markup {
    let named = [("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days"), ("90d", "90 days")];
    html! {
        nav class="spans" aria-label="Time" {
            ul { @for (since, name) in named {
                @let here = span.since == since && span.until.is_empty();
                li { a href=(canvas.here(&[("since", since), ("until", "")])) aria-current=[here.then_some("true")] { (name) } }
            } }
            p class="hint" {
                "from " time datetime=(show::exact_time(span.from_us)) { (show::time(span.from_us)) }
                " to " time datetime=(show::exact_time(span.to_us)) { (show::time(span.to_us)) } " UTC"
            }
        }
    }
}

/// Latest attempts of an hour or day that percentiles are made of.
const SAMPLES: usize = 250;
/// Combinations of team, key and model: a page adds them up and shows few.
const MOST_LINES: usize = 300_000;

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_middle_and_the_slow_end_are_of_what_there_is() {
        assert_eq!(Spread::of(Vec::new()).shown(0), "–");
        assert_eq!(Spread::of(vec![7]), Spread { p50: 7, p99: 7, of: 1 });
        assert_eq!(Spread::of((1..=200).rev().collect()), Spread { p50: 101, p99: 199, of: 200 });
    }
}
