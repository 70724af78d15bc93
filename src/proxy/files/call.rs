//! One call of a client, from its admission on, and what its provider answers.

use super::account::Account;
use super::meter;
use super::place::Place;
use super::upstream::{Length, Sent, Wanted};
use crate::{
    auth::Caller,
    config::Failure,
    files::{Kept, Kind},
    limits::Permit,
    providers::Provider,
    proxy::{
        exchange::Arrival,
        finish::{self, Local},
        gateway::{Services, Snapshot},
        open::Next,
        refusal::{self, MAX_REFUSAL_BYTES, Refusal, retry_after},
        reject::{Reject, UpstreamFault},
        trouble::Trouble,
    },
    telemetry::{AccessAttempt, AttemptDetail},
};
use bytes::Bytes;
use http::header::HeaderValue;
use http::{HeaderMap, Method, StatusCode};
use pingora::proxy::Session;
use std::sync::Arc;
use tokio::time::Instant;

/// Why a call ends before its provider's answer is passed on.
pub enum Stopped {
    /// The client is told this.
    Refused(Reject),
    /// The provider refused, and the client is told its words.
    Answered(u16, Bytes),
    /// The client left.
    Gone,
}

impl From<Reject> for Stopped {
    fn from(reject: Reject) -> Self {
        Self::Refused(reject)
    }
}

impl Stopped {
    /// What becomes of the request.
    ///
    /// # Errors
    ///
    /// A refusal.
    pub fn next(self) -> Result<Next, Reject> {
        match self {
            Self::Refused(reject) => Err(reject),
            Self::Answered(status, body) => Ok(Next::Answer(status, body)),
            Self::Gone => Ok(Next::Ended { status: 499, bytes: 0, code: Some("client_gone") }),
        }
    }
}

/// A call of a client that was admitted.
pub struct Call<'a> {
    /// What all requests share.
    pub services: &'a Arc<Services>,
    /// What it is admitted under.
    pub snapshot: &'a Arc<Snapshot>,
    /// The request.
    pub arrival: &'a Arrival,
    /// Who asks.
    pub caller: Arc<Caller>,
    /// What it holds of their limits.
    pub permit: Permit,
    /// Where their things are.
    pub account: Arc<Account>,
    /// What it is about.
    pub place: Place,
    /// The client's headers.
    pub headers: HeaderMap,
    /// It makes something: that is written down also when the client has left.
    pub makes: bool,
    /// When the attempt began.
    pub begun: Instant,
}

