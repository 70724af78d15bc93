//! Where in a JSON body something is wrong, told to the client without repeating its body.

use std::fmt::Write;

/// One step from a container to what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The element at this index.
    Index(usize),
    /// The member of this name, shortened for display.
    Key(String),
}

/// Bytes of a client's text that a message repeats at most.
const ECHO: usize = 64;

/// Bytes of a path that a message shows at most; what is nearest to the mistake is kept.
const PATH: usize = 256;

/// `text`, cut to at most 64 bytes at a character, without control characters.
pub(super) fn echo(text: &str) -> String {
    let (cut, tail) = if text.len() > ECHO { (text.floor_char_boundary(ECHO - 3), "…") } else { (text.len(), "") };
    let clean: String = text[..cut].chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    // A control character of one byte becomes a sign of three: cut again.
    let cut = clean.floor_char_boundary(if tail.is_empty() { ECHO } else { ECHO - 3 });
    format!("{}{tail}", &clean[..cut])
}

/// `messages[3].content`; empty for the body itself.
pub(super) fn render<'a>(steps: impl Iterator<Item = &'a Step>) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Index(index) => write!(path, "[{index}]").expect("a String takes all"),
            Step::Key(key) => {
                let dot = if path.is_empty() { "" } else { "." };
                write!(path, "{dot}{key}").expect("a String takes all");
            }
        }
    }
    if path.len() > PATH {
        let from = path.ceil_char_boundary(path.len() - PATH);
        path.replace_range(..from, "…");
    }
    path
}

/// The step to the member `key`.
pub(super) fn step(key: &[u8]) -> Step {
    Step::Key(echo(&String::from_utf8_lossy(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_never_longer_than_it_may_be() {
        for text in ["a".repeat(65), "é".repeat(40), "\u{1}".repeat(64), "\u{1}".repeat(400), "😀".repeat(17)] {
            let shown = echo(&text);
            assert!(shown.len() <= ECHO, "{} bytes of {text:?}", shown.len());
            assert!(!shown.contains('\u{1}'));
        }
        assert_eq!(echo("short"), "short");
    }

    #[test]
    fn a_long_path_keeps_its_end() {
        let steps: Vec<Step> = (0..64).map(|_| step(&[b'k'; 60])).chain([Step::Index(7)]).collect();
        let path = render(steps.iter());
        assert!(path.len() <= PATH + 3 && path.starts_with('…') && path.ends_with("k[7]"), "{path}");
    }
}
