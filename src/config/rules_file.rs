//! Limits and budgets as written.

use super::quantity::{Percent, Price, Whole};
use super::rules::{Calendar, Estimates, Mode, Per};
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;
use std::fmt;

/// A limit: exactly one of `requests`, `tokens` and `concurrent`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitFile {
    pub(super) requests: Option<Whole>,
    pub(super) tokens: Option<Whole>,
    pub(super) concurrent: Option<Whole>,
    pub(super) per: Option<Per>,
    pub(super) each: Option<String>,
    #[serde(default)]
    pub(super) mode: Mode,
}

/// A budget: exactly one of `usd` and `tokens`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BudgetFile {
    pub(super) name: Option<String>,
    pub(super) usd: Option<Price>,
    pub(super) tokens: Option<Whole>,
    pub(super) per: Calendar,
    pub(super) zone: Option<String>,
    pub(super) each: Option<String>,
    #[serde(default)]
    pub(super) overrides: BTreeMap<String, Price>,
    #[serde(default)]
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) alerts: Option<Vec<Option<Percent>>>,
    #[serde(default)]
    pub(super) mode: Mode,
    pub(super) min_output_tokens: Option<Whole>,
    pub(super) on_exhausted: Option<OnExhaustedFile>,
}

/// What the probe `generate` may cost.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProbeBudgetFile {
    pub(super) usd: Price,
    pub(super) per: Calendar,
}

/// Lists of them, as they stand in a scope.
pub(super) type LimitsFile = Option<Vec<Option<LimitFile>>>;
/// As [`LimitsFile`].
pub(super) type BudgetsFile = Option<Vec<Option<BudgetFile>>>;

/// The rules of one scope alone: what a key that is made at run time brings along.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RulesFile {
    pub(super) limits: LimitsFile,
    pub(super) budgets: BudgetsFile,
}

/// `budgeting:`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct BudgetingFile {
    pub(super) estimates: Estimates,
    pub(super) default_max_output_tokens: Option<Whole>,
    pub(super) exhausted_status: Option<Whole>,
    pub(super) zone: Option<String>,
}

/// `refuse`, or `{ fallback: MODEL, at: 80% }`.
#[derive(Debug, Clone)]
pub(super) enum OnExhaustedFile {
    Refuse,
    Fallback(FallbackFile),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FallbackFile {
    pub(super) fallback: String,
    pub(super) at: Option<Percent>,
}

impl<'de> Deserialize<'de> for OnExhaustedFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OnExhaustedVisitor)
    }
}

struct OnExhaustedVisitor;

impl<'de> de::Visitor<'de> for OnExhaustedVisitor {
    type Value = OnExhaustedFile;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("`refuse`, or a mapping such as `{ fallback: cheap-model, at: 80% }`")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<OnExhaustedFile, E> {
        match word {
            "refuse" => Ok(OnExhaustedFile::Refuse),
            _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
        }
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<OnExhaustedFile, A::Error> {
        FallbackFile::deserialize(de::value::MapAccessDeserializer::new(map)).map(OnExhaustedFile::Fallback)
    }
}
