//! Where one of many literals may begin, told by its first three bytes: about a nanosecond a byte, whatever their number.

use std::ops::Range;

/// Bits of the filter: 4 KiB, which stay in the first cache.
const BITS: u32 = 15;

/// Literals of at least three bytes, each with a number of its owner's.
#[derive(Debug)]
pub(super) struct Literals {
    /// One bit for each hash of three bytes that a literal begins with.
    filter: Box<[u64; 1 << (BITS - 6)]>,
    /// By their bytes.
    sorted: Vec<(Box<[u8]>, usize)>,
    /// The first three bytes of literals, in order, and which ones these are.
    keys: Vec<(u32, Range<usize>)>,
    /// Whether a literal begins with these two bytes, of which the second may be to come.
    begins: Box<[[u64; 4]; 256]>,
    longest: usize,
}

impl Literals {
    /// Panics never: literals of less than three bytes are left out.
    pub(super) fn new(literals: impl IntoIterator<Item = (Vec<u8>, usize)>) -> Self {
        let mut filter = Box::new([0_u64; 1 << (BITS - 6)]);
        let mut begins = Box::new([[0_u64; 4]; 256]);
        let mut sorted: Vec<(Box<[u8]>, usize)> =
            literals.into_iter().map(|(bytes, owner)| (bytes.into_boxed_slice(), owner)).collect();
        sorted.retain(|(bytes, _)| bytes.len() >= 3);
        sorted.sort();
        let mut keys: Vec<(u32, Range<usize>)> = Vec::new();
        for (index, (bytes, _)) in sorted.iter().enumerate() {
            if let [one, two, three, ..] = **bytes {
                let hash = hash(u32::from_le_bytes([one, two, three, 0]));
                filter[hash >> 6] |= 1 << (hash & 63);
                begins[usize::from(one)][usize::from(two >> 6)] |= 1 << (two & 63);
            }
            let Some(key) = key(bytes) else { continue };
            match keys.last_mut() {
                Some((last, range)) if *last == key => range.end = index + 1,
                _ => keys.push((key, index..index + 1)),
            }
        }
        let longest = sorted.iter().map(|(bytes, _)| bytes.len()).max().unwrap_or(0);
        Self { filter, sorted, keys, begins, longest }
    }

    /// Places at or behind `from` where one may begin: all where one does, and few others.
    pub(super) fn candidates<'a>(&'a self, text: &'a [u8], from: usize) -> Candidates<'a> {
        Candidates { filter: &self.filter, text, at: from }
    }

    /// The literals that stand at this place: their lengths and numbers.
    pub(super) fn at(&self, text: &[u8], at: usize) -> impl Iterator<Item = (usize, usize)> {
        let rest = text.get(at..).unwrap_or_default();
        let key = key(rest);
        let place = key.and_then(|key| self.keys.binary_search_by_key(&key, |(key, ..)| *key).ok());
        let range = place.and_then(|place| self.keys.get(place)).map_or(0..0, |(_, range)| range.clone());
        let same = self.sorted.get(range).unwrap_or_default();
        same.iter().filter(move |(bytes, _)| rest.starts_with(bytes)).map(|(bytes, owner)| (bytes.len(), *owner))
    }

    /// Places at the end of `text`, at or behind `from`, where a literal may have begun.
    pub(super) fn tails(&self, text: &[u8], from: usize) -> Range<usize> {
        from.max((text.len() + 1).saturating_sub(self.longest.max(1)))..text.len()
    }

    /// The numbers of the literals that `tail` is the beginning of, and not all.
    pub(super) fn begun(&self, tail: &[u8]) -> impl Iterator<Item = usize> {
        let may = match *tail {
            [one, two, ..] => self.begins[usize::from(one)][usize::from(two >> 6)] >> (two & 63) & 1 == 1,
            [one] => self.begins[usize::from(one)] != [0; 4],
            [] => false,
        };
        let from = if may { self.sorted.partition_point(|(one, _)| **one < *tail) } else { self.sorted.len() };
        self.sorted[from..]
            .iter()
            .take_while(move |(bytes, _)| bytes.starts_with(tail))
            .filter(move |(bytes, _)| bytes.len() > tail.len())
            .map(|(_, owner)| *owner)
    }
}

/// Places where a literal may begin.
pub(super) struct Candidates<'a> {
    filter: &'a [u64; 1 << (BITS - 6)],
    text: &'a [u8],
    at: usize,
}

impl Iterator for Candidates<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let passes = |bytes: u32| {
            let hash = hash(bytes & 0x00ff_ffff);
            self.filter[hash >> 6] >> (hash & 63) & 1 == 1
        };
        let rest = self.text.get(self.at..)?;
        // Four bytes are one read; the last three have none behind them.
        let found = rest.windows(4).position(|window| match *window {
            [one, two, three, four] => passes(u32::from_le_bytes([one, two, three, four])),
            _ => false,
        });
        let last = || match *rest.last_chunk::<3>()? {
            [one, two, three] => passes(u32::from_le_bytes([one, two, three, 0])).then(|| rest.len() - 3),
        };
        let at = self.at + found.or_else(last)?;
        self.at = at + 1;
        Some(at)
    }
}

/// The first three bytes, in the order of texts.
fn key(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk::<3>().map(|&[one, two, three]| u32::from_be_bytes([0, one, two, three]))
}

const fn hash(three: u32) -> usize {
    (three.wrapping_mul(0x9E37_79B1) >> (32 - BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::Literals;

    #[test]
    fn every_literal_is_found_where_it_stands_and_where_it_begins() {
        let words = ["abc", "abcd", "bcd", "xyz12"];
        let literals = Literals::new(words.iter().enumerate().map(|(at, word)| (word.as_bytes().to_vec(), at)));
        let text = b"zabcdd xyz1 xyz12";
        let found: Vec<(usize, Vec<usize>)> = literals
            .candidates(text, 0)
            .map(|at| (at, literals.at(text, at).map(|(_, owner)| owner).collect()))
            .filter(|(_, owners): &(usize, Vec<usize>)| !owners.is_empty())
            .collect();
        assert_eq!(found, [(1, vec![0, 1]), (2, vec![2]), (12, vec![3])]);
        assert_eq!(literals.begun(b"ab").collect::<Vec<_>>(), [0, 1]);
        assert_eq!(literals.begun(b"abc").collect::<Vec<_>>(), [1]);
        assert_eq!(literals.begun(b"q").count(), 0);
        assert_eq!(literals.tails(text, 0), text.len() - 4..text.len());
    }
}
