//! What a model answers: a request's shape, the plan of an answer, and its rendering in the format that was asked in.

use super::answer::{Answer, Billed, Shape, bill, chosen_tool, plan, prompts, structured};
use super::anthropic::{self, MessageEvents};
use super::bedrock::{self, ConverseEvents};
use super::cohere;
use super::gemini::{self, GenerateEvents};
use super::knobs::Knobs;
use super::openai::{self, ChatEvents, CompletionEvents, ResponseEvents};
use super::question::{Loose, Question, Words, tokens_of};
use super::realtime::Talk;
use super::refusal::Refusal;
use super::stream::Events;
use super::target::{Call, Wire};
use crate::model::{Clock, SystemClock};
use hyper::header::HeaderValue;
use std::sync::Arc;

/// An answer that is thought out.
pub(super) enum Ready {
    Whole(Whole),
    Stream {
        answer: Box<Answer>,
        events: Box<dyn Events>,
        /// The content type, if it is not the provider's usual one.
        kind: Option<&'static str>,
    },
    /// A socket.
    Talk(Box<Talk>),
}

impl Ready {
    /// An answer that no model was needed for.
    pub fn free(bytes: Vec<u8>) -> Self {
        Self::Whole(Whole::free(bytes))
    }
}

/// An answer that is not streamed.
pub(super) struct Whole {
    pub bytes: Vec<u8>,
    /// Content type.
    pub kind: &'static str,
    /// Of one choice: they take time.
    pub pieces: u32,
    /// What is booked once it is sent.
    pub billed: Option<Billed>,
    /// Whether the answer itself says so.
    pub reports: bool,
    /// More of the head, by names in lower case.
    pub headers: Vec<(&'static str, HeaderValue)>,
}

impl Whole {
    /// JSON that costs nothing.
    pub fn free(bytes: Vec<u8>) -> Self {
        Self { bytes, kind: "application/json", pieces: 0, billed: None, reports: true, headers: Vec::new() }
    }

    /// JSON that costs, and says what.
    pub fn billed(bytes: Vec<u8>, billed: Billed) -> Self {
        Self { billed: Some(billed), ..Self::free(bytes) }
    }
}

/// Makes the answer of one request.
#[derive(Debug, Clone)]
pub(super) struct Thinker {
    pub knobs: Arc<Knobs>,
    /// Of the request: the source of ids.
    pub number: u64,
    pub wire: Wire,
}

/// Seconds since the Unix epoch.
pub(super) fn now() -> u64 {
    SystemClock.now_us() / 1_000_000
}

impl Thinker {
    /// The model's name, without its suffix, which is applied to the knobs.
    pub fn model(&mut self, name: &str) -> Result<String, Refusal> {
        if name.is_empty() {
            return Err(match self.wire {
                Wire::OpenAi => Refusal::bad("you must provide a model parameter", None),
                _ => Refusal::missing("model", self.wire),
            });
        }
        let Some((name, pairs)) = name.split_once('?') else { return Ok(name.to_owned()) };
        let knobs = Arc::make_mut(&mut self.knobs);
        knobs.apply(pairs).map_err(|bad| Refusal::bad(bad.to_string(), Some("model")))?;
        Ok(name.to_owned())
    }

    /// An answer to a conversation, to completions or embeddings.
    pub fn think(
        &mut self,
        call: Call,
        question: &Question<'_>,
        model: String,
        stream: bool,
    ) -> Result<Ready, Refusal> {
        if call == Call::CountTokens {
            let input = self.input(call, question)?;
            return Ok(Ready::free(anthropic::count(tokens_of(input.chars))));
        }
        if call == Call::Embeddings {
            let (bytes, tokens) = openai::embeddings(question, &model, !self.knobs.no_usage)?;
            let billed = bill(tokens, 0, &Knobs::default());
            return Ok(Ready::Whole(Whole::billed(bytes, billed)));
        }
        let mut answer = self.plan(call, question)?;
        answer.model = model;
        if stream {
            let events = self.events(call, &answer);
            return Ok(Ready::Stream { answer: Box::new(answer), events, kind: None });
        }
        let bytes = match call {
            Call::Messages => anthropic::message(&answer),
            Call::Responses => openai::response(&answer),
            Call::Completions => openai::completion(&answer),
            Call::Generate => gemini::response(&answer),
            Call::Converse => bedrock::response(&answer, self.latency_ms()),
            Call::CohereChat => cohere::response(&answer),
            _ => openai::chat(&answer),
        };
        Ok(Ready::Whole(Whole { pieces: answer.pieces.len(), ..Whole::billed(bytes, answer.billed) }))
    }

