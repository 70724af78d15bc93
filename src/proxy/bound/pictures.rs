//! Tokens of a picture: the most that its size can come to. Pictures are not decoded, and those behind URLs not fetched.

use super::{Maker, Terms};
use crate::model::Demand;

/// Most tokens of one picture at Anthropic: width × height / 750, and larger pictures are scaled down first, to 3.75
/// megapixels by the newest models (<https://platform.claude.com/docs/en/build-with-claude/vision>).
const ANTHROPIC: u64 = 5_000;

/// What OpenAI's API may say around a picture.
const OPENAI_FRAME: u64 = 100;

/// Most tokens of one picture at OpenAI, by the beginning of the model's name: at most, and at `detail: low`.
///
/// Two formulas (<https://platform.openai.com/docs/guides/images-vision#calculating-costs>). Tiles: a base and a price for
/// each tile of 512 pixels; scaled to fit 2,048 × 2,048 and then to 768 on the short side, a picture has 8 of them at
/// most. Patches of 32 pixels: 1,536 at most times a factor of up to 2.46, and `detail: low` means other things there, so
/// it is not believed.
const OPENAI: &[(&str, u64, u64)] = &[
    ("gpt-4o-mini", 2_833 + 8 * 5_667, 2_833),
    ("gpt-4.1-mini", PATCHES, PATCHES),
    ("gpt-4.1-nano", PATCHES, PATCHES),
    ("gpt-5-mini", PATCHES, PATCHES),
    ("gpt-5-nano", PATCHES, PATCHES),
    ("o4-mini", PATCHES, PATCHES),
    ("gpt-4o", TILES, 85),
    ("chatgpt-4o", TILES, 85),
    ("gpt-4.1", TILES, 85),
    ("gpt-4.5", TILES, 85),
    ("gpt-4-turbo", TILES, 85),
    ("gpt-5-", TILES, 85),
    ("o1", TILES, 85),
    ("o3", TILES, 85),
];

/// `gpt-4o`'s; the others of this kind have less.
const TILES: u64 = 85 + 8 * 170;
/// 1,536 × 2.46, rounded up.
const PATCHES: u64 = 3_779;
/// Models that are not listed: 10,000 patches (`detail: original`) times the largest factor.
const NEWER: u64 = 24_600;

/// Tokens of all pictures of a request; `None`: nothing is published of this server.
pub(super) fn tokens(terms: &Terms<'_>, demand: &Demand) -> Option<u64> {
    let (most, low) = match terms.maker {
        Maker::Anthropic => (ANTHROPIC, ANTHROPIC),
        Maker::OpenAi => {
            let (most, low) = of_openai(terms.model);
            (most + OPENAI_FRAME, low + OPENAI_FRAME)
        }
        Maker::Other => return None,
    };
    let full = u64::from(demand.images.saturating_sub(demand.images_low));
    Some(full.saturating_mul(most).saturating_add(u64::from(demand.images_low).saturating_mul(low)))
}

fn of_openai(model: &str) -> (u64, u64) {
    let name = model.strip_prefix("ft:").unwrap_or(model);
    let listed = OPENAI.iter().find(|(start, _, _)| name.starts_with(start));
    match (listed, name) {
        (Some((_, most, low)), _) => (*most, *low),
        (None, "gpt-5") => (TILES, 85),
        (None, _) => (NEWER, NEWER),
    }
}
