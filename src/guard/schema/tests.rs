use super::*;
use proptest::prelude::*;

fn schema(yaml: &str) -> Result<JsonSchema, ConfigError> {
    JsonSchema::read(&Section::from_yaml("guards.shape", yaml)?)
}

const ORDER: &str = "
schema:
  type: object
  required: [items]
  additionalProperties: {type: integer}
  properties:
    items:
      type: array
      items:
        type: object
        required: [price]
        properties:
          price: {type: number, minimum: 0.5}
          code: {type: string, pattern: '^[A-Z]{3}$'}
";

#[test]
fn what_does_not_fit_is_told_by_its_place_and_never_by_its_value() {
    let judge = schema(ORDER).expect("a schema");
    let cases = [
        ("fits", r#"{"items":[{"price":1.5,"code":"ABC"}],"n":3}"#, None),
        ("curly quotes stay", r#"{"items":[],"items":[{"price":1}]}"#, None),
        ("empty", " \n", None),
        ("no JSON", "Here it is: {}", Some("no JSON at line 1, column 1")),
        ("cut", r#"{"items":["#, Some("no JSON at line 1, column 10")),
        ("two values", "{} {}", Some("no JSON at line 1, column 4")),
        ("missing", "{}", Some("the value does not fit the schema's `/required`")),
        (
            "missing below",
            r#"{"items":[{"price":1},{}]}"#,
            Some("`/items/1` does not fit the schema's `/properties/items/items/required`"),
        ),
        (
            "a secret value",
            r#"{"items":[{"price":"4111"}]}"#,
            Some("`/items/0/price` does not fit the schema's `/properties/items/items/properties/price/type`"),
        ),
        (
            "a fraction of YAML",
            r#"{"items":[{"price":0.4}]}"#,
            Some("`/items/0/price` does not fit the schema's `/properties/items/items/properties/price/minimum`"),
        ),
        (
            "a pattern",
            r#"{"items":[{"price":1,"code":"abc"}]}"#,
            Some("`/items/0/code` does not fit the schema's `/properties/items/items/properties/code/pattern`"),
        ),
        (
            "a secret name",
            r#"{"items":[],"4111":"x"}"#,
            Some("`/*` does not fit the schema's `/additionalProperties/type`"),
        ),
    ];
    for (name, text, want) in cases {
        let said = judge.judge(text, Speech::Assistant).map(|said| said.why);
        assert_eq!(said.as_deref(), want, "{name}");
    }
    let deep = "[".repeat(100_000);
    assert!(judge.judge(&deep, Speech::ToolCall).is_some_and(|said| said.why.starts_with("no JSON")));
    assert_eq!(judge.judge("thinking aloud", Speech::Reasoning), None);
    assert!(judge.wants_original());
}

#[test]
fn a_schema_may_be_json_text() {
    let judge = schema("schema: '{\"enum\": [0.5, \"é\"]}'").expect("a schema");
    assert_eq!(judge.judge("0.5", Speech::ToolCall), None);
    assert_eq!(judge.judge("\"é\"", Speech::ToolCall), None);
    let judge = schema("schema: {enum: [0.5, é]}").expect("a schema");
    assert_eq!(judge.judge("0.5", Speech::ToolCall), None);
    assert!(judge.judge("1", Speech::ToolCall).is_some_and(|said| said.why.ends_with("`/enum`")));
}

#[test]
fn a_schema_may_be_a_file_and_refers_to_itself() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let tree = r##"{"$defs":{"t":{"type":"object","properties":{"l":{"$ref":"#/$defs/t"}},"additionalProperties":false}},"$ref":"#/$defs/t"}"##;
    std::fs::write(file.path(), tree).expect("written");
    let judge = schema(&format!("schema: ${{file:{}}}", file.path().display())).expect("a schema");
    assert_eq!(judge.judge(r#"{"l":{"l":{}}}"#, Speech::Assistant), None);
    assert!(judge.judge(r#"{"l":{"r":{}}}"#, Speech::Assistant).is_some());
}

/// No engine that goes back: a megabyte costs about twice what half of it costs.
#[test]
fn patterns_take_linear_time() {
    let judge = schema(r#"{schema: {type: string, pattern: "^(a+)+$"}}"#).expect("a schema");
    let text = format!("\"{}!\"", "a".repeat(1 << 20));
    assert!(judge.judge(&text, Speech::Assistant).is_some());
}

#[test]
fn mistakes_name_their_key() {
    let cases = [
        ("", "`schema`"),
        ("schema: 5", "guards.shape.schema: is no JSON Schema; write a mapping"),
        ("schema: '{\"type\": '", "guards.shape.schema: is no JSON at its line 1, column 9"),
        ("schema: {type: objekt}", "guards.shape.schema: is no JSON Schema at `/type`"),
        ("schema: {$ref: 'https://example.com/s.json'}", "references must stay inside"),
        ("schema: {$ref: 'file:///etc/passwd'}", "references must stay inside"),
        ("schema: {$ref: '#/$defs/none'}", "guards.shape.schema: is no JSON Schema"),
        ("schema: {pattern: '(?<=a)b'}", "guards.shape.schema: is no JSON Schema"),
    ];
    for (yaml, want) in cases {
        let said = schema(yaml).expect_err(yaml).to_string();
        assert!(said.contains(want), "{yaml:?}: {said}");
    }
}

proptest! {
    /// Whatever the text is, what is said about it does not hold its values.
    #[test]
    fn no_text_is_too_odd(text in "(?s).{0,60}", like in r#"[\[\]{}":,0-9a-e.\-\\u ]{0,60}"#) {
        let judge = schema(ORDER).expect("a schema");
        for text in [text, like] {
            let _ = judge.judge(&text, Speech::Assistant);
            let quoted = serde_json::json!({ "items": [{ "price": text, text.clone(): 1 }] }).to_string();
            let why = judge.judge(&quoted, Speech::ToolCall).map(|said| said.why).unwrap_or_default();
            prop_assert_eq!(why, "`/items/0/price` does not fit the schema's `/properties/items/items/properties/price/type`");
        }
    }
}
