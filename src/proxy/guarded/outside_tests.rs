use super::*;
use crate::{
    config::GuardAction,
    guard::{
        Body, Fold, Safe, Vault,
        remote::{Action, Asked, Stride},
    },
    model::{IdSource, Speech},
    proxy::guarded::Who,
    telemetry::ProxyMetrics,
};
use async_trait::async_trait;
use futures::executor::block_on;
use parking_lot::Mutex;
use prometheus::Registry;
use proptest::prelude::*;
use std::time::Duration;

/// A service that does one thing about one word, and keeps what it is asked.
struct Service {
    word: &'static str,
    does: Does,
    stride: Stride,
    asked: Mutex<Vec<Vec<String>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Replace,
    /// The same, with line ends between the parts of JSON.
    Pretty,
    Block,
    Break,
}

#[async_trait]
impl RemoteGuard for Service {
    async fn check(&self, asked: &Asked<'_>) -> Result<Told, RemoteError> {
        assert!(asked.answers() && !asked.texts.is_empty());
        self.asked.lock().push(asked.texts.iter().map(|text| text.text.to_owned()).collect());
        let found: Vec<(usize, String)> = asked
            .texts
            .iter()
            .enumerate()
            .filter(|(_, text)| text.text.contains(self.word))
            .map(|(at, text)| (at, text.text.replace(self.word, "[IT]")))
            .collect();
        match self.does {
            Does::Break => Err(RemoteError::Busy { guard: "dlp".into(), concurrent: 1, wait: Duration::ZERO }),
            _ if found.is_empty() => Ok(Told::default()),
            Does::Block => Ok(Told { action: Action::Block, ..Told::default() }),
            Does::Pretty => {
                let pretty = found.into_iter().map(|(at, text)| (at, text.replace('{', "{\n\n")));
                Ok(Told { action: Action::Replace, replacements: pretty.collect(), ..Told::default() })
            }
            Does::Replace => Ok(Told { action: Action::Replace, replacements: found, ..Told::default() }),
        }
    }

    fn stride(&self) -> Stride {
        self.stride
    }
}

/// One answer under one service.
struct Run {
    desk: Desk,
    outside: Outside,
    service: Arc<Service>,
    out: String,
    refused: Option<Refused>,
}

const STRIDE: Stride = Stride { window: 24, overlap: 12 };
const WORD: &str = "nightjar";

impl Run {
    fn new(api: Api, does: Does, guard: impl FnOnce(&mut Guard)) -> Self {
        let service = Arc::new(Service { word: WORD, does, stride: STRIDE, asked: Mutex::default() });
        let body = Body::Remote(Arc::clone(&service) as Arc<dyn RemoteGuard>);
        let mut made = Guard {
            name: "dlp".into(),
            kind: "webhook",
            hooks: vec![Hook::Output],
            action: GuardAction::Block,
            audit: false,
            open: false,
            when: None,
            session_ttl: Duration::ZERO,
            unknown: crate::config::OnUnknown::Look,
            body,
            cost: "",
        };
        guard(&mut made);
        let set = Arc::new(Set::of(vec![Arc::new(made)]));
        let metrics = ProxyMetrics::register(&Registry::new()).expect("free names");
        let who =
            Who { request_id: "r", model: "m", team: "t", key: "k", user: None, metadata: &[], metrics: &metrics };
        let outside = Outside::new(&set, api, &Arc::new(Asker::from(&who))).expect("a service");
        let desk = Desk::new(set, Arc::new(Safe::new().expect("randomness")), Vault::default());
        Self { desk, outside, service, out: String::new(), refused: None }
    }

    fn events(&mut self, bytes: &[u8], over: bool) {
        if self.refused.is_none() {
            self.outside.keep_events(&Bytes::copy_from_slice(bytes), over);
            self.consult();
        }
    }

    fn consult(&mut self) -> bool {
        while let Some(asking) = self.outside.asks(&self.desk) {
            let told = block_on(asking.ask());
            self.outside.heard(&mut self.desk, &asking, told);
        }
        let id = IdSource::from_os().expect("randomness").next(1);
        let out = self.outside.let_out(&Ends { id, model: "m", now_s: 1 }, !self.out.is_empty());
        self.out.push_str(std::str::from_utf8(&out.bytes).expect("text"));
        self.refused = out.refused;
        out.all
    }

    fn asked(&self) -> Vec<Vec<String>> {
        self.service.asked.lock().clone()
    }
}

fn event(choice: usize, text: &str) -> String {
    let text = serde_json::to_string(text).expect("text");
    format!("data: {{\"choices\":[{{\"index\":{choice},\"delta\":{{\"content\":{text}}},\"logprobs\":null}}]}}\n\n")
}

const STOP: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

