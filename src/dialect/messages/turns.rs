//! Instructions, turns and the blocks that they are made of.
//!
//! The blocks are those of Anthropic's reference: <https://platform.claude.com/docs/en/api/messages/create>.

use super::{MAKER, decode::Decoder};
use crate::{
    dialect::{
        BadRequest,
        node::{Node, slice},
        object::{Object, Place},
    },
    model::{Content, Feature, Message, Part, Reasoned, Role, Seal, Source, ToolCall, ToolResult},
};
use std::borrow::Cow;

/// What blocks are in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Turn(Role),
    /// The result of a tool.
    Result,
    /// A document made of blocks.
    Document,
}

impl Inside {
    /// Whether blocks of `kind`, which is translated, may stand here. Anthropic refuses the others; an API that has no
    /// word for them there would lose them.
    fn takes(self, kind: &str) -> bool {
        match self {
            Self::Turn(Role::System) => kind == "text",
            Self::Turn(Role::User) => matches!(kind, "text" | "image" | "document" | "search_result" | "tool_result"),
            Self::Turn(Role::Assistant) => matches!(kind, "text" | "tool_use" | "thinking" | "redacted_thinking"),
            Self::Result => matches!(kind, "text" | "image" | "document" | "search_result"),
            Self::Document => matches!(kind, "text" | "image"),
        }
    }
}

impl<'b> Decoder<'b> {
    /// The instructions that stand apart.
    pub(super) fn system(&mut self, body: &mut Object<'b, '_>) -> Result<(), BadRequest> {
        let at = Place::Body.member("system");
        if let Some(system) = body.take("system") {
            let parts = self.content(system, &at, Inside::Turn(Role::System))?;
            self.turn(Role::System, parts);
        }
        Ok(())
    }

    pub(super) fn messages(&mut self, body: &mut Object<'b, '_>) -> Result<(), BadRequest> {
        let at = Place::Body.member("messages");
        let messages = body.list("messages")?;
        if messages.is_empty() {
            return Err(at.missing("an array of at least one message"));
        }
        for (index, message) in messages.into_iter().enumerate() {
            self.message(message, &at.element(index))?;
        }
        Ok(())
    }

    fn message(&mut self, node: Node<'b>, at: &Place<'_>) -> Result<(), BadRequest> {
        let mut message = Object::of(node, at)?;
        let role = match &*message.needed_text("role")? {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => return Err(at.member("role").bad("must be `user`, `assistant` or `system`")),
        };
        let content_at = at.member("content");
        let content = message.take("content").ok_or_else(|| content_at.missing("a string or an array of blocks"))?;
        let parts = self.content(content, &content_at, Inside::Turn(role))?;
        message.done(&mut self.chat);
        self.turn(role, parts);
        Ok(())
    }

    /// A turn of which nothing is left has been told block by block.
    fn turn(&mut self, role: Role, parts: Vec<Part>) {
        if !parts.is_empty() {
            self.chat.messages.push(Message { role, name: None, parts });
        }
    }

    /// A string, which is short for one block of text, or blocks.
    fn content(&mut self, node: Node<'b>, at: &Place<'_>, place: Inside) -> Result<Vec<Part>, BadRequest> {
        match node {
            Node::Text(text) => Ok(vec![Part::text(text)]),
            Node::List(blocks) => {
                let mut parts = Vec::with_capacity(blocks.len());
                for (index, block) in blocks.into_iter().enumerate() {
                    self.block(block, &at.element(index), place, &mut parts)?;
                }
                Ok(parts)
            }
            other => Err(at.wrong("a string or an array of blocks", &other)),
        }
    }

    fn block(
        &mut self,
        node: Node<'b>,
        at: &Place<'_>,
        place: Inside,
        parts: &mut Vec<Part>,
    ) -> Result<(), BadRequest> {
        let mut block = Object::of(node, at)?;
        let kind = block.needed_text("type")?;
        let cache = self.cache(&mut block)?;
        match &*kind {
            known if TRANSLATED.contains(&known) && !place.takes(known) => {
                return Err(at.member("type").bad(format_args!("must not be `{known}` here")));
            }
            "text" => parts.push(self.text(&mut block)?),
            "image" => parts.push(self.image(&mut block)?),
            "document" => self.document(&mut block, parts)?,
            "search_result" => self.search_result(&mut block, parts)?,
            "tool_use" => parts.push(self.tool_use(&mut block)?),
            "tool_result" => parts.push(self.tool_result(&mut block)?),
            "thinking" => parts.push(self.thought(&mut block)?),
            "redacted_thinking" => parts.push(self.hidden_thought(&mut block)?),
            // A tool that was searched for, and that others know already: its name is the answer.
            "tool_reference" if place == Inside::Result => {
                self.chat.uses(Feature::Unknown, at.to_string());
                parts.push(Part::text(block.needed_text("tool_name")?));
            }
            other => {
                self.chat.uses(kept_elsewhere(other), at.to_string());
                return Ok(());
            }
        }
        if let (Some(mark), Some(last)) = (cache, parts.last_mut()) {
            last.cache = Some(mark);
        }
        block.done(&mut self.chat);
        Ok(())
    }

