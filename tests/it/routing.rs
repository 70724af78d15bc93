//! Which target gets a request: shares, sessions, canaries, conditions, pace, price and the size of the prompt.

use crate::support::call::{Answer, Call};
use crate::support::config::{KEY, Setup};
use crate::support::gateway::{Gateway, run};
use crate::support::script::{Gate, Script, Step};
use crate::support::upstream::Upstream;
use crate::support::{eventually, sample};
use serde_json::json;
use std::time::Duration;

const CHAT: &str = "/v1/chat/completions";

/// Three upstreams, and a gateway whose model `fast` is this text of the file.
async fn routed(model: &str) -> ([Upstream; 3], Gateway) {
    let upstreams = [Upstream::start().await, Upstream::start().await, Upstream::start().await];
    let [a, b, c] = &upstreams;
    let setup = Setup::new().providers("openai", &[a, b, c]).models_text(&format!("  fast:\n{model}"));
    let setup = setup.price("model-a", "input: 5, output: 5").price("model-b", "input: 1, output: 1");
    let gateway = setup.with_admin().start().await;
    (upstreams, gateway)
}

/// The lines of `targets:` of providers `a`, `b`, `c` with these further keys.
fn targets(keys: &[&str]) -> String {
    let line = |(name, more): (&str, &&str)| format!("      - {{ provider: {name}, model: model-{name}{more} }}\n");
    format!("    targets:\n{}", ["a", "b", "c"].into_iter().zip(keys).map(line).collect::<String>())
}

fn counts(upstreams: &[Upstream; 3]) -> [usize; 3] {
    [0, 1, 2].map(|at| upstreams[at].count())
}

async fn send(gateway: &Gateway, fields: &[(&str, &str)]) -> Answer {
    let call =
        fields.iter().fold(Call::post(CHAT, sample::CHAT_ASK).key(KEY), |call, (name, value)| call.field(name, value));
    call.send(gateway.address).await
}

/// Who answered.
fn by(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.field("x-weighbridge-model").expect("told").to_owned()
}

/// The access records, once there are so many.
async fn records(gateway: &Gateway, count: usize) -> Vec<serde_json::Value> {
    eventually("access records", async || {
        let records = gateway.access_records();
        (records.len() >= count).then_some(records)
    })
    .await
}

#[tokio::test]
async fn weights_are_shares_that_come_out_exactly_and_0_is_a_fall_back() {
    let model = format!("    route: weighted\n{}", targets(&[", weight: 3", ", weight: 1", ", weight: 0"]));
    let (upstreams, gateway) = routed(&model).await;
    for _ in 0..20 {
        by(&send(&gateway, &[]).await);
    }
    assert_eq!(counts(&upstreams), [15, 5, 0]);
    upstreams[0].always(Script::error(503));
    upstreams[1].always(Script::error(503));
    assert_eq!(by(&send(&gateway, &[]).await), "c/model-c");
    let records = records(&gateway, 21).await;
    assert!(records.iter().all(|record| record["routed"] == "weighted"), "{records:?}");
}

#[tokio::test]
async fn a_session_stays_falls_back_and_returns() {
    let model = format!("    route: weighted\n    sticky: session\n{}", targets(&["", "", ""]));
    let (upstreams, gateway) = routed(&model).await;
    let mut homes = Vec::new();
    for number in 0..12 {
        let session = format!("session-{number}");
        let fields = [("x-weighbridge-session", session.as_str())];
        let home = by(&send(&gateway, &fields).await);
        assert_eq!(by(&send(&gateway, &fields).await), home);
        homes.push((session, home));
    }
    assert!(counts(&upstreams).iter().all(|&count| count > 0), "sessions are shared out: {homes:?}");
    let (session, home) = homes.into_iter().find(|(_, home)| home == "a/model-a").expect("a has some");
    let fields = [("x-weighbridge-session", session.as_str())];
    upstreams[0].next(Script::error(503));
    let other = by(&send(&gateway, &fields).await);
    assert_ne!(other, home, "its home is broken");
    upstreams[0].next(Script::error(503));
    assert_eq!(by(&send(&gateway, &fields).await), other, "the same one takes it each time");
    assert_eq!(by(&send(&gateway, &fields).await), home, "and gives it back");
    assert!(records(&gateway, 27).await.iter().all(|record| record["routed"] == "sticky"));
}

