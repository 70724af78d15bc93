//! Where a request stands in a distributed trace: the ids of its spans, and what W3C Trace Context says of them.
//!
//! The rules are those of <https://www.w3.org/TR/trace-context/> (a Recommendation), with the `random` flag of
//! <https://www.w3.org/TR/trace-context-2/> passed on as it came. Ids of spans are not kept but made of the request's id
//! and the number of the attempt, so that whoever sends them and whoever reports them need not meet.

use super::RequestId;
use super::id::split_mix;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The place of one request in its trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The trace: the client's, else the request's own id.
    pub id: u128,
    /// The span that the request was made in; `None`: it begins the trace.
    pub parent: Option<u64>,
    /// Whether spans are made of it.
    pub sampled: bool,
    /// The client's `tracestate`, whole members only.
    pub state: Option<Box<str>>,
    random: bool,
    seed: u64,
}

/// What a client says of its trace, read from valid headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParent {
    id: u128,
    span: u64,
    flags: u8,
    state: Option<Box<str>>,
}

/// Flags of `traceparent`.
const SAMPLED: u8 = 1;
const RANDOM: u8 = 2;

/// `00-` trace `-` span `-` flags.
const LENGTH: usize = 55;

/// Members of a `tracestate`; more make it invalid.
const MOST_MEMBERS: usize = 32;
/// Bytes of a `tracestate` that are passed on: what W3C asks for at least. Longer ones lose members.
const MOST_STATE: usize = 512;
/// Members longer than this are the first to go.
const LONG_MEMBER: usize = 128;

impl TraceParent {
    /// Reads the values of a request's `traceparent` and `tracestate` headers, in their order. `None`: there is no
    /// `traceparent`, more than one, or it is malformed; then it is as if both were not there. A malformed `tracestate`
    /// is left out, and nothing else.
    pub fn read<'a>(
        mut parents: impl Iterator<Item = &'a [u8]>,
        states: impl Iterator<Item = &'a [u8]>,
    ) -> Option<Self> {
        let parent = parents.next()?;
        if parents.next().is_some() {
            return None;
        }
        let (id, span, flags) = parse(parent)?;
        Some(Self { id, span, flags, state: state(states) })
    }
}

/// Trace, span and flags. Versions above 00 may have more behind a `-`.
fn parse(text: &[u8]) -> Option<(u128, u64, u8)> {
    let (head, rest) = text.split_at_checked(LENGTH)?;
    let version = number(head.get(..2)?)?;
    let ends = rest.is_empty() || (version > 0 && rest.first() == Some(&b'-'));
    let dashes = [2, 35, 52].into_iter().all(|at| head.get(at) == Some(&b'-'));
    if version == 0xff || !ends || !dashes {
        return None;
    }
    let id = number(head.get(3..35)?)?;
    let span = u64::try_from(number(head.get(36..52)?)?).ok()?;
    let flags = u8::try_from(number(head.get(53..55)?)?).ok()?;
    (id != 0 && span != 0).then_some((id, span, flags))
}

/// Lower-case hexadecimal digits only.
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0u128, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

/// The members of all headers together, in one line.
fn state<'a>(headers: impl Iterator<Item = &'a [u8]>) -> Option<Box<str>> {
    let mut members: Vec<&str> = Vec::new();
    for header in headers {
        for member in std::str::from_utf8(header).ok()?.split(',') {
            let member = member.trim_matches([' ', '\t']);
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=')?;
            let again = members.iter().any(|known| known.split('=').next() == Some(key));
            if !is_key(key) || !is_value(value) || again || members.len() == MOST_MEMBERS {
                return None;
            }
            members.push(member);
        }
    }
    while members.iter().map(|member| member.len() + 1).sum::<usize>() > MOST_STATE + 1 {
        match members.iter().rposition(|member| member.len() > LONG_MEMBER) {
            Some(long) => drop(members.remove(long)),
            None => drop(members.pop()),
        }
    }
    (!members.is_empty()).then(|| members.join(",").into())
}

