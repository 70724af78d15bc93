//! What is billed beside text: the most that its units may come to at one target.
//!
//! The same picture is sold by the piece here and by its tokens there, and sound by the second, by its tokens, or by the
//! characters that are spoken. A request asks for all of it, whoever answers; a target holds by the price that it has.

use crate::catalogue::Dearest;
use crate::model::Units;

/// What units come to, in nano-dollars for a million; `Err` names the class (a label of `Usage::classes`) that has
/// neither a price nor tokens of its own that have one.
///
/// Where both are published (pictures of some models), they tell the same price in two ways, and one of them is billed:
/// the dearer is held.
pub(super) fn cost(units: &Units, dearest: &Dearest) -> Result<u128, &'static str> {
    let part = |count: u64, rate: Option<u64>| rate.map(|rate| u128::from(count) * u128::from(rate));
    // What is read of the body is bounded there as input; here is only told whether that has a price.
    let read = dearest.input.map(|_| 0);
    let heard = dearest.audio_input.map(|_| 0).or(read);
    let drawn = part(units.image_output, dearest.image_output).filter(|_| units.image_output > 0);
    let things = [
        ("images", units.images, dearest.images, drawn),
        ("audio_ms", units.audio_ms, dearest.audio_ms, heard),
        ("characters", units.characters, dearest.characters, read),
        ("searches", units.searches, dearest.searches, read),
    ];
    let mut sum = 0u128;
    for (class, count, rate, tokens) in things.into_iter().filter(|(_, count, ..)| *count > 0) {
        sum = sum.saturating_add(part(count, rate).max(tokens).ok_or(class)?);
    }
    // Whoever bills by the unit has no price for what is said in answer: it is in it.
    let said = part(units.output, dearest.output.max(dearest.audio_output));
    let free = Some(0).filter(|_| sold(units, dearest) || units.output == 0);
    Ok(sum.saturating_add(said.or(free).ok_or("output")?))
}

/// Whether the call is billed by the unit, so that tokens without a price cost nothing.
pub(super) fn sold(units: &Units, dearest: &Dearest) -> bool {
    let sold = |count: u64, rate: Option<u64>| count > 0 && rate.is_some();
    sold(units.images, dearest.images)
        || sold(units.audio_ms, dearest.audio_ms)
        || sold(units.characters, dearest.characters)
        || sold(units.searches, dearest.searches)
}
