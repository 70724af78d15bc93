//! Answering out of the cache: no provider is asked, nothing is paid, and the ledger has a row that tells what was saved.

use super::{
    Lookup,
    fill::{Cached, word_of},
};
use crate::{
    auth::Caller,
    cache::Answer,
    ledger::{OpenAttempt, Opening as RowOpening, Settlement},
    limits::Permit,
    model::{AttemptId, NanoUsd, ServiceTier, Usage, UsageOrigin},
    proxy::{
        admission::Place,
        exchange::Arrival,
        finish::{Local, micros},
        gateway::Services,
        governed, guarded,
        open::{Opening, header_text, includes_cost},
        reject::Reject,
        respond,
    },
};
use bytes::Bytes;
use http::HeaderMap;
use pingora::proxy::Session;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// The provider of rows that no provider was asked for.
static PROVIDER: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("cache"));

/// A kept answer that is about to be given again, and what its request holds meanwhile.
pub struct Hit {
    /// The answer.
    pub answer: Arc<Answer>,
    /// How old it is.
    pub age: Duration,
    /// How much alike the request is to the one that it was made for; `None`: it is the same.
    pub similarity: Option<f32>,
    /// What guardrails said about the request; `None`: nothing.
    pub guardrails: Option<String>,
    permit: Permit,
    row: OpenAttempt,
    _place: Place,
}

impl Opening<'_> {
    /// Takes `answer` for the request: its row is journaled, and no tokens are counted for it.
    ///
    /// # Errors
    ///
    /// [`Reject::LedgerUnavailable`].
    pub(super) fn hit(
        &self,
        (answer, similarity, waited): (Arc<Answer>, Option<f32>, Duration),
        Lookup { route, ask, guarding }: &Lookup<'_>,
        (mut permit, place): (Permit, Place),
        caller: &Caller,
        local: &mut Local,
    ) -> Result<Hit, Reject> {
        let services = &self.gateway.services;
        let now_us = services.clock.now_us();
        let opening = RowOpening {
            id: AttemptId { request: self.arrival.id, attempt: 1 },
            request_label: Arc::clone(&self.arrival.label),
            opened_us: now_us,
            key: Arc::clone(&caller.key),
            team: Arc::clone(&caller.team),
            user: local.user.clone(),
            model: Arc::clone(&route.name),
            api: ask.api.name(),
            stream: ask.stream,
            provider: Arc::clone(&PROVIDER),
            target_model: answer.target.to_str().unwrap_or_default().into(),
            price: None,
            estimated_input_tokens: 0,
            charges: Vec::new(),
        };
        let row = services.ledger.begin(opening).map_err(|error| {
            tracing::error!(%error, "the ledger refused the row of a kept answer; the request is answered with 503");
            Reject::LedgerUnavailable
        })?;
        permit.keep(); // it is a request, and used no tokens
        governed::settle(permit.take_tokens(), &Usage::ZERO);
        governed::settle(permit.take_model_tokens(), &Usage::ZERO);
        services.cache.hit(&answer, similarity.is_some());
        local.cached = Cached::hit(answer.cost, answer.stream, similarity).having_waited(waited);
        local.bytes_in = ask.body.len() as u64;
        if let Some(guarding) = guarding {
            guarded::count(&services.metrics, guarding.verdicts());
        }
        let said = guarding.map(|guarding| guarding.verdicts().line()).filter(|line| !line.is_empty());
        local.guardrails.clone_from(&said);
        let age = answer.age(now_us);
        Ok(Hit { answer, age, similarity, guardrails: said, permit, row, _place: place })
    }
}

impl Hit {
    /// Writes it; returns its status and the bytes of its body.
    ///
    /// # Errors
    ///
    /// When the client is gone.
    pub async fn give(
        self,
        session: &mut Session,
        arrival: &Arrival,
        local: &mut Local,
        services: &Services,
    ) -> pingora::Result<(u16, u64)> {
        let body = self.body(&session.req_header().headers);
        if let Some(content) = &mut local.content {
            content.wrote(&body);
        }
        let shares = local.shares(&services.limits);
        let header = respond::kept_header(&self, arrival, local.api, (body.len(), &shares))?;
        let took = micros(arrival.at.elapsed());
        // Before anything goes out: whoever has the answer finds its row.
        let Self { answer, permit, row, _place, .. } = self;
        row.settle(Settlement {
            status: 200,
            usage: Usage::ZERO,
            origin: UsageOrigin::None,
            cost: Some(NanoUsd::ZERO),
            saved: answer.cost,
            price_version: None,
            tier: ServiceTier::Standard,
            latency_us: took,
            first_token_us: None,
            overhead_us: Some(took.saturating_sub(micros(local.cached.waited()))),
            error: None,
        });
        let written = respond::kept(session, header, body).await;
        drop(permit);
        written.map(|bytes| (200, bytes))
    }

    /// `hit`, or `semantic` where it was found by meaning.
    pub const fn word(&self) -> &'static str {
        word_of(self.similarity)
    }

    /// Past which limits the request is, of those that only warn.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.permit.warnings()
    }

    /// The body; with the cost, which is none, at the end of a stream for a client that asks for it.
    fn body(&self, headers: &HeaderMap) -> Bytes {
        let Answer { body, marker_at, stream, .. } = &*self.answer;
        let wants = || header_text(headers, "x-weighbridge-include").is_some_and(includes_cost);
        if !stream || *marker_at >= body.len() || !wants() {
            return body.clone();
        }
        let (before, end) = body.split_at(*marker_at);
        let comment = format!(": x-weighbridge-cost-usd {}\n\n", NanoUsd::ZERO);
        [before, comment.as_bytes(), end].concat().into()
    }
}
