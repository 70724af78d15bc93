//! Who is served first when not everybody can be.

use serde::Deserialize;

/// A class of requests under overload. Without overload it means nothing.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Served with what the others leave, and at least one place in 21.
    Low,
    /// The default.
    #[default]
    Normal,
    /// 16 places for each 4 of `normal` and each one of `low`.
    High,
}

impl Priority {
    /// All of them, lowest first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    /// The word of the configuration, also a metric's label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// The priority of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}
