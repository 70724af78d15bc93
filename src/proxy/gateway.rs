//! What all requests share: the snapshot of the configuration, and the gateway's services.

use super::admission::Admission;
use super::beside::Beside;
use super::bounds::Buffers;
use super::cached::{self, Embedder};
use super::edge::head::HeadLimits;
use super::files::{Account, Accounts, Files};
use super::front::Unproven;
use super::governed::Governed;
use super::guarded;
use super::keeping::Keeping;
use super::kept::Kept;
use super::learned::Learned;
use super::mirror::Mirrors;
use super::pace::BodyBounds;
use super::probing;
use super::purse::{self, BudgetSet};
use super::target::Target;
use super::unpriced;
use crate::auth::Callers;
use crate::cache::{Cache, CacheRules};
use crate::catalogue::{self, Price};
use crate::config::{
    Budgeting, Config, ConfigError, Guardrail, Health, Mirror, Model, Networks, OnRevoke, PriceOverride, Protocol,
    Provider as ProviderConfig, Scope, Target as TargetConfig, nearest,
};
use crate::guard::{Guards, Mask, Safe};
use crate::ledger::budget::Budgets;
use crate::ledger::{Ledger, OpenPrice};
use crate::limits::{Addresses, Connections, Limits, RuleSet};
use crate::model::{Api, Clock, IdSource, Sampler};
use crate::providers::feed::Feed;
use crate::providers::{self, Endpoint};
use crate::records::ContentLog;
use crate::routing::{Place, Route, Rule, Standings, Table};
use crate::telemetry::{AccessLog, ProxyMetrics, SeriesTable};
use crate::tokens::{self, Counter};
use bytes::Bytes;
use http::header::HeaderValue;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Services that outlive every request.
pub struct Services {
    /// Wall clock.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: IdSource,
    /// Who may call.
    pub callers: Arc<Callers>,
    /// Where every attempt is booked.
    pub ledger: Arc<Ledger>,
    /// Rate windows and concurrency of all rules.
    pub limits: Arc<Limits>,
    /// What client addresses do.
    pub addresses: Addresses,
    /// Whose word about them counts.
    pub trusted: Networks,
    /// Connections of clients.
    pub connections: Arc<Connections>,
    /// Whose the files and batches of providers are.
    pub files: Files,
    /// Where copies of requests are left for other models.
    pub mirrors: Mirrors,
    /// Counts tokens off the hot path.
    pub counter: Counter,
    /// Access records.
    pub access_log: Arc<AccessLog>,
    /// Prompts and answers; `None`: no team's are kept.
    pub contents: Option<ContentLog>,
    /// Whose are kept.
    pub keeping: Keeping,
    /// Answers that are given again.
    pub cache: Cache,
    /// What makes vectors to compare their requests by.
    pub embedder: Embedder,
    /// Which requests have spans.
    pub tracing: Arc<Sampler>,
    /// Counters.
    pub metrics: ProxyMetrics,
    /// Clients of HTTP/2 that sent no request yet.
    pub unproven: Unproven,
    /// Bytes held.
    pub buffers: Buffers,
    /// Open requests, and those that wait.
    pub places: Admission,
    /// The drain is over: sessions end.
    pub stopping: AtomicBool,
    /// How targets stand.
    pub standings: Arc<Standings>,
    /// Limits on requests.
    pub bounds: Bounds,
}

/// Limits on requests, from the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Longest head.
    pub head: HeadLimits,
    /// Largest body.
    pub max_body_bytes: usize,
    /// Longest wait for a body that brings nothing.
    pub body_timeout: Duration,
    /// Bytes of a body that buy one second more; 0: none do.
    pub body_min_rate: u64,
    /// Largest answer withheld whole.
    pub max_withheld_bytes: usize,
    /// Idle client connections are kept this long.
    pub keepalive: Duration,
    /// Streams of a key that is revoked or has expired are ended.
    pub cut_revoked: bool,
}

impl Bounds {
    /// As the file has them.
    pub fn of(config: &Config) -> Self {
        let server = &config.server;
        Self {
            head: HeadLimits { bytes: server.max_head_bytes, fields: server.max_head_lines },
            max_body_bytes: server.max_body_bytes,
            body_timeout: server.body_timeout,
            body_min_rate: server.body_min_rate,
            max_withheld_bytes: server.max_withheld_bytes,
            keepalive: server.keepalive_timeout,
            cut_revoked: config.auth.on_revoke == OnRevoke::Cut,
        }
    }
}

/// What outlives a snapshot, and is found again by the next one.
#[derive(Clone, Copy)]
pub struct Lasting<'a> {
    /// Windows and places of limits.
    pub limits: &'a Arc<Limits>,
    /// Balances of budgets.
    pub budgets: &'a Arc<Budgets>,
    /// How targets stand.
    pub standings: &'a Standings,
    /// What placeholders of sessions stand for.
    pub safe: &'a Arc<Safe>,
    /// The snapshot before; `None`: this is the first one.
    pub before: Option<&'a Snapshot>,
}

