//! Calls that are no conversation: the knobs hold for them, and the books count them.

use super::{Bench, soon};
use crate::simulate::Outcome;
use http_body_util::BodyExt;
use hyper::StatusCode;
use serde_json::{Value, json};

fn speech(more: &Value) -> Value {
    let mut ask = json!({"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "four and four and four"});
    more.as_object().into_iter().flatten().for_each(|(name, value)| ask[name] = value.clone());
    ask
}

#[tokio::test]
async fn speech_is_as_long_as_its_text() {
    let bench = Bench::new("").await;
    let sound =
        bench.send("POST", "/v1/audio/speech", &[], &speech(&json!({"response_format": "pcm"})).to_string()).await;
    assert_eq!(sound.headers()["content-type"], "audio/pcm");
    let bytes = sound.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!(bytes.len(), 6 * 4_800, "22 characters are six tokens, each a tenth of a second");
    let recorded = bench.sim.recorded();
    assert_eq!(recorded.last().expect("one").reported, None, "sound does not say what it cost");
    let events = bench.post("/v1/audio/speech", &speech(&json!({"stream_format": "sse"}))).await.data();
    assert_eq!(
        events.last().expect("an end")["usage"],
        json!({"input_tokens": 6, "output_tokens": 6, "total_tokens": 12})
    );
}

#[tokio::test]
async fn faults_strike_sound_and_pictures_too() {
    let bench = Bench::new("").await;
    let header = [("x-simulate", "cut_after=2")];
    let cut = bench.send("POST", "/v1/audio/speech", &header, &speech(&json!({})).to_string()).await;
    assert!(cut.into_body().collect().await.is_err());
    let header = [("x-simulate", "error_after=1")];
    let ask = json!({"model": "gpt-image-1", "prompt": "a", "stream": true, "partial_images": 2});
    let broken = bench.ask("POST", "/v1/images/generations", &header, &ask.to_string()).await;
    let names: Vec<String> = broken.events().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["image_generation.partial_image", "error"]);
    let header = [("x-simulate", "error=429,retry_after=3")];
    let refused = bench.ask("POST", "/v1/moderations", &header, r#"{"input":"a"}"#).await;
    assert_eq!(
        (refused.status, &refused.headers["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &"3".parse().expect("ok"))
    );
    soon("both streams ended", || bench.sim.stats().open == 0).await;
    let outcomes: Vec<Outcome> = bench.sim.recorded().iter().map(|one| one.outcome).collect();
    assert_eq!(outcomes, [Outcome::Broken, Outcome::Broken, Outcome::Completed]);
}

#[tokio::test]
async fn what_is_billed_by_units_stands_in_the_books() {
    let bench = Bench::new("").await;
    let auth = [("authorization", "Bearer sim")];
    let ask = json!({"model": "rerank-v3.5", "query": "a", "documents": vec!["b"; 101]}).to_string();
    let answer = bench.ask("POST", "/v2/rerank", &auth, &ask).await.json();
    assert_eq!(answer["meta"]["billed_units"]["search_units"], 2);
    let ask = json!({"model": "gpt-image-1", "prompt": "a bridge", "quality": "low", "size": "1024x1536"});
    let answer = bench.post("/v1/images/generations", &ask).await.json();
    assert_eq!(answer["usage"]["output_tokens"], 408);
    let billed: Vec<_> = bench.sim.recorded().iter().filter_map(|one| one.reported).collect();
    assert_eq!((billed[0].searches, billed[1].image_output, billed[1].fresh), (2, 408, 2));
}

#[tokio::test]
async fn a_member_that_a_provider_does_not_know_is_refused() {
    let bench = Bench::new("").await;
    let auth = [("authorization", "Bearer sim")];
    let cases = [
        ("/v2/embed", json!({"model": "m", "texts": ["a"], "input_type": "search_query", "dimensions": 2})),
        ("/v2/embed", json!({"model": "m", "texts": ["a"]})),
        ("/v2/embed", json!({"model": "m", "texts": ["a"], "images": ["b"], "input_type": "image"})),
        ("/v2/rerank", json!({"model": "m", "query": "a", "documents": ["a"], "return_documents": true})),
        ("/v2/rerank", json!({"model": "m", "query": " ", "documents": ["a"]})),
        ("/voyage/v1/embeddings", json!({"model": "m", "input": "a", "output_dimension": 100})),
        ("/voyage/v1/rerank", json!({"model": "m", "query": "a", "documents": ["a"], "top_n": 1})),
        ("/jina/v1/embeddings", json!({"model": "m", "input": []})),
        ("/v1beta/models/e:embedContent", json!({"content": {"parts": [{"text": "a"}]}, "dimensions": 3})),
        (
            "/v1beta/models/e:batchEmbedContents",
            json!({"requests": [{"model": "models/f", "content": {"parts": [{"text": "a"}]}}]}),
        ),
        ("/model/amazon.titan-embed-text-v2:0/invoke", json!({"inputText": "a", "dimensions": 300})),
        ("/model/cohere.embed-english-v3/invoke", json!({"texts": ["a"]})),
        ("/model/unknown/invoke", json!({"a": 1})),
        ("/v1/moderations", json!({"input": []})),
        ("/v1/images/generations", json!({"model": "dall-e-3", "prompt": "a", "n": 11})),
        ("/v1/images/generations", json!({"model": "gpt-image-1", "prompt": "a", "response_format": "url"})),
        ("/v1/audio/speech", json!({"model": "tts-1", "input": "a"})),
        ("/v1/audio/speech", json!({"model": "tts-1", "input": "a", "voice": "x", "stream_format": "sse"})),
        ("/v1/audio/speech", json!({"model": "tts-1", "input": "a", "voice": "x", "speed": 9})),
        ("/v1/batches", json!({"input_file_id": "file-none", "endpoint": "/v1/chat/completions"})),
    ];
    for (path, ask) in cases {
        let answer = bench.ask("POST", path, &auth, &ask.to_string()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {ask}: {}", answer.text);
    }
    assert_eq!(bench.ask("GET", "/v1/audio/speech", &auth, "").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(bench.ask("GET", "/v1/files/file-none", &auth, "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_text_has_one_direction_at_every_maker() {
    let bench = Bench::new("").await;
    let auth = [("authorization", "Bearer sim")];
    let calls = [
        (
            "/voyage/v1/embeddings",
            json!({"model": "m", "input": "hello", "output_dimension": 256}),
            "/data/0/embedding/7",
        ),
        ("/jina/v1/embeddings", json!({"model": "m", "input": "hello", "dimensions": 256}), "/data/0/embedding/7"),
        ("/v1/embeddings", json!({"model": "m", "input": "hello", "dimensions": 256}), "/data/0/embedding/7"),
        (
            "/v2/embed",
            json!({"model": "m", "texts": ["hello"], "input_type": "clustering", "output_dimension": 256}),
            "/embeddings/float/0/7",
        ),
        (
            "/v1beta/models/e:embedContent",
            json!({"content": {"parts": [{"text": "hello"}]}, "outputDimensionality": 256}),
            "/embedding/values/7",
        ),
        (
            "/model/amazon.titan-embed-text-v2:0/invoke",
            json!({"inputText": "hello", "dimensions": 256}),
            "/embedding/7",
        ),
    ];
    let mut seen = Vec::new();
    for (path, ask, at) in calls {
        let answer = bench.ask("POST", path, &auth, &ask.to_string()).await.json();
        seen.push(answer.pointer(at).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path}: {answer}")));
    }
    assert!(seen.windows(2).all(|two| two[0] == two[1]), "{seen:?}");
}