/// `vendor`, or `tenant@vendor`.
fn is_key(key: &str) -> bool {
    let rest = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-*/".contains(&b));
    let begins = |text: &str, digits: bool| {
        text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || (digits && b.is_ascii_digit()))
    };
    match key.split_once('@') {
        None => key.len() <= 256 && begins(key, true) && rest(key),
        Some((tenant, vendor)) => {
            let fits = tenant.len() <= 241 && vendor.len() <= 14;
            fits && begins(tenant, true) && rest(tenant) && begins(vendor, false) && rest(vendor)
        }
    }
}

fn is_value(value: &str) -> bool {
    let fits = |b: u8| (0x20..=0x7e).contains(&b) && b != b'=' && b != b',';
    (1..=256).contains(&value.len()) && value.bytes().all(fits) && !value.ends_with(' ')
}

impl Trace {
    /// Of the request `id`, whose client says `parent` of its trace.
    pub fn begin(id: RequestId, parent: Option<TraceParent>, sampler: &Sampler) -> Self {
        let seed = low(id);
        match parent {
            None => Self { id: id.0, parent: None, sampled: sampler.takes(id.0), state: None, random: false, seed },
            Some(TraceParent { id: trace, span, flags, state }) => {
                let follows = sampler.follow.load(Ordering::Relaxed);
                let sampled = if follows { flags & SAMPLED != 0 } else { sampler.takes(trace) };
                Self { id: trace, parent: Some(span), sampled, state, random: flags & RANDOM != 0, seed }
            }
        }
    }

    /// Of the request `id`, which is made within the one that `self` is of.
    #[must_use]
    pub fn child(&self, id: RequestId) -> Self {
        Self { parent: Some(self.span(0)), seed: low(id), ..self.clone() }
    }

    /// The span of the request (0), or of the attempt of this number, from 1.
    pub const fn span(&self, attempt: u16) -> u64 {
        // A permutation of distinct numbers: no two spans of a request are the same.
        let span = split_mix(self.seed.wrapping_add((attempt as u64).wrapping_mul(STEP)));
        if span == 0 { STEP } else { span }
    }

    /// `traceparent` for whoever is called by the attempt of this number.
    pub fn traceparent(&self, attempt: u16) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.id, self.span(attempt), self.flags())
    }

    /// The flags of spans, as `traceparent` has them.
    pub fn flags(&self) -> u8 {
        let of = |holds: bool, flag: u8| if holds { flag } else { 0 };
        of(self.sampled, SAMPLED) | of(self.random, RANDOM)
    }
}

/// Odd, so that its multiples do not meet.
const STEP: u64 = 0xd6e8_feb8_6659_fd93;

/// The part of an id that is chance.
const fn low(id: RequestId) -> u64 {
    id.0 as u64
}

/// Which requests spans are made of. Read by every request, set by a reload.
#[derive(Debug)]
pub struct Sampler {
    /// Of [`ALL`] numbers that the chance of a trace's id can be, those from this one on; [`OFF`]: nothing is traced.
    from: AtomicU64,
    /// The client's flag goes first.
    follow: AtomicBool,
}

/// The right-most seven bytes of a trace's id are its chance.
const ALL: u64 = 1 << 56;
const OFF: u64 = u64::MAX;

impl Default for Sampler {
    /// Nothing is traced.
    fn default() -> Self {
        Self { from: AtomicU64::new(OFF), follow: AtomicBool::new(true) }
    }
}

impl Sampler {
    /// Takes `millionths` of all traces; `follow`: of those that a client began, the ones that it took.
    pub fn set(&self, millionths: u32, follow: bool) {
        let taken = u128::from(ALL) * u128::from(millionths.min(1_000_000)) / 1_000_000;
        self.follow.store(follow, Ordering::Relaxed);
        self.from.store(ALL - u64::try_from(taken).unwrap_or(ALL), Ordering::Relaxed);
    }

    /// Whether anything is traced at all; if not, headers need not be read.
    pub fn is_on(&self) -> bool {
        self.from.load(Ordering::Relaxed) != OFF
    }

    /// By the chance in the trace's id, as <https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/>
    /// has it: whoever samples the same trace by the same share takes the same ones.
    fn takes(&self, trace: u128) -> bool {
        trace as u64 & (ALL - 1) >= self.from.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
