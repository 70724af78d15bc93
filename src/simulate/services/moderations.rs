//! `POST /v1/moderations`: <https://platform.openai.com/docs/api-reference/moderations>.
//!
//! A text that has the word "violence" is flagged as `violence`; all else is harmless. It costs nothing.

use super::Asked;
use crate::simulate::{refusal::Refusal, thinking::Ready};
use serde_json::{Map, Value, json};

/// The categories, and whether they are applied to pictures.
const CATEGORIES: [(&str, bool); 13] = [
    ("harassment", false),
    ("harassment/threatening", false),
    ("sexual", true),
    ("hate", false),
    ("hate/threatening", false),
    ("illicit", false),
    ("illicit/violent", false),
    ("self-harm/intent", true),
    ("self-harm/instructions", true),
    ("self-harm", true),
    ("sexual/minors", false),
    ("violence", true),
    ("violence/graphic", true),
];

/// Model where none is named.
const USUAL: &str = "omni-moderation-latest";

/// One text or one list of parts.
struct Piece {
    text: String,
    pictured: bool,
}

pub(super) fn answer(asked: &Asked<'_>) -> Result<Ready, Refusal> {
    asked.form.only(&["input", "model"], asked.wire())?;
    let pieces = pieces(asked.form.needs("input", asked.wire())?)?;
    let model = if asked.model.is_empty() { USUAL } else { &asked.model };
    if pieces.iter().any(|piece| piece.pictured) && model.starts_with("text-moderation") {
        return Err(Refusal::bad("This model takes text alone.", Some("input")));
    }
    let results: Vec<Value> = pieces.iter().map(result).collect();
    let answer = json!({"id": format!("modr-sim{:012x}", asked.thinker.number), "model": model, "results": results});
    Ok(Ready::free(answer.to_string().into_bytes()))
}

fn pieces(input: &Value) -> Result<Vec<Piece>, Refusal> {
    let bad = || Refusal::bad("'$.input' is invalid. Please check the API reference.", Some("input"));
    let of_text = |text: &str| Piece { text: text.to_owned(), pictured: false };
    let items = match input {
        Value::String(text) => return Ok(vec![of_text(text)]),
        Value::Array(items) if !items.is_empty() => items,
        _ => return Err(bad()),
    };
    if let Some(texts) = items.iter().map(Value::as_str).collect::<Option<Vec<_>>>() {
        return Ok(texts.into_iter().map(of_text).collect());
    }
    let mut all = Piece { text: String::new(), pictured: false };
    for part in items {
        match part.get("type").and_then(Value::as_str) {
            Some("text") => all.text.push_str(part.get("text").and_then(Value::as_str).ok_or_else(bad)?),
            Some("image_url") => {
                part.pointer("/image_url/url").and_then(Value::as_str).ok_or_else(bad)?;
                all.pictured = true;
            }
            _ => return Err(bad()),
        }
    }
    Ok(vec![all])
}

fn result(piece: &Piece) -> Value {
    let violent = piece.text.contains("violence");
    let by = |value: &dyn Fn(&str, bool) -> Value| -> Map<String, Value> {
        CATEGORIES.iter().map(|(name, seen)| ((*name).to_owned(), value(name, *seen))).collect()
    };
    let applied = |_: &str, seen: bool| {
        let mut kinds = Vec::new();
        if !piece.text.is_empty() {
            kinds.push("text");
        }
        if piece.pictured && seen {
            kinds.push("image");
        }
        json!(kinds)
    };
    let hit = |name: &str| violent && name == "violence";
    json!({
        "flagged": violent,
        "categories": by(&|name, _| json!(hit(name))),
        "category_scores": by(&|name, _| json!(if hit(name) { 0.9 } else { 0.0001 })),
        "category_applied_input_types": by(&applied),
    })
}
