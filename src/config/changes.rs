//! What is otherwise in a file that was read anew, by key path. Nothing here can show a secret.

use super::tree::{Node, Value, join};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use utoipa::ToSchema;

/// The values of a file, by key path, as they are compared and shown.
#[derive(Clone, Default)]
pub struct Written {
    values: BTreeMap<String, Known>,
    /// The file, and those that it names.
    pub(super) files: Vec<PathBuf>,
}

/// A value: whether it is the same, and what may be shown of it.
#[derive(Clone)]
struct Known {
    print: [u8; 32],
    /// `None`: it may be a secret.
    shown: Option<String>,
}

/// One value that is otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConfigChange {
    /// The key path, as in messages; an item with a `name` goes by it: `keys[search-ci].team`.
    pub path: String,
    /// `added`, `removed` or `changed`.
    pub kind: String,
    /// What it was; `null` where it was not set, or may not be shown.
    pub from: Option<String>,
    /// What it is; `null` where it is not set, or may not be shown.
    pub to: Option<String>,
    /// It was read, and takes effect when the gateway is started anew.
    pub needs_restart: bool,
}

impl Written {
    /// Of the tree of a file in the directory `base`, its references resolved.
    pub(super) fn of(tree: &Node, file: Option<&Path>, base: &Path) -> Self {
        let mut written = Self { values: BTreeMap::new(), files: file.map(Path::to_path_buf).into_iter().collect() };
        written.take(tree, String::new(), base);
        written
    }

    /// The file itself, and those that its values were taken from.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    fn take(&mut self, node: &Node, path: String, base: &Path) {
        match &node.value {
            Value::Cut => {}
            Value::Map(entries) => entries.iter().for_each(|(key, node)| self.take(node, join(&path, key), base)),
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let name = name_of(item).map_or_else(|| index.to_string(), str::to_owned);
                    self.take(item, format!("{path}[{name}]"), base);
                }
            }
            Value::Scalar(scalar) => {
                if let Some(reference) = &scalar.reference {
                    let behind = reference.split("${file:").skip(1).filter_map(|rest| rest.split_once('}'));
                    self.files.extend(behind.map(|(name, _)| base.join(name)));
                }
                let mut print = Sha256::new();
                print.update([u8::from(scalar.plain)]);
                print.update(&scalar.text);
                let shown = match &scalar.reference {
                    // The text around a reference may be a secret as well as what it stands for.
                    Some(reference) => Some(reference).filter(|text| text.starts_with("${") && text.ends_with('}')),
                    None => Some(&scalar.text).filter(|text| may_be_shown(&path, text)),
                };
                let shown = shown.cloned();
                self.values.insert(path, Known { print: print.finalize().into(), shown });
            }
        }
    }

    /// What is otherwise in `self` than it was `before`, by key path.
    pub fn changes_since(&self, before: &Self) -> Vec<ConfigChange> {
        let all: BTreeMap<&String, ()> =
            self.values.keys().chain(before.values.keys()).map(|path| (path, ())).collect();
        let change = |path: &String| {
            let (old, new) = (before.values.get(path), self.values.get(path));
            let kind = match (old, new) {
                (Some(old), Some(new)) if old.print == new.print => return None,
                (Some(_), Some(_)) => "changed",
                (None, _) => "added",
                (_, None) => "removed",
            };
            let shown = |value: Option<&Known>| value.and_then(|value| value.shown.clone());
            let (from, to) = (shown(old), shown(new));
            Some(ConfigChange {
                path: path.clone(),
                kind: kind.to_owned(),
                from,
                to,
                needs_restart: needs_restart(path),
            })
        };
        all.into_keys().filter_map(change).collect()
    }
}

/// How a change is told in one line.
impl fmt::Display for ConfigChange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.path, self.kind)?;
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(out, ": {from} -> {to}")?,
            (None, Some(to)) => write!(out, ": {to}")?,
            (Some(_), None) | (None, None) => {}
        }
        if self.needs_restart { out.write_str(" (takes effect with a restart)") } else { Ok(()) }
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Written").field("values", &self.values.len()).finish_non_exhaustive()
    }
}

/// The name of an item of a list, if it has one that is written as it is.
fn name_of(item: &Node) -> Option<&str> {
    match &item.get("name")?.value {
        Value::Scalar(scalar) if scalar.reference.is_none() => Some(&scalar.text),
        _ => None,
    }
}

