//! Opening the row of an attempt, before anything of it is sent.

use super::exchange::Opened;
use super::gateway::Services;
use super::reject::Reject;
use super::target::Target;
use crate::{
    ledger::budget::Hold,
    ledger::{OpenAttempt, OpenPrice, Opening},
    model::{AttemptId, Units},
    tokens,
};
use std::sync::Arc;

/// Whose row it is, and what recovery charges by.
#[derive(Debug, Clone, Copy)]
pub struct RowOf<'a> {
    /// The provider's name in the file.
    pub provider: &'a Arc<str>,
    /// The model's name there.
    pub model: &'a Arc<str>,
    /// Its price; `None`: not known.
    pub price: Option<&'a OpenPrice>,
    /// Tokens of input that recovery charges; `None`: as many as the body's text has.
    pub input: Option<u64>,
}

impl<'a> RowOf<'a> {
    /// A target's own.
    pub fn target(target: &'a Target) -> Self {
        Self { provider: &target.provider_name, model: &target.model, price: target.open_price.as_ref(), input: None }
    }
}

/// Journals attempt `number` before anything of it is sent.
///
/// # Errors
///
/// [`Reject::LedgerUnavailable`]: nothing is sent unbooked.
pub fn open_row(
    services: &Services,
    opened: &Opened,
    of: &RowOf<'_>,
    number: u16,
    hold: Option<Hold>,
) -> Result<OpenAttempt, Reject> {
    let opening = Opening {
        id: AttemptId { request: opened.arrival.id, attempt: number },
        request_label: Arc::clone(&opened.arrival.label),
        opened_us: services.clock.now_us(),
        key: Arc::clone(&opened.caller.key),
        team: Arc::clone(&opened.caller.team),
        user: opened.user.clone(),
        model: Arc::clone(&opened.model),
        api: opened.ask.api.name(),
        stream: opened.ask.stream,
        provider: Arc::clone(of.provider),
        target_model: Arc::clone(of.model),
        // Of units nothing is known after a crash: what is held is charged then, and not their tokens alone.
        price: of.price.filter(|_| opened.ask.demand.units == Units::default()).cloned(),
        estimated_input_tokens: match of.input {
            Some(input) => input,
            None if opened.ask.api.billed() => tokens::estimate_tokens(opened.ask.text_bytes),
            None => 0,
        },
        charges: hold.as_ref().map(|hold| hold.charged().to_vec()).unwrap_or_default(),
    };
    let begun = services.ledger.begin(opening).map_err(|error| {
        tracing::error!(%error, "the ledger refused an attempt; the request is answered with 503");
        Reject::LedgerUnavailable
    });
    begun.map(|mut row| {
        if let Some(hold) = hold {
            row.carry(hold);
        }
        row
    })
}
