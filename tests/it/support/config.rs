//! Builds the configuration file of one gateway.

use super::gateway::Gateway;
use super::upstream::Upstream;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

/// The key of team `search` that may call everything.
pub const KEY: &str = "wb-test-key-of-team-search-0123456789";

/// The token of role `admin`: planted, as the key is.
pub const ADMIN_TOKEN: &str = "planted-admin-token-0123456789";
/// The token of role `viewer`.
pub const VIEWER_TOKEN: &str = "planted-viewer-token-0123456789";

/// Nano-dollars of one input token of every target, as [`Setup`] prices it: 2 USD per million.
pub const INPUT_NANO_USD: u64 = 2_000;
/// Nano-dollars of one output token: 8 USD per million.
pub const OUTPUT_NANO_USD: u64 = 8_000;

/// A configuration in the making.
#[derive(Debug, Default, Clone)]
pub struct Setup {
    server: String,
    state: String,
    providers: String,
    models: String,
    teams: String,
    keys: String,
    prices: String,
    records: String,
    top: String,
    admin: String,
    auth: String,
    /// Adds a listener with TLS.
    pub tls: bool,
    /// All listeners are of proxies that send PROXY headers.
    pub proxy_protocol: bool,
    /// What is freed goes back to the system at once: the memory that the process has is what it uses.
    pub gives_back: bool,
}

impl Setup {
    /// Team `search` with [`KEY`], no provider and no model.
    pub fn new() -> Self {
        let setup = Self { teams: "  search: {}\n".to_owned(), ..Self::default() };
        setup.key("search-ci", "search", KEY, "")
    }

    /// Model `fast`, answered by these upstreams in their order: providers `a`, `b` …, models `model-a`, `model-b` …
    pub fn openai(upstreams: &[&Upstream]) -> Self {
        Self::new().providers("openai", upstreams).model("fast", upstreams.len(), "")
    }

    /// The same with upstreams of kind `anthropic`.
    pub fn anthropic(upstreams: &[&Upstream]) -> Self {
        Self::new().providers("anthropic", upstreams).model("fast", upstreams.len(), "")
    }

    /// For calls of `path`: OpenAI's or Anthropic's.
    pub fn speaking(path: &str, upstreams: &[&Upstream]) -> Self {
        if path.starts_with("/v1/messages") { Self::anthropic(upstreams) } else { Self::openai(upstreams) }
    }

    /// Providers `a`, `b` … of this kind.
    pub fn providers(mut self, kind: &str, upstreams: &[&Upstream]) -> Self {
        for (upstream, name) in upstreams.iter().zip(NAMES) {
            let more =
                format!("protocol: {}, {}", upstream.protocol, if upstream.tls { "ca_file: ca.pem" } else { "" });
            let host = if upstream.tls {
                format!("localhost:{}", upstream.address.port())
            } else {
                upstream.address.to_string()
            };
            let scheme = if upstream.tls { "https" } else { "http" };
            self = self.provider(name, kind, &format!("{scheme}://{host}"), &more);
        }
        self
    }

    /// One provider; `url` is without a path.
    pub fn provider(mut self, name: &str, kind: &str, url: &str, more: &str) -> Self {
        let path = if kind == "openai" { "/v1" } else { "" };
        writeln!(
            self.providers,
            "  {name}: {{ kind: {kind}, base_url: \"{url}{path}\", api_key: {}, {more} }}",
            secret(name)
        )
        .expect("a string takes all");
        self
    }

    /// Moves provider `a` to an address where nobody listens.
    pub fn dead_first(mut self, address: SocketAddr) -> Self {
        let at = self.providers.find("  b: ").expect("there is a second one");
        self.providers.replace_range(..at, "");
        self.provider("a", "openai", &format!("http://{address}"), "")
    }

    /// One provider with these settings, such as `kind: vertex, project: p`.
    pub fn account(mut self, name: &str, settings: &str) -> Self {
        writeln!(self.providers, "  {name}: {{ {settings} }}").expect("a string takes all");
        self
    }

    /// A model with the first `targets` of the targets `a/model-a`, `b/model-b` …; `more` are further keys, such as
    /// `timeouts: { idle: 1s }`.
    pub fn model(self, name: &str, targets: usize, more: &str) -> Self {
        let names: Vec<&str> = NAMES.into_iter().take(targets).collect();
        self.model_of(name, &names, more)
    }

    /// A model with targets at the providers `names`; each one's model is called `model-NAME`.
    pub fn model_of(mut self, name: &str, names: &[&str], more: &str) -> Self {
        // The last word wins: a test may say again what a constructor said.
        if let Some(at) = self.models.find(&format!("  {name}:\n")) {
            let rest = &self.models[at..];
            let after =
                rest.match_indices("\n  ").map(|(end, _)| end + 1).find(|end| !rest[*end..].starts_with("    "));
            self.models.replace_range(at..after.map_or(self.models.len(), |end| at + end), "");
        }
        writeln!(self.models, "  {name}:\n    targets:").expect("a string takes all");
        for provider in names {
            writeln!(self.models, "      - {{ provider: {provider}, model: model-{provider} }}")
                .expect("a string takes all");
            let price = format!("  model-{provider}: {{ input: 2, output: 8, cache_read: 0.5 }}\n");
            if !self.prices.contains(&price) {
                self.prices.push_str(&price);
            }
        }
        for line in more.lines() {
            writeln!(self.models, "    {line}").expect("a string takes all");
        }
        self
    }

