//! Frames of a websocket (RFC 6455 §5), read as they come: any cut, nothing held back, no payload kept.
//!
//! The reader only looks: the bytes go on as they are. It knows where a frame ends, so that one of ours can be put behind
//! it, and refuses what no peer may send.

/// The longest message that passes. OpenAI takes at most 15 MiB of sound in one event.
const MOST_MESSAGE: u64 = 32 * 1024 * 1024;
/// The longest payload of a control frame (§5.5).
const MOST_CONTROL: usize = 125;
/// The longest header: two bytes, eight of length, four of mask.
const MOST_HEADER: usize = 14;

/// Bytes that are no frame of this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A reserved bit is set: no extension was agreed on.
    #[error("a frame has a reserved bit set, but no extension was agreed on")]
    Reserved,
    /// No such opcode.
    #[error("a frame has an unknown opcode")]
    Opcode,
    /// The client must mask and the server must not (§5.1).
    #[error("a frame is masked by the server or not masked by the client")]
    Mask,
    /// A control frame is cut or too long (§5.5).
    #[error("a control frame is fragmented or longer than 125 bytes")]
    Control,
    /// A message within a message, or the rest of none (§5.4).
    #[error("a fragment belongs to no message, or a message begins within another")]
    Fragment,
    /// A length that is not told the short way, or has more than 63 bits (§5.2).
    #[error("the length of a frame is not written as it must be")]
    Length,
    /// The message is longer than what passes.
    #[error("a message is longer than 32 MiB")]
    TooLong,
}

/// What a piece of the stream is.
#[derive(Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// A part of a header, of a control frame or of a message of bytes: nothing to be read.
    Nothing,
    /// A part of a message of text, unmasked.
    Text {
        /// The part; may be empty.
        payload: &'a [u8],
        /// The message ends with it.
        last: bool,
    },
    /// The peer closes; its code, if it gave one.
    Close(Option<u16>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Binary,
}

/// A frame whose header was read.
#[derive(Debug, Clone, Copy)]
struct Frame {
    control: Option<u8>,
    last: bool,
    left: u64,
    mask: Option<[u8; 4]>,
    /// Which byte of the mask comes next.
    turn: usize,
}

/// Reads one direction of a websocket.
#[derive(Debug)]
pub struct Frames {
    masked: bool,
    header: [u8; MOST_HEADER],
    have: usize,
    frame: Option<Frame>,
    /// The message under way.
    message: Option<Kind>,
    /// Bytes of it so far, as declared.
    length: u64,
    control: Vec<u8>,
    unmasked: Vec<u8>,
}

impl Frames {
    /// The frames of a client, which are masked.
    pub const fn of_client() -> Self {
        Self::new(true)
    }

    /// The frames of a server, which are not.
    pub const fn of_server() -> Self {
        Self::new(false)
    }

    const fn new(masked: bool) -> Self {
        Self {
            masked,
            header: [0; MOST_HEADER],
            have: 0,
            frame: None,
            message: None,
            length: 0,
            control: Vec::new(),
            unmasked: Vec::new(),
        }
    }

    /// Whether no frame is under way: here another frame may be put.
    pub const fn between_frames(&self) -> bool {
        self.frame.is_none() && self.have == 0
    }

    /// Whether no message is under way: here another message may be put.
    pub const fn between_messages(&self) -> bool {
        self.between_frames() && self.message.is_none()
    }

