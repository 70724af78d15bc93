//! What two processes on one state directory say to one another: messages behind their length, on a Unix socket.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::sync::Arc;

/// No message is longer: a snapshot of what is held of 100,000 entities is shorter.
const MAX_BYTES: u32 = 64 << 20;

/// What a process holds of one balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Id of the budget.
    pub budget: Arc<str>,
    /// The value of its `each`; empty without.
    pub entity: Arc<str>,
    /// Beginning of the period, in microseconds since the Unix epoch; 0 for life.
    pub period_us: u64,
    /// Counted in tokens; else in nano-dollars.
    pub tokens: bool,
    /// How much.
    pub amount: i64,
}

/// What one process (its epoch) holds.
pub type HeldBy = (u64, Vec<Held>);

/// What a process that does not admit says to the one that does.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Asked {
    /// All that it holds now. Everything that it settled before stands in its journal.
    Holds(Vec<Held>),
    /// It wants to hold all of these, or none, of the periods of this moment.
    Reserve(u64, Vec<Held>),
    /// How do these balances stand? (The amounts mean nothing.)
    Look(u64, Vec<Held>),
}

/// How a balance stands where it is kept; `None`: it is not kept there.
pub(crate) type Stand = Option<i64>;

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// `Holds` is taken in.
    Noted,
    /// All of it is held; how the balances stand with it.
    Granted(Vec<Stand>),
    /// The balance of this number cannot pay: nothing is held; how they stand.
    Refused(u32, Vec<Stand>),
    /// For `Look`.
    Stands(Vec<Stand>),
}

/// Sends one message.
///
/// # Errors
///
/// The socket's; `InvalidData` for a message that is too long.
pub fn send<T: Serialize>(mut to: impl Write, message: &T) -> io::Result<()> {
    let mut bytes = vec![0; 4];
    bytes = postcard::to_extend(message, bytes).map_err(invalid)?;
    let length = u32::try_from(bytes.len() - 4).ok().filter(|length| *length <= MAX_BYTES);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the message is too long"))?;
    if let Some(prefix) = bytes.get_mut(..4) {
        prefix.copy_from_slice(&length.to_le_bytes());
    }
    to.write_all(&bytes)
}

/// Reads one message; reads no byte behind it.
///
/// # Errors
///
/// The socket's; `UnexpectedEof` when the other side is gone, `InvalidData` for what is no message.
pub fn receive<T: DeserializeOwned>(mut from: impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the message is too long"));
    }
    let mut bytes = Vec::new();
    let read = from.take(u64::from(length)).read_to_end(&mut bytes)?;
    if read as u64 != u64::from(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    postcard::from_bytes(&bytes).map_err(invalid)
}

fn invalid(error: postcard::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_one_by_one_and_damage_is_told() {
        let held = Held { budget: "b".into(), entity: "e".into(), period_us: 7, tokens: true, amount: -1 };
        let mut bytes = Vec::new();
        send(&mut bytes, &Asked::Holds(vec![held.clone()])).expect("memory takes all");
        send(&mut bytes, &Answer::Refused(3, vec![None, Some(5)])).expect("memory takes all");
        let mut from = bytes.as_slice();
        assert!(matches!(receive(&mut from), Ok(Asked::Holds(told)) if told == [held]));
        assert!(matches!(receive(&mut from), Ok(Answer::Refused(3, told)) if told == [None, Some(5)]));
        let ended = receive::<Answer>(&mut from).expect_err("nothing is left");
        assert_eq!(ended.kind(), io::ErrorKind::UnexpectedEof);
        let cut = receive::<Asked>(&bytes[..6]).expect_err("half a message");
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
        let long = receive::<Asked>([255_u8; 8].as_slice()).expect_err("too long");
        assert_eq!(long.kind(), io::ErrorKind::InvalidData);
    }
}
