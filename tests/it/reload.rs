//! The configuration is read anew while the gateway serves: all of it or nothing, and nobody notices.

use crate::support::call::{Answer, Call};
use crate::support::certs::Certs;
use crate::support::config::{ADMIN_TOKEN, KEY, Setup};
use crate::support::gateway::{Gateway, run};
use crate::support::sample;
use crate::support::script::{Gate, Script};
use crate::support::upstream::Upstream;
use crate::support::{eventually, within};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

const CHAT: &str = "/v1/chat/completions";

async fn chat(gateway: &Gateway, key: &str) -> Answer {
    Call::post(CHAT, sample::CHAT_ASK).key(key).send(gateway.address).await
}

async fn reload(gateway: &Gateway) -> Value {
    let answer = gateway.admin("POST", "/reload", Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn last(gateway: &Gateway) -> Value {
    gateway.admin("GET", "/reload", Value::Null).await.json()
}

fn paths(told: &Value) -> Vec<&str> {
    told["changes"].as_array().into_iter().flatten().filter_map(|change| change["path"].as_str()).collect()
}

#[tokio::test]
async fn a_request_under_way_keeps_the_configuration_that_it_was_admitted_under() {
    let (old, new) = (Upstream::start().await, Upstream::start().await);
    let gate = Gate::new();
    let script = Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("Hel")).wait(&gate);
    old.next(
        script
            .body(sample::chat_delta("lo"))
            .body(sample::CHAT_FINISH)
            .body(sample::CHAT_USAGE)
            .body(sample::CHAT_DONE)
            .end(),
    );
    let gateway = Setup::openai(&[&old]).with_admin().start().await;
    let mut stream = gateway.open(CHAT, sample::CHAT_USAGE_ASK).await;
    stream.event().await.expect("the stream has begun");
    gateway.edit(|text| {
        text.replace(&old.address.to_string(), &new.address.to_string()).replace("input: 2,", "input: 4,")
    });
    let told = reload(&gateway).await;
    assert_eq!((&told["outcome"], &told["generation"]), (&json!("reloaded"), &json!(1)));
    assert_eq!(paths(&told), ["prices.model-a.input", "providers.a.base_url"]);
    assert_eq!((&told["changes"][0]["from"], &told["changes"][0]["to"]), (&json!("2"), &json!("4")));
    assert_eq!(told["changes"][1]["to"], Value::Null, "what stands beside credentials is not shown");
    assert_eq!(chat(&gateway, KEY).await.status, 200);
    assert_eq!((old.count(), new.count()), (1, 1), "the next request goes to the new place");
    gate.open();
    let rest = stream.whole().await;
    assert!(rest.unbroken().ends_with(sample::CHAT_DONE), "{}", rest.text());
    let rows = gateway.settled(2).await;
    assert_eq!(rows[0].tokens(), rows[1].tokens());
    let costs = rows.iter().map(|row| row.number("cost_nano_usd"));
    let (least, most) = costs.fold((u64::MAX, 0), |(least, most), cost| (least.min(cost), most.max(cost)));
    assert!(least < most, "each at the price that it was admitted under: {rows:?}");
    let acts = gateway.admin("GET", "/audit", Value::Null).await.text().to_owned();
    assert!(acts.contains("configuration.reload"), "{acts}");
    gateway.assert_verified().await;
}

#[tokio::test]
async fn a_file_with_a_mistake_changes_nothing_and_is_told_with_path_and_line() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let right = std::fs::read_to_string(gateway.config()).expect("a file");
    gateway.edit(|text| text.replace("provider: a,", "provider: nobody,"));
    let refused = gateway.admin("POST", "/reload", Value::Null).await;
    assert_eq!(refused.admin_error(422), "configuration_refused");
    let line = right.lines().position(|line| line.contains("provider: a,")).expect("it is there") + 1;
    let place = format!("weighbridge.yaml:{line}: models.fast.targets[0].provider: ");
    assert!(refused.text().contains(&place), "{place} in {}", refused.text());
    gateway.hang_up();
    eventually("the signal was heard", || async { (last(&gateway).await["last"]["cause"] == "signal").then_some(()) })
        .await;
    let told = last(&gateway).await;
    assert_eq!((&told["last"]["outcome"], &told["generation"]), (&json!("refused"), &json!(0)));
    assert_eq!(chat(&gateway, KEY).await.status, 200, "the last good one holds");
    gateway.shows("weighbridge_config_last_reload_successful", 0.0).await;
    gateway.shows("weighbridge_config_reloads_total{cause=\"api\",outcome=\"refused\"}", 1.0).await;
    gateway.edit(|_| right);
    gateway.hang_up();
    eventually("it is right again", || async { (last(&gateway).await["generation"] == 1).then_some(()) }).await;
    gateway.shows("weighbridge_config_last_reload_successful", 1.0).await;
    gateway.shows("weighbridge_config_generation", 1.0).await;
}

#[tokio::test]
async fn what_was_counted_and_spent_counts_on() {
    let upstream = Upstream::start().await;
    let rules = "limits: [{ requests: 2, per: hour }], budgets: [{ usd: 1, per: day }]";
    let gateway = Setup::openai(&[&upstream]).search(rules).with_admin().start().await;
    assert_eq!(chat(&gateway, KEY).await.status, 200);
    let spent = |budgets: Value| budgets["budgets"][0]["settled"].as_i64().expect("a budget");
    let before = spent(gateway.admin("GET", "/budgets", Value::Null).await.json());
    assert!(before > 0);
    gateway.edit(|text| text.replace("requests: 2,", "requests: 3,").replace("usd: 1,", "usd: 2,"));
    reload(&gateway).await;
    let after = gateway.admin("GET", "/budgets", Value::Null).await.json();
    assert_eq!((spent(after.clone()), &after["budgets"][0]["limit"]), (before, &json!(2_000_000_000)));
    for (count, status, why) in [(2, 200, "one was used before"), (3, 200, "the third"), (4, 429, "no more")] {
        assert_eq!(chat(&gateway, KEY).await.status, status, "{why}");
        gateway.over(count).await;
    }
    assert_eq!(upstream.connections(), 1, "connections to a provider that did not change go on");
    gateway.assert_verified().await;
}