#[tokio::test]
async fn users_and_beginnings_of_conversations_stay_together_too() {
    let model = format!("    route: weighted\n    sticky: user\n{}", targets(&["", "", ""]));
    let (_upstreams, gateway) = routed(&model).await;
    for user in ["ann", "bob", "eve"] {
        let fields = [("x-weighbridge-user", user)];
        assert_eq!(by(&send(&gateway, &fields).await), by(&send(&gateway, &fields).await), "{user}");
    }
    let model = format!("    route: weighted\n    sticky: prefix\n{}", targets(&["", "", ""]));
    let (upstreams, gateway) = routed(&model).await;
    let ask = |turns: serde_json::Value| json!({ "model": "fast", "messages": turns }).to_string();
    for number in 0..12 {
        let first = json!({ "role": "user", "content": format!("question {number}") });
        let answered = json!({ "role": "assistant", "content": "answer" });
        let more = json!({ "role": "user", "content": "more" });
        let home = by(&gateway.post(CHAT, ask(json!([first]))).await);
        let again = by(&gateway.post(CHAT, ask(json!([first, answered, more]))).await);
        assert_eq!(again, home, "the conversation goes on where it began");
    }
    assert!(counts(&upstreams).iter().all(|&count| count > 0), "conversations are shared out");
}

#[tokio::test]
async fn a_canary_gets_its_share_and_its_failures_are_not_seen() {
    let model = targets(&["", ", canary: 10%", ""]);
    let (upstreams, gateway) = routed(&model).await;
    for _ in 0..40 {
        by(&send(&gateway, &[]).await);
    }
    assert_eq!(counts(&upstreams), [36, 4, 0], "exactly its share, and the rest in the order of the file");
    upstreams[1].always(Script::error(500));
    for _ in 0..10 {
        assert_eq!(by(&send(&gateway, &[]).await), "a/model-a");
    }
    assert_eq!(counts(&upstreams), [46, 5, 0]);
    let records = records(&gateway, 50).await;
    assert_eq!(records.iter().filter(|record| record["routed"] == "canary").count(), 5);
}

#[tokio::test]
async fn the_cheapest_target_is_asked_first_and_unpriced_ones_last() {
    let model = format!("    route: cost\n{}", targets(&["", "", ""]));
    let (upstreams, gateway) = routed(&model).await;
    assert_eq!(by(&send(&gateway, &[]).await), "b/model-b");
    upstreams[1].always(Script::error(503));
    assert_eq!(by(&send(&gateway, &[]).await), "a/model-a");
    assert_eq!(counts(&upstreams), [1, 2, 0]);
    let told = gateway.admin("POST", "/explain", json!({"key": "search-ci", "model": "fast"})).await.json();
    let order: Vec<_> = told["candidates"].as_array().expect("a list").iter().map(|one| &one["model"]).collect();
    assert_eq!(order, ["model-b", "model-a", "model-c"], "{told}");
    let reasons = told["candidates"].to_string();
    assert!(reasons.contains("expected to cost 0.000") && reasons.contains("is not known"), "{reasons}");
}

#[tokio::test]
async fn the_fastest_target_gets_the_traffic() {
    let model = format!("    route: latency\n{}", targets(&["", ""]));
    let (upstreams, gateway) = routed(&model).await;
    upstreams[0].by(|_| {
        let (gate, answer) = (Gate::new(), Script::json(200, sample::CHAT));
        let slow = gate.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            slow.open();
        });
        Script { steps: [vec![Step::Wait(gate)], answer.steps].concat(), ..Script::new() }
    });
    // Both are tried; from then on only the fast one is asked.
    eventually("both paces are known", async || {
        by(&send(&gateway, &[]).await);
        (upstreams[0].count() > 0 && upstreams[1].count() > 0).then_some(())
    })
    .await;
    let slow = upstreams[0].count();
    for _ in 0..10 {
        assert_eq!(by(&send(&gateway, &[]).await), "b/model-b");
    }
    assert_eq!(upstreams[0].count(), slow);
}

