//! Files of requests, right and wrong.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn resolve(_: Api, name: &str) -> Result<Named, String> {
    match name {
        "fast" | "other" => Ok(Named { name: name.into(), there: Bytes::from(format!("\"{name}-at-the-provider\"")) }),
        _ => Err(format!("there is no model `{name}`")),
    }
}

#[derive(Debug)]
struct Checked {
    file: Vec<u8>,
    model: Arc<str>,
}

fn rewrite(file: &[u8], mut resolve: impl FnMut(Api, &str) -> Result<Named, String>) -> Result<Checked, Mistake> {
    let (mut reader, mut out) = (Reader::default(), Vec::new());
    for line in file.split_inclusive(|&byte| byte == b'\n') {
        match reader.read(line, &mut resolve)? {
            Some(one) => one.write(line, &mut out),
            None => out.extend_from_slice(line),
        }
    }
    Ok(Checked { file: out, model: reader.end()?.0 })
}

fn line(id: &str, model: &str) -> String {
    format!(
        r#"{{"custom_id":"{id}","method":"POST","url":"/v1/chat/completions","body":{{"model":"{model}","messages":[]}}}}"#
    )
}

#[test]
fn only_the_models_name_is_changed() {
    let file = "{\"custom_id\":\"a\", \"method\":\"POST\",\"url\":\"/v1/embeddings\",\"body\":{\"input\":\"model\", \"model\" : \"f\\u0061st\"}}\r\n\n";
    let checked = rewrite(file.as_bytes(), resolve).expect("it is right");
    let want = file.replace("\"f\\u0061st\"", "\"fast-at-the-provider\"");
    assert_eq!((String::from_utf8(checked.file).expect("text"), &*checked.model), (want, "fast"));
}

#[test]
fn a_line_that_is_wrong_is_told_by_its_number() {
    let good = line("a", "fast");
    let cases = [
        (line("b", "nobody"), "there is no model `nobody`"),
        (line("b", "other"), "its model is `other`, that of line 1 `fast`"),
        (good.replace("POST", "GET"), "`method` must be `POST`"),
        (good.replace("chat/completions", "files"), "`url` must be one of `/v1/chat/completions`"),
        (good.replace("chat/completions", "embeddings"), "its `url` is another one"),
        (good.replace("\"custom_id\":\"a\",", ""), "`custom_id` is missing"),
        (good.replace("\"a\"", "\"\""), "`custom_id` is empty"),
        (good.replace("\"a\"", "7"), "`custom_id` must be a string"),
        (good.replace("\"model\":\"fast\",", ""), "`body.model` is missing"),
        (good.replace("\"fast\"", "null"), "`body.model` must be a string"),
        (good.replace("\"method\"", "\"x\":1,\"method\""), "`x` is not known"),
        (
            good.replace("\"model\":\"fast\",", "\"model\":\"fast\",\"mod\\u0065l\":\"nobody\","),
            "duplicate key `model`",
        ),
        (good.replace("\"messages\":[]", "\"messages\":[{\"a\":1,\"a\":2}]"), "duplicate key `a`"),
        ("[]".to_owned(), ""),
        (format!("{good} {good}"), ""),
        (format!("\u{feff}{good}"), ""),
    ];
    for (bad, want) in cases {
        let told = rewrite(format!("{good}\n{bad}\n").as_bytes(), resolve).expect_err(&bad).to_string();
        assert!(told.starts_with("line 2: ") && told.contains(want), "{bad}: {told}");
    }
    assert!(rewrite(b"\n \n", resolve).is_err(), "no request");
    assert!(rewrite(b"{\"custom_id\":\"\xff\"}", resolve).is_err(), "no text");
}

proptest! {
    /// Each line stays what it was, but for its model; and none is lost or added.
    #[test]
    fn lines_are_those_of_before_with_another_model(
        ids in prop::collection::vec("[a-z\"\\\\ é]{1,8}", 1..6),
        texts in prop::collection::vec(".*", 6),
    ) {
        let line = |(id, text): (&String, &String)| json!({"custom_id": id, "method": "POST", "url": "/v1/responses",
            "body": {"input": text, "model": "fast", "metadata": {"model": "untouched"}}});
        let lines: Vec<Value> = ids.iter().zip(&texts).map(line).collect();
        let file = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let checked = rewrite(file.as_bytes(), resolve).expect("it is right");
        let out = String::from_utf8(checked.file).expect("text");
        let after: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let want: Vec<Value> = lines.into_iter().map(|mut line| {
            line["body"]["model"] = json!("fast-at-the-provider");
            line
        }).collect();
        prop_assert_eq!(after, want);
    }

    /// Whatever comes, nothing panics, and what passes names no model but the provider's.
    #[test]
    fn odd_bytes_are_refused_or_whole(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..100) {
        let mut file = line("a", "fast").into_bytes();
        let at = at.min(file.len());
        file.splice(at..at, bytes);
        if let Ok(checked) = rewrite(&file, resolve) {
            prop_assert_eq!(&*checked.model, "fast");
        }
    }
}
