//! Targets that are taken out by hand, kept in `shut.json` of the state directory, so that a restart changes nothing.

use crate::{
    admin::Switch,
    auth::{Change, Witness},
    config::moment,
    model::{Clock, Refusal, ShutOrder},
    routing::{ByHand, Standings},
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The file as it is written.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    targets: Vec<KeptTarget>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptTarget {
    provider: Arc<str>,
    model: Arc<str>,
    reason: Arc<str>,
    since_us: u64,
    until_us: Option<u64>,
}

/// Takes targets out and puts them back.
pub(super) struct Shutters {
    path: PathBuf,
    standings: Arc<Standings>,
    clock: Arc<dyn Clock>,
    /// One at a time.
    acting: Mutex<()>,
}

impl Shutters {
    /// Those of `dir`.
    pub(super) fn new(dir: &Path, standings: Arc<Standings>, clock: Arc<dyn Clock>) -> Self {
        Self { path: path(dir), standings, clock, acting: Mutex::new(()) }
    }

    /// Writes what is out when `name` is turned, beside the file that holds: a rename makes it so.
    fn stage(&self, name: (&str, &str), by_hand: Option<&ByHand>, now_us: u64) -> io::Result<PathBuf> {
        let mut all = self.standings.by_hand(now_us);
        all.retain(|((provider, model), _)| (&**provider, &**model) != name);
        all.extend(by_hand.map(|by_hand| ((name.0.into(), name.1.into()), by_hand.clone())));
        let targets = all.into_iter().map(|((provider, model), ByHand { reason, since_us, until_us })| KeptTarget {
            provider,
            model,
            reason,
            since_us,
            until_us,
        });
        let text = serde_json::to_vec_pretty(&Kept { targets: targets.collect() }).map_err(io::Error::from)?;
        let staged = self.path.with_extension("json.new");
        let mut file = File::create(&staged)?;
        file.write_all(&text)?;
        file.sync_all()?;
        Ok(staged)
    }

    fn make_so(&self, staged: &Path) -> io::Result<()> {
        fs::rename(staged, &self.path)?;
        self.path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    }
}

impl Switch for Shutters {
    fn turn(
        &self,
        (provider, model): (&str, &str),
        order: Option<ShutOrder>,
        witness: &Witness<'_>,
    ) -> Result<(), Refusal> {
        let _alone = self.acting.lock();
        let now_us = self.clock.now_us();
        let by_hand = order.map(|order| checked(&order, now_us)).transpose()?;
        let is_out = self.standings.by_hand(now_us).iter().any(|((p, m), _)| (&**p, &**m) == (provider, model));
        if by_hand.is_none() && !is_out {
            return Ok(());
        }
        let staged = self.stage((provider, model), by_hand.as_ref(), now_us).map_err(|error| self.lost(&error))?;
        let fields = match &by_hand {
            Some(by_hand) => Map::from_iter([
                ("reason".to_owned(), json!(by_hand.reason)),
                ("until".to_owned(), json!(by_hand.until_us.map(moment::show))),
            ]),
            None => Map::new(),
        };
        if !witness(&Change { object: format!("target/{provider}/{model}"), fields }) {
            return Err(refusal(
                503,
                "audit_unavailable",
                "the act cannot be recorded in the audit log, and is not done",
            ));
        }
        self.make_so(&staged).map_err(|error| self.lost(&error))?;
        match &by_hand {
            Some(by_hand) => {
                tracing::warn!(provider, model, reason = "by_hand", why = &*by_hand.reason, "a target is shut");
            }
            None => tracing::info!(provider, model, was = "by_hand", "a target is open again"),
        }
        self.standings.set_by_hand(provider, model, by_hand);
        Ok(())
    }
}

impl Shutters {
    fn lost(&self, error: &io::Error) -> Refusal {
        tracing::error!(%error, path = %self.path.display(), "what is shut by hand cannot be kept");
        refusal(
            503,
            "store_unavailable",
            "it cannot be kept over a restart, and is not done; the gateway's log has the reason",
        )
    }
}

/// Takes out again what was out when the last process ended. Before a snapshot is built.
///
/// # Errors
///
/// The file cannot be read: what somebody took out is not to be served from by mistake.
pub(super) fn restore(dir: &Path, standings: &Standings, now_us: u64) -> Result<(), String> {
    let path = path(dir);
    let kept: Kept = match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| unreadable(&path, &error))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(&path, &error)),
    };
    for KeptTarget { provider, model, reason, since_us, until_us } in kept.targets {
        let by_hand = ByHand { reason, since_us, until_us };
        if by_hand.holds(now_us) {
            tracing::warn!(%provider, %model, reason = "by_hand", why = %by_hand.reason, "a target is shut still");
            standings.set_by_hand(&provider, &model, Some(by_hand));
        }
    }
    Ok(())
}

