//! Embeddings of makers other than OpenAI. A text has the same direction everywhere, so that tests can compare.

use super::Asked;
use crate::simulate::{
    answer::Billed,
    openai::{packed, vector},
    question::Inputs,
    refusal::Refusal,
    thinking::{Ready, Whole},
};
use serde_json::{Value, json};

/// One text: its tokens and what its vector is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input {
    pub tokens: u64,
    seed: u64,
}

impl Input {
    pub fn of(text: &str) -> Self {
        let each = Inputs::One(text.to_owned()).each();
        let (tokens, seed) = each.first().copied().unwrap_or_default();
        Self { tokens, seed }
    }

    /// Texts, and other things by what they are written as.
    fn of_value(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::of(text),
            other => match other.get("text").and_then(Value::as_str) {
                Some(text) => Self::of(text),
                None => Self { tokens: 1, ..Self::of(&other.to_string()) },
            },
        }
    }

    pub fn vector(self, dimensions: usize) -> Vec<f32> {
        vector(self.seed, dimensions)
    }
}

/// The bill of input alone.
pub(super) fn bill(inputs: &[Input]) -> Billed {
    Billed { fresh: inputs.iter().map(|input| input.tokens).sum(), ..Billed::default() }
}

/// A vector in one of the kinds of numbers that providers have: `float`, `int8`, `uint8`, `binary`, `ubinary`,
/// `base64`. Bits are packed by eight, the first the highest; signed ones are shifted by 128.
pub(super) fn written(vector: &[f32], kind: &str) -> Value {
    // A float outside of the range is cut to it.
    let scaled = |x: &f32| (x * 127.0).round() as i8;
    let bits = || vector.chunks(8).map(|eight| eight.iter().fold(0u8, |bits, x| bits << 1 | u8::from(*x > 0.0)));
    match kind {
        "int8" => json!(vector.iter().map(scaled).collect::<Vec<_>>()),
        "uint8" => json!(vector.iter().map(|x| i16::from(scaled(x)) + 128).collect::<Vec<_>>()),
        "ubinary" => json!(bits().collect::<Vec<_>>()),
        "binary" => json!(bits().map(|bits| i16::from(bits) - 128).collect::<Vec<_>>()),
        "base64" => packed(vector),
        _ => json!(vector),
    }
}

/// `input`: a text or a list of them.
fn inputs(asked: &Asked<'_>, member: &'static str) -> Result<Vec<Input>, Refusal> {
    let inputs: Vec<Input> = match asked.form.needs(member, asked.wire())? {
        Value::Array(all) => all.iter().map(Input::of_value).collect(),
        one => vec![Input::of_value(one)],
    };
    let told = || Refusal::bad(format!("invalid request: {member} must not be empty"), Some(member));
    if inputs.is_empty() { Err(told()) } else { Ok(inputs) }
}

pub(super) fn dimensions(
    asked: &Asked<'_>,
    member: &'static str,
    allowed: &[u64],
    usual: usize,
) -> Result<usize, Refusal> {
    let Some(given) = asked.form.fields.get(member).filter(|value| !value.is_null()) else { return Ok(usual) };
    let good = given
        .as_u64()
        .filter(|given| if allowed.is_empty() { (1..=4096).contains(given) } else { allowed.contains(given) });
    let told = || Refusal::bad(format!("`{member}` cannot be {given}; allowed: {allowed:?}"), Some(member));
    good.and_then(|given| usize::try_from(given).ok()).ok_or_else(told)
}

fn whole(mut answer: Value, billed: Billed, asked: &Asked<'_>, usage: (&str, Value)) -> Ready {
    if !asked.knobs().no_usage {
        answer[usage.0] = usage.1;
    }
    Ready::Whole(Whole::billed(answer.to_string().into_bytes(), billed))
}

