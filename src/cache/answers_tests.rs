//! The byte bound, and what is dropped by hand.

use super::*;

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
    }
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
