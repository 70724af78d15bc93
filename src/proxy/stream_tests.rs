//! Answers of the real providers' readers: golden streams cut anywhere, trouble at every place, whole answers of every
//! size, refusals.

#[path = "stream_media_tests.rs"]
mod media;

use super::*;
use crate::config;
use crate::proxy::bounds::Buffers;
use crate::proxy::refusal::{LONGEST_WAIT, MAX_REFUSAL_BYTES};
use proptest::prelude::*;
use serde_json::Value;
use std::time::Duration;

const LIMIT: usize = 1 << 26;
const KEY: &str = "sk-planted-0123456789";

fn provider(kind: &str) -> Arc<dyn Provider> {
    let settings = config::Section::from_yaml("providers.p", &format!("{{ api_key: {KEY} }}")).expect("YAML");
    let (_, build) = crate::providers::PROVIDERS.iter().find(|(name, _)| *name == kind).expect("a kind");
    let config = config::Provider {
        name: "p".into(),
        kind: kind.to_owned(),
        settings,
        catalogue: None,
        protocol: config::Protocol::default(),
        uplink: Default::default(),
        health: Default::default(),
        rules: std::sync::Arc::default(),
    };
    Arc::from(build(&config).expect("the settings are right"))
}

fn provider_of(api: Api) -> Arc<dyn Provider> {
    provider(if matches!(api, Api::Messages | Api::CountTokens) { "anthropic" } else { "openai" })
}

struct Bench {
    buffers: Buffers,
    expect: Expect,
}

impl Bench {
    fn new(api: Api, stream: bool) -> Self {
        let expect = Expect {
            label: "r-1".into(),
            api,
            stream,
            hide_usage: false,
            most_withheld: 1 << 20,
            most: None,
            text: false,
            pictures: 1,
            whole: false,
        };
        Self { buffers: Buffers::new(LIMIT), expect }
    }

    fn hiding(mut self, hide_usage: bool) -> Self {
        self.expect.hide_usage = hide_usage;
        self
    }

    fn withholding(mut self, most_withheld: usize) -> Self {
        self.expect.most_withheld = most_withheld;
        self
    }

    fn holding(mut self, limit: usize) -> Self {
        self.buffers = Buffers::new(limit);
        self
    }

    /// An answer without its header.
    fn pending(&self) -> Answer {
        let share = self.buffers.take(0).expect("nothing fits always");
        Answer::new(self.expect.clone(), provider_of(self.expect.api), share)
    }

    /// An answer of `status` and `kind`.
    fn head(&self, status: u16, kind: &str) -> Answer {
        let mut answer = self.pending();
        answer
            .head(StatusCode::from_u16(status).expect("a status"), &headers(&[("content-type", kind)]))
            .expect("taken");
        answer
    }

    /// The good beginning of what was asked for.
    fn begun(&self) -> Answer {
        self.head(200, if self.expect.stream { "text/event-stream; charset=utf-8" } else { "application/json" })
    }

    fn play<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Played {
        let mut played = Played { answer: self.begun(), out: Vec::new(), first: None, firsts: 0, trouble: None };
        let mut sent = 0;
        for piece in pieces {
            sent += piece.len();
            let result = played.answer.push(Bytes::copy_from_slice(piece));
            if !played.take(result, sent) {
                return played;
            }
        }
        let result = played.answer.end();
        played.take(result, sent);
        played
    }
}

/// What came of an answer.
struct Played {
    answer: Answer,
    out: Vec<u8>,
    /// Bytes that had come when the first went out.
    first: Option<usize>,
    /// How often a first output was told.
    firsts: usize,
    /// Trouble before anything was released.
    trouble: Option<Trouble>,
}

impl Played {
    fn take(&mut self, result: Result<Release, Trouble>, sent: usize) -> bool {
        match result {
            Ok(release) => {
                if !release.bytes.is_empty() {
                    self.first.get_or_insert(sent);
                }
                self.firsts += usize::from(release.first_output);
                self.out.extend_from_slice(&release.bytes);
                true
            }
            Err(trouble) => {
                self.trouble = Some(trouble);
                false
            }
        }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.out).expect("UTF-8")
    }

    fn names(&self) -> (Option<&'static str>, Option<&'static str>) {
        (self.trouble.as_ref().map(Trouble::name), self.answer.failed().map(Trouble::name))
    }

    /// Everything that must not depend on the network's cuts.
    fn sum(&self) -> (String, Option<Trouble>, Option<Trouble>, Reading, Option<String>, bool) {
        let output = self.answer.output().map(|output| output.text().to_owned());
        let failed = self.answer.failed().cloned();
        let ended = self.answer.ended();
        (self.text().to_owned(), self.trouble.clone(), failed, self.answer.reading().clone(), output, ended)
    }
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(*name, header::HeaderValue::from_str(value).expect("a value"));
    }
    map
}

/// One golden stream: what comes, what the client of a direct call would have got, and how its first output reads.
struct Golden {
    name: &'static str,
    api: Api,
    hide: bool,
    stream: String,
    want: String,
    first: &'static str,
    end: &'static str,
    usage: (u64, u64),
}