#[tokio::test]
async fn conditions_choose_and_a_request_for_which_no_target_is_gets_a_400_that_names_them() {
    let conditions = [
        ", when: { users: [vip] }",
        ", when: { metadata: { tier: gold }, teams: [search] }",
        ", when: { stream: true, takes: [tools] }",
    ];
    let (upstreams, gateway) = routed(&targets(&conditions)).await;
    assert_eq!(by(&send(&gateway, &[("x-weighbridge-user", "vip")]).await), "a/model-a");
    assert_eq!(by(&send(&gateway, &[("x-weighbridge-metadata", r#"{"tier":"gold"}"#)]).await), "b/model-b");
    assert_eq!(gateway.post(CHAT, sample::CHAT_STREAM_ASK).await.status, 200);
    assert_eq!(counts(&upstreams), [1, 1, 1]);
    let refused = send(&gateway, &[]).await;
    assert_eq!(refused.openai_error(400), "no_target_for_request");
    let said = refused.text();
    assert!(["`fast`", "`users`", "`metadata`", "`stream`"].iter().all(|part| said.contains(part)), "{said}");
    let picture = json!({ "model": "fast", "stream": true, "messages": [{ "role": "user", "content":
        [{ "type": "image_url", "image_url": { "url": "https://example.org/a.png" } }] }] });
    let refused = gateway.post(CHAT, picture.to_string()).await;
    assert_eq!(refused.openai_error(400), "no_target_for_request");
    assert!(refused.text().contains("`takes`"), "{}", refused.text());
    assert_eq!(counts(&upstreams), [1, 1, 1], "nobody saw the others");
    let told = gateway.admin("POST", "/explain", json!({"key": "search-ci", "model": "fast"})).await.json();
    assert_eq!((&told["admitted"], &told["refusal"]["code"]), (&json!(false), &json!("no_target_for_request")));
    assert!(told["candidates"].to_string().contains("`when.users`"), "{told}");
}

#[tokio::test]
async fn a_prompt_that_is_too_long_for_a_target_goes_past_it_unless_it_is_so_for_all() {
    let keys = [", max_input_tokens: 1000", ", max_input_tokens: 100000"];
    let (upstreams, gateway) = routed(&targets(&keys)).await;
    let ask = |words: usize| {
        json!({ "model": "fast", "messages": [{ "role": "user", "content": "word ".repeat(words) }] }).to_string()
    };
    assert_eq!(by(&gateway.post(CHAT, ask(1_000)).await), "a/model-a", "it may fit: the provider decides");
    assert_eq!(by(&gateway.post(CHAT, ask(4_000)).await), "b/model-b");
    assert_eq!(by(&gateway.post(CHAT, ask(400_000)).await), "a/model-a", "it fits nowhere: the provider decides");
    assert_eq!(counts(&upstreams), [2, 1, 0]);
    let records = records(&gateway, 3).await;
    let small: Vec<_> = records.iter().map(|record| record["too_small"].clone()).collect();
    assert_eq!(small, [json!(null), json!(["a/model-a"]), json!(null)]);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_what_is_never_reached_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("weighbridge.yaml");
    let path = file.to_str().expect("text").to_owned();
    let check = async |model: &str| {
        let text = format!(
            "state: {{ dir: state }}\nproviders:\n  a: {{ kind: openai, base_url: \"http://127.0.0.1:1/v1\" }}\n\
             models:\n  fast:\n{model}  slow:\n    targets:\n      - {{ provider: a, model: m }}\nteams:\n  search: {{}}\n  other: {{ models: [slow] }}\n"
        );
        std::fs::write(&file, text).expect("written");
        run(&["check", "-c", &path]).await
    };
    let one = |more: &str| format!("    targets:\n      - {{ provider: a, model: m{more} }}\n");
    let two = |first: &str, second: &str| format!("{}      - {{ provider: a, model: n{second} }}\n", one(first));
    let weighted = |rest: String| format!("    route: weighted\n{rest}");
    let wrong = [
        (format!("    sticky: session\n{}", one("")), "models.fast.sticky", "route: weighted"),
        (format!("    route: latency\n    sticky: user\n{}", one("")), "models.fast.sticky", "route: weighted"),
        (one(", weight: 2"), "models.fast.targets[0].weight", "route: weighted"),
        (weighted(one(", weight: 0")), "models.fast.targets", "all weights are 0"),
        (weighted(two(", weight: 1, canary: 5%", "")), "models.fast.targets[0].weight", "leave it out"),
        (one(", canary: 5%"), "models.fast.targets", "no canary"),
        (
            format!("{}      - {{ provider: a, model: o }}\n", two(", canary: 5%", ", canary: 5%")),
            "targets[1].canary",
            "one",
        ),
        (two(", canary: 5", ""), "models.fast.targets[0].canary", "5%"),
        (format!("    route: fastest\n{}", one("")), "models.fast.route", "latency"),
        (one(", when: {}"), "models.fast.targets[0].when", "says nothing"),
        (one(", when: { teams: [serach] }"), "models.fast.targets[0].when.teams[0]", "search"),
        (one(", when: { has: [picture] }"), "models.fast.targets[0].when.has[0]", "image"),
        (one(", when: { min_bytes: 2KiB, max_bytes: 1KiB }"), "models.fast.targets[0].when.min_bytes", "1KiB"),
        (one(", when: { has: [image], takes: [tools] }"), "models.fast.targets[0].when.has", "takes"),
    ];
    for (model, place, part) in wrong {
        let said = check(&model).await.failed();
        assert!(said.contains(place) && said.contains(part), "{model}: {said}");
    }
    let good = format!("    sticky: prefix\n{}", two(", weight: 3, when: { teams: [other] }", ", canary: 2.5%"));
    let good = weighted(format!("{good}      - {{ provider: a, model: o, when: {{ keys: [ci] }} }}\n"));
    let said = check(&good).await.ok();
    for part in ["by weighted, sticky by prefix", "weight 3", "canary of 2.5%", "no request reaches it", "no key `ci`"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}
