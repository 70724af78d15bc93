//! One attempt: what was known before it was sent, and how it ended.

use crate::config::Unit;
use crate::ledger::budget::Charged;
use crate::ledger::journal::frame::{
    ChargeFrame, ChargedFrame, Frame, OpenFrame, PriceFrame, SettleFrame, SettleMoreFrame, SettleSavedFrame, bounded,
};
use crate::ledger::journal::used::{self, MoreUsage};
use crate::model::{Api, AttemptId, NanoUsd, ServiceTier, Usage, UsageOrigin};
use std::collections::HashSet;
use std::sync::Arc;

/// Everything that is known of an attempt before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The gateway's own id, and which attempt.
    pub id: AttemptId,
    /// The client's `x-request-id`, else the id.
    pub request_label: Arc<str>,
    /// When, in microseconds since the Unix epoch.
    pub opened_us: u64,
    /// The virtual key's name.
    pub key: Arc<str>,
    /// Who pays.
    pub team: Arc<str>,
    /// The end user, as the client says.
    pub user: Option<Arc<str>>,
    /// The name that the client asked for.
    pub model: Arc<str>,
    /// `Api::name()`.
    pub api: &'static str,
    /// Whether the answer is a stream.
    pub stream: bool,
    /// The upstream's name in the configuration.
    pub provider: Arc<str>,
    /// The model's name at the provider.
    pub target_model: Arc<str>,
    /// What recovery charges by; `None`: the price is not known.
    pub price: Option<OpenPrice>,
    /// Input tokens as estimated from the body.
    pub estimated_input_tokens: u64,
    /// The balances that the attempt is charged to: `Hold::charged`.
    pub charges: Vec<Charged>,
}

/// The price that an attempt is charged at when nobody lived to settle it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPrice {
    /// Version of the price data.
    pub version: Arc<str>,
    /// Nano-dollars per million input tokens.
    pub input_nano_per_million: u64,
    /// Nano-dollars per million output tokens.
    pub output_nano_per_million: u64,
}

impl OpenPrice {
    /// Cost in nano-dollars, rounded up; at most what 64 bits hold.
    pub fn cost(&self, input_tokens: u64, output_tokens: u64) -> NanoUsd {
        let part = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
        let millionths = part(input_tokens, self.input_nano_per_million)
            .saturating_add(part(output_tokens, self.output_nano_per_million));
        NanoUsd(i64::try_from(millionths.div_ceil(1_000_000)).unwrap_or(i64::MAX))
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The upstream's status; 0: there was no answer.
    pub status: u16,
    /// Tokens and units by class; a class past 2^63 - 1 is recorded as that.
    pub usage: Usage,
    /// Where the figures came from.
    pub origin: UsageOrigin,
    /// What it cost, never negative; `None`: the price is not known.
    pub cost: Option<NanoUsd>,
    /// Of an answer that was given again: what it had cost, never negative; else 0.
    pub saved: NanoUsd,
    /// Version of the price data.
    pub price_version: Option<Arc<str>>,
    /// The tier that the answer reported.
    pub tier: ServiceTier,
    /// From opening to end, in microseconds.
    pub latency_us: u64,
    /// From opening to the first output, in microseconds.
    pub first_token_us: Option<u64>,
    /// What the gateway itself added, in microseconds.
    pub overhead_us: Option<u64>,
    /// Stable code of what went wrong.
    pub error: Option<String>,
}

/// One attempt that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its beginning.
    pub opening: Opening,
    /// Its end.
    pub settlement: Settlement,
}

