//! Forms that make, change and end keys and teams. Each change names the version that was looked at: what somebody else
//! changed meanwhile is shown and not written over.

use super::form::{Done, Fields, same, version};
use super::page::{Canvas, Drawn, Refusal};
use super::{Desk, show};
use crate::auth::{
    Callers, KeyPatch, KeyView, KeysError, NewKey, NewTeam, Rotation, Source, TeamPatch, TeamView, Witness,
};
use axum::http::StatusCode;
use maud::{Markup, html};
use serde_json::Value;

/// What can be given to a key or a team, as a form has it.
struct Written {
    models: String,
    limits: String,
    budgets: String,
}

impl Written {
    fn of(models: Option<&[String]>, limits: Option<&Value>, budgets: Option<&Value>) -> Self {
        let pretty = |rules: Option<&Value>| {
            let items = rules.and_then(Value::as_array).cloned().unwrap_or_default();
            let lines: Vec<String> = items.iter().map(Value::to_string).collect();
            lines.join("\n")
        };
        let models = models.map(|models| models.join("\n")).unwrap_or_default();
        Self { models, limits: pretty(limits), budgets: pretty(budgets) }
    }

    fn sent(fields: &Fields) -> Self {
        let text = |name| fields.get(name).replace('\r', "");
        Self { models: text("models"), limits: text("limits"), budgets: text("budgets") }
    }

    fn models(&self) -> Option<Vec<String>> {
        let names = self.models.split(['\n', ',']).map(str::trim).filter(|name| !name.is_empty());
        let names: Vec<String> = names.map(str::to_owned).collect();
        (!names.is_empty()).then_some(names)
    }

    /// Rules, a JSON object a line.
    fn rules(member: &'static str, text: &str) -> Result<Option<Value>, KeysError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let read = |line: &str| {
            serde_json::from_str::<Value>(line).map_err(|error| KeysError::Invalid {
                member,
                why: format!("`{}` is no JSON object: {error}", line.chars().take(60).collect::<String>()),
            })
        };
        let rules = lines.map(read).collect::<Result<Vec<_>, _>>()?;
        Ok((!rules.is_empty()).then_some(Value::Array(rules)))
    }

    fn inputs(&self, whose: &str) -> Markup {
        html! {
            label for="models" { "Models that it may call" }
            textarea id="models" name="models" rows="3" aria-describedby="models-hint" { (self.models) }
            p id="models-hint" class="hint" { "One a line; none: " (whose) "." }
            label for="budgets" { "Budgets" }
            textarea id="budgets" name="budgets" rows="3" spellcheck="false" aria-describedby="budgets-hint" { (self.budgets) }
            p id="budgets-hint" class="hint" { "One JSON object a line, as in the configuration file: "
                code { "{\"usd\": 50, \"per\": \"month\"}" } "." }
            label for="limits" { "Limits" }
            textarea id="limits" name="limits" rows="3" spellcheck="false" aria-describedby="limits-hint" { (self.limits) }
            p id="limits-hint" class="hint" { "Likewise: " code { "{\"requests\": 600, \"per\": \"minute\"}" } "." }
        }
    }
}

fn only_admins(canvas: &Canvas) -> Result<(), Refusal> {
    if canvas.visitor.is_admin() {
        return Ok(());
    }
    let why = "you are signed in as a viewer, who may only look";
    Err(Refusal::new(StatusCode::FORBIDDEN, "Only to look", why))
}

