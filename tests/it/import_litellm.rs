//! A LiteLLM proxy's configuration and tables become a configuration of ours that `check` takes; what cannot be carried
//! over is told; no secret is.

use crate::support::gateway::binary;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn inputs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/import_litellm")
}

fn import(file: &str, database: bool, out: &Path) -> Output {
    let mut command = Command::new(binary());
    command.arg("import-litellm").arg(inputs().join(file)).arg("-o").arg(out);
    if database {
        command.arg("--database").arg(inputs().join("database"));
    }
    command.output().expect("the binary was built")
}

/// `check`, with stand-ins for the variables that the file names.
fn check(file: &Path) -> String {
    let text = std::fs::read_to_string(file).expect("readable");
    let mut command = Command::new(binary());
    command.arg("check").arg("-c").arg(file);
    for name in text.split("${env:").skip(1).filter_map(|rest| rest.split('}').next()) {
        let url = ["_API_BASE", "_URL"].iter().any(|end| name.ends_with(end));
        command.env(name, if url { "https://stand-in.example".to_owned() } else { format!("stand-in-for-{name}") });
    }
    let output = command.output().expect("the binary was built");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{text}");
    said
}

/// Without the lines of a terminal's own.
fn golden(name: &str, made: &str) {
    let path = inputs().join(name);
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(made == want, "{} has another text than was made:\n{made}", path.display());
}

#[test]
fn what_is_made_passes_check_and_is_what_it_was() {
    for (file, database, want) in [
        ("small.yaml", false, Some("small.golden")),
        ("balanced.yaml", false, Some("balanced.golden")),
        ("balanced.yaml", true, Some("database.golden")),
        // What its wildcards stand for changes with the catalogue.
        ("wild.yaml", false, None),
        ("wild.yaml", true, None),
    ] {
        let dir = TempDir::new().expect("a directory");
        let out = dir.path().join("weighbridge.yaml");
        let output = import(file, database, &out);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{file}: {told}");
        let made = std::fs::read_to_string(&out).expect("made");
        for secret in ["sk-ant-not-a-key", "sk-1234"] {
            assert!(!made.contains(secret) && !told.contains(secret), "{file}: {secret}");
        }
        check(&out);
        if let Some(want) = want {
            golden(want, &made);
        }
    }
}

#[test]
fn a_wildcard_stands_for_what_is_named_and_what_the_catalogue_knows() {
    let dir = TempDir::new().expect("a directory");
    let out = dir.path().join("weighbridge.yaml");
    assert!(import("wild.yaml", false, &out).status.success());
    let made = std::fs::read_to_string(&out).expect("made");
    assert!(made.contains("  deepseek/deepseek-chat: {"), "{made}");
    assert!(made.contains("  gpt-4o: { targets: [{ provider: openai, model: gpt-4o }] }"), "{made}");
}

#[test]
fn a_file_that_is_there_is_left_alone() {
    let dir = TempDir::new().expect("a directory");
    let out = dir.path().join("weighbridge.yaml");
    std::fs::write(&out, "mine").expect("written");
    let output = import("small.yaml", false, &out);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&out).expect("there"), "mine");
}

#[test]
fn what_is_no_configuration_is_told_with_its_line() {
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("config.yaml");
    std::fs::write(&file, "model_list: [\n  sk-planted: {\n").expect("written");
    let output = Command::new(binary()).arg("import-litellm").arg(&file).output().expect("the binary was built");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("config.yaml:") && !told.contains("planted"), "{told}");
}
