//! Requests and answers, written from Anthropic's public reference.

mod decode;
mod encode;
mod odd;
