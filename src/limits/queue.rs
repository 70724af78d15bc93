//! Who waits for a place, and whose turn it is. Pure: no clock, no lock, no I/O.
//!
//! The next place goes to a class by weight, within the class to the teams in turn, within a team to whoever came first.
//! So a team with a thousand requests waiting holds up a team with one by one place, and `low` still gets one place in 21
//! while both other classes have requests waiting all the time. Where there is no room, the newest request of the team
//! with the most of them makes room for one of a team with fewer: no team can fill the queue against the others.

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
    teams: HashMap<Arc<str>, VecDeque<(u64, T)>>,
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
        let (_, item) = waiting.remove(at)?;
        self.length -= 1;
        if waiting.is_empty() {
            self.teams.remove(team);
            self.turn.retain(|one| one != team);
        }
        Some(item)
    }

    /// The team with the most requests waiting, and how many. Looks at all teams.
    fn largest(&self) -> Option<(&Arc<str>, usize)> {
        self.teams.iter().map(|(team, waiting)| (team, waiting.len())).max_by_key(|(_, length)| *length)
    }
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        let class = || Class { teams: HashMap::new(), turn: VecDeque::new(), length: 0, due: 0 };
        Self { classes: [class(), class(), class()], now: 0, next_id: 0, length: 0 }
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

    /// Puts a request behind those of its team.
    pub fn push(&mut self, priority: Priority, team: &Arc<str>, item: T) -> Standing {
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
        waiting.push_back((id, item));
        class.length += 1;
        self.length += 1;
        self.next_id += 1;
        Standing { priority, team: Arc::clone(team), id }
    }

    /// Takes out the request whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
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
        let at = class.teams.get(&standing.team)?.binary_search_by_key(&standing.id, |(id, _)| *id).ok()?;
        let item = class.take(&standing.team, at);
        self.length -= usize::from(item.is_some());
        item
    }

    /// Takes out a request that has less claim to wait than a new one of this class and team: the newest of the largest
    /// team of the lowest class. `None`: the new one has the least claim itself.
    pub fn displace(&mut self, priority: Priority, team: &Arc<str>) -> Option<T> {
        let lowest = Priority::ALL.into_iter().find(|one| self.len_of(*one) > 0).filter(|one| *one <= priority)?;
        let class = &mut self.classes[lowest as usize];
        let (largest, length) = class.largest().map(|(largest, length)| (Arc::clone(largest), length))?;
        let own = class.teams.get(team).map_or(0, VecDeque::len);
        if lowest == priority && length <= own + 1 {
            return None;
        }
        let item = class.take(&largest, length - 1);
        self.length -= usize::from(item.is_some());
        item
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
