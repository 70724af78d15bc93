//! The ledger's journal as a crash, or a bad disk, may have left it.

use super::config;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use weighbridge::config::{Durability, State};
use weighbridge::ledger::verify::verify;
use weighbridge::ledger::{Ledger, LedgerError, LedgerMetrics, Opening, Settlement};
use weighbridge::model::{AttemptId, IdSource, NanoUsd, ServiceTier, SystemClock, Usage, UsageOrigin};

/// Attempts in the journal; each third stays open.
const ATTEMPTS: u64 = 24;

fn open(dir: &Path) -> Result<Arc<Ledger>, LedgerError> {
    let state = State {
        dir: dir.to_owned(),
        durability: Durability::Process,
        retention: Duration::from_secs(400 * 86_400),
        max_bytes: NonZeroU64::new(1 << 30).expect("not zero"),
        segment_bytes: NonZeroU64::new(1 << 20).expect("not zero"),
    };
    let metrics = LedgerMetrics::register(&prometheus::Registry::new()).expect("the registry is new");
    Ledger::open(&state, Arc::new(SystemClock), metrics)
}

fn opening(ids: &IdSource, n: u64) -> Opening {
    let name = |text: &str| Arc::<str>::from(text);
    Opening {
        id: AttemptId { request: ids.next(1_764_028_800_000_000 + n), attempt: 1 },
        request_label: name(&format!("request-{n}")),
        opened_us: 1_764_028_800_000_000 + n,
        key: name("ci"),
        team: name("search"),
        user: n.is_multiple_of(2).then(|| name("ada")),
        model: name("fast"),
        api: "chat_completions",
        stream: true,
        provider: name("openai"),
        target_model: name("gpt-4o-mini"),
        price: None,
        estimated_input_tokens: n,
        charges: Vec::new(),
    }
}

fn settlement(n: u64) -> Settlement {
    Settlement {
        status: 200,
        usage: Usage { input: n, output: 1, ..Usage::default() },
        origin: UsageOrigin::Reported,
        cost: Some(NanoUsd(1000)),
        saved: NanoUsd::ZERO,
        price_version: None,
        tier: ServiceTier::Standard,
        latency_us: 1,
        first_token_us: None,
        overhead_us: None,
        error: None,
    }
}

/// A journal as `kill -9` leaves it.
struct Killed {
    /// Name and bytes of its one segment that has rows.
    name: PathBuf,
    bytes: Vec<u8>,
    /// Bytes behind each attempt's beginning.
    begun: Vec<usize>,
    /// The same, behind each settlement.
    settled: Vec<usize>,
}

fn segment(dir: &Path) -> PathBuf {
    let mut files = Vec::new();
    let mut dirs = vec![dir.join("journal")];
    while let Some(next) = dirs.pop() {
        for entry in std::fs::read_dir(next).expect("a folder") {
            let path = entry.expect("readable").path();
            if path.is_dir() { dirs.push(path) } else { files.push(path) }
        }
    }
    files.into_iter().max_by_key(|file| file.metadata().map_or(0, |about| about.len())).expect("a segment")
}

impl Killed {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let ledger = open(dir.path()).expect("the folder is new");
        let ids = IdSource::from_os().expect("the system has randomness");
        let (mut begun, mut settled, mut open_ones) = (Vec::new(), Vec::new(), Vec::new());
        let length = || {
            let file = segment(dir.path());
            usize::try_from(file.metadata().expect("it is there").len()).expect("short")
        };
        for n in 0..ATTEMPTS {
            let attempt = ledger.begin(opening(&ids, n)).expect("the disk has room");
            begun.push(length());
            if n % 3 == 2 {
                open_ones.push(attempt);
            } else {
                attempt.settle(settlement(n));
                settled.push(length());
            }
        }
        let file = segment(dir.path());
        let bytes = std::fs::read(&file).expect("readable");
        let name = file.strip_prefix(dir.path()).expect("inside").to_path_buf();
        drop(open_ones);
        ledger.close();
        Self { name, bytes, begun, settled }
    }

    /// What a start makes of `bytes`: sums of attempts and dollars (in thousands of nano-dollars), if it starts.
    /// A torn end leaves a whole ledger; of a changed byte, verifying may speak instead, and names the segment.
    fn start(&self, bytes: &[u8], torn: bool) -> Option<(usize, usize)> {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join(&self.name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("writable");
        std::fs::write(&file, bytes).expect("writable");
        let ledger = match open(dir.path()) {
            Ok(ledger) => ledger,
            Err(error) => {
                assert!(!error.to_string().is_empty(), "a refusal says why");
                return None;
            }
        };
        ledger.flush().expect("the disk has room");
        let totals = ledger.totals();
        ledger.close();
        let found = verify(dir.path()).expect("it is readable");
        let name = self.name.display().to_string();
        let named = !torn && found.problems.iter().any(|problem| problem.contains(&name));
        assert!(found.is_whole() || named, "what was recovered is whole, or named: {:?}", found.problems);
        let total = found.total;
        // A record that stands there twice is one row in the store; the sums in memory tell it twice until the next start.
        let told = totals.0.values().map(|sums| sums.attempts).sum::<u64>();
        assert!(told == total.attempts || !torn && told > total.attempts, "memory {told}, store {}", total.attempts);
        Some((usize::try_from(total.attempts).expect("few"), usize::try_from(total.cost.0 / 1000).expect("little")))
    }
}

#[test]
fn a_journal_that_was_cut_off_keeps_what_stands_before_the_cut() {
    let killed = Killed::new();
    let header = killed.begun[0] / 2;
    let run = TestRunner::new(config(60)).run(&(header..=killed.bytes.len()), |cut| {
        let before = |ends: &[usize]| ends.iter().filter(|end| **end <= cut).count();
        if let Some((attempts, cost)) = killed.start(&killed.bytes[..cut], true) {
            prop_assert_eq!(attempts, before(&killed.begun), "cut at {}", cut);
            prop_assert_eq!(cost, before(&killed.settled), "cut at {}", cut);
        } else {
            prop_assert!(cut < killed.begun[0], "a start refuses no torn end (cut at {})", cut);
        }
        Ok(())
    });
    run.unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn a_journal_that_was_changed_invents_and_doubles_nothing() {
    let killed = Killed::new();
    let change = (0..killed.bytes.len(), 0..8u8, any::<bool>(), 0..400usize);
    let run = TestRunner::new(config(60)).run(&change, |(at, bit, repeat, length)| {
        let mut bytes = killed.bytes.clone();
        if repeat {
            let piece = bytes[at..(at + length).min(bytes.len())].to_vec();
            bytes.splice(at..at, piece);
        } else {
            bytes[at] ^= 1 << bit;
        }
        if let Some((attempts, cost)) = killed.start(&bytes, false) {
            prop_assert!(attempts <= killed.begun.len(), "{} attempts", attempts);
            prop_assert!(cost <= killed.settled.len(), "{} settled", cost);
        }
        Ok(())
    });
    run.unwrap_or_else(|why| panic!("{why}"));
}
