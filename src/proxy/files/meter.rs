//! Batches that are over get their row in the ledger, each exactly one, whoever saw it first.
//!
//! A row's id is made of provider and batch, and the ledger writes none twice: so the table's mark and the row agree also when
//! the process is killed between the two.

use crate::{
    config::Unit,
    files::{Charge, FilesError, Kept, Kind, Metering},
    ledger::budget::Charged,
    ledger::{Opening, Settlement},
    model::{Api, AttemptId, NanoUsd, RequestId, ServiceTier, Usage, UsageOrigin},
    providers::{Provider, batch::BatchReading},
    proxy::{
        finish,
        gateway::{Services, Snapshot},
        reject::Reject,
        target::Target,
    },
};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Longest line of a file of answers that is read; a file with a longer one is not metered by its lines.
pub const MOST_LINE: usize = 16 << 20;

/// The purpose of files that batches make.
pub const ANSWERS: &str = "batch_output";

/// Takes note of batches as their provider describes them: what they made is their team's, and those that are over are
/// booked.
///
/// # Errors
///
/// [`Reject::FilesUnavailable`], [`Reject::LedgerUnavailable`]: whoever sees them next tries again.
pub async fn seen(
    services: &Arc<Services>,
    snapshot: &Arc<Snapshot>,
    provider: &Arc<str>,
    batches: Vec<BatchReading>,
) -> Result<(), Reject> {
    let (for_thread, snapshot, provider) = (Arc::clone(services), Arc::clone(snapshot), Arc::clone(provider));
    let note = move || batches.iter().try_for_each(|batch| note(&for_thread, &snapshot, &provider, batch));
    blocking(note).await
}

/// Books a batch whose provider reports nothing, by the lines of its answers.
///
/// # Errors
///
/// As [`seen`].
pub async fn by_lines(
    services: &Arc<Services>,
    snapshot: &Arc<Snapshot>,
    provider: &Arc<str>,
    batch: String,
    usage: Usage,
) -> Result<(), Reject> {
    let (services, snapshot, provider) = (Arc::clone(services), Arc::clone(snapshot), Arc::clone(provider));
    blocking(move || match services.files.shelf.find(&provider, Kind::Batch, &batch).map_err(unavailable)? {
        Some(kept) if kept.metering == Metering::Unreported => book(&services, &snapshot, &kept, &usage),
        _ => Ok(()),
    })
    .await
}

async fn blocking(work: impl FnOnce() -> Result<(), Reject> + Send + 'static) -> Result<(), Reject> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Reject::FilesUnavailable))
}

/// Told to the operator here, and to the client without the reason.
pub fn unavailable(error: FilesError) -> Reject {
    tracing::error!(%error, "the table of files failed");
    Reject::FilesUnavailable
}

fn note(services: &Services, snapshot: &Snapshot, provider: &Arc<str>, batch: &BatchReading) -> Result<(), Reject> {
    let shelf = &services.files.shelf;
    // One that was not made through the gateway is nobody's.
    let Some(kept) = shelf.find(provider, Kind::Batch, &batch.id).map_err(unavailable)? else { return Ok(()) };
    let output = batch.output.iter().map(|id| (id, Some(kept.id.clone())));
    for (id, answers) in output.chain(batch.errors.iter().map(|id| (id, None))) {
        let made = Kept {
            kind: Kind::File,
            id: id.clone(),
            purpose: ANSWERS.to_owned(),
            // What counts is in the file of answers; that of errors says itself whose model it was.
            model: kept.model.clone().filter(|_| answers.is_none()),
            batch: answers,
            charges: Vec::new(),
            metering: Metering::Open,
            ..kept.clone()
        };
        shelf.keep(&made).map_err(unavailable)?;
    }
    if !batch.over || kept.metering == Metering::Done {
        return Ok(());
    }
    match batch.usage {
        Some(usage) => book(services, snapshot, &kept, &usage),
        None if batch.output.is_some() => shelf.metered(provider, &kept.id, Metering::Unreported).map_err(unavailable),
        // Nothing was answered: nothing was used.
        None => shelf.metered(provider, &kept.id, Metering::Done).map_err(unavailable),
    }
}

