//! New files and new batches: written down before the client learns their ids.

use super::call::{Call, Stopped, unless_gone};
use super::open::garbage;
use super::requests::{self, Owner};
use super::upload::{self, BATCH, LOOK, Tail};
use super::upstream::Length;
use super::{lines, meter, objects};
use crate::{
    dialect::{form, strict},
    files::{Charge, Kept, Kind, Metering},
    ledger::budget::{Hold, Worst},
    model::Api,
    proxy::{
        accept::{self, Head},
        bounds::Share,
        edge,
        finish::Local,
        governed::Governing,
        metadata,
        open::Next,
        purse::Facts,
        reject::{Reject, shown},
        trouble::Trouble,
    },
};
use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use pingora::proxy::Session;
use std::sync::Arc;
use tokio::time::{Instant, timeout};

impl Call<'_> {
    /// Puts a file into the account.
    ///
    /// # Errors
    ///
    /// What the client is told.
    ///
    /// `closed`: what is told where a guardrail must look at what it cannot look at: at all but requests.
    pub async fn upload(
        mut self,
        session: &mut Session,
        head: &Head,
        closed: Option<Reject>,
        local: &mut Local,
    ) -> Result<Next, Reject> {
        let permit = std::mem::take(&mut self.permit);
        let governing = local.governing.clone();
        let limits = &self.services.limits;
        self.permit = match governing {
            Some(governing) => governing.admit_request(limits, permit, &local.subject(&self.caller), 0)?,
            None => permit,
        };
        let missing = || Reject::BadRequest {
            message: "a file is sent as `multipart/form-data` with `purpose` and `file`".to_owned(),
            param: None,
        };
        let told = self.headers.get(header::CONTENT_TYPE).and_then(|told| told.to_str().ok()).ok_or_else(missing)?;
        let boundary = form::boundary(told).map_err(upload::bad)?.to_owned();
        // Nothing of the client's but the boundary, by which the form is read here.
        let content_type = HeaderValue::from_str(&form::content_type(&boundary)).map_err(|_| missing())?;
        accept::not_coded(&self.headers).map_err(Reject::Framing)?;
        accept::continue_if_expected(session).await;
        let mut begin = Begin::new(&self)?;
        let whole = begin.read(session, LOOK, &self).await?;
        let purpose = if whole { None } else { upload::purpose_in(&begin.bytes, &boundary)? };
        let most = self.services.bounds.max_body_bytes;
        let is_batch = purpose.as_deref() == Some(BATCH);
        if is_batch && head.length.is_some_and(|length| length > most) {
            return Err(Reject::TooLarge { limit: most });
        }
        let passes = purpose.is_some() && !is_batch;
        if let Some(closed) = closed.clone().filter(|_| passes) {
            return Err(closed);
        }
        let whole = whole || (!passes && begin.read(session, most, &self).await?);
        local.bytes_in = begin.bytes.len() as u64;
        match (whole, purpose) {
            (false, purpose) if !is_batch => {
                // It is either no file of requests, or one that is too long.
                closed.map_or(Ok(()), Err)?;
                let length = head.length.map_or(Length::Unknown, Length::Bytes);
                let form = Passing { content_type, length, boundary, purpose };
                match self.stream(session, local, form, begin).await {
                    Ok((answer, purpose)) => self.keep_file(local, answer, Told { purpose, ..Told::default() }).await,
                    Err(stopped) => stopped.next(),
                }
            }
            (false, _) => Err(Reject::TooLarge { limit: most }),
            (true, _) => {
                let Begin { bytes, share, .. } = begin;
                self.whole_form(session, (content_type, &boundary), (bytes.freeze(), share), closed, local).await
            }
        }
    }

    /// Sends a form that was read whole.
    async fn whole_form(
        mut self,
        session: &mut Session,
        (content_type, boundary): (HeaderValue, &str),
        (mut body, mut share): (Bytes, Share),
        closed: Option<Reject>,
        local: &mut Local,
    ) -> Result<Next, Reject> {
        let form = upload::read_whole(&body, boundary)?;
        let mut told = Told { purpose: form.purpose, ..Told::default() };
        match form.requests {
            Some(file) => {
                let checked = requests::checked(self.owner(local)?, body, file, boundary);
                // Nothing was made yet: who leaves is not waited for.
                let checked = match unless_gone(session, async { Ok(checked.await) }).await {
                    Ok(Ok(checked)) => checked,
                    Ok(Err(refused)) => {
                        (local.guardrails, local.model) = (refused.said, refused.model);
                        return Err(refused.reject);
                    }
                    Err(_) => return Stopped::Gone.next(),
                };
                (body, share, local.guardrails) = (checked.body, checked.share, checked.said);
                (told.model, told.api) = (Some(checked.model), Some(checked.api));
                (told.guards, told.looked) = (checked.guards, checked.looked);
            }
            None => closed.map_or(Ok(()), Err)?,
        }
        let answer = match self.send(session, local, (Method::POST, ""), Some((content_type, body))).await {
            Ok((sent, status, headers)) => {
                self.whole(session, local, sent, status, &headers).await.map(|body| (status, body))
            }
            Err(stopped) => Err(stopped),
        };
        drop(share);
        match answer {
            Ok(answer) => self.keep_file(local, answer, told).await,
            Err(stopped) => stopped.next(),
        }
    }

    /// Whose a new file is.
    fn owner(&self, local: &Local) -> Result<Owner, Reject> {
        let governing = local.governing.clone().unwrap_or_else(|| self.snapshot.governed.of(&self.caller));
        Ok(Owner {
            services: Arc::clone(self.services),
            snapshot: Arc::clone(self.snapshot),
            arrival: self.arrival.clone(),
            caller: Arc::clone(&self.caller),
            governing,
            user: local.user.clone(),
            metadata: metadata::from_header(&self.headers)?,
            headers: self.headers.clone(),
            provider: Arc::clone(&self.account.name),
        })
    }

    /// Passes a form on as it comes; `begin` is what was read of it.
    async fn stream(
        &mut self,
        session: &mut Session,
        local: &mut Local,
        form: Passing,
        begin: Begin,
    ) -> Result<((StatusCode, Bytes), String), Stopped> {
        let Passing { content_type, length, boundary, mut purpose } = form;
        self.permit.keep();
        self.begun = Instant::now();
        let wanted = self.wanted(Method::POST, "", Some(content_type), length);
        let account = Arc::clone(&self.account);
        let begun = self.services.files.upstream.begin(&account, wanted).await;
        let mut sent = begun.map_err(|trouble| self.failed(local, trouble))?;
        let mut tail = purpose.is_none().then(Tail::default);
        let Begin { bytes, share, begun } = begin;
        let (pace, mut received, mut waited) = (self.services.bounds.body(), bytes.len(), begun.elapsed());
        let mut share = Some(share);
        let mut next = Some(bytes.freeze());
        let written = loop {
            let Some(piece) = next.take() else {
                if let Some(tail) = tail.take() {
                    let (rest, found) = tail.end(&boundary);
                    purpose = found.filter(|purpose| purpose != BATCH);
                    if purpose.is_none() {
                        // It was never whole at the provider. Its requests would have to be read before it goes up.
                        return Err(Reject::TooLarge { limit: self.services.bounds.max_body_bytes }.into());
                    }
                    if let Err(trouble) = sent.write(rest).await {
                        break Err(trouble);
                    }
                }
                break sent.finish().await;
            };
            let pieces = match &mut tail {
                Some(tail) => tail.push(&piece),
                None => [piece, Bytes::new()],
            };
            let mut written = Ok(());
            for piece in pieces {
                written = written.and(sent.write(piece).await);
            }
            if let Err(trouble) = written {
                break Err(trouble);
            }
            drop(share.take()); // what was read first has gone up
            let (asked, patience) = (Instant::now(), pace.patience(waited, received).min(super::account::SILENCE));
            // Of a body that broke off nothing more is sent: the provider does not take it for whole.
            next = match timeout(patience, session.as_downstream_mut().read_request_body()).await {
                Ok(Ok(piece)) => piece,
                Ok(Err(_)) => {
                    session.set_keepalive(None);
                    let gone = self.failed(local, Trouble::ClientGone);
                    return Err(edge::fault().map_or(gone, |fault| Reject::Framing(fault).into()));
                }
                Err(_) => {
                    self.failed(local, Trouble::ClientGone);
                    return Err(pace.late().into());
                }
            };
            waited += asked.elapsed();
            received += next.as_ref().map_or(0, Bytes::len);
            local.bytes_in += next.as_ref().map_or(0, |piece| piece.len() as u64);
        };
        let head = match written {
            Ok(()) => sent.head().await,
            // What is left of the upload is not read: the connection ends with the answer.
            Err(trouble) => {
                session.set_keepalive(None);
                sent.early_head(trouble).await
            }
        };
        let (status, headers) = head.map_err(|trouble| self.failed(local, trouble))?;
        let body = self.whole(session, local, sent, status, &headers).await?;
        Ok(((status, body), purpose.unwrap_or_default()))
    }

    /// Writes down whose a new file is, and answers.
    async fn keep_file(
        &self,
        local: &mut Local,
        (status, body): (StatusCode, Bytes),
        told: Told,
    ) -> Result<Next, Reject> {
        let Some(object) = objects::object(&body).filter(|object| super::place::is_id(&object.id)) else {
            return self.failed(local, garbage()).next();
        };
        // A form that says it otherwise behind its first bytes is what its provider took it for.
        let Told { purpose, model, api, guards, looked } = told;
        let purpose = object.purpose.unwrap_or(purpose);
        let kept = Kept { purpose, model, api, guards, looked, ..self.made(Kind::File, object.id, local) };
        self.keep(kept).await?;
        self.ended(local, None, status.as_u16());
        Ok(Next::Answer(status.as_u16(), body))
    }

    fn made(&self, kind: Kind, id: String, local: &Local) -> Kept {
        Kept {
            provider: Arc::clone(&self.account.name),
            kind,
            id,
            team: Arc::clone(&self.caller.team),
            key: Arc::clone(&self.caller.key),
            user: local.user.clone(),
            purpose: String::new(),
            model: None,
            batch: None,
            created_us: self.services.clock.now_us(),
            charges: Vec::new(),
            metering: Metering::Open,
            api: None,
            guards: Vec::new(),
            looked: Vec::new(),
        }
    }

    async fn keep(&self, kept: Kept) -> Result<(), Reject> {
        let id = kept.id.clone();
        let own = self.services.files.shelf.ask(move |shelf| shelf.keep(&kept)).await.map_err(meter::unavailable)?;
        if !own {
            tracing::error!(provider = %self.account.name, %id, "a new thing has an id that another team's thing has");
            return Err(Reject::FilesUnavailable);
        }
        Ok(())
    }

    /// Makes a batch of one of the team's files.
    ///
    /// # Errors
    ///
    /// What the client is told.
    pub async fn new_batch(
        mut self,
        session: &mut Session,
        head: &Head,
        governing: Governing,
        local: &mut Local,
    ) -> Result<Next, Reject> {
        accept::content(&self.headers, Api::Batches).map_err(Reject::Framing)?;
        let services = self.services;
        let bounds = services.bounds.body();
        let read = accept::body(session, head, bounds, &services.buffers).await?;
        local.bytes_in = read.draft.len() as u64;
        let body = read.draft.bytes();
        let bad =
            |message: String, param: Option<&str>| Reject::BadRequest { message, param: param.map(str::to_owned) };
        strict::check(&body).map_err(|fault| bad(fault.to_string(), None))?;
        let (file, endpoint) = objects::input_file(&body).map_err(|(why, param)| bad(why, Some(param)))?;
        let file = self.own(Kind::File, &file).await?;
        another_call(&file, endpoint.as_deref()).map_or(Ok(()), |why| Err(bad(why, Some("endpoint"))))?;
        // Answers are no requests: no batch is made of them.
        let Some(model) = file.model.clone().filter(|_| file.purpose != meter::ANSWERS) else {
            let why = format!("file `{}` holds no requests: upload one with `purpose` `batch`", file.id);
            return Err(bad(why, Some("input_file_id")));
        };
        local.model = Some(Arc::clone(&model));
        requests::may_call(&self.caller, &model)?; // the file may be another key's of the team
        local.metadata = metadata::from_header(&self.headers)?;
        let mut governing = governing;
        self.snapshot.governed.with_model(&mut governing, &model);
        local.governing = Some(governing.clone());
        let guards = self.guards_of_batch(&governing, &model, &file)?;
        let permit = std::mem::take(&mut self.permit);
        self.permit = governing.admit_request(&services.limits, permit, &local.subject(&self.caller), 0)?;
        let charges = self.charges(&governing, &model, local)?; // something must be left; else 402
        let json = HeaderValue::from_static("application/json");
        let (sent, status, headers) = match self.send(session, local, (Method::POST, ""), Some((json, body))).await {
            Ok(head) => head,
            Err(stopped) => return stopped.next(),
        };
        let body = match self.whole(session, local, sent, status, &headers).await {
            Ok(body) => body,
            Err(stopped) => return stopped.next(),
        };
        let Some(batch) = self.provider().read_batch(&body).filter(|batch| super::place::is_id(&batch.id)) else {
            return self.failed(local, garbage()).next();
        };
        let kept = self.made(Kind::Batch, batch.id.clone(), local);
        self.keep(Kept { model: Some(model), charges, api: file.api, guards, ..kept }).await?;
        meter::seen(services, self.snapshot, &self.account.name, vec![batch]).await?;
        self.ended(local, None, status.as_u16());
        Ok(Next::Answer(status.as_u16(), body))
    }

    /// The budgets that a batch is charged to. Nothing is held, for nobody knows what it will come to; but something must be
    /// left of each that enforces.
    fn charges(&self, governing: &Governing, model: &Arc<str>, local: &Local) -> Result<Vec<Charge>, Reject> {
        let target = meter::target(self.snapshot, model, &self.account.name);
        let (user, key, team) = (local.user.as_ref(), &self.caller.key, &self.caller.team);
        let facts = Facts { user, key, team, model, metadata: &local.metadata };
        let of_provider = target.iter().flat_map(|target| target.budgets.iter());
        let rules = facts.charges(governing.budgets().chain(of_provider));
        let least = Worst { nano: target.and_then(|target| target.price.as_ref()).map(|_| 1), tokens: 1 };
        let now_us = self.services.clock.now_us();
        match Hold::reserve(&rules, least, now_us) {
            Ok(hold) => Ok(hold.charged().iter().map(meter::charge).collect()),
            Err(exhausted) => Err(Reject::BudgetExhausted {
                status: self.snapshot.budgeting.exhausted_status,
                now_us,
                exhausted: Box::new(exhausted),
            }),
        }
    }
}

