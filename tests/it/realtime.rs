//! Realtime sessions: a websocket that passes byte for byte, is metered by the response, and ends when it may not go on.

use crate::support::call::Call;
use crate::support::config::{KEY, Setup, secret};
use crate::support::gateway::Gateway;
use crate::support::ledger::Row;
use crate::support::websocket::{Refused, Sessions, Talk, connect, done};
use crate::support::{eventually, ports, within};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const VOICE: &str = "?model=voice";

/// Model `voice` at these providers, each of which reads 1,000 tokens at most and says 100.
fn voice(providers: &[&Sessions]) -> Setup {
    let mut setup = Setup::new();
    let mut targets = String::new();
    for (provider, name) in providers.iter().zip(["a", "b"]) {
        setup = setup.provider(name, "openai", &format!("http://{}", provider.address), "");
        setup = setup
            .price(&format!("model-{name}"), "input: 2, output: 8, cache_read: 0.5, audio_input: 32, audio_output: 64");
        targets.push_str(&format!(
            "{{ provider: {name}, model: model-{name}, max_input_tokens: 1000, max_output_tokens: 100 }},"
        ));
    }
    setup.models_text(&format!("  voice:\n    targets: [{targets}]\n"))
}

async fn open(gateway: &Gateway) -> Result<Talk, Refused> {
    connect(gateway.address, VOICE, &[("authorization", &format!("Bearer {KEY}"))]).await
}

/// A session, both ends of it.
async fn session(gateway: &Gateway, provider: &Sessions) -> (Talk, Talk) {
    let (client, upstream) = tokio::join!(open(gateway), provider.accept());
    (client.expect("a session"), upstream)
}

fn refused(answer: Result<Talk, Refused>) -> (u16, String) {
    let refused = answer.err().expect("no session");
    (refused.status, refused.code)
}

/// The access record of the only session.
async fn record(gateway: &Gateway) -> Value {
    eventually("the session is recorded", || async {
        gateway.access_records().into_iter().find(|record| record["api"] == "realtime")
    })
    .await
}

/// The rows of the only session, by their number.
async fn rows(gateway: &Gateway, count: usize) -> Vec<Row> {
    let mut rows = gateway.settled(count).await;
    rows.sort_by_key(Row::attempt);
    rows
}

fn costs(rows: &[Row]) -> Vec<u64> {
    rows.iter().map(|row| row.number("cost_nano_usd")).collect()
}

#[tokio::test]
async fn a_browser_opens_a_session_with_the_key_in_a_subprotocol_which_no_provider_sees() {
    let provider = Sessions::start().await;
    let gateway = voice(&[&provider]).start().await;
    let offer = format!("realtime, openai-insecure-api-key.{KEY}, openai-beta.realtime-v1");
    let headers = [
        ("sec-websocket-protocol", &*offer),
        ("openai-beta", "realtime=v1"),
        ("cookie", "secret"),
        ("x-request-id", "mine"),
    ];
    let (client, upstream) =
        tokio::join!(connect(gateway.address, "?model=voice&trace=1&api-key=x&m=%6dodel", &headers), provider.accept());
    let (mut client, upstream) = (client.expect("a session"), upstream);
    assert_eq!(upstream.target, "/v1/realtime?model=model-a", "nothing else of the query goes up");
    assert_eq!(upstream.header("authorization"), Some(&*format!("Bearer {}", secret("a"))));
    assert_eq!(upstream.header("sec-websocket-protocol"), Some("realtime, openai-beta.realtime-v1"));
    assert_eq!(upstream.header("openai-beta"), Some("realtime=v1"));
    assert_eq!((upstream.header("cookie"), upstream.header("sec-websocket-extensions")), (None, None));
    assert!(upstream.head.iter().all(|(_, value)| !value.contains(KEY)), "{:?}", upstream.head);
    assert_eq!(client.header("sec-websocket-protocol"), Some("realtime"));
    assert_eq!(client.header("x-weighbridge-model"), Some("a/model-a"));
    assert_eq!(client.header("x-request-id"), Some("mine"));
    drop(upstream);
    client.closed().await;
}

