//! Looks at the gateway's own metrics and tells what people should know: once when it begins, and once when it is over.
//!
//! Two kinds of conditions: a figure that stands on one side of a bound (a target that is shut, rows that wait for the
//! store), and a counter that grew by so much within the window (refusals, finds of a guardrail, failed writes). What is
//! told has a subject, taken from labels of closed sets; while it lasts nothing more is told about it.

use super::Notice;
use crate::config::AlertBounds;
use prometheus::proto::{Metric, MetricFamily, MetricType};
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A figure of the metrics that means something.
struct Rule {
    /// The word in `kind`.
    kind: &'static str,
    /// The family.
    family: &'static str,
    /// Only series with this label.
    only: Option<(&'static str, &'static str)>,
    /// Not these series.
    never: Option<(&'static str, &'static str)>,
    /// Labels that name the subject; series that differ in others are one.
    subject: &'static [&'static str],
    /// When it is told.
    when: When,
    /// What is wrong; `{}`: the subject.
    begins: &'static str,
    /// What it means that it is over.
    ends: &'static str,
}

#[derive(Clone, Copy)]
enum When {
    /// The lowest of its series is below 1: shut, or half open, which nobody has proven yet.
    IsShut,
    /// Seconds above the bound for the lag.
    Lags,
    /// It grew at all.
    Grows,
    /// It grew by `refusals` within the window.
    Refused,
    /// It grew by `finds` within the window.
    Finds,
}

const RULES: &[Rule] = &[
    Rule {
        kind: "target",
        family: "weighbridge_routing_target_state",
        only: None,
        never: None,
        subject: &["provider", "target"],
        when: When::IsShut,
        begins: "target `{}` is shut",
        ends: "target `{}` is open again",
    },
    Rule {
        kind: "ledger_lag",
        family: "weighbridge_ledger_lag_seconds",
        only: None,
        never: None,
        subject: &[],
        when: When::Lags,
        begins: "the ledger's store is behind: reports are old; look at the disk of the state directory",
        ends: "the ledger's store has caught up",
    },
    Rule {
        kind: "ledger_writes",
        family: "weighbridge_ledger_write_errors_total",
        only: None,
        never: None,
        subject: &[],
        when: When::Grows,
        begins: "writes to the ledger fail; look at the disk of the state directory",
        ends: "writes to the ledger have not failed since",
    },
    Rule {
        kind: "ledger_damage",
        family: "weighbridge_ledger_damaged_total",
        only: None,
        never: None,
        subject: &[],
        when: When::Grows,
        begins: "the ledger's journal has damaged places; run `weighbridge ledger verify`",
        ends: "no further damage was found in the ledger's journal",
    },
    Rule {
        kind: "ledger_balances",
        family: "weighbridge_ledger_balance_errors_total",
        only: None,
        never: None,
        subject: &[],
        when: When::Grows,
        begins: "balances of budgets cannot be read; requests under them are refused",
        ends: "balances of budgets have been readable since",
    },
    Rule {
        kind: "unpriced",
        family: "weighbridge_proxy_unpriced_attempts_total",
        only: None,
        never: None,
        subject: &["provider", "target"],
        when: When::Grows,
        begins: "attempts at `{}` have no known price and are not in the cost; add it under `prices`",
        ends: "no further attempt at `{}` was unpriced",
    },
    Rule {
        kind: "records",
        family: "weighbridge_access_log_dropped_total",
        only: None,
        never: None,
        subject: &[],
        when: When::Grows,
        begins: "access records are being lost; look at where `records` go",
        ends: "no further access record was lost",
    },
    Rule {
        kind: "limit",
        family: "weighbridge_limits_decisions_total",
        only: Some(("outcome", "past")),
        never: None,
        subject: &["scope", "what", "mode"],
        when: When::Refused,
        begins: "many requests are past limits: `{}`",
        ends: "few requests are past limits again: `{}`",
    },
    Rule {
        kind: "overload",
        family: "weighbridge_proxy_rejects_total",
        only: Some(("code", "overloaded")),
        never: None,
        subject: &[],
        when: When::Refused,
        begins: "the gateway is overloaded and refuses requests",
        ends: "the gateway is not overloaded any more",
    },
    Rule {
        kind: "guardrail",
        family: "weighbridge_guard_finds_total",
        only: None,
        never: Some(("entity", "failed")),
        subject: &["guard"],
        when: When::Finds,
        begins: "guardrail `{}` finds much",
        ends: "guardrail `{}` finds little again",
    },
    Rule {
        kind: "guardrail_failed",
        family: "weighbridge_guard_finds_total",
        only: Some(("entity", "failed")),
        never: None,
        subject: &["guard"],
        when: When::Grows,
        begins: "guardrail `{}` cannot say; what becomes of its texts is its `on_failure`",
        ends: "guardrail `{}` has been able to say since",
    },
];

/// So many subjects are told about at once; further ones wait until some are over.
const MOST_LASTING: usize = 1_000;
/// So many notices of one look; the others are told with the next one.
const MOST_AT_ONCE: usize = 32;

/// What was seen and told so far.
pub struct Watch {
    bounds: AlertBounds,
    /// By rule and subject.
    seen: BTreeMap<(usize, String), Seen>,
    began: bool,
}

/// One subject.
#[derive(Default)]
struct Seen {
    /// Counters: when, and how many.
    samples: VecDeque<(Duration, f64)>,
    /// It is told, and lasts.
    since: Option<Duration>,
    /// Not so any more since.
    quiet: Option<Duration>,
}

impl Watch {
    /// Nothing was seen.
    pub fn new(bounds: AlertBounds) -> Self {
        Self { bounds, seen: BTreeMap::new(), began: false }
    }

