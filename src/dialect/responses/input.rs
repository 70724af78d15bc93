//! The items of `input`: turns, calls, their results, thoughts.

use super::{
    content, items,
    members::{Members, wrong},
    names::told,
    tools,
};
use crate::{
    dialect::{BadRequest, free_form, node::Node},
    model::{Chat, Content, Feature, Message, Part, Reasoned, Role, ToolCall, ToolResult},
};
use bytes::Bytes;
use std::{borrow::Cow, collections::HashMap};

/// Reads `input`: a text of the user, or items.
///
/// # Errors
///
/// When it is missing and nothing kept by the provider stands for it, or is not what it must be.
pub(super) fn read(root: &mut Members<'_>, body: &Bytes, chat: &mut Chat) -> Result<(), BadRequest> {
    match root.take("input") {
        Some(Node::Text(text)) => {
            chat.messages.push(Message { role: Role::User, name: None, parts: vec![Part::text(text)] });
        }
        Some(Node::List(list)) => {
            let mut turns = Turns { body, names: HashMap::new(), results: false };
            for (index, node) in list.into_iter().enumerate() {
                turns.item(Members::of(node, format!("input[{index}]"))?, chat)?;
            }
        }
        Some(other) => return Err(wrong("input".to_owned(), "a string or an array", &other)),
        None if chat.uses.iter().any(|used| used.feature == Feature::ServerState) => {}
        None => return Err(root.missing("input", "a string or an array of items")),
    }
    Ok(())
}

/// What is known of the items before.
struct Turns<'a> {
    body: &'a Bytes,
    /// Names of the tools, by call.
    names: HashMap<String, String>,
    /// The last message holds results of tools.
    results: bool,
}

impl Turns<'_> {
    fn item(&mut self, mut from: Members<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
        let kind = match from.text("type")? {
            Some(kind) => kind,
            None if from.has("role") => Cow::Borrowed("message"),
            None if from.has("id") => Cow::Borrowed("item_reference"),
            None => return Err(from.missing("type", "the item's type")),
        };
        let feature = match &*kind {
            "message" => return self.message(from, chat),
            "function_call" => return self.call(from, false, chat),
            "custom_tool_call" => {
                chat.uses(Feature::CustomTool, from.path());
                return self.call(from, true, chat);
            }
            "function_call_output" => return self.result(from, chat),
            "custom_tool_call_output" => {
                chat.uses(Feature::CustomTool, from.path());
                return self.result(from, chat);
            }
            "reasoning" => return self.thought(from, chat),
            "additional_tools" => {
                from.skip(&["id", "role"]);
                tools::list(&mut from, chat)?;
                from.rest(chat);
                return Ok(());
            }
            // What is hidden in a compaction, only its maker can read.
            "item_reference" | "compaction" | "compaction_trigger" => Feature::ServerState,
            _ => Feature::HostedTool,
        };
        chat.uses(feature, from.path());
        Ok(())
    }

    fn message(&mut self, mut from: Members<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
        let role = match &*from.needed("role")? {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" | "developer" => Role::System,
            other => return Err(from.unknown_word("role", other, "`user`, `assistant`, `system`, `developer`")),
        };
        let content = from.take("content").ok_or_else(|| from.missing("content", "a string or an array"))?;
        let parts = content::read(content, &from.at("content"), self.body, chat)?;
        from.skip(&["id", "status"]);
        from.rest(chat);
        if role == Role::Assistant {
            self.said(parts, chat);
        } else {
            self.results = false;
            chat.messages.push(Message { role, name: None, parts });
        }
        Ok(())
    }

    /// Adds to what the model said.
    fn said(&mut self, parts: Vec<Part>, chat: &mut Chat) {
        self.results = false;
        match chat.messages.last_mut() {
            Some(last) if last.role == Role::Assistant => last.parts.extend(parts),
            _ => chat.messages.push(Message { role: Role::Assistant, name: None, parts }),
        }
    }

    fn call(&mut self, mut from: Members<'_>, free: bool, chat: &mut Chat) -> Result<(), BadRequest> {
        let id = from.needed("call_id")?.into_owned();
        let namespace = from.text("namespace")?;
        let name = told(namespace.as_deref(), &from.needed("name")?);
        let arguments =
            if free { free_form::arguments(&from.needed("input")?) } else { from.needed("arguments")?.into_owned() };
        from.skip(&["id", "status"]);
        from.rest(chat);
        self.names.insert(id.clone(), name.clone());
        self.said(vec![Part::new(Content::ToolCall(ToolCall { id, name, arguments }))], chat);
        Ok(())
    }

    fn result(&mut self, mut from: Members<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
        let id = from.needed("call_id")?.into_owned();
        let output = from.take("output").ok_or_else(|| from.missing("output", "a string or an array"))?;
        let path = from.at("output");
        let parts = content::read(output, &path, self.body, chat)?;
        for (index, part) in parts.iter().enumerate() {
            if !matches!(part.content, Content::Text(_)) {
                chat.uses(Feature::RichToolResult, format!("{path}[{index}]"));
            }
        }
        let name = self.names.get(&id).cloned().or(from.text("name")?.map(Cow::into_owned));
        from.skip(&["id", "name", "status"]);
        from.rest(chat);
        let result = Part::new(Content::ToolResult(ToolResult { id, name, failed: false, parts }));
        match chat.messages.last_mut() {
            Some(last) if self.results => last.parts.push(result),
            _ => chat.messages.push(Message { role: Role::User, name: None, parts: vec![result] }),
        }
        self.results = true;
        Ok(())
    }

    /// <https://platform.openai.com/docs/guides/reasoning>: a summary in words, `content` where the model shows what it
    /// thought, and `encrypted_content`.
    fn thought(&mut self, mut from: Members<'_>, chat: &mut Chat) -> Result<(), BadRequest> {
        let summary = words(&mut from, "summary", chat)?;
        let content = words(&mut from, "content", chat)?;
        let sealed = from.text("encrypted_content")?.filter(|text| !text.is_empty());
        let seal = sealed.map(|text| items::read_seal(&text));
        let text = if content.is_empty() { summary } else { content };
        match (&seal, text.is_empty()) {
            (Some(_), _) => chat.uses(Feature::SealedReasoning, from.at("encrypted_content")),
            (None, false) => chat.uses(Feature::PlainReasoning, from.path()),
            // Nothing but the id of a thought that OpenAI may keep.
            (None, true) => {
                chat.uses(Feature::Unknown, from.path());
                return Ok(());
            }
        }
        from.skip(&["id", "status"]);
        from.rest(chat);
        self.said(vec![Part::new(Content::Reasoning(Reasoned { text, seal }))], chat);
        Ok(())
    }
}

/// The texts of the parts of a thought, as paragraphs.
fn words(from: &mut Members<'_>, name: &str, chat: &mut Chat) -> Result<String, BadRequest> {
    let path = from.at(name);
    let mut text = String::new();
    for (index, node) in from.list(name)?.unwrap_or_default().into_iter().enumerate() {
        let mut part = Members::of(node, format!("{path}[{index}]"))?;
        let piece = part.needed("text")?;
        part.skip(&["type"]);
        part.rest(chat);
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(&piece);
    }
    Ok(text)
}