/// Whatever the frames and wherever the network cuts them: fragments, pings between them, bytes, sound.
#[tokio::test]
async fn frames_pass_byte_for_byte_both_ways() {
    let provider = Sessions::start().await;
    let gateway = voice(&[&provider]).start().await;
    let (client, upstream) = session(&gateway, &provider).await;
    let (mut client, mut upstream) = (client.socket.into_inner(), upstream.socket.into_inner());
    let mut up = vec![0x01, 0x83, 1, 2, 3, 4, b'a', b'b', b'c', 0x89, 0x80, 9, 9, 9, 9, 0x80, 0x80, 0, 0, 0, 0];
    up.extend([0x82, 0xfe, 0x10, 0x00, 7, 7, 7, 7]);
    up.extend([0x55; 4096]);
    let mut down = vec![0x01, 3, b'{', b'"', b'a', 0x8a, 1, b'!', 0x80, 4, b'"', b':', b'1', b'}', 0x82, 127];
    down.extend(70_000u64.to_be_bytes());
    down.extend((0..70_000u32).map(|n| n as u8));
    let send = |mut from: tokio::net::TcpStream, bytes: Vec<u8>| async move {
        for piece in bytes.chunks(1_001) {
            from.write_all(piece).await.expect("it is read");
            tokio::task::yield_now().await;
        }
        from
    };
    (client, upstream) = {
        let client = send(client, up.clone()).await;
        let mut seen = vec![0; up.len()];
        within("the client's bytes", upstream.read_exact(&mut seen)).await.expect("they come");
        assert!(seen == up, "as they were sent");
        (client, send(upstream, down.clone()).await)
    };
    let mut seen = vec![0; down.len()];
    within("the provider's bytes", client.read_exact(&mut seen)).await.expect("they come");
    assert!(seen == down, "as they were sent");
    drop(upstream);
}

