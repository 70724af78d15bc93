//! Realtime sessions over websockets: <https://platform.openai.com/docs/guides/realtime-websocket>, with the events of
//! <https://platform.openai.com/docs/api-reference/realtime-server-events>.
//!
//! A response is made when `response.create` asks for one: speech is not detected. Clients of the beta (the header
//! `openai-beta: realtime=v1`, or its subprotocol) get the beta's names of events.

mod playing;
mod session;

use super::{
    auth::protocol_key,
    knobs::Knobs,
    record::{Outcome, Visit},
    refusal::Refusal,
    server::Owned,
    stream::Reply,
    target::decoded,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use hyper::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use hyper::http::request::Parts;
use hyper::rt::Executor;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use playing::Out;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use session::Session;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

/// A socket that was asked for.
pub(super) struct Talk {
    /// As asked for, with its suffix, until that is taken off.
    pub model: String,
    accept: HeaderValue,
    protocol: bool,
    beta: bool,
    upgrade: OnUpgrade,
}

/// What <https://www.rfc-editor.org/rfc/rfc6455> adds to the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Reads the handshake.
///
/// # Errors
///
/// When it is none, or names no model.
pub(super) fn asked(head: &mut Parts) -> Result<Talk, Refusal> {
    let has = |name: &str, wanted: &str| {
        let given = head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        given.split(',').any(|part| part.trim().eq_ignore_ascii_case(wanted))
    };
    let key = head.headers.get("sec-websocket-key").cloned();
    let good = has("upgrade", "websocket") && has("connection", "upgrade") && has("sec-websocket-version", "13");
    let (true, Some(key), true) = (good, key, head.version == Version::HTTP_11) else {
        return Err(Refusal::bad("You must use a websocket to reach the realtime API.", None));
    };
    let query = head.uri.query().unwrap_or_default();
    let model = query.split('&').find_map(|pair| pair.strip_prefix("model=")).and_then(decoded).unwrap_or_default();
    if model.is_empty() {
        return Err(Refusal {
            code: Some("missing_model"),
            ..Refusal::bad("You must provide a model parameter.", None)
        });
    }
    let model = model.into_owned();
    let beta = head.headers.get("openai-beta").is_some_and(|beta| beta == "realtime=v1")
        || offers(&head.headers, "openai-beta.realtime-v1");
    let protocol = offers(&head.headers, "realtime") || protocol_key(&head.headers).is_some();
    let mut text = key.as_bytes().to_vec();
    text.extend(GUID);
    let accept = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &text));
    let accept = HeaderValue::try_from(accept).expect("base64 is a header's value");
    let upgrade = head.extensions.remove::<OnUpgrade>();
    let upgrade = upgrade.ok_or_else(|| Refusal::bad("This connection cannot be upgraded.", None))?;
    Ok(Talk { model, accept, protocol, beta, upgrade })
}

fn offers(headers: &HeaderMap, wanted: &str) -> bool {
    let offered = headers.get("sec-websocket-protocol").and_then(|value| value.to_str().ok()).unwrap_or_default();
    offered.split(',').any(|protocol| protocol.trim() == wanted)
}

impl Talk {
    /// The answer to the handshake; the session goes on by itself.
    pub fn begin(self, number: u64, knobs: Arc<Knobs>, visit: Visit, sessions: &Owned) -> Response<Reply> {
        let mut response = Response::new(Reply::Page(Bytes::new()));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert("sec-websocket-accept", self.accept);
        if self.protocol {
            headers.insert("sec-websocket-protocol", HeaderValue::from_static("realtime"));
        }
        let session = Session::new(number, self.model, self.beta, knobs);
        let upgrade = self.upgrade;
        sessions.execute(async move {
            if let Ok(socket) = upgrade.await {
                talk(socket, session, visit).await;
            }
        });
        response
    }
}

async fn talk(socket: Upgraded, mut session: Session, mut visit: Visit) {
    visit.streams();
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(socket), Role::Server, None).await;
    let mut queue: VecDeque<Out> = VecDeque::from([session.created()]);
    let mut last = Instant::now();
    loop {
        let due = last + queue.front().map(Out::wait).unwrap_or_default();
        tokio::select! {
            heard = socket.next() => match heard {
                Some(Ok(Message::Text(text))) => session.hear(&text, &mut queue),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Binary(_))) => queue.push_back(session.error("invalid_event", "Events are text.", None)),
                // With the connection gone the client has left, in its way.
                Some(Ok(Message::Close(_))) => break visit.end(Outcome::Completed),
                Some(Err(_)) | None => break,
            },
            () = sleep_until(due), if !queue.is_empty() => {
                last = Instant::now();
                match queue.pop_front() {
                    Some(Out::Say { event, billed, .. }) => {
                        let text = event.to_string();
                        visit.sent_bytes(text.len());
                        if let Some(billed) = billed {
                            visit.billed(&billed);
                            visit.sent(billed.sent.saturating_add(billed.audio_output));
                            if session.reports() {
                                visit.reported(&billed);
                            }
                        }
                        if socket.send(Message::text(text)).await.is_err() {
                            break;
                        }
                    }
                    Some(Out::Stall) => queue.clear(),
                    Some(Out::Cut) => break visit.end(Outcome::Broken),
                    None => {}
                }
            }
        }
    }
}
