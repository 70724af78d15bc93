//! Guards against real sockets: a scripted server on the loopback interface.

mod server;
mod services;

use super::*;
use crate::{
    config::{ConfigError, Section},
    guard::{Body, GUARDS},
};
use server::{Reply, Server};
use std::sync::Arc;

/// A guard of `kind` that asks `server`, with these settings behind its `url`.
fn guard(kind: &str, server: &Server, yaml: &str) -> Arc<dyn RemoteGuard> {
    build(kind, &format!("url: {}\n{yaml}", server.url)).expect("settings")
}

fn build(kind: &str, yaml: &str) -> Result<Arc<dyn RemoteGuard>, ConfigError> {
    let row = GUARDS.iter().find(|row| row.name == kind).expect("a kind");
    match (row.build)(&Section::from_yaml("guards.out", yaml)?)? {
        Body::Remote(guard) => Ok(guard),
        _ => panic!("`{kind}` asks nobody"),
    }
}

/// What is asked about texts of a user, or, of an answer, of the model.
async fn ask(guard: &Arc<dyn RemoteGuard>, hook: Hook, texts: &[&str]) -> Result<Told, RemoteError> {
    let metadata = BTreeMap::from([("case".to_owned(), "7".to_owned())]);
    let answers = matches!(hook, Hook::Output | Hook::ToolCall);
    let speech = if answers { Speech::Assistant } else { Speech::User };
    let texts: Vec<AskedText<'_>> = texts.iter().map(|text| AskedText { speech, text }).collect();
    let asked = Asked {
        guard: "out",
        hook,
        request_id: "req-1",
        model: "fast",
        team: "blue",
        key: "app",
        user: Some("u1"),
        metadata: &metadata,
        texts: &texts,
    };
    guard.check(&asked).await
}

const ALLOW: &str = r#"{"action":"allow"}"#;

