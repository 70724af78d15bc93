//! From what is asked of a key or team to what it is given, and to what the audit log says of it.

use super::record::{Grants, KeyPatch, KeyRecord, NewKey, NewTeam, TeamPatch};
use crate::config::moment;
use serde_json::{Map, Value, json};
use std::sync::Arc;

impl NewKey {
    /// Its name, its team, until when it works, and what it is given.
    pub(super) fn parts(self) -> (Arc<str>, Arc<str>, Option<String>, Grants) {
        let Self { name, team, models, expires, limits, budgets, tags, allowed_ips, priority, guardrails } = self;
        let tags = tags.unwrap_or_default();
        let grants = Grants { models, limits, budgets, tags, allowed_ips, priority, guardrails };
        (name.into(), team.into(), expires, grants)
    }
}

impl NewTeam {
    /// Its name, and what it is given.
    pub(super) fn parts(self) -> (Arc<str>, Grants) {
        let Self { name, models, limits, budgets, tags, priority, guardrails } = self;
        let tags = tags.unwrap_or_default();
        (name.into(), Grants { models, limits, budgets, tags, allowed_ips: None, priority, guardrails })
    }
}

impl KeyPatch {
    /// Replaces what is given of `grants`; returns what it says of the expiry. Its team is its caller's matter.
    pub(super) fn put(self, grants: &mut Grants) -> Option<Option<String>> {
        let Self { team: _, models, expires, limits, budgets, tags, allowed_ips, priority, guardrails } = self;
        if let Some(allowed_ips) = allowed_ips {
            grants.allowed_ips = allowed_ips;
        }
        TeamPatch { models, limits, budgets, tags, priority, guardrails }.put(grants);
        expires
    }
}

impl TeamPatch {
    /// Replaces what is given of `grants`.
    pub(super) fn put(self, grants: &mut Grants) {
        let Self { models, limits, budgets, tags, priority, guardrails } = self;
        if let Some(models) = models {
            grants.models = models;
        }
        if let Some(limits) = limits {
            grants.limits = limits;
        }
        if let Some(budgets) = budgets {
            grants.budgets = budgets;
        }
        if let Some(tags) = tags {
            grants.tags = tags.unwrap_or_default();
        }
        if let Some(priority) = priority {
            grants.priority = priority;
        }
        if let Some(guardrails) = guardrails {
            grants.guardrails = guardrails;
        }
    }
}

/// What the audit log says of a team.
pub(super) fn grant_fields(grants: &Grants) -> Map<String, Value> {
    let Grants { models, limits, budgets, tags, allowed_ips: _, priority, guardrails } = grants;
    let fields = [
        ("models", json!(models)),
        ("limits", json!(limits)),
        ("budgets", json!(budgets)),
        ("tags", json!(tags)),
        ("priority", json!(priority)),
        ("guardrails", json!(guardrails)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What the audit log says of a key.
pub(super) fn fields_of(record: &KeyRecord) -> Map<String, Value> {
    let mut fields = grant_fields(&record.grants);
    fields.insert("team".to_owned(), json!(record.team));
    fields.insert("expires".to_owned(), json!(record.expires_us.map(moment::show)));
    fields.insert("allowed_ips".to_owned(), json!(record.grants.allowed_ips));
    fields
}

/// What is not as it was.
pub(super) fn changed(before: &Map<String, Value>, after: Map<String, Value>) -> Map<String, Value> {
    after.into_iter().filter(|(name, value)| before.get(name) != Some(value)).collect()
}
