//! Streams: what is told piece by piece is what is told whole.

use super::{letter, lines, said};
use crate::{
    dialect::{
        About, encoder,
        view::{Events, decoded, walk::hash},
    },
    model::{Api, Channel, ChatEvent, Citation, EventView, Finish, Form, Growth, Piece, Seal, Usage},
    sse::{SseEvent, SseScanner},
};
use bytes::{Bytes, BytesMut};
use std::collections::BTreeMap;

pub(super) fn events_of(stream: &[u8]) -> Vec<SseEvent> {
    let (mut scanner, mut events) = (SseScanner::new(1 << 20), Vec::new());
    scanner.push(&Bytes::copy_from_slice(stream), &mut events).expect("events are short");
    events.retain(|event| event.has_data);
    events
}

pub(super) fn look(events: &mut Events, event: &SseEvent) -> EventView {
    events.event(std::str::from_utf8(&event.name).ok().filter(|name| !name.is_empty()), &event.data)
}

fn channel(channel: Channel) -> String {
    format!("{}.{}.{}", channel >> 48, (channel >> 32) & 0xff, channel & 0xffff_ffff)
}

/// One line an event: what grows where (`0.1.0+a~Hi`), what is told whole (`=a~Hi`), what closes (`!0.1.0`), the end.
fn trace(api: Api, stream: &str) -> Vec<String> {
    let mut events = Events::new(api);
    let line = |event: &SseEvent| {
        let view = look(&mut events, event);
        let mut line = Vec::new();
        for Piece { at, form, speech, growth } in &view.pieces {
            let place = match growth {
                Growth::Delta(at) => format!("{}+", channel(*at)),
                Growth::Whole => "=".to_owned(),
            };
            let form_name = if *form == Form::Plain { "plain " } else { "" };
            line.push(format!("{place}{}~{form_name}{}", letter(*speech), decoded(*form, &event.data[at.clone()])));
        }
        line.extend(view.closes.iter().map(|closed| format!("!{}", channel(*closed))));
        line.extend(view.sequence.map(|at| format!("#{}", String::from_utf8_lossy(&event.data[at]))));
        line.extend(view.echoes.iter().map(|at| format!("echo {}", String::from_utf8_lossy(&event.data[at.clone()]))));
        line.extend(view.closes_all.then(|| "end".to_owned()));
        line.join(" ")
    };
    events_of(stream.as_bytes()).iter().map(line).collect()
}

#[test]
fn a_chat_grows_by_choice_kind_and_call() {
    let stream = r#"data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}]}

data: {"id":"c","choices":[{"delta":{"reasoning_content":"Hm"},"index":0,"finish_reason":null}]}

data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi \u00e9"},"logprobs":{"content":[1]}}],"obfuscation":"secret"}

data: {"id":"c","choices":[{"index":1,"delta":{"refusal":"No"}},{"index":0,"delta":{"content":"!"}}]}

data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":""}},{"function":{"arguments":"{\"a\""},"index":1}]}}]}

data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}},{"index":2,"custom":{"input":"ls"}}]}}]}

data: {"id":"c","choices":[{"index":0,"delta":{"reasoning":"So","reasoning_details":[{"type":"reasoning.text","text":"So","index":3},{"type":"reasoning.encrypted","data":"gAAA"}]}}]}

