//! A budget holds: settled and reserved never pass its limit, at any concurrency, through crashes and fall-backs; and
//! what is left is exact.

use crate::support::call::{Answer, Call};
use crate::support::config::{INPUT_NANO_USD, KEY, OUTPUT_NANO_USD, Setup};
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::sample;
use crate::support::script::{Gate, Script};
use crate::support::upstream::{Recorded, Upstream};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::task::JoinSet;

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
/// What one sample answer costs.
const ANSWER_NANO_USD: u64 = sample::INPUT * INPUT_NANO_USD + sample::OUTPUT * OUTPUT_NANO_USD;

fn ask(cap: u64) -> String {
    format!(r#"{{"model":"fast","max_tokens":{cap},"messages":[{{"role":"user","content":"hi"}}]}}"#)
}

fn usd(nano: u64) -> String {
    format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000)
}

/// The message of an OpenAI error with this status and code.
fn refusal(answer: &Answer, status: u16, code: &str) -> String {
    assert_eq!(answer.openai_error(status), code, "{}", answer.text());
    answer.json()["error"]["message"].as_str().expect("a message").to_owned()
}

async fn post(address: SocketAddr, body: String) -> Answer {
    Call::post(CHAT, body).key(KEY).send(address).await
}

/// Sum of what the ledger has charged, in nano-dollars.
async fn spent(gateway: &Gateway, rows: usize) -> u64 {
    gateway.settled(rows).await.iter().map(|row| row.number("cost_nano_usd")).sum()
}

/// `used` and `reserved` of a budget without `each`, as the metrics tell them, in its own unit.
async fn balance(gateway: &Gateway, id: &str) -> (f64, f64) {
    let unit = if id.contains("/tokens/") { "tokens" } else { "usd" };
    let of = |what: &str| format!("weighbridge_ledger_budget_{what}{{budget=\"{id}\",unit=\"{unit}\"}}");
    (gateway.metric(&of("used")).await, gateway.metric(&of("reserved")).await)
}

/// Waits until nothing is held any more.
async fn nothing_is_held(gateway: &Gateway, id: &str) {
    eventually("nothing is held", || async { (balance(gateway, id).await.1 == 0.0).then_some(()) }).await;
}