/// Writes the row, then the mark.
fn book(services: &Services, snapshot: &Snapshot, kept: &Kept, usage: &Usage) -> Result<(), Reject> {
    let target = kept.model.as_deref().and_then(|model| target(snapshot, model, &kept.provider));
    let cost = match target {
        Some(target) => finish::cost_of(target, usage, ServiceTier::Batch, 100),
        None => usage.is_zero().then(Default::default),
    };
    let opening = Opening {
        id: id(kept),
        request_label: (&*kept.id).into(),
        opened_us: services.clock.now_us(),
        key: Arc::clone(&kept.key),
        team: Arc::clone(&kept.team),
        user: kept.user.clone(),
        model: kept.model.clone().unwrap_or_default(),
        api: Api::Batches.name(),
        stream: false,
        provider: Arc::clone(&kept.provider),
        target_model: target.map_or_else(|| "unknown".into(), |target| Arc::clone(&target.model)),
        price: None,
        estimated_input_tokens: 0,
        charges: kept.charges.iter().map(charged).collect(),
    };
    let settlement = Settlement {
        status: 200,
        usage: *usage,
        origin: UsageOrigin::Reported,
        cost,
        saved: NanoUsd::ZERO,
        price_version: target.and_then(|target| Some(Arc::clone(target.price.as_ref()?.version()))),
        tier: ServiceTier::Batch,
        latency_us: services.clock.now_us().saturating_sub(kept.created_us),
        first_token_us: None,
        overhead_us: None,
        error: None,
    };
    let written = services.ledger.book_late(&opening, settlement).map_err(|error| {
        tracing::error!(batch = %kept.id, %error, "a batch could not be booked; whoever looks at it next tries again");
        Reject::LedgerUnavailable
    })?;
    if written {
        snapshot.series.team(Some(&kept.team)).settled(usage, cost);
        if let Some(target) = target {
            target.metrics.settled(usage, UsageOrigin::Reported, cost);
        }
    }
    services.files.shelf.metered(&kept.provider, &kept.id, Metering::Done).map_err(unavailable)
}

/// The target of `model` at `provider`: whose name and price hold there.
pub fn target<'s>(snapshot: &'s Snapshot, model: &str, provider: &str) -> Option<&'s Target> {
    let targets = &snapshot.table.find(model)?.targets;
    targets.iter().find(|target| *target.provider_name == *provider).map(|target| &**target)
}

/// 48 bits of the batch's moment as all ids have, and 80 of its provider's and its own name.
fn id(kept: &Kept) -> AttemptId {
    let digest = Sha256::new().chain_update(&*kept.provider).chain_update([0]).chain_update(&kept.id).finalize();
    let name = digest.iter().take(10).fold(0u128, |name, byte| name << 8 | u128::from(*byte));
    let millis = u128::from((kept.created_us / 1_000) & 0xffff_ffff_ffff);
    AttemptId { request: RequestId(millis << 80 | name), attempt: 1 }
}

fn charged(charge: &Charge) -> Charged {
    Charged {
        budget: Arc::clone(&charge.budget),
        entity: Arc::clone(&charge.entity),
        period_us: charge.period_us,
        unit: if charge.tokens { Unit::Tokens } else { Unit::Usd },
        held: 0,
    }
}

/// What a batch is charged to, to be kept with it.
pub fn charge(charged: &Charged) -> Charge {
    Charge {
        budget: Arc::clone(&charged.budget),
        entity: Arc::clone(&charged.entity),
        period_us: charged.period_us,
        tokens: charged.unit == Unit::Tokens,
    }
}

/// Adds up what the lines of a file of answers used, as they pass.
#[derive(Debug, Default)]
pub struct Lines {
    line: Vec<u8>,
    usage: Usage,
    too_long: bool,
}

impl Lines {
    /// Takes the next bytes.
    pub fn push(&mut self, provider: &dyn Provider, piece: &[u8]) {
        for part in piece.split_inclusive(|&byte| byte == b'\n') {
            self.too_long |= part.len() > MOST_LINE - self.line.len().min(MOST_LINE);
            if self.too_long {
                self.line = Vec::new();
                return;
            }
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.end_line(provider);
            }
        }
    }

    fn end_line(&mut self, provider: &dyn Provider) {
        if let Some(usage) = provider.read_batch_line(&self.line) {
            self.usage = self.usage.plus(&usage);
        }
        self.line.clear();
    }

    /// Bytes that are held.
    pub fn held(&self) -> usize {
        self.line.len()
    }

    /// The file is whole: what all its lines used; `None`: it cannot be told.
    pub fn end(mut self, provider: &dyn Provider) -> Option<Usage> {
        self.end_line(provider);
        (!self.too_long).then_some(self.usage)
    }
}
