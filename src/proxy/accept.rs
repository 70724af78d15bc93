//! From the socket to a request: strict framing, the path, and the body read once within its own bounds.

use super::bounds::{Buffers, Share};
use super::edge::fields::{self, Speaks};
use super::edge::framing::Framing;
use super::edge::head::HeadLimits;
use super::edge::{self, target};
use super::files::Place;
use super::lane;
use super::pace::{BodyBounds, in_time};
use super::reject::{Reject, shown};
use super::respond;
use crate::model::{Api, Dialect, Draft};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri, Version, header};
use pingora::proxy::Session;
use std::time::Duration;
use tokio::time::Instant;

/// What a path stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Path {
    /// A call that reaches a model.
    Call(Api),
    /// `POST /v1beta/models/{model}:generateContent` or `:streamGenerateContent`, also below `/v1`.
    Generate {
        /// The model that is called.
        model: String,
        /// Whether the answer comes as events.
        stream: bool,
    },
    /// `GET /v1/realtime`, a websocket.
    Session,
    /// Files and batches: `/v1/files…`, `/v1/batches…`
    Kept(Place),
    /// `GET /v1/models`
    Models,
    /// `GET /v1/models/{id}`
    Model(String),
    /// `GET /healthz`
    Health,
    /// `GET /readyz`
    Ready,
}

/// What is known of a request before its body is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// What is asked for.
    pub path: Path,
    /// The shape of errors.
    pub dialect: Dialect,
    /// The declared length, if any.
    pub length: Option<usize>,
    /// The content type of a body that is a form: it names the boundary.
    pub form: Option<String>,
}

/// The dialect in which errors about this head are told: the paths of Anthropic and Google, or their headers on
/// `/v1/models`, which all have.
pub fn dialect_of(path: &str, headers: &HeaderMap) -> Dialect {
    match path {
        "/v1/messages" | "/v1/messages/count_tokens" => Dialect::Anthropic,
        "/v1beta/models" => Dialect::Gemini,
        _ if path.starts_with("/v1beta/models/") => Dialect::Gemini, // nobody else has it
        _ if path.starts_with("/v1/models") => match path.strip_prefix("/v1/models/").and_then(method) {
            Some(_) => Dialect::Gemini,
            None if headers.contains_key("anthropic-version") => Dialect::Anthropic,
            None if headers.contains_key("x-goog-api-key") => Dialect::Gemini,
            None => Dialect::OpenAi,
        },
        _ => Dialect::OpenAi,
    }
}

/// Reads the head: framing, path and method.
///
/// # Errors
///
/// [`Reject::Framing`], [`Reject::NoRoute`] or [`Reject::Method`].
pub fn head(method: &Method, path: &str, version: Version, headers: &HeaderMap) -> Result<Head, Reject> {
    if lane::is_beside(path) {
        return Err(lane::beside(path));
    }
    let length = framing(version, headers, path == lane::PATH).map_err(Reject::Framing)?;
    let dialect = dialect_of(path, headers);
    let no_route = || Reject::NoRoute { method: shown(method.as_str()), path: shown(path) };
    let found = find(path).ok_or_else(no_route)?;
    let call = matches!(found, Path::Call(_) | Path::Generate { .. });
    // A handshake is read with its own rules, and each place of files has methods of its own.
    let session = matches!(found, Path::Session | Path::Kept(_));
    let allow = if call { "POST" } else { "GET" };
    let head_of_get = allow == "GET" && method == Method::HEAD;
    if method.as_str() != allow && !head_of_get && !session {
        return Err(Reject::Method { method: shown(method.as_str()), path: shown(path), allow });
    }
    let form = match &found {
        Path::Call(api) => content(headers, *api).map_err(Reject::Framing)?,
        Path::Generate { .. } => content(headers, Api::Generate).map_err(Reject::Framing)?,
        _ => None,
    };
    Ok(Head { path: found, dialect, length, form })
}

/// What the gate in front of Pingora stopped, and the same rules for heads of HTTP/2, which come as fields.
///
/// # Errors
///
/// [`Reject::Framing`].
pub fn plain(session: &Session, limits: HeadLimits) -> Result<(), Reject> {
    if let Some(fault) = edge::fault() {
        return Err(Reject::Framing(fault));
    }
    let head = session.req_header();
    if head.version != Version::HTTP_2 {
        return Ok(());
    }
    plain_http2(&head.method, &head.uri, &head.headers, limits).map_err(Reject::Framing)
}

