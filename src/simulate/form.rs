//! What a request to a service holds: an object of JSON, a multipart form, or a query-like one.

use super::refusal::Refusal;
use super::target::{Service, Wire, decoded};
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use memchr::memmem;
use serde_json::{Map, Value};

/// Members and files.
#[derive(Debug, Default)]
pub(super) struct Form {
    pub fields: Map<String, Value>,
    files: Vec<Upload>,
}

/// A file of a multipart form.
#[derive(Debug)]
pub(super) struct Upload {
    /// Of the form's field, without `[]`.
    field: String,
    pub filename: String,
    pub bytes: Vec<u8>,
}

impl Form {
    /// The form of a request, in the format that the service takes.
    ///
    /// # Errors
    ///
    /// When it is in none, or cannot be read.
    pub fn of(service: Service, head: &Parts, body: &[u8], wire: Wire) -> Result<Self, Refusal> {
        let kind = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let multipart = match service {
            Service::ImageVariations | Service::Transcriptions | Service::Translations => true,
            // A list of pictures may come as references in JSON, too.
            Service::ImageEdits => !kind.starts_with("application/json"),
            Service::Files => head.method == hyper::Method::POST,
            Service::Token => return Ok(Self { fields: pairs(body), ..Self::default() }),
            _ => false,
        };
        if multipart {
            return Self::multipart(kind, body);
        }
        if body.is_empty() && head.method != hyper::Method::POST || body.is_empty() && service == Service::Batches {
            return Ok(Self::default());
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self { fields, ..Self::default() }),
            Ok(_) => Err(Refusal::bad("The body of a request is an object of JSON.", None)),
            Err(error) if wire == Wire::Bedrock => Err(Refusal::bad(format!("Malformed input request: {error}"), None)),
            Err(error) => Err(Refusal::bad(format!("We could not parse the JSON body of your request: {error}"), None)),
        }
    }

    /// <https://www.rfc-editor.org/rfc/rfc7578>
    fn multipart(kind: &str, body: &[u8]) -> Result<Self, Refusal> {
        let bad = |told: &str| Refusal::bad(format!("Could not parse multipart form: {told}"), None);
        let boundary = kind.starts_with("multipart/form-data").then(|| boundary(kind)).flatten();
        let boundary = boundary.ok_or_else(|| bad("no `multipart/form-data` with a boundary"))?;
        let fence = format!("--{boundary}");
        let mut form = Self::default();
        let mut rest = body.strip_prefix(fence.as_bytes()).ok_or_else(|| bad("it does not begin with the boundary"))?;
        let between = format!("\r\n{fence}");
        while !rest.starts_with(b"--") {
            let part = rest.strip_prefix(b"\r\n").ok_or_else(|| bad("a part does not begin with a line"))?;
            let end = memmem::find(part, between.as_bytes()).ok_or_else(|| bad("a part does not end"))?;
            let (part, after) = part.split_at(end);
            let blank = memmem::find(part, b"\r\n\r\n").ok_or_else(|| bad("a part has no end of its head"))?;
            let head = std::str::from_utf8(&part[..blank]).map_err(|_| bad("a part's head is no text"))?;
            form.take(head, &part[blank + 4..]).ok_or_else(|| bad("a part has no name, or its text is no UTF-8"))?;
            rest = &after[between.len()..];
        }
        Ok(form)
    }

    fn take(&mut self, head: &str, bytes: &[u8]) -> Option<()> {
        let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
        let name = quoted(disposition, " name=")?;
        let bare = name.trim_end_matches("[]");
        if let Some(filename) = quoted(disposition, "filename=") {
            let (field, filename) = (bare.to_owned(), filename.to_owned());
            self.files.push(Upload { field, filename, bytes: bytes.to_vec() });
            return Some(());
        }
        let text = Value::from(std::str::from_utf8(bytes).ok()?);
        match self.fields.get_mut(bare) {
            Some(Value::Array(all)) => all.push(text),
            Some(_) => return None,
            None if name.ends_with("[]") => {
                self.fields.insert(bare.to_owned(), Value::Array(vec![text]));
            }
            None => {
                self.fields.insert(bare.to_owned(), text);
            }
        }
        Some(())
    }

    /// A member that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str)
    }

    /// A member that is a number, also where forms write it as text.
    pub fn number(&self, name: &str) -> Option<u64> {
        let value = self.fields.get(name)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }

    /// Whether a member is true.
    pub fn yes(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|value| *value == Value::Bool(true) || value.as_str() == Some("true"))
    }

    /// A member that must be there.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn needs(&self, name: &'static str, wire: Wire) -> Result<&Value, Refusal> {
        self.fields.get(name).filter(|value| !value.is_null()).ok_or_else(|| Refusal::missing(name, wire))
    }

    /// A member that must be there and be text.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn needs_text(&self, name: &'static str, wire: Wire) -> Result<&str, Refusal> {
        let told = || Refusal::bad(format!("Invalid type for '{name}': expected a string."), Some(name));
        self.needs(name, wire)?.as_str().ok_or_else(told)
    }

    /// A member that, if it is there, is one of these.
    ///
    /// # Errors
    ///
    /// When it is another.
    pub fn one_of(&self, name: &'static str, allowed: &[&'static str]) -> Result<Option<&'static str>, Refusal> {
        let Some(given) = self.fields.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
        let known = allowed.iter().find(|known| given.as_str() == Some(known));
        let told = || format!("Invalid value: {given}. Supported values are: {allowed:?} (`{name}`).");
        known.copied().map(Some).ok_or_else(|| Refusal::bad(told(), Some(name)))
    }

    /// The files of a field.
    pub fn files(&self, field: &str) -> impl Iterator<Item = &Upload> {
        self.files.iter().filter(move |file| file.field == field)
    }

    /// The file that must be there.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn file(&self, field: &'static str, wire: Wire) -> Result<&Upload, Refusal> {
        self.files(field).next().ok_or_else(|| Refusal::missing(field, wire))
    }

    /// # Errors
    ///
    /// When there is a member of another name.
    pub fn only(&self, known: &[&str], wire: Wire) -> Result<(), Refusal> {
        let files = self.files.iter().map(|file| file.field.as_str());
        let mut names = self.fields.keys().map(String::as_str).chain(files);
        let outer = |name: &str| name.split('[').next().unwrap_or_default().to_owned();
        let strange = names.find(|name| !known.contains(&outer(name).as_str()));
        strange.map_or(Ok(()), |name| Err(Refusal::unknown(name, wire)))
    }
}

