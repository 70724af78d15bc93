//! Limits as the admin API shows them.

use super::admit::Subject;
use super::rule::{Limits, Rule, RuleSet};
use crate::config::LimitWhat;
use crate::model::LimitView;

impl Limits {
    /// Every limit that is in force, and what is used of it now; of one that counts apart, a view for each entity that
    /// was seen lately, at most 10,000 in all.
    pub fn view(&self) -> Vec<LimitView> {
        let now_us = self.clock().now_us();
        let mut views = Vec::new();
        for rule in self.live() {
            let room = MOST.saturating_sub(views.len());
            let used = rule.used_by_each(now_us).into_iter().take(room);
            views.extend(used.map(|(entity, used)| rule.shown(entity, used)));
        }
        views
    }

    /// The limits of `sets` as they stand for `subject`.
    pub fn view_of(&self, sets: &[&RuleSet], subject: &Subject<'_>) -> Vec<LimitView> {
        let now_us = self.clock().now_us();
        let rules = sets.iter().flat_map(|set| set.iter());
        let view = |rule: &std::sync::Arc<Rule>| {
            let share = rule.used(subject, now_us).share(now_us);
            let entity = rule.limit.each.as_ref().map_or("", |each| subject.entity(Some(each)));
            rule.shown(entity.to_owned(), share.limit.saturating_sub(share.remaining))
        };
        rules.map(view).collect()
    }
}

impl Rule {
    fn shown(&self, entity: String, used: u64) -> LimitView {
        let limit = &self.limit;
        let (what, per) = match limit.what {
            LimitWhat::Requests { per, .. } => ("requests", Some(per.name())),
            LimitWhat::Tokens { per, .. } => ("tokens", Some(per.name())),
            LimitWhat::Concurrent { .. } => ("concurrent", None),
        };
        LimitView {
            id: limit.id.to_string(),
            scope: limit.scope.to_string(),
            entity,
            what: what.to_owned(),
            per: per.map(str::to_owned),
            limit: self.most(),
            used,
            mode: limit.mode.name().to_owned(),
        }
    }
}

/// More would be no answer for anybody to read.
const MOST: usize = 10_000;
