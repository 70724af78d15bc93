//! Signing in with one of the two tokens of the configuration, and out. At an issuer: `oidc`.

use super::Desk;
use super::form::{self, Fields};
use super::gate::cookie;
use super::page::{Refusal, shell};
use super::session::{LONGEST_US, Visitor, random};
use crate::admin::Peer;
use axum::Extension;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// The names of cookies.
pub(super) struct Cookies {
    /// Holds a session's id.
    pub session: String,
    /// A sign-in form belongs to it.
    form: String,
    /// A sign-in at the issuer that is under way.
    pub flow: String,
}

impl Cookies {
    /// Of the gateway whose admin listener has this port.
    pub fn of(port: u16) -> Self {
        let name = |of: &str| format!("weighbridge_{of}_{port}");
        Self { session: name("session"), form: name("form"), flow: name("oidc") }
    }
}

/// What the page is asked with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// Where to go then.
    back: String,
}

/// `/`: browsers go to the dashboard, programs are told what there is.
pub(super) async fn home(headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        return Redirect::to("/dashboard").into_response();
    }
    let message =
        "there is no such page; there are `/dashboard`, `/metrics`, `/healthz`, `/readyz` and `/admin/v1/openapi.json`";
    let body = serde_json::json!({ "error": { "message": message, "code": "not_found" } });
    (StatusCode::NOT_FOUND, axum::Json(body)).into_response()
}

/// The page to sign in.
pub(super) async fn ask(State(desk): State<Arc<Desk>>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    form(&desk, &headers, StatusCode::OK, &asked.back, None)
}

fn form(desk: &Desk, headers: &HeaderMap, status: StatusCode, back: &str, problem: Option<&str>) -> Response {
    let (tokens, issuer) = (desk.board.api.tokens.open_dashboard(), desk.board.api.tokens.sign_in());
    let Ok(token) = random() else {
        let why = "the operating system gives no randomness";
        return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Not now", why).into_response();
    };
    let main = html! {
        main class="alone" id="main" {
            div class="card" {
                p class="brand" { "Weighbridge" }
                h1 { "Sign in" }
                @if let Some(problem) = problem { p class="problem" role="alert" { (problem) } }
                @if let Some(sign_in) = &issuer { (super::oidc::offer(sign_in, back)) }
                @if !tokens && issuer.is_none() {
                    p { "The dashboard is closed: set " code { "admin.token" } " in the configuration, and reload it." }
                }
                @if tokens {
                    form method="post" action="/dashboard/sign-in" {
                        input type="hidden" name="csrf" value=(token);
                        input type="hidden" name="back" value=(back);
                        label for="token" { "Admin or viewer token" }
                        input id="token" name="token" type="password" autocomplete="current-password" required
                            autofocus[issuer.is_none()] maxlength="512" aria-describedby="which";
                        p id="which" class="hint" {
                            code { "admin.token" } " may do everything; " code { "admin.viewer_token" }
                            " may look. API keys do not work here."
                        }
                        button type="submit" { "Sign in" }
                    }
                }
            }
        }
    };
    let mut answer = (status, shell("Sign in", &main)).into_response();
    set(&mut answer, headers, &desk.cookies.form, &token, 3_600);
    answer
}

