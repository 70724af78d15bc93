//! Towards the provider: the next candidate, its head, and what Pingora's errors mean.

use super::answer_head;
use super::course::Move;
use super::exchange::{Exchange, Shared};
use super::reject::Reject;
use super::replay::trouble_error;
use super::target::Target;
use super::trace_context;
use super::trouble::Trouble;
use super::tunnel;
use crate::dialect::form;
use crate::model::Api;
use crate::providers::codec::{Codec, Framing};
use crate::routing::Resolver;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};
use std::sync::Arc;
use tokio::time::{Instant, sleep_until};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const SSE: HeaderValue = HeaderValue::from_static("text/event-stream");
const AWS: HeaderValue = HeaderValue::from_static("application/vnd.amazon.eventstream");
const ANY: HeaderValue = HeaderValue::from_static("*/*");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// Why there is no candidate to go to.
pub enum NoPeer {
    /// All were tried; what to tell the client is in the exchange.
    Exhausted,
    /// The gateway itself refuses.
    Refused(Reject),
}

/// Finds the next candidate, journals the attempt and resolves its address. A candidate whose name does not resolve, or for
/// which there are no credentials, is an attempt that failed; the next one is taken (an error from `upstream_peer` passes no
/// retry hook, trap 20). `session`: the client's, which may leave in a pause; none has a copy of a request.
///
/// # Errors
///
/// [`NoPeer`].
pub async fn next_peer(
    mut session: Option<&mut Session>,
    shared: &Shared,
    resolver: &Resolver,
) -> Result<HttpPeer, NoPeer> {
    loop {
        let (target, fresh) = match take_candidate(shared)? {
            Taken::At(target, fresh) => (target, fresh),
            Taken::Rest(until) => {
                rest(session.as_deref_mut(), shared, until).await?;
                continue;
            }
            Taken::Over => return Err(NoPeer::Exhausted),
        };
        let now_us = shared.lock().now_us();
        if let Err(fault) = target.provider.ready(now_us) {
            go_on(shared, Trouble::NoCredentials(fault))?;
            continue;
        }
        let (host, port) = target.next_hop();
        match resolver.resolve(host, port).await {
            Ok(address) => return Ok(target.peer(address, fresh)),
            Err(error) => {
                tracing::warn!(provider = %target.provider_name, %host, error = %error.source, "unresolved");
                go_on(shared, Trouble::Unresolved)?;
            }
        }
    }
}

/// The attempt failed before anything was sent; `Err`: no other one follows.
fn go_on(shared: &Shared, trouble: Trouble) -> Result<(), NoPeer> {
    if shared.lock().failed(trouble) { Ok(()) } else { Err(NoPeer::Exhausted) }
}

/// What came of looking for a candidate.
enum Taken {
    /// Where to go; on a connection that nobody used before.
    At(Arc<Target>, bool),
    /// A pause to this moment.
    Rest(Instant),
    /// There is none.
    Over,
}

/// The candidate to go to: the same again after a dead pooled connection, else the next one.
fn take_candidate(shared: &Shared) -> Result<Taken, NoPeer> {
    let begun = Instant::now();
    let mut exchange = shared.lock();
    if let Some(attempt) = exchange.attempt().filter(|attempt| attempt.fresh && attempt.is_open()) {
        return Ok(Taken::At(Arc::clone(&attempt.target), true));
    }
    let candidate = match exchange.next() {
        Move::Go(candidate) => *candidate,
        Move::Rest(until) => return Ok(Taken::Rest(until)),
        Move::Over => return Ok(Taken::Over),
    };
    let target = Arc::clone(&candidate.target);
    exchange.begin(candidate).map_err(NoPeer::Refused)?;
    exchange.record.overhead += begun.elapsed();
    Ok(Taken::At(target, false))
}

