//! What is held for units, target by target.

use super::*;
use crate::catalogue::{Catalogue, override_price};
use crate::dialect;
use crate::model::{Api, Draft, Units, Usage};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn listed(name: &str) -> Price {
    let (provider, model) = name.split_once('/').expect("a provider and a model");
    Catalogue::builtin().find(provider, model).expect(name)
}

fn set(rates: &[(&str, &str)]) -> Price {
    let rates: BTreeMap<_, _> = rates.iter().map(|(key, usd)| (key.to_string(), usd.to_string())).collect();
    override_price("m", &rates, None).expect("a price")
}

/// A call without output of its own that asks for `units`.
fn bounded(price: &Price, units: Units) -> Bound {
    let body = Draft::copy_of(br#"{"model":"m","input":"some words"}"#);
    let mut ask = dialect::parse(Api::Embeddings, body).expect("right");
    ask.demand.units = units;
    let terms = Terms {
        maker: Maker::Other,
        model: "m",
        price: Some(price),
        max_input_tokens: None,
        max_output_tokens: None,
        learned: &Learned::default(),
        codec: None,
        by_search: false,
    };
    bound_on(&ask, &terms, &Budgeting::default(), 256).expect("bounded")
}

#[test]
fn units_are_held_at_the_price_that_their_target_has() {
    let pictures = Units { images: 2, image_output: 8_320, ..Units::default() };
    let sound = Units { audio_ms: 60_000, output: 1_000, ..Units::default() };
    let speech = Units { characters: 100, output: 2_000, ..Units::default() };
    let search = Units { searches: 3, ..Units::default() };
    let input = |price: &Price| bounded(price, Units::default()).worst(0).0.unwrap_or(0);
    let cases = [
        ("pictures by the piece", listed("azure_ai/FLUX-1.1-pro"), pictures, 80_000_000),
        ("pictures by their tokens", listed("openai/gpt-image-1"), pictures, 332_800_000),
        ("the dearer of both", listed("gemini/gemini-2.5-flash-image"), pictures, 249_600_000),
        ("seconds of sound", listed("openai/whisper-1"), sound, 6_000_000),
        ("sound by its tokens", listed("azure/gpt-4o-transcribe"), sound, 10_000_000),
        ("characters", listed("openai/tts-1"), speech, 1_500_000),
        ("speech by its tokens", listed("openai/gpt-4o-mini-tts"), speech, 24_000_000),
        ("searches", listed("cohere/rerank-v3.5"), search, 6_000_000),
        ("rerankings by their tokens", set(&[("input", "0.05"), ("output", "0")]), search, 0),
    ];
    for (name, price, units, want) in cases {
        let bound = bounded(&price, units);
        let (nano, tokens) = bound.worst(0);
        assert_eq!(nano, Some(input(&price) + want), "{name}");
        assert_eq!(bound.unpriced(), None, "{name}");
        let want = bound.input_tokens + units.tokens();
        assert_eq!(tokens, i64::try_from(want).expect("small"), "{name}: tokens of units are tokens");
    }
}

#[test]
fn what_is_asked_for_and_has_no_price_is_named() {
    let text = set(&[("input", "1"), ("output", "2")]);
    let cases = [
        ("images", listed("openai/whisper-1"), Units { images: 1, image_output: 10, ..Units::default() }),
        ("images", text, Units { images: 1, ..Units::default() }),
        ("audio_ms", set(&[("per_image", "0.04")]), Units { audio_ms: 1, ..Units::default() }),
        ("characters", listed("openai/whisper-1"), Units { characters: 1, ..Units::default() }),
        ("searches", listed("openai/whisper-1"), Units { searches: 1, ..Units::default() }),
        ("output", listed("openai/whisper-1"), Units { output: 1, ..Units::default() }),
    ];
    for (class, price, units) in cases {
        let bound = bounded(&price, units);
        assert_eq!((bound.worst(0).0, bound.unpriced()), (None, Some(class)), "{class}");
    }
    let chat = bounded(&listed("openai/whisper-1"), Units::default());
    assert_eq!((chat.worst(0).0, chat.unpriced()), (None, None), "tokens are not free where seconds have a price");
}

proptest! {
    /// Whatever is used within what was asked for is paid by what is held.
    #[test]
    fn what_is_held_for_units_pays_for_them(
        most in proptest::array::uniform6(0u64..100_000), used in proptest::array::uniform6(0u64..=100),
        keys in proptest::sample::subsequence(vec!["per_image", "per_second", "per_character", "per_search"], 1..=4),
        pictures in any::<bool>(), usd in 1u64..900_000,
    ) {
        let usd = format!("0.{usd:06}");
        let mut rates: Vec<_> = keys.iter().map(|key| (*key, usd.as_str())).collect();
        if pictures {
            rates.extend([("input", "1"), ("output", "3"), ("image_output", "40")]);
        }
        let price = set(&rates);
        let [images, image_output, audio_ms, characters, searches, output] = most;
        let bound = bounded(&price, Units { images, image_output, audio_ms, characters, searches, output });
        let part = |at: usize| most[at] * used[at] / 100;
        // A provider bills pictures in one way.
        let by_piece = price.bills("images");
        let usage = Usage {
            images: if by_piece { part(0) } else { 0 },
            image_output: if by_piece { 0 } else { part(1).min(if images > 0 { u64::MAX } else { 0 }) },
            audio_ms: if price.bills("audio_ms") { part(2) } else { 0 },
            characters: if price.bills("characters") { part(3) } else { 0 },
            searches: if price.bills("searches") { part(4) } else { 0 },
            output: if price.bills("output") { part(5) } else { 0 },
            ..Usage::ZERO
        };
        if let Some(held) = bound.worst(0).0 {
            let cost = price.cost(&usage, ServiceTier::Standard).expect("only what has a price was used");
            prop_assert!(cost.0 <= held, "{cost} of {held} held");
        }
    }
}
