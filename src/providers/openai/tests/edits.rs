//! What goes up: the client's bytes, with another model and usage asked for.

use super::plain;
use crate::model::{Api, Ask, Caps, Demand, Draft, IncludeUsage, Span};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

/// What the parser would have made of `body`, a chat request.
fn ask(body: &str, stream: bool, include_usage: Option<IncludeUsage>) -> Ask {
    let start = body.find(r#""was""#).expect("there");
    Ask {
        api: Api::ChatCompletions,
        body: Draft::copy_of(body.as_bytes()),
        model: "was".to_owned(),
        model_span: Span { start, end: start + 5 },
        stream,
        include_usage,
        user: None,
        max_output_tokens: None,
        choices: 1,
        text_bytes: 0,
        caps: Caps::default(),
        metadata: Vec::new(),
        demand: Demand::default(),
        form: false,
        opening: Default::default(),
        sealed_elsewhere: false,
    }
}

#[test]
fn usage_is_asked_for_and_nothing_else_changes() {
    let at = |body: &str, text: &str| body.find(text).expect("there");
    let with = |options: &str| format!(r#"{{ "x": 1, "model":"was" ,{options} "y":"é"}}"#);
    let plain_body = with("");
    let null = with(r#""stream_options": null,"#);
    let empty = with(r#""stream_options":{ },"#);
    let other = with(r#""stream_options":{"a":1},"#);
    let off = with(r#""stream_options":{"include_usage": false},"#);
    let span = |body: &str, text: &str| Span { start: at(body, text), end: at(body, text) + text.len() };
    let cases = [
        (
            &plain_body,
            IncludeUsage::NoOptions { insert_at: 1 },
            r#"{"stream_options":{"include_usage":true}, "x": 1, "model":"new" , "y":"é"}"#,
        ),
        (
            &null,
            IncludeUsage::NullOptions(span(&null, "null")),
            r#"{ "x": 1, "model":"new" ,"stream_options": {"include_usage":true}, "y":"é"}"#,
        ),
        (
            &empty,
            IncludeUsage::NoMember { insert_at: at(&empty, "{ }") + 1, empty: true },
            r#"{ "x": 1, "model":"new" ,"stream_options":{"include_usage":true }, "y":"é"}"#,
        ),
        (
            &other,
            IncludeUsage::NoMember { insert_at: at(&other, r#"{"a""#) + 1, empty: false },
            r#"{ "x": 1, "model":"new" ,"stream_options":{"include_usage":true,"a":1}, "y":"é"}"#,
        ),
        (
            &off,
            IncludeUsage::Member { value: span(&off, "false"), asked: false },
            r#"{ "x": 1, "model":"new" ,"stream_options":{"include_usage": true}, "y":"é"}"#,
        ),
        (
            &off,
            IncludeUsage::Member { value: span(&off, "false"), asked: true },
            r#"{ "x": 1, "model":"new" ,"stream_options":{"include_usage": false}, "y":"é"}"#,
        ),
    ];
    for (body, include_usage, want) in cases {
        let mut streamed = ask(body, true, Some(include_usage));
        let edits = plain().edits(&streamed, &Bytes::from_static(b"\"new\""), None);
        assert_eq!(streamed.body.apply(&edits), want);
        let mut whole = ask(body, false, None);
        let edits = plain().edits(&whole, &Bytes::from_static(b"\"new\""), None);
        assert_eq!(whole.body.apply(&edits), body.replace("was", "new"), "not streamed");
    }
}

/// A streamed request and the places in it, with its members in any order.
fn request() -> impl Strategy<Value = (String, Ask)> {
    let options = prop_oneof![
        Just(""),
        Just("null"),
        Just("{}"),
        Just("{ }"),
        Just("{\"a\":{\"include_usage\":1}}"),
        Just("{\"include_usage\":false}"),
        Just("{\"b\":1 , \"include_usage\" : null}"),
        Just("{\"include_usage\":true}"),
    ];
    let others = proptest::collection::vec("[1-9][0-9]?|\"é{0,3}\"|\\[1 ,\\{\\}\\]", 0..4);
    (options, others, any::<prop::sample::Index>(), any::<prop::sample::Index>(), " ?").prop_map(
        |(options, others, model_at, options_at, space)| {
            let others = others.iter().enumerate().map(|(n, value)| format!("\"k{n}\":{value}"));
            let mut members: Vec<String> = others.collect();
            members.insert(model_at.index(members.len() + 1), format!("\"model\":{space}\"was\""));
            if !options.is_empty() {
                members.insert(options_at.index(members.len() + 1), format!("\"stream_options\":{options}"));
            }
            let body = format!("{{{space}{}}}", members.join(&format!(",{space}")));
            let start = body.find("\"stream_options\":").map_or(0, |at| at + 17);
            let place = |text: &str| {
                let at = start + options.find(text).expect("there");
                Span { start: at, end: at + text.len() }
            };
            let include_usage = match options {
                "" => IncludeUsage::NoOptions { insert_at: 1 },
                "null" => IncludeUsage::NullOptions(place("null")),
                "{}" | "{ }" => IncludeUsage::NoMember { insert_at: start + 1, empty: true },
                _ if options.contains("\"a\"") => IncludeUsage::NoMember { insert_at: start + 1, empty: false },
                _ if options.contains("false") => IncludeUsage::Member { value: place("false"), asked: false },
                _ if options.contains("null") => IncludeUsage::Member { value: place("null"), asked: false },
                _ => IncludeUsage::Member { value: place("true"), asked: true },
            };
            let ask = ask(&body, true, Some(include_usage));
            (body, ask)
        },
    )
}

proptest! {
    /// What goes up is what the client sent with another model and usage asked for, whatever stands where.
    #[test]
    fn edits_change_the_model_and_the_usage_option_only((body, mut ask) in request()) {
        let edits = plain().edits(&ask, &Bytes::from_static(b"\"new/name\""), None);
        let sent = ask.body.apply(&edits);
        let mut want: Value = serde_json::from_str(&body).expect("JSON");
        want["model"] = json!("new/name");
        if !want["stream_options"].is_object() {
            want["stream_options"] = json!({});
        }
        want["stream_options"]["include_usage"] = json!(true);
        prop_assert_eq!(serde_json::from_slice::<Value>(&sent).expect("still JSON"), want);
        let model = body.replacen("\"was\"", "\"new/name\"", 1);
        let options = "\"stream_options\":";
        let same = match body.split_once(options) {
            None => format!("{{{options}{{\"include_usage\":true}},{}", &model[1..]),
            Some(_) => model
                .replace(&format!("{options}null"), &format!("{options}{{\"include_usage\":true}}"))
                .replace(&format!("{options}{{}}"), &format!("{options}{{\"include_usage\":true}}"))
                .replace(&format!("{options}{{ }}"), &format!("{options}{{\"include_usage\":true }}"))
                .replace(&format!("{options}{{\"a\""), &format!("{options}{{\"include_usage\":true,\"a\""))
                .replace("\"include_usage\":false", "\"include_usage\":true")
                .replace("\"include_usage\" : null", "\"include_usage\" : true"),
        };
        prop_assert_eq!(String::from_utf8_lossy(&sent), same);
    }
}
