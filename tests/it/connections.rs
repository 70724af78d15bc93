//! Connections: whose they are behind proxies, how many there may be, and how long each may be silent.

use crate::support::call::{Call, Transport, encrypt};
use crate::support::config::{KEY, Setup};
use crate::support::gateway::Gateway;
use crate::support::h1::H1;
use crate::support::{eventually, sample, upstream::Upstream, within};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const CHAT: &str = "/v1/chat/completions";

/// A connection from this address: all of 127.0.0.0/8 is this machine.
async fn connect_from(last: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0))).expect("an address of this machine");
    socket.connect(to).await.expect("the gateway listens")
}

fn models(label: &str) -> Call {
    Call::get("/v1/models").key(KEY).field("x-request-id", label)
}

/// Whom the access record of the request `label` names.
async fn client_of(gateway: &Gateway, label: &str) -> String {
    let client = || async {
        let records = gateway.access_records();
        let record = records.iter().find(|record| record["request_id"] == label)?;
        Some(record["client"].as_str().expect("a client").to_owned())
    };
    eventually("its record", client).await
}

/// Waits until the gateway closes `socket`, and asserts that it said nothing.
async fn is_closed(name: &str, mut socket: TcpStream) {
    let mut said = Vec::new();
    // A reset is a close as well: what was sent lay there unread.
    within("the gateway closes the connection", socket.read_to_end(&mut said)).await.ok();
    assert!(said.is_empty(), "{name}: {:?}", String::from_utf8_lossy(&said));
}

async fn refused(gateway: &Gateway, reason: &str) -> f64 {
    gateway.metric(&format!("weighbridge_proxy_connections_refused_total{{reason=\"{reason}\"}}")).await
}

/// Waits until so many were refused for this reason: they are counted behind their closing.
async fn are_refused(gateway: &Gateway, reason: &str, want: f64) {
    let counted = || async { (refused(gateway, reason).await == want).then_some(()) };
    eventually(&format!("{want} refused: {reason}"), counted).await;
}

async fn all_given_back(gateway: &Gateway) {
    let closed = || async { (gateway.metric("weighbridge_proxy_connections_open").await == 0.0).then_some(()) };
    eventually("all connections are given back", closed).await;
}

#[tokio::test]
async fn x_forwarded_for_is_believed_of_trusted_proxies_only() {
    let gateway = Setup::new().server("trusted_proxies", "[127.0.0.1, 10.0.0.0/8]").with_tls().start().await;
    let tls = gateway.tls_address.expect("with TLS");
    let chain = "8.8.8.8, 10.0.0.7, 192.0.2.1, 10.0.0.2"; // the first two are what the client wrote itself
    let transports = [
        ("h1", Transport::H1, gateway.address),
        ("h2c", Transport::H2c, gateway.address),
        ("tls-h1", Transport::TlsH1, tls),
        ("tls-h2", Transport::TlsH2, tls),
    ];
    for (label, transport, address) in transports {
        let call = models(label).field("x-forwarded-for", chain).over(transport);
        assert_eq!(call.send(address).await.status, 200);
        assert_eq!(client_of(&gateway, label).await, "192.0.2.1", "{label}");
    }
    let stranger = connect_from(2, gateway.address).await;
    let own = stranger.local_addr().expect("connected").to_string();
    let call = models("spoofed").field("x-forwarded-for", "10.0.0.1").field("forwarded", "for=10.0.0.1");
    assert_eq!(call.on(stranger).await.whole().await.status, 200);
    assert_eq!(client_of(&gateway, "spoofed").await, own);
    let both = models("both").field("x-forwarded-for", "192.0.2.1").field("forwarded", "for=192.0.2.9");
    assert_eq!(both.send(gateway.address).await.status, 200);
    assert!(client_of(&gateway, "both").await.starts_with("127.0.0.1:"), "they contradict each other");
}

