//! What would become of a request, without making it: nothing is taken, held or sent.

use super::gateway::{Services, Snapshot};
use super::governed::{Governing, reserved_tokens};
use super::live::Live;
use super::metadata::Metadata;
use super::purse::{self, Charge, Facts, Quote};
use super::routes::{Asked, taken_out};
use super::target::Target;
use super::translate;
use crate::auth::Caller;
use crate::config::nearest;
use crate::dialect;
use crate::ledger::budget::view_of;
use crate::limits::Subject;
use crate::model::{Api, Ask, Candidate, Draft, Explain, ExplainRequest, Explained, LimitView, Refusal};
use crate::routing::{Order, Plan, Route, Routed};
use serde_json::{Value, json};
use std::sync::Arc;

/// Answers from the snapshot and services that requests are served with.
pub struct Explainer {
    /// Clock and callers.
    pub services: Arc<Services>,
    /// Models and targets.
    pub live: Arc<Live>,
}

impl Explain for Explainer {
    fn explain(&self, request: &ExplainRequest) -> Result<Explained, Refusal> {
        let refuse = |status, message: String| Refusal { status, code: "invalid_request".to_owned(), message };
        let api = match request.api.as_deref() {
            None => Api::ChatCompletions,
            Some(name) => Api::ALL.into_iter().find(|api| api.name() == name).ok_or_else(|| {
                let names = Api::ALL.map(|api| format!("`{}`", api.name())).join(", ");
                refuse(422, format!("`api`: there is no such call; there are {names}"))
            })?,
        };
        let now_us = self.services.clock.now_us();
        let caller = self.services.callers.named(&request.key, now_us);
        let caller = caller.ok_or_else(|| refuse(404, "there is no key of this name that works".to_owned()))?;
        let ask = asked(request, api).map_err(|message| refuse(422, format!("`body`: {message}")))?;
        let snapshot = self.live.load();
        let route = snapshot.table.find(&request.model);
        let explaining = Explaining { services: &self.services, snapshot: &snapshot };
        let question = Question { caller: &caller, user: request.user.as_deref(), ask: &ask, now_us };
        Ok(match route {
            Some(route) => explaining.of_route(route, &question, request),
            None => {
                let near = nearest(&request.model, snapshot.table.names().iter().map(|name| &**name));
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                let refusal = refusal(404, "model_not_found", format!("there is no such model{hint}"));
                told(&caller, request, Some(refusal))
            }
        })
    }
}

/// Who asks for what, and when.
struct Question<'a> {
    caller: &'a Arc<Caller>,
    user: Option<&'a str>,
    ask: &'a Ask,
    now_us: u64,
}

/// One question's answer: under one snapshot.
pub(super) struct Explaining<'a> {
    pub(super) services: &'a Services,
    pub(super) snapshot: &'a Snapshot,
}

impl Explaining<'_> {
    fn of_route(&self, route: &Arc<Route<Target>>, question: &Question<'_>, request: &ExplainRequest) -> Explained {
        let Question { caller, ask, now_us, .. } = *question;
        let mut governing = self.snapshot.governed.of(caller);
        self.snapshot.governed.with_model(&mut governing, &route.name);
        let metadata: Metadata =
            ask.metadata.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect();
        let user: Option<Arc<str>> =
            caller.user.clone().or_else(|| question.user.or(ask.user.as_deref()).map(Arc::from));
        let facts = Facts {
            user: user.as_ref(),
            key: &caller.key,
            team: &caller.team,
            model: &route.name,
            metadata: &metadata,
        };
        let charges = facts.charges(governing.budgets());
        let limits = self.limits(&governing, &facts);
        let mut notes = Vec::new();
        let (mut first_unpaid, mut obstacle) = (None, None);
        let mut candidates = Vec::new();
        let asked = Asked {
            ask,
            caller,
            user: user.as_deref(),
            metadata: &metadata,
            session: request.session.as_deref(),
            budgeting: &self.snapshot.budgeting,
            now_us,
            looking: true,
        };
        let guardrails = self.guardrails(question.caller, &governing, &route.name, &asked.facts());
        let (plan, no_target) = match asked.plan(Arc::clone(route)) {
            Ok(plan) => (plan, None),
            Err(reject) => (Plan::ordered(Arc::clone(route), Order::new(), Routed::Priority), Some(reject)),
        };
        let left_out = (0_u16..).take(route.targets.len()).filter(|place| !plan.left().contains(place));
        for place in plan.left().iter().copied().chain(left_out) {
            let Some(target) = route.targets.get(usize::from(place)) else { continue };
            let mut of_target: Vec<Charge> = charges.clone();
            of_target.extend(facts.charges(&*target.budgets));
            let quote = purse::quote(&of_target, ask, target, &self.snapshot.budgeting, now_us);
            if let Some(model) = &quote.elsewhere {
                notes.push(format!("a budget near its limit sends such requests to model `{model}`"));
            }
            if first_unpaid.is_none() && target.serves(ask.api) {
                first_unpaid.clone_from(&quote.refused);
            }
            let told = asked.told(&plan, place).and_then(|why| match self.obstacle(target, question, &facts) {
                None => Ok(why),
                Some(refusal) => {
                    let why = refusal.message.clone();
                    obstacle.get_or_insert(refusal);
                    Err(why)
                }
            });
            candidates.push((target.standing.takes(now_us), candidate(target, told, &quote)));
        }
        let candidates = passed_by(candidates);
        notes.dedup();
        notes.extend(self.cached(caller, &route.name, ask));
        let usable = candidates.iter().any(|candidate| candidate.usable);
        let refusal = if !caller.may_call(&route.name) {
            Some(refusal(403, "model_not_allowed", "the key or its team may not call this model".to_owned()))
        } else if !route.targets.iter().any(|target| target.serves(ask.api)) {
            Some(refusal(400, "dialect_not_supported", format!("none of its targets answers {}", ask.api.name())))
        } else if let Some(reject) = no_target {
            Some(refusal(reject.status(), reject.code(), reject.to_string()))
        } else if let Some(full) = limits.iter().find(|limit| is_full(limit, ask)) {
            Some(self::full(full))
        } else {
            let status = self.snapshot.budgeting.exhausted_status;
            let unpaid = first_unpaid.map(|message| refusal(status, "budget_exhausted", message));
            unpaid.or(obstacle).filter(|_| !usable)
        };
        let budgets = view_of(&charges, now_us).into_iter().map(Into::into).collect();
        Explained { limits, budgets, guardrails, candidates, notes, ..told(caller, request, refusal) }
    }

    fn limits(&self, governing: &Governing, facts: &Facts<'_>) -> Vec<LimitView> {
        governing.view(&self.services.limits, &subject(facts))
    }

    /// Why `target` would be passed over: it cannot be told what is asked, or its provider's limits are reached.
    fn obstacle(&self, target: &Target, question: &Question<'_>, facts: &Facts<'_>) -> Option<Refusal> {
        if let Some(out) = target.standing.by_hand(question.now_us) {
            return Some(refusal(503, "targets_shut_by_hand", taken_out(&out)));
        }
        if let Err(reject) = translate::look(question.ask, target, facts.model) {
            return Some(refusal(reject.status(), reject.code(), reject.to_string()));
        }
        let limits = self.services.limits.view_of(&[&target.limits], &subject(facts));
        limits.iter().find(|limit| is_full(limit, question.ask)).map(full)
    }
}

