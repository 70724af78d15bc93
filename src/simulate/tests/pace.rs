//! Time: paused, so that the figures are exact.

use crate::simulate::answer::{Answer, Billed, Finish, Pieces};
use crate::simulate::anthropic::MessageEvents;
use crate::simulate::knobs::Knobs;
use crate::simulate::record::Books;
use crate::simulate::stream::{Paced, Sink};
use http_body_util::BodyExt;
use hyper::Request;
use std::sync::Arc;
use tokio::time::Instant;

/// Milliseconds after the start at which each content event came.
async fn times(knobs: &str, tokens: u32) -> Vec<u128> {
    let mut all = Knobs::default();
    all.apply(knobs).expect("good knobs");
    let visit = Arc::new(Books::new(1)).open(&Request::new(()).into_parts().0);
    let answer = Answer {
        number: 1,
        created: 0,
        model: "m".to_owned(),
        service_tier: "default".to_owned(),
        choices: 1,
        pieces: Pieces::Words { seed: 0, count: tokens },
        tool: None,
        thought: None,
        finish: Finish::Stop,
        billed: Billed::default(),
        reports: true,
        include_usage: false,
    };
    let start = Instant::now();
    let mut body = Paced::new(answer, Box::new(MessageEvents), Sink::new(false), Arc::new(all), visit);
    let mut times = Vec::new();
    while let Some(frame) = body.frame().await {
        let bytes = frame.ok().and_then(|frame| frame.into_data().ok()).expect("data");
        let count = String::from_utf8_lossy(&bytes).matches("text_delta").count();
        times.extend(std::iter::repeat_n(start.elapsed().as_millis(), count));
    }
    times
}

#[tokio::test(start_paused = true)]
async fn the_first_token_and_the_pace_are_kept() {
    // The last chunk of the last case has one token only. (knobs, tokens, want); tokio's timers are exact to 1 ms and never early.
    let cases = [
        ("", 3, vec![0, 0, 0]),
        ("first_token=2s", 3, vec![2000, 2000, 2000]),
        ("tps=10", 3, vec![0, 100, 200]),
        ("first_token=1s,tps=10,chunk=2", 5, vec![1000, 1200, 1300]),
    ];
    for (knobs, tokens, want) in cases {
        let got = times(knobs, tokens).await;
        assert_eq!(got.len(), want.len(), "{knobs}");
        assert!(got.iter().zip(&want).all(|(got, want)| (*want..=want + 2).contains(got)), "{knobs}: {got:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_answer_is_not_made_ahead_of_its_time() {
    let times = times("tps=1000", 10_000).await;
    assert_eq!(times.len(), 10_000);
    assert!(times.is_sorted());
    assert!(times.last().is_some_and(|last| (9_990..10_010).contains(last)));
}