#[tokio::test]
async fn what_addresses_do_is_counted_for_the_client_behind_the_proxy() {
    let setup = Setup::new().server("trusted_proxies", "[127.0.0.1]").server("per_address", "{ auth_failures: 3 }");
    let gateway = setup.start().await;
    let wrong = |from: &str| Call::get("/v1/models").key("wrong").field("x-forwarded-for", from);
    for _ in 0..3 {
        assert_eq!(wrong("192.0.2.1").send(gateway.address).await.status, 401);
    }
    assert_eq!(wrong("192.0.2.1").send(gateway.address).await.status, 429);
    assert_eq!(wrong("7.7.7.7, 192.0.2.1").send(gateway.address).await.status, 429, "another name does not help");
    assert_eq!(wrong("192.0.2.2").send(gateway.address).await.status, 401, "nobody else is meant");
}

#[tokio::test]
async fn a_key_with_allowed_addresses_is_used_from_there_only() {
    const OFFICE: &str = "wb-test-key-of-the-office-0123456789";
    let setup = Setup::new().key("office", "search", OFFICE, "allowed_ips: [127.0.0.2, 192.0.2.0/24]");
    let gateway = setup.server("trusted_proxies", "[127.0.0.1]").start().await;
    let call = Call::get("/v1/models").key(OFFICE);
    let from = |last: u8| connect_from(last, gateway.address);
    assert_eq!(call.on(from(2).await).await.whole().await.status, 200);
    let answer = call.on(from(3).await).await.whole().await;
    assert_eq!(answer.openai_error(403), "address_not_allowed");
    assert!(answer.text().contains("key `office` may not be used from `127.0.0.3`"), "{}", answer.text());
    let spoofed = call.clone().field("x-forwarded-for", "192.0.2.7");
    assert_eq!(spoofed.on(from(3).await).await.whole().await.openai_error(403), "address_not_allowed");
    assert_eq!(spoofed.on(from(1).await).await.whole().await.status, 200, "a proxy that is trusted says it");
    assert_eq!(call.on(from(1).await).await.whole().await.openai_error(403), "address_not_allowed");
    assert_eq!(Call::get("/v1/models").key(KEY).on(from(3).await).await.whole().await.status, 200);
}

#[tokio::test]
async fn a_chain_that_is_not_clear_does_not_lend_the_proxys_address_to_a_key() {
    const INSIDE: &str = "wb-test-key-of-the-inside-0123456789";
    let setup = Setup::new().key("inside", "search", INSIDE, "allowed_ips: [127.0.0.0/8]");
    let gateway = setup.server("trusted_proxies", "[127.0.0.1]").start().await;
    let call = Call::get("/v1/models").key(INSIDE);
    assert_eq!(call.send(gateway.address).await.status, 200, "the proxy itself may");
    assert_eq!(call.clone().field("x-forwarded-for", "127.0.0.9").send(gateway.address).await.status, 200);
    let outside = call.clone().field("x-forwarded-for", "192.0.2.1");
    for told in ["for=unknown", "for=127.0.0.1", "for=\"", "for=_hidden, for=x"] {
        let answer = outside.clone().field("forwarded", told).send(gateway.address).await;
        assert_eq!(answer.openai_error(403), "address_not_allowed", "{told}");
        assert!(answer.text().contains("from an address that is not known"), "{told}: {}", answer.text());
    }
    for chain in ["unknown", "127.0.0.9, unknown"] {
        let answer = call.clone().field("x-forwarded-for", chain).send(gateway.address).await;
        assert_eq!(answer.openai_error(403), "address_not_allowed", "{chain}");
    }
}

/// A PROXY header of version 2 for 192.0.2.1:4660, with a TLV behind the addresses.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x13\xc0\0\x02\x01\x0a\0\0\x01\x12\x34\0\x50\x04\0\x04\0\0\0\0";
const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
const V1: &[u8] = b"PROXY TCP4 192.0.2.1 10.0.0.1 4660 80\r\n";
const V1_SIX: &[u8] = b"PROXY TCP6 2001:db8::1 ::1 4660 80\r\n";

fn behind_proxies() -> Setup {
    Setup::new().server("trusted_proxies", "[127.0.0.1]").with_proxy_protocol().with_tls()
}

