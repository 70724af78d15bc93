//! Tokens of a text that no provider counted: with the model's own tokenizer where there is one, else by its length.
//!
//! Pure, but slow: a tokenizer takes some 100 ms to load on first use (and stays: about 50 MB each), and then counts a
//! few MB a second. Nothing here may run on a thread that serves requests; [`Counter`] is the thread for it.

mod counter;
mod encoding;
mod estimate;
mod input;

pub use counter::{Counter, Job};
pub use encoding::{Encoding, count_text, encoding_of};
pub use estimate::estimate_tokens;
pub use input::count_input;
