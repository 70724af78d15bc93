//! A request's metadata: what limits and budgets may count apart.

use super::open::cut;
use super::reject::Reject;
use crate::model::Ask;
use http::{HeaderMap, HeaderName};
use std::collections::BTreeMap;
use std::sync::Arc;

static HEADER: HeaderName = HeaderName::from_static("x-weighbridge-metadata");
/// Most pairs, as OpenAI allows in a body.
const MOST_PAIRS: usize = 16;
/// Longest header.
const MOST_BYTES: usize = 2_048;

/// Names and values.
pub type Metadata = Vec<(Arc<str>, Arc<str>)>;

/// The metadata of a request.
///
/// # Errors
///
/// [`Reject::BadRequest`], naming the header, when it cannot be read.
pub fn of(headers: &HeaderMap, ask: &Ask) -> Result<Metadata, Reject> {
    let mut metadata = from_header(headers)?;
    // The header wins over the body: a proxy in front may set it.
    for (name, value) in &ask.metadata {
        if !metadata.iter().any(|(known, _)| **known == **name) {
            metadata.push((cut(name).into(), cut(value).into()));
        }
    }
    Ok(metadata)
}

/// What the header alone says.
///
/// # Errors
///
/// As [`of`].
pub fn from_header(headers: &HeaderMap) -> Result<Metadata, Reject> {
    let mut values = headers.get_all(&HEADER).iter();
    let Some(value) = values.next() else { return Ok(Metadata::new()) };
    let wrong = |why: &str| Reject::BadRequest {
        message: format!("the header `{HEADER}` {why}; send a JSON object of strings such as `{{\"project\":\"x\"}}`"),
        param: None,
    };
    if values.next().is_some() {
        return Err(wrong("was sent twice"));
    }
    if value.len() > MOST_BYTES {
        return Err(wrong("is longer than 2048 bytes"));
    }
    let pairs: BTreeMap<Arc<str>, Arc<str>> =
        serde_json::from_slice(value.as_bytes()).map_err(|_| wrong("holds no JSON object of strings"))?;
    if pairs.len() > MOST_PAIRS {
        return Err(wrong("has more than 16 pairs"));
    }
    Ok(pairs.into_iter().map(|(name, value)| (cut(&name).into(), cut(&value).into())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn read(value: &str) -> Result<Metadata, Reject> {
        let mut headers = HeaderMap::new();
        headers.insert(&HEADER, HeaderValue::from_str(value).expect("a value"));
        from_header(&headers)
    }

    #[test]
    fn a_header_of_strings_is_read_and_anything_else_is_refused_by_name() {
        assert_eq!(from_header(&HeaderMap::new()), Ok(Vec::new()));
        assert_eq!(read(r#"{"project":"x","a":"b"}"#).map(|pairs| pairs.len()), Ok(2));
        let many: Vec<_> = (0..17).map(|n| format!("\"k{n}\":\"v\"")).collect();
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(2_048));
        for bad in ["project=x", "[]", r#"{"a":1}"#, r#"{"a":null}"#, &format!("{{{}}}", many.join(",")), &long] {
            let Err(Reject::BadRequest { message, .. }) = read(bad) else { panic!("{bad}") };
            assert!(message.contains(HEADER.as_str()), "{message}");
        }
    }
}