#[tokio::test]
async fn a_proxy_header_tells_who_the_client_is_in_clear_and_before_tls() {
    let gateway = behind_proxies().start().await;
    let tls = gateway.tls_address.expect("with TLS");
    let headers =
        [("v1", V1, "192.0.2.1:4660"), ("v1-six", V1_SIX, "[2001:db8::1]:4660"), ("v2", V2, "192.0.2.1:4660")];
    let transports = [
        ("h1", Transport::H1, gateway.address),
        ("h2c", Transport::H2c, gateway.address),
        ("tls-h1", Transport::TlsH1, tls),
        ("tls-h2", Transport::TlsH2, tls),
    ];
    for (version, header, want) in headers {
        for (name, transport, address) in transports {
            let label = format!("{version}-{name}");
            let mut socket = connect_from(1, address).await;
            socket.write_all(header).await.expect("taken");
            let answer = models(&label).over(transport).on(socket).await.whole().await;
            assert_eq!(answer.status, 200, "{label}");
            assert_eq!(client_of(&gateway, &label).await, want, "{label}");
        }
    }
    for (label, header) in [("local", V2_LOCAL), ("unknown", b"PROXY UNKNOWN\r\n")] {
        let mut socket = connect_from(1, gateway.address).await;
        let own = socket.local_addr().expect("connected").to_string();
        socket.write_all(header).await.expect("taken");
        assert_eq!(models(label).on(socket).await.whole().await.status, 200, "{label}");
        assert_eq!(client_of(&gateway, label).await, own, "{label}");
    }
    // What is said behind the header by a client that nobody trusts counts for nothing.
    let mut socket = connect_from(1, gateway.address).await;
    socket.write_all(V1).await.expect("taken");
    let call = models("behind").field("x-forwarded-for", "127.0.0.1");
    assert_eq!(call.on(socket).await.whole().await.status, 200);
    assert_eq!(client_of(&gateway, "behind").await, "192.0.2.1:4660");
    all_given_back(&gateway).await;
}

#[tokio::test]
async fn a_proxy_header_may_come_byte_by_byte() {
    let gateway = behind_proxies().start().await;
    for (label, header) in [("v1", V1), ("v2", V2)] {
        for address in [gateway.address, gateway.tls_address.expect("with TLS")] {
            let mut socket = connect_from(1, address).await;
            socket.set_nodelay(true).expect("an option of every socket");
            for byte in header {
                socket.write_all(&[*byte]).await.expect("taken");
                tokio::task::yield_now().await;
            }
            let transport = if address == gateway.address { Transport::H1 } else { Transport::TlsH2 };
            assert_eq!(models(label).over(transport).on(socket).await.whole().await.status, 200, "{label}");
        }
        assert_eq!(client_of(&gateway, label).await, "192.0.2.1:4660");
    }
}

