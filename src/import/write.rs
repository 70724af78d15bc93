//! What is written: our configuration as YAML, in the order in which it was put together, with comments.

use std::fmt::Write as _;

/// A value to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Out {
    /// A text that is taken as it is.
    Text(String),
    /// A number, a duration, a word of ours.
    Word(String),
    /// `${env:NAME}`.
    Variable(String),
    List(Vec<Out>),
    Map(Vec<(String, Out)>),
}

impl Out {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn word(word: impl ToString) -> Self {
        Self::Word(word.to_string())
    }

    pub(super) fn texts<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(|text| Self::text(text.as_ref())).collect())
    }

    pub(super) fn map<const N: usize>(entries: [(&str, Self); N]) -> Self {
        Self::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::List(items) => items.is_empty(),
            Self::Map(entries) => entries.is_empty(),
            Self::Text(_) | Self::Word(_) | Self::Variable(_) => false,
        }
    }

    /// In one line.
    pub(super) fn flow(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Word(word) => word.clone(),
            Self::Variable(name) => format!("\"${{env:{name}}}\""),
            Self::List(items) => format!("[{}]", items.iter().map(Self::flow).collect::<Vec<_>>().join(", ")),
            Self::Map(entries) if entries.is_empty() => "{}".to_owned(),
            Self::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| format!("{}: {}", self::key(key), value.flow()));
                format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Below a key that stands at `indent`, from behind its colon on.
    fn below(&self, indent: usize, used: usize, out: &mut String) {
        let flow = self.flow();
        let nests = matches!(self, Self::List(_) | Self::Map(_)) && !self.is_empty();
        if !nests || (indent >= 2 && used + flow.len() < WIDTH) {
            let _ = writeln!(out, " {flow}");
            return;
        }
        out.push('\n');
        let pad = " ".repeat(indent + 2);
        match self {
            Self::Map(entries) => {
                for (key, value) in entries {
                    let key = format!("{pad}{}:", self::key(key));
                    out.push_str(&key);
                    value.below(indent + 2, key.len(), out);
                }
            }
            Self::List(items) => {
                for item in items {
                    item.in_list(indent + 2, &pad, out);
                }
            }
            Self::Text(_) | Self::Word(_) | Self::Variable(_) => {}
        }
    }

    fn in_list(&self, indent: usize, pad: &str, out: &mut String) {
        let flow = self.flow();
        let Self::Map(entries) = self else {
            let _ = writeln!(out, "{pad}- {flow}");
            return;
        };
        if indent + flow.len() < WIDTH {
            let _ = writeln!(out, "{pad}- {flow}");
            return;
        }
        for (index, (key, value)) in entries.iter().enumerate() {
            let key = format!("{pad}{}{}:", if index == 0 { "- " } else { "  " }, self::key(key));
            out.push_str(&key);
            value.below(indent + 2, key.len(), out);
        }
    }
}

/// Longest line of what is put into one.
const WIDTH: usize = 150;

/// Writes a section of the file.
pub(super) fn section(name: &str, value: &Out, out: &mut String) {
    if value.is_empty() {
        return;
    }
    let key = format!("{name}:");
    out.push('\n');
    out.push_str(&key);
    value.below(0, key.len(), out);
}

/// Comment lines of `text`, which may hold anything.
pub(super) fn comment(text: &str, out: &mut String) {
    let _ = writeln!(out, "# {}", one_line(text));
}

/// `text` without what could end a line, or draw on a terminal.
pub(super) fn one_line(text: &str) -> String {
    let odd = |c: char| c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    text.chars().map(|c| if odd(c) { '\u{fffd}' } else { c }).collect()
}

/// A key, as [`quoted`].
fn key(text: &str) -> String {
    // A key of ours, and a text in the YAML that we read.
    if text == "on" { text.to_owned() } else { quoted(text) }
}

/// A text as YAML reads it back: bare where that is safe beyond doubt. What looks like one of our references is none.
pub(super) fn quoted(text: &str) -> String {
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./@-".contains(&byte))
        && !words.contains(&&*text.to_ascii_lowercase());
    if plain {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    let mut before = ' ';
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // `$${` is a plain `${`.
            '{' if before == '$' => {
                out.pop();
                out.push_str("$${");
            }
            c if c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
        before = c;
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::{Out, one_line, quoted, section};

    #[test]
    fn texts_are_quoted_where_yaml_would_read_something_else() {
        let cases = [
            ("gpt-4o", "gpt-4o"),
            ("openai/gpt-4o", "openai/gpt-4o"),
            ("no", "\"no\""),
            ("1.5", "\"1.5\""),
            ("a:b", "\"a:b\""),
            ("*", "\"*\""),
            ("a\"b\\c\nd", "\"a\\\"b\\\\c\\nd\""),
            ("${env:HOME}", "\"$${env:HOME}\""),
            ("", "\"\""),
            ("a # b", "\"a # b\""),
        ];
        for (text, want) in cases {
            assert_eq!(quoted(text), want, "{text}");
        }
        assert_eq!(one_line("a\nb: c\u{2028}d"), "a\u{fffd}b: c\u{fffd}d");
    }

    #[test]
    fn short_values_stand_in_one_line_and_long_ones_below_each_other() {
        let target = Out::map([("provider", Out::text("openai")), ("model", Out::text("gpt-4o"))]);
        let model = Out::map([("route", Out::word("weighted")), ("targets", Out::List(vec![target]))]);
        let models = Out::map([("fast", model)]);
        let mut out = String::new();
        section("models", &models, &mut out);
        assert_eq!(out, "\nmodels:\n  fast: { route: weighted, targets: [{ provider: openai, model: gpt-4o }] }\n");
    }
}
