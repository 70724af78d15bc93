//! Bad input: each mistake has its status, in the shape of the client's dialect, naming what is wrong; nothing is
//! forwarded, nothing is booked, and the next client is unharmed.

use crate::support::call::{Answer, Call, Transport, encrypt};
use crate::support::config::{KEY, Setup};
use crate::support::gateway::Gateway;
use crate::support::h1::{H1, chunk};
use crate::support::sample;
use crate::support::upstream::Upstream;

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

/// A gateway with both dialects, and what its upstreams got at the end: nothing.
struct Bench {
    gateway: Gateway,
    upstream: Upstream,
}

impl Bench {
    async fn start() -> Self {
        Self::with(Setup::new()).await
    }

    async fn with(setup: Setup) -> Self {
        let upstream = Upstream::start().await;
        let url = format!("http://{}", upstream.address);
        let setup = setup.provider("a", "openai", &url, "").provider("b", "anthropic", &url, "");
        let setup = setup.model_of("fast", &["a", "b"], "").model_of("only-openai", &["a"], "");
        let setup = setup.model_of("only-anthropic", &["b"], "").model_of("secret", &["a", "b"], "");
        let setup = setup.team("narrow", "models: [fast]").key("narrow-ci", "narrow", NARROW, "");
        let setup = setup.key("narrower", "search", NARROWER, "models: [only-openai]");
        Self { gateway: setup.start().await, upstream }
    }

    /// Sends `body` to both dialects' chat calls.
    async fn both(&self, key: &str, body: &str) -> (Answer, Answer) {
        let openai = Call::post(CHAT, body.to_owned()).key(key).send(self.gateway.address).await;
        let anthropic = Call::post(MESSAGES, body.to_owned()).field("x-api-key", key).send(self.gateway.address).await;
        (openai, anthropic)
    }

    /// Asserts that nothing of all this went up or into the ledger, and that others are served.
    async fn nothing_was_forwarded(self) {
        assert_eq!(self.upstream.count(), 0, "{:#?}", self.upstream.requests());
        assert!(self.gateway.rows().await.is_empty(), "what is not sent is not booked");
        let answer = self.gateway.post(CHAT, sample::CHAT_ASK).await;
        assert_eq!((answer.status, answer.text()), (200, sample::CHAT), "the next client is unharmed");
    }
}

const NARROW: &str = "wb-test-key-of-team-narrow-0123456789";
const NARROWER: &str = "wb-test-key-narrower-0123456789";

#[tokio::test]
async fn without_a_key_it_is_401_in_both_shapes() {
    let bench = Bench::start().await;
    for key in ["", "wb-nobody-knows-this-key-0123456789", "sk-secret-of-provider-a"] {
        let call = |path: &str| match key {
            "" => Call::post(path, sample::MESSAGE_ASK),
            key => Call::post(path, sample::MESSAGE_ASK).key(key),
        };
        let answer = call(CHAT).send(bench.gateway.address).await;
        let want = if key.is_empty() { "missing_api_key" } else { "invalid_api_key" };
        assert_eq!(answer.openai_error(401), want);
        assert_eq!(answer.field("x-should-retry"), Some("false"));
        assert!(key.is_empty() || !answer.text().contains(key), "a key is never repeated");
        let answer = call(MESSAGES).send(bench.gateway.address).await;
        assert_eq!(answer.anthropic_error(401), "authentication_error");
        let answer = call("/v1/models").send(bench.gateway.address).await;
        assert!([401, 405].contains(&answer.status), "{}", answer.text());
    }
    let get = Call::get("/v1/models").send(bench.gateway.address).await;
    get.openai_error(401);
    let get = Call::get("/v1/models").field("anthropic-version", "2023-06-01").send(bench.gateway.address).await;
    assert_eq!(get.anthropic_error(401), "authentication_error", "the version header decides on shared paths");
    bench.nothing_was_forwarded().await;
}

#[tokio::test]
async fn two_different_keys_are_refused_and_the_same_one_twice_is_not() {
    let bench = Bench::start().await;
    let call = Call::post(CHAT, sample::CHAT_ASK).key(KEY);
    let two = call.clone().field("x-api-key", NARROW).send(bench.gateway.address).await;
    assert_eq!(two.openai_error(401), "conflicting_api_keys");
    let lines = call.clone().key(NARROW).send(bench.gateway.address).await;
    assert_eq!(lines.openai_error(401), "conflicting_api_keys", "also within one header");
    assert_eq!(bench.upstream.count(), 0);
    assert_eq!(call.field("x-api-key", KEY).send(bench.gateway.address).await.status, 200);
}

