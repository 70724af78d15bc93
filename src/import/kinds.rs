//! LiteLLM's names of providers, and what they are here.
//!
//! The prefixes of `litellm_params.model`, the variables that hold their keys and their addresses are from the pages below
//! <https://docs.litellm.ai/docs/providers>, one a provider.

/// What a prefix of LiteLLM's is here.
pub(super) struct Known {
    /// Before the first `/` of a model.
    pub(super) prefix: &'static str,
    /// Our kind.
    pub(super) kind: &'static str,
    /// Where it is, if not where our kind is by itself.
    pub(super) base_url: Option<&'static str>,
    /// The variable with the key; empty: none is needed.
    pub(super) key: &'static str,
    /// The variable with the address, where `base_url` is none and the kind has none; empty: it has one.
    pub(super) address: &'static str,
    /// Our catalogue's name of it, which wildcards are made of.
    pub(super) catalogue: &'static str,
}

const fn known(prefix: &'static str, kind: &'static str, key: &'static str) -> Known {
    Known { prefix, kind, base_url: None, key, address: "", catalogue: kind }
}

/// Speaks OpenAI's API at an address of its own.
const fn like_openai(prefix: &'static str, url: &'static str, key: &'static str, catalogue: &'static str) -> Known {
    Known { prefix, kind: "openai", base_url: Some(url), key, address: "", catalogue }
}

/// Speaks OpenAI's API wherever the file says.
const fn elsewhere(prefix: &'static str, key: &'static str, address: &'static str) -> Known {
    Known { prefix, kind: "openai", base_url: None, key, address, catalogue: "" }
}

pub(super) const KNOWN: &[Known] = &[
    known("openai", "openai", "OPENAI_API_KEY"),
    known("text-completion-openai", "openai", "OPENAI_API_KEY"),
    Known { address: "AZURE_API_BASE", ..known("azure", "azure", "AZURE_API_KEY") },
    Known { address: "AZURE_API_BASE", ..known("azure_text", "azure", "AZURE_API_KEY") },
    known("anthropic", "anthropic", "ANTHROPIC_API_KEY"),
    known("gemini", "gemini", "GEMINI_API_KEY"),
    known("vertex_ai", "vertex", ""),
    known("vertex_ai_beta", "vertex", ""),
    known("bedrock", "bedrock", ""),
    known("bedrock_converse", "bedrock", ""),
    known("mistral", "mistral", "MISTRAL_API_KEY"),
    Known {
        base_url: Some("https://codestral.mistral.ai/v1"),
        catalogue: "",
        ..known("codestral", "mistral", "CODESTRAL_API_KEY")
    },
    known("cohere", "cohere", "COHERE_API_KEY"),
    known("cohere_chat", "cohere", "COHERE_API_KEY"),
    known("voyage", "voyage", "VOYAGE_API_KEY"),
    known("jina_ai", "jina", "JINA_AI_API_KEY"),
    like_openai("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", "groq"),
    like_openai("deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", "deepseek"),
    like_openai("together_ai", "https://api.together.xyz/v1", "TOGETHERAI_API_KEY", "together"),
    like_openai("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", ""),
    like_openai("fireworks_ai", "https://api.fireworks.ai/inference/v1", "FIREWORKS_AI_API_KEY", "fireworks"),
    like_openai("perplexity", "https://api.perplexity.ai", "PERPLEXITYAI_API_KEY", "perplexity"),
    like_openai("xai", "https://api.x.ai/v1", "XAI_API_KEY", "xai"),
    like_openai("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", "cerebras"),
    like_openai("nvidia_nim", "https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY", ""),
    like_openai("sambanova", "https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY", "sambanova"),
    like_openai("deepinfra", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY", "deepinfra"),
    like_openai("moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY", ""),
    like_openai("dashscope", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY", ""),
    like_openai("nebius", "https://api.studio.nebius.ai/v1", "NEBIUS_API_KEY", ""),
    like_openai("novita", "https://api.novita.ai/v3/openai", "NOVITA_API_KEY", ""),
    like_openai("hyperbolic", "https://api.hyperbolic.xyz/v1", "HYPERBOLIC_API_KEY", ""),
    like_openai("github", "https://models.inference.ai.azure.com", "GITHUB_API_KEY", ""),
    like_openai("ollama", "http://localhost:11434/v1", "", ""),
    like_openai("ollama_chat", "http://localhost:11434/v1", "", ""),
    like_openai("llamafile", "http://127.0.0.1:8080/v1", "", ""),
    elsewhere("hosted_vllm", "", "HOSTED_VLLM_API_BASE"),
    elsewhere("lm_studio", "", "LM_STUDIO_API_BASE"),
    elsewhere("litellm_proxy", "LITELLM_PROXY_API_KEY", "LITELLM_PROXY_API_BASE"),
    elsewhere("azure_ai", "AZURE_AI_API_KEY", "AZURE_AI_API_BASE"),
    elsewhere("openai_like", "OPENAI_LIKE_API_KEY", "OPENAI_LIKE_API_BASE"),
    elsewhere("custom_openai", "OPENAI_API_KEY", "OPENAI_API_BASE"),
];

/// Names without a prefix, by what they begin with; the first that fits.
const BARE: &[(&str, &str)] = &[
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("text-embedding-3", "openai"),
    ("text-embedding-ada", "openai"),
    ("omni-moderation", "openai"),
    ("text-moderation", "openai"),
    ("whisper-", "openai"),
    ("tts-", "openai"),
    ("dall-e-", "openai"),
    ("davinci-", "openai"),
    ("babbage-", "openai"),
    ("ft:gpt-", "openai"),
    ("claude-", "anthropic"),
    ("command-", "cohere"),
    ("gemini-", "vertex_ai"),
    ("anthropic.", "bedrock"),
    ("amazon.", "bedrock"),
    ("meta.", "bedrock"),
    ("us.anthropic.", "bedrock"),
    ("eu.anthropic.", "bedrock"),
];

/// Whose a model is and what it is called there. `told` is `custom_llm_provider`, `has_address` whether `api_base` is set.
pub(super) fn whose<'m>(model: &'m str, told: Option<&str>, has_address: bool) -> Option<(&'static Known, &'m str)> {
    let find = |prefix: &str| KNOWN.iter().find(|known| known.prefix == prefix);
    if let Some(known) = told.and_then(find) {
        let rest = model.strip_prefix(known.prefix).and_then(|rest| rest.strip_prefix('/'));
        return Some((known, rest.unwrap_or(model)));
    }
    let by_prefix = model.split_once('/').and_then(|(prefix, rest)| Some((find(prefix)?, rest)));
    by_prefix.or_else(|| {
        let bare = BARE.iter().find(|(begin, _)| model.starts_with(begin)).map(|(_, prefix)| *prefix);
        let prefix = if has_address { Some("openai") } else { bare.filter(|_| !model.contains('/')) };
        Some((prefix.and_then(find)?, model))
    })
}
