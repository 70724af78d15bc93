//! Rate limits: every scope, all or nothing, refusals that tell the truth, headers that move, and a restart forgives
//! nothing.

use crate::support::call::{Answer, Call};
use crate::support::config::{KEY, Setup};
use crate::support::gateway::Gateway;
use crate::support::h1::H1;
use crate::support::script::Script;
use crate::support::upstream::Upstream;
use crate::support::{eventually, sample};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpSocket;

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
/// A key of another team.
const OTHER: &str = "wb-test-key-of-another-team-0123456789";

/// Model `fast` at provider `a` of this kind, with these further keys; a second team `other` with the key `other-ci`.
fn setup(kind: &str, upstream: &Upstream, [provider, model, team, key]: [&str; 4]) -> Setup {
    Setup::new()
        .provider("a", kind, &format!("http://{}", upstream.address), provider)
        .model("fast", 1, model)
        .team("other", team)
        .key("other-ci", "other", OTHER, key)
}

fn chat() -> Call {
    Call::post(CHAT, sample::CHAT_ASK)
}

async fn ask(gateway: &Gateway, call: Call) -> Answer {
    call.key(OTHER).send(gateway.address).await
}

/// A field as a number.
fn number(answer: &Answer, name: &str) -> u64 {
    let text = answer.field(name).unwrap_or_else(|| panic!("`{name}` is there: {answer:?}"));
    text.parse().unwrap_or_else(|_| panic!("`{name}: {text}` is a number"))
}

#[tokio::test]
async fn a_limit_of_every_scope_refuses_in_both_dialects_and_names_itself() {
    const LIMIT: &str = "limits: [{ requests: 2, per: minute }]";
    let scopes = [
        ("gateway", LIMIT, ["", "", "", ""]),
        ("provider/a", "", [LIMIT, "", "", ""]),
        ("model/fast", "", ["", LIMIT, "", ""]),
        ("team/other", "", ["", "", LIMIT, ""]),
        ("key/other-ci", "", ["", "", "", LIMIT]),
    ];
    for (scope, top, parts) in scopes {
        for (kind, path, body) in [("openai", CHAT, sample::CHAT_ASK), ("anthropic", MESSAGES, sample::MESSAGE_ASK)] {
            let upstream = Upstream::start().await;
            let gateway = setup(kind, &upstream, parts).top(top).start().await;
            for _ in 0..2 {
                assert_eq!(ask(&gateway, Call::post(path, body)).await.status, 200, "{scope}");
            }
            let refused = ask(&gateway, Call::post(path, body)).await;
            if kind == "openai" {
                assert_eq!(refused.openai_error(429), "limit_reached");
            } else {
                assert_eq!(refused.anthropic_error(429), "rate_limit_error");
                assert_eq!(refused.json()["error"]["code"], "limit_reached");
            }
            let message = refused.json()["error"]["message"].as_str().expect("a message").to_owned();
            assert!(message.contains(&format!("`{scope}/requests/minute` of 2 requests per minute")), "{message}");
            let (seconds, millis) = (number(&refused, "retry-after"), number(&refused, "retry-after-ms"));
            assert!((1..=61).contains(&seconds) && millis.div_ceil(1_000) == seconds, "{refused:?}");
            assert_eq!(upstream.count(), 2, "what is refused is not sent");
        }
    }
}

#[tokio::test]
async fn who_waits_as_long_as_was_told_is_admitted() {
    let upstream = Upstream::start().await;
    let limit = "limits: [{ requests: 1, per: second }]";
    let gateway = setup("openai", &upstream, ["", "", "", limit]).start().await;
    let mut refused = 0;
    for _ in 0..6 {
        let answer = ask(&gateway, chat()).await;
        if answer.status == 429 {
            refused += 1;
            // Nothing else tells when the window lets the next one pass.
            tokio::time::sleep(Duration::from_millis(number(&answer, "retry-after-ms"))).await;
            assert_eq!(ask(&gateway, chat()).await.status, 200, "after what was told: {answer:?}");
        }
    }
    assert!(refused >= 2, "only {refused} were refused");
}

