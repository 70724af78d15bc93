//! The tables → teams and keys.
//!
//! A key's `token` is the SHA-256 of the whole `sk-…` in hexadecimal: what stands in our file, so that clients keep their
//! keys. Who pays: a key of a team is under the team's budget and its own, and not under its user's; a key without a team is
//! under its user's: <https://docs.litellm.ai/docs/proxy/users>. Such a user becomes a team here.

use super::callers::row;
use super::desk::{Desk, unique};
use super::guards::Guards;
use super::models::{Allowed, Models};
use super::read::{Fields, Node, Tables};
use super::rules::Rules;
use super::write::Out;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What the tables come to.
pub(super) struct Callers {
    pub(super) teams: Out,
    pub(super) keys: Out,
}

struct Team {
    name: String,
    /// What its keys may call; `None`: nothing.
    allowed: Option<Allowed>,
    /// Its keys are left out, for this reason.
    shut: Option<&'static str>,
}

struct Reader<'t> {
    tables: &'t Tables,
    models: &'t Models,
    guards: &'t Guards,
    names: BTreeSet<String>,
    key_names: BTreeSet<String>,
    hashes: BTreeSet<String>,
    written: Vec<(String, Out)>,
    /// By the id of a team, or `user:` and that of a user.
    teams: HashMap<String, Team>,
}

pub(super) fn read(tables: &Tables, models: &Models, guards: &Guards, desk: &mut Desk) -> Callers {
    let mut reader = Reader {
        tables,
        models,
        guards,
        names: BTreeSet::new(),
        key_names: BTreeSet::new(),
        hashes: BTreeSet::new(),
        written: Vec::new(),
        teams: HashMap::new(),
    };
    for node in tables.get("LiteLLM_TeamTable").into_iter().flatten() {
        reader.team(node, desk);
    }
    let mut keys = Vec::new();
    for node in tables.get("LiteLLM_VerificationToken").into_iter().flatten() {
        keys.extend(reader.key(node, desk));
    }
    untouched(tables, desk);
    Callers { teams: Out::Map(reader.written), keys: Out::List(keys) }
}

/// Columns that are no settings: what was spent, when, by whom.
const PASSIVE: &[&str] = &[
    "spend",
    "created_at",
    "updated_at",
    "created_by",
    "updated_by",
    "budget_reset_at",
    "model_spend",
    "last_active",
    "key_name",
    "team_id",
    "user_id",
    "budget_id",
    "admins",
    "members",
    "members_with_roles",
    "team_alias",
    "user_alias",
    "user_email",
    "user_role",
    "sso_user_id",
    "teams",
    "password",
    "token",
    "key_alias",
    "soft_budget_cooldown",
    "rotation_count",
    "last_rotation_at",
    "policies",
    "default_model",
    "key_rotation_at",
    "rotation_interval",
];

/// What to do about columns that say something which is not carried over.
const COLUMNS: &[(&str, &str)] = &[
    ("aliases", "names stand for the same model for all here: write a model of that name"),
    ("model_id", "the team's aliases are not: write models of these names"),
    ("model_max_budget", "write a budget with `each: model` and `overrides`, or at the model"),
    ("organization_id", "there are no organizations here: write the budget of one at its teams"),
    ("allowed_routes", "a key calls all APIs of its models here"),
    ("permissions", "guardrails cannot be switched off by a key here"),
    ("object_permission_id", "this gateway passes calls of models only"),
    ("config", "there is nothing like it here"),
    ("auto_rotate", "rotate it with `weighbridge keys rotate`"),
    ("allowed_cache_controls", "see `cache` under a model or a team"),
    ("router_settings", "write them at the models"),
    ("project_id", "write the project's budget at the team, or with `each: metadata.project`"),
    ("agent_id", "there are no agents here"),
    ("access_group_ids", "write the models of the group into `models`"),
];

