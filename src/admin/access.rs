//! Who may use the admin API: bearer tokens and their roles.

use super::answer::ApiError;
use super::audit::Actor;
use super::{Api, Peer};
use crate::{
    auth::{Facts, SignIn},
    config::{Admin, Role, Secret},
};
use arc_swap::{ArcSwap, ArcSwapOption};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest, Sha256};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Who gets in by the configuration that holds: the tokens, as their hashes, and the issuer that vouches for people.
#[derive(Default)]
pub struct Tokens {
    hashes: ArcSwap<Hashes>,
    sign_in: ArcSwapOption<SignIn>,
}

#[derive(Default)]
struct Hashes {
    admin: Option<[u8; 32]>,
    viewer: Option<[u8; 32]>,
}

impl Tokens {
    /// Those of the file.
    pub fn of(admin: &Admin) -> Self {
        let sign_in = admin.oidc.clone().map(|oidc| Arc::new(SignIn::new(oidc)));
        Self { hashes: ArcSwap::from_pointee(Hashes::of(admin)), sign_in: ArcSwapOption::new(sign_in) }
    }

    /// From now on those of `admin` are asked for. Sign-ins under way go on where nothing of the issuer changed.
    pub fn set(&self, admin: &Admin) {
        self.hashes.store(Arc::new(Hashes::of(admin)));
        let before = self.sign_in.load_full();
        if before.as_deref().map(SignIn::config) != admin.oidc.as_ref() {
            self.sign_in.store(admin.oidc.clone().map(|oidc| Arc::new(SignIn::new(oidc))));
        }
    }

    /// Sign-in to the dashboard at an issuer, if there is one.
    pub fn sign_in(&self) -> Option<Arc<SignIn>> {
        self.sign_in.load_full()
    }

    /// Whether the dashboard takes tokens.
    pub fn open_dashboard(&self) -> bool {
        let taken = self.sign_in.load().as_ref().is_none_or(|sign_in| sign_in.config().token_sign_in);
        taken && !self.hashes.load().is_empty()
    }

    /// Who presents this token, and what it allows; `None`: it is none of ours.
    pub fn whose(&self, token: &[u8]) -> Option<(Role, Actor)> {
        self.hashes.load().whose(token)
    }

    /// What somebody on the dashboard may do now: who signed in with a token while it is theirs, and people as far as the
    /// configuration gives them a role, `age` after they signed in. `None`: they are out.
    pub fn role_now(&self, role: Role, actor: &Actor, facts: Option<&Facts>, age: Duration) -> Option<Role> {
        match facts {
            Some(facts) => self.sign_in.load().as_ref()?.role(facts, age),
            None => (self.open_dashboard() && self.holds(role, &actor.token)).then_some(role),
        }
    }

    /// Whether the token of `role` still is the one that acts are recorded under as `token`.
    fn holds(&self, role: Role, token: &str) -> bool {
        let hashes = self.hashes.load();
        let hash = match role {
            Role::Admin => hashes.admin,
            Role::Viewer => hashes.viewer,
        };
        hash.is_some_and(|hash| hex::encode(&hash[..6]) == token)
    }

    fn actor(&self, headers: &HeaderMap) -> Result<(Role, Actor), ApiError> {
        self.hashes.load().actor(headers)
    }
}

impl Hashes {
    fn of(admin: &Admin) -> Self {
        let hash = |token: &Secret| Sha256::digest(token.expose().as_bytes()).into();
        Self { admin: admin.token.as_ref().map(hash), viewer: admin.viewer_token.as_ref().map(hash) }
    }

    /// The role of a presented token. Both are always compared, and by their hashes: time tells nothing.
    fn role(&self, presented: &[u8; 32]) -> Option<Role> {
        let same = |hash: &Option<[u8; 32]>| hash.is_some_and(|hash| bool::from(hash.ct_eq(presented)));
        let (admin, viewer) = (same(&self.admin), same(&self.viewer));
        if admin {
            Some(Role::Admin)
        } else if viewer {
            Some(Role::Viewer)
        } else {
            None
        }
    }