fn plain_http2(method: &Method, uri: &Uri, headers: &HeaderMap, limits: HeadLimits) -> Result<(), Framing> {
    // As HTTP/2 counts them (RFC 9113 §6.5.2).
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
    let target = uri.path_and_query().map_or("", PathAndQuery::as_str);
    if bytes + target.len() > limits.bytes {
        return Err(Framing::HeadTooLarge);
    }
    if headers.len() > limits.fields {
        return Err(Framing::TooManyFields);
    }
    let fields = headers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
    let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
    fields::check(Speaks::Http2, method.as_str().as_bytes(), authority, fields)?;
    target::check(target.as_bytes())
}

fn find(path: &str) -> Option<Path> {
    match path {
        "/healthz" => return Some(Path::Health),
        "/readyz" => return Some(Path::Ready),
        lane::PATH => return Some(Path::Session),
        _ => {}
    }
    // Cohere's clients call its second version.
    if path.strip_prefix("/v2/") == Some(Api::Rerank.path()) {
        return Some(Path::Call(Api::Rerank));
    }
    let beta = path.strip_prefix("/v1beta/");
    let below = beta.or_else(|| path.strip_prefix("/v1/"))?;
    if below == "models" {
        return Some(Path::Models);
    }
    if let Some(id) = below.strip_prefix("models/") {
        return model_path(id);
    }
    if let (None, Some(place)) = (beta, Place::find(below)) {
        return Some(Path::Kept(place));
    }
    let named = |api: &Api| api.posted() && beta.is_none() && api.path() == below;
    Api::ALL.into_iter().find(named).map(Path::Call)
}

/// What stands behind `models/`: a name, or a name and what to do with it.
fn model_path(id: &str) -> Option<Path> {
    let Some((model, method)) = method(id) else { return (!id.is_empty()).then(|| Path::Model(unescape(id))) };
    let stream = match method {
        "generateContent" => false,
        "streamGenerateContent" => true,
        _ => return None,
    };
    let model = unescape(model);
    (!model.is_empty()).then_some(Path::Generate { model, stream })
}

/// Parts a model's name from one of Google's methods (<https://ai.google.dev/api/all-methods>); a colon in front of
/// anything else belongs to the name.
fn method(id: &str) -> Option<(&str, &'static str)> {
    const METHODS: [&str; 11] = [
        "generateContent",
        "streamGenerateContent",
        "countTokens",
        "embedContent",
        "batchEmbedContents",
        "asyncBatchEmbedContent",
        "batchGenerateContent",
        "generateAnswer",
        "predict",
        "predictLongRunning",
        "bidiGenerateContent",
    ];
    METHODS.into_iter().find_map(|method| {
        let model = id.strip_suffix(method)?;
        Some((
            model.strip_suffix(':').or_else(|| model.strip_suffix("%3A")).or_else(|| model.strip_suffix("%3a"))?,
            method,
        ))
    })
}

/// Checks how a stream is to be framed: without `alt=sse` Google's is a JSON array, which is not served.
///
/// # Errors
///
/// [`Reject::BadRequest`].
pub fn alt(path: &Path, query: Option<&str>) -> Result<(), Reject> {
    let sse = || query.is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse" || pair == "$alt=sse"));
    if !matches!(path, Path::Generate { stream: true, .. }) || sse() {
        return Ok(());
    }
    let message = "`alt` must be `sse`: a stream is served as server-sent events only; call \
                   `:streamGenerateContent?alt=sse`"
        .to_owned();
    Err(Reject::BadRequest { message, param: Some("alt".to_owned()) })
}

/// Percent-decodes a model's name in a path: SDKs write `/` in a name as `%2F`. What does not decode stays.
pub fn unescape(text: &str) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|&b| char::from(b).to_digit(16));
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let code = (byte == b'%').then(|| Some(digit(bytes.get(at + 1))? * 16 + digit(bytes.get(at + 2))?)).flatten();
        match code.and_then(|code| u8::try_from(code).ok()) {
            Some(code) => {
                out.push(code);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// Checks what Pingora leaves open (shared notes §9) and returns the declared length.
fn framing(version: Version, headers: &HeaderMap, upgrades: bool) -> Result<Option<usize>, Framing> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let length = match (lengths.next(), lengths.next()) {
        (None, _) => None,
        (Some(_), Some(_)) => return Err(Framing::ManyLengths),
        (Some(value), None) => Some(plain_number(value.as_bytes()).ok_or(Framing::BadLength)?),
    };
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(encoding) = encodings.next() {
        // HTTP/1.0 has no transfer codings (RFC 9112 §6.1): what came between may have framed it otherwise.
        if version < Version::HTTP_11 {
            return Err(Framing::OddEncoding);
        }
        if length.is_some() {
            return Err(Framing::LengthAndEncoding);
        }
        if encodings.next().is_some() || !encoding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(Framing::OddEncoding);
        }
    }
    if version == Version::HTTP_11 && headers.get_all(header::HOST).iter().count() != 1 {
        return Err(Framing::NoHost);
    }
    if headers.contains_key(header::UPGRADE) && !upgrades && !is_h2c_offer(headers) {
        return Err(Framing::Upgrade);
    }
    Ok(length)
}

