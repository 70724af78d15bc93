//! Signing in at an issuer (OpenID Connect): to it, back from it, and out there too.
//!
//! What leads away is a link and no form: `form-action 'self'` holds for where a form is redirected to as well. The page
//! that a browser comes back to hands it on by itself, instead of redirecting it: only a request that our own page has the
//! browser make carries the session's cookie, which is `SameSite=Strict`.

use super::page::{Refusal, shell};
use super::session::Visitor;
use super::sign::safe;
use super::{Desk, gate, show};
use crate::{
    admin::Peer,
    admin::audit::{Actor, Person},
    auth::{Entered, Returned, SignIn, SignInError},
    config::{Oidc, is_local},
};
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// The way to the issuer, on the page to sign in.
pub(super) fn offer(sign_in: &SignIn, back: &str) -> Markup {
    let to = show::link("/dashboard/oidc/start", &[("back", back)]);
    html! {
        p { a class="button" href=(to) { "Sign in with " bdi { (host(&sign_in.config().issuer)) } } }
    }
}

/// An issuer's host, which people know it by.
fn host(issuer: &str) -> &str {
    issuer.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or(issuer)
}

/// What a sign-in is begun with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// Where to go then.
    back: String,
}

/// Sends a browser to the issuer.
pub(super) async fn start(
    State(desk): State<Arc<Desk>>,
    peer: Option<Extension<Peer>>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let (sign_in, _, now_us) = match entrance(&desk, peer) {
        Ok(open) => open,
        Err(answer) => return *answer,
    };
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let redirect = match &sign_in.config().redirect_url {
        Some(url) => url.to_string(),
        None => here(&headers),
    };
    match sign_in.begin(&redirect, &carried(&headers, &asked.back), now_us).await {
        Ok(begun) => {
            let mut answer = Redirect::to(&begun.location).into_response();
            // `Lax`: it comes along when the issuer sends the browser back.
            let secure = redirect.starts_with("https:");
            put(&mut answer, &desk.cookies.flow, &begun.cookie, "/dashboard/oidc", FLOW_SECONDS, ("Lax", secure));
            answer
        }
        Err(error) => refusal(&error),
    }
}

/// Where a sign-in leads that was begun with `back`: another page that begins one for somebody does not choose.
fn carried(headers: &HeaderMap, back: &str) -> String {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let own = site.is_none_or(|site| matches!(site, b"same-origin" | b"none"));
    safe(if own { back } else { "" })
}

/// Takes a browser that the issuer sent back.
pub(super) async fn callback(
    State(desk): State<Arc<Desk>>,
    peer: Option<Extension<Peer>>,
    returned: Result<Query<Returned>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let (sign_in, from, now_us) = match entrance(&desk, peer) {
        Ok(open) => open,
        Err(answer) => return *answer,
    };
    let (returned, flow) = (returned.map(|Query(returned)| returned), gate::cookie(&headers, &desk.cookies.flow));
    let entered = match (&returned, flow) {
        (Ok(returned), Some(flow)) => sign_in.finish(flow, returned, now_us).await,
        _ => Err(SignInError::Stray),
    };
    let mut answer = match &entered {
        Ok(entered) => enter(&desk, &headers, &sign_in, entered, now_us),
        Err(error) => {
            tracing::warn!(%from, %error, "nobody was signed in to the dashboard");
            let state = returned.as_ref().map_or("", |returned| &*returned.state);
            error.tried(state).inspect(|tried| desk.board.api.tries.note(from, tried.as_bytes(), now_us));
            refusal(error)
        }
    };
    if !matches!(entered, Err(SignInError::Stray)) {
        put(&mut answer, &desk.cookies.flow, "", "/dashboard/oidc", 0, ("Lax", false));
    }
    answer
}

