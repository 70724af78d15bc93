//! Answers that are given to requests that mean the same: to whom, for what, and what it costs to find out.
//!
//! The upstream that makes vectors reads the angle that ends each text: texts whose angles are near mean the same.

use crate::support::call::{Answer, Call};
use crate::support::config::{INPUT_NANO_USD, KEY, OUTPUT_NANO_USD, Setup};
use crate::support::eventually;
use crate::support::gateway::{Gateway, run};
use crate::support::sample;
use crate::support::script::{Gate, Script};
use crate::support::upstream::{Recorded, Upstream};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const CACHE: &str = "x-weighbridge-cache";
const OTHER: &str = "wb-test-key-of-another-team-0123456789";
/// What a sample answer costs.
const COST: u64 = sample::INPUT * INPUT_NANO_USD + sample::OUTPUT * OUTPUT_NANO_USD;
/// Tokens that are held for a request beside its own bytes.
const FRAME: u64 = 64;
/// What a vector costs.
const VECTOR: u64 = 5 * INPUT_NANO_USD;

/// A gateway, whom it asks for answers, and whom for vectors.
struct Scene {
    upstream: Upstream,
    vectors: Upstream,
}

impl Scene {
    async fn new() -> Self {
        let (upstream, vectors) = (Upstream::start().await, Upstream::start().await);
        vectors.by(vector);
        Self { upstream, vectors }
    }

    /// Model `fast` with a cache that compares meanings by model `embed`; teams `search` and `other`.
    fn setup(&self, semantic: &str) -> Setup {
        Setup::openai(&[&self.upstream, &self.vectors])
            .model_of("fast", &["a"], "cache: { semantic: true, ttl: 1h }")
            .model_of("embed", &["b"], "")
            .team("other", "")
            .key("other-ci", "other", OTHER, "")
            .with_admin()
            .top(&format!("cache: {{ semantic: {{ model: embed, {semantic} }} }}"))
    }
}

/// The vector of the text that is asked about.
fn vector(request: &Recorded) -> Script {
    let asked = request.json();
    let text = asked["input"].as_str().expect("one text");
    let angle: f64 = text.rsplit(' ').next().and_then(|word| word.parse().ok()).expect("it ends in an angle");
    told(json!([angle.cos(), angle.sin(), 0]))
}

fn told(vector: Value) -> Script {
    let body = json!({"object": "list", "model": "model-b", "data": [{"object": "embedding", "index": 0, "embedding": vector}],
        "usage": {"prompt_tokens": 5, "total_tokens": 5}});
    Script::json(200, body.to_string())
}

fn chat(content: &str) -> Value {
    json!({"model": "fast", "messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": content}]})
}

fn said(content: &str) -> Script {
    Script::json(200, sample::CHAT.replace("Hello there", content))
}

/// What the cache had to do with an answer.
fn word(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.field(CACHE).unwrap_or("none")
}

async fn ask(gateway: &Gateway, key: &str, body: &Value, fields: &[(&str, &str)]) -> Answer {
    let call = fields.iter().fold(Call::post(CHAT, body.to_string()), |call, (name, value)| call.field(name, value));
    call.key(key).send(gateway.address).await
}

/// Asks this of `fast`, and tells what the cache had to do with it.
async fn says(gateway: &Gateway, content: &str) -> String {
    word(&ask(gateway, KEY, &chat(content), &[]).await).to_owned()
}

async fn cache(gateway: &Gateway) -> Value {
    gateway.admin("GET", "/cache", Value::Null).await.json()
}

async fn embedded(gateway: &Gateway, result: &str) -> f64 {
    gateway.metric(&format!("weighbridge_cache_embeddings_total{{result=\"{result}\"}}")).await
}