    fn events(&mut self, call: Call, answer: &Answer) -> Box<dyn Events> {
        match call {
            Call::Messages => Box::new(MessageEvents),
            Call::Responses => Box::new(ResponseEvents::new(answer)),
            Call::Completions => Box::new(CompletionEvents::new(answer)),
            Call::Generate => {
                if answer.tool.is_some() {
                    // The arguments are one part, so they are one chunk.
                    Arc::make_mut(&mut self.knobs).chunk_tokens = answer.pieces.len().max(1);
                }
                Box::new(GenerateEvents::new(answer))
            }
            Call::Converse => Box::new(ConverseEvents::new(answer, self.latency_ms())),
            Call::CohereChat => Box::new(cohere::ChatEvents::new(answer)),
            _ => Box::new(ChatEvents::new(answer, self.wire == Wire::Detail)),
        }
    }

    /// What an answer says that it took to its first token.
    fn latency_ms(&self) -> u64 {
        u64::try_from((self.knobs.latency + self.knobs.first_token).as_millis()).unwrap_or(u64::MAX)
    }

    fn plan(&mut self, call: Call, question: &Question<'_>) -> Result<Answer, Refusal> {
        let created = now();
        let shape = match call {
            Call::Generate => {
                let knobs = Arc::make_mut(&mut self.knobs);
                // Writing is not billed by tokens: <https://ai.google.dev/gemini-api/docs/pricing>.
                (knobs.cache_write, knobs.cache_write_1h) = (0, 0);
                gemini::shape(question)?
            }
            Call::Converse => bedrock::shape(question)?,
            Call::CohereChat => {
                let knobs = Arc::make_mut(&mut self.knobs);
                // Nothing is told of writing: <https://docs.cohere.com/reference/chat>.
                (knobs.cache_write, knobs.cache_write_1h) = (0, 0);
                cohere::shape(question)?
            }
            _ => self.shape(call, question)?,
        };
        let mut answer = plan(self.number, created, shape, &self.knobs);
        answer.include_usage = question.stream_options.as_ref().and_then(|it| it.include_usage).unwrap_or(false);
        if let Some(tier) = question.service_tier.as_deref().filter(|tier| *tier != "auto") {
            tier.clone_into(&mut answer.service_tier);
        }
        if let (Call::Completions, Some((_, count))) = (call, prompts(question.prompt)) {
            // Every prompt gets its `n` choices.
            answer.choices = answer.choices.saturating_mul(count.clamp(1, 128));
            answer.billed.sent = u64::from(answer.pieces.len()) * u64::from(answer.choices);
        }
        Ok(answer)
    }

    /// What OpenAI's and Anthropic's calls ask for.
    fn shape(&self, call: Call, question: &Question<'_>) -> Result<Shape, Refusal> {
        let input = self.input(call, question)?;
        let (cap, format) = match call {
            Call::Responses => (question.max_output_tokens, question.text),
            Call::Chat => (question.max_completion_tokens.or(question.max_tokens), question.response_format),
            // <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>
            Call::Messages => (question.max_tokens, question.answer_config),
            _ => (question.max_tokens, None),
        };
        if call == Call::Messages && cap.is_none() {
            return Err(Refusal::missing("max_tokens", self.wire));
        }
        Ok(Shape {
            input,
            cap,
            choices: question.n,
            call: chosen_tool(question, input.asks_for_tool),
            json: format.and_then(structured),
            thinks_aloud: false,
        })
    }

    /// The text that the model reads.
    fn input(&self, call: Call, question: &Question<'_>) -> Result<Words, Refusal> {
        let aside = |loose: Option<Loose>| loose.map_or(0, |loose| loose.0.chars);
        let mut input = match call {
            Call::Responses => {
                let raw = question.input.ok_or_else(|| Refusal::missing("input", self.wire))?;
                let text = if raw.get().starts_with('"') {
                    serde_json::from_str::<Loose>(raw.get()).map(|loose| loose.0)
                } else {
                    serde_json::from_str(raw.get())
                };
                text.map_err(|error| Refusal::bad(format!("Invalid 'input': {error}"), Some("input")))?
            }
            Call::Completions => match prompts(question.prompt) {
                Some((words, _)) => words,
                None => return Err(Refusal::missing("prompt", self.wire)),
            },
            _ => question.messages.ok_or_else(|| Refusal::missing("messages", self.wire))?,
        };
        input.chars = input.chars.saturating_add(aside(question.system)).saturating_add(aside(question.instructions));
        Ok(input)
    }
}
