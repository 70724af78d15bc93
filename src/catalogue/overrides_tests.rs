//! Prices that the configuration sets.

use super::override_price;
use crate::catalogue::{Catalogue, Price};
use crate::model::{NanoUsd, ServiceTier, Usage};
use std::collections::BTreeMap;

fn map(rates: &[(&str, &str)]) -> BTreeMap<String, String> {
    rates.iter().map(|(class, text)| (class.to_string(), text.to_string())).collect()
}

fn listed(provider: &str, model: &str) -> Price {
    Catalogue::builtin().find(provider, model).expect("a model of this file is listed")
}

fn rate(price: &Price, class: &str, tier: ServiceTier, size: u64) -> Option<String> {
    price.rate(class, tier, size).map(|rate| rate.to_string())
}

#[test]
fn an_override_alone_falls_back_as_a_published_price_does() {
    use ServiceTier::Standard;
    let price = override_price("mine", &map(&[("input", "0.20"), ("output", "0.40")]), None).expect("good");
    for (class, want) in [
        ("input", Some("0.20")),
        ("cache_read", Some("0.20")),
        ("cache_write_5m", Some("0.20")),
        ("cache_write_1h", Some("0.20")),
        ("output", Some("0.40")),
        ("reasoning", Some("0.40")),
        ("audio_input", None),
        ("audio_output", None),
        ("image_input", Some("0.20")),
        ("image_output", None),
        ("images", None),
        ("audio_ms", None),
        ("characters", None),
        ("searches", None),
    ] {
        assert_eq!(rate(&price, class, Standard, 1).as_deref(), want, "{class}");
        assert_eq!(
            rate(&price, class, ServiceTier::Priority, 1_000_000).as_deref(),
            want,
            "{class} at any tier and size"
        );
    }
    let usage = Usage { input: 3, output: 1, ..Usage::default() };
    assert_eq!(price.cost(&usage, Standard), Ok(NanoUsd(1_000)));
}

#[test]
fn an_override_replaces_its_classes_at_every_tier_and_size_and_keeps_the_others() {
    use ServiceTier::{Flex, Standard};
    let below = listed("openai", "gpt-5.4");
    let price = override_price("openai/gpt-5.4", &map(&[("input", "1")]), Some(&below)).expect("good");
    assert_eq!(rate(&price, "input", Standard, 1).as_deref(), Some("1.00"));
    assert_eq!(rate(&price, "input", Standard, 300_000).as_deref(), Some("1.00"));
    assert_eq!(rate(&price, "input", Flex, 1).as_deref(), Some("1.00"));
    assert_eq!(rate(&price, "output", Standard, 1).as_deref(), Some("15.00"));
    assert_eq!(rate(&price, "output", Standard, 300_000).as_deref(), Some("22.50"));
    assert_eq!(rate(&price, "output", Flex, 1).as_deref(), Some("7.50"));
    assert_eq!(rate(&price, "cache_read", Standard, 1).as_deref(), Some("0.25"), "published below, so kept");
    assert_eq!(rate(&price, "cache_write_5m", Standard, 1).as_deref(), Some("1.00"), "not published: the new input");
}

#[test]
fn the_version_of_an_override_changes_with_what_it_sets_and_with_what_it_stands_on() {
    let below = listed("openai", "gpt-4o-mini");
    let version =
        |rates: &[(&str, &str)], below| override_price("m", &map(rates), below).expect("good").version().to_string();
    let one = version(&[("input", "1")], None);
    assert!(one.starts_with("config/m#") && one.len() == "config/m#".len() + 12, "{one}");
    assert_eq!(one, version(&[("input", "1")], None), "the same again");
    assert_ne!(one, version(&[("input", "2")], None), "another amount");
    assert_ne!(one, version(&[("input", "1"), ("output", "1")], None), "another class");
    assert_ne!(one, version(&[("input", "1")], Some(&below)), "another row below");
}

#[test]
fn a_bad_override_names_the_entry_and_what_is_wrong() {
    let cases = [
        (
            "an unknown class",
            map(&[("input", "1"), ("cached", "1")]),
            "`prices.mine.cached` is nothing that has a price; there are `input`, `cache_read`, `cache_write_5m`, \
             `cache_write_1h`, `output`, `reasoning`, `audio_input`, `audio_output`, `image_input`, `image_output`, \
             `per_image`, `per_second`, `per_character`, `per_search`",
        ),
        (
            "a bad amount",
            map(&[("input", "free")]),
            "`prices.mine.input`: `free` is not a decimal number such as `0.15`",
        ),
        (
            "no input",
            map(&[("output", "1")]),
            "`prices.mine.input` is missing, and the catalogue has no row to take it from; a model that is billed by units \
             needs `per_image`, `per_second`, `per_character` or `per_search` instead",
        ),
        (
            "a unit by the label of what is counted",
            map(&[("images", "1")]),
            "`prices.mine.images` is nothing that has a price; there are `input`, `cache_read`, `cache_write_5m`, \
             `cache_write_1h`, `output`, `reasoning`, `audio_input`, `audio_output`, `image_input`, `image_output`, \
             `per_image`, `per_second`, `per_character`, `per_search`",
        ),
        (
            "a price of a second that is too fine",
            map(&[("per_second", "0.0000000000001")]),
            "`prices.mine.per_second`: `0.0000000000001` has more than twelve decimals",
        ),
        (
            "a price of a picture in cents of a million",
            map(&[("per_image", "40000")]),
            "`prices.mine.per_image`: `40000` is above 1000",
        ),
    ];
    for (name, rates, want) in cases {
        let why = override_price("mine", &rates, None).expect_err(name);
        assert_eq!(why.to_string(), want, "{name}");
    }
}

#[test]
fn free_is_free_only_when_the_file_says_so() {
    let price = override_price("local", &map(&[("input", "0"), ("output", "0")]), None).expect("good");
    let usage = Usage { input: 1_000, output: 1_000, reasoning: 5, ..Usage::default() };
    assert_eq!(price.cost(&usage, ServiceTier::Standard), Ok(NanoUsd::ZERO));
}

#[test]
fn a_price_by_units_alone_is_a_price() {
    let cases = [
        ("per_image", "0.04", Usage { images: 3, ..Usage::ZERO }, 120_000_000),
        ("per_second", "0.0001", Usage { audio_ms: 1_500, ..Usage::ZERO }, 150_000),
        ("per_second", "0.0001", Usage { audio_ms: 1, ..Usage::ZERO }, 100),
        ("per_character", "0.000015", Usage { characters: 4_096, ..Usage::ZERO }, 61_440_000),
        ("per_search", "0.002", Usage { searches: 2, ..Usage::ZERO }, 4_000_000),
    ];
    for (key, text, usage, want) in cases {
        let price = override_price("mine", &map(&[(key, text)]), None).expect(key);
        for tier in [ServiceTier::Standard, ServiceTier::Batch] {
            assert_eq!(price.cost(&usage, tier), Ok(NanoUsd(want)), "{key}");
        }
        let tokens = Usage { input: 1, ..usage };
        assert!(price.cost(&tokens, ServiceTier::Standard).is_err(), "{key}: tokens are not free");
    }
}
