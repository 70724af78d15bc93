//! Stages 1 to 7: from the socket to an exchange that may be sent upstream. Read this first.

use super::Gateway;
use super::accept::{self, Head, Path};
use super::cached::{Here, Hit, Lookup};
use super::client::{client, vouched};
use super::counting::{Counted, counts_here};
use super::evidence::Asker;
use super::exchange::{Arrival, Opened};
use super::finish::Local;
use super::gateway::{Services, Snapshot};
use super::governed::{Governing, reserved_tokens};
use super::guarded::{self, Guarding, Looked, Stopped, Who};
use super::keeping::Capture;
use super::lane::Lane;
use super::metadata;
use super::reject::{Fault, Reject, shown};
use super::target::Target;
use super::trace_context::traced;
use crate::auth::{AuthError, Caller, Presented};
use crate::dialect::{
    self,
    models::{self, Listed},
};
use crate::model::{Api, Ask, Draft};
use crate::routing::{self, Plan, Route};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{AsHeaderName, HeaderName};
use pingora::proxy::Session;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

// Looked up with every request: a name that is a text would be read anew each time.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static INCLUDE: HeaderName = HeaderName::from_static("x-weighbridge-include");
static USER: HeaderName = HeaderName::from_static("x-weighbridge-user");
/// Names the session of a request.
pub static SESSION: HeaderName = HeaderName::from_static("x-weighbridge-session");

/// What becomes of a request.
pub enum Next {
    /// It goes upstream; the gateway itself spent this much so far.
    Forward(Box<Opened>, Duration),
    /// Its bytes pass.
    Lane(Box<dyn Lane>),
    /// It is answered here.
    Answer(u16, Bytes),
    /// It is counted here.
    Tokens(Counted),
    /// Its answer is kept.
    Hit(Box<Hit>),
    /// The client got what it could get.
    Ended {
        /// The status that it got.
        status: u16,
        /// Bytes of the answer's body.
        bytes: u64,
        /// Why it did not get all; its connection is closed then.
        code: Option<&'static str>,
    },
}

/// A request that is being opened.
pub struct Opening<'a> {
    pub gateway: &'a Gateway,
    pub arrival: &'a Arrival,
    /// What the request is admitted under; the one that its caller is of, once that is known.
    pub snapshot: Arc<Snapshot>,
}

/// Takes note of a request whose head was just read.
pub fn arrive(services: &Services, session: &Session) -> Arrival {
    let at_us = services.clock.now_us();
    let id = services.ids.next(at_us);
    let head = session.req_header();
    let label = head.headers.get(&REQUEST_ID).and_then(|value| label(value.as_bytes()));
    let peer = session.client_addr().and_then(|address| address.as_inet()).copied();
    let address = peer.map(|peer| client(peer, &head.headers, &services.trusted));
    Arrival {
        id,
        labelled: label.is_some(),
        label: label.map_or_else(|| id.to_string().into(), Into::into),
        at: Instant::now(),
        at_us,
        address,
        version: head.version,
        trace: traced(services, id, &head.headers),
    }
}

/// A client's label is 1 to 128 of `A-Za-z0-9._-`; anything else is ignored.
fn label(text: &[u8]) -> Option<&str> {
    let fits = (1..=128).contains(&text.len()) && text.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b));
    fits.then(|| std::str::from_utf8(text).ok()).flatten()
}

