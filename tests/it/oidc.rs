//! Sign-in to the dashboard by OpenID Connect: the whole way, and every way that leads nowhere.

mod issuer;

use crate::support::call::{Answer, Call};
use crate::support::config::{ADMIN_TOKEN, Setup, VIEWER_TOKEN};
use crate::support::gateway::Gateway;
use issuer::{CLIENT, Issuer, Location, SECRET, Signer, escaped, parts};
use serde_json::{Value, json};

const CALLBACK: &str = "/dashboard/oidc/callback";

async fn gateway(issuer: &Issuer, more: &str) -> Gateway {
    let oidc = format!(
        "{{ issuer: \"{}\", client_id: {CLIENT}, client_secret: \"{SECRET}\", algorithms: [EdDSA], \
         roles: {{ claim: realm_access.roles, admin: [ops], viewer: [dev] }}{more} }}",
        issuer.url
    );
    Setup::new().with_admin().admin("oidc", oidc).start().await
}

/// A browser with its cookies.
struct Browser<'a> {
    gateway: &'a Gateway,
    cookies: Vec<(String, String)>,
}

impl<'a> Browser<'a> {
    fn new(gateway: &'a Gateway) -> Self {
        Self { gateway, cookies: Vec::new() }
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send(Call::get(path)).await
    }

    async fn post(&mut self, path: &str, form: String) -> Answer {
        let mut call = Call::post(path, form).field("origin", "http://localhost");
        call.fields.retain(|(name, _)| name != "content-type");
        self.send(call.field("content-type", "application/x-www-form-urlencoded")).await
    }

    async fn send(&mut self, call: Call) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = call.field("cookie", &cookies.join("; ")).send(self.gateway.admin).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let text = cookie.to_str().expect("text");
            let lax = if text.starts_with("weighbridge_oidc_") { "SameSite=Lax" } else { "SameSite=Strict" };
            assert!(text.contains("HttpOnly") && text.contains(lax), "{text}");
            let (name, value) = text.split(';').next().and_then(|pair| pair.split_once('=')).expect("a pair");
            self.cookies.retain(|(of, _)| of != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        answer
    }

    /// Begins a sign-in that is to lead to `back`.
    async fn start(&mut self, back: &str) -> Location {
        let answer = self.get(&format!("/dashboard/oidc/start?back={}", escaped(back))).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        Location::of(answer.field("location").expect("the issuer's page"))
    }

    /// Comes back with a code for `token`.
    async fn come_back(&mut self, issuer: &Issuer, location: &Location, token: String) -> Answer {
        let code = issuer.code(location, token);
        self.return_with(&code, &location.get("state")).await
    }

    async fn return_with(&mut self, code: &str, state: &str) -> Answer {
        self.get(&format!("{CALLBACK}?code={}&state={}", escaped(code), escaped(state))).await
    }

    /// The whole way, with these claims besides the usual ones.
    async fn sign_in(&mut self, issuer: &Issuer, more: Value) -> Answer {
        let location = self.start("/dashboard/keys").await;
        let token = issuer.sign(&issuer.claims(&location, &more));
        self.come_back(issuer, &location, token).await
    }

    async fn signed_in(gateway: &'a Gateway, issuer: &Issuer, roles: Value) -> Self {
        let mut browser = Self::new(gateway);
        let answer = browser.sign_in(issuer, json!({ "realm_access": { "roles": roles } })).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        browser
    }
}

/// The value of a hidden field.
fn hidden(page: &str, name: &str) -> String {
    let begin = format!("name=\"{name}\" value=\"");
    let rest = page.split(&begin).nth(1).unwrap_or_else(|| panic!("no `{name}` in {page}"));
    rest.split('"').next().expect("an end").to_owned()
}

fn roles(names: &[&str]) -> Value {
    json!({ "realm_access": { "roles": names } })
}