/// Takes a token for a session.
pub(super) async fn sign_in(
    State(desk): State<Arc<Desk>>,
    peer: Option<Extension<Peer>>,
    request: Request,
) -> Response {
    let headers = request.headers().clone();
    let fields = match Fields::read(request).await {
        Ok(fields) => fields,
        Err(refusal) => return refusal.into_response(),
    };
    let back = fields.get("back");
    let refuse = |status, why: &str| form(&desk, &headers, status, back, Some(why));
    // What another page had a browser send comes without this cookie.
    let made = cookie(&headers, &desk.cookies.form).unwrap_or_default();
    if made.is_empty() || !bool::from(made.as_bytes().ct_eq(fields.get("csrf").as_bytes())) {
        return refuse(StatusCode::FORBIDDEN, "This form was too old, or cookies are switched off; try again.");
    }
    let from = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Extension(Peer(from))| from);
    let now_us = desk.board.api.clock.now_us();
    if let Some(wait) = desk.board.api.tries.wait(from, now_us) {
        let seconds = wait.as_secs() + 1;
        let why = format!("Too many wrong tokens from your address; try again in {seconds} seconds.");
        let mut answer = refuse(StatusCode::TOO_MANY_REQUESTS, &why);
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        return answer;
    }
    if !desk.board.api.tokens.open_dashboard() {
        return refuse(StatusCode::FORBIDDEN, "The dashboard takes no tokens.");
    }
    let token = fields.get("token").trim().as_bytes();
    let Some(who) = desk.board.api.tokens.whose(token) else {
        desk.board.api.tries.note(from, token, now_us);
        tracing::warn!(%from, "a wrong token at the dashboard's sign-in");
        tokio::time::sleep(SLOWED).await;
        let why = "That is neither admin.token nor admin.viewer_token.";
        return refuse(StatusCode::UNAUTHORIZED, why);
    };
    // A session that was there before ends: its id may be known to somebody else.
    cookie(&headers, &desk.cookies.session).inspect(|id| desk.sessions.end(id));
    match desk.sessions.begin(who, None, LONGEST_US, now_us) {
        Ok(id) => {
            let mut answer = Redirect::to(&safe(back)).into_response();
            set(&mut answer, &headers, &desk.cookies.session, &id, LONGEST_US / 1_000_000);
            set(&mut answer, &headers, &desk.cookies.form, "", 0);
            answer
        }
        Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "The operating system gives no randomness."),
    }
}

/// Ends the session.
pub(super) async fn sign_out(
    State(desk): State<Arc<Desk>>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> Response {
    let headers = request.headers().clone();
    let fields = match Fields::read(request).await {
        Ok(fields) => fields,
        Err(refusal) => return refusal.into_response(),
    };
    if let Err(refusal) = form::made_for(&visitor, &fields) {
        return refusal.into_response();
    }
    cookie(&headers, &desk.cookies.session).inspect(|id| desk.sessions.end(id));
    let mut answer = match &visitor.facts {
        Some(_) => super::oidc::signed_out(&desk, &visitor).await,
        None => Redirect::to("/dashboard/sign-in").into_response(),
    };
    set(&mut answer, &headers, &desk.cookies.session, "", 0);
    answer
}

/// A page of ours, whatever was asked for, and without the texts of requests: these are read by choice.
pub(super) fn safe(back: &str) -> String {
    let ours = back == "/dashboard" || back.starts_with("/dashboard/") || back.starts_with("/dashboard?");
    if !ours || !back.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return "/dashboard".to_owned();
    }
    let Some((path, query)) = back.split_once('?') else { return back.to_owned() };
    // Our pages write no name in another way; so none is `content` in disguise.
    let stays = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        name != "content" && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    };
    let query: Vec<&str> = query.split('&').filter(stays).collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

/// `Secure` where the browser says that it speaks TLS, to us or to what stands before us.
fn set(answer: &mut Response, headers: &HeaderMap, name: &str, value: &str, seconds: u64) {
    let origin = headers.get(header::ORIGIN).map(|origin| origin.as_bytes());
    let secure = if origin.is_some_and(|origin| origin.starts_with(b"https://")) { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/dashboard; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// A wrong token is answered this much later.
const SLOWED: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_nowhere_else() {
        for ours in ["/dashboard", "/dashboard/keys?team=a%2Fb", "/dashboard?since=7d"] {
            assert_eq!(safe(ours), ours);
        }
        for other in [
            "",
            "//evil.example",
            "https://evil.example/dashboard",
            "/dashboardx",
            "/dashboard/\\x",
            "/dashboard/\r\nx",
        ] {
            assert_eq!(safe(other), "/dashboard", "{other:?}");
        }
        for (back, without) in [
            ("/dashboard/request/1?content=1", "/dashboard/request/1"),
            (
                "/dashboard/request/1?since=7d&content=1&team=a%26content",
                "/dashboard/request/1?since=7d&team=a%26content",
            ),
            ("/dashboard/request/1?%63ontent=1&since=7d", "/dashboard/request/1?since=7d"),
        ] {
            assert_eq!(safe(back), without, "{back}");
        }
    }
}
