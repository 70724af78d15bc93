use super::access_log::Sink;
use super::*;
use crate::config::{self, Config, Model, Target, Team, Timeouts};
use crate::model::{Api, NanoUsd, RequestId, Usage, UsageOrigin};
use parking_lot::{Condvar, Mutex};
use prometheus::{Encoder as _, TextEncoder};
use serde_json::Value;

use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

fn text(metrics: &Metrics) -> String {
    let mut text = Vec::new();
    TextEncoder::new().encode(&metrics.registry.gather(), &mut text).expect("metrics are text");
    String::from_utf8(text).expect("utf-8")
}

/// Fails with the lines of the same metric when `line` is missing.
fn assert_line(text: &str, line: &str) {
    let name = line.split(['{', ' ']).next().unwrap_or_default();
    let near: Vec<_> = text.lines().filter(|other| other.starts_with(name)).collect();
    assert!(text.lines().any(|other| other == line), "no {line} among {near:#?}");
}

fn target(provider: &str, model: &str) -> Target {
    let timeouts = Timeouts::default();
    Target {
        index: 0,
        provider: provider.into(),
        model: model.into(),
        price_as: None,
        timeouts,
        apis: None,
        max_input_tokens: None,
        max_output_tokens: None,
        weight: 1,
        canary: None,
        when: None,
    }
}

fn config(models: &[(&str, Vec<Target>)], teams: &[&str]) -> Config {
    let models = models.iter().map(|(name, targets)| {
        let targets = targets.iter().map(|old| target(&old.provider, &old.model)).collect();
        (
            Arc::from(*name),
            Model {
                name: Arc::from(*name),
                route: config::RouteKind::Priority,
                sticky: config::Sticky::None,
                targets,
                max_attempts: NonZeroU32::MIN,
                attempts: Arc::default(),
                drops: false,
                keep_alive: None,
                cache: None,
                mirror: None,
                rules: Arc::default(),
            },
        )
    });
    let teams = teams.iter().map(|name| {
        (
            Arc::from(*name),
            Team {
                name: Arc::from(*name),
                models: config::Allowed::All,
                priority: config::Priority::Normal,
                cache: None,
                rules: Arc::default(),
            },
        )
    });
    let none = Config::from_text("admin: { listen: \"off\" }", None).expect("everything has a default");
    Config { models: models.collect(), teams: teams.collect(), ..none }
}

