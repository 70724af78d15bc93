//! Embeddings and reranking at a provider of another API: what fits, and the answer on its way back. As
//! [`super::translate`], but answers come whole.

use super::exchange::Opened;
use super::reject::Reject;
use super::target::Target;
use super::translate::{Teller, Written};
use crate::{
    dialect::{Retold, retell},
    model::{Api, Retrieval, Usage},
    providers::{Garbage, Provider, Reading, retrieval::Retriever},
    tokens::estimate_tokens,
};
use bytes::Bytes;
use http::HeaderMap;
use std::sync::Arc;

/// Looks whether `retriever` can tell `target` what is asked.
///
/// # Errors
///
/// [`Reject::BadRequest`] when it is too much for one request, which cannot be parted; [`Reject::Untranslatable`].
pub fn fit(opened: &Opened, target: &Target, retriever: Retriever<'_>, asked: &Retrieval) -> Result<(), Reject> {
    let (count, param) = asked.inputs();
    let most = retriever.most(&target.model);
    if count > most {
        let api = retriever.api();
        return Err(Reject::BadRequest {
            message: format!(
                "`{param}` has {count} elements; {target:?} ({api}) takes at most {most} a request: part it"
            ),
            param: Some(param.to_owned()),
        });
    }
    let (unsupported, _) = retriever.gaps(asked, &target.model);
    match unsupported.first() {
        Some(first) if !target.drops => Err(Reject::Untranslatable {
            model: opened.plan.route().name.to_string(),
            target: format!("{target:?}"),
            api: retriever.api(),
            what: first.wish.label(),
            field: first.path.clone(),
        }),
        _ => Ok(()),
    }
}

/// The body that goes to `target`, what is left out of it, and what tells the answer.
pub fn write(opened: &Opened, target: &Target, retriever: Retriever<'_>, asked: Arc<Retrieval>) -> Written {
    let body = retriever.encode(&asked, &target.model);
    let (unsupported, hints) = retriever.gaps(&asked, &target.model);
    let mut left_out: Vec<String> = unsupported.into_iter().chain(hints).map(|wished| wished.path.clone()).collect();
    left_out.sort_unstable();
    left_out.dedup();
    let ask = &opened.ask;
    let retelling = Retelling {
        api: ask.api,
        at: Arc::clone(&target.model),
        id: opened.arrival.id.to_string().into(),
        model: Arc::clone(&opened.model),
        likely_tokens: estimate_tokens(ask.text_bytes),
        likely_searches: ask.demand.likely_searches,
        told_by_head: None,
        asked,
    };
    (body, left_out, Some(Teller::Retrieval(Box::new(retelling))))
}

/// Tells an answer in the client's dialect.
pub struct Retelling {
    api: Api,
    /// The model's name at the target.
    at: Arc<str>,
    id: Arc<str>,
    /// The model that the client asked for.
    model: Arc<str>,
    /// What the client is told where the provider reports nothing.
    likely_tokens: u64,
    likely_searches: u64,
    told_by_head: Option<u64>,
    asked: Arc<Retrieval>,
}

impl Retelling {
    /// Takes the head of the answer of `provider`.
    pub fn head(&mut self, provider: &dyn Provider, headers: &HeaderMap) {
        self.told_by_head = self.retriever(provider).and_then(|retriever| retriever.told_by_head(headers));
    }

    /// The whole answer, and what it reports.
    ///
    /// # Errors
    ///
    /// [`Garbage`] when `body` is no answer to what was asked.
    pub fn whole(&self, provider: &dyn Provider, body: &[u8]) -> Result<(Bytes, Reading), Garbage> {
        let garbage = |why| Garbage { api: self.api, why };
        let retriever = self.retriever(provider).ok_or_else(|| garbage("nobody reads it".to_owned()))?;
        let (found, mut reading) = retriever.decode(body, &self.asked)?;
        if let (None, Some(input)) = (reading.usage, self.told_by_head) {
            reading = Reading { usage: Some(Usage { input, ..Usage::ZERO }), complete: true, ..Reading::default() };
        }
        let likely = || Usage { input: self.likely_tokens, ..Usage::ZERO };
        let usage = reading.usage.or_else(|| self.likely_searches(provider)).unwrap_or_else(likely);
        let about = Retold { id: &self.id, model: &self.model, tokens: usage.input_total(), searches: usage.searches };
        retell(&self.asked, &found, &about).map(|told| (told, reading)).map_err(garbage)
    }

    /// What an answer that reports nothing used, about, where that is not for a tokenizer to count: searches.
    pub fn likely_searches(&self, provider: &dyn Provider) -> Option<Usage> {
        let by_search = self.retriever(provider)?.by_search(&self.at);
        by_search.then_some(Usage { searches: self.likely_searches, ..Usage::ZERO })
    }

    fn retriever<'p>(&self, provider: &'p dyn Provider) -> Option<Retriever<'p>> {
        Retriever::of(provider, self.api, &self.at)
    }
}
