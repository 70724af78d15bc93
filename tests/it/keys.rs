//! Keys at run time: a change is effective at once, survives a restart, and no key is ever shown twice.

use crate::support::call::{Answer, Call};
use crate::support::config::{ADMIN_TOKEN, KEY, Setup, VIEWER_TOKEN};
use crate::support::eventually;
use crate::support::gateway::{Gateway, run};
use crate::support::sample;
use crate::support::script::{Gate, Script};
use crate::support::upstream::Upstream;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

async fn chat(gateway: &Gateway, key: &str) -> Answer {
    Call::post(CHAT, sample::CHAT_ASK).key(key).send(gateway.address).await
}

fn in_ms(millis: i64) -> String {
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(millis);
    later.to_string()
}

#[tokio::test]
async fn a_key_works_as_soon_as_it_is_made_and_after_a_restart() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let key = gateway.new_key(json!({"name": "ci", "team": "search", "tags": {"owner": "ann"}})).await;
    assert_eq!(chat(&gateway, &key).await.status, 200);
    gateway.stop().await;
    gateway.start_again().await;
    assert_eq!(chat(&gateway, &key).await.status, 200, "it was on disk");
    assert_eq!(chat(&gateway, KEY).await.status, 200, "and the file's key works beside it");
    let rows = gateway.settled(3).await;
    assert!(rows.iter().filter(|row| row.text("key") == "ci").count() == 2, "{rows:?}");
    let shown = gateway.admin("GET", "/keys/ci", Value::Null).await.json();
    assert_eq!(
        (&shown["tags"]["owner"], &shown["state"], &shown["source"]),
        (&json!("ann"), &json!("active"), &json!("state"))
    );
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_and_for_ever() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let key = gateway.new_key(json!({"name": "ci", "team": "search"})).await;
    let revoked = gateway.admin("DELETE", "/keys/ci", Value::Null).await;
    assert_eq!((revoked.status, &revoked.json()["state"]), (200, &json!("revoked")));
    assert_eq!(chat(&gateway, &key).await.openai_error(401), "revoked_api_key");
    let again = gateway.admin("DELETE", "/keys/ci", Value::Null).await;
    assert_eq!(again.status, 200, "it is so already");
    let back = gateway.admin("PATCH", "/keys/ci", json!({"expires": null})).await;
    assert_eq!(back.admin_error(409), "revoked");
    let taken = gateway.admin("POST", "/keys", json!({"name": "ci", "team": "search"})).await;
    assert_eq!(taken.admin_error(409), "already_exists", "the ledger's rows carry the name");
    gateway.stop().await;
    gateway.start_again().await;
    assert_eq!(chat(&gateway, &key).await.openai_error(401), "revoked_api_key");
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_stream_of_a_revoked_key_goes_on_to_its_end_by_default() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let key = gateway.new_key(json!({"name": "ci", "team": "search"})).await;
    let gate = Gate::new();
    let script = Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("one")).wait(&gate);
    upstream.next(script.body(sample::CHAT_FINISH).body(sample::CHAT_USAGE).body(sample::CHAT_DONE).end());
    let mut open = Call::post(CHAT, sample::CHAT_STREAM_ASK).key(&key).open(gateway.address).await;
    open.event().await.expect("the role");
    assert_eq!(gateway.admin("DELETE", "/keys/ci", Value::Null).await.status, 200);
    assert_eq!(chat(&gateway, &key).await.openai_error(401), "revoked_api_key", "nothing new");
    gate.open();
    let rest = open.whole().await;
    assert!(rest.unbroken().ends_with(sample::CHAT_DONE), "{}", rest.text());
}

#[tokio::test]
async fn a_stream_of_a_revoked_key_is_cut_within_a_second_where_the_file_says_so() {
    for (path, ask, first, code) in [
        (
            CHAT,
            sample::CHAT_STREAM_ASK,
            [sample::CHAT_ROLE.to_owned(), sample::chat_delta("one")].concat(),
            "caller_revoked",
        ),
        (
            MESSAGES,
            sample::MESSAGE_STREAM_ASK,
            [sample::message_start(), sample::message_delta("one")].concat(),
            "caller_revoked",
        ),
    ] {
        let upstream = Upstream::start().await;
        let gateway = Setup::speaking(path, &[&upstream]).with_admin().auth("on_revoke", "cut").start().await;
        let key = gateway.new_key(json!({"name": "ci", "team": "search"})).await;
        upstream.next(Script::sse().body(first).wait(&Gate::new()).end());
        let mut open = Call::post(path, ask).key(&key).open(gateway.address).await;
        open.event().await.expect("the first event");
        assert_eq!(gateway.admin("DELETE", "/keys/ci", Value::Null).await.status, 200);
        let revoked = Instant::now();
        let rest = open.whole().await;
        // One second is promised; the rest is for a machine that is busy.
        assert!(revoked.elapsed() < Duration::from_secs(5), "{path}: {:?}", revoked.elapsed());
        assert!(rest.text().contains(code) && !rest.text().contains("[DONE]"), "{path}: {}", rest.text());
        let rows = gateway.settled(1).await;
        assert_eq!(rows[0].text("error"), "caller_revoked", "{path}: {rows:?}");
    }
}

