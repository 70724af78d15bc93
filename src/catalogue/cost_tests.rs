//! Costs computed by hand from the list, and the laws of the arithmetic.

use super::{CostError, Price, TIERS};
use crate::catalogue::written::{Per, WRITTEN};
use crate::catalogue::{Catalogue, Rate, override_price};
use crate::model::{NanoUsd, ServiceTier, Usage};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn listed(name: &str) -> Price {
    let (provider, model) = name.split_once('/').expect("a name of this file has a provider");
    Catalogue::builtin().find(provider, model).expect("a model of this file is listed")
}

fn set(rates: &[(&str, &str)]) -> Price {
    let rates = rates.iter().map(|(class, text)| (class.to_string(), text.to_string())).collect::<BTreeMap<_, _>>();
    override_price("mine", &rates, None).expect("a price of this file can be read")
}

const NONE: Usage = Usage::ZERO;

#[test]
fn costs_are_what_the_list_says_computed_by_hand() {
    use ServiceTier::{Batch, Flex, Priority, Standard};
    let mini = "openai/gpt-4o-mini"; // standard 0.15 / 0.60, cached 0.075; priority 0.25 / 1; flex not published
    let haiku = "anthropic/claude-haiku-4-5"; // 1 / 5, cached 0.1, writes 1.25 and 2; batch 0.5 / 2.5, write 0.625
    let gpt = "openai/gpt-5.4"; // 2.5 / 15, cached 0.25; flex 1.25 / 7.5; priority 5 / 30; above 272000: 5 / 22.5, 0.5
    let pro = "gemini/gemini-2.5-pro"; // 1.25 / 10; above 200000: 2.5 / 15
    let cases = [
        ("nothing used", mini, Standard, NONE, 0),
        ("one input token: 150 nano-dollars", mini, Standard, Usage { input: 1, ..NONE }, 150),
        ("one output token", mini, Standard, Usage { output: 1, ..NONE }, 600),
        ("one cached token", mini, Standard, Usage { cache_read: 1, ..NONE }, 75),
        ("cached and fresh input", mini, Standard, Usage { input: 24, cache_read: 1_000, output: 50, ..NONE }, 108_600),
        ("reasoning without its own price is output", gpt, Standard, Usage { reasoning: 64, ..NONE }, 960_000),
        ("priority", mini, Priority, Usage { input: 1_000, output: 10, ..NONE }, 260_000),
        ("flex not published: standard", mini, Flex, Usage { input: 1_000, output: 10, ..NONE }, 156_000),
        ("flex", gpt, Flex, Usage { input: 1_000, output: 10, ..NONE }, 1_325_000),
        ("a write for 5 minutes", haiku, Standard, Usage { cache_write_5m: 1_000, ..NONE }, 1_250_000),
        ("a write for 1 hour", haiku, Standard, Usage { cache_write_1h: 1_000, ..NONE }, 2_000_000),
        (
            "a batched write for 1 hour: twice the input",
            haiku,
            Batch,
            Usage { cache_write_1h: 1_000, ..NONE },
            1_000_000,
        ),
        (
            "every class that Anthropic bills",
            haiku,
            Standard,
            Usage { input: 7, cache_read: 2_048, cache_write_5m: 300, cache_write_1h: 40, output: 123, ..NONE },
            7_000 + 204_800 + 375_000 + 80_000 + 615_000,
        ),
        ("at the border the small rates hold", pro, Standard, Usage { input: 200_000, ..NONE }, 250_000_000),
        ("above it the whole request is dearer", pro, Standard, Usage { input: 200_001, ..NONE }, 500_002_500),
        ("its output too", pro, Standard, Usage { input: 200_001, output: 1_000, ..NONE }, 515_002_500),
        (
            "cached tokens count for the size",
            pro,
            Standard,
            Usage { input: 1, cache_read: 200_000, ..NONE },
            2_500 + 50_000_000,
        ),
        (
            "a large request at priority: input as both, output as the dearer of the two",
            gpt,
            Priority,
            Usage { input: 300_000, output: 1_000, ..NONE },
            1_500_000_000 + 30_000_000,
        ),
        (
            "a large request at flex is not known to be cheaper",
            gpt,
            Flex,
            Usage { input: 300_000, output: 1_000, ..NONE },
            1_500_000_000 + 22_500_000,
        ),
        (
            "audio",
            "openai/gpt-4o-audio-preview-2025-06-03",
            Standard,
            Usage { audio_input: 9, audio_output: 3, ..NONE },
            600_000,
        ),
        (
            "pictures by their tokens",
            "openai/gpt-image-1", // 5, pictures 10 and 40
            Standard,
            Usage { input: 20, image_input: 300, image_output: 4_160, ..NONE },
            100_000 + 3_000_000 + 166_400_000,
        ),
        (
            "batched pictures: published input, standard output",
            "openai/gpt-image-1",
            Batch,
            Usage { image_input: 10, image_output: 10, ..NONE },
            50_000 + 400_000,
        ),
        (
            "pictures that are sent without a price of their own are ordinary tokens",
            haiku,
            Standard,
            Usage { image_input: 10, ..NONE },
            10_000,
        ),
        ("a second and a half of sound", "openai/whisper-1", Standard, Usage { audio_ms: 1_500, ..NONE }, 150_000),
        (
            "a third of a second that is not a whole amount",
            "openai/gpt-live-transcribe",
            Standard,
            Usage { audio_ms: 1, ..NONE },
            284,
        ),
        ("characters", "openai/tts-1", Standard, Usage { characters: 11, ..NONE }, 165_000),
        ("searches", "cohere/rerank-v3.5", Standard, Usage { searches: 2, ..NONE }, 4_000_000),
        ("pictures", "azure_ai/FLUX-1.1-pro", Standard, Usage { images: 2, ..NONE }, 80_000_000),
        (
            "reasoning with its own price",
            "perplexity/sonar-deep-research",
            Standard,
            Usage { reasoning: 10, ..NONE },
            30_000,
        ),
    ];
    for (name, model, tier, usage, want) in cases {
        assert_eq!(listed(model).cost(&usage, tier), Ok(NanoUsd(want)), "{name}");
    }
}