#[tokio::test]
async fn a_request_that_means_the_same_is_given_the_answer_and_every_vector_has_its_row() {
    let scene = Scene::new().await;
    scene.upstream.next(said("first")).next(said("second"));
    let gateway = scene.setup("threshold: 0.95").start().await;
    let first = ask(&gateway, KEY, &chat("what is it 0.00"), &[]).await;
    assert_eq!((word(&first), first.field("x-weighbridge-similarity")), ("miss", None));
    assert_eq!(first.field("x-weighbridge-cost-usd"), Some("0.000078000"), "its vector is paid apart");
    let near = ask(&gateway, KEY, &chat("what might it be 0.20"), &[]).await;
    assert_eq!((word(&near), near.field("x-weighbridge-similarity")), ("semantic", Some("0.9801")));
    assert_eq!((&near.body, near.field("x-weighbridge-cost-usd")), (&first.body, Some("0.000000000")));
    assert!(near.field("age").is_some() && near.field("x-weighbridge-attempts") == Some("0"), "{near:?}");
    let far = ask(&gateway, KEY, &chat("where is it 0.40"), &[]).await;
    assert!(word(&far) == "miss" && far.text().contains("second"), "{}", far.text());
    let nearer = ask(&gateway, KEY, &chat("where could it be 0.30"), &[]).await;
    assert_eq!((word(&nearer), &nearer.body), ("semantic", &far.body), "0.1 is nearer than 0.3");
    assert_eq!(says(&gateway, "where is it 0.40").await, "hit", "the same word for word needs no vector");
    assert_eq!((scene.upstream.count(), scene.vectors.count()), (2, 4));

    let mut told: Vec<_> = gateway
        .settled(9)
        .await
        .iter()
        .map(|row| {
            (
                row.text("provider").to_owned(),
                row.text("model").to_owned(),
                row.text("team").to_owned(),
                row.number("cost_nano_usd"),
                row.number("saved_nano_usd"),
            )
        })
        .collect();
    told.sort();
    let row = |provider: &str, model: &str, cost, saved| {
        (provider.to_owned(), model.to_owned(), "search".to_owned(), cost, saved)
    };
    let mut want = vec![row("a", "fast", COST, 0); 2];
    want.extend(vec![row("b", "embed", VECTOR, 0); 4]);
    want.extend(vec![row("cache", "fast", 0, COST); 3]);
    assert_eq!(told, want);
    gateway.assert_verified().await;

    gateway.over(9).await;
    let mut records = gateway.access_records();
    // A record is written when its request is over, which the next one does not wait for.
    records.sort_by_key(|record| record["time"].as_str().map(str::to_owned));
    let of = |model: &str, name: &str| -> Vec<Value> {
        records.iter().filter(|record| record["model"] == model).map(|record| record[name].clone()).collect()
    };
    assert_eq!(of("fast", "cache"), ["miss", "semantic", "miss", "semantic", "hit"]);
    assert_eq!(of("fast", "similarity")[1], json!(0.9801));
    assert_eq!(of("fast", "similarity")[4], Value::Null);
    assert_eq!(of("embed", "request_id")[..4], of("fast", "id")[..4], "a vector's record names what it is for");
    assert_eq!(of("embed", "cost_nano_usd"), vec![json!(VECTOR); 4]);
    let count = |result: &str| format!("weighbridge_cache_requests_total{{result=\"{result}\"}}");
    let counts = [
        gateway.metric(&count("hit")).await,
        gateway.metric(&count("semantic")).await,
        gateway.metric(&count("miss")).await,
    ];
    assert_eq!((counts, embedded(&gateway, "answered").await), ([1.0, 2.0, 2.0], 4.0));
    let view = cache(&gateway).await;
    assert_eq!((&view["hits"], &view["semantic_hits"], &view["compared"]), (&json!(3), &json!(2), &json!(2)));
    let shown = gateway.command(&["cache", "show"]).await.ok();
    assert!(shown.contains("by meaning: 2 answers compared, 2 of the hits"), "{shown}");
    assert_eq!(gateway.admin("DELETE", "/cache?model=fast", Value::Null).await.json(), json!({"purged": 2}));
    assert_eq!(says(&gateway, "what might it be 0.20").await, "miss");
}

