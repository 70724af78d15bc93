//! What a configuration resolves to, for people to read. No secret can be in it: hashes of keys are cut short, and
//! settings of providers are not shown at all, but by whoever reads them.

use super::quantity::{show_size, show_time};
use super::{
    AccessLog, Allowed, Calendar, Config, Durability, Guardrail, Guardrails, Health, Key, LimitWhat, Listen, Mode,
    Model, OnRevoke, Otlp, Passive, Probe, ProbeBudget, Protocol, Provider, Records, RouteKind, Rules, Sticky, Target,
    Telemetry, Timeouts, Unit,
};
use crate::model::NanoUsd;
use std::fmt::{self, Write};
use std::sync::Arc;

/// What others have to say about parts of the configuration; each line is printed below its part.
pub struct Notes<'a> {
    /// About a provider: its endpoint.
    pub provider: &'a dyn Fn(&Provider) -> Vec<String>,
    /// About a target: its row of prices, or that it has none; what it does not speak.
    pub target: &'a dyn Fn(&Model, &Target) -> Vec<String>,
    /// About a guardrail: what it looks at, what it does, what it costs.
    pub guardrail: &'a dyn Fn(&Guardrail) -> Vec<String>,
}

impl Notes<'_> {
    /// Nothing to say.
    pub const NONE: Self = Self { provider: &|_| Vec::new(), target: &|_, _| Vec::new(), guardrail: &|_| Vec::new() };
}

impl Config {
    /// A readable account of what the file resolves to, defaults included, secrets left out.
    pub fn summary(&self, notes: &Notes<'_>) -> String {
        let mut out = String::new();
        self.write_summary(&mut out, notes).expect("a String takes all that is written to it");
        out
    }

    fn write_summary(&self, out: &mut String, notes: &Notes<'_>) -> fmt::Result {
        self.write_server(out)?;
        if !self.rules.is_empty() {
            writeln!(out, "\nthe whole gateway")?;
            write_rules(out, &self.rules)?;
        }
        writeln!(out, "\nproviders ({})", self.providers.len())?;
        for provider in self.providers.values() {
            let protocol = match provider.protocol {
                Protocol::Http1 => "HTTP/1.1",
                Protocol::Http2 => "HTTP/2",
                Protocol::Auto => "HTTP/2 if offered",
            };
            writeln!(out, "  {}: kind {}, {protocol}", provider.name, provider.kind)?;
            write_rules(out, &provider.rules)?;
            write_health(out, &provider.health)?;
            write_notes(out, &(notes.provider)(provider))?;
        }
        self.write_guardrails(out, notes)?;
        let own = self.files.teams.iter().map(|(team, provider)| format!("of team {team} at {provider}"));
        let all = self.files.provider.iter().map(|provider| format!("at {provider}"));
        let places = own.chain(all).collect::<Vec<_>>();
        if !places.is_empty() {
            writeln!(out, "\nfiles and batches\n  {}", places.join(", else "))?;
        }
        writeln!(out, "\nmodels ({})", self.models.len())?;
        for model in self.models.values() {
            let sticky = match model.sticky {
                Sticky::None => String::new(),
                by => format!(", sticky by {}", by.name()),
            };
            let (name, route, attempts) = (&model.name, model.route.name(), model.max_attempts);
            writeln!(out, "  {name}: by {route}{sticky}, at most {attempts} attempts")?;
            if let Some(mirror) = &model.mirror {
                writeln!(out, "      mirrored to {} by key {}: {} %", mirror.to, mirror.key, mirror.percent)?;
            }
            if let Some(cache) = &model.cache {
                writeln!(out, "      {cache}")?;
            }
            write_rules(out, &model.rules)?;
            for target in &model.targets {
                write_target(out, model, target)?;
                write_notes(out, &self.reach(model, target))?;
                write_notes(out, &(notes.target)(model, target))?;
            }
        }
        if let Some(semantic) = &self.cache.semantic {
            writeln!(out, "\nkept answers by meaning\n  {semantic}")?;
        }
        writeln!(out, "\nteams ({})", self.teams.len())?;
        for team in self.teams.values() {
            writeln!(out, "  {}: {}", team.name, allowed(&team.models))?;
            if let Some(cache) = &team.cache {
                writeln!(out, "      {cache}")?;
            }
            write_rules(out, &team.rules)?;
        }
        writeln!(out, "\nkeys ({})", self.keys.len())?;
        if self.keys.is_empty() {
            writeln!(out, "  none: every request will be refused; `weighbridge keys create` makes one")?;
        }
        self.keys.iter().try_for_each(|key| write_key(out, key))?;
        let on_revoke = match self.auth.on_revoke {
            OnRevoke::Finish => "go on to their end",
            OnRevoke::Cut => "are cut",
        };
        writeln!(out, "\nauth\n  streams of a key that is revoked or has expired {on_revoke}")?;
        match &self.auth.jwt {
            Some(jwt) => writeln!(out, "  JWTs of {} for {} are callers", jwt.issuer, jwt.audience),
            None => Ok(()),
        }
    }

