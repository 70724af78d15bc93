//! An issuer of OpenID Connect that holds clients to the rules, and can be made to lie.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the gateway is called at the issuer.
pub const CLIENT: &str = "weighbridge";
/// Its secret, with characters that a form escapes.
pub const SECRET: &str = "planted secret:of/oidc+%";

/// What it answers, as a test set it.
#[derive(Default)]
struct Held {
    keys: Vec<Value>,
    signer: Option<Arc<Signer>>,
    document: BTreeMap<String, Value>,
    down: bool,
    /// What a code was given for, until it is exchanged.
    codes: BTreeMap<String, Grant>,
    given: usize,
    /// Path after path.
    asked: Vec<String>,
}

struct Grant {
    challenge: String,
    redirect: String,
    token: String,
}

/// A running issuer.
pub struct Issuer {
    /// Its name.
    pub url: String,
    held: Arc<Mutex<Held>>,
}

/// A key that signs.
pub struct Signer {
    kid: String,
    pair: Ed25519KeyPair,
}

impl Signer {
    /// A new key of this name.
    pub fn new(kid: &str) -> Self {
        let secret = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("randomness");
        Self { kid: kid.to_owned(), pair: Ed25519KeyPair::from_pkcs8(secret.as_ref()).expect("a key") }
    }

    fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": self.kid, "x": x})
    }

    /// A token of these claims.
    pub fn token(&self, claims: &Value) -> String {
        let head = json!({"alg": "EdDSA", "kid": self.kid});
        let message = parts(&head, claims);
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(self.pair.sign(message.as_bytes())))
    }
}

/// A token's first two parts.
pub fn parts(head: &Value, claims: &Value) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(head.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

impl Issuer {
    /// With one key.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/realms/main", listener.local_addr().expect("an address"));
        let held = Arc::new(Mutex::new(Held::default()));
        let issuer = Self { url: url.clone(), held: Arc::clone(&held) };
        issuer.rotate("key-1");
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.expect("a connection");
                tokio::spawn(answer(socket, url.clone(), Arc::clone(&held)));
            }
        });
        issuer
    }

    /// From now on another key signs, and is the only one that is published.
    pub fn rotate(&self, kid: &str) {
        let signer = Signer::new(kid);
        let mut held = self.held.lock();
        held.keys = vec![signer.jwk()];
        held.signer = Some(Arc::new(signer));
    }

    /// Says this in its discovery document; `null` takes it out.
    pub fn says(&self, name: &str, value: Value) {
        self.held.lock().document.insert(name.to_owned(), value);
    }

    /// Answers nothing but 500, or goes on.
    pub fn down(&self, down: bool) {
        self.held.lock().down = down;
    }

    /// How often this was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.held.lock().asked.iter().filter(|asked| asked.ends_with(path)).count()
    }

    /// The claims that a right token would have for a browser that came with `location`.
    pub fn claims(&self, location: &Location, more: &Value) -> Value {
        let now = jiff::Timestamp::now().as_second();
        let mut claims = json!({
            "iss": self.url, "aud": CLIENT, "azp": CLIENT, "sub": "u-1", "email": "ann@example.com",
            "email_verified": true, "iat": now, "exp": now + 300, "nonce": location.get("nonce"),
        });
        for (name, value) in more.as_object().expect("claims") {
            claims[name] = value.clone();
        }
        claims
    }

    /// Signs `claims` with the key that is in use.
    pub fn sign(&self, claims: &Value) -> String {
        let signer = self.held.lock().signer.clone();
        signer.expect("it has one").token(claims)
    }

    /// Gives a code, for which this token is given once.
    pub fn code(&self, location: &Location, token: String) -> String {
        assert_eq!(location.get("response_type"), "code");
        assert_eq!(location.get("client_id"), CLIENT);
        assert_eq!(location.get("code_challenge_method"), "S256");
        assert!(location.path.starts_with(&format!("{}/authorize", self.url)), "{}", location.path);
        let mut held = self.held.lock();
        held.given += 1;
        let code = format!("code/{}+ü", held.given);
        let (challenge, redirect) = (location.get("code_challenge"), location.get("redirect_uri"));
        held.codes.insert(code.clone(), Grant { challenge, redirect, token });
        code
    }
}

