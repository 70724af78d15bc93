//! `router_settings`, `litellm_settings`, `general_settings`: <https://docs.litellm.ai/docs/proxy/config_settings>.

use super::amount::{Amount, duration, millis};
use super::desk::Desk;
use super::read::{Fields, Node, Value};
use super::rules::Rules;
use super::write::Out;

/// How targets are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    Weighted,
    Latency,
    Cost,
}

impl Strategy {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Weighted => "weighted",
            Self::Latency => "latency",
            Self::Cost => "cost",
        }
    }
}

/// When other models answer. `from`: none means every model without fallbacks of its own.
pub(super) struct Fallback {
    pub(super) path: String,
    on: &'static str,
    pub(super) from: Option<String>,
    pub(super) to: Vec<String>,
}

/// What the settings come to.
pub(super) struct Settings {
    pub(super) server: Out,
    pub(super) admin: Out,
    pub(super) health: Out,
    pub(super) budgeting: Out,
    pub(super) alerts: Out,
    pub(super) limits: Vec<Out>,
    pub(super) budgets: Vec<Out>,
    pub(super) strategy: Strategy,
    pub(super) fallbacks: Vec<Fallback>,
    /// Path, name, and the model that it stands for.
    pub(super) aliases: Vec<(String, String, String)>,
    retries: Option<u64>,
    response: Option<u64>,
    first: Option<u64>,
    drops: bool,
}

/// Our longest request, if nothing is said.
const TOTAL: u64 = 600_000;

/// Timeouts of a model or target: what is not streamed, and the first output. `total` is what holds without them.
pub(super) fn timeouts(response: Option<u64>, first: Option<u64>, total: u64) -> Vec<(String, Out)> {
    let entry = |key: &str, time: u64| (key.to_owned(), Out::word(duration(time)));
    let mut out: Vec<_> = first.map(|time| entry("first_token", time)).into_iter().collect();
    out.extend(response.map(|time| entry("response", time)));
    let longest = response.max(first).unwrap_or(0);
    if longest > total {
        out.push(entry("total", longest));
    }
    out
}

pub(super) fn read(file: &Fields<'_>, desk: &mut Desk) -> Settings {
    let (router, litellm) = (file.of_key("router_settings"), file.of_key("litellm_settings"));
    let general = file.of_key("general_settings");
    let strategy = strategy(&router, desk);
    let either = |key: &str| router.text(key).or_else(|| litellm.text(key));
    let retries = either("num_retries").and_then(Amount::read).and_then(Amount::exactly_whole);
    let of_router = router.text("timeout").and_then(millis);
    let response = of_router.or_else(|| litellm.text("request_timeout").and_then(millis));
    let first = router.text("stream_timeout").and_then(millis);
    let mut rules = Rules::default();
    rules.budget(&litellm, None, desk);
    rules.limits(&general, ["-", "-", "global_max_parallel_requests"], desk);
    if rules.nothing {
        desk.note(
            "litellm_settings.max_budget",
            "not carried over: a budget of 0 lets nothing pass; do not start the gateway",
        );
    }
    if let Some(most) = desk.number(&litellm, "max_end_user_budget").and_then(|most| most.cut(9, false))
        && most.text != "0"
    {
        let budget = [("usd", Out::word(most.text)), ("per", Out::word("lifetime")), ("each", Out::word("user"))];
        rules.budgets.push(Out::map(budget));
    }
    let settings = Settings {
        server: server(&general, desk),
        admin: admin(&general, desk),
        health: health(&router, &litellm, &general, desk),
        budgeting: match litellm.get("timezone").and_then(|node| desk.plain(node)) {
            Some(zone) => Out::map([("zone", zone)]),
            None => Out::Map(Vec::new()),
        },
        alerts: alerts(&general, desk),
        limits: rules.limits,
        budgets: rules.budgets,
        strategy,
        fallbacks: [&router, &litellm].into_iter().flat_map(|fields| fallbacks(fields)).collect(),
        aliases: aliases(&router),
        retries,
        response,
        first,
        drops: litellm.is_true("drop_params"),
    };
    callbacks(&litellm, desk);
    if litellm.is_true("cache") {
        desk.note("litellm_settings.cache", "not carried over; see `cache` under a model or a team");
        litellm.get("cache_params");
    }
    for fields in [&router, &litellm, &general] {
        for node in fields.left() {
            let key = node.path.rsplit('.').next().unwrap_or_default();
            let advice = ADVICE.iter().find(|(known, _)| *known == key).map(|(_, advice)| *advice);
            desk.note(&node.path, format!("not carried over; {}", advice.unwrap_or("there is nothing like it here")));
        }
    }
    settings
}

