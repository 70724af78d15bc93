//! Where a request stands between Pingora's hooks.

use super::exchange::{Arrival, Shared};
use super::lane::Lane;
use super::reject::Reject;
use super::replay::Parked;
use pingora::{Error, ErrorType, Result};

/// Where a request stands.
pub enum Stage {
    /// Its head was read.
    New(Option<Arrival>),
    /// It may be sent upstream.
    Open(Box<Open>),
    /// Its bytes pass both ways as they come.
    Lane(Box<dyn Lane>),
    /// It was recorded.
    Done,
}

/// A request that was admitted.
pub struct Open {
    /// The request on its way.
    pub shared: Shared,
    /// Where the client's session waits.
    pub parked: Parked,
    /// What the gateway itself refuses after admission.
    pub refused: Option<Reject>,
    /// The status that the client got.
    pub status: u16,
    /// The gateway's code, if it told the client an error.
    pub code: Option<&'static str>,
}

impl Stage {
    /// The exchange and what goes with it.
    pub fn open(&self) -> Option<&Open> {
        match self {
            Self::Open(open) => Some(open),
            Self::New(_) | Self::Lane(_) | Self::Done => None,
        }
    }

    /// The call of the lane, if it is one.
    pub fn lane(&mut self) -> Option<&mut dyn Lane> {
        match self {
            Self::Lane(lane) => Some(&mut **lane),
            Self::New(_) | Self::Open(_) | Self::Done => None,
        }
    }

    /// The exchange.
    ///
    /// # Errors
    ///
    /// There is none: a hook that Pingora calls without one is a mistake of ours.
    pub fn shared(&self) -> Result<&Shared> {
        self.open()
            .map(|open| &open.shared)
            .ok_or_else(|| Error::explain(ErrorType::InternalError, "no exchange is open"))
    }
}
