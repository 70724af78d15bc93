use super::{DEFAULT, ENTITIES, build};
use crate::{
    config::Section,
    guard::{
        Fold, Spotter,
        laws::{assert_cuts_do_not_matter, edited},
    },
};
use std::sync::Arc;

mod values;
mod misses;
mod laws;
mod settings;

/// The guard as its section says.
fn guard(yaml: &str) -> Arc<[Arc<dyn Spotter>]> {
    let section = Section::from_yaml("guardrails.pii", yaml).expect("yaml");
    build(&section).unwrap_or_else(|error| panic!("{yaml}: {error}")).into()
}

/// `text` with each hit in brackets.
fn marked(spotters: &Arc<[Arc<dyn Spotter>]>, text: &str) -> String {
    edited(spotters, Fold::Text, &[text]).0
}
