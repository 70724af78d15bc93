//! Answers that are given again: to whom, when, byte for byte, and for nothing.

use crate::support::call::{Answer, Call, Transport};
use crate::support::config::{INPUT_NANO_USD, KEY, OUTPUT_NANO_USD, Setup};
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::sample;
use crate::support::script::{Gate, Script};
use crate::support::upstream::Upstream;
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const CACHE: &str = "x-weighbridge-cache";
const OTHER: &str = "wb-test-key-of-another-team-0123456789";
const SECOND: &str = "wb-test-second-key-of-team-search-0123";
/// What a sample answer costs.
const COST: u64 = sample::INPUT * INPUT_NANO_USD + sample::OUTPUT * OUTPUT_NANO_USD;

/// Model `fast` with a cache, and `plain` without one; teams `search` and `other`.
fn setup(upstream: &Upstream, cache: &str) -> Setup {
    Setup::openai(&[upstream])
        .model("fast", 1, &format!("cache: {{ {cache} }}"))
        .model("plain", 1, "")
        .team("other", "")
        .key("other-ci", "other", OTHER, "")
        .key("second", "search", SECOND, "")
        .with_admin()
}

fn chat(content: &str) -> String {
    json!({"model": "fast", "messages": [{"role": "user", "content": content}]}).to_string()
}

fn said(content: &str) -> Script {
    Script::json(200, sample::CHAT.replace("Hello there", content))
}

/// What the cache had to do with an answer.
fn word(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.field(CACHE).unwrap_or("none")
}

async fn ask(gateway: &Gateway, key: &str, body: &str, fields: &[(&str, &str)]) -> Answer {
    let call = fields.iter().fold(Call::post(CHAT, body.to_owned()), |call, (name, value)| call.field(name, value));
    call.key(key).send(gateway.address).await
}

async fn cache(gateway: &Gateway) -> Value {
    gateway.admin("GET", "/cache", Value::Null).await.json()
}

#[tokio::test]
async fn the_same_request_is_answered_again_for_nothing_and_the_ledger_says_so() {
    let upstream = Upstream::start().await;
    upstream.next(said("first")).next(said("second"));
    let gateway = setup(&upstream, "ttl: 1h").start().await;
    let first = gateway
        .post(CHAT, r#"{"model":"fast","messages":[{"role":"user","content":"h\u0069"}],"temperature":1}"#)
        .await;
    assert_eq!((word(&first), first.field("age")), ("miss", None));
    let again = gateway
        .post(CHAT, "{ \"temperature\":1 , \"messages\":[{\"content\":\"hi\",\"role\":\"user\"}],\n\"model\":\"fast\"}")
        .await;
    assert_eq!(word(&again), "hit", "the order of members and white space mean nothing");
    assert_eq!(again.body, first.body, "byte for byte, ids and times included");
    assert!(again.field("age").is_some_and(|age| age.parse::<u64>().is_ok()), "{again:?}");
    assert_eq!(again.field("x-weighbridge-cost-usd"), Some("0.000000000"));
    assert_eq!(again.field("x-weighbridge-model"), Some("a/model-a"));
    assert_eq!(again.field("x-weighbridge-attempts"), Some("0"));
    assert_eq!(again.field("content-type"), first.field("content-type"));
    let number =
        gateway.post(CHAT, r#"{"model":"fast","messages":[{"role":"user","content":"hi"}],"temperature":1.0}"#).await;
    assert_eq!((word(&number), upstream.count()), ("miss", 2), "numbers are compared as they are written");

    let rows = gateway.settled(3).await;
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.text("provider").to_owned(), row.number("cost_nano_usd"), row.number("saved_nano_usd")))
        .collect();
    assert_eq!(told, [("a".to_owned(), COST, 0), ("cache".to_owned(), 0, COST), ("a".to_owned(), COST, 0)]);
    assert_eq!((rows[1].text("target_model"), rows[1].tokens(), rows[1].number("attempt")), ("a/model-a", (0, 0), 1));
    gateway.assert_verified().await;
    let usage: Value =
        serde_json::from_str(&gateway.command(&["usage", "--by", "team", "--format", "json"]).await.ok())
            .expect("JSON");
    let line = &usage["lines"][0];
    assert_eq!((&line["requests"], &line["cost_nano_usd"]), (&json!(3), &json!(2 * COST)));
    assert_eq!((&line["saved_nano_usd"], &line["saved_usd"]), (&json!(COST), &json!("0.000078000")));
    let table = gateway.command(&["usage"]).await.ok();
    assert!(table.contains("saved usd") && table.contains("0.000078000"), "{table}");

    gateway.over(3).await;
    let records = gateway.access_records();
    let told: Vec<_> = records.iter().map(|record| record["cache"].clone()).collect();
    assert_eq!(told, ["miss", "hit", "miss"]);
    assert_eq!((&records[1]["saved_nano_usd"], &records[1]["cost_nano_usd"]), (&json!(COST), &json!(0)));
    assert_eq!((&records[1]["attempts"], &records[1]["input_tokens"]), (&json!([]), &json!(0)));
    let count = |result: &str| format!("weighbridge_cache_requests_total{{result=\"{result}\"}}");
    assert_eq!((gateway.metric(&count("hit")).await, gateway.metric(&count("miss")).await), (1.0, 2.0));
    assert_eq!(gateway.metric("weighbridge_cache_saved_nano_usd_total").await, COST as f64);
    gateway.shows("weighbridge_cache_entries", 2.0).await;
}