/// An answer whose usage is `input` and `output`.
fn answer_of(input: u64, output: u64) -> Script {
    let usage = format!(
        r#""prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{}"#,
        input.saturating_add(output)
    );
    let body = sample::CHAT.replace(r#""prompt_tokens":11,"completion_tokens":7,"total_tokens":18"#, &usage);
    Script::json(200, body)
}

#[tokio::test]
async fn an_exhausted_budget_is_402_naming_it_with_what_is_used_reserved_and_when_it_resets() {
    let upstream = Upstream::start().await;
    let budget = format!("budgets: [{{ usd: {}, per: month }}]", usd(ANSWER_NANO_USD + 1));
    let gateway = Setup::openai(&[&upstream]).search(&budget).start().await;
    let first = post(gateway.address, ask(1)).await;
    let refused = post(gateway.address, ask(7)).await;
    // The first may or may not fit in by its bound; either way the second says why it is refused.
    let message = refusal(&refused, 402, "budget_exhausted");
    assert!(message.contains("`team/search/usd/month`"), "{message}");
    assert!(
        message.contains(&usd(ANSWER_NANO_USD + 1)) && message.contains("used") && message.contains("reserved"),
        "{message}"
    );
    assert!(message.contains("-01T00:00:00Z"), "the first of the next month: {message}");
    assert_eq!(refused.field("x-should-retry"), Some("false"));
    let sent = usize::from(first.status == 200);
    assert_eq!(upstream.count(), sent, "nothing of a refused request is forwarded");
}

#[tokio::test]
async fn the_refusal_is_in_the_clients_dialect_and_its_status_can_be_chosen() {
    let upstream = Upstream::start().await;
    let setup = Setup::anthropic(&[&upstream]).search("budgets: [{ usd: 0.000000001, per: day }]");
    let gateway = setup.clone().start().await;
    let refused = Call::post(MESSAGES, sample::MESSAGE_ASK).key(KEY).send(gateway.address).await;
    assert_eq!(refused.anthropic_error(402), "billing_error");
    assert!(refused.text().contains("`team/search/usd/day`"), "{}", refused.text());
    let gateway = setup.top("budgeting: { exhausted_status: 429 }").start().await;
    let refused = Call::post(MESSAGES, sample::MESSAGE_ASK).key(KEY).send(gateway.address).await;
    refused.anthropic_error(429);
    assert!(refused.field("retry-after").is_some(), "{refused:?}");
    assert_eq!(upstream.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_race_of_1000_requests_on_a_budget_for_100_never_overshoots_and_uses_nearly_all_of_it() {
    let limits = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limits.maximum, ..limits }).expect("may be raised");
    let upstream = Upstream::start().await;
    let (input, output) = (50, 100);
    let each = input * INPUT_NANO_USD + output * OUTPUT_NANO_USD;
    let usage = move |_: &Recorded| answer_of(input, output);
    upstream.by(usage);
    let limit = 100 * each;
    let budget = format!("budgets: [{{ usd: {}, per: lifetime }}]", usd(limit));
    // What the budget refuses is the promise here, not what a thousand requests at once do to the processors.
    let gateway = Setup::openai(&[&upstream]).search(&budget).server("shed_lag", "0s").start().await;
    let (mut paid, mut waves) = (0_u64, 0);
    loop {
        let mut clients = JoinSet::new();
        for _ in 0..1_000 {
            let address = gateway.address;
            clients.spawn(async move { post(address, ask(output)).await });
        }
        let answers = clients.join_all().await;
        let served = answers.iter().filter(|answer| answer.status == 200).count() as u64;
        let other = answers.iter().find(|answer| !matches!(answer.status, 200 | 402));
        assert_eq!(other.map(|answer| (answer.status, answer.text())), None, "nothing else happens");
        paid += served;
        waves += 1;
        // By the provider's own count, at every moment at which somebody looks.
        assert!(upstream.count() as u64 * each <= limit, "{} calls in wave {waves}", upstream.count());
        nothing_is_held(&gateway, "team/search/usd/lifetime").await;
        if served == 0 {
            break;
        }
    }
    assert_eq!(upstream.count() as u64, paid, "each call was answered");
    assert!(paid * 100 >= 95 * 100, "{paid} of 100 could be used");
    let used = balance(&gateway, "team/search/usd/lifetime").await.0;
    assert_eq!(used, paid as f64 * each as f64 / 1e9, "what is left is exact");
    assert_eq!(spent(&gateway, upstream.count()).await, paid * each, "and equals the rows");
    gateway.assert_verified().await;
}

#[tokio::test]
async fn the_cap_is_lowered_to_what_the_budget_pays_and_a_header_says_so() {
    let upstream = Upstream::start().await;
    // Pays for the prompt's bound and a part of the answer only: 10,000 tokens would be 80,000,000.
    let gateway = Setup::openai(&[&upstream]).search("budgets: [{ usd: 0.01, per: month }]").start().await;
    let answer = post(gateway.address, ask(10_000)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = upstream.only().json()["max_tokens"].as_u64().expect("a cap goes up");
    assert!((256..10_000).contains(&sent), "{sent}");
    assert!(sent * OUTPUT_NANO_USD < 10_000_000, "{sent} tokens can be paid");
    assert_eq!(answer.field("x-weighbridge-output-cap"), Some(&*sent.to_string()));
    // Where nothing has to be lowered, nothing is changed.
    let small = post(gateway.address, ask(300)).await;
    assert_eq!((small.status, small.field("x-weighbridge-output-cap")), (200, None));
    assert_eq!(upstream.requests()[1].json()["max_tokens"], 300);
    assert!(
        small.field("x-weighbridge-budget-remaining-usd").is_some_and(|left| left.starts_with("0.00")),
        "{small:?}"
    );
}

#[tokio::test]
async fn a_cap_is_set_where_the_client_gives_none_and_not_without_a_budget() {
    let upstream = Upstream::start().await;
    let setup = Setup::openai(&[&upstream]);
    let gateway = setup.clone().search("budgets: [{ usd: 100, per: month }]").start().await;
    assert_eq!(gateway.post(CHAT, sample::CHAT_ASK).await.status, 200);
    assert_eq!(upstream.requests()[0].json()["max_tokens"], 4096, "`default_max_output_tokens`");
    let gateway = setup.start().await;
    assert_eq!(gateway.post(CHAT, sample::CHAT_ASK).await.status, 200);
    assert_eq!(upstream.requests()[1].body, sample::renamed(sample::CHAT_ASK.as_bytes(), "model-a"));
}

#[tokio::test]
async fn less_than_min_output_tokens_is_refused_and_not_clamped() {
    let upstream = Upstream::start().await;
    // 0.002 USD: 250 tokens of output at most, and 256 are the least.
    let gateway = Setup::openai(&[&upstream]).search("budgets: [{ usd: 0.002, per: month }]").start().await;
    post(gateway.address, ask(10_000)).await.openai_error(402);
    assert_eq!(post(gateway.address, ask(100)).await.status, 200, "who asks for less gets it");
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn a_fallback_is_checked_at_its_own_price() {
    let (free, dear) = (Upstream::start().await, Upstream::start().await);
    free.always(Script::error(503).field("x-should-retry", "false"));
    let setup = Setup::openai(&[&free, &dear])
        .price("model-a", "input: 0, output: 0")
        .price("model-b", "input: 1000, output: 1000");
    let gateway = setup.search("budgets: [{ usd: 0.1, per: month }]").start().await;
    let answer = post(gateway.address, ask(1_000)).await;
    assert_eq!((free.count(), dear.count()), (1, 0), "the dear one is not tried: {}", answer.text());
    assert!(answer.status >= 500, "what the free one did counts: {}", answer.text());
    assert!(answer.text().contains("team/search/usd/month"), "and why there was no other: {}", answer.text());
    nothing_is_held(&gateway, "team/search/usd/month").await;
}

#[tokio::test]
async fn the_first_candidate_that_can_be_paid_is_taken() {
    let (dear, cheap) = (Upstream::start().await, Upstream::start().await);
    let setup = Setup::openai(&[&dear, &cheap]).price("model-a", "input: 1000, output: 1000");
    let gateway = setup.search("budgets: [{ usd: 0.1, per: month }]").start().await;
    let answer = post(gateway.address, ask(1_000)).await;
    assert_eq!((answer.status, answer.field("x-weighbridge-model")), (200, Some("b/model-b")), "{}", answer.text());
    assert_eq!((dear.count(), cheap.count()), (0, 1));
}

#[tokio::test]
async fn near_its_limit_a_budget_falls_back_to_a_cheaper_model() {
    let (dear, cheap) = (Upstream::start().await, Upstream::start().await);
    let setup = Setup::new()
        .providers("openai", &[&dear, &cheap])
        .model_of("fast", &["a"], "")
        .model_of("cheap", &["b"], "")
        .price("model-a", "input: 100, output: 100")
        .price("model-b", "input: 1, output: 1");
    dear.always(answer_of(1_000, 1_000));
    // One dear answer costs 0.2 USD; its cap of 1,000 tokens is held.
    let gateway =
        setup.search("budgets: [{ usd: 0.4, per: month, on_exhausted: { fallback: cheap, at: 40% } }]").start().await;
    let first = post(gateway.address, ask(1_000)).await;
    assert_eq!((first.status, first.field("x-weighbridge-model")), (200, Some("a/model-a")), "{}", first.text());
    let second = post(gateway.address, ask(1_000)).await;
    assert_eq!((second.status, second.field("x-weighbridge-model")), (200, Some("b/model-b")), "{}", second.text());
    let rows = gateway.settled(2).await;
    assert_eq!(rows[1].text("model"), "fast", "what the client asked for stays on the row");
}

#[tokio::test]
async fn what_cannot_be_bounded_is_refused_naming_the_field() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).search("budgets: [{ usd: 100, per: month }]").start().await;
    let body = r#"{"model":"fast","input":"hi","previous_response_id":"resp_1"}"#;
    let refused = gateway.post("/v1/responses", body).await;
    let message = refusal(&refused, 400, "budget_unbounded");
    assert!(message.contains("`previous_response_id`"), "{message}");
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_budget_of_tokens_refuses_pictures_whose_tokens_nobody_knows_and_others_pay_for_them() {
    let upstream = Upstream::start().await;
    upstream.always(Script::json(200, r#"{"created":1,"data":[{"url":"u"}]}"#));
    let body = r#"{"model":"fast","prompt":"a cat"}"#;
    let gateway = Setup::openai(&[&upstream]).search("budgets: [{ tokens: 1000000, per: month }]").start().await;
    let refused = gateway.post("/v1/images/generations", body).await;
    let message = refusal(&refused, 400, "budget_unbounded");
    assert!(message.contains("`model`"), "{message}");
    assert_eq!(upstream.count(), 0);
    let gateway = Setup::openai(&[&upstream]).start().await;
    assert_eq!(gateway.post("/v1/images/generations", body).await.status, 200, "no budget, no bound");
}

#[tokio::test]
async fn what_a_client_that_leaves_had_held_is_released_and_what_it_got_is_charged() {
    let upstream = Upstream::start().await;
    let script = Script::sse().body(sample::CHAT_ROLE).body(sample::chat_delta("Hello")).stall();
    upstream.always(script);
    let gateway = Setup::openai(&[&upstream]).search("budgets: [{ usd: 100, per: month }]").start().await;
    let mut open = gateway.open(CHAT, sample::CHAT_STREAM_ASK).await;
    open.event().await.expect("the role");
    open.event().await.expect("the delta");
    assert!(balance(&gateway, "team/search/usd/month").await.1 > 0.03, "4,096 tokens are held");
    drop(open);
    upstream.gone(0).await;
    nothing_is_held(&gateway, "team/search/usd/month").await;
    let charged = spent(&gateway, 1).await;
    assert!(charged > 0, "what was received is charged");
    assert_eq!(balance(&gateway, "team/search/usd/month").await.0, charged as f64 / 1e9);
}

#[tokio::test]
async fn usage_beyond_what_was_possible_is_debt_and_absurd_usage_wraps_nothing() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).search("budgets: [{ usd: 0.01, per: month }]").start().await;
    upstream.next(answer_of(11, 10_000));
    assert_eq!(post(gateway.address, ask(300)).await.status, 200);
    nothing_is_held(&gateway, "team/search/usd/month").await;
    let (used, _) = balance(&gateway, "team/search/usd/month").await;
    assert_eq!(used, 0.080_022, "more than the limit: charged as debt");
    post(gateway.address, ask(1)).await.openai_error(402);
    let gateway = Setup::openai(&[&upstream]).search("budgets: [{ usd: 0.01, per: month }]").start().await;
    upstream.next(answer_of(u64::MAX, u64::MAX));
    assert_eq!(post(gateway.address, ask(300)).await.status, 200);
    nothing_is_held(&gateway, "team/search/usd/month").await;
    assert!(balance(&gateway, "team/search/usd/month").await.0 > 0.0, "never negative, never nothing");
    gateway.assert_verified().await;
}

#[tokio::test]
async fn a_stream_that_ignores_its_cap_is_ended_with_the_dialects_error() {
    let upstream = Upstream::start().await;
    let gate = Gate::new();
    let flood = (0..400).fold(Script::sse().body(sample::CHAT_ROLE), |script, _| {
        script.body(sample::chat_delta("one two three four five six seven eight nine ten eleven twelve"))
    });
    upstream.always(flood.wait(&gate).end());
    let gateway = Setup::openai(&[&upstream]).search("budgets: [{ usd: 0.01, per: month }]").start().await;
    let body = sample::CHAT_STREAM_ASK.replace("\"stream\":true", "\"stream\":true,\"max_tokens\":10");
    let answer = gateway.open(CHAT, body).await.whole().await;
    assert!(answer.text().contains("\"error\""), "an error event: {}", answer.text());
    assert!(!answer.text().contains("[DONE]"), "and no clean end");
    assert!(answer.text().len() < 40_000, "{} bytes went out", answer.text().len());
    upstream.gone(0).await;
}

#[tokio::test]
async fn balances_survive_kill_9_and_equal_the_rows() {
    let upstream = Upstream::start().await;
    let budgets = "budgets: [{ usd: 100, per: month }, { tokens: 1000000, per: lifetime }]";
    let gateway = Setup::openai(&[&upstream]).search(budgets).start().await;
    for _ in 0..5 {
        assert_eq!(gateway.post(CHAT, sample::CHAT_ASK).await.status, 200);
    }
    upstream.next(Script::silence());
    let (address, call) = (gateway.address, Call::post(CHAT, sample::CHAT_ASK).key(KEY));
    let hanging = tokio::spawn(async move { call.open(address).await.whole().await });
    upstream.request(5).await;
    gateway.kill();
    hanging.abort();
    gateway.start_again().await;
    let rows = gateway.settled(6).await;
    let nano: u64 = rows.iter().map(|row| row.number("cost_nano_usd")).sum();
    let tokens: u64 = rows.iter().map(|row| row.tokens()).map(|(input, output)| input + output).sum();
    assert!(nano > 5 * ANSWER_NANO_USD, "the one that the crash left open is charged its input");
    assert_eq!(balance(&gateway, "team/search/usd/month").await, (nano as f64 / 1e9, 0.0));
    assert_eq!(balance(&gateway, "team/search/tokens/lifetime").await, (tokens as f64, 0.0));
    gateway.assert_verified().await;
}

#[tokio::test]
async fn each_user_has_a_balance_of_its_own_and_overrides_hold() {
    let upstream = Upstream::start().await;
    upstream.always(answer_of(10, 100));
    let each = "budgets: [{ usd: 0.0015, per: day, each: user, overrides: { vip: 0.01 } }]";
    let gateway = Setup::openai(&[&upstream]).search(each).start().await;
    let by = async |user: &str| {
        Call::post(CHAT, ask(100)).key(KEY).field("x-weighbridge-user", user).send(gateway.address).await
    };
    assert_eq!(by("ada").await.status, 200);
    let refused = by("ada").await;
    let message = refusal(&refused, 402, "budget_exhausted");
    assert!(message.contains("team/search/usd/day/each user") && message.contains("`ada`"), "{message}");
    assert_eq!(by("bob").await.status, 200, "another user has a balance of its own");
    for _ in 0..4 {
        assert_eq!(by("vip").await.status, 200);
    }
    assert_eq!(gateway.post(CHAT, ask(100)).await.status, 200, "who names no user is the user `-`");
    gateway.post(CHAT, ask(100)).await.openai_error(402);
}

#[tokio::test]
async fn a_budget_on_a_metadata_value_counts_header_and_body_alike() {
    let upstream = Upstream::start().await;
    upstream.always(answer_of(10, 100));
    let top = "budgets: [{ name: project-x, usd: 0.0015, per: day, metadata: { project: x } }]";
    let gateway = Setup::openai(&[&upstream]).top(top).start().await;
    let by_header = async |value: &str| {
        let json = format!("{{\"project\":\"{value}\"}}");
        Call::post(CHAT, ask(100)).key(KEY).field("x-weighbridge-metadata", &json).send(gateway.address).await
    };
    assert_eq!(by_header("x").await.status, 200);
    by_header("x").await.openai_error(402);
    assert_eq!(by_header("y").await.status, 200);
    let body = ask(100).replace("\"max_tokens\"", "\"metadata\":{\"project\":\"x\"},\"max_tokens\"");
    post(gateway.address, body).await.openai_error(402);
}

#[tokio::test]
async fn a_budget_that_warns_lets_pass_with_a_header_and_one_that_audits_without() {
    let upstream = Upstream::start().await;
    let setup = Setup::openai(&[&upstream]);
    let warns = setup.clone().search("budgets: [{ usd: 0.000000001, per: day, mode: warn }]").start().await;
    let answer = warns.post(CHAT, sample::CHAT_ASK).await;
    assert_eq!(answer.status, 200);
    let warning = answer.field("x-weighbridge-warning").unwrap_or_default();
    assert!(warning.contains("team/search/usd/day"), "{answer:?}");
    let audits = setup.search("budgets: [{ usd: 0.000000001, per: day, mode: audit }]").start().await;
    let answer = audits.post(CHAT, sample::CHAT_ASK).await;
    assert_eq!((answer.status, answer.field("x-weighbridge-warning")), (200, None));
}

#[tokio::test]
async fn check_refuses_a_money_budget_where_a_price_is_missing() {
    let upstream = Upstream::start().await;
    let setup = Setup::openai(&[&upstream]);
    let unpriced = setup.clone().unpriced("model-a");
    let gateway = unpriced.start().await; // without a budget an unknown price is a state
    let text = std::fs::read_to_string(gateway.config()).expect("was written");
    let text = text.replace("  search: {}", "  search: { budgets: [{ usd: 5, per: day }] }");
    std::fs::write(gateway.config(), text).expect("can be written");
    let said = gateway.command(&["check"]).await.failed();
    assert!(said.contains("teams.search.budgets[0]") && said.contains("a/model-a"), "{said}");
}

#[tokio::test]
async fn rows_of_refused_requests_are_kept_without_cost() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).search("budgets: [{ usd: 0.000000001, per: day }]").start().await;
    post(gateway.address, ask(7)).await.openai_error(402);
    post(gateway.address, ask(7)).await.openai_error(402);
    eventually("the refused are reported", || async {
        let report = gateway.command(&["usage", "--by", "team", "--format", "json"]).await.ok();
        let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
        (report["total"]["refused_requests"] == 2).then_some(())
    })
    .await;
    assert_eq!(gateway.rows().await.len(), 0, "they are no attempts");
}

