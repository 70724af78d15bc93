//! Pictures: <https://platform.openai.com/docs/api-reference/images> and
//! <https://platform.openai.com/docs/api-reference/images-streaming>.
//!
//! Each picture is a small PNG whose colour depends on the prompt and its place.

use super::Asked;
use crate::simulate::{
    answer::Billed,
    form::Form,
    picture::png,
    question::Inputs,
    refusal::Refusal,
    script::{Script, Step},
    target::Service,
    thinking::{Ready, Whole, now},
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Tokens of a picture that is sent, and of one that comes too early.
const PICTURE_TOKENS: u64 = 256;
/// See [`PICTURE_TOKENS`].
const PARTIAL_TOKENS: u64 = 100;

/// Output tokens of `gpt-image` models by quality, for a square, and for what is higher or wider than a square:
/// <https://platform.openai.com/docs/guides/image-generation#cost-and-latency>.
const TOKENS: [(&str, u64, u64, u64); 3] =
    [("low", 272, 408, 400), ("medium", 1056, 1584, 1568), ("high", 4160, 6240, 6208)];

/// What is asked for, checked.
struct Order {
    model: String,
    count: u64,
    prompt: String,
    /// Pictures that were sent.
    given: u64,
    /// `gpt-image` and its successors are billed by tokens, and say how they did it.
    tokens: bool,
    quality: &'static str,
    size: &'static str,
    format: &'static str,
    background: &'static str,
    url: bool,
    partial: u64,
}

pub(super) fn answer(asked: &Asked<'_>) -> Result<Ready, Refusal> {
    let order = Order::of(asked)?;
    if asked.form.yes("stream") {
        if !order.tokens {
            return Err(Refusal::bad("Streaming is not supported by this model.", Some("stream")));
        }
        return Ok(order.stream(asked));
    }
    let billed = order.billed(0);
    let picture = |at| {
        if order.url {
            return json!({"url": format!("https://images.simulated.invalid/{:016x}.png", order.seed(at))});
        }
        json!({"b64_json": order.picture(at)})
    };
    let data: Vec<Value> = (0..order.count).map(picture).collect();
    let mut answer = json!({"created": now(), "data": data});
    if order.tokens {
        answer["background"] = json!(order.background);
        answer["output_format"] = json!(order.format);
        answer["quality"] = json!(order.quality);
        answer["size"] = json!(order.size);
        if !asked.knobs().no_usage {
            answer["usage"] = usage(&billed);
        }
    }
    let whole = Whole { reports: order.tokens, ..Whole::billed(answer.to_string().into_bytes(), billed) };
    Ok(Ready::Whole(whole))
}

/// The members of each call.
const GENERATION: [&str; 14] = [
    "prompt",
    "model",
    "n",
    "size",
    "quality",
    "user",
    "background",
    "moderation",
    "output_compression",
    "output_format",
    "partial_images",
    "stream",
    "response_format",
    "style",
];
/// See [`GENERATION`].
const EDIT: [&str; 15] = [
    "image",
    "images",
    "mask",
    "prompt",
    "model",
    "n",
    "size",
    "quality",
    "user",
    "background",
    "input_fidelity",
    "output_compression",
    "output_format",
    "partial_images",
    "stream",
];
/// See [`GENERATION`].
const VARIATION: [&str; 6] = ["image", "model", "n", "response_format", "size", "user"];

impl Order {
    fn of(asked: &Asked<'_>) -> Result<Self, Refusal> {
        let form = &asked.form;
        let model = if asked.model.is_empty() { "dall-e-2" } else { &asked.model }.to_owned();
        let tokens = !model.starts_with("dall-e");
        let mut known = match asked.service {
            Service::ImageVariations => VARIATION.to_vec(),
            Service::ImageEdits => EDIT.to_vec(),
            _ => GENERATION.to_vec(),
        };
        if tokens {
            // Such a model answers in base64 alone.
            known.retain(|name| !matches!(*name, "response_format" | "style"));
        } else if asked.service == Service::ImageEdits {
            known.push("response_format");
        }
        form.only(&known, asked.wire())?;
        let pictures = form.files("image").count() as u64;
        let references = form.fields.get("images").and_then(Value::as_array).map_or(0, Vec::len) as u64;
        let given = pictures.saturating_add(references);
        if asked.service != Service::Images && given == 0 {
            return Err(Refusal::missing("image", asked.wire()));
        }
        let prompt = match asked.service {
            Service::ImageVariations => String::new(),
            _ => form.needs_text("prompt", asked.wire())?.to_owned(),
        };
        let count = number(form, "n", 1, 1, 10)?;
        let quality = form.one_of("quality", &["low", "medium", "high", "auto", "standard", "hd"])?;
        let size = form.one_of("size", &SIZES)?.filter(|size| *size != "auto");
        let response = form.one_of("response_format", &["url", "b64_json"])?;
        Ok(Self {
            count,
            prompt,
            given,
            tokens,
            quality: quality.filter(|quality| TOKENS.iter().any(|(known, ..)| known == quality)).unwrap_or("high"),
            size: size.unwrap_or("1024x1024"),
            format: form.one_of("output_format", &["png", "jpeg", "webp"])?.unwrap_or("png"),
            background: form
                .one_of("background", &["transparent", "opaque", "auto"])?
                .filter(|it| *it != "auto")
                .unwrap_or("opaque"),
            url: !tokens && response != Some("b64_json"),
            partial: number(form, "partial_images", 0, 0, 3)?,
            model,
        })
    }

    fn seed(&self, at: u64) -> u64 {
        let each = Inputs::One(format!("{}\n{}", self.prompt, self.model)).each();
        each.first().map_or(0, |(_, seed)| seed.wrapping_add(at))
    }

    fn picture(&self, at: u64) -> String {
        STANDARD.encode(png(self.seed(at)))
    }

    fn billed(&self, partial: u64) -> Billed {
        if !self.tokens {
            return Billed { images: self.count, ..Billed::default() };
        }
        let chars = self.prompt.chars().count() as u64;
        let row = TOKENS.iter().find(|(quality, ..)| *quality == self.quality);
        let each = row.map_or(0, |(_, square, high, wide)| match self.size {
            "1024x1536" => *high,
            "1536x1024" => *wide,
            _ => *square,
        });
        let output = each.saturating_mul(self.count).saturating_add(partial.saturating_mul(PARTIAL_TOKENS));
        Billed {
            fresh: chars.div_ceil(4).max(1),
            image_input: self.given.saturating_mul(PICTURE_TOKENS),
            image_output: output,
            ..Billed::default()
        }
    }

    fn stream(&self, asked: &Asked<'_>) -> Ready {
        let (partial, completed) = match asked.service {
            Service::ImageEdits => ("image_edit.partial_image", "image_edit.completed"),
            _ => ("image_generation.partial_image", "image_generation.completed"),
        };
        let event = |kind: &str, at| {
            json!({
                "type": kind,
                "b64_json": self.picture(at),
                "created_at": now(),
                "size": self.size,
                "quality": self.quality,
                "background": self.background,
                "output_format": self.format,
            })
        };
        let early = |at| {
            let mut event = event(partial, at);
            event["partial_image_index"] = json!(at);
            Step::Named(partial, event)
        };
        let billed = self.billed(self.partial);
        let mut last = event(completed, self.partial);
        let reports = !asked.knobs().no_usage;
        if reports {
            last["usage"] = usage(&billed);
        }
        let script = Script {
            chunks: (0..self.partial).map(early).collect(),
            close: vec![Step::Named(completed, last)],
            reports,
        };
        script.ready(asked.thinker, billed, "text/event-stream; charset=utf-8")
    }
}

/// Of all models.
const SIZES: [&str; 8] =
    ["auto", "1024x1024", "1536x1024", "1024x1536", "256x256", "512x512", "1792x1024", "1024x1792"];

fn number(form: &Form, name: &'static str, usual: u64, low: u64, high: u64) -> Result<u64, Refusal> {
    if form.fields.get(name).is_none_or(Value::is_null) {
        return Ok(usual);
    }
    let good = form.number(name).filter(|given| (low..=high).contains(given));
    good.ok_or_else(|| Refusal::bad(format!("'{name}' must be from {low} to {high}"), Some(name)))
}

/// `usage` of models that are billed by tokens.
fn usage(billed: &Billed) -> Value {
    json!({
        "input_tokens": billed.input(),
        "input_tokens_details": {"text_tokens": billed.fresh, "image_tokens": billed.image_input},
        "output_tokens": billed.output(),
        "output_tokens_details": {"image_tokens": billed.image_output, "text_tokens": 0},
        "total_tokens": billed.input().saturating_add(billed.output()),
    })
}
