//! `GET /v1/models`: what the key may call, in the client's dialect.

use crate::support::call::Call;
use crate::support::config::{KEY, Setup};
use crate::support::gateway::Gateway;
use crate::support::upstream::Upstream;
use serde_json::Value;

const NARROW: &str = "wb-test-key-of-team-narrow-0123456789";

async fn gateway(upstream: &Upstream) -> Gateway {
    let setup = Setup::openai(&[upstream]).model_of("slow", &["a"], "").model_of("org/model:1", &["a"], "");
    let setup =
        setup.team("narrow", "models: [fast, slow, org/model:1]").key("narrow-ci", "narrow", NARROW, "models: [slow]");
    setup.start().await
}

fn ids(list: &Value) -> Vec<&str> {
    let mut ids: Vec<&str> = list["data"].as_array().expect("a list").iter().filter_map(|m| m["id"].as_str()).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn the_list_holds_only_what_the_key_may_call() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let all = gateway.get("/v1/models").await;
    assert_eq!(all.status, 200);
    assert_eq!(all.json()["object"], "list");
    assert_eq!(ids(&all.json()), ["fast", "org/model:1", "slow"]);
    for model in all.json()["data"].as_array().expect("a list") {
        assert_eq!(model["object"], "model");
        assert!(model["created"].is_u64() && model["owned_by"].is_string(), "{model}");
    }
    let narrow = Call::get("/v1/models").key(NARROW).send(gateway.address).await;
    assert_eq!(ids(&narrow.json()), ["slow"], "a key narrows its team");
    assert_eq!(upstream.count(), 0, "the list is the configuration's");
    assert!(gateway.rows().await.is_empty());
}

#[tokio::test]
async fn the_list_comes_in_anthropics_shape_for_its_clients() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let call = Call::get("/v1/models?limit=20").field("x-api-key", KEY).field("anthropic-version", "2023-06-01");
    let list = call.send(gateway.address).await.json();
    assert_eq!(ids(&list), ["fast", "org/model:1", "slow"]);
    assert_eq!(list["has_more"], false);
    for model in list["data"].as_array().expect("a list") {
        assert_eq!(model["type"], "model");
        assert!(model["display_name"].is_string() && model["created_at"].is_string(), "{model}");
    }
}

#[tokio::test]
async fn one_model_is_told_or_404() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    for (path, id) in [
        ("/v1/models/fast", "fast"),
        ("/v1/models/org/model:1", "org/model:1"),
        ("/v1/models/org%2Fmodel%3A1", "org/model:1"),
    ] {
        let answer = gateway.get(path).await;
        assert_eq!((answer.status, answer.json()["id"].as_str()), (200, Some(id)), "{path}");
    }
    let answer = gateway.get("/v1/models/nothing").await;
    assert_eq!(answer.openai_error(404), "model_not_found");
    let hidden = Call::get("/v1/models/fast").key(NARROW).send(gateway.address).await;
    assert_eq!(hidden.openai_error(404), "model_not_found", "what a key may not call is not there for it");
}
