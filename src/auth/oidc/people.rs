//! From claims to who somebody is and what they may do.

use super::{SignInError, same};
use crate::{
    auth::jwt::{fits, texts},
    config::{Granted, Oidc, Role},
};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Somebody, as the issuer knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who knows them.
    pub issuer: Arc<str>,
    /// `sub`: never given to somebody else there.
    pub sub: String,
    /// E-mail address that the issuer vouches for, or what they are called; for people to read.
    pub name: Option<String>,
}

/// What roles follow from: kept with a session, so that a reload decides anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Whose they are.
    pub person: Person,
    client_id: Arc<str>,
    /// The claim that was looked at.
    claim: Arc<str>,
    values: Vec<String>,
    /// Lower case, and vouched for.
    email: Option<String>,
    /// Whose address it is.
    domain: Option<String>,
}

/// Whether an ID token whose signature is right is this sign-in's and for us.
pub(super) fn fit(claims: &Map<String, Value>, config: &Oidc, nonce: &str) -> Result<(), SignInError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if !text("nonce").is_some_and(|theirs| same(theirs, nonce)) {
        return Err(SignInError::Unfit("its `nonce` is not the one of this sign-in"));
    }
    let several = claims.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
    match claims.get("azp") {
        Some(party) if party.as_str() != Some(&config.client_id) => {
            Err(SignInError::Unfit("it was made for another client (`azp`)"))
        }
        None if several => Err(SignInError::Unfit("it is for several audiences and does not say for whom (`azp`)")),
        _ => Ok(()),
    }
}

impl Facts {
    /// `None`: they have no name there.
    pub(super) fn of(claims: &Map<String, Value>, config: &Oidc) -> Option<Self> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| is_plain(text));
        let verified = match claims.get("email_verified") {
            Some(Value::Bool(verified)) => Some(*verified),
            Some(Value::String(verified)) => Some(verified == "true"),
            _ => None,
        };
        let address = text("email");
        let vouched = address.filter(|_| verified == Some(true));
        let name = vouched.or_else(|| text("preferred_username")).or_else(|| text("name"));
        let person =
            Person { issuer: Arc::clone(&config.issuer), sub: text("sub")?.to_owned(), name: name.map(str::to_owned) };
        let email = vouched.map(str::to_ascii_lowercase);
        let of_email = email.as_deref().and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain.to_owned());
        let at_google = *config.issuer == *GOOGLE;
        let googles_own = of_email.as_deref().is_some_and(|domain| GOOGLES.contains(&domain));
        let domain = match text("hd") {
            // Google's word for whose account it is; anybody can have a Google account with an address of elsewhere.
            Some(domain) => of_email.filter(|of_email| domain.eq_ignore_ascii_case(of_email)),
            None if at_google => None,
            None => of_email,
        };
        // Such an account keeps its address when the mailbox has passed to somebody else, or was taken away.
        let email = email.filter(|_| !at_google || googles_own || domain.is_some());
        let values = at(claims, &config.claim).into_iter().flat_map(texts).map(str::to_owned).collect();
        let (client_id, claim) = (Arc::clone(&config.client_id), Arc::clone(&config.claim));
        Some(Self { person, client_id, claim, values, email, domain })
    }

    /// What somebody may do; an administrator first.
    pub(super) fn role(&self, config: &Oidc) -> Option<Role> {
        let Oidc { roles, emails, .. } = config;
        if self.person.issuer != config.issuer || self.client_id != config.client_id || self.claim != config.claim {
            return None;
        }
        let has = |of: fn(&Granted) -> &Vec<String>| {
            let by_claim = of(roles).iter().any(|value| self.values.contains(value));
            by_claim || of(emails).iter().any(|email| self.is(email))
        };
        if has(|granted| &granted.admin) {
            Some(Role::Admin)
        } else if has(|granted| &granted.viewer) {
            Some(Role::Viewer)
        } else {
            None
        }
    }

    /// Whether `email` of the configuration is theirs.
    fn is(&self, email: &str) -> bool {
        match email.strip_prefix('@') {
            Some(domain) => self.domain.as_deref() == Some(domain),
            None => self.email.as_deref() == Some(email),
        }
    }

    /// Why they have no role, in words for them and their operator.
    pub(super) fn lacking(&self, claims: &Map<String, Value>, config: &Oidc) -> String {
        let Self { person, claim, values, .. } = self;
        let who = person.name.as_ref().unwrap_or(&person.sub);
        let left_out = claims.get("_claim_names").and_then(|names| names.get(&**claim)).is_some();
        let found = match values.as_slice() {
            [] if left_out => {
                "the issuer left it out, because there are too many values; let it send fewer, such as roles of this \
                 application"
                    .to_owned()
            }
            [] if at(claims, claim).is_none() => "the ID token has no such claim".to_owned(),
            [] => "it holds no text".to_owned(),
            some => {
                let shown = |value: &String| {
                    let value: String = value.chars().filter(|c| !c.is_control() && !is_hidden(*c)).take(80).collect();
                    format!("`{value}`")
                };
                let shown: Vec<String> = some.iter().take(MOST_SHOWN).map(shown).collect();
                let more = if some.len() > MOST_SHOWN { " and others" } else { "" };
                format!("none of its values stands in `admin.oidc.roles`: {}{more}", shown.join(", "))
            }
        };
        let by_email = !config.emails.admin.is_empty() || !config.emails.viewer.is_empty();
        let email = match (&self.email, by_email) {
            (_, false) => "",
            (Some(_), true) => "; nor is your e-mail address in `admin.oidc.emails`",
            (None, true) => {
                "; and your issuer vouches for no e-mail address of yours (`email_verified`; at Google also `hd`)"
            }
        };
        format!(
            "the issuer knows you as `{who}`, but nothing gives you a role here. The claim `{claim}` was looked at: \
             {found}{email}"
        )
    }
}

/// The claim of that name, or where a path of names leads: names may have dots themselves.
fn at<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let (name, rest) = path.split_at(dot);
        at(claims.get(name)?.as_object()?, rest.strip_prefix('.')?)
    })
}

/// What people may be called in records, which others read: nothing in it hides or turns what stands around it.
fn is_plain(text: &str) -> bool {
    fits(text) && !text.chars().any(is_hidden)
}

/// Whether a character has no width, ends a line, or changes the direction of what is read.
const fn is_hidden(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Its word on domains is `hd`.
const GOOGLE: &str = "https://accounts.google.com";
/// The domains whose mailboxes are Google accounts; these have no `hd`.
const GOOGLES: [&str; 2] = ["gmail.com", "googlemail.com"];
/// Values of a claim that are told to whoever has no role.
const MOST_SHOWN: usize = 10;
