//! From the moment in which the gateway serves to its end: taking over, being ready, draining.

use super::notify::Notifier;
use super::reload::Reloader;
use super::upgrade::{Control, Course, Phase, Sockets, Successor, bind_shared};
use super::{close, exit, shut};
use crate::{
    ledger::link::HeldBy,
    proxy::{Services, Watch},
};
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use std::future::pending;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How long clients may take for the last bytes of answers that are done.
const FLUSH: Duration = Duration::from_millis(250);
/// How often the drain looks whether the last request is done.
const DRAIN_LOOK: Duration = Duration::from_millis(20);
/// How often a process that handed over looks whether keys have changed: what is revoked works for less than a second.
const KEYS_LOOK: Duration = Duration::from_millis(250);

/// Says that the gateway is ready; and ends the process when, after the word to stop, the last request is done. Pingora alone
/// would wait out its grace period.
pub(super) struct Stop {
    pub(super) services: Arc<Services>,
    pub(super) ready: Arc<AtomicBool>,
    pub(super) within: Duration,
    pub(super) watch: Watch,
    pub(super) reloader: Arc<Reloader>,
    pub(super) notifier: Arc<Notifier>,
    pub(super) course: Arc<Course>,
    pub(super) sockets: Sockets,
    pub(super) control: Arc<Control>,
    pub(super) socket: Mutex<Option<UnixListener>>,
    pub(super) before: Before,
}

/// What a process that takes over does in between; nothing in one that has none before it.
pub(super) struct Before {
    pub(super) successor: Option<Arc<Successor>>,
    /// Where the admin listener goes, and its address.
    pub(super) admin: (Option<SocketAddr>, Arc<Mutex<Option<TcpListener>>>),
    pub(super) state_dir: PathBuf,
}

#[async_trait]
impl BackgroundService for Stop {
    async fn start(&self, shutdown: ShutdownWatch) {
        let beside = async {
            tokio::select! {
                () = self.reloader.on_hangups() => {}
                () = self.reloader.on_changes() => {}
                () = self.watch.keep() => {}
                // All of that is the other process's then.
                () = self.course.wait_for(|phase| phase == Phase::Handed) => {}
            }
            self.follow_keys().await;
        };
        tokio::select! {
            () = self.stop(shutdown) => {}
            () = beside => {}
            () = self.services.callers.maintain() => {}
        }
    }
}

impl Stop {
    /// Waits for the word to stop, then for the last request.
    async fn stop(&self, mut shutdown: ShutdownWatch) {
        if !*shutdown.borrow() {
            self.begin().await;
        }
        if !*shutdown.borrow() && shutdown.changed().await.is_err() {
            return;
        }
        self.course.enter(Phase::Stopping);
        self.ready.store(false, Ordering::Relaxed);
        self.sockets.close();
        let handed = self.course.phase() == Phase::Handed;
        if !handed {
            self.notifier.stopping();
        }
        let begun = Instant::now();
        tracing::info!(open = self.services.places.busy(), "draining");
        while self.is_at_work(handed) && begun.elapsed() < self.within {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        // Realtime sessions may last for hours: what is left of them is told to go now.
        self.services.stopping.store(true, Ordering::Relaxed);
        // The last bytes of an answer over HTTP/2, and of answers that hold no slot, may still be on their way out.
        tokio::time::sleep(FLUSH.min(self.within)).await;
        let cut = self.services.places.busy();
        tracing::info!(cut, after_ms = begun.elapsed().as_millis(), "stopped");
        if cut > 0 {
            // The runtimes drop what still runs, which settles it; `run` closes the stores behind them.
            return;
        }
        self.leave(0).await;
    }

    /// Whether something is waited for. Of a gateway that was handed over, clients may still ask over the connections that they
    /// have, for a while. One that others handed over to stays as long as they do: it may be systemd's main process.
    fn is_at_work(&self, handed: bool) -> bool {
        let kept = handed && self.services.connections.count() > 0;
        self.services.places.busy() > 0 || self.services.ledger.followed_by() > 0 || kept
    }

    /// Takes over, if there is a process to take over from; then it serves.
    async fn begin(&self) {
        if self.before.successor.is_some() {
            let taken = tokio::task::block_in_place(|| self.take_over());
            if let Err(why) = taken {
                tracing::error!("this process does not take over: {why}");
                self.control.withdraw();
                self.leave(1).await;
            }
        } else if let Err(error) = self.services.ledger.take_over(None) {
            // Only what processes hold that are left over from before is not known.
            tracing::error!(%error, "what processes of before settled cannot be read");
        }
        if let Some(socket) = self.socket.lock().take()
            && let Err(error) = self.control.listen(socket)
        {
            tracing::error!(%error, "`weighbridge upgrade` will not find this process");
        }
        self.course.enter(Phase::Serving);
        self.ready.store(true, Ordering::Relaxed);
        self.notifier.ready(self.before.successor.is_some());
    }

    fn take_over(&self) -> Result<(), String> {
        let Some(successor) = &self.before.successor else { return Ok(()) };
        successor.take_over(|held: Vec<HeldBy>| {
            let (address, place) = &self.before.admin;
            if let Some(address) = address {
                *place.lock() = Some(bind_shared("admin.listen", *address, false).map_err(|error| error.to_string())?);
            }
            self.services.ledger.take_over(Some(held)).map_err(|error| error.to_string())
        })?;
        // What admins did over there since this process read it.
        if let Err(error) = self.services.callers.reread() {
            tracing::error!(%error, "keys that were changed during the upgrade are not known");
        }
        let now_us = self.services.clock.now_us();
        if let Err(why) = shut::restore(&self.before.state_dir, &self.services.standings, now_us) {
            tracing::error!("targets that were taken out during the upgrade are not known: {why}");
        }
        Ok(())
    }

    /// Keys that the other process changes hold here too. Never returns.
    async fn follow_keys(&self) {
        loop {
            tokio::time::sleep(KEYS_LOOK).await;
            let services = Arc::clone(&self.services);
            let reread = move || services.callers.reread_if_changed();
            match tokio::task::spawn_blocking(reread).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "keys that the new process changed are not known"),
                Err(_) => pending::<()>().await,
            }
        }
    }

    async fn leave(&self, code: i32) -> ! {
        let services = Arc::clone(&self.services);
        if let Err(error) = tokio::task::spawn_blocking(move || close(&services)).await {
            tracing::error!(%error, "the stores could not be closed");
        }
        exit(code)
    }
}
