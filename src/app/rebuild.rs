//! Windows of an hour and more are rebuilt from the ledger at start, and those of new rules at a reload: neither forgives
//! anything.

use crate::config::{Config, Rules, Scope};
use crate::ledger::{self, LedgerError, Recent};
use crate::limits::{Limits, Past, Rule, Subject};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Fills the windows of an hour and more of all rules of `config`, and of `more`: those that were given at run time. What
/// is `counted` already, by id, is left alone.
///
/// # Errors
///
/// When there are such rules and the ledger cannot be read.
pub(super) fn windows(
    config: &Config,
    state_dir: &Path,
    more: &[Arc<Rules>],
    limits: &Limits,
    counted: &BTreeSet<Arc<str>>,
) -> Result<(), LedgerError> {
    let all = all_rules(config).into_iter().chain(more.iter().map(|rules| &**rules));
    let rules = all.flat_map(|rules| limits.resolve(rules).to_vec());
    let rules: Vec<Arc<Rule>> =
        rules.filter(|rule| rule.rebuilt().is_some() && !counted.contains(&rule.limit.id)).collect();
    let Some(longest) = rules.iter().filter_map(|rule| rule.rebuilt()).max() else { return Ok(()) };
    let now_us = limits.clock().now_us();
    let since_us = now_us.saturating_sub(u64::try_from(longest.as_micros()).unwrap_or(u64::MAX));
    let recent = ledger::recent(state_dir, since_us)?;
    tracing::info!(rules = rules.len(), rows = recent.len(), "windows are rebuilt from the ledger");
    for used in &recent {
        let past = past(used);
        for rule in rules.iter().filter(|rule| governs(&rule.limit.scope, used)) {
            rule.restore(&past, now_us);
        }
    }
    Ok(())
}

fn all_rules(config: &Config) -> Vec<&Rules> {
    let mut all = vec![&*config.rules];
    all.extend(config.providers.values().map(|provider| &*provider.rules));
    all.extend(config.models.values().map(|model| &*model.rules));
    all.extend(config.teams.values().map(|team| &*team.rules));
    all.extend(config.keys.iter().map(|key| &*key.rules));
    all
}

fn governs(scope: &Scope, used: &Recent) -> bool {
    match scope {
        Scope::Gateway => true,
        Scope::Team(name) => *name == used.team,
        Scope::Key(name) => *name == used.key,
        Scope::Model(name) => *name == used.model,
        Scope::Provider(name) => Scope::covers(name, &used.provider),
    }
}

fn past(used: &Recent) -> Past<'_> {
    let user = used.user.as_deref();
    let subject = Subject { key: &used.key, team: &used.team, model: &used.model, user, metadata: &[] };
    Past { subject, at_us: used.at_us, requests: used.requests, attempts: used.attempts, tokens: used.tokens }
}
