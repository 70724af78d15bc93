//! Counts the input tokens of a request here: `count_tokens` of a model whose targets' providers do not.
//!
//! Clients ask for it to know when their context window is full, and take any number for it. It is free, and no attempt:
//! nothing goes upstream, and the ledger has no row.

use super::reject::Reject;
use super::target::Target;
use crate::model::{Api, Ask, UsageOrigin};
use crate::routing::Route;
use crate::tokens::{Counter, Encoding, Job, count_input, estimate_tokens};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
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

/// Looks whether there is something to count: the provider that would say so is not asked.
///
/// # Errors
///
/// [`Reject::BadRequest`] when `messages` is no list.
pub fn check(ask: &Ask) -> Result<(), Reject> {
    #[derive(Deserialize)]
    struct Counted<'a> {
        #[serde(borrow, default)]
        messages: Option<&'a RawValue>,
    }
    let body: Result<Counted<'_>, _> = serde_json::from_slice(ask.body.as_slice());
    if body.is_ok_and(|body| body.messages.is_some_and(|messages| messages.get().starts_with('['))) {
        return Ok(());
    }
    let message = "`messages` must be an array of messages".to_owned();
    Err(Reject::BadRequest { message, param: Some("messages".to_owned()) })
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