async fn answer(mut socket: TcpStream, url: String, held: Arc<Mutex<Held>>) {
    let mut text = Vec::new();
    let (head, body) = loop {
        let mut piece = [0; 4096];
        let Ok(count @ 1..) = socket.read(&mut piece).await else { return };
        text.extend_from_slice(&piece[..count]);
        let whole = String::from_utf8_lossy(&text);
        let Some((head, body)) = whole.split_once("\r\n\r\n") else { continue };
        let length = field(head, "content-length").map_or(0, |length| length.parse().expect("a number"));
        if body.len() >= length {
            break (head.to_owned(), body.to_owned());
        }
    };
    let path = head.split(' ').nth(1).expect("a path").to_owned();
    let (status, body) = reply(&url, &path, &head, &body, &mut held.lock());
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = socket.write_all([head.as_bytes(), body.as_bytes()].concat().as_slice()).await;
}

fn reply(url: &str, path: &str, head: &str, body: &str, held: &mut Held) -> (u16, Value) {
    held.asked.push(path.to_owned());
    if held.down {
        return (500, json!({}));
    }
    match path.strip_prefix("/realms/main").expect("its own paths") {
        "/.well-known/openid-configuration" => {
            let mut document = json!({
                "issuer": url,
                "authorization_endpoint": format!("{url}/authorize?tenant=a"),
                "token_endpoint": format!("{url}/token"),
                "jwks_uri": format!("{url}/jwks"),
                "end_session_endpoint": format!("{url}/logout"),
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            });
            for (name, value) in &held.document {
                document[name] = value.clone();
            }
            (200, document)
        }
        "/jwks" => (200, json!({ "keys": held.keys })),
        "/token" => token(head, body, held),
        other => panic!("nobody asks for {other}"),
    }
}

fn token(head: &str, body: &str, held: &mut Held) -> (u16, Value) {
    let form = pairs(body);
    let get = |name: &str| form.get(name).cloned().unwrap_or_default();
    let basic = field(head, "authorization").and_then(|value| value.strip_prefix("Basic ").map(str::to_owned));
    let known = match basic {
        Some(basic) => {
            let plain = String::from_utf8(STANDARD.decode(basic).expect("base64")).expect("text");
            let (id, secret) = plain.split_once(':').expect("a pair");
            (unescaped(id), unescaped(secret)) == (CLIENT.to_owned(), SECRET.to_owned())
        }
        None => get("client_id") == CLIENT && ["", SECRET].contains(&&*get("client_secret")),
    };
    if !known {
        return (401, json!({"error": "invalid_client"}));
    }
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(get("code_verifier")));
    match held.codes.remove(&get("code")) {
        Some(grant)
            if grant.challenge == challenge
                && grant.redirect == get("redirect_uri")
                && get("grant_type") == "authorization_code" =>
        {
            (200, json!({"access_token": "unused", "token_type": "Bearer", "id_token": grant.token}))
        }
        _ => (400, json!({"error": "invalid_grant", "error_description": "<b>it is gone</b>"})),
    }
}

fn field(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

/// Where a browser is sent.
pub struct Location {
    path: String,
    pairs: BTreeMap<String, String>,
}

impl Location {
    /// Reads a URL.
    pub fn of(url: &str) -> Self {
        let (path, query) = url.split_once('?').expect("parameters");
        Self { path: path.to_owned(), pairs: pairs(query) }
    }

    /// A parameter; empty if there is none.
    pub fn get(&self, name: &str) -> String {
        self.pairs.get(name).cloned().unwrap_or_default()
    }
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), unescaped(value))).collect()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (pair, after) = rest.split_at(2);
            bytes.extend(hex::decode(pair).expect("hexadecimal digits"));
            rest = after;
        } else {
            bytes.push(if byte == b'+' { b' ' } else { byte });
        }
    }
    String::from_utf8(bytes).expect("text")
}

/// As it stands in a URL.
pub fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
