use super::*;
use crate::routing::State;

const SECOND: u64 = 1_000_000;
const FAILURES: u32 = 5;
const WELL: Ended = Ended::Well(Pace { first: None, token: None });

fn standing() -> Arc<Standing> {
    Standings::default().of("p", "m")
}

/// `count` requests end so at `now_us`.
fn end(standing: &Arc<Standing>, count: u32, ended: Ended, now_us: u64) {
    for _ in 0..count {
        standing.enter(now_us).expect("open").end(ended, now_us);
    }
}

fn seconds(count: u64) -> Option<Duration> {
    Some(Duration::from_secs(count))
}

#[test]
fn a_target_is_shut_by_failures_in_a_row_and_opened_by_one_request_that_ends_well() {
    let standing = standing();
    end(&standing, FAILURES - 1, Ended::Failed, SECOND);
    end(&standing, 1, WELL, SECOND);
    end(&standing, FAILURES, Ended::Failed, SECOND);
    assert!(standing.enter(SECOND).is_none());
    let probe = standing.enter(6 * SECOND).expect("the pause is over");
    assert!(standing.enter(6 * SECOND).is_none(), "one at a time");
    assert_eq!(standing.health(6 * SECOND).state, State::HalfOpen);
    probe.end(WELL, 6 * SECOND);
    assert!(standing.enter(6 * SECOND).is_some());
    assert_eq!((standing.open(), standing.health(6 * SECOND).state), (0, State::Open));
}

#[test]
fn a_probe_that_is_dropped_lets_the_next_one_in_and_one_that_hangs_does_not_hold_it_back_for_ever() {
    let standing = standing();
    end(&standing, 1, Ended::Limited(seconds(1)), 1);
    drop(standing.enter(2 * SECOND).expect("the pause is over"));
    let hangs = standing.enter(2 * SECOND).expect("it was dropped");
    assert!(standing.enter(31 * SECOND).is_none());
    let second = standing.enter(33 * SECOND).expect("the first one hangs");
    hangs.end(Ended::Stalled, 34 * SECOND);
    assert!(standing.enter(34 * SECOND).is_none(), "the second one has the place still");
    second.end(WELL, 34 * SECOND);
    assert!(standing.enter(34 * SECOND).is_some());
}

#[test]
fn the_pause_grows_while_probes_fail_and_never_past_the_longest() {
    let standing = standing();
    end(&standing, FAILURES, Ended::Failed, SECOND);
    let mut now = SECOND;
    for most in [5, 10, 20, 30, 30, 30] {
        let pause = standing.opens_at_us() - now;
        assert!((most * SECOND * 3 / 4 - SECOND..=most * SECOND).contains(&pause), "{most}: {pause}");
        now = standing.opens_at_us();
        assert!(standing.enter(now - 1).is_none());
        standing.enter(now).expect("its time has come").end(Ended::Failed, now);
    }
    // It was well for a while: it begins anew.
    now = standing.opens_at_us();
    end(&standing, 1, WELL, now);
    end(&standing, FAILURES, Ended::Failed, now + 60 * SECOND);
    assert!(standing.opens_at_us() <= now + 65 * SECOND);
}

#[test]
fn what_began_before_a_change_says_nothing_of_what_came_after_it() {
    let standing = standing();
    let old: Vec<_> = (0..20).map(|_| standing.enter(SECOND).expect("open")).collect();
    let late = standing.enter(SECOND).expect("open");
    end(&standing, FAILURES, Ended::Stalled, SECOND);
    let until = standing.opens_at_us();
    late.end(WELL, 2 * SECOND);
    assert!(standing.enter(2 * SECOND).is_none(), "a late success does not open it");
    let mut old = old.into_iter();
    old.by_ref().take(10).for_each(|entry| entry.end(Ended::Stalled, 2 * SECOND));
    assert_eq!(standing.opens_at_us(), until, "late failures do not prolong the pause");
    end(&standing, 1, WELL, until);
    old.for_each(|entry| entry.end(Ended::Stalled, until));
    assert!(standing.enter(until).is_some(), "nor do they shut it again");
}

