//! Limits and budgets: LiteLLM's numbers as our rules.

use super::amount::Amount;
use super::desk::Desk;
use super::read::Fields;
use super::write::Out;

/// The rules of one scope. `nothing`: a limit or budget of 0 stands there, which lets nothing pass.
#[derive(Default)]
pub(super) struct Rules {
    pub(super) limits: Vec<Out>,
    pub(super) budgets: Vec<Out>,
    pub(super) nothing: bool,
}

impl Rules {
    /// Appends both lists to a scope's settings.
    pub(super) fn write(&self, settings: &mut Vec<(String, Out)>) {
        for (key, list) in [("limits", &self.limits), ("budgets", &self.budgets)] {
            if !list.is_empty() {
                settings.push((key.to_owned(), Out::List(list.clone())));
            }
        }
    }

    /// Requests and tokens a minute, and what may be open at once.
    pub(super) fn limits(&mut self, fields: &Fields<'_>, keys: [&str; 3], desk: &mut Desk) {
        let [rpm, tpm, open] = keys;
        for (key, what, per) in [(rpm, "requests", true), (tpm, "tokens", true), (open, "concurrent", false)] {
            let Some(number) = desk.number(fields, key) else { continue };
            let Some(number) = number.whole().filter(|number| *number <= i64::MAX.unsigned_abs()) else { continue };
            if number == 0 {
                self.nothing = true;
                continue;
            }
            let mut limit =
                vec![(what.to_owned(), Out::word(number.min(if per { u64::MAX } else { u32::MAX.into() })))];
            if per {
                limit.push(("per".to_owned(), Out::word("minute")));
            }
            // What was read first is closer to the scope than what it names.
            let known = |one: &Out| matches!(one, Out::Map(entries) if entries.iter().any(|(key, _)| key == what));
            if !self.limits.iter().any(known) {
                self.limits.push(Out::Map(limit));
            }
        }
    }

    /// `max_budget` with `budget_duration`, and `soft_budget` as an alert. Rounded down to a nano-dollar.
    ///
    /// Periods begin as LiteLLM's do: <https://docs.litellm.ai/docs/proxy/budget_reset_and_tz>.
    pub(super) fn budget(&mut self, fields: &Fields<'_>, each: Option<&str>, desk: &mut Desk) {
        let soft = desk.number(fields, "soft_budget");
        let duration = fields.get("budget_duration");
        let Some(most) = desk.number(fields, "max_budget") else {
            if soft.is_some() {
                desk.note(
                    &fields.path("soft_budget"),
                    "not carried over: an alert stands at a budget, and there is none",
                );
            }
            return;
        };
        let path = fields.path("max_budget");
        let Some(cut) = most.cut(9, false) else {
            return desk.note(
                &path,
                "not carried over: a budget is less than 1,000,000,000 USD; without one nothing is bounded",
            );
        };
        if cut.text == "0" {
            self.nothing = true;
            return;
        }
        if cut.inexact {
            desk.note(&path, "rounded down to a nano-dollar");
        }
        let per = match duration.map(|node| (node, node.text().and_then(period))) {
            None => "lifetime",
            Some((node, None)) => {
                desk.note(
                    &node.path,
                    "is no duration that is known: the budget is for the lifetime; write `per` by hand",
                );
                "lifetime"
            }
            Some((_, Some((per, true)))) => per,
            Some((node, Some((per, false)))) => {
                let why = "there is no budget of this length here; the next longer one stands with the same amount, which is stricter";
                desk.note(&node.path, format!("{why}: per {per}; change `usd` and `per` together"));
                per
            }
        };
        let mut budget = vec![("usd".to_owned(), Out::word(&cut.text)), ("per".to_owned(), Out::word(per))];
        budget.extend(each.map(|each| ("each".to_owned(), Out::word(each))));
        let alert = soft.and_then(|soft| percent(soft, most));
        budget.extend(alert.map(|alert| ("alerts".to_owned(), Out::List(vec![Out::word(format!("{alert}%"))]))));
        let budget = Out::Map(budget);
        if !self.budgets.contains(&budget) {
            self.budgets.push(budget);
        }
    }
}

/// Our period for a duration such as `30d`, and whether it is the same.
fn period(text: &str) -> Option<(&'static str, bool)> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
    let hours = match unit {
        "s" => number.div_ceil(3600),
        "m" => number.div_ceil(60),
        "h" => number,
        "d" => number.checked_mul(24)?,
        "w" => number.checked_mul(7 * 24)?,
        "mo" => number.checked_mul(30 * 24)?,
        _ => return None,
    };
    let subday = matches!(unit, "s" | "m") || hours < 24;
    Some(match hours {
        24 if !subday => ("day", true),
        0..=24 => ("day", false),
        168 => ("week", true),
        25..=168 => ("week", false),
        720 => ("month", true),
        169..=720 => ("month", false),
        721..=2160 => ("quarter", unit == "mo" && number == 3),
        _ => ("lifetime", false),
    })
}

/// `part` of `whole` in whole percent, 1 to 1000.
fn percent(part: Amount, whole: Amount) -> Option<u64> {
    let nano = |amount: Amount| amount.shifted(9).whole().map(u128::from);
    let percent = nano(part)?.checked_mul(100)? / nano(whole)?.max(1);
    u64::try_from(percent).ok().filter(|percent| (1..=1000).contains(percent))
}

#[cfg(test)]
mod tests {
    use super::{Amount, percent, period};

    #[test]
    fn durations_become_the_same_period_or_the_next_longer_one() {
        let cases = [
            ("24h", Some(("day", true))),
            ("1d", Some(("day", true))),
            ("7d", Some(("week", true))),
            ("1w", Some(("week", true))),
            ("30d", Some(("month", true))),
            ("1mo", Some(("month", true))),
            ("3mo", Some(("quarter", true))),
            ("90d", Some(("quarter", false))),
            ("30s", Some(("day", false))),
            ("1h", Some(("day", false))),
            ("1440m", Some(("day", false))),
            ("10d", Some(("month", false))),
            ("365d", Some(("lifetime", false))),
            ("0d", None),
            ("monthly", None),
            ("", None),
        ];
        for (text, want) in cases {
            assert_eq!(period(text), want, "{text}");
        }
    }

    #[test]
    fn a_soft_budget_is_a_share_of_the_budget() {
        let read = |text| Amount::read(text).expect("a number");
        assert_eq!(percent(read("80"), read("100")), Some(80));
        assert_eq!(percent(read("0.001"), read("100")), None);
        assert_eq!(percent(read("120"), read("100")), Some(120));
    }
}
