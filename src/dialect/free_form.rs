//! Free-form tools (OpenAI's `custom`), which are called with any text. Other APIs know functions only: there such a tool
//! is a function of one text, and what the model calls it with is taken out of its JSON again, piece by piece.
//!
//! <https://platform.openai.com/docs/guides/function-calling#custom-tools>

use crate::model::{Json, Tool};
use serde_json::{Value, json};

/// The member that holds the text.
const MEMBER: &str = "input";
/// What stands before the text, with white space between.
const BEGIN: [&str; 4] = ["{", "\"input\"", ":", "\""];

/// A tool that is called with a text. `grammar`: the syntax and the rules that the text must keep to; nobody enforces them
/// where this goes, so the model is told.
pub(super) fn tool(name: String, description: Option<String>, grammar: Option<(&str, &str)>) -> Tool {
    let told = match grammar {
        None => "The text that the tool is called with, as it is.".to_owned(),
        Some((syntax, rules)) => {
            format!("The text that the tool is called with, as it is. It must match this {syntax} grammar:\n{rules}")
        }
    };
    let schema = json!({
        "type": "object",
        "properties": { MEMBER: { "type": "string", "description": told } },
        "required": [MEMBER],
        "additionalProperties": false,
    });
    Tool { name, description, parameters: Json::of(&schema), strict: None, cache: None }
}

/// The arguments of a call with `text`.
pub(super) fn arguments(text: &str) -> String {
    json!({ MEMBER: text }).to_string()
}

/// Takes the text out of a call's arguments as they come.
///
/// What a model calls the function with is `{"input":"…"}`, which is unwrapped as it comes. Anything else waits for its
/// end: the only text of an object is what was meant, and what is no such object is passed on as it is.
#[derive(Debug, Default)]
pub(super) struct Unwrapping {
    /// All that came.
    json: String,
    /// How much of it was read.
    read: usize,
    /// How many of [`BEGIN`] were read.
    words: usize,
    place: Place,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the text.
    #[default]
    Before,
    /// In it.
    Inside,
    /// Behind it.
    Behind,
    /// This is not `{"input":"…"}`.
    Elsewhere,
}

impl Unwrapping {
    /// Takes a piece of the arguments and returns what it adds to the text.
    pub(super) fn push(&mut self, piece: &str) -> String {
        self.json.push_str(piece);
        if self.place == Place::Before {
            self.begin();
        }
        let mut text = String::new();
        if self.place == Place::Inside {
            self.unescape(&mut text);
        }
        text
    }

    /// The call is over: what of the text could not be told before.
    pub(super) fn rest(&mut self) -> String {
        let place = std::mem::replace(&mut self.place, Place::Behind);
        if !matches!(place, Place::Before | Place::Elsewhere) || self.json.trim_ascii().is_empty() {
            return String::new();
        }
        let members = match serde_json::from_str(&self.json) {
            Ok(Value::Object(members)) => members,
            Ok(Value::String(text)) => return text,
            _ => return self.json.clone(),
        };
        let mut texts = members.values().filter_map(Value::as_str);
        match (members.get(MEMBER).and_then(Value::as_str), texts.next(), texts.next()) {
            (Some(text), _, _) | (None, Some(text), None) => text.to_owned(),
            _ if members.is_empty() => String::new(),
            _ => self.json.clone(),
        }
    }

    /// The arguments so far.
    pub(super) fn json(&self) -> &str {
        &self.json
    }

    /// Reads on before the text. Nothing but the beginning of a word is read again with the next piece.
    fn begin(&mut self) {
        while let Some(word) = BEGIN.get(self.words) {
            let rest = self.json.get(self.read..).unwrap_or_default();
            let told = rest.trim_ascii_start();
            self.read += rest.len() - told.len();
            if told.starts_with(word) {
                (self.words, self.read) = (self.words + 1, self.read + word.len());
            } else {
                if !word.starts_with(told) {
                    self.place = Place::Elsewhere;
                }
                return;
            }
        }
        self.place = Place::Inside;
    }

    /// Reads on in the text, as far as its escapes are whole.
    fn unescape(&mut self, text: &mut String) {
        loop {
            let rest = self.json.get(self.read..).unwrap_or_default();
            let plain = rest.find(['"', '\\']).unwrap_or(rest.len());
            text.push_str(rest.get(..plain).unwrap_or_default());
            self.read += plain;
            let rest = rest.get(plain..).unwrap_or_default();
            if rest.is_empty() {
                return;
            }
            if rest.starts_with('"') {
                (self.place, self.read) = (Place::Behind, self.read + 1);
                return;
            }
            let Some((letter, length)) = escape(rest) else { return };
            text.push(letter);
            self.read += length;
        }
    }
}

/// The letter that an escape at the beginning of `text` stands for, and the escape's length; `None`: it is not whole yet. What
/// stands for no letter becomes U+FFFD.
fn escape(text: &str) -> Option<(char, usize)> {
    let letter = match text.as_bytes().get(1)? {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'u' => return unicode(text),
        _ => {
            let letter = text.chars().nth(1)?;
            return Some((letter, 1 + letter.len_utf8()));
        }
    };
    Some((letter, 2))
}

