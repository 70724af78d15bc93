//! The pass-through lane: calls whose bytes go both ways as they come, on Pingora's stock hooks.
//!
//! Nothing is replayed here: no body is kept, and no answer's header is withheld. The next target may be tried as long as
//! nothing went to the client, which is until the provider's header is judged. What a call does with the bytes that pass is
//! its [`Lane`]: [`realtime`] reads the frames of a websocket and meters them.
//!
//! Order of the calls: `peer` (once per attempt), `connected`, `request_head`, `answer_head`, then `up` and `down` as bytes
//! come; `failed` after each attempt that fails, `tell` when no other is made, `conclude` at the end of every call.

mod booking;
mod frames;
mod handshake;
mod leash;
mod open;
mod realtime;
mod session;
mod stop;

pub use handshake::{PATH, beside, is_beside};

use crate::routing::Resolver;
use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, Result};

/// One call of the lane, from its admission to its record.
#[async_trait]
pub trait Lane: Send + Sync {
    /// Begins the next attempt: its row is journaled, its address resolved.
    ///
    /// # Errors
    ///
    /// When there is no target left, or the gateway itself refuses; `tell` knows why.
    async fn peer(&mut self, resolver: &Resolver) -> Result<Box<HttpPeer>>;

    /// The connection stands, nothing was sent yet.
    ///
    /// # Errors
    ///
    /// When nothing may be sent.
    async fn connected(&mut self, session: &mut Session) -> Result<()>;

    /// Writes the head for the provider: nothing of the client's but what is on the list of its kind.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    fn request_head(&mut self, client: &HeaderMap, head: &mut RequestHeader) -> Result<()>;

    /// Judges the provider's header, and makes the client's of it.
    ///
    /// # Errors
    ///
    /// When another target may do better; `failed` decides.
    fn answer_head(&mut self, head: &mut ResponseHeader) -> Result<()>;

    /// Bytes of the client on their way up.
    fn up(&mut self, piece: &mut Option<Bytes>);

    /// Bytes of the provider on their way down. `end`: its connection ended behind them.
    fn down(&mut self, piece: &mut Option<Bytes>, end: bool);

    /// The attempt failed. Returns whether the next target is tried.
    fn failed(&mut self, error: &Error) -> bool;

    /// No other attempt is made: the client is told what can be told. Returns the status that it got.
    async fn tell(&mut self, session: &mut Session) -> u16;

    /// Settles what is open and records the call. Called once, whatever way it ended.
    fn conclude(&mut self);
}
