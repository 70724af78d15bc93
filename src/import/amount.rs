//! Exact decimals: money, prices and times never pass through a float.

/// `digits` × 10^`power`, not negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Amount {
    digits: u128,
    power: i32,
}

/// What an amount became when it had to be cut to so many places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) text: String,
    /// Whether digits were lost.
    pub(super) inexact: bool,
}

impl Amount {
    /// Reads `12`, `0.5`, `1e-06`, `1_000`, `1.50E+2`. `None`: no number, negative, or more than 30 digits.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim().replace('_', "");
        let text = text.strip_prefix('+').unwrap_or(&text);
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok().filter(|e| (-60..=60).contains(e))?),
            None => (text, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let all = format!("{whole}{fraction}");
        if all.is_empty() || all.len() > 60 || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let kept = all.trim_end_matches('0');
        let zeros = i32::try_from(all.len() - kept.len()).ok()?;
        let kept = kept.trim_start_matches('0');
        if kept.is_empty() {
            return Some(Self { digits: 0, power: 0 });
        }
        let digits = kept.parse().ok().filter(|_| kept.len() <= 30)?;
        Some(Self { digits, power: exponent + zeros - i32::try_from(fraction.len()).ok()? })
    }

    /// Times 10^`power`.
    pub(super) const fn shifted(self, power: i32) -> Self {
        Self { digits: self.digits, power: self.power + power }
    }

    /// With at most `places` digits behind the point, rounded up or down. `None`: 10^9 or more.
    pub(super) fn cut(self, places: u32, up: bool) -> Option<Cut> {
        let shift = self.power + i32::try_from(places).ok()?;
        let (scaled, inexact) = if self.digits == 0 {
            (0, false)
        } else if shift >= 0 {
            (self.digits.checked_mul(10u128.checked_pow(u32::try_from(shift).ok()?)?)?, false)
        } else {
            match 10u128.checked_pow(shift.unsigned_abs()) {
                Some(by) => (
                    self.digits / by + u128::from(up && !self.digits.is_multiple_of(by)),
                    !self.digits.is_multiple_of(by),
                ),
                None => (u128::from(up), true),
            }
        };
        let unit = 10u128.checked_pow(places)?;
        if scaled / unit >= 1_000_000_000 {
            return None;
        }
        let fraction = format!("{:0width$}", scaled % unit, width = usize::try_from(places).ok()?);
        let fraction = if places == 0 { "" } else { fraction.trim_end_matches('0') };
        let point = if fraction.is_empty() { "" } else { "." };
        Some(Cut { text: format!("{}{point}{fraction}", scaled / unit), inexact })
    }

    /// As a whole number, rounded up.
    pub(super) fn whole(self) -> Option<u64> {
        if self.power >= 0 {
            return u64::try_from(self.digits.checked_mul(10u128.checked_pow(self.power.unsigned_abs())?)?).ok();
        }
        let by = 10u128.checked_pow(self.power.unsigned_abs())?;
        u64::try_from(self.digits.div_ceil(by)).ok()
    }

    /// As a whole number, if it is one.
    pub(super) fn exactly_whole(self) -> Option<u64> {
        (self.power >= 0 || self.digits == 0).then(|| self.whole()).flatten()
    }
}

/// Seconds as milliseconds. `None`: no number, nothing, or more than a day.
pub(super) fn millis(text: &str) -> Option<u64> {
    Amount::read(text)?.shifted(3).whole().filter(|millis| (1..=86_400_000).contains(millis))
}

/// Milliseconds as our configuration writes a duration: `30s`, `1500ms`.
pub(super) fn duration(millis: u64) -> String {
    if millis.is_multiple_of(1000) { format!("{}s", millis / 1000) } else { format!("{millis}ms") }
}

#[cfg(test)]
mod tests {
    use super::{Amount, duration, millis};

    #[test]
    fn prices_a_token_become_prices_a_million_exactly() {
        // (USD a token, USD a million tokens, digits lost)
        let cases = [
            ("1.5e-07", "0.15", false),
            ("0.00000015", "0.15", false),
            ("3.125e-08", "0.03125", false),
            ("2.5E-06", "2.5", false),
            ("0.000003", "3", false),
            ("0", "0", false),
            ("0.0", "0", false),
            ("1e-15", "0.000000001", false),
            ("1e-16", "0.000000001", true),
            ("1.66666666667e-07", "0.166666667", true),
            ("6e-06", "6", false),
            ("1", "1000000", false),
        ];
        for (token, million, inexact) in cases {
            let cut = Amount::read(token).and_then(|amount| amount.shifted(6).cut(9, true)).expect(token);
            assert_eq!((&*cut.text, cut.inexact), (million, inexact), "{token}");
        }
    }

    #[test]
    fn what_is_no_amount_is_none() {
        for text in ["", "-1", "abc", "1e", "nan", "inf", "1e999", "1.2.3", "0x10"] {
            assert_eq!(Amount::read(text), None, "{text}");
        }
        assert_eq!(Amount::read("1e9").and_then(|amount| amount.cut(9, true)), None, "more than we keep");
        assert!(!Amount::read("123456789.123456789").and_then(|a| a.cut(9, false)).expect("fits").inexact);
    }

    #[test]
    fn seconds_keep_their_fractions() {
        let cases = [("30", Some("30s")), ("0.5", Some("500ms")), ("6000.0", Some("6000s")), ("0", None), ("x", None)];
        for (text, want) in cases {
            assert_eq!(millis(text).map(duration).as_deref(), want, "{text}");
        }
    }
}
