//! Several accounts of one provider: other credentials or regions, each a provider of its own; and mirrors.

use super::Checker;
use crate::config::{
    Health, Mirror, Provider, Rules, Scope, Target,
    file::MirrorFile,
    quantity::Percent,
    tree::{Node, Value, join},
};
use jiff::tz::TimeZone;
use std::sync::Arc;

impl Checker<'_> {
    /// The accounts of the provider `name`: what stands at the provider holds for all, what stands at an account for it
    /// alone; the provider's limits and budgets are those of all together, an account's own come to them.
    pub(super) fn accounts(
        &mut self,
        name: &str,
        node: &Node,
        accounts: &Node,
        (zone, health): (&TimeZone, &Health),
    ) -> Vec<Provider> {
        if accounts.entries().is_empty() {
            self.flag(&accounts.path, "names no account; write `NAME: { api_key: … }` below it, or leave it out");
        }
        let shared = self.shared_rules(name, node, (zone, health));
        let mut found = Vec::new();
        for (account, own) in accounts.entries() {
            if account.is_empty()
                || account.len() > MOST_NAME
                || !account.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
            {
                self.flag(&own.path, format!("an account's name has 1 to {MOST_NAME} of `A-Z a-z 0-9 _ -`"));
                continue;
            }
            for key in ["kind", "accounts"] {
                if let Some(wrong) = own.get(key) {
                    self.flag(&wrong.path, format!("`{key}` stands at the provider, not at one of its accounts"));
                }
            }
            let Some(provider) = self.provider(&account_name(name, account), &merged(node, own), zone, health) else {
                continue;
            };
            let mut rules = Rules { limits: shared.limits.clone(), budgets: shared.budgets.clone() };
            rules.limits.extend(provider.rules.limits.iter().cloned());
            rules.budgets.extend(provider.rules.budgets.iter().cloned());
            found.push(Provider { rules: Arc::new(rules), ..provider });
        }
        found
    }

    /// Limits and budgets of all accounts together.
    fn shared_rules(&mut self, name: &str, node: &Node, (zone, health): (&TimeZone, &Health)) -> Arc<Rules> {
        let mut common = node.clone();
        if let Value::Map(entries) = &mut common.value {
            entries.retain(|(key, _)| matches!(&**key, "kind" | "limits" | "budgets"));
        }
        let rules = self.provider(name, &common, zone, health).map(|provider| provider.rules);
        rules.unwrap_or_else(|| Arc::new(Rules { limits: Vec::new(), budgets: Vec::new() }))
    }

    /// A target at a provider with accounts is one at each of them, in the order of the file.
    pub(super) fn each_account(&self, target: Target) -> Vec<Target> {
        let accounts = self.account_names(&target.provider);
        if accounts.is_empty() {
            return vec![target];
        }
        let at = |account: String| Target { provider: account.into(), ..target.clone() };
        accounts.into_iter().map(at).collect()
    }

    /// The names of the accounts of `provider`, as providers; none if it has no accounts.
    pub(super) fn account_names(&self, provider: &str) -> Vec<String> {
        let accounts = self.tree.get("providers").and_then(|all| all.get(provider)?.get("accounts"));
        accounts.map(Node::entries).unwrap_or_default().iter().map(|(name, _)| account_name(provider, name)).collect()
    }

    /// Flags a provider with accounts where one account is meant.
    pub(super) fn one_account(&mut self, path: &str, provider: &str) {
        if let Some(first) = self.account_names(provider).first() {
            self.flag(path, format!("`{provider}` has several accounts; name one of them, such as `{first}`"));
        }
    }

    pub(super) fn mirror(&mut self, path: &str, model: &str, file: MirrorFile) -> Option<Arc<Mirror>> {
        self.refers(&join(path, "to"), &file.to, "models", "model");
        if file.to == model {
            self.flag(&join(path, "to"), "is the model itself; name another one, which answers the copies");
        }
        if !self.open {
            self.refers(&join(path, "key"), &file.key, "keys", "key");
        }
        let Percent(percent) = file.share;
        if percent > 100 {
            self.flag(&join(path, "share"), "is more than `100%`");
        }
        Some(Arc::new(Mirror { to: file.to.into(), key: file.key.into(), percent }))
    }
}

/// The name of an account as a provider. No name that is written holds a `#`, so that nothing else is called so.
pub(super) fn account_name(provider: &str, account: &str) -> String {
    format!("{provider}{}{account}", Scope::ACCOUNT)
}

/// The provider's settings with those of the account over them. Each value keeps its own place in the file.
fn merged(provider: &Node, account: &Node) -> Node {
    let of_account = account.entries();
    let mut entries: Vec<_> = provider.entries().to_vec();
    entries.retain(|(key, _)| {
        !matches!(&**key, "accounts" | "limits" | "budgets") && !of_account.iter().any(|(own, _)| own == key)
    });
    entries.extend(of_account.iter().cloned());
    Node { line: account.line, path: account.path.clone(), value: Value::Map(entries) }
}

/// Longest name of an account.
const MOST_NAME: usize = 64;
