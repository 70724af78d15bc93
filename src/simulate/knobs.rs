//! How a simulated answer behaves: one struct for flags, model-name suffixes and the `x-simulate` header.
//!
//! The names are one list ([`Knobs::set`]); `mod.rs` documents them in one table.

use super::failure::Failure;
use hyper::StatusCode;
use std::time::Duration;

/// The behaviour of the simulated provider. Defaults: no delay, no faults, 32 output tokens.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct Knobs {
    /// Wait before the response header, such as `20ms`
    #[arg(long, default_value = "0ms", value_parser = duration)]
    pub latency: Duration,
    /// Wait from the response header to the first piece of output
    #[arg(long, default_value = "0ms", value_parser = duration)]
    pub first_token: Duration,
    /// Output tokens per second and choice; 0 is as fast as it goes
    #[arg(long, default_value_t = 0.0, value_parser = rate)]
    pub tokens_per_second: f64,
    /// Output tokens of an answer, before the request's own cap
    #[arg(long, default_value_t = 32)]
    pub output_tokens: u32,
    /// Output tokens in one event of a stream
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub chunk_tokens: u32,
    /// Cut a stream's bytes at every N bytes, wherever events end
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub split_bytes: Option<usize>,
    /// Share of requests answered with `--error-status`, from 0 to 1
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pub error_rate: f64,
    /// Status of simulated errors, also of those within a stream
    #[arg(long, default_value = "503", value_parser = error_status)]
    pub error_status: StatusCode,
    /// How requests fail that `--error-rate` chooses
    #[arg(long, default_value = "status", value_enum)]
    pub fault: Failure,
    /// Fall silent after N chunks and keep the connection open
    #[arg(long, value_name = "N")]
    pub stall_after: Option<u32>,
    /// Close the connection after N chunks, without an end marker
    #[arg(long, value_name = "N")]
    pub cut_after: Option<u32>,
    /// Send an error event in place of chunk N of a stream, then end; 0 is before any content
    #[arg(long, value_name = "N")]
    pub error_after: Option<u32>,
    /// Report no usage, although asked
    #[arg(long)]
    pub no_usage: bool,
    /// End the lines of a stream with CRLF instead of LF
    #[arg(long)]
    pub crlf: bool,
    /// `retry-after` of simulated errors, in seconds
    #[arg(long, value_name = "SECONDS")]
    pub retry_after: Option<u32>,
    /// Chooses the words of answers and which requests fail
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Input tokens reported as read from a prompt cache, on top of those counted
    #[arg(long, default_value_t = 0)]
    pub cached: u32,
    /// Input tokens reported as written to a cache (Anthropic: 5 minutes), on top of those counted
    #[arg(long, default_value_t = 0)]
    pub cache_write: u32,
    /// Input tokens reported as written to a cache for longer (Anthropic: 1 hour), on top of those counted
    #[arg(long, default_value_t = 0)]
    pub cache_write_1h: u32,
    /// Output tokens reported as reasoning, on top of those sent
    #[arg(long, default_value_t = 0)]
    pub reasoning: u32,
    /// How long a batch takes
    #[arg(long, default_value = "0ms", value_parser = duration, value_name = "DURATION")]
    pub batch_time: Duration,
    /// Refuse requests that do not carry this key (`authorization: Bearer`, `x-api-key`, `x-goog-api-key`, or as the
    /// access key id of a signature)
    #[arg(long, value_name = "KEY")]
    pub api_key: Option<String>,
    /// Requests kept for inspection; the oldest is dropped
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pub record: usize,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            first_token: Duration::ZERO,
            tokens_per_second: 0.0,
            output_tokens: 32,
            chunk_tokens: 1,
            split_bytes: None,
            error_rate: 0.0,
            error_status: StatusCode::SERVICE_UNAVAILABLE,
            fault: Failure::Status,
            stall_after: None,
            cut_after: None,
            error_after: None,
            no_usage: false,
            crlf: false,
            retry_after: None,
            seed: 0,
            cached: 0,
            cache_write: 0,
            cache_write_1h: 0,
            reasoning: 0,
            batch_time: Duration::ZERO,
            api_key: None,
            record: 10_000,
        }
    }
}

/// A knob that a request set wrongly; it is answered with 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKnob {
    /// No knob has this name.
    #[error("`{0}` is no knob of the simulated provider")]
    Unknown(String),
    /// The knob does not take this value.
    #[error("knob `{name}` cannot be `{value}`: {why}")]
    Value {
        /// The knob.
        name: String,
        /// As written.
        value: String,
        /// What it takes.
        why: String,
    },
    /// A piece without `=`.
    #[error("`{0}` is not of the form `knob=value`")]
    Form(String),
}

