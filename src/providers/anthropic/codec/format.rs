//! Structured output: the API's own form, or a tool whose input is the answer.

use super::ability::Ability;
use crate::{
    model::{Chat, Format, Json},
    providers::codec::is_forced,
};
use serde_json::Value;

/// How the answer is brought into shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape<'a> {
    /// It has none.
    Free,
    /// `output_config.format`
    Native(&'a Json),
    /// The input of the tool [`super::JSON_ANSWER`]; `None`: any object.
    Tool(Option<&'a Json>, Option<&'a str>),
}

impl<'a> Shape<'a> {
    /// How `chat` asks for it. Structured output is generally available from version 4.5 on, for schemas of a subset of
    /// JSON Schema (<https://platform.claude.com/docs/en/build-with-claude/structured-outputs>). Older models, other
    /// schemas and plain JSON have the tool. Where another tool must be called and can be, the answer has no shape.
    pub(super) fn of(chat: &'a Chat, ability: Ability) -> Self {
        match &chat.format {
            Format::Text => Self::Free,
            Format::Schema { schema, .. } if ability.structured && is_native(schema) => Self::Native(schema),
            _ if ability.forced_calls && is_forced(chat) => Self::Free,
            Format::Json => Self::Tool(None, None),
            Format::Schema { schema, description, .. } => Self::Tool(Some(schema), description.as_deref()),
        }
    }
}

fn is_native(schema: &Json) -> bool {
    let Ok(root) = serde_json::from_str::<Value>(schema.text()) else { return false };
    let mut walk = Walk { root: &root, left: MOST };
    walk.fits(&root, 0)
}

/// Schemas nested deeper are left to the tool; so are recursive ones, which are refused.
const DEEPEST: u32 = 32;

/// Schemas looked at, references followed among them.
const MOST: u32 = 4_096;

/// Members whose meaning is refused.
const REFUSED: [&str; 19] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "contains",
    "prefixItems",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "not",
    "if",
    "oneOf",
    "pattern",
];

/// Looks whether a schema keeps to the subset: each object is closed, no limits of numbers and lengths, no recursion.
struct Walk<'a> {
    root: &'a Value,
    left: u32,
}

impl<'a> Walk<'a> {
    fn fits(&mut self, schema: &'a Value, depth: u32) -> bool {
        let Value::Object(members) = schema else { return schema.is_boolean() && depth > 0 };
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = left;
        let refused = REFUSED.iter().any(|name| members.contains_key(*name))
            || members.get("minItems").is_some_and(|least| least.as_u64().is_none_or(|least| least > 1));
        let object =
            members.contains_key("properties") || members.get("type").and_then(Value::as_str) == Some("object");
        let open = object && members.get("additionalProperties") != Some(&Value::Bool(false));
        if depth > DEEPEST || refused || open {
            return false;
        }
        members.iter().all(|(name, value)| match name.as_str() {
            "properties" | "$defs" | "definitions" | "anyOf" | "allOf" => self.all(value, depth),
            "items" => self.fits(value, depth + 1),
            "$ref" => self.target(value).is_some_and(|target| self.fits(target, depth + 1)),
            _ => true,
        })
    }

    fn all(&mut self, inner: &'a Value, depth: u32) -> bool {
        match inner {
            Value::Object(map) => map.values().all(|inner| self.fits(inner, depth + 1)),
            Value::Array(list) => list.iter().all(|inner| self.fits(inner, depth + 1)),
            _ => false,
        }
    }

    /// What a reference inside of the schema leads to.
    fn target(&self, reference: &Value) -> Option<&'a Value> {
        self.root.pointer(reference.as_str()?.strip_prefix('#')?)
    }
}
