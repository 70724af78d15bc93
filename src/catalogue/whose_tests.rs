//! Whose price a target has.

use super::{Target, catalogue_of, limits, resolve};
use std::collections::BTreeMap;

const OPENAI: Target<'_> = Target {
    provider: "main",
    kind: "openai",
    base_url_host: None,
    catalogue: None,
    model: "gpt-4o-mini",
    price_as: None,
};

#[test]
fn the_price_is_looked_up_in_the_order_that_is_promised() {
    let only_input = |text: &str| BTreeMap::from([("input".to_owned(), text.to_owned())]);
    let both = BTreeMap::from([("main/gpt-4o-mini", only_input("7")), ("gpt-4o-mini", only_input("8"))]);
    let short = BTreeMap::from([("gpt-4o-mini", only_input("8"))]);
    let other = BTreeMap::from([("other/gpt-4o-mini", only_input("9"))]);
    let list = "2026-11-23.2/openai/";
    let local = Target { base_url_host: Some("127.0.0.1"), ..OPENAI };
    // (name, target, overrides, input in nano-dollars, start of the version)
    let cases = [
        ("provider and model", OPENAI, &both, Some(7_000_000_000), "config/main/gpt-4o-mini#"),
        ("model", OPENAI, &short, Some(8_000_000_000), "config/gpt-4o-mini#"),
        ("the catalogue of the kind", OPENAI, &other, Some(150_000_000), list),
        ("price_as", Target { price_as: Some("gpt-4o"), ..OPENAI }, &other, Some(2_500_000_000), list),
        (
            "price_as is not the name of an override",
            Target { price_as: Some("gpt-4o"), ..OPENAI },
            &short,
            Some(8_000_000_000),
            "config/",
        ),
        ("an unknown host", local, &other, None, ""),
        ("an override for an unknown host", local, &short, Some(8_000_000_000), "config/"),
        (
            "a catalogue for an unknown host",
            Target { catalogue: Some("openai"), ..local },
            &other,
            Some(150_000_000),
            list,
        ),
        (
            "another catalogue than the kind's",
            Target { catalogue: Some("azure"), ..OPENAI },
            &other,
            Some(150_000_000),
            "2026-11-23.2/azure/",
        ),
        ("no catalogue at all", Target { catalogue: Some("none"), ..OPENAI }, &other, None, ""),
        (
            "the catalogue of another kind",
            Target { kind: "cohere", model: "command-a-03-2025", ..OPENAI },
            &other,
            Some(2_500_000_000),
            "2026-11-23.2/cohere/",
        ),
        (
            "a well-known host",
            Target { base_url_host: Some("api.openai.com"), ..OPENAI },
            &other,
            Some(150_000_000),
            list,
        ),
        ("not listed", Target { model: "mine", ..OPENAI }, &other, None, ""),
        (
            "listed under another name",
            Target { model: "mine", price_as: Some("gpt-4o-mini"), ..OPENAI },
            &other,
            Some(150_000_000),
            list,
        ),
    ];
    for (name, target, prices, input, version) in cases {
        let price = resolve(&target, |key| prices.get(key)).expect(name);
        assert_eq!(price.as_ref().and_then(crate::catalogue::Price::standard_input), input, "{name}");
        assert!(price.is_none_or(|price| price.version().starts_with(version)), "{name}");
    }
}

#[test]
fn an_override_keeps_what_it_leaves_out_as_the_catalogue_has_it() {
    let prices = BTreeMap::from([("gpt-4o-mini", BTreeMap::from([("input".to_owned(), "1".to_owned())]))]);
    let price = resolve(&OPENAI, |key| prices.get(key)).expect("good").expect("priced");
    assert_eq!(price.standard_output(), Some(600_000_000));
}

#[test]
fn a_model_with_a_price_by_unit_alone_is_priced_and_its_tokens_are_not() {
    let target = Target { catalogue: Some("azure"), model: "gpt-realtime-translate", ..OPENAI };
    let price = resolve(&target, |_| None).expect("good").expect("priced by the second");
    assert!(price.bills("audio_ms") && !price.bills("input") && !price.bills("output"));
    assert_eq!(price.standard_input(), None);
}

#[test]
fn a_model_that_is_listed_without_any_price_is_unpriced() {
    let target = Target { catalogue: Some("openai"), model: "low/1024-x-1024/gpt-image-1", ..OPENAI };
    assert_eq!(resolve(&target, |_| None), Ok(None));
}

#[test]
fn a_catalogue_that_does_not_exist_is_refused_with_those_that_do() {
    let target = Target { catalogue: Some("opanai"), ..OPENAI };
    let why = resolve(&target, |_| None).expect_err("there is no such catalogue").to_string();
    assert!(why.starts_with("there is no catalogue `opanai`; there are `none`, `anthropic`, "), "{why}");
}

#[test]
fn the_catalogue_follows_the_kind_or_a_well_known_host() {
    let cases = [
        ("the kind", "openai", None, Some("openai")),
        ("another kind", "anthropic", None, Some("anthropic")),
        ("a kind without a list", "homemade", None, None),
        ("a host", "openai", Some("api.groq.com"), Some("groq")),
        ("a host in capitals, with a dot", "openai", Some("API.Together.XYZ."), Some("together")),
        ("the kind does not count where a host is set", "openai", Some("localhost"), None),
        ("a longer host", "openai", Some("api.openai.com.example"), None),
        ("a region may cost more", "openai", Some("eu.api.openai.com"), None),
    ];
    for (name, kind, host, want) in cases {
        assert_eq!(catalogue_of(kind, host), want, "{name}");
    }
}

#[test]
fn every_well_known_host_has_a_list() {
    for (host, catalogue) in super::HOSTS {
        assert!(super::Catalogue::builtin().providers().any(|provider| provider == *catalogue), "{host}");
    }
}

/// The limits of a target are those of the row that its price is looked up in; an override of the price changes nothing.
#[test]
fn limits_are_looked_up_as_the_price_is() {
    let of = |target: &Target<'_>| limits(target).map(|found| found.and_then(|found| found.max_output_tokens));
    assert_eq!(of(&Target { model: "gpt-4o", ..OPENAI }), Ok(Some(16_384)));
    assert_eq!(of(&Target { model: "mine", price_as: Some("gpt-5"), ..OPENAI }), Ok(Some(128_000)));
    assert_eq!(of(&Target { model: "gpt-4o", base_url_host: Some("127.0.0.1"), ..OPENAI }), Ok(None));
    assert_eq!(of(&Target { model: "gpt-4o", catalogue: Some("none"), ..OPENAI }), Ok(None));
    assert!(of(&Target { catalogue: Some("opanai"), ..OPENAI }).is_err());
}
