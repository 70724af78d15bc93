//! What attempts come to: the table of PRODUCT.md §4, promise 4, on a real ledger.

#[path = "finish_media_tests.rs"]
mod media;

use super::*;
use crate::proxy::staging::{self, Stage, head, piece, send};
use serde_json::{Value, json};

const CHAT: &str = r#""messages":[{"role":"user","content":"hi"}]"#;
const STREAM: &str = r#""stream":true,"messages":[{"role":"user","content":"hi"}]"#;
const ANTHROPIC: &str = r#""stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]"#;
/// What `hi` is as a chat: 3 for the message, 1 for the role, 1 for the text, 3 for the answer.
const HI: u64 = 8;
const SSE: &str = "text/event-stream";
const JSON: &str = "application/json";
const OUTPUT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"one two three\"}}]}\n\n";
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":20}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

/// What a row should say: status, input, output, origin, and what went wrong.
type Row<'a> = (u64, u64, u64, &'a str, Option<&'a str>);

fn row(row: &Value) -> Row<'_> {
    let number = |name: &str| row[name].as_u64().unwrap_or_else(|| panic!("{name} of {row}"));
    let (input, output) = (number("input_tokens"), number("output_tokens"));
    (number("status"), input, output, row["usage_origin"].as_str().expect("an origin"), row["error"].as_str())
}

/// Gives `events` to the attempt under way; trouble is what the hooks would make of it.
fn answer(exchange: &mut Exchange, status: u16, kind: &str, events: &[&str]) {
    let result =
        head(exchange, status, kind).and_then(|()| events.iter().try_for_each(|one| piece(exchange, one).map(drop)));
    if let Err(trouble) = result {
        exchange.failed(trouble);
    }
}

fn end(exchange: &mut Exchange) {
    if let Err(trouble) = exchange.end() {
        exchange.failed(trouble);
    }
}

/// Plays one request and returns its only row.
fn play(model: &str, api: Api, rest: &str, steps: impl FnOnce(&mut Exchange)) -> Value {
    let stage = Stage::new();
    let mut exchange = stage.exchange(model, api, rest);
    steps(&mut exchange);
    // None of this may book it again.
    let _ = exchange.end();
    exchange.failed(Trouble::ClientGone);
    drop(exchange);
    let rows = stage.rows();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((stage.held(), stage.services.places.used()), (0, 0), "everything is given back");
    rows.into_iter().next().expect("one")
}

#[test]
fn reserved_tokens_are_corrected_to_what_all_attempts_used_also_when_counting_comes_late() {
    const MILLION: u64 = 1_000_000;
    let stage = Stage::new();
    let mut unsent = stage.exchange("two", Api::ChatCompletions, STREAM);
    assert_eq!(stage.tokens_left(), MILLION - staging::RESERVED);
    staging::connect(&mut unsent);
    unsent.failed(Trouble::Tls);
    drop(unsent);
    assert_eq!(stage.tokens_left(), MILLION, "nothing was sent");
    let mut exchange = stage.exchange("two", Api::ChatCompletions, STREAM);
    send(&mut exchange);
    answer(&mut exchange, 200, SSE, &[]);
    end(&mut exchange); // cut off before its first output: its input is counted, on another thread
    send(&mut exchange);
    answer(&mut exchange, 200, SSE, &[OUTPUT, USAGE, DONE]);
    end(&mut exchange);
    assert!(stage.tokens_left() < MILLION, "reserved or corrected");
    drop(exchange);
    let rows = stage.rows();
    let used: u64 = rows.iter().map(|line| row(line).1 + row(line).2).sum();
    assert!(rows.len() == 3 && used > 120, "{rows:?}");
    assert_eq!(stage.tokens_left(), MILLION - used);
}

