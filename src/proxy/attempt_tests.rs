//! Deadlines, on a clock that stands still unless it is moved.

use super::*;
use crate::model::Api;
use crate::proxy::course::Move;
use crate::proxy::exchange::Exchange;
use crate::proxy::staging::{self, Stage};
use tokio::time::advance;

const STREAM: &str = r#""stream":true,"messages":[{"role":"user","content":"hi"}]"#;
const WHOLE: &str = r#""messages":[{"role":"user","content":"hi"}]"#;
const QUIET: &str = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n";
const OUTPUT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
const SSE: &str = "text/event-stream";

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Moves the clock from look to look, as the session does, until something has run out; returns how long that took and
/// what it was. Up to then nothing may have.
async fn run_out(exchange: &Exchange) -> (u64, Option<&'static str>) {
    let begun = Instant::now();
    for _ in 0..LOOKS {
        let wake_at = exchange.wake_at().expect("an attempt is under way");
        let wait = wake_at.saturating_duration_since(Instant::now());
        if wait > Duration::from_millis(1) {
            advance(wait - Duration::from_millis(1)).await;
            assert_eq!(exchange.expired(Instant::now()), None, "not before its time");
        }
        advance(Duration::from_millis(1)).await;
        if let Some(trouble) = exchange.expired(Instant::now()) {
            return (begun.elapsed().as_secs(), Some(trouble.name()));
        }
    }
    (begun.elapsed().as_secs(), None)
}

/// More looks than any attempt here needs.
const LOOKS: usize = 16;

/// Nobody is woken when the last byte leaves.
#[tokio::test(start_paused = true)]
async fn a_wait_for_the_answer_that_is_shorter_than_the_uploads_is_not_slept_over() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("timed", Api::ChatCompletions, STREAM);
    staging::connect(&mut exchange);
    let body = exchange.attempt_mut().expect("begun").whole_body().expect("a body");
    let timer = exchange.wake_at().expect("an attempt is under way");
    drop(body);
    let due = exchange.wake_at().expect("an attempt is under way");
    assert!(timer <= due, "the timer that was set before the last byte left rings in time");
}

#[tokio::test(start_paused = true)]
async fn the_upload_has_its_own_time() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("timed", Api::ChatCompletions, STREAM);
    staging::connect(&mut exchange);
    let _held = exchange.attempt_mut().expect("begun").whole_body().expect("a body");
    assert_eq!(run_out(&exchange).await, (10, Some("send_timeout")));
}

#[tokio::test(start_paused = true)]
async fn the_first_token_is_waited_for_from_the_last_byte_sent() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("timed", Api::ChatCompletions, STREAM);
    advance(seconds(1)).await;
    staging::connect(&mut exchange);
    let body = exchange.attempt_mut().expect("begun").whole_body().expect("a body");
    advance(seconds(9)).await;
    assert!(!exchange.attempt().expect("begun").was_sent());
    let half = body.slice(..3);
    drop(body);
    assert!(!exchange.attempt().expect("begun").was_sent(), "a part of the bytes is still held");
    drop(half);
    assert!(exchange.attempt().expect("begun").was_sent());
    assert_eq!(run_out(&exchange).await, (4, Some("first_token_timeout")));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_output_does_not_stop_the_wait_for_the_first_token() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("timed", Api::ChatCompletions, STREAM);
    staging::send(&mut exchange);
    staging::head(&mut exchange, 200, SSE).expect("a stream");
    for sign in [": ping\n\n", QUIET, ": ping\n\n"] {
        advance(seconds(1)).await;
        assert_eq!(staging::piece(&mut exchange, sign).expect("good").len(), 0);
    }
    assert_eq!(run_out(&exchange).await, (1, Some("first_token_timeout")));
}

#[tokio::test(start_paused = true)]
async fn every_sign_of_life_restarts_idle_after_the_first_output() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("timed", Api::ChatCompletions, STREAM);
    staging::send(&mut exchange);
    staging::head(&mut exchange, 200, SSE).expect("a stream");
    advance(seconds(3)).await;
    staging::piece(&mut exchange, OUTPUT).expect("good");
    for sign in [": ping\n\n", "data: {\"choi", "ces\":[]}\n\n", OUTPUT, QUIET] {
        advance(Duration::from_millis(1900)).await;
        assert_eq!(exchange.expired(Instant::now()), None, "{sign}");
        staging::piece(&mut exchange, sign).expect("good");
    }
    assert_eq!(run_out(&exchange).await, (2, Some("idle_timeout")));
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_has_response_and_no_first_token() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("timed", Api::ChatCompletions, WHOLE);
    staging::send(&mut exchange);
    advance(seconds(5)).await;
    staging::head(&mut exchange, 200, "application/json").expect("JSON");
    staging::piece(&mut exchange, "{").expect("withheld");
    assert_eq!(run_out(&exchange).await, (2, Some("response_timeout")));
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_that_flows_still_has_response() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("timed", Api::ChatCompletions, WHOLE);
    staging::send(&mut exchange);
    staging::head(&mut exchange, 200, "application/json").expect("JSON");
    assert_eq!(staging::piece(&mut exchange, &"x".repeat(20_000)).expect("it flows").len(), 20_000);
    assert_eq!(run_out(&exchange).await, (7, Some("response_timeout")));
}

