//! The candidates of one request, consumed on fail-over.

use super::Route;
use super::rule::Routed;
use super::standing::{Entry, Standing};
use smallvec::SmallVec;
use std::sync::Arc;

/// What a target must tell to be chosen: how it stands.
pub trait Stands {
    /// Its standing, shared by all routes that lead to it.
    fn standing(&self) -> &Arc<Standing>;
}

/// Places of targets in their route, in the order in which they are tried.
pub type Order = SmallVec<[u16; 8]>;

/// The candidates of one request, consumed on fail-over.
///
/// Targets that take requests now are tried in order, those that were put back behind the others. Those that are shut are
/// taken only where the caller says that nothing better is left, the least bad ([`Standing::hopeless`]) first; those that
/// somebody took out never. Each is tried once, unless it is put back.
#[derive(Debug)]
pub struct Plan<T> {
    route: Arc<Route<T>>,
    left: Order,
    /// Those that were put back.
    again: Order,
    attempts_left: usize,
    last: Option<u16>,
    routed: Routed,
    too_small: Order,
}

impl<T> Clone for Plan<T> {
    fn clone(&self) -> Self {
        Self {
            route: Arc::clone(&self.route),
            left: self.left.clone(),
            again: self.again.clone(),
            attempts_left: self.attempts_left,
            last: self.last,
            routed: self.routed,
            too_small: self.too_small.clone(),
        }
    }
}

impl<T> Plan<T> {
    /// All targets, in the order of the file.
    pub fn new(route: Arc<Route<T>>) -> Self {
        let count = u16::try_from(route.targets.len()).unwrap_or(u16::MAX);
        Self::ordered(route, (0..count).collect(), Routed::Priority)
    }

    /// The targets of `order`; what is not in it is not tried. `routed`: what put the first one first.
    pub fn ordered(route: Arc<Route<T>>, order: Order, routed: Routed) -> Self {
        let attempts_left = route.max_attempts;
        let again = Order::new();
        Self { route, left: order, again, attempts_left, last: None, routed, too_small: Order::new() }
    }

    /// The targets at `places` were left out: the request is too long for them.
    #[must_use]
    pub fn without(self, places: Order) -> Self {
        Self { too_small: places, ..self }
    }

    /// What put the first target first.
    pub const fn routed(&self) -> Routed {
        self.routed
    }

    /// The targets that were left out because the request is too long for them.
    pub fn too_small(&self) -> impl Iterator<Item = &Arc<T>> {
        self.too_small.iter().filter_map(|&place| self.target(place))
    }

    /// Leaves out the targets that are not to be tried.
    #[must_use]
    pub fn leaving_out(mut self, out: impl Fn(&T) -> bool) -> Self {
        let left = std::mem::take(&mut self.left);
        self.left = left.into_iter().filter(|&place| self.target(place).is_none_or(|target| !out(target))).collect();
        self
    }

    /// The places that are left, in the order in which they are tried.
    pub fn left(&self) -> &[u16] {
        &self.left
    }

    /// The route that is followed.
    pub fn route(&self) -> &Arc<Route<T>> {
        &self.route
    }

    /// Goes on with other candidates, within the attempts that are left.
    pub fn go_on_with(&mut self, other: Self) {
        let attempts_left = self.attempts_left.min(other.attempts_left);
        *self = Self { attempts_left, ..other };
    }

    /// Attempts that may still be made.
    pub const fn attempts_left(&self) -> usize {
        self.attempts_left
    }

    /// The target that was taken last is passed over without an attempt.
    pub fn passed_over(&mut self) {
        self.attempts_left += 1;
    }

    /// The target that was taken last may be tried again, when no other is left.
    pub fn put_back(&mut self) {
        self.again.extend(self.last.take());
    }

    /// Whether there is a target that `serves` and was not tried yet.
    pub fn has_fresh(&self, serves: impl Fn(&T) -> bool) -> bool {
        self.attempts_left > 0 && self.left.iter().any(|&place| self.target(place).is_some_and(|target| serves(target)))
    }

    /// The targets that were not tried.
    pub fn untried(&self) -> impl Iterator<Item = &Arc<T>> {
        self.left.iter().filter_map(|&place| self.target(place))
    }

    /// The targets that were put back.
    pub fn again(&self) -> impl Iterator<Item = &Arc<T>> {
        self.again.iter().filter_map(|&place| self.target(place))
    }

    fn target(&self, place: u16) -> Option<&Arc<T>> {
        self.route.targets.get(usize::from(place))
    }
}

impl<T: Stands> Plan<T> {
    /// Takes the next target that `serves` and takes requests, and enters it at `now_us`.
    pub fn take_next(&mut self, now_us: u64, serves: impl Fn(&T) -> bool) -> Option<(Arc<T>, Entry)> {
        self.take(|plan, places| plan.open(places, now_us, &serves))
    }

    /// Takes the least bad of the targets that serve, although they are shut: nothing better is left.
    pub fn take_shut(&mut self, now_us: u64, serves: impl Fn(&T) -> bool) -> Option<(Arc<T>, Entry)> {
        self.take(|plan, places| plan.least_bad(places, now_us, &serves))
    }

    fn take(&mut self, pick: impl Fn(&Self, &Order) -> Option<(usize, Arc<T>, Entry)>) -> Option<(Arc<T>, Entry)> {
        if self.attempts_left == 0 {
            return None;
        }
        let (again, (at, target, entry)) = match pick(self, &self.left) {
            Some(fresh) => (false, fresh),
            None => (true, pick(self, &self.again)?),
        };
        self.last = Some(if again { self.again.remove(at) } else { self.left.remove(at) });
        self.attempts_left -= 1;
        Some((target, entry))
    }

