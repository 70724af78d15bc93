//! What pictures, sound and transcription come to. Rows tell of tokens here; units are looked at before they are booked.

use super::*;
use crate::dialect;
use crate::model::Draft;
use crate::proxy::used::{Used, used};

/// A transcription of one second of silence in a WAV, or of one that is not known in detail.
fn heard(stage: &Stage, model: &str, wav: bool, format: &str) -> Exchange {
    let mut body = format!(
        "--b\r\nContent-Disposition: form-data; name=model\r\n\r\n{model}\r\n--b\r\nContent-Disposition: form-data; \
         name=response_format\r\n\r\n{format}\r\n--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n"
    )
    .into_bytes();
    let header = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\0\0\0\0\x02\0\x10\0data\xff\xff\xff\xff";
    body.extend_from_slice(if wav { header } else { b"OggS" });
    body.extend_from_slice(&[0; 16_000]);
    body.extend_from_slice(b"\r\n--b--\r\n");
    let ask = dialect::parse_form(Api::Transcriptions, "multipart/form-data; boundary=b", Draft::copy_of(&body));
    stage.exchange_of(model, ask.expect("a form"))
}

/// What the answer to `exchange` used.
fn known(exchange: &mut Exchange, kind: &str, body: &str) -> (Usage, UsageOrigin) {
    send(exchange);
    answer(exchange, 200, kind, &[body]);
    let attempt = exchange.attempt_mut().expect("it is there");
    attempt.answer.end().expect("whole");
    match used(exchange.attempt().expect("it is there"), &exchange.opened, None) {
        Used::Known { usage, origin, .. } => (usage, origin),
        Used::Count(count) => count.counted(),
    }
}

const TEXT: &str = "text/plain; charset=utf-8";
const SRT: &str = "1\n00:00:00,000 --> 00:00:02,500\nHi\n";

#[test]
fn what_was_heard_is_reported_or_measured_by_the_file_or_by_the_text() {
    let stage = Stage::new();
    let ms = |audio_ms| Usage { audio_ms, ..Usage::ZERO };
    let cases = [
        (
            "reported",
            true,
            JSON,
            r#"{"text":"Hi","usage":{"type":"duration","seconds":7}}"#,
            ms(7_000),
            UsageOrigin::Reported,
        ),
        ("the WAV's bytes", true, TEXT, "1\n00:00:00,000 --> 00:00:00,500\nHi\n", ms(1_000), UsageOrigin::Estimated),
        ("a last time behind them", true, TEXT, SRT, ms(2_500), UsageOrigin::Estimated),
        ("the last time", false, TEXT, SRT, ms(2_500), UsageOrigin::Estimated),
        ("the file's size", false, TEXT, "Hi", ms(4_001), UsageOrigin::Estimated),
        ("the same of JSON", false, JSON, r#"{"text":"Hi"}"#, ms(4_001), UsageOrigin::Estimated),
    ];
    for (name, wav, kind, body, want, origin) in cases {
        let mut exchange = heard(&stage, "unpriced", wav, "srt");
        assert_eq!(known(&mut exchange, kind, body), (want, origin), "{name}");
    }
}

#[test]
fn a_transcription_by_tokens_is_estimated_in_tokens() {
    let stage = Stage::new();
    let (usage, origin) = known(&mut heard(&stage, "heard", true, "text"), TEXT, "one two three four");
    assert_eq!((usage.audio_input, usage.audio_ms, origin), (10, 0, UsageOrigin::Estimated), "10 tokens a second");
    assert!((1..=10).contains(&usage.output) && (1..=10).contains(&usage.input), "{usage:?}: its file is no text");
}

#[test]
fn speech_is_counted_in_the_unit_of_its_price() {
    let stage = Stage::new();
    let rest = r#""input":"Gr\u00fc\u00dfe","voice":"alloy","response_format":"pcm""#;
    let sound = "0".repeat(48_000);
    let (usage, origin) = known(&mut stage.exchange("unpriced", Api::Speech, rest), "audio/pcm", &sound);
    assert_eq!((usage, origin), (Usage { characters: 5, ..Usage::ZERO }, UsageOrigin::Counted));
    let (usage, origin) = known(&mut stage.exchange("spoken", Api::Speech, rest), "audio/pcm", &sound);
    assert_eq!((usage.audio_output, usage.characters, origin), (21, 0, UsageOrigin::Estimated), "1,250 a minute");
    assert!((1..=12).contains(&usage.input), "{usage:?}");
}

#[test]
fn pictures_are_counted_where_nothing_is_reported() {
    let stage = Stage::new();
    let images = |images| Usage { images, ..Usage::ZERO };
    let rest = r#""prompt":"a cat","n":3"#;
    let two = r#"{"created":1,"data":[{"url":"u"},{"url":"v"}]}"#;
    let got = known(&mut stage.exchange("unpriced", Api::Images, rest), JSON, two);
    assert_eq!(got, (images(2), UsageOrigin::Reported), "those that came");
    let long = format!("{{\"data\":[{{\"b64_json\":\"{}\"}}]}}", "A".repeat(20_000));
    let got = known(&mut stage.exchange("unpriced", Api::Images, rest), JSON, &long);
    assert_eq!(got, (images(3), UsageOrigin::Estimated), "those that were asked for");
}

#[test]
fn moderation_is_free_and_speech_that_breaks_costs_its_characters() {
    let got = play("unpriced", Api::Moderations, r#""input":"x""#, |exchange| {
        send(exchange);
        answer(exchange, 200, JSON, &[r#"{"results":[]}"#]);
        end(exchange);
    });
    assert_eq!(row(&got), (200, 0, 0, "none", None));
    let stage = Stage::new();
    let mut exchange = stage.exchange("unpriced", Api::Speech, r#""input":"Hello""#);
    send(&mut exchange);
    answer(&mut exchange, 200, "audio/mpeg", &["ID3"]);
    let trouble = Trouble::Broken("reset".to_owned());
    match used(exchange.attempt().expect("there"), &exchange.opened, Some(&trouble)) {
        Used::Known { usage, .. } => assert_eq!(usage.characters, 5),
        Used::Count(_) => panic!("nothing is to be counted"),
    }
}