#[tokio::test]
async fn a_key_that_expires_is_refused_and_its_streams_are_cut_like_revoked_ones() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().auth("on_revoke", "cut").start().await;
    let key = gateway.new_key(json!({"name": "ci", "team": "search", "expires": in_ms(3_000)})).await;
    upstream.next(Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("one")).wait(&Gate::new()).end());
    let open = Call::post(CHAT, sample::CHAT_STREAM_ASK).key(&key).open(gateway.address).await;
    assert_eq!(open.status, 200, "it works until then");
    let rest = open.whole().await;
    assert!(rest.text().contains("caller_revoked"), "{}", rest.text());
    assert_eq!(chat(&gateway, &key).await.openai_error(401), "expired_api_key");
    let extended = gateway.admin("PATCH", "/keys/ci", json!({"expires": null})).await;
    assert_eq!(extended.status, 200, "{}", extended.text());
    assert_eq!(chat(&gateway, &key).await.status, 200, "it may be given more time");
}

#[tokio::test]
async fn a_rotated_key_works_on_for_its_grace_period_and_no_longer() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let first = gateway.new_key(json!({"name": "ci", "team": "search"})).await;
    let rotate = |grace: &'static str| gateway.admin("POST", "/keys/ci/rotate", json!({ "grace": grace }));
    let secret = |answer: &Answer| answer.json()["secret"].as_str().expect("a new one").to_owned();
    let second = secret(&rotate("1h").await);
    assert_eq!((chat(&gateway, &first).await.status, chat(&gateway, &second).await.status), (200, 200));
    let third = secret(&rotate("1s").await);
    assert_eq!(chat(&gateway, &first).await.openai_error(401), "invalid_api_key", "older than the last but one");
    eventually("the grace period ends", || async {
        let answer = chat(&gateway, &second).await;
        (answer.status == 401).then(|| assert_eq!(answer.openai_error(401), "expired_api_key"))
    })
    .await;
    let fourth = secret(&gateway.admin("POST", "/keys/ci/rotate", Value::Null).await);
    assert_eq!(chat(&gateway, &third).await.openai_error(401), "expired_api_key", "without a grace period at once");
    assert_eq!(chat(&gateway, &fourth).await.status, 200);
    let shown = gateway.admin("GET", "/keys/ci", Value::Null).await.json();
    assert_eq!(shown["secrets"].as_array().map(Vec::len), Some(2), "{shown}");
}

#[tokio::test]
async fn what_stands_in_the_file_is_shown_and_cannot_be_changed() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let shown = gateway.admin("GET", "/keys/search-ci", Value::Null).await.json();
    assert_eq!((&shown["source"], &shown["team"]), (&json!("file"), &json!("search")));
    for (method, path, body) in [
        ("PATCH", "/keys/search-ci", json!({"models": ["fast"]})),
        ("DELETE", "/keys/search-ci", Value::Null),
        ("POST", "/keys/search-ci/rotate", json!({})),
        ("PATCH", "/teams/search", json!({"models": ["fast"]})),
        ("DELETE", "/teams/search", Value::Null),
    ] {
        assert_eq!(gateway.admin(method, path, body).await.admin_error(409), "read_only", "{method} {path}");
    }
    let taken = gateway.admin("POST", "/keys", json!({"name": "search-ci", "team": "search"})).await;
    assert_eq!(taken.admin_error(409), "already_exists");
    assert_eq!(chat(&gateway, KEY).await.status, 200);
}