const CHAT: &str = include_str!("../providers/openai/fixtures/chat_stream.sse");
const CHAT_ASKED: &str = include_str!("../providers/openai/fixtures/chat_stream_asked.sse");
const TOOLS: &str = include_str!("../providers/openai/fixtures/chat_tools_stream.sse");
const COMPLETIONS: &str = include_str!("../providers/openai/fixtures/completions_stream.sse");
const RESPONSES: &str = include_str!("../providers/openai/fixtures/responses_stream.sse");
const IMAGES: &str = include_str!("../providers/openai/fixtures/images_stream.sse");
const EDITS: &str = include_str!("../providers/openai/fixtures/image_edits_stream.sse");
const HEARD: &str = include_str!("../providers/openai/fixtures/transcription_stream.sse");
const SPOKEN: &str = include_str!("../providers/openai/fixtures/speech_stream.sse");
const MESSAGES: &str = include_str!("../providers/anthropic/fixtures/messages_stream.sse");

/// The stream as it would be had usage not been asked for.
fn unasked(stream: &str) -> String {
    let events = stream.split_inclusive("\n\n").filter(|event| !event.contains("\"choices\":[]"));
    events.collect::<String>().replace(",\"usage\":null", "")
}

fn goldens() -> Vec<Golden> {
    let golden = |name, api, (hide, stream, want): (bool, &str, String), first, end, usage| Golden {
        name,
        api,
        hide,
        stream: stream.to_owned(),
        want,
        first,
        end,
        usage,
    };
    let (done, chat, completions) = ("[DONE]", Api::ChatCompletions, Api::Completions);
    let asked = |stream: &'static str| (false, stream, stream.to_owned());
    vec![
        golden("chat", chat, (true, CHAT_ASKED, CHAT.to_owned()), "Hello", done, (1117, 46)),
        golden("chat, asked", chat, asked(CHAT_ASKED), "Hello", done, (1117, 46)),
        golden("chat, tools", chat, (true, TOOLS, unasked(TOOLS)), "get_weather", done, (81, 17)),
        golden("chat, tools, asked", chat, asked(TOOLS), "get_weather", done, (81, 17)),
        golden("completions", completions, (true, COMPLETIONS, unasked(COMPLETIONS)), "This", done, (5, 2)),
        golden("completions, asked", completions, asked(COMPLETIONS), "This", done, (5, 2)),
        golden("responses", Api::Responses, asked(RESPONSES), "\"delta\":\"Hi\"", "response.completed", (37, 11)),
        golden("messages", Api::Messages, asked(MESSAGES), "I should look.", "message_stop", (2325, 89)),
        golden("images", Api::Images, asked(IMAGES), "partial_image_index", "image_generation.completed", (50, 1056)),
        golden("edits", Api::ImageEdits, asked(EDITS), "partial_image_index", "image_edit.completed", (323, 4160)),
        golden("heard", Api::Transcriptions, asked(HEARD), "\"delta\":\"I\"", "transcript.text.done", (14, 45)),
        golden("spoken", Api::Speech, asked(SPOKEN), "SUQz", "speech.audio.done", (14, 101)),
    ]
}

/// The same with other line ends, and with comments and pings in front of and inside of it.
fn dressed(golden: &Golden, dress: usize) -> (String, String) {
    let both = |change: &dyn Fn(&str) -> String| (change(&golden.stream), change(&golden.want));
    match dress {
        0 => both(&str::to_owned),
        1 => both(&|text| text.replace('\n', "\r\n")),
        2 => both(&|text| format!(": OPENROUTER PROCESSING\n\n:\n\n{}", text.replacen("\n\n", "\n\n: ping\n\n", 2))),
        3 => both(&|text| format!("\u{feff}{text}")),
        _ => both(&|text| text.replace('\n', "\r")),
    }
}

/// Pieces of `stream` cut at `places` (each modulo its length).
fn cut<'a>(stream: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = places.iter().map(|place| place % (stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect()
}

fn event_count(stream: &str) -> usize {
    stream.matches("\n\n").count()
}

/// The events of what a client got.
fn events(stream: &[u8]) -> Vec<SseEvent> {
    let (mut scanner, mut out) = (crate::sse::SseScanner::new(LIMIT), Vec::new());
    scanner.push(&Bytes::copy_from_slice(stream), &mut out).expect("short");
    assert_eq!(scanner.finish(), None, "every event is whole");
    out.into_iter().filter(|event| event.has_data).collect()
}

fn is_error(api: Api, event: &SseEvent) -> bool {
    let data: Value = serde_json::from_slice(&event.data).unwrap_or_default();
    match api {
        Api::Messages => event.name == "error" && data["type"] == "error" && data["error"]["type"].is_string(),
        Api::Responses => event.name == "error" && data["type"] == "error" && data["sequence_number"].is_u64(),
        _ => data["error"]["message"].is_string() && data.get("choices").is_none(),
    }
}

