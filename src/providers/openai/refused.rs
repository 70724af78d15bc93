//! What a refusal is about, at OpenAI and at those who speak its API: Azure, Mistral, Groq, vLLM, llama.cpp, Ollama …

use crate::providers::refused::Marks;

/// OpenAI and Azure have codes
/// (<https://learn.microsoft.com/en-us/azure/ai-foundry/openai/concepts/content-filter>), the others a message.
pub(super) const MARKS: Marks = Marks {
    context_window: &[
        "context_length_exceeded",
        // Responses: "Your input exceeds the context window of this model."
        "exceeds the context window",
        // OpenAI, vLLM, Together: "This model's maximum context length is 8192 tokens …"
        "maximum context length",
        // vLLM: "The decoder prompt (length …) is longer than the maximum model length of …"
        "longer than the maximum model length",
        // llama.cpp: "the request exceeds the available context size", with a type of its own.
        "exceed_context_size_error",
        "exceeds the available context size",
        // Ollama: "the input length exceeds the context length".
        "exceeds the context length",
        // Mistral: "Prompt contains … tokens …, too large for model with 32768 maximum context length".
        "too large for model with",
    ],
    content_policy: &[
        "content_policy_violation",
        "content_filter",
        "moderation_blocked",
        "responsibleaipolicyviolation",
        // Models that reason: "Invalid prompt: your prompt was flagged as potentially violating our usage policy."
        "violating our usage policy",
        "rejected as a result of our safety system",
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::RefusalKind::{ContentPolicy, ContextWindow};

    #[test]
    fn each_who_speaks_this_api_is_understood() {
        let cases = [
            (
                r#"{"error":{"message":"This model's maximum context length is 4097 tokens. However, your messages resulted in 6012 tokens. Please reduce the length of the messages.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
                Some(ContextWindow),
            ),
            (
                r#"{"error":{"message":"Your input exceeds the context window of this model. Please adjust your input and try again.","type":"invalid_request_error","param":"input","code":null}}"#,
                Some(ContextWindow),
            ),
            (
                r#"{"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.","type":"BadRequestError","param":null,"code":400}"#,
                Some(ContextWindow),
            ),
            (
                r#"{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":4096}}"#,
                Some(ContextWindow),
            ),
            (
                r#"{"object":"error","message":"Prompt contains 40966 tokens and 0 draft tokens, too large for model with 32768 maximum context length","type":"invalid_request_error","code":3051}"#,
                Some(ContextWindow),
            ),
            (
                r#"{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,"severity":"high"}}}}}"#,
                Some(ContentPolicy),
            ),
            (
                r#"{"error":{"code":"content_policy_violation","message":"Your request was rejected as a result of our safety system.","param":null,"type":"invalid_request_error"}}"#,
                Some(ContentPolicy),
            ),
            (
                r#"{"error":{"message":"Unknown parameter: 'x'.","type":"invalid_request_error","code":"unknown_parameter"}}"#,
                None,
            ),
        ];
        for (body, want) in cases {
            assert_eq!(MARKS.find(body.as_bytes()), want, "{body}");
        }
    }
}
