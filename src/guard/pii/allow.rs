//! What is never a hit, by value.

use super::entity::Entity;
use super::look::Look;
use super::network;
use crate::guard::CONTEXT;
use std::net::IpAddr;

/// Values that are no hits.
#[derive(Debug, Default)]
pub(super) struct Allow {
    /// Lower case.
    values: Vec<Box<[u8]>>,
    /// Of e-mail addresses, with the `@`, lower case.
    domains: Vec<Box<[u8]>>,
    networks: Vec<(IpAddr, u8)>,
}

impl Allow {
    /// Takes an entry of the list.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn add(&mut self, entry: &str) -> Result<(), String> {
        let entry = entry.trim().to_ascii_lowercase();
        if entry.is_empty() || entry.len() > CONTEXT {
            return Err(format!("`{entry}`: an entry has 1 to {CONTEXT} bytes"));
        }
        if entry.starts_with('@') {
            self.domains.push(entry.into_bytes().into());
            return Ok(());
        }
        if let Some((address, bits)) = entry.split_once('/')
            && let Ok(address) = address.parse::<IpAddr>()
        {
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.parse().ok().filter(|&bits: &u8| bits <= most);
            let bits = bits.ok_or_else(|| format!("`{entry}`: behind the slash stands 0 to {most}"))?;
            self.networks.push((address, bits));
            return Ok(());
        }
        self.values.push(entry.into_bytes().into());
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.domains.is_empty() && self.networks.is_empty()
    }

    /// Whether the hit of `look` up to `end` is one of them, or a part of one.
    pub(super) fn has(&self, look: &Look<'_>, end: usize, entity: Entity) -> bool {
        let value = look.seen(look.start()..end);
        match entity {
            Entity::Email if self.domains.iter().any(|domain| ends_with(value, domain)) => return true,
            Entity::Ip => {
                let address = network::v4(look).map(|(_, v4)| IpAddr::V4(v4));
                let address = address.or_else(|| network::v6(look).map(|(_, v6)| IpAddr::V6(v6)));
                if address.is_some_and(|address| self.networks.iter().any(|&(net, bits)| contains(net, bits, address)))
                {
                    return true;
                }
            }
            _ => {}
        }
        self.values.iter().any(|allowed| covers(allowed, look, end))
    }
}

fn ends_with(value: &[u8], end: &[u8]) -> bool {
    value.len() >= end.len() && value[value.len() - end.len()..].eq_ignore_ascii_case(end)
}

/// Whether `allowed` stands in the text so that all of the hit is inside of it.
fn covers(allowed: &[u8], look: &Look<'_>, end: usize) -> bool {
    let length = end - look.start();
    let before = look.context();
    if length > allowed.len() {
        return false;
    }
    (0..=allowed.len() - length).any(|offset| {
        ends_with(before, &allowed[..offset])
            && allowed[offset..]
                .iter()
                .enumerate()
                .all(|(place, &byte)| look.at(look.start() + place).to_ascii_lowercase() == byte)
    })
}

fn contains(net: IpAddr, bits: u8, address: IpAddr) -> bool {
    let bits = u32::from(bits);
    match (net, address) {
        (IpAddr::V4(net), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            (net.to_bits() ^ address.to_bits()) & mask == 0
        }
        (IpAddr::V6(net), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            (net.to_bits() ^ address.to_bits()) & mask == 0
        }
        _ => false,
    }
}