    fn text(&mut self, block: &mut Object<'b, '_>) -> Result<Part, BadRequest> {
        let text = block.needed_text("text")?;
        if !block.list("citations")?.is_empty() {
            block.uses("citations", Feature::Citations, &mut self.chat);
        }
        Ok(Part::text(text))
    }

    fn image(&mut self, block: &mut Object<'b, '_>) -> Result<Part, BadRequest> {
        let at = block.at().member("source");
        let mut fields = Object::of(block.take("source").ok_or_else(|| at.missing("an object"))?, &at)?;
        let (feature, source) = match &*fields.needed_text("type")? {
            "base64" => (Feature::ImageInline, self.inline(&mut fields)?),
            "url" => (Feature::ImageUrl, Source::Url(fields.needed_text("url")?.into_owned())),
            "file" => (Feature::FileId, Source::File(fields.needed_text("file_id")?.into_owned())),
            _ => return Err(at.member("type").bad("must be `base64`, `url` or `file`")),
        };
        self.chat.uses(feature, at.to_string());
        fields.done(&mut self.chat);
        Ok(Part::new(Content::Image { source, detail: None }))
    }

    /// A payload: a slice of the body.
    fn inline(&self, source: &mut Object<'b, '_>) -> Result<Source, BadRequest> {
        let media_type = source.needed_text("media_type")?.into_owned();
        let base64 = slice(self.body, &source.needed_text("data")?);
        Ok(Source::Inline { media_type, base64 })
    }

    /// A document. Its `context`, which the model reads beside it, stands as a text before it: no other API has a word
    /// for it.
    fn document(&mut self, block: &mut Object<'b, '_>, parts: &mut Vec<Part>) -> Result<(), BadRequest> {
        let at = block.at().member("source");
        let mut fields = Object::of(block.take("source").ok_or_else(|| at.missing("an object"))?, &at)?;
        let name = block.text("title")?.map(Cow::into_owned);
        if let Some(context) = block.text("context")?.filter(|context| !context.is_empty()) {
            parts.push(Part::text(context));
        }
        self.citations(block)?;
        let mut inside = Vec::new();
        let (feature, source) = match &*fields.needed_text("type")? {
            "base64" => (Feature::DocumentInline, self.inline(&mut fields)?),
            "text" => {
                fields.text("media_type")?;
                (Feature::DocumentInline, Source::Text(fields.needed_text("data")?.into_owned()))
            }
            "content" => (Feature::DocumentInline, Source::Text(self.pieces(&mut fields, &mut inside)?)),
            "url" => (Feature::DocumentUrl, Source::Url(fields.needed_text("url")?.into_owned())),
            "file" => (Feature::FileId, Source::File(fields.needed_text("file_id")?.into_owned())),
            _ => return Err(at.member("type").bad("must be `base64`, `text`, `content`, `url` or `file`")),
        };
        self.chat.uses(feature, at.to_string());
        fields.done(&mut self.chat);
        parts.append(&mut inside);
        parts.push(Part::new(Content::Document { source, name }));
        Ok(())
    }

    /// The text of a document that is made of blocks; its pictures go into `others`.
    fn pieces(&mut self, source: &mut Object<'b, '_>, others: &mut Vec<Part>) -> Result<String, BadRequest> {
        let at = source.at().member("content");
        let content = source.take("content").ok_or_else(|| at.missing("a string or an array of blocks"))?;
        let mut whole = String::new();
        for part in self.content(content, &at, Inside::Document)? {
            match part.content {
                Content::Text(text) => {
                    let gap = if whole.is_empty() { "" } else { "\n\n" };
                    whole.extend([gap, &text]);
                }
                _ => others.push(part),
            }
        }
        Ok(whole)
    }

    /// A search result is told as unknown, for it can be cited here only; what it says is text anywhere.
    /// <https://platform.claude.com/docs/en/build-with-claude/search-results>
    fn search_result(&mut self, block: &mut Object<'b, '_>, parts: &mut Vec<Part>) -> Result<(), BadRequest> {
        self.chat.uses(Feature::Unknown, block.at().to_string());
        self.citations(block)?;
        let head = [block.text("title")?, block.text("source")?];
        parts.extend(head.into_iter().flatten().filter(|line| !line.is_empty()).map(Part::text));
        let at = block.at().member("content");
        if let Some(content) = block.take("content") {
            parts.append(&mut self.content(content, &at, Inside::Turn(Role::System))?);
        }
        Ok(())
    }

