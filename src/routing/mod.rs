//! Which targets may answer, in which order, and where they live.
//!
//! Knows names, order and addresses; what a target *is* (its provider, price, counters) is the type `T` that
//! `proxy` hangs on it, so that this module needs no other stage.

mod dns;

pub use dns::{Resolver, UnresolvedHost};

use std::collections::HashMap;
use std::sync::Arc;

/// What a name that clients ask for is answered by.
#[derive(Debug)]
pub struct Route<T> {
    /// The name.
    pub name: Arc<str>,
    /// Targets in the order in which they are tried.
    pub targets: Vec<Arc<T>>,
    /// Attempts that one request may make.
    pub max_attempts: usize,
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

/// The candidates of one request, consumed on fail-over.
#[derive(Debug)]
pub struct Plan<T> {
    route: Arc<Route<T>>,
    next: usize,
    attempts_left: usize,
}

impl<T> Clone for Plan<T> {
    fn clone(&self) -> Self {
        Self { route: Arc::clone(&self.route), next: self.next, attempts_left: self.attempts_left }
    }
}

impl<T> Plan<T> {
    /// Starts at the first target.
    pub fn new(route: Arc<Route<T>>) -> Self {
        let attempts_left = route.max_attempts;
        Self { route, next: 0, attempts_left }
    }

    /// The route that is followed.
    pub fn route(&self) -> &Arc<Route<T>> {
        &self.route
    }

    /// Takes the next target that `serves`; each is tried at most once.
    pub fn take_next(&mut self, serves: impl Fn(&T) -> bool) -> Option<Arc<T>> {
        let index = self.peek(serves)?;
        self.next = index + 1;
        self.attempts_left -= 1;
        Some(Arc::clone(&self.route.targets[index]))
    }

    /// The target that was taken last is passed over without an attempt.
    pub fn passed_over(&mut self) {
        self.attempts_left += 1;
    }

    /// Whether there is another target that `serves`.
    pub fn has_next(&self, serves: impl Fn(&T) -> bool) -> bool {
        self.peek(serves).is_some()
    }

    fn peek(&self, serves: impl Fn(&T) -> bool) -> Option<usize> {
        if self.attempts_left == 0 {
            return None;
        }
        (self.next..self.route.targets.len()).find(|&index| serves(&self.route.targets[index]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(targets: &[u32], max_attempts: usize) -> Plan<u32> {
        let targets = targets.iter().copied().map(Arc::new).collect();
        Plan::new(Arc::new(Route { name: "fast".into(), targets, max_attempts }))
    }

    #[test]
    fn each_target_is_tried_once_in_order() {
        let mut plan = plan(&[1, 2, 3], 9);
        let mut taken = Vec::new();
        while let Some(target) = plan.take_next(|_| true) {
            taken.push(*target);
        }
        assert_eq!(taken, [1, 2, 3]);
    }

    #[test]
    fn attempts_are_bounded_and_targets_that_do_not_serve_cost_none() {
        let mut plan = plan(&[1, 2, 3, 4, 5, 6], 2);
        let even = |n: &u32| n.is_multiple_of(2);
        assert_eq!(plan.take_next(even).as_deref(), Some(&2));
        assert!(plan.has_next(even));
        assert_eq!(plan.take_next(even).as_deref(), Some(&4));
        assert!(!plan.has_next(even));
        assert_eq!(plan.take_next(even), None);
    }
}