#[tokio::test]
async fn explain_tells_limits_budgets_cap_and_price_and_takes_nothing() {
    let upstream = Upstream::start().await;
    let rules = "budgets: [{ usd: 0.01, per: month }], limits: [{ requests: 1, per: hour }]";
    let gateway = Setup::openai(&[&upstream]).search(rules).with_admin().start().await;
    let ask = json!({"key": "search-ci", "model": "fast", "body": serde_json::from_str::<Value>(&ask(10_000)).expect("JSON")});
    let explain = async || gateway.admin("POST", "/explain", ask.clone()).await.json();
    let told = explain().await;
    assert_eq!((&told["admitted"], &told["limits"][0]["used"]), (&json!(true), &json!(0)), "{told}");
    assert_eq!(told["limits"][0]["id"], "team/search/requests/hour");
    let budget = &told["budgets"][0];
    assert_eq!((&budget["id"], &budget["limit"]), (&json!("team/search/usd/month"), &json!(10_000_000)), "{told}");
    assert_eq!((&budget["settled"], &budget["reserved"]), (&json!(0), &json!(0)));
    let candidate = &told["candidates"][0];
    let cap = candidate["output_cap"].as_u64().expect("it would be lowered");
    assert!((256..1_250).contains(&cap), "{told}");
    assert!(candidate["worst_nano_usd"].as_u64().is_some_and(|worst| worst <= 10_000_000), "{told}");
    assert_eq!(explain().await, told, "asking takes nothing");
    let answer = post(gateway.address, self::ask(10_000)).await;
    assert_eq!(answer.field("x-weighbridge-output-cap"), Some(&*cap.to_string()), "and it is what happens");
    let told = explain().await;
    assert_eq!((&told["admitted"], &told["refusal"]["code"]), (&json!(false), &json!("limit_reached")), "{told}");
    post(gateway.address, self::ask(7)).await.openai_error(429);
}

