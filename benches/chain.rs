//! What a request costs from the client's bytes to the client's bytes, on one core: the edge, Pingora's proxy, every hook, the
//! replay session, metering, ledger and records, as `load-tests/production.yaml` has it.
//!
//! The client's connection is a pipe in memory. The provider's is a socket of the loopback, with a thread behind it that has one
//! answer: Pingora's pool keeps only connections that have a descriptor. `load-tests/instructions` counts the instructions of
//! the same chain.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pingora::server::configuration::ServerConf;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use weighbridge::auth::{Callers, hash_of};
use weighbridge::cache::{Cache, CacheMetrics};
use weighbridge::config::Config;
use weighbridge::files::Shelf;
use weighbridge::guard::Safe;
use weighbridge::ledger::{Ledger, LedgerMetrics};
use weighbridge::limits::{Addresses, Connections, LimitMetrics, Limits, Steady};
use weighbridge::model::{Clock, IdSource, SystemClock};
use weighbridge::proxy::{
    Admission, Bounds, Buffers, Edge, Embedder, Files, Gateway, Keeping, Lasting, Live, Mirrors, Services, Snapshot,
    Standings, Unproven, build,
};
use weighbridge::telemetry::{AccessLog, Metrics, SeriesTable};
use weighbridge::tokens::Counter;

const KEYS: [&str; 3] = ["plain", "governed", "production"];
const EVENTS: usize = 100;
/// What stands in `load-tests/production.yaml` for variables.
fn variable(name: &str, dir: &Path, provider: u16) -> Option<String> {
    let hash = |key: &str| hash_of(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    Some(match name {
        // Nobody listens there.
        "GATEWAY_PORT" => "9".to_owned(),
        "ADMIN_PORT" => "10".to_owned(),
        "PROVIDER_PORT" => provider.to_string(),
        "STATE_DIR" => dir.display().to_string(),
        "ACCESS_LOG" => dir.join("access.jsonl").display().to_string(),
        _ => hash(KEYS.into_iter().find(|key| name == format!("{}_HASH", key.to_uppercase()))?),
    })
}

/// The data plane, as `app` joins it.
fn edge(config: &Config) -> Arc<Edge> {
    let metrics = Metrics::new().expect("metrics");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let limit_metrics = LimitMetrics::register(&metrics.registry).expect("metrics");
    let limits = Arc::new(Limits::new(limit_metrics, Steady::new(clock.now_us())));
    let ledger_metrics = LedgerMetrics::register(&metrics.registry).expect("metrics");
    let ledger = Ledger::open(&config.state, Arc::clone(&clock), ledger_metrics).expect("a ledger");
    let standings = Arc::<Standings>::default();
    let safe = Arc::new(Safe::new().expect("randomness"));
    let lasting =
        Lasting { limits: &limits, budgets: ledger.budgets(), standings: &standings, safe: &safe, before: None };
    let series = SeriesTable::resolve(&metrics, config);
    let snapshot = Arc::new(Snapshot::build(config, series, lasting).expect("the configuration is right"));
    let dir = &config.state.dir;
    let services = Services {
        callers: Arc::new(Callers::open(config, dir, Arc::clone(&clock)).expect("a key store")),
        clock,
        ids: IdSource::from_os().expect("randomness"),
        ledger,
        limits,
        addresses: Addresses::new(config.server.per_address),
        trusted: config.server.trusted_proxies.clone(),
        connections: Arc::new(Connections::new(16, 0)),
        files: Files::new(Shelf::open(dir).expect("a table")),
        mirrors: Mirrors::new().0,
        counter: Counter::start(16, 1 << 26).expect("a thread"),
        access_log: Arc::new(
            AccessLog::start(&config.records.access_log, None, metrics.access_log.clone()).expect("a file"),
        ),
        contents: None,
        keeping: Keeping::new(&config.records),
        cache: Cache::new(config.cache.max_bytes, CacheMetrics::register(&metrics.registry).expect("free names")),
        embedder: Embedder::default(),
        tracing: Arc::default(),
        metrics: metrics.proxy.clone(),
        unproven: Unproven::default(),
        buffers: Buffers::new(config.server.max_buffered_bytes),
        places: Admission::new(&config.server, metrics.proxy.overload.clone()),
        stopping: AtomicBool::new(false),
        standings,
        bounds: Bounds::of(config),
    };
    let gateway = Gateway::new(Arc::new(services), Arc::new(Live::new(snapshot)), Arc::new(AtomicBool::new(true)));
    let conf = Arc::new(ServerConf { threads: 1, ..ServerConf::default() });
    let proxy = build(gateway, &conf, &config.server);
    Arc::new(Edge::new(proxy, config.server.head_timeout, config.server.keepalive_timeout, Bounds::of(config).head))
}

/// A provider with one answer for requests in one piece and one for streams; its port.
fn provider() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // It ends with the process.
            std::thread::spawn(move || answer(connection));
        }
    });
    port
}

