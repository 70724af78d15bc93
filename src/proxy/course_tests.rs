//! What follows from failures, over the attempts of one request.

use super::*;
use crate::model::Api;
use crate::proxy::exchange::Exchange;
use crate::proxy::staging::{self, Stage};
use tokio::time::sleep_until;

const CHAT: &str = r#""messages":[{"role":"user","content":"hi"}]"#;

fn limited(wait: Option<Duration>, again: Option<bool>) -> Trouble {
    Trouble::Status { status: 429, retry_after: wait, again }
}

#[test]
fn a_pause_is_a_random_part_of_a_time_that_doubles_up_to_the_longest() {
    let attempts = Attempts::default();
    let longest = |times| pause(&attempts, times, None, u32::MAX).expect("a pause").as_millis();
    assert_eq!([0, 1, 2, 3, 4, 5, 99].map(longest), [100, 200, 400, 800, 1600, 2000, 2000]);
    assert_eq!(pause(&attempts, 3, None, 0), Some(Duration::ZERO));
}

#[test]
fn what_a_provider_asks_for_is_waited_and_no_more_than_a_tenth_beyond() {
    let attempts = Attempts::default();
    for asked in [1, 10, 500, 2_000].map(Duration::from_millis) {
        assert_eq!(pause(&attempts, 5, Some(asked), 0), Some(asked));
        let most = pause(&attempts, 5, Some(asked), u32::MAX).expect("a pause");
        assert!(most <= asked + asked / 10, "{asked:?}: {most:?}");
    }
    assert_eq!(pause(&attempts, 0, Some(Duration::from_millis(2_001)), 0), None, "too long to wait for");
}

#[tokio::test(start_paused = true)]
async fn the_same_target_is_tried_again_only_when_no_other_is_left() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("two", Api::ChatCompletions, CHAT);
    let mut asked = Vec::new();
    for _ in 0..4 {
        let candidate = loop {
            match exchange.next() {
                Move::Go(candidate) => break candidate,
                Move::Rest(until) => sleep_until(until).await,
                Move::Over => panic!("attempts are left"),
            }
        };
        asked.push(candidate.target.model.to_string());
        exchange.begin(*candidate).expect("journaled");
        exchange.failed(limited(Some(Duration::from_secs(1)), None));
    }
    assert_eq!(asked[..2], ["gpt-4o-mini", "llama"]);
    asked[2..].sort(); // whose pause is over first is chance
    assert_eq!(asked[2..], ["gpt-4o-mini", "llama"], "each once more before one a third time");
    assert!(matches!(exchange.next(), Move::Over), "four attempts in all");
    assert_eq!(exchange.verdict().status(), 429);
}

#[test]
fn a_target_that_is_not_to_be_tried_again_is_not() {
    for (name, trouble) in [
        ("it says so", limited(None, Some(false))),
        ("it asks for too long", limited(Some(Duration::from_secs(3)), None)),
        ("its table says next", Trouble::Connect("x".to_owned())),
    ] {
        let stage = Stage::new();
        let mut exchange = stage.exchange("counted", Api::ChatCompletions, CHAT);
        staging::connect(&mut exchange);
        assert!(!exchange.failed(trouble), "{name}");
        assert!(matches!(exchange.next(), Move::Over), "{name}");
    }
}

#[test]
fn a_pause_that_would_pass_total_is_not_made() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("timed", Api::ChatCompletions, CHAT);
    exchange.opened.arrival.at -= Duration::from_secs(29);
    staging::connect(&mut exchange);
    assert!(!exchange.failed(limited(Some(Duration::from_secs(2)), None)));
}

/// Whatever the providers do: never more attempts than allowed, and a target that is not to be tried again is not.
#[tokio::test(start_paused = true)]
async fn attempts_are_bounded_and_no_broken_target_is_seen_twice() {
    let stage = Stage::new();
    let troubles: [fn() -> Trouble; 10] = [
        || Trouble::Connect("x".to_owned()),
        || Trouble::ConnectTimeout,
        || Trouble::Garbage("x".to_owned()),
        || Trouble::FirstToken,
        || limited(None, None),
        || limited(Some(Duration::from_secs(1)), None),
        || limited(None, Some(false)),
        || Trouble::Status { status: 500, retry_after: None, again: None },
        || Trouble::Status { status: 529, retry_after: Some(Duration::from_millis(5)), again: Some(true) },
        || Trouble::InBand { status: 503, message: "x".to_owned() },
    ];
    for seed in 0..200_usize {
        let mut exchange = stage.exchange("two", Api::ChatCompletions, CHAT);
        let (mut broken, mut attempts, mut chance) = (Vec::new(), 0, seed);
        loop {
            let candidate = match exchange.next() {
                Move::Go(candidate) => candidate,
                Move::Rest(until) => {
                    sleep_until(until).await;
                    continue;
                }
                Move::Over => break,
            };
            attempts += 1;
            let name = candidate.target.model.clone();
            assert!(!broken.contains(&name), "{seed}: {name} again");
            exchange.begin(*candidate).expect("journaled");
            let trouble = troubles[chance % troubles.len()]();
            chance = chance / troubles.len() + 7 * attempts;
            let known = action(&Attempts::default(), trouble.failure().expect("in the table"), &trouble);
            if known == Action::Next {
                broken.push(name);
            }
            if !exchange.failed(trouble) {
                break;
            }
        }
        assert!((1..=4).contains(&attempts), "{seed}: {attempts}");
    }
}

