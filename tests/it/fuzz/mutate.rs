//! What may become of a seed on its way: bits, pieces and words changed, cut out, repeated, moved and taken from others.

use proptest::prelude::*;

/// One change. Places are shares of the length, in 65,536ths, so that they shrink.
#[derive(Debug, Clone)]
enum Change {
    Flip { at: u16, bit: u8 },
    Cut { at: u16 },
    Remove { at: u16, length: u8 },
    Repeat { at: u16, length: u8, times: u8 },
    Word { at: u16, word: u8 },
    Number { at: u16, with: u8 },
    Take { from: u8, at: u16, there: u16, length: u8 },
}

/// What decoders are known to stumble over.
const WORDS: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "null",
    "true",
    "1e999",
    "-0",
    "18446744073709551616",
    "0.1",
    "\\u0000",
    "\\ud800",
    "\\",
    "\n\n",
    "\r",
    "data: ",
    "data: [DONE]\n\n",
    "event: x\n",
    "\u{feff}",
    "\u{0}",
    "ééé",
];

/// `seeds`, each with up to eight changes.
pub fn mutants(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let change = prop_oneof![
        (any::<u16>(), 0..8u8).prop_map(|(at, bit)| Change::Flip { at, bit }),
        any::<u16>().prop_map(|at| Change::Cut { at }),
        (any::<u16>(), any::<u8>()).prop_map(|(at, length)| Change::Remove { at, length }),
        (any::<u16>(), any::<u8>(), 1..9u8).prop_map(|(at, length, times)| Change::Repeat { at, length, times }),
        (any::<u16>(), any::<u8>()).prop_map(|(at, word)| Change::Word { at, word }),
        (any::<u16>(), any::<u8>()).prop_map(|(at, with)| Change::Number { at, with }),
        (any::<u8>(), any::<u16>(), any::<u16>(), any::<u8>()).prop_map(|(from, at, there, length)| Change::Take {
            from,
            at,
            there,
            length
        }),
    ];
    (0..seeds.len(), proptest::collection::vec(change, 0..8)).prop_map(move |(seed, changes)| {
        let mut bytes = seeds[seed].clone();
        for change in changes {
            apply(&change, &mut bytes, &seeds);
        }
        bytes
    })
}

fn apply(change: &Change, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let place = |share: u16, length: usize| usize::from(share) * length / 65_536;
    let length = bytes.len();
    match *change {
        Change::Flip { at, bit } => {
            if let Some(byte) = bytes.get_mut(place(at, length)) {
                *byte ^= 1 << bit;
            }
        }
        Change::Cut { at } => bytes.truncate(place(at, length)),
        Change::Remove { at, length: most } => {
            let start = place(at, length);
            bytes.drain(start..(start + usize::from(most)).min(length));
        }
        Change::Repeat { at, length: most, times } => {
            let start = place(at, length);
            let end = (start + usize::from(most)).min(length);
            let piece = bytes[start..end].repeat(usize::from(times));
            bytes.splice(start..start, piece);
        }
        Change::Word { at, word } => {
            let start = place(at, length);
            bytes.splice(start..start, WORDS[usize::from(word) % WORDS.len()].bytes());
        }
        Change::Number { at, with } => {
            // The next digit from there on becomes something else that may stand in its place.
            let start = place(at, length);
            if let Some(found) = bytes[start..].iter().position(u8::is_ascii_digit) {
                let with =
                    ["9999999999999999999", "-1", "0", "1.5", "\"1\"", "null", "[]", "{}"][usize::from(with) % 8];
                bytes.splice(start + found..=start + found, with.bytes());
            }
        }
        Change::Take { from, at, there, length: most } => {
            let other = &seeds[usize::from(from) % seeds.len()];
            let begin = place(there, other.len());
            let piece = other[begin..(begin + usize::from(most)).min(other.len())].to_vec();
            let start = place(at, length);
            bytes.splice(start..start, piece);
        }
    }
}
