//! Parameters by one name each, and where the dialects have them.
//!
//! Sources: <https://platform.openai.com/docs/api-reference/chat/create>,
//! <https://platform.openai.com/docs/api-reference/responses/create>, <https://docs.anthropic.com/en/api/messages>,
//! <https://ai.google.dev/api/generate-content>.

/// A parameter.
pub(super) struct Parameter {
    pub name: &'static str,
    /// Where OpenAI's calls have it, chat completions, responses and the others: paths with dots. A call that knows
    /// only some of them is not asked for the others by anybody.
    pub openai: &'static [&'static str],
    pub anthropic: &'static [&'static str],
    pub gemini: &'static [&'static str],
    /// Types of tools (`tools[].type`) that are the same as the parameter; a dated name goes on behind
    /// (`web_search_20250305`). Google's tools have no type: what stands for it is the name of the tool's member.
    pub tools: &'static [&'static str],
}

const fn same(name: &'static str, paths: &'static [&'static str], gemini: &'static [&'static str]) -> Parameter {
    Parameter { name, openai: paths, anthropic: paths, gemini, tools: &[] }
}

const fn of(
    name: &'static str,
    openai: &'static [&'static str],
    anthropic: &'static [&'static str],
    gemini: &'static [&'static str],
) -> Parameter {
    Parameter { name, openai, anthropic, gemini, tools: &[] }
}

const fn hosted(name: &'static str, openai: &'static [&'static str], tools: &'static [&'static str]) -> Parameter {
    Parameter { name, openai, anthropic: &[], gemini: &[], tools }
}

pub(super) const PARAMETERS: &[Parameter] = &[
    of(
        "audio",
        &["audio", "modalities"],
        &[],
        &["generationConfig.speechConfig", "generationConfig.responseModalities"],
    ),
    same("background", &["background"], &[]),
    same("cache_control", &["cache_control", "prompt_cache_key", "prompt_cache_retention"], &["cachedContent"]),
    hosted("code_execution", &[], &["code_interpreter", "code_execution", "codeExecution"]),
    hosted("computer_use", &[], &["computer", "computer_use", "computer_use_preview", "computerUse"]),
    same("container", &["container"], &[]),
    of("conversation", &["conversation", "previous_response_id"], &[], &[]),
    hosted("file_search", &[], &["file_search", "fileSearch", "retrieval"]),
    same("frequency_penalty", &["frequency_penalty"], &["generationConfig.frequencyPenalty"]),
    hosted("image_generation", &[], &["image_generation"]),
    same("logit_bias", &["logit_bias"], &[]),
    of(
        "logprobs",
        &["logprobs", "top_logprobs"],
        &[],
        &["generationConfig.responseLogprobs", "generationConfig.logprobs"],
    ),
    Parameter {
        name: "mcp",
        openai: &[],
        anthropic: &["mcp_servers"],
        gemini: &[],
        tools: &["mcp", "mcp_toolset", "mcpServers"],
    },
    of(
        "max_tokens",
        &["max_tokens", "max_completion_tokens", "max_output_tokens"],
        &["max_tokens"],
        &["generationConfig.maxOutputTokens"],
    ),
    same("metadata", &["metadata"], &["labels"]),
    of("n", &["n", "best_of"], &[], &["generationConfig.candidateCount"]),
    same("parallel_tool_calls", &["parallel_tool_calls", "tool_choice.disable_parallel_tool_use"], &[]),
    same("prediction", &["prediction"], &[]),
    same("presence_penalty", &["presence_penalty"], &["generationConfig.presencePenalty"]),
    of("prompt_template", &["prompt.id"], &[], &[]),
    of(
        "reasoning",
        &["reasoning_effort", "reasoning"],
        &["thinking", "output_config.effort"],
        &["generationConfig.thinkingConfig"],
    ),
    of(
        "response_format",
        &["response_format", "text.format"],
        &["output_format", "output_config.format"],
        &[
            "generationConfig.responseSchema",
            "generationConfig.responseJsonSchema",
            "generationConfig.responseMimeType",
        ],
    ),
    of("safety_settings", &["moderation"], &[], &["safetySettings"]),
    same("seed", &["seed"], &["generationConfig.seed"]),
    hosted("shell", &[], &["bash", "shell", "local_shell"]),
    same("service_tier", &["service_tier"], &["serviceTier"]),
    of("stop", &["stop"], &["stop_sequences"], &["generationConfig.stopSequences"]),
    same("store", &["store"], &["store"]),
    same("stream", &["stream"], &[]),
    same("temperature", &["temperature"], &["generationConfig.temperature"]),
    same("tool_choice", &["tool_choice", "function_call"], &["toolConfig"]),
    of("tools", &["tools", "functions", "web_search_options"], &["tools", "mcp_servers"], &["tools"]),
    same("top_k", &["top_k"], &["generationConfig.topK"]),
    same("top_p", &["top_p"], &["generationConfig.topP"]),
    of("user", &["user", "safety_identifier"], &["metadata.user_id"], &[]),
    same("verbosity", &["verbosity", "text.verbosity"], &[]),
    hosted("web_fetch", &[], &["web_fetch", "urlContext"]),
    hosted(
        "web_search",
        &["web_search_options"],
        &[
            "web_search",
            "web_search_preview",
            "googleSearch",
            "googleSearchRetrieval",
            "enterpriseWebSearch",
            "googleMaps",
        ],
    ),
];

/// The parameter of this name.
pub(super) fn parameter(name: &str) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|parameter| parameter.name == name)
}