#[tokio::test]
async fn every_dialect_and_transport_has_its_answers_back() {
    let upstreams = [Upstream::start().await, Upstream::start().await];
    let [openai, anthropic] = &upstreams;
    let setups = [
        (openai, Setup::openai(&[openai]).model("fast", 1, "cache: {}"), &sample::CALLS[..4]),
        (anthropic, Setup::anthropic(&[anthropic]).model("fast", 1, "cache: {}"), &sample::CALLS[4..5]),
    ];
    for (upstream, setup, calls) in setups {
        let gateway = setup.with_tls().start().await;
        for (path, ask, want) in calls {
            upstream.next(Script::json(200, *want));
            let call = Call::post(path, *ask).key(KEY);
            assert_eq!(word(&call.send(gateway.address).await), "miss", "{path}");
            for transport in [Transport::H1, Transport::H2c, Transport::TlsH1, Transport::TlsH2] {
                let tls = matches!(transport, Transport::TlsH1 | Transport::TlsH2);
                let address = if tls { gateway.tls_address.expect("a listener") } else { gateway.address };
                let answer = call.clone().over(transport).send(address).await;
                assert_eq!((word(&answer), answer.unbroken()), ("hit", *want), "{path} {transport:?}");
            }
        }
        assert_eq!(upstream.count(), calls.len());
    }
}

#[tokio::test]
async fn teams_never_share_and_the_scope_says_who_does() {
    let upstream = Upstream::start().await;
    let rows: [(&str, [&str; 5]); 3] = [
        ("scope: team", ["miss", "hit", "hit", "miss", "hit"]),
        ("scope: key", ["miss", "miss", "hit", "miss", "hit"]),
        ("scope: user", ["miss", "miss", "miss", "miss", "miss"]),
    ];
    for (scope, want) in rows {
        let gateway = setup(&upstream, scope).start().await;
        let users = ["ann", "ann", "bob", "ann", "bob"];
        let keys = [KEY, SECOND, SECOND, OTHER, OTHER];
        let mut told = Vec::new();
        for (key, user) in keys.into_iter().zip(users) {
            let answer = ask(&gateway, key, &chat("hi"), &[("x-weighbridge-user", user)]).await;
            told.push(word(&answer).to_owned());
        }
        assert_eq!(told, want, "{scope}");
        let again = ask(&gateway, OTHER, &chat("hi"), &[("x-weighbridge-user", "bob")]).await;
        assert_eq!(word(&again), "hit", "{scope}");
    }
}

#[tokio::test]
async fn the_cache_is_asked_only_where_model_team_and_request_want_it() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream])
        .model("fast", 1, "cache: { use: asked }")
        .model("plain", 1, "")
        .model("closed", 1, "cache: { use: never }")
        .search("cache: { use: always }")
        .team("other", "")
        .key("other-ci", "other", OTHER, "")
        .start()
        .await;
    let body = |model: &str, content: &str| chat(content).replace("fast", model);
    let uses: &[(&str, &str)] = &[(CACHE, "use")];
    type Fields<'a> = &'a [(&'a str, &'a str)];
    let rows: [(&str, &str, Fields<'_>, [&str; 2]); 6] = [
        ("fast", OTHER, &[], ["bypass", "bypass"]),
        ("fast", OTHER, uses, ["miss", "hit"]),
        ("plain", OTHER, uses, ["none", "none"]),
        ("plain", KEY, &[], ["miss", "hit"]),
        ("fast", KEY, &[], ["miss", "hit"]),
        ("closed", KEY, uses, ["none", "none"]),
    ];
    for (n, (model, key, fields, want)) in rows.into_iter().enumerate() {
        for want in want {
            let answer = ask(&gateway, key, &body(model, &format!("case {n}")), fields).await;
            assert_eq!(word(&answer), want, "{model} {key} {fields:?}");
        }
    }
    let told = gateway.command(&["check"]).await.ok();
    assert!(told.contains("answers are kept if asked for"), "{told}");
}