    /// How many things last, by kind.
    pub fn lasting(&self) -> BTreeMap<&'static str, usize> {
        let mut counts: BTreeMap<&'static str, usize> = RULES.iter().map(|rule| (rule.kind, 0)).collect();
        for ((rule, _), seen) in &self.seen {
            if let (Some(rule), Some(_)) = (RULES.get(*rule), seen.since) {
                *counts.entry(rule.kind).or_default() += 1;
            }
        }
        counts
    }

    /// Looks at the metrics as they are at `now`, which is counted from any moment; returns what is to be told.
    pub fn look(&mut self, families: &[MetricFamily], now: Duration) -> Vec<Notice> {
        let mut notices = Vec::new();
        let first = !std::mem::replace(&mut self.began, true);
        // Counted before what is gone is forgotten: it bounds, and need not be exact.
        let mut lasting = self.seen.values().filter(|seen| seen.since.is_some()).count();
        for (number, rule) in RULES.iter().enumerate() {
            let family = families.iter().find(|family| family.name() == rule.family);
            let figures = family.map(|family| rule.figures(family)).unwrap_or_default();
            let gone = |(of, subject): &(usize, String)| *of == number && !figures.contains_key(subject);
            self.seen.retain(|subject, _| !gone(subject)); // no such target any more
            for (subject, value) in figures {
                let known = self.seen.contains_key(&(number, subject.clone()));
                let seen = self.seen.entry((number, subject.clone())).or_default();
                // A counter that is new has grown from nothing, but for what was there before the first look.
                if !known && !first && rule.counts() {
                    seen.samples.push_back((now, 0.0));
                }
                let is = seen.is(rule, value, now, &self.bounds);
                if notices.len() >= MOST_AT_ONCE {
                    continue;
                }
                if seen.since.is_none() && is && lasting < MOST_LASTING {
                    (seen.since, seen.quiet) = (Some(now), None);
                    lasting += 1;
                    notices.push(rule.notice(&subject, value, None));
                } else if let Some(since) = seen.since {
                    match (is, seen.quiet) {
                        (true, _) => seen.quiet = None,
                        (false, None) if rule.counts() => seen.quiet = Some(now),
                        // A counter has grown for a whole window before; it is over after another one without.
                        (false, Some(quiet)) if now.saturating_sub(quiet) < self.bounds.within => {}
                        (false, _) => {
                            (seen.since, seen.quiet) = (None, None);
                            lasting -= 1;
                            notices.push(rule.notice(&subject, value, Some(now.saturating_sub(since))));
                        }
                    }
                }
            }
        }
        notices
    }
}

impl Seen {
    /// Whether it is so.
    fn is(&mut self, rule: &Rule, value: f64, now: Duration, bounds: &AlertBounds) -> bool {
        match rule.when {
            When::IsShut => value < 1.0,
            When::Lags => value > bounds.lag.as_secs_f64(),
            When::Grows => self.grew(value, now, bounds.within) > 0.0,
            When::Refused => bounds.refusals.is_some_and(|many| self.grew(value, now, bounds.within) >= many as f64),
            When::Finds => bounds.finds.is_some_and(|many| self.grew(value, now, bounds.within) >= many as f64),
        }
    }

    /// By how much the counter grew within the window.
    fn grew(&mut self, value: f64, now: Duration, within: Duration) -> f64 {
        self.samples.push_back((now, value));
        // The last one before the window is what it is compared with.
        while self.samples.get(1).is_some_and(|(at, _)| now.saturating_sub(*at) >= within) {
            self.samples.pop_front();
        }
        self.samples.front().map_or(0.0, |(_, before)| value - before)
    }
}

impl Rule {
    const fn counts(&self) -> bool {
        !matches!(self.when, When::IsShut | When::Lags)
    }

    /// What its series say, by subject: counters are added up, of gauges the lowest counts.
    fn figures(&self, family: &MetricFamily) -> BTreeMap<String, f64> {
        let mut figures: BTreeMap<String, f64> = BTreeMap::new();
        for metric in family.get_metric() {
            let has = |(name, value): (&str, &str)| label(metric, name) == Some(value);
            if self.only.is_some_and(|only| !has(only)) || self.never.is_some_and(has) {
                continue;
            }
            let subject: Vec<&str> = self.subject.iter().filter_map(|name| label(metric, name)).collect();
            let value = match family.get_field_type() {
                MetricType::COUNTER => metric.get_counter().get_value(),
                _ => metric.get_gauge().get_value(),
            };
            let figure = figures.entry(subject.join("/"));
            let counts = self.counts();
            figure
                .and_modify(|figure| *figure = if counts { *figure + value } else { figure.min(value) })
                .or_insert(value);
        }
        figures
    }

    fn notice(&self, subject: &str, value: f64, lasted: Option<Duration>) -> Notice {
        let says = if lasted.is_some() { self.ends } else { self.begins }.replace("{}", subject);
        let lasted = lasted.map(|lasted| lasted.as_secs());
        let after = lasted.map_or_else(String::new, |lasted| format!(" (after {lasted} s)"));
        let facts = json!({
            "kind": self.kind, "subject": subject, "state": if lasted.is_some() { "over" } else { "begun" },
            "metric": self.family, "value": value, "lasted_s": lasted,
        });
        Notice { text: format!("Weighbridge: {says}{after}"), facts }
    }
}

fn label<'a>(metric: &'a Metric, name: &str) -> Option<&'a str> {
    metric.get_label().iter().find(|label| label.name() == name).map(|label| label.value())
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
