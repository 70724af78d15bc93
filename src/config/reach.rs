//! Whether requests can reach a target at all: what is no mistake, but deserves a word.

use super::{Config, Model, Target, When};
use crate::model::{Modalities, Modality};
use std::sync::Arc;

impl Config {
    /// What `check` says of the conditions of `target`; nothing where it has none.
    pub(super) fn reach(&self, model: &Model, target: &Target) -> Vec<String> {
        let Some(when) = &target.when else { return Vec::new() };
        let mut notes = vec![format!("for requests {}", words(when).join(", "))];
        let may = |team: &str| self.teams.get(team).is_none_or(|team| team.models.contains(&model.name));
        if !when.teams.is_empty() && !when.teams.iter().any(|team| may(team)) {
            notes.push(format!("warning: no request reaches it: none of `when.teams` may call {}", model.name));
        }
        let of_file = |name: &str| self.keys.iter().find(|key| *key.name == *name);
        for name in &when.keys {
            match of_file(name) {
                None => notes.push(format!("note: the file has no key `{name}`: it must be made at run time")),
                Some(key) if !when.teams.is_empty() && !when.teams.contains(&key.team) => notes.push(format!(
                    "warning: no request of key `{name}` reaches it: team `{}` is none of `when.teams`",
                    key.team
                )),
                Some(key) if !key.models.contains(&model.name) || !may(&key.team) => {
                    notes.push(format!("warning: key `{name}` may not call {}", model.name));
                }
                Some(_) => {}
            }
        }
        if model.targets.iter().all(|target| target.when.is_some()) {
            notes.push("note: every target has conditions: requests that fit none are refused (400)".to_owned());
        }
        notes
    }
}

/// The conditions, as people read them.
fn words(when: &When) -> Vec<String> {
    let names =
        |what: &str, names: &[Arc<str>]| (!names.is_empty()).then(|| format!("of {what} {}", names.join(" or ")));
    let set = |set: Modalities, glue: &str| set.iter().map(Modality::name).collect::<Vec<_>>().join(glue);
    let pairs = when.metadata.iter().map(|(name, value)| Some(format!("with metadata {name} = {value}")));
    let stream = when.stream.map(|stream| if stream { "for streams" } else { "for whole answers" }.to_owned());
    [names("team", &when.teams), names("key", &when.keys), names("user", &when.users)]
        .into_iter()
        .chain(pairs)
        .chain([
            when.min_bytes.map(|bytes| format!("of at least {bytes} bytes")),
            when.max_bytes.map(|bytes| format!("of at most {bytes} bytes")),
            stream,
            when.has.map(|has| format!("with {}", set(has, " or "))),
            when.takes.map(|takes| format!("with nothing but text and {}", set(takes, ", "))),
        ])
        .flatten()
        .collect()
}
