//! PROXY headers, right and wrong, in any pieces.

use super::*;
use proptest::prelude::*;

/// Reads `bytes` by as many as the reader wants at a time, at most `cut`; tells what is left of them.
fn read_all(bytes: &[u8], cut: usize) -> Result<Option<(Preamble, &[u8])>, NoPreamble> {
    let (mut reader, mut rest) = (PreambleReader::default(), bytes);
    while !rest.is_empty() {
        let most = reader.wants().min(cut).min(rest.len());
        assert!(most > 0, "it wants something until it is whole");
        let (piece, behind) = rest.split_at(most);
        rest = behind;
        if let Some(preamble) = reader.push(piece)? {
            return Ok(Some((preamble, rest)));
        }
    }
    Ok(None)
}

fn client(text: &str) -> Preamble {
    Preamble::Client(text.parse().expect("an address"))
}

/// A header of version 2.
fn v2(version_and_command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).expect("short").to_be_bytes();
    [SIGNATURE, &[version_and_command, family][..], &length, block].concat()
}

const FOUR: [u8; 12] = [192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x34, 0, 80];

fn six(source: &str) -> Vec<u8> {
    let source: Ipv6Addr = source.parse().expect("an address");
    [&source.octets()[..], &[0; 16], &[0x12, 0x34, 0, 80]].concat()
}

fn good() -> Vec<(&'static str, Vec<u8>, Preamble)> {
    let line = |text: &str| text.as_bytes().to_vec();
    let worst =
        "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
    assert_eq!(worst.len(), LONGEST_LINE);
    vec![
        ("v1 IPv4", line("PROXY TCP4 192.0.2.1 10.0.0.1 4660 80\r\n"), client("192.0.2.1:4660")),
        ("v1 IPv6", line("PROXY TCP6 2001:DB8::1 ::1 4660 80\r\n"), client("[2001:db8::1]:4660")),
        ("v1 mapped", line("PROXY TCP6 ::ffff:192.0.2.1 ::1 4660 80\r\n"), client("192.0.2.1:4660")),
        ("v1 port 0", line("PROXY TCP4 192.0.2.1 10.0.0.1 0 80\r\n"), client("192.0.2.1:0")),
        ("v1 unknown", line("PROXY UNKNOWN\r\n"), Preamble::Silent),
        ("v1 unknown, with something", line("PROXY UNKNOWN x y\r\n"), Preamble::Silent),
        ("v1 worst", line(worst), Preamble::Silent),
        ("v2 IPv4", v2(0x21, 0x11, &FOUR), client("192.0.2.1:4660")),
        ("v2 IPv6", v2(0x21, 0x21, &six("2001:db8::1")), client("[2001:db8::1]:4660")),
        ("v2 mapped", v2(0x21, 0x21, &six("::ffff:192.0.2.1")), client("192.0.2.1:4660")),
        ("v2 with TLVs", v2(0x21, 0x11, &[&FOUR[..], &[4; 900]].concat()), client("192.0.2.1:4660")),
        (
            "v2 as long as may be",
            v2(0x21, 0x11, &[&FOUR[..], &[4; LONGEST - FIXED - 12]].concat()),
            client("192.0.2.1:4660"),
        ),
        ("v2 local", v2(0x20, 0x00, &[]), Preamble::Silent),
        ("v2 local with a block", v2(0x20, 0xff, &FOUR), Preamble::Silent),
        ("v2 unspecified", v2(0x21, 0x00, &[1, 2, 3]), Preamble::Silent),
        ("v2 UDP", v2(0x21, 0x12, &FOUR), Preamble::Silent),
        ("v2 Unix", v2(0x21, 0x31, &[0; 216]), Preamble::Silent),
    ]
}

#[test]
fn what_is_right_is_read_in_any_pieces_and_nothing_behind_it() {
    for (name, header, want) in good() {
        for cut in [1, 2, 7, 10_000] {
            let sent = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(read_all(&sent, cut), Ok(Some((want, &b"GET / HTTP/1.1\r\n"[..]))), "{name}, by {cut}");
        }
    }
}

