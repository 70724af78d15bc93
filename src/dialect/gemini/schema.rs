//! From Google's schemas, a subset of OpenAPI 3.0 with types in capitals, to JSON Schema
//! (<https://ai.google.dev/api/caching#Schema>).

use super::object::is_named;
use crate::dialect::node::{Map, Node};
use std::borrow::Cow;
use std::collections::HashMap;

/// `node` as JSON Schema. What is JSON Schema already (types in small letters) stays as it is.
pub(super) fn json_schema(node: Node<'_>) -> Node<'_> {
    let Node::Map(members) = node else { return node };
    let (mut out, mut nullable, mut order) = (Vec::with_capacity(members.0.len()), false, Vec::new());
    for (name, value) in members.0 {
        let name = KEYWORDS.into_iter().find(|word| is_named(&name, word)).map_or(name, Cow::Borrowed);
        match (&*name, value) {
            ("type", Node::Text(kind)) if kind == "TYPE_UNSPECIFIED" => {}
            ("type", Node::Text(kind)) => out.push((name, Node::Text(Cow::Owned(kind.to_ascii_lowercase())))),
            ("format", Node::Text(format)) if format == "enum" => {} // says what `enum` says
            ("nullable", Node::Bool(flag)) => nullable = flag,
            ("propertyOrdering", Node::List(names)) => order = names,
            ("properties" | "$defs" | "defs", Node::Map(Map(named))) => {
                let each = named.into_iter().map(|(name, schema)| (name, json_schema(schema))).collect();
                let name = if name == "defs" { Cow::Borrowed("$defs") } else { name };
                out.push((name, Node::Map(Map(each))));
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Node::List(list)) => {
                out.push((name, Node::List(list.into_iter().map(json_schema).collect())));
            }
            ("items" | "additionalProperties", schema) => out.push((name, json_schema(schema))),
            // Whole numbers of 64 bits are texts in the protocol's JSON.
            (
                "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties",
                Node::Text(text),
            ) => {
                let number = text.parse().map_or(Node::Text(text), Node::Whole);
                out.push((name, number));
            }
            (_, value) => out.push((name, value)),
        }
    }
    if nullable {
        allow_null(&mut out);
    }
    if !order.is_empty() {
        sort(&mut out, &order);
    }
    Node::Map(Map(out))
}

/// OpenAPI's `nullable` in JSON Schema's words.
fn allow_null(members: &mut Vec<(Cow<'_, str>, Node<'_>)>) {
    let null = || Node::Text(Cow::Borrowed("null"));
    let mut typed = false;
    for (name, value) in &mut *members {
        match (&**name, &mut *value) {
            ("type", Node::Text(_)) => {
                typed = true;
                let kind = std::mem::replace(value, Node::Null);
                *value = Node::List(vec![kind, null()]);
            }
            ("enum", Node::List(choices)) => choices.push(Node::Null),
            _ => {}
        }
    }
    let any_of = members.iter_mut().find(|(name, _)| name == "anyOf");
    if let (false, Some((_, Node::List(list)))) = (typed, any_of) {
        list.push(Node::Map(Map(vec![(Cow::Borrowed("type"), null())])));
    }
}

/// Models write members in the order of the schema: `propertyOrdering` tells it.
fn sort(members: &mut [(Cow<'_, str>, Node<'_>)], order: &[Node<'_>]) {
    let mut places = HashMap::<&str, usize>::with_capacity(order.len());
    for (place, name) in order.iter().enumerate() {
        if let Node::Text(name) = name {
            places.entry(name).or_insert(place);
        }
    }
    let place = |name: &str| places.get(name).copied().unwrap_or(order.len());
    if let Some((_, Node::Map(properties))) = members.iter_mut().find(|(name, _)| name == "properties") {
        properties.0.sort_by_key(|(name, _)| place(name));
    }
}

/// Words of a schema that the protocol writes with underscores.
const KEYWORDS: [&str; 10] = [
    "anyOf",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
    "propertyOrdering",
    "additionalProperties",
    "prefixItems",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_thousand_members_come_in_the_order_that_is_told() {
        let properties: Vec<_> = (0..100_000).map(|n| format!(r#""m{n}":{{}}"#)).collect();
        let order: Vec<_> = (0..100_000).rev().map(|n| format!(r#""m{n}""#)).collect();
        let (properties, order) = (properties.join(","), order.join(","));
        let text = format!(r#"{{"properties":{{{properties},"new":{{}}}},"propertyOrdering":["m99999",{order}]}}"#);
        let Node::Map(mut schema) = json_schema(Node::read(text.as_bytes()).expect("JSON")) else {
            panic!("an object")
        };
        let Some(Node::Map(sorted)) = schema.take("properties") else { panic!("members") };
        let names: Vec<_> = sorted.0.iter().map(|(name, _)| name.to_string()).collect();
        let want: Vec<_> = (0..100_000).rev().map(|n| format!("m{n}")).chain(["new".to_owned()]).collect();
        assert!(names == want);
    }
}
