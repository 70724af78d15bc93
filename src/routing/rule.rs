//! How one route puts its targets in order for a request.
//!
//! No lock and no allocation for up to eight targets. Health is not looked at here but where an order would be worthless
//! without it: [`super::Plan`] passes by what takes no requests.

use super::affinity::{Affinity, mix, score};
use super::plan::{Order, Stands};
use super::shares::{Picks, Shares};
use crate::config::{RouteKind, Share, Sticky};
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Targets that are expected to take this much longer than the fastest still share the traffic with it.
const FAIR: f64 = 1.2;
/// A target that is not known to be fast is tried again when its last figure is so old.
const STALE: Duration = Duration::from_secs(30);
/// A target of which nothing is known is tried this often until it has answered.
const UNKNOWN: Duration = Duration::from_secs(1);

/// What put the first target first.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Routed {
    /// The order of the file.
    #[default]
    Priority,
    /// Its share.
    Weighted,
    /// It is expected to answer first, or as fast as the first.
    Latency,
    /// It is tried so that its pace is known.
    Explored,
    /// It is expected to be the cheapest.
    Cost,
    /// The session, the user or the beginning of the conversation belongs there.
    Sticky,
    /// It is the canary, and this is one of its requests.
    Canary,
}

impl Routed {
    /// For records and people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Priority => "priority",
            Self::Weighted => "weighted",
            Self::Latency => "latency",
            Self::Explored => "explored",
            Self::Cost => "cost",
            Self::Sticky => "sticky",
            Self::Canary => "canary",
        }
    }
}

/// What a rule has to know of a request.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// What it is kept together by; `None`: nothing.
    pub affinity: Option<Affinity>,
    /// Tokens of output that are expected.
    pub output_tokens: u64,
    /// Now, in microseconds since the Unix epoch.
    pub now_us: u64,
    /// It is only asked about: nothing is counted.
    pub looking: bool,
}

/// One target, as a rule is made of it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Provider and model: where its sessions are found again after a restart.
    pub name: (&'a str, &'a str),
    /// Its share.
    pub weight: u32,
    /// It is a canary.
    pub canary: Option<Share>,
}

/// The canary of a route: one target of the file, with a place for each of its provider's accounts, which take turns.
#[derive(Debug)]
struct Canary {
    places: Order,
    /// Of all places together.
    share: Share,
    turns: AtomicU64,
}

/// The rule of one route.
#[derive(Debug)]
pub struct Rule {
    kind: RouteKind,
    sticky: Sticky,
    weights: Box<[u32]>,
    seeds: Box<[u64]>,
    shares: Shares,
    canary: Option<Canary>,
    picks: Picks,
    turns: AtomicU64,
}

impl Canary {
    /// Which of its places a request goes to first, modulo their number.
    fn turn(&self, wish: &Wish) -> u64 {
        match wish.affinity {
            Some(affinity) => affinity.and(b"account").hash(),
            None if wish.looking => self.turns.load(Relaxed),
            None => self.turns.fetch_add(1, Relaxed),
        }
    }
}

