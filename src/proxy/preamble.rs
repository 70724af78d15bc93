//! What a load balancer says in front of a connection: HAProxy's PROXY protocol, versions 1 and 2
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, sections 2.1 and 2.2).
//!
//! Exactly the header is read: what follows is TLS or HTTP and belongs to others. Of its TLVs none is read, and so the
//! checksum that one of them may hold is not compared: that is for receivers that know it. Whoever calls this has made
//! sure that the sender is trusted, and bounds the time.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What a header says of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preamble {
    /// It is this one.
    Client(SocketAddr),
    /// Nothing: the balancer's own connection (`LOCAL`), or one whose addresses it does not tell (`UNKNOWN`, `UNSPEC`, or
    /// of a kind that TCP does not have). The socket's address holds.
    Silent,
}

/// The bytes are no header; nothing that follows them can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no PROXY header: {0}")]
pub struct NoPreamble(&'static str);

/// A header that is being read.
#[derive(Debug, Default)]
pub struct PreambleReader {
    bytes: Vec<u8>,
}

/// How version 2 begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Of version 2: signature, version and command, family and protocol, length.
const FIXED: usize = 16;
/// Longest header of version 2. Addresses take 216 bytes at most; what is more are TLVs, of which the longest in use holds
/// the client's certificate.
const LONGEST: usize = 4096;
/// How version 1 begins.
const WORD: &[u8; 6] = b"PROXY ";
/// `PROXY UNKNOWN` and the end of the line.
const SHORTEST_LINE: usize = 15;
/// Longest line of version 1, its end included.
const LONGEST_LINE: usize = 107;

/// Reads one header and not a byte more.
///
/// # Errors
///
/// [`NoPreamble`] inside of `InvalidData`; `UnexpectedEof` when the connection ends before the header does.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Preamble> {
    let (mut reader, mut piece) = (PreambleReader::default(), [0; 256]);
    loop {
        let most = reader.wants().min(piece.len());
        let room = piece.get_mut(..most).unwrap_or_default();
        let read = stream.read(room).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let found = reader.push(piece.get(..read).unwrap_or_default());
        if let Some(preamble) = found.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))? {
            return Ok(preamble);
        }
    }
}

impl PreambleReader {
    /// How many bytes may be read next: none of them can be behind the header. Never 0 before it is whole.
    pub fn wants(&self) -> usize {
        let have = self.bytes.len();
        match self.bytes.first() {
            None => 1,
            Some(b'P') => SHORTEST_LINE.saturating_sub(have).max(1),
            Some(_) if have < FIXED => FIXED - have,
            Some(_) => self.length().saturating_sub(have).max(1),
        }
    }

    /// Takes the next bytes, at most [`Self::wants`]; tells what the header says when it is whole.
    ///
    /// # Errors
    ///
    /// [`NoPreamble`], as soon as it is seen.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Preamble>, NoPreamble> {
        self.bytes.extend_from_slice(bytes);
        match self.bytes.first() {
            None => Ok(None),
            Some(b'P') => self.line(),
            Some(_) => self.block(),
        }
    }

    /// Version 1.
    fn line(&self) -> Result<Option<Preamble>, NoPreamble> {
        begins(&self.bytes, WORD)?;
        let Some(line) = self.bytes.strip_suffix(b"\r\n") else {
            // A line feed ends nothing by itself, and a carriage return stands only before one.
            let before = self.bytes.strip_suffix(b"\r").unwrap_or(&self.bytes);
            if before.iter().any(|byte| b"\r\n".contains(byte)) {
                return Err(NoPreamble("its line does not end in CRLF"));
            }
            if self.bytes.len() >= LONGEST_LINE {
                return Err(NoPreamble("its line is too long"));
            }
            return Ok(None);
        };
        if line.iter().any(|byte| b"\r\n".contains(byte)) {
            return Err(NoPreamble("its line does not end in CRLF"));
        }
        told(line).map(Some)
    }

    /// Version 2.
    fn block(&self) -> Result<Option<Preamble>, NoPreamble> {
        begins(&self.bytes, SIGNATURE)?;
        let Some((head, rest)) = self.bytes.split_first_chunk::<FIXED>() else { return Ok(None) };
        let [.., version_and_command, family, _, _] = *head;
        if version_and_command >> 4 != 2 {
            return Err(NoPreamble("its version is not 2"));
        }
        let length = self.length();
        if length > LONGEST {
            return Err(NoPreamble("it is longer than 4096 bytes"));
        }
        if self.bytes.len() < length {
            return Ok(None);
        }
        let client = match (version_and_command & 0xf, family) {
            (0, _) => return Ok(Some(Preamble::Silent)),
            (1, 0x11) => v4(rest),
            (1, 0x21) => v6(rest),
            (1, family) if family >> 4 <= 3 && family & 0xf <= 2 => return Ok(Some(Preamble::Silent)),
            (1, _) => return Err(NoPreamble("there is no such family or protocol")),
            _ => return Err(NoPreamble("there is no such command")),
        };
        client.map(|client| Some(Preamble::Client(client))).ok_or(NoPreamble("its addresses are cut short"))
    }

    /// Of a header of version 2 whose fixed part is there.
    fn length(&self) -> usize {
        let length = self.bytes.get(FIXED - 2..).and_then(|rest| rest.first_chunk::<2>());
        FIXED + length.map_or(0, |length| usize::from(u16::from_be_bytes(*length)))
    }
}

