//! Guardrails: what they find in texts, and what becomes of it.
//!
//! A guard that edits is a [`Spotter`]: it says where something begins and ends, and how far a text may still change
//! what it says. [`Window`] does the rest, for whole texts and for streams alike: a whole text is a stream of one piece,
//! so where a stream is cut cannot matter. Places of texts in bodies come from `dialect`, what joins the two is in
//! `proxy`. Nothing here does I/O but the guards of `remote`.

mod caught;
mod fold;
pub mod decode;
pub mod injection;
mod judge;
mod measure;
mod spot;
mod window;
mod vault;
mod verdicts;
mod kinds;
mod set;
mod desk;
mod trial;
pub mod pii;
mod literals;
mod names;
pub mod regex;
pub mod secrets;
pub mod words;
#[cfg(test)]
mod laws;
pub mod language;
pub mod length;
pub mod policy;
pub mod remote;
pub mod schema;

pub use desk::{Channel, Desk, Refused};
pub use fold::{Fold, Folder, fold, prepare};
pub use judge::{Judge, Judgement};
pub use kinds::{Body, GUARDS, Kind};
pub use measure::Measure;
pub use set::{Direction, Guard, Guards, Mask, Plan, Set, Watch};
pub use spot::{CONTEXT, Grow, Hit, LONGEST, Spotter, tail_of};
pub use trial::{NotTried, Trial};
pub use vault::{Hider, Safe, Vault};
pub use verdicts::{FAILED, Said, Verdicts};
pub use window::{Blocked, Found, Verdict, Window, Words};
