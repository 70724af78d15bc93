//! `presidio`: the analyzer of Presidio, asked once a text, at most four at a time.
//! <https://microsoft.github.io/presidio/api-docs/api-docs.html#tag/Analyzer/paths/~1analyze/post>
//!
//! What it finds is told with its place, so that the rule's action (redact, mask, tokenize …) can be taken on it. It
//! counts places in code points, as Python does.

use super::link::{Built, Link, Turn, settings};
use super::places::{Spot, in_bytes};
use super::{Action, Asked, Flaw, RemoteError, RemoteGuard, Stride, Told, told};
use crate::config::Section;
use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use std::ops::Range;
use std::sync::Arc;

const PATH: &str = "/analyze";
/// Texts of one check that are analyzed at once.
const AT_ONCE: usize = 4;

settings! {
    /// As written.
    struct Settings {
        /// Default `en`; the analyzer must know it.
        #[serde(default)]
        language: Option<String>,
        /// What is looked for. Default: all that the analyzer knows.
        #[serde(default)]
        entities: Vec<String>,
        /// Default 0.5.
        #[serde(default)]
        score_threshold: Option<f64>,
    }
}

struct Presidio {
    link: Link,
    language: String,
    entities: Vec<String>,
    score_threshold: f64,
}

#[derive(serde::Serialize)]
struct Question<'a> {
    text: &'a str,
    language: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    entities: &'a [String],
    score_threshold: f64,
}

#[derive(serde::Deserialize)]
struct Found {
    entity_type: String,
    start: u64,
    end: u64,
    score: f64,
}

#[async_trait]
impl RemoteGuard for Presidio {
    async fn check(&self, asked: &Asked<'_>) -> Result<Told, RemoteError> {
        let texts: Vec<(usize, &str)> =
            asked.texts.iter().map(|text| text.text).enumerate().filter(|(_, text)| !text.trim().is_empty()).collect();
        if texts.is_empty() {
            return Ok(Told::default());
        }
        let turn = self.link.turn(asked).await?;
        let mut calls = Vec::with_capacity(texts.len());
        for (index, text) in texts {
            calls.push(self.analyze(&turn, index, text));
        }
        let found: Vec<Places> = stream::iter(calls).buffered(AT_ONCE).try_collect().await?;
        let mut said = Told::default();
        for (index, at, entity) in found.into_iter().flatten() {
            told::count(&mut said.entities, &entity, 1).map_err(|flaw| turn.nonsense(flaw))?;
            said.spans.push((index, at, entity));
        }
        said.action = if said.spans.is_empty() { Action::Allow } else { Action::Flag };
        Ok(said)
    }

    fn stride(&self) -> Stride {
        self.link.stride()
    }
}

type Places = Vec<(usize, Range<usize>, String)>;

impl Presidio {
    async fn analyze(&self, turn: &Turn<'_>, index: usize, text: &str) -> Result<Places, RemoteError> {
        let question = Question {
            text,
            language: &self.language,
            entities: &self.entities,
            score_threshold: self.score_threshold,
        };
        let answer = turn.post(serde_json::to_vec(&question).expect("texts make JSON").into()).await?;
        let places = self.read(&answer, text).map_err(|flaw| turn.nonsense(flaw))?;
        Ok(places.into_iter().map(|(at, entity)| (index, at, entity)).collect())
    }

    fn read(&self, answer: &[u8], text: &str) -> Result<Vec<(Range<usize>, String)>, Flaw> {
        let found: Vec<Found> = serde_json::from_slice(answer)?;
        if found.iter().any(|one| !(0.0..=1.0).contains(&one.score)) {
            return Err(Flaw::Score);
        }
        let spots = found
            .iter()
            .filter(|one| one.score >= self.score_threshold)
            .map(|one| Spot { from: one.start, to: one.end, entity: &one.entity_type, score: one.score })
            .collect();
        let places = in_bytes(text, spots)?;
        Ok(places.into_iter().map(|(at, entity)| (at, told::entity(entity))).collect())
    }
}

/// The guard of `section`.
///
/// # Errors
///
/// With key path.
pub(in crate::guard) fn build(section: &Section) -> Built {
    let mut settings: Settings = section.read()?;
    let score_threshold = settings.score_threshold.unwrap_or(0.5);
    if !(0.0..=1.0).contains(&score_threshold) {
        let why = format!("is {score_threshold}; write a score from 0 to 1");
        return Err(section.error("score_threshold", why));
    }
    let link = Link::new(section, settings.way(), None, PATH)?;
    let language = settings.language.unwrap_or_else(|| "en".to_owned());
    Ok(Arc::new(Presidio { link, language, entities: settings.entities, score_threshold }))
}
