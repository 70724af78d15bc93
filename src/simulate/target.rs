//! Which call of which provider a request is, by its path.

use std::borrow::Cow;

/// Whose wire format an exchange has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    OpenAi,
    Anthropic,
    Gemini,
    Bedrock,
    Cohere,
    /// Voyage's, Jina's and Mistral's, whose errors have a `detail`.
    Detail,
    /// Where Google's access tokens come from.
    OAuth,
    /// Gemini's format behind Google Cloud's credentials.
    Vertex,
    /// Anthropic's format behind Google Cloud's credentials.
    VertexClaude,
}

/// A call that reaches a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Chat,
    Completions,
    Embeddings,
    Responses,
    Messages,
    CountTokens,
    /// Gemini's `generateContent` and `streamGenerateContent`.
    Generate,
    /// Bedrock's `converse` and `converse-stream`.
    Converse,
    /// Cohere's `POST /v2/chat`.
    CohereChat,
    /// What is no conversation.
    Service(Service),
}

/// Calls that are answered by `services`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Embeddings of Voyage.
    VoyageEmbeddings,
    /// Embeddings of Jina.
    JinaEmbeddings,
    CohereEmbed,
    EmbedContent,
    BatchEmbedContents,
    /// Vertex' `predict`, of embedding models.
    Predict,
    /// Bedrock's InvokeModel.
    Invoke,
    CohereRerank,
    VoyageRerank,
    /// Jina's, vLLM's and Cohere's first version.
    Rerank,
    Moderations,
    Images,
    ImageEdits,
    ImageVariations,
    Speech,
    Transcriptions,
    Translations,
    Files,
    Batches,
    Realtime,
    /// Google's endpoint for access tokens.
    Token,
    /// The same for workloads within Google Cloud.
    MetadataToken,
}

/// What a path means.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub call: Call,
    pub wire: Wire,
    /// How the books name the path.
    pub name: &'static str,
    /// Where the path says it and not the body: the model, with its knobs, and whether a stream is wanted.
    pub in_path: Option<(Cow<'a, str>, bool)>,
}

/// Calls whose body names the model, or that have none.
const BY_BODY: &[(&str, Call, Wire)] = &[
    ("/v1/chat/completions", Call::Chat, Wire::OpenAi),
    (MISTRAL_CHAT, Call::Chat, Wire::Detail),
    ("/v1/completions", Call::Completions, Wire::OpenAi),
    ("/v1/embeddings", Call::Embeddings, Wire::OpenAi),
    ("/v1/responses", Call::Responses, Wire::OpenAi),
    ("/v1/messages", Call::Messages, Wire::Anthropic),
    ("/v1/messages/count_tokens", Call::CountTokens, Wire::Anthropic),
    ("/v2/chat", Call::CohereChat, Wire::Cohere),
    ("/v2/embed", Call::Service(Service::CohereEmbed), Wire::Cohere),
    ("/v2/rerank", Call::Service(Service::CohereRerank), Wire::Cohere),
    ("/v1/rerank", Call::Service(Service::Rerank), Wire::OpenAi),
    ("/jina/v1/rerank", Call::Service(Service::Rerank), Wire::Detail),
    ("/jina/v1/embeddings", Call::Service(Service::JinaEmbeddings), Wire::Detail),
    ("/voyage/v1/rerank", Call::Service(Service::VoyageRerank), Wire::Detail),
    ("/voyage/v1/embeddings", Call::Service(Service::VoyageEmbeddings), Wire::Detail),
    ("/v1/moderations", Call::Service(Service::Moderations), Wire::OpenAi),
    ("/v1/images/generations", Call::Service(Service::Images), Wire::OpenAi),
    ("/v1/images/edits", Call::Service(Service::ImageEdits), Wire::OpenAi),
    ("/v1/images/variations", Call::Service(Service::ImageVariations), Wire::OpenAi),
    ("/v1/audio/speech", Call::Service(Service::Speech), Wire::OpenAi),
    ("/v1/audio/transcriptions", Call::Service(Service::Transcriptions), Wire::OpenAi),
    ("/v1/audio/translations", Call::Service(Service::Translations), Wire::OpenAi),
    ("/v1/realtime", Call::Service(Service::Realtime), Wire::OpenAi),
    ("/v1/files", Call::Service(Service::Files), Wire::OpenAi),
    ("/v1/batches", Call::Service(Service::Batches), Wire::OpenAi),
    ("/token", Call::Service(Service::Token), Wire::OAuth),
    (METADATA_TOKEN, Call::Service(Service::MetadataToken), Wire::OAuth),
];

/// Mistral's path is OpenAI's, too.
const MISTRAL_CHAT: &str = "/mistral/v1/chat/completions";

/// <https://cloud.google.com/compute/docs/access/authenticate-workloads#applications>
const METADATA_TOKEN: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

/// Where Gemini's calls stand; its SDKs differ in the version.
const GEMINI: [&str; 2] = ["/v1beta/models/", "/v1/models/"];

