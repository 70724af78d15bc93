//! From usage to money: the one place where tokens and units become nano-dollars.

use super::fallback::{Published, Rates, complete};
use super::{Rate, written};
use crate::model::{NanoUsd, ServiceTier, Usage};
use std::fmt::Write;
use std::sync::Arc;

/// What one model costs: a rate for each class of usage, by service tier and by size of the input. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    version: Arc<str>,
    /// As published, for overrides that replace a part of it.
    published: Arc<[Published]>,
    /// Ascending by `above`; the first one is above 0, which every request reaches.
    sizes: Arc<[Size]>,
}

/// The rates of requests whose input is larger than `above` tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) above: u64,
    /// In the order of [`slot`].
    pub(super) tiers: [Rates; 4],
}

impl Price {
    /// A price of the rows that were published for one model.
    pub(super) fn of(version: Arc<str>, published: Vec<Published>) -> Self {
        let sizes = complete(&published).into();
        Self { version, published: published.into(), sizes }
    }

    /// Cost of `usage` when the answer reports `tier`, in nano-dollars: exact, and rounded up once, on the sum over all
    /// classes, so that what is settled never falls below the bill.
    ///
    /// The input's size (tokens of all classes) picks the rates of the whole request, so that a request cut
    /// in two may be cheaper than the whole one. A class that was not used needs no price.
    ///
    /// # Errors
    ///
    /// [`CostError::Unpriced`] when a class was used that has no price; [`CostError::Overflow`] past 64 bits. Neither
    /// is free: the caller records the state, and refuses where a money budget applies.
    pub fn cost(&self, usage: &Usage, tier: ServiceTier) -> Result<NanoUsd, CostError> {
        let Some(size) = self.size_of(usage.input_total()) else {
            return if usage.is_zero() { Ok(NanoUsd::ZERO) } else { Err(CostError::Unpriced { class: "input" }) };
        };
        let mut sum = 0u128;
        for ((class, used), rate) in usage.classes().into_iter().zip(size.tiers[slot(tier)]) {
            if used == 0 {
                continue;
            }
            let Some(rate) = rate else { return Err(CostError::Unpriced { class }) };
            let part = u128::from(used) * u128::from(rate.nanos_per_million());
            sum = sum.checked_add(part).ok_or(CostError::Overflow)?;
        }
        i64::try_from(sum.div_ceil(PER_RATE)).map(NanoUsd).map_err(|_| CostError::Overflow)
    }

    /// The list, and the row in it: `2026-11-23.2/openai/gpt-4o-mini`. For prices of the configuration the name they were
    /// set under and a hash of what was set: `config/my-model#1f2e3d4c5b6a`. It stands on each row of the ledger, so
    /// that the row can be rated again.
    pub const fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// Nano-dollars for a million ordinary input tokens of a small request at the ordinary tier.
    pub fn standard_input(&self) -> Option<u64> {
        self.standard("input")
    }

    /// Nano-dollars for a million ordinary output tokens of a small request at the ordinary tier.
    pub fn standard_output(&self) -> Option<u64> {
        self.standard("output")
    }

    /// The dearest that one token of input or output can cost in a request of at most `input_tokens`, whichever of
    /// `tiers` the answer will report and whatever is cached or thought: for reservations. Classes that the request
    /// cannot reach are left out by `reach`.
    pub fn dearest(&self, input_tokens: u64, tiers: &[ServiceTier], reach: Reach) -> Dearest {
        let reached = self.sizes.iter().filter(|size| size.above == 0 || size.above < input_tokens);
        let rates = reached.flat_map(|size| tiers.iter().map(|tier| size.tiers[slot(*tier)]));
        rates.fold(Dearest::default(), |dearest, rates| {
            let rates = rates.map(|rate| rate.map(Rate::nanos_per_million));
            let [input, cache_read, write_5m, write_1h, output, reasoning, audio_input, audio_output, more @ ..] =
                rates;
            let [image_input, image_output, images, audio_ms, characters, searches] = more;
            let written = write_5m.filter(|_| reach.cache_writes).max(write_1h.filter(|_| reach.cache_hour));
            Dearest {
                input: dearest.input.max(input).max(cache_read).max(written),
                output: dearest.output.max(output).max(reasoning),
                audio_input: dearest.audio_input.max(audio_input),
                audio_output: dearest.audio_output.max(audio_output),
                image_input: dearest.image_input.max(image_input),
                image_output: dearest.image_output.max(image_output),
                images: dearest.images.max(images),
                audio_ms: dearest.audio_ms.max(audio_ms),
                characters: dearest.characters.max(characters),
                searches: dearest.searches.max(searches),
            }
        })
    }

    /// Whether anything has a price by which a call can be billed: tokens of input, or units.
    pub fn is_priced(&self) -> bool {
        ["input", "images", "audio_ms", "characters", "searches"].iter().any(|class| self.standard(class).is_some())
    }

    /// Whether the class (a label of [`Usage::classes`]) is one that this model is billed by at the ordinary tier: what
    /// counts units asks, where a provider reports neither.
    pub fn bills(&self, class: &str) -> bool {
        self.standard(class).is_some()
    }

