//! OpenAI's chat completions (<https://platform.openai.com/docs/api-reference/chat>) as clients speak them, with the
//! members that gateways and local servers added and that clients of theirs send and read: thoughts as
//! `reasoning_content` and `reasoning_details`, pictures as `images`, `cache_control`, `top_k`.

mod decode;
mod stream;
mod whole;
mod wire;

#[cfg(test)]
mod tests;

pub(super) use decode::decode;
pub(super) use stream::Stream;
pub(super) use whole::Whole;
