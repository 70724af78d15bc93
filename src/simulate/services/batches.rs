//! `/v1/batches`: <https://platform.openai.com/docs/api-reference/batch>.
//!
//! Each line of the input is answered by the simulated model itself when the batch is made; the knob `batch_time` says
//! how long it looks as if that took.

use super::{Asked, files::page};
use crate::simulate::{
    answer::Billed,
    question::Question,
    refusal::Refusal,
    shelf::Kept,
    target::Call,
    thinking::{Ready, Thinker, now},
};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::time::Instant;

/// A batch, with what comes out of it.
#[derive(Debug, Clone)]
pub(in crate::simulate) struct Batch {
    pub id: String,
    endpoint: String,
    input_file: String,
    metadata: Value,
    created: u64,
    done: Instant,
    cancelled: Option<u64>,
    /// What is wrong with the input.
    errors: Vec<Value>,
    lines: u64,
    failed: u64,
    model: String,
    billed: Billed,
    output: String,
    /// Of lines that were refused.
    refused: String,
    output_file: Option<String>,
    error_file: Option<String>,
}

/// The endpoints whose lines are answered.
const ENDPOINTS: [(&str, Call); 4] = [
    ("/v1/chat/completions", Call::Chat),
    ("/v1/completions", Call::Completions),
    ("/v1/embeddings", Call::Embeddings),
    ("/v1/responses", Call::Responses),
];

pub(super) fn answer(asked: &Asked<'_>) -> Result<Ready, Refusal> {
    let below = asked.head.uri.path().strip_prefix("/v1/batches").unwrap_or_default().trim_start_matches('/');
    let absent = |id: &str| Refusal::absent("Batch", id);
    let shown = match (&asked.head.method, below.split_once('/')) {
        (&Method::POST, None) if below.is_empty() => finished(asked, create(asked)?)?.shown(),
        (&Method::GET, None) if below.is_empty() => {
            let all: Result<Vec<Batch>, Refusal> =
                asked.shelf.batches().into_iter().rev().map(|batch| finished(asked, batch)).collect();
            page(all?.iter().map(Batch::shown).collect(), asked.head.uri.query())
        }
        (&Method::GET, None) => {
            let batch = asked.shelf.batch(below, |_| {}).ok_or_else(|| absent(below))?;
            finished(asked, batch)?.shown()
        }
        (&Method::POST, Some((id, "cancel"))) => {
            let batch = asked.shelf.batch(id, |_| {}).ok_or_else(|| absent(id))?;
            let status = finished(asked, batch)?.status();
            if status != "in_progress" {
                let told = format!("Cannot cancel a batch with status '{status}'.");
                return Err(Refusal { status: StatusCode::CONFLICT, ..Refusal::bad(told, None) });
            }
            let cancelled = asked.shelf.batch(id, |batch| batch.cancelled = Some(now()));
            cancelled.ok_or_else(|| absent(id))?.shown()
        }
        _ => return Err(absent(below)),
    };
    Ok(Ready::free(shown.to_string().into_bytes()))
}

fn create(asked: &Asked<'_>) -> Result<Batch, Refusal> {
    let form = &asked.form;
    let known = ["input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"];
    form.only(&known, asked.wire())?;
    let input = form.needs_text("input_file_id", asked.wire())?;
    let endpoint = form.needs_text("endpoint", asked.wire())?;
    if form.needs_text("completion_window", asked.wire())? != "24h" {
        return Err(Refusal::bad("Invalid value for 'completion_window': it is '24h'.", Some("completion_window")));
    }
    let known = ENDPOINTS.iter().find(|(path, _)| *path == endpoint);
    let (_, call) = known.ok_or_else(|| {
        Refusal::bad(
            format!("Endpoint '{endpoint}' is none of those that are simulated for batches."),
            Some("endpoint"),
        )
    })?;
    let file = asked.shelf.file(input).ok_or_else(|| Refusal::absent("File", input))?;
    if file.purpose != "batch" {
        return Err(Refusal::bad(format!("File '{input}' is not of purpose 'batch'."), Some("input_file_id")));
    }
    let metadata = form.fields.get("metadata").cloned().unwrap_or_default();
    asked.shelf.begin(|number| {
        let mut batch = Batch {
            id: format!("batch_sim{number:012x}"),
            endpoint: endpoint.to_owned(),
            input_file: input.to_owned(),
            metadata,
            created: now(),
            done: Instant::now() + asked.knobs().batch_time,
            cancelled: None,
            errors: Vec::new(),
            lines: 0,
            failed: 0,
            model: String::new(),
            billed: Billed::default(),
            output: String::new(),
            refused: String::new(),
            output_file: None,
            error_file: None,
        };
        batch.work(&file, *call, asked.thinker);
        batch
    })
}

/// The batch, its files on the shelf if its time is over.
fn finished(asked: &Asked<'_>, batch: Batch) -> Result<Batch, Refusal> {
    if batch.status() != "completed" || batch.output_file.is_some() || batch.error_file.is_some() {
        return Ok(batch);
    }
    let keep = |text: &str, name: &str| {
        let file = |number| Kept {
            id: format!("file-sim{number:012x}"),
            filename: format!("{}_{name}.jsonl", batch.id),
            purpose: "batch_output".to_owned(),
            created: now(),
            expires: None,
            bytes: text.as_bytes().into(),
        };
        if text.is_empty() { Ok(None) } else { asked.shelf.keep(file).map(|kept| Some(kept.id)) }
    };
    let (output, error) = (keep(&batch.output, "output")?, keep(&batch.refused, "error")?);
    let changed = asked.shelf.batch(&batch.id, |batch| (batch.output_file, batch.error_file) = (output, error));
    Ok(changed.unwrap_or(batch))
}

