//! Shares of a bound: never past it, always given back.

use super::*;
use proptest::prelude::*;

#[test]
fn shares_never_pass_the_limit_and_come_back() {
    let buffers = Buffers::new(10);
    let mut first = buffers.take(4).expect("4 of 10");
    assert!(buffers.take(7).is_none());
    assert!(first.grow_to(10));
    assert!(!first.grow_to(11));
    first.shrink_to(3);
    assert_eq!(buffers.used(), 3);
    drop(first);
    assert_eq!(buffers.used(), 0);
    assert!(buffers.take(usize::MAX).is_none());
}

#[test]
fn large_shares_leave_an_eighth_to_small_ones_unless_one_is_alone() {
    const MIB: usize = 1 << 20;
    let buffers = Buffers::new(16 * MIB);
    let mut alone = buffers.take(16 * MIB).expect("nobody else is there");
    assert!(buffers.take(1).is_none());
    alone.shrink_to(10 * MIB);
    let mut second = buffers.take(4 * MIB).expect("14 of 16");
    assert!(buffers.take(SMALL + 1).is_none() && !second.grow_to(4 * MIB + 1));
    let small: Vec<_> = (0..8).map(|_| buffers.take(SMALL).expect("kept for it")).collect();
    assert_eq!(buffers.used(), 16 * MIB);
    drop((alone, small));
    assert!(second.grow_to(16 * MIB), "alone again");
}

proptest! {
    /// Whatever is taken, grown, shrunk and dropped: the sum is that of the shares, and never past the limit.
    #[test]
    fn the_sum_is_that_of_the_shares(limit in 0..100usize, steps in proptest::collection::vec((0..4u8, 0..3usize, 0..120usize), 0..60)) {
        let buffers = Buffers::new(limit);
        let mut shares: Vec<Share> = Vec::new();
        for (what, which, amount) in steps {
            let before = buffers.used();
            match (what, shares.get_mut(which)) {
                (0, _) => shares.extend(buffers.take(amount)),
                (1, Some(share)) => {
                    let had = share.amount;
                    if !share.grow_to(amount) {
                        prop_assert_eq!((buffers.used(), share.amount), (before, had), "a refusal takes nothing");
                        prop_assert!(before - had + amount > limit, "it would not have fitted");
                    }
                }
                (2, Some(share)) => share.shrink_to(amount),
                (_, Some(_)) => drop(shares.remove(which)),
                (_, None) => {}
            }
            prop_assert_eq!(buffers.used(), shares.iter().map(|share| share.amount).sum::<usize>());
            prop_assert!(buffers.used() <= limit);
        }
        drop(shares);
        prop_assert_eq!(buffers.used(), 0);
    }
}

#[test]
fn threads_that_race_do_not_pass_the_limit() {
    let buffers = Buffers::new(1000);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for amount in 0..2000 {
                    let share = buffers.take(amount % 600);
                    assert!(buffers.used() <= 1000);
                    drop(share);
                }
            });
        }
    });
    assert_eq!(buffers.used(), 0);
}