fn chat(texts: &[&str]) -> String {
    texts.iter().map(|text| event(0, text)).chain([STOP.to_owned()]).collect()
}

fn said(stream: &str, choice: usize) -> String {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str::<serde_json::Value>(data).unwrap_or_else(|error| panic!("{error}: {data}")))
        .filter(|event| event["choices"][0]["index"] == choice)
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect()
}

fn cut(text: &str, at: &[usize]) -> Vec<String> {
    let mut ends: Vec<usize> =
        at.iter().map(|at| at % (text.len() + 1)).filter(|&at| text.is_char_boundary(at)).collect();
    ends.extend([0, text.len()]);
    ends.sort_unstable();
    ends.windows(2).map(|pair| text[pair[0]..pair[1]].to_owned()).collect()
}

proptest! {
    /// However texts and bytes are cut: what a service lets pass comes out byte for byte, and it has seen all of it.
    #[test]
    fn what_passes_comes_out_byte_for_byte(text in "[a-z äß\"\\\\]{0,200}", at in prop::collection::vec(0..400_usize, 0..30),
        bytes in prop::collection::vec(0..9000_usize, 0..20)) {
        let pieces = cut(&text, &at);
        let stream = chat(&pieces.iter().map(String::as_str).collect::<Vec<_>>());
        let mut run = Run::new(Api::ChatCompletions, Does::Replace, |_| {});
        let chunks = cut(&stream, &bytes);
        for (number, chunk) in chunks.iter().enumerate() {
            run.events(chunk.as_bytes(), number + 1 == chunks.len());
        }
        prop_assert_eq!(&run.out, &stream);
        let seen: String = run.asked().concat().concat();
        prop_assert!(seen.chars().last() == text.chars().last(), "{seen}");
    }

    /// A word that is no longer than the overlap is found wherever windows end.
    #[test]
    fn a_word_is_replaced_wherever_windows_end(before in "[a-h ]{0,80}", after in "[a-h ]{0,80}",
        at in prop::collection::vec(0..200_usize, 0..40)) {
        let text = format!("{before}{WORD}{after}");
        let pieces = cut(&text, &at);
        let mut run = Run::new(Api::ChatCompletions, Does::Replace, |_| {});
        for piece in &pieces {
            run.events(event(0, piece).as_bytes(), false);
        }
        run.events(STOP.as_bytes(), true);
        prop_assert_eq!(said(&run.out, 0), format!("{before}[IT]{after}"));
        prop_assert!(run.out.ends_with("data: [DONE]\n\n"));
    }

    /// Nothing of what is refused goes out, and the stream ends as its dialect ends one.
    #[test]
    fn what_is_refused_does_not_go_out(before in "[a-h ]{0,80}", at in prop::collection::vec(0..200_usize, 0..40)) {
        let text = format!("{before}{WORD}");
        let mut run = Run::new(Api::ChatCompletions, Does::Block, |_| {});
        for piece in cut(&text, &at) {
            run.events(event(0, &piece).as_bytes(), false);
        }
        run.events(STOP.as_bytes(), true);
        prop_assert!(run.refused.is_some());
        prop_assert!(before.starts_with(&said(&run.out, 0)), "{}", run.out);
        prop_assert!(run.out.contains("content_filter"), "{}", run.out);
    }
}

#[test]
fn a_window_is_asked_about_with_the_overlap_before_it_and_passes_but_for_its_end() {
    let mut run = Run::new(Api::ChatCompletions, Does::Replace, |_| {});
    run.events(event(0, "twelve bytes").as_bytes(), false);
    assert_eq!((run.asked().len(), run.out.as_str()), (0, ""), "less than a window");
    run.events(event(0, "twelve more.").as_bytes(), false);
    assert_eq!(run.asked(), [["twelve bytestwelve more."]]);
    assert_eq!(run.out, event(0, "twelve bytes"), "the overlap stays");
    run.events(event(0, "and twenty-four more yet").as_bytes(), false);
    assert_eq!(run.asked()[1], ["twelve more.and twenty-four more yet"], "it is told again");
    run.events(STOP.as_bytes(), false);
    assert_eq!(run.asked().len(), 2, "of what was told nothing is asked again");
    assert!(run.out.ends_with("[DONE]\n\n"));
}

#[test]
fn a_text_that_is_over_without_a_word_does_not_keep_the_next_one() {
    let thought =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"all that I have thought of it\"}}]}\n\n";
    let mut run = Run::new(Api::ChatCompletions, Does::Replace, |_| {});
    run.events(thought.as_bytes(), false);
    assert_eq!((run.asked().len(), run.out.as_str()), (1, ""), "its end may still become a find");
    run.events(event(0, "and twenty-four more yet").as_bytes(), false);
    assert_eq!(run.out, thought, "a window of the answer waits behind it");
    run.events(event(0, "and twenty-four more yet").as_bytes(), false);
    assert!(run.out.starts_with(&(thought.to_owned() + &event(0, "and twenty-four more yet"))), "{}", run.out);
    let longest = run.asked().concat().iter().map(String::len).max();
    assert!(longest <= Some(24 + 24), "nothing is told again but the overlap: {:?}", run.asked());
}

