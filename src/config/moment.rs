//! Moments and durations as people write them, for whoever else than the file is told one.

use super::quantity::Time;
use jiff::Timestamp;
use std::time::Duration;

/// A moment, or the beginning of a day in UTC, in microseconds since 1970; `None` if it is neither, or before.
pub fn read(text: &str) -> Option<u64> {
    let is_day = text.len() == "2030-01-31".len();
    let moment = if is_day { format!("{text}T00:00:00Z").parse() } else { text.parse::<Timestamp>() };
    u64::try_from(moment.ok()?.as_microsecond()).ok()
}

/// RFC 3339 in UTC; a moment past the year 9999 is its last one.
pub fn show(micros: u64) -> String {
    let moment = i64::try_from(micros).ok().and_then(|micros| Timestamp::from_microsecond(micros).ok());
    moment.unwrap_or(Timestamp::MAX).to_string()
}

/// A duration with its unit: `300ms`, `24h`.
///
/// # Errors
///
/// What is wrong, in a sentence.
pub fn duration(text: &str) -> Result<Duration, String> {
    Time::parse(text).map(|Time(time)| time)
}

/// What to write for a moment.
pub const LIKE: &str = "write a day such as `2030-01-31` (UTC), or a moment such as `2030-01-31T18:00:00Z`";

#[cfg(test)]
mod tests {
    use super::{duration, read, show};
    use std::time::Duration;

    #[test]
    fn a_day_is_its_first_moment_and_what_is_no_time_is_nothing() {
        assert_eq!(read("1970-01-02"), Some(86_400_000_000));
        assert_eq!(read("1970-01-01T00:00:01Z").map(show).as_deref(), Some("1970-01-01T00:00:01Z"));
        for wrong in ["", "soon", "2030-13-01", "1960-01-01", "2030-01-31x"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(duration("24h"), Ok(Duration::from_secs(86_400)));
        assert!(duration("24").is_err());
    }
}
