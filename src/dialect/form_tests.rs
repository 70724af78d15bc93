//! Forms: what clients send, what two parsers could read in two ways, and any bytes at all.

use super::*;
use proptest::prelude::*;

const B: &str = "XbX";

/// A form of raw parts, each with its headers.
fn form(parts: &[&str]) -> Vec<u8> {
    let parts = parts.iter().map(|part| format!("--{B}\r\n{part}\r\n")).collect::<String>();
    format!("{parts}--{B}--\r\n").into_bytes()
}

fn read(parts_of: &[&str]) -> Result<Vec<(String, bool, String)>, BadRequest> {
    let body = form(parts_of);
    let parts = parts(&body, B)?;
    Ok(parts.into_iter().map(|part| (part.name.to_owned(), part.file, text(&body, &part))).collect())
}

fn text(body: &[u8], part: &Part<'_>) -> String {
    String::from_utf8_lossy(&body[part.value.range()]).into_owned()
}

const MODEL: &str = "Content-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1";

#[test]
fn parts_are_found_as_clients_send_them() {
    let file = "Content-Disposition: form-data; name=\"file\"; filename=\"a; b=%22c.wav\"\r\nContent-Type: audio/wav\r\n\r\nRI\r\n--Xb\r\n\r\nFF\n";
    let old = "content-type: text/plain; charset=UTF-8\r\ncontent-disposition: form-data;name=prompt\r\nContent-Transfer-Encoding: 8bit\r\nContent-Length: 0\r\n\r\n";
    let got = read(&[file, MODEL, old]).expect("a form");
    let want = [("file", true, "RI\r\n--Xb\r\n\r\nFF\n"), ("model", false, "whisper-1"), ("prompt", false, "")];
    assert_eq!(got, want.map(|(name, file, value)| (name.to_owned(), file, value.to_owned())));
    assert_eq!(parts(format!("--{B}--").as_bytes(), B), Ok(Vec::new()), "an empty form is one");
    let coded = read(&["Content-Disposition: form-data; name=file; filename*=utf-8''%e2%82%ac.wav\r\n\r\nx"]);
    assert!(coded.is_ok_and(|parts| parts[0].1), "browsers and SDKs name files so");
}

#[test]
fn boundaries_are_read_from_the_content_type() {
    let cases = [
        ("multipart/form-data; boundary=abc", Some("abc")),
        ("Multipart/Form-Data;boundary=\"a b:c\"; charset=utf-8", Some("a b:c")),
        (
            "multipart/form-data; charset=utf-8; boundary=----WebKitFormBoundary7MA4YWxk",
            Some("----WebKitFormBoundary7MA4YWxk"),
        ),
        ("multipart/form-data", None),
        ("multipart/mixed; boundary=abc", None),
        ("multipart/form-data; boundary=", None),
        ("multipart/form-data; boundary=\"\"", None),
        ("multipart/form-data; boundary=\"a \"", None),
        ("multipart/form-data; boundary=a; boundary=a", None),
        ("multipart/form-data; boundary=a; BOUNDARY=b", None),
        ("multipart/form-data; boundary=\"a\\\"b\"", None),
        ("multipart/form-data; boundary=a b", None),
        ("multipart/form-data; boundary=ä", None),
        ("multipart/form-data; boundary=a; boundary*=utf-8''b", None),
        ("multipart/form-data; boundary*0=b; boundary=a", None),
        ("multipart/form-data; boundary*0*=b", None),
        ("multipart/form-data; boundary=a; charset*=utf-8''utf-16", None),
    ];
    for (text, want) in cases {
        assert_eq!(boundary(text).ok(), want, "{text}");
    }
    assert!(boundary(&format!("multipart/form-data; boundary={}", "a".repeat(71))).is_err());
    let anew = content_type("a b:c");
    assert_eq!(anew, "multipart/form-data; boundary=\"a b:c\"");
    assert_eq!(boundary(&anew).ok(), Some("a b:c"), "it reads as it was written");
}