impl Bounds {
    /// Of one body.
    pub const fn body(&self) -> BodyBounds {
        BodyBounds { most: self.max_body_bytes, within: self.body_timeout, rate: self.body_min_rate }
    }
}

/// What a request is admitted under; it keeps the snapshot to its end.
#[derive(Debug)]
pub struct Snapshot {
    /// Limits of callers, models and the gateway.
    pub governed: Governed,
    /// How money is held.
    pub budgeting: Arc<Budgeting>,
    /// Models and their targets.
    pub table: Table<Target>,
    /// Where teams keep files and batches.
    pub accounts: Accounts,
    /// Mirrors, by the model whose requests they copy.
    pub mirrors: HashMap<Arc<str>, Arc<Mirror>>,
    /// What texts are looked at for.
    pub guards: Guards,
    /// The guardrails of each model that has some, or may be answered for by one that has.
    pub guarded: HashMap<Arc<str>, Mask>,
    /// Whose answers are given again.
    pub caching: CacheRules,
    /// Counters by model, target and team.
    pub series: SeriesTable,
    /// What fetches the providers' credentials; whoever serves the snapshot runs them.
    pub feeds: Vec<Arc<dyn Feed>>,
    /// How often batches are looked at that nobody asks for.
    pub look: Duration,
    /// Which reading of the file this is: 0 at the start.
    pub generation: u64,
    /// Providers, for the next snapshot.
    kept: BTreeMap<Arc<str>, Kept>,
}

impl Snapshot {
    /// Joins the configuration's rows with their providers and prices.
    ///
    /// # Errors
    ///
    /// Every mistake in the providers' own sections and in prices.
    pub fn build(config: &Config, series: SeriesTable, lasting: Lasting<'_>) -> Result<Self, Vec<ConfigError>> {
        let Lasting { limits, budgets, standings, safe, before } = lasting;
        let mut errors = Vec::new();
        let mut built: BTreeMap<&str, Built> = BTreeMap::new();
        for (name, provider) in &config.providers {
            match build_provider(provider, limits, budgets, before) {
                Ok(one) => drop(built.insert(name, one)),
                Err(error) => errors.push(error),
            }
        }
        let mut routes = Vec::new();
        let prices = Arc::new(config.prices.clone());
        let with = With { series: &series, prices: &prices, standings, before };
        for model in config.models.values() {
            let mut targets = Vec::new();
            for (index, target) in model.targets.iter().enumerate() {
                let Some(provider) = built.get(&*target.provider) else { continue };
                match join(config, (model, index), provider, &with) {
                    Ok(target) => targets.push(Arc::new(target)),
                    Err(message) => {
                        let path = format!("models.{}.targets[{}]", model.name, model.targets[index].index);
                        errors.push(ConfigError { file: None, line: None, path, message });
                    }
                }
            }
            let max_attempts = usize::try_from(model.max_attempts.get()).unwrap_or(usize::MAX);
            let places = model.targets.iter().map(|target| Place {
                name: (&*target.provider, &*target.model),
                weight: target.weight,
                canary: target.canary,
            });
            let places: Vec<_> = places.collect();
            let rule = Rule::new(model.route, model.sticky, &places);
            routes.push(Route { name: Arc::clone(&model.name), targets, max_attempts, rule });
        }
        errors.extend(unpriced::budgets(config, &routes));
        errors.extend(cached::mistake(config, &routes));
        let accounts = Accounts::resolve(&config.files, |name| built.get(name).map(|built| built.account(name)));
        let accounts = accounts.unwrap_or_else(|wrong| {
            errors.extend(wrong.into_iter().map(|(path, message)| ConfigError {
                file: None,
                line: None,
                path,
                message,
            }));
            Accounts::default()
        });
        let guards = Guards::build(&config.guardrails, Arc::clone(safe)).map_err(|wrong| errors.extend(wrong));
        if let (Ok(guards), true) = (guards, errors.is_empty()) {
            let table = Table::new(routes);
            let guarded = guarded::guards_of(&guards, &table);
            let budgeting = Arc::new(config.budgeting.clone());
            let governed = Governed::new(config, limits, budgets);
            let feeds = built.values().filter_map(|one| one.kept.provider.feed()).collect();
            let mirrored = |model: &Model| Some((Arc::clone(&model.name), Arc::clone(model.mirror.as_ref()?)));
            let mirrors = config.models.values().filter_map(mirrored).collect();
            let caching = CacheRules::new(config);
            let (look, generation) = (config.files.look, before.map_or(0, |before| before.generation + 1));
            let kept = built.values().map(|one| (Arc::clone(&one.name), one.kept.clone())).collect();
            Ok(Self {
                governed,
                budgeting,
                table,
                accounts,
                mirrors,
                guards,
                guarded,
                caching,
                series,
                feeds,
                look,
                generation,
                kept,
            })
        } else {
            Err(errors)
        }
    }