/// `Upgrade: h2c` is an offer that a server may ignore (RFC 9110 §7.8); Java's client sends it by default. Anything beside it
/// is none.
fn is_h2c_offer(headers: &HeaderMap) -> bool {
    let mut offers = headers.get_all(header::UPGRADE).iter();
    let first = offers.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"h2c"));
    first && offers.next().is_none()
}

fn plain_number(text: &[u8]) -> Option<usize> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Checks that the body is not compressed.
///
/// # Errors
///
/// [`Framing::ContentEncoding`].
pub fn not_coded(headers: &HeaderMap) -> Result<(), Framing> {
    let identity = |value: &header::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    match headers.get_all(header::CONTENT_ENCODING).iter().all(identity) {
        true => Ok(()),
        false => Err(Framing::ContentEncoding),
    }
}

/// Checks that the body is of a kind that `api` takes, in clear; returns the content type of a form.
///
/// # Errors
///
/// [`Framing::ContentEncoding`], [`Framing::ContentType`], [`Framing::NoForm`].
pub fn content(headers: &HeaderMap, api: Api) -> Result<Option<String>, Framing> {
    not_coded(headers)?;
    let wrong = if api.takes_json() { Framing::ContentType } else { Framing::NoForm };
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let whole = kinds.next();
    let kind = whole
        .map_or(&b""[..], header::HeaderValue::as_bytes)
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    // A `+json` type is JSON (RFC 6839 §3.1).
    let json = kind.eq_ignore_ascii_case(b"application/json") || kind.to_ascii_lowercase().ends_with(b"+json");
    if api.takes_forms() && kind.eq_ignore_ascii_case(b"multipart/form-data") {
        // Of two boundaries a provider may go by the other one.
        let one = whole.filter(|_| kinds.next().is_none()).and_then(|kind| kind.to_str().ok());
        return one.map(|kind| Some(kind.to_owned())).ok_or(Framing::NoForm);
    }
    if (json || kind.is_empty()) && api.takes_json() { Ok(None) } else { Err(wrong) }
}

/// A body that was read, its share of the gateway's memory, and how long the client took to send it.
#[derive(Debug)]
pub struct Body {
    /// The bytes, with room for edits.
    pub draft: Draft,
    /// Given back when it is dropped.
    pub share: Share,
    /// Time spent waiting for the client: no overhead of the gateway.
    pub waited: Duration,
}

/// Reads the body once. `100 Continue` is sent first if the client waits for it: it was authenticated by now.
///
/// # Errors
///
/// [`Reject::TooLarge`], [`Reject::BodyTimeout`], [`Reject::BuffersFull`], or [`Reject::BadRequest`] for a body
/// that ends early.
pub async fn body(session: &mut Session, head: &Head, bounds: BodyBounds, buffers: &Buffers) -> Result<Body, Reject> {
    let too_large = Reject::TooLarge { limit: bounds.most };
    if head.length.is_some_and(|length| length > bounds.most) {
        return Err(too_large);
    }
    // What is declared is not taken before it comes: a few idle clients would use up the bound for everyone.
    let first = head.length.unwrap_or(0).min(FIRST_SHARE);
    let mut share = buffers.take(first).ok_or(Reject::BuffersFull)?;
    continue_if_expected(session).await;
    let begun = Instant::now();
    let mut builder = Draft::with_capacity(head.length.unwrap_or(FIRST_PIECE));
    loop {
        let deadline = bounds.deadline(begun, builder.len());
        let piece = match in_time(session.as_downstream_mut().read_request_body(), || deadline).await {
            Ok(Ok(Some(piece))) => piece,
            Ok(Ok(None)) => break,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a request body broke off");
                // Pingora's reader says "done" also of a body that it could not read to its end: what is left of it
                // must not be taken for the next request.
                session.set_keepalive(None);
                if let Some(fault) = edge::fault() {
                    return Err(Reject::Framing(fault));
                }
                let message = "the request body ended before it was whole".to_owned();
                return Err(Reject::BadRequest { message, param: None });
            }
            Err(_) => return Err(bounds.late()),
        };
        let length = builder.len().saturating_add(piece.len());
        if length > bounds.most {
            return Err(too_large);
        }
        if !share.grow_to(length) {
            return Err(Reject::BuffersFull);
        }
        builder.push(&piece);
    }
    Ok(Body { draft: builder.finish(), share, waited: begun.elapsed() })
}

