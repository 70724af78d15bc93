//! The process that runs: it listens for who wants to follow it, and starts that one when it is told to.

use super::course::{Course, Phase};
use super::{FromNew, FromOld, Hello, Order, PROTOCOL, Sockets, Told, receive, send, socket};
use crate::{
    admin::audit::Audit,
    ledger::{Handed, Ledger},
};
use parking_lot::Mutex;
use rustix::net::sockopt::socket_peercred;
use std::io::{self, Read as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use tokio::time::Instant;

/// So long the new process may take between what is held and its word that it serves: nothing is admitted meanwhile.
const CONFIRM: Duration = Duration::from_secs(5);
/// Whoever connects says within this time what for.
const HELLO: Duration = Duration::from_secs(5);
/// Between two looks whether a child is over.
const LOOK: Duration = Duration::from_millis(50);

/// What is started: the file of the binary, and the configuration.
#[derive(Debug, Clone)]
pub(in crate::app) struct Exec {
    binary: PathBuf,
    config: PathBuf,
}

impl Exec {
    /// As this process was started, with `config`. Asked at the start: later another file may be in its place.
    pub(in crate::app) fn of_this(config: &Path) -> io::Result<Self> {
        // As it was called, where that is a path: behind a link there may be another file then.
        let called = std::env::args_os().next().map(PathBuf::from).filter(|called| called.components().count() > 1);
        let binary = called.map_or_else(std::env::current_exe, std::path::absolute)?;
        Ok(Self { binary, config: config.to_owned() })
    }

    fn command(&self, what: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg(what).arg("-c").arg(&self.config).stdin(Stdio::null());
        command
    }
}

/// The order that is being carried out.
struct Pending {
    child: Arc<Mutex<Child>>,
    pid: u32,
    tell: Sender<Result<(), String>>,
    /// It is in the middle of taking over: it is not ended any more because its time is over.
    offered: bool,
}

/// Listens on the socket of the state directory.
pub(in crate::app) struct Control {
    path: PathBuf,
    /// `None`: there is no file that another process could be started with.
    exec: Option<Exec>,
    sockets: Sockets,
    ledger: Arc<Ledger>,
    audit: Arc<Audit>,
    course: Arc<Course>,
    pending: Mutex<Option<Pending>>,
    ordering: Mutex<()>,
    giving: Mutex<()>,
}

impl Control {
    pub(in crate::app) fn new(
        dir: &Path,
        exec: Option<Exec>,
        (sockets, course): (Sockets, Arc<Course>),
        (ledger, audit): (Arc<Ledger>, Arc<Audit>),
    ) -> Arc<Self> {
        let (path, pending) = (socket(dir), Mutex::new(None));
        let (ordering, giving) = (Mutex::new(()), Mutex::new(()));
        Arc::new(Self { path, exec, sockets, ledger, audit, course, pending, ordering, giving })
    }

    /// Listens under a name of its own, to be known under the right one later.
    ///
    /// # Errors
    ///
    /// When the directory takes no socket; its path may have 100 bytes or so.
    pub(in crate::app) fn bind(&self) -> io::Result<UnixListener> {
        let own = self.own_path();
        drop(std::fs::remove_file(&own));
        UnixListener::bind(own)
    }

    fn own_path(&self) -> PathBuf {
        self.path_of(std::process::id())
    }

    /// The socket of a process that does not serve yet.
    fn path_of(&self, pid: u32) -> PathBuf {
        self.path.with_extension(format!("sock.{pid}"))
    }

    /// Takes the place of the socket before, and answers. The threads end with the process.
    ///
    /// # Errors
    ///
    /// When the place cannot be taken, or there is no thread.
    pub(in crate::app) fn listen(self: &Arc<Self>, listener: UnixListener) -> io::Result<()> {
        std::fs::rename(self.own_path(), &self.path)?;
        let control = Arc::clone(self);
        let accept = move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                let control = Arc::clone(&control);
                let answer = std::thread::Builder::new().name("upgrade-peer".to_owned());
                if let Err(error) = answer.spawn(move || control.answer(stream)) {
                    tracing::error!(%error, "who connects for an upgrade cannot be answered");
                }
            }
        };
        std::thread::Builder::new().name("upgrade-socket".to_owned()).spawn(accept).map(drop)
    }

    /// It will not serve: the socket goes.
    pub(in crate::app) fn withdraw(&self) {
        drop(std::fs::remove_file(self.own_path()));
    }

    fn answer(&self, stream: UnixStream) {
        let peer = match socket_peercred(&stream) {
            Ok(peer) if peer.uid == rustix::process::geteuid() || peer.uid.is_root() => peer,
            Ok(peer) => return tracing::warn!(uid = peer.uid.as_raw(), "another user asked for an upgrade"),
            Err(error) => return tracing::warn!(%error, "nobody knows who asked for an upgrade"),
        };
        let hello = stream.set_read_timeout(Some(HELLO)).and_then(|()| receive(&stream));
        drop(stream.set_read_timeout(None));
        match hello {
            Ok(Hello::Follow { epoch }) => self.ledger.serve(epoch, stream),
            Ok(Hello::Upgrade(order)) => {
                let told = match self.upgrade(&order, |step| drop(send(&stream, &Told::Step(step)))) {
                    Ok(pid) => Told::Done(pid),
                    Err(why) => {
                        tracing::error!("the upgrade was refused, and this process goes on: {why}");
                        Told::Refused(why)
                    }
                };
                drop(send(&stream, &told));
            }
            Ok(Hello::TakeOver { protocol, version }) => {
                let pid = u32::try_from(peer.pid.as_raw_nonzero().get()).unwrap_or_default();
                tracing::info!(pid, version, "a process wants to take over");
                self.give(protocol, pid, &stream);
            }
            Err(error) => tracing::debug!(%error, "a connection to the upgrade socket that says nothing"),
        }
    }

    /// Starts a successor and waits until it serves; returns its id.
    fn upgrade(&self, order: &Order, step: impl Fn(String)) -> Result<u32, String> {
        let Some(_one) = self.ordering.try_lock() else { return Err("an upgrade is under way already".to_owned()) };
        self.must_serve()?;
        let Some(exec) = &self.exec else {
            return Err("the configuration is embedded: there is no file to start a new process with".to_owned());
        };
        let mut exec = exec.clone();
        if let Some(binary) = &order.binary {
            exec.binary.clone_from(binary);
        }
        let until = Instant::now() + Duration::from_secs(order.within.max(1));
        check(&exec, until)?;
        step(format!("`{}` takes the configuration", exec.binary.display()));
        let child = exec.command("run").arg("--take-over").spawn();
        let child = child.map_err(|error| format!("`{}` cannot be started: {error}", exec.binary.display()))?;
        let pid = child.id();
        step(format!("process {pid} has started"));
        let (tell, told) = channel();
        let child = Arc::new(Mutex::new(child));
        *self.pending.lock() = Some(Pending { child: Arc::clone(&child), pid, tell, offered: false });
        let ended = self.wait(&child, &told, until);
        self.pending.lock().take();
        if ended.is_err() {
            let mut child = child.lock();
            drop(child.kill());
            drop(child.wait());
            drop(std::fs::remove_file(self.path_of(pid)));
        }
        ended.map(|()| pid)
    }

    fn must_serve(&self) -> Result<(), String> {
        match self.course.phase() {
            Phase::Serving => Ok(()),
            Phase::Starting => Err("the gateway is starting still".to_owned()),
            Phase::Stopping => Err("the gateway is stopping".to_owned()),
            Phase::Handed => Err("another process has taken over already".to_owned()),
        }
    }

    /// Waits for the child's taking over, its end, or the end of its time.
    fn wait(&self, child: &Mutex<Child>, told: &Receiver<Result<(), String>>, until: Instant) -> Result<(), String> {
        loop {
            match told.recv_timeout(LOOK) {
                Ok(ended) => return ended,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            let over = child.lock().try_wait().map_err(|error| error.to_string())?;
            if let Some(status) = over {
                // It may have said why just before.
                return told.recv_timeout(LOOK).unwrap_or_else(|_| {
                    Err(format!("the new process ended before it was ready ({status}); its log says why"))
                });
            }
            let offered = self.pending.lock().as_ref().is_some_and(|pending| pending.offered);
            if Instant::now() >= until && !offered && self.pending.lock().take_if(|pending| !pending.offered).is_some()
            {
                return Err("the new process was not ready in time, and was ended".to_owned());
            }
        }
    }

    /// Gives sockets and balances to the process `pid`.
    fn give(&self, protocol: u32, pid: u32, stream: &UnixStream) {
        let given = self.try_give(protocol, pid, stream);
        if let Err(why) = &given {
            drop(send(stream, &FromOld::Not(why.clone())));
        }
        match self.pending.lock().as_ref().filter(|pending| pending.pid == pid) {
            Some(pending) => drop(pending.tell.send(given)),
            None => {
                if let Err(why) = given {
                    tracing::error!(pid, "a process did not take over, and this one goes on: {why}");
                }
            }
        }
    }

    fn try_give(&self, protocol: u32, pid: u32, stream: &UnixStream) -> Result<(), String> {
        let Some(_one) = self.giving.try_lock() else { return Err("another process is taking over".to_owned()) };
        if protocol != PROTOCOL {
            return Err(format!("the versions do not understand one another: {protocol}, here {PROTOCOL}"));
        }
        if self.pending.lock().as_ref().is_some_and(|pending| pending.pid != pid) {
            return Err("another process was started to take over".to_owned());
        }
        self.must_serve()?;
        self.sockets.give(stream).map_err(|error| format!("the sockets cannot be given: {error}"))?;
        // Its start takes its time; whoever ordered it looks at the clock.
        match receive(stream) {
            Ok(FromNew::Ready) => {}
            Ok(FromNew::Failed(why)) => return Err(why),
            Ok(FromNew::Serving) => return Err("the new process serves what it was not given".to_owned()),
            Err(error) => return Err(format!("the new process ended before it was ready ({error}); its log says why")),
        }
        self.must_serve()?;
        self.offer(pid)?;
        // The acts of admins are the other one's from now on.
        self.audit.hand_over(true);
        let path = self.path.clone();
        let epoch = self.ledger.epoch();
        let dial = move || {
            let stream = UnixStream::connect(&path)?;
            send(&stream, &Hello::Follow { epoch })?;
            Ok(stream)
        };
        let mut why = None;
        let confirmed = |held| match confirm(stream, held) {
            Ok(()) => true,
            Err(error) => {
                self.end_child(pid, stream);
                why = Some(error);
                false
            }
        };
        match self.ledger.hand_over(confirmed, dial) {
            Handed::Over => {
                tracing::info!(pid, "handed over: another process serves, this one finishes what it has begun");
                self.sockets.close();
                self.course.enter(Phase::Handed);
                Ok(())
            }
            Handed::Not => {
                self.audit.hand_over(false);
                self.end_child(pid, stream);
                Err(why.unwrap_or_else(|| "the ledger could not be handed over".to_owned()))
            }
        }
    }

    /// From here on the new process is not ended because its time is over.
    fn offer(&self, pid: u32) -> Result<(), String> {
        match &mut *self.pending.lock() {
            Some(pending) if pending.pid == pid => {
                pending.offered = true;
                Ok(())
            }
            // Started by hand.
            None => Ok(()),
            Some(_) => Err("another process was started to take over".to_owned()),
        }
    }

    /// It must not go on: it hears no more, and if it is a child of this process, it is ended.
    fn end_child(&self, pid: u32, stream: &UnixStream) {
        drop(stream.shutdown(std::net::Shutdown::Both));
        let child = self.pending.lock().as_ref().filter(|pending| pending.pid == pid).map(|one| Arc::clone(&one.child));
        if let Some(child) = child {
            drop(child.lock().kill());
        }
    }
}

