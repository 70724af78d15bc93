//! Through an HTTP proxy to a provider, by `CONNECT` (RFC 9110 §9.3.6): for `https` and `http` upstreams alike, so that the
//! proxy sees no more than the provider's name and that its words never become an answer.

use crate::config::EgressProxy;
use async_trait::async_trait;
use pingora::connectors::l4::Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::{Error, ErrorType, Result};
use std::fmt;
use std::io;
use std::net::Ipv6Addr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// Longest head of a proxy's answer; a longer one is refused.
const MOST_HEAD: usize = 16 * 1024;

/// The type of the error when the proxy answered with another status than 2xx.
const REFUSED: &str = "WeighbridgeProxyRefused";
/// The proxy cannot be reached, and why.
const REFUSED_CONNECTION: ErrorType = ErrorType::Custom("the egress proxy refused the connection");
const UNREACHABLE: ErrorType = ErrorType::Custom("the egress proxy cannot be reached");
/// It does not say whether there is a way: that is no fault of its address, behind which other providers are.
const SILENT: ErrorType = ErrorType::Custom("the egress proxy did not answer in time");
/// No TCP connection in time, where Pingora does not make it itself: its own `ConnectTimedout` is also told of what comes behind
/// one.
pub const TCP_TIMED_OUT: ErrorType = ErrorType::Custom("no TCP connection in time");
/// It broke off, or its answer is none.
const BROKEN: ErrorType = ErrorType::Custom("the egress proxy broke off");
const GARBAGE: ErrorType = ErrorType::Custom("the egress proxy's answer is no HTTP");

/// Connects by a proxy.
pub struct Tunnel {
    /// The request: it holds the proxy's password.
    request: Vec<u8>,
    within: Duration,
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tunnel").field("within", &self.within).finish_non_exhaustive()
    }
}

impl Tunnel {
    /// To `host` (a name or a bare address) and `port` by `proxy`; TCP and the proxy's answer take `within` together.
    pub fn new(proxy: &EgressProxy, host: &str, port: u16, within: Duration) -> Self {
        let authority =
            if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some(basic) = &proxy.authorization {
            request.push_str("Proxy-Authorization: ");
            request.push_str(basic.expose());
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        Self { request: request.into_bytes(), within }
    }

    /// A connection to the proxy at `address` that leads to the provider.
    ///
    /// # Errors
    ///
    /// What [`told`] has words for, or [`is_late`].
    pub async fn open(&self, address: std::net::SocketAddr) -> Result<TcpStream> {
        let deadline = Instant::now() + self.within;
        let tcp = timeout_at(deadline, TcpStream::connect(address)).await;
        let tcp =
            tcp.map_err(|_| Error::explain(TCP_TIMED_OUT, "connecting to the egress proxy"))?.map_err(|error| {
                let refused = error.kind() == io::ErrorKind::ConnectionRefused;
                let kind = if refused { REFUSED_CONNECTION } else { UNREACHABLE };
                Error::because(kind, "connecting", error)
            })?;
        let asked = timeout_at(deadline, self.ask(tcp)).await;
        asked.unwrap_or_else(|_| Err(Error::explain(SILENT, "asking the egress proxy")))
    }

    async fn ask(&self, mut tcp: TcpStream) -> Result<TcpStream> {
        let broken = |error: io::Error| Error::because(BROKEN, "asking it", error);
        tcp.write_all(&self.request).await.map_err(broken)?;
        let mut head = Vec::with_capacity(512);
        loop {
            if tcp.read_buf(&mut head).await.map_err(broken)? == 0 {
                return Err(Error::explain(BROKEN, "it closed the connection"));
            }
            let end = memchr::memmem::find(&head, b"\r\n\r\n").map(|at| at + 4);
            match (end, status(&head)) {
                (_, None) if head.len() >= STATUS_LINE => return Err(Error::explain(GARBAGE, "its first line")),
                // The status is known; what else it says is of no use.
                (_, Some(status)) if !(200..300).contains(&status) => {
                    return Err(Error::explain(ErrorType::CustomCode(REFUSED, status), "asking it"));
                }
                (Some(end), Some(_)) if end == head.len() => return Ok(tcp),
                (Some(_), Some(_)) => return Err(Error::explain(GARBAGE, "bytes behind its answer")),
                (Some(_), None) => return Err(Error::explain(GARBAGE, "its first line")),
                (None, _) if head.len() > MOST_HEAD => return Err(Error::explain(GARBAGE, "its head is too long")),
                (None, _) => {}
            }
        }
    }
}

#[async_trait]
impl Connect for Tunnel {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        match address.as_inet() {
            Some(address) => self.open(*address).await.map(Stream::from),
            None => Err(Error::explain(ErrorType::ConnectError, "no address of the internet")),
        }
    }
}

/// Length of `HTTP/1.1 200`.
const STATUS_LINE: usize = 12;

/// The status of an answer's first bytes, if they are HTTP/1.x.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.get(..STATUS_LINE)?.strip_prefix(b"HTTP/1.")?;
    let (minor, digits) = line.split_first()?;
    let digits = digits.strip_prefix(b" ").filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let ends = head.get(STATUS_LINE).is_none_or(|byte| matches!(byte, b' ' | b'\r'));
    if !ends || !matches!(minor, b'0' | b'1') {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What an error of a tunnel means, in words for the client; `None`: it is none.
pub fn told(kind: &ErrorType) -> Option<String> {
    match kind {
        ErrorType::CustomCode(REFUSED, 407) => {
            Some("the egress proxy answered with status 407: it wants other credentials".to_owned())
        }
        ErrorType::CustomCode(REFUSED, status) => Some(format!("the egress proxy answered with status {status}")),
        ErrorType::Custom(text) if [REFUSED_CONNECTION, UNREACHABLE, BROKEN, GARBAGE].contains(kind) => {
            Some((*text).to_owned())
        }
        _ => None,
    }
}

/// Whether the address that was connected to is what failed: the proxy's, or the provider's own.
pub fn is_unreachable(kind: &ErrorType) -> bool {
    [REFUSED_CONNECTION, UNREACHABLE, TCP_TIMED_OUT].contains(kind)
}

/// Whether a connection was waited for in vain.
pub fn is_late(kind: &ErrorType) -> bool {
    [SILENT, TCP_TIMED_OUT].contains(kind)
}

#[cfg(test)]
#[path = "tunnel_tests.rs"]
mod tests;
