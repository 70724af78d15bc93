//! Heads byte by byte: what is plain passes however it is cut, what is not is refused by name.

use super::*;
use proptest::prelude::*;

const LIMITS: HeadLimits = HeadLimits { bytes: 1_024, fields: 8 };

fn read(bytes: &[u8]) -> Result<Option<Whole>, Framing> {
    HeadReader::default().read(bytes, LIMITS)
}

#[test]
fn plain_heads_pass_and_what_follows_is_left() {
    let get = b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\nGET /";
    assert_eq!(read(get), Ok(Some(Whole { bytes: get.len() - 5, body: Length::Bytes(0) })));
    let post =
        b"\r\nPOST /v1/messages HTTP/1.1\r\nhost:a\r\nx:\r\ny: \t b c\t \r\nz: \xc3\xa4\r\ncontent-length: 2\r\n\r\n{}";
    assert_eq!(read(post), Ok(Some(Whole { bytes: post.len() - 2, body: Length::Bytes(2) })));
    assert_eq!(read(b"GET / HTTP/1.0\r\n\r\n"), Ok(Some(Whole { bytes: 18, body: Length::Bytes(0) })));
    assert_eq!(read(b"GET / HTTP/1.1\r\nhost: a\r\n"), Ok(None));
}

#[test]
fn each_mistake_is_told_as_soon_as_it_is_seen() {
    let line = "GET / HTTP/1.1\r\nhost: a\r\n";
    let long = format!("{line}x: {}", "y".repeat(1_100));
    let many = format!("{line}{}", "x: y\r\n".repeat(8));
    let rows: &[(&str, Framing)] = &[
        ("\x16\x03\x01", Framing::Control),
        ("\0", Framing::Control),
        ("GET / HTTP/1.1\n", Framing::BareLineFeed),
        ("\n", Framing::BareLineFeed),
        ("GET / HTTP/1.1\rx", Framing::BareReturn),
        ("GET / HTTP/1.1\r\r", Framing::BareReturn),
        ("\r\n\r\n", Framing::RequestLine),
        ("GET\r\n", Framing::RequestLine),
        ("GET /\r\n", Framing::RequestLine),
        ("GET  / HTTP/1.1\r\n", Framing::RequestLine),
        ("GET / HTTP/1.1 \r\n", Framing::RequestLine),
        (" GET / HTTP/1.1\r\n", Framing::RequestLine),
        ("GET /a b HTTP/1.1\r\n", Framing::RequestLine),
        ("GET\t/ HTTP/1.1\r\n", Framing::RequestLine),
        ("G{T / HTTP/1.1\r\n", Framing::RequestLine),
        ("GET / http/1.1\r\n", Framing::RequestLine),
        ("GET / HTTP/1.2\r\n", Framing::Version),
        ("GET / HTTP/0.9\r\n", Framing::Version),
        ("PRI * HTTP/2.0\r\n", Framing::Version),
        ("GET / HTTP/1.1\r\n host: a\r\n", Framing::Folded),
        ("GET / HTTP/1.1\r\nhost: a\r\n\tb: c\r\n", Framing::Folded),
        ("GET / HTTP/1.1\r\nhost : a\r\n", Framing::Name),
        ("GET / HTTP/1.1\r\nho st: a\r\n", Framing::Name),
        ("GET / HTTP/1.1\r\n: a\r\n", Framing::Name),
        ("GET / HTTP/1.1\r\nhost\r\n", Framing::Name),
        ("GET / HTTP/1.1\r\nh\u{e4}: a\r\n", Framing::Name),
        ("GET / HTTP/1.1\r\nhost: a\x0b\r\n", Framing::Control),
        ("GET / HTTP/1.1\r\nhost: a\x7f\r\n", Framing::Control),
        ("GET /\x01 HTTP/1.1\r\n", Framing::Control),
        ("GET * HTTP/1.1\r\nhost: a\r\n\r\n", Framing::TargetForm),
        ("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", Framing::TargetForm),
        ("CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n", Framing::Method),
        ("GET http://a/ HTTP/1.1\r\nhost: a\r\n\r\n", Framing::TargetForm),
        ("GET / HTTP/1.1\r\n\r\n", Framing::NoHost),
        (&long, Framing::HeadTooLarge),
        (&many, Framing::TooManyFields),
    ];
    for (bytes, want) in rows {
        assert_eq!(read(bytes.as_bytes()), Err(*want), "{bytes:?}");
    }
}

#[test]
fn a_target_is_guessed_for_the_dialect() {
    assert_eq!(guessed_target(b"\r\nPOST /v1/messages HTTP/9\r\n"), "/v1/messages");
    assert_eq!(guessed_target(b"POST"), "");
    assert_eq!(guessed_target(b"\xff \xff \xff"), "");
}

proptest! {
    /// Where the network cuts a head must not change what is read of it.
    #[test]
    fn cuts_do_not_matter(
        lines in proptest::collection::vec("[a-zA-Z :\r\n\t/;%.0-9]{0,24}", 0..6),
        cut in 1usize..9,
    ) {
        let bytes = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n\r\n", lines.join("\r\n")).into_bytes();
        let mut reader = HeadReader::default();
        let mut got = Ok(None);
        for end in (0..=bytes.len()).step_by(cut).chain([bytes.len()]) {
            got = reader.read(&bytes[..end], LIMITS);
            if got != Ok(None) {
                break;
            }
        }
        prop_assert_eq!(got, read(&bytes));
    }
}
