//! Limits and budgets: of the whole file, and of a key that is made at run time.

use super::Checker;
use crate::config::{
    Budget, Budgeting, ConfigError, ConfigErrors, Each, JWT_PREFIX, Limit, LimitWhat, OnExhausted, Rules, Scope, Unit,
    error::hint,
    quantity::{Percent, Price, Whole},
    rules::escaped,
    rules_file::{BudgetFile, BudgetingFile, BudgetsFile, LimitFile, LimitsFile, OnExhaustedFile, RulesFile},
    shape::read_all,
    tree::{join, parse},
};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, HashMap};
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;

/// What rules are checked against, and where mistakes go: key path and message.
pub(super) struct RuleChecker<'a> {
    pub(super) models: &'a dyn Fn(&str) -> bool,
    pub(super) model_names: Vec<&'a str>,
    /// `None`: there may be others than the file knows.
    pub(super) team_names: Option<Vec<&'a str>>,
    pub(super) key_names: Option<Vec<&'a str>>,
    pub(super) zone: &'a TimeZone,
    /// Key paths of what was found wrong before and cut out.
    pub(super) cut: Vec<String>,
    pub(super) flaws: Vec<(String, String)>,
}

impl Rules {
    /// Reads the rules of `scope` from text of the file's own form, YAML or JSON: `{"limits": [...], "budgets": [...]}`.
    /// `models` are the names that `on_exhausted` may fall back to, `zone` is where days begin if a budget does not say.
    ///
    /// # Errors
    ///
    /// Every mistake, each with its key path.
    pub fn from_text(scope: &Scope, text: &str, models: &[&str], zone: &TimeZone) -> Result<Self, ConfigErrors> {
        let (tree, places, mut errors) = parse(text, "", None);
        let Some(mut tree) = tree else { return Err(ConfigErrors(errors)) };
        let read = read_all::<RulesFile>(&mut tree, &places, &mut errors);
        let mut checker = RuleChecker {
            models: &|name| models.contains(&name),
            model_names: models.to_vec(),
            team_names: None,
            key_names: None,
            zone,
            cut: errors.iter().map(|error| error.path.clone()).collect(),
            flaws: Vec::new(),
        };
        let rules = read.map(|file| checker.rules("", scope, file.limits, file.budgets));
        errors.extend(checker.flaws.into_iter().map(|(path, message)| places.error(&path, message)));
        match rules {
            Some(rules) if errors.is_empty() => Ok(rules),
            _ => Err(ConfigErrors(errors)),
        }
    }
}

impl Checker<'_> {
    /// The rules of `scope`, whose key path is `path`.
    pub(super) fn rules(
        &mut self,
        path: &str,
        scope: &Scope,
        limits: LimitsFile,
        budgets: BudgetsFile,
        zone: &TimeZone,
    ) -> Arc<Rules> {
        let names = self.names.get("models");
        let listed = |section| {
            let names = self.names.get(section).filter(|_| !self.open)?;
            Some(names.iter().copied().collect::<Vec<_>>())
        };
        let mut checker = RuleChecker {
            models: &|name| names.is_some_and(|names| names.contains(name)),
            model_names: names.into_iter().flatten().copied().collect(),
            team_names: listed("teams"),
            key_names: listed("keys"),
            zone,
            cut: self.errors.iter().map(|error| error.path.clone()).collect(),
            flaws: Vec::new(),
        };
        let rules = checker.rules(path, scope, limits, budgets);
        let flaws: Vec<ConfigError> =
            checker.flaws.into_iter().map(|(path, message)| self.places.error(&path, message)).collect();
        self.errors.extend(flaws);
        Arc::new(rules)
    }

    /// How money is held, and the zone of budgets that name none.
    pub(super) fn budgeting(&mut self, file: BudgetingFile) -> Budgeting {
        let default = Budgeting::default();
        let tokens = file.default_max_output_tokens.and_then(|Whole(tokens)| NonZeroU64::new(tokens));
        let exhausted_status = match file.exhausted_status {
            None => default.exhausted_status,
            Some(Whole(402)) => 402,
            Some(Whole(403)) => 403,
            Some(Whole(429)) => 429,
            Some(Whole(other)) => {
                let message = format!("`{other}` is not valid here; valid are `402`, `403` and `429`");
                self.flag("budgeting.exhausted_status", message);
                default.exhausted_status
            }
        };
        let zone = file.zone.map_or(Ok(TimeZone::UTC), |name| zone(&name));
        let zone = zone.unwrap_or_else(|message| {
            self.flag("budgeting.zone", message);
            TimeZone::UTC
        });
        Budgeting {
            estimates: file.estimates,
            default_max_output_tokens: tokens.unwrap_or(default.default_max_output_tokens),
            exhausted_status,
            zone,
        }
    }
}

