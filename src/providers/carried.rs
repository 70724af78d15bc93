//! The law of every codec, for its tests: what it says that it carries changes the body, and what it does not carry
//! leaves the body as it was. What leaves it as it was is told.

use super::codec::{Codec, Gaps, Goal, gaps};
use crate::model::{
    CacheMark, Carry, Chat, Content, Effort, Feature, Format, Json, Message, Part, Reasoned, Role, Seal, Source, Tool,
    ToolCall, ToolChoice, ToolResult,
};
use bytes::Bytes;

/// Holds `codec` to the law, at a target of the name `model`.
pub(super) fn obeys(codec: &dyn Codec, model: &str) {
    let goal = Goal { model, cap: None, most_output: Some(20_000) };
    let sent = |chat: &Chat| codec.encode(chat, &goal);
    for feature in Feature::ALL {
        let carried = codec.carries(feature, model) != Carry::No;
        match with_and_without(feature, codec.maker()) {
            Some((mut with, without)) => {
                assert_eq!(sent(&with) != sent(&without), carried, "{feature:?} at {model}");
                with.uses(feature, "here");
                assert_eq!(gaps(codec, &with, &goal) == Gaps::default(), carried, "{feature:?} at {model}: told");
            }
            None => assert!(!carried, "{feature:?} has no word in `Chat`"),
        }
    }
    hides_nothing(codec, model);
}

/// Holds `codec` to its promise that nothing is left out in silence: of any two things asked for at once, in histories and
/// under caps that have room for them and that have not, the one that does not change the body is told.
pub(super) fn hides_nothing(codec: &dyn Codec, model: &str) {
    let called = said_by(Role::User, result(false, vec![Part::text("r")]));
    for (base, most_output) in [(said(vec![]), 20_000), (said(vec![]), 1_100), (called, 20_000)] {
        let goal = Goal { model, cap: None, most_output: Some(most_output) };
        for (first, second) in Feature::ALL.iter().flat_map(|first| Feature::ALL.map(|second| (*first, second))) {
            let formats = [first, second].iter().all(|one| matches!(one, Feature::JsonObject | Feature::JsonSchema));
            let (Some(change), Some(more)) = (member(first), member(second)) else { continue };
            if first == second || formats {
                continue;
            }
            let mut chat = base.clone();
            change(&mut chat);
            let before = codec.encode(&chat, &goal);
            more(&mut chat);
            chat.uses(second, "here");
            let hidden = codec.encode(&chat, &goal) == before;
            let told = gaps(codec, &chat, &goal) != Gaps::default();
            assert!(told || !hidden, "{second:?} beside {first:?} at {model}, of {most_output} tokens: {before:?}");
        }
    }
}

