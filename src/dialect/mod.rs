//! Client-facing APIs: requests are parsed strictly, errors and model lists are rendered as the client's SDK
//! expects them.
//!
//! Nothing here knows providers, keys or Pingora, and nothing is translated between dialects.

pub mod error;
pub mod models;
mod path;
mod parse;
pub mod strict;

pub use parse::{BadRequest, parse};
