//! Messages: who says what, calls and what tools answered.

use super::{
    parts::{Parts, cache_mark},
    tools,
};
use crate::{
    dialect::{
        BadRequest,
        node::Node,
        object::{Object, Place},
    },
    model::{Chat, Content, Feature, Message, Part, Reasoned, Role, Seal, ToolResult},
};
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::HashMap;

/// Reads messages one by one.
pub(super) struct Turns<'r, 'a> {
    body: &'r Bytes,
    chat: &'r mut Chat,
    /// Names of the functions that were called so far, by the id of the call.
    called: HashMap<Cow<'a, str>, Cow<'a, str>>,
    /// The last call of `function_call`, which has no id: its made-up one.
    legacy_call: Option<String>,
    /// The last message was a tool's: results that follow one another make one turn.
    after_tool: bool,
}

impl<'r, 'a> Turns<'r, 'a> {
    pub(super) fn new(body: &'r Bytes, chat: &'r mut Chat) -> Self {
        Self { body, chat, called: HashMap::new(), legacy_call: None, after_tool: false }
    }

    /// The message `node`.
    pub(super) fn take(&mut self, node: Node<'a>, at: &Place<'_>) -> Result<(), BadRequest> {
        let mut message = Object::of(node, at)?;
        let role = message.need("role", "name who speaks, `user` for one")?;
        let after_tool = std::mem::replace(&mut self.after_tool, matches!(&*role, "tool" | "function"));
        match &*role {
            "system" | "developer" => self.said(Role::System, message),
            "user" => self.said(Role::User, message),
            "assistant" => self.assistant(message),
            "tool" => self.answered(message, after_tool),
            "function" => self.function_answered(message, after_tool),
            _ => Err(at.member("role").bad("must be `system`, `developer`, `user`, `assistant`, `tool` or `function`")),
        }
    }

    fn said(&mut self, role: Role, mut message: Object<'a, '_>) -> Result<(), BadRequest> {
        let at = message.at().member("content");
        let Some(content) = message.take("content") else {
            return Err(at.bad("is missing: send a string or an array of content parts"));
        };
        let parts = self.content(content, &at)?;
        if parts.is_empty() {
            return Err(at.bad("is empty: send at least one content part"));
        }
        fit(&parts, &at, |content| match role {
            Role::System => matches!(content, Content::Text(_)),
            Role::User | Role::Assistant => !matches!(content, Content::Refusal(_)),
        })?;
        self.finish(role, parts, message)
    }

    /// An earlier answer: thoughts first, then what was said, then calls.
    fn assistant(&mut self, mut message: Object<'a, '_>) -> Result<(), BadRequest> {
        let mut parts = self.thoughts(&mut message)?;
        let at = message.at().member("content");
        if let Some(content) = message.take("content") {
            let said = self.content(content, &at)?;
            fit(&said, &at, |content| matches!(content, Content::Text(_) | Content::Refusal(_)))?;
            // Beside calls, `"content": ""` says nothing; some APIs refuse empty texts.
            parts.extend(
                said.into_iter().filter(|part| !matches!(&part.content, Content::Text(text) if text.is_empty())),
            );
        }
        if let Some(refusal) = message.owned("refusal")? {
            parts.push(Part::new(Content::Refusal(refusal)));
        }
        let images = message.at().member("images");
        for (index, image) in message.list("images")?.into_iter().enumerate() {
            parts.push(self.parts().painted(image, &images.element(index))?);
        }
        if message.take("audio").is_some() {
            self.chat.uses(Feature::ServerState, message.at().member("audio").to_string());
        }
        let calls = message.at().member("tool_calls");
        for (index, call) in message.list("tool_calls")?.into_iter().enumerate() {
            let (id, name, call) = tools::call(call, &calls.element(index), self.chat)?;
            self.called.insert(id, name);
            parts.push(Part::new(Content::ToolCall(call)));
        }
        let legacy = message.at().member("function_call");
        if let Some(node) = message.take("function_call") {
            let id = format!("call_{}", self.chat.messages.len());
            parts.push(Part::new(Content::ToolCall(tools::legacy_call(node, &legacy, id.clone(), self.chat)?)));
            self.legacy_call = Some(id);
        }
        if parts.is_empty() {
            parts.push(Part::text(""));
        }
        self.finish(Role::Assistant, parts, message)
    }

    /// What the model thought: `reasoning_details` have seals; `reasoning_content`, or `reasoning`, is the same in
    /// plain words, and counts where the details have none.
    fn thoughts(&mut self, message: &mut Object<'a, '_>) -> Result<Vec<Part>, BadRequest> {
        let mut thoughts: Vec<Reasoned> = Vec::new();
        let at = message.at().member("reasoning_details");
        for (index, node) in message.list("reasoning_details")?.into_iter().enumerate() {
            self.thought(node, &at.element(index), &mut thoughts)?;
        }
        let plain =
            [("reasoning_content", message.owned("reasoning_content")?), ("reasoning", message.owned("reasoning")?)];
        let plain = plain.into_iter().find_map(|(name, text)| Some((name, text.filter(|text| !text.is_empty())?)));
        if let Some((name, text)) = plain
            && thoughts.iter().all(|thought| thought.text.is_empty())
        {
            self.chat.uses(Feature::PlainReasoning, message.at().member(name).to_string());
            thoughts.insert(0, Reasoned { text, seal: None });
        }
        Ok(thoughts.into_iter().map(|thought| Part::new(Content::Reasoning(thought))).collect())
    }

