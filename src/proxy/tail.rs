//! The end of an answer that is too long to be withheld: its usage stands there.

use crate::model::Api;
use crate::providers::{Provider, Reading};
use bytes::BytesMut;

/// What is kept of an answer that is too long to be withheld, to find its usage at the end.
const TAIL_BYTES: usize = 64 * 1024;

/// The last bytes of an answer that is passed on as it comes.
pub struct Tail {
    bytes: BytesMut,
    seen: u64,
}

impl Tail {
    /// Of an answer that began with `piece`.
    pub fn of(piece: &[u8]) -> Self {
        let mut tail = Self { bytes: BytesMut::new(), seen: 0 };
        tail.push(piece);
        tail
    }

    /// Takes what was passed on.
    pub fn push(&mut self, piece: &[u8]) {
        self.seen = self.seen.saturating_add(piece.len() as u64);
        let from = piece.len().saturating_sub(TAIL_BYTES);
        self.bytes.extend_from_slice(&piece[from..]);
        let surplus = self.bytes.len().saturating_sub(TAIL_BYTES);
        drop(self.bytes.split_to(surplus));
    }

    /// All bytes passed on.
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// Whether it may be the end of an answer: every answer is a JSON object. Without a length or chunks a break looks
    /// like an end.
    pub fn may_be_whole(&self) -> bool {
        self.bytes.trim_ascii_end().ends_with(b"}")
    }

    /// Finds the usage: the last member of that name that is one.
    pub fn read(&self, provider: &dyn Provider, api: Api) -> Reading {
        const TRIES: usize = 8;
        let name: &[u8] = if api == Api::Generate { b"\"usageMetadata\"" } else { b"\"usage\"" };
        let places = memchr::memmem::rfind_iter(&self.bytes, name).take(TRIES);
        let mut readings = places.map(|at| read_from(provider, api, &self.bytes[at..]));
        readings.find(Reading::has_figures).unwrap_or_default()
    }
}

/// Reads `rest`, which begins with the name of a member, as if what stood before it were an answer without content.
fn read_from(provider: &dyn Provider, api: Api, rest: &[u8]) -> Reading {
    let content: &[u8] = match api {
        Api::ChatCompletions | Api::Completions => b"{\"choices\":[],",
        Api::Responses => b"{\"output\":[],",
        Api::Messages | Api::CountTokens => b"{\"content\":[],",
        Api::Generate => b"{\"candidates\":[],",
        Api::Moderations => b"{\"results\":[],",
        Api::Transcriptions | Api::Translations => b"{\"text\":\"\",",
        Api::Rerank => b"{\"results\":[],",
        _ => b"{\"data\":[],",
    };
    // To the end of the answer, for what else it reports (the tier); else the member alone.
    let all = [content, rest].concat();
    let reading = provider.read_whole(api, &all).ok().filter(Reading::has_figures);
    reading
        .or_else(|| {
            let end =
                rest.iter().position(|&byte| byte == b'{').and_then(|from| Some(from + object_end(&rest[from..])?))?;
            let alone = [content, &rest[..end], b"}"].concat();
            provider.read_whole(api, &alone).ok()
        })
        .unwrap_or_default()
}

/// Length of the object at the front of `text`. Braces inside of strings are taken for others: figures have none.
fn object_end(text: &[u8]) -> Option<usize> {
    let mut open = 0usize;
    text.iter()
        .position(|byte| {
            match byte {
                b'{' => open += 1,
                b'}' => open = open.saturating_sub(1),
                _ => {}
            }
            open == 0
        })
        .map(|at| at + 1)
}
