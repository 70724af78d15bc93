//! IP addresses, MAC addresses, UUIDs.

use super::ballot::{Ballot, Strength};
use super::entity::Entity::{Ip, Mac, Uuid};
use super::look::Look;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What a hexadecimal or dotted notation at the start may be.
pub(super) fn vote(ballot: &mut Ballot<'_>) {
    let look = ballot.look;
    if matches!(look.back(1), b':' | b'.' | b'_') && look.back(2).is_ascii_alphanumeric() && look.back(1) != b':' {
        return;
    }
    let first = look.at(look.start());
    if ballot.wants(Ip)
        && first.is_ascii_digit()
        && let Some((end, address)) = v4(look)
    {
        // `4.5.3.1` is a section or a version, but `8.8.8.8` is not.
        let octets = address.octets();
        let section = octets.iter().all(|&octet| octet < 10) && octets.iter().any(|&octet| octet != octets[0]);
        ballot.offer(Ip, end, if section { Strength::Word } else { Strength::Sure });
    }
    if !(first.is_ascii_hexdigit() || first == b':') {
        return;
    }
    let run = look.run(look.start(), |byte| byte.is_ascii_hexdigit()) - look.start();
    let next = look.at(look.start() + run);
    match (run, next) {
        (0..=4, b':') if ballot.wants(Ip) => {
            if let Some((end, _)) = v6(look) {
                ballot.offer(Ip, end, Strength::Sure);
            }
        }
        _ => {}
    }
    if ballot.wants(Mac)
        && matches!((run, next), (2, b':' | b'-') | (4, b'.'))
        && let Some(end) = mac(look)
    {
        ballot.offer(Mac, end, Strength::Sure);
    }
    if ballot.wants(Uuid)
        && (run, next) == (8, b'-')
        && let Some(end) = uuid(look)
    {
        ballot.offer(Uuid, end, Strength::Sure);
    }
}

/// Four numbers up to 255 without leading zeros. Not: loopback, nothing, masks; versions (`v1.2.3.4`).
pub(super) fn v4(look: &Look<'_>) -> Option<(usize, Ipv4Addr)> {
    if matches!(look.back(1), b'.' | b'-' | b'/') && look.back(2).is_ascii_digit() {
        return None;
    }
    let mut octets = [0_u8; 4];
    let mut at = look.start();
    for (place, octet) in octets.iter_mut().enumerate() {
        if place > 0 {
            if look.at(at) != b'.' {
                return None;
            }
            at += 1;
        }
        let end = look.run(at, |byte| byte.is_ascii_digit());
        if !(1..=3).contains(&(end - at)) || (end - at > 1 && look.at(at) == b'0') {
            return None;
        }
        let value = look.seen(at..end).iter().fold(0_u32, |value, &byte| value * 10 + u32::from(byte - b'0'));
        *octet = u8::try_from(value).ok()?;
        at = end;
    }
    let next = look.at(at);
    let longer = next.is_ascii_alphanumeric()
        || matches!(next, b'_' | b'@')
        || next == b'.' && look.at(at + 1).is_ascii_alphanumeric();
    let address = Ipv4Addr::from(octets);
    let nobody = address.is_loopback() || octets[0] == 0 || octets[0] == 255;
    (!longer && !nobody && !is_version(look)).then_some((at, address))
}

/// Whether the word in front says that a version follows.
fn is_version(look: &Look<'_>) -> bool {
    let before = look.context();
    let before = before.strip_suffix(b" ").or_else(|| before.strip_suffix(b"=")).unwrap_or(before);
    let before = before.strip_suffix(b"=").unwrap_or(before);
    ["version", "release", " v", "ver.", "chrome/", "section", "§"].iter().any(|word| {
        before.len() >= word.len() && before[before.len() - word.len()..].eq_ignore_ascii_case(word.as_bytes())
    })
}

/// At least one colon doubled or seven of them, and a number in it: `a::b` is a path in Rust. Not: loopback.
pub(super) fn v6(look: &Look<'_>) -> Option<(usize, Ipv6Addr)> {
    if matches!(look.back(1), b':' | b'.')
        && look.back(2) != b' '
        && look.back(2) != 0
        && !look.back(2).is_ascii_alphabetic()
    {
        return None;
    }
    let start = look.start();
    let mut end = look.run(start, |byte| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.');
    // What ends the sentence.
    while end > start + 2 && (look.at(end - 1) == b'.' || look.at(end - 1) == b':' && look.at(end - 2) != b':') {
        end -= 1;
    }
    if !(4..=45).contains(&(end - start)) || look.at(end).is_ascii_alphanumeric() || look.at(end) == b'_' {
        return None;
    }
    let written = std::str::from_utf8(look.seen(start..end)).ok()?;
    let address: Ipv6Addr = written.parse().ok()?;
    let groups = address.segments().iter().filter(|&&group| group != 0).count();
    let numbered = written.bytes().any(|byte| byte.is_ascii_digit());
    (numbered && groups >= 2 && !(start > 0 && look.back(1) == b':' && look.back(2) == b':')).then_some((end, address))
}

/// Six pairs, or three groups of four with dots.
fn mac(look: &Look<'_>) -> Option<usize> {
    let start = look.start();
    let before = look.back(1);
    if matches!(before, b':' | b'-' | b'.') && look.back(2).is_ascii_hexdigit() {
        return None;
    }
    let first = look.run(start, |byte| byte.is_ascii_hexdigit());
    let (size, groups) = (first - start, if first - start == 2 { 6 } else { 3 });
    let separator = look.at(first);
    let mut at = first;
    for _ in 1..groups {
        if look.at(at) != separator {
            return None;
        }
        let end = look.run(at + 1, |byte| byte.is_ascii_hexdigit());
        if end - at - 1 != size {
            return None;
        }
        at = end;
    }
    let next = look.at(at);
    let longer = next.is_ascii_alphanumeric() || (next == separator && look.at(at + 1).is_ascii_alphanumeric());
    (!longer).then_some(at)
}

fn uuid(look: &Look<'_>) -> Option<usize> {
    let mut at = look.start();
    for (place, size) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if place > 0 {
            if look.at(at) != b'-' {
                return None;
            }
            at += 1;
        }
        let end = look.run(at, |byte| byte.is_ascii_hexdigit());
        if end - at != size {
            return None;
        }
        at = end;
    }
    (!look.at(at).is_ascii_alphanumeric() && look.at(at) != b'-').then_some(at)
}