/// Exactly one error event, and it is the last.
fn ends_in_one_error(api: Api, stream: &[u8]) -> bool {
    let events = events(stream);
    let errors: Vec<_> = events.iter().map(|event| is_error(api, event)).collect();
    errors.last() == Some(&true) && errors.iter().filter(|error| **error).count() == 1
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Where the network cuts a stream must not change what the client gets and what is metered.
    #[test]
    fn cuts_do_not_matter(
        which in 0..12usize, dress in 0..5usize, places in proptest::collection::vec(any::<usize>(), 0..12), fine in any::<bool>(),
    ) {
        let golden = &goldens()[which];
        let (stream, want) = dressed(golden, dress);
        let bench = Bench::new(golden.api, true).hiding(golden.hide);
        let pieces = if fine { stream.as_bytes().chunks(1).collect() } else { cut(stream.as_bytes(), &places) };
        let played = bench.play(pieces);
        prop_assert_eq!(played.text(), &want, "{}", golden.name);
        prop_assert_eq!(played.sum(), bench.play([stream.as_bytes()]).sum());
        prop_assert_eq!(played.names(), (None, None));
        prop_assert!(played.answer.ended() && played.answer.released());
        prop_assert_eq!(played.firsts, 1, "the first output is told once");
        // Held back to the end of the event that carries the first output, not further back than that.
        let at = stream.find(golden.first).expect("it is in the stream");
        prop_assert!(played.first.is_some_and(|first| first > at), "released before its first output");
        let (usage, _) = played.answer.reported().expect("usage is reported");
        prop_assert_eq!((usage.input_total(), usage.output_total()), golden.usage);
        drop(played);
        prop_assert_eq!(bench.buffers.used(), 0);
    }

    /// A stream that is cut off gives the events that came whole, then one error event: or nothing, if no output came.
    #[test]
    fn a_cut_stream_is_never_whole(which in 0..12usize, keep in any::<usize>(), places in proptest::collection::vec(any::<usize>(), 0..6)) {
        let golden = &goldens()[which];
        let keep = keep % golden.stream.len();
        let bench = Bench::new(golden.api, true).hiding(golden.hide);
        let played = bench.play(cut(&golden.stream.as_bytes()[..keep], &places));
        let end = golden.stream.rfind(golden.end).expect("it is in the stream");
        if let Some(trouble) = &played.trouble {
            prop_assert_eq!(trouble, &Trouble::Cut);
            prop_assert_eq!(played.text(), "");
        } else if played.answer.failed().is_some() {
            prop_assert!(ends_in_one_error(golden.api, &played.out), "{}", played.text());
            let good = played.text().rfind(if golden.api == Api::Messages || golden.api == Api::Responses { "event: error" } else { "data: " });
            prop_assert!(golden.want.starts_with(&played.text()[..good.expect("an error event")]));
            prop_assert!(!played.answer.ended() && !events(&played.out).iter().any(|event| event.data.as_ref() == b"[DONE]"));
        } else {
            prop_assert!(keep > end, "only the end marker is an end");
            prop_assert!(golden.want.starts_with(played.text()) && played.answer.ended());
        }
    }

    /// Trouble at any place: before the first output the next target is tried unseen; afterwards the client's last
    /// event is the error; behind the end marker it is too late for trouble.
    #[test]
    fn trouble_is_told_once_and_last(
        which in 0..12usize, at in any::<usize>(), kind in 0..3usize, places in proptest::collection::vec(any::<usize>(), 0..6),
    ) {
        let golden = &goldens()[which];
        let at = at % (event_count(&golden.stream) + 1);
        let (bad, name) = [(error_event(golden.api), "in_band_error"), ("data: <html>\n\n".to_owned(), "garbage"),
            (format!("{}data: {{\n\n", error_event(golden.api)), "in_band_error")][kind].clone();
        let mut parts: Vec<&str> = golden.stream.split_inclusive("\n\n").collect();
        let output_at = parts.iter().position(|event| event.contains(golden.first)).expect("in the stream");
        let good: Vec<&str> = golden.want.split_inclusive("\n\n").collect();
        parts.insert(at, &bad);
        let stream = parts.concat();
        let bench = Bench::new(golden.api, true).hiding(golden.hide);
        let played = bench.play(cut(stream.as_bytes(), &places));
        if at <= output_at {
            prop_assert_eq!(played.names(), (Some(name), None));
            prop_assert_eq!(played.text(), "");
        } else if at == event_count(&golden.stream) {
            prop_assert_eq!(played.names(), (None, None));
            prop_assert_eq!(played.text(), &golden.want);
        } else {
            prop_assert_eq!(played.names(), (None, Some(name)));
            prop_assert!(ends_in_one_error(golden.api, &played.out), "{}", played.text());
            let shown = good[..at.min(good.len() - 1)].concat();
            prop_assert!(played.text().starts_with(&shown), "{} does not begin with {shown}", played.text());
            prop_assert!(!played.text().contains(KEY), "secrets are masked");
        }
        drop(played);
        prop_assert_eq!(bench.buffers.used(), 0);
    }

    /// A time-out or a break after the first output: one error event, and nothing behind it.
    #[test]
    fn nothing_follows_a_failure(which in 0..12usize, events_before in 1..4usize, kind in 0..4usize) {
        let golden = &goldens()[which];
        let trouble = [Trouble::Idle, Trouble::Total, Trouble::Broken("reset".into()), Trouble::BuffersFull][kind].clone();
        let parts: Vec<&str> = golden.stream.split_inclusive("\n\n").collect();
        let output_at = parts.iter().position(|event| event.contains(golden.first)).expect("in the stream");
        let before = (output_at + events_before).min(parts.len() - 1);
        let (mut answer, mut out) = (Bench::new(golden.api, true).begun(), Vec::new());
        for part in &parts[..before] {
            out.extend_from_slice(&answer.push(Bytes::copy_from_slice(part.as_bytes())).expect("good").bytes);
        }
        out.extend_from_slice(&answer.fail(trouble, Release::default()).expect("it began").bytes);
        for part in &parts[before..] {
            out.extend_from_slice(&answer.push(Bytes::copy_from_slice(part.as_bytes())).expect("ignored").bytes);
        }
        out.extend_from_slice(&answer.end().expect("ignored").bytes);
        prop_assert!(ends_in_one_error(golden.api, &out));
        prop_assert!(!answer.ended());
    }

    /// Usage at the end of an answer that is too long to be withheld is found, wherever the network and the tail cut.
    #[test]
    fn a_long_answer_is_metered_from_its_end(
        which in 0..6usize, padding in 0..200_000usize, places in proptest::collection::vec(any::<usize>(), 0..9), before in 0..60_000usize,
    ) {
        let (api, body, usage) = wholes()[which];
        let body = padded(body, padding, before);
        let bench = Bench::new(api, false).withholding(1000);
        let played = bench.play(cut(body.as_bytes(), &places));
        prop_assert_eq!(played.text(), &body);
        let (got, tier) = played.answer.reported().expect("usage is in the tail");
        prop_assert_eq!((got.input_total(), got.output_total()), usage);
        if api == Api::ChatCompletions {
            prop_assert_eq!(tier, crate::model::ServiceTier::Priority, "what stands behind the usage counts too");
        }
        prop_assert_eq!((bench.buffers.used(), played.firsts), (0, 0), "it flows: nothing is held");
    }

    /// Whatever a provider sends, in whatever pieces: no panic, nothing held at the end, one error event at most.
    #[test]
    fn no_stream_does_harm(
        text in "(data: |event: error|: |\r|\n|\n\n|\\{\"choices\":\\[\\]\\}|\\{\"error\":\\{\\}\\}|\\[DONE\\]|\\{\"type\":\"message_stop\"\\}|x){0,30}",
        which in 0..4usize, places in proptest::collection::vec(any::<usize>(), 0..9),
    ) {
        let api = [Api::ChatCompletions, Api::Completions, Api::Responses, Api::Messages][which];
        let bench = Bench::new(api, true).hiding(true);
        let played = bench.play(cut(text.as_bytes(), &places));
        let whole = bench.play([text.as_bytes()]);
        prop_assert_eq!(played.sum(), whole.sum());
        let ways = [played.trouble.is_some(), played.answer.failed().is_some(), played.answer.ended() && played.answer.released()];
        prop_assert_eq!(ways.iter().filter(|way| **way).count(), 1, "one way to end");
        drop((played, whole));
        prop_assert_eq!(bench.buffers.used(), 0);
    }
}

