use super::*;
use proptest::prelude::*;

const DONE: &str = r#"{"type":"response.done","event_id":"e","response":{"id":"resp_1","status":"completed","output":[{"type":"message","content":[{"type":"output_audio","transcript":"Hi \"you\""}]}],"usage":{"total_tokens":275,"input_tokens":127,"output_tokens":148,"input_token_details":{"text_tokens":99,"audio_tokens":28,"image_tokens":0,"cached_tokens":64,"cached_tokens_details":{"text_tokens":44,"audio_tokens":20}},"output_token_details":{"text_tokens":30,"audio_tokens":118}}}}"#;

fn heard(reader: &mut Reader, text: &str) -> Heard {
    reader.server(text.as_bytes(), true).expect("it is short")
}

fn usage(text: &str) -> Option<(Usage, bool)> {
    figures::read(text)
}

#[test]
fn usage_is_split_into_classes_that_do_not_overlap() {
    let classes = |input, cache_read, audio_input, image_input, output, audio_output| Usage {
        input,
        cache_read,
        audio_input,
        image_input,
        output,
        audio_output,
        ..Usage::ZERO
    };
    type Case = (&'static str, &'static str, Option<(Usage, bool)>);
    let cases: [Case; 9] = [
        (
            "all kinds, some of each cached",
            r#"{"input_tokens":200,"output_tokens":50,"input_token_details":{"text_tokens":80,"audio_tokens":90,"image_tokens":30,"cached_tokens":100,"cached_tokens_details":{"text_tokens":60,"audio_tokens":30,"image_tokens":10}},"output_token_details":{"text_tokens":10,"audio_tokens":40}}"#,
            Some((classes(20, 100, 60, 20, 10, 40), true)),
        ),
        ("no details", r#"{"input_tokens":7,"output_tokens":3}"#, Some((classes(7, 0, 0, 0, 3, 0), true))),
        (
            "more sound than output",
            r#"{"input_tokens":7,"output_tokens":3,"output_token_details":{"audio_tokens":9}}"#,
            Some((classes(7, 0, 0, 0, 0, 3), false)),
        ),
        (
            "more cached sound than sound",
            r#"{"input_tokens":7,"output_tokens":0,"input_token_details":{"audio_tokens":2,"cached_tokens":4,"cached_tokens_details":{"audio_tokens":4}}}"#,
            Some((classes(3, 4, 0, 0, 0, 0), false)),
        ),
        ("no output figure is not 0", r#"{"input_tokens":7}"#, None),
        ("a negative figure", r#"{"input_tokens":-7,"output_tokens":3}"#, None),
        ("not an object", "[]", None),
        ("seconds", r#"{"type":"duration","seconds":1.2001}"#, Some((Usage { audio_ms: 1_201, ..Usage::ZERO }, true))),
        ("absurd seconds", r#"{"type":"duration","seconds":-1}"#, None),
    ];
    for (name, text, want) in cases {
        assert_eq!(usage(text), want, "{name}");
    }
}

#[test]
fn a_response_is_under_way_from_its_beginning_to_its_end() {
    let mut reader = Reader::default();
    assert_eq!(reader.under_way(), []);
    reader.client(br#"{"type":"response.create"}"#, true);
    assert_eq!(reader.running(), 1, "asked for");
    heard(&mut reader, r#"{"type":"response.created","response":{}}"#);
    for _ in 0..3 {
        heard(&mut reader, r#"{"type":"response.output_audio_transcript.delta","delta":"a"}"#);
    }
    let sound = format!(
        r#"{{"type":"response.output_audio.delta","event_id":"event_0123456789","response_id":"resp_0123456789","item_id":"item_0123456789","output_index":0,"content_index":0,"delta":"{}"}}"#,
        "A".repeat(64_000)
    );
    heard(&mut reader, &sound);
    let [so_far] = reader.under_way()[..] else { panic!("one is under way") };
    assert_eq!((so_far.output, so_far.audio_output), (3, 20), "a second of sound are 20 tokens");
    let Heard::Response { usage: Some(usage), inconsistent: false, .. } = heard(&mut reader, DONE) else { panic!() };
    assert_eq!((usage.input, usage.cache_read, usage.audio_input), (55, 64, 8));
    assert_eq!((usage.output, usage.audio_output), (30, 118));
    assert_eq!(reader.under_way(), []);
    heard(&mut reader, r#"{"type":"response.created"}"#);
    heard(&mut reader, r#"{"type":"response.created"}"#);
    heard(&mut reader, DONE);
    let [next] = reader.under_way()[..] else { panic!("one of two is left") };
    assert_eq!(next.input, 127, "the next response reads what the last one read");
}

#[test]
fn a_response_without_figures_is_estimated_unless_it_failed() {
    for (status, billed) in [("completed", true), ("failed", false)] {
        let mut reader = Reader::default();
        heard(&mut reader, DONE);
        heard(&mut reader, r#"{"type":"response.created"}"#);
        let done = format!(r#"{{"type":"response.done","response":{{"status":"{status}","usage":null}}}}"#);
        let Heard::Response { usage: None, estimate, .. } = heard(&mut reader, &done) else { panic!("{status}") };
        assert_eq!(estimate.input, if billed { 127 } else { 0 }, "{status}");
    }
}

#[test]
fn what_was_asked_for_and_refused_is_not_under_way() {
    let mut reader = Reader::default();
    reader.client(br#"{"type":"response.create"}"#, true);
    heard(&mut reader, r#"{"type":"error","error":{"code":"conversation_already_has_active_response"}}"#);
    assert_eq!(reader.under_way(), []);
}

#[test]
fn a_transcription_is_of_the_model_that_the_session_names() {
    let mut reader = Reader::default();
    let done = r#"{"type":"conversation.item.input_audio_transcription.completed","transcript":"Hi","usage":{"type":"tokens","total_tokens":22,"input_tokens":13,"input_token_details":{"text_tokens":0,"audio_tokens":13},"output_tokens":9}}"#;
    let want = Some(Usage { audio_input: 13, output: 9, ..Usage::ZERO });
    assert_eq!(
        heard(&mut reader, done),
        Heard::Transcription { model: None, usage: want, estimate: Usage { output: 1, ..Usage::ZERO } }
    );
    let sessions = [
        (r#"{"audio":{"input":{"transcription":{"model":"gpt-4o-transcribe"}}}}"#, "gpt-4o-transcribe"),
        (r#"{"input_audio_transcription":{"model":"whisper-1"},"output_audio_format":"g711_ulaw"}"#, "whisper-1"),
    ];
    for (session, model) in sessions {
        heard(&mut reader, &format!(r#"{{"type":"session.updated","session":{session}}}"#));
        assert_eq!(
            heard(&mut reader, done),
            Heard::Transcription {
                model: Some(model.to_owned()),
                usage: want,
                estimate: Usage { output: 1, ..Usage::ZERO }
            }
        );
    }
    assert!(reader.narrow);
}

/// The type may stand anywhere, also behind members that hold others, and be written with escapes.
#[test]
fn the_type_is_found_wherever_it_stands() {
    let usage = r#"{"usage":{"input_tokens":1,"output_tokens":2}}"#;
    for text in [
        format!(r#"{{"response":{usage},"type":"response.done"}}"#),
        format!(r#" {{ "event_id" : "type" , "response":{usage}, "type" : "response.done" }} "#),
        format!(
            r#"{{"a":{{"type":"error"}},"b":["type","error"],"c":"\"type\":\"error\"","type":"response.done","response":{usage}}}"#
        ),
        format!(r#"{{"type":"response\u002edone","response":{usage}}}"#),
        format!(r#"{{"ty\u0070e":"response.done","response":{usage}}}"#),
        format!(r#"{{"long":"{}","response":{usage},"type":"response.done"}}"#, "x".repeat(1 << 20)),
    ] {
        let mut reader = Reader::default();
        let Heard::Response { usage: Some(usage), .. } = heard(&mut reader, &text) else { panic!("{text:.200}") };
        assert_eq!((usage.input, usage.output), (1, 2));
    }
}

#[test]
fn sound_is_not_kept_and_what_must_be_read_is_bounded() {
    let mut reader = Reader::default();
    reader.server(br#"{"type":"response.output_audio.delta","delta":""#, false).expect("short");
    for _ in 0..100 {
        reader.server(&[b'A'; 1 << 20], false).expect("nothing is kept");
        assert_eq!(reader.kept(), 0);
    }
    let mut reader = Reader::default();
    reader.server(br#"{"delta":""#, false).expect("short");
    let kept = (0..100).take_while(|_| reader.server(&[b'A'; 1 << 20], false).is_ok()).count();
    assert_eq!(kept, 7, "an event of unknown type is kept up to its bound");
}

#[test]
fn garbage_means_nothing() {
    for text in
        ["", "x", "[]", "{}", "{\"type\":1}", "{\"type\":\"response.done\"}", "]]]}}}{\"type\":\"error\"}", "\"type\""]
    {
        let mut reader = Reader::default();
        let heard = heard(&mut reader, text);
        let nothing = matches!(heard, Heard::Nothing | Heard::Response { usage: None, .. });
        assert!(nothing, "{text}: {heard:?}");
    }
}

#[test]
fn responses_side_by_side_keep_figures_of_their_own() {
    let mut reader = Reader::default();
    for _ in 0..3 {
        reader.client(br#"{"type":"response.create","response":{"conversation":"none"}}"#, true);
    }
    heard(&mut reader, r#"{"type":"error","error":{}}"#);
    assert_eq!(reader.running(), 2, "an error refuses one of them");
    for id in ["a", "b"] {
        heard(&mut reader, &format!(r#"{{"type":"response.created","response":{{"id":"{id}"}}}}"#));
    }
    assert_eq!(reader.running(), 2);
    let delta = |id: &str| format!(r#"{{"type":"response.output_text.delta","response_id":"{id}","delta":"x"}}"#);
    for id in ["a", "b", "b"] {
        heard(&mut reader, &delta(id));
    }
    assert_eq!(reader.under_way().iter().map(|used| used.output).collect::<Vec<_>>(), [1, 2]);
    assert!(reader.under_way().iter().all(|used| used.input > 0));
    heard(
        &mut reader,
        r#"{"type":"response.done","response":{"id":"a","usage":{"input_tokens":1,"output_tokens":1}}}"#,
    );
    let [left] = reader.under_way()[..] else { panic!("one is left") };
    assert_eq!(left.output, 2);
    assert!(left.input > 10, "what it reads is not forgotten with the other: {left:?}");
}

/// A picture is no million words.
#[test]
fn sound_and_pictures_in_an_item_are_not_counted_as_text() {
    let (sound, picture) = ("A".repeat(640_000), "B".repeat(4_000_000));
    let item = format!(
        r#"{{"type":"conversation.item.create","item":{{"content":[{{"type":"input_audio","audio":"{sound}"}},{{"type":"input_image","image_url" : "data:image/png;base64,{picture}"}},{{"type":"input_text","text":"\"audio\": \"x\""}}]}}}}"#
    );
    for cut in [1 << 23, 1_000, 7] {
        let mut reader = Reader::default();
        let count = item.len().div_ceil(cut);
        for (at, part) in item.as_bytes().chunks(cut).enumerate() {
            reader.client(part, at + 1 == count);
        }
        reader.client(br#"{"type":"response.create"}"#, true);
        let [used] = reader.under_way()[..] else { panic!("one is asked for") };
        assert_eq!((used.audio_input, used.image_input), (100, PICTURE), "{cut}");
        assert!((20..100).contains(&used.input), "{cut}: {used:?}");
    }
}

#[test]
fn a_transcription_without_figures_is_estimated_by_its_sound() {
    let mut reader = Reader::default();
    let append = |bytes: usize| {
        format!(
            r#"{{"type":"input_audio_buffer.append","event_id":"{}","audio":"{}"}}"#,
            "e".repeat(135),
            "A".repeat(bytes)
        )
    };
    let done = r#"{"type":"conversation.item.input_audio_transcription.completed","transcript":"eight by"}"#;
    reader.client(append(640_000).as_bytes(), true);
    let want = |audio_ms, audio_input| Usage { audio_ms, audio_input, output: 2, ..Usage::ZERO };
    let Heard::Transcription { usage: None, estimate, .. } = heard(&mut reader, done) else { panic!() };
    assert!(
        (9_990..=10_010).contains(&estimate.audio_ms) && (100..=101).contains(&estimate.audio_input),
        "{estimate:?}"
    );
    let Heard::Transcription { estimate, .. } = heard(&mut reader, done) else { panic!() };
    assert_eq!(estimate, want(0, 0), "sound is put into writing once");
}

#[test]
fn what_a_session_is_set_to_is_told() {
    let text =
        r#"{"type":"session.updated","session":{"model":"m","audio":{"input":{"transcription":{"model":"t"}}}}}"#;
    let told = Heard::Session { model: Some("m".to_owned()), transcriber: Some("t".to_owned()) };
    assert_eq!(heard(&mut Reader::default(), text), told);
}

/// An event that is too long to be read, and hides its type, may ask for anything.
#[test]
fn an_event_that_hides_what_it_asks_for_counts_as_a_response() {
    let mut reader = Reader::default();
    reader.client(br#"{"ty\u0070e":"response.create","x":""#, false);
    for _ in 0..9 {
        reader.client(&[b'A'; 1 << 20], false);
    }
    reader.client(br#""}"#, true);
    assert_eq!(reader.running(), 1);
}

proptest! {
    /// Where a message is cut must not change what is read from it.
    #[test]
    fn cuts_do_not_matter(cut in 1usize..60) {
        let mut reader = Reader::default();
        let bytes = DONE.as_bytes();
        let count = bytes.chunks(cut).count();
        let mut last = Heard::Nothing;
        for (at, part) in bytes.chunks(cut).enumerate() {
            last = reader.server(part, at + 1 == count).expect("short");
        }
        prop_assert_eq!(last, heard(&mut Reader::default(), DONE));
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut reader = Reader::default();
        let _ = reader.server(&bytes, true);
        reader.client(&bytes, true);
        let _ = reader.under_way();
    }
}
