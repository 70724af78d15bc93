//! Words of several makers for the same things: what vectors are for, and what happens to long texts.

use crate::model::{Cut, Element, Purpose};

/// What `word` says vectors are for: Cohere's and Voyage's `input_type`, Jina's `task`, Gemini's `taskType`.
/// <https://docs.cohere.com/reference/embed>, <https://docs.voyageai.com/reference/embeddings-api>,
/// <https://jina.ai/embeddings/>, <https://ai.google.dev/api/embeddings#tasktype>.
pub(super) fn purpose(word: &str) -> Option<Purpose> {
    Some(match word {
        "search_query" | "query" | "retrieval.query" | "RETRIEVAL_QUERY" => Purpose::Query,
        "search_document" | "document" | "passage" | "retrieval.passage" | "RETRIEVAL_DOCUMENT" => Purpose::Document,
        "text-matching" | "SEMANTIC_SIMILARITY" => Purpose::Similarity,
        "classification" | "CLASSIFICATION" => Purpose::Classification,
        "clustering" | "separation" | "CLUSTERING" => Purpose::Clustering,
        "QUESTION_ANSWERING" => Purpose::QuestionAnswering,
        "FACT_VERIFICATION" => Purpose::FactChecking,
        "code.query" | "nl2code.query" | "CODE_RETRIEVAL_QUERY" => Purpose::CodeQuery,
        "code.passage" | "nl2code.passage" => Purpose::CodeDocument,
        _ => return None,
    })
}

/// Cohere's `truncate`.
pub(super) fn cut(word: &str) -> Option<Cut> {
    Some(match word {
        "NONE" => Cut::Never,
        "START" => Cut::Start,
        "END" => Cut::End,
        _ => return None,
    })
}

/// Jina's `truncate` and Voyage's `truncation`.
pub(super) const fn cut_or_not(cuts: bool) -> Cut {
    if cuts { Cut::End } else { Cut::Never }
}

/// What vectors are made of; `Some(None)`: floats. `None`: no such word.
pub(super) fn element(word: &str) -> Option<Option<Element>> {
    Some(match word {
        "float" => None,
        "int8" => Some(Element::Int8),
        "uint8" => Some(Element::Uint8),
        "binary" => Some(Element::Binary),
        "ubinary" => Some(Element::Ubinary),
        _ => return None,
    })
}
