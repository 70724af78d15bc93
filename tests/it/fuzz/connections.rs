//! What comes in front of a request: PROXY headers, and what proxies say of its client.

use super::{config, corpus::seeds, mutate::mutants};
use http::header::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use std::net::SocketAddr;
use weighbridge::config::{Network, Networks};
use weighbridge::proxy::{Preamble, PreambleReader, client};

/// Reads `bytes` in pieces of at most `cut`; tells the preamble, and how many bytes it took. `None`: refused, or not whole.
fn read(bytes: &[u8], cut: usize) -> Option<(Preamble, usize)> {
    let (mut reader, mut at) = (PreambleReader::default(), 0);
    while at < bytes.len() {
        let wants = reader.wants();
        assert!((1..=4096).contains(&wants), "it wants a bounded something: {wants}");
        let end = (at + wants.min(cut)).min(bytes.len());
        let found = reader.push(&bytes[at..end]).ok()?;
        at = end;
        if let Some(preamble) = found {
            return Some((preamble, at));
        }
    }
    None
}

/// The length of a header as the specification says it.
fn length(bytes: &[u8]) -> Option<usize> {
    if bytes.starts_with(b"PROXY ") {
        return memchr::memmem::find(bytes, b"\r\n").map(|at| at + 2);
    }
    Some(16 + usize::from(u16::from_be_bytes([*bytes.get(14)?, *bytes.get(15)?])))
}

proptest! {
    #![proptest_config(config(2_000))]

    /// A header is read or refused, in any pieces the same, and exactly to its end.
    #[test]
    fn proxy_headers(bytes in mutants(seeds(&["corpora/preambles"], &[""])), cut in 1..60usize) {
        let found = read(&bytes, usize::MAX);
        prop_assert_eq!(read(&bytes, cut), found);
        if let Some((_, taken)) = found {
            prop_assert_eq!(Some(taken), length(&bytes));
            prop_assert!(taken <= 4096);
        }
    }

    /// What a chain says makes a client of somebody only as far as trusted proxies say it: behind garbage it is the peer.
    #[test]
    fn forwarded_chains(bytes in mutants(seeds(&["corpora/forwarded"], &[""])), also in any::<bool>()) {
        let trusted = Networks::new(vec![Network::parse("10.0.0.0/8").expect("a network")]);
        let peer: SocketAddr = "10.0.0.1:7".parse().expect("an address");
        let stranger: SocketAddr = "203.0.113.1:7".parse().expect("an address");
        let mut headers = HeaderMap::new();
        for line in bytes.split(|&byte| byte == b'\n') {
            if let Ok(value) = HeaderValue::from_bytes(line) {
                headers.append("forwarded", value.clone());
                if also {
                    headers.append("x-forwarded-for", value);
                }
            }
        }
        prop_assert_eq!(client(stranger, &headers, &trusted), stranger);
        client(peer, &headers, &trusted);
        headers.remove("forwarded");
        headers.append("x-forwarded-for", HeaderValue::from_static("192.0.2.1, 10.0.0.3"));
        prop_assert_eq!(client(peer, &headers, &trusted).ip().to_string(), "192.0.2.1");
    }
}