/// <https://docs.voyageai.com/reference/embeddings-api>
pub(super) fn voyage(asked: &Asked<'_>) -> Result<Ready, Refusal> {
    let known = ["input", "model", "input_type", "truncation", "output_dimension", "output_dtype", "encoding_format"];
    asked.form.only(&known, asked.wire())?;
    let (model, inputs) = (asked.model()?, inputs(asked, "input")?);
    asked.form.one_of("input_type", &["query", "document"])?;
    let kind = asked.form.one_of("output_dtype", &["float", "int8", "uint8", "binary", "ubinary"])?.unwrap_or("float");
    let base64 = asked.form.one_of("encoding_format", &["base64"])?;
    if base64.is_some() && kind != "float" {
        return Err(Refusal::bad("only floats are simulated in base64", Some("encoding_format")));
    }
    let dimensions = dimensions(asked, "output_dimension", &[256, 512, 1024, 2048], 1024)?;
    let one = |(index, input): (usize, &Input)| {
        let embedding = written(&input.vector(dimensions), base64.unwrap_or(kind));
        json!({"object": "embedding", "embedding": embedding, "index": index})
    };
    let data: Vec<Value> = inputs.iter().enumerate().map(one).collect();
    let billed = bill(&inputs);
    let answer = json!({"object": "list", "data": data, "model": model});
    Ok(whole(answer, billed, asked, ("usage", json!({"total_tokens": billed.fresh}))))
}

/// <https://jina.ai/embeddings/>
pub(super) fn jina(asked: &Asked<'_>) -> Result<Ready, Refusal> {
    let known = [
        "input",
        "model",
        "task",
        "dimensions",
        "embedding_type",
        "encoding_format",
        "normalized",
        "late_chunking",
        "truncate",
    ];
    asked.form.only(&known, asked.wire())?;
    let (model, inputs) = (asked.model()?, inputs(asked, "input")?);
    let kinds = ["float", "base64", "binary", "ubinary"];
    let kind = asked.form.one_of("embedding_type", &kinds)?.or(asked.form.one_of("encoding_format", &kinds)?);
    let dimensions = dimensions(asked, "dimensions", &[], 1024)?;
    let one = |(index, input): (usize, &Input)| {
        let embedding = written(&input.vector(dimensions), kind.unwrap_or("float"));
        json!({"object": "embedding", "index": index, "embedding": embedding})
    };
    let data: Vec<Value> = inputs.iter().enumerate().map(one).collect();
    let billed = bill(&inputs);
    let answer = json!({"object": "list", "data": data, "model": model});
    let usage = json!({"total_tokens": billed.fresh, "prompt_tokens": billed.fresh});
    Ok(whole(answer, billed, asked, ("usage", usage)))
}

/// The kinds of numbers that Cohere has.
const COHERE_KINDS: [&str; 6] = ["float", "int8", "uint8", "binary", "ubinary", "base64"];

/// What a text is embedded for.
const COHERE_INPUTS: [&str; 5] = ["search_document", "search_query", "classification", "clustering", "image"];

/// Vectors by the kinds that were asked for, and how many they are of.
pub(super) fn by_kind(asked: &Asked<'_>, inputs: &[Input], dimensions: usize) -> Result<Value, Refusal> {
    let wanted = asked.form.fields.get("embedding_types").and_then(Value::as_array);
    let wanted: Vec<&str> = match wanted {
        None => vec!["float"],
        Some(all) => all.iter().filter_map(Value::as_str).collect(),
    };
    let mut out = json!({});
    for kind in wanted {
        if !COHERE_KINDS.contains(&kind) {
            let told = format!("invalid request: embedding_types must be among {COHERE_KINDS:?}, not {kind}");
            return Err(Refusal::bad(told, Some("embedding_types")));
        }
        out[kind] = inputs.iter().map(|input| written(&input.vector(dimensions), kind)).collect();
    }
    Ok(out)
}

