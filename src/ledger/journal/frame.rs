//! One record of the journal, and its bytes on disk.
//!
//! A frame is `length|marker` (u32 little-endian, the marker in the top byte), CRC-32 of that word and the payload
//! (u32 little-endian), then the payload in postcard. The marker makes it cheap to find the next frame after
//! damage. New kinds of record are added at the end of [`Frame`], never in between.

use crate::ledger::LedgerError;
use crate::ledger::journal::found::FindFrame;
use crate::ledger::journal::used::{MoreUsage, TokenUsage};
use crate::model::{AttemptId, RequestId, ServiceTier, UsageOrigin};
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

/// Bytes before the payload.
pub(crate) const PREFIX_BYTES: usize = 8;
/// Largest payload; a record past it is refused when it is written and taken for damage when it is read.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 0xffff;
/// Top byte of the length word.
const MARKER: u32 = 0xb7;
/// Longest text that comes from a client or a provider; what is longer is cut at a character.
const MAX_TEXT_BYTES: usize = 512;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Frame<'a> {
    /// An attempt begins; written before its first byte is sent.
    #[serde(borrow)]
    Open(OpenFrame<'a>),
    /// How far a stream has come.
    Progress(ProgressFrame),
    /// An attempt is over.
    #[serde(borrow)]
    Settle(SettleFrame<'a>),
    /// First record of every segment but an epoch's first: what the epoch's segments before it hold.
    Checkpoint(Counts),
    /// Last record of a segment.
    Seal(SealFrame),
    /// As [`Self::Open`], of an attempt that is charged to budgets.
    #[serde(borrow)]
    OpenCharged(ChargedFrame<'a>),
    /// What a later price made of a settled attempt's cost.
    #[serde(borrow)]
    Correct(CorrectFrame<'a>),
    /// A request that was refused.
    #[serde(borrow)]
    Refuse(RefuseFrame<'a>),
    /// As [`Self::Settle`], of an attempt that used more than its eight classes hold.
    #[serde(borrow)]
    SettleMore(SettleMoreFrame<'a>),
    /// What guardrails found in a request or an answer.
    #[serde(borrow)]
    Find(FindFrame<'a>),
    /// As [`Self::SettleMore`], of an answer that was given again and saved something.
    #[serde(borrow)]
    SettleSaved(SettleSavedFrame<'a>),
}

/// The beginning of an attempt, and the balances that it is charged to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChargedFrame<'a> {
    #[serde(borrow)]
    pub open: OpenFrame<'a>,
    #[serde(borrow)]
    pub charges: Vec<ChargeFrame<'a>>,
}

/// A balance that an attempt is charged to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChargeFrame<'a> {
    pub budget: &'a str,
    pub entity: &'a str,
    pub period_us: u64,
    /// Whether the budget is counted in tokens, else in nano-dollars.
    pub tokens: bool,
    pub held: i64,
}

/// The cost of an attempt at other prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CorrectFrame<'a> {
    pub id: AttemptId,
    /// From 1, for each attempt.
    pub number: u16,
    pub corrected_us: u64,
    pub before_nano: Option<i64>,
    pub after_nano: i64,
    pub price_version: &'a str,
}

/// A request that was refused, and who sent it, as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefuseFrame<'a> {
    pub id: RequestId,
    pub time_us: u64,
    pub key: &'a str,
    pub team: &'a str,
    pub user: Option<&'a str>,
    pub model: &'a str,
    pub api: &'a str,
    pub code: &'a str,
    pub status: u16,
}

/// Everything that is known of an attempt before it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenFrame<'a> {
    pub id: AttemptId,
    pub opened_us: u64,
    pub request_label: &'a str,
    pub key: &'a str,
    pub team: &'a str,
    pub user: Option<&'a str>,
    pub model: &'a str,
    pub api: &'a str,
    pub stream: bool,
    pub provider: &'a str,
    pub target_model: &'a str,
    #[serde(borrow)]
    pub price: Option<PriceFrame<'a>>,
    pub estimated_input_tokens: u64,
}

/// What recovery charges by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PriceFrame<'a> {
    pub version: &'a str,
    pub input_nano_per_million: u64,
    pub output_nano_per_million: u64,
}

/// Output tokens of an open attempt so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProgressFrame {
    pub id: AttemptId,
    pub output_tokens: u64,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SettleFrame<'a> {
    pub id: AttemptId,
    pub status: u16,
    pub usage: TokenUsage,
    pub origin: UsageOrigin,
    pub cost_nano: Option<i64>,
    pub price_version: Option<&'a str>,
    pub tier: ServiceTier,
    pub latency_us: u64,
    pub first_token_us: Option<u64>,
    pub overhead_us: Option<u64>,
    pub error: Option<&'a str>,
}

/// How an attempt ended, and what it used beside text and sound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SettleMoreFrame<'a> {
    #[serde(borrow)]
    pub settle: SettleFrame<'a>,
    pub more: MoreUsage,
}

