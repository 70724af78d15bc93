//! The frame of a chunked body (RFC 9112 §7.1), in its plain form only: sizes in hexadecimal, no extensions, no trailers.
//! Nothing is taken out: Pingora reads the same bytes, and can read them in one way only.

use super::framing::Framing;

/// Follows a chunked body, however the network cuts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunks {
    at: At,
    /// The size under way, or what is left of the chunk.
    left: u64,
    digits: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Size,
    SizeEnd,
    Data,
    DataReturn,
    DataEnd,
    LastReturn,
    LastEnd,
    Done,
}

/// Digits of a size: chunks below 2^48 bytes.
const MOST_DIGITS: u8 = 12;

impl Default for Chunks {
    fn default() -> Self {
        Self { at: At::Size, left: 0, digits: 0 }
    }
}

impl Chunks {
    /// Whether the body has ended.
    pub fn is_done(self) -> bool {
        self.at == At::Done
    }

    /// Looks at `bytes`; returns how many of them belong to the body: all, unless it ends among them.
    ///
    /// # Errors
    ///
    /// [`Framing::ChunkSize`], [`Framing::ChunkEnd`], [`Framing::Trailers`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<usize, Framing> {
        let mut used = 0;
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty() && !self.is_done()) {
            used += match self.at {
                At::Data => self.data(rest.len()),
                _ => {
                    self.byte(rest.first().copied().unwrap_or_default())?;
                    1
                }
            };
        }
        Ok(used)
    }

    fn data(&mut self, have: usize) -> usize {
        let taken = usize::try_from(self.left).unwrap_or(usize::MAX).min(have);
        self.left -= taken as u64;
        if self.left == 0 {
            self.at = At::DataReturn;
        }
        taken
    }

    fn byte(&mut self, byte: u8) -> Result<(), Framing> {
        self.at = match (self.at, byte) {
            (At::Size, b'\r') if self.digits > 0 => At::SizeEnd,
            (At::Size, _) => {
                let digit = char::from(byte).to_digit(16).filter(|_| self.digits < MOST_DIGITS);
                self.left = self.left * 16 + u64::from(digit.ok_or(Framing::ChunkSize)?);
                self.digits += 1;
                At::Size
            }
            (At::SizeEnd, b'\n') if self.left == 0 => At::LastReturn,
            (At::SizeEnd, b'\n') => At::Data,
            (At::SizeEnd, _) => return Err(Framing::ChunkSize),
            (At::DataReturn, b'\r') => At::DataEnd,
            (At::DataEnd, b'\n') => {
                self.digits = 0;
                At::Size
            }
            (At::LastReturn, b'\r') => At::LastEnd,
            (At::LastReturn, _) => return Err(Framing::Trailers),
            (At::LastEnd, b'\n') => At::Done,
            (At::DataReturn | At::DataEnd | At::LastEnd | At::Data | At::Done, _) => return Err(Framing::ChunkEnd),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_chunks_pass_and_what_follows_is_left() {
        for body in ["0\r\n\r\n", "2\r\n{}\r\n0\r\n\r\n", "00A\r\n0123456789\r\n000\r\n\r\n"] {
            let mut chunks = Chunks::default();
            assert_eq!(chunks.push(format!("{body}GET").as_bytes()), Ok(body.len()), "{body:?}");
            assert!(chunks.is_done());
        }
    }

    #[test]
    fn odd_chunks_are_refused() {
        for (body, want) in [
            ("\r\n", Framing::ChunkSize),
            ("zz\r\n", Framing::ChunkSize),
            ("-1\r\n", Framing::ChunkSize),
            ("+1\r\n", Framing::ChunkSize),
            ("0x1\r\n", Framing::ChunkSize),
            (" 1\r\n", Framing::ChunkSize),
            ("1 \r\n", Framing::ChunkSize),
            ("1;a=b\r\n", Framing::ChunkSize),
            ("1\n", Framing::ChunkSize),
            ("1\rx", Framing::ChunkSize),
            ("10000000000000000\r\n", Framing::ChunkSize),
            ("1\r\nab", Framing::ChunkEnd),
            ("1\r\na\n", Framing::ChunkEnd),
            ("1\r\na\rx", Framing::ChunkEnd),
            ("0\r\nx: y\r\n", Framing::Trailers),
            ("0\r\n\rx", Framing::ChunkEnd),
            ("0\r\n\n", Framing::Trailers),
        ] {
            assert_eq!(Chunks::default().push(body.as_bytes()), Err(want), "{body:?}");
        }
    }

    proptest! {
        /// Where the network cuts a body must not change where it ends.
        #[test]
        fn cuts_do_not_matter(pieces in proptest::collection::vec("[a-z\r\n0-9]{1,20}", 0..5), cut in 1usize..7) {
            let mut body: String = pieces.iter().map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len())).collect();
            body.push_str("0\r\n\r\nGET / HTTP/1.1");
            let mut whole = Chunks::default();
            let want = whole.push(body.as_bytes()).expect("it is plain");
            let (mut chunks, mut used) = (Chunks::default(), 0);
            for piece in body.as_bytes().chunks(cut) {
                used += chunks.push(piece).expect("it is plain");
            }
            prop_assert_eq!((used, chunks.is_done()), (want, true));
        }
    }
}