#[test]
fn the_sum_is_rounded_up_and_only_once() {
    let price = set(&[("input", "0.0004"), ("output", "0.0004")]); // 0.4 nano-dollars a token
    let cost = |input, output| price.cost(&Usage { input, output, ..NONE }, ServiceTier::Standard);
    assert_eq!(cost(1, 0), Ok(NanoUsd(1)), "0.4 is billed as 1");
    assert_eq!(cost(1, 1), Ok(NanoUsd(1)), "0.4 and 0.4 are 0.8, not 1 and 1");
    assert_eq!(cost(3, 2), Ok(NanoUsd(2)), "a whole sum stays whole");
}

#[test]
fn a_class_without_a_price_is_a_state_and_not_free() {
    let mini = listed("openai/gpt-4o-mini");
    let audio = Usage { input: 10, audio_input: 1, ..NONE };
    assert_eq!(mini.cost(&audio, ServiceTier::Standard), Err(CostError::Unpriced { class: "audio_input" }));
    let unpriced = listed("azure/gpt-realtime-translate"); // listed with a price per second alone
    let used = Usage { input: 1, ..NONE };
    assert_eq!(unpriced.cost(&used, ServiceTier::Standard), Err(CostError::Unpriced { class: "input" }));
    assert_eq!(unpriced.cost(&NONE, ServiceTier::Standard), Ok(NanoUsd::ZERO));
    let (seconds, picture) = (Usage { audio_ms: 1, ..NONE }, Usage { images: 1, ..NONE });
    assert!(unpriced.cost(&seconds, ServiceTier::Standard).is_ok(), "a price by the second is one");
    let why = mini.cost(&seconds, ServiceTier::Standard).expect_err("no price by the second");
    assert_eq!(why, CostError::Unpriced { class: "audio_ms" });
    assert_eq!(why.to_string(), "seconds of sound have no price");
    let why = mini.cost(&picture, ServiceTier::Standard).expect_err("no price by the picture");
    assert_eq!(why.to_string(), "images have no price");
    let image = listed("openai/gpt-image-1");
    let text = image.cost(&Usage { output: 1, ..NONE }, ServiceTier::Standard);
    assert_eq!(text, Err(CostError::Unpriced { class: "output" }), "it answers pictures alone");
}

