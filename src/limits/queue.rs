//! Who waits for a place, and whose turn it is. Pure: no clock, no lock, no I/O.
//!
//! The next place goes to a class by weight, within the class to the teams in turn, within a team to whoever came first.
//! So a team with a thousand requests waiting holds up a team with one by one place, and `low` still gets one place in 21
//! while both other classes have requests waiting all the time. Where there is no room, the newest request of the team
//! with the most of them makes room for one of a team with fewer: no team can fill the queue against the others. One that
//! has waited for long is not sent away for that: it could have been told at once. Nor does it wait in vain: those that
//! came before a moment that the caller names are served before all others.

use crate::config::Priority;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Requests that wait, as values of `T`.
#[derive(Debug)]
pub struct FairQueue<T> {
    /// By [`Priority`], lowest first.
    classes: [Class<T>; 3],
    /// When the last place was given, in the classes' own time.
    now: u64,
    next_id: u64,
    length: usize,
    /// All as they came, those that are gone included until they are the first.
    order: VecDeque<(u64, Standing)>,
}

/// What claim a new request has where there is no room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim<T> {
    /// None: it is the one to be refused.
    None,
    /// More than others have, but all of those have waited for long.
    Firm,
    /// More than this one, which is taken out.
    Room(T),
}

/// Where a request stands, to take it out again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    priority: Priority,
    team: Arc<str>,
    id: u64,
}

#[derive(Debug)]
struct Class<T> {
    /// With the moment at which each came.
    teams: HashMap<Arc<str>, VecDeque<(u64, u64, T)>>,
    /// The teams that have requests waiting, the next one first.
    turn: VecDeque<Arc<str>>,
    length: usize,
    /// When its next place is due: it grows by the class's stride with each place.
    due: u64,
}

impl<T> Class<T> {
    const fn stride(priority: Priority) -> u64 {
        match priority {
            Priority::High => 1,
            Priority::Normal => 4,
            Priority::Low => 16,
        }
    }

    /// Takes one out of a team's requests, by its place among them.
    fn take(&mut self, team: &Arc<str>, at: usize) -> Option<T> {
        let waiting = self.teams.get_mut(team)?;
        let (_, _, item) = waiting.remove(at)?;
        self.length -= 1;
        if waiting.is_empty() {
            self.teams.remove(team);
            self.turn.retain(|one| one != team);
        }
        Some(item)
    }

    /// The team with the most requests waiting, more than `least`, whose newest one is `soft`. Looks at all teams.
    fn largest(&self, least: usize, soft: impl Fn(u64) -> bool) -> Option<(&Arc<str>, usize)> {
        let more = self.teams.iter().filter(|(_, waiting)| {
            waiting.len() > least && waiting.back().is_some_and(|(_, came_us, _)| soft(*came_us))
        });
        more.map(|(team, waiting)| (team, waiting.len())).max_by_key(|(_, length)| *length)
    }
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        let class = || Class { teams: HashMap::new(), turn: VecDeque::new(), length: 0, due: 0 };
        Self { classes: [class(), class(), class()], now: 0, next_id: 0, length: 0, order: VecDeque::new() }
    }
}

impl<T> FairQueue<T> {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How many of a class wait.
    pub fn len_of(&self, priority: Priority) -> usize {
        self.classes[priority as usize].length
    }

    /// Puts a request that came at `came_us` behind those of its team.
    pub fn push(&mut self, priority: Priority, team: &Arc<str>, came_us: u64, item: T) -> Standing {
        let (id, now) = (self.next_id, self.now);
        let class = &mut self.classes[priority as usize];
        if class.length == 0 {
            // A class that had nobody waiting has no claim for that time, nor on the first place.
            class.due = class.due.max(now + Class::<T>::stride(priority));
        }
        let waiting = class.teams.entry(Arc::clone(team)).or_default();
        if waiting.is_empty() {
            class.turn.push_back(Arc::clone(team));
        }
        waiting.push_back((id, came_us, item));
        class.length += 1;
        self.length += 1;
        self.next_id += 1;
        let standing = Standing { priority, team: Arc::clone(team), id };
        self.order.push_back((came_us, standing.clone()));
        standing
    }

    /// Takes out the request whose turn it is; before that, those that came at `late_us` or before, as they came.
    pub fn pop(&mut self, late_us: Option<u64>) -> Option<T> {
        if let Some(late) = self.late(late_us) {
            return self.remove(&late);
        }
        let waiting = Priority::ALL.into_iter().filter(|priority| self.len_of(*priority) > 0);
        // Of two that are due at once the higher one is first.
        let priority = waiting.min_by_key(|priority| (self.classes[*priority as usize].due, 2 - *priority as usize))?;
        let class = &mut self.classes[priority as usize];
        self.now = class.due;
        class.due += Class::<T>::stride(priority);
        let team = class.turn.pop_front()?;
        let item = class.take(&team, 0);
        if class.teams.contains_key(&team) {
            class.turn.push_back(team);
        }
        self.length -= 1;
        item
    }

    /// Takes out a request that waits no longer; `None` if it was taken out before.
    pub fn remove(&mut self, standing: &Standing) -> Option<T> {
        let class = &mut self.classes[standing.priority as usize];
        let at = class.teams.get(&standing.team)?.binary_search_by_key(&standing.id, |(id, _, _)| *id).ok()?;
        let item = class.take(&standing.team, at);
        self.length -= usize::from(item.is_some());
        self.forget();
        item
    }

    /// Drops what is no longer waited for from the order, before it is many times what waits.
    fn forget(&mut self) {
        if self.order.len() <= 2 * self.length + 64 {
            return;
        }
        let Self { order, classes, .. } = self;
        order.retain(|(_, standing)| {
            let team = classes[standing.priority as usize].teams.get(&standing.team);
            team.is_some_and(|waiting| waiting.binary_search_by_key(&standing.id, |(id, _, _)| *id).is_ok())
        });
    }

    /// The first that came, if that was at `late_us` or before.
    fn late(&mut self, late_us: Option<u64>) -> Option<Standing> {
        let classes = &self.classes;
        let waits = |standing: &Standing| {
            let team = classes[standing.priority as usize].teams.get(&standing.team);
            team.is_some_and(|waiting| waiting.binary_search_by_key(&standing.id, |(id, _, _)| *id).is_ok())
        };
        while self.order.front().is_some_and(|(_, standing)| !waits(standing)) {
            self.order.pop_front();
        }
        let (came_us, standing) = self.order.front()?;
        (Some(*came_us) <= late_us).then(|| standing.clone())
    }

    /// Takes out a request that has less claim to wait than a new one of this class and team: the newest of the largest
    /// team of the lowest class that has one to give, none that came at `firm_us` or before.
    pub fn displace(&mut self, priority: Priority, team: &Arc<str>, firm_us: Option<u64>) -> Claim<T> {
        let mut claim = Claim::None;
        for lower in Priority::ALL.into_iter().filter(|one| *one <= priority) {
            let class = &mut self.classes[lower as usize];
            let own = class.teams.get(team).map_or(0, VecDeque::len);
            let least = if lower == priority { own + 1 } else { 0 };
            let soft = |came_us: u64| Some(came_us) > firm_us;
            if let Some((largest, length)) = class.largest(least, soft).map(|(team, length)| (Arc::clone(team), length))
                && let Some(item) = class.take(&largest, length - 1)
            {
                self.length -= 1;
                self.forget();
                return Claim::Room(item);
            }
            if class.largest(least, |_| true).is_some() {
                claim = Claim::Firm;
            }
        }
        claim
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