/// `\uXXXX`, or two of them where the first is the first half of a letter.
fn unicode(text: &str) -> Option<(char, usize)> {
    const LENGTH: usize = 6;
    let unit = |text: &str| text.get(2..LENGTH).and_then(|digits| u16::from_str_radix(digits, 16).ok());
    if text.len() < LENGTH {
        return None;
    }
    let Some(first) = unit(text) else { return Some((char::REPLACEMENT_CHARACTER, 2)) };
    if !(0xD800..0xDC00).contains(&first) {
        return Some((char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER), LENGTH));
    }
    let second = text.get(LENGTH..).unwrap_or_default();
    if second.len() < LENGTH && "\\u".starts_with(second.get(..second.len().min(2)).unwrap_or("-")) {
        return None;
    }
    let low = second.strip_prefix("\\u").and_then(|_| unit(second));
    match low.map(|low| char::decode_utf16([first, low]).next()) {
        Some(Some(Ok(letter))) => Some((letter, 2 * LENGTH)),
        _ => Some((char::REPLACEMENT_CHARACTER, LENGTH)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Unwrapping, arguments, tool};
    use proptest::prelude::*;

    /// What comes of `json` in pieces of `size` bytes, and how much of it before the end.
    fn unwrapped(json: &str, size: usize) -> (String, usize) {
        let mut call = Unwrapping::default();
        let (mut text, mut piece) = (String::new(), String::new());
        for letter in json.chars() {
            piece.push(letter);
            if piece.len() >= size {
                text.push_str(&call.push(&std::mem::take(&mut piece)));
            }
        }
        text.push_str(&call.push(&piece));
        let early = text.len();
        text.push_str(&call.rest());
        assert_eq!(call.json(), json);
        assert_eq!(call.rest(), "", "the rest is told once");
        (text, early)
    }

    #[test]
    fn the_text_comes_as_it_is_made() {
        let mut call = Unwrapping::default();
        let pieces = ["{\"in", "put\": \"ls", " -l\\", "n\\u00", "e9\\ud83d\\u", "de00", "\"", "}"];
        let told: Vec<_> = pieces.map(|piece| call.push(piece)).into();
        assert_eq!(told, ["", "ls", " -l", "\n", "é", "😀", "", ""]);
        assert_eq!(call.rest(), "");
    }

    #[test]
    fn what_a_model_writes_instead_is_understood_or_passed_on() {
        let cases = [
            ("another name", r#"{"patch":"x"}"#, "x"),
            ("more than was asked for", r#"{"why":"so","input":"x"}"#, "x"),
            ("a bare text", r#""x""#, "x"),
            ("no JSON", "*** Begin Patch", "*** Begin Patch"),
            ("two texts", r#"{"a":"x","b":"y"}"#, r#"{"a":"x","b":"y"}"#),
            ("nothing", "{}", ""),
            ("nothing at all", "", ""),
            ("no text", r#"{"input":7}"#, r#"{"input":7}"#),
            ("cut off", r#"{"input":"half \u00"#, "half "),
            ("half a letter", r#"{"input":"\ud83d!"}"#, "\u{fffd}!"),
            ("two first halves", r#"{"input":"\ud83d\ud83d\ude00"}"#, "\u{fffd}😀"),
            ("no digits", r#"{"input":"\uzzzz"}"#, "\u{fffd}zzzz"),
        ];
        for (name, json, want) in cases {
            assert_eq!(unwrapped(json, 1).0, want, "{name}");
            assert_eq!(unwrapped(json, 1_000).0, want, "{name}, at once");
        }
    }

    #[test]
    fn blanks_before_the_text_are_read_once() {
        let mut call = Unwrapping::default();
        for piece in ["{"].into_iter().chain(std::iter::repeat_n(" ", 1_000)).chain(["\"inp"]) {
            assert_eq!(call.push(piece), "");
            assert!(call.json().len() - call.read <= "\"inp".len(), "what is read again is no longer than a word");
        }
        assert_eq!(call.push("ut\" :\n\"x"), "x");
        let mut call = Unwrapping::default();
        call.push(&" ".repeat(1_000));
        assert_eq!((call.read, call.push("x").as_str(), call.rest().trim_start()), (1_000, "", "x"));
    }

    #[test]
    fn a_grammar_is_told() {
        let told = tool("f".to_owned(), None, Some(("lark", "start: \"x\""))).parameters.expect("it has some");
        assert!(told.text().contains("lark grammar:\\nstart: \\\"x\\\""), "{}", told.text());
    }

    proptest! {
        #[test]
        fn what_was_wrapped_is_unwrapped_wherever_it_is_cut(text in any::<String>(), size in 1usize..9) {
            let (got, early) = unwrapped(&arguments(&text), size);
            prop_assert_eq!(&got, &text);
            prop_assert_eq!(early, text.len(), "nothing waits for the end");
        }

        #[test]
        fn no_arguments_make_it_panic(json in r#"[{}":,a-z\\u0-9dD8éinput ]{0,40}"#, size in 1usize..9) {
            let whole = unwrapped(&json, 1_000).0;
            prop_assert_eq!(unwrapped(&json, size).0, whole, "where it is cut does not matter");
        }
    }
}