impl Rule {
    /// The rule of `kind` over `places`, in the order of the file. Several canaries are the accounts of one: the
    /// configuration has no second one.
    pub fn new(kind: RouteKind, sticky: Sticky, places: &[Place<'_>]) -> Self {
        let weight = |place: &Place<'_>| if place.canary.is_some() { 0 } else { place.weight };
        let weights: Box<[u32]> = places.iter().map(weight).collect();
        let seed = |(at, place): (usize, &Place<'_>)| {
            let before = places[..at].iter().filter(|other| other.name == place.name).count() as u64;
            let (provider, model) = place.name;
            Affinity::of(provider.as_bytes()).and(model.as_bytes()).and(&before.to_le_bytes()).hash()
        };
        let canaries: Order =
            places.iter().zip(0..).filter(|(place, _)| place.canary.is_some()).map(|(_, at)| at).collect();
        let share = places.iter().find_map(|place| place.canary);
        let canary = share.map(|share| Canary { places: canaries, share, turns: AtomicU64::new(0) });
        Self {
            kind,
            sticky,
            shares: Shares::new(&weights),
            weights,
            seeds: places.iter().enumerate().map(seed).collect(),
            canary,
            picks: Picks::default(),
            turns: AtomicU64::new(0),
        }
    }

    /// What the order goes by.
    pub const fn kind(&self) -> RouteKind {
        self.kind
    }

    /// What keeps requests at one target.
    pub const fn sticky(&self) -> Sticky {
        self.sticky
    }

    /// The share of the canary, if the target at `place` is one, or one of its accounts.
    pub fn canary(&self, place: u16) -> Option<Share> {
        self.canary.as_ref().filter(|canary| canary.places.contains(&place)).map(|canary| canary.share)
    }

    /// The weight of the target at `place`; 0 for canaries.
    pub fn weight(&self, place: u16) -> u32 {
        self.weights.get(usize::from(place)).copied().unwrap_or(0)
    }

    /// Puts `eligible`, which stands in the order of the file, in the order in which it is tried. `cost`: what the request
    /// is expected to cost at a target, in any unit; `None`: not known, which comes last.
    pub fn order<T: Stands>(
        &self,
        targets: &[Arc<T>],
        mut eligible: Order,
        wish: &Wish,
        cost: impl Fn(&T) -> Option<u128>,
    ) -> (Order, Routed) {
        let is_canary = |place: &u16| self.canary.as_ref().is_some_and(|canary| canary.places.contains(place));
        let mut canaries: Order = eligible.iter().copied().filter(is_canary).collect();
        eligible.retain(|place| !is_canary(place));
        let picked = match &self.canary {
            Some(canary) if !canaries.is_empty() => self.picks_canary(canary.share, wish),
            _ => false,
        };
        if let Some(canary) = self.canary.as_ref().filter(|_| picked && canaries.len() > 1) {
            let first = canary.turn(wish) % canaries.len() as u64;
            canaries.rotate_left(usize::try_from(first).unwrap_or(0));
        }
        // A step that the canary takes is none of the others'.
        let wish = &Wish { looking: wish.looking || picked, ..*wish };
        let (mut order, routed) = match self.kind {
            RouteKind::Priority => (eligible, Routed::Priority),
            RouteKind::Weighted => self.by_weight(&eligible, wish),
            RouteKind::Latency => self.by_latency(targets, &eligible, wish),
            RouteKind::Cost => (by_cost(targets, eligible, cost), Routed::Cost),
        };
        match canaries.split_first() {
            Some((first, others)) if picked || order.is_empty() => {
                order.insert(0, *first);
                order.extend_from_slice(others);
                (order, Routed::Canary)
            }
            _ => {
                order.extend_from_slice(&canaries);
                (order, routed)
            }
        }
    }

    fn picks_canary(&self, share: Share, wish: &Wish) -> bool {
        let (part, whole) = (u64::from(share.hundredths()), u64::from(Share::WHOLE));
        match wish.affinity {
            Some(affinity) => affinity.and(b"canary").hash() % whole < part,
            None if wish.looking => self.picks.peek(part, whole),
            None => self.picks.next(part, whole),
        }
    }

    /// By shares; who stands in for whom is drawn anew for each step, by weight.
    fn by_weight(&self, eligible: &[u16], wish: &Wish) -> (Order, Routed) {
        let (hash, first, routed) = match wish.affinity {
            Some(affinity) => (affinity.hash(), None, Routed::Sticky),
            None => {
                let (number, first) = if wish.looking { self.shares.peek() } else { self.shares.next() };
                (mix(number), first, Routed::Weighted)
            }
        };
        let seed = |place: u16| self.seeds.get(usize::from(place)).copied().unwrap_or(0);
        let mut scored: SmallVec<[(f64, u16); 8]> =
            eligible.iter().map(|&place| (score(hash, seed(place), self.weight(place)), place)).collect();
        if let Some((score, _)) = scored.iter_mut().find(|(_, place)| Some(*place) == first) {
            *score = f64::INFINITY;
        }
        // Those of weight 0 stay in the order of the file.
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        (scored.into_iter().map(|(_, place)| place).collect(), routed)
    }

    /// The fastest and those about as fast take turns: of two of them at random the one with fewer open requests.
    fn by_latency<T: Stands>(&self, targets: &[Arc<T>], eligible: &[u16], wish: &Wish) -> (Order, Routed) {
        let standing = |place: u16| targets.get(usize::from(place)).map(|target| target.standing());
        let expected = |place: u16| standing(place)?.paces().expected_us(wish.output_tokens);
        let mut by_pace: SmallVec<[(f64, u16); 8]> =
            eligible.iter().map(|&place| (expected(place).unwrap_or(f64::INFINITY), place)).collect();
        by_pace.sort_by(|a, b| a.0.total_cmp(&b.0));
        let open = |place: u16| standing(place).is_some_and(|standing| standing.opens_at_us() <= wish.now_us);
        let best = by_pace.iter().find(|(_, place)| open(*place)).map_or(f64::INFINITY, |(pace, _)| *pace);
        let slow = |(pace, place): &(f64, u16)| *pace > best * FAIR && open(*place);
        let tried = |place: u16| {
            let Some(standing) = standing(place).filter(|_| !wish.looking) else { return false };
            match standing.paces().age(wish.now_us) {
                Some(age) => age >= STALE && standing.paces().try_now(wish.now_us, STALE),
                None => standing.paces().try_now(wish.now_us, UNKNOWN),
            }
        };
        let explored = by_pace.iter().position(|one| slow(one) && tried(one.1));
        let (first, routed) = match explored {
            Some(at) => (Some(at), Routed::Explored),
            None => {
                let fair = |(pace, place): &(f64, u16)| *pace <= best * FAIR && open(*place);
                let fair: SmallVec<[usize; 8]> = (0..by_pace.len()).filter(|&at| fair(&by_pace[at])).collect();
                let there = |at: usize| standing(by_pace[at].1).map_or(0, |standing| standing.open());
                (self.of_two(&fair, wish, there), Routed::Latency)
            }
        };
        let mut order: Order = by_pace.into_iter().map(|(_, place)| place).collect();
        if let Some(first) = first {
            order[..=first].rotate_right(1);
        }
        (order, routed)
    }

    /// Of two at random the one of which there is less.
    fn of_two(&self, among: &[usize], wish: &Wish, there: impl Fn(usize) -> u32) -> Option<usize> {
        let turn = if wish.looking { self.turns.load(Relaxed) } else { self.turns.fetch_add(1, Relaxed) };
        let (chance, count) = (mix(turn), among.len() as u64);
        let one = chance.checked_rem(count)?;
        let step = 1 + (chance >> 32) % (count - 1).max(1);
        let at = |number: u64| among.get(usize::try_from(number % count).ok()?).copied();
        let (one, other) = (at(one)?, at(one + step)?);
        Some(if there(other) < there(one) { other } else { one })
    }
}

fn by_cost<T>(targets: &[Arc<T>], eligible: Order, cost: impl Fn(&T) -> Option<u128>) -> Order {
    let of = |place: u16| targets.get(usize::from(place)).and_then(|target| cost(target)).unwrap_or(u128::MAX);
    let mut costs: SmallVec<[(u128, u16); 8]> = eligible.into_iter().map(|place| (of(place), place)).collect();
    costs.sort_unstable();
    costs.into_iter().map(|(_, place)| place).collect()
}

#[cfg(test)]
#[path = "rule_tests.rs"]
mod tests;
