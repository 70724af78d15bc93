//! How a model's targets are chosen among: what is written must make sense together.

use super::Checker;
use crate::{
    config::{
        RouteKind, Sticky, Target, When,
        error::hint,
        file::WhenFile,
        quantity::{Size, show_size},
        tree::join,
    },
    model::{Modalities, Modality},
};
use std::sync::Arc;

/// More says nothing that a smaller number would not.
const MOST_WEIGHT: u32 = 10_000;

impl Checker<'_> {
    /// What the targets of a model are together.
    pub(super) fn route(&mut self, path: &str, route: RouteKind, sticky: Sticky, targets: &[Target]) {
        if sticky != Sticky::None && route != RouteKind::Weighted {
            self.flag(
                &join(path, "sticky"),
                format!(
                    "needs `route: weighted`: `{}` chooses the target itself; write `route: weighted`, where each target \
                     has weight 1 unless it says another",
                    route.name()
                ),
            );
        }
        let canaries: Vec<usize> =
            targets.iter().filter(|target| target.canary.is_some()).map(|target| target.index).collect();
        for index in canaries.iter().skip(1) {
            let path = format!("{path}.targets[{index}].canary");
            self.flag(&path, format!("`targets[{}]` is the canary already; a model has one", canaries[0]));
        }
        if canaries.len() == targets.len() && !canaries.is_empty() {
            self.flag(&join(path, "targets"), "there must be a target that is no canary: it gets the rest");
        }
        let mut others = targets.iter().filter(|target| target.canary.is_none()).peekable();
        if route == RouteKind::Weighted && others.peek().is_some() && others.all(|target| target.weight == 0) {
            self.flag(&join(path, "targets"), "all weights are 0; at least one target must have a `weight` from 1");
        }
    }

    /// The weight of one target.
    pub(super) fn weight(&mut self, target: &str, route: RouteKind, written: Option<u32>, canary: bool) -> u32 {
        let Some(weight) = written else { return 1 };
        let path = join(target, "weight");
        if route != RouteKind::Weighted {
            self.flag(&path, format!("needs `route: weighted`; by `{}` it would say nothing", route.name()));
        } else if canary {
            self.flag(&path, "a canary has no weight: its share is what `canary` says; leave it out");
        } else if weight > MOST_WEIGHT {
            self.flag(&path, format!("a weight is at most {MOST_WEIGHT}"));
        }
        weight
    }

    /// The conditions of one target.
    pub(super) fn when(&mut self, path: &str, file: WhenFile) -> When {
        let WhenFile { teams, keys, users, metadata, min_bytes, max_bytes, stream, has, takes } = file;
        let teams = self.listed(&join(path, "teams"), teams);
        if !self.open {
            for (index, team) in teams.iter().enumerate() {
                self.refers(&format!("{path}.teams[{index}]"), team, "teams", "team");
            }
        }
        let metadata = metadata.unwrap_or_default();
        let [min_bytes, max_bytes] = [min_bytes, max_bytes].map(|size| size.map(|Size(bytes)| bytes));
        let when = When {
            teams,
            keys: self.listed(&join(path, "keys"), keys),
            users: self.listed(&join(path, "users"), users),
            metadata: metadata.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            min_bytes,
            max_bytes,
            stream,
            has: has.map(|names| self.modalities(&join(path, "has"), names)),
            takes: takes.map(|names| self.modalities(&join(path, "takes"), names)),
        };
        if when == When::default() {
            self.flag(path, "says nothing; leave it out, or write a condition such as `teams: [NAME]`");
        }
        if let (Some(least), Some(most)) = (min_bytes, max_bytes)
            && least > most
        {
            self.flag(&join(path, "min_bytes"), format!("is more than `max_bytes`, which is {}", show_size(most)));
        }
        if let (Some(has), Some(takes)) = (when.has, when.takes)
            && !has.meets(takes)
            && !has.contains(Modality::Text)
        {
            self.flag(&join(path, "has"), "asks for nothing that `takes` allows; no request would fit");
        }
        when
    }

    /// Names; an empty list would let nothing pass, or everything: nobody means that.
    fn listed(&mut self, path: &str, names: Option<Vec<Option<String>>>) -> Vec<Arc<str>> {
        let Some(names) = names else { return Vec::new() };
        if names.is_empty() {
            self.flag(path, "names nobody; leave it out, or write names");
        }
        let names: Vec<Arc<str>> = names.into_iter().flatten().map(Arc::from).collect();
        if names.iter().any(|name| name.is_empty()) {
            self.flag(path, "holds an empty name");
        }
        names
    }

    fn modalities(&mut self, path: &str, names: Vec<Option<String>>) -> Modalities {
        if names.is_empty() {
            self.flag(path, "names nothing; leave it out, or write such as `[image]`");
        }
        let mut set = Modalities::default();
        for (index, name) in names.into_iter().enumerate() {
            let Some(name) = name else { continue };
            match Modality::ALL.into_iter().find(|one| one.name() == name) {
                Some(one) => set.insert(one),
                None => {
                    let path = format!("{path}[{index}]");
                    let shown = self.shown(&path, &name);
                    let near = hint(&name, Modality::ALL.map(Modality::name));
                    self.flag(&path, format!("a request holds no {shown}{near}"));
                }
            }
        }
        set
    }
}