#[tokio::test]
async fn what_the_rule_does_not_list_is_not_sent() {
    let server = Server::start(vec![Reply::answer(200, ALLOW)]).await;
    let cases = [
        ("", "{}"),
        (
            "send: [model, team, key, user, metadata]",
            r#"{"key":"app","metadata":{"case":"7"},"model":"fast","team":"blue","user":"u1"}"#,
        ),
    ];
    for (yaml, want) in cases {
        let said = ask(&guard("webhook", &server, yaml), Hook::Input, &["hé\n", "b"]).await.expect("an answer");
        assert_eq!(said, Told::default());
        let mut sent = server.last_json();
        let always = [
            ("version", "1"),
            ("guard", "\"out\""),
            ("hook", "\"input\""),
            ("request_id", "\"req-1\""),
            ("texts", r#"[{"id":0,"role":"user","text":"hé\n"},{"id":1,"role":"user","text":"b"}]"#),
        ];
        let members = sent.as_object_mut().expect("an object");
        for (name, value) in always {
            assert_eq!(members.remove(name).map(|value| value.to_string()).as_deref(), Some(value), "{name}");
        }
        assert_eq!(sent.to_string(), want, "{yaml}");
    }
}

#[tokio::test]
async fn verdicts_of_the_webhook_are_told() {
    let cases = [
        (
            r#"{"action":"block","reason":"no\nway","entities":[{"entity":"Project-Name","count":2},{"entity":"x"}],"more":1}"#,
            Told {
                action: Action::Block,
                reason: Some("no way".to_owned()),
                entities: vec![("project_name".to_owned(), 2), ("x".to_owned(), 1)],
                ..Told::default()
            },
        ),
        (
            r#"{"action":"replace","texts":[{"id":1,"text":"é"},{"id":0,"text":""}]}"#,
            Told {
                action: Action::Replace,
                replacements: vec![(0, String::new()), (1, "é".to_owned())],
                ..Told::default()
            },
        ),
        (r#"{"action":"flag","reason":null}"#, Told { action: Action::Flag, reason: None, ..Told::default() }),
    ];
    for (answer, want) in cases {
        let server = Server::start(vec![Reply::answer(200, answer)]).await;
        let said = ask(&guard("webhook", &server, ""), Hook::Output, &["a", "b"]).await.expect(answer);
        assert_eq!(said, want, "{answer}");
    }
}

#[tokio::test]
async fn answers_that_make_no_sense_are_errors_and_are_not_quoted() {
    let deep = "[".repeat(10_000);
    let cases = [
        "",
        "null",
        "[]",
        "{}",
        "SECRET",
        "{\"action\":\"SECRET\"}",
        r#"{"action":"allow","texts":[{"id":0,"text":"SECRET"}]}"#,
        r#"{"action":"replace"}"#,
        r#"{"action":"replace","texts":[{"id":2,"text":"SECRET"}]}"#,
        r#"{"action":"replace","texts":[{"id":-1,"text":"SECRET"}]}"#,
        r#"{"action":"replace","texts":[{"id":"SECRET","text":""}]}"#,
        r#"{"action":"replace","texts":[{"id":0,"text":"a"},{"id":0,"text":"b"}]}"#,
        r#"{"action":"allow"} {"action":"block"}"#,
        r#"{"action":"block","entities":"SECRET"}"#,
        "\u{0}",
        &deep,
    ];
    for answer in cases {
        let server = Server::start(vec![Reply::answer(200, answer)]).await;
        let error = ask(&guard("webhook", &server, ""), Hook::Input, &["a", "b"]).await.expect_err(answer);
        assert_eq!(error.name(), "nonsense", "{answer}");
        assert!(!format!("{error} {error:?}").contains("SECRET"), "{error:?}");
        assert_eq!(server.seen(), 1, "it is not asked again: {answer}");
    }
}

#[tokio::test]
async fn what_fails_for_the_moment_is_tried_again_and_nothing_else() {
    let ok = || Reply::answer(200, ALLOW);
    let bad = |status| Reply::answer(status, "oops");
    let cases = [
        ("500, then 200", "", vec![bad(500), ok()], Ok(()), 2),
        ("503 twice", "", vec![bad(503), bad(503), ok()], Err("status"), 2),
        ("503 twice, retried twice", "retries: 2", vec![bad(503), bad(503), ok()], Ok(()), 3),
        ("no retries", "retries: 0", vec![bad(500), ok()], Err("status"), 1),
        ("400", "", vec![bad(400), ok()], Err("status"), 1),
        ("401", "", vec![bad(401), ok()], Err("status"), 1),
        ("a redirect", "", vec![bad(302), ok()], Err("status"), 1),
        ("204", "", vec![Reply::answer(204, ""), ok()], Err("status"), 1),
        ("no HTTP", "", vec![Reply::Raw(b"hello\r\n\r\n".to_vec()), ok()], Err("broken"), 1),
        ("closed at once", "", vec![Reply::Raw(Vec::new()), ok()], Err("broken"), 1),
        (
            "cut",
            "",
            vec![Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{".to_vec()), ok()],
            Err("broken"),
            1,
        ),
        ("too long", "", vec![Reply::answer(200, &" ".repeat((1 << 20) + 100)), ok()], Err("too_long"), 1),
        ("silent", "timeout: 100ms", vec![Reply::Silent, ok()], Err("timeout"), 1),
        (
            "stops in the middle",
            "timeout: 100ms",
            vec![Reply::Stops(b"HTTP/1.1 200 OK\r\n".to_vec()), ok()],
            Err("timeout"),
            1,
        ),
    ];
    for (name, yaml, replies, want, seen) in cases {
        let server = Server::start(replies).await;
        let said = ask(&guard("webhook", &server, yaml), Hook::Input, &["SECRET"]).await;
        let got = said.as_ref().map(|_| ()).map_err(RemoteError::name);
        assert_eq!((got, server.seen()), (want, seen), "{name}: {said:?}");
        if let Err(error) = said {
            let told = error.to_string();
            assert!(told.contains("guard `out`") && told.contains("127.0.0.1") && !told.contains("SECRET"), "{told}");
        }
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_told() {
    let url = {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}/check", closed.local_addr().expect("an address"))
    };
    let out = build("webhook", &format!("url: {url}")).expect("settings");
    assert_eq!(ask(&out, Hook::Input, &["a"]).await.map_err(|error| error.name()), Err("unreachable"));
}

#[tokio::test]
async fn no_more_calls_are_open_than_allowed() {
    let server = Server::start(vec![Reply::Held(ALLOW.to_owned())]).await;
    let out = guard("webhook", &server, "concurrent: 2\nwait: 10s\ntimeout: 20s");
    let calls = futures::future::join_all((0..5).map(|_| ask(&out, Hook::Input, &["a"])));
    let release = async {
        server.wait_for(2).await;
        server.release(5);
    };
    let (answers, ()) = futures::future::join(calls, release).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!((server.seen(), server.most_open()), (5, 2));
}

#[tokio::test]
async fn who_waits_too_long_for_a_place_is_told_that_it_is_busy() {
    let server = Server::start(vec![Reply::Held(ALLOW.to_owned())]).await;
    let out = guard("webhook", &server, "concurrent: 1\nwait: 20ms\ntimeout: 20s");
    let second = async {
        server.wait_for(1).await;
        let busy = ask(&out, Hook::Input, &["b"]).await.expect_err("no place");
        server.release(2);
        busy
    };
    let (first, busy) = futures::future::join(ask(&out, Hook::Input, &["a"]), second).await;
    assert!(first.is_ok());
    assert_eq!(busy.to_string(), "guard `out`: 1 calls are open, and none ended within 20ms; raise its `concurrent`");
    assert!(ask(&out, Hook::Input, &["c"]).await.is_ok(), "the place is free again");
}

#[tokio::test]
async fn a_connection_serves_one_check_after_another() {
    let kept = || Reply::Kept(ALLOW.to_owned());
    let cases = [
        ("kept", vec![kept()], 1),
        ("closed by the service now and then", vec![kept(), Reply::answer(200, ALLOW), kept(), kept()], 2),
        ("never kept", vec![Reply::answer(200, ALLOW)], 4),
    ];
    for (name, replies, connections) in cases {
        let server = Server::start(replies).await;
        let out = guard("webhook", &server, "retries: 0\nsend: [model]");
        for _ in 0..4 {
            assert!(ask(&out, Hook::Input, &["a"]).await.is_ok(), "{name}");
        }
        assert_eq!((server.seen(), server.connections()), (4, connections), "{name}");
    }
    let (server, pem) = Server::start_tls(vec![kept()]).await;
    let out = guard("webhook", &server, &format!("ca: |\n  {}", pem.replace('\n', "\n  ")));
    for _ in 0..3 {
        assert!(ask(&out, Hook::Input, &["a"]).await.is_ok());
    }
    assert_eq!((server.seen(), server.connections()), (3, 1), "with TLS");
}

#[tokio::test]
async fn headers_are_sent_and_never_shown() {
    let server = Server::start(vec![Reply::answer(403, "no")]).await;
    let out = guard("webhook", &server, "headers: {x-api-key: sk-planted, authorization: Bearer planted}");
    let error = ask(&out, Hook::Input, &["a"]).await.expect_err("403");
    assert!(!format!("{error} {error:?}").contains("planted"));
    let head = server.last_head().to_ascii_lowercase();
    for line in [
        "post /check http/1.1",
        "x-api-key: sk-planted",
        "authorization: bearer planted",
        "content-type: application/json",
    ] {
        assert!(head.contains(line), "{head}");
    }
}

#[tokio::test]
async fn a_service_with_a_certificate_of_ones_own_is_trusted_by_the_setting() {
    let (server, pem) = Server::start_tls(vec![Reply::answer(200, ALLOW)]).await;
    let pem = pem.replace('\n', "\n  ");
    let out = guard("webhook", &server, &format!("ca: |\n  {pem}"));
    assert_eq!(ask(&out, Hook::Input, &["a"]).await.expect("an answer"), Told::default());
    let distrusts = guard("webhook", &server, "retries: 0");
    assert_eq!(ask(&distrusts, Hook::Input, &["a"]).await.map_err(|error| error.name()), Err("unreachable"));
}

#[test]
fn mistakes_name_their_key() {
    let cases = [
        ("webhook", "", "guards.out: needs `url`"),
        ("webhook", "url: guard:80", "guards.out.url: is no URL"),
        ("webhook", "url: ftp://guard/", "guards.out.url: is no URL"),
        ("webhook", "url: http://user:pass@guard/", "guards.out.url: is no URL"),
        ("webhook", "url: http://g/\ntimeout: 2", "guards.out.timeout: `2` has no unit"),
        ("webhook", "url: http://g/\ntimeout: 2h", "guards.out.timeout: is 7200s"),
        ("webhook", "url: http://g/\nwait: 0s", "guards.out.wait: is 0ns"),
        ("webhook", "url: http://g/\nretries: 9", "guards.out.retries: is 9; at most 5"),
        ("webhook", "url: http://g/\nconcurrent: 0", "guards.out.concurrent: is 0"),
        ("webhook", "url: http://g/\nheaders: {host: x}", "guards.out.headers: `host` is set by the gateway"),
        ("webhook", "url: http://g/\nheaders: {'a b': x}", "guards.out.headers: `a b` is no name"),
        ("webhook", "url: http://g/\nca: nothing", "guards.out.ca: holds no certificate"),
        ("webhook", "url: http://g/\nsend: [text]", "guards.out.send[0]: `text` is not valid here"),
        ("webhook", "url: http://g/\ntimeouts: 2s", "did you mean `timeout`?"),
        ("presidio", "url: http://g/?a=b", "guards.out.url: has a query"),
        ("presidio", "url: http://g/\nscore_threshold: 7", "guards.out.score_threshold: is 7"),
        ("openai_moderations", "thresholds: {violence: 5}", "guards.out.thresholds: `violence` is 5"),
        ("openai_moderations", "categories: [hate]\nflag: [violence]", "guards.out.categories: lacks `violence`"),
    ];
    for (kind, yaml, want) in cases {
        let said = build(kind, yaml).err().expect(yaml).to_string();
        assert!(said.contains(want), "{yaml:?}: {said}");
    }
}

/// What is published says what is done.
#[tokio::test]
async fn the_published_contract_is_the_one_that_is_kept() {
    let published = include_str!("../../../conf/guard-webhook.schema.json");
    let mut schema: serde_json::Value = serde_json::from_str(published).expect("JSON");
    let mut of = |part: &str| {
        let members = schema.as_object_mut().expect("an object");
        members.remove("oneOf");
        members.insert("$ref".to_owned(), format!("#/$defs/{part}").into());
        jsonschema::validator_for(&schema).expect("a schema")
    };
    let (question, answer) = (of("question"), of("answer"));
    let cases = [
        (ALLOW, true),
        (r#"{"action":"block","reason":null,"entities":[{"entity":"a"},{"entity":"b","count":2}]}"#, true),
        (r#"{"action":"replace","texts":[{"id":0,"text":""}],"more":1}"#, true),
        (r#"{"action":"replace"}"#, false),
        (r#"{"action":"replace","texts":[]}"#, false),
        (r#"{"action":"allow","texts":[{"id":0,"text":""}]}"#, false),
        (r#"{"action":"flag","texts":[]}"#, true),
        (r#"{"action":"deny"}"#, false),
        (r#"{"action":"block","entities":[{"count":2}]}"#, false),
        (r#"{"action":"block","entities":[{"entity":"a","count":-1}]}"#, false),
        ("{}", false),
    ];
    for (said, want) in cases {
        let server = Server::start(vec![Reply::answer(200, said)]).await;
        let out = guard("webhook", &server, "send: [model, team, key, user, metadata]");
        assert_eq!(ask(&out, Hook::ToolResult, &["a", "b"]).await.is_ok(), want, "{said}");
        assert_eq!(answer.is_valid(&serde_json::from_str(said).expect("JSON")), want, "{said}");
        assert!(question.is_valid(&server.last_json()), "{}", server.last_json());
    }
}