    const fn is_empty(&self) -> bool {
        self.admin.is_none() && self.viewer.is_none()
    }

    fn whose(&self, token: &[u8]) -> Option<(Role, Actor)> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let role = self.role(&hash)?;
        let begin = hash.first_chunk::<6>().expect("a hash has 32 bytes");
        Some((role, Actor { role: role.name().to_owned(), token: hex::encode(begin), person: None }))
    }

    fn actor(&self, headers: &HeaderMap) -> Result<(Role, Actor), ApiError> {
        if self.is_empty() {
            let message = "the admin API is closed: set `admin.token` in the configuration, and reload it (SIGHUP)";
            return Err(ApiError::new(StatusCode::UNAUTHORIZED, "no_admin_token", message));
        }
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            let message = "send the admin token as `Authorization: Bearer TOKEN`, once";
            return Err(ApiError::new(StatusCode::UNAUTHORIZED, "missing_token", message));
        };
        let wrong = || {
            let message = "the token is none of `admin.token` and `admin.viewer_token`; an api key is not one";
            ApiError::new(StatusCode::UNAUTHORIZED, "invalid_token", message)
        };
        let (scheme, token) = value.as_bytes().split_at_checked(b"bearer ".len()).ok_or_else(wrong)?;
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return Err(wrong());
        }
        self.whose(token.trim_ascii()).ok_or_else(wrong)
    }
}

/// Lets a request through that has a token, and puts the actor into it. A viewer may only look.
pub(super) async fn admit(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let from = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(from)| *from);
    let now_us = api.clock.now_us();
    if let Some(wait) = api.tries.wait(from, now_us) {
        return slowed(wait);
    }
    match api.tokens.actor(request.headers()) {
        Err(error) => {
            if error.code == WRONG {
                let token = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
                api.tries.note(from, token, now_us);
                tracing::warn!(%from, "a wrong token at the admin API");
            }
            error.into_response()
        }
        Ok((role, actor)) => {
            let looks = matches!(*request.method(), Method::GET | Method::HEAD) || request.uri().path() == EXPLAIN;
            if role == Role::Viewer && !looks {
                let message = "the viewer's token may only read; this takes `admin.token`";
                return ApiError::new(StatusCode::FORBIDDEN, "viewer_may_only_read", message).into_response();
            }
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
    }
}

/// Whoever tried many wrong tokens waits, whatever comes next: else right and wrong could still be told apart.
fn slowed(wait: Duration) -> Response {
    let seconds = wait.as_secs() + 1;
    let message = format!("too many different wrong tokens came from your address; try again in {seconds} seconds");
    let mut answer = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_wrong_tokens", message).into_response();
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

/// The code of a wrong token.
const WRONG: &str = "invalid_token";

/// Asked by POST, because it has a body, and changes nothing. The path is the one below `/admin/v1`.
const EXPLAIN: &str = "/explain";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_has_its_role_and_nothing_else_has_one() {
        let admin = Secret::new("an-admin-token-of-the-tests");
        let viewer = Secret::new("a-viewer-token-of-the-tests");
        let tokens = Tokens::of(&Admin { token: Some(admin), viewer_token: Some(viewer), ..Admin::default() });
        let code = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_str(value).expect("text"));
            tokens.actor(&headers).map(|(role, _)| role.name()).map_err(|error| error.code)
        };
        assert_eq!(code("Bearer an-admin-token-of-the-tests"), Ok("admin"));
        assert_eq!(code("bearer  a-viewer-token-of-the-tests"), Ok("viewer"));
        for wrong in ["Bearer an-admin-token-of-the-test", "Basic an-admin-token-of-the-tests", "Bearer", "Bearer "] {
            assert_eq!(code(wrong), Err("invalid_token"), "{wrong}");
        }
        assert_eq!(tokens.actor(&HeaderMap::new()).map_err(|error| error.code).err(), Some("missing_token"));
        let none = Tokens::default().actor(&HeaderMap::new()).expect_err("closed");
        assert_eq!(none.code, "no_admin_token");
    }
}
