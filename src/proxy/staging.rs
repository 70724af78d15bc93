//! A gateway without sockets, for tests: its services on a directory of their own, and exchanges that reach no
//! provider.

use super::admission::Admission;
use super::bounds::Buffers;
use super::course::Move;
use super::edge::head::HeadLimits;
use super::exchange::{Arrival, Exchange, Opened};
use super::finish::Local;
use super::gateway::{Bounds, Lasting, Services, Snapshot};
use super::keeping::Keeping;
use crate::auth::{Caller, Callers, hash_of, hash_text};
use crate::cache::{Cache, CacheMetrics};
use crate::config::{self, Config};
use crate::guard::Safe;
use crate::ledger::{Ledger, LedgerMetrics, export};
use crate::limits::{Addresses, LimitMetrics, Limits, Permit, Steady, Subject};
use crate::model::{Api, Draft, IdSource, SystemClock};
use crate::routing::{Ended, Plan, Standings};
use crate::telemetry::{AccessLog, Metrics, SeriesTable};
use crate::tokens::Counter;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Tokens that an exchange reserves of the million a day that its key has.
pub const RESERVED: u64 = 5_000;

const KEY: &str = "wb-a-key-of-the-tests-0123456789";

/// The gateway.
pub struct Stage {
    dir: tempfile::TempDir,
    /// Its services.
    pub services: Arc<Services>,
    /// Its configuration.
    pub snapshot: Arc<Snapshot>,
    caller: Arc<Caller>,
}

