//! Addresses of crypto wallets, with their checksums where they have some.

use super::ballot::{Ballot, Strength};
use super::codes::closes;
use super::digits::opens;
use super::entity::Entity::CryptoWallet;
use sha2::{Digest, Sha256};

/// Base58Check (Bitcoin, Litecoin, Dogecoin, Tron, Dash, Zcash): <https://en.bitcoin.it/wiki/Base58Check_encoding>;
/// Bech32: <https://github.com/bitcoin/bips/blob/master/bip-0173.mediawiki> and `bip-0350`;
/// Ethereum: <https://eips.ethereum.org/EIPS/eip-55>, whose capitals are not checked; Monero, unchecked:
/// <https://docs.getmonero.org/public-address/standard-address/>; Ripple: <https://xrpl.org/docs/references/protocol/data-types/base58-encodings>.
pub(super) fn vote(ballot: &mut Ballot<'_>) {
    let look = ballot.look;
    let start = look.start();
    if !ballot.wants(CryptoWallet)
        || !matches!(
            look.at(start),
            b'0' | b'1'
                | b'3'
                | b'4'
                | b'8'
                | b'b'
                | b'l'
                | b'B'
                | b'L'
                | b'M'
                | b'D'
                | b'T'
                | b'A'
                | b'9'
                | b'X'
                | b't'
                | b'r'
        )
        || !opens(look)
    {
        return;
    }
    let end = look.run(start, |byte| byte.is_ascii_alphanumeric());
    let text = look.seen(start..end);
    if text.len() < 25 || !closes(look, end) {
        return;
    }
    let found = match text {
        [b'0', b'x' | b'X', rest @ ..] => rest.len() == 40 && rest.iter().all(u8::is_ascii_hexdigit),
        [b'4' | b'8', ..] if matches!(text.len(), 95 | 106) => text.iter().all(|&byte| rank(BITCOIN, byte).is_some()),
        [b'b' | b'B', b'c' | b'C', b'1', ..] => bech32(text, 2),
        [b'l' | b'L', b't' | b'T', b'c' | b'C', b'1', ..] => bech32(text, 3),
        [b'r', ..] => base58(RIPPLE, text).is_some_and(|version| version == 0),
        _ if text.len() <= 35 => base58(BITCOIN, text).is_some_and(|version| VERSIONS.contains(&version)),
        _ => false,
    };
    if found {
        ballot.offer(CryptoWallet, end, Strength::Sure);
    }
}

/// Bitcoin, Bitcoin scripts, Litecoin, its scripts, Dogecoin, its scripts, Tron, Dash, Zcash (`t1`, `t3`).
const VERSIONS: &[u8] = &[0x00, 0x05, 0x30, 0x32, 0x1e, 0x16, 0x41, 0x4c, 0x1c];
const BITCOIN: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const RIPPLE: &[u8; 58] = b"rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz";

fn rank(alphabet: &[u8], byte: u8) -> Option<u8> {
    alphabet.iter().position(|&one| one == byte).and_then(|place| u8::try_from(place).ok())
}

/// The version of a Base58Check text of 25 bytes (of 26: the first of the two) whose checksum is right.
fn base58(alphabet: &[u8], text: &[u8]) -> Option<u8> {
    let mut bytes = [0_u8; 26];
    for &byte in text {
        let mut carry = u32::from(rank(alphabet, byte)?);
        for place in bytes.iter_mut().rev() {
            carry += u32::from(*place) * 58;
            *place = (carry & 0xff) as u8;
            carry >>= 8;
        }
        if carry > 0 {
            return None;
        }
    }
    let bytes = if bytes[0] == 0 { &bytes[1..] } else { &bytes[..] };
    let (payload, check) = bytes.split_at(bytes.len() - 4);
    let digest = Sha256::digest(Sha256::digest(payload));
    (digest[..4] == *check).then_some(payload[0])
}

/// Whether a text whose prefix has `prefix` characters is right by Bech32 or Bech32m.
fn bech32(text: &[u8], prefix: usize) -> bool {
    const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const POLYNOMIAL: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    if text.len() > 90 || text.iter().any(u8::is_ascii_lowercase) && text.iter().any(u8::is_ascii_uppercase) {
        return false;
    }
    let step = |sum: u32, value: u8| {
        let top = sum >> 25;
        let shifted = (sum & 0x1ff_ffff) << 5 ^ u32::from(value);
        (0..5).filter(|bit| top >> bit & 1 == 1).fold(shifted, |sum, bit| sum ^ POLYNOMIAL[bit])
    };
    let lower = |&byte: &u8| byte.to_ascii_lowercase();
    let human = || text[..prefix].iter().map(lower);
    let sum = human().fold(1, |sum, byte| step(sum, byte >> 5));
    let mut sum = human().fold(step(sum, 0), |sum, byte| step(sum, byte & 31));
    for byte in text[prefix + 1..].iter().map(lower) {
        let Some(value) = rank(ALPHABET, byte) else { return false };
        sum = step(sum, value);
    }
    matches!(sum, 1 | 0x2bc8_30a3)
}