fn path(dir: &Path) -> PathBuf {
    dir.join("shut.json")
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("`{}` cannot be read: {error}; mend it, or delete it to open all targets", path.display())
}

fn checked(order: &ShutOrder, now_us: u64) -> Result<ByHand, Refusal> {
    let reason = order.reason.trim();
    if reason.is_empty() || reason.chars().count() > MOST_REASON || reason.chars().any(char::is_control) {
        let message = format!("`reason`: 1 to {MOST_REASON} characters, without control characters");
        return Err(refusal(422, "invalid_request", &message));
    }
    let lasts = order.lasts.as_deref().map(moment::duration).transpose();
    let lasts = lasts.map_err(|why| refusal(422, "invalid_request", &format!("`for`: {why}")))?;
    if lasts.is_some_and(|lasts| lasts.is_zero()) {
        return Err(refusal(
            422,
            "invalid_request",
            "`for`: more than no time; leave it out to shut it until it is opened",
        ));
    }
    let until_us = lasts.map(|lasts| now_us.saturating_add(u64::try_from(lasts.as_micros()).unwrap_or(u64::MAX)));
    Ok(ByHand { reason: reason.into(), since_us: now_us, until_us })
}

fn refusal(status: u16, code: &str, message: &str) -> Refusal {
    Refusal { status, code: code.to_owned(), message: message.to_owned() }
}

const MOST_REASON: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SystemClock;

    fn order(reason: &str, lasts: Option<&str>) -> Option<ShutOrder> {
        Some(ShutOrder { reason: reason.to_owned(), lasts: lasts.map(str::to_owned) })
    }

    #[test]
    fn what_is_not_witnessed_is_not_so_and_what_is_so_lasts() {
        let dir = tempfile::tempdir().expect("a directory");
        let standings = Arc::new(Standings::default());
        let target = standings.of("p", "m/1");
        let shutters = Shutters::new(dir.path(), Arc::clone(&standings), Arc::new(SystemClock));
        let now_us = SystemClock.now_us();
        let refused = shutters.turn(("p", "m/1"), order("x", None), &|_| false).expect_err("not recorded");
        assert_eq!((refused.status, target.is_out(now_us)), (503, false));
        assert!(!path(dir.path()).exists());
        shutters.turn(("p", "m/1"), order("mending", None), &|_| true).expect("it can be kept");
        shutters.turn(("q", "m"), order("for a while", Some("1h")), &|_| true).expect("it can be kept");
        assert!(target.is_out(now_us) && target.enter(now_us).is_none());
        let next = Standings::default();
        restore(dir.path(), &next, now_us).expect("it can be read");
        assert_eq!(&*next.of("p", "m/1").by_hand(now_us).expect("still out").reason, "mending");
        assert!(next.of("q", "m").is_out(now_us) && !next.of("q", "m").is_out(now_us + 3_700_000_000));
        assert!(!next.of("p", "m").is_out(now_us), "nothing else");
        shutters.turn(("p", "m/1"), None, &|_| true).expect("it can be kept");
        assert!(target.enter(now_us).is_some());
        shutters.turn(("p", "m/1"), None, &|_| panic!("nothing is done")).expect("it is so already");
        let after = Standings::default();
        restore(dir.path(), &after, now_us).expect("it can be read");
        assert!(!after.of("p", "m/1").is_out(now_us) && after.of("q", "m").is_out(now_us));
    }

    #[test]
    fn orders_without_sense_and_files_that_cannot_be_read_are_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let standings = Arc::new(Standings::default());
        let shutters = Shutters::new(dir.path(), Arc::clone(&standings), Arc::new(SystemClock));
        for (reason, lasts) in [(" ", None), ("a\nb", None), ("x", Some("soon")), ("x", Some("0s"))] {
            let refused = shutters.turn(("p", "m"), order(reason, lasts), &|_| true).expect_err(reason);
            assert_eq!(refused.status, 422, "{reason} {lasts:?}");
        }
        restore(dir.path(), &standings, 1).expect("there is no file");
        fs::write(path(dir.path()), "{\"targets\": [{}]}").expect("a file");
        let said = restore(dir.path(), &standings, 1).expect_err("damaged");
        assert!(said.contains("shut.json") && said.contains("delete it"), "{said}");
    }
}
