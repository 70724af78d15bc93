use super::*;
use proptest::prelude::*;
use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;

const MINUTE: Duration = Duration::from_secs(60);
const PER: u64 = 60_000_000;
const SLOT: u64 = 1_000_000;
/// An ordinary moment: 2026.
const BASE: u64 = 1_795_000_000_000_000;

#[test]
fn after_the_wait_that_was_told_it_is_admitted_and_a_moment_before_it_is_not() {
    let window = Window::new(MINUTE);
    for second in 0..10 {
        window.take(1, 10, BASE + second * SLOT + 7).expect("room");
    }
    let now = BASE + 30 * SLOT;
    let Err(Full::For(wait)) = window.take(3, 10, now) else { panic!("it is full") };
    assert!(window.take(3, 10, now + wait - 1).is_err());
    assert!(window.take(3, 10, now + wait).is_ok());
}

#[test]
fn more_than_the_limit_at_once_never_passes_and_says_so() {
    let window = Window::new(MINUTE);
    assert_eq!(window.take(11, 10, BASE), Err(Full::ForEver));
    assert_eq!(window.used(BASE), 0);
}

#[test]
fn at_most_one_sixtieth_is_refused_early() {
    let window = Window::new(MINUTE);
    window.take(1, 1, BASE).expect("room");
    assert!(window.take(1, 1, BASE + PER + SLOT).is_ok(), "per and a 60th later it is forgotten");
}

#[test]
fn what_is_given_back_or_corrected_down_can_be_taken_again_and_debt_must_expire() {
    let window = Window::new(MINUTE);
    let first = window.take(100, 100, BASE).expect("room");
    window.correct(first, 40, BASE + SLOT);
    assert_eq!(window.used(BASE + SLOT), 40);
    let second = window.take(60, 100, BASE + SLOT).expect("room");
    window.give_back(second);
    let third = window.take(10, 100, BASE + 2 * SLOT).expect("room");
    window.correct(third, 500, BASE + 3 * SLOT);
    assert_eq!(window.used(BASE + 3 * SLOT), 540);
    assert!(window.take(0, 100, BASE + 3 * SLOT).is_err(), "in debt");
    assert!(window.take(100, 100, BASE + PER + 5 * SLOT).is_ok());
}

#[test]
fn absurd_figures_neither_wrap_nor_stay_for_ever() {
    let window = Window::new(MINUTE);
    for _ in 0..3 {
        let ticket = window.take(0, u64::MAX, BASE).expect("room");
        window.correct(ticket, u64::MAX, BASE);
    }
    assert_eq!(window.used(BASE), COUNT_MOST);
    assert_eq!(window.used(BASE + 2 * PER), 0);
}

#[test]
fn a_clock_that_goes_back_a_day_admits_nothing_more_and_one_that_goes_on_a_day_clears() {
    let day = 86_400_000_000;
    let window = Window::new(MINUTE);
    window.take(10, 10, BASE).expect("room");
    assert!(window.take(1, 10, BASE - day).is_err());
    assert!(window.take(10, 10, BASE + day).is_ok());
    assert!(window.take(1, 10, BASE + day).is_err());
}