/// The texts, pictures or mixed inputs of Cohere's calls; exactly one of them.
pub(super) fn cohere_inputs(asked: &Asked<'_>) -> Result<(&'static str, Vec<Input>), Refusal> {
    let there = |name: &&'static str| asked.form.fields.get(*name).is_some_and(|value| !value.is_null());
    let mut given = ["texts", "images", "inputs"].into_iter().filter(there);
    let told = "invalid request: exactly one of texts, images and inputs must be given";
    let (Some(name), None) = (given.next(), given.next()) else { return Err(Refusal::bad(told, None)) };
    asked.form.needs("input_type", asked.wire())?;
    asked.form.one_of("input_type", &COHERE_INPUTS)?;
    asked.form.one_of("truncate", &["NONE", "START", "END"])?;
    let inputs = inputs(asked, name)?;
    if inputs.len() > 96 {
        return Err(Refusal::bad("invalid request: at most 96 inputs are allowed", None));
    }
    Ok((name, inputs))
}

/// <https://docs.cohere.com/reference/embed>
pub(super) fn cohere(asked: &Asked<'_>) -> Result<Ready, Refusal> {
    let known = [
        "texts",
        "images",
        "inputs",
        "model",
        "input_type",
        "max_tokens",
        "output_dimension",
        "embedding_types",
        "truncate",
        "priority",
    ];
    asked.form.only(&known, asked.wire())?;
    asked.model()?;
    let (name, inputs) = cohere_inputs(asked)?;
    let dimensions = dimensions(asked, "output_dimension", &[256, 512, 1024, 1536], 1536)?;
    let embeddings = by_kind(asked, &inputs, dimensions)?;
    let mut billed = bill(&inputs);
    let mut units = json!({"input_tokens": billed.fresh});
    if name == "images" {
        billed = Billed { images: inputs.len() as u64, ..Billed::default() };
        units = json!({"images": billed.images});
    }
    let mut answer = json!({
        "id": format!("00000000-0000-4000-8000-{:012x}", asked.thinker.number),
        "embeddings": embeddings,
        "response_type": "embeddings_by_type",
    });
    answer["texts"] = asked.form.fields.get("texts").cloned().unwrap_or(json!([]));
    let meta = json!({"api_version": {"version": "2"}, "billed_units": units});
    Ok(whole(answer, billed, asked, ("meta", meta)))
}

/// One request of Gemini's: <https://ai.google.dev/api/embeddings>.
fn content(request: &Value, of: &Asked<'_>) -> Result<(Input, Vec<f32>), Refusal> {
    let known = ["model", "content", "taskType", "title", "outputDimensionality", "embedContentConfig"];
    let mut members = request.as_object().into_iter().flatten();
    if let Some((name, _)) = members.find(|(name, _)| !known.contains(&name.as_str())) {
        return Err(Refusal::unknown(name, of.wire()));
    }
    let parts = request.pointer("/content/parts").and_then(Value::as_array);
    let texts = parts.into_iter().flatten().filter_map(|part| part.get("text").and_then(Value::as_str));
    let text: String = texts.collect::<Vec<_>>().join("\n");
    if text.is_empty() {
        return Err(Refusal::bad("* EmbedContentRequest.content: content is empty", None));
    }
    let wanted =
        request.get("outputDimensionality").or_else(|| request.pointer("/embedContentConfig/outputDimensionality"));
    let dimensions = match wanted.map(Value::as_u64) {
        None => 3072,
        Some(Some(wanted @ 1..=3072)) => usize::try_from(wanted).unwrap_or(3072),
        Some(_) => return Err(Refusal::bad("outputDimensionality must be from 1 to 3072", None)),
    };
    let input = Input::of(&text);
    Ok((input, input.vector(dimensions)))
}

/// `…:embedContent`.
pub(super) fn embed_content(asked: &Asked<'_>) -> Result<Ready, Refusal> {
    let (input, values) = content(&Value::Object(asked.form.fields.clone()), asked)?;
    let usage = json!({"promptTokenCount": input.tokens, "totalTokenCount": input.tokens});
    Ok(whole(json!({"embedding": {"values": values}}), bill(&[input]), asked, ("usageMetadata", usage)))
}