#[tokio::test]
async fn everything_but_the_last_message_must_be_the_same() {
    let scene = Scene::new().await;
    let gateway = scene
        .setup("threshold: 0.9")
        .key("second", "search", "wb-test-second-key-of-team-search-0123", "")
        .start()
        .await;
    assert_eq!(says(&gateway, "one 0.00").await, "miss");
    let with = |name: &str, value: Value| {
        let mut body = chat("two 0.01");
        body[name] = value;
        body
    };
    let user = json!({"role": "user", "content": "two 0.01"});
    let tool = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    let others = [
        with("messages", json!([{"role": "system", "content": "be rude"}, user])),
        with("messages", json!([user])),
        with(
            "messages",
            json!([{"role": "system", "content": "be kind"}, {"role": "user", "content": "before 0.01"}, {"role": "assistant", "content": "so"}, user]),
        ),
        with(
            "messages",
            json!([{"role": "system", "content": "be kind"}, {"role": "user", "content": [{"type": "text", "text": "two 0.01"}]}]),
        ),
        with("temperature", json!(0.5)),
        with("max_tokens", json!(9)),
        with("response_format", json!({"type": "json_object"})),
        with("tools", tool),
        with("seed", json!(1)),
    ];
    for body in &others {
        assert_eq!(word(&ask(&gateway, KEY, body, &[]).await), "miss", "{body}");
    }
    for key in [OTHER, "wb-test-second-key-of-team-search-0123"] {
        let answer = ask(&gateway, key, &chat("two 0.01"), &[]).await;
        assert_eq!(word(&answer), "miss", "{key}");
    }
    let of_user = [("x-weighbridge-user", "ann")];
    let answer = ask(&gateway, KEY, &chat("four 0.01"), &of_user).await;
    assert_eq!(word(&answer), "miss", "what was answered to nobody in particular is not told to a user");
    let again = ask(&gateway, OTHER, &chat("three 0.01"), &[]).await;
    assert_eq!(word(&again), "semantic", "of that team's own");
    assert_eq!(says(&gateway, "two 0.01").await, "hit", "word by word it is the team's");
    assert_eq!(says(&gateway, "five 0.01").await, "semantic", "the first one is still there");
}

#[tokio::test]
async fn what_is_more_than_a_short_plain_text_is_never_compared() {
    let scene = Scene::new().await;
    let gateway = scene.setup("max_text_bytes: 20").start().await;
    let image = json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}});
    let call = json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let conversations = [
        json!([{"role": "user", "content": [{"type": "text", "text": "what 0.00"}, image]}]),
        json!([{"role": "user", "content": [image]}, {"role": "user", "content": "what 0.00"}]),
        json!([{"role": "user", "content": "what 0.00"}, {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "42"}]),
        json!([{"role": "user", "content": "what 0.00"}, {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "42"}, {"role": "user", "content": "so? 0.00"}]),
        json!([{"role": "user", "content": "this is one byte too long 0.00"}]),
        json!([{"role": "user", "content": ""}]),
    ];
    for messages in conversations {
        let body = json!({"model": "fast", "messages": messages});
        assert_eq!(word(&ask(&gateway, KEY, &body, &[]).await), "miss", "{body}");
        assert_eq!(word(&ask(&gateway, KEY, &body, &[]).await), "hit", "{body}");
    }
    assert_eq!((scene.vectors.count(), cache(&gateway).await["compared"].clone()), (0, json!(0)));
}

#[tokio::test]
async fn without_a_vector_a_request_is_answered_as_if_there_were_none_to_have() {
    let scene = Scene::new().await;
    let gateway = scene.setup("timeout: 300ms").model_of("embed", &["b"], "max_attempts: 1").start().await;
    assert_eq!(says(&gateway, "one 0.00").await, "miss");
    let broken = [
        ("late", Script::silence()),
        (
            "late",
            Script::new()
                .head(200, &[("content-type", "application/json"), ("content-length", "99")])
                .body("{")
                .stall(),
        ),
        ("failed", Script::error(500)),
        ("failed", Script::error(400)),
        ("failed", Script::hang_up()),
        ("failed", Script::answer(200, "text/html", "<html>")),
        (
            "garbage",
            Script::json(
                200,
                json!({"object": "list", "data": [], "usage": {"prompt_tokens": 5, "total_tokens": 5}}).to_string(),
            ),
        ),
        ("garbage", told(json!([0, 0, 0]))),
        ("garbage", told(json!([1]))),
        ("answered", told(json!([1, 0]))),
    ];
    let mut counts = std::collections::BTreeMap::from([("answered", 1.0)]);
    for (n, (result, script)) in broken.into_iter().enumerate() {
        scene.vectors.always(script);
        let content = format!("case {n} 0.00");
        assert_eq!(says(&gateway, &content).await, "miss", "{result} {n}: of other dimensions in the end");
        assert_eq!(says(&gateway, &content).await, "hit", "it is kept for itself");
        let count = counts.entry(result).or_insert(0.0);
        *count += 1.0;
        assert_eq!(embedded(&gateway, result).await, *count, "{result} {n}");
    }
    let open = || async { (gateway.metric("weighbridge_open_requests").await == 0.0).then_some(()) };
    eventually("nothing is open", open).await;
    gateway.assert_verified().await;
}