/// Where Vertex' calls stand.
const VERTEX: [&str; 2] = ["/v1/projects/", "/v1beta1/projects/"];

/// How the books name calls whose path holds a model.
pub(super) const GENERATE: &str = "/v1beta/models/{model}:generateContent";
/// See [`GENERATE`].
pub(super) const GENERATE_STREAM: &str = "/v1beta/models/{model}:streamGenerateContent";
/// See [`GENERATE`].
pub(super) const EMBED_CONTENT: &str = "/v1beta/models/{model}:embedContent";
/// See [`GENERATE`].
pub(super) const BATCH_EMBED_CONTENTS: &str = "/v1beta/models/{model}:batchEmbedContents";
/// See [`GENERATE`].
pub(super) const CONVERSE: &str = "/model/{modelId}/converse";
/// See [`GENERATE`].
pub(super) const CONVERSE_STREAM: &str = "/model/{modelId}/converse-stream";
/// See [`GENERATE`].
pub(super) const INVOKE: &str = "/model/{modelId}/invoke";
/// See [`GENERATE`]; without what stands before `publishers`.
pub(super) const VERTEX_GENERATE: &str = "/publishers/google/models/{model}:generateContent";
/// See [`VERTEX_GENERATE`].
pub(super) const VERTEX_GENERATE_STREAM: &str = "/publishers/google/models/{model}:streamGenerateContent";
/// See [`VERTEX_GENERATE`].
pub(super) const VERTEX_PREDICT: &str = "/publishers/google/models/{model}:predict";
/// See [`VERTEX_GENERATE`].
pub(super) const COUNT_TOKENS: &str = "/publishers/anthropic/models/count-tokens:rawPredict";
/// See [`VERTEX_GENERATE`].
pub(super) const RAW_PREDICT: &str = "/publishers/anthropic/models/{model}:rawPredict";
/// See [`VERTEX_GENERATE`].
pub(super) const STREAM_RAW_PREDICT: &str = "/publishers/anthropic/models/{model}:streamRawPredict";

impl<'a> Target<'a> {
    /// The call that a path means, if any.
    pub fn of(path: &'a str) -> Option<Self> {
        if let Some((name, call, wire)) = BY_BODY.iter().find(|(known, ..)| *known == path) {
            return Some(Self { call: *call, wire: *wire, name, in_path: None });
        }
        gemini(path).or_else(|| bedrock(path)).or_else(|| vertex(path)).or_else(|| kept(path))
    }

    /// Whether a stream is wanted that only `alt=sse` makes one of events.
    pub fn streams_by_query(&self) -> bool {
        self.call == Call::Generate && self.in_path.as_ref().is_some_and(|(_, stream)| *stream)
    }
}

/// `/v1beta/models/{model}:generateContent`: <https://ai.google.dev/api/generate-content>.
fn gemini(path: &str) -> Option<Target<'_>> {
    let rest = GEMINI.iter().find_map(|prefix| path.strip_prefix(prefix))?;
    let (model, verb) = rest.rsplit_once(':')?;
    let (call, name, stream) = match verb {
        "generateContent" => (Call::Generate, GENERATE, false),
        "streamGenerateContent" => (Call::Generate, GENERATE_STREAM, true),
        "embedContent" => (Call::Service(Service::EmbedContent), EMBED_CONTENT, false),
        "batchEmbedContents" => (Call::Service(Service::BatchEmbedContents), BATCH_EMBED_CONTENTS, false),
        _ => return None,
    };
    target(call, Wire::Gemini, name, model, stream)
}

/// `/model/{modelId}/converse`: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>.
fn bedrock(path: &str) -> Option<Target<'_>> {
    let (model, verb) = path.strip_prefix("/model/")?.rsplit_once('/')?;
    let (call, name, stream) = match verb {
        "converse" => (Call::Converse, CONVERSE, false),
        "converse-stream" => (Call::Converse, CONVERSE_STREAM, true),
        "invoke" => (Call::Service(Service::Invoke), INVOKE, false),
        _ => return None,
    };
    target(call, Wire::Bedrock, name, model, stream)
}

