//! The new process: it takes sockets and balances over from the one that runs.

use super::{FromNew, FromOld, Hello, PROTOCOL, Sockets, receive, send, socket};
use crate::{app::AppError, ledger::link::HeldBy};
use parking_lot::Mutex;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// So long the old process may take for an answer once this one is ready.
const ANSWER: Duration = Duration::from_secs(10);

/// The way to the process that runs.
pub(in crate::app) struct Successor {
    stream: UnixStream,
    sockets: Mutex<Vec<(String, TcpListener)>>,
}

impl Successor {
    /// Finds the process that runs on the state directory `dir`, and gets its sockets.
    ///
    /// # Errors
    ///
    /// When there is none, or it gives nothing.
    pub(in crate::app) fn meet(dir: &Path) -> Result<Self, AppError> {
        let path = socket(dir);
        let met = || -> io::Result<Self> {
            let stream = UnixStream::connect(&path)?;
            let version = env!("CARGO_PKG_VERSION").to_owned();
            send(&stream, &Hello::TakeOver { protocol: PROTOCOL, version })?;
            let sockets = Sockets::taken(&stream)?;
            Ok(Self { stream, sockets: Mutex::new(sockets) })
        };
        met().map_err(|error| AppError::System {
            what: "taking over",
            why: format!("the gateway that runs on `{}` gives nothing: {error}", path.display()),
        })
    }

    /// The socket for `address`, if the old process listens there.
    pub(in crate::app) fn listener(&self, address: SocketAddr) -> Option<TcpListener> {
        let mut sockets = self.sockets.lock();
        let at = sockets.iter().position(|(known, _)| *known == address.to_string())?;
        Some(sockets.remove(at).1)
    }

    /// Says that it comes to nothing.
    pub(in crate::app) fn failed(&self, why: &str) {
        drop(send(&self.stream, &FromNew::Failed(why.to_owned())));
    }

    /// Takes over: `take` is given what is held, and what it fails with is told to the old process, which goes on then. When
    /// this returns well, this process is the one that serves. Blocks.
    ///
    /// # Errors
    ///
    /// Why it does not.
    pub(in crate::app) fn take_over(&self, take: impl FnOnce(Vec<HeldBy>) -> Result<(), String>) -> Result<(), String> {
        // Nobody listens on those that this configuration does not have.
        self.sockets.lock().clear();
        let broken = |error: io::Error| format!("the gateway that runs does not go on: {error}");
        self.stream.set_read_timeout(Some(ANSWER)).map_err(broken)?;
        send(&self.stream, &FromNew::Ready).map_err(broken)?;
        let held = match receive(&self.stream).map_err(broken)? {
            FromOld::Balances(held) => held,
            FromOld::Not(why) => return Err(why),
            other => return Err(format!("not asked for: {other:?}")),
        };
        if let Err(why) = take(held) {
            self.failed(&why);
            return Err(why);
        }
        send(&self.stream, &FromNew::Serving).map_err(broken)?;
        match receive(&self.stream).map_err(broken)? {
            FromOld::Go => Ok(()),
            FromOld::Not(why) => Err(why),
            other => Err(format!("not asked for: {other:?}")),
        }
    }
}