#[tokio::test(start_paused = true)]
async fn without_response_a_whole_answer_has_total() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("counted", Api::ChatCompletions, WHOLE);
    staging::send(&mut exchange);
    assert_eq!(run_out(&exchange).await, (600, Some("total_timeout")));
}

#[tokio::test(start_paused = true)]
async fn total_runs_from_the_arrival_over_all_attempts_and_wins_when_it_is_earlier() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("timed", Api::ChatCompletions, STREAM);
    advance(seconds(29)).await;
    staging::send(&mut exchange);
    assert_eq!(run_out(&exchange).await, (1, Some("total_timeout")));
    let mut exchange = stage.exchange("timed", Api::ChatCompletions, STREAM);
    staging::send(&mut exchange);
    staging::head(&mut exchange, 200, SSE).expect("a stream");
    for _ in 0..29 {
        advance(seconds(1)).await;
        staging::piece(&mut exchange, OUTPUT).expect("good");
        assert_eq!(exchange.expired(Instant::now()), None);
    }
    assert_eq!(run_out(&exchange).await, (1, Some("total_timeout")), "also in mid-stream");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_begins_before_the_upload_ends_is_waited_for() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("timed", Api::ChatCompletions, STREAM);
    staging::connect(&mut exchange);
    let _held = exchange.attempt_mut().expect("begun").whole_body();
    advance(seconds(1)).await;
    staging::head(&mut exchange, 200, SSE).expect("a stream");
    assert_eq!(run_out(&exchange).await, (3, Some("first_token_timeout")));
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_ran_out_of_time_was_not_sent_though_its_bytes_are_dropped() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("timed", Api::ChatCompletions, STREAM);
    advance(seconds(25)).await;
    staging::connect(&mut exchange);
    let body = exchange.attempt_mut().expect("begun").whole_body();
    assert_eq!(run_out(&exchange).await, (5, Some("total_timeout")));
    drop(body);
    assert!(!exchange.attempt().expect("begun").was_sent());
    exchange.failed(Trouble::Total);
    let rows = stage.rows();
    assert_eq!((rows[0]["input_tokens"].as_u64(), rows[0]["usage_origin"].as_str()), (Some(0), Some("none")));
}

#[tokio::test(start_paused = true)]
async fn towards_http_2_the_body_goes_in_slices_and_is_sent_with_the_last_of_them() {
    let stage = Stage::new();
    let text = "x".repeat(3 * SLICE);
    let rest = format!("\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}]");
    let mut exchange = stage.exchange("timed", Api::ChatCompletions, &rest);
    let Move::Go(candidate) = exchange.next() else { panic!("a target") };
    exchange.begin(*candidate).expect("journaled");
    let attempt = exchange.attempt_mut().expect("begun");
    let whole = attempt.body.clone();
    for round in ["once", "again on a fresh connection"] {
        attempt.connected(true);
        assert_eq!((attempt.whole_body(), attempt.body_done()), (None, false), "{round}");
        let mut slices = Vec::new();
        while let Some(slice) = attempt.next_slice() {
            assert!(slice.len() <= SLICE && !slice.is_empty(), "{round}");
            slices.push(slice);
        }
        assert_eq!(slices.concat(), whole, "{round}: byte for byte");
        assert!(attempt.body_done() && attempt.next_slice().is_none(), "{round}");
        let last = slices.pop();
        drop(slices);
        assert!(!attempt.was_sent(), "{round}: the last slice is still here");
        drop(last);
        assert!(attempt.was_sent(), "{round}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_answers_pace_is_by_the_tokens_that_it_reports() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("counted", Api::ChatCompletions, WHOLE);
    staging::send(&mut exchange);
    advance(seconds(10)).await;
    staging::head(&mut exchange, 200, "application/json").expect("JSON");
    let answer = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":968,"total_tokens":969}}"#;
    staging::piece(&mut exchange, answer).expect("withheld");
    exchange.end().expect("whole");
    let pace = exchange.attempt().expect("begun").pace();
    let millis = |part: Option<Duration>| part.map(|part| part.as_millis());
    assert_eq!((millis(pace.first), millis(pace.token)), (Some(320), Some(10)), "as if 1,000 tokens took 10 s");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_makes_no_provider_slow() {
    let stage = Stage::new();
    for (blocked, want) in [(0, true), (30, false)] {
        let mut exchange = stage.exchange("counted", Api::ChatCompletions, STREAM);
        staging::send(&mut exchange);
        staging::head(&mut exchange, 200, SSE).expect("a stream");
        staging::piece(&mut exchange, OUTPUT).expect("good");
        let begun = Instant::now();
        advance(seconds(blocked)).await;
        exchange.attempt_mut().expect("begun").written(begun, Duration::ZERO);
        advance(seconds(1)).await;
        staging::piece(&mut exchange, &OUTPUT.repeat(64)).expect("good");
        let pace = exchange.attempt().expect("begun").pace();
        assert_eq!((pace.first.is_some(), pace.token.is_some()), (true, want), "{blocked}");
    }
}
