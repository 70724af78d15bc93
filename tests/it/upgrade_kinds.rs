//! An upgrade drops nothing of any kind: HTTP/2 in clear, TLS, and realtime sessions go on to their end on the old process,
//! while what connects anew reaches the new one.

use crate::support::call::{Call, Open, Transport};
use crate::support::config::{KEY, Setup};
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::sample;
use crate::support::script::{Gate, Script};
use crate::support::upstream::Upstream;
use crate::support::websocket::{Sessions, Talk, connect};
use serde_json::{Value, json};
use std::net::SocketAddr;

const CHAT: &str = "/v1/chat/completions";
const KINDS: [Transport; 4] = [Transport::H1, Transport::H2c, Transport::TlsH1, Transport::TlsH2];

/// A stream that goes on when the gate opens.
fn held_stream(gate: &Gate) -> Script {
    let begun = Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("Hel")).wait(gate);
    let rest = begun.body(sample::chat_delta("lo")).body(sample::CHAT_FINISH).body(sample::CHAT_USAGE);
    rest.body(sample::CHAT_DONE).end()
}

fn place(gateway: &Gateway, kind: Transport) -> SocketAddr {
    match kind {
        Transport::H1 | Transport::H2c => gateway.address,
        Transport::TlsH1 | Transport::TlsH2 => gateway.tls_address.expect("it has a listener with TLS"),
    }
}

/// A stream that has begun.
async fn begun(gateway: &Gateway, upstream: &Upstream, gate: &Gate, kind: Transport) -> Open {
    upstream.next(held_stream(gate));
    let call = Call::post(CHAT, sample::CHAT_USAGE_ASK).key(KEY).over(kind);
    let mut stream = call.open(place(gateway, kind)).await;
    assert_eq!(stream.status, 200, "{kind:?}");
    stream.event().await.unwrap_or_else(|| panic!("the stream over {kind:?} has begun"));
    stream
}

/// What the process that answers the admin listener has answered itself.
async fn answered(gateway: &Gateway) -> f64 {
    gateway.metric("weighbridge_proxy_requests_total{api=\"chat_completions\",model=\"fast\",status=\"2xx\"}").await
}

#[tokio::test]
async fn streams_over_http_2_and_tls_end_on_the_old_process_and_new_connections_reach_the_new_one() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_tls().start().await;
    let gate = Gate::new();
    let mut streams = Vec::new();
    for kind in KINDS {
        streams.push((kind, begun(&gateway, &upstream, &gate, kind).await));
    }
    gateway.upgrade(&[]).await.ok();
    for (number, kind) in (1..).zip(KINDS) {
        let call = Call::post(CHAT, sample::CHAT_ASK).key(KEY).over(kind);
        let answer = call.send(place(&gateway, kind)).await;
        assert_eq!(answer.status, 200, "{kind:?}: {}", answer.text());
        eventually("the new process counts it", || async {
            (answered(&gateway).await == f64::from(number)).then_some(())
        })
        .await;
    }
    assert!(gateway.runs(), "the old process waits for its streams");
    gate.open();
    for (kind, stream) in streams {
        let rest = stream.whole().await;
        assert!(rest.unbroken().ends_with(sample::CHAT_DONE), "{kind:?}: {}", rest.text());
    }
    assert!(gateway.exited().await.success(), "it ends behind its last stream");
    let rows = gateway.settled(2 * KINDS.len()).await;
    assert!(rows.iter().all(|row| row.tokens() == (sample::INPUT, sample::OUTPUT)), "{rows:?}");
    gateway.assert_verified().await;
    for kind in KINDS {
        let answer = Call::post(CHAT, sample::CHAT_ASK).key(KEY).over(kind).send(place(&gateway, kind)).await;
        assert_eq!(answer.status, 200, "{kind:?} when the old process is gone");
    }
}

async fn session(gateway: &Gateway, provider: &Sessions) -> (Talk, Talk) {
    let key = format!("Bearer {KEY}");
    let headers = [("authorization", &*key)];
    let (client, upstream) = tokio::join!(connect(gateway.address, "?model=voice", &headers), provider.accept());
    (client.expect("a session"), upstream)
}

/// Both sides are heard.
async fn talks((client, upstream): &mut (Talk, Talk), used: [u64; 4]) {
    client.say(&json!({"type": "response.create"})).await;
    assert_eq!(upstream.hear().await["type"], "response.create");
    upstream.respond(used).await;
    assert_eq!(client.hear().await["type"], "response.created");
    assert_eq!(client.hear().await["type"], "response.done");
}

async fn ends((mut client, mut upstream): (Talk, Talk)) {
    tokio::join!(client.close(), upstream.closed());
    drop(upstream); // a server ends the connection
}

#[tokio::test]
async fn a_realtime_session_goes_on_on_the_old_process_and_a_new_one_begins_on_the_new() {
    let provider = Sessions::start().await;
    let target = "{ provider: a, model: model-a, max_input_tokens: 1000, max_output_tokens: 100 }";
    let setup = Setup::new()
        .provider("a", "openai", &format!("http://{}", provider.address), "")
        .price("model-a", "input: 2, output: 8, cache_read: 0.5, audio_input: 32, audio_output: 64")
        .models_text(&format!("  voice:\n    targets: [{target}]\n"))
        .search("budgets: [{ usd: 100, per: lifetime }]");
    let gateway = setup.start().await;
    let mut old = session(&gateway, &provider).await;
    talks(&mut old, [100, 40, 50, 30]).await;
    gateway.upgrade(&[]).await.ok();
    talks(&mut old, [7, 0, 3, 0]).await;
    let mut new = session(&gateway, &provider).await;
    talks(&mut new, [10, 0, 5, 0]).await;
    talks(&mut old, [20, 0, 10, 0]).await;
    assert!(gateway.runs(), "the old process waits for its session");
    ends(old).await;
    assert!(gateway.exited().await.success(), "it ends behind its last session");
    talks(&mut new, [1, 0, 1, 0]).await;
    ends(new).await;
    // Five responses, and what each session held when it ended.
    let rows = gateway.settled(7).await;
    let mut tokens: Vec<_> = rows.iter().map(|row| row.tokens()).collect();
    tokens.sort_unstable();
    assert_eq!(tokens, [(0, 0), (0, 0), (1, 1), (7, 3), (10, 5), (20, 10), (100, 50)], "{rows:#?}");
    assert!(rows.iter().all(|row| row.0["error"] == Value::Null), "{rows:#?}");
    eventually("nothing is held", || async {
        let held = r#"weighbridge_ledger_budget_reserved{budget="team/search/usd/lifetime",unit="usd"}"#;
        (gateway.metric(held).await == 0.0).then_some(())
    })
    .await;
    gateway.assert_verified().await;
}
