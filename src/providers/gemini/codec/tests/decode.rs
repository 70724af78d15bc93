//! Answers.

use crate::{
    model::{ChatEvent, Citation, Finish, Seal, Usage},
    providers::{
        Reading, Seen, StreamReader, UpstreamError,
        codec::{Codec, Decoded, Metered, StreamDecoder},
        gemini::codec::Generate,
        mask::Key,
    },
    sse::{SseEvent, SseScanner},
};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

type Told = Vec<ChatEvent<'static>>;

fn codec() -> Generate {
    Generate::new(Key::new(None))
}

fn events(stream: &[u8]) -> Vec<SseEvent> {
    let mut out = Vec::new();
    SseScanner::new(1 << 20).push(&Bytes::copy_from_slice(stream), &mut out).expect("short");
    out
}

fn read(stream: &[u8]) -> (Told, Vec<Decoded>, Box<dyn StreamDecoder>) {
    let (mut told, mut decoder) = (Vec::new(), codec().decoder());
    let mut take = |event: ChatEvent<'_>| told.push(event.into_owned());
    let decoded = events(stream).iter().map(|event| decoder.event(event, &mut take)).collect();
    (told, decoded, decoder)
}

fn stream(data: &[Value]) -> (Told, Vec<Decoded>, Box<dyn StreamDecoder>) {
    let text: String = data.iter().map(|data| format!("data: {data}\r\n\r\n")).collect();
    read(text.as_bytes())
}

fn whole(body: &Value) -> (Told, Reading) {
    let mut told = Vec::new();
    let reading = codec().decode_whole(body.to_string().as_bytes(), &mut |event| told.push(event.into_owned()));
    (told, reading.expect("an answer"))
}

fn start(id: &str) -> ChatEvent<'_> {
    ChatEvent::Start { id: (!id.is_empty()).then(|| id.into()) }
}

fn text(choice: u32, text: &str) -> ChatEvent<'_> {
    ChatEvent::Text { choice, text: text.into() }
}

fn called<'a>(call: u32, id: &'a str, name: &'a str) -> ChatEvent<'a> {
    ChatEvent::ToolStart { choice: 0, call, id: id.into(), name: name.into() }
}

fn arguments(call: u32, json: &str) -> ChatEvent<'_> {
    ChatEvent::ToolArguments { choice: 0, call, json: json.into() }
}

fn finish(choice: u32, reason: Finish) -> ChatEvent<'static> {
    ChatEvent::Finish { choice, reason, stop: None }
}

fn sealed(data: &str, hidden: bool) -> ChatEvent<'static> {
    ChatEvent::Sealed { choice: 0, seal: Seal { maker: "gemini".to_owned(), data: data.to_owned(), hidden } }
}

fn used(usage: Usage) -> ChatEvent<'static> {
    ChatEvent::Usage { usage, tier: None }
}

const STREAM: &[u8] = include_bytes!("../fixtures/stream.sse");

