//! `model_policy`: parameters that a request may not have, must not exceed, or must have.
//!
//! One name stands for a parameter in all dialects (`max_tokens` is Google's `generationConfig.maxOutputTokens`, too);
//! `/generationConfig/speechConfig` names a member by its place. It is no judge of texts, but of a request's body.
//!
//! Catches: members of the body by name, nested ones, and hosted tools by their type. Names are compared without case
//! and underscores, since Google takes `max_output_tokens` as well; `null` is as if it were not there.
//! Misses: what a provider adds by itself; limits of what is not asked for (`max: {max_tokens: 4096}` says nothing of a
//! request without a cap: add `require: [max_tokens]`); instructions in texts that ask for the same thing; what a beta
//! header switches on; Google's streams, which go by the path.
//! Cost: 0.3 µs per KiB of body, which is skimmed; only the members that count are read. A body that cannot be read is
//! refused.

mod body;
mod names;

use super::Judgement;
use crate::{
    config::{ConfigError, Section, nearest},
    model::{Api, Dialect},
};
use body::{Body, Held};
use names::{PARAMETERS, Parameter, parameter};
use serde_json::Value;
use std::collections::BTreeMap;

/// What it finds.
pub const ENTITIES: &[&str] = &["parameter"];

/// As written.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Settings {
    deny: Vec<String>,
    max: BTreeMap<String, f64>,
    min: BTreeMap<String, f64>,
    /// `[max_tokens]`, or with the value that they must have: `{store: false}`.
    require: Required,
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Required {
    Present(Vec<String>),
    Values(BTreeMap<String, Value>),
}

impl Default for Required {
    fn default() -> Self {
        Self::Present(Vec::new())
    }
}

/// What a rule is about.
enum Subject {
    Known(&'static Parameter),
    /// Names from the top of the body.
    Path(Vec<String>),
}

enum Rule {
    Deny,
    Max(f64),
    Min(f64),
    Present,
    Is(Value),
}

/// Rules for the parameters of requests.
pub struct ModelPolicy(Vec<(Subject, Rule)>);

impl ModelPolicy {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// With key path: no rule at all, a parameter that is not known, a bound that is no number.
    pub fn read(section: &Section) -> Result<Self, ConfigError> {
        let written: Settings = section.read()?;
        let mut rules = Vec::new();
        let mut add = |key: &str, name: &str, rule: Rule| {
            let subject = subject(name).map_err(|why| section.error(key, why))?;
            rules.push((subject, rule));
            Ok(())
        };
        for name in &written.deny {
            add("deny", name, Rule::Deny)?;
        }
        for (name, most) in written.max {
            add("max", &name, Rule::Max(most))?;
        }
        for (name, least) in written.min {
            add("min", &name, Rule::Min(least))?;
        }
        match written.require {
            Required::Present(names) => names.iter().try_for_each(|name| add("require", name, Rule::Present))?,
            Required::Values(values) => {
                values.into_iter().try_for_each(|(name, value)| add("require", &name, Rule::Is(value)))?;
            }
        }
        if rules.is_empty() {
            let why = "has no rule; set one of `deny`, `max`, `min`, `require`".to_owned();
            return Err(section.error("", why));
        }
        Ok(Self(rules))
    }

    /// What is wrong with the parameters of a request whose body is JSON; `None`: nothing.
    pub fn check(&self, api: Api, body: &[u8]) -> Option<Judgement> {
        let Some(body) = Body::read(body) else {
            let why = "the body is no JSON object, so that its parameters cannot be judged";
            return Some(judgement(why.to_owned()));
        };
        self.0.iter().find_map(|(subject, rule)| rule.judge(subject, api, &body)).map(judgement)
    }

