//! What pictures, speech and transcription may come to in tokens.

use super::*;

fn heard(place: &Place) -> Result<Bound, Unbounded> {
    let body = "--b\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n--b\r\nContent-Disposition: form-data; \
        name=prompt\r\n\r\n0123456789\r\n--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n";
    let body = [body.as_bytes(), &[0; 5_000], b"\r\n--b--\r\n"].concat();
    let ask = dialect::parse_form(Api::Transcriptions, "multipart/form-data; boundary=b", Draft::copy_of(&body));
    place.bound(&ask.expect("a form"))
}

#[test]
fn a_transcription_is_bounded_by_what_is_heard_and_what_its_model_writes() {
    let bound = heard(&Place::listed("openai/gpt-4o-transcribe")).expect("bounded");
    let text = 1 + 10 + FRAME; // the model's name, the prompt
    assert_eq!((bound.input_tokens, bound.most_output(0)), (100 + text, 2_000), "10 s at most, at 500 bytes a second");
    assert_eq!(
        (bound.output_cap, bound.client_cap, bound.write_cap),
        (0, None, false),
        "no cap is written into a form"
    );
    assert!(bound.worst(0).0.is_some_and(|nano| nano > 2_000 * 10_000), "its output is priced");
    assert_eq!(bound.affordable_cap(Some(0), Some(0)), 0);
    let unknown = heard(&Place::unknown()).expect_err("nothing is published of it");
    assert_eq!(unknown.field, "model");
    let told = Place { limits: (Some(448), Some(224)), ..Place::unknown() };
    let bound = heard(&told).expect("the file tells");
    assert_eq!((bound.input_tokens, bound.most_output(0)), (448, 224));
}

#[test]
fn speech_is_bounded_by_its_characters() {
    let ask = ask(Api::Speech, r#""input":"0123456789","voice":"a""#);
    let bound = Place::listed("openai/gpt-4o-mini-tts").bound(&ask).expect("bounded");
    assert_eq!((bound.input_tokens, bound.most_output(0)), (ask.body.len() as u64 + FRAME, 100 + 1_024));
    assert!(bound.worst(0).0.is_some_and(|nano| nano >= 1_124 * 12_000), "as sound");
}

#[test]
fn pictures_are_bounded_by_size_and_quality() {
    let place = Place { model: "gpt-image-1".to_owned(), ..Place::unknown() };
    let cases = [
        (r#""prompt":"x""#, 6_240),
        (r#""prompt":"x","n":2,"size":"1024x1024","quality":"low""#, 544),
        (r#""prompt":"x","size":"1536x1024","quality":"medium","partial_images":3"#, 1_868),
        (r#""prompt":"x","size":"9x9","quality":"high""#, 6_240),
    ];
    for (rest, want) in cases {
        assert_eq!(place.bound(&ask(Api::Images, rest)).expect(rest).most_output(0), want, "{rest}");
    }
    let other = Place::unknown().bound(&ask(Api::Images, r#""prompt":"x""#));
    assert_eq!(other.expect_err("nothing is published of it").field, "model");
    let bound = place.bound(&ask(Api::Images, r#""prompt":"x""#)).expect("bounded");
    assert_eq!(bound.worst(0).0, None, "a picture's price is not the text's");
}

#[test]
fn what_is_billed_by_another_unit_has_no_tokens_and_that_units_price() {
    let whisper = Place::listed("openai/whisper-1");
    let bound = heard(&whisper).expect("bounded");
    assert_eq!((bound.worst(0), bound.most_output(0)), ((Some(1_000_000), 0), 0), "10 s at 0.0001 USD");
    let moderation = ask(Api::Moderations, r#""input":"x""#);
    assert_eq!(whisper.bound(&moderation).expect("free").worst(0), (Some(0), 0));
}

#[test]
fn without_a_price_what_has_no_bound_in_tokens_is_told_and_what_has_one_is_held() {
    let unpriced = |model: &str| Place { price: None, model: model.to_owned(), ..Place::unknown() };
    let untold = |place: &Place, ask: &Ask| place.bound(ask).expect("dollars do not ask").untold_tokens;
    let field = |name: &str| Some(Unbounded { field: name.to_owned() });
    let picture = ask(Api::Images, r#""prompt":"x""#);
    let speech = ask(Api::Speech, r#""input":"x","voice":"a""#);
    assert_eq!(untold(&unpriced("m"), &picture), field("model"));
    assert_eq!(untold(&unpriced("m"), &speech), field("model"));
    assert_eq!(heard(&unpriced("m")).expect("dollars do not ask").untold_tokens, field("model"));
    assert_eq!(untold(&unpriced("gpt-image-1"), &picture), None);
    assert_eq!(unpriced("gpt-image-1").bound(&picture).expect("bounded").most_output(0), 6_240);
    assert_eq!(untold(&Place::listed("openai/whisper-1"), &speech), None, "billed by other units");
}