#[tokio::test]
async fn an_alert_is_posted_once_a_period_to_the_webhook() {
    let (upstream, webhook) = (Upstream::start().await, Upstream::start().await);
    webhook.always(Script::json(200, "ok"));
    let setup = Setup::openai(&[&upstream])
        .search("budgets: [{ usd: 0.001, per: month, alerts: [50%] }]")
        .top(&format!("alerts: {{ webhook: \"http://{}/hook?token=planted\" }}", webhook.address));
    let gateway = setup.start().await;
    upstream.always(answer_of(50, 50)); // 0.0005 USD each
    for _ in 0..2 {
        post(gateway.address, ask(20)).await;
    }
    let call = webhook.request(0).await;
    assert_eq!(call.path(), "/hook?token=planted");
    let text = call.json()["text"].as_str().expect("Slack's member").to_owned();
    assert!(text.contains("`team/search/usd/month`") && text.contains("50 %"), "{text}");
    assert_eq!((call.json()["weighbridge"]["kind"].as_str(), webhook.count()), (Some("budget"), 1));
    eventually("it is counted", || async {
        let series = "weighbridge_alerts_notices_total{outcome=\"delivered\"}";
        (gateway.metric(series).await == 1.0).then_some(())
    })
    .await;
    assert!(!gateway.log().contains("planted"), "the address is a secret");
}