#[tokio::test]
async fn headers_move_on_every_answer_and_show_the_rule_with_the_least_share_left() {
    let upstream = Upstream::start().await;
    let team = "limits: [{ requests: 4, per: minute }, { tokens: 10000, per: hour }]";
    let key = "limits: [{ requests: 1000, per: minute }, { tokens: 2000, per: minute }]";
    let gateway = setup("openai", &upstream, ["", "", team, key]).top("limits: [{ requests: 3, per: minute }]");
    let gateway = gateway.start().await;
    let first = ask(&gateway, chat()).await;
    let shown = |answer: &Answer| {
        (number(answer, "x-ratelimit-limit-requests"), number(answer, "x-ratelimit-remaining-requests"))
    };
    assert_eq!(shown(&first), (4, 3), "the team's, not the key's with a larger share, nor the gateway's");
    let reset = first.field("x-ratelimit-reset-requests");
    assert!(reset.is_some_and(|text| ["1m0s", "1m1s"].contains(&text)), "{first:?}");
    assert_eq!(number(&first, "x-ratelimit-limit-tokens"), 2000);
    assert!(number(&first, "x-ratelimit-remaining-tokens") < 2000, "reserved or settled");
    // Corrected to what the provider reported, a moment after the answer.
    eventually("the tokens are settled", || async {
        let models = ask(&gateway, Call::get("/v1/models")).await;
        let left = number(&models, "x-ratelimit-remaining-tokens");
        (left == 2000 - sample::INPUT - sample::OUTPUT).then_some(())
    })
    .await;
    assert_eq!(shown(&ask(&gateway, chat()).await), (4, 2));
    assert_eq!(shown(&ask(&gateway, chat()).await), (4, 1));
    let refused = ask(&gateway, chat()).await;
    assert_eq!((refused.status, shown(&refused)), (429, (4, 1)), "the gateway's rule refused, and took nothing");
}

#[tokio::test]
async fn a_refused_request_takes_nothing_from_any_window() {
    let upstream = Upstream::start().await;
    let team = "limits: [{ requests: 3, per: minute }]";
    let key = "limits: [{ tokens: 1000, per: minute }]";
    let gateway = setup("openai", &upstream, ["", "", team, key]).start().await;
    let greedy = r#"{"model":"fast","max_tokens":5000,"messages":[{"role":"user","content":"hi"}]}"#;
    for _ in 0..5 {
        let refused = ask(&gateway, Call::post(CHAT, greedy)).await;
        assert_eq!(refused.openai_error(429), "larger_than_limit");
        assert_eq!(refused.field("x-should-retry"), Some("false"), "it can never pass: {refused:?}");
        assert!(refused.field("retry-after").is_none());
        assert_eq!(number(&refused, "x-ratelimit-remaining-requests"), 3);
    }
    let unknown = r#"{"model":"slow","messages":[]}"#;
    assert_eq!(ask(&gateway, Call::post(CHAT, unknown)).await.status, 404);
    for left in [2, 1, 0] {
        let answer = ask(&gateway, chat()).await;
        assert_eq!((answer.status, number(&answer, "x-ratelimit-remaining-requests")), (200, left));
    }
    assert_eq!(ask(&gateway, chat()).await.status, 429);
}

#[tokio::test]
async fn a_place_among_the_open_requests_is_free_when_its_client_leaves() {
    let upstream = Upstream::start().await;
    let gateway = setup("openai", &upstream, ["", "", "", "limits: [{ concurrent: 1 }]"]).start().await;
    upstream.next(Script::silence());
    let mut leaver = H1::connect(gateway.address).await;
    leaver.send(&chat().key(OTHER)).await;
    upstream.request(0).await;
    let refused = ask(&gateway, chat()).await;
    assert_eq!(refused.openai_error(429), "limit_reached");
    assert!(refused.text().contains("1 requests at once") && refused.field("retry-after") == Some("1"), "{refused:?}");
    assert_eq!(gateway.post(CHAT, sample::CHAT_ASK).await.status, 200, "another key is not harmed");
    drop(leaver);
    eventually("the place is free", || async { (ask(&gateway, chat()).await.status == 200).then_some(()) }).await;
}