fn strategy(router: &Fields<'_>, desk: &mut Desk) -> Strategy {
    let path = router.path("routing_strategy");
    match router.text("routing_strategy").unwrap_or("simple-shuffle") {
        "simple-shuffle" => Strategy::Weighted,
        "latency-based-routing" => Strategy::Latency,
        "cost-based-routing" => Strategy::Cost,
        "least-busy" => {
            desk.note(&path, "there is no such route here: `latency`, which avoids busy targets as they get slower");
            Strategy::Latency
        }
        _ => {
            let how = "there is no such route here: `weighted` by tokens or requests a minute, and targets over their limit are passed over";
            desk.note(&path, how);
            Strategy::Weighted
        }
    }
}

/// <https://docs.litellm.ai/docs/proxy/reliability>
fn fallbacks(fields: &Fields<'_>) -> Vec<Fallback> {
    let kinds = [
        ("fallbacks", "failed"),
        ("context_window_fallbacks", "context_window"),
        ("content_policy_fallbacks", "content_policy"),
    ];
    let mut found = Vec::new();
    for (key, on) in kinds {
        let list = fields.get(key).map(Node::items).unwrap_or_default();
        for (from, to) in list.iter().flat_map(Node::entries) {
            let from = (from != "*").then(|| from.clone());
            found.push(Fallback { path: to.path.clone(), on, from, to: to.texts() });
        }
    }
    if let Some(to) = fields.get("default_fallbacks") {
        found.push(Fallback { path: to.path.clone(), on: "failed", from: None, to: to.texts() });
    }
    found
}

/// `{ alias: model }` and `{ alias: { model, hidden } }`: <https://docs.litellm.ai/docs/routing>.
fn aliases(router: &Fields<'_>) -> Vec<(String, String, String)> {
    let entries = router.get("model_group_alias").map(Node::entries).unwrap_or_default();
    let read = entries.iter().filter_map(|(alias, node)| {
        let of = node.text().or_else(|| node.get("model")?.text())?;
        Some((node.path.clone(), alias.clone(), of.to_owned()))
    });
    read.collect()
}

/// LiteLLM listens on port 4000 unless told otherwise: <https://docs.litellm.ai/docs/proxy/cli>.
fn server(general: &Fields<'_>, desk: &mut Desk) -> Out {
    let mut server = vec![("listen".to_owned(), Out::List(vec![Out::map([("address", Out::text("0.0.0.0:4000"))])]))];
    let most = desk.number(general, "max_request_size_mb").map(|size| size.shifted(0).whole().unwrap_or(0));
    if let Some(size) = most.filter(|size| (1..=1024).contains(size)) {
        server.push(("max_body_bytes".to_owned(), Out::word(format!("{size}MiB"))));
    }
    Out::Map(server)
}

/// The master key becomes the token of the admin API. It is no key of a client here.
fn admin(general: &Fields<'_>, desk: &mut Desk) -> Out {
    let token = match general.get("master_key") {
        Some(node) => desk.secret(node, "WEIGHBRIDGE_ADMIN_TOKEN"),
        None => None,
    };
    let Some(token) = token else { return Out::Map(Vec::new()) };
    let why = "becomes the admin API's token (16 characters or more), and calls no model: clients that use it need a key \
               (`weighbridge keys create`)";
    desk.note(&general.path("master_key"), why);
    Out::map([("token", token)])
}