#[tokio::test]
async fn a_target_that_is_shut_is_told_to_the_webhook() {
    let (upstream, webhook) = (Upstream::start().await, Upstream::start().await);
    webhook.always(Script::json(200, "ok"));
    let setup = Setup::openai(&[&upstream]).top(&format!("alerts: {{ webhook: \"http://{}/hook\" }}", webhook.address));
    let gateway = setup.start().await;
    upstream.always(Script::json(500, "{}"));
    for _ in 0..6 {
        post(gateway.address, ask(20)).await;
    }
    let call = webhook.request(0).await.json();
    assert_eq!(call["weighbridge"]["kind"], "target", "{call}");
    assert_eq!(call["weighbridge"]["state"], "begun", "{call}");
    assert!(gateway.log().contains("is shut"), "it stands in the log too: {}", gateway.log());
}

#[tokio::test]
async fn a_cap_that_the_target_may_not_know_does_not_open_the_budget() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).search("budgets: [{ usd: 0.04, per: month }]").start().await;
    let body = ask(1).replace("max_tokens", "max_completion_tokens");
    assert_eq!(post(gateway.address, body).await.status, 200);
    assert_eq!(upstream.requests()[0].json()["max_tokens"], 1, "the member that it honours goes up too");
    // 0 is "no cap" for some servers: then as much is held as without one.
    assert_eq!(post(gateway.address, ask(0)).await.status, 200);
    assert_eq!(upstream.requests()[1].json()["max_tokens"], 0, "what was sent is left");
    let gate = Gate::new();
    upstream
        .next(Script::new().wait(&gate).head(200, &[("content-type", "application/json")]).body(sample::CHAT).end());
    let address = gateway.address;
    let held = tokio::spawn(async move { post(address, ask(0)).await });
    upstream.request(2).await;
    assert!(balance(&gateway, "team/search/usd/month").await.1 > 0.03, "as without a cap");
    gate.open();
    assert_eq!(held.await.expect("it does not fail").status, 200);
}

