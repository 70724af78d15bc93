//! Golden requests and answers, written from Google's public reference.

mod decode;
mod encode;
