//! Input tokens of a request, by OpenAI's documented rules.
//!
//! For chat completions these are the cookbook's ("How to count tokens with tiktoken": 3 for each message, 1 for a
//! name, 3 to prime the answer; constants for tools). Plain chats come out exact. Estimated are tools (nested schemas are
//! not documented), structured output, and everything of the Responses API and of Anthropic's (no rules are published;
//! chat's are used). **Images, audio and files count nothing**: their tokens depend on the decoded picture or sound. A
//! counted figure of such a request is a lower bound.

use super::{Encoding, count_text, estimate_tokens};
use crate::model::Api;
use serde_json::Value;

/// Input tokens of a request's body. A body that is no JSON (which the parser of requests refuses) is estimated.
pub fn count_input(encoding: Encoding, api: Api, body: &[u8]) -> u64 {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return estimate_tokens(u64::try_from(body.len()).unwrap_or(u64::MAX));
    };
    let count = Count { encoding };
    match api {
        Api::ChatCompletions => count.chat(&body),
        Api::Completions | Api::Images | Api::ImageEdits => count.prompt(&body["prompt"]),
        Api::Responses => count.responses(&body),
        Api::Messages | Api::CountTokens => count.anthropic(&body),
        Api::Generate => count.gemini(&body),
        Api::Rerank => count.rerank(&body),
        _ => count.prompt(&body["input"]),
    }
}

struct Count {
    encoding: Encoding,
}

impl Count {
    fn text(&self, text: &str) -> u64 {
        count_text(self.encoding, text)
    }

    fn chat(&self, body: &Value) -> u64 {
        self.messages(&body["messages"])
            + PER_REPLY
            + self.tools(&body["tools"])
            + self.json(&body["response_format"]["json_schema"])
    }

    fn responses(&self, body: &Value) -> u64 {
        let input = match &body["input"] {
            Value::String(text) => PER_MESSAGE + 1 + self.text(text),
            items => self.messages(items),
        };
        let instructions = match &body["instructions"] {
            Value::String(text) => PER_MESSAGE + 1 + self.text(text),
            _ => 0,
        };
        input + instructions + PER_REPLY + self.tools(&body["tools"]) + self.json(&body["text"]["format"]["schema"])
    }

    fn anthropic(&self, body: &Value) -> u64 {
        let system = self.content(&body["system"]);
        system + self.messages(&body["messages"]) + PER_REPLY + self.tools(&body["tools"])
    }

    /// Gemini's members may be named in two ways.
    fn gemini(&self, body: &Value) -> u64 {
        let either = |object: &Value, camel: &str, snake: &str| object.get(camel).unwrap_or(&object[snake]).clone();
        let part = |part: &Value| {
            let call = either(part, "functionCall", "function_call");
            let result = either(part, "functionResponse", "function_response");
            let names = self.text(text_of(&call["name"])) + self.text(text_of(&result["name"]));
            self.text(text_of(&part["text"])) + names + self.json(&call["args"]) + self.json(&result["response"])
        };
        let parts = |content: &Value| items(&content["parts"]).map(part).sum::<u64>();
        let turns: u64 = items(&body["contents"]).map(|turn| PER_MESSAGE + 1 + parts(turn)).sum();
        let system = either(body, "systemInstruction", "system_instruction");
        let system = if system.is_object() { PER_MESSAGE + 1 + parts(&system) } else { 0 };
        let config = either(body, "generationConfig", "generation_config");
        let schema = self.json(&either(&config, "responseSchema", "response_schema"))
            + self.json(&either(&config, "responseJsonSchema", "response_json_schema"));
        let declared = items(&body["tools"]).map(|tool| either(tool, "functionDeclarations", "function_declarations"));
        let tools: u64 = declared.map(|functions| items(&functions).map(|tool| self.json(tool)).sum::<u64>()).sum();
        turns + system + PER_REPLY + schema + tools
    }

    fn messages(&self, messages: &Value) -> u64 {
        items(messages).map(|message| PER_MESSAGE + self.message(message)).sum()
    }