#[tokio::test]
async fn somebody_signs_in_acts_under_their_name_and_signs_out() {
    let issuer = Issuer::start().await;
    let gateway = gateway(&issuer, "").await;
    let mut browser = Browser::new(&gateway);
    let page = browser.get("/dashboard/sign-in?back=%2Fdashboard%2Fkeys").await;
    let port = issuer.url.trim_start_matches("http://").split('/').next().expect("a host");
    assert!(page.text().contains(&format!("Sign in with <bdi>{port}</bdi>")), "{}", page.text());
    assert!(page.text().contains("back=%2Fdashboard%2Fkeys"), "{}", page.text());
    let location = browser.start("/dashboard/keys").await;
    assert_eq!(location.get("scope"), "openid profile email");
    assert_eq!(location.get("redirect_uri"), format!("http://localhost{CALLBACK}"));
    assert_eq!(location.get("tenant"), "a", "its own parameters stay");
    let token = issuer.sign(&issuer.claims(&location, &roles(&["dev", "ops"])));
    let answer = browser.come_back(&issuer, &location, token.clone()).await;
    assert_eq!((answer.status, answer.field("refresh")), (200, Some("0;url=/dashboard/keys")), "{}", answer.text());
    let keys = browser.get("/dashboard/keys").await;
    assert_eq!(keys.status, 200);
    assert!(keys.text().contains("<bdi>ann@example.com</bdi>"), "who is signed in");
    let page = browser.get("/dashboard/key/new?team=search").await;
    let form = format!("csrf={}&name=by-ann&team=search", hidden(page.text(), "csrf"));
    let made = browser.post("/dashboard/key/new", form).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let audit = gateway.admin("GET", "/audit", Value::Null).await.json();
    let line = audit["lines"].as_array().and_then(|lines| lines.last()).unwrap_or_else(|| panic!("{audit}"));
    assert_eq!((&line["action"], &line["object"]), (&json!("keys.create"), &json!("key/by-ann")));
    let person = json!({"issuer": issuer.url, "sub": "u-1", "name": "ann@example.com"});
    assert_eq!(line["actor"], json!({"role": "admin", "token": "", "person": person}));
    assert!(browser.get("/dashboard/settings").await.text().contains("admin:ann@example.com (u-1)"));
    let stolen = browser.cookies.clone();
    let out = browser.post("/dashboard/sign-out", format!("csrf={}", hidden(keys.text(), "csrf"))).await;
    let there = format!("{}/logout?client_id={CLIENT}", issuer.url);
    assert_eq!(out.status, 200);
    assert!(out.text().contains(&format!("href=\"{there}\"")), "{}", out.text());
    browser.cookies = stolen;
    assert_eq!(browser.get("/dashboard").await.status, 303, "the session is over");
    let log = gateway.log();
    assert!(log.contains("somebody signed in") && !log.contains(&token) && !log.contains(SECRET), "no secret in a log");
    assert_eq!((issuer.asked("/openid-configuration"), issuer.asked("/jwks")), (1, 1), "both are kept");
}

#[tokio::test]
async fn a_viewer_sees_what_a_viewer_s_token_shows_and_changes_nothing() {
    let issuer = Issuer::start().await;
    let gateway = gateway(&issuer, "").await;
    let mut browser = Browser::signed_in(&gateway, &issuer, json!(["dev"])).await;
    let page = browser.get("/dashboard/keys").await;
    assert_eq!(page.status, 200);
    assert_eq!(browser.get("/dashboard/key/new").await.status, 403);
    let form = format!("csrf={}&name=k&team=search", hidden(page.text(), "csrf"));
    assert_eq!(browser.post("/dashboard/key/new", form).await.status, 403);
}

