//! The events of a stream, one by one.

use super::{
    MAKER,
    wire::{Block, Delta, End, Ending, Event, Figures, Input, Message},
};
use crate::{
    dialect::{About, AnswerEncoder},
    model::{ChatEvent, Seal, ServiceTier, Usage},
};
use bytes::BytesMut;
use std::collections::VecDeque;

/// Writes a stream. Only the first answer of several is written: the API has no word for more.
///
/// One block is open at a time. A call whose arguments may still go on keeps the calls that began after it waiting:
/// until its JSON is whole, something else is said, or the answer ends. What waits is bounded by what comes.
pub(super) struct Stream {
    about: About,
    started: bool,
    open: Open,
    /// The index of the block that is open, or else of the next one.
    index: u32,
    waiting: VecDeque<Call>,
    ending: Ending,
    usage: Usage,
    tier: Option<ServiceTier>,
    /// Arguments came for a call whose block was over.
    lost: bool,
}

/// The block that is open.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Open {
    #[default]
    None,
    Text,
    /// A refusal is a text of its own.
    Refusal,
    Thought,
    Hidden,
    Call {
        call: u32,
        shape: Shape,
    },
}

/// A call that waits for its turn.
struct Call {
    call: u32,
    id: String,
    name: String,
    json: String,
}

impl Stream {
    pub(super) fn new(about: About) -> Self {
        Self {
            about,
            started: false,
            open: Open::None,
            index: 0,
            waiting: VecDeque::new(),
            ending: Ending::default(),
            usage: Usage::default(),
            tier: None,
            lost: false,
        }
    }

    /// The message begins, with what is known of its usage.
    fn start(&mut self, out: &mut BytesMut) {
        if self.started {
            return;
        }
        self.started = true;
        let usage = Figures::of(&self.usage, self.tier);
        let message = Message::new(&self.about.id, &self.about.model, Vec::new(), End::default(), usage);
        Event::MessageStart { message }.write(out);
        Event::Ping.write(out);
    }

    /// Begins a block; none is open.
    fn begin(&mut self, open: Open, content_block: Block<'_>, out: &mut BytesMut) {
        self.start(out);
        Event::ContentBlockStart { index: self.index, content_block }.write(out);
        self.open = open;
    }

    fn delta(&self, delta: Delta<'_>, out: &mut BytesMut) {
        Event::ContentBlockDelta { index: self.index, delta }.write(out);
    }

    /// Ends the block that is open.
    fn close(&mut self, out: &mut BytesMut) {
        match std::mem::take(&mut self.open) {
            Open::None => return,
            // Clients that collect the pieces read them as JSON.
            Open::Call { shape, .. } if !shape.said => self.delta(Delta::Json { partial_json: "{}" }, out),
            // Nobody could prove it: marked, so that it never comes to Anthropic as if it were its own.
            Open::Thought => self.delta(Delta::Signature { signature: Seal::NONE }, out),
            Open::Text | Open::Refusal | Open::Hidden | Open::Call { .. } => {}
        }
        Event::ContentBlockStop { index: self.index }.write(out);
        self.index = self.index.saturating_add(1);
    }

    /// Ends the block that is open, and says what waited: something else begins, so that all calls are whole.
    fn settle(&mut self, out: &mut BytesMut) {
        self.close(out);
        while let Some(next) = self.waiting.pop_front() {
            self.begin_call(next.call, &next.id, &next.name, &next.json, out);
            self.close(out);
        }
    }

    /// Makes `open` the block that is open.
    fn enter(&mut self, open: Open, block: Block<'_>, out: &mut BytesMut) {
        if self.open != open {
            self.settle(out);
            self.begin(open, block, out);
        }
    }

    fn text(&mut self, open: Open, text: &str, out: &mut BytesMut) {
        self.enter(open, Block::Text { text: "" }, out);
        self.delta(Delta::Text { text }, out);
    }

    fn thought(&mut self, thinking: &str, out: &mut BytesMut) {
        self.enter(Open::Thought, Block::Thinking { thinking: "", signature: "" }, out);
        self.delta(Delta::Thinking { thinking }, out);
    }

    /// A thought's end, or a hidden thought. A signature without words is a thought whose words are left out.
    fn seal(&mut self, seal: &Seal, out: &mut BytesMut) {
        let data = seal.written(MAKER);
        if seal.hidden {
            self.settle(out);
            self.begin(Open::Hidden, Block::RedactedThinking { data: &data }, out);
        } else {
            self.enter(Open::Thought, Block::Thinking { thinking: "", signature: "" }, out);
            self.delta(Delta::Signature { signature: &data }, out);
            self.open = Open::Hidden; // its end is said: nothing is left to add
        }
        self.close(out);
    }

