//! A request's texts, before anything of it leaves.

use super::{
    Guarded, Guarding, Long, Stopped, refuse,
    remote::{self, Asker, Who},
    unseen,
};
use crate::{
    auth::Caller,
    config::{Hook, OnExhausted, Turn, When},
    dialect::{
        self, form, strict,
        view::{self, NoView},
    },
    files::Kept,
    guard::{Desk, Direction, Fold, Guard, Guards, Mask, Set, Vault},
    model::{Api, Ask, Draft, Form, Speech, Text},
    proxy::{
        gateway::Snapshot,
        given::given_to,
        governed::Governing,
        reject::{Reject, shown},
        target::Target,
    },
    routing::{Route, Table},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// A longer text is looked at on a thread that may take its time.
pub(super) const MOST_AT_ONCE: u64 = 64 * 1024;

/// What is known of a request when its guardrails are looked for.
pub struct Looked<'a> {
    /// All guardrails of the snapshot.
    pub guards: &'a Guards,
    /// Those of the request.
    pub mask: Mask,
    /// The key's name.
    pub key: &'a Arc<str>,
    /// The session that the client names.
    pub session: Option<&'a Arc<str>>,
    /// The client's content type, if the body is a form.
    pub form: Option<&'a str>,
    /// The model and whether a stream is asked for, where the path says so.
    pub generate: Option<(&'a str, bool)>,
    /// What guards outside are told.
    pub who: Who<'a>,
}

/// The guardrails of a request of `model`: of its team and key, of the models that may answer, and those that its client
/// asks for.
///
/// # Errors
///
/// The client asks for one that there is not.
pub fn mask(
    snapshot: &Snapshot,
    headers: &HeaderMap,
    (caller, governing): (&Caller, &Governing),
    model: &str,
) -> Result<Mask, Reject> {
    let guards = &snapshot.guards;
    let asked = headers.get_all(&ASKED).iter().map(|value| value.to_str().unwrap_or("?"));
    let unknown = |name: &str| Reject::Guard(Guarded::Unknown { name: shown(name) });
    let asked = asked.map(|names| guards.asked_for(names).map_err(unknown));
    let asked = asked.collect::<Result<Vec<Mask>, _>>()?.into_iter().fold(0, |all, mask| all | mask);
    if guards.is_empty() && caller.guardrails.is_empty() {
        return Ok(asked);
    }
    let of = |model: &str| snapshot.guarded.get(model).copied().unwrap_or(0);
    let instead = governing.budgets().filter_map(|rule| match &rule.config().on_exhausted {
        OnExhausted::Fallback { model, .. } => Some(of(model)),
        OnExhausted::Refuse => None,
    });
    let instead = instead.fold(0, |all, mask| all | mask);
    let given = given_to(guards, caller)?; // at run time; those of the file are found by name
    Ok(asked | given | guards.of_caller(&caller.team, &caller.key) | of(model) | instead)
}

/// Refuses a call of `api`, of which there is no view, where a guardrail must look at what goes in these `directions`.
/// Conditions are taken to hold: what they ask for may be known too late.
///
/// # Errors
///
/// There is such a guardrail.
pub fn unless_unseen(
    snapshot: &Snapshot,
    headers: &HeaderMap,
    (caller, governing): (&Caller, &Governing),
    (api, model): (Api, Option<&str>),
    directions: &[Direction],
) -> Result<(), Reject> {
    let mask = mask(snapshot, headers, (caller, governing), model.unwrap_or_default())?;
    unless_closed(snapshot, mask, api, directions)
}

/// The same, of guardrails that are known.
///
/// # Errors
///
/// As [`unless_unseen`].
pub fn unless_closed(snapshot: &Snapshot, mask: Mask, api: Api, directions: &[Direction]) -> Result<(), Reject> {
    let Some(set) = snapshot.guards.set(mask) else { return Ok(()) };
    match directions.iter().find_map(|direction| set.mandatory(*direction)) {
        Some(guard) => Err(unseen(&guard.name, NoView::Api(api))),
        None => Ok(()),
    }
}

/// Refuses a batch of the requests in `file`, where a guardrail of `mask` must look at them and did not, or could not say
/// which texts of their answers it must look at.
///
/// # Errors
///
/// There is such a guardrail.
pub fn unless_not_looked(snapshot: &Snapshot, mask: Mask, file: &Kept) -> Result<(), Reject> {
    let Some(set) = snapshot.guards.set(mask) else { return Ok(()) };
    let missed = |guard: &&Arc<Guard>| {
        let (looked, of) = (file.looked.contains(&guard.name), |direction| guard.looks(direction));
        let misses = (of(Direction::Request) && !looked) || (of(Direction::Answer) && file.api.is_none());
        guard.decides() && !guard.open && misses
    };
    match set.guards.iter().find(missed) {
        Some(guard) => Err(Reject::Guard(Guarded::NotLooked { guard: Arc::clone(&guard.name), file: file.id.clone() })),
        None => Ok(()),
    }
}

/// Guardrails that a client adds, parted by commas.
static ASKED: HeaderName = HeaderName::from_static("x-weighbridge-guardrails");

/// The guardrails of every model and of those that may answer in its place.
pub fn guards_of(guards: &Guards, table: &Table<Target>) -> HashMap<Arc<str>, Mask> {
    let of = |route: &Route<Target>| {
        let (mut seen, mut next) = (vec![Arc::clone(&route.name)], 0);
        while let Some(name) = seen.get(next).cloned() {
            next += 1;
            let target = table.find(&name).and_then(|route| route.targets.first());
            let turns = [Turn::ContextWindow, Turn::ContentPolicy, Turn::Failed];
            for other in
                turns.iter().flat_map(|turn| target.into_iter().flat_map(|one| one.attempts.fallbacks.of(*turn)))
            {
                if !seen.contains(other) {
                    seen.push(Arc::clone(other));
                }
            }
        }
        seen.iter().fold(0, |mask, name| mask | guards.of_model(name))
    };
    let masks = table.names().iter().filter_map(|name| {
        let route = table.find(name)?;
        Some((Arc::clone(&route.name), of(route)))
    });
    masks.filter(|(_, mask)| *mask != 0).collect()
}

impl Looked<'_> {
    /// The guardrails that hold, where `holds` says whether a condition does; `None`: there are none.
    pub fn set(&self, holds: impl Fn(&When) -> bool) -> Option<(Arc<Set>, Mask)> {
        let mask = self.guards.that_hold(self.mask, holds);
        Some((self.guards.set(mask)?, mask))
    }

    /// Looks at `ask` and returns it as it may go on.
    ///
    /// # Errors
    ///
    /// A guardrail refuses it, or cannot look at it.
    pub async fn look(&self, (set, mask): (Arc<Set>, Mask), ask: Ask) -> Result<(Ask, Box<Guarding>), Stopped> {
        let desk = self.desk(&set);
        let (ask, mut guarding) = match ask.text_bytes > MOST_AT_ONCE {
            false => inspect(desk, mask, ask, self.form, self.generate)?,
            true => {
                let form = self.form.map(str::to_owned);
                let generate = self.generate.map(|(model, stream)| (model.to_owned(), stream));
                let look = move || {
                    let generate = generate.as_ref().map(|(model, stream)| (&**model, *stream));
                    inspect(desk, mask, ask, form.as_deref(), generate)
                };
                // A panic of the gateway's own, for those of guards are caught: nothing goes out.
                let looked = tokio::task::spawn_blocking(look).await;
                let failed = || Guarded::Failed { guard: Arc::clone(&set.guards[0].name), hook: Hook::Input };
                looked.unwrap_or_else(|_| Err(Reject::Guard(failed()).into()))?
            }
        };
        let mut ask = ask;
        guarding.read = true;
        if set.asks_services() {
            guarding.asker = Some(Arc::new(Asker::from(&self.who)));
        }
        for (guard, service) in set.remotes(Direction::Request) {
            let Some(asker) = guarding.asker.clone() else { break };
            let about = (&ask, boundary(&ask, self.form));
            let asked = remote::ask(&mut guarding.desk, (guard, service), about, &asker).await;
            let edits = asked.map_err(|reject| Stopped { reject, verdicts: Box::new(guarding.verdicts().clone()) })?;
            if !edits.is_empty() {
                ask = rewritten(ask, &edits, self.form, self.generate)?;
            }
        }
        Ok((ask, guarding))
    }

    /// The same, at once: where nobody outside is to be asked, about the answer neither.
    ///
    /// # Errors
    ///
    /// As [`Self::look`]; a guardrail would ask somebody outside.
    pub fn look_at_once(&self, (set, mask): (Arc<Set>, Mask), ask: Ask) -> Result<(Ask, Box<Guarding>), Stopped> {
        match set.remotes(Direction::Request).find(|(guard, _)| guard.decides()) {
            Some((guard, _)) => {
                Err(Reject::Guard(Guarded::Failed { guard: Arc::clone(&guard.name), hook: Hook::Input }).into())
            }
            None => inspect(self.desk(&set), mask, ask, self.form, self.generate),
        }
    }

    fn desk(&self, set: &Arc<Set>) -> Desk {
        let safe = self.guards.safe();
        let vault = match (set.session_ttl(), self.session) {
            (Some(ttl), Some(name)) => Vault::of_session(safe, safe.session(self.key, name, ttl)),
            _ => Vault::default(),
        };
        Desk::new(Arc::clone(set), Arc::clone(safe), vault)
    }
}