/// Waits before the same target is tried again. Nothing is held meanwhile of budgets and providers' limits, and the client's
/// leaving ends it (trap 12).
async fn rest(session: Option<&mut Session>, shared: &Shared, until: Instant) -> Result<(), NoPeer> {
    let begun = Instant::now();
    let gone = async {
        match session {
            Some(session) => left(session).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = gone => {
            shared.lock().failed(Trouble::ClientGone);
            Err(NoPeer::Exhausted)
        }
        () = sleep_until(until) => {
            shared.lock().rested(begun.elapsed());
            Ok(())
        }
    }
}

/// Resolves when the client left.
async fn left(session: &mut Session) {
    if session.downstream_session.read_body_or_idle(true).await.is_ok() {
        // It sent something: whether it is still there is not seen any more.
        std::future::pending::<()>().await;
    }
}

/// Writes the head for the provider: nothing of the client's but what its provider lets pass (trap 10).
///
/// # Errors
///
/// When the path is no path: a mistake in the configuration that the provider's kind let through. When there is nothing to
/// sign with: then the trouble is kept for the hook that decides about the next target.
pub fn write_head(exchange: &mut Exchange, client: &HeaderMap, head: &mut RequestHeader) -> Result<()> {
    let http2 = head.version == Version::HTTP_2;
    let api = exchange.opened.ask.api;
    let (stream, form) = (exchange.opened.ask.stream, exchange.opened.ask.form);
    // Sound, or a text that is no JSON.
    let unread = api == Api::Speech || api.hears();
    let query = exchange.opened.query.clone();
    let now_us = exchange.now_us();
    let trace = exchange.opened.arrival.trace.clone();
    let number = exchange.record.attempts() + 1;
    let Some(attempt) = exchange.attempt_mut() else { return Err(Error::new(ErrorType::InternalError)) };
    attempt.connected(http2);
    let target = &attempt.target;
    let mut headers = HeaderMap::with_capacity(16);
    let endpoint = target.provider.endpoint();
    let host = HeaderValue::from_str(&endpoint.authority).map_err(|_| Error::new(ErrorType::InvalidHTTPHeader))?;
    headers.insert(header::HOST, host);
    headers.insert(header::CONTENT_TYPE, if form { form_type(client)? } else { JSON });
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(attempt.body_len()));
    let framing = attempt.answer.is_translated().then(|| target.provider.codec().map(Codec::framing)).flatten();
    let events = if framing == Some(Framing::Aws) { AWS } else { SSE };
    let accepted = if unread { ANY } else { JSON };
    headers.insert(header::ACCEPT, if stream { events } else { accepted });
    headers.insert(header::ACCEPT_ENCODING, IDENTITY);
    target.provider.headers(api, client, &mut headers);
    if let Some(trace) = trace.filter(|_| target.uplink.trace_context) {
        trace_context::tell(&trace, number, &mut headers);
    }
    let cut = target.provider.headers_cut(api, client);
    let translated = attempt.answer.is_translated();
    let path = target.path(api, stream, translated);
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = Method::POST;
    parts.version = head.version;
    parts.headers = headers;
    parts.uri = match query.filter(|_| !translated && target.provider.takes_query()) {
        Some(query) => format!("{path}{}{query}", if path.contains('?') { '&' } else { '?' }).parse(),
        None => path.parse(),
    }
    .map_err(|_| Error::new(ErrorType::InvalidHTTPHeader))?;
    if let Err(fault) = target.provider.sign(&mut parts, attempt.body(), now_us) {
        let trouble = Trouble::NoCredentials(fault);
        let error = trouble_error(&trouble);
        exchange.found(trouble);
        return Err(error);
    }
    attempt.leave_out(cut);
    *head = RequestHeader::from(parts);
    Ok(())
}

/// The content type of the client's form: with the boundary that the client chose, by which the form was read, and nothing
/// else of it.
fn form_type(client: &HeaderMap) -> Result<HeaderValue> {
    let invalid = || Error::new(ErrorType::InvalidHTTPHeader);
    let told = client.get(header::CONTENT_TYPE).and_then(|told| told.to_str().ok()).ok_or_else(invalid)?;
    let boundary = form::boundary(told).map_err(|_| invalid())?;
    HeaderValue::from_str(&form::content_type(boundary)).map_err(|_| invalid())
}

/// What an error of Pingora means for the attempt under way.
pub fn trouble_of(error: &Error, exchange: &Exchange) -> Trouble {
    meaning(error, exchange.attempt().is_some_and(|attempt| attempt.answer.begun()))
}

/// What an error of Pingora means; `begun`: an answer was under way.
pub fn meaning(error: &Error, begun: bool) -> Trouble {
    if *error.esource() == ErrorSource::Downstream {
        return Trouble::ClientGone;
    }
    let what = || error.etype().as_str().to_owned();
    if tunnel::is_late(error.etype()) {
        return Trouble::ConnectTimeout;
    }
    if let Some(told) = tunnel::told(error.etype()) {
        return Trouble::Connect(told);
    }
    match error.etype() {
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => Trouble::ConnectTimeout,
        ErrorType::TLSHandshakeFailure
        | ErrorType::InvalidCert
        | ErrorType::HandshakeError
        | ErrorType::TLSWantX509Lookup => Trouble::Tls,
        ErrorType::ConnectRefused => Trouble::Connect("refused".to_owned()),
        ErrorType::ConnectNoRoute => Trouble::Connect("no route".to_owned()),
        ErrorType::ConnectError
        | ErrorType::ConnectProxyFailure
        | ErrorType::BindError
        | ErrorType::AcceptError
        | ErrorType::SocketError => Trouble::Connect(what()),
        ErrorType::WriteTimedout => Trouble::SendTimeout,
        ErrorType::ReadTimedout if begun => Trouble::Idle,
        ErrorType::ReadTimedout => Trouble::Response,
        ErrorType::WriteError if !begun => Trouble::SendBroken(what()),
        ErrorType::InvalidHTTPHeader | ErrorType::H1Error | ErrorType::InvalidH2 | ErrorType::H2Downgrade => {
            Trouble::Garbage(what())
        }
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError | ErrorType::H2Error => {
            Trouble::Broken(what())
        }
        _ if *error.esource() == ErrorSource::Upstream => Trouble::Broken(what()),
        _ => Trouble::Internal(what()),
    }
}

