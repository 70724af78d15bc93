//! What a configuration means, and what every mistake in one says.

use crate::config::{AccessLog, Allowed, Config, Durability, Protocol, Secret, Section, Timeouts};
use crate::model::Api;
use std::path::Path;
use std::time::Duration;

fn env(name: &str) -> Option<String> {
    match name {
        "OPENAI_API_KEY" | "ANTHROPIC_API_KEY" | "GROQ_API_KEY" => Some("sk-planted-secret".to_owned()),
        "PLANTED" => Some("planted-secret".to_owned()),
        "TWO" => Some("2".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn load(text: &str) -> Result<Config, crate::config::ConfigErrors> {
    Config::from_text_with(text, Some(Path::new("w.yaml")), &env)
}

/// Puts what a test is about beside what every configuration of the tests has.
const BASE: &str = "\
providers:
  openai: { kind: openai, api_key: k }
models:
  fast:
    targets: [{ provider: openai, model: gpt-4o-mini }]
teams:
  search: {}
";

#[test]
fn what_is_not_written_has_its_documented_default() {
    let config = load(BASE).expect("valid");
    let server = &config.server;
    assert_eq!(server.listen.iter().map(|l| l.address.to_string()).collect::<Vec<_>>(), ["0.0.0.0:8080"]);
    assert_eq!(
        (server.max_body_bytes, server.max_buffered_bytes, server.max_withheld_bytes),
        (32 << 20, 1 << 30, 8 << 20)
    );
    assert_eq!((server.max_in_flight.get(), server.upstream_pool_size), (20_000, 2048));
    let seconds = [server.head_timeout, server.body_timeout, server.keepalive_timeout, server.drain_timeout];
    assert_eq!(seconds.map(|time| time.as_secs()), [10, 30, 75, 600]);
    assert_eq!(config.admin.listen.map(|a| a.to_string()).as_deref(), Some("127.0.0.1:9090"));
    assert_eq!(config.state.dir, Path::new("/var/lib/weighbridge"));
    assert_eq!(config.state.durability, Durability::Process);
    assert_eq!(config.state.retention, Duration::from_secs(400 * 86_400));
    assert_eq!((config.state.max_bytes.get(), config.state.segment_bytes.get()), (10 << 30, 64 << 20));
    assert_eq!(config.records.access_log, AccessLog::Stdout);
    let model = config.models.get("fast").expect("is written");
    assert_eq!(model.max_attempts.get(), 4);
    let target = model.targets.first().expect("is written");
    assert_eq!((target.timeouts, &target.apis), (Timeouts::default(), &None));
    assert_eq!(config.providers.get("openai").map(|p| p.protocol), Some(Protocol::Http1));
    assert_eq!(config.teams.get("search").map(|t| &t.models), Some(&Allowed::All));
}
