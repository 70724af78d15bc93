//! For which requests answers are kept: what models and teams say, joined.

use crate::config::{CacheBounds, CacheScope, CacheUse, Caching, Config, Semantic};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What models and teams say.
#[derive(Debug, Default)]
pub struct CacheRules {
    bounds: CacheBounds,
    models: HashMap<Arc<str>, Caching>,
    teams: HashMap<Arc<str>, Caching>,
}

/// What holds for a request of a team for a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheRule {
    /// The request must ask for it.
    pub asked: bool,
    /// How long an answer is given again.
    pub ttl: Duration,
    /// To whom.
    pub scope: CacheScope,
    /// The longest answer that is kept, in bytes.
    pub most: usize,
    /// Whether it is given to requests that mean the same, too.
    pub semantic: bool,
}

impl CacheRules {
    /// As the file says.
    pub fn new(config: &Config) -> Self {
        let models = config.models.values().filter_map(|model| Some((Arc::clone(&model.name), model.cache?)));
        let teams = config.teams.values().filter_map(|team| Some((Arc::clone(&team.name), team.cache?)));
        Self { bounds: config.cache.clone(), models: models.collect(), teams: teams.collect() }
    }

    /// The rule for a request; `None`: nothing is kept. A team's word goes before its model's, but for a model's `never`;
    /// of two times the shorter one holds, of two scopes the narrower one.
    pub fn of(&self, team: &str, model: &str) -> Option<CacheRule> {
        if self.models.is_empty() && self.teams.is_empty() {
            return None; // the branch that requests without it pay
        }
        let (of_model, of_team) = (self.models.get(model), self.teams.get(team));
        let said = [of_team, of_model];
        let words = || said.into_iter().flatten();
        if words().any(|one| one.used == CacheUse::Never) {
            return None;
        }
        let asked = words().next()?.used == CacheUse::Asked;
        let by_meaning = || words().filter_map(|one| one.semantic);
        Some(CacheRule {
            asked,
            ttl: words().filter_map(|one| one.ttl).min().unwrap_or(self.bounds.ttl),
            scope: words().filter_map(|one| one.scope).max().unwrap_or(self.bounds.scope),
            most: self.bounds.max_entry_bytes,
            semantic: self.bounds.semantic.is_some()
                && by_meaning().next() == Some(true)
                && by_meaning().all(|yes| yes),
        })
    }

    /// How requests are compared by meaning; `None`: they are not.
    pub const fn semantic(&self) -> Option<&Arc<Semantic>> {
        self.bounds.semantic.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_and_a_model_are_joined_to_the_stricter_of_both() {
        let says =
            |used, ttl: Option<u64>, scope| Caching { used, ttl: ttl.map(Duration::from_secs), scope, semantic: None };
        let rules = |model: Option<Caching>, team: Option<Caching>| CacheRules {
            bounds: CacheBounds::default(),
            models: model.map(|model| (Arc::from("m"), model)).into_iter().collect(),
            teams: team.map(|team| (Arc::from("t"), team)).into_iter().collect(),
        };
        let rule = |asked, ttl, scope| CacheRule {
            asked,
            ttl: Duration::from_secs(ttl),
            scope,
            most: 1 << 20,
            semantic: false,
        };
        use CacheScope::{Key, Team, User};
        use CacheUse::{Always, Asked, Never};
        let rows = [
            (None, None, None),
            (Some(says(Always, None, None)), None, Some(rule(false, 300, Team))),
            (None, Some(says(Always, Some(9), Some(Key))), Some(rule(false, 9, Key))),
            (Some(says(Never, None, None)), Some(says(Always, None, None)), None),
            (Some(says(Always, None, None)), Some(says(Never, None, None)), None),
            (
                Some(says(Always, Some(60), Some(User))),
                Some(says(Asked, Some(90), Some(Key))),
                Some(rule(true, 60, User)),
            ),
            (Some(says(Asked, None, None)), Some(says(Always, Some(90), None)), Some(rule(false, 90, Team))),
        ];
        for (model, team, want) in rows {
            assert_eq!(rules(model, team).of("t", "m"), want, "{model:?} {team:?}");
        }
        let other = rules(Some(says(Always, None, None)), None);
        assert_eq!(other.of("t", "n"), None, "another model has no cache");
    }

    #[test]
    fn meanings_are_compared_where_model_or_team_want_it_and_none_refuses_it() {
        let how = Semantic {
            model: "e".into(),
            threshold: 0.9,
            timeout: Duration::from_secs(1),
            max_text_bytes: 99,
            scope: CacheScope::User,
        };
        let how = Some(Arc::new(how));
        let says = |semantic| Caching { used: CacheUse::Always, ttl: None, scope: None, semantic };
        let rows = [
            (&how, None, None, false),
            (&how, Some(true), None, true),
            (&how, None, Some(true), true),
            (&how, Some(true), Some(false), false),
            (&how, Some(false), Some(true), false),
            (&None, Some(true), Some(true), false),
        ];
        for (how, model, team, want) in rows {
            let rules = CacheRules {
                bounds: CacheBounds { semantic: how.clone(), ..CacheBounds::default() },
                models: HashMap::from([(Arc::from("m"), says(model))]),
                teams: HashMap::from([(Arc::from("t"), says(team))]),
            };
            let rule = rules.of("t", "m").expect("both keep answers");
            assert_eq!(rule.semantic, want, "{how:?} {model:?} {team:?}");
        }
    }
}
