//! Feature by feature: what is carried is really there, and what is not is left out.

use crate::{
    model::{
        Carry, Chat, Content, Effort, Feature, Format, Json, Message, Part, Reasoned, Role, Sampling, Seal, Source,
        Thinking, Tool, ToolCall, ToolChoice, ToolResult,
    },
    providers::{
        cap::CapField,
        carried::hides_nothing,
        codec::{Codec, Goal},
        mask::Key,
        openai::{
            codec_chat::{ChatCodec, Manner},
            codec_responses::ResponsesCodec,
        },
    },
};
use bytes::Bytes;

fn said(role: Role, contents: Vec<Content>) -> Message {
    Message { role, name: None, parts: contents.into_iter().map(Part::new).collect() }
}

fn user(content: Content) -> Chat {
    Chat { messages: vec![said(Role::User, vec![content])], ..Chat::default() }
}

fn inline(media_type: &str, base64: &'static [u8]) -> Source {
    Source::Inline { media_type: media_type.to_owned(), base64: Bytes::from_static(base64) }
}

fn with_tool() -> Chat {
    let tool = Tool { name: "f".to_owned(), description: None, parameters: None, strict: None, cache: None };
    Chat { tools: vec![tool], ..Chat::default() }
}

fn sampling(sampling: Sampling) -> Chat {
    Chat { sampling, ..Chat::default() }
}

fn after_a_call(result: ToolResult) -> Chat {
    let call = ToolCall { id: "c".to_owned(), name: "f".to_owned(), arguments: String::new() };
    let turns = vec![
        said(Role::Assistant, vec![Content::ToolCall(call)]),
        said(Role::User, vec![Content::ToolResult(ToolResult { id: "c".to_owned(), ..result })]),
    ];
    Chat { messages: turns, ..Chat::default() }
}

fn thought(text: &str, seal: Option<Seal>) -> Chat {
    let thought = Content::Reasoning(Reasoned { text: text.to_owned(), seal });
    let turn = said(Role::Assistant, vec![thought, Content::Text("x".to_owned())]);
    Chat { messages: vec![turn], ..Chat::default() }
}

/// A conversation that uses `feature`, and what then stands in the body wherever it is carried. `None`: the vocabulary
/// has no word for it.
fn with(feature: Feature) -> Option<(Chat, &'static str)> {
    in_turns(feature).or_else(|| in_options(feature))
}

