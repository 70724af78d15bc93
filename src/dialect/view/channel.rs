//! How the texts of a stream are numbered: choice (item, block, candidate), kind, place.

use crate::model::{Channel, Growth, Piece, Speech};

/// What the model says.
pub(super) const TEXT: u8 = 1;
pub(super) const REFUSAL: u8 = 2;
/// `reasoning_content`, a thinking block, `reasoning_text`, a thought.
pub(super) const THOUGHT: u8 = 3;
/// `reasoning`, which may tell what `reasoning_details` tell, too.
pub(super) const REASONING: u8 = 4;
/// An element of `reasoning_details`.
pub(super) const DETAIL: u8 = 5;
pub(super) const SUMMARY: u8 = 6;
/// Arguments of a call: JSON.
pub(super) const ARGUMENTS: u8 = 7;
/// What a free-form tool is called with.
pub(super) const INPUT: u8 = 8;
/// `function_call`.
pub(super) const CALL: u8 = 9;
pub(super) const CODE: u8 = 10;
pub(super) const TRANSCRIPT: u8 = 11;
/// `partialArgs`, by their path.
pub(super) const PIECE: u8 = 12;
/// A member that is not known, by its name.
pub(super) const OTHER: u8 = 13;

/// Choices that are told apart; what is beyond counts as the last.
const MOST: u64 = 0xffff;

/// The channel of this kind, of choice 0.
pub(super) const fn of(kind: u8, place: u32) -> Channel {
    ((kind as u64) << 32) | place as u64
}

/// The same of another `choice`.
pub(super) fn within(channel: Channel, choice: u64) -> Channel {
    channel | (choice.min(MOST) << 48)
}

/// All channels of `choice`.
pub(super) fn all(choice: u64) -> std::ops::RangeInclusive<Channel> {
    let first = within(0, choice);
    first..=first | 0xffff_ffff_ffff
}

/// A number as a place.
pub(super) fn place(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Puts the pieces at `choice`.
pub(super) fn put(pieces: &mut [Piece], number: u64) {
    for piece in pieces {
        if let Growth::Delta(channel) = &mut piece.growth {
            *channel = within(*channel, number);
        }
    }
}

/// Lets the pieces, which are parts of what the model says, grow by who speaks in them.
pub(super) fn grow(pieces: &mut [Piece], at: u32) {
    for piece in pieces {
        let kind = match piece.speech {
            Speech::Assistant => TEXT,
            Speech::Reasoning => THOUGHT,
            Speech::Refusal => REFUSAL,
            _ => continue,
        };
        if piece.growth == Growth::Whole {
            piece.growth = Growth::Delta(of(kind, at));
        }
    }
}