data: {"id":"c","choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"mm"}]},{"type":"text","text":"so"}],"function_call":{"arguments":"{"},"audio":{"id":"a","data":"SUQz","transcript":"Hi"},"new":"??"}}]}

data: {"id":"c","choices":[{"index":0,"delta":{"content":"."},"finish_reason":"stop"}]}

data: {"id":"c","choices":[],"usage":{"prompt_tokens":1}}

data: [DONE]

"#;
    let new = hash(b"new");
    assert_eq!(
        trace(Api::ChatCompletions, stream),
        [
            String::new(),
            "0.3.0+r~Hm".to_owned(),
            r#"0.1.0+a~Hi é echo {"content":[1]}"#.to_owned(),
            "1.2.0+x~No 0.1.0+a~!".to_owned(),
            r#"0.7.1+c~{"a""#.to_owned(),
            "0.7.0+c~{} 0.8.2+c~ls".to_owned(),
            "0.4.0+r~So 0.5.3+r~So".to_owned(),
            format!("0.3.0+r~mm 0.1.0+a~so 0.9.0+c~{{ 0.11.0+a~Hi 0.13.{new}+a~??"),
            format!("0.1.0+a~. !0.1.0 !0.3.0 !0.4.0 !0.5.3 !0.7.0 !0.7.1 !0.8.2 !0.9.0 !0.11.0 !0.13.{new}"),
            String::new(),
            "end".to_owned(),
        ]
    );
}

#[test]
fn completions_grow_by_choice() {
    let got = trace(Api::Completions, include_str!("../../../providers/openai/fixtures/completions_stream.sse"));
    assert_eq!(got, ["0.1.0+a~This", "0.1.0+a~ is !0.1.0", "", "end"]);
}

#[test]
fn responses_grow_and_are_told_again() {
    let got = trace(Api::Responses, include_str!("../../../providers/openai/fixtures/responses_stream.sse"));
    assert_eq!(
        got,
        [
            "#0",
            "#1",
            "#2",
            "#3",
            "0.1.0+a~Hi #4",
            "0.1.0+a~ there! #5",
            "=a~Hi there! !0.1.0 #6",
            "=a~Hi there! #7",
            "=a~Hi there! #8",
            "=a~Hi there! #9 end",
        ]
    );
    let got =
        trace(Api::Responses, include_str!("../../../providers/openai/codec_responses/fixtures/tools_stream.sse"));
    assert_eq!(
        got,
        [
            "#0",
            "#1",
            "#2",
            "0.6.0+r~First, look. #3",
            "=r~First, look. !0.6.0 #4",
            "0.6.1+r~Then tell. #5",
            "=r~First, look. =r~Then tell. !0.6.1 #6",
            "#7",
            r#"1.7.0+c~{"at": #8"#,
            "1.7.0+c~1} #9",
            r#"=c~{"at":1} !1.7.0 #10"#,
            r#"=c~{"at":1} #11"#,
            "#12",
            "=c~{} #13",
            r#"=c~{"at":1} #14 end"#,
        ]
    );
}

#[test]
fn what_an_item_or_a_part_begins_with_grows() {
    let stream = r#"event: response.output_item.added
data: {"item":{"id":"fc_1","type":"function_call","arguments":"{\"a\":"},"output_index":1,"sequence_number":3,"type":"response.output_item.added"}

data: {"type":"response.function_call_arguments.delta","delta":"1}","output_index":1}

data: {"type":"response.output_item.added","output_index":2,"item":{"type":"message","content":[{"type":"output_text","text":""},{"type":"refusal","refusal":"N"}]}}

data: {"type":"response.refusal.delta","output_index":2,"content_index":1,"delta":"o"}

data: {"type":"response.content_part.added","output_index":2,"content_index":2,"part":{"type":"output_text","text":"W","annotations":[]}}

data: {"type":"response.output_text.delta","output_index":2,"content_index":2,"delta":"ell","logprobs":[{"token":"ell"}]}

data: {"type":"response.output_text.annotation.added","output_index":2,"annotation":{"type":"url_citation","title":"T","url":"https://h"}}

data: {"type":"response.output_item.added","output_index":3,"item":{"type":"web_search_call","action":{"type":"search","query":"q"}}}

data: {"type":"response.code_interpreter_call_code.delta","output_index":4,"delta":"print"}

data: {"type":"response.audio.delta","delta":"SUQz"}

data: {"type":"response.image_generation_call.partial_image","output_index":5,"partial_image_b64":"aGk="}

data: {"type":"response.new_thing.delta","output_index":6,"delta":"??"}

data: {"type":"error","code":"x","message":"y","sequence_number":9}

"#;
    let new = hash(b"new_thing");
    assert_eq!(
        trace(Api::Responses, stream),
        [
            r#"1.7.0+c~{"a": #3"#.to_owned(),
            "1.7.0+c~1}".to_owned(),
            "2.2.1+x~N".to_owned(),
            "2.2.1+x~o".to_owned(),
            "2.1.2+a~W".to_owned(),
            r#"2.1.2+a~ell echo [{"token":"ell"}]"#.to_owned(),
            "=d~T".to_owned(),
            "=c~q".to_owned(),
            "4.10.0+c~print".to_owned(),
            String::new(),
            String::new(),
            format!("6.13.{new}+a~??"),
            "#9 end".to_owned(),
        ]
    );
}

#[test]
fn messages_grow_by_block() {
    let got = trace(Api::Messages, include_str!("../../messages/fixtures/answer.sse"));
    assert_eq!(
        got,
        [
            "",
            "",
            "",
            "0.3.0+r~I should look.",
            "",
            "!0.3.0",
            "",
            "",
            "",
            "2.1.0+a~Okay, é",
            "2.1.0+a~\n\"so\"",
            "!2.1.0",
            "",
            r#"3.7.0+c~{"location":"#,
            r#"3.7.0+c~ "Paris"}"#,
            "!3.7.0",
            "",
            "4.7.0+c~{}",
            "!4.7.0",
            "",
            "end",
        ]
    );
    let stream = r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Hi","citations":[{"cited_text":"q"}]}}

data: {"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"type":"char_location","cited_text":"c","document_title":"t"}}}

data: {"type":"content_block_delta","index":0,"delta":{"type":"new_delta","words":"??"}}

data: {"type":"content_block_start","index":1,"content_block":{"type":"web_search_tool_result","tool_use_id":"s","content":[{"type":"web_search_result","title":"T","url":"https://h"}]}}

data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"f","input":{"a":"b"}}}

data: {"type":"error","error":{"type":"overloaded_error","message":"m"}}

"#;
    let words = hash(b"words");
    assert_eq!(
        trace(Api::Messages, stream),
        [
            "0.1.0+a~Hi =d~q".to_owned(),
            "=d~c =d~t".to_owned(),
            format!("0.13.{words}+a~??"),
            "=d~T".to_owned(),
            r#"=c~{"a":"b"}"#.to_owned(),
            "end".to_owned(),
        ]
    );
}

