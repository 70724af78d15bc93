//! Checking what is asked of keys and teams before anything is written.

use super::StoreError;
use super::keyring::{Keyring, Written};
use super::record::Grants;
use crate::config::{Allowed, JWT_PREFIX, Network, Networks, Priority, Rules, Scope, moment, nearest};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Why a key or team cannot be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// There is none of this name.
    #[error("there is no {what} `{name}`{}", hint.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    NotFound {
        /// `key` or `team`.
        what: &'static str,
        /// What was asked for.
        name: String,
        /// A name that is near it.
        hint: Option<String>,
    },
    /// The name is taken: names are unique for ever, because the ledger's rows carry them.
    #[error("there is a {what} `{name}` already; each has a name of its own, also behind revoked ones")]
    Exists {
        /// `key` or `team`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// It stands in the configuration file.
    #[error("{what} `{name}` stands in the configuration file: change it there and restart the gateway")]
    ReadOnly {
        /// `key` or `team`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The key was revoked, which cannot be undone.
    #[error("key `{name}` was revoked, which cannot be undone; make a new one")]
    Revoked {
        /// Its name.
        name: String,
    },
    /// A team that has keys.
    #[error("team `{name}` has {keys} keys; revoke them, or move them to another team first")]
    TeamInUse {
        /// Its name.
        name: String,
        /// How many.
        keys: usize,
    },
    /// A member that makes no sense.
    #[error("`{member}`: {why}")]
    Invalid {
        /// Its name.
        member: &'static str,
        /// What is wrong, and what can be written.
        why: String,
    },
    /// Somebody changed it since it was looked at.
    #[error("{what} `{name}` was changed by somebody else meanwhile; look at it anew, and change it then")]
    Stale {
        /// `key` or `team`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The act could not be recorded first, and so was not done.
    #[error("the act cannot be recorded in the audit log, and is not done; the gateway's log has the reason")]
    Unrecorded,
    /// The operating system has no randomness to give.
    #[error("no key can be made: the operating system gives no randomness")]
    Randomness,
    /// The store cannot be written.
    #[error("the key store cannot be written; the gateway's log has the reason")]
    Store(#[from] StoreError),
}

impl KeysError {
    /// Stable: the `code` of an error body, and the outcome in the audit log.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::Exists { .. } => "already_exists",
            Self::ReadOnly { .. } => "read_only",
            Self::Revoked { .. } => "revoked",
            Self::TeamInUse { .. } => "team_in_use",
            Self::Invalid { .. } => "invalid_request",
            Self::Stale { .. } => "stale",
            Self::Unrecorded => "audit_unavailable",
            Self::Randomness => "no_randomness",
            Self::Store(_) => "store_unavailable",
        }
    }

    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotFound { .. } => 404,
            Self::Exists { .. } | Self::ReadOnly { .. } | Self::Revoked { .. } | Self::TeamInUse { .. } => 409,
            Self::Invalid { .. } => 422,
            Self::Stale { .. } => 412,
            Self::Unrecorded | Self::Randomness | Self::Store(_) => 503,
        }
    }
}

/// What things are checked against.
pub(super) struct Checks<'a> {
    pub written: &'a Written,
    pub ring: &'a Keyring,
}

impl Checks<'_> {
    /// A name that can stand in labels, headers and records as it is.
    pub fn name(&self, name: &str) -> Result<(), KeysError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@-".contains(&byte);
        if name.is_empty() || name.len() > 128 || !name.bytes().all(fits) {
            return Err(invalid("name", "a name has 1 to 128 of `A-Z a-z 0-9 . _ : / @ -`"));
        }
        if name.starts_with(JWT_PREFIX) {
            return Err(invalid("name", format!("names that begin with `{JWT_PREFIX}` are those of JWT callers")));
        }
        Ok(())
    }

    pub fn team(&self, team: &str) -> Result<(), KeysError> {
        if self.ring.has_team(team) {
            return Ok(());
        }
        let near = nearest(team, self.ring.team_names());
        Err(invalid("team", format!("there is no team `{}`{}", shown(team), did_you_mean(near))))
    }

    /// What a key or team is given. `of_team`: a key only narrows its team.
    pub fn grants(&self, scope: &Scope, grants: &Grants, of_team: Option<&str>) -> Result<Arc<Rules>, KeysError> {
        let narrowed = of_team.and_then(|team| self.ring.team_models(team));
        for model in grants.models.iter().flatten() {
            if !self.written.models.contains(&**model) {
                let near = nearest(model, self.written.models.iter().map(|name| &**name));
                let why = format!("there is no model `{}`{}", shown(model), did_you_mean(near));
                return Err(invalid("models", why));
            }
            if narrowed.is_some_and(|allowed: &Allowed| !allowed.contains(model)) {
                let why = format!("the key's team may not call `{model}`; a key only narrows its team");
                return Err(invalid("models", why));
            }
        }
        if grants.models.as_ref().is_some_and(|models| models.is_empty() || models.len() > MOST) {
            return Err(invalid("models", format!("1 to {MOST} models; leave it out for all")));
        }
        let long = |text: &String| text.is_empty() || text.len() > 256 || text.chars().any(char::is_control);
        if grants.tags.len() > 64 || grants.tags.iter().any(|(name, value)| long(name) || long(value)) {
            return Err(invalid("tags", "at most 64, each of 1 to 256 bytes without control characters"));
        }
        fit(self.written, scope, grants)
    }
}

