use super::*;
use crate::routing::standing::{Ended, Pace, Standing, Standings};
use proptest::prelude::*;

#[derive(Debug)]
struct Target(Arc<Standing>, Option<u128>);

impl Stands for Target {
    fn standing(&self) -> &Arc<Standing> {
        &self.0
    }
}

const SECOND: u64 = 1_000_000;
const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

fn targets(costs: &[Option<u128>]) -> Vec<Arc<Target>> {
    let standings = Standings::default();
    let target = |(cost, name): (&Option<u128>, &str)| Arc::new(Target(standings.of("p", name), *cost));
    costs.iter().zip(NAMES).map(target).collect()
}

fn rule(kind: RouteKind, weights: &[u32], canary: Option<(usize, u16)>) -> Rule {
    let place = |(at, (&weight, name)): (usize, (&u32, &'static str))| Place {
        name: ("p", name),
        weight,
        canary: canary.filter(|(canary, _)| *canary == at).and_then(|(_, share)| Share::new(share)),
    };
    let places: Vec<_> = weights.iter().zip(NAMES).enumerate().map(place).collect();
    Rule::new(kind, Sticky::Session, &places)
}

fn wish(now_us: u64) -> Wish {
    Wish { affinity: None, output_tokens: 100, now_us, looking: false }
}

fn of_session(number: u64) -> Wish {
    Wish { affinity: Some(Affinity::of(b"session").and(&number.to_le_bytes())), ..wish(1) }
}

fn all(count: u16) -> Order {
    (0..count).collect()
}

fn order(rule: &Rule, targets: &[Arc<Target>], eligible: Order, wish: &Wish) -> (Vec<u16>, Routed) {
    let (order, routed) = rule.order(targets, eligible, wish, |target| target.1);
    (order.into_vec(), routed)
}

fn pace(standing: &Standing, first_ms: u64, now_us: u64) {
    standing.paces().note(Pace { first: Some(Duration::from_millis(first_ms)), token: None }, now_us);
}

#[test]
fn priority_is_the_order_of_the_file_and_cost_has_the_cheapest_first_and_unknown_prices_last() {
    let targets = targets(&[Some(7), None, Some(3), Some(7)]);
    let by = |kind| order(&rule(kind, &[1; 4], None), &targets, all(4), &wish(1));
    assert_eq!(by(RouteKind::Priority), (vec![0, 1, 2, 3], Routed::Priority));
    assert_eq!(by(RouteKind::Cost), (vec![2, 0, 3, 1], Routed::Cost));
}

#[test]
fn a_target_that_is_left_out_leaves_its_share_to_the_others_by_weight() {
    let (rule, targets) = (rule(RouteKind::Weighted, &[5, 1, 1], None), targets(&[None; 3]));
    let mut firsts = [0_u32; 3];
    for _ in 0..7_000 {
        let (order, _) = order(&rule, &targets, Order::from_slice(&[1, 2]), &wish(1));
        assert_eq!(order.len(), 2, "and nobody else");
        firsts[usize::from(order[0])] += 1;
    }
    assert!(firsts[1].abs_diff(firsts[2]) < 300, "{firsts:?}");
}

#[test]
fn weight_0_is_only_fallen_back_to() {
    let (rule, targets) = (rule(RouteKind::Weighted, &[0, 2, 1, 0], None), targets(&[None; 4]));
    for number in 0..100 {
        for wish in [wish(1), of_session(number)] {
            let (order, _) = order(&rule, &targets, all(4), &wish);
            assert_eq!(order[2..], [0, 3], "in the order of the file");
        }
    }
}

#[test]
fn a_session_stays_and_falls_back_and_returns() {
    let (rule, targets) = (rule(RouteKind::Weighted, &[1; 4], None), targets(&[None; 4]));
    let mut heirs = [0_u32; 4];
    for number in 0..4_000 {
        let (whole, routed) = order(&rule, &targets, all(4), &of_session(number));
        assert_eq!(routed, Routed::Sticky);
        assert_eq!(order(&rule, &targets, all(4), &of_session(number)).0, whole, "every time");
        let without: Order = all(4).into_iter().filter(|place| *place != whole[0]).collect();
        assert_eq!(order(&rule, &targets, without, &of_session(number)).0, whole[1..], "the next one takes it");
        if whole[0] == 0 {
            heirs[usize::from(whole[1])] += 1;
        }
    }
    assert!(heirs[1..].iter().all(|&heir| (250..420).contains(&heir)), "what one leaves is shared out: {heirs:?}");
}

#[test]
fn the_canary_gets_its_share_exactly_and_is_the_last_to_stand_in() {
    let (rule, targets) = (rule(RouteKind::Weighted, &[1, 1, 2], Some((1, 500))), targets(&[None; 3]));
    let mut firsts = [0_u32; 3];
    for _ in 0..1_200 {
        let (order, routed) = order(&rule, &targets, all(3), &wish(1));
        assert_eq!(routed == Routed::Canary, order[0] == 1);
        assert!(order[0] == 1 || order[2] == 1, "{order:?}");
        firsts[usize::from(order[0])] += 1;
    }
    assert_eq!(firsts, [380, 60, 760], "and the others have the rest exactly by their shares");
    let (alone, routed) = order(&rule, &targets, Order::from_slice(&[1]), &wish(1));
    assert_eq!((alone, routed), (vec![1], Routed::Canary));
}

#[test]
fn the_accounts_of_a_canary_share_its_requests_and_are_the_last_to_stand_in() {
    let share = Share::new(1_000);
    let place = |name, canary| Place { name: ("p", name), weight: 1, canary };
    let places = [place("a", share), place("b", share), place("c", None)];
    let (rule, targets) = (Rule::new(RouteKind::Priority, Sticky::None, &places), targets(&[None; 3]));
    let mut firsts = [0_u32; 3];
    for _ in 0..200 {
        let (order, routed) = order(&rule, &targets, all(3), &wish(1));
        assert_eq!(routed == Routed::Canary, order[0] != 2);
        assert!(order[0] == 2 || order[1] == 2, "{order:?}");
        firsts[usize::from(order[0])] += 1;
    }
    assert_eq!(firsts, [10, 10, 180], "10 % in all");
}

#[test]
fn a_session_is_the_canarys_or_it_is_not() {
    let (rule, targets) = (rule(RouteKind::Weighted, &[1, 1], Some((1, 1_000))), targets(&[None; 2]));
    let first = |number| order(&rule, &targets, all(2), &of_session(number)).0[0];
    assert!((0..500).all(|number| first(number) == first(number)));
    let of_canary = (0..10_000).filter(|&number| first(number) == 1).count();
    assert!((900..1_100).contains(&of_canary), "{of_canary}");
}

#[test]
fn who_is_about_as_fast_as_the_fastest_shares_the_traffic_and_who_is_not_has_none() {
    let (rule, targets) = (rule(RouteKind::Latency, &[1; 3], None), targets(&[None; 3]));
    [100, 115, 300].iter().zip(&targets).for_each(|(&ms, target)| pace(&target.0, ms, SECOND));
    let mut firsts = [0_u32; 3];
    for _ in 0..2_000 {
        firsts[usize::from(order(&rule, &targets, all(3), &wish(SECOND)).0[0])] += 1;
    }
    assert!(firsts[0].abs_diff(firsts[1]) < 150 && firsts[2] == 0, "{firsts:?}");
    let _busy: Vec<_> = (0..3).map(|_| targets[0].0.enter(SECOND)).collect();
    let firsts: Vec<_> = (0..100).map(|_| order(&rule, &targets, all(3), &wish(SECOND)).0[0]).collect();
    assert!(firsts.iter().all(|first| *first == 1), "of two that are as fast the one with fewer open requests");
}

#[test]
fn what_is_not_known_or_was_slow_long_ago_is_tried_by_one_request() {
    let (rule, targets) = (rule(RouteKind::Latency, &[1; 3], None), targets(&[None; 3]));
    pace(&targets[0].0, 100, SECOND);
    pace(&targets[1].0, 900, SECOND);
    let first = |now_us| order(&rule, &targets, all(3), &wish(now_us));
    let looking = Wish { looking: true, ..wish(SECOND) };
    assert_eq!(order(&rule, &targets, all(3), &looking).0[0], 0, "who only asks tries nothing");
    assert_eq!(first(SECOND), (vec![2, 0, 1], Routed::Explored));
    assert_eq!(first(SECOND), (vec![0, 1, 2], Routed::Latency), "one a second is enough");
    assert_eq!(first(2 * SECOND).1, Routed::Explored);
    pace(&targets[2].0, 110, 2 * SECOND);
    pace(&targets[0].0, 100, 31 * SECOND);
    assert_eq!(first(31 * SECOND), (vec![1, 0, 2], Routed::Explored), "its figure is 30 s old");
    assert_eq!(first(32 * SECOND).1, Routed::Latency);
}

#[test]
fn a_target_that_is_shut_does_not_draw_traffic_by_its_old_figures() {
    let (rule, targets) = (rule(RouteKind::Latency, &[1; 3], None), targets(&[None; 3]));
    [100, 300, 310].iter().zip(&targets).for_each(|(&ms, target)| pace(&target.0, ms, SECOND));
    targets[0].0.enter_shut(SECOND).end(Ended::Limited(Some(Duration::from_secs(5))), SECOND);
    let firsts: Vec<_> = (0..100).map(|_| order(&rule, &targets, all(3), &wish(SECOND)).0[0]).collect();
    assert!(firsts.contains(&1) && firsts.contains(&2) && !firsts.contains(&0), "{firsts:?}");
}

/// Targets of fixed pace, one of which turns slow and then fast again.
#[test]
fn traffic_follows_the_pace_within_seconds() {
    let (rule, targets) = (rule(RouteKind::Latency, &[1; 3], None), targets(&[None; 3]));
    let mut last_firsts = [0_u32; 3];
    for step in 0..20_000_u64 {
        let now_us = SECOND + step * 10_000;
        let slow = (5_000..10_000).contains(&step);
        let (order, _) = order(&rule, &targets, all(3), &wish(now_us));
        let first = usize::from(order[0]);
        let ms = [if slow { 2_000 } else { 100 }, 150, 400][first];
        pace(&targets[first].0, ms + step % 10, now_us);
        match step {
            4_000 | 9_000 | 19_000 => last_firsts = [0; 3],
            _ => {}
        }
        last_firsts[first] += 1;
        match step {
            4_999 | 19_999 => assert!(last_firsts[0] > 950, "{step}: {last_firsts:?}"),
            9_999 => assert!(last_firsts[1] > 950, "{step}: {last_firsts:?}"),
            _ => {}
        }
    }
}

proptest! {
    /// Whatever the kind: each eligible target stands in the order once, and nobody else.
    #[test]
    fn an_order_is_a_permutation_of_what_is_eligible(
        weights in proptest::collection::vec(0u32..5, 1..9), mask: u8, kind in 0usize..4, canary in 0usize..12,
        session: Option<u64>,
    ) {
        let kind = [RouteKind::Priority, RouteKind::Weighted, RouteKind::Latency, RouteKind::Cost][kind];
        let rule = rule(kind, &weights, Some((canary, 2_500)));
        let targets = targets(&[Some(1), None, Some(2), None, Some(1), None, None, Some(0)][..weights.len()]);
        let count = u16::try_from(weights.len()).expect("few");
        let eligible: Order = all(count).into_iter().filter(|place| mask & (1 << place) != 0).collect();
        let (mut order, _) = order(&rule, &targets, eligible.clone(), &session.map_or(wish(1), of_session));
        order.sort_unstable();
        prop_assert_eq!(order, eligible.into_vec());
    }

    /// One target more: no session moves but to it.
    #[test]
    fn a_new_target_takes_its_share_and_moves_nothing_else(session: u64) {
        let targets = targets(&[None; 5]);
        let (few, more) = (rule(RouteKind::Weighted, &[1, 2, 3, 1], None), rule(RouteKind::Weighted, &[1, 2, 3, 1, 2], None));
        let before = order(&few, &targets[..4], all(4), &of_session(session)).0;
        let mut after = order(&more, &targets, all(5), &of_session(session)).0;
        after.retain(|place| *place != 4);
        prop_assert_eq!(before, after);
    }
}
