//! Which targets may answer, in which order, and where they live.
//!
//! Knows names, order and addresses; what a target *is* (its provider, price, counters) is the type `T` that
//! `proxy` hangs on it, so that this module needs no other stage.

mod affinity;
mod by_hand;
mod dns;
mod pace;
mod health;
mod plan;
mod rule;
mod shares;
mod standing;
mod when;

pub use affinity::Affinity;
pub use by_hand::ByHand;
pub use dns::{Resolver, UnresolvedHost};
pub use health::{Health, HealthMetrics, PROBE_FAILURES, Proof, Reason, State};
pub use pace::Paces;
pub use plan::{Order, Plan, Stands};
pub use rule::{Place, Routed, Rule, Wish};
pub use standing::{Ended, Entry, Pace, Standing, Standings};
pub use when::{Facts, failing};

use std::collections::HashMap;
use std::sync::Arc;

/// What a name that clients ask for is answered by.
#[derive(Debug)]
pub struct Route<T> {
    /// The name.
    pub name: Arc<str>,
    /// Targets in the order of the file.
    pub targets: Vec<Arc<T>>,
    /// Attempts that one request may make.
    pub max_attempts: usize,
    /// How they are put in order for a request.
    pub rule: Rule,
}

/// All routes, by name.
#[derive(Debug)]
pub struct Table<T> {
    routes: HashMap<Arc<str>, Arc<Route<T>>>,
    /// In the order in which the routes were given.
    names: Vec<Arc<str>>,
}

impl<T> Table<T> {
    /// Indexes `routes` by name.
    pub fn new(routes: impl IntoIterator<Item = Route<T>>) -> Self {
        let routes: Vec<_> = routes.into_iter().map(Arc::new).collect();
        let names = routes.iter().map(|route| Arc::clone(&route.name)).collect();
        let routes = routes.into_iter().map(|route| (Arc::clone(&route.name), route)).collect();
        Self { routes, names }
    }

    /// The route of `model`.
    pub fn find(&self, model: &str) -> Option<&Arc<Route<T>>> {
        self.routes.get(model)
    }

    /// All names.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }
}
