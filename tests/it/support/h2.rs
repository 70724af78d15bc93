//! HTTP/2 frame by frame, for both sides: windows that are not granted, resets, headers that end the stream.

use super::head::Head;
use super::script::{Script, Step};
use super::upstream::{Board, Recorded, Wire};
use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use std::future::poll_fn;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The window of an upstream that takes what comes.
pub const WINDOW: u32 = 1 << 20;

/// One connection of a scripted upstream. With a `window` below [`WINDOW`] no more than that is ever let through.
pub async fn serve(wire: Wire, board: &Arc<Board>, connection: usize, window: u32) {
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(window).initial_connection_window_size(window.max(65_535));
    let Ok(mut server) = builder.handshake::<_, Bytes>(wire).await else { return };
    let mut streams = JoinSet::new();
    while let Some(Ok((request, respond))) = server.accept().await {
        let board = Arc::clone(board);
        streams.spawn(async move { answer(request, respond, &board, connection, window).await });
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    board: &Board,
    connection: usize,
    window: u32,
) {
    let (parts, mut body) = request.into_parts();
    let mut recorded = board.begin(connection, head_of(&parts));
    let script = board.choose();
    if !script.as_ref().is_some_and(|script| script.early) {
        let read = tokio::select! {
            read = read_body(&mut body, window == WINDOW, &mut recorded) => read,
            _ = poll_fn(|cx| respond.poll_reset(cx)) => None,
        };
        if read.is_none() {
            recorded.gone = Some(Instant::now());
        }
        board.update(&recorded);
        if read.is_none() {
            return;
        }
    }
    let script = script.unwrap_or_else(|| board.decide(&recorded));
    if play(&mut respond, script).await.is_none() {
        recorded.gone = Some(Instant::now());
        board.update(&recorded);
    }
}

fn head_of(parts: &http::request::Parts) -> Head {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let line = format!("{} {path} HTTP/2", parts.method);
    let host = parts.uri.authority().map(|authority| ("host".to_owned(), authority.to_string()));
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let fields = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
    Head { line, fields: host.into_iter().chain(fields).collect() }
}

async fn read_body(body: &mut RecvStream, grants: bool, recorded: &mut Recorded) -> Option<()> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece.ok()?;
        if grants {
            body.flow_control().release_capacity(piece.len()).ok()?;
        }
        bytes.extend_from_slice(&piece);
    }
    recorded.body = bytes.freeze();
    recorded.whole = true;
    Some(())
}

/// Plays one script; `None` means that the other side had gone.
async fn play(respond: &mut SendResponse<Bytes>, script: Script) -> Option<()> {
    let mut stream: Option<SendStream<Bytes>> = None;
    let mut steps = script.steps.into_iter().peekable();
    while let Some(step) = steps.next() {
        match step {
            Step::Head(status, fields) if status < 200 => {
                let mut head = Response::builder().status(status);
                for (name, value) in fields {
                    head = head.header(name, value);
                }
                respond.send_informational(head.body(()).expect("the script's head is valid")).ok()?;
            }
            Step::Head(status, fields) => {
                let mut head = Response::builder().status(status);
                for (name, value) in fields {
                    head = head.header(name, value);
                }
                let last = matches!(steps.peek(), Some(Step::End));
                let head = head.body(()).expect("the script's head is valid");
                stream = Some(respond.send_response(head, last).ok()?);
                if last {
                    steps.next();
                }
            }
            Step::Body(piece) => send(stream.as_mut()?, piece).await?,
            Step::Bytewise(piece) => {
                for at in 0..piece.len() {
                    send(stream.as_mut()?, piece.slice(at..at + 1)).await?;
                }
            }
            Step::End | Step::Close => {
                if let Some(stream) = &mut stream {
                    stream.send_data(Bytes::new(), true).ok()?;
                }
            }
            Step::Trailers(fields) => stream.as_mut()?.send_trailers(trailers(fields)).ok()?,
            Step::Raw(_) => panic!("HTTP/2 has no raw bytes"),
            Step::Wait(gate) => tokio::select! {
                () = gate.opened() => {}
                () = reset(respond, stream.as_mut()) => return None,
            },
            Step::Stall => {
                reset(respond, stream.as_mut()).await;
                return None;
            }
            Step::Reset => match &mut stream {
                Some(stream) => stream.send_reset(Reason::INTERNAL_ERROR),
                None => respond.send_reset(Reason::REFUSED_STREAM),
            },
        }
    }
    Some(())
}

/// Waits until the other side resets the stream or the connection is gone.
async fn reset(respond: &mut SendResponse<Bytes>, stream: Option<&mut SendStream<Bytes>>) {
    let reset = match stream {
        Some(stream) => poll_fn(|cx| stream.poll_reset(cx)).await,
        None => poll_fn(|cx| respond.poll_reset(cx)).await,
    };
    drop(reset);
}

fn trailers(fields: Vec<(String, String)>) -> HeaderMap {
    let field = |(name, value): (String, String)| {
        let name: HeaderName = name.parse().expect("the script's trailer is valid");
        (name, HeaderValue::from_str(&value).expect("the script's trailer is valid"))
    };
    fields.into_iter().map(field).collect()
}

/// Sends `piece` as the window allows; `None` when the other side is gone.
pub async fn send(stream: &mut SendStream<Bytes>, mut piece: Bytes) -> Option<()> {
    while !piece.is_empty() {
        stream.reserve_capacity(piece.len());
        let granted = poll_fn(|cx| stream.poll_capacity(cx)).await?.ok()?;
        let slice = piece.split_to(granted.min(piece.len()));
        if !slice.is_empty() {
            stream.send_data(slice, false).ok()?;
        }
    }
    Some(())
}