#[tokio::test]
async fn without_a_proxy_header_or_from_nobody_trusted_a_connection_is_closed() {
    let gateway = behind_proxies().server("head_timeout", "500ms").start().await;
    let request = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n";
    let spoofed = [V1, V1, &request[..]].concat();
    let cases: [(&str, &[u8]); 6] = [
        ("no header", request),
        ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        ("a header with a mistake", b"PROXY TCP4 192.0.2.1 10.0.0.1 4660 99999\r\nGET / HTTP/1.1\r\n\r\n"),
        ("version 3", b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c\xc0\0\x02\x01\x0a\0\0\x01\x12\x34\0\x50"),
        ("half a header, and silence", &V2[..20]),
        ("half a line, and silence", b"PROXY TCP4 192."),
    ];
    for (name, bytes) in cases {
        for address in [gateway.address, gateway.tls_address.expect("with TLS")] {
            let mut socket = connect_from(1, address).await;
            socket.write_all(bytes).await.expect("taken");
            is_closed(name, socket).await;
        }
    }
    are_refused(&gateway, "proxy_header", 8.0).await;
    are_refused(&gateway, "timeout", 4.0).await;
    let before = refused(&gateway, "untrusted_proxy").await;
    let mut stranger = connect_from(2, gateway.address).await;
    stranger.write_all(&spoofed).await.ok();
    is_closed("a stranger with a header", stranger).await;
    are_refused(&gateway, "untrusted_proxy", before + 1.0).await;
    // A second header is no request.
    let mut twice = connect_from(1, gateway.address).await;
    twice.write_all(&spoofed).await.ok();
    let mut said = String::new();
    within("the gateway closes", twice.read_to_string(&mut said)).await.ok();
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 400 "), "{said}");
    all_given_back(&gateway).await;
}

/// Opens a connection from there and has it answer one request; `None` when it was closed.
async fn kept(last: u8, gateway: &Gateway) -> Option<H1> {
    let mut client = H1::over(Box::new(connect_from(last, gateway.address).await));
    client.raw("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    client.head().await?;
    while client.piece().await.ok()?.is_some() {}
    Some(client)
}

#[tokio::test]
async fn an_address_has_its_share_of_connections_and_gets_it_back() {
    let gateway = Setup::new().server("per_address", "{ connections: 3 }").start().await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(kept(2, &gateway).await.expect("there is room"));
    }
    is_closed("a fourth one", connect_from(2, gateway.address).await).await;
    are_refused(&gateway, "per_address", 1.0).await;
    gateway.shows("weighbridge_proxy_connections_open", 3.0).await;
    assert!(kept(3, &gateway).await.is_some(), "others are served");
    drop(open.pop());
    eventually("its place is free again", || async { kept(2, &gateway).await }).await;
    drop(open);
    all_given_back(&gateway).await;
}

#[tokio::test]
async fn behind_the_proxy_protocol_connections_count_for_the_client() {
    let gateway = behind_proxies().server("per_address", "{ connections: 1 }").start().await;
    let from = |host: u8| {
        let gateway = &gateway;
        async move {
            let mut socket = connect_from(1, gateway.address).await;
            let header = format!("PROXY TCP4 192.0.2.{host} 10.0.0.1 4660 80\r\n");
            socket.write_all(header.as_bytes()).await.expect("taken");
            let mut client = H1::over(Box::new(socket));
            client.raw("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
            client.head().await.map(|head| (head.status(), client))
        }
    };
    let first = from(1).await.expect("there is room");
    assert!(from(1).await.is_none(), "one is open already");
    assert!(from(2).await.is_some(), "of another client");
    drop(first);
    eventually("its place is free again", || from(1)).await;
}

#[tokio::test]
async fn all_connections_together_are_bounded_and_given_back_whatever_their_clients_do() {
    let gateway =
        Setup::new().server("max_connections", 4).server("per_address", "{ connections: 0 }").with_tls().start().await;
    let tls = gateway.tls_address.expect("with TLS");
    for round in 0..3 {
        let mut silent = TcpStream::connect(gateway.address).await.expect("the gateway listens");
        silent.write_all(b"GET /healthz HT").await.expect("taken");
        let hello = TcpStream::connect(tls).await.expect("the gateway listens");
        let encrypted = encrypt(TcpStream::connect(tls).await.expect("the gateway listens"), "h2").await;
        let kept = kept(2, &gateway).await.expect("there is room");
        let full = || async { (gateway.metric("weighbridge_proxy_connections_open").await == 4.0).then_some(()) };
        eventually("four are open", full).await;
        is_closed("in clear", TcpStream::connect(gateway.address).await.expect("it is accepted")).await;
        is_closed("before TLS", TcpStream::connect(tls).await.expect("it is accepted")).await;
        are_refused(&gateway, "max_connections", f64::from(2 * (round + 1))).await;
        // One ends properly, the others break off: a reset where something was not read.
        silent.set_zero_linger().expect("an option of every socket");
        drop((silent, hello, encrypted, kept));
        all_given_back(&gateway).await;
    }
    gateway.assert_serves().await;
}

#[tokio::test]
async fn three_hundred_idle_connections_of_one_address_disturb_nobody_else() {
    let gateway =
        Setup::new().server("per_address", "{ connections: 100 }").server("max_connections", 150).start().await;
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.push(connect_from(2, gateway.address).await);
    }
    are_refused(&gateway, "per_address", 200.0).await;
    for _ in 0..20 {
        assert!(kept(3, &gateway).await.is_some(), "another address is served");
    }
    assert_eq!(refused(&gateway, "max_connections").await, 0.0);
    drop(idle);
    all_given_back(&gateway).await;
}

#[tokio::test]
async fn a_handshake_of_tls_has_the_deadline_of_a_head() {
    let gateway = Setup::new().server("head_timeout", "500ms").with_tls().start().await;
    let tls = gateway.tls_address.expect("with TLS");
    let begun = tokio::time::Instant::now();
    is_closed("silence", TcpStream::connect(tls).await.expect("the gateway listens")).await;
    let mut half = TcpStream::connect(tls).await.expect("the gateway listens");
    half.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await.expect("taken");
    is_closed("half a hello", half).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "pingora's own would be 60 s: {:?}", begun.elapsed());
    are_refused(&gateway, "timeout", 2.0).await;
    let mut clear = TcpStream::connect(tls).await.expect("the gateway listens");
    clear.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("taken");
    let mut said = Vec::new();
    within("it is closed", clear.read_to_end(&mut said)).await.ok();
    assert!(!said.starts_with(b"HTTP"), "an alert at most");
    are_refused(&gateway, "tls_handshake", 1.0).await;
    assert_eq!(models("x").over(Transport::TlsH2).send(tls).await.status, 200);
}

