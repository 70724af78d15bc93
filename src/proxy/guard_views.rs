//! What is told of guardrails: which hold for a request and why, and what they would do about a text. Nothing is kept.

use super::{
    explain::{Explainer, Explaining},
    governed::Governing,
    guarded::{self, Looked, Who},
};
use crate::{
    auth::Caller,
    config::{GuardAction, Hook, nearest},
    dialect,
    guard::{
        Body, Desk, Direction, FAILED, Fold, Found, Guard, Guards, Mask, Set, Spotter, Vault, Verdict, Verdicts,
        Window, Words,
    },
    model::{
        Api, Draft, GuardFinding, GuardTest, GuardTestRequest, GuardTested, GuardVerdict, GuardrailView, NotTried,
        Refusal, Speech,
    },
    routing,
};
use http::HeaderMap;
use serde_json::Value;
use std::sync::Arc;

/// Guardrails that are tried, and whose they are.
type Members = (Vec<Arc<Guard>>, Option<Arc<Caller>>);

/// When a guardrail has its turn, in order.
fn turn(guard: &Guard) -> (u8, &'static str) {
    match &guard.body {
        Body::Policy(_) => (0, "parameters"),
        Body::Judge(_) => (1, "judges"),
        Body::Spot(_) if !guard.decides() => (2, "tells"),
        Body::Spot(_) if guard.action == GuardAction::Block => (3, "blocks"),
        Body::Spot(_) => (4, "edits"),
        Body::Remote(_) => (5, "service"),
    }
}

fn bit(guards: &Guards, guard: &Arc<Guard>) -> Mask {
    let at = guards.all().iter().position(|one| Arc::ptr_eq(one, guard));
    at.and_then(|at| 1_u128.checked_shl(u32::try_from(at).ok()?)).unwrap_or(0)
}

impl Explaining<'_> {
    /// The guardrails of a request in their order; behind them those whose condition does not hold.
    pub(super) fn guardrails(
        &self,
        caller: &Caller,
        governing: &Governing,
        model: &str,
        facts: &routing::Facts<'_>,
    ) -> Vec<GuardrailView> {
        let guards = &self.snapshot.guards;
        let mask = guarded::mask(self.snapshot, &HeaderMap::new(), (caller, governing), model).unwrap_or(0);
        // No team and no key has an empty name.
        let everywhere = guards.of_caller("", "");
        let (team, key) =
            (guards.of_caller(&caller.team, "") & !everywhere, guards.of_caller("", &caller.key) & !everywhere);
        let mut views: Vec<_> = Vec::new();
        for guard in guards.all() {
            let one = bit(guards, guard);
            if mask & one == 0 {
                continue;
            }
            let sources = [
                (everywhere, "defaults".to_owned()),
                (team, format!("team {}", caller.team)),
                (key, format!("key {}", caller.key)),
                (guards.of_model(model), format!("model {model}")),
            ];
            let mut from: Vec<String> =
                sources.into_iter().filter(|(mask, _)| mask & one != 0).map(|(_, name)| name).collect();
            if from.is_empty() {
                from.push("another model that may answer".to_owned());
            }
            let unless = guard.when.as_ref().and_then(|when| routing::failing(when, facts));
            let (order, turn) = turn(guard);
            views.push((unless.is_some(), order, view(guard, turn, from, unless)));
        }
        views.sort_by_key(|(is_off, order, _)| (*is_off, *order));
        views.into_iter().map(|(_, _, view)| view).collect()
    }
}

fn view(guard: &Guard, turn: &str, from: Vec<String>, unless: Option<&str>) -> GuardrailView {
    GuardrailView {
        name: guard.name.to_string(),
        kind: guard.kind.to_owned(),
        on: guard.hooks.iter().map(|hook| hook.name().to_owned()).collect(),
        action: guard.action.name().to_owned(),
        mode: if guard.audit { "audit" } else { "enforce" }.to_owned(),
        on_failure: if guard.open { "open" } else { "closed" }.to_owned(),
        turn: turn.to_owned(),
        from,
        mandatory: guard.decides() && !guard.open,
        applies: unless.is_none(),
        unless: unless.map(str::to_owned),
        cost: guard.cost.to_owned(),
    }
}

