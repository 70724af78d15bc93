//! What may be wrong with the way in which a request is sent, and what the client is told about it.

use std::fmt;

/// A request that two parsers could read in two ways, or that this gateway does not take. The connection is closed behind
/// it: nobody knows where the next request would begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A line feed without a carriage return in front of it.
    BareLineFeed,
    /// A carriage return without a line feed behind it.
    BareReturn,
    /// A control byte in the head.
    Control,
    /// The first line is not `METHOD SP TARGET SP VERSION`.
    RequestLine,
    /// Another version than 1.0 and 1.1 on a connection of HTTP/1.
    Version,
    /// A method that no path takes, `CONNECT` and `TRACE` among them.
    Method,
    /// `*`, `host:port` or `http://…` where a path belongs.
    TargetForm,
    /// A byte that may not stand in a path or query: no ASCII, `\`, `#` …
    TargetByte,
    /// `.` or `..` as a part of the path, or an empty one.
    Segment,
    /// `;` in the path.
    Parameter,
    /// An escape in the path that means something else than a character of a model's name.
    Escape,
    /// A line that goes on with the one before it.
    Folded,
    /// A field's name that is none; a space in front of the colon.
    Name,
    /// HTTP/1.1 without exactly one `host`, HTTP/2 without an authority.
    NoHost,
    /// `host` is no host; it holds a user; it is not the one that `:authority` names.
    BadHost,
    /// Both ways of telling the body's end.
    LengthAndEncoding,
    /// More than one `content-length`, even if they are the same.
    ManyLengths,
    /// `content-length` is no number.
    BadLength,
    /// Not plain `chunked`, or not over HTTP/1.1.
    OddEncoding,
    /// A body with a method that has none.
    BodyOfGet,
    /// `connection` names a field by which the gateway goes.
    Connection,
    /// A field of HTTP/1 connections in HTTP/2, or `te` that says more than `trailers`.
    OfConnections,
    /// `expect` with anything but `100-continue`.
    Expectation,
    /// The head ended in the middle.
    Cut,
    /// The head did not come in time.
    Slow,
    /// The head has more bytes than `server.max_head_bytes`.
    HeadTooLarge,
    /// The head has more fields than `server.max_head_lines`.
    TooManyFields,
    /// A chunk's size is no plain hexadecimal number, or has an extension.
    ChunkSize,
    /// A chunk does not end where its size says.
    ChunkEnd,
    /// Fields behind the last chunk.
    Trailers,
    /// `Upgrade` on a path that has none.
    Upgrade,
    /// A compressed body.
    ContentEncoding,
    /// A form or a text where JSON belongs.
    ContentType,
    /// No form where one belongs.
    NoForm,
}

impl Framing {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::Slow => 408,
            Self::Expectation => 417,
            Self::HeadTooLarge | Self::TooManyFields => 431,
            _ => 400,
        }
    }

    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Method => "method_not_allowed",
            Self::Slow => "head_timeout",
            Self::Expectation => "expectation_failed",
            Self::HeadTooLarge | Self::TooManyFields => "head_too_large",
            _ => "invalid_http_request",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::BareLineFeed => "each line of a request's head must end with CR LF, not with LF alone",
            Self::BareReturn => "a request's head holds a CR without its LF",
            Self::Control => "a request's head holds a control byte; is this TLS on a port without TLS?",
            Self::RequestLine => "a request must begin with `METHOD PATH HTTP/1.1` and single spaces",
            Self::Version => "the version must be HTTP/1.1, HTTP/1.0 or HTTP/2",
            Self::Method => "no path takes this method; the gateway is no proxy that could be connected through",
            Self::TargetForm => {
                "the request's target must be a path that begins with `/`; the gateway is no forward proxy"
            }
            Self::TargetByte => "the request's target holds a character that must be percent-encoded there",
            Self::Segment => "the path holds an empty part, `.` or `..`; send it in its plain form",
            Self::Parameter => "the path holds `;`; no path here has parameters",
            Self::Escape => "the path holds a percent-escape that only a model's name may have, or that hides a path",
            Self::Folded => "a field of the head goes on on the next line; write it on one line",
            Self::Name => "a field's name holds a character that no name may have, or a space in front of its colon",
            Self::NoHost => "an HTTP/1.1 request must carry exactly one `host`",
            Self::BadHost => "`host` must be a name or an address with or without a port, and the same as `:authority`",
            Self::LengthAndEncoding => {
                "a request may not carry both `content-length` and `transfer-encoding`; send one of them"
            }
            Self::ManyLengths => "a request may carry one `content-length` only",
            Self::BadLength => "`content-length` must be a plain decimal number",
            Self::OddEncoding => "the only `transfer-encoding` that is accepted is `chunked`, over HTTP/1.1",
            Self::BodyOfGet => "GET and HEAD have no body; send none",
            Self::Connection => "`connection` may not name fields that tell who calls, or what is sent where",
            Self::OfConnections => {
                "a field of HTTP/1 connections does not belong into HTTP/2; `te` may say `trailers` only"
            }
            Self::Expectation => "the only `expect` that is met is `100-continue`",
            Self::Cut => "the request ended in the middle of its head",
            Self::Slow => "the request's head did not arrive within `server.head_timeout`",
            Self::HeadTooLarge => "the request's head has more bytes than `server.max_head_bytes` allows",
            Self::TooManyFields => "the request's head has more fields than `server.max_head_lines` allows",
            Self::ChunkSize => "the size of a chunk must be a plain hexadecimal number without extensions",
            Self::ChunkEnd => "a chunk must end with CR LF behind as many bytes as its size says",
            Self::Trailers => "fields behind a chunked body are not accepted",
            Self::Upgrade => "no upgrade of the connection is offered on this path",
            Self::ContentEncoding => "request bodies must not be compressed: send them without `content-encoding`",
            Self::ContentType => "the body must be JSON: send `content-type: application/json`",
            Self::NoForm => "the body must be a form: send `content-type: multipart/form-data` once, with its boundary",
        }
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.text())
    }
}