#[tokio::test]
async fn a_client_can_refuse_the_cache_in_its_own_words_and_in_those_of_http() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream, "").start().await;
    upstream.next(said("one"));
    assert_eq!(word(&ask(&gateway, KEY, &chat("hi"), &[]).await), "miss");
    let refusals: [(&str, &str); 4] = [
        (CACHE, "no-store"),
        (CACHE, "no-stroe"),
        ("cache-control", "no-store"),
        ("cache-control", "No-Store, max-age=9"),
    ];
    for field in refusals {
        upstream.next(said("not kept"));
        assert_eq!(word(&ask(&gateway, KEY, &chat("hi"), &[field]).await), "bypass", "{field:?}");
    }
    let hit = ask(&gateway, KEY, &chat("hi"), &[]).await;
    assert!(word(&hit) == "hit" && hit.text().contains("one"), "{}", hit.text());
    for (n, field) in
        [(CACHE, "no-cache"), ("cache-control", "no-cache"), ("cache-control", "max-age=0")].iter().enumerate()
    {
        let fresh = format!("fresh {n}");
        upstream.next(said(&fresh));
        let answer = ask(&gateway, KEY, &chat("hi"), &[*field]).await;
        assert_eq!(word(&answer), "miss", "{field:?}");
        let again = ask(&gateway, KEY, &chat("hi"), &[]).await;
        assert!(word(&again) == "hit" && again.text().contains(&fresh), "the fresh one is kept: {}", again.text());
    }
}

#[tokio::test]
async fn streams_come_back_as_streams_byte_for_byte_and_apart_from_whole_answers() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream, "").start().await;
    upstream.next(Script::events(sample::chat_events()));
    let first = gateway.post(CHAT, sample::CHAT_STREAM_ASK).await;
    assert_eq!(word(&first), "miss");
    for transport in [Transport::H1, Transport::H2c] {
        let again = Call::post(CHAT, sample::CHAT_STREAM_ASK).key(KEY).over(transport).send(gateway.address).await;
        assert_eq!((word(&again), again.unbroken()), ("hit", first.unbroken()), "{transport:?}");
        assert_eq!(again.field("content-type"), first.field("content-type"));
        assert_eq!(again.field("content-length"), None, "a stream");
    }
    upstream.next(said("whole"));
    let whole = gateway.post(CHAT, sample::CHAT_ASK).await;
    assert_eq!(word(&whole), "miss", "a stream is not given for a whole answer");
    upstream.next(Script::events(sample::chat_events()));
    let usage = gateway.post(CHAT, sample::CHAT_USAGE_ASK).await;
    assert_eq!(word(&usage), "miss", "with usage it is another stream");
    assert!(gateway.post(CHAT, sample::CHAT_USAGE_ASK).await.text().contains("\"prompt_tokens\":11"));
    assert_eq!(upstream.count(), 3);
}

#[tokio::test]
async fn the_cost_of_a_stream_is_told_anew() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream, "").start().await;
    upstream.next(Script::events(sample::chat_events()));
    let include = [("x-weighbridge-include", "cost")];
    let first = ask(&gateway, KEY, sample::CHAT_STREAM_ASK, &include).await;
    let plain = |cost: &str| first.text().replace(&format!(": x-weighbridge-cost-usd {cost}\n\n"), "");
    assert!(first.text().contains(": x-weighbridge-cost-usd 0.000078000\n\n"), "{}", first.text());
    let bare = ask(&gateway, KEY, sample::CHAT_STREAM_ASK, &[]).await;
    assert_eq!((word(&bare), bare.text()), ("hit", &*plain("0.000078000")), "who does not ask is told nothing");
    let again = ask(&gateway, KEY, sample::CHAT_STREAM_ASK, &include).await;
    assert_eq!(word(&again), "hit");
    assert_eq!(again.text(), first.text().replace("0.000078000", "0.000000000"));
}

