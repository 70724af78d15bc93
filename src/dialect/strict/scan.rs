//! The pass itself: recursive descent over bytes.

use super::gist::{Gist, Section, Tally, is_part_of};
use super::keys::{Keys, Scope};
use super::text::{escape, is_base64, is_data_url, plain_run, unescape};
use super::{Byte, Fault, Kind, MAX_DEPTH, Member, Outline, Reason, Shape};
use crate::{dialect::path, model::Span};
use std::borrow::Cow;

type Checked<T> = Result<T, Box<Fault>>;

pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    keys: Keys<'a>,
    text_bytes: u64,
    tally: Tally,
    /// The top-level member that is being read.
    section: Section,
    /// The object that is read next is part of the one around it, which tells what it is: `source`, `image_url` …
    lent: bool,
    /// What the object that ended last told.
    last: Gist,
    /// How objects say what they are.
    shape: Shape,
    /// Where the first byte is that is no UTF-8; `usize::MAX` if there is none.
    invalid_at: usize,
}

/// A string that was passed over.
struct Text {
    /// Without its quotes.
    inside: Span,
    escaped: bool,
    /// Bytes when unescaped.
    length: u64,
}

impl<'a> Scan<'a> {
    pub(super) fn new(bytes: &'a [u8], invalid_at: usize) -> Self {
        let (tally, last) = (Tally::default(), Gist::default());
        let section = Section::default();
        let keys = Keys::default();
        let shape = Shape::default();
        Self { bytes, at: 0, depth: 0, keys, text_bytes: 0, tally, section, lent: false, last, shape, invalid_at }
    }

    pub(super) fn shaped(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    /// Over one value of `bytes`; offsets stay those of `bytes`.
    pub(super) fn within(bytes: &'a [u8], span: Span) -> Self {
        let bytes = &bytes[..span.end.min(bytes.len())];
        Self { at: span.start, ..Self::new(bytes, usize::MAX) }
    }

    /// The whole body: one object and white space.
    pub(super) fn body(&mut self) -> Checked<Outline<'a>> {
        match self.peek_token() {
            None => return self.fault(Reason::Empty),
            Some(b'{') => {}
            Some(_) => return self.fault(Reason::NoObject),
        }
        let inside = self.at + 1;
        let mut members = Vec::with_capacity(16);
        self.object(Some(&mut members))?;
        match self.peek_token() {
            None => {
                let tally = std::mem::take(&mut self.tally);
                Ok(Outline { members, inside, text_bytes: self.text_bytes, tally })
            }
            Some(_) => self.fault(Reason::Trailing),
        }
    }

    /// Elements of the array that stands here, and the kind of the first.
    pub(super) fn count_elements(&mut self) -> Checked<(u64, Option<Kind>)> {
        let (mut count, mut first) = (0, None);
        self.elements(|_, kind| {
            first = first.or(Some(kind));
            count += 1;
        })?;
        Ok((count, first))
    }

    fn value(&mut self) -> Checked<Kind> {
        match self.peek_token() {
            Some(b'"') => {
                let text = self.string()?;
                self.count(&text, Context::Element);
                Ok(Kind::String)
            }
            Some(b'{') => self.object(None).map(|()| Kind::Object),
            Some(b'[') => self.elements(|_, _| {}).map(|()| Kind::Array),
            _ => self.scalar(),
        }
    }

