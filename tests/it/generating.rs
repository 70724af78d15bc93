//! Looks that generate: each target answers a token or is shut, within a budget of their own that everybody can see.

use crate::support::config::{Setup, VIEWER_TOKEN, secret};
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::sample;
use crate::support::script::Script;
use crate::support::upstream::{Recorded, Upstream};
use serde_json::Value;

const UNPAID: &str = r#"weighbridge_routing_probes_total{provider="a",result="unpaid"}"#;
const MODELS: &str = r#"{"object":"list","data":[]}"#;

fn setup(upstream: &Upstream, usd: &str) -> Setup {
    let probe = format!("probe: generate, every: 1s, probe_budget: {{ usd: {usd}, per: day }}");
    Setup::openai(&[upstream]).with_admin().top(&format!("health: {{ {probe} }}"))
}

fn is_a_look(request: &&Recorded) -> bool {
    request.head.word(0) == "POST"
}

async fn state(gateway: &Gateway, model: &str, state: &str) -> Value {
    eventually(state, || async {
        let targets = gateway.admin_as(VIEWER_TOKEN, "GET", "/targets", Value::Null).await.json()["targets"].take();
        let targets = targets.as_array().expect("a list").clone();
        targets.into_iter().find(|one| one["model"] == model && one["state"] == state)
    })
    .await
}

/// A look costs 11 tokens in and 60 out: 0.000502 USD.
#[tokio::test]
async fn looks_that_generate_are_paid_by_their_budget_and_end_with_it() {
    let upstream = Upstream::start().await;
    upstream.by(|request| match request.head.word(0) {
        "GET" => Script::json(200, MODELS),
        _ => Script::json(200, sample::CHAT.replace(r#""completion_tokens":7,"#, r#""completion_tokens":60,"#)),
    });
    let gateway = setup(&upstream, "0.001").start().await;
    eventually("the money is spent", || async { (gateway.metric(UNPAID).await >= 1.0).then_some(()) }).await;
    let spent: Vec<_> = upstream.requests().iter().filter(is_a_look).cloned().collect();
    assert!((1..=2).contains(&spent.len()), "{spent:?}");
    for look in &spent {
        assert_eq!(look.head.get("authorization"), Some(&*format!("Bearer {}", secret("a"))));
        let asked = look.json();
        assert_eq!((&asked["model"], &asked["max_completion_tokens"]), (&"model-a".into(), &1.into()), "{asked}");
    }
    eventually("two looks more", || async { (gateway.metric(UNPAID).await >= 3.0).then_some(()) }).await;
    assert_eq!(upstream.requests().iter().filter(is_a_look).count(), spent.len(), "nothing is paid twice");
    assert!(upstream.requests().iter().any(|request| request.path() == "/v1/models"), "it is looked at otherwise");
    let rows = gateway.settled(spent.len()).await;
    for row in &rows {
        assert_eq!((row.text("key"), row.text("team"), row.text("model")), ("#probe", "#probe", "fast"));
        assert_eq!(row.number("cost_nano_usd"), 11 * 2_000 + 60 * 8_000);
    }
    assert_eq!(gateway.log().matches("it is looked at otherwise").count(), 1, "{}", gateway.log());
    assert!(gateway.log().contains("provider/a/probe/usd/day"), "the budget is named: {}", gateway.log());
    let budget = r#"weighbridge_ledger_budget_used{budget="provider/a/probe/usd/day",unit="usd"}"#;
    assert!(gateway.metric(budget).await > 0.0);
    gateway.assert_verified().await;
}

#[tokio::test]
async fn of_two_models_at_one_provider_only_the_one_that_does_not_answer_is_shut() {
    let upstream = Upstream::start().await;
    upstream.by(|request| match request.json()["model"].as_str() {
        Some("sick") => Script::error(500),
        _ => Script::json(200, sample::CHAT),
    });
    let price = "input: 1, output: 1";
    let setup = setup(&upstream, "5").target("other", "a", "sick").price("sick", price);
    let gateway = setup.start().await;
    state(&gateway, "sick", "shut").await;
    assert_eq!(state(&gateway, "model-a", "open").await["reason"], Value::Null);
    upstream.always(Script::json(200, sample::CHAT));
    state(&gateway, "sick", "open").await;
}

#[tokio::test]
async fn what_has_no_price_is_not_asked_for_a_token() {
    let upstream = Upstream::start().await;
    upstream.always(Script::json(200, MODELS));
    let gateway = setup(&upstream, "5").unpriced("model-a").start().await;
    eventually("looks", || async { (gateway.metric(UNPAID).await >= 2.0).then_some(()) }).await;
    assert_eq!(upstream.requests().iter().filter(is_a_look).count(), 0);
    assert!(gateway.rows().await.is_empty());
}
