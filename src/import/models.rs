//! `model_list` → providers, models with their targets, and prices.

use super::Listed;
use super::amount::{self, Amount};
use super::desk::{Desk, fit_name};
use super::kinds::{KNOWN, Known, whose};
use super::provider::{self, Providers};
use super::read::{Fields, Node, Value};
use super::rules::Rules;
use super::settings::{Settings, Strategy};
use super::write::Out;
use std::collections::{BTreeMap, BTreeSet, HashMap};

#[derive(Clone)]
pub(super) struct Target {
    pub(super) provider: String,
    pub(super) model: String,
    weight: Option<u64>,
    order: Option<u64>,
    settings: Vec<(String, Out)>,
    /// At an address of the file's own, whose prices nobody knows.
    custom: bool,
}

#[derive(Clone)]
pub(super) struct Model {
    pub(super) name: String,
    pub(super) targets: Vec<Target>,
}

/// A deployment whose name holds a `*`.
pub(super) struct Pattern {
    pub(super) path: String,
    /// As clients ask: `openai/*`.
    pub(super) name: String,
    /// What is sent, with or without a `*`; and whose it is, unless that is for the client to say (`*`).
    pub(super) model: String,
    pub(super) known: Option<&'static Known>,
    target: Target,
}

/// What `model_list` comes to.
#[derive(Default)]
pub(super) struct Models {
    providers: Providers,
    pub(super) models: Vec<Model>,
    pub(super) patterns: Vec<Pattern>,
    prices: BTreeMap<String, Vec<(String, Out)>>,
    /// Access groups, and their models.
    groups: HashMap<String, Vec<String>>,
    /// Names that had to be changed.
    renamed: HashMap<String, String>,
    /// What an alias stands for: it has the fallbacks of that.
    aliases: HashMap<String, String>,
    /// What has a price, by our catalogue's names.
    listed: HashMap<&'static str, BTreeSet<String>>,
    /// Whether there is a budget in dollars anywhere: a target without a price cannot stand beside one.
    money: bool,
}

/// What may be called, of a list of LiteLLM's.
pub(super) enum Allowed {
    All,
    Only(Vec<String>),
}

