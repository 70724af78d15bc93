//! The settings of kind `pii`.

use super::Pii;
use super::allow::Allow;
use super::ballot::Confidence;
use super::custom::Custom;
use super::entity::{DEFAULT, ENTITIES, GROUP_NAMES, Set};
use crate::{
    config::{ConfigError, Section, nearest},
    guard::{CONTEXT, Spotter},
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// As written in the file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Names of entities and groups. Default: [`DEFAULT`].
    #[serde(default)]
    entities: Option<Vec<String>>,
    #[serde(default)]
    min_confidence: Confidence,
    /// Values, networks (`10.0.0.0/8`) and domains of addresses (`@example.com`) that are no hits.
    #[serde(default)]
    allow: Vec<String>,
    /// Entities of the operator's own, by name.
    #[serde(default)]
    custom: BTreeMap<String, CustomFile>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct CustomFile {
    /// Bytes and ASCII: `\d` is a digit of ASCII. A match has at most 256 bytes.
    regex: String,
    /// One of these words must stand in the 64 bytes before it. Default: none is needed.
    #[serde(default)]
    context: Vec<String>,
}

/// Builds the guard from its section: the entities of the operator's own first, in the order of their names.
///
/// # Errors
///
/// With key path and line: an entity that is none, an entry of `allow` or an expression that is wrong.
pub fn build(section: &Section) -> Result<Vec<Arc<dyn Spotter>>, ConfigError> {
    let settings: Settings = section.read()?;
    let mut on = Set::default();
    match &settings.entities {
        None => _ = on.add("default"),
        Some(names) => {
            for name in names {
                if !on.add(name) {
                    let known = || ENTITIES.iter().chain(GROUP_NAMES).copied();
                    let hint =
                        nearest(name, known()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                    let why = format!("`{name}` is no entity and no group{hint}");
                    return Err(section.error("entities", why));
                }
            }
        }
    }
    let mut allow = Allow::default();
    for entry in &settings.allow {
        allow.add(entry).map_err(|why| section.error("allow", why))?;
    }
    let mut spotters: Vec<Arc<dyn Spotter>> = Vec::new();
    for (name, custom) in settings.custom {
        let key = format!("custom.{name}");
        check_name(&name).map_err(|why| section.error(&key, why))?;
        if custom.context.iter().any(|word| word.is_empty() || word.len() > CONTEXT) {
            let why = format!("a word has 1 to {CONTEXT} bytes");
            return Err(section.error(&format!("{key}.context"), why));
        }
        // Names live as long as the process: they are labels of metrics, and there are few.
        let entity: &'static str = Box::leak(name.into_boxed_str());
        let custom = Custom::new(entity, &custom.regex, custom.context)
            .map_err(|why| section.error(&format!("{key}.regex"), why))?;
        spotters.push(Arc::new(custom));
    }
    if on == Set::default() && spotters.is_empty() {
        return Err(section
            .error("entities", "is empty: the guard would find nothing; leave it out for the default".to_owned()));
    }
    if on != Set::default() {
        spotters.push(Arc::new(Pii::new(on, settings.min_confidence, allow)));
    }
    Ok(spotters)
}

fn check_name(name: &str) -> Result<(), String> {
    let small = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || name.len() > 40 || !name.bytes().all(small) {
        return Err("a name has 1 to 40 small letters, digits and underscores".to_owned());
    }
    if ENTITIES.contains(&name) || DEFAULT.contains(&name) || GROUP_NAMES.contains(&name) {
        return Err(format!("`{name}` is built in; choose another name"));
    }
    Ok(())
}