#[tokio::test]
async fn the_model_that_is_asked_may_change_and_vectors_of_two_are_never_compared() {
    let scene = Scene::new().await;
    let second = Upstream::start().await;
    second.by(vector);
    let gateway = Setup::openai(&[&scene.upstream, &scene.vectors, &second])
        .model_of("fast", &["a"], "cache: { semantic: true }")
        .model_of("embed", &["b", "c"], "")
        .top("cache: { semantic: { model: embed } }")
        .start()
        .await;
    assert_eq!(says(&gateway, "one 0.00").await, "miss");
    assert_eq!(says(&gateway, "two 0.01").await, "semantic");
    scene.vectors.always(Script::error(503));
    assert_eq!(says(&gateway, "two 0.02").await, "miss", "b/model-b is down, and c/model-c means something else by it");
    assert_eq!(says(&gateway, "two 0.03").await, "semantic", "as that of c/model-c");
    assert_eq!(second.count(), 2);
}

#[tokio::test]
async fn vectors_are_paid_by_the_budgets_and_what_cannot_be_paid_is_not_asked() {
    let scene = Scene::new().await;
    // Room for what is held for one vector, and for two that are paid.
    let hold = (r#"{"input":"which 10.00","model":"embed"}"#.len() as u64 + FRAME) * INPUT_NANO_USD;
    let usd = format!("budgets: [{{ usd: 0.{:09}, per: day }}]", hold + 2 * VECTOR);
    let gateway = scene.setup("threshold: 0.99").model_of("embed", &["b"], &usd).start().await;
    for n in 0..14 {
        assert_eq!(says(&gateway, &format!("which {n}.00")).await, "miss");
    }
    let (asked, refused) = (scene.vectors.count(), embedded(&gateway, "refused").await);
    assert!((3..=12).contains(&asked) && asked as f64 + refused == 14.0, "{asked} {refused}");
    let budgets = gateway.admin("GET", "/budgets", Value::Null).await.json();
    assert_eq!(budgets["budgets"][0]["settled"], json!(asked as u64 * VECTOR), "{budgets}");
    assert_eq!(budgets["budgets"][0]["reserved"], json!(0));
    gateway.assert_verified().await;

    let spent = scene.setup("").search("budgets: [{ usd: 0.000001, per: day }]").start().await;
    let before = scene.vectors.count();
    let answer = ask(&spent, KEY, &chat("one 0.00"), &[]).await;
    assert_eq!(answer.openai_error(402), "budget_exhausted");
    assert_eq!((scene.vectors.count(), embedded(&spent, "refused").await), (before, 1.0));
}

#[tokio::test]
async fn a_vector_counts_its_tokens_but_is_no_request_of_the_callers_limits() {
    let scene = Scene::new().await;
    let limits = "limits: [{ requests: 9, per: hour }, { concurrent: 1 }, { tokens: 1000, per: hour }]";
    let gateway = scene.setup("").search(limits).start().await;
    let left = |answer: &Answer, what: &str| {
        answer.field(&format!("x-ratelimit-remaining-{what}")).and_then(|left| left.parse::<u64>().ok()).expect("told")
    };
    let mut body = chat("one 0.00");
    body["max_tokens"] = json!(5);
    assert_eq!(word(&ask(&gateway, KEY, &body, &[]).await), "miss");
    body["messages"][1]["content"] = json!("two 0.01");
    let near = ask(&gateway, KEY, &body, &[]).await;
    assert_eq!(word(&near), "semantic");
    assert_eq!((left(&near, "requests"), left(&near, "tokens")), (7, 1_000 - 18 - 5 - 5));

    // Counted by user, too.
    let each =
        scene.setup("").search("limits: [{ requests: 2, per: hour, each: user }, { concurrent: 1, each: user }]");
    let gateway = each.start().await;
    let ann = [("x-weighbridge-user", "ann")];
    assert_eq!(word(&ask(&gateway, KEY, &chat("one 0.00"), &ann).await), "miss");
    assert_eq!(word(&ask(&gateway, KEY, &chat("two 0.01"), &ann).await), "semantic");
    assert_eq!(ask(&gateway, KEY, &chat("three 0.01"), &ann).await.status, 429);
}

#[tokio::test]
async fn a_wider_scope_shares_answers_by_meaning_where_the_file_says_so() {
    let scene = Scene::new().await;
    const SECOND: &str = "wb-test-second-key-of-team-search-0123";
    let gateway = scene.setup("scope: team").key("second", "search", SECOND, "").start().await;
    assert_eq!(says(&gateway, "one 0.00").await, "miss");
    assert_eq!(word(&ask(&gateway, SECOND, &chat("two 0.01"), &[]).await), "semantic");
    assert_eq!(word(&ask(&gateway, OTHER, &chat("two 0.01"), &[]).await), "miss", "never another team");
}

#[tokio::test]
async fn no_budget_sends_a_vector_to_another_model() {
    let scene = Scene::new().await;
    // One vector is more than a hundredth of it.
    let nano = 50 * VECTOR;
    let budget = format!("budgets: [{{ usd: 0.{nano:09}, per: day, on_exhausted: {{ fallback: fast, at: 1% }} }}]");
    let gateway = scene.setup("").model_of("embed", &["b"], &budget).start().await;
    let asks = json!({"model": "embed", "input": "one 0.00"}).to_string();
    assert_eq!(gateway.post("/v1/embeddings", asks).await.status, 200);
    assert_eq!(says(&gateway, "two 0.01").await, "miss");
    assert_eq!((scene.vectors.count(), scene.upstream.count()), (2, 1));
}

#[tokio::test]
async fn a_client_refuses_it_as_it_refuses_the_rest_of_the_cache() {
    let scene = Scene::new().await;
    let gateway = scene.setup("").start().await;
    assert_eq!(says(&gateway, "one 0.00").await, "miss");
    for field in [(CACHE, "no-store"), ("cache-control", "no-store")] {
        assert_eq!(word(&ask(&gateway, KEY, &chat("two 0.01"), &[field]).await), "bypass", "{field:?}");
    }
    assert_eq!(scene.vectors.count(), 1);
    for (n, field) in [(CACHE, "no-cache"), ("cache-control", "max-age=0")].into_iter().enumerate() {
        let fresh = format!("fresh {n}");
        scene.upstream.next(said(&fresh));
        assert_eq!(word(&ask(&gateway, KEY, &chat("two 0.10"), &[field]).await), "miss", "{field:?}");
        let again = ask(&gateway, KEY, &chat("three 0.11"), &[]).await;
        assert!(word(&again) == "semantic" && again.text().contains(&fresh), "the fresh one is kept: {}", again.text());
    }
}

#[tokio::test]
async fn only_models_and_teams_that_want_it_are_compared() {
    let scene = Scene::new().await;
    let gateway = scene
        .setup("")
        .model_of("plain", &["a"], "cache: {}")
        .model_of("refusing", &["a"], "cache: { semantic: false }")
        .team("eager", "cache: { semantic: true }")
        .key("eager-ci", "eager", "wb-test-key-of-team-eager-0123456789ab", "")
        .start()
        .await;
    let eager = "wb-test-key-of-team-eager-0123456789ab";
    for (key, model, want) in
        [(KEY, "plain", "miss"), (eager, "plain", "semantic"), (eager, "refusing", "miss"), (KEY, "fast", "semantic")]
    {
        for (content, want) in [("one 0.00", "miss"), ("two 0.01", want)] {
            let mut body = chat(content);
            body["model"] = json!(model);
            assert_eq!(word(&ask(&gateway, key, &body, &[]).await), want, "{key} {model}");
        }
    }
    assert_eq!(scene.vectors.count(), 4);
    let told = gateway.command(&["check"]).await.ok();
    assert!(told.contains("answers are kept, also by meaning") || told.contains("for 1h, also by meaning"), "{told}");
    assert!(
        told.contains("vectors of model embed, cosine at least 0.95, within 1s, of texts up to 4096 bytes"),
        "{told}"
    );
}

#[tokio::test]
async fn streams_are_given_again_as_streams_and_in_the_clients_own_dialect() {
    let scene = Scene::new().await;
    let gateway = scene.setup("").start().await;
    let stream = |content: &str| {
        let mut body = chat(content);
        body["stream"] = json!(true);
        body
    };
    scene.upstream.next(Script::events(sample::chat_events()));
    let first = ask(&gateway, KEY, &stream("one 0.00"), &[]).await;
    assert_eq!(word(&first), "miss");
    let again = ask(&gateway, KEY, &stream("two 0.01"), &[]).await;
    assert_eq!((word(&again), again.unbroken()), ("semantic", first.unbroken()));
    assert_eq!(again.field("content-type"), first.field("content-type"));
    assert_eq!(says(&gateway, "two 0.01").await, "miss", "a stream is not given for a whole answer");
    let dialects = [
        (
            "/v1/messages",
            json!({"model": "fast", "max_tokens": 9, "messages": [{"role": "user", "content": "X"}]}),
            sample::CHAT,
        ),
        ("/v1/responses", json!({"model": "fast", "input": "X"}), sample::RESPONSE),
    ];
    for (path, body, answer) in dialects {
        scene.upstream.next(Script::json(200, answer));
        let call = |content: &str| Call::post(path, body.to_string().replace('X', content)).key(KEY);
        let first = call("one 0.00").send(gateway.address).await;
        assert_eq!(word(&first), "miss", "{path}");
        let again = call("two 0.01").send(gateway.address).await;
        assert_eq!((word(&again), &again.body), ("semantic", &first.body), "{path}");
    }
}

#[tokio::test]
async fn a_reload_begins_anew_with_what_it_says() {
    let scene = Scene::new().await;
    let gateway = scene.setup("threshold: 0.9").model_of("embed2", &["b"], "").start().await;
    for (from, to, want) in [
        ("threshold: 0.9 ", "threshold: 0.9  ", ["miss", "semantic"]),
        ("threshold: 0.9", "threshold: 0.999", ["miss", "miss"]),
        ("threshold: 0.999", "threshold: 0.9", ["miss", "semantic"]),
        ("model: embed,", "model: embed2,", ["miss", "semantic"]),
        ("cache: { semantic: true,", "cache: { semantic: false,", ["miss", "miss"]),
    ] {
        gateway.edit(|text| text.replace(from, to));
        assert_eq!(gateway.admin("POST", "/reload", Value::Null).await.status, 200);
        let told = [says(&gateway, "one 0.00").await, says(&gateway, "two 0.20").await];
        assert_eq!(told, want, "{to}");
    }
    let models: Vec<_> = gateway.settled(18).await.iter().map(|row| row.text("model").to_owned()).collect();
    let count = |name: &str| models.iter().filter(|model| *model == name).count();
    assert_eq!((count("embed"), count("embed2")), (6, 2), "{models:?}");
}

#[tokio::test]
async fn vectors_stand_within_the_bytes_of_the_cache_and_go_with_their_answers() {
    let scene = Scene::new().await;
    let long = |request: &Recorded| {
        let text = request.json()["input"].as_str().expect("one text").to_owned();
        let at: usize = text.rsplit(' ').next().and_then(|word| word.parse().ok()).expect("a number");
        told(json!((0..1024).map(|n| u8::from(n == at)).collect::<Vec<_>>()))
    };
    scene.vectors.by(long);
    let setup = Setup::openai(&[&scene.upstream, &scene.vectors])
        .model_of("fast", &["a"], "cache: { semantic: true }")
        .model_of("embed", &["b"], "")
        .with_admin()
        .top("cache: { max_bytes: 64KiB, semantic: { model: embed } }");
    let gateway = setup.start().await;
    for n in 0..40 {
        assert_eq!(says(&gateway, &format!("what {n}")).await, "miss");
    }
    let view = cache(&gateway).await;
    let (answers, bytes) = (view["answers"].as_u64().expect("a count"), view["bytes"].as_u64().expect("a count"));
    assert!((5..16).contains(&answers) && bytes <= 64 << 10, "a vector takes 4 KiB: {view}");
    assert_eq!(view["compared"], view["answers"]);
    let mut kept = 0;
    for n in 0..40 {
        kept += u64::from(says(&gateway, &format!("which {n}")).await == "semantic");
    }
    assert!(kept >= 1, "those that are left are found");
}

#[tokio::test]
async fn what_is_embedded_is_what_guardrails_leave_and_nobodys_guardrails_are_passed_by() {
    let scene = Scene::new().await;
    let guard = "guardrails:\n  pii: { kind: pii, entities: [email], action: redact, on: [input] }";
    let gateway = scene.setup("").top(guard).search("guardrails: [pii]").start().await;
    assert_eq!(says(&gateway, "I am ann@example.com 0.00").await, "miss");
    assert_eq!(scene.vectors.only().json(), json!({"model": "model-b", "input": "I am [EMAIL] 0.00"}));
    let near = ask(&gateway, KEY, &chat("this is eve@example.com 0.01"), &[]).await;
    assert_eq!((word(&near), near.field("x-weighbridge-guardrails")), ("semantic", Some("pii;input;redact;email=1")));

    let gateway = scene.setup("").top(guard).model_of("embed", &["b"], "guardrails: [pii]").start().await;
    let before = scene.vectors.count();
    assert_eq!(says(&gateway, "I am ann@example.com 0.00").await, "miss");
    assert_eq!(
        (scene.vectors.count(), embedded(&gateway, "refused").await),
        (before, 1.0),
        "that model's guardrail did not look"
    );
}

#[tokio::test]
async fn what_is_under_way_when_answers_are_dropped_is_not_kept() {
    let scene = Scene::new().await;
    let gateway = scene.setup("").start().await;
    let gate = Gate::new();
    let slow = Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("Hel")).wait(&gate);
    scene.upstream.next(slow.body(sample::CHAT_FINISH).body(sample::CHAT_USAGE).body(sample::CHAT_DONE).end());
    let mut body = chat("one 0.00");
    body["stream"] = json!(true);
    let mut open = gateway.open(CHAT, body.to_string()).await;
    open.event().await.expect("the stream has begun");
    assert_eq!(gateway.admin("DELETE", "/cache", Value::Null).await.json(), json!({"purged": 0}));
    gate.open();
    assert!(open.whole().await.broken.is_none());
    assert_eq!(cache(&gateway).await["compared"], 0);
}

