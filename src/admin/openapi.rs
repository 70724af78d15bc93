//! The OpenAPI document of the admin API: public facts only, served without a token.

use super::{Api, answer, audit, cache, guardrails, keys, reload, reports, requests, targets, teams, views};
use axum::response::{IntoResponse as _, Response};
use axum::{Router, http::header, routing::get};
use std::sync::{Arc, OnceLock};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(title = "Weighbridge admin API", license(name = "Apache-2.0", identifier = "Apache-2.0")),
    servers((url = "/admin/v1")),
    paths(
        keys::list, keys::create, keys::show, keys::update, keys::revoke, keys::rotate,
        teams::list, teams::create, teams::show, teams::update, teams::remove,
        reports::usage, reports::rows, reports::acts, requests::search, requests::tail, requests::show,
        views::status, views::health, views::limits, views::budgets, views::prices, views::models,
        views::explain, targets::list, targets::shut, targets::open, cache::show, cache::purge, guardrails::report, guardrails::test,
        reload::status, reload::reload,
    ),
    components(schemas(answer::ErrorBody, answer::ErrorDetail, audit::Line, audit::Actor, audit::Person)),
    tags(
        (name = "keys", description = "Virtual keys that are made, changed and ended while the gateway runs"),
        (name = "teams", description = "Who pays"),
        (name = "reports", description = "What was spent and what was done"),
        (name = "requests", description = "What became of each request"),
        (name = "state", description = "How the gateway is and what it is run with"),
    ),
    security(("token" = [])),
    modifiers(&Token),
)]
struct Document;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        if let Some(components) = &mut document.components {
            components.add_security_scheme("token", SecurityScheme::Http(bearer));
        }
    }
}

/// The document as JSON.
pub fn document() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| Document::openapi().to_pretty_json().expect("names and JSON always serialize"))
}

pub(super) fn router() -> Router<Arc<Api>> {
    Router::new().route("/openapi.json", get(serve))
}

async fn serve() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document()).into_response()
}

#[cfg(test)]
mod tests {
    use super::document;

    #[test]
    fn every_route_is_in_the_document() {
        let text: serde_json::Value = serde_json::from_str(document()).expect("JSON");
        let paths = text["paths"].as_object().expect("paths");
        for path in [
            "/keys",
            "/keys/{name}",
            "/keys/{name}/rotate",
            "/teams",
            "/teams/{name}",
            "/usage",
            "/ledger/export",
            "/reload",
        ] {
            assert!(paths.contains_key(path), "{path}");
        }
        assert_eq!(paths.len(), 25, "{:?}", paths.keys().collect::<Vec<_>>());
        assert_eq!(text["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    }
}