/// Why a batch that makes the call at `endpoint` cannot be made of `file`: its lines were looked at as what they say they are.
fn another_call(file: &Kept, endpoint: Option<&str>) -> Option<String> {
    let (Some(api), Some(endpoint)) = (file.api, endpoint) else { return None };
    (lines::call(endpoint) != Some(api)).then(|| {
        let (path, endpoint) = (api.path(), shown(endpoint));
        format!("the requests in file `{}` are for `/v1/{path}`, not for `{endpoint}`; name that", file.id)
    })
}

/// What is known of a file that goes up.
#[derive(Default)]
struct Told {
    purpose: String,
    /// Of a file of requests, as all of these.
    model: Option<Arc<str>>,
    api: Option<Api>,
    /// As [`Kept::guards`] and [`Kept::looked`].
    guards: Vec<Arc<str>>,
    looked: Vec<Arc<str>>,
}

/// A form that is passed on.
struct Passing {
    content_type: HeaderValue,
    length: Length,
    boundary: String,
    /// `None`: it did not come yet.
    purpose: Option<String>,
}

/// What was read of a form.
struct Begin {
    bytes: BytesMut,
    share: Share,
    /// When the client was first waited for.
    begun: Instant,
}

impl Begin {
    fn new(call: &Call<'_>) -> Result<Self, Reject> {
        let begun = Instant::now();
        Ok(Self { begun, bytes: BytesMut::new(), share: call.services.buffers.take(0).ok_or(Reject::BuffersFull)? })
    }

    /// Reads on until there are more than `upto` bytes; whether the body has ended.
    async fn read(&mut self, session: &mut Session, upto: usize, call: &Call<'_>) -> Result<bool, Reject> {
        while self.bytes.len() <= upto {
            let bounds = call.services.bounds.body();
            let deadline = bounds.deadline(self.begun, self.bytes.len());
            let piece = tokio::time::timeout_at(deadline, session.as_downstream_mut().read_request_body()).await;
            let piece = match piece.map_err(|_| bounds.late())? {
                Ok(Some(piece)) => piece,
                Ok(None) => return Ok(true),
                Err(error) => {
                    tracing::debug!(%error, "a form broke off");
                    session.set_keepalive(None);
                    if let Some(fault) = edge::fault() {
                        return Err(Reject::Framing(fault));
                    }
                    let message = "the request body ended before it was whole".to_owned();
                    return Err(Reject::BadRequest { message, param: None });
                }
            };
            if !self.share.grow_to(self.bytes.len() + piece.len()) {
                return Err(Reject::BuffersFull);
            }
            self.bytes.extend_from_slice(&piece);
        }
        Ok(false)
    }
}