#[test]
fn what_went_out_is_told_with_what_follows_even_over_the_end_of_a_text() {
    let over =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"the night\"},\"finish_reason\":\"stop\"}]}\n\n";
    let mut run = Run::new(Api::ChatCompletions, Does::Replace, |_| {});
    run.events(over.as_bytes(), false);
    assert_eq!(run.out, over);
    run.events(event(0, "jar, and more").as_bytes(), false);
    run.events(STOP.as_bytes(), true);
    assert_eq!(run.asked()[1], ["the nightjar, and more"]);
    assert_eq!(said(&run.out, 0), "the night[IT], and more", "what follows goes as the service leaves it");
    let mut run = Run::new(Api::ChatCompletions, Does::Block, |_| {});
    run.events(over.as_bytes(), false);
    run.events(event(0, "jar, and more").as_bytes(), false);
    run.events(STOP.as_bytes(), true);
    assert!(run.refused.is_some() && said(&run.out, 0) == "the night", "{}", run.out);
}

#[test]
fn tokens_are_not_told_ahead_of_their_text() {
    let early = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":null},\"logprobs\":{\"content\":[{\"token\":\"nightjar\"}]}}]}\n\n";
    let mut run = Run::new(Api::ChatCompletions, Does::Replace, |_| {});
    run.events(early.as_bytes(), false);
    assert!(!run.out.contains("nightjar") && run.out.contains("\"logprobs\":null"), "{}", run.out);
}

#[test]
fn json_in_the_place_of_json_stays_on_its_line() {
    let call = "data: {\"candidates\":[{\"index\":0,\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{\"code\":\"nightjar\"}}}]},\"finishReason\":\"STOP\"}]}\n\n";
    let mut run = Run::new(Api::Generate, Does::Pretty, |_| {});
    run.events(call.as_bytes(), true);
    assert_eq!(run.out.trim_end().lines().count(), 1, "{}", run.out);
    assert!(run.out.contains("[IT]"), "{}", run.out);
}

#[test]
fn nothing_goes_out_before_something_was_said() {
    let role = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
    let mut run = Run::new(Api::ChatCompletions, Does::Block, |_| {});
    run.events((role.to_owned() + &event(0, "a")).as_bytes(), false);
    assert_eq!(run.out, "", "a refusal can still be a status");
    run.events(event(0, " nightjar, and more of it").as_bytes(), false);
    assert!(run.refused.is_some() && said(&run.out, 0).is_empty());
    let mut run = Run::new(Api::ChatCompletions, Does::Block, |_| {});
    run.events((role.to_owned() + &event(0, "a")).as_bytes(), false);
    run.events(STOP.as_bytes(), false);
    assert_eq!(run.out, role.to_owned() + &event(0, "a") + STOP);
}

#[test]
fn choices_are_texts_of_their_own_and_keep_their_order() {
    let mut run = Run::new(Api::ChatCompletions, Does::Replace, |_| {});
    run.events(event(0, "the night").as_bytes(), false);
    run.events(event(1, "jar, and another").as_bytes(), false);
    run.events(event(0, "jar").as_bytes(), false);
    run.events(STOP.as_bytes(), true);
    assert_eq!((said(&run.out, 0).as_str(), said(&run.out, 1).as_str()), ("the [IT]", "jar, and another"));
}

#[test]
fn a_text_that_is_told_again_is_what_went_out_and_is_not_asked_about() {
    let delta = |text: &str| {
        format!(
            "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"item_id\":\"i\",\"output_index\":0,\"content_index\":0,\"delta\":\"{text}\"}}\n\n"
        )
    };
    let done = "event: response.output_text.done\ndata: {\"type\":\"response.output_text.done\",\"item_id\":\"i\",\"output_index\":0,\"content_index\":0,\"text\":\"see project nightjar today\"}\n\n";
    let completed = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"output\":[{\"type\":\"message\",\"id\":\"i\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"see project nightjar today\",\"annotations\":[]}]}]}}\n\n";
    let mut run = Run::new(Api::Responses, Does::Replace, |_| {});
    for piece in [&delta("see project night"), &delta("jar today"), done, completed] {
        run.events(piece.as_bytes(), false);
    }
    run.events(b"", true);
    assert_eq!(run.asked(), [["see project nightjar today"]], "once for all three");
    assert!(!run.out.contains("night"), "{}", run.out);
    assert_eq!(run.out.matches("see project [IT] today").count(), 3, "{}", run.out);
}