#[tokio::test]
async fn users_and_metadata_are_counted_apart_and_metadata_that_cannot_be_read_is_400() {
    let upstream = Upstream::start().await;
    let team = "limits: [{ requests: 1, per: hour, each: user }, { requests: 2, per: hour, each: metadata.project }]";
    let gateway = setup("openai", &upstream, ["", "", team, ""]).start().await;
    let of = |user: &str, project: &str| {
        let metadata = format!("{{\"project\":\"{project}\"}}");
        chat().field("x-weighbridge-user", user).field("x-weighbridge-metadata", &metadata)
    };
    assert_eq!(ask(&gateway, of("alice", "x")).await.status, 200);
    let refused = ask(&gateway, of("alice", "y")).await;
    assert!(refused.status == 429 && refused.text().contains("user"), "{}", refused.text());
    assert_eq!(ask(&gateway, of("bob", "x")).await.status, 200);
    let refused = ask(&gateway, of("carol", "x")).await;
    assert!(refused.status == 429 && refused.text().contains("project"), "{}", refused.text());
    assert_eq!(ask(&gateway, of("carol", "y")).await.status, 200, "refused by one, she was not counted by the other");
    let body = r#"{"model":"fast","metadata":{"project":"y"},"messages":[{"role":"user","content":"hi"}]}"#;
    let by_body = |user: &str| Call::post(CHAT, body).field("x-weighbridge-user", user);
    assert_eq!(ask(&gateway, by_body("dave")).await.status, 200);
    assert_eq!(ask(&gateway, by_body("erin")).await.status, 429, "two of project y by now, one told in the body");
    let bad = ask(&gateway, chat().field("x-weighbridge-metadata", "project=x")).await;
    assert_eq!(bad.openai_error(400), "invalid_request");
    assert!(bad.text().contains("x-weighbridge-metadata"), "{}", bad.text());
}

#[tokio::test]
async fn warn_passes_with_a_header_and_audit_passes_unseen() {
    let upstream = Upstream::start().await;
    let key = "limits: [{ requests: 1, per: hour, mode: warn }, { tokens: 1, per: hour, mode: audit }]";
    let gateway = setup("openai", &upstream, ["", "", "", key]).start().await;
    assert_eq!(ask(&gateway, chat()).await.field("x-weighbridge-warning"), None);
    let second = ask(&gateway, chat()).await;
    assert_eq!(second.status, 200);
    assert_eq!(second.field("x-weighbridge-warning"), Some("past the limit key/other-ci/requests/hour"));
    assert_eq!(second.field("x-ratelimit-limit-requests"), None, "it limits nothing");
    for (what, mode, past) in [("requests", "warn", 1.0), ("tokens", "audit", 2.0)] {
        let series = format!(
            "weighbridge_limits_decisions_total{{mode=\"{mode}\",outcome=\"past\",scope=\"key\",what=\"{what}\"}}"
        );
        assert_eq!(gateway.metric(&series).await, past, "{series}");
    }
    assert!(gateway.log().contains("past a limit that is not enforced"));
}

