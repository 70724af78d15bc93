//! What a configuration means, and what every mistake in one says.

use crate::{
    config::{
        AccessLog, Allowed, Config, ConfigErrors, Durability, Notes, PerAddress, Priority, Protocol, Queue, Secret,
        Section, Timeouts,
    },
    model::Api,
};
use std::path::Path;
use std::time::Duration;

fn env(name: &str) -> Option<String> {
    match name {
        "OPENAI_API_KEY" | "ANTHROPIC_API_KEY" => Some("sk-planted-secret".to_owned()),
        "PLANTED" => Some("planted-secret".to_owned()),
        "TWO" => Some("2".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn load(text: &str) -> Result<Config, ConfigErrors> {
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
    assert_eq!(server.per_address, PerAddress { auth_failures: 300, requests: 0, connections: None });
    assert_eq!(
        (server.max_connections, server.trusted_proxies.is_empty(), server.body_min_rate),
        (None, true, 16 << 10)
    );
    let h2 = (server.max_h2_streams.get(), server.h2_idle_timeout.as_secs(), server.max_requests_per_connection);
    assert_eq!(h2, (100, 120, 0));
    assert_eq!(server.queue, Queue { length: 1_000, wait: Duration::from_millis(500) });
    assert_eq!(server.shed_lag, Duration::from_millis(10));
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

#[test]
fn everything_that_is_written_arrives() {
    let config = load(EVERYTHING).expect("valid");
    let listen: Vec<_> = config.server.listen.iter().map(|l| l.address.to_string()).collect();
    assert_eq!(listen, ["127.0.0.1:80", "[::1]:80"]);
    let server = &config.server;
    assert_eq!((server.threads.get(), server.max_in_flight.get(), server.upstream_pool_size), (2, 7, 8));
    assert_eq!(server.per_address, PerAddress { auth_failures: 0, requests: 50, connections: Some(9) });
    assert_eq!(server.trusted_proxies.to_string(), "10.0.0.0/8, ::1");
    assert_eq!(server.listen.iter().map(|l| l.proxy_protocol).collect::<Vec<_>>(), [false, true]);
    assert_eq!((server.max_connections.map(|most| most.get()), server.body_min_rate), (Some(11), 2048));
    let h2 = (server.max_h2_streams.get(), server.h2_idle_timeout.as_secs(), server.max_requests_per_connection);
    assert_eq!(h2, (12, 9, 13));
    assert_eq!((server.queue, server.shed_lag), (Queue { length: 0, wait: Duration::from_secs(2) }, Duration::ZERO));
    assert_eq!((server.max_body_bytes, server.max_buffered_bytes, server.max_withheld_bytes), (1024, 1 << 20, 2048));
    let millis = [server.head_timeout, server.body_timeout, server.keepalive_timeout, server.drain_timeout];
    assert_eq!(millis.map(|time| time.as_millis()), [300, 60_000, 3_600_000, 0]);
    assert_eq!(config.admin.listen, None);
    assert_eq!(config.state.dir, Path::new("/s"));
    assert_eq!((config.state.durability, config.state.retention.as_secs()), (Durability::Power, 86_400));
    assert_eq!((config.state.max_bytes.get(), config.state.segment_bytes.get()), (1 << 40, 8192));
    assert_eq!(config.records.access_log, AccessLog::File("/var/log/w.jsonl".into()));
    let provider = config.providers.get("p").expect("is written");
    assert_eq!((&*provider.kind, provider.catalogue.as_deref()), ("openai", Some("groq")));
    assert_eq!(provider.protocol, Protocol::Auto);
    let price = config.prices.get("p/m-1").expect("is written");
    let rows: Vec<_> = price.amounts.iter().map(|(class, usd)| (class.as_str(), usd.as_str())).collect();
    assert_eq!(
        rows,
        [("cache_read", "1"), ("input", "0.15"), ("output", "0.60")],
        "decimals stand as they were written"
    );
    let team = config.teams.get("t").expect("is written");
    assert!(team.models.contains("gpt-4.1") && !team.models.contains("other"));
    let key = config.keys.first().expect("is written");
    assert_eq!((&*key.name, &*key.team, &key.models), ("k", "t", &Allowed::All));
    assert_eq!(key.priority, Some(Priority::High));
    assert_eq!(config.teams.get("t").map(|team| team.priority), Some(Priority::Low));
    assert_eq!((key.hash, key.expires_us), ([0xab; 32], Some(1_896_048_000_000_000)));
}

#[test]
fn a_targets_timeouts_stand_over_the_models_and_those_over_the_defaults() {
    let config = load(EVERYTHING).expect("valid");
    let model = config.models.get("gpt-4.1").expect("is written");
    assert_eq!(model.max_attempts.get(), 9);
    let want = Timeouts {
        connect: Duration::from_secs(2),
        send: Duration::from_secs(30), // the default of 60s is cut to `total`
        first_token: Duration::from_secs(4),
        idle: Duration::from_secs(3),
        response: Some(Duration::from_secs(20)),
        total: Duration::from_secs(30),
    };
    let target = model.targets.first().expect("is written");
    assert_eq!(target.timeouts, want);
    assert_eq!((target.price_as.as_deref(), target.apis.as_deref()), (Some("m-2"), Some(&[Api::ChatCompletions][..])));
}

/// Nothing here is a default.
const EVERYTHING: &str = "\
server:
  listen: [{ address: 127.0.0.1:80 }, { address: '[::1]:80', proxy_protocol: true }]
  trusted_proxies: [10.0.0.0/8, '::1']
  threads: '${env:TWO}'
  max_body_bytes: 1KiB
  max_buffered_bytes: 1048576
  max_withheld_bytes: 2KiB
  max_in_flight: 7
  max_connections: 11
  queue: { length: 0, wait: 2s }
  shed_lag: 0s
  head_timeout: 300ms
  body_timeout: 1m
  body_min_rate: 2KiB
  max_requests_per_connection: 13
  max_h2_streams: 12
  h2_idle_timeout: 9s
  keepalive_timeout: 1h
  drain_timeout: 0s
  upstream_pool_size: 8
  per_address: { auth_failures: 0, requests: 50, connections: 9 }
admin: { listen: off }
state: { dir: /s, durability: power, retention: 1d, max_bytes: 1TiB, segment_bytes: 8KiB }
providers:
  p: { kind: openai, catalogue: groq, protocol: auto, api_key: '${env:PLANTED}', base_url: http://h/v1 }
models:
  gpt-4.1:
    route: priority
    max_attempts: 9
    timeouts: { connect: 1s, first_token: 4s, idle: 3s, response: 20s, total: 30s }
    targets:
      - { provider: p, model: m-1, price_as: m-2, timeouts: { connect: 2s }, apis: [chat_completions] }
  other: { targets: [{ provider: p, model: m }] }
teams: { t: { models: [gpt-4.1], priority: low } }
keys:
  - name: k
    team: t
    models: '*'
    priority: high
    expires: 2030-01-31
    hash: sha256:abababababababababababababababababababababababababababababababab
prices: { p/m-1: { input: 0.15, output: 0.60, cache_read: 1 } }
records: { content: none, access_log: /var/log/w.jsonl }
";

#[test]
fn an_expiry_is_a_moment_or_the_beginning_of_a_day() {
    let cases = [
        ("2030-01-31", Some(1_896_048_000_000_000)),
        ("2030-01-31T00:00:00Z", Some(1_896_048_000_000_000)),
        ("2030-01-31T01:00:00.000001+01:00", Some(1_896_048_000_000_001)),
        ("1970-01-01", Some(0)),
        ("1969-12-31", None),
        ("2030-02-31", None),
        ("2030-01-31T00:00:00", None),
        ("31.01.2030", None),
        ("never", None),
    ];
    for (text, want) in cases {
        let hash = "ab".repeat(32);
        let text = format!("{BASE}keys: [{{ name: k, team: search, expires: '{text}', hash: 'sha256:{hash}' }}]\n");
        let read = load(&text).ok().map(|config| config.keys.first().expect("is written").expires_us);
        assert_eq!(read, want.map(Some), "{text}");
    }
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    api_key: Secret,
    base_url: Option<String>,
    retries: Option<u8>,
}

#[test]
fn a_provider_reads_its_own_settings_and_its_mistakes_keep_their_lines() {
    let section = |settings: &str| {
        let text = format!("providers:\n  p:\n    kind: openai\n    catalogue: c\n{settings}");
        load(&text).map(|mut config| config.providers.remove("p").expect("is written").settings)
    };
    let good = section("    api_key: '${env:PLANTED}'\n    base_url: http://h\n").expect("valid");
    let read: Settings = good.read().expect("valid");
    assert_eq!(
        (read.api_key.expose(), read.base_url.as_deref(), read.retries),
        ("planted-secret", Some("http://h"), None)
    );
    assert_eq!(good.error("base_url", "is no URL".to_owned()).to_string(), "w.yaml:6: providers.p.base_url: is no URL");
    assert_eq!(good.error("kind", "is unknown".to_owned()).to_string(), "w.yaml:3: providers.p.kind: is unknown");
    assert_eq!(good.error("region", "is missing".to_owned()).to_string(), "w.yaml:2: providers.p.region: is missing");
    assert_eq!(good.error("", "is odd".to_owned()).to_string(), "w.yaml:2: providers.p: is odd");
    let cases = [
        ("    api_key: k\n    base_urk: h\n", "w.yaml:6: providers.p.base_urk: unknown key; did you mean `base_url`?"),
        ("    api_key: k\n    protocl: h\n", "w.yaml:6: providers.p.protocl: unknown key; did you mean `protocol`?"),
        ("    base_url: h\n", "w.yaml:2: providers.p: `api_key` is missing"),
        (
            "    api_key: [planted]\n",
            "w.yaml:5: providers.p.api_key: expected a secret such as `${env:NAME}` or `${file:PATH}`, found a list",
        ),
        (
            "    api_key: k\n    retries: ${env:PLANTED}\n",
            "w.yaml:6: providers.p.retries: expected a whole number, found what `${env:PLANTED}` stands for",
        ),
        ("    api_key: k\n    retries: 256\n", "w.yaml:6: providers.p.retries: expected u8, found `256`"),
    ];
    for (settings, want) in cases {
        let error = section(settings).expect("its settings are not read yet").read::<Settings>().map(|_| ());
        assert_eq!(error.map_err(|e| e.to_string()), Err(want.to_owned()), "{settings}");
    }
}

#[test]
fn a_section_from_text_reads_as_one_of_a_file_does() {
    let section = Section::from_yaml("providers.x", "api_key: k\nretries: many\n").expect("is YAML");
    let error = section.read::<Settings>().map(|_| ()).map_err(|e| e.to_string());
    assert_eq!(error, Err("2: providers.x.retries: expected a whole number, found `many`".to_owned()));
    assert!(Section::from_yaml("providers.x", "a: [").is_err());
}

#[test]
fn a_file_reference_holds_the_file_without_its_last_newline() {
    let dir = tempfile::tempdir().expect("a directory");
    let cases = [("plain", "k1", "k1"), ("newline", "k1\n", "k1"), ("two", "k1\n\n", "k1\n"), ("crlf", "k1\r\n", "k1")];
    for (name, content, want) in cases {
        std::fs::write(dir.path().join(name), content).expect("is written");
        // Relative: from the directory of the configuration.
        let text = format!("providers: {{ p: {{ kind: openai, api_key: '${{file:{name}}}' }} }}");
        let config = Config::from_text_with(&text, Some(&dir.path().join("w.yaml")), &env).expect("valid");
        let settings: Settings = config.providers.get("p").expect("is written").settings.read().expect("valid");
        assert_eq!(settings.api_key.expose(), want, "{name}");
    }
}

#[test]
fn references_stand_anywhere_in_a_value_and_can_be_escaped() {
    let cases = [
        ("a-${env:TWO}-b", "a-2-b"),
        ("${env:TWO}${env:TWO}", "22"),
        ("$${env:TWO}", "${env:TWO}"),
        ("a$b}{", "a$b}{"),
        ("$", "$"),
    ];
    for (written, want) in cases {
        let text = format!("providers: {{ p: {{ kind: openai, api_key: '{written}' }} }}");
        let config = load(&text).expect("valid");
        let settings: Settings = config.providers.get("p").expect("is written").settings.read().expect("valid");
        assert_eq!(settings.api_key.expose(), want, "{written}");
    }
}

#[test]
fn relative_paths_are_taken_from_the_directory_of_the_file() {
    let text = "state: { dir: ./state }\nrecords: { access_log: ./log/a.jsonl }\n";
    let config = Config::from_text_with(text, Some(Path::new("/etc/w/w.yaml")), &env).expect("valid");
    assert_eq!(config.state.dir, Path::new("/etc/w/./state"));
    assert_eq!(config.records.access_log, AccessLog::File("/etc/w/./log/a.jsonl".into()));
}

#[test]
fn tls_takes_a_real_certificate_and_its_key_and_not_one_for_the_other() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    std::fs::write(dir.path().join("a.crt"), made.cert.pem()).expect("is written");
    std::fs::write(dir.path().join("a.key"), made.signing_key.serialize_pem()).expect("is written");
    let load = |cert: &str, key: &str| {
        let text = format!("server: {{ listen: [{{ address: 0.0.0.0:443, tls: {{ cert: {cert}, key: {key} }} }}] }}");
        Config::from_text_with(&text, Some(&dir.path().join("w.yaml")), &env)
    };
    let config = load("a.crt", "a.key").expect("valid");
    let tls = config.server.listen.first().and_then(|listen| listen.tls.clone()).expect("is written");
    assert_eq!((tls.cert, tls.key), (dir.path().join("a.crt"), dir.path().join("a.key")));
    assert_eq!(load("a.key", "a.crt").expect_err("swapped").0.len(), 2);
}

#[test]
fn anchors_are_followed_line_ends_and_byte_order_marks_do_not_matter() {
    let text = "\u{feff}providers: { p: { kind: openai } }\r\nmodels:\r\n  a: { timeouts: &slow { total: 30m }, targets: [{ provider: p, model: m }] }\r\n  b: { timeouts: *slow, targets: [{ provider: p, model: m }] }\r\n";
    let config = load(text).expect("valid");
    let totals = config.models.values().filter_map(|model| Some(model.targets.first()?.timeouts.total.as_secs()));
    assert_eq!(totals.collect::<Vec<_>>(), [1800, 1800]);
}

#[test]
fn trailing_commas_and_empty_sections_are_no_mistake() {
    let text = "providers:\n  p: { kind: openai, api_key: k,  }\nmodels:\nteams:\n  t: {  }\n  u:\nkeys:\nserver:\n";
    let config = load(text).expect("valid");
    assert_eq!((config.models.len(), config.teams.len(), config.keys.len()), (0, 2, 0));
    assert!(Section::from_yaml("providers.x", "").is_ok_and(|section| section.read::<Settings>().is_err()));
}

#[test]
fn aliases_do_not_blow_a_small_file_up() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    let errors = load(&text).expect_err("too much").to_string();
    assert!(errors.contains("more than 500000 values, aliases included"), "{errors}");
}

#[test]
fn no_secret_is_in_what_prints() {
    let text = EVERYTHING.replace("base_url: http://h/v1", "other: 'literal-planted'");
    let config = load(&text).expect("valid");
    let printed = format!("{config:?} {config:#?} {}", config.summary(&Notes::NONE));
    assert!(!printed.contains("planted"), "{printed}");
    let whole_hash = "ab".repeat(32);
    assert!(!config.summary(&Notes::NONE).contains(&whole_hash));
}

#[test]
fn no_mistake_prints_what_a_reference_stands_for() {
    // Puts the planted secret in the place of each value in turn.
    let tls = "listen: [{ address: 127.0.0.1:1, tls: { cert: c, key: k } }, {";
    let everything = EVERYTHING.replace("listen: [{", tls);
    let everything = everything.replace("protocol: auto", "protocol: auto, ca_file: c");
    for (index, _) in everything.match_indices(": ") {
        let (before, after) = everything.split_at(index + 2);
        let end = after.find(['\n', ',', '}', ']']).unwrap_or(after.len());
        let text = format!("{before}'${{env:PLANTED}}'{}", after.get(end..).unwrap_or_default());
        let Err(printed) = load(&text).map_err(|errors| errors.to_string()) else { continue };
        assert!(!printed.contains("planted-secret"), "{text}\n{printed}");
    }
}

#[test]
fn a_missing_file_is_told_by_its_name() {
    let error = Config::load(Path::new("/nowhere/w.yaml")).expect_err("there is none").to_string();
    assert!(error.starts_with("/nowhere/w.yaml: cannot read the file: "), "{error}");
}

#[test]
fn every_file_in_conf_is_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    let files = [root.clone(), root.join("examples")].into_iter().flat_map(|dir| dir.read_dir().expect("is there"));
    let files: Vec<_> = files.map(|entry| entry.expect("is readable").path()).collect();
    let files: Vec<_> = files.iter().filter(|path| path.extension().is_some_and(|ext| ext == "yaml")).collect();
    assert!(files.len() >= 6, "{files:?}");
    for path in files {
        let text = std::fs::read_to_string(path).expect("is readable");
        if let Err(errors) = Config::from_text_with(&text, Some(path), &|_| Some("sk-example".to_owned())) {
            panic!("{errors}");
        }
    }
}

/// Comments in, defaults out: what the sample says about each default is true.
#[test]
fn the_sample_shows_the_defaults() {
    let sample = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/weighbridge.yaml"));
    let sample = load(&sample.expect("is readable")).expect("valid");
    let default = load("providers: {}\n").expect("valid");
    assert_eq!(format!("{:?}", sample.server), format!("{:?}", default.server));
    assert_eq!(format!("{:?}", sample.admin), format!("{:?}", default.admin));
    assert_eq!(format!("{:?}", sample.state), format!("{:?}", default.state));
    assert_eq!(format!("{:?}", sample.records), format!("{:?}", default.records));
    assert!(sample.providers.values().all(|provider| provider.health == crate::config::Health::default()));
    let fast = sample.models.get("fast").expect("is shown");
    assert_eq!(fast.max_attempts.get(), 4);
    assert!(fast.targets.iter().all(|target| target.timeouts == Timeouts::default()));
}

/// Every key that the file may have stands in the sample, in use or commented out.
#[test]
fn the_sample_shows_every_key() {
    let sample = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/weighbridge.yaml"));
    let sample = sample.expect("is readable");
    for section in [
        "",
        "server",
        "server.listen[0]",
        "server.listen[0].tls",
        "admin",
        "admin.oidc",
        "admin.oidc.roles",
        "admin.oidc.emails",
        "state",
        "server.queue",
        "health",
        "models.m",
        "teams.m",
        "keys[0]",
        "records",
        "prices.m",
        "models.m.timeouts",
        "models.m.targets[0]",
        "defaults",
        "defaults.teams",
        "defaults.keys",
        "budgeting",
        "alerts",
        "telemetry",
        "telemetry.otlp",
        "limits[0]",
        "budgets[0]",
    ] {
        let odd = "zzzzzzzzzzzzzzzzzzzzzz: 1";
        let text = match section {
            "" => odd.to_owned(),
            "server.listen[0]" => format!("server: {{ listen: [{{ {odd} }}] }}"),
            "server.listen[0].tls" => format!("server: {{ listen: [{{ tls: {{ {odd} }} }}] }}"),
            "keys[0]" => format!("keys: [{{ {odd} }}]"),
            "limits[0]" => format!("limits: [{{ {odd} }}]"),
            "budgets[0]" => format!("budgets: [{{ {odd} }}]"),
            "models.m.targets[0]" => format!("models: {{ m: {{ targets: [{{ {odd} }}] }} }}"),
            path => path.rsplit('.').fold(odd.to_owned(), |inner, key| format!("{key}: {{ {inner} }}")),
        };
        let said = load(&text).expect_err("an odd key").to_string();
        let said =
            said.lines().find(|line| line.contains("unknown key")).unwrap_or_else(|| panic!("{section}: {said}"));
        let valid = said.split("; valid").nth(1).unwrap_or_else(|| panic!("{said}"));
        for key in valid.split('`').skip(1).step_by(2) {
            let shown =
                sample.lines().any(|line| line.trim_start_matches([' ', '#', '-']).starts_with(&format!("{key}:")));
            assert!(shown, "`{key}` of `{section}` is not in conf/weighbridge.yaml");
        }
    }
}

proptest::proptest! {
    /// Whatever stands in the file, it is read or refused, with a line.
    #[test]
    fn no_text_breaks_the_reader(text in "([a-c:\\-\\[\\]{}&*!|>'\"#%@,?$ \n\t]|key: |server:\n|  - ){0,60}") {
        if let Err(errors) = load(&text) {
            proptest::prop_assert!(errors.0.iter().all(|error| error.line.is_some()));
        }
    }

    /// A sample with any line cut out or doubled never breaks the reader either, and a doubled key is told.
    #[test]
    fn a_doubled_line_is_never_silently_accepted(line in 0usize..40) {
        let mut lines: Vec<&str> = EVERYTHING.lines().collect();
        let line = line % lines.len();
        let doubled = lines.get(line).copied().unwrap_or_default();
        lines.insert(line, doubled);
        let said = load(&lines.join("\n"));
        proptest::prop_assert!(said.is_err() || doubled.trim_start().starts_with("- {"), "{doubled}");
    }
}

mod mistakes;
mod rules;
mod accounts;