impl Opening {
    /// As a record of the journal.
    pub(crate) fn frame(&self) -> OpenFrame<'_> {
        OpenFrame {
            id: self.id,
            opened_us: self.opened_us,
            request_label: bounded(&self.request_label),
            key: bounded(&self.key),
            team: bounded(&self.team),
            user: self.user.as_deref().map(bounded),
            model: bounded(&self.model),
            api: self.api,
            stream: self.stream,
            provider: bounded(&self.provider),
            target_model: bounded(&self.target_model),
            price: self.price.as_ref().map(|price| PriceFrame {
                version: bounded(&price.version),
                input_nano_per_million: price.input_nano_per_million,
                output_nano_per_million: price.output_nano_per_million,
            }),
            estimated_input_tokens: self.estimated_input_tokens,
        }
    }

    /// The record to write: of an attempt without charges as version 0.1.0 wrote it.
    pub(crate) fn record(&self) -> Frame<'_> {
        if self.charges.is_empty() {
            return Frame::Open(self.frame());
        }
        let charges = self.charges.iter().map(charge_frame).collect();
        Frame::OpenCharged(ChargedFrame { open: self.frame(), charges })
    }

    /// What a record says it is charged to.
    pub(crate) fn charged_to(mut self, charges: &[ChargeFrame<'_>], names: &mut Names) -> Self {
        let charge = |charge: &ChargeFrame<'_>| Charged {
            budget: names.intern(charge.budget),
            entity: names.intern(charge.entity),
            period_us: charge.period_us,
            unit: if charge.tokens { Unit::Tokens } else { Unit::Usd },
            held: charge.held,
        };
        self.charges = charges.iter().map(charge).collect();
        self
    }

    /// What is held for its cost; 0 without a money budget.
    pub(crate) fn held_nano(&self) -> i64 {
        let held = self.charges.iter().filter(|charge| charge.unit == Unit::Usd).map(|charge| charge.held);
        held.max().unwrap_or(0)
    }

    /// From a record of the journal.
    pub(crate) fn from_frame(frame: &OpenFrame<'_>, names: &mut Names) -> Self {
        Self {
            id: frame.id,
            request_label: Arc::from(frame.request_label),
            opened_us: frame.opened_us,
            key: names.intern(frame.key),
            team: names.intern(frame.team),
            user: frame.user.map(Arc::from),
            model: names.intern(frame.model),
            api: api_name(frame.api),
            stream: frame.stream,
            provider: names.intern(frame.provider),
            target_model: names.intern(frame.target_model),
            price: frame.price.as_ref().map(|price| OpenPrice {
                version: names.intern(price.version),
                input_nano_per_million: price.input_nano_per_million,
                output_nano_per_million: price.output_nano_per_million,
            }),
            estimated_input_tokens: frame.estimated_input_tokens,
            charges: Vec::new(),
        }
    }

    /// How recovery settles the attempt: as if it had been sent, with what is known of it.
    ///
    /// The row of a session is open before its response begins: one of which nothing was seen costs nothing.
    pub(crate) fn crashed(&self, output_tokens: u64) -> Settlement {
        if output_tokens == 0 && *self.api == *Api::Realtime.name() {
            return self.unsent("crashed", 0);
        }
        self.estimated(output_tokens, "crashed", 0)
    }

    /// Settled without usage from anybody: the input as estimated, the output as seen.
    pub(crate) fn estimated(&self, output_tokens: u64, error: &str, latency_us: u64) -> Settlement {
        let input = self.estimated_input_tokens;
        Settlement {
            status: 0,
            usage: Usage { input, output: output_tokens, ..Usage::default() },
            origin: UsageOrigin::Estimated,
            cost: self.price.as_ref().map(|price| price.cost(input, output_tokens)),
            saved: NanoUsd::ZERO,
            price_version: self.price.as_ref().map(|price| Arc::clone(&price.version)),
            tier: ServiceTier::Standard,
            latency_us,
            first_token_us: None,
            overhead_us: None,
            error: Some(error.to_owned()),
        }
    }

    /// Settled before it was sent whole: nothing was used, and it costs nothing.
    pub(crate) fn unsent(&self, error: &str, latency_us: u64) -> Settlement {
        let nothing = Usage::default();
        let estimated = self.estimated(0, error, latency_us);
        Settlement { usage: nothing, origin: UsageOrigin::None, cost: Some(NanoUsd::ZERO), ..estimated }
    }
}

