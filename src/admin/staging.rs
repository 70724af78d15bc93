//! An API with nothing behind it, for tests of what stands before it.

use super::{Api, Records, Reload, ReloadError, ReloadStatus, Reloaded, Switch, Tokens, Tries, Views, audit::Audit};
use crate::{
    auth::{Callers, Witness},
    config::{Admin, Config, ConfigChange, Secret},
    model::{
        Clock, Explain, ExplainRequest, Explained, GuardTest, GuardTestRequest, GuardTested, HealthView, Refusal,
        ShutOrder, SystemClock,
    },
};
use std::path::PathBuf;
use std::sync::Arc;

/// The admin's token.
pub(crate) const ADMIN: &str = "an-admin-token-of-the-tests";
/// The viewer's token.
pub(crate) const VIEWER: &str = "a-viewer-token-of-the-tests";

/// Nothing to be told, and nothing to be turned.
struct Mute;

impl Explain for Mute {
    fn explain(&self, _request: &ExplainRequest) -> Result<Explained, Refusal> {
        Err(Refusal { status: 404, code: "not_found".to_owned(), message: "none".to_owned() })
    }
}

impl GuardTest for Mute {
    fn test(&self, _request: &GuardTestRequest) -> Result<GuardTested, Refusal> {
        Err(Refusal { status: 404, code: "not_found".to_owned(), message: "none".to_owned() })
    }
}

impl Switch for Mute {
    fn turn(&self, _: (&str, &str), _: Option<ShutOrder>, _: &Witness<'_>) -> Result<(), Refusal> {
        Ok(())
    }
}

impl Reload for Mute {
    fn reload(&self, _dry_run: bool, _witness: &dyn Fn(&[ConfigChange]) -> bool) -> Result<Reloaded, ReloadError> {
        Err(ReloadError::NoFile)
    }

    fn status(&self) -> ReloadStatus {
        ReloadStatus {
            generation: 0,
            loaded: String::new(),
            file: None,
            watch: false,
            last: None,
            needs_restart: Vec::new(),
        }
    }
}

/// Over the state directory `dir`, with both tokens.
pub(crate) fn api(dir: PathBuf) -> Arc<Api> {
    let config = Config::from_text("admin: { listen: \"off\" }", None).expect("everything has a default");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let callers = Callers::open(&config, &dir, Arc::clone(&clock)).expect("a key store");
    let (token, viewer_token) = (Some(Secret::new(ADMIN)), Some(Secret::new(VIEWER)));
    let health = || HealthView {
        ready: true,
        reason: None,
        open_requests: 0,
        ledger_lag_rows: 0,
        ledger_lag_seconds: 0.0,
        buffered_bytes: 0,
    };
    Arc::new(Api {
        tries: Tries::default(),
        tokens: Arc::new(Tokens::of(&Admin { token, viewer_token, ..Admin::default() })),
        callers: Arc::new(callers),
        audit: Arc::new(Audit::open(&dir)),
        state_dir: dir,
        begun_us: 0,
        clock,
        records: Records { reader: None, live: Arc::default() },
        views: Views {
            limits: Box::new(Vec::new),
            budgets: Box::new(Vec::new),
            prices: Box::new(Vec::new),
            models: Box::new(Vec::new),
            targets: Box::new(Vec::new),
            cache: Box::new(Default::default),
            purge: Box::new(|_| 0),
            health: Box::new(health),
            explain: Box::new(Mute),
            guard_test: Box::new(Mute),
            reload: Arc::new(Mute),
        },
        switch: Box::new(Mute),
        acting: parking_lot::Mutex::default(),
    })
}