impl Batch {
    fn status(&self) -> &'static str {
        if !self.errors.is_empty() {
            "failed"
        } else if self.cancelled.is_some() {
            "cancelled"
        } else if Instant::now() >= self.done {
            "completed"
        } else {
            "in_progress"
        }
    }

    fn work(&mut self, file: &Kept, call: Call, thinker: &Thinker) {
        let text = String::from_utf8_lossy(&file.bytes);
        let mut ids = HashSet::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            self.lines = self.lines.saturating_add(1);
            if let Err((code, told)) = self.line(line, call, thinker, &mut ids) {
                self.errors.push(json!({"code": code, "message": told, "line": at + 1, "param": null}));
            }
        }
        if self.lines == 0 {
            self.errors.push(json!({"code": "empty_file", "message": "The input file has no requests.", "line": null, "param": null}));
        }
    }

    fn line(
        &mut self,
        line: &str,
        call: Call,
        thinker: &Thinker,
        ids: &mut HashSet<String>,
    ) -> Result<(), (&'static str, String)> {
        let line: Value = serde_json::from_str(line)
            .map_err(|_| ("invalid_json_line", "This line is not parseable as valid JSON.".to_owned()))?;
        let member = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
        let id = member("custom_id").to_owned();
        if id.is_empty() || !ids.insert(id.clone()) {
            return Err(("duplicate_custom_id", format!("The custom_id `{id}` is missing, or stands in two lines.")));
        }
        if member("method") != "POST" || member("url") != self.endpoint {
            let told = format!("method and url must be `POST` and `{}`.", self.endpoint);
            return Err(("mismatched_endpoint", told));
        }
        let body = line.get("body").unwrap_or(&Value::Null).to_string();
        let number = thinker.number.wrapping_mul(1_000_000).wrapping_add(self.lines);
        let mut own = Thinker { knobs: Arc::clone(&thinker.knobs), number, wire: thinker.wire };
        let request = format!("batch_req_sim{number:012x}");
        match self.think(&body, call, &mut own) {
            Ok(answer) => {
                let response = json!({"status_code": 200, "request_id": request, "body": answer});
                let row = json!({"id": request, "custom_id": id, "response": response, "error": null});
                self.output.push_str(&format!("{row}\n"));
            }
            Err(refusal) => {
                self.failed = self.failed.saturating_add(1);
                let body = refusal.body(thinker.wire, &request);
                let response = json!({"status_code": refusal.status.as_u16(), "request_id": request, "body": body});
                let row = json!({"id": request, "custom_id": id, "response": response, "error": null});
                self.refused.push_str(&format!("{row}\n"));
            }
        }
        Ok(())
    }

    fn think(&mut self, body: &str, call: Call, thinker: &mut Thinker) -> Result<Value, Refusal> {
        let question: Question<'_> =
            serde_json::from_str(body).map_err(|error| Refusal::bad(format!("Invalid body: {error}"), None))?;
        let model = thinker.model(&question.model)?;
        if thinker.knobs.fails(thinker.number) {
            return Err(Refusal::simulated(thinker.knobs.error_status));
        }
        self.model.clone_from(&model);
        let Ready::Whole(whole) = thinker.think(call, &question, model, false)? else {
            return Err(Refusal::bad("a batch has no streams", Some("stream")));
        };
        self.billed = self.billed.plus(&whole.billed.unwrap_or_default());
        serde_json::from_slice(&whole.bytes).map_err(|_| Refusal::bad("the answer is no JSON", None))
    }

    fn shown(&self) -> Value {
        let status = self.status();
        let at = |name: &str| (status == name).then(now);
        let counted = matches!(status, "completed" | "in_progress");
        let (total, failed) = if counted { (self.lines, self.failed) } else { (0, 0) };
        let done = if status == "completed" { total.saturating_sub(failed) } else { 0 };
        let mut shown = json!({
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "model": self.model,
            "errors": if self.errors.is_empty() { Value::Null } else { json!({"object": "list", "data": self.errors}) },
            "input_file_id": self.input_file,
            "completion_window": "24h",
            "status": status,
            "output_file_id": self.output_file,
            "error_file_id": self.error_file,
            "created_at": self.created,
            "in_progress_at": self.created,
            "expires_at": self.created.saturating_add(86_400),
            "finalizing_at": at("completed"),
            "completed_at": at("completed"),
            "failed_at": at("failed"),
            "expired_at": null,
            "cancelling_at": self.cancelled,
            "cancelled_at": self.cancelled,
            "request_counts": {"total": total, "completed": done, "failed": failed},
            "metadata": self.metadata,
        });
        if status == "completed" {
            shown["usage"] = json!({
                "input_tokens": self.billed.input(),
                "input_tokens_details": {"cached_tokens": self.billed.cached},
                "output_tokens": self.billed.output(),
                "output_tokens_details": {"reasoning_tokens": self.billed.reasoning},
                "total_tokens": self.billed.input().saturating_add(self.billed.output()),
            });
        }
        shown
    }
}