fn answer(connection: TcpStream) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let (whole, stream) = answers();
    let mut reader = BufReader::new(connection);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let mut length = 0;
        while line.trim_end() != "" || length == 0 {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
        }
        body.clear();
        (&mut reader).take(length).read_to_end(&mut body)?;
        let streamed = memchr::memmem::find(&body, b"\"stream\":true").is_some();
        reader.get_mut().write_all(if streamed { &stream } else { &whole })?;
        line.clear();
    }
}

/// One of about 1 KB, and a stream of events of about 200 bytes.
fn answers() -> (Vec<u8>, Vec<u8>) {
    let message = serde_json::json!({"role": "assistant", "content": "Ships turn around faster there. ".repeat(24), "refusal": null});
    let usage = serde_json::json!({"prompt_tokens": 190, "completion_tokens": 140, "total_tokens": 330});
    let whole = serde_json::json!({
        "id": "chatcmpl-0123456789", "object": "chat.completion", "created": 1_795_000_000, "model": "simulated-model",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage,
    });
    let whole = whole.to_string();
    let whole =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{whole}", whole.len());
    let event = |delta, finish, usage| {
        let event = serde_json::json!({
            "id": "chatcmpl-0123456789", "object": "chat.completion.chunk", "created": 1_795_000_000, "model": "simulated-model",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": usage,
        });
        let data = format!("data: {event}\n\n");
        format!("{:x}\r\n{data}\r\n", data.len())
    };
    let mut stream =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    for at in 0..EVENTS {
        stream += &event(serde_json::json!({"content": format!(" word{at:03}")}), None, serde_json::Value::Null);
    }
    stream += &event(serde_json::json!({}), Some("stop"), usage);
    stream += "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
    (whole.into_bytes(), stream.into_bytes())
}

/// A request of about 1 KB.
fn request(key: &str, stream: bool) -> Vec<u8> {
    let text = "They argue that trade moves away from the large ports, because smaller ships can turn around faster. "
        .repeat(9);
    let mut body = serde_json::json!({
        "model": "load", "max_tokens": 256, "temperature": 0.7, "user": "u-17",
        "messages": [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": text}],
    });
    if stream {
        body["stream"] = true.into();
    }
    let body = body.to_string();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\naccept: */*\r\n\
         user-agent: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A client on a kept connection.
struct Client {
    runtime: Runtime,
    wire: DuplexStream,
    seen: Vec<u8>,
}

impl Client {
    fn new(edge: &Arc<Edge>) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (wire, far) = duplex(256 << 10);
        let edge = Arc::clone(edge);
        runtime.spawn(async move {
            let (_sender, shutdown) = watch::channel(false);
            edge.first(Box::new(far), &shutdown).await
        });
        Self { runtime, wire, seen: Vec::with_capacity(256 << 10) }
    }

    /// Sends a request and reads its answer to the end; returns its length.
    fn ask(&mut self, request: &[u8]) -> usize {
        let Self { runtime, wire, seen } = self;
        seen.clear();
        runtime.block_on(async {
            wire.write_all(request).await.expect("the gateway reads");
            while !is_whole(seen) {
                assert!(
                    wire.read_buf(seen).await.expect("the gateway writes") > 0,
                    "{}",
                    String::from_utf8_lossy(seen)
                );
            }
        });
        assert!(seen.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(seen));
        seen.len()
    }
}

fn is_whole(seen: &[u8]) -> bool {
    let Some(end) = memchr::memmem::find(seen, b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&seen[..end]).to_ascii_lowercase();
    match head.split("\r\n").find_map(|line| line.strip_prefix("content-length: ")) {
        Some(length) => seen.len() >= end + 4 + length.parse::<usize>().expect("a number"),
        None => seen.ends_with(b"\r\n0\r\n\r\n"),
    }
}

fn chain(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    let port = provider();
    let text = include_str!("../load-tests/production.yaml");
    let config = Config::from_text_with(text, None, &|name| variable(name, dir.path(), port));
    let config = config.expect("the configuration is right");
    let edge = edge(&config);
    let mut group = criterion.benchmark_group("chain");
    group.measurement_time(Duration::from_secs(5));
    for key in KEYS {
        let (short, stream) = (request(key, false), request(key, true));
        let mut client = Client::new(&edge);
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{key}_short"), |bencher| bencher.iter(|| client.ask(black_box(&short))));
        group.throughput(Throughput::Elements(EVENTS as u64));
        group.bench_function(format!("{key}_stream"), |bencher| bencher.iter(|| client.ask(black_box(&stream))));
    }
    group.finish();
}

criterion_group!(benches, chain);
criterion_main!(benches);
