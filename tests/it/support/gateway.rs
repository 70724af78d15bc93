//! The real binary, on ports and with a state directory of its own.

use super::call::{Answer, Call, Open};
use super::certs::certs;
use super::config::{KEY, Setup};
use super::head::Head;
use super::{eventually, ports, within};
use bytes::Bytes;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{File, OpenOptions, read_to_string};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The binary under test: the one that was built with these tests, or another one (a release build, an older version)
/// that `WEIGHBRIDGE_BINARY` names.
pub fn binary() -> PathBuf {
    std::env::var_os("WEIGHBRIDGE_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_weighbridge").into()).into()
}

/// A running gateway. Dropping it kills its process, and shows its log if the test is failing.
pub struct Gateway {
    /// The data plane in clear.
    pub address: SocketAddr,
    /// The data plane with TLS, if [`Setup::with_tls`] was called.
    pub tls_address: Option<SocketAddr>,
    /// The admin listener.
    pub admin: SocketAddr,
    /// Holds the configuration, the state and the logs.
    pub dir: TempDir,
    child: Mutex<Option<Child>>,
    /// As [`Setup::gives_back`].
    gives_back: bool,
    /// Processes that it was handed over to, the last one at the end.
    successors: Mutex<Vec<Pid>>,
}

impl Gateway {
    /// Starts one and waits until it is ready.
    pub async fn start(setup: Setup) -> Self {
        let dir = TempDir::new().expect("a directory for temporary files");
        certs().write(dir.path());
        let (address, admin) = (ports::free(), ports::free());
        let tls_address = setup.tls.then(ports::free);
        let (child, successors, gives_back) = (Mutex::new(None), Mutex::default(), setup.gives_back);
        let gateway = Self { address, tls_address, admin, dir, child, gives_back, successors };
        let text = setup.text(address, tls_address, admin, gateway.dir.path());
        std::fs::write(gateway.config(), text).expect("the directory can be written");
        gateway.start_again().await;
        gateway
    }

    /// Starts the process of a gateway that was stopped or killed, and waits until it is ready.
    pub async fn start_again(&self) {
        self.launch();
        eventually("the gateway is ready", || async {
            self.assert_alive();
            (self.admin_status("/readyz").await == Some(200)).then_some(())
        })
        .await;
    }

    /// Starts the process and does not wait for it.
    pub fn launch(&self) {
        let old = self.child.lock().replace(self.spawn());
        assert!(old.is_none(), "the gateway runs already");
    }

    /// Starts a process while one that handed over is at work still, and waits until it is ready.
    pub async fn start_beside(&self) {
        let pid = i32::try_from(self.spawn().id()).expect("a pid");
        self.successors.lock().push(Pid::from_raw(pid).expect("not 0"));
        eventually("the gateway is ready", || async {
            (self.admin_status("/readyz").await == Some(200)).then_some(())
        })
        .await;
    }

    fn spawn(&self) -> Child {
        let log = |name: &str| {
            let path = self.dir.path().join(name);
            Stdio::from(OpenOptions::new().create(true).append(true).open(path).expect("a log can be written"))
        };
        let allocator = self.gives_back.then_some(("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,lg_tcache_max:12"));
        Command::new(binary())
            .args(["run", "-c"])
            .arg(self.config())
            .envs(allocator)
            .stdin(Stdio::null())
            .stdout(log("stdout.log"))
            .stderr(log("stderr.log"))
            .spawn()
            .expect("the binary was built")
    }

    /// Where the configuration is.
    pub fn config(&self) -> PathBuf {
        self.dir.path().join("weighbridge.yaml")
    }

    /// All that it has logged, access records included.
    pub fn log(&self) -> String {
        let read = |name: &str| read_to_string(self.dir.path().join(name)).unwrap_or_default();
        format!("{}{}", read("stdout.log"), read("stderr.log"))
    }