fn error_event(api: Api) -> String {
    match api {
        Api::Messages => {
            format!(
                "event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"overloaded_error\",\"message\":\"{KEY}\"}}}}\n\n"
            )
        }
        Api::Responses => format!(
            "event: error\ndata: {{\"type\":\"error\",\"code\":\"server_error\",\"message\":\"{KEY}\",\"sequence_number\":1}}\n\n"
        ),
        _ => format!("data: {{\"error\":{{\"message\":\"{KEY}\",\"code\":503}}}}\n\n"),
    }
}

/// Whole answers with their input and output.
fn wholes() -> [(Api, &'static str, (u64, u64)); 6] {
    [
        (Api::ChatCompletions, include_str!("../providers/openai/fixtures/chat.json"), (19, 10)),
        (Api::Responses, include_str!("../providers/openai/fixtures/responses.json"), (36, 87)),
        (Api::Embeddings, include_str!("../providers/openai/fixtures/embeddings.json"), (8, 0)),
        (Api::Messages, include_str!("../providers/anthropic/fixtures/messages.json"), (2152, 503)),
        (Api::Images, include_str!("../providers/openai/fixtures/images.json"), (50, 1056)),
        (Api::Transcriptions, include_str!("../providers/openai/fixtures/transcription.json"), (14, 45)),
    ]
}

/// `body` with a long text at its front (which names a usage of its own, escaped), and some behind its usage.
fn padded(body: &str, front: usize, back: usize) -> String {
    let inner = body.trim().strip_prefix('{').and_then(|body| body.strip_suffix('}')).expect("an object");
    let lure = r#"\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}"#;
    let (front, back) = ("x".repeat(front + 1000), "y".repeat(back));
    format!("{{\"padding\":\"{front}{lure}\",{inner},\"more\":\"{back}\",\"metadata\":{{\"usage\":\"z\"}}}}\n")
}

#[test]
fn odd_streams_end_in_one_way() {
    let delta = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let role = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
    let finish = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let done = "data: [DONE]\n\n";
    let odd = "{\"choices\":7}";
    // (name, stream, trouble before and after the first output, what goes out before an error event)
    type Case = (&'static str, String, (Option<&'static str>, Option<&'static str>), String);
    let cases: [Case; 16] = [
        ("nothing at all", String::new(), (Some("cut_off"), None), String::new()),
        ("only the end marker", done.to_owned(), (Some("empty"), None), String::new()),
        ("a role and the end", format!("{role}{done}"), (Some("empty"), None), String::new()),
        ("comments and the end", format!(": a\n\n: b\n\n{done}"), (Some("empty"), None), String::new()),
        ("a finish reason is output", format!("{role}{finish}{done}"), (None, None), format!("{role}{finish}{done}")),
        ("no end marker", format!("{delta}{finish}"), (None, Some("cut_off")), format!("{delta}{finish}")),
        ("no output, no end", role.to_owned(), (Some("cut_off"), None), String::new()),
        ("bytes behind the end", format!("{delta}{done}{delta}: x\n\n"), (None, None), format!("{delta}{done}")),
        ("half an event behind it", format!("{delta}{done}data: {{"), (None, None), format!("{delta}{done}")),
        ("an end without blank line", format!("{delta}data: [DONE]"), (None, None), format!("{delta}data: [DONE]")),
        ("an end with half of it", format!("{delta}data: [DONE]\n"), (None, None), format!("{delta}data: [DONE]\n")),
        ("output without blank line", format!("{delta}{}", delta.trim()), (None, Some("cut_off")), delta.to_owned()),
        ("half a comment", format!("{delta}: pi"), (None, Some("cut_off")), delta.to_owned()),
        ("half an end marker", format!("{delta}data: [DO"), (None, Some("cut_off")), delta.to_owned()),
        (
            "an array is unknown, not garbage",
            format!("data: {odd}\n\n{done}"),
            (None, None),
            format!("data: {odd}\n\n{done}"),
        ),
        ("garbage first", format!("data: nonsense\n\n{delta}{done}"), (Some("garbage"), None), String::new()),
    ];
    for (name, stream, troubles, shown) in cases {
        let bench = Bench::new(Api::ChatCompletions, true);
        for size in [1, 7, 10_000] {
            let played = bench.play(stream.as_bytes().chunks(size));
            assert_eq!(played.names(), troubles, "{name}, {size}");
            let error = played.answer.failed().map(|trouble| played.answer.error_event(trouble)).unwrap_or_default();
            assert_eq!(played.text(), format!("{shown}{}", String::from_utf8_lossy(&error)), "{name}, {size}");
        }
    }
}

#[test]
fn usage_is_read_wherever_it_stands_and_never_added_up() {
    let delta = |usage: &str| format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"a\"}}}}]{usage}}}\n\n");
    let finish =
        |usage: &str| format!("data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"stop\"}}]{usage}}}\n\n");
    let usage = |output| format!(",\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":{output}}}");
    let cases = [
        ("never", format!("{}{}", delta(""), finish("")), None),
        ("in the last content chunk", format!("{}{}", delta(""), finish(&usage(2))), Some((3, 2))),
        ("cumulative", format!("{}{}{}", delta(&usage(1)), delta(&usage(2)), finish(&usage(3))), Some((3, 3))),
        ("before the finish only", format!("{}{}", delta(&usage(1)), finish("")), Some((3, 1))),
    ];
    for (name, stream, want) in cases {
        let stream = format!("{stream}data: [DONE]\n\n");
        let played = Bench::new(Api::ChatCompletions, true).hiding(true).play(stream.as_bytes().chunks(5));
        assert_eq!(played.answer.reported().map(|(usage, _)| (usage.input, usage.output)), want, "{name}");
        assert!(!played.text().contains("usage"), "{name}: not asked for, not shown");
        let shown = Bench::new(Api::ChatCompletions, true).play(stream.as_bytes().chunks(5));
        assert_eq!(shown.text(), stream, "{name}: asked for, shown as it came");
    }
}