/// `/v1/projects/{project}/locations/{location}/publishers/{publisher}/models/{model}:{verb}`:
/// <https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/projects.locations.publishers.models>.
fn vertex(path: &str) -> Option<Target<'_>> {
    let rest = VERTEX.iter().find_map(|prefix| path.strip_prefix(prefix))?;
    let mut segments = rest.split('/');
    let (project, locations, location) = (segments.next()?, segments.next()?, segments.next()?);
    let (publishers, publisher, models) = (segments.next()?, segments.next()?, segments.next()?);
    let (last, more) = (segments.next()?, segments.next());
    let named = !project.is_empty() && !location.is_empty() && more.is_none();
    if !named || (locations, publishers, models) != ("locations", "publishers", "models") {
        return None;
    }
    let (model, verb) = last.rsplit_once(':')?;
    if (publisher, last) == ("anthropic", "count-tokens:rawPredict") {
        // Its body names the model:
        // <https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/count-tokens>.
        return Some(Target { call: Call::CountTokens, wire: Wire::VertexClaude, name: COUNT_TOKENS, in_path: None });
    }
    let (call, wire, name, stream) = match (publisher, verb) {
        ("google", "generateContent") => (Call::Generate, Wire::Vertex, VERTEX_GENERATE, false),
        ("google", "streamGenerateContent") => (Call::Generate, Wire::Vertex, VERTEX_GENERATE_STREAM, true),
        ("google", "predict") => (Call::Service(Service::Predict), Wire::Vertex, VERTEX_PREDICT, false),
        ("google", "embedContent") => (Call::Service(Service::EmbedContent), Wire::Vertex, EMBED_CONTENT, false),
        ("anthropic", "rawPredict") => (Call::Messages, Wire::VertexClaude, RAW_PREDICT, false),
        ("anthropic", "streamRawPredict") => (Call::Messages, Wire::VertexClaude, STREAM_RAW_PREDICT, true),
        _ => return None,
    };
    target(call, wire, name, model, stream)
}

/// What is kept and asked for by its id.
fn kept(path: &str) -> Option<Target<'_>> {
    let of = |service, name| Some(Target { call: Call::Service(service), wire: Wire::OpenAi, name, in_path: None });
    match path {
        _ if path.starts_with("/v1/files/") => of(Service::Files, "/v1/files"),
        _ if path.starts_with("/v1/batches/") => of(Service::Batches, "/v1/batches"),
        _ => None,
    }
}

fn target<'a>(call: Call, wire: Wire, name: &'static str, model: &'a str, stream: bool) -> Option<Target<'a>> {
    // A segment with a slash is two segments: an id that has one must be encoded.
    if model.is_empty() || model.contains('/') {
        return None;
    }
    Some(Target { call, wire, name, in_path: Some((decoded(model)?, stream)) })
}

/// A path segment without its percent-encoding; `None` if that is broken, or no UTF-8 comes out.
pub(super) fn decoded(segment: &str) -> Option<Cow<'_, str>> {
    if !segment.contains('%') {
        return Some(Cow::Borrowed(segment));
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn hex_digit(letter: u8) -> Option<u8> {
    char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::{Call, Service, Target};

    fn of(path: &str) -> Option<(Call, String, bool)> {
        let Target { call, in_path, .. } = Target::of(path)?;
        let (model, stream) = in_path.unwrap_or_default();
        Some((call, model.into_owned(), stream))
    }

    #[test]
    fn a_path_names_the_call_the_model_and_whether_it_streams() {
        let cases = [
            ("/v1/chat/completions", Some((Call::Chat, "", false))),
            ("/v1/messages/count_tokens", Some((Call::CountTokens, "", false))),
            ("/v1beta/models/g-2.5:generateContent", Some((Call::Generate, "g-2.5", false))),
            ("/v1/models/g:streamGenerateContent", Some((Call::Generate, "g", true))),
            (
                "/v1beta/models/g%3Ferror=503%26cached%3d1:generateContent",
                Some((Call::Generate, "g?error=503&cached=1", false)),
            ),
            ("/model/anthropic.claude-v2:0/converse", Some((Call::Converse, "anthropic.claude-v2:0", false))),
            ("/model/arn%3Aaws%2Fx%3Fcut%3D1/converse-stream", Some((Call::Converse, "arn:aws/x?cut=1", true))),
            ("/v1beta/models/g:countTokens", None),
            ("/v1beta/models/:generateContent", None),
            ("/v1beta/models/g%3:generateContent", None),
            ("/v1beta/models/g%+3:generateContent", None),
            ("/v1beta/models/g%ff:generateContent", None),
            ("/v1/models/sim-small", None),
            ("/model/a/b/converse", None),
            ("/model//converse", None),
            (
                "/v1/projects/p/locations/l/publishers/google/models/g:streamGenerateContent",
                Some((Call::Generate, "g", true)),
            ),
            (
                "/v1beta1/projects/p/locations/l/publishers/anthropic/models/c@2:rawPredict",
                Some((Call::Messages, "c@2", false)),
            ),
            ("/v1/projects/p/locations/l/publishers/google/models/g:rawPredict", None),
            ("/v1/projects//locations/l/publishers/google/models/g:generateContent", None),
            ("/v1/projects/p/locations/l/publishers/google/models/a/g:generateContent", None),
            ("/model/amazon.titan/invoke", Some((Call::Service(Service::Invoke), "amazon.titan", false))),
            ("/v1beta/models/e:embedContent", Some((Call::Service(Service::EmbedContent), "e", false))),
            ("/v1/files/file-1/content", Some((Call::Service(Service::Files), "", false))),
            ("/v1/nothing", None),
        ];
        for (path, want) in cases {
            let want = want.map(|(call, model, stream)| (call, model.to_owned(), stream));
            assert_eq!(of(path), want, "{path}");
        }
    }
}
