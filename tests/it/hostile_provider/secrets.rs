//! Credentials with which requests are signed: a provider that says them back tells nobody.

use super::egress::assert_kept_secret;
use super::{WAYS, raw};
use crate::support::config::Setup;
use crate::support::script::Script;
use crate::support::upstream::Upstream;
use serde_json::{Value, json};

const ID: &str = "AKIAPLANTED000000001";
const SECRET: &str = "planted/Aws+Secret/Access/Key/0123456789";
const SESSION: &str = "planted-session-token//0123456789==";

#[tokio::test]
async fn keys_of_aws_are_nowhere_to_be_read() {
    let upstream = Upstream::start().await;
    let settings = format!(
        "kind: bedrock, region: us-east-1, base_url: \"http://{}\", access_key_id: {ID}, \
         secret_access_key: \"{SECRET}\", session_token: \"{SESSION}\"",
        upstream.address
    );
    let setup = Setup::new().account("a", &settings).top("health: { failures: 1000000, least: 1000000 }");
    let gateway = setup.model_of("alone", &["a"], "max_attempts: 1").with_admin().start().await;
    let words = format!("no {SECRET} and no {ID} nor {SESSION}");
    let told = json!({"message": words, "__type": words}).to_string();
    let mut said = Vec::new();
    let mut scripts: Vec<Script> = [400, 403, 404, 429, 500, 503]
        .map(|status| Script::json(status, told.clone()).field("x-amzn-errortype", &words))
        .into();
    scripts.push(Script::json(200, told.clone()));
    scripts.push(Script::answer(200, "application/vnd.amazon.eventstream", words.clone()));
    scripts.push(raw(&format!("HTTP/1.1 200 {words}"), &[&format!("{words}: x")], &words));
    scripts.push(raw(&format!("HTTP/1.1 500 {words}"), &[&format!("location: {words}")], &words));
    for script in scripts {
        upstream.always(script);
        for way in WAYS {
            let answer = way.call("alone").send(gateway.address).await;
            said.push(format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body)));
        }
    }
    assert!(upstream.count() >= said.len(), "each was sent");
    let signed = upstream.requests().pop().expect("it was asked");
    assert!(signed.head.get("authorization").is_some_and(|value| value.contains(ID)), "it is signed: {signed:?}");
    assert!(!format!("{signed:?}").contains(SECRET), "the provider never learns what it is signed with");
    let views = gateway.admin("GET", "/openapi.json", Value::Null).await.json();
    let paths: Vec<String> = views["paths"].as_object().expect("paths").keys().cloned().collect();
    let mut seen = 0;
    for path in paths.iter().filter(|path| !path.contains('{') && !path.ends_with("/tail")) {
        let answer = gateway.admin("GET", path.trim_start_matches("/admin/v1"), Value::Null).await;
        seen += usize::from(answer.status == 200);
        said.push(answer.text().to_owned());
    }
    assert!(seen >= 5, "{paths:?}");
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    assert_kept_secret(&gateway, &[ID, SECRET, SESSION], &said).await;
}
