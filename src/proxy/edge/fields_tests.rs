//! Rows: version, method, fields, and where the body ends or what is wrong.

use super::*;

type Row = (Speaks, &'static str, &'static [(&'static str, &'static str)], Result<Length, Framing>);

#[test]
fn each_rule_has_its_row() {
    use Speaks::{Http2, Http10, Http11};
    let none = Ok(Length::Bytes(0));
    let rows: &[Row] = &[
        (Http11, "GET", &[("Host", "a")], none),
        (Http11, "POST", &[("host", "a"), ("Content-Length", "12")], Ok(Length::Bytes(12))),
        (Http11, "POST", &[("host", "a"), ("transfer-encoding", "Chunked")], Ok(Length::Open)),
        (Http10, "GET", &[], none),
        (Http10, "GET", &[("expect", "x")], none),
        (Http2, "POST", &[("host", "a")], Ok(Length::Open)),
        (Http2, "GET", &[("host", "a"), ("te", "trailers")], Ok(Length::Open)),
        (Http11, "GET", &[("host", "a"), ("content-length", "0")], none),
        (Http11, "GET", &[("host", "a"), ("content-length", "1")], Err(Framing::BodyOfGet)),
        (Http11, "HEAD", &[("host", "a"), ("transfer-encoding", "chunked")], Err(Framing::BodyOfGet)),
        (Http2, "GET", &[("host", "a"), ("content-length", "3")], Err(Framing::BodyOfGet)),
        (Http11, "FOO", &[("host", "a")], Err(Framing::Method)),
        (Http11, "get", &[("host", "a")], Err(Framing::Method)),
        (Http11, "CONNECT", &[("host", "a")], Err(Framing::Method)),
        (Http11, "TRACE", &[("host", "a")], Err(Framing::Method)),
        (Http11, "GET", &[], Err(Framing::NoHost)),
        (Http2, "GET", &[], Err(Framing::NoHost)),
        (Http11, "GET", &[("host", "a"), ("host", "a")], Err(Framing::NoHost)),
        (Http10, "GET", &[("host", "a"), ("host", "a")], Err(Framing::NoHost)),
        (
            Http11,
            "POST",
            &[("host", "a"), ("content-length", "1"), ("transfer-encoding", "chunked")],
            Err(Framing::LengthAndEncoding),
        ),
        (Http11, "POST", &[("host", "a"), ("content-length", "1"), ("content-length", "1")], Err(Framing::ManyLengths)),
        (Http11, "POST", &[("host", "a"), ("content-length", "1, 1")], Err(Framing::BadLength)),
        (Http11, "POST", &[("host", "a"), ("content-length", "+1")], Err(Framing::BadLength)),
        (Http11, "POST", &[("host", "a"), ("content-length", "0x1")], Err(Framing::BadLength)),
        (Http11, "POST", &[("host", "a"), ("content-length", "")], Err(Framing::BadLength)),
        (Http11, "POST", &[("host", "a"), ("content-length", "18446744073709551616")], Err(Framing::BadLength)),
        (Http11, "POST", &[("host", "a"), ("content-length", "000000000000000000001")], Err(Framing::BadLength)),
        (Http11, "POST", &[("host", "a"), ("transfer-encoding", "gzip, chunked")], Err(Framing::OddEncoding)),
        (Http11, "POST", &[("host", "a"), ("transfer-encoding", "identity")], Err(Framing::OddEncoding)),
        (
            Http11,
            "POST",
            &[("host", "a"), ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
            Err(Framing::OddEncoding),
        ),
        (Http10, "POST", &[("transfer-encoding", "chunked")], Err(Framing::OddEncoding)),
        (Http2, "POST", &[("host", "a"), ("transfer-encoding", "chunked")], Err(Framing::OfConnections)),
        (Http2, "GET", &[("host", "a"), ("connection", "close")], Err(Framing::OfConnections)),
        (Http2, "GET", &[("host", "a"), ("te", "gzip")], Err(Framing::OfConnections)),
        (Http11, "GET", &[("host", "a"), ("connection", "keep-alive, Upgrade")], none),
        (Http11, "GET", &[("host", "a"), ("connection", "close, Authorization")], Err(Framing::Connection)),
        (Http11, "GET", &[("host", "a"), ("connection", "X-Api-Key")], Err(Framing::Connection)),
        (Http11, "GET", &[("host", "a"), ("connection", "x-weighbridge-user")], Err(Framing::Connection)),
        (Http11, "GET", &[("host", "a"), ("connection", "host")], Err(Framing::Connection)),
        (Http11, "POST", &[("host", "a"), ("expect", "100-Continue")], none),
        (Http11, "POST", &[("host", "a"), ("expect", "200-ok")], Err(Framing::Expectation)),
    ];
    for (speaks, method, fields, want) in rows {
        let lines = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        assert_eq!(check(*speaks, method.as_bytes(), None, lines), *want, "{speaks:?} {method} {fields:?}");
    }
}

#[test]
fn hosts_are_names_or_addresses_and_agree() {
    for host in ["a", "a.example:8080", "127.0.0.1", "[::1]", "[::1]:443", "my_host", "a."] {
        assert!(is_host(host.as_bytes()), "{host}");
    }
    for host in [
        "", ":80", "a:", "a:b", "a:99999", "a:1:2", "user@a", "a b", "a/b", "[::1", "[]", "[::1]x", "[::1]:", "a,b",
        "\u{e4}", "a?b", "a:123456", "[g]",
    ] {
        assert!(!is_host(host.as_bytes()), "{host}");
    }
    let fields = [(&b"host"[..], &b"a"[..])];
    let of = |authority: &'static [u8]| check(Speaks::Http2, b"GET", Some(authority), fields.into_iter());
    assert_eq!(of(b"A"), Ok(Length::Open));
    assert_eq!(of(b"b"), Err(Framing::BadHost));
    assert_eq!(of(b"u@a"), Err(Framing::BadHost));
}