    /// An item of `reasoning_details`: <https://openrouter.ai/docs/use-cases/reasoning-tokens>. A hidden thought
    /// directly behind its summary is one with it.
    fn thought(&mut self, node: Node<'a>, at: &Place<'_>, to: &mut Vec<Reasoned>) -> Result<(), BadRequest> {
        let mut item = Object::of(node, at)?;
        let kind = item.need("type", "name the type of the detail, `reasoning.text` for one")?;
        item.take("index");
        let (feature, thought) = match &*kind {
            "reasoning.text" => {
                let text = item.owned("text")?.unwrap_or_default();
                let signature = item.text("signature")?.filter(|signature| !signature.is_empty());
                let seal = signature.map(|signature| Seal::read(&signature, MAKER, false));
                (
                    if seal.is_some() { Feature::SealedReasoning } else { Feature::PlainReasoning },
                    Reasoned { text, seal },
                )
            }
            "reasoning.summary" => {
                let text = item.owned("summary")?.unwrap_or_default();
                (Feature::PlainReasoning, Reasoned { text, seal: None })
            }
            "reasoning.encrypted" => {
                let seal = Seal::read(&item.need("data", "send the hidden thought")?, MAKER, true);
                let summary = to.pop_if(|last| last.seal.is_none()).unwrap_or_default();
                (Feature::SealedReasoning, Reasoned { text: summary.text, seal: Some(seal) })
            }
            _ => {
                self.chat.uses(Feature::Unknown, at.to_string());
                return Ok(());
            }
        };
        item.leave(self.chat);
        self.chat.uses(feature, at.to_string());
        if !thought.text.is_empty() || thought.seal.is_some() {
            to.push(thought);
        }
        Ok(())
    }

    /// A tool's answer. Its name stands in the call that it answers.
    fn answered(&mut self, mut message: Object<'a, '_>, after_tool: bool) -> Result<(), BadRequest> {
        let id = message.need("tool_call_id", "name the call that this answers")?;
        let own_name = message.owned("name")?;
        let name = self.called.get(&id).map(|name| name.clone().into_owned()).or(own_name);
        let result = ToolResult { id: id.into_owned(), name, failed: false, parts: self.result(&mut message)? };
        self.push_result(result, message, after_tool)
    }

    /// The answer to a `function_call`, which has a name only.
    fn function_answered(&mut self, mut message: Object<'a, '_>, after_tool: bool) -> Result<(), BadRequest> {
        let name = message.need("name", "name the function that answers")?.into_owned();
        let id = self.legacy_call.take().unwrap_or_else(|| format!("call_{name}"));
        let result = ToolResult { id, name: Some(name), failed: false, parts: self.result(&mut message)? };
        self.push_result(result, message, after_tool)
    }

    fn result(&mut self, message: &mut Object<'a, '_>) -> Result<Vec<Part>, BadRequest> {
        let at = message.at().member("content");
        let Some(content) = message.take("content") else { return Ok(Vec::new()) };
        let parts = self.content(content, &at)?;
        fit(&parts, &at, |content| !matches!(content, Content::Refusal(_)))?;
        if parts.iter().any(|part| !matches!(part.content, Content::Text(_))) {
            self.chat.uses(Feature::RichToolResult, at.to_string());
        }
        Ok(parts)
    }

    fn push_result(
        &mut self,
        result: ToolResult,
        mut message: Object<'a, '_>,
        after_tool: bool,
    ) -> Result<(), BadRequest> {
        let cache = cache_mark(&mut message, self.chat)?;
        message.leave(self.chat);
        let part = Part { content: Content::ToolResult(result), cache };
        match self.chat.messages.last_mut() {
            Some(turn) if after_tool => turn.parts.push(part),
            _ => self.chat.messages.push(Message { role: Role::User, name: None, parts: vec![part] }),
        }
        Ok(())
    }

    /// What all messages have: a name, and a cache marker that stands for one on the last part.
    fn finish(&mut self, role: Role, mut parts: Vec<Part>, mut message: Object<'a, '_>) -> Result<(), BadRequest> {
        let name = message.owned("name")?;
        if name.is_some() {
            self.chat.uses(Feature::ParticipantName, message.at().member("name").to_string());
        }
        if let Some(mark) = cache_mark(&mut message, self.chat)?
            && let Some(last) = parts.last_mut()
        {
            last.cache.get_or_insert(mark);
        }
        message.leave(self.chat);
        self.chat.messages.push(Message { role, name, parts });
        Ok(())
    }

    fn content(&mut self, content: Node<'a>, at: &Place<'_>) -> Result<Vec<Part>, BadRequest> {
        self.parts().all(content, at)
    }

    fn parts(&mut self) -> Parts<'_> {
        Parts { body: self.body, chat: self.chat }
    }
}

/// Whose dialect this is: bare seals are its own.
const MAKER: &str = "openai";

/// Refuses parts that a message of this role cannot hold.
fn fit(parts: &[Part], at: &Place<'_>, fits: impl Fn(&Content) -> bool) -> Result<(), BadRequest> {
    match parts.iter().position(|part| !fits(&part.content)) {
        Some(index) => {
            let place = at.element(index);
            Err(place.bad("is of a type that a message of this role cannot hold: send it in a `user` message"))
        }
        None => Ok(()),
    }
}
