//! A page: what it is asked with, its frame, and what is answered instead of it.

use super::assets::{ICON, SCRIPT, STYLE};
use super::session::Visitor;
use super::table::Table;
use super::{Desk, show};
use crate::{
    auth::KeysError,
    ledger::{LedgerError, within},
};
use axum::Extension;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// A page's title and what stands in its frame.
pub(super) struct Drawn {
    /// For the tab and the heading.
    pub title: String,
    /// Below the heading.
    pub main: Markup,
}

/// Who asks for a page and with which parameters; and the table that they want as a file.
pub(super) struct Canvas {
    /// Who.
    pub visitor: Visitor,
    path: String,
    query: Vec<(String, String)>,
    file: RefCell<Option<(&'static str, Vec<u8>)>>,
}

impl<S: Send + Sync> FromRequestParts<S> for Canvas {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let visitor = Extension::<Visitor>::from_request_parts(parts, state).await.map_err(|_| signed_out())?;
        let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map_err(|_| {
            Refusal::new(StatusCode::BAD_REQUEST, "Unreadable", "the parameters of this address cannot be read")
        })?;
        let (path, Extension(visitor), Query(query)) = (parts.uri.path().to_owned(), visitor, query);
        Ok(Self { visitor, path, query, file: RefCell::new(None) })
    }
}

fn signed_out() -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, "Signed out", "sign in first")
}

impl Canvas {
    /// A parameter of the address; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.query.iter().find(|(of, _)| of == name).map_or("", |(_, value)| value)
    }

    /// This page's address with some parameters set otherwise; what is set to nothing is left out.
    pub fn here(&self, set: &[(&str, &str)]) -> String {
        let kept = self.query.iter().filter(|(name, _)| !set.iter().any(|(of, _)| of == name) && name != "csv");
        let all: Vec<(&str, &str)> = kept.map(|(name, value)| (&**name, &**value)).chain(set.iter().copied()).collect();
        show::link(&self.path, &all)
    }

    /// A table, which becomes the answer where it was asked for as a file.
    pub fn table(&self, table: &Table) -> Markup {
        if self.get("csv") == table.id {
            let csv = table.csv().inspect_err(|error| tracing::error!(%error, "a table cannot be exported"));
            *self.file.borrow_mut() = csv.ok().map(|csv| (table.id, csv));
        }
        table.html(&self.here(&[("csv", table.id)]))
    }

    /// A form that is sent to `action` and belongs to this visitor.
    pub fn form(&self, action: &str, inner: &Markup) -> Markup {
        html! {
            form method="post" action=(action) autocomplete="off" {
                input type="hidden" name="csrf" value=(self.visitor.csrf);
                (inner)
            }
        }
    }

    /// The whole page.
    pub fn page(&self, drawn: &Drawn) -> Html<String> {
        let here = |path: &str, more: &[&str]| self.path == path || more.contains(&&*self.path);
        let inner = html! {
            a class="skip" href="#main" { "Skip to the content" }
            header class="bar" {
                a class="brand" href="/dashboard" { "Weighbridge" }
                nav aria-label="Pages" { ul { @for (path, name, more) in PAGES {
                    li { a href=(path) aria-current=[here(path, more).then_some("page")] { (name) } }
                } } }
                div class="who" {
                    @if let Some(name) = self.visitor.name() { span class="hint" { bdi { (name) } } " " }
                    span class="badge plain" title="What you may do" { (self.visitor.role.name()) }
                    (self.form("/dashboard/sign-out", &html! { button class="quiet" type="submit" { "Sign out" } }))
                }
            }
            main id="main" tabindex="-1" {
                h1 { bdi { (drawn.title) } }
                (drawn.main)
            }
        };
        shell(&drawn.title, &inner)
    }

    fn answer(&self, drawn: &Drawn) -> Response {
        match self.file.borrow_mut().take() {
            None if self.get("csv").is_empty() => self.page(drawn).into_response(),
            None => Refusal::new(StatusCode::NOT_FOUND, "No such table", "this page has no such table").into_response(),
            Some((id, csv)) => {
                let name = format!("attachment; filename=\"weighbridge-{id}.csv\"");
                let kind = "text/csv; charset=utf-8; header=present".to_owned();
                ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], csv).into_response()
            }
        }
    }
}