#[test]
fn candidates_grow_and_their_calls_come_whole() {
    let got = trace(Api::Generate, include_str!("../../../providers/gemini/codec/fixtures/stream.sse"));
    assert_eq!(got, ["0.3.0+r~I should look.", "0.1.0+a~Okay, é", r#"=c~{"location": "Paris"}"#, "!0.1.0 !0.3.0",]);
    let stream = r#"data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","partialArgs":[{"jsonPath":"$.a","stringValue":"Par","willContinue":true}],"willContinue":true}}]},"index":1}]}

data: {"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.a","stringValue":"is"}]}}]},"index":1}]}

data: {"candidates":[{"content":{"parts":[{"executableCode":{"language":"PYTHON","code":"print"}}]},"groundingMetadata":{"groundingSupports":[{"segment":{"text":"Okay"}}]}}]}

data: {"error":{"code":500,"message":"m","status":"INTERNAL"}}

"#;
    let path = hash(b"$.a");
    assert_eq!(
        trace(Api::Generate, stream),
        [
            format!("1.12.{path}+c~Par"),
            format!("1.12.{path}+c~is !1.12.{path}"),
            "=c~print =d~Okay".to_owned(),
            "end".to_owned(),
        ]
    );
}

#[test]
fn of_media_only_transcripts_grow() {
    let got = trace(Api::Transcriptions, include_str!("../../../providers/openai/fixtures/transcription_stream.sse"));
    assert_eq!(
        got,
        [
            r#"0.1.0+a~I echo [{"token":"I","logprob":-0.00007588794,"bytes":[73]}]"#,
            "0.1.0+a~ see",
            "0.1.0+a~ skies of blue.",
            "=a~I see skies of blue. end",
        ]
    );
    let got = trace(Api::Images, include_str!("../../../providers/openai/fixtures/images_stream.sse"));
    assert_eq!(got, ["", "", "end"]);
    let got = trace(Api::Speech, include_str!("../../../providers/openai/fixtures/speech_stream.sse"));
    assert!(got.iter().all(|line| line.is_empty() || line == "end"), "{got:?}");
}

#[test]
fn data_that_cannot_be_read_is_one_text() {
    for api in [Api::ChatCompletions, Api::Responses, Api::Messages, Api::Generate, Api::Transcriptions] {
        for data in ["secret", r#"{"choices":[{"delta":{"content":"secret"#, "\"secret\"", "{} secret"] {
            let got = trace(api, &format!("data: {data}\n\n"));
            assert_eq!(got, [format!("=a~plain {data}")], "{api}");
        }
    }
}