#[test]
fn the_first_output_of_a_stream_opens_a_target_and_its_end_counts_still() {
    let standing = standing();
    end(&standing, FAILURES, Ended::Failed, SECOND);
    let mut stream = standing.enter(9 * SECOND).expect("the pause is over");
    stream.answers(9 * SECOND);
    assert!(standing.enter(9 * SECOND).is_some());
    end(&standing, FAILURES - 1, Ended::Failed, 9 * SECOND);
    stream.end(Ended::Failed, 10 * SECOND);
    assert!(standing.enter(10 * SECOND).is_none(), "it broke behind its first output");
}

#[test]
fn half_of_enough_requests_in_a_window_shut_a_target_and_fewer_do_not() {
    let other = standing();
    let standing = standing();
    for turn in 0..9 {
        end(&standing, 1, Ended::Failed, turn * SECOND);
        end(&standing, 1, WELL, turn * SECOND);
    }
    assert!(standing.enter(9 * SECOND).is_some(), "18 are too few");
    end(&standing, 2, Ended::Failed, 9 * SECOND);
    assert_eq!(standing.health(9 * SECOND).reason, Some(Reason::Ratio));
    for turn in 0..200 {
        end(&other, 2, WELL, turn * SECOND);
        end(&other, 1, Ended::Failed, turn * SECOND);
    }
    assert_eq!(other.opens_at_us(), 0, "a third of them");
}

#[test]
fn what_a_provider_asks_to_wait_is_kept_exactly_up_to_a_minute() {
    let rows = [(2, 2), (45, 45), (60, 60), (3_600, 60)];
    for (asked, kept) in rows {
        let standing = standing();
        end(&standing, 1, Ended::Limited(seconds(asked)), SECOND);
        assert_eq!(standing.opens_at_us(), (1 + kept) * SECOND);
        let forced = standing.enter_shut(SECOND);
        forced.end(WELL, SECOND);
        assert!(standing.enter(SECOND).is_none(), "also when one that went there nevertheless was answered");
    }
}

#[test]
fn a_limit_without_a_time_is_a_short_pause_that_grows_and_a_burst_of_refusals_counts_once() {
    let standing = standing();
    let burst: Vec<_> = (0..50).map(|_| standing.enter(SECOND).expect("open")).collect();
    burst.into_iter().for_each(|entry| entry.end(Ended::Limited(None), SECOND));
    assert!((SECOND..=2 * SECOND).contains(&standing.opens_at_us()));
    end(&standing, 1, Ended::Limited(None), 2 * SECOND);
    assert!((3 * SECOND..=4 * SECOND).contains(&standing.opens_at_us()));
}

#[test]
fn credentials_that_are_refused_shut_for_long_and_only_when_nothing_else_is_answered() {
    let standing = standing();
    for _ in 0..10 {
        end(&standing, 1, Ended::Credentials, SECOND);
        end(&standing, 1, WELL, SECOND);
        end(&standing, 1, WELL, SECOND);
    }
    assert_eq!(standing.opens_at_us(), 0);
    end(&standing, FAILURES, Ended::Credentials, SECOND);
    assert_eq!(standing.health(SECOND).reason, Some(Reason::Credentials));
    assert!(standing.opens_at_us() > 23 * SECOND);
}

#[test]
fn a_request_that_went_to_a_shut_target_because_all_were_shut_opens_it_when_it_is_answered() {
    let standing = standing();
    end(&standing, FAILURES, Ended::Failed, SECOND);
    for _ in 0..50 {
        standing.enter_shut(SECOND).end(Ended::Failed, SECOND);
    }
    assert!(standing.opens_at_us() <= 6 * SECOND, "and when it fails, the pause is not prolonged");
    standing.enter_shut(2 * SECOND).end(WELL, 2 * SECOND);
    assert_eq!(standing.opens_at_us(), 0);
}

