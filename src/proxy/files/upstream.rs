//! One call of an account, made from within `request_filter` with Pingora's connector: what comes back is written down before
//! the client gets it, for which Pingora's body filters cannot wait.

use super::account::{Account, SILENCE};
use crate::{
    model::Api,
    proxy::{answer_head, forward, refusal, trouble::Trouble},
    routing::Resolver,
};
use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Version};
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;
use pingora::server::configuration::ServerConf;
use std::fmt;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// Longest wait for the head of an answer, behind the last byte of the request: large files are looked through first.
const ANSWER: Duration = Duration::from_secs(300);
/// Longest wait for the rest of an answer that is read whole, behind the last moment of its head: silences add up else.
const REST: Duration = Duration::from_secs(60);
/// What a provider says early, while the request is still being sent, is waited for so long.
const EARLY: Duration = Duration::from_secs(1);
/// Large bodies are written in pieces of this size, each within [`SILENCE`].
const PIECE: usize = 64 * 1024;

/// Makes calls.
pub struct Upstream {
    connector: Connector,
    resolver: Resolver,
}

/// What is asked.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// Files or batches.
    pub api: Api,
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Of the body.
    pub content_type: Option<HeaderValue>,
    /// Of the body.
    pub length: Length,
    /// The client's headers, of which those of the provider's list go up.
    pub client: &'a HeaderMap,
    /// For a signature, in microseconds since the Unix epoch.
    pub now_us: u64,
}

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// There is none.
    None,
    /// So many bytes.
    Bytes(usize),
    /// It is not known.
    Unknown,
}

/// A call under way. Dropping it closes its connection.
pub struct Sent {
    session: HttpSession,
    /// When an answer that is read whole must be there.
    until: Instant,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Upstream").finish_non_exhaustive()
    }
}

impl Default for Upstream {
    fn default() -> Self {
        let options = ConnectorOptions::from_server_conf(&ServerConf::default());
        Self { connector: Connector::new(Some(options)), resolver: Resolver::default() }
    }
}

impl Upstream {
    /// Connects and sends the head.
    ///
    /// # Errors
    ///
    /// Why it could not be sent.
    pub async fn begin(&self, account: &Account, wanted: Wanted<'_>) -> Result<Sent, Trouble> {
        let (host, port) = account.uplink.next_hop(account.provider.endpoint());
        let address = self.resolver.resolve(host, port).await.map_err(|error| {
            tracing::warn!(provider = %account.name, %host, error = %error.source, "unresolved");
            Trouble::Unresolved
        })?;
        let head = request_head(account, wanted)?;
        let peer = account.peer(address);
        let trouble = |error: Box<pingora::Error>| forward::meaning(&error.into_up(), false);
        let connected = self.connector.get_http_session(&peer).await;
        let (mut session, _) = connected.map_err(|error| {
            if forward::is_unreachable(&error, &peer) {
                self.resolver.avoid(address);
            }
            trouble(error)
        })?;
        session.set_read_timeout(Some(SILENCE));
        session.set_write_timeout(Some(SILENCE));
        session.write_request_header(Box::new(head)).await.map_err(trouble)?;
        Ok(Sent { session, until: Instant::now() + REST })
    }
}

fn request_head(account: &Account, wanted: Wanted<'_>) -> Result<RequestHeader, Trouble> {
    let unwritable = |what: &str| Trouble::Internal(format!("{what} cannot be written"));
    let mut headers = HeaderMap::with_capacity(10);
    let authority =
        HeaderValue::from_str(&account.provider.endpoint().authority).map_err(|_| unwritable("the host"))?;
    headers.insert(header::HOST, authority);
    if let Some(content_type) = wanted.content_type {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    match wanted.length {
        Length::None if wanted.method == Method::POST => {
            drop(headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0)))
        }
        Length::None => {}
        Length::Bytes(length) => drop(headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length))),
        Length::Unknown => drop(headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"))),
    }
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    account.provider.headers(wanted.api, wanted.client, &mut headers);
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = wanted.method;
    parts.version = Version::HTTP_11;
    parts.headers = headers;
    parts.uri = wanted.path.parse().map_err(|_| unwritable("the path"))?;
    account.provider.sign(&mut parts, &[], wanted.now_us).map_err(|fault| Trouble::Internal(fault.to_string()))?;
    Ok(RequestHeader::from(parts))
}

