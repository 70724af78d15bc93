//! One request over its attempts: what is kept, what is given back, and when the next target is tried.

use super::*;
use crate::model::Api;
use crate::proxy::staging::{self, Stage, head, piece, send};

const STREAM: &str = r#""stream":true,"messages":[{"role":"user","content":"hi"}]"#;
const CHAT: &str = r#""messages":[{"role":"user","content":"hi"}]"#;
const SSE: &str = "text/event-stream";
const QUIET: &str = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n";
const OUTPUT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

/// The model that the body of the attempt under way asks for.
fn asks_for(exchange: &mut Exchange) -> String {
    let attempt = exchange.attempt_mut().expect("under way");
    attempt.connected(false);
    let body = attempt.whole_body().expect("a body");
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body["stream_options"]["include_usage"], true, "usage is always asked for");
    body["model"].as_str().expect("a model").to_owned()
}

#[test]
fn each_target_gets_its_own_body_and_what_came_before_is_forgotten() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("two", Api::ChatCompletions, STREAM);
    let Move::Go(candidate) = exchange.next() else { panic!("a target") };
    exchange.begin(*candidate).expect("journaled");
    assert_eq!(asks_for(&mut exchange), "gpt-4o-mini");
    head(&mut exchange, 200, SSE).expect("a stream");
    assert_eq!(piece(&mut exchange, QUIET).expect("held"), Bytes::new());
    let trouble = exchange.end().expect_err("cut off");
    assert!(exchange.failed(trouble) && !exchange.committed());
    let Move::Go(candidate) = exchange.next() else { panic!("a target") };
    exchange.begin(*candidate).expect("journaled");
    assert_eq!(asks_for(&mut exchange), "llama");
    head(&mut exchange, 200, SSE).expect("a stream");
    assert_eq!(piece(&mut exchange, OUTPUT).expect("good"), OUTPUT, "nothing of the first answer is in the second");
    assert_eq!(piece(&mut exchange, DONE).expect("good"), DONE);
    assert_eq!(
        (exchange.end(), exchange.end()),
        (Ok(Bytes::new()), Ok(Bytes::new())),
        "the end is told twice at times"
    );
    drop(exchange);
    let rows = stage.rows();
    let told: Vec<_> = rows.iter().map(|row| (row["attempt"].as_u64(), row["error"].as_str())).collect();
    assert_eq!(told, [(Some(1), Some("cut_off")), (Some(2), None)]);
    assert_eq!((stage.held(), stage.services.places.used()), (0, 0));
}

#[test]
fn the_body_of_a_stream_is_given_back_when_its_answer_begins() {
    let stage = Stage::new();
    let long = format!("\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"{}\"}}]", "x".repeat(300_000));
    let mut exchange = stage.exchange("counted", Api::ChatCompletions, &long);
    send(&mut exchange);
    head(&mut exchange, 200, SSE).expect("a stream");
    piece(&mut exchange, QUIET).expect("held");
    assert!(stage.held() > 300_000, "another target may need it");
    piece(&mut exchange, OUTPUT).expect("good");
    assert_eq!((stage.held(), exchange.opened.ask.body.len()), (0, 0));
}

#[test]
fn after_the_first_output_no_other_target_is_tried() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("two", Api::ChatCompletions, STREAM);
    send(&mut exchange);
    head(&mut exchange, 200, SSE).expect("a stream");
    piece(&mut exchange, OUTPUT).expect("good");
    assert!(exchange.commit() && !exchange.commit(), "the header goes out once");
    let event = exchange.broken(Trouble::Broken("reset".to_owned())).expect("told in the stream");
    assert!(event.starts_with(b"data: {\"error\":"));
    assert!(!exchange.failed(Trouble::Broken("reset".to_owned())));
    drop(exchange);
    assert_eq!(stage.rows().len(), 1);
}

#[test]
fn a_connection_that_breaks_behind_a_whole_answer_is_no_trouble() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("counted", Api::ChatCompletions, STREAM);
    send(&mut exchange);
    head(&mut exchange, 200, SSE).expect("a stream");
    piece(&mut exchange, &format!("{OUTPUT}{DONE}")).expect("good");
    assert_eq!(exchange.broken(Trouble::Broken("reset".to_owned())), Ok(Bytes::new()));
    drop(exchange);
    assert_eq!(stage.rows()[0]["error"], serde_json::Value::Null);
}

#[test]
fn a_refusal_of_the_request_itself_is_the_answer_and_no_other_target_is_asked() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("two", Api::ChatCompletions, CHAT);
    send(&mut exchange);
    head(&mut exchange, 400, "application/json").expect("an answer");
    assert_eq!(piece(&mut exchange, "{\"error\":{\"message\":\"m\"}}").expect("withheld"), Bytes::new());
    assert_eq!(exchange.end().expect("an answer"), "{\"error\":{\"message\":\"m\"}}");
    drop(exchange);
    assert_eq!(stage.rows().len(), 1);
}

#[test]
fn attempts_are_bounded_by_the_targets() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("two", Api::ChatCompletions, CHAT);
    assert!(exchange.wake_at().is_none(), "nothing is under way");
    staging::connect(&mut exchange);
    assert!(exchange.failed(Trouble::Unresolved));
    staging::connect(&mut exchange);
    assert!(!exchange.failed(Trouble::Unresolved));
    assert!(matches!(exchange.next(), Move::Over));
    assert!(exchange.verdict().to_string().contains("openai/gpt-4o-mini: its host could not be resolved; local/llama"));
}

#[test]
fn a_request_that_nobody_serves_is_told_so() {
    let stage = Stage::new();
    let exchange = stage.exchange("two", Api::ChatCompletions, CHAT);
    let verdict = exchange.verdict();
    assert_eq!((verdict.status(), verdict.code()), (502, "upstream_failed"));
}

/// How the target of the attempt under way stands: failures in a row, answers and failures, and its expected pace.
fn stands(stage: &Stage, model: &str) -> (u32, (u64, u64), Option<f64>) {
    let standing = &stage.snapshot.table.find(model).expect("a known model").targets[0].standing;
    let health = standing.health(stage.services.clock.now_us());
    (health.failures, health.window, standing.paces().expected_us(0))
}

#[test]
fn a_refusal_says_nothing_of_its_targets_health_and_pace() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("counted", Api::ChatCompletions, CHAT);
    send(&mut exchange);
    head(&mut exchange, 400, "application/json").expect("an answer");
    piece(&mut exchange, "{\"error\":{\"message\":\"m\"}}").expect("withheld");
    exchange.end().expect("an answer");
    assert_eq!(stands(&stage, "counted"), (0, (0, 0), None));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_total_is_blamed_only_on_a_target_that_had_its_time() {
    let stage = Stage::new();
    for (late, failures) in [(580, 0), (1, 1)] {
        let mut exchange = stage.exchange("counted", Api::ChatCompletions, CHAT);
        exchange.opened.arrival.at -= Duration::from_secs(late);
        send(&mut exchange);
        tokio::time::advance(Duration::from_secs(600 - late)).await;
        let trouble = exchange.expired(Instant::now()).expect("`total` is over");
        assert_eq!(trouble, Trouble::Total);
        exchange.failed(trouble);
        assert_eq!(stands(&stage, "counted").0, failures, "{late}");
    }
}
