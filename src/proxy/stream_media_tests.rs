//! Pictures, sound and transcription: what passes unread, what comes whole though events were asked for, what is long.

use super::*;

fn begin(bench: &Bench, kind: &str) -> Result<Answer, Trouble> {
    let mut answer = bench.pending();
    answer.head(StatusCode::OK, &headers(&[("content-type", kind)])).map(|()| answer)
}

#[test]
fn sound_is_passed_on_as_it_comes() {
    let bench = Bench::new(Api::Speech, false);
    for kind in ["audio/mpeg", "Audio/WAV; rate=24000", "application/octet-stream"] {
        let mut answer = begin(&bench, kind).expect("sound");
        assert!(!answer.released() && answer.is_live() && !answer.is_stream());
        let first = answer.push(Bytes::from_static(b"ID3\xff")).expect("good");
        assert_eq!((first.bytes.as_ref(), first.first_output), (&b"ID3\xff"[..], true), "{kind}");
        let next = answer.push(Bytes::from_static(b"\0\x01")).expect("good");
        assert_eq!((next.bytes.len(), next.first_output), (2, false));
        assert_eq!(bench.buffers.used(), 0, "nothing is withheld");
        answer.end().expect("whole");
        let opaque = answer.opaque().expect("it is");
        assert_eq!((answer.ended(), opaque.seen(), opaque.head()), (true, 6, &b"ID3\xff\0\x01"[..]));
    }
}

#[test]
fn sound_that_breaks_is_not_whole_and_before_its_first_byte_the_next_target_is_tried() {
    let bench = Bench::new(Api::Speech, false);
    let mut answer = begin(&bench, "audio/mpeg").expect("sound");
    assert_eq!(answer.end(), Err(Trouble::Empty));
    let mut answer = begin(&bench, "audio/mpeg").expect("sound");
    assert_eq!(answer.fail(Trouble::Idle, Release::default()), Err(Trouble::Idle));
    assert!(!answer.released(), "unseen: the next one");
    answer.push(Bytes::from_static(b"ID3")).expect("good");
    let broken = Trouble::Broken("reset".to_owned());
    assert_eq!(
        answer.fail(broken.clone(), Release::default()),
        Err(broken),
        "no event can tell it: the connection breaks"
    );
    assert!(answer.released() && !answer.ended());
}

#[test]
fn only_what_was_asked_for_passes_unread() {
    let garbage = |bench: &Bench, kind| matches!(begin(bench, kind), Err(Trouble::Garbage(_)));
    let mut speech = begin(&Bench::new(Api::Speech, false), "application/json").expect("looked into");
    speech.push(Bytes::from_static(b"{\"error\":\"loading\"}")).expect("withheld");
    assert!(matches!(speech.end(), Err(Trouble::Garbage(_))), "JSON is no sound");
    for kind in ["text/html", "text/plain", "text/event-stream", "video/mp4"] {
        assert!(garbage(&Bench::new(Api::Speech, false), kind), "{kind}");
    }
    let mut heard = Bench::new(Api::Transcriptions, false);
    assert!(
        garbage(&heard, "text/html") && garbage(&heard, "application/octet-stream") && garbage(&heard, "audio/wav")
    );
    assert!(begin(&heard, "text/vtt").expect("taken").opaque().is_some());
    assert!(begin(&heard, "").expect("taken").opaque().is_none(), "JSON was asked for");
    heard.expect.text = true;
    assert!(begin(&heard, "application/octet-stream").expect("taken").opaque().is_some());
    for api in [Api::Images, Api::Moderations, Api::Embeddings] {
        assert!(
            garbage(&Bench::new(api, false), "text/plain") && garbage(&Bench::new(api, false), "audio/wav"),
            "{api}"
        );
    }
    let mut silence = begin(&heard, "text/plain").expect("taken");
    assert_eq!(silence.end(), Ok(Release::default()), "nothing was said");
    assert!(silence.ended());
}

#[test]
fn models_that_do_not_stream_answer_whole() {
    let body = b"{\"text\":\"Hi\",\"usage\":{\"type\":\"duration\",\"seconds\":3}}";
    let mut answer = begin(&Bench::new(Api::Transcriptions, true), "application/json").expect("taken");
    assert_eq!(answer.push(Bytes::from_static(body)).expect("withheld").bytes, Bytes::new());
    assert_eq!(answer.end().expect("whole").bytes.as_ref(), body);
    assert_eq!(answer.reported().expect("told").0.audio_ms, 3_000);
    assert!(begin(&Bench::new(Api::ChatCompletions, true), "application/json").is_err());
}

#[test]
fn a_picture_may_come_in_one_event_alone() {
    let bench = Bench::new(Api::Images, true);
    let completed = IMAGES.split_inclusive("\n\n").last().expect("one");
    let played = bench.play([completed.as_bytes()]);
    assert_eq!((played.text(), played.firsts, played.names()), (completed, 1, (None, None)));
    let played = bench.play([&b"data: [DONE]\n\n"[..]]);
    assert_eq!(played.names(), (Some("empty"), None));
}

#[test]
fn fewer_pictures_than_were_asked_for_end_with_the_body() {
    let mut bench = Bench::new(Api::Images, true);
    bench.expect.pictures = 3;
    let stream = IMAGES.repeat(2);
    let played = bench.play([stream.as_bytes()]);
    assert_eq!((played.text(), played.names(), played.answer.ended()), (&*stream, (None, None), true));
}

#[test]
fn a_picture_of_12_mb_is_passed_on_and_its_usage_is_found() {
    let picture = "A".repeat(12 << 20);
    let body = include_str!("../providers/openai/fixtures/images.json").replace("iVBORw0KGgoAAAANSUhEUgAA", &picture);
    let bench = Bench::new(Api::Images, false).withholding(8 << 20);
    let played = bench.play(body.as_bytes().chunks(1 << 20));
    assert!(played.text() == body, "byte for byte");
    let (usage, _) = played.answer.reported().expect("told");
    assert_eq!((usage.input, usage.image_input, usage.image_output), (10, 40, 1_056));
}

proptest! {
    /// Where the network cuts what passes unread must not change what the client gets and what is kept of it.
    #[test]
    fn cuts_do_not_matter_to_what_passes_unread(length in 1..20_000usize, places in proptest::collection::vec(any::<usize>(), 0..9)) {
        let body: Vec<u8> = (0..length).map(|at| b'0' + (at % 71) as u8).collect();
        let bench = Bench::new(Api::Transcriptions, false);
        let mut answer = begin(&bench, "text/plain").expect("taken");
        let mut out = Vec::new();
        for piece in cut(&body, &places) {
            out.extend_from_slice(&answer.push(Bytes::copy_from_slice(piece)).expect("good").bytes);
        }
        answer.end().expect("whole");
        prop_assert!(out == body);
        let opaque = answer.opaque().expect("it is");
        prop_assert_eq!(opaque.head(), &body[..length.min(4096)]);
        prop_assert_eq!(opaque.tail(), &body[length - length.min(4096)..]);
    }
}