impl Reader<'_> {
    fn team(&mut self, node: &Node, desk: &mut Desk) {
        let fields = Fields::of(node);
        let id = fields.text("team_id").unwrap_or_default().to_owned();
        let wanted = fields.text("team_alias").unwrap_or(&id).to_owned();
        let shut = fields.is_true("blocked").then_some("its team is blocked");
        self.scope(&fields, &wanted, id, shut, desk);
    }

    /// A team of ours of a row with rules and models.
    fn scope(&mut self, fields: &Fields<'_>, wanted: &str, id: String, shut: Option<&'static str>, desk: &mut Desk) {
        let name = unique(wanted, &mut self.names);
        if name != wanted {
            desk.note(&fields.node.path, format!("is the team `{name}` here"));
        }
        let mut settings = Vec::new();
        let allowed = self.models.allowed(&fields.texts("models"), &fields.path("models"), desk);
        if let Some(Allowed::Only(models)) = &allowed {
            settings.push(("models".to_owned(), Out::texts(models)));
        }
        let rules = self.rules(fields, desk);
        rules.write(&mut settings);
        self.metadata(fields, &mut settings, desk);
        self.columns(fields, desk);
        let none = allowed.is_none().then_some("its team may call none of the models here");
        let nothing = rules.nothing.then_some("its team has a limit or budget of 0");
        let shut = shut.or(none).or(nothing);
        match shut {
            Some(why) => desk.note(&fields.node.path, format!("left out, with its keys: {why}")),
            None => self.written.push((name.clone(), Out::Map(settings))),
        }
        self.teams.insert(id, Team { name, allowed, shut });
    }

    /// A row's own limits and budget, and those of the budget that it names.
    fn rules(&self, fields: &Fields<'_>, desk: &mut Desk) -> Rules {
        let mut rules = Rules::default();
        let keys = ["rpm_limit", "tpm_limit", "max_parallel_requests"];
        rules.limits(fields, keys, desk);
        rules.budget(fields, None, desk);
        let named = row(self.tables, "LiteLLM_BudgetTable", "budget_id", fields.text("budget_id"));
        if let Some(other) = &named.map(Fields::of) {
            rules.limits(other, keys, desk);
            if rules.budgets.is_empty() {
                rules.budget(other, None, desk);
            }
            if other.get("model_max_budget").is_some() {
                desk.note(
                    &other.path("model_max_budget"),
                    "not carried over; write a budget with `each: model` and `overrides`",
                );
            }
        }
        rules
    }

    fn metadata(&self, fields: &Fields<'_>, settings: &mut Vec<(String, Out)>, desk: &mut Desk) {
        let Some(node) = fields.get("metadata") else { return };
        let node = node.unfolded();
        let metadata = Fields::of(&node);
        let named = metadata.texts("guardrails");
        let guards = self.guards.named(&named, &metadata.path("guardrails"), desk);
        if !guards.is_empty() {
            settings.push(("guardrails".to_owned(), Out::texts(guards)));
        }
        for (key, how) in [
            ("tags", "this version has no tags at keys and teams; clients can send `x-weighbridge-metadata`"),
            ("model_rpm_limit", "write limits at the models, or with `each: model`"),
            ("model_tpm_limit", "write limits at the models, or with `each: model`"),
            ("logging", "access records say what was asked"),
        ] {
            if metadata.get(key).is_some() {
                desk.note(&metadata.path(key), format!("not carried over; {how}"));
            }
        }
        for left in metadata.left() {
            desk.note(&left.path, "not carried over; a note of your own can be a comment in the file");
        }
    }

    fn columns(&self, fields: &Fields<'_>, desk: &mut Desk) {
        for node in fields.left() {
            let key = node.path.rsplit('.').next().unwrap_or_default();
            if PASSIVE.contains(&key)
                || node.unfolded().is_null()
                || matches!(node.text(), Some("{}" | "[]" | "f" | "false" | "0" | "0.0"))
            {
                continue;
            }
            let how = COLUMNS.iter().find(|(known, _)| *known == key).map(|(_, how)| *how);
            desk.note(&node.path, format!("not carried over; {}", how.unwrap_or("there is nothing like it here")));
        }
    }

    /// The team of a key: its own, or one that is made of its user.
    fn team_of(&mut self, fields: &Fields<'_>, desk: &mut Desk) -> Option<String> {
        if let Some(id) = fields.text("team_id") {
            if self.teams.contains_key(id) {
                return Some(id.to_owned());
            }
            let what = "its team is not in the export: it stands here with no limits of its own, so look at it before you start";
            desk.note(&fields.path("team_id"), what);
            self.plain_team(id, &format!("team-{id}"));
            return Some(id.to_owned());
        }
        let user = row(self.tables, "LiteLLM_UserTable", "user_id", fields.text("user_id"));
        let Some(user) = user else {
            self.plain_team("user:", "without-team");
            return Some("user:".to_owned());
        };
        let id = format!("user:{}", fields.text("user_id").unwrap_or_default());
        if !self.teams.contains_key(&id) {
            let row = Fields::of(user);
            let wanted = row.text("user_alias").or_else(|| row.text("user_email")).or_else(|| row.text("user_id"));
            let wanted = format!("user-{}", wanted.unwrap_or_default());
            self.scope(&row, &wanted, id.clone(), None, desk);
        }
        Some(id)
    }

    fn plain_team(&mut self, id: &str, wanted: &str) {
        if !self.teams.contains_key(id) {
            let name = unique(wanted, &mut self.names);
            self.written.push((name.clone(), Out::Map(Vec::new())));
            self.teams.insert(id.to_owned(), Team { name, allowed: Some(Allowed::All), shut: None });
        }
    }

    fn key(&mut self, node: &Node, desk: &mut Desk) -> Option<Out> {
        let fields = Fields::of(node);
        let out = |desk: &mut Desk, why: &str| desk.note(&node.path, format!("the key is left out: {why}"));
        let Some(hash) = fields.text("token").map(str::to_ascii_lowercase).filter(|token| is_hash(token)) else {
            out(desk, "its `token` is no SHA-256 in hexadecimal; make a new one with `weighbridge keys create`");
            return None;
        };
        if !self.hashes.insert(hash.clone()) {
            out(desk, "its `token` stands in the export twice");
            return None;
        }
        if fields.is_true("blocked") {
            out(desk, "it is blocked");
            return None;
        }
        let id = self.team_of(&fields, desk)?;
        let short = hash.get(..8).unwrap_or_default();
        let wanted = fields.text("key_alias").map_or_else(|| format!("key-{short}"), str::to_owned);
        let wanted = if wanted.starts_with("jwt:") { format!("key-{short}") } else { wanted };
        let allowed = self.models.allowed(&fields.texts("models"), &fields.path("models"), desk);
        let rules = self.rules(&fields, desk);
        let team = self.teams.get(&id)?;
        let shut = team.shut.or(rules.nothing.then_some("it has a limit or budget of 0"));
        if let Some(why) = shut {
            out(desk, why);
            return None;
        }
        let Some(models) = narrowed(allowed, &team.allowed) else {
            out(desk, "it may call none of the models here");
            return None;
        };
        let name = unique(&wanted, &mut self.key_names);
        let mut settings = vec![
            ("name".to_owned(), Out::text(&name)),
            ("team".to_owned(), Out::text(&team.name)),
            ("hash".to_owned(), Out::text(format!("sha256:{hash}"))),
        ];
        if let Allowed::Only(models) = models {
            settings.push(("models".to_owned(), Out::texts(models)));
        }
        if let Some(expires) = fields.get("expires") {
            let Some(moment) = expires.text().and_then(moment) else {
                out(desk, "its `expires` is no moment that can be read");
                return None;
            };
            settings.push(("expires".to_owned(), Out::text(moment)));
        }
        rules.write(&mut settings);
        self.metadata(&fields, &mut settings, desk);
        self.columns(&fields, desk);
        Some(Out::Map(settings))
    }
}