#[test]
fn a_request_shows_in_every_series_that_it_touches() {
    let metrics = Metrics::new().expect("names are unique");
    let config = config(&[("fast", vec![target("openai", "gpt-4o-mini"), target("local", "llama")])], &["search"]);
    let table = SeriesTable::resolve(&metrics, &config);
    let usage = Usage {
        input: 100,
        cache_read: 20,
        output: 7,
        image_output: 9,
        audio_ms: 1_500,
        searches: 3,
        ..Usage::default()
    };
    let cost = Some(NanoUsd(1_500_000_000));
    let series = table.target("fast", 0).expect("the first target");
    series.ended(Outcome::Answered, Duration::from_millis(300));
    series.first_token(Duration::from_millis(80));
    series.inconsistent();
    series.settled(&usage, UsageOrigin::Reported, cost);
    table.target("fast", 1).expect("the second target").settled(&usage, UsageOrigin::Estimated, None);
    assert!(table.target("fast", 2).is_none() && table.target("slow", 0).is_none());
    table.team(Some("search")).settled(&usage, cost);
    table.team(Some("search")).finished(200);
    let latency = Duration::from_millis(310);
    table.request(Some(Api::ChatCompletions), Some("fast")).finished(200, latency, Some(Duration::from_millis(90)));
    metrics.proxy.overhead_seconds.observe(0.000_015);
    metrics.proxy.reject("invalid_api_key");

    let text = text(&metrics);
    for line in [
        r#"weighbridge_proxy_requests_total{api="chat_completions",model="fast",status="2xx"} 1"#,
        r#"weighbridge_proxy_request_duration_seconds_bucket{model="fast",le="0.5"} 1"#,
        r#"weighbridge_proxy_first_token_seconds_bucket{model="fast",le="0.1"} 1"#,
        r#"weighbridge_proxy_tokens_total{class="input",model="fast",provider="openai",target="gpt-4o-mini"} 100"#,
        r#"weighbridge_proxy_tokens_total{class="cache_read",model="fast",provider="openai",target="gpt-4o-mini"} 20"#,
        r#"weighbridge_proxy_tokens_total{class="output",model="fast",provider="local",target="llama"} 7"#,
        r#"weighbridge_proxy_cost_usd_total{model="fast",provider="openai",target="gpt-4o-mini"} 1.5"#,
        r#"weighbridge_proxy_unpriced_attempts_total{model="fast",provider="local",target="llama"} 1"#,
        r#"weighbridge_proxy_unpriced_attempts_total{model="fast",provider="openai",target="gpt-4o-mini"} 0"#,
        r#"weighbridge_proxy_usage_origin_total{origin="estimated",provider="local",target="llama"} 1"#,
        r#"weighbridge_proxy_inconsistent_usage_total{provider="openai",target="gpt-4o-mini"} 1"#,
        r#"weighbridge_proxy_inconsistent_usage_total{provider="local",target="llama"} 0"#,
        r#"weighbridge_providers_attempts_total{outcome="answered",provider="openai",target="gpt-4o-mini"} 1"#,
        r#"weighbridge_providers_first_token_seconds_bucket{provider="openai",target="gpt-4o-mini",le="0.1"} 1"#,
        r#"weighbridge_proxy_team_tokens_total{class="input",team="search"} 100"#,
        r#"weighbridge_proxy_team_units_total{team="search",unit="seconds"} 1.5"#,
        r#"weighbridge_proxy_units_total{model="fast",provider="openai",target="gpt-4o-mini",unit="seconds"} 1.5"#,
        r#"weighbridge_proxy_units_total{model="fast",provider="openai",target="gpt-4o-mini",unit="searches"} 3"#,
        r#"weighbridge_proxy_units_total{model="fast",provider="openai",target="gpt-4o-mini",unit="images"} 0"#,
        r#"weighbridge_proxy_tokens_total{class="image_output",model="fast",provider="openai",target="gpt-4o-mini"} 9"#,
        r#"weighbridge_proxy_team_cost_usd_total{team="search"} 1.5"#,
        r#"weighbridge_proxy_team_requests_total{status="2xx",team="search"} 1"#,
        r#"weighbridge_proxy_overhead_seconds_bucket{le="0.00001"} 0"#,
        r#"weighbridge_proxy_overhead_seconds_bucket{le="0.00002"} 1"#,
        r#"weighbridge_proxy_rejects_total{code="invalid_api_key"} 1"#,
    ] {
        assert_line(&text, line);
    }
}

#[test]
fn what_a_client_invents_is_counted_as_other() {
    let metrics = Metrics::new().expect("names are unique");
    let table = SeriesTable::resolve(&metrics, &config(&[("fast", Vec::new())], &["search"]));
    let moment = Duration::from_millis(1);
    table.request(Some(Api::Messages), Some("invented-model")).finished(404, moment, None);
    table.request(None, None).finished(404, moment, None);
    table.team(Some("invented-team")).finished(401);
    table.team(None).finished(499);
    let text = text(&metrics);
    assert!(!text.contains("invented"), "{text}");
    for line in [
        r#"weighbridge_proxy_requests_total{api="messages",model="other",status="4xx"} 1"#,
        r#"weighbridge_proxy_requests_total{api="other",model="other",status="4xx"} 1"#,
        r#"weighbridge_proxy_team_requests_total{status="4xx",team="other"} 1"#,
        r#"weighbridge_proxy_team_requests_total{status="499",team="other"} 1"#,
    ] {
        assert_line(&text, line);
    }
}