#[tokio::test]
async fn only_whole_answers_are_kept() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream, "").start().await;
    let begun = || Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("Hel"));
    let filtered = sample::CHAT.replace("\"stop\"", "\"content_filter\"");
    let broken: [(&str, Script, bool); 7] = [
        ("cut off", begun().close(), true),
        ("without its end marker", begun().body(sample::CHAT_USAGE).end(), true),
        ("an error in it", begun().body(sample::CHAT_ERROR).end(), true),
        ("reset", begun().reset(), true),
        ("refused", Script::error(400), false),
        ("failed", Script::error(500), false),
        ("filtered", Script::json(200, filtered), false),
    ];
    for (name, script, stream) in broken {
        upstream.always(script);
        let body = chat(name).replacen('{', if stream { "{\"stream\":true," } else { "{" }, 1);
        let first = gateway.post(CHAT, body.clone()).await;
        assert_eq!(first.field(CACHE).unwrap_or("miss"), "miss", "{name}");
        let asked = upstream.count();
        let again = gateway.post(CHAT, body).await;
        assert_ne!(again.field(CACHE), Some("hit"), "{name}");
        assert!(upstream.count() > asked, "{name}: it was asked again");
    }
    assert_eq!(cache(&gateway).await["answers"], 0);
}

#[tokio::test]
async fn a_client_that_leaves_in_mid_answer_leaves_nothing_behind() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream, "").start().await;
    let gate = Gate::new();
    upstream.next(Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("Hel")).wait(&gate));
    let mut open = gateway.open(CHAT, sample::CHAT_STREAM_ASK).await;
    open.event().await.expect("the stream has begun");
    drop(open);
    gateway.over(1).await;
    gate.open();
    assert_eq!(cache(&gateway).await["answers"], 0);
    upstream.next(Script::events(sample::chat_events()));
    assert_eq!(word(&gateway.post(CHAT, sample::CHAT_STREAM_ASK).await), "miss");
}

#[tokio::test]
async fn an_answer_gets_old_and_the_table_stays_within_its_bytes() {
    let upstream = Upstream::start().await;
    let short = setup(&upstream, "ttl: 200ms").start().await;
    assert_eq!(word(&ask(&short, KEY, &chat("hi"), &[]).await), "miss");
    eventually("the answer is too old", || async {
        (word(&ask(&short, KEY, &chat("hi"), &[]).await) == "miss").then_some(())
    })
    .await;
    let gateway = setup(&upstream, "").top("cache: { max_bytes: 64KiB, max_entry_bytes: 8KiB }").start().await;
    upstream.by(|request| said(&"x".repeat(if request.text().contains("long") { 9_000 } else { 3_000 })));
    for n in 0..60 {
        assert_eq!(word(&ask(&gateway, KEY, &chat(&format!("number {n}")), &[]).await), "miss");
    }
    let told = cache(&gateway).await;
    assert!(told["bytes"].as_u64().is_some_and(|bytes| bytes <= 64 << 10), "{told}");
    assert!(told["answers"].as_u64().is_some_and(|answers| answers > 5), "{told}");
    for _ in 0..2 {
        assert_eq!(word(&ask(&gateway, KEY, &chat("long"), &[]).await), "miss", "longer than `max_entry_bytes`");
    }
    gateway.shows("weighbridge_cache_not_kept_total{reason=\"too_long\"}", 2.0).await;
}

