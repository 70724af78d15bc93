//! Which call of which provider a request is, by its path.

use std::borrow::Cow;

/// Whose wire format an exchange has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    OpenAi,
    Anthropic,
    Gemini,
    Bedrock,
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
}

impl Call {
    pub const fn wire(self) -> Wire {
        match self {
            Self::Chat | Self::Completions | Self::Embeddings | Self::Responses => Wire::OpenAi,
            Self::Messages | Self::CountTokens => Wire::Anthropic,
            Self::Generate => Wire::Gemini,
            Self::Converse => Wire::Bedrock,
        }
    }
}

/// What a path means.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub call: Call,
    /// How the books name the path.
    pub name: &'static str,
    /// Where the path says it and not the body: the model, with its knobs, and whether a stream is wanted.
    pub in_path: Option<(Cow<'a, str>, bool)>,
}

/// Calls whose body names the model.
const BY_BODY: [(&str, Call); 6] = [
    ("/v1/chat/completions", Call::Chat),
    ("/v1/completions", Call::Completions),
    ("/v1/embeddings", Call::Embeddings),
    ("/v1/responses", Call::Responses),
    ("/v1/messages", Call::Messages),
    ("/v1/messages/count_tokens", Call::CountTokens),
];

/// Where Gemini's calls stand; its SDKs differ in the version.
const GEMINI: [&str; 2] = ["/v1beta/models/", "/v1/models/"];

/// How the books name calls whose path holds a model.
pub(super) const GENERATE: &str = "/v1beta/models/{model}:generateContent";
/// See [`GENERATE`].
pub(super) const GENERATE_STREAM: &str = "/v1beta/models/{model}:streamGenerateContent";
/// See [`GENERATE`].
pub(super) const CONVERSE: &str = "/model/{modelId}/converse";
/// See [`GENERATE`].
pub(super) const CONVERSE_STREAM: &str = "/model/{modelId}/converse-stream";

impl<'a> Target<'a> {
    /// The call that a path means, if any.
    pub fn of(path: &'a str) -> Option<Self> {
        if let Some((name, call)) = BY_BODY.into_iter().find(|(known, _)| *known == path) {
            return Some(Self { call, name, in_path: None });
        }
        gemini(path).or_else(|| bedrock(path))
    }
}

/// `/v1beta/models/{model}:generateContent`: <https://ai.google.dev/api/generate-content>.
fn gemini(path: &str) -> Option<Target<'_>> {
    let rest = GEMINI.iter().find_map(|prefix| path.strip_prefix(prefix))?;
    let (model, verb) = rest.rsplit_once(':')?;
    let (name, stream) = match verb {
        "generateContent" => (GENERATE, false),
        "streamGenerateContent" => (GENERATE_STREAM, true),
        _ => return None,
    };
    target(Call::Generate, name, model, stream)
}

/// `/model/{modelId}/converse`: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>.
fn bedrock(path: &str) -> Option<Target<'_>> {
    let (model, verb) = path.strip_prefix("/model/")?.rsplit_once('/')?;
    let (name, stream) = match verb {
        "converse" => (CONVERSE, false),
        "converse-stream" => (CONVERSE_STREAM, true),
        _ => return None,
    };
    target(Call::Converse, name, model, stream)
}

fn target<'a>(call: Call, name: &'static str, model: &'a str, stream: bool) -> Option<Target<'a>> {
    // A segment with a slash is two segments: an id that has one must be encoded.
    if model.is_empty() || model.contains('/') {
        return None;
    }
    Some(Target { call, name, in_path: Some((decoded(model)?, stream)) })
}

/// A path segment without its percent-encoding; `None` if that is broken, or no UTF-8 comes out.
fn decoded(segment: &str) -> Option<Cow<'_, str>> {
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
    use super::{Call, Target};

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
            ("/v1/nothing", None),
        ];
        for (path, want) in cases {
            let want = want.map(|(call, model, stream)| (call, model.to_owned(), stream));
            assert_eq!(of(path), want, "{path}");
        }
    }
}