#[tokio::test]
async fn a_connection_of_http2_is_bounded_in_streams_and_idle_time() {
    let setup = Setup::new().server("max_h2_streams", 7).server("h2_idle_timeout", "300ms");
    let gateway = setup.start().await;
    let socket = TcpStream::connect(gateway.address).await.expect("the gateway listens");
    let (client, mut connection) = h2::client::handshake(socket).await.expect("the gateway speaks HTTP/2");
    let request = http::Request::get("http://localhost/healthz").body(()).expect("a request");
    let mut client = client;
    let (answer, _) = client.send_request(request, true).expect("a stream");
    let answered = tokio::select! {
        answer = answer => answer.expect("an answer").status().as_u16(),
        _ = &mut connection => panic!("the connection ended first"),
    };
    assert_eq!((answered, connection.max_concurrent_send_streams()), (200, 7));
    within("an idle connection is closed", connection).await.ok();
}

#[tokio::test]
async fn a_connection_may_bring_so_many_requests_and_no_more() {
    let gateway = Setup::new().server("max_requests_per_connection", 3).start().await;
    let mut client = H1::connect(gateway.address).await;
    for number in 1..=3 {
        client.send(&models("x")).await;
        let (answer, again) = client.answer().await;
        let closes = answer.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        assert_eq!((answer.status, closes), (200, number == 3), "request {number}");
        client = again;
    }
    client.closed().await;
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).server("max_requests_per_connection", 1).start().await;
    let mut client = H1::connect(gateway.address).await;
    client.send(&Call::post(CHAT, sample::CHAT_ASK).key(KEY)).await;
    let (answer, mut client) = client.answer().await;
    assert_eq!(
        (answer.status, answer.field("connection")),
        (200, Some("close")),
        "of a request that went upstream too"
    );
    client.closed().await;
}

#[tokio::test]
async fn connections_are_counted_while_answers_stream_and_end_with_them() {
    let upstream = Upstream::start().await;
    upstream.always(crate::support::script::Script::sse().stall());
    let gateway = Setup::openai(&[&upstream]).server("per_address", "{ connections: 2 }").start().await;
    let streaming = |_| {
        let address = gateway.address;
        tokio::spawn(async move {
            let mut socket = connect_from(2, address).await;
            let ask = sample::CHAT_STREAM_ASK;
            let head = format!(
                "POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\n\r\n{ask}",
                ask.len()
            );
            socket.write_all(head.as_bytes()).await.expect("taken");
            std::future::pending::<()>().await;
            drop(socket);
        })
    };
    let clients: Vec<_> = (0..2).map(streaming).collect();
    eventually("both wait for their answers", || async { (upstream.count() == 2).then_some(()) }).await;
    is_closed("a third one", connect_from(2, gateway.address).await).await;
    for client in clients {
        client.abort(); // killed in the middle of its request
    }
    all_given_back(&gateway).await;
    assert!(kept(2, &gateway).await.is_some());
    assert_eq!(
        connect_from(2, gateway.address).await.peer_addr().expect("connected").ip(),
        IpAddr::from([127, 0, 0, 1])
    );
}