/// Whether the new process has taken what is held; behind `Go` it serves.
fn confirm(stream: &UnixStream, held: Vec<crate::ledger::link::HeldBy>) -> Result<(), String> {
    let broken = |error: io::Error| format!("the new process did not take the balances: {error}");
    stream.set_read_timeout(Some(CONFIRM)).map_err(broken)?;
    send(stream, &FromOld::Balances(held)).map_err(broken)?;
    match receive(stream).map_err(broken)? {
        FromNew::Serving => send(stream, &FromOld::Go).map_err(broken),
        FromNew::Failed(why) => Err(why),
        FromNew::Ready => Err("the new process is ready twice".to_owned()),
    }
}

/// Lets the new binary look at the configuration.
fn check(exec: &Exec, until: Instant) -> Result<(), String> {
    let started = exec.command("check").stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = started.map_err(|error| format!("`{}` cannot be started: {error}", exec.binary.display()))?;
    let told = child.stderr.take();
    let reading = std::thread::Builder::new().name("upgrade-check".to_owned()).spawn(move || {
        let mut text = Vec::new();
        if let Some(told) = told {
            drop(told.take(64 << 10).read_to_end(&mut text));
        }
        String::from_utf8_lossy(&text).into_owned()
    });
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            break status;
        }
        if Instant::now() >= until {
            drop(child.kill());
            drop(child.wait());
            return Err("the new binary did not check the configuration in time".to_owned());
        }
        std::thread::park_timeout(LOOK);
    };
    let told = reading.ok().and_then(|reading| reading.join().ok()).unwrap_or_default();
    if status.success() {
        Ok(())
    } else {
        Err(format!("the new binary does not take the configuration:\n{}", told.trim_end()))
    }
}
