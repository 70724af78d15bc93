//! A state directory, a clock that stands where it is put, and attempts to write.

use crate::config::{Durability, State};
use crate::ledger::findings::{Finding, Findings};
use crate::ledger::{Ledger, LedgerMetrics, OpenPrice, Opening, Settlement};
use crate::model::{AttemptId, Clock, NanoUsd, RequestId, ServiceTier, Usage, UsageOrigin};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// 2026-11-01T00:00:00Z.
pub(crate) const NOW_US: u64 = 1_793_491_200_000_000;

/// A clock that tests set.
#[derive(Debug, Clone)]
pub(crate) struct HandClock(pub Arc<AtomicU64>);

impl HandClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(NOW_US)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_micros() as u64, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn now_us(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) fn state(dir: &Path) -> State {
    State {
        dir: dir.to_owned(),
        durability: Durability::Process,
        retention: Duration::from_secs(400 * 86_400),
        max_bytes: NonZeroU64::new(10 << 30).unwrap(),
        segment_bytes: NonZeroU64::new(64 << 20).unwrap(),
    }
}

pub(crate) fn metrics() -> LedgerMetrics {
    LedgerMetrics::register(&prometheus::Registry::new()).unwrap()
}

pub(crate) fn open(dir: &Path) -> Arc<Ledger> {
    Ledger::open(&state(dir), Arc::new(HandClock::new()), metrics()).unwrap()
}

pub(crate) fn id(n: u64) -> AttemptId {
    AttemptId { request: RequestId(u128::from(NOW_US / 1_000) << 80 | u128::from(n)), attempt: 1 }
}

/// The `n`-th attempt: one a second from [`NOW_US`] on, of two teams.
pub(crate) fn opening(n: u64) -> Opening {
    let team = if n.is_multiple_of(2) { "search" } else { "support" };
    Opening {
        id: id(n),
        request_label: Arc::from(format!("label-{n}")),
        opened_us: NOW_US + n * 1_000_000,
        key: Arc::from(format!("{team}-ci")),
        team: Arc::from(team),
        user: n.is_multiple_of(3).then(|| Arc::from("u1")),
        model: Arc::from("fast"),
        api: "chat_completions",
        stream: n.is_multiple_of(2),
        provider: Arc::from("openai"),
        target_model: Arc::from("gpt-4o-mini"),
        price: Some(OpenPrice {
            version: Arc::from("2026-11"),
            input_nano_per_million: 150_000_000,
            output_nano_per_million: 600_000_000,
        }),
        estimated_input_tokens: 100 + n,
        charges: Vec::new(),
    }
}

pub(crate) fn settlement(n: u64) -> Settlement {
    Settlement {
        status: 200,
        usage: Usage { input: 10 + n, cache_read: 5, output: 7, reasoning: 2, ..Usage::default() },
        origin: UsageOrigin::Reported,
        cost: (n % 5 != 4).then_some(NanoUsd(1_000 + n as i64)),
        saved: NanoUsd::ZERO,
        price_version: Some(Arc::from("2026-11")),
        tier: ServiceTier::Standard,
        latency_us: 1_234,
        first_token_us: Some(321),
        overhead_us: Some(45),
        error: None,
    }
}

/// A copy of a state directory as a `kill -9` at this moment would leave it.
pub(crate) fn as_if_killed(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_tree(dir, copy.path());
    copy
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The segments of a state directory, in order.
pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    let journal = dir.join("journal");
    let ids = crate::ledger::journal::segment::list(&journal).unwrap();
    ids.into_iter().map(|id| id.path(&journal)).collect()
}

/// What guardrails found in request `n` (or in the answer to its attempt) as `part`: guardrail, entity, action, whether it
/// only tells, and how often.
pub(crate) fn found(n: u64, (attempt, part): (u16, u16), all: &[(&str, &str, &str, bool, u32)]) -> Findings {
    let opening = opening(n);
    let finding = |&(guardrail, entity, action, audited, count): &(&str, &str, &str, bool, u32)| Finding {
        guardrail: guardrail.into(),
        kind: format!("kind-of-{guardrail}").into(),
        entity: entity.into(),
        foreign: false,
        hook: if attempt == 0 { "input" } else { "output" }.into(),
        action: action.into(),
        audited,
        count,
    };
    Findings {
        id: AttemptId { request: opening.id.request, attempt },
        part,
        time_us: opening.opened_us,
        key: opening.key,
        team: opening.team,
        user: opening.user,
        model: opening.model,
        api: opening.api,
        findings: all.iter().map(finding).collect(),
    }
}
