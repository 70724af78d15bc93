//! The estimate where no tokenizer is at hand.

/// Tokens of `text_bytes` bytes of UTF-8 text: a quarter, rounded up.
pub const fn estimate_tokens(text_bytes: u64) -> u64 {
    text_bytes.div_ceil(BYTES_PER_TOKEN)
}

const BYTES_PER_TOKEN: u64 = 4;
