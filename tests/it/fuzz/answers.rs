//! Answers of providers, on their way to clients of each dialect.

use super::{config, corpus::seeds, mutate::mutants, providers};
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use serde::de::IgnoredAny;
use std::sync::Arc;
use weighbridge::dialect::{self, About, AnswerEncoder};
use weighbridge::model::{Api, ChatEvent};
use weighbridge::providers::codec::{Codec, Decoded, Framing};
use weighbridge::providers::{Provider, Seen};
use weighbridge::sse::{AwsScanner, SseEvent, SseScanner};

const DIALECTS: [Api; 4] = [Api::ChatCompletions, Api::Responses, Api::Messages, Api::Generate];
const LONGEST: usize = 1 << 20;

fn encoder(api: Api, stream: bool) -> Box<dyn AnswerEncoder> {
    let about = About {
        id: Arc::from("1"),
        model: Arc::from("m"),
        created_s: 0,
        include_usage: true,
        request: Bytes::from_static(
            b"{\n  \"model\": \"m\",\r\n  \"input\": \"hi\", \"metadata\": {\n\"a\": \"b\"\n}, \"tools\": [\n]\n}",
        ),
    };
    dialect::encoder(api, stream, about).expect("a conversation")
}

/// The events of `bytes`, cut at `cut`.
fn events(framing: Framing, bytes: &[u8], cut: usize) -> Vec<SseEvent> {
    let (first, second) = bytes.split_at(cut.min(bytes.len()));
    let mut events = Vec::new();
    let pieces = [first, second].map(Bytes::copy_from_slice);
    match framing {
        Framing::Sse => {
            let mut scanner = SseScanner::new(LONGEST);
            let whole = pieces.iter().all(|piece| scanner.push(piece, &mut events).is_ok());
            events.extend(scanner.finish().filter(|_| whole));
        }
        Framing::Aws => {
            let mut scanner = AwsScanner::new(LONGEST);
            let whole = pieces.iter().all(|piece| scanner.push(piece, &mut events).is_ok());
            events.extend(scanner.finish().filter(|_| whole));
        }
    }
    events
}

/// What a decoder makes of `events`, up to the first that is not more of the answer.
fn told(codec: &dyn Codec, events: &[SseEvent]) -> (Vec<ChatEvent<'static>>, bool) {
    let (mut decoder, mut told) = (codec.decoder(), Vec::new());
    for event in events.iter().filter(|event| event.has_data) {
        match decoder.event(event, &mut |event| told.push(event.into_owned())) {
            Decoded::More => {}
            Decoded::End => return (told, true),
            Decoded::Error(error) => {
                assert!((400..600).contains(&error.status), "{error:?} is an error");
                return (told, false);
            }
            Decoded::Garbage(_) | Decoded::Odd(_) => return (told, false),
        }
    }
    let whole = decoder.may_end();
    (told, whole)
}

/// What `api`'s SDKs read of `told`: each event valid, whole or not.
fn valid(api: Api, told: &[ChatEvent<'_>]) {
    let (mut stream, mut out) = (encoder(api, true), BytesMut::new());
    told.iter().for_each(|event| stream.event(event, &mut out));
    let marker = stream.end(&mut out);
    assert!(marker <= out.len(), "{api}: the end marker is a part of what was written");
    let mut events = Vec::new();
    let mut scanner = SseScanner::new(usize::MAX);
    scanner.push(&out.clone().freeze(), &mut events).expect("no event is too long");
    assert!(scanner.finish().is_none(), "{api}: each event is finished: {out:?}");
    for event in events.iter().filter(|event| event.has_data && event.data.as_ref() != b"[DONE]") {
        let json = serde_json::from_slice::<IgnoredAny>(&event.data);
        assert!(json.is_ok(), "{api}: {json:?}: {:?}", event.data);
    }
    let (mut whole, mut out) = (encoder(api, false), BytesMut::new());
    told.iter().for_each(|event| whole.event(event, &mut out));
    assert!(out.is_empty(), "{api}: a whole answer is written at its end");
    whole.end(&mut out);
    let json = serde_json::from_slice::<IgnoredAny>(&out);
    assert!(json.is_ok(), "{api}: {json:?}: {out:?}");
}

/// Lines of `name JSON` as messages of Amazon's event stream.
fn framed(lines: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let at = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len().min(200));
        let (name, payload) = line.split_at(at);
        let mut headers = Vec::new();
        for (key, value) in [(&b":message-type"[..], &b"event"[..]), (b":event-type", name)] {
            headers.push(u8::try_from(key.len()).expect("short"));
            headers.extend_from_slice(key);
            headers.push(7);
            headers.extend_from_slice(&u16::try_from(value.len()).expect("short").to_be_bytes());
            headers.extend_from_slice(value);
        }
        let total = u32::try_from(16 + headers.len() + payload.len()).expect("short");
        let start = out.len();
        out.extend_from_slice(&total.to_be_bytes());
        out.extend_from_slice(&u32::try_from(headers.len()).expect("short").to_be_bytes());
        out.extend_from_slice(&crc32fast::hash(&out[start..]).to_be_bytes());
        out.extend_from_slice(&headers);
        out.extend_from_slice(payload);
        out.extend_from_slice(&crc32fast::hash(&out[start..]).to_be_bytes());
    }
    out
}

