//! JWT callers: who may call with a token of their own issuer, and everything that may not.

use crate::support::call::{Answer, Call};
use crate::support::config::{KEY, Setup};
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::sample;
use crate::support::script::{Gate, Script};
use crate::support::upstream::Upstream;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const CHAT: &str = "/v1/chat/completions";
const ISSUER: &str = "https://login.example.com/";

/// A token that was signed with `openssl` and a key that is kept nowhere: RS256, good until 2100.
const RS256: &str = "eyJhbGciOiAiUlMyNTYiLCAidHlwIjogIkpXVCIsICJraWQiOiAicnNhLTEifQ.eyJpc3MiOiAiaHR0cHM6Ly9sb2dpbi5leGFtcGxlLmNvbS8iLCAiYXVkIjogIndlaWdoYnJpZGdlIiwgInN1YiI6ICJhbm5AZXhhbXBsZS5jb20iLCAidGVhbSI6ICJzZWFyY2giLCAiZXhwIjogNDEwMjQ0NDgwMH0.T40WFJgBgxow5arQwhoyhqZaPMAYMawL6t6WTtsuE3-j9ZYZai10cZ2TRzgrBNwuo3qxy742ixzdOjUVcBs_pvBmDnBg58Ci5W3Ssas85CwX4btwOXf1eST7c5LSNfqpEi-jaGi_qe5VM7mnHnOP7lWei7VGwWzWD5Rfjsdd_94LIKxqWtXybu5wEejpEbC8RbMPNteDeiFp8gQI1uA_hGVBPez8oHh2wXthc1qfssiqZ43xzqY5Te0h0asSCvs5BiQJIjgKpwdnTUXMP-aLkBQ6w5VxeFG3g4qCp_6eF8DjMz6cmdarWuiQ8ArOSnzWijO83pVQd8VwPc4yg_ZdwQ";
/// The public half of that key.
const RSA_N: &str = "zuoVsjOMsuQDDX6J5fat3ZiOYMLUDFW9-affcuMRlKOZrYjv04gfNeU5nHoxeAuMPMpdoJSNpsYQyHA_NpWPYDmb_6OJUeb-tIt0Pel_RU-MW5UKQ-4XeWujSrzlr3WLzUFfFghCOWL_rQ9Rf4nywZ4imnEqrBKHk7G45YIT56zL4Kwb-IKrS5MwkBEK157rcnlkgB07cRddZMEbbobgCLR8VQmgCMPuSQODgKecRWnIiz5XpnekLA_ak5oaU112IuypGVg81aBZY6phcb9W9kTO64PuSN9H0SVp5OBJuctrjud9BPiwxwVpjQwAL8zY4DkJ8KRqSHJGFYB_7pOHRw";

fn encoded(value: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(value)
}

/// An issuer with an Ed25519 key.
struct Issuer {
    kid: String,
    ed: Ed25519KeyPair,
}

impl Issuer {
    fn new(kid: &str) -> Self {
        let secret = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("randomness");
        Self { kid: kid.to_owned(), ed: Ed25519KeyPair::from_pkcs8(secret.as_ref()).expect("a key") }
    }

    fn jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": self.kid, "x": encoded(self.ed.public_key())})
    }

    /// Signs `claims` behind `header`.
    fn signed(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        format!("{message}.{}", encoded(self.ed.sign(message.as_bytes())))
    }

    /// A token with these claims besides the usual ones; `null` takes one out.
    fn token(&self, more: Value) -> String {
        self.signed(&json!({"alg": "EdDSA", "kid": self.kid}), &claims(more))
    }
}