#[test]
fn absurd_usage_overflows_as_an_error() {
    let most = of_classes([u64::MAX; Usage::CLASSES]);
    let classes = WRITTEN.map(|(class, _)| (class, "1000"));
    assert_eq!(set(&classes).cost(&most, ServiceTier::Standard), Err(CostError::Overflow));
    let one = Usage { input: u64::MAX, ..NONE };
    let fits = set(&[("input", "0.0004")]).cost(&one, ServiceTier::Standard);
    assert_eq!(fits, Ok(NanoUsd(7_378_697_629_483_820_646)), "a product above 64 bits whose sum fits is exact");
    assert_eq!(listed("anthropic/claude-haiku-4-5").cost(&one, ServiceTier::Standard), Err(CostError::Overflow));
}

#[test]
fn the_dearest_tokens_bound_every_outcome_of_a_request() {
    let (haiku, pro) = (listed("anthropic/claude-haiku-4-5"), listed("gemini/gemini-2.5-pro"));
    let standard = [ServiceTier::Standard];
    assert_eq!(
        haiku.dearest(1_000, &standard, super::Reach::ALL).input,
        Some(2_000_000_000),
        "a write for an hour is the dearest input"
    );
    assert_eq!(
        pro.dearest(200_000, &standard, super::Reach::ALL).output,
        Some(10_000_000_000),
        "small requests never get the large rates"
    );
    assert_eq!(pro.dearest(200_001, &standard, super::Reach::ALL).output, Some(15_000_000_000));
    assert_eq!(
        pro.dearest(1, &[ServiceTier::Standard, ServiceTier::Priority], super::Reach::ALL).output,
        Some(18_000_000_000)
    );
    assert_eq!(pro.dearest(1, &[], super::Reach::ALL), super::Dearest::default(), "no tier, no price");
}

#[test]
fn a_price_describes_itself_in_one_line() {
    let cases = [
        (
            "openai/gpt-4o-mini",
            "input 0.15, cache read 0.075, output 0.60 USD per 1M (2026-11-23.2, openai/gpt-4o-mini)",
        ),
        (
            "gemini/gemini-2.5-pro",
            "input 1.25, cache read 0.125, output 10.00; above 200000 input tokens: input 2.50, cache read 0.25, \
             output 15.00 USD per 1M (2026-11-23.2, gemini/gemini-2.5-pro)",
        ),
        ("openai/whisper-1", "0.0001 USD per second (2026-11-23.2, openai/whisper-1)"),
        (
            "cohere/rerank-v3.5",
            "input 0.00, cache read 0.00, output 0.00 USD per 1M, 0.002 USD per search (2026-11-23.2, cohere/rerank-v3.5)",
        ),
        (
            "openai/gpt-image-1",
            "input 5.00, cache read 1.25, image input 10.00, image output 40.00 USD per 1M (2026-11-23.2, openai/gpt-image-1)",
        ),
        ("openai/low/1024-x-1024/gpt-image-1", "not priced (2026-11-23.2, openai/low/1024-x-1024/gpt-image-1)"),
    ];
    for (model, want) in cases {
        assert_eq!(listed(model).describe(), want);
    }
}

fn any_usage(most: u64) -> impl Strategy<Value = Usage> {
    proptest::array::uniform14(0..=most).prop_map(of_classes)
}

fn of_classes(used: [u64; Usage::CLASSES]) -> Usage {
    let [input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, audio_input, more @ ..] = used;
    let [audio_output, image_input, image_output, images, audio_ms, characters, searches] = more;
    Usage {
        input,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        output,
        reasoning,
        audio_input,
        audio_output,
        image_input,
        image_output,
        images,
        audio_ms,
        characters,
        searches,
    }
}

/// `usage` without the classes that `price` has no rate for.
fn priced(price: &Price, usage: &Usage) -> Usage {
    of_classes(usage.classes().map(|(class, used)| if price.bills(class) { used } else { 0 }))
}

fn sum(parts: &[Usage]) -> Usage {
    let of = |class: usize| parts.iter().map(|part| part.classes()[class].1).sum::<u64>();
    of_classes(std::array::from_fn(of))
}