/// `kinds`: none means every kind.
fn fuzz(kinds: &[&str], words: &[&str], ends: &[&str], check: fn(&dyn Provider, &[u8], usize)) {
    let wanted = |provider: &Arc<dyn Provider>| kinds.is_empty() || kinds.contains(&provider.kind());
    let providers: Vec<_> = providers().into_iter().filter(wanted).collect();
    assert!(!providers.is_empty(), "{kinds:?}");
    let cases = (mutants(seeds(words, ends)), any::<u16>());
    let run = proptest::test_runner::TestRunner::new(config(300)).run(&cases, |(bytes, cut)| {
        providers.iter().for_each(|provider| check(provider.as_ref(), &bytes, usize::from(cut)));
        Ok(())
    });
    run.unwrap_or_else(|why| panic!("{kinds:?}: {why}"));
}

/// Where the network cuts does not matter, nothing panics, and each dialect's clients read valid events.
fn stream(provider: &dyn Provider, bytes: &[u8], cut: usize) {
    let codec = provider.codec().expect("it translates");
    let whole = told(codec, &events(codec.framing(), bytes, bytes.len()));
    let in_two = told(codec, &events(codec.framing(), bytes, cut % (bytes.len() + 1)));
    assert_eq!(whole, in_two, "{}: cut at {}", provider.kind(), cut % (bytes.len() + 1));
    DIALECTS.iter().for_each(|api| valid(*api, &whole.0));
    if let Some(api) = codec.native() {
        passes(provider, api, bytes);
    }
}

/// What passes through is read by another reader: it strips only what is there.
fn passes(provider: &dyn Provider, api: Api, bytes: &[u8]) {
    let mut reader = provider.stream_reader(api, true);
    for event in events(Framing::Sse, bytes, bytes.len()).iter().filter(|event| event.has_data) {
        match reader.event(event) {
            Seen::Quiet { strip: Some(strip) } | Seen::Output { strip: Some(strip) } => {
                assert!(strip.start <= strip.end && strip.end <= event.data.len(), "{strip:?} of {event:?}");
            }
            Seen::End | Seen::Error(_) | Seen::Garbage(_) => break,
            Seen::Quiet { .. } | Seen::Output { .. } | Seen::Hidden => {}
        }
    }
}

/// A whole answer is read or is garbage, and each dialect's clients read valid JSON.
fn whole(provider: &dyn Provider, bytes: &[u8], _cut: usize) {
    let codec = provider.codec().expect("it translates");
    let mut told = Vec::new();
    let read = codec.decode_whole(bytes, &mut |event| told.push(event.into_owned()));
    if read.is_ok() {
        DIALECTS.iter().for_each(|api| valid(*api, &told));
    }
    for api in Api::ALL.into_iter().filter(|api| provider.speaks(*api)) {
        let _ = provider.read_whole(api, bytes);
        provider.output_of_whole(api, bytes);
    }
    let _ = provider.error_message(bytes);
    let text = String::from_utf8_lossy(bytes);
    provider.masked(&text);
    let status = provider.refusal_status(400, bytes);
    assert!((400..600).contains(&status), "{status}");
}

#[test]
fn streams_of_chat_completions() {
    fuzz(&["openai", "azure", "mistral"], &["openai/fixtures/chat", "openai/fixtures/compl"], &[".sse"], stream);
}

#[test]
fn streams_of_responses() {
    fuzz(
        &["openai"],
        &["openai/fixtures/responses", "codec_responses/fixtures", "dialect/responses"],
        &[".sse"],
        stream,
    );
}

#[test]
fn streams_of_messages() {
    fuzz(&["anthropic"], &["anthropic", "dialect/messages"], &[".sse"], stream);
}

#[test]
fn streams_of_generate_content() {
    fuzz(&["gemini"], &["gemini"], &[".sse"], stream);
}

#[test]
fn streams_of_converse() {
    fuzz(&["bedrock"], &["bedrock/fixtures/stream"], &[".txt"], |provider, lines, cut| {
        stream(provider, &framed(lines), cut);
    });
}

#[test]
fn whole_answers_and_errors_of_every_kind() {
    fuzz(&[], &["providers/", "dialect/", "corpora/"], &[".json"], whole);
}