#[test]
fn the_number_of_series_is_capped() {
    let metrics = Metrics::new().expect("names are unique");
    let names: Vec<_> = (0..300).map(|at| format!("name-{at:03}")).collect();
    let models: Vec<_> = names.iter().map(|name| (&**name, Vec::new())).collect();
    let teams: Vec<_> = names.iter().map(|name| &**name).collect();
    let table = SeriesTable::resolve(&metrics, &config(&models, &teams));
    table.request(Some(Api::Messages), Some("name-299")).finished(200, Duration::ZERO, None);
    table.team(Some("name-299")).finished(200);
    let text = text(&metrics);
    assert!(text.contains("name-199") && !text.contains("name-200"));
    assert_line(&text, r#"weighbridge_proxy_requests_total{api="messages",model="other",status="2xx"} 1"#);
    assert_line(&text, r#"weighbridge_proxy_team_requests_total{status="2xx",team="other"} 1"#);
}

#[test]
fn a_reload_goes_on_counting_where_it_was() {
    let metrics = Metrics::new().expect("names are unique");
    for _ in 0..2 {
        let table = SeriesTable::resolve(&metrics, &config(&[("fast", Vec::new())], &[]));
        table.request(Some(Api::Responses), Some("fast")).finished(500, Duration::ZERO, None);
    }
    assert_line(&text(&metrics), r#"weighbridge_proxy_requests_total{api="responses",model="fast",status="5xx"} 2"#);
}

#[test]
fn each_place_of_a_table_belongs_to_its_label() {
    for (at, outcome) in Outcome::ALL.into_iter().enumerate() {
        assert_eq!(outcome as usize, at, "{outcome}");
    }
    for (at, api) in Api::ALL.into_iter().enumerate() {
        assert_eq!(api as usize, at, "{api}");
    }
}

#[test]
fn a_request_is_in_flight_until_it_is_dropped() {
    let metrics = Metrics::new().expect("names are unique");
    let (first, second) = (metrics.proxy.enter(), metrics.proxy.enter());
    drop(first);
    assert_line(&text(&metrics), "weighbridge_proxy_in_flight_requests 1");
    drop(second);
    assert_line(&text(&metrics), "weighbridge_proxy_in_flight_requests 0");
}

#[test]
fn the_process_tells_its_memory_and_files() {
    let text = text(&Metrics::new().expect("names are unique"));
    for name in ["process_resident_memory_bytes", "process_open_fds", "process_threads"] {
        let line = text.lines().find(|line| line.starts_with(name)).expect(name);
        let value: f64 = line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect(name);
        assert!(value > 0.0, "{line}");
    }
    assert!(text.contains("process_cpu_seconds_total "), "{text}");
    assert_line(&text, &format!("weighbridge_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")));
}

fn record(id: u128) -> Box<AccessRecord> {
    Box::new(AccessRecord::new(1_700_000_000_000_001, RequestId(id)))
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("the log");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is json")).collect()
}

#[test]
fn a_record_is_one_json_line_with_every_field() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("access.log");
    let metrics = Metrics::new().expect("names are unique");
    let to = config::AccessLog::File(path.clone());
    let log = AccessLog::start(&to, None, metrics.access_log.clone()).expect("the file can be made");
    let mut full = record(0xab);
    full.request_id = Some("client-1".to_owned());
    full.key = Some("search-ci".into());
    full.team = Some("search".into());
    full.user = Some("u-1".to_owned());
    full.api = Some(Api::ChatCompletions);
    full.model = Some("fast".into());
    full.provider = Some("openai".into());
    full.target_model = Some("gpt-4o-mini".into());
    full.status = 200;
    full.stream = true;
    full.usage = Usage { input: 10, cache_read: 5, output: 7, reasoning: 3, ..Usage::default() };
    full.usage_origin = UsageOrigin::Reported;
    full.cost = Some(NanoUsd(1_234));
    full.latency_us = 900;
    full.first_token_us = Some(500);
    full.overhead_us = Some(40);
    full.client = Some("10.0.0.1:1234".parse().expect("an address"));
    full.bytes_in = 11;
    full.bytes_out = 22;
    full.routed = Some("weighted");
    full.too_small = vec![("local".into(), "llama".into())];
    full.attempts = vec![AccessAttempt {
        provider: "local".into(),
        target_model: "llama".into(),
        status: Some(503),
        outcome: Outcome::ProviderError,
        time_us: 77,
        reason: Some("the provider answered 503".to_owned()),
        action: Some("retry"),
        detail: crate::telemetry::AttemptDetail::default(),
        pause_us: 5,
    }];
    log.write(full);
    log.write(record(0xcd));
    let mut units = record(0xef);
    units.usage = Usage { image_output: 4, images: 1, audio_ms: 1_250, characters: 5, searches: 6, ..Usage::ZERO };
    log.write(units);
    assert!(log.close(PATIENCE));
    let mut want = serde_json::json!({
        "time": "2023-11-14T22:13:20.000001Z", "id": format!("{:032x}", 0xab), "request_id": "client-1",
        "key": "search-ci", "team": "search", "user": "u-1", "api": "chat_completions", "model": "fast",
        "provider": "openai", "target_model": "gpt-4o-mini", "status": 200, "code": null, "stream": true,
        "input_tokens": 15, "cache_read_tokens": 5, "cache_write_5m_tokens": 0, "cache_write_1h_tokens": 0,
        "output_tokens": 10, "reasoning_tokens": 3, "audio_input_tokens": 0, "audio_output_tokens": 0,
        "usage_origin": "reported", "cost_nano_usd": 1_234, "latency_us": 900, "first_token_us": 500,
        "overhead_us": 40, "client": "10.0.0.1:1234", "bytes_in": 11, "bytes_out": 22,
        "routed": "weighted", "too_small": ["local/llama"],
    });
    want["attempts"] = serde_json::json!([{
            "provider": "local", "target_model": "llama", "status": 503, "outcome": "provider_error", "time_us": 77,
            "reason": "the provider answered 503", "action": "retry", "pause_us": 5,
    }]);
    let lines = lines(&path);
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0], want, "what is used beside text is told only where it is");
    let beside = ["image_output_tokens", "images", "audio_seconds", "characters", "searches", "image_input_tokens"];
    assert_eq!(beside.map(|name| lines[2][name].to_string()), ["4", "1", "1.25", "5", "6", "null"]);
    assert_eq!((&lines[1]["cost_nano_usd"], &lines[1]["request_id"]), (&Value::Null, &Value::Null), "unpriced");
    assert_eq!(metrics.access_log.written.get(), 3);
}