/// Does an act; `object` is what the audit log names.
fn act<T>(
    desk: &Desk,
    canvas: &Canvas,
    (action, object): (&'static str, String),
    work: impl FnOnce(&Callers, &Witness<'_>) -> Result<T, KeysError>,
) -> Result<T, KeysError> {
    desk.board.api.act(&canvas.visitor.actor, action, &object, work)
}

/// The page again, with what was written and what is wrong with it.
fn again(error: &KeysError, title: String, form: Markup) -> Done {
    if let KeysError::Store(source) = error {
        tracing::error!(%source, "the key store failed");
    }
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
    let main = html! {
        p class="problem" role="alert" { "Nothing was changed: " bdi { (error.to_string()) } "." }
        (form)
    };
    Done::Show(status, Drawn { title, main })
}

/// Two versions side by side, where somebody else was faster.
fn conflict(title: String, now: &[(&str, String)], yours: &[(&str, String)], link: &str) -> Done {
    let main = html! {
        p class="problem" role="alert" {
            "Nothing was changed: somebody else changed this while you did. Below is how it is now, and what you wrote."
        }
        div class="card wide" tabindex="0" role="region" aria-label="The conflict" {
            table {
                thead { tr { th scope="col" { "What" } th scope="col" { "Now" } th scope="col" { "Yours" } } }
                tbody { @for ((name, now), (_, yours)) in now.iter().zip(yours) {
                    tr class=[(now != yours).then_some("differs")] {
                        th scope="row" { (name) } td { pre { (now) } } td { pre { (yours) } }
                    }
                } }
            }
        }
        p class="acts" { a class="button" href=(link) { "Change it as it is now" } }
    };
    Done::Show(StatusCode::PRECONDITION_FAILED, Drawn { title, main })
}

fn rows(written: &Written) -> [(&'static str, String); 3] {
    [("Models", written.models.clone()), ("Budgets", written.budgets.clone()), ("Limits", written.limits.clone())]
}

/// The form of a new key.
pub(super) fn new_key(desk: &Desk, canvas: &Canvas) -> Result<Drawn, Refusal> {
    only_admins(canvas)?;
    let fields = [("name", String::new()), ("team", canvas.get("team").to_owned()), ("expires", String::new())];
    let main = new_key_form(desk, canvas, &fields, &Written::of(None, None, None));
    Ok(Drawn { title: "New key".to_owned(), main })
}

fn new_key_form(desk: &Desk, canvas: &Canvas, fields: &[(&str, String); 3], written: &Written) -> Markup {
    let [(_, name), (_, team), (_, expires)] = fields;
    let inner = html! {
        label for="name" { "Name" }
        input id="name" name="name" value=(name) required maxlength="128" pattern="[A-Za-z0-9._:\\/@\\-]+" aria-describedby="name-hint";
        p id="name-hint" class="hint" { "Unique for ever: letters, digits and . _ : / @ -" }
        (team_input(desk, team))
        (expires_input(expires))
        (written.inputs("all that its team may"))
        div class="acts" { button type="submit" { "Make the key" } a class="button plain" href="/dashboard/keys" { "Cancel" } }
    };
    html! { div class="card form" { (canvas.form("/dashboard/key/new", &inner)) } }
}

fn team_input(desk: &Desk, team: &str) -> Markup {
    html! {
        label for="team" { "Team that pays" }
        input id="team" name="team" value=(team) required maxlength="128" list="teams";
        datalist id="teams" { @for team in desk.board.api.callers.teams().iter().take(200) { option value=(team.name) {} } }
    }
}

fn expires_input(expires: &str) -> Markup {
    html! {
        label for="expires" { "Expires" }
        input id="expires" name="expires" value=(expires) maxlength="40" placeholder="2030-01-31" aria-describedby="expires-hint";
        p id="expires-hint" class="hint" { "A day (UTC) or an RFC 3339 moment; empty: never." }
    }
}

/// Makes a key, and shows it this once.
pub(super) fn create_key(desk: &Desk, canvas: &Canvas, fields: &Fields) -> Result<Done, Refusal> {
    let written = Written::sent(fields);
    let text = |name| fields.get(name).trim().to_owned();
    let (name, team, expires) = (text("name"), text("team"), text("expires"));
    let made = (|| {
        let new = NewKey {
            name: name.clone(),
            team: team.clone(),
            models: written.models(),
            expires: (!expires.is_empty()).then(|| expires.clone()),
            limits: Written::rules("limits", &written.limits)?,
            budgets: Written::rules("budgets", &written.budgets)?,
            ..Default::default()
        };
        act(desk, canvas, ("keys.create", format!("key/{name}")), |callers, witness| callers.create_key(new, witness))
    })();
    Ok(match made {
        Ok((secret, key)) => secret_page(secret.expose(), &key, "It works at once."),
        Err(error) => {
            let fields = [("name", name), ("team", team), ("expires", expires)];
            again(&error, "New key".to_owned(), new_key_form(desk, canvas, &fields, &written))
        }
    })
}

fn secret_page(secret: &str, key: &KeyView, note: &str) -> Done {
    let main = html! {
        div class="card form" {
            p role="status" { "Copy the secret now: " b { "it is shown this once" } ", and kept nowhere. " (note) }
            label for="secret" { "Secret of " bdi { (key.name) } }
            input id="secret" class="secret" readonly value=(secret) data-select;
            p class="acts" { a class="button" href=(show::link("/dashboard/key", &[("name", &key.name)])) { "I have copied it" } }
        }
    };
    Done::Show(StatusCode::OK, Drawn { title: format!("Key {}", key.name), main })
}

fn own_key(desk: &Desk, name: &str) -> Result<KeyView, Refusal> {
    let key = desk.board.api.callers.key(name)?;
    match key.source {
        Source::State => Ok(key),
        Source::File => Err(KeysError::ReadOnly { what: "key", name: key.name }.into()),
    }
}

/// The form that changes a key.
pub(super) fn key(desk: &Desk, canvas: &Canvas) -> Result<Drawn, Refusal> {
    only_admins(canvas)?;
    let key = own_key(desk, canvas.get("name"))?;
    let written = Written::of(key.models.as_deref(), key.limits.as_ref(), key.budgets.as_ref());
    let expires = key.expires.clone().unwrap_or_default();
    let main = key_form(desk, canvas, (&key, &version(&key)), (&key.team, &expires), &written);
    Ok(Drawn { title: format!("Change key {}", key.name), main })
}

fn key_form(
    desk: &Desk,
    canvas: &Canvas,
    (key, made_from): (&KeyView, &str),
    (team, expires): (&str, &str),
    written: &Written,
) -> Markup {
    let inner = html! {
        input type="hidden" name="name" value=(key.name);
        input type="hidden" name="version" value=(made_from);
        (team_input(desk, team))
        (expires_input(expires))
        (written.inputs("all that its team may"))
        div class="acts" {
            button type="submit" { "Change the key" }
            a class="button plain" href=(show::link("/dashboard/key", &[("name", &key.name)])) { "Cancel" }
        }
    };
    html! { div class="card form" { (canvas.form("/dashboard/key/edit", &inner)) } }
}

/// Changes a key.
pub(super) fn update_key(desk: &Desk, canvas: &Canvas, fields: &Fields) -> Result<Done, Refusal> {
    let (written, name) = (Written::sent(fields), fields.get("name").to_owned());
    let (team, expires) = (fields.get("team").trim().to_owned(), fields.get("expires").trim().to_owned());
    let title = format!("Change key {name}");
    let done = (|| {
        let patch = KeyPatch {
            team: Some(team.clone()),
            models: Some(written.models()),
            expires: Some((!expires.is_empty()).then(|| expires.clone())),
            limits: Some(Written::rules("limits", &written.limits)?),
            budgets: Some(Written::rules("budgets", &written.budgets)?),
            ..Default::default()
        };
        act(desk, canvas, ("keys.update", format!("key/{name}")), |callers, witness| {
            same("key", &name, &callers.key(&name)?, fields)?;
            callers.update_key(&name, patch, witness)
        })
    })();
    Ok(match done {
        Ok(key) => Done::Go(show::link("/dashboard/key", &[("name", &key.name)])),
        Err(KeysError::Stale { .. }) => {
            let key = own_key(desk, &name)?;
            let now = Written::of(key.models.as_deref(), key.limits.as_ref(), key.budgets.as_ref());
            let [a, b, c] = rows(&now);
            let now = [("Team", key.team), ("Expires", key.expires.unwrap_or_default()), a, b, c];
            let [a, b, c] = rows(&written);
            let yours = [("Team", team), ("Expires", expires), a, b, c];
            conflict(title, &now, &yours, &show::link("/dashboard/key/edit", &[("name", &name)]))
        }
        Err(error) => {
            let key = own_key(desk, &name)?;
            again(&error, title, key_form(desk, canvas, (&key, fields.get("version")), (&team, &expires), &written))
        }
    })
}

/// Asks before something that cannot be undone.
fn confirm(
    canvas: &Canvas,
    action: &str,
    (name, version): (&str, &str),
    words: &Markup,
    button: &str,
    back: &str,
) -> Markup {
    let inner = html! {
        input type="hidden" name="name" value=(name);
        input type="hidden" name="version" value=(version);
        (words)
        div class="acts" {
            button class="risky" type="submit" { (button) }
            a class="button plain" href=(show::link(back, &[("name", name)])) { "Cancel" }
        }
    };
    html! { div class="card form" { (canvas.form(action, &inner)) } }
}

/// Asks before a key gets a new secret.
pub(super) fn ask_rotate(desk: &Desk, canvas: &Canvas) -> Result<Drawn, Refusal> {
    only_admins(canvas)?;
    let key = own_key(desk, canvas.get("name"))?;
    let words = html! {
        p { "The key gets a new secret, which is shown once. The old one works on for the time below." }
        label for="grace" { "The old secret works on for" }
        input id="grace" name="grace" value="24h" maxlength="12" pattern="[0-9]{1,9}(ms|s|m|h|d)" aria-describedby="grace-hint";
        p id="grace-hint" class="hint" { "With a unit, as in 30m, 24h or 7d; 0s: it ends at once." }
    };
    let main = confirm(
        canvas,
        "/dashboard/key/rotate",
        (&key.name, &version(&key)),
        &words,
        "Rotate the key",
        "/dashboard/key",
    );
    Ok(Drawn { title: format!("Rotate key {}", key.name), main })
}

/// Gives a key a new secret, and shows it this once.
pub(super) fn rotate_key(desk: &Desk, canvas: &Canvas, fields: &Fields) -> Result<Done, Refusal> {
    let name = fields.get("name").to_owned();
    let grace = fields.get("grace").trim();
    let rotation = Rotation { grace: (!grace.is_empty()).then(|| grace.to_owned()) };
    // Sending the form again finds another version, and so rotates nothing.
    let (secret, key) = act(desk, canvas, ("keys.rotate", format!("key/{name}")), |callers, witness| {
        same("key", &name, &callers.key(&name)?, fields)?;
        callers.rotate_key(&name, &rotation, witness)
    })?;
    let note = if grace.is_empty() || grace.trim_start_matches('0').len() <= 1 {
        "The old one ended.".to_owned()
    } else {
        format!("The old one works for {grace} more.")
    };
    Ok(secret_page(secret.expose(), &key, &note))
}

/// Asks before a key ends.
pub(super) fn ask_revoke(desk: &Desk, canvas: &Canvas) -> Result<Drawn, Refusal> {
    only_admins(canvas)?;
    let key = own_key(desk, canvas.get("name"))?;
    let words = html! {
        p { "New requests with " b { bdi { (key.name) } } " of team " b { bdi { (key.team) } } " are refused at once. "
            "This cannot be undone, and its name is not given again." }
    };
    let main = confirm(
        canvas,
        "/dashboard/key/revoke",
        (&key.name, &version(&key)),
        &words,
        "Revoke the key",
        "/dashboard/key",
    );
    Ok(Drawn { title: format!("Revoke key {}", key.name), main })
}

/// Ends a key.
pub(super) fn revoke_key(desk: &Desk, canvas: &Canvas, fields: &Fields) -> Result<Done, Refusal> {
    let name = fields.get("name").to_owned();
    let key = act(desk, canvas, ("keys.revoke", format!("key/{name}")), |callers, witness| {
        same("key", &name, &callers.key(&name)?, fields)?;
        callers.revoke_key(&name, witness)
    })?;
    Ok(Done::Go(show::link("/dashboard/key", &[("name", &key.name)])))
}

/// The form of a new team.
pub(super) fn new_team(_desk: &Desk, canvas: &Canvas) -> Result<Drawn, Refusal> {
    only_admins(canvas)?;
    let main = new_team_form(canvas, "", &Written::of(None, None, None));
    Ok(Drawn { title: "New team".to_owned(), main })
}

fn new_team_form(canvas: &Canvas, name: &str, written: &Written) -> Markup {
    let inner = html! {
        label for="name" { "Name" }
        input id="name" name="name" value=(name) required maxlength="128" pattern="[A-Za-z0-9._:\\/@\\-]+";
        (written.inputs("all"))
        div class="acts" { button type="submit" { "Make the team" } a class="button plain" href="/dashboard/teams" { "Cancel" } }
    };
    html! { div class="card form" { (canvas.form("/dashboard/team/new", &inner)) } }
}

/// Makes a team.
pub(super) fn create_team(desk: &Desk, canvas: &Canvas, fields: &Fields) -> Result<Done, Refusal> {
    let (written, name) = (Written::sent(fields), fields.get("name").trim().to_owned());
    let made = (|| {
        let new = NewTeam {
            name: name.clone(),
            models: written.models(),
            limits: Written::rules("limits", &written.limits)?,
            budgets: Written::rules("budgets", &written.budgets)?,
            ..Default::default()
        };
        act(desk, canvas, ("teams.create", format!("team/{name}")), |callers, witness| {
            callers.create_team(new, witness)
        })
    })();
    Ok(match made {
        Ok(team) => Done::Go(show::link("/dashboard/team", &[("name", &team.name)])),
        Err(error) => again(&error, "New team".to_owned(), new_team_form(canvas, &name, &written)),
    })
}

fn own_team(desk: &Desk, name: &str) -> Result<TeamView, Refusal> {
    let team = desk.board.api.callers.team(name)?;
    match team.source {
        Source::State => Ok(team),
        Source::File => Err(KeysError::ReadOnly { what: "team", name: team.name }.into()),
    }
}

/// The form that changes a team.
pub(super) fn team(desk: &Desk, canvas: &Canvas) -> Result<Drawn, Refusal> {
    only_admins(canvas)?;
    let team = own_team(desk, canvas.get("name"))?;
    let written = Written::of(team.models.as_deref(), team.limits.as_ref(), team.budgets.as_ref());
    Ok(Drawn {
        title: format!("Change team {}", team.name),
        main: team_form(canvas, (&team, &version(&team)), &written),
    })
}

fn team_form(canvas: &Canvas, (team, made_from): (&TeamView, &str), written: &Written) -> Markup {
    let inner = html! {
        input type="hidden" name="name" value=(team.name);
        input type="hidden" name="version" value=(made_from);
        (written.inputs("all"))
        div class="acts" {
            button type="submit" { "Change the team" }
            a class="button plain" href=(show::link("/dashboard/team", &[("name", &team.name)])) { "Cancel" }
        }
    };
    html! { div class="card form" { (canvas.form("/dashboard/team/edit", &inner)) } }
}

/// Changes a team.
pub(super) fn update_team(desk: &Desk, canvas: &Canvas, fields: &Fields) -> Result<Done, Refusal> {
    let (written, name) = (Written::sent(fields), fields.get("name").to_owned());
    let title = format!("Change team {name}");
    let done = (|| {
        let patch = TeamPatch {
            models: Some(written.models()),
            limits: Some(Written::rules("limits", &written.limits)?),
            budgets: Some(Written::rules("budgets", &written.budgets)?),
            ..Default::default()
        };
        act(desk, canvas, ("teams.update", format!("team/{name}")), |callers, witness| {
            same("team", &name, &callers.team(&name)?, fields)?;
            callers.update_team(&name, patch, witness)
        })
    })();
    Ok(match done {
        Ok(team) => Done::Go(show::link("/dashboard/team", &[("name", &team.name)])),
        Err(KeysError::Stale { .. }) => {
            let team = own_team(desk, &name)?;
            let now = Written::of(team.models.as_deref(), team.limits.as_ref(), team.budgets.as_ref());
            conflict(title, &rows(&now), &rows(&written), &show::link("/dashboard/team/edit", &[("name", &name)]))
        }
        Err(error) => {
            again(&error, title, team_form(canvas, (&own_team(desk, &name)?, fields.get("version")), &written))
        }
    })
}

/// Asks before a team goes.
pub(super) fn ask_delete(desk: &Desk, canvas: &Canvas) -> Result<Drawn, Refusal> {
    only_admins(canvas)?;
    let team = own_team(desk, canvas.get("name"))?;
    let words = html! {
        p { "The team " b { bdi { (team.name) } } " goes, with its budgets and limits. What it used stays in the ledger. "
            "It may have no keys but revoked ones; it has " (team.keys) "." }
    };
    let main = confirm(
        canvas,
        "/dashboard/team/delete",
        (&team.name, &version(&team)),
        &words,
        "Delete the team",
        "/dashboard/team",
    );
    Ok(Drawn { title: format!("Delete team {}", team.name), main })
}

/// Takes a team out.
pub(super) fn delete_team(desk: &Desk, canvas: &Canvas, fields: &Fields) -> Result<Done, Refusal> {
    let name = fields.get("name").to_owned();
    act(desk, canvas, ("teams.delete", format!("team/{name}")), |callers, witness| {
        same("team", &name, &callers.team(&name)?, fields)?;
        callers.delete_team(&name, witness)
    })?;
    Ok(Done::Go("/dashboard/teams".to_owned()))
}
