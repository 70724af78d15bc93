//! What is read back: a request's record, and what is kept of its texts.

use super::find::Place;
use serde::Deserialize;

/// One request, as its line has it. Times are microseconds since the Unix epoch, costs nano-dollars.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Record {
    /// When the head was read: RFC 3339, UTC, six decimals.
    pub time: String,
    /// The gateway's own id: 32 hexadecimal digits.
    pub id: String,
    /// The client's label; `None`: it sent none.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Name of the key; `None`: nobody known.
    #[serde(default)]
    pub key: Option<String>,
    /// Who pays.
    #[serde(default)]
    pub team: Option<String>,
    /// The end user, as told by the client.
    #[serde(default)]
    pub user: Option<String>,
    /// Which call.
    #[serde(default)]
    pub api: Option<String>,
    /// The model that the client named.
    #[serde(default)]
    pub model: Option<String>,
    /// The provider that answered.
    #[serde(default)]
    pub provider: Option<String>,
    /// The provider's model that answered.
    #[serde(default)]
    pub target_model: Option<String>,
    /// What the client got; 499 where it left before.
    #[serde(default)]
    pub status: u16,
    /// The gateway's own code, where it refused or failed.
    #[serde(default)]
    pub code: Option<String>,
    /// Whether the answer came as a stream.
    #[serde(default)]
    pub stream: bool,
    /// Cached ones included.
    #[serde(default)]
    pub input_tokens: u64,
    /// Of the input, read from a cache.
    #[serde(default)]
    pub cache_read_tokens: u64,
    /// Reasoning included.
    #[serde(default)]
    pub output_tokens: u64,
    /// Of the output.
    #[serde(default)]
    pub reasoning_tokens: u64,
    /// `reported`, `counted`, `estimated` or `none`.
    #[serde(default)]
    pub usage_origin: Option<String>,
    /// Of all attempts; `None`: some price is unknown.
    #[serde(default)]
    pub cost_nano_usd: Option<i64>,
    /// From the head read to the last byte of the answer.
    #[serde(default)]
    pub latency_us: u64,
    /// From the head read to a stream's first output.
    #[serde(default)]
    pub first_token_us: Option<u64>,
    /// Of `latency_us`, the gateway's own part.
    #[serde(default)]
    pub overhead_us: Option<u64>,
    /// What it waited for a place.
    #[serde(default)]
    pub queued_us: u64,
    /// What put the first target first.
    #[serde(default)]
    pub routed: Option<String>,
    /// In the order in which they were made.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    /// Who connected.
    #[serde(default)]
    pub client: Option<String>,
    /// Bytes of the request's body.
    #[serde(default)]
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    #[serde(default)]
    pub bytes_out: u64,
    /// What guardrails said, such as `no-pii;input;redact;email=2`, with `, ` between; `None`: nothing.
    #[serde(default)]
    pub guardrails: Option<String>,
    /// Of a copy: the id of the request that it was made of.
    #[serde(default)]
    pub mirror_of: Option<String>,
    /// How its texts are kept: `redacted` or `full`; `None`: they are not.
    #[serde(default)]
    pub content: Option<String>,
    /// The line itself, with what has no member here.
    #[serde(skip)]
    pub raw: String,
    /// Where it stands; `None`: it was read from memory.
    #[serde(skip)]
    pub place: Option<Place>,
}

/// One attempt of a request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Attempt {
    /// Whom.
    pub provider: String,
    /// Which of its models.
    pub target_model: String,
    /// What it answered; `None`: no answer came.
    #[serde(default)]
    pub status: Option<u16>,
    /// How it ended.
    #[serde(default)]
    pub outcome: String,
    /// How long it took, in microseconds.
    #[serde(default)]
    pub time_us: u64,
    /// Why it ended so.
    #[serde(default)]
    pub reason: Option<String>,
    /// What followed from its failure.
    #[serde(default)]
    pub action: Option<String>,
    /// The pause before it, in microseconds.
    #[serde(default)]
    pub pause_us: u64,
}

impl Record {
    /// Reads a line; `None`: it is none (torn, or not ours).
    pub fn parse(line: &str) -> Option<Self> {
        let mut record: Self = serde_json::from_str(line).ok()?;
        line.clone_into(&mut record.raw);
        Some(record)
    }

    /// When the head was read, in microseconds since the Unix epoch; 0: the line says nothing that can be read.
    pub fn time_us(&self) -> u64 {
        micros(&self.time).unwrap_or(0)
    }
}

/// What is kept of a request's texts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Content {
    /// When the request's head was read: RFC 3339, UTC.
    pub time: String,
    /// The request's id.
    pub id: String,
    /// `redacted` or `full`.
    pub content: String,
    /// What the client sent; `None`: nothing is kept (`request_note` says why).
    #[serde(default)]
    pub request: Option<String>,
    /// Bytes of the whole request's body.
    #[serde(default)]
    pub request_bytes: u64,
    /// Only its beginning is kept.
    #[serde(default)]
    pub request_truncated: bool,
    /// Why there is no text: `binary`, `unreadable`, `no_room`.
    #[serde(default)]
    pub request_note: Option<String>,
    /// What the client was sent: a body, or a stream's bytes; `None`: as above.
    #[serde(default)]
    pub answer: Option<String>,
    /// Bytes of the whole answer's body.
    #[serde(default)]
    pub answer_bytes: u64,
    /// Only its beginning is kept.
    #[serde(default)]
    pub answer_truncated: bool,
    /// As `request_note`.
    #[serde(default)]
    pub answer_note: Option<String>,
    /// The texts of a stream, put together.
    #[serde(default)]
    pub texts: Option<Vec<String>>,
    /// The line itself.
    #[serde(skip)]
    pub raw: String,
}

impl Content {
    /// Reads a line; `None`: it is none.
    pub fn parse(line: &str) -> Option<Self> {
        let mut content: Self = serde_json::from_str(line).ok()?;
        line.clone_into(&mut content.raw);
        Some(content)
    }
}

/// An RFC 3339 time in microseconds since the Unix epoch.
pub(super) fn micros(text: &str) -> Option<u64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(time.as_microsecond()).ok()
}

/// The time that a line begins with (`{"time":"…`), as it is written: of fixed width, so that it sorts as text.
pub(super) fn time_of(line: &[u8]) -> Option<&str> {
    let text = line.strip_prefix(b"{\"time\":\"")?.get(..TIME)?;
    let digits = text.iter().enumerate().all(|(at, byte)| match at {
        4 | 7 => *byte == b'-',
        10 => *byte == b'T',
        13 | 16 => *byte == b':',
        19 => *byte == b'.',
        26 => *byte == b'Z',
        _ => byte.is_ascii_digit(),
    });
    if digits { std::str::from_utf8(text).ok() } else { None }
}

/// Bytes of `2026-11-25T16:33:59.000001Z`.
const TIME: usize = 27;