    /// The access records: the JSON lines of its standard output.
    pub fn access_records(&self) -> Vec<serde_json::Value> {
        let text = read_to_string(self.dir.path().join("stdout.log")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits until `count` requests are over: their records are written, and their connections are in the pool again,
    /// which both may be after the client has its answer.
    pub async fn over(&self, count: usize) {
        let over = || async { (self.access_records().len() == count).then_some(()) };
        eventually("the requests are over", over).await;
    }

    /// Resident memory of the process, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = read_to_string(format!("/proc/{}/status", self.pid())).expect("the gateway runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("every process has one");
        let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number");
        kib * 1024
    }

    /// Most memory that the process ever had, in bytes.
    pub fn peak_bytes(&self) -> u64 {
        let status = read_to_string(format!("/proc/{}/status", self.pid())).expect("the gateway runs");
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("every process has one");
        let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number");
        kib * 1024
    }

    /// Posts `body` with [`KEY`] over a new HTTP/1.1 connection.
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        Call::post(path, body).key(KEY).send(self.address).await
    }

    /// The same, not waiting for more than the answer's head.
    pub async fn open(&self, path: &str, body: impl Into<Bytes>) -> Open {
        Call::post(path, body).key(KEY).open(self.address).await
    }

    /// Gets `path` with [`KEY`].
    pub async fn get(&self, path: &str) -> Answer {
        Call::get(path).key(KEY).send(self.address).await
    }

    /// Asserts that an ordinary request is served: whatever came before has harmed nobody.
    pub async fn assert_serves(&self) {
        let answer = self.get("/v1/models").await;
        assert_eq!(answer.status, 200, "the next client is served: {}", answer.text());
    }

    /// The metrics page.
    pub async fn metrics(&self) -> String {
        Call::get("/metrics").send(self.admin).await.text().to_owned()
    }

    /// The value of one series, by its name and labels as the page writes them; 0 where there is none.
    pub async fn metric(&self, series: &str) -> f64 {
        let page = self.metrics().await;
        let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
        line.unwrap_or(0.0)
    }

    /// Waits until a series has this value: a request is counted when it is over, which its client may know first.
    pub async fn shows(&self, series: &str, want: f64) {
        let what = format!("{series} is {want}");
        eventually(&what, || async { (self.metric(series).await == want).then_some(()) }).await;
    }

    /// The status of a GET on the admin listener; `None` if there is no answer.
    pub async fn admin_status(&self, path: &str) -> Option<u16> {
        status_of(self.admin, path).await
    }

    /// Asks the process to stop (SIGTERM), and waits for it.
    pub async fn stop(&self) -> ExitStatus {
        self.terminate();
        self.exited().await
    }

