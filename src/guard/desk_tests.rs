use super::*;
use crate::{
    config::GuardAction::{Block, Flag, Hash, Mask as Stars, Redact, Tokenize},
    guard::{Guards, Hit, Judge, Judgement, Mask, Spotter, tail_of},
};
use std::time::Duration;

/// Finds one word.
struct Word(&'static str, &'static str);

impl Spotter for Word {
    fn next(&self, text: &str, from: usize) -> Option<Hit> {
        assert_ne!(self.0, "panics", "as it should");
        let at = from + text.get(from..)?.find(self.0)?;
        Some(Hit { at: at..at + self.0.len(), entity: self.1, grow: None })
    }

    fn pending(&self, text: &str, from: usize) -> usize {
        let word = self.0;
        (tail_of(text, from, word.len(), |_| true)..text.len())
            .find(|&at| text.is_char_boundary(at) && word.starts_with(&text[at..]))
            .unwrap_or(text.len())
    }
}

struct Short;

impl Judge for Short {
    fn judge(&self, text: &str, _: Speech) -> Option<Judgement> {
        (text.len() > 40).then(|| Judgement {
            entity: "length",
            why: format!("{} bytes", text.len()),
            flag_only: false,
        })
    }
}

fn guard(name: &str, action: GuardAction, hooks: &[Hook], words: &[Word]) -> Guard {
    let spotters = words.iter().map(|word| Arc::new(Word(word.0, word.1)) as Arc<dyn Spotter>).collect();
    Guard {
        name: name.into(),
        kind: "word",
        hooks: hooks.to_vec(),
        action,
        audit: false,
        open: false,
        when: None,
        session_ttl: Duration::ZERO,
        unknown: crate::config::OnUnknown::Look,
        body: Body::Spot(spotters),
        cost: "",
    }
}

fn desk(guards: Vec<Guard>) -> Desk {
    let safe = Arc::new(Safe::new().expect("randomness"));
    Desk::new(Arc::new(Set::of(guards.into_iter().map(Arc::new).collect())), safe, Vault::default())
}

const MAIL: Word = Word("ann@example.com", "email");
const BOTH: [Hook; 2] = [Hook::Input, Hook::Output];

#[test]
fn each_action_does_what_it_says() {
    let text = "write to ann@example.com, ann@example.com";
    let cases = [
        (Redact, "write to [EMAIL], [EMAIL]"),
        (Stars, "write to ***@******e.com, ***@******e.com"),
        (Tokenize, "write to <EMAIL_1>, <EMAIL_1>"),
        (Flag, text),
    ];
    for (action, want) in cases {
        let mut desk = desk(vec![guard("no-pii", action, &BOTH, &[MAIL])]);
        let out = desk.request(Speech::User, Fold::Text, text).expect("nothing blocks");
        assert_eq!(out.as_deref().unwrap_or(text), want, "{action:?}");
        assert_eq!(desk.verdicts().line(), format!("no-pii;input;{};email=2", action.name()));
    }
    let mut hashing = desk(vec![guard("no-pii", Hash, &BOTH, &[MAIL])]);
    let out = hashing.request(Speech::User, Fold::Text, text).expect("nothing blocks").expect("edited");
    let (first, second) = out.trim_start_matches("write to ").split_once(", ").expect("two");
    assert!(first == second && first.starts_with("[EMAIL:") && first.len() == 20, "{out}");
    let mut blocking = desk(vec![guard("no-pii", Block, &BOTH, &[MAIL])]);
    let refused = blocking.request(Speech::User, Fold::Text, text).expect_err("it blocks");
    assert_eq!((&*refused.guard, refused.hook, &*refused.entity), ("no-pii", Hook::Input, "email"));
}

#[test]
fn what_blocks_sees_what_another_one_would_have_edited_away_and_audit_only_tells() {
    let guards =
        || vec![guard("a-edit", Redact, &BOTH, &[MAIL]), guard("b-block", Block, &BOTH, &[Word("example", "word")])];
    let refused = desk(guards()).request(Speech::User, Fold::Text, "ann@example.com").expect_err("it blocks");
    assert_eq!(&*refused.guard, "b-block");
    let mut audited = guards();
    audited[1].audit = true;
    let mut desk = desk(audited);
    let out = desk.request(Speech::User, Fold::Text, "ann@example.com").expect("only told");
    assert_eq!(out.as_deref(), Some("[EMAIL]"));
    assert_eq!(desk.verdicts().line(), "b-block;input;audit:block;word=1, a-edit;input;redact;email=1");
}

#[test]
fn hooks_are_covered_as_they_say() {
    let hooked = |hooks: &[Hook], speech, direction| guard("g", Redact, hooks, &[]).hook(direction, speech);
    let (up, down) = (Direction::Request, Direction::Answer);
    assert_eq!(hooked(&[Hook::Input], Speech::ToolResult, up), Some(Hook::Input), "input is all of a request");
    assert_eq!(hooked(&[Hook::Input, Hook::ToolResult], Speech::ToolResult, up), Some(Hook::ToolResult));
    assert_eq!(hooked(&[Hook::ToolResult], Speech::User, up), None);
    assert_eq!(hooked(&[Hook::Output], Speech::Reasoning, down), Some(Hook::Output));
    assert_eq!(hooked(&[Hook::ToolCall], Speech::ToolCall, up), Some(Hook::ToolCall));
    assert_eq!(hooked(&[Hook::ToolCall], Speech::ToolCall, down), Some(Hook::ToolCall));
    assert_eq!(hooked(&[Hook::Input], Speech::Assistant, down), None);
}