#[tokio::test]
async fn a_team_gives_its_keys_their_models_and_stays_while_it_has_keys() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).model("smart", 1, "").with_admin().start().await;
    let team = gateway.admin("POST", "/teams", json!({"name": "research", "models": ["smart"]})).await;
    assert_eq!(team.status, 201, "{}", team.text());
    let key = gateway.new_key(json!({"name": "r1", "team": "research"})).await;
    assert_eq!(chat(&gateway, &key).await.openai_error(403), "model_not_allowed");
    let wider = gateway.admin("PATCH", "/teams/research", json!({"models": null})).await;
    assert_eq!(wider.status, 200, "{}", wider.text());
    assert_eq!(chat(&gateway, &key).await.status, 200, "at once, for keys that are there");
    let narrow = gateway.admin("PATCH", "/keys/r1", json!({"models": ["smart"]})).await;
    assert_eq!(narrow.status, 200, "{}", narrow.text());
    assert_eq!(chat(&gateway, &key).await.openai_error(403), "model_not_allowed");
    assert_eq!(gateway.admin("DELETE", "/teams/research", Value::Null).await.admin_error(409), "team_in_use");
    assert_eq!(gateway.admin("PATCH", "/keys/r1", json!({"team": "search"})).await.status, 200);
    assert_eq!(gateway.admin("DELETE", "/teams/research", Value::Null).await.status, 204);
    let gone = gateway.admin("POST", "/keys", json!({"name": "r2", "team": "research"})).await;
    assert_eq!(gone.admin_error(422), "invalid_request");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_its_place_and_changes_nothing() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let cases = [
        (json!({"name": "a", "team": "serach"}), "did you mean `search`?"),
        (json!({"name": "a", "team": "search", "models": ["fats"]}), "did you mean `fast`?"),
        (json!({"name": "a", "team": "search", "models": []}), "leave it out for all"),
        (json!({"name": "a", "team": "search", "expires": "soon"}), "`soon` is no time"),
        (json!({"name": "a", "team": "search", "expires": "2001-01-01"}), "is past"),
        (json!({"name": "a b", "team": "search"}), "a name has 1 to 128"),
        (json!({"name": "jwt:a", "team": "search"}), "JWT callers"),
        (
            json!({"name": "a", "team": "search", "limits": [{"requets": 1, "per": "minute"}]}),
            "did you mean `requests`?",
        ),
        (json!({"name": "a", "team": "search", "limits": [{"requests": 0, "per": "minute"}]}), "limits"),
        (json!({"name": "a", "team": "search", "budgets": {"usd": 1}}), "expected a list"),
        (json!({"name": "a", "team": "search", "tags": {"": "x"}}), "tags"),
    ];
    for (body, why) in cases {
        let answer = gateway.admin("POST", "/keys", body.clone()).await;
        assert_eq!(answer.admin_error(422), "invalid_request", "{body}");
        assert!(answer.text().contains(why), "{body}: {}", answer.text());
    }
    let listed = gateway.admin("GET", "/keys", Value::Null).await.json();
    assert_eq!(listed["keys"].as_array().map(Vec::len), Some(1), "{listed}");
}

#[tokio::test]
async fn limits_and_budgets_of_a_key_are_kept_as_they_were_given() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let limits = json!([{"requests": 60, "per": "minute"}]);
    let budgets = json!([{"usd": 50, "per": "month"}]);
    gateway.new_key(json!({"name": "ci", "team": "search", "limits": limits, "budgets": budgets})).await;
    gateway.stop().await;
    gateway.start_again().await;
    let shown = gateway.admin("GET", "/keys/ci", Value::Null).await.json();
    assert_eq!((&shown["limits"], &shown["budgets"]), (&limits, &budgets));
}

#[tokio::test]
async fn limits_of_a_key_hold_at_once_and_after_a_restart() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let limits = json!([{"requests": 2, "per": "day"}]);
    let key = gateway.new_key(json!({"name": "ci", "team": "search", "limits": limits})).await;
    let statuses = || async { (chat(&gateway, &key).await.status, chat(&gateway, KEY).await.status) };
    assert_eq!((statuses().await, statuses().await, statuses().await), ((200, 200), (200, 200), (429, 200)));
    let shown = gateway.admin("GET", "/limits", Value::Null).await.json();
    let one = &shown["limits"][0];
    assert_eq!((&one["id"], &one["used"], &one["limit"]), (&json!("key/ci/requests/day"), &json!(2), &json!(2)));
    gateway.settled(5).await;
    gateway.stop().await;
    gateway.start_again().await;
    assert_eq!(statuses().await, (429, 200), "a restart forgives nothing");
    let more = gateway.admin("PATCH", "/keys/ci", json!({"limits": [{"requests": 3, "per": "day"}]})).await;
    assert_eq!(more.status, 200, "{}", more.text());
    assert_eq!((statuses().await, statuses().await), ((200, 200), (429, 200)), "what was used stays used");
    assert_eq!(gateway.admin("PATCH", "/keys/ci", json!({"limits": null})).await.status, 200);
    assert_eq!(statuses().await, (200, 200));
}

