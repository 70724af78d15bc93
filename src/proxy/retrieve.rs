//! Embeddings and reranking at a provider of another API: what fits, and the answer on its way back. As
//! [`super::translate`], but answers come whole.

use super::bounds::Share;
use super::exchange::Opened;
use super::reject::Reject;
use super::target::Target;
use super::translate::{Teller, Written};
use super::trouble::Trouble;
use crate::{
    dialect::{Retold, retell, retold_bytes},
    model::{Api, Retrieval, Usage},
    providers::{Provider, Reading, retrieval::Retriever},
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
pub fn fit(model: &str, target: &Target, retriever: Retriever<'_>, asked: &Retrieval) -> Result<(), Reject> {
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
            model: model.to_owned(),
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
    /// [`Trouble::Garbage`] when `body` is no answer to what was asked; [`Trouble::BuffersFull`] when `share`, which holds
    /// `body`, cannot take the answer too.
    pub fn whole(&self, provider: &dyn Provider, body: &[u8], share: &mut Share) -> Result<(Bytes, Reading), Trouble> {
        let retriever = self.retriever(provider);
        let retriever = retriever.ok_or_else(|| Trouble::Garbage("nobody reads it".to_owned()))?;
        let read = retriever.decode(body, &self.asked);
        let (found, mut reading) = read.map_err(|garbage| Trouble::Garbage(garbage.why))?;
        if !share.grow_to(body.len().saturating_add(retold_bytes(&self.asked, &found))) {
            return Err(Trouble::BuffersFull);
        }
        if let (None, Some(input)) = (reading.usage, self.told_by_head) {
            reading = Reading { usage: Some(Usage { input, ..Usage::ZERO }), complete: true, ..Reading::default() };
        }
        let likely = || Usage { input: self.likely_tokens, ..Usage::ZERO };
        let usage = reading.usage.or_else(|| self.likely_searches(provider)).unwrap_or_else(likely);
        let about = Retold { id: &self.id, model: &self.model, tokens: usage.input_total(), searches: usage.searches };
        retell(&self.asked, &found, &about).map(|told| (told, reading)).map_err(Trouble::Garbage)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dialect,
        proxy::{bounds::Buffers, retrieval_tests::provider},
    };

    #[test]
    fn an_answer_is_counted_beside_what_it_is_told_from() {
        let asked = Bytes::from_static(br#"{"model":"m","input":"a","encoding_format":"float"}"#);
        let asked = dialect::decode_retrieval(Api::Embeddings, &asked).expect("right").expect("embeddings");
        let retelling = Retelling {
            api: Api::Embeddings,
            at: "voyage-3.5".into(),
            id: "r".into(),
            model: "m".into(),
            likely_tokens: 1,
            likely_searches: 0,
            told_by_head: None,
            asked: Arc::new(asked),
        };
        let (voyage, numbers) = (provider("voyage"), vec!["0.5"; 10_000].join(","));
        let body = format!(r#"{{"data":[{{"embedding":[{numbers}],"index":0}}]}}"#);
        let told = |limit: usize| {
            let buffers = Buffers::new(limit);
            let mut share = buffers.take(body.len()).expect("it fits");
            let told = retelling.whole(voyage.as_ref(), body.as_bytes(), &mut share);
            told.map(|(told, _)| (told.len(), buffers.used()))
        };
        let (length, counted) = told(1 << 20).expect("told");
        assert!(counted >= body.len() + length, "{counted} for {length} bytes");
        assert_eq!(told(body.len() + length / 2), Err(Trouble::BuffersFull));
    }
}
