//! Pictures, speech, transcription and moderation: streams and bodies written from OpenAI's public reference, and what
//! servers that speak it send instead.

use super::*;
use crate::model::{Draft, Media, Span};

fn used(reader: &dyn StreamReader) -> (Option<Usage>, bool) {
    (reader.reading().usage, reader.reading().complete)
}

const PICTURE: Usage = Usage { input: 10, image_input: 40, image_output: 1_056, ..Usage::ZERO };

fn completed(kind: &str) -> String {
    format!(
        "event: {kind}.completed\ndata: {{\"type\":\"{kind}.completed\",\"b64_json\":\"iVBOR\",\"size\":\"1024x1024\",\"usage\":\
         {{\"total_tokens\":1106,\"input_tokens\":50,\"output_tokens\":1056,\"input_tokens_details\":{{\"text_tokens\":10,\
         \"image_tokens\":40}}}}}}\n\n"
    )
}

#[test]
fn a_picture_ends_its_stream_and_tells_its_usage() {
    for (api, kind) in [(Api::Images, "image_generation"), (Api::ImageEdits, "image_edit")] {
        let partial = format!(
            "event: {kind}.partial_image\ndata: {{\"type\":\"{kind}.partial_image\",\"b64_json\":\"iVB\",\"partial_image_index\":0}}\n\n"
        );
        let (letters, reader) = read(api, false, &format!("{partial}{}", completed(kind)));
        assert_eq!((&*letters, used(&*reader)), ("on", (Some(PICTURE), true)), "{kind}");
        assert!(reader.may_end());
    }
}

#[test]
fn a_stream_of_several_pictures_ends_with_the_last_and_their_usage_is_added_up() {
    let mut reader = plain().stream_reader(Api::Images, false);
    reader.awaits(2);
    let events = events(&completed("image_generation").repeat(2));
    assert_eq!(letter(&reader.event(&events[0])), 'o');
    assert_eq!((used(&*reader), reader.may_end()), ((Some(PICTURE), false), true));
    assert_eq!(letter(&reader.event(&events[1])), 'n');
    assert_eq!(used(&*reader), (Some(PICTURE.plus(&PICTURE)), true));
}

#[test]
fn a_transcription_is_told_in_pieces_and_counted_once() {
    let stream = "data: {\"type\":\"transcript.text.delta\",\"delta\":\"Hello\",\"logprobs\":[]}\n\n\
        data: {\"type\":\"transcript.text.segment\",\"id\":\"s\",\"start\":0.0,\"end\":1.5,\"text\":\"Hello there\",\"speaker\":\"A\"}\n\n\
        data: {\"type\":\"transcript.text.delta\",\"delta\":\" there\"}\n\n\
        data: {\"type\":\"transcript.text.done\",\"text\":\"Hello there\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,\
        \"input_token_details\":{\"text_tokens\":4,\"audio_tokens\":10},\"output_tokens\":45,\"total_tokens\":59}}\n\n";
    let (letters, reader) = read(Api::Transcriptions, false, stream);
    assert_eq!((&*letters, reader.output().text()), ("ooon", "Hello there"));
    let want = Usage { input: 4, audio_input: 10, output: 45, ..Usage::ZERO };
    assert_eq!(used(&*reader), (Some(want), true));
    let (_, reader) = read(Api::Transcriptions, false, stream.split_inclusive("\n\n").last().expect("one"));
    assert_eq!(reader.output().text(), "Hello there", "also when it is told by its end alone");
}

#[test]
fn speech_ends_with_its_usage() {
    let stream = "data: {\"type\":\"speech.audio.delta\",\"audio\":\"SUQz\"}\n\n\
        data: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":14,\"output_tokens\":101,\"total_tokens\":115}}\n\n";
    let (letters, reader) = read(Api::Speech, false, stream);
    assert_eq!(letters, "on");
    assert_eq!(used(&*reader), (Some(Usage { input: 14, audio_output: 101, ..Usage::ZERO }), true));
}

#[test]
fn servers_of_other_manners_are_read() {
    // vLLM.
    let stream = "data: {\"id\":\"t\",\"object\":\"transcription.chunk\",\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":null}]}\n\n\
        data: {\"id\":\"t\",\"object\":\"transcription.chunk\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,\"total_tokens\":11}}\n\n\
        data: [DONE]\n\n";
    let (letters, reader) = read(Api::Transcriptions, false, stream);
    assert_eq!((&*letters, reader.output().text()), ("oon", "Hi"));
    assert_eq!(used(&*reader), (Some(Usage { input: 9, output: 2, ..Usage::ZERO }), true));
    // Events that are named by their line alone; an error; something else.
    let named = "event: image_generation.completed\ndata: {\"b64_json\":\"x\"}\n\n";
    assert_eq!(read(Api::Images, false, named).0, "n");
    let failed =
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"code\":\"moderation_blocked\",\"message\":\"no\"}}\n\n";
    assert_eq!(read(Api::Images, false, failed).0, "e");
    assert_eq!(read(Api::Speech, false, "data: nonsense\n\ndata: {\"x\":1}\n\ndata: [1]\n\n: ping\n\n").0, "gqqq");
}