#[tokio::test]
async fn answers_are_shown_and_dropped_by_the_admin_api() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream, "").start().await;
    let gate = Gate::new();
    let fill = || async {
        for (key, content) in [(KEY, "one"), (KEY, "two"), (OTHER, "one")] {
            ask(&gateway, key, &chat(content), &[]).await;
        }
    };
    fill().await;
    let told = cache(&gateway).await;
    assert_eq!((&told["answers"], &told["misses"], &told["kept"]), (&json!(3), &json!(3), &json!(3)));
    let held: Vec<_> = told["held"].as_array().expect("a list").iter().map(|one| one["team"].clone()).collect();
    assert_eq!(held, ["other", "search"]);
    let purge = |query: &'static str| gateway.admin("DELETE", query, Value::Null);
    assert_eq!(purge("/cache?team=search&model=plain").await.json(), json!({"purged": 0}));
    // What is under way was asked for before.
    let slow = Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("Hel")).wait(&gate);
    upstream.next(slow.body(sample::CHAT_FINISH).body(sample::CHAT_USAGE).body(sample::CHAT_DONE).end());
    let mut open = gateway.open(CHAT, sample::CHAT_STREAM_ASK).await;
    open.event().await.expect("the stream has begun");
    assert_eq!(purge("/cache?team=search").await.json(), json!({"purged": 2}));
    gate.open();
    assert!(open.whole().await.broken.is_none());
    assert_eq!(cache(&gateway).await["answers"], 1);
    assert_eq!(word(&ask(&gateway, KEY, &chat("one"), &[]).await), "miss");
    assert_eq!(word(&ask(&gateway, OTHER, &chat("one"), &[]).await), "hit");
    assert_eq!(purge("/cache?team=a&colour=b").await.admin_error(400), "invalid_request");
    let shown = gateway.command(&["cache", "show"]).await.ok();
    assert!(shown.contains("2 answers") && shown.contains("search  fast"), "{shown}");
    let purged = gateway.command(&["cache", "purge", "--model", "fast"]).await.ok();
    assert!(purged.contains('2'), "{purged}");
    assert_eq!(cache(&gateway).await["answers"], 0);
    let acts = gateway.admin("GET", "/audit", Value::Null).await.json();
    assert_eq!(acts["lines"][1]["changed"], json!({"team": "search"}));
    assert_eq!(acts["lines"][1]["action"], "cache.purge");
}

#[tokio::test]
async fn a_reload_begins_with_an_empty_cache() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream, "").start().await;
    assert_eq!(word(&ask(&gateway, KEY, &chat("hi"), &[]).await), "miss");
    assert_eq!(word(&ask(&gateway, KEY, &chat("hi"), &[]).await), "hit");
    gateway.edit(|text| {
        let text = text.replace("  search: {}\n", "  search: { guardrails: [words] }\n");
        format!("{text}guardrails:\n  words: {{ kind: words, words: [Hello], action: block, on: [output] }}\n")
    });
    assert_eq!(gateway.admin("POST", "/reload", Value::Null).await.status, 200);
    let answer = ask(&gateway, KEY, &chat("hi"), &[]).await;
    assert_eq!(answer.status, 400, "what older rules let out is not given: {}", answer.text());
}

#[tokio::test]
async fn guardrails_look_before_the_cache_and_what_they_leave_is_what_is_compared() {
    let upstream = Upstream::start().await;
    let pii = |action: &str| {
        setup(&upstream, "")
            .top(&format!(
                "guardrails:\n  pii: {{ kind: pii, entities: [email], action: {action}, on: [input, output] }}"
            ))
            .search("guardrails: [pii]")
    };
    let gateway = pii("redact").start().await;
    upstream.next(said("write to bob@example.org"));
    let first = ask(&gateway, KEY, &chat("I am ann@example.com"), &[]).await;
    assert!(word(&first) == "miss" && first.text().contains("write to [EMAIL]"), "{}", first.text());
    let other = ask(&gateway, KEY, &chat("I am eve@example.com"), &[]).await;
    assert_eq!((word(&other), other.text()), ("hit", first.text()), "both say `I am [EMAIL]`");
    assert_eq!(other.field("x-weighbridge-guardrails"), Some("pii;input;redact;email=1"));

    let gateway = pii("tokenize").start().await;
    for address in ["ann@example.com", "eve@example.com", "ann@example.com"] {
        upstream.next(said("dear <EMAIL_1>"));
        let answer = ask(&gateway, KEY, &chat(&format!("I am {address}")), &[]).await;
        assert_eq!(word(&answer), "bypass", "the answer is that of one who has this address");
        assert!(answer.text().contains(&format!("dear {address}")), "{}", answer.text());
    }
    assert_eq!(word(&ask(&gateway, KEY, &chat("I am nobody"), &[]).await), "miss");
    assert_eq!(word(&ask(&gateway, KEY, &chat("I am nobody"), &[]).await), "hit");

    let gateway = pii("block").start().await;
    assert_eq!(ask(&gateway, KEY, &chat("I am ann@example.com"), &[]).await.openai_error(400), "guardrail_blocked");
    assert_eq!(cache(&gateway).await["misses"], 0, "it is not looked up");
}

