//! `weighbridge demo` needs nothing: it prints a key and a `curl` that works.

use crate::support::gateway::{binary, log_file, run, status_of};
use crate::support::{eventually, ports, within};
use parking_lot::Mutex;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A child that ends with the test.
struct Running(Mutex<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.get_mut().kill().ok();
        self.0.get_mut().wait().ok();
    }
}

#[tokio::test]
async fn the_curl_that_demo_prints_works_as_printed() {
    let dir = TempDir::new().expect("a directory");
    let (listen, admin) = (ports::free(), ports::free());
    let (path, file) = log_file(&dir, "demo.log");
    let errors = file.try_clone().expect("a handle");
    let child = Command::new(binary())
        .args(["demo", "--listen", &listen.to_string(), "--admin-listen", &admin.to_string()])
        .current_dir(dir.path())
        .env("TMPDIR", dir.path())
        .env_remove("OPENAI_API_KEY")
        .env_remove("ANTHROPIC_API_KEY")
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors)
        .spawn()
        .expect("the binary was built");
    let child = Running(Mutex::new(child));
    let said = || std::fs::read_to_string(&path).unwrap_or_default();
    eventually("the demo is ready", || async {
        assert!(matches!(child.0.lock().try_wait(), Ok(None)), "it ended: {}", said());
        (status_of(admin, "/readyz").await == Some(200)).then_some(())
    })
    .await;
    let curl = eventually("the demo prints a curl", || async { first_curl(&said()) }).await;
    assert!(said().contains("wb-"), "a key: {}", said());
    assert!(said().contains(&listen.to_string()) && said().contains(&admin.to_string()), "addresses: {}", said());
    let mut shell = tokio::process::Command::new("sh");
    shell.arg("-c").arg(&curl).kill_on_drop(true);
    let output = within("curl ends", shell.output()).await.expect("a shell and curl are installed");
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && answer.contains("chat.completion"), "{curl}\n{answer}\n{}", said());
}

/// The first command in `text` that begins with `curl`, with the lines that it continues on.
fn first_curl(text: &str) -> Option<String> {
    let begin = text.find("curl ")?;
    let mut lines = Vec::new();
    for line in text[begin..].lines() {
        let line = line.trim();
        lines.push(line.trim_end_matches('\\').to_owned());
        if !line.ends_with('\\') {
            return Some(lines.join(" "));
        }
    }
    None
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_so() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let outcome = run(&["demo", "--listen", &address, "--admin-listen", &ports::free().to_string()]).await;
    assert!(outcome.code.is_some_and(|code| code != 0), "{outcome:?}");
    assert!(outcome.stderr.contains(&address), "{outcome:?}");
}