/// Whether the address that `peer` names is at fault for `error`, in which no connection could be made. By a proxy it is the
/// proxy's, which answers for neither a provider's TLS nor what it is asked itself: others are behind it.
pub fn is_unreachable(error: &Error, peer: &HttpPeer) -> bool {
    let kind = error.etype();
    let refused = [ErrorType::ConnectRefused, ErrorType::ConnectNoRoute, ErrorType::ConnectError].contains(kind);
    let late = *kind == ErrorType::ConnectTimedout && peer.options.custom_l4.is_none();
    refused || late || tunnel::is_unreachable(kind)
}

/// Addresses of one target that one attempt may find closed before the next target is tried.
const MOST_DETOURS: u8 = 3;

/// No connection to an address, which is passed over from now on. Returns whether the attempt goes to another address of
/// the same host: where this one was closed at once. After a wait the next target is tried instead.
pub fn detour(error: &Error, peer: &HttpPeer, exchange: &mut Exchange, resolver: &Resolver) -> bool {
    if !is_unreachable(error, peer) {
        return false;
    }
    let Some(attempt) = exchange.attempt_mut().filter(|attempt| attempt.is_open()) else { return false };
    let (host, port) = attempt.target.next_hop();
    let waited = *error.etype() == ErrorType::ConnectTimedout || tunnel::is_late(error.etype());
    if waited || attempt.detours >= MOST_DETOURS || !resolver.knows_other(host, port) {
        return false;
    }
    attempt.detours += 1;
    attempt.fresh = true;
    true
}

/// What is wrong with the head of a provider's answer, whatever its status says.
///
/// # Errors
///
/// The trouble.
pub fn head_of(exchange: &mut Exchange, head: &ResponseHeader) -> Result<(), Trouble> {
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return answer_head::unasked_upgrade();
    }
    answer_head::sound(head)?;
    if head.status.is_informational() {
        let Some(attempt) = exchange.attempt_mut() else { return Ok(()) };
        return answer_head::interim(&mut attempt.interim);
    }
    exchange.head(head.status, &head.headers)
}

/// Whether `error` is what a pooled connection gives that the provider had closed: then the request is sent again
/// to the same target on a fresh connection, once, and it is no failure of the target (trap 1).
///
/// `found`: what the replay session made of the same error, where it saw it first.
pub fn is_stale(error: &Error, found: Option<&Trouble>, exchange: &Exchange) -> bool {
    let untouched =
        exchange.attempt().is_some_and(|attempt| !attempt.answer.begun() && !attempt.fresh && attempt.is_open());
    let dead = match found {
        Some(trouble) => matches!(trouble, Trouble::Broken(_) | Trouble::SendBroken(_)),
        None => {
            *error.esource() != ErrorSource::Downstream
                && matches!(
                    error.etype(),
                    ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError | ErrorType::H2Error
                )
        }
    };
    untouched && dead
}

#[cfg(test)]
mod tests {
    use super::tunnel::Tunnel;
    use super::*;
    use crate::config::EgressProxy;
    use std::time::Duration;

    #[test]
    fn a_proxys_address_is_at_fault_only_where_it_takes_no_connection() {
        let straight = HttpPeer::new("127.0.0.1:1", true, "a".to_owned());
        let mut by_proxy = straight.clone();
        let proxy = EgressProxy { host: "p".into(), port: 1, authorization: None };
        by_proxy.options.custom_l4 = Some(Arc::new(Tunnel::new(&proxy, "a", 443, Duration::from_secs(1))));
        // As Pingora tells of a TLS handshake that takes too long, too.
        let late = Error::new(ErrorType::ConnectTimedout);
        assert!(is_unreachable(&late, &straight) && !is_unreachable(&late, &by_proxy));
        assert!(is_unreachable(&Error::new(tunnel::TCP_TIMED_OUT), &by_proxy));
        assert_eq!(meaning(&Error::new(tunnel::TCP_TIMED_OUT), false), Trouble::ConnectTimeout);
    }

    #[test]
    fn a_form_goes_up_with_its_boundary_and_nothing_else_of_the_clients_content_type() {
        let told = |text: &'static str| {
            let client = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(text))]);
            form_type(&client).map(|kind| kind.to_str().map(str::to_owned).unwrap_or_default())
        };
        let got = told("Multipart/Form-Data; x=1; boundary=a/b; charset=utf-8").expect("a form");
        assert_eq!(got, "multipart/form-data; boundary=\"a/b\"");
        assert!(told("multipart/form-data; boundary=a; boundary*0=b").is_err());
    }
}
