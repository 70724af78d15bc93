//! How the requests fail that the knobs choose.

use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};

/// The way in which a request fails that is chosen by `--error-rate` and the seed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Failure {
    /// An error of the wire format, with `--error-status` and `--retry-after`
    #[default]
    Status,
    /// The connection (h2: the stream) is closed without a word
    Reset,
    /// Silence; the connection stays open
    Stall,
    /// A page of HTML with status 200, as a proxy on the way sends it
    Html,
    /// Status 200, the right content type, and no answer
    Garbage,
    /// A redirect to elsewhere
    Redirect,
}

impl Failure {
    /// By its name.
    ///
    /// # Errors
    ///
    /// What there is instead.
    pub fn named(name: &str) -> Result<Self, String> {
        <Self as clap::ValueEnum>::from_str(name, false)
            .map_err(|_| "it takes `status`, `reset`, `stall`, `html`, `garbage` or `redirect`".to_owned())
    }

    /// Status and body of those that answer something; `None`: an error of the wire format, or nothing.
    pub(super) fn page(self) -> Option<(StatusCode, &'static str)> {
        match self {
            Self::Status | Self::Reset | Self::Stall => None,
            Self::Html => Some((StatusCode::OK, "<html><body><h1>Welcome</h1></body></html>")),
            Self::Garbage => Some((StatusCode::OK, "{\"choices\": }{")),
            Self::Redirect => Some((StatusCode::FOUND, "")),
        }
    }

    /// Makes the head fit the page.
    pub(super) fn dress<B>(self, response: &mut Response<B>) {
        let kind = if self == Self::Garbage { "application/json" } else { "text/html" };
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if self == Self::Redirect {
            response.headers_mut().insert(LOCATION, HeaderValue::from_static("https://elsewhere.invalid/"));
        }
    }
}