#[test]
fn an_active_probe_opens_what_it_shut_and_lets_one_request_try_what_it_cannot_prove() {
    let next = Duration::from_secs(10);
    let standing = standing();
    standing.probed(Err("refused"), next, SECOND);
    assert_eq!(standing.opens_at_us(), 0, "once is nothing");
    standing.probed(Err("refused"), next, SECOND);
    assert_eq!(standing.health(SECOND).reason, Some(Reason::Probe));
    standing.probed(Err("refused"), next, 9 * SECOND);
    assert_eq!(standing.opens_at_us(), 24 * SECOND);
    standing.probed(Ok(Proof::Reachable), next, 10 * SECOND);
    assert_eq!(standing.opens_at_us(), 0);
    end(&standing, FAILURES, Ended::Failed, 11 * SECOND);
    standing.probed(Ok(Proof::Reachable), next, 12 * SECOND);
    assert_eq!(standing.health(12 * SECOND).state, State::HalfOpen);
    end(&standing, 1, WELL, 12 * SECOND);
    end(&standing, FAILURES, Ended::Credentials, 13 * SECOND);
    standing.probed(Ok(Proof::Reachable), next, 14 * SECOND);
    assert_eq!(standing.health(14 * SECOND).state, State::Shut, "a connection proves no credentials");
    standing.probed(Ok(Proof::Credentials), next, 14 * SECOND);
    assert_eq!(standing.health(14 * SECOND).state, State::HalfOpen);
}

#[test]
fn a_standing_is_found_again_with_all_that_it_knows() {
    let standings = Standings::default();
    end(&standings.of("p", "m"), FAILURES, Ended::Failed, SECOND);
    standings.of("p", "m").govern(Passive { failures: 1, ..Passive::default() });
    assert!(standings.of("p", "m").enter(SECOND).is_none());
    assert!(standings.of("p", "n").enter(SECOND).is_some());
    assert_eq!(standings.all().len(), 2);
}

/// One step: what is done, to which of the requests that are there, after so many milliseconds.
type Step = (u8, u8, u16);

/// Does `step`, and holds it to the laws.
fn lawful(standing: &Arc<Standing>, there: &mut Vec<(Entry, u64)>, now_us: u64, (what, which, _): Step) {
    let before = standing.health(now_us);
    let mut answered = false;
    let taken = |there: &mut Vec<(Entry, u64)>| {
        let at = usize::from(which).checked_rem(there.len());
        at.map(|at| there.swap_remove(at).0)
    };
    match what % 8 {
        0..=2 => {
            let lease = 30 * SECOND;
            let out = there.iter().any(|(entry, at)| *at != 0 && entry.ticket.lease != 0 && now_us < at + lease);
            match (before.state, standing.enter(now_us)) {
                (State::Open, entry) => there.push((entry.expect("it is open"), 0)),
                (State::Shut, entry) => assert!(entry.is_none(), "it is shut until {}", before.until_us),
                // A lease of before it was last shut holds nobody back.
                (State::HalfOpen, Some(entry)) => {
                    let current = |one: &Entry| one.ticket.generation == entry.ticket.generation;
                    let second =
                        |(one, at): &(Entry, u64)| one.ticket.lease != 0 && current(one) && now_us < at + lease;
                    assert!(!there.iter().any(second), "one at a time");
                    there.push((entry, now_us));
                }
                (State::HalfOpen, None) => assert!(out, "nobody is there"),
            }
        }
        3 => there.push((standing.enter_shut(now_us), now_us)),
        4 => drop(taken(there)),
        5 => {
            answered = !there.is_empty();
            taken(there).into_iter().for_each(|entry| entry.end(WELL, now_us));
        }
        6 => taken(there).into_iter().for_each(|entry| entry.end(Ended::Failed, now_us)),
        _ => {
            let wait = which.is_multiple_of(2).then(|| Duration::from_millis(u64::from(which) * 100));
            taken(there).into_iter().for_each(|entry| entry.end(Ended::Limited(wait), now_us));
        }
    }
    let after = standing.health(now_us);
    if before.state != State::Open && after.state == State::Open {
        assert!(answered, "only an answer opens it");
    }
    assert_eq!(usize::try_from(standing.open()).expect("few"), there.len());
    assert_eq!(after.reason.is_none(), after.state == State::Open);
    assert!(after.until_us <= now_us + 60 * SECOND, "never for longer than a minute");
}

proptest::proptest! {
    #[test]
    fn whatever_happens_one_is_let_in_at_a_time_and_only_an_answer_opens(
        steps in proptest::collection::vec(proptest::prelude::any::<Step>(), 0..400),
    ) {
        let standing = standing();
        standing.govern(Passive { failures: 2, ..Passive::default() });
        let (mut there, mut now_us) = (Vec::new(), 1_700_000_000 * SECOND);
        for step in steps {
            now_us += u64::from(step.2 % 4_000) * 1_000;
            lawful(&standing, &mut there, now_us, step);
        }
    }
}
