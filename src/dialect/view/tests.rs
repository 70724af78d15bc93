//! Tests of the view. `fixtures/` holds requests and answers in the shapes that the providers document, in which each text
//! says itself who speaks: `u~` the user, `s~` the system, `a~` the assistant, `r~` reasoning, `x~` a refusal, `c~` a call,
//! `o~` what a tool answered, `d~` a document, `f~` a definition, `n~` what nobody knows. What does not say so is no text.

mod endings;
mod hostile;
mod planted;
mod shapes;
mod streams;
mod writing;

use super::{answer, decoded, request};
use crate::model::{Api, Form, Speech, Text};
use serde_json::Value;

/// Requests, by their call.
const REQUESTS: [(Api, &str); 5] = [
    (Api::ChatCompletions, include_str!("fixtures/chat.json")),
    (Api::Responses, include_str!("fixtures/responses.json")),
    (Api::Messages, include_str!("fixtures/messages.json")),
    (Api::CountTokens, include_str!("fixtures/messages.json")),
    (Api::Generate, include_str!("fixtures/generate.json")),
];

/// Answers, by their call.
const ANSWERS: [(Api, &str); 4] = [
    (Api::ChatCompletions, include_str!("fixtures/chat_answer.json")),
    (Api::Responses, include_str!("fixtures/responses_answer.json")),
    (Api::Messages, include_str!("fixtures/messages_answer.json")),
    (Api::Generate, include_str!("fixtures/generate_answer.json")),
];

fn letter(speech: Speech) -> char {
    match speech {
        Speech::System => 's',
        Speech::User => 'u',
        Speech::Assistant => 'a',
        Speech::Reasoning => 'r',
        Speech::Refusal => 'x',
        Speech::ToolCall => 'c',
        Speech::ToolResult => 'o',
        Speech::Document => 'd',
        Speech::Definition => 'f',
        Speech::Unknown => 'n',
    }
}

fn asked(api: Api, body: &[u8]) -> Vec<Text> {
    request(api, None, body).expect("there is a view")
}

fn said(api: Api, body: &[u8]) -> Vec<Text> {
    answer(api, body).expect("there is a view").texts
}

/// Who speaks, and what: the strings of JSON one by one.
fn strings(body: &[u8], texts: &[Text]) -> Vec<(char, String)> {
    let mut found = Vec::new();
    for Text { at, form, speech } in texts {
        let text = decoded(*form, &body[at.clone()]);
        if *form == Form::Json {
            let mut inner = Vec::new();
            walk(&serde_json::from_str(&text).expect("it is JSON"), &mut inner);
            found.extend(inner.into_iter().map(|text| (letter(*speech), text)));
        } else {
            found.push((letter(*speech), text.into_owned()));
        }
    }
    found
}

/// All strings of `value` that are no keys.
fn walk(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|value| walk(value, out)),
        Value::Object(map) => map.values().for_each(|value| walk(value, out)),
        _ => {}
    }
}

/// One line a text: who speaks, its form if it is no string, and what it says.
fn lines(body: &[u8], texts: &[Text]) -> Vec<String> {
    let line = |Text { at, form, speech }: &Text| {
        let form_name = match form {
            Form::String => "",
            Form::StringOfJson => "args ",
            Form::Json => "json ",
            Form::Plain => "plain ",
        };
        format!("{}~{form_name}{}", letter(*speech), decoded(*form, &body[at.clone()]))
    };
    texts.iter().map(line).collect()
}

/// Numbers that look random, from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % sides.max(1)
    }
}
