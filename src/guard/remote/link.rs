//! The way to an outside guard: one address, its headers, its bounds.

use super::{Asked, Flaw, RemoteError, Stride};
use crate::{
    config::{ConfigError, Secret, Section, Time},
    outbound::{Client, Kept, OutboundError},
};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

/// Declares the settings of a kind: those of the way, and its own.
macro_rules! settings {
    ($(#[$about:meta])* struct $name:ident { $($own:tt)* }) => {
        $(#[$about])*
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $name {
            #[serde(default)]
            url: Option<String>,
            #[serde(default)]
            timeout: Option<crate::config::Time>,
            #[serde(default)]
            retries: Option<u32>,
            #[serde(default)]
            concurrent: Option<usize>,
            #[serde(default)]
            wait: Option<crate::config::Time>,
            #[serde(default)]
            window: Option<usize>,
            #[serde(default)]
            overlap: Option<usize>,
            #[serde(default)]
            headers: std::collections::BTreeMap<String, crate::config::Secret>,
            #[serde(default)]
            ca: Option<String>,
            $($own)*
        }
        impl $name {
            fn way(&mut self) -> crate::guard::remote::link::WayFile {
                crate::guard::remote::link::WayFile {
                    url: self.url.take(),
                    timeout: self.timeout,
                    retries: self.retries,
                    concurrent: self.concurrent,
                    wait: self.wait,
                    stride: (self.window, self.overlap),
                    headers: std::mem::take(&mut self.headers),
                    ca: self.ca.take(),
                }
            }
        }
    };
}
pub(super) use settings;

/// The settings that all kinds have, as written.
pub(super) struct WayFile {
    /// `http` or `https`.
    pub url: Option<String>,
    /// Of a whole check, waits and retries included. Default 2s.
    pub timeout: Option<Time>,
    /// After a connection that failed, and a status of 500 and above. Default 1.
    pub retries: Option<u32>,
    /// Checks at once. Default 64.
    pub concurrent: Option<usize>,
    /// Longest wait for one of these places. Default 100ms.
    pub wait: Option<Time>,
    /// `window` and `overlap`, bytes. Default 512 and 128.
    pub stride: (Option<usize>, Option<usize>),
    /// Sent along; values are secrets.
    pub headers: BTreeMap<String, Secret>,
    /// PEM of the authorities that are trusted instead of the system's (`${file:ca.pem}`).
    pub ca: Option<String>,
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);
const DEFAULT_WAIT: Duration = Duration::from_millis(100);
const DEFAULT_CONCURRENT: usize = 64;
const MAX_CONCURRENT: usize = 10_000;
const MAX_RETRIES: u32 = 5;
/// Before the first retry; twice as long before each further one.
const PAUSE: Duration = Duration::from_millis(50);
const DEFAULT_STRIDE: Stride = Stride { window: 512, overlap: 128 };
const MAX_WINDOW: usize = 64 * 1024;
/// An answer may be as long as the texts, escaped, and this.
const ANSWER_BYTES: usize = 1 << 20;
/// Bytes that one byte of a text may become in JSON.
const ESCAPED: usize = 6;

/// The way to a service.
pub(super) struct Link {
    client: Client,
    kept: Kept,
    uri: Uri,
    host: String,
    headers: HeaderMap,
    within: Duration,
    retries: u32,
    concurrent: usize,
    places: Semaphore,
    wait: Duration,
    stride: Stride,
}

/// A place among the calls to a service, and the time that is left for them.
pub(super) struct Turn<'a> {
    link: &'a Link,
    guard: &'a str,
    ends: Instant,
    most: usize,
    _place: SemaphorePermit<'a>,
}

impl Link {
    /// The way of `file`; without a `url`: to `default`. `path` is put behind the URL's, unless it ends with it
    /// already.
    ///
    /// # Errors
    ///
    /// With key path: what cannot be called, sent or trusted.
    pub fn new(section: &Section, file: WayFile, default: Option<&str>, path: &str) -> Result<Self, ConfigError> {
        let missing = || section.error("", "needs `url`: where the service is asked".to_owned());
        let url = file.url.as_deref().or(default).ok_or_else(missing)?;
        let uri = address(url, path).map_err(|why| section.error("url", why))?;
        let headers = headers(file.headers).map_err(|why| section.error("headers", why))?;
        let client = match file.ca {
            None => Client::default(),
            Some(pem) => Client::trusting(authorities(&pem).map_err(|why| section.error("ca", why))?),
        };
        let bounded = |key: &str, time: Option<Time>, default: Duration| {
            let time = time.map_or(default, |time| time.0);
            let fits = !time.is_zero() && time <= MAX_TIMEOUT;
            let why = || section.error(key, format!("is {time:?}; write a time from 1ms to {MAX_TIMEOUT:?}"));
            fits.then_some(time).ok_or_else(why)
        };
        let retries = file.retries.unwrap_or(1);
        if retries > MAX_RETRIES {
            return Err(
                section.error("retries", format!("is {retries}; at most {MAX_RETRIES} make sense within a request"))
            );
        }
        let concurrent = file.concurrent.unwrap_or(DEFAULT_CONCURRENT);
        if !(1..=MAX_CONCURRENT).contains(&concurrent) {
            return Err(
                section.error("concurrent", format!("is {concurrent}; write a number from 1 to {MAX_CONCURRENT}"))
            );
        }
        Ok(Self {
            client,
            kept: Kept::new(concurrent),
            host: uri.authority().map(ToString::to_string).unwrap_or_default(),
            uri,
            headers,
            within: bounded("timeout", file.timeout, DEFAULT_TIMEOUT)?,
            retries,
            concurrent,
            places: Semaphore::new(concurrent),
            wait: bounded("wait", file.wait, DEFAULT_WAIT)?,
            stride: stride(section, file.stride)?,
        })
    }

    /// How it walks along streams.
    pub const fn stride(&self) -> Stride {
        self.stride
    }

    /// Sends `value` along as the header `name`, which is a secret.
    ///
    /// # Errors
    ///
    /// When no header can carry it.
    pub fn set_header(&mut self, name: HeaderName, value: &str) -> Result<(), String> {
        self.headers.insert(name, header(value)?);
        Ok(())
    }

    /// Waits for a place to ask about these texts.
    ///
    /// # Errors
    ///
    /// [`RemoteError::Busy`].
    pub async fn turn<'a>(&'a self, asked: &Asked<'a>) -> Result<Turn<'a>, RemoteError> {
        let begun = Instant::now();
        let wait = self.wait.min(self.within);
        let Ok(Ok(place)) = timeout(wait, self.places.acquire()).await else {
            return Err(RemoteError::Busy { guard: asked.guard.to_owned(), concurrent: self.concurrent, wait });
        };
        let bytes: usize = asked.texts.iter().map(|text| text.text.len()).sum();
        let most = bytes.saturating_mul(ESCAPED).saturating_add(ANSWER_BYTES);
        Ok(Turn { link: self, guard: asked.guard, ends: begun + self.within, most, _place: place })
    }
}

impl Turn<'_> {
    /// What the service answers to `body`, which is JSON.
    ///
    /// # Errors
    ///
    /// [`RemoteError`], all but `Busy` and `Nonsense`.
    pub async fn post(&self, body: Bytes) -> Result<Bytes, RemoteError> {
        let mut pause = PAUSE;
        let mut left = self.link.retries;
        loop {
            let (error, again) = match self.once(body.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(RemoteError::Unreachable { .. }) if Instant::now() >= self.ends => return Err(self.slow()),
                Err(error) => {
                    let again = match &error {
                        RemoteError::Unreachable { .. } => true,
                        RemoteError::Status { status, .. } => status.is_server_error(),
                        _ => false,
                    };
                    (error, again)
                }
            };
            if !again || left == 0 || Instant::now() + pause >= self.ends {
                return Err(error);
            }
            left -= 1;
            sleep(pause).await;
            pause *= 2;
        }
    }

    /// The error about an answer that makes no sense.
    pub fn nonsense(&self, flaw: Flaw) -> RemoteError {
        RemoteError::Nonsense { guard: self.guard.to_owned(), host: self.link.host.clone(), flaw }
    }

    fn slow(&self) -> RemoteError {
        RemoteError::Slow { guard: self.guard.to_owned(), host: self.link.host.clone(), within: self.link.within }
    }

    async fn once(&self, body: Bytes) -> Result<Bytes, RemoteError> {
        let link = self.link;
        let left = self.ends.saturating_duration_since(Instant::now());
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = link.uri.clone();
        *request.headers_mut() = link.headers.clone();
        let (guard, host) = (self.guard.to_owned(), link.host.clone());
        let answer =
            link.client.send_kept(&link.kept, request, left, self.most).await.map_err(|error| match error {
                OutboundError::Slow { .. } => self.slow(),
                OutboundError::Broken { source, .. } if source.is::<http_body_util::LengthLimitError>() => {
                    RemoteError::TooLong { guard, host, most: self.most }
                }
                OutboundError::Broken { source, .. } => RemoteError::Broken { guard, host, source },
                OutboundError::Connect { source, .. } => {
                    RemoteError::Unreachable { guard, host, source: source.into() }
                }
                other @ (OutboundError::Url(_) | OutboundError::Status { .. }) => {
                    RemoteError::Unreachable { guard, host, source: other.into() }
                }
            })?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            status => Err(RemoteError::Status { guard: self.guard.to_owned(), host: link.host.clone(), status }),
        }
    }
}

