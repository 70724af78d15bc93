//! A session of OpenAI's Realtime API as a lane: a websocket that passes byte for byte, is read as it passes, and ended when
//! it may not go on.

use super::Lane;
use super::handshake::Handshake;
use super::leash::{Holder, Leashed};
use super::session::{Begun, Live};
use crate::{
    model::Api,
    proxy::{
        answer_head, edge,
        exchange::Opened,
        forward,
        gateway::Services,
        refusal,
        reject::Reject,
        replay::{TROUBLE, trouble_error},
        respond,
        trouble::Trouble,
    },
    routing::Resolver,
};
use async_trait::async_trait;
use bytes::Bytes;
use http::header::HeaderValue;
use http::{HeaderMap, Method, StatusCode, Version, header::HOST};
use parking_lot::Mutex;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::l4::ext::TcpKeepalive;
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// A dead provider is found by TCP within a minute and a half, however silent the session is.
const KEEPALIVE: TcpKeepalive = TcpKeepalive {
    idle: Duration::from_secs(30),
    interval: Duration::from_secs(15),
    count: 4,
    user_timeout: Duration::ZERO,
};

/// A session.
pub struct Realtime {
    /// Shared with the connection to the provider, which asks whether it is over. Both run in one task: never contended.
    live: Arc<Mutex<Live>>,
    handshake: Handshake,
    /// What the gateway itself refuses after admission.
    refused: Option<Reject>,
    status: u16,
    code: Option<&'static str>,
}

impl Holder for Mutex<Live> {
    fn is_over(&self) -> bool {
        self.lock().is_over()
    }

    fn holds_back(&self) -> bool {
        std::mem::take(&mut self.lock().head_written)
    }
}

impl Realtime {
    /// A session that was admitted; `overhead` is what the gateway itself spent so far.
    pub fn new(opened: Opened, handshake: Handshake, services: Arc<Services>, overhead: Duration) -> Self {
        let live = Arc::new(Mutex::new(Live::new(opened, services, overhead)));
        Self { live, handshake, refused: None, status: 0, code: None }
    }

    fn troubled(&self, trouble: Trouble) -> Box<Error> {
        let error = trouble_error(&trouble).into_up();
        self.live.lock().found = Some(trouble);
        error
    }

    /// The header of the client's answer.
    fn accepted(&self, theirs: &HeaderMap) -> Result<ResponseHeader, Trouble> {
        let mut header = HeaderMap::with_capacity(12);
        self.handshake.answer(theirs, &mut header).map_err(|why| Trouble::Garbage(why.to_owned()))?;
        let live = self.live.lock();
        let label = live.target().ok_or(Trouble::Internal("no target".to_owned()))?.label.clone();
        let about = (&label, live.sums.attempts());
        let built = respond::upgraded(&header, &live.opened.arrival, about, &live.shares(), &live.warnings());
        built.map_err(|error| Trouble::Internal(error.etype().as_str().to_owned()))
    }
}

#[async_trait]
impl Lane for Realtime {
    async fn peer(&mut self, resolver: &Resolver) -> Result<Box<HttpPeer>> {
        loop {
            let begun = self.live.lock().begin_next();
            let target = match begun {
                Ok(Begun::At(target)) => target,
                // That the client left is seen before anything is sent (`connected`).
                Ok(Begun::Rest(until)) => {
                    let begun = Instant::now();
                    sleep_until(until).await;
                    self.live.lock().rested(begun.elapsed());
                    continue;
                }
                Ok(Begun::Over) => return Err(Error::explain(TROUBLE, "every candidate was tried")),
                Err(reject) => {
                    let error = Error::explain(TROUBLE, reject.code());
                    self.refused = Some(reject);
                    return Err(error);
                }
            };
            let (host, port) = target.next_hop();
            match resolver.resolve(host, port).await {
                Ok(address) => {
                    // Fresh, and never used again: a websocket ends with its connection.
                    let mut peer = target.peer(address, true);
                    let holder: Arc<dyn Holder> = Arc::clone(&self.live) as _;
                    let options = &mut peer.options;
                    let leashed = Leashed::new(holder, target.timeouts.connect, target.tunnel());
                    options.custom_l4 = Some(Arc::new(leashed));
                    options.set_http_version(1, 1);
                    // The session's own clocks decide (`Live::is_over`).
                    options.read_timeout = None;
                    options.tcp_keepalive = Some(KEEPALIVE);
                    return Ok(Box::new(peer));
                }
                Err(error) => {
                    tracing::warn!(provider = %target.provider_name, %host, error = %error.source, "unresolved");
                    if !self.live.lock().attempt_failed(Trouble::Unresolved) {
                        return Err(Error::explain(TROUBLE, "no other candidate is tried"));
                    }
                }
            }
        }
    }