/// The provider's model of the attempt that begins next.
fn begun(exchange: &mut Exchange) -> String {
    let Move::Go(candidate) = exchange.next() else { panic!("a target is left") };
    let model = candidate.target.model.to_string();
    exchange.begin(*candidate).expect("journaled");
    model
}

#[test]
fn the_last_attempt_goes_to_the_first_model_that_takes_the_request_and_not_to_a_target_that_failed() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("spared", Api::ChatCompletions, CHAT);
    assert_eq!(begun(&mut exchange), "gpt-4o-mini");
    assert!(exchange.failed(Trouble::Unresolved), "`llama` is fresh, but the last attempt is kept");
    assert_eq!(begun(&mut exchange), "mistral");
    assert_eq!(&*exchange.opened.plan.route().name, "last");
    assert!(!exchange.failed(Trouble::Unresolved));
    let told = exchange.verdict().to_string();
    assert!(told.contains("no target of model `last`"), "{told}");
    assert!(
        told.contains(
            "model `full` did not take the request: the request reserves 262 tokens, more than the limit `model/full/"
        ),
        "{told}"
    );
    assert!(told.contains("model `narrow` did not take the request"), "{told}");
}

#[test]
fn each_models_token_limits_are_charged_with_what_its_own_attempts_used() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("spared", Api::ChatCompletions, CHAT);
    begun(&mut exchange);
    assert!(exchange.failed(Trouble::Unresolved));
    assert_eq!(stage.tokens_left_of("spared"), 200_000 - staging::RESERVED);
    assert_eq!(begun(&mut exchange), "mistral");
    exchange.attempt_mut().expect("begun").connected(false);
    drop(exchange.attempt_mut().expect("begun").whole_body());
    staging::head(&mut exchange, 200, "application/json").expect("JSON");
    let answer = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1100,"completion_tokens":7,"total_tokens":1107}}"#;
    staging::piece(&mut exchange, answer).expect("withheld");
    exchange.end().expect("whole");
    drop(exchange);
    let of_key = 1_000_000 - 1_107;
    assert_eq!((stage.tokens_left(), stage.tokens_left_of("last")), (of_key, 100_000 - 1_107));
    assert_eq!(stage.tokens_left_of("spared"), of_key, "nothing is taken of its own");
}

#[test]
fn another_model_answers_before_targets_that_are_shut() {
    let stage = Stage::new();
    (0..2).for_each(|place| stage.shut("spared", place));
    let mut exchange = stage.exchange("spared", Api::ChatCompletions, CHAT);
    exchange.opened.reserve(&stage.services, &stage.snapshot).expect("it is let in");
    assert_eq!(begun(&mut exchange), "mistral", "all other targets are shut");
    drop(exchange);
    stage.shut("last", 1);
    let mut exchange = stage.exchange("spared", Api::ChatCompletions, CHAT);
    assert_ne!(begun(&mut exchange), "mistral", "nothing better is left anywhere");
}

#[tokio::test(start_paused = true)]
async fn a_target_is_tried_again_before_one_that_is_shut() {
    let stage = Stage::new();
    stage.shut("two", 1);
    let mut exchange = stage.exchange("two", Api::ChatCompletions, CHAT);
    assert_eq!(begun(&mut exchange), "gpt-4o-mini");
    assert!(exchange.failed(Trouble::Status { status: 500, retry_after: None, again: None }));
    let Move::Rest(until) = exchange.next() else { panic!("a pause") };
    sleep_until(until).await;
    assert_eq!(begun(&mut exchange), "gpt-4o-mini");
    assert!(exchange.failed(Trouble::Unresolved));
    assert_eq!(begun(&mut exchange), "llama", "now nothing else is left");
}

#[test]
fn a_model_that_answers_instead_is_chosen_by_the_body_as_it_was_sent() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("spared", Api::ChatCompletions, CHAT);
    let sent = exchange.opened.ask.body.as_slice().to_vec();
    begun(&mut exchange);
    assert_ne!(exchange.opened.ask.body.as_slice(), sent, "the provider's own name of the model stands in it");
    assert!(exchange.failed(Trouble::Unresolved));
    let Move::Go(_) = exchange.next() else { panic!("a target is left") };
    assert_eq!(exchange.opened.ask.body.as_slice(), sent);
}