#[tokio::test]
async fn what_another_browser_another_state_or_another_time_brings_is_nothing() {
    let issuer = Issuer::start().await;
    let gateway = gateway(&issuer, "").await;
    let mut browser = Browser::new(&gateway);
    let location = browser.start("/dashboard").await;
    let token = issuer.sign(&issuer.claims(&location, &roles(&["ops"])));
    let (code, state) = (issuer.code(&location, token), location.get("state"));
    let mut other = Browser::new(&gateway);
    assert_eq!(other.return_with(&code, &state).await.status, 400, "another browser");
    other.start("/dashboard").await;
    assert_eq!(other.return_with(&code, &state).await.status, 400, "another browser's sign-in");
    for wrong in ["", "wrong", &state[1..]] {
        assert_eq!(browser.return_with(&code, wrong).await.status, 400, "{wrong}");
    }
    assert_eq!(browser.get(CALLBACK).await.status, 400);
    assert_eq!(browser.get(&format!("{CALLBACK}?state=a&state=b")).await.status, 400);
    assert_eq!(issuer.asked("/token"), 0, "nothing of it reached the issuer");
    let kept = browser.cookies.clone();
    assert_eq!(browser.return_with(&code, &state).await.status, 200, "the right one still does");
    assert!(!browser.cookies.iter().any(|(name, _)| name.starts_with("weighbridge_oidc_")), "once");
    let mut again = Browser { gateway: &gateway, cookies: kept };
    assert_eq!(again.return_with(&code, &state).await.status, 400, "the same sign-in a second time");
    assert_eq!(issuer.asked("/token"), 1);
    let location = again.start("/dashboard").await;
    let answer = again.return_with(&code, &location.get("state")).await;
    assert_eq!(answer.status, 401, "a code that was used");
    assert!(answer.text().contains("invalid_grant") && !answer.text().contains("it is gone"), "{}", answer.text());
    assert!(!again.cookies.iter().any(|(name, _)| name.starts_with("weighbridge_session_")), "nobody is signed in");
}

#[tokio::test]
async fn an_id_token_that_is_not_for_this_sign_in_is_not_taken() {
    let issuer = Issuer::start().await;
    let gateway = gateway(&issuer, "").await;
    let now = jiff::Timestamp::now().as_second();
    let mut tries = 0;
    for (what, change, said) in [
        ("another sign-in's", json!({"nonce": "another"}), "nonce"),
        ("none of a sign-in", json!({"nonce": null}), "nonce"),
        ("expired", json!({"exp": now - 60}), "expired"),
        ("another issuer's", json!({"iss": "https://evil.example"}), "issuer"),
        ("another client's", json!({"aud": "another"}), "audience"),
        ("made for another client", json!({"aud": [CLIENT, "another"], "azp": "another"}), "azp"),
        ("nobody's", json!({"sub": ""}), "sub"),
    ] {
        let mut browser = Browser::new(&gateway);
        let location = browser.start("/dashboard").await;
        let mut claims = issuer.claims(&location, &roles(&["ops"]));
        change.as_object().expect("claims").iter().for_each(|(name, value)| claims[name] = value.clone());
        let answer = browser.come_back(&issuer, &location, issuer.sign(&claims)).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        assert!(answer.text().contains(said), "{what}: {}", answer.text());
        assert_eq!(browser.get("/dashboard").await.status, 303, "{what}");
        tries += 1;
    }
    type Forge = fn(&Issuer, &Value) -> String;
    let forged: [(&str, Forge); 3] = [
        ("without a signature", |_, claims| format!("{}.", parts(&json!({"alg": "none"}), claims))),
        ("by somebody else", |_, claims| Signer::new("key-1").token(claims)),
        ("changed", |issuer, claims| {
            let token = issuer.sign(claims);
            let sign = token.rsplit('.').next().expect("a signature");
            let mut claims = claims.clone();
            claims["sub"] = json!("somebody-else");
            format!("{}.{sign}", parts(&json!({"alg": "EdDSA", "kid": "key-1"}), &claims))
        }),
    ];
    for (what, forge) in forged {
        let mut browser = Browser::new(&gateway);
        let location = browser.start("/dashboard").await;
        let token = forge(&issuer, &issuer.claims(&location, &roles(&["ops"])));
        let answer = browser.come_back(&issuer, &location, token).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        tries += 1;
    }
    assert_eq!(tries, 10);
    let answer = Browser::new(&gateway).get("/dashboard/oidc/start").await;
    assert_eq!(answer.status, 429, "ten bad ones a minute from one address, as of tokens");
    assert!(answer.field("retry-after").is_some());
}

#[tokio::test]
async fn who_has_no_role_is_refused_and_reads_which_claim_was_looked_at() {
    let issuer = Issuer::start().await;
    let gateway = gateway(&issuer, "").await;
    let mut browser = Browser::new(&gateway);
    let answer = browser.sign_in(&issuer, roles(&["cooks", "<b>ops</b>"])).await;
    assert_eq!(answer.status, 403);
    let page = answer.text();
    assert!(
        page.contains("realm_access.roles") && page.contains("`cooks`") && page.contains("ann@example.com"),
        "{page}"
    );
    assert!(page.contains("&lt;b&gt;ops") && !page.contains("<b>ops"), "{page}");
    assert_eq!(browser.get("/dashboard").await.status, 303);
    let answer = browser.sign_in(&issuer, json!({"groups": ["ops"]})).await;
    assert!(answer.status == 403 && answer.text().contains("no such claim"), "{}", answer.text());
    let location = browser.start("/dashboard").await;
    let denied =
        format!("{CALLBACK}?error=access_denied&error_description=%3Cscript%3E&state={}", location.get("state"));
    let answer = browser.get(&denied).await;
    assert!(answer.status == 401 && answer.text().contains("access_denied"), "{}", answer.text());
}