    fn call(&mut self, call: u32, id: &str, name: &str, out: &mut BytesMut) {
        self.ending.call();
        match self.open {
            Open::Call { shape, .. } if !shape.is_whole() => {
                let (id, name) = (id.to_owned(), name.to_owned());
                self.waiting.push_back(Call { call, id, name, json: String::new() });
            }
            Open::None | Open::Text | Open::Refusal | Open::Thought | Open::Hidden | Open::Call { .. } => {
                self.close(out);
                self.begin_call(call, id, name, "", out);
            }
        }
    }

    /// Begins a call's block, with what came of its arguments meanwhile.
    fn begin_call(&mut self, call: u32, id: &str, name: &str, json: &str, out: &mut BytesMut) {
        let open = Open::Call { call, shape: Shape::default() };
        self.begin(open, Block::ToolUse { id, name, input: Input::Empty }, out);
        if !json.is_empty() {
            self.go_on(json, out);
        }
    }

    /// A piece of the arguments of the call that is open.
    fn go_on(&mut self, json: &str, out: &mut BytesMut) {
        if let Open::Call { shape, .. } = &mut self.open {
            shape.take(json);
            self.delta(Delta::Json { partial_json: json }, out);
        }
    }

    fn arguments(&mut self, of: u32, json: &str, out: &mut BytesMut) {
        if matches!(self.open, Open::Call { call, .. } if call == of) {
            self.go_on(json, out);
            while matches!(self.open, Open::Call { shape, .. } if shape.is_whole())
                && let Some(next) = self.waiting.pop_front()
            {
                self.close(out);
                self.begin_call(next.call, &next.id, &next.name, &next.json, out);
            }
        } else if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.call == of) {
            waiting.json.push_str(json);
        } else {
            // The call's block is over: white space behind whole JSON says nothing, anything else would be missing.
            self.lost |= !json.trim_ascii().is_empty();
        }
    }
}

impl AnswerEncoder for Stream {
    /// Citations are left out: a place in a document or a search's proof, which each of them must have here, is known
    /// to Anthropic only. Log probabilities, pictures and sound have no words.
    fn event(&mut self, event: &ChatEvent<'_>, out: &mut BytesMut) {
        match event {
            ChatEvent::Start { .. } => self.start(out),
            ChatEvent::Text { choice: 0, text } => self.text(Open::Text, text, out),
            ChatEvent::Refusal { choice: 0, text } => self.text(Open::Refusal, text, out),
            ChatEvent::Reasoning { choice: 0, text } => self.thought(text, out),
            ChatEvent::Sealed { choice: 0, seal } => self.seal(seal, out),
            ChatEvent::ToolStart { choice: 0, call, id, name } => self.call(*call, id, name, out),
            ChatEvent::ToolArguments { choice: 0, call, json } => self.arguments(*call, json, out),
            ChatEvent::Finish { choice: 0, reason, stop } => {
                self.settle(out);
                self.ending.finish(*reason, stop.as_deref());
            }
            // Figures stand in the last events, for they often come after the end of the answer.
            ChatEvent::Usage { usage, tier } => {
                self.usage = *usage;
                self.tier = tier.or(self.tier);
            }
            _ => {}
        }
    }

    fn lost(&self) -> bool {
        self.lost
    }

    fn end(&mut self, out: &mut BytesMut) -> usize {
        self.start(out);
        self.settle(out);
        Event::MessageDelta { delta: self.ending.told(), usage: Figures::of(&self.usage, self.tier) }.write(out);
        Event::MessageStop.write(out)
    }
}

/// How far the JSON of a call's arguments has come.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
struct Shape {
    /// Something but white space came.
    said: bool,
    /// An object or array began.
    opened: bool,
    depth: u32,
    quoted: bool,
    escaped: bool,
}

impl Shape {
    fn take(&mut self, json: &str) {
        for byte in json.bytes() {
            self.said |= !byte.is_ascii_whitespace();
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.quoted => self.escaped = true,
                b'"' => self.quoted = !self.quoted,
                _ if self.quoted => {}
                b'{' | b'[' => {
                    self.opened = true;
                    self.depth = self.depth.saturating_add(1);
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    /// Whether nothing of it is missing.
    const fn is_whole(self) -> bool {
        self.opened && self.depth == 0 && !self.quoted
    }
}