#[tokio::test]
async fn a_budget_of_a_key_that_is_spent_refuses_it() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let budgets = json!([{"usd": "0.000001", "per": "month"}]);
    let key = gateway.new_key(json!({"name": "ci", "team": "search", "budgets": budgets})).await;
    let shown = gateway.admin("GET", "/budgets", Value::Null).await.json();
    assert_eq!(shown["budgets"][0]["id"], "key/ci/usd/month", "also before it was asked: {shown}");
    assert_eq!(chat(&gateway, &key).await.status, 402);
    assert_eq!(chat(&gateway, KEY).await.status, 200, "nobody else");
    let shown = gateway.admin("GET", "/budgets", Value::Null).await.json();
    let one = &shown["budgets"][0];
    assert_eq!((&one["id"], &one["limit"], &one["settled"]), (&json!("key/ci/usd/month"), &json!(1000), &json!(0)));
    let config = gateway.config().display().to_string();
    let listed = run(&["budgets", "list", "-c", &config]).await.ok();
    assert!(listed.contains("key/ci/usd/month"), "{listed}");
    let more = gateway.admin("PATCH", "/keys/ci", json!({"budgets": [{"usd": 1, "per": "month"}]})).await;
    assert_eq!(more.status, 200, "{}", more.text());
    assert_eq!(chat(&gateway, &key).await.status, 200, "at once");
    gateway.stop().await;
    gateway.start_again().await;
    let shown = gateway.admin("GET", "/budgets", Value::Null).await.json();
    assert_eq!(shown["budgets"][0]["id"], "key/ci/usd/month", "read at the start: {shown}");
}

#[tokio::test]
async fn keys_are_listed_page_by_page() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    for number in 0..5 {
        gateway.new_key(json!({"name": format!("k{number}"), "team": "search"})).await;
    }
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let page = gateway.admin("GET", &format!("/keys?limit=2&after={after}"), Value::Null).await.json();
        let keys = page["keys"].as_array().expect("a list").clone();
        assert!(keys.len() <= 2);
        names.extend(keys.iter().map(|key| key["name"].as_str().expect("a name").to_owned()));
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(names, ["k0", "k1", "k2", "k3", "k4", "search-ci"]);
}

#[tokio::test]
async fn keys_and_tokens_are_nowhere_but_in_the_answer_that_made_them() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let first = gateway.new_key(json!({"name": "ci", "team": "search"})).await;
    let rotated = gateway.admin("POST", "/keys/ci/rotate", json!({"grace": "1h"})).await;
    let second = rotated.json()["secret"].as_str().expect("a key").to_owned();
    chat(&gateway, &first).await;
    chat(&gateway, &second).await;
    gateway.admin_as("planted-wrong-token-0123456789", "GET", "/keys", Value::Null).await;
    gateway.admin("PATCH", "/keys/ci", json!({"tags": {"a": "b"}})).await;
    let list = gateway.admin("GET", "/keys", Value::Null).await;
    let audit = gateway.admin("GET", "/audit", Value::Null).await;
    gateway.admin("DELETE", "/keys/ci", Value::Null).await;
    let refused = chat(&gateway, &second).await;
    let metrics = gateway.metrics().await;
    gateway.stop().await;
    let state = gateway.dir.path().join("state");
    let mut kept =
        vec![list.text().to_owned(), audit.text().to_owned(), refused.text().to_owned(), metrics, gateway.log()];
    for entry in std::fs::read_dir(state).expect("a state directory") {
        let path = entry.expect("readable").path();
        if path.is_file() {
            kept.push(String::from_utf8_lossy(&std::fs::read(path).expect("readable")).into_owned());
        }
    }
    for text in kept {
        for secret in [&*first, &second, ADMIN_TOKEN, VIEWER_TOKEN, "planted-wrong-token-0123456789"] {
            assert!(!text.contains(secret), "a secret is in {text}");
        }
    }
}