#[test]
fn an_event_that_is_too_long_is_garbage_before_and_after_the_first_output() {
    let long = Bytes::from(format!("data: \"{}", "x".repeat(MAX_EVENT_BYTES)));
    let bench = Bench::new(Api::ChatCompletions, true);
    let mut answer = bench.begun();
    assert_eq!(answer.push(long.clone()).map_err(|trouble| trouble.name()), Err("garbage"));
    let mut answer = bench.begun();
    let first = answer.push(Bytes::from_static(b"data: {\"choices\":[{\"text\":\"a\"}]}\n\n")).expect("good");
    let last = answer.push(long.clone()).expect("told in the stream");
    assert!(ends_in_one_error(Api::ChatCompletions, &[first.bytes, last.bytes].concat()));
    let mut answer = bench.begun();
    let whole = answer.push(Bytes::from_static(b"data: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: [DONE]\n\n"));
    assert!(whole.is_ok() && answer.ended());
    assert_eq!(answer.push(long), Ok(Release::default()), "behind the end nothing counts");
    assert_eq!(answer.failed(), None);
}

#[test]
fn what_comes_before_the_first_output_is_bounded() {
    let bench = Bench::new(Api::ChatCompletions, true).holding(1 << 30);
    let mut answer = bench.begun();
    let ping = Bytes::from(format!(": {}\n\n", "p".repeat(1 << 20)));
    let trouble = (0..20).find_map(|_| answer.push(ping.clone()).err());
    assert_eq!(trouble.map(|trouble| (trouble.name(), trouble.failure().is_some())), Some(("garbage", true)));
}

