//! Tokens of a text that no provider counted: with the model's own tokenizer where there is one, else by its length.
//!
//! Pure, but slow: a tokenizer takes 0.1 s (`cl100k_base`) to 0.3 s (`o200k_base`) to load on first use and then stays,
//! with 25 to 50 MB; it counts 12 to 20 MB of English a second (measured with dependencies at `opt-level = 1`). Nothing here may run on a thread that serves requests; [`Counter`] is the thread for it.

mod counter;
mod encoding;
mod estimate;
mod input;

pub use counter::{Counter, Job};
pub use encoding::{Encoding, count_text, encoding_of};
pub use estimate::estimate_tokens;
pub use input::count_input;