#[tokio::test]
async fn keys_of_the_file_come_and_go_at_once_and_those_made_at_run_time_stay() {
    let upstream = Upstream::start().await;
    let (gone, come) = ("wb-key-that-goes-0123456789", "wb-key-that-comes-0123456789");
    let setup = Setup::openai(&[&upstream]).with_admin();
    let gateway = setup.key("other", "search", gone, "").start().await;
    let made = gateway.new_key(json!({"name": "made", "team": "search"})).await;
    assert_eq!(chat(&gateway, gone).await.status, 200);
    let hash = |key: &str| hex::encode(<sha2::Sha256 as sha2::Digest>::digest(key.as_bytes()));
    gateway.edit(|text| text.replace(&hash(gone), &hash(come)).replace(ADMIN_TOKEN, "another-admin-token-0123456789"));
    reload(&gateway).await;
    assert_eq!(chat(&gateway, gone).await.openai_error(401), "invalid_api_key");
    for key in [come, KEY, &made] {
        assert_eq!(chat(&gateway, key).await.status, 200);
    }
    let old = gateway.admin("GET", "/status", Value::Null).await;
    assert_eq!(old.admin_error(401), "invalid_token", "the admin's token is another one");
    let status = gateway.admin_as("another-admin-token-0123456789", "GET", "/status", Value::Null).await.json();
    assert_eq!((&status["reload"]["generation"], &status["keys"]), (&json!(1), &json!(3)));
    assert!(!gateway.log().contains("another-admin-token"), "no secret in the log");
}

#[tokio::test]
async fn what_takes_a_restart_is_named_and_a_trial_changes_nothing() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    gateway.edit(|text| text.replace("threads: 2", "threads: 3\n  max_body_bytes: 1MiB"));
    let config = gateway.config().display().to_string();
    let tried = run(&["reload", "--dry-run", "-c", &config]).await.ok();
    assert!(tried.contains("nothing was reloaded (generation 0 holds)"), "{tried}");
    assert!(tried.contains("takes effect with a restart: server.threads"), "{tried}");
    let told = run(&["reload", "-c", &config]).await.ok();
    assert!(told.contains("generation 1 holds") && told.contains("server.max_body_bytes"), "{told}");
    let status = run(&["status", "-c", &config]).await.ok();
    assert!(
        status.contains("waits for a restart") && status.contains("server.max_body_bytes,server.threads"),
        "{status}"
    );
    assert!(status.contains("model-a") && status.contains("generation 1"), "{status}");
    gateway.shows("weighbridge_config_needs_restart", 2.0).await;
}

#[tokio::test]
async fn a_watched_file_is_read_when_it_changes() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).top("watch: true").with_admin().start().await;
    gateway.edit(|text| text.replace("input: 2,", "input: 3,"));
    eventually("it was read", || async { (last(&gateway).await["last"]["cause"] == "watch").then_some(()) }).await;
    let told = last(&gateway).await;
    assert_eq!((&told["last"]["outcome"], &told["generation"]), (&json!("reloaded"), &json!(1)));
    assert_eq!(chat(&gateway, KEY).await.status, 200);
}

/// Whether a client that trusts the authority of `certs` only takes what the listener shows.
async fn shows(gateway: &Gateway, certs: &Certs) -> bool {
    let address = gateway.tls_address.expect("it has a TLS listener");
    let socket = TcpStream::connect(address).await.expect("it listens");
    let name = ServerName::try_from("localhost").expect("a name");
    let shaken = TlsConnector::from(certs.client(&["http/1.1"])).connect(name, socket);
    within("a handshake", shaken).await.is_ok()
}

#[tokio::test]
async fn certificates_are_read_anew_though_their_paths_stay() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_tls().with_admin().start().await;
    let others = Certs::make();
    assert!(!shows(&gateway, &others).await);
    std::fs::write(gateway.dir.path().join("cert.pem"), "no certificate").expect("written");
    let refused = gateway.admin("POST", "/reload", Value::Null).await;
    assert_eq!(refused.admin_error(422), "configuration_refused");
    others.write(gateway.dir.path());
    let told = reload(&gateway).await;
    assert_eq!(paths(&told), [""; 0], "the file is the same");
    assert_eq!(told["certificates"].as_array().map(Vec::len), Some(1), "{told}");
    assert!(shows(&gateway, &others).await);
}

#[tokio::test]
async fn a_new_default_limit_knows_what_keys_made_at_run_time_used_before() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let made = gateway.admin("POST", "/keys", json!({"name": "late", "team": "search"})).await.json();
    let key = made["secret"].as_str().expect("the key, once").to_owned();
    for _ in 0..3 {
        assert_eq!(chat(&gateway, &key).await.status, 200);
    }
    gateway.settled(3).await;
    gateway.edit(|text| text + "\ndefaults: { keys: { limits: [{ requests: 4, per: hour }] } }\n");
    reload(&gateway).await;
    assert_eq!(chat(&gateway, &key).await.status, 200);
    assert_eq!(chat(&gateway, &key).await.status, 429, "three were used before the limit came");
    assert_eq!(chat(&gateway, KEY).await.status, 200, "each key has its own");
}