    /// What was learned of a target of the same name.
    fn learned(&self, model: &Model, target: &TargetConfig) -> Option<Arc<Learned>> {
        let same = |known: &&Arc<Target>| known.provider_name == target.provider && known.model == target.model;
        self.table.find(&model.name)?.targets.iter().find(same).map(|known| Arc::clone(&known.learned))
    }

    /// Where `provider` lives, for `weighbridge check`.
    pub fn endpoint(&self, config: &Config, provider: &ProviderConfig) -> Vec<String> {
        let used = config.models.values().find_map(|model| {
            let at = model.targets.iter().position(|target| target.provider == provider.name)?;
            self.table.find(&model.name)?.targets.get(at)
        });
        let Some(target) = used else { return vec!["no model uses it".to_owned()] };
        let Endpoint { tls, authority, base_path, .. } = target.provider.endpoint();
        let at = format!("at {}://{authority}{base_path}", if *tls { "https" } else { "http" });
        std::iter::once(at).chain(target.uplink.notes()).collect()
    }

    /// What a target costs and speaks, for `weighbridge check`.
    pub fn notes(&self, model: &Model, target: &TargetConfig) -> Vec<String> {
        let at = model.targets.iter().position(|one| std::ptr::eq(one, target));
        let joined = at.and_then(|at| self.table.find(&model.name)?.targets.get(at));
        let Some(joined) = joined else { return Vec::new() };
        let price = joined.price.as_ref().map_or_else(
            || "unpriced: its cost will be `null`; set `prices`, `catalogue` or `price_as`".to_owned(),
            |price| price.describe(),
        );
        let names = |passes| {
            // Files are the account's, not a model's.
            let apis = Api::ALL.into_iter().filter(|api| !matches!(api, Api::Files | Api::Batches));
            let apis = apis.filter(|&api| joined.serves(api) && joined.passes(api) == passes);
            apis.map(Api::name).collect::<Vec<_>>().join(", ")
        };
        let answers = match (names(true), names(false)) {
            (own, translated) if translated.is_empty() => own,
            (own, translated) if own.is_empty() => format!("{translated} (translated)"),
            (own, translated) => format!("{own}; translated: {translated}"),
        };
        let most = |tokens: Option<u64>| tokens.map_or_else(|| "unknown".to_owned(), |tokens| tokens.to_string());
        let (input, output) = (most(joined.max_input_tokens), most(joined.max_output_tokens));
        let limits = format!("at most: input {input}, output {output} tokens");
        vec![format!("price: {price}"), limits, format!("answers: {answers}")]
    }

    /// What a guardrail looks at and does, for `weighbridge check`.
    pub fn guard_notes(&self, guardrail: &Guardrail) -> Vec<String> {
        let Some(guard) = self.guards.named(&guardrail.name) else { return Vec::new() };
        let hooks: Vec<&str> = guard.hooks.iter().map(|hook| hook.name()).collect();
        let mode = if guard.audit { ", only told" } else { "" };
        let failure = if guard.open { "passes" } else { "does not pass" };
        let does = format!("on {}: {}{mode}; what it cannot judge {failure}", hooks.join(", "), guard.action.name());
        vec![does, format!("costs {}", guard.cost)]
    }