fn inspect(
    mut desk: Desk,
    mask: Mask,
    ask: Ask,
    form: Option<&str>,
    generate: Option<(&str, bool)>,
) -> Result<(Ask, Box<Guarding>), Stopped> {
    let api = ask.api;
    match looked(&mut desk, ask, form, generate) {
        Ok(ask) => Ok((
            ask,
            Box::new(Guarding {
                desk,
                mask,
                api,
                stream: None,
                marker: None,
                asker: None,
                outside: None,
                read: false,
                long: Long::None,
            }),
        )),
        Err(reject) => Err(Stopped { reject, verdicts: Box::new(desk.verdicts().clone()) }),
    }
}

fn looked(desk: &mut Desk, ask: Ask, form: Option<&str>, generate: Option<(&str, bool)>) -> Result<Ask, Reject> {
    parameters(desk, &ask, form)?;
    may_look(desk.set(), &ask)?;
    let edits = match desk.set().looks(Direction::Request) {
        true => texts(desk, &ask, form)?,
        false => Vec::new(),
    };
    if edits.is_empty() { Ok(ask) } else { rewritten(ask, &edits, form, generate) }
}

/// Looks at the parameters of a request: members of its body, or fields of a form.
fn parameters(desk: &mut Desk, ask: &Ask, form: Option<&str>) -> Result<(), Reject> {
    let body = ask.body.bytes();
    if !ask.form {
        return desk.parameters(ask.api, &body).map_err(refuse);
    }
    for part in
        form::parts(&body, boundary(ask, form).unwrap_or_default()).unwrap_or_default().iter().filter(|part| !part.file)
    {
        let value = String::from_utf8_lossy(&body[part.value.range()]);
        desk.field(ask.api, part.name, &value).map_err(refuse)?;
    }
    Ok(())
}

