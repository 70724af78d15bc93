//! Periods by the calendar of a zone, whatever the clock does.

use super::{at, budget, budgets, charges, nano, parts};
use crate::config::{Budget, Calendar, Unit};
use crate::ledger::budget::Hold;
use crate::ledger::budget::period::Period;
use jiff::tz::TimeZone;
use proptest::prelude::*;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

#[test]
fn periods_begin_and_end_where_the_calendar_says() {
    let cases = [
        ("a day", Calendar::Day, "UTC", "2026-11-27T02:00:00Z", "2026-11-27T00:00:00Z", "2026-11-28T00:00:00Z"),
        (
            "its first moment",
            Calendar::Day,
            "UTC",
            "2026-11-27T00:00:00Z",
            "2026-11-27T00:00:00Z",
            "2026-11-28T00:00:00Z",
        ),
        (
            "a day elsewhere",
            Calendar::Day,
            "Asia/Kolkata",
            "2026-11-27T20:00:00Z",
            "2026-11-27T18:30:00Z",
            "2026-11-28T18:30:00Z",
        ),
        (
            "a week from Sunday",
            Calendar::Week,
            "UTC",
            "2026-11-29T23:59:59Z",
            "2026-11-23T00:00:00Z",
            "2026-11-30T00:00:00Z",
        ),
        (
            "a week from Monday",
            Calendar::Week,
            "UTC",
            "2026-11-30T00:00:00Z",
            "2026-11-30T00:00:00Z",
            "2026-12-07T00:00:00Z",
        ),
        ("a month", Calendar::Month, "UTC", "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
        ("a quarter", Calendar::Quarter, "UTC", "2026-12-31T12:00:00Z", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        (
            "23 hours",
            Calendar::Day,
            "Europe/Berlin",
            "2026-03-29T12:00:00Z",
            "2026-03-28T23:00:00Z",
            "2026-03-29T22:00:00Z",
        ),
        (
            "25 hours",
            Calendar::Day,
            "America/New_York",
            "2026-11-01T12:00:00Z",
            "2026-11-01T04:00:00Z",
            "2026-11-02T05:00:00Z",
        ),
        (
            "midnight skipped",
            Calendar::Day,
            "America/Santiago",
            "2026-09-06T12:00:00Z",
            "2026-09-06T04:00:00Z",
            "2026-09-07T03:00:00Z",
        ),
        (
            "a day skipped",
            Calendar::Day,
            "Pacific/Apia",
            "2011-12-30T05:00:00Z",
            "2011-12-29T10:00:00Z",
            "2011-12-30T10:00:00Z",
        ),
    ];
    for (name, per, zone_name, now, start, end) in cases {
        let want = Period { start_us: at(start), end_us: at(end) };
        assert_eq!(Period::of(per, &zone(zone_name), at(now)), want, "{name}");
    }
    assert_eq!(Period::of(Calendar::Lifetime, &TimeZone::UTC, at("2026-11-27T00:00:00Z")), Period::LIFETIME);
    assert_eq!(Period::of(Calendar::Day, &TimeZone::UTC, u64::MAX - 1), Period::LIFETIME, "past the calendar");
}

proptest! {
    /// A period holds the moment it was made for, and the next begins where it ends.
    #[test]
    fn periods_follow_one_another_without_a_gap(
        now_us in 0..4_000_000_000_000_000_u64,
        per in prop::sample::select(vec![Calendar::Day, Calendar::Week, Calendar::Month, Calendar::Quarter]),
        name in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/Santiago", "Pacific/Apia", "Australia/Lord_Howe"]),
    ) {
        let zone = zone(name);
        let period = Period::of(per, &zone, now_us);
        prop_assert!(period.contains(now_us));
        prop_assert_eq!(Period::of(per, &zone, period.start_us), period);
        prop_assert_eq!(Period::of(per, &zone, period.end_us - 1), period);
        prop_assert_eq!(Period::of(per, &zone, period.end_us).start_us, period.end_us);
    }
}

#[test]
fn a_request_is_charged_to_the_period_in_which_it_was_admitted() {
    let rule = budgets().rule(&Budget { per: Calendar::Day, ..budget("a", Unit::Usd, 100) });
    let on = charges(&[(&rule, "")]);
    let (before, after) = (at("2026-11-27T23:59:59Z"), at("2026-11-28T00:00:01Z"));
    let hold = Hold::reserve(&on, nano(80), before).unwrap();
    assert_eq!(hold.charged()[0].period_us, at("2026-11-27T00:00:00Z"));
    let next = Hold::reserve(&on, nano(100), after).unwrap();
    hold.settle(Some(70), 0);
    assert_eq!((parts(&rule, "", before), parts(&rule, "", after)), ((70, 0), (0, 100)));
    drop(next);
}

#[test]
fn a_clock_that_is_set_back_and_forth_finds_each_period_again() {
    let rule = budgets().rule(&Budget { per: Calendar::Day, ..budget("a", Unit::Usd, 100) });
    let on = charges(&[(&rule, "")]);
    let day = |n: u64| at("2026-11-27T12:00:00Z") + n * 86_400_000_000;
    for (now_us, amount) in [(day(1), 60), (day(0), 30), (day(2), 5), (day(0), 10), (day(1), 40)] {
        Hold::reserve(&on, nano(amount), now_us).unwrap().settle(Some(amount), 0);
    }
    assert_eq!([0, 1, 2].map(|n| parts(&rule, "", day(n)).0), [40, 100, 5]);
    assert!(Hold::reserve(&on, nano(1), day(1)).is_err(), "a step of the clock does not refill a period");
}
