//! How figures and moments are shown to people; the exact ones stand in titles and exports.

use crate::config::moment;

/// Dollars, with as many digits as matter: `$12.34`, `$0.0042`, `$0`.
pub(super) fn usd(nano: i64) -> String {
    let sign = if nano < 0 { "−" } else { "" };
    let nanos = nano.unsigned_abs();
    let dollars = nanos as f64 / 1e9;
    let text = match nanos {
        0 => "0".to_owned(),
        1..10_000 => format!("{dollars:.9}"),
        10_000..10_000_000 => format!("{dollars:.6}"),
        10_000_000..1_000_000_000 => format!("{dollars:.3}"),
        1_000_000_000..10_000_000_000_000 => format!("{dollars:.2}"),
        _ => return format!("{sign}${}", count(nanos / 1_000_000_000)),
    };
    format!("{sign}${text}")
}

/// Exact dollars.
pub(super) fn exact_usd(nano: i64) -> String {
    crate::model::NanoUsd(nano).to_string()
}

/// A number of things: `999`, `9,876`, `12.3k`, `4.0M`.
pub(super) fn count(n: u64) -> String {
    let scaled = |by: f64, unit: &str| {
        let value = n as f64 / by;
        if value < 99.95 { format!("{value:.1}{unit}") } else { format!("{value:.0}{unit}") }
    };
    match n {
        0..1_000 => n.to_string(),
        1_000..10_000 => format!("{},{:03}", n / 1_000, n % 1_000),
        10_000..1_000_000 => scaled(1e3, "k"),
        1_000_000..1_000_000_000 => scaled(1e6, "M"),
        1_000_000_000..1_000_000_000_000 => scaled(1e9, "G"),
        _ => scaled(1e12, "T"),
    }
}

/// A count of signed things; what is below zero is told.
pub(super) fn signed(n: i64) -> String {
    if n < 0 { format!("−{}", count(n.unsigned_abs())) } else { count(n.unsigned_abs()) }
}

/// A duration: `120 µs`, `1.2 ms`, `340 ms`, `3.4 s`, `2 min`.
pub(super) fn micros(us: u64) -> String {
    let value = us as f64;
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..10_000 => format!("{:.1} ms", value / 1e3),
        10_000..1_000_000 => format!("{:.0} ms", value / 1e3),
        1_000_000..60_000_000 => format!("{:.1} s", value / 1e6),
        60_000_000..7_200_000_000 => format!("{} min", us / 60_000_000),
        7_200_000_000..172_800_000_000 => format!("{} h", us / 3_600_000_000),
        _ => format!("{} days", us / 86_400_000_000),
    }
}

/// A part of a whole: `0.42 %`; `–` of nothing.
pub(super) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    match part {
        0 => "0 %".to_owned(),
        _ if percent < 10.0 => format!("{percent:.2} %"),
        _ => format!("{percent:.1} %"),
    }
}

/// A moment for people, UTC, to the second: `2026-11-28 05:44:05`.
pub(super) fn time(us: u64) -> String {
    moment::show(us).chars().take(19).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

/// A moment as an address has it: a day where it is the beginning of one.
pub(super) fn moment_in_link(us: u64) -> String {
    let text = exact_time(us);
    text.strip_suffix("T00:00:00Z").map(str::to_owned).unwrap_or(text)
}

/// A moment, exact: RFC 3339.
pub(super) fn exact_time(us: u64) -> String {
    moment::show(us)
}

/// `path?name=value&…`; empty values are left out.
pub(super) fn link(path: &str, query: &[(&str, &str)]) -> String {
    let mut out = path.to_owned();
    let mut sign = '?';
    for (name, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
        out.push(sign);
        sign = '&';
        out.push_str(name);
        out.push('=');
        for byte in value.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                    out.push(char::from(byte))
                }
                _ => out.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_none_is_nothing_that_it_is_not() {
        let money = [
            (0, "$0"),
            (1, "$0.000000001"),
            (42_000, "$0.000042"),
            (42_000_000, "$0.042"),
            (12_340_000_000, "$12.34"),
            (-1_500_000_000, "−$1.50"),
            (4_200_000_000_000_000, "$4.2M"),
        ];
        for (nano, want) in money {
            assert_eq!(usd(nano), want, "{nano}");
        }
        let counts =
            [(0, "0"), (999, "999"), (9_876, "9,876"), (12_345, "12.3k"), (4_000_000, "4.0M"), (u64::MAX, "18446744T")];
        for (n, want) in counts {
            assert_eq!(count(n), want, "{n}");
        }
        let times =
            [(7, "7 µs"), (1_240, "1.2 ms"), (340_000, "340 ms"), (3_400_000, "3.4 s"), (600_000_000, "10 min")];
        for (us, want) in times {
            assert_eq!(micros(us), want, "{us}");
        }
        assert_eq!([share(0, 0), share(0, 5), share(1, 300), share(1, 2)], ["–", "0 %", "0.33 %", "50.0 %"]);
        assert_eq!(time(0), "1970-01-01 00:00:00");
    }

    #[test]
    fn a_name_in_a_link_stays_one_value() {
        let link = link("/x", &[("team", "a&b=\"<'/..ü"), ("none", ""), ("key", "k")]);
        assert_eq!(link, "/x?team=a%26b%3D%22%3C%27%2F..%C3%BC&key=k");
    }
}
