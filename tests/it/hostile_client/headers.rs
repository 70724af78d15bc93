//! Of a client's fields only those go up that the provider's kind names.

use crate::support::call::Call;
use crate::support::config::{KEY, Setup};
use crate::support::sample;
use crate::support::script::Script;
use crate::support::upstream::Upstream;
use crate::support::websocket::{Sessions, connect};

const EVIL: &str = "evil.example";

/// What a client may try: who is asked, on whose behalf, where from, how it is framed, what is cached.
const NAMES: [&str; 60] = [
    "cookie",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-real-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "client-ip",
    "x-client-ip",
    "via",
    "x-original-url",
    "x-rewrite-url",
    "x-original-host",
    "x-host",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "proxy-authorization",
    "proxy-connection",
    "x-upstream-url",
    "x-api-base",
    "api-base",
    "base-url",
    "x-target-url",
    "x-amz-security-token",
    "x-amz-date",
    "x-amz-target",
    "x-amz-content-sha256",
    "x-goog-user-project",
    "x-goog-request-params",
    "x-ms-client-request-id",
    "ocp-apim-subscription-key",
    "x-functions-key",
    "metadata",
    "metadata-flavor",
    "x-aws-ec2-metadata-token",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "range",
    "referer",
    "origin",
    "from",
    "pragma",
    "cache-control",
    "warning",
    "x-requested-with",
    "x-csrf-token",
    "x-weighbridge-user",
    "x-weighbridge-session",
    "x-litellm-tags",
    "helicone-auth",
    "cf-aig-authorization",
    "x-portkey-config",
    "x-openai-client-user-agent",
    "x-envoy-original-path",
    "keep-alive",
];

fn all(mut call: Call) -> Call {
    for name in NAMES {
        call = call.field(name, EVIL);
    }
    call
}

#[tokio::test]
async fn sixty_odd_fields_reach_no_provider() {
    let upstream = Upstream::start().await;
    let url = format!("http://{}", upstream.address);
    let setup = Setup::new().provider("a", "openai", &url, "").provider("b", "anthropic", &url, "");
    let setup = setup.model_of("fast", &["a"], "").model_of("slow", &["b"], "").top("files: { provider: a }\n");
    let gateway = setup.start().await;
    for (path, model) in [("/v1/chat/completions", "fast"), ("/v1/messages", "slow"), ("/v1/chat/completions", "slow")]
    {
        let ask = sample::CHAT_ASK.replace("\"fast\"", &format!("\"{model}\""));
        let ask = ask.replacen('{', "{\"max_tokens\":16,", 1);
        all(Call::post(path, ask).key(KEY)).send(gateway.address).await;
    }
    upstream.always(Script::json(200, "{\"object\":\"list\",\"data\":[],\"has_more\":false}"));
    all(Call::get("/v1/files").key(KEY)).send(gateway.address).await;
    let seen = upstream.requests();
    assert_eq!(seen.len(), 4, "{seen:#?}");
    for request in seen {
        let head = format!("{:?}", request.head).to_ascii_lowercase();
        assert!(!head.contains(EVIL), "{head}");
        for name in NAMES {
            assert!(request.head.get(name).is_none(), "{name}: {head}");
        }
    }
}

#[tokio::test]
async fn sixty_odd_fields_reach_no_provider_of_sessions() {
    let provider = Sessions::start().await;
    let url = format!("http://{}", provider.address);
    let models =
        "  voice:\n    targets: [{ provider: a, model: model-a, max_input_tokens: 1000, max_output_tokens: 100 }]\n";
    let gateway = Setup::new().provider("a", "openai", &url, "").models_text(models).unpriced("model-a").start().await;
    let bearer = format!("Bearer {KEY}");
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.extend(NAMES.map(|name| (name, EVIL)));
    let (client, upstream) = tokio::join!(connect(gateway.address, "?model=voice", &headers), provider.accept());
    let (_client, upstream) = (client.expect("a session"), upstream);
    for name in NAMES {
        assert_eq!(upstream.header(name), None, "{name}");
    }
}
