//! The life of a request on Pingora. The hooks stand in the order in which a request meets them.
//!
//! `request_filter` opens an exchange and swaps the client's session for a replay session; then, once per attempt,
//! `upstream_peer` takes the next candidate and journals it, `upstream_request_filter` writes its head,
//! `upstream_response_filter` judges the answer's head and `response_body_filter` scans and meters its body.
//! `error_while_proxy` and `fail_to_connect` decide whether the next candidate is tried; `fail_to_proxy` tells the
//! client; `logging` records. Nothing here knows a provider's wire format.

mod accept;
mod admission;
mod answer_head;
mod attempt;
mod beside;
mod bound;
mod bounds;
mod cached;
mod candidate;
mod client;
mod counting;
mod course;
pub mod edge;
mod evidence;
mod exchange;
mod files;
mod explain;
mod finish;
mod forward;
mod front;
mod gateway;
mod generating;
mod given;
mod governed;
mod guarded;
mod guard_views;
mod keeping;
mod kept;
mod lane;
mod metadata;
mod mirror;
mod learned;
mod listener;
mod live;
mod opaque;
mod open;
mod outgoing;
mod pace;
mod preamble;
mod probing;
mod purse;
mod reading;
mod refusal;
mod reject;
mod replay;
mod respond;
mod routes;
mod retrieve;
mod rows;
mod stage;
mod stream;
mod tail;
mod tally;
mod target;
mod tell;
mod trace_context;
mod translate;
mod trouble;
mod tunnel;
mod unpriced;
mod uplink;
mod used;
mod vigil;
mod waiting;
mod views;
#[cfg(test)]
mod matrix_tests;
#[cfg(test)]
mod retrieval_tests;
#[cfg(test)]
mod staging;

use crate::config::Server;
use crate::routing::Resolver;
pub use crate::routing::Standings;
pub use admission::Admission;
use async_trait::async_trait;
pub use bound::{Bound, Maker, Terms, Unbounded, bound, bound_on, passes_cap};
pub use bounds::Buffers;
use bytes::Bytes;
pub use cached::Embedder;
pub use client::client;
pub use edge::Edge;
use exchange::{Arrival, Exchange};
pub use explain::Explainer;
pub use files::{Files, Watch};
use finish::Local;
use forward::NoPeer;
pub use front::{Front, Listener, Unproven};
pub use gateway::{Bounds, Lasting, Services, Snapshot};
pub use generating::{Generated, Generator};
pub use keeping::Keeping;
pub use learned::Learned;
pub use listener::light_listener;
pub use live::Live;
pub use mirror::{MirrorRunner, Mirrors};
use open::Opening;
use parking_lot::Mutex;
use pingora::apps::HttpServerOptions;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, HttpProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::{HttpPeer, Peer as _};
use pingora::{Error, ErrorSource, ErrorType, Result};
pub use preamble::{NoPreamble, Preamble, PreambleReader};
pub use probing::Probing;
use reject::{Fault, Reject};
use replay::{TROUBLE, trouble_error};
use stage::{Open, Stage};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
pub use target::Target;
use trouble::Trouble;

/// The data plane.
pub struct Gateway {
    services: Arc<Services>,
    live: Arc<Live>,
    resolver: Resolver,
    ready: Arc<AtomicBool>,
}

impl Gateway {
    /// Serves the snapshot that is `live` with `services`; `ready` is what `/readyz` answers.
    pub fn new(services: Arc<Services>, live: Arc<Live>, ready: Arc<AtomicBool>) -> Self {
        Self { services, live, resolver: Resolver::default(), ready }
    }