#[test]
fn a_stream_is_told_event_by_event() {
    let (told, decoded, decoder) = read(STREAM);
    let usage =
        |input, output| Usage { input, cache_read: 60, audio_input: 10, output, reasoning: 9, ..Usage::default() };
    let want = [
        start("Qx1"),
        ChatEvent::Reasoning { choice: 0, text: "I should look.".into() },
        used(usage(30, 0)),
        text(0, "Okay, é"),
        used(usage(30, 3)),
        sealed("Sig1", false),
        called(0, "call_Qx1_0", "get_weather"),
        arguments(0, r#"{"location": "Paris"}"#),
        called(1, "own", "get_time"),
        arguments(1, "{}"),
        sealed("Sig2", true),
        finish(0, Finish::ToolCalls),
        used(usage(37, 25)),
    ];
    assert_eq!(told, want);
    assert_eq!(decoded, vec![Decoded::More; 4]);
    assert!(decoder.may_end() && decoder.reading().complete && !decoder.reading().inconsistent);
    assert!(!read(&STREAM[..STREAM.len() / 2]).2.may_end(), "a cut stream has no end");
}

#[test]
fn several_answers_are_told_apart() {
    let piece =
        |index: u32, text: &str| json!({"candidates": [{"index": index, "content": {"parts": [{"text": text}]}}]});
    let over = |index: u32| json!({"candidates": [{"index": index, "finishReason": "MAX_TOKENS"}]});
    let (told, _, decoder) = stream(&[piece(0, "a"), piece(1, "b"), over(0), over(0)]);
    assert_eq!(told, [start(""), text(0, "a"), text(1, "b"), finish(0, Finish::Length)]);
    assert!(!decoder.may_end(), "the second goes on");
    assert!(stream(&[piece(0, "a"), piece(1, "b"), over(0), over(1)]).2.may_end());
}

#[test]
fn a_whole_answer_is_told_in_the_same_words() {
    let (told, reading) = whole(&json!({"responseId": "r", "candidates": [{"content": {"role": "model", "parts": [
        {"text": "Yes."},
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}}]},
        "finishReason": "STOP",
        "citationMetadata": {"citationSources": [{"startIndex": 0, "uri": "https://c"}]},
        "groundingMetadata": {
            "groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}, {"web": {"uri": "https://b", "title": "B"}}],
            "groundingSupports": [{"segment": {"endIndex": 4, "text": "Yes."}, "groundingChunkIndices": [1, 7]}]},
        "logprobsResult": {"chosenCandidates": [{"token": "Yes", "logProbability": -0.5}],
            "topCandidates": [{"candidates": [{"token": "Yes", "logProbability": -0.5}]}]}}],
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 2, "totalTokenCount": 6}}));
    let some = |text: &str| Some(text.to_owned());
    let cited =
        |url, title, quote| ChatEvent::Citation { choice: 0, citation: Citation { url, title, quote, document: None } };
    let token = r#"{"token":"Yes","logprob":-0.5,"bytes":[89,101,115]"#;
    let usage = Usage { input: 4, output: 2, ..Usage::default() };
    let want = [
        start("r"),
        text(0, "Yes."),
        ChatEvent::Media { choice: 0, media_type: "image/png".into(), base64: "aGk=".into() },
        cited(some("https://b"), some("B"), some("Yes.")),
        cited(some("https://c"), None, None),
        ChatEvent::Logprobs { choice: 0, json: format!(r#"[{token},"top_logprobs":[{token}}}]}}]"#).into() },
        finish(0, Finish::Stop),
        used(usage),
    ];
    assert_eq!(told, want);
    assert_eq!((reading.usage, reading.complete), (Some(usage), true));
    for body in ["", "<html>", "{}", r#"{"candidates":[]}"#, r#"{"error":{"code":400}}"#, r#"[{"error":{"code":400}}]"#]
    {
        assert!(codec().decode_whole(body.as_bytes(), &mut |_| {}).is_err(), "{body}");
    }
}

#[test]
fn the_answers_own_tool_is_text() {
    let answer = json!({"candidates": [{"finishReason": "STOP",
        "content": {"parts": [{"functionCall": {"name": "wb_json_answer", "args": {"x":1}}}]}}]});
    assert_eq!(whole(&answer).0, [start(""), text(0, r#"{"x":1}"#), finish(0, Finish::Stop)]);
}

#[test]
fn each_finish_reason_has_its_word() {
    let cases = [
        ("STOP", Finish::Stop),
        ("MAX_TOKENS", Finish::Length),
        ("SAFETY", Finish::ContentFilter),
        ("RECITATION", Finish::ContentFilter),
        ("BLOCKLIST", Finish::ContentFilter),
        ("PROHIBITED_CONTENT", Finish::ContentFilter),
        ("SPII", Finish::ContentFilter),
        ("WHAT_IS_YET_TO_COME", Finish::Stop),
    ];
    for (word, want) in cases {
        let told = whole(&json!({"candidates": [{"finishReason": word}]})).0;
        assert_eq!(told, [start(""), finish(0, want)], "{word}");
    }
    let unspecified = json!({"candidates": [{"finishReason": "FINISH_REASON_UNSPECIFIED"}]});
    assert!(!stream(&[unspecified]).2.may_end());
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4}});
    let want = [start(""), finish(0, Finish::ContentFilter), used(Usage { input: 4, ..Usage::default() })];
    assert_eq!(whole(&blocked).0, want);
    let (told, _, decoder) = stream(&[blocked]);
    assert!(told == want && decoder.may_end());
}

#[test]
fn usage_is_split_into_classes() {
    let of = |input, output| Usage { input, output, ..Usage::default() };
    let cases = [
        ("both", json!({"promptTokenCount": 5, "candidatesTokenCount": 2}), Some(of(5, 2)), None, false),
        ("input only", json!({"promptTokenCount": 5}), None, Some(of(5, 0)), false),
        ("nothing left for output", json!({"promptTokenCount": 5, "totalTokenCount": 5}), Some(of(5, 0)), None, false),
        (
            "thoughts up to the cap",
            json!({"promptTokenCount": 5, "thoughtsTokenCount": 9, "totalTokenCount": 14}),
            Some(Usage { reasoning: 9, ..of(5, 0) }),
            None,
            false,
        ),
        (
            "more cached than there is",
            json!({"promptTokenCount": 5, "cachedContentTokenCount": 7, "candidatesTokenCount": 1}),
            Some(Usage { cache_read: 5, ..of(0, 1) }),
            None,
            true,
        ),
        (
            "spoken",
            json!({"promptTokenCount": 5, "candidatesTokenCount": 7, "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 6}]}),
            Some(Usage { audio_output: 6, ..of(5, 1) }),
            None,
            false,
        ),
        ("absurd", json!({"promptTokenCount": -5, "candidatesTokenCount": 7}), None, None, true),
    ];
    for (name, figures, usage, partial, inconsistent) in cases {
        let reading = whole(&json!({"candidates": [{"finishReason": "STOP"}], "usageMetadata": figures})).1;
        assert_eq!((reading.usage, reading.partial, reading.inconsistent), (usage, partial, inconsistent), "{name}");
    }
}

#[test]
fn errors_are_found_in_each_shape() {
    let error = json!({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}});
    for data in [error.clone(), json!([error])] {
        let decoded = stream(&[data]).1;
        let [Decoded::Error(error)] = &decoded[..] else { panic!("an error: {decoded:?}") };
        assert_eq!((error.status, error.message.as_str()), (503, "The model is overloaded."));
    }
    assert!(matches!(read(b"data: <html>\n\n").1[..], [Decoded::Garbage(_)]));
}

#[test]
fn an_event_of_an_odd_shape_is_not_skipped_unless_it_passes_through() {
    let odd =
        [json!({"candidates": 7}), json!(["x"]), json!("x"), json!({"candidates": [{"content": {"parts": "a"}}]})];
    let (told, decoded, _) = stream(&odd);
    assert!(told.is_empty() && decoded.iter().all(|decoded| matches!(decoded, Decoded::Odd(_))), "{decoded:?}");
    let text: String = odd.iter().map(|data| format!("data: {data}\n\n")).collect();
    let mut reader = Metered::new(codec().passing_decoder());
    for event in events(text.as_bytes()) {
        assert_eq!(reader.event(&event), Seen::Output { strip: None });
    }
}

#[test]
fn a_spoilt_answer_is_an_error_unless_it_passes_through() {
    let ended = |word: &str, parts: Value| json!({"candidates": [{"finishReason": word, "content": {"parts": parts}}]});
    let text = json!([{"text": "a"}]);
    let cases = [
        ("MALFORMED_FUNCTION_CALL", json!([]), true),
        ("MALFORMED_FUNCTION_CALL", text.clone(), true),
        ("UNEXPECTED_TOOL_CALL", text.clone(), true),
        ("OTHER", json!([{"text": "a", "thought": true}]), true),
        ("OTHER", text, false),
    ];
    for (word, parts, spoilt) in cases {
        let answer = ended(word, parts);
        let message = format!("the provider ended the answer with `{word}`");
        let body = answer.to_string();
        let whole = codec().decode_whole(body.as_bytes(), &mut |_| {}).err().map(|garbage| garbage.why);
        assert_eq!(whole, spoilt.then(|| message.clone()), "{word}");
        let (_, decoded, decoder) = stream(std::slice::from_ref(&answer));
        let want = if spoilt { Decoded::Error(UpstreamError { status: 502, message }) } else { Decoded::More };
        assert_eq!((decoded, decoder.may_end()), (vec![want], true), "{word}");
        assert!(codec().read_passing(body.as_bytes(), &mut |_| {}).is_ok());
        let mut reader = Metered::new(codec().passing_decoder());
        for event in events(format!("data: {body}\n\n").as_bytes()) {
            assert!(matches!(reader.event(&event), Seen::Output { .. } | Seen::Quiet { .. }), "{word}");
        }
    }
}

#[test]
fn more_choices_or_calls_than_are_kept_apart_are_refused() {
    let choices = |count: u32| json!({"candidates": (0..count).map(|n| json!({"index": n})).collect::<Vec<_>>()});
    let calls = |count| {
        json!({"candidates": [{"content": {"parts": vec![json!({"functionCall": {"name": "f"}}); count]}}],
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 2}})
    };
    let cases = [
        (choices(128), None),
        (choices(129), Some("it has more than 128 choices")),
        (calls(1_024), None),
        (calls(1_025), Some("an answer has more than 1024 tool calls")),
    ];
    for (answer, want) in cases {
        let whole = codec().decode_whole(answer.to_string().as_bytes(), &mut |_| {});
        assert_eq!(whole.err().map(|garbage| garbage.why).as_deref(), want);
        let why = match stream(&[answer]).1.pop() {
            Some(Decoded::Garbage(garbage)) => Some(garbage.why),
            _ => None,
        };
        assert_eq!(why.as_deref(), want);
    }
    let passed = codec().read_passing(calls(1_025).to_string().as_bytes(), &mut |_| {}).expect("an answer");
    assert_eq!(passed.usage.map(|usage| usage.output), Some(2), "what passes through is metered");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever becomes of the events, reading them ends in no panic, and an answer begins and is over once.
    #[test]
    fn mutilated_streams_do_no_harm(
        order in proptest::collection::vec(0usize..4, 0..12),
        at in 0usize..1400,
        byte in any::<u8>(),
    ) {
        let mut bytes = STREAM.to_vec();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        let events = events(&bytes);
        let (mut told, mut decoder) = (Told::new(), codec().decoder());
        for index in order {
            if let Some(event) = events.get(index) {
                decoder.event(event, &mut |event| told.push(event.into_owned()));
            }
        }
        let starts = told.iter().filter(|event| matches!(event, ChatEvent::Start { .. })).count();
        prop_assert!(starts <= 1 && told.first().is_none_or(|first| matches!(first, ChatEvent::Start { .. })), "one start, first");
        for choice in 0..10 {
            let over = |event: &&ChatEvent<'_>| matches!(event, ChatEvent::Finish { choice: of, .. } if *of == choice);
            prop_assert!(told.iter().filter(over).count() <= 1);
        }
        codec().decode_whole(&bytes, &mut |_| {}).ok();
    }
}
