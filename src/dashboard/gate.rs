//! What every request meets first: whether it is for us, and who sends it; and what every answer is sent with.

use super::page::Refusal;
use super::session::Visitor;
use super::{Desk, show};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use std::sync::Arc;
use std::time::Duration;

/// Refuses other names and forms of other pages, and adds the headers that bind a browser.
pub(super) async fn guard(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut answer = if !desk.board.hosts.take(headers) {
        let why = "the dashboard is not answered under this name; add it to `admin.hosts` if it is yours, and start the gateway \
                   anew";
        Refusal::new(StatusCode::MISDIRECTED_REQUEST, "Not this name", why).into_response()
    } else if !reads && !desk.board.hosts.sent(headers) {
        let why = "this form was not sent from a page of the dashboard, or it stands behind a name that is not in `admin.hosts`; \
                   nothing was changed";
        Refusal::new(StatusCode::FORBIDDEN, "Not from here", why).into_response()
    } else {
        next.run(request).await
    };
    let headers = answer.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

/// Lets whoever is signed in through; all others get the page to sign in.
pub(super) async fn admit(State(desk): State<Arc<Desk>>, mut request: Request, next: Next) -> Response {
    let now_us = desk.board.api.clock.now_us();
    // A page that renews itself keeps nobody signed in.
    let acts = !request.headers().contains_key("x-renew");
    let id = cookie(request.headers(), &desk.cookies.session);
    let visitor = id.and_then(|id| desk.sessions.visitor(id, acts, now_us));
    // Who signed in with a token that holds no more is out: it may have been changed because others know it. People have
    // the role that the configuration gives them now.
    let now = |mut visitor: Visitor| {
        let age = Duration::from_micros(now_us.saturating_sub(visitor.begun_us));
        let facts = visitor.facts.as_deref();
        visitor.role = desk.board.api.tokens.role_now(visitor.role, &visitor.actor, facts, age)?;
        visitor.role.name().clone_into(&mut visitor.actor.role);
        Some(visitor)
    };
    let known = visitor.is_some();
    let visitor = visitor.and_then(now);
    if let (Some(id), true, None) = (id, known, &visitor) {
        desk.sessions.end(id);
    }
    match visitor {
        Some(visitor) => {
            request.extensions_mut().insert(visitor);
            next.run(request).await
        }
        None if acts && matches!(*request.method(), Method::GET | Method::HEAD) => {
            let back = request.uri().path_and_query().map_or("", |path| path.as_str());
            Redirect::to(&show::link("/dashboard/sign-in", &[("back", back)])).into_response()
        }
        None => {
            let why = "your session is over; nothing was changed. Sign in and do it again";
            Refusal::new(StatusCode::UNAUTHORIZED, "Signed out", why).into_response()
        }
    }
}

/// A cookie's value; `None` if it was not sent, or more than once.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(of, _)| *of == name).map(|(_, value)| value);
    found.next().filter(|_| found.next().is_none())
}

/// Nothing is loaded, sent or framed but by ourselves; no script or style stands in a page.
const ALWAYS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    // Nothing goes elsewhere; with `no-referrer` forms would come with `Origin: null`, as those of others may.
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_read_once_or_not_at_all() {
        let read = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, HeaderValue::from_str(line).expect("text"));
            }
            cookie(&headers, "id").map(str::to_owned)
        };
        assert_eq!(read(&["a=b; id=x; c"]).as_deref(), Some("x"));
        assert_eq!(read(&["a=b", "id=x"]).as_deref(), Some("x"));
        assert_eq!(read(&["id=x; id=y"]), None);
        assert_eq!(read(&["xid=x", "id"]), None);
    }
}
