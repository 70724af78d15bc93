//! Whom a request is of.

use super::*;
use crate::config::Network;
use proptest::prelude::*;

fn trusted() -> Networks {
    let parse = |text| Network::parse(text).expect("a network");
    Networks::new(["10.0.0.0/8", "2001:db8:1::/48"].map(parse).to_vec())
}

fn headers(fields: &[(&'static str, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, http::HeaderValue::from_bytes(value).expect("a value"));
    }
    headers
}

fn of(peer: &str, fields: &[(&'static str, &str)]) -> String {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let peer = SocketAddr::new(peer.parse().expect("an address"), 7);
    client(peer, &headers(&fields), &trusted()).ip().to_string()
}

const XFF: &str = "x-forwarded-for";
const FWD: &str = "forwarded";

#[test]
fn the_client_is_the_rightmost_address_that_is_no_trusted_proxy() {
    type Case<'a> = (&'a str, &'a str, &'a [(&'static str, &'a str)], &'a str);
    let cases: [Case<'_>; 25] = [
        ("nothing said", "10.0.0.1", &[], "10.0.0.1"),
        ("one proxy", "10.0.0.1", &[(XFF, "192.0.2.1")], "192.0.2.1"),
        ("nobody trusts the peer", "203.0.113.5", &[(XFF, "192.0.2.1")], "203.0.113.5"),
        ("nobody trusts the peer's Forwarded", "203.0.113.5", &[(FWD, "for=192.0.2.1")], "203.0.113.5"),
        ("two proxies in a row", "10.0.0.1", &[(XFF, "192.0.2.1, 10.0.0.2")], "192.0.2.1"),
        ("what the client itself said", "10.0.0.1", &[(XFF, "8.8.8.8, 192.0.2.1")], "192.0.2.1"),
        ("it said that it is a proxy", "10.0.0.1", &[(XFF, "10.0.0.9, 192.0.2.1, 10.0.0.2")], "192.0.2.1"),
        ("garbage to the left", "10.0.0.1", &[(XFF, "x, \u{1f}, 192.0.2.1")], "192.0.2.1"),
        ("several fields", "10.0.0.1", &[(XFF, "8.8.8.8"), (XFF, "192.0.2.1"), (XFF, "10.0.0.2")], "192.0.2.1"),
        ("all are proxies", "10.0.0.1", &[(XFF, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
        ("unknown at the end", "10.0.0.1", &[(XFF, "192.0.2.1, unknown")], "10.0.0.1"),
        ("empty elements", "10.0.0.1", &[(XFF, " , 192.0.2.1 , ,")], "192.0.2.1"),
        ("a port", "10.0.0.1", &[(XFF, "192.0.2.1:4711")], "192.0.2.1"),
        ("IPv6 with a port", "10.0.0.1", &[(XFF, "[2001:db8::9]:4711")], "2001:db8::9"),
        ("IPv6 in brackets", "2001:db8:1::1", &[(XFF, "[2001:db8::9]")], "2001:db8::9"),
        ("a mapped peer", "::ffff:10.0.0.1", &[(XFF, "2001:db8::9")], "2001:db8::9"),
        ("a mapped client", "10.0.0.1", &[(XFF, "::ffff:192.0.2.1")], "192.0.2.1"),
        ("a mapped proxy in the chain", "10.0.0.1", &[(XFF, "192.0.2.1, ::ffff:10.1.1.1")], "192.0.2.1"),
        ("Forwarded", "10.0.0.1", &[(FWD, "for=192.0.2.1;proto=https;by=10.0.0.1")], "192.0.2.1"),
        (
            "Forwarded twice",
            "10.0.0.1",
            &[(FWD, "for=8.8.8.8, For=\"[2001:db8::9]:1\";by=x, for=10.9.9.9")],
            "2001:db8::9",
        ),
        ("Forwarded of somebody hidden", "10.0.0.1", &[(FWD, "for=192.0.2.1, for=_x")], "10.0.0.1"),
        ("a quote that swallows", "10.0.0.1", &[(FWD, "for=\"8.8.8.8, for=192.0.2.1")], "10.0.0.1"),
        ("two of one element", "10.0.0.1", &[(FWD, "for=8.8.8.8;for=192.0.2.1")], "10.0.0.1"),
        ("both, and they agree", "10.0.0.1", &[(XFF, "192.0.2.1"), (FWD, "for=\"192.0.2.1:99\"")], "192.0.2.1"),
        ("both, and they do not", "10.0.0.1", &[(XFF, "192.0.2.1"), (FWD, "for=8.8.8.8")], "10.0.0.1"),
    ];
    for (name, peer, fields, want) in cases {
        // A control byte cannot stand in a header; the table's `\u{1f}` stands for any garbage.
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.replace('\u{1f}', "\u{e9}"))).collect();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(of(peer, &fields), want, "{name}");
    }
}

#[test]
fn nobody_vouches_for_the_proxys_address_where_it_told_of_somebody_else() {
    type Case<'a> = (&'a str, &'a str, &'a [(&'static str, &'a str)], Option<&'a str>);
    let cases: [Case<'_>; 8] = [
        ("the proxy itself", "10.0.0.1", &[], Some("10.0.0.1")),
        ("its client", "10.0.0.1", &[(XFF, "192.0.2.1")], Some("192.0.2.1")),
        ("another proxy", "10.0.0.1", &[(XFF, "10.0.0.2")], Some("10.0.0.2")),
        ("a client's Forwarded that was passed on", "10.0.0.1", &[(XFF, "192.0.2.1"), (FWD, "for=unknown")], None),
        ("the same with an address", "10.0.0.1", &[(XFF, "192.0.2.1"), (FWD, "for=10.0.0.1")], None),
        ("unknown at the end", "10.0.0.1", &[(XFF, "unknown")], None),
        ("both unknown", "10.0.0.1", &[(XFF, "unknown"), (FWD, "for=_x")], None),
        ("what nobody believes", "203.0.113.5", &[(XFF, "unknown"), (FWD, "for=x")], Some("203.0.113.5")),
    ];
    for (name, peer, fields, want) in cases {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let (peer, headers) = (SocketAddr::new(peer.parse().expect("an address"), 7), headers(&fields));
        let found = client(peer, &headers, &trusted()).ip();
        assert_eq!(vouched(found, &headers, &trusted()).map(|one| one.to_string()).as_deref(), want, "{name}");
    }
}

proptest! {
    /// Whatever a client sends, what its proxy appends decides.
    #[test]
    fn a_client_cannot_say_who_it_is(sent in proptest::collection::vec(any::<u8>(), 0..60), own_field in any::<bool>()) {
        let Ok(value) = http::HeaderValue::from_bytes(&sent) else { return Ok(()) };
        let mut headers = HeaderMap::new();
        if own_field {
            headers.append(XFF, value);
            headers.append(XFF, http::HeaderValue::from_static("192.0.2.1"));
        } else {
            let both = [value.as_bytes(), b", 192.0.2.1"].concat();
            headers.append(XFF, http::HeaderValue::from_bytes(&both).expect("a value"));
        }
        let peer = "10.0.0.1:7".parse().expect("an address");
        prop_assert_eq!(client(peer, &headers, &trusted()).ip().to_string(), "192.0.2.1");
    }

    /// `Forwarded` of a client never makes it anybody but what its proxy says, or nobody whom a key lets in.
    #[test]
    fn nor_by_forwarded(sent in "[for=\"\\\\;,:\\[\\]0-9a-f. _-]{0,60}") {
        let value = format!("{sent},for=192.0.2.1");
        let Ok(value) = http::HeaderValue::from_bytes(value.as_bytes()) else { return Ok(()) };
        let headers = HeaderMap::from_iter([(FORWARDED, value)]);
        let peer = "10.0.0.1:7".parse().expect("an address");
        let found = client(peer, &headers, &trusted()).ip();
        let vouched = vouched(found, &headers, &trusted());
        prop_assert!(vouched.is_none_or(|vouched| vouched.to_string() == "192.0.2.1"), "{:?}", vouched);
        prop_assert!(vouched.is_some() || found.to_string() == "10.0.0.1", "{}", found);
    }

    /// What a client sends in the field that its proxy does not write never gives it the proxy's place.
    #[test]
    fn nor_by_a_field_that_its_proxy_passes_on(sent in "[for=\"\\\\;,:\\[\\]0-9a-z. _-]{0,60}") {
        let Ok(value) = http::HeaderValue::from_bytes(sent.as_bytes()) else { return Ok(()) };
        let mut headers = HeaderMap::from_iter([(FORWARDED, value)]);
        headers.append(XFF, http::HeaderValue::from_static("192.0.2.1"));
        let found = client("10.0.0.1:7".parse().expect("an address"), &headers, &trusted()).ip();
        let vouched = vouched(found, &headers, &trusted());
        prop_assert!(vouched.is_none_or(|vouched| vouched.to_string() == "192.0.2.1"), "{:?}", vouched);
    }
}
