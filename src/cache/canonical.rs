//! The canonical form of a JSON body: the same bytes for all ways to write the same value.
//!
//! Members may stand in any order, with any white space, and strings may be escaped in any way. Numbers stay as they are
//! written: `1` and `1.0` are two values here, for whoever reads them may make a difference. So do members of objects that a
//! model reads as they stand (schemas, arguments of tools): the order of a schema's properties is the order in which they are
//! answered.
//!
//! Every value begins with a byte that tells what it is, and tells its length or its end; so no two values have the same
//! form. One object that is long stands as its hash, so that nothing is moved more than once however deep it lies: the time
//! is linear in the length. The body was parsed strictly before; what is no JSON here has no form.

use sha2::{Digest, Sha256};
use smallvec::SmallVec;
use std::ops::Range;

/// Deeper than what the strict parse lets pass.
const MOST_DEPTH: usize = 128;
/// A longer object stands as its hash.
const MOST_INLINE: usize = 1024;

/// Members below which the order means something: schemas, and values that are shown to the model.
const IN_ORDER: [&[u8]; 14] = [
    b"schema",
    b"parameters",
    b"parametersJsonSchema",
    b"input_schema",
    b"inputSchema",
    b"responseSchema",
    b"response_schema",
    b"responseJsonSchema",
    b"properties",
    b"arguments",
    b"args",
    b"input",
    b"output",
    b"response",
];

/// The canonical form of `body`; see [`super::Print::body`].
pub(super) fn of(body: &[u8], ignored: &[&[&str]], stateful: &[&str]) -> Option<Vec<u8>> {
    let mut form = Form { text: body, at: 0, out: Vec::with_capacity(body.len()), depth: 0, stateful };
    form.space();
    if form.peek()? != b'{' {
        return None;
    }
    form.value(false, ignored)?;
    form.space();
    (form.at == body.len()).then_some(form.out)
}

struct Form<'a> {
    text: &'a [u8],
    at: usize,
    out: Vec<u8>,
    depth: usize,
    stateful: &'a [&'a str],
}