impl Settlement {
    /// The record to write: of an attempt that used text and sound alone as versions before wrote it.
    pub(crate) fn record(&self, id: AttemptId) -> Frame<'_> {
        let (tokens, more) = used::split(&self.usage);
        let settle = SettleFrame {
            id,
            status: self.status,
            usage: tokens,
            origin: self.origin,
            cost_nano: self.cost.map(|cost| cost.0),
            price_version: self.price_version.as_deref().map(bounded),
            tier: self.tier,
            latency_us: self.latency_us,
            first_token_us: self.first_token_us,
            overhead_us: self.overhead_us,
            error: self.error.as_deref().map(bounded),
        };
        match more {
            _ if self.saved != NanoUsd::ZERO => Frame::SettleSaved(SettleSavedFrame {
                settle,
                more: more.unwrap_or_default(),
                saved_nano: self.saved.0,
            }),
            Some(more) => Frame::SettleMore(SettleMoreFrame { settle, more }),
            None => Frame::Settle(settle),
        }
    }

    /// From a record of the journal; `more`: what it says beside text and sound, `saved`: of an answer that was given again.
    pub(crate) fn from_frame(frame: &SettleFrame<'_>, more: MoreUsage, saved: NanoUsd, names: &mut Names) -> Self {
        Self {
            status: frame.status,
            usage: used::joined(frame.usage, more),
            origin: frame.origin,
            cost: frame.cost_nano.map(NanoUsd),
            saved,
            price_version: frame.price_version.map(|version| names.intern(version)),
            tier: frame.tier,
            latency_us: frame.latency_us,
            first_token_us: frame.first_token_us,
            overhead_us: frame.overhead_us,
            error: frame.error.map(str::to_owned),
        }
    }

    /// Keeps every figure within what the store holds (63 bits), and costs from being negative.
    pub(crate) fn bounded(mut self) -> Self {
        let fit = |n: u64| n.min(i64::MAX as u64);
        self.usage.classes_mut().into_iter().for_each(|class| *class = fit(*class));
        self.cost = self.cost.map(|cost| cost.max(NanoUsd::ZERO));
        self.saved = self.saved.max(NanoUsd::ZERO);
        self.latency_us = fit(self.latency_us);
        self.first_token_us = self.first_token_us.map(fit);
        self.overhead_us = self.overhead_us.map(fit);
        self
    }

    /// Input and output tokens together, as token budgets are charged for them; at most what 63 bits hold. Units are no
    /// tokens.
    pub fn tokens(&self) -> i64 {
        let tokens = self.usage.input_total().saturating_add(self.usage.output_total());
        i64::try_from(tokens).unwrap_or(i64::MAX)
    }

    /// Whether the attempt failed: no answer, a bad status, or an error after a good one.
    pub(crate) fn failed(&self) -> bool {
        self.error.is_some() || self.status == 0 || self.status >= 400
    }
}

fn charge_frame(charge: &Charged) -> ChargeFrame<'_> {
    ChargeFrame {
        budget: bounded(&charge.budget),
        entity: bounded(&charge.entity),
        period_us: charge.period_us,
        tokens: charge.unit == Unit::Tokens,
        held: charge.held,
    }
}

/// The static name of an API; one that this version does not know is `other`.
pub(crate) fn api_name(name: &str) -> &'static str {
    Api::ALL.into_iter().map(Api::name).find(|known| *known == name).unwrap_or("other")
}

/// Names that repeat on every row, kept once.
#[derive(Debug, Default)]
pub(crate) struct Names(HashSet<Arc<str>>);

/// Past it the set is emptied: names come from the configuration, and there are not so many.
const MAX_NAMES: usize = 20_000;

impl Names {
    pub(crate) fn intern(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        if self.0.len() >= MAX_NAMES {
            self.0.clear();
        }
        let name: Arc<str> = Arc::from(name);
        self.0.insert(Arc::clone(&name));
        name
    }
}