/// Whether a value that stands in the file itself may be shown. Sections in which a secret can stand show only what cannot
/// be one.
fn may_be_shown(path: &str, text: &str) -> bool {
    if text.len() > LONGEST_SHOWN || text.chars().any(char::is_control) {
        return false;
    }
    let section = path.split(['.', '[']).next().unwrap_or_default();
    let leaf = path.rsplit(['.', ']']).find(|part| !part.is_empty()).unwrap_or_default();
    match section {
        "server" | "state" | "models" | "teams" | "prices" | "records" | "defaults" | "limits" | "budgets"
        | "budgeting" | "files" | "health" | "watch" | "cache" => true,
        "keys" => leaf != "hash",
        "telemetry" if path.contains(".headers.") => false,
        // A longer number may be a token, or a number of somebody's that a guardrail looks for.
        _ => PLAIN.contains(&leaf) || is_setting(leaf, text) || matches!(text, "true" | "false"),
    }
}

/// Whether `text` is a small number that no secret is.
fn is_setting(leaf: &str, text: &str) -> bool {
    let may_be_secret = ["token", "key", "secret", "password", "webhook"].iter().any(|word| leaf.contains(word));
    let is_item = leaf.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 6 && !may_be_secret && !is_item && text.parse::<f64>().is_ok()
}

/// What of the file is bound to the process: listeners and threads, the state directory, and what is made of these
/// sections once, at the start. Certificates are not: see `app/certificates.rs`.
fn needs_restart(path: &str) -> bool {
    let certificate =
        path.starts_with("server.listen[") && (path.ends_with("].tls.cert") || path.ends_with("].tls.key"));
    let tokens = matches!(path, "admin.token" | "admin.viewer_token") || path.starts_with("admin.oidc");
    let section = path.split(['.', '[']).next().unwrap_or_default();
    match section {
        "server" => !certificate,
        "admin" => !tokens,
        "state" | "auth" | "alerts" => true,
        "telemetry" => !is_live_telemetry(path),
        "records" => path != "records.access_log",
        "cache" => path == "cache.max_bytes",
        "teams" => path.contains(".records."),
        _ => false,
    }
}

/// Who is sampled, and what opens the collector's door, is read by each request and each call.
fn is_live_telemetry(path: &str) -> bool {
    matches!(path, "telemetry.sample" | "telemetry.follow_parent") || path.starts_with("telemetry.otlp.headers.")
}

/// Keys of sections with secrets whose values are none.
const PLAIN: &[&str] = &[
    "kind",
    "region",
    "catalogue",
    "protocol",
    "action",
    "mode",
    "on_failure",
    "unknown",
    "listen",
    "on_revoke",
    "sample",
    "trace_context",
];
/// A longer value is told to be otherwise, and no more.
const LONGEST_SHOWN: usize = 120;

#[cfg(test)]
mod tests {
    use crate::config::Config;

    const BASE: &str = "
admin: { token: an-admin-token-of-the-tests }
providers: { p: { kind: openai, api_key: sk-planted-one, base_url: 'http://127.0.0.1:1/v1' } }
models: { m: { max_attempts: 1, targets: [{ provider: p, model: x }] } }
teams: { t: {} }
keys:
  - { name: one, team: t, hash: 'sha256:1111111111111111111111111111111111111111111111111111111111111111' }
";

    fn changes(before: &str, after: &str) -> Vec<String> {
        let read = |text: &str| {
            Config::from_text_with(text, None, &|_| Some("sk-planted-environment".to_owned())).expect("right")
        };
        let (before, after) = (read(before), read(after));
        after.written.changes_since(&before.written).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn changes_are_told_by_key_path_and_secrets_are_not_told() {
        assert_eq!(changes(BASE, BASE), [""; 0]);
        let after = BASE
            .replace("sk-planted-one", "sk-planted-two")
            .replace("max_attempts: 1", "max_attempts: 2")
            .replace("an-admin-token-of-the-tests", "'${env:TOKEN}'")
            .replace("teams: { t: {} }", "teams: { t: { models: [m] } }\nserver: { threads: 3 }");
        let want = [
            "admin.token changed: ${env:TOKEN}",
            "models.m.max_attempts changed: 1 -> 2",
            "providers.p.api_key changed",
            "server.threads added: 3 (takes effect with a restart)",
            "teams.t.models[0] added: m",
        ];
        assert_eq!(changes(BASE, &after), want);
    }

    #[test]
    fn an_item_that_is_put_in_front_of_others_is_one_change() {
        let key = "  - { name: new, team: t, hash: 'sha256:2222222222222222222222222222222222222222222222222222222222222222' }";
        let after = BASE.replace("keys:\n", &format!("keys:\n{key}\n"));
        let told = changes(BASE, &after);
        assert_eq!(told, ["keys[new].hash added", "keys[new].name added: new", "keys[new].team added: t"]);
    }
}
