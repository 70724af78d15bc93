//! What OpenTelemetry calls what a gateway does.
//!
//! GenAI names are those of <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/> and
//! <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/>, in two versions: v1.36, whose provider is
//! `gen_ai.system` (<https://github.com/open-telemetry/semantic-conventions/blob/v1.36.0/docs/gen-ai/gen-ai-spans.md>),
//! and v1.41, the last of that repository (`…/blob/v1.41.0/docs/gen-ai/gen-ai-spans.md`). All of them are in development
//! there. What has no name there begins with `weighbridge.`.

use crate::{config::Conventions, model::Api};
use std::collections::HashMap;
use std::sync::Arc;

/// What is otherwise between versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names {
    /// The key of the provider's name.
    pub provider: &'static str,
    /// Where the version is described.
    pub schema: &'static str,
    /// Cached and reasoning tokens, streaming, time to first chunk have names.
    pub modern: bool,
}

impl Names {
    /// Those of `conventions`.
    pub const fn of(conventions: Conventions) -> Self {
        match conventions {
            Conventions::V1_36 => {
                Self { provider: "gen_ai.system", schema: "https://opentelemetry.io/schemas/1.36.0", modern: false }
            }
            Conventions::V1_41 => Self {
                provider: "gen_ai.provider.name",
                schema: "https://opentelemetry.io/schemas/1.41.0",
                modern: true,
            },
        }
    }
}

/// `gen_ai.operation.name`: the well-known ones, else the call's own name.
pub(super) const fn operation(api: Api) -> &'static str {
    match api {
        Api::ChatCompletions | Api::Responses | Api::Messages => "chat",
        Api::Generate => "generate_content",
        Api::Completions => "text_completion",
        Api::Embeddings => "embeddings",
        _ => api.name(),
    }
}

/// `http.route`, in two parts.
pub(super) const fn route(api: Api, stream: bool) -> [&'static str; 2] {
    match (api, stream) {
        (Api::Generate, true) => ["/v1beta/models/{model}:", "streamGenerateContent"],
        (Api::Generate, false) => ["/v1beta/models/{model}:", "generateContent"],
        _ => ["/v1/", api.path()],
    }
}

/// `http.request.method`; `None`: it may be one of several.
pub(super) const fn method(api: Api) -> Option<&'static str> {
    match api {
        Api::Realtime => Some("GET"),
        Api::Files | Api::Batches => None,
        _ => Some("POST"),
    }
}

/// A provider as its spans have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `gen_ai.provider.name`, or `gen_ai.system`.
    pub system: &'static str,
    /// `server.address`.
    pub host: Arc<str>,
    /// `server.port`.
    pub port: u16,
}

/// Providers, by their name in the file.
pub type Places = HashMap<Arc<str>, Place>;

impl Place {
    /// Of a provider of `kind` at `host`.
    pub fn new(kind: &'static str, (host, port): (Arc<str>, u16), conventions: Conventions) -> Self {
        let by_host = || HOSTS.iter().find(|(end, _)| is_below(&host, end)).map(|(_, system)| *system);
        let by_kind = || SYSTEMS.iter().find(|(known, _)| *known == kind).map(|(_, system)| *system);
        let system = by_host().or_else(by_kind).unwrap_or(kind);
        let older = OLDER.iter().find(|(new, _)| *new == system && conventions == Conventions::V1_36);
        Self { system: older.map_or(system, |(_, old)| old), host, port }
    }
}

fn is_below(host: &str, end: &str) -> bool {
    host.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Kinds whose system has another name.
const SYSTEMS: &[(&str, &str)] = &[
    ("azure", "azure.ai.openai"),
    ("gemini", "gcp.gemini"),
    ("vertex", "gcp.vertex_ai"),
    ("bedrock", "aws.bedrock"),
    ("mistral", "mistral_ai"),
];

/// Systems that are known by where they are: most of them are of kind `openai`.
const HOSTS: &[(&str, &str)] = &[
    ("groq.com", "groq"),
    ("deepseek.com", "deepseek"),
    ("mistral.ai", "mistral_ai"),
    ("x.ai", "x_ai"),
    ("perplexity.ai", "perplexity"),
    ("cohere.com", "cohere"),
    ("cohere.ai", "cohere"),
];

/// What v1.36 called them.
const OLDER: &[(&str, &str)] = &[("azure.ai.openai", "az.ai.openai"), ("x_ai", "xai")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_have_the_names_that_are_well_known() {
        let system = |kind, host: &str, version| Place::new(kind, (host.into(), 443), version).system;
        let (new, old) = (Conventions::V1_41, Conventions::V1_36);
        let cases = [
            ("openai", "api.openai.com", new, "openai"),
            ("openai", "127.0.0.1", new, "openai"),
            ("openai", "api.groq.com", new, "groq"),
            ("openai", "api.notgroq.com", new, "openai"),
            ("openai", "x.ai", new, "x_ai"),
            ("openai", "api.x.ai", old, "xai"),
            ("azure", "acme.openai.azure.com", new, "azure.ai.openai"),
            ("azure", "acme.openai.azure.com", old, "az.ai.openai"),
            ("bedrock", "bedrock-runtime.us-east-1.amazonaws.com", new, "aws.bedrock"),
            ("anthropic", "api.anthropic.com", old, "anthropic"),
            ("voyage", "api.voyageai.com", new, "voyage"),
        ];
        for (kind, host, version, want) in cases {
            assert_eq!(system(kind, host, version), want, "{kind} {host}");
        }
    }
}
