//! Golden requests and answers, written from Cohere's public reference.

mod decode;
mod encode;