fn any_price() -> impl Strategy<Value = Price> {
    proptest::array::uniform14(0u64..20_000_000_000).prop_map(|nanos| {
        let text = |(_, per): (_, Per), n: u64| match per {
            Per::Million => Rate::from_nanos(n).to_string(),
            Per::One(_) => Rate::from_nanos(n).each(1_000_000),
            Per::Second => Rate::from_nanos(n).each(1_000),
        };
        let rates: Vec<_> = WRITTEN.into_iter().zip(nanos).map(|(class, n)| (class.0, text(class, n))).collect();
        set(&rates.iter().map(|(class, text)| (*class, text.as_str())).collect::<Vec<_>>())
    })
}

proptest! {
    /// Rounding up once per attempt costs less than a nano-dollar per attempt, and never favours anybody else.
    #[test]
    fn attempts_cost_together_what_the_whole_costs_and_less_than_a_nano_dollar_more_each(
        price in any_price(), parts in proptest::collection::vec(any_usage(1_000_000), 1..9)
    ) {
        let cost = |usage: &Usage| price.cost(usage, ServiceTier::Standard).map(|cost| cost.0);
        let whole = cost(&sum(&parts))?;
        let together = parts.iter().map(cost).sum::<Result<i64, _>>()?;
        prop_assert!(together >= whole && together - whole < parts.len() as i64, "{together} of {whole}");
    }

    /// More tokens of any class never cost less, also across the borders of size, at every tier of every listed model.
    #[test]
    fn a_token_more_never_costs_less(
        row in 0..Catalogue::builtin().len(), usage in any_usage(300_000), class in 0..Usage::CLASSES, more in 1u64..300_000
    ) {
        let (provider, model) = Catalogue::builtin().name(row).expect("rows have names");
        let price = Catalogue::builtin().find(provider, model).expect("a row is found");
        let usage = priced(&price, &usage);
        let mut tokens = usage.classes().map(|(_, used)| used);
        tokens[class] += more;
        for tier in TIERS {
            if let (Ok(less), Ok(larger)) = (price.cost(&usage, tier), price.cost(&of_classes(tokens), tier)) {
                prop_assert!(NanoUsd::ZERO <= less && less <= larger, "{provider}/{model} {tier:?}: {less} then {larger}");
            }
        }
    }

    #[test]
    fn no_usage_panics_or_costs_less_than_nothing(price in any_price(), usage in any_usage(u64::MAX)) {
        match price.cost(&usage, ServiceTier::Standard) {
            Ok(cost) => prop_assert!(cost >= NanoUsd::ZERO),
            Err(why) => prop_assert_eq!(why, CostError::Overflow),
        }
    }

    /// What is reserved by the dearest tokens and units pays for whatever mix is billed in the end.
    #[test]
    fn a_reservation_by_the_dearest_tokens_pays_for_every_mix(
        row in 0..Catalogue::builtin().len(), mix in any_usage(200_000)
    ) {
        let (provider, model) = Catalogue::builtin().name(row).expect("rows have names");
        let price = Catalogue::builtin().find(provider, model).expect("a row is found");
        let usage = priced(&price, &mix);
        for tier in TIERS {
            let dearest = price.dearest(usage.input_total(), &[tier], super::Reach::ALL);
            let per = |rate: Option<u64>, used: u64| u128::from(rate.unwrap_or(0)) * u128::from(used);
            let Usage { audio_input, audio_output, image_input, image_output, .. } = usage;
            let held = per(dearest.input, usage.input_total() - audio_input - image_input)
                + per(dearest.output, usage.output_total() - audio_output - image_output)
                + per(dearest.audio_input, audio_input)
                + per(dearest.audio_output, audio_output)
                + per(dearest.image_input, image_input)
                + per(dearest.image_output, image_output)
                + per(dearest.images, usage.images)
                + per(dearest.audio_ms, usage.audio_ms)
                + per(dearest.characters, usage.characters)
                + per(dearest.searches, usage.searches);
            // A size that its row says less of than the others may have no price for a class.
            if let Ok(cost) = price.cost(&usage, tier) {
                prop_assert!(u128::try_from(cost.0)? <= held.div_ceil(1_000_000), "{provider}/{model} {tier:?}");
            }
        }
    }
}
