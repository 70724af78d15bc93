//! How the targets of a model are chosen among, as checked.

use crate::model::Modalities;
use std::sync::Arc;

/// What the order of a model's targets goes by.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteKind {
    /// The order of the file.
    #[default]
    Priority,
    /// Shares.
    Weighted,
    /// Who is expected to answer first.
    Latency,
    /// Who is the cheapest for the request.
    Cost,
}

impl RouteKind {
    /// As the file writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Priority => "priority",
            Self::Weighted => "weighted",
            Self::Latency => "latency",
            Self::Cost => "cost",
        }
    }
}

/// What keeps requests at one target.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sticky {
    /// Nothing.
    #[default]
    None,
    /// The session that the client names.
    Session,
    /// The end user.
    User,
    /// How the conversation begins: what the provider may have in its cache.
    Prefix,
}

impl Sticky {
    /// As the file writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Session => "session",
            Self::User => "user",
            Self::Prefix => "prefix",
        }
    }
}

/// A share of requests, in hundredths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u16);

impl Share {
    /// All of them.
    pub const WHOLE: u16 = 10_000;

    /// So many hundredths of a percent; `None` above [`Share::WHOLE`].
    pub fn new(hundredths: u16) -> Option<Self> {
        (hundredths <= Self::WHOLE).then_some(Self(hundredths))
    }

    /// In hundredths of a percent.
    pub const fn hundredths(self) -> u16 {
        self.0
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match (part, part % 10) {
            (0, _) => write!(out, "{whole}%"),
            (_, 0) => write!(out, "{whole}.{}%", part / 10),
            _ => write!(out, "{whole}.{part:02}%"),
        }
    }
}

/// Which requests a target is for: all that is said must hold, and an empty list says nothing.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct When {
    /// The team is one of these.
    pub teams: Vec<Arc<str>>,
    /// The key is one of these.
    pub keys: Vec<Arc<str>>,
    /// The end user is one of these.
    pub users: Vec<Arc<str>>,
    /// Each of these stands in the request's metadata.
    pub metadata: Vec<(Arc<str>, Arc<str>)>,
    /// The body has at least so many bytes.
    pub min_bytes: Option<u64>,
    /// It has at most so many.
    pub max_bytes: Option<u64>,
    /// Whether a stream is asked for.
    pub stream: Option<bool>,
    /// The request holds at least one of these.
    pub has: Option<Modalities>,
    /// The request holds nothing but these; text is always among them.
    pub takes: Option<Modalities>,
}