impl Knobs {
    /// Applies `name=value` pairs, separated by `,` or `&`, as a model-name suffix or a header carries them.
    ///
    /// # Errors
    ///
    /// At the first pair that is wrong.
    pub fn apply(&mut self, pairs: &str) -> Result<(), BadKnob> {
        for pair in pairs.split([',', '&']).map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| BadKnob::Form(pair.to_owned()))?;
            self.set(name.trim(), value.trim())?;
        }
        Ok(())
    }

    /// Sets one knob by its short or its long name.
    ///
    /// # Errors
    ///
    /// When there is no such knob, or it does not take `value`.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), BadKnob> {
        let done = match name {
            "latency" => duration(value).map(|it| self.latency = it),
            "first_token" => duration(value).map(|it| self.first_token = it),
            "tps" | "tokens_per_second" => rate(value).map(|it| self.tokens_per_second = it),
            "output" | "output_tokens" => number(value).map(|it| self.output_tokens = it),
            "chunk" | "chunk_tokens" => at_least_one(value).and_then(narrow).map(|it| self.chunk_tokens = it),
            "split" | "split_bytes" => at_least_one(value).map(|it| self.split_bytes = Some(it)),
            "error" => error_status(value).map(|it| (self.error_status, self.error_rate) = (it, 1.0)),
            "error_rate" => share(value).map(|it| self.error_rate = it),
            "error_status" => error_status(value).map(|it| self.error_status = it),
            "fault" => Failure::named(value).map(|it| (self.fault, self.error_rate) = (it, 1.0)),
            "stall" | "stall_after" => number(value).map(|it| self.stall_after = Some(it)),
            "cut" | "cut_after" => number(value).map(|it| self.cut_after = Some(it)),
            "error_after" => number(value).map(|it| self.error_after = Some(it)),
            "no_usage" => yes(value).map(|it| self.no_usage = it),
            "crlf" => yes(value).map(|it| self.crlf = it),
            "retry_after" => number(value).map(|it| self.retry_after = Some(it)),
            "seed" => value.parse().map(|it| self.seed = it).map_err(|_| "it takes a whole number".to_owned()),
            "cached" => number(value).map(|it| self.cached = it),
            "cache_write" => number(value).map(|it| self.cache_write = it),
            "cache_write_1h" => number(value).map(|it| self.cache_write_1h = it),
            "reasoning" => number(value).map(|it| self.reasoning = it),
            "batch_time" => duration(value).map(|it| self.batch_time = it),
            _ => return Err(BadKnob::Unknown(name.to_owned())),
        };
        done.map_err(|why| BadKnob::Value { name: name.to_owned(), value: value.to_owned(), why })
    }

    /// Whether the request with this number is one of those that fail, by seed and rate.
    pub(super) fn fails(&self, number: u64) -> bool {
        // The upper 53 bits are a fraction that an f64 holds exactly.
        let draw = (mix(self.seed ^ mix(number)) >> 11) as f64 / (1u64 << 53) as f64;
        draw < self.error_rate
    }
}

/// The splitmix64 finalizer: spreads a counter over all 64 bits.
pub(super) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "it takes a whole number".to_owned())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("it takes a whole number from 1".to_owned()),
    }
}

fn narrow(number: usize) -> Result<u32, String> {
    u32::try_from(number).map_err(|_| "it is too large".to_owned())
}

fn yes(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => Err("it takes `yes` or `no`".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("it takes a share from 0 to 1".to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate >= 0.0 => Ok(rate),
        _ => Err("it takes tokens per second, 0 for no pace".to_owned()),
    }
}

fn error_status(text: &str) -> Result<StatusCode, String> {
    text.parse::<u16>()
        .ok()
        .filter(|code| (400..600).contains(code))
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or_else(|| "it takes an HTTP status from 400 to 599".to_owned())
}

/// `20ms`, `1.5s`, `2m`, `0`; at most a day, so that sums of them never overflow.
fn duration(text: &str) -> Result<Duration, String> {
    let why = || "it takes a duration such as `20ms` or `1.5s`".to_owned();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(why)?;
    let (amount, unit) = text.split_at(at);
    let second = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err(why()),
    };
    let seconds = amount.parse::<f64>().map_err(|_| why())? * second;
    if !(0.0..=86_400.0).contains(&seconds) {
        return Err(why());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::{BadKnob, Knobs};
    use std::time::Duration;

    #[test]
    fn a_suffix_sets_knobs_by_short_and_long_names() {
        let mut knobs = Knobs::default();
        knobs.apply("first_token=2s&tps=50,error=429&output_tokens=100").expect("all known");
        assert_eq!(knobs.first_token, Duration::from_secs(2));
        assert_eq!(knobs.tokens_per_second, 50.0);
        assert_eq!((knobs.error_status.as_u16(), knobs.error_rate), (429, 1.0));
        assert_eq!(knobs.output_tokens, 100);
    }

    #[test]
    fn a_bad_knob_is_named() {
        let mut knobs = Knobs::default();
        assert_eq!(knobs.apply("tpz=1"), Err(BadKnob::Unknown("tpz".to_owned())));
        for (pairs, name) in [
            ("latency=fast", "latency"),
            ("latency=-1s", "latency"),
            ("latency=NaNs", "latency"),
            ("chunk=0", "chunk"),
            ("error=200", "error"),
            ("error_rate=1.5", "error_rate"),
            ("tps=-1", "tps"),
            ("crlf=maybe", "crlf"),
            ("fault=odd", "fault"),
        ] {
            let told = knobs.apply(pairs).expect_err(pairs).to_string();
            assert!(told.contains(&format!("`{name}`")), "{told}");
        }
        assert_eq!(knobs.apply("slow"), Err(BadKnob::Form("slow".to_owned())));
    }

    #[test]
    fn the_error_rate_is_the_share_of_requests_that_fail() {
        let knobs = Knobs { error_rate: 0.1, ..Knobs::default() };
        let failed = (0..10_000).filter(|number| knobs.fails(*number)).count();
        assert!((900..1100).contains(&failed), "{failed}");
        assert!(!Knobs::default().fails(1));
        assert!(Knobs { error_rate: 1.0, ..Knobs::default() }.fails(1));
    }
}