/// Whether `bytes` are the beginning of `mark`, or begin with it.
fn begins(bytes: &[u8], mark: &[u8]) -> Result<(), NoPreamble> {
    let fits = bytes.iter().zip(mark).all(|(have, want)| have == want);
    if fits { Ok(()) } else { Err(NoPreamble("it begins otherwise")) }
}

/// What a line of version 1 says, without its end.
fn told(line: &[u8]) -> Result<Preamble, NoPreamble> {
    let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let client = match *words.as_slice() {
        [_, b"UNKNOWN", ..] => return Ok(Preamble::Silent),
        [_, b"TCP4", source, destination, port, other] => {
            address::<Ipv4Addr>(source).zip(address::<Ipv4Addr>(destination)).map(|(source, _)| (source, port, other))
        }
        [_, b"TCP6", source, destination, port, other] => {
            address::<Ipv6Addr>(source).zip(address::<Ipv6Addr>(destination)).map(|(source, _)| (source, port, other))
        }
        _ => None,
    };
    let client = client.and_then(|(source, port, other)| self::port(other).and(Some((source, self::port(port)?))));
    let (source, port) = client.ok_or(NoPreamble("its line is not of the form that it should have"))?;
    Ok(Preamble::Client(SocketAddr::new(source.to_canonical(), port)))
}

/// Without zeros in front, which Rust does not take for IPv4 either.
fn address<A: std::str::FromStr + Into<IpAddr>>(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.parse::<A>().ok().map(Into::into)
}

fn port(text: &[u8]) -> Option<u16> {
    let plain = text.iter().all(u8::is_ascii_digit) && (text.len() == 1 || text.first() != Some(&b'0'));
    std::str::from_utf8(text).ok().filter(|_| plain)?.parse().ok()
}

/// Source and destination address, source and destination port.
fn v4(block: &[u8]) -> Option<SocketAddr> {
    let (source, rest) = block.split_first_chunk::<4>()?;
    let (_, ports) = rest.split_first_chunk::<4>()?;
    Some(SocketAddr::new(Ipv4Addr::from(*source).into(), source_port(ports)?))
}

fn v6(block: &[u8]) -> Option<SocketAddr> {
    let (source, rest) = block.split_first_chunk::<16>()?;
    let (_, ports) = rest.split_first_chunk::<16>()?;
    Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(*source)).to_canonical(), source_port(ports)?))
}

fn source_port(ports: &[u8]) -> Option<u16> {
    let ports = ports.first_chunk::<4>()?;
    let [high, low, ..] = *ports;
    Some(u16::from_be_bytes([high, low]))
}

#[cfg(test)]
#[path = "preamble_tests.rs"]
mod tests;
