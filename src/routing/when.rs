//! Whether a target is for a request: the conditions of the file against what is known of the request.

use crate::{
    config::When,
    model::{Modalities, Modality},
};
use std::sync::Arc;

/// What conditions may ask about a request.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Who pays.
    pub team: &'a str,
    /// The key's name.
    pub key: &'a str,
    /// The end user, if one is told.
    pub user: Option<&'a str>,
    /// What the client says it is for.
    pub metadata: &'a [(Arc<str>, Arc<str>)],
    /// Bytes of the body.
    pub bytes: u64,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// What it holds.
    pub holds: Modalities,
}

/// The first condition that does not hold, as the file writes it; `None`: all hold.
pub fn failing(when: &When, facts: &Facts<'_>) -> Option<&'static str> {
    let lists = |names: &[Arc<str>], name: Option<&str>| {
        names.is_empty() || name.is_some_and(|name| names.iter().any(|one| **one == *name))
    };
    let told = |(name, value): &(Arc<str>, Arc<str>)| {
        facts.metadata.iter().any(|(other, said)| **other == **name && **said == **value)
    };
    let mut holds = facts.holds;
    holds.insert(Modality::Text);
    let takes = |mut set: Modalities| {
        set.insert(Modality::Text);
        holds.is_within(set)
    };
    let conditions = [
        ("teams", lists(&when.teams, Some(facts.team))),
        ("keys", lists(&when.keys, Some(facts.key))),
        ("users", lists(&when.users, facts.user)),
        ("metadata", when.metadata.iter().all(told)),
        ("min_bytes", when.min_bytes.is_none_or(|least| facts.bytes >= least)),
        ("max_bytes", when.max_bytes.is_none_or(|most| facts.bytes <= most)),
        ("stream", when.stream.is_none_or(|stream| stream == facts.stream)),
        ("has", when.has.is_none_or(|set| set.meets(holds))),
        ("takes", when.takes.is_none_or(takes)),
    ];
    conditions.into_iter().find(|(_, holds)| !holds).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(all: &[Modality]) -> Modalities {
        all.iter().copied().collect()
    }

    #[test]
    fn every_condition_that_is_written_must_hold_and_the_first_that_does_not_is_named() {
        let metadata = [(Arc::from("tier"), Arc::from("gold"))];
        let facts = Facts {
            team: "search",
            key: "ci",
            user: Some("alice"),
            metadata: &metadata,
            bytes: 1_000,
            stream: true,
            holds: set(&[Modality::Image]),
        };
        let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<Vec<Arc<str>>>();
        let pair = |value: &str| vec![(Arc::from("tier"), Arc::from(value))];
        let fits = When {
            teams: names(&["other", "search"]),
            keys: names(&["ci"]),
            users: names(&["alice"]),
            metadata: pair("gold"),
            min_bytes: Some(1_000),
            max_bytes: Some(1_000),
            stream: Some(true),
            has: Some(set(&[Modality::Image, Modality::Audio])),
            takes: Some(set(&[Modality::Image])),
        };
        assert_eq!(failing(&fits, &facts), None);
        assert_eq!(failing(&When::default(), &facts), None);
        let cases: [(&str, When); 9] = [
            ("teams", When { teams: names(&["other"]), ..fits.clone() }),
            ("keys", When { keys: names(&["other"]), ..fits.clone() }),
            ("users", When { users: names(&["bob"]), ..fits.clone() }),
            ("metadata", When { metadata: pair("silver"), ..fits.clone() }),
            ("min_bytes", When { min_bytes: Some(1_001), ..fits.clone() }),
            ("max_bytes", When { max_bytes: Some(999), ..fits.clone() }),
            ("stream", When { stream: Some(false), ..fits.clone() }),
            ("has", When { has: Some(set(&[Modality::Tools])), ..fits.clone() }),
            ("takes", When { takes: Some(set(&[Modality::Text])), ..fits.clone() }),
        ];
        for (name, when) in cases {
            assert_eq!(failing(&when, &facts), Some(name));
        }
        let nobody = Facts { user: None, ..facts };
        assert_eq!(failing(&fits, &nobody), Some("users"), "whom nobody names is none of them");
    }
}