/// Two requests that differ in `feature` only; `None`: it has no word in [`Chat`].
fn with_and_without(feature: Feature, maker: &str) -> Option<(Chat, Chat)> {
    let part = |content: Content| (said(vec![Part::new(content)]), said(vec![]));
    let changed = |change: fn(&mut Chat)| {
        let mut with = said(vec![]);
        change(&mut with);
        (with, said(vec![]))
    };
    let result = |failed, parts| said_by(Role::User, result(failed, parts));
    Some(match feature {
        Feature::ImageInline => part(Content::Image { source: inline("image/png"), detail: None }),
        Feature::ImageUrl => part(Content::Image { source: url(), detail: None }),
        Feature::FileId => part(Content::Image { source: Source::File("file_1".to_owned()), detail: None }),
        Feature::ImageDetail => {
            let picture = |detail| said(vec![Part::new(Content::Image { source: inline("image/png"), detail })]);
            (picture(Some("low".to_owned())), picture(None))
        }
        Feature::DocumentInline => part(Content::Document { source: inline("application/pdf"), name: None }),
        Feature::DocumentUrl => part(Content::Document { source: url(), name: None }),
        Feature::AudioInput => part(Content::Audio { source: inline("audio/wav") }),
        Feature::VideoInput => part(Content::Video { source: inline("video/mp4") }),
        Feature::RichToolResult => {
            let picture = Part::new(Content::Image { source: inline("image/png"), detail: None });
            (result(false, vec![Part::text("r"), picture]), result(false, vec![Part::text("r")]))
        }
        Feature::FailedToolResult => (result(true, vec![Part::text("r")]), result(false, vec![Part::text("r")])),
        Feature::SealedReasoning => thought(Some(maker)),
        Feature::PlainReasoning => thought(None),
        Feature::CacheMarkers => {
            let marked = Part { cache: Some(CacheMark::default()), ..Part::text("marked") };
            (said(vec![marked]), said(vec![Part::text("marked")]))
        }
        Feature::ParticipantName => changed(|chat| {
            chat.messages.iter_mut().for_each(|message| message.name = Some("Ann".to_owned()));
        }),
        // A decoder makes a function of it, which is all that a codec sees.
        Feature::CustomTool => changed(|chat| {
            let parameters = Json::new(r#"{"type":"object","properties":{"input":{"type":"string"}}}"#);
            let (name, description) = ("patch".to_owned(), None);
            chat.tools.push(Tool { name, description, parameters, strict: None, cache: None });
        }),
        Feature::StrictTool => changed(|chat| chat.tools.iter_mut().for_each(|tool| tool.strict = Some(true))),
        _ => changed(member(feature)?),
    })
}

/// What sets the member of [`Chat`] that says `feature`.
fn member(feature: Feature) -> Option<fn(&mut Chat)> {
    Some(match feature {
        Feature::ForcedTool => |chat| chat.tool_choice = Some(ToolChoice::Required),
        Feature::ParallelToolControl => |chat| chat.parallel_tool_calls = Some(false),
        Feature::JsonObject => |chat| chat.format = Format::Json,
        Feature::JsonSchema => |chat| {
            let schema = Json::new(r#"{"type":"object","additionalProperties":false}"#).expect("it is JSON");
            chat.format = Format::Schema { name: "s".to_owned(), description: None, schema, strict: None };
        },
        Feature::Temperature => |chat| chat.sampling.temperature = Some(0.5),
        Feature::TopP => |chat| chat.sampling.top_p = Some(0.5),
        Feature::TopK => |chat| chat.sampling.top_k = Some(3),
        Feature::Penalties => |chat| chat.sampling.presence_penalty = Some(0.5),
        Feature::Seed => |chat| chat.sampling.seed = Some(7),
        Feature::LogitBias => |chat| chat.sampling.logit_bias = Json::new(r#"{"1":2}"#),
        Feature::StopSequences => |chat| chat.stop = vec!["END".to_owned()],
        Feature::Logprobs => |chat| chat.logprobs = Some(2),
        Feature::Choices => |chat| chat.choices = 2,
        Feature::ReasoningEffort => |chat| chat.thinking.effort = Some(Effort::High),
        Feature::CacheKey => |chat| chat.cache_key = Some("k".to_owned()),
        Feature::ServiceTier => |chat| chat.service_tier = Some("default".to_owned()),
        Feature::User => |chat| chat.user = Some("u".to_owned()),
        Feature::Metadata => |chat| chat.metadata = vec![("a".to_owned(), "b".to_owned())],
        Feature::Verbosity => |chat| chat.verbosity = Some("low".to_owned()),
        _ => return None,
    })
}

/// A question with `more` in it, and a tool.
fn said(more: Vec<Part>) -> Chat {
    said_by(Role::User, [vec![Part::text("Hi")], more].concat())
}

fn said_by(role: Role, parts: Vec<Part>) -> Chat {
    let question = Message { role: Role::User, name: None, parts: vec![Part::text("Hi")] };
    let call = ToolCall { id: "c1".to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() };
    let called = Message { role: Role::Assistant, name: None, parts: vec![Part::new(Content::ToolCall(call))] };
    let answers = parts.iter().any(|part| matches!(part.content, Content::ToolResult(_)));
    let last = Message { role, name: None, parts };
    let messages = if answers { vec![question, called, last] } else { vec![question, last] };
    let tool = Tool { name: "f".to_owned(), description: None, parameters: None, strict: None, cache: None };
    Chat { messages, tools: vec![tool], ..Chat::default() }
}

fn result(failed: bool, parts: Vec<Part>) -> Vec<Part> {
    vec![Part::new(Content::ToolResult(ToolResult { id: "c1".to_owned(), name: Some("f".to_owned()), failed, parts }))]
}

/// An answer with a thought before it, and one without.
fn thought(maker: Option<&str>) -> (Chat, Chat) {
    let seal = maker.map(|maker| Seal { maker: maker.to_owned(), data: "U2Vh".to_owned(), hidden: false });
    let thought = Part::new(Content::Reasoning(Reasoned { text: "Hm.".to_owned(), seal }));
    let answer = |parts| said_by(Role::Assistant, parts);
    (answer(vec![thought, Part::text("Yes.")]), answer(vec![Part::text("Yes.")]))
}

fn inline(media_type: &str) -> Source {
    Source::Inline { media_type: media_type.to_owned(), base64: Bytes::from_static(b"aGk=") }
}

fn url() -> Source {
    Source::Url("https://h/a".to_owned())
}