/// Nothing passes that a guardrail must see and cannot.
fn may_look(set: &Set, ask: &Ask) -> Result<(), Reject> {
    let Some(guard) = set.mandatory(Direction::Answer) else { return Ok(()) };
    let plain = ask.demand.media.as_ref().is_some_and(|media| media.wants_text());
    let answers = view::answers(ask.api) && !plain;
    if answers || !ask.api.billed() { Ok(()) } else { Err(unseen(&guard.name, NoView::Api(ask.api))) }
}

/// What stands in the place of the texts of `ask` that may not go as they are.
fn texts(desk: &mut Desk, ask: &Ask, form: Option<&str>) -> Result<Vec<(Range<usize>, Bytes)>, Reject> {
    let body = ask.body.bytes();
    let texts = match view::request(ask.api, boundary(ask, form), &body) {
        Ok(texts) => texts,
        Err(why) => {
            return match desk.set().mandatory(Direction::Request) {
                Some(guard) => Err(unseen(&guard.name, why)),
                None => Ok(Vec::new()),
            };
        }
    };
    if let Some(guard) = desk.set().knows_all()
        && let Some(text) = texts.iter().find(|text| text.speech == Speech::Unknown)
    {
        let path = strict::path_at(&body, text.at.start);
        let member = path.split(['.', '[']).next().unwrap_or_default();
        return Err(unseen(&guard.name, NoView::Unknown { api: ask.api, member: shown(member) }));
    }
    if desk.looks_together() {
        let said =
            texts.iter().map(|text| (text.speech, view::decoded(text.form, &body[text.at.clone()]).into_owned()));
        desk.together(&said.collect::<Vec<_>>()).map_err(refuse)?;
    }
    let mut edits = Vec::new();
    for Text { at, form, speech } in texts {
        if desk.set().plan(Direction::Request, speech).is_empty() {
            continue;
        }
        let text = view::decoded(form, &body[at.clone()]);
        let edited = desk.request(speech, folds(form), &text).map_err(refuse)?;
        if let Some(edited) = edited {
            edits.push((at, view::replacement(form, &edited)));
        }
    }
    Ok(edits)
}

/// The boundary of the form that the body is, if it is one; it was read by it before.
fn boundary<'a>(ask: &Ask, form: Option<&'a str>) -> Option<&'a str> {
    form.filter(|_| ask.form).and_then(|kind| form::boundary(kind).ok())
}

/// How a text of this form is folded.
pub(super) const fn folds(form: Form) -> Fold {
    match form {
        Form::String | Form::Plain => Fold::Text,
        Form::StringOfJson | Form::Json => Fold::Json,
    }
}

/// The request with its edits, read anew: places have moved.
fn rewritten(
    ask: Ask,
    edits: &[(Range<usize>, Bytes)],
    form: Option<&str>,
    generate: Option<(&str, bool)>,
) -> Result<Ask, Reject> {
    let body = Draft::copy_of(&view::edited(&ask.body.bytes(), edits));
    let read = match (generate, form) {
        (Some((model, stream)), _) if ask.api == Api::Generate => dialect::parse_generate(model, stream, body),
        (_, Some(kind)) if ask.form => dialect::parse_form(ask.api, kind, body),
        _ => dialect::parse(ask.api, body),
    };
    read.map_err(|bad| Reject::BadRequest { message: bad.message, param: bad.param })
}