impl Form<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.space();
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn value(&mut self, in_order: bool, ignored: &[&[&str]]) -> Option<()> {
        self.space();
        match self.peek()? {
            b'{' => self.deeper(|form| form.object(in_order, ignored)),
            b'[' => self.deeper(|form| form.array(in_order)),
            b'"' => self.string(),
            b'n' => self.word(b"null"),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return None;
        }
        read(self)?;
        self.depth -= 1;
        Some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        rest.starts_with(word).then(|| {
            self.at += word.len();
            self.out.push(word[0]);
        })
    }

    /// As it is written, up to its end mark.
    fn number(&mut self) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let end = rest.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        let number = &rest[..end.unwrap_or(rest.len())];
        self.out.extend_from_slice(number);
        self.out.push(b';');
        self.at += number.len();
        Some(())
    }

    /// Its length in bytes, and what it says.
    fn string(&mut self) -> Option<()> {
        self.out.push(b'"');
        let length_at = self.out.len();
        self.out.extend_from_slice(&[0; 8]);
        self.at += 1;
        loop {
            let rest = self.text.get(self.at..)?;
            let plain = memchr::memchr2(b'"', b'\\', rest)?;
            self.out.extend_from_slice(&rest[..plain]);
            self.at += plain + 1;
            if rest[plain] == b'"' {
                break;
            }
            self.escape()?;
        }
        let length = (self.out.len() - length_at - 8) as u64;
        self.out[length_at..length_at + 8].copy_from_slice(&length.to_le_bytes());
        Some(())
    }

    fn escape(&mut self) -> Option<()> {
        let byte = self.peek()?;
        self.at += 1;
        let plain = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut buffer = [0; 4];
                let letter = self.unicode()?;
                self.out.extend_from_slice(letter.encode_utf8(&mut buffer).as_bytes());
                return Some(());
            }
            _ => return None,
        };
        self.out.push(plain);
        Some(())
    }

    fn unicode(&mut self) -> Option<char> {
        let first = self.hex()?;
        if !(0xd800..0xe000).contains(&first) {
            return char::from_u32(first);
        }
        if self.text.get(self.at..self.at + 2)? != b"\\u" {
            return None;
        }
        self.at += 2;
        let second = self.hex()?;
        if first >= 0xdc00 || !(0xdc00..0xe000).contains(&second) {
            return None;
        }
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |sum, digit| Some(sum << 4 | char::from(*digit).to_digit(16)?))
    }

    fn array(&mut self, in_order: bool) -> Option<()> {
        self.out.push(b'[');
        self.at += 1;
        self.space();
        if self.peek()? == b']' {
            self.at += 1;
        } else {
            loop {
                self.value(in_order, &[])?;
                self.space();
                let byte = self.peek()?;
                self.at += 1;
                match byte {
                    b',' => {}
                    b']' => break,
                    _ => return None,
                }
            }
        }
        self.out.push(b']');
        Some(())
    }

    fn object(&mut self, in_order: bool, ignored: &[&[&str]]) -> Option<()> {
        let begin = self.out.len();
        self.out.push(if in_order { b'<' } else { b'{' });
        self.at += 1;
        let mut members: SmallVec<[Range<usize>; 16]> = SmallVec::new();
        self.space();
        if self.peek()? == b'}' {
            self.at += 1;
        } else {
            loop {
                members.extend(self.member(in_order, ignored)?);
                self.space();
                let byte = self.peek()?;
                self.at += 1;
                match byte {
                    b',' => {}
                    b'}' => break,
                    _ => return None,
                }
            }
        }
        if in_order {
            self.out.push(b'>');
            return Some(());
        }
        self.sorted(begin, members);
        Some(())
    }

    /// A member, and where it stands; `None` in it: it is ignored.
    fn member(&mut self, in_order: bool, ignored: &[&[&str]]) -> Option<Option<Range<usize>>> {
        let begin = self.out.len();
        self.space();
        if self.peek()? != b'"' {
            return None;
        }
        self.string()?;
        let name_at = begin + 9..self.out.len();
        let name = self.out.get(name_at.clone())?;
        let below: SmallVec<[&[&str]; 2]> = ignored
            .iter()
            .filter_map(|path| path.split_first().filter(|(first, _)| first.as_bytes() == name).map(|(_, rest)| rest))
            .collect();
        // The body's own `input` is a conversation.
        let in_order = in_order || (self.depth > 1 && IN_ORDER.contains(&name));
        let says_state = self.depth == 1 && self.stateful.iter().any(|one| one.as_bytes() == name);
        self.take(b':')?;
        let value_at = self.out.len();
        self.value(in_order, &below)?;
        if says_state && !matches!(self.out.get(value_at..)?, b"f" | b"n") {
            return None;
        }
        if below.iter().any(|path| path.is_empty()) {
            self.out.truncate(begin);
            return Some(None);
        }
        Some(Some(begin..self.out.len()))
    }

    /// Puts the members of the object that begins at `begin` in order; a long one becomes its hash.
    fn sorted(&mut self, begin: usize, mut members: SmallVec<[Range<usize>; 16]>) {
        let out = &self.out;
        let is_sorted = members.is_sorted_by(|a, b| out[a.clone()] <= out[b.clone()]);
        if !is_sorted {
            members.sort_by(|a, b| out[a.clone()].cmp(&out[b.clone()]));
        }
        if self.out.len() - begin > MOST_INLINE {
            let mut print = Sha256::new();
            members.iter().for_each(|member| print.update(&self.out[member.clone()]));
            self.out.truncate(begin);
            self.out.push(b'#');
            self.out.extend_from_slice(&print.finalize());
            return;
        }
        if !is_sorted {
            let parts: SmallVec<[u8; MOST_INLINE]> =
                members.iter().flat_map(|member| self.out[member.clone()].iter().copied()).collect();
            self.out.truncate(begin + 1);
            self.out.extend_from_slice(&parts);
        }
        self.out.push(b'}');
    }
}

#[cfg(test)]
#[path = "canonical_tests.rs"]
mod tests;