impl GuardTest for Explainer {
    fn test(&self, request: &GuardTestRequest) -> Result<GuardTested, Refusal> {
        let snapshot = self.live.load();
        let asked = Explaining { services: &self.services, snapshot: &snapshot };
        let (members, caller) = asked.members(request)?;
        let hook = match request.on.as_deref() {
            None => Hook::Input,
            Some(name) => Hook::ALL.into_iter().find(|hook| hook.name() == name).ok_or_else(|| {
                senseless(format!(
                    "`on`: there is no `{name}`; there are `input`, `output`, `tool_call`, `tool_result`"
                ))
            })?,
        };
        match (&request.text, &request.body) {
            (Some(text), None) => Ok(asked.text(members, hook, text)),
            (None, Some(body)) if request.on.is_none() => asked.body(members, caller.as_deref(), request, body),
            (None, Some(_)) => {
                Err(senseless("`on` is for a `text`: a `body` says itself what its texts are".to_owned()))
            }
            _ => Err(senseless("send either a `text` or a `body`".to_owned())),
        }
    }
}

fn senseless(message: String) -> Refusal {
    Refusal { status: 422, code: "invalid_request".to_owned(), message }
}

fn unknown(message: String) -> Refusal {
    Refusal { status: 404, code: "not_found".to_owned(), message }
}