impl Call<'_> {
    /// What speaks for the account.
    pub fn provider(&self) -> &dyn Provider {
        &*self.account.provider
    }

    /// The thing that the path names, if it is the team's.
    ///
    /// # Errors
    ///
    /// As if there were none, for everybody else.
    pub async fn own(&self, kind: Kind, id: &str) -> Result<Kept, Reject> {
        let (provider, name) = (Arc::clone(&self.account.name), id.to_owned());
        let found = self.services.files.shelf.ask(move |shelf| shelf.find(&provider, kind, &name)).await;
        let found = found.map_err(meter::unavailable)?;
        found.filter(|kept| kept.team == self.caller.team).ok_or_else(|| {
            let (what, code) = match kind {
                Kind::File => ("file", "file_not_found"),
                Kind::Batch => ("batch", "batch_not_found"),
            };
            let (team, list) = (&self.caller.team, if kind == Kind::File { "/v1/files" } else { "/v1/batches" });
            let message = format!("team `{team}` has no {what} `{id}`; GET {list} lists what it has put there");
            Reject::NotKept { status: 404, code, message }
        })
    }

    /// Sends a request whose body is at hand, and waits for the head of its answer.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn send(
        &mut self,
        session: &mut Session,
        local: &mut Local,
        (method, query): (Method, &str),
        body: Option<(HeaderValue, Bytes)>,
    ) -> Result<(Sent, StatusCode, HeaderMap), Stopped> {
        let length = body.as_ref().map_or(Length::None, |(_, body)| Length::Bytes(body.len()));
        let (content_type, body) = body.unzip();
        self.permit.keep();
        self.begun = Instant::now();
        let wanted = self.wanted(method, query, content_type, length);
        let upstream = &self.services.files.upstream;
        let account = Arc::clone(&self.account);
        let work = async {
            let mut sent = upstream.begin(&account, wanted).await?;
            let written = async {
                sent.write(body.unwrap_or_default()).await?;
                sent.finish().await
            };
            let head = match written.await {
                Ok(()) => sent.head().await?,
                Err(trouble) => sent.early_head(trouble).await?,
            };
            Ok((sent, head.0, head.1))
        };
        match self.wait(session, work).await {
            Ok(head) => Ok(head),
            Err(trouble) => Err(self.failed(local, trouble)),
        }
    }

    async fn wait<T>(
        &self,
        session: &mut Session,
        work: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        if self.makes { work.await } else { unless_gone(session, work).await }
    }

    /// What goes up for this call.
    pub fn wanted(&self, method: Method, query: &str, content_type: Option<HeaderValue>, length: Length) -> Wanted<'_> {
        let api = self.place.api();
        let path = self.place.below(&self.account.provider.path(api, "", false), query);
        let now_us = self.services.clock.now_us();
        Wanted { api, method, path, content_type, length, client: &self.headers, now_us }
    }

    /// Reads a whole answer that is a success.
    ///
    /// # Errors
    ///
    /// [`Stopped`]: also when the provider refuses.
    pub async fn whole(
        &self,
        session: &mut Session,
        local: &mut Local,
        mut sent: Sent,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Bytes, Stopped> {
        if !status.is_success() {
            return Err(self.refused(session, local, sent, status, headers).await);
        }
        if refusal::is_compressed(headers) {
            return Err(self.failed(local, Trouble::Garbage("a compressed answer".to_owned())));
        }
        let most = self.services.bounds.max_withheld_bytes;
        match self.wait(session, sent.whole(most)).await {
            Ok(body) => Ok(body),
            Err(trouble) => Err(self.failed(local, trouble)),
        }
    }

    /// The provider answered with another status than a success.
    pub async fn refused(
        &self,
        session: &mut Session,
        local: &mut Local,
        mut sent: Sent,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Stopped {
        let mut refusal = Refusal::new(headers);
        // What it says beside its status is told if it comes; the status alone is an answer too.
        if let Ok(body) = self.wait(session, sent.whole(MAX_REFUSAL_BYTES)).await {
            refusal.push(&body);
        }
        let status = refusal.status(self.provider(), status.as_u16());
        if !(400..500).contains(&status) || matches!(status, 401 | 403 | 407 | 408 | 429) {
            return self.failed(local, Trouble::Status { status, retry_after: retry_after(headers), again: None });
        }
        self.ended(local, None, status);
        let message = refusal.message(self.provider());
        let own = || {
            refusal::of_our_own(
                self.place.api(),
                (status, Failure::Refused),
                message.as_deref(),
                &self.arrival.label,
                false,
            )
        };
        Stopped::Answered(status, refusal.body(self.provider()).unwrap_or_else(own))
    }

    /// The attempt failed; what the client is told.
    pub fn failed(&self, local: &mut Local, trouble: Trouble) -> Stopped {
        self.ended(local, Some(&trouble), trouble.status());
        match trouble {
            Trouble::ClientGone => Stopped::Gone,
            trouble => {
                let kind = match trouble.fault() {
                    UpstreamFault::NoSuchModel => UpstreamFault::Failed,
                    kind => kind,
                };
                let message =
                    format!("provider `{}`, which keeps files and batches, failed: {trouble}", self.account.name);
                Stopped::Refused(Reject::Upstream { kind, message, retry_after: trouble.retry_after() })
            }
        }
    }

    /// Notes how the attempt ended, for the access record.
    pub fn ended(&self, local: &mut Local, trouble: Option<&Trouble>, status: u16) {
        local.attempts.push(AccessAttempt {
            provider: Arc::clone(&self.account.name),
            target_model: Arc::default(),
            status: (status != 0).then_some(status),
            outcome: finish::outcome(trouble, status),
            time_us: finish::micros(self.begun.elapsed()),
            reason: trouble.map(ToString::to_string).or_else(|| (status >= 400).then(|| format!("status {status}"))),
            action: None,
            pause_us: 0,
            detail: AttemptDetail { error: trouble.map(Trouble::name), ..AttemptDetail::default() },
        });
    }
}

/// Waits for `work`, as long as the client, whose body was read, is there.
///
/// # Errors
///
/// Those of `work`; [`Trouble::ClientGone`].
pub async fn unless_gone<T>(
    session: &mut Session,
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    // Bytes of the next request are not the client's leaving (trap 17).
    session.as_downstream_mut().set_pipelining_enabled(true);
    let leaving = async {
        loop {
            if session.as_downstream_mut().read_body_or_idle(true).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        done = work => done,
        () = leaving => Err(Trouble::ClientGone),
    }
}