fn is_hash(token: &str) -> bool {
    token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What a key may call of what its team may; `None`: nothing.
fn narrowed(key: Option<Allowed>, team: &Option<Allowed>) -> Option<Allowed> {
    match (key?, team.as_ref()?) {
        (Allowed::All, _) => Some(Allowed::All),
        (Allowed::Only(models), Allowed::All) => Some(Allowed::Only(models)),
        (Allowed::Only(mut models), Allowed::Only(of_team)) => {
            models.retain(|model| of_team.contains(model));
            (!models.is_empty()).then_some(Allowed::Only(models))
        }
    }
}

/// A moment of PostgreSQL's or Prisma's (in UTC where no zone is told) as RFC 3339, whole seconds.
fn moment(text: &str) -> Option<String> {
    let text = text.trim().replacen(' ', "T", 1);
    let text = match text.rsplit_once('+').filter(|(_, zone)| zone.len() == 2) {
        // PostgreSQL's `+00`.
        Some((time, zone)) => format!("{time}+{zone}:00"),
        None => text,
    };
    let moment = text.parse().or_else(|_| format!("{text}Z").parse::<jiff::Timestamp>()).ok()?;
    let whole = jiff::Timestamp::from_second(moment.as_second()).ok().filter(|moment| moment.as_second() > 0)?;
    Some(whole.to_string())
}

/// Tables that nothing is made of.
fn untouched(tables: &Tables, desk: &mut Desk) {
    let advice: BTreeMap<&str, &str> = BTreeMap::from([
        ("LiteLLM_OrganizationTable", "there are no organizations here: write the budget of one at its teams"),
        ("LiteLLM_EndUserTable", "write a budget with `each: user`, and `overrides` for those that have another"),
        (
            "LiteLLM_ProxyModelTable",
            "its parameters are encrypted: write these models into the proxy's file and import again",
        ),
        ("LiteLLM_CredentialsTable", "its values are encrypted: set them in the environment"),
        ("LiteLLM_TeamMembership", "write a budget with `each: user` at the team, or one at the members' keys"),
        ("LiteLLM_ModelTable", "aliases of teams: write models of these names"),
        ("LiteLLM_TagTable", "this version has no tags"),
        ("LiteLLM_Config", "settings that were made in the UI: write them into the proxy's file and import again"),
    ]);
    for (table, rows) in tables {
        if let Some(advice) = advice.get(&**table).filter(|_| !rows.is_empty()) {
            desk.note(table, format!("{} rows are not carried over; {advice}", rows.len()));
        }
    }
    let spent = |row: &&Node| !matches!(row.get("spend").and_then(Node::text), None | Some("0" | "0.0"));
    if tables.values().flatten().any(|row| spent(&row)) {
        desk.note(
            "spend",
            "what was spent so far is not carried over: each budget begins anew; lower it by hand where that matters",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn moments_of_both_forms_are_read_as_utc() {
        let cases = [
            ("2027-03-01T12:30:00.123Z", Some("2027-03-01T12:30:00Z")),
            ("2027-03-01 12:30:00.123", Some("2027-03-01T12:30:00Z")),
            ("2027-03-01 12:30:00+00", Some("2027-03-01T12:30:00Z")),
            ("2027-03-01T14:30:00+02:00", Some("2027-03-01T12:30:00Z")),
            ("never", None),
            ("1969-01-01T00:00:00Z", None),
        ];
        for (text, want) in cases {
            assert_eq!(moment(text).as_deref(), want, "{text}");
        }
    }
}
