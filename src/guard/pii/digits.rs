//! Digits in groups, as numbers are written: `4111 1111 1111 1111`, `078-05-1120`, `123.456.789-09`.

use super::look::Look;

/// More digits than any number here has; a group that goes beyond is none of them.
const MOST: usize = 24;
const MOST_GROUPS: usize = 12;

/// Groups of digits from one place on, single separators between them.
pub(super) struct Digits {
    digits: [u8; MOST],
    groups: [Group; MOST_GROUPS],
    count: usize,
}

#[derive(Clone, Copy, Default)]
struct Group {
    /// Digits up to its end.
    digits: usize,
    /// Where it ends in the text.
    end: usize,
    /// What stands in front of it; 0 for the first.
    separator: u8,
    /// A number may end here.
    closed: bool,
    /// Lengths of the groups up to it, as [`Number::shape`].
    shape: u64,
    /// All separators up to it are the same.
    same: bool,
}

/// The first groups of [`Digits`], taken as one number.
#[derive(Clone, Copy)]
pub(super) struct Number<'a> {
    /// Its digits.
    pub digits: &'a [u8],
    /// Lengths of its groups, one hexadecimal digit each: `0x324`.
    pub shape: u64,
    /// The separator, when there is one and it is always the same; 0: there is none.
    pub separator: Option<u8>,
    /// The last separator.
    pub last: u8,
    /// Where it ends in the text.
    pub end: usize,
}

impl Number<'_> {
    /// It is one group.
    pub(super) const fn is_plain(&self) -> bool {
        self.shape < 0x10
    }

    /// Separated by nothing but this, or by nothing.
    pub(super) fn is_of(&self, shape: u64, separators: &[u8]) -> bool {
        self.shape == shape && self.separator.is_some_and(|separator| separators.contains(&separator))
    }
}

const fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'/')
}

impl Digits {
    /// The groups from `from` on.
    pub(super) fn read(look: &Look<'_>, from: usize) -> Self {
        let mut read = Self { digits: [0; MOST], groups: [Group::default(); MOST_GROUPS], count: 0 };
        let (mut at, mut total, mut separator, mut shape, mut same) = (from, 0, 0, 0_u64, true);
        while read.count < MOST_GROUPS {
            let begin = at;
            let next = loop {
                let byte = look.at(at);
                if !byte.is_ascii_digit() {
                    break byte;
                }
                let Some(place) = read.digits.get_mut(total) else { return read };
                *place = byte - b'0';
                (at, total) = (at + 1, total + 1);
            };
            let after = if next == 0 { 0 } else { look.at(at + 1) };
            let goes_on = is_separator(next) && after.is_ascii_digit();
            let closed = closes(next, after, at - begin);
            if at == begin {
                return read;
            }
            shape = shape << 4 | (at - begin).min(15) as u64;
            same &= read.count < 2 || separator == read.groups[1].separator;
            read.groups[read.count] = Group { digits: total, end: at, separator, closed, shape, same };
            read.count += 1;
            if !goes_on {
                return read;
            }
            (separator, at) = (next, at + 1);
        }
        read
    }

    /// The numbers that the first one, two, … groups are, the longest first.
    pub(super) fn numbers(&self) -> impl Iterator<Item = Number<'_>> {
        (1..=self.count).rev().filter(|&count| self.groups[count - 1].closed).map(|count| self.number(count))
    }

    /// The last number when a letter follows it: `415-555-2671x12`.
    pub(super) fn open_end(&self) -> Option<Number<'_>> {
        let last = self.groups[..self.count].last().filter(|last| !last.closed)?;
        Some(Number { end: last.end, ..self.number(self.count) })
    }

    fn number(&self, count: usize) -> Number<'_> {
        let last = self.groups[count - 1];
        let first = if count > 1 { self.groups[1].separator } else { 0 };
        Number {
            digits: &self.digits[..last.digits],
            shape: last.shape,
            separator: last.same.then_some(first),
            last: last.separator,
            end: last.end,
        }
    }
}

/// Whether a number may end in front of `next` and `after`; its last group has `length` digits.
fn closes(next: u8, after: u8, length: usize) -> bool {
    match next {
        b'_' | b'@' => false,
        b'-' => !after.is_ascii_alphanumeric(),
        b'.' => !after.is_ascii_digit(),
        // `12:30`, `1,234`, `1/2`; but also columns: `4111111111111111,123`.
        b',' | b':' | b'/' => !after.is_ascii_digit() || length > 3,
        _ => !next.is_ascii_alphanumeric(),
    }
}

/// Whether a number may begin at the start of `look`: it is no part of a longer number, of a name or of a price.
pub(super) fn opens(look: &Look<'_>) -> bool {
    let (before, second) = (look.back(1), look.back(2));
    match before {
        b'_' | b'$' | b'+' => false,
        b'.' | b'/' => !second.is_ascii_digit(),
        b'-' if second.is_ascii_alphanumeric() => follows_a_word(look),
        // The last bytes of `€` and `£`.
        0xac | 0xa3 => !matches!((look.back(3), second), (0xe2, 0x82) | (_, 0xc2)),
        _ => !before.is_ascii_alphanumeric(),
    }
}

/// Whether the word in front of the dash is one (`SSN-078…`), and no part of a number or a UUID.
fn follows_a_word(look: &Look<'_>) -> bool {
    let (mut steps, mut hex) = (2, true);
    while steps < 16 && look.back(steps).is_ascii_alphanumeric() {
        let byte = look.back(steps);
        if byte.is_ascii_digit() {
            return false;
        }
        hex &= byte.is_ascii_hexdigit();
        steps += 1;
    }
    !hex
}
