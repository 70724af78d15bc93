//! Guardrails: what each is, and that the lists name what there is.

use super::Checker;
use crate::config::{
    GuardAction, Guardrail, Guardrails, Hook,
    file::{ConfigFile, GuardrailFile},
    section::Section,
    shape::read_all,
    tree::{Node, Value, join},
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Tokens of a session are kept in memory: not for ever.
const MOST_TTL: Duration = Duration::from_secs(7 * 24 * 3600);

/// The names that a list gives.
type List = Option<Vec<Option<String>>>;

impl Checker<'_> {
    /// All guardrails, and the lists of `file` that name them, which are taken out of it.
    pub(super) fn guardrail_lists(&mut self, file: &mut ConfigFile) -> Guardrails {
        let everywhere = [
            ("defaults.teams", file.defaults.teams.guardrails.take()),
            ("defaults.keys", file.defaults.keys.guardrails.take()),
        ];
        let models = file.models.iter_mut().map(|(name, model)| (name.clone(), model.guardrails.take())).collect();
        let teams = file.teams.iter_mut().map(|(name, team)| (name.clone(), team.guardrails.take())).collect();
        let keys = file.keys.iter_mut().enumerate().filter_map(|(index, key)| {
            let key = key.as_mut()?;
            Some((format!("keys[{index}]"), key.name.clone(), key.guardrails.take()))
        });
        let keys = keys.collect();
        self.guardrails(everywhere, models, teams, keys)
    }

    /// All guardrails and the lists that name them: `everywhere` are those of `defaults.teams` and `defaults.keys`.
    fn guardrails(
        &mut self,
        everywhere: [(&str, List); 2],
        models: BTreeMap<String, List>,
        teams: BTreeMap<String, List>,
        keys: Vec<(String, String, List)>,
    ) -> Guardrails {
        let tree = self.tree;
        let entries = tree.get("guardrails").map(Node::entries).unwrap_or_default();
        if entries.len() > Guardrails::MOST {
            self.flag(
                "guardrails",
                format!("there are {}; at most {} can be told apart", entries.len(), Guardrails::MOST),
            );
        }
        let all = entries.iter().filter_map(|(name, node)| Some((Arc::from(&**name), self.guardrail(name, node)?)));
        let all = all.collect();
        let mut named = |path: String, list: List| self.guardrail_names(&path, list);
        let mut lists = |section: &str, written: BTreeMap<String, List>| -> BTreeMap<Arc<str>, Vec<Arc<str>>> {
            let lists = written.into_iter().map(|(name, list)| {
                let path = join(&join(section, &name), "guardrails");
                (Arc::from(name), named(path, list))
            });
            lists.filter(|(_, list): &(Arc<str>, Vec<Arc<str>>)| !list.is_empty()).collect()
        };
        let (models, teams) = (lists("models", models), lists("teams", teams));
        let keys = keys.into_iter().map(|(path, name, list)| (Arc::from(name), named(join(&path, "guardrails"), list)));
        let keys = keys.filter(|(_, list): &(Arc<str>, Vec<Arc<str>>)| !list.is_empty()).collect();
        let mut of_all: Vec<Arc<str>> = Vec::new();
        for (path, list) in everywhere {
            for name in named(join(path, "guardrails"), list) {
                if !of_all.contains(&name) {
                    of_all.push(name);
                }
            }
        }
        Guardrails { all, everywhere: of_all, models, teams, keys }
    }

    fn guardrail(&mut self, name: &str, node: &Node) -> Option<Guardrail> {
        self.named(&node.path, name);
        if name.contains(',') || name.len() > 64 {
            self.flag(&node.path, "the name of a guardrail has at most 64 characters");
        }
        let mut common = node.clone();
        if let Value::Map(entries) = &mut common.value {
            entries.retain(|(key, _)| GuardrailFile::KEYS.contains(&&**key));
        }
        let file: GuardrailFile = read_all(&mut common, &self.places, &mut self.errors)?;
        let on: Vec<Hook> = file.on.map(|on| on.into_iter().flatten().collect()).unwrap_or_default();
        if node.get("on").is_some() && on.is_empty() {
            self.flag(&join(&node.path, "on"), "names nothing; leave it out, or write such as `[input, output]`");
        }
        let when = file.when.map(|when| self.when(&join(&node.path, "when"), when));
        let of_ttl = join(&node.path, "session_ttl");
        if file.session_ttl.is_some() && file.action != Some(GuardAction::Tokenize) {
            self.flag(&of_ttl, "needs `action: tokenize`; nothing else is remembered");
        }
        let session_ttl = match file.session_ttl {
            Some(_) => self.time(&of_ttl, file.session_ttl, Duration::ZERO),
            None => Duration::ZERO,
        };
        if session_ttl > MOST_TTL {
            self.flag(&of_ttl, "is at most 168h");
        }
        Some(Guardrail {
            name: name.into(),
            kind: file.kind,
            on,
            action: file.action,
            mode: file.mode,
            on_failure: file.on_failure,
            when,
            session_ttl,
            unknown: file.unknown,
            settings: Section::new(node, Arc::clone(&self.places), &GuardrailFile::KEYS),
        })
    }

    fn guardrail_names(&mut self, path: &str, list: List) -> Vec<Arc<str>> {
        let Some(list) = list else { return Vec::new() };
        if list.is_empty() {
            self.flag(path, "names no guardrail; leave it out");
        }
        let mut names: Vec<Arc<str>> = Vec::new();
        for (index, name) in list.into_iter().enumerate() {
            let Some(name) = name else { continue };
            let at = format!("{path}[{index}]");
            self.refers(&at, &name, "guardrails", "guardrail");
            if names.iter().any(|one| **one == *name) {
                self.flag(&at, "is named twice");
            }
            names.push(name.into());
        }
        names
    }
}
