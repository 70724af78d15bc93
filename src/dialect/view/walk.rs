//! The walk over messages, items, blocks and parts. One pass, whatever the order of members: what an object's `type` or
//! `role` says of texts that stood before it is put right when it comes.

use super::{
    cursor::{Cursor, Kind, inside},
    names::{self, Name},
    write::unescaped,
};
use crate::{
    dialect::strict::{is_base64, is_data_url},
    model::{Channel, Form, Growth, Piece, Speech, Text},
};
use std::{borrow::Cow, ops::Range};

/// Shorter payloads of unknown kinds are texts.
const LEAST_PAYLOAD: usize = 64;

/// A walk over one body, or the data of one event.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    pub(super) cursor: Cursor<'a>,
    pub(super) found: Vec<Piece>,
    pub(super) echoes: Vec<Range<usize>>,
    /// Pieces of arguments after which their text is over.
    pub(super) ended: Vec<Channel>,
    /// What is found is a piece of this.
    pub(super) growth: Growth,
    /// Something was found out of its order.
    unordered: bool,
}

/// What is known of an object while its members are read.
#[derive(Debug)]
struct Entry<'a> {
    /// Where what was found in it begins.
    from: usize,
    speech: Speech,
    kind: Cow<'a, [u8]>,
    /// Someone with a role speaks.
    role: bool,
    name: Option<Range<usize>>,
    payload: Option<Range<usize>>,
    piece: Option<u32>,
    goes_on: bool,
}

