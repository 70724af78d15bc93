//! Where a client's dialect and a provider's codec meet: what fits, and one answer on its way through both.

use super::attempt::Spending;
use super::bounds::{Buffers, Share};
use super::exchange::Opened;
use super::reject::Reject;
use super::retrieve::{self, Retelling};
use super::target::{Target, Way};
use crate::dialect::{self, About, AnswerEncoder};
use crate::model::{Api, Ask, Chat, Content, Edits, Feature, Retrieval};
use crate::providers::codec::{Codec, Decoded, Gaps, Goal, Meter, StreamDecoder, gaps};
use crate::providers::{Garbage, OutputText, Provider, Reading, Seen};
use crate::sse::SseEvent;
use bytes::{Bytes, BytesMut};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Room for an event that is kept between two of them.
const MOST_KEPT: usize = 64 * 1024;
/// Most values of a body that are translated: a tree of them takes many times their bytes.
const MOST_VALUES: usize = 2_000_000;
/// Bytes that a value takes in such a tree, at most, while it grows.
const VALUE_BYTES: usize = 96;

/// The body of an attempt, what was left out of it, and what writes the answer if it is translated.
pub type Written = (Bytes, Vec<String>, Option<Teller>);

/// What is asked, in the words that all APIs share.
#[derive(Clone)]
pub enum Meaning {
    /// A conversation.
    Chat(Arc<Chat>),
    /// Embeddings or reranking.
    Retrieval(Arc<Retrieval>),
}

/// What tells a translated answer in the client's dialect.
pub enum Teller {
    /// Of a conversation.
    Chat(Box<dyn AnswerEncoder>),
    /// Of embeddings or reranking.
    Retrieval(Box<Retelling>),
}

impl Opened {
    /// Looks whether `target` can be told what is asked: `None` where the request passes as it is.
    ///
    /// # Errors
    ///
    /// [`Reject::BadRequest`] when the body is no conversation, [`Reject::Untranslatable`] when the target cannot be told
    /// something that matters and the model refuses then, [`Reject::BuffersFull`].
    pub fn fit(&mut self, target: &Target, buffers: &Buffers) -> Result<Option<Meaning>, Reject> {
        if target.way(&self.ask) != Some(Way::Translated) {
            return Ok(None);
        }
        if let Some(retriever) = target.retriever(self.ask.api) {
            let asked = self.retrieval(buffers)?;
            retrieve::fit(&self.plan.route().name, target, retriever, &asked)?;
            return Ok(Some(Meaning::Retrieval(asked)));
        }
        let Some(codec) = target.provider.codec() else { return Ok(None) };
        let chat = self.conversation(buffers)?;
        tells(target, codec, &chat, &self.plan.route().name)?;
        Ok(Some(Meaning::Chat(chat)))
    }

    /// The body that goes to `target`, what is left out of it, and what writes the answer if it is translated.
    pub fn write(&mut self, target: &Target, terms: &Spending, translated: Option<Meaning>) -> Written {
        let (chat, codec) = match (translated, target.provider.codec(), target.retriever(self.ask.api)) {
            (Some(Meaning::Chat(chat)), Some(codec), _) => (chat, codec),
            (Some(Meaning::Retrieval(asked)), _, Some(retriever)) => {
                return retrieve::write(self, target, retriever, asked);
            }
            _ => {
                // Edits may be found in the bytes, so the body stands as it was sent.
                self.ask.body.apply(&Edits::new());
                let edits = target.provider.edits(&self.ask, &target.model_json, terms.cap);
                return (self.ask.body.apply(&edits), Vec::new(), None);
            }
        };
        let goal = goal(target, terms.cap);
        let body = codec.encode(&chat, &goal);
        let request = self.ask.body.apply(&Edits::new());
        (body, left_out(codec, &chat, &goal), Some(Teller::Chat(encoder(self, request))))
    }

    /// The conversation that is asked for, decoded once.
    fn conversation(&mut self, buffers: &Buffers) -> Result<Arc<Chat>, Reject> {
        if let Some(Meaning::Chat(chat)) = &self.meaning {
            return Ok(Arc::clone(chat));
        }
        let _tree = self.room_to_decode(buffers)?;
        let chat = dialect::decode(&self.ask).map_err(|wrong| bad(wrong.message, wrong.param))?;
        let chat = chat.ok_or_else(|| bad(format!("`{}` cannot be translated", self.ask.api), None))?;
        let chat = Arc::new(chat);
        self.meaning = Some(Meaning::Chat(Arc::clone(&chat)));
        Ok(chat)
    }