#[tokio::test]
async fn check_and_explain_tell_whether_meanings_are_compared() {
    let scene = Scene::new().await;
    let gateway = scene.setup("").start().await;
    let config = gateway.config().display().to_string();
    let told = run(&["explain", "--key", "search-ci", "--model", "fast", "-c", &config]).await.ok();
    assert!(told.contains("or to one that means the same") || told.contains("not compared by meaning"), "{told}");
    for (from, to, want) in [
        ("model: embed,", "model: fats,", "cache.semantic.model"),
        ("model: embed,", "model: embed, threshold: 1.5", "cache.semantic.threshold"),
        ("semantic: { model: embed,  }", "ttl: 1m", "models.fast.cache.semantic"),
    ] {
        gateway.edit(|text| text.replace(from, to));
        let failed = gateway.command(&["check"]).await.failed();
        assert!(failed.contains(want), "{want}: {failed}");
        gateway.edit(|text| text.replace(to, from));
    }
    let claude = Setup::anthropic(&[&scene.upstream])
        .model("fast", 1, "cache: { semantic: true }")
        .top("cache: { semantic: { model: fast } }");
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("w.yaml");
    let any = "127.0.0.1:0".parse().expect("an address");
    std::fs::write(&file, claude.text(any, None, any, dir.path())).expect("written");
    let failed = run(&["check", "-c", &file.display().to_string()]).await.failed();
    assert!(failed.contains("cache.semantic.model") && failed.contains("answers embeddings"), "{failed}");
}
