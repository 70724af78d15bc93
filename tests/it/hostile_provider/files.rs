//! What a provider of files answers that is none.

use super::{LEAK, raw};
use crate::support::call::{Answer, Call};
use crate::support::config::{KEY, Setup, secret};
use crate::support::gateway::Gateway;
use crate::support::script::Script;
use crate::support::upstream::Upstream;

const OK: &str = "HTTP/1.1 200 OK";
const FILE: &str = r#"{"id":"file-1","object":"file","bytes":4,"purpose":"user_data"}"#;
const FORM: &str = "--edge\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n\
                    --edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\ntext\r\n--edge--\r\n";

async fn put(gateway: &Gateway) -> Answer {
    let fields = vec![("content-type".to_owned(), "multipart/form-data; boundary=edge".to_owned())];
    Call { fields, ..Call::post("/v1/files", FORM) }.key(KEY).send(gateway.address).await
}

async fn get(gateway: &Gateway, path: &str) -> Answer {
    Call::get(path).key(KEY).send(gateway.address).await
}

#[tokio::test]
async fn what_is_no_plain_answer_is_neither_a_file_nor_its_content() {
    let upstream = Upstream::start().await;
    let gateway = Setup::new().providers("openai", &[&upstream]).top("files: { provider: a }").start().await;
    upstream.always(Script::json(200, FILE));
    assert_eq!(put(&gateway).await.status, 200);
    upstream.always(Script::answer(200, "application/octet-stream", "text"));
    assert_eq!(get(&gateway, "/v1/files/file-1/content").await.text(), "text");

    let body = "4\r\ntext\r\n0\r\n\r\n";
    let flood = || Script::new().raw(format!("HTTP/1.1 103 Early Hints\r\nlink: {LEAK}\r\n\r\n").repeat(200)).stall();
    let large = format!("x: {}", "a".repeat(100 * 1024));
    let content: [(&str, Script); 9] = [
        ("a part", raw("HTTP/1.1 206 Partial", &["content-length: 4", "content-range: bytes 0-3/9"], "text")),
        ("another success", raw("HTTP/1.1 203 Other", &["content-length: 4"], "text")),
        ("none", raw("HTTP/1.1 204 None", &[], "")),
        ("gzip", raw(OK, &["content-length: 4", "content-encoding: gzip"], "text")),
        ("gzip and chunks", raw(OK, &["transfer-encoding: gzip, chunked"], body)),
        ("an unknown coding", raw(OK, &["transfer-encoding: x-own"], "text")),
        ("an upgrade", raw("HTTP/1.1 101 Up", &["connection: upgrade", "upgrade: x"], "")),
        ("a large head", raw(OK, &["content-length: 4", &large], "text")),
        ("a flood of interim answers", flood()),
    ];
    for (name, script) in content {
        upstream.always(script);
        let answer = get(&gateway, "/v1/files/file-1/content").await;
        assert_eq!(answer.openai_error(502), "upstream_failed", "{name}");
        assert_eq!(answer.broken, None, "{name}");
        super::assert_no_leak(name, &answer);
    }
    // An answer in JSON: what makes something does not watch its client, so nothing else would end it.
    for (name, script) in [
        ("a flood of interim answers", flood()),
        ("gzip", raw(OK, &["content-length: 4", "content-encoding: gzip"], FILE)),
        ("a large head", raw(OK, &["content-length: 4", &large], FILE)),
    ] {
        upstream.always(script);
        assert_eq!(put(&gateway).await.openai_error(502), "upstream_failed", "{name}");
    }
    upstream.always(Script::answer(200, "application/octet-stream", "text"));
    assert_eq!(get(&gateway, "/v1/files/file-1/content").await.text(), "text", "nothing of it stays");
    let log = gateway.log();
    assert!(!log.contains("panicked") && !log.contains(LEAK) && !log.contains(&secret("a")), "{log}");
}