#[tokio::test]
async fn each_response_has_a_row_with_its_exact_usage_and_a_transcription_its_own() {
    let provider = Sessions::start().await;
    let setup = voice(&[&provider]).price("scribe", "input: 1, output: 2, audio_input: 3");
    let gateway = setup.search("budgets: [{ usd: 100, per: lifetime }]").start().await;
    let (mut client, mut upstream) = session(&gateway, &provider).await;
    let transcription = json!({"audio": {"input": {"transcription": {"model": "scribe"}}}});
    upstream.say(&json!({"type": "session.created", "session": transcription})).await;
    client.hear().await;
    client.say(&json!({"type": "response.create"})).await;
    upstream.hear().await;
    upstream.respond([100, 40, 50, 30]).await;
    let transcribed = json!({"type": "conversation.item.input_audio_transcription.completed", "transcript": "hi",
        "usage": {"type": "tokens", "input_tokens": 10, "input_token_details": {"audio_tokens": 10}, "output_tokens": 5}});
    upstream.say(&transcribed).await;
    upstream.respond([7, 0, 3, 0]).await;
    for _ in 0..5 {
        client.hear().await;
    }
    tokio::join!(client.close(), upstream.closed());
    drop(upstream); // a server ends the connection
    let rows = rows(&gateway, 4).await;
    let tokens: Vec<_> = rows.iter().map(Row::tokens).collect();
    assert_eq!(tokens, [(100, 50), (7, 3), (10, 5), (0, 0)], "{rows:#?}");
    // 60 × 2 + 40 × 32 + 20 × 8 + 30 × 64; 7 × 2 + 3 × 8; 10 × 3 + 5 × 2: in thousands of nano-dollars.
    assert_eq!(costs(&rows), [3_480_000, 38_000, 40_000, 0]);
    assert!(rows.iter().all(|row| row.0["error"].is_null()), "{rows:#?}");
    let record = record(&gateway).await;
    assert_eq!((&record["status"], &record["close_code"]), (&json!(101), &json!(1000)), "{record}");
    assert_eq!((&record["input_tokens"], &record["output_tokens"]), (&json!(117), &json!(58)), "{record}");
    assert_eq!(record["cost_nano_usd"], json!(3_558_000), "{record}");
    let used = gateway.metric(r#"weighbridge_ledger_budget_used{budget="team/search/usd/lifetime",unit="usd"}"#).await;
    assert!((used - 0.003_558).abs() < 1e-12, "nothing stays held: {used}");
    gateway.assert_verified().await;
}

#[tokio::test]
async fn what_is_no_session_is_refused_before_the_upgrade() {
    let provider = Sessions::start().await;
    let setup = voice(&[&provider]).provider("claude", "anthropic", &format!("http://{}", provider.address), "");
    let setup = setup.target("words", "claude", "claude-haiku-4-5");
    let setup = setup.key("narrow", "search", "wb-narrow-key-0123456789", "models: [words]");
    let gateway =
        setup.key("slow", "search", "wb-slow-key-0123456789", "limits: [{ requests: 1, per: day }]").start().await;
    let (bearer, slow) = (format!("Bearer {KEY}"), "Bearer wb-slow-key-0123456789");
    let keyed = [("authorization", &*bearer)];
    assert_eq!(refused(connect(gateway.address, VOICE, &[]).await), (401, "missing_api_key".to_owned()));
    let wrong =
        connect(gateway.address, VOICE, &[("sec-websocket-protocol", "realtime, openai-insecure-api-key.wb-no")]).await;
    assert_eq!(refused(wrong).0, 401);
    for (query, status, code) in [
        ("", 400, "invalid_request"),
        ("?intent=transcription", 400, "invalid_request"),
        ("?model=voice&%6dodel=gpt-realtime", 400, "invalid_request"),
        ("?model=voice&call_id=rtc_1", 400, "invalid_request"),
        ("?model=nobody", 404, "model_not_found"),
        ("?model=words", 400, "dialect_not_supported"),
        ("/client_secrets", 400, "invalid_request"),
        ("/calls?model=voice", 400, "invalid_request"),
    ] {
        assert_eq!(refused(connect(gateway.address, query, &keyed).await), (status, code.to_owned()), "{query}");
    }
    let narrow = connect(gateway.address, VOICE, &[("api-key", "wb-narrow-key-0123456789")]).await;
    assert_eq!(refused(narrow), (403, "model_not_allowed".to_owned()));
    let plain = Call::get("/v1/realtime?model=voice").key(KEY).send(gateway.address).await;
    assert_eq!((plain.status, plain.field("upgrade")), (426, Some("websocket")), "{}", plain.text());
    let slow = [("authorization", slow)];
    let (first, upstream) = tokio::join!(connect(gateway.address, VOICE, &slow), provider.accept());
    drop((first.expect("a session"), upstream));
    assert_eq!(refused(connect(gateway.address, VOICE, &slow).await), (429, "limit_reached".to_owned()));
    gateway.assert_serves().await;
}

#[tokio::test]
async fn the_next_target_takes_a_session_that_the_first_did_not() {
    let (first, second) = (Sessions::start().await, Sessions::start().await);
    let gateway = voice(&[&first, &second]).start().await;
    let (client, (), mut upstream) = tokio::join!(open(&gateway), first.refuse(503), second.accept());
    let mut client = client.expect("a session");
    assert_eq!(
        (client.header("x-weighbridge-model"), client.header("x-weighbridge-attempts")),
        (Some("b/model-b"), Some("2"))
    );
    upstream.respond([2, 0, 1, 0]).await;
    client.hear().await;
    client.hear().await;
    tokio::join!(client.close(), upstream.closed());
    drop(upstream); // a server ends the connection
    let rows = rows(&gateway, 3).await;
    assert_eq!(rows.iter().map(|row| row.number("status")).collect::<Vec<_>>(), [503, 101, 101], "{rows:#?}");
    assert_eq!(rows.iter().map(Row::tokens).collect::<Vec<_>>(), [(0, 0), (2, 1), (0, 0)], "{rows:#?}");
}

#[tokio::test]
async fn a_session_that_no_target_takes_is_refused_with_the_reason() {
    let provider = Sessions::start().await;
    let gateway = voice(&[&provider]).start().await;
    let (answer, ()) = tokio::join!(open(&gateway), provider.refuse(401));
    assert_eq!(refused(answer), (502, "upstream_rejected_credentials".to_owned()));
    let limited = async {
        for _ in 0..4 {
            provider.refuse(429).await; // the same one is tried again
        }
    };
    let (answer, ()) = tokio::join!(open(&gateway), limited);
    assert_eq!(refused(answer), (429, "upstream_rate_limited".to_owned()));
    let nobody = Setup::new().provider("a", "openai", &format!("http://{}", ports::free()), "");
    let gateway = nobody.target("voice", "a", "model-a").start().await;
    assert_eq!(refused(open(&gateway).await), (502, "upstream_failed".to_owned()));
}

#[tokio::test]
async fn a_session_ends_with_an_event_and_1008_when_the_next_response_cannot_be_paid() {
    let provider = Sessions::start().await;
    // Enough for the dearest response once (1,000 × 32 + 100 × 64 millionths), and not for another one behind the first.
    let setup = voice(&[&provider]).search("budgets: [{ usd: 0.04, per: lifetime }]");
    let gateway = setup.start().await;
    let (mut client, mut upstream) = session(&gateway, &provider).await;
    upstream.respond([100, 100, 50, 50]).await;
    assert_eq!(client.hear().await["type"], "response.created");
    assert_eq!(client.hear().await["type"], "response.done", "what was paid for is told");
    let error = client.hear().await;
    assert_eq!((&error["type"], &error["error"]["code"]), (&json!("error"), &json!("budget_exhausted")), "{error}");
    assert_eq!(client.closed().await, Some(1008));
    assert_eq!(upstream.closed().await, None, "the provider is let go");
    let rows = rows(&gateway, 1).await;
    assert_eq!(costs(&rows), [6_400_000]);
    assert_eq!(refused(open(&gateway).await), (402, "budget_exhausted".to_owned()), "nor is there another one");
    assert_eq!(record(&gateway).await["code"], "budget_exhausted");
    gateway.assert_verified().await;
}

#[tokio::test]
async fn a_session_ends_when_it_passes_a_limit_on_tokens_and_counts_as_one_for_others() {
    let provider = Sessions::start().await;
    let setup = voice(&[&provider]).search("limits: [{ tokens: 100, per: day }, { concurrent: 1 }]");
    let gateway = setup.start().await;
    let (mut client, mut upstream) = session(&gateway, &provider).await;
    upstream.respond([30, 0, 20, 0]).await;
    client.hear().await;
    client.hear().await;
    assert_eq!(refused(open(&gateway).await), (429, "limit_reached".to_owned()), "one session at a time");
    upstream.respond([60, 0, 20, 0]).await;
    client.hear().await;
    client.hear().await;
    let error = client.hear().await;
    assert_eq!(error["error"]["code"], "limit_reached", "{error}");
    assert_eq!(client.closed().await, Some(1008));
    let rows = rows(&gateway, 2).await;
    assert_eq!(rows.iter().map(Row::tokens).collect::<Vec<_>>(), [(30, 20), (60, 20)]);
}

#[tokio::test]
async fn a_session_of_a_revoked_key_is_cut_within_a_second_though_nobody_says_anything() {
    let provider = Sessions::start().await;
    let gateway = voice(&[&provider]).with_admin().auth("on_revoke", "cut").start().await;
    let key = gateway.new_key(json!({"name": "ci", "team": "search"})).await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", &*bearer)];
    let (client, mut upstream) = tokio::join!(connect(gateway.address, VOICE, &headers), provider.accept());
    let mut client = client.expect("a session");
    upstream.say(&json!({"type": "response.created", "response": {}})).await;
    upstream.say(&json!({"type": "response.output_text.delta", "delta": "Hi"})).await;
    client.hear().await;
    client.hear().await;
    assert_eq!(gateway.admin("DELETE", "/keys/ci", Value::Null).await.status, 200);
    let error = client.hear().await;
    assert_eq!(error["error"]["code"], "caller_revoked", "{error}");
    assert_eq!(client.closed().await, Some(1008));
    assert_eq!(upstream.closed().await, None);
    let row = gateway.only_row().await;
    assert_eq!(
        (row.text("error"), row.text("usage_origin")),
        ("caller_revoked", "estimated"),
        "it was under way: {}",
        row.0
    );
}

#[tokio::test]
async fn kill_9_in_mid_session_loses_no_row() {
    let provider = Sessions::start().await;
    let setup = voice(&[&provider]).search("budgets: [{ usd: 100, per: lifetime }]");
    let gateway = setup.start().await;
    let (mut client, mut upstream) = session(&gateway, &provider).await;
    upstream.respond([100, 0, 50, 0]).await;
    client.hear().await;
    client.hear().await;
    gateway.kill();
    gateway.start_again().await;
    let rows = rows(&gateway, 2).await;
    assert_eq!(rows.iter().map(Row::tokens).collect::<Vec<_>>(), [(100, 50), (0, 0)], "{rows:#?}");
    gateway.assert_verified().await;
}

#[tokio::test]
async fn a_session_that_outlives_the_drain_is_closed_with_1001() {
    let provider = Sessions::start().await;
    let gateway = voice(&[&provider]).server("drain_timeout", "1s").start().await;
    let (mut client, mut upstream) = session(&gateway, &provider).await;
    gateway.terminate();
    eventually("readiness goes", || async { (gateway.admin_status("/readyz").await != Some(200)).then_some(()) }).await;
    upstream.respond([3, 0, 2, 0]).await;
    client.hear().await;
    client.hear().await;
    let error = client.hear().await;
    assert_eq!(error["error"]["code"], "gateway_stopped", "{error}");
    assert_eq!(client.closed().await, Some(1001));
    assert!(gateway.exited().await.success());
    let rows = rows(&gateway, 2).await;
    assert_eq!(rows.iter().map(Row::tokens).collect::<Vec<_>>(), [(3, 2), (0, 0)], "{rows:#?}");
    gateway.assert_verified().await;
}

#[tokio::test]
async fn a_malformed_frame_of_either_side_ends_the_session() {
    let provider = Sessions::start().await;
    let gateway = voice(&[&provider]).start().await;
    let (client, mut upstream) = session(&gateway, &provider).await;
    let mut raw = client.socket.into_inner();
    // Not masked.
    raw.write_all(&[0x81, 0x01, b'x']).await.expect("it is read");
    let mut told = Vec::new();
    within("the end", raw.read_to_end(&mut told)).await.expect("it ends");
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(told.contains("invalid_websocket_frame"), "{told}");
    assert_eq!(upstream.closed().await, None, "nothing of it went up");
    let (mut client, upstream) = session(&gateway, &provider).await;
    let mut raw = upstream.socket.into_inner();
    // A reserved bit.
    raw.write_all(&[0xc1, 0x01, b'x']).await.expect("it is read");
    assert_eq!(client.closed().await, None, "nothing can be put behind it");
    gateway.settled(2).await;
}

/// The response that another one runs beside is charged, too, and debt is told.
#[tokio::test]
async fn responses_side_by_side_are_charged_each() {
    let provider = Sessions::start().await;
    let gateway = voice(&[&provider]).start().await;
    let (mut client, mut upstream) = session(&gateway, &provider).await;
    for event in [
        json!({"type": "response.created", "response": {}}),
        json!({"type": "response.created", "response": {}}),
        done([10, 0, 5, 0]),
        done([20, 0, 6, 0]),
    ] {
        upstream.say(&event).await;
        client.hear().await;
    }
    tokio::join!(client.close(), upstream.closed());
    drop(upstream); // a server ends the connection
    let rows = rows(&gateway, 3).await;
    assert_eq!(rows.iter().map(Row::tokens).collect::<Vec<_>>(), [(10, 5), (20, 6), (0, 0)]);
}

/// A second one beside the first needs money of its own before the provider hears of it.
#[tokio::test]
async fn a_response_beside_another_is_held_for_before_it_goes_up() {
    let provider = Sessions::start().await;
    // Enough for the dearest response once, and not twice.
    let gateway = voice(&[&provider]).search("budgets: [{ usd: 0.05, per: lifetime }]").start().await;
    let (mut client, mut upstream) = session(&gateway, &provider).await;
    client.say(&json!({"type": "response.create", "response": {"conversation": "none"}})).await;
    upstream.hear().await;
    upstream.say(&json!({"type": "response.created", "response": {"id": "one"}})).await;
    client.hear().await;
    client.say(&json!({"type": "response.create", "response": {"conversation": "none"}})).await;
    let error = client.hear().await;
    assert_eq!(error["error"]["code"], "budget_exhausted", "{error}");
    assert_eq!(client.closed().await, Some(1008));
    assert_eq!(upstream.closed().await, None, "the second one did not go up whole");
    gateway.assert_verified().await;
}

#[tokio::test]
async fn a_cut_settles_a_row_for_each_response_under_way() {
    let provider = Sessions::start().await;
    let gateway = voice(&[&provider]).start().await;
    let (mut client, mut upstream) = session(&gateway, &provider).await;
    for id in ["one", "two"] {
        upstream.say(&json!({"type": "response.created", "response": {"id": id}})).await;
        upstream.say(&json!({"type": "response.output_text.delta", "response_id": id, "delta": "Hi"})).await;
        client.hear().await;
        client.hear().await;
    }
    tokio::join!(client.close(), upstream.closed());
    drop(upstream); // a server ends the connection
    let rows = rows(&gateway, 2).await;
    assert_eq!(rows.iter().map(Row::tokens).collect::<Vec<_>>(), [(0, 1), (0, 1)]);
    assert!(rows.iter().all(|row| row.text("usage_origin") == "estimated"), "{rows:#?}");
}

#[tokio::test]
async fn a_provider_that_ends_without_a_close_frame_broke_the_session() {
    let provider = Sessions::start().await;
    let gateway = voice(&[&provider]).start().await;
    let (mut client, upstream) = session(&gateway, &provider).await;
    drop(upstream);
    let error = client.hear().await;
    assert_eq!(error["error"]["code"], "upstream_failed", "{error}");
    assert_eq!(client.closed().await, Some(1011));
    let record = record(&gateway).await;
    assert_eq!(
        (&record["code"], &record["attempts"][0]["outcome"]),
        (&json!("upstream_failed"), &json!("broken")),
        "{record}"
    );
}

#[tokio::test]
async fn a_transcriber_without_a_price_ends_a_session_under_a_dollar_budget_and_so_does_another_model() {
    let provider = Sessions::start().await;
    let gateway = voice(&[&provider]).search("budgets: [{ usd: 100, per: lifetime }]").start().await;
    let (mut client, mut upstream) = session(&gateway, &provider).await;
    let unknown = json!({"audio": {"input": {"transcription": {"model": "nobody-knows"}}}});
    upstream.say(&json!({"type": "session.updated", "session": unknown})).await;
    client.hear().await;
    let error = client.hear().await;
    assert_eq!(error["error"]["code"], "budget_price_unknown", "{error}");
    assert_eq!(client.closed().await, Some(1008));
    let (mut client, mut upstream) = session(&gateway, &provider).await;
    for (event, model) in [("created", "model-a-2026"), ("updated", "model-a"), ("updated", "dearer")] {
        upstream.say(&json!({"type": format!("session.{event}"), "session": {"model": model}})).await;
        client.hear().await;
    }
    let error = client.hear().await;
    assert_eq!(error["error"]["code"], "session_model_changed", "{error}");
}

/// What was put into writing was used: it is charged past the limit, and the session ends then.
#[tokio::test]
async fn a_transcription_past_the_limit_is_charged_as_debt() {
    let provider = Sessions::start().await;
    let setup = voice(&[&provider]).price("scribe", "input: 1, output: 2, audio_input: 3000");
    let gateway = setup.search("budgets: [{ usd: 0.05, per: lifetime }]").start().await;
    let (mut client, mut upstream) = session(&gateway, &provider).await;
    let transcription = json!({"audio": {"input": {"transcription": {"model": "scribe"}}}});
    upstream.say(&json!({"type": "session.created", "session": transcription})).await;
    client.hear().await;
    let transcribed = json!({"type": "conversation.item.input_audio_transcription.completed", "transcript": "hi",
        "usage": {"type": "tokens", "input_tokens": 20, "input_token_details": {"audio_tokens": 20}, "output_tokens": 0}});
    upstream.say(&transcribed).await;
    client.hear().await;
    let error = client.hear().await;
    assert_eq!(error["error"]["code"], "budget_exhausted", "{error}");
    let rows = rows(&gateway, 2).await;
    assert_eq!(costs(&rows), [0, 60_000_000], "{rows:#?}");
    let used = gateway.metric(r#"weighbridge_ledger_budget_used{budget="team/search/usd/lifetime",unit="usd"}"#).await;
    assert!((used - 0.06).abs() < 1e-9, "{used}");
    gateway.assert_verified().await;
}