/// How an answer was given again, and what it saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SettleSavedFrame<'a> {
    #[serde(borrow)]
    pub settle: SettleFrame<'a>,
    pub more: MoreUsage,
    pub saved_nano: i64,
}

/// What the segments of an epoch hold so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Attempts begun.
    pub opened: u64,
    /// Attempts settled.
    pub settled: u64,
    /// Their cost in nano-dollars.
    pub cost_nano: i64,
}

impl Counts {
    /// Adds what was written at once.
    pub(crate) fn add(&mut self, other: &Self) {
        self.opened += other.opened;
        self.settled += other.settled;
        self.cost_nano = self.cost_nano.saturating_add(other.cost_nano);
    }
}

/// The end of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SealFrame {
    /// Whether the epoch ends here too.
    pub last: bool,
}

/// Cuts text from outside to what a record holds, at a character.
pub(crate) fn bounded(text: &str) -> &str {
    let end = text.floor_char_boundary(MAX_TEXT_BYTES);
    text.get(..end).unwrap_or(text)
}

/// Appends `value` as one frame to `out`.
///
/// # Errors
///
/// `TooLarge`; `out` is then as it was.
pub(crate) fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), LedgerError> {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX_BYTES]);
    let fits = postcard::serialize_with_flavor(value, Append(out)).is_ok();
    let bytes = out.len().saturating_sub(start + PREFIX_BYTES);
    if !fits || bytes > MAX_PAYLOAD_BYTES {
        out.truncate(start);
        return Err(LedgerError::TooLarge { bytes, max: MAX_PAYLOAD_BYTES });
    }
    let length = (MARKER << 24 | bytes as u32).to_le_bytes();
    let (prefix, payload) = out[start..].split_at_mut(PREFIX_BYTES);
    let crc = checksum(&length, payload).to_le_bytes();
    prefix[..4].copy_from_slice(&length);
    prefix[4..].copy_from_slice(&crc);
    Ok(())
}

/// Appends to a buffer that is used again and again.
struct Append<'a>(&'a mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// What stands at the beginning of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peek<'a> {
    /// A whole frame with this payload.
    Whole(&'a [u8]),
    /// The beginning of something that may be a frame: so many bytes are needed to tell.
    Short(usize),
    /// No frame.
    Bad,
}

/// Looks at what begins at `bytes`, without decoding it.
pub(crate) fn peek(bytes: &[u8]) -> Peek<'_> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Peek::Short(PREFIX_BYTES) };
    let word = u32::from_le_bytes(*length);
    let size = (word & 0x00ff_ffff) as usize;
    if word >> 24 != MARKER || size == 0 || size > MAX_PAYLOAD_BYTES {
        return Peek::Bad;
    }
    let Some((crc, rest)) = rest.split_first_chunk::<4>() else { return Peek::Short(PREFIX_BYTES + size) };
    match rest.get(..size) {
        None => Peek::Short(PREFIX_BYTES + size),
        Some(payload) if checksum(length, payload) == u32::from_le_bytes(*crc) => Peek::Whole(payload),
        Some(_) => Peek::Bad,
    }
}

/// Where the next whole frame begins in `bytes`, which begin with damage; `None` if there is none.
pub(crate) fn resynchronize(bytes: &[u8]) -> Option<usize> {
    let marker = MARKER as u8;
    memchr::memchr_iter(marker, bytes)
        .filter_map(|at| at.checked_sub(3))
        .filter(|start| *start > 0)
        .find(|start| bytes.get(*start..).is_some_and(|rest| matches!(peek(rest), Peek::Whole(_))))
}

fn checksum(length: &[u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(length);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(n: u64) -> Vec<u8> {
        let id = AttemptId { request: RequestId(u128::MAX - u128::from(n)), attempt: 1 };
        let mut out = Vec::new();
        encode(&Frame::Progress(ProgressFrame { id, output_tokens: n }), &mut out).expect("fits");
        out
    }

    #[test]
    fn a_frame_cut_at_any_byte_is_never_taken_for_whole() {
        let frame = progress(7);
        for cut in 0..frame.len() {
            assert!(matches!(peek(&frame[..cut]), Peek::Short(_)), "cut at {cut}");
        }
        assert!(matches!(peek(&frame), Peek::Whole(_)));
    }

    #[test]
    fn a_frame_with_any_bit_flipped_is_never_taken_for_whole() {
        let frame = progress(7);
        for bit in 0..frame.len() * 8 {
            let mut bad = frame.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(peek(&bad), Peek::Whole(_)), "bit {bit}");
        }
    }

    #[test]
    fn the_next_frame_after_damage_is_found() {
        let mut bytes = progress(1);
        let second = bytes.len();
        bytes.extend(progress(2));
        bytes[10] ^= 0xff;
        assert_eq!(resynchronize(&bytes), Some(second));
        assert_eq!(resynchronize(&bytes[..second]), None);
    }

    #[test]
    fn text_from_outside_is_cut_at_a_character() {
        let long = "é".repeat(400);
        let cut = bounded(&long);
        assert!(cut.len() <= 512 && long.starts_with(cut));
    }
}
