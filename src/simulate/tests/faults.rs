//! Knobs that break answers, and what the books say then.

use super::{Answer, Bench, CHAT, MESSAGES, RESPONSES, soon};
use crate::simulate::{Knobs, Outcome, Simulator};
use http_body_util::BodyExt;
use serde_json::json;
use sha2::{Digest, Sha256};

fn stream(model: &str) -> String {
    json!({"model": model, "max_tokens": 50, "stream": true, "messages": [{"role": "user", "content": "hi"}]})
        .to_string()
}

#[tokio::test]
async fn a_cut_stream_breaks_after_its_chunks_and_has_no_end_marker() {
    for bench in [Bench::new("").await, Bench::h2("").await] {
        let mut body = bench.send("POST", CHAT, &[], &stream("m?cut=2")).await.into_body();
        let mut text = String::new();
        let broke = loop {
            match body.frame().await {
                Some(Ok(frame)) => text.push_str(&String::from_utf8_lossy(frame.data_ref().expect("data"))),
                Some(Err(_)) => break true,
                None => break false,
            }
        };
        assert!(broke, "the end is not clean");
        assert_eq!(text.matches("data: ").count(), 1 + 2);
        assert_eq!(bench.sim.recorded()[0].outcome, Outcome::Broken);
        assert_eq!(bench.sim.stats().output_tokens_sent, 2);
    }
}

#[tokio::test]
async fn a_cut_answer_is_shorter_than_it_says() {
    let bench = Bench::new("").await;
    let whole = json!({"model": "m?cut=0", "messages": []}).to_string();
    let response = bench.send("POST", CHAT, &[], &whole).await;
    assert_eq!(response.status(), 200);
    assert!(response.into_body().collect().await.is_err());
    assert_eq!(bench.sim.stats().reported, 0, "half of an answer tells of no usage");
}

#[tokio::test]
async fn a_stalled_stream_stays_open_until_the_client_leaves_which_is_noticed() {
    for bench in [Bench::new("").await, Bench::h2("").await] {
        let mut body = bench.send("POST", CHAT, &[], &stream("m?stall=2")).await.into_body();
        let mut events = 0;
        while events < 3 {
            let frame = body.frame().await.expect("a frame").expect("no error");
            events += String::from_utf8_lossy(frame.data_ref().expect("data")).matches("data: ").count();
        }
        assert_eq!((bench.sim.stats().open_streams, bench.sim.stats().aborted), (1, 0));
        drop(body);
        soon("the abort is noticed", || bench.sim.stats().aborted == 1).await;
        let stats = bench.sim.stats();
        assert_eq!((stats.open, stats.open_streams, stats.completed), (0, 0, 0));
        let request = &bench.sim.recorded()[0];
        assert!(request.aborted() && request.ended_after_us.is_some() && request.reported.is_none());
        assert_eq!(request.output_tokens_sent, 2);
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_the_header_is_noticed() {
    for bench in [Bench::new("latency=60s").await, Bench::h2("latency=60s").await] {
        let body = stream("m");
        let request = bench.send("POST", CHAT, &[], &body);
        tokio::select! {
            _ = request => panic!("no answer within a minute"),
            () = soon("the request arrives", || bench.sim.stats().bytes_received > 0) => {}
        }
        soon("the abort is noticed", || bench.sim.stats().aborted == 1).await;
        assert_eq!(bench.sim.stats().open, 0);
    }
}

#[tokio::test]
async fn an_answer_that_nobody_waited_for_is_not_booked_as_sent() {
    let bench = Bench::new("first_token=60s").await;
    let whole = json!({"model": "m", "messages": []}).to_string();
    tokio::select! {
        _ = bench.send("POST", CHAT, &[], &whole) => panic!("no answer within a minute"),
        () = soon("the request is being answered", || bench.sim.stats().prompt_tokens > 0) => {}
    }
    soon("the abort is noticed", || bench.sim.stats().aborted == 1).await;
    let stats = bench.sim.stats();
    assert_eq!((stats.output_tokens_sent, stats.reported, stats.completed), (0, 0, 0));
    assert_eq!(bench.sim.recorded()[0].reported, None);
}

#[tokio::test]
async fn an_error_within_a_stream_has_the_dialects_shape_and_no_end_marker_follows() {
    let bench = Bench::new("error_status=529").await;
    for (after, chunks) in [("0", 0), ("2", 2)] {
        let knobs = format!("m?error_after={after}");
        let chat = bench.ask("POST", CHAT, &[], &stream(&knobs)).await;
        assert_eq!(chat.status, 200);
        let data = chat.data();
        assert_eq!(data.len(), 1 + chunks + 1);
        assert_eq!(data[1 + chunks]["error"]["type"], "server_error");
        assert!(!chat.text.contains("[DONE]"));

        let messages = bench.ask("POST", MESSAGES, &[], &stream(&knobs)).await;
        let events = messages.events();
        assert_eq!(events.len(), 3 + chunks + 1);
        assert_eq!(events[3 + chunks].0, "error");
        assert_eq!(messages.data()[3 + chunks]["error"]["type"], "overloaded_error");

        let body = json!({"model": knobs, "input": "x", "stream": true}).to_string();
        let responses = bench.ask("POST", RESPONSES, &[], &body).await;
        let names: Vec<String> = responses.events().into_iter().map(|(name, _)| name).skip(4 + chunks).collect();
        assert_eq!(names, ["error", "response.failed"]);
        assert_eq!(responses.data().last().expect("an end")["response"]["status"], "failed");
    }
    assert_eq!(bench.sim.stats().broken, 6);
}

#[tokio::test]
async fn splitting_and_line_ends_change_bytes_on_the_way_and_nothing_else() {
    let bench = Bench::new("").await;
    let without_id = |answer: &Answer| {
        let mut data = answer.data();
        for chunk in &mut data {
            chunk["id"] = json!(null);
            chunk["created"] = json!(null);
        }
        data
    };
    let plain = without_id(&bench.ask("POST", CHAT, &[], &stream("m")).await);
    assert_eq!(plain.len(), 1 + 32 + 1);
    for split in [1, 2, 3, 7, 64, 100_000] {
        let answer = bench.ask("POST", CHAT, &[], &stream(&format!("m?split={split}"))).await;
        assert!(answer.text.ends_with("data: [DONE]\n\n"));
        assert_eq!(without_id(&answer), plain);
    }
    let crlf = bench.ask("POST", CHAT, &[], &stream("m?crlf=yes")).await.text;
    assert!(crlf.ends_with("data: [DONE]\r\n\r\n"));
    assert_eq!(crlf.matches('\n').count(), crlf.matches("\r\n").count());
}

#[tokio::test]
async fn the_error_rate_fails_its_share_and_the_same_ones_each_time() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let bench = Bench::new("error_rate=0.3,error_status=500,seed=9").await;
        let body = json!({"model": "m", "messages": []});
        let mut failed = Vec::new();
        for _ in 0..60 {
            failed.push(bench.post(CHAT, &body).await.status == 500);
        }
        assert_eq!(bench.sim.stats().errors, failed.iter().filter(|failed| **failed).count() as u64);
        runs.push(failed);
    }
    assert_eq!(runs[0], runs[1]);
    assert!((8..30).contains(&runs[0].iter().filter(|failed| **failed).count()));
}

