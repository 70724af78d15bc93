//! One message as a body, written at its end.

use super::{
    MAKER,
    wire::{Block, Ending, Figures, Input, Message, json},
};
use crate::{
    dialect::{About, AnswerEncoder},
    model::{ChatEvent, ServiceTier, Usage},
};
use bytes::BytesMut;

/// A message that grows. Only the first answer of several is written: the API has no word for more.
pub(super) struct Whole {
    about: About,
    blocks: Vec<Grown>,
    ending: Ending,
    usage: Usage,
    tier: Option<ServiceTier>,
}

/// A block so far.
enum Grown {
    Text(String),
    /// A refusal is a text of its own.
    Refusal(String),
    /// Sealed once there is a signature.
    Thought {
        text: String,
        signature: Option<String>,
    },
    Hidden(String),
    Call {
        call: u32,
        id: String,
        name: String,
        arguments: String,
    },
}

impl Whole {
    pub(super) fn new(about: About) -> Self {
        Self { about, blocks: Vec::new(), ending: Ending::default(), usage: Usage::default(), tier: None }
    }

    fn text(&mut self, piece: &str) {
        match self.blocks.last_mut() {
            Some(Grown::Text(text)) => text.push_str(piece),
            _ => self.blocks.push(Grown::Text(piece.to_owned())),
        }
    }

    fn refusal(&mut self, piece: &str) {
        match self.blocks.last_mut() {
            Some(Grown::Refusal(text)) => text.push_str(piece),
            _ => self.blocks.push(Grown::Refusal(piece.to_owned())),
        }
    }

    fn thought(&mut self, piece: &str) {
        match self.blocks.last_mut() {
            Some(Grown::Thought { text, signature: None }) => text.push_str(piece),
            _ => self.blocks.push(Grown::Thought { text: piece.to_owned(), signature: None }),
        }
    }

    /// Pieces of one call's arguments may stand between those of another's.
    fn arguments(&mut self, of: u32, piece: &str) {
        let calls = self.blocks.iter_mut().rev();
        let mut found = calls.filter_map(|block| match block {
            Grown::Call { call, arguments, .. } if *call == of => Some(arguments),
            _ => None,
        });
        if let Some(arguments) = found.next() {
            arguments.push_str(piece);
        }
    }

    fn seal(&mut self, data: String, hidden: bool) {
        match self.blocks.last_mut() {
            _ if hidden => self.blocks.push(Grown::Hidden(data)),
            Some(Grown::Thought { signature: signature @ None, .. }) => *signature = Some(data),
            _ => self.blocks.push(Grown::Thought { text: String::new(), signature: Some(data) }),
        }
    }
}

impl AnswerEncoder for Whole {
    /// Citations are left out: a place in a document or a search's proof, which each of them must have here, is known
    /// to Anthropic only. Log probabilities, pictures and sound have no words.
    fn event(&mut self, event: &ChatEvent<'_>, _: &mut BytesMut) {
        match event {
            ChatEvent::Text { choice: 0, text } => self.text(text),
            ChatEvent::Refusal { choice: 0, text } => self.refusal(text),
            ChatEvent::Reasoning { choice: 0, text } => self.thought(text),
            ChatEvent::Sealed { choice: 0, seal } => self.seal(seal.written(MAKER), seal.hidden),
            ChatEvent::ToolStart { choice: 0, call, id, name } => {
                self.ending.call();
                let (id, name) = (id.clone().into_owned(), name.clone().into_owned());
                self.blocks.push(Grown::Call { call: *call, id, name, arguments: String::new() });
            }
            ChatEvent::ToolArguments { choice: 0, call, json } => self.arguments(*call, json),
            ChatEvent::Finish { choice: 0, reason, stop } => self.ending.finish(*reason, stop.as_deref()),
            ChatEvent::Usage { usage, tier } => {
                self.usage = *usage;
                self.tier = tier.or(self.tier);
            }
            _ => {}
        }
    }

    fn end(&mut self, out: &mut BytesMut) -> usize {
        let content = self.blocks.iter().map(|block| match block {
            Grown::Text(text) | Grown::Refusal(text) => Block::Text { text },
            Grown::Thought { text, signature } => {
                Block::Thinking { thinking: text, signature: signature.as_deref().unwrap_or_default() }
            }
            Grown::Hidden(data) => Block::RedactedThinking { data },
            Grown::Call { id, name, arguments, .. } => Block::ToolUse { id, name, input: Input::of(arguments) },
        });
        let usage = Figures::of(&self.usage, self.tier);
        let message = Message::new(&self.about.id, &self.about.model, content.collect(), self.ending.told(), usage);
        json(&message, out);
        0
    }
}
