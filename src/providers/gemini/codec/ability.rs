//! What a model takes, by its version.
//!
//! Told by <https://ai.google.dev/gemini-api/docs/thinking>, <https://ai.google.dev/gemini-api/docs/thought-signatures> and
//! <https://ai.google.dev/gemini-api/docs/models>. A name without a version (`gemini-flash-latest`) is the newest.

use crate::model::{Effort, Thinking};
use serde::Serialize;

/// What a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ability {
    /// The major version; the newest where none is told.
    version: u8,
    /// `pro`, which always thinks.
    pro: bool,
    /// `flash`
    flash: bool,
}

/// `thinkingConfig`
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThinkingConfig {
    /// From version 3 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<&'static str>,
    /// Before; -1: as much as the model likes.
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    include_thoughts: Option<bool>,
}

impl Ability {
    /// Of the model of this name.
    pub(super) fn of(model: &str) -> Self {
        let rest = model.find("gemini-").and_then(|at| model.get(at + "gemini-".len()..)).unwrap_or("");
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let version = rest.get(..digits).and_then(|digits| digits.parse().ok()).unwrap_or(u8::MAX);
        Self { version, pro: model.contains("pro"), flash: model.contains("flash") }
    }

    /// Sampling, penalties and several answers: from version 4 on they are ignored or refused.
    pub(super) const fn sampling(self) -> bool {
        self.version < 4 || self.version == u8::MAX
    }

    /// Calls must bear the signature of the thought before them; from version 3 on.
    pub(super) const fn signed_calls(self) -> bool {
        self.version >= 3
    }

    /// Results of tools may hold pictures; from version 3 on.
    pub(super) const fn rich_results(self) -> bool {
        self.version >= 3
    }

    /// JSON answers where tools are declared; from version 3 on.
    pub(super) const fn json_beside_tools(self) -> bool {
        self.version >= 3
    }

    /// What is to be said of `asked`.
    pub(super) fn thinking(self, asked: &Thinking) -> Option<ThinkingConfig> {
        if !asked.is_said() {
            return None;
        }
        let off = !asked.is_on() && (asked.off || asked.effort == Some(Effort::None) || asked.budget_tokens == Some(0));
        let shown = asked.shown.filter(|_| !off);
        let mut config = ThinkingConfig { include_thoughts: shown, ..ThinkingConfig::default() };
        if self.version >= 3 {
            config.thinking_level = self.level(asked, off);
        } else {
            config.thinking_budget = self.budget(asked, off);
        }
        (config != ThinkingConfig::default()).then_some(config)
    }

    /// The level; none: the model's own. Thinking cannot be turned off; the least that all know is `low`.
    fn level(self, asked: &Thinking, off: bool) -> Option<&'static str> {
        let minimal = self.version == 3 && self.flash;
        let effort = asked.effort.or_else(|| asked.budget_tokens.map(Effort::by_budget));
        match effort {
            _ if off => Some(if minimal { "minimal" } else { "low" }),
            Some(Effort::None | Effort::Minimal) if minimal => Some("minimal"),
            Some(Effort::None | Effort::Minimal | Effort::Low) => Some("low"),
            Some(Effort::Medium) => Some("medium"),
            Some(Effort::High | Effort::XHigh | Effort::Max) => Some("high"),
            None => None,
        }
    }

    /// The budget, within what the models of version 2.5 take.
    fn budget(self, asked: &Thinking, off: bool) -> Option<i64> {
        let (least, most) = if self.pro { (128, 32_768) } else { (512, 24_576) };
        let tokens = asked.budget_tokens.or_else(|| asked.effort.map(Effort::budget_tokens));
        match tokens {
            _ if off => Some(if self.pro { least } else { 0 }),
            Some(tokens) => Some(i64::try_from(tokens).unwrap_or(most).clamp(least, most)),
            None => asked.adaptive.then_some(-1),
        }
    }
}
