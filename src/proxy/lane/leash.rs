//! A connection to a provider that can be ended while nobody says anything.
//!
//! Pingora calls a lane's hooks when bytes come. A session of a revoked key, or one that outlives the drain, has to end also
//! when none do: so the socket asks at intervals whether it is over, and fails to be read then. What came before is read
//! first, in order, and the failure goes Pingora's ordinary way (`error_while_proxy`, `fail_to_proxy`), where the client can
//! still be told.

use crate::proxy::tunnel::{TCP_TIMED_OUT, Tunnel};
use async_trait::async_trait;
use pingora::connectors::l4::Connect;
use pingora::protocols::l4::ext::set_tcp_keepalive;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::{Error, ErrorType, Result};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, timeout};

/// How often it is asked whether a silent session is over.
const LOOK: Duration = Duration::from_millis(100);

/// Decides how long a connection lives.
pub trait Holder: Send + Sync {
    /// Whether it is over. Asked before each read, and at intervals while nothing comes.
    fn is_over(&self) -> bool;

    /// Whether the next read is to find nothing yet, once: true the first time behind the request's head.
    ///
    /// Pingora hands the end of a request's (empty) body on as a task of its own, and takes an upgraded session for ended when
    /// that task comes behind the 101 (pingora-proxy 0.9.1, `proxy_h1.rs`, `proxy_handle_upstream`). Which of the two its
    /// `select!` takes first is left to chance, where a provider answers at once: so the 101 waits for one turn.
    fn holds_back(&self) -> bool;
}

/// Connects on a leash.
pub struct Leashed {
    holder: Arc<dyn Holder>,
    within: Duration,
    tunnel: Option<Tunnel>,
}

impl Leashed {
    /// Connections that `holder` decides about; each takes `within` at most to be made, by `tunnel` where there is one.
    pub fn new(holder: Arc<dyn Holder>, within: Duration, tunnel: Option<Tunnel>) -> Self {
        Self { holder, within, tunnel }
    }

    async fn tcp(&self, address: std::net::SocketAddr) -> Result<TcpStream> {
        if let Some(tunnel) = &self.tunnel {
            return tunnel.open(address).await;
        }
        match timeout(self.within, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => Ok(tcp),
            Ok(Err(error)) => Err(Error::because(error_type(&error), "connecting", error)),
            Err(_) => Err(Error::explain(TCP_TIMED_OUT, "connecting")),
        }
    }
}

impl fmt::Debug for Leashed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Leashed").field("within", &self.within).finish_non_exhaustive()
    }
}

#[async_trait]
impl Connect for Leashed {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let Some(address) = address.as_inet() else {
            return Err(Error::explain(ErrorType::ConnectError, "no address of the internet"));
        };
        let tcp = self.tcp(*address).await?;
        let leash = Leash { tcp, holder: Arc::clone(&self.holder), look: Box::pin(sleep(LOOK)) };
        Ok(VirtualSocketStream::new(Box::new(leash)).into())
    }
}

fn error_type(error: &io::Error) -> ErrorType {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ErrorType::ConnectRefused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => ErrorType::ConnectNoRoute,
        io::ErrorKind::TimedOut => TCP_TIMED_OUT,
        _ => ErrorType::ConnectError,
    }
}

/// The socket.
struct Leash {
    tcp: TcpStream,
    holder: Arc<dyn Holder>,
    look: Pin<Box<Sleep>>,
}

impl fmt::Debug for Leash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Leash").field("tcp", &self.tcp).finish_non_exhaustive()
    }
}

impl VirtualSocket for Leash {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.tcp.set_nodelay(true),
            VirtualSockOpt::KeepAlive(keepalive) => {
                set_tcp_keepalive(&self.tcp, &keepalive).map_err(|error| io::Error::other(error.to_string()))
            }
            // Options of later versions of Pingora.
            _ => Ok(()),
        }
    }
}

impl AsyncRead for Leash {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.look.as_mut().poll(context).is_ready() {
            this.look.as_mut().reset(Instant::now() + LOOK);
        }
        if this.holder.holds_back() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if this.holder.is_over() {
            return Poll::Ready(Err(io::Error::other("the session is over")));
        }
        Pin::new(&mut this.tcp).poll_read(context, buffer)
    }
}

impl AsyncWrite for Leash {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(context)
    }
}