    /// Sends SIGTERM and does not wait.
    pub fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).expect("a pid")).expect("not 0");
        kill_process(pid, Signal::TERM).expect("our own child");
    }

    /// Asks the process to read its configuration anew (SIGHUP) and does not wait.
    pub fn hang_up(&self) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).expect("a pid")).expect("not 0");
        kill_process(pid, Signal::HUP).expect("our own child");
    }

    /// Writes another configuration, in one step; nobody is told.
    pub fn edit(&self, change: impl FnOnce(String) -> String) {
        let text = read_to_string(self.config()).expect("it was written");
        let draft = self.dir.path().join("weighbridge.yaml.new");
        std::fs::write(&draft, change(text)).expect("the directory can be written");
        std::fs::rename(draft, self.config()).expect("the directory can be written");
    }

    /// Lets it hand over to a new process by `weighbridge upgrade ARGS`.
    pub async fn upgrade(&self, args: &[&str]) -> Outcome {
        let done = self.command(&[&["upgrade"], args].concat()).await;
        let words: Vec<&str> = done.stdout.split_whitespace().collect();
        let served = words.windows(3).find(|words| words[0] == "process" && words[2] == "serves;");
        if let Some(words) = served {
            self.successors.lock().push(Pid::from_raw(words[1].parse().expect("a number")).expect("not 0"));
        }
        done
    }

    /// Sends a signal to the process that serves after an upgrade.
    pub fn signal_successor(&self, signal: Signal) {
        let pid = self.successors.lock().last().copied().expect("it was upgraded");
        kill_process(pid, signal).expect("the gateway's own child");
    }

    /// Waits until the process that served after an upgrade has ended.
    pub async fn successor_ended(&self) {
        let pid = self.successors.lock().last().copied().expect("it was upgraded");
        eventually("the successor ends", || async { has_ended(pid).then_some(()) }).await;
        self.successors.lock().retain(|known| *known != pid);
    }

    /// Waits until the process has ended.
    pub async fn exited(&self) -> ExitStatus {
        let status = eventually("the gateway's process ends", || async {
            self.child.lock().as_mut().expect("it was started").try_wait().expect("our own child")
        });
        let status = status.await;
        *self.child.lock() = None;
        status
    }

    /// Whether the process is still there.
    pub fn runs(&self) -> bool {
        self.child.lock().as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Kills the process (SIGKILL) and reaps it.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().take() {
            child.kill().expect("our own child");
            child.wait().expect("our own child");
        }
    }

    fn pid(&self) -> u32 {
        self.child.lock().as_ref().expect("the gateway runs").id()
    }

    fn assert_alive(&self) {
        let ended = self.child.lock().as_mut().and_then(|child| child.try_wait().expect("our own child"));
        if let Some(status) = ended {
            panic!("the gateway ended at once with {status}");
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
        for pid in self.successors.lock().drain(..).filter(|pid| !has_ended(*pid)) {
            // It may end at this moment.
            kill_process(pid, Signal::KILL).ok();
        }
        if std::thread::panicking() {
            let config = read_to_string(self.config()).unwrap_or_default();
            eprintln!("--- configuration\n{config}--- log\n{}---", self.log());
        }
    }
}

/// Whether a process that is no child of ours is over; its entry may stay until somebody reaps it. Its threads end one by one, and
/// it has its locks until the last of them has.
fn has_ended(pid: Pid) -> bool {
    let of = |what: &str| PathBuf::from(format!("/proc/{}/{what}", pid.as_raw_nonzero()));
    let stat = read_to_string(of("stat")).unwrap_or_default();
    let dead =
        stat.rsplit(')').next().is_none_or(|rest| matches!(rest.split_whitespace().next(), None | Some("Z" | "X")));
    dead && std::fs::read_dir(of("task")).map_or(0, Iterator::count) <= 1
}

/// Runs the binary with `args` to its end.
pub async fn run(args: &[&str]) -> Outcome {
    run_with(args, b"").await
}

/// The same, with this on its standard input.
pub async fn run_with(args: &[&str], input: &[u8]) -> Outcome {
    let mut command = tokio::process::Command::new(binary());
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("the binary was built");
    let mut stdin = child.stdin.take().expect("it is piped");
    // Who does not read it ends first.
    let _ = tokio::io::AsyncWriteExt::write_all(&mut stdin, input).await;
    drop(stdin);
    let output = within("a command ends", child.wait_with_output()).await.expect("it ran");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// What a command did.
#[derive(Debug)]
pub struct Outcome {
    /// Exit status.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// Asserts that it went well, and tells its output.
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// All that was said, of a command that must have failed.
    pub fn failed(self) -> String {
        assert_eq!(self.code, Some(1), "{}{}", self.stdout, self.stderr);
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// The status of a GET without a key; `None` if nobody answers.
pub async fn status_of(address: SocketAddr, path: &str) -> Option<u16> {
    let mut socket = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.ok()?;
    let line = answer.lines().next()?.to_owned();
    Some(Head { line, fields: Vec::new() }.status())
}

/// A file that a child may write its output to.
pub fn log_file(dir: &TempDir, name: &str) -> (PathBuf, File) {
    let path = dir.path().join(name);
    let file = File::create(&path).expect("the directory can be written");
    (path, file)
}
