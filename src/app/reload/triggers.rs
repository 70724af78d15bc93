//! What starts a reload besides the admin API: SIGHUP, and the file itself where `watch: true`.

use super::{Cause, Reloader};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

/// How often the files are looked at. A file that is being written is left alone for as long again.
const LOOK: Duration = Duration::from_millis(500);

impl Reloader {
    /// Reads the file anew at each SIGHUP; its default action would end the process. Never returns.
    pub(crate) async fn on_hangups(self: &Arc<Self>) {
        match signal(SignalKind::hangup()) {
            Ok(mut hangups) => {
                while hangups.recv().await.is_some() {
                    self.act(Cause::Signal).await;
                }
            }
            Err(error) => tracing::error!(%error, "SIGHUP cannot be waited for"),
        }
        std::future::pending::<()>().await;
    }

    /// Looks at the file, and at those that it names, as long as the configuration that holds says so. What changes them is
    /// awaited to end: they must be the same at two looks. Never returns.
    pub(crate) async fn on_changes(self: &Arc<Self>) {
        let mut read = self.seen();
        let mut before = read.clone();
        loop {
            sleep(LOOK).await;
            let now = self.seen();
            if now != read && now == before {
                // Also if it is refused: it is read again when it changes again.
                read.clone_from(&now);
                if now.is_some() {
                    self.act(Cause::Watch).await;
                    read = self.seen().map(|after| keep_stamps(after, &now));
                }
            }
            before = now;
        }
    }

    /// What the files look like; `None`: they are not watched.
    fn seen(&self) -> Option<Seen> {
        let files = self.watched()?;
        Some(files.into_iter().map(|path| (stamp(&path), path)).collect())
    }

    async fn act(self: &Arc<Self>, cause: Cause) {
        let reloader = Arc::clone(self);
        if let Err(error) = tokio::task::spawn_blocking(move || reloader.on_its_own(cause)).await {
            tracing::error!(%error, "a reload failed; the configuration stays as it is");
        }
    }
}

type Seen = Vec<(Option<Stamp>, PathBuf)>;

/// Tells one state of a file from another, also where it was replaced, or is a link that leads elsewhere now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp([i64; 5]);

fn stamp(path: &std::path::Path) -> Option<Stamp> {
    let of = |about: Metadata| {
        let number = |value: u64| i64::from_ne_bytes(value.to_ne_bytes());
        Stamp([number(about.dev()), number(about.ino()), number(about.size()), about.mtime(), about.mtime_nsec()])
    };
    std::fs::metadata(path).ok().map(of)
}

/// The files of `after`, as they looked in `before` they were read: what changed meanwhile is seen at the next look.
fn keep_stamps(mut after: Seen, before: &Option<Seen>) -> Seen {
    for (stamp, path) in &mut after {
        if let Some((old, _)) = before.iter().flatten().find(|(_, known)| known == path) {
            *stamp = *old;
        }
    }
    after
}