    /// As [`Self::check`], of one field of a form. What is required is not asked for.
    pub fn check_field(&self, api: Api, name: &str, value: &str) -> Option<Judgement> {
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        let body = Body::of(name.trim_end_matches("[]"), value);
        let asked = self.0.iter().filter(|(_, rule)| !matches!(rule, Rule::Present | Rule::Is(_)));
        asked.filter_map(|(subject, rule)| rule.judge(subject, api, &body)).map(judgement).next()
    }
}

const fn judgement(why: String) -> Judgement {
    Judgement { entity: ENTITIES[0], why, flag_only: false }
}

fn subject(name: &str) -> Result<Subject, String> {
    if let Some(path) = name.strip_prefix('/') {
        return match path.split('/').all(|part| !part.is_empty()) {
            true => Ok(Subject::Path(path.split('/').map(ToOwned::to_owned).collect())),
            false => Err(format!("`{name}` is no place in a body; write such as `/generationConfig/topK`")),
        };
    }
    if let Some(known) = parameter(name) {
        return Ok(Subject::Known(known));
    }
    let all = || PARAMETERS.iter().map(|parameter| parameter.name);
    let hint = match nearest(name, all()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are {}", all().collect::<Vec<_>>().join(", ")),
    };
    Err(format!("`{name}` is no parameter; {hint} (a member by its place: `/{name}`)"))
}

impl Subject {
    fn name(&self) -> String {
        match self {
            Self::Known(known) => known.name.to_owned(),
            Self::Path(path) => format!("/{}", path.join("/")),
        }
    }

    /// The values that a request has for it, each with its name there.
    fn held(&self, api: Api, body: &Body) -> Vec<Held> {
        let known = match self {
            Self::Known(known) => known,
            Self::Path(path) => {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                return body.at(&path);
            }
        };
        let paths = match api.dialect() {
            Dialect::OpenAi => known.openai,
            Dialect::Anthropic => known.anthropic,
            Dialect::Gemini => known.gemini,
        };
        let mut held: Vec<Held> = paths.iter().flat_map(|path| body.at(&path.split('.').collect::<Vec<_>>())).collect();
        // What the response's `include` asks for by name.
        if known.name == "logprobs" {
            held.extend(body.listed("include", "logprobs"));
        }
        if !known.tools.is_empty() {
            held.extend(body.tools(known.tools));
        }
        held
    }

    /// Whether requests of this kind can have it.
    fn applies(&self, api: Api) -> bool {
        match (self, api.dialect()) {
            (Self::Path(_), _) => true,
            (Self::Known(known), _) if !api.converses() => known.openai.iter().any(|path| !path.contains('.')),
            (Self::Known(known), Dialect::OpenAi) => !known.openai.is_empty(),
            (Self::Known(known), Dialect::Anthropic) => !known.anthropic.is_empty(),
            (Self::Known(known), Dialect::Gemini) => !known.gemini.is_empty(),
        }
    }
}

impl Rule {
    fn judge(&self, subject: &Subject, api: Api, body: &Body) -> Option<String> {
        let held = subject.held(api, body);
        let first = |wrong: &dyn Fn(&Value) -> bool| held.iter().find(|one| wrong(&one.value));
        match self {
            Self::Deny => held.first().map(|one| format!("`{}` may not be used here; leave it out", one.name)),
            Self::Max(most) => first(&|value| !value.is_boolean() && number(value).is_none_or(|number| number > *most))
                .map(|one| format!("`{}` is at most {most} here", one.name)),
            Self::Min(least) => {
                first(&|value| !value.is_boolean() && number(value).is_none_or(|number| number < *least))
                    .map(|one| format!("`{}` is at least {least} here", one.name))
            }
            Self::Present => {
                (held.is_empty() && subject.applies(api)).then(|| format!("`{}` must be set here", subject.name()))
            }
            Self::Is(want) => {
                let other = first(&|value| !equal(value, want));
                let absent = held.is_empty() && subject.applies(api);
                (other.is_some() || absent).then(|| {
                    let name = other.map_or_else(|| subject.name(), |one| one.name.clone());
                    format!("`{name}` must be `{}` here", plain(want))
                })
            }
        }
    }
}

/// Some servers take numbers as texts.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    }
}

/// Fractions of YAML come as texts.
fn equal(value: &Value, want: &Value) -> bool {
    match (number(value), number(want)) {
        (Some(value), Some(want)) => value == want,
        _ => value == want,
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// The policy of `section`.
///
/// # Errors
///
/// As [`ModelPolicy::read`].
pub fn build(section: &Section) -> Result<ModelPolicy, ConfigError> {
    ModelPolicy::read(section)
}

#[cfg(test)]
mod tests;