#[tokio::test]
async fn a_budget_that_only_watches_changes_nothing_of_the_request() {
    let upstream = Upstream::start().await;
    let setup = Setup::openai(&[&upstream]).search("budgets: [{ usd: 0.000000001, per: day, mode: audit }]");
    let gateway = setup.start().await;
    assert_eq!(gateway.post(CHAT, sample::CHAT_ASK).await.status, 200);
    assert_eq!(upstream.only().body, sample::renamed(sample::CHAT_ASK.as_bytes(), "model-a"), "byte for byte");
    nothing_is_held(&gateway, "team/search/usd/day").await;
    assert_eq!(balance(&gateway, "team/search/usd/day").await.0, ANSWER_NANO_USD as f64 / 1e9, "and is charged");
}

#[tokio::test]
async fn a_budget_sends_nobody_to_a_model_that_the_key_may_not_call() {
    let (dear, cheap) = (Upstream::start().await, Upstream::start().await);
    let setup = Setup::new()
        .providers("openai", &[&dear, &cheap])
        .model_of("fast", &["a"], "")
        .model_of("cheap", &["b"], "")
        .key("narrow", "search", "wb-narrow-key-0123456789", "models: [fast]");
    let rule = "budgets: [{ usd: 0.000000001, per: month, on_exhausted: { fallback: cheap } }]";
    let gateway = setup.search(rule).start().await;
    let refused = Call::post(CHAT, ask(7)).key("wb-narrow-key-0123456789").send(gateway.address).await;
    refused.openai_error(402);
    assert_eq!((dear.count(), cheap.count()), (0, 0));
}

#[tokio::test]
async fn names_that_clients_make_up_are_kept_short() {
    let upstream = Upstream::start().await;
    let gateway = Setup::openai(&[&upstream]).search("limits: [{ requests: 1, per: day, each: user }]").start().await;
    let by = async |tail: &str| {
        let user = format!("{}{tail}", "x".repeat(1_000));
        let body = ask(7).replace("\"max_tokens\"", &format!("\"user\":\"{user}\",\"max_tokens\""));
        post(gateway.address, body).await
    };
    assert_eq!(by("a").await.status, 200);
    by("b").await.openai_error(429);
    let row = gateway.only_row().await;
    assert_eq!(row.text("user").len(), 256);
}