impl Sent {
    /// Sends a piece of the body.
    ///
    /// # Errors
    ///
    /// When the provider takes it no longer; [`Self::head`] may tell why.
    pub async fn write(&mut self, piece: Bytes) -> Result<(), Trouble> {
        let mut rest = piece;
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(PIECE));
            self.session
                .write_request_body(piece, false)
                .await
                .map_err(|error| forward::meaning(&error.into_up(), false))?;
        }
        Ok(())
    }

    /// Ends the body.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    pub async fn finish(&mut self) -> Result<(), Trouble> {
        let ended = timeout(SILENCE, self.session.finish_request_body()).await.map_err(|_| Trouble::SendTimeout)?;
        ended.map_err(|error| forward::meaning(&error.into_up(), false))
    }

    /// The head of the answer.
    ///
    /// # Errors
    ///
    /// When none comes.
    pub async fn head(&mut self) -> Result<(StatusCode, HeaderMap), Trouble> {
        self.session.set_read_timeout(Some(ANSWER));
        self.until = Instant::now() + ANSWER + REST;
        let head = timeout(ANSWER, self.any_head()).await.unwrap_or(Err(Trouble::Response));
        self.session.set_read_timeout(Some(SILENCE));
        head
    }

    /// What the provider said while the request was being sent, which broke off with `trouble`.
    ///
    /// # Errors
    ///
    /// `trouble`, when it said nothing.
    pub async fn early_head(&mut self, trouble: Trouble) -> Result<(StatusCode, HeaderMap), Trouble> {
        self.until = Instant::now() + REST;
        match timeout(EARLY, self.any_head()).await {
            Ok(Ok(head)) => Ok(head),
            Ok(Err(_)) | Err(_) => Err(trouble),
        }
    }

    async fn any_head(&mut self) -> Result<(StatusCode, HeaderMap), Trouble> {
        let mut interim = 0;
        loop {
            self.session.read_response_header().await.map_err(|error| forward::meaning(&error.into_up(), false))?;
            let head = self.session.response_header().ok_or(Trouble::Empty)?;
            if head.status == StatusCode::SWITCHING_PROTOCOLS {
                answer_head::unasked_upgrade()?;
            }
            answer_head::sound(head)?;
            if !head.status.is_informational() {
                return Ok((head.status, head.headers.clone()));
            }
            answer_head::interim(&mut interim)?;
        }
    }

    /// The next piece of the answer; `None`: it is whole.
    ///
    /// # Errors
    ///
    /// When it breaks off, or stays away for a minute.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Trouble> {
        self.session.read_response_body().await.map_err(|error| forward::meaning(&error.into_up(), true))
    }

    /// The whole answer, of `most` bytes at most.
    ///
    /// # Errors
    ///
    /// As [`Self::piece`], and for an answer that is longer, or takes longer.
    pub async fn whole(&mut self, most: usize) -> Result<Bytes, Trouble> {
        timeout_at(self.until, self.all(most)).await.unwrap_or(Err(Trouble::Response))
    }

    async fn all(&mut self, most: usize) -> Result<Bytes, Trouble> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.piece().await? {
            if piece.len() > most - whole.len() {
                return Err(Trouble::Garbage(format!("an answer of more than {most} bytes")));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

/// Checks that the answer is a file as it is, before the client learns that there is one.
///
/// # Errors
///
/// [`Trouble::Garbage`]: for a part of it, for another success, for one that is coded.
pub fn is_file(status: StatusCode, headers: &HeaderMap) -> Result<(), Trouble> {
    if status != StatusCode::OK {
        return Err(Trouble::Garbage(format!("status {} for a file", status.as_u16())));
    }
    if refusal::is_compressed(headers) {
        return Err(Trouble::Garbage("a compressed answer".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
#[path = "upstream_tests.rs"]
mod tests;