    /// The embeddings or the ranks that are asked for, decoded once.
    fn retrieval(&mut self, buffers: &Buffers) -> Result<Arc<Retrieval>, Reject> {
        if let Some(Meaning::Retrieval(asked)) = &self.meaning {
            return Ok(Arc::clone(asked));
        }
        let _tree = self.room_to_decode(buffers)?;
        let asked = dialect::decode_retrieval(self.ask.api, &self.ask.body.bytes());
        let asked = asked.map_err(|wrong| bad(wrong.message, wrong.param))?;
        let asked = asked.ok_or_else(|| bad(format!("`{}` cannot be translated", self.ask.api), None))?;
        let asked = Arc::new(asked);
        self.meaning = Some(Meaning::Retrieval(Arc::clone(&asked)));
        Ok(asked)
    }

    /// Makes the body what the client sent, and takes what the tree of its values needs.
    fn room_to_decode(&mut self, buffers: &Buffers) -> Result<Share, Reject> {
        // An attempt before may have edited the body: what was sent is decoded.
        self.ask.body.apply(&Edits::new());
        // Each value but the first of its list or object stands behind a comma.
        let values = memchr::memchr_iter(b',', self.ask.body.as_slice()).count();
        if values > MOST_VALUES {
            return Err(bad(
                format!("the body has more than {MOST_VALUES} values, which are too many to be translated"),
                None,
            ));
        }
        buffers.take(values * VALUE_BYTES).ok_or(Reject::BuffersFull)
    }
}

fn bad(message: String, param: Option<String>) -> Reject {
    Reject::BadRequest { message, param }
}

/// What a request is written for that goes to `target`.
/// Whether `target` of `model` can be told what is asked, of a request that is only looked at.
///
/// # Errors
///
/// As [`Opened::fit`].
pub fn look(ask: &Ask, target: &Target, model: &str) -> Result<(), Reject> {
    if target.way(ask) != Some(Way::Translated) {
        return Ok(());
    }
    if let Some(retriever) = target.retriever(ask.api) {
        let asked = dialect::decode_retrieval(ask.api, &ask.body.bytes());
        let asked = asked.map_err(|wrong| bad(wrong.message, wrong.param))?;
        return asked.map_or(Ok(()), |asked| retrieve::fit(model, target, retriever, &asked));
    }
    let Some(codec) = target.provider.codec() else { return Ok(()) };
    let chat = dialect::decode(ask).map_err(|wrong| bad(wrong.message, wrong.param))?;
    chat.map_or(Ok(()), |chat| tells(target, codec, &chat, model))
}

/// Whether all that matters of `chat` can be said, where the model refuses otherwise.
fn tells(target: &Target, codec: &dyn Codec, chat: &Chat, model: &str) -> Result<(), Reject> {
    let unsupported = gaps(codec, chat, &goal(target, None)).unsupported;
    match unsupported.first() {
        Some(first) if !target.drops => Err(Reject::Untranslatable {
            model: model.to_owned(),
            target: format!("{target:?}"),
            api: codec.api(),
            what: first.feature.label(),
            field: first.path.clone(),
        }),
        _ => Ok(()),
    }
}

fn goal(target: &Target, cap: Option<u64>) -> Goal<'_> {
    Goal { model: &target.model, cap, most_output: target.max_output_tokens }
}

/// Paths of what is not told to the target.
fn left_out(codec: &dyn Codec, chat: &Chat, goal: &Goal<'_>) -> Vec<String> {
    let Gaps { unsupported, hints } = gaps(codec, chat, goal);
    let paths = unsupported.into_iter().map(|used| used.path).chain(hints).chain(strange_seals(codec, chat));
    paths.collect::<BTreeSet<String>>().into_iter().collect()
}

/// Paths of thoughts that another maker than `codec`'s sealed: they are of no use to its models.
fn strange_seals(codec: &dyn Codec, chat: &Chat) -> Vec<String> {
    let parts = chat.messages.iter().flat_map(|message| &message.parts);
    let makers = parts.filter_map(|part| match &part.content {
        Content::Reasoning(reasoned) => reasoned.seal.as_ref().map(|seal| seal.maker.as_str()),
        _ => None,
    });
    let places = chat.uses.iter().filter(|used| used.feature == Feature::SealedReasoning);
    let pairs = places.zip(makers).filter(|(_, maker)| *maker != codec.maker());
    pairs.map(|(used, _)| used.path.clone()).collect()
}