    /// Answers, or opens an exchange; a refusal is told and recorded here.
    async fn admit(&self, session: &mut Session, arrival: Arrival) -> Result<Option<Stage>> {
        let mut opening = Opening { gateway: self, arrival: &arrival, snapshot: self.live.load() };
        let mut local = Local::default();
        let dialect = accept::dialect_of(session.req_header().uri.path(), &session.req_header().headers);
        let answered = match opening.run(session, &mut local).await {
            Ok(open::Next::Forward(opened, overhead)) => {
                let mut exchange = Exchange::new(*opened, Arc::clone(&self.services), overhead);
                exchange.record.content = local.content.take();
                exchange.record.cached = std::mem::take(&mut local.cached);
                let shared = Arc::new(Mutex::new(exchange));
                let parked = replay::swap_in(session, Arc::clone(&shared));
                let open = Open { shared, parked, refused: None, status: 0, code: None };
                return Ok(Some(Stage::Open(Box::new(open))));
            }
            Ok(open::Next::Lane(lane)) => return Ok(Some(Stage::Lane(lane))),
            Ok(open::Next::Answer(status, body)) => {
                let shares = local.shares(&self.services.limits);
                respond::whole(session, &arrival, dialect, (status, None, body), None, &shares)
                    .await
                    .map(|bytes| (status, bytes))
            }
            Ok(open::Next::Tokens(counted)) => {
                let shares = local.shares(&self.services.limits);
                let origin = Some(counted.origin.name());
                respond::whole(session, &arrival, dialect, (200, None, counted.body()), origin, &shares)
                    .await
                    .map(|bytes| (200, bytes))
            }
            Ok(open::Next::Hit(hit)) => hit.give(session, &arrival, &mut local, &self.services).await,
            Ok(open::Next::Ended { status, bytes, code }) => {
                (local.code, local.bytes_out) = (code, bytes);
                finish::conclude_local(&self.services, &opening.snapshot, &arrival, status, local);
                // What breaks off must not look whole: the connection is closed instead of being ended properly.
                return match code {
                    Some(code) => Err(Error::explain(ErrorType::ConnectionClosed, code).into_down()),
                    None => Ok(None),
                };
            }
            Err(reject) => {
                local.code = Some(reject.code());
                if reject.fault() == Fault::Gateway {
                    tracing::warn!(code = reject.code(), "a request was refused for want of the gateway's own means");
                }
                let shares = local.shares(&self.services.limits);
                respond::reject(session, &arrival, dialect, &reject, &shares)
                    .await
                    .map(|bytes| (reject.status(), bytes))
            }
        };
        let (status, bytes_out) = answered.unwrap_or_else(|error| {
            tracing::debug!(%error, "the client left before its answer");
            (499, 0)
        });
        local.bytes_out = bytes_out;
        finish::conclude_local(&self.services, &opening.snapshot, &arrival, status, local);
        Ok(None)
    }
}