#[test]
fn what_a_client_chose_is_cut_between_characters() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("access.log");
    let metrics = Metrics::new().expect("names are unique");
    let log = AccessLog::start(&config::AccessLog::File(path.clone()), None, metrics.access_log).expect("the file");
    let mut long = record(1);
    long.model = Some("é".repeat(1 << 20).into());
    long.user = Some(format!("\"\n\u{0}{}", "u".repeat(1 << 20)));
    log.write(long);
    assert!(log.close(PATIENCE));
    let lines = lines(&path);
    assert_eq!(lines[0]["model"], "é".repeat(128));
    assert_eq!(lines[0]["user"].as_str().map(str::len), Some(256));
}

/// A file that takes nothing until the gate opens.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    open: bool,
    waiting: bool,
    written: Vec<u8>,
}

impl Gate {
    fn open(&self) {
        self.0.0.lock().open = true;
        self.0.1.notify_all();
    }

    fn wait_until_somebody_waits(&self) {
        let mut state = self.0.0.lock();
        self.0.1.wait_while(&mut state, |state| !state.waiting);
    }

    fn lines(&self) -> Vec<Value> {
        let state = self.0.0.lock();
        let text = std::str::from_utf8(&state.written).expect("utf-8");
        text.lines().map(|line| serde_json::from_str(line).expect("each line is json")).collect()
    }
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.0.lock();
        state.waiting = true;
        self.0.1.notify_all();
        self.0.1.wait_while(&mut state, |state| !state.open);
        state.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_queue_drops_and_the_next_line_says_how_many() {
    let metrics = Metrics::new().expect("names are unique").access_log;
    let gate = Gate::default();
    let log = AccessLog::spawn(Sink::Other(Box::new(gate.clone())), 4, metrics.clone()).expect("a thread");
    log.write(record(0));
    gate.wait_until_somebody_waits();
    for id in 1..=10 {
        log.write(record(id));
    }
    assert_eq!(metrics.dropped.get(), 6, "four have room");
    assert!(!log.close(Duration::from_millis(1)), "a file that takes nothing holds nobody up");
    gate.open();
    assert!(log.close(PATIENCE));
    let lines = gate.lines();
    let told: u64 = lines.iter().filter_map(|line| line["dropped_before"].as_u64()).sum();
    assert_eq!((lines.len(), told, metrics.written.get()), (5, 6, 5));
    assert_eq!(lines[1]["dropped_before"], 6, "the first line behind the gap tells of it");
}

/// A disk that is full now and then, in the middle of a line.
#[derive(Clone, Default)]
struct FullDisk(Arc<Mutex<(Vec<u8>, usize)>>);

impl Write for FullDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (written, room) = &mut *self.0.lock();
        if *room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let take = bytes.len().min(*room);
        *room -= take;
        written.extend_from_slice(&bytes[..take]);
        Ok(take)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_torn_line_spoils_no_other_and_is_counted() {
    let metrics = Metrics::new().expect("names are unique").access_log;
    let disk = FullDisk::default();
    disk.0.lock().1 = 100;
    let log = AccessLog::spawn(Sink::Other(Box::new(disk.clone())), 16, metrics.clone()).expect("a thread");
    log.write(record(1));
    while metrics.dropped.get() == 0 {
        std::thread::yield_now();
    }
    disk.0.lock().1 = usize::MAX;
    log.write(record(2));
    assert!(log.close(PATIENCE));
    let text = String::from_utf8(disk.0.lock().0.clone()).expect("utf-8");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(serde_json::from_str::<Value>(lines[0]).is_err(), "torn");
    let second: Value = serde_json::from_str(lines[1]).expect("whole");
    assert_eq!(second["dropped_before"], 1);
    assert_eq!((metrics.written.get(), metrics.dropped.get()), (1, 1));
}

#[test]
fn no_record_is_lost_or_torn_under_many_writers() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("access.log");
    let metrics = Metrics::new().expect("names are unique").access_log;
    let log = AccessLog::start(&config::AccessLog::File(path.clone()), None, metrics.clone()).expect("the file");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let log = &log;
            scope.spawn(move || (0..1_000).for_each(|at| log.write(record(writer * 1_000 + at))));
        }
    });
    assert!(log.close(PATIENCE));
    let mut ids: Vec<_> = lines(&path).iter().map(|line| line["id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), metrics.dropped.get()), (4_000, 0));
}

#[test]
fn after_a_rotation_a_new_file_is_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, old) = (dir.path().join("access.log"), dir.path().join("access.log.1"));
    let metrics = Metrics::new().expect("names are unique").access_log;
    let log = AccessLog::start(&config::AccessLog::File(path.clone()), None, metrics.clone()).expect("the file");
    log.write(record(1));
    while metrics.written.get() < 1 {
        std::thread::yield_now();
    }
    std::fs::rename(&path, &old).expect("renamed");
    log.reopen();
    while !path.exists() {
        std::thread::yield_now();
    }
    log.write(record(2));
    assert!(log.close(PATIENCE));
    assert_eq!((lines(&old).len(), lines(&path).len()), (1, 1));
}

#[test]
fn switched_off_nothing_is_made() {
    let metrics = Metrics::new().expect("names are unique").access_log;
    let log = AccessLog::start(&config::AccessLog::Off, None, metrics.clone()).expect("nothing can fail");
    assert!(!log.enabled());
    log.write(record(1));
    assert!(log.close(Duration::ZERO));
    assert_eq!((metrics.written.get(), metrics.dropped.get()), (0, 0));
}

#[test]
fn a_file_that_cannot_be_opened_is_told_at_start() {
    let metrics = Metrics::new().expect("names are unique").access_log;
    assert!(AccessLog::start(&config::AccessLog::File("/no/such/dir/access.log".into()), None, metrics).is_err());
}
