//! Counts the input tokens of a request here: `count_tokens` of a model whose targets' providers do not.
//!
//! Clients ask for it to know when their context window is full, and take any number for it. It is free, and no attempt:
//! nothing goes upstream, and the ledger has no row.

use super::target::Target;
use crate::model::{Api, Ask, UsageOrigin};
use crate::routing::Route;
use crate::tokens::{Counter, Encoding, Job, count_input, estimate_tokens};
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long the counting thread is waited for: it may have much to count for others.
const PATIENCE: Duration = Duration::from_secs(5);

/// A figure, and whether it is more than an estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    tokens: u64,
    /// Counted with the model's own tokenizer, or estimated by the length of the text.
    pub origin: UsageOrigin,
}

impl Counted {
    /// As <https://platform.claude.com/docs/en/api/messages-count-tokens> has it.
    pub fn body(&self) -> Bytes {
        format!("{{\"input_tokens\":{}}}", self.tokens).into()
    }
}

/// Whether `ask` is a count that no target's provider makes, of a model that answers such requests.
pub fn counts_here(ask: &Ask, route: &Route<Target>) -> bool {
    let mut targets = route.targets.iter();
    ask.api == Api::CountTokens
        && targets.clone().all(|target| !target.serves(Api::CountTokens))
        && targets.any(|target| target.serves(Api::Messages))
}

/// Counts with the tokenizer of the first target that would answer, on the counting thread; where there is none, or the
/// thread has no time, by the length of the text.
pub async fn count(counter: &Counter, ask: &Ask, route: &Route<Target>) -> Counted {
    let target = route.targets.iter().find(|target| target.serves(Api::Messages));
    let counted = match target.and_then(|target| target.encoding) {
        Some(encoding) => exactly(counter, encoding, ask).await,
        None => None,
    };
    match counted {
        Some(tokens) => Counted { tokens, origin: UsageOrigin::Counted },
        None => Counted { tokens: estimate_tokens(ask.text_bytes), origin: UsageOrigin::Estimated },
    }
}

async fn exactly(counter: &Counter, encoding: Encoding, ask: &Ask) -> Option<u64> {
    let (tell, told) = oneshot::channel();
    let body = ask.body.bytes();
    let bytes = body.len();
    let job: Job = Box::new(move || {
        // Nobody waits any more: the client left, or its patience ended.
        let _ = tell.send(count_input(encoding, Api::CountTokens, &body));
    });
    counter.submit(job, bytes).ok()?;
    tokio::time::timeout(PATIENCE, told).await.ok()?.ok()
}