impl Explaining<'_> {
    /// The guardrails that are asked for, in the order of their names.
    fn members(&self, request: &GuardTestRequest) -> Result<Members, Refusal> {
        let guards = &self.snapshot.guards;
        let mut mask: Mask = 0;
        for name in request.guardrails.iter().flatten() {
            let guard = guards.named(name).ok_or_else(|| {
                let near = nearest(name, guards.all().iter().map(|guard| &*guard.name));
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                unknown(format!("`guardrails`: there is none of this name{hint}"))
            })?;
            mask |= bit(guards, guard);
        }
        let mut caller = None;
        if let Some(key) = &request.key {
            let found = self.services.callers.named(key, self.services.clock.now_us());
            let found = found.ok_or_else(|| unknown("`key`: there is no key of this name that works".to_owned()))?;
            mask |= guards.of_caller(&found.team, &found.key);
            caller = Some(found);
        }
        if let Some(team) = &request.team {
            if !self.services.callers.teams().iter().any(|known| *known.name == **team) {
                return Err(unknown("`team`: there is none of this name".to_owned()));
            }
            mask |= guards.of_caller(team, "");
        }
        if let Some(model) = &request.model {
            if self.snapshot.table.find(model).is_none() {
                return Err(unknown("`model`: there is none of this name".to_owned()));
            }
            mask |= self.snapshot.guarded.get(&**model).copied().unwrap_or(0);
        }
        if request.guardrails.is_none() && request.key.is_none() && request.team.is_none() && request.model.is_none() {
            return Err(senseless("name `guardrails`, or a `team`, a `key` or a `model` whose they are".to_owned()));
        }
        let all = guards.all().iter().filter(|guard| mask & bit(guards, guard) != 0);
        Ok((all.cloned().collect(), caller))
    }

    fn text(&self, members: Vec<Arc<Guard>>, hook: Hook, text: &str) -> GuardTested {
        let (direction, speech, fold) = match hook {
            Hook::Input => (Direction::Request, Speech::User, Fold::Text),
            Hook::Output => (Direction::Answer, Speech::Assistant, Fold::Text),
            Hook::ToolCall => (Direction::Request, Speech::ToolCall, Fold::Json),
            Hook::ToolResult => (Direction::Request, Speech::ToolResult, Fold::Text),
        };
        let why_not = |guard: &Arc<Guard>| match &guard.body {
            Body::Remote(_) => Some("it asks a service: send it a request"),
            Body::Policy(_) => Some("it decides about parameters: try it with a `body`"),
            _ if guard.hook(direction, speech).is_none() => Some("it does not look there"),
            _ => None,
        };
        let (members, not_tried) = parted(members, why_not);
        let tried = names(&members);
        let safe = self.snapshot.guards.safe();
        let whole = |guard: &&Arc<Guard>| {
            // A guard that breaks down does so here first, where what it says of the text is not heard.
            let twin = Set::of(vec![Arc::new(telling(guard))]);
            let mut desk = Desk::new(Arc::new(twin), Arc::clone(safe), Vault::default());
            let told = match direction {
                Direction::Request => desk.request(speech, fold, text),
                Direction::Answer => desk.answer(speech, fold, text),
            };
            told.is_ok() && desk.verdicts().all().iter().all(|said| *said.entity != *FAILED)
        };
        let findings = members.iter().filter(whole).flat_map(|guard| places(guard, fold, text)).collect();
        let mut desk = Desk::new(Arc::new(Set::of(members)), Arc::clone(safe), Vault::default());
        let told = match direction {
            Direction::Request => desk.request(speech, fold, text),
            Direction::Answer => desk.answer(speech, fold, text),
        };
        let verdicts = verdicts(&self.snapshot.guards, desk.verdicts());
        let (text, refusal) = match told {
            Ok(edited) => (Some(edited.unwrap_or_else(|| text.to_owned())), None),
            Err(refused) => {
                let reject = guarded::refuse(refused);
                let (status, code) = (reject.status(), reject.code().to_owned());
                (None, Some(Refusal { status, code, message: reject.to_string() }))
            }
        };
        GuardTested { text, body: None, refusal, verdicts, findings, tried, not_tried }
    }

    fn body(
        &self,
        members: Vec<Arc<Guard>>,
        caller: Option<&Caller>,
        request: &GuardTestRequest,
        body: &Value,
    ) -> Result<GuardTested, Refusal> {
        let name = request.api.as_deref().unwrap_or(Api::ChatCompletions.name());
        let api = Api::ALL.into_iter().find(|api| api.name() == name && *api != Api::Generate);
        let api = api.ok_or_else(|| senseless("`api`: there is no such call with a body of JSON".to_owned()))?;
        let mut body = body.clone();
        let Some(object) = body.as_object_mut() else { return Err(senseless("`body` must be an object".to_owned())) };
        let model = request.model.as_deref().unwrap_or("any");
        object.entry("model").or_insert_with(|| Value::from(model));
        let ask = dialect::parse(api, Draft::copy_of(body.to_string().as_bytes()));
        let ask = ask.map_err(|bad| senseless(format!("`body`: {}", bad.message)))?;
        let why_not = |guard: &Arc<Guard>| {
            matches!(guard.body, Body::Remote(_)).then_some("it asks a service: send it a request")
        };
        let (members, not_tried) = parted(members, why_not);
        let tried = names(&members);
        let guards = &self.snapshot.guards;
        let mask = members.iter().fold(0, |mask, guard| mask | bit(guards, guard));
        let key = caller.map_or_else(|| Arc::from("-"), |caller| Arc::clone(&caller.key));
        let team = caller.map_or("-", |caller| &*caller.team);
        let who =
            Who { request_id: "-", model, team, key: &key, user: None, metadata: &[], metrics: &self.services.metrics };
        let looked = Looked { guards, mask, key: &key, session: None, form: None, generate: None, who };
        let (said, body, refusal) = match looked.set(|_| true) {
            None => (Vec::new(), Some(body), None),
            Some(set) => match looked.look_at_once(set, ask) {
                Ok((ask, guarding)) => {
                    let edited = serde_json::from_slice(&ask.body.bytes()).ok();
                    (verdicts(guards, guarding.verdicts()), edited, None)
                }
                Err(stopped) => {
                    let (status, code) = (stopped.reject.status(), stopped.reject.code().to_owned());
                    let refusal = Refusal { status, code, message: stopped.reject.to_string() };
                    (verdicts(guards, &stopped.verdicts), None, Some(refusal))
                }
            },
        };
        Ok(GuardTested { text: None, body, refusal, verdicts: said, findings: Vec::new(), tried, not_tried })
    }
}