impl RuleChecker<'_> {
    fn flag(&mut self, path: String, message: impl Into<String>) {
        self.flaws.push((path, message.into()));
    }

    /// Flags what is missing at `path`, unless something there was cut out: then it may be that.
    fn missing(&mut self, path: &str, message: &str) {
        let below = |cut: &String| cut.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        if !self.cut.iter().any(below) {
            self.flag(path.to_owned(), message);
        }
    }

    /// Both lists of one scope.
    pub(super) fn rules(&mut self, path: &str, scope: &Scope, limits: LimitsFile, budgets: BudgetsFile) -> Rules {
        let (of_limits, of_budgets) = (join(path, "limits"), join(path, "budgets"));
        let mut rules = Rules::default();
        let mut known = HashMap::new();
        for (index, file) in limits.into_iter().flatten().enumerate() {
            let path = format!("{of_limits}[{index}]");
            let Some(limit) = file.and_then(|file| self.limit(&path, scope, file)) else { continue };
            self.bounded(&path, &limit.id);
            self.once(&mut known, &limit.id, &path, "limit the same twice; keep the one that is meant");
            rules.limits.push(limit);
        }
        self.in_order(&of_limits, &rules.limits);
        for (index, file) in budgets.into_iter().flatten().enumerate() {
            let path = format!("{of_budgets}[{index}]");
            let Some(budget) = file.and_then(|file| self.budget(&path, scope, file)) else { continue };
            self.bounded(&path, &budget.id);
            self.once(&mut known, &budget.id, &path, "are one budget; give one of them a `name` of its own");
            rules.budgets.push(budget);
        }
        rules
    }

    /// Records of the journal cut longer texts off, and a balance is found by its id.
    fn bounded(&mut self, path: &str, id: &str) {
        if id.len() > MAX_ID {
            let message = format!(
                "its id would have {} bytes, and {MAX_ID} are allowed; shorten the names of its scope and of its metadata",
                id.len()
            );
            self.flag(path.to_owned(), message);
        }
    }

    fn once(&mut self, known: &mut HashMap<Arc<str>, String>, id: &Arc<str>, path: &str, what: &str) {
        if let Some(other) = known.insert(Arc::clone(id), path.to_owned()) {
            self.flag(path.to_owned(), format!("`{other}` and this {what}"));
        }
    }

    /// A longer window whose limit is not larger leaves the shorter one nothing to refuse.
    fn in_order(&mut self, path: &str, limits: &[Limit]) {
        for (index, limit) in limits.iter().enumerate() {
            let Some((what, most, per)) = window(limit) else { continue };
            let moot = limits.iter().enumerate().find_map(|(other, longer)| {
                let (same, larger, long) = window(longer)?;
                let comparable = same == what && longer.each == limit.each && longer.mode == limit.mode;
                (comparable && long > per && larger <= most).then_some((other, larger, long))
            });
            if let Some((other, larger, long)) = moot {
                let message = format!(
                    "never refuses anything: `{path}[{other}]` lets no more than {larger} {what} pass in a whole {}",
                    long.name()
                );
                self.flag(format!("{path}[{index}].{what}"), message);
            }
        }
    }

    fn limit(&mut self, path: &str, scope: &Scope, file: LimitFile) -> Option<Limit> {
        let LimitFile { requests, tokens, concurrent, per, each, mode } = file;
        let each = self.each(path, scope, each);
        let ways = [requests.is_some(), tokens.is_some(), concurrent.is_some()];
        if ways.into_iter().filter(|way| *way).count() != 1 {
            self.missing(path, "name exactly one of `requests`, `tokens` and `concurrent`");
            return None;
        }
        if let Some(Whole(most)) = concurrent {
            if per.is_some() {
                self.flag(join(path, "per"), "`concurrent` counts open requests and has no `per`; leave it out");
            }
            let most = u32::try_from(most).ok().and_then(NonZeroU32::new);
            if most.is_none() {
                self.flag(join(path, "concurrent"), "is more than 4294967295");
            }
            let id = id_of(scope, "concurrent", each.as_ref());
            return Some(Limit { id, scope: scope.clone(), what: LimitWhat::Concurrent { most: most? }, each, mode });
        }
        let Some(per) = per else {
            self.missing(path, "`per` is missing; write one of `second`, `minute`, `hour` and `day`");
            return None;
        };
        let (key, Whole(most)) = requests.map(|most| ("requests", most)).or(tokens.map(|most| ("tokens", most)))?;
        if most > Limit::MOST {
            self.flag(join(path, key), format!("is more than {}, the largest that a window holds", Limit::MOST));
        }
        let most = NonZeroU64::new(most.min(Limit::MOST))?;
        let what = match key {
            "requests" => LimitWhat::Requests { most, per },
            _ => LimitWhat::Tokens { most, per },
        };
        let id = id_of(scope, &format!("{key}/{}", per.name()), each.as_ref());
        Some(Limit { id, scope: scope.clone(), what, each, mode })
    }

    /// What a rule counts apart. What its scope fixes already cannot be counted apart in it.
    fn each(&mut self, path: &str, scope: &Scope, written: Option<String>) -> Option<Each> {
        let written = written?;
        let path = join(path, "each");
        let each = match &*written {
            "user" => Each::User,
            "key" => Each::Key,
            "team" => Each::Team,
            "model" => Each::Model,
            other => match other.strip_prefix("metadata.").filter(|name| !name.is_empty()) {
                Some(name) => Each::Metadata(name.into()),
                None => {
                    let words = ["user", "key", "team", "model", "metadata.NAME"];
                    self.flag(path, format!("there is no `{other}` to count apart{}", hint(other, words)));
                    return None;
                }
            },
        };
        let fixed = match scope {
            Scope::Key(_) => matches!(each, Each::Key | Each::Team),
            Scope::Team(_) => matches!(each, Each::Team),
            Scope::Model(_) => matches!(each, Each::Model),
            Scope::Gateway | Scope::Provider(_) => false,
        };
        if fixed {
            self.flag(path, format!("a {} has but one {written}; leave it out", scope.kind()));
            return None;
        }
        Some(each)
    }

    fn budget(&mut self, path: &str, scope: &Scope, file: BudgetFile) -> Option<Budget> {
        let each = self.each(path, scope, file.each);
        let (unit, limit) = match (&file.usd, file.tokens) {
            (Some(usd), None) => (Unit::Usd, self.amount(&join(path, "usd"), usd, Unit::Usd)),
            (None, Some(Whole(tokens))) => (Unit::Tokens, i64::try_from(tokens).ok()),
            _ => {
                self.missing(path, "name exactly one of `usd` and `tokens`");
                return None;
            }
        };
        let overrides = self.overrides(&join(path, "overrides"), each.as_ref(), unit, file.overrides);
        let zone = file.zone.map_or_else(|| Ok(self.zone.clone()), |name| zone(&name));
        let zone = zone.unwrap_or_else(|message| {
            self.flag(join(path, "zone"), message);
            TimeZone::UTC
        });
        if let Some(name) = &file.name {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
                self.flag(join(path, "name"), "a budget's name has 1 to 64 of `A-Z a-z 0-9 . _ -`");
            }
        }
        let what = file.name.unwrap_or_else(|| {
            let filter: String =
                file.metadata.iter().map(|(name, value)| format!("/{}={}", label(name), escaped(value))).collect();
            format!("{}/{}{filter}", unit.name(), file.per.name())
        });
        Some(Budget {
            id: id_of(scope, &what, each.as_ref()),
            scope: scope.clone(),
            unit,
            limit: limit?,
            per: file.per,
            zone,
            each,
            overrides,
            metadata: file.metadata.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            alerts: alerts(file.alerts),
            mode: file.mode,
            min_output_tokens: file.min_output_tokens.map_or(MIN_OUTPUT_TOKENS, |Whole(tokens)| tokens),
            on_exhausted: self.on_exhausted(&join(path, "on_exhausted"), scope, file.on_exhausted),
        })
    }

    fn amount(&mut self, path: &str, written: &Price, unit: Unit) -> Option<i64> {
        let amount = match unit {
            Unit::Usd => Some(written.nano()),
            Unit::Tokens => written.whole(),
        };
        match amount {
            Some(amount) if amount > 0 => Some(amount),
            Some(_) => {
                self.flag(path.to_owned(), "must be more than 0; to allow nothing, leave the model out of `models`");
                None
            }
            None => {
                self.flag(path.to_owned(), "must be a whole number of tokens");
                None
            }
        }
    }

    fn overrides(
        &mut self,
        path: &str,
        each: Option<&Each>,
        unit: Unit,
        written: BTreeMap<String, Price>,
    ) -> BTreeMap<Arc<str>, i64> {
        if each.is_none() && !written.is_empty() {
            self.flag(path.to_owned(), "a budget without `each` has one amount only; leave it out, or write `each`");
        }
        let amounts = written.into_iter().filter_map(|(entity, amount)| {
            self.names_something(&join(path, &entity), each, &entity);
            let amount = self.amount(&join(path, &entity), &amount, unit)?;
            Some((Arc::from(entity), amount))
        });
        amounts.collect()
    }

    /// Flags a model, team or key that another amount is written for and that there is not.
    fn names_something(&mut self, path: &str, each: Option<&Each>, entity: &str) {
        let (what, names) = match each {
            Some(Each::Model) => ("model", Some(&self.model_names)),
            Some(Each::Team) => ("team", self.team_names.as_ref()),
            // The callers of an issuer have a key that stands nowhere.
            Some(Each::Key) if !entity.starts_with(JWT_PREFIX) => ("key", self.key_names.as_ref()),
            Some(Each::Key | Each::User | Each::Metadata(_)) | None => return,
        };
        let Some(names) = names.filter(|names| !names.contains(&entity)) else { return };
        let message = format!("there is no {what} `{entity}`{}", hint(entity, names.clone()));
        self.flag(path.to_owned(), message);
    }

    fn on_exhausted(&mut self, path: &str, scope: &Scope, written: Option<OnExhaustedFile>) -> OnExhausted {
        let Some(OnExhaustedFile::Fallback(file)) = written else { return OnExhausted::Refuse };
        if !(self.models)(&file.fallback) {
            let message =
                format!("there is no model `{}`{}", file.fallback, hint(&file.fallback, self.model_names.clone()));
            self.flag(join(path, "fallback"), message);
        }
        if matches!(scope, Scope::Model(name) if **name == *file.fallback) {
            self.flag(join(path, "fallback"), "a model cannot fall back to itself");
        }
        let at = file.at.map_or(100, |Percent(at)| at);
        if at > 100 {
            self.flag(join(path, "at"), "is at most `100%`");
        }
        OnExhausted::Fallback { model: file.fallback.into(), at }
    }
}