#[test]
fn what_was_not_sent_whole_or_was_refused_costs_nothing() {
    let text = || "x".to_owned();
    let always = [
        Trouble::Unresolved,
        Trouble::Connect(text()),
        Trouble::ConnectTimeout,
        Trouble::Tls,
        Trouble::SendTimeout,
        Trouble::SendBroken(text()),
        Trouble::Status { status: 503, retry_after: None, again: None },
        Trouble::Status { status: 429, retry_after: None, again: None },
    ];
    let unsent = [
        Trouble::ClientGone,
        Trouble::Total,
        Trouble::BuffersFull,
        Trouble::Internal(text()),
        Trouble::Broken(text()),
        Trouble::Garbage(text()),
    ];
    for trouble in always {
        let (name, status) = (trouble.name(), u64::from(trouble.status()));
        let got = play("counted", Api::ChatCompletions, CHAT, |exchange| {
            send(exchange);
            exchange.failed(trouble);
        });
        assert_eq!(row(&got), (status, 0, 0, "none", Some(name)));
        assert_eq!(got["cost_nano_usd"], 0, "{name}");
    }
    for trouble in unsent {
        let name = trouble.name();
        let got = play("unpriced", Api::ChatCompletions, CHAT, |exchange| {
            staging::connect(exchange);
            exchange.failed(trouble);
        });
        assert_eq!(row(&got), (0, 0, 0, "none", Some(name)));
        assert_eq!(got["cost_nano_usd"], 0, "{name}: nothing used costs nothing, whatever the price");
    }
    for status in [400, 413, 422] {
        let got = play("counted", Api::ChatCompletions, STREAM, |exchange| {
            send(exchange);
            answer(exchange, status, JSON, &["{\"error\":{}}"]);
            end(exchange);
        });
        assert_eq!(row(&got), (u64::from(status), 0, 0, "none", Some("refused")));
    }
}

#[test]
fn what_was_sent_whole_and_not_answered_costs_its_input() {
    let text = || "x".to_owned();
    let troubles = [
        Trouble::FirstToken,
        Trouble::Response,
        Trouble::Total,
        Trouble::Broken(text()),
        Trouble::Garbage(text()),
        Trouble::Empty,
        Trouble::ClientGone,
        Trouble::BuffersFull,
        Trouble::Internal(text()),
    ];
    for trouble in troubles {
        let name = trouble.name();
        let fail = |exchange: &mut Exchange| {
            send(exchange);
            exchange.failed(trouble.clone());
        };
        let got = play("counted", Api::ChatCompletions, STREAM, fail);
        assert_eq!(row(&got), (0, HI, 0, "counted", Some(name)));
        // 8 × 0.15 USD a million.
        assert_eq!(got["cost_nano_usd"], 1_200, "{name}");
        let got = play("unpriced", Api::ChatCompletions, STREAM, fail);
        assert_eq!((&got["usage_origin"], &got["cost_nano_usd"]), (&json!("estimated"), &Value::Null), "{name}");
        let got = play("claude", Api::CountTokens, CHAT, fail);
        assert_eq!(row(&got), (0, 0, 0, "none", Some(name)), "counting is free");
    }
}

#[test]
fn what_is_reported_is_booked_as_reported() {
    let whole = include_str!("../providers/openai/fixtures/chat.json");
    let got = play("counted", Api::ChatCompletions, CHAT, |exchange| {
        send(exchange);
        answer(exchange, 200, JSON, &[whole]);
        end(exchange);
    });
    assert_eq!(row(&got), (200, 19, 10, "reported", None));
    assert_eq!(got["first_token_us"], Value::Null, "no stream, no first token");
    let stream = |pieces: &'static [&'static str]| {
        move |exchange: &mut Exchange| {
            send(exchange);
            answer(exchange, 200, SSE, pieces);
            end(exchange);
        }
    };
    let got = play("counted", Api::ChatCompletions, STREAM, stream(&[OUTPUT, USAGE, DONE]));
    assert_eq!(row(&got), (200, 100, 20, "reported", None));
    assert!(got["first_token_us"].is_u64());
    // 100 × 0.15 + 20 × 0.60 USD a million.
    assert_eq!(got["cost_nano_usd"], 27_000);
    let got = play("counted", Api::ChatCompletions, STREAM, stream(&[OUTPUT, USAGE]));
    assert_eq!(row(&got), (200, 100, 20, "reported", Some("cut_off")), "though the end marker is missing");
    let failed = "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"message\":\"m\"},\
        \"usage\":{\"input_tokens\":7,\"output_tokens\":5}}}\n\n";
    let got = play("counted", Api::Responses, r#""stream":true,"input":"hi""#, |exchange| {
        send(exchange);
        answer(exchange, 200, SSE, &[failed]);
    });
    assert_eq!(row(&got), (200, 7, 5, "reported", Some("in_band_error")), "what a failure reports is billed");
}