/// Begins the session, and leads to where somebody wanted to go.
fn enter(desk: &Desk, headers: &HeaderMap, sign_in: &SignIn, entered: &Entered, now_us: u64) -> Response {
    let Entered { role, facts, back } = entered;
    let known = &facts.person;
    let person = Person { issuer: known.issuer.to_string(), sub: known.sub.clone(), name: known.name.clone() };
    let actor = Actor { role: role.name().to_owned(), token: String::new(), person: Some(person) };
    // A session that was there before ends: its id may be known to somebody else.
    gate::cookie(headers, &desk.cookies.session).inspect(|id| desk.sessions.end(id));
    let longest = sign_in.config().session;
    let longest_us = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
    let who = actor.shown();
    let Ok(id) = desk.sessions.begin((*role, actor), Some(facts.clone()), longest_us, now_us) else {
        return refusal(&SignInError::Random);
    };
    tracing::info!(who, issuer = &*known.issuer, "somebody signed in to the dashboard");
    let to = safe(back);
    let main = html! {
        main class="alone" id="main" {
            div class="card" {
                p class="brand" { "Weighbridge" }
                h1 { "Signed in" }
                p { a href=(to) { "To the dashboard" } }
            }
        }
    };
    let mut answer = shell("Signed in", &main).into_response();
    if let Ok(onward) = HeaderValue::from_str(&format!("0;url={to}")) {
        answer.headers_mut().insert(header::REFRESH, onward);
    }
    let secure = sign_in.config().redirect_url.as_deref().map_or_else(|| here(headers), str::to_owned);
    let how = ("Strict", secure.starts_with("https:"));
    put(&mut answer, &desk.cookies.session, &id, "/dashboard", longest.as_secs(), how);
    answer
}

/// What somebody sees whose session was ended.
pub(super) async fn signed_out(desk: &Desk, visitor: &Visitor) -> Response {
    let sign_in = desk.board.api.tokens.sign_in();
    let theirs = visitor.facts.as_ref().map(|facts| &*facts.person.issuer).unwrap_or_default();
    let sign_in = sign_in.filter(|sign_in| *sign_in.config().issuer == *theirs);
    let there = match &sign_in {
        Some(sign_in) => sign_in.end_session().await,
        None => None,
    };
    let main = html! {
        main class="alone" id="main" {
            div class="card" {
                p class="brand" { "Weighbridge" }
                h1 { "Signed out" }
                p { "Your session here is over. At " bdi { (host(theirs)) } " you may still be signed in." }
                @if let Some(there) = there {
                    p { a class="button" href=(there) rel="noreferrer" { "Sign out there too" } }
                }
                p { a href="/dashboard/sign-in" { "Sign in again" } }
            }
        }
    };
    shell("Signed out", &main).into_response()
}

/// Whoever may try: there is an issuer, and they did not fail too often.
fn entrance(desk: &Desk, peer: Option<Extension<Peer>>) -> Result<(Arc<SignIn>, IpAddr, u64), Box<Response>> {
    let from = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Extension(Peer(from))| from);
    let now_us = desk.board.api.clock.now_us();
    if let Some(wait) = desk.board.api.tries.wait(from, now_us) {
        let seconds = wait.as_secs() + 1;
        let why = format!("too many sign-ins from your address failed; try again in {seconds} seconds");
        let mut answer = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "Not now", why).into_response();
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        return Err(Box::new(answer));
    }
    let closed = || {
        let why = "there is no sign-in at an issuer here: `admin.oidc` is not set";
        Box::new(Refusal::new(StatusCode::NOT_FOUND, "No such page", why).into_response())
    };
    desk.board.api.tokens.sign_in().map(|sign_in| (sign_in, from, now_us)).ok_or_else(closed)
}

/// Where a browser that asked for this name comes back to. Issuers take names in clear on one's own machine only, and so
/// a proxy in front speaks TLS.
fn here(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.parse::<axum::http::uri::Authority>();
    let scheme = if name.is_ok_and(|name| is_local(name.host())) { "http" } else { "https" };
    format!("{scheme}://{host}{}", Oidc::CALLBACK)
}

fn refusal(error: &SignInError) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Refusal::new(status, "Not signed in", error.to_string()).into_response()
}

/// A cookie for the pages below `path`.
fn put(answer: &mut Response, name: &str, value: &str, path: &str, seconds: u64, (site, secure): (&str, bool)) {
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite={site}{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// How long a browser keeps what belongs to a sign-in under way.
const FLOW_SECONDS: u64 = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_page_does_not_choose_where_a_sign_in_leads() {
        let to = |site: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            site.map(|site| headers.insert("sec-fetch-site", HeaderValue::from_static(site)));
            carried(&headers, "/dashboard/keys")
        };
        for own in [None, Some("same-origin"), Some("none")] {
            assert_eq!(to(own), "/dashboard/keys", "{own:?}");
        }
        for foreign in ["cross-site", "same-site", ""] {
            assert_eq!(to(Some(foreign)), "/dashboard", "{foreign}");
        }
    }
}
