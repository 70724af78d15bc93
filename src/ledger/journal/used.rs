//! Usage as records of the journal hold it: their bytes never change, whatever classes are added to `Usage`.

use crate::model::Usage;
use serde::{Deserialize, Serialize};

/// The classes that each settlement holds, in the order in which they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenUsage {
    input: u64,
    cache_read: u64,
    cache_write_5m: u64,
    cache_write_1h: u64,
    output: u64,
    reasoning: u64,
    audio_input: u64,
    audio_output: u64,
}

/// The other classes; a settlement holds them only where one of them is not 0.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MoreUsage {
    image_input: u64,
    image_output: u64,
    images: u64,
    audio_ms: u64,
    characters: u64,
    searches: u64,
}

/// Cuts `usage` in two; the second half is `None` where it holds nothing.
pub(crate) fn split(usage: &Usage) -> (TokenUsage, Option<MoreUsage>) {
    let Usage {
        input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, audio_input, audio_output, ..
    } = *usage;
    let Usage { image_input, image_output, images, audio_ms, characters, searches, .. } = *usage;
    let tokens =
        TokenUsage { input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, audio_input, audio_output };
    let more = MoreUsage { image_input, image_output, images, audio_ms, characters, searches };
    (tokens, Some(more).filter(|more| *more != MoreUsage::default()))
}

/// Puts together what [`split`] cut.
pub(crate) fn joined(tokens: TokenUsage, more: MoreUsage) -> Usage {
    let TokenUsage { input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, audio_input, audio_output } =
        tokens;
    let MoreUsage { image_input, image_output, images, audio_ms, characters, searches } = more;
    Usage {
        input,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        output,
        reasoning,
        audio_input,
        audio_output,
        image_input,
        image_output,
        images,
        audio_ms,
        characters,
        searches,
    }
}
