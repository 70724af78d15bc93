//! What a provider may not do to a call, on a real socket.

use super::*;
use pingora::protocols::http::v1::client::HttpSession as Http1;
use pingora::protocols::l4::stream::Stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A call whose provider says `begin`, and then `again` every `pause` as long as it is listened to.
async fn sent(begin: &'static [u8], again: &'static [u8], pause: Duration) -> (Sent, impl Future<Output = ()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
    let mut server = server.expect("a client").0;
    let mut session = Http1::new(Box::new(Stream::from(client.expect("connected"))));
    let mut head = RequestHeader::build("GET", b"/v1/files/a", None).expect("a head");
    head.insert_header("host", "a").expect("a field");
    session.write_request_header(Box::new(head)).await.expect("sent");
    let serve = async move {
        let mut asked = [0; 1024];
        let _ = server.read(&mut asked).await.expect("asked");
        server.write_all(begin).await.expect("written");
        while server.write_all(again).await.is_ok() {
            tokio::time::sleep(pause).await;
        }
    };
    (Sent { session: HttpSession::H1(session), until: Instant::now() + REST }, serve)
}

/// What comes of `work` while the provider goes on.
async fn beside<T>(serve: impl Future<Output = ()>, work: impl Future<Output = T>) -> T {
    tokio::select! {
        done = work => done,
        () = serve => panic!("the call goes on"),
    }
}

const EARLY_HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n";
const BEGUN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{";

#[tokio::test]
async fn a_flood_of_interim_answers_is_garbage() {
    let (mut sent, serve) = sent(EARLY_HINTS, EARLY_HINTS, Duration::ZERO).await;
    let head = beside(serve, sent.head()).await;
    assert_eq!(head.err(), Some(Trouble::Garbage("too many interim answers".to_owned())));
}

#[tokio::test]
async fn few_interim_answers_are_passed_over() {
    const ANSWER: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    let (mut sent, serve) = sent(ANSWER, b"", Duration::from_secs(1)).await;
    let head = beside(serve, sent.head()).await;
    assert_eq!(head.map(|head| head.0), Ok(StatusCode::OK));
}

#[tokio::test]
async fn codings_that_were_not_asked_for_and_upgrades_are_garbage() {
    const HEADS: [&[u8]; 2] = [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    ];
    for head in HEADS {
        let (mut sent, serve) = sent(head, b"", Duration::from_secs(1)).await;
        let got = beside(serve, sent.head()).await;
        assert!(matches!(got, Err(Trouble::Garbage(_))), "{got:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_a_line_at_a_time_is_bounded_as_a_whole() {
    let (mut sent, serve) = sent(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", Duration::from_secs(20)).await;
    let begun = Instant::now();
    assert_eq!(beside(serve, sent.head()).await.err(), Some(Trouble::Response));
    assert!(begun.elapsed() < ANSWER + Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_a_byte_at_a_time_is_bounded_as_a_whole() {
    let (mut sent, serve) = sent(BEGUN, b" ", Duration::from_secs(20)).await;
    let begun = Instant::now();
    let work = async {
        sent.head().await.expect("a head");
        sent.whole(1 << 20).await
    };
    assert_eq!(beside(serve, work).await, Err(Trouble::Response));
    assert!(begun.elapsed() < ANSWER + REST + Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn a_file_is_a_whole_one_as_it_is() {
    let of = |status: u16, coding: Option<&'static str>| {
        let coding = coding.map(|coding| (header::CONTENT_ENCODING, HeaderValue::from_static(coding)));
        is_file(StatusCode::from_u16(status).expect("a status"), &coding.into_iter().collect()).is_ok()
    };
    assert!(of(200, None) && of(200, Some("identity")));
    for status in [201, 202, 203, 204, 205, 206, 226, 299] {
        assert!(!of(status, None), "{status}");
    }
    assert!(!of(200, Some("gzip")) && !of(200, Some("identity, gzip")));
}