#[test]
fn what_two_parsers_could_read_in_two_ways_is_refused() {
    let part = |head: &str| format!("{head}\r\n\r\nx");
    let heads = [
        ("no header", ""),
        ("no name", "Content-Disposition: form-data"),
        ("an empty name", "Content-Disposition: form-data; name=\"\""),
        ("two names", "Content-Disposition: form-data; name=a; name=b"),
        ("two dispositions", "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b"),
        ("an attachment", "Content-Disposition: attachment; name=a"),
        ("an extended name", "Content-Disposition: form-data; name*=utf-8''a"),
        ("a name in pieces", "Content-Disposition: form-data; name=a; name*0=b"),
        ("a name in coded pieces", "Content-Disposition: form-data; name=a; NAME*0*=utf-8''b"),
        ("a file's name in pieces", "Content-Disposition: form-data; name=a; filename*0=b; filename*1=c"),
        ("a file's name in coded pieces", "Content-Disposition: form-data; name=a; filename*0*=utf-8''b"),
        (
            "a charset in another coding",
            "Content-Disposition: form-data; name=a\r\nContent-Type: text/plain; charset*=''utf-16",
        ),
        ("an escaped quote", "Content-Disposition: form-data; name=a; filename=\"x\\\"; name=\"b\""),
        ("no end of a quote", "Content-Disposition: form-data; name=\"a"),
        ("something behind a quote", "Content-Disposition: form-data; name=\"a\"b"),
        ("a folded line", "Content-Disposition: form-data;\r\n name=a"),
        ("a bare line end", "Content-Disposition: form-data; name=a\nX: y"),
        ("a space before the colon", "Content-Disposition : form-data; name=a"),
        ("no colon", "Content-Disposition: form-data; name=a\r\nnothing"),
        ("base64", "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64"),
        ("a multipart", "Content-Disposition: form-data; name=a\r\nContent-Type: multipart/mixed; boundary=q"),
        ("another charset", "Content-Disposition: form-data; name=a\r\nContent-Type: text/plain; charset=utf-16"),
    ];
    for (name, head) in heads {
        let refused = read(&[MODEL, &part(head)]).expect_err(name);
        assert!(refused.message.starts_with("the form cannot be read: "), "{name}: {refused}");
    }
    let bodies: [(&str, String); 10] = [
        ("nothing", String::new()),
        ("a preamble", format!("hi\r\n--{B}\r\n{MODEL}\r\n--{B}--\r\n")),
        ("an epilogue", format!("--{B}\r\n{MODEL}\r\n--{B}--\r\nhi")),
        ("two ends", format!("--{B}\r\n{MODEL}\r\n--{B}--\r\n--{B}--\r\n")),
        ("another boundary", format!("--{B}\r\n{MODEL}\r\n--other--\r\n")),
        ("no end", format!("--{B}\r\n{MODEL}")),
        ("half an end", format!("--{B}\r\n{MODEL}\r\n--{B}-")),
        ("bare line ends", format!("--{B}\n{MODEL}\n--{B}--\n")),
        ("a longer boundary inside", format!("--{B}\r\n{MODEL}\r\n--{B}more\r\n--{B}--")),
        ("no line end of the value", format!("--{B}\r\nContent-Disposition: form-data; name=a\r\n\r\n--{B}--\r\n")),
    ];
    for (name, body) in bodies {
        assert!(parts(body.as_bytes(), B).is_err(), "{name}");
    }
    let many = vec![MODEL; MAX_PARTS + 1];
    assert!(read(&many).is_err() && read(&many[1..]).is_ok(), "the number of parts is bounded");
    let long = part(&format!("Content-Disposition: form-data; name=a\r\nX: {}", "y".repeat(MAX_HEAD)));
    assert!(read(&[&long]).is_err(), "so are their headers");
}

#[test]
fn a_mistake_names_its_field() {
    let refused =
        read(&[MODEL, "Content-Disposition: form-data; name=file\r\nContent-Transfer-Encoding: base64\r\n\r\nx"]);
    assert_eq!(refused.expect_err("coded").param.as_deref(), Some("file"));
    let unended = format!(
        "--{B}\r\n{MODEL}\r\n--{B}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nRIFF"
    );
    let refused = parts(unended.as_bytes(), B).expect_err("no end");
    assert_eq!(refused.param.as_deref(), Some("file"));
    assert!(refused.message.contains("`file` has no end"), "{refused}");
}

/// A form of parts with these values, and what was put in.
fn made() -> impl Strategy<Value = (Vec<u8>, Vec<Vec<u8>>)> {
    let value = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..60),
        Just(b"\r\n--Xb\r\n--".to_vec()),
        Just(b"\r\n\r\n".to_vec()),
        Just(b"\r".to_vec()),
    ];
    let clear = |value: &Vec<u8>| memchr::memmem::find(value, format!("\r\n--{B}").as_bytes()).is_none();
    proptest::collection::vec(value.prop_filter("no boundary inside", clear), 0..6).prop_map(|values| {
        let mut body = Vec::new();
        for (number, value) in values.iter().enumerate() {
            let head = format!("--{B}\r\nContent-Disposition: form-data; name=\"f{number}\"; filename=x\r\n\r\n");
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(value);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{B}--\r\n").as_bytes());
        (body, values)
    })
}

proptest! {
    /// What is put into a form is found in it, byte for byte.
    #[test]
    fn values_are_found_whole((body, values) in made()) {
        let found = parts(&body, B).expect("a form");
        let found: Vec<_> = found.iter().map(|part| body[part.value.range()].to_vec()).collect();
        prop_assert_eq!(found, values);
    }

    /// Mutated forms never panic, and what is taken for one lies inside of the body, in order and apart.
    #[test]
    fn mutated_forms_never_panic((mut body, _) in made(), edits in proptest::collection::vec((any::<usize>(), any::<u8>(), 0u8..4), 1..6)) {
        for (at, byte, what) in edits {
            let at = if body.is_empty() { 0 } else { at % body.len() };
            match what {
                0 if !body.is_empty() => body[at] = byte,
                1 => body.insert(at, byte),
                2 if !body.is_empty() => drop(body.remove(at)),
                _ => body.truncate(at),
            }
        }
        if let Ok(found) = parts(&body, B) {
            let mut end = 0;
            for part in found {
                prop_assert!(end < part.value.start && part.value.start <= part.value.end && part.value.end <= body.len());
                end = part.value.end;
            }
        }
    }

    /// No content type makes the reader of boundaries panic.
    #[test]
    fn any_content_type_is_read(text in "(multipart/form-data)?[;= \"\\\\a-z]{0,40}") {
        let _ = boundary(&text);
    }
}
