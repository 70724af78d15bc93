//! Whose turn it is: by class, by team, by arrival; and who makes room.

use super::*;
use proptest::prelude::*;

fn team(name: &str) -> Arc<str> {
    name.into()
}

fn queue(waiting: &[(Priority, &str, u32)]) -> FairQueue<(&'static str, u32)> {
    let mut queue = FairQueue::default();
    for (priority, name, count) in waiting {
        let name: &'static str = String::leak((*name).to_owned());
        for index in 0..*count {
            queue.push(*priority, &team(name), u64::from(index), (name, index));
        }
    }
    queue
}

#[test]
fn teams_take_turns_and_a_team_is_served_as_it_came() {
    let mut queue = queue(&[(Priority::Normal, "loud", 1000), (Priority::Normal, "quiet", 1)]);
    let order: Vec<_> = std::iter::from_fn(|| queue.pop(None)).take(4).collect();
    assert_eq!(order, [("loud", 0), ("quiet", 0), ("loud", 1), ("loud", 2)]);
}

#[test]
fn classes_get_places_by_weight_and_low_is_not_starved() {
    let mut queue = queue(&[(Priority::Low, "l", 500), (Priority::Normal, "n", 500), (Priority::High, "h", 2000)]);
    let mut got = HashMap::new();
    for _ in 0..420 {
        *got.entry(queue.pop(None).expect("all have more").0).or_insert(0) += 1;
    }
    let near = |name: &str, want: i32| (got[name] - want).abs() <= 2;
    assert!(near("h", 320) && near("n", 80) && near("l", 20), "{got:?}");
}

#[test]
fn a_class_that_was_away_has_saved_nothing_up() {
    let mut queue = queue(&[(Priority::Normal, "n", 300)]);
    for _ in 0..200 {
        queue.pop(None);
    }
    for index in 0..100 {
        queue.push(Priority::Low, &team("l"), 0, ("l", index));
    }
    let low = (0..20).filter(|_| queue.pop(None).is_some_and(|(name, _)| name == "l")).count();
    assert!((3..=5).contains(&low), "one of five, as the weights are: {low}");
}

#[test]
fn the_newest_of_the_largest_team_makes_room_and_never_for_its_own_kind() {
    let mut queue = queue(&[(Priority::Normal, "loud", 10), (Priority::Normal, "quiet", 2)]);
    assert_eq!(queue.displace(Priority::Normal, &team("loud"), None), Claim::None);
    assert_eq!(queue.displace(Priority::Normal, &team("quiet"), None), Claim::Room(("loud", 9)));
    assert_eq!(queue.displace(Priority::Normal, &team("new"), None), Claim::Room(("loud", 8)));
    assert_eq!(queue.displace(Priority::Low, &team("new"), None), Claim::None, "a lower class moves nobody");
    assert_eq!(queue.displace(Priority::High, &team("loud"), None), Claim::Room(("loud", 7)));
    assert_eq!(queue.len(), 9);
}

#[test]
fn who_has_waited_for_long_makes_no_room_and_is_served_before_the_others() {
    let mut queue = queue(&[(Priority::Low, "low", 3), (Priority::Normal, "loud", 10)]);
    assert_eq!(queue.displace(Priority::High, &team("new"), Some(1)), Claim::Room(("low", 2)), "it came at 2");
    assert_eq!(queue.displace(Priority::High, &team("new"), Some(8)), Claim::Room(("loud", 9)), "`low` is firm");
    assert_eq!(queue.displace(Priority::High, &team("new"), Some(9)), Claim::Firm);
    assert_eq!(queue.displace(Priority::Low, &team("low"), Some(9)), Claim::None);
    queue.push(Priority::High, &team("high"), 20, ("high", 20));
    assert_eq!(queue.pop(Some(0)), Some(("low", 0)), "the first that came");
    assert_eq!(queue.pop(Some(0)), Some(("high", 20)), "the next one is not late");
    assert_eq!(queue.pop(Some(1)), Some(("low", 1)));
    assert_eq!(queue.pop(None), Some(("loud", 0)), "in turn");
    assert_eq!(queue.len(), 8);
}

#[test]
fn two_teams_that_fill_the_queue_meet_at_the_half() {
    let mut queue = queue(&[(Priority::Normal, "first", 10)]);
    for index in 0..100 {
        if queue.displace(Priority::Normal, &team("second"), None) != Claim::None {
            queue.push(Priority::Normal, &team("second"), 0, ("second", index));
        }
    }
    let seconds = std::iter::from_fn(|| queue.pop(None)).filter(|(name, _)| *name == "second").count();
    assert_eq!(seconds, 5);
}

#[test]
fn who_leaves_is_out_and_leaves_once() {
    let mut queue = FairQueue::default();
    let first = queue.push(Priority::High, &team("t"), 0, 1);
    let second = queue.push(Priority::High, &team("t"), 0, 2);
    assert_eq!((queue.remove(&first), queue.remove(&first)), (Some(1), None));
    assert_eq!((queue.pop(None), queue.remove(&second), queue.pop(None)), (Some(2), None, None));
    assert!(queue.is_empty());
}

proptest! {
    /// Whatever comes, leaves, is displaced and served: the counts are those of the values, each comes out once, and no
    /// team is passed over twice within its class.
    #[test]
    fn nothing_is_lost_or_served_twice(steps in proptest::collection::vec((0..4u8, 0..3usize, 0..4usize), 0..200)) {
        let teams = ["a", "b", "c", "d"].map(team);
        let mut queue = FairQueue::default();
        let mut inside: HashMap<u32, (Standing, usize)> = HashMap::new();
        for (index, (what, class, of)) in (0u32..).zip(steps) {
            let (priority, name) = (Priority::ALL[class], &teams[of]);
            match what {
                0 | 1 => {
                    let standing = queue.push(priority, name, u64::from(index), index);
                    inside.insert(index, (standing, class));
                }
                2 => match queue.pop((of == 0).then(|| u64::from(index / 2))) {
                    Some(one) => prop_assert!(inside.remove(&one).is_some()),
                    None => prop_assert!(inside.is_empty()),
                },
                _ => {
                    if of == 0 {
                        if let Claim::Room(one) = queue.displace(priority, name, Some(u64::from(index / 2))) {
                            prop_assert!(inside.remove(&one).is_some());
                        }
                    } else if let Some(one) = inside.keys().min().copied() {
                        let (standing, _) = inside.remove(&one).expect("it is there");
                        prop_assert_eq!(queue.remove(&standing), Some(one));
                    }
                }
            }
            prop_assert_eq!(queue.len(), inside.len());
            for (class, priority) in Priority::ALL.into_iter().enumerate() {
                prop_assert_eq!(queue.len_of(priority), inside.values().filter(|(_, one)| *one == class).count());
            }
        }
    }
}