#[tokio::test]
async fn a_dead_or_lying_issuer_is_told_and_hurts_nobody_else() {
    let issuer = Issuer::start().await;
    let gateway = gateway(&issuer, "").await;
    let mut browser = Browser::new(&gateway);
    issuer.down(true);
    let answer = browser.get("/dashboard/oidc/start").await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert!(answer.text().contains(&issuer.url) && answer.text().contains("status 500"), "{}", answer.text());
    assert_eq!(gateway.admin("GET", "/status", Value::Null).await.status, 200, "the API needs no issuer");
    assert_eq!(browser.get("/dashboard/sign-in").await.status, 200);
    issuer.down(false);
    for (name, value, said) in [
        ("issuer", json!("https://evil.example"), "https://evil.example"),
        ("authorization_endpoint", json!("javascript:alert(1)"), "authorization_endpoint"),
        ("token_endpoint", json!("http://login.example.com/token"), "token_endpoint"),
        ("jwks_uri", json!("file:///etc/passwd"), "jwks_uri"),
        ("jwks_uri", json!(null), "cannot be read"),
    ] {
        issuer.says(name, value);
        let told = crate::support::eventually("the document is read again", || async {
            let answer = Browser::new(&gateway).get("/dashboard/oidc/start").await;
            assert_eq!(answer.status, 502, "{}", answer.text());
            answer.text().contains(said).then_some(())
        });
        told.await;
        issuer.says(
            name,
            match name {
                "issuer" => json!(issuer.url),
                "authorization_endpoint" => json!(format!("{}/authorize", issuer.url)),
                "token_endpoint" => json!(format!("{}/token", issuer.url)),
                _ => json!(format!("{}/jwks", issuer.url)),
            },
        );
    }
    crate::support::eventually("it recovers by itself", || async {
        (Browser::new(&gateway).get("/dashboard/oidc/start").await.status == 303).then_some(())
    })
    .await;
    let location = browser.start("/dashboard").await;
    let token = issuer.sign(&issuer.claims(&location, &roles(&["ops"])));
    let code = issuer.code(&location, token);
    issuer.down(true);
    assert_eq!(browser.return_with(&code, &location.get("state")).await.status, 502, "dead when the code comes");
}

#[tokio::test]
async fn a_new_key_of_the_issuer_is_learnt_at_the_next_sign_in() {
    let issuer = Issuer::start().await;
    let gateway = gateway(&issuer, "").await;
    Browser::signed_in(&gateway, &issuer, json!(["ops"])).await;
    issuer.rotate("key-2");
    Browser::signed_in(&gateway, &issuer, json!(["dev"])).await;
    assert_eq!((issuer.asked("/openid-configuration"), issuer.asked("/jwks")), (1, 2));
}