    fn write_guardrails(&self, out: &mut String, notes: &Notes<'_>) -> fmt::Result {
        let Guardrails { all, everywhere, models, teams, keys } = &self.guardrails;
        if all.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nguardrails ({}), in this order", all.len())?;
        for guardrail in all.values() {
            let named = |list: &[Arc<str>]| list.contains(&guardrail.name);
            let lists = [("model", models), ("team", teams), ("key", keys)];
            let of = lists.into_iter().flat_map(|(what, lists)| {
                lists.iter().filter(|(_, list)| named(list)).map(move |(name, _)| format!("{what} {name}"))
            });
            let all = named(everywhere).then(|| "everybody".to_owned());
            let whom: Vec<String> = all.into_iter().chain(of).collect();
            let whom = if whom.is_empty() { "whoever asks for it".to_owned() } else { whom.join(", ") };
            writeln!(out, "  {}: {}, for {whom}", guardrail.name, guardrail.kind)?;
            write_notes(out, &(notes.guardrail)(guardrail))?;
        }
        Ok(())
    }

    fn write_server(&self, out: &mut String) -> fmt::Result {
        let server = &self.server;
        writeln!(out, "server")?;
        for Listen { address, tls, proxy_protocol } in &server.listen {
            let behind = if *proxy_protocol { ", behind the PROXY protocol" } else { "" };
            match tls {
                None => writeln!(out, "  listens on {address}, clear: HTTP/1.1 and h2c{behind}")?,
                Some(tls) => {
                    writeln!(
                        out,
                        "  listens on {address}, TLS: HTTP/1.1 and h2, certificate {}{behind}",
                        tls.cert.display()
                    )?;
                }
            }
        }
        if !server.trusted_proxies.is_empty() {
            writeln!(out, "  clients' addresses are believed of {}", server.trusted_proxies)?;
        }
        let size = |bytes: usize| u64::try_from(bytes).map_or_else(|_| bytes.to_string(), show_size);
        let (body, all, held) = (server.max_body_bytes, server.max_buffered_bytes, server.max_withheld_bytes);
        writeln!(out, "  threads {}, at most {} requests at once", server.threads, server.max_in_flight)?;
        let (length, wait, lag) = (server.queue.length, show_time(server.queue.wait), show_time(server.shed_lag));
        writeln!(out, "  overload: {length} more wait for up to {wait}; fewer are admitted past a lag of {lag}")?;
        writeln!(out, "  bodies up to {}, withheld answers up to {}, together {}", size(body), size(held), size(all))?;
        writeln!(out, "  heads up to {}, {} fields", size(server.max_head_bytes), server.max_head_lines)?;
        let [head, body] = [server.head_timeout, server.body_timeout].map(show_time);
        let [keepalive, drain] = [server.keepalive_timeout, server.drain_timeout].map(show_time);
        let pace = match server.body_min_rate {
            0 => String::new(),
            rate => format!(" and longer at {}/s", show_size(rate)),
        };
        writeln!(out, "  timeouts: head {head}, body {body}{pace}, keepalive {keepalive}, drain {drain}")?;
        let streams = server.max_h2_streams;
        writeln!(out, "  HTTP/2: at most {streams} streams a connection, idle {}", show_time(server.h2_idle_timeout))?;
        let most =
            server.max_connections.map_or_else(|| "as many as descriptors allow".to_owned(), |most| most.to_string());
        let each = match server.per_address.connections {
            None => "half of them".to_owned(),
            Some(0) => "any number".to_owned(),
            Some(most) => most.to_string(),
        };
        writeln!(out, "  connections at once: {most}; of one address: {each}")?;
        match self.admin.listen {
            Some(address) => {
                let api = if self.admin.token.is_some() || self.admin.viewer_token.is_some() {
                    "with the admin API"
                } else {
                    "without the admin API: no `token`"
                };
                writeln!(out, "admin\n  listens on {address}, {api}")?;
                if let Some(oidc) = &self.admin.oidc {
                    let tokens = if oidc.token_sign_in { "; tokens too" } else { "; no tokens" };
                    writeln!(out, "  sign-in to the dashboard at {}{tokens}", oidc.issuer)?;
                }
            }
            None => writeln!(out, "admin\n  off: no metrics")?,
        }
        let state = &self.state;
        let durability = match state.durability {
            Durability::Process => "rows survive the process",
            Durability::Power => "rows survive a loss of power",
        };
        let (time, bytes) = (show_time(state.retention), show_size(state.max_bytes.get()));
        writeln!(out, "state\n  in {}: {durability}; kept for {time}, at most {bytes}", state.dir.display())?;
        write_records(out, &self.records)?;
        self.telemetry.as_ref().map_or(Ok(()), |telemetry| write_telemetry(out, telemetry))
    }
}

