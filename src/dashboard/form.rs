//! Forms that change something: read, and taken only from an administrator and from a page that was made for them.

use super::Desk;
use super::page::{Canvas, Drawn, Refusal, run};
use super::session::Visitor;
use crate::auth::KeysError;
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// What a form was made from: it changes with everything that is shown.
pub(super) fn version(view: &impl Serialize) -> String {
    let mut shown = serde_json::to_value(view).unwrap_or_default();
    if let Some(members) = shown.as_object_mut() {
        // What others do beside it is no change of it.
        members.retain(|name, _| !matches!(&**name, "keys" | "problem"));
    }
    let text = shown.to_string();
    hex::encode(Sha256::digest(text)).chars().take(32).collect()
}

/// Refuses where the form was made from another version.
pub(super) fn same(what: &'static str, name: &str, view: &impl Serialize, fields: &Fields) -> Result<(), KeysError> {
    if version(view) == fields.get("version") {
        return Ok(());
    }
    Err(KeysError::Stale { what, name: name.to_owned() })
}

/// The fields of a form, in their order.
#[derive(Debug)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads a body of at most 64 KiB.
    ///
    /// # Errors
    ///
    /// When it is longer, or no form.
    pub async fn read(request: Request) -> Result<Self, Refusal> {
        let kind = request.headers().get(header::CONTENT_TYPE).map(|kind| kind.as_bytes()).unwrap_or_default();
        if !kind.starts_with(b"application/x-www-form-urlencoded") {
            let why = "only forms are taken here";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "No form", why));
        }
        let body = axum::body::to_bytes(request.into_body(), MOST_BYTES).await;
        let body = body.map_err(|_| Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "Too long", "the form is too long"))?;
        let bytes = Request::post("/").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let again = bytes.body(axum::body::Body::from(body)).map_err(|_| unreadable())?;
        let read = <axum::Form<Vec<(String, String)>> as axum::extract::FromRequest<()>>::from_request(again, &());
        read.await.map(|axum::Form(fields)| Self(fields)).map_err(|_| unreadable())
    }

    /// A field's value; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(of, _)| of == name).map_or("", |(_, value)| value)
    }
}

fn unreadable() -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "Unreadable", "the form cannot be read")
}

/// Whether a form was made for this visitor.
///
/// # Errors
///
/// When it was not: nothing is to be changed.
pub(super) fn made_for(visitor: &Visitor, fields: &Fields) -> Result<(), Refusal> {
    if visitor.made(fields.get("csrf")) {
        return Ok(());
    }
    let why = "this form was not made for your session; nothing was changed. Go back, load the page anew and try again";
    Err(Refusal::new(StatusCode::FORBIDDEN, "Not your form", why))
}

/// What a form leads to.
pub(super) enum Done {
    /// Another page.
    Go(String),
    /// A page that stands in the answer: what is shown once, and what was wrong.
    Show(StatusCode, Drawn),
}

type Work = fn(&Desk, &Canvas, &Fields) -> Result<Done, Refusal>;
type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A handler of a form.
pub(super) fn at(
    work: Work,
) -> impl Fn(State<Arc<Desk>>, Extension<Visitor>, Canvas, Request) -> Answering + Clone + Send + Sync + 'static {
    move |State(desk), Extension(visitor), canvas, request| {
        Box::pin(async move {
            let checked = async {
                let fields = Fields::read(request).await?;
                made_for(&visitor, &fields)?;
                if !visitor.is_admin() {
                    let why = "you are signed in as a viewer, who may only look";
                    return Err(Refusal::new(StatusCode::FORBIDDEN, "Only to look", why));
                }
                Ok(fields)
            };
            match checked.await {
                Ok(fields) => {
                    run(canvas, move |canvas| {
                        work(&desk, canvas, &fields).map(|done| match done {
                            Done::Go(to) => axum::response::Redirect::to(&to).into_response(),
                            Done::Show(status, drawn) => (status, canvas.page(&drawn)).into_response(),
                        })
                    })
                    .await
                }
                Err(refusal) => refusal.into_response(),
            }
        })
    }
}

/// A longer form is refused.
const MOST_BYTES: usize = 64 * 1024;
