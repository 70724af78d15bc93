//! The list as it is carried, read a second time and in another way.

use super::{CATALOGUE_VERSION, Catalogue, DATA};
use crate::catalogue::{Price, Rate};
use crate::model::{ServiceTier, Usage};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The columns of rates, the labels of `Usage::classes` for them, and the decimals that a nano-dollar per million holds.
const CLASSES: [(&str, &str, usize); Usage::CLASSES] = [
    ("input", "input", 9),
    ("output", "output", 9),
    ("cache_read", "cache_read", 9),
    ("cache_write_5m", "cache_write_5m", 9),
    ("cache_write_1h", "cache_write_1h", 9),
    ("reasoning", "reasoning", 9),
    ("audio_input", "audio_input", 9),
    ("audio_output", "audio_output", 9),
    ("image_input", "image_input", 9),
    ("image_output", "image_output", 9),
    ("per_image", "images", 15),
    ("per_second", "audio_ms", 12),
    ("per_character", "characters", 15),
    ("per_search", "searches", 15),
];

fn records() -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(DATA.as_bytes());
    reader.deserialize().collect::<Result<_, _>>().expect("the list is CSV")
}

fn find(record: &BTreeMap<String, String>) -> Option<Price> {
    Catalogue::builtin().find(&record["provider"], &record["model"])
}

/// Nano-dollars of decimal text, by moving the point in the text.
fn nanos(text: &str) -> u64 {
    moved(text, 9)
}

fn moved(text: &str, decimals: usize) -> u64 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<decimals$}").parse().expect("an amount of the list is a number")
}

#[test]
fn the_version_names_exactly_this_list() {
    let hash = hex::encode(Sha256::digest(DATA));
    let want = ("2026-11-23.2", "43b0cd24b3123ae447e40e395af90227443b5ed7cfa62b7b604a8f6b78bc553a");
    assert_eq!((CATALOGUE_VERSION, hash.as_str()), want, "a changed list needs a new version, file name and hash");
}

#[test]
fn every_row_is_found_and_has_the_rates_of_the_list() {
    let records = records();
    assert_eq!(records.len(), 3_719);
    assert_eq!(Catalogue::builtin().len(), records.len());
    for record in &records {
        let price = find(record).expect("a listed model is found");
        let tier = ServiceTier::from_answer(&record["tier"]);
        let above: u64 = record["above"].parse().expect("a border is a number");
        for (column, class, decimals) in CLASSES.into_iter().filter(|(column, ..)| !record[*column].is_empty()) {
            let rate = price.rate(class, tier, above + 1).map(Rate::nanos_per_million);
            assert_eq!(rate, Some(moved(&record[column], decimals)), "{class} of {record:?}");
        }
        assert_eq!(&**price.version(), format!("2026-11-23.2/{}/{}", record["provider"], record["model"]));
    }
}

#[test]
fn what_is_not_published_is_never_free() {
    for record in records() {
        let price = find(&record).expect("a listed model is found");
        let tier = ServiceTier::from_answer(&record["tier"]);
        let above: u64 = record["above"].parse().expect("a border is a number");
        let rate = |class| price.rate(class, tier, above + 1);
        // Only a published zero of the class that bounds it may make an unpublished rate zero.
        let bounds = [
            ("cache_read", "input"),
            ("cache_write_5m", "input"),
            ("cache_write_1h", "input"),
            ("reasoning", "output"),
            ("image_input", "input"),
        ];
        for (class, bound) in bounds.into_iter().filter(|(class, _)| record[*class].is_empty()) {
            assert!(rate(class) >= rate(bound), "{class} of {record:?}");
        }
        if record["tier"] == "standard" && record["above"] == "0" {
            let alone = ["input", "output", "audio_input", "audio_output", "image_output"];
            let units = CLASSES.into_iter().filter(|(column, ..)| column.starts_with("per_"));
            for (column, class) in
                alone.map(|class| (class, class)).into_iter().chain(units.map(|(column, class, _)| (column, class)))
            {
                assert_eq!(rate(class).is_none(), record[column].is_empty(), "{class} of {record:?}");
            }
        }
    }
}

/// The rule that fills unpublished writes stands on this.
#[test]
fn every_published_write_for_an_hour_costs_twice_the_input() {
    let published: Vec<_> = records().into_iter().filter(|record| !record["cache_write_1h"].is_empty()).collect();
    assert_eq!(published.len(), 229);
    for record in published {
        assert_eq!(nanos(&record["cache_write_1h"]), 2 * nanos(&record["input"]), "{record:?}");
    }
}

#[test]
fn the_list_is_in_the_order_that_look_up_needs() {
    let rows = &Catalogue::builtin().rows;
    assert!(rows.is_sorted_by_key(|row| (row.provider, row.model)));
    let providers: Vec<_> = Catalogue::builtin().providers().collect();
    assert_eq!(providers.len(), 20, "{providers:?}");
}

#[test]
fn what_is_not_listed_is_unknown() {
    let builtin = Catalogue::builtin();
    let cases = [
        ("no such provider", "nobody", "gpt-4o-mini"),
        ("no such model", "openai", "gpt-4o-min"),
        ("a longer name", "openai", "gpt-4o-mini-mine"),
        ("another case", "openai", "GPT-4o-mini"),
        ("nothing", "", ""),
        ("past the end", "zzz", "zzz"),
    ];
    for (name, provider, model) in cases {
        assert_eq!(builtin.find(provider, model), None, "{name}");
        assert_eq!(builtin.limits(provider, model), None, "{name}");
    }
}

#[test]
fn limits_are_those_of_the_list() {
    let limits = Catalogue::builtin().limits("openai", "gpt-4o-mini").expect("listed");
    assert_eq!((limits.max_input_tokens, limits.max_output_tokens), (Some(128_000), Some(16_384)));
    let limits = Catalogue::builtin().limits("openai", "text-embedding-3-small").expect("listed");
    assert_eq!((limits.max_input_tokens, limits.max_output_tokens), (Some(8_191), None));
}

#[test]
fn a_line_that_is_not_of_the_format_is_not_read() {
    let cases = [
        ("too few fields", "openai,m,standard,0,1,2"),
        ("too many", "openai,m,standard,0,1,2,,,,,,,,,,,,,,,"),
        ("no such tier", "openai,m,cheap,0,1,2,,,,,,,,,,,,,,"),
        ("no amount", "openai,m,standard,0,one,2,,,,,,,,,,,,,,"),
        ("an amount that is too fine", "openai,m,standard,0,1,2,,,,,,,,,,0.0000000000001,,,,"),
        ("no limit", "openai,m,standard,0,1,2,,,,,,,,,,,,,many,"),
        ("no model", "openai,,standard,0,1,2,,,,,,,,,,,,,,"),
    ];
    for (name, line) in cases {
        assert!(super::row(line).is_none(), "{name}");
    }
    assert!(super::row("openai,m,standard,0,1,2,,,,,,,,,,0.000000000001,,,,").is_some());
}
