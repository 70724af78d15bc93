//! When a target counts as sick, and who looks after it.

use super::rules::Calendar;
use std::time::Duration;

/// What is done about the health of a provider's targets.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// What requests tell.
    pub passive: Passive,
    /// What is asked besides.
    pub active: Active,
}

/// When the failures of requests shut a target, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passive {
    /// Failures in a row. Default 5.
    pub failures: u32,
    /// Percent of the requests of `window` that failed. Default 50.
    pub ratio: u16,
    /// Requests in `window` below which `ratio` says nothing. Default 20.
    pub least: u32,
    /// How long a request counts for `ratio`. Default 30s.
    pub window: Duration,
    /// How long it is shut first; doubled each time that it fails again. Default 5s.
    pub pause: Duration,
    /// How long it is shut at most. Default 30s.
    pub most_pause: Duration,
}

impl Default for Passive {
    fn default() -> Self {
        Self {
            failures: 5,
            ratio: 50,
            least: 20,
            window: Duration::from_secs(30),
            pause: Duration::from_secs(5),
            most_pause: Duration::from_secs(30),
        }
    }
}

/// How a provider is looked at without a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Active {
    /// How. Default: not at all.
    pub probe: Probe,
    /// How often. Default 30s.
    pub every: Duration,
    /// How long one look may take. Default 5s.
    pub timeout: Duration,
    /// What looks that generate may cost; there with [`Probe::Generate`].
    pub budget: Option<ProbeBudget>,
}

/// What looks that generate may cost, for each provider and account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeBudget {
    /// Nano-dollars, more than 0.
    pub nano: i64,
    /// For how long, by the calendar of `budgeting.zone`.
    pub per: Calendar,
}

impl Default for Active {
    fn default() -> Self {
        Self { probe: Probe::Off, every: Duration::from_secs(30), timeout: Duration::from_secs(5), budget: None }
    }
}

/// How a provider is looked at.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Not at all.
    #[default]
    Off,
    /// A connection is made.
    Tcp,
    /// A connection is made, and its TLS.
    Tls,
    /// Its list of models is asked for, with its credentials.
    Models,
    /// Each of its targets is asked for one token, which costs money.
    Generate,
}

impl Probe {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Models => "models",
            Self::Generate => "generate",
        }
    }

    /// All of them.
    pub const ALL: [Self; 5] = [Self::Off, Self::Tcp, Self::Tls, Self::Models, Self::Generate];
}
