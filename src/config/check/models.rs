//! Providers, models and prices.

use super::Checker;
use super::server::count;
use crate::{
    config::{
        Health, Model, PriceOverride, Provider, RouteKind, Scope, Section, Share, Target, Timeouts,
        error::hint,
        file::{ModelFile, PriceFile, ProviderFile, TargetFile, TimeoutsFile, Unsupported},
        quantity::{Count, Part, Price, Time, UnitPrice, show_time},
        shape::{later, read_all},
        tree::{Node, Value, join},
    },
    model::Api,
};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// More signs of life than one in so much time would be traffic for its own sake.
const LEAST_SILENCE: Duration = Duration::from_millis(100);

impl Checker<'_> {
    /// Providers are read from the tree: what is not common to all kinds becomes a [`Section`].
    pub(super) fn providers(&mut self, zone: &TimeZone, health: &Health) -> BTreeMap<Arc<str>, Provider> {
        let tree = self.tree;
        let entries = tree.get("providers").map(Node::entries).unwrap_or_default();
        let mut providers = BTreeMap::new();
        for (name, node) in entries {
            self.named(&node.path, name);
            let found: Vec<Provider> = match node.get("accounts") {
                None => self.provider(name, node, zone, health).into_iter().collect(),
                Some(accounts) => self.accounts(name, node, accounts, (zone, health)),
            };
            providers.extend(found.into_iter().map(|provider| (Arc::clone(&provider.name), provider)));
        }
        providers
    }

    pub(super) fn provider(&mut self, name: &str, node: &Node, zone: &TimeZone, health: &Health) -> Option<Provider> {
        for (key, setting) in node.entries() {
            if let Some(message) = later("providers", key) {
                self.flag(&setting.path, message);
            }
        }
        let mut common = node.clone();
        if let Value::Map(entries) = &mut common.value {
            entries.retain(|(key, _)| ProviderFile::KEYS.contains(&&**key));
        }
        let file: ProviderFile = read_all(&mut common, &self.places, &mut self.errors)?;
        let mut uplink = self.uplink(&node.path, file.ca_file, file.client_cert, (file.server_name, file.proxy));
        uplink.trace_context = file.trace_context;
        let scope = Scope::Provider(name.into());
        let rules = self.rules(&node.path, &scope, file.limits, file.budgets, zone);
        let health = self.health(&join(&node.path, "health"), &file.health, health);
        Some(Provider {
            name: name.into(),
            kind: file.kind,
            settings: Section::new(node, Arc::clone(&self.places), &ProviderFile::KEYS),
            catalogue: file.catalogue,
            protocol: file.protocol,
            uplink,
            rules,
            health,
        })
    }

    pub(super) fn models(
        &mut self,
        written: BTreeMap<String, ModelFile>,
        zone: &TimeZone,
    ) -> BTreeMap<Arc<str>, Model> {
        let models = written.into_iter().map(|(name, file)| {
            let model = self.model(&name, file, zone);
            (Arc::clone(&model.name), model)
        });
        models.collect()
    }

    fn model(&mut self, name: &str, file: ModelFile, zone: &TimeZone) -> Model {
        let path = join("models", name);
        self.named(&path, name);
        if file.targets.is_empty() {
            self.flag(&join(&path, "targets"), "there must be at least one target");
        }
        let mut written = Vec::new();
        for (index, target) in file.targets.into_iter().enumerate() {
            if let Some(target) = target {
                written.push(self.target(&path, index, target, file.route, file.timeouts));
            }
        }
        self.route(&path, file.route, file.sticky, &written);
        let targets = written.into_iter().flat_map(|target| self.each_account(target)).collect();
        let drops = file.translation.unsupported == Unsupported::Drop;
        let keep_alive = file.keep_alive.map(|Time(every)| every);
        if keep_alive.is_some_and(|every| every < LEAST_SILENCE) {
            self.flag(&join(&path, "keep_alive"), format!("must be at least {}", show_time(LEAST_SILENCE)));
        }
        let mirror = file.mirror.and_then(|mirror| self.mirror(&join(&path, "mirror"), name, mirror));
        let cache = self.caching(&path, file.cache);
        let rules = self.rules(&path, &Scope::Model(name.into()), file.limits, file.budgets, zone);
        let attempts = self.attempts(&path, name, file.attempts, file.fallbacks);
        Model {
            name: name.into(),
            route: file.route,
            sticky: file.sticky,
            targets,
            max_attempts: count(file.max_attempts, 4),
            attempts,
            drops,
            keep_alive,
            mirror,
            cache,
            rules,
        }
    }

    fn target(
        &mut self,
        model: &str,
        index: usize,
        file: TargetFile,
        route: RouteKind,
        of_model: TimeoutsFile,
    ) -> Target {
        let path = format!("{model}.targets[{index}]");
        self.refers(&join(&path, "provider"), &file.provider, "providers", "provider");
        let named = [("model", Some(&file.model)), ("price_as", file.price_as.as_ref())];
        for (key, name) in named.into_iter().filter_map(|(key, name)| name.map(|name| (key, name))) {
            if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
                self.flag(&join(&path, key), "a model's name has 1 to 256 bytes, and no control characters");
            }
        }
        let weight = self.weight(&path, route, file.weight, file.canary.is_some());
        let canary = file.canary.and_then(|Part(hundredths)| Share::new(hundredths));
        let when = file.when.map(|when| self.when(&join(&path, "when"), when));
        let apis = file.apis.map(|apis| self.apis(&join(&path, "apis"), apis));
        let timeouts = self.timeouts(&join(&path, "timeouts"), file.timeouts, &join(model, "timeouts"), of_model);
        Target {
            index,
            provider: file.provider.into(),
            model: file.model.into(),
            price_as: file.price_as.map(Arc::from),
            timeouts,
            apis,
            max_input_tokens: file.max_input_tokens.map(|Count(tokens)| u64::from(tokens)),
            max_output_tokens: file.max_output_tokens.map(|Count(tokens)| u64::from(tokens)),
            weight,
            canary,
            when,
        }
    }

    fn apis(&mut self, path: &str, written: Vec<Option<String>>) -> Vec<Api> {
        if written.is_empty() {
            self.flag(path, "names no call; leave it out for all that the provider speaks");
        }
        let mut apis = Vec::new();
        for (index, name) in written.into_iter().enumerate() {
            let Some(name) = name else { continue };
            let path = format!("{path}[{index}]");
            match Api::ALL.into_iter().find(|api| api.name() == name) {
                Some(api) if apis.contains(&api) => self.flag(&path, format!("`{api}` stands here a second time")),
                Some(api) => apis.push(api),
                None => {
                    let shown = self.shown(&path, &name);
                    self.flag(&path, format!("there is no call {shown}{}", hint(&name, Api::ALL.map(Api::name))));
                }
            }
        }
        apis
    }

    /// The target's own, else the model's, else the defaults. A default that is longer than `total` is cut to it.
    fn timeouts(&mut self, of_target: &str, target: TimeoutsFile, of_model: &str, model: TimeoutsFile) -> Timeouts {
        let default = Timeouts::default();
        let mut pick = |key: &str, target: Option<Time>, model: Option<Time>| {
            let (path, time) = if target.is_some() { (of_target, target) } else { (of_model, model) };
            let path = join(path, key);
            time.map(|time| (self.time(&path, Some(time), Duration::MAX), path))
        };
        let total = pick("total", target.total, model.total).map_or(default.total, |(time, _)| time);
        let mut phase = |key: &str, target, model| {
            let (time, path) = pick(key, target, model)?;
            Some((time, path, time > total && time != Duration::MAX))
        };
        let written = [
            phase("connect", target.connect, model.connect),
            phase("send", target.send, model.send),
            phase("first_token", target.first_token, model.first_token),
            phase("idle", target.idle, model.idle),
            phase("response", target.response, model.response),
        ];
        for (_, path, _) in written.iter().flatten().filter(|(_, _, late)| *late) {
            self.flag(
                path,
                format!("is longer than `total`, which is `{}`; it would never be reached", show_time(total)),
            );
        }
        let [connect, send, first_token, idle, response] = written.map(|phase| phase.map(|(time, _, _)| time));
        Timeouts {
            connect: connect.unwrap_or(default.connect).min(total),
            send: send.unwrap_or(default.send).min(total),
            first_token: first_token.unwrap_or(default.first_token).min(total),
            idle: idle.unwrap_or(default.idle).min(total),
            response,
            total,
        }
    }

    pub(super) fn prices(&mut self, written: BTreeMap<String, PriceFile>) -> BTreeMap<Arc<str>, PriceOverride> {
        let mut prices = BTreeMap::new();
        for (name, file) in written {
            let path = join("prices", &name);
            self.named(&path, &name);
            let classes = [
                ("input", file.input),
                ("output", file.output),
                ("cache_read", file.cache_read),
                ("cache_write_5m", file.cache_write_5m),
                ("cache_write_1h", file.cache_write_1h),
                ("reasoning", file.reasoning),
                ("audio_input", file.audio_input),
                ("audio_output", file.audio_output),
                ("image_input", file.image_input),
                ("image_output", file.image_output),
            ];
            let units = [
                ("per_image", file.per_image),
                ("per_second", file.per_second),
                ("per_character", file.per_character),
                ("per_search", file.per_search),
            ];
            let tokens = classes.into_iter().filter_map(|(class, price)| price.map(|Price(text)| (class, text)));
            let units = units.into_iter().filter_map(|(unit, price)| price.map(|UnitPrice(text)| (unit, text)));
            let amounts: BTreeMap<_, _> = tokens.chain(units).map(|(name, text)| (name.to_owned(), text)).collect();
            // Nothing, and not because what was there is wrong and already told.
            if amounts.is_empty() && !self.errors.iter().any(|error| error.path.starts_with(&path)) {
                self.flag(&path, "sets no price; write at least `input` and `output`, or a price such as `per_image`");
            }
            prices.insert(Arc::from(name), PriceOverride { amounts });
        }
        prices
    }
}