#[test]
fn what_a_stream_holds_counts_and_is_given_back_at_release() {
    let bench = Bench::new(Api::ChatCompletions, true).holding(1 << 20);
    let mut answer = bench.begun();
    let ping = Bytes::from(format!(": {}\n\n", "p".repeat(200_000)));
    assert_eq!(answer.push(ping.clone()), Ok(Release::default()));
    assert_eq!(bench.buffers.used(), ping.len() - UNCOUNTED_BYTES);
    let output = Bytes::from_static(b"data: {\"choices\":[{\"text\":\"a\"}]}\n\n");
    assert_eq!(answer.push(output).expect("good").bytes.len(), ping.len() + 34);
    assert_eq!(bench.buffers.used(), 0, "what was released is not held");
    let half = Bytes::from(format!("data: \"{}", "x".repeat(200_000)));
    answer.push(half.clone()).expect("good");
    assert_eq!(bench.buffers.used(), half.len() - UNCOUNTED_BYTES, "half an event is held too");
    answer.push(Bytes::from_static(b"\"\n\n")).expect("good");
    assert_eq!(bench.buffers.used(), 0);
    let much = Bytes::from(format!("data: \"{}", "x".repeat(2 << 20)));
    let release = answer.push(much).expect("told in the stream");
    assert_eq!(answer.failed(), Some(&Trouble::BuffersFull));
    assert!(ends_in_one_error(Api::ChatCompletions, &release.bytes));
    drop(answer);
    assert_eq!(bench.buffers.used(), 0);
    let mut answer = bench.begun();
    assert_eq!(answer.push(Bytes::from(format!(": {}", "x".repeat(2 << 20)))), Err(Trouble::BuffersFull));
    drop(answer);
    assert_eq!(bench.buffers.used(), 0);
}

#[test]
fn a_burst_of_events_leaves_no_room_behind() {
    let mut answer = Bench::new(Api::ChatCompletions, true).begun();
    answer.push(Bytes::from("\n".repeat(100_000))).expect("blank lines are harmless");
    let Kind::Stream(stream) = &answer.kind else { panic!("a stream") };
    assert!(stream.events.capacity() <= MOST_EVENTS_KEPT);
}

#[test]
fn an_event_inside_one_piece_is_passed_on_without_a_copy() {
    let mut answer = Bench::new(Api::ChatCompletions, true).hiding(true).begun();
    let piece =
        Bytes::from_static(b"data: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: {\"choices\":[{\"text\":\"b\"}]}\n\n");
    let release = answer.push(piece.clone()).expect("good");
    assert_eq!((release.bytes.as_ptr(), release.bytes.len()), (piece.as_ptr(), piece.len()));
}

#[test]
fn whole_answers_are_withheld_up_to_the_limit_and_flow_past_it() {
    for (api, body, usage) in wholes() {
        let body = body.trim();
        for (name, limit, flows) in [
            ("no room at all", 0, true),
            ("one byte short", body.len() - 1, true),
            ("exactly", body.len(), false),
            ("one to spare", body.len() + 1, false),
        ] {
            for size in [1, 100, 10_000] {
                let bench = Bench::new(api, false).withholding(limit);
                let played = bench.play(body.as_bytes().chunks(size));
                assert_eq!(played.text(), body, "{api} {name} {size}");
                assert_eq!(played.answer.is_flowing(), flows, "{api} {name} {size}");
                assert_eq!((played.names(), played.firsts), ((None, None), 0), "no stream has no first token");
                let (got, _) = played.answer.reported().expect("usage is reported");
                assert_eq!((got.input_total(), got.output_total()), usage, "{api} {name} {size}");
                assert_eq!(bench.buffers.used(), if flows { 0 } else { body.len() }, "{api} {name} {size}");
                drop(played);
                assert_eq!(bench.buffers.used(), 0);
            }
        }
    }
}

