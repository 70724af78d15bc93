//! Files on their way up: as they come, or read whole where the gateway must know what is in them.

use super::lines::{self, Named};
use super::meter;
use crate::{
    auth::Caller,
    dialect::{
        BadRequest,
        form::{self, Part},
    },
    model::Api,
    proxy::{
        bounds::{Buffers, Share},
        gateway::Snapshot,
        guarded,
        reject::{Reject, shown},
    },
};
use bytes::Bytes;
use std::sync::Arc;

/// A file of this purpose names models.
pub const BATCH: &str = "batch";
/// The purpose is looked for in so many bytes; where it stands behind them, the form is read whole.
pub const LOOK: usize = 64 * 1024;

/// A form that goes up whole.
#[derive(Debug)]
pub struct Whole {
    /// The form.
    pub body: Bytes,
    /// Its part of the gateway's memory.
    pub _share: Option<Share>,
    /// Its purpose.
    pub purpose: String,
    /// The model of a file of requests.
    pub model: Option<Arc<str>>,
}

/// The purpose, if its part stands whole in the first bytes of a form.
///
/// # Errors
///
/// [`Reject::BadRequest`] when they are the beginning of no form.
pub fn purpose_in(begin: &[u8], boundary: &str) -> Result<Option<String>, Reject> {
    let mark = format!("\r\n--{boundary}");
    // What stands in front of the last boundary is whole.
    let Some(end) = memchr::memmem::rfind(begin, mark.as_bytes()) else { return Ok(None) };
    let parts_so_far = [begin.get(..end).unwrap_or_default(), mark.as_bytes(), b"--"].concat();
    let parts = form::parts(&parts_so_far, boundary).map_err(bad)?;
    purpose(&parts_so_far, &parts)
}

/// The end of a form whose purpose did not come yet, which does not go up before it did: until then a provider does not have
/// the file. OpenAI's SDK for Node sends the purpose last.
#[derive(Debug, Default)]
pub struct Tail(Bytes);

/// Bytes of a form's end in which its purpose must stand then.
const HELD: usize = 16 * 1024;

impl Tail {
    /// Takes the next bytes; returns those that may go up, in order.
    pub fn push(&mut self, piece: &Bytes) -> [Bytes; 2] {
        if let Some(front) = piece.len().checked_sub(HELD) {
            // Copied: a slice would keep all of the piece.
            let held = Bytes::copy_from_slice(piece.get(front..).unwrap_or_default());
            return [std::mem::replace(&mut self.0, held), piece.slice(..front)];
        }
        let mut all = Bytes::from([&*self.0, piece].concat());
        let front = all.split_to(all.len().saturating_sub(HELD));
        self.0 = all;
        [front, Bytes::new()]
    }

    /// The form is whole: its last bytes, and its purpose; `None`: it does not stand there.
    pub fn end(self, boundary: &str) -> (Bytes, Option<String>) {
        let mark = format!("\r\n--{boundary}");
        let begin = memchr::memmem::find(&self.0, mark.as_bytes()).map(|at| at + 2);
        let last = begin.and_then(|begin| self.0.get(begin..)).unwrap_or_default();
        let parts = form::parts(last, boundary).unwrap_or_default();
        let found = purpose(last, &parts).ok().flatten();
        (self.0, found)
    }
}

