//! Files and batches: kept apart by team, passed as they come, checked where they name models, and metered once.

use crate::support::call::{Answer, Call, Transport};
use crate::support::config::{KEY, Setup, secret};
use crate::support::gateway::Gateway;
use crate::support::script::{Gate, Script};
use crate::support::upstream::{Recorded, Upstream};
use crate::support::{eventually, ports};
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;

const OTHER: &str = "wb-test-key-of-team-other-0123456789";
const NARROW: &str = "wb-test-key-narrow-0123456789";
const FORM: &str = "multipart/form-data; boundary=edge";

/// A provider's account: what was put there, in order.
#[derive(Default)]
struct Store {
    files: Vec<Value>,
    batches: Vec<Value>,
}

/// A provider that keeps files and batches.
struct Shop {
    upstream: Upstream,
    store: Arc<Mutex<Store>>,
}

impl Shop {
    async fn open() -> Self {
        let (upstream, store) = (Upstream::start().await, Arc::new(Mutex::new(Store::default())));
        let behind = Arc::clone(&store);
        upstream.by(move |request| answer(&mut behind.lock(), request));
        Self { upstream, store }
    }

    /// Files of all its users, as if somebody else had put one there.
    fn foreign(&self, id: &str) {
        self.store.lock().files.push(json!({"id": id, "object": "file", "purpose": "batch"}));
    }

    /// A batch is over.
    fn finish(&self, batch: &str, usage: Value) {
        let mut store = self.store.lock();
        let batch = store.batches.iter_mut().find(|known| known["id"] == batch).expect("it was made");
        batch["status"] = json!("completed");
        batch["output_file_id"] = json!("file-out");
        batch["usage"] = usage;
        store.files.push(json!({"id": "file-out", "object": "file", "purpose": "batch_output"}));
    }
}

