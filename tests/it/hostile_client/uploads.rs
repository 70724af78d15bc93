//! Files whose chunks are none.

use super::answers;
use crate::support::config::{KEY, Setup};
use crate::support::h1::{H1, chunk};
use crate::support::upstream::Upstream;
use serde_json::Value;

#[tokio::test]
async fn malformed_chunks_of_a_file_are_a_400_before_and_while_it_passes() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).top("files: { provider: a }").start().await;
    let head = format!(
        "POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ntransfer-encoding: chunked\r\n\
         content-type: multipart/form-data; boundary=edge\r\n\r\n"
    );
    let form = "--edge\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n\
                --edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
    let long = format!("{form}{}", "x".repeat(1 << 20));
    for (name, begin, passes) in [("nothing read", "", false), ("a part read", form, false), ("passing", &long, true)] {
        for bad in ["zz\r\n", "-1\r\n", "2;a=b\r\n{}\r\n", "2\r\n{}}}\r\n", "0\r\nhost: y\r\n\r\n"] {
            let before = upstream.count();
            let mut client = H1::connect(gateway.address).await;
            client.raw(&head).await;
            if !begin.is_empty() {
                client.raw(chunk(begin.as_bytes())).await;
            }
            if passes {
                upstream.begun(before).await;
            }
            client.raw(bad).await;
            let told = answers(&client.closed().await);
            let [(status, body)] = told.as_slice() else { panic!("{name} {bad:?}: {told:?}") };
            let error: Value = serde_json::from_str(body).expect("JSON");
            assert_eq!(
                (*status, error["error"]["code"].as_str()),
                (400, Some("invalid_http_request")),
                "{name} {bad:?}"
            );
            assert_eq!(upstream.count() > before, passes, "{name} {bad:?}");
        }
    }
    assert!(upstream.requests().iter().all(|seen| !seen.whole), "no provider took one for whole");
    gateway.assert_serves().await;
}