fn subject<'a>(facts: &Facts<'a>) -> Subject<'a> {
    Subject {
        key: facts.key,
        team: facts.team,
        model: facts.model,
        user: facts.user.map(|user| &**user),
        metadata: facts.metadata,
    }
}

/// Targets that take no requests now are passed by, as long as there is one that does: they stand behind the others then.
fn passed_by(mut candidates: Vec<(bool, Candidate)>) -> Vec<Candidate> {
    let open = candidates.iter().any(|(takes, candidate)| *takes && candidate.usable);
    for (takes, candidate) in &mut candidates {
        *takes |= !(open && candidate.usable);
        candidate.usable &= *takes;
    }
    candidates.sort_by_key(|(takes, _)| !takes);
    candidates.into_iter().map(|(_, candidate)| candidate).collect()
}

fn full(limit: &LimitView) -> Refusal {
    let message = format!("limit `{}` is reached: {} of {} used", limit.id, limit.used, limit.limit);
    refusal(429, "limit_reached", message)
}

/// Whether one request more does not fit.
fn is_full(limit: &LimitView, ask: &Ask) -> bool {
    let amount = if limit.what == "tokens" { reserved_tokens(ask) } else { 1 };
    limit.mode == "enforce" && limit.used.saturating_add(amount) > limit.limit
}

fn refusal(status: u16, code: &str, message: String) -> Refusal {
    Refusal { status, code: code.to_owned(), message }
}

fn told(caller: &Caller, request: &ExplainRequest, refusal: Option<Refusal>) -> Explained {
    Explained {
        key: caller.key.to_string(),
        team: caller.team.to_string(),
        model: request.model.clone(),
        admitted: refusal.is_none(),
        refusal,
        limits: Vec::new(),
        budgets: Vec::new(),
        guardrails: Vec::new(),
        candidates: Vec::new(),
        notes: Vec::new(),
    }
}

/// The request as it would be parsed: its body, or one of a short message.
fn asked(request: &ExplainRequest, api: Api) -> Result<Ask, String> {
    let mut body = match (&request.body, api) {
        (Some(body), _) => body.clone(),
        (None, Api::Completions) => json!({ "prompt": "hi" }),
        (None, Api::Embeddings | Api::Responses) => json!({ "input": "hi" }),
        (None, Api::Rerank) => json!({ "query": "hi", "documents": ["hi"] }),
        (None, Api::Messages) => json!({ "max_tokens": 1024, "messages": [{ "role": "user", "content": "hi" }] }),
        (None, Api::Generate) => json!({ "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }] }),
        (None, _) => json!({ "messages": [{ "role": "user", "content": "hi" }] }),
    };
    let Value::Object(members) = &mut body else { return Err("it must be an object".to_owned()) };
    if api == Api::Generate {
        let draft = Draft::copy_of(body.to_string().as_bytes());
        return dialect::parse_generate(&request.model, false, draft).map_err(|bad| bad.message);
    }
    members.insert("model".to_owned(), Value::from(request.model.as_str()));
    dialect::parse(api, Draft::copy_of(body.to_string().as_bytes())).map_err(|bad| bad.message)
}

/// `told`: why it stands where it stands, or is left out.
fn candidate(target: &Arc<Target>, told: Result<String, String>, quote: &Quote) -> Candidate {
    let (planned, reason) = match (told, &quote.refused) {
        (Ok(_), Some(refused)) => (true, refused.clone()),
        (Ok(why), None) => (true, why),
        (Err(why), _) => (false, why),
    };
    Candidate {
        provider: target.provider_name.to_string(),
        model: target.model.to_string(),
        usable: planned && quote.refused.is_none(),
        reason,
        price: target.price.as_ref().map(|price| price.describe()),
        worst_nano_usd: quote.worst_nano,
        output_cap: quote.cap,
    }
}