#[tokio::test]
async fn a_reload_gives_and_takes_roles_of_sessions_that_run() {
    let issuer = Issuer::start().await;
    let gateway = gateway(&issuer, "").await;
    let mut ops = Browser::signed_in(&gateway, &issuer, json!(["ops"])).await;
    let mut dev = Browser::signed_in(&gateway, &issuer, json!(["dev"])).await;
    assert_eq!(ops.get("/dashboard/key/new").await.status, 200);
    let reload = async |from: &str, to: &str| {
        gateway.edit(|text| text.replace(from, to));
        let told = gateway.admin("POST", "/reload", Value::Null).await;
        assert_eq!(told.status, 200, "{}", told.text());
        assert_eq!(told.json()["needs_restart"], json!([]), "{}", told.text());
    };
    reload("admin: [ops], viewer: [dev]", "admin: [dev], viewer: [ops]").await;
    assert_eq!(ops.get("/dashboard/key/new").await.status, 403, "a viewer from now on");
    assert_eq!(ops.get("/dashboard/keys").await.status, 200);
    assert_eq!(dev.get("/dashboard/key/new").await.status, 200, "an administrator from now on");
    reload("viewer: [ops]", "viewer: [others]").await;
    assert_eq!(ops.get("/dashboard/keys").await.status, 303, "whose role was taken away is out");
    reload("viewer: [others]", "viewer: [ops]").await;
    assert_eq!(ops.get("/dashboard/keys").await.status, 303, "and for good");
    assert_eq!(dev.get("/dashboard/keys").await.status, 200);
    gateway.edit(|text| text.lines().filter(|line| !line.contains("oidc:")).collect::<Vec<_>>().join("\n"));
    assert_eq!(gateway.admin("POST", "/reload", Value::Null).await.status, 200);
    assert_eq!(dev.get("/dashboard/keys").await.status, 303, "without an issuer nobody has a role");
    assert_eq!(dev.get("/dashboard/oidc/start").await.status, 404);
}

#[tokio::test]
async fn a_sign_in_leads_to_no_page_but_ours() {
    let issuer = Issuer::start().await;
    let gateway = gateway(&issuer, "").await;
    for back in ["https://evil.example/", "//evil.example", "/\\evil.example", "/dashboard/\\..//evil", "javascript:x"]
    {
        let mut browser = Browser::new(&gateway);
        let location = browser.start(back).await;
        let token = issuer.sign(&issuer.claims(&location, &roles(&["ops"])));
        let answer = browser.come_back(&issuer, &location, token).await;
        assert_eq!(answer.field("refresh"), Some("0;url=/dashboard"), "{back}");
        assert!(!answer.text().contains("evil"), "{back}");
    }
    let mut browser = Browser::new(&gateway);
    let start = Call::get("/dashboard/oidc/start?back=%2Fdashboard%2Fkeys").field("sec-fetch-site", "cross-site");
    let answer = browser.send(start).await;
    let location = Location::of(answer.field("location").expect("the issuer's page"));
    let token = issuer.sign(&issuer.claims(&location, &roles(&["ops"])));
    let answer = browser.come_back(&issuer, &location, token).await;
    assert_eq!(answer.field("refresh"), Some("0;url=/dashboard"), "another page does not choose where it leads");
}

#[tokio::test]
async fn a_public_client_signs_in_and_tokens_can_be_switched_off() {
    let issuer = Issuer::start().await;
    let url = "https://gw.example.com/dashboard/oidc/callback";
    let oidc = format!(
        "{{ issuer: \"{}\", client_id: {CLIENT}, algorithms: [EdDSA], token_sign_in: false, redirect_url: \"{url}\", \
         emails: {{ viewer: [\"@example.com\"] }} }}",
        issuer.url
    );
    let gateway = Setup::new().with_admin().admin("hosts", "[gw.example.com]").admin("oidc", oidc).start().await;
    let mut browser = Browser::new(&gateway);
    let page = browser.get("/dashboard/sign-in").await;
    assert!(!page.text().contains("name=\"token\""), "{}", page.text());
    for token in [ADMIN_TOKEN, VIEWER_TOKEN] {
        let form =
            browser.cookies.iter().find(|(name, _)| name.starts_with("weighbridge_form_")).expect("a form").1.clone();
        let answer = browser.post("/dashboard/sign-in", format!("csrf={form}&token={token}")).await;
        assert_eq!(answer.status, 403, "{}", answer.text());
    }
    let location = browser.start("/dashboard").await;
    assert_eq!(location.get("redirect_uri"), url);
    let claims = issuer.claims(&location, &json!({"email_verified": true}));
    let answer = browser.come_back(&issuer, &location, issuer.sign(&claims)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let secure = answer.headers.get_all("set-cookie").iter().filter(|cookie| {
        cookie.to_str().is_ok_and(|text| text.starts_with("weighbridge_session_") && text.ends_with("; Secure"))
    });
    assert_eq!(secure.count(), 1);
    assert_eq!(browser.get("/dashboard/keys").await.status, 200);
    assert_eq!(gateway.admin("GET", "/keys", Value::Null).await.status, 200, "the API takes tokens");
}
