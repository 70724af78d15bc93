//! What keys and teams are given at run time beside limits and budgets: addresses, a priority, guardrails.

use crate::support::call::{Answer, Call};
use crate::support::config::Setup;
use crate::support::gateway::{Gateway, run};
use crate::support::upstream::Upstream;
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const MAIL: &str = "ann.lee@example.com";
const GUARDS: &str = "guardrails:\n  no-pii: { kind: pii, entities: [email], action: redact }\n  \
                      no-words: { kind: words, words: [nightjar], action: block }";

async fn say(gateway: &Gateway, key: &str, content: &str) -> Answer {
    let body = json!({"model": "fast", "messages": [{"role": "user", "content": content}]}).to_string();
    Call::post(CHAT, body).key(key).send(gateway.address).await
}

fn content(request: &Value) -> &Value {
    &request["messages"][0]["content"]
}

#[tokio::test]
async fn guardrails_of_keys_and_teams_hold_from_the_next_request_on_and_after_a_restart() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).top(GUARDS).with_admin().start().await;
    assert_eq!(gateway.admin("POST", "/teams", json!({"name": "lab"})).await.status, 201);
    let key = gateway.new_key(json!({"name": "ci", "team": "lab"})).await;
    let sent = || async { upstream.requests().last().expect("it was sent").json() };
    assert_eq!(say(&gateway, &key, MAIL).await.status, 200);
    assert_eq!(content(&sent().await), MAIL, "nothing holds yet");
    let changed = gateway.admin("PATCH", "/teams/lab", json!({"guardrails": ["no-pii"]})).await;
    assert_eq!((changed.status, &changed.json()["guardrails"]), (200, &json!(["no-pii"])));
    assert_eq!(say(&gateway, &key, MAIL).await.status, 200);
    assert_eq!(content(&sent().await), "[EMAIL]", "the team's");
    assert_eq!(gateway.admin("PATCH", "/keys/ci", json!({"guardrails": ["no-words"]})).await.status, 200);
    assert_eq!(say(&gateway, &key, "nightjar").await.openai_error(400), "guardrail_blocked", "the key's");
    let tokens = json!({"model": "fast", "input": [1, 2, 3]}).to_string();
    let closed = Call::post("/v1/embeddings", tokens).key(&key).send(gateway.address).await;
    assert_eq!(closed.openai_error(400), "guardrail_without_view", "a mandatory one closes what it cannot see");
    gateway.stop().await;
    gateway.start_again().await;
    assert_eq!(say(&gateway, &key, "nightjar").await.openai_error(400), "guardrail_blocked");
    assert_eq!(say(&gateway, &key, MAIL).await.status, 200);
    assert_eq!(content(&sent().await), "[EMAIL]");
    assert_eq!(gateway.admin("PATCH", "/keys/ci", json!({"guardrails": null})).await.status, 200);
    assert_eq!(say(&gateway, &key, "nightjar").await.status, 200, "taken back");
}

#[tokio::test]
async fn a_guardrail_that_there_is_not_is_refused_by_name_with_those_that_there_are() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).top(GUARDS).with_admin().start().await;
    let cases = [
        ("/keys", json!({"name": "k", "team": "search", "guardrails": ["no-pi"]})),
        ("/teams", json!({"name": "t", "guardrails": ["no-words", "no-pi"]})),
    ];
    for (path, body) in cases {
        let refused = gateway.admin("POST", path, body).await;
        assert_eq!(refused.admin_error(422), "invalid_request");
        for named in ["`guardrails`", "`no-pi`", "`no-pii`", "`no-words`"] {
            assert!(refused.text().contains(named), "{path}: {named}: {}", refused.text());
        }
    }
    let wrong = [
        json!({"guardrails": []}),
        json!({"guardrails": ["no-pii", "no-pii"]}),
        json!({"priority": "highest"}),
        json!({"allowed_ips": ["10.0.0.1/8"]}),
        json!({"allowed_ips": []}),
    ];
    for extra in wrong {
        let mut body = json!({"name": "k", "team": "search"});
        body.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        let member = extra.as_object().and_then(|object| object.keys().next()).expect("one").clone();
        let refused = gateway.admin("POST", "/keys", body).await;
        assert_eq!(refused.admin_error(422), "invalid_request", "{extra}");
        assert!(refused.text().contains(&member), "{extra}: {}", refused.text());
    }
    assert_eq!(gateway.admin("GET", "/keys/k", Value::Null).await.status, 404, "nothing was made");
    let networks = gateway.admin("POST", "/teams", json!({"name": "t", "allowed_ips": ["10.0.0.0/8"]})).await;
    assert_eq!(networks.admin_error(400), "invalid_request", "a team has none in the file either");
}

