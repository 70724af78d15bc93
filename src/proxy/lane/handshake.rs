//! The client's half of a websocket handshake (RFC 6455 §4.2.1), read strictly, and what of it goes up.

use crate::proxy::{
    accept::unescape,
    reject::{Reject, shown},
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Version};

/// The path of sessions.
pub const PATH: &str = "/v1/realtime";

/// What browsers, which cannot set headers, put in front of the key in a subprotocol
/// (<https://platform.openai.com/docs/guides/realtime-websocket>).
const KEY_PROTOCOL: &str = "openai-insecure-api-key.";
/// The subprotocol of the API; what begins like the second is one of its beta features.
const PROTOCOL: &str = "realtime";
const BETA_PROTOCOL: &str = "openai-beta.";

const KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
const VERSION: HeaderName = HeaderName::from_static("sec-websocket-version");
const PROTOCOLS: HeaderName = HeaderName::from_static("sec-websocket-protocol");
const EXTENSIONS: HeaderName = HeaderName::from_static("sec-websocket-extensions");
const ACCEPT: HeaderName = HeaderName::from_static("sec-websocket-accept");
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const UPGRADE: HeaderValue = HeaderValue::from_static("Upgrade");
const THIRTEEN: HeaderValue = HeaderValue::from_static("13");

/// A handshake that is as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    key: HeaderValue,
    /// Subprotocols that go up.
    protocols: Vec<String>,
    /// The model that is asked for.
    pub model: String,
}

/// Whether calls of `path` would get a session, or the means to one, around the gateway: credentials of the provider for a
/// client, and calls by WebRTC and SIP.
pub fn is_beside(path: &str) -> bool {
    path.strip_prefix(PATH).is_some_and(|rest| rest.starts_with('/'))
}

/// What a client is told that calls such a path.
pub fn beside(path: &str) -> Reject {
    let message = format!(
        "`{}` is not served: it would open sessions past the gateway; connect to `GET {PATH}?model=NAME` as a websocket, with \
         the gateway's own key",
        shown(path)
    );
    Reject::BadRequest { message, param: None }
}

/// The client's headers with the key of a subprotocol where all keys are looked for; `None`: there is no such key.
pub fn with_key_of_protocol(headers: &HeaderMap) -> Option<HeaderMap> {
    let key = protocols(headers).find_map(|name| name.strip_prefix(KEY_PROTOCOL))?;
    let mut bearer = HeaderValue::from_str(&format!("Bearer {key}")).ok()?;
    bearer.set_sensitive(true);
    let mut headers = headers.clone();
    headers.append(header::AUTHORIZATION, bearer);
    Some(headers)
}

impl Handshake {
    /// Reads the head of a request for [`PATH`].
    ///
    /// # Errors
    ///
    /// [`Reject::Upgrade`] when it is no websocket handshake, [`Reject::BadRequest`] when the query is wrong.
    pub fn read(method: &Method, version: Version, headers: &HeaderMap, query: Option<&str>) -> Result<Self, Reject> {
        let key = upgrade(method, version, headers)?;
        let model = read_query(query.unwrap_or_default())?;
        let passes = |name: &&str| *name == PROTOCOL || name.starts_with(BETA_PROTOCOL);
        let protocols = protocols(headers).filter(passes).map(str::to_owned).collect();
        Ok(Self { key, protocols, model })
    }

    /// Writes the handshake for the provider into `head`. Without `Sec-WebSocket-Extensions`: what is compressed could not be
    /// read.
    pub fn write(&self, head: &mut HeaderMap) {
        head.insert(header::CONNECTION, UPGRADE);
        head.insert(header::UPGRADE, WEBSOCKET);
        head.insert(KEY, self.key.clone());
        head.insert(VERSION, THIRTEEN);
        if !self.protocols.is_empty()
            && let Ok(protocols) = HeaderValue::try_from(self.protocols.join(", "))
        {
            head.insert(PROTOCOLS, protocols);
        }
    }