/// A stream on its way through both.
pub struct Translation {
    decoder: Box<dyn StreamDecoder>,
    encoder: Box<dyn AnswerEncoder>,
    meter: Meter,
    /// What the last event came to in the client's dialect.
    made: BytesMut,
}

impl Translation {
    /// Of an answer of `codec`'s API into what `encoder` writes.
    pub fn new(codec: &dyn Codec, encoder: Box<dyn AnswerEncoder>) -> Self {
        Self { decoder: codec.decoder(), encoder, meter: Meter::default(), made: BytesMut::new() }
    }

    /// Takes an event of the provider; what it comes to is in [`Translation::made`].
    pub fn event(&mut self, event: &SseEvent) -> Seen {
        let Self { decoder, encoder, meter, made } = self;
        made.clear();
        if made.capacity() > MOST_KEPT {
            *made = BytesMut::new();
        }
        let decoded = decoder.event(event, &mut |event| {
            meter.take(&event);
            encoder.event(&event, made);
        });
        if encoder.lost() {
            return Seen::Garbage(lost());
        }
        match decoded {
            Decoded::More if meter.had_output() => Seen::Output { strip: None },
            Decoded::More => Seen::Quiet { strip: None },
            Decoded::End => Seen::End,
            Decoded::Error(error) => Seen::Error(error),
            Decoded::Garbage(garbage) | Decoded::Odd(garbage) => Seen::Garbage(garbage),
        }
    }

    /// The answer is over: adds its end to [`Translation::made`] and returns the length of the end marker.
    pub fn end(&mut self) -> usize {
        self.encoder.end(&mut self.made)
    }

    /// What the last event came to.
    pub fn made(&self) -> &[u8] {
        &self.made
    }

    /// Forgets it.
    pub fn clear(&mut self) {
        self.made.clear();
    }

    /// Bytes that are held until the end of the answer.
    pub fn held(&self) -> usize {
        if self.encoder.keeps() { usize::try_from(self.meter.output().bytes()).unwrap_or(usize::MAX) } else { 0 }
    }

    /// Whether the provider's body may end here.
    pub fn may_end(&self) -> bool {
        self.decoder.may_end()
    }

    /// What the provider reported so far.
    pub fn reading(&self) -> &Reading {
        self.decoder.reading()
    }

    /// The output text so far.
    pub fn output(&self) -> &OutputText {
        self.meter.output()
    }

    /// The number of the next event in the client's dialect.
    pub fn next_sequence(&self) -> u64 {
        self.encoder.next_sequence()
    }
}

/// The client's dialect could not tell something any more that the provider said late.
fn lost() -> Garbage {
    Garbage { api: Api::ChatCompletions, why: "arguments of a tool's call came after other content".to_owned() }
}

/// An answer that came whole, in the client's dialect, with what it reports and what it says.
///
/// # Errors
///
/// [`Garbage`] when `body` is no answer of the provider's API.
pub fn whole(
    provider: &dyn Provider,
    encoder: &mut dyn AnswerEncoder,
    body: &[u8],
) -> Result<(Bytes, Reading, OutputText), Garbage> {
    let codec = provider.codec().expect("only a codec's answers are translated");
    let (mut out, mut meter) = (BytesMut::with_capacity(body.len()), Meter::default());
    let reading = codec.decode_whole(body, &mut |event| {
        meter.take(&event);
        encoder.event(&event, &mut out);
    })?;
    if encoder.lost() {
        return Err(lost());
    }
    encoder.end(&mut out);
    Ok((out.freeze(), reading, meter.into_output()))
}

/// What writes the answer to `opened` in its client's dialect.
fn encoder(opened: &Opened, request: Bytes) -> Box<dyn AnswerEncoder> {
    let ask = &opened.ask;
    let about = About {
        id: opened.arrival.id.to_string().into(),
        model: Arc::clone(&opened.model),
        created_s: opened.arrival.at_us / 1_000_000,
        include_usage: ask.include_usage.is_some_and(crate::model::IncludeUsage::asked),
        request,
    };
    dialect::encoder(ask.api, ask.stream, about).expect("only conversations are translated")
}
