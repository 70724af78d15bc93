//! What holds where a provider publishes no rate. Of two readings the one is taken that never bills too little.
//!
//! | not published | taken |
//! |---|---|
//! | a tier at a size, but at size 0 and `standard` at that size | the dearer of these two, class by class |
//! | a tier at all | `standard` (for `priority` that is too little, but nothing else is known) |
//! | `cache_read` | `input`: a cache is never dearer than no cache |
//! | `cache_write_5m` | the dearer of `input` and what `standard` publishes for it |
//! | `cache_write_1h` | twice `input` if `cache_write_5m` is published, else as `cache_write_5m` |
//! | `reasoning` | `output` |
//! | `image_input` | the dearer of `input` and what `standard` publishes for it: all tokens are billed at the model's rate |
//! | `input`, `output`, `audio_input`, `audio_output`, `image_output`, units | what `standard` publishes; else it is unknown |
//!
//! A model that makes pictures and publishes `image_output` but no `output` has no price for text: it answers none.
//!
//! Twice the input for a write that lives an hour is Anthropic's rule ("1.25 times for 5 minutes, 2 times for 1 hour",
//! <https://platform.claude.com/docs/en/build-with-claude/prompt-caching>); each published 1h rate of the list obeys it.

use super::Rate;
use super::cost::{Size, TIERS, slot};
use crate::model::{ServiceTier, Usage};

/// A rate for each class, in the order of `Usage::classes`; `None`: not known.
pub(super) type Rates = [Option<Rate>; Usage::CLASSES];

/// One row of a price list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) tier: ServiceTier,
    pub(super) above: u64,
    pub(super) rates: Rates,
}

/// Every size that `rows` know, ascending from 0, each with the rates of all tiers.
pub(super) fn complete(rows: &[Published]) -> Vec<Size> {
    let mut borders: Vec<u64> = rows.iter().map(|row| row.above).chain([0]).collect();
    borders.sort_unstable();
    borders.dedup();
    let mut sizes: Vec<Size> = Vec::with_capacity(borders.len());
    for above in borders {
        let smaller = sizes.last().map(|size| &size.tiers);
        let standard = standard_at(rows, above);
        let tiers = TIERS.map(|tier| match find(rows, tier, above) {
            Some(row) => filled(&row.rates, &standard),
            None => {
                let plain = find(rows, ServiceTier::Standard, above).map_or(&standard, |row| &row.rates);
                let plain = filled(plain, &standard);
                smaller.map_or(plain, |smaller| dearer(&plain, &smaller[slot(tier)]))
            }
        });
        sizes.push(Size { above, tiers });
    }
    sizes
}

fn find(rows: &[Published], tier: ServiceTier, above: u64) -> Option<&Published> {
    rows.iter().find(|row| row.tier == tier && row.above == above)
}

/// What `standard` publishes at `above`; where it is silent, what it publishes for smaller requests.
fn standard_at(rows: &[Published], above: u64) -> Rates {
    let mut standard: Vec<_> =
        rows.iter().filter(|row| row.tier == ServiceTier::Standard && row.above <= above).collect();
    standard.sort_unstable_by_key(|row| row.above);
    let Some((last, smaller)) = standard.split_last() else { return Rates::default() };
    let below = smaller.iter().rev().fold(Rates::default(), |known, row| either(&known, &row.rates));
    either(&last.rates, &below)
}

/// `own` with its gaps filled by the rules above.
fn filled(own: &Rates, standard: &Rates) -> Rates {
    let [input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, more @ ..] = *own;
    let [audio_input, audio_output, image_input, image_output, images, audio_ms, characters, searches] = more;
    // Its cached input and reasoning are left: a tier's own input and output bound them, also where it is dearer.
    let [std_input, _, std_write_5m, std_write_1h, std_output, _, std_more @ ..] = *standard;
    let [std_audio_input, std_audio_output, std_image_input, std_image_output, std_units @ ..] = std_more;
    let [std_images, std_audio_ms, std_characters, std_searches] = std_units;
    let input = input.or(std_input);
    let output = output.or(std_output);
    let write_5m = cache_write_5m.or_else(|| input.max(std_write_5m));
    let doubled = input.filter(|_| cache_write_5m.or(std_write_5m).is_some()).map(Rate::doubled);
    [
        input,
        cache_read.or(input),
        write_5m,
        cache_write_1h.or_else(|| write_5m.max(doubled).max(std_write_1h.filter(|_| doubled.is_none()))),
        output,
        reasoning.or(output),
        audio_input.or(std_audio_input),
        audio_output.or(std_audio_output),
        image_input.or_else(|| input.max(std_image_input)),
        image_output.or(std_image_output),
        images.or(std_images),
        audio_ms.or(std_audio_ms),
        characters.or(std_characters),
        searches.or(std_searches),
    ]
}

/// Class by class the dearer one.
fn dearer(one: &Rates, other: &Rates) -> Rates {
    std::array::from_fn(|class| one[class].max(other[class]))
}

/// Class by class the first one, else the other.
fn either(one: &Rates, other: &Rates) -> Rates {
    std::array::from_fn(|class| one[class].or(other[class]))
}
