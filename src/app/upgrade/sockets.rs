//! Listening sockets: bound by ourselves, before Pingora starts, so that they can be given to a successor.

use super::{FromOld, receive, send};
use crate::{app::AppError, app::upgrade::Course, app::upgrade::course::Phase};
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, sockopt,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// Most sockets that are given at once.
const MAX: usize = 64;
/// Connections that may wait to be accepted; the kernel's own limit holds too.
const BACKLOG: i32 = 1024;

/// The listening sockets of the data plane, by their addresses as configured.
#[derive(Debug, Default, Clone)]
pub(in crate::app) struct Sockets(Arc<Mutex<Vec<(String, TcpListener)>>>);

impl Sockets {
    /// Keeps a copy of `listener` to give it on.
    pub(in crate::app) fn keep(&self, address: String, listener: &TcpListener) -> io::Result<()> {
        self.0.lock().push((address, listener.try_clone()?));
        Ok(())
    }

    /// Lets go of all: whoever else has them goes on listening, and if nobody has, connections are refused.
    pub(in crate::app) fn close(&self) {
        self.0.lock().clear();
    }

    /// Gives them to a successor.
    pub(super) fn give(&self, stream: &UnixStream) -> io::Result<()> {
        let sockets = self.0.lock();
        if sockets.len() > MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("more than {MAX} listeners")));
        }
        send(stream, &FromOld::Sockets(sockets.iter().map(|(address, _)| address.clone()).collect()))?;
        let fds: Vec<BorrowedFd<'_>> = sockets.iter().map(|(_, listener)| listener.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&fds)) {
            return Err(io::Error::other("the sockets do not fit into one message"));
        }
        // Descriptors travel beside a byte.
        let sent = sendmsg(stream, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)?;
        if sent == 1 { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Takes those of a predecessor.
    pub(super) fn taken(stream: &UnixStream) -> io::Result<Vec<(String, TcpListener)>> {
        let addresses = match receive(stream)? {
            FromOld::Sockets(addresses) => addresses,
            FromOld::Not(why) => return Err(io::Error::other(why)),
            other => return Err(io::Error::new(io::ErrorKind::InvalidData, format!("not asked for: {other:?}"))),
        };
        let mut byte = [0];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let rights = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds.collect::<Vec<OwnedFd>>()),
            _ => None,
        });
        let fds: Vec<OwnedFd> = rights.flatten().collect();
        if fds.len() != addresses.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not all sockets came"));
        }
        Ok(addresses.into_iter().zip(fds.into_iter().map(TcpListener::from)).collect())
    }
}

/// Listens on `address`.
pub(in crate::app) fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, AppError> {
    TcpListener::bind(address).map_err(|source| AppError::Listen { key, address: address.to_string(), source })
}

/// Listens on `address` together with a process that listens there likewise; `alone`: nobody may listen there now.
pub(in crate::app) fn bind_shared(
    key: &'static str,
    address: SocketAddr,
    alone: bool,
) -> Result<TcpListener, AppError> {
    if alone {
        drop(bind(key, address)?);
    }
    let shared = || -> io::Result<TcpListener> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        sockopt::set_socket_reuseport(&socket, true)?;
        rustix::net::bind(&socket, &address)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(TcpListener::from(socket))
    };
    shared().map_err(|source| AppError::Listen { key, address: address.to_string(), source })
}

/// Pingora's listening service over sockets of ours, which takes no connection before the process serves.
pub(in crate::app) struct DataPlane<S> {
    service: S,
    sockets: Vec<(String, TcpListener)>,
    course: Arc<Course>,
}

impl<S> DataPlane<S> {
    pub(in crate::app) fn new(service: S, sockets: Vec<(String, TcpListener)>, course: Arc<Course>) -> Self {
        Self { service, sockets, course }
    }
}

#[async_trait]
impl<S: Service> Service for DataPlane<S> {
    async fn start_service(&mut self, fds: Option<ListenFds>, mut shutdown: ShutdownWatch, listeners_per_fd: usize) {
        if let Some(fds) = &fds {
            let mut fds = fds.lock();
            for (address, listener) in self.sockets.drain(..) {
                // Pingora's runtime takes it as it is.
                if let Err(error) = listener.set_nonblocking(true) {
                    tracing::error!(%error, address, "a listener cannot be used");
                }
                fds.add(address, listener.into_raw_fd());
            }
        }
        tokio::select! {
            () = self.course.wait_for(|phase| phase != Phase::Starting) => {}
            _ = shutdown.changed() => {}
        }
        self.service.start_service(fds, shutdown, listeners_per_fd).await;
    }

    fn name(&self) -> &str {
        self.service.name()
    }

    fn threads(&self) -> Option<usize> {
        self.service.threads()
    }

    fn listen_addresses(&self) -> Option<Vec<String>> {
        self.service.listen_addresses()
    }
}
