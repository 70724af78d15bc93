//! Places: never more than there are, always given back, and in the right order.

use super::*;
use crate::{config::Config, telemetry::Metrics};
use std::sync::atomic::AtomicBool;
use tokio::task::JoinSet;

fn places(most: u32, length: usize, wait: &str) -> Admission {
    let text = format!(
        "server: {{ max_in_flight: {most}, queue: {{ length: {length}, wait: {wait} }} }}\n\
         providers: {{ p: {{ kind: openai, api_key: k }} }}\n\
         models: {{ m: {{ targets: [{{ provider: p, model: m }}] }} }}\n\
         teams: {{ t: {{}} }}\n\
         keys: [{{ name: k, team: t, hash: \"sha256:{}\" }}]\n",
        "0".repeat(64)
    );
    let config = Config::from_text(&text, None).unwrap_or_else(|errors| panic!("{errors}"));
    Admission::new(&config.server, Metrics::new().expect("metrics").proxy.overload)
}

fn team(name: &str) -> Arc<str> {
    name.into()
}

async fn enter(places: &Admission, priority: Priority, name: &str) -> Result<Option<Place>, Overload> {
    places.enter(priority, &team(name), || false).await
}

/// Lets all tasks that can go on do so.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_is_waited_for_and_given_in_turn() {
    let places = places(1, 10, "1s");
    let held = places.take().expect("the only place");
    let mut order = JoinSet::new();
    for (index, name) in ["loud", "loud", "loud", "quiet"].into_iter().enumerate() {
        let places = places.clone();
        order.spawn(
            async move { (index, enter(&places, Priority::Normal, name).await.expect("in time").expect("here")) },
        );
        settle().await;
    }
    assert_eq!((places.used(), places.busy()), (1, 5));
    assert!(places.take().is_none(), "nobody overtakes");
    drop(held);
    let mut got = Vec::new();
    while let Some(done) = order.join_next().await {
        let (index, place) = done.expect("no panic");
        got.push(index);
        drop(place);
    }
    assert_eq!(got, [0, 3, 1, 2]);
    assert_eq!((places.used(), places.busy()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_waited_too_long_is_told_so_and_leaves_nothing_behind() {
    let places = places(1, 10, "300ms");
    let held = places.take().expect("the only place");
    let begun = Instant::now();
    let refused = enter(&places, Priority::Normal, "t").await.expect_err("no place");
    assert_eq!((refused.why, refused.paced), (Why::Waited, false));
    assert!(refused.wait >= Duration::from_secs(1));
    let waited = begun.elapsed().as_millis();
    assert!((300..350).contains(&waited), "{waited}");
    assert_eq!(places.busy(), 1);
    drop(held);
    assert!(places.take().is_some());
}

#[tokio::test(start_paused = true)]
async fn without_room_it_is_refused_at_once_or_another_one_makes_room() {
    let none = places(1, 0, "1s");
    let held = none.take().expect("the only place");
    let begun = Instant::now();
    assert_eq!(enter(&none, Priority::High, "t").await.expect_err("no queue").why, Why::Full);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    drop(held);

    let places = places(1, 2, "1s");
    let held = places.take().expect("the only place");
    let mut waiting = JoinSet::new();
    for index in 0..2 {
        let places = places.clone();
        waiting.spawn(async move { (index, enter(&places, Priority::Normal, "loud").await.map(drop)) });
        settle().await;
    }
    assert_eq!(enter(&places, Priority::Normal, "loud").await.expect_err("full").why, Why::Full);
    assert_eq!(enter(&places, Priority::Low, "other").await.expect_err("full").why, Why::Full);
    let other = places.clone();
    waiting.spawn(async move { (2, enter(&other, Priority::Normal, "other").await.map(drop)) });
    let (index, displaced) = waiting.join_next().await.expect("one").expect("no panic");
    assert_eq!((index, displaced.expect_err("displaced").why), (1, Why::Displaced));
    drop(held);
    while let Some(done) = waiting.join_next().await {
        assert!(done.expect("no panic").1.is_ok());
    }
    assert_eq!(places.busy(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_gives_up_its_turn_also_one_that_was_just_given() {
    let places = places(1, 10, "10s");
    let held = places.take().expect("the only place");
    let gone = Arc::new(AtomicBool::new(false));
    let (waiting, leaves) = (places.clone(), Arc::clone(&gone));
    let mut client = JoinSet::new();
    client.spawn(async move {
        waiting
            .enter(Priority::Normal, &team("t"), || leaves.load(Ordering::Relaxed))
            .await
            .map(|place| place.is_some())
    });
    settle().await;
    assert_eq!(places.busy(), 2);
    gone.store(true, Ordering::Relaxed);
    assert_eq!(client.join_next().await.expect("one").expect("no panic"), Ok(false));
    assert_eq!(places.busy(), 1);
    // A request that is dropped while it waits, as at the end of its connection, and one that was given the place.
    let mut dropped = Box::pin(enter(&places, Priority::Normal, "t"));
    assert!(futures::poll!(&mut dropped).is_pending());
    drop(held);
    assert_eq!((places.used(), places.busy()), (1, 1), "it has the place, and does not know it");
    drop(dropped);
    assert_eq!((places.used(), places.busy()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_stands_lets_wait_only_as_many_as_are_served_in_time() {
    let places = places(1, 1000, "1s");
    let mut waiting = JoinSet::new();
    // A place becomes free each 20 ms, and four requests come in that time.
    for _ in 0..2000 {
        let places = places.clone();
        waiting.spawn(async move {
            let begun = Instant::now();
            let entered = enter(&places, Priority::Normal, "t").await;
            let waited = begun.elapsed();
            if entered.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            (waited, entered.map(|place| place.is_some()).map_err(|overload| overload.why))
        });
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (mut at_once, mut late, mut served) = (0, 0, 0);
    while let Some(done) = waiting.join_next().await {
        match done.expect("no panic") {
            (_, Ok(_)) => served += 1,
            (wait, Err(_)) if wait < Duration::from_millis(1) => at_once += 1,
            (_, Err(_)) => late += 1,
        }
    }
    assert!(served > 450, "nearly all of the 500 places were used: {served}");
    assert!(at_once > 10 * late, "refused at once {at_once}, late {late}");
}

/// What became of a request under load: its key, whether it was served, how long it waited.
type Fate = (&'static str, bool, Duration);

/// What becomes of requests of four keys, `times` as many as 64 places of 100 ms can take, over eight seconds.
async fn under_load(wait: &str, times: u64) -> Vec<Fate> {
    let places = places(64, 1000, wait);
    let mut tasks = JoinSet::new();
    let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..8_000 {
        // 0.64 places become free each millisecond.
        for _ in 0..100 {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            if chance % 10_000 >= 64 * times {
                continue;
            }
            let (key, priority, name) = match (chance >> 20) % 10 {
                0..5 => ("loud", Priority::Normal, "loud"),
                5 => ("quiet", Priority::Normal, "quiet"),
                6 => ("high", Priority::High, "quiet"),
                _ => ("low", Priority::Low, "low"),
            };
            let places = places.clone();
            tasks.spawn(async move {
                let begun = Instant::now();
                let place = enter(&places, priority, name).await;
                let waited = begun.elapsed();
                if place.is_ok() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                (key, place.is_ok(), waited)
            });
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tasks.join_all().await
}

#[tokio::test(start_paused = true)]
async fn under_lasting_overload_nearly_all_refusals_come_within_milliseconds_and_shares_are_kept() {
    for (wait, times) in [("100ms", 3), ("500ms", 3), ("100ms", 5), ("500ms", 5)] {
        let fates = under_load(wait, times).await;
        let mut refused: Vec<Duration> = fates.iter().filter(|one| !one.1).map(|one| one.2).collect();
        refused.sort();
        let p98 = refused[refused.len() * 98 / 100];
        assert!(p98 < Duration::from_millis(20), "{wait} {times}: {p98:?}");
        let served = fates.iter().filter(|one| one.1).count();
        assert!(served > 8 * 640 * 95 / 100, "the places are used: {wait} {times}: {served}");
        let of = |key: &str| {
            let mine = fates.iter().filter(|one| one.0 == key);
            100 * mine.clone().filter(|one| one.1).count() / mine.count().max(1)
        };
        let [loud, quiet, high, low] = ["loud", "quiet", "high", "low"].map(of);
        assert!(high > quiet && quiet > loud && loud > low && low > 0, "{wait} {times}: {high} {quiet} {loud} {low} %");
    }
}

#[test]
fn threads_that_race_share_the_places_and_lose_none() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime");
    let places = places(3, 100, "20s");
    let held = Arc::new(AtomicUsize::new(0));
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for task in 0..32 {
            let (places, held) = (places.clone(), Arc::clone(&held));
            tasks.spawn(async move {
                for _ in 0..300 {
                    let Ok(Some(place)) = enter(&places, Priority::ALL[task % 3], ["a", "b"][task % 2]).await else {
                        continue;
                    };
                    assert!(held.fetch_add(1, Ordering::SeqCst) < 3);
                    tokio::task::yield_now().await;
                    held.fetch_sub(1, Ordering::SeqCst);
                    drop(place);
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.expect("no panic");
        }
    });
    assert_eq!((places.used(), places.busy()), (0, 0));
    assert!(places.take().is_some());
}