/// What stands in turns.
fn in_turns(feature: Feature) -> Option<(Chat, &'static str)> {
    Some(match feature {
        Feature::ImageInline => (
            user(Content::Image { source: inline("image/png", b"iVBOR0"), detail: None }),
            "data:image/png;base64,iVBOR0",
        ),
        Feature::ImageUrl => {
            (user(Content::Image { source: Source::Url("https://h/p".to_owned()), detail: None }), r#""https://h/p""#)
        }
        Feature::VideoInput => {
            (user(Content::Video { source: inline("video/mp4", b"AAAAIG") }), "data:video/mp4;base64,AAAAIG")
        }
        Feature::DocumentInline => {
            let source = inline("application/pdf", b"JVBERi");
            (user(Content::Document { source, name: None }), "data:application/pdf;base64,JVBERi")
        }
        Feature::DocumentUrl => {
            let source = Source::Url("https://h/d".to_owned());
            (user(Content::Document { source, name: None }), r#""https://h/d""#)
        }
        Feature::FileId => {
            (user(Content::Document { source: Source::File("file-1".to_owned()), name: None }), "file-1")
        }
        Feature::AudioInput => (user(Content::Audio { source: inline("audio/wav", b"UklGR") }), "UklGR"),
        Feature::RichToolResult => {
            let picture = Content::Image { source: inline("image/png", b"iVBOR0"), detail: None };
            (after_a_call(ToolResult { parts: vec![Part::new(picture)], ..ToolResult::default() }), "iVBOR0")
        }
        Feature::FailedToolResult => (after_a_call(ToolResult { failed: true, ..ToolResult::default() }), "fail"),
        Feature::SealedReasoning => {
            let seal = Seal { maker: "openai".to_owned(), data: "gAAAA".to_owned(), hidden: true };
            (thought("", Some(seal)), r#""encrypted_content":"gAAAA""#)
        }
        Feature::PlainReasoning => (thought("let me see", None), r#""reasoning_content":"let me see""#),
        Feature::ParticipantName => {
            let turn =
                Message { name: Some("Ann".to_owned()), ..said(Role::User, vec![Content::Text("x".to_owned())]) };
            (Chat { messages: vec![turn], ..Chat::default() }, r#""name":"Ann""#)
        }
        Feature::ImageDetail => {
            let source = Source::Url("https://h/p".to_owned());
            (user(Content::Image { source, detail: Some("low".to_owned()) }), r#""detail":"low""#)
        }
        _ => return None,
    })
}

/// What stands beside them.
fn in_options(feature: Feature) -> Option<(Chat, &'static str)> {
    Some(match feature {
        Feature::ForcedTool => {
            (Chat { tool_choice: Some(ToolChoice::Required), ..with_tool() }, r#""tool_choice":"required""#)
        }
        Feature::ParallelToolControl => {
            (Chat { parallel_tool_calls: Some(false), ..with_tool() }, r#""parallel_tool_calls":false"#)
        }
        Feature::StrictTool => {
            let mut chat = with_tool();
            chat.tools[0].strict = Some(true);
            (chat, r#""strict":true"#)
        }
        Feature::JsonObject => (Chat { format: Format::Json, ..Chat::default() }, r#"{"type":"json_object"}"#),
        Feature::JsonSchema => {
            let schema = Json::new(r#"{"type":"null"}"#).expect("JSON");
            let format = Format::Schema { name: "n".to_owned(), description: None, schema, strict: None };
            (Chat { format, ..Chat::default() }, r#""name":"n","schema":{"type":"null"}"#)
        }
        Feature::Temperature => {
            (sampling(Sampling { temperature: Some(0.5), ..Sampling::default() }), r#""temperature":0.5"#)
        }
        Feature::TopP => (sampling(Sampling { top_p: Some(0.5), ..Sampling::default() }), r#""top_p":0.5"#),
        Feature::TopK => (sampling(Sampling { top_k: Some(5), ..Sampling::default() }), "top_k"),
        Feature::Penalties => {
            (sampling(Sampling { presence_penalty: Some(0.5), ..Sampling::default() }), r#""presence_penalty":0.5"#)
        }
        Feature::Seed => (sampling(Sampling { seed: Some(-7), ..Sampling::default() }), r#"seed":-7"#),
        Feature::LogitBias => {
            let bias = Json::new(r#"{"50256":-100}"#);
            (sampling(Sampling { logit_bias: bias, ..Sampling::default() }), r#""logit_bias":{"50256":-100}"#)
        }
        Feature::StopSequences => (Chat { stop: vec!["END".to_owned()], ..Chat::default() }, r#""stop":["END"]"#),
        Feature::Logprobs => (Chat { logprobs: Some(3), ..Chat::default() }, r#""top_logprobs":3"#),
        Feature::Choices => (Chat { choices: 3, ..Chat::default() }, r#""n":3"#),
        Feature::ReasoningEffort => {
            let thinking = Thinking { effort: Some(Effort::High), ..Thinking::default() };
            (Chat { thinking, ..Chat::default() }, r#"effort":"high""#)
        }
        Feature::CacheKey => {
            (Chat { cache_key: Some("k1".to_owned()), ..Chat::default() }, r#""prompt_cache_key":"k1""#)
        }
        Feature::ServiceTier => {
            (Chat { service_tier: Some("flex".to_owned()), ..Chat::default() }, r#""service_tier":"flex""#)
        }
        // A decoder makes a function of it, which is all that a codec sees.
        Feature::CustomTool => (with_tool(), r#""name":"f""#),
        Feature::User => (Chat { user: Some("u1".to_owned()), ..Chat::default() }, r#""user":"u1""#),
        Feature::Metadata => {
            (Chat { metadata: vec![("a".to_owned(), "b".to_owned())], ..Chat::default() }, r#""metadata":{"a":"b"}"#)
        }
        Feature::Verbosity => (Chat { verbosity: Some("low".to_owned()), ..Chat::default() }, r#""verbosity":"low""#),
        _ => return None,
    })
}

/// Holds `codec` to what it says of itself.
pub(in crate::providers) fn check(codec: &dyn Codec) {
    let to = Goal { model: "m", cap: None, most_output: None };
    for feature in Feature::ALL {
        let carried = codec.carries(feature, to.model) != Carry::No;
        let Some((chat, probe)) = with(feature) else {
            assert!(!carried, "{feature:?} has no word, so that {} cannot carry it", codec.api());
            continue;
        };
        let body = codec.encode(&chat, &to);
        let body = std::str::from_utf8(&body).expect("it is UTF-8");
        serde_json::from_str::<serde_json::Value>(body).expect("it is JSON");
        assert_eq!(body.contains(probe), carried, "{feature:?} at {codec:?}: {body}");
    }
    hides_nothing(codec, "m");
}

#[test]
fn what_is_carried_is_there_and_nothing_else() {
    let key = Key::new(None);
    for manner in [Manner::OPENAI, Manner::OTHERS] {
        check(&ChatCodec { manner, cap: CapField::Newer, key: key.clone() });
    }
    check(&ResponsesCodec { key });
}
