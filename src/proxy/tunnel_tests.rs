use super::*;
use crate::config::Secret;
use tokio::net::TcpListener;

/// What becomes of a tunnel whose proxy answers with `answer`, and what the proxy was asked.
async fn opened(answer: &'static [u8], hold: bool) -> (Result<TcpStream>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let proxy = EgressProxy { host: "p".into(), port: 1, authorization: Some(Secret::new("Basic cGxhbnRlZA==")) };
    let tunnel = Tunnel::new(&proxy, "api.example.com", 443, Duration::from_millis(300));
    let serve = async {
        let (mut socket, _) = listener.accept().await.expect("a client");
        let mut asked = vec![0; 1024];
        let read = socket.read(&mut asked).await.expect("a request");
        asked.truncate(read);
        socket.write_all(answer).await.expect("written");
        (String::from_utf8(asked).expect("text"), hold.then_some(socket))
    };
    let (opened, (asked, socket)) = tokio::join!(tunnel.open(address), serve);
    drop(socket);
    (opened, asked)
}

#[tokio::test]
async fn the_proxy_is_told_name_and_credentials() {
    let (opened, asked) = opened(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n", true).await;
    assert!(opened.is_ok());
    let want = "CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\
                Proxy-Authorization: Basic cGxhbnRlZA==\r\n\r\n";
    assert_eq!(asked, want);
}

#[tokio::test]
async fn what_a_proxy_says_instead_is_named() {
    let cases: [(&[u8], &str); 8] = [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "407"),
        (b"HTTP/1.0 403 Forbidden\r\n\r\n<html>", "403"),
        (b"HTTP/1.1 502\r\n", "502"),
        (b"HTTP/1.1 200 OK\r\n\r\nmore", "no HTTP"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "no HTTP"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 20", "broke off"),
        (b"", "broke off"),
    ];
    for (answer, want) in cases {
        let (opened, _) = opened(answer, false).await;
        let error = opened.expect_err("no tunnel");
        let words = told(error.etype()).expect("it has words");
        assert!(words.contains(want), "{answer:?}: {words}");
        assert!(!format!("{error:?}").contains("cGxhbnRlZA"), "no password in errors");
    }
}

#[tokio::test]
async fn a_silent_proxy_and_an_endless_head_are_bounded() {
    let (silent, _) = opened(b"HTTP/1.1 200 OK\r\n", true).await;
    let silent = silent.expect_err("no tunnel");
    assert!(is_late(silent.etype()) && !is_unreachable(silent.etype()), "others reach it: {silent:?}");
    let endless: &'static [u8] = Vec::leak([b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'a'; 2 * MOST_HEAD]].concat());
    let (endless, _) = opened(endless, true).await;
    assert_eq!(*endless.expect_err("no tunnel").etype(), GARBAGE);
}

/// Its queue of connections is full: a SYN is not answered.
#[tokio::test]
async fn a_proxy_that_takes_no_connection_in_time_is_unreachable() {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("bound");
    let listener = socket.listen(1).expect("it listens");
    let address = listener.local_addr().expect("bound");
    let mut queue = Vec::new();
    while let Ok(Ok(waiting)) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        queue.push(waiting);
    }
    let proxy = EgressProxy { host: "p".into(), port: 1, authorization: None };
    let error = Tunnel::new(&proxy, "a", 443, Duration::from_millis(200)).open(address).await.expect_err("no tunnel");
    assert!(is_late(error.etype()) && is_unreachable(error.etype()), "{error:?}");
}