fn health(router: &Fields<'_>, litellm: &Fields<'_>, general: &Fields<'_>, desk: &mut Desk) -> Out {
    let mut health = Vec::new();
    let fails = desk.number(router, "allowed_fails").or(desk.number(litellm, "allowed_fails"));
    if let Some(fails) = fails.and_then(Amount::exactly_whole).filter(|fails| *fails < 1_000_000) {
        health.push(("failures".to_owned(), Out::word(fails + 1)));
    }
    let pause = router.text("cooldown_time").or_else(|| litellm.text("cooldown_time")).and_then(millis);
    if let Some(pause) = pause {
        health.push(("pause".to_owned(), Out::word(duration(pause))));
        health.push(("most_pause".to_owned(), Out::word(duration(pause.max(30_000)))));
    }
    if general.is_true("background_health_checks") {
        let every = general.text("health_check_interval").and_then(millis).unwrap_or(300_000).max(1_000);
        let what = "a look is a connection here, and costs nothing; `probe: models` asks a provider for its list";
        desk.note(&general.path("background_health_checks"), what);
        health.push(("probe".to_owned(), Out::word("tcp")));
        health.push(("every".to_owned(), Out::word(duration(every))));
    }
    Out::Map(health)
}

/// Slack's address is LiteLLM's SLACK_WEBHOOK_URL: <https://docs.litellm.ai/docs/proxy/alerting>.
fn alerts(general: &Fields<'_>, desk: &mut Desk) -> Out {
    let named = general.texts("alerting");
    if named.iter().any(|name| name == "slack") {
        return Out::map([("webhook", desk.usual("SLACK_WEBHOOK_URL"))]);
    }
    if !named.is_empty() {
        desk.note(&general.path("alerting"), "not carried over; `alerts.webhook` posts JSON as Slack reads it");
    }
    Out::Map(Vec::new())
}

/// What LiteLLM calls after a request: <https://docs.litellm.ai/docs/proxy/logging>.
fn callbacks(litellm: &Fields<'_>, desk: &mut Desk) {
    for key in ["callbacks", "success_callback", "failure_callback", "service_callback"] {
        for name in litellm.texts(key) {
            match &*name {
                // Always there.
                "prometheus" => desk.note(&litellm.path(key), "metrics are at `admin.listen`, path /metrics, under other names"),
                "detect_prompt_injection" => {
                    desk.note(&litellm.path(key), "not carried over; write a guardrail of `kind: injection`");
                }
                _ => desk.note(
                    &litellm.path(key),
                    "not carried over; access records (`records`) and `weighbridge ledger export` say what was asked and paid",
                ),
            }
        }
    }
}

/// The sections of the file that nothing was made of.
pub(super) fn leftovers(file: &Fields<'_>, desk: &mut Desk) {
    if let Some(Node { path, value: Value::Map(entries) }) = file.get("environment_variables") {
        for (name, _) in entries {
            desk.note(
                &format!("{path}.{name}"),
                "not carried over: set it in the environment of the gateway, if it is still named",
            );
        }
    }
    for node in file.left() {
        let advice = ADVICE.iter().find(|(known, _)| *known == node.path).map(|(_, advice)| *advice);
        desk.note(&node.path, format!("not carried over; {}", advice.unwrap_or("there is nothing like it here")));
    }
}

impl Settings {
    /// What a request may take in all where nothing else is said.
    pub(super) fn total(&self) -> u64 {
        TOTAL.max(self.response.unwrap_or(0)).max(self.first.unwrap_or(0))
    }

    /// What the settings say of the model `name`, whose fallbacks are those of `origin`. `known` gives our name of a model that there is.
    pub(super) fn of_model(
        &self,
        (origin, name): (&str, &str),
        known: &dyn Fn(&String) -> Option<String>,
        out: &mut Vec<(String, Out)>,
    ) {
        let mut fallbacks: Vec<(String, Out)> = Vec::new();
        let mut others = 0;
        for on in ["context_window", "content_policy", "failed"] {
            let of = |from: Option<&String>| {
                let all = self.fallbacks.iter().filter(|fallback| fallback.on == on);
                all.filter(|fallback| {
                    fallback.from.as_ref().and_then(known).as_ref() == from && fallback.from.is_some() == from.is_some()
                })
                .flat_map(|fallback| fallback.to.iter().filter_map(known))
                .collect::<Vec<_>>()
            };
            let own = of(Some(&origin.to_owned()));
            let mut models = if own.is_empty() { of(None) } else { own };
            models.retain(|model| model != name && model != origin);
            let mut seen = std::collections::BTreeSet::new();
            models.retain(|model| seen.insert(model.clone()));
            if on == "failed" {
                others = models.len();
            }
            if !models.is_empty() {
                fallbacks.push((on.to_owned(), Out::texts(models)));
            }
        }
        if let Some(retries) = self.retries {
            // A model that answers instead needs an attempt as well.
            let attempts = retries.saturating_add(1).saturating_add(others as u64).min(20);
            out.push(("max_attempts".to_owned(), Out::word(attempts)));
        }
        let timeouts = timeouts(self.response, self.first, TOTAL);
        if !timeouts.is_empty() {
            out.push(("timeouts".to_owned(), Out::Map(timeouts)));
        }
        if !fallbacks.is_empty() {
            out.push(("fallbacks".to_owned(), Out::Map(fallbacks)));
        }
        if self.drops {
            out.push(("translation".to_owned(), Out::map([("unsupported", Out::word("drop"))])));
        }
    }
}