fn stride(section: &Section, (window, overlap): (Option<usize>, Option<usize>)) -> Result<Stride, ConfigError> {
    let window = window.unwrap_or(DEFAULT_STRIDE.window);
    if !(1..=MAX_WINDOW).contains(&window) {
        return Err(section.error("window", format!("is {window}; write bytes from 1 to {MAX_WINDOW}")));
    }
    let overlap = overlap.unwrap_or(DEFAULT_STRIDE.overlap.min(window));
    if overlap > window {
        return Err(
            section.error("overlap", format!("is {overlap}; write bytes up to the `window`, which is {window}"))
        );
    }
    Ok(Stride { window, overlap })
}

fn address(url: &str, path: &str) -> Result<Uri, String> {
    let no =
        || "is no URL of the schemes `http` and `https` with a host; write such as `https://guard.internal:8080/check`";
    let uri: Uri = url.parse().map_err(|_| no())?;
    let authority =
        uri.authority().filter(|authority| !authority.as_str().contains('@') && !authority.host().is_empty());
    if !matches!(uri.scheme_str(), Some("http" | "https")) || authority.is_none() {
        return Err(no().to_owned());
    }
    if path.is_empty() || uri.path().ends_with(path) {
        return Ok(uri);
    }
    if uri.query().is_some() {
        return Err(format!("has a query; write the service's base, behind which `{path}` is put"));
    }
    format!("{}{path}", url.trim_end_matches('/')).parse().map_err(|_| no().to_owned())
}

fn headers(written: BTreeMap<String, Secret>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    for (name, value) in written {
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no name of a header"))?;
        if [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONTENT_TYPE].contains(&key) {
            return Err(format!("`{name}` is set by the gateway; leave it out"));
        }
        headers.insert(key, header(value.expose()).map_err(|why| format!("`{name}` {why}"))?);
    }
    Ok(headers)
}

fn header(value: &str) -> Result<HeaderValue, String> {
    let wrong = |_| "holds characters that no HTTP header can carry".to_owned();
    let mut value = HeaderValue::from_str(value).map_err(wrong)?;
    value.set_sensitive(true);
    Ok(value)
}

fn authorities(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for der in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let der = der.map_err(|_| "holds PEM that cannot be read".to_owned())?;
        roots.add(der).map_err(|error| format!("holds a certificate that cannot be trusted: {error}"))?;
    }
    if roots.is_empty() {
        return Err("holds no certificate in PEM; write `${file:ca.pem}`".to_owned());
    }
    Ok(roots)
}

/// A guard and its way, for its build function.
pub(in crate::guard) type Built = Result<Arc<dyn super::RemoteGuard>, ConfigError>;
