//! Requests for pictures, speech and transcription: what is read of them, and what is refused by name.

use super::*;
use crate::dialect::parse::{parse, parse_form};

fn form(parts: &[(&str, &str)]) -> Vec<u8> {
    let part =
        |(head, value): &(&str, &str)| format!("--b\r\nContent-Disposition: form-data; name={head}\r\n\r\n{value}\r\n");
    format!("{}--b--\r\n", parts.iter().map(part).collect::<String>()).into_bytes()
}

fn read(api: Api, parts: &[(&str, &str)]) -> Result<Ask, BadRequest> {
    parse_form(api, "multipart/form-data; boundary=b", Draft::copy_of(&form(parts)))
}

/// Heads and values of a form.
type Fields<'a> = &'a [(&'a str, &'a str)];

const FILE: (&str, &str) = ("file; filename=a.ogg", "OggS0000");

#[test]
fn a_transcription_is_read_and_its_file_is_no_text() {
    let fields = [
        FILE,
        ("\"model\"", "whisper"),
        ("stream", "True"),
        ("prompt", "Two words"),
        ("response_format", "verbose_json"),
        ("\"timestamp_granularities[]\"", "word"),
        ("\"timestamp_granularities[]\"", "segment"),
        ("user", "u-1"),
    ];
    let ask = read(Api::Transcriptions, &fields).expect("a form");
    assert_eq!((&*ask.model, ask.form, ask.stream, ask.user.as_deref()), ("whisper", true, true, Some("u-1")));
    assert_eq!(&ask.body.as_slice()[ask.model_span.range()], b"whisper", "where the name stands");
    let text: usize = fields[1..].iter().map(|(_, value)| value.len()).sum();
    assert_eq!((ask.text_bytes, ask.demand.readable_bytes), (text as u64, text as u64));
    let media = ask.demand.media.expect("one");
    assert_eq!((media.sound.expect("heard").ms, ask.demand.units.audio_ms), (2, 16), "32 kbit/s; 500 bytes a second");
    assert_eq!((media.response_format.as_deref(), media.pictures), (Some("verbose_json"), 0));
}

#[test]
fn a_mistake_of_a_form_names_its_field() {
    let model = ("model", "m");
    let audio = Api::Transcriptions;
    let cases: [(Api, Fields<'_>, &str); 11] = [
        (audio, &[FILE], "model"),
        (audio, &[FILE, model, model], "model"),
        (audio, &[FILE, model, ("model; filename=x", "m")], "model"),
        (audio, &[FILE, ("model; filename=x", "m")], "model"),
        (audio, &[FILE, ("model", "")], "model"),
        (audio, &[FILE, ("model", "a\r\nb")], "model"),
        (audio, &[model], "file"),
        (audio, &[FILE, FILE, model], "file"),
        (audio, &[FILE, model, ("stream", "maybe")], "stream"),
        (Api::ImageEdits, &[model, ("n", "0x1")], "n"),
        (Api::ImageEdits, &[model, ("n", "1"), ("n", "2")], "n"),
    ];
    for (api, parts, field) in cases {
        let refused = read(api, parts).expect_err(field);
        assert_eq!(refused.param.as_deref(), Some(field), "{refused}");
        assert!(refused.message.contains(&format!("`{field}`")), "{refused}");
    }
}

#[test]
fn pictures_are_counted_in_both_directions() {
    let fields = [
        ("model", "gpt-image-1"),
        ("\"image[]\"; filename=a", "PNG"),
        ("\"image[]\"; filename=b", "PNG"),
        ("mask; filename=c", "PNG"),
        ("n", "3"),
        ("size", "1024x1536"),
        ("quality", "low"),
    ];
    let ask = read(Api::ImageEdits, &fields).expect("a form");
    let media = ask.demand.media.expect("one");
    assert_eq!((media.pictures, ask.demand.units.images), (3, 3));
    assert_eq!((media.size, media.quality.as_deref()), (Some((1024, 1536)), Some("low")));
    let body = br#"{"model":"m","prompt":"a cat","n":2,"size":"auto","stream":true,"partial_images":2}"#;
    let ask = parse(Api::Images, Draft::copy_of(body)).expect("JSON");
    assert_eq!((ask.demand.units.images, ask.stream, ask.form, ask.choices), (2, true, false, 1));
    let media = ask.demand.media.expect("one");
    assert_eq!((media.size, media.partial_images), (None, 2));
    let body =
        br#"{"model":"m","prompt":"a","images":[{"image_url":"https://x"},{"file_id":"f"}],"mask":{"file_id":"g"}}"#;
    let ask = parse(Api::ImageEdits, Draft::copy_of(body)).expect("JSON");
    assert_eq!(ask.demand.media.expect("one").pictures, 3);
    for (body, field) in [(r#"{"model":"m","n":0}"#, "n"), (r#"{"model":"m","size":4}"#, "size")] {
        let refused = parse(Api::Images, Draft::copy_of(body.as_bytes())).expect_err(field);
        assert_eq!(refused.param.as_deref(), Some(field));
    }
}

#[test]
fn speech_is_counted_in_characters_and_streams_by_its_own_member() {
    let speech = |rest: &str| {
        let body = format!(r#"{{"model":"tts-1","voice":"alloy","stream":true{rest}}}"#);
        parse(Api::Speech, Draft::copy_of(body.as_bytes()))
    };
    let ask = speech(r#","input":"gr\u00fc\u00df \ud83d\ude00","response_format":"pcm""#).expect("JSON");
    assert_eq!((ask.demand.units.characters, ask.stream), (6, false));
    assert_eq!(ask.demand.media.expect("one").response_format.as_deref(), Some("pcm"));
    assert!(speech(r#","stream_format":"sse""#).expect("JSON").stream);
    assert!(!speech(r#","stream_format":"audio""#).expect("JSON").stream);
    assert_eq!(speech(r#","input":["a"]"#).expect_err("a list").param.as_deref(), Some("input"));
}

#[test]
fn moderations_are_read_like_any_json() {
    let ask = parse(Api::Moderations, Draft::copy_of(br#"{"model":"m","input":"x","stream":true}"#)).expect("JSON");
    assert_eq!((ask.stream, ask.demand.media.is_none(), ask.demand.units), (false, true, Units::default()));
}

proptest::proptest! {
    /// Mutated forms never panic; what is taken names a model that stands where it says.
    #[test]
    fn mutated_forms_are_read_or_refused(
        api in 0usize..4,
        edits in proptest::collection::vec((proptest::prelude::any::<usize>(), proptest::prelude::any::<u8>(), 0u8..4), 0..6),
    ) {
        let api = [Api::Transcriptions, Api::Translations, Api::ImageEdits, Api::ImageVariations][api];
        let fields = [FILE, ("model", "whisper"), ("stream", "true"), ("n", "2"), ("size", "1x2"), ("image; filename=b", "P")];
        let mut body = form(&fields);
        for (at, byte, what) in edits {
            let at = at % body.len().max(1);
            match what {
                0 if !body.is_empty() => body[at] = byte,
                1 => body.insert(at, byte),
                2 if !body.is_empty() => drop(body.remove(at)),
                3 if byte > 200 => body.truncate(at),
                _ => {}
            }
        }
        if let Ok(ask) = parse_form(api, "multipart/form-data; boundary=b", Draft::copy_of(&body)) {
            proptest::prop_assert_eq!(&ask.body.as_slice()[ask.model_span.range()], ask.model.as_bytes());
        }
    }
}