#[tokio::test]
async fn the_books_say_what_was_asked_and_answered() {
    let bench = Bench::new("output=5").await;
    let body = json!({"model": "m?output=6", "messages": [{"role": "user", "content": "12345678"}]}).to_string();
    let headers = [("authorization", "Bearer sk-secret"), ("x-simulate", "cached=4")];
    bench.ask("POST", "/v1/chat/completions?beta=true", &headers, &body).await;
    let request = bench.sim.recorded().pop().expect("a request");
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/chat/completions?beta=true"));
    assert_eq!(request.header("authorization"), Some("Bearer sk-secret"));
    assert_eq!((request.model.as_str(), request.stream, request.status), ("m?output=6", false, 200));
    assert_eq!(request.body_sha256, hex::encode(Sha256::digest(&body)));
    assert_eq!(request.body_bytes, body.len() as u64);
    let usage = request.reported.expect("usage").usage();
    assert_eq!((usage.input, usage.cache_read, usage.output), (2, 4, 6));
    assert_eq!(request.outcome, Outcome::Completed);
    let stats = bench.sim.stats();
    assert_eq!((stats.requests, stats.completed, stats.prompt_tokens, stats.output_tokens_sent), (1, 1, 6, 6));
    assert_eq!((stats.reported_input_tokens, stats.reported_output_tokens, stats.connections), (6, 6, 1));
    let page = bench.ask("GET", "/_simulate/stats", &[], "").await.json();
    assert_eq!((&page["by_path"]["/v1/chat/completions"], &page["requests"]), (&json!(1), &json!(1)));
    assert_eq!(page["last_request"]["outcome"], "completed");
}

#[tokio::test]
async fn only_the_last_requests_are_kept() {
    let mut bench = Bench::new("").await;
    bench.sim = Simulator::start(super::anywhere(), Knobs { record: 3, ..Knobs::default() }).await.expect("a port");
    for _ in 0..5 {
        bench.ask("GET", "/v1/models", &[], "").await;
    }
    let numbers: Vec<u64> = bench.sim.recorded().iter().map(|request| request.number).collect();
    assert_eq!(numbers, [3, 4, 5]);
}

#[tokio::test]
async fn a_key_is_checked_where_one_is_asked_for() {
    let mut bench = Bench::new("").await;
    let knobs = Knobs { api_key: Some("sk-real".to_owned()), ..Knobs::default() };
    bench.sim = Simulator::start(super::anywhere(), knobs).await.expect("a port");
    let cases = [
        ("authorization", "Bearer sk-real", 200),
        ("x-api-key", "sk-real", 200),
        ("authorization", "Bearer sk-fake", 401),
        ("authorization", "sk-real", 401),
    ];
    for (name, value, want) in cases {
        let answer = bench.ask("GET", "/v1/models", &[(name, value)], "").await;
        assert_eq!(answer.status, want, "{name}: {value}");
    }
}

#[tokio::test]
async fn requests_fail_in_the_way_that_is_asked_for() {
    let bench = Bench::new("").await;
    let ask = |fault: &str| json!({"model": format!("m?fault={fault}"), "messages": []}).to_string();
    for (fault, status, kind) in
        [("html", 200, "text/html"), ("garbage", 200, "application/json"), ("redirect", 302, "text/html")]
    {
        let response = bench.send("POST", CHAT, &[], &ask(fault)).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (status, &kind.parse().expect("a kind"))
        );
        let body = response.into_body().collect().await.expect("whole").to_bytes();
        assert!(serde_json::from_slice::<serde_json::Value>(&body).is_err(), "{fault} is no answer: {body:?}");
    }
}
