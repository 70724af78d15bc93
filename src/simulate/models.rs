//! The lists of models: any other name is answered as well.

use super::target::Wire;
use serde_json::{Value, json};

/// The models that are listed.
const MODELS: [&str; 3] = ["sim-small", "sim-large", "sim-embed"];

/// `GET /v1/models`, and Gemini's `GET /v1beta/models`.
pub(super) fn listed(wire: Wire) -> Value {
    let data: Vec<Value> = MODELS.iter().map(|id| shown(wire, id)).collect();
    match wire {
        Wire::OpenAi | Wire::Bedrock | Wire::Detail | Wire::OAuth => json!({"object": "list", "data": data}),
        Wire::Anthropic | Wire::VertexClaude => {
            json!({"data": data, "has_more": false, "first_id": MODELS.first(), "last_id": MODELS.last()})
        }
        Wire::Gemini | Wire::Vertex | Wire::Cohere => json!({"models": data}),
    }
}

/// One of them. Gemini's: <https://ai.google.dev/api/models>.
pub(super) fn shown(wire: Wire, id: &str) -> Value {
    match wire {
        Wire::OpenAi | Wire::Bedrock | Wire::Detail | Wire::OAuth => {
            json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "simulated"})
        }
        Wire::Anthropic | Wire::VertexClaude => {
            json!({"type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z"})
        }
        Wire::Cohere => json!({"name": id, "endpoints": ["chat", "embed", "rerank"], "context_length": 256_000}),
        Wire::Gemini | Wire::Vertex => json!({
            "name": format!("models/{id}"),
            "version": "001",
            "displayName": id,
            "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536,
            "supportedGenerationMethods": ["generateContent"],
        }),
    }
}
