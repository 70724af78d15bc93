//! Batches (<https://developers.openai.com/api/reference/resources/batches>) and the lines that they answer with.

use super::usage;
use crate::{
    model::{Api, Usage},
    providers::{
        Reading,
        batch::BatchReading,
        lenient::{is_given, raw},
    },
};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Batch<'a> {
    id: String,
    status: String,
    output_file_id: Option<String>,
    error_file_id: Option<String>,
    #[serde(borrow, default, deserialize_with = "raw")]
    usage: Option<&'a RawValue>,
}

/// One line of a file of answers: `{"custom_id", "response": {"status_code", "body"}, "error"}`.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    response: Option<Response<'a>>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    body: Option<Body<'a>>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default, deserialize_with = "raw")]
    usage: Option<&'a RawValue>,
}

/// Reads a batch; `None`: it is none.
pub(super) fn read(body: &[u8]) -> Option<BatchReading> {
    let batch: Batch<'_> = serde_json::from_slice(body).ok()?;
    let [output, errors] = [batch.output_file_id, batch.error_file_id].map(|id| id.filter(|id| !id.is_empty()));
    let usage = batch.usage.filter(|usage| is_given(Some(usage))).and_then(figures);
    Some(BatchReading {
        id: batch.id,
        over: matches!(&*batch.status, "completed" | "expired" | "cancelled" | "failed"),
        // Servers that do not add up give zeros beside answers.
        usage: usage.filter(|usage| !usage.is_zero() || output.is_none()),
        output,
        errors,
    })
}

/// What the answer of one line used; `None`: it does not say.
pub(super) fn read_line(line: &[u8]) -> Option<Usage> {
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    figures(line.response?.body?.usage.filter(|usage| is_given(Some(usage)))?)
}

/// Embeddings have no output: a figure of it that is left out is none here.
fn figures(usage: &RawValue) -> Option<Usage> {
    let mut reading = Reading::default();
    usage::take(Api::Embeddings, usage, &mut reading);
    reading.usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_tells_whether_it_is_over_what_it_made_and_what_it_used() {
        let body = br#"{"id":"batch_1","object":"batch","status":"completed","output_file_id":"file-o","error_file_id":"file-e",
            "usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":40},"output_tokens":50,
            "output_tokens_details":{"reasoning_tokens":30},"total_tokens":150}}"#;
        let batch = read(body).expect("a batch");
        assert_eq!((&*batch.id, batch.over), ("batch_1", true));
        assert_eq!((batch.output.as_deref(), batch.errors.as_deref()), (Some("file-o"), Some("file-e")));
        let usage = Usage { input: 60, cache_read: 40, output: 20, reasoning: 30, ..Usage::ZERO };
        assert_eq!(batch.usage, Some(usage));
        for (status, over) in [("validating", false), ("in_progress", false), ("finalizing", false), ("failed", true)] {
            let body = format!(r#"{{"id":"b","status":"{status}","usage":null,"output_file_id":null}}"#);
            let batch = read(body.as_bytes()).expect("a batch");
            assert_eq!((batch.over, batch.usage, batch.output), (over, None, None), "{status}");
        }
        let zeros =
            br#"{"id":"b","status":"completed","output_file_id":"f","usage":{"input_tokens":0,"output_tokens":0}}"#;
        assert_eq!(read(zeros).expect("a batch").usage, None, "it was not added up");
        assert_eq!(read(b"[]"), None);
    }

    #[test]
    fn a_line_tells_what_its_answer_used() {
        let chat = br#"{"custom_id":"a","response":{"status_code":200,"body":{"usage":{"prompt_tokens":3,"completion_tokens":2}}}}"#;
        assert_eq!(read_line(chat), Some(Usage { input: 3, output: 2, ..Usage::ZERO }));
        let vector = br#"{"response":{"body":{"usage":{"prompt_tokens":3,"total_tokens":3}}}}"#;
        assert_eq!(read_line(vector), Some(Usage { input: 3, ..Usage::ZERO }));
        for none in [&br#"{"response":null,"error":{}}"#[..], br#"{"response":{"body":{}}}"#, b"", b"nonsense"] {
            assert_eq!(read_line(none), None);
        }
    }
}
