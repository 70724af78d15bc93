//! Where a process stands between its start and its end, and the signals that move it on.

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use std::future::pending;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Where a process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum Phase {
    /// It takes no connection yet.
    Starting,
    /// It takes connections.
    Serving,
    /// It was told to stop.
    Stopping,
    /// Another process serves in its place.
    Handed,
}

/// The way through the phases.
#[derive(Debug)]
pub(in crate::app) struct Course(watch::Sender<Phase>);

impl Course {
    /// At its start.
    pub(in crate::app) fn new() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(Phase::Starting)))
    }

    /// Where it stands now.
    pub(in crate::app) fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Goes on; never back, and never from [`Phase::Handed`].
    pub(in crate::app) fn enter(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let goes_on = !matches!((*now, phase), (Phase::Handed, _) | (Phase::Stopping, Phase::Serving));
            if goes_on {
                *now = phase;
            }
            goes_on
        });
    }

    /// Waits for a phase of these.
    pub(in crate::app) async fn wait_for(&self, wanted: impl Fn(Phase) -> bool) {
        if self.0.subscribe().wait_for(|phase| wanted(*phase)).await.is_err() {
            pending::<()>().await;
        }
    }
}

/// What ends the process: SIGTERM and SIGQUIT drain, SIGINT does not; and a process that was handed over drains.
pub(in crate::app) struct Signals(pub(in crate::app) Arc<Course>);

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        tokio::select! {
            () = next(SignalKind::interrupt()) => ShutdownSignal::FastShutdown,
            () = next(SignalKind::terminate()) => ShutdownSignal::GracefulTerminate,
            () = next(SignalKind::quit()) => ShutdownSignal::GracefulTerminate,
            () = self.0.wait_for(|phase| phase == Phase::Handed) => ShutdownSignal::GracefulTerminate,
        }
    }
}

async fn next(kind: SignalKind) {
    match signal(kind).as_mut().map(Signal::recv) {
        Ok(received) => drop(received.await),
        Err(error) => {
            tracing::error!(%error, ?kind, "a signal cannot be waited for");
            pending::<()>().await;
        }
    }
}
