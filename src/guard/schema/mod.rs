//! `json_schema`: answers and tool arguments that are not what a JSON Schema says.
//!
//! By the crate `jsonschema` (drafts 4 to 2020-12, told by `$schema`, else 2020-12), without its network features;
//! references to other documents are refused when the configuration is read. Patterns run on an engine of linear time.
//! It is given original texts: folding a quote would break JSON.
//!
//! Catches: a text of the model, of a call's arguments, of a tool's result or of the user (as `on` says) that is no
//! JSON, or does not fit. What is told is the place in the text and in the schema; names that are not the schema's own
//! are `*`, and values are never told.
//! Misses: an empty text, which calls of tools come with; `format`, which drafts since 2019-09 only annotate; the first
//! of two members of the same name; JSON in a code fence is no JSON. Nested deeper than 127 is no JSON, either.
//! Cost: 13 µs per KiB of JSON with a small schema. Never fails.

use super::{Judge, Judgement};
use crate::{
    config::{ConfigError, Section},
    model::Speech,
};
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde::de::IgnoredAny;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What it finds.
pub const ENTITIES: &[&str] = &["json_schema"];

/// As written.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// A mapping, or a text of JSON (`${file:answer.schema.json}`).
    schema: IgnoredAny,
}

/// A schema that texts are held to.
#[derive(Debug)]
pub struct JsonSchema {
    validator: Validator,
    /// Names that the schema uses: they may be told.
    names: BTreeSet<String>,
}

impl JsonSchema {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// With key path: no JSON, no schema, a reference to another document.
    pub fn read(section: &Section) -> Result<Self, ConfigError> {
        let wrong = |why: String| section.error("schema", why);
        let Settings { schema: IgnoredAny } = section.read()?;
        let schema = match section.json("schema").unwrap_or_default() {
            Value::String(text) => serde_json::from_str(&text).map_err(|error| {
                let (line, column) = (error.line(), error.column());
                wrong(format!(
                    "is no JSON at its line {line}, column {column}; write a JSON Schema or `${{file:PATH}}`"
                ))
            })?,
            other => other,
        };
        if !matches!(schema, Value::Object(_) | Value::Bool(_)) {
            return Err(wrong("is no JSON Schema; write a mapping, JSON text, or `${file:PATH}`".to_owned()));
        }
        let options = jsonschema::options().offline().with_pattern_options(PatternOptions::regex());
        let validator = options.build(&schema).map_err(|error| wrong(flaw(&error)))?;
        let mut names = BTreeSet::new();
        collect(&schema, &mut names);
        Ok(Self { validator, names })
    }

    fn why(&self, text: &str) -> Option<String> {
        let value: Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(error) => return Some(format!("no JSON at line {}, column {}", error.line(), error.column())),
        };
        let error = self.validator.validate(&value).err()?;
        let mut place = String::new();
        let mut within = Some(&value);
        for segment in error.instance_path() {
            // A name may look like an index: what it is within tells.
            let name = segment.to_string();
            let listed = within.is_some_and(Value::is_array);
            place.push('/');
            place.push_str(if listed || self.names.contains(&name) { &name } else { "*" });
            within = within.and_then(|value| match value {
                Value::Array(items) => items.get(name.parse::<usize>().ok()?),
                other => other.get(&name),
            });
        }
        let place = if place.is_empty() { "the value".to_owned() } else { format!("`{}`", short(&place)) };
        Some(format!("{place} does not fit the schema's `{}`", short(&error.schema_path().to_string())))
    }
}

impl Judge for JsonSchema {
    fn judge(&self, text: &str, speech: Speech) -> Option<Judgement> {
        let data = match speech {
            Speech::User | Speech::Assistant | Speech::ToolCall | Speech::ToolResult => true,
            Speech::System
            | Speech::Reasoning
            | Speech::Refusal
            | Speech::Definition
            | Speech::Document
            | Speech::Unknown => false,
        };
        if !data || text.trim_ascii().is_empty() {
            return None;
        }
        self.why(text).map(|why| Judgement { entity: ENTITIES[0], why, flag_only: false })
    }

    fn wants_original(&self) -> bool {
        true
    }
}

/// The judge of `section`.
///
/// # Errors
///
/// As [`JsonSchema::read`].
pub fn build(section: &Section) -> Result<Vec<Arc<dyn Judge>>, ConfigError> {
    Ok(vec![Arc::new(JsonSchema::read(section)?)])
}

/// What is wrong with a schema: where, and the first words of why.
fn flaw(error: &ValidationError<'_>) -> String {
    let place = error.instance_path().to_string();
    let place = if place.is_empty() { String::new() } else { format!(" at `{}`", short(&place)) };
    let why: String = error.to_string().chars().take(200).collect();
    format!("is no JSON Schema{place}: {why}; references must stay inside of the schema (`#/…`)")
}

fn short(path: &str) -> &str {
    const MOST: usize = 200;
    &path[..path.floor_char_boundary(MOST)]
}

/// All names of members, at any depth.
fn collect(schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            names.insert(name.clone());
            collect(value, names);
        }),
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests;