impl Stage {
    /// Models: `counted` (a tokenizer and a price), `unpriced` (neither), `claude` (a price), `embed`, `two` (`counted`
    /// and `unpriced`), `spared` (as `two`, with two attempts, and models that answer instead: `full`, `narrow` and `same`,
    /// which never can, and `last`), and `timed` with time-outs of 10 s (send), 4 s (first token), 2 s (idle), 7 s (response) and
    /// 30 s (total).
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let config = Config::from_text(&config_text(dir.path()), None).expect("the configuration is right");
        let metrics = Metrics::new().expect("metrics");
        let clock = Arc::new(SystemClock);
        let limit_metrics = LimitMetrics::register(&metrics.registry).expect("metrics");
        let limits = Arc::new(Limits::new(limit_metrics, Steady::new(1_795_000_000_000_000)));
        let series = SeriesTable::resolve(&metrics, &config);
        let ledger_metrics = LedgerMetrics::register(&metrics.registry).expect("metrics");
        let ledger = Ledger::open(&config.state, Arc::clone(&clock) as _, ledger_metrics).expect("a ledger");
        let standings = Arc::<Standings>::default();
        let safe = Arc::new(Safe::new().expect("randomness"));
        let lasting =
            Lasting { limits: &limits, budgets: ledger.budgets(), standings: &standings, safe: &safe, before: None };
        let snapshot = Arc::new(Snapshot::build(&config, series, lasting).expect("providers are right"));
        let log = config::AccessLog::File(dir.path().join("access.log"));
        let callers = Callers::open(&config, dir.path(), Arc::clone(&clock) as _).expect("a key store");
        let caller = callers.named("k", 0).expect("a known key");
        let services = Services {
            callers: Arc::new(callers),
            clock,
            ids: IdSource::from_os().expect("randomness"),
            ledger,
            limits,
            addresses: Addresses::new(config.server.per_address),
            trusted: config.server.trusted_proxies.clone(),
            files: super::files::Files::new(crate::files::Shelf::open(dir.path()).expect("a table")),
            mirrors: super::mirror::Mirrors::new().0,
            counter: Counter::start(16, 1 << 26).expect("a thread"),
            access_log: Arc::new(AccessLog::start(&log, None, metrics.access_log.clone()).expect("a file")),
            contents: None,
            keeping: Keeping::default(),
            cache: Cache::new(1 << 20, CacheMetrics::register(&metrics.registry).expect("free names")),
            embedder: super::cached::Embedder::default(),
            tracing: Arc::default(),
            metrics: metrics.proxy.clone(),
            connections: Arc::new(crate::limits::Connections::new(16, 0)),
            unproven: super::front::Unproven::default(),
            buffers: Buffers::new(1 << 26),
            standings,
            places: Admission::new(&config.server, metrics.proxy.overload.clone()),
            stopping: std::sync::atomic::AtomicBool::new(false),
            bounds: Bounds {
                head: HeadLimits { bytes: 64 << 10, fields: 100 },
                max_body_bytes: 1 << 20,
                body_timeout: Duration::from_secs(1),
                body_min_rate: 0,
                max_withheld_bytes: 10_000,
                keepalive: Duration::from_secs(1),
                cut_revoked: true,
            },
        };
        Self { dir, services: Arc::new(services), snapshot, caller }
    }

    /// A request of `api` for `model` whose body has `rest` beside the model.
    pub fn exchange(&self, model: &str, api: Api, rest: &str) -> Exchange {
        let body = format!("{{\"model\":\"{model}\",{rest}}}");
        let ask = crate::dialect::parse(api, Draft::copy_of(body.as_bytes())).expect("the body is right");
        self.exchange_of(model, ask)
    }

    /// A request that was parsed, for `model`.
    pub fn exchange_of(&self, model: &str, ask: crate::model::Ask) -> Exchange {
        let length = ask.body.len();
        let id = self.services.ids.next(1);
        let arrival = Arrival {
            id,
            label: id.to_string().into(),
            labelled: false,
            at: Instant::now(),
            at_us: 1,
            address: None,
            version: http::Version::HTTP_11,
            trace: None,
        };
        let mut governing = self.snapshot.governed.of(&self.caller);
        self.snapshot.governed.with_model(&mut governing, model);
        let subject = Subject { key: "k", team: "t", model, user: None, metadata: &[] };
        let permit = governing.admit_request(&self.services.limits, Permit::default(), &subject, RESERVED);
        let opened = Opened {
            arrival,
            caller: Arc::clone(&self.caller),
            team: Arc::clone(self.snapshot.series.team(Some("t"))),
            ask,
            governing,
            permit: permit.expect("a million tokens a day"),
            user: None,
            session: None,
            metadata: Vec::new(),
            model: model.into(),
            charges: Vec::new(),
            budgeting: Arc::clone(&self.snapshot.budgeting),
            first: None,
            query: None,
            include_cost: false,
            meaning: None,
            snapshot: Arc::clone(&self.snapshot),
            plan: Plan::new(Arc::clone(self.snapshot.table.find(model).expect("a known model"))),
            share: self.services.buffers.take(length).expect("room"),
            place: self.services.places.take().expect("room"),
            bytes_in: length,
            mirror_of: None,
            guarding: None,
        };
        Exchange::new(opened, Arc::clone(&self.services), Duration::ZERO)
    }

    /// Tokens of today that the key has left; [`RESERVED`] are taken for each request that is open.
    pub fn tokens_left(&self) -> u64 {
        let caller = Some(Arc::clone(&self.caller));
        let local = Local { caller, governing: Some(self.snapshot.governed.of(&self.caller)), ..Local::default() };
        local.shares(&self.services.limits).tokens.expect("the key has a limit").remaining
    }

    /// Tokens of today that the rules of `model` leave, where they leave less than the key's.
    pub fn tokens_left_of(&self, model: &str) -> u64 {
        let caller = Some(Arc::clone(&self.caller));
        let mut governing = self.snapshot.governed.of(&self.caller);
        self.snapshot.governed.with_model(&mut governing, model);
        let local = Local { caller, governing: Some(governing), ..Local::default() };
        local.shares(&self.services.limits).tokens.expect("the key has a limit").remaining
    }

    /// The target of `model` at `place` is shut for longer than any test takes: it fell silent several times.
    pub fn shut(&self, model: &str, place: usize) {
        let standing = Arc::clone(&self.snapshot.table.find(model).expect("a known model").targets[place].standing);
        let now_us = self.services.clock.now_us();
        (0..5).for_each(|_| standing.enter_shut(now_us).end(Ended::Stalled, now_us));
    }

    /// The rows of all attempts, once everything was counted: nothing can be counted afterwards.
    pub fn rows(&self) -> Vec<Value> {
        self.services.counter.close(Duration::from_secs(20));
        let mut out = Vec::new();
        export::export(self.dir.path(), &export::Filter::default(), &mut out).expect("the ledger can be read");
        lines(&out)
    }

    /// The access records, once the log is closed.
    pub fn access_records(&self) -> Vec<Value> {
        self.services.access_log.close(Duration::from_secs(20));
        lines(&std::fs::read(self.dir.path().join("access.log")).expect("the log"))
    }

    /// Bytes that the gateway holds.
    pub fn held(&self) -> usize {
        self.services.buffers.used()
    }
}

