//! A share of a model's traffic is sent to another model as well, and nobody waits for the answer.
//!
//! A mirrored request is one of its own: made as if the key that the file names had called the other model, under that key's
//! limits and budgets, with its own rows and its own access record. The caller's request knows nothing of it: its body is
//! copied for the requests that are drawn, and handed to a service with its own thread ([`MirrorRunner`]). Where there is no
//! room (too many under way, too many bytes held, or the key is over its limits), the mirrored request is dropped and counted.

mod drive;
mod open;

use super::{
    bounds::Share,
    exchange::{Arrival, Opened},
    gateway::{Services, Snapshot},
    metadata::Metadata,
};
use crate::{
    config::Mirror,
    model::{Api, RequestId, Trace},
    telemetry::ProxyMetrics,
};
use bytes::Bytes;
pub(super) use drive::Driver;
use futures::stream::{FuturesUnordered, StreamExt};
use http::HeaderMap;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Mirrored requests that are under way at once; past it they wait.
const MOST_OPEN: usize = 64;
/// Mirrored requests that wait; past it they are dropped.
const MOST_WAITING: usize = 64;

/// A request that is to be mirrored.
pub struct Job {
    snapshot: Arc<Snapshot>,
    /// The model that was asked for.
    from: Arc<str>,
    mirror: Arc<Mirror>,
    api: Api,
    /// The model that the path names, where it does, and whether a stream is asked for.
    generate: Option<(String, bool)>,
    body: Bytes,
    /// The body's part of the gateway's memory.
    _share: Share,
    /// The client's headers, of which a provider's kind lets its list pass.
    headers: HeaderMap,
    user: Option<Arc<str>>,
    session: Option<Arc<str>>,
    metadata: Metadata,
    /// The request that is mirrored.
    of: RequestId,
    label: Arc<str>,
    query: Option<Arc<str>>,
    version: http::Version,
    trace: Option<Arc<Trace>>,
}

/// Where requests leave what is to be mirrored.
#[derive(Debug)]
pub struct Mirrors(Sender<Job>);

/// Mirrors what was left, as long as it is run.
pub struct MirrorRunner {
    jobs: Mutex<Option<Receiver<Job>>>,
}

impl fmt::Debug for Job {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Job").field("of", &self.of).field("to", &self.mirror.to).finish_non_exhaustive()
    }
}

impl Mirrors {
    /// Both ends.
    pub fn new() -> (Self, MirrorRunner) {
        let (sender, receiver) = channel(MOST_WAITING);
        (Self(sender), MirrorRunner { jobs: Mutex::new(Some(receiver)) })
    }
}

/// How a mirrored request ended: a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Result {
    /// It was answered.
    Answered,
    /// The other model refused it or gave no answer.
    Failed,
    /// It was not sent: there was no room for it.
    Dropped,
    /// It was not sent: the key may not call the other model, or is over its limits or budgets.
    Refused,
}

impl Result {
    const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
            Self::Refused => "refused",
        }
    }
}

fn count(metrics: &ProxyMetrics, model: &str, result: Result) {
    metrics.mirrored.with_label_values(&[model, result.name()]).inc();
}

impl Opened {
    /// Leaves a copy for the mirror of the model that was asked for, if it has one and this request is drawn. It does not
    /// matter which model answers.
    pub fn mirror(&self, services: &Services, headers: &HeaderMap) {
        let mirror = self.snapshot.mirrors.get(&self.model);
        let Some(mirror) = mirror.filter(|mirror| drawn(mirror, self.arrival.id)) else { return };
        // What a form holds, or a session, is not what a shadow is measured by.
        if self.ask.form || !self.ask.api.takes_json() || !self.ask.api.billed() {
            return;
        }
        let job = services.buffers.take(self.ask.body.len()).and_then(|share| {
            let job = self.job(Arc::clone(mirror), headers, share);
            services.mirrors.0.try_send(job).ok()
        });
        if job.is_none() {
            count(&services.metrics, &self.model, Result::Dropped);
        }
    }

    fn job(&self, mirror: Arc<Mirror>, headers: &HeaderMap, share: Share) -> Job {
        Job {
            snapshot: Arc::clone(&self.snapshot),
            from: Arc::clone(&self.model),
            mirror,
            api: self.ask.api,
            generate: (self.ask.api == Api::Generate).then(|| (self.ask.model.clone(), self.ask.stream)),
            body: Bytes::copy_from_slice(self.ask.body.as_slice()),
            _share: share,
            headers: headers.clone(),
            user: self.user.clone(),
            session: self.session.clone(),
            metadata: self.metadata.clone(),
            of: self.arrival.id,
            label: Arc::clone(&self.arrival.label),
            query: self.query.clone(),
            version: self.arrival.version,
            trace: self.arrival.trace.clone(),
        }
    }
}

/// By the chance in its id: retries of the same request are drawn anew.
fn drawn(mirror: &Mirror, id: RequestId) -> bool {
    id.0 % 100 < u128::from(mirror.percent)
}

impl MirrorRunner {
    /// Never returns. Dropped in the middle, it settles what is under way with what was seen.
    pub async fn run(&self, services: &Arc<Services>) {
        let Some(mut jobs) = self.jobs.lock().take() else { return };
        let driver = Driver::default();
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(()) = under_way.next(), if !under_way.is_empty() => {}
                job = jobs.recv(), if under_way.len() < MOST_OPEN => match (job, services.places.take()) {
                    (Some(job), Some(place)) => under_way.push(driver.one(services, job, place)),
                    (Some(job), None) => count(&services.metrics, &job.from, Result::Dropped),
                    (None, _) => return,
                },
            }
        }
    }
}

/// The request as it stands in rows and records: the original's label, an id of its own.
fn arrival(services: &Services, job: &Job) -> Arrival {
    let at_us = services.clock.now_us();
    let id = services.ids.next(at_us);
    Arrival {
        id,
        label: Arc::clone(&job.label),
        labelled: true,
        at: tokio::time::Instant::now(),
        at_us,
        address: None,
        version: job.version,
        trace: job.trace.as_ref().map(|trace| Arc::new(trace.child(id))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_that_is_drawn_is_the_share_that_is_asked_for() {
        let ids = crate::model::IdSource::from_os().expect("randomness");
        for percent in [1, 10, 50, 100] {
            let mirror = Mirror { to: "shadow".into(), key: "k".into(), percent };
            let count = (0..20_000).filter(|_| drawn(&mirror, ids.next(1))).count();
            let want = 200 * usize::from(percent);
            assert!(count.abs_diff(want) <= 600, "{percent} %: {count} of 20000");
        }
    }
}
