//! The configuration as somebody may have mistyped it.

use super::{config, mutate::mutants};
use proptest::test_runner::TestRunner;
use std::path::Path;
use weighbridge::config::Config;

/// The files of `conf`, and the one of these targets.
fn files() -> Vec<Vec<u8>> {
    let conf = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    let mut paths: Vec<_> = [conf.clone(), conf.join("examples")]
        .iter()
        .flat_map(|dir| std::fs::read_dir(dir).expect("a folder"))
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    paths.sort();
    let mut files: Vec<_> = paths.iter().map(|path| std::fs::read(path).expect("readable")).collect();
    files.push(include_bytes!("providers.yaml").to_vec());
    files
}

/// What stands in the environment.
fn environment(_: &str) -> Option<String> {
    Some("0123456789abcdef0123456789abcdef".to_owned())
}

#[test]
fn a_mistyped_configuration_is_read_or_every_mistake_has_its_place() {
    let run = TestRunner::new(config(400)).run(&mutants(files()), |text| {
        let text = String::from_utf8_lossy(&text);
        if let Err(errors) = Config::from_text_with(&text, None, &environment) {
            assert!(!errors.0.is_empty(), "a refusal says why");
            let lines = text.split('\n').count() + text.matches('\r').count();
            for error in &errors.0 {
                assert!(!error.message.is_empty(), "{error:?} says why");
                assert!(error.line.is_some() || !error.path.is_empty(), "{error:?} has its place: {text}");
                assert!(error.line.is_none_or(|line| (1..=lines + 1).contains(&line)), "{error:?} is in the file");
            }
        }
        Ok(())
    });
    run.unwrap_or_else(|why| panic!("{why}"));
}
