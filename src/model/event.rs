//! An answer in the words that all APIs share: what a provider says, piece by piece or whole.
//!
//! A whole answer is the same events with longer pieces, so that one decoder and one encoder an API do for both.

use super::{Seal, ServiceTier, Usage};
use std::borrow::Cow;

/// One thing that an answer says. `choice` counts the answers to one request from 0. Pieces of one kind that follow one
/// another belong together; what begins a new piece of another kind ends the one before.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatEvent<'a> {
    /// The answer begins. Comes once, first; nothing in it is output.
    Start {
        /// The provider's id of the answer, if it has one.
        id: Option<Cow<'a, str>>,
    },
    /// A piece of the text.
    Text {
        /// Which answer.
        choice: u32,
        /// Not empty.
        text: Cow<'a, str>,
    },
    /// A piece of a refusal.
    Refusal {
        /// Which answer.
        choice: u32,
        /// Not empty.
        text: Cow<'a, str>,
    },
    /// A piece of what the model thinks.
    Reasoning {
        /// Which answer.
        choice: u32,
        /// Not empty.
        text: Cow<'a, str>,
    },
    /// Ends a thought with its maker's proof of it, or is a hidden thought.
    Sealed {
        /// Which answer.
        choice: u32,
        /// The proof.
        seal: Seal,
    },
    /// A tool's call begins.
    ToolStart {
        /// Which answer.
        choice: u32,
        /// Counts the calls of this answer from 0, without gaps.
        call: u32,
        /// The call's id; not empty: a decoder makes one up where its API has none.
        id: Cow<'a, str>,
        /// The tool's name.
        name: Cow<'a, str>,
    },
    /// A piece of the arguments of a call that began. All pieces together are one JSON object.
    ToolArguments {
        /// Which answer.
        choice: u32,
        /// Which call.
        call: u32,
        /// Not empty.
        json: Cow<'a, str>,
    },
    /// A source of the text before it.
    Citation {
        /// Which answer.
        choice: u32,
        /// What it is.
        citation: Citation,
    },
    /// Log probabilities of the text before them: OpenAI's `logprobs.content` array, as JSON.
    Logprobs {
        /// Which answer.
        choice: u32,
        /// A JSON array.
        json: Cow<'a, str>,
    },
    /// A picture or sound that the model made.
    Media {
        /// Which answer.
        choice: u32,
        /// `image/png` …
        media_type: Cow<'a, str>,
        /// Its bytes.
        base64: Cow<'a, str>,
    },
    /// An answer is over. Comes once for each of them.
    Finish {
        /// Which answer.
        choice: u32,
        /// Why.
        reason: Finish,
        /// The stop sequence that ended it, if told.
        stop: Option<Cow<'a, str>>,
    },
    /// What was used so far; the last one counts. Where an API tells its input first, an event may tell only that.
    Usage {
        /// By class.
        usage: Usage,
        /// The tier that is billed, if told.
        tier: Option<ServiceTier>,
    },
}

impl ChatEvent<'_> {
    /// The same, holding its own texts.
    pub fn into_owned(self) -> ChatEvent<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Start { id } => ChatEvent::Start { id: id.map(own) },
            Self::Text { choice, text } => ChatEvent::Text { choice, text: own(text) },
            Self::Refusal { choice, text } => ChatEvent::Refusal { choice, text: own(text) },
            Self::Reasoning { choice, text } => ChatEvent::Reasoning { choice, text: own(text) },
            Self::Sealed { choice, seal } => ChatEvent::Sealed { choice, seal },
            Self::ToolStart { choice, call, id, name } => {
                ChatEvent::ToolStart { choice, call, id: own(id), name: own(name) }
            }
            Self::ToolArguments { choice, call, json } => ChatEvent::ToolArguments { choice, call, json: own(json) },
            Self::Citation { choice, citation } => ChatEvent::Citation { choice, citation },
            Self::Logprobs { choice, json } => ChatEvent::Logprobs { choice, json: own(json) },
            Self::Media { choice, media_type, base64 } => {
                ChatEvent::Media { choice, media_type: own(media_type), base64: own(base64) }
            }
            Self::Finish { choice, reason, stop } => ChatEvent::Finish { choice, reason, stop: stop.map(own) },
            Self::Usage { usage, tier } => ChatEvent::Usage { usage, tier },
        }
    }

    /// Whether it is output: what a client waits for. A start and usage are not.
    pub const fn is_output(&self) -> bool {
        !matches!(self, Self::Start { .. } | Self::Usage { .. })
    }
}

/// Where a piece of text comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Citation {
    /// A web address.
    pub url: Option<String>,
    /// Its title, or that of a document.
    pub title: Option<String>,
    /// The words that are cited.
    pub quote: Option<String>,
    /// Which document of the request, from 0.
    pub document: Option<u32>,
}

/// Why an answer is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model was done.
    Stop,
    /// A stop sequence came up.
    StopSequence,
    /// The output cap was reached.
    Length,
    /// Tools are to be called.
    ToolCalls,
    /// The provider's filter withheld content.
    ContentFilter,
    /// The model refused (Anthropic's `refusal`).
    Refusal,
    /// The provider stopped a long turn and wants it sent back to go on (Anthropic's `pause_turn`).
    Paused,
    /// The model ran out of its context window.
    ContextWindow,
}

/// Takes the events of an answer, one by one.
pub type Listener<'l> = dyn FnMut(ChatEvent<'_>) + 'l;
