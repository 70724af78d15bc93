//! The dashboard as a browser meets it, without a socket: sessions, forms, names, what every answer is sent with.

use super::{Board, Hosts, router};
use crate::{
    admin::staging::{ADMIN, VIEWER, api},
    admin::{Api, Peer},
    config::{Admin, Secret},
};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode, header};
use std::sync::Arc;
use tower::ServiceExt as _;

/// A dashboard over an empty state directory.
fn pages() -> Router {
    board().1
}

/// The same with what is behind it.
fn board() -> (Arc<Api>, Router) {
    let dir = tempfile::tempdir().expect("a directory").keep();
    std::fs::create_dir(dir.join("journal")).expect("an empty journal");
    let api = api(dir);
    let hosts = Hosts::new("127.0.0.1:9090".parse().expect("an address"), &[]);
    let board = Board { api: Arc::clone(&api), hosts, port: 9090, settings: Box::new(|| "<settings>".to_owned()) };
    (api, router(board))
}

/// A browser with its cookies.
struct Browser {
    pages: Router,
    cookies: Vec<(String, String)>,
}

impl Browser {
    fn new(pages: &Router) -> Self {
        Self { pages: pages.clone(), cookies: Vec::new() }
    }

    async fn signed_in(pages: &Router, token: &str) -> Self {
        let mut browser = Self::new(pages);
        let (status, _) = browser.sign_in(token).await;
        assert_eq!(status, StatusCode::SEE_OTHER);
        browser
    }

    async fn sign_in(&mut self, token: &str) -> (StatusCode, String) {
        let (_, page) = self.get("/dashboard/sign-in").await;
        let form = format!("csrf={}&token={token}&back=%2Fdashboard%2Fkeys", hidden(&page, "csrf"));
        self.post("/dashboard/sign-in", form).await
    }

    async fn get(&mut self, path: &str) -> (StatusCode, String) {
        self.send(Request::get(path), Body::empty()).await
    }

    async fn post(&mut self, path: &str, form: String) -> (StatusCode, String) {
        let kind = "application/x-www-form-urlencoded";
        let request = Request::post(path).header(header::CONTENT_TYPE, kind).header("origin", "http://localhost:9090");
        self.send(request, Body::from(form)).await
    }

    async fn send(&mut self, request: axum::http::request::Builder, body: Body) -> (StatusCode, String) {
        let answer = self.raw(request, body).await;
        let status = answer.status();
        let bytes = to_bytes(answer.into_body(), 1 << 20).await.expect("an answer");
        (status, String::from_utf8(bytes.to_vec()).expect("text"))
    }

