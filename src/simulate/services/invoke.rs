//! Bedrock's InvokeModel, for models that embed or rerank; each has a format of its own.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v3.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/rerank-use.html>

use super::{
    Asked,
    rerank::at_bedrock,
    vectors::{Input, bill, by_kind, cohere_inputs, dimensions, written},
};
use crate::simulate::{
    answer::Billed,
    refusal::Refusal,
    thinking::{Ready, Whole},
};
use hyper::header::HeaderValue;
use serde_json::{Value, json};

/// By what stands behind the region of an inference profile.
pub(super) fn answer(asked: &Asked<'_>) -> Result<Ready, Refusal> {
    let model = asked.model()?;
    let is = |part: &str| model.contains(part);
    let (answer, billed) = if is("titan-embed-text-v2") {
        titan(asked)?
    } else if is("titan-embed-text-v1") {
        asked.form.only(&["inputText"], asked.wire())?;
        let input = Input::of(asked.form.needs_text("inputText", asked.wire())?);
        let embedding = written(&input.vector(1536), "float");
        (json!({"embedding": embedding, "inputTextTokenCount": input.tokens}), bill(&[input]))
    } else if is("cohere.embed-") {
        cohere(asked)?
    } else if is("cohere.rerank-") || is("amazon.rerank-") {
        let known = ["query", "documents", "top_n", "api_version"];
        asked.form.only(&known, asked.wire())?;
        let version = asked.form.number("api_version");
        if is("cohere.rerank-") && version != Some(2) {
            return Err(Refusal::bad("Malformed input request: api_version must be 2", None));
        }
        at_bedrock(asked)?
    } else {
        let told = "Only models that embed or rerank are simulated by InvokeModel; use Converse.";
        return Err(Refusal::bad(told, None));
    };
    let mut whole = Whole::billed(answer.to_string().into_bytes(), billed);
    if !asked.knobs().no_usage && billed.searches == 0 {
        whole.headers.push(("x-amzn-bedrock-input-token-count", HeaderValue::from(billed.fresh)));
    }
    whole.headers.push(("x-amzn-bedrock-invocation-latency", HeaderValue::from(1u64)));
    Ok(Ready::Whole(whole))
}

/// One text a request.
fn titan(asked: &Asked<'_>) -> Result<(Value, Billed), Refusal> {
    asked.form.only(&["inputText", "dimensions", "normalize", "embeddingTypes"], asked.wire())?;
    let text = asked.form.needs_text("inputText", asked.wire())?;
    if text.is_empty() {
        return Err(Refusal::bad("Malformed input request: expected minLength: 1, actual: 0", None));
    }
    let input = Input::of(text);
    let vector = input.vector(dimensions(asked, "dimensions", &[256, 512, 1024], 1024)?);
    let kinds = asked.form.fields.get("embeddingTypes").and_then(Value::as_array);
    let kinds: Vec<&str> = kinds.map_or(vec!["float"], |kinds| kinds.iter().filter_map(Value::as_str).collect());
    let mut by_type = json!({});
    for kind in kinds {
        by_type[kind] = match kind {
            "float" => written(&vector, "float"),
            // A number for each bit.
            "binary" => vector.iter().map(|x| u8::from(*x > 0.0)).collect(),
            _ => return Err(Refusal::bad("Malformed input request: embeddingTypes are `float` and `binary`", None)),
        };
    }
    let mut answer = json!({"inputTextTokenCount": input.tokens});
    if let Some(floats) = by_type.get("float") {
        answer["embedding"] = floats.clone();
    }
    answer["embeddingsByType"] = by_type;
    Ok((answer, bill(&[input])))
}

/// The tokens stand in the head of the answer alone.
fn cohere(asked: &Asked<'_>) -> Result<(Value, Billed), Refusal> {
    let known =
        ["texts", "images", "inputs", "input_type", "truncate", "embedding_types", "output_dimension", "max_tokens"];
    asked.form.only(&known, asked.wire())?;
    let (name, inputs) = cohere_inputs(asked)?;
    let fourth = asked.model.contains("embed-v4");
    let wanted = dimensions(asked, "output_dimension", &[256, 512, 1024, 1536], if fourth { 1536 } else { 1024 })?;
    let typed = fourth || asked.form.fields.contains_key("embedding_types");
    let vectors = by_kind(asked, &inputs, wanted)?;
    let (embeddings, kind) = match vectors.get("float") {
        Some(floats) if !typed => (floats.clone(), "embeddings_floats"),
        _ => (vectors, "embeddings_by_type"),
    };
    let texts = asked.form.fields.get("texts").cloned().unwrap_or(json!([]));
    let id = format!("00000000-0000-4000-8000-{:012x}", asked.thinker.number);
    let billed = match name {
        "images" => Billed { images: inputs.len() as u64, ..Billed::default() },
        _ => bill(&inputs),
    };
    Ok((json!({"id": id, "embeddings": embeddings, "response_type": kind, "texts": texts}), billed))
}
