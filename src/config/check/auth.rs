//! Callers that no key of the file names.

use super::Checker;
use crate::config::{
    Auth, Jwt, JwtAlgorithm, JwtClaims, JwtKeys, Team,
    file::{AuthFile, JwtFile},
    is_private,
    quantity::Time,
    tree::join,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

impl Checker<'_> {
    pub(super) fn auth(&mut self, file: AuthFile, teams: &BTreeMap<Arc<str>, Team>) -> Auth {
        let jwt = file.jwt.and_then(|jwt| self.jwt(jwt, teams));
        Auth { on_revoke: file.on_revoke, jwt }
    }

    fn jwt(&mut self, file: JwtFile, teams: &BTreeMap<Arc<str>, Team>) -> Option<Jwt> {
        for (name, text) in [("issuer", &file.issuer), ("audience", &file.audience)] {
            if text.is_empty() {
                self.flag(&join("auth.jwt", name), "is empty");
            }
        }
        let keys = self.jwks(&file);
        let refresh = match keys {
            Some(JwtKeys::File(_)) => Duration::from_secs(2),
            _ => Duration::from_secs(300),
        };
        let refresh = self.time("auth.jwt.refresh", file.refresh, refresh);
        let algorithms = self.algorithms("auth.jwt.algorithms", file.algorithms.clone());
        for (value, team) in &file.teams {
            // A team that is made at run time may come later: a name that is near one of the file is a slip.
            let path = join("auth.jwt.teams", value);
            self.named(&path, team);
            let near = crate::config::nearest(team, teams.keys().map(|name| &**name));
            if let Some(near) = near.filter(|_| !teams.contains_key(&**team)) {
                let shown = self.shown(&path, team);
                self.flag(&path, format!("there is no team {shown}; did you mean `{near}`?"));
            }
        }
        let claim = |written: Option<String>, default: &str| Arc::from(written.as_deref().unwrap_or(default));
        let claims = JwtClaims {
            team: claim(file.claims.team, "team"),
            user: claim(file.claims.user, "sub"),
            models: claim(file.claims.models, "models"),
        };
        Some(Jwt {
            issuer: file.issuer.into(),
            audience: file.audience.into(),
            keys: keys?,
            refresh,
            algorithms,
            claims,
            teams: file.teams.into_iter().map(|(value, team)| (value.into(), team.into())).collect(),
            leeway: file.leeway.map_or(Duration::from_secs(30), |Time(time)| time),
        })
    }

    /// What tokens may be signed with.
    pub(super) fn algorithms(&mut self, path: &str, written: Option<Vec<Option<JwtAlgorithm>>>) -> Vec<JwtAlgorithm> {
        if written.as_ref().is_some_and(Vec::is_empty) {
            self.flag(path, "names no algorithm; leave it out for `RS256`, `ES256` and `EdDSA`");
        }
        written.map_or_else(
            || vec![JwtAlgorithm::RS256, JwtAlgorithm::ES256, JwtAlgorithm::EdDSA],
            |written| written.into_iter().flatten().collect(),
        )
    }

    fn jwks(&mut self, file: &JwtFile) -> Option<JwtKeys> {
        match (&file.jwks_file, &file.jwks_url) {
            (Some(path), None) => Some(JwtKeys::File(self.located(path))),
            (None, Some(url)) => {
                let uri = url.parse::<http::Uri>().ok().filter(is_private);
                if uri.is_none() {
                    let shown = self.shown("auth.jwt.jwks_url", url);
                    let like = "write an `https` URL, or an `http` one of the loopback address";
                    self.flag("auth.jwt.jwks_url", format!("{shown} is not valid here; {like}"));
                }
                uri.map(JwtKeys::Url)
            }
            (Some(_), Some(_)) => {
                self.flag("auth.jwt.jwks_url", "`jwks_file` is there too; write one of them");
                None
            }
            (None, None) => {
                self.flag("auth.jwt", "`jwks_file` or `jwks_url` is missing");
                None
            }
        }
    }
}