fn boundary(kind: &str) -> Option<&str> {
    let (_, rest) = kind.split_once("boundary=")?;
    let given = rest.split(';').next().unwrap_or_default().trim().trim_matches('"');
    (!given.is_empty()).then_some(given)
}

fn quoted<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(name)?;
    match rest.strip_prefix('"') {
        Some(rest) => rest.split('"').next(),
        None => rest.split(';').next().map(str::trim),
    }
}

/// `application/x-www-form-urlencoded`.
fn pairs(body: &[u8]) -> Map<String, Value> {
    let text = String::from_utf8_lossy(body);
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let value = value.replace('+', " ");
        Some((decoded(name)?.into_owned(), Value::from(decoded(&value)?.into_owned())))
    };
    text.split('&').filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::Form;

    const BODY: &str = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b\r\n\
        content-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n\r\n--x\r\n\
        --b\r\nContent-Disposition: form-data; name=\"include[]\"\r\n\r\nlogprobs\r\n--b--\r\n";

    #[test]
    fn a_multipart_form_is_read_with_its_files() {
        let form = Form::multipart("multipart/form-data; boundary=\"b\"", BODY.as_bytes()).expect("a form");
        assert_eq!(form.text("model"), Some("whisper-1"));
        assert_eq!(form.fields.get("include"), Some(&serde_json::json!(["logprobs"])));
        let file = form.files("file").next().expect("a file");
        assert_eq!((file.filename.as_str(), file.bytes.as_slice()), ("a.wav", b"\r\n--x".as_slice()));
    }

    #[test]
    fn a_form_that_is_cut_is_refused() {
        for end in 0..BODY.len() - 4 {
            let cut = BODY.get(..end).unwrap_or_default();
            assert!(Form::multipart("multipart/form-data; boundary=b", cut.as_bytes()).is_err(), "{end}");
        }
        assert!(Form::multipart("multipart/form-data", BODY.as_bytes()).is_err());
        assert!(Form::multipart("application/json; boundary=b", BODY.as_bytes()).is_err());
    }
}