    fn message(&self, message: &Value) -> u64 {
        let name = match &message["name"] {
            Value::String(_) => PER_NAME,
            _ => 0,
        };
        let calls = items(&message["tool_calls"]).map(|call| self.content(&call["function"]));
        self.content(&message["role"]) + self.content(message) + name + calls.sum::<u64>()
    }

    /// What the model reads of a message, an item or a part: only members that are text.
    fn content(&self, value: &Value) -> u64 {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(parts) => parts.iter().map(|part| self.content(part)).sum(),
            Value::Object(members) => {
                let texts = TEXT_MEMBERS.iter().filter_map(|name| members.get(*name)).map(|text| self.content(text));
                texts.sum::<u64>() + members.get("input").map_or(0, |arguments| self.json(arguments))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
    }

    /// A query is read with each document.
    fn rerank(&self, body: &Value) -> u64 {
        let query = self.content(&body["query"]);
        items(&body["documents"]).map(|document| query.saturating_add(self.content(document))).sum()
    }

    /// A prompt, or several; each may be text or tokens already.
    fn prompt(&self, prompt: &Value) -> u64 {
        match prompt {
            Value::String(text) => self.text(text),
            Value::Number(_) => 1,
            Value::Array(prompts) => prompts.iter().map(|prompt| self.prompt(prompt)).sum(),
            Value::Null | Value::Bool(_) | Value::Object(_) => 0,
        }
    }

    /// The cookbook's rule for functions.
    fn tools(&self, tools: &Value) -> u64 {
        let functions: u64 = items(tools).map(|tool| self.tool(tool)).sum();
        if functions == 0 { 0 } else { functions + TOOLS_END }
    }

    fn tool(&self, tool: &Value) -> u64 {
        // Chat nests the function; the Responses API and Anthropic do not.
        let function = tool.get("function").unwrap_or(tool);
        let schema = function.get("parameters").unwrap_or(&function["input_schema"]);
        let init = match self.encoding {
            Encoding::Cl100kBase => 10,
            Encoding::O200kBase | Encoding::O200kHarmony => 7,
        };
        let line = format!("{}:{}", text_of(&function["name"]), described(function));
        init + self.text(&line) + self.schema(schema)
    }

    /// The properties of a schema, and of those that they nest.
    fn schema(&self, schema: &Value) -> u64 {
        let properties = schema["properties"].as_object();
        let own = properties.filter(|properties| !properties.is_empty()).map_or(0, |properties| {
            let each = properties.iter().map(|(name, property)| self.property(name, property));
            PROPERTIES + each.sum::<u64>()
        });
        own + schema.get("items").map_or(0, |items| self.schema(items))
    }

    fn property(&self, name: &str, property: &Value) -> u64 {
        let choices: u64 = items(&property["enum"]).map(|choice| PER_CHOICE + self.content(choice)).sum();
        let line = format!("{name}:{}:{}", text_of(&property["type"]), described(property));
        PER_PROPERTY + self.text(&line) + choices.saturating_sub(PER_CHOICE) + self.schema(property)
    }

    /// Something that is handed over as JSON text.
    fn json(&self, value: &Value) -> u64 {
        match value {
            Value::Object(_) => self.text(&value.to_string()),
            _ => 0,
        }
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The description without its full stop, as OpenAI renders it.
fn described(value: &Value) -> &str {
    let text = text_of(&value["description"]);
    text.strip_suffix('.').unwrap_or(text)
}

/// Members of messages, items and parts that a model reads, in OpenAI's and Anthropic's formats.
const TEXT_MEMBERS: [&str; 9] =
    ["content", "text", "name", "arguments", "output", "refusal", "thinking", "summary", "reasoning_content"];

const PER_MESSAGE: u64 = 3;
const PER_NAME: u64 = 1;
const PER_REPLY: u64 = 3;
const TOOLS_END: u64 = 12;
const PROPERTIES: u64 = 3;
const PER_PROPERTY: u64 = 3;
const PER_CHOICE: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn count(encoding: Encoding, api: Api, body: &str) -> u64 {
        count_input(encoding, api, body.as_bytes())
    }

    /// The example of OpenAI's cookbook, with the figures that its API reported.
    #[test]
    fn the_cookbooks_chat_counts_as_openai_reported() {
        let body = include_str!("cookbook_chat.json");
        assert_eq!(count(Encoding::O200kBase, Api::ChatCompletions, body), 124, "gpt-4o");
        assert_eq!(count(Encoding::Cl100kBase, Api::ChatCompletions, body), 129, "gpt-4");
    }

    #[test]
    fn the_cookbooks_tools_count_as_openai_reported() {
        let body = include_str!("cookbook_tools.json");
        assert_eq!(count(Encoding::O200kBase, Api::ChatCompletions, body), 101, "gpt-4o");
        assert_eq!(count(Encoding::Cl100kBase, Api::ChatCompletions, body), 105, "gpt-4");
    }

    #[test]
    fn prompts_may_be_texts_or_tokens() {
        let cases = [
            ("a text", r#"{"input":"tiktoken is great!"}"#, 6),
            ("texts", r#"{"input":["tiktoken is great!","tiktoken is great!"]}"#, 12),
            ("tokens", r#"{"input":[1,2,3]}"#, 3),
            ("lists of tokens", r#"{"input":[[1,2,3],[4]]}"#, 4),
            ("nothing", "{}", 0),
        ];
        for (name, body, want) in cases {
            assert_eq!(count(Encoding::Cl100kBase, Api::Embeddings, body), want, "{name}");
        }
    }

    #[test]
    fn a_query_counts_with_each_document() {
        let body = r#"{"query":"tiktoken is great!","documents":["tiktoken is great!",{"text":"tiktoken is great!"}]}"#;
        assert_eq!(count(Encoding::Cl100kBase, Api::Rerank, body), 24);
    }

    #[test]
    fn text_parts_count_as_text_and_pictures_as_nothing() {
        let plain = r#"{"messages":[{"role":"user","content":"tiktoken is great!"}]}"#;
        let parts = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"tiktoken is great!"},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAAAAAAAAAAAAAAAAAAAAAA"}}]}]}"#;
        let plain = count(Encoding::O200kBase, Api::ChatCompletions, plain);
        assert_eq!(plain, PER_MESSAGE + 1 + 6 + PER_REPLY);
        assert_eq!(count(Encoding::O200kBase, Api::ChatCompletions, parts), plain);
    }

    #[test]
    fn every_text_of_generate_content_counts_in_both_spellings() {
        let base = count(Encoding::O200kBase, Api::Generate, r#"{"contents":[{"parts":[{"text":"hi"}]}]}"#);
        assert_eq!(base, PER_MESSAGE + 1 + 1 + PER_REPLY);
        for names in [["systemInstruction", "functionDeclarations"], ["system_instruction", "function_declarations"]] {
            let body = format!(
                r#"{{"{}":{{"parts":[{{"text":"be kind"}}]}},"contents":[{{"parts":[{{"text":"hi"}}]}}],"tools":[{{"{}":
                [{{"name":"get_the_weather"}}]}}]}}"#,
                names[0], names[1]
            );
            assert!(count(Encoding::O200kBase, Api::Generate, &body) > base + 10, "{body}");
        }
    }

    #[test]
    fn every_text_of_the_responses_api_counts() {
        let base = count(Encoding::O200kBase, Api::Responses, r#"{"input":"hi"}"#);
        let items = r#"{"instructions":"be kind","input":[{"type":"message","role":"user","content":
            [{"type":"input_text","text":"hi"}]},{"type":"function_call","name":"f","arguments":"{}"},
            {"type":"function_call_output","output":"a long and useful result"}]}"#;
        assert!(count(Encoding::O200kBase, Api::Responses, items) > base + 10);
    }
}
