//! From the tree to what is written in it: finds every flaw of its shape, not only the first, and says it in words.

use super::ConfigError;
use super::de::{Flaw, What};
use super::error::hint;
use super::tree::{Node, Places, join};
use serde::Deserialize;

/// Reads `tree` as `T`. At every flaw it is noted, what is flawed is cut out, and the rest is read again; `None` if
/// nothing is left to cut. A key that was flawed is not told to be missing as well.
pub(super) fn read_all<'a, T>(tree: &mut Node, places: &Places, errors: &mut Vec<ConfigError>) -> Option<T>
where
    T: for<'de> Deserialize<'de> + 'a,
{
    for _ in 0..MAX_FLAWS {
        let flaw = match T::deserialize(&*tree) {
            Ok(read) => return Some(read),
            Err(flaw) => flaw,
        };
        let (path, line) = flaw.at.clone().unwrap_or_else(|| (tree.path.clone(), tree.line));
        let known = match flaw.what {
            What::Missing(key) => errors.iter().any(|error| error.path == join(&path, key)),
            _ => false,
        };
        if !known {
            errors.push(places.error_at(line, &path, message(&path, &flaw, &[])));
        }
        if !tree.cut(&path) {
            return None;
        }
    }
    None
}

/// Flaws that are told of one file; whoever has more reads the next ones after mending these.
const MAX_FLAWS: usize = 100;

/// The first flaw of reading `tree` as `T`. `also` are names that are valid beside those of `T`.
pub(super) fn read_one<T>(tree: &Node, places: &Places, also: &[&str]) -> Result<T, ConfigError>
where
    T: for<'de> Deserialize<'de>,
{
    T::deserialize(tree).map_err(|flaw| {
        let (path, line) = flaw.at.clone().unwrap_or_else(|| (tree.path.clone(), tree.line));
        places.error_at(line, &path, message(&path, &flaw, also))
    })
}

/// `flaw`, which stands at `path`, in words.
fn message(path: &str, flaw: &Flaw, also: &[&str]) -> String {
    match &flaw.what {
        What::Wrong { found, expected } => format!("expected {expected}, found {found}"),
        What::UnknownKey { key, valid } => {
            let section = path.split(['.', '[']).next().unwrap_or_default();
            later(section, key).unwrap_or_else(|| {
                format!("unknown key{}", hint(key, valid.iter().copied().chain(also.iter().copied())))
            })
        }
        What::UnknownWord { found, word, valid } => {
            format!("{found} is not valid here{}", hint(word, valid.iter().copied()))
        }
        What::Missing(key) => format!("`{key}` is missing"),
        What::Said(message) => message.clone(),
    }
}

/// Refuses a key that only a later version has, so that nobody relies on it: never ignored.
pub(super) fn later(section: &str, key: &str) -> Option<String> {
    let known =
        LATER.iter().any(|(of, keys)| (*of == section || (of.is_empty() && section == key)) && keys.contains(&key));
    known.then(|| not_yet(&format!("`{key}`")))
}

/// The message about what only a later version has.
pub(super) fn not_yet(what: &str) -> String {
    format!("this version does not have {what} yet; leave it out")
}

/// Keys that are promised, by top-level section; the first row is the top level itself.
const LATER: &[(&str, &[&str])] = &[
    ("", &["cluster", "ledger"]),
    ("server", &["cors"]),
    ("admin", &["tls"]),
    ("providers", &["guardrails"]),
    ("teams", &["tags"]),
    ("keys", &["tags"]),
];
