//! The stages of a mirrored request, without a client: who calls, what is asked, what is allowed and paid for.

use super::{Job, arrival};
use crate::{
    auth::Caller,
    dialect,
    model::{Ask, Draft},
    proxy::{
        admission::Place,
        evidence::Asker,
        exchange::{Arrival, Opened},
        gateway::{Services, Snapshot},
        governed::Governing,
        guarded::{self, Guarding, Looked, Who},
        reject::{Reject, shown},
    },
};
use http::HeaderMap;
use std::sync::Arc;

/// Every line is a stage, as in `proxy::open`.
///
/// # Errors
///
/// Why it is not sent.
pub(super) fn open(services: &Services, job: &Job, place: Place) -> Result<Opened, Reject> {
    let (snapshot, arrival) = (&job.snapshot, arrival(services, job));
    let unknown = || Reject::Unauthenticated {
        code: "invalid_api_key",
        message: format!("the mirror's key `{}` does not exist, or works no longer", job.mirror.key),
    };
    let caller = services.callers.named(&job.mirror.key, arrival.at_us).ok_or_else(unknown)?;
    let route = snapshot.table.find(&job.mirror.to).ok_or_else(|| Reject::NoModel { model: shown(&job.mirror.to) })?;
    if !caller.may_call(&route.name) {
        return Err(Reject::ModelNotAllowed {
            model: route.name.to_string(),
            key: caller.key.to_string(),
            team: caller.team.to_string(),
        });
    }
    let mut governing = snapshot.governed.of(&caller);
    snapshot.governed.with_model(&mut governing, &route.name);
    let draft = Draft::copy_of(&job.body);
    let ask = match &job.generate {
        Some((model, stream)) => dialect::parse_generate(model, *stream, draft),
        None => dialect::parse(job.api, draft),
    };
    let ask = ask.map_err(|bad| Reject::BadRequest { message: bad.message, param: bad.param })?;
    let (ask, guarding) = looked((services, snapshot), (job, &arrival), (&caller, &governing), ask)?;
    let share = services.buffers.take(ask.body.len()).ok_or(Reject::BuffersFull)?;
    let mut opened = Opened {
        user: job.user.clone(),
        session: job.session.clone(),
        metadata: job.metadata.clone(),
        query: job.query.clone(),
        mirror_of: Some(job.of),
        guarding,
        ..Opened::new(arrival, snapshot, (caller, governing), route, ask, (share, place))
    };
    opened.admit(services)?;
    opened.plan = opened.planned(Arc::clone(route), services.clock.now_us())?;
    opened.reserve(services, snapshot)?;
    Ok(opened)
}

/// What the guardrails of the mirror's key and of the other model leave of the copy: those of the original looked at it
/// already.
fn looked(
    (services, snapshot): (&Services, &Snapshot),
    (job, arrival): (&Job, &Arrival),
    (caller, governing): (&Caller, &Governing),
    ask: Ask,
) -> Result<(Ask, Option<Box<Guarding>>), Reject> {
    let mask = guarded::mask(snapshot, &HeaderMap::new(), (caller, governing), &job.mirror.to)?;
    let looked = Looked {
        guards: &snapshot.guards,
        mask,
        key: &caller.key,
        session: job.session.as_ref(),
        form: None,
        generate: job.generate.as_ref().map(|(model, stream)| (&**model, *stream)),
        who: Who {
            request_id: &job.label,
            model: &job.mirror.to,
            team: &caller.team,
            key: &caller.key,
            user: job.user.as_deref(),
            metadata: &job.metadata,
            metrics: &services.metrics,
        },
    };
    let Some(set) = looked.set(|_| true) else { return Ok((ask, None)) };
    let api = ask.api;
    let looked = looked.look_at_once(set, ask);
    let (user, model, guards) = (job.user.as_ref(), &job.mirror.to, &snapshot.guards);
    let asker = Asker { arrival, caller, user, model, api, guards };
    match &looked {
        Ok((_, guarding)) => asker.found(services, guarding.verdicts()),
        Err(stopped) => asker.found(services, &stopped.verdicts),
    }
    let (ask, guarding) = looked.map_err(|stopped| stopped.reject)?;
    Ok((ask, Some(guarding)))
}
