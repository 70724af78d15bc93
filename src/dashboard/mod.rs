//! The dashboard: pages on the admin listener, below `/dashboard`, for people.
//!
//! It owns how things are shown and changed by a browser: sessions, forms, pages, their style and script. Figures come
//! from the same functions that the admin API answers from, changes go through [`Api::act`] and so into the audit log.
//! It never answers a name that is not its own, never shows anything but the sign-in page to whoever is not signed in,
//! and loads nothing from elsewhere. All text reaches a page by `maud`, which escapes it; pages work without script.

mod show;
mod span;
mod hosts;
mod session;
mod assets;
mod gate;
mod sign;
mod oidc;
mod page;
mod form;
mod table;
mod chart;
mod figures;
mod overview;
mod teams;
mod team;
mod keys;
mod edit;
mod models;
mod guards;
mod requests;
mod request;
mod settings;
#[cfg(test)]
mod tests;

pub use hosts::Hosts;

use crate::{admin::Api, config::Oidc};
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use std::sync::Arc;

/// What the dashboard works with.
pub struct Board {
    /// Keys, teams, reports and views.
    pub api: Arc<Api>,
    /// Under which names it is answered.
    pub hosts: Hosts,
    /// The port of the admin listener. It stands in the names of cookies, which browsers give to all ports of a name: so two
    /// gateways on one name do not sign each other out.
    pub port: u16,
    /// What the configuration resolves to, without secrets.
    pub settings: Box<dyn Fn() -> String + Send + Sync>,
}

/// What the handlers share.
struct Desk {
    board: Board,
    sessions: session::Sessions,
    cookies: sign::Cookies,
}

/// The pages, below `/dashboard`; `/` leads browsers there.
pub fn router(board: Board) -> Router {
    let cookies = sign::Cookies::of(board.port);
    let desk = Arc::new(Desk { board, sessions: session::Sessions::default(), cookies });
    let pages = Router::new()
        .route("/dashboard", get(page::at(overview::draw)))
        .route("/dashboard/teams", get(page::at(teams::draw)))
        .route("/dashboard/team", get(page::at(team::draw)))
        .route("/dashboard/team/new", get(page::at(edit::new_team)).post(form::at(edit::create_team)))
        .route("/dashboard/team/edit", get(page::at(edit::team)).post(form::at(edit::update_team)))
        .route("/dashboard/team/delete", get(page::at(edit::ask_delete)).post(form::at(edit::delete_team)))
        .route("/dashboard/keys", get(page::at(keys::draw)))
        .route("/dashboard/key", get(page::at(keys::one)))
        .route("/dashboard/key/new", get(page::at(edit::new_key)).post(form::at(edit::create_key)))
        .route("/dashboard/key/edit", get(page::at(edit::key)).post(form::at(edit::update_key)))
        .route("/dashboard/key/rotate", get(page::at(edit::ask_rotate)).post(form::at(edit::rotate_key)))
        .route("/dashboard/key/revoke", get(page::at(edit::ask_revoke)).post(form::at(edit::revoke_key)))
        .route("/dashboard/models", get(page::at(models::draw)))
        .route("/dashboard/guardrails", get(page::at(guards::draw)))
        .route("/dashboard/requests", get(page::at(requests::draw)))
        .route("/dashboard/request", get(page::at(request::draw)))
        .route("/dashboard/settings", get(page::at(settings::draw)))
        .route("/dashboard/sign-out", post(sign::sign_out))
        .route("/dashboard/{*rest}", get(page::at(page::missing)))
        .layer(from_fn_with_state(Arc::clone(&desk), gate::admit));
    let open = Router::new()
        .route("/", get(sign::home))
        .route("/dashboard/sign-in", get(sign::ask).post(sign::sign_in))
        .route("/dashboard/oidc/start", get(oidc::start))
        .route(Oidc::CALLBACK, get(oidc::callback))
        .route("/dashboard/assets/{name}", get(assets::serve));
    pages.merge(open).layer(from_fn_with_state(Arc::clone(&desk), gate::guard)).with_state(desk)
}
