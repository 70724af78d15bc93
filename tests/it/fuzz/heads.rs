//! Heads of HTTP/1, against a second reader that was written for the test and knows nothing of the first.

use super::{config, corpus::seeds, mutate::mutants};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use weighbridge::proxy::edge::{
    chunks::Chunks,
    fields::Length,
    head::{HeadLimits, HeadReader, Whole},
};

const LIMITS: HeadLimits = HeadLimits { bytes: 4_096, fields: 40 };

/// Reads a head as the RFCs have it, with everything that is optional left out. `None`: it is not plain.
fn reference(bytes: &[u8]) -> Option<Whole> {
    let begin = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let end = begin + bytes[begin..].windows(4).position(|four| four == b"\r\n\r\n")?;
    let head: String = bytes[begin..end].iter().map(|byte| char::from(*byte)).collect();
    let mut lines = head.split("\r\n");
    let words: Vec<&str> = lines.next()?.split(' ').collect();
    let [method, target, version] = words.as_slice() else { return None };
    if head.replace("\r\n", "").chars().any(|one| one != '\t' && (one < ' ' || one == '\u{7f}')) {
        return None;
    }
    if !["HTTP/1.0", "HTTP/1.1"].contains(version) || !target.starts_with('/') || target.starts_with("//") {
        return None;
    }
    let odd = |one: char| !one.is_ascii_graphic() || one == '\\' || one == '#';
    let path = target.split('?').next()?;
    let lower = path.to_ascii_lowercase();
    let dots = lower.replace("%2f", "/").split('/').any(|part| part == "." || part == "..");
    if target.chars().any(odd) || path.contains(';') || path.contains("//") || dots {
        return None;
    }
    if ["%00", "%2e", "%5c", "%25", "%0"].iter().any(|hidden| lower.contains(hidden)) {
        return None;
    }
    let (mut hosts, mut lengths, mut codings) = (Vec::new(), Vec::new(), Vec::new());
    for line in lines {
        let (name, value) = line.split_once(':')?;
        if name.is_empty() || name.chars().any(|one| !one.is_ascii_graphic() || "\"(),/;<=>?@[]{}\\".contains(one)) {
            return None;
        }
        let value = value.trim_matches([' ', '\t']);
        match name.to_ascii_lowercase().as_str() {
            "host" => hosts.push(value),
            "content-length" => lengths.push(value),
            "transfer-encoding" => codings.push(value.to_ascii_lowercase()),
            _ => {}
        }
    }
    match hosts.as_slice() {
        [] if *version == "HTTP/1.0" => {}
        [host] if !host.is_empty() && !host.contains(['@', '/', ' ', ',', '?', '#']) => {}
        _ => return None,
    }
    let body = match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Length::Bytes(0),
        ([digits], []) if digits.chars().all(|one| one.is_ascii_digit()) => Length::Bytes(digits.parse().ok()?),
        ([], [coding]) if coding == "chunked" && *version == "HTTP/1.1" => Length::Open,
        _ => return None,
    };
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(method);
    known.then_some(Whole { bytes: end + 4, body })
}

/// What passes is read by both in the same way.
#[test]
fn a_head_that_passes_is_plain_to_a_second_reader() {
    let heads = seeds(&["corpora/heads/"], &[".http"]);
    for head in &heads {
        assert_eq!(
            HeadReader::default().read(head, LIMITS).ok().flatten(),
            reference(head),
            "{:?}",
            head.escape_ascii().to_string()
        );
    }
    let mut runner = TestRunner::new(config(3_000));
    let run = runner.run(&mutants(heads), |bytes| {
        if let Ok(Some(whole)) = HeadReader::default().read(&bytes, LIMITS) {
            prop_assert_eq!(Some(whole), reference(&bytes), "{:?}", bytes.escape_ascii().to_string());
        }
        Ok(())
    });
    run.unwrap_or_else(|why| panic!("{why}"));
}

/// A chunked body that passes has one length, which a second reader finds too.
#[test]
fn a_chunked_body_that_passes_is_plain_to_a_second_reader() {
    let bodies = seeds(&["corpora/heads/"], &[".chunks"]);
    let mut runner = TestRunner::new(config(3_000));
    let run = runner.run(&mutants(bodies), |bytes| {
        let mut chunks = Chunks::default();
        if let (Ok(used), true) = (chunks.push(&bytes), chunks.is_done()) {
            prop_assert_eq!(Some(used), second(&bytes), "{:?}", bytes.escape_ascii().to_string());
        }
        Ok(())
    });
    run.unwrap_or_else(|why| panic!("{why}"));
}

fn second(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let end = at + bytes.get(at..)?.windows(2).position(|two| two == b"\r\n")?;
        let digits = std::str::from_utf8(&bytes[at..end]).ok()?;
        if digits.is_empty() || !digits.chars().all(|one| one.is_ascii_hexdigit()) {
            return None;
        }
        let size = usize::from_str_radix(digits, 16).ok()?;
        let behind = end + 2 + size;
        if bytes.get(behind..behind + 2)? != b"\r\n" {
            return None;
        }
        at = behind + 2;
        if size == 0 {
            return Some(at);
        }
    }
}
