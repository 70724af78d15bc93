//! Whether JSON that comes in pieces may be whole, by its brackets: each byte is looked at once.

use serde::de::IgnoredAny;

/// The brackets of what came so far.
#[derive(Debug, Default)]
pub(super) struct Brackets {
    open: usize,
    in_text: bool,
    escaped: bool,
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Something is open, or nothing came yet.
    #[default]
    Half,
    /// All that was opened is closed.
    Closed,
    /// It was closed and parsed: it is JSON, or it never will be.
    Known(bool),
}

impl Brackets {
    /// Takes the next piece.
    pub(super) fn push(&mut self, piece: &str) {
        if self.state != State::Half {
            return; // what follows is white space, or too much
        }
        for byte in piece.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_text => self.escaped = true,
                b'"' => self.in_text = !self.in_text,
                _ if self.in_text => {}
                b'{' | b'[' => self.open = self.open.saturating_add(1),
                b'}' | b']' => self.open = self.open.saturating_sub(1),
                _ => {}
            }
            if matches!(byte, b'"' | b'}' | b']') && self.open == 0 && !self.in_text {
                self.state = State::Closed;
                return;
            }
        }
    }

    /// Whether `json`, all that came, is whole JSON. A bare number or word never is: more of it may come. It is parsed once.
    pub(super) fn whole(&mut self, json: &str) -> bool {
        if self.state == State::Closed {
            self.state = State::Known(serde_json::from_str::<IgnoredAny>(json).is_ok());
        }
        self.state == State::Known(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_whole_when_its_brackets_are_closed_and_it_parses() {
        let cases = [
            (r#"{"a":[1,"}\"]"]} "#, true),
            (r#""a\\""#, true),
            ("[]", true),
            ("", false),
            ("{", false),
            (r#"{"a":"}"#, false),
            (r#""\""#, false),
            ("{]", false),
            ("12", false),
            ("}", false),
        ];
        for (json, want) in cases {
            for size in [1, 3, 100] {
                let mut brackets = Brackets::default();
                for piece in json.as_bytes().chunks(size) {
                    brackets.push(std::str::from_utf8(piece).expect("ASCII"));
                }
                assert_eq!((brackets.whole(json), brackets.whole(json)), (want, want), "{json}");
            }
        }
    }

    #[test]
    fn what_is_no_json_is_parsed_once() {
        let mut brackets = Brackets::default();
        brackets.push("{x}");
        assert!(!brackets.whole("{x}"));
        brackets.push("{}");
        assert_eq!(brackets.state, State::Known(false), "more does not mend it");
        assert!(!brackets.whole("{}"));
    }
}