/// What every page has around it.
pub(super) fn shell(title: &str, inner: &Markup) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (title) " · Weighbridge" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                link rel="icon" href=(ICON.path) type="image/svg+xml";
                link rel="stylesheet" href=(STYLE.path);
                script src=(SCRIPT.path) defer {}
            }
            body { (inner) }
        }
    };
    Html(page.into_string())
}

type Draw = fn(&Desk, &Canvas) -> Result<Drawn, Refusal>;
type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A handler of a page.
pub(super) fn at(draw: Draw) -> impl Fn(State<Arc<Desk>>, Canvas) -> Answering + Clone + Send + Sync + 'static {
    move |State(desk), canvas| {
        Box::pin(run(canvas, move |canvas| draw(&desk, canvas).map(|drawn| canvas.answer(&drawn))))
    }
}

/// So many pages are drawn at once; each may read much.
static DRAWN: Semaphore = Semaphore::const_new(4);
/// A page that reads for longer is given up.
const MOST_TIME: Duration = Duration::from_secs(15);
/// Longest wait for one of these places.
const PATIENCE: Duration = Duration::from_secs(10);

/// Does what reads or writes disks on a thread that may block.
pub(super) async fn run(
    canvas: Canvas,
    work: impl FnOnce(&Canvas) -> Result<Response, Refusal> + Send + 'static,
) -> Response {
    let Ok(Ok(place)) = timeout(PATIENCE, DRAWN.acquire()).await else {
        let why = "other pages are being drawn, which takes long; try again, or look at less time";
        return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Busy", why).into_response();
    };
    let done = tokio::task::spawn_blocking(move || {
        // Also when the browser has given up: what is still being read is one of the few.
        let _place = place;
        within(MOST_TIME, || work(&canvas)).unwrap_or_else(IntoResponse::into_response)
    });
    done.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a page failed");
        let why = "the page failed; the gateway's log has the reason";
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "Failed", why).into_response()
    })
}

/// Below `/dashboard` there is no such page.
pub(super) fn missing(_desk: &Desk, _canvas: &Canvas) -> Result<Drawn, Refusal> {
    Err(Refusal::new(StatusCode::NOT_FOUND, "No such page", "there is no such page"))
}

/// What is answered instead of a page.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    title: &'static str,
    why: String,
}

impl Refusal {
    /// With a sentence that says what to do.
    pub fn new(status: StatusCode, title: &'static str, why: impl Into<String>) -> Self {
        Self { status, title, why: why.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let main = html! {
            main class="alone" id="main" {
                div class="card" {
                    p class="brand" { "Weighbridge" }
                    h1 { (self.title) }
                    p role="alert" { bdi { (self.why) } "." }
                    p { a href="/dashboard" { "To the dashboard" } }
                }
            }
        };
        (self.status, shell(self.title, &main)).into_response()
    }
}

impl From<LedgerError> for Refusal {
    fn from(error: LedgerError) -> Self {
        if let LedgerError::Argument(why) = error {
            return Self::new(StatusCode::BAD_REQUEST, "Unreadable", why);
        }
        if matches!(error, LedgerError::TooLong) {
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, "Too much", error.to_string());
        }
        tracing::error!(%error, "a page cannot read the ledger");
        let why = "the ledger cannot be read; the gateway's log has the reason";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "No ledger", why)
    }
}

impl From<KeysError> for Refusal {
    fn from(error: KeysError) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let title = match status {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::SERVICE_UNAVAILABLE => "Not now",
            _ => "Refused",
        };
        Self::new(status, title, error.to_string())
    }
}

/// The pages of the navigation, and the paths that belong to them.
const PAGES: [(&str, &str, &[&str]); 7] = [
    ("/dashboard", "Overview", &[]),
    (
        "/dashboard/teams",
        "Teams",
        &["/dashboard/team", "/dashboard/team/new", "/dashboard/team/edit", "/dashboard/team/delete"],
    ),
    (
        "/dashboard/keys",
        "Keys",
        &[
            "/dashboard/key",
            "/dashboard/key/new",
            "/dashboard/key/edit",
            "/dashboard/key/rotate",
            "/dashboard/key/revoke",
        ],
    ),
    ("/dashboard/models", "Models", &[]),
    ("/dashboard/guardrails", "Guardrails", &[]),
    ("/dashboard/requests", "Requests", &["/dashboard/request"]),
    ("/dashboard/settings", "Settings", &[]),
];