#[test]
fn an_error_inside_of_a_200_costs_nothing_before_its_output_and_what_was_seen_after_it() {
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n";
    let delta = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"0123456789\"}}\n\n";
    let error =
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}\n\n";
    let of = |pieces: &[&str]| {
        play("claude", Api::Messages, ANTHROPIC, |exchange| {
            send(exchange);
            answer(exchange, 200, SSE, pieces);
        })
    };
    assert_eq!(row(&of(&[start, error])), (200, 0, 0, "none", Some("in_band_error")));
    assert_eq!(row(&of(&[start, delta, error])), (200, 25, 3, "estimated", Some("in_band_error")));
    assert_eq!(row(&of(&[start, delta])), (200, 25, 3, "estimated", Some("cut_off")), "the input as it was reported");
}

#[test]
fn what_passed_is_counted_when_the_client_leaves_or_usage_never_comes() {
    let leave = |exchange: &mut Exchange| {
        send(exchange);
        answer(exchange, 200, SSE, &[OUTPUT]);
        exchange.failed(Trouble::ClientGone);
    };
    let got = play("counted", Api::ChatCompletions, STREAM, leave);
    assert_eq!(row(&got), (200, HI, 3, "counted", Some("client_gone")));
    let got = play("unpriced", Api::ChatCompletions, STREAM, leave);
    assert_eq!((&got["output_tokens"], &got["usage_origin"]), (&json!(4), &json!("estimated")), "13 bytes");
    let never = |exchange: &mut Exchange| {
        send(exchange);
        answer(exchange, 200, SSE, &[OUTPUT, DONE]);
        end(exchange);
    };
    assert_eq!(row(&play("counted", Api::ChatCompletions, STREAM, never)), (200, HI, 3, "counted", None));
    let whole = |exchange: &mut Exchange| {
        send(exchange);
        answer(exchange, 200, JSON, &["{\"choices\":[{\"message\":{\"content\":\"one two three\"}}]}"]);
        end(exchange);
    };
    assert_eq!(row(&play("counted", Api::ChatCompletions, CHAT, whole)), (200, HI, 3, "counted", None));
    let vectors = |exchange: &mut Exchange| {
        send(exchange);
        answer(exchange, 200, JSON, &["{\"data\":[{\"embedding\":[0.1,0.2,0.3]}]}"]);
        end(exchange);
    };
    let got = play("embed", Api::Embeddings, r#""input":"hi""#, vectors);
    assert_eq!(row(&got), (200, 1, 0, "counted", None), "vectors are no output");
}

#[test]
fn output_that_the_usage_leaves_out_is_counted_beside_the_reported_input() {
    let half = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":null}}\n\n";
    let stream = |exchange: &mut Exchange| {
        send(exchange);
        answer(exchange, 200, SSE, &[OUTPUT, half, DONE]);
        end(exchange);
    };
    assert_eq!(row(&play("counted", Api::ChatCompletions, STREAM, stream)), (200, 100, 3, "counted", None));
    let whole = |exchange: &mut Exchange| {
        send(exchange);
        let body = "{\"choices\":[{\"message\":{\"content\":\"one two three\"}}],\"usage\":{\"prompt_tokens\":100}}";
        answer(exchange, 200, JSON, &[body]);
        end(exchange);
    };
    assert_eq!(row(&play("counted", Api::ChatCompletions, CHAT, whole)), (200, 100, 3, "counted", None));
    let long = |exchange: &mut Exchange| {
        send(exchange);
        let text = "x".repeat(40_000);
        let body = format!("{{\"choices\":[{{\"text\":\"{text}\"}}],\"usage\":{{\"prompt_tokens\":100}}}}");
        answer(exchange, 200, JSON, &[&body]);
        end(exchange);
    };
    let got = play("unpriced", Api::ChatCompletions, CHAT, long);
    let got = row(&got);
    assert_eq!((got.1, got.3), (100, "estimated"));
    assert!(got.2 >= 10_000, "{got:?}");
}

#[test]
fn an_answer_too_long_to_be_read_is_estimated_by_its_length() {
    let text = format!("{{\"choices\":[{{\"text\":\"{}\"}}]}}", "x".repeat(40_000));
    let got = play("unpriced", Api::ChatCompletions, CHAT, |exchange| {
        send(exchange);
        answer(exchange, 200, JSON, &[&text]);
        end(exchange);
    });
    assert_eq!(got["output_tokens"], text.len().div_ceil(4));
    assert_eq!(got["first_token_us"], Value::Null);
}

#[test]
fn a_long_answer_that_breaks_is_charged_by_what_passed() {
    let text = "x".repeat(40_000);
    let got = play("unpriced", Api::ChatCompletions, CHAT, |exchange| {
        send(exchange);
        answer(exchange, 200, JSON, &[&text]);
        let broken = exchange.broken(Trouble::Broken("reset".to_owned())).expect_err("the connection must break");
        assert!(exchange.commit(), "its header went out with the first piece");
        assert!(!exchange.failed(broken), "the client has seen a part of it");
    });
    assert_eq!((&got["output_tokens"], &got["error"]), (&json!(10_000), &json!("broken")));
}

#[test]
fn figures_of_mid_stream_are_raised_to_what_was_seen_and_priced_at_the_tier_they_name() {
    let figures = "data: {\"choices\":[{\"delta\":{\"content\":\"one two three four five six\"}}],\"service_tier\":\"priority\",\
        \"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"completion_tokens_details\":{\"reasoning_tokens\":2}}}\n\n";
    let got = play("counted", Api::ChatCompletions, STREAM, |exchange| {
        send(exchange);
        answer(exchange, 200, SSE, &[figures]);
        exchange.failed(Trouble::ClientGone);
    });
    assert_eq!(row(&got), (200, 9, 6, "counted", Some("client_gone")), "6 words, 2 of them reasoning");
    assert_eq!(got["reasoning_tokens"], 2);
    let price = crate::catalogue::Catalogue::builtin().find("openai", "gpt-4o-mini").expect("a price");
    let usage = Usage { input: 9, output: 4, reasoning: 2, ..Usage::default() };
    let priority = price.cost(&usage, ServiceTier::Priority).expect("a cost");
    assert_ne!(price.cost(&usage, ServiceTier::Standard), Ok(priority));
    assert_eq!(got["cost_nano_usd"], priority.0);
}

#[test]
fn an_exchange_that_is_dropped_is_settled() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("counted", Api::ChatCompletions, STREAM);
    send(&mut exchange);
    answer(&mut exchange, 200, SSE, &[OUTPUT]);
    drop(exchange);
    let rows = stage.rows();
    assert_eq!(rows.iter().map(row).collect::<Vec<_>>(), [(200, HI, 3, "counted", Some("gateway_stopped"))]);
    assert_eq!(stage.held(), 0);
}

