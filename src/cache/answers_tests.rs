//! The byte bound, and what is dropped by hand.

use super::*;
use crate::cache::{Meaning, Vector};

fn cache(max_bytes: u64) -> Cache {
    Cache::new(max_bytes, CacheMetrics::register(&prometheus::Registry::new()).expect("free names"))
}

fn answer(team: &str, model: &str, bytes: usize) -> Answer {
    Answer {
        team: team.into(),
        model: model.into(),
        kind: HeaderValue::from_static("application/json"),
        stream: false,
        body: Bytes::from(vec![b'x'; bytes]),
        marker_at: bytes,
        target: HeaderValue::from_static("p/m"),
        dropped: None,
        cost: NanoUsd(7),
        kept_us: 1_000_000,
        ttl: Duration::from_secs(60),
        meaning: None,
    }
}

/// An answer whose request lies at this angle, among those of `bucket`.
fn at(bucket: u8, angle: f32, bytes: usize) -> Answer {
    Answer { meaning: Some(meaning(bucket, angle)), ..answer("t", "m", bytes) }
}

fn meaning(bucket: u8, angle: f32) -> Meaning {
    let vector = Vector::of(vec![angle.cos(), angle.sin()]).expect("it has a direction");
    Meaning { bucket: [bucket; 32], vector }
}

/// The length of the answer that is nearest to this angle.
fn nearest(cache: &Cache, bucket: u8, angle: f32, least: f32) -> Option<usize> {
    cache.nearest(&meaning(bucket, angle), least, |_| true).map(|(answer, _)| answer.body.len())
}

#[test]
fn the_nearest_one_is_found_among_those_that_are_near_enough_and_of_two_the_newer() {
    let cache = cache(1 << 20);
    for (n, angle) in [0.0, 0.2, 1.5, 0.2].into_iter().enumerate() {
        assert!(cache.keep([u8::try_from(n).expect("few"); 32], at(1, angle, n + 1), 0));
    }
    assert!(cache.keep([9; 32], at(2, 0.1, 99), 0), "of another bucket");
    assert_eq!(nearest(&cache, 1, 0.05, 0.95), Some(1));
    assert_eq!(nearest(&cache, 1, 0.25, 0.95), Some(4));
    assert_eq!(nearest(&cache, 1, 1.5, 1.0), Some(3), "the same is alike, however numbers are rounded");
    assert_eq!(nearest(&cache, 1, 0.8, 0.95), None);
    assert_eq!(nearest(&cache, 3, 0.0, 0.5), None);
    let (answer, likeness) =
        cache.nearest(&meaning(1, 0.15), 0.9, |answer| answer.body.len() < 4).expect("another one");
    assert!(answer.body.len() == 2 && (likeness - 0.05_f32.cos()).abs() < 1e-6, "{likeness}");
}

#[test]
fn what_is_not_kept_any_more_is_not_compared_any_more_whyever_it_went() {
    let held = |cache: &Cache| (cache.view().compared, cache.nearby.len());
    let full = cache(100_000);
    for n in 0..=255_u8 {
        assert!(full.keep([n; 32], at(n % 7, f32::from(n), 2_000), 0));
    }
    let (compared, listed) = held(&full);
    assert!((20..50).contains(&compared) && listed as u64 == compared, "{compared} {listed}");
    full.purge(&Purge::default());
    assert_eq!(held(&full), (0, 0), "dropped by hand");

    let other = cache(1 << 20);
    assert!(other.keep([1; 32], at(1, 0.0, 10), 0));
    assert!(other.keep([1; 32], at(1, 1.0, 20), 0), "the same request, asked anew");
    assert_eq!((held(&other), nearest(&other, 1, 0.0, 0.9)), ((1, 1), None));
    assert!(!other.keep([2; 32], at(1, 0.0, 10), 7), "dropped while it was made");
    assert!(other.keep([3; 32], Answer { ttl: Duration::from_millis(1), ..at(1, 0.0, 30) }, 0));
    while other.view().answers > 1 {
        std::thread::yield_now();
    }
    assert_eq!((held(&other), nearest(&other, 1, 0.0, 0.9)), ((1, 1), None), "too old");
}

#[test]
fn only_the_newest_of_very_many_are_compared() {
    let cache = cache(64 << 20);
    let key = |n: u16| std::array::from_fn(|at| n.to_le_bytes()[at % 2]);
    for n in 0..600_u16 {
        assert!(cache.keep(key(n), at(1, 0.0, usize::from(n)), 0));
    }
    assert!(cache.nearest(&meaning(1, 0.0), 0.9, |answer| answer.body.len() < 600 - 512).is_none());
    assert_eq!(nearest(&cache, 1, 0.0, 0.9), Some(599));
    assert!(cache.look(&key(0)).is_some(), "it is still given to the same request");
}

#[test]
fn however_many_answers_come_their_bytes_stay_within_the_bound() {
    let cache = cache(100_000);
    for n in 0..=255_u8 {
        assert!(cache.keep([n; 32], answer("t", "m", 2_000), 0));
    }
    let view = cache.view();
    assert!(view.bytes <= 100_000 && view.answers > 20, "{view:?}");
    assert_eq!((view.kept, view.held[0].bytes), (256, view.bytes));
    assert!(cache.keep([9; 32], answer("t", "m", 200_000), 0));
    assert!(cache.view().bytes <= 100_000, "what does not fit alone is not kept");
}

#[test]
fn what_is_dropped_by_hand_is_gone_also_what_was_under_way() {
    let cache = cache(1 << 20);
    let all = [("a", "m"), ("a", "n"), ("b", "m"), ("b", "n")];
    for (n, (team, model)) in (0_u8..).zip(all) {
        cache.keep([n; 32], answer(team, model, 10), 0);
    }
    let begun = cache.purges();
    let only = |team: Option<&str>, model: Option<&str>| Purge {
        team: team.map(str::to_owned),
        model: model.map(str::to_owned),
    };
    assert_eq!(cache.purge(&only(Some("a"), Some("m"))), 1);
    assert!(cache.look(&[0; 32]).is_none() && cache.look(&[1; 32]).is_some());
    assert!(!cache.keep([0; 32], answer("a", "m", 10), begun), "it was begun before");
    assert_eq!(cache.purge(&only(None, Some("n"))), 2);
    assert_eq!(cache.purge(&Purge::default()), 1);
    assert_eq!((cache.view().answers, cache.view().bytes), (0, 0));
    assert!(cache.keep([0; 32], answer("a", "m", 10), cache.purges()));
}

#[test]
fn an_age_is_never_negative() {
    let answer = answer("t", "m", 1);
    assert_eq!(answer.age(3_500_000), Duration::from_millis(2_500));
    assert_eq!(answer.age(0), Duration::ZERO, "the clock was set back");
}
