//! Events that differ from one before them by a text only: nearly all of a stream's.
//!
//! To read an event's JSON takes twenty times as long as to see that it is the same JSON with another text in it. What the first
//! such event came to holds for each that is like it: a string without escapes may stand wherever one stood.

use bytes::Bytes;
use memchr::{memchr2, memmem};
use std::ops::Range;

/// Servers pad the events of a stream with a string of random length under this name
/// (<https://platform.openai.com/docs/api-reference/chat/create#stream_options>, `include_obfuscation`).
const PADDING: &[u8] = b"\"obfuscation\":\"";

/// Shapes that are learned without one event's being like them; after that the stream is taken for one whose events differ.
const MOST_IN_VAIN: u8 = 8;

/// What the events of one stream have in common.
#[derive(Debug, Default)]
pub(super) struct Likeness {
    shape: Option<Shape>,
    in_vain: u8,
}

/// An event around its text, and around its padding if it has one.
#[derive(Debug)]
struct Shape {
    before: Box<[u8]>,
    after: Box<[u8]>,
    /// What stands behind the padding.
    last: Option<Box<[u8]>>,
    strip: Option<Strip>,
}

/// What is left out of an event when it is passed on.
#[derive(Debug, Clone, Copy)]
enum Strip {
    Before(usize, usize),
    After(usize, usize),
    Last(usize, usize),
}

impl Likeness {
    /// The text of `data`, and the bytes to be left out of it, if it is like an event that was learned. The text is not empty.
    pub(super) fn text<'a>(&mut self, data: &'a [u8]) -> Option<(&'a str, Option<Range<usize>>)> {
        let shape = self.shape.as_ref()?;
        let rest = data.strip_prefix(&*shape.before)?;
        let text = plain(rest)?;
        let rest = rest.get(text.len()..)?.strip_prefix(&*shape.after)?;
        let after = shape.before.len() + text.len();
        let last = match &shape.last {
            None => {
                if !rest.is_empty() {
                    return None;
                }
                after
            }
            Some(last) => {
                let padding = plain(rest)?;
                if rest.get(padding.len()..)? != &**last {
                    return None;
                }
                after + shape.after.len() + padding.len()
            }
        };
        let strip = shape.strip.map(|strip| match strip {
            Strip::Before(start, end) => start..end,
            Strip::After(start, end) => after + start..after + end,
            Strip::Last(start, end) => last + start..last + end,
        });
        if text.is_empty() {
            return None;
        }
        self.in_vain = 0;
        Some((text, strip))
    }

    /// Learns of `data`, which was read: that what it came to is `text`, a part of it, and that `strip` is left out of it.
    /// Whoever calls this has seen to it that nothing else of the event means anything.
    pub(super) fn learn(&mut self, data: &Bytes, text: &str, strip: Option<&Range<usize>>) {
        if self.in_vain >= MOST_IN_VAIN {
            return;
        }
        if let Some(shape) = Shape::of(data, text, strip) {
            self.in_vain += 1;
            self.shape = Some(shape);
        }
    }
}

impl Shape {
    fn of(data: &[u8], text: &str, strip: Option<&Range<usize>>) -> Option<Self> {
        let start = (text.as_ptr() as usize).checked_sub(data.as_ptr() as usize)?;
        let end = start.checked_add(text.len())?;
        let (before, rest) = (data.get(..start)?, data.get(end..)?);
        if text.is_empty() || !before.ends_with(b"\"") || !rest.starts_with(b"\"") {
            return None;
        }
        let padding = memmem::find(rest, PADDING).map(|at| at + PADDING.len());
        let padding = padding.and_then(|at| Some((at, at + plain(rest.get(at..)?)?.len())));
        let (after, last) = match padding {
            Some((at, until)) => (rest.get(..at)?, Some(rest.get(until..)?)),
            None => (rest, None),
        };
        let behind = data.len() - last.map_or(0, <[u8]>::len);
        let strip = match strip {
            None => None,
            Some(cut) if cut.end <= start => Some(Strip::Before(cut.start, cut.end)),
            Some(cut) if cut.start >= behind && last.is_some() => {
                Some(Strip::Last(cut.start - behind, cut.end - behind))
            }
            Some(cut) if cut.start >= end && cut.end <= end + after.len() => {
                Some(Strip::After(cut.start - end, cut.end - end))
            }
            Some(_) => return None,
        };
        Some(Self { before: before.into(), after: after.into(), last: last.map(Into::into), strip })
    }
}

