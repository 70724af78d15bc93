//! Limits as the admin API shows them.

use super::rule::Limits;
use crate::config::{LimitWhat, Mode};
use crate::model::LimitView;

impl Limits {
    /// Every limit that is in force, and what is used of it now; of one that counts apart, a view for each entity that
    /// was seen lately, at most [`MOST`] in all.
    pub fn view(&self) -> Vec<LimitView> {
        let now_us = self.clock().now_us();
        let mut views = Vec::new();
        for rule in self.live() {
            let limit = &rule.limit;
            let (what, per) = match limit.what {
                LimitWhat::Requests { per, .. } => ("requests", Some(per.name())),
                LimitWhat::Tokens { per, .. } => ("tokens", Some(per.name())),
                LimitWhat::Concurrent { .. } => ("concurrent", None),
            };
            let mode = match limit.mode {
                Mode::Enforce => "enforce",
                Mode::Warn => "warn",
                Mode::Audit => "audit",
            };
            let room = MOST.saturating_sub(views.len());
            views.extend(rule.used_by_each(now_us).into_iter().take(room).map(|(entity, used)| LimitView {
                id: limit.id.to_string(),
                scope: limit.scope.to_string(),
                entity,
                what: what.to_owned(),
                per: per.map(str::to_owned),
                limit: rule.most(),
                used,
                mode: mode.to_owned(),
            }));
        }
        views
    }
}

/// More would be no answer for anybody to read.
const MOST: usize = 10_000;
