//! The kind of an event, found without keeping or parsing it: the member `type` of its outermost object.

use smallvec::SmallVec;

/// What an event is for the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `response.created`
    ResponseCreated,
    /// `response.done`
    ResponseDone,
    /// `conversation.item.input_audio_transcription.completed`
    Transcribed,
    /// `session.created`, `session.updated` and their older names for transcription sessions.
    Session,
    /// `error`
    Error,
    /// Sound of a response.
    Sound,
    /// Text of a response: words, the transcript of its sound, arguments of calls.
    Text,
    /// The client's `response.create`
    ResponseCreate,
    /// The client's `input_audio_buffer.append`
    Append,
    /// Anything else.
    Other,
    /// Its type is written with escapes: it has to be read whole.
    Unclear,
}

impl Kind {
    /// By the event's type.
    pub(super) fn of(name: &[u8]) -> Self {
        match name {
            b"response.created" => Self::ResponseCreated,
            b"response.done" => Self::ResponseDone,
            b"conversation.item.input_audio_transcription.completed" => Self::Transcribed,
            b"session.created"
            | b"session.updated"
            | b"transcription_session.created"
            | b"transcription_session.updated" => Self::Session,
            b"error" => Self::Error,
            b"response.output_audio.delta" | b"response.audio.delta" => Self::Sound,
            b"response.create" => Self::ResponseCreate,
            b"input_audio_buffer.append" => Self::Append,
            _ if name.starts_with(b"response.") && name.ends_with(b".delta") => Self::Text,
            _ => Self::Other,
        }
    }

    /// Whether such an event is read whole.
    pub(super) const fn is_read(self) -> bool {
        matches!(self, Self::ResponseCreated | Self::ResponseDone | Self::Transcribed | Self::Session | Self::Unclear)
    }
}

/// The longest name of a type that matters has 54 bytes.
const MOST_NAME: usize = 64;

/// Where the scan stands in the outermost object.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In front of a name.
    #[default]
    Name,
    /// Behind a name, in front of its value.
    Value {
        /// The name was `type`.
        of_type: bool,
    },
}

/// Looks for the type, in whatever parts the event comes.
#[derive(Debug, Default)]
pub(super) struct KindScan {
    depth: u32,
    in_string: bool,
    /// The next byte of the string is escaped.
    escape: bool,
    /// The string at hand has escapes, or is too long to matter.
    odd: bool,
    place: Place,
    word: SmallVec<[u8; MOST_NAME]>,
    kind: Option<Kind>,
}

impl KindScan {
    /// The kind, once it is known.
    pub(super) const fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// Goes on with `part`; once the kind is known it does nothing.
    pub(super) fn push(&mut self, part: &[u8]) {
        let mut rest = part;
        while let (None, Some((&byte, behind))) = (self.kind, rest.split_first()) {
            rest = behind;
            if self.in_string {
                rest = self.string(byte, rest);
            } else {
                self.structure(byte);
            }
        }
    }

    /// A byte inside of a string, its end included; returns what is left of `rest`.
    fn string<'a>(&mut self, byte: u8, rest: &'a [u8]) -> &'a [u8] {
        match byte {
            _ if self.escape => self.escape = false,
            b'\\' => (self.escape, self.odd) = (true, true),
            b'"' => {
                self.in_string = false;
                self.word_ended();
            }
            _ if self.depth == 1 => {
                if self.word.len() < MOST_NAME {
                    self.word.push(byte);
                    return rest;
                }
                self.odd = true;
                return skip(rest);
            }
            _ => return skip(rest),
        }
        rest
    }

    fn structure(&mut self, byte: u8) {
        match byte {
            b'"' => {
                (self.in_string, self.odd) = (true, false);
                self.word.clear();
            }
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b',' if self.depth == 1 => self.place = Place::Name,
            _ => {}
        }
    }

    fn word_ended(&mut self) {
        if self.depth != 1 {
            return;
        }
        match self.place {
            // An escaped name might be `type`: then the event is read whole, if no plain one comes.
            Place::Name if self.odd && self.word.len() < MOST_NAME => self.kind = Some(Kind::Unclear),
            Place::Name => self.place = Place::Value { of_type: !self.odd && self.word.as_slice() == b"type" },
            Place::Value { of_type: false } => {}
            Place::Value { of_type: true } if self.odd && self.word.len() < MOST_NAME => {
                self.kind = Some(Kind::Unclear);
            }
            Place::Value { of_type: true } => {
                self.kind = Some(if self.odd { Kind::Other } else { Kind::of(&self.word) });
            }
        }
    }
}

/// The rest of a string whose bytes do not matter, up to where it may end.
fn skip(rest: &[u8]) -> &[u8] {
    let at = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
    rest.get(at..).unwrap_or_default()
}