#[tokio::test]
async fn a_hit_counts_as_a_request_but_not_its_tokens_and_costs_no_budget() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream, "")
        .search("limits: [{ requests: 4, per: hour }, { tokens: 1000, per: hour }], budgets: [{ usd: 1, per: day }]")
        .start()
        .await;
    let body = json!({"model": "fast", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}).to_string();
    let first = ask(&gateway, KEY, &body, &[]).await;
    assert_eq!(word(&first), "miss");
    let left = |answer: &Answer, what: &str| {
        answer.field(&format!("x-ratelimit-remaining-{what}")).and_then(|left| left.parse::<u64>().ok()).expect("told")
    };
    for n in 1..4 {
        let hit = ask(&gateway, KEY, &body, &[]).await;
        assert_eq!(word(&hit), "hit");
        assert_eq!((left(&hit, "requests"), left(&hit, "tokens")), (3 - n, 1_000 - 18));
    }
    let over = ask(&gateway, KEY, &body, &[]).await;
    assert_eq!(over.openai_error(429), "limit_reached");
    let budgets = gateway.admin("GET", "/budgets", Value::Null).await.json();
    let spent = (&budgets["budgets"][0]["settled"], &budgets["budgets"][0]["reserved"]);
    assert_eq!(spent, (&json!(COST), &json!(0)), "{budgets}");
    gateway.assert_verified().await;
}

#[tokio::test]
async fn what_a_provider_would_be_told_otherwise_is_another_request() {
    let upstream = Upstream::start().await;
    let other = Upstream::start().await;
    let gateway = Setup::new()
        .providers("openai", &[&upstream, &other])
        .models_text(
            "  fast:\n    cache: {}\n    targets:\n      - { provider: a, model: model-a, when: { metadata: { tier: gold } } }\n      - { provider: b, model: model-b }\n",
        )
        .start()
        .await;
    let gold = [("x-weighbridge-metadata", "{\"tier\":\"gold\"}")];
    let beta = [("openai-beta", "x=1")];
    for fields in [&gold[..], &beta[..], &[][..]] {
        assert_eq!(word(&ask(&gateway, KEY, &chat("hi"), fields).await), "miss", "{fields:?}");
        assert_eq!(word(&ask(&gateway, KEY, &chat("hi"), fields).await), "hit", "{fields:?}");
    }
    let agent = [("user-agent", "another client/2"), ("x-request-id", "other")];
    assert_eq!(word(&ask(&gateway, KEY, &chat("hi"), &agent).await), "hit", "who asks it with what does not matter");
    let user = chat("hi").replacen('{', "{\"user\":\"ann\",\"metadata\":{\"a\":\"b\"},", 1);
    assert_eq!(word(&ask(&gateway, KEY, &user, &[]).await), "hit", "nor for whom");
    let stored = chat("hi").replacen('{', "{\"store\":true,", 1);
    assert_eq!(word(&ask(&gateway, KEY, &stored, &[]).await), "bypass", "it does more than to be answered");
}

#[tokio::test]
async fn what_another_model_said_in_its_place_is_not_kept() {
    let (down, spare) = (Upstream::start().await, Upstream::start().await);
    down.always(Script::error(503));
    let gateway = Setup::openai(&[&down, &spare])
        .model_of("fast", &["a"], "cache: {}\nfallbacks: { failed: [spare] }")
        .model_of("spare", &["b"], "")
        .start()
        .await;
    for _ in 0..2 {
        let answer = ask(&gateway, KEY, &chat("hi"), &[]).await;
        assert_eq!((word(&answer), answer.field("x-weighbridge-model")), ("miss", Some("b/model-b")));
    }
    assert_eq!(spare.count(), 2);
}

#[tokio::test]
async fn explain_tells_whether_a_request_would_be_looked_up() {
    let upstream = Upstream::start().await;
    let gateway = setup(&upstream, "use: asked, ttl: 90s, scope: key").start().await;
    let config = gateway.config().display().to_string();
    let explain = |model: &'static str| {
        let config = config.clone();
        async move {
            let args = ["explain", "--key", "search-ci", "--model", model, "-c", &config];
            crate::support::gateway::run(&args).await.ok()
        }
    };
    let told = explain("fast").await;
    assert!(told.contains("x-weighbridge-cache: use") && told.contains("of its key, up to 90 s old"), "{told}");
    assert!(!explain("plain").await.contains("the cache would"), "it has none");
}
