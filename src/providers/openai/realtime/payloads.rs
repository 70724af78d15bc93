//! Sound and pictures inside an event of the client: they are no text, and are counted apart.

use smallvec::SmallVec;

/// `image_url` is the longest name that matters.
const MOST_NAME: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Payload {
    Sound,
    Picture,
}

/// Where the scan stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Elsewhere,
    /// In a string that may be a name.
    Word,
    /// Behind such a name.
    Named(Payload),
    /// Behind its colon.
    Value(Payload),
    /// In its value.
    Within(Payload),
}

/// Counts the members `audio` and `image_url`, wherever they stand. A name that is written with escapes is not found: what it
/// holds counts as text then.
#[derive(Debug, Default)]
pub(super) struct Payloads {
    in_string: bool,
    escape: bool,
    place: Place,
    word: SmallVec<[u8; MOST_NAME]>,
    /// Bytes of sound, in base64.
    pub sound: u64,
    /// Bytes of pictures.
    pub picture_bytes: u64,
    /// Pictures.
    pub pictures: u64,
}

impl Payloads {
    /// Goes on with `part`.
    pub(super) fn push(&mut self, part: &[u8]) {
        let mut rest = part;
        while let Some((&byte, behind)) = rest.split_first() {
            rest = behind;
            if self.in_string {
                rest = self.string(byte, rest);
            } else {
                self.structure(byte);
            }
        }
    }

    fn string<'a>(&mut self, byte: u8, rest: &'a [u8]) -> &'a [u8] {
        match byte {
            _ if self.escape => self.escape = false,
            b'\\' => self.escape = true,
            b'"' => {
                self.in_string = false;
                self.ended();
                return rest;
            }
            _ => {}
        }
        if self.place == Place::Word && self.word.len() < MOST_NAME {
            self.word.push(byte);
            return rest;
        }
        let skipped = if self.escape { 0 } else { memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len()) };
        let length = (skipped as u64).saturating_add(1);
        match self.place {
            Place::Within(Payload::Sound) => self.sound = self.sound.saturating_add(length),
            Place::Within(Payload::Picture) => self.picture_bytes = self.picture_bytes.saturating_add(length),
            _ => {}
        }
        rest.get(skipped..).unwrap_or_default()
    }

    fn ended(&mut self) {
        self.place = match self.place {
            Place::Within(Payload::Picture) => {
                self.pictures = self.pictures.saturating_add(1);
                Place::Elsewhere
            }
            Place::Word => match self.word.as_slice() {
                b"audio" => Place::Named(Payload::Sound),
                b"image_url" => Place::Named(Payload::Picture),
                _ => Place::Elsewhere,
            },
            _ => Place::Elsewhere,
        };
    }

    fn structure(&mut self, byte: u8) {
        self.place = match (byte, self.place) {
            (b'"', place) => {
                self.in_string = true;
                self.word.clear();
                if let Place::Value(payload) = place { Place::Within(payload) } else { Place::Word }
            }
            (b':', Place::Named(payload)) => Place::Value(payload),
            (b' ' | b'\t' | b'\r' | b'\n', place) => place,
            _ => Place::Elsewhere,
        };
    }
}