fn answer(store: &mut Store, request: &Recorded) -> Script {
    let (path, query) = request.path().split_once('?').unwrap_or((request.path(), ""));
    let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
    let found = |list: &[Value], id: &str| list.iter().find(|one| one["id"] == id).cloned();
    let json = |value: Option<Value>| match value {
        Some(value) => Script::json(200, value.to_string()),
        None => Script::json(404, r#"{"error":{"message":"No such object","type":"invalid_request_error"}}"#),
    };
    match (request.head.word(0), &*parts) {
        ("POST", ["files"]) => {
            let text = String::from_utf8_lossy(&request.body);
            let purpose = text.split("name=\"purpose\"\r\n\r\n").nth(1).and_then(|rest| rest.split('\r').next());
            let id = format!("file-{}", store.files.len());
            let file = json!({"id": id, "object": "file", "bytes": request.body.len(), "purpose": purpose});
            store.files.push(file.clone());
            json(Some(file))
        }
        ("GET", ["files"]) => page(&store.files, query),
        ("GET", ["files", id]) => json(found(&store.files, id)),
        ("GET", ["files", _, "content"]) => Script::answer(200, "application/octet-stream", CONTENT),
        ("DELETE", ["files", id]) => {
            store.files.retain(|file| file["id"] != *id);
            json(Some(json!({"id": id, "object": "file", "deleted": true})))
        }
        ("POST", ["batches"]) => {
            let id = format!("batch_{}", store.batches.len());
            let batch = json!({"id": id, "object": "batch", "status": "validating", "usage": null,
                "input_file_id": request.json()["input_file_id"], "output_file_id": null, "error_file_id": null});
            store.batches.push(batch.clone());
            json(Some(batch))
        }
        ("GET", ["batches"]) => page(&store.batches, query),
        ("GET", ["batches", id]) | ("POST", ["batches", id, "cancel"]) => json(found(&store.batches, id)),
        _ => Script::error(500),
    }
}

/// Answers of two requests, of which the server reports what each used.
const CONTENT: &str = concat!(
    r#"{"custom_id":"a","response":{"status_code":200,"body":{"usage":{"prompt_tokens":10,"completion_tokens":4}}},"error":null}"#,
    "\n",
    r#"{"custom_id":"b","response":{"status_code":200,"body":{"usage":{"prompt_tokens":20,"completion_tokens":6}}},"error":null}"#,
    "\n"
);

fn page(all: &[Value], query: &str) -> Script {
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let from = value("after").and_then(|id| all.iter().position(|one| one["id"] == id)).map_or(0, |at| at + 1);
    let limit = value("limit").and_then(|limit| limit.parse().ok()).unwrap_or(20);
    let data: Vec<_> = all.iter().skip(from).take(limit).cloned().collect();
    let more = from + data.len() < all.len();
    Script::json(200, json!({"object": "list", "data": data, "has_more": more}).to_string())
}

fn setup(shop: &Shop) -> Setup {
    looking(shop, "1h")
}

/// Looks at unfinished batches each `look`.
fn looking(shop: &Shop, look: &str) -> Setup {
    Setup::openai(&[&shop.upstream])
        .team("other", "")
        .key("other-ci", "other", OTHER, "")
        .key("narrow", "search", NARROW, "models: [slow]")
        .model_of("slow", &["a"], "")
        .price("model-a", "input: 2, output: 8, cache_read: 0.5")
        .top(&format!("files: {{ provider: a, look: {look} }}"))
}

fn part(name: &str, value: &str) -> String {
    let file = if name == "file" { "; filename=\"data.jsonl\"\r\ncontent-type: application/jsonl" } else { "" };
    format!("--edge\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n")
}

fn form(purpose: &str, file: &str) -> String {
    format!("{}{}--edge--\r\n", part("purpose", purpose), part("file", file))
}

fn line(id: &str, model: &str) -> String {
    let body = json!({"model": model, "messages": [{"role": "user", "content": id}]});
    json!({"custom_id": id, "method": "POST", "url": "/v1/chat/completions", "body": body}).to_string()
}

async fn put(gateway: &Gateway, key: &str, form: impl Into<Bytes>) -> Answer {
    let call = Call { fields: vec![("content-type".to_owned(), FORM.to_owned())], ..Call::post("/v1/files", form) };
    call.key(key).send(gateway.address).await
}

async fn ask(gateway: &Gateway, key: &str, method: &'static str, path: &str) -> Answer {
    Call { method, ..Call::get(path) }.key(key).send(gateway.address).await
}

/// A batch of team `search`; its id.
async fn batch(gateway: &Gateway) -> String {
    let file = put(gateway, KEY, form("batch", &format!("{}\n{}\n", line("a", "fast"), line("b", "fast")))).await;
    assert_eq!(file.status, 200, "{}", file.text());
    let new =
        json!({"input_file_id": file.json()["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    let batch = gateway.post("/v1/batches", new.to_string()).await;
    assert_eq!(batch.status, 200, "{}", batch.text());
    batch.json()["id"].as_str().expect("an id").to_owned()
}

fn ids(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let list = answer.json();
    list["data"].as_array().expect("a list").iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn a_file_passes_byte_for_byte_with_the_providers_key_and_comes_back_as_it_is() {
    let shop = Shop::open().await;
    let gateway = setup(&shop).start().await;
    let long = "\u{1f600}x".repeat(60_000);
    let (short, long) = (form("user_data", "{}"), form("user_data", &long));
    for (form, chunked, transport) in [
        (&short, false, Transport::H1),
        (&long, false, Transport::H1),
        (&long, true, Transport::H1),
        (&short, true, Transport::H2c),
        (&long, false, Transport::H2c),
    ] {
        let call = Call {
            fields: vec![("content-type".to_owned(), FORM.to_owned())],
            ..Call::post("/v1/files", form.clone())
        };
        let call = if chunked { call.chunked(1_001) } else { call };
        let call = call.over(transport);
        let put = call.key(KEY).field("expect", "100-continue").send(gateway.address).await;
        assert_eq!((put.status, &put.json()["purpose"]), (200, &json!("user_data")), "{}", put.text());
        let request = shop.upstream.requests().pop().expect("it was asked");
        assert!(request.whole && request.body == *form, "as it was sent");
        assert_eq!(request.path(), "/v1/files");
        assert_eq!(request.head.get("authorization"), Some(&*format!("Bearer {}", secret("a"))));
        assert_eq!(request.head.get("content-type"), Some("multipart/form-data; boundary=\"edge\""), "written anew");
        assert_eq!(request.head.get("content-length").is_some(), !chunked || form.len() == short.len());
    }
    for transport in [Transport::H1, Transport::H2c] {
        let content = Call::get("/v1/files/file-0/content").key(KEY).over(transport).send(gateway.address).await;
        assert_eq!((content.status, content.unbroken()), (200, CONTENT));
        assert_eq!(content.field("content-type"), Some("application/octet-stream"));
    }
    let record = eventually("the download is recorded", || async {
        gateway.access_records().into_iter().find(|record| record["bytes_out"] == CONTENT.len())
    });
    let record = record.await;
    assert_eq!(
        (&record["api"], &record["provider"], &record["status"]),
        (&json!("files"), &json!("a"), &json!(200)),
        "{record}"
    );
    assert!(gateway.rows().await.is_empty(), "keeping files costs nothing");
}

#[tokio::test]
async fn a_file_of_requests_is_rewritten_with_the_providers_names() {
    let shop = Shop::open().await;
    let gateway = setup(&shop).start().await;
    let lines = format!("{}\n{}\n", line("a", "fast"), line("b", "fast"));
    for form in [form("batch", &lines), format!("{}{}--edge--\r\n", part("file", &lines), part("purpose", "batch"))] {
        let put = put(&gateway, KEY, form.clone()).await;
        assert_eq!(put.status, 200, "{}", put.text());
        let request = shop.upstream.requests().pop().expect("it was asked");
        assert_eq!(request.text(), form.replace("\"fast\"", "\"model-a\""));
        assert_eq!(request.head.get("content-length"), Some(&*request.body.len().to_string()));
    }
}

#[tokio::test]
async fn lines_that_may_not_be_asked_are_refused_by_their_number_and_nothing_goes_up() {
    let shop = Shop::open().await;
    let gateway = setup(&shop).server("max_body_bytes", "64KiB").start().await;
    let good = line("a", "fast");
    let cases = [
        (KEY, line("b", "nobody"), "line 2: there is no model `nobody`"),
        (KEY, line("b", "slow"), "line 2: its model is `slow`"),
        (KEY, good.replace("POST", "GET"), "line 2: `method` must be `POST`"),
        (KEY, good.replace("/v1/chat/completions", "/v1/files"), "line 2: `url` must be one of"),
        (KEY, "{".to_owned(), "line 2: "),
        (NARROW, good.clone(), "line 1: key `narrow` of team `search` may not call model `fast`"),
    ];
    for (key, second, want) in cases {
        let answer = put(&gateway, key, form("batch", &format!("{good}\n{second}\n"))).await;
        assert_eq!(answer.openai_error(400), "invalid_request", "{}", answer.text());
        assert_eq!(answer.json()["error"]["param"], "file");
        let message = answer.json()["error"]["message"].as_str().expect("a message").to_owned();
        assert!(message.starts_with(want), "{message}");
    }
    for (form, param) in [
        (part("file", "{}") + "--edge--\r\n", json!("purpose")),
        (part("purpose", "batch") + "--edge--\r\n", json!("file")),
        ("garbage".to_owned(), Value::Null),
    ] {
        let answer = put(&gateway, KEY, form).await;
        assert_eq!((answer.openai_error(400).as_str(), &answer.json()["error"]["param"]), ("invalid_request", &param));
    }
    let long = form("batch", &format!("{}\n", line(&"x".repeat(70_000), "fast")));
    assert_eq!(put(&gateway, KEY, long).await.openai_error(413), "body_too_large");
    let json = gateway.post("/v1/files", "{}").await;
    assert_eq!(json.openai_error(400), "invalid_request");
    assert_eq!(shop.upstream.count(), 0, "nothing went up");
    gateway.assert_serves().await;
}

#[tokio::test]
async fn requests_in_a_file_are_under_the_guardrails_of_their_model() {
    let shop = Shop::open().await;
    let guardrails = "guardrails:\n  no-pii: { kind: pii, entities: [email], action: block }";
    let gateway = setup(&shop).model("fast", 1, "guardrails: [no-pii]").top(guardrails).start().await;
    let answer = put(&gateway, KEY, form("batch", &format!("{}\n", line("ann.lee@example.com", "fast")))).await;
    assert_eq!(answer.openai_error(400), "guardrail_blocked");
    assert!(answer.text().contains("line 1 (`ann.lee@example.com`): guardrail `no-pii`"), "{}", answer.text());
    assert_eq!(shop.upstream.count(), 0, "nothing went up");
    assert_eq!(put(&gateway, KEY, form("user_data", "no request")).await.status, 200, "its models are not asked");
}

#[tokio::test]
async fn what_a_team_keeps_is_not_there_for_others() {
    let shop = Shop::open().await;
    shop.foreign("file-of-nobody");
    let gateway = setup(&shop).start().await;
    let batch = batch(&gateway).await;
    put(&gateway, OTHER, form("user_data", "{}")).await;
    put(&gateway, KEY, form("user_data", "{}")).await;
    let asked = shop.upstream.count();
    for (method, path) in [
        ("GET", "/v1/files/file-1".to_owned()),
        ("DELETE", "/v1/files/file-1".to_owned()),
        ("GET", "/v1/files/file-1/content".to_owned()),
        ("GET", "/v1/files/file-of-nobody".to_owned()),
        ("GET", "/v1/files?after=file-1".to_owned()),
    ] {
        assert_eq!(ask(&gateway, OTHER, method, &path).await.openai_error(404), "file_not_found", "{method} {path}");
    }
    for (method, path) in [("GET", format!("/v1/batches/{batch}")), ("POST", format!("/v1/batches/{batch}/cancel"))] {
        assert_eq!(ask(&gateway, OTHER, method, &path).await.openai_error(404), "batch_not_found", "{method} {path}");
    }
    let new = json!({"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    let stolen = Call::post("/v1/batches", new.to_string()).key(OTHER).send(gateway.address).await;
    assert_eq!(stolen.openai_error(404), "file_not_found");
    let narrow = Call::post("/v1/batches", new.to_string()).key(NARROW).send(gateway.address).await;
    assert_eq!(narrow.openai_error(403), "model_not_allowed", "nor may a key of the team call what it may not");
    assert_eq!(shop.upstream.count(), asked, "the provider is not asked");
    assert_eq!(ids(&gateway.get("/v1/files").await), ["file-1", "file-3"]);
    assert_eq!(ids(&ask(&gateway, OTHER, "GET", "/v1/files").await), ["file-2"]);
    let first = gateway.get("/v1/files?limit=1").await;
    assert_eq!((ids(&first), &first.json()["has_more"]), (vec!["file-1".to_owned()], &json!(true)));
    let last = gateway.get("/v1/files?limit=1&after=file-1").await;
    assert_eq!((ids(&last), &last.json()["has_more"]), (vec!["file-3".to_owned()], &json!(false)));
    assert_eq!(ids(&gateway.get("/v1/batches").await), [batch]);
    assert!(ids(&ask(&gateway, OTHER, "GET", "/v1/batches").await).is_empty());
    let gone = ask(&gateway, KEY, "DELETE", "/v1/files/file-1").await;
    assert_eq!((gone.status, &gone.json()["deleted"]), (200, &json!(true)));
    assert_eq!(ask(&gateway, KEY, "GET", "/v1/files/file-1").await.openai_error(404), "file_not_found");
}

#[tokio::test]
async fn a_batch_that_is_over_has_one_row_at_the_batch_price_also_after_a_kill() {
    let shop = Shop::open().await;
    let url = format!("http://{}", shop.upstream.address);
    let setup = Setup::new().provider("a", "openai", &url, "catalogue: openai").target("fast", "a", "gpt-4o-mini");
    let setup = setup.team("other", "").key("other-ci", "other", OTHER, "").top("files: { provider: a }");
    let setup = setup.search("budgets: [{ usd: 1, per: lifetime }]");
    let gateway = setup.start().await;
    let id = batch(&gateway).await;
    let path = format!("/v1/batches/{id}");
    assert_eq!(gateway.get(&path).await.json()["status"], "validating");
    assert!(gateway.rows().await.is_empty(), "nothing is booked before its end");
    let usage = json!({"input_tokens": 1000, "input_tokens_details": {"cached_tokens": 400}, "output_tokens": 100,
        "output_tokens_details": {"reasoning_tokens": 30}, "total_tokens": 1100});
    shop.finish(&id, usage);
    for path in [&*path, "/v1/batches", &path] {
        assert_eq!(gateway.get(path).await.status, 200);
    }
    let row = gateway.only_row().await;
    assert_eq!((row.text("request_id"), row.text("key"), row.text("team")), (&*id, "search-ci", "search"), "{}", row.0);
    assert_eq!((row.text("model"), row.text("target_model")), ("fast", "gpt-4o-mini"), "{}", row.0);
    assert_eq!((row.tokens(), row.text("usage_origin")), ((1000, 100), "reported"), "{}", row.0);
    assert_eq!((row.number("cache_read_tokens"), row.number("reasoning_tokens")), (400, 30), "{}", row.0);
    let cost = row.number("cost_nano_usd");
    assert_eq!(cost, 1000 * 75 + 100 * 300, "half of the ordinary price");
    assert_eq!(used(&gateway).await, cost, "the budget is charged");
    assert_eq!(gateway.get("/v1/files/file-out/content").await.status, 200, "its answers are its team's");
    assert_eq!(ask(&gateway, OTHER, "GET", "/v1/files/file-out").await.openai_error(404), "file_not_found");
    gateway.kill();
    // As if it had been killed between the row and the mark.
    let table = rusqlite::Connection::open(gateway.dir.path().join("state/files.sqlite")).expect("it opens");
    assert_eq!(table.execute("UPDATE kept SET metering = 0 WHERE kind = 'batch'", []).expect("it is written"), 1);
    drop(table);
    gateway.start_again().await;
    assert_eq!(gateway.get(&path).await.status, 200);
    assert_eq!(gateway.get(&path).await.status, 200);
    assert_eq!(gateway.only_row().await.number("cost_nano_usd"), cost);
    assert_eq!(used(&gateway).await, cost, "once");
    gateway.assert_verified().await;
}

async fn used(gateway: &Gateway) -> u64 {
    let used = gateway.metric(r#"weighbridge_ledger_budget_used{budget="team/search/usd/lifetime",unit="usd"}"#).await;
    (used * 1e9).round() as u64
}

#[tokio::test]
async fn a_batch_whose_server_adds_nothing_up_is_booked_by_its_answers_once() {
    let shop = Shop::open().await;
    let gateway = setup(&shop).start().await;
    let id = batch(&gateway).await;
    shop.finish(&id, Value::Null);
    assert_eq!(gateway.get(&format!("/v1/batches/{id}")).await.status, 200);
    for _ in 0..2 {
        assert_eq!(gateway.get("/v1/files/file-out/content").await.unbroken(), CONTENT);
        assert_eq!(gateway.only_row().await.tokens(), (30, 10));
    }
}

#[tokio::test]
async fn a_batch_that_nobody_asks_for_is_booked_all_the_same() {
    let shop = Shop::open().await;
    let gateway = looking(&shop, "100ms").start().await;
    let id = batch(&gateway).await;
    shop.finish(&id, json!({"input_tokens": 5, "output_tokens": 1}));
    let rows = eventually("the batch is booked", || async {
        let rows = gateway.rows().await;
        (!rows.is_empty()).then_some(rows)
    });
    assert_eq!(rows.await[0].tokens(), (5, 1));
}

#[tokio::test]
async fn no_batch_is_made_when_nothing_is_left() {
    let shop = Shop::open().await;
    let gateway = setup(&shop).search("budgets: [{ usd: 0.000001, per: lifetime }]").start().await;
    let id = batch(&gateway).await;
    shop.finish(&id, json!({"input_tokens": 1000, "output_tokens": 1000}));
    assert_eq!(gateway.get(&format!("/v1/batches/{id}")).await.status, 200);
    gateway.only_row().await;
    let asked = shop.upstream.count();
    let new = json!({"input_file_id": "file-0", "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    assert_eq!(gateway.post("/v1/batches", new.to_string()).await.openai_error(402), "budget_exhausted");
    assert_eq!(shop.upstream.count(), asked);
}

#[tokio::test]
async fn a_large_file_is_not_held() {
    const BYTES: usize = 96 << 20;
    let shop = Shop::open().await;
    let gateway = setup(&shop).start().await;
    put(&gateway, KEY, form("user_data", "{}")).await;
    let before = gateway.peak_bytes();
    let answer = put(&gateway, KEY, form("user_data", &"x".repeat(BYTES))).await;
    assert_eq!(answer.status, 200, "longer than `max_body_bytes`: {}", answer.text());
    let grown = gateway.peak_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more than before");
}

/// As OpenAI's SDK for Node sends it.
#[tokio::test]
async fn a_large_file_whose_purpose_comes_last_passes_unless_it_holds_requests() {
    let shop = Shop::open().await;
    let gateway = setup(&shop).server("max_body_bytes", "256KiB").start().await;
    let form =
        |purpose: &str| format!("{}{}--edge--\r\n", part("file", &"x".repeat(3 << 20)), part("purpose", purpose));
    let user_data = form("user_data");
    let answer = put(&gateway, KEY, user_data.clone()).await;
    assert_eq!((answer.status, &answer.json()["purpose"]), (200, &json!("user_data")), "{}", answer.text());
    assert!(shop.upstream.only().body == user_data, "as it was sent");
    assert_eq!(put(&gateway, KEY, form("batch")).await.openai_error(413), "body_too_large");
    assert!(!shop.upstream.requests().pop().expect("it began").whole, "the provider never had it");
    assert_eq!(shop.store.lock().files.len(), 1);
    gateway.assert_serves().await;
}

#[tokio::test]
async fn who_has_no_place_for_files_is_told_what_to_configure() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).start().await;
    for path in ["/v1/files", "/v1/batches", "/v1/files/file-1"] {
        let answer = gateway.get(path).await;
        assert_eq!(answer.openai_error(403), "files_not_configured", "{path}");
        assert!(answer.text().contains("`files.provider`"), "{}", answer.text());
    }
    assert_eq!(Call::get("/v1/files").send(gateway.address).await.openai_error(401), "missing_api_key");
}

#[tokio::test]
async fn a_provider_that_is_down_or_refuses_is_told_as_for_any_call() {
    let setup = Setup::new().provider("a", "openai", &format!("http://{}", ports::free()), "");
    let gateway = setup.target("fast", "a", "model-a").top("files: { provider: a }").start().await;
    assert_eq!(gateway.get("/v1/files").await.openai_error(502), "upstream_failed");
    assert_eq!(put(&gateway, KEY, form("user_data", &"x".repeat(100_000))).await.openai_error(502), "upstream_failed");
    let shop = Shop::open().await;
    let gateway = self::setup(&shop).start().await;
    put(&gateway, KEY, form("user_data", "{}")).await;
    for (status, told, code) in [
        (500, 502, "upstream_failed"),
        (401, 502, "upstream_rejected_credentials"),
        (429, 429, "upstream_rate_limited"),
    ] {
        shop.upstream.next(Script::error(status));
        assert_eq!(gateway.get("/v1/files/file-0").await.openai_error(told), code);
    }
    shop.upstream.next(Script::json(
        400,
        format!(r#"{{"error":{{"message":"no: {}","type":"x","param":null,"code":"bad"}}}}"#, secret("a")),
    ));
    let refused = gateway.get("/v1/files/file-0").await;
    assert_eq!(refused.openai_error(400), "bad", "the provider's words");
    assert!(!refused.text().contains(&secret("a")), "without its key");
    shop.upstream.next(Script::json(200, "[]"));
    assert_eq!(gateway.get("/v1/files").await.openai_error(502), "upstream_failed");
    // An answer that breaks off does not look whole.
    let gate = Gate::new();
    let half = Script::new().head(200, &[("content-type", "text/plain")]).body("half").wait(&gate).reset();
    shop.upstream.next(half);
    let mut content = Call::get("/v1/files/file-0/content").key(KEY).open(gateway.address).await;
    assert_eq!(content.piece().await.expect("a piece").as_deref(), Some(&b"half"[..]));
    gate.open();
    assert!(content.whole().await.broken.is_some());
    gateway.assert_serves().await;
}

#[tokio::test]
async fn paths_methods_and_queries_are_strict() {
    let shop = Shop::open().await;
    let gateway = setup(&shop).start().await;
    for path in ["/v1/files/a%2Fb", "/v1/files/.."] {
        assert_eq!(gateway.get(path).await.openai_error(400), "invalid_http_request", "{path}");
    }
    for path in ["/v1/files/", "/v1/files/a/b", "/v1/batches/a/content", "/v1beta/files"] {
        assert_eq!(gateway.get(path).await.openai_error(404), "route_not_found", "{path}");
    }
    assert_eq!(ask(&gateway, KEY, "DELETE", "/v1/files").await.openai_error(405), "method_not_allowed");
    for path in ["/v1/files?limit=0", "/v1/files?x=1", "/v1/batches?purpose=batch", "/v1/files/a?x=1"] {
        assert_eq!(gateway.get(path).await.openai_error(400), "invalid_request", "{path}");
    }
    assert_eq!(shop.upstream.count(), 0);
}

#[tokio::test]
async fn check_refuses_an_account_that_keeps_no_files() {
    let shop = Shop::open().await;
    let gateway = setup(&shop).start().await;
    let text = std::fs::read_to_string(gateway.config()).expect("it was written");
    let claude = "providers:\n  claude: { kind: anthropic, api_key: k }\n";
    let text = text.replace("providers:\n", claude).replace("files: { provider: a,", "files: { provider: claude,");
    std::fs::write(gateway.config(), text).expect("it can be written");
    let checked = gateway.command(&["check"]).await;
    let said = format!("{checked:?}");
    assert!(said.contains("files.provider: provider `claude` is of kind `anthropic`, which keeps no files"), "{said}");
}

/// What was made is known, whether or not the client waits to learn of it.
#[tokio::test]
async fn a_batch_whose_maker_left_is_booked_all_the_same() {
    let shop = Shop::open().await;
    let gateway = looking(&shop, "100ms").start().await;
    let file = put(&gateway, KEY, form("batch", &line("a", "fast"))).await.json();
    let batch = json!({"id": "batch_late", "status": "completed", "usage": {"input_tokens": 9, "output_tokens": 2}});
    shop.store.lock().batches.push(batch.clone());
    let gate = Gate::new();
    let mut script = Script::new().wait(&gate);
    script.steps.extend(Script::json(200, batch.to_string()).steps);
    shop.upstream.next(script);
    let new = json!({"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    let call = Call::post("/v1/batches", new.to_string()).key(KEY);
    let address = gateway.address;
    let client = tokio::spawn(async move { call.send(address).await.status });
    shop.upstream.request(1).await;
    client.abort();
    assert!(client.await.is_err(), "it left");
    gate.open();
    let rows = eventually("the batch is booked", || async {
        let rows = gateway.rows().await;
        (!rows.is_empty()).then_some(rows)
    });
    assert_eq!(rows.await[0].tokens(), (9, 2));
}