#[tokio::test]
async fn a_candidate_over_its_providers_limit_is_passed_over_and_when_all_are_it_is_429() {
    let (a, b) = (Upstream::start().await, Upstream::start().await);
    let at = |upstream: &Upstream| format!("http://{}", upstream.address);
    let limit = "limits: [{ requests: 1, per: minute }]";
    let hour = "limits: [{ requests: 1, per: hour }]";
    let gateway = Setup::new().provider("a", "openai", &at(&a), limit).provider("b", "openai", &at(&b), hour);
    let gateway = gateway.model("fast", 2, "max_attempts: 1").start().await;
    assert_eq!(gateway.post(CHAT, sample::CHAT_ASK).await.status, 200);
    let second = gateway.post(CHAT, sample::CHAT_ASK).await;
    assert_eq!((second.status, a.count(), b.count()), (200, 1, 1), "to the next one, at no attempt's cost");
    assert_eq!(second.field("x-weighbridge-attempts"), Some("1"));
    assert_eq!(second.field("x-ratelimit-limit-requests"), None, "a provider's rules are not the client's business");
    let third = gateway.post(CHAT, sample::CHAT_ASK).await;
    assert_eq!(third.openai_error(429), "limit_reached");
    assert!(third.text().contains("provider/a/requests/minute"), "the one that is over first: {}", third.text());
    assert!((1..=61).contains(&number(&third, "retry-after")));
}

#[tokio::test]
async fn a_restart_and_a_kill_forgive_nothing_of_an_hour() {
    let upstream = Upstream::start().await;
    let key = "limits: [{ requests: 3, per: hour }, { tokens: 1000, per: day }]";
    let gateway = setup("openai", &upstream, ["", "", "", key]).start().await;
    for _ in 0..2 {
        assert_eq!(ask(&gateway, chat()).await.status, 200);
    }
    gateway.stop().await;
    gateway.start_again().await;
    let third = ask(&gateway, chat()).await;
    assert_eq!((third.status, number(&third, "x-ratelimit-remaining-requests")), (200, 0));
    gateway.kill();
    gateway.start_again().await;
    let refused = ask(&gateway, chat()).await;
    assert_eq!(refused.openai_error(429), "limit_reached");
    assert!(number(&refused, "retry-after") > 3_000, "{refused:?}");
    let used = 3 * (sample::INPUT + sample::OUTPUT);
    assert_eq!(number(&refused, "x-ratelimit-remaining-tokens"), 1000 - used);
}

/// A call from another address of this machine.
async fn from(address: &str, gateway: SocketAddr, call: Call) -> Answer {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(format!("{address}:0").parse().expect("an address")).expect("loopback has many addresses");
    let mut h1 = H1::over(Box::new(socket.connect(gateway).await.expect("it listens")));
    h1.send(&call).await;
    h1.answer().await.0
}

#[tokio::test]
async fn too_many_failures_of_one_address_refuse_only_its_unknown_keys_and_no_other_address() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).server("per_address", "{ auth_failures: 5 }").start().await;
    for _ in 0..20 {
        let answer = from("127.0.0.2", gateway.address, chat().key("wrong")).await;
        if answer.status != 401 {
            break;
        }
    }
    // A new minute may begin between: then it is counted from 0.
    let refused = eventually("the address has failed too often", || async {
        let answer = from("127.0.0.2", gateway.address, chat().key("wrong")).await;
        (answer.status == 429).then_some(answer)
    })
    .await;
    assert_eq!(refused.openai_error(429), "too_many_auth_failures");
    assert!((1..=60).contains(&number(&refused, "retry-after")));
    let right = from("127.0.0.2", gateway.address, chat().key(KEY)).await;
    assert_eq!(right.status, 200, "who shares the address and has a key is let pass");
    assert_eq!(from("127.0.0.3", gateway.address, chat().key(KEY)).await.status, 200);
}

#[tokio::test]
async fn a_flood_from_one_address_is_refused_and_no_other_address() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).server("per_address", "{ requests: 3 }").start().await;
    let refused = eventually("the flood is refused", || async {
        let answer = from("127.0.0.2", gateway.address, Call::get("/v1/models").key(KEY)).await;
        (answer.status == 429).then_some(answer)
    })
    .await;
    assert_eq!(refused.openai_error(429), "too_many_requests_from_address");
    assert_eq!(refused.field("retry-after"), Some("1"));
    assert_eq!(from("127.0.0.3", gateway.address, Call::get("/v1/models").key(KEY)).await.status, 200);
}