/// Limits and budgets of a scope, if all that it is given fits the file.
pub(super) fn fit(written: &Written, scope: &Scope, grants: &Grants) -> Result<Arc<Rules>, KeysError> {
    networks(grants)?;
    priority(grants)?;
    guardrails(written, grants)?;
    rules(written, scope, grants)
}

/// Where a key may be used; empty: everywhere.
pub(super) fn networks(grants: &Grants) -> Result<Networks, KeysError> {
    let Some(written) = &grants.allowed_ips else { return Ok(Networks::default()) };
    if written.is_empty() || written.len() > MOST {
        return Err(invalid("allowed_ips", format!("1 to {MOST} addresses or networks; leave it out for all")));
    }
    let all = written.iter().map(|text| Network::parse(text).map_err(|_| invalid("allowed_ips", no_network(text))));
    Ok(Networks::new(all.collect::<Result<_, _>>()?))
}

/// Why a text is no network, with no more of it than fits a message.
fn no_network(text: &str) -> String {
    Network::parse(&shown(text)).err().unwrap_or_else(|| format!("`{}` is no address and no network", shown(text)))
}

/// The priority that is given, if one is.
pub(super) fn priority(grants: &Grants) -> Result<Option<Priority>, KeysError> {
    let Some(name) = grants.priority.as_deref() else { return Ok(None) };
    let names = Priority::ALL.map(Priority::name);
    let wrong = || format!("`{}` is none; there are `{}`", shown(name), names.join("`, `"));
    Priority::named(name).map(Some).ok_or_else(|| invalid("priority", wrong()))
}

/// The guardrails that are given.
pub(super) fn guardrails(written: &Written, grants: &Grants) -> Result<Vec<Arc<str>>, KeysError> {
    let Some(names) = &grants.guardrails else { return Ok(Vec::new()) };
    let known = &written.guardrails.names;
    if names.is_empty() {
        return Err(invalid("guardrails", "names no guardrail; leave it out, or send `null` to take them back"));
    }
    let mut given: Vec<Arc<str>> = Vec::new();
    for name in names {
        let Some(found) = known.get(&**name) else {
            let near = nearest(name, known.iter().map(|name| &**name));
            let all = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let all = if all.is_empty() { "the file has none".to_owned() } else { format!("the file has {all}") };
            let why = format!("there is no guardrail `{}` ({all}){}", shown(name), did_you_mean(near));
            return Err(invalid("guardrails", why));
        };
        if given.contains(found) {
            return Err(invalid("guardrails", format!("`{found}` is named twice")));
        }
        given.push(Arc::clone(found));
    }
    Ok(given)
}

/// Limits and budgets of a scope: what it is given itself, else what the defaults give, list by list.
pub(super) fn rules(written: &Written, scope: &Scope, grants: &Grants) -> Result<Arc<Rules>, KeysError> {
    let Grants { limits, budgets, .. } = grants;
    let models: Vec<&str> = written.models.iter().map(|name| &**name).collect();
    let mut text = Map::new();
    for (member, value) in [("limits", limits), ("budgets", budgets)] {
        let Some(value) = value else { continue };
        if !value.is_array() {
            return Err(invalid(member, "expected a list, of the same shape as in the configuration file"));
        }
        text.insert(member.to_owned(), value.clone());
    }
    let text = Value::from(text).to_string();
    // YAML of JSON's form, read as the file is.
    let own = Rules::from_text(scope, &text, &models, &written.defaults.zone).map_err(|errors| {
        let member = if errors.0.iter().all(|error| error.path.starts_with("budgets")) { "budgets" } else { "limits" };
        let told = |error: &crate::config::ConfigError| format!("{}: {}", error.path, error.message);
        invalid(member, errors.0.iter().map(told).collect::<Vec<_>>().join("; "))
    })?;
    let (default, nameless) = match scope {
        Scope::Team(_) => (&written.defaults.teams, Scope::Team("".into())),
        _ => (&written.defaults.keys, Scope::Key("".into())),
    };
    let default = default.rules.rescoped(&nameless, scope);
    Ok(Arc::new(Rules {
        limits: if limits.is_some() { own.limits } else { default.limits },
        budgets: if budgets.is_some() { own.budgets } else { default.budgets },
    }))
}

/// A moment after now.
pub(super) fn expiry(text: Option<&str>, now_us: u64) -> Result<Option<u64>, KeysError> {
    let Some(text) = text else { return Ok(None) };
    let wrong = || invalid("expires", format!("`{}` is no time after 1970; {}", shown(text), moment::LIKE));
    let at = moment::read(text).ok_or_else(wrong)?;
    if at <= now_us {
        return Err(invalid("expires", format!("`{}` is past", shown(text))));
    }
    Ok(Some(at))
}

pub(super) fn invalid(member: &'static str, why: impl Into<String>) -> KeysError {
    KeysError::Invalid { member, why: why.into() }
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// Text of a client, cut for a message.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// Models, or addresses, of one key or team.
const MOST: usize = 1000;
