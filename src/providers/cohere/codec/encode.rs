//! From a conversation to the body of `POST /v2/chat` (<https://docs.cohere.com/reference/chat>).

use super::{reasons, tools, turns};
use crate::{
    model::{Chat, Effort, Feature, Sampling, Use},
    providers::{
        codec::{Goal, uses_clamped},
        openai::body::Body,
    },
};
use bytes::Bytes;

/// Stop sequences that Cohere takes.
pub(super) const MOST_STOPS: usize = 5;

/// Bounds of `p`.
const P: (f64, f64) = (0.01, 0.99);

/// Most that `k` may be.
const MOST_K: u64 = 500;

/// Tokens that a budget for thinking leaves to the answer (<https://docs.cohere.com/docs/reasoning>).
const LEFT_TO_ANSWER: u64 = 1_024;

/// The body of the request.
pub(super) fn body(chat: &Chat, to: &Goal<'_>) -> Bytes {
    let mut body = Body::with_room_for(chat);
    body.object(|body| {
        body.member("model", &to.model);
        body.member("stream", &chat.stream);
        body.key("messages").array(|body| turns::write(chat, to.model, body));
        tools::write(chat, body);
        body.maybe("max_tokens", to.output_cap(chat).as_ref());
        let stops = chat.stop.get(..MOST_STOPS).unwrap_or(&chat.stop);
        if !stops.is_empty() {
            body.member("stop_sequences", &stops);
        }
        sampling(&chat.sampling, body);
        match thinking(chat, to) {
            None => {}
            Some(Thinks::Not) => body.key("thinking").object(|body| body.member("type", &"disabled")),
            Some(Thinks::UpTo(tokens)) => body.key("thinking").object(|body| {
                body.member("type", &"enabled");
                body.maybe("token_budget", tokens.as_ref());
            }),
        }
    });
    body.into_bytes()
}

fn sampling(sampling: &Sampling, body: &mut Body) {
    body.number("temperature", sampling.temperature);
    body.number("p", sampling.top_p.map(p));
    body.maybe("k", sampling.top_k.map(k).as_ref());
    body.maybe("seed", sampling.seed.as_ref());
    body.number("frequency_penalty", penalty(sampling.frequency_penalty));
    body.number("presence_penalty", penalty(sampling.presence_penalty));
}

fn p(asked: f64) -> f64 {
    asked.clamp(P.0, P.1)
}

fn k(asked: u64) -> u64 {
    asked.min(MOST_K)
}

/// What of `chat.uses` is said with the nearest value that Cohere takes.
pub(super) fn clamped(chat: &Chat) -> Vec<Use> {
    let asked = &chat.sampling;
    let differs = |asked: f64, sent: f64| (asked - sent).abs() > f64::EPSILON;
    let features = [
        (asked.top_p.is_some_and(|top_p| differs(top_p, p(top_p))), Feature::TopP),
        (asked.top_k.is_some_and(|top_k| top_k != k(top_k)), Feature::TopK),
    ];
    let penalties = [asked.frequency_penalty, asked.presence_penalty];
    uses_clamped(chat, &features, penalties.map(|asked| asked.is_some_and(|penalty| penalty > 1.0)))
}

/// A penalty as Cohere takes it, from 0 to 1. One below has no meaning there.
fn penalty(asked: Option<f64>) -> Option<f64> {
    asked.filter(|penalty| *penalty >= 0.0).map(|penalty| penalty.min(1.0))
}

/// Whether a penalty that was asked for is not told.
pub(super) fn loses_penalty(sampling: &Sampling) -> bool {
    [sampling.frequency_penalty, sampling.presence_penalty]
        .into_iter()
        .any(|asked| asked.is_some() && penalty(asked).is_none())
}

/// How much the model is told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinks {
    Not,
    /// `None`: as much as it likes.
    UpTo(Option<u64>),
}

/// How much the model is to think; `None`: nothing is said of it, there is no room for it, or the model does not think.
pub(super) fn thinking(chat: &Chat, to: &Goal<'_>) -> Option<Thinks> {
    if !reasons(to.model) {
        return None;
    }
    let asked = &chat.thinking;
    if asked.off || asked.effort == Some(Effort::None) || asked.budget_tokens == Some(0) {
        return Some(Thinks::Not);
    }
    if !asked.is_on() {
        return None;
    }
    // The most effort, and as much as the model likes, have no bound.
    let effort = asked.effort.filter(|effort| *effort != Effort::Max).map(Effort::budget_tokens);
    let Some(budget) = asked.budget_tokens.or(effort) else { return Some(Thinks::UpTo(None)) };
    let room = to.output_cap(chat).map(|cap| cap - LEFT_TO_ANSWER.min(cap.div_ceil(2)));
    let budget = room.map_or(budget, |room| room.min(budget));
    (budget > 0).then_some(Thinks::UpTo(Some(budget)))
}