/// Reads `model_list`: <https://docs.litellm.ai/docs/proxy/configs>.
/// `known` gives the models that have a price, by our catalogue's name of a provider; `money`: see [`Models`].
pub(super) fn read(
    file: &Fields<'_>,
    settings: &Settings,
    (known, money): (Listed<'_>, bool),
    desk: &mut Desk,
) -> Models {
    let names = KNOWN.iter().map(|one| one.catalogue).filter(|name| !name.is_empty());
    let listed = names.map(|name| (name, known(name).into_iter().collect())).collect();
    let mut models = Models { listed, money, ..Models::default() };
    let credentials = credentials(file);
    for entry in file.get("model_list").map(Node::items).unwrap_or_default() {
        let fields = Fields::of(entry);
        let Some(name) = fields.text("model_name") else {
            desk.note(&entry.path, "not carried over: it has no `model_name`");
            continue;
        };
        let params = with_credentials(fields.get("litellm_params"), &credentials);
        let (params, info) = (Fields::of(&params), fields.of_key("model_info"));
        models.deployment(name, &entry.path, (&params, &info), settings, desk);
        desk.left(&params, "this parameter is the client's to send here");
        for node in info.left().into_iter().filter(|node| !node.path.rsplit('.').next().is_some_and(only_told)) {
            desk.note(&node.path, "not carried over; limits of models are the built-in catalogue's");
        }
        desk.left(&fields, "there is nothing like it here");
    }
    models
}

/// Members of `model_info` that only describe.
fn only_told(key: &str) -> bool {
    let told = ["id", "mode", "description", "litellm_provider", "max_tokens", "db_model", "created_at", "updated_at"];
    told.contains(&key) || key.starts_with("supports_") || key == "supported_environments"
}

/// `credential_list`, by name: <https://docs.litellm.ai/docs/proxy/ui_credentials>.
fn credentials(file: &Fields<'_>) -> HashMap<String, Node> {
    let list = file.get("credential_list").map(Node::items).unwrap_or_default();
    let named = list.iter().filter_map(|entry| {
        let name = entry.get("credential_name")?.text()?;
        Some((name.to_owned(), entry.get("credential_values")?.clone()))
    });
    named.collect()
}

/// The parameters, and what the credential that they name has besides.
fn with_credentials(params: Option<&Node>, credentials: &HashMap<String, Node>) -> Node {
    let mut params = params.cloned().unwrap_or(Node { path: String::new(), value: Value::Map(Vec::new()) });
    let named = params.get("litellm_credential_name").and_then(Node::text).and_then(|name| credentials.get(name));
    if let (Some(values), Value::Map(entries)) = (named, &mut params.value) {
        entries.retain(|(key, _)| key != "litellm_credential_name");
        for (key, value) in values.entries() {
            if !entries.iter().any(|(known, _)| known == key) {
                entries.push((key.clone(), value.clone()));
            }
        }
    }
    params
}

impl Models {
    fn deployment(
        &mut self,
        name: &str,
        path: &str,
        (params, info): (&Fields<'_>, &Fields<'_>),
        settings: &Settings,
        desk: &mut Desk,
    ) {
        let Some(model) = params.text("model").filter(|model| !model.starts_with("os.environ/")) else {
            return desk.note(path, "not carried over: `litellm_params.model` must be written out");
        };
        let found = whose(model, params.text("custom_llm_provider"), params.get("api_base").is_some());
        let any = found.is_none() && model == "*";
        let Some((known, rest)) = found.or(any.then_some((&KNOWN[0], "*"))) else {
            let note = "not carried over: there is no kind of provider here for this one; if it speaks OpenAI's API, \
                        write it as `openai/NAME` with `api_base` and import again";
            return desk.note(&params.path("model"), note);
        };
        if params.get("mock_response").is_some() {
            desk.note(
                &params.path("mock_response"),
                "not carried over; `weighbridge simulate` answers without a provider",
            );
        }
        let Some(mut account) = provider::settings(known, params, desk) else {
            return desk.note(path, "not carried over: it has no address that can be read");
        };
        let rest = self.upstream_name(known, rest, &mut account);
        let mut rules = Rules::default();
        rules.limits(params, ["rpm", "tpm", "max_parallel_requests"], desk);
        rules.budget(params, None, desk);
        if rules.nothing {
            return desk.note(path, "not carried over: a limit of 0 lets nothing pass");
        }
        rules.write(&mut account);
        let own = !rules.limits.is_empty() || !rules.budgets.is_empty();
        let wanted = if own {
            format!("{}-{}", known.prefix, fit_name(name).replace('/', "-"))
        } else {
            known.prefix.to_owned()
        };
        let provider = self.providers.named(&wanted.replace('*', "all"), account, own);
        let target = Target {
            custom: params.get("api_base").is_some() && known.kind != "azure",
            weight: weight(params, desk),
            order: desk.number(params, "order").and_then(Amount::whole),
            settings: target_settings(params, info, settings, desk),
            provider,
            model: rest,
        };
        self.price(&target, params, info, desk);
        let groups = info.texts("access_groups");
        if name.contains('*') {
            let known = (!any).then_some(known);
            let model = target.model.clone();
            self.patterns.push(Pattern { path: path.to_owned(), name: name.to_owned(), model, known, target });
            return;
        }
        if !self.admits(known, &target, path, desk) {
            return;
        }
        let fitted = self.fitted(name, path, desk);
        for group in groups {
            let group = self.groups.entry(group).or_default();
            if !group.contains(&fitted) {
                group.push(fitted.clone());
            }
        }
        self.add(fitted, target);
    }

    /// The name at the provider: LiteLLM puts more into it than the provider's own.
    fn upstream_name(&self, known: &Known, rest: &str, account: &mut [(String, Out)]) -> String {
        if known.kind == "bedrock" {
            let rest = rest.strip_prefix("converse/").or_else(|| rest.strip_prefix("invoke/")).unwrap_or(rest);
            // `bedrock/us-west-2/anthropic.claude…`: the region stands in the name.
            if let Some((region, model)) = rest.split_once('/').filter(|(region, _)| region.matches('-').count() >= 2)
                && !region.starts_with("arn:")
            {
                account.iter_mut().filter(|(key, _)| key == "region").for_each(|(_, out)| *out = Out::text(region));
                return model.to_owned();
            }
            return rest.to_owned();
        }
        let short = known.prefix == "fireworks_ai" && !rest.contains('/') && !rest.contains('*');
        if short { format!("accounts/fireworks/models/{rest}") } else { rest.to_owned() }
    }

    fn fitted(&mut self, name: &str, path: &str, desk: &mut Desk) -> String {
        let fitted = fit_name(name);
        if fitted != name && self.renamed.insert(name.to_owned(), fitted.clone()).is_none() {
            desk.note(path, format!("names have `A-Z a-z 0-9 . _ : / @ -` here: clients must ask for `{fitted}`"));
        }
        fitted
    }

    fn add(&mut self, name: String, target: Target) {
        match self.models.iter_mut().find(|model| model.name == name) {
            Some(model) => model.targets.push(target),
            None => self.models.push(Model { name, targets: vec![target] }),
        }
    }

    /// A model that a pattern stands for. `account`: of another provider than the pattern's. Tells whether it was added.
    pub(super) fn add_of(
        &mut self,
        pattern: &Pattern,
        name: &str,
        model: &str,
        account: Option<&'static Known>,
        desk: &mut Desk,
    ) -> bool {
        let mut target = Target { model: model.to_owned(), ..pattern.target.clone() };
        if let Some(known) = account {
            let none = Node { path: pattern.path.clone(), value: Value::Null };
            let Some(settings) = provider::settings(known, &Fields::of(&none), desk) else { return false };
            target.custom = false;
            target.provider = self.providers.named(known.prefix, settings, false);
        }
        let admitted = account.or(pattern.known).is_none_or(|known| self.admits(known, &target, &pattern.path, desk));
        if admitted {
            self.add(name.to_owned(), target);
        }
        admitted
    }

    /// Whether `name` is a word for models, and not one's name.
    pub(super) fn is_word(&self, name: &str) -> bool {
        ALL.contains(&name) || name == "no-default-models" || self.groups.contains_key(name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.models.iter().any(|model| model.name == name)
    }

    /// Custom prices: <https://docs.litellm.ai/docs/proxy/custom_pricing>. USD for one → USD per million, exactly.
    fn price(&mut self, target: &Target, params: &Fields<'_>, info: &Fields<'_>, desk: &mut Desk) {
        let mut price = Vec::new();
        for (theirs, ours, power, places) in PRICES {
            let of_info = desk.number(info, theirs);
            let Some(amount) = desk.number(params, theirs).or(of_info) else { continue };
            let path = params.path(theirs);
            match amount.shifted(*power).cut(*places, true) {
                Some(cut) => {
                    if cut.inexact {
                        desk.note(&path, format!("rounded up to {places} digits behind the point"));
                    }
                    price.push(((*ours).to_owned(), Out::word(cut.text)));
                }
                None => desk.note(&path, "not carried over: it is more than can be written here"),
            }
        }
        if price.is_empty() {
            return;
        }
        let name = format!("{}/{}", target.provider, target.model);
        if fit_name(&name) != name {
            let why = "its prices are not carried over: name the model without a `*` or odd characters";
            return desk.note(&params.node.path, why);
        }
        match self.prices.get(&name) {
            Some(known) if *known != price => {
                desk.note(
                    &params.node.path,
                    "another deployment of the same model has other prices; the first ones hold",
                );
            }
            _ => {
                self.prices.insert(name, price);
            }
        }
    }

    /// Whether `target` can stand in the file. Without a price it cannot where there is a budget in dollars, for nothing
    /// would bound it; LiteLLM counts it as 0, which is right for a server of one's own only.
    fn admits(&mut self, known: &Known, target: &Target, path: &str, desk: &mut Desk) -> bool {
        let named = target.settings.iter().find(|(key, _)| key == "price_as");
        let named = match named {
            Some((_, Out::Text(name))) => name,
            _ => &target.model,
        };
        let name = format!("{}/{}", target.provider, target.model);
        let listed = self.listed.get(known.catalogue).is_some_and(|models| models.contains(named));
        if self.prices.contains_key(&name) || (listed && !target.custom) {
            return true;
        }
        let how = "write `input_cost_per_token` and `output_cost_per_token`, or `model_info.base_model`";
        if !self.money {
            desk.note(
                path,
                "its price is not known here: its cost is in no report until `prices` or `price_as` says it",
            );
            return true;
        }
        if known.kind != "openai" || !known.key.is_empty() || fit_name(&name) != name {
            let what =
                "left out: its price is not known here, and there are budgets in dollars, which could not bound it";
            desk.note(path, format!("{what}; {how}, and import again"));
            return false;
        }
        let free = ["input", "output"].map(|class| (class.to_owned(), Out::word("0")));
        self.prices.insert(name, free.into());
        desk.note(
            path,
            "a server of your own without a price: it costs 0 under `prices`; write there what it does cost",
        );
        true
    }

    /// Aliases become models; what points nowhere is told.
    pub(super) fn finish(&mut self, settings: &Settings, desk: &mut Desk) {
        for (path, alias, of) in &settings.aliases {
            let of = self.renamed.get(of).unwrap_or(of).clone();
            let Some(targets) = self.models.iter().find(|model| model.name == of).map(|model| model.targets.clone())
            else {
                desk.note(path, "not carried over: the model that it stands for was not");
                continue;
            };
            let name = self.fitted(alias, path, desk);
            if !self.has(&name) {
                self.aliases.insert(name.clone(), of);
                self.models.push(Model { name, targets });
            }
        }
        for fallback in &settings.fallbacks {
            let named = fallback.to.iter().chain(fallback.from.as_ref());
            if named.clone().any(|name| !self.has(self.renamed.get(name).unwrap_or(name))) {
                desk.note(&fallback.path, "names a model that was not carried over; it is left out there");
            }
        }
    }

    /// What a list of models of a key or team allows. `None`: nothing.
    pub(super) fn allowed(&self, names: &[String], path: &str, desk: &mut Desk) -> Option<Allowed> {
        if names.is_empty() || names.iter().any(|name| ALL.contains(&&**name)) {
            return Some(Allowed::All);
        }
        let mut only: Vec<String> = Vec::new();
        for name in names {
            let own = self.renamed.get(name).unwrap_or(name);
            let mut found: Vec<String> = Vec::new();
            if self.has(own) {
                found.push(own.clone());
            } else if let Some(group) = self.groups.get(name) {
                found.extend(group.iter().cloned());
            } else if let Some((begin, end)) = name.split_once('*') {
                let fits = |model: &&Model| model.name.starts_with(begin) && model.name.ends_with(end);
                found.extend(self.models.iter().filter(fits).map(|model| model.name.clone()));
            }
            if found.is_empty() && name != "no-default-models" {
                desk.note(path, "names a model that was not carried over; it is left out there");
            }
            found.retain(|model| !only.contains(model));
            only.append(&mut found);
        }
        (!only.is_empty()).then_some(Allowed::Only(only))
    }

    pub(super) fn providers(&self) -> Out {
        self.providers.written()
    }

    pub(super) fn prices(&self) -> Out {
        Out::Map(self.prices.iter().map(|(name, price)| (name.clone(), Out::Map(price.clone()))).collect())
    }

    pub(super) fn models(&self, settings: &Settings) -> Out {
        Out::Map(self.models.iter().map(|model| (model.name.clone(), self.model(model, settings))).collect())
    }

    fn model(&self, model: &Model, settings: &Settings) -> Out {
        let mut out = Vec::new();
        let mut targets = model.targets.clone();
        let ordered = targets.iter().any(|target| target.order.is_some());
        let weighted = !ordered && targets.len() > 1 && settings.strategy == Strategy::Weighted;
        if ordered {
            targets.sort_by_key(|target| target.order.unwrap_or(u64::MAX));
        } else if targets.len() > 1 {
            out.push(("route".to_owned(), Out::word(settings.strategy.name())));
        }
        let most = targets.iter().filter_map(|target| target.weight).max().unwrap_or(1).max(1);
        let by = most.div_ceil(MOST_WEIGHT);
        let written = targets.iter().map(|target| {
            let mut entries = vec![
                ("provider".to_owned(), Out::text(&target.provider)),
                ("model".to_owned(), Out::text(&target.model)),
            ];
            if let Some(weight) = target.weight.filter(|_| weighted) {
                entries.push(("weight".to_owned(), Out::word(weight.div_ceil(by).max(1))));
            }
            entries.extend(target.settings.clone());
            Out::Map(entries)
        });
        out.push(("targets".to_owned(), Out::List(written.collect())));
        let name = |name: &String| self.renamed.get(name).unwrap_or(name).clone();
        let origin = self.aliases.get(&model.name).unwrap_or(&model.name);
        settings.of_model((origin, &model.name), &|one| Some(name(one)).filter(|one| self.has(one)), &mut out);
        Out::Map(out)
    }
}

/// What stands for all models: <https://docs.litellm.ai/docs/proxy/virtual_keys>.
const ALL: [&str; 3] = ["*", "all-proxy-models", "all-team-models"];

/// Our largest weight.
const MOST_WEIGHT: u64 = 10_000;

/// LiteLLM's name, ours, the power of ten between them, and our digits behind the point.
const PRICES: &[(&str, &str, i32, u32)] = &[
    ("input_cost_per_token", "input", 6, 9),
    ("output_cost_per_token", "output", 6, 9),
    ("cache_read_input_token_cost", "cache_read", 6, 9),
    ("cache_creation_input_token_cost", "cache_write_5m", 6, 9),
    ("cache_creation_input_token_cost_above_1hr", "cache_write_1h", 6, 9),
    ("output_cost_per_reasoning_token", "reasoning", 6, 9),
    ("input_cost_per_audio_token", "audio_input", 6, 9),
    ("output_cost_per_audio_token", "audio_output", 6, 9),
    ("input_cost_per_image_token", "image_input", 6, 9),
    ("output_cost_per_image_token", "image_output", 6, 9),
    ("output_cost_per_image", "per_image", 0, 15),
    ("input_cost_per_second", "per_second", 0, 12),
    ("input_cost_per_character", "per_character", 0, 15),
    ("input_cost_per_query", "per_search", 0, 15),
];

/// `weight`, else requests or tokens a minute, as LiteLLM's shuffle takes them: <https://docs.litellm.ai/docs/routing>.
fn weight(params: &Fields<'_>, desk: &mut Desk) -> Option<u64> {
    ["weight", "rpm", "tpm"].into_iter().find_map(|key| desk.number(params, key)?.whole()).filter(|weight| *weight > 0)
}

fn target_settings(params: &Fields<'_>, info: &Fields<'_>, settings: &Settings, desk: &mut Desk) -> Vec<(String, Out)> {
    let mut out = Vec::new();
    if let Some(base) = info.text("base_model").or_else(|| params.text("base_model")) {
        out.push(("price_as".to_owned(), Out::text(base.rsplit('/').next().unwrap_or(base))));
    }
    for key in ["max_input_tokens", "max_output_tokens"] {
        let number = desk.number(info, key).and_then(Amount::exactly_whole);
        if let Some(number) = number.filter(|number| (1..=u64::from(u32::MAX)).contains(number)) {
            out.push((key.to_owned(), Out::word(number)));
        }
    }
    for key in ["max_retries", "num_retries"] {
        if params.get(key).is_some() {
            desk.note(
                &params.path(key),
                "not carried over; attempts are counted over all targets of a model: `max_attempts`",
            );
        }
    }
    if params.get("tags").is_some() {
        let how = "requests are told apart by the target's `when`, such as `when: { metadata: { tier: gold } }`";
        desk.note(&params.path("tags"), format!("not carried over; {how}"));
    }
    let time = |key: &str| params.text(key).and_then(amount::millis);
    let (response, first) = (time("timeout"), time("stream_timeout"));
    let timeouts = super::settings::timeouts(response, first, settings.total());
    if !timeouts.is_empty() {
        out.push(("timeouts".to_owned(), Out::Map(timeouts)));
    }
    out
}
