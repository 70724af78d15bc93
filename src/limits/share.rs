//! What is left of the rules that a client may see: the `x-ratelimit-*` headers.

use super::admit::Subject;
use super::rule::{Limits, RuleSet, Used};
use crate::config::{LimitWhat, Mode, Scope};
use std::time::Duration;

/// What is left of one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The limit.
    pub limit: u64,
    /// How much may be taken now.
    pub remaining: u64,
    /// When all of it is left again, if nothing more is taken.
    pub reset: Duration,
}

/// The rule with the least share left, of requests and of tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shares {
    /// Among rules on requests.
    pub requests: Option<Share>,
    /// Among rules on tokens.
    pub tokens: Option<Share>,
}

impl Limits {
    /// What `subject` has left. Rules of a provider or of the whole gateway are not its business, nor are those that do
    /// not refuse.
    pub fn shares(&self, sets: &[&RuleSet], subject: &Subject<'_>, now_us: u64) -> Shares {
        let (mut requests, mut tokens): (Option<Used>, Option<Used>) = (None, None);
        for rule in sets.iter().flat_map(|set| set.iter()) {
            let own = match &rule.limit.scope {
                Scope::Provider(_) => false,
                Scope::Gateway => rule.limit.each.is_some(),
                Scope::Team(_) | Scope::Key(_) | Scope::Model(_) => true,
            };
            if !own || rule.limit.mode != Mode::Enforce {
                continue;
            }
            let least = match rule.limit.what {
                LimitWhat::Requests { .. } => &mut requests,
                LimitWhat::Tokens { .. } => &mut tokens,
                LimitWhat::Concurrent { .. } => continue,
            };
            let used = rule.used(subject, now_us);
            if least.as_ref().is_none_or(|least| used.has_less_left(least)) {
                *least = Some(used);
            }
        }
        Shares { requests: requests.map(|used| used.share(now_us)), tokens: tokens.map(|used| used.share(now_us)) }
    }
}

/// As OpenAI writes it: `20ms`, `1s`, `6m0s`, `1h0m0s`; rounded up.
pub fn reset_text(reset: Duration) -> String {
    if reset.is_zero() {
        return "0s".to_owned();
    }
    let millis = reset.as_micros().div_ceil(1_000);
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    let seconds = millis.div_ceil(1_000);
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_written_as_openai_does() {
        let cases = [
            (0, "0s"),
            (1, "1ms"),
            (19_100, "20ms"),
            (1_000_000, "1s"),
            (1_000_001, "2s"),
            (360_000_000, "6m0s"),
            (3_600_000_000, "1h0m0s"),
        ];
        for (micros, want) in cases {
            assert_eq!(reset_text(Duration::from_micros(micros)), want);
        }
    }
}