/// What to do instead, by key.
const ADVICE: &[(&str, &str)] = &[
    ("database_url", "keys, spend and records are in `state.dir`; no database is needed"),
    ("database_connection_pool_limit", "no database is needed"),
    ("database_connection_timeout", "no database is needed"),
    ("store_model_in_db", "models stand in the file; change it and reload"),
    ("store_prompts_in_spend_logs", "see `records.content`"),
    ("disable_spend_logs", "every attempt is in the ledger"),
    ("proxy_batch_write_at", "each attempt is written before it is sent"),
    ("redis_host", "one gateway needs no Redis; several count each for itself"),
    ("redis_port", "one gateway needs no Redis"),
    ("redis_password", "one gateway needs no Redis"),
    ("redis_url", "one gateway needs no Redis"),
    ("enable_jwt_auth", "write `auth.jwt` with issuer, audience and the address of the keys"),
    ("litellm_jwtauth", "write `auth.jwt` with issuer, audience and the names of the claims"),
    ("custom_auth", "callers are known by keys or by `auth.jwt`"),
    ("allowed_ips", "write `allowed_ips` at keys, or close the port elsewhere"),
    ("pass_through_endpoints", "only calls of models pass"),
    ("max_parallel_requests", "write `limits: [{ concurrent: N }]` under `defaults.keys`"),
    ("max_user_budget", "write a budget with `each: user`"),
    ("max_internal_user_budget", "write `budgets` under `defaults.keys`"),
    ("internal_user_budget_duration", "write `per` at that budget"),
    ("default_internal_user_params", "write `defaults.keys`"),
    ("default_team_settings", "write `defaults.teams`"),
    ("default_team_params", "write `defaults.teams`"),
    ("default_key_generate_params", "write `defaults.keys`"),
    ("upperbound_key_generate_params", "whoever may make keys here may give them any limits of their team"),
    ("max_end_user_budget_id", "write a budget with `each: user` and `overrides`"),
    ("retry_policy", "write `attempts.on` at the models: by failure `fail`, `next` or `retry`"),
    ("model_group_retry_policy", "write `attempts.on` at the model"),
    ("allowed_fails_policy", "write `health` at the providers"),
    ("retry_after", "a provider's own Retry-After is followed; see `attempts.pause`"),
    ("enable_pre_call_checks", "prompts that are too long go to `fallbacks.context_window` by themselves"),
    ("optional_pre_call_checks", "see `sticky` of a model"),
    ("provider_budget_config", "write `budgets` at the providers"),
    ("guardrails", "write them under the top-level `guardrails` and import again"),
    ("mcp_servers", "this gateway passes calls of models only"),
    ("vector_store_registry", "this gateway passes calls of models only"),
    ("search_tools", "this gateway passes calls of models only"),
    ("set_verbose", "the log's level is WEIGHBRIDGE_LOG"),
    ("json_logs", "logs are JSON unless they go to a terminal"),
    ("turn_off_message_logging", "prompts are not kept unless `records.content` says so"),
    ("redact_user_api_key_info", "keys are told by name, never by value"),
    ("public_routes", "only health is public"),
    ("alerting_threshold", "see the metrics of latency"),
    ("alerting_args", "see the metrics"),
    ("alert_types", "see the metrics"),
    ("files_settings", "write `files: { provider: NAME }`"),
    ("finetune_settings", "this gateway passes calls of models only"),
];