/// Pingora's proxy around `gateway`: h2c beside HTTP/1.1 on clear listeners, connections as `server` bounds them.
pub fn build(gateway: Gateway, conf: &Arc<ServerConf>, server: &Server) -> HttpProxy<Gateway> {
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    options.h2_idle_timeout = Some(server.h2_idle_timeout);
    // Pingora counts how often a connection may be used *again*.
    options.keepalive_request_limit = server.max_requests_per_connection.checked_sub(1);
    // Not to proxy them: Pingora would refuse them without a body, `accept::plain` tells why.
    options.allow_connect_method_proxying = true;
    let mut proxy = HttpProxy::new(gateway, Arc::clone(conf));
    proxy.server_options = Some(options);
    proxy.h2_options = Some(front::h2_options(server.max_h2_streams.get()));
    proxy.handle_init_modules();
    proxy
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Stage;

    fn new_ctx(&self) -> Self::CTX {
        Stage::New(None)
    }

    /// None: a module would see answers that are thrown away (trap 11).
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, stage: &mut Stage) -> Result<()> {
        edge::head_was_read();
        if session.is_http2()
            && let Some(client) = session.digest().and_then(|digest| digest.socket_digest.as_ref())
        {
            self.services.unproven.remove(client);
        }
        // Pingora resets it to "for ever" after each request.
        // What it switched off (HTTP/1.0, `connection: close`) stays off.
        let keep = session.get_keepalive().filter(|_| !session.is_process_shutting_down());
        session.set_keepalive(keep.map(|_| self.services.bounds.keepalive.as_secs()));
        session.as_downstream_mut().set_write_timeout(Some(respond::CLIENT_WRITE));
        *stage = Stage::New(Some(open::arrive(&self.services, session)));
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, stage: &mut Stage) -> Result<bool> {
        let Stage::New(Some(arrival)) = std::mem::replace(stage, Stage::Done) else {
            return Err(Error::explain(ErrorType::InternalError, "a request without its arrival"));
        };
        match self.admit(session, arrival).await? {
            Some(next) => {
                *stage = next;
                Ok(false)
            }
            None => Ok(true),
        }
    }

    async fn upstream_peer(&self, session: &mut Session, stage: &mut Stage) -> Result<Box<HttpPeer>> {
        if let Some(lane) = stage.lane() {
            return lane.peer(&self.resolver).await;
        }
        let Stage::Open(open) = stage else {
            return Err(Error::explain(ErrorType::InternalError, "no exchange is open"));
        };
        match forward::next_peer(Some(session), &open.shared, &self.resolver).await {
            Ok(peer) => Ok(Box::new(peer)),
            Err(NoPeer::Exhausted) => Err(Error::explain(TROUBLE, "every candidate was tried")),
            Err(NoPeer::Refused(reject)) => {
                let error = Error::explain(TROUBLE, reject.code());
                open.refused = Some(reject);
                Err(error)
            }
        }
    }

    /// The client's leaving is not seen while a connection is made (trap 12): it is looked for once before anything
    /// is sent.
    async fn connected_to_upstream(
        &self,
        session: &mut Session,
        _reused: bool,
        _peer: &HttpPeer,
        _fd: std::os::unix::io::RawFd,
        _digest: Option<&Digest>,
        stage: &mut Stage,
    ) -> Result<()> {
        if let Some(lane) = stage.lane() {
            return lane.connected(session).await;
        }
        let row_is_durable = {
            let mut exchange = stage.shared()?.lock();
            // `send` begins here; a body that was handed out before on a dead connection is rewound.
            exchange.attempt_mut().and_then(|attempt| {
                attempt.connected(false);
                attempt.durable()
            })
        };
        if let (Some(durable), Stage::Open(open)) = (row_is_durable, &mut *stage)
            && let Err(error) = durable.await
        {
            open.refused = Some(Reject::LedgerUnavailable);
            return Err(Error::because(ErrorType::InternalError, "the attempt's row is not durable", error));
        }
        match futures::FutureExt::now_or_never(session.downstream_session.read_body_or_idle(true)) {
            Some(Err(gone)) => Err(gone.into_down()),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        head: &mut RequestHeader,
        stage: &mut Stage,
    ) -> Result<()> {
        if let Some(lane) = stage.lane() {
            return lane.request_head(&session.req_header().headers, head);
        }
        let mut exchange = stage.shared()?.lock();
        forward::write_head(&mut exchange, &session.req_header().headers, head)
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end_of_stream: bool,
        stage: &mut Stage,
    ) -> Result<()> {
        if let Some(lane) = stage.lane() {
            lane.up(body);
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        head: &mut ResponseHeader,
        stage: &mut Stage,
    ) -> Result<()> {
        if let Some(lane) = stage.lane() {
            return lane.answer_head(head);
        }
        let mut exchange = stage.shared()?.lock();
        forward::head_of(&mut exchange, head).map_err(|trouble| {
            let error = trouble_error(&trouble).into_up();
            exchange.found(trouble);
            error
        })
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        stage: &mut Stage,
    ) -> Result<Option<Duration>> {
        if let Some(lane) = stage.lane() {
            lane.down(body, end_of_stream);
            return Ok(None);
        }
        let mut exchange = stage.shared()?.lock();
        let piece = body.take().unwrap_or_default();
        let released = exchange.piece(piece).and_then(|bytes| {
            if !end_of_stream {
                return Ok(bytes);
            }
            let last = exchange.end()?;
            Ok(if bytes.is_empty() { last } else { [bytes, last].concat().into() })
        });
        match released {
            Ok(bytes) => {
                *body = Some(bytes);
                Ok(None)
            }
            Err(trouble) => {
                let error = trouble_error(&trouble).into_up();
                exchange.found(trouble);
                Err(error)
            }
        }
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        peer: &HttpPeer,
        stage: &mut Stage,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let address = peer.address().as_inet().copied();
        if let (Some(address), true) = (address, forward::is_unreachable(&error, peer)) {
            self.resolver.avoid(address);
        }
        if let Some(lane) = stage.lane() {
            error.set_retry(lane.failed(&error));
            return error;
        }
        let Ok(shared) = stage.shared() else { return error };
        let mut exchange = shared.lock();
        if forward::detour(&error, peer, &mut exchange, &self.resolver) {
            error.set_retry(true);
            return error;
        }
        let trouble = forward::trouble_of(&error, &exchange);
        error.set_retry(exchange.failed(trouble));
        error
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        _session: &mut Session,
        mut error: Box<Error>,
        stage: &mut Stage,
        client_reused: bool,
    ) -> Box<Error> {
        if let Some(lane) = stage.lane() {
            error.set_retry(lane.failed(&error));
            return error;
        }
        let Ok(shared) = stage.shared() else { return error };
        let mut exchange = shared.lock();
        let found = exchange.take_found();
        if client_reused && forward::is_stale(&error, found.as_ref(), &exchange) {
            if let Some(attempt) = exchange.attempt_mut() {
                attempt.fresh = true;
            }
            error.set_retry(true);
            return error;
        }
        let trouble = found.unwrap_or_else(|| forward::trouble_of(&error, &exchange));
        error.set_retry(exchange.failed(trouble));
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, stage: &mut Stage) -> FailToProxy {
        let none = FailToProxy { error_code: 0, can_reuse_downstream: false };
        if let Some(lane) = stage.lane() {
            session.set_keepalive(None);
            return FailToProxy { error_code: lane.tell(session).await, ..none };
        }
        let Stage::Open(open) = stage else {
            if *error.esource() != ErrorSource::Downstream {
                tracing::error!(%error, "a request failed before it was admitted");
            }
            return none;
        };
        // The client's own session first: on the swapped one these calls do nothing, or panic later (traps 2 and 8).
        replay::put_back(session, &open.parked).await;
        session.set_keepalive(None);
        open.tell(session).await;
        FailToProxy { error_code: open.status, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, stage: &mut Stage) {
        let mut open = match std::mem::replace(stage, Stage::Done) {
            Stage::Open(open) => open,
            Stage::Lane(mut lane) => return lane.conclude(),
            Stage::New(_) | Stage::Done => return,
        };
        replay::put_back(session, &open.parked).await;
        let mut exchange = open.shared.lock();
        if exchange.attempt().is_some_and(attempt::Attempt::is_open) {
            exchange.failed(Trouble::ClientGone);
        }
        if open.status == 0 {
            open.status = match exchange.attempt() {
                _ if exchange.is_open_early() => 200,
                Some(attempt) if exchange.committed() => attempt.answer.status(),
                _ => 499,
            };
        }
        if open.code.is_none() && exchange.client_gone() {
            open.code = Some("client_gone");
        }
        finish::conclude(&mut exchange, open.code, open.status);
    }

    /// Failures are told once, by the access record and its attempts.
    fn suppress_error_log(&self, _session: &Session, _stage: &Stage, _error: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _stage: &Stage,
        _error: &Error,
        _context: ProxyWarnLogContext,
    ) -> bool {
        true
    }
}

impl Gateway {
    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}
