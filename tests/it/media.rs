//! Pictures, speech, transcription and moderation: what goes up byte for byte, what comes back as it comes, and what a
//! form that cannot be read is told.

use crate::support::call::{Answer, Call};
use crate::support::config::{KEY, Setup};
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::script::{Gate, Script};
use crate::support::upstream::Upstream;
use bytes::Bytes;

const BOUNDARY: &str = "----WeighbridgeFormBoundary7MA4YWxk";
const TRANSCRIPTIONS: &str = "/v1/audio/transcriptions";

/// A form of these fields; one that is called `file` or `image` is a file.
fn form(fields: &[(&str, &[u8])]) -> Bytes {
    let mut body = Vec::new();
    for (name, value) in fields {
        let file =
            if ["file", "image"].contains(name) { "; filename=\"a.wav\"\r\nContent-Type: audio/wav" } else { "" };
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body.into()
}

fn upload(path: &str, body: impl Into<Bytes>) -> Call {
    let mut call = Call::post(path, body).key(KEY);
    call.fields.retain(|(name, _)| name != "content-type");
    call.field("content-type", &format!("multipart/form-data; boundary={BOUNDARY}"))
}

async fn transcribe(gateway: &Gateway, body: impl Into<Bytes>) -> Answer {
    upload(TRANSCRIPTIONS, body).send(gateway.address).await
}

/// A field of a form.
type Field<'a> = (&'a str, &'a [u8]);

/// A form of a model's name and a file, in some order.
type Order = fn(&'static [u8], &[u8]) -> Bytes;

/// Sound of `length` bytes, no two slices alike, with line ends and dashes in it.
fn sound(length: usize) -> Vec<u8> {
    let mut sound = b"OggS".to_vec();
    let mut count = 0_u32;
    while sound.len() < length {
        sound.extend_from_slice(&count.to_le_bytes());
        sound.extend_from_slice(b"\r\n--");
        count += 1;
    }
    sound.truncate(length);
    sound
}

/// What the access records tell of `count` requests: input, output, and where the figures are from.
async fn metered(gateway: &Gateway, count: usize) -> Vec<(u64, u64, String)> {
    let records = eventually("the access records are written", || async {
        let records = gateway.access_records();
        (records.len() >= count).then_some(records)
    });
    let number = |record: &serde_json::Value, name: &str| record[name].as_u64().expect("a number");
    let told = |record: &serde_json::Value| {
        let origin = record["usage_origin"].as_str().expect("an origin").to_owned();
        (number(record, "input_tokens"), number(record, "output_tokens"), origin)
    };
    records.await.iter().map(told).collect()
}

const HEARD: &str = r#"{"text":"Hi there","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":4,"audio_tokens":10},"output_tokens":5,"total_tokens":19}}"#;

#[tokio::test]
async fn a_form_of_20_mb_arrives_byte_for_byte_with_only_the_model_changed() {
    let upstream = Upstream::start().await;
    upstream.always(Script::json(200, HEARD));
    let gateway = Setup::openai(&[&upstream]).start().await;
    let file = sound(20_000_000);
    let orders: [Order; 2] = [
        |model, file| form(&[("model", model), ("prompt", b"two words"), ("file", file)]),
        |model, file| form(&[("file", file), ("prompt", b"two words"), ("model", model)]),
    ];
    for (number, order) in orders.into_iter().enumerate() {
        let call = upload(TRANSCRIPTIONS, order(b"fast", &file));
        let call = if number == 0 { call } else { call.chunked(65_537) };
        let answer = call.send(gateway.address).await;
        assert_eq!((answer.status, answer.unbroken()), (200, HEARD));
        let seen = upstream.request(number).await;
        assert!(seen.body == order(b"model-a", &file), "order {number}");
        assert_eq!(seen.path(), TRANSCRIPTIONS);
        let kind = format!("multipart/form-data; boundary=\"{BOUNDARY}\"");
        assert_eq!(seen.head.get("content-type"), Some(&*kind), "written anew with the client's boundary");
        assert_eq!(seen.head.get("content-length"), Some(&*seen.body.len().to_string()));
    }
    for row in gateway.settled(2).await {
        assert_eq!((row.tokens(), row.text("usage_origin")), ((14, 5), "reported"));
    }
}

#[tokio::test]
async fn an_upload_is_tried_at_the_next_target() {
    let (broken, healthy) = (Upstream::start().await, Upstream::start().await);
    broken.always(Script::error(503));
    healthy.always(Script::json(200, HEARD));
    let gateway = Setup::openai(&[&broken, &healthy]).start().await;
    let file = sound(3_000_000);
    let answer = transcribe(&gateway, form(&[("file", &file), ("model", b"fast")])).await;
    assert_eq!((answer.status, answer.unbroken()), (200, HEARD));
    assert!(broken.only().body == form(&[("file", &file), ("model", b"model-a")]));
    assert!(healthy.only().body == form(&[("file", &file), ("model", b"model-b")]));
    let rows = gateway.settled(2).await;
    let origins: Vec<_> = rows.iter().map(|row| row.text("usage_origin").to_owned()).collect();
    assert!(origins.contains(&"none".to_owned()) && origins.contains(&"reported".to_owned()), "{origins:?}");
}

#[tokio::test]
async fn a_form_that_cannot_be_read_is_400_and_names_its_field() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let (file, model): (Field<'_>, Field<'_>) = (("file", b"OggS"), ("model", b"fast"));
    let whole = form(&[file, model]);
    let end = whole.len() - BOUNDARY.len() - 8;
    let cases: [(&str, Bytes, Option<&str>); 7] = [
        ("no model", form(&[file]), Some("model")),
        ("two models", form(&[file, model, model]), Some("model")),
        ("no file", form(&[model]), Some("file")),
        ("a file without an end", form(&[model, file]).slice(..end), Some("file")),
        ("nothing", Bytes::new(), None),
        ("JSON", Bytes::from_static(b"{\"model\":\"fast\"}"), None),
        ("a flag that is none", form(&[file, model, ("stream", b"maybe")]), Some("stream")),
    ];
    for (name, body, field) in cases {
        let answer = transcribe(&gateway, body).await;
        answer.openai_error(400);
        let error = answer.json()["error"].clone();
        assert_eq!(error["param"].as_str(), field, "{name}: {error}");
        assert!(field.is_none_or(|field| error["message"].as_str().expect("text").contains(field)), "{name}: {error}");
    }
    let mut other = upload(TRANSCRIPTIONS, whole.clone());
    for kind in ["multipart/form-data; boundary=another", "multipart/form-data", "application/json", "text/plain"] {
        other.fields.retain(|(name, _)| name != "content-type");
        other.fields.push(("content-type".to_owned(), kind.to_owned()));
        other.send(gateway.address).await.openai_error(400);
    }
    let misplaced = upload("/v1/chat/completions", whole).send(gateway.address).await;
    misplaced.openai_error(400);
    assert_eq!(upstream.count(), 0, "nothing of it reaches a provider");
}

#[tokio::test]
async fn speech_arrives_as_it_comes_and_a_break_is_seen() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let gate = Gate::new();
    let script = Script::new().head(200, &[("content-type", "audio/mpeg")]);
    upstream.next(script.body(&b"ID3\xff\0first"[..]).wait(&gate).body(&b"second\xfe"[..]).end());
    let ask = r#"{"model":"fast","input":"Hello","voice":"alloy"}"#;
    let mut answer = gateway.open("/v1/audio/speech", ask).await;
    let first = answer.piece().await.expect("it is unbroken").expect("a piece");
    assert_eq!(first.as_ref(), b"ID3\xff\0first", "before the second exists");
    gate.open();
    let whole = answer.whole().await;
    assert_eq!((whole.body.as_ref(), whole.broken.as_deref()), (&b"second\xfe"[..], None));
    assert_eq!(whole.field("content-type"), Some("audio/mpeg"));
    assert_eq!(upstream.only().text(), ask.replace("fast", "model-a"));

    let gate = Gate::new();
    let short = Script::new().head(200, &[("content-type", "audio/mpeg"), ("content-length", "1000")]);
    upstream.next(short.body(&b"ID3"[..]).wait(&gate).close());
    let mut cut = gateway.open("/v1/audio/speech", ask).await;
    assert_eq!(cut.piece().await.expect("it is unbroken").as_deref(), Some(&b"ID3"[..]));
    gate.open();
    let rest = cut.whole().await;
    assert!(rest.broken.is_some(), "half of a sound is not ended cleanly");

    upstream.next(Script::json(200, r#"{"error":"the model is loading"}"#));
    gateway.post("/v1/audio/speech", ask).await.openai_error(502);
}

#[tokio::test]
async fn subtitles_pass_as_they_are() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let srt = "1\n00:00:00,000 --> 00:00:02,500\nHi there\n\n";
    upstream.next(Script::answer(200, "text/plain; charset=utf-8", srt));
    let fields: [(&str, &[u8]); 3] = [("file", b"OggS0000"), ("model", b"fast"), ("response_format", b"srt")];
    let answer = transcribe(&gateway, form(&fields)).await;
    assert_eq!((answer.status, answer.unbroken()), (200, srt));
    assert_eq!(answer.field("content-type"), Some("text/plain; charset=utf-8"));
    upstream.next(Script::answer(200, "text/html", "<html>Sign in</html>"));
    transcribe(&gateway, form(&fields)).await.openai_error(502);
    let rows = gateway.settled(2).await;
    assert!(rows.iter().any(|row| row.text("usage_origin") == "estimated"), "no figures: by what is known of the file");
}

#[tokio::test]
async fn a_picture_of_12_mb_arrives_whole_with_its_usage_metered() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let picture = "A".repeat(12 << 20);
    let body = format!(
        "{{\"created\":1,\"data\":[{{\"b64_json\":\"{picture}\"}}],\"usage\":{{\"input_tokens\":50,\"input_tokens_details\":\
         {{\"text_tokens\":10,\"image_tokens\":40}},\"output_tokens\":1056,\"total_tokens\":1106}}}}"
    );
    upstream.always(Script::json(200, body.clone()));
    let answer = gateway.post("/v1/images/generations", r#"{"model":"fast","prompt":"a cat"}"#).await;
    assert!(answer.status == 200 && answer.unbroken() == body);
    assert_eq!(metered(&gateway, 1).await, [(50, 1056, "reported".to_owned())]);
}

#[tokio::test]
async fn a_stream_of_each_call_passes_event_by_event_and_ends_with_its_last() {
    let picture = |kind: &str| {
        [
            format!(
                "event: {kind}.partial_image\ndata: {{\"type\":\"{kind}.partial_image\",\"b64_json\":\"iVB\"}}\n\n"
            ),
            format!(
                "event: {kind}.completed\ndata: {{\"type\":\"{kind}.completed\",\"b64_json\":\"iVBOR\",\"usage\":\
                 {{\"input_tokens\":14,\"output_tokens\":5}}}}\n\n"
            ),
        ]
    };
    let heard = [
        "data: {\"type\":\"transcript.text.delta\",\"delta\":\"Hi\"}\n\n".to_owned(),
        format!("data: {}\n\n", HEARD.replacen('{', "{\"type\":\"transcript.text.done\",", 1)),
    ];
    let spoken = [
        "data: {\"type\":\"speech.audio.delta\",\"audio\":\"SUQz\"}\n\n".to_owned(),
        "data: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":14,\"output_tokens\":5}}\n\n".to_owned(),
    ];
    let json = |path: &str, rest: &str| Call::post(path, format!("{{\"model\":\"fast\",{rest}}}")).key(KEY);
    let edit = form(&[("image", b"PNG"), ("model", b"fast"), ("prompt", b"a hat"), ("stream", b"true")]);
    let hear = form(&[("file", b"OggS"), ("model", b"fast"), ("stream", b"True")]);
    let calls = [
        (json("/v1/images/generations", r#""prompt":"a cat","stream":true"#), picture("image_generation")),
        (upload("/v1/images/edits", edit), picture("image_edit")),
        (json("/v1/images/edits", r#""prompt":"a hat","images":[],"stream":true"#), picture("image_edit")),
        (upload(TRANSCRIPTIONS, hear), heard.clone()),
        (json("/v1/audio/speech", r#""input":"Hi","voice":"alloy","stream_format":"sse""#), spoken),
    ];
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    for (call, events) in &calls {
        upstream.next(Script::events(events));
        let answer = call.send(gateway.address).await;
        assert_eq!((answer.status, answer.unbroken()), (200, &*events.concat()), "{}", call.path);
        assert_eq!(answer.field("content-type"), Some("text/event-stream"), "{}", call.path);
    }
    assert_eq!(metered(&gateway, calls.len()).await, vec![(14, 5, "reported".to_owned()); calls.len()]);
    upstream.next(Script::events(&heard[..1]));
    let cut = calls[3].0.send(gateway.address).await;
    let last = cut.unbroken().split_inclusive("\n\n").last().expect("an event").to_owned();
    assert!(last.contains("\"error\""), "a stream that is cut off ends in its error: {last}");
}

#[tokio::test]
async fn a_model_that_cannot_stream_answers_whole() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    upstream.always(Script::json(200, HEARD));
    let body = form(&[("file", b"OggS"), ("model", b"fast"), ("stream", b"true")]);
    let answer = transcribe(&gateway, body).await;
    assert_eq!((answer.status, answer.unbroken()), (200, HEARD));
    assert_eq!(gateway.only_row().await.tokens(), (14, 5));
}

#[tokio::test]
async fn moderation_passes_and_is_free_and_errors_are_in_the_dialect() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    let flagged = r#"{"id":"modr-1","model":"omni-moderation","results":[{"flagged":false,"categories":{}}]}"#;
    upstream.next(Script::json(200, flagged));
    let answer = gateway.post("/v1/moderations", r#"{"input":["a","b"],"model":"fast"}"#).await;
    assert_eq!((answer.status, answer.unbroken()), (200, flagged));
    assert_eq!(upstream.only().text(), r#"{"input":["a","b"],"model":"model-a"}"#);
    let row = gateway.only_row().await;
    assert_eq!((row.tokens(), row.text("usage_origin")), ((0, 0), "none"));
    upstream.next(Script::error(400));
    let refused = gateway.post("/v1/images/generations", r#"{"model":"fast","prompt":""}"#).await;
    assert_eq!((refused.status, &refused.json()["error"]["message"]), (400, &"scripted 400".into()));
}

#[tokio::test]
async fn a_call_that_no_target_speaks_is_refused() {
    let upstream = Upstream::start().await;
    let gateway = Setup::anthropic(&[&upstream]).start().await;
    transcribe(&gateway, form(&[("file", b"OggS"), ("model", b"fast")])).await.openai_error(400);
    gateway.post("/v1/audio/speech", r#"{"model":"fast","input":"x"}"#).await.openai_error(400);
    assert_eq!(upstream.count(), 0);
}
