//! Durations, sizes, counts and prices as they are written: with their unit, and never through a float.

use serde::{Deserialize, Deserializer, de};
use std::fmt;
use std::time::Duration;

/// `300ms`, `4s`, `5m`, `1h`, `400d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub Duration);

/// `33554432`, `8KiB`, `32MiB`, `1GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size(pub(super) u64);

/// A whole number that is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count(pub(super) u32);

/// USD per million tokens, as written: at most 9 digits before and 9 after the point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Price(pub(super) String);

/// USD for one picture, second, character or search, as written: at most 9 digits before and 15 after the point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnitPrice(pub(super) String);

/// A whole number that is not 0, of 63 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole(pub(super) u64);

/// `75%`: a whole number of percent, from 1 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Percent(pub(super) u16);

/// `5%`, `0.25%`: from 0 to 100, kept in hundredths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part(pub(super) u16);

const TIME_UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZE_UNITS: [(&str, u64); 5] = [("", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// Longest duration: ten years. No deadline overflows the clock.
const MAX_TIME_MS: u64 = 3_650 * 86_400_000;

impl Time {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text);
        if !number.is_empty() && unit.is_empty() {
            return Err(format!("`{text}` has no unit; write `{text}s` for seconds (units: ms, s, m, h, d)"));
        }
        let scale = TIME_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale);
        let number: Option<u64> = number.parse().ok();
        let (Some(number), Some(scale)) = (number, scale) else {
            return Err(format!("`{text}` is no duration; write a whole number and its unit, as in {TIME_EXAMPLES}"));
        };
        match number.checked_mul(scale) {
            Some(millis) if millis <= MAX_TIME_MS => Ok(Self(Duration::from_millis(millis))),
            _ => Err(format!("`{text}` is longer than ten years")),
        }
    }
}

impl Size {
    fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text);
        let scale = SIZE_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale);
        let number: Option<u64> = number.parse().ok();
        let (Some(number), Some(scale)) = (number, scale) else {
            return Err(format!(
                "`{text}` is no size; write a number of bytes, or a whole number with KiB, MiB, GiB or TiB"
            ));
        };
        number.checked_mul(scale).map(Self).ok_or_else(|| format!("`{text}` is more than 64 bits hold"))
    }
}

impl Count {
    fn parse(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| *number > 0);
        number.map(Self).ok_or_else(|| format!("expected a whole number from 1, found `{text}`"))
    }
}

impl Whole {
    fn parse(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| (1..=i64::MAX as u64).contains(number));
        number.map(Self).ok_or_else(|| format!("expected a whole number from 1, found `{text}`"))
    }
}

impl Percent {
    fn parse(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').and_then(|number| number.parse().ok());
        number
            .filter(|number| (1..=1000).contains(number))
            .map(Self)
            .ok_or_else(|| format!("expected whole percent from `1%` to `1000%`, found `{text}`"))
    }
}

impl Part {
    fn parse(text: &str) -> Result<Self, String> {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.strip_suffix('%').and_then(|number| {
            let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
            let fits = digits(whole) && digits(fraction) && (1..=2).contains(&fraction.len());
            let hundredths: u16 = format!("{fraction:0<2}").parse().ok().filter(|_| fits)?;
            whole.parse::<u16>().ok()?.checked_mul(100)?.checked_add(hundredths)
        });
        number
            .filter(|number| *number <= 10_000)
            .map(Self)
            .ok_or_else(|| format!("expected percent from `0%` to `100%` such as `5%` or `0.25%`, found `{text}`"))
    }
}

impl Price {
    /// As nano-dollars: at most 18 digits, which 63 bits hold.
    pub(super) fn nano(&self) -> i64 {
        let (whole, fraction) = self.0.split_once('.').unwrap_or((&self.0, ""));
        let digits = |text: &str| text.bytes().fold(0i64, |sum, byte| sum * 10 + i64::from(byte - b'0'));
        let missing = u32::try_from(9usize.saturating_sub(fraction.len())).unwrap_or(0);
        digits(whole) * 1_000_000_000 + digits(fraction) * 10i64.pow(missing)
    }

    /// As a whole number, if it is one.
    pub(super) fn whole(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    fn parse(text: &str) -> Result<Self, String> {
        amount(text, 9, "USD per million tokens as a plain decimal such as `0.15`").map(Self)
    }
}

impl UnitPrice {
    fn parse(text: &str) -> Result<Self, String> {
        amount(text, 15, "USD for one as a plain decimal such as `0.04`").map(Self)
    }
}

/// A plain decimal of at most 9 digits before the point and `decimals` behind it, as written.
fn amount(text: &str, decimals: usize, write: &str) -> Result<String, String> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit())) {
        return Err(format!("`{text}` is negative; a price is 0 or more"));
    }
    if !digits(whole) || !digits(fraction) {
        return Err(format!("`{text}` is no price; write {write}"));
    }
    if fraction.len() > decimals || whole.len() > 9 {
        return Err(format!(
            "`{text}` has too many digits; at most 9 before the point and {decimals} behind it are kept"
        ));
    }
    Ok(text.to_owned())
}

/// A duration as it would be written: in the largest unit that shows it whole.
pub(super) fn show_time(time: Duration) -> String {
    let millis = time.as_millis();
    let mut units = TIME_UNITS.iter().rev().map(|(unit, scale)| (unit, u128::from(*scale)));
    let whole = units.find(|(_, scale)| millis >= *scale && millis.is_multiple_of(*scale));
    whole.map_or_else(|| format!("{millis}ms"), |(unit, scale)| format!("{}{unit}", millis / scale))
}