    /// The names of the dialects that the targets of `route` speak.
    pub fn dialects(route: &Route<Target>) -> String {
        let mut names: Vec<&str> = Vec::new();
        for api in Api::ALL.into_iter().filter(|&api| route.targets.iter().any(|target| target.serves(api))) {
            if !names.contains(&api.dialect().name()) {
                names.push(api.dialect().name());
            }
        }
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

struct Built {
    name: Arc<str>,
    kept: Kept,
    kind: String,
    base_url_host: Option<String>,
    catalogue: Option<String>,
    protocol: Protocol,
    limits: RuleSet,
    budgets: BudgetSet,
    health: Health,
}

impl Built {
    fn account(&self, name: &str) -> Account {
        Account { name: name.into(), provider: Arc::clone(&self.kept.provider), uplink: Arc::clone(&self.kept.uplink) }
    }
}

fn build_provider(
    config: &ProviderConfig,
    limits: &Limits,
    budgets: &Budgets,
    before: Option<&Snapshot>,
) -> Result<Built, ConfigError> {
    let row = providers::PROVIDERS.iter().find(|(kind, _)| *kind == config.kind);
    let Some((_, build)) = row else {
        let kinds: Vec<_> = providers::PROVIDERS.iter().map(|(kind, _)| *kind).collect();
        let meant = nearest(&config.kind, kinds.iter().copied());
        let hint = meant.map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
        let message = format!("there is no such kind; there are `{}`{hint}", kinds.join("`, `"));
        return Err(config.settings.error("kind", message));
    };
    let known = before.and_then(|before| before.kept.get(&config.name));
    let kept = Kept::of(config, known, || Ok(Arc::from(build(config)?)))?;
    if let Some(mistake) = probing::mistake(config, &*kept.provider) {
        return Err(mistake);
    }
    let base_url_host = config.settings.has("base_url").then(|| kept.provider.endpoint().host.to_string());
    let kind = config.kind.clone();
    let catalogue = config.catalogue.clone();
    let (protocol, limits) = (config.protocol, limits.resolve(&config.rules));
    let budgets = purse::resolve(budgets, &config.rules);
    let (name, health) = (Arc::clone(&config.name), config.health);
    Ok(Built { name, kept, kind, base_url_host, catalogue, protocol, limits, budgets, health })
}

/// What `provider/model` is called for all accounts of a provider, where `provider` is one of them.
fn price_of_all(name: &str, provider: &str) -> Option<String> {
    let (of, _) = provider.split_once(Scope::ACCOUNT)?;
    let model = name.strip_prefix(provider)?;
    Some(format!("{of}{model}"))
}

/// What targets are joined with.
struct With<'a> {
    series: &'a SeriesTable,
    prices: &'a Arc<BTreeMap<Arc<str>, PriceOverride>>,
    standings: &'a Standings,
    before: Option<&'a Snapshot>,
}

fn join(config: &Config, (model, index): (&Model, usize), built: &Built, with: &With<'_>) -> Result<Target, String> {
    let target = &model.targets[index];
    let overrides = |name: &str| {
        let of_account = || price_of_all(name, &target.provider).and_then(|name| config.prices.get(name.as_str()));
        config.prices.get(name).or_else(of_account).map(|price| &price.amounts)
    };
    let whose = catalogue::Target {
        provider: &target.provider,
        kind: &built.kind,
        base_url_host: built.base_url_host.as_deref(),
        catalogue: built.catalogue.as_deref(),
        model: &target.model,
        price_as: target.price_as.as_deref(),
    };
    let price = catalogue::resolve(&whose, overrides).map_err(|error| error.to_string())?;
    let listed = catalogue::limits(&whose).map_err(|error| error.to_string())?;
    let provider = built.kept.provider.for_model(&target.model)?.unwrap_or_else(|| Arc::clone(&built.kept.provider));
    let label = format!("{}/{}", target.provider, target.model);
    let standing = with.standings.of(&target.provider, &target.model);
    standing.govern(built.health.passive);
    let model_json = serde_json::to_vec(&*target.model).map_err(|error| error.to_string())?;
    Ok(Target {
        provider_name: Arc::clone(&target.provider),
        provider,
        model: Arc::clone(&target.model),
        model_json: Bytes::from(model_json),
        label: HeaderValue::from_str(&label).map_err(|_| format!("`{label}` cannot stand in a header"))?,
        open_price: price.as_ref().and_then(open_price),
        price: price.map(Arc::new),
        timeouts: target.timeouts,
        apis: target.apis.clone(),
        drops: model.drops,
        attempts: Arc::clone(&model.attempts),
        keep_alive: model.keep_alive,
        protocol: built.protocol,
        group: built.kept.group,
        beside: built.kept.provider.speaks(Api::Realtime).then(|| Beside {
            provider: Arc::clone(&target.provider),
            kind: built.kind.clone(),
            base_url_host: built.base_url_host.clone(),
            catalogue: built.catalogue.clone(),
            prices: Arc::clone(with.prices),
        }),
        uplink: Arc::clone(&built.kept.uplink),
        max_input_tokens: target.max_input_tokens.or_else(|| listed?.max_input_tokens),
        max_output_tokens: target.max_output_tokens.or_else(|| listed?.max_output_tokens),
        learned: with.before.and_then(|before| before.learned(model, target)).unwrap_or_default(),
        encoding: tokens::encoding_of(&target.model),
        when: target.when.clone(),
        limits: Arc::clone(&built.limits),
        budgets: Arc::clone(&built.budgets),
        metrics: Arc::clone(with.series.target(&model.name, index).ok_or("it has no counters")?),
        standing,
    })
}

/// What a row that is found open after a crash is charged by: the ordinary tier. Without a price for tokens there is
/// nothing: what is held is charged then.
fn open_price(price: &Price) -> Option<OpenPrice> {
    Some(OpenPrice {
        version: Arc::clone(price.version()),
        input_nano_per_million: price.standard_input()?,
        output_nano_per_million: price.standard_output().unwrap_or(0),
    })
}