#[tokio::test]
async fn a_key_in_the_url_or_in_a_cookie_is_no_key() {
    let bench = Bench::start().await;
    for path in [format!("{CHAT}?api_key={KEY}"), format!("{CHAT}?key={KEY}")] {
        let answer = Call::post(&path, sample::CHAT_ASK).send(bench.gateway.address).await;
        assert_eq!(answer.openai_error(401), "missing_api_key");
    }
    let cookie = Call::post(CHAT, sample::CHAT_ASK).field("cookie", &format!("key={KEY}"));
    cookie.send(bench.gateway.address).await.openai_error(401);
    assert!(!bench.gateway.log().contains(KEY), "nor is it logged");
    bench.nothing_was_forwarded().await;
}

#[tokio::test]
async fn each_header_that_may_carry_a_key_does() {
    let bench = Bench::start().await;
    for (name, value) in [
        ("authorization", format!("Bearer {KEY}")),
        ("authorization", format!("bearer  {KEY}")),
        ("x-api-key", KEY.to_owned()),
        ("api-key", KEY.to_owned()),
        ("x-goog-api-key", KEY.to_owned()),
    ] {
        let answer = Call::post(CHAT, sample::CHAT_ASK).field(name, &value).send(bench.gateway.address).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_key_that_has_expired_is_401() {
    let setup = Setup::new().key("old", "search", "wb-test-old-0123456789", "expires: \"2020-01-01T00:00:00Z\"");
    let bench = Bench::with(setup).await;
    let answer = Call::post(CHAT, sample::CHAT_ASK).key("wb-test-old-0123456789").send(bench.gateway.address).await;
    assert_eq!(answer.openai_error(401), "expired_api_key");
    bench.nothing_was_forwarded().await;
}

#[tokio::test]
async fn a_model_that_the_key_or_team_may_not_call_is_403() {
    let bench = Bench::start().await;
    for (key, model) in [(NARROW, "secret"), (NARROWER, "fast")] {
        let (openai, anthropic) = bench.both(key, &sample::MESSAGE_ASK.replace("fast", model)).await;
        assert_eq!(openai.openai_error(403), "model_not_allowed");
        assert_eq!(openai.json()["error"]["param"], "model");
        assert!(openai.text().contains(model), "{}", openai.text());
        assert_eq!(anthropic.anthropic_error(403), "permission_error");
    }
    bench.nothing_was_forwarded().await;
}

#[tokio::test]
async fn an_unknown_model_is_404() {
    let bench = Bench::start().await;
    for model in ["gpt-nothing", "", "a/model-a", "model-a", "FAST", "fast "] {
        let (openai, anthropic) = bench.both(KEY, &sample::MESSAGE_ASK.replace("fast", model)).await;
        assert!(openai.status == 404 || (model.is_empty() && openai.status == 400), "`{model}`: {}", openai.text());
        assert_eq!(anthropic.status, openai.status, "`{model}`: statuses are the same in each dialect");
        if !model.is_empty() {
            assert_eq!(openai.openai_error(404), "model_not_found", "`{model}`");
            assert_eq!(anthropic.anthropic_error(404), "not_found_error", "`{model}`");
        }
    }
    bench.nothing_was_forwarded().await;
}

#[tokio::test]
async fn a_call_that_no_target_speaks_and_that_is_no_conversation_is_400_naming_both() {
    let bench = Bench::start().await;
    let answer = bench.gateway.post("/v1/embeddings", r#"{"model":"only-anthropic","input":"hi"}"#).await;
    answer.openai_error(400);
    assert!(answer.text().contains("anthropic") && answer.text().contains("openai"), "{}", answer.text());
    let check = bench.gateway.command(&["check"]).await;
    assert!(check.stdout.contains("only-openai") && check.stdout.contains("only-anthropic"), "{check:?}");
    bench.nothing_was_forwarded().await;
}

#[tokio::test]
async fn json_that_is_malformed_or_ambiguous_is_400() {
    let deep = |depth: usize| format!(r#"{{"model":"fast","x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", b"".to_vec()),
        ("spaces", b"  \n".to_vec()),
        ("no JSON", b"model=fast".to_vec()),
        ("an array", b"[{\"model\":\"fast\"}]".to_vec()),
        ("a string", b"\"fast\"".to_vec()),
        ("cut", br#"{"model":"fast","messages":[{"role""#.to_vec()),
        ("no model", br#"{"messages":[]}"#.to_vec()),
        ("a model that is a number", br#"{"model":4}"#.to_vec()),
        ("a model that is null", br#"{"model":null}"#.to_vec()),
        ("a model that is a list", br#"{"model":["fast"]}"#.to_vec()),
        ("two models", br#"{"model":"fast","model":"secret"}"#.to_vec()),
        ("two models, one escaped", br#"{"model":"fast","mod\u0065l":"secret"}"#.to_vec()),
        (
            "a duplicate deep inside",
            br#"{"model":"fast","messages":[{"role":"user","content":{"a":1,"b":2,"\u0061":3}}]}"#.to_vec(),
        ),
        ("a duplicate of stream", br#"{"model":"fast","stream":false,"stream":true}"#.to_vec()),
        ("trailing bytes", br#"{"model":"fast"} x"#.to_vec()),
        ("two bodies", br#"{"model":"fast"}{"model":"secret"}"#.to_vec()),
        ("a trailing comma", br#"{"model":"fast",}"#.to_vec()),
        ("a comment", b"{\"model\":\"fast\"/* hi */}".to_vec()),
        ("single quotes", b"{'model':'fast'}".to_vec()),
        ("NaN", br#"{"model":"fast","temperature":NaN}"#.to_vec()),
        ("a leading zero", br#"{"model":"fast","seed":012}"#.to_vec()),
        ("a plus sign", br#"{"model":"fast","seed":+1}"#.to_vec()),
        ("a control character", b"{\"model\":\"fast\",\"x\":\"a\nb\"}".to_vec()),
        ("invalid UTF-8", b"{\"model\":\"fast\",\"x\":\"\xff\xfe\"}".to_vec()),
        ("overlong UTF-8", b"{\"model\":\"fast\",\"x\":\"\xc0\xaf\"}".to_vec()),
        ("a surrogate as UTF-8", b"{\"model\":\"fast\",\"x\":\"\xed\xa0\x80\"}".to_vec()),
        ("a lone surrogate", br#"{"model":"fast","x":"\ud83d"}"#.to_vec()),
        ("a surrogate the wrong way round", br#"{"model":"fast","x":"\ude00\ud83d"}"#.to_vec()),
        ("a bad escape", br#"{"model":"fast","x":"\x41"}"#.to_vec()),
        ("a byte order mark", b"\xef\xbb\xbf{\"model\":\"fast\"}".to_vec()),
        ("UTF-16", b"{\x00\"\x00m\x00".to_vec()),
        ("depth 65", deep(64).into_bytes()),
        ("depth 100,000", deep(100_000).into_bytes()),
        ("a fraction of a token", br#"{"model":"fast","max_tokens":1.5}"#.to_vec()),
        ("a token count in words", br#"{"model":"fast","max_tokens":"16"}"#.to_vec()),
        ("less than no tokens", br#"{"model":"fast","max_tokens":-1}"#.to_vec()),
        ("more tokens than 64 bits", br#"{"model":"fast","max_tokens":99999999999999999999}"#.to_vec()),
        ("stream in words", br#"{"model":"fast","stream":"true"}"#.to_vec()),
        ("stream as a number", br#"{"model":"fast","stream":1}"#.to_vec()),
    ];
    let bench = Bench::start().await;
    for (name, body) in cases {
        let call = Call::post(CHAT, body.clone()).key(KEY);
        let answer = call.send(bench.gateway.address).await;
        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
        assert_eq!(answer.openai_error(400), "invalid_request", "{name}");
        assert_eq!(answer.field("x-should-retry"), Some("false"), "{name}");
        let answer = Call::post(MESSAGES, body).key(KEY).send(bench.gateway.address).await;
        assert_eq!(answer.anthropic_error(400), "invalid_request_error", "{name}");
    }
    bench.nothing_was_forwarded().await;
}

#[tokio::test]
async fn json_at_the_edge_of_what_is_allowed_passes() {
    let deep = format!(r#"{{"model":"fast","x":{}{}}}"#, "[".repeat(63), "]".repeat(63));
    let cases = [
        ("depth 64", deep.as_str()),
        ("a pair of surrogates", r#"{"model":"fast","x":"\ud83d\ude00"}"#),
        ("a name that differs by case", r#"{"model":"fast","Model":"x"}"#),
        ("a member of no name", r#"{"":1,"model":"fast"}"#),
        ("an escaped name", r#"{"mod\u0065l":"fast"}"#),
        ("an escaped value", r#"{"model":"f\u0061st"}"#),
        ("spaces around", " \r\n\t{\"model\" :\t\"fast\"}\n "),
        ("a large number that is nobody's business", r#"{"model":"fast","x":1.7976931348623157e308}"#),
    ];
    let bench = Bench::start().await;
    for (number, (name, body)) in cases.into_iter().enumerate() {
        let answer = bench.gateway.post(CHAT, body.to_owned()).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let seen = bench.upstream.request(number).await;
        assert!(seen.text().contains("\"model-a\""), "{name}: {}", seen.text());
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_in_both_framings_and_dialects() {
    let bench = Bench::with(Setup::new().server("max_body_bytes", 10_000)).await;
    for chunked in [None, Some(3_000)] {
        let mut call = Call::post(CHAT, sample::chat_of_length(10_001)).key(KEY);
        call.chunked = chunked;
        let answer = call.send(bench.gateway.address).await;
        assert_eq!(answer.openai_error(413), "body_too_large");
        assert!(answer.text().contains("10000"), "names the limit: {}", answer.text());
        call.path = MESSAGES.to_owned();
        assert_eq!(call.send(bench.gateway.address).await.anthropic_error(413), "request_too_large");
        let h2 = call.over(Transport::H2c).send(bench.gateway.address).await;
        assert_eq!(h2.anthropic_error(413), "request_too_large");
    }
    bench.nothing_was_forwarded().await;
}

#[tokio::test]
async fn a_declared_length_that_is_too_large_is_refused_before_the_body() {
    let bench = Bench::with(Setup::new().server("max_body_bytes", 10_000)).await;
    let mut client = H1::connect(bench.gateway.address).await;
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n"
    );
    client.raw(head).await;
    let answer = client.open().await.whole().await;
    assert_eq!(answer.openai_error(413), "body_too_large");
    bench.nothing_was_forwarded().await;
}

#[tokio::test]
async fn a_head_that_dribbles_ends_in_time() {
    let bench = Bench::with(Setup::new().server("head_timeout", "500ms")).await;
    for begin in ["", "POST /v1/chat", &format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nx-slow: ")] {
        eprintln!("`{begin}`"); // tells, when the test fails, where
        let mut client = H1::connect(bench.gateway.address).await;
        client.raw(begin).await;
        client.closed().await; // with or without a word
    }
    bench.nothing_was_forwarded().await;
}

#[tokio::test]
async fn a_client_that_chooses_http2_and_sends_nothing_is_let_go() {
    let setup = Setup::new().server("head_timeout", "500ms").with_tls();
    let bench = Bench::with(setup).await;
    let tls = bench.gateway.tls_address.expect("a listener with TLS");
    let socket = tokio::net::TcpStream::connect(tls).await.expect("the gateway listens");
    let mut silent = H1::over(Box::new(encrypt(socket, "h2").await));
    silent.closed().await;
    let answer = Call::post(CHAT, sample::CHAT_ASK).key(KEY).over(Transport::TlsH2).send(tls).await;
    assert_eq!(answer.status, 200, "who sends a request is served");
}

#[tokio::test]
async fn a_body_that_dribbles_is_408() {
    let bench = Bench::with(Setup::new().server("body_timeout", "500ms")).await;
    for framing in ["content-length: 100", "transfer-encoding: chunked"] {
        let mut client = H1::connect(bench.gateway.address).await;
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n{framing}\r\n\r\n"
        );
        client.raw(head).await;
        client.raw(if framing.starts_with('c') { b"{\"mo".to_vec() } else { chunk(b"{\"mo") }).await;
        let answer = client.open().await.whole().await;
        assert_eq!(answer.openai_error(408), "body_timeout");
    }
    bench.nothing_was_forwarded().await;
}

#[tokio::test]
async fn a_body_that_is_cut_is_not_forwarded() {
    let bench = Bench::start().await;
    let ask = sample::CHAT_ASK;
    for framing in [format!("content-length: {}", ask.len() + 1), "transfer-encoding: chunked".to_owned()] {
        let mut client = H1::connect(bench.gateway.address).await;
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n{framing}\r\n\r\n"
        );
        client.raw(head).await;
        client.raw(if framing.starts_with('c') { ask.as_bytes().to_vec() } else { chunk(ask.as_bytes()) }).await;
        client.finish_writing().await;
        client.closed().await;
    }
    bench.nothing_was_forwarded().await;
}

#[tokio::test]
async fn unknown_routes_are_404_and_wrong_methods_405() {
    let bench = Bench::start().await;
    for path in
        ["/", "/v1", "/v1/chat", "/v1/chat/completions/", "/metrics", "/admin/v1/reload", "/v1/uploads", "/v2/chat"]
    {
        let answer = bench.gateway.post(path, sample::CHAT_ASK).await;
        assert_eq!(answer.openai_error(404), "route_not_found", "{path}");
    }
    let unknown = Call::post("/v1/nothing", "{}").key(KEY).field("anthropic-version", "2023-06-01");
    assert_eq!(unknown.send(bench.gateway.address).await.openai_error(404), "route_not_found", "nobody's path");
    for (method, path) in
        [("GET", CHAT), ("PUT", CHAT), ("DELETE", "/v1/models"), ("POST", "/v1/models"), ("PATCH", CHAT)]
    {
        let mut call = Call::post(path, "").key(KEY);
        call.method = method;
        let answer = call.send(bench.gateway.address).await;
        assert_eq!(answer.openai_error(405), "method_not_allowed", "{method} {path}");
        assert!(answer.field("allow").is_some(), "{method} {path}");
    }
    bench.nothing_was_forwarded().await;
}

#[tokio::test]
async fn framing_that_two_parsers_could_read_in_two_ways_is_refused_and_the_connection_closed() {
    let length = sample::CHAT_ASK.len();
    let smuggled =
        format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: 2\r\n\r\n{{}}");
    let cases = [
        ("length and encoding", format!("host: x\r\ncontent-length: {length}\r\ntransfer-encoding: chunked\r\n")),
        ("two lengths", format!("host: x\r\ncontent-length: {length}\r\ncontent-length: 4\r\n")),
        ("the same length twice", format!("host: x\r\ncontent-length: {length}\r\ncontent-length: {length}\r\n")),
        ("a list of lengths", format!("host: x\r\ncontent-length: {length}, {length}\r\n")),
        ("a signed length", format!("host: x\r\ncontent-length: +{length}\r\n")),
        ("a negative length", "host: x\r\ncontent-length: -1\r\n".to_owned()),
        ("a length in hex", "host: x\r\ncontent-length: 0x10\r\n".to_owned()),
        ("a length beyond 64 bits", "host: x\r\ncontent-length: 99999999999999999999999\r\n".to_owned()),
        ("an odd encoding", "host: x\r\ntransfer-encoding: identity\r\n".to_owned()),
        ("gzip, chunked", "host: x\r\ntransfer-encoding: gzip, chunked\r\n".to_owned()),
        ("chunked twice", "host: x\r\ntransfer-encoding: chunked, chunked\r\n".to_owned()),
        ("two encodings", "host: x\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n".to_owned()),
        ("an encoding with a tab", "host: x\r\ntransfer-encoding:\x0bchunked\r\n".to_owned()),
        ("a space before the colon", format!("host: x\r\ncontent-length : {length}\r\n")),
        ("a folded line", format!("host: x\r\nx-a: b\r\n c\r\ncontent-length: {length}\r\n")),
        ("no host", format!("content-length: {length}\r\n")),
        ("two hosts", format!("host: x\r\nhost: y\r\ncontent-length: {length}\r\n")),
        ("an upgrade", format!("host: x\r\nconnection: upgrade\r\nupgrade: foo\r\ncontent-length: {length}\r\n")),
        ("a compressed body", format!("host: x\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n")),
    ];
    let bench = Bench::start().await;
    for (name, fields) in cases {
        eprintln!("{name}"); // tells, when the test fails, where
        let mut client = H1::connect(bench.gateway.address).await;
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\n{fields}authorization: Bearer {KEY}\r\ncontent-type: application/json\r\n\r\n"
        );
        client.raw(format!("{head}{}{smuggled}", sample::CHAT_ASK)).await;
        let said = String::from_utf8_lossy(&client.closed().await).into_owned();
        assert!(said.starts_with("HTTP/1.1 400 "), "{name}: {said}");
        assert_eq!(
            said.lines().filter(|line| line.starts_with("HTTP/1.1 ")).count(),
            1,
            "{name}: one answer, and the rest is not read: {said}"
        );
    }
    bench.nothing_was_forwarded().await;
}

#[tokio::test]
async fn bytes_that_are_no_request_harm_nobody() {
    let bench = Bench::start().await;
    let endless = format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nx: {}", "y".repeat(4_000_000));
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\0\0\0\0\r\n\r\n",
        b"CONNECT evil:443 HTTP/1.1\r\nhost: evil\r\n\r\n",
        b"GET http://evil/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nrubbish",
        endless.as_bytes(),
    ] {
        let mut client = H1::connect(bench.gateway.address).await;
        client.raw(bytes).await;
        client.finish_writing().await;
        client.closed().await;
    }
    bench.nothing_was_forwarded().await;
}

#[tokio::test]
async fn a_form_is_not_json() {
    let bench = Bench::start().await;
    let mut call = Call::post(CHAT, "model=fast").key(KEY);
    call.fields[0].1 = "application/x-www-form-urlencoded".to_owned();
    call.send(bench.gateway.address).await.openai_error(400);
    bench.nothing_was_forwarded().await;
}

#[tokio::test]
async fn admin_routes_are_not_on_the_data_port_and_calls_not_on_the_admin_port() {
    let bench = Bench::start().await;
    let answer = Call::post(CHAT, sample::CHAT_ASK).key(KEY).send(bench.gateway.admin).await;
    assert_eq!(answer.status, 404, "{}", answer.text());
    assert_eq!(bench.gateway.get("/metrics").await.status, 404);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(Call::get(path).send(bench.gateway.address).await.status, 200, "{path} needs no key");
        assert_eq!(bench.gateway.admin_status(path).await, Some(200), "{path}");
    }
    bench.nothing_was_forwarded().await;
}

#[tokio::test]
async fn what_follows_a_body_that_cannot_be_read_is_never_taken_for_a_request() {
    let bench = Bench::start().await;
    let smuggled = format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n");
    let head = |fields: &str| {
        format!(
            "POST {CHAT} HTTP/1.1\r\nhost: x\r\n{fields}authorization: Bearer {KEY}\r\ncontent-type: application/json\r\n\r\n"
        )
    };
    let chunked = head("transfer-encoding: chunked\r\n");
    let unknown = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n");
    let cases = [
        ("a chunk size that is no number", format!("{chunked}zz\r\n"), "HTTP/1.1 400 "),
        ("a chunk without its line end", format!("{chunked}2\r\n{{}}XX"), "HTTP/1.1 400 "),
        ("a refusal before the 100", unknown, "HTTP/1.1 401 "),
    ];
    for (name, request, status) in cases {
        let mut client = H1::connect(bench.gateway.address).await;
        client.raw(request).await;
        client.raw(&smuggled).await;
        let said = String::from_utf8_lossy(&client.closed().await).into_owned();
        assert!(said.starts_with(status), "{name}: {said}");
        assert_eq!(said.lines().filter(|line| line.starts_with("HTTP/1.1 ")).count(), 1, "{name}: {said}");
    }
    bench.nothing_was_forwarded().await;
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_its_answer_and_the_end_of_the_connection() {
    let bench = Bench::start().await;
    let mut client = H1::connect(bench.gateway.address).await;
    client.raw(format!("GET /v1/models HTTP/1.0\r\nauthorization: Bearer {KEY}\r\n\r\n")).await;
    let said = String::from_utf8_lossy(&client.closed().await).into_owned();
    assert!(said.contains(" 200 ") && said.contains("\"object\":\"list\""), "{said}");
    bench.nothing_was_forwarded().await;
}
