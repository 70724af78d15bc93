//! How much the model may think, as the model at hand takes it.

use super::ability::{Ability, Off};
use super::blocks::{Block, Turn};
use crate::model::{Effort, Thinking};
use serde::Serialize;

/// `thinking`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Form {
    Enabled {
        budget_tokens: u64,
    },
    Adaptive {
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
    },
    Disabled,
    BetweenTools,
}

/// What is said of it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) form: Option<Form>,
    /// `output_config.effort`
    pub(super) effort: Option<&'static str>,
}

impl Said {
    /// Whether the model thinks by what is said: then its sampling is its own.
    pub(super) fn is_on(&self) -> bool {
        matches!(self.form, Some(Form::Enabled { .. } | Form::Adaptive { .. }))
    }
}

/// Least budget that is taken.
const LEAST: u64 = 1_024;

/// What is to be said of `asked`. A call that is `forced` excludes thinking, and what must be called counts more
/// (<https://platform.claude.com/docs/en/build-with-claude/extended-thinking>).
///
/// `bare_calls` tells whether the history [ends in bare calls](ends_in_bare_calls).
pub(super) fn said(
    asked: &Thinking,
    ability: Ability,
    max_tokens: u64,
    forced: bool,
    bare_calls: impl FnOnce() -> bool,
) -> Said {
    if !asked.is_said() {
        return Said::default();
    }
    let off = asked.off || asked.effort == Some(Effort::None) || asked.budget_tokens == Some(0);
    if off && !asked.is_on() {
        return turned_off(ability);
    }
    let on = asked.is_on();
    if ability.adaptive {
        let effort = asked.effort.or_else(|| asked.budget_tokens.map(Effort::by_budget));
        let display = asked.shown.map(|shown| if shown { "summarized" } else { "omitted" });
        let form = match (on, forced) {
            (true, true) => turned_off(ability).form,
            (true, false) => Some(Form::Adaptive { display }),
            // It thinks by itself, and is to show it or not.
            (false, false) if display.is_some() && ability.off != Off::Default => Some(Form::Adaptive { display }),
            (false, _) => None,
        };
        // More effort than `high` excludes that thinking is turned off.
        let most = if form == Some(Form::Disabled) { Effort::High } else { Effort::Max };
        return Said { form, effort: effort.and_then(|effort| word(effort.min(most), ability)) };
    }
    let fits = on && !forced && !bare_calls();
    let budget = budget(asked, max_tokens).filter(|_| fits);
    Said { form: budget.map(|budget_tokens| Form::Enabled { budget_tokens }), effort: None }
}

fn turned_off(ability: Ability) -> Said {
    match ability.off {
        Off::Default => Said::default(),
        Off::Disabled => Said { form: Some(Form::Disabled), effort: None },
        Off::BetweenTools => Said { form: Some(Form::BetweenTools), effort: None },
        Off::LeastEffort => Said { form: None, effort: Some("low") },
    }
}

/// The budget: at least [`LEAST`] and less than `max_tokens`, which it is part of. One that follows from an effort leaves
/// a fifth for the answer. `None`: it does not fit.
fn budget(asked: &Thinking, max_tokens: u64) -> Option<u64> {
    let most = max_tokens.saturating_sub(1);
    let budget = match (asked.budget_tokens, asked.effort) {
        (Some(tokens), _) => tokens.min(most),
        (None, effort) => effort.unwrap_or(Effort::Medium).budget_tokens().min(most / 5 * 4),
    };
    (most >= LEAST && (budget >= LEAST || asked.budget_tokens.is_some())).then(|| budget.max(LEAST))
}

/// <https://platform.claude.com/docs/en/build-with-claude/effort>
const fn word(effort: Effort, ability: Ability) -> Option<&'static str> {
    match effort {
        Effort::None => None,
        Effort::Minimal | Effort::Low => Some("low"),
        Effort::Medium => Some("medium"),
        Effort::XHigh if ability.xhigh => Some("xhigh"),
        Effort::High | Effort::XHigh => Some("high"),
        Effort::Max => Some("max"),
    }
}

/// Whether the model's last turn calls tools without having thought: going on with a budget is refused then, for the
/// turn of a model that thinks begins with its thought.
pub(super) fn ends_in_bare_calls(turns: &[Turn<'_>]) -> bool {
    let Some(last) = turns.iter().rev().find(|turn| turn.role == "assistant") else { return false };
    let has = |wanted: fn(&Block<'_>) -> bool| last.content.iter().any(wanted);
    has(|block| matches!(block, Block::ToolUse { .. }))
        && !has(|block| matches!(block, Block::Thinking { .. } | Block::RedactedThinking { .. }))
}
