//! What embeddings and reranking come to at each API, by golden files written from the public documentation: the client's
//! request, what goes up, what comes back, what the client is told.

use crate::{
    config::{self, Section},
    dialect::{self, Retold, retell},
    model::{Api, Draft, Retrieval, Usage, Wished},
    providers::{PROVIDERS, Provider, retrieval::Retriever},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::sync::Arc;

/// A golden file, by the folder of its provider.
const GOLDEN: &[(&str, &str)] = &[
    (
        "bedrock/fixtures/retrieval/embed_cohere.json",
        include_str!("../providers/bedrock/fixtures/retrieval/embed_cohere.json"),
    ),
    (
        "bedrock/fixtures/retrieval/embed_cohere_floats.json",
        include_str!("../providers/bedrock/fixtures/retrieval/embed_cohere_floats.json"),
    ),
    (
        "bedrock/fixtures/retrieval/embed_titan.json",
        include_str!("../providers/bedrock/fixtures/retrieval/embed_titan.json"),
    ),
    (
        "bedrock/fixtures/retrieval/embed_titan_binary.json",
        include_str!("../providers/bedrock/fixtures/retrieval/embed_titan_binary.json"),
    ),
    (
        "bedrock/fixtures/retrieval/embed_titan_first.json",
        include_str!("../providers/bedrock/fixtures/retrieval/embed_titan_first.json"),
    ),
    (
        "bedrock/fixtures/retrieval/embed_titan_multimodal.json",
        include_str!("../providers/bedrock/fixtures/retrieval/embed_titan_multimodal.json"),
    ),
    (
        "bedrock/fixtures/retrieval/rerank_amazon.json",
        include_str!("../providers/bedrock/fixtures/retrieval/rerank_amazon.json"),
    ),
    (
        "bedrock/fixtures/retrieval/rerank_cohere.json",
        include_str!("../providers/bedrock/fixtures/retrieval/rerank_cohere.json"),
    ),
    ("cohere/fixtures/retrieval/embed.json", include_str!("../providers/cohere/fixtures/retrieval/embed.json")),
    (
        "cohere/fixtures/retrieval/embed_int8.json",
        include_str!("../providers/cohere/fixtures/retrieval/embed_int8.json"),
    ),
    (
        "cohere/fixtures/retrieval/embed_plain.json",
        include_str!("../providers/cohere/fixtures/retrieval/embed_plain.json"),
    ),
    ("cohere/fixtures/retrieval/rerank.json", include_str!("../providers/cohere/fixtures/retrieval/rerank.json")),
    ("gemini/fixtures/retrieval/embed.json", include_str!("../providers/gemini/fixtures/retrieval/embed.json")),
    (
        "gemini/fixtures/retrieval/embed_unreported.json",
        include_str!("../providers/gemini/fixtures/retrieval/embed_unreported.json"),
    ),
    ("jina/fixtures/retrieval/embed.json", include_str!("../providers/jina/fixtures/retrieval/embed.json")),
    ("mistral/fixtures/retrieval/embed.json", include_str!("../providers/mistral/fixtures/retrieval/embed.json")),
    (
        "mistral/fixtures/retrieval/embed_packed.json",
        include_str!("../providers/mistral/fixtures/retrieval/embed_packed.json"),
    ),
    ("voyage/fixtures/retrieval/embed.json", include_str!("../providers/voyage/fixtures/retrieval/embed.json")),
    (
        "voyage/fixtures/retrieval/embed_int8.json",
        include_str!("../providers/voyage/fixtures/retrieval/embed_int8.json"),
    ),
    ("voyage/fixtures/retrieval/rerank.json", include_str!("../providers/voyage/fixtures/retrieval/rerank.json")),
];

pub(super) fn provider(kind: &str) -> Box<dyn Provider> {
    let yaml = match kind {
        "bedrock" => "{ region: us-east-1, access_key_id: AKIDEXAMPLE, secret_access_key: x }",
        "azure" => "{ base_url: 'https://x.openai.azure.com', api_key: x }",
        _ => "{ api_key: x }",
    };
    let (_, build) = PROVIDERS.iter().find(|(name, _)| *name == kind).expect("a known kind");
    let made = build(&config::Provider {
        name: "p".into(),
        kind: kind.to_owned(),
        settings: Section::from_yaml("providers.p", yaml).expect("it is YAML"),
        catalogue: None,
        protocol: config::Protocol::default(),
        uplink: Default::default(),
        health: Default::default(),
        rules: Arc::default(),
    });
    made.expect("the settings are right")
}

fn api(name: &Value) -> Api {
    Api::ALL.into_iter().find(|api| api.name() == name.as_str().expect("a name")).expect("a call")
}

/// What `body` asks for, after the strict parse.
fn asked(api: Api, body: &str) -> Retrieval {
    dialect::parse(api, Draft::copy_of(body.as_bytes())).expect("it is strict JSON");
    let asked = dialect::decode_retrieval(api, &Bytes::copy_from_slice(body.as_bytes()));
    asked.unwrap_or_else(|bad| panic!("{bad}: {body}")).expect("it embeds or ranks")
}

fn refused(api: Api, body: &str) -> (String, String) {
    let bad = dialect::decode_retrieval(api, &Bytes::copy_from_slice(body.as_bytes())).expect_err(body);
    (bad.param.unwrap_or_default(), bad.message)
}

fn paths(asked: &Retrieval, retriever: Retriever<'_>, model: &str) -> (Vec<String>, Vec<String>) {
    let (refused, dropped) = retriever.gaps(asked, model);
    let paths = |all: Vec<&Wished>| all.into_iter().map(|wished| wished.path.clone()).collect();
    (paths(refused), paths(dropped))
}

#[test]
fn golden_requests_and_answers_are_what_the_documentation_says() {
    for (name, golden) in GOLDEN {
        let golden: Value = serde_json::from_str(golden).unwrap_or_else(|e| panic!("{name}: {e}"));
        let text = |member: &str| golden[member].as_str().unwrap_or_else(|| panic!("{name}: {member}"));
        let (api, model, provider) = (api(&golden["api"]), text("model"), provider(text("kind")));
        let retriever = Retriever::of(&*provider, api, model).unwrap_or_else(|| panic!("{name}: not translated"));
        let asked = asked(api, &golden["asked"].to_string());
        assert_eq!(retriever.path(model), text("path"), "{name}");
        let sent: Value = serde_json::from_slice(&retriever.encode(&asked, model)).expect(name);
        assert_eq!(sent, golden["sent"], "{name}");
        let (refused, dropped) = paths(&asked, retriever, model);
        assert_eq!((refused, Value::from(dropped)), (vec![], golden["dropped"].clone()), "{name}");
        let body = golden["answer"].to_string();
        let (found, reading) = retriever.decode(body.as_bytes(), &asked).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut head = HeaderMap::new();
        for (field, value) in golden["head"].as_object().into_iter().flatten() {
            let field: HeaderName = field.parse().expect("a name");
            head.insert(field, HeaderValue::from_str(value.as_str().expect("a value")).expect("a value"));
        }
        let by_head = retriever.told_by_head(&head).map(|input| Usage { input, ..Usage::ZERO });
        let usage = reading.usage.or(by_head);
        let want = golden["usage"].as_array().map(|figures| {
            let of = |at: usize| figures[at].as_u64().expect("a figure");
            Usage { input: of(0), searches: of(1), ..Usage::ZERO }
        });
        assert_eq!((usage, reading.inconsistent), (want, false), "{name}");
        // 7 tokens and 3 searches are what the gateway would estimate.
        let (tokens, searches) = match usage {
            Some(usage) => (usage.input, usage.searches),
            None if retriever.by_search(model) => (0, 3),
            None => (7, 0),
        };
        let about = Retold { id: "r-1", model: "asked-for", tokens, searches };
        let told: Value = serde_json::from_slice(&retell(&asked, &found, &about).expect(name)).expect(name);
        assert_eq!(told, golden["told"], "{name}");
        if let Some(error) = golden["error"].as_object() {
            let message = provider.error_message(error["body"].to_string().as_bytes());
            assert_eq!(message.as_deref(), error["message"].as_str(), "{name}");
        }
    }
}

#[test]
fn broken_answers_are_garbage_and_nothing_panics() {
    for (name, golden) in GOLDEN {
        let golden: Value = serde_json::from_str(golden).expect(name);
        let (api, model) = (api(&golden["api"]), golden["model"].as_str().expect(name));
        let provider = provider(golden["kind"].as_str().expect(name));
        let retriever = Retriever::of(&*provider, api, model).expect(name);
        let asked = asked(api, &golden["asked"].to_string());
        let about = Retold { id: "r", model: "m", tokens: 0, searches: 0 };
        let all = golden["answer"].to_string();
        for end in 0..all.len() {
            assert!(retriever.decode(&all.as_bytes()[..end], &asked).is_err(), "{name}, cut at {end}");
        }
        for wrong in ["null", "[]", "{}", r#"{"data":{}}"#, r#"{"error":{"message":"no"}}"#, r#"{"embeddings":7}"#] {
            assert!(retriever.decode(wrong.as_bytes(), &asked).is_err(), "{name}: {wrong}");
        }
        // What is JSON and of the right shape may still be no answer: not panicking is enough here.
        for at in 0..all.len() {
            let mut odd = all.clone().into_bytes();
            odd[at] = b'9';
            if let Ok((found, _)) = retriever.decode(&odd, &asked) {
                let _ = retell(&asked, &found, &about);
            }
        }
    }
}

#[test]
fn an_answer_of_another_length_or_with_a_strange_index_is_garbage() {
    let voyage = provider("voyage");
    let about = Retold { id: "r", model: "m", tokens: 0, searches: 0 };
    let told = |api, asked: &Retrieval, body: &str| {
        let retriever = Retriever::of(&*voyage, api, "m").expect("it translates");
        let (found, _) = retriever.decode(body.as_bytes(), asked).map_err(|garbage| garbage.why)?;
        retell(asked, &found, &about).map(drop)
    };
    let two = asked(Api::Embeddings, r#"{"model":"m","input":["a","b"]}"#);
    let cases = [
        (r#"{"data":[{"embedding":[1],"index":0}]}"#, "1 vectors for 2 texts"),
        (r#"{"data":[{"embedding":[1],"index":0},{"embedding":[1],"index":0}]}"#, "same index"),
        (r#"{"data":[{"embedding":[1],"index":0},{"embedding":[null],"index":1}]}"#, "vector 1 is not made of numbers"),
        (r#"{"data":[{"embedding":[1],"index":0},{"embedding":"!","index":1}]}"#, "vector 1 is not made of numbers"),
    ];
    for (body, why) in cases {
        let error = told(Api::Embeddings, &two, body).expect_err(body);
        assert!(error.contains(why), "{error}");
    }
    let two = asked(Api::Rerank, r#"{"model":"m","query":"q","documents":["a","b"]}"#);
    for body in [
        r#"{"data":[{"index":2,"relevance_score":0.5}]}"#,
        r#"{"data":[{"index":1,"relevance_score":0.5},{"index":1,"relevance_score":0.5}]}"#,
        r#"{"data":[{"index":1,"relevance_score":"high"}]}"#,
        r#"{"data":[{"index":-1,"relevance_score":0.5}]}"#,
    ] {
        assert!(told(Api::Rerank, &two, body).is_err(), "{body}");
    }
}

#[test]
fn what_cannot_be_embedded_or_ranked_is_refused_with_its_path() {
    let embeddings = [
        (r#"{"model":"m"}"#, "input", "missing"),
        (r#"{"model":"m","input":[]}"#, "input", "empty"),
        (r#"{"model":"m","input":{"a":1}}"#, "input", "array of strings"),
        (r#"{"model":"m","input":[1,2]}"#, "input[0]", "tokens"),
        (r#"{"model":"m","input":["a",[1,2]]}"#, "input[1]", "tokens"),
        (r#"{"model":"m","input":[{"image":"https://h/a.png"}]}"#, "input[0]", "only texts"),
        (r#"{"model":"m","input":"a","encoding_format":"hex"}"#, "encoding_format", "`float` or `base64`"),
        (r#"{"model":"m","input":"a","dimensions":"1"}"#, "dimensions", "integer"),
        (r#"{"model":"m","input":"a","late_chunking":1}"#, "late_chunking", "boolean"),
    ];
    let ranks = [
        (r#"{"model":"m","documents":["a"]}"#, "query", "missing"),
        (r#"{"model":"m","query":7,"documents":["a"]}"#, "query", "string"),
        (r#"{"model":"m","query":"q"}"#, "documents", "missing"),
        (r#"{"model":"m","query":"q","documents":[]}"#, "documents", "empty"),
        (r#"{"model":"m","query":"q","documents":["a",7]}"#, "documents[1]", "string"),
        (r#"{"model":"m","query":"q","documents":[{"title":"a"}]}"#, "documents[0]", "`text`"),
        (r#"{"model":"m","query":"q","documents":["a"],"top_n":-1}"#, "top_n", "integer"),
    ];
    let all = embeddings.map(|case| (Api::Embeddings, case)).into_iter().chain(ranks.map(|case| (Api::Rerank, case)));
    for (api, (body, param, why)) in all {
        let (at, message) = refused(api, body);
        assert!(at == param && message.contains(why), "{at}: {message}: {body}");
    }
}

/// Members that makers add, and which kinds carry them: the table of the README.
#[test]
fn members_of_one_maker_reach_another_or_are_told() {
    let all: &[_] = &["cohere", "gemini", "titan", "bedrock's cohere", "voyage", "jina", "mistral"];
    let of_cohere = &["cohere", "bedrock's cohere"][..];
    let cases: &[(&str, &[&str], bool)] = &[
        (r#""dimensions":256"#, all, false),
        (r#""input_type":"query""#, &["cohere", "bedrock's cohere", "gemini", "voyage", "jina"], false),
        (r#""task":"text-matching""#, &["gemini", "jina"], false),
        (r#""input_type":"of my own""#, &[], false),
        (r#""truncate":"START""#, of_cohere, false),
        (r#""truncation":true"#, &["cohere", "bedrock's cohere", "voyage", "jina"], false),
        (r#""output_dtype":"int8""#, &["cohere", "bedrock's cohere", "voyage", "mistral"], false),
        (r#""embedding_type":"binary""#, &["cohere", "bedrock's cohere", "titan", "voyage", "jina", "mistral"], false),
        (r#""embedding_types":["float","int8"]"#, &[], false),
        (r#""late_chunking":true"#, &["jina"], false),
        (r#""normalized":false"#, &["titan", "jina"], false),
        (r#""title":"a""#, &[], false),
        (r#""task_type":"RETRIEVAL_DOCUMENT","title":"a""#, &["gemini"], false),
        (r#""user":"u""#, &[], true),
        (r#""priority":1"#, &[], true),
    ];
    for name in all {
        let (kind, model) = match *name {
            "titan" => ("bedrock", "amazon.titan-embed-text-v2:0"),
            "bedrock's cohere" => ("bedrock", "cohere.embed-v4:0"),
            kind => (kind, "m"),
        };
        let provider = provider(kind);
        let retriever = Retriever::of(&*provider, Api::Embeddings, model).expect(kind);
        for (members, kinds, hint) in cases {
            let asked = asked(Api::Embeddings, &format!(r#"{{"model":"m","input":"a",{members}}}"#));
            let (refused, dropped) = paths(&asked, retriever, model);
            let carried = kinds.contains(name);
            assert_eq!(refused.is_empty(), carried || *hint, "{name}: {members}: {refused:?}");
            assert_eq!(dropped.is_empty(), !hint, "{name}: {members}: {dropped:?}");
        }
        // What asks for nothing that is not done anyway is not even told.
        let plain = r#"{"model":"m","input":"a","late_chunking":false,"output_dtype":"float","user":null}"#;
        assert_eq!(paths(&asked(Api::Embeddings, plain), retriever, model), (vec![], vec![]), "{name}");
    }
}

#[test]
fn every_kind_says_how_much_it_takes_at_once() {
    let cases = [
        ("cohere", "embed-v4.0", Api::Embeddings, 96),
        ("cohere", "rerank-v3.5", Api::Rerank, 10_000),
        ("gemini", "gemini-embedding-001", Api::Embeddings, 100),
        ("bedrock", "amazon.titan-embed-text-v2:0", Api::Embeddings, 1),
        ("bedrock", "cohere.embed-v4:0", Api::Embeddings, 96),
        ("bedrock", "cohere.rerank-v3-5:0", Api::Rerank, 1_000),
        ("voyage", "voyage-3.5", Api::Embeddings, 1_000),
        ("voyage", "rerank-2.5", Api::Rerank, 1_000),
        ("jina", "jina-embeddings-v3", Api::Embeddings, 2_048),
    ];
    for (kind, model, api, most) in cases {
        let provider = provider(kind);
        assert_eq!(Retriever::of(&*provider, api, model).expect(kind).most(model), most, "{kind}/{model}");
    }
    let none =
        [("bedrock", "anthropic.claude-haiku"), ("openai", "m"), ("jina", "m"), ("anthropic", "m"), ("gemini", "m")];
    for (kind, model) in none {
        assert!(Retriever::of(&*provider(kind), Api::Rerank, model).is_none(), "{kind}/{model}");
    }
}
