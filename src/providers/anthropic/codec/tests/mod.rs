//! Golden requests and answers, written from Anthropic's public reference.

mod decode;
mod encode;
mod left_out;