    /// Copies what belongs to the handshake from the provider's answer.
    ///
    /// # Errors
    ///
    /// What is wrong with it: extensions that were not asked for.
    pub fn answer(&self, theirs: &HeaderMap, ours: &mut HeaderMap) -> Result<(), &'static str> {
        if theirs.contains_key(EXTENSIONS) {
            return Err("it took up websocket extensions that were not asked for");
        }
        ours.insert(header::CONNECTION, UPGRADE);
        ours.insert(header::UPGRADE, WEBSOCKET);
        // Made of the client's own key, which went up unchanged.
        let accept = theirs.get(ACCEPT).ok_or("its handshake has no `Sec-WebSocket-Accept`")?;
        ours.insert(ACCEPT, accept.clone());
        let offered = |value: &HeaderValue| self.protocols.iter().any(|name| name.as_bytes() == value.as_bytes());
        match theirs.get(PROTOCOLS) {
            Some(chosen) if offered(chosen) => drop(ours.insert(PROTOCOLS, chosen.clone())),
            // Browsers break off when none is chosen of those that they offered.
            _ if self.protocols.iter().any(|name| name == PROTOCOL) => {
                ours.insert(PROTOCOLS, HeaderValue::from_static(PROTOCOL));
            }
            _ => {}
        }
        Ok(())
    }
}

/// The names of all subprotocols that are offered.
fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lists = headers.get_all(PROTOCOLS).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim).filter(|name| !name.is_empty())
}

/// Checks that the head is a handshake; returns its key.
fn upgrade(method: &Method, version: Version, headers: &HeaderMap) -> Result<HeaderValue, Reject> {
    let wrong = |why: &str| {
        Reject::Upgrade(format!(
            "`{PATH}` is a websocket: {why}; connect with a websocket client, version 13, over HTTP/1.1"
        ))
    };
    if method != Method::GET {
        return Err(Reject::Method { method: shown(method.as_str()), path: PATH.to_owned(), allow: "GET" });
    }
    if version != Version::HTTP_11 {
        return Err(wrong("other versions of HTTP cannot be upgraded to it here"));
    }
    let has = |name: HeaderName, word: &str| {
        let lists = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        lists.flat_map(|list| list.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
    };
    if !has(header::UPGRADE, "websocket") || !has(header::CONNECTION, "upgrade") {
        return Err(wrong("the request is no upgrade"));
    }
    if headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
    {
        return Err(wrong("a handshake has no body"));
    }
    let one = |name: HeaderName| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none())
    };
    if one(VERSION) != Some(&THIRTEEN) {
        return Err(wrong("`Sec-WebSocket-Version` must be 13"));
    }
    let sixteen_bytes = |key: &&HeaderValue| STANDARD.decode(key.as_bytes()).is_ok_and(|bytes| bytes.len() == 16);
    let key = one(KEY).filter(sixteen_bytes);
    key.cloned().ok_or_else(|| wrong("`Sec-WebSocket-Key` must be 16 bytes in base64"))
}

