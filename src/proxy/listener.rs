//! Listeners whose connections weigh little while nothing happens on them.
//!
//! Pingora gives each accepted connection a read buffer of 64 KiB (pingora-core 0.9.1, `protocols/l4/stream.rs`,
//! `DEFAULT_L4_READ_BUFFER_SIZE`), which tokio fills with zeros. Fresh memory is zero already and is not touched for it; memory
//! that was used before is written over, all 64 KiB of it, and stays resident for as long as the connection lives. A read that asks
//! for as much as the buffer holds goes past it: the bodies of requests are read in pieces of 64 KiB with either size.

use pingora::listeners::ListenerConfig;
use pingora::protocols::l4::stream::L4BufferSettings;

/// The read buffer of a connection in clear, in bytes: a request's head and a short body in one read.
const PLAIN_READ: usize = 4 << 10;

/// The same under TLS: rustls asks for 4 KiB at a time, and a record has up to 16 KiB.
const TLS_READ: usize = 8 << 10;

/// The write buffer of a connection in bytes: the header of an answer and a short answer, or the first event of a stream, go out
/// in one write. Of Pingora's own 1,460 most answers take two, and a write to a socket costs as much as all that is done to a header.
const WRITE: usize = 4 << 10;

/// Listens on `address` (`IP:port`); `tls`: what comes is TLS, whose handshake `front` makes.
pub fn light_listener(address: String, tls: bool) -> ListenerConfig {
    let read = if tls { TLS_READ } else { PLAIN_READ };
    ListenerConfig::tcp(address).l4_buffer(L4BufferSettings::default().read(read).write(WRITE))
}