#[test]
fn what_is_wrong_is_seen_as_soon_as_it_comes() {
    let line = |text: &str| text.as_bytes().to_vec();
    let cases = [
        ("HTTP", line("GET / HTTP/1.1\r\n")),
        ("HTTP/2", line("PRI * HTTP/2.0\r\n")),
        ("TLS", vec![0x16, 3, 1, 2, 0, 1, 0, 1]),
        ("another method", line("POST / HTTP/1.1\r\n")),
        ("another case", line("proxy TCP4 192.0.2.1 10.0.0.1 1 80\r\n")),
        ("a tab", line("PROXY\tTCP4 192.0.2.1 10.0.0.1 1 80\r\n")),
        ("two spaces", line("PROXY  TCP4 192.0.2.1 10.0.0.1 1 80\r\n")),
        ("a space behind", line("PROXY TCP4 192.0.2.1 10.0.0.1 1 80 \r\n")),
        ("no ports", line("PROXY TCP4 192.0.2.1 10.0.0.1\r\n")),
        ("a large port", line("PROXY TCP4 192.0.2.1 10.0.0.1 65536 80\r\n")),
        ("a signed port", line("PROXY TCP4 192.0.2.1 10.0.0.1 +1 80\r\n")),
        ("zeros before a port", line("PROXY TCP4 192.0.2.1 10.0.0.1 01 80\r\n")),
        ("no destination port", line("PROXY TCP4 192.0.2.1 10.0.0.1 1 x\r\n")),
        ("zeros before a number", line("PROXY TCP4 192.0.2.01 10.0.0.1 1 80\r\n")),
        ("IPv6 that says IPv4", line("PROXY TCP4 2001:db8::1 ::1 1 80\r\n")),
        ("IPv4 that says IPv6", line("PROXY TCP6 192.0.2.1 10.0.0.1 1 80\r\n")),
        ("a zone", line("PROXY TCP6 fe80::1%1 ::1 1 80\r\n")),
        ("another protocol", line("PROXY UDP4 192.0.2.1 10.0.0.1 1 80\r\n")),
        ("unknown and more of the word", line("PROXY UNKNOWNX\r\n")),
        ("a line feed alone", line("PROXY TCP4 192.0.2.1 10.0.0.1 1 80\n")),
        ("a carriage return alone", line("PROXY TCP4 192.0.2.1 10.0.0.1 1 80\rX")),
        ("a line that does not end", [&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat()),
        ("version 1 in binary", v2(0x11, 0x11, &FOUR)),
        ("version 3", v2(0x31, 0x11, &FOUR)),
        ("another command", v2(0x22, 0x11, &FOUR)),
        ("another family", v2(0x21, 0x41, &FOUR)),
        ("another transport", v2(0x21, 0x13, &FOUR)),
        ("a block cut short", v2(0x21, 0x11, &FOUR[..11])),
        ("a block of IPv6 cut short", v2(0x21, 0x21, &FOUR)),
        ("too many TLVs", v2(0x21, 0x11, &[0; LONGEST - FIXED + 1])),
        ("a signature with a mistake", line("\r\n\r\n\0\r\nQUIT\r")),
    ];
    for (name, sent) in cases {
        for cut in [1, 10_000] {
            assert!(read_all(&sent, cut).is_err(), "{name}, by {cut}: {:?}", read_all(&sent, cut));
        }
    }
}

#[tokio::test]
async fn a_connection_that_ends_in_its_header_said_nothing() {
    for (name, header, _) in good() {
        let cut = &header[..header.len() - 1];
        let error = read(&mut &cut[..]).await.expect_err(name);
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{name}");
    }
}

proptest! {
    /// Where the network cuts must not change what is read, and not a byte behind the header is taken.
    #[test]
    fn cuts_do_not_matter(which in 0..17usize, cut in 1..40usize, behind in proptest::collection::vec(any::<u8>(), 1..50)) {
        let (_, header, want) = good().swap_remove(which);
        let sent = [&header[..], &behind].concat();
        prop_assert_eq!(read_all(&sent, cut), Ok(Some((want, &behind[..]))));
    }

    /// Whatever comes, it is a header, or none, or not whole yet; and it is bounded.
    #[test]
    fn no_bytes_break_the_reader(begin in 0..4usize, mut bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 1..300usize) {
        let begins: [&[u8]; 4] = [b"", b"PROXY TCP4 ", b"\r\n\r\n\0\r\nQUIT\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11"];
        bytes.splice(0..0, begins[begin].iter().copied());
        bytes.resize(bytes.len() + 5_000, b' ');
        if let Ok(None) = read_all(&bytes, cut) {
            prop_assert!(false, "5000 bytes are more than any header");
        }
    }
}