    fn fitting<'p>(
        &'p self,
        places: &'p Order,
        serves: &'p impl Fn(&T) -> bool,
    ) -> impl Iterator<Item = (usize, &'p Arc<T>)> {
        let fits = |place: u16| self.target(place).filter(|target| serves(target));
        places.iter().enumerate().filter_map(move |(at, &place)| Some((at, fits(place)?)))
    }

    /// The first of `places` that takes requests; it is entered.
    fn open(&self, places: &Order, now_us: u64, serves: &impl Fn(&T) -> bool) -> Option<(usize, Arc<T>, Entry)> {
        let mut fitting = self.fitting(places, serves);
        fitting.find_map(|(at, target)| Some((at, Arc::clone(target), target.standing().enter(now_us)?)))
    }

    /// The least bad of `places`; it is entered. What somebody took out is none of them.
    fn least_bad(&self, places: &Order, now_us: u64, serves: &impl Fn(&T) -> bool) -> Option<(usize, Arc<T>, Entry)> {
        let fitting = self.fitting(places, serves).filter(|(_, target)| !target.standing().is_out(now_us));
        let (at, target) = fitting.min_by_key(|(_, target)| target.standing().hopeless())?;
        Some((at, Arc::clone(target), target.standing().enter_shut(now_us)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{RouteKind, Sticky},
        routing::{
            rule::Rule,
            standing::{Ended, Standings},
        },
    };

    #[derive(Debug)]
    struct Place(u32, Arc<Standing>);

    impl Stands for Place {
        fn standing(&self) -> &Arc<Standing> {
            &self.1
        }
    }

    fn plan(targets: &[u32], max_attempts: usize) -> Plan<Place> {
        let standings = Standings::default();
        let place = |&number: &u32| Arc::new(Place(number, standings.of("p", &number.to_string())));
        let targets = targets.iter().map(place).collect();
        let rule = Rule::new(RouteKind::Priority, Sticky::None, &[]);
        Plan::new(Arc::new(Route { name: "fast".into(), targets, max_attempts, rule }))
    }

    fn take(plan: &mut Plan<Place>, serves: impl Fn(&Place) -> bool) -> Option<u32> {
        plan.take_next(1, &serves).or_else(|| plan.take_shut(1, &serves)).map(|(target, _)| target.0)
    }

    #[test]
    fn each_target_is_tried_once_in_order() {
        let mut plan = plan(&[1, 2, 3], 9);
        let taken: Vec<_> = std::iter::from_fn(|| take(&mut plan, |_| true)).collect();
        assert_eq!(taken, [1, 2, 3]);
    }

    #[test]
    fn attempts_are_bounded_and_targets_that_do_not_serve_cost_none() {
        let mut plan = plan(&[1, 2, 3, 4, 5, 6], 2);
        let even = |place: &Place| place.0.is_multiple_of(2);
        assert_eq!(take(&mut plan, even), Some(2));
        assert!(plan.has_fresh(even));
        assert_eq!(take(&mut plan, even), Some(4));
        assert!(!plan.has_fresh(even));
        assert_eq!(take(&mut plan, even), None);
    }

    #[test]
    fn what_is_put_back_is_tried_again_behind_all_others() {
        let mut plan = plan(&[1, 2], 9);
        assert_eq!(take(&mut plan, |_| true), Some(1));
        plan.put_back();
        plan.put_back();
        let rest: Vec<_> = std::iter::from_fn(|| take(&mut plan, |_| true)).collect();
        assert_eq!(rest, [2, 1]);
    }

    #[test]
    fn a_shut_target_is_passed_by_until_nothing_else_is_left() {
        let mut plan = plan(&[1, 2], 9);
        let first = Arc::clone(plan.route().targets[0].standing());
        for _ in 0..5 {
            first.enter_shut(1).end(Ended::Failed, 1);
        }
        assert_eq!(take(&mut plan, |_| true), Some(2));
        assert_eq!(take(&mut plan, |_| true), Some(1));
        assert_eq!(take(&mut plan, |_| true), None);
    }

    #[test]
    fn a_target_that_was_put_back_comes_before_one_that_is_shut() {
        let mut plan = plan(&[1, 2], 9);
        let second = Arc::clone(plan.route().targets[1].standing());
        (0..5).for_each(|_| second.enter_shut(1).end(Ended::Stalled, 1));
        assert_eq!(take(&mut plan, |_| true), Some(1));
        plan.put_back();
        assert_eq!(take(&mut plan, |_| true), Some(1));
        assert!(plan.take_next(1, |_| true).is_none(), "nothing but what is shut");
        assert_eq!(take(&mut plan, |_| true), Some(2));
    }

    #[test]
    fn of_shut_targets_the_least_bad_is_tried_first() {
        let mut plan = plan(&[1, 2, 3], 9);
        let shut = |at: usize, ended: Ended| {
            let standing = Arc::clone(plan.route().targets[at].standing());
            (0..5).for_each(|_| standing.enter_shut(1).end(ended, 1));
        };
        shut(0, Ended::NoSuchModel);
        shut(1, Ended::Failed);
        shut(2, Ended::Limited(Some(std::time::Duration::from_secs(60))));
        let taken: Vec<_> = std::iter::from_fn(|| take(&mut plan, |_| true)).collect();
        assert_eq!(taken, [3, 2, 1], "limited, failed, misconfigured");
    }

    #[test]
    fn another_route_is_followed_with_the_attempts_that_are_left() {
        let mut first = plan(&[1, 2, 3], 3);
        assert_eq!(take(&mut first, |_| true), Some(1));
        first.go_on_with(plan(&[7, 8, 9], 4));
        let rest: Vec<_> = std::iter::from_fn(|| take(&mut first, |_| true)).collect();
        assert_eq!(rest, [7, 8]);
    }
}