/// Where records go, how long they are kept, and of whom prompts and answers are.
fn write_records(out: &mut String, records: &Records) -> fmt::Result {
    match &records.access_log {
        AccessLog::Stdout => writeln!(out, "records\n  access log to standard output")?,
        AccessLog::File(path) => writeln!(out, "records\n  access log to {}", path.display())?,
        AccessLog::Off => writeln!(out, "records\n  no access log")?,
    }
    let Some(files) = &records.files else { return writeln!(out, "  no files that can be searched") };
    let (bytes, age) = (show_size(files.file_bytes), show_time(files.file_age));
    let (keep_for, keep_bytes) = (show_time(files.keep_for), show_size(files.keep_bytes));
    let dir = files.dir.display();
    writeln!(out, "  files in {dir}: closed at {bytes} or after {age}; kept for {keep_for}, at most {keep_bytes}")?;
    let teams: Vec<String> = records.teams.iter().map(|(team, own)| format!("{team}: {}", own.name())).collect();
    let teams = if teams.is_empty() { String::new() } else { format!("; of teams {}", teams.join(", ")) };
    writeln!(out, "  prompts and answers: {}{teams}", records.content.name())
}

/// What is sent to a collector.
fn write_telemetry(out: &mut String, telemetry: &Telemetry) -> fmt::Result {
    let Otlp { endpoint, protocol, queue, .. } = &telemetry.otlp;
    writeln!(out, "telemetry\n  to {endpoint} by OTLP over {}, at most {queue} spans wait", protocol.name())?;
    let (hundredths, conventions) = (telemetry.sample_millionths / 100, telemetry.conventions.name());
    let share = f64::from(hundredths) / 100.0;
    let follows = if telemetry.follow_parent { "; of clients' traces those that they sample" } else { "" };
    writeln!(out, "  spans of {share}% of all traces{follows}; GenAI conventions {conventions}")?;
    let metrics =
        telemetry.metrics_every.map_or_else(|| "never".to_owned(), |every| format!("every {}", show_time(every)));
    let registry = if telemetry.registry { ", with all of `/metrics`" } else { "" };
    let content = if telemetry.content { "as they are kept" } else { "not sent" };
    writeln!(out, "  metrics {metrics}{registry}; prompts and answers: {content}")
}

fn write_notes(out: &mut String, notes: &[String]) -> fmt::Result {
    notes.iter().try_for_each(|note| writeln!(out, "      {note}"))
}

