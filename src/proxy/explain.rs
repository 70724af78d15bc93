//! What would become of a request, without making it.

use super::gateway::{Services, Snapshot};
use super::target::Target;
use crate::config::nearest;
use crate::model::{Api, Candidate, Explain, ExplainRequest, Explained, Refusal};
use std::sync::Arc;

/// Answers from the snapshot and services that requests are served with.
pub struct Explainer {
    /// Clock and callers.
    pub services: Arc<Services>,
    /// Models and targets.
    pub snapshot: Arc<Snapshot>,
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
        let route = self.snapshot.table.find(&request.model);
        let candidates: Vec<Candidate> =
            route.iter().flat_map(|route| &route.targets).map(|target| candidate(target, api)).collect();
        let refusal = match route {
            None => {
                let near = nearest(&request.model, self.snapshot.table.names().iter().map(|name| &**name));
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                Some((404, "model_not_found", format!("there is no such model{hint}")))
            }
            Some(route) if !caller.may_call(&route.name) => {
                Some((403, "model_not_allowed", "the key or its team may not call this model".to_owned()))
            }
            Some(_) if !candidates.iter().any(|candidate| candidate.usable) => {
                Some((400, "dialect_not_supported", format!("none of its targets answers {}", api.name())))
            }
            Some(_) => None,
        };
        Ok(Explained {
            key: caller.key.to_string(),
            team: caller.team.to_string(),
            model: request.model.clone(),
            admitted: refusal.is_none(),
            refusal: refusal.map(|(status, code, message)| Refusal { status, code: code.to_owned(), message }),
            limits: Vec::new(),
            budgets: Vec::new(),
            candidates,
            notes: Vec::new(),
        })
    }
}

fn candidate(target: &Arc<Target>, api: Api) -> Candidate {
    let usable = target.serves(api);
    let reason = if usable { "in the order of the file".to_owned() } else { format!("does not answer {}", api.name()) };
    Candidate {
        provider: target.provider_name.to_string(),
        model: target.model.to_string(),
        usable,
        reason,
        price: target.price.as_ref().map(|price| price.describe()),
        worst_nano_usd: None,
        output_cap: None,
    }
}