#[test]
fn arguments_of_tools_are_asked_about_when_they_are_whole_and_stay_json() {
    let call = |arguments: &str| {
        let arguments = serde_json::to_string(arguments).expect("text");
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{{\"index\":0,\"function\":{{\"arguments\":{arguments}}}}}]}}}}]}}\n\n"
        )
    };
    let mut run = Run::new(Api::ChatCompletions, Does::Replace, |_| {});
    for piece in ["{\"project\":", "\"a long value that is longer than a window\",", "\"code\":\"nightjar\"}"] {
        run.events(call(piece).as_bytes(), false);
    }
    assert!(run.asked().is_empty() && run.out.is_empty());
    run.events(STOP.as_bytes(), true);
    assert_eq!(run.asked().len(), 1);
    assert!(run.out.contains(r#"\"code\":\"[IT]\""#), "{}", run.out);
}

#[test]
fn what_only_tells_delays_nothing_but_the_end() {
    for tells in [|guard: &mut Guard| guard.audit = true, |guard: &mut Guard| guard.action = GuardAction::Flag] {
        let mut run = Run::new(Api::ChatCompletions, Does::Block, tells);
        let first = event(0, "all about nightjar, and on for longer than a window");
        run.events(first.as_bytes(), false);
        assert_eq!((run.asked().len(), &run.out), (0, &first));
        run.events(STOP.as_bytes(), true);
        assert!(run.refused.is_none() && run.out.ends_with("[DONE]\n\n"));
        assert_eq!(run.asked().len(), 1);
        assert!(!run.desk.verdicts().line().is_empty());
    }
}

#[test]
fn a_service_that_cannot_say_ends_the_answer_unless_it_is_open() {
    let stream = chat(&["hello"]);
    let mut closed = Run::new(Api::ChatCompletions, Does::Break, |_| {});
    closed.events(stream.as_bytes(), true);
    assert_eq!(closed.refused.map(|refused| refused.entity), Some(crate::guard::FAILED.into()));
    let mut open = Run::new(Api::ChatCompletions, Does::Break, |guard| guard.open = true);
    open.events(stream.as_bytes(), true);
    assert_eq!((open.refused, open.out), (None, stream));
}

#[test]
fn an_answer_that_came_whole_is_edited_whole() {
    let body =
        r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"nightjar"},"logprobs":{"content":[]}}]}"#;
    let mut run = Run::new(Api::ChatCompletions, Does::Replace, |_| {});
    run.outside.keep_whole(Bytes::from_static(body.as_bytes()), true);
    assert!(run.consult());
    assert_eq!(run.out, body.replace("nightjar", "[IT]").replace(r#"{"content":[]}"#, "null"));
    let mut run = Run::new(Api::ChatCompletions, Does::Block, |_| {});
    run.outside.keep_whole(Bytes::from_static(body.as_bytes()), true);
    run.consult();
    assert!(run.out.is_empty() && run.refused.is_some());
    let mut run = Run::new(Api::ChatCompletions, Does::Block, |_| {});
    run.outside.keep_whole(Bytes::from_static(body.as_bytes()), false);
    assert!(run.consult() && run.out == body && run.asked().is_empty(), "a provider's refusal is nobody's text");
}

#[test]
fn a_service_never_sees_a_value_that_it_was_hidden_from() {
    let mut run = Run::new(Api::ChatCompletions, Does::Replace, |_| {});
    let guard = Guard {
        name: "pii".into(),
        kind: "pii",
        hooks: vec![Hook::Input],
        action: GuardAction::Tokenize,
        audit: false,
        open: false,
        when: None,
        session_ttl: Duration::ZERO,
        unknown: crate::config::OnUnknown::Look,
        body: Body::Spot(Vec::new()),
        cost: "",
    };
    let token = run.desk.instead_of(&guard, Direction::Request, ("email", "ann@example.com"), Fold::Text);
    assert_eq!(token, "<EMAIL_1>");
    run.events(chat(&["ann@example.com knows nightjar"]).as_bytes(), true);
    assert_eq!(run.asked(), [["<EMAIL_1> knows nightjar"]]);
    assert_eq!(said(&run.out, 0), "ann@example.com knows [IT]");
}

#[test]
fn speeches_that_no_service_looks_at_wait_for_none() {
    let mut run = Run::new(Api::ChatCompletions, Does::Block, |guard| guard.hooks = vec![Hook::ToolCall]);
    let stream = chat(&["nightjar"]);
    run.events(stream.as_bytes(), true);
    assert_eq!((run.out, run.service.asked.lock().len()), (stream, 0));
    assert_eq!(Speech::ALL.len(), 10);
}
