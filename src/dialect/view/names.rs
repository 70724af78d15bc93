//! What the names of members say: one table for the messages, items, blocks and parts of all dialects, whose names do not
//! contradict one another.

use crate::model::Speech;

/// What a member of a message, an item, a block or a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// It says what the object is.
    Kind,
    /// It says who speaks.
    Role,
    /// `true`: the part is a thought.
    Thought,
    /// No text: ids, addresses, base64, seals, settings.
    Silent,
    /// No text but in what a tool is called with: an address.
    Address,
    /// A participant's name, or a function's.
    Title,
    /// A text of who speaks here, whatever is inside.
    Text,
    /// A text of this speech, whatever is inside.
    Of(Speech),
    /// Texts of who speaks here, by names that the client makes up.
    Free,
    /// Arguments of a call: JSON, or a string that holds it.
    Arguments,
    /// What a call of a tool is given: JSON, or a plain string.
    Input(Speech),
    /// Base64, or a text, as the object's kind says.
    Payload,
    /// Spoken words: only the transcript is a text.
    Sound,
    /// Definitions of tools.
    Tools,
    /// The text over again, by its tokens.
    Echo,
    /// Of a piece of a call's arguments: where it belongs to.
    PiecePath,
    /// Of a piece of a call's arguments: whether more comes.
    PieceGoesOn,
    /// Not known: what is inside is text of who speaks here.
    Unknown,
}

impl Name {
    /// What the member `key` is.
    pub(super) fn of(key: &[u8]) -> Self {
        match key {
            b"type" => Self::Kind,
            b"role" => Self::Role,
            b"text" | b"content" | b"parts" | b"transcript" | b"message" => Self::Text,
            b"thought" => Self::Thought,
            b"name" => Self::Title,
            b"refusal" => Self::Of(Speech::Refusal),
            b"thinking" | b"reasoning" | b"reasoning_content" | b"reasoning_details" | b"thinking_blocks"
            | b"summary" => Self::Of(Speech::Reasoning),
            b"arguments" => Self::Arguments,
            b"input" | b"args" => Self::Input(Speech::ToolCall),
            b"response" => Self::Input(Speech::ToolResult),
            b"code" | b"action" | b"actions" | b"query" | b"queries" | b"operation" | b"command" | b"commands"
            | b"tool_calls" | b"function_call" | b"functionCall" | b"function" | b"custom" | b"toolCall"
            | b"executableCode" | b"executable_code" | b"partialArgs" | b"partial_args" => Self::Of(Speech::ToolCall),
            b"output"
            | b"outputs"
            | b"stdout"
            | b"stderr"
            | b"logs"
            | b"error"
            | b"functionResponse"
            | b"function_response"
            | b"codeExecutionResult"
            | b"code_execution_result"
            | b"toolResponse" => Self::Of(Speech::ToolResult),
            b"source"
            | b"title"
            | b"context"
            | b"filename"
            | b"displayName"
            | b"display_name"
            | b"cited_text"
            | b"document_title"
            | b"citation"
            | b"citations"
            | b"annotation"
            | b"annotations"
            | b"results"
            | b"groundingMetadata"
            | b"grounding_metadata"
            | b"citationMetadata"
            | b"citation_metadata" => Self::Of(Speech::Document),
            b"tools" => Self::Tools,
            b"env" | b"attributes" => Self::Free,
            b"data" | b"result" => Self::Payload,
            b"audio" => Self::Sound,
            b"url" | b"uri" => Self::Address,
            b"logprobs" | b"logprobsResult" | b"logprobs_result" => Self::Echo,
            b"jsonPath" | b"json_path" => Self::PiecePath,
            b"willContinue" | b"will_continue" => Self::PieceGoesOn,
            _ if is_silent(key) => Self::Silent,
            _ => Self::Unknown,
        }
    }
}

/// Members whose strings are no texts: ids, addresses of pictures, base64, seals, words of the protocol.
pub(super) fn is_silent(key: &[u8]) -> bool {
    match key {
        // Ids.
        b"id" | b"index" | b"fingerprint" | b"namespace" | b"server_label" | b"server_name" | b"created_by"
        | b"caller" | b"agent" => true,
        // Pictures, sound and files: what is in them is no text, and neither is where they lie.
        b"image_url" | b"document_url" | b"video_url" | b"audio_url" | b"input_audio" | b"inlineData"
        | b"inline_data" | b"fileData" | b"file_data" | b"file_url" | b"fileUri" | b"file_uri" | b"b64_json"
        | b"partial_image_b64" | b"image" | b"images" | b"sdkBlob" | b"sdk_blob" => true,
        // Seals.
        b"signature" | b"thoughtSignature" | b"thought_signature" | b"encrypted_content" | b"encrypted_index"
        | b"encrypted_stdout" => true,
        // Words of the protocol.
        b"status"
        | b"object"
        | b"model"
        | b"phase"
        | b"detail"
        | b"format"
        | b"language"
        | b"outcome"
        | b"media_type"
        | b"mime_type"
        | b"mimeType"
        | b"cache_control"
        | b"prompt_cache_breakpoint"
        | b"mediaResolution"
        | b"media_resolution"
        | b"videoMetadata"
        | b"video_metadata"
        | b"error_code"
        | b"finish_reason"
        | b"finishReason"
        | b"stop_reason"
        | b"stop_sequence"
        | b"usage"
        | b"obfuscation"
        | b"content_filter_results"
        | b"safetyRatings"
        | b"safety_ratings"
        | b"urlContextMetadata"
        | b"url_context_metadata"
        | b"service_tier" => true,
        _ => key.ends_with(b"_id") || key.ends_with(b"_ids") || key.ends_with(b"Id"),
    }
}

/// Who speaks in an object of this `type`; `None`: who speaks around it.
pub(super) fn speech_of_kind(kind: &[u8]) -> Option<Speech> {
    match kind {
        b"thinking" | b"reasoning" | b"summary_text" | b"reasoning_text" | b"reasoning.text" | b"reasoning.summary" => {
            Some(Speech::Reasoning)
        }
        b"refusal" => Some(Speech::Refusal),
        b"document"
        | b"search_result"
        | b"web_search_result"
        | b"url_citation"
        | b"file_citation"
        | b"container_file_citation" => Some(Speech::Document),
        b"mcp_list_tools" | b"additional_tools" => Some(Speech::Definition),
        b"mcp_approval_response" => Some(Speech::User),
        b"output_text" => None,
        b"mcp_approval_request" | b"tool_use" => Some(Speech::ToolCall),
        _ if kind.ends_with(b"_tool_use") || kind.ends_with(b"_call") => Some(Speech::ToolCall),
        _ if kind.ends_with(b"tool_result") || kind.ends_with(b"_output") => Some(Speech::ToolResult),
        _ => None,
    }
}

/// Whether the payload of an object of this `type` is no text, whatever it looks like.
pub(super) fn is_opaque(kind: &[u8]) -> bool {
    matches!(
        kind,
        b"base64" | b"redacted_thinking" | b"image_generation_call" | b"input_audio" | b"reasoning.encrypted"
    )
}

/// Who speaks in the messages of `role`; `None`: nobody knows such a role.
pub(super) fn speech_of_role(role: &[u8]) -> Option<Speech> {
    match role {
        b"system" | b"developer" => Some(Speech::System),
        b"user" => Some(Speech::User),
        b"assistant" | b"model" => Some(Speech::Assistant),
        b"tool" | b"function" => Some(Speech::ToolResult),
        _ => None,
    }
}