    /// A value that is neither a string nor a container.
    fn scalar(&mut self) -> Checked<Kind> {
        match self.bytes.get(self.at) {
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| Kind::Number),
            Some(b't') => self.word(b"true", Kind::Bool),
            Some(b'f') => self.word(b"false", Kind::Bool),
            Some(b'n') => self.word(b"null", Kind::Null),
            _ => self.unexpected("a value"),
        }
    }

    fn object(&mut self, mut outline: Option<&mut Vec<Member<'a>>>) -> Checked<()> {
        let lent = std::mem::take(&mut self.lent);
        let start = self.at;
        self.enter()?;
        let mut scope = self.keys.open();
        let mut payload = Payload::default();
        let mut gist = Gist::new(self.shape);
        let mut more = self.first_or_end(b'}');
        while more {
            let name_at = self.at;
            let name = self.name(&mut scope)?;
            let key = Span { start: name_at, end: self.at };
            self.expect(b':', "`:`").map_err(|fault| inside(fault, || path::step(&name)))?;
            self.peek_token();
            let value = self.at;
            if outline.is_some() && matches!(self.bytes.get(value), Some(b'{' | b'[')) {
                self.section = Section::of(&name, self.shape);
            }
            let kind = self
                .member_value(&name, &mut payload, &mut gist)
                .map_err(|fault| inside(fault, || path::step(&name)))?;
            match &mut outline {
                Some(members) => {
                    members.push(Member { key: name, key_span: key, value: Span { start: value, end: self.at }, kind });
                }
                None => self.text_bytes += name.len() as u64,
            }
            more = self.next_or_end(b'}', "`,` or `}`")?;
        }
        self.text_bytes -= payload.uncounted();
        if outline.is_none() {
            if !lent {
                let at = Span { start, end: self.at };
                gist.conclude(self.section, self.depth == ITEM_DEPTH, at, &mut self.tally);
            }
            self.last = gist;
        }
        self.keys.close(&scope);
        self.depth -= 1;
        Ok(())
    }

    /// A member's name, which stands here; taken into `scope`.
    fn name(&mut self, scope: &mut Scope<'a>) -> Checked<Cow<'a, [u8]>> {
        let start = self.at;
        if self.peek_token() != Some(b'"') {
            return self.unexpected("a name in double quotes");
        }
        let text = self.string()?;
        let inside = &self.bytes[text.inside.range()];
        let name = if text.escaped { Cow::Owned(unescape(inside)) } else { Cow::Borrowed(inside) };
        if self.keys.insert(scope, name.clone()) {
            return Ok(name);
        }
        let shown = path::echo(&String::from_utf8_lossy(&name));
        Err(Box::new(Fault { offset: start, reason: Reason::DuplicateKey(shown), steps: Vec::new() }))
    }

    /// The value of the member `name`.
    fn member_value(&mut self, name: &[u8], payload: &mut Payload, gist: &mut Gist) -> Checked<Kind> {
        let named = self.shape == Shape::Named;
        if matches!(name, b"media_type" | b"format") || (named && matches!(name, b"mimeType" | b"mime_type")) {
            payload.beside = true;
        }
        let start = self.at;
        if self.bytes.get(start) != Some(&b'"') {
            return self.member_container(name, gist);
        }
        let text = self.string()?;
        let counted = self.count(&text, if is_prose(name) { Context::Prose } else { Context::Element });
        let mut base64 = counted == 0 && text.length > 0;
        if name == b"data" && counted > 0 && is_base64(&self.bytes[text.inside.range()]) {
            payload.data = counted;
            base64 = true;
        }
        if self.depth > 1 {
            gist.string(name, self.bytes, Span { start, end: self.at }, base64, &mut self.tally);
        }
        Ok(Kind::String)
    }

    /// The value of the member `name`, which is no string.
    fn member_container(&mut self, name: &[u8], gist: &mut Gist) -> Checked<Kind> {
        if !matches!(self.bytes.get(self.at), Some(b'{' | b'[')) {
            let start = self.at;
            let kind = self.scalar()?;
            gist.number(name, self.bytes, Span { start, end: self.at });
            return Ok(kind);
        }
        let (start, section) = (self.at, self.section);
        // Arguments of a tool, which a model reads as the text that they are, whatever they look like.
        let arguments = match self.shape {
            Shape::Typed => name == b"input" && self.depth >= ITEM_DEPTH,
            Shape::Named => matches!(name, b"args" | b"response"),
        };
        if arguments {
            self.section = Section::Plain;
        }
        self.lent = is_part_of(name, self.shape);
        let kind = self.value()?;
        self.lent = false;
        self.section = section;
        if kind == Kind::Object && section != Section::Plain {
            let last = self.last;
            gist.object(name, &last, self.bytes, start, &mut self.tally);
        }
        Ok(kind)
    }

    fn elements(&mut self, mut each: impl FnMut(&Self, Kind)) -> Checked<()> {
        self.lent = false;
        self.peek_token();
        self.enter()?;
        let (mut index, mut more) = (0, self.first_or_end(b']'));
        while more {
            let kind = self.value().map_err(|fault| inside(fault, || path::Step::Index(index)))?;
            if kind == Kind::Number {
                self.text_bytes += TOKEN_BYTES;
            }
            each(self, kind);
            index += 1;
            more = self.next_or_end(b']', "`,` or `]`")?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Goes into a container, whose opening bracket stands here.
    fn enter(&mut self) -> Checked<()> {
        if self.depth == MAX_DEPTH {
            return self.fault(Reason::Depth);
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Whether a container that was just entered holds something; else it is left.
    fn first_or_end(&mut self, end: u8) -> bool {
        if self.peek_token() == Some(end) {
            self.at += 1;
            return false;
        }
        true
    }

    /// Behind a value: whether another one follows.
    fn next_or_end(&mut self, end: u8, expected: &'static str) -> Checked<bool> {
        match self.peek_token() {
            Some(b',') => {
                self.at += 1;
                self.peek_token();
                Ok(true)
            }
            Some(byte) if byte == end => {
                self.at += 1;
                Ok(false)
            }
            _ => self.unexpected(expected),
        }
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Checked<()> {
        if self.peek_token() != Some(byte) {
            return self.unexpected(expected);
        }
        self.at += 1;
        Ok(())
    }

    /// Goes to the next byte that is no white space.
    #[inline]
    fn peek_token(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// A string, whose opening quote stands here.
    fn string(&mut self) -> Checked<Text> {
        self.at += 1;
        let start = self.at;
        let (mut escaped, mut saved) = (false, 0);
        loop {
            self.at += plain_run(&self.bytes[self.at..]);
            match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    let (character, length) =
                        escape(&self.bytes[self.at + 1..]).or_else(|reason| self.fault(reason))?;
                    escaped = true;
                    saved += 1 + length - character.len_utf8();
                    self.at += 1 + length;
                }
                Some(_) => return self.fault(Reason::Control),
                None if self.invalid_at < self.at => break,
                None => return self.fault(Reason::Truncated),
            }
        }
        if self.invalid_at < self.at {
            self.at = self.invalid_at;
            return self.fault(Reason::Utf8);
        }
        let text = Text { inside: Span { start, end: self.at }, escaped, length: (self.at - start - saved) as u64 };
        self.at += 1;
        Ok(text)
    }

    /// Counts a string as text, unless it is a payload; returns what was counted.
    fn count(&mut self, text: &Text, context: Context) -> u64 {
        if context == Context::Element && is_data_url(&self.bytes[text.inside.range()]) {
            return 0;
        }
        self.text_bytes += text.length;
        text.length
    }

    fn word(&mut self, word: &'static [u8], kind: Kind) -> Checked<Kind> {
        if !self.bytes[self.at..].starts_with(word) {
            return self.unexpected("a value");
        }
        self.at += word.len();
        Ok(kind)
    }

    /// By RFC 8259, and a finite double: what is none is read as infinity, as an error, or as text by others.
    fn number(&mut self) -> Checked<()> {
        const ALWAYS_FINITE: usize = 300;
        let start = self.at;
        self.skip(b'-');
        let whole = self.digits();
        if whole == 0 || (whole > 1 && self.bytes.get(self.at - whole) == Some(&b'0')) {
            return self.fault(Reason::Number);
        }
        if self.skip(b'.') && self.digits() == 0 {
            return self.fault(Reason::Number);
        }
        let exponent = self.skip(b'e') || self.skip(b'E');
        if exponent {
            let _signed = self.skip(b'+') || self.skip(b'-');
            if self.digits() == 0 {
                return self.fault(Reason::Number);
            }
        }
        if exponent || self.at - start > ALWAYS_FINITE {
            let text = std::str::from_utf8(&self.bytes[start..self.at]).unwrap_or_default();
            if !text.parse::<f64>().is_ok_and(f64::is_finite) {
                self.at = start;
                return self.fault(Reason::Range);
            }
        }
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let count = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    fn skip(&mut self, byte: u8) -> bool {
        let there = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(there);
        there
    }

    #[cold]
    fn unexpected<T>(&self, expected: &'static str) -> Checked<T> {
        match self.bytes.get(self.at) {
            None => self.fault(Reason::Truncated),
            Some(_) if self.at == self.invalid_at => self.fault(Reason::Utf8),
            Some(byte) => self.fault(Reason::Unexpected(Byte(*byte), expected)),
        }
    }

    #[cold]
    fn fault<T>(&self, reason: Reason) -> Checked<T> {
        Err(Box::new(Fault { offset: self.at, reason, steps: Vec::new() }))
    }
}

/// How deep an object lies that is an element of a top-level array.
const ITEM_DEPTH: usize = 3;

/// What a number in an array counts as: a prompt may be written as an array of tokens.
const TOKEN_BYTES: u64 = 4;

/// Whether a string may be a payload.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Context {
    /// A value that a model reads as text whatever it looks like.
    Prose,
    /// Anything else.
    Element,
}

/// Members whose text a model reads, so that it always counts.
fn is_prose(name: &[u8]) -> bool {
    matches!(
        name,
        b"text" | b"content" | b"prompt" | b"input" | b"system" | b"instructions" | b"arguments" | b"description"
    )
}

/// What an object says of its base64 payload: `data` beside `media_type` or `format`, in any order.
#[derive(Default)]
struct Payload {
    /// Bytes of `data` that were counted, if they can only be base64.
    data: u64,
    beside: bool,
}

impl Payload {
    fn uncounted(&self) -> u64 {
        if self.beside { self.data } else { 0 }
    }
}

/// Names the container's step around a fault that lies inside.
#[cold]
fn inside(mut fault: Box<Fault>, step: impl FnOnce() -> path::Step) -> Box<Fault> {
    fault.steps.push(step());
    fault
}