#[tokio::test]
async fn the_command_line_manages_keys_of_a_running_gateway() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).with_admin().start().await;
    let config = gateway.config().display().to_string();
    let keys = |args: &[&str]| {
        let line: Vec<String> = ["keys"]
            .iter()
            .chain(args)
            .map(|word| (*word).to_owned())
            .chain(["-c".to_owned(), config.clone()])
            .collect();
        async move { run(&line.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };
    let made = keys(&["create", "--name", "cli/1", "--team", "search", "--tag", "owner=ann"]).await.ok();
    let key = made.split_whitespace().find(|word| word.starts_with("wb-")).expect("the key").to_owned();
    assert_eq!(chat(&gateway, &key).await.status, 200);
    let listed = keys(&["list"]).await.ok();
    assert!(listed.contains("cli/1") && listed.contains("search-ci") && !listed.contains(&key), "{listed}");
    let rotated = keys(&["rotate", "cli/1", "--grace", "1h"]).await.ok();
    let second = rotated.split_whitespace().find(|word| word.starts_with("wb-")).expect("a new key").to_owned();
    assert_eq!((chat(&gateway, &key).await.status, chat(&gateway, &second).await.status), (200, 200));
    let shown = keys(&["show", "cli/1", "--format", "json"]).await.ok();
    assert_eq!(serde_json::from_str::<Value>(&shown).expect("JSON")["tags"]["owner"], "ann");
    keys(&["update", "cli/1", "--reset", "tags"]).await.ok();
    keys(&["revoke", "cli/1"]).await.ok();
    assert_eq!(chat(&gateway, &second).await.openai_error(401), "revoked_api_key");
    let wrong = keys(&["revoke", "cli/2"]).await;
    assert!(wrong.code == Some(1) && wrong.stderr.contains("did you mean `cli/1`?"), "{wrong:?}");
    gateway.stop().await;
    let silent = keys(&["list"]).await;
    assert!(silent.code == Some(1) && silent.stderr.contains("--offline"), "{silent:?}");
}

#[tokio::test]
async fn without_an_admin_token_the_command_line_says_what_to_do() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let config = gateway.config().display().to_string();
    let refused = run(&["keys", "create", "--name", "a", "--team", "search", "-c", &config]).await;
    assert_eq!(refused.code, Some(1));
    for word in ["admin.token", "WEIGHBRIDGE_ADMIN_TOKEN", "--offline"] {
        assert!(refused.stderr.contains(word), "{word}: {}", refused.stderr);
    }
    assert_eq!(run(&["keys", "create", "-c", &config]).await.code, Some(2), "a name and a team are needed");
}

#[tokio::test]
async fn a_key_whose_rules_no_longer_fit_the_file_stops_nobody_else_and_can_be_mended() {
    let upstream = Upstream::start().await;
    let setup = Setup::openai(&[&upstream]).model("cheap", 1, "").with_admin();
    let gateway = setup.start().await;
    let budgets = json!([{"usd": 5, "per": "day", "on_exhausted": {"fallback": "cheap"}}]);
    let lost = gateway.new_key(json!({"name": "lost", "team": "search", "budgets": budgets})).await;
    gateway.stop().await;
    let text = std::fs::read_to_string(gateway.config()).expect("the configuration");
    std::fs::write(gateway.config(), text.replace("cheap", "cheaper")).expect("a file");
    let checked = run(&["check", "-c", &gateway.config().display().to_string()]).await;
    assert!(checked.stderr.contains("warning: key `lost`: `budgets`: "), "{}", checked.stderr);
    checked.ok();
    gateway.start_again().await;
    assert_eq!(chat(&gateway, KEY).await.status, 200, "the others are served");
    assert_eq!(chat(&gateway, &lost).await.openai_error(503), "key_rules_unreadable");
    let shown = gateway.admin("GET", "/keys/lost", Value::Null).await.json();
    assert_eq!(shown["state"], "unreadable");
    assert!(shown["problem"].as_str().is_some_and(|why| why.contains("no model `cheap`")), "{shown}");
    assert_eq!(gateway.log().matches("key/lost").count(), 1, "{}", gateway.log());
    let budgets = json!([{"usd": 5, "per": "day", "on_exhausted": {"fallback": "cheaper"}}]);
    let mended = gateway.admin("PATCH", "/keys/lost", json!({"budgets": budgets})).await;
    assert_eq!((mended.status, &mended.json()["state"]), (200, &json!("active")), "{}", mended.text());
    assert_eq!(chat(&gateway, &lost).await.status, 200);
}
