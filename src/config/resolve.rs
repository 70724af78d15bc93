//! `${env:NAME}` and `${file:PATH}` in the values of the file. Never shows what they stand for.

use super::ConfigError;
use super::tree::{Node, Places, Scalar};
use std::path::Path;

/// What an environment variable holds.
pub(super) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Replaces every reference in the tree; a value whose reference cannot be resolved is cut out.
/// `${file:PATH}` is taken from `base` if it is relative, and loses one newline at its end. `$${` is a plain `${`.
pub(super) fn resolve(tree: &mut Node, places: &Places, base: &Path, env: Env<'_>) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    tree.each_scalar(&mut |path, scalar| match text_of(scalar, base, env) {
        Ok(None) => true,
        Ok(Some(text)) => {
            scalar.reference = Some(std::mem::replace(&mut scalar.text, text));
            true
        }
        Err(message) => {
            errors.push(places.error(path, message));
            false
        }
    });
    errors
}

/// The text that `scalar` stands for; `None` if it holds no reference.
fn text_of(scalar: &Scalar, base: &Path, env: Env<'_>) -> Result<Option<String>, String> {
    if !scalar.text.contains("${") {
        return Ok(None);
    }
    let mut text = String::new();
    let mut rest = &*scalar.text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(literal) = before.strip_suffix('$') {
            text.push_str(literal);
            text.push_str("${");
            rest = after;
            continue;
        }
        let (name, behind) = after.split_once('}').ok_or_else(|| "`${` is never closed by `}`".to_owned())?;
        text.push_str(before);
        text.push_str(&value_of(name, base, env)?);
        rest = behind;
    }
    text.push_str(rest);
    Ok(Some(text))
}

fn value_of(reference: &str, base: &Path, env: Env<'_>) -> Result<String, String> {
    match reference.split_once(':') {
        Some(("env", name)) => match env(name) {
            Some(value) if value.is_empty() => Err(format!("the environment variable `{name}` is empty")),
            Some(value) => Ok(value),
            None => Err(format!("the environment variable `{name}` is not set")),
        },
        Some(("file", path)) => read(&base.join(path)),
        _ => Err(format!("`${{{reference}}}` is no reference; write `${{env:NAME}}` or `${{file:PATH}}`")),
    }
}

fn read(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let size = std::fs::metadata(path).map_err(|e| format!("cannot read `{shown}`: {e}"))?.len();
    if size > MAX_FILE {
        return Err(format!("`{shown}` holds {size} bytes; a value is at most {MAX_FILE}"));
    }
    let mut text = std::fs::read_to_string(path).map_err(|e| format!("cannot read `{shown}`: {e}"))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// A longer file is a mistake (a log, a device), and is refused.
const MAX_FILE: u64 = 1 << 20;