#[tokio::test]
async fn a_key_works_only_from_the_addresses_that_it_is_given() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let far = json!({"name": "ci", "team": "search", "allowed_ips": ["192.0.2.0/24"], "priority": "low"});
    let key = gateway.new_key(far).await;
    assert_eq!(say(&gateway, &key, "hi").await.openai_error(403), "address_not_allowed");
    let near = json!({"allowed_ips": ["192.0.2.0/24", "127.0.0.1"], "priority": "high"});
    let changed = gateway.admin("PATCH", "/keys/ci", near).await.json();
    assert_eq!(
        (&changed["allowed_ips"], &changed["priority"]),
        (&json!(["192.0.2.0/24", "127.0.0.1"]), &json!("high"))
    );
    assert_eq!(say(&gateway, &key, "hi").await.status, 200);
    let audit = std::fs::read_to_string(gateway.dir.path().join("state/audit.jsonl")).expect("an audit log");
    assert!(audit.contains(r#""allowed_ips":["192.0.2.0/24","127.0.0.1"]"#), "{audit}");
    assert_eq!(gateway.admin("PATCH", "/keys/ci", json!({"allowed_ips": ["192.0.2.1"]})).await.status, 200);
    assert_eq!(say(&gateway, &key, "hi").await.openai_error(403), "address_not_allowed", "at once");
    assert_eq!(gateway.admin("PATCH", "/keys/ci", json!({"allowed_ips": null})).await.status, 200);
    assert_eq!(say(&gateway, &key, "hi").await.status, 200);
}

#[tokio::test]
async fn what_the_file_gives_is_shown_beside_what_is_made_at_run_time() {
    let upstream = Upstream::start().await;
    let setup = Setup::openai(&[&upstream]).top(GUARDS).search("guardrails: [no-pii], priority: high");
    let more = "allowed_ips: [10.0.0.0/8], priority: low, guardrails: [no-words]";
    let gateway = setup.key("written", "search", "wb-written-0123456789", more).with_admin().start().await;
    let key = gateway.admin("GET", "/keys/written", Value::Null).await.json();
    let shown = (&key["allowed_ips"], &key["priority"], &key["guardrails"]);
    assert_eq!(shown, (&json!(["10.0.0.0/8"]), &json!("low"), &json!(["no-words"])));
    let team = gateway.admin("GET", "/teams/search", Value::Null).await.json();
    assert_eq!((&team["priority"], &team["guardrails"]), (&json!("high"), &json!(["no-pii"])));
}

#[tokio::test]
async fn the_commands_give_and_take_them_back() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).top(GUARDS).with_admin().start().await;
    let config = gateway.config().display().to_string();
    let call = |what: &'static [&'static str]| {
        let args: Vec<&str> = what.iter().copied().chain(["--format", "json", "-c", &config]).collect();
        let args: Vec<String> = args.into_iter().map(ToOwned::to_owned).collect();
        async move {
            let args: Vec<&str> = args.iter().map(|arg| &**arg).collect();
            run(&args).await.ok()
        }
    };
    let made = call(&["teams", "create", "--name", "lab", "--priority", "low", "--guardrail", "no-pii"]).await;
    assert!(made.contains(r#""priority": "low""#) && made.contains("no-pii"), "{made}");
    let made = call(&[
        "keys",
        "create",
        "--name",
        "ci",
        "--team",
        "lab",
        "--allow-ip",
        "127.0.0.1",
        "--guardrail",
        "no-words",
    ])
    .await;
    let made: Value = serde_json::from_str(&made).expect("json");
    let key = made["secret"].as_str().expect("a key");
    assert_eq!(say(&gateway, key, "nightjar").await.openai_error(400), "guardrail_blocked");
    let back = call(&["keys", "update", "ci", "--reset", "guardrails,allowed_ips"]).await;
    let back: Value = serde_json::from_str(&back).expect("json");
    assert_eq!((&back["guardrails"], &back["allowed_ips"]), (&Value::Null, &Value::Null));
    assert_eq!(say(&gateway, key, "nightjar").await.status, 200);
    assert_eq!(upstream.count(), 1, "what was blocked was not sent");
}