    /// Whether citations of the block are asked for.
    fn citations(&mut self, block: &mut Object<'b, '_>) -> Result<(), BadRequest> {
        let at = block.at().member("citations");
        let Some(node) = block.take("citations") else { return Ok(()) };
        let mut citations = Object::of(node, &at)?;
        if citations.flag("enabled")? == Some(true) {
            self.chat.uses(Feature::Citations, at.to_string());
        }
        citations.done(&mut self.chat);
        Ok(())
    }

    fn tool_use(&mut self, block: &mut Object<'b, '_>) -> Result<Part, BadRequest> {
        let (id, name) = (block.needed_text("id")?, block.needed_text("name")?);
        let at = block.at().member("input");
        let arguments = match block.take("input") {
            Some(input @ Node::Map(_)) => serde_json::to_string(&input).map_err(|_| at.bad("must be a JSON object"))?,
            Some(other) => return Err(at.wrong("an object", &other)),
            None => return Err(at.missing("an object")),
        };
        self.caller(block)?;
        let call = ToolCall { id: id.clone().into_owned(), name: name.clone().into_owned(), arguments };
        self.calls.insert(id, name);
        Ok(Part::new(Content::ToolCall(call)))
    }

    /// Who called the tool: `direct` is the model itself, as everywhere.
    fn caller(&mut self, block: &mut Object<'b, '_>) -> Result<(), BadRequest> {
        let at = block.at().member("caller");
        let Some(node) = block.take("caller") else { return Ok(()) };
        if Object::of(node, &at)?.text("type")?.is_none_or(|kind| kind != "direct") {
            self.chat.uses(Feature::Unknown, at.to_string());
        }
        Ok(())
    }

    fn tool_result(&mut self, block: &mut Object<'b, '_>) -> Result<Part, BadRequest> {
        let id = block.needed_text("tool_use_id")?;
        let at = block.at().member("content");
        let parts =
            block.take("content").map_or(Ok(Vec::new()), |content| self.content(content, &at, Inside::Result))?;
        let rich = |part: &Part| matches!(part.content, Content::Image { .. } | Content::Document { .. });
        if parts.iter().any(rich) {
            self.chat.uses(Feature::RichToolResult, at.to_string());
        }
        let failed = block.flag("is_error")? == Some(true);
        if failed {
            block.uses("is_error", Feature::FailedToolResult, &mut self.chat);
        }
        let name = self.calls.get(&id).map(|name| name.clone().into_owned());
        Ok(Part::new(Content::ToolResult(ToolResult { id: id.into_owned(), name, failed, parts })))
    }

    /// What was thought in words; they may be left out while the signature stays.
    /// <https://platform.claude.com/docs/en/build-with-claude/extended-thinking>
    fn thought(&mut self, block: &mut Object<'b, '_>) -> Result<Part, BadRequest> {
        let text = block.needed_text("thinking")?.into_owned();
        let signature = block.text("signature")?.filter(|signature| !signature.is_empty() && *signature != Seal::NONE);
        let seal = signature.map(|signature| Seal::read(&signature, MAKER, false));
        let feature = if seal.is_some() { Feature::SealedReasoning } else { Feature::PlainReasoning };
        self.chat.uses(feature, block.at().to_string());
        Ok(Part::new(Content::Reasoning(Reasoned { text, seal })))
    }

    fn hidden_thought(&mut self, block: &mut Object<'b, '_>) -> Result<Part, BadRequest> {
        let seal = Seal::read(&block.needed_text("data")?, MAKER, true);
        self.chat.uses(Feature::SealedReasoning, block.at().to_string());
        Ok(Part::new(Content::Reasoning(Reasoned { text: String::new(), seal: Some(seal) })))
    }
}

/// The kinds of blocks that are translated.
const TRANSLATED: [&str; 8] =
    ["text", "image", "document", "search_result", "tool_use", "tool_result", "thinking", "redacted_thinking"];

/// What a block is that speaks of Anthropic's own tools or of what Anthropic keeps.
fn kept_elsewhere(kind: &str) -> Feature {
    match kind {
        "container_upload" => Feature::FileId,
        "compaction" => Feature::ServerState,
        "tool_addition" | "tool_removal" | "mcp_tool_listing" => Feature::HostedTool,
        // `server_tool_use`, `web_search_tool_result`, `mcp_tool_use` …
        _ if kind.ends_with("_tool_use") || kind.ends_with("_tool_result") => Feature::HostedTool,
        // `fallback`, what is yet to come.
        _ => Feature::Unknown,
    }
}
