//! Tells the service manager how the gateway stands (systemd's `Type=notify`): one datagram a word, to the socket that
//! `NOTIFY_SOCKET` names. Without that variable nothing is told. The protocol is that of sd_notify(3).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};

/// Who is told.
#[derive(Debug)]
pub(super) struct Notifier {
    to: Option<SocketAddr>,
    /// It was told that the gateway is ready, and not yet that it stops.
    serving: AtomicBool,
}

impl Notifier {
    /// The service manager that started the process, if one did and wants to know.
    pub(super) fn from_env() -> Self {
        let to = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let to = to.and_then(|name| {
            address(&name).map_err(|error| tracing::warn!(%error, "`NOTIFY_SOCKET` names no socket")).ok()
        });
        Self { to, serving: AtomicBool::new(false) }
    }

    /// Requests are taken; `main`: by this process from now on, in place of another one.
    pub(super) fn ready(&self, main: bool) {
        self.serving.store(true, Ordering::Relaxed);
        let pid = if main { format!("MAINPID={}\n", std::process::id()) } else { String::new() };
        self.tell(&format!("{pid}READY=1\nSTATUS=serving"));
    }

    /// The configuration is being read anew.
    pub(super) fn reloading(&self) {
        if self.serving.load(Ordering::Relaxed) {
            self.tell("RELOADING=1");
        }
    }

    /// It was read, and this holds.
    pub(super) fn reloaded(&self, generation: u64, well: bool) {
        if self.serving.load(Ordering::Relaxed) {
            let last = if well { "" } else { "; the last reload was refused" };
            self.tell(&format!("READY=1\nSTATUS=serving, configuration generation {generation}{last}"));
        }
    }

    /// Requests under way end, and the process behind them.
    pub(super) fn stopping(&self) {
        self.serving.store(false, Ordering::Relaxed);
        self.tell("STOPPING=1\nSTATUS=draining");
    }

    fn tell(&self, words: &str) {
        let Some(to) = &self.to else { return };
        let sent = UnixDatagram::unbound().and_then(|socket| {
            // A manager that does not read keeps nobody.
            socket.set_nonblocking(true)?;
            socket.send_to_addr(words.as_bytes(), to)
        });
        if let Err(error) = sent {
            tracing::warn!(%error, "the service manager cannot be told how the gateway stands");
        }
    }
}

/// A path, or behind an `@` a name in the abstract namespace.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    }
}

#[cfg(test)]
mod tests {
    use super::{Notifier, address};
    use std::os::unix::net::UnixDatagram;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn the_manager_hears_of_each_step_and_of_no_reload_before_the_start() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).expect("a socket");
        let to = Some(address(path.as_os_str()).expect("a path"));
        let notifier = Notifier { to, serving: AtomicBool::new(false) };
        notifier.reloading();
        notifier.ready(false);
        notifier.reloading();
        notifier.reloaded(3, false);
        notifier.stopping();
        notifier.reloaded(4, true);
        notifier.ready(true);
        let mut told = Vec::new();
        manager.set_nonblocking(true).expect("it can be");
        let mut buffer = [0; 256];
        while let Ok(length) = manager.recv(&mut buffer) {
            told.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        let refused = "READY=1\nSTATUS=serving, configuration generation 3; the last reload was refused";
        let main = format!("MAINPID={}\nREADY=1\nSTATUS=serving", std::process::id());
        assert_eq!(told, ["READY=1\nSTATUS=serving", "RELOADING=1", refused, "STOPPING=1\nSTATUS=draining", &main]);
    }
}