/// `…:batchEmbedContents`.
pub(super) fn batch_embed_contents(asked: &Asked<'_>) -> Result<Ready, Refusal> {
    asked.form.only(&["requests"], asked.wire())?;
    let requests = asked.form.needs("requests", asked.wire())?.as_array().map(Vec::as_slice).unwrap_or_default();
    if requests.is_empty() || requests.len() > 100 {
        return Err(Refusal::bad("* BatchEmbedContentsRequest.requests: from 1 to 100 requests", None));
    }
    let (mut inputs, mut embeddings) = (Vec::new(), Vec::new());
    for request in requests {
        let model = request.get("model").and_then(Value::as_str).unwrap_or_default();
        let bare = model.split('?').next().unwrap_or_default();
        if bare != format!("models/{}", asked.model) {
            let told = format!("* BatchEmbedContentsRequest.requests.model: `{model}` is not the model of the path");
            return Err(Refusal::bad(told, None));
        }
        let (input, values) = content(request, asked)?;
        inputs.push(input);
        embeddings.push(json!({"values": values}));
    }
    let billed = bill(&inputs);
    let usage = json!({"promptTokenCount": billed.fresh, "totalTokenCount": billed.fresh});
    Ok(whole(json!({"embeddings": embeddings}), billed, asked, ("usageMetadata", usage)))
}

/// Vertex': <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api>.
pub(super) fn predict(asked: &Asked<'_>) -> Result<Ready, Refusal> {
    asked.form.only(&["instances", "parameters"], asked.wire())?;
    let instances = asked.form.needs("instances", asked.wire())?.as_array().map(Vec::as_slice).unwrap_or_default();
    if instances.is_empty() || instances.len() > 250 {
        return Err(Refusal::bad("from 1 to 250 instances are allowed", Some("instances")));
    }
    let parameters = asked.form.fields.get("parameters").unwrap_or(&Value::Null);
    let wanted = parameters.get("outputDimensionality").and_then(Value::as_u64).unwrap_or(768).clamp(1, 3072);
    let dimensions = usize::try_from(wanted).unwrap_or(768);
    let texts: Option<Vec<&str>> =
        instances.iter().map(|instance| instance.get("content").and_then(Value::as_str)).collect();
    let texts = texts.ok_or_else(|| Refusal::bad("The text content is empty.", Some("instances")))?;
    let inputs: Vec<Input> = texts.into_iter().map(Input::of).collect();
    let one = |input: &Input| {
        let statistics = json!({"token_count": input.tokens, "truncated": false});
        json!({"embeddings": {"values": input.vector(dimensions), "statistics": statistics}})
    };
    let predictions: Vec<Value> = inputs.iter().map(one).collect();
    let billed = bill(&inputs);
    let characters = billed.fresh.saturating_mul(4);
    let metadata = json!({"billableCharacterCount": characters});
    Ok(whole(json!({"predictions": predictions}), billed, asked, ("metadata", metadata)))
}

#[cfg(test)]
mod tests {
    use super::{Input, written};

    #[test]
    fn a_vector_is_the_same_in_all_kinds_of_numbers() {
        let vector = Input::of("hello").vector(16);
        let bits = written(&vector, "ubinary");
        assert_eq!(bits.as_array().map(Vec::len), Some(2));
        let first = bits[0].as_u64().expect("bits");
        assert_eq!(first >> 7 == 1, vector[0] > 0.0);
        assert_eq!(written(&vector, "binary")[0], i64::try_from(first).expect("small") - 128);
        let (int8, uint8) = (written(&vector, "int8"), written(&vector, "uint8"));
        assert_eq!(int8[3].as_i64().map(|x| x + 128), uint8[3].as_i64());
        assert_eq!(Input::of("hello").vector(16), vector);
        assert_ne!(Input::of("hallo").vector(16), vector);
    }
}
