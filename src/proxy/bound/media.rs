//! What pictures, speech and transcription may come to in tokens. They have no cap of the client's: what is published of
//! a model bounds them, or what the file says of the target (`max_input_tokens`, `max_output_tokens`).

use super::{Bound, FRAME, FREE, Rates, Terms, Unbounded, unbounded, units};
use crate::{
    catalogue::{Price, Rate, Reach},
    model::{Api, Ask, Media, ServiceTier},
};

/// Image tokens of one picture, by its orientation (square, portrait, landscape) and quality
/// (<https://platform.openai.com/docs/guides/image-generation#cost-and-latency>).
const PICTURES: [(&str, [u64; 3]); 3] =
    [("low", [272, 408, 400]), ("medium", [1_056, 1_584, 1_568]), ("high", [4_160, 6_240, 6_208])];
/// Tokens of each picture that is shown while another is made (as above).
const PARTIAL: u64 = 100;
/// Most tokens of one picture that is sent: 65, 129 for each of 8 tiles, and 6,240 where fidelity is high
/// (<https://platform.openai.com/docs/guides/images-vision#calculating-costs>).
const SENT_PICTURE: u64 = 65 + 8 * 129 + 6_240;
/// Tokens of a second of sound that is heard (<https://platform.openai.com/docs/guides/realtime-costs>).
pub const HEARD_PER_SECOND: u64 = 10;
/// Most that a transcribing model reads and writes (<https://platform.openai.com/docs/models/gpt-4o-transcribe>).
const TRANSCRIBER: (u64, u64) = (16_000, 2_000);
/// Most tokens of speech that one character comes to. One second has 20.8 tokens (1,250 a minute, below), people measured
/// up to 50, and speech of 5 characters a second is slow: 256 s of it were made of 4,096 characters
/// (<https://raw.githubusercontent.com/sanand0/blog/main/posts/2025/openai-tts-cost.md>).
const SPOKEN_PER_CHARACTER: u64 = 10;
/// Speech of nothing: pauses that instructions ask for.
const SPOKEN_AT_LEAST: u64 = 1_024;

/// The bound of `ask`, which is about `media`.
pub(super) fn bound(ask: &Ask, media: &Media, terms: &Terms<'_>) -> Result<Bound, Unbounded> {
    let nothing = Bound { rates: None, choices: 1, ..Bound::nothing() };
    let Some(price) = terms.price else {
        // A budget of dollars goes by the price alone, which is not known; only one of tokens needs their number.
        return Ok(match tokens(ask, media, terms) {
            Ok((input_tokens, extra_output)) => Bound { input_tokens, extra_output, ..nothing },
            Err(unbounded) => Bound { untold_tokens: Some(unbounded), ..nothing },
        });
    };
    if !by_tokens(price) {
        let reach = Reach { cache_writes: false, cache_hour: false };
        let units = units::cost(&ask.demand.units, &price.dearest(0, &[ServiceTier::Standard], reach));
        return Ok(Bound { rates: Some(Rates { units, ..FREE }), ..nothing });
    }
    let (input_tokens, extra_output) = tokens(ask, media, terms)?;
    Ok(Bound { input_tokens, extra_output, rates: Some(rates(price, ask.api, input_tokens)), ..nothing })
}

/// Tokens of input and output at most.
fn tokens(ask: &Ask, media: &Media, terms: &Terms<'_>) -> Result<(u64, u64), Unbounded> {
    let text = ask.demand.readable_bytes.saturating_add(FRAME);
    let known =
        |most: Option<u64>, published: Option<u64>, field: &str| most.or(published).ok_or_else(|| unbounded(field));
    if ask.api.hears() {
        let published = is_transcriber(terms.model);
        let heard = media.sound.unwrap_or_default().most_ms.saturating_mul(HEARD_PER_SECOND).div_ceil(1_000);
        let heard = published.then_some(TRANSCRIBER.0.min(heard.saturating_add(text)));
        let input = terms.max_input_tokens.map_or(heard, |most| Some(heard.unwrap_or(most).min(most)));
        let output = known(terms.max_output_tokens, published.then_some(TRANSCRIBER.1), "model")?;
        return Ok((input.ok_or_else(|| unbounded("file"))?, output));
    }
    if ask.api == Api::Speech {
        let spoken = ask.demand.units.characters.saturating_mul(SPOKEN_PER_CHARACTER).saturating_add(SPOKEN_AT_LEAST);
        let published = terms.model.contains("-tts").then_some(spoken);
        let output = known(terms.max_output_tokens, published, "model")?;
        return Ok((text, published.map_or(output, |spoken| spoken.min(output))));
    }
    let listed = is_listed(terms.model);
    let sent = media.pictures.saturating_mul(SENT_PICTURE).saturating_add(text);
    let input = match (media.pictures, listed) {
        (0, _) => text,
        (_, true) => sent,
        (_, false) => known(terms.max_input_tokens, None, "image")?,
    };
    let one = known(terms.max_output_tokens, listed.then(|| picture_tokens(media)), "model")?;
    let one = if listed { picture_tokens(media).min(one) } else { one };
    Ok((input, one.saturating_mul(ask.demand.units.images)))
}

/// Tokens of one picture as it was asked for; the most where the provider chooses.
pub fn picture_tokens(media: &Media) -> u64 {
    let row = media.quality.as_deref().and_then(|asked| PICTURES.iter().find(|(name, _)| *name == asked));
    let [.., (_, dearest)] = PICTURES;
    let [square, portrait, landscape] = row.map_or(dearest, |(_, tokens)| *tokens);
    let made = match media.size {
        Some((1_024, 1_024)) => square,
        Some((1_536, 1_024)) => landscape,
        _ => portrait, // the most
    };
    made.saturating_add(media.partial_images.saturating_mul(PARTIAL))
}

/// Models whose pictures are published by size and quality; the ones behind them take any size.
fn is_listed(model: &str) -> bool {
    model.starts_with("gpt-image-1") || model == "chatgpt-image-latest"
}

fn is_transcriber(model: &str) -> bool {
    model.starts_with("gpt-4o") && model.contains("-transcribe")
}

/// Whether pictures and sound are billed by tokens there.
pub fn by_tokens(price: &Price) -> bool {
    ["output", "audio_output", "image_output"].iter().any(|class| has(price, class))
}

/// Whether a class has a price.
pub fn has(price: &Price, class: &str) -> bool {
    price.rate(class, ServiceTier::Standard, 0).is_some()
}

/// The dearest of all classes that tokens of input and output may be of.
fn rates(price: &Price, api: Api, input_tokens: u64) -> Rates {
    let reach = Reach { cache_writes: false, cache_hour: false };
    let dearest = price.dearest(input_tokens, &[ServiceTier::Standard], reach);
    let of = |class| price.rate(class, ServiceTier::Standard, input_tokens).map(Rate::nanos_per_million);
    let output = match api {
        Api::Speech => dearest.audio_output,
        // Without a price of its own a picture's is not known.
        _ if api.makes_images() => of("image_output").map(|image| image.max(dearest.output.unwrap_or(0))),
        _ => dearest.output,
    };
    Rates {
        input: dearest.input.max(dearest.audio_input).max(of("image_input")),
        audio_input: dearest.audio_input,
        output,
        ..FREE
    }
}