fn streamed(desk: &mut Desk, speech: Speech, fold: Fold, pieces: &[&str]) -> (String, Option<Refused>) {
    let (mut channel, mut out) = (desk.channel(speech, fold), String::new());
    for piece in pieces {
        if let Err(refused) = channel.push(desk, piece, &mut out) {
            return (out, Some(refused));
        }
    }
    let end = channel.finish(desk, &mut out);
    (out, end.err())
}

#[test]
fn an_answer_gets_the_values_back_and_its_own_finds_are_edited() {
    let mut desk = desk(vec![guard("no-pii", Tokenize, &BOTH, &[MAIL, Word("bob@example.com", "email")])]);
    let up = desk.request(Speech::User, Fold::Text, "I am ann@example.com").expect("nothing blocks").expect("edited");
    assert_eq!(up, "I am <EMAIL_1>");
    let want = "Hello ann@example.com, ask [EMAIL]";
    for pieces in [&["Hello <EMAIL_1>, ask bob@example.com"][..], &["Hello <EM", "AIL_", "1>, ask bob@ex", "ample.com"]]
    {
        assert_eq!(streamed(&mut desk, Speech::Assistant, Fold::Text, pieces).0, want);
    }
    let arguments = r#"{"to":"<EMAIL_1>","note":"ask bob@example.com"}"#;
    let (out, _) = streamed(&mut desk, Speech::ToolCall, Fold::Json, &[arguments]);
    assert_eq!(out, r#"{"to":"ann@example.com","note":"ask [EMAIL]"}"#);
}

#[test]
fn what_is_refused_in_a_stream_ends_it_and_what_stood_before_went_out_as_edited() {
    let guards = vec![guard("a", Redact, &BOTH, &[MAIL]), guard("b", Block, &BOTH, &[Word("stop", "word")])];
    let mut desk = desk(guards);
    for pieces in [&["to ann@example.com then stop it"][..], &["to ann@exam", "ple.com then st", "op it"]] {
        let (out, refused) = streamed(&mut desk, Speech::Assistant, Fold::Text, pieces);
        assert_eq!(
            (&*out, refused.map(|refused| refused.guard.to_string()).as_deref()),
            ("to [EMAIL] then ", Some("b"))
        );
    }
}

#[test]
fn what_decides_about_whole_texts_is_asked_at_their_end() {
    let mut one = guard("short", Block, &BOTH, &[]);
    one.body = Body::Judge(vec![Arc::new(Short)]);
    let mut desk = desk(vec![one]);
    let long = "x".repeat(41);
    assert_eq!(desk.request(Speech::User, Fold::Text, "short").expect("short enough"), None);
    assert_eq!(desk.request(Speech::User, Fold::Text, &long).expect_err("too long").why.as_deref(), Some("41 bytes"));
    let (out, refused) = streamed(&mut desk, Speech::Assistant, Fold::Text, &[&long[..20], &long[20..]]);
    assert_eq!((out.len(), refused.map(|refused| refused.hook)), (41, Some(Hook::Output)));
}

#[test]
fn of_a_stream_that_is_too_long_to_be_kept_nothing_is_decided_by_its_beginning() {
    let judging = |open| {
        let mut one = guard("short", Block, &BOTH, &[]);
        (one.body, one.open) = (Body::Judge(vec![Arc::new(Endless)]), open);
        one
    };
    let long = "x".repeat(1024 * 1024);
    let refused = streamed(&mut desk(vec![judging(false)]), Speech::Assistant, Fold::Text, &[&long, "y"]).1;
    assert_eq!(refused.map(|refused| refused.entity.to_string()).as_deref(), Some(FAILED));
    assert_eq!(streamed(&mut desk(vec![judging(true)]), Speech::Assistant, Fold::Text, &[&long, "y"]).1, None);
    let whole = desk(vec![judging(false)]).answer(Speech::Assistant, Fold::Text, &(long + "y"));
    assert_eq!(whole, Ok(None), "a whole text is judged whole");
}

/// Wants texts to end with `y`.
struct Endless;

impl Judge for Endless {
    fn judge(&self, text: &str, _: Speech) -> Option<Judgement> {
        (!text.ends_with('y')).then(|| Judgement { entity: "length", why: String::new(), flag_only: false })
    }
}

#[test]
fn a_guard_that_panics_fails_closed_unless_it_is_open() {
    let broken = |open| {
        let mut one = guard("broken", Redact, &BOTH, &[Word("panics", "word")]);
        one.open = open;
        one
    };
    let refused = desk(vec![broken(false)]).request(Speech::User, Fold::Text, "text").expect_err("closed");
    assert_eq!((&*refused.guard, &*refused.entity), ("broken", FAILED));
    let mut open = desk(vec![broken(true)]);
    assert_eq!(open.request(Speech::User, Fold::Text, "text").expect("open"), None);
    assert_eq!(open.verdicts().line(), "broken;input;audit:flag;failed=1");
}

#[test]
fn sets_are_unions_and_names_that_there_are_none_of_are_told() {
    let guards = Guards::build(&crate::config::Guardrails::default(), Arc::new(Safe::new().expect("randomness")));
    let guards = guards.expect("none is right");
    assert_eq!(guards.asked_for("no-pii"), Err("no-pii"));
    assert_eq!(guards.asked_for(" , "), Ok(0));
    assert!(guards.set(0 as Mask).is_none() && guards.is_empty());
}