impl Opening<'_> {
    /// Every line is a stage. `local` is what is known when one of them refuses.
    pub async fn run(&mut self, session: &mut Session, local: &mut Local) -> Result<Next, Reject> {
        accept::plain(session, self.gateway.services.bounds.head)?;
        let head = accept::head(
            &session.req_header().method,
            session.req_header().uri.path(),
            session.req_header().version,
            &session.req_header().headers,
        )?;
        let api = match &head.path {
            Path::Health => return Ok(Next::Answer(200, Bytes::from_static(b"{\"status\":\"ok\"}"))),
            Path::Ready => return Ok(self.readiness()),
            Path::Call(api) => Some(*api),
            Path::Generate { .. } => Some(Api::Generate),
            Path::Session => Some(Api::Realtime),
            Path::Kept(place) => Some(place.api()),
            Path::Models | Path::Model(_) => None,
        };
        local.api = api;
        if head.path == Path::Session {
            return Box::pin(self.session(session, local)).await; // boxed: not a part of every request's future
        }
        if let Path::Kept(place) = &head.path {
            return Box::pin(self.kept(session, &head, place, local)).await;
        }
        accept::alt(&head.path, session.req_header().uri.query())?;
        let caller = self.authenticate(&session.req_header().headers).await?; // before a byte of the body is read
        local.caller = Some(Arc::clone(&caller));
        let governing = self.snapshot.governed.of(&caller);
        local.governing = Some(governing.clone());
        let Some(api) = api else { return self.models(&head, &caller) };
        let services = &self.gateway.services;
        let permit = governing.admit_caller(&services.limits, &local.subject(&caller))?; // requests and concurrency
        let Some(place) = self.place(session, &caller, local).await? else { return Ok(Next::left()) };
        let body = accept::body(session, &head, services.bounds.body(), &services.buffers).await?;
        let bytes_in = body.draft.len();
        let ask = parsed(api, &head, body.draft)?; // one strict pass
        let route = self.route(&ask, &caller, local)?;
        let headers = &session.req_header().headers;
        local.user = user(&caller, headers, ask.user.as_deref());
        local.metadata = metadata::of(headers, &ask)?;
        let governing = self.with_model(governing, &route.name, local);
        let (subject, tokens) = (local.subject(&caller), reserved_tokens(&ask));
        let permit = governing.admit_request(&services.limits, permit, &subject, tokens)?; // and the rest
        let (ask, guarding) = self.guard(headers, (&caller, &governing), route, (ask, &head), local).await?;
        let lookup = Lookup { route, ask: &ask, guarding: guarding.as_deref() };
        let (permit, place) = match self.here(session.req_header(), lookup, (permit, place), local).await? {
            Here::Answered(next) => return Ok(next),
            Here::GoesOn(permit, place) => (permit, place),
        };
        let mut opened = Opened {
            arrival: self.arrival.clone(),
            team: Arc::clone(self.snapshot.series.team(Some(&caller.team))),
            caller,
            governing,
            permit,
            user: local.user.clone(),
            session: header_text(headers, &SESSION).map(Arc::from),
            metadata: local.metadata.clone(),
            model: Arc::clone(&route.name),
            charges: Vec::new(),
            budgeting: Arc::clone(&self.snapshot.budgeting),
            first: None,
            query: query(api, session),
            include_cost: header_text(headers, &INCLUDE).is_some_and(includes_cost),
            snapshot: Arc::clone(&self.snapshot),
            plan: Plan::new(Arc::clone(route)),
            ask,
            meaning: None,
            share: body.share,
            place,
            bytes_in,
            mirror_of: None,
            guarding,
        };
        opened.charges = opened.facts().charges(opened.governing.budgets());
        opened.plan = opened.planned(Arc::clone(route), services.clock.now_us())?;
        opened.reserve(services, &self.snapshot)?; // for the first candidate that can be paid; else 402
        opened.mirror(services, &session.req_header().headers);
        Ok(Next::Forward(Box::new(opened), self.arrival.at.elapsed().saturating_sub(local.elsewhere(body.waited))))
    }

    /// What the request's guardrails leave of it.
    ///
    /// # Errors
    ///
    /// One of them refuses it, or cannot look at it.
    async fn guard(
        &self,
        headers: &HeaderMap,
        (caller, governing): (&Caller, &Governing),
        route: &Route<Target>,
        (ask, head): (Ask, &Head),
        local: &mut Local,
    ) -> Result<(Ask, Option<Box<Guarding>>), Reject> {
        let snapshot = &self.snapshot;
        local.content = Capture::begin(&self.gateway.services, caller, &ask);
        let mask = guarded::mask(snapshot, headers, (caller, governing), &route.name)?;
        if mask == 0 {
            return Ok((ask, None));
        }
        let session = header_text(headers, &SESSION).map(Arc::from);
        let looked = Looked {
            guards: &snapshot.guards,
            mask,
            key: &caller.key,
            session: session.as_ref(),
            form: head.form.as_deref(),
            generate: match &head.path {
                Path::Generate { model, stream } => Some((model, *stream)),
                _ => None,
            },
            who: Who {
                request_id: &self.arrival.label,
                model: &route.name,
                team: &caller.team,
                key: &caller.key,
                user: local.user.as_deref(),
                metadata: &local.metadata,
                metrics: &self.gateway.services.metrics,
            },
        };
        let facts = local.facts(caller, &ask);
        let Some(set) = looked.set(|when| routing::failing(when, &facts).is_none()) else { return Ok((ask, None)) };
        let (services, api) = (&self.gateway.services, ask.api);
        let looked = looked.look(set, ask).await;
        let user = local.user.as_ref();
        let (arrival, guards) = (self.arrival, &snapshot.guards);
        let asker = Asker { arrival, caller, user, model: &route.name, api, guards };
        match &looked {
            Ok((_, guarding)) => asker.found(services, guarding.verdicts()),
            Err(stopped) => asker.found(services, &stopped.verdicts),
        }
        let looked = looked.map_err(|Stopped { reject, verdicts }| {
            guarded::count(&services.metrics, &verdicts);
            local.guardrails = Some(verdicts.line()).filter(|line| !line.is_empty());
            reject
        });
        looked.map(|(ask, guarding)| (ask, Some(guarding)))
    }

    fn readiness(&self) -> Next {
        if self.gateway.is_ready() {
            Next::Answer(200, Bytes::from_static(b"{\"status\":\"ready\"}"))
        } else {
            Next::Answer(503, Bytes::from_static(b"{\"status\":\"not ready\"}"))
        }
    }

    /// Who presents the key of `headers`.
    ///
    /// # Errors
    ///
    /// Nobody who may call, or an address that did too much.
    pub async fn authenticate(&mut self, headers: &HeaderMap) -> Result<Arc<Caller>, Reject> {
        let caller = self.who(headers).await?;
        self.snapshot = self.gateway.live.fitting(Arc::clone(&self.snapshot), caller.file).await;
        Ok(caller)
    }

    async fn who(&self, headers: &HeaderMap) -> Result<Arc<Caller>, Reject> {
        let services = &self.gateway.services;
        let address = self.arrival.address.map(|address| address.ip());
        let now_us = services.limits.clock().at(self.arrival.at);
        if let Some(address) = address {
            services.addresses.request(address, now_us)?; // before anything is hashed
        }
        let distrusted = address.and_then(|address| services.addresses.distrusted(address, now_us));
        let known = match (Presented::from_headers(headers), distrusted) {
            (Ok(presented), None) => services.callers.authenticate(presented, self.arrival.at_us).await,
            (Ok(presented), Some(_)) => services.callers.known(presented, self.arrival.at_us),
            (Err(error), _) => Err(error),
        };
        if let (Err(error), Some(full)) = (&known, distrusted)
            && error.status() != 503
        {
            return Err(full.into());
        }
        let vouched = address.and_then(|address| vouched(address, headers, &services.trusted));
        if let Ok(caller) = &known
            && !caller.may_come_from(vouched)
        {
            let from = vouched.map_or_else(|| "an address that is not known".to_owned(), |from| format!("`{from}`"));
            let message = format!("key `{}` may not be used from {from}: its `allowed_ips` do not have it", caller.key);
            return Err(Reject::NotAdmitted { code: "address_not_allowed", message });
        }
        known.map_err(|error| {
            let reject = nobody(&error);
            if let Some(address) = address
                && reject.fault() == Fault::Client
            {
                services.addresses.failed(address, now_us);
            }
            reject
        })
    }

    /// The rules that hold now that the model is known.
    pub fn with_model(&self, mut governing: Governing, model: &str, local: &mut Local) -> Governing {
        self.snapshot.governed.with_model(&mut governing, model);
        local.governing = Some(governing.clone());
        governing
    }

    /// The route of the model that is asked for, if the caller may call it and a target speaks the call.
    ///
    /// # Errors
    ///
    /// [`Reject::NoModel`], [`Reject::ModelNotAllowed`], [`Reject::Dialect`].
    pub fn route(&self, ask: &Ask, caller: &Caller, local: &mut Local) -> Result<&Arc<Route<Target>>, Reject> {
        let table = &self.snapshot.table;
        let route = table.find(&ask.model).ok_or_else(|| Reject::NoModel { model: shown(&ask.model) })?;
        local.model = Some(Arc::clone(&route.name));
        if !caller.may_call(&route.name) {
            return Err(Reject::ModelNotAllowed {
                model: route.name.to_string(),
                key: caller.key.to_string(),
                team: caller.team.to_string(),
            });
        }
        if !route.targets.iter().any(|target| target.serves(ask.api)) && !counts_here(ask, route) {
            return Err(Reject::Dialect {
                model: route.name.to_string(),
                api: ask.api.name(),
                dialect: ask.api.dialect().name(),
                speak: Snapshot::dialects(route),
            });
        }
        Ok(route)
    }

    /// `/v1/models`: only what the key may call.
    fn models(&self, head: &Head, caller: &Caller) -> Result<Next, Reject> {
        let names = self.snapshot.table.names();
        let allowed = names.iter().filter(|name| caller.may_call(name)).map(|name| &**name);
        match &head.path {
            Path::Model(id) => {
                let known = allowed.into_iter().find(|name| name == id);
                let name = known.ok_or_else(|| Reject::NoModel { model: shown(id) })?;
                Ok(Next::Answer(200, models::one(head.dialect, &listed(name))))
            }
            _ => Ok(Next::Answer(200, models::list(head.dialect, &allowed.map(listed).collect::<Vec<_>>()))),
        }
    }
}