/// The model of a query. Nothing of the query goes up: a provider may decode names, take the last of two or take a member
/// for another that the gateway never heard of, and what it calls has to be what is paid for.
fn read_query(query: &str) -> Result<String, Reject> {
    let wrong = |name: &str, message: String| Reject::BadRequest { message, param: Some(name.to_owned()) };
    let mut model = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match &*unescape(name) {
            "model" if model.is_some() => {
                return Err(wrong("model", "`model` stands twice in the query; name one model".to_owned()));
            }
            "model" => model = Some(unescape(value)),
            name @ ("intent" | "call_id") => {
                let message = format!(
                    "sessions with `{name}` are not served: they are not of one model that could be priced; leave it out and \
                     connect to `{PATH}?model=NAME`"
                );
                return Err(wrong(name, message));
            }
            _ => {}
        }
    }
    let message = || format!("a session needs a model: connect to `{PATH}?model=NAME`");
    model.filter(|model| !model.is_empty()).ok_or_else(|| wrong("model", message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(more: &[(&'static str, &'static str)]) -> HeaderMap {
        let plain = [
            ("upgrade", "websocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let mut map = HeaderMap::new();
        for (name, value) in plain.iter().chain(more) {
            map.insert(*name, HeaderValue::from_static(value));
        }
        map
    }

    fn read(headers: &HeaderMap, query: &str) -> Result<Handshake, Reject> {
        Handshake::read(&Method::GET, Version::HTTP_11, headers, Some(query))
    }

    #[test]
    fn a_request_that_is_no_handshake_is_refused() {
        let cases: [(&str, &'static str, &'static str); 8] = [
            ("another protocol", "upgrade", "h2c"),
            ("no upgrade", "connection", "keep-alive"),
            ("version 8", "sec-websocket-version", "8"),
            ("a short key", "sec-websocket-key", "dGhl"),
            ("no base64", "sec-websocket-key", "?"),
            ("a body", "content-length", "3"),
            ("a chunked body", "transfer-encoding", "chunked"),
            ("two versions", "sec-websocket-version", "13, 8"),
        ];
        for (name, header, value) in cases {
            let refused = read(&headers(&[(header, value)]), "model=m");
            assert!(matches!(refused, Err(Reject::Upgrade(_))), "{name}: {refused:?}");
        }
        let http2 = Handshake::read(&Method::GET, Version::HTTP_2, &headers(&[]), Some("model=m"));
        assert!(matches!(http2, Err(Reject::Upgrade(_))), "{http2:?}");
        let post = Handshake::read(&Method::POST, Version::HTTP_11, &headers(&[]), Some("model=m"));
        assert!(matches!(post, Err(Reject::Method { .. })), "{post:?}");
    }

    #[test]
    fn the_query_names_one_model_however_its_names_are_written() {
        let cases = [
            ("model=m", "m"),
            ("a=1&model=gpt%2Frealtime&deployment=d&api-version=1&api-key=k&b", "gpt/realtime"),
            ("m%6Fdel=m", "m"),
        ];
        for (query, model) in cases {
            assert_eq!(read(&headers(&[]), query).expect("it is right").model, model, "{query}");
        }
        for (query, name) in [
            ("", "model"),
            ("model=", "model"),
            ("model=a&model=b", "model"),
            ("model=a&%6dodel=b", "model"),
            ("%6dodel=a&mode%6C=b", "model"),
            ("intent=transcription", "intent"),
            ("model=a&inten%74=transcription", "intent"),
            ("model=a&call_id=c", "call_id"),
        ] {
            let Err(Reject::BadRequest { param, message }) = read(&headers(&[]), query) else { panic!("{query}") };
            assert_eq!(param.as_deref(), Some(name), "{query}");
            assert!(message.contains(&format!("`{name}`")) || query.is_empty() || query == "model=", "{message}");
        }
    }

    /// The key is the gateway's own: no provider may see it.
    #[test]
    fn the_key_of_a_subprotocol_is_found_and_does_not_go_up() {
        let offer = "realtime, openai-insecure-api-key.wb-secret, openai-beta.realtime-v1, openai-project.x";
        let client = headers(&[("sec-websocket-protocol", offer), ("sec-websocket-extensions", "permessage-deflate")]);
        let with_key = with_key_of_protocol(&client).expect("there is a key");
        assert_eq!(with_key.get("authorization").map(HeaderValue::as_bytes), Some(&b"Bearer wb-secret"[..]));
        assert!(with_key_of_protocol(&headers(&[])).is_none());
        let handshake = read(&client, "model=m").expect("it is right");
        let mut up = HeaderMap::new();
        handshake.write(&mut up);
        assert_eq!(up["sec-websocket-protocol"], "realtime, openai-beta.realtime-v1");
        assert!(!up.contains_key("sec-websocket-extensions"));
        let mut theirs = HeaderMap::new();
        theirs.insert("sec-websocket-accept", HeaderValue::from_static("x"));
        for (chosen, told) in
            [(None, "realtime"), (Some("openai-beta.realtime-v1"), "openai-beta.realtime-v1"), (Some("x"), "realtime")]
        {
            if let Some(chosen) = chosen {
                theirs.insert("sec-websocket-protocol", HeaderValue::from_static(chosen));
            }
            let mut ours = HeaderMap::new();
            handshake.answer(&theirs, &mut ours).expect("it is right");
            assert_eq!(ours["sec-websocket-protocol"], told);
        }
        theirs.insert("sec-websocket-extensions", HeaderValue::from_static("permessage-deflate"));
        assert!(handshake.answer(&theirs, &mut HeaderMap::new()).is_err());
    }

    #[test]
    fn what_lies_beside_sessions_is_refused_by_name() {
        assert!(!is_beside("/v1/realtime") && !is_beside("/v1/realtimes"));
        for path in ["/v1/realtime/client_secrets", "/v1/realtime/sessions", "/v1/realtime/calls"] {
            assert!(is_beside(path));
            assert!(beside(path).to_string().contains(path));
        }
    }
}
