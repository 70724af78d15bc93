//! Embeddings and reranking of every maker: clients of OpenAI's embeddings and of Cohere's reranking are answered by
//! models of other makers, and cannot tell; what does not fit is refused or told.

use crate::support::config::Setup;
use crate::support::gateway::Gateway;
use crate::support::script::Script;
use crate::support::upstream::Upstream;
use serde_json::{Value, json};

/// Base64 of 1, -0.5 and 0.25 as little-endian `f32`s.
const PACKED: &str = "AACAPwAAAL8AAIA+";

/// A gateway whose model `fast` is `model` of one upstream of `kind`, which answers with `script`.
async fn in_front_of(kind: &str, model: &str, script: Script) -> (Upstream, Gateway) {
    let upstream = Upstream::start().await;
    upstream.always(script);
    let region = if kind == "bedrock" { "region: us-east-1" } else { "" };
    let setup = Setup::new().provider("a", kind, &format!("http://{}", upstream.address), region);
    let gateway = setup.target("fast", "a", model).price(model, "input: 2, output: 8").start().await;
    (upstream, gateway)
}

/// One maker: kind, model, where its API stands, what it answers, what it is asked, and tokens that it reports.
struct Maker {
    kind: &'static str,
    model: &'static str,
    path: &'static str,
    answer: Script,
    sent: Value,
}

fn makers() -> Vec<Maker> {
    let floats = json!([1, -0.5, 0.25]);
    let answer = |body: Value| Script::json(200, body.to_string());
    vec![
        Maker {
            kind: "cohere",
            model: "embed-v4.0",
            path: "/v2/embed",
            answer: answer(json!({ "id": "1", "embeddings": { "float": [floats] },
                "meta": { "billed_units": { "input_tokens": 11 } } })),
            sent: json!({ "model": "embed-v4.0", "texts": ["one"], "input_type": "search_document",
                "embedding_types": ["float"] }),
        },
        Maker {
            kind: "gemini",
            model: "gemini-embedding-001",
            path: "/v1beta/models/gemini-embedding-001:batchEmbedContents",
            answer: answer(
                json!({ "embeddings": [{ "values": floats }], "usageMetadata": { "promptTokenCount": 11 } }),
            ),
            sent: json!({ "requests": [{ "model": "models/gemini-embedding-001",
                "content": { "parts": [{ "text": "one" }] } }] }),
        },
        Maker {
            kind: "bedrock",
            model: "amazon.titan-embed-text-v2:0",
            path: "/model/amazon.titan-embed-text-v2%3A0/invoke",
            answer: answer(json!({ "embedding": floats, "inputTextTokenCount": 11 })),
            sent: json!({ "inputText": "one" }),
        },
        Maker {
            kind: "bedrock",
            model: "cohere.embed-v4:0",
            path: "/model/cohere.embed-v4%3A0/invoke",
            answer: Script::new()
                .head(200, &[("content-type", "application/json"), ("x-amzn-bedrock-input-token-count", "11")])
                .body(json!({ "embeddings": { "float": [floats] }, "id": "1" }).to_string())
                .end(),
            sent: json!({ "texts": ["one"], "input_type": "search_document", "embedding_types": ["float"] }),
        },
        Maker {
            kind: "voyage",
            model: "voyage-3.5",
            path: "/v1/embeddings",
            answer: answer(json!({ "object": "list", "data": [{ "embedding": PACKED, "index": 0 }],
                "usage": { "total_tokens": 11 } })),
            sent: json!({ "model": "voyage-3.5", "input": ["one"], "encoding_format": "base64" }),
        },
        Maker {
            kind: "jina",
            model: "jina-embeddings-v3",
            path: "/v1/embeddings",
            answer: answer(json!({ "object": "list", "data": [{ "embedding": floats, "index": 0 }],
                "usage": { "total_tokens": 11, "prompt_tokens": 11 } })),
            sent: json!({ "model": "jina-embeddings-v3", "input": ["one"] }),
        },
    ]
}

#[tokio::test]
async fn an_openai_client_gets_the_vectors_of_every_maker() {
    for Maker { kind, model, path, answer, sent } in makers() {
        let (upstream, gateway) = in_front_of(kind, model, answer).await;
        // As OpenAI's SDK asks.
        let ask = r#"{"model":"fast","input":["one"],"encoding_format":"base64"}"#;
        let got = gateway.post("/v1/embeddings", ask).await;
        assert_eq!(got.status, 200, "{kind}/{model}: {}", got.text());
        let told: Value = serde_json::from_str(got.text()).expect("JSON");
        let want = json!({ "object": "list", "model": "fast",
            "data": [{ "object": "embedding", "index": 0, "embedding": PACKED }],
            "usage": { "prompt_tokens": 11, "total_tokens": 11 } });
        assert_eq!(told, want, "{kind}/{model}");
        assert_eq!(got.field("x-weighbridge-dropped"), None);
        let seen = upstream.only();
        assert_eq!((seen.path(), seen.json()), (path, sent), "{kind}/{model}");
        assert!(seen.head.get("authorization").is_some() || kind == "gemini", "{kind}: {:?}", seen.head);
        let row = gateway.only_row().await;
        assert_eq!((row.tokens(), row.text("usage_origin")), ((11, 0), "reported"), "{kind}/{model}");
    }
}

