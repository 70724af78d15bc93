//! `POST models/M:batchEmbedContents`: <https://ai.google.dev/api/embeddings#method:-models.batchembedcontents>.

use super::resource;
use crate::{
    model::{Api, Embed, Purpose, Vector, Wish},
    providers::{
        Garbage, Reading,
        lenient::Count,
        retrieval::{Body, Embedder, read},
    },
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Speaks `batchEmbedContents`.
#[derive(Debug)]
pub(super) struct BatchEmbed;

/// Most texts of a request: what the API answers to more.
const MOST: usize = 100;

/// <https://ai.google.dev/api/embeddings#tasktype>
const fn task_type(purpose: Purpose) -> Option<&'static str> {
    match purpose {
        Purpose::Query => Some("RETRIEVAL_QUERY"),
        Purpose::Document | Purpose::CodeDocument => Some("RETRIEVAL_DOCUMENT"),
        Purpose::Similarity => Some("SEMANTIC_SIMILARITY"),
        Purpose::Classification => Some("CLASSIFICATION"),
        Purpose::Clustering => Some("CLUSTERING"),
        Purpose::QuestionAnswering => Some("QUESTION_ANSWERING"),
        Purpose::FactChecking => Some("FACT_VERIFICATION"),
        Purpose::CodeQuery => Some("CODE_RETRIEVAL_QUERY"),
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    embeddings: Vec<Embedding<'a>>,
    #[serde(default, rename = "usageMetadata")]
    usage: Option<Figures>,
}

#[derive(Deserialize)]
struct Embedding<'a> {
    #[serde(borrow)]
    values: &'a RawValue,
}

/// <https://ai.google.dev/api/embeddings#EmbeddingUsageMetadata>; older servers report nothing.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Figures {
    prompt_token_count: Count,
}

impl Embedder for BatchEmbed {
    fn api(&self) -> &'static str {
        "batchEmbedContents"
    }

    fn path(&self, model: &str) -> String {
        format!("/{}:batchEmbedContents", resource(model))
    }

    fn most(&self, _model: &str) -> usize {
        MOST
    }

    fn says(&self, wish: Wish, asked: &Embed, _model: &str) -> bool {
        match wish {
            Wish::Dimensions => true,
            Wish::Purpose => asked.purpose.is_some(),
            // A title belongs to a document.
            Wish::Title => asked.purpose.and_then(task_type) == Some("RETRIEVAL_DOCUMENT"),
            Wish::Cut
            | Wish::Element
            | Wish::LateChunking
            | Wish::Normalized
            | Wish::TokensPerDocument
            | Wish::Foreign
            | Wish::Packed
            | Wish::User
            | Wish::Unknown => false,
        }
    }

    fn encode(&self, asked: &Embed, model: &str) -> Bytes {
        let name = if model.contains('/') { model.to_owned() } else { format!("models/{model}") };
        let title = asked.title.as_ref().filter(|_| self.says(Wish::Title, asked, model));
        let requests = asked.texts.iter().map(|text| {
            let content = [br#"{"parts":[{"text":"#, &text[..], b"}]}"].concat();
            let mut request = Body::with_room_for(std::slice::from_ref(text));
            request.text("model", &name).json("content", &content).word("taskType", asked.purpose.and_then(task_type));
            if let Some(title) = title {
                request.json("title", title);
            }
            request.whole("outputDimensionality", asked.dimensions).end()
        });
        let requests: Vec<Bytes> = requests.collect();
        Body::with_room_for(&requests).list("requests", &requests).end()
    }

    fn decode<'a>(&self, body: &'a [u8], _asked: &Embed) -> Result<(Vec<Vector<'a>>, Reading), Garbage> {
        let Answer { embeddings, usage } = read::answer(Api::Embeddings, body)?;
        let vectors = embeddings.into_iter().map(|embedding| read::vector(embedding.values)).collect();
        Ok((vectors, read::reported(usage.unwrap_or_default().prompt_token_count, Count::Absent)))
    }
}
