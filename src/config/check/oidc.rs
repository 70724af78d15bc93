//! How people sign in to the dashboard.

use super::Checker;
use crate::config::{
    Granted, Oidc, is_local, is_private,
    oidc_file::{OidcFile, OidcRolesFile},
    tree::join,
};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

impl Checker<'_> {
    /// `hosts`: under which names the dashboard is answered.
    pub(super) fn oidc(&mut self, file: OidcFile, hosts: &[String]) -> Oidc {
        self.issuer(&file.issuer);
        for (name, text) in [
            ("client_id", Some(&*file.client_id)),
            ("client_secret", file.client_secret.as_ref().map(|secret| secret.expose())),
        ] {
            let plain = |text: &str| !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control);
            if text.is_some_and(|text| !plain(text)) {
                let what = "must be a text without control characters; a public client has no `client_secret`";
                self.flag(&join(PATH, name), what);
            }
        }
        if let Some(url) = &file.redirect_url {
            self.redirect(url, hosts);
        }
        let algorithms = self.algorithms(&join(PATH, "algorithms"), file.algorithms);
        let ca_file = file.ca_file.map(|pem| self.certificates(&join(PATH, "ca_file"), &pem));
        let session = self.time(&join(PATH, "session"), file.session, Duration::from_secs(12 * 3_600));
        if !SESSION.contains(&session) {
            self.flag(&join(PATH, "session"), "must be at least 5m and at most 7d");
        }
        let claim = file.roles.claim.clone().unwrap_or_else(|| "groups".to_owned());
        if claim.is_empty() || claim.split('.').any(str::is_empty) {
            let like = "write a claim such as `groups`, or a path to one such as `realm_access.roles`";
            self.flag(&format!("{PATH}.roles.claim"), format!("names no claim; {like}"));
        } else if CHOSEN.contains(&&*claim) {
            let what =
                "is what people may choose to be called, and gives no role; name addresses in `admin.oidc.emails`";
            self.flag(&format!("{PATH}.roles.claim"), format!("`{claim}` {what}"));
        }
        let roles = self.roles(file.roles);
        let emails = Granted {
            admin: self.emails("emails.admin", file.emails.admin),
            viewer: self.emails("emails.viewer", file.emails.viewer),
        };
        if [&roles, &emails].iter().all(|given| given.admin.is_empty() && given.viewer.is_empty()) {
            let what = "nobody has a role: name values of a claim in `roles.admin` or `roles.viewer`, or addresses in `emails`";
            self.flag(PATH, what);
        }
        Oidc {
            issuer: file.issuer.into(),
            client_id: file.client_id.into(),
            client_secret: file.client_secret,
            scopes: self.scopes(file.scopes),
            redirect_url: file.redirect_url.map(Arc::from),
            algorithms,
            ca_file,
            claim: claim.into(),
            roles,
            emails,
            session,
            token_sign_in: file.token_sign_in.unwrap_or(true),
        }
    }

    fn issuer(&mut self, text: &str) {
        let path = join(PATH, "issuer");
        let shown = self.shown(&path, text);
        let uri = text.parse::<http::Uri>().ok().filter(is_private);
        let bare = uri
            .is_some_and(|uri| uri.query().is_none() && uri.authority().is_some_and(|at| !at.as_str().contains('@')));
        if !bare || text.contains('#') {
            let like = "write an `https` URL, or an `http` one of the loopback address, without a query";
            self.flag(&path, format!("{shown} is no issuer; {like}"));
        } else if text.ends_with(DISCOVERY) {
            self.flag(&path, format!("write it without `{DISCOVERY}`"));
        }
    }

    fn scopes(&mut self, written: Option<Vec<Option<String>>>) -> Vec<String> {
        let Some(written) = written else { return ["openid", "profile", "email"].map(str::to_owned).to_vec() };
        let scopes: Vec<String> = written.into_iter().flatten().collect();
        let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        for (at, scope) in scopes.iter().enumerate() {
            if scope.is_empty() || !scope.bytes().all(fits) {
                self.flag(&format!("{PATH}.scopes[{at}]"), "is no scope; write one word such as `groups`");
            }
        }
        if !scopes.iter().any(|scope| scope == "openid") {
            self.flag(&join(PATH, "scopes"), "`openid` is missing: without it there is no ID token");
        }
        scopes
    }

    /// It must lead to a page of the dashboard, under a name that the dashboard is answered under.
    fn redirect(&mut self, url: &str, hosts: &[String]) {
        let path = join(PATH, "redirect_url");
        let shown = self.shown(&path, url);
        let uri = url.parse::<http::Uri>().ok();
        let leads = |uri: &http::Uri| {
            let plain = uri.authority().is_some_and(|at| !at.as_str().contains('@'));
            matches!(uri.scheme_str(), Some("https" | "http"))
                && plain
                && uri.path() == Oidc::CALLBACK
                && uri.query().is_none()
        };
        let Some(uri) = uri.filter(leads).filter(|_| !url.contains('#')) else {
            let like = format!("write `https://NAME{}`", Oidc::CALLBACK);
            return self.flag(&path, format!("{shown} is no page that browsers can come back to; {like}"));
        };
        if !is_private(&uri) {
            let why = "brings codes and sessions over an open network in clear";
            return self.flag(&path, format!("{shown} {why}; write `https`, or the loopback address"));
        }
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let is_address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        if !is_local(&host) && !is_address && !hosts.contains(&host) {
            let host = self.shown(&path, &host);
            self.flag(&path, format!("the dashboard is not answered under the name {host}; add it to `admin.hosts`"));
        }
    }

    fn roles(&mut self, file: OidcRolesFile) -> Granted {
        let mut read = |name: &str, written: Vec<Option<String>>| {
            let values: Vec<String> = written.into_iter().flatten().collect();
            for (at, _) in values.iter().enumerate().filter(|(_, value)| value.trim().is_empty()) {
                self.flag(&format!("{PATH}.roles.{name}[{at}]"), "is empty");
            }
            values
        };
        Granted { admin: read("admin", file.admin), viewer: read("viewer", file.viewer) }
    }

    fn emails(&mut self, name: &str, written: Vec<Option<String>>) -> Vec<String> {
        let emails: Vec<String> = written.into_iter().flatten().map(|email| email.to_ascii_lowercase()).collect();
        for (at, email) in emails.iter().enumerate() {
            let path = format!("{PATH}.{name}[{at}]");
            let shown = self.shown(&path, email);
            let plain = email.bytes().all(|byte| byte.is_ascii_graphic());
            match email.rsplit_once('@') {
                Some(("", domain)) if PUBLIC.contains(&domain) => {
                    self.flag(&path, format!("everybody can have an address in {shown}; name addresses"));
                }
                Some((_, domain)) if plain && domain.contains('.') => {}
                _ => {
                    let like = "write `ann@example.com`, or `@example.com` for all of a domain";
                    self.flag(&path, format!("{shown} is no e-mail address; {like}"));
                }
            }
        }
        emails
    }
}

const PATH: &str = "admin.oidc";
/// What stands behind an issuer's name where its document is.
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// A longer name or secret is a mistake.
const LONGEST: usize = 1024;
/// Claims that people set themselves, or that others can have as well.
const CHOSEN: [&str; 6] = ["email", "preferred_username", "upn", "unique_name", "name", "nickname"];
/// How long a session may be.
const SESSION: RangeInclusive<Duration> = Duration::from_secs(300)..=Duration::from_secs(7 * 86_400);
/// Domains in which everybody can have an address.
const PUBLIC: [&str; 8] =
    ["gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com", "icloud.com", "proton.me"];
