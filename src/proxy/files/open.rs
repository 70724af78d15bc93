//! Stages 1 to 7 of a call for files or batches, and what each of them does.

use super::call::{Call, Stopped};
use super::place::{Act, ListQuery, Place, no_query};
use super::{meter, objects, upstream};
use crate::{
    files::Kind,
    guard::Direction,
    proxy::{
        accept::{self, Head},
        finish::Local,
        guarded,
        open::{Next, Opening, user},
        reject::{Reject, shown},
        trouble::Trouble,
    },
};
use http::Method;
use pingora::proxy::Session;
use std::sync::Arc;
use tokio::time::Instant;

/// Pages that one list may take: a page of one account may hold nothing of the team's.
const MOST_PAGES: usize = 20;

impl Opening<'_> {
    /// Every line is a stage. `local` is what is known when one of them refuses.
    ///
    /// # Errors
    ///
    /// What the client is told.
    pub async fn kept(
        &mut self,
        session: &mut Session,
        head: &Head,
        place: &Place,
        local: &mut Local,
    ) -> Result<Next, Reject> {
        let request = session.req_header();
        let act = place.act(&request.method).map_err(|allow| Reject::Method {
            method: shown(request.method.as_str()),
            path: shown(request.uri.path()),
            allow,
        })?;
        let headers = request.headers.clone();
        let query = request.uri.query().map(str::to_owned);
        let caller = self.authenticate(&headers).await?;
        local.caller = Some(Arc::clone(&caller));
        let (services, snapshot) = (&self.gateway.services, &self.snapshot);
        let governing = snapshot.governed.of(&caller);
        local.governing = Some(governing.clone());
        local.user = user(&caller, &headers, None);
        let mask = guarded::mask(snapshot, &headers, (&caller, &governing), "")?;
        // Of files it depends on their purpose whether somebody can look at them.
        let closed = guarded::unless_closed(snapshot, mask, place.api(), &[Direction::Request]).err();
        let permit = governing.admit_caller(&services.limits, &local.subject(&caller))?;
        let Some(_place) = self.place(session, &caller, local).await? else { return Ok(Next::left()) };
        let account = snapshot.accounts.of(&caller.team).cloned().ok_or_else(|| {
            let team = &caller.team;
            let message = format!(
                "team `{team}` has no place for files and batches; ask the operator to set `files.provider` or \
                 `teams.{team}.files.provider`"
            );
            Reject::NotKept { status: 403, code: "files_not_configured", message }
        })?;
        let (place, arrival, begun) = (place.clone(), self.arrival, Instant::now());
        let makes = act == Act::Create;
        let mut call = Call { services, snapshot, arrival, caller, permit, account, place, headers, makes, begun };
        if makes {
            no_query(query.as_deref())?;
            return match call.place.kind {
                Kind::File => call.upload(session, head, closed, local).await,
                Kind::Batch => call.new_batch(session, head, governing, local).await,
            };
        }
        let governing = governing.admit_request(
            &services.limits,
            std::mem::take(&mut call.permit),
            &local.subject(&call.caller),
            0,
        )?;
        call.permit = governing;
        // A body that nobody reads would be taken for the next request.
        let bounds = services.bounds.body();
        drop(accept::body(session, head, bounds, &services.buffers).await?);
        call.act(session, act, query.as_deref(), local).await
    }
}

impl Call<'_> {
    async fn act(
        mut self,
        session: &mut Session,
        act: Act,
        query: Option<&str>,
        local: &mut Local,
    ) -> Result<Next, Reject> {
        if act == Act::List {
            let query = ListQuery::read(self.place.kind, query)?;
            return self.list(session, &query, local).await;
        }
        no_query(query)?;
        let id = self.place.id.clone().unwrap_or_default();
        let kept = self.own(self.place.kind, &id).await?;
        let party = if act == Act::Content { self.readers(&kept, local).await? } else { None };
        let method = match act {
            Act::Delete => Method::DELETE,
            Act::Cancel => Method::POST,
            Act::Get | Act::Content | Act::List | Act::Create => Method::GET,
        };
        let (sent, status, headers) = match self.send(session, local, (method, ""), None).await {
            Ok(head) => head,
            Err(stopped) => return stopped.next(),
        };
        if act == Act::Content && status.is_success() {
            if let Err(trouble) = upstream::is_file(status, &headers) {
                return self.failed(local, trouble).next();
            }
            return self.pass(session, (&kept, party), (sent, headers), local).await;
        }
        let body = match self.whole(session, local, sent, status, &headers).await {
            Ok(body) => body,
            Err(stopped) => return stopped.next(),
        };
        if self.place.kind == Kind::Batch {
            let Some(batch) = self.provider().read_batch(&body) else {
                return self.failed(local, garbage()).next();
            };
            meter::seen(self.services, self.snapshot, &self.account.name, vec![batch]).await?;
        } else if act == Act::Delete {
            let provider = Arc::clone(&self.account.name);
            let forgotten = self.services.files.shelf.ask(move |shelf| shelf.forget(&provider, Kind::File, &id)).await;
            forgotten.map_err(meter::unavailable)?;
        }
        self.ended(local, None, status.as_u16());
        Ok(Next::Answer(status.as_u16(), body))
    }

    /// The team's part of what the account holds.
    async fn list(mut self, session: &mut Session, query: &ListQuery, local: &mut Local) -> Result<Next, Reject> {
        let kind = self.place.kind;
        if let Some(after) = &query.after {
            self.own(kind, after).await?;
        }
        let mut gathered = objects::Gathered::new(usize::try_from(query.limit).unwrap_or(usize::MAX));
        let mut after = query.after.clone();
        let mut pages = 0;
        while gathered.wants_more() && pages < MOST_PAGES {
            pages += 1;
            let page = self.page(session, &query.write(after.as_deref()), local).await;
            let (items, more) = match page {
                Ok(page) => page,
                Err(stopped) => return stopped.next(),
            };
            after = items.last().map(|item| item.id.clone()).filter(|id| super::place::is_id(id));
            let more = more && after.is_some();
            let ids: Vec<String> = items.iter().map(|item| item.id.clone()).collect();
            let (provider, team) = (Arc::clone(&self.account.name), Arc::clone(&self.caller.team));
            let owned = self.services.files.shelf.ask(move |shelf| shelf.owned(&provider, kind, &team, &ids)).await;
            let owned = owned.map_err(meter::unavailable)?;
            if kind == Kind::Batch {
                let own = items.iter().filter(|item| owned.contains(&item.id));
                let read = own.filter_map(|item| self.provider().read_batch(item.raw.as_bytes())).collect();
                meter::seen(self.services, self.snapshot, &self.account.name, read).await?;
            }
            gathered.take(items, &owned, more);
        }
        Ok(Next::Answer(200, gathered.list()))
    }

    async fn page(
        &mut self,
        session: &mut Session,
        query: &str,
        local: &mut Local,
    ) -> Result<(Vec<objects::Item>, bool), Stopped> {
        let (sent, status, headers) = self.send(session, local, (Method::GET, query), None).await?;
        let body = self.whole(session, local, sent, status, &headers).await?;
        let page = objects::Page::read(&body).ok_or_else(|| self.failed(local, garbage()))?;
        self.ended(local, None, status.as_u16());
        Ok(page)
    }
}

/// What is no file, no batch and no list.
pub fn garbage() -> Trouble {
    Trouble::Garbage("no object of this API".to_owned())
}