/// Where it is not as everywhere.
fn write_health(out: &mut String, Health { passive, active }: &Health) -> fmt::Result {
    if *passive != Passive::default() {
        let Passive { failures, ratio, least, window, pause, most_pause } = passive;
        let [window, pause, most] = [*window, *pause, *most_pause].map(show_time);
        writeln!(
            out,
            "      shut by {failures} failures in a row or {ratio}% of {least} or more in {window}, for {pause} to {most}"
        )?;
    }
    if active.probe != Probe::Off {
        let [every, timeout] = [active.every, active.timeout].map(show_time);
        writeln!(out, "      looked at by `{}` every {every}, for {timeout} at most", active.probe.name())?;
        if let Some(ProbeBudget { nano, per }) = active.budget.filter(|_| active.probe == Probe::Generate) {
            writeln!(out, "      looks may cost {} USD a {}", NanoUsd(nano), per.name())?;
        }
    }
    Ok(())
}

fn write_target(out: &mut String, model: &Model, target: &Target) -> fmt::Result {
    write!(out, "    {} of {}", target.model, target.provider)?;
    if let Some(name) = &target.price_as {
        write!(out, ", priced as {name}")?;
    }
    if let Some(apis) = &target.apis {
        let names: Vec<_> = apis.iter().map(|api| api.name()).collect();
        write!(out, ", for {} only", names.join(", "))?;
    }
    match target.canary {
        Some(share) => write!(out, ", canary of {share}")?,
        None if model.route == RouteKind::Weighted => write!(out, ", weight {}", target.weight)?,
        None => {}
    }
    let Timeouts { connect, send, first_token, idle, response, total } = target.timeouts;
    let response = response.unwrap_or(total);
    let [connect, send, first, idle, response, total] =
        [connect, send, first_token, idle, response, total].map(show_time);
    writeln!(
        out,
        "\n      timeouts: connect {connect}, send {send}, first_token {first}, idle {idle}, response {response}, total {total}"
    )
}

fn write_key(out: &mut String, key: &Key) -> fmt::Result {
    let hash = hex::encode(key.hash.first_chunk::<4>().expect("a hash has 32 bytes"));
    write!(out, "  {}: team {}, {}, sha256:{hash}…", key.name, key.team, key_models(&key.models))?;
    if !key.allowed_ips.is_empty() {
        write!(out, ", from {}", key.allowed_ips)?;
    }
    let expires = key.expires_us.and_then(|us| jiff::Timestamp::from_microsecond(i64::try_from(us).ok()?).ok());
    match expires {
        Some(moment) => writeln!(out, ", expires {moment}")?,
        None => writeln!(out)?,
    }
    write_rules(out, &key.rules)
}

fn write_rules(out: &mut String, rules: &Rules) -> fmt::Result {
    for limit in &rules.limits {
        match limit.what {
            LimitWhat::Requests { most, per } => write!(out, "      limit: {most} requests per {}", per.name())?,
            LimitWhat::Tokens { most, per } => write!(out, "      limit: {most} tokens per {}", per.name())?,
            LimitWhat::Concurrent { most } => write!(out, "      limit: {most} requests at once")?,
        }
        writeln!(out, "{} ({})", mode(limit.mode), limit.id)?;
    }
    for budget in &rules.budgets {
        match budget.unit {
            Unit::Usd => write!(out, "      budget: {} USD", NanoUsd(budget.limit))?,
            Unit::Tokens => write!(out, "      budget: {} tokens", budget.limit)?,
        }
        let zone = budget.zone.iana_name().unwrap_or("UTC");
        match budget.per {
            Calendar::Lifetime => write!(out, " for ever")?,
            per => write!(out, " per {} in {zone}", per.name())?,
        }
        writeln!(out, "{} ({})", mode(budget.mode), budget.id)?;
    }
    Ok(())
}

const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "",
        Mode::Warn => ", warns only",
        Mode::Audit => ", is logged only",
    }
}

/// A key narrows what its team may call.
fn key_models(models: &Allowed) -> String {
    match models {
        Allowed::All => "all models of its team".to_owned(),
        Allowed::Only(_) => allowed(models),
    }
}

fn allowed(models: &Allowed) -> String {
    match models {
        Allowed::All => "all models".to_owned(),
        Allowed::Only(names) => format!("models {}", names.join(", ")),
    }
}
