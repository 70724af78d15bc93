//! Names of entities that an operator makes up. There are few, and they live as long as the process: each is kept once,
//! however often the configuration is loaded.

use parking_lot::Mutex;
use std::collections::BTreeSet;

static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// So many names of a process: who makes up more loads configurations that a program writes.
const MOST_NAMES: usize = 10_000;

/// `name` as an entity.
///
/// # Errors
///
/// When it is none: small letters, digits and underscores, up to 64 of them.
pub fn entity(name: &str) -> Result<&'static str, String> {
    let good = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if name.is_empty() || name.len() > 64 || !good {
        return Err(format!(
            "`{name}` is no name of an entity: write small letters, digits and underscores, 64 at most"
        ));
    }
    let mut names = NAMES.lock();
    if let Some(known) = names.get(name) {
        return Ok(known);
    }
    if names.len() >= MOST_NAMES {
        return Err(format!(
            "more than {MOST_NAMES} names of entities were loaded since the start: restart the gateway"
        ));
    }
    let name: &'static str = String::leak(name.to_owned());
    names.insert(name);
    Ok(name)
}
