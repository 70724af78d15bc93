//! Calls that are no conversation, each from its provider's public reference.

mod batches;
mod files;
mod images;
mod invoke;
mod moderations;
mod rerank;
mod speech;
mod transcription;
mod vectors;

pub(super) use batches::Batch;

use super::{
    form::Form,
    knobs::Knobs,
    refusal::Refusal,
    shelf::Shelf,
    target::{Service, Wire},
    thinking::{Ready, Thinker},
    token,
};
use hyper::http::request::Parts;

/// One request, read and not yet answered.
pub(super) struct Asked<'a> {
    pub service: Service,
    pub head: &'a Parts,
    pub form: Form,
    /// Without its suffix; empty if the request names none.
    pub model: String,
    pub thinker: &'a Thinker,
    pub shelf: &'a Shelf,
}

impl Asked<'_> {
    fn wire(&self) -> Wire {
        self.thinker.wire
    }

    fn knobs(&self) -> &Knobs {
        &self.thinker.knobs
    }

    fn model(&self) -> Result<&str, Refusal> {
        if self.model.is_empty() {
            return Err(match self.wire() {
                Wire::OpenAi => Refusal::bad("you must provide a model parameter", Some("model")),
                wire => Refusal::missing("model", wire),
            });
        }
        Ok(&self.model)
    }
}

/// # Errors
///
/// When the request is one that the provider refuses.
pub(super) fn answer(asked: &Asked<'_>) -> Result<Ready, Refusal> {
    match asked.service {
        Service::VoyageEmbeddings => vectors::voyage(asked),
        Service::JinaEmbeddings => vectors::jina(asked),
        Service::CohereEmbed => vectors::cohere(asked),
        Service::EmbedContent => vectors::embed_content(asked),
        Service::BatchEmbedContents => vectors::batch_embed_contents(asked),
        Service::Predict => vectors::predict(asked),
        Service::Invoke => invoke::answer(asked),
        Service::CohereRerank => rerank::cohere(asked),
        Service::VoyageRerank => rerank::voyage(asked),
        Service::Rerank => rerank::jina(asked),
        Service::Moderations => moderations::answer(asked),
        Service::Images | Service::ImageEdits | Service::ImageVariations => images::answer(asked),
        Service::Speech => speech::answer(asked),
        Service::Transcriptions | Service::Translations => transcription::answer(asked),
        Service::Files => files::answer(asked),
        Service::Batches => batches::answer(asked),
        Service::Token => Ok(Ready::free(token::grant(&asked.form, asked.thinker.number)?.to_string().into_bytes())),
        Service::MetadataToken => {
            Ok(Ready::free(token::metadata(asked.head, asked.thinker.number)?.to_string().into_bytes()))
        }
        Service::Realtime => Err(Refusal::bad("a realtime session is a websocket", None)),
    }
}