/// Taken of the gateway's memory before a body begins to come.
const FIRST_SHARE: usize = 64 * 1024;

/// Room for a body whose length is not declared.
const FIRST_PIECE: usize = 4 * 1024;

/// Whether the client holds its body back until it is told to go on. HTTP/1.0 knows no interim answers: what such a client
/// says of it is not looked at (RFC 9110 §10.1.1), and it would take a 100 for the answer.
pub fn waits_for_continue(version: Version, headers: &HeaderMap) -> bool {
    let continues = |value: &header::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    version > Version::HTTP_10 && headers.get(header::EXPECT).is_some_and(continues)
}

/// Pingora never answers `Expect` by itself, and writing the 100 while the body is unread turns keep-alive off
/// (pingora-core 0.9.1, `v1/server.rs`, `prepare_response_header`): so it is set again behind it.
pub async fn continue_if_expected(session: &mut Session) {
    let head = session.req_header();
    if !waits_for_continue(head.version, &head.headers) {
        return;
    }
    let keepalive = session.get_keepalive();
    if let Err(error) = respond::bounded(session.as_downstream_mut().write_continue_response()).await {
        tracing::debug!(%error, "100 Continue could not be written");
    }
    session.set_keepalive(keepalive);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, header::HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn doubtful_framing_is_refused_and_plain_framing_is_not() {
        type Case = (&'static str, &'static [(&'static str, &'static str)], Result<Option<usize>, Framing>);
        let cases: [Case; 15] = [
            ("a length", &[("host", "a"), ("content-length", "12")], Ok(Some(12))),
            ("chunked", &[("host", "a"), ("transfer-encoding", "Chunked")], Ok(None)),
            (
                "both",
                &[("host", "a"), ("content-length", "1"), ("transfer-encoding", "chunked")],
                Err(Framing::LengthAndEncoding),
            ),
            (
                "two equal lengths",
                &[("host", "a"), ("content-length", "1"), ("content-length", "1")],
                Err(Framing::ManyLengths),
            ),
            ("a signed length", &[("host", "a"), ("content-length", "+1")], Err(Framing::BadLength)),
            ("a list of lengths", &[("host", "a"), ("content-length", "1, 1")], Err(Framing::BadLength)),
            (
                "a length past 64 bits",
                &[("host", "a"), ("content-length", "99999999999999999999")],
                Err(Framing::BadLength),
            ),
            ("two codings", &[("host", "a"), ("transfer-encoding", "gzip, chunked")], Err(Framing::OddEncoding)),
            ("no host", &[], Err(Framing::NoHost)),
            ("two hosts", &[("host", "a"), ("host", "a")], Err(Framing::NoHost)),
            ("an upgrade", &[("host", "a"), ("upgrade", "websocket")], Err(Framing::Upgrade)),
            ("an offer of HTTP/2", &[("host", "a"), ("upgrade", "H2C")], Ok(None)),
            ("and another", &[("host", "a"), ("upgrade", "h2c"), ("upgrade", "websocket")], Err(Framing::Upgrade)),
            ("the same twice", &[("host", "a"), ("upgrade", "h2c"), ("upgrade", "h2c")], Err(Framing::Upgrade)),
            ("a list", &[("host", "a"), ("upgrade", "h2c, websocket")], Err(Framing::Upgrade)),
        ];
        for (name, lines, want) in cases {
            assert_eq!(framing(Version::HTTP_11, &headers(lines), false), want, "{name}");
        }
    }

    #[test]
    fn paths_are_matched_exactly_and_methods_are_checked() {
        let map = headers(&[("host", "a")]);
        let read = |method: Method, path: &str| head(&method, path, Version::HTTP_11, &map).map(|head| head.path);
        assert_eq!(read(Method::POST, "/v1/messages"), Ok(Path::Call(Api::Messages)));
        assert_eq!(read(Method::GET, "/v1/models/org%2Fmodel"), Ok(Path::Model("org/model".to_owned())));
        assert!(matches!(read(Method::GET, "/v1/messages"), Err(Reject::Method { allow: "POST", .. })));
        for path in ["/v1/messages/", "/v1//messages", "/v1/../v1/messages", "/V1/messages", "/v1/models/", "/"] {
            assert!(matches!(read(Method::POST, path), Err(Reject::NoRoute { .. })), "{path}");
        }
    }
}

#[cfg(test)]
#[path = "accept_tests.rs"]
mod more_tests;