#[test]
fn of_members_that_stand_twice_none_is_passed_over() {
    let cases = [
        (Api::ChatCompletions, r#"{"choices":[{"delta":{"content":"a","content":"b"}}]}"#, "0.1.0+a~a 0.1.0+a~b"),
        (Api::Generate, r#"{"candidates":[{"content":{"parts":[{"text":"a","text":"b"}]}}]}"#, "0.1.0+a~a 0.1.0+a~b"),
    ];
    for (api, data, want) in cases {
        assert_eq!(trace(api, &format!("data: {data}\n\n")), [want], "{api}");
    }
    let cases = [
        (Api::Responses, r#"{"type":"response.output_text.delta","delta":"a","delta":"b"}"#),
        (Api::Messages, r#"{"type":"content_block_delta","delta":{"text":"a"},"delta":{"text":"b"}}"#),
    ];
    for (api, data) in cases {
        assert_eq!(trace(api, &format!("data: {data}\n\n")), [format!("=a~plain {data}")], "{api}");
    }
}

fn about() -> About {
    About { id: "1".into(), model: "m".into(), created_s: 1, include_usage: true, request: Bytes::from_static(b"{}") }
}

/// An answer in the words that all dialects share.
fn told(choices: u32) -> Vec<ChatEvent<'static>> {
    let mut events = vec![ChatEvent::Start { id: None }];
    for choice in 0..choices {
        events.extend([
            ChatEvent::Reasoning { choice, text: "I should ".into() },
            ChatEvent::Reasoning { choice, text: "\"look\".".into() },
            ChatEvent::Sealed { choice, seal: Seal { maker: "anthropic".into(), data: "gAAA".into(), hidden: false } },
            ChatEvent::Text { choice, text: format!("Okay {choice}, ").into() },
            ChatEvent::Text { choice, text: "é\n😀".into() },
            ChatEvent::Logprobs { choice, json: r#"[{"token":"x","logprob":0,"bytes":[],"top_logprobs":[]}]"#.into() },
            ChatEvent::ToolStart { choice, call: 0, id: "c0".into(), name: "f".into() },
            ChatEvent::ToolArguments { choice, call: 0, json: "{\"where\": \"Par".into() },
            ChatEvent::ToolArguments { choice, call: 0, json: "is\", \"n\": [1, 2.50]}".into() },
            ChatEvent::ToolStart { choice, call: 1, id: "c1".into(), name: "g".into() },
            ChatEvent::ToolArguments { choice, call: 1, json: "{\"a\":\"\\u00e9\\\"\"}".into() },
            ChatEvent::Finish { choice, reason: Finish::ToolCalls, stop: None },
        ]);
    }
    events.push(ChatEvent::Usage { usage: Usage::default(), tier: None });
    events
}

fn written(api: Api, stream: bool, events: &[ChatEvent<'_>]) -> BytesMut {
    let mut encoder = encoder(api, stream, about()).expect("it is a conversation");
    let mut out = BytesMut::new();
    events.iter().for_each(|event| encoder.event(event, &mut out));
    encoder.end(&mut out);
    out
}

/// What was said, by who said it: arguments as the JSON that they are, in any order.
#[derive(Debug, Default, PartialEq)]
struct Said {
    texts: BTreeMap<char, String>,
    calls: Vec<String>,
}

impl Said {
    fn add(&mut self, letter: char, text: &str) {
        if letter == 'c' {
            let value: serde_json::Value = serde_json::from_str(text).expect("arguments are JSON");
            self.calls.push(value.to_string());
            self.calls.sort();
        } else {
            self.texts.entry(letter).or_default().push_str(text);
        }
    }
}

#[test]
fn a_stream_says_what_the_whole_answer_says() {
    for api in [Api::ChatCompletions, Api::Responses, Api::Messages, Api::Generate] {
        let choices = if api == Api::ChatCompletions { 2 } else { 1 };
        let mut events = told(choices);
        if api == Api::Responses {
            events.push(ChatEvent::Refusal { choice: 0, text: "No.".into() });
        }
        let body = written(api, false, &events);
        let mut whole = Said::default();
        for text in said(api, &body) {
            whole.add(letter(text.speech), &decoded(text.form, &body[text.at]));
        }
        let (mut views, mut told) = (Events::new(api), Said::default());
        let mut grown: BTreeMap<Channel, (char, String)> = BTreeMap::new();
        let mut closed = 0;
        for event in events_of(&written(api, true, &events)) {
            let view = look(&mut views, &event);
            for Piece { at, form, speech, growth } in view.pieces {
                let text = decoded(form, &event.data[at]);
                match growth {
                    Growth::Delta(channel) => {
                        grown.entry(channel).or_insert((letter(speech), String::new())).1 += &text
                    }
                    // It was told before.
                    Growth::Whole if api == Api::Responses => {
                        assert!(grown.values().any(|(who, grown)| *who == letter(speech) && *grown == text), "{text}");
                    }
                    Growth::Whole => told.add(letter(speech), &text),
                }
            }
            closed += view.closes.len();
        }
        assert_eq!(closed, grown.len(), "{api}: each channel closes once");
        grown.values().for_each(|(letter, text)| told.add(*letter, text));
        assert_eq!(told, whole, "{api}");
        assert!(
            whole.texts[&'a'].starts_with("Okay 0, é\n😀") && whole.calls.len() == 2 * choices as usize,
            "{whole:?}"
        );
    }
}

#[test]
fn citations_of_a_stream_are_documents() {
    let citation =
        Citation { url: Some("https://h/".to_owned()), title: Some("Cats".to_owned()), ..Citation::default() };
    let events = [
        ChatEvent::Start { id: None },
        ChatEvent::Text { choice: 0, text: "Hi".into() },
        ChatEvent::Citation { choice: 0, citation },
        ChatEvent::Finish { choice: 0, reason: Finish::Stop, stop: None },
    ];
    for api in [Api::ChatCompletions, Api::Responses] {
        let body = written(api, false, &events);
        assert!(lines(&body, &said(api, &body)).contains(&"d~Cats".to_owned()), "{api}");
        let stream = String::from_utf8(written(api, true, &events).to_vec()).expect("UTF-8");
        assert!(trace(api, &stream).iter().any(|line| line.contains("=d~Cats")), "{api}");
    }
}