#[test]
fn whole_answers_that_are_none_go_to_the_next_target() {
    let cases: [(&str, &[u8], &str); 7] = [
        ("nothing", b"", "empty"),
        ("HTML", b"<html></html>", "garbage"),
        ("an error inside a 200", br#"{"error":{"message":"no"}}"#, "garbage"),
        ("cut", br#"{"choices":[{"message":{"content":"a"#, "garbage"),
        ("not UTF-8", b"{\"choices\":[\"\xff\"]}", "garbage"),
        ("another object", br#"{"object":"list"}"#, "garbage"),
        ("null", b"null", "garbage"),
    ];
    for (name, body, want) in cases {
        let bench = Bench::new(Api::ChatCompletions, false);
        let played = bench.play([body]);
        assert_eq!((played.names(), played.text()), ((Some(want), None), ""), "{name}");
        assert!(!played.answer.released(), "{name}");
        drop(played);
        assert_eq!(bench.buffers.used(), 0, "{name}");
    }
}

#[test]
fn a_whole_answer_without_usage_tells_its_text() {
    let body = br#"{"choices":[{"message":{"content":"four words of text"}}]}"#;
    let played = Bench::new(Api::ChatCompletions, false).play([&body[..]]);
    assert_eq!(played.answer.reported(), None);
    assert_eq!(played.answer.output().map(OutputText::text), Some("four words of text"));
}

#[test]
fn a_long_answer_that_breaks_is_not_whole() {
    let body = format!("{{\"choices\":[{{\"message\":{{\"content\":\"{}", "x".repeat(5000));
    let played = Bench::new(Api::ChatCompletions, false).withholding(1000).play([body.as_bytes()]);
    assert_eq!(played.names(), (Some("cut_off"), None), "the end of the connection is no end");
    assert_eq!(played.text(), body, "JSON has no error event, so that only a broken connection tells it");
    assert!(!played.answer.ended() && played.answer.unread_bytes() == body.len() as u64);
}

#[test]
fn a_full_gateway_withholds_nothing_more() {
    let bench = Bench::new(Api::ChatCompletions, false).holding(100);
    let mut answer = bench.begun();
    assert_eq!(answer.push(Bytes::from(vec![b' '; 100])), Ok(Release::default()));
    assert_eq!(answer.push(Bytes::from_static(b" ")), Err(Trouble::BuffersFull));
    drop(answer);
    assert_eq!(bench.buffers.used(), 0);
}

#[test]
fn heads_are_judged_before_the_body_comes() {
    let sse = "text/event-stream";
    let json = "application/json";
    // (name, stream asked for, status, headers, the trouble's name)
    type Case<'a> = (&'a str, bool, u16, &'a [(&'static str, &'a str)], Option<&'a str>);
    let cases: [Case<'_>; 18] = [
        ("a stream", true, 200, &[("content-type", sse)], None),
        ("a stream, written oddly", true, 200, &[("content-type", "Text/Event-Stream ;charset=utf-8")], None),
        ("JSON", false, 200, &[("content-type", json)], None),
        ("no type", false, 200, &[], None),
        ("JSON instead of a stream", true, 200, &[("content-type", json)], Some("garbage")),
        ("no type instead of a stream", true, 200, &[], Some("garbage")),
        ("a stream instead of JSON", false, 200, &[("content-type", sse)], Some("garbage")),
        ("HTML", false, 200, &[("content-type", "text/html")], Some("garbage")),
        ("gzip", false, 200, &[("content-type", json), ("content-encoding", "gzip")], Some("garbage")),
        ("identity", false, 200, &[("content-type", json), ("content-encoding", "Identity")], None),
        ("about the request", true, 400, &[("content-type", json)], None),
        ("too large", true, 413, &[("content-type", "text/html")], None),
        ("unprocessable", false, 422, &[], None),
        ("not ours to ask", false, 401, &[("content-type", json)], Some("status")),
        ("no such model", false, 404, &[("content-type", json)], Some("status")),
        ("too many", true, 429, &[("retry-after", "7")], Some("rate_limited")),
        ("a redirect", true, 302, &[("location", "/")], Some("status")),
        ("overloaded", true, 529, &[], Some("status")),
    ];
    for (name, stream, status, lines, want) in cases {
        let mut answer = Bench::new(Api::ChatCompletions, stream).pending();
        let got = answer.head(StatusCode::from_u16(status).expect("a status"), &headers(lines));
        assert_eq!(got.err().map(|trouble| trouble.name()), want, "{name}");
        assert_eq!((answer.status(), answer.released()), (status, false), "{name}");
    }
    assert_eq!(Bench::new(Api::ChatCompletions, true).pending().end(), Err(Trouble::Empty), "no header at all");
}

#[test]
fn a_provider_s_wait_is_read_in_all_its_forms() {
    let now = std::time::SystemTime::now();
    let later = httpdate::fmt_http_date(now + Duration::from_secs(3600));
    let past = httpdate::fmt_http_date(now - Duration::from_secs(3600));
    let read = |lines: &[(&'static str, &str)]| refusal::retry_after(&headers(lines));
    assert_eq!(read(&[]), None);
    assert_eq!(read(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
    assert_eq!(read(&[("retry-after", "7"), ("retry-after-ms", "1500")]), Some(Duration::from_millis(1500)));
    assert_eq!(read(&[("retry-after", &past)]), Some(Duration::ZERO));
    assert!(read(&[("retry-after", &later)]).is_some_and(|wait| (3590..=3600).contains(&wait.as_secs())));
    for odd in ["", "-1", "soon", "99999999999999999999999"] {
        assert_eq!(read(&[("retry-after", odd)]), None, "{odd}");
    }
    assert_eq!(read(&[("retry-after", "18446744073709551615")]), Some(LONGEST_WAIT), "a sane wait");
}

/// What a client gets of a refusal of `kind`, and its content type.
fn refused(api: Api, lines: &[(&'static str, &str)], body: &[u8], size: usize) -> (Bytes, Option<String>) {
    let bench = Bench::new(api, true);
    let mut answer = bench.pending();
    answer.head(StatusCode::BAD_REQUEST, &headers(lines)).expect("it is about the request");
    for piece in body.chunks(size) {
        assert_eq!(answer.push(Bytes::copy_from_slice(piece)), Ok(Release::default()), "withheld whole");
    }
    let release = answer.end().expect("a refusal is an answer");
    assert!(answer.ended() && answer.released() && answer.is_refusal() && !release.first_output);
    assert_eq!((answer.status(), answer.failed()), (400, None));
    let kind = answer.content_type().map(|kind| kind.to_str().expect("ASCII").to_owned());
    drop(answer);
    assert_eq!(bench.buffers.used(), 0);
    (release.bytes, kind)
}

#[test]
fn a_refusal_is_passed_on_if_it_can_be_read_and_replaced_if_not() {
    let json = ("content-type", "application/json");
    let good = br#"{"error":{"message":"max_tokens is too large","type":"invalid_request_error"}}"#;
    for size in [1, 1000] {
        let (body, kind) = refused(Api::ChatCompletions, &[json], good, size);
        assert_eq!((&body[..], kind.as_deref()), (&good[..], Some("application/json")), "byte for byte");
    }
    let full = |length: usize| format!("{{\"error\":{{\"message\":\"{}\"}}}}", "x".repeat(length - 24)).into_bytes();
    let most = full(MAX_REFUSAL_BYTES);
    assert_eq!(most.len(), MAX_REFUSAL_BYTES);
    assert_eq!(refused(Api::ChatCompletions, &[json], &most, 1000).0, most);
    type Case<'a> = (&'a str, &'a [(&'static str, &'a str)], Vec<u8>);
    let cases: [Case<'_>; 7] = [
        ("HTML", &[("content-type", "text/html")], b"<html>400</html>".to_vec()),
        ("HTML that calls itself JSON", &[json], b"<html>400</html>".to_vec()),
        ("nothing", &[], Vec::new()),
        ("a text", &[json], b"\"no\"".to_vec()),
        ("not UTF-8", &[json], b"{\"error\":\"\xff\"}".to_vec()),
        ("compressed", &[json, ("content-encoding", "gzip")], good.to_vec()),
        ("too long", &[json], full(MAX_REFUSAL_BYTES + 1)),
    ];
    for (name, lines, body) in cases {
        for api in [Api::ChatCompletions, Api::Responses, Api::Messages, Api::CountTokens] {
            let (got, kind) = refused(api, lines, &body, 4096);
            assert_eq!(kind, None, "{name}: ours is JSON");
            let got: Value = serde_json::from_slice(&got).expect(name);
            assert!(got["error"]["message"].is_string(), "{name}");
            assert_eq!(got["error"]["code"], "upstream_refused", "{name}");
            assert_eq!(got.get("request_id").is_some(), api.dialect() == crate::model::Dialect::Anthropic, "{name}");
        }
    }
}

#[test]
fn a_refusal_of_the_gateways_own_key_is_trouble_of_the_target() {
    let end = |reason: &str| {
        let body = format!(r#"{{"error":{{"code":400,"message":"no","details":[{{"reason":"{reason}"}}]}}}}"#);
        let share = Buffers::new(LIMIT).take(0).expect("nothing fits always");
        let mut answer = Answer::new(Bench::new(Api::Generate, true).expect, provider("gemini"), share);
        answer.head(StatusCode::BAD_REQUEST, &headers(&[("content-type", "application/json")])).expect("taken");
        answer.push(Bytes::from(body)).expect("withheld");
        (answer.end().map(|_| ()), answer.released())
    };
    assert_eq!(end("API_KEY_INVALID"), (Err(Trouble::Status { status: 401, retry_after: None, again: None }), false));
    assert_eq!(end("OTHER"), (Ok(()), true));
}

#[test]
fn a_refusal_does_not_carry_a_secret_out() {
    for secret in [KEY, "sk-proj-abcdefghijklmnop", "sk-ant-api03-0123456789"] {
        let body = format!("{{\"error\":{{\"message\":\"{secret} may not, says {secret}\"}}}}");
        let (got, _) = refused(Api::ChatCompletions, &[], body.as_bytes(), 3);
        let text = String::from_utf8(got.to_vec()).expect("UTF-8");
        assert!(!text.contains(secret), "{text}");
        assert!(serde_json::from_str::<Value>(&text).expect("JSON")["error"]["message"].is_string());
    }
}

#[test]
fn an_error_event_has_the_status_that_it_stands_for() {
    let answer = Bench::new(Api::Messages, true).begun();
    let kind = |trouble: &Trouble| {
        let event = events(&answer.error_event(trouble)).remove(0);
        let data: Value = serde_json::from_slice(&event.data).expect("JSON");
        (data["error"]["type"].clone(), data["error"]["code"].clone())
    };
    let in_band = Trouble::InBand { status: 529, message: "busy".to_owned() };
    assert_eq!(kind(&in_band), ("overloaded_error".into(), "upstream_failed".into()));
    assert_eq!(kind(&Trouble::Idle), ("timeout_error".into(), "upstream_timeout".into()));
    assert_eq!(kind(&Trouble::Total), ("timeout_error".into(), "upstream_timeout".into()));
    assert_eq!(kind(&Trouble::Cut), ("api_error".into(), "upstream_failed".into()));
}

#[test]
fn the_error_of_a_response_goes_on_counting() {
    let first: Vec<&str> = RESPONSES.split_inclusive("\n\n").take(5).collect();
    let mut answer = Bench::new(Api::Responses, true).begun();
    answer.push(Bytes::from(first.concat())).expect("good");
    let event = events(&answer.error_event(&Trouble::Idle)).remove(0);
    let data: Value = serde_json::from_slice(&event.data).expect("JSON");
    assert_eq!(data["sequence_number"], 5);
}