#[test]
fn counting_that_is_never_run_still_charges_and_records() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("counted", Api::ChatCompletions, STREAM);
    send(&mut exchange);
    answer(&mut exchange, 200, SSE, &[OUTPUT]);
    let other = stage.exchange("counted", Api::ChatCompletions, STREAM);
    let attempt = exchange.attempt_mut().expect("under way");
    let booking = Booking::of(attempt, &other.opened, Some(Trouble::ClientGone), Duration::ZERO).expect("open");
    drop(booking);
    let rows = stage.rows();
    let (status, input, output, origin, error) = row(&rows[0]);
    assert_eq!((status, origin, error), (0, "estimated", Some("abandoned")));
    assert!(input > 0 && output > 0, "{input} {output}");
}

#[test]
fn the_access_record_sums_the_attempts_up_once_all_are_counted() {
    let stage = Stage::new();
    let mut exchange = stage.exchange("two", Api::ChatCompletions, STREAM);
    send(&mut exchange);
    // The first attempt is priced and counted, the second one unpriced and reported.
    assert!(exchange.failed(Trouble::FirstToken), "there is another target");
    send(&mut exchange);
    answer(&mut exchange, 200, SSE, &[OUTPUT, USAGE, DONE]);
    end(&mut exchange);
    conclude(&mut exchange, None, 200);
    drop(exchange);
    let rows = stage.rows();
    let costs: Vec<_> = rows.iter().map(|row| row["cost_nano_usd"].clone()).collect();
    assert_eq!(costs, [json!(1_200), Value::Null]);
    let records = stage.access_records();
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!(record["attempts"].as_array().map(Vec::len), Some(2), "{record}");
    assert!(record.to_string().contains("counted"), "the least certain origin stands for the sum: {record}");
    let inputs: Vec<_> = rows.iter().map(|row| row["input_tokens"].as_u64().expect("a number")).collect();
    assert_eq!(inputs, [HI, 100]);
}

