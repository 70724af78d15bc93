//! Errors as Bedrock writes them: in bodies, and as exceptions of a stream.

use crate::{
    providers::{
        UpstreamError,
        bedrock::credentials::Credentials,
        lenient::{Count, Text},
    },
    sse::{ERROR, EXCEPTION, SseEvent},
};
use serde::Deserialize;

/// Bytes of a message that are kept.
const LONGEST: usize = 1024;

/// The body of an error; some services of AWS write `Message`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Told<'a> {
    #[serde(borrow)]
    message: Text<'a>,
    #[serde(borrow, rename = "Message")]
    capital: Text<'a>,
    /// Of `modelStreamErrorException`: what the model's own server said.
    #[serde(borrow)]
    original_message: Text<'a>,
    original_status_code: Count,
}

impl Told<'_> {
    fn text(&self) -> Option<&str> {
        let texts = [&self.message, &self.capital, &self.original_message];
        texts.into_iter().map(Text::as_str).find(|text| !text.is_empty())
    }
}

/// The message of an error body, secrets masked.
pub(in crate::providers::bedrock) fn message(body: &[u8], credentials: &Credentials) -> Option<String> {
    let told: Told<'_> = serde_json::from_slice(body).ok()?;
    told.text().map(|text| cut(credentials.mask(text)))
}

/// What `event` says if it is an exception or an error.
pub(super) fn of_event(event: &SseEvent, credentials: &Credentials) -> Option<UpstreamError> {
    let name = event.name.strip_prefix(EXCEPTION).or_else(|| event.name.strip_prefix(ERROR))?;
    let told: Told<'_> = serde_json::from_slice(&event.data).unwrap_or_default();
    let status = match told.original_status_code {
        Count::Tokens(status @ 400..=599) => u16::try_from(status).unwrap_or(500),
        _ => status(&String::from_utf8_lossy(name)),
    };
    // An error's data is its message as it is.
    let bare = String::from_utf8_lossy(&event.data);
    let text = told.text().unwrap_or_else(|| if bare.starts_with('{') { "" } else { &bare });
    let message = match text {
        "" => "the provider reported an error without a message".to_owned(),
        text => cut(credentials.mask(text)),
    };
    Some(UpstreamError { status, message })
}

/// The status that an exception stands for
/// (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html#API_runtime_ConverseStream_Errors>).
/// The failures of a model that AWS numbers 424 and 408 are no fault of the client's, and may be tried elsewhere: 500
/// and 504.
fn status(name: &str) -> u16 {
    match name.to_ascii_lowercase().as_str() {
        "validationexception" => 400,
        "accessdeniedexception" => 403,
        "resourcenotfoundexception" => 404,
        "throttlingexception" | "modelnotreadyexception" | "servicequotaexceededexception" => 429,
        "serviceunavailableexception" => 503,
        "modeltimeoutexception" => 504,
        _ => 500,
    }
}

fn cut(text: String) -> String {
    match text.len() {
        0..=LONGEST => text,
        _ => format!("{}…", text.get(..text.floor_char_boundary(LONGEST)).unwrap_or_default()),
    }
}
