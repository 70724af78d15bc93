//! How a client learns that its request failed, whatever it got before.

use super::{Open, attempt::Attempt, course::Kept, exchange::Arrival, refusal, respond, trouble::Trouble};
use crate::{limits::Shares, model::Api};
use pingora::proxy::Session;

impl Open {
    /// Tells the client how its request failed; `session` is its own again.
    pub(super) async fn tell(&mut self, session: &mut Session) {
        let (arrival, api, committed, gone, unsaid, whole, reject, shares) = {
            let exchange = self.shared.lock();
            let reject = self.refused.clone().unwrap_or_else(|| exchange.verdict());
            let attempt = exchange.attempt();
            let said = |attempt: &Attempt| attempt.answer.ended() || attempt.answer.failed().is_some();
            let event =
                |trouble| attempt.filter(|one| one.answer.is_stream()).map(|one| one.answer.error_event(trouble));
            let unsaid = exchange.last_trouble().filter(|_| !attempt.is_some_and(said));
            let unsaid = unsaid.map(|trouble| (trouble.name(), event(trouble)));
            self.code = attempt.and_then(|attempt| attempt.answer.failed()).map(Trouble::name);
            let arrival = exchange.opened.arrival.clone();
            let whole = attempt.is_some_and(|attempt| attempt.answer.ended());
            let shares = exchange.shares();
            let (committed, gone) = (exchange.committed(), exchange.client_gone());
            (arrival, exchange.opened.ask.api, committed, gone, unsaid, whole, reject, shares)
        };
        if committed {
            self.code = unsaid.as_ref().map(|(name, _)| *name).or(self.code);
            match unsaid {
                Some((_, Some(event))) if !gone => {
                    let event = self.shared.lock().vigil().mend(event);
                    respond::end_stream(session, event).await;
                }
                // No way to tell it in the body: the connection breaks, so that it is not taken for whole.
                Some((_, None)) => session.as_downstream_mut().shutdown().await,
                // Whole already: only the provider's connection was slow to end.
                None if whole => respond::end(session).await,
                Some(_) | None => {}
            }
            return;
        }
        if gone {
            return;
        }
        let kept = self.shared.lock().kept().cloned().filter(|_| self.refused.is_none());
        if let Some(kept) = kept {
            return self.tell_kept(session, &arrival, (api, kept), &shares).await;
        }
        self.code = Some(reject.code());
        if self.shared.lock().is_open_early() {
            self.shared.lock().services().metrics.reject(reject.code());
            return respond::reject_in_stream(session, &arrival, api, &reject).await;
        }
        match respond::reject(session, &arrival, api.dialect(), &reject, &shares).await {
            Ok(bytes) => {
                self.status = reject.status();
                let mut exchange = self.shared.lock();
                exchange.record.bytes_out += bytes;
                exchange.services().metrics.reject(reject.code());
            }
            Err(error) => tracing::debug!(%error, "the client left before its answer"),
        }
    }

    /// Tells what a provider said of the request itself: nothing better came.
    async fn tell_kept(&mut self, session: &mut Session, arrival: &Arrival, (api, kept): (Api, Kept), shares: &Shares) {
        self.code = Some(refusal::code(kept.about));
        if self.shared.lock().is_open_early() {
            let status = if kept.status < 400 { 400 } else { kept.status };
            let said = (status, kept.about);
            let event = refusal::of_our_own(api, said, kept.message.as_deref(), &arrival.label, true);
            let event = self.shared.lock().vigil().mend(event);
            return respond::end_stream(session, event).await;
        }
        match respond::whole(session, arrival, api.dialect(), (kept.status, kept.content_type, kept.body), None, shares)
            .await
        {
            Ok(bytes) => {
                self.status = kept.status;
                self.shared.lock().record.bytes_out += bytes;
            }
            Err(error) => tracing::debug!(%error, "the client left before its answer"),
        }
    }
}
