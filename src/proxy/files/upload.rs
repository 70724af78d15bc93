//! Files on their way up: as they come, or read whole where the gateway must know what is in them.

use crate::{
    dialect::{
        BadRequest,
        form::{self, Part},
    },
    proxy::reject::Reject,
};
use bytes::Bytes;
use std::ops::Range;

/// A file of this purpose names models.
pub const BATCH: &str = "batch";
/// The purpose is looked for in so many bytes; where it stands behind them, the form is read whole.
pub const LOOK: usize = 64 * 1024;

/// A form that was read whole.
#[derive(Debug)]
pub struct Whole {
    /// Its purpose.
    pub purpose: String,
    /// Where the file stands that is a file of requests.
    pub requests: Option<Range<usize>>,
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

/// Reads a whole form.
///
/// # Errors
///
/// What is wrong with it: [`Reject::BadRequest`].
pub fn read_whole(body: &[u8], boundary: &str) -> Result<Whole, Reject> {
    let parts = form::parts(body, boundary).map_err(bad)?;
    let purpose = purpose(body, &parts)?.ok_or_else(|| wrong("purpose", "`purpose` is missing in the form"))?;
    if purpose != BATCH {
        return Ok(Whole { purpose, requests: None });
    }
    let mut files = parts.iter().filter(|part| part.name == "file");
    match (files.next(), files.next()) {
        (Some(part), None) => Ok(Whole { purpose, requests: Some(part.value.range()) }),
        _ => Err(wrong("file", "a form has one `file`")),
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
