//! `kill -9` at any moment loses no row and counts none twice: what the upstream got is compared with what the ledger
//! says, and what a budget has used with what the rows cost.

use crate::support::call::Call;
use crate::support::config::{KEY, Setup};
use crate::support::h1::H1;
use crate::support::sample;
use crate::support::upstream::Upstream;
use crate::support::within;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Kills; `WEIGHBRIDGE_KILL_ROUNDS` makes it a long run (see load-tests/money).
const ROUNDS: u64 = 24;
/// Requests of a round, before one of which it is killed; `WEIGHBRIDGE_KILL_REQUESTS` makes rounds longer.
const REQUESTS: u64 = 60;
const CLIENTS: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_is_lost_and_none_is_double_when_the_process_is_killed_under_load() {
    let upstream = Upstream::start().await;
    let setup = Setup::openai(&[&upstream]).search("budgets: [{ usd: 1000000, per: lifetime }]");
    let gateway = setup.state("segment_bytes", 65_536).start().await;
    let labels = Arc::new(AtomicU64::new(0));
    let rounds = number("WEIGHBRIDGE_KILL_ROUNDS").unwrap_or(ROUNDS);
    let requests = number("WEIGHBRIDGE_KILL_REQUESTS").unwrap_or(REQUESTS);
    let mut under_load = Duration::ZERO;
    for round in 0..rounds {
        if round > 0 {
            gateway.start_again().await;
        }
        let began = Instant::now();
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(ask_until_it_dies(gateway.address, Arc::clone(&labels)));
        }
        // At a random moment of the work: after some requests, and somewhere within the next ones.
        let random = getrandom::u64().expect("the system has randomness");
        let mark = upstream.count() + usize::try_from(random % requests).expect("small");
        upstream.begun(mark).await;
        for _ in 0..(random >> 32) % 400 {
            tokio::task::yield_now().await;
        }
        gateway.kill();
        under_load += began.elapsed();
        within("the clients notice", async { while clients.join_next().await.is_some() {} }).await;
        assert_whole(&upstream, &gateway, &format!("right after kill {round}")).await;
        gateway.assert_verified().await;
    }
    gateway.start_again().await;
    assert_whole(&upstream, &gateway, "after the last restart").await;
    gateway.assert_verified().await;
    let rows = gateway.rows().await;
    assert!(rows.iter().all(|row| row.settled()), "nothing stays open");
    let reported = rows.iter().filter(|row| row.text("usage_origin") == "reported").count();
    assert!(reported * 2 > rows.len(), "most were settled before a kill: {reported} of {}", rows.len());
    let cost: u64 = rows.iter().map(|row| row.number("cost_nano_usd")).sum();
    let used = gateway.metric(BUDGET_USED).await;
    assert!((used * 1e9 - cost as f64).abs() < 1.0, "{used} USD are used, and the rows cost {cost} nano-dollars");
    let seconds = under_load.as_secs_f64();
    println!(
        "{{\"kills\":{rounds},\"requests\":{},\"seconds_under_load\":{seconds:.3},\"rps\":{:.0},\"rows\":{},\"reported\":{reported},\"lost\":0,\"double\":0,\"cost_nano_usd\":{cost},\"budget_used_usd\":{used}}}",
        upstream.count(),
        upstream.count() as f64 / seconds,
        rows.len(),
    );
}

/// What the team's budget has used, in dollars.
const BUDGET_USED: &str = r#"weighbridge_ledger_budget_used{budget="team/search/usd/lifetime",unit="usd"}"#;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok().filter(|n| *n > 0)
}

/// One client: requests in turn, each with a label of its own in its head and body.
async fn ask_until_it_dies(address: SocketAddr, labels: Arc<AtomicU64>) {
    let Ok(socket) = tokio::net::TcpStream::connect(address).await else { return };
    socket.set_nodelay(true).expect("a connected socket");
    let mut client = H1::over(Box::new(socket));
    loop {
        let label = labels.fetch_add(1, Ordering::Relaxed);
        let stream = if label.is_multiple_of(3) { ",\"stream\":true" } else { "" };
        let body = format!("{{\"model\":\"fast\",\"label\":\"n-{label}\",\"messages\":[]{stream}}}");
        let call = Call::post("/v1/chat/completions", body).key(KEY).field("x-request-id", &format!("n-{label}"));
        if !client.send(&call).await || client.head().await.is_none() {
            return;
        }
        loop {
            match client.piece().await {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

/// Each request that the upstream got has one row, and no row is there twice.
async fn assert_whole(upstream: &Upstream, gateway: &crate::support::gateway::Gateway, when: &str) {
    let mut rows: BTreeMap<String, usize> = BTreeMap::new();
    for row in gateway.rows().await {
        *rows.entry(row.text("request_id").to_owned()).or_default() += 1;
        if row.text("usage_origin") == "reported" {
            assert_eq!(row.tokens(), (sample::INPUT, sample::OUTPUT), "{when}: {}", row.0);
        }
    }
    let double: Vec<_> = rows.iter().filter(|(_, count)| **count != 1).collect();
    assert!(double.is_empty(), "{when}: rows that are there twice: {double:?}");
    let seen = upstream.requests();
    let labels: BTreeSet<String> =
        seen.iter().filter(|r| r.whole).filter_map(|r| r.json()["label"].as_str().map(str::to_owned)).collect();
    let lost: Vec<_> = labels.iter().filter(|label| !rows.contains_key(*label)).collect();
    assert!(lost.is_empty(), "{when}: the upstream got what has no row: {lost:?}");
}