fn purpose(body: &[u8], parts: &[Part<'_>]) -> Result<Option<String>, Reject> {
    let mut found = parts.iter().filter(|part| part.name == "purpose");
    match (found.next(), found.next()) {
        (None, _) => Ok(None),
        (Some(part), None) => {
            let text = std::str::from_utf8(body.get(part.value.range()).unwrap_or_default());
            let text = text.ok().filter(|text| (1..=64).contains(&text.len()));
            text.map(|text| Some(text.to_owned()))
                .ok_or_else(|| wrong("purpose", "`purpose` must be a word such as `batch`"))
        }
        (Some(_), Some(_)) => Err(wrong("purpose", "`purpose` stands twice in the form")),
    }
}

/// Reads a whole form; a file of requests is checked and rewritten for `provider`.
///
/// # Errors
///
/// What is wrong with it: [`Reject::BadRequest`]; [`Reject::BuffersFull`].
pub fn read_whole(
    body: Bytes,
    boundary: &str,
    caller: &Caller,
    snapshot: &Snapshot,
    provider: &str,
    buffers: &Buffers,
) -> Result<Whole, Reject> {
    let parts = form::parts(&body, boundary).map_err(bad)?;
    let purpose = purpose(&body, &parts)?.ok_or_else(|| wrong("purpose", "`purpose` is missing in the form"))?;
    if purpose != BATCH {
        return Ok(Whole { body, _share: None, purpose, model: None });
    }
    let mut files = parts.iter().filter(|part| part.name == "file");
    let file = match (files.next(), files.next()) {
        (Some(part), None) => part.value.range(),
        _ => return Err(wrong("file", "a form has one `file`")),
    };
    let bytes = body.get(file.clone()).unwrap_or_default();
    // Names are about as long as those that they take the place of; what is more is small beside the form itself.
    let share = buffers.take(2 * body.len()).ok_or(Reject::BuffersFull)?;
    let checked = lines::rewrite(bytes, |api, model| resolve(api, model, caller, snapshot, provider));
    let checked = checked.map_err(|mistake| wrong("file", &mistake.to_string()))?;
    let (before, behind) = (body.get(..file.start).unwrap_or_default(), body.get(file.end..).unwrap_or_default());
    if memchr::memmem::find(&checked.file, format!("\r\n--{boundary}").as_bytes()).is_some() {
        return Err(wrong("file", "the boundary of the form stands in its file; choose another one"));
    }
    let body = [before, &checked.file, behind].concat().into();
    Ok(Whole { body, _share: Some(share), purpose, model: Some(checked.model) })
}

/// Which model a line means, if the caller may call it and it has a target at the provider.
fn resolve(api: Api, model: &str, caller: &Caller, snapshot: &Snapshot, provider: &str) -> Result<Named, String> {
    let route = snapshot.table.find(model);
    let route = route.ok_or_else(|| Reject::NoModel { model: shown(model) }.to_string())?;
    may_call(caller, snapshot, &route.name).map_err(|reject| reject.to_string())?;
    match meter::target(snapshot, &route.name, provider) {
        Some(target) if target.passes(api) => {
            Ok(Named { name: Arc::clone(&route.name), there: target.model_json.clone() })
        }
        Some(_) => {
            Err(format!("model `{}` does not take {api} at provider `{provider}`, where batches are made", route.name))
        }
        None => Err(format!("model `{}` has no target at provider `{provider}`, where batches are made", route.name)),
    }
}

/// Whether the caller may call a model by a batch.
///
/// # Errors
///
/// [`Reject::ModelNotAllowed`]; a guardrail of the model would have to look at what is in files.
pub fn may_call(caller: &Caller, snapshot: &Snapshot, model: &str) -> Result<(), Reject> {
    match caller.may_call(model) {
        true => guarded::unless_model_is_closed(snapshot, model),
        false => Err(Reject::ModelNotAllowed {
            model: model.to_owned(),
            key: caller.key.to_string(),
            team: caller.team.to_string(),
        }),
    }
}

/// A mistake in the form.
pub fn bad(bad: BadRequest) -> Reject {
    Reject::BadRequest { message: bad.message, param: bad.param }
}

fn wrong(field: &str, message: &str) -> Reject {
    Reject::BadRequest { message: message.to_owned(), param: Some(field.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "--b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n--b\r\n\
        content-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nlong";

    #[test]
    fn the_end_of_a_form_is_held_until_its_purpose_is_known() {
        let end = "\r\n--b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n--b--\r\n";
        for (size, cut) in [(100, 7), (20_000, 7), (20_000, 50_000), (70_000, 16_384), (70_000, 1_000)] {
            let form = Bytes::from(format!("{}{end}", "x".repeat(size)));
            let (mut tail, mut passed) = (Tail::default(), Vec::new());
            for piece in form.chunks(cut) {
                tail.push(&Bytes::copy_from_slice(piece)).iter().for_each(|bytes| passed.extend_from_slice(bytes));
                assert!(form.len() - passed.len() >= end.len() || passed.len() < size, "the purpose is held");
            }
            let (rest, purpose) = tail.end("b");
            assert_eq!(purpose.as_deref(), Some("user_data"), "{size} {cut}");
            assert!([&passed[..], &rest].concat() == form, "nothing is lost");
        }
        let mut tail = Tail::default();
        tail.push(&Bytes::from("x".repeat(HELD) + "\r\n--b--"));
        assert_eq!(tail.end("b").1, None);
    }

    #[test]
    fn a_purpose_is_found_where_it_stands_whole_in_the_first_bytes() {
        let purpose = |begin: &str| purpose_in(begin.as_bytes(), "b");
        assert_eq!(purpose(FORM), Ok(Some("user_data".to_owned())));
        let (head, _) = FORM.split_once("user_data").expect("it is there");
        assert_eq!(purpose(head), Ok(None), "it is not there yet");
        assert_eq!(purpose(&format!("{head}user_da")), Ok(None));
        let file_first = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nlong";
        assert_eq!(purpose(file_first), Ok(None));
        assert!(purpose(&format!("{FORM}\r\n{FORM}\r\n--b")).is_err(), "twice");
        assert!(purpose("garbage\r\n--b\r\n").is_err());
    }
}
