//! `openai_moderations`: OpenAI's moderation endpoint, or one that speaks like it.
//! <https://platform.openai.com/docs/api-reference/moderations/create>
//!
//! A category counts if the service says so, or, where `thresholds` names it, from that score on. A category that
//! counts blocks, unless `flag` lists it. `categories` are the only ones that are looked at; without it, all are.

use super::link::{Built, Link, settings};
use super::{Action, Asked, Flaw, RemoteError, RemoteGuard, Stride, Told, told};
use crate::config::{Secret, Section};
use async_trait::async_trait;
use http::header::AUTHORIZATION;
use std::collections::BTreeMap;
use std::sync::Arc;

const URL: &str = "https://api.openai.com/v1/moderations";
const PATH: &str = "/moderations";

settings! {
    /// As written.
    struct Settings {
        #[serde(default)]
        api_key: Option<Secret>,
        /// Default `omni-moderation-latest`.
        #[serde(default)]
        model: Option<String>,
        #[serde(default)]
        categories: Vec<String>,
        #[serde(default)]
        thresholds: BTreeMap<String, f64>,
        #[serde(default)]
        flag: Vec<String>,
    }
}

struct Moderations {
    link: Link,
    model: String,
    rules: Rules,
}

struct Rules {
    categories: Vec<String>,
    thresholds: BTreeMap<String, f64>,
    flag: Vec<String>,
}

#[derive(serde::Serialize)]
struct Question<'a> {
    model: &'a str,
    input: Vec<&'a str>,
}

#[derive(serde::Deserialize)]
struct Answer {
    results: Vec<Outcome>,
}

#[derive(serde::Deserialize)]
struct Outcome {
    /// `null` where a category does not apply to the model.
    categories: BTreeMap<String, Option<bool>>,
    #[serde(default)]
    category_scores: BTreeMap<String, Option<f64>>,
}

#[async_trait]
impl RemoteGuard for Moderations {
    async fn check(&self, asked: &Asked<'_>) -> Result<Told, RemoteError> {
        // The endpoint refuses empty texts.
        let input: Vec<&str> =
            asked.texts.iter().map(|text| text.text).filter(|text| !text.trim().is_empty()).collect();
        if input.is_empty() {
            return Ok(Told::default());
        }
        let turn = self.link.turn(asked).await?;
        let count = input.len();
        let question = Question { model: &self.model, input };
        let answer = turn.post(serde_json::to_vec(&question).expect("texts make JSON").into()).await?;
        self.rules.read(&answer, count).map_err(|flaw| turn.nonsense(flaw))
    }

    fn stride(&self) -> Stride {
        self.link.stride()
    }
}

impl Rules {
    fn read(&self, answer: &[u8], asked: usize) -> Result<Told, Flaw> {
        let answer: Answer = serde_json::from_slice(answer)?;
        if answer.results.len() != asked {
            return Err(Flaw::Count { found: answer.results.len(), asked });
        }
        let mut said = Told::default();
        let mut blocking: Vec<String> = Vec::new();
        for outcome in &answer.results {
            let listed = self.categories.iter().chain(self.thresholds.keys());
            if !listed.into_iter().all(|name| outcome.categories.contains_key(name)) {
                return Err(Flaw::Contradiction(
                    "it lacks a category of `categories` or `thresholds`; see the model's list",
                ));
            }
            for (name, service) in &outcome.categories {
                if !self.counts(name, *service == Some(true), outcome)? {
                    continue;
                }
                told::count(&mut said.entities, name, 1)?;
                if self.flag.contains(name) {
                    said.action = if blocking.is_empty() { Action::Flag } else { Action::Block };
                } else {
                    said.action = Action::Block;
                    blocking.push(told::entity(name));
                }
            }
        }
        blocking.sort_unstable();
        blocking.dedup();
        said.reason = (!blocking.is_empty()).then(|| format!("moderation: {}", blocking.join(", ")));
        Ok(said)
    }

    fn counts(&self, name: &str, service: bool, outcome: &Outcome) -> Result<bool, Flaw> {
        if !self.categories.is_empty() && !self.categories.iter().any(|known| known == name) {
            return Ok(false);
        }
        let Some(threshold) = self.thresholds.get(name) else { return Ok(service) };
        let score = outcome.category_scores.get(name).copied().flatten().ok_or(Flaw::Score)?;
        if (0.0..=1.0).contains(&score) { Ok(score >= *threshold) } else { Err(Flaw::Score) }
    }
}

/// The guard of `section`.
///
/// # Errors
///
/// With key path.
pub(in crate::guard) fn build(section: &Section) -> Built {
    let mut settings: Settings = section.read()?;
    if let Some((name, score)) = settings.thresholds.iter().find(|(_, score)| !(0.0..=1.0).contains(*score)) {
        return Err(section.error("thresholds", format!("`{name}` is {score}; write a score from 0 to 1")));
    }
    let known = |name: &String| settings.categories.is_empty() || settings.categories.contains(name);
    if let Some(name) = settings.thresholds.keys().chain(&settings.flag).find(|name| !known(name)) {
        let why = format!("lacks `{name}`, which `thresholds` or `flag` names; add it here or take it out there");
        return Err(section.error("categories", why));
    }
    let mut link = Link::new(section, settings.way(), Some(URL), PATH)?;
    if let Some(key) = &settings.api_key {
        let bearer = format!("Bearer {}", key.expose());
        link.set_header(AUTHORIZATION, &bearer).map_err(|why| section.error("api_key", why))?;
    }
    let Settings { model, categories, thresholds, flag, .. } = settings;
    let model = model.unwrap_or_else(|| "omni-moderation-latest".to_owned());
    Ok(Arc::new(Moderations { link, model, rules: Rules { categories, thresholds, flag } }))
}