/// What stands in front of the next quote, if it is all of a JSON string: no escape, no control character, and UTF-8.
fn plain(bytes: &[u8]) -> Option<&str> {
    let end = memchr2(b'"', b'\\', bytes)?;
    let text = bytes.get(..end)?;
    if bytes.get(end) != Some(&b'"') || text.iter().any(|&byte| byte < 0x20) {
        return None;
    }
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(data: &'static str, text: &str, cut: Option<&str>) -> Likeness {
        let at = |part: &str| data.find(part).expect("it is in there");
        let strip = cut.map(|cut| at(cut)..at(cut) + cut.len());
        let mut likeness = Likeness::default();
        let start = at(text);
        likeness.learn(&Bytes::from_static(data.as_bytes()), &data[start..start + text.len()], strip.as_ref());
        likeness
    }

    fn cut(data: &str, strip: Option<Range<usize>>) -> Option<&str> {
        strip.and_then(|strip| data.get(strip))
    }

    #[test]
    fn what_is_the_same_but_for_its_text_is_alike() {
        let mut likeness =
            learned(r#"{"id":"1","delta":{"content":"one"},"usage":null}"#, "one", Some(r#","usage":null"#));
        let other = r#"{"id":"1","delta":{"content":"größer [{"},"usage":null}"#;
        let (text, strip) = likeness.text(other.as_bytes()).expect("it is alike");
        assert_eq!((text, cut(other, strip)), ("größer [{", Some(r#","usage":null"#)));
        for unlike in [
            r#"{"id":"2","delta":{"content":"a"},"usage":null}"#,
            r#"{"id":"1","delta":{"content":"a"},"usage":{}}"#,
            r#"{"id":"1","delta":{"content":"a"},"usage":null} "#,
            r#"{"id":"1","delta":{"content":"a"},"usage":null"#,
            r#"{"id":"1","delta":{"content":"a\n"},"usage":null}"#,
            r#"{"id":"1","delta":{"content":"a\"},"usage":null}"#,
            "{\"id\":\"1\",\"delta\":{\"content\":\"a\tb\"},\"usage\":null}",
            r#"{"id":"1","delta":{"content":""},"usage":null}"#,
            r#"{"id":"1","delta":{"content":"a","role":"b"},"usage":null}"#,
            r#"{"id":"1","delta":{"content":null},"usage":null}"#,
        ] {
            assert_eq!(likeness.text(unlike.as_bytes()), None, "{unlike}");
        }
        assert_eq!(likeness.text(b"{\"id\":\"1\",\"delta\":{\"content\":\"\xff\"},\"usage\":null}"), None, "no UTF-8");
    }

    #[test]
    fn padding_may_differ_too_wherever_the_cut_is() {
        for (data, out) in [
            (r#"{"a":null,"content":"one","obfuscation":"xyz","z":0}"#, r#""a":null,"#),
            (r#"{"content":"one","a":null,"obfuscation":"xyz"}"#, r#","a":null"#),
            (r#"{"content":"one","obfuscation":"xyz","a":null}"#, r#","a":null"#),
        ] {
            let mut likeness = learned(data, "one", Some(out));
            let other = data.replace("one", "fourteen").replace("xyz", "p");
            let (text, strip) = likeness.text(other.as_bytes()).expect("it is alike");
            assert_eq!((text, cut(&other, strip)), ("fourteen", Some(out)));
            assert_eq!(likeness.text(data.replace("xyz", "\\u0041").as_bytes()), None);
            assert_eq!(likeness.text(data.replace("0", "1").replace("null", "nil").as_bytes()), None);
        }
    }

    #[test]
    fn of_events_that_are_never_alike_no_more_is_learned() {
        let mut likeness = Likeness::default();
        for number in 0..20 {
            let data = Bytes::from(format!(r#"{{"n":{number},"content":"one"}}"#));
            let text = std::str::from_utf8(&data).expect("text");
            let at = text.find("one").expect("there");
            likeness.learn(&data, &text[at..at + 3], None);
        }
        assert!(
            likeness.text(br#"{"n":7,"content":"two"}"#).is_some()
                && likeness.text(br#"{"n":19,"content":"two"}"#).is_none()
        );
    }

    #[test]
    fn what_cannot_be_told_apart_is_not_learned() {
        let mut likeness = Likeness::default();
        let data = Bytes::from_static(br#"{"content":"one"}"#);
        likeness.learn(&data, "one", None);
        assert_eq!(likeness.text(&data), None, "a text of its own, such as one that had escapes");
        let text = std::str::from_utf8(&data).expect("text");
        likeness.learn(&data, &text[12..15], Some(&(10..14)));
        assert_eq!(likeness.text(&data), None, "the cut goes through the text");
    }
}