fn claims(more: Value) -> Value {
    let mut claims = json!({"iss": ISSUER, "aud": "weighbridge", "sub": "ann", "team": "search", "exp": now() + 600});
    for (name, value) in more.as_object().expect("claims") {
        if value.is_null() {
            claims.as_object_mut().expect("claims").remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// A gateway that knows the keys in a file.
struct Setting {
    gateway: Gateway,
    upstream: Upstream,
    _dir: TempDir,
    jwks: PathBuf,
}

async fn setting(keys: &[Value], more: &str) -> Setting {
    setting_with(keys, more, |setup| setup).await
}

async fn setting_with(keys: &[Value], more: &str, change: impl FnOnce(Setup) -> Setup) -> Setting {
    let dir = TempDir::new().expect("a directory");
    let jwks = dir.path().join("jwks.json");
    std::fs::write(&jwks, json!({ "keys": keys }).to_string()).expect("writable");
    let upstream = Upstream::start().await;
    let jwt = format!(
        "{{ issuer: \"{ISSUER}\", audience: weighbridge, jwks_file: \"{}\", leeway: 0s{more} }}",
        jwks.display()
    );
    let setup = change(Setup::openai(&[&upstream]).auth("jwt", jwt));
    let gateway = setup.start().await;
    Setting { gateway, upstream, _dir: dir, jwks }
}

async fn chat(gateway: &Gateway, token: &str) -> Answer {
    Call::post(CHAT, sample::CHAT_ASK).key(token).send(gateway.address).await
}

#[tokio::test]
async fn a_token_of_the_issuer_calls_for_its_team_and_its_user() {
    let issuer = Issuer::new("ed-1");
    let setting = setting(&[issuer.jwk()], "").await;
    let token = issuer.token(json!({"sub": "ann@example.com"}));
    let call = Call::post(CHAT, sample::CHAT_ASK).key(&token).field("x-weighbridge-user", "somebody else");
    assert_eq!(call.send(setting.gateway.address).await.status, 200);
    assert_eq!(chat(&setting.gateway, KEY).await.status, 200, "keys work beside it");
    let rows = setting.gateway.settled(2).await;
    let row = rows.iter().find(|row| row.text("key") == "jwt:login.example.com").expect("its row");
    assert_eq!((row.text("team"), row.text("user")), ("search", "ann@example.com"), "what is vouched for counts");
    assert!(!setting.gateway.log().contains(&token), "no token in any log");
}

#[tokio::test]
async fn rsa_and_ecdsa_signatures_are_good_too() {
    let secret = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).expect("a key");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, secret.as_ref(), &SystemRandom::new())
        .expect("a key");
    let point = pair.public_key().as_ref();
    let ec =
        json!({"kty": "EC", "crv": "P-256", "kid": "ec-1", "x": encoded(&point[1..33]), "y": encoded(&point[33..])});
    let rsa = json!({"kty": "RSA", "kid": "rsa-1", "use": "sig", "alg": "RS256", "n": RSA_N, "e": "AQAB"});
    let odd = json!({"kty": "XYZ", "kid": "odd"});
    let setting = setting(&[odd, ec, rsa], "").await;
    let answer = chat(&setting.gateway, RS256).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let message = format!("{}.{}", encoded(r#"{"alg":"ES256","kid":"ec-1"}"#), encoded(claims(json!({})).to_string()));
    let sign = pair.sign(&SystemRandom::new(), message.as_bytes()).expect("a signature");
    let answer = chat(&setting.gateway, &format!("{message}.{}", encoded(sign))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_is_refused_by_its_name() {
    let issuer = Issuer::new("ed-1");
    let rsa = json!({"kty": "RSA", "kid": "rsa-1", "n": RSA_N, "e": "AQAB"});
    let setting = setting(&[issuer.jwk(), rsa], "").await;
    let good = issuer.token(json!({}));
    let (rest, _) = good.rsplit_once('.').expect("three parts");
    let head = |header: Value| issuer.signed(&header, &claims(json!({})));
    let hmac = |secret: &[u8]| {
        let message =
            format!("{}.{}", encoded(r#"{"alg":"HS256","kid":"rsa-1"}"#), encoded(claims(json!({})).to_string()));
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
        format!("{message}.{}", encoded(ring::hmac::sign(&key, message.as_bytes())))
    };
    let none = format!("{}.{}.", encoded(r#"{"alg":"none"}"#), encoded(claims(json!({})).to_string()));
    let cases = [
        ("no algorithm", none.clone(), 401, "jwt_wrong_algorithm"),
        ("no algorithm, some signature", format!("{none}AAAA"), 401, "jwt_wrong_algorithm"),
        ("a shared secret: the public key", hmac(RSA_N.as_bytes()), 401, "jwt_wrong_algorithm"),
        ("the same, decoded", hmac(&URL_SAFE_NO_PAD.decode(RSA_N).expect("a number")), 401, "jwt_wrong_algorithm"),
        ("an algorithm of another key", head(json!({"alg": "RS256", "kid": "ed-1"})), 401, "invalid_jwt"),
        ("a key of another algorithm", head(json!({"alg": "EdDSA", "kid": "rsa-1"})), 401, "invalid_jwt"),
        ("extensions", head(json!({"alg": "EdDSA", "kid": "ed-1", "crit": ["b64"]})), 401, "invalid_jwt"),
        ("a wrong signature", format!("{rest}.{}", encoded([0; 64])), 401, "invalid_jwt"),
        ("a cut signature", good[..good.len() - 4].to_owned(), 401, "invalid_jwt"),
        ("somebody else's key", Issuer::new("ed-1").token(json!({})), 401, "invalid_jwt"),
        ("expired", issuer.token(json!({"exp": now() - 1})), 401, "expired_jwt"),
        ("no expiry", issuer.token(json!({"exp": null})), 401, "invalid_jwt"),
        ("an expiry that is text", issuer.token(json!({"exp": "4102444800"})), 401, "invalid_jwt"),
        ("not yet", issuer.token(json!({"nbf": now() + 300})), 401, "jwt_not_yet_valid"),
        ("a beginning that is text", issuer.token(json!({"nbf": "soon"})), 401, "invalid_jwt"),
        ("another issuer", issuer.token(json!({"iss": "https://evil.example.com/"})), 401, "jwt_wrong_issuer"),
        ("no issuer", issuer.token(json!({"iss": null})), 401, "invalid_jwt"),
        ("another audience", issuer.token(json!({"aud": "another"})), 401, "jwt_wrong_audience"),
        ("no audience", issuer.token(json!({"aud": null})), 401, "invalid_jwt"),
        ("an unknown key", Issuer::new("ed-9").token(json!({})), 401, "jwt_unknown_key"),
        ("an unknown team", issuer.token(json!({"team": "nobody"})), 403, "jwt_unknown_team"),
        ("no team", issuer.token(json!({"team": null})), 403, "jwt_unknown_team"),
        ("a model that it may not call", issuer.token(json!({"models": ["smart"]})), 403, "model_not_allowed"),
        ("three parts that are no token", "a.b.c".to_owned(), 401, "invalid_api_key"),
    ];
    for (name, token, status, code) in cases {
        let answer = chat(&setting.gateway, &token).await;
        assert_eq!(answer.openai_error(status), code, "{name}: {}", answer.text());
        for part in token.split('.').filter(|part| part.len() > 8) {
            assert!(!answer.text().contains(part), "{name}: nothing of a token is told: {}", answer.text());
        }
    }
    assert_eq!(setting.upstream.count(), 0);
    assert_eq!(chat(&setting.gateway, &good).await.status, 200);
    let many =
        issuer.token(json!({"aud": ["another", "weighbridge"], "models": "smart fast", "team": ["x", "search"]}));
    assert_eq!(
        chat(&setting.gateway, &many).await.openai_error(403),
        "jwt_unknown_team",
        "without a table the first counts"
    );
}

#[tokio::test]
async fn a_table_maps_what_the_issuer_says_to_teams() {
    let issuer = Issuer::new("ed-1");
    let more = ", claims: { team: groups, user: email }, teams: { eng-search: search }";
    let setting = setting(&[issuer.jwk()], more).await;
    let token = issuer.token(json!({"groups": ["all", "eng-search"], "email": "a@b.c", "models": "fast smart"}));
    assert_eq!(chat(&setting.gateway, &token).await.status, 200);
    let direct = issuer.token(json!({"groups": ["search"]}));
    assert_eq!(
        chat(&setting.gateway, &direct).await.openai_error(403),
        "jwt_unknown_team",
        "the table is the only way"
    );
    let rows = setting.gateway.settled(1).await;
    assert_eq!((rows[0].text("team"), rows[0].text("user")), ("search", "a@b.c"));
}

#[tokio::test]
async fn each_team_of_an_issuer_has_its_own_limits() {
    let issuer = Issuer::new("ed-1");
    let few = |setup: Setup| setup.team("few", "limits: [{ requests: 1, per: day }]");
    let setting = setting_with(&[issuer.jwk()], "", few).await;
    let (few, many) = (issuer.token(json!({"team": "few"})), issuer.token(json!({})));
    for (round, want) in [(1, 200), (2, 429), (3, 429)] {
        assert_eq!(chat(&setting.gateway, &few).await.status, want, "round {round}");
        assert_eq!(chat(&setting.gateway, &many).await.status, 200, "round {round}");
    }
}

#[tokio::test]
async fn a_key_file_that_changes_is_read_again() {
    let (first, second) = (Issuer::new("ed-1"), Issuer::new("ed-2"));
    let setting = setting(&[first.jwk()], "").await;
    let token = second.token(json!({}));
    assert_eq!(chat(&setting.gateway, &token).await.openai_error(401), "jwt_unknown_key");
    let remembered = first.token(json!({}));
    assert_eq!(chat(&setting.gateway, &remembered).await.status, 200);
    std::fs::write(&setting.jwks, json!({ "keys": [second.jwk()] }).to_string()).expect("writable");
    eventually("the file is read again", || async {
        (chat(&setting.gateway, &token).await.status == 200).then_some(())
    })
    .await;
    let unknown = first.token(json!({"sub": "new"}));
    assert_eq!(chat(&setting.gateway, &unknown).await.openai_error(401), "jwt_unknown_key");
    assert_eq!(chat(&setting.gateway, &remembered).await.status, 200, "a token that is known goes on until it expires");
}

#[tokio::test]
async fn a_stream_of_a_token_that_expires_is_cut_where_the_file_says_so() {
    let issuer = Issuer::new("ed-1");
    let setting = setting_with(&[issuer.jwk()], "", |setup| setup.auth("on_revoke", "cut")).await;
    let script = Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("one")).wait(&Gate::new()).end();
    setting.upstream.next(script);
    let token = issuer.token(json!({"exp": now() + 3}));
    let open = Call::post(CHAT, sample::CHAT_STREAM_ASK).key(&token).open(setting.gateway.address).await;
    assert_eq!(open.status, 200);
    let rest = open.whole().await;
    assert!(rest.text().contains("caller_revoked"), "{}", rest.text());
    assert_eq!(chat(&setting.gateway, &token).await.openai_error(401), "expired_jwt");
}

/// An issuer's key server that can be switched off.
struct KeyServer {
    address: SocketAddr,
    keys: Arc<Mutex<Option<String>>>,
    asked: Arc<AtomicUsize>,
}

impl KeyServer {
    async fn start(keys: Option<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let keys = Arc::new(Mutex::new(keys.map(|keys| keys.to_string())));
        let asked = Arc::new(AtomicUsize::new(0));
        let (held, count) = (Arc::clone(&keys), Arc::clone(&asked));
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.expect("a connection");
                let mut head = [0; 1024];
                let _ = socket.read(&mut head).await;
                count.fetch_add(1, Ordering::SeqCst);
                let text = held.lock().clone();
                let (status, body) = match &text {
                    Some(text) => ("200 OK", text.as_str()),
                    None => ("500 Internal Server Error", "{}"),
                };
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = socket.write_all([head.as_bytes(), body.as_bytes()].concat().as_slice()).await;
            }
        });
        Self { address, keys, asked }
    }

    async fn gateway(&self, upstream: &Upstream) -> Gateway {
        let url = format!("http://{}/jwks.json", self.address);
        let jwt = format!("{{ issuer: \"{ISSUER}\", audience: weighbridge, jwks_url: \"{url}\" }}");
        Setup::openai(&[upstream]).auth("jwt", jwt).start().await
    }
}

#[tokio::test]
async fn keys_behind_a_url_are_read_and_an_unknown_one_is_asked_for_once() {
    let issuer = Issuer::new("ed-1");
    let server = KeyServer::start(Some(json!({ "keys": [issuer.jwk()] }))).await;
    let upstream = Upstream::start().await;
    let gateway = server.gateway(&upstream).await;
    assert_eq!(chat(&gateway, &issuer.token(json!({}))).await.status, 200);
    for number in 0..20 {
        let made_up = Issuer::new(&format!("made-up-{number}")).token(json!({}));
        assert_eq!(chat(&gateway, &made_up).await.openai_error(401), "jwt_unknown_key");
    }
    let asked = server.asked.load(Ordering::SeqCst);
    assert!(asked <= 2, "asked {asked} times: made-up names do not become calls");
}

#[tokio::test]
async fn an_issuer_that_is_down_is_told_as_503_and_recovers_by_itself() {
    let issuer = Issuer::new("ed-1");
    let server = KeyServer::start(None).await;
    let upstream = Upstream::start().await;
    let gateway = server.gateway(&upstream).await;
    let token = issuer.token(json!({}));
    let answer = chat(&gateway, &token).await;
    assert_eq!(answer.openai_error(503), "auth_unavailable", "never 401: the token may be good");
    assert!(answer.field("retry-after").is_some());
    assert_eq!(chat(&gateway, KEY).await.status, 200, "keys need no issuer");
    *server.keys.lock() = Some(json!({ "keys": [issuer.jwk()] }).to_string());
    eventually("its keys are read again", || async { (chat(&gateway, &token).await.status == 200).then_some(()) })
        .await;
    *server.keys.lock() = None;
    assert_eq!(chat(&gateway, &token).await.status, 200, "a known token goes on working");
    assert_eq!(chat(&gateway, &issuer.token(json!({"sub": "new"}))).await.status, 200, "known keys too");
}

#[tokio::test]
async fn a_token_that_was_verified_before_passes_where_its_address_failed_too_often() {
    let issuer = Issuer::new("ed-1");
    let change = |setup: Setup| setup.server("per_address", "{ auth_failures: 3 }");
    let setting = setting_with(&[issuer.jwk()], "", change).await;
    let (verified, other) = (issuer.token(json!({})), issuer.token(json!({"sub": "bob"})));
    assert_eq!(chat(&setting.gateway, &verified).await.status, 200);
    eventually("the address has failed too often", || async {
        (chat(&setting.gateway, "wrong").await.status == 429).then_some(())
    })
    .await;
    assert_eq!(chat(&setting.gateway, &verified).await.status, 200);
    // A new minute may begin: then it is verified as ever.
    let answer = chat(&setting.gateway, &other).await;
    assert!(matches!(answer.status, 200 | 429), "{}", answer.text());
}

#[tokio::test]
async fn a_token_of_a_team_whose_rules_no_longer_fit_the_file_is_answered_503() {
    let issuer = Issuer::new("ed-1");
    let change = |setup: Setup| setup.model("cheap", 1, "").with_admin();
    let setting = setting_with(&[issuer.jwk()], "", change).await;
    let gateway = &setting.gateway;
    let budgets = json!([{"usd": 5, "per": "day", "on_exhausted": {"fallback": "cheap"}}]);
    let made = gateway.admin("POST", "/teams", json!({"name": "later", "budgets": budgets})).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let (lost, well) = (issuer.token(json!({"team": "later"})), issuer.token(json!({})));
    assert_eq!(chat(gateway, &lost).await.status, 200);
    gateway.stop().await;
    let text = std::fs::read_to_string(gateway.config()).expect("the configuration");
    std::fs::write(gateway.config(), text.replace("cheap", "cheaper")).expect("a file");
    gateway.start_again().await;
    assert_eq!(chat(gateway, &lost).await.openai_error(503), "key_rules_unreadable");
    assert_eq!(chat(gateway, &well).await.status, 200, "no other team");
    assert_eq!(gateway.admin("PATCH", "/teams/later", json!({"budgets": null})).await.status, 200);
    assert_eq!(chat(gateway, &lost).await.status, 200);
}