/// What a window counts, how much, and how long it is.
const fn window(limit: &Limit) -> Option<(&'static str, NonZeroU64, crate::config::Per)> {
    match limit.what {
        LimitWhat::Requests { most, per } => Some(("requests", most, per)),
        LimitWhat::Tokens { most, per } => Some(("tokens", most, per)),
        LimitWhat::Concurrent { .. } => None,
    }
}

/// No two rules have the same id unless they are the same: whatever a name holds is escaped where it would look like
/// what stands between names.
fn id_of(scope: &Scope, what: &str, each: Option<&Each>) -> Arc<str> {
    let scope = scope.path();
    match each {
        None => format!("{scope}/{what}"),
        Some(Each::User) => format!("{scope}/{what}/each user"),
        Some(Each::Key) => format!("{scope}/{what}/each key"),
        Some(Each::Team) => format!("{scope}/{what}/each team"),
        Some(Each::Model) => format!("{scope}/{what}/each model"),
        Some(Each::Metadata(name)) => format!("{scope}/{what}/each metadata.{}", label(name)),
    }
    .into()
}

/// The name of a metadata value as it stands in an id.
fn label(name: &str) -> String {
    escaped(name).replace('=', "%3D")
}

fn alerts(written: Option<Vec<Option<Percent>>>) -> Vec<u16> {
    let mut alerts: Vec<u16> = written.into_iter().flatten().flatten().map(|Percent(at)| at).collect();
    alerts.sort_unstable();
    alerts.dedup();
    alerts
}

/// A zone of the tz database, by its name.
fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name)
        .map_err(|_| format!("there is no time zone `{name}`; write one such as `Europe/Berlin` or `UTC`"))
}

/// Bytes of the longest id.
const MAX_ID: usize = 256;
/// Below it an answer is of little use.
const MIN_OUTPUT_TOKENS: u64 = 256;
