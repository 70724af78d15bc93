//! A copy of a request goes to another model, booked on a key of its own, and the caller never notices; and several
//! accounts of one provider are so many targets.

use crate::support::call::Call;
use crate::support::config::{KEY, Setup, secret};
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::sample;
use crate::support::script::{Gate, Script};
use crate::support::upstream::Upstream;

const SHADOW_KEY: &str = "wb-test-key-of-the-shadow-0123456789";
const CHAT: &str = "/v1/chat/completions";
const MIRROR: &str = "mirror: { to: shadow, key: shadow-traffic, share: 100% }";

/// Model `fast` at `a`, all of whose requests are copied for model `shadow` at `b`.
fn mirrored(live: &Upstream, shadow: &Upstream) -> Setup {
    Setup::new()
        .providers("openai", &[live, shadow])
        .model_of("fast", &["a"], MIRROR)
        .model_of("shadow", &["b"], "")
        .team("platform", "")
        .key("shadow-traffic", "platform", SHADOW_KEY, "")
}

async fn counted(gateway: &Gateway, result: &str, want: f64) {
    let series = format!("weighbridge_proxy_mirrored_total{{model=\"fast\",result=\"{result}\"}}");
    eventually("the copy is counted", || async {
        gateway.metrics().await.contains(&series).then_some(())?;
        (gateway.metric(&series).await >= want).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_copy_has_rows_and_a_record_of_its_own_on_the_mirrors_key() {
    let (live, shadow) = (Upstream::start().await, Upstream::start().await);
    let gateway = mirrored(&live, &shadow).start().await;
    for ask in [sample::CHAT_ASK, sample::CHAT_STREAM_ASK] {
        assert_eq!(gateway.post(CHAT, ask).await.status, 200);
    }
    counted(&gateway, "answered", 2.0).await;
    let (seen, asked) = (shadow.requests(), live.requests());
    assert_eq!((seen.len(), asked.len()), (2, 2));
    for copy in seen {
        let copy = copy.json();
        assert_eq!(copy["model"], "model-b");
        // In whatever order they came: a copy waits for no other.
        assert!(asked.iter().any(|original| original.json()["messages"] == copy["messages"]), "{copy}");
    }
    let rows = gateway.settled(4).await;
    for (key, team, model) in [("search-ci", "search", "fast"), ("shadow-traffic", "platform", "shadow")] {
        let own: Vec<_> = rows.iter().filter(|row| row.text("key") == key).collect();
        assert_eq!(own.len(), 2, "{key}");
        for row in own {
            assert_eq!((row.text("team"), row.text("model")), (team, model));
            assert_eq!(row.tokens(), (sample::INPUT, sample::OUTPUT), "{key}: metered like any request");
        }
    }
    let records = eventually("the records of the copies are written", || async {
        let records = gateway.access_records();
        // Those of the originals may come later: a copy does not wait for what it copies.
        (records.iter().filter(|record| record["mirror_of"].is_string()).count() == 2 && records.len() == 4)
            .then_some(records)
    })
    .await;
    let originals: Vec<_> = records.iter().filter(|record| record["mirror_of"].is_null()).collect();
    for copy in records.iter().filter(|record| record["mirror_of"].is_string()) {
        assert!(originals.iter().any(|original| original["id"] == copy["mirror_of"]), "it names its original: {copy}");
        assert_eq!(copy["key"], "shadow-traffic");
    }
    gateway.assert_verified().await;
}

#[tokio::test]
async fn a_shadow_that_is_silent_broken_or_slow_is_not_noticed_by_the_caller() {
    let (live, shadow) = (Upstream::start().await, Upstream::start().await);
    shadow.next(Script::error(503)).next(Script::hang_up()).next(Script::silence());
    let setup = mirrored(&live, &shadow).model_of("shadow", &["b"], "max_attempts: 1");
    let gateway = setup.start().await;
    for _ in 0..3 {
        let answer = gateway.post(CHAT, sample::CHAT_ASK).await;
        assert_eq!((answer.status, answer.text()), (200, sample::CHAT));
        assert_eq!(answer.field("x-weighbridge-attempts"), Some("1"));
    }
    counted(&gateway, "failed", 2.0).await;
    shadow.begun(2).await;
    // The third copy is under way: the end does not wait for it, and its row is settled.
    assert!(gateway.stop().await.success());
    let rows = gateway.rows().await;
    assert!(rows.iter().all(crate::support::ledger::Row::settled), "{rows:?}");
    assert_eq!(rows.iter().filter(|row| row.text("key") == "search-ci").count(), 3);
}

#[tokio::test]
async fn the_mirrors_key_is_under_its_own_limits_and_pays_itself() {
    let (live, shadow) = (Upstream::start().await, Upstream::start().await);
    let setup = Setup::new()
        .providers("openai", &[&live, &shadow])
        .model_of("fast", &["a"], MIRROR)
        .model_of("shadow", &["b"], "")
        .team("platform", "")
        .key("shadow-traffic", "platform", SHADOW_KEY, "limits: [{ requests: 1, per: hour }]");
    let gateway = setup.start().await;
    for _ in 0..3 {
        assert_eq!(
            gateway.post(CHAT, sample::CHAT_ASK).await.status,
            200,
            "the caller is not under the mirror's limit"
        );
    }
    counted(&gateway, "refused", 2.0).await;
    counted(&gateway, "answered", 1.0).await;
    assert_eq!((live.count(), shadow.count()), (3, 1));
}

#[tokio::test]
async fn copies_past_what_may_be_under_way_are_dropped_and_counted() {
    let (live, shadow) = (Upstream::start().await, Upstream::start().await);
    let gate = Gate::new();
    shadow
        .always(Script::new().wait(&gate).head(200, &[("content-type", "application/json")]).body(sample::CHAT).end());
    let gateway = mirrored(&live, &shadow).start().await;
    for _ in 0..140 {
        assert_eq!(gateway.post(CHAT, sample::CHAT_ASK).await.status, 200);
    }
    counted(&gateway, "dropped", 1.0).await;
    assert!(shadow.count() <= 64, "no more are under way at once");
    gate.open();
    counted(&gateway, "answered", 100.0).await;
}

/// The first account is over its limit: the second one answers, with its own credentials, under the provider's one budget.
#[tokio::test]
async fn accounts_of_a_provider_are_targets_with_credentials_of_their_own() {
    let upstream = Upstream::start().await;
    let first = format!("Bearer {}", secret("one"));
    upstream.by(move |seen| match seen.head.get("authorization") {
        Some(told) if told == first => {
            Script::json(429, r#"{"error":{"message":"slow down"}}"#).field("retry-after", "30")
        }
        _ => Script::json(200, sample::CHAT),
    });
    let accounts = format!(
        "kind: openai, base_url: \"http://{}/v1\", accounts: {{ one: {{ api_key: {} }}, two: {{ api_key: {} }} }}",
        upstream.address,
        secret("one"),
        secret("two")
    );
    let gateway = Setup::new().account("a", &accounts).model("fast", 1, "").start().await;
    let answer = gateway.post(CHAT, sample::CHAT_ASK).await;
    assert_eq!((answer.status, answer.field("x-weighbridge-model")), (200, Some("a#two/model-a")));
    let rows = gateway.settled(2).await;
    assert_eq!([rows[0].text("provider"), rows[1].text("provider")], ["a#one", "a#two"]);
    let again = gateway.post(CHAT, sample::CHAT_ASK).await;
    assert_eq!(again.field("x-weighbridge-attempts"), Some("1"), "the first one asked to be left alone");
    let call = Call::post(CHAT, sample::CHAT_ASK).key(KEY).send(gateway.address).await;
    assert_eq!(call.status, 200);
}

#[tokio::test]
async fn heads_that_nobody_asked_for_end_a_copy_at_once() {
    let (live, shadow) = (Upstream::start().await, Upstream::start().await);
    let long = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "x".repeat(70_000));
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
    shadow.next(Script::new().raw(upgrade).stall()).next(Script::new().raw(long).stall());
    let gateway = mirrored(&live, &shadow).start().await;
    for count in [1.0, 2.0] {
        assert_eq!(gateway.post(CHAT, sample::CHAT_ASK).await.status, 200);
        counted(&gateway, "failed", count).await;
    }
}