fn parted(
    members: Vec<Arc<Guard>>,
    why_not: impl Fn(&Arc<Guard>) -> Option<&'static str>,
) -> (Vec<Arc<Guard>>, Vec<NotTried>) {
    let mut not_tried = Vec::new();
    let members = members.into_iter().filter(|guard| match why_not(guard) {
        Some(why) => {
            not_tried.push(NotTried { guardrail: guard.name.to_string(), why: why.to_owned() });
            false
        }
        None => true,
    });
    (members.collect(), not_tried)
}

fn names(members: &[Arc<Guard>]) -> Vec<String> {
    members.iter().map(|guard| guard.name.to_string()).collect()
}

fn verdicts(guards: &Guards, verdicts: &Verdicts) -> Vec<GuardVerdict> {
    let verdict = |said: &crate::guard::Said| GuardVerdict {
        guardrail: said.guard.to_string(),
        kind: guards.named(&said.guard).map_or("", |guard| guard.kind).to_owned(),
        entity: said.entity.to_string(),
        hook: said.hook.name().to_owned(),
        action: said.action.name().to_owned(),
        audit: said.audited,
        count: said.count,
    };
    verdicts.all().iter().map(verdict).collect()
}

/// Puts a mark in the place of each find, and keeps what it was and how long.
struct Marks {
    mark: String,
    finds: Vec<(&'static str, usize)>,
}

impl Words for Marks {
    fn verdict(&mut self, found: &Found<'_>) -> Verdict {
        self.finds.push((found.entity, found.value.len()));
        Verdict::Replace(self.mark.clone())
    }
}

/// The same guardrail, which only tells.
fn telling(guard: &Guard) -> Guard {
    Guard {
        name: Arc::clone(&guard.name),
        kind: guard.kind,
        hooks: guard.hooks.clone(),
        action: guard.action,
        audit: true,
        open: guard.open,
        when: None,
        session_ttl: guard.session_ttl,
        unknown: guard.unknown,
        body: guard.body.clone(),
        cost: guard.cost,
    }
}

/// Where a guardrail finds something in a text. Places are told only if they are exact: what stands between the finds must
/// be all of the rest.
fn places(guard: &Guard, fold: Fold, text: &str) -> Vec<GuardFinding> {
    let Body::Spot(spotters) = &guard.body else { return Vec::new() };
    let spotters: Arc<[Arc<dyn Spotter>]> = spotters.iter().cloned().collect();
    // A private character that the text does not have, so that marks are found again.
    let Some(mark) = ('\u{f0000}'..'\u{f00ff}').find(|mark| !text.contains(*mark)) else { return Vec::new() };
    let mut marks = Marks { mark: mark.to_string(), finds: Vec::new() };
    let (mut window, mut out) = (Window::new(spotters, fold), String::new());
    window.set_whole();
    let ran = window.push(text, &mut marks, &mut out).and_then(|()| window.finish(&mut marks, &mut out));
    if ran.is_err() {
        return Vec::new();
    }
    let (mut at, mut places) = (0, Vec::new());
    let mut between = out.split(mark);
    at += between.next().map_or(0, str::len);
    for ((entity, length), rest) in marks.finds.iter().zip(between) {
        places.push(GuardFinding {
            guardrail: guard.name.to_string(),
            kind: guard.kind.to_owned(),
            entity: (*entity).to_owned(),
            action: guard.action.name().to_owned(),
            start: at,
            end: at + length,
        });
        at += length + rest.len();
    }
    if at == text.len() { places } else { Vec::new() }
}
