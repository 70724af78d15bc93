//! `POST /v1/embeddings`: <https://platform.openai.com/docs/api-reference/embeddings>.

use crate::simulate::{
    knobs::mix,
    question::{Inputs, Question},
    refusal::Refusal,
    target::Wire,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Numbers of a vector when the request names none, as `text-embedding-3-small` has.
const DIMENSIONS: usize = 1536;

/// The answer to a question, and its input tokens.
///
/// # Errors
///
/// When the input is missing or no input, or the dimensions are out of 1 to 4096.
pub(in crate::simulate) fn embeddings(
    question: &Question<'_>,
    model: &str,
    reports: bool,
) -> Result<(Vec<u8>, u64), Refusal> {
    let raw = question.input.ok_or_else(|| Refusal::missing("input", Wire::OpenAi))?;
    let inputs: Inputs = serde_json::from_str(raw.get())
        .map_err(|_| Refusal::bad("'$.input' is invalid. Please check the API reference.", Some("input")))?;
    let dimensions = question.dimensions.unwrap_or(DIMENSIONS);
    if !(1..=4096).contains(&dimensions) {
        return Err(Refusal::bad("'dimensions' must be from 1 to 4096", Some("dimensions")));
    }
    let base64 = match question.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(Refusal::bad("'encoding_format' must be `float` or `base64`", Some("encoding_format"))),
    };
    let each = inputs.each();
    let tokens: u64 = each.iter().map(|(tokens, _)| tokens).sum();
    let data: Vec<Value> = each
        .iter()
        .enumerate()
        .map(|(index, (_, seed))| {
            let vector = vector(*seed, dimensions);
            json!({"object": "embedding", "index": index, "embedding": if base64 { packed(&vector) } else { json!(vector) }})
        })
        .collect();
    let mut answer = json!({"object": "list", "data": data, "model": model});
    if let (true, Some(members)) = (reports, answer.as_object_mut()) {
        members.insert("usage".to_owned(), json!({"prompt_tokens": tokens, "total_tokens": tokens}));
    }
    Ok((answer.to_string().into_bytes(), tokens))
}

/// A vector of length 1 that depends on nothing but `seed`.
pub(in crate::simulate) fn vector(seed: u64, dimensions: usize) -> Vec<f32> {
    let raw: Vec<f64> = (0..dimensions as u64).map(|at| mix(seed ^ mix(at)) as f64 / u64::MAX as f64 - 0.5).collect();
    let length = raw.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    raw.iter().map(|x| (x / length) as f32).collect()
}

/// Little-endian 32 bit floats in base64.
pub(in crate::simulate) fn packed(vector: &[f32]) -> Value {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    Value::String(STANDARD.encode(bytes))
}
