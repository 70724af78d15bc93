//! `/v1/files`: <https://platform.openai.com/docs/api-reference/files>.

use super::Asked;
use crate::simulate::{
    refusal::Refusal,
    shelf::Kept,
    thinking::{Ready, Whole, now},
};
use hyper::Method;
use serde_json::{Value, json};

/// What files are for.
const PURPOSES: [&str; 6] = ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"];

pub(super) fn answer(asked: &Asked<'_>) -> Result<Ready, Refusal> {
    let below = asked.head.uri.path().strip_prefix("/v1/files").unwrap_or_default().trim_start_matches('/');
    let shown = match (&asked.head.method, below.split_once('/')) {
        (&Method::POST, None) if below.is_empty() => shown(&upload(asked)?),
        (&Method::GET, None) if below.is_empty() => {
            let query = asked.head.uri.query();
            let purpose = parameter(query, "purpose");
            let files = asked.shelf.files();
            let wanted = files.iter().filter(|file| purpose.is_none_or(|purpose| purpose == file.purpose));
            page(wanted.map(shown).rev().collect(), query)
        }
        (&Method::GET, None) => shown(&found(asked, below)?),
        (&Method::GET, Some((id, "content"))) => {
            let file = found(asked, id)?;
            let whole = Whole { kind: "application/octet-stream", ..Whole::free(file.bytes.to_vec()) };
            return Ok(Ready::Whole(whole));
        }
        (&Method::DELETE, None) => {
            found(asked, below)?;
            json!({"id": below, "object": "file", "deleted": asked.shelf.remove(below)})
        }
        _ => return Err(Refusal::absent("File", below)),
    };
    Ok(Ready::free(shown.to_string().into_bytes()))
}

fn found(asked: &Asked<'_>, id: &str) -> Result<Kept, Refusal> {
    asked.shelf.file(id).ok_or_else(|| Refusal::absent("File", id))
}

fn upload(asked: &Asked<'_>) -> Result<Kept, Refusal> {
    asked.form.only(&["file", "purpose", "expires_after"], asked.wire())?;
    let file = asked.form.file("file", asked.wire())?;
    asked.form.needs("purpose", asked.wire())?;
    let purpose = asked.form.one_of("purpose", &PURPOSES)?.unwrap_or_default().to_owned();
    if purpose == "batch" && !file.filename.ends_with(".jsonl") {
        let told = format!("Invalid file format for Batch API. Must be .jsonl, not `{}`", file.filename);
        return Err(Refusal::bad(told, Some("file")));
    }
    let created = now();
    let seconds = asked.form.text("expires_after[seconds]").and_then(|seconds| seconds.parse::<u64>().ok());
    asked.shelf.keep(|number| Kept {
        id: format!("file-sim{number:012x}"),
        filename: file.filename.clone(),
        purpose,
        created,
        expires: seconds.map(|seconds| created.saturating_add(seconds)),
        bytes: file.bytes.clone().into(),
    })
}

fn shown(file: &Kept) -> Value {
    let mut shown = json!({
        "id": file.id,
        "object": "file",
        "bytes": file.bytes.len(),
        "created_at": file.created,
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
    });
    if let Some(expires) = file.expires {
        shown["expires_at"] = json!(expires);
    }
    shown
}

/// A parameter of a query.
fn parameter<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    query?.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// A list of what has ids, newest first, from behind `after`, at most `limit`.
pub(super) fn page(all: Vec<Value>, query: Option<&str>) -> Value {
    let limit = parameter(query, "limit").and_then(|limit| limit.parse().ok()).unwrap_or(100usize);
    let id = |item: &Value| item.get("id").and_then(Value::as_str).map(str::to_owned);
    let start = parameter(query, "after").map_or(0, |after| {
        all.iter().position(|item| id(item).as_deref() == Some(after)).map_or(all.len(), |at| at + 1)
    });
    let data: Vec<Value> = all.iter().skip(start).take(limit).cloned().collect();
    let more = all.len() > start.saturating_add(data.len());
    json!({
        "object": "list",
        "first_id": data.first().and_then(id),
        "last_id": data.last().and_then(id),
        "data": data,
        "has_more": more,
    })
}