/// A size as it would be written: in the largest unit that shows it whole.
pub(super) fn show_size(bytes: u64) -> String {
    let whole = SIZE_UNITS.iter().rev().find(|(_, scale)| bytes >= *scale && bytes.is_multiple_of(*scale));
    whole.map_or_else(|| bytes.to_string(), |(unit, scale)| format!("{}{unit}", bytes / scale))
}

/// The digits at the beginning of `text`, and what follows them.
fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

const TIME_EXAMPLES: &str = "`300ms`, `4s`, `5m`, `1h` or `400d`";

/// Gives the scalar's own text to `parse`.
struct Written<T> {
    parse: fn(&str) -> Result<T, String>,
    expected: &'static str,
}

impl<T> de::Visitor<'_> for Written<T> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).map_err(E::custom)
    }
}

macro_rules! written {
    ($($kind:ident $expected:literal;)*) => {$(
        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Written { parse: $kind::parse, expected: $expected })
            }
        }
    )*};
}

written! {
    Time "a duration such as `4s`";
    Size "a size such as `32MiB`";
    Count "a whole number from 1";
    Price "a price such as `0.15`";
    UnitPrice "a price such as `0.04`";
    Whole "a whole number from 1";
    Percent "a share such as `75%`";
    Part "a share such as `5%`";
}

#[cfg(test)]
mod tests {
    use super::{Part, Percent, Price, Size, Time, show_size, show_time};
    use std::time::Duration;

    #[test]
    fn durations_carry_their_unit() {
        let cases = [
            ("300ms", Some(300)),
            ("4s", Some(4_000)),
            ("5m", Some(300_000)),
            ("1h", Some(3_600_000)),
            ("400d", Some(34_560_000_000)),
            ("0s", Some(0)),
            ("30", None),
            ("1.5s", None),
            ("-1s", None),
            ("s", None),
            ("", None),
            ("4 s", None),
            ("4sec", None),
            ("3651d", None),
            ("18446744073709551615d", None),
            ("99999999999999999999s", None),
        ];
        for (text, millis) in cases {
            let want = millis.map(|m| Time(Duration::from_millis(m)));
            assert_eq!(Time::parse(text).ok(), want, "{text}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_binary_units() {
        let cases = [
            ("33554432", Some(33_554_432)),
            ("8KiB", Some(8_192)),
            ("32MiB", Some(33_554_432)),
            ("1GiB", Some(1 << 30)),
            ("2TiB", Some(1 << 41)),
            ("32MB", None),
            ("32 MiB", None),
            ("MiB", None),
            ("-1", None),
            ("17000000TiB", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(Size::parse(text).ok(), bytes.map(Size), "{text}");
        }
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same() {
        for millis in [0, 1, 300, 1_000, 1_500, 60_000, 90_000, 3_600_000, 86_400_000, 34_560_000_000] {
            let time = Duration::from_millis(millis);
            assert_eq!(Time::parse(&show_time(time)), Ok(Time(time)), "{millis}");
        }
        for bytes in [0, 1, 1_000, 1_024, 1_536, 32 << 20, (1 << 30) + 1, 1 << 41] {
            assert_eq!(Size::parse(&show_size(bytes)), Ok(Size(bytes)), "{bytes}");
        }
        assert_eq!((show_time(Duration::from_secs(90)), show_size(32 << 20)), ("90s".to_owned(), "32MiB".to_owned()));
    }

    #[test]
    fn an_amount_in_usd_is_exact_in_nano_dollars() {
        let cases = [
            ("1", 1_000_000_000),
            ("0.000000001", 1),
            ("0.5", 500_000_000),
            ("999999999.999999999", 999_999_999_999_999_999),
            ("007.10", 7_100_000_000),
        ];
        for (text, nano) in cases {
            assert_eq!(Price::parse(text).map(|price| price.nano()), Ok(nano), "{text}");
        }
    }

    #[test]
    fn a_share_is_whole_percent() {
        let cases = [("1%", Some(1)), ("75%", Some(75)), ("1000%", Some(1000)), ("0%", None), ("1001%", None)];
        let words = [("75", None), ("7.5%", None), ("%", None), ("-1%", None)];
        for (text, want) in cases.into_iter().chain(words) {
            assert_eq!(Percent::parse(text).ok(), want.map(Percent), "{text}");
        }
    }

    #[test]
    fn a_part_is_percent_with_two_decimals() {
        let good = [("0%", 0), ("5%", 500), ("0.5%", 50), ("0.25%", 25), ("99.99%", 9_999), ("100%", 10_000)];
        for (text, want) in good {
            assert_eq!(Part::parse(text), Ok(Part(want)), "{text}");
        }
        for text in ["5", "%", "100.01%", "101%", "0.125%", "-1%", "1.%", ".5%", "+5%", "655%", "66000%"] {
            assert!(Part::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_price_is_a_plain_decimal_that_nano_dollars_hold() {
        for good in ["0", "0.15", "15", "0.000000001", "999999999.999999999", "00.10"] {
            assert_eq!(Price::parse(good), Ok(Price(good.to_owned())), "{good}");
        }
        let bad =
            ["-1", "", ".5", "5.", "1e-3", "NaN", "inf", "+1", "0.1234567890", "1234567890", "0,15", "1.2.3", "$1"];
        for text in bad {
            assert!(Price::parse(text).is_err(), "{text}");
        }
    }
}