#[test]
fn of_many_that_race_exactly_as_many_as_the_limit_pass() {
    const THREADS: usize = 8;
    for round in 0..20 {
        let window = Window::new(MINUTE);
        let (passed, barrier) = (AtomicUsize::new(0), Barrier::new(THREADS));
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (window, passed, barrier) = (&window, &passed, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    for turn in 0..200 {
                        // Slots change under them, but nothing expires.
                        let now = BASE + (round + turn as u64 / 20 + thread as u64 % 3) * SLOT;
                        if window.take(1, 500, now).is_ok() {
                            passed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(passed.load(Ordering::Relaxed), 500);
        assert_eq!(window.used(BASE), 500);
    }
}

#[test]
fn threads_that_take_give_back_and_let_expire_leave_nothing_behind() {
    const THREADS: u64 = 4;
    let window = Window::new(Duration::from_secs(1));
    let clock = AtomicU64::new(BASE);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (window, clock) = (&window, &clock);
            scope.spawn(move || {
                for turn in 0..20_000 {
                    // Each step is up to 20 slots, so words are swept and replaced all the time.
                    let now = clock.fetch_add((turn * 7 + thread) % 300_000, Ordering::Relaxed);
                    if let Ok(ticket) = window.take(turn % 5, 40, now) {
                        match turn % 3 {
                            0 => window.give_back(ticket),
                            1 => window.correct(ticket, turn % 9, now),
                            _ => {}
                        }
                    }
                }
            });
        }
    });
    let end = clock.load(Ordering::Relaxed);
    assert_eq!(window.used(end + 2_000_000), 0, "every count left the sum exactly once");
    assert!(window.take(40, 40, end + 2_000_000).is_ok());
}

#[test]
fn numbers_are_compared_around_their_end() {
    let near = (1_u64 << NUMBER_BITS) - 3;
    for (slot, other) in [(near + 5, near), (near, near + 5), (near + 64, near)] {
        let want = slot.cast_signed() - other.cast_signed();
        assert_eq!(age(slot, tagged(other), place(other)), want);
    }
}

/// One step of a schedule: how long after the last one, how much is asked for, and what becomes of it.
fn steps() -> impl Strategy<Value = Vec<(u64, u64, u8)>> {
    let gap = prop_oneof![3 => 0..SLOT / 2, 3 => 0..5 * SLOT, 1 => 0..PER * 2, 1 => Just(SLOT), 1 => Just(PER)];
    prop::collection::vec((gap, 0..40_u64, 0..6_u8), 1..200)
}

proptest! {
    #[test]
    fn no_interval_has_more_than_the_limit_and_nothing_is_refused_more_than_a_60th_early(
        steps in steps(), most in 1..100_u64, start in 0..PER,
    ) {
        let window = Window::new(MINUTE);
        let mut admitted: Vec<(u64, u64)> = Vec::new();
        let mut now = BASE + start;
        for (gap, amount, _) in steps {
            now += gap;
            let within = |from: u64| admitted.iter().filter(|(at, _)| *at >= from).map(|(_, n)| n).sum::<u64>();
            match window.take(amount, most, now) {
                Ok(_) => {
                    prop_assert!(within(now - PER) + amount <= most, "too many in the last minute");
                    admitted.push((now, amount));
                }
                Err(Full::ForEver) => prop_assert!(amount > most),
                Err(Full::For(wait)) => {
                    prop_assert!(within(now - PER - SLOT) + amount > most, "refused too early");
                    prop_assert!(wait <= PER + SLOT);
                }
            }
        }
    }

    #[test]
    fn sums_are_those_of_an_exact_model_through_corrections_and_returns(steps in steps()) {
        const MOST: u64 = 80;
        let window = Window::new(MINUTE);
        // By slot, as the window has it: what the model must not know is how.
        let mut model: Vec<(u64, u64)> = Vec::new();
        let mut now = BASE;
        for (gap, amount, fate) in steps {
            now += gap;
            let slot = now / SLOT;
            model.retain(|(at, _)| slot - at <= SLOTS);
            let sum: u64 = model.iter().map(|(_, n)| n).sum();
            match window.take(amount, MOST, now) {
                Ok(ticket) => {
                    prop_assert!(sum + amount <= MOST);
                    let kept = match fate {
                        0 => { window.give_back(ticket); 0 }
                        1 => { window.correct(ticket, amount / 2, now); amount / 2 }
                        2 => { window.correct(ticket, amount + 7, now); amount + 7 }
                        _ => amount,
                    };
                    model.push((slot, kept));
                }
                Err(_) => prop_assert!(sum + amount > MOST),
            }
            prop_assert_eq!(window.used(now), model.iter().map(|(_, n)| n).sum::<u64>());
        }
    }
}
