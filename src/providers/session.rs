//! Sessions: what is said over a websocket, and what of it costs money.

use crate::model::Usage;

/// Reads the messages of text of one session, both sides', in whatever parts they come.
pub trait SessionReader: Send + Sync {
    /// Takes a part of a message of the server; what the message means is told with its `last` part.
    ///
    /// # Errors
    ///
    /// [`MessageTooLong`]: it cannot be told what it costs.
    fn server(&mut self, part: &[u8], last: bool) -> Result<Heard, MessageTooLong>;

    /// Takes a part of a message of the client.
    fn client(&mut self, part: &[u8], last: bool);

    /// Bytes that are kept of a message under way.
    fn kept(&self) -> usize;

    /// Responses that are under way or asked for.
    fn running(&self) -> usize;

    /// What each of them has used so far, by estimate, the oldest first; empty: nothing is owed.
    fn under_way(&self) -> Vec<Usage>;

    /// Tokens that a response would read that began now, by estimate.
    fn next_input(&self) -> u64;

    /// Text of the event that tells the client why its session ends, in the shape of this API.
    fn error_event(&self, kind: &str, code: &str, message: &str) -> String;
}

/// What a message of the server means for the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Nothing.
    Nothing,
    /// A response is done.
    Response {
        /// What it used; `None`: it does not say, and nothing can be read from that.
        usage: Option<Usage>,
        /// Where nothing is reported: what it used by what was seen of it.
        estimate: Usage,
        /// The figures contradict themselves.
        inconsistent: bool,
    },
    /// What the client said was put into writing by another model, which is billed on its own.
    Transcription {
        /// That model, if the session has told it.
        model: Option<String>,
        /// What it used; `None`: it does not say.
        usage: Option<Usage>,
        /// Where it does not say: what was said, both as time and as tokens; a price is for one of them.
        estimate: Usage,
    },
    /// What the session is set to.
    Session {
        /// Its model, if it tells it.
        model: Option<String>,
        /// The model that puts into writing what the client says; `None`: nobody does.
        transcriber: Option<String>,
    },
}

/// A message whose meaning matters is longer than what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event that tells what is billed is longer than {limit} bytes")]
pub struct MessageTooLong {
    /// What is kept at most.
    pub limit: usize,
}