fn lines(text: &[u8]) -> Vec<Value> {
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("a line is JSON")).collect()
}

fn config_text(dir: &std::path::Path) -> String {
    let (dir, hash) = (Value::from(dir.to_string_lossy()), hash_text(&hash_of(KEY.as_bytes())));
    format!(
        r#"
state: {{ dir: {dir} }}
admin: {{ listen: "off" }}
providers:
  openai: {{ kind: openai, api_key: sk-planted-0123456789 }}
  anthropic: {{ kind: anthropic, api_key: sk-planted-0123456789 }}
  local: {{ kind: openai, base_url: "http://127.0.0.1:9/v1" }}
models:
  counted: {{ targets: [{{ provider: openai, model: gpt-4o-mini }}] }}
  unpriced: {{ targets: [{{ provider: local, model: llama }}] }}
  claude: {{ targets: [{{ provider: anthropic, model: claude-haiku-4-5 }}] }}
  embed: {{ targets: [{{ provider: openai, model: text-embedding-3-small }}] }}
  heard: {{ targets: [{{ provider: openai, model: gpt-4o-transcribe }}] }}
  spoken: {{ targets: [{{ provider: openai, model: gpt-4o-mini-tts }}] }}
  two: {{ targets: [{{ provider: openai, model: gpt-4o-mini }}, {{ provider: local, model: llama }}] }}
  spared:
    targets: [{{ provider: openai, model: gpt-4o-mini }}, {{ provider: local, model: llama }}]
    max_attempts: 2
    fallbacks: {{ failed: [full, narrow, same, last] }}
    limits: [{{ tokens: 200000, per: day }}]
  full: {{ targets: [{{ provider: local, model: qwen }}], limits: [{{ tokens: 10, per: day }}] }}
  narrow: {{ targets: [{{ provider: local, model: qwen, when: {{ users: [nobody] }} }}] }}
  same: {{ targets: [{{ provider: openai, model: gpt-4o-mini }}] }}
  last:
    targets: [{{ provider: openai, model: gpt-4o-mini }}, {{ provider: local, model: mistral }}]
    limits: [{{ tokens: 100000, per: day }}]
  timed:
    timeouts: {{ send: 10s, first_token: 4s, idle: 2s, response: 7s, total: 30s }}
    targets: [{{ provider: openai, model: gpt-4o-mini, max_output_tokens: 99 }}]
teams: {{ t: {{}} }}
keys: [{{ name: k, team: t, hash: "{hash}", limits: [{{ tokens: 1000000, per: day }}] }}]
records: {{ content: none, access_log: stdout }}
"#
    )
}

/// Begins the attempt at the next target; its connection stands and nothing was sent.
pub fn connect(exchange: &mut Exchange) {
    let Move::Go(candidate) = exchange.next() else { panic!("a target is left") };
    exchange.begin(*candidate).expect("the ledger takes it");
    exchange.attempt_mut().expect("it was begun").connected(false);
}

/// As [`connect`], and the request leaves whole.
pub fn send(exchange: &mut Exchange) {
    connect(exchange);
    drop(exchange.attempt_mut().expect("it was begun").whole_body());
}

/// The header of an answer comes.
pub fn head(exchange: &mut Exchange, status: u16, kind: &str) -> Result<(), super::trouble::Trouble> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(kind).expect("a value"));
    exchange.head(StatusCode::from_u16(status).expect("a status"), &headers)
}

/// A piece of the answer comes, as [`Exchange::piece`].
pub fn piece(exchange: &mut Exchange, piece: &str) -> Result<Bytes, super::trouble::Trouble> {
    exchange.piece(Bytes::copy_from_slice(piece.as_bytes()))
}