#[test]
fn whole_answers_tell_what_is_billed() {
    let pictures = r#"{"created":1,"data":[{"b64_json":"x"},{"b64_json":"y"}],"size":"1024x1024"#;
    let tokens = r#","usage":{"input_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens":1100,"output_tokens_details":{"text_tokens":44,"image_tokens":1056},"total_tokens":1150}}"#;
    let zeros = r#","usage":{"input_tokens":0,"output_tokens":0,"total_tokens":0}}"#;
    let heard = r#"{"text":"Hi","usage":{"type":"duration","seconds":9.3}}"#;
    let verbose = r#"{"task":"transcribe","language":"english","duration":8.470000267028809,"text":"","segments":[]}"#;
    let groq = r#"{"text":"Hi","x_groq":{"id":"r"}}"#;
    let cases: [(&str, Api, String, Option<Usage>); 9] = [
        ("tokens", Api::Images, format!("{pictures}\"{tokens}"), Some(Usage { output: 44, ..PICTURE })),
        ("pieces", Api::ImageVariations, format!("{pictures}\"}}"), Some(Usage { images: 2, ..Usage::ZERO })),
        ("zeros", Api::ImageEdits, format!("{pictures}\"{zeros}"), Some(Usage { images: 2, ..Usage::ZERO })),
        ("no picture", Api::Images, r#"{"data":[]}"#.to_owned(), None),
        ("seconds", Api::Transcriptions, heard.to_owned(), Some(Usage { audio_ms: 9_300, ..Usage::ZERO })),
        ("a duration", Api::Translations, verbose.to_owned(), Some(Usage { audio_ms: 8_471, ..Usage::ZERO })),
        ("nothing", Api::Transcriptions, groq.to_owned(), None),
        ("absurd", Api::Transcriptions, r#"{"text":"","duration":-1,"usage":{"seconds":1e99}}"#.to_owned(), None),
        ("moderation", Api::Moderations, r#"{"id":"m","model":"o","results":[{"flagged":false}]}"#.to_owned(), None),
    ];
    for (name, api, body, want) in cases {
        let reading = plain().read_whole(api, body.as_bytes()).expect(name);
        assert_eq!((reading.usage, reading.complete), (want, want.is_some()), "{name}");
    }
    assert_eq!(plain().output_of_whole(Api::Transcriptions, groq.as_bytes()).text(), "Hi");
    for api in [Api::Images, Api::Transcriptions, Api::Moderations, Api::Speech] {
        for body in [r#"{"error":{"message":"no"}}"#, "{}", "<html>"] {
            assert!(plain().read_whole(api, body.as_bytes()).is_err(), "{api}: {body}");
        }
    }
}

#[test]
fn figures_that_contradict_themselves_are_cut_to_fit_and_told() {
    let body = r#"{"data":[],"usage":{"input_tokens":5,"input_tokens_details":{"image_tokens":9},"output_tokens":1,"output_tokens_details":{"image_tokens":4}}}"#;
    let reading = plain().read_whole(Api::Images, body.as_bytes()).expect("an answer");
    assert_eq!(reading.usage, Some(Usage { image_input: 5, image_output: 1, ..Usage::ZERO }));
    assert!(reading.inconsistent);
}

/// What the parser would have made of a form with `body`.
fn form(body: &str, name: &str) -> Ask {
    let start = body.find(name).expect("there");
    Ask {
        api: Api::Transcriptions,
        body: Draft::copy_of(body.as_bytes()),
        model: name.to_owned(),
        model_span: Span { start, end: start + name.len() },
        form: true,
        stream: true,
        include_usage: None,
        user: None,
        max_output_tokens: None,
        choices: 1,
        text_bytes: 0,
        caps: crate::model::Caps::default(),
        metadata: Vec::new(),
        demand: crate::model::Demand { media: Some(Box::new(Media::default())), ..Default::default() },
        opening: Default::default(),
        sealed_elsewhere: false,
    }
}

#[test]
fn a_form_gets_another_model_and_nothing_else() {
    let body = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nfast\r\n--b--\r\n";
    for (target, want) in
        [("\"whisper-1\"", "whisper-1"), ("\"a\\\"\\u00e9\\r\\n--b\"", "a\"é--b"), ("\"fast\"", "fast")]
    {
        let mut ask = form(body, "fast");
        let edits = plain().edits(&ask, &Bytes::copy_from_slice(target.as_bytes()), Some(7));
        assert_eq!(edits.is_empty(), want == "fast", "{want}");
        assert_eq!(ask.body.apply(&edits), body.replace("fast", want), "{want}");
        assert_eq!(ask.body.apply(&crate::model::Edits::new()), body, "and back");
    }
}

#[test]
fn each_call_has_its_path() {
    let provider = openai("{ base_url: 'https://api.groq.com/openai/v1' }").expect("right");
    for (api, want) in [
        (Api::Moderations, "/openai/v1/moderations"),
        (Api::Images, "/openai/v1/images/generations"),
        (Api::ImageEdits, "/openai/v1/images/edits"),
        (Api::ImageVariations, "/openai/v1/images/variations"),
        (Api::Speech, "/openai/v1/audio/speech"),
        (Api::Transcriptions, "/openai/v1/audio/transcriptions"),
        (Api::Translations, "/openai/v1/audio/translations"),
    ] {
        assert!(provider.speaks(api));
        assert_eq!(provider.path(api, "m", false), want);
    }
}

proptest! {
    /// Whatever events come, in whatever order, nothing panics.
    #[test]
    fn mutated_streams_never_panic(api in 0usize..3, at in any::<usize>(), byte in any::<u8>(), cut in any::<usize>()) {
        let api = [Api::Images, Api::Transcriptions, Api::Speech][api];
        let mut stream = completed("image_generation").into_bytes();
        let length = stream.len();
        stream[at % length] = byte;
        stream.truncate(length - cut % 40);
        let mut out = Vec::new();
        let mut scanner = SseScanner::new(1 << 20);
        scanner.push(&Bytes::from(stream), &mut out).expect("short");
        out.extend(scanner.finish());
        let mut reader = plain().stream_reader(api, false);
        for event in &out {
            reader.event(event);
        }
    }
}