    /// The rate of one class (a label of [`Usage::classes`]) at `tier` for requests with `input_tokens` of input, after
    /// the rules for what is not published; `None` when it is not known.
    pub fn rate(&self, class: &str, tier: ServiceTier, input_tokens: u64) -> Option<Rate> {
        let size = self.size_of(input_tokens)?;
        let (_, rate) = labels().zip(size.tiers[slot(tier)]).find(|(label, _)| *label == class)?;
        rate
    }

    /// One line for people: `input 0.15, cache read 0.075, output 0.60 USD per 1M (2026-11-23.2, openai/gpt-4o-mini)`,
    /// `0.0001 USD per second (2026-11-23.2, openai/whisper-1)`.
    pub fn describe(&self) -> String {
        let mut tokens = String::new();
        for size in &*self.sizes {
            let parts = shown(&size.tiers[slot(ServiceTier::Standard)]).join(", ");
            if parts.is_empty() {
                continue;
            }
            if size.above > 0 {
                let _ = write!(tokens, "; above {} input tokens: ", size.above);
            }
            tokens.push_str(&parts);
        }
        let units = self.sizes.first().map(|size| &size.tiers[slot(ServiceTier::Standard)]);
        let units = units.map(|rates| written::units(rates, tokens.is_empty())).unwrap_or_default();
        let (list, row) = self.version.split_once('/').unwrap_or(("", &self.version));
        let prices = match (tokens.is_empty(), units.is_empty()) {
            (true, true) => "not priced".to_owned(),
            (true, false) => units,
            (false, _) => format!("{tokens} USD per 1M{units}"),
        };
        format!("{prices} ({list}, {row})")
    }

    pub(super) fn published(&self) -> &[Published] {
        &self.published
    }

    fn standard(&self, class: &str) -> Option<u64> {
        self.rate(class, ServiceTier::Standard, 0).map(Rate::nanos_per_million)
    }

    fn size_of(&self, input_tokens: u64) -> Option<&Size> {
        self.sizes.iter().rev().find(|size| size.above < input_tokens || size.above == 0)
    }
}

/// Which classes of tokens a request can reach beside the ordinary ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Input may be written to a cache that lives 5 minutes.
    pub cache_writes: bool,
    /// Input may be written to a cache that lives an hour.
    pub cache_hour: bool,
}

impl Reach {
    /// Whatever there is.
    pub const ALL: Self = Self { cache_writes: true, cache_hour: true };
}

/// The dearest tokens and units of a request, in nano-dollars per million; `None` where no price is known.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Dearest {
    /// Of input: ordinary, read from a cache or written to it.
    pub input: Option<u64>,
    /// Of output: text or reasoning.
    pub output: Option<u64>,
    /// Of sound that is sent.
    pub audio_input: Option<u64>,
    /// Of sound that is answered.
    pub audio_output: Option<u64>,
    /// Of pictures that are sent.
    pub image_input: Option<u64>,
    /// Of pictures that are answered.
    pub image_output: Option<u64>,
    /// Of a million pictures.
    pub images: Option<u64>,
    /// Of a million milliseconds of sound.
    pub audio_ms: Option<u64>,
    /// Of a million characters.
    pub characters: Option<u64>,
    /// Of a million searches.
    pub searches: Option<u64>,
}

/// Why a cost cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// Something was used whose price is not known.
    #[error("{} have no price", written::words(class))]
    Unpriced {
        /// A label of [`Usage::classes`].
        class: &'static str,
    },
    /// More than 9.2 billion USD.
    #[error("the cost does not fit")]
    Overflow,
}

const PER_RATE: u128 = 1_000_000;

/// In the order of [`slot`].
pub(super) const TIERS: [ServiceTier; 4] =
    [ServiceTier::Standard, ServiceTier::Flex, ServiceTier::Priority, ServiceTier::Batch];

/// Where the rates of a tier stand.
pub(super) const fn slot(tier: ServiceTier) -> usize {
    match tier {
        ServiceTier::Standard => 0,
        ServiceTier::Flex => 1,
        ServiceTier::Priority => 2,
        ServiceTier::Batch => 3,
    }
}

/// The labels of the classes, in the order of [`Rates`].
fn labels() -> impl Iterator<Item = &'static str> {
    Usage::ZERO.classes().into_iter().map(|(label, _)| label)
}

/// What people are told of rates for tokens. Pictures only where they cost something else than ordinary tokens.
fn shown(rates: &Rates) -> Vec<String> {
    let rate = |class: &str| labels().zip(rates).find(|(label, _)| *label == class).and_then(|(_, rate)| *rate);
    let other = [("image_input", "input"), ("image_output", "output")];
    let told = ["input", "cache_read", "output", "image_input", "image_output"].into_iter().filter_map(|class| {
        let usual = other.iter().find(|(label, _)| *label == class).and_then(|(_, usual)| rate(usual));
        let own = rate(class).filter(|own| Some(*own) != usual)?;
        Some(format!("{} {own}", class.replace('_', " ")))
    });
    told.collect()
}

#[cfg(test)]
#[path = "cost_tests.rs"]
mod tests;
