//! Whatever bytes come from a client or a provider: nothing panics, and what goes out is valid.
//!
//! Kept corpora, mutated: the requests, answers and streams of the golden tests (`src/**/fixtures`) and what stands in
//! `tests/it/fuzz/corpora`. A failure is kept by proptest beside this file; more cases with `PROPTEST_CASES`
//! (`load-tests/fuzz/run.sh`).

mod answers;
mod connections;
mod corpus;
mod heads;
mod bytes;
mod journal;
mod mutate;
mod requests;
mod settings;

use std::sync::Arc;
use weighbridge::config::Config;
use weighbridge::providers::{PROVIDERS, Provider};

/// Each kind of provider that translates, as its settings make it.
fn providers() -> Vec<Arc<dyn Provider>> {
    const FILE: &str = include_str!("providers.yaml");
    let config = Config::from_text(FILE, None).unwrap_or_else(|errors| panic!("providers.yaml: {errors}"));
    let build = |kind: &str| PROVIDERS.iter().find(|(name, _)| *name == kind).expect("a kind").1;
    let mut translating = Vec::new();
    for provider in config.providers.values() {
        let built: Arc<dyn Provider> = build(&provider.kind)(provider).expect("settings").into();
        let models = ["claude-sonnet-4-5", "gemini-3-pro"].map(|model| built.for_model(model));
        let of_models = models.into_iter().filter_map(Result::ok).flatten();
        translating.extend(of_models.chain([Arc::clone(&built)]).filter(|provider| provider.codec().is_some()));
    }
    for (kind, _) in PROVIDERS {
        assert!(
            config.providers.values().any(|provider| provider.kind == *kind),
            "`{kind}` is missing in providers.yaml"
        );
    }
    translating
}

/// Cases of a property, unless `PROPTEST_CASES` says otherwise.
fn config(cases: u32) -> proptest::test_runner::Config {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    proptest::test_runner::Config { cases: asked.unwrap_or(cases), ..proptest::test_runner::Config::default() }
}
