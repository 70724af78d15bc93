//! What follows from failed attempts, and which models answer instead.

use super::Checker;
use crate::config::{
    Action, Attempts, Failure, Fallbacks,
    error::hint,
    file::{AttemptsFile, FallbacksFile},
    quantity::show_time,
    tree::join,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Longest pause that makes sense while a client waits.
const LONGEST: Duration = Duration::from_secs(60);

/// What follows from what.
type Rows<K> = Vec<(K, Action)>;

impl Checker<'_> {
    /// What the model `name`, written at `path`, does about failures.
    pub(super) fn attempts(
        &mut self,
        path: &str,
        name: &str,
        file: AttemptsFile,
        fallbacks: FallbacksFile,
    ) -> Arc<Attempts> {
        let at = join(path, "attempts");
        let default = Attempts::default();
        let mut pause = |key: &str, written, default| match written {
            Some(_) => self.time(&join(&at, key), written, default),
            None => default,
        };
        let first = pause("pause", file.pause, default.pause);
        let most = pause("most_pause", file.most_pause, default.most_pause.max(first));
        if most > LONGEST {
            self.flag(&join(&at, "most_pause"), format!("must be at most {}", show_time(LONGEST)));
        }
        if first > most {
            let message = format!("is longer than `most_pause`, which is `{}`", show_time(most));
            self.flag(&join(&at, "pause"), message);
        }
        let (on, on_status) = self.actions(&join(&at, "on"), file.on);
        let at = join(path, "fallbacks");
        let mut models = |key: &str, written| self.fallback(&join(&at, key), name, written);
        let fallbacks = Fallbacks {
            context_window: models("context_window", fallbacks.context_window),
            content_policy: models("content_policy", fallbacks.content_policy),
            failed: models("failed", fallbacks.failed),
        };
        Arc::new(Attempts { pause: first, most_pause: most, on, on_status, fallbacks })
    }

    fn actions(&mut self, path: &str, written: BTreeMap<String, Action>) -> (Rows<Failure>, Rows<u16>) {
        let (mut on, mut on_status) = (Vec::new(), Vec::new());
        for (name, action) in written {
            let path = join(path, &name);
            let failure = if let Ok(status) = name.parse::<u16>() {
                if !(400..=599).contains(&status) {
                    self.flag(
                        &path,
                        "is no status of an error; write one from `400` to `599`, or the name of a failure",
                    );
                    continue;
                }
                on_status.push((status, action));
                Failure::of_status(status)
            } else if let Some(failure) = Failure::ALL.into_iter().find(|one| one.name() == name) {
                on.push((failure, action));
                failure
            } else {
                let shown = self.shown(&path, &name);
                self.flag(
                    &path,
                    format!("there is no failure {shown}{}", hint(&name, Failure::ALL.map(Failure::name))),
                );
                continue;
            };
            if let (Action::Retry, Some(why)) = (action, failure.never_retried()) {
                self.flag(&path, format!("cannot be `retry`: {why}; write `next` or `fail`"));
            }
        }
        (on, on_status)
    }

    fn fallback(&mut self, path: &str, of: &str, written: Vec<Option<String>>) -> Vec<Arc<str>> {
        let mut models: Vec<Arc<str>> = Vec::new();
        for (index, name) in written.into_iter().enumerate() {
            let Some(name) = name else { continue };
            let path = format!("{path}[{index}]");
            self.refers(&path, &name, "models", "model");
            if name == of {
                self.flag(&path, "is the model itself; name another one, or let it be tried again by `attempts`");
            } else if models.iter().any(|known| **known == *name) {
                self.flag(&path, format!("`{name}` stands here a second time"));
            } else {
                models.push(name.into());
            }
        }
        models
    }
}
