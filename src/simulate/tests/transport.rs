//! Connections: HTTP/1.1, h2c, TLS, keep-alive, the end.

use super::{Bench, CHAT, anywhere};
use crate::simulate::{Knobs, Simulator, tls_config};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

#[tokio::test]
async fn one_port_speaks_http1_and_h2c() {
    let h1 = Bench::new("").await;
    let mut h2 = Bench::h2("").await;
    h2.sim = h1.sim;
    let body = json!({"model": "m", "messages": []});
    assert_eq!(h2.post(CHAT, &body).await.status, 200);
    let h1 = Bench { sim: h2.sim, client: h1.client };
    for _ in 0..3 {
        assert_eq!(h1.post(CHAT, &body).await.status, 200);
    }
    let versions: Vec<String> = h1.sim.recorded().into_iter().map(|request| request.version).collect();
    assert_eq!(versions, ["HTTP/2.0", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1"]);
    assert_eq!(h1.sim.stats().connections, 2, "connections are kept alive");
}

#[tokio::test]
async fn tls_offers_h2_and_http1_by_alpn() {
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let config = tls_config(signed.cert.pem().as_bytes(), signed.signing_key.serialize_pem().as_bytes());
    let sim = Simulator::start_tls(anywhere(), Knobs::default(), config.expect("good PEM")).await.expect("a port");
    for (offer, want) in
        [(&[b"h2".as_slice(), b"http/1.1"][..], "HTTP/2.0"), (&[b"http/1.1".as_slice()][..], "HTTP/1.1")]
    {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(signed.cert.der().to_vec())).expect("a root");
        let mut client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = offer.iter().map(|name| name.to_vec()).collect();
        let tcp = TcpStream::connect(sim.addr).await.expect("connected");
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = TlsConnector::from(Arc::new(client)).connect(name, tcp).await.expect("a handshake");
        let h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        let mut tasks = JoinSet::new();
        let request = Request::builder().uri("https://localhost/v1/models").body(Full::<Bytes>::default());
        let request = request.expect("a request");
        let answer = if h2 {
            let (mut send, run) = http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.expect("h2");
            tasks.spawn(async { drop(run.await) });
            send.send_request(request).await
        } else {
            let (mut send, run) = http1::handshake(TokioIo::new(tls)).await.expect("h1");
            tasks.spawn(async { drop(run.await) });
            send.send_request(request).await
        };
        let answer = answer.expect("an answer");
        assert_eq!((answer.status().as_u16(), format!("{:?}", answer.version()).as_str()), (200, want));
        assert!(answer.into_body().collect().await.is_ok());
    }
}

#[tokio::test]
async fn bad_pem_is_refused() {
    assert!(tls_config(b"nothing", b"nothing").is_err());
}

#[tokio::test]
async fn a_split_stream_arrives_in_pieces_of_that_size() {
    let bench = Bench::new("split=5").await;
    let body = json!({"model": "m", "stream": true, "messages": []}).to_string();
    let mut socket = TcpStream::connect(bench.sim.addr).await.expect("connected");
    let head =
        format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    socket.write_all(head.as_bytes()).await.expect("sent");
    socket.write_all(body.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.expect("read");
    let text = String::from_utf8_lossy(&answer);
    let (_, chunked) = text.split_once("\r\n\r\n").expect("a body");
    assert!(chunked.starts_with("5\r\ndata:\r\n5\r\n {\"id\r\n"), "{}", &chunked[..40]);
    assert!(chunked.ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn large_bodies_are_read_and_hashed() {
    for bench in [Bench::new("").await, Bench::h2("").await] {
        let content = "x".repeat(5_000_000);
        let body = json!({"model": "m", "messages": [{"role": "user", "content": content}]});
        let answer = bench.post(CHAT, &body).await.json();
        assert_eq!(answer["usage"]["prompt_tokens"], 1_250_000);
    }
}

#[tokio::test]
async fn stopping_ends_open_streams_and_frees_the_port() {
    let bench = Bench::new("stall=1").await;
    let body = json!({"model": "m", "stream": true, "messages": []}).to_string();
    let response = bench.send("POST", CHAT, &[], &body).await;
    let addr = bench.sim.addr;
    bench.sim.stop().await;
    assert!(response.into_body().collect().await.is_err(), "the stream is broken off, not ended");
    assert!(TcpStream::connect(addr).await.is_err());
}