#[test]
fn the_access_record_tells_of_figures_that_contradict_themselves() {
    let cut = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7,\
        \"prompt_tokens_details\":{\"cached_tokens\":6}}}\n\n";
    for (usage, want) in [(cut, json!("usage contradicts itself")), (USAGE, Value::Null)] {
        let stage = Stage::new();
        let mut exchange = stage.exchange("counted", Api::ChatCompletions, STREAM);
        send(&mut exchange);
        answer(&mut exchange, 200, SSE, &[OUTPUT, usage, DONE]);
        end(&mut exchange);
        conclude(&mut exchange, None, 200);
        drop(exchange);
        let records = stage.access_records();
        assert_eq!(records[0]["attempts"][0]["reason"], want, "{}", records[0]);
        assert_eq!(stage.rows()[0]["error"], Value::Null, "it was answered");
    }
    let broken = Trouble::Cut;
    let both = reason(Some(&broken), (200, None), true).expect("told");
    assert_eq!(both, format!("{broken}; usage contradicts itself"));
}

/// What a client is told when every target failed.
#[test]
fn the_verdict_follows_from_the_attempts() {
    let limited = |wait| Trouble::Status { status: 429, retry_after: Some(Duration::from_secs(wait)), again: None };
    let broken = || Trouble::Broken("x".to_owned());
    let cases: [(&str, [Trouble; 2], u16, &str); 8] = [
        ("all limited", [limited(9), limited(5)], 429, "upstream_rate_limited"),
        ("one limited", [limited(9), broken()], 502, "upstream_failed"),
        ("limited at last", [broken(), limited(9)], 502, "upstream_failed"),
        ("too slow at last", [broken(), Trouble::FirstToken], 504, "upstream_timeout"),
        ("too slow at first", [Trouble::FirstToken, broken()], 502, "upstream_failed"),
        (
            "our key",
            [broken(), Trouble::Status { status: 401, retry_after: None, again: None }],
            502,
            "upstream_rejected_credentials",
        ),
        (
            "no model",
            [broken(), Trouble::Status { status: 404, retry_after: None, again: None }],
            502,
            "upstream_no_such_model",
        ),
        (
            "limited inside",
            [limited(3), Trouble::InBand { status: 429, message: "m".to_owned() }],
            429,
            "upstream_rate_limited",
        ),
    ];
    for (name, [first, second], status, code) in cases {
        let stage = Stage::new();
        let mut exchange = stage.exchange("two", Api::ChatCompletions, STREAM);
        send(&mut exchange);
        assert!(exchange.failed(first), "{name}: the next one may help");
        send(&mut exchange);
        // Only what is limited for an untold time is asked again.
        assert_eq!(exchange.failed(second), name == "limited inside", "{name}: none is left");
        let verdict = exchange.verdict();
        assert_eq!((verdict.status(), verdict.code()), (status, code), "{name}");
        if name == "all limited" {
            assert_eq!(
                verdict.retry(),
                crate::proxy::reject::Retry::After(Duration::from_secs(5)),
                "the smallest wait"
            );
        }
    }
}