    /// Reads from the front of `bytes`, at most to the end of a frame; returns how many bytes were read (none only if there
    /// are none) and what they are.
    ///
    /// # Errors
    ///
    /// [`Malformed`]; the connection is of no use behind it.
    pub fn read<'a>(&'a mut self, bytes: &'a [u8]) -> Result<(usize, Part<'a>), Malformed> {
        let mut at = 0;
        if self.frame.is_none() {
            while self.frame.is_none() {
                let Some(&byte) = bytes.get(at) else { return Ok((at, Part::Nothing)) };
                if let Some(slot) = self.header.get_mut(self.have) {
                    *slot = byte;
                }
                (at, self.have) = (at + 1, self.have + 1);
                self.frame = self.begin()?;
            }
            self.have = 0;
        }
        let Some(mut frame) = self.frame else { return Ok((at, Part::Nothing)) };
        let rest = bytes.get(at..).unwrap_or_default();
        let take = usize::try_from(frame.left).unwrap_or(usize::MAX).min(rest.len());
        let payload = rest.get(..take).unwrap_or_default();
        frame.left -= take as u64;
        let over = frame.left == 0;
        let text = frame.control.is_none() && self.message == Some(Kind::Text);
        let payload: &[u8] = match frame.mask {
            Some(mask) if text || frame.control.is_some() => {
                self.unmasked.clear();
                let bytes = payload.iter().zip(mask.iter().cycle().skip(frame.turn));
                self.unmasked.extend(bytes.map(|(byte, mask)| byte ^ mask));
                &self.unmasked
            }
            _ => payload,
        };
        frame.turn = (frame.turn + take) % 4;
        self.frame = (!over).then_some(frame);
        let part = match frame.control {
            None => {
                let last = over && frame.last;
                if last {
                    (self.message, self.length) = (None, 0);
                }
                if text { Part::Text { payload, last } } else { Part::Nothing }
            }
            Some(opcode) => {
                self.control.extend_from_slice(payload);
                if over { closed(opcode, &std::mem::take(&mut self.control)) } else { Part::Nothing }
            }
        };
        Ok((at + take, part))
    }

    /// The frame, once its header is whole. An impossible one is found as early as it can be.
    fn begin(&mut self) -> Result<Option<Frame>, Malformed> {
        let header = self.header.get(..self.have).unwrap_or_default();
        let (Some(&first), second) = (header.first(), header.get(1)) else { return Ok(None) };
        let (last, opcode) = (first & 0x80 != 0, first & 0x0f);
        if first & 0x70 != 0 {
            return Err(Malformed::Reserved);
        }
        let control = match opcode {
            0 => None,
            1 | 2 => None,
            8..=10 if last => Some(opcode),
            8..=10 => return Err(Malformed::Control),
            _ => return Err(Malformed::Opcode),
        };
        if control.is_none() && (opcode == 0) != self.message.is_some() {
            return Err(Malformed::Fragment);
        }
        let Some(&second) = second else { return Ok(None) };
        if (second & 0x80 != 0) != self.masked {
            return Err(Malformed::Mask);
        }
        let short = usize::from(second & 0x7f);
        if control.is_some() && short > MOST_CONTROL {
            return Err(Malformed::Control);
        }
        let (length_bytes, least) = match short {
            126 => (2, 126),
            127 => (8, 1 << 16),
            _ => (0, 0),
        };
        let Some(written) = header.get(2..2 + length_bytes) else { return Ok(None) };
        let length = match length_bytes {
            0 => short as u64,
            _ => written.iter().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte)),
        };
        if length < least || length >> 63 != 0 {
            return Err(Malformed::Length);
        }
        let length_of_message = self.length.saturating_add(length);
        if control.is_none() && length_of_message > MOST_MESSAGE {
            return Err(Malformed::TooLong);
        }
        let mask = if self.masked {
            let Some(&[a, b, c, d]) = header.get(2 + length_bytes..2 + length_bytes + 4) else { return Ok(None) };
            Some([a, b, c, d])
        } else {
            None
        };
        if control.is_none() {
            self.length = length_of_message;
            match opcode {
                1 => self.message = Some(Kind::Text),
                2 => self.message = Some(Kind::Binary),
                _ => {}
            }
        }
        Ok(Some(Frame { control, last, left: length, mask, turn: 0 }))
    }
}

/// What a whole control frame is.
fn closed<'a>(opcode: u8, payload: &[u8]) -> Part<'a> {
    match (opcode, payload) {
        (8, [high, low, ..]) => Part::Close(Some(u16::from_be_bytes([*high, *low]))),
        (8, _) => Part::Close(None),
        _ => Part::Nothing,
    }
}

/// A frame of a server that is a whole message of text.
pub fn text_frame(text: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match (u8::try_from(text.len()), u16::try_from(text.len())) {
        (Ok(short), _) if short < 126 => frame.push(short),
        (_, Ok(long)) => {
            frame.push(126);
            frame.extend_from_slice(&long.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend_from_slice(&(text.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(text);
    frame
}

/// A server's close frame; `why` is cut to what it may have.
pub fn close_frame(code: u16, why: &str) -> Vec<u8> {
    let why = why.get(..why.floor_char_boundary(MOST_CONTROL - 2)).unwrap_or_default();
    let mut frame = vec![0x88, u8::try_from(why.len() + 2).unwrap_or(2)];
    frame.extend_from_slice(&code.to_be_bytes());
    frame.extend_from_slice(why.as_bytes());
    frame
}

#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;
