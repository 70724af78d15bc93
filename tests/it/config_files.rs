//! The configuration files that we ship are right, and a mistake in one is told with file, line, key path and what to do.

use crate::support::gateway::{binary, run};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// All `*.yaml` below `dir`.
fn yaml_files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let path = entry.expect("readable").path();
        // Prometheus's own files: tests/it/operating.rs.
        if path.ends_with("prometheus") {
            continue;
        }
        if path.is_dir() {
            all.extend(yaml_files(&path));
        } else if path.extension().is_some_and(|end| end == "yaml" || end == "yml") {
            all.push(path);
        }
    }
    all.sort();
    all
}

#[test]
fn check_passes_on_every_file_that_we_ship() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = yaml_files(&root.join("conf"));
    assert!(files.iter().any(|file| file.ends_with("conf/weighbridge.yaml")), "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        let mut command = Command::new(binary());
        command.arg("check").arg("-c").arg(&file).current_dir(root);
        for name in text.split("${env:").skip(1).filter_map(|rest| rest.split('}').next()) {
            command.env(name, format!("planted-{name}"));
        }
        let output = command.output().expect("the binary was built");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}: {said}", file.display());
        assert!(!said.contains("planted-"), "{}: secrets are masked: {said}", file.display());
    }
}

const GOOD: &str = "\
admin: { listen: \"127.0.0.1:19090\" }
state: { dir: \"/tmp/weighbridge-never-made\" }
providers:
  openai: { kind: openai, api_key: \"sk-planted-secret\" }
models:
  fast:
    targets:
      - { provider: openai, model: gpt-4o-mini }
teams:
  search: { models: [fast] }
keys:
  - { name: ci, team: search, hash: \"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\" }
";

#[tokio::test]
async fn a_good_file_is_good_and_its_secrets_are_masked() {
    let dir = TempDir::new().expect("a directory");
    let (file, state) = (dir.path().join("weighbridge.yaml"), dir.path().join("never-made"));
    let good = GOOD.replace("/tmp/weighbridge-never-made", state.to_str().expect("text"));
    std::fs::write(&file, good).expect("written");
    let text = run(&["check", "-c", file.to_str().expect("text")]).await.ok();
    assert!(text.contains("fast") && text.contains("gpt-4o-mini"), "{text}");
    assert!(!text.contains("sk-planted-secret"), "{text}");
    assert!(!state.exists(), "check changes nothing");
}

#[tokio::test]
async fn each_mistake_names_file_line_and_key_path_and_what_to_do() {
    let hash = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    // (name, text in the good file, what stands there instead, line, parts of the message)
    let cases: &[(&str, &str, &str, usize, &[&str])] = &[
        ("unknown key", "state:", "stat:", 2, &["stat", "state"]),
        ("unknown nested key", "models: [fast]", "modles: [fast]", 10, &["teams.search", "modles", "models"]),
        ("unknown kind", "kind: openai", "kind: opena1", 4, &["providers.openai.kind", "did you mean `openai`"]),
        ("unknown setting of a provider", "api_key:", "apikey:", 4, &["providers.openai", "apikey", "api_key"]),
        (
            "unknown provider",
            "provider: openai,",
            "provider: opena1,",
            8,
            &["models.fast.targets[0].provider", "opena1", "openai"],
        ),
        ("unknown team", "team: search", "team: serch", 12, &["keys[0].team", "serch", "search"]),
        ("unknown model", "models: [fast]", "models: [fats]", 10, &["teams.search.models", "fats", "fast"]),
        ("bad hash", hash, "sha256:12", 12, &["keys[0].hash", "64"]),
        ("bad address", "127.0.0.1:19090", "127.0.0.1", 1, &["admin.listen"]),
        (
            "bad duration",
            "model: gpt-4o-mini",
            "model: gpt-4o-mini, timeouts: { idle: 5 }",
            8,
            &["models.fast.targets[0].timeouts.idle", "5s"],
        ),
        (
            "unset variable",
            "sk-planted-secret",
            "${env:WEIGHBRIDGE_TEST_UNSET}",
            4,
            &["providers.openai.api_key", "WEIGHBRIDGE_TEST_UNSET"],
        ),
        ("missing file", "sk-planted-secret", "${file:/nowhere/key}", 4, &["providers.openai.api_key", "/nowhere/key"]),
        ("a key twice", "teams:\n", "models: {}\nteams:\n", 9, &["models"]),
        ("bad YAML", "models:\n  fast:", "models:\n  fast: [", 6, &[]),
    ];
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("weighbridge.yaml");
    let path = file.to_str().expect("text");
    for (name, old, new, line, parts) in cases {
        assert!(GOOD.contains(old), "{name}: the test's own");
        std::fs::write(&file, GOOD.replacen(old, new, 1)).expect("written");
        for command in ["check", "run"] {
            let outcome = run(&[command, "-c", path]).await;
            assert!(outcome.code.is_some_and(|code| code != 0), "{name}: {outcome:?}");
            let said = format!("{}{}", outcome.stdout, outcome.stderr);
            if *name != "bad YAML" {
                assert!(said.contains(&format!("{path}:{line}")), "{name}: line {line}: {said}");
            }
            assert!(said.contains(path), "{name}: {said}");
            for part in *parts {
                assert!(said.contains(part), "{name}: `{part}`: {said}");
            }
            assert!(!said.contains("sk-planted-secret"), "{name}: {said}");
        }
    }
}

#[tokio::test]
async fn all_mistakes_are_told_at_once() {
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("weighbridge.yaml");
    std::fs::write(
        &file,
        GOOD.replace("team: search", "team: serch").replace("provider: openai,", "provider: opena1,"),
    )
    .expect("written");
    let outcome = run(&["check", "-c", file.to_str().expect("text")]).await;
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(said.contains("serch") && said.contains("opena1"), "{said}");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let outcome = run(&["check", "-c", "/nowhere/weighbridge.yaml"]).await;
    assert_ne!(outcome.code, Some(0));
    assert!(outcome.stderr.contains("/nowhere/weighbridge.yaml"), "{outcome:?}");
}

#[tokio::test]
async fn usage_errors_exit_with_2_and_help_shows_examples() {
    assert_eq!(run(&["fly"]).await.code, Some(2));
    assert_eq!(run(&["run", "--nonsense"]).await.code, Some(2));
    for command in [
        &["--help"][..],
        &["run", "--help"],
        &["check", "--help"],
        &["demo", "--help"],
        &["simulate", "--help"],
        &["usage", "--help"],
        &["keys", "create", "--help"],
        &["keys", "revoke", "--help"],
        &["teams", "list", "--help"],
        &["budgets", "list", "--help"],
        &["explain", "--help"],
        &["audit", "verify", "--help"],
        &["ledger", "export", "--help"],
        &["ledger", "verify", "--help"],
    ] {
        let help = run(command).await.ok();
        assert!(help.contains("weighbridge "), "{command:?} has an example: {help}");
    }
}

#[tokio::test]
async fn a_new_key_is_shown_once_with_the_hash_for_the_file() {
    let offline = ["keys", "create", "--offline", "--name", "ci", "--team", "search"];
    let text = run(&offline).await.ok();
    let key = text.split_whitespace().find(|word| word.starts_with("wb-")).unwrap_or_else(|| panic!("a key: {text}"));
    let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(key.as_bytes()));
    assert!(text.contains(&format!("sha256:{hash}")), "{text}");
    let again = run(&offline).await.ok();
    assert!(!again.contains(key), "each is new");
}