    /// A model with one target; its price is what the catalogue says, or what [`Setup::price`] adds.
    pub fn target(mut self, name: &str, provider: &str, model: &str) -> Self {
        writeln!(self.models, "  {name}:\n    targets:\n      - {{ provider: {provider}, model: {model} }}")
            .expect("a string takes all");
        self
    }

    /// Adds models as the file writes them.
    pub fn models_text(mut self, lines: &str) -> Self {
        self.models.push_str(lines);
        self
    }

    /// Takes a price out again.
    pub fn unpriced(mut self, model: &str) -> Self {
        let line = format!("  {model}: ");
        self.prices = self.prices.split_inclusive('\n').filter(|other| !other.starts_with(&line)).collect();
        self
    }

    /// Says `fast` again with these time-outs, such as `idle: 1s`.
    pub fn timeouts(self, targets: usize, timeouts: &str) -> Self {
        self.model("fast", targets, &format!("timeouts: {{ {timeouts} }}"))
    }

    /// A key of `server:`.
    pub fn server(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        writeln!(self.server, "  {name}: {value}").expect("a string takes all");
        self
    }

    /// With [`ADMIN_TOKEN`] and [`VIEWER_TOKEN`] for the admin API.
    pub fn with_admin(mut self) -> Self {
        self.admin = format!("  token: {ADMIN_TOKEN}\n  viewer_token: {VIEWER_TOKEN}\n");
        self
    }

    /// A key of `admin:`.
    pub fn admin(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        writeln!(self.admin, "  {name}: {value}").expect("a string takes all");
        self
    }

    /// A key of `auth:`.
    pub fn auth(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        writeln!(self.auth, "  {name}: {value}").expect("a string takes all");
        self
    }

    /// A key of `state:` besides `dir`.
    pub fn state(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        writeln!(self.state, "  {name}: {value}").expect("a string takes all");
        self
    }

    /// Adds a team; `more` is such as `models: [fast]`.
    pub fn team(mut self, name: &str, more: &str) -> Self {
        writeln!(self.teams, "  {name}: {{ {more} }}").expect("a string takes all");
        self
    }

    /// Adds a key; `more` is such as `models: [fast]`.
    pub fn key(mut self, name: &str, team: &str, key: &str, more: &str) -> Self {
        let hash = hex::encode(Sha256::digest(key.as_bytes()));
        writeln!(self.keys, "  - {{ name: {name}, team: {team}, hash: \"sha256:{hash}\", {more} }}")
            .expect("a string takes all");
        self
    }

    /// Adds or overrides a price.
    pub fn price(self, model: &str, price: &str) -> Self {
        let mut this = self.unpriced(model);
        writeln!(this.prices, "  {model}: {{ {price} }}").expect("a string takes all");
        this
    }

    /// Adds lines at the top level, such as `limits: [...]` or `budgets: [...]`.
    pub fn top(mut self, lines: &str) -> Self {
        writeln!(self.top, "{lines}").expect("a string takes all");
        self
    }

    /// Gives team `search` these keys, such as `budgets: [{ usd: 1, per: day }]`.
    pub fn search(mut self, more: &str) -> Self {
        self.teams = self.teams.replace("  search: {}\n", &format!("  search: {{ {more} }}\n"));
        self
    }

    /// With a listener that speaks TLS.
    pub fn with_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Behind the PROXY protocol.
    pub fn with_proxy_protocol(mut self) -> Self {
        self.proxy_protocol = true;
        self
    }

    /// Starts a gateway with it.
    pub async fn start(self) -> Gateway {
        Gateway::start(self).await
    }

    /// The file's text.
    pub fn text(&self, listen: SocketAddr, tls: Option<SocketAddr>, admin: SocketAddr, dir: &Path) -> String {
        let proxy = if self.proxy_protocol { ", proxy_protocol: true" } else { "" };
        let tls = tls.map_or_else(String::new, |address| {
            format!(
                "    - {{ address: \"{address}\", tls: {{ cert: \"{0}/cert.pem\", key: \"{0}/key.pem\" }}{proxy} }}\n",
                dir.display()
            )
        });
        let server = format!("server:\n  listen:\n    - {{ address: \"{listen}\"{proxy} }}\n{tls}{}", self.server);
        let server = if self.server.contains("threads:") { server } else { format!("{server}  threads: 2\n") };
        let providers = self.providers.replace("ca_file: ca.pem", &format!("ca_file: \"{}/ca.pem\"", dir.display()));
        let section = |name: &str, text: &str| if text.is_empty() { String::new() } else { format!("{name}:\n{text}") };
        [
            server,
            format!("admin:\n  listen: \"{admin}\"\n{}", self.admin),
            section("auth", &self.auth),
            format!("state:\n  dir: \"{}/state\"\n{}", dir.display(), self.state),
            section("providers", &providers),
            section("models", &self.models),
            section("teams", &self.teams),
            section("keys", &self.keys),
            section("prices", &self.prices),
            section("records", &self.records),
            self.top.clone(),
        ]
        .concat()
    }
}

/// The credential of provider `name`: planted, so that tests can look for it where it must not be.
pub fn secret(name: &str) -> String {
    format!("sk-secret-of-provider-{name}")
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