#[tokio::test]
async fn what_no_provider_reports_is_estimated_and_the_row_says_so() {
    let body = json!({ "embeddings": [{ "values": [0.5] }, { "values": [1e-7] }] });
    let (_upstream, gateway) = in_front_of("gemini", "text-embedding-004", Script::json(200, body.to_string())).await;
    let ask = r#"{"model":"fast","input":["some words","and some more of them"]}"#;
    let got = gateway.post("/v1/embeddings", ask).await;
    let told: Value = serde_json::from_str(got.text()).expect("JSON");
    assert_eq!(told["data"][1]["embedding"], json!([1e-7]), "{}", got.text());
    assert!(told["usage"]["prompt_tokens"].as_u64().is_some_and(|tokens| tokens > 0), "{}", got.text());
    let row = gateway.only_row().await;
    assert_eq!(row.text("usage_origin"), "estimated");
    assert!(row.tokens().0 > 0, "{}", row.0);
}

#[tokio::test]
async fn more_texts_than_a_maker_takes_at_once_and_tokens_are_refused_before_anything_is_sent() {
    let many = |count: usize| json!({ "model": "fast", "input": vec!["a"; count] }).to_string();
    for (kind, model, most) in [
        ("cohere", "embed-v4.0", 96),
        ("gemini", "gemini-embedding-001", 100),
        ("bedrock", "amazon.titan-embed-text-v2:0", 1),
    ] {
        let (upstream, gateway) = in_front_of(kind, model, Script::error(500)).await;
        let refused = gateway.post("/v1/embeddings", many(most + 1)).await;
        assert_eq!(refused.openai_error(400), "invalid_request");
        assert!(refused.text().contains(&format!("at most {most} a request")), "{}", refused.text());
        let tokens = gateway.post("/v1/embeddings", r#"{"model":"fast","input":[[1,2],[3]]}"#).await;
        assert_eq!(tokens.openai_error(400), "invalid_request");
        assert!(tokens.text().contains("`input[0]` is of tokens"), "{}", tokens.text());
        assert!(upstream.requests().is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn a_target_that_takes_more_answers_instead() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let data: Vec<_> = (0..97).map(|index| json!({ "embedding": [index], "index": index })).collect();
    let body = json!({ "data": data, "usage": { "total_tokens": 97 } });
    second.always(Script::json(200, body.to_string()));
    let setup = Setup::new().provider("a", "cohere", &format!("http://{}", first.address), "").provider(
        "b",
        "voyage",
        &format!("http://{}", second.address),
        "",
    );
    let gateway = setup.model("fast", 2, "").start().await;
    let ask = json!({ "model": "fast", "input": vec!["a"; 97] });
    let got = gateway.post("/v1/embeddings", ask.to_string()).await;
    assert_eq!((got.status, got.field("x-weighbridge-model")), (200, Some("b/model-b")), "{}", got.text());
    assert!(first.requests().is_empty());
}

#[tokio::test]
async fn what_a_maker_has_no_word_for_is_refused_with_its_path_or_dropped_and_told() {
    let upstream = Upstream::start().await;
    upstream.always(Script::json(200, r#"{"embeddings":{"float":[[0.5]]}}"#));
    let ask = r#"{"model":"fast","input":"a","late_chunking":true,"user":"u"}"#;
    let setup = |more: &str| Setup::new().providers("cohere", &[&upstream]).model("fast", 1, more);
    let strict = setup("").start().await;
    let refused = strict.post("/v1/embeddings", ask).await;
    assert_eq!(refused.openai_error(400), "not_translatable");
    assert_eq!(refused.json()["error"]["param"], "late_chunking");
    assert!(upstream.requests().is_empty(), "nothing was sent");
    let lenient = setup("translation: { unsupported: drop }").start().await;
    let answered = lenient.post("/v1/embeddings", ask).await;
    assert_eq!(answered.status, 200, "{}", answered.text());
    assert_eq!(answered.field("x-weighbridge-dropped"), Some("late_chunking, user"));
    let sent = upstream.only().json();
    assert_eq!((&sent["late_chunking"], &sent["user"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn reranking_goes_to_every_maker_and_what_is_billed_is_read() {
    let ask = r#"{"model":"fast","query":"q","documents":["a",{"text":"b"}],"top_n":1,"return_documents":true}"#;
    let results = json!([{ "index": 1, "relevance_score": 0.875 }]);
    let cases = [
        (
            "cohere",
            "rerank-v3.5",
            "/v2/rerank",
            json!({ "id": "1", "results": results, "meta": { "billed_units": { "search_units": 1 } } }),
            json!({ "model": "rerank-v3.5", "query": "q", "documents": ["a", "b"], "top_n": 1 }),
            (0, "reported"),
        ),
        (
            "bedrock",
            "cohere.rerank-v3-5:0",
            "/model/cohere.rerank-v3-5%3A0/invoke",
            json!({ "results": results }),
            json!({ "query": "q", "documents": ["a", "b"], "top_n": 1, "api_version": 2 }),
            (0, "estimated"),
        ),
        (
            "voyage",
            "rerank-2.5",
            "/v1/rerank",
            json!({ "data": results, "usage": { "total_tokens": 11 } }),
            json!({ "model": "rerank-2.5", "query": "q", "documents": ["a", "b"], "top_k": 1 }),
            (11, "reported"),
        ),
    ];
    for (kind, model, path, answer, sent, (tokens, origin)) in cases {
        let (upstream, gateway) = in_front_of(kind, model, Script::json(200, answer.to_string())).await;
        for call in ["/v1/rerank", "/v2/rerank"] {
            let got = gateway.post(call, ask).await;
            assert_eq!(got.status, 200, "{kind}: {}", got.text());
            let told: Value = serde_json::from_str(got.text()).expect("JSON");
            let want = json!([{ "index": 1, "relevance_score": 0.875, "document": { "text": "b" } }]);
            assert_eq!((&told["results"], &told["model"]), (&want, &json!("fast")), "{kind}");
            let units = told["meta"]["billed_units"]["search_units"].as_u64().unwrap_or(0);
            let total = told["usage"]["total_tokens"].as_u64().unwrap_or(0);
            assert_eq!((units, total), (u64::from(tokens == 0), tokens), "{kind}: {}", got.text());
        }
        let seen = upstream.requests();
        assert!(seen.iter().all(|seen| seen.path() == path && seen.json() == sent), "{kind}: {seen:#?}");
        let rows = gateway.settled(2).await;
        for row in rows {
            assert_eq!((row.tokens(), row.text("usage_origin")), ((tokens, 0), origin), "{kind}: {}", row.0);
        }
    }
}

#[tokio::test]
async fn reranking_passes_byte_for_byte_where_it_is_spoken_as_it_is_asked() {
    let ask = "{ \"query\":\"q\",\"documents\" : [\"gr\\u00fc\"], \"model\":\"fast\",\"priority\":{\"x\":[1.50]} }";
    let answer = r#"{"id":"rerank-1","model":"m","usage":{"total_tokens":11},"results":[{"index":0,"document":{"text":"grü"},"relevance_score":0.99}]}"#;
    for kind in ["openai", "jina"] {
        let (upstream, gateway) = in_front_of(kind, "bge", Script::json(200, answer)).await;
        let got = gateway.post("/v1/rerank", ask).await;
        assert_eq!((got.status, got.text()), (200, answer), "{kind}");
        let seen = upstream.only();
        assert_eq!((seen.path(), seen.text()), ("/v1/rerank", &*ask.replace("\"fast\"", "\"bge\"")), "{kind}");
        assert_eq!(gateway.only_row().await.tokens(), (11, 0), "{kind}");
    }
}

#[tokio::test]
async fn a_budget_does_not_pay_for_searches_without_a_price() {
    let upstream = Upstream::start().await;
    let gateway = Setup::new()
        .provider("a", "cohere", &format!("http://{}", upstream.address), "")
        .target("fast", "a", "rerank-v3.5")
        .price("rerank-v3.5", "input: 2, output: 8")
        .search("budgets: [{ usd: 5, per: day }]")
        .start()
        .await;
    let refused = gateway.post("/v1/rerank", r#"{"model":"fast","query":"q","documents":["a"]}"#).await;
    assert_eq!(refused.openai_error(402), "budget_price_unknown");
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn errors_and_broken_answers_of_the_provider_are_told_in_the_clients_dialect() {
    let ask = r#"{"model":"fast","input":"a"}"#;
    let refusal = Script::json(400, r#"{"detail":"The request body is too long."}"#);
    let (_upstream, gateway) = in_front_of("voyage", "voyage-3.5", refusal).await;
    let refused = gateway.post("/v1/embeddings", ask).await;
    let body: Value = serde_json::from_str(refused.text()).expect("JSON");
    assert_eq!((refused.status, &body["error"]["message"]), (400, &json!("The request body is too long.")));
    for broken in [r#"{"data":[],"usage":{"total_tokens":1}}"#, r#"{"data":[{"embedding":[{}],"index":0}]}"#, "{}"] {
        let (_upstream, gateway) = in_front_of("voyage", "voyage-3.5", Script::json(200, broken)).await;
        assert_eq!(gateway.post("/v1/embeddings", ask).await.openai_error(502), "upstream_failed", "{broken}");
    }
}