impl<'a> Walk<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            cursor: Cursor::new(bytes),
            found: Vec::new(),
            echoes: Vec::new(),
            ended: Vec::new(),
            growth: Growth::Whole,
            unordered: false,
        }
    }

    /// What was found, in the order of places. What was no JSON is one text, as it stands.
    pub(super) fn pieces(mut self, speech: Speech) -> (Vec<Piece>, Vec<Range<usize>>) {
        if !self.cursor.whole() {
            let bytes = self.cursor.all();
            let piece = Piece { at: 0..bytes.len(), form: Form::Plain, speech, growth: Growth::Whole };
            return (if bytes.trim_ascii().is_empty() { Vec::new() } else { vec![piece] }, Vec::new());
        }
        if self.unordered {
            self.found.sort_unstable_by_key(|piece| piece.at.start);
        }
        (self.found, self.echoes)
    }

    /// The same, of a body that is whole.
    pub(super) fn texts(self, speech: Speech) -> (Vec<Text>, Vec<Range<usize>>) {
        let (pieces, echoes) = self.pieces(speech);
        (pieces.into_iter().map(|Piece { at, form, speech, .. }| Text { at, form, speech }).collect(), echoes)
    }

    /// Takes the value that comes: a string is a text, of arrays the elements are, of objects what their names say.
    pub(super) fn value(&mut self, speech: Speech) {
        match self.cursor.peek() {
            Kind::String => self.string(Form::String, speech),
            Kind::Array | Kind::Object if self.cursor.too_deep() => self.json(speech),
            Kind::Object => self.entry(speech),
            Kind::Array => {
                self.cursor.enter();
                while self.cursor.more() {
                    self.value(speech);
                }
            }
            Kind::Scalar | Kind::Null | Kind::Nothing => self.cursor.pass(),
        }
    }

    /// Takes all strings of the value that comes, whatever their names; no pictures in `data:` URLs.
    pub(super) fn strings(&mut self, speech: Speech) {
        match self.cursor.peek() {
            Kind::String => self.unless_picture(speech),
            Kind::Array | Kind::Object if self.cursor.too_deep() => self.json(speech),
            Kind::Object => {
                self.cursor.enter();
                while self.cursor.key().is_some() {
                    self.strings(speech);
                }
            }
            Kind::Array => {
                self.cursor.enter();
                while self.cursor.more() {
                    self.strings(speech);
                }
            }
            Kind::Scalar | Kind::Null | Kind::Nothing => self.cursor.pass(),
        }
    }

    /// Takes the string that comes, unless it is empty.
    pub(super) fn string(&mut self, form: Form, speech: Speech) {
        let at = self.cursor.string();
        self.push(at, form, speech);
    }

    fn unless_picture(&mut self, speech: Speech) {
        let at = self.cursor.string();
        if !is_data_url(inside(self.cursor.slice(&at))) {
            self.push(at, Form::String, speech);
        }
    }

    /// Takes the container that comes as one text, unless it is empty.
    pub(super) fn json(&mut self, speech: Speech) {
        let at = self.cursor.skip();
        if !inside(self.cursor.slice(&at)).trim_ascii().is_empty() {
            self.push(at, Form::Json, speech);
        }
    }

    pub(super) fn push(&mut self, at: Range<usize>, form: Form, speech: Speech) {
        if at.len() > 2 {
            self.found.push(Piece { at, form, speech, growth: self.growth });
        }
    }

    /// The arguments of a call: `form` is that of a string.
    pub(super) fn arguments(&mut self, form: Form, speech: Speech) {
        match self.cursor.peek() {
            Kind::String => self.string(form, speech),
            Kind::Object | Kind::Array => self.json(speech),
            Kind::Scalar => {
                let at = self.cursor.skip();
                self.found.push(Piece { at, form: Form::Json, speech, growth: self.growth });
            }
            Kind::Null | Kind::Nothing => self.cursor.pass(),
        }
    }

    /// A value that tells texts over again, if it tells anything.
    pub(super) fn echo(&mut self) {
        let null = self.cursor.peek() == Kind::Null;
        let at = self.cursor.skip();
        if !null && !inside(self.cursor.slice(&at)).trim_ascii().is_empty() {
            self.echoes.push(at);
        }
    }

    /// Takes the object that comes. `around`: who speaks, unless it says so itself.
    pub(super) fn entry(&mut self, around: Speech) {
        let mut entry = Entry {
            from: self.found.len(),
            speech: around,
            kind: Cow::Borrowed(b""),
            role: false,
            name: None,
            payload: None,
            piece: None,
            goes_on: false,
        };
        self.cursor.enter();
        while let Some(key) = self.cursor.key() {
            self.member(Name::of(&key), &mut entry);
        }
        self.settle(entry);
    }

    fn member(&mut self, name: Name, entry: &mut Entry<'a>) {
        let speech = entry.speech;
        let string = self.cursor.peek() == Kind::String;
        match name {
            Name::Kind => {
                entry.kind = self.word();
                let says = names::speech_of_kind(&entry.kind);
                self.speaks(entry, says.filter(|_| !entry.role));
            }
            Name::Role => {
                let says = names::speech_of_role(&self.word());
                entry.role = true;
                self.speaks(entry, says);
            }
            Name::Thought if string => self.string(Form::String, Speech::Reasoning),
            Name::Thought => {
                let thought = self.cursor.flag();
                self.speaks(entry, thought.then_some(Speech::Reasoning));
            }
            Name::Silent => self.cursor.pass(),
            Name::Address if speech != Speech::ToolCall => self.cursor.pass(),
            Name::Address | Name::Unknown if string => self.unless_picture(speech),
            Name::Title if string => entry.name = Some(self.cursor.string()),
            Name::Text | Name::Address | Name::Unknown | Name::Title => self.value(speech),
            Name::Of(speech) => self.value(speech),
            Name::Arguments => self.arguments(Form::StringOfJson, Speech::ToolCall),
            Name::Input(speech) => self.arguments(Form::String, speech),
            Name::Free => self.strings(speech),
            Name::Payload if string && entry.payload.is_none() => entry.payload = Some(self.cursor.string()),
            Name::Payload => self.value(speech),
            Name::Sound => self.sound(speech),
            Name::Tools => self.definition(),
            Name::Echo => self.echo(),
            Name::PiecePath => entry.piece = Some(hash(&self.word())),
            Name::PieceGoesOn => entry.goes_on = self.cursor.flag(),
        }
    }

    fn word(&mut self) -> Cow<'a, [u8]> {
        let word = self.cursor.word();
        if memchr::memchr(b'\\', word).is_some() {
            return Cow::Owned(unescaped(word).into_bytes());
        }
        Cow::Borrowed(word)
    }

    /// It turned out that `says` speaks in `entry`.
    fn speaks(&mut self, entry: &mut Entry<'a>, says: Option<Speech>) {
        let Some(says) = says.filter(|says| *says != entry.speech) else { return };
        for piece in self.found.get_mut(entry.from..).unwrap_or_default() {
            if piece.speech == entry.speech {
                piece.speech = says;
            }
        }
        entry.speech = says;
    }

    fn settle(&mut self, entry: Entry<'a>) {
        let Entry { from, speech, kind, role, name, payload, piece, goes_on } = entry;
        if let Some(at) = name.filter(|_| role && speech != Speech::ToolResult) {
            self.late(at, speech);
        }
        if let Some(at) = payload
            && !names::is_opaque(&kind)
        {
            let text = inside(self.cursor.slice(&at));
            let binary = (text.len() >= LEAST_PAYLOAD && is_base64(text)) || is_data_url(text);
            if *kind == *b"text" || !binary {
                self.late(at, speech);
            }
        }
        if let Some(piece) = piece {
            let channel = super::channel::of(super::channel::PIECE, piece);
            for piece in self.found.get_mut(from..).unwrap_or_default() {
                piece.growth = Growth::Delta(channel);
            }
            if !goes_on {
                self.ended.push(channel);
            }
        }
    }

    /// Takes a string that stood further in front.
    fn late(&mut self, at: Range<usize>, speech: Speech) {
        self.push(at, Form::String, speech);
        self.unordered = true;
    }

    /// `{"id","data","transcript"}`.
    fn sound(&mut self, speech: Speech) {
        if self.cursor.peek() != Kind::Object {
            self.cursor.skip();
            return;
        }
        self.cursor.enter();
        while let Some(key) = self.cursor.key() {
            if *key == *b"transcript" { self.value(speech) } else { self.cursor.pass() }
        }
    }
}

/// FNV-1a.
pub(super) fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
