//! Members of a request's top level that are known and hold no text: parameters, ids, labels. A member that is neither here nor
//! in `request.rs` is known to nobody, and its strings are texts.
//!
//! Sources: <https://platform.openai.com/docs/api-reference/chat/create>,
//! <https://platform.openai.com/docs/api-reference/completions/create>,
//! <https://platform.openai.com/docs/api-reference/responses/create>,
//! <https://platform.openai.com/docs/api-reference/embeddings/create>,
//! <https://platform.openai.com/docs/api-reference/images/create>,
//! <https://platform.openai.com/docs/api-reference/audio/createSpeech>, <https://docs.claude.com/en/api/messages>,
//! <https://ai.google.dev/api/generate-content>, <https://docs.cohere.com/reference/rerank>,
//! <https://docs.voyageai.com/reference/embeddings-api>, <https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html>.

use crate::model::Api;

/// Whether the member `key` of a call of `api` is known and holds no text.
pub(super) fn is_known(api: Api, key: &[u8]) -> bool {
    match key {
        // Of all.
        b"model" | b"user" | b"metadata" | b"stream" | b"stream_options" | b"service_tier" | b"safety_identifier" => {
            true
        }
        _ => match api {
            Api::ChatCompletions | Api::Completions => chat(key) || sampling(key),
            Api::Responses => responses(key) || sampling(key),
            Api::Messages | Api::CountTokens => messages(key) || sampling(key),
            Api::Generate => generate(key),
            Api::Embeddings | Api::Rerank => retrieval(key),
            Api::Images | Api::ImageEdits | Api::ImageVariations => images(key),
            Api::Speech => matches!(key, b"voice" | b"response_format" | b"speed" | b"stream_format"),
            _ => false,
        },
    }
}

/// Numbers and switches of sampling.
fn sampling(key: &[u8]) -> bool {
    matches!(
        key,
        b"temperature"
            | b"top_p"
            | b"top_k"
            | b"min_p"
            | b"seed"
            | b"max_tokens"
            | b"tool_choice"
            | b"frequency_penalty"
            | b"presence_penalty"
            | b"repetition_penalty"
            | b"thinking"
    )
}

fn chat(key: &[u8]) -> bool {
    matches!(
        key,
        b"audio"
            | b"best_of"
            | b"echo"
            | b"function_call"
            | b"logit_bias"
            | b"logprobs"
            | b"max_completion_tokens"
            | b"modalities"
            | b"n"
            | b"parallel_tool_calls"
            | b"prompt_cache_key"
            | b"prompt_cache_retention"
            | b"random_seed"
            | b"reasoning"
            | b"reasoning_effort"
            | b"stop_token_ids"
            | b"store"
            | b"top_logprobs"
            | b"verbosity"
    )
}

fn responses(key: &[u8]) -> bool {
    matches!(
        key,
        b"background"
            | b"context_management"
            | b"conversation"
            | b"include"
            | b"max_output_tokens"
            | b"max_tool_calls"
            | b"parallel_tool_calls"
            | b"previous_response_id"
            | b"prompt_cache_key"
            | b"prompt_cache_retention"
            | b"reasoning"
            | b"store"
            | b"top_logprobs"
            | b"truncation"
    )
}

fn messages(key: &[u8]) -> bool {
    matches!(
        key,
        b"anthropic_beta"
            | b"anthropic_version"
            | b"betas"
            | b"cache_control"
            | b"container"
            | b"inference_geo"
            | b"mcp_servers"
            | b"speed"
    )
}

fn generate(key: &[u8]) -> bool {
    matches!(
        key,
        b"cachedContent"
            | b"cached_content"
            | b"labels"
            | b"safetySettings"
            | b"safety_settings"
            | b"serviceTier"
            | b"store"
            | b"toolConfig"
            | b"tool_config"
    )
}

fn retrieval(key: &[u8]) -> bool {
    matches!(
        key,
        b"dimensions"
            | b"embedding_types"
            | b"encoding_format"
            | b"input_type"
            | b"late_chunking"
            | b"max_chunks_per_doc"
            | b"max_tokens"
            | b"max_tokens_per_doc"
            | b"normalized"
            | b"output_dimension"
            | b"output_dtype"
            | b"priority"
            | b"rank_fields"
            | b"return_documents"
            | b"task"
            | b"task_type"
            | b"top_k"
            | b"top_n"
            | b"truncate"
            | b"truncation"
    )
}

fn images(key: &[u8]) -> bool {
    matches!(
        key,
        b"background"
            | b"image"
            | b"images"
            | b"input_fidelity"
            | b"mask"
            | b"moderation"
            | b"n"
            | b"output_compression"
            | b"output_format"
            | b"partial_images"
            | b"quality"
            | b"response_format"
            | b"seed"
            | b"size"
            | b"style"
    )
}
