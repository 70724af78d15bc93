//! An upgrade: the running process starts its successor, gives it the listening sockets and the balances, and finishes what it
//! has begun.
//!
//! All is said over `authority.sock` in the state directory, which the process that admits listens on and only its own user and
//! root may use. Who goes first, and what is undone when the other one fails:
//!
//! | old process (`giving`) | new process (`taking`) |
//! |---|---|
//! | runs `check` with the new binary, starts it | builds everything, the ledger beside the old one |
//! | sends its listening sockets | says `Ready` |
//! | lets nothing be held; sends all that is held, gives up the lock | takes the lock, counts and holds it too: `Serving` |
//! | `Go`: from here on there is no way back | accepts connections, tells systemd its `MAINPID` |
//! | drains, asking the new one for what it still admits | answers it |
//!
//! Whatever fails before `Go` leaves the old process as it was. The new one admits nothing before it.

mod course;
mod giving;
mod sockets;
mod taking;

pub(super) use course::{Course, Phase, Signals};
pub(super) use giving::{Control, Exec};
pub(super) use sockets::{DataPlane, Sockets, bind, bind_shared};
pub(super) use taking::Successor;

use crate::ledger::link::{HeldBy, receive, send};
use serde::{Deserialize, Serialize};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Both sides must speak the same.
const PROTOCOL: u32 = 1;

/// The first message of whoever connects.
#[derive(Debug, Serialize, Deserialize)]
enum Hello {
    /// `weighbridge upgrade`.
    Upgrade(Order),
    /// The new process.
    TakeOver { protocol: u32, version: String },
    /// A process that handed over, by its epoch; what follows is the ledger's.
    Follow { epoch: u64 },
}

/// What is to be started.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Order {
    /// The new binary; `None`: the one at the place from which the running process was started.
    pub binary: Option<PathBuf>,
    /// In seconds: what is not ready by then is ended.
    pub within: u64,
}

/// What `weighbridge upgrade` hears.
#[derive(Debug, Serialize, Deserialize)]
pub enum Told {
    /// It goes on.
    Step(String),
    /// The process of this id serves now.
    Done(u32),
    /// The running process goes on as before, and this is why.
    Refused(String),
}

/// What the old process says to the new one.
#[derive(Debug, Serialize, Deserialize)]
enum FromOld {
    /// The addresses of its listening sockets, which come behind it.
    Sockets(Vec<String>),
    /// All that is held.
    Balances(Vec<HeldBy>),
    /// It drains.
    Go,
    /// There is nothing to take over, and this is why.
    Not(String),
}

/// What the new process says to the old one.
#[derive(Debug, Serialize, Deserialize)]
enum FromNew {
    /// It could serve.
    Ready,
    /// It has the balances, and waits for `Go`.
    Serving,
    /// It could not.
    Failed(String),
}

/// Where the process that admits listens.
fn socket(dir: &Path) -> PathBuf {
    dir.join("authority.sock")
}

/// Lets the gateway that runs on the state directory `dir` start its successor; `heard` is called with what it tells.
///
/// # Errors
///
/// When no gateway listens there, or it cannot be understood.
pub fn order(dir: &Path, order: &Order, mut heard: impl FnMut(Told)) -> io::Result<()> {
    let stream = UnixStream::connect(socket(dir))?;
    send(&stream, &Hello::Upgrade(order.clone()))?;
    // It ends it by itself when the time is over; this is for one that does not answer at all.
    stream.set_read_timeout(Some(Duration::from_secs(order.within.saturating_add(60))))?;
    loop {
        let told = receive(&stream)?;
        let last = matches!(told, Told::Done(_) | Told::Refused(_));
        heard(told);
        if last {
            return Ok(());
        }
    }
}
