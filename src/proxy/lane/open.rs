//! Stages 1 to 7 of a session: as for every call, but that a handshake stands where the body is.

use super::handshake::{self, Handshake};
use super::realtime::Realtime;
use crate::{
    guard::Direction,
    model::{Api, Ask, Caps, Demand, Draft, Span},
    proxy::{
        exchange::Opened,
        finish::Local,
        guarded, metadata,
        open::{Next, Opening, SESSION, header_text, user},
        reject::Reject,
    },
};
use pingora::proxy::Session;
use std::sync::Arc;

impl Opening<'_> {
    /// Every line is a stage. `local` is what is known when one of them refuses.
    pub async fn session(&mut self, session: &mut Session, local: &mut Local) -> Result<Next, Reject> {
        let head = session.req_header();
        let keyed = handshake::with_key_of_protocol(&head.headers);
        let caller = self.authenticate(keyed.as_ref().unwrap_or(&head.headers)).await?;
        local.caller = Some(Arc::clone(&caller));
        let (services, snapshot) = (&self.gateway.services, &self.snapshot);
        let governing = snapshot.governed.of(&caller);
        local.governing = Some(governing.clone());
        let permit = governing.admit_caller(&services.limits, &local.subject(&caller))?;
        let Some(place) = self.place(session, &caller, local).await? else { return Ok(Next::left()) };
        let head = session.req_header();
        let handshake = Handshake::read(&head.method, head.version, &head.headers, head.uri.query())?;
        let ask = ask(&handshake.model, header_text(&head.headers, "openai-safety-identifier"));
        let route = self.route(&ask, &caller, local)?;
        let both = [Direction::Request, Direction::Answer];
        guarded::unless_unseen(
            snapshot,
            &head.headers,
            (&caller, &governing),
            (Api::Realtime, Some(&route.name)),
            &both,
        )?;
        local.user = user(&caller, &head.headers, ask.user.as_deref());
        local.metadata = metadata::of(&head.headers, &ask)?;
        let governing = self.with_model(governing, &route.name, local);
        // One token: whoever has none left gets no session. It is given back: tokens are taken as they are reported.
        let mut permit = governing.admit_request(&services.limits, permit, &local.subject(&caller), 1)?;
        drop((permit.take_tokens(), permit.take_model_tokens()));
        let share = services.buffers.take(0).ok_or(Reject::BuffersFull)?;
        let arrival = self.arrival.clone();
        let mut opened = Opened {
            permit,
            user: local.user.clone(),
            session: header_text(&head.headers, &SESSION).map(Arc::from),
            metadata: local.metadata.clone(),
            ..Opened::new(arrival, snapshot, (caller, governing), route, ask, (share, place))
        };
        opened.charges = opened.facts().charges(opened.governing.budgets());
        opened.plan = opened.planned(Arc::clone(route), services.clock.now_us())?;
        opened.reserve(services, snapshot)?; // the dearest first response; else 402
        let overhead = self.arrival.at.elapsed().saturating_sub(local.queued);
        Ok(Next::Lane(Box::new(Realtime::new(opened, handshake, Arc::clone(services), overhead))))
    }
}

/// What one response of a session may make the provider do: read its whole window, some of it sound, and say as much as the
/// model can (`proxy::bound`).
fn ask(model: &str, user: Option<&str>) -> Ask {
    Ask {
        api: Api::Realtime,
        body: Draft::copy_of(b""),
        model: model.to_owned(),
        model_span: Span { start: 0, end: 0 },
        stream: true,
        include_usage: None,
        user: user.map(str::to_owned),
        max_output_tokens: None,
        choices: 1,
        text_bytes: 0,
        caps: Caps::default(),
        metadata: Vec::new(),
        demand: Demand { unseen: Some("model".to_owned()), audio_output: true, ..Demand::default() },
        opening: Default::default(),
        sealed_elsewhere: false,
        form: false,
    }
}
