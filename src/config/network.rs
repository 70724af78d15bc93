//! Addresses and networks as they are written: `192.0.2.1`, `10.0.0.0/8`, `2001:db8::/32`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// A set of networks. What is no IPv6 address but an IPv4 one in its clothes (`::ffff:192.0.2.1`) is an IPv4 address.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Networks(Arc<[Network]>);

/// One network: the addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    /// Bits that count.
    prefix: u8,
}

impl Networks {
    /// These networks.
    pub fn new(networks: Vec<Network>) -> Self {
        Self(networks.into())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Network> {
        self.0.iter()
    }

    /// Whether one of them has `address`.
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, network) in self.0.iter().enumerate() {
            write!(out, "{}{network}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Network {
    /// Reads an address, which stands for itself, or a network in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3).
    ///
    /// # Errors
    ///
    /// What is wrong with `text`, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let no = || {
            format!("`{text}` is no address and no network; write such as `192.0.2.1`, `10.0.0.0/8` or `2001:db8::/32`")
        };
        let written: IpAddr = address.parse().map_err(|_| no())?;
        let bits = bits(written);
        let prefix = match prefix {
            None => bits,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().map_err(|_| no())?,
            Some(_) => return Err(no()),
        };
        if prefix > bits {
            return Err(format!("`{text}`: an address of this kind has {bits} bits"));
        }
        let (base, prefix) = match (written.to_canonical(), prefix.checked_sub(96)) {
            (v4 @ IpAddr::V4(_), Some(rest)) if written.is_ipv6() => (v4, rest),
            _ => (written, prefix),
        };
        let network = Self { base: first(base, prefix), prefix };
        if network.base == base {
            Ok(network)
        } else {
            Err(format!("`{text}` has bits behind its prefix; the network is `{network}`, the address `{address}`"))
        }
    }

    /// Whether it has all addresses of its kind.
    pub fn is_everything(&self) -> bool {
        self.prefix == 0
    }

    /// Whether `address` is one of its addresses.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.base.is_ipv4() && first(address, self.prefix) == self.base
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == bits(self.base) { self.base.fmt(out) } else { write!(out, "{}/{}", self.base, self.prefix) }
    }
}

const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// `address` with all bits behind `prefix` cleared.
fn first(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let cut = 32u32.saturating_sub(u32::from(prefix));
            let bits = v4.to_bits().checked_shr(cut).and_then(|bits| bits.checked_shl(cut)).unwrap_or(0);
            Ipv4Addr::from_bits(bits).into()
        }
        IpAddr::V6(v6) => {
            let cut = 128u32.saturating_sub(u32::from(prefix));
            let bits = v6.to_bits().checked_shr(cut).and_then(|bits| bits.checked_shl(cut)).unwrap_or(0);
            Ipv6Addr::from_bits(bits).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(network: &str, address: &str) -> bool {
        let network = Network::parse(network).expect("a network");
        network.contains(address.parse().expect("an address"))
    }

    #[test]
    fn a_network_has_the_addresses_that_begin_with_its_bits() {
        let cases = [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("192.0.2.128/25", "192.0.2.127", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("fe80::1", "fe80::1", true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
        ];
        for (network, address, want) in cases {
            assert_eq!(has(network, address), want, "{network} {address}");
        }
    }

    #[test]
    fn what_is_no_network_is_told_with_what_to_write() {
        let cases = [
            ("10.0.0.1/8", "the network is `10.0.0.0/8`"),
            ("2001:db8::1/64", "the network is `2001:db8::/64`"),
            ("10.0.0.0/33", "32 bits"),
            ("::/129", "128 bits"),
            ("10.0.0.0/", "is no address"),
            ("10.0.0.0/+8", "is no address"),
            ("10.0.0.0/8/8", "is no address"),
            ("10.0.0.0/999", "is no address"),
            ("010.0.0.1", "is no address"),
            ("10.0.0", "is no address"),
            ("fe80::1%eth0", "is no address"),
            ("localhost", "is no address"),
            ("10.0.0.1:80", "is no address"),
            ("", "is no address"),
        ];
        for (text, want) in cases {
            let said = Network::parse(text).expect_err(text);
            assert!(said.contains(want), "{text}: {said}");
        }
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same() {
        for text in ["192.0.2.1", "10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "::1", "::/0"] {
            assert_eq!(Network::parse(text).expect(text).to_string(), text);
        }
    }
}