    async fn raw(&mut self, request: axum::http::request::Builder, body: Body) -> Response<Body> {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request.header(header::HOST, "localhost:9090").header(header::COOKIE, cookies.join("; "));
        let request = request.extension(Peer("192.0.2.1".parse().expect("an address"))).body(body).expect("a request");
        let answer = self.pages.clone().oneshot(request).await.expect("it always answers");
        for cookie in answer.headers().get_all(header::SET_COOKIE) {
            let text = cookie.to_str().expect("text");
            assert!(text.contains("HttpOnly") && text.contains("SameSite=Strict"), "{text}");
            let (name, value) = text.split(';').next().and_then(|pair| pair.split_once('=')).expect("a pair");
            self.cookies.retain(|(of, _)| of != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        answer
    }
}

/// The value of a hidden field.
fn hidden(page: &str, name: &str) -> String {
    let begin = format!("name=\"{name}\" value=\"");
    let rest = page.split(&begin).nth(1).unwrap_or_else(|| panic!("no `{name}` in {page}"));
    rest.split('"').next().expect("an end").to_owned()
}

#[tokio::test]
async fn nothing_is_shown_to_whoever_is_not_signed_in() {
    let mut browser = Browser::new(&pages());
    for path in ["/dashboard", "/dashboard/keys?team=x", "/dashboard/settings", "/dashboard/none"] {
        let answer = browser.raw(Request::get(path), Body::empty()).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        let to = answer.headers()[header::LOCATION].to_str().expect("text");
        assert!(to.starts_with("/dashboard/sign-in?back=%2Fdashboard"), "{to}");
    }
    for path in ["/dashboard/key/new", "/dashboard/key/revoke", "/dashboard/sign-out"] {
        assert_eq!(browser.post(path, "csrf=x".to_owned()).await.0, StatusCode::UNAUTHORIZED, "{path}");
    }
    let (status, page) = browser.sign_in("sk-no-token-of-ours").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(page.contains("role=\"alert\""), "{page}");
    assert_eq!(browser.get("/dashboard").await.0, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn signing_in_leads_back_and_signing_out_ends_it() {
    let mut browser = Browser::signed_in(&pages(), ADMIN).await;
    let (status, page) = browser.get("/dashboard/keys").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("aria-current=\"page\">Keys"), "{page}");
    let stolen = browser.cookies.clone();
    let (status, _) = browser.post("/dashboard/sign-out", format!("csrf={}", hidden(&page, "csrf"))).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    browser.cookies = stolen;
    assert_eq!(browser.get("/dashboard").await.0, StatusCode::SEE_OTHER, "the id is worth nothing any more");
}

#[tokio::test]
async fn whoever_signed_in_with_a_token_that_was_changed_is_out() {
    let (api, pages) = board();
    let (mut admin, mut viewer) = (Browser::signed_in(&pages, ADMIN).await, Browser::signed_in(&pages, VIEWER).await);
    let token = |token: &str| Some(Secret::new(token));
    let file = |admin| Admin { token: token(admin), viewer_token: token(VIEWER), ..Admin::default() };
    api.tokens.set(&file("another-admin-token-of-the-tests"));
    assert_eq!(admin.get("/dashboard").await.0, StatusCode::SEE_OTHER);
    assert_eq!(viewer.get("/dashboard").await.0, StatusCode::OK, "its token holds");
    api.tokens.set(&file(ADMIN));
    assert_eq!(admin.get("/dashboard").await.0, StatusCode::SEE_OTHER, "the session is over for good");
}

#[tokio::test]
async fn every_page_is_drawn_with_nothing_in_the_ledger_and_binds_the_browser() {
    let mut browser = Browser::signed_in(&pages(), ADMIN).await;
    let paths = [
        "/dashboard",
        "/dashboard?since=30d",
        "/dashboard/teams",
        "/dashboard/keys",
        "/dashboard/key/new",
        "/dashboard/team/new",
        "/dashboard/models",
        "/dashboard/guardrails",
        "/dashboard/requests",
        "/dashboard/settings",
    ];
    for path in paths {
        let answer = browser.raw(Request::get(path), Body::empty()).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let policy = answer.headers()["content-security-policy"].to_str().expect("text").to_owned();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers()["referrer-policy"], "same-origin");
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
        let bytes = to_bytes(answer.into_body(), 1 << 20).await.expect("an answer");
        assert!(bytes.len() < 100_000, "{path}: {}", bytes.len());
        let page = String::from_utf8(bytes.to_vec()).expect("text");
        assert!(!page.contains(" style=") && !page.contains("<settings>") && !page.contains(" onclick"), "{path}");
    }
    for (path, status) in [
        ("/dashboard/none", StatusCode::NOT_FOUND),
        ("/dashboard/key?name=none", StatusCode::NOT_FOUND),
        ("/dashboard/request?id=none", StatusCode::BAD_REQUEST),
        ("/dashboard?since=soon", StatusCode::BAD_REQUEST),
        ("/dashboard/keys?csv=none", StatusCode::NOT_FOUND),
        ("/dashboard/keys?csv=keys", StatusCode::OK),
    ] {
        assert_eq!(browser.get(path).await.0, status, "{path}");
    }
    let style = &super::assets::STYLE.path;
    let answer = browser.raw(Request::get(style.as_str()), Body::empty()).await;
    assert!(answer.headers()[header::CACHE_CONTROL].to_str().expect("text").contains("immutable"));
}

#[tokio::test]
async fn a_key_is_made_shown_once_rotated_and_revoked() {
    let mut browser = Browser::signed_in(&pages(), ADMIN).await;
    let (_, page) = browser.get("/dashboard/team/new").await;
    let csrf = hidden(&page, "csrf");
    let team = format!("csrf={csrf}&name=search&models=&budgets=%7B%22usd%22%3A5%2C%22per%22%3A%22day%22%7D&limits=");
    assert_eq!(browser.post("/dashboard/team/new", team).await.0, StatusCode::SEE_OTHER);
    let make = format!("csrf={csrf}&name=search-ci&team=search&expires=&models=&budgets=&limits=");
    let (status, page) = browser.post("/dashboard/key/new", make.clone()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("value=\"wb-"), "{page}");
    let (status, page) = browser.post("/dashboard/key/new", make).await;
    assert_eq!(status, StatusCode::CONFLICT, "sent again it makes nothing");
    assert!(!page.contains("wb-") && page.contains("role=\"alert\""), "{page}");
    let (_, page) = browser.get("/dashboard/key/rotate?name=search-ci").await;
    let rotate = format!("csrf={csrf}&name=search-ci&version={}&grace=1h", hidden(&page, "version"));
    let (status, page) = browser.post("/dashboard/key/rotate", rotate.clone()).await;
    assert!(status == StatusCode::OK && page.contains("value=\"wb-"), "{page}");
    assert_eq!(browser.post("/dashboard/key/rotate", rotate).await.0, StatusCode::PRECONDITION_FAILED);
    let (_, page) = browser.get("/dashboard/key/revoke?name=search-ci").await;
    let revoke = format!("csrf={csrf}&name=search-ci&version={}", hidden(&page, "version"));
    assert_eq!(browser.post("/dashboard/key/revoke", revoke).await.0, StatusCode::SEE_OTHER);
    let (_, page) = browser.get("/dashboard/key?name=search-ci").await;
    assert!(page.contains("revoked") && !page.contains("wb-"), "{page}");
    let (_, page) = browser.get("/dashboard/settings").await;
    assert!(page.contains("keys.rotate") && page.contains("stale"), "acts and refusals are in the audit log: {page}");
}

#[tokio::test]
async fn of_two_who_change_a_team_at_once_the_second_is_shown_the_conflict() {
    let pages = pages();
    let (mut one, mut other) = (Browser::signed_in(&pages, ADMIN).await, Browser::signed_in(&pages, ADMIN).await);
    let csrf = hidden(&one.get("/dashboard/team/new").await.1, "csrf");
    let team = format!("csrf={csrf}&name=search&models=&budgets=&limits=");
    assert_eq!(one.post("/dashboard/team/new", team).await.0, StatusCode::SEE_OTHER);
    let form = |page: &str, limit: u32| {
        let (csrf, version) = (hidden(page, "csrf"), hidden(page, "version"));
        let limit = format!("%7B%22requests%22%3A{limit}%2C%22per%22%3A%22minute%22%7D");
        format!("csrf={csrf}&name=search&version={version}&models=&budgets=&limits={limit}")
    };
    let (_, of_one) = one.get("/dashboard/team/edit?name=search").await;
    // A slip of the pen does not make the second one's form of what the first one has done since.
    let (_, slipped) = other.get("/dashboard/team/edit?name=search").await;
    let (_, of_other) = other.get("/dashboard/team/edit?name=search").await;
    assert_eq!(one.post("/dashboard/team/edit", form(&of_one, 11)).await.0, StatusCode::SEE_OTHER);
    let wrong = form(&slipped, 22).replace("%7D", "");
    let (status, page) = other.post("/dashboard/team/edit", wrong).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{page}");
    assert_eq!(other.post("/dashboard/team/edit", form(&page, 22)).await.0, StatusCode::PRECONDITION_FAILED);
    let (status, page) = other.post("/dashboard/team/edit", form(&of_other, 22)).await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED);
    assert!(page.contains("requests&quot;:11") && page.contains("requests&quot;:22"), "{page}");
    let (_, page) = other.get("/dashboard/team/edit?name=search").await;
    assert!(page.contains("requests&quot;:11") && !page.contains("requests&quot;:22"), "nothing is lost: {page}");
}

#[tokio::test]
async fn a_form_of_nobody_of_another_page_or_of_a_viewer_changes_nothing() {
    let pages = pages();
    let mut admin = Browser::signed_in(&pages, ADMIN).await;
    let csrf = hidden(&admin.get("/dashboard/team/new").await.1, "csrf");
    for wrong in ["", "csrf=", "csrf=0123", "csrf=00000000000000000000000000000000"] {
        let (status, _) = admin.post("/dashboard/team/new", format!("{wrong}&name=evil")).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{wrong}");
    }
    let kind = "application/x-www-form-urlencoded";
    let form = || Body::from(format!("csrf={csrf}&name=evil"));
    let from =
        |origin: &str| Request::post("/dashboard/team/new").header(header::CONTENT_TYPE, kind).header("origin", origin);
    for origin in ["http://evil.example", "null", "http://localhost.evil.example:9090"] {
        assert_eq!(admin.send(from(origin), form()).await.0, StatusCode::FORBIDDEN, "{origin}");
    }
    let json = Request::post("/dashboard/team/new").header(header::CONTENT_TYPE, "text/plain");
    assert_eq!(admin.send(json, form()).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let mut viewer = Browser::signed_in(&pages, VIEWER).await;
    let (_, page) = viewer.get("/dashboard/teams").await;
    assert!(!page.contains("/dashboard/team/new"), "{page}");
    assert_eq!(viewer.get("/dashboard/team/new").await.0, StatusCode::FORBIDDEN);
    let own = hidden(&page, "csrf");
    assert_eq!(viewer.post("/dashboard/team/new", format!("csrf={own}&name=evil")).await.0, StatusCode::FORBIDDEN);
    assert_eq!(viewer.post("/dashboard/team/new", format!("csrf={csrf}&name=evil")).await.0, StatusCode::FORBIDDEN);
    assert!(!admin.get("/dashboard/teams").await.1.contains("evil"));
}

#[tokio::test]
async fn another_name_is_refused_and_root_leads_browsers_here() {
    let pages = pages();
    for path in ["/dashboard", "/dashboard/sign-in", "/"] {
        let request =
            Request::get(path).header(header::HOST, "evil.example:9090").body(Body::empty()).expect("a request");
        let answer = pages.clone().oneshot(request).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST, "{path}");
    }
    let mut browser = Browser::new(&pages);
    let answer = browser.raw(Request::get("/").header(header::ACCEPT, "text/html,*/*"), Body::empty()).await;
    assert_eq!(answer.headers()[header::LOCATION], "/dashboard");
    assert_eq!(browser.get("/").await.0, StatusCode::NOT_FOUND, "programs are told what there is");
}

#[tokio::test(start_paused = true)]
async fn guessing_a_token_is_slowed_and_then_waits() {
    let mut browser = Browser::new(&pages());
    for guess in 0..10 {
        assert_eq!(browser.sign_in(&format!("guess-{guess}")).await.0, StatusCode::UNAUTHORIZED);
    }
    let (status, page) = browser.sign_in(ADMIN).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{page}");
}
