//! "call the tool NAME with {…}": words of a prompt that say which tool is called, and with what.

use super::question::CALL_THE_TOOL;
use serde_json::value::RawValue;

/// A call that a prompt asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub name: String,
    /// A JSON object, as it was written.
    pub arguments: Option<String>,
}

impl Order {
    /// The last one of a request: what stands behind the words, up to the end of its string.
    pub fn of(body: &[u8]) -> Option<Self> {
        let behind = memchr::memmem::rfind(body, CALL_THE_TOOL.as_bytes())? + CALL_THE_TOOL.len();
        let rest = body.get(behind..)?;
        let mut escaped = false;
        let end = rest.iter().position(|&byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        })?;
        let string = [b"\"", rest.get(..end)?, b"\""].concat();
        let text: String = serde_json::from_slice(&string).ok()?;
        let (name, more) = text.strip_prefix(' ')?.split_once(' ').unwrap_or((text.trim(), ""));
        if name.is_empty() {
            return None;
        }
        let arguments = more.strip_prefix("with ").and_then(|json| {
            let mut values = serde_json::Deserializer::from_str(json).into_iter::<Box<RawValue>>();
            values.next()?.ok().map(|json| json.get().to_owned()).filter(|json| json.starts_with('{'))
        });
        Some(Self { name: name.to_owned(), arguments })
    }
}

#[cfg(test)]
mod tests {
    use super::Order;

    #[test]
    fn an_order_names_a_tool_and_may_tell_its_arguments() {
        let order = |prompt: &str| Order::of(serde_json::json!({ "content": prompt }).to_string().as_bytes());
        let is = |name: &str, arguments: Option<&str>| {
            Some(Order { name: name.to_owned(), arguments: arguments.map(str::to_owned) })
        };
        let json = r#"{"command":"echo \"a\""}"#;
        assert_eq!(order(&format!("please call the tool Bash with {json} now")), is("Bash", Some(json)));
        assert_eq!(order("call the tool Bash"), is("Bash", None));
        assert_eq!(order("call the tool Bash with care"), is("Bash", None));
        assert_eq!(order("call the tool"), None);
        assert_eq!(order("hello"), None);
        assert_eq!(order("call the tool a, then call the tool b"), is("b", None), "the last one");
    }
}