    async fn connected(&mut self, session: &mut Session) -> Result<()> {
        let durable = self.live.lock().connected();
        if let Some(durable) = durable
            && let Err(error) = durable.await
        {
            self.refused = Some(Reject::LedgerUnavailable);
            return Err(Error::because(ErrorType::InternalError, "the attempt's row is not durable", error));
        }
        // How long the client may be silent is the session's to say.
        session.as_downstream_mut().set_read_timeout(None);
        session.as_downstream_mut().set_ignore_info_resp(true); // all but a 101
        match futures::FutureExt::now_or_never(session.downstream_session.read_body_or_idle(true)) {
            Some(Err(gone)) => Err(gone.into_down()),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    fn request_head(&mut self, client: &HeaderMap, head: &mut RequestHeader) -> Result<()> {
        let live = self.live.lock();
        let Some(target) = live.target() else { return Err(Error::new(ErrorType::InternalError)) };
        let bad = |_| Error::new(ErrorType::InvalidHTTPHeader);
        let mut headers = HeaderMap::with_capacity(12);
        headers.insert(HOST, HeaderValue::from_str(&target.provider.endpoint().authority).map_err(bad)?);
        target.provider.headers(Api::Realtime, client, &mut headers);
        self.handshake.write(&mut headers);
        let path = target.provider.path(Api::Realtime, &target.model, true);
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.method = Method::GET;
        parts.version = Version::HTTP_11;
        parts.headers = headers;
        parts.uri = path.parse().map_err(|_| Error::new(ErrorType::InvalidHTTPHeader))?;
        target.provider.sign(&mut parts, &[], live.now_us()).map_err(|fault| {
            tracing::error!(provider = %target.provider_name, %fault, "a request cannot be signed");
            Error::explain(TROUBLE, "the request cannot be signed")
        })?;
        *head = RequestHeader::from(parts);
        drop(live);
        self.live.lock().head_written = true;
        Ok(())
    }

    fn answer_head(&mut self, head: &mut ResponseHeader) -> Result<()> {
        if let Err(trouble) = answer_head::sound(head) {
            return Err(self.troubled(trouble));
        }
        if head.status != StatusCode::SWITCHING_PROTOCOLS {
            // The second of two heads is the answer. The client gets none of the first: see `connected`.
            if head.status.is_informational() {
                let counted = answer_head::interim(&mut self.live.lock().interim);
                counted.map_err(|trouble| self.troubled(trouble))?;
                // A 100 would pass where the client asked for one.
                *head = ResponseHeader::build(StatusCode::EARLY_HINTS, None)?;
                return Ok(());
            }
            return Err(self.troubled(refusal::status(head.status.as_u16(), &head.headers)));
        }
        // Pingora takes only this version for an upgrade, and the two sides must agree.
        if head.version != Version::HTTP_11 {
            return Err(self.troubled(Trouble::Garbage("a handshake over another version of HTTP".to_owned())));
        }
        match self.accepted(&head.headers) {
            Ok(header) => {
                *head = header;
                self.live.lock().upgraded();
                edge::upgraded();
                Ok(())
            }
            Err(trouble) => Err(self.troubled(trouble)),
        }
    }

    fn up(&mut self, piece: &mut Option<Bytes>) {
        self.live.lock().up(piece);
    }

    fn down(&mut self, piece: &mut Option<Bytes>, end: bool) {
        self.live.lock().down(piece, end);
    }

    fn failed(&mut self, error: &Error) -> bool {
        let mut live = self.live.lock();
        let trouble = live.found.take().unwrap_or_else(|| forward::meaning(error, live.is_upgraded()));
        live.failed(trouble)
    }

    async fn tell(&mut self, session: &mut Session) -> u16 {
        let (frames, gone, upgraded, reject, arrival, shares) = {
            let live = self.live.lock();
            let reject = self.refused.clone().unwrap_or_else(|| live.verdict());
            let upgraded = live.is_upgraded();
            (live.last_words(), live.client_gone(), upgraded, reject, live.opened.arrival.clone(), live.shares())
        };
        if upgraded {
            if let Some(frames) = frames {
                respond::end_upgraded(session, frames).await;
            }
            return StatusCode::SWITCHING_PROTOCOLS.as_u16();
        }
        if gone {
            return 0;
        }
        self.code = Some(reject.code());
        match respond::reject(session, &arrival, Api::Realtime.dialect(), &reject, &shares).await {
            Ok(bytes) => {
                self.status = reject.status();
                self.live.lock().refused(reject.code(), bytes);
            }
            Err(error) => tracing::debug!(%error, "the client left before its answer"),
        }
        self.status
    }

    fn conclude(&mut self) {
        self.live.lock().conclude(self.status, self.code);
    }
}