/// What the body asks for.
fn parsed(api: Api, head: &Head, draft: Draft) -> Result<Ask, Reject> {
    let ask = match (&head.path, &head.form) {
        (Path::Generate { model, stream }, _) => dialect::parse_generate(model, *stream, draft),
        (_, Some(kind)) => dialect::parse_form(api, kind, draft),
        _ => dialect::parse(api, draft),
    };
    ask.map_err(|bad| Reject::BadRequest { message: bad.message, param: bad.param })
}

/// A request that nobody stands for.
fn nobody(error: &AuthError) -> Reject {
    let (code, message) = (error.code(), error.to_string());
    match error.status() {
        403 => Reject::NotAdmitted { code, message },
        503 => Reject::AuthUnavailable { code, message },
        _ => Reject::Unauthenticated { code, message },
    }
}

/// A model of the configuration in a client's list. Its time is that of the first release: names do not age here.
fn listed(name: &str) -> Listed<'_> {
    Listed { id: name, created_s: 1_764_028_800, owned_by: "weighbridge" }
}

/// The end user: what the caller's own credential says is the only word that is vouched for.
/// `told` is the body's word.
pub fn user(caller: &Caller, headers: &HeaderMap, told: Option<&str>) -> Option<Arc<str>> {
    let told = || header_text(headers, &USER).or(told).map(|user| cut(user).into());
    caller.user.clone().or_else(told)
}

/// A header's text, if it is a short one that says something.
pub fn header_text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    const MOST: usize = 256;
    let text = headers.get(name)?.to_str().ok()?.trim();
    (!text.is_empty() && text.len() <= MOST).then_some(text)
}

/// What is counted apart by a client's own word is kept short: it is remembered as long as it is counted. Names that
/// differ only behind that count as one.
pub fn cut(name: &str) -> &str {
    const MOST: usize = 256;
    &name[..name.floor_char_boundary(MOST)]
}

/// Whether the client asks for the cost at the end of a stream.
pub fn includes_cost(list: &str) -> bool {
    list.split(',').any(|word| word.trim().eq_ignore_ascii_case("cost"))
}

/// Anthropic's SDKs mark calls of beta features by `?beta=true`; no other query means anything to a provider here.
fn query(api: Api, session: &Session) -> Option<Arc<str>> {
    let beta = matches!(api, Api::Messages | Api::CountTokens) && session.req_header().uri.query() == Some("beta=true");
    beta.then(|| Arc::from("beta=true"))
}
