//! Why the gateway ends a session, and how the client is told.

use super::frames::{Malformed, close_frame, text_frame};
use crate::{
    providers::session::{MessageTooLong, SessionReader},
    proxy::{
        reject::{Reject, shown},
        trouble::Trouble,
    },
};
use bytes::Bytes;

/// Why a session is ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The next response cannot be paid or booked, or a limit on tokens is passed.
    Refused(Box<Reject>),
    /// Key or token hold no longer.
    Revoked,
    /// The gateway stops.
    Draining,
    /// Nobody said anything for too long.
    Silent,
    /// The client sends what is no websocket.
    Client(Malformed),
    /// The provider does.
    Server(Malformed),
    /// An event of the provider is too long to be metered.
    TooLong(MessageTooLong),
    /// The connection to the provider broke.
    Broken(Trouble),
    /// More is held than the gateway may hold.
    BuffersFull,
    /// The provider says that another model speaks than the one that is paid for.
    OtherModel(String),
    /// More of something than a session may have.
    TooMany(&'static str),
}

impl Stop {
    /// A stable code, for the event, the row and the record.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(reject) => reject.code(),
            Self::Revoked => "caller_revoked",
            Self::Draining => "gateway_stopped",
            Self::Silent => "session_silent",
            Self::Client(_) => "invalid_websocket_frame",
            Self::Server(_) | Self::TooLong(_) | Self::Broken(_) => "upstream_failed",
            Self::BuffersFull => "buffers_full",
            Self::OtherModel(_) => "session_model_changed",
            Self::TooMany(_) => "session_too_large",
        }
    }

    /// Whether the provider is at fault.
    pub const fn is_upstream(&self) -> bool {
        matches!(self, Self::Server(_) | Self::TooLong(_) | Self::Broken(_))
    }

    /// The code of the close frame (RFC 6455 §7.4.1).
    pub const fn close_code(&self) -> u16 {
        match self {
            Self::Refused(_) | Self::Revoked | Self::Silent | Self::OtherModel(_) | Self::TooMany(_) => 1008,
            Self::Draining => 1001,
            Self::Client(Malformed::TooLong) => 1009,
            Self::Client(_) => 1002,
            Self::Server(_) | Self::TooLong(_) | Self::Broken(_) => 1011,
            Self::BuffersFull => 1013,
        }
    }

    /// The `type` of the error, in OpenAI's words.
    fn kind(&self) -> &'static str {
        match self {
            Self::Refused(reject) => match reject.as_ref() {
                Reject::BudgetExhausted { .. } | Reject::Unbounded { .. } => "insufficient_quota",
                Reject::LimitReached(_) => "rate_limit_error",
                _ => "server_error",
            },
            Self::Revoked | Self::Client(_) | Self::Silent | Self::OtherModel(_) | Self::TooMany(_) => {
                "invalid_request_error"
            }
            _ => "server_error",
        }
    }

    fn message(&self, silence_s: u64) -> String {
        match self {
            Self::Refused(reject) => format!("the session was ended: {reject}"),
            Self::Revoked => "the session was ended: its key or token was revoked or has expired".to_owned(),
            Self::Draining => "the session was ended: the gateway stops; connect again".to_owned(),
            Self::Silent => {
                format!("the session was ended: nobody sent anything for {silence_s} s; send pings to keep one open")
            }
            Self::Client(malformed) => format!("the session was ended: {malformed}"),
            Self::Server(malformed) => format!("the session was ended: the provider is at fault: {malformed}"),
            Self::TooLong(long) => format!("the session was ended: the provider is at fault: {long}"),
            Self::Broken(trouble) => format!("the session was ended: the provider failed: {trouble}"),
            Self::OtherModel(model) => format!(
                "the session was ended: its model is now `{}`, which is not the one that it was opened for; connect with that \
                 model's name instead",
                shown(model)
            ),
            Self::TooMany(what) => format!("the session was ended: it has too many {what}; connect again"),
            Self::BuffersFull => "the session was ended: the gateway's buffers are full; connect again".to_owned(),
        }
    }

    /// What is written to the client between two messages of the provider: the event that says why, and the close frame.
    pub fn frames(&self, reader: &dyn SessionReader, silence_s: u64) -> Bytes {
        let event = reader.error_event(self.kind(), self.code(), &self.message(silence_s));
        [text_frame(event.as_bytes()), self.close()].concat().into()
    }

    /// The close frame alone: it may also stand within a message.
    pub fn close(&self) -> Vec<u8> {
        close_frame(self.close_code(), self.code())
    }
}
